"""Reread: what a loop's step reads of the array that a carry began as, it reads of the carry, where that is still the same.

The one idea: a step that writes a part of the carry finds there what was there before the loop, if no other step writes to that
part. So a back substitution that begins as its right hand side, and reads that row by row, needs no second copy of it.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from weft.ir.builder import run_reference
from weft.ir.graph import Atom, Eqn, Graph, Literal, Var
from weft.ir.passes.counters import counters


def reread(graph: Graph) -> Graph:
    """Let the steps of each `scan` read a carry for its start. Leaves operands without readers to `dce`; idempotent."""
    eqns = [_reread(eqn) if eqn.prim.name == "scan" else eqn for eqn in graph.eqns]
    same = all(a is b for a, b in zip(eqns, graph.eqns, strict=True))
    return graph if same else graph.replace(eqns=eqns)


def _reread(eqn: Eqn) -> Eqn:
    body: Graph = eqn.params["body"]
    n_consts, n_carry = eqn.params["n_consts"], eqn.params["n_carry"]
    consts, carry = eqn.ins[:n_consts], eqn.ins[n_consts : n_consts + n_carry]
    makers = {var: one for one in body.eqns for var in one.outs}
    instead: dict[Var, Atom] = {}
    for k, start in enumerate(carry):
        old, new = body.ins[n_consts + k], body.outs[k]
        write = makers.get(new) if isinstance(new, Var) else None
        if start not in consts or isinstance(start, Literal) or write is None:
            continue
        const = body.ins[consts.index(start)]
        if write.prim.name != "dynamic_update_slice" or write.ins[0] is not old or const in body.outs:
            continue
        reads = [one for one in body.eqns if const in one.ins]
        there = reads and all(_lies_at(one, const, write) for one in reads)
        if there and _is_apart(write, _Places(eqn, makers)):
            instead[const] = old
    if not instead:
        return eqn
    eqns: list[Eqn] = []
    for one in body.eqns:
        ins = tuple([instead.get(a, a) if isinstance(a, Var) else a for a in one.ins])
        eqns.append(one if ins == tuple(one.ins) else Eqn(one.prim, ins, one.outs, one.params, one.source))
    return Eqn(eqn.prim, eqn.ins, eqn.outs, {**eqn.params, "body": body.replace(eqns=eqns)}, eqn.source)


def _lies_at(read: Eqn, const: Var, write: Eqn) -> bool:
    """Whether an equation takes the part of ``const`` that lies where another one writes."""
    if read.prim.name != "dynamic_slice" or read.ins[0] is not const:
        return False
    places = zip(read.ins[1:], write.ins[2:], strict=True)
    return read.outs[0].type.shape == write.ins[1].type.shape and all(_is_same(a, b) for a, b in places)


def _is_same(a: Atom, b: Atom) -> bool:
    if isinstance(a, Literal) and isinstance(b, Literal):
        return bool(a.value == b.value)
    return a is b


def _is_apart(write: Eqn, places: _Places) -> bool:
    """Whether no two steps write to one place: along some axis, their windows never meet."""
    whole, window = write.ins[0].type.shape, write.ins[1].type.shape
    for n, width, atom in zip(whole, window, write.ins[2:], strict=True):
        starts = places.of(atom) if places.length * width <= n else None
        if starts is not None and np.all(np.diff(np.sort(np.clip(starts, 0, n - width))) >= width):
            return True
    return False


class _Places:
    """The values of integers at every step, where they follow from counters.

    Args:
        scan: the loop.
        makers: the equations of its body by their results.
    """

    def __init__(self, scan: Eqn, makers: Mapping[Var, Eqn]) -> None:
        self.length: int = scan.params["length"]
        self.makers = makers
        self.counters = counters(scan, {})
        self.known: dict[Var, np.ndarray | None] = {}

    def of(self, atom: Atom) -> np.ndarray | None:
        """A scalar at each step; ``None`` where it depends on data."""
        if isinstance(atom, Literal):
            return np.full(self.length, atom.value, atom.type.dtype)
        if atom not in self.known:
            self.known[atom] = self._computed(atom)
        return self.known[atom]

    def _computed(self, var: Var) -> np.ndarray | None:
        if var in self.counters:
            return (self.counters[var][0] + np.arange(self.length)).astype(var.type.dtype)
        eqn = self.makers.get(var)
        if eqn is None or eqn.prim.lower.kind != "scalar" or eqn.prim.multiple or var.type.shape:
            return None
        operands = [self.of(atom) for atom in eqn.ins]
        return None if any(a is None for a in operands) else run_reference(eqn.prim, operands, eqn.params)
