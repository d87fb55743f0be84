"""Factorisations and triangular systems as plain loops, for matrices so small that calling LAPACK is most of the work.

The one idea: all is written for one case, and views make it serve the others: an upper triangle is a lower one with rows
and columns counted from the end, and a matrix on the right is a transposed one on the left.
"""

from __future__ import annotations

from weft.ir.loops.nest import Index
from weft.ir.types import BOOL, INT64, real_dtype
from weft.kernels.library.matrices import Stack, View
from weft.kernels.schedule import index as ix

SMALL = 16  # rows of the largest matrix


def write_cholesky(stack: Stack, a: View, n: Index) -> None:
    """Factor the matrix whose lower triangle is in ``a`` in place, column by column; NaN if it is not positive definite."""
    build = stack.build
    real = real_dtype(a.dtype)
    zero, one = build.const(real, 0), build.const(INT64, 1)
    with build.loop(n, "sequential", [(INT64, "set", build.const(INT64, 0))]) as (j, (failed,)):
        with build.loop(j, "sequential", [(real, "set", stack.real(stack.load(a, j, j)))]) as (k, (rest,)):
            x = stack.load(a, j, k)
            square = stack.real(build.op(a.dtype, "mul", x, stack.conj(x)))
            build.accumulate(rest, build.op(real, "sub", rest, square))
        positive = build.op(BOOL, "gt", rest, zero)  # not so where it is NaN
        build.accumulate(failed, build.op(INT64, "select", positive, failed, one))
        pivot = build.op(real, "sqrt", rest)
        stack.store(a, j, j, build.cast(pivot, a.dtype))
        inverse = build.cast(build.op(real, "div", build.const(real, 1), pivot), a.dtype)
        below = ix.add(j, 1)
        with build.loop(ix.sub(n, below), "sequential") as (r, _):
            i = ix.add(below, r)
            with build.loop(j, "sequential", [(a.dtype, "set", stack.load(a, i, j))]) as (k, (rest,)):
                product = build.op(a.dtype, "mul", stack.load(a, i, k), stack.conj(stack.load(a, j, k)))
                build.accumulate(rest, build.op(a.dtype, "sub", rest, product))
            stack.store(a, i, j, build.op(a.dtype, "mul", rest, inverse))
    fill_lower(stack, a, n, failed, float("nan"))


def fill_lower(stack: Stack, a: View, n: Index, wanted: Index, value: float) -> None:
    """Set the lower triangle and the diagonal, if ``wanted`` is 1 and not 0."""
    build = stack.build
    const = build.const(a.dtype, value)
    with build.loop(ix.mul(n, wanted), "sequential") as (i, _), build.loop(ix.add(i, 1), "vector") as (j, _):
        stack.store(a, i, j, const)


def write_solve(
    stack: Stack,
    a: View,
    x: View,
    n: Index,
    columns: Index,
    *,
    lower: bool,
    unit: bool,
    conjugate: bool = False,
) -> None:
    """Solve ``a @ y == x`` in place for a triangular matrix; the diagonal is not read if ``unit``."""
    if not lower:
        a, x = a.from_the_end(n, n), x.from_the_end(n, None)
    build = stack.build

    def element(i: Index, j: Index) -> str:
        value = stack.load(a, i, j)
        return stack.conj(value) if conjugate else value

    def less(value: str, factor: str, j: Index, column: Index) -> str:
        product = build.op(a.dtype, "mul", factor, stack.load(x, j, column))
        return build.op(a.dtype, "sub", value, product)

    def divided(value: str, i: Index) -> str:
        return value if unit else build.op(a.dtype, "div", value, element(i, i))

    if columns == 1 or x.by_columns:  # a column after the other: a running value for each element
        with build.loop(columns, "sequential") as (c, _), build.loop(n, "sequential") as (i, _):
            with build.loop(i, "sequential", [(a.dtype, "set", stack.load(x, i, c))]) as (j, (rest,)):
                build.accumulate(rest, less(rest, element(i, j), j, c))
            stack.store(x, i, c, divided(rest, i))
        return
    with build.loop(n, "sequential") as (i, _):
        with build.loop(i, "sequential") as (j, _):
            factor = element(i, j)
            with build.loop(columns, "vector") as (c, _):
                stack.store(x, i, c, less(stack.load(x, i, c), factor, j, c))
        with build.loop(0 if unit else columns, "vector") as (c, _):
            stack.store(x, i, c, divided(stack.load(x, i, c), i))


def write_lu(
    stack: Stack, a: View, pivots: View, permutation: View | None, m: Index, n: Index, k: Index
) -> None:
    """Eliminate in place with partial pivoting, ``k`` steps: see `weft.ir.ops.linalg.lu`.

    Rows are exchanged in the ``permutation`` too, if there is one. As LAPACK does, a pivot of zero is stepped over.
    """
    build = stack.build
    real = real_dtype(a.dtype)
    with build.loop(k, "sequential") as (step, _):
        below = ix.add(step, 1)
        best = stack.size_of(stack.load(a, step, step))
        start = [(real, "set", best), (INT64, "set", build.index_value(step))]
        with build.loop(ix.sub(m, below), "sequential", start) as (r, (largest, at)):
            i = ix.add(below, r)
            size = stack.size_of(stack.load(a, i, step))
            larger = build.op(BOOL, "gt", size, largest)
            build.accumulate(largest, build.op(real, "select", larger, size, largest))
            build.accumulate(at, build.op(INT64, "select", larger, build.index_value(i), at))
        stack.store(pivots, step, 0, build.cast(at, pivots.dtype))
        for rows in [a] if permutation is None else [a, permutation]:
            with build.loop(n if rows is a else 1, "sequential") as (j, _):
                upper, lower = stack.load(rows, step, j), stack.load(rows, at, j)
                stack.store(rows, step, j, lower)
                stack.store(rows, at, j, upper)
        pivot = stack.load(a, step, step)
        zero = build.op(BOOL, "eq", pivot, build.const(a.dtype, 0))
        divisor = build.op(a.dtype, "select", zero, build.const(a.dtype, 1), pivot)
        with build.loop(ix.sub(m, below), "sequential") as (r, _):
            i = ix.add(below, r)
            factor = build.op(a.dtype, "div", stack.load(a, i, step), divisor)
            stack.store(a, i, step, factor)
            with build.loop(ix.sub(n, below), "vector") as (c, _):
                j = ix.add(below, c)
                product = build.op(a.dtype, "mul", factor, stack.load(a, step, j))
                stack.store(a, i, j, build.op(a.dtype, "sub", stack.load(a, i, j), product))
