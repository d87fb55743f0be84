"""Graphs as text. The grammar stands in graph.py; parser.py reads it back.

The one idea: names come from the order of binding (a, b, ..., z, aa, ...) and every scalar is written so
that it reads back to the same bits, so equal graphs print equal text, and parsing the text of a graph gives
an equal graph.

Scalars: the shortest decimal that gives the bits back, ``inf``, ``nan``; a NaN with another sign or payload
is written by its bits, ``0xfff8000000000000:f64``; complex numbers by their parts, ``(1.0,-0.0):c128``. A
Python function among the params (the host code of a callback) prints as ``<name>``: for reading only, it
has no text form.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from weft.ir.errors import InternalError
from weft.ir.graph import Atom, Eqn, Graph, Literal, Var
from weft.ir.records import dataclass
from weft.ir.types import SHORT_NAMES, ArrayType, is_bool, is_complex, is_integer, real_dtype

_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_STEP = "  "
_UNSIGNED = {size: np.dtype(f"u{size}") for size in (1, 2, 4, 8)}


def print_graph(graph: Graph, *, sources: bool = False) -> str:
    """The canonical text of a graph.

    Args:
        graph: any graph; it need not verify, so that broken ones can be looked at.
        sources: append ``# file:line``, where the user wrote it, to each equation.

    Raises:
        InternalError: a param is of a kind that has no text form.
    """
    return "\n".join(_graph_lines(graph, sources))


def names_of(graph: Graph) -> dict[Var, str]:
    """The names the text form gives to the variables of a graph (not of graphs within it)."""
    names: dict[Var, str] = {}
    for var in graph.ins:
        names.setdefault(var, _name(len(names)))
    for eqn in graph.eqns:
        for var in eqn.outs:
            names.setdefault(var, _name(len(names)))
    return names


def print_scalar(value: np.generic) -> str:
    """The exact text of a NumPy scalar, without its dtype."""
    dtype = value.dtype
    if is_bool(dtype) or is_integer(dtype):
        return str(value)
    if is_complex(dtype):
        return f"({print_scalar(value.real)},{print_scalar(value.imag)})"
    # The shortest decimal in its own precision; where that does not read back, widened, which is exact.
    for text in (str(value), repr(float(value))):
        if dtype.type(text).tobytes() == value.tobytes():
            return text
    bits = int(np.frombuffer(value.tobytes(), _UNSIGNED[dtype.itemsize])[0])
    return f"0x{bits:0{2 * dtype.itemsize}x}"


def read_scalar(text: str, dtype: np.dtype) -> np.generic:
    """The scalar that `print_scalar` wrote; ValueError, OverflowError or KeyError where it is none."""
    scalar: Any
    if is_bool(dtype):
        scalar = np.bool_({"True": True, "False": False}[text])
    elif is_integer(dtype):
        scalar = dtype.type(int(text))
    elif is_complex(dtype):
        part = real_dtype(dtype)
        re, im = text.removeprefix("(").removesuffix(")").split(",")
        scalar = np.array([read_scalar(re, part), read_scalar(im, part)], part).view(dtype)[0]
    elif text.startswith("0x"):
        scalar = np.array(int(text, 16), _UNSIGNED[dtype.itemsize]).view(dtype)[()]
    else:
        scalar = dtype.type(text)
    result: np.generic = scalar
    return result


@dataclass(frozen=True, slots=True)
class EqnText:
    """One equation as the pieces of its line, so that an error can point at one of them."""

    outs: tuple[str, ...]
    prim: str
    params: tuple[str, ...]
    ins: tuple[str, ...]

    def __str__(self) -> str:
        return "".join(text for text, _ in self._pieces())

    def caret(self, part: str, i: int = 0) -> str:
        """A line that underlines piece ``i`` of ``"outs"``, ``"params"`` or ``"ins"``, or the ``"prim"``."""
        column = 0
        for text, place in self._pieces():
            if place == (part, i):
                return " " * column + "^" * len(text)
            column += len(text)
        return "^"

    def _pieces(self) -> Iterator[tuple[str, tuple[str, int] | None]]:
        for i, text in enumerate(self.outs):
            yield from ((", " if i else "", None), (text, ("outs", i)))
        yield (" = " if self.outs else "= ", None)
        yield (self.prim, ("prim", 0))
        for i, text in enumerate(self.params):
            yield from ((", " if i else "[", None), (text, ("params", i)))
        yield ("]" if self.params else "", None)
        for i, text in enumerate(self.ins):
            yield from ((" ", None), (text, ("ins", i)))


def eqn_text(eqn: Eqn, names: Mapping[Var, str], *, nested: bool = False, sources: bool = False) -> EqnText:
    """The pieces of an equation's line; graphs in params are written out only with ``nested``."""
    params = tuple(
        f"{name}={_param(eqn.params[name], nested=nested, sources=sources)}" for name in sorted(eqn.params)
    )
    outs = tuple(f"{names.get(v, '?')}: {v.type}" for v in eqn.outs)
    return EqnText(outs, eqn.prim.name, params, tuple(_atom(a, names) for a in eqn.ins))


