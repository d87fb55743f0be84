"""Contractions as matrix products: every `dot_general` that is left can be handed to BLAS as its operands lie.

Operands of which no stride says where their rows are get a transposition first, an equation that fuses with what computes
them. A product by a scalar, or one that leaves no free axis on either side (a dot product), becomes a multiplication and a
sum, which fuse with their neighbours; so do products of empty matrices, and of integers and booleans, which BLAS does not have,
but for stacks of small matrices of integers, which have loops of their own as those of floats do. A product that sums over
nothing, as an outer product, is a multiplication. 16-bit floats are multiplied as f32. What BLAS is slow at, products of
vectors that are complex or short, becomes a multiplication and a sum too.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from weft.ir.graph import Eqn, Graph
from weft.ir.match import Rewriter
from weft.ir.ops import contract, elementwise, reduce, shape
from weft.ir.types import is_bool, is_complex, is_floating, is_inexact, is_integer

Axes = tuple[int, ...]

BLAS_DTYPES = tuple(np.dtype(d) for d in (np.float32, np.float64, np.complex64, np.complex128))

_ROW = 16  # elements of the shortest rows that are added as vectors, and how many of them at least
_FEW = 8  # terms of sums that have no loop, so that vectors go across them
_SHORT = 128  # bytes of rows from which on BLAS is fast
_SMALL = 2**10  # multiply-adds of products that may be written out


def lower_products(graph: Graph) -> Graph:
    """Prepare every `dot_general`. Needs an inlined graph; idempotent; the graph itself comes back without products."""
    if not any(eqn.prim is contract.dot_general_p for eqn in graph.eqns):
        return graph

    return Rewriter(_step).run(graph, lambda carried: carried)


def _step(eqn: Eqn, rewriter: Rewriter) -> Sequence[Any] | None:
    """What stands for an equation; ``None`` for those that stay, among them products that are prepared."""
    if eqn.prim is not contract.dot_general_p:
        return None
    dims = eqn.params["dims"]
    x, y = (a.type for a in eqn.ins)
    if _is_of_matrices(x, y, dims):
        plan = contract.dot_plan(x, y, dims)
        if _is_for_loops(plan, x.dtype):
            left, right = map(rewriter.value, eqn.ins)
            return (_by_loops(*_with_axes(left, right, dims, swap=plan.n == 1 and plan.trans_a)),)
        if x.dtype in BLAS_DTYPES and plan.copy_a is None and plan.copy_b is None:
            return None
        if is_integer(x.dtype) and plan.written_out:
            return None
    left, right = map(rewriter.value, eqn.ins)
    return (product(left, right, dims),)


def _is_for_loops(plan: contract.DotPlan, dtype: np.dtype) -> bool:
    """Whether a product of a matrix and a vector, or of many, is faster in loops than by BLAS.

    BLAS is slow where vectors are complex, or rows short, or matrices small. What is smaller yet stays a product: the kernels
    of loops write it out.
    """
    work = plan.m * plan.n * plan.k
    if dtype not in BLAS_DTYPES or 1 not in (plan.m, plan.n) or plan.written_out:
        return False
    if plan.batch * work <= _SMALL:
        return False
    if is_complex(dtype):
        return True
    if plan.copy_a is not None or plan.copy_b is not None:
        return False
    along = plan.trans_b if plan.m == 1 else not plan.trans_a
    if plan.batch == 1:
        return along and plan.k * dtype.itemsize < _SHORT
    return along and work <= _SMALL // 2 and plan.batch >= contract.FEWEST


def _is_of_matrices(x: Any, y: Any, dims: Any) -> bool:
    """Whether a product has something to sum and a free axis: one without is a multiplication, and perhaps a sum."""
    (x_sum, y_sum), (x_batch, y_batch) = dims
    has_free = len(x.shape) > len(x_sum) + len(x_batch) or len(y.shape) > len(y_sum) + len(y_batch)
    is_empty = 0 in (*x.shape, *y.shape)
    return (
        has_free
        and not is_empty
        and () not in (x.shape, y.shape)
        and math.prod(x.shape[d] for d in x_sum) != 1
    )


def product(x: Any, y: Any, dims: Any) -> Any:
    """A contraction of values, written with the operations that run it."""
    (x_sum, y_sum), (x_batch, y_batch) = dims
    dtype = x.dtype
    if not _is_of_matrices(x, y, dims) or (dtype not in BLAS_DTYPES and not is_floating(dtype)):
        return _by_loops(*_with_axes(x, y, dims))
    if dtype not in BLAS_DTYPES:
        wide = np.dtype(np.float32)
        return elementwise.cast(product(elementwise.cast(x, wide), elementwise.cast(y, wide), dims), dtype)
    plan = contract.dot_plan(x.type, y.type, dims)
    if plan.copy_a is not None:
        x, x_sum, x_batch = _moved(x, plan.copy_a, x_sum, x_batch)
    if plan.copy_b is not None:
        y, y_sum, y_batch = _moved(y, plan.copy_b, y_sum, y_batch)
    return contract.dot_general(x, y, ((x_sum, y_sum), (x_batch, y_batch)))


def _moved(x: Any, perm: Axes, *axes: Axes) -> tuple[Any, ...]:
    """``x`` transposed, and where its axes are then."""
    return shape.transpose(x, perm), *(tuple(perm.index(d) for d in some) for some in axes)


def _aligned(x_sum: Axes, y_sum: Axes) -> tuple[Axes, Axes]:
    """Summed axes in the order they have in ``x``: any common order is right."""
    order = sorted(range(len(x_sum)), key=lambda i: x_sum[i])
    return tuple(x_sum[i] for i in order), tuple(y_sum[i] for i in order)


def _with_axes(x: Any, y: Any, dims: contract.Dims, *, swap: bool = False) -> tuple[Any, ...]:
    """Operands, and of each the axes that are summed, batch axes, and free; the second first if they are to be swapped."""
    found = [
        (z, (summed, batch, contract.free_axes(len(z.shape), summed, batch)))
        for z, summed, batch in zip((x, y), *dims, strict=True)
    ]
    (x, x_axes), (y, y_axes) = found[::-1] if swap else found
    return x, y, x_axes, y_axes


def _by_loops(x: Any, y: Any, x_axes: tuple[Axes, Axes, Axes], y_axes: tuple[Axes, Axes, Axes]) -> Any:
    """Multiply elements over batch, free and summed axes, and sum."""
    (x_sum, x_batch, x_free), (y_sum, y_batch, y_free) = x_axes, y_axes
    x_sum, y_sum = _aligned(x_sum, y_sum)
    terms = math.prod(x.shape[d] for d in x_sum)
    # Where the elements of y's rows lie side by side, so are those of the result: whole rows are added.
    beside = y_free[-1:] == (len(y.shape) - 1,)
    if not x_free and is_inexact(x.dtype):
        beside = beside and terms > _FEW
    else:
        beside = beside and min(y.shape[-1], terms) >= _ROW
    sizes_y, sizes_sum = [y.shape[d] for d in y_free], [x.shape[d] for d in x_sum]
    x = shape.transpose(x, (*x_batch, *x_free, *x_sum))
    y = shape.transpose(y, (*y_batch, *y_sum, *y_free) if beside else (*y_batch, *y_free, *y_sum))
    n_batch, n_y, n_sum = len(x_batch), len(y_free), len(x_sum)
    rows = n_batch + len(x_free)
    if terms == 1:  # nothing is summed
        x = shape.reshape(x, x.shape[:rows])
        y = shape.reshape(y, y.shape[: n_batch + n_y])
        n_sum, sizes_sum = 0, []
    if beside:
        sizes, first, last = [*x.shape[:rows], *sizes_sum, *sizes_y], rows + n_sum, rows
    else:
        sizes, first, last = [*x.shape[:rows], *sizes_y, *sizes_sum], rows, rows + n_y
    summed, free = range(last, last + n_sum), range(first, first + n_y)
    x = shape.broadcast(x, sizes, (*range(rows), *summed))
    y = shape.broadcast(y, sizes, (*range(n_batch), *sorted((*summed, *free))))
    products = elementwise.mul(x, y)
    if terms == 1:
        return products
    return (reduce.reduce_or if is_bool(x.dtype) else reduce.reduce_sum)(products, tuple(summed))
