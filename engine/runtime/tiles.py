"""Tiles: the steps of a loop are done some at a time, what does not wait for the step before in vectors.

The one idea: of the scalars that a step computes, some do not depend on the carry (functions of the step's own data), and on
some the carry does not depend (what is made of it for the result). In a tile of steps the first are computed for all steps,
then the carry goes from step to step, then the last are computed for all: two loops without a chain, of which LLVM makes
vectors, around a short one. Where a part of the carry waits for another (a sum over a function of the state), there are two
chains, and a loop of vectors between them (`weft.engine.runtime.chains`). What one part leaves for another lies in scratch as
long as a tile. Each value is computed as before, so bits are the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Protocol

import numpy as np

from weft.engine.runtime.chains import Steps, Unclear, is_function
from weft.engine.runtime.inline import Where
from weft.ir.loops.arithmetic import evaluate_index
from weft.ir.loops.nest import (
    Accumulate,
    Accumulator,
    Buffer,
    Const,
    Index,
    IndexValue,
    Load,
    Loop,
    Op,
    Param,
    ParamValue,
    Store,
)
from weft.ir.records import replace
from weft.kernels.cpu.decide import renamed
from weft.kernels.schedule import index as ix

TILE = 64
"""Steps of a tile: full vectors, whose scratch is in the nearest cache."""
_FEW = 4  # iterations of a loop that is written out
_LONGEST = 600  # statements of a step that are written out
_FOLDS = frozenset("add mul set".split())  # what is one operation on two values


class Parts(Protocol):
    """What writes the nest."""

    buffers: list[Buffer]
    statements: list[Any]
    length: int

    def name(self, stem: str) -> str:
        """A new name."""

    def param(self, value: int) -> Param:
        """A new parameter."""

    def new_scratch(self, dtype: np.dtype, elements: int) -> Where:
        """New scratch for so many elements."""


def in_tiles(parts: Parts) -> None:
    """Write the one loop over steps in tiles, where its body is scalars, and vectors have something to do."""
    (steps,) = parts.statements
    body = _written_out(steps.body)
    if parts.length < TILE or body is None:
        return
    named = {kind: {b.name for b in parts.buffers if b.kind == kind} for kind in ("in", "scratch")}
    try:
        step = Steps(body, steps.var, named["in"], named["scratch"])
    except Unclear:
        return
    before = {one.name for one in steps.body if isinstance(one, Op)}
    sections = step.cut({one.name for one in body if is_function(one)} - before)
    if sections is None:
        return
    tile, first = parts.name("tile"), parts.name("i")
    begin = ix.mul(tile, TILE)
    extent = ix.minimum(TILE, ix.sub(steps.extent, begin))
    shared: dict[str, Where] = {}
    loops = []
    for number in range(len(sections)):
        at = f"{first}_{number}"
        inside = _Section(step, sections, number, shared, parts).body(at, ix.add(begin, at))
        if inside:
            loops.append(Loop(at, extent, "sequential" if number % 2 else "vector", inside))
    parts.length = -(-parts.length // TILE)
    parts.statements = [*step.fixed, Loop(tile, parts.param(parts.length), "steps", tuple(loops))]


def _written_out(body: Iterable[Any]) -> list[Any] | None:
    """The statements of a step with its shortest loops written out; none where there are others, or branches."""
    found: list[Any] = []
    folds: dict[str, Accumulator] = {}
    if not _write_out(body, {}, {}, folds, "", found) or len(found) > _LONGEST:
        return None
    return found


def _write_out(
    body: Iterable[Any],
    names: dict[str, str],
    indices: dict[str, Index],
    folds: dict[str, Accumulator],
    end: str,
    found: list[Any],
) -> bool:
    """Append statements to ``found``, with other names where they are not the first of their kind.

    Args:
        body: the statements.
        names: what names mean here; it grows.
        indices: the numbers that the variables of the loops around have here.
        folds: the accumulators of the loops around.
        end: what new names end with.
        found: the statements before.
    """
    for one in body:
        if isinstance(one, Accumulate):
            acc = folds[one.acc]
            new = f"{acc.name}{end}"
            value = names.get(one.value, one.value)
            before = names[acc.name]
            names[acc.name] = value if acc.op == "set" else new
            if acc.op != "set":
                found.append(Op(new, acc.dtype, acc.op, (before, value)))
        elif isinstance(one, Loop):
            if not isinstance(one.extent, int) or one.extent > _FEW:
                return False
            for acc in one.carries:
                if acc.dtype.itemsize == 2 or acc.op not in _FOLDS:
                    return False
                folds[acc.name] = acc
                names[acc.name] = names.get(acc.init, acc.init)
            for k in range(one.extent):
                if not _write_out(one.body, names, {**indices, one.var: k}, folds, f"{end}_{k}", found):
                    return False
        elif isinstance(one, Const | ParamValue):
            if one.name not in names:
                names[one.name] = one.name
                found.append(one)
        elif isinstance(one, IndexValue | Load | Store | Op):
            if end and not isinstance(one, Store):
                names[one.name] = f"{one.name}{end}"
            (new,) = renamed([one], names, indices)
            found.append(new if isinstance(new, Op) else replace(new, index=_folded(new.index)))
        else:
            return False
    return True


def _folded(index: Index) -> Index:
    """An index with its arithmetic on integers done."""
    return evaluate_index(index, lambda leaf: leaf, ix.OPERATIONS)


class _Section:
    """Writes the body of one of the loops, with names of its own."""

    def __init__(
        self,
        step: Steps,
        sections: Sequence[Sequence[Any]],
        number: int,
        shared: dict[str, Where],
        parts: Parts,
    ) -> None:
        self.step, self.sections, self.number = step, sections, number
        self.shared, self.parts = shared, parts

    def body(self, at: str, now: Index) -> tuple[Any, ...]:
        """The statements: what is read of other sections, the section's own, and what others read of it."""
        step, own = self.step, self.sections[self.number]
        if not own:
            return ()
        made = {one.name: one for one in own if not isinstance(one, Store)}
        by_name = {one.name: one for one in step.statements if not isinstance(one, Store)}
        wanted: dict[str, None] = {}
        for one in own:
            for name in step.value_reads(one):
                if name in by_name and name not in made:
                    wanted[name] = None
        head: list[Any] = []
        for name in wanted:
            if name in self.shared:
                where = self.shared[name]
                head.append(Load(name, _dtype(by_name[name]), where.buffer, step.var))
            else:
                head.append(by_name[name])
        later = {
            name
            for section in self.sections[self.number + 1 :]
            for one in section
            for name in step.value_reads(one)
        }
        tail: list[Any] = []
        for name, one in made.items():
            if name in later:
                where = self.shared[name] = self.parts.new_scratch(_dtype(one), TILE)
                tail.append(Store(where.buffer, step.var, name))
        names = {name: f"{name}_{self.number}" for name in (*made, *wanted)}
        scratch = {where.buffer for where in self.shared.values()}
        return tuple(
            [
                renamed([one], names, {step.var: at if getattr(one, "buffer", "") in scratch else now})[0]
                for one in (*head, *own, *tail)
            ]
        )


def _dtype(statement: Any) -> np.dtype:
    dtype: np.dtype = statement.dtype
    return dtype
