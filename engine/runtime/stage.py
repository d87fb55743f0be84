"""Stage: the rows of a block of lanes are put aside with lanes side by side, and back when all steps are done.

The one idea: where a lane's row is a row of memory, a step reads one element of each of many rows, and vectors must be gathered
from as many cache lines. The rows of a block fit into the cache: copied into scratch the other way round they are vectors, and
the copies go through memory in its order (`weft.kernels.cpu.squares`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from weft.ir.loops.nest import If, Index, IndexOp, IndexValue, Load, Loop, Store, While
from weft.ir.loops.nest import bodies as nested
from weft.ir.records import dataclass, replace
from weft.kernels.schedule import index as ix

__all__ = ["LEAST", "LONGEST", "Stage", "buffers_in", "copied", "moved", "padded"]

LEAST = 8
"""Elements of a row that is worth it: LLVM makes vectors of shorter ones itself."""
LONGEST = 2**15
"""Bytes that a lane may have in all buffers: of more, a block would not fit into the cache."""
_PADDING = 8  # lanes: a power of 2 would be few sets of the cache


@dataclass(frozen=True, slots=True)
class Stage:
    """Where the rows of a buffer are put aside.

    Attributes:
        buffer: the scratch.
        offset: where this thread's part of it begins.
        pitch: how far the elements of a row are apart there.
    """

    buffer: str
    offset: Index
    pitch: Index

    def at(self, place: Index, lane: Index) -> Index:
        """Where an element of a row is."""
        return ix.add(ix.add(ix.mul(place, self.pitch), self.offset), lane)


def padded(width: int) -> int:
    """How far the elements of a row are apart, where blocks have so many lanes."""
    return width + _PADDING


def copied(
    name: Callable[[str], str],
    stage: Stage,
    buffer: str,
    dtype: np.dtype,
    rows: tuple[Index, Index],
    length: Index,
    back: bool,
) -> Loop:
    """A loop that puts rows aside, or ``back``.

    Args:
        name: makes names.
        stage: where they are put.
        buffer: where they are.
        dtype: of the elements.
        rows: the first one, and how many.
        length: of each.
        back: the direction.
    """
    first, count = rows
    row, place, value = name("i"), name("i"), name("v")
    there = ix.add(ix.mul(ix.add(first, row), length), place)
    source, target = ((stage.buffer, stage.at(place, row)), (buffer, there))[:: 1 if back else -1]
    body = (Load(value, dtype, *source), Store(*target, value))
    return Loop(row, count, "sequential", (Loop(place, length, "sequential", body),))


def buffers_in(body: Iterable[Any]) -> set[str]:
    """The buffers that statements access."""
    found = {one.buffer for one in body if isinstance(one, Load | Store)}
    return found.union(*[buffers_in(inner) for one in body for inner in nested(one)])


def moved(
    statement: Any, var: str, index: Index, staged: Mapping[str, Stage], place: Callable[[str, Index], Index]
) -> Any:
    """A statement with another index in the place of a loop variable.

    Args:
        statement: of a loop over lanes.
        var: the variable.
        index: what it is in the whole.
        staged: the buffers whose rows are put aside, which are read and written there.
        place: which of the lane's elements in a buffer an index is.
    """

    def new(old: Index) -> Index:
        if old == var:
            return index
        if isinstance(old, IndexOp):
            a, b = new(old.a), new(old.b)
            return old if a is old.a and b is old.b else IndexOp(old.op, a, b)
        return old

    def access(buffer: str, at: Index) -> tuple[str, Index]:
        if (stage := staged.get(buffer)) is not None:
            return stage.buffer, stage.at(place(buffer, at), var)
        return buffer, new(at)

    def inner(body: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple([moved(one, var, index, staged, place) for one in body])

    match statement:
        case Load(name, dtype, buffer, at, mask):
            return Load(name, dtype, *access(buffer, at), mask)
        case Store(buffer, at, value):
            return Store(*access(buffer, at), value)
        case IndexValue(name, dtype, at):
            return IndexValue(name, dtype, new(at))
        case Loop():
            return replace(statement, extent=new(statement.extent), body=inner(statement.body))
        case While(cond, flag, body):
            return While(inner(cond), flag, inner(body))
        case If(flag, then, other):
            return If(flag, inner(then), inner(other))
    return statement
