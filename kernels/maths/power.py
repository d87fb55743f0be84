"""pow, cbrt and rsqrt.

The one idea of pow: ``exp(y * log|x|)`` with the logarithm and the product as sums of two doubles, since an error of the
exponent is as large in the result as the exponent itself. Floats do it in plain double, with polynomials as short as they need.
"""

from __future__ import annotations

from weft.kernels.calls import rarely
from weft.kernels.maths.bits import (
    SMALLEST_NORMAL,
    fast_polynomial,
    power_of_bits,
    round_to_bits,
    split_normal,
    two_product,
)
from weft.kernels.maths.exp import exp_of_sum
from weft.kernels.maths.log import log_as_sum
from weft.kernels.register import Register


def rsqrt(x: Register) -> Register:
    """``1 / sqrt(x)``."""
    return 1.0 / x.sqrt()


def cbrt(x: Register) -> Register:
    """Cube root, of negative numbers too.

    From a polynomial for ``m**(-1/3)``, which one step of fourth order improves without a division.
    """
    size = x.fabs().to_float("double")
    in_double = x.kind == "double"
    tiny = size < SMALLEST_NORMAL["double"]
    bits = (rarely(tiny, lambda: size * 2.0**54, size) if in_double else size).as_bits()
    field = bits.lshr(52)
    third = (field * 21846).lshr(16)  # the whole part, for so small numbers
    left = field - third * 3
    mantissa = bits & ((1 << 52) - 1)
    unit = (third + (1023 - 341)).shl(52).as_float()
    m = (mantissa | (left + 1023).shl(52)).as_float()  # in [1, 8)
    start = left.eq(0).select(1.0, left.eq(1).select(m.const(2 ** (-1 / 3)), 2 ** (-2 / 3)))
    inverse = start * fast_polynomial("inverse_cbrt", (mantissa | (1023 << 52)).as_float())
    error = (-(m * inverse)).fma(inverse * inverse, 1.0)
    series = error.fma(error.fma(14 / 81, 2 / 9), 1 / 3)
    inverse = (inverse * error).fma(series, inverse)
    square = inverse * inverse
    root = m * square
    if in_double:  # one of Newton's steps, with the residual of the cube taken exactly
        power, power_low = two_product(root, root)
        cube, cube_low = two_product(power, root)
        residual = (cube - m) + power_low.fma(root, cube_low)
        root = (square * (-1 / 3)).fma(residual, root)
    result = root * unit
    if in_double:
        result = rarely(tiny, lambda: result * 2.0**-18, result)
    result = result.to_float(x.kind).copysign(x)
    ordinary = x.ne(0.0) & (x.fabs() < float("inf"))
    return rarely(~ordinary, lambda: x, result)


def pow(x: Register, y: Register) -> Register:
    """``x ** y`` with C's special cases."""
    size = x.fabs()
    result = _power(size, y) if x.kind == "double" else _short_power(size, y)
    ordinary = (x > 0.0) & (x < float("inf")) & (y.fabs() < float("inf"))
    return rarely(~ordinary, lambda: _special_power(x, y, result), result)


def _power(size: Register, y: Register) -> Register:
    """A positive double to a power."""
    high, low = log_as_sum(size)
    product, error = two_product(high, y)
    return exp_of_sum(product, low.fma(y, error))


def _short_power(size: Register, y: Register) -> Register:
    """A positive float to a power, through logarithm and power of 2 in double, with no more digits than a float takes."""
    m, k = split_normal(size.to_float("double"))
    f = m - 1.0
    product = y.to_float("double") * f.fma(fast_polynomial("log2_short", f), k)
    product = (product > 130.0).select(130.0, product)
    product = (product < -152.0).select(-152.0, product)
    whole, bits = round_to_bits(product)
    power = fast_polynomial("exp2_short", product - whole) * power_of_bits(bits, "double")
    return power.to_float(size.kind)


def _special_power(x: Register, y: Register, result: Register) -> Register:
    """A power of a base that is not above 0, or infinite, or where the exponent is not finite, from that of its size."""
    result = _special_sizes(x, y, result)
    # The sign: a negative base needs an integer exponent, and is negative for an odd one.
    integer = y.rint().eq(y)
    half = y * 0.5
    odd = integer & half.rint().ne(half) & (y.fabs() < float("inf"))
    negative = x.as_bits() < 0
    result = (negative & odd).select(-result, result)
    bad = (x < 0.0) & (x > float("-inf")) & ~integer & (y.fabs() < float("inf"))
    result = (bad | x.is_nan() | y.is_nan()).select(float("nan"), result)
    return (y.eq(0.0) | x.eq(1.0)).select(1.0, result)


def _special_sizes(x: Register, y: Register, usual: Register) -> Register:
    """``|x| ** y`` where a base or an exponent is 0, 1 or infinite."""
    infinity = float("inf")
    size = x.fabs()
    zero_or_infinite = size.eq(0.0) | size.eq(infinity)
    grows = size.eq(0.0) ^ (y > 0.0)
    result = zero_or_infinite.select(grows.select(usual.const(infinity), 0.0), usual)
    grows = (size < 1.0) ^ (y > 0.0)
    by_infinity = size.eq(1.0).select(1.0, grows.select(usual.const(infinity), 0.0))
    return y.fabs().eq(infinity).select(by_infinity, result)
