"""Functions of matrices: exponentials, logarithms, powers, and any that has a value and a slope at eigenvalues.

The one idea: exponentials (and sines, which are made of them) are computed by matrix products, and their derivatives are those
of the products. Logarithms and powers are primitives, whose derivatives are functions of block matrices.

Where a function of a real matrix need not be real (logarithms and powers that are no integers), it is always complex: whether
it could be real depends on values, which are not known while a function is traced.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import weft.numpy as wnp
from weft import lax
from weft.engine.dispatch import numpy_function
from weft.engine.transforms.custom import custom_jvp, stop_gradient
from weft.engine.transforms.differentiate import jvp
from weft.ir.errors import ArgumentError, ShapeError
from weft.ir.ops import matrix_functions
from weft.ir.types import complex_dtype, is_complex
from weft.scipy.arguments import function, inexact, one_of
from weft.scipy.linalg.factors import adjoint, schur, square
from weft.scipy.linalg.spectra import eig

_log = numpy_function(None)(matrix_functions.matrix_log)
_power = numpy_function(None)(matrix_functions.matrix_power)

# The numerator p(x) of the rational approximation p(x) / p(-x) of exp, and up to which norm it is as exact as the dtype.
_PADE = {
    4: (3.925724783138660, (17297280, 8648640, 1995840, 277200, 25200, 1512, 56, 1)),
    8: (
        5.371920351148152,
        (
            64764752532480000, 32382376266240000, 7771770303897600, 1187353796428800, 129060195264000, 10559470521600,
            670442572800, 33522128640, 1323241920, 40840800, 960960, 16380, 182, 1,
        ),
    ),
}  # fmt: skip


def expm(A: Any, *, upper_triangular: bool = False, max_squarings: int | None = None) -> Any:
    """The exponential of square matrices ``(..., n, n)``.

    Args:
        A: matrices.
        upper_triangular: accepted for compatibility.
        max_squarings: where a matrix would need more squarings than this, its result is NaN; no bound by default.

    Source: N. Higham, "The scaling and squaring method for the matrix exponential revisited", SIAM J. Matrix Anal. Appl. 26
    (2005), doi:10.1137/04061101X.
    """
    a = square("expm", A)
    largest, coefficients = _PADE[np.finfo(a.dtype).dtype.itemsize]
    norm = wnp.max(wnp.sum(wnp.abs(stop_gradient(a)), axis=-2), axis=-1, initial=0.0)
    halvings = wnp.ceil(wnp.log2(wnp.maximum(norm, largest) / largest))
    halvings = wnp.where(wnp.isfinite(norm), halvings, 0).astype(np.int32)
    scale = wnp.exp2(-halvings.astype(norm.dtype)).astype(a.dtype)
    result = _rational_exp(a * scale[..., None, None], coefficients)

    def square_again(i: Any, x: Any) -> Any:
        return wnp.where((i < halvings)[..., None, None], x @ x, x)

    result = lax.fori_loop(0, wnp.max(halvings, initial=0), square_again, result)
    if max_squarings is not None:
        result = wnp.where((halvings > max_squarings)[..., None, None], wnp.asarray(np.nan, a.dtype), result)
    return result


def _rational_exp(a: Any, coefficients: tuple[int, ...]) -> Any:
    """``inverse(p(-a)) @ p(a)``: even powers are found once for both."""
    unit = wnp.eye(a.shape[-1], dtype=a.dtype)
    squared = a @ a
    powers = [unit, squared]
    for _ in range(2, min(len(coefficients) // 2, 4)):
        powers.append(powers[-1] @ squared)
    scaled = [float(c) / float(coefficients[0]) for c in coefficients]

    def polynomial(c: list[float]) -> Any:  # of the square
        low = _combination(powers, c[:4])
        return low if len(c) <= 4 else low + powers[3] @ _combination(powers[1:], c[4:])

    even, odd = polynomial(scaled[0::2]), a @ polynomial(scaled[1::2])
    return wnp.linalg.solve(even - odd, even + odd)


def _combination(xs: list[Any], coefficients: list[float]) -> Any:
    total = xs[0] * coefficients[0]
    for x, c in zip(xs[1:], coefficients[1:], strict=False):
        total = total + x * c
    return total


def expm_frechet(
    A: Any, E: Any, method: str | None = None, compute_expm: bool = True, check_finite: bool = True
) -> Any:
    """The exponential of matrices and its derivative in the direction ``E``.

    Args:
        A: matrices ``(..., n, n)``.
        E: matrices of the same shape.
        method: accepted for compatibility.
        compute_expm: give both; else the derivative alone.
        check_finite: accepted for compatibility.
    """
    a, direction = inexact("expm_frechet", A, E)
    if a.ndim < 2 or a.shape[-1] != a.shape[-2] or a.shape != direction.shape:
        raise ShapeError(
            f"expm_frechet takes two square matrices of one size, got {a.shape} and {direction.shape}."
        )
    value, change = jvp(expm, (a,), (direction,))
    return (value, change) if compute_expm else change


# Sines


def _with_exponential(
    name: str, A: Any, of_real: Callable[[Any], Any], of_complex: Callable[[Any], Any]
) -> Any:
    """A function of ``exp(i a)``, for real ``a``, or of that and ``exp(-i a)``."""
    a = square(name, A)
    return of_complex(a) if is_complex(a.dtype) else of_real(expm(1j * a))


def cosm(A: Any) -> Any:
    """The cosine of square matrices ``(..., n, n)``."""
    return _with_exponential("cosm", A, wnp.real, lambda a: 0.5 * (expm(1j * a) + expm(-1j * a)))


def sinm(A: Any) -> Any:
    """The sine of square matrices ``(..., n, n)``."""
    return _with_exponential("sinm", A, wnp.imag, lambda a: -0.5j * (expm(1j * a) - expm(-1j * a)))


def tanm(A: Any) -> Any:
    """The tangent of square matrices ``(..., n, n)``."""
    return wnp.linalg.solve(cosm(A), sinm(A))


def coshm(A: Any) -> Any:
    """The hyperbolic cosine of square matrices ``(..., n, n)``."""
    a = square("coshm", A)
    return 0.5 * (expm(a) + expm(-a))


def sinhm(A: Any) -> Any:
    """The hyperbolic sine of square matrices ``(..., n, n)``."""
    a = square("sinhm", A)
    return 0.5 * (expm(a) - expm(-a))


def tanhm(A: Any) -> Any:
    """The hyperbolic tangent of square matrices ``(..., n, n)``."""
    return wnp.linalg.solve(coshm(A), sinhm(A))


# Logarithms and powers


def logm(A: Any, disp: bool = True) -> Any:
    """The principal logarithm of square matrices ``(..., n, n)``, always complex."""
    return _log(square("logm", A))


def sqrtm(A: Any, blocksize: int = 1) -> Any:
    """The principal square root of square matrices ``(..., n, n)``, always complex.

    Args:
        A: matrices, without negative eigenvalues for a root that is real.
        blocksize: accepted for compatibility.
    """
    return _power(square("sqrtm", A), 0.5)


def fractional_matrix_power(A: Any, t: float) -> Any:
    """The principal power ``t``, a real number that is not traced, of square matrices; complex unless ``t`` is an integer."""
    a = square("fractional_matrix_power", A)
    if not isinstance(t, int | float | np.integer | np.floating):
        raise ArgumentError(f"fractional_matrix_power takes a number for t, got {t!r}.")
    return wnp.linalg.matrix_power(a, int(t)) if float(t).is_integer() else _power(a, float(t))


def signm(A: Any, disp: bool = True) -> Any:
    """The sign of square matrices ``(..., n, n)``: eigenvalues become the sign of their real parts."""
    a = square("signm", A)
    root = sqrtm(a @ a)
    root = root if is_complex(a.dtype) else wnp.real(root)
    return wnp.linalg.solve(root, a)


# Any function


def funm(A: Any, func: Callable[[Any], Any], disp: bool = True) -> Any:
    """A function of square matrices, from one of numbers.

    Args:
        A: matrices ``(..., n, n)`` whose eigenvalues differ.
        func: elementwise, holomorphic function of a complex array.
        disp: give the result alone; else ``(result, error)`` with an estimate of the relative error.

    Returns:
        Array of the shape of ``A``, always complex.

    Source: Golub & Van Loan, "Matrix Computations", algorithm 9.1.1 (Parlett's recurrence on the Schur form); the derivative
    is the theorem of Daletskii and Krein.
    """
    one_of("funm", "disp", disp, (True, False))
    a = square("funm", A)
    function("funm", "func", func)

    @custom_jvp
    def run(a: Any) -> tuple[Any, Any]:
        t, z = schur(a, "complex")
        values, slack = _of_triangle(t, func)
        return z @ values @ adjoint(z), slack

    @run.defjvp
    def _(primals: Any, tangents: Any) -> Any:
        (a,), (a_dot,) = primals, tangents
        out, slack = run(a)
        w, v = eig(a)
        values, slopes = jvp(func, (w,), (wnp.ones_like(w),))
        gaps = w[..., :, None] - w[..., None, :]
        same = gaps == 0
        quotients = (values[..., :, None] - values[..., None, :]) / wnp.where(same, 1, gaps)
        quotients = wnp.where(same, slopes[..., None, :], quotients)
        inner = wnp.linalg.solve(v, a_dot.astype(v.dtype) @ v) * quotients
        out_dot = adjoint(wnp.linalg.solve(adjoint(v), adjoint(v @ inner)))
        return (out, slack), (out_dot, wnp.zeros_like(slack))

    result, error = run(a)
    return result if disp else (result, error)


def _of_triangle(t: Any, func: Callable[[Any], Any]) -> tuple[Any, Any]:
    """``func`` of triangular matrices, and how inexact it may be.

    It commutes with the matrix: where it is known up to one diagonal, that says the next.
    """
    n = t.shape[-1]
    diagonal = wnp.linalg.diagonal(t)
    gaps = diagonal[..., None, :] - diagonal[..., :, None]
    same = gaps == 0
    rows, columns = np.indices((n, n))
    start = wnp.eye(n, dtype=t.dtype) * func(diagonal)[..., None, :]

    def next_diagonal(p: Any, f: Any) -> Any:
        found = (t @ f - f @ t) / wnp.where(same, 1, gaps)
        return wnp.where(columns - rows == p, found, f)

    result = lax.fori_loop(1, n, next_diagonal, start)
    epsilon = np.finfo(t.dtype).eps
    smallest = wnp.min(wnp.where(same, np.inf, wnp.abs(gaps)), axis=(-1, -2), initial=np.inf)
    size = wnp.max(wnp.abs(wnp.triu(t, 1)), axis=(-1, -2), initial=0.0)
    error = wnp.minimum(1.0, wnp.maximum(epsilon, epsilon / smallest * size))
    return result, error.astype(complex_dtype(t.dtype)).real
