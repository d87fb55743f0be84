"""Eigenvalues and singular values: eigh, eig, svd, and the pseudo-inverse.

The one idea: vectors are unique only up to choices, and the reference's choices are LAPACK's, given the matrix by columns. So
it is given just that, and what comes back by columns is turned round; beside the iteration that is little.
"""

from __future__ import annotations

import math

from weft.ir.graph import Eqn
from weft.ir.loops.nest import Copy, Index, Letter
from weft.ir.types import BOOL, is_complex, real_dtype
from weft.kernels.library.lapack import call, cost_of, routine, workspaces
from weft.kernels.library.matrices import INT32, Stack, View
from weft.kernels.schedule import Scheduled
from weft.kernels.schedule import index as ix

# eigh


@routine
def _eigh(eqn: Eqn) -> Scheduled:
    dtype, rows = eqn.ins[0].type.dtype, eqn.ins[0].type.shape[-1]
    triangle, vectors = "L" if eqn.params["lower"] else "U", eqn.params["vectors"]
    job = "V" if vectors else "N"
    stack = Stack(eqn, cost_of((4 if vectors else 1) * rows**3, steps=6))
    build, n = stack.build, stack.size("n", rows)
    real = real_dtype(dtype)
    kinds = [dtype, real, INT32] if is_complex(dtype) else [dtype, INT32]
    wishes = [word for kind in kinds for word in (kind, -1)]
    lengths = workspaces("syevd", dtype, job, triangle, rows, dtype, max(rows, 1), real, *wishes)[2:]
    with stack.each():
        a, w = stack.scratch("a", dtype, rows, rows), stack.result(0, n, 1)
        stack.copy(a, stack.operand(0, n, n), n, n)
        spaces = [
            word
            for k, (kind, length) in enumerate(zip(kinds, lengths, strict=True))
            for word in stack.workspace(f"work {k}", kind, length)
        ]
        jobs = Letter(job), Letter(triangle)
        info = call(build, "syevd", dtype, *jobs, n, a.place, ix.maximum(n, 1), w.place, *spaces)
        failed = stack.unless_zero(info)
        stack.fill(w, ix.mul(n, failed), 1, math.nan)
        if vectors:
            v = stack.result(1, n, n)
            stack.copy(v, a, n, n)
            stack.fill(v, ix.mul(n, failed), n, math.nan)
    return stack.finish()


# eig


@routine
def _eig(eqn: Eqn) -> Scheduled:
    dtype, rows, vectors = eqn.ins[0].type.dtype, eqn.ins[0].type.shape[-1], eqn.params["vectors"]
    job, ld = "V" if vectors else "N", max(rows, 1)
    stack = Stack(eqn, cost_of((12 if vectors else 5) * rows**3, steps=20))
    build, n = stack.build, stack.size("n", rows)
    real = real_dtype(dtype)
    # Complex eigenvalues come in two arrays of real ones, where the matrix is real.
    values, spare = ([dtype], [real]) if is_complex(dtype) else ([real, real], [])
    wishes = [dtype, ld, *values, dtype, 1, dtype, ld, dtype, -1, *spare]
    length = workspaces("geev", dtype, "N", job, rows, *wishes)[3 + len(values)]
    with stack.each():
        a, w = stack.scratch("a", dtype, rows, rows), stack.result(0, n, 1)
        stack.copy(a, stack.operand(0, n, n), n, n)
        parts = [stack.scratch(f"w{k}", kind, rows) for k, kind in enumerate(values)]
        found = stack.scratch("v", dtype, rows, rows) if vectors else a
        spaces = [*stack.workspace("work", dtype, length)]
        spaces += [stack.workspace("spare", kind, 2 * rows)[0] for kind in spare]
        jobs, leading = (Letter("N"), Letter(job)), ix.maximum(n, 1)
        places = *(part.place for part in parts), a.place, 1, found.place, leading
        failed = stack.if_so(
            stack.is_finite(a, n, n),  # what is not could keep the iteration going for ever
            lambda: call(build, "geev", dtype, *jobs, n, a.place, leading, *places, *spaces),
        )
        with build.loop(n, "sequential") as (i, _):
            found_parts = [stack.load(part, i) for part in parts]
            one = found_parts[0] if is_complex(dtype) else build.op(w.dtype, "complex", *found_parts)
            stack.store(w, i, 0, one)
        stack.fill(w, ix.mul(n, failed), 1, math.nan)
        if vectors:
            v = stack.result(1, n, n)
            if is_complex(dtype):
                stack.copy(v, found, n, n)
            else:
                _join_pairs(stack, v, found, parts[1], n)
            stack.fill(v, ix.mul(n, failed), n, math.nan)
    return stack.finish()


