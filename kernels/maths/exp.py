"""exp, exp2, expm1 and logistic.

The one idea: ``exp(x) = 2**k * exp(r)`` with ``|r| <= log(2) / 2``, r kept as a sum of two floats so that what
the reduction rounds off is not lost, and ``exp(r) = 1 + (r + (low + r**2 * P(r)))``.
"""

from __future__ import annotations

from weft.kernels.maths.bits import (
    ROUND_SHIFT,
    Sum,
    fast_polynomial,
    fast_two_sum,
    keep_zero,
    long_polynomial,
    power_of_bits,
    power_of_two,
    round_to_bits,
    scale,
    scale_by_bits,
    two_product,
    two_sum,
)
from weft.kernels.register import Register

LOG2_E = 1.4426950408889634
# log(2) as a sum of two floats. fma(-k, high, x) is exact: it is a multiple of ulp(x) and small.
LOG_2 = {
    "float": (0.6931471824645996, -1.9046542121259336e-09),
    "double": (0.6931471805599453, 2.3190468138462996e-17),
}
# Beyond these exp is 0 or infinite in the type, and the exponent would leave the range of scale().
RANGE = {"float": (-105.0, 90.0), "double": (-747.0, 711.0)}


def _clamp(x: Register, low: float, high: float) -> Register:
    """``x`` within bounds; NaN stays."""
    x = (x > high).select(high, x)
    return (x < low).select(low, x)


def _reduce(x: Register) -> tuple[Register, Register, Register]:
    """``(k, r, low)`` with ``x = k * log(2) + r + low``."""
    high, low = LOG_2[x.kind]
    k, _ = round_to_bits(x * LOG2_E)
    first = (-k).fma(high, x)
    correction = k * low
    r = first - correction
    return k, r, (first - r) - correction


def expm1_reduced(r: Register, low: Register) -> Register:
    """``exp(r + low) - 1`` for ``|r| <= log(2) / 2``."""
    return r + (r * r).fma(long_polynomial("exp", r), low)


def _exp_in_range(x: Register) -> tuple[Register, Register]:
    """``exp(x)`` for ``x`` in ``RANGE``, as a float around 1 and the bits of the exponent for `scale_by_bits`.

    Other functions build on more exact parts. Here r is one float, which costs 0.2 units in the last place.
    """
    high, low = LOG_2[x.kind]
    shifted = x.fma(LOG2_E, ROUND_SHIFT[x.kind])
    k = shifted - ROUND_SHIFT[x.kind]
    r = (-k).fma(low, (-k).fma(high, x))
    return (r * r).fma(long_polynomial("exp", r), r) + 1.0, shifted.as_bits()


def exp(x: Register) -> Register:
    """Exponential."""
    return scale_by_bits(*_exp_in_range(_clamp(x, *RANGE[x.kind])))


def exp_of_double_plus_one(x: Register) -> Register:
    """``exp(2 x) + 1`` for x from 0 to 20, with little to wait for between x and the result."""
    high, low = LOG_2[x.kind]
    shifted = x.fma(2 * LOG2_E, ROUND_SHIFT[x.kind])
    k = shifted - ROUND_SHIFT[x.kind]
    r = (-k).fma(low, (-k).fma(high, x + x))
    power = power_of_bits(shifted.as_bits(), x.kind)
    return (power * (r * r)).fma(fast_polynomial("exp", r), power.fma(r, power + 1.0))


def exp_parts(high: Register, low: Register) -> tuple[Register, Register, Register]:
    """``exp(high + low)`` as ``(a + b) * 2**k``, returned as ``(a, b, k)``; ``low`` is small beside ``high``."""
    inside = _clamp(high, *RANGE[high.kind])
    k, r, rest = _reduce(inside)
    low = inside.eq(high).select(low, 0.0)
    r, rest = two_sum(r, rest + low)
    return *fast_two_sum(r.const(1.0), r + (r * r).fma(fast_polynomial("exp", r), rest)), k


def exp_of_sum(high: Register, low: Register) -> Register:
    """``exp(high + low)``; ``low`` is small beside ``high``."""
    a, _, k = exp_parts(high, low)
    return scale(a, k)


def half_exp(x: Register) -> Register:
    """``exp(x) / 2`` without overflow before its time."""
    value, exponent = _exp_in_range(_clamp(x, *RANGE[x.kind]))
    return scale_by_bits(value, exponent - 1)


def exp2(x: Register) -> Register:
    """``2 ** x``."""
    bound = {"float": (-151.0, 129.0), "double": (-1076.0, 1025.0)}[x.kind]
    inside = _clamp(x, *bound)
    k, exponent = round_to_bits(inside)
    r, low = scale_by_log_2(inside - k)
    return scale_by_bits(expm1_reduced(r, low) + 1.0, exponent)


def scale_by_log_2(x: Register) -> Sum:
    """``x * log(2)`` as a sum."""
    high, low = LOG_2[x.kind]
    product, error = two_product(x, high)
    return product, x.fma(low, error)


def expm1(x: Register) -> Register:
    """``exp(x) - 1`` without cancellation near 0."""
    # The upper ends give k = 128 and 1024, and already overflow.
    bounds = {"float": (-20.0, 88.8), "double": (-40.0, 709.9)}[x.kind]
    k, r, low = _reduce(_clamp(x, *bounds))
    # Half of it, doubled at the end: 2**1024 would overflow before the result does.
    half = power_of_two(k - 1.0)
    tail = (r * r).fma(long_polynomial("exp", r), low)
    top, rest = fast_two_sum(half - 0.5, half * r)
    result = half.fma(tail, rest) + top
    return keep_zero(x, result * 2.0)


def logistic(x: Register) -> Register:
    """``1 / (1 + exp(-x))``, with the small exponential on either side of 0."""
    inside, lowest = -x.fabs(), RANGE[x.kind][0]
    k, r, low = _reduce((inside < lowest).select(lowest, inside))
    t = scale(expm1_reduced(r, low) + 1.0, k)
    below, error = fast_two_sum(t.const(1.0), t)
    quotient = (x < 0.0).select(t, 1.0) / below
    # Less quotient * error / below, where 1 / (1 + t) is 1 - t / 2 within 6 %.
    return (error * t.fma(0.5, -1.0)).fma(quotient, quotient)
