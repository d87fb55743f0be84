"""Matrix products small and large, batched, and with an elementwise tail."""

from __future__ import annotations

from . import Programs, normal


def square(backend, a, b, bias):
    return a @ b


def dense_layer(backend, a, b, bias):
    return backend.np.tanh(a @ b + bias)


def gram(backend, a, b, bias):
    return a.T @ a


def vector(backend, a, b, bias):
    return a @ bias


def product(backend, a, b):
    return a @ b


class Matmul(Programs):
    programs = (square, dense_layer, gram, vector)
    sizes = (8, 64, 512)

    def data(self, program, n):
        return normal(n, n), normal(n, n) + 1.0, normal(n)


class Batched(Programs):
    """256 products of n x n matrices."""

    programs = (product,)
    sizes = (4, 32)

    def data(self, program, n):
        return normal(256, n, n), normal(256, n, n) + 1.0


class Product(Programs):
    """One product and nothing else."""

    programs = (product,)
    sizes = (16, 64, 256, 1024)

    def data(self, program, n):
        return normal(n, n), normal(n, n) + 1.0


class Product32(Product):
    dtype = "float32"