def _join_pairs(stack: Stack, v: View, found: View, imaginary: View, n: Index) -> None:
    """Complex vectors out of real ones: those of conjugate eigenvalues are column j, plus and minus i times column j + 1."""
    build, real = stack.build, found.dtype
    zero = build.const(real, 0)
    with build.loop(n, "sequential") as (j, _):
        part = stack.load(imaginary, j)
        lone, second = build.op(BOOL, "eq", part, zero), build.op(BOOL, "lt", part, zero)
        first = ix.maximum(ix.sub(j, stack.times(second)), 0)
        following = ix.minimum(ix.add(first, 1), ix.sub(n, 1))
        with build.loop(n, "sequential") as (i, _):
            other = stack.load(found, i, following)
            signed = build.op(real, "select", second, build.op(real, "neg", other), other)
            turned = build.op(real, "select", lone, zero, signed)
            stack.store(v, i, j, build.op(v.dtype, "complex", stack.load(found, i, first), turned))


# svd


def write_svd(
    stack: Stack, job: str, a: View, s: View, u: View | None, vh: View | None, rows: int, width: int
) -> Index:
    """Decompose ``a``, which is by columns and lost afterwards; gives 1 where there is no decomposition, else 0.

    Args:
        stack: writes the statements.
        job: LAPACK's word for the vectors wanted: "A" for all, "S" for as many as singular values, "N" for none.
        a: the matrix, of ``rows`` rows and ``width`` columns, at least one of each.
        s: where the singular values go.
        u: where the left vectors go, by columns.
        vh: where the right vectors go, by columns of their adjoint.
        rows: see ``a``.
        width: see ``a``.
    """
    build, dtype, least, most = stack.build, a.dtype, min(rows, width), max(rows, width)
    real = real_dtype(dtype)
    m, n = stack.size("rows of the decomposed", rows), stack.size("its columns", width)
    all_left, all_right = (rows, width) if job == "A" else (least, least)
    wishes = [dtype, rows, real, dtype, rows, dtype, max(all_left if job == "N" else all_right, 1), dtype, -1]
    spare = []
    if is_complex(dtype):
        more = max(5 * least + 5, 2 * most + 2 * least + 1) if job != "N" else 7
        spare = [(real, more * least)]
    spare.append((INT32, 8 * least))
    length = workspaces("gesdd", dtype, job, rows, width, *wishes, *(kind for kind, _ in spare))[4]
    work = stack.workspace("work", dtype, length)
    places = [stack.workspace(f"spare {k}", *one)[0] for k, one in enumerate(spare)]
    left, right = ((u.place, u.across), (vh.place, vh.across)) if u and vh else ((a.place, m), (a.place, n))
    return stack.if_so(
        stack.is_finite(a, m, n),
        lambda: call(
            build, "gesdd", dtype, Letter(job), m, n, a.place, m, s.place, *left, *right, *work, *places
        ),
    )


@routine
def _svd(eqn: Eqn) -> Scheduled:
    x, vectors = eqn.ins[0].type, eqn.params["compute_uv"]
    rows, width = x.shape[-2:]
    least = min(rows, width)
    stack = Stack(eqn, cost_of((20 if vectors else 3) * max(rows, width) * least**2, steps=12))
    write = _write_empty if not least else _write_vectors if vectors else _write_values
    with stack.each():
        write(stack, eqn, rows, width)
    return stack.finish()


def _write_values(stack: Stack, eqn: Eqn, rows: int, width: int) -> None:
    m, n, k = stack.size("m", rows), stack.size("n", width), stack.size("k", min(rows, width))
    a, s = stack.scratch("a", eqn.ins[0].type.dtype, rows, width), stack.result(0, k, 1)
    stack.copy(a, stack.operand(0, m, n), m, n)
    failed = write_svd(stack, "N", a, s, None, None, rows, width)
    stack.fill(s, ix.mul(k, failed), 1, math.nan)


