"""Chains of elementwise operations over one and two dimensions: what fusion and vector maths are for."""

from __future__ import annotations

from . import Programs, normal
from .dispatch import six_operations


def arithmetic(backend, x, y):
    return (x * y + 3.0 * x - y) * (x - 0.5) + y * y


def gaussian(backend, x, y):
    return backend.np.exp(-0.5 * (x - y) ** 2) / (1.0 + backend.np.abs(y))


def trigonometric(backend, x, y):
    return backend.np.sin(x) * backend.np.cos(y) + backend.np.tanh(x * y)


def choice(backend, x, y):
    return backend.np.where(x > y, backend.np.clip(x, -1.0, 1.0), backend.np.sqrt(backend.np.maximum(y, 0.0)))


def outer_difference(backend, x, y):
    """Broadcasting: a column and a row make a square."""
    return (x[:, None] - y[None, :]) ** 2


def sum_of_exp_sin(backend, x):
    return backend.np.sum(backend.np.exp(x) * backend.np.sin(x))


class Elementwise(Programs):
    programs = (arithmetic, gaussian, trigonometric, choice)
    sizes = (1_000, 100_000, 1_000_000)

    def data(self, program, n):
        return normal(n), normal(n, 1)[:, 0]


class Broadcast(Programs):
    programs = (outer_difference,)
    sizes = (30, 1_000)

    def data(self, program, n):
        return normal(n), normal(n, 1)[:, 0]


class SixOperations(Programs):
    """What `dispatch` calls with a few numbers: here memory is the limit."""

    programs = (six_operations,)
    sizes = (100_000, 1_000_000, 10_000_000)

    def data(self, program, n):
        return normal(n), normal(n, 1)[:, 0]


class Transcendental(Programs):
    programs = (sum_of_exp_sin,)
    sizes = (1_000_000,)

    def data(self, program, n):
        return (normal(n),)


class Transcendental32(Transcendental):
    dtype = "float32"
