"""Literals of a kernel's graph, apart from the graph: loops are written once for all numbers that may stand in them.

The one idea: the numbers of a program are parameters of a nest (`nest_builder`), so graphs that differ in nothing else have the
same loops. In the graph that is scheduled a mark stands for each number, a number itself, that says which one it is; which
parameters are marks is read off where they were made. Integers stay, since indices and divisions ask for their values.
"""

from __future__ import annotations

import functools
from collections.abc import Hashable, Iterable
from typing import TypeGuard

import numpy as np

from weft.ir.graph import Atom, Eqn, Graph, Literal
from weft.kernels.schedule.nest_builder import is_common

Places = list[list[tuple[int, tuple[int, int]]]]
"""By nest: parameters, each with the literal that it is and the word of it."""

# Those in which all marks are numbers of their own.
_MARKED = frozenset(map(np.dtype, (np.float32, np.float64, np.complex64, np.complex128)))


def without_literals(graph: Graph) -> tuple[Graph, list[np.generic]]:
    """A graph with marks in the place of its literals, and those in order; itself where there are none."""
    literals: list[np.generic] = []
    # Positions of extrema are written as other equations, by tracing, which would compute with marks.
    if any(eqn.prim.lower.kind == "argreduce" for eqn in graph.eqns):
        return graph, literals

    def marked(atom: Atom) -> Atom:
        if not _has_mark(atom):
            return atom
        literals.append(atom.value)
        return _mark(len(literals) - 1, atom.type.dtype)

    eqns = [
        Eqn(eqn.prim, tuple(map(marked, eqn.ins)), eqn.outs, eqn.params, eqn.source)
        if any(map(_has_mark, eqn.ins))
        else eqn
        for eqn in graph.eqns
    ]
    return (graph.replace(eqns=eqns), literals) if literals else (graph, literals)


def _has_mark(atom: Atom) -> TypeGuard[Literal]:
    return isinstance(atom, Literal) and atom.type.dtype in _MARKED and not is_common(atom.value)


@functools.lru_cache(maxsize=1024)
def _mark(number: int, dtype: np.dtype) -> Literal:
    return Literal(number + 0.5, dtype)


def marked_params(graph: Graph, names: Iterable[Hashable]) -> list[tuple[int, tuple[int, int]]]:
    """The parameters of a nest, given by what they are, that are marks of a graph: each with its literal and the word of it."""
    found: list[tuple[int, tuple[int, int]]] = []
    for k, name in enumerate(names):
        match name:
            case (("literal", int(position), int(operand)), int(word)):
                atom = graph.eqns[position].ins[operand] if position < len(graph.eqns) else None
                if isinstance(atom, Literal) and _has_mark(atom):
                    found.append((k, (int(atom.value.real - 0.5), word)))
    return found
