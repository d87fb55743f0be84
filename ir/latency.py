"""Latency: how long operations of a step wait for one another, where the next step waits for what this one makes.

The one idea: a loop goes no faster than the slowest way from a number of its carry back to itself. How many operations lie
beside that way matters only where they are more than the CPU does meanwhile.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import inf

import numpy as np

SCALARS, VECTORS = 3.0, 10.0
"""Plain operations that the CPU begins in a cycle: of scalars, and elements of vectors."""
_CYCLES = {
    "select": 2.0,
    "neg": 1.0,
    "not": 1.0,
    "and": 1.0,
    "or": 1.0,
    "cast": 4.0,
    "div": 13.0,
    "sqrt": 15.0,
}
_MOST = 8  # steps of a way that is looked at
_PLAIN = frozenset("add sub mul max min eq ne lt le gt ge abs xor integer_pow".split())


def latency(op: str) -> float:
    """Clock cycles until the result of an operation is there, on machines of our day."""
    return _CYCLES.get(op, 4.0 if op in _PLAIN else 30.0)


def longest_turn(waits: Mapping[tuple[int, int], float], size: int) -> float:
    """Cycles that a step takes at least: the mean over the slowest way from a number of the carry back to itself.

    Ways of more than eight steps are left out: there is hardly a slower one among them, and they are many.

    Args:
        waits: cycles until number ``i`` of the next carry is there, from number ``j`` of this one on, by ``(i, j)``.
        size: how many numbers the carry has.
    """
    once = np.full((size, size), -inf)
    for (i, j), cycles in waits.items():
        once[i, j] = cycles
    slowest, many = 0.0, once
    for steps in range(1, min(size, _MOST) + 1):
        slowest = max(slowest, float(np.max(np.diag(many))) / steps)
        many = np.max(many[:, :, None] + once[None, :, :], axis=1)
    return slowest
