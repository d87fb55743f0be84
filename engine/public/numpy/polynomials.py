"""Polynomials by their coefficients, the highest power first: arithmetic, calculus, roots and fits.

The one idea: a traced array has one shape whatever it holds, so what NumPy finds out by looking at coefficients (that leading
ones are zero) is not looked for in traced ones; each function says what that changes.
"""

from __future__ import annotations

from typing import Any

import numpy as np

import weft.numpy as wnp
from weft.engine.dispatch import as_dtype, common_dtype
from weft.ir.builder import Value, concrete
from weft.ir.errors import ArgumentError, ShapeError
from weft.ir.ops import elementwise as e
from weft.ir.ops import shape as s
from weft.ir.types import INT64
from weft.numpy.joining import concatenate
from weft.numpy.numerics import convolve
from weft.numpy.staging import like_numpy, static_int, to_inexact, value
from weft.numpy.ufuncs import FUNCTIONS

__all__ = ["poly", "polyadd", "polyder", "polydiv", "polyfit", "polyint", "polymul", "polysub", "roots"]


def _coefficients(p: Any, name: str) -> Any:
    p = value(p, name)
    if p.ndim > 1:
        raise ShapeError(f"{name} takes vectors of coefficients, got an array of shape {p.shape}.")
    return s.reshape(p, (p.size,))


def _together(a1: Any, a2: Any, name: str) -> Any:
    """Two polynomials, the shorter one with zeros in front, given to an elementwise function."""
    parts = [_coefficients(a, name) for a in (a1, a2)]
    n = max(p.shape[0] for p in parts)
    padded = [s.pad(p, np.zeros((), p.dtype), [n - p.shape[0]], [0]) for p in parts]
    return FUNCTIONS[name].staged(*padded)


@like_numpy(np.polyadd)
def polyadd(a1: Any, a2: Any) -> Any:
    """Sum of two polynomials."""
    return _together(a1, a2, "add")


@like_numpy(np.polysub)
def polysub(a1: Any, a2: Any) -> Any:
    """Difference of two polynomials."""
    return _together(a1, a2, "subtract")


@like_numpy(lambda a1, a2, *, trim_leading_zeros=True: np.polymul(a1, a2))
def polymul(a1: Any, a2: Any, *, trim_leading_zeros: bool = False) -> Any:
    """Product of two polynomials.

    Leading coefficients that are zero are dropped from NumPy arrays first; traced ones stay as long as they are, so that their
    product may have more leading zeros. ``trim_leading_zeros`` is accepted for JAX's sake.
    """
    a1, a2 = (_coefficients(a, "polymul") for a in (a1, a2))
    if not a1.size or not a2.size:
        return s.full((1,), 0, common_dtype(a1, a2))
    return convolve.staged(a1, a2)


@like_numpy(lambda u, v, *, trim_leading_zeros=True: np.polydiv(u, v))
def polydiv(u: Any, v: Any, *, trim_leading_zeros: bool = False) -> Any:
    """Quotient and remainder of two polynomials; the first coefficient of ``v`` must not be zero.

    NumPy drops leading coefficients of the remainder that are about zero; of traced polynomials the remainder is as long as
    ``u``. ``trim_leading_zeros`` is accepted for JAX's sake.
    """
    from weft.lax import fori_loop

    u, v = (to_inexact(_coefficients(a, "polydiv")) for a in (u, v))
    if not u.size or not v.size:
        raise ShapeError(f"polydiv got no coefficients: lengths {u.size} and {v.size}.")
    dtype = common_dtype(u, v)
    u, v = as_dtype(u, dtype), as_dtype(v, dtype)
    steps, width = u.shape[0] - v.shape[0] + 1, v.shape[0]
    scale = 1 / wnp.asarray(v)[0]

    def step(k: Any, state: Any) -> Any:
        quotient, rest = state
        d = scale * rest[k]
        return quotient.at[k].set(d), rest.at[k + wnp.arange(width)].add(-d * v)

    start = wnp.zeros(max(steps, 1), dtype), wnp.asarray(u)
    return tuple(fori_loop(0, steps, step, start)) if steps > 0 else start


def _falling(n: int) -> Any:
    """``n, n - 1, ... 1``."""
    return e.sub(np.asarray(n, INT64), s.iota(INT64, (n,)))


@like_numpy(np.polyder)
def polyder(p: Any, m: Any = 1) -> Any:
    """Derivative of a polynomial, of order ``m``."""
    m, p = static_int(m, "polyder", "m"), _coefficients(p, "polyder")
    if m < 0:
        raise ArgumentError(f"polyder got m={m}: the order of a derivative is not negative.")
    for _ in range(m):
        n = max(p.shape[0] - 1, 0)
        p = FUNCTIONS["multiply"].staged(s.slice_axis(p, 0, 0, n), _falling(n))
    return p


@like_numpy(np.polyint)
def polyint(p: Any, m: Any = 1, k: Any = None) -> Any:
    """Antiderivative of a polynomial, of order ``m``, with the constants ``k`` (0 by default), that of the first one first."""
    m, p = static_int(m, "polyint", "m"), _coefficients(p, "polyint")
    if m < 0:
        raise ArgumentError(f"polyint got m={m}: the order of an integral is not negative.")
    constants = value([0.0] * m if k is None else k, "polyint", "k")
    constants = s.reshape(constants, (constants.size,))
    if constants.shape[0] == 1 and m > 1:
        constants = s.broadcast(s.reshape(constants, ()), (m,), ())
    if constants.shape[0] < m:
        raise ShapeError(f"polyint got {constants.shape[0]} constants for m={m}.")
    for i in range(m):
        divided = FUNCTIONS["divide"].staged(p, _falling(p.shape[0]))
        p = concatenate.staged([divided, s.slice_axis(constants, 0, i, i + 1)])
    return p


