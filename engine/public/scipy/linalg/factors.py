"""Factorisations: cholesky, lu, qr, svd, schur, hessenberg, polar.

The one idea: they are those of `weft.ir.ops`, with SciPy's arguments and its choices of what is given back. Leading axes are
those of stacks of matrices. What would overwrite an argument, or look for NaN, is accepted and does nothing: a matrix that is
not finite has NaN for its factors.
"""

from __future__ import annotations

from typing import Any

import numpy as np

import weft.numpy as wnp
from weft.engine.dispatch import numpy_function
from weft.engine.transforms.custom import custom_jvp
from weft.ir.errors import ArgumentError, ShapeError
from weft.ir.ops import condensed
from weft.ir.ops import linalg as factor
from weft.ir.ops import matrix_forms as forms
from weft.scipy.arguments import inexact, one_of
from weft.scipy.linalg.systems import solve_sylvester

_lu = numpy_function(None)(factor.lu)
_schur = numpy_function(None)(forms.schur)
_triangular_form = numpy_function(None)(forms.triangular_form)
_hessenberg = numpy_function(None)(forms.hessenberg)
_packed_hessenberg = numpy_function(None)(condensed.packed_hessenberg)
_column_order = numpy_function(None)(forms.column_order)


def adjoint(x: Any) -> Any:
    """The conjugate transpose of matrices."""
    return wnp.conj(wnp.matrix_transpose(x))


def matrices(name: str, *xs: Any) -> list[Any]:
    """Arguments as matrices ``(..., m, n)`` of one floating or complex dtype."""
    found = inexact(name, *xs)
    for x in found:
        if x.ndim < 2:
            raise ShapeError(f"{name} takes matrices (..., m, n), got an array of shape {x.shape}.")
    return found


def square(name: str, x: Any) -> Any:
    """An argument as square matrices ``(..., n, n)`` of floating or complex dtype."""
    (found,) = matrices(name, x)
    if found.shape[-1] != found.shape[-2]:
        raise ShapeError(f"{name} takes square matrices (..., n, n), got an array of shape {found.shape}.")
    return found


# Cholesky


def cholesky(a: Any, lower: bool = False, overwrite_a: bool = False, check_finite: bool = True) -> Any:
    """The upper triangular ``U`` with ``adjoint(U) @ U == a``, or the lower ``L`` with ``L @ adjoint(L) == a``.

    Args:
        a: Hermitian positive definite matrices ``(..., n, n)``, of which that triangle is read.
        lower: give ``L``.
        overwrite_a: accepted for compatibility.
        check_finite: accepted for compatibility.

    Raises:
        LinAlgError: a matrix is not positive definite (traced: its result is NaN).
    """
    return wnp.linalg.cholesky(square("cholesky", a), upper=not lower)


def cho_factor(
    a: Any, lower: bool = False, overwrite_a: bool = False, check_finite: bool = True
) -> tuple[Any, bool]:
    """The Cholesky factor of `cholesky` and which triangle it is, for `cho_solve`."""
    return cholesky(a, lower), bool(lower)


# LU


def lu(
    a: Any,
    permute_l: bool = False,
    overwrite_a: bool = False,
    check_finite: bool = True,
    p_indices: bool = False,
) -> Any:
    """Factor ``a == P @ L @ U`` by Gaussian elimination with partial pivoting.

    Args:
        a: matrices ``(..., m, n)``.
        permute_l: give ``(P @ L, U)``.
        overwrite_a: accepted for compatibility.
        check_finite: accepted for compatibility.
        p_indices: give for ``P`` the rows of ``L`` in the order of those of ``a``: ``a == L[p] @ U``.

    Returns:
        ``(P, L, U)``: permutations ``(..., m, m)``, lower triangles ``(..., m, k)`` with ones on the diagonal, upper
        triangles ``(..., k, n)``, where ``k = min(m, n)``.
    """
    (a,) = matrices("lu", a)
    m, n = a.shape[-2:]
    k = min(m, n)
    packed, _, order = _lu(a)
    lower = wnp.tril(packed[..., :k], -1) + wnp.eye(m, k, dtype=a.dtype)
    upper = wnp.triu(packed[..., :k, :])
    rows = wnp.argsort(order, axis=-1)
    if permute_l:
        return wnp.take_along_axis(lower, rows[..., None], axis=-2), upper
    if p_indices:
        return rows, lower, upper
    real = wnp.real(packed).dtype
    return (rows[..., None] == np.arange(m)).astype(real), lower, upper


