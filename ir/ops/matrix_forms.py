"""Forms of matrices that no derivative is defined of: Schur, Hessenberg, and the order of pivoted columns.

The one idea: what these give is unique only up to choices that jump (where a block of the real Schur form splits, which column
is the longest), so they are computed, over any leading axes, and not differentiated. As in linalg.py a matrix that has none,
because it is not finite, gives NaN.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from weft.ir.errors import ShapeError
from weft.ir.ops.linalg import INT32, check_matrices
from weft.ir.primitive import HOST, Primitive, library
from weft.ir.rules import batch_all, no_tangent
from weft.ir.types import ArrayType, complex_dtype, is_complex, is_inexact


def each_matrix(
    fun: Callable[..., Sequence[Any]], types: Sequence[ArrayType], *stacks: np.ndarray
) -> tuple[np.ndarray, ...]:
    """``fun`` of the matrices of stacks, one after the other, as arrays of ``types``.

    Where a matrix is not finite or ``fun`` raises, the results are NaN (0 for integers).
    """
    found = tuple(np.full(t.shape, np.nan if is_inexact(t.dtype) else 0, t.dtype) for t in types)
    for i in np.ndindex(stacks[0].shape[:-2]):
        matrices = [x[i] for x in stacks]
        if all(x.size and np.all(np.isfinite(x)) for x in matrices):
            try:
                parts = fun(*matrices)
            except (np.linalg.LinAlgError, ValueError):
                continue
            for out, part in zip(found, parts, strict=True):
                out[i] = part
    return found


# schur


def _schur_type(x: ArrayType, *, to_complex: bool) -> tuple[ArrayType, ...]:
    check_matrices("schur", x, square=True)
    out = x.with_dtype(complex_dtype(x.dtype)) if to_complex else x
    return out, out


def _schur_reference(x: np.ndarray, *, to_complex: bool) -> tuple[np.ndarray, ...]:
    from scipy.linalg import schur

    output = "complex" if to_complex or is_complex(x.dtype) else "real"
    return each_matrix(
        lambda a: schur(a, output), _schur_type(ArrayType(x.shape, x.dtype), to_complex=to_complex), x
    )


schur_p = Primitive(
    "schur",
    type_rule=_schur_type,
    reference=_schur_reference,
    jvp=None,
    transpose=None,
    batch=batch_all,
    lower=library("schur"),
    multiple=True,
)


def schur(x: Any, to_complex: bool = False) -> Any:
    """Unitary ``z`` and upper triangular ``t`` with ``x == z @ t @ adjoint(z)``.

    Args:
        x: matrices ``(..., n, n)``, float32, float64 or complex.
        to_complex: ``t`` is triangular, and complex; else that of a real matrix has blocks of two for pairs of eigenvalues.

    Returns:
        ``(t, z)``; NaN where a matrix is not finite.

    Raises:
        ShapeError, DTypeError: ``x`` is not a stack of square matrices of such a dtype.
        GradientError: when differentiated.
    """
    return schur_p.bind(x, to_complex=bool(to_complex))


# triangular_form


def _form_type(t: ArrayType, z: ArrayType) -> tuple[ArrayType, ...]:
    check_matrices("triangular_form", t, square=True)
    if t != z:
        raise ShapeError(f"triangular_form takes two stacks of matrices of one type, got {t} and {z}.")
    out = t.with_dtype(complex_dtype(t.dtype))
    return out, out


def _form_reference(t: np.ndarray, z: np.ndarray) -> tuple[np.ndarray, ...]:
    from scipy.linalg import rsf2csf

    type_ = ArrayType(t.shape, t.dtype)
    return each_matrix(rsf2csf, _form_type(type_, type_), t, z)


triangular_form_p = Primitive(
    "triangular_form",
    type_rule=_form_type,
    reference=_form_reference,
    jvp=None,
    transpose=None,
    batch=batch_all,
    lower=HOST,
    multiple=True,
)


def triangular_form(t: Any, z: Any) -> Any:
    """The complex Schur form of matrices whose real one is given: `schur` with ``to_complex`` from that without."""
    return triangular_form_p.bind(t, z)


# hessenberg


def _hessenberg_type(x: ArrayType) -> tuple[ArrayType, ...]:
    check_matrices("hessenberg", x, square=True)
    return x, x


def _hessenberg_reference(x: np.ndarray) -> tuple[np.ndarray, ...]:
    from scipy.linalg import hessenberg

    return each_matrix(lambda a: hessenberg(a, calc_q=True), [ArrayType(x.shape, x.dtype)] * 2, x)


hessenberg_p = Primitive(
    "hessenberg",
    type_rule=_hessenberg_type,
    reference=_hessenberg_reference,
    jvp=None,
    transpose=None,
    batch=batch_all,
    lower=library("hessenberg"),
    multiple=True,
)


def hessenberg(x: Any) -> Any:
    """``(h, q)`` with unitary ``q``, ``x == q @ h @ adjoint(q)``, and zeros in ``h`` below the first lower diagonal.

    Raises:
        ShapeError, DTypeError: ``x`` is not a stack ``(..., n, n)`` of matrices of float32, float64 or complex.
        GradientError: when differentiated.
    """
    return hessenberg_p.bind(x)


# column_order


def _order_type(x: ArrayType) -> ArrayType:
    check_matrices("column_order", x)
    return ArrayType((*x.shape[:-2], x.shape[-1]), INT32)


def _order_reference(x: np.ndarray) -> np.ndarray:
    from scipy.linalg import qr

    if not x.size:
        return np.broadcast_to(np.arange(x.shape[-1], dtype=INT32), (*x.shape[:-2], x.shape[-1])).copy()
    return each_matrix(
        lambda a: qr(a, mode="r", pivoting=True)[1:], [_order_type(ArrayType(x.shape, x.dtype))], x
    )[0]


column_order_p = Primitive(
    "column_order",
    type_rule=_order_type,
    reference=_order_reference,
    jvp=no_tangent,
    transpose=None,
    batch=batch_all,
    lower=library("column_order"),
)


def column_order(x: Any) -> Any:
    """In which order columns go into a QR factorisation whose diagonal falls: the longest of what is left is the next.

    Args:
        x: matrices ``(..., m, n)``, float32, float64 or complex.

    Returns:
        Array ``(..., n)``, int32.
    """
    return column_order_p.bind(x)
