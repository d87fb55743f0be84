"""Inline: a loop nest becomes a part of another.

The one idea: names get a prefix, parameters become those of the nest around (or constants, where it wants that), and buffers
become places in its buffers. What ran in chunks runs in order.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Protocol

import numpy as np

from weft.ir.loops.nest import (
    Accumulate,
    Accumulator,
    Const,
    If,
    Index,
    IndexOp,
    IndexValue,
    Load,
    Loop,
    Op,
    Param,
    ParamValue,
    Store,
    While,
)
from weft.ir.records import dataclass, replace
from weft.kernels.schedule import Scheduled
from weft.kernels.schedule import index as ix


@dataclass(frozen=True, slots=True)
class Where:
    """Where a value begins."""

    buffer: str
    offset: Index = 0


class Parts(Protocol):
    """What writes the nest around."""

    params: list[int]

    def name(self, stem: str) -> str:
        """A new name."""

    def size(self, value: int) -> Index:
        """A parameter's value as an index."""


class Renamed:
    """The statements of one nest as a part of another: its names, parameters and buffers are those of the other.

    Args:
        rolled: writes the nest around.
        one: the nest.
        operands: where its buffers are.
    """

    def __init__(self, rolled: Parts, one: Scheduled, operands: Sequence[Where]) -> None:
        self.rolled = rolled
        self.values = one.params
        self.places = dict(zip((b.name for b in one.nest.buffers), operands, strict=True))
        self.prefix = rolled.name("k")
        self.params: dict[int, Index] = {}
        self.scalars: dict[int, int] = {}

    def body(self, body: Iterable[Any]) -> tuple[Any, ...]:
        """The statements of the nest, renamed."""
        return tuple([self._statement(statement) for statement in body])

    def _name(self, name: str) -> str:
        return f"{self.prefix}_{name}"

    def _index(self, index: Index) -> Index:
        match index:
            case str():
                return self._name(index)
            case Param(k):
                if k not in self.params:
                    self.params[k] = self.rolled.size(self.values[k])
                return self.params[k]
            case IndexOp(op, a, b):
                return _ARITHMETIC[op](self._index(a), self._index(b))
        return index

    def _access(self, buffer: str, index: Index) -> tuple[str, Index]:
        place = self.places[buffer]
        return place.buffer, ix.add(self._index(index), place.offset)

    def _statement(self, statement: Any) -> Any:
        match statement:
            case Const(name):
                return replace(statement, name=self._name(name))
            case ParamValue(name, dtype, k):
                words = 2 if dtype == np.complex128 else 1
                if k not in self.scalars:
                    self.scalars[k] = len(self.rolled.params)
                    self.rolled.params.extend(self.values[k : k + words])
                return ParamValue(self._name(name), dtype, self.scalars[k])
            case IndexValue(name, dtype, index):
                return IndexValue(self._name(name), dtype, self._index(index))
            case Load(name, dtype, buffer, index, mask):
                place = self._access(buffer, index)
                return Load(self._name(name), dtype, *place, None if mask is None else self._name(mask))
            case Store(buffer, index, value):
                return Store(*self._access(buffer, index), self._name(value))
            case Op(name, dtype, op, args, params):
                return Op(self._name(name), dtype, op, tuple(map(self._name, args)), params)
            case Accumulate(acc, value):
                return Accumulate(self._name(acc), self._name(value))
            case While(cond, flag, body):
                return While(self.body(cond), self._name(flag), self.body(body))
            case If(flag, then, other):
                return If(self._name(flag), self.body(then), self.body(other))
            case Loop(var, extent, kind, body, carries):
                accs = tuple(
                    [Accumulator(self._name(a.name), a.dtype, a.op, self._name(a.init)) for a in carries]
                )
                if kind in ("parallel", "steps"):
                    inside = any(isinstance(one, Loop | While | If) for one in body)
                    kind = "sequential" if kind == "steps" or inside else "vector"
                return Loop(self._name(var), self._index(extent), kind, self.body(body), accs)
        raise TypeError(f"{type(statement).__name__} cannot be put into a loop")


_ARITHMETIC = {
    "+": ix.add,
    "-": ix.sub,
    "*": ix.mul,
    "//": ix.div,
    "%": ix.mod,
    "min": ix.minimum,
    "max": ix.maximum,
}
