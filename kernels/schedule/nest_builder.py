"""Writes a loop nest statement by statement, each in the outermost loop where its operands are known.

The one idea: a statement has a depth, that of its deepest operand, and goes to the body open at that depth;
an equal statement is not written twice. So what does not change in a loop stands before it without any pass
to move it there.

Run-time parameters have keys that say what they *are* (the size of an axis, the start of a slice). Equal keys
are one parameter; equal numbers are not. That makes nests generic in their sizes.

Several nests over the same buffers may be written one after the other, to be run in that order.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from weft.ir.loops.nest import (
    Accumulate,
    Accumulator,
    Buffer,
    Call,
    Const,
    Index,
    IndexValue,
    Load,
    Loop,
    Nest,
    Op,
    Param,
    ParamValue,
    Store,
)
from weft.ir.types import BOOL, INT64
from weft.kernels.schedule.index import names_in

INT32 = np.dtype(np.int32)

# Literals that stay constants: what arithmetic simplifies with, but few sizes, which come as literals too (a mean divides by
# one). Integers also keep the powers of two by which divisions are shifts.
# Literals that code gains by knowing. No others: 2 may be the length of an axis, and 0.5 one over it.
_COMMON = frozenset((0.0, 1.0, -1.0, float("inf"), float("-inf")))


def is_common(value: np.generic) -> bool:
    """Whether a literal stays a constant in the code."""
    number = complex(value)
    return value.dtype == BOOL or number != number or {number.real, number.imag} <= _COMMON


def words_of(value: np.generic) -> list[int]:
    """The parameters that hold a scalar, in words of 8 bytes."""
    size = value.dtype.itemsize
    words = np.zeros(max(size, 8) // 8, np.int64)
    words.view(np.uint8)[:size] = np.frombuffer(value.tobytes(), np.uint8)
    return [int(word) for word in words]


class _Body:
    """A body that is being written, and the values it binds by what they are."""

    def __init__(self) -> None:
        self.statements: list[Any] = []
        self.known: dict[Hashable, str] = {}


class NestBuilder:
    """Collects the parameters, buffers and statements of a nest."""

    def __init__(self) -> None:
        self.buffers: list[Buffer] = []
        self._ended: list[tuple[list[int], tuple[Any, ...]]] = []
        self.names: list[dict[Hashable, Param]] = []  # by nest: what its parameters are, in order
        self._start_nest()

    def _start_nest(self) -> None:
        self.params: list[int] = []
        self.written: set[str] = set()  # the buffers that this nest has stored to so far
        # Elements that are loaded from another place than the one asked for.
        self.elsewhere: dict[tuple[str, Index], tuple[str, Index]] = {}
        self._keys: dict[Hashable, Param] = {}
        self.names.append(self._keys)
        self._bodies = [_Body()]
        self._depths: dict[str, int] = {}
        self._dtypes: dict[str, np.dtype] = {}
        self._counts: dict[str, int] = {}
        self._known: dict[str, bool] = {}  # constants
        self._selects: dict[str, tuple[str, str, str]] = {}  # by the result: what was asked

    def end_nest(self) -> None:
        """End a nest and begin a further one, which knows nothing of the first but its buffers."""
        self._ended.append((self.params, tuple(self._bodies[0].statements)))
        self._start_nest()

    def finish(self) -> Nest:
        """The nest that was written, if it is one."""
        return Nest(len(self.params), tuple(self.buffers), tuple(self._bodies[0].statements))

    def nests(self) -> list[tuple[Nest, tuple[int, ...]]]:
        """All nests that were written, each with its parameters' values."""
        ended = [
            (Nest(len(params), tuple(self.buffers), body), tuple(params)) for params, body in self._ended
        ]
        return [*ended, (self.finish(), tuple(self.params))]

    @property
    def length(self) -> int:
        """How many statements the innermost body has."""
        return len(self._bodies[-1].statements)

    def dtype(self, name: str) -> np.dtype:
        """The dtype of a value."""
        return self._dtypes[name]

    # Parameters and buffers

    def param(self, key: Hashable, value: int) -> Param:
        """The run-time parameter that is ``key``; ``value`` is what it is in this call."""
        found = self._keys.get(key)
        if found is None:
            found = self._keys[key] = Param(len(self.params))
            self.params.append(value)
        return found

    def buffer(self, dtype: np.dtype, kind: str) -> str:
        """A further buffer."""
        name = f"b{len(self.buffers)}"
        self.buffers.append(Buffer(name, dtype, kind))
        return name

    # What is known

    def lookup(self, key: Hashable) -> str | None:
        """The value that `remember` noted under ``key`` in a body that is open."""
        for body in reversed(self._bodies):
            if body.known and (name := body.known.get(key)) is not None:
                return name
        return None

    def remember(self, key: Hashable, name: str) -> None:
        """Note that ``key`` has the value ``name`` for as long as ``name`` is visible."""
        self._bodies[self._depths[name]].known[key] = name

    # Statements

    def const(self, dtype: np.dtype, value: Any) -> str:
        """A constant."""
        bits = np.asarray(value).astype(dtype).tobytes()
        name = self._bind("c", Const, (dtype, bits), 0)
        if dtype == BOOL:
            self._known[name] = bool(value)
        return name

    def literal(self, key: Hashable, value: np.generic, *, known: bool = False) -> str:
        """A scalar of the program: a constant where code gains by knowing it, else a parameter: it may be a length."""
        dtype = value.dtype
        if known or is_common(value):
            return self.const(dtype, value)
        params = [self.param((key, word), bits) for word, bits in enumerate(words_of(value))]
        return self._bind("c", ParamValue, (dtype, params[0].k), 0)

    def index_value(self, index: Index) -> str:
        """An index as an int64 value."""
        return self._bind("v", IndexValue, (INT64, index), self._depth(names_in(index)))

    def load(
        self, dtype: np.dtype, buffer: str, index: Index, *, written: bool = False, mask: str | None = None
    ) -> str:
        """An element of a buffer, 0 where ``mask`` is false; one ``written`` in this nest is loaded here and now."""
        buffer, index = self.elsewhere.get((buffer, index), (buffer, index))
        names = names_in(index) if mask is None else [*names_in(index), mask]
        depth = len(self._bodies) - 1 if written else self._depth(names)
        return self._bind("v", Load, (dtype, buffer, index, mask), depth, share=not written)

    def op(self, dtype: np.dtype, op: str, *args: str) -> str:
        """A scalar operation."""
        if op == "select":
            return self._select(dtype, *args)
        return self._bind("v", Op, (dtype, op, args), self._depth(args))

    def _select(self, dtype: np.dtype, condition: str, yes: str, no: str) -> str:
        """One of two values, without asking what is known, or was asked before."""
        if condition in self._known:
            return yes if self._known[condition] else no
        if self._known.get(yes) is True and self._known.get(no) is False:
            return condition
        if yes in self._selects and self._selects[yes][0] == condition:
            yes = self._selects[yes][1]
        if no in self._selects and self._selects[no][0] == condition:
            no = self._selects[no][2]
        if yes == no:
            return yes
        asked = condition, yes, no
        name = self._bind("v", Op, (dtype, "select", asked), self._depth(asked))
        self._selects[name] = asked
        return name

    def compare(self, op: str, a: Index, b: Index) -> str:
        """A comparison of indices, as a bool."""
        return self.op(BOOL, op, self.index_value(a), self.index_value(b))

    def cast(self, name: str, dtype: np.dtype) -> str:
        """A value in another dtype."""
        return name if self.dtype(name) == dtype else self.op(dtype, "cast", name)

    def store(self, buffer: str, index: Index, value: str) -> None:
        """Store to the innermost body."""
        self.written.add(buffer)
        self._bodies[-1].statements.append(Store(buffer, index, value))

    def call(self, routine: str, address: int, *args: Any, info: bool = True) -> str:
        """Call a routine, here and now; its result is its ``info``, an int32 (see `weft.ir.loops.nest.Call`)."""
        k = self.param(("routine", routine), address).k
        name = self._name("v", INT32, len(self._bodies) - 1) if info else ""
        self._bodies[-1].statements.append(Call(name, routine, k, args))
        return name

    def accumulate(self, acc: str, value: str) -> None:
        """Fold into an accumulator, in the innermost body."""
        self._bodies[-1].statements.append(Accumulate(acc, value))

    @contextmanager
    def loop(
        self, extent: Index, kind: str, carries: Sequence[tuple[np.dtype, str, str]] = ()
    ) -> Iterator[tuple[str, list[str]]]:
        """A loop around what is written inside the ``with``; ``carries`` are (dtype, fold, initial value).

        Gives the loop variable and the names of the accumulators.
        """
        depth = len(self._bodies)
        accumulators = tuple(
            Accumulator(self._name("a", dtype, depth), dtype, op, init) for dtype, op, init in carries
        )
        var = self._name("i", INT64, depth)
        body = _Body()
        self._bodies.append(body)
        yield var, [acc.name for acc in accumulators]
        self._bodies.pop()
        for acc in accumulators:
            self._depths[acc.name] = depth - 1
        self._bodies[-1].statements.append(Loop(var, extent, kind, tuple(body.statements), accumulators))

    @contextmanager
    def rehearsal(self) -> Iterator[None]:
        """Forget what is written inside the ``with``, but for parameters: equal keys stay equal parameters."""
        before = [(len(body.statements), dict(body.known)) for body in self._bodies]
        counts, written = dict(self._counts), set(self.written)
        constants, selects = dict(self._known), dict(self._selects)
        yield
        self._counts, self.written = counts, written
        self._known, self._selects = constants, selects
        for body, (length, known) in zip(self._bodies, before, strict=True):
            del body.statements[length:]
            body.known = known

    def innermost(self) -> list[Any]:
        """The statements of the innermost body so far."""
        return list(self._bodies[-1].statements)

    def accesses(self) -> list[tuple[str | None, Index]]:
        """What the innermost body loads, stores, and makes values of: buffers with indices, and mere indices."""
        statements = self._bodies[-1].statements
        return [
            (getattr(statement, "buffer", None), statement.index)
            for statement in statements
            if hasattr(statement, "index")
        ]

    def _name(self, letter: str, dtype: np.dtype, depth: int) -> str:
        number = self._counts.get(letter, 0)
        self._counts[letter] = number + 1
        name = f"{letter}{number}"
        self._depths[name], self._dtypes[name] = depth, dtype
        return name

    def _depth(self, names: Sequence[str]) -> int:
        return max([self._depths[name] for name in names], default=0)

    def _bind(
        self, letter: str, kind: Any, fields: tuple[Any, ...], depth: int, *, share: bool = True
    ) -> str:
        """Write a statement that binds a name, unless the same one is visible."""
        body = self._bodies[depth]
        key = (kind, *fields)
        if share and key in body.known:
            return body.known[key]
        name = self._name(letter, fields[0], depth)
        body.statements.append(kind(name, *fields))
        if share:
            body.known[key] = name
        return name
