"""Positions of extrema, written as reductions that are vectors' work.

The one idea: the first place where ``x`` is its maximum is the least index where it equals it. A maximum and
a minimum of integers are both folds without branches; a fold that carries the best and its place is neither
vectorised nor any simpler.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from weft.ir.builder import build, read
from weft.ir.graph import Eqn, Graph, Var
from weft.ir.interpret import run_eqns
from weft.ir.ops.elementwise import cast, eq, ne, or_, select
from weft.ir.ops.reduce import reduce_max, reduce_min
from weft.ir.ops.shape import broadcast, iota
from weft.ir.source import at_source
from weft.ir.types import INT64, is_inexact


def expand_positions(graph: Graph) -> Graph:
    """Replace argmax and argmin; idempotent; a graph without them comes back itself."""
    if all(eqn.prim.lower.kind != "argreduce" for eqn in graph.eqns):
        return graph

    def fun(*args: Any) -> list[Any]:
        env: dict[Var, Any] = dict(zip(graph.ins, args, strict=True))
        for eqn in graph.eqns:
            if eqn.prim.lower.kind == "argreduce":
                with at_source(eqn.source):
                    env[eqn.outs[0]] = _position(eqn, read(env, eqn.ins[0]))
            else:
                run_eqns([eqn], env)
        return [read(env, atom) for atom in graph.outs]

    return build(fun, graph.in_types)


def _position(eqn: Eqn, x: Any) -> Any:
    axis = eqn.params["axis"]
    best = (reduce_max if eqn.prim.lower.rule == "max" else reduce_min)(x, (axis,))
    hit = eq(x, broadcast(best, x.shape, [d for d in range(len(x.shape)) if d != axis]))
    if is_inexact(x.dtype):
        hit = or_(hit, ne(x, x))  # the maximum is NaN where there is one: the first NaN wins
    nowhere = np.int64(np.iinfo(INT64).max)
    return cast(reduce_min(select(hit, iota(INT64, x.shape, axis), nowhere), (axis,)), eqn.params["dtype"])