def lu_factor(a: Any, overwrite_a: bool = False, check_finite: bool = True) -> tuple[Any, Any]:
    """The factors of `lu` in one matrix, and with which row each was exchanged (int32), for `lu_solve`."""
    packed, pivots, _ = _lu(*matrices("lu_factor", a))
    return packed, pivots


# QR


def qr(
    a: Any,
    overwrite_a: bool = False,
    lwork: Any = None,
    mode: str = "full",
    pivoting: bool = False,
    check_finite: bool = True,
) -> Any:
    """Factor ``a == Q @ R`` with orthonormal columns in ``Q`` and upper triangular ``R``.

    Args:
        a: matrices ``(..., m, n)``.
        overwrite_a: accepted for compatibility.
        lwork: accepted for compatibility.
        mode: "full" gives m columns of ``Q``, "economic" ``min(m, n)``, "r" gives ``R`` alone.
        pivoting: take columns in such an order ``P`` that the diagonal of ``R`` falls: ``a[..., P] == Q @ R``.
        check_finite: accepted for compatibility.

    Returns:
        ``(Q, R)``, with ``pivoting`` ``(Q, R, P)``; of mode "r" without ``Q``.

    Raises:
        GradientError: when differentiated with mode "full" where m > n: the columns added are arbitrary.
    """
    one_of("qr", "mode", mode, ("full", "r", "economic"))
    (a,) = matrices("qr", a)
    order = [_column_order(a)] if pivoting else []
    if pivoting:
        a = wnp.take_along_axis(a, order[0][..., None, :], axis=-1)
    q, r = wnp.linalg.qr(a, "complete" if mode == "full" else "reduced")
    if mode == "r":  # as many rows as "full" has
        missing = a.shape[-2] - r.shape[-2]
        r = wnp.pad(r, [(0, 0)] * (r.ndim - 2) + [(0, missing), (0, 0)])
        return (r, *order)
    return (q, r, *order)


def qr_multiply(
    a: Any,
    c: Any,
    mode: str = "right",
    pivoting: bool = False,
    conjugate: bool = False,
    overwrite_a: bool = False,
    overwrite_c: bool = False,
) -> Any:
    """Products with the ``Q`` of a QR factorisation.

    Args:
        a: matrices ``(..., m, n)``.
        c: matrices, or a vector: ``(..., k, m)`` on the left of ``Q``, ``(..., min(m, n), k)`` or ``(..., m, k)`` on its right.
        mode: "right" gives ``c @ Q``, "left" ``Q @ c``.
        pivoting: see `qr`.
        conjugate: take the conjugate of ``Q``.
        overwrite_a: accepted for compatibility.
        overwrite_c: accepted for compatibility.

    Returns:
        ``(product, R)``, with ``pivoting`` ``(product, R, P)``; ``Q`` has ``min(m, n)`` columns.

    Raises:
        ShapeError: the shapes do not go together.
    """
    one_of("qr_multiply", "mode", mode, ("left", "right"))
    a, c = inexact("qr_multiply", a, c)
    if a.ndim < 2 or c.ndim < 1:
        raise ShapeError(f"qr_multiply takes matrices, got arrays of shapes {a.shape} and {c.shape}.")
    vector = c.ndim == 1
    if vector:
        c = c[:, None] if mode == "left" else c[None, :]
    inner = a.shape[-2] if mode == "right" else min(a.shape[-2:])
    whole = mode == "left" and c.shape[-2] == a.shape[-2] and c.shape[-2] != inner
    if c.shape[-1 if mode == "right" else -2] != (a.shape[-2] if whole else inner):
        raise ShapeError(
            f"qr_multiply got shapes that do not go together: {a.shape} and {c.shape}, mode={mode!r}."
        )
    q, r, *order = qr(a, mode="full" if whole else "economic", pivoting=pivoting)
    q = wnp.conj(q) if conjugate else q
    product = q @ c if mode == "left" else c @ q
    if vector:
        product = product[..., 0] if mode == "left" else product[..., 0, :]
    return (product, r[..., : min(a.shape[-2:]), :], *order)


# Singular values


def svd(
    a: Any,
    full_matrices: bool = True,
    compute_uv: bool = True,
    overwrite_a: bool = False,
    check_finite: bool = True,
    lapack_driver: str = "gesdd",
) -> Any:
    """Singular values ``s``, descending, with ``U @ diag(s) @ Vh == a``; see `weft.numpy.linalg.svd`.

    Returns:
        ``(U, s, Vh)``, or ``s`` where ``compute_uv`` is not set.
    """
    (a,) = matrices("svd", a)
    found = wnp.linalg.svd(a, full_matrices, compute_uv)
    return tuple(found) if compute_uv else found


