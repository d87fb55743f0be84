"""Eigenvalues of Hermitian, tridiagonal and general matrices, alone and against a second matrix.

The one idea: a generalised problem becomes an ordinary one by the factors of its second matrix, so that the derivatives are
those of the ordinary one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import weft.numpy as wnp
from weft.engine.dispatch import numpy_function
from weft.ir.errors import ArgumentError, ShapeError
from weft.ir.ops import spectral
from weft.numpy.staging import static_int
from weft.scipy.arguments import inexact, one_of
from weft.scipy.linalg.factors import adjoint, square
from weft.scipy.linalg.systems import solve_triangular

_eig = numpy_function(None)(spectral.eig)
_eigvals = numpy_function(None)(spectral.eigvals)


def _pair(name: str, a: Any, b: Any) -> tuple[Any, Any]:
    """Two stacks of square matrices of one size and dtype."""
    a, b = inexact(name, a, b)
    if a.ndim < 2 or a.shape[-1] != a.shape[-2] or b.shape[-2:] != a.shape[-2:]:
        raise ShapeError(f"{name} takes two square matrices of one size, got shapes {a.shape} and {b.shape}.")
    return a, b


def _unit_columns(v: Any) -> Any:
    """Vectors of length 1 in the columns."""
    return v / wnp.linalg.norm(v, axis=-2, keepdims=True)


# Hermitian matrices


def eigh(
    a: Any,
    b: Any = None,
    lower: bool = True,
    eigvals_only: bool = False,
    overwrite_a: bool = False,
    overwrite_b: bool = False,
    turbo: bool = True,
    eigvals: None = None,
    type: int = 1,
    check_finite: bool = True,
    subset_by_index: Sequence[int] | None = None,
    driver: str | None = None,
) -> Any:
    """Eigenvalues, ascending, and eigenvectors of Hermitian matrices, alone or against positive definite ones.

    Args:
        a: matrices ``(..., n, n)``, of which one triangle is read.
        b: positive definite matrices ``(..., n, n)``, or none.
        lower: which triangle.
        eigvals_only: give eigenvalues alone.
        overwrite_a: accepted for compatibility.
        overwrite_b: accepted for compatibility.
        turbo: accepted for compatibility.
        eigvals: accepted for compatibility; see ``subset_by_index``.
        type: what is solved with ``b``: 1 ``a @ v == w * b @ v``, 2 ``a @ b @ v == w * v``, 3 ``b @ a @ v == w * v``.
        check_finite: accepted for compatibility.
        subset_by_index: the first and the last eigenvalue wanted, as static integers.
        driver: accepted for compatibility.

    Returns:
        ``(w, v)`` or ``w``: the columns ``v[..., :, i]`` are orthonormal, with ``b`` by its product (types 1 and 2), or its
        inverse's (3).
    """
    one_of("eigh", "type", type, (1, 2, 3))
    first, last = (0, None) if subset_by_index is None else subset_by_index
    first = static_int(first, "eigh", "subset_by_index")
    stop = None if last is None else static_int(last, "eigh", "subset_by_index") + 1
    half = "L" if lower else "U"
    if b is None:
        a = square("eigh", a)
        if eigvals_only:
            return wnp.linalg.eigvalsh(a, half)[..., first:stop]
        w, v = wnp.linalg.eigh(a, half)
        return w[..., first:stop], v[..., first:stop]
    a, b = _pair("eigh", a, b)
    a = wnp.tril(a) + adjoint(wnp.tril(a, -1)) if lower else wnp.triu(a) + adjoint(wnp.triu(a, 1))
    factor = wnp.linalg.cholesky(b, upper=not lower)
    factor = factor if lower else adjoint(factor)
    if type == 1:
        a = solve_triangular(factor, adjoint(solve_triangular(factor, adjoint(a), lower=True)), lower=True)
    else:
        a = adjoint(factor) @ a @ factor
    if eigvals_only:
        return wnp.linalg.eigvalsh(a)[..., first:stop]
    w, v = wnp.linalg.eigh(a)
    v = factor @ v if type == 3 else solve_triangular(factor, v, trans="C", lower=True)
    return w[..., first:stop], v[..., first:stop]


def eigvalsh(
    a: Any,
    b: Any = None,
    lower: bool = True,
    overwrite_a: bool = False,
    overwrite_b: bool = False,
    type: int = 1,
    check_finite: bool = True,
    subset_by_index: Sequence[int] | None = None,
) -> Any:
    """The eigenvalues of Hermitian matrices, ascending; see `eigh`."""
    return eigh(a, b, lower, eigvals_only=True, type=type, subset_by_index=subset_by_index)


def eigh_tridiagonal(
    d: Any,
    e: Any,
    eigvals_only: bool = False,
    select: str = "a",
    select_range: tuple[float, float] | None = None,
    check_finite: bool = True,
    tol: float | None = None,
    lapack_driver: str = "auto",
    key: Any = None,
) -> Any:
    """Eigenvalues, ascending, and eigenvectors of tridiagonal Hermitian matrices.

    Args:
        d: diagonals ``(..., n)``, real.
        e: diagonals beside it ``(..., n - 1)``: the lower ones where complex.
        eigvals_only: give eigenvalues alone.
        select: which: "a" all, "i" those from ``select_range[0]`` to ``select_range[1]`` (static integers, both included), "v"
            those in that half-open interval, which needs values that are known.
        select_range: see ``select``.
        check_finite: accepted for compatibility.
        tol: accepted for compatibility.
        lapack_driver: accepted for compatibility.
        key: accepted for compatibility.
    """
    one_of("eigh_tridiagonal", "select", select, ("a", "i", "v"))
    if select != "a" and (select_range is None or len(select_range) != 2):
        raise ArgumentError(
            f"eigh_tridiagonal with select={select!r} needs select_range=(first, last), got {select_range}."
        )
    d, e = inexact("eigh_tridiagonal", d, e)
    n = d.shape[-1] if d.ndim else 0
    if n < 1 or e.ndim != d.ndim or e.shape[-1] != n - 1:
        raise ShapeError(
            f"eigh_tridiagonal takes diagonals (..., n) and (..., n - 1), got {d.shape} and {e.shape}."
        )
    below = wnp.eye(n, n - 1, -1, dtype=d.dtype) * e[..., None, :]
    below = wnp.pad(below, [(0, 0)] * d.ndim + [(0, 1)])
    a = wnp.eye(n, dtype=d.dtype) * d[..., None, :] + below + adjoint(below)
    chosen: Any = slice(None)
    if select == "i" and select_range is not None:
        first, last = (static_int(i, "eigh_tridiagonal", "select_range") for i in select_range)
        chosen = slice(first, last + 1)
    w, v = (wnp.linalg.eigvalsh(a), None) if eigvals_only else wnp.linalg.eigh(a)
    if select == "v" and select_range is not None:
        chosen = (w > select_range[0]) & (w <= select_range[1])
    return w[..., chosen] if v is None else (w[..., chosen], v[..., chosen])


def eigvalsh_tridiagonal(
    d: Any,
    e: Any,
    select: str = "a",
    select_range: tuple[float, float] | None = None,
    check_finite: bool = True,
) -> Any:
    """The eigenvalues of tridiagonal Hermitian matrices, ascending; see `eigh_tridiagonal`."""
    return eigh_tridiagonal(d, e, True, select, select_range)


# General matrices


def eig(
    a: Any,
    b: Any = None,
    left: bool = False,
    right: bool = True,
    overwrite_a: bool = False,
    overwrite_b: bool = False,
    check_finite: bool = True,
) -> Any:
    """Eigenvalues and eigenvectors of square matrices, always complex.

    Args:
        a: matrices ``(..., n, n)``.
        b: regular matrices ``(..., n, n)``, or none: what is solved is ``a @ v == w * b @ v``.
        left: give vectors ``vl`` with ``adjoint(vl) @ a == w * adjoint(vl) @ b``.
        right: give vectors ``v``.
        overwrite_a: accepted for compatibility.
        overwrite_b: accepted for compatibility.
        check_finite: accepted for compatibility.

    Returns:
        ``w``, ``(w, vl)``, ``(w, v)`` or ``(w, vl, v)``: vectors of length 1 in columns.
    """
    if b is None:
        a = square("eig", a)
    else:
        a, b = _pair("eig", a, b)
    if not left and not right:
        return _eigvals(a if b is None else wnp.linalg.solve(b, a))
    w, v = _eig(a if b is None else wnp.linalg.solve(b, a))
    found = [w]
    if left:  # the rows of the inverse of what the columns are
        inverse = wnp.linalg.inv(v if b is None else b @ v)
        found.append(_unit_columns(adjoint(inverse)))
    if right:
        found.append(v)
    return tuple(found)


def eigvals(a: Any, b: Any = None, overwrite_a: bool = False, check_finite: bool = True) -> Any:
    """The eigenvalues of square matrices, always complex; see `eig`."""
    return eig(a, b, left=False, right=False)
