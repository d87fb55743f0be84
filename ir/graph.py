"""What a program is: variables, literals, equations, graphs. Nothing else.

The grammar of the text form (printer.py writes it, parser.py reads it)::

    graph   ::= "graph(" binder, ... ") {" eqn* "return" atom, ... "}"
    eqn     ::= binder, ... "=" primitive ["[" name "=" param, ... "]"] atom ...
    binder  ::= name ":" type
    atom    ::= name | literal
    literal ::= value ":" type                       a scalar, e.g. 2.0:f64
    param   ::= int | float | str | bool | None | dtype | type | "(" param, ... ")" | graph

Graphs are closed: a value from outside is an input. Structured primitives carry graphs in their params. A graph binds each
variable once, and variables compare by identity; graphs compare by structure, so that two traces of one function are equal.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from weft.ir.primitive import Primitive
from weft.ir.records import dataclass, field
from weft.ir.source import Source
from weft.ir.types import ArrayType


class Var:
    """A value bound once: the input of a graph or the output of an equation. Compares by identity."""

    __slots__ = ("type",)

    def __init__(self, type: ArrayType):
        self.type = type

    def __repr__(self) -> str:
        return f"Var({self.type})"


class Literal:
    """A scalar constant written in place. Equal when bits and type are equal."""

    __slots__ = ("type", "value")

    def __init__(self, value: Any, dtype: np.dtype | None = None):
        self.value: Any = np.asarray(value, dtype)[()]
        self.type = ArrayType((), self.value.dtype)

    def _key(self) -> tuple[np.dtype, bytes]:
        return (self.type.dtype, self.value.tobytes())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Literal) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def __repr__(self) -> str:
        return f"Literal({self.value!r})"


Atom = Var | Literal


@dataclass(frozen=True, slots=True, eq=False)
class Eqn:
    """One application of a primitive: ``outs = prim[params] ins``. ``params`` is never mutated."""

    prim: Primitive
    ins: tuple[Atom, ...]
    outs: tuple[Var, ...]
    params: Mapping[str, Any]
    source: Source | None = None

    @property
    def in_types(self) -> tuple[ArrayType, ...]:
        """Types of the operands."""
        return tuple(atom.type for atom in self.ins)

    @property
    def out_types(self) -> tuple[ArrayType, ...]:
        """Types of the results."""
        return tuple(var.type for var in self.outs)


@dataclass(frozen=True, slots=True, eq=False)
class Graph:
    """A program: inputs, equations in order, outputs."""

    ins: tuple[Var, ...]
    eqns: tuple[Eqn, ...]
    outs: tuple[Atom, ...]
    _hash: list[int] = field(default_factory=list, repr=False)

    @property
    def in_types(self) -> tuple[ArrayType, ...]:
        """Types of the inputs."""
        return tuple(var.type for var in self.ins)

    @property
    def out_types(self) -> tuple[ArrayType, ...]:
        """Types of the outputs."""
        return tuple(atom.type for atom in self.outs)

    def replace(self, **changes: Any) -> Graph:
        """A graph with ``ins``, ``eqns`` or ``outs`` exchanged."""
        parts = {"ins": self.ins, "eqns": self.eqns, "outs": self.outs} | changes
        return Graph(tuple(parts["ins"]), tuple(parts["eqns"]), tuple(parts["outs"]))

    def __eq__(self, other: object) -> bool:
        return self is other or (
            isinstance(other, Graph) and hash(self) == hash(other) and _same_structure(self, other)
        )

    def __hash__(self) -> int:
        if not self._hash:
            parts = tuple([(eqn.prim.name, len(eqn.ins), *_told_by(eqn)) for eqn in self.eqns])
            self._hash.append(hash((self.in_types, parts, self.out_types)))
        return self._hash[0]

    def __str__(self) -> str:
        from weft.ir.printer import print_graph

        return print_graph(self)


def _told_by(eqn: Eqn) -> list[int]:
    """What tells an equation from others of its primitive: the graphs it carries, or where it reads.

    Calls nested in calls look alike from outside, and steps of a long program often differ in nothing but where they read.
    """
    if eqn.prim.lower.kind == "index":
        from weft.ir.params import params_key  # which knows graphs

        return [hash(params_key(eqn.params))]
    return [hash(graph) for _, graph in sub_graphs(eqn)]


WITHOUT_GRAPHS = ("scalar", "index", "reduce", "argreduce", "library")
"""The kinds of lowerings of primitives whose params are never graphs: nearly all equations."""


def sub_graphs(eqn: Eqn) -> Iterator[tuple[str, Graph]]:
    """The graphs among an equation's params, by name, in sorted order; tuples of graphs give ``name.i``."""
    if eqn.prim.lower.kind in WITHOUT_GRAPHS:
        return
    for name in sorted(eqn.params):
        value = eqn.params[name]
        if isinstance(value, Graph):
            yield name, value
        elif isinstance(value, tuple):
            for i, item in enumerate(value):
                if isinstance(item, Graph):
                    yield f"{name}.{i}", item


def _same_structure(a: Graph, b: Graph) -> bool:
    from weft.ir.params import params_key  # which knows graphs

    if len(a.eqns) != len(b.eqns) or a.in_types != b.in_types:
        return False
    match: dict[Var, Var] = dict(zip(a.ins, b.ins, strict=True))

    def same(x: Atom, y: Atom) -> bool:
        return match.get(x) is y if isinstance(x, Var) else x == y

    for p, q in zip(a.eqns, b.eqns, strict=True):
        if p.prim is not q.prim or p.out_types != q.out_types or params_key(p.params) != params_key(q.params):
            return False
        if len(p.ins) != len(q.ins) or not all(map(same, p.ins, q.ins)):
            return False
        match.update(zip(p.outs, q.outs, strict=True))
    return len(a.outs) == len(b.outs) and all(map(same, a.outs, b.outs))
