"""Runs a loop nest in plain Python: the oracle that machine code is compared with.

The one idea: nothing clever. Values are NumPy scalars in register form, every statement is looked at when its
turn comes, and every load and store checks its bounds, which machine code does not.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any

import numpy as np

from weft.ir.errors import InternalError
from weft.ir.loops.arithmetic import INTEGERS, evaluate_index
from weft.ir.loops.nest import (
    Accumulate,
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
    Nest,
    Op,
    Param,
    ParamValue,
    Place,
    Store,
    While,
    Words,
)
from weft.ir.loops.printer import print_index
from weft.ir.loops.vocabulary import SCALAR_OPS, cast, evaluate, register_dtype
from weft.ir.types import INT64

INT32 = np.dtype(np.int32)


def run_nest(
    nest: Nest,
    params: Sequence[int],
    buffers: Sequence[np.ndarray],
    begin: int | None = None,
    end: int | None = None,
) -> None:
    """Run ``nest`` on flat arrays, storing into those of its "out" and "scratch" buffers.

    Args:
        nest: a nest that verifies.
        params: one int64 for each parameter.
        buffers: one 1-d array for each buffer, of its dtype.
        begin: first iteration of the chunked loop; 0 when omitted.
        end: the iteration before which to stop; all when omitted.

    Raises:
        InternalError: an offset is outside of its buffer, or the arguments do not fit the nest.
    """
    if len(params) != nest.n_params or len(buffers) != len(nest.buffers):
        raise InternalError(
            f"the nest takes {nest.n_params} parameters and {len(nest.buffers)} buffers, "
            f"got {len(params)} and {len(buffers)}."
        )
    arrays = {}
    for buffer, array in zip(nest.buffers, buffers, strict=True):
        if array.ndim != 1 or array.dtype != buffer.dtype:
            raise InternalError(
                f"buffer {buffer.name} is a flat array of {buffer.dtype}, got {array.ndim}-d {array.dtype}."
            )
        arrays[buffer.name] = array
    _Run(nest, [int(p) for p in params], arrays, begin, end).body(nest.body)


class _Run:
    def __init__(
        self, nest: Nest, params: list[int], arrays: dict[str, np.ndarray], begin: int | None, end: int | None
    ) -> None:
        self.chunked, self.begin, self.end = nest.chunked, begin, end
        self.params = params
        self.arrays = arrays
        self.values: dict[str, Any] = {}
        self.dtypes: dict[str, np.dtype] = {}
        self.folds: dict[str, str] = {}

    def body(self, body: tuple[Any, ...]) -> None:
        for statement in body:
            self.statement(statement)

    def statement(self, statement: Any) -> None:
        match statement:
            case Const(name, dtype, _):
                self.bind(name, dtype, statement.value)
            case ParamValue(name, dtype, k):
                words = np.array(self.params[k : k + 2], np.int64)
                self.bind(name, dtype, np.frombuffer(words.tobytes()[: dtype.itemsize], dtype)[0])
            case IndexValue(name, dtype, index):
                self.bind(name, dtype, cast(np.int64(self.index(index)), INT64, dtype))
            case Load(name, dtype, buffer, index, mask):
                read = mask is None or self.values[mask]
                self.bind(name, dtype, self.arrays[buffer][self.offset(buffer, index)] if read else 0)
            case Store(buffer, index, value):
                array = self.arrays[buffer]
                with np.errstate(all="ignore"):
                    array[self.offset(buffer, index)] = np.asarray(self.values[value]).astype(array.dtype)
            case Op(name, dtype, op, args, settings):
                dtypes = [self.dtypes[arg] for arg in args]
                values = [self.values[arg] for arg in args]
                self.bind(name, dtype, evaluate(SCALAR_OPS[op], dtype, dtypes, values, dict(settings)))
            case Accumulate(acc, value):
                self.accumulate(acc, value)
            case Call():
                self.call(statement)
            case Loop():
                self.loop(statement)
            case If(flag, then, other):
                self.body(then if self.values[flag] else other)
            case While(cond, flag, body):
                left = (self.end or 0) - (self.begin or 0) if statement is self.chunked else -1
                while left != 0:
                    self.body(cond)
                    if not self.values[flag]:
                        break
                    self.body(body)
                    left -= 1
            case _:
                raise InternalError(f"{type(statement).__name__} is not a statement.")

    def loop(self, loop: Loop) -> None:
        for acc in loop.carries:
            self.bind(acc.name, acc.dtype, self.values[acc.init])
            self.folds[acc.name] = acc.op
        start, stop = 0, self.index(loop.extent)
        if loop is self.chunked:
            start, stop = self.begin or 0, stop if self.end is None else self.end
        self.dtypes[loop.var] = INT64
        here = self.arrays
        for i in range(start, stop):
            self.values[loop.var] = i
            for group in loop.turns:
                by = self.index(loop.by)
                others = [here[group[(k + by) % len(group)]] for k in range(len(group))]
                self.arrays = {**self.arrays, **dict(zip(group, others, strict=True))}
            self.body(loop.body)
            self.arrays = here

    def accumulate(self, acc: str, value: str) -> None:
        fold, dtype, new = self.folds[acc], self.dtypes[acc], self.values[value]
        if fold != "set":
            new = evaluate(SCALAR_OPS[fold], dtype, [dtype, dtype], [self.values[acc], new], {})
        self.values[acc] = new

    def call(self, call: Call) -> None:
        """The library's own routine, since nothing else says what it leaves in its buffers."""
        copies: list[np.ndarray] = []

        def address(arg: Any) -> int:
            match arg:
                case Place(buffer, index):
                    array, at = self.arrays[buffer], self.index(index)
                    if not 0 <= at <= len(array):
                        raise InternalError(
                            f"{call.routine} is given {buffer}[{at}] of {len(array)} elements."
                        )
                    found: int = array.ctypes.data + at * array.itemsize
                    return found
                case Address(k):
                    return self.params[k]
                case Letter(letter):
                    copies.append(np.array([ord(letter)]))
                case Copy(name):
                    copies.append(np.array([self.values[name]], self.dtypes[name]))
                case Words(items):
                    words = [address(x) if isinstance(x, Copy | Place) else self.index(x) for x in items]
                    copies.append(np.array(words, INT64))
                case _:
                    copies.append(np.array([self.index(arg)]))
            return copies[-1].ctypes.data

        addresses = [address(arg) for arg in call.args]
        if call.name:
            copies.append(np.zeros(1, INT64))
            addresses.append(copies[-1].ctypes.data)
        ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * len(addresses))(self.params[call.k])(*addresses)
        if call.name:
            self.bind(call.name, INT32, copies[-1].view(INT32)[0])

    def bind(self, name: str, dtype: np.dtype, value: Any) -> None:
        self.dtypes[name] = dtype
        self.values[name] = register_dtype(dtype).type(value)

    def offset(self, buffer: str, index: Index) -> int:
        at, size = self.index(index), len(self.arrays[buffer])
        if not 0 <= at < size:
            text = f"{buffer}[{print_index(index)}]"
            raise InternalError(f"{text} is {buffer}[{at}], but {buffer} has {size} elements.")
        return at

    def index(self, index: Index) -> int:
        value: int = evaluate_index(index, self.leaf, INTEGERS)
        return value

    def leaf(self, index: Index) -> int:
        match index:
            case int():
                return index
            case str():
                return int(self.values[index])
            case Param(k):
                return self.params[k]
        raise InternalError(f"{index!r} is not an index.")
