"""Triangles: products of a matrix and a vector that need only a part of them, in loops that build the matrix line by line.

The one idea: a loop that counts k cuts an axis into three regions, before k, at it and behind it. Two things are known of an
array by regions. Where it is *zero*: a mask says so, and of a carry an induction. It starts as zeros, and step k writes line k
alone, so at the beginning of step k it is zero at k and behind. And where it is *wanted*: only what a mask lets through is, or
what is read at k. A product leaves out terms of which both factors are zero, for 0 * 0 is exactly 0 (but 0 * inf is not), and
results that nobody wants.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from weft.ir.graph import Atom, Eqn, Graph, Literal, Var
from weft.ir.loops.vocabulary import MIRRORED
from weft.ir.ops.contract import dot_general_p
from weft.ir.ops.flow import scan_p
from weft.ir.ops.part import ALL, AT, BEFORE, BEHIND, part_product_p
from weft.ir.passes.counters import counters
from weft.ir.passes.products import BLAS_DTYPES
from weft.ir.types import INT64

_LEAST = 3 * 2**9  # elements of a matrix of which a part is worth a call of its own

_COMPARED = {
    "lt": BEFORE,
    "le": BEFORE | AT,
    "gt": BEHIND,
    "ge": AT | BEHIND,
    "eq": AT,
    "ne": BEFORE | BEHIND,
}


def trim_products(graph: Graph) -> Graph:
    """Make products in the bodies of `scan` products of parts, where that is all that is needed.

    Looks at the loops of this graph, not at those inside of them: bodies go the way of a graph themselves. Needs simplified
    bodies; idempotent.
    """
    makers = {var: eqn for eqn in graph.eqns for var in eqn.outs}
    eqns: list[Eqn] = []
    for eqn in graph.eqns:
        if eqn.prim is scan_p and any(_is_candidate(one) for one in eqn.params["body"].eqns):
            body = _trimmed(eqn, makers)
            if body is not eqn.params["body"]:
                eqn = Eqn(eqn.prim, eqn.ins, eqn.outs, {**eqn.params, "body": body}, eqn.source)
        eqns.append(eqn)
    same = all(a is b for a, b in zip(eqns, graph.eqns, strict=True))
    return graph if same else graph.replace(eqns=eqns)


def _trimmed(eqn: Eqn, outside: dict[Var, Eqn]) -> Graph:
    """The body of a loop, with products of parts."""
    body: Graph = eqn.params["body"]
    n_consts, n_carry = eqn.params["n_consts"], eqn.params["n_carry"]
    makers = {var: one for one in body.eqns for var in one.outs}
    carry = list(zip(body.ins[n_consts:], eqn.ins[n_consts:], body.outs[:n_carry], strict=False))
    for k, (first, last_number) in counters(eqn, outside).items():
        if k.type.dtype == INT64 and first >= 0:
            regions = _Regions(body, makers, k, last_number + 1)
            for old, begin, last in carry:
                regions.look_at_carry(old, outside.get(begin) if isinstance(begin, Var) else None, last)
            changed = [regions.product(one) if _is_candidate(one) else one for one in body.eqns]
            if any(a is not b for a, b in zip(changed, body.eqns, strict=True)):
                return body.replace(eqns=changed)
    return body


def _is_number(atom: Atom, value: float) -> bool:
    """Whether an atom is a literal number, with its sign of zero."""
    if not isinstance(atom, Literal) or np.ndim(atom.value):
        return False
    return bool(np.asarray(value).astype(atom.type.dtype).tobytes() == np.asarray(atom.value).tobytes())


def _is_candidate(eqn: Eqn) -> bool:
    """Whether an equation is the product of a matrix, not a small one, and a vector."""
    if eqn.prim is not dot_general_p or any(isinstance(a, Literal) for a in eqn.ins):
        return False
    (x_sum, _), (batch, _) = eqn.params["dims"]
    types = [a.type for a in eqn.ins]
    plain = sorted(t.ndim for t in types) == [1, 2] and len(x_sum) == 1 and not batch
    return plain and types[0].dtype in BLAS_DTYPES and max(t.size for t in types) >= _LEAST


class _Regions:
    """What is known of the values of a body by regions around the counter ``k``, which stays below ``end``."""

    def __init__(self, body: Graph, makers: dict[Var, Eqn], k: Var, end: int) -> None:
        self.body, self.makers, self.k, self.end = body, makers, k, end
        self.zero_along: dict[tuple[Var, int], int] = {}
        self.wanted = self._wanted()

    def made(self, atom: Atom, *names: str) -> Eqn | None:
        """The equation of one of these primitives that makes a value."""
        eqn = self.makers.get(atom) if isinstance(atom, Var) else None
        return eqn if eqn is not None and eqn.prim.name in names else None

    def is_k(self, atom: Atom) -> bool:
        """Whether a scalar is the counter, perhaps as an index that might have been negative."""
        if atom is self.k:
            return True
        chosen = self.made(atom, "select")
        if chosen is None or not self.is_k(chosen.ins[2]):
            return False
        test = self.made(chosen.ins[0], "lt")
        return test is not None and self.is_k(test.ins[0]) and _is_number(test.ins[1], 0)

    def mask(self, atom: Atom) -> int | None:
        """The regions in which a vector of bools is true; none where it is not the same all over a region."""
        if isinstance(atom, Var) and (eqn := self.makers.get(atom)) is not None and atom.type.ndim == 1:
            if eqn.prim.name in _COMPARED:
                x, y = eqn.ins
                if self._is_place(x) and self._is_spread_k(y):
                    return _COMPARED[eqn.prim.name]
                if self._is_place(y) and self._is_spread_k(x):
                    return _COMPARED[MIRRORED[eqn.prim.name]]
            elif eqn.prim.name in ("and_", "or_", "not_"):
                known = [self.mask(a) for a in eqn.ins]
                masks = [m for m in known if m is not None]
                if len(masks) == len(known):
                    if eqn.prim.name == "not_":
                        return ALL & ~masks[0]
                    return masks[0] & masks[1] if eqn.prim.name == "and_" else masks[0] | masks[1]
        return None

    def _is_place(self, atom: Atom) -> bool:
        return atom.type.dtype == INT64 and self.made(atom, "iota") is not None

    def _is_spread_k(self, atom: Atom) -> bool:
        eqn = self.made(atom, "broadcast")
        return eqn is not None and self.is_k(eqn.ins[0])

    # Zeros

    def look_at_carry(self, old: Var, begin: Eqn | None, new: Atom) -> None:
        """Note where a matrix of the carry is zero as a step begins, if it starts as zeros and steps write lines."""
        if old.type.ndim != 2 or begin is None or begin.prim.name != "full":
            return
        if np.asarray(begin.params["value"]).astype(old.type.dtype).tobytes().strip(b"\0"):
            return
        lines = {0, 1}
        while (update := self.made(new, "dynamic_update_slice")) is not None:
            new, part, *at = update.ins
            lines = {axis for axis in lines if part.type.shape[axis] == 1 and self.is_k(at[axis])}
        if new is old:
            self.zero_along.update({(old, axis): AT | BEHIND for axis in lines})

    def zero(self, atom: Atom) -> int:
        """The regions in which all elements of a vector are 0.0."""
        if isinstance(atom, Literal):
            return ALL if _is_number(atom, 0.0) else 0
        if (named := self.made(atom, "reshape")) is not None:
            return self._zero_of_line(named.ins[0])
        chosen = self.made(atom, "select")
        where = None if chosen is None else self.mask(chosen.ins[0])
        if chosen is None or where is None:
            return 0
        return (self.zero(chosen.ins[1]) & where) | (self.zero(chosen.ins[2]) & ~where)

    def _zero_of_line(self, atom: Atom) -> int:
        """The regions in which a line of a matrix is 0.0: those along the other axis in which the matrix is."""
        cut = self.made(atom, "dynamic_slice")
        matrix = None if cut is None else cut.ins[0]
        if cut is None or not isinstance(matrix, Var) or matrix.type.ndim != 2:
            return 0
        whole = [a for a in (0, 1) if cut.params["sizes"][a] == matrix.type.shape[a]]
        line = len(whole) == 1 and cut.outs[0].type.size == matrix.type.shape[whole[0]]
        return self.zero_along.get((matrix, whole[0]), 0) if line else 0

    # What is wanted

    def _wanted(self) -> dict[Var, int]:
        """The regions of each vector that something is computed from."""
        wanted: dict[Var, int] = {}

        def want(atom: Atom, regions: int) -> None:
            if isinstance(atom, Var):
                wanted[atom] = wanted.get(atom, 0) | regions

        for atom in self.body.outs:
            want(atom, ALL)
        for eqn in reversed(self.body.eqns):
            out = eqn.outs[0] if len(eqn.outs) == 1 else None
            vector = out is not None and out.type.ndim == 1 and eqn.prim.lower.kind == "scalar"
            regions = wanted.get(out, 0) if vector and out is not None else ALL
            where = self.mask(eqn.ins[0]) if vector and eqn.prim.name == "select" else None
            if where is not None:
                want(eqn.ins[0], regions)
                want(eqn.ins[1], regions & where)
                want(eqn.ins[2], regions & ~where)
            elif self._is_element(eqn):
                want(eqn.ins[0], AT)
                want(eqn.ins[1], ALL)
            else:
                for atom in eqn.ins:
                    want(atom, regions)
        return wanted

    def _is_element(self, eqn: Eqn) -> bool:
        """Whether an equation takes element k of a vector: one that is there, so that it is not moved inside."""
        if eqn.prim.name != "dynamic_slice" or eqn.params["sizes"] != (1,):
            return False
        return self.is_k(eqn.ins[1]) and self.end <= eqn.ins[0].type.shape[0]

    # Products

    def product(self, eqn: Eqn) -> Eqn:
        """A product, of parts where less than all is needed."""
        matrix, vector = sorted(eqn.ins, key=lambda a: -a.type.ndim)
        (axis,) = eqn.params["dims"][0][eqn.ins.index(matrix)]
        assert isinstance(matrix, Var)
        zero = self.zero_along.get((matrix, axis), 0) & self.zero(vector)
        summed, kept = _together(ALL & ~zero), _together(self.wanted.get(eqn.outs[0], ALL))
        if summed == kept == ALL:
            return eqn
        params: dict[str, Any] = {"axis": axis, "kept": kept, "summed": summed}
        return Eqn(part_product_p, (matrix, vector, self.k), eqn.outs, params, eqn.source)


def _together(regions: int) -> int:
    """Regions and what is between them; all in place of none."""
    return ALL if regions in (0, BEFORE | BEHIND) else regions
