"""Determinants and adjugates.

The one idea: a determinant is that of the triangle which elimination leaves, and a transposed matrix has the same one, so
nothing moves. It is the exponential of a sum of logarithms, as in NumPy: a product may overflow on its way to a number that
does not.
"""

from __future__ import annotations

import math

from weft.ir.graph import Eqn
from weft.ir.loops.nest import Index
from weft.ir.types import BOOL, real_dtype
from weft.kernels.library.lapack import call, cost_of, routine, workspaces
from weft.kernels.library.lapack_spectral import write_adjoint_product, write_svd
from weft.kernels.library.matrices import INT32, Stack, View
from weft.kernels.library.small_matrices import SMALL, write_lu
from weft.kernels.schedule import Scheduled
from weft.kernels.schedule import index as ix


def _write_determinant(stack: Stack, a: View, pivots: View, n: Index, small: bool) -> tuple[str, str]:
    """Eliminate in place, in a matrix by columns: the sign of the determinant, and the logarithm of its size."""
    build, dtype = stack.build, a.dtype
    real = real_dtype(dtype)
    if small:
        write_lu(stack, a, pivots, None, n, n, n)
    else:
        call(build, "getrf", dtype, n, n, a.place, ix.maximum(n, 1), pivots.place)
    first = build.const(INT32, 0 if small else 1)  # LAPACK counts from 1
    start = [(dtype, "set", build.const(dtype, 1)), (real, "set", build.const(real, 0))]
    with build.loop(n, "sequential", start) as (i, (sign, size)):
        pivot = stack.load(a, i, i)
        row = build.op(INT32, "add", build.cast(build.index_value(i), INT32), first)
        stays = build.op(BOOL, "eq", stack.load(pivots, i), row)
        turned = build.op(dtype, "select", stays, pivot, build.op(dtype, "neg", pivot))
        build.accumulate(sign, build.op(dtype, "mul", sign, build.op(dtype, "sign", turned)))
        log = build.op(real, "log", build.op(real, "abs", pivot))
        build.accumulate(size, build.op(real, "add", size, log))
    return sign, size


def _product(stack: Stack, sign: str, size: str) -> str:
    """``sign * exp(size)``."""
    dtype = stack.build.dtype(sign)
    value = stack.build.op(real_dtype(dtype), "exp", size)
    return stack.build.op(dtype, "mul", sign, stack.build.cast(value, dtype))


def _determinant(eqn: Eqn, *, log: bool) -> Scheduled:
    dtype, rows = eqn.ins[0].type.dtype, eqn.ins[0].type.shape[-1]
    stack = Stack(eqn, cost_of(rows**3 / 3, small=rows <= SMALL))
    n = stack.size("n", rows)
    with stack.each():
        # By rows where the loops are plain ones, which go along rows.
        a = stack.scratch("a", dtype, rows, rows)
        stack.copy(a, stack.operand(0, n, n).transposed, n, n)
        pivots = stack.scratch("pivots", INT32, rows)
        if rows <= SMALL:
            a = a.transposed
        sign, size = _write_determinant(stack, a, pivots, n, rows <= SMALL)
        if log:
            stack.store(stack.result(0, 1, 1), 0, 0, sign)
            stack.store(stack.result(1, 1, 1), 0, 0, size)
        else:
            stack.store(stack.result(0, 1, 1), 0, 0, _product(stack, sign, size))
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
        determinant = _product(stack, *_write_determinant(stack, a, pivots, n, small=False))
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
        accurate = stack.times(build.op(BOOL, "and", regular, small))
        with build.loop(ix.mul(n, accurate), "sequential") as (j, _), build.loop(n, "vector") as (i, _):
            stack.store(out, i, j, build.op(dtype, "mul", determinant, stack.load(a, i, j)))
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
        determinants.append(_product(stack, *_write_determinant(stack, work, pivots, n, small=False)))
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
