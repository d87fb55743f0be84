"""`reduce`: fold axes with any associative function."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from weft.engine import tree
from weft.engine.array import to_value, wrap_value
from weft.engine.transforms.flow import Body, check_carry, read_leaves, structure, trace_body
from weft.engine.transforms.vmap import vmap
from weft.ir.errors import ArgumentError, ShapeError
from weft.ir.ops import elementwise as e
from weft.ir.ops import reduce as r
from weft.ir.ops import shape as s
from weft.lax.arguments import check_kind, one_value, sorted_axes
from weft.lax.elementwise import bitwise_xor

# Functions of two scalars that are a primitive, and the reduction by it.
_KNOWN: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
    "add": (r.reduce_sum, e.add),
    "mul": (r.reduce_prod, e.mul),
    "max": (r.reduce_max, e.maximum),
    "min": (r.reduce_min, e.minimum),
    "and_": (r.reduce_and, e.and_),
    "or_": (r.reduce_or, e.or_),
}


def reduce(
    operands: Any,
    init_values: Any,
    computation: Callable[[Any, Any], Any],
    dimensions: Sequence[int],
    out_sharding: Any = None,
) -> Any:
    """Fold axes of arrays with an associative function.

    Args:
        operands: a tree of arrays of one shape.
        init_values: a tree of scalars of the same structure and dtypes: what every fold begins with.
        computation: ``computation(a, b)`` of two trees of scalars gives a tree of scalars; associative.
        dimensions: the axes to fold.
        out_sharding: accepted for compatibility.

    Returns:
        A tree of arrays without those axes.

    Raises:
        ArgumentError: structures or dtypes differ.
        ShapeError: shapes differ, or an initial value is no scalar.
    """
    xs, inits = read_leaves(operands, "operands"), read_leaves(init_values, "init_values")
    if xs.tree != inits.tree:
        raise ArgumentError(
            f"reduce: operands are {structure(xs.tree)}, init_values {structure(inits.tree)}: structures must be equal."
        )
    if not xs.values:
        return operands
    shapes = {v.shape for v in xs.values}
    if len(shapes) > 1:
        raise ShapeError(f"reduce: operands must have one shape, got {', '.join(map(str, xs.types))}.")
    values = [
        e.cast(i, x.dtype) if weak else i
        for i, x, weak in zip(inits.values, xs.values, inits.weak, strict=True)
    ]
    inits = inits._replace(values=values, weak=[False] * len(values))
    for name, x, i in zip(inits.names, xs.values, inits.values, strict=True):
        if i.shape != () or i.dtype != x.dtype:
            raise ShapeError(
                f"reduce: {name} must be a scalar of dtype {x.dtype}, got {i.dtype} of shape {i.shape}."
            )
    axes = sorted_axes("reduce", dimensions, len(xs.values[0].shape))
    body = trace_body(
        computation, (init_values, init_values), inits.types * 2, [False] * (2 * len(values)), "reduce"
    )
    check_carry("reduce", computation, inits._replace(names=xs.names), body.out_tree, body.graph.out_types)
    if (known := _known(body)) is not None:
        fold, combine = known
        if 0 not in (xs.values[0].shape[axis] for axis in axes):  # an extremum of nothing has no value
            found = [combine(i, fold(x, axes)) for x, i in zip(xs.values, inits.values, strict=True)]
            return xs.rebuilt(found)
    return xs.rebuilt(_halved(xs, inits, computation, axes))


def reduce_xor(operand: Any, axes: Sequence[int] | None = None, *, out_sharding: Any = None) -> Any:
    """Fold axes of bools or integers by exclusive or."""
    value = one_value(operand)
    check_kind("reduce_xor", value.dtype, "logical")
    along = sorted_axes("reduce_xor", axes, len(value.shape))
    return reduce(value, np.zeros((), value.dtype), bitwise_xor, along)


def _known(body: Body) -> tuple[Callable[..., Any], Callable[..., Any]] | None:
    """The reduction that a computation is, if it is one."""
    graph = body.graph
    if len(graph.eqns) != 1 or len(graph.ins) != 2 or graph.outs != graph.eqns[0].outs:
        return None
    return _KNOWN.get(graph.eqns[0].prim.name) if set(graph.eqns[0].ins) == set(graph.ins) else None


def _halved(xs: Any, inits: Any, computation: Callable[..., Any], axes: tuple[int, ...]) -> list[Any]:
    """Fold by combining each element with its right neighbour, until there is one."""
    ndim = len(xs.values[0].shape)
    kept = [d for d in range(ndim) if d not in axes]
    rest = [xs.values[0].shape[d] for d in kept]
    n = math.prod(xs.values[0].shape[d] for d in axes)
    rows = [s.reshape(s.transpose(v, (*axes, *kept)), (n, math.prod(rest))) for v in xs.values]
    rows = [
        s.concatenate([s.broadcast(i, (1, math.prod(rest)), ()), v], 0)
        for v, i in zip(rows, inits.values, strict=True)
    ]
    many = vmap(vmap(computation))
    while rows[0].shape[0] > 1:
        n = rows[0].shape[0]
        left = [s.slice_axis(v, 0, 0, n - 1, 2) for v in rows]
        right = [s.slice_axis(v, 0, 1, n, 2) for v in rows]
        folded = [to_value(x) for x in tree.leaves(many(xs.rebuilt(left), xs.rebuilt(right)))]
        last = [s.slice_axis(v, 0, n - 1, n) for v in rows] if n % 2 else []
        rows = [s.concatenate([f, x], 0) for f, x in zip(folded, last, strict=True)] if last else folded
    return [wrap_value(s.reshape(v, rest)) for v in rows]
