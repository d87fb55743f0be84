"""Sliding windows as the routines take them: what can be done before or by other operations is written out.

Elements that are spread get the gaps filled, or make several convolutions that are not spread; 16-bit floats are summed as
f32. Windows that lie beside one another are boxes, whose fold is a reduction; large ones are folded one axis after the other,
long ones as windows of windows. Convolutions get their operands padded, and their windows as matrices; with windows of one
element they are products.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from weft.ir.builder import build, read
from weft.ir.graph import Graph, Var
from weft.ir.interpret import run_eqns
from weft.ir.ops import elementwise as e
from weft.ir.ops import reduce as r
from weft.ir.ops import shape as s
from weft.ir.ops import window as w
from weft.ir.ops.contract import dot_general
from weft.ir.ops.convolution import ConvDims, conv_p, conv_sizes, has_products
from weft.ir.ops.half import compute_dtype
from weft.ir.ops.windows import dilated, spread_and_padded, window_count
from weft.ir.passes.cse import cse
from weft.ir.primitive import Primitive
from weft.ir.source import at_source

# Elements of a window up to which it is folded element by element: for one axis, and times the sum over several.
_LONG, _BROAD = 32, 4
# Convolutions that one is written as.
_PARTS = 16

_REDUCTIONS: dict[str, Callable[[Any, list[int]], Any]] = {
    "add": r.reduce_sum,
    "mul": r.reduce_prod,
    "max": r.reduce_max,
    "min": r.reduce_min,
    "and": r.reduce_and,
    "or": r.reduce_or,
}

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

    return cse(build(fun, graph.in_types))  # a padded operand serves a convolution and its gradient


def _fold(op: str, prim: Primitive) -> Callable[..., Any]:
    def rule(x: Any, **params: Any) -> Any:
        dtype = x.dtype
        if op in ("add", "mul") and compute_dtype(dtype) != dtype:
            return e.cast(rule(e.cast(x, compute_dtype(dtype)), **params), dtype)
        window, base = params["window"], params["base_dilation"]
        rank = len(window)
        wide = [k for k in window if k != 1]
        apart = max(window, default=0) > _LONG or (len(wide) > 1 and math.prod(wide) > _BROAD * sum(wide))
        if 0 in window:
            return prim.bind(x, **params)
        if (boxes := _boxes(x, **params)) is not None:
            return _REDUCTIONS[op](*boxes)
        if (repeats := _repeats(**params)) is not None:
            return _repeated(x, w.identity(op, dtype), *repeats)
        # A mask on elements that are not neighbours costs more than a padded copy does.
        masked = rank > 0 and any(params["padding"][-1]) and params["strides"][-1] > 1
        if not (apart or masked or any(d != 1 for d in base)):
            return prim.bind(x, **params)
        x = spread_and_padded(x, w.identity(op, dtype), params["padding"], base)
        plain = w.window_params(rank, window, params["strides"], None, None, params["dilation"])
        if not apart:
            return prim.bind(x, **plain)
        for axis in reversed(range(rank)):
            k, stride, dilation = (plain[key][axis] for key in ("window", "strides", "dilation"))
            if (k, stride) != (1, 1):
                x = _along(op, x, axis, k, stride, dilation)
        return x

    return rule


def _boxes(
    x: Any, *, window: Any, strides: Any, padding: Any, base_dilation: Any, dilation: Any
) -> tuple[Any, list[int]] | None:
    """``x`` with each axis that has windows split in two, and the second ones, where windows lie beside one another."""
    if not any(k != 1 for k in window):
        return None
    split: list[int] = []
    inside = []
    for d, k in enumerate(window):
        if padding[d] != (0, 0) or base_dilation[d] != 1 or strides[d] != k or (k > 1 and dilation[d] != 1):
            return None
        x = s.slice_axis(x, d, 0, x.shape[d] // k * k)
        split.append(x.shape[d] // k)
        if k > 1:
            inside.append(len(split))
            split.append(k)
    return s.reshape(x, split), inside


def _repeats(
    *, window: Any, strides: Any, padding: Any, base_dilation: Any, dilation: Any
) -> tuple[tuple[int, ...], list[int]] | None:
    """How often windows see the same element, and how many of them see none behind the last one.

    That is where elements are as far apart as windows are wide, as in the derivative of a sum of boxes.
    """
    behind = [high - k + 1 for k, (_, high) in zip(window, padding, strict=True)]
    axes = zip(window, strides, padding, base_dilation, dilation, strict=True)
    plain = all(
        k == base and stride == apart == 1 and low == k - 1 for k, stride, (low, _), base, apart in axes
    )
    return (window, behind) if plain and min(behind, default=0) >= 0 and max(window, default=1) > 1 else None


def _repeated(x: Any, value: Any, times: tuple[int, ...], behind: list[int]) -> Any:
    """Each element so often on each axis, and a value behind them."""
    shape: list[int] = []
    kept, flat = [], []
    for n, k in zip(x.shape, times, strict=True):
        kept.append(len(shape))
        shape += [n] if k == 1 else [n, k]
        flat.append(n * k)
    x = s.reshape(s.broadcast(x, shape, kept), flat)
    return s.pad(x, value, [0] * len(flat), behind)


def _along(op: str, x: Any, axis: int, k: int, stride: int, dilation: int) -> Any:
    """Fold windows along one axis: long ones are windows of windows, and what is left over."""

    def windows(x: Any, *options: int) -> Any:
        one = [[v if d == axis else 1 for d in range(len(x.shape))] for v in options]
        return w.WINDOW_FOLDS[op].bind(x, **w.window_params(len(x.shape), one[0], one[1], None, None, one[2]))

    if k <= _LONG:
        return windows(x, k, stride, dilation)
    inner = math.isqrt(k)
    outer = k // inner
    count = window_count(x.shape[axis], k, stride, (0, 0), 1, dilation)
    out = _along(op, windows(x, inner, 1, dilation), axis, outer, stride, inner * dilation)
    out = s.slice_axis(out, axis, 0, count)
    if rest := k - inner * outer:
        behind = s.slice_axis(x, axis, min(inner * outer * dilation, x.shape[axis]), x.shape[axis])
        tail = windows(behind, rest, stride, dilation)
        out = _ELEMENTWISE[op](out, s.slice_axis(tail, axis, 0, count))
    return out


def _conv(lhs: Any, rhs: Any, **params: Any) -> Any:
    dtype = lhs.dtype
    if compute_dtype(dtype) != dtype:
        wide = (e.cast(v, compute_dtype(dtype)) for v in (lhs, rhs))
        return e.cast(_conv(*wide, **params), dtype)
    dims = ConvDims(*params["dims"])
    rank = len(dims.lhs) - 2
    axis = _spread_axis(params)
    if axis is not None:
        return _by_residue(lhs, rhs, params, axis)
    padding, spread = [(0, 0)] * (rank + 2), [1] * (rank + 2)
    for d, pair, apart in zip(dims.lhs[2:], params["padding"], params["lhs_dilation"], strict=True):
        padding[d], spread[d] = pair, apart
    lhs = spread_and_padded(lhs, np.zeros((), dtype), padding, spread)
    params = {**params, "padding": ((0, 0),) * rank, "lhs_dilation": (1,) * rank}
    grouped = params["feature_groups"] * params["batch_groups"] > 1
    if not grouped and all(rhs.shape[d] == 1 for d in dims.rhs[2:]):
        return _product(lhs, rhs, dims, params["strides"])
    if has_products(conv_sizes(lhs.type, rhs.type, params)):
        rhs, dims = _with_rows(rhs, dims, grouped)
    return conv_p.bind(lhs, rhs, **{**params, "dims": tuple(dims)})


def _spread_axis(params: dict[str, Any]) -> int | None:
    """A spatial axis along which elements are spread, if `_by_residue` is for it, and there are not too many parts."""
    spread, apart, strides = params["lhs_dilation"], params["rhs_dilation"], params["strides"]
    if math.prod(spread) > _PARTS:
        return None
    taken = (d for d, n in enumerate(spread) if n > 1 and strides[d] == 1 and math.gcd(n, apart[d]) == 1)
    return next(taken, None)


def _by_residue(lhs: Any, rhs: Any, params: dict[str, Any], d: int) -> Any:
    """A convolution of spread elements as several that are not spread: each result sees every n-th element of a window.

    Results whose places are equal modulo n see the same ones.
    """
    dims, n = ConvDims(*params["dims"]), params["lhs_dilation"][d]
    on_lhs, on_rhs, on_out = (spec[2 + d] for spec in dims)
    apart, low, k = params["rhs_dilation"][d], params["padding"][d][0], rhs.shape[on_rhs]
    count = conv_sizes(lhs.type, rhs.type, params).counts[d]
    per_part = -(-count // n)

    def replaced(key: str, value: Any) -> tuple[Any, ...]:
        return (*params[key][:d], value, *params[key][d + 1 :])

    parts = []
    for part in range(n):
        # Results part, part + n ... see the elements first, first + n ... of a window.
        first = next(i for i in range(n) if (part + i * apart - low) % n == 0)
        window = s.slice_axis(rhs, on_rhs, min(first, k), k, n)
        before = (low - part - first * apart) // n
        reach = dilated(window.shape[on_rhs], apart)
        padding = (before, per_part - 1 + reach - lhs.shape[on_lhs] - before)
        options = {"padding": replaced("padding", padding), "lhs_dilation": replaced("lhs_dilation", 1)}
        parts.append(s.expand_dims(_conv(lhs, window, **{**params, **options}), (on_out + 1,)))
    out = s.concatenate(parts, on_out + 1)
    shape = out.shape
    out = s.reshape(out, (*shape[:on_out], per_part * n, *shape[on_out + 2 :]))
    return s.slice_axis(out, on_out, 0, count)


def _product(lhs: Any, rhs: Any, dims: ConvDims, strides: tuple[int, ...]) -> Any:
    """A convolution by windows of one element: a product over the features."""
    steps = [1] * len(dims.lhs)
    for d, stride in zip(dims.lhs[2:], strides, strict=True):
        steps[d] = stride
    lhs = s.slice_(lhs, [0] * len(steps), lhs.shape, steps)
    out = dot_general(
        lhs, s.squeeze(rhs, dims.rhs[2:]), (((dims.lhs[1],), (int(dims.rhs[1] > dims.rhs[0]),)), ((), ()))
    )
    rest = [d for d in range(len(dims.lhs)) if d != dims.lhs[1]]
    place = dict(zip((dims.lhs[0], dims.lhs[1], *dims.lhs[2:]), dims.out, strict=True))
    order = [0] * len(dims.out)
    for k, d in enumerate(rest):
        order[place[d]] = k
    order[dims.out[1]] = len(rest)
    return s.transpose(out, order)


def _with_rows(rhs: Any, dims: ConvDims, grouped: bool) -> tuple[Any, ConvDims]:
    """The windows as a matrix: the terms of a sum in the order that ``lhs`` has them, the output features before or behind."""
    of_lhs = dict(zip(dims.rhs[1:], dims.lhs[1:], strict=True))
    terms = sorted(dims.rhs[1:], key=lambda d: of_lhs[d])
    features_first = [dims.rhs[0], *terms]
    if features_first == list(range(len(dims.rhs))):
        return rhs, dims
    order = features_first if grouped else [*terms, dims.rhs[0]]
    return s.transpose(rhs, order), dims._replace(rhs=tuple(order.index(d) for d in dims.rhs))


RULES: dict[Primitive, Callable[..., Any]] = {
    conv_p: _conv,
    **{prim: _fold(op, prim) for op, prim in w.WINDOW_FOLDS.items()},
}
