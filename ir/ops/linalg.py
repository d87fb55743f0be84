"""Factorisations of matrices and triangular systems, over any leading axes.

The one idea: a factorisation does not raise. Where a matrix has none (not positive definite, not finite) its
results are NaN, and those of the other matrices of the stack are right; a division by a zero pivot gives
infinities. So a compiled program goes on, and NaN says where.

Derivatives are written with products and triangular solves, so they differentiate again. spectral.py has
eigenvalues and singular values, solve.py what is made of factorisations.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from weft.ir.errors import DTypeError, GradientError, ShapeError
from weft.ir.ops.contract import matmul
from weft.ir.ops.elementwise import add, complex_, conj, full_like, ge, imag, mul, neg, select, sub
from weft.ir.ops.index import take_rows
from weft.ir.ops.matrix import (
    adjoint,
    diagonal,
    diagonal_matrix,
    eye_like,
    hermitian_from,
    hermitian_part,
    matrix_transpose,
    on_diagonal,
    tril,
    triu,
)
from weft.ir.ops.shape import iota, move_axis, pad, reshape, slice_axis
from weft.ir.primitive import NOT_MAPPED, Primitive, library
from weft.ir.rules import batch_all, zeros_like
from weft.ir.types import ArrayType, is_complex

INT32 = np.dtype(np.int32)
DTYPES = tuple(np.dtype(name) for name in ("float32", "float64", "complex64", "complex128"))


# What all share


def check_matrices(name: str, x: ArrayType, *, square: bool = False) -> None:
    """Raise the user's error unless ``x`` is a stack of matrices that LAPACK takes."""
    if x.dtype not in DTYPES:
        accepted = ", ".join(map(str, DTYPES))
        raise DTypeError(
            f"{name} does not accept {x}: its dtypes are {accepted}. Cast the argument to one of them."
        )
    if x.ndim < 2 or (square and x.shape[-1] != x.shape[-2]):
        raise ShapeError(f"{name} needs {'square ' if square else ''}matrices (..., m, n), got {x}.")


def or_nan(
    fun: Callable[..., tuple[Any, ...]], x: np.ndarray, types: Callable[[ArrayType], Any], *more: np.ndarray
) -> tuple[Any, ...]:
    """``fun(x, *more)``; where NumPy refuses the stack, matrix by matrix, with NaN for those that it refuses.

    ``types`` gives the types of the results for one matrix; what is there of ``more`` is a stack of matrices too.
    """
    try:
        return tuple(fun(x, *more))
    except np.linalg.LinAlgError:
        pass
    *lead, m, n = x.shape
    outs = tuple(types(ArrayType((m, n), x.dtype)))
    found = []
    stacks = [x.reshape(-1, m, n), *(y.reshape(-1, *y.shape[-2:]) for y in more)]
    for matrices in zip(*stacks, strict=True):
        try:
            found.append(tuple(fun(*matrices)))
        except np.linalg.LinAlgError:
            found.append(tuple(np.full(t.shape, np.nan, t.dtype) for t in outs))
    return tuple(
        np.stack(part).reshape(*lead, *t.shape)
        for part, t in zip(zip(*found, strict=True), outs, strict=True)
    )


def batch_right_hand_sides(prim: Primitive, args: Any, axes: Any, size: int, params: Any) -> Any:
    """Batch a linear system: right-hand sides mapped alone are more columns of one system."""
    *matrices, b = args
    if any(axis is not NOT_MAPPED for axis in axes[:-1]):
        return batch_all(prim, args, axes, size, params)
    *lead, m, n = (d for i, d in enumerate(b.shape) if i != axes[-1])
    left = params.get("left_side", True)
    place = len(lead) + 2 if left else len(lead)  # behind the columns, or before the rows
    joined = (*lead, m, n * size) if left else (*lead, size * m, n)
    out = prim.bind(*matrices, reshape(move_axis(b, axes[-1], place), joined), **params)
    split = (*lead, m, n, size) if left else (*lead, size, m, n)
    return (reshape(out, tuple(map(int, split))),), (place,)


# cholesky


