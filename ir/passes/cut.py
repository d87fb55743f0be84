"""What dead code elimination does to branches and loops: drop unneeded results, carries, rows and operands.

The one idea: a carry is needed when a needed result reads it, at this step or at a later one. Each kind of loop has a rule
that finds the smallest such set; here it is applied to an equation.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from weft.ir.graph import Eqn, Graph
from weft.ir.ops.flow.bodies import pick
from weft.ir.ops.flow.branch import cut_cond
from weft.ir.ops.flow.fold_back import cut_fold_back
from weft.ir.ops.flow.scan import cut_scan
from weft.ir.ops.flow.while_loop import cut_while
from weft.ir.params import params_key

Shared = Callable[[Graph, tuple[bool, ...]], Graph]
"""``shared(graph, wanted)`` is the graph with its wanted outputs alone, and without dead code."""

RULES: dict[str, Callable[[Any, Sequence[bool], Shared], Any]] = {
    "cond": cut_cond,
    "fold_back": cut_fold_back,
    "scan": cut_scan,
    "while_loop": cut_while,
}


def cut(eqn: Eqn, needed: Sequence[bool], shared: Shared) -> Eqn:
    """A needed branch or loop without what none of its ``needed`` results reads; itself where nothing goes."""
    params, ins, outs = RULES[eqn.prim.name](dict(eqn.params), needed, shared)
    if all(ins) and all(outs) and params_key(params) == params_key(eqn.params):
        return eqn
    return Eqn(eqn.prim, tuple(pick(eqn.ins, ins)), tuple(pick(eqn.outs, outs)), params, eqn.source)
