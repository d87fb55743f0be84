"""Short loops: those of known length, which LLVM may write out, and of which some had better be vectors.

The one idea: a small loop that is written out lives in registers, a step of a recurrence for instance. But a function takes as
long for one element as for eight, an extremum that heeds NaN is a chain of steps that wait for one another, and loops within
loops that are too long to be written out read every element by itself: these become vectors, as long loops do.
"""

from __future__ import annotations

from collections.abc import Container, Iterable
from typing import Any

from weft.ir.loops.nest import Accumulate, Call, Const, Index, IndexOp, Load, Loop, Nest, Op, Store, bodies
from weft.kernels.maths import FUNCTIONS
from weft.kernels.schedule.index import names_in

FEWEST = 4
"""Iterations of a loop that becomes vectors."""
FULL = 8
"""Of what they are a multiple, in a loop within loops: of vectors that are not full LLVM leaves too much over."""
LONGEST = 300
"""Statements that are written out, those of a loop within loops counted as often as they run (measured)."""


def is_vector(loop: Loop, copies: int, *, reads_own: bool = True) -> bool:
    """Whether a loop of known length shall become vectors, and not be written out.

    Args:
        loop: a loop whose extent is a number.
        copies: how often it would stand there, were the short loops around it written out.
        reads_own: whether the nest reads what it has written, so that registers may hold it.
    """
    assert isinstance(loop.extent, int)
    if loop.extent < FEWEST or not all(
        isinstance(one, Accumulate | Const | Load | Op | Store) for one in loop.body
    ):
        return False
    if any(isinstance(one, Op) and one.op in FUNCTIONS for one in loop.body):
        return True
    if copies == 1 and any(acc.op in ("max", "min") for acc in loop.carries):
        return True
    along = all(_goes_along(one, loop.var) for one in loop.body)
    if not (reads_own or loop.carries):  # all goes from memory to memory
        return along and loop.extent % FEWEST == 0
    is_long = copies * loop.extent * len(loop.body) > LONGEST
    return is_long and loop.extent % FULL == 0 and along


def is_at_places(loop: Loop, known: Container[str]) -> bool:
    """Whether a loop of known length updates rows at places read from memory, and keeps nothing in registers.

    Args:
        loop: a loop whose extent is a number.
        known: the variables of loops and the indices that were computed from them.
    """
    assert isinstance(loop.extent, int)
    if loop.extent % FEWEST or not all(
        isinstance(one, Load | Op | Store) and _goes_along(one, loop.var) for one in loop.body
    ):
        return False
    bound = {one.name for one in loop.body if not isinstance(one, Store)}
    places = {name for one in loop.body if not isinstance(one, Op) for name in names_in(one.index)}
    return any(name not in known and name not in bound for name in places - {loop.var})


def _goes_along(statement: Any, var: str) -> bool:
    """Whether what a statement accesses lies side by side in the iterations of a loop, or is always the same."""
    return not isinstance(statement, Load | Store) or factor(statement.index, var) in (0, 1)


def factor(index: Index, var: str) -> int | None:
    """What an index goes up by with a variable; ``None`` where that is not simple."""
    if index == var:
        return 1
    if var not in names_in(index):
        return 0
    if isinstance(index, IndexOp) and index.op in "+-":
        a, b = factor(index.a, var), factor(index.b, var)
        return None if a is None or b is None else a + b if index.op == "+" else a - b
    return None


def reads_own(nest: Nest) -> bool:
    """Whether a nest reads what it has written."""
    outside = {buffer.name for buffer in nest.buffers if buffer.kind == "in"}

    def within(body: Iterable[Any]) -> bool:
        return any(
            isinstance(one, Call)
            or (isinstance(one, Load) and one.buffer not in outside)
            or any(within(inner) for inner in bodies(one))
            for one in body
        )

    return within(nest.body)
