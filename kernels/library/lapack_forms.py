"""Schur and Hessenberg forms, Sylvester's equation, square roots, the order of pivoted columns, and tridiagonal systems.

The one idea: as in lapack_spectral.py, LAPACK is given what the reference gives it, by columns, with its best workspaces; a
matrix that is not finite, or has no form, gives NaN.
"""

from __future__ import annotations

import math

from weft.ir.graph import Eqn
from weft.ir.loops.nest import Copy, Index, Letter, Place
from weft.ir.types import BOOL, FLOAT64, complex_dtype, is_complex, real_dtype
from weft.kernels.library.lapack import call, cost_of, routine, workspaces
from weft.kernels.library.matrices import INT32, PANEL, Stack, View
from weft.kernels.schedule import Scheduled
from weft.kernels.schedule import index as ix

# schur


def _write_schur(stack: Stack, name: str, a: View, z: View, rows: int) -> Index:
    """Leave the form of ``a`` in its place, and the vectors in ``z``, both by columns; gives 1 where there is none, else 0."""
    build, dtype, ld = stack.build, a.dtype, max(rows, 1)
    n = stack.size("n" + name, rows)
    real = real_dtype(dtype)
    values, spare = ([dtype], [real]) if is_complex(dtype) else ([real, real], [])
    jobs, none = ("V", "N"), INT32
    wishes = [none, rows, dtype, ld, INT32, *values, dtype, ld, dtype, -1, *spare, INT32]
    length = workspaces("gees", dtype, *jobs, *wishes)[4 + len(values)]
    unused = stack.workspace("unused" + name, INT32, 1)[0]
    places = [stack.scratch(f"w{k}{name}", kind, rows).place for k, kind in enumerate(values)]
    leading = ix.maximum(n, 1)
    work = stack.workspace("work" + name, dtype, length)
    more = [stack.workspace(f"spare{name}", kind, rows)[0] for kind in spare]
    letters = [Letter(job) for job in jobs]
    return stack.if_so(
        stack.is_finite(a, n, n),  # what is not could keep the iteration going for ever
        lambda: call(
            build, "gees", dtype, *letters, unused, n, a.place, leading, unused, *places, z.place, leading,
            *work, *more, unused,
        ),
    )  # fmt: skip


def _copy_as(stack: Stack, target: View, source: View, n: Index) -> None:
    """Copy a square matrix into another dtype."""
    build = stack.build
    if target.dtype == source.dtype:
        stack.copy(target, source, n, n)
        return
    with build.loop(n, "sequential") as (j, _), build.loop(n, "sequential") as (i, _):
        stack.store(target, i, j, build.cast(stack.load(source, i, j), target.dtype))


@routine
def _schur(eqn: Eqn) -> Scheduled:
    dtype, rows = eqn.outs[0].type.dtype, eqn.ins[0].type.shape[-1]
    stack = Stack(eqn, cost_of(12 * rows**3, steps=20))
    n = stack.size("n", rows)
    with stack.each():
        a, z = stack.scratch("a", dtype, rows, rows), stack.scratch("z", dtype, rows, rows)
        _copy_as(stack, a, stack.operand(0, n, n), n)
        failed = _write_schur(stack, "", a, z, rows)
        for k, found in enumerate((a, z)):
            stack.copy(stack.result(k, n, n), found, n, n)
            stack.fill(stack.result(k, n, n), ix.mul(n, failed), n, math.nan)
    return stack.finish()


# sylvester


def _write_product(
    stack: Stack, jobs: str, a: View, b: View, out: View, sizes: tuple[Index, Index, Index]
) -> None:
    """``out = op(a) @ op(b)``, all by columns, of so many rows, columns and terms."""
    build, dtype = stack.build, a.dtype
    one, zero = (Copy(build.const(dtype, number)) for number in (1, 0))
    letters = [Letter(job) for job in jobs]
    ins = a.place, ix.maximum(a.across, 1), b.place, ix.maximum(b.across, 1)
    call(build, "gemm", dtype, *letters, *sizes, one, *ins, zero, out.place, ix.maximum(out.across, 1))


