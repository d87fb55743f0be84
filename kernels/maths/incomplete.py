"""The incomplete gamma and beta functions and the exponential integrals.

The one idea: each is a factor in closed form times a positive rest, on the side of the mean where it is no difference from 1.
The rest is a series or a continued fraction where these are short, and else an integral of one smooth positive function over
the half line, whose scale is known. In ``u = scale * exp(t - exp(-t))`` the trapezoidal rule for such an integral converges
exponentially (Takahasi and Mori, "Double exponential formulas for numerical integration", Publ. RIMS 9, 1974): some 60 terms
for double precision, whatever the arguments are.

The factors are exponentials of differences that cancel; they are written as Loader has them ("Fast and accurate
computation of binomial probabilities", 2000): ``x - a - a log(x / a)`` is one function of ``(x - a) / a``.

The nodes and weights are those of `weft.ir.ops.quadrature`, which derivatives by the parameters are taken of.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from weft.ir.ops.quadrature import NODES, WEIGHTS
from weft.kernels.calls import where_any
from weft.kernels.maths.bits import fast_two_sum, through_double, two_product, two_sum
from weft.kernels.maths.exp import exp, exp_of_sum, expm1
from weft.kernels.maths.gamma import lgamma, lgamma_of_one_plus, stirling_tail
from weft.kernels.maths.log import log, log1p, log1p_in_parts, log_in_parts
from weft.kernels.maths.loops import repeat, sum_over
from weft.kernels.register import Register

_INF, _NAN = float("inf"), float("nan")


def _integral(scale: Register, integrand: Callable[[Register], Register]) -> Register:
    """The integral from 0 to infinity of a function that falls off over ``scale``, as does its exponent's slope at 0."""
    return scale * sum_over(
        scale, "quadrature", (NODES, WEIGHTS), lambda v, weight: weight * integrand(scale * v)
    )


def _log_excess(value: Register, distance: Register, center: Register) -> Register:
    """``m - log(1 + m)`` of ``m = distance / center``, where ``1 + m`` is ``value / center``: their first terms are equal."""
    m = distance / center
    m_low = (-m).fma(center, distance) / center
    top, rest = log1p_in_parts(m, m_low)
    near = (m - top) + (m_low - rest)
    return (m < -0.3).select(m - log(value / center), near)


# Incomplete gamma functions


def _gamma_factor(a: Register, x: Register) -> Register:
    """``x**a exp(-x) / gamma(a + 1)``, both positive and finite."""
    large = a > 2.5
    center = large.select(a, 1.0)
    by_stirling = exp(-(center * _log_excess(large.select(x, 1.0), large.select(x - a, 0.0), center))) * exp(
        -stirling_tail(large.select(a, 3.0))
    )
    by_stirling = by_stirling / (center * (2 * math.pi)).sqrt()
    small = large.select(1.0, a)
    top, rest = log_in_parts(x)
    high, low = two_product(small, top)
    size, size_low = lgamma_of_one_plus(small)
    high, error = two_sum(high, -x)
    high, second = two_sum(high, -size)
    direct = exp_of_sum(*fast_two_sum(high, low + small * rest + (error + (second - size_low))))
    return large.select(by_stirling, direct)


def _lower(a: Register, x: Register, here: Register) -> Register:
    """``P(a, x)`` over its factor, for x up to about a, or 1, in the lanes ``here``.

    It is one, and x times the integral of what is left; or the sum of ``x**n / ((a+1) ... (a+n))``, where that is short.
    """

    def step(term: Register, total: Register, order: Register) -> tuple[Sequence[Register], Register]:
        order = order + 1.0
        term = term * (x / order)
        total = total + term
        return (term, total, order), term > total * 2.0**-55

    long = _is_slow(a, x)
    one = x.const(1.0)
    _, total, _ = repeat(here & ~long, (one, one, a), step)

    def integral() -> Register:
        scale = 1.0 / ((a + 1.0 - x) + (a + 1.0).sqrt())
        return 1.0 + x * _integral(scale, lambda u: exp(-((a + 1.0) * u + x * expm1(-u))))

    return where_any(here & long, integral, total)


