"""Backward passes of loops of unknown length: what they do for few steps becomes loops that run inside native code."""

from __future__ import annotations

from typing import Any

import numpy as np

from weft.ir.builder import build, read
from weft.ir.graph import Eqn, Graph, Var
from weft.ir.interpret import run_eqns
from weft.ir.ops import elementwise as e
from weft.ir.ops.flow import cond, fold_back_p
from weft.ir.ops.flow.few_steps import FEW, has_small_states, there_and_back
from weft.ir.source import at_source
from weft.ir.types import INT64


def few_steps(graph: Graph) -> Graph:
    """Let each `fold_back` with small states ask how many steps there are, and be two loops where they are few. Idempotent.

    A `fold_back` goes back to Python, since nobody knows how much memory it will take.
    """
    if not any(_may_be_short(eqn) for eqn in graph.eqns):
        return graph

    def fun(*args: Any) -> list[Any]:
        env: dict[Var, Any] = dict(zip(graph.ins, args, strict=True))
        for eqn in graph.eqns:
            if not _may_be_short(eqn):
                run_eqns([eqn], env)
                continue
            with at_source(eqn.source):
                found = _either([read(env, a) for a in eqn.ins], eqn)
            env.update(zip(eqn.outs, found, strict=True))
        return [read(env, a) for a in graph.outs]

    return build(fun, graph.in_types)


def _may_be_short(eqn: Eqn) -> bool:
    return (
        eqn.prim is fold_back_p and not eqn.params.get("at_least") and has_small_states(eqn.params["advance"])
    )


def _either(ins: list[Any], eqn: Eqn) -> tuple[Any, ...]:
    params = dict(eqn.params)
    few = min(FEW, params["checkpoints"] or FEW)
    long = build(
        lambda *args: list(fold_back_p.bind(*args, **{**params, "at_least": few + 1})),
        [a.type for a in eqn.ins],
    )
    short = there_and_back(params["advance"], params["backward"], params["n_consts"], few)
    return cond(e.cast(e.le(ins[0], np.asarray(few, INT64)), INT64), [long, short], *ins)
