"""log, log2, log10, log1p, logit and the logarithm as a sum of two floats.

The one idea: ``x = m * 2**k`` with m around 1, and with ``f = m - 1``:
``log(m) = f - f**2 / 2 + f**3 * P(f)``, where f is exact and all other terms are small.
"""

from __future__ import annotations

from weft.kernels.calls import rarely
from weft.kernels.maths.bits import (
    Sum,
    fast_polynomial,
    fast_two_sum,
    split_exponent,
    split_normal,
    two_product,
    two_sum,
)
from weft.kernels.maths.exp import LOG_2
from weft.kernels.register import Register

# Below, two terms of log1p's power series are enough.
TINY = {"float": 2.0**-13, "double": 2.0**-27}
# Constants as sums of two floats of the kind. Where an exponent multiplies the high part, that has trailing zeros
# enough for the product to be exact.
SHORT_LOG_2 = {
    "float": (0.693145751953125, 1.4286068203094173e-06),
    "double": (0.6931471805598903, 5.497923018708371e-14),
}
LOG2_OF_E = {
    "float": (1.4426950216293335, 1.925963033500011e-08),
    "double": (1.4426950408889634, 2.0355273740931033e-17),
}
LOG10_OF_E = {
    "float": (0.4342944920063019, -1.0103049952192578e-08),
    "double": (0.4342944819032518, 1.098319650216765e-17),
}
LOG10_OF_2 = {
    "float": (0.301025390625, 4.605038981195214e-06),
    "double": (0.30102999566395283, 2.8363394551044964e-14),
}


def _special(x: Register, result: Register) -> Register:
    """Logarithms at 0, infinity and NaN, and below 0."""

    def edge() -> Register:
        positive = (x > 0.0).select(x, float("nan"))
        return x.eq(0.0).select(float("-inf"), positive)

    return rarely(~((x > 0.0) & (x < float("inf"))), edge, result)


def _log_parts(f: Register) -> tuple[Register, Register, Register]:
    """``(f**2 / 2, f**3, P)``; ``log(1 + f)`` is f minus the first plus the product of the others."""
    square = f * f
    return square * 0.5, f * square, fast_polynomial("log", f)


def _combine(k: Register, f: Register, low: Register | None = None) -> Sum:
    """``k * log(2) + log(1 + f) + low``; the second part is below 0.09 and has the only rounding errors."""
    high, rest = SHORT_LOG_2[f.kind]
    half_square, cube, series = _log_parts(f)
    top, error = fast_two_sum(k * high, f)
    small = k.fma(rest, error if low is None else error + low) - half_square
    return top, cube.fma(series, small)


def log_in_parts(x: Register) -> Sum:
    """The logarithm of a positive finite number before its last addition, some 4 bits more exact than after it."""
    m, k = split_exponent(x)
    return _combine(k, m - 1.0)


def log(x: Register) -> Register:
    """Natural logarithm."""
    top, rest = log_in_parts(x)
    return _special(x, top + rest)


def log1p_in_parts(high: Register, low: Register, extra_exponent: Register | None = None) -> Sum:
    """:func:`log1p_of_sum` before its last addition."""
    u, error = two_sum(high.const(1.0), high)
    m, k = split_normal(u)
    if extra_exponent is not None:
        k = k + extra_exponent
    # What the sum rounds off is so small beside it that the logarithm's slope will do.
    return _combine(k, m - 1.0, (error + low) / u)


def log1p_of_sum(high: Register, low: Register, extra_exponent: Register | None = None) -> Register:
    """``log(1 + high + low) + extra_exponent * log(2)`` without cancellation near 0, for a finite argument above -1."""
    top, rest = log1p_in_parts(high, low, extra_exponent)
    return top + rest


def log1p(x: Register) -> Register:
    """``log(1 + x)``."""
    result = log1p_of_sum(x, x.const(0.0))
    result = (x.fabs() < TINY[x.kind]).select(x.fma(x * -0.5, x), result)

    def edge() -> Register:
        inside = (x > -1.0).select(x, float("nan"))
        return x.eq(-1.0).select(float("-inf"), inside)

    return rarely(~((x > -1.0) & (x < float("inf"))), edge, result)


def logit(x: Register) -> Register:
    """``log(x / (1 - x))``: the logarithm of the rounded quotient, and what was rounded off as a share of it."""
    other, other_low = fast_two_sum(x.const(1.0), -x)
    quotient = x / other
    rest = (-quotient).fma(other, x) - quotient * other_low
    m, k = split_exponent(quotient)
    top, low = _combine(k, m - 1.0, rest / x)

    def edge() -> Register:
        return x.eq(0.0).select(float("-inf"), x.eq(1.0).select(x.const(float("inf")), float("nan")))

    return rarely(~((x > 0.0) & (x < 1.0)), edge, top + low)


def _log_scaled(
    x: Register, factor: Sum | tuple[float, float], exponent_factor: tuple[float, float]
) -> Register:
    """``log(x)`` to another base: ``k * exponent_factor + log(m) * factor``."""
    m, k = split_exponent(x)
    f = m - 1.0
    half_square, cube, series = _log_parts(f)
    top, error = fast_two_sum(f, -half_square)
    low = cube.fma(series, error)
    top, low = fast_two_sum(top, low)
    product, rest = two_product(top, factor[0])
    rest = low.fma(factor[0], top.fma(factor[1], rest))
    total, sum_error = fast_two_sum(k * exponent_factor[0], product)
    result = total + (sum_error + k.fma(exponent_factor[1], rest))
    return _special(x, result)


def log2(x: Register) -> Register:
    """Logarithm to base 2, exact for powers of two."""
    return _log_scaled(x, LOG2_OF_E[x.kind], (1.0, 0.0))


def log10(x: Register) -> Register:
    """Logarithm to base 10."""
    return _log_scaled(x, LOG10_OF_E[x.kind], LOG10_OF_2[x.kind])


def log_as_sum(x: Register) -> Sum:
    """The logarithm of a positive finite double as a sum with about 68 bits."""
    m, k = split_exponent(x)
    f = m - 1.0
    denominator, den_low = two_sum(f.const(2.0), f)
    inverse = 1.0 / denominator
    s = f * inverse
    s_low = ((-s).fma(denominator, f) - s * den_low) * inverse
    z, z_low = two_product(s, s)
    z_low = (s + s).fma(s_low, z_low)
    # 2/3 as a sum, then s**3 * (2/3 + z * P)
    tail = z * fast_polynomial("log_tail", z)
    c_high, c_rest = two_sum(f.const(2.0 / 3.0), tail)
    c_rest = c_rest + 3.700743415417188e-17
    cube, cube_low = two_product(s, z)
    cube_low = cube_low + s.fma(z_low, s_low * z)
    term, term_low = two_product(cube, c_high)
    term_low = cube.fma(c_rest, cube_low.fma(c_high, term_low))
    high, rest = LOG_2[x.kind]
    top, top_low = two_product(k, high)
    total, error = two_sum(top, s + s)
    low = error + (top_low + k * rest) + (s_low + s_low)
    total, error = two_sum(total, term)
    return fast_two_sum(total, (error + low) + term_low)