def _upper(a: Register, x: Register, here: Register) -> Register:
    """``Q(a, x)`` over a times its factor, for x from 1, and about a, on, in the lanes ``here``.

    It is `power_integral`; or Legendre's continued fraction, by Lentz's method, where that is short.
    """

    def step(
        order: Register, below: Register, c: Register, d: Register, value: Register
    ) -> tuple[Sequence[Register], Register]:
        above = order * (a - order)
        below = below + 2.0
        d = 1.0 / (above * d + below)
        c = below + above / c
        factor = c * d
        following = order + 1.0
        more = ((factor - 1.0).fabs() > 4e-16) & (following < 300.0)
        return (following, below, c, d, value * factor), more

    long = _is_slow(a, x)
    first = x + 1.0 - a
    inverse = 1.0 / first
    start = (x.const(1.0), first, x.const(1e300), inverse, inverse)
    *_, value = repeat(here & ~long, start, step)
    return where_any(here & long, lambda: power_integral(a - 1.0, x), value)


def _is_slow(a: Register, x: Register) -> Register:
    """Where a series or a fraction would take a hundred terms: with a large a, next to it."""
    return (a > 64.0) & (x > a * 0.5) & (x < a * 2.0)


def power_integral(power: Register, x: Register) -> Register:
    """The integral of ``(1 + s)**power exp(-x s)`` from 0 on, for x from 1, and about ``power + 1``, on."""
    growth = (power + 1.0).greater_of(0.0)
    scale = 1.0 / ((x - growth) + x.sqrt())
    return _integral(scale, lambda s: exp(power * log1p(s) - x * s))


def _complement_of_small(a: Register, x: Register) -> Register:
    """``Q(a, x)`` where x is below 1, and a: it may be small."""
    size, size_low = lgamma_of_one_plus(a)
    exponent = a * log(x) - (size + size_low)
    scale = 1.0 / (a + 1.0)
    rest = _integral(scale, lambda u: exp(-(a * u)) * -expm1(-(x * exp(-u))))
    return exp(exponent) * a * rest - expm1(exponent)


def _incomplete_gamma(a: Register, x: Register, lower: bool) -> Register:
    usual = (a > 0.0) & (x > 0.0) & (a < _INF) & (x < _INF)
    a_in, x_in = usual.select(a, 1.0), usual.select(x, 1.0)
    one = x.const(1.0)
    below = x_in < (a_in > 1.0).select(a_in, one)
    factor = _gamma_factor(a_in, x_in)
    p = factor * _lower(a_in, x_in, below)
    q = below.select(1.0 - p, factor * a_in * _upper(a_in, x_in, ~below))
    if lower:
        result = below.select(p, 1.0 - q)
    else:
        tiny = below & (x_in < 1.0) & (a_in < 1.0)
        result = where_any(
            tiny, lambda: _complement_of_small(tiny.select(a_in, 0.5), tiny.select(x_in, 0.5)), q
        )
    at_end = one if lower else x.const(0.0)
    zero = x.const(0.0) if lower else one
    edge = x.eq(0.0).select(zero, at_end)
    edge = (a.eq(0.0) & (x > 0.0)).select(at_end, edge)
    edge = (a.eq(_INF) & (x < _INF)).select(zero, edge)
    undefined = ~((a >= 0.0) & (x >= 0.0)) | (a.eq(0.0) & x.eq(0.0)) | (a.eq(_INF) & x.eq(_INF))
    result = usual.select(result, undefined.select(_NAN, edge))
    return result


def igamma(a: Register, x: Register) -> Register:
    """The regularised lower incomplete gamma function."""
    return through_double(lambda a, x: _incomplete_gamma(a, x, True), a, x)


def igammac(a: Register, x: Register) -> Register:
    """The regularised upper incomplete gamma function."""
    return through_double(lambda a, x: _incomplete_gamma(a, x, False), a, x)


# The logarithm of the beta function, and the incomplete one


