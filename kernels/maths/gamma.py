"""lgamma and digamma, computed in double for every kind.

The one idea: the asymptotic series from 8 on; the recurrence moves smaller arguments, for digamma up to there,
for lgamma down into ``[1, 2]``, where a polynomial times ``(x - 1) (x - 2)`` is exact at the roots; its factors
are gathered in one product. Below 1/2 the reflection formulas.
"""

from __future__ import annotations

import math

from weft.kernels.maths.bits import polynomial, through_double
from weft.kernels.maths.log import log
from weft.kernels.maths.trig import tan
from weft.kernels.register import Register

HALF_LOG_2_PI = 0.9189385332046728
LOG_PI = 1.1447298858494002
START = 8.0


def _shift(x: Register) -> tuple[Register, Register, Register]:
    """Move ``x >= 1/2`` up by whole steps until it is at least 8: the new x, the product of the factors, its derivative."""
    product, derivative = x.const(1.0), x.const(0.0)
    moved = x
    for _ in range(int(START)):
        below = moved < START
        derivative = below.select(derivative.fma(moved, product), derivative)
        product = below.select(product * moved, product)
        moved = below.select(moved + 1.0, moved)
    return moved, product, derivative


def _sin_pi(x: Register) -> Register:
    """``|sin(pi x)|``, exactly 0 for integers."""
    left = (x - x.rint()).fabs()
    z = (left > 0.25).select(0.5 - left, left) * math.pi
    square = z * z
    sine = (z * square).fma(polynomial("sin", square), z)
    cosine = (square * square).fma(polynomial("cos", square), 1.0 - square * 0.5)
    return (left > 0.25).select(cosine, sine)


def _lgamma_from_half(x: Register) -> Register:
    """``lgamma(x)`` for ``x >= 1/2``."""
    # Below 8 move into [1, 2]: up by one step, or down by some; all terms but those at the roots have one sign.
    up, far = x < 1.0, x >= START
    core_at, product = up.select(x + 1.0, x), x.const(1.0)
    for _ in range(int(START) - 2):
        above = core_at > 2.0
        core_at = above.select(core_at - 1.0, core_at)
        product = above.select(product * core_at, product)
    # (core_at - 1) and (core_at - 2), but exact also where x + 1 is rounded: lgamma is 0 where they are.
    first, second = up.select(x, core_at - 1.0), up.select(x - 1.0, core_at - 2.0)
    core = first * second * polynomial("lgamma_core", core_at - 1.5)
    logarithm = log((up | far).select(x, product))
    inverse = 1.0 / x
    tail = inverse.fma(polynomial("lgamma_tail", inverse * inverse), HALF_LOG_2_PI - 0.5)
    series = (x - 0.5) * (logarithm - 1.0) + tail
    return far.select(series, core + up.select(-logarithm, logarithm))


def _lgamma(x: Register) -> Register:
    reflect = x < 0.5
    positive = _lgamma_from_half(reflect.select(1.0 - x, x))
    # gamma(x) gamma(1 - x) = pi / sin(pi x)
    sine = _sin_pi(x)
    reflected = sine.eq(0.0).select(float("inf"), LOG_PI - log(sine) - positive)
    # 1 - x loses the small x, which the pole at 0 needs: there gamma(x) = 1 / x.
    tiny = x.fabs() < 2.0**-60
    result = tiny.select(-log(x.fabs()), reflect.select(reflected, positive))
    return x.fabs().eq(float("inf")).select(float("inf"), result)


def lgamma(x: Register) -> Register:
    """Logarithm of the absolute value of the gamma function; infinite at its poles."""
    return through_double(_lgamma, x)


def _digamma_from_half(x: Register) -> Register:
    moved, product, derivative = _shift(x)
    inverse = 1.0 / moved
    square = inverse * inverse
    series = log(moved) - inverse.fma(0.5, square * polynomial("digamma_tail", square))
    return series - derivative / product


def _digamma(x: Register) -> Register:
    reflect = x < 0.5
    positive = _digamma_from_half(reflect.select(1.0 - x, x))
    # digamma(x) = digamma(1 - x) - pi / tan(pi x)
    left = x - x.rint()
    reflected = positive - math.pi / tan(left * math.pi)
    result = reflect.select(reflected, positive)
    result = x.eq(float("inf")).select(x, result)
    pole = (x < 0.0) & left.eq(0.0)
    result = (pole | x.eq(float("-inf"))).select(float("nan"), result)
    return x.eq(0.0).select(x.const(float("-inf")).copysign(-x), result)


def digamma(x: Register) -> Register:
    """Derivative of lgamma; NaN at negative integers, infinite at 0."""
    return through_double(_digamma, x)
