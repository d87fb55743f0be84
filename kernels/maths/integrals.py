"""Functions defined by integrals: exponential, sine, cosine and Fresnel integrals, dilogarithm, Dawson's.

All but Dawson's are computed in double for every kind.

The one idea: a known shape times a Chebyshev series of what is left, one for each stretch of the axis (series.py, which
fit_series.py prints). Oscillating integrals are ``f cos + g sin`` far out, with f and g that fall off smoothly; next to a root
the function is the logarithm of the distance in ratio, and the distance times a series. Stretches of which few arguments are
from are skipped where no lane needs them.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from weft.kernels.calls import where_any
from weft.kernels.maths.bits import Sum, keep_zero, polynomial, through_double, two_product
from weft.kernels.maths.exp import exp
from weft.kernels.maths.gamma import digamma, gamma
from weft.kernels.maths.incomplete import power_integral
from weft.kernels.maths.log import log, log1p
from weft.kernels.maths.loops import chebyshev
from weft.kernels.maths.power import pow
from weft.kernels.maths.trig import cos, sin
from weft.kernels.register import Register

_INF, _NAN = float("inf"), float("nan")
_EULER = 0.5772156649015329
_EI_ROOT = (0.3725074107813666, 1.3140183414386028e-17)
_CI_ROOT = (0.6165054856207163, -4.209920321433186e-17)


def _beyond_root(name: str, x: Register, root: tuple[float, float], high: float) -> Register:
    """A function that grows as the logarithm at 0, for x up to ``high``: accurate next to its root."""
    distance = (x - root[0]) - root[1]
    ratio = distance * (1 / root[0])
    small = x < root[0] / 2
    logarithm = small.select(log(x * (1 / root[0])), log1p(small.select(0.0, ratio)))
    return logarithm + distance * chebyshev(name, x, 0.0, high)


def _exp1(x: Register) -> Register:
    """``E1(x)`` for x from 0 on."""
    near = x < 1.0
    inside, outside = near.select(x, 0.5), near.select(2.0, x)
    outside = (outside > 1000.0).select(1000.0, outside)
    inner = where_any(
        near, lambda: inside * chebyshev("ein", inside, 0.0, 1.0) - log(inside) - _EULER, x.const(0.0)
    )
    factor = chebyshev("e1_1", outside, 1.0, 3.0)
    middle, far = outside > 3.0, outside > 10.0
    factor = where_any(middle, lambda: chebyshev("e1_3", outside, 3.0, 10.0), factor)
    factor = where_any(far, lambda: chebyshev("e1_10", 1.0 / outside, 0.0, 0.1), factor)
    return near.select(inner, factor * exp(-outside) / outside)


def _expi_of_positive(x: Register) -> Register:
    near = x <= 6.0
    inside, outside = near.select(x, 1.0), near.select(8.0, x)
    inner = where_any(near, lambda: _beyond_root("ei_near", inside, _EI_ROOT, 6.0), x.const(0.0))

    def outer() -> Register:
        factor = chebyshev("ei_6", outside, 6.0, 10.0)
        for low, high in ((10.0, 20.0), (20.0, 40.0)):
            series = chebyshev(f"ei_{low:.0f}", outside, low, high)
            factor = (outside > low).select(series, factor)
        factor = (outside > 40.0).select(chebyshev("ei_40", 1.0 / outside, 0.0, 1 / 40), factor)
        half = exp(outside * 0.5)  # the exponential alone overflows before the quotient
        return half / outside * factor * half

    result = where_any(~near, outer, inner)
    return x.eq(_INF).select(x, result)


def expi(x: Register) -> Register:
    """The exponential integral Ei."""

    def build(x: Register) -> Register:
        positive = x > 0.0
        size = x.eq(0.0).select(1.0, x.fabs())
        result = where_any(~positive, lambda: -_exp1(size), x.const(0.0))
        result = where_any(positive, lambda: _expi_of_positive(size), result)
        result = x.eq(0.0).select(-_INF, result)
        result = x.eq(-_INF).select(-0.0, result)
        return x.is_nan().select(x, result)

    return through_double(build, x)


def expn(n: Register, x: Register) -> Register:
    """The exponential integral ``E_n(x)``, of ``exp(-x t) t**-n`` from 1 on, for integers n from 0 on."""
    return through_double(_expn, n, x)


def _expn(n: Register, x: Register) -> Register:
    whole = (n >= 0.0) & n.floor().eq(n) & (n < _INF)
    usual = whole & (x > 0.0) & (x < _INF)
    order, at = usual.select(n, 2.0), usual.select(x, 2.0)
    series = (at < 1.0) & (order > 1.0)
    integral = (at >= 1.0) & (order > 1.0)
    result = where_any(
        integral,
        lambda: exp(-at) * power_integral(-integral.select(order, 2.0), integral.select(at, 2.0)),
        exp(-at) / at,
    )
    result = where_any(order.eq(1.0), lambda: _exp1(at), result)
    result = where_any(
        series, lambda: _expn_series(series.select(order, 2.0), series.select(at, 0.5)), result
    )
    at_zero = (n > 1.0).select(1.0 / (n - 1.0), _INF)
    edge = x.eq(0.0).select(at_zero, x.const(0.0))
    undefined = ~whole | ~(x >= 0.0)
    return usual.select(result, undefined.select(_NAN, edge))


def _expn_series(n: Register, x: Register) -> Register:
    """The power series for x below 1, in which one term is a logarithm's."""
    term, total = n.const(1.0), n.const(0.0)
    for m in range(22):
        if m:
            term = term * (-x * (1 / m))
        distance = float(m) - n + 1.0
        total = total - distance.eq(0.0).select(0.0, term / distance.eq(0.0).select(1.0, distance))
    half = n * 0.5
    power = pow(x, n - 1.0) / gamma(n)
    signed = half.floor().eq(half).select(-power, power)
    return total + signed * (digamma(n) - log(x))