def _log_gamma_ratio(small: Register, large: Register) -> Register:
    """``lgamma(large) - lgamma(small + large)`` by Stirling, for ``large`` from 5/2 on."""
    total = small + large
    return -((large - 0.5) * log1p(small / large) + small * (log(total) - 1.0)) + (
        stirling_tail(large) - stirling_tail(total)
    )


def _betaln(a: Register, b: Register) -> Register:
    positive = (a > 0.0) & (b > 0.0)
    ordered = a < b
    small, large = ordered.select(a, b), ordered.select(b, a)
    by_parts = (lgamma(small) + lgamma(large)) - lgamma(a + b)
    far = positive & (large > 8.0) & (large < 1e300)
    s, n = far.select(small, a.const(1.0)), far.select(large, a.const(10.0))
    both = far & (small > 8.0)
    # Both large: Stirling thrice, in ratios, so that what is large cancels before it is rounded.
    total = (
        (0.5 * math.log(2 * math.pi) - 0.5 * log(n))
        + ((s - 0.5) * log(s / (s + n)) - n * log1p(s / n))
        + ((stirling_tail(both.select(s, 3.0)) + stirling_tail(n)) - stirling_tail(s + n))
    )
    mixed = lgamma(s) + _log_gamma_ratio(s, n)
    result = far.select(both.select(total, mixed), by_parts)
    infinite = (positive & large.eq(_INF)) | (small.eq(0.0) & (large >= 0.0))
    return infinite.select(small.eq(0.0).select(a.const(_INF), -_INF), result)


def betaln(a: Register, b: Register) -> Register:
    """Logarithm of the absolute value of the beta function."""
    return through_double(_betaln, a, b)


def _log_of_scaled_beta(a: Register, b: Register) -> Register:
    """``log(a beta(a, b))``, small where a is, for one of both up to 5/2."""
    ordered = a < b
    small, large = ordered.select(a, b), ordered.select(b, a)
    both = large < 2.5
    size, size_low = lgamma_of_one_plus(both.select(small, small.lesser_of(2.5)))
    other, other_low = lgamma_of_one_plus(both.select(large, 1.0))
    near = ((other + other_low) - lgamma((a + b) + 1.0)) + log((a + b) / b)
    far = _log_gamma_ratio(small, both.select(3.0, large)) + ordered.select(a.const(0.0), log(a / b))
    return (size + size_low) + both.select(near, far)


def _beta_factor(a: Register, b: Register, x: Register, y: Register) -> Register:
    """``x**a y**b / (a beta(a, b))`` of ``y = 1 - x``."""
    large = (a > 2.5) & (b > 2.5)
    a_in, b_in = large.select(a, 3.0), large.select(b, 3.0)
    sum_in = a_in + b_in
    # x - a / (a + b), by products whose errors are kept
    left, left_low = two_product(b_in, x)
    right, right_low = two_product(a_in, y)
    distance = large.select((left - right) + (left_low - right_low), 0.0)
    exponent = a_in * _log_excess(x * sum_in, distance, a_in)
    exponent = exponent + b_in * _log_excess(y * sum_in, -distance, b_in)
    tails = (stirling_tail(a_in) + stirling_tail(b_in)) - stirling_tail(sum_in)
    by_stirling = exp(-exponent) * exp(-tails) * (b_in / (sum_in * a_in * (2 * math.pi))).sqrt()
    upper = x > 0.5  # the smaller of both is exact
    log_x, log_y = upper.select(log1p(-y), log(x)), upper.select(log(y), log1p(-x))
    direct = exp((a * log_x + b * log_y) - _log_of_scaled_beta(a, b))
    return large.select(by_stirling, direct)


