"""Removal of equations that only mark a value: optimization barriers, stops of gradients, names."""

from __future__ import annotations

from typing import Any

from weft.ir.graph import Eqn, Graph, Var
from weft.ir.ops.control import named_p, optimization_barrier_p, saved_p
from weft.ir.ops.elementwise import stop_gradient_p

_MARKS = (optimization_barrier_p, stop_gradient_p, named_p, saved_p)


def strip_barriers(graph: Graph) -> Graph:
    """Remove marks, once nothing is differentiated and nothing would merge what barriers keep apart. Idempotent."""
    if not any(eqn.prim in _MARKS for eqn in graph.eqns):
        return graph
    same: dict[Any, Any] = {}
    eqns: list[Eqn] = []
    for eqn in graph.eqns:
        ins = tuple(same.get(a, a) if isinstance(a, Var) else a for a in eqn.ins)
        if eqn.prim in _MARKS:
            same[eqn.outs[0]] = ins[0]
        else:
            eqns.append(Eqn(eqn.prim, ins, eqn.outs, eqn.params, eqn.source))
    return graph.replace(eqns=eqns, outs=[same.get(a, a) if isinstance(a, Var) else a for a in graph.outs])
