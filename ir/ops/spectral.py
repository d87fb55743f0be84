"""Eigenvalues and singular values of matrices, over any leading axes.

The one idea: a decomposition is unique only up to choices (signs, phases, a basis where values coincide). The
derivatives follow the choices that LAPACK makes where it makes them smoothly. Where values coincide, the
vectors have no derivative, and the part that would divide by zero is left out.

As in linalg.py, what cannot be decomposed gives NaN and no exception.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from weft.ir.errors import GradientError
from weft.ir.ops.contract import matmul
from weft.ir.ops.elementwise import (
    abs_,
    add,
    cast,
    complex_,
    conj,
    div,
    eq,
    full_like,
    imag,
    mul,
    real,
    select,
    sub,
)
from weft.ir.ops.index import take_along_axis
from weft.ir.ops.linalg import check_matrices, or_nan
from weft.ir.ops.matrix import (
    adjoint,
    diagonal,
    diagonal_matrix,
    hermitian_from,
    hermitian_part,
    scale_columns,
    scale_rows,
)
from weft.ir.ops.reduce import argmax, reduce_sum
from weft.ir.ops.shape import broadcast, expand_dims, reshape
from weft.ir.ops.solve import solve
from weft.ir.primitive import Primitive, library
from weft.ir.rules import batch_all, zeros_like
from weft.ir.types import ArrayType, complex_dtype, is_complex, real_dtype


def _pairs(v: Any) -> tuple[Any, Any]:
    """``v_j`` and ``v_i`` at ``[..., i, j]``."""
    lead = len(v.shape) - 1
    square = (*v.shape, v.shape[-1])
    return broadcast(v, square, (*range(lead), lead + 1)), broadcast(v, square, tuple(range(lead + 1)))


def _gaps(v: Any) -> Any:
    """``1 / (v_j - v_i)`` at ``[..., i, j]``, and 0 where the two are equal."""
    return safe_inverse(sub(*_pairs(v)))


def _square_gaps(v: Any) -> Any:
    """``1 / (v_j**2 - v_i**2)``, and 0 where the two are equal: factored, since rounding could tell equal squares apart."""
    right, left = _pairs(v)
    return safe_inverse(mul(sub(right, left), add(right, left)))


def safe_inverse(x: Any) -> Any:
    """``1 / x``, and 0 where ``x`` is 0."""
    zero = eq(x, full_like(x, 0))
    return select(zero, full_like(x, 0), div(full_like(x, 1), select(zero, full_like(x, 1), x)))


# eigh


def _eigh_type(x: ArrayType, *, lower: bool, vectors: bool) -> tuple[ArrayType, ...]:
    check_matrices("eigh", x, square=True)
    values = ArrayType(x.shape[:-1], real_dtype(x.dtype))
    return (values, x) if vectors else (values,)


def _eigh_reference(x: np.ndarray, *, lower: bool, vectors: bool) -> tuple[np.ndarray, ...]:
    half: Literal["L", "U"] = "L" if lower else "U"

    def find(a: np.ndarray) -> tuple[np.ndarray, ...]:
        return tuple(np.linalg.eigh(a, half)) if vectors else (np.linalg.eigvalsh(a, half),)

    return or_nan(find, x, lambda t: _eigh_type(t, lower=lower, vectors=vectors))


def _eigh_jvp(prim: Primitive, primals: Any, tangents: Any, params: Any, answer: Any) -> Any:
    w, v = answer() if params["vectors"] else prim.bind(primals[0], **{**params, "vectors": True})
    change = matmul(matmul(adjoint(v), hermitian_from(tangents[0], params["lower"])), v)
    if not params["vectors"]:
        return (w,), (real(diagonal(change)),)
    v_dot = matmul(v, mul(cast(_gaps(w), v.dtype), change))
    return (w, v), (real(diagonal(change)), v_dot)


eigh_p = Primitive(
    "eigh",
    type_rule=_eigh_type,
    reference=_eigh_reference,
    jvp=_eigh_jvp,
    transpose=None,
    batch=batch_all,
    lower=library("eigh"),
    multiple=True,
)


def eigh(x: Any, lower: bool = True, symmetrize: bool = True) -> Any:
    """Eigenvalues, ascending, and orthonormal eigenvectors of Hermitian matrices.

    Args:
        x: matrices ``(..., n, n)``, float32, float64 or complex.
        lower: which triangle is read where ``symmetrize`` is not set.
        symmetrize: take ``(x + adjoint(x)) / 2`` for ``x``, so that derivatives are symmetric.

    Returns:
        ``(w, v)``: eigenvalues ``(..., n)``, real, and eigenvectors ``v[..., :, i]``; NaN where there are
        none.

    Raises:
        ShapeError, DTypeError: ``x`` is not a stack of square matrices of such a dtype.
    """
    return eigh_p.bind(hermitian_part(x) if symmetrize else x, lower=bool(lower), vectors=True)


def eigvalsh(x: Any, lower: bool = True, symmetrize: bool = True) -> Any:
    """The eigenvalues of Hermitian matrices, ascending; see `eigh`."""
    return eigh_p.bind(hermitian_part(x) if symmetrize else x, lower=bool(lower), vectors=False)[0]


# eig


def _eig_type(x: ArrayType, *, vectors: bool) -> tuple[ArrayType, ...]:
    check_matrices("eig", x, square=True)
    dtype = complex_dtype(x.dtype)
    values = ArrayType(x.shape[:-1], dtype)
    return (values, x.with_dtype(dtype)) if vectors else (values,)


def _eig_reference(x: np.ndarray, *, vectors: bool) -> tuple[np.ndarray, ...]:
    find = np.linalg.eig if vectors else lambda a: (np.linalg.eigvals(a),)
    found = or_nan(find, x, lambda t: _eig_type(t, vectors=vectors))
    return tuple(out.astype(complex_dtype(x.dtype), copy=False) for out in found)


def _eig_jvp(prim: Primitive, primals: Any, tangents: Any, params: Any, answer: Any) -> Any:
    # V^-1 dA V has the changes of the eigenvalues on its diagonal.
    outs = answer() if params["vectors"] else prim.bind(primals[0], vectors=True)
    w, v = outs
    change = solve(v, matmul(cast(tangents[0], v.dtype), v))
    w_dot = diagonal(change)
    if not params["vectors"]:
        return (w,), (w_dot,)
    v_dot = matmul(v, mul(_gaps(w), change))
    # A vector keeps its length 1 and a real largest component: its own multiple that is added back for that.
    rows = len(v.shape) - 2
    length = real(reduce_sum(mul(conj(v), v_dot), (rows,)))
    largest = expand_dims(argmax(abs_(v), rows), (rows,))
    of_largest = [
        real(take_along_axis(v, largest, rows, "promise")),
        imag(take_along_axis(v_dot, largest, rows, "promise")),
    ]
    turn = div(reshape(of_largest[1], length.shape), reshape(of_largest[0], length.shape))
    return (w, v), (w_dot, sub(v_dot, scale_columns(v, complex_(length, turn))))


eig_p = Primitive(
    "eig",
    type_rule=_eig_type,
    reference=_eig_reference,
    jvp=_eig_jvp,
    transpose=None,
    batch=batch_all,
    lower=library("eig"),
    multiple=True,
)


def eig(x: Any) -> Any:
    """Eigenvalues and eigenvectors of square matrices, always complex.

    Args:
        x: matrices ``(..., n, n)``, float32, float64 or complex.

    Returns:
        ``(w, v)``: eigenvalues ``(..., n)`` in no order, and eigenvectors ``v[..., :, i]`` of length 1 whose
        largest component is real; NaN where there are none.

    Raises:
        ShapeError, DTypeError: ``x`` is not a stack of square matrices of such a dtype.
    """
    return eig_p.bind(x, vectors=True)


def eigvals(x: Any) -> Any:
    """The eigenvalues of square matrices, always complex; see `eig`."""
    return eig_p.bind(x, vectors=False)[0]


# svd


def _svd_type(x: ArrayType, *, full_matrices: bool, compute_uv: bool) -> tuple[ArrayType, ...]:
    check_matrices("svd", x)
    *lead, m, n = x.shape
    k = min(m, n)
    s = ArrayType((*lead, k), real_dtype(x.dtype))
    if not compute_uv:
        return (s,)
    return (
        x.with_shape((*lead, m, m if full_matrices else k)),
        s,
        x.with_shape((*lead, n if full_matrices else k, n)),
    )


def _svd_reference(x: np.ndarray, *, full_matrices: bool, compute_uv: bool) -> tuple[np.ndarray, ...]:
    def find(a: np.ndarray) -> tuple[np.ndarray, ...]:
        return tuple(np.linalg.svd(a, full_matrices)) if compute_uv else (np.linalg.svd(a, compute_uv=False),)

    return or_nan(find, x, lambda t: _svd_type(t, full_matrices=full_matrices, compute_uv=compute_uv))


def _svd_jvp(prim: Primitive, primals: Any, tangents: Any, params: Any, answer: Any) -> Any:
    # A = U S V^H; C = U^H dA V = U^H dU S + dS - S V^H dV, with U^H dU and V^H dV skew.
    dx = tangents[0]
    m, n = dx.shape[-2:]
    if not params["compute_uv"]:
        u, s, vh = svd(primals[0], full_matrices=False)
        return (s,), (real(diagonal(matmul(matmul(adjoint(u), dx), adjoint(vh)))),)
    if params["full_matrices"] and m != n:
        raise GradientError("svd has no derivative with full_matrices=True for matrices that are not square.")
    u, s, vh = answer()
    v, u_dx = adjoint(vh), matmul(adjoint(u), dx)
    change = matmul(u_dx, v)
    wide = cast(s, dx.dtype)
    gaps = cast(_square_gaps(s), dx.dtype)
    right, left = scale_columns(change, wide), scale_rows(change, wide)
    within_u = mul(gaps, add(right, adjoint(right)))
    within_v = mul(gaps, add(left, adjoint(left)))
    inverse = cast(safe_inverse(s), dx.dtype)
    if is_complex(dx.dtype):  # a common phase of a pair of vectors is arbitrary: it is left to u
        phase = mul(imag(diagonal(change)), safe_inverse(s))
        within_u = add(within_u, diagonal_matrix(complex_(zeros_like(phase), phase)))
    u_dot, v_dot = matmul(u, within_u), matmul(v, within_v)
    if m > n:
        dx_v = matmul(dx, v)
        u_dot = add(u_dot, scale_columns(sub(dx_v, matmul(u, matmul(adjoint(u), dx_v))), inverse))
    if n > m:
        dxh_u = adjoint(u_dx)
        v_dot = add(v_dot, scale_columns(sub(dxh_u, matmul(v, matmul(vh, dxh_u))), inverse))
    return (u, s, vh), (u_dot, real(diagonal(change)), adjoint(v_dot))


svd_p = Primitive(
    "svd",
    type_rule=_svd_type,
    reference=_svd_reference,
    jvp=_svd_jvp,
    transpose=None,
    batch=batch_all,
    lower=library("svd"),
    multiple=True,
)


def svd(x: Any, full_matrices: bool = False) -> Any:
    """Singular values, descending, and vectors: ``x == u @ diag(s) @ vh``.

    Args:
        x: matrices ``(..., m, n)``, float32, float64 or complex.
        full_matrices: ``u`` and ``vh`` are square; else ``u`` has and ``vh`` is ``min(m, n)`` vectors.

    Returns:
        ``(u, s, vh)``; NaN where the iteration finds none.

    Raises:
        ShapeError, DTypeError: ``x`` is not a stack of matrices of such a dtype.
        GradientError: when differentiated with ``full_matrices`` and ``m != n``: the vectors added are
            arbitrary.
    """
    return svd_p.bind(x, full_matrices=bool(full_matrices), compute_uv=True)


def singular_values(x: Any) -> Any:
    """The singular values of matrices, descending; see `svd`."""
    return svd_p.bind(x, full_matrices=False, compute_uv=False)[0]
