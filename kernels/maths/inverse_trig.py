"""asin, acos, atan and atan2.

The one idea: atan is asked of a quotient ``a / b`` of non-negative numbers, so atan and atan2 share one reduction, to
``|t| <= tan(pi/8)`` by one division: ``a / b``, ``(a - b) / (a + b)`` around pi/4, or ``-b / a`` around pi/2.
"""

from __future__ import annotations

from weft.kernels.maths.bits import fast_polynomial, fast_two_sum, keep_zero, two_product, two_sum
from weft.kernels.register import Register

HALF_PI = {
    "float": (1.5707963705062866, -4.371138828673793e-08),
    "double": (1.5707963267948966, 6.123233995736766e-17),
}
TAN_EIGHTH_PI = 0.41421356237309503


def _asin_tail(z: Register) -> Register:
    """``asin(x) / x - 1`` for ``z = x**2 <= 1/4``."""
    return z * fast_polynomial("asin", z)


def _root_of_half(distance: Register) -> tuple[Register, Register, Register]:
    """``(z, s, s_low)``: ``z = distance / 2`` and its root as a sum."""
    z = distance * 0.5
    s = z.sqrt()
    rest = (-s).fma(s, z)
    return z, s, s.eq(0.0).select(0.0, rest / (s + s))


def asin(x: Register) -> Register:
    """Arc sine; NaN beyond 1."""
    size = x.fabs()
    z, s, s_low = _root_of_half(1.0 - size)
    high, low = HALF_PI[x.kind]
    top, error = fast_two_sum(x.const(high), -(s + s))
    outer = top + (error + low - 2.0 * s.fma(_asin_tail(z), s_low))
    square = x * x
    inner = size.fma(_asin_tail(square), size)
    return keep_zero(x, (size < 0.5).select(inner, outer).copysign(x) + (x - x))


def acos(x: Register) -> Register:
    """Arc cosine; NaN beyond 1."""
    size = x.fabs()
    high, low = HALF_PI[x.kind]
    z, s, s_low = _root_of_half(1.0 - size)
    near_one = 2.0 * (s + s.fma(_asin_tail(z), s_low))
    top, error = fast_two_sum(x.const(2.0 * high), -(s + s))
    near_minus_one = top + (error + 2.0 * low - 2.0 * s.fma(_asin_tail(z), s_low))
    outer = (x < 0.0).select(near_minus_one, near_one)
    square = x * x
    top, error = fast_two_sum(x.const(high), -x)
    inner = top + (error + low - x * _asin_tail(square))
    return (size < 0.5).select(inner, outer)


def _atan_quotient(a: Register, b: Register, reflect: Register | None) -> Register:
    """``atan(a / b)`` for a, b not negative and not both 0; pi minus that where ``reflect`` holds."""
    low_third = a < b * TAN_EIGHTH_PI
    high_third = b < a * TAN_EIGHTH_PI
    difference, difference_low = two_sum(a, -b)
    total, total_low = two_sum(a, b)
    numerator = low_third.select(a, high_third.select(-b, difference))
    denominator = low_third.select(b, high_third.select(a, total))
    outside = low_third | high_third
    numerator_low = outside.select(0.0, difference_low)
    denominator_low = outside.select(0.0, total_low)
    inverse = 1.0 / denominator
    t = numerator * inverse
    rest = (-t).fma(denominator, numerator) + (numerator_low - t * denominator_low)
    t_low = rest * inverse
    high, low = HALF_PI[a.kind]
    share = low_third.select(a.const(0.0), high_third.select(1.0, a.const(0.5)))
    z = t * t
    tail = (t * z).fma(fast_polynomial("atan", z), t_low)
    if reflect is not None:
        share = reflect.select(2.0 - share, share)
        t, tail = reflect.select(-t, t), reflect.select(-tail, tail)
    top, error = fast_two_sum(share * high, t)
    return top + (error + share.fma(low, tail))


def atan(x: Register) -> Register:
    """Arc tangent."""
    size = x.fabs()
    infinite = size.eq(float("inf"))
    b = infinite.select(x.const(0.0), x.const(1.0))
    result = _atan_quotient(infinite.select(1.0, size), b, None)
    return keep_zero(x, result.copysign(x) + (x.is_nan().select(x, 0.0)))


def atan2(y: Register, x: Register) -> Register:
    """The angle of the point ``(x, y)``, with C's special cases."""
    a, b = y.fabs(), x.fabs()
    infinity = float("inf")
    a_infinite, b_infinite = a.eq(infinity), b.eq(infinity)
    any_infinite = a_infinite | b_infinite
    # With an infinity, 1 stands for it and 0 for what is finite beside it; so does 0 / 1 for 0 / 0.
    one, zero = x.const(1.0), x.const(0.0)
    a_finite = any_infinite.select(a_infinite.select(one, zero), a)
    b_finite = any_infinite.select(b_infinite.select(one, zero), b)
    b_finite = (a.eq(0.0) & b.eq(0.0)).select(one, b_finite)
    # A power of two keeps sums and error terms in range.
    limit = 2.0**60 if x.kind == "float" else 2.0**500
    huge, tiny = a_finite.greater_of(b_finite) > limit, a_finite.greater_of(b_finite) < 1 / limit
    factor = huge.select(1 / limit, tiny.select(limit, one))
    result = _atan_quotient(a_finite * factor, b_finite * factor, x.as_bits() < 0)
    result = (x.is_nan() | y.is_nan()).select(float("nan"), result)
    return result.copysign(y)


def hypot(x: Register, y: Register) -> Register:
    """``sqrt(x**2 + y**2)`` without overflow; infinite if either is, NaN notwithstanding."""
    a, b = x.fabs(), y.fabs()
    large, small = (a > b).select(a, b), (a > b).select(b, a)
    limit, power = (2.0**60, 2.0**90) if x.kind == "float" else (2.0**500, 2.0**600)
    huge, tiny, one = large > limit, large < 1 / limit, large.const(1.0)
    factor = huge.select(1 / power, tiny.select(power, one))
    back = huge.select(power, tiny.select(1 / power, one))
    p, q = large * factor, small * factor
    square, square_low = two_product(p, p)
    total, error = fast_two_sum(square, q * q)
    root = total.sqrt()
    correction = ((-root).fma(root, total) + (error + square_low)) / (root + root)
    result = root.eq(0.0).select(0.0, root + correction) * back
    return (a.eq(float("inf")) | b.eq(float("inf"))).select(float("inf"), result)
