"""Sylvester equations, logarithms and powers of matrices, over any leading axes.

The one idea: a function of a block matrix holds its own derivative: ``f([[A, E], [0, A]]) = [[f(A), L(A, E)], [0, f(A)]]``,
where ``L(A, E)`` is the change of ``f(A)`` with ``A`` in the direction ``E``. So one primitive is the function and one its
change, whose own derivative is the change of a block matrix, and so on to any order, where eigenvalues coincide too.

Source: R. Mathias, "A chain rule for matrix functions and applications", SIAM J. Matrix Anal. Appl. 17 (1996),
doi:10.1137/S0895479895283409.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from weft.ir.errors import DTypeError, ShapeError
from weft.ir.ops.contract import matmul
from weft.ir.ops.elementwise import cast, neg
from weft.ir.ops.linalg import check_matrices
from weft.ir.ops.matrix import matrix_transpose
from weft.ir.ops.matrix_forms import each_matrix
from weft.ir.ops.shape import concatenate, slice_axis
from weft.ir.primitive import HOST, Primitive, library
from weft.ir.rules import add_all, batch_all, zeros_like
from weft.ir.types import ArrayType, complex_dtype, is_complex

# sylvester


def _sylvester_type(a: ArrayType, b: ArrayType, c: ArrayType) -> ArrayType:
    for x, square in ((a, True), (b, True), (c, False)):
        check_matrices("sylvester", x, square=square)
    if (
        a.shape[:-2] != c.shape[:-2]
        or b.shape[:-2] != c.shape[:-2]
        or (a.shape[-1], b.shape[-1]) != c.shape[-2:]
    ):
        raise ShapeError(f"sylvester takes (..., m, m), (..., n, n) and (..., m, n), got {a}, {b} and {c}.")
    if not a.dtype == b.dtype == c.dtype:
        raise DTypeError(f"sylvester got arguments of different dtypes: {a}, {b} and {c}.")
    return c


def _sylvester_reference(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> np.ndarray:
    from scipy.linalg import solve_sylvester

    return each_matrix(lambda *abc: (solve_sylvester(*abc),), [ArrayType(c.shape, c.dtype)], a, b, c)[0]


def _sylvester_jvp(prim: Primitive, primals: Any, tangents: Any, params: Any, answer: Any) -> Any:
    # A X + X B = C gives A dX + dX B = dC - dA X - X dB.
    (x,), (a, b, _), (a_dot, b_dot, c_dot) = answer(), primals, tangents
    by_a = None if a_dot is None else neg(matmul(a_dot, x))
    by_b = None if b_dot is None else neg(matmul(x, b_dot))
    return (x,), (sylvester(a, b, add_all([c_dot, by_a, by_b])),)


def _sylvester_transpose(prim: Primitive, cts: Any, ins: Any, params: Any) -> list[Any]:
    return [None, None, sylvester(matrix_transpose(ins[0]), matrix_transpose(ins[1]), cts[0])]


sylvester_p = Primitive(
    "sylvester",
    type_rule=_sylvester_type,
    reference=_sylvester_reference,
    jvp=_sylvester_jvp,
    transpose=_sylvester_transpose,
    batch=batch_all,
    lower=library("sylvester"),
)


def sylvester(a: Any, b: Any, c: Any) -> Any:
    """Solve ``a @ x + x @ b == c``.

    Args:
        a: matrices ``(..., m, m)``, float32, float64 or complex.
        b: matrices ``(..., n, n)``.
        c: matrices ``(..., m, n)``.

    Returns:
        Array of the type of ``c``; large or NaN where an eigenvalue of ``a`` is the negative of one of ``b``.

    Raises:
        ShapeError, DTypeError: the operands do not go together.
    """
    return sylvester_p.bind(a, b, c)


# matrix_function


def _function_type(x: ArrayType, *, function: str, exponent: float) -> ArrayType:
    check_matrices("matrix_function", x, square=True)
    if not is_complex(x.dtype):
        raise DTypeError(f"matrix_function takes complex matrices, got {x}.")
    return x


def _triangular_root(t: np.ndarray) -> np.ndarray:
    """The square root of an upper triangular complex matrix: of its halves, and what a Sylvester equation says between."""
    from scipy.linalg.lapack import ztrsyl

    n = len(t)
    if n <= 1:
        return np.asarray(np.sqrt(t))
    upper, lower = _triangular_root(t[: n // 2, : n // 2]), _triangular_root(t[n // 2 :, n // 2 :])
    between, scale, _ = ztrsyl(upper, lower, t[: n // 2, n // 2 :])
    root = np.zeros_like(t)
    root[: n // 2, : n // 2], root[n // 2 :, n // 2 :] = upper, lower
    root[: n // 2, n // 2 :] = between / (scale or 1.0)
    return root


# log(1 + x) is the integral of x / (1 + s x) for s from 0 to 1: as exact as double precision up to this norm of x.
_NEAR_ONE, _ABSCISSAS = 0.25, 8


def _triangular_log(t: np.ndarray) -> np.ndarray:
    """The logarithm of an upper triangular complex matrix: of a root near 1, times the root's order.

    Source: N. Higham, "Functions of Matrices" (2008), sections 11.4 and 11.5.
    """
    from scipy.linalg.lapack import ztrtrs

    values = np.diagonal(t)
    if not np.all(values):
        raise np.linalg.LinAlgError("a singular matrix has no logarithm")
    unit, root, halvings = np.eye(len(t)), t, 0
    while np.linalg.norm(root - unit, 1) > _NEAR_ONE and halvings < 200:
        root, halvings = _triangular_root(root), halvings + 1
    rest = root - unit
    np.fill_diagonal(rest, np.expm1(np.log(values) / 2.0**halvings))  # without cancellation
    points, weights = np.polynomial.legendre.leggauss(_ABSCISSAS)
    total = np.zeros_like(t)
    for point, weight in zip(points / 2 + 0.5, weights / 2, strict=True):
        total += weight * ztrtrs(unit + point * rest, rest)[0]
    total *= 2.0**halvings
    np.fill_diagonal(total, np.log(values))
    return total


def _function_reference(x: np.ndarray, *, function: str, exponent: float) -> np.ndarray:
    from scipy.linalg import fractional_matrix_power, schur

    def run(a: np.ndarray) -> tuple[Any]:
        if function == "power" and exponent != 0.5:
            return (fractional_matrix_power(a, exponent),)
        t, z = schur(a, "complex")
        found = _triangular_log(t) if function == "log" else _triangular_root(t)
        return (z @ found @ z.conj().T,)

    return each_matrix(run, [ArrayType(x.shape, x.dtype)], x.astype(np.complex128))[0]


def _function_jvp(prim: Primitive, primals: Any, tangents: Any, params: Any, answer: Any) -> Any:
    return answer(), (matrix_change_p.bind(primals[0], tangents[0], **params),)


matrix_function_p = Primitive(
    "matrix_function",
    type_rule=_function_type,
    reference=_function_reference,
    jvp=_function_jvp,
    transpose=None,
    batch=batch_all,
    lower=library("matrix_function"),
)


# matrix_change


def _blocks(a: Any, e: Any) -> Any:
    """``[[a, e], [0, a]]``."""
    rows = len(a.shape) - 2
    upper = concatenate([a, e], rows + 1)
    return concatenate([upper, concatenate([zeros_like(a), a], rows + 1)], rows)


def _upper_right(x: Any) -> Any:
    rows, n = len(x.shape) - 2, x.shape[-1] // 2
    return slice_axis(slice_axis(x, rows, 0, n), rows + 1, n, 2 * n)


def _change_type(a: ArrayType, e: ArrayType, *, function: str, exponent: float) -> ArrayType:
    _function_type(a, function=function, exponent=exponent)
    if a != e:
        raise ShapeError(f"matrix_change takes two stacks of matrices of one type, got {a} and {e}.")
    return e


def _change_reference(a: np.ndarray, e: np.ndarray, *, function: str, exponent: float) -> np.ndarray:
    # The change is linear in e: of the size of a, it is found as exactly as the function.
    size = np.max(np.abs(a), (-1, -2), initial=0, keepdims=True)
    length = np.max(np.abs(e), (-1, -2), initial=0, keepdims=True)
    with np.errstate(all="ignore"):
        scale = np.where((size > 0) & (length > 0), size / length, 1)
        blocks = _blocks(a.astype(np.complex128), e * scale)
        change: np.ndarray = (
            _upper_right(_function_reference(blocks, function=function, exponent=exponent)) / scale
        )
    return change.astype(a.dtype)


def _change_jvp(prim: Primitive, primals: Any, tangents: Any, params: Any, answer: Any) -> Any:
    (a, e), (a_dot, e_dot) = primals, tangents
    if a_dot is None:
        return answer(), (prim.bind(a, e_dot, **params),)
    change = _blocks(a_dot, zeros_like(e) if e_dot is None else e_dot)
    return answer(), (_upper_right(prim.bind(_blocks(a, e), change, **params)),)


def _change_transpose(prim: Primitive, cts: Any, ins: Any, params: Any) -> list[Any]:
    return [None, prim.bind(matrix_transpose(ins[0]), cts[0], **params)]


matrix_change_p = Primitive(
    "matrix_change",
    type_rule=_change_type,
    reference=_change_reference,
    jvp=_change_jvp,
    transpose=_change_transpose,
    batch=batch_all,
    lower=HOST,
)


def matrix_log(x: Any) -> Any:
    """The principal logarithm of square matrices ``(..., n, n)``, always complex; NaN where there is none."""
    return matrix_function_p.bind(cast(x, complex_dtype(x.dtype)), function="log", exponent=0.0)


def matrix_power(x: Any, exponent: float) -> Any:
    """The principal power, of any real exponent, of square matrices ``(..., n, n)``, always complex."""
    return matrix_function_p.bind(cast(x, complex_dtype(x.dtype)), function="power", exponent=float(exponent))