def _modulation(name: str, v: Register, border: float) -> tuple[Register, Register]:
    """The functions f and g of an oscillating integral, beside their shapes, for ``v = 1 / x**2``."""
    near = v > border
    inside, outside = near.select(v, 4 * border), near.select(border, v)

    def one(letter: str) -> Register:
        series = chebyshev(f"{name}_{letter}_8", outside, 0.0, border)
        return where_any(near, lambda: chebyshev(f"{name}_{letter}_4", inside, border, 4 * border), series)

    return one("f"), one("g")


def _trig_integral(x: Register, sine: bool) -> Register:
    size = x.fabs()
    near = size <= 4.0
    inside, outside = near.select(size, 1.0), near.select(8.0, size)
    outside = (outside > 1e300).select(1e300, outside)
    if sine:
        inner = inside * chebyshev("si_near", inside * inside, 0.0, 16.0)
    else:
        inner = _beyond_root("ci_near", inside, _CI_ROOT, 4.0)

    def outer() -> Register:
        inverse = 1.0 / outside
        f, g = _modulation("si", inverse * inverse, 1 / 64)
        f, g = f * inverse, g * inverse * inverse
        s, c = sin(outside), cos(outside)
        return (math.pi / 2 - f * c) - g * s if sine else f * s - g * c

    result = where_any(~near, outer, inner)
    if sine:
        result = size.eq(_INF).select(math.pi / 2, result)
        return keep_zero(x, x.is_nan().select(x, result.copysign(x)))
    result = size.eq(0.0).select(-_INF, x.eq(_INF).select(0.0, result))
    return x.eq(-_INF).select(_NAN, x.is_nan().select(x, result))


def si(x: Register) -> Register:
    """The sine integral."""
    return through_double(lambda v: _trig_integral(v, True), x)


def ci(x: Register) -> Register:
    """The cosine integral; below 0 the real part, which is that of ``-x``."""
    return through_double(lambda v: _trig_integral(v, False), x)


def _quarter_turns(square: Sum) -> tuple[Register, Register]:
    """Sine and cosine of ``pi/2 * square``, a sum of two floats."""
    turns = square[0] - (square[0] * 0.25).rint() * 4.0
    angle = (turns + square[1]) * (math.pi / 2)
    return sin(angle), cos(angle)


