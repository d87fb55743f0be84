"""Factorisations and triangular systems: cholesky, lu, qr, triangular_solve, solve_factored.

The one idea: seen by columns, a row-major matrix is its transpose. A lower triangle is then an upper one, and a system is
solved from the other side. Only `lu`, whose pivots are rows, and `qr` are given a copy by columns: Q R is L Q of the transpose,
but LAPACK's L Q takes a quarter more time.
"""

from __future__ import annotations

import math

import numpy as np

from weft.ir.graph import Eqn
from weft.ir.loops.nest import Copy, Index, Letter
from weft.ir.types import BOOL, INT64
from weft.kernels.library.lapack import call, cost_of, routine, workspaces
from weft.kernels.library.matrices import PANEL, Stack, View
from weft.kernels.library.small_matrices import SMALL, fill_lower, write_cholesky, write_lu, write_solve
from weft.kernels.schedule import Scheduled
from weft.kernels.schedule import index as ix

INT32 = np.dtype(np.int32)


@routine
def _cholesky(eqn: Eqn) -> Scheduled:
    rows = eqn.ins[0].type.shape[-1]
    stack = Stack(eqn, cost_of(rows**3 / 6, small=rows <= SMALL), copied=0)
    build, n = stack.build, stack.size("n", rows)
    with stack.each():
        out = stack.result(0, n, n)
        with build.loop(n, "sequential") as (i, _):
            behind = ix.add(i, 1)
            with build.loop(ix.sub(n, behind), "vector") as (j, _):
                stack.store(out, i, ix.add(behind, j), build.const(out.dtype, 0))
        if rows <= SMALL:
            write_cholesky(stack, out, n)
        else:
            info = call(build, "potrf", out.dtype, Letter("U"), n, out.place, n)
            # A NaN in the triangle, of which there may be no word in info, comes through to the last element.
            last = ix.sub(n, 1)
            undefined = build.op(BOOL, "is_nan", stack.load(out, last, last))
            refused = build.op(BOOL, "ne", info, build.const(INT32, 0))
            fill_lower(stack, out, n, stack.times(build.op(BOOL, "or", undefined, refused)), math.nan)
    return stack.finish()


# Triangular systems


def write_triangular_solve(
    stack: Stack,
    a: View,
    x: View,
    n: Index,
    *,
    small: bool,
    lower: bool,
    trans: int,
    unit: bool,
    left: bool = True,
) -> None:
    """Solve ``op(a) @ y == x`` in place, or ``y @ op(a) == x``, for row-major matrices and the panel's columns of ``x``."""
    columns = stack.width
    if small:
        if not left:  # the transposed system
            x = x.transposed
        if (trans == 0) != left:
            a, lower = a.transposed, not lower
        write_solve(stack, a, x, n, columns, lower=lower, unit=unit, conjugate=trans == 2)
        return
    triangle, diagonal = Letter("U" if lower else "L"), Letter("U" if unit else "N")
    if columns == 1 and trans != 2:
        turned = Letter("T" if (trans == 0) == left else "N")
        call(stack.build, "trsv", a.dtype, triangle, turned, diagonal, n, a.place, n, x.place, 1)
        return
    side, size = (Letter("R"), (columns, n)) if left else (Letter("L"), (n, columns))
    how, one = Letter("NTC"[trans]), Copy(stack.build.const(a.dtype, 1))
    places = a.place, n, x.place, ix.maximum(x.down, 1)
    call(stack.build, "trsm", a.dtype, side, triangle, how, diagonal, *size, one, *places)


@routine
def _triangular_solve(eqn: Eqn) -> Scheduled:
    (*_, rows), b = eqn.ins[0].type.shape, eqn.ins[1].type
    left, params = eqn.params["left_side"], eqn.params
    columns = b.shape[-1] if left else b.shape[-2]
    stack = Stack(eqn, cost_of(rows**2 * columns / 2, small=rows <= SMALL), copied=1, columns=columns)
    n = stack.size("n", rows)
    with stack.each():
        a, many = stack.operand(0, n, n), stack.all_columns
        if left:
            x = stack.panel(stack.result(0, n, many))
        else:
            x = stack.panel(stack.result(0, many, n).transposed).transposed
        lower, trans, unit = params["lower"], params["trans"], params["unit_diagonal"]
        write_triangular_solve(
            stack, a, x, n, small=rows <= SMALL, lower=lower, trans=trans, unit=unit, left=left
        )
    return stack.finish()


