"""erf, erfc and the inverse of erf.

The one idea: near 0 erf is x times a polynomial; elsewhere ``erfc(x) = exp(-x**2) * F(t) / (1 + 2 x)`` with F one
polynomial for the whole half line in ``t = (x - 4) / (x + 4)`` (Shepherd and Laframboise, 1981,
doi:10.1090/S0025-5718-1981-0595058-X). erf of a float needs so few digits of erfc that a polynomial will do.
"""

from __future__ import annotations

import math

from weft.kernels.calls import where_any
from weft.kernels.maths.bits import (
    Sum,
    fast_polynomial,
    fast_two_sum,
    keep_zero,
    long_polynomial,
    polynomial,
    polynomial_as_sum,
    scale,
    split_exponent,
    two_product,
    two_sum,
)
from weft.kernels.maths.exp import exp_parts
from weft.kernels.register import Register

# Beyond these erfc is 0.
END = {"float": 10.2, "double": 27.5}

# Where the tail of erf_inv begins, and around which points its polynomials are written.
_CENTERS = {"float": (5.0, 2.4365234375, 2.921875), "double": (6.25, 3.3349609375, 4.2685546875)}


def erfc_factor(size: Register) -> Sum:
    """``exp(size**2) erfc(size)`` for ``size`` from 0.45 to `END`."""
    shifted, shifted_low = two_sum(size, size.const(4.0))
    shifted_inverse = 1.0 / shifted
    t = (size - 4.0) * shifted_inverse
    # (size - 4) is exact from 2 on; below, t is near -1 and takes its rounding error in.
    difference, difference_low = two_sum(size, size.const(-4.0))
    t_low = ((-t).fma(shifted, difference) + (difference_low - t * shifted_low)) * shifted_inverse
    factor, factor_low = polynomial_as_sum("erfc", t + t_low)
    below, below_low = fast_two_sum(size + size, size.const(1.0))
    inverse = 1.0 / below
    quotient = factor * inverse
    return quotient, ((-quotient).fma(below, factor) + (factor_low - quotient * below_low)) * inverse


def _erfc_of_size(size: Register) -> Register:
    """``erfc(size)`` for ``size`` from 0.45 on."""
    size = (size > END[size.kind]).select(END[size.kind], size)
    quotient, rest = erfc_factor(size)
    square, square_low = two_product(size, size)
    weight, weight_low, k = exp_parts(-square, -square_low)
    return scale(weight.fma(quotient, weight.fma(rest, weight_low * quotient)), k)


def _short_erfc_of_size(size: Register) -> Register:
    """``erfc(size)`` for a float from 1 on, within what a float next to 1 can tell."""
    bounded = (size > 4.0).select(4.0, size)
    return fast_polynomial("erfc_outer", bounded - 2.5)


def _erf_near_zero(x: Register) -> Register:
    return x.fma(polynomial("erf", x * x), x)


def erf(x: Register) -> Register:
    """Error function."""
    size = x.fabs()
    rest = _erfc_of_size(size) if x.kind == "double" else _short_erfc_of_size(size)
    outer = (1.0 - rest).copysign(x)
    return keep_zero(x, (size < 1.0).select(_erf_near_zero(x), x.is_nan().select(x, outer)))


def erfc(x: Register) -> Register:
    """``1 - erf(x)`` without cancellation."""
    size = x.fabs()
    outer = _erfc_of_size(size)
    outer = (x < 0.0).select(2.0 - outer, outer)
    # 1 - erf(x) with the parts of erf added small ones first.
    inner = (1.0 - x) - x * polynomial("erf", x * x)
    return (size < 0.47).select(inner, x.is_nan().select(x, outer))


def _plain_log(x: Register) -> Register:
    """The logarithm of a normal number from 0 to 1, with an absolute error of the last place of 1, or of its own."""
    m, k = split_exponent(x)
    f = m - 1.0
    return k.fma(math.log(2.0), f * long_polynomial("log_factor", f))


def erf_inv_factor(w: Register) -> Register:
    """``erf_inv(x) / x`` of ``w = -log(1 - x**2)``."""
    end, middle, tail = _CENTERS[w.kind]
    return where_any(
        w >= end,
        lambda: long_polynomial("erf_inv_tail", w.sqrt() - tail),
        long_polynomial("erf_inv_center", w - middle),
    )


def erf_inv(x: Register) -> Register:
    """Inverse error function: x times a polynomial in ``w = -log(1 - x**2)``, for large w in its root (Giles, 2012).

    The factor hardly changes with w, so one rounding of ``1 - x**2`` does no harm, not even near 0.
    """
    size = x.fabs()
    factor = erf_inv_factor(-_plain_log((-x).fma(x, x.const(1.0))))
    edge = size.eq(1.0).select(x * float("inf"), float("nan"))
    return keep_zero(x, (size < 1.0).select(x * factor, edge))