@like_numpy(np.poly)
def poly(seq_of_zeros: Any) -> Any:
    """The polynomial with given roots, or the characteristic polynomial of a square matrix; its first coefficient is 1.

    NumPy gives real coefficients where the roots are pairs of conjugates; of traced complex roots, and of traced matrices,
    the coefficients are complex.
    """
    from weft.lax import fori_loop
    from weft.numpy.linalg import eigvals

    zeros = value(seq_of_zeros, "poly")
    if zeros.ndim == 2 and zeros.shape[0] == zeros.shape[1] and zeros.size:
        zeros = value(eigvals(wnp.asarray(zeros)), "poly")
    elif zeros.ndim < 2:
        zeros = to_inexact(s.reshape(zeros, (zeros.size,)))
    else:
        raise ShapeError(f"poly takes a vector of roots or a square matrix, got shape {zeros.shape}.")
    n = zeros.shape[0]
    roots, first = wnp.asarray(zeros), wnp.zeros(n + 1, zeros.dtype).at[0].set(1)
    if n == 0:
        return first
    shifted = lambda a: wnp.pad(a[:-1], (1, 0))  # noqa: E731
    return fori_loop(0, n, lambda i, a: a - roots[i] * shifted(a), first)


@like_numpy(lambda p, *, strip_zeros=True: np.roots(p))
def roots(p: Any, *, strip_zeros: bool = True) -> Any:
    """Roots of a polynomial: the eigenvalues of its companion matrix.

    Args:
        p: coefficients.
        strip_zeros: look for leading coefficients that are zero, which needs their values. With ``False``, a traced ``p`` is
            taken as it is; where its first coefficient is zero the roots are NaN.

    Source: Horn & Johnson, Matrix Analysis, 2nd edition (2013), section 3.3.
    """
    from weft.numpy.linalg import eigvals

    p = to_inexact(_coefficients(p, "roots"))
    trailing = 0
    if strip_zeros:
        needed = "roots needs the coefficients, since leading zeros are dropped"
        known = concrete(p, needed, "With strip_zeros=False it does not look.") if isinstance(p, Value) else p
        places = np.nonzero(np.asarray(known))[0]
        if not places.size:
            return s.full((0,), 0, np.dtype(float))
        trailing = p.shape[0] - int(places[-1]) - 1
        p = s.slice_axis(p, 0, int(places[0]), int(places[-1]) + 1)
    n = p.shape[0] - 1
    if n < 1:
        return s.full((trailing,), 0, np.dtype(float))
    p = wnp.asarray(p)
    companion = wnp.diag(wnp.ones(n - 1, p.dtype), -1).at[0].set(-p[1:] / p[0])
    return wnp.pad(eigvals(companion), (0, trailing))


@like_numpy(np.polyfit)
def polyfit(
    x: Any, y: Any, deg: int, rcond: Any = None, full: bool = False, w: Any = None, cov: Any = False
) -> Any:
    """The polynomial of degree ``deg`` with the least squared distance from points.

    Args:
        x: places, a vector.
        y: what is measured there: a vector, or a column for each polynomial.
        deg: the degree.
        rcond: singular values up to ``rcond`` times the largest count as zero.
        full: give ``(p, residuals, rank, singular values, rcond)``.
        w: weights of the points; squared, they weigh squared distances.
        cov: give the covariance of the coefficients too; ``"unscaled"`` does not scale it by the residuals.
    """
    from weft.numpy.linalg import inv, lstsq

    deg = static_int(deg, "polyfit", "deg")
    x, y = (to_inexact(value(a, "polyfit")) for a in (x, y))
    if deg < 0:
        raise ArgumentError(f"polyfit got deg={deg}: a degree is not negative.")
    if x.ndim != 1 or not x.size or y.ndim not in (1, 2) or y.shape[0] != x.shape[0]:
        raise ShapeError(
            f"polyfit takes x of shape (n,) and y of (n,) or (n, k), got {x.shape} and {y.shape}."
        )
    n, order = x.shape[0], deg + 1
    rcond = n * float(wnp.finfo(x.dtype).eps) if rcond is None else rcond
    x, rhs = wnp.asarray(x), wnp.asarray(y)
    lhs = wnp.vander(x, order)
    if w is not None:
        w = wnp.asarray(to_inexact(value(w, "polyfit", "w")))
        if w.shape != x.shape:
            raise ShapeError(f"polyfit got weights of shape {w.shape} for {n} points.")
        lhs, rhs = lhs * w[:, None], rhs * (w[:, None] if rhs.ndim == 2 else w)
    scale = wnp.sqrt(wnp.sum(lhs * lhs, 0))
    lhs = lhs / scale
    c, residuals, rank, singular = lstsq(lhs, rhs, rcond)
    c = (c.T / scale).T
    if full:
        return c, residuals, rank, singular, rcond
    if not cov:
        return c
    base = inv(lhs.T @ lhs) / wnp.outer(scale, scale)
    if cov == "unscaled":
        factor: Any = 1
    elif n <= order:
        raise ArgumentError(
            f"polyfit got {n} points: to scale the covariance there must be more than {order}."
        )
    else:
        factor = residuals / (n - order)
    return c, (base if y.ndim == 1 else base[:, :, None]) * factor