def _fresnel(x: Register, sine: bool) -> Register:
    size = x.fabs()
    near = size <= 2.0
    inside, outside = near.select(size, 1.0), near.select(4.0, size)
    outside = (outside > 1e20).select(1e20, outside)
    square = inside * inside
    fourth = square * square
    if sine:
        inner = square * inside * chebyshev("fresnel_s", fourth, 0.0, 16.0)
    else:
        inner = inside * chebyshev("fresnel_c", fourth, 0.0, 16.0)

    def outer() -> Register:
        inverse = 1.0 / (outside * outside)
        v = inverse * inverse
        f = chebyshev("fresnel_f", v, 0.0, 1 / 16) / (outside * math.pi)
        g = chebyshev("fresnel_g", v, 0.0, 1 / 16) * inverse / (outside * math.pi**2)
        s, c = _quarter_turns(two_product(outside, outside))
        return (0.5 - f * c) - g * s if sine else (0.5 + f * s) - g * c

    result = where_any(~near, outer, inner)
    return keep_zero(x, x.is_nan().select(x, result.copysign(x)))


def fresnel_sin(x: Register) -> Register:
    """The integral of ``sin(pi/2 t**2)`` from 0 to x."""
    return through_double(lambda v: _fresnel(v, True), x)


def fresnel_cos(x: Register) -> Register:
    """The integral of ``cos(pi/2 t**2)`` from 0 to x."""
    return through_double(lambda v: _fresnel(v, False), x)


def spence(x: Register) -> Register:
    """The dilogarithm of ``1 - x``: the integral of ``log(t) / (1 - t)`` from 1 to x."""
    return through_double(_spence, x)


def _spence(x: Register) -> Register:
    # By inversion into [0, 2], then by reflection into [1/2, 3/2].
    usual = (x > 0.0) & (x < _INF)
    at = usual.select(x, 1.0)
    large = at > 1.5
    folded = large.select(1.0 / at, at)
    small = folded < 0.5
    rest = small.select(1.0 - folded, folded)
    # Below 1/2 it is what Euler's reflection leaves of the function at 1 - folded.
    factor = chebyshev("spence", rest, 0.5, 1.5)
    reflected = (math.pi**2 / 6 - log(folded) * log1p(-small.select(folded, 0.5))) - folded * factor
    result = small.select(reflected, (1.0 - rest) * factor)
    logarithm = log(at)
    result = large.select(-result - 0.5 * (logarithm * logarithm), result)
    edge = x.eq(0.0).select(x.const(math.pi**2 / 6), x.const(_NAN))  # at infinity too, as SciPy's
    return usual.select(result, edge)


def dawsn(x: Register) -> Register:
    """Dawson's integral, ``exp(-x**2)`` times that of ``exp(t**2)`` from 0 to x."""
    size = x.fabs()
    return (_dawsn if x.kind == "double" else _short_dawsn)(size).copysign(x)


def _dawsn(size: Register) -> Register:
    middle, far = size > 2.0, size > 4.0
    inside = middle.select(1.0, size)
    result = inside * chebyshev("dawsn_near", inside * inside, 0.0, 4.0)
    result = where_any(middle, lambda: chebyshev("dawsn_2", middle.select(size, 3.0), 2.0, 4.0), result)

    def outer() -> Register:
        inverse = 1.0 / far.select(size, 8.0)
        return 0.5 * inverse * chebyshev("dawsn_4", inverse * inverse, 0.0, 1 / 16)

    return where_any(far, outer, result)


def _short_dawsn(size: Register) -> Register:
    square = size * size
    result = (size * square).fma(polynomial("dawsn_near", square), size)
    result = (size > 1.0).select(polynomial("dawsn_middle", size - 2.0), result)
    far = size > 3.0

    def outer() -> Register:
        inverse = 1.0 / far.select(size, 8.0)
        return inverse * polynomial("dawsn_far", inverse * inverse)

    return where_any(far, outer, result)


FUNCTIONS: dict[str, Callable[..., Register]] = {
    "expi": expi,
    "expn": expn,
    "si": si,
    "ci": ci,
    "fresnel_sin": fresnel_sin,
    "fresnel_cos": fresnel_cos,
    "spence": spence,
    "dawsn": dawsn,
}
