"""What `checkpoint` keeps for the backward pass: policies, and names that they know values by.

The one idea: a policy is asked once for each operation, when the function is traced, and what it would keep is marked there
(`weft.ir.ops.control.saved`). Marks are operations, so they stay with their values through `vmap` and loops.
"""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from weft.engine import tree
from weft.engine.array import to_value, wrap_value
from weft.ir.builder import bind_all, build, read
from weft.ir.graph import Graph
from weft.ir.ops import control
from weft.ir.ops.flow import scan_p

Policy = Callable[..., bool]
"""Called as ``policy(primitive, *types, **params)``: whether the results of this operation are kept."""

_PRODUCTS = ("dot_general", "conv")


def everything_saveable(prim: Any, *types: Any, **params: Any) -> bool:
    """Keep all: nothing is computed again."""
    return True


def nothing_saveable(prim: Any, *types: Any, **params: Any) -> bool:
    """Keep the arguments alone, as without a policy."""
    return False


def dots_saveable(prim: Any, *types: Any, **params: Any) -> bool:
    """Keep products of matrices and convolutions."""
    return prim.name in _PRODUCTS


def dots_with_no_batch_dims_saveable(prim: Any, *types: Any, **params: Any) -> bool:
    """Keep products of matrices that are not one product of many: those with weights, but not those of attention."""
    return prim.name == "dot_general" and params["dims"][1] == ((), ())


def save_anything_except_these_names(*names: str) -> Policy:
    """Keep all but the values of these names."""
    return lambda prim, *types, **params: prim is not control.named_p or params["name"] not in names


def save_any_names_but_these(*names: str) -> Policy:
    """Keep the values that have another name; what has none is computed again."""
    return lambda prim, *types, **params: prim is control.named_p and params["name"] not in names


def save_only_these_names(*names: str) -> Policy:
    """Keep the values of these names."""
    return lambda prim, *types, **params: prim is control.named_p and params["name"] in names


def save_from_both_policies(first: Policy, second: Policy) -> Policy:
    """Keep what either policy keeps."""
    return lambda prim, *types, **params: first(prim, *types, **params) or second(prim, *types, **params)


checkpoint_policies = SimpleNamespace(
    checkpoint_dots=dots_saveable,
    checkpoint_dots_with_no_batch_dims=dots_with_no_batch_dims_saveable,
    dots_saveable=dots_saveable,
    dots_with_no_batch_dims_saveable=dots_with_no_batch_dims_saveable,
    everything_saveable=everything_saveable,
    nothing_saveable=nothing_saveable,
    save_any_names_but_these=save_any_names_but_these,
    save_anything_except_these_names=save_anything_except_these_names,
    save_from_both_policies=save_from_both_policies,
    save_only_these_names=save_only_these_names,
)


def checkpoint_name(x: Any, name: str) -> Any:
    """``x``, a tree of arrays, under a name that policies of `checkpoint` know it by; no cost, no other effect."""
    return tree.map(lambda leaf: wrap_value(control.named(to_value(leaf), name)), x)


def marked(graph: Graph, policy: Policy) -> Graph:
    """``graph`` with marks on the results that ``policy`` keeps, in the bodies of scans too; calls in it are written out."""

    def run(graph: Graph, args: Any) -> list[Any]:
        env = dict(zip(graph.ins, args, strict=True))
        for eqn in graph.eqns:
            ins = [read(env, a) for a in eqn.ins]
            if eqn.prim is control.call_p:
                outs = run(eqn.params["graph"], ins)
            else:
                params = dict(eqn.params)
                if eqn.prim is scan_p:
                    params["body"] = marked(params["body"], policy)
                outs = list(bind_all(eqn.prim, ins, params))
                if policy(eqn.prim, *[a.type for a in eqn.ins], **eqn.params):
                    outs = [control.saved(x) for x in outs]
            env.update(zip(eqn.outs, outs, strict=True))
        return [read(env, a) for a in graph.outs]

    return build(lambda *args: run(graph, args), graph.in_types)
