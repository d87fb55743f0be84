"""Removal of optimization barriers."""

from __future__ import annotations

from typing import Any

from weft.ir.graph import Eqn, Graph, Var
from weft.ir.ops.control import optimization_barrier_p


def strip_barriers(graph: Graph) -> Graph:
    """Remove optimization barriers, once nothing would merge what they keep apart. Idempotent."""
    if not any(eqn.prim is optimization_barrier_p for eqn in graph.eqns):
        return graph
    same: dict[Any, Any] = {}
    eqns: list[Eqn] = []
    for eqn in graph.eqns:
        ins = tuple(same.get(a, a) if isinstance(a, Var) else a for a in eqn.ins)
        if eqn.prim is optimization_barrier_p:
            same[eqn.outs[0]] = ins[0]
        else:
            eqns.append(Eqn(eqn.prim, ins, eqn.outs, eqn.params, eqn.source))
    return graph.replace(eqns=eqns, outs=[same.get(a, a) if isinstance(a, Var) else a for a in graph.outs])