def _graph_lines(graph: Graph, sources: bool) -> Iterator[str]:
    names = names_of(graph)
    yield f"graph({', '.join(f'{names[v]}: {v.type}' for v in graph.ins)}) {{"
    for eqn in graph.eqns:
        text = str(eqn_text(eqn, names, nested=True, sources=sources))
        if sources and eqn.source is not None:
            text += f"  # {eqn.source}"
        yield _STEP + text.replace("\n", "\n" + _STEP)
    yield f"{_STEP}return {', '.join(_atom(a, names) for a in graph.outs)}".rstrip()
    yield "}"


def _atom(atom: Atom, names: Mapping[Var, str]) -> str:
    if isinstance(atom, Literal):
        return f"{print_scalar(atom.value)}:{SHORT_NAMES[atom.type.dtype]}"
    return names.get(atom, "?")


def _name(i: int) -> str:
    """Number ``i`` as letters: a, ..., z, aa, ab, ..."""
    name = ""
    i += 1
    while i:
        i, letter = divmod(i - 1, 26)
        name = _LETTERS[letter] + name
    return name


def _param(value: Any, *, nested: bool, sources: bool) -> str:
    if isinstance(value, Graph):
        return "\n".join(_graph_lines(value, sources)) if nested else "graph(...)"
    if isinstance(value, tuple):
        items = [_param(item, nested=nested, sources=sources) for item in value]
        if any("\n" in item for item in items):
            body = ",\n".join(items).replace("\n", "\n" + _STEP)
            return f"(\n{_STEP}{body},\n)"
        return f"({', '.join(items)}{',' if len(items) == 1 else ''})"
    if value is None or isinstance(value, bool):
        return str(value)
    if isinstance(value, str):
        import json

        return json.dumps(value)
    if isinstance(value, np.generic):
        if value.dtype in SHORT_NAMES:
            return f"{print_scalar(value)}:{SHORT_NAMES[value.dtype]}"
    elif isinstance(value, int):
        return str(value)
    elif isinstance(value, float):
        return print_scalar(np.float64(value))
    elif isinstance(value, complex):
        return f"complex{print_scalar(np.complex128(value))}"
    elif isinstance(value, np.dtype):
        if value in SHORT_NAMES:
            return SHORT_NAMES[value]
    elif isinstance(value, ArrayType):
        return str(value)
    elif isinstance(value, slice):
        parts = (value.start, value.stop, value.step)
        return f"slice({', '.join(_param(p, nested=nested, sources=sources) for p in parts)})"
    elif callable(value):
        return f"<{getattr(value, '__qualname__', type(value).__qualname__)}>"
    raise InternalError(f"a param of type {type(value).__name__} has no text form: {value!r}.")
