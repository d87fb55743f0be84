"""Contractions as matrix products: `dot_general` becomes transpositions, reshapes and one `gemm`.

A product that leaves no free axis on either side (a dot product) becomes a multiplication and a sum, which fuse with their
neighbours; so do products of integers and booleans, which BLAS does not have. 16-bit floats are multiplied as f32. Which
way a product goes is decided by its axes, never by their lengths, so programs stay the same for all shapes.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from weft.ir.builder import at_source, build, read
from weft.ir.graph import Graph, Var
from weft.ir.interpret import run_eqns
from weft.ir.ops import contract, elementwise, reduce, shape
from weft.ir.ops.gemm import GEMM_DTYPES, gemm
from weft.ir.types import is_bool, is_floating

Axes = tuple[int, ...]


def lower_products(graph: Graph) -> Graph:
    """Replace every `dot_general`. Needs an inlined graph; idempotent; the graph itself comes back without products."""
    if not any(eqn.prim is contract.dot_general_p for eqn in graph.eqns):
        return graph

    def fun(*args: Any) -> list[Any]:
        env: dict[Var, Any] = dict(zip(graph.ins, args, strict=True))
        for eqn in graph.eqns:
            if eqn.prim is contract.dot_general_p:
                with at_source(eqn.source):
                    x, y = (read(env, a) for a in eqn.ins)
                    env[eqn.outs[0]] = product(x, y, eqn.params["dims"])
            else:
                run_eqns([eqn], env)
        return [read(env, a) for a in graph.outs]

    return build(fun, graph.in_types)


def product(x: Any, y: Any, dims: Any) -> Any:
    """A contraction of values, written with the operations that run it."""
    (x_sum, y_sum), (x_batch, y_batch) = dims
    x_free = tuple(i for i in range(len(x.shape)) if i not in (*x_sum, *x_batch))
    y_free = tuple(i for i in range(len(y.shape)) if i not in (*y_sum, *y_batch))
    dtype = x.dtype
    if not (x_free or y_free) or (dtype not in GEMM_DTYPES and not is_floating(dtype)):
        return _by_loops(x, y, (x_sum, x_batch, x_free), (y_sum, y_batch, y_free))
    if dtype not in GEMM_DTYPES:
        wide = np.dtype(np.float32)
        return elementwise.cast(product(elementwise.cast(x, wide), elementwise.cast(y, wide), dims), dtype)
    x_sum, y_sum = _aligned(x_sum, y_sum)
    a, trans_a = _matrices(x, x_batch, x_free, x_sum)
    b, trans_b = _matrices(y, y_batch, y_sum, y_free)
    result = gemm(a, b, trans_a=trans_a, trans_b=trans_b)
    sizes = [x.shape[i] for i in (*x_batch, *x_free)] + [y.shape[i] for i in y_free]
    return shape.reshape(result, sizes)


def _aligned(x_sum: Axes, y_sum: Axes) -> tuple[Axes, Axes]:
    """Summed axes in the order they have in ``x``: any common order is right."""
    order = sorted(range(len(x_sum)), key=lambda i: x_sum[i])
    return tuple(x_sum[i] for i in order), tuple(y_sum[i] for i in order)


def _matrices(x: Any, batch: Axes, rows: Axes, columns: Axes) -> tuple[Any, bool]:
    """``x`` as (a stack of) matrices, and whether they are stored transposed."""
    transposed = (*batch, *columns, *rows) == tuple(range(len(x.shape))) and bool(rows) and bool(columns)
    first, second = (columns, rows) if transposed else (rows, columns)
    ordered = shape.transpose(x, (*batch, *first, *second))
    sizes = [math.prod(x.shape[i] for i in axes) for axes in (first, second)]
    if batch:
        sizes.insert(0, math.prod(x.shape[i] for i in batch))
    return shape.reshape(ordered, sizes), transposed


def _by_loops(x: Any, y: Any, x_axes: tuple[Axes, Axes, Axes], y_axes: tuple[Axes, Axes, Axes]) -> Any:
    """Multiply elements over batch, free and summed axes, and sum."""
    (x_sum, x_batch, x_free), (y_sum, y_batch, y_free) = x_axes, y_axes
    x_sum, y_sum = _aligned(x_sum, y_sum)
    x = shape.transpose(x, (*x_batch, *x_free, *x_sum))
    y = shape.transpose(y, (*y_batch, *y_free, *y_sum))
    n_batch, n_x, n_y, n_sum = len(x_batch), len(x_free), len(y_free), len(x_sum)
    sizes = [*x.shape[: n_batch + n_x], *y.shape[n_batch : n_batch + n_y], *x.shape[n_batch + n_x :]]
    last = range(n_batch + n_x + n_y, n_batch + n_x + n_y + n_sum)
    x = shape.broadcast(x, sizes, (*range(n_batch + n_x), *last))
    y = shape.broadcast(y, sizes, (*range(n_batch), *range(n_batch + n_x, n_batch + n_x + n_y), *last))
    terms = elementwise.mul(x, y)
    return (reduce.reduce_or if is_bool(x.dtype) else reduce.reduce_sum)(terms, tuple(last))