@routine
def _sylvester(eqn: Eqn) -> Scheduled:
    """With the forms ``a = u r u*`` and ``b* = v s v*`` it is ``r y + y s* = u* c v``."""
    dtype, (rows, width) = eqn.outs[0].type.dtype, eqn.outs[0].type.shape[-2:]
    real = real_dtype(dtype)
    stack = Stack(eqn, cost_of(12 * (rows**3 + width**3) + 4 * rows * width * (rows + width), steps=50))
    build, m, n = stack.build, stack.size("m", rows), stack.size("n", width)
    with stack.each():
        r, u = stack.scratch("r", dtype, rows, rows), stack.scratch("u", dtype, rows, rows)
        s, v = stack.scratch("s", dtype, width, width), stack.scratch("v", dtype, width, width)
        x, y = stack.scratch("x", dtype, rows, width), stack.scratch("y", dtype, rows, width)
        out = stack.result(0, m, n)
        stack.copy(r, stack.operand(0, m, m), m, m)
        b = stack.operand(1, n, n)
        with build.loop(n, "sequential") as (i, _), build.loop(n, "vector") as (j, _):
            stack.store(s, j, i, stack.conj(stack.load(b, i, j)))
        stack.copy(x, stack.operand(2, m, n), m, n)
        infinite = ix.sub(1, stack.times(stack.is_finite(x, m, n)))
        failed = ix.maximum(
            _write_schur(stack, " of a", r, u, rows), _write_schur(stack, " of b", s, v, width)
        )
        _write_product(stack, "CN", u, x, y, (m, n, m))
        _write_product(stack, "NN", y, v, x, (m, n, n))
        scale = stack.scratch("scale", real, 1)
        letters, ld = (Letter("N"), Letter("C")), ix.maximum(m, 1)
        places = r.place, ld, s.place, ix.maximum(n, 1), x.place, ld, scale.place
        call(build, "trsyl", dtype, *letters, 1, m, n, *places)
        _write_product(stack, "NN", u, x, y, (m, n, m))
        _write_product(stack, "NC", y, v, x, (m, n, n))
        factor = build.cast(stack.load(scale, 0), dtype)
        with build.loop(m, "sequential") as (i, _), build.loop(n, "sequential") as (j, _):
            stack.store(out, i, j, build.op(dtype, "mul", factor, stack.load(x, i, j)))
        stack.fill(out, ix.mul(m, ix.maximum(failed, infinite)), n, math.nan)
    return stack.finish()


# matrix_function

# What stands for the sum of two roots of 0, which nothing but 0 is divided by.
_NO_SUM = 1e-292


@routine
def _matrix_function(eqn: Eqn) -> Scheduled | None:
    """Of the functions the square root: that of the Schur form, in complex128 as the reference."""
    if (eqn.params["function"], eqn.params["exponent"]) != ("power", 0.5):
        return None
    rows = eqn.ins[0].type.shape[-1]
    stack = Stack(eqn, cost_of(16 * rows**3, steps=20))
    n = stack.size("n", rows)
    with stack.each():
        a, z, y = (stack.scratch(name, complex_dtype(FLOAT64), rows, rows) for name in "azy")
        out = stack.result(0, n, n)
        _copy_as(stack, a, stack.operand(0, n, n), n)
        failed = _write_schur(stack, "", a, z, rows)
        _write_triangular_root(stack, a, n)
        _write_product(stack, "NN", z, a, y, (n, n, n))
        _write_product(stack, "NC", y, z, a, (n, n, n))
        _copy_as(stack, out, a, n)
        stack.fill(out, ix.mul(n, failed), n, math.nan)
    return stack.finish()


