"""What a call costs when there is almost nothing to compute: jitted, eager, and with a tree of arguments."""

from __future__ import annotations

from . import Programs, layers, network_loss, normal


def six_operations(backend, x, y):
    return (x * y + 3.0 * x - y) * (x - 0.5)


def square_plus(backend, x, y):
    return x * x + x


def leaves(backend, tree):
    return {key: leaf * 2.0 for key, leaf in tree.items()}


def small_network(backend, params, x, y):
    """Eight leaves of arguments, and a dozen operations on a few numbers each."""
    return network_loss(backend, params, x, y)


class Jitted(Programs):
    programs = (six_operations, small_network)
    sizes = (10, 1_000)

    def data(self, program, n):
        if program == "small_network":
            return layers(4, 4, 4, 4, 2), normal(n, 4), normal(n, 2)
        return normal(n), normal(n) + 1.0


class Leaves(Programs):
    """A dictionary of n small arrays in, and one out."""

    programs = (leaves,)
    sizes = (50,)

    def data(self, program, n):
        return ({f"leaf{k}": normal(4) for k in range(n)},)


class Eager(Jitted):
    """The same, one operation after the other."""

    programs = (six_operations, square_plus, small_network)
    sizes = (32,)
    jit = False
