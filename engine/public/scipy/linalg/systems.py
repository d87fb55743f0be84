"""Systems of equations: solve and its kin for factored, triangular and structured matrices, inverses, matrix equations.

The one idea: what is solved is solved by the primitives of `weft.ir.ops.solve` and `weft.ir.ops.matrix_functions`, whose
derivatives are the same system again.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

import weft.numpy as wnp
from weft import lax
from weft.engine.dispatch import broadcast_shapes, numpy_function
from weft.engine.transforms.jit import jit
from weft.ir.errors import ArgumentError, ShapeError
from weft.ir.ops import linalg as factor
from weft.ir.ops import matrix_functions
from weft.ir.types import is_complex
from weft.scipy.arguments import inexact, one_of, pair
from weft.scipy.linalg.special_matrices import toeplitz

_triangular = numpy_function(None)(factor.triangular_solve)
_sylvester = numpy_function(None)(matrix_functions.sylvester)
_TRANS: dict[Any, int] = {0: 0, 1: 1, 2: 2, "N": 0, "T": 1, "C": 2}
_ASSUMPTIONS = (
    None, "gen", "diagonal", "upper triangular", "lower triangular", "sym", "her", "symmetric", "hermitian",
    "pos", "positive definite", "general", "tridiagonal", "banded",
)  # fmt: skip


def _system(name: str, a: Any, b: Any) -> tuple[Any, Any, bool]:
    """A stack of square matrices, right-hand sides as columns of the same stack, and whether they are one vector."""
    a, b = inexact(name, a, b)
    if a.ndim < 2 or a.shape[-1] != a.shape[-2]:
        raise ShapeError(f"{name} takes square matrices (..., n, n), got an array of shape {a.shape}.")
    vector = b.ndim == 1
    columns = b[:, None] if vector else b
    if b.ndim == 0 or columns.shape[-2] != a.shape[-1]:
        raise ShapeError(f"{name} got shapes that do not go together: {a.shape} and {b.shape}.")
    lead = broadcast_shapes(name, a.shape[:-2], columns.shape[:-2])
    a, columns = (wnp.broadcast_to(x, (*lead, *x.shape[-2:])) for x in (a, columns))
    return a, columns, vector


def _as_given(x: Any, vector: bool) -> Any:
    return x[..., 0] if vector else x


def solve(
    a: Any,
    b: Any,
    lower: bool = False,
    overwrite_a: bool = False,
    overwrite_b: bool = False,
    check_finite: bool = True,
    assume_a: str | None = None,
    transposed: bool = False,
    debug: bool = False,
) -> Any:
    """The solution of ``a @ x == b``.

    Args:
        a: square matrices ``(..., n, n)``.
        b: one vector ``(n,)``, or matrices of columns ``(..., n, k)``.
        lower: of a symmetric, Hermitian or positive definite ``a``, read the lower triangle.
        overwrite_a: accepted for compatibility.
        overwrite_b: accepted for compatibility.
        check_finite: accepted for compatibility.
        assume_a: what is known of ``a``: "pos" (positive definite), "sym", "her", "diagonal", "lower triangular", "upper
            triangular"; "gen", "tridiagonal", "banded" and ``None`` say nothing that is made use of.
        transposed: solve with the transpose of ``a``.
        debug: accepted for compatibility.

    Raises:
        LinAlgError: a matrix is singular (traced: the solution is infinite or NaN).
    """
    one_of("solve", "assume_a", assume_a, _ASSUMPTIONS)
    a, columns, vector = _system("solve", a, b)
    if transposed:
        a, lower = wnp.matrix_transpose(a), not lower
    if assume_a in ("pos", "positive definite"):
        x = cho_solve((wnp.linalg.cholesky(a, upper=not lower), lower), columns)
    elif assume_a in ("lower triangular", "upper triangular"):
        is_lower = (assume_a == "lower triangular") != transposed
        x = _triangular(a, columns, lower=is_lower)
    elif assume_a == "diagonal":
        x = columns / wnp.linalg.diagonal(a)[..., None]
    else:
        if assume_a in ("sym", "symmetric", "her", "hermitian"):
            other = wnp.matrix_transpose(a)
            other = wnp.conj(other) if assume_a[0] == "h" else other
            a = wnp.tril(a) + wnp.triu(other, 1) if lower else wnp.triu(a) + wnp.tril(other, -1)
        x = wnp.linalg.solve(a, columns)
    return _as_given(x, vector)


def solve_triangular(
    a: Any,
    b: Any,
    trans: int | str = 0,
    lower: bool = False,
    unit_diagonal: bool = False,
    overwrite_b: bool = False,
    check_finite: bool = True,
    debug: bool = False,
) -> Any:
    """The solution of ``op(a) @ x == b`` for triangular ``a``, of which the other triangle is not read.

    Args:
        a: matrices ``(..., n, n)``.
        b: one vector ``(n,)``, or matrices of columns ``(..., n, k)``.
        trans: ``op(a)`` is ``a`` (0 or "N"), its transpose (1 or "T") or its adjoint (2 or "C").
        lower: which triangle ``a`` is.
        unit_diagonal: the diagonal is taken as ones and not read.
        overwrite_b: accepted for compatibility.
        check_finite: accepted for compatibility.
        debug: accepted for compatibility.

    Returns:
        ``x``; infinite or NaN where the diagonal has zeros.
    """
    one_of("solve_triangular", "trans", trans, tuple(_TRANS))
    a, columns, vector = _system("solve_triangular", a, b)
    x = _triangular(a, columns, lower=bool(lower), trans=_TRANS[trans], unit_diagonal=bool(unit_diagonal))
    return _as_given(x, vector)


def cho_solve(
    c_and_lower: tuple[Any, bool], b: Any, overwrite_b: bool = False, check_finite: bool = True
) -> Any:
    """The solution of ``a @ x == b`` where `cho_factor` gave ``c_and_lower`` of ``a``."""
    c, lower = pair("cho_solve", "c_and_lower", c_and_lower, "cho_factor")
    c, columns, vector = _system("cho_solve", c, b)
    steps = (0, 2) if lower else (2, 0)
    x = columns
    for trans in steps:
        x = _triangular(c, x, lower=bool(lower), trans=trans)
    return _as_given(x, vector)


@functools.partial(jit, static_argnums=1)
def _permutation(pivots: Any, n: int) -> Any:
    """The order of n rows after exchanging row i with ``pivots[..., i]`` for each i."""
    lead = pivots.shape[:-1]
    rows = wnp.broadcast_to(wnp.arange(n, dtype=np.int32), (*lead, n))

    def exchange(i: Any, rows: Any) -> Any:
        other = lax.dynamic_slice_in_dim(pivots, i, 1, axis=-1)
        here = lax.dynamic_slice_in_dim(rows, i, 1, axis=-1)
        there = wnp.take_along_axis(rows, other, axis=-1)
        rows = lax.dynamic_update_slice_in_dim(rows, there, i, axis=-1)
        return wnp.put_along_axis(rows, other, here, axis=-1, inplace=False)

    return lax.fori_loop(0, pivots.shape[-1], exchange, rows)


def lu_solve(
    lu_and_piv: tuple[Any, Any], b: Any, trans: int = 0, overwrite_b: bool = False, check_finite: bool = True
) -> Any:
    """The solution of ``op(a) @ x == b`` where `lu_factor` gave ``lu_and_piv`` of ``a``.

    Args:
        lu_and_piv: factors ``(..., n, n)`` and pivots ``(..., n)``.
        b: one vector ``(n,)``, or matrices of columns ``(..., n, k)``.
        trans: ``op(a)`` is ``a`` (0), its transpose (1) or its adjoint (2).
        overwrite_b: accepted for compatibility.
        check_finite: accepted for compatibility.
    """
    packed, pivots = pair("lu_solve", "lu_and_piv", lu_and_piv, "lu_factor")
    one_of("lu_solve", "trans", trans, (0, 1, 2))
    packed, x, vector = _system("lu_solve", packed, b)
    pivots = wnp.asarray(pivots)
    if pivots.shape[-1:] != packed.shape[-1:]:
        raise ShapeError(
            f"lu_solve got {packed.shape} and pivots of shape {pivots.shape}: one for each row is needed."
        )
    order = wnp.broadcast_to(_permutation(pivots, packed.shape[-1]), x.shape[:-1])[..., None]
    if trans == 0:
        x = wnp.take_along_axis(x, order, axis=-2)
    for lower in (True, False) if trans == 0 else (False, True):
        x = _triangular(packed, x, lower=lower, unit_diagonal=lower, trans=trans)
    if trans != 0:
        x = wnp.take_along_axis(x, wnp.argsort(order, axis=-2), axis=-2)
    return _as_given(x, vector)


def inv(a: Any, overwrite_a: bool = False, check_finite: bool = True) -> Any:
    """The inverse of square matrices ``(..., n, n)``."""
    return wnp.linalg.inv(*inexact("inv", a))


def det(a: Any, overwrite_a: bool = False, check_finite: bool = True) -> Any:
    """The determinant of square matrices ``(..., n, n)``."""
    return wnp.linalg.det(*inexact("det", a))


def _pseudo_inverse(name: str, a: Any, atol: Any, rtol: Any, return_rank: bool, hermitian: bool) -> Any:
    s = wnp.linalg.svdvals(a)
    epsilon = float(np.finfo(a.dtype).eps)
    absolute = 0.0 if atol is None else float(atol)
    relative = (max(a.shape[-2:]) * epsilon if atol is None else 0.0) if rtol is None else float(rtol)
    if absolute < 0 or relative < 0:
        raise ArgumentError(f"{name} got atol={atol} and rtol={rtol}: they are not negative.")
    cut = absolute + relative * wnp.max(s, axis=-1, initial=0.0)
    if absolute == 0:
        inverse = wnp.linalg.pinv(a, relative, hermitian)
    else:  # a threshold that is no share of the largest
        u, s, vh = wnp.linalg.svd(a, full_matrices=False, hermitian=hermitian)
        kept = s > cut[..., None]
        inverse = wnp.conj(
            wnp.matrix_transpose((u * wnp.where(kept, 1 / wnp.where(kept, s, 1), 0)[..., None, :]) @ vh)
        )
    return (inverse, wnp.sum(s > cut[..., None], axis=-1)) if return_rank else inverse


def pinv(
    a: Any, *, atol: Any = None, rtol: Any = None, return_rank: bool = False, check_finite: bool = True
) -> Any:
    """The Moore-Penrose pseudo-inverse of matrices ``(..., m, n)``.

    Args:
        a: matrices.
        atol: singular values up to ``atol + rtol * largest`` count as zero; 0 by default.
        rtol: the machine's epsilon times ``max(m, n)`` by default, or 0 where ``atol`` is given.
        return_rank: give also how many count.
        check_finite: accepted for compatibility.
    """
    (a,) = inexact("pinv", a)
    return _pseudo_inverse("pinv", a, atol, rtol, return_rank, hermitian=False)


def pinvh(
    a: Any,
    atol: Any = None,
    rtol: Any = None,
    lower: bool = True,
    return_rank: bool = False,
    check_finite: bool = True,
) -> Any:
    """The pseudo-inverse of Hermitian matrices ``(..., n, n)``, of which one triangle is read; see `pinv`."""
    (a,) = inexact("pinvh", a)
    a = a if lower else wnp.conj(wnp.matrix_transpose(a))
    return _pseudo_inverse("pinvh", a, atol, rtol, return_rank, hermitian=True)


def lstsq(
    a: Any,
    b: Any,
    cond: Any = None,
    overwrite_a: bool = False,
    overwrite_b: bool = False,
    check_finite: bool = True,
    lapack_driver: Any = None,
) -> Any:
    """The shortest ``x`` with the least ``norm(a @ x - b)``: ``(x, residuals, rank, singular values)``."""
    return wnp.linalg.lstsq(a, b, cond)


# Matrix equations


def solve_sylvester(A: Any, B: Any, C: Any, *, method: str = "schur", tol: float = 1e-8) -> Any:
    """The solution of ``A @ x + x @ B == C``.

    Args:
        A: matrices ``(..., m, m)``.
        B: matrices ``(..., n, n)``.
        C: matrices ``(..., m, n)``.
        method: accepted for compatibility: it is found by Schur forms.
        tol: accepted for compatibility.

    Returns:
        ``x``; large or NaN where an eigenvalue of ``A`` is the negative of one of ``B``.
    """
    operands = inexact("solve_sylvester", A, B, C)
    if min(x.ndim for x in operands) < 2:
        shapes = ", ".join(str(x.shape) for x in operands)
        raise ShapeError(f"solve_sylvester takes (..., m, m), (..., n, n) and (..., m, n), got {shapes}.")
    lead = broadcast_shapes("solve_sylvester", *[x.shape[:-2] for x in operands])
    return _sylvester(*[wnp.broadcast_to(x, (*lead, *x.shape[-2:])) for x in operands])


def solve_continuous_lyapunov(a: Any, q: Any) -> Any:
    """The solution of ``a @ x + x @ adjoint(a) == q``."""
    a, q = inexact("solve_continuous_lyapunov", a, q)
    return solve_sylvester(a, wnp.conj(wnp.matrix_transpose(a)), q)


solve_lyapunov = solve_continuous_lyapunov


def solve_discrete_lyapunov(a: Any, q: Any, method: str | None = None) -> Any:
    """The solution of ``a @ x @ adjoint(a) - x + q == 0``.

    Args:
        a: matrices ``(..., n, n)``.
        q: matrices ``(..., n, n)``.
        method: "direct" solves for all elements at once, "bilinear" (default for n of 10 and more) an equation that is
            continuous in ``(a - 1) / (a + 1)``, for which no eigenvalue of ``a`` may be -1.
    """
    one_of("solve_discrete_lyapunov", "method", method, (None, "direct", "bilinear"))
    a, q = inexact("solve_discrete_lyapunov", a, q)
    if a.ndim < 2 or a.shape[-1] != a.shape[-2] or q.shape[-2:] != a.shape[-2:]:
        raise ShapeError(
            f"solve_discrete_lyapunov takes two square matrices of one size, got {a.shape} and {q.shape}."
        )
    n, unit = a.shape[-1], wnp.eye(a.shape[-1], dtype=a.dtype)
    if method == "bilinear" or (method is None and n >= 10):
        ah = wnp.conj(wnp.matrix_transpose(a))
        inverse = wnp.linalg.inv(ah + unit)
        b = (ah - unit) @ inverse
        c = 2 * wnp.linalg.inv(a + unit) @ q @ inverse
        return solve_sylvester(wnp.conj(wnp.matrix_transpose(b)), b, -c)
    pairs = a[..., :, None, :, None] * wnp.conj(a)[..., None, :, None, :]
    whole = wnp.eye(n * n, dtype=a.dtype) - pairs.reshape(*a.shape[:-2], n * n, n * n)
    return wnp.linalg.solve(whole, q.reshape(*q.shape[:-2], n * n, 1)).reshape(*q.shape)


# Matrices that a vector says


def _column_and_row(name: str, c_or_cr: Any, *others: Any) -> list[Any]:
    """The first column and the first row of a Toeplitz matrix, and other arguments."""
    c, r = c_or_cr if isinstance(c_or_cr, tuple) else (c_or_cr, None)
    c, r, *rest = inexact(name, c, wnp.conj(wnp.asarray(c)) if r is None else r, *others)
    if c.ndim != 1 or r.ndim != 1:
        raise ShapeError(f"{name} takes a column and a row of one axis, got shapes {c.shape} and {r.shape}.")
    return [c, r, *rest]


def matmul_toeplitz(c_or_cr: Any, x: Any, check_finite: bool = False, workers: Any = None) -> Any:
    """The product of a Toeplitz matrix, given by its first column (and row), with a vector or columns, by `fft`."""
    c, r, x = _column_and_row("matmul_toeplitz", c_or_cr, x)
    columns = x[:, None] if x.ndim == 1 else x
    m, n = c.shape[0], r.shape[0]
    if columns.ndim != 2 or columns.shape[0] != n:
        raise ShapeError(f"matmul_toeplitz got a matrix of shape {(m, n)} and an array of shape {x.shape}.")
    around = wnp.concatenate([c, wnp.flip(r[1:])])  # the first column of a circulant matrix
    spectrum = wnp.fft.fft(around)[:, None] * wnp.fft.fft(columns, m + n - 1, axis=0)
    found = wnp.fft.ifft(spectrum, axis=0)[:m]
    found = found if is_complex(x.dtype) else wnp.real(found)
    return found[:, 0] if x.ndim == 1 else found


def solve_toeplitz(c_or_cr: Any, b: Any, check_finite: bool = True) -> Any:
    """The solution of ``T @ x == b`` for a Toeplitz matrix, given by its first column (and row)."""
    c, r, b = _column_and_row("solve_toeplitz", c_or_cr, b)
    return solve(toeplitz(c, r), b)


def solve_circulant(
    c: Any,
    b: Any,
    singular: str = "raise",
    tol: Any = None,
    caxis: int = -1,
    baxis: int = 0,
    outaxis: int = 0,
) -> Any:
    """The solution of ``circulant(c) @ x == b``, by `fft`.

    Args:
        c: first columns of matrices, along ``caxis``.
        b: right-hand sides, along ``baxis``.
        singular: "lstsq" gives the shortest of the best solutions; "raise" divides by what is there (no value can be known
            while a function is traced), so that a singular matrix gives infinities.
        tol: eigenvalues up to this count as zero for "lstsq"; by default the largest times the length times epsilon.
        caxis: see ``c``.
        baxis: see ``b``.
        outaxis: where the solutions' axis goes.
    """
    one_of("solve_circulant", "singular", singular, ("raise", "lstsq"))
    c, b = inexact("solve_circulant", c, b)
    c, b = wnp.moveaxis(c, caxis, -1), wnp.moveaxis(b, baxis, -1)
    if c.shape[-1] != b.shape[-1]:
        raise ShapeError(f"solve_circulant got lengths that differ: {c.shape[-1]} and {b.shape[-1]}.")
    eigenvalues = wnp.fft.fft(c)
    spectrum = wnp.fft.fft(b)
    if singular == "lstsq":
        sizes = wnp.abs(eigenvalues)
        epsilon = float(np.finfo(sizes.dtype).eps)
        cut = wnp.max(sizes, axis=-1, keepdims=True) * c.shape[-1] * epsilon if tol is None else tol
        zero = sizes <= cut
        spectrum = wnp.where(zero, 0, spectrum / wnp.where(zero, 1, eigenvalues))
    else:
        spectrum = spectrum / eigenvalues
    found = wnp.fft.ifft(spectrum)
    return wnp.moveaxis(found if is_complex(b.dtype) else wnp.real(found), -1, outaxis)


def orthogonal_procrustes(A: Any, B: Any, check_finite: bool = True) -> tuple[Any, Any]:
    """The orthogonal matrix ``R`` with the least ``norm(A @ R - B)``, and the sum of singular values of ``adjoint(A) @ B``."""
    a, b = inexact("orthogonal_procrustes", A, B)
    if a.ndim != 2 or a.shape != b.shape:
        raise ShapeError(
            f"orthogonal_procrustes takes two matrices of one shape, got {a.shape} and {b.shape}."
        )
    u, s, vh = wnp.linalg.svd(wnp.conj(wnp.matrix_transpose(wnp.conj(wnp.matrix_transpose(b)) @ a)))
    return u @ vh, wnp.sum(s)


def khatri_rao(a: Any, b: Any) -> Any:
    """Kronecker products of the columns of two matrices ``(..., m, n)`` and ``(..., k, n)``: ``(..., m * k, n)``."""
    a, b = inexact("khatri_rao", a, b)
    if a.ndim < 2 or b.ndim < 2 or a.shape[-1] != b.shape[-1]:
        raise ShapeError(f"khatri_rao takes matrices of as many columns, got shapes {a.shape} and {b.shape}.")
    found = a[..., :, None, :] * b[..., None, :, :]
    return found.reshape(*found.shape[:-3], -1, a.shape[-1])
