"""Neighbours: loops that read elements which lie beside those of their other iterations, and do little with them.

The one idea: a vector of 64 bytes that does not begin at a cache line is a load of two lines, one of 32 bytes every second
time. Where a CPU takes the widest vectors in two halves anyhow, and loads are what a loop waits for, half the width is as good
as the whole, and less is loaded twice.
"""

from __future__ import annotations

from math import inf
from typing import Any

from weft.ir.loops.nest import Load, Loop, Op, Store, bodies
from weft.kernels.cpu.short import factor
from weft.kernels.maths import FUNCTIONS

_MOST_WORK = 1.25  # operations for each load and store, beyond which arithmetic is what takes time (measured)


def waits_for_neighbours(body: tuple[Any, ...]) -> bool:
    """Whether some loops of vectors read neighbours, and all that do compute little."""
    found = [_work(one) for one in _vector_loops(body) if _reads_neighbours(one)]
    return bool(found) and max(found) <= _MOST_WORK


def _vector_loops(body: tuple[Any, ...]) -> list[Loop]:
    """The loops of vectors among statements and inside of them: a kernel that is one loop is one, too."""
    loops = [one for one in body if isinstance(one, Loop) and one.kind in ("vector", "parallel")]
    found = [one for one in loops if not any(bodies(statement) for statement in one.body)]
    return found + [loop for one in body for inner in bodies(one) for loop in _vector_loops(inner)]


def _reads_neighbours(loop: Loop) -> bool:
    """Whether one buffer is read at several places that move on by one element with the loop, which folds nothing."""
    reads = {(s.buffer, s.index) for s in loop.body if isinstance(s, Load)}
    along = [buffer for buffer, index in reads if factor(index, loop.var) == 1]
    return len(set(along)) < len(along) and not loop.carries


def _work(loop: Loop) -> float:
    """How many operations there are for each load and store, where none is a function; what chooses between values is none."""
    if any(isinstance(s, Op) and s.op in FUNCTIONS for s in loop.body):
        return inf
    work = sum(isinstance(s, Op) and s.dtype.kind != "b" and s.op != "select" for s in loop.body)
    return work / sum(isinstance(s, Load | Store) for s in loop.body)
