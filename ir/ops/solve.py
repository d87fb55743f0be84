"""Linear systems, determinants and least squares.

The one idea: the derivative of such a function needs the same function again, never the derivative of the
factorisation inside. A system's factors are found once and serve its solution, its derivative and the
derivative's transpose; a determinant's derivative is the adjugate, which exists for singular matrices too; a
pseudo-inverse has a derivative even where singular values coincide.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from weft.ir.errors import DTypeError, ShapeError
from weft.ir.ops.contract import matmul
from weft.ir.ops.elementwise import (
    abs_,
    add,
    cast,
    complex_,
    full_like,
    gt,
    imag,
    mul,
    neg,
    real,
    stop_gradient,
    sub,
)
from weft.ir.ops.linalg import (
    INT32,
    batch_right_hand_sides,
    check_matrices,
    lu,
    or_nan,
    transposed_by,
    triangular_solve_p,
    turned_round,
)
from weft.ir.ops.matrix import adjoint, eye_like, identity, matrix_transpose, trace
from weft.ir.ops.reduce import reduce_max, reduce_sum
from weft.ir.ops.shape import broadcast, full, reshape, slice_axis
from weft.ir.primitive import Primitive, library
from weft.ir.rules import add_all, batch_all, zeros_like
from weft.ir.types import INT64, ArrayType, is_complex, real_dtype

# Systems


def _factored_type(
    a: ArrayType, packed: ArrayType, permutation: ArrayType, b: ArrayType, *, trans: int
) -> ArrayType:
    check_matrices("solve", a, square=True)
    check_matrices("solve", b)
    if packed.shape != a.shape or permutation.shape != a.shape[:-1] or b.shape[:-1] != a.shape[:-1]:
        raise ShapeError(f"solve got shapes that do not go together: {a} and {b}.")
    if not a.dtype == packed.dtype == b.dtype or permutation.dtype != INT32:
        raise DTypeError(f"solve got arguments of different dtypes: {a} and {b}.")
    return b


def _factored_reference(
    a: np.ndarray, packed: np.ndarray, permutation: np.ndarray, b: np.ndarray, *, trans: int
) -> Any:
    def triangular(b: np.ndarray, lower: bool) -> Any:
        return triangular_solve_p.reference(
            packed, b, left_side=True, lower=lower, trans=trans, unit_diagonal=lower
        )

    rows = permutation[..., None].astype(np.int64)
    if trans == 0:  # a[permutation] = L U
        return triangular(triangular(np.take_along_axis(b, rows, -2), lower=True), lower=False)
    x = np.empty_like(b, order="C")
    np.put_along_axis(
        x, np.broadcast_to(rows, b.shape), triangular(triangular(b, lower=False), lower=True), -2
    )
    return x


def _factored_jvp(prim: Primitive, primals: Any, tangents: Any, params: Any, answer: Any) -> Any:
    # op(A) x = b gives op(A) dx = db - op(dA) x: the same factors again.
    (x,), (a, packed, permutation, _) = answer(), primals
    a_dot, _, _, b_dot = tangents
    from_a = None if a_dot is None else neg(matmul(transposed_by(params["trans"], a_dot), x))
    change = add_all([b_dot, from_a])
    return (x,), (None if change is None else prim.bind(a, packed, permutation, change, **params),)


def _factored_transpose(prim: Primitive, cts: Any, ins: Any, params: Any) -> list[Any]:
    a, packed, permutation, _ = ins
    a, trans = turned_round(a, params["trans"])
    packed, _ = turned_round(packed, params["trans"])
    return [None, None, None, prim.bind(a, packed, permutation, cts[0], trans=trans)]


solve_factored_p = Primitive(
    "solve_factored",
    type_rule=_factored_type,
    reference=_factored_reference,
    jvp=_factored_jvp,
    transpose=_factored_transpose,
    batch=batch_right_hand_sides,
    lower=library("solve_factored"),
)


def solve_factored(a: Any, packed: Any, permutation: Any, b: Any, trans: int = 0) -> Any:
    """Solve ``op(a) @ x == b`` with the factors ``lu(a)`` at hand.

    Derivatives are by ``a`` and ``b``; the factors are taken as constants that go with ``a``.

    Args:
        a: matrices ``(..., n, n)``.
        packed: the first result of ``lu(a)``.
        permutation: its last result.
        b: right-hand sides ``(..., n, k)``.
        trans: ``op(a)`` is ``a`` (0), its transpose (1) or its adjoint (2).

    Returns:
        Array of the type of ``b``; infinite or NaN where ``a`` is singular.
    """
    trans = 1 if trans == 2 and not is_complex(a.dtype) else int(trans)
    return solve_factored_p.bind(a, packed, permutation, b, trans=trans)


def solve(a: Any, b: Any) -> Any:
    """Solve ``a @ x == b``.

    Args:
        a: matrices ``(..., n, n)``, float32, float64 or complex.
        b: right-hand sides ``(..., n, k)`` of the same dtype and leading axes.

    Returns:
        Array of the type of ``b``; infinite or NaN where ``a`` is singular.

    Raises:
        ShapeError, DTypeError: the operands do not go together.
    """
    packed, _, permutation = lu(stop_gradient(a))
    return solve_factored(a, packed, permutation, b)


def inv(a: Any) -> Any:
    """The inverse of square matrices ``(..., n, n)``; infinite or NaN where singular."""
    *lead, _, n = a.shape
    return solve(a, identity(tuple(lead), n, a.dtype))


# Determinants


def _adjugate_reference(x: np.ndarray) -> np.ndarray:
    out = np.empty_like(x, order="C")
    n = x.shape[-1]
    for i in np.ndindex(x.shape[:-2]):
        out[i] = _adjugate(x[i]) if n else x[i]
    return out


def _adjugate(a: np.ndarray) -> Any:
    """``det(a) inv(a)`` where that is accurate, else by singular values, of which it is a polynomial."""
    try:
        inverse = np.linalg.inv(a)
        if np.linalg.norm(a, 1) * np.linalg.norm(inverse, 1) < 1e3:
            return np.linalg.det(a) * inverse
    except np.linalg.LinAlgError:
        pass  # singular
    try:
        u, s, vh = np.linalg.svd(a)
    except np.linalg.LinAlgError:
        return np.full_like(a, np.nan)
    others = np.array([np.prod(np.delete(s, k)) for k in range(len(s))], s.dtype)
    return np.linalg.det(u) * np.linalg.det(vh) * (vh.conj().T * others) @ u.conj().T


def _adjugate_jvp(prim: Primitive, primals: Any, tangents: Any, params: Any, answer: Any) -> Any:
    # adj(A) = det(A) A^-1: d adj = tr(A^-1 dA) adj - A^-1 dA adj
    (out,) = answer()
    change = solve(primals[0], tangents[0])
    scale = broadcast(trace(change), out.shape, tuple(range(len(out.shape) - 2)))
    return (out,), (sub(mul(scale, out), matmul(change, out)),)


def _square_type(name: str) -> Any:
    def type_rule(x: ArrayType) -> ArrayType:
        check_matrices(name, x, square=True)
        return x

    return type_rule


adjugate_p = Primitive(
    "adjugate",
    type_rule=_square_type("adjugate"),
    reference=_adjugate_reference,
    jvp=_adjugate_jvp,
    transpose=None,
    batch=batch_all,
    lower=library("adjugate"),
)


def adjugate(a: Any) -> Any:
    """``det(a) * inv(a)`` of square matrices, singular ones included: the derivative of `det`, transposed."""
    return adjugate_p.bind(a)


def _det_type(x: ArrayType) -> ArrayType:
    check_matrices("det", x, square=True)
    return x.with_shape(x.shape[:-2])


def _det_jvp(prim: Primitive, primals: Any, tangents: Any, params: Any, answer: Any) -> Any:
    (a,), (t,) = primals, tangents
    n = len(a.shape)
    return answer(), (reduce_sum(mul(matrix_transpose(adjugate(a)), t), (n - 2, n - 1)),)


det_p = Primitive(
    "det",
    type_rule=_det_type,
    reference=lambda x: np.asarray(np.linalg.det(x), x.dtype),
    jvp=_det_jvp,
    transpose=None,
    batch=batch_all,
    lower=library("det"),
)


def det(a: Any) -> Any:
    """The determinant of matrices ``(..., n, n)``; 1 for ``n == 0``.

    Those of two and three rows are written out as sums of products. The first derivative is exact for singular matrices too,
    the second for regular and written out ones.
    """
    n, dtype = len(a.shape), np.dtype(a.dtype)
    if n < 2 or a.shape[n - 2 :] not in ((2, 2), (3, 3)) or dtype.kind not in "fc":
        return det_p.bind(a)
    size = a.shape[n - 1]

    def at(i: int, j: int) -> Any:
        return reshape(slice_axis(slice_axis(a, n - 2, i, i + 1), n - 1, j, j + 1), a.shape[: n - 2])

    def minor(i: int, j: int) -> Any:
        """The product of a pair from rows ``size - 2`` and ``size - 1`` less that of the other pair."""
        return sub(mul(at(size - 2, i), at(size - 1, j)), mul(at(size - 2, j), at(size - 1, i)))

    if size == 2:
        return minor(0, 1)
    return add(mul(at(0, 0), minor(1, 2)), sub(mul(at(0, 2), minor(0, 1)), mul(at(0, 1), minor(0, 2))))


def _slogdet_type(x: ArrayType) -> tuple[ArrayType, ...]:
    check_matrices("slogdet", x, square=True)
    lead = x.shape[:-2]
    return ArrayType(lead, x.dtype), ArrayType(lead, real_dtype(x.dtype))


def _slogdet_reference(x: np.ndarray) -> tuple[np.ndarray, ...]:
    sign, size = np.linalg.slogdet(x)
    return np.asarray(sign, x.dtype), np.asarray(size, real_dtype(x.dtype))


def _slogdet_jvp(prim: Primitive, primals: Any, tangents: Any, params: Any, answer: Any) -> Any:
    # d log det(A) = tr(A^-1 dA): its real part is the size's, its imaginary part turns the sign.
    sign, size = answer()
    change = trace(solve(primals[0], tangents[0]))
    if not is_complex(change.dtype):
        return (sign, size), (None, change)
    turn = imag(change)
    return (sign, size), (mul(sign, complex_(zeros_like(turn), turn)), real(change))


slogdet_p = Primitive(
    "slogdet",
    type_rule=_slogdet_type,
    reference=_slogdet_reference,
    jvp=_slogdet_jvp,
    transpose=None,
    batch=batch_all,
    lower=library("slogdet"),
    multiple=True,
)


def slogdet(a: Any) -> Any:
    """``(sign, log(abs(det(a))))`` of matrices ``(..., n, n)``: 0 and ``-inf`` where singular."""
    return slogdet_p.bind(a)


# Least squares


def _pinv_type(x: ArrayType, cut: ArrayType | None = None, *, rtol: float | None) -> ArrayType:
    check_matrices("pinv", x)
    *lead, m, n = x.shape
    if cut is not None and cut != ArrayType((*lead, 1, 1), real_dtype(x.dtype)):
        raise ShapeError(f"pinv of {x} got {cut} for what counts as zero in each matrix.")
    return x.with_shape((*lead, n, m))


def _pinv_reference(x: np.ndarray, cut: np.ndarray | None = None, *, rtol: float | None) -> np.ndarray:
    real = real_dtype(x.dtype)

    def find(a: np.ndarray, share: np.ndarray) -> tuple[np.ndarray]:
        return (np.asarray(np.linalg.pinv(a, rcond=share[..., 0, 0]), x.dtype),)

    share = np.full((*x.shape[:-2], 1, 1), rtol, real) if cut is None else cut
    (out,) = or_nan(find, x, lambda t: (_pinv_type(t, rtol=rtol),), share)
    return np.asarray(out)


def _pinv_jvp(prim: Primitive, primals: Any, tangents: Any, params: Any, answer: Any) -> Any:
    # Golub & Pereyra (1973), doi:10.1137/0710036, for matrices that keep their rank:
    # dP = -P dA P + P P^H dA^H (1 - A P) + (1 - P A) dA^H P^H P
    (p,), a, t = answer(), primals[0], tangents[0]
    ph, th = adjoint(p), adjoint(t)
    left, right = matmul(a, p), matmul(p, a)
    through = neg(matmul(matmul(p, t), p))
    rows = matmul(matmul(matmul(p, ph), th), sub(eye_like(left), left))
    columns = matmul(matmul(sub(eye_like(right), right), th), matmul(ph, p))
    return (p,), (add_all([through, rows, columns]),)


pinv_p = Primitive(
    "pinv",
    type_rule=_pinv_type,
    reference=_pinv_reference,
    jvp=_pinv_jvp,
    transpose=None,
    batch=batch_all,
    lower=library("pinv"),
)


def _default_rtol(a: Any) -> float:
    return float(np.finfo(a.dtype).eps) * max(a.shape[-2:], default=1)


def pinv(a: Any, rtol: Any = None) -> Any:
    """The Moore-Penrose pseudo-inverse ``(..., n, m)`` of matrices ``(..., m, n)``.

    Args:
        a: float32, float64 or complex.
        rtol: singular values up to ``rtol`` times the largest are taken as zero: a number, or an array of the real dtype
            of ``a`` and of shape ``(...)``; by default ten times the machine's epsilon times ``max(m, n)``.

    Returns:
        Array of the dtype of ``a``. Its derivative is that among matrices of the same rank.

    Raises:
        ShapeError, DTypeError: ``a`` is not a stack of matrices of such a dtype.
    """
    check_matrices("pinv", ArrayType(tuple(a.shape), a.dtype))
    if rtol is None or isinstance(rtol, float):
        return pinv_p.bind(a, rtol=10 * _default_rtol(a) if rtol is None else rtol)
    return pinv_p.bind(a, stop_gradient(reshape(rtol, (*rtol.shape, 1, 1))), rtol=None)


def lstsq(a: Any, b: Any, rtol: float | None = None) -> tuple[Any, Any, Any, Any]:
    """The shortest ``x`` that minimises ``|a @ x - b|``.

    Args:
        a: matrices ``(..., m, n)``, float32, float64 or complex.
        b: right-hand sides ``(..., m, k)`` of the same dtype.
        rtol: singular values up to ``rtol`` times the largest are taken as zero; by default the machine's
            epsilon times ``max(m, n)``.

    Returns:
        ``(x, residuals, rank, s)``: the solution ``(..., n, k)``, the squared distances ``(..., k)`` between
        ``a @ x`` and ``b``, the rank as int64, and the singular values of ``a``, descending.

    Raises:
        ShapeError, DTypeError: the operands do not go together.
    """
    from weft.ir.ops.spectral import singular_values  # which stands on this file

    check_matrices("lstsq", ArrayType(tuple(a.shape), a.dtype))
    rtol = _default_rtol(a) if rtol is None else float(rtol)
    x = matmul(pinv(a, rtol), b)
    distance = abs_(sub(matmul(a, x), b))
    s = singular_values(a)
    axis = len(s.shape) - 1
    if s.shape[-1]:
        largest = broadcast(reduce_max(s, (axis,)), s.shape, tuple(range(axis)))
        rank = reduce_sum(cast(gt(s, mul(largest, full_like(s, rtol))), INT64), (axis,))
    else:
        rank = full(s.shape[:-1], 0, INT64)
    return x, reduce_sum(mul(distance, distance), (axis,)), rank, s