@routine
def _solve_factored(eqn: Eqn) -> Scheduled:
    b, trans = eqn.ins[3].type, eqn.params["trans"]
    rows, columns = b.shape[-2:]
    stack = Stack(eqn, cost_of(rows**2 * columns, small=rows <= SMALL), columns=columns)
    build, n = stack.build, stack.size("n", rows)
    with stack.each():
        many = stack.all_columns
        factors, order = stack.operand(1, n, n), stack.operand(2, n, 1)
        source, out = (stack.panel(view) for view in (stack.operand(3, n, many), stack.result(0, n, many)))
        # a[permutation] = L U: rows are taken in that order before, or put back in it afterwards.
        x = out if trans == 0 else stack.scratch("x", b.dtype, min(columns, PANEL), rows).transposed

        def solve(lower: bool) -> None:
            write_triangular_solve(
                stack, factors, x, n, small=rows <= SMALL, lower=lower, trans=trans, unit=lower
            )

        if trans != 0:
            stack.copy(x, source, n, stack.width)
            solve(lower=False)
            solve(lower=True)
        with build.loop(n, "sequential") as (i, _):
            row = ix.clamp(build.cast(stack.load(order, i), INT64), ix.sub(n, 1))
            with build.loop(stack.width, "vector") as (j, _):
                if trans == 0:
                    stack.store(out, i, j, stack.load(source, row, j))
                else:
                    stack.store(out, row, j, stack.load(x, i, j))
        if trans == 0:
            solve(lower=True)
            solve(lower=False)
    return stack.finish()


# lu


@routine
def _lu(eqn: Eqn) -> Scheduled:
    rows, width = eqn.ins[0].type.shape[-2:]
    small = max(rows, width) <= SMALL
    stack = Stack(eqn, cost_of(rows * width * min(rows, width) / 3, small=small), copied=0 if small else None)
    build = stack.build
    m, n, k = stack.size("m", rows), stack.size("n", width), stack.size("k", min(rows, width))
    with stack.each():
        packed = stack.result(0, m, n)
        pivots, permutation = stack.result(1, k, 1), stack.result(2, m, 1)
        with build.loop(m, "vector") as (i, _):
            stack.store(permutation, i, 0, build.cast(build.index_value(i), INT32))
        if small:
            write_lu(stack, packed, pivots, permutation, m, n, k)
        else:
            work = stack.scratch("work", packed.dtype, rows, width)
            stack.copy(work, stack.operand(0, m, n), m, n)
            call(build, "getrf", packed.dtype, m, n, work.place, ix.maximum(m, 1), pivots.place)
            stack.copy(packed, work, m, n)
            with build.loop(k, "sequential") as (i, _):
                other = build.op(INT32, "sub", stack.load(pivots, i), build.const(INT32, 1))
                stack.store(pivots, i, 0, other)
                # NaN has no size, so of a column of them LAPACK may take any row, or none.
                row = ix.clamp(build.cast(other, INT64), ix.sub(m, 1))
                mine, its = stack.load(permutation, i), stack.load(permutation, row)
                stack.store(permutation, i, 0, its)
                stack.store(permutation, row, 0, mine)
    return stack.finish()


# qr


@routine
def _qr(eqn: Eqn) -> Scheduled:
    dtype = eqn.ins[0].type.dtype
    rows, width = eqn.ins[0].type.shape[-2:]
    high, least = eqn.outs[0].type.shape[-1], min(rows, width)
    stack = Stack(eqn, cost_of(2 * rows * width * least + 2 * rows * high * least, steps=3))
    build = stack.build
    m, n, k = stack.size("m", rows), stack.size("n", width), stack.size("k", least)
    columns, ld = stack.size("columns of q", high), max(rows, 1)
    *_, to_factor = workspaces("geqrf", dtype, rows, width, dtype, ld, dtype, dtype, -1)
    *_, to_make = workspaces("orgqr", dtype, rows, high, least, dtype, ld, dtype, dtype, -1)
    with stack.each():
        q, r = stack.result(0, m, columns), stack.result(1, columns, n)
        a, tau = stack.scratch("a", dtype, rows, max(width, high)), stack.scratch("tau", dtype, least)
        spaces = ix.maximum(m, 1), tau.place, *stack.workspace("work", dtype, max(to_factor, to_make))
        stack.copy(a, stack.operand(0, m, n), m, n)
        call(build, "geqrf", dtype, m, n, a.place, *spaces)
        # R is on and above the diagonal, and below it are the reflectors that Q is made of.
        stack.copy(r, a, columns, n)
        with build.loop(columns, "sequential") as (i, _), build.loop(ix.minimum(i, n), "vector") as (j, _):
            stack.store(r, i, j, build.const(dtype, 0))
        call(build, "orgqr", dtype, m, columns, k, a.place, *spaces)
        stack.copy(q, a, m, columns)
    return stack.finish()


ROUTINES = {
    "cholesky": _cholesky,
    "triangular_solve": _triangular_solve,
    "solve_factored": _solve_factored,
    "lu": _lu,
    "qr": _qr,
}