def svdvals(a: Any, overwrite_a: bool = False, check_finite: bool = True) -> Any:
    """Singular values of matrices ``(..., m, n)``, descending."""
    return wnp.linalg.svdvals(*matrices("svdvals", a))


# Schur and Hessenberg forms


def schur(
    a: Any,
    output: str = "real",
    lwork: Any = None,
    overwrite_a: bool = False,
    sort: None = None,
    check_finite: bool = True,
) -> tuple[Any, Any]:
    """Unitary ``Z`` and upper triangular ``T`` with ``a == Z @ T @ adjoint(Z)``.

    Args:
        a: matrices ``(..., n, n)``.
        output: "complex" makes ``T`` triangular, and complex; "real" leaves blocks of two on the diagonal for pairs of complex
            eigenvalues of real matrices.
        lwork: accepted for compatibility.
        overwrite_a: accepted for compatibility.
        sort: only ``None``: eigenvalues come in the order in which they are found.
        check_finite: accepted for compatibility.

    Returns:
        ``(T, Z)``; they have no derivative.
    """
    one_of("schur", "output", output, ("real", "complex", "r", "c"))
    if sort is not None:
        raise ArgumentError(f"schur got sort={sort!r}: eigenvalues are not sorted, it must be None.")
    return _schur(square("schur", a), to_complex=output[0] == "c")


def rsf2csf(T: Any, Z: Any, check_finite: bool = True) -> tuple[Any, Any]:
    """The complex Schur form ``(T, Z)`` of real matrices whose real one is given."""
    t, z = matrices("rsf2csf", T, Z)
    return _triangular_form(t, z)


def hessenberg(a: Any, calc_q: bool = False, overwrite_a: bool = False, check_finite: bool = True) -> Any:
    """``H`` with unitary ``Q`` and ``a == Q @ H @ adjoint(Q)``, zero below its first lower diagonal.

    Args:
        a: matrices ``(..., n, n)``.
        calc_q: give ``(H, Q)``.
        overwrite_a: accepted for compatibility.
        check_finite: accepted for compatibility.
    """
    x = square("hessenberg", a)
    if not calc_q and x.shape[-1] > 2:  # smaller ones are their own form
        packed, _ = _packed_hessenberg(x)
        n = packed.shape[-1]
        kept = wnp.tri(n, k=1, dtype=bool).T | wnp.isnan(
            packed[..., :1, :1]
        )  # what is not finite has NaN everywhere
        return wnp.where(kept, packed, 0)
    h, q = _hessenberg(x)
    return (h, q) if calc_q else h


# Polar decomposition


@custom_jvp
def _polar(a: Any) -> Any:
    """``(u, p)`` of matrices with at least as many rows as columns."""
    w, s, vh = wnp.linalg.svd(a, full_matrices=False)
    return w @ vh, (adjoint(vh) * s[..., None, :]) @ vh


@_polar.defjvp
def _polar_jvp(primals: Any, tangents: Any) -> Any:
    # a = u p: with the skew u^H du = x it is u^H da - da^H u = x p + p x. No singular values are told apart, as the
    # derivative of the decomposition behind it would have to.
    (a,), (a_dot,) = primals, tangents
    u, p = _polar(a)
    within = adjoint(u) @ a_dot
    x = solve_sylvester(p, p, within - adjoint(within))
    outside = wnp.linalg.solve(p, adjoint(a_dot - u @ within))  # p is Hermitian
    p_dot = within - x @ p
    return (u, p), (u @ x + adjoint(outside), (p_dot + adjoint(p_dot)) / 2)


def polar(
    a: Any, side: str = "right", *, method: str = "svd", eps: Any = None, max_iterations: Any = None
) -> tuple[Any, Any]:
    """``u`` with orthonormal columns (or rows) and positive semidefinite ``p`` with ``a == u @ p``.

    Args:
        a: matrices ``(..., m, n)``.
        side: "right" for ``u @ p``, "left" for ``p @ u``.
        method: accepted for compatibility: it is found by singular values.
        eps: accepted for compatibility.
        max_iterations: accepted for compatibility.

    Returns:
        ``(u, p)``; derivatives exist where ``a`` has full rank and ``p`` is the smaller of the two possible.
    """
    one_of("polar", "side", side, ("right", "left"))
    (a,) = matrices("polar", a)
    if side == "left":
        u, p = polar(adjoint(a))
        return adjoint(u), p
    if a.shape[-2] >= a.shape[-1]:
        return _polar(a)
    w, s, vh = wnp.linalg.svd(a, full_matrices=False)  # p is larger than its rank
    return w @ vh, (adjoint(vh) * s[..., None, :]) @ vh
