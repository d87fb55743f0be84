"""How a gamma variate moves with its shape parameter when its quantile stays: the derivative behind draws from gammas.

The one idea: with P the distribution function and p the density, ``P(a, x(a))`` is constant along a quantile, so
``dx/da = -(dP/da) / p``. Both are integrals of the same integrand, whose factors cancel in the quotient: no gamma function
is left, nothing over- or underflows, and all terms have one sign.

With ``m = log x - digamma(a)``, and ``t = x exp(s)`` in the integrals of ``(log t - digamma(a)) p(t)`` below or above ``x``,

    d log x / da  =  sign * int_0^inf (m + sign s) exp(a sign s - x expm1(sign s)) ds,    sign = +1 for m > 0, else -1

which Gauss-Legendre points on the interval where the integrand counts give to about 1e-13. Below ``x = 4`` it is the series

    -( (log x - digamma(a+1)) S + dS/da ) / a,    S = sum_k x**k / ((a+1) ... (a+k)).

Being a composition of primitives it has derivatives itself.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from weft.ir.ops.control import optimization_barrier
from weft.ir.ops.elementwise import (
    add,
    and_,
    cast,
    div,
    full_like,
    gt,
    is_finite,
    le,
    maximum,
    minimum,
    mul,
    neg,
    select,
    stop_gradient,
    sub,
)
from weft.ir.ops.reduce import reduce_sum
from weft.ir.ops.shape import broadcast, concatenate, full
from weft.ir.ops.transcendental import digamma, exp, expm1, lgamma, log, sqrt
from weft.ir.types import FLOAT64

_SPLIT = 4.0  # the series below, the integral above
_TERMS = 31  # 4**31 / 31! is 6e-16 of the first term
_DEPTH = 38.0  # exp(-38) of the integrand's height is left out
_ABSCISSAS = 32  # of the integral


def log_gamma_slope(a: Any, log_x: Any) -> Any:
    """``d log(x) / da`` of a gamma variate ``x`` of shape parameter ``a > 0``, for arrays of one shape and floating dtype.

    It takes the logarithm, so that it is exact for variates too small for their dtype. Computed in float64.
    """
    dtype = a.dtype
    a, log_x = cast(a, FLOAT64), cast(log_x, FLOAT64)
    x = exp(log_x)
    small = le(x, _SPLIT)
    slope = select(
        small,
        _by_series(a, log_x, minimum(x, full_like(x, _SPLIT))),
        _by_integral(a, select(small, full_like(x, _SPLIT), x)),
    )
    return cast(slope, dtype)


def gamma_slope(a: Any, x: Any) -> Any:
    """``dx / da`` of a gamma variate ``x >= 0``; 0 where it is 0."""
    some = gt(x, 0)
    safe = select(some, x, full_like(x, 1))
    return select(some, mul(x, log_gamma_slope(a, log(safe))), full_like(x, 0))


def igamma_slope(a: Any, x: Any) -> Any:
    """The derivative by ``a > 0`` of the regularised lower incomplete gamma function at ``x >= 0``.

    By the identity above it is the slope of the variate times minus its density ``x**(a-1) exp(-x) / gamma(a)``.
    """
    inside = and_(gt(x, 0), is_finite(x))
    safe = select(inside, x, full_like(x, 1))
    log_x = log(safe)
    weight = exp(sub(sub(mul(a, log_x), safe), lgamma(a)))
    return select(inside, neg(mul(weight, log_gamma_slope(a, log_x))), full_like(x, 0))


def _by_series(a: Any, log_x: Any, x: Any) -> Any:
    total = term = full_like(x, 1)
    by_a = harmonic = full_like(x, 0)
    for k in range(1, _TERMS):
        inverse = div(1, add(a, float(k)))
        term = mul(term, mul(x, inverse))
        harmonic = add(harmonic, inverse)
        total = add(total, term)
        by_a = sub(by_a, mul(term, harmonic))
    return neg(div(add(mul(sub(log_x, digamma(add(a, 1))), total), by_a), a))


def _by_integral(a: Any, x: Any) -> Any:
    m = sub(log(x), digamma(a))
    above = gt(m, 0)
    sign = select(above, full_like(x, 1), full_like(x, -1))
    length = stop_gradient(_length(a, x, above, sign))
    points, weights = (v / 2 for v in np.polynomial.legendre.leggauss(_ABSCISSAS))
    shape = (*x.shape, _ABSCISSAS)

    def spread(v: Any) -> Any:
        return broadcast(v, shape, tuple(range(len(x.shape))))

    def along(numbers: list[float]) -> Any:
        return broadcast(_vector(numbers), shape, (len(x.shape),))

    step = mul(sign, length)
    s = mul(spread(step), along((points + 0.5).tolist()))
    integrand = mul(add(spread(m), s), exp(sub(mul(spread(a), s), mul(spread(x), expm1(s)))))
    return mul(step, reduce_sum(mul(integrand, along(weights.tolist())), (len(x.shape),)))


def _vector(numbers: list[float]) -> Any:
    """A vector that a graph makes for itself: derivative rules may not capture arrays."""
    return optimization_barrier(concatenate([full((1,), x, FLOAT64) for x in numbers], 0))


def _length(a: Any, x: Any, above: Any, sign: Any) -> Any:
    """A length behind which the integrand is negligible, by bounds of the exponent ``g`` on either side.

    With d = |a - x|: above, ``-g >= d s + x s**2 / 2``; below, ``-g >= d s + x s**2 / (2 + s)``.
    """
    d = maximum(mul(sign, sub(x, a)), full_like(x, 0))
    up = div(2 * _DEPTH, add(d, sqrt(add(mul(d, d), mul(2 * _DEPTH, x)))))
    b = sub(mul(2, d), _DEPTH)
    down = div(4 * _DEPTH, add(b, sqrt(add(mul(b, b), mul(8 * _DEPTH, a)))))
    return select(above, up, down)
