"""Reductions along rows and columns, row-wise normalisations, scans and sorting."""

from __future__ import annotations

from . import Programs, normal


def total(backend, x):
    return backend.np.sum(x)


def rows(backend, x):
    return backend.np.sum(x, axis=1)


def columns(backend, x):
    return backend.np.sum(x, axis=0)


def norm(backend, x):
    """An elementwise chain that ends in a reduction."""
    return backend.np.sqrt(backend.np.sum((x - 0.5) ** 2))


def softmax(backend, x):
    weights = backend.np.exp(x - backend.np.max(x, axis=1, keepdims=True))
    return weights / backend.np.sum(weights, axis=1, keepdims=True)


def layer_norm(backend, x):
    centred = x - backend.np.mean(x, axis=1, keepdims=True)
    return centred / backend.np.sqrt(backend.np.mean(centred**2, axis=1, keepdims=True) + 1e-5)


def argmax(backend, x):
    return backend.np.argmax(x, axis=1)


def cumsum(backend, x):
    return backend.np.cumsum(x, axis=1)


def sort(backend, x):
    return backend.np.sort(x, axis=1)


class Reduce(Programs):
    """Over a matrix of n rows and 64 columns, but for total and norm, which reduce all of it."""

    programs = (total, rows, columns, norm, softmax, layer_norm, argmax, cumsum, sort)
    sizes = (16, 10_000)

    def data(self, program, n):
        return (normal(n, 64),)


class Square(Programs):
    """Over a matrix of n rows and columns."""

    programs = (total, rows, columns, softmax, layer_norm)
    sizes = (1_000,)

    def data(self, program, n):
        return (normal(n, n),)