def _write_triangular_root(stack: Stack, t: View, n: Index) -> None:
    """The square root of an upper triangular matrix in its place, column by column.

    Source: A. Bjorck & S. Hammarling, "A Schur method for the square root of a matrix" (1983),
    doi:10.1016/0024-3795(83)80010-X.
    """
    build, dtype = stack.build, t.dtype
    with build.loop(n, "sequential") as (j, _):
        stack.store(t, j, j, build.op(dtype, "sqrt", stack.load(t, j, j)))
        with build.loop(j, "sequential") as (above, _):
            i = ix.sub(ix.sub(j, 1), above)
            with build.loop(above, "sequential", [(dtype, "set", stack.load(t, i, j))]) as (k, (rest,)):
                between = ix.add(ix.add(i, 1), k)
                product = build.op(dtype, "mul", stack.load(t, i, between), stack.load(t, between, j))
                build.accumulate(rest, build.op(dtype, "sub", rest, product))
            total = build.op(dtype, "add", stack.load(t, i, i), stack.load(t, j, j))
            none = build.op(BOOL, "eq", total, build.const(dtype, 0))
            divisor = build.op(dtype, "select", none, build.const(dtype, _NO_SUM), total)
            stack.store(t, i, j, build.op(dtype, "div", rest, divisor))


# hessenberg


def _write_hessenberg(stack: Stack, a: View, tau: View, rows: int) -> Index:
    """Reduce ``a``, by columns, in place; gives 1 where it was not, else 0."""
    build, dtype, n = stack.build, a.dtype, stack.size("n", rows)
    ld = max(rows, 1)
    length = workspaces("gehrd", dtype, rows, 1, rows, dtype, ld, dtype, dtype, -1)[-1]
    work = stack.workspace("work", dtype, length)
    return stack.if_so(
        stack.is_finite(a, n, n),
        lambda: call(build, "gehrd", dtype, n, 1, n, a.place, ix.maximum(n, 1), tau.place, *work),
    )


@routine
def _packed_hessenberg(eqn: Eqn) -> Scheduled:
    dtype, rows = eqn.outs[0].type.dtype, eqn.ins[0].type.shape[-1]
    stack = Stack(eqn, cost_of(3 * rows**3, steps=4))
    n, least = stack.size("n", rows), stack.size("reflections", max(rows - 1, 0))
    with stack.each():
        a, tau = stack.scratch("a", dtype, rows, rows), stack.scratch("tau", dtype, rows)
        stack.copy(a, stack.operand(0, n, n), n, n)
        failed = _write_hessenberg(stack, a, tau, rows)
        packed, taus = stack.result(0, n, n), stack.result(1, least, 1)
        stack.copy(packed, a, n, n)
        with stack.build.loop(least, "vector") as (i, _):
            stack.store(taus, i, 0, stack.load(tau, i))
        stack.fill(packed, ix.mul(n, failed), n, math.nan)
        stack.fill(taus, ix.mul(least, failed), 1, math.nan)
    return stack.finish()


@routine
def _hessenberg(eqn: Eqn) -> Scheduled:
    dtype, rows = eqn.outs[0].type.dtype, eqn.ins[0].type.shape[-1]
    stack = Stack(eqn, cost_of(5 * rows**3, steps=6))
    build, n = stack.build, stack.size("n", rows)
    with stack.each():
        h, q = stack.result(0, n, n), stack.result(1, n, n)
        a, tau = stack.scratch("a", dtype, rows, rows), stack.scratch("tau", dtype, rows)
        stack.copy(a, stack.operand(0, n, n), n, n)
        if rows <= 2:  # it is its own form
            failed: Index = ix.sub(1, stack.times(stack.is_finite(a, n, n)))
            stack.copy(h, a, n, n)
            stack.fill(q, n, n)
            with build.loop(n, "sequential") as (i, _):
                stack.store(q, i, i, build.const(dtype, 1))
        else:
            failed = _write_hessenberg(stack, a, tau, rows)
            stack.copy(h, a, n, n)
            with build.loop(n, "sequential") as (i, _):
                with build.loop(ix.maximum(ix.sub(i, 1), 0), "vector") as (j, _):
                    stack.store(h, i, j, build.const(dtype, 0))
            length = workspaces("orghr", dtype, rows, 1, rows, dtype, rows, dtype, dtype, -1)[-1]
            work = stack.workspace("work for q", dtype, length)
            call(build, "orghr", dtype, n, 1, n, a.place, n, tau.place, *work)
            stack.copy(q, a, n, n)
        for out in (h, q):
            stack.fill(out, ix.mul(n, failed), n, math.nan)
    return stack.finish()