def _beta_rest(p: Register, q: Register, s: Register, t: Register) -> Register:
    """``I(p, q, s)`` over its factor: Didonato and Morris's continued fraction, by Lentz's method, where that is short.

    It is so up to the mean, for parameters that are not large.
    """
    total = p + q

    def step(
        order: Register, c: Register, d: Register, value: Register
    ) -> tuple[Sequence[Register], Register]:
        twice = p + (order + order)
        even = order * (q - order) * s / ((twice - 1.0) * twice)
        d = 1.0 / (even * d + 1.0)
        c = even / c + 1.0
        value = value * (c * d)
        odd = -((p + order) * (total + order) * s / (twice * (twice + 1.0)))
        d = 1.0 / (odd * d + 1.0)
        c = odd / c + 1.0
        factor = c * d
        following = order + 1.0
        more = ((factor - 1.0).fabs() > 4e-16) & (following < 200.0)
        return (following, c, d, value * factor), more

    short = (p < 200.0) & (q < 200.0) & (s < 0.9) & (s * (total + 2.0) <= p + 1.0)
    one = s.const(1.0)
    first = 1.0 / (1.0 - total * s / (p + 1.0))
    *_, value = repeat(short, (one, one, first, first), step)
    return where_any(~short, lambda: _beta_part(p, q, s / t) / t, value)


def _beta_part(p: Register, q: Register, odds: Register) -> Register:
    """``I(p, q, s)`` over ``s**p t**(q-1) / (p beta(p, q))``, for s up to about the mean, t = 1 - s and ``odds = s / t``.

    That is p times the integral of ``exp(-p u) (1 + odds (1 - exp(-u)))**(q-1)``, which for p below 1 falls off too slowly,
    and is integrated by parts.
    """
    slow = p < 1.0
    one, zero = p.const(1.0), p.const(0.0)
    decay, power = p + slow.select(one, zero), q - slow.select(p.const(2.0), 1.0)
    growth = power.greater_of(0.0) * odds
    slope = (decay - growth).greater_of(0.0)
    scale = 1.0 / (slope + (growth * (1.0 + odds) + 0.001).sqrt())

    def integrand(u: Register) -> Register:
        return exp(power * log1p(-(odds * expm1(-u))) - decay * u)

    whole = _integral(scale, integrand)
    return slow.select(1.0 + (q - 1.0) * odds * whole, p * whole)


def _is_upper_side(a: Register, b: Register, x: Register) -> Register:
    """Whether ``1 - I(b, a, 1 - x)`` is what to compute: where that is no small difference.

    Beyond the mean, if both parameters are above 1. One below 1 alone has most of the mass next to its end of the interval;
    with both below 1 the end of the smaller one has it.
    """
    small_a, small_b = a < 1.0, b < 1.0
    by_mean = x * (a + b + 2.0) > a + 1.0
    both = (b < a).select(x, 1.0 - x) > 0.9
    both = both ^ (b >= a)
    one = (small_a & (by_mean | (x > 0.01))) | (~small_a & by_mean & (~small_b | (x > 0.99)))
    return (small_a & small_b & both) | (~(small_a & small_b) & one)


def _betainc(a: Register, b: Register, x: Register) -> Register:
    usual = (a > 0.0) & (b > 0.0) & (x > 0.0) & (x < 1.0) & (a < _INF) & (b < _INF)
    a_in, b_in, x_in = usual.select(a, 1.0), usual.select(b, 1.0), usual.select(x, 0.25)
    swapped = _is_upper_side(a_in, b_in, x_in)
    y_in = 1.0 - x_in
    p, q = swapped.select(b_in, a_in), swapped.select(a_in, b_in)
    s, t = swapped.select(y_in, x_in), swapped.select(x_in, y_in)
    part = _beta_factor(p, q, s, t) * _beta_rest(p, q, s, t)
    part = (part > 1.0).select(1.0, part)
    result = swapped.select(1.0 - part, part)
    zero, one = x.const(0.0), x.const(1.0)
    edge = (x.eq(1.0) | ((a.eq(0.0) | b.eq(_INF)) & (x > 0.0))).select(one, zero)
    inside = (a >= 0.0) & (b >= 0.0) & (x >= 0.0) & (x <= 1.0)
    undefined = ~inside | (a.eq(0.0) & b.eq(0.0)) | (a.eq(_INF) & b.eq(_INF))
    return usual.select(result, undefined.select(_NAN, edge))


def betainc(a: Register, b: Register, x: Register) -> Register:
    """The regularised incomplete beta function."""
    return through_double(_betainc, a, b, x)
