"""pow, cbrt and rsqrt.

The one idea of pow: ``exp(y * log|x|)`` with the logarithm and the product as sums of two doubles, since an error of the
exponent is as large in the result as the exponent itself. Floats do it in plain double.
"""

from __future__ import annotations

from weft.kernels.maths.bits import horner, keep_zero, power_of_two, split_exponent, two_product
from weft.kernels.maths.coefficients import COEFFICIENTS
from weft.kernels.maths.exp import exp, exp_of_sum
from weft.kernels.maths.log import log, log_as_sum
from weft.kernels.register import Register


def rsqrt(x: Register) -> Register:
    """``1 / sqrt(x)``."""
    return 1.0 / x.sqrt()


def cbrt(x: Register) -> Register:
    """Cube root, of negative numbers too."""
    size = x.fabs().to_float("double")
    m, exponent = split_exponent(size, 1.0)
    third = (exponent * (1.0 / 3.0)).floor()
    left = exponent - third * 3.0
    # Rounding may put a multiple of 3 one off.
    third, left = (left >= 3.0).select(third + 1.0, third), (left >= 3.0).select(left - 3.0, left)
    third, left = (left < 0.0).select(third - 1.0, third), (left < 0.0).select(left + 3.0, left)
    m = m * power_of_two(left)  # in [1, 8)
    root = horner(m, COEFFICIENTS["cbrt"]["double"])
    for _ in range(2):  # Halley: the number of right digits triples
        cube = root * root * root
        root = root * (cube + m + m) / (cube + cube + m)
    # One Newton step with the residual of the cube taken exactly.
    square, square_low = two_product(root, root)
    cube, cube_low = two_product(square, root)
    residual = (cube - m) + square_low.fma(root, cube_low)
    root = root - residual / (3.0 * square)
    result = (root * power_of_two(third)).to_float(x.kind).copysign(x)
    ordinary = x.fabs() < float("inf")
    return keep_zero(x, ordinary.select(result, x))


def pow(x: Register, y: Register) -> Register:
    """``x ** y`` with C's special cases."""
    size, exponent = x.fabs().to_float("double"), y.to_float("double")
    if x.kind == "double":
        high, low = log_as_sum(size)
        product, error = two_product(high, exponent)
        error = low.fma(exponent, error)
        result = exp_of_sum(product, error)
    else:
        result = exp(log(size) * exponent).to_float(x.kind)
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