def _cholesky_type(x: ArrayType) -> ArrayType:
    check_matrices("cholesky", x, square=True)
    return x


def _cholesky_reference(x: np.ndarray) -> np.ndarray:
    return np.tril(or_nan(lambda a: (np.linalg.cholesky(a),), x, lambda t: (t,))[0])


def _cholesky_jvp(prim: Primitive, primals: Any, tangents: Any, params: Any, answer: Any) -> Any:
    # L^-1 dA L^-H = L^-1 dL + (L^-1 dL)^H, and L^-1 dL is lower triangular with a real diagonal.
    (lower,) = answer()
    change = triangular_solve(lower, hermitian_from(tangents[0], lower=True), lower=True)
    change = triangular_solve(lower, change, lower=True, trans=2, left_side=False)
    halved = select(on_diagonal(change), mul(change, full_like(change, 0.5)), tril(change))
    return (lower,), (matmul(lower, halved),)


cholesky_p = Primitive(
    "cholesky",
    type_rule=_cholesky_type,
    reference=_cholesky_reference,
    jvp=_cholesky_jvp,
    transpose=None,
    batch=batch_all,
    lower=library("cholesky"),
)


def cholesky(x: Any, symmetrize: bool = True) -> Any:
    """The lower triangular ``L`` with ``L @ adjoint(L) == x``.

    Args:
        x: Hermitian positive definite matrices ``(..., n, n)``, float32, float64 or complex.
        symmetrize: take ``(x + adjoint(x)) / 2`` for ``x``, so that derivatives are symmetric; else only the
            lower triangle is read.

    Returns:
        Array of the type of ``x``, zero above the diagonal; NaN elsewhere where a matrix is not positive
            definite.

    Raises:
        ShapeError, DTypeError: ``x`` is not a stack of square matrices of such a dtype.
    """
    return cholesky_p.bind(hermitian_part(x) if symmetrize else x)


# triangular_solve


def _triangular_type(
    a: ArrayType, b: ArrayType, *, left_side: bool, lower: bool, trans: int, unit_diagonal: bool
) -> ArrayType:
    check_matrices("triangular_solve", a, square=True)
    check_matrices("triangular_solve", b)
    side = b.shape[-2] if left_side else b.shape[-1]
    if a.shape[:-2] != b.shape[:-2] or a.shape[-1] != side:
        raise ShapeError(
            f"triangular_solve got shapes that do not go together: {a} and {b}, left_side={left_side}."
        )
    if a.dtype != b.dtype:
        raise DTypeError(f"triangular_solve got arguments of different dtypes: {a} and {b}.")
    return b


def _triangular_reference(
    a: np.ndarray, b: np.ndarray, *, left_side: bool, lower: bool, trans: int, unit_diagonal: bool
) -> np.ndarray:
    from scipy.linalg import get_blas_funcs

    out = np.empty_like(b, order="C")
    if not b.size:
        return out
    (trsm,) = get_blas_funcs(("trsm",), dtype=b.dtype)
    # BLAS reads columns first, that is, transposes: it solves from the other side, in the other triangle.
    settings = {"side": int(left_side), "lower": int(not lower), "trans_a": trans, "diag": int(unit_diagonal)}
    for i in np.ndindex(b.shape[:-2]):
        out[i] = trsm(1.0, a[i].T, b[i].T, **settings).T
    return out


def _triangular_jvp(prim: Primitive, primals: Any, tangents: Any, params: Any, answer: Any) -> Any:
    # op(A) X = B gives op(A) dX = dB - op(dA) X, where only the triangle of dA counts.
    (x,), (a, _), (a_dot, b_dot) = answer(), primals, tangents
    change = b_dot
    if a_dot is not None:
        inside = int(params["unit_diagonal"])
        part = tril(a_dot, -inside) if params["lower"] else triu(a_dot, inside)
        part = transposed_by(params["trans"], part)
        product = matmul(part, x) if params["left_side"] else matmul(x, part)
        change = neg(product) if change is None else sub(change, product)
    return (x,), (prim.bind(a, change, **params),)


