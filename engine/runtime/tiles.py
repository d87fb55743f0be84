"""Tiles: the steps of a loop are done some at a time, what does not wait for the step before in vectors.

The one idea: of the scalars that a step computes, some do not depend on the carry (functions of the step's own data), and on
some the carry does not depend (what is made of it for the result). In a tile of steps the first are computed for all steps,
then the carry goes from step to step, then the last are computed for all: two loops without a chain, of which LLVM makes
vectors, around a short one. What one part leaves for another lies in scratch as long as a tile. Each value is computed as
before, so bits are the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Protocol

import numpy as np

from weft.engine.runtime.inline import Where
from weft.ir.loops.nest import Buffer, Const, Index, IndexValue, Load, Loop, Op, Param, ParamValue, Store
from weft.ir.records import dataclass, field
from weft.kernels.cpu.decide import reads, renamed
from weft.kernels.schedule import index as ix
from weft.kernels.schedule.costs import price

TILE = 64
"""Steps of a tile: full vectors, whose scratch is in the nearest cache."""
_FEW = 4  # iterations of a loop that is written out
_DEAR = 0.15  # nanoseconds of an operation, from which on it counts; plain arithmetic is done beside the chain anyway
_LEAST = 0.45  # nanoseconds that vectors must have to do


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
    try:
        step = _Step(body, steps.var, {b.name for b in parts.buffers if b.kind == "in"})
    except _Unclear:
        return
    step.drop_scratch({b.name for b in parts.buffers if b.kind == "scratch"})
    sections = step.sections()
    if _cost(sections[0]) + _cost(sections[2]) < _LEAST:
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
            loops.append(Loop(at, extent, "sequential" if number == 1 else "vector", inside))
    parts.length = -(-parts.length // TILE)
    parts.statements = [*step.fixed, Loop(tile, parts.param(parts.length), "steps", tuple(loops))]


_Plain = Const | ParamValue | IndexValue | Load | Store | Op


class _Unclear(Exception):
    """It is not plain which element of a buffer is read or written."""


def _written_out(body: Iterable[Any]) -> list[Any] | None:
    """The statements of a step with its shortest loops written out; none where there are others, or branches."""
    found: list[Any] = []
    for one in body:
        if isinstance(one, _Plain):
            found.append(one)
            continue
        short = isinstance(one, Loop) and isinstance(one.extent, int) and one.extent <= _FEW
        if (
            not short
            or one.carries
            or not all(isinstance(s, IndexValue | Load | Store | Op) for s in one.body)
        ):
            return None
        for k in range(one.extent):
            names = {s.name: f"{s.name}_{k}" for s in one.body if not isinstance(s, Store)}
            found += renamed(one.body, names, {one.var: k})
    return found


def _cost(section: Iterable[Any]) -> float:
    """What the dear operations in some statements cost, about."""
    prices = (price(one.op) for one in section if isinstance(one, Op))
    return sum(one for one in prices if one >= _DEAR)


def _value_reads(statement: Any, var: str) -> list[str]:
    """The values that a statement reads, the number of the step aside."""
    return [name for name in reads(statement) if name != var]


@dataclass(slots=True)
class _Cells:
    """What is in the elements of a buffer, as far as the step has written or read them."""

    stored: dict[Index, str] = field(default_factory=dict)
    loaded: dict[Index, str] = field(default_factory=dict)


class _Step:
    """The statements of a step; an element that was written in this step is known, and not read from memory.

    Attributes:
        fixed: the constants and parameters.
        statements: all others.
        state: names of what is loaded of the carry.
    """

    def __init__(self, body: Sequence[Any], var: str, inputs: set[str]) -> None:
        self.var, self.inputs = var, inputs
        self.fixed = [s for s in body if isinstance(s, Const | ParamValue)]
        self.state: set[str] = set()
        self.statements: list[Any] = []
        cells: dict[str, _Cells] = {}
        same: dict[str, str] = {}
        for statement in body:
            if isinstance(statement, Const | ParamValue):
                continue
            (one,) = renamed([statement], same, {})
            if not isinstance(one, Load | Store) or one.buffer in inputs:
                self.statements.append(one)
                continue
            of = cells.setdefault(one.buffer, _Cells())
            if isinstance(one, Store):
                of.stored[one.index] = one.value
            elif one.mask is not None:
                raise _Unclear
            elif (known := of.stored.get(one.index) or of.loaded.get(one.index)) is not None:
                same[one.name] = known
                continue
            else:
                of.loaded[one.index] = one.name
                self.state.add(one.name)
            self.statements.append(one)
        for of in cells.values():
            places = [*of.stored, *of.loaded]
            if any(isinstance(k, int) for k in places) and not all(isinstance(k, int) for k in places):
                raise _Unclear
            if of.loaded and not all(isinstance(k, int) for k in places):
                raise _Unclear

    def drop_scratch(self, scratch: set[str]) -> None:
        """Leave out what is stored for this step alone."""
        loaded = {s.buffer for s in self.statements if isinstance(s, Load)}
        gone = scratch - loaded
        self.statements = [s for s in self.statements if not (isinstance(s, Store) and s.buffer in gone)]

    def is_free(self, statement: Any) -> bool:
        """Whether each section may make a value for itself: the number of the step, and what it says to load."""
        if isinstance(statement, Load):
            return statement.buffer in self.inputs and not _value_reads(statement, self.var)
        return isinstance(statement, IndexValue) and not _value_reads(statement, self.var)

    def sections(self) -> tuple[list[Any], list[Any], list[Any]]:
        """What comes before the chain, the chain, and what comes after it."""
        waits = set(self.state)
        for one in self.statements:
            if not isinstance(one, Store) and waits.intersection(_value_reads(one, self.var)):
                waits.add(one.name)
        last: dict[tuple[str, int], Any] = {}
        for one in self.statements:
            if isinstance(one, Store) and isinstance(one.index, int):
                last[one.buffer, one.index] = one
        kept = {id(one) for one in last.values()}
        needed: set[str] = set()
        sections: tuple[list[Any], list[Any], list[Any]] = ([], [], [])
        for one in reversed(self.statements):
            if isinstance(one, Store):
                if isinstance(one.index, int):
                    if id(one) in kept:
                        sections[1].append(one)
                        needed.update(_value_reads(one, self.var))
                else:
                    sections[2].append(one)
                continue
            if one.name in self.state:
                sections[1].append(one)
            elif not self.is_free(one):
                sections[(1 if one.name in waits else 0) if one.name in needed else 2].append(one)
            if one.name in needed:
                needed.update(_value_reads(one, self.var))
        for section in sections:
            section.reverse()
        return sections


class _Section:
    """Writes one of the three loops' bodies, with names of its own."""

    def __init__(
        self,
        step: _Step,
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
            for name in _value_reads(one, step.var):
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
            for name in _value_reads(one, step.var)
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