# column_order


@routine
def _column_order(eqn: Eqn) -> Scheduled:
    dtype, (rows, width) = eqn.ins[0].type.dtype, eqn.ins[0].type.shape[-2:]
    stack = Stack(eqn, cost_of(4 * rows * width * min(rows, width), steps=4))
    build, m, n = stack.build, stack.size("m", rows), stack.size("n", width)
    spare = [real_dtype(dtype)] if is_complex(dtype) else []
    wishes = [dtype, max(rows, 1), INT32, dtype, dtype, -1, *spare]
    length = workspaces("geqp3", dtype, rows, width, *wishes)[3]
    with stack.each():
        a, order = stack.scratch("a", dtype, rows, width), stack.result(0, n, 1)
        tau = stack.scratch("tau", dtype, min(rows, width))
        stack.copy(a, stack.operand(0, m, n), m, n)
        more = [stack.workspace("spare", kind, 2 * width)[0] for kind in spare]
        work = stack.workspace("work", dtype, length)
        stack.fill(order, n, 1)  # zeros say that any column may come first
        places = a.place, ix.maximum(m, 1), order.place, tau.place
        failed = stack.if_so(
            stack.is_finite(a, m, n), lambda: call(build, "geqp3", dtype, m, n, *places, *work, *more)
        )
        with build.loop(ix.mul(n, ix.sub(1, failed)), "vector") as (i, _):  # LAPACK counts from 1
            number = build.op(INT32, "sub", stack.load(order, i), build.const(INT32, 1))
            stack.store(order, i, 0, number)
    return stack.finish()


# tridiagonal_solve


@routine
def _tridiagonal_solve(eqn: Eqn) -> Scheduled:
    rows, columns = eqn.ins[3].type.shape[-2:]
    stack = Stack(eqn, cost_of(10 * rows * (columns + 4), small=True), columns=columns, matrix=3)
    n = stack.size("n", rows)
    with stack.each():
        many = stack.all_columns
        source, out = stack.panel(stack.operand(3, n, many)), stack.panel(stack.result(0, n, many))
        diagonals = [stack.operand(k, n, 1) for k in range(3)]
        if rows == 1:
            _divide(stack, out, source, diagonals[1])
        else:
            _write_tridiagonal(stack, out, source, diagonals, rows, min(columns, PANEL))
    return stack.finish()


def _divide(stack: Stack, out: View, source: View, divisor: View) -> None:
    """A system of one row."""
    with stack.build.loop(stack.width, "vector") as (j, _):
        value = stack.build.op(out.dtype, "div", stack.load(source, 0, j), stack.load(divisor, 0))
        stack.store(out, 0, j, value)


def _write_tridiagonal(
    stack: Stack, out: View, source: View, diagonals: list[View], rows: int, columns: int
) -> None:
    """The routine loses what it is given, so it is given copies."""
    build, dtype, n = stack.build, out.dtype, stack.size("n", rows)
    copies = [stack.scratch(f"diagonal {k}", dtype, rows) for k in range(3)]
    with build.loop(n, "vector") as (i, _):
        for target, given in zip(copies, diagonals, strict=True):
            stack.store(target, i, 0, stack.load(given, i))
    x = stack.scratch("x", dtype, rows, columns)
    stack.copy(x, source, n, stack.width)
    lower, diagonal, upper = (view.place for view in copies)
    below = Place(lower.buffer, ix.add(lower.index, 1))
    places = below, diagonal, upper, x.place, ix.maximum(n, 1)
    info = call(build, "gtsv", dtype, n, stack.width, *places)
    stack.copy(out, x, n, stack.width)
    stack.fill(out, ix.mul(n, stack.unless_zero(info)), stack.width, math.nan)


ROUTINES = {
    "schur": _schur,
    "sylvester": _sylvester,
    "matrix_function": _matrix_function,
    "packed_hessenberg": _packed_hessenberg,
    "hessenberg": _hessenberg,
    "column_order": _column_order,
    "tridiagonal_solve": _tridiagonal_solve,
}