def _triangular_transpose(prim: Primitive, cts: Any, ins: Any, params: Any) -> list[Any]:
    a, trans = turned_round(ins[0], params["trans"])
    return [None, prim.bind(a, cts[0], **{**params, "trans": trans})]


def transposed_by(trans: int, a: Any) -> Any:
    """``op(a)``: ``a`` itself (0), its transpose (1) or its adjoint (2)."""
    return a if trans == 0 else matrix_transpose(a) if trans == 1 else adjoint(a)


def turned_round(a: Any, trans: int) -> tuple[Any, int]:
    """A matrix and a ``trans`` for the transpose of ``op(a)``."""
    return (conj(a), 0) if trans == 2 else (a, 1 - trans)


triangular_solve_p = Primitive(
    "triangular_solve",
    type_rule=_triangular_type,
    reference=_triangular_reference,
    jvp=_triangular_jvp,
    transpose=_triangular_transpose,
    batch=batch_right_hand_sides,
    lower=library("triangular_solve"),
)


def triangular_solve(
    a: Any, b: Any, *, lower: bool, trans: int = 0, unit_diagonal: bool = False, left_side: bool = True
) -> Any:
    """Solve ``op(a) @ x == b``, or ``x @ op(a) == b``, for triangular ``a``.

    Args:
        a: matrices ``(..., n, n)``; the other triangle is not read.
        b: right-hand sides, ``(..., n, k)``, or ``(..., k, n)`` where ``a`` is on the right.
        lower: which triangle ``a`` is.
        trans: ``op(a)`` is ``a`` (0), its transpose (1) or its adjoint (2).
        unit_diagonal: the diagonal is taken as ones and not read.
        left_side: ``a`` stands on the left of ``x``.

    Returns:
        Array of the type of ``b``; infinite or NaN where the diagonal has zeros.

    Raises:
        ShapeError, DTypeError: the operands do not go together.
    """
    trans = 1 if trans == 2 and not is_complex(a.dtype) else int(trans)
    return triangular_solve_p.bind(
        a, b, left_side=bool(left_side), lower=bool(lower), trans=trans, unit_diagonal=bool(unit_diagonal)
    )


# lu


def _lu_type(x: ArrayType) -> tuple[ArrayType, ...]:
    check_matrices("lu", x)
    *lead, m, n = x.shape
    return x, ArrayType((*lead, min(m, n)), INT32), ArrayType((*lead, m), INT32)


def _lu_reference(x: np.ndarray) -> tuple[np.ndarray, ...]:
    from scipy.linalg import get_lapack_funcs

    *lead, m, n = x.shape
    packed = np.array(x, order="C")
    pivots = np.zeros((*lead, min(m, n)), INT32)
    permutation = np.broadcast_to(np.arange(m, dtype=INT32), (*lead, m)).copy()
    if x.size:
        (getrf,) = get_lapack_funcs(("getrf",), dtype=x.dtype)
        for i in np.ndindex(*lead):
            packed[i], pivots[i], _ = getrf(x[i])
            rows = permutation[i]
            for k, other in enumerate(pivots[i]):
                rows[k], rows[other] = rows[other], rows[k]
    return packed, pivots, permutation


def _lu_jvp(prim: Primitive, primals: Any, tangents: Any, params: Any, answer: Any) -> Any:
    # With L and U made square by an identity: L^-1 P dA U^-1 = L^-1 dL (strictly lower) + dU U^-1 (upper).
    packed, pivots, permutation = answer()
    m, n = packed.shape[-2:]
    left, right = _resized(packed, m, m), _resized(packed, n, n)
    right = select(_beyond(right, m), eye_like(right), right)
    change = take_rows(tangents[0], permutation)
    change = triangular_solve(left, change, lower=True, unit_diagonal=True)
    change = triangular_solve(right, change, lower=False, left_side=False)
    lower, upper = tril(change, -1), triu(change)
    by_left = add(matmul(tril(left, -1), lower), lower)
    return (packed, pivots, permutation), (add(by_left, matmul(upper, triu(right))), None, None)


