"""What a call costs when there is almost nothing to compute: jitted, eager, and with a tree of arguments."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

from . import BACKENDS, Backend, Programs, layers, network_loss, normal


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


# Of an array package `np`, and of a vector and a matrix of its own.
COMMON: dict[str, Callable[[Any, Any, Any], Any]] = {
    "add": lambda np, v, m: np.add(v, v),
    "multiply": lambda np, v, m: v * v,
    "exp": lambda np, v, m: np.exp(v),
    "sqrt": lambda np, v, m: np.sqrt(v),
    "maximum": lambda np, v, m: np.maximum(v, 0.5),
    "where": lambda np, v, m: np.where(v > 0.5, v, 0.0),
    "clip": lambda np, v, m: np.clip(v, 0.2, 0.8),
    "sum": lambda np, v, m: np.sum(v),
    "mean": lambda np, v, m: np.mean(m, axis=0),
    "argmax": lambda np, v, m: np.argmax(v),
    "cumsum": lambda np, v, m: np.cumsum(v),
    "sort": lambda np, v, m: np.sort(v),
    "dot": lambda np, v, m: np.dot(v, v),
    "matmul": lambda np, v, m: m @ m.T,
    "reshape": lambda np, v, m: np.reshape(v, (4, 8)),
    "transpose": lambda np, v, m: m.T,
    "slice": lambda np, v, m: v[3:10],
    "concatenate": lambda np, v, m: np.concatenate([v, v]),
    "stack": lambda np, v, m: np.stack([v, v]),
    "zeros": lambda np, v, m: np.zeros(32),
}


class Functions:
    """How many times as long as NumPy's eager functions take on 32 elements: the worst of them, and the median.

    What threads other than the caller's do is not counted.
    """

    param_names = ("backend",)
    params = (BACKENDS,)
    unit = "×"
    timeout = 120

    def setup(self, backend: str) -> None:
        data = abs(normal(32)), normal(4, 8)
        self.numpys, self.own = ((of.np, *of.arrays(data)) for of in map(Backend.of, ("numpy", backend)))

    def ratios(self) -> list[float]:
        """Of each function."""
        return [fastest(call, self.own) / fastest(call, self.numpys) for call in COMMON.values()]

    def track_worst(self, backend: str) -> float:
        return 1.0 if backend == "numpy" else max(self.ratios())

    def track_median(self, backend: str) -> float:
        return 1.0 if backend == "numpy" else statistics.median(self.ratios())


def fastest(
    function: Callable[..., Any], args: tuple[Any, ...], rounds: int = 7, least: float = 1e-3
) -> float:
    """Seconds of a thread's time that a call takes, in the best of some rounds, each of ``least`` seconds about."""
    number = 1
    while (taken := _spent(function, args, number)) < least:
        number = max(2 * number, int(number * least / max(taken, least / 100)))
    return min(_spent(function, args, number) for _ in range(rounds)) / number


def _spent(function: Callable[..., Any], args: tuple[Any, ...], number: int) -> float:
    start = time.thread_time()
    for _ in range(number):
        function(*args)
    return time.thread_time() - start
