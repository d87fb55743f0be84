"""Checks that a loop nest is well formed: what every emitter may take for granted.

The one idea: one walk in the order of the text with one scope. The first broken rule is reported with the
whole text of the nest and a caret under the culprit. What depends on the sizes (is an offset inside its
buffer?) cannot be seen here; the interpreter checks that when it runs.
"""

from __future__ import annotations

import re
from typing import Any, NoReturn

import numpy as np

from weft.ir.errors import VerificationError
from weft.ir.loops.nest import (
    Accumulate,
    Accumulator,
    Address,
    Buffer,
    Call,
    Const,
    Copy,
    If,
    Index,
    IndexOp,
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
    bodies,
)
from weft.ir.loops.printer import print_argument, print_dtype, statement_lines
from weft.ir.loops.vocabulary import FOLDS, RULES, SCALAR_OPS
from weft.ir.types import INT64, SHORT_NAMES, is_bool, is_integer

INT32 = np.dtype(np.int32)

_INDEX_OPS = ("+", "-", "*", "//", "%", "min", "max")


def verify_nest(nest: Nest) -> None:
    """Check ``nest``.

    Raises:
        VerificationError: a rule is broken; the message shows the statement and points at the culprit.
    """
    _Verifier(nest).run()


class _Verifier:
    """The walk: what is visible where it stands, and the number of the statement it looks at."""

    def __init__(self, nest: Nest) -> None:
        self.nest = nest
        self.buffers: dict[str, Buffer] = {}
        self.visible: dict[str, np.dtype] = {}
        self.bound: set[str] = set()  # names are bound once in the whole nest, visible or not
        self.open: dict[str, Accumulator] = {}  # accumulators of the loops around
        self.number = -1

    def run(self) -> None:
        for buffer in self.nest.buffers:
            if buffer.name in self.buffers:
                self.fail(f"two buffers are named {buffer.name}", buffer.name)
            if buffer.kind not in ("in", "out", "scratch"):
                self.fail(
                    f"buffer {buffer.name} is of kind {buffer.kind!r}, not in, out or scratch", buffer.kind
                )
            self.check_dtype(buffer.dtype)
            self.buffers[buffer.name] = buffer
        self.body(self.nest.body)
        self.chunks()

    def chunks(self) -> None:
        """What stands beside a chunked loop is run once a chunk, so it may only compute values."""
        chunked = self.nest.chunked
        if chunked is None:
            return
        self.number = -1
        for statement in self.nest.body:
            self.number += 1
            if statement is chunked:
                if isinstance(chunked, Loop) and chunked.carries:
                    self.fail("the chunked loop carries accumulators, but no chunk sees them all", "carry")
            elif isinstance(statement, Loop | Store | Call | While | If):
                self.fail("beside the chunked loop stand only values: each chunk would run this")
            self.number += _inner_count(statement)

    def body(self, body: tuple[Any, ...]) -> None:
        names = []
        for statement in body:
            self.number += 1
            names += self.statement(statement)
        for name in names:
            del self.visible[name]

    def statement(self, statement: Any) -> list[str]:
        """Check one statement; return the names it makes visible."""
        match statement:
            case Const(name, dtype, bits):
                if len(bits) != dtype.itemsize:
                    self.fail(
                        f"a constant of {print_dtype(dtype)} has {dtype.itemsize} bytes, not {len(bits)}",
                        name,
                    )
                return self.bind(name, dtype)
            case ParamValue(name, dtype, k):
                self.param(k)
                if dtype == np.complex128:
                    self.param(k + 1)
                return self.bind(name, dtype)
            case IndexValue(name, dtype, index):
                self.index(index)
                return self.bind(name, dtype)
            case Load(name, dtype, buffer, index, mask):
                self.access(buffer, dtype, name)
                self.index(index)
                if mask is not None and not is_bool(self.use(mask)):
                    self.fail(f"the mask {mask} is {print_dtype(self.use(mask))}, not bool", mask)
                return self.bind(name, dtype)
            case Store(buffer, index, value):
                self.access(buffer, self.use(value), value)
                if self.buffers[buffer].kind == "in":
                    self.fail(f"{buffer} is an input, nothing is stored to it", buffer)
                self.index(index)
                return []
            case Op(name, dtype):
                self.operation(statement)
                return self.bind(name, dtype)
            case Accumulate(acc, value):
                self.accumulate(acc, value)
                return []
            case Call(name, _, k, args):
                self.param(k)
                for arg in args:
                    self.argument(arg)
                return self.bind(name, INT32) if name else []
            case Loop():
                return self.loop(statement)
            case While():
                self.repeat(statement)
                return []
            case If():
                self.branch(statement)
                return []
        self.fail(f"{type(statement).__name__} is not a statement")

    def operation(self, statement: Op) -> None:
        known = SCALAR_OPS.get(statement.op)
        if known is None:
            self.fail(f"{statement.op} is not a scalar operation", statement.op)
        dtypes = [self.use(arg) for arg in statement.args]
        if len(dtypes) != known.arity:
            self.fail(f"{statement.op} takes {known.arity} operands, not {len(dtypes)}", statement.op)
        wanted, rule = RULES[known.rule]
        if not rule(statement.dtype, dtypes):
            got = " ".join(print_dtype(d) for d in dtypes)
            self.fail(
                f"{statement.op} wants {wanted}; got {got} and the result {print_dtype(statement.dtype)}",
                statement.op,
            )

    def accumulate(self, acc: str, value: str) -> None:
        carried = self.open.get(acc)
        if carried is None:
            self.fail(f"no loop around carries an accumulator {acc}", acc)
        dtype = self.use(value)
        if dtype != carried.dtype:
            self.fail(f"{value} is {print_dtype(dtype)}, {acc} is {print_dtype(carried.dtype)}", value)

    def argument(self, arg: Any) -> None:
        """An argument of a call."""
        match arg:
            case Words(items):
                for item in items:
                    if isinstance(item, Letter | Words | Address):
                        self.fail("a word is an index, a copy or a place", print_argument(item))
                    self.argument(item)
            case Address(k):
                self.param(k)
            case Letter(letter):
                if not (len(letter) == 1 and letter.isascii()):
                    self.fail(f"{letter!r} is not one letter", letter)
            case Copy(name):
                self.use(name)
            case Place(buffer, index):
                if buffer not in self.buffers:
                    self.fail(f"the nest has no buffer {buffer}", buffer)
                self.index(index)
            case _:
                self.index(arg)

    def loop(self, loop: Loop) -> list[str]:
        self.index(loop.extent)
        if loop.kind not in ("parallel", "vector", "sequential", "steps"):
            self.fail(f"a loop is parallel, vector, sequential or steps, not {loop.kind!r}", loop.kind)
        for acc in loop.carries:
            if acc.op not in FOLDS:
                self.fail(f"an accumulator folds with one of {', '.join(FOLDS)}, not {acc.op}", acc.op)
            if self.use(acc.init) != acc.dtype:
                self.fail(
                    f"{acc.init} is {print_dtype(self.use(acc.init))}, not {print_dtype(acc.dtype)}", acc.init
                )
        names = [name for acc in loop.carries for name in self.bind(acc.name, acc.dtype)]
        self.open.update({acc.name: acc for acc in loop.carries})
        self.bind(loop.var, INT64)
        self.turns(loop)
        self.body(loop.body)
        del self.visible[loop.var]
        for acc in loop.carries:
            del self.open[acc.name]
        return names

    def turns(self, loop: Loop) -> None:
        if loop.turns:
            self.index(loop.by)
        for group in loop.turns:
            first = self.buffers.get(group[0])
            for buffer in group:
                self.access(buffer, first.dtype if first else INT64, buffer)
                if self.buffers[buffer].kind == "in":
                    self.fail(f"{buffer} is an input, which does not take turns", buffer)

    def repeat(self, statement: While) -> None:
        around, self.open = self.open, {}  # it folds into no accumulator around
        names = []
        for one in statement.cond:
            self.number += 1
            names += self.statement(one)
        if not is_bool(self.use(statement.flag)):
            self.fail(f"the condition {statement.flag} is {print_dtype(self.use(statement.flag))}, not bool")
        self.body(statement.body)
        for name in names:
            del self.visible[name]
        self.open = around

    def branch(self, statement: If) -> None:
        if not is_bool(self.use(statement.flag)):
            dtype = print_dtype(self.use(statement.flag))
            self.fail(f"the condition {statement.flag} is {dtype}, not bool", statement.flag)
        around, self.open = self.open, {}
        self.body(statement.then)
        self.body(statement.other)
        self.open = around

    def bind(self, name: str, dtype: np.dtype) -> list[str]:
        self.check_dtype(dtype)
        if name in self.bound:
            self.fail(f"{name} is bound a second time", name)
        self.bound.add(name)
        self.visible[name] = dtype
        return [name]

    def use(self, name: str) -> np.dtype:
        dtype = self.visible.get(name)
        if dtype is None:
            why = (
                "is not visible here: the loop that binds it has ended"
                if name in self.bound
                else "is not bound"
            )
            self.fail(f"{name} {why}", name)
        return dtype

    def access(self, buffer: str, dtype: np.dtype, culprit: str) -> None:
        target = self.buffers.get(buffer)
        if target is None:
            self.fail(f"the nest has no buffer {buffer}", buffer)
        if target.dtype != dtype:
            self.fail(
                f"{culprit} is {print_dtype(dtype)}, the buffer {buffer} holds {print_dtype(target.dtype)}",
                culprit,
            )

    def param(self, k: int) -> None:
        if not 0 <= k < self.nest.n_params:
            self.fail(f"parameter {k} is out of range: the nest has {self.nest.n_params}", f"p{k}")

    def index(self, index: Index) -> None:
        match index:
            case str():
                if not is_integer(self.use(index)):
                    self.fail(
                        f"{index} is {print_dtype(self.use(index))}; an index is made of integers", index
                    )
            case bool():
                self.fail(f"{index} is not an index")
            case int():
                pass
            case Param(k):
                self.param(k)
            case IndexOp(op, a, b):
                if op not in _INDEX_OPS:
                    self.fail(f"{op} does not make an index", op)
                if op in ("//", "%") and type(b) is int and b <= 0:
                    self.fail(f"the divisor {b} is not positive", str(b))
                self.index(a)
                self.index(b)
            case _:
                self.fail(f"{index!r} is not an index")

    def check_dtype(self, dtype: np.dtype) -> None:
        if dtype not in SHORT_NAMES:
            self.fail(f"{dtype} is not a dtype of Weft", str(dtype))

    def fail(self, message: str, culprit: str | None = None) -> NoReturn:
        raise VerificationError(f"{message}.\n{_point_at(self.nest, self.number, culprit)}")


def _inner_count(statement: Any) -> int:
    """How many statements stand inside of this one."""
    return sum(1 + _inner_count(inner) for body in bodies(statement) for inner in body)


def _point_at(nest: Nest, number: int, culprit: str | None) -> str:
    """The text of ``nest`` with a caret under the culprit in statement ``number`` (-1: the header)."""
    lines = []
    for at, (statement, line) in enumerate(statement_lines(nest)):
        lines.append(line)
        if statement == number or (at == 0 and number < 0):
            found = re.search(rf"(?<!\w){re.escape(culprit)}(?!\w)", line) if culprit else None
            column, width = found.span() if found else (len(line) - len(line.lstrip()), 0)
            lines.append(" " * column + "^" * max(width - column, 1))
    return "\n".join(lines)
