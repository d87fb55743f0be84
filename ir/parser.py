"""Text to graph: reads what printer.py writes, and what people write by hand in tests.

The one idea: the grammar (graph.py) is small enough to be read by a cursor over the text that knows at each
place what may come, so there are no tokens. Every failure says what was expected and what was found, and
shows the place.

An equation's operands end with their line; elsewhere line breaks are spaces. Comments run from ``#`` to the
end of the line. Types are read, not checked: that is the verifier's.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Callable, Iterable
from typing import Any, NoReturn, TypeVar

import numpy as np

from weft.ir.errors import ParseError
from weft.ir.graph import Atom, Eqn, Graph, Literal, Var
from weft.ir.ops import declare_all
from weft.ir.primitive import REGISTRY, Primitive
from weft.ir.printer import read_scalar
from weft.ir.types import DTYPES, ArrayType

_SPACE = re.compile(r"(?:\s|#[^\n]*)*")
_BLANK = re.compile(r"[ \t]*")
_LINE_END = re.compile(r"(?=[\n#}])|\Z")
_RETURN = re.compile(r"return(?!\w)")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_INT = re.compile(r"-?\d+(?![\w.])")
_SIZE = re.compile(r"\d+")
_NUMBER = re.compile(r"0x[0-9a-f]+|-?(?:inf|nan|\d+(?:\.\d*)?(?:e[+-]?\d+)?)(?!\w)")
_PAIR = re.compile(rf"\((?:{_NUMBER.pattern}),(?:{_NUMBER.pattern})\)")
_SCALAR = re.compile(rf"({_PAIR.pattern}|True|False|{_NUMBER.pattern}):([a-z]+\d*)(?:\[\])?(?!\w)")
_STRING = re.compile(r'"(?:[^"\\\n]|\\.)*"')
_WORD = re.compile(r"\w+|\S|")
_CONSTANTS = {"True": True, "False": False, "None": None}

_T = TypeVar("_T")


def parse_graph(text: str) -> Graph:
    """The graph that ``text`` spells.

    Raises:
        ParseError: ``text`` is not a graph; the message shows the line with a caret.
    """
    cursor = _Cursor(text)
    graph = cursor.graph()
    if not cursor.done():
        cursor.fail("expected the end of the text")
    return graph


class _Scope(dict[str, Var]):
    """The variables that a graph has bound so far, by name."""


class _Cursor:
    """A place in a text. Each method reads one kind of thing and moves behind it."""

    def __init__(self, text: str):
        self.text = text
        self.at = 0

    # The text

    def match(self, pattern: re.Pattern[str], space: re.Pattern[str] = _SPACE) -> re.Match[str] | None:
        """Read ``pattern`` behind spaces, if it is there."""
        self.at = space.match(self.text, self.at).end()  # type: ignore[union-attr]  # matches the empty text
        match = pattern.match(self.text, self.at)
        if match:
            self.at = match.end()
        return match

    def accept(self, mark: str) -> bool:
        """Read ``mark``, if it is there."""
        self.match(_SPACE)
        found = self.text.startswith(mark, self.at)
        self.at += len(mark) if found else 0
        return found

    def expect(self, mark: str) -> None:
        if not self.accept(mark):
            self.fail(f"expected {mark!r}")

    def word(self, what: str) -> tuple[str, int]:
        """A name and where it begins."""
        match = self.match(_NAME)
        return (match.group(), match.start()) if match else self.fail(f"expected {what}")

    def items(self, close: str, item: Callable[[], _T]) -> list[_T]:
        """``item, item, ... close``; a comma before ``close`` is allowed."""
        result: list[_T] = []
        while not self.accept(close):
            result.append(item())
            if not self.accept(","):
                self.expect(close)
                break
        return result

    def done(self) -> bool:
        self.match(_SPACE)
        return self.at == len(self.text)

    def fail(self, why: str, at: int | None = None) -> NoReturn:
        """Raise the error for what stands at ``at``, or here; "expected" things are told what was found."""
        if at is None:
            self.match(_SPACE)
            at = self.at
        if at == len(self.text):
            at = len(self.text.rstrip())
        start = self.text.rfind("\n", 0, at) + 1
        line = self.text[start:].partition("\n")[0]
        found = self.text[at:] and _WORD.match(self.text, at).group()  # type: ignore[union-attr]
        if why.startswith("expected"):
            why += f", found {found!r}" if found else ", found the end of the text"
        mark = "^" * max(1, len(found))
        stop = "" if why.endswith("?") else "."
        row, column = self.text.count("\n", 0, at) + 1, at - start
        raise ParseError(f"line {row}, column {column + 1}: {why}{stop}\n  {line}\n  {' ' * column}{mark}")

    # The grammar

    def graph(self) -> Graph:
        self.expect("graph")
        self.expect("(")
        scope = _Scope()
        ins = self.bind(scope, self.items(")", self.binder))
        self.expect("{")
        eqns: list[Eqn] = []
        while not self.match(_RETURN):
            eqns.append(self.eqn(scope))
        outs = self.items("}", lambda: self.atom(scope))
        return Graph(ins, tuple(eqns), tuple(outs))

    def eqn(self, scope: _Scope) -> Eqn:
        binders = self.items("=", self.binder)
        prim = self.primitive()
        params = dict(self.items("]", self.param)) if self.accept("[") else {}
        ins: list[Atom] = []
        while not self.match(_LINE_END, _BLANK):
            ins.append(self.atom(scope))
        return Eqn(prim, tuple(ins), self.bind(scope, binders), params)

    def binder(self) -> tuple[str, int, ArrayType]:
        name, at = self.word("a name to bind")
        self.expect(":")
        return name, at, self.type()

    def bind(self, scope: _Scope, binders: Iterable[tuple[str, int, ArrayType]]) -> tuple[Var, ...]:
        result = []
        for name, at, type in binders:
            if name in scope:
                self.fail(f"{name} is bound twice", at)
            scope[name] = Var(type)
            result.append(scope[name])
        return tuple(result)

    def atom(self, scope: _Scope) -> Atom:
        literal = self.match(_SCALAR)
        if literal:
            return Literal(self.scalar(literal))
        name, at = self.word("a variable or a literal such as 2.0:f64")
        if name not in scope:
            self.fail(f"{name} is not bound{_meant(name, scope)}", at)
        return scope[name]

    def primitive(self) -> Primitive:
        name, at = self.word("a primitive")
        if name not in REGISTRY:
            declare_all()
        if name not in REGISTRY:
            self.fail(f"there is no primitive {name}{_meant(name, REGISTRY)}", at)
        return REGISTRY[name]

    def type(self) -> ArrayType:
        dtype = self.dtype()
        self.expect("[")
        return self.type_of(dtype)

    def type_of(self, dtype: np.dtype) -> ArrayType:
        """The type whose dtype and opening bracket are read."""
        return ArrayType(tuple(self.items("]", self.size)), dtype)

    def dtype(self) -> np.dtype:
        name, at = self.word("a dtype")
        if name not in DTYPES:
            self.fail(f"{name} is not a dtype{_meant(name, DTYPES)}", at)
        return DTYPES[name]

    def size(self) -> int:
        match = self.match(_SIZE)
        return int(match.group()) if match else self.fail("expected the size of an axis")

    def scalar(self, match: re.Match[str]) -> np.generic:
        text, short = match.groups()
        if short not in DTYPES:
            self.fail(f"{short} is not a dtype{_meant(short, DTYPES)}", match.start(2))
        try:
            return read_scalar(text, DTYPES[short])
        except (ValueError, OverflowError, LookupError):
            self.fail(f"{text} is not a value of {short}", match.start())

    def param(self) -> tuple[str, Any]:
        name, _ = self.word("the name of a param")
        self.expect("=")
        return name, self.value()

    def value(self) -> Any:
        if match := self.match(_SCALAR):
            return self.scalar(match)
        if match := self.match(_STRING):
            return json.loads(match.group())
        if match := self.match(_INT):
            return int(match.group())
        if match := self.match(_NUMBER):
            return float(read_scalar(match.group(), np.dtype(float)))
        if self.accept("("):
            return self.tuple()
        if self.accept("<"):
            self.fail("a Python function has no text form", self.at - 1)
        start = self.at
        name, _ = self.word("a param")
        if name in _CONSTANTS:
            return _CONSTANTS[name]
        if name == "graph":
            self.at = start
            return self.graph()
        if name == "complex" and (match := self.match(_PAIR)):
            return complex(read_scalar(match.group(), np.dtype(complex)))
        if name == "slice" and self.accept("("):
            return slice(*self.items(")", self.value))
        if name not in DTYPES:
            self.fail("expected a param", start)
        return self.type_of(DTYPES[name]) if self.accept("[") else DTYPES[name]

    def tuple(self) -> Any:
        """A tuple whose opening parenthesis is read."""
        items: list[Any] = []
        while not self.accept(")"):
            items.append(self.value())
            if not self.accept(","):
                if len(items) == 1:
                    self.fail("expected ',': a tuple of one item is written (item,)")
                self.expect(")")
                break
        return tuple(items)


def _meant(name: str, known: Iterable[str]) -> str:
    """A hint at the name that was meant."""
    close = difflib.get_close_matches(name, list(known), 1)
    return f"; did you mean {close[0]}?" if close else ""