def _write_vectors(stack: Stack, eqn: Eqn, rows: int, width: int) -> None:
    dtype, high, wide = eqn.ins[0].type.dtype, eqn.outs[0].type.shape[-1], eqn.outs[2].type.shape[-2]
    m, n, k = stack.size("m", rows), stack.size("n", width), stack.size("k", min(rows, width))
    columns, lines = stack.size("columns of u", high), stack.size("rows of vh", wide)
    u, s, vh = stack.result(0, m, columns), stack.result(1, k, 1), stack.result(2, lines, n)
    a = stack.scratch("a", dtype, rows, width)
    stack.copy(a, stack.operand(0, m, n), m, n)
    left, right = stack.scratch("u", dtype, rows, high), stack.scratch("vh", dtype, wide, width)
    job = "A" if eqn.params["full_matrices"] else "S"
    failed = write_svd(stack, job, a, s, left, right, rows, width)
    stack.copy(u, left, m, columns)
    stack.copy(vh, right, lines, n)
    for out, down, across in ((u, m, columns), (s, k, 1), (vh, lines, n)):
        stack.fill(out, ix.mul(down, failed), across, math.nan)


def _write_empty(stack: Stack, eqn: Eqn, rows: int, width: int) -> None:
    """Of a matrix without elements: as many vectors as are wanted, any ones, since none has a singular value."""
    if len(eqn.outs) == 1:
        return
    dtype, high, wide = eqn.ins[0].type.dtype, eqn.outs[0].type.shape[-1], eqn.outs[2].type.shape[-2]
    for result, name, size in ((0, "columns of u", high), (2, "rows of vh", wide)):
        extent = stack.size(name, size)
        out = stack.result(result, extent, extent)
        stack.fill(out, extent, extent)
        with stack.build.loop(extent, "sequential") as (i, _):
            stack.store(out, i, i, stack.build.const(dtype, 1))


# pinv


@routine
def _pinv(eqn: Eqn) -> Scheduled:
    dtype, (width, rows) = eqn.ins[0].type.dtype, eqn.ins[0].type.shape[-2:]
    least = min(rows, width)
    real = real_dtype(dtype)
    stack = Stack(eqn, cost_of(24 * max(rows, width) * least**2, steps=12))
    build = stack.build
    # Seen by columns, the operand and the result are transposes, and one is the pseudo-inverse of the other.
    m, n, k = stack.size("m", rows), stack.size("n", width), stack.size("k", least)
    with stack.each():
        operand, out = stack.operand(0, n, m).transposed, stack.result(0, m, n)
        if least:
            a, s = stack.scratch("a", dtype, rows, width), stack.scratch("s", real, least)
            u, vh = stack.scratch("u", dtype, rows, least), stack.scratch("vh", dtype, least, width)
            stack.copy(a, operand, m, n)
            failed = write_svd(stack, "S", a, s, u, vh, rows, width)
            known = eqn.params["rtol"]
            rtol = (
                stack.load(stack.operand(1, 1, 1), 0)
                if known is None
                else build.literal("rtol", real.type(known))
            )
            cut = build.op(real, "mul", stack.load(s, 0), rtol)
            with build.loop(k, "sequential") as (i, _):
                value = stack.load(s, i)
                inverse = build.op(real, "div", build.const(real, 1), value)
                kept = build.op(BOOL, "gt", value, cut)
                stack.store(s, i, 0, build.op(real, "select", kept, inverse, build.const(real, 0)))
            stack.scale_rows(vh, s, k, n)
            write_adjoint_product(stack, out, vh, u, n, m, k, build.const(dtype, 1))
            stack.fill(out, ix.mul(m, failed), n, math.nan)
    return stack.finish()


def write_adjoint_product(
    stack: Stack, out: View, vh: View, u: View, rows: Index, columns: Index, k: Index, factor: str
) -> None:
    """``factor * adjoint(vh) @ adjoint(u)``, a matrix by columns, where ``out`` begins."""
    dtype, adjoint = out.dtype, Letter("C")
    scales = Copy(factor), Copy(stack.build.const(dtype, 0))
    ins = vh.place, vh.across, u.place, u.across
    call(
        stack.build,
        "gemm",
        dtype,
        adjoint,
        adjoint,
        rows,
        columns,
        k,
        scales[0],
        *ins,
        scales[1],
        out.place,
        rows,
    )


ROUTINES = {"eigh": _eigh, "eig": _eig, "svd": _svd, "pinv": _pinv}
