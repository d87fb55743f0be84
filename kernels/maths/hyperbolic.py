"""sinh, cosh, tanh and their inverses.

The one idea: near 0 a polynomial, elsewhere the exponential or the logarithm of a sum kept in two floats.
"""

from __future__ import annotations

from weft.kernels.maths.bits import fast_two_sum, keep_zero, polynomial, two_product, two_sum
from weft.kernels.maths.exp import exp_of_double_plus_one, half_exp
from weft.kernels.maths.log import log1p_of_sum
from weft.kernels.register import Register

# From here on tanh is 1.
ONE = {"float": 10.0, "double": 20.0}
LARGE = {"float": 2.0**15, "double": 2.0**30}


def sinh(x: Register) -> Register:
    """Hyperbolic sine."""
    size = x.fabs()
    half = half_exp(size)
    z = x * x
    inner = (size * z).fma(polynomial("sinh", z), size)
    return (size < 1.0).select(inner, half - 0.25 / half).copysign(x)


def cosh(x: Register) -> Register:
    """Hyperbolic cosine."""
    half = half_exp(x.fabs())
    return half + 0.25 / half


def tanh(x: Register) -> Register:
    """Hyperbolic tangent."""
    size = x.fabs()
    z = x * x
    inner = (size * z).fma(polynomial("tanh", z), size)
    bounded = (size > ONE[x.kind]).select(ONE[x.kind], size)
    outer = 1.0 - 2.0 / exp_of_double_plus_one(bounded)
    return (size < 0.625).select(inner, outer).copysign(x)


def asinh(x: Register) -> Register:
    """Inverse hyperbolic sine: ``log(|x| + sqrt(x**2 + 1))``, beyond a limit ``log(2 |x|)``."""
    size = x.fabs()
    large = size > LARGE[x.kind]
    bounded = large.select(size.const(1.0), size)
    square, square_low = two_product(bounded, bounded)
    # sqrt(1 + x**2) - 1 = x**2 / (1 + sqrt(1 + x**2)); only used from 1/2 on, so the plain difference will do.
    total, error = two_sum(square.const(1.0), square)
    root, root_low = _root_of_sum(total, error + square_low)
    sum_high, sum_low = two_sum(root - 1.0, bounded)
    sum_low = sum_low + root_low
    outer = _log_of(large, size, sum_high, sum_low)
    z = x * x
    inner = (size * z).fma(polynomial("asin", -z) * -1.0, size)
    result = (size < 0.5).select(inner, outer)
    result = size.eq(float("inf")).select(size, result)
    return keep_zero(x, result.copysign(x))


def _root_of_sum(total: Register, low: Register) -> tuple[Register, Register]:
    """The square root of a sum, as a sum."""
    root = total.sqrt()
    return root, root.eq(0.0).select(0.0, ((-root).fma(root, total) + low) / (root + root))


def _log_of(large: Register, size: Register, high: Register, low: Register) -> Register:
    """``log(1 + high + low)``, or ``log(2 size)`` where large."""
    zero, one = size.const(0.0), size.const(1.0)
    return log1p_of_sum(large.select(size - 1.0, high), large.select(zero, low), large.select(one, zero))


def acosh(x: Register) -> Register:
    """Inverse hyperbolic cosine: ``log(x + sqrt(x**2 - 1))``; NaN below 1."""
    large = x > LARGE[x.kind]
    bounded = large.select(x.const(2.0), x)
    t = bounded - 1.0
    square, square_low = two_product(t, t)
    total, error = two_sum(t + t, square)
    root, root_low = _root_of_sum(total, error + square_low)
    high, low = two_sum(t, root)
    # x - 1 is exact below 2 only; above, its error counts little beside the root.
    _, t_error = two_sum(bounded, bounded.const(-1.0))
    result = _log_of(large, x, high, low + root_low + (t_error + t_error))
    result = x.eq(float("inf")).select(x, result)
    return (x >= 1.0).select(result, float("nan"))


def atanh(x: Register) -> Register:
    """Inverse hyperbolic tangent: ``log1p(2 x / (1 - x)) / 2``; NaN beyond 1."""
    size = x.fabs()
    down, down_low = fast_two_sum(size.const(1.0), -size)
    top = size + size
    quotient = top / down
    rest = ((-quotient).fma(down, top) - quotient * down_low) / down
    result = 0.5 * log1p_of_sum(quotient, rest)
    tiny = size < (2.0**-13 if x.kind == "float" else 2.0**-28)
    result = tiny.select(size, result)
    result = size.eq(1.0).select(float("inf"), result)
    result = (size > 1.0).select(float("nan"), result)
    return keep_zero(x, result.copysign(x))
