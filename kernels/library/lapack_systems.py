"""Determinants and adjugates.

The one idea: a determinant is that of the triangle which elimination leaves, and a transposed matrix has the same one, so
nothing moves. Where the product of the pivots overflows on its way to a number that does not, it is the exponential of a sum of
logarithms.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from weft.ir.graph import Eqn
from weft.ir.loops.nest import Index
from weft.ir.types import BOOL, real_dtype
from weft.kernels.library.lapack import call, cost_of, routine, workspaces
from weft.kernels.library.lapack_spectral import write_adjoint_product, write_svd
from weft.kernels.library.matrices import INT32, Stack, View
from weft.kernels.library.small_matrices import SMALL, write_lu
from weft.kernels.schedule import Scheduled
from weft.kernels.schedule import index as ix


def _eliminate(stack: Stack, a: View, pivots: View, n: Index, small: bool = False) -> Callable[[Index], str]:
    """Eliminate in place, in a matrix by columns; gives what loads a pivot, negated where it came from another row."""
    build, dtype = stack.build, a.dtype
    if small:
        write_lu(stack, a, pivots, None, n, n, n)
    else:
        call(build, "getrf", dtype, n, n, a.place, ix.maximum(n, 1), pivots.place)
    first = build.const(INT32, 0 if small else 1)  # LAPACK counts from 1

    def pivot(i: Index) -> str:
        value = stack.load(a, i, i)
        row = build.op(INT32, "add", build.cast(build.index_value(i), INT32), first)
        stays = build.op(BOOL, "eq", stack.load(pivots, i), row)
        return build.op(dtype, "select", stays, value, build.op(dtype, "neg", value))

    return pivot


def _sign_and_logarithm(
    stack: Stack, dtype: np.dtype, pivot: Callable[[Index], str], n: Index
) -> tuple[str, str]:
    """The product of the pivots as its sign, and the logarithm of its size."""
    build, real = stack.build, real_dtype(dtype)
    start = [(dtype, "set", build.const(dtype, 1)), (real, "set", build.const(real, 0))]
    with build.loop(n, "sequential", start) as (i, (sign, size)):
        value = pivot(i)
        build.accumulate(sign, build.op(dtype, "mul", sign, build.op(dtype, "sign", value)))
        log = build.op(real, "log", build.op(real, "abs", value))
        build.accumulate(size, build.op(real, "add", size, log))
    return sign, size


def _product(stack: Stack, dtype: np.dtype, pivot: Callable[[Index], str], n: Index) -> tuple[str, str]:
    """The product of the pivots, and the size of the smallest product on its way."""
    build, real = stack.build, real_dtype(dtype)
    start = [(dtype, "set", build.const(dtype, 1)), (real, "min", build.const(real, math.inf))]
    with build.loop(n, "sequential", start) as (i, (product, least)):
        following = build.op(dtype, "mul", product, pivot(i))
        build.accumulate(product, following)
        build.accumulate(least, stack.size_of(following))
    return product, least


def _write_product(stack: Stack, out: View, pivot: Callable[[Index], str], n: Index) -> None:
    """The product of the pivots; by logarithms where it leaves the normal numbers on its way."""
    build, dtype = stack.build, out.dtype
    real = real_dtype(dtype)
    product, least = _product(stack, dtype, pivot, n)
    stack.store(out, 0, 0, product)
    normal = build.op(BOOL, "ge", least, build.const(real, np.finfo(real).tiny))
    exact = build.op(BOOL, "and", normal, build.op(BOOL, "is_finite", product))
    with build.loop(ix.sub(1, stack.times(exact)), "sequential"):
        sign, size = _sign_and_logarithm(stack, dtype, pivot, n)
        value = build.cast(build.op(real, "exp", size), dtype)
        stack.store(out, 0, 0, build.op(dtype, "mul", sign, value))


def _determinant(eqn: Eqn, *, log: bool) -> Scheduled:
    dtype, rows = eqn.ins[0].type.dtype, eqn.ins[0].type.shape[-1]
    small = rows <= SMALL
    stack = Stack(eqn, cost_of(rows**3 / 3, small=small))
    n = stack.size("n", rows)
    with stack.each():
        a, pivots = stack.scratch("a", dtype, rows, rows), stack.scratch("pivots", INT32, rows)
        stack.copy(a, stack.operand(0, n, n).transposed, n, n)
        # Plain loops go along rows: they take the matrix as it is, LAPACK its transpose.
        pivot = _eliminate(stack, a.transposed if small else a, pivots, n, small)
        if log:
            sign, size = _sign_and_logarithm(stack, dtype, pivot, n)
            stack.store(stack.result(0, 1, 1), 0, 0, sign)
            stack.store(stack.result(1, 1, 1), 0, 0, size)
        else:
            _write_product(stack, stack.result(0, 1, 1), pivot, n)
    return stack.finish()


@routine
def _det(eqn: Eqn) -> Scheduled:
    return _determinant(eqn, log=False)


@routine
def _slogdet(eqn: Eqn) -> Scheduled:
    return _determinant(eqn, log=True)


# adjugate


@routine
def _adjugate(eqn: Eqn) -> Scheduled:
    """By the inverse where that is accurate, else by singular values, as the reference: all seen transposed."""
    dtype, rows = eqn.ins[0].type.dtype, eqn.ins[0].type.shape[-1]
    real = real_dtype(dtype)
    stack = Stack(eqn, cost_of(rows**3, steps=4))
    build, n = stack.build, stack.size("n", rows)
    if not rows:
        with stack.each():
            pass
        return stack.finish()
    length = workspaces("getri", dtype, rows, dtype, rows, INT32, dtype, -1)[-1]
    with stack.each():
        operand, out = stack.operand(0, n, n).transposed, stack.result(0, n, n).transposed
        a, pivots = stack.scratch("a", dtype, rows, rows), stack.scratch("pivots", INT32, rows)
        stack.copy(a, operand, n, n)
        determinant = stack.scratch("determinant", dtype, 1)
        _write_product(stack, determinant, _eliminate(stack, a, pivots, n), n)
        singular = call(
            build,
            "getri",
            dtype,
            n,
            a.place,
            n,
            pivots.place,
            *stack.workspace("work of getri", dtype, length),
        )
        regular = build.op(BOOL, "eq", singular, build.const(INT32, 0))
        condition = build.op(real, "mul", _norm(stack, operand, n), _norm(stack, a, n))
        small = build.op(BOOL, "lt", condition, build.const(real, 1e3))
        factor = stack.load(determinant, 0)
        accurate = stack.times(build.op(BOOL, "and", regular, small))
        with build.loop(ix.mul(n, accurate), "sequential") as (j, _), build.loop(n, "vector") as (i, _):
            stack.store(out, i, j, build.op(dtype, "mul", factor, stack.load(a, i, j)))
        with build.loop(ix.sub(1, accurate), "sequential"):
            _write_by_singular_values(stack, operand, out, a, pivots, n, rows)
    return stack.finish()


def _norm(stack: Stack, a: View, n: Index) -> str:
    """The largest sum of sizes in a column; NaN if there is one."""
    build, real = stack.build, real_dtype(a.dtype)
    zero = build.const(real, 0)
    with build.loop(n, "sequential", [(real, "max", zero)]) as (j, (largest,)):
        with build.loop(n, "vector", [(real, "add", zero)]) as (i, (total,)):
            build.accumulate(total, build.op(real, "abs", stack.load(a, i, j)))
        build.accumulate(largest, total)
    return largest


def _write_by_singular_values(
    stack: Stack, operand: View, out: View, work: View, pivots: View, n: Index, rows: int
) -> None:
    """``det(U) det(V^H) V diag(the product of the other singular values) U^H``."""
    build, dtype = stack.build, operand.dtype
    real = real_dtype(dtype)
    s, others = stack.scratch("s", real, rows), stack.scratch("others", real, rows)
    u, vh = stack.scratch("u", dtype, rows, rows), stack.scratch("vh", dtype, rows, rows)
    stack.copy(work, operand, n, n)
    failed = write_svd(stack, "A", work, s, u, vh, rows, rows)
    determinants = []
    for unitary in (u, vh):
        stack.copy(work, unitary, n, n)
        determinants.append(_product(stack, dtype, _eliminate(stack, work, pivots, n), n)[0])
    one = build.const(real, 1)
    with build.loop(n, "sequential") as (i, _):
        with build.loop(n, "sequential", [(real, "set", one)]) as (j, (product,)):
            own = build.compare("eq", i, j)
            factor = build.op(real, "select", own, one, stack.load(s, j))
            build.accumulate(product, build.op(real, "mul", product, factor))
        stack.store(others, i, 0, product)
    stack.scale_rows(vh, others, n, n)
    write_adjoint_product(stack, out, vh, u, n, n, n, build.op(dtype, "mul", *determinants))
    stack.fill(out, ix.mul(n, failed), n, math.nan)


ROUTINES = {"det": _det, "slogdet": _slogdet, "adjugate": _adjugate}
