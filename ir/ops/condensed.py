"""Condensed forms of matrices as LAPACK packs them, and systems with tridiagonal matrices.

The one idea: a unitary matrix is a product of reflections ``I - tau v adjoint(v)``, whose vectors fit into the part of a form
that is zero. Like the forms of matrix_forms.py these jump, and are not differentiated; tridiagonal systems are.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from weft.ir.builder import type_of_value
from weft.ir.errors import DTypeError, ShapeError
from weft.ir.ops.elementwise import full_like, mul, neg
from weft.ir.ops.linalg import batch_right_hand_sides, check_matrices
from weft.ir.ops.matrix import scale_rows
from weft.ir.ops.matrix_forms import each_matrix
from weft.ir.ops.shape import concatenate, slice_axis
from weft.ir.primitive import HOST, Primitive, library
from weft.ir.rules import add_all, batch_all
from weft.ir.types import ArrayType, real_dtype

# packed Hessenberg form


def _vector(x: ArrayType, n: int, dtype: Any = None) -> ArrayType:
    return ArrayType((*x.shape[:-2], n), dtype or x.dtype)


def _packed_hessenberg_type(x: ArrayType) -> tuple[ArrayType, ...]:
    check_matrices("packed_hessenberg", x, square=True)
    return x, _vector(x, max(x.shape[-1] - 1, 0))


def _packed_hessenberg_reference(x: np.ndarray) -> tuple[np.ndarray, ...]:
    from scipy.linalg import get_lapack_funcs

    types = _packed_hessenberg_type(ArrayType(x.shape, x.dtype))
    (gehrd,) = get_lapack_funcs(("gehrd",), dtype=x.dtype)
    return each_matrix(lambda a: gehrd(a)[:2], types, x)


packed_hessenberg_p = Primitive(
    "packed_hessenberg",
    type_rule=_packed_hessenberg_type,
    reference=_packed_hessenberg_reference,
    jvp=None,
    transpose=None,
    batch=batch_all,
    lower=library("packed_hessenberg"),
    multiple=True,
)


def packed_hessenberg(x: Any) -> Any:
    """``(packed, taus)``: the Hessenberg form of square matrices, and below it the vectors of its reflections.

    Raises:
        ShapeError, DTypeError: ``x`` is not a stack ``(..., n, n)`` of matrices of float32, float64 or complex.
        GradientError: when differentiated.
    """
    return packed_hessenberg_p.bind(x)


# tridiagonal form


def _tridiagonal_type(x: ArrayType, *, lower: bool) -> tuple[ArrayType, ...]:
    check_matrices("tridiagonal", x, square=True)
    n, real = x.shape[-1], real_dtype(x.dtype)
    return x, _vector(x, n, real), _vector(x, max(n - 1, 0), real), _vector(x, max(n - 1, 0))


def _tridiagonal_reference(x: np.ndarray, *, lower: bool) -> tuple[np.ndarray, ...]:
    from scipy.linalg import get_lapack_funcs

    types = _tridiagonal_type(ArrayType(x.shape, x.dtype), lower=lower)
    (reduce,) = get_lapack_funcs(("hetrd" if x.dtype.kind == "c" else "sytrd",), dtype=x.dtype)
    return each_matrix(lambda a: reduce(a, lower=lower)[:4], types, x)


tridiagonal_p = Primitive(
    "tridiagonal",
    type_rule=_tridiagonal_type,
    reference=_tridiagonal_reference,
    jvp=None,
    transpose=None,
    batch=batch_all,
    lower=HOST,
    multiple=True,
)


def tridiagonal(x: Any, lower: bool = True) -> Any:
    """``(packed, d, e, taus)``: the real tridiagonal form of Hermitian matrices, of diagonals ``d`` and ``e``.

    Args:
        x: matrices ``(..., n, n)``, of which one triangle is read.
        lower: which.

    Returns:
        ``packed`` has the form, and the vectors of its reflections in the rest of the triangle; ``taus`` belong to these.

    Raises:
        ShapeError, DTypeError: ``x`` is not a stack of square matrices of float32, float64 or complex.
        GradientError: when differentiated.
    """
    return tridiagonal_p.bind(x, lower=bool(lower))


# tridiagonal_solve


def _solve_type(lower: ArrayType, diagonal: ArrayType, upper: ArrayType, b: ArrayType) -> ArrayType:
    check_matrices("tridiagonal_solve", b)
    wanted = b.shape[:-1]
    if any(x.shape != wanted for x in (lower, diagonal, upper)):
        raise ShapeError(
            f"tridiagonal_solve for {b} needs three diagonals of shape {wanted}, got {lower}, {diagonal}, {upper}."
        )
    if any(x.dtype != b.dtype for x in (lower, diagonal, upper)):
        raise DTypeError(
            f"tridiagonal_solve needs operands of one dtype, got {lower}, {diagonal}, {upper} and {b}."
        )
    return b


def _solve_reference(lower: np.ndarray, diagonal: np.ndarray, upper: np.ndarray, b: np.ndarray) -> np.ndarray:
    from scipy.linalg import get_lapack_funcs

    (gtsv,) = get_lapack_funcs(("gtsv",), dtype=b.dtype)
    out = np.full(b.shape, np.nan, b.dtype)
    for i in np.ndindex(b.shape[:-2]):
        if b.shape[-2] == 1:
            with np.errstate(all="ignore"):
                out[i] = b[i] / diagonal[i]
        elif b[i].size:
            *_, x, failed = gtsv(lower[i][1:], diagonal[i], upper[i][:-1], b[i])
            if not failed:
                out[i] = x
    return out


def _neighbours(v: Any, axis: int, step: int) -> Any:
    """``v`` moved by one along an axis, zeros coming in: the element before each (-1), or behind it (1)."""
    n = v.shape[axis]
    edge = mul(slice_axis(v, axis, 0, min(n, 1)), full_like(v, 0))
    kept = slice_axis(v, axis, 0, max(n - 1, 0)) if step < 0 else slice_axis(v, axis, min(n, 1), n)
    return concatenate([edge, kept] if step < 0 else [kept, edge], axis)


def _solve_jvp(prim: Primitive, primals: Any, tangents: Any, params: Any, answer: Any) -> Any:
    # A x = b: A dx = db - dA x
    (x,) = answer()
    row, parts = len(x.shape) - 2, [tangents[3]]
    for change, step in zip(tangents[:3], (-1, 0, 1), strict=True):
        if change is not None:
            parts.append(neg(scale_rows(x if step == 0 else _neighbours(x, row, step), change)))
    change = add_all(parts)
    return (x,), (None if change is None else prim.bind(*primals[:3], change),)


def _solve_transpose(prim: Primitive, cts: Any, ins: Any, params: Any) -> list[Any]:
    lower, diagonal, upper, _ = ins
    axis = len(diagonal.shape) - 1
    back = prim.bind(_neighbours(upper, axis, -1), diagonal, _neighbours(lower, axis, 1), cts[0])
    return [None, None, None, back]


tridiagonal_solve_p = Primitive(
    "tridiagonal_solve",
    type_rule=_solve_type,
    reference=_solve_reference,
    jvp=_solve_jvp,
    transpose=_solve_transpose,
    batch=batch_right_hand_sides,
    lower=library("tridiagonal_solve"),
)


def tridiagonal_solve(lower: Any, diagonal: Any, upper: Any, b: Any) -> Any:
    """Solve systems with tridiagonal matrices by elimination with partial pivoting.

    Args:
        lower: ``(..., n)``: element ``i`` stands in row ``i``, left of the diagonal; the first is not read.
        diagonal: ``(..., n)``.
        upper: ``(..., n)``: element ``i`` stands in row ``i``, right of the diagonal; the last is not read.
        b: right-hand sides ``(..., n, k)``.

    Returns:
        Array of the type of ``b``; NaN where the matrix is singular.

    Raises:
        ShapeError, DTypeError: the operands do not go together.
    """
    _solve_type(
        *map(type_of_value, (lower, diagonal, upper, b))
    )  # eagerly too: LAPACK's own words are about its own arguments
    return tridiagonal_solve_p.bind(lower, diagonal, upper, b)
