"""Inline: a loop nest becomes a part of another.

The one idea: names get a prefix, parameters become those of the nest around (or constants, where it wants that), and buffers
become places in its buffers. What ran in chunks runs in order, and a loop that runs once is what stands in it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Protocol

import numpy as np

from weft.ir.loops.arithmetic import evaluate_index
from weft.ir.loops.nest import (
    Accumulate,
    Accumulator,
    Address,
    Call,
    Const,
    Copy,
    If,
    Index,
    IndexValue,
    Letter,
    Load,
    Loop,
    Op,
    Param,
    ParamValue,
    Place,
    Store,
    While,
    Words,
)
from weft.ir.loops.nest import bodies as nested
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

    def size(self, value: int, largest: int) -> Index:
        """A parameter's value as an index."""


class Renamed:
    """The statements of one nest as a part of another: its names, parameters and buffers are those of the other.

    Args:
        rolled: writes the nest around.
        one: the nest.
        operands: where its buffers are.
        largest: up to which sizes are constants.
    """

    def __init__(self, rolled: Parts, one: Scheduled, operands: Sequence[Where], largest: int) -> None:
        self.rolled, self.largest = rolled, largest
        self.values = one.params
        self.places = dict(zip((b.name for b in one.nest.buffers), operands, strict=True))
        self.prefix = rolled.name("k")
        self.params: dict[int, Index] = {}
        self.scalars: dict[int, int] = {}
        self.consts: dict[str, Any] = {}
        self.folds: dict[str, Accumulator] = {}  # of loops that run once
        self.once: dict[str, str] = {}  # what they hold
        self.firsts: set[str] = set()  # variables of loops that run once

    def body(self, body: Iterable[Any]) -> tuple[Any, ...]:
        """The statements of the nest, renamed."""
        found: list[Any] = []
        for statement in body:
            if isinstance(statement, Loop) and self._index(statement.extent) == 1 and _is_plain(statement):
                self.firsts.add(statement.var)
                self.folds.update((acc.name, acc) for acc in statement.carries)
                self.once.update((acc.name, self._name(acc.init)) for acc in statement.carries)
                found += self.body(statement.body)
            elif isinstance(statement, Accumulate) and statement.acc in self.once:
                found += self._fold(self.folds[statement.acc], self._name(statement.value))
            else:
                found.append(self._statement(statement))
        return tuple(found)

    def _fold(self, acc: Accumulator, value: str) -> list[Op]:
        """The operation that a fold is, where its loop runs once."""
        before, self.once[acc.name] = self.once[acc.name], value
        is_first = before == self._name(acc.init)
        if acc.op == "set" or (is_first and (acc.op, self.consts.get(acc.init)) in _NEUTRAL):
            return []
        self.once[acc.name] = self.rolled.name(f"{self.prefix}_a")
        return [Op(self.once[acc.name], acc.dtype, acc.op, (before, value))]

    def _name(self, name: str) -> str:
        return self.once.get(name) or f"{self.prefix}_{name}"

    def _index(self, index: Index) -> Index:
        return evaluate_index(index, self._leaf, ix.OPERATIONS)

    def _leaf(self, index: Index) -> Index:
        match index:
            case str():
                return 0 if index in self.firsts else self._name(index)
            case Param(k):
                if k not in self.params:
                    self.params[k] = self.rolled.size(self.values[k], self.largest)
                return self.params[k]
        return index

    def _access(self, buffer: str, index: Index) -> tuple[str, Index]:
        place = self.places[buffer]
        return place.buffer, ix.add(self._index(index), place.offset)

    def _scalar(self, k: int, words: int = 1) -> int:
        """The first of the parameters whose words are those of the nest from parameter ``k`` on: a number, or an address."""
        if k not in self.scalars:
            self.scalars[k] = len(self.rolled.params)
            self.rolled.params.extend(self.values[k : k + words])
        return self.scalars[k]

    def _argument(self, arg: Any) -> Any:
        """An argument of a call."""
        match arg:
            case Letter():
                return arg
            case Copy(name):
                return Copy(self._name(name))
            case Place(buffer, index):
                return Place(*self._access(buffer, index))
            case Words(items):
                return Words(tuple(map(self._argument, items)))
            case Address(k):
                return Address(self._scalar(k))
        return self._index(arg)

    def _statement(self, statement: Any) -> Any:
        match statement:
            case Const(name):
                self.consts[name] = statement.value
                return replace(statement, name=self._name(name))
            case ParamValue(name, dtype, k):
                return ParamValue(
                    self._name(name), dtype, self._scalar(k, 2 if dtype == np.complex128 else 1)
                )
            case IndexValue(name, dtype, index):
                return IndexValue(self._name(name), dtype, self._index(index))
            case Load(name, dtype, buffer, index, mask):
                place = self._access(buffer, index)
                return Load(self._name(name), dtype, *place, None if mask is None else self._name(mask))
            case Store(buffer, index, value):
                return Store(*self._access(buffer, index), self._name(value))
            case Op(name, dtype, op, args, params):
                return Op(self._name(name), dtype, op, tuple(map(self._name, args)), params)
            case Call(name, routine, k, args):
                name = self._name(name) if name else ""
                return Call(name, routine, self._scalar(k), tuple(map(self._argument, args)))
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


def _is_plain(loop: Loop) -> bool:
    """Whether a loop that runs once is its statements: none inside of them folds for it, and operations round as folds do."""
    if any(acc.dtype.itemsize == 2 for acc in loop.carries):
        return False
    return not loop.carries or not any(nested(one) for one in loop.body)


_NEUTRAL = (("max", -np.inf), ("min", np.inf))  # what LLVM does not see through
