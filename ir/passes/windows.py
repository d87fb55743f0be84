"""Sliding windows as the routines take them: what can be done before or by other operations is written out.

Elements that are spread get the gaps filled; 16-bit floats are summed as f32; large windows are folded one axis after the
other, and along an axis by doubling.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from weft.ir.builder import build, read
from weft.ir.graph import Graph, Var
from weft.ir.interpret import run_eqns
from weft.ir.ops import elementwise as e
from weft.ir.ops import window as w
from weft.ir.ops.half import compute_dtype
from weft.ir.ops.windows import spread_and_padded
from weft.ir.primitive import Primitive
from weft.ir.source import at_source

# Elements of a window up to which it is folded element by element: for one axis, and times the sum over several.
_LONG, _BROAD = 32, 4

_ELEMENTWISE: dict[str, Callable[[Any, Any], Any]] = {
    "add": e.add,
    "mul": e.mul,
    "max": e.maximum,
    "min": e.minimum,
    "and": e.and_,
    "or": e.or_,
}


def lower_windows(graph: Graph) -> Graph:
    """Prepare every operation with windows. Needs an inlined graph; the graph itself comes back where there are none."""
    if not any(eqn.prim in RULES for eqn in graph.eqns):
        return graph

    def fun(*args: Any) -> list[Any]:
        env: dict[Var, Any] = dict(zip(graph.ins, args, strict=True))
        for eqn in graph.eqns:
            rule = RULES.get(eqn.prim)
            if rule is None:
                run_eqns([eqn], env)
                continue
            with at_source(eqn.source):
                env[eqn.outs[0]] = rule(*(read(env, a) for a in eqn.ins), **eqn.params)
        return [read(env, a) for a in graph.outs]

    return build(fun, graph.in_types)


def _fold(op: str, prim: Primitive) -> Callable[..., Any]:
    def rule(x: Any, **params: Any) -> Any:
        dtype = x.dtype
        if op in ("add", "mul") and compute_dtype(dtype) != dtype:
            return e.cast(rule(e.cast(x, compute_dtype(dtype)), **params), dtype)
        window, base = params["window"], params["base_dilation"]
        rank = len(window)
        wide = [k for k in window if k != 1]
        apart = max(window, default=0) > _LONG or (len(wide) > 1 and math.prod(wide) > _BROAD * sum(wide))
        if 0 in window or not (apart or any(d != 1 for d in base)):
            return prim.bind(x, **params)
        x = spread_and_padded(x, w.identity(op, dtype), params["padding"], base)
        plain = w.window_params(rank, window, params["strides"], None, None, params["dilation"])
        if not apart:
            return prim.bind(x, **plain)
        for axis in reversed(range(rank)):
            k, stride, dilation = (plain[key][axis] for key in ("window", "strides", "dilation"))
            if k > _LONG:
                combine = _ELEMENTWISE[op]
                (x,) = w.fold_axis(lambda a, b, f=combine: (f(a[0], b[0]),), (x,), axis, k, stride, dilation)  # type: ignore[misc]
            elif (k, stride) != (1, 1):
                alone = [[v if d == axis else 1 for d in range(rank)] for v in (k, stride, dilation)]
                x = prim.bind(x, **w.window_params(rank, alone[0], alone[1], None, None, alone[2]))
        return x

    return rule


RULES: dict[Primitive, Callable[..., Any]] = {prim: _fold(op, prim) for op, prim in w.WINDOW_FOLDS.items()}
