"""What is no loop over elements: sorting, running sums, scattering, random numbers."""

from __future__ import annotations

import numpy

from . import Programs, normal


def sort(backend, x):
    return backend.np.sort(x)


def argsort(backend, x):
    return backend.np.argsort(x)


def cumsum(backend, x):
    return backend.np.cumsum(x)


class Lines(Programs):
    """Over one long line."""

    programs = (sort, argsort, cumsum)
    sizes = (1_000_000,)

    def data(self, program, n):
        return (normal(n),)


def scatter_add(backend, places, updates):
    if backend.name == "numpy":
        total = numpy.zeros(1_000)
        numpy.add.at(total, places, updates)
        return total
    return backend.np.zeros(1_000).at[places].add(updates)


def segment_sum(backend, places, updates):
    return backend.api.ops.segment_sum(updates, places, num_segments=1_000)


class Scatter(Programs):
    """`n` numbers into a thousand places."""

    programs = (scatter_add, segment_sum)
    sizes = (1_000_000,)
    without_numpy = ("segment_sum",)

    def data(self, program, n):
        return numpy.random.default_rng(n).integers(0, 1_000, n), normal(n)


def random_normal(backend, key_data):
    if backend.name == "numpy":
        return numpy.random.default_rng(0).normal(size=1_000_000)
    return backend.api.random.normal(key_data, (1_000_000,), dtype="float64")


def random_uniform(backend, key_data):
    if backend.name == "numpy":
        return numpy.random.default_rng(0).uniform(size=1_000_000)
    return backend.api.random.uniform(key_data, (1_000_000,), dtype="float64")


class Random(Programs):
    """A million draws from the same key. NumPy's generator is another, and its numbers are."""

    programs = (random_normal, random_uniform)
    sizes = (1_000_000,)

    def data(self, program, n):
        return (numpy.array([0, 42], numpy.uint32),)
