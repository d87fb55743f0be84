"""Common-subexpression elimination: what is computed twice is computed once.

The one idea: two equations are the same when primitive, params (to the bit) and operands are. Operands that
were the same are one variable by the time their readers are looked at, so a table from key to results finds
all in one walk.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from weft.ir.graph import Eqn, Graph
from weft.ir.match import Rewriter, Step, rewrite
from weft.ir.params import params_key
from weft.ir.passes.dce import Effects


def cse(graph: Graph) -> Graph:
    """Keep the first of equal equations, here and in each carried graph by itself.

    Does not look through `optimization_barrier`, so that a checkpoint's second computation stays one, and
    leaves equations that have an effect. Keeps inputs, outputs, types, and the source of the first. Needs
    nothing; idempotent.
    """
    effects = Effects()

    def new_step() -> Step:
        seen: dict[Any, Sequence[Any]] = {}

        def step(eqn: Eqn, rewriter: Rewriter) -> Sequence[Any] | None:
            if eqn.prim.name == "optimization_barrier" or effects.of(eqn):
                return None
            key = (eqn.prim, params_key(eqn.params), eqn.ins)
            if key in seen:
                return seen[key]
            seen[key] = [rewriter.value(v) for v in eqn.outs]
            return None

        return step

    return rewrite(graph, new_step)