def _resized(x: Any, m: int, n: int) -> Any:
    """Matrices cut to ``(m, n)``, or filled up with zeros."""
    axis = len(x.shape) - 2
    low = [0] * len(x.shape)
    x = slice_axis(slice_axis(x, axis, 0, min(m, x.shape[-2])), axis + 1, 0, min(n, x.shape[-1]))
    return pad(x, np.zeros((), x.dtype), low, [*low[2:], m - x.shape[-2], n - x.shape[-1]])


def _beyond(x: Any, m: int) -> Any:
    """Which rows of ``x`` are from row ``m`` on."""
    rows = iota(INT32, x.shape, len(x.shape) - 2)
    return ge(rows, full_like(rows, m))


lu_p = Primitive(
    "lu",
    type_rule=_lu_type,
    reference=_lu_reference,
    jvp=_lu_jvp,
    transpose=None,
    batch=batch_all,
    lower=library("lu"),
    multiple=True,
)


def lu(x: Any) -> Any:
    """Factor ``x[permutation] == L @ U`` by Gaussian elimination with partial pivoting.

    Args:
        x: matrices ``(..., m, n)``, float32, float64 or complex.

    Returns:
        ``(packed, pivots, permutation)``: ``U`` on and above the diagonal of ``packed`` and ``L``, whose
        diagonal is ones, below it; as int32 the row exchanged with row i, ``(..., min(m, n))``, and the
        order of rows, ``(..., m)``.

    Raises:
        ShapeError, DTypeError: ``x`` is not a stack of matrices of such a dtype.
    """
    return lu_p.bind(x)


# qr


def _qr_type(x: ArrayType, *, full_matrices: bool) -> tuple[ArrayType, ...]:
    check_matrices("qr", x)
    *lead, m, n = x.shape
    k = m if full_matrices else min(m, n)
    return x.with_shape((*lead, m, k)), x.with_shape((*lead, k, n))


def _qr_jvp(prim: Primitive, primals: Any, tangents: Any, params: Any, answer: Any) -> Any:
    # A = QR; M = Q^H dA R^-1 = Q^H dQ (skew) + dR R^-1 (upper, real diagonal).
    (q, r), dx = answer(), tangents[0]
    m, n = dx.shape[-2:]
    if params["full_matrices"] and m > n:
        raise GradientError(
            "qr has no derivative with full_matrices=True for matrices with more rows than columns."
        )
    axis, k = len(dx.shape) - 1, min(m, n)
    # Columns behind the first k decide nothing but the rest of R.
    change = triangular_solve(
        slice_axis(r, axis, 0, k), slice_axis(dx, axis, 0, k), lower=False, left_side=False
    )
    within = matmul(adjoint(q), change)
    below = tril(within, -1)
    skew = sub(below, adjoint(below))
    if is_complex(within.dtype):
        turn = imag(diagonal(within))
        skew = add(skew, diagonal_matrix(complex_(zeros_like(turn), turn)))
    q_dot = add(sub(change, matmul(q, within)), matmul(q, skew))
    r_dot = sub(matmul(adjoint(q), dx), matmul(skew, r))
    return (q, r), (q_dot, triu(r_dot))


qr_p = Primitive(
    "qr",
    type_rule=_qr_type,
    reference=lambda x, *, full_matrices: np.linalg.qr(x, mode="complete" if full_matrices else "reduced"),
    jvp=_qr_jvp,
    transpose=None,
    batch=batch_all,
    lower=library("qr"),
    multiple=True,
)


def qr(x: Any, full_matrices: bool = False) -> Any:
    """Factor ``x == q @ r`` with orthonormal columns in ``q`` and upper triangular ``r``.

    Args:
        x: matrices ``(..., m, n)``, float32, float64 or complex.
        full_matrices: ``q`` has m columns; else ``min(m, n)``.

    Returns:
        ``(q, r)``.

    Raises:
        ShapeError, DTypeError: ``x`` is not a stack of matrices of such a dtype.
        GradientError: when differentiated with ``full_matrices`` and ``m > n``: the columns added are
            arbitrary.
    """
    return qr_p.bind(x, full_matrices=bool(full_matrices))
