"""Elementary functions of complex numbers, on pairs of registers (real, imaginary).

The one idea: each is composed of the real functions so that no part cancels or overflows where the result does not; the
inverse functions follow Kahan ("Branch cuts for complex elementary functions", 1987), with the same branch cuts as NumPy.
"""

from __future__ import annotations

from collections.abc import Callable

from weft.kernels.maths.bits import fast_two_sum, keep_zero, two_product, two_sum
from weft.kernels.maths.exp import exp, expm1, half_exp
from weft.kernels.maths.hyperbolic import asinh, sinh, tanh
from weft.kernels.maths.hyperbolic import cosh as real_cosh
from weft.kernels.maths.inverse_trig import atan2, hypot
from weft.kernels.maths.log import LOG2_OF_E, LOG10_OF_E, log, log1p
from weft.kernels.maths.trig import cos, sin
from weft.kernels.maths.trig import tan as real_tan
from weft.kernels.register import Register

Pair = tuple[Register, Register]

HALF_PI = 1.5707963267948966


def times(size: Register, unit: Register) -> Register:
    """``size * unit``, but 0 for a unit of 0 even if the size is infinite."""
    return unit.eq(0.0).select(unit * size.const(1.0).copysign(size), size * unit)


def _is_finite(x: Register) -> Register:
    return x.fabs() < float("inf")


def absolute(z: Pair) -> Register:
    """Absolute value."""
    return hypot(*z)


def angle(z: Pair) -> Register:
    """The argument in ``[-pi, pi]``."""
    return atan2(z[1], z[0])


def exp_pair(z: Pair) -> Pair:
    """Exponential; a factor of it is held back where the size alone would overflow."""
    x, y = z
    bound = 80.0 if x.kind == "float" else 700.0
    large = x > bound
    kept = large.select(x - bound, x)
    size = exp(kept)
    extra = large.select(exp(x.const(bound)), x.const(1.0))
    real = times(times(size, cos(y)), extra)
    imag = times(times(size, sin(y)), extra)
    # An infinite size has a meaning also for an imaginary part without a direction.
    gone, zero = x.eq(float("-inf")), x.const(0.0)
    directed = _is_finite(y)
    real = gone.select(zero.copysign(directed.select(cos(y), 1.0)), real)
    imag = gone.select(zero.copysign(directed.select(sin(y), y)), imag)
    real = (x.eq(float("inf")) & ~_is_finite(y)).select(x, real)
    return real, y.eq(0.0).select(y, imag)


def expm1_pair(z: Pair) -> Pair:
    """``exp(z) - 1``; near 0 ``expm1(x) cos(y) - 2 sin(y/2)**2``, in which nothing cancels."""
    x, y = z
    real, imag = exp_pair(z)
    near = x.fabs() < 40.0  # from there on 1 does not count, or nothing else does
    half_sine = sin(y * 0.5)
    kept = expm1(near.select(x, 0.0)) * cos(y) - 2.0 * half_sine * half_sine
    return near.select(kept + 0.0, real - 1.0), imag  # never -0


def log_size(z: Pair) -> Register:
    """``log|z|``, also where ``|z|`` is near 1."""
    a, b = z[0].fabs(), z[1].fabs()
    large, small = (a > b).select(a, b), (a > b).select(b, a)
    size = hypot(a, b)
    # |z|**2 - 1 in two floats.
    square, square_low = two_product(large, large)
    other, other_low = two_product(small, small)
    total, error = two_sum(square, square.const(-1.0))
    total, rest = two_sum(total, other)
    distance = total + (error + rest + square_low + other_low)
    near = (size > 0.7) & (size < 1.5)
    return near.select(log1p(near.select(distance, 0.0)) * 0.5, _log_of_hypot(size, a, b))


def _log_of_hypot(size: Register, a: Register, b: Register) -> Register:
    """``log(size)``, where the size overflowed of its half."""
    over = size.eq(float("inf")) & (a < float("inf")) & (b < float("inf"))
    log_2 = 0.6931471805599453
    return over.select(log(over.select(hypot(a * 0.5, b * 0.5), 1.0)) + log_2, log(size))


def log_pair(z: Pair) -> Pair:
    """Natural logarithm."""
    return log_size(z), angle(z)


def _scaled_log(table: dict[str, tuple[float, float]]) -> Callable[[Pair], Pair]:
    def scaled(z: Pair) -> Pair:
        factor = table[z[0].kind][0]
        real, imag = log_pair(z)
        return real * factor, imag * factor

    return scaled


def log1p_pair(z: Pair) -> Pair:
    """``log(1 + z)`` without cancellation near 0."""
    x, y = z
    # |1 + z|**2 - 1 = x (2 + x) + y**2
    p, p_low = two_product(x, x + 2.0)
    q, q_low = two_product(y, y)
    total, error = two_sum(p, q)
    distance = total + (error + p_low + q_low)
    shifted = x + 1.0
    near = distance.fabs() < 0.5
    real = near.select(log1p(near.select(distance, 0.0)) * 0.5, log_size((shifted, y)))
    return real, atan2(y, shifted)


def sqrt_pair(z: Pair) -> Pair:
    """Square root with a real part that is not negative."""
    x, y = z
    a, b = x.fabs(), y.fabs()
    limit = 2.0**120 if x.kind == "float" else 2.0**1000
    largest = a.greater_of(b)
    huge, tiny = largest > limit, largest < 1 / limit
    # Powers of 4, so that the root of the factor is a power of 2.
    factor = huge.select(2.0**-4, tiny.select(2.0**54, x.const(1.0)))
    back = huge.select(2.0**2, tiny.select(2.0**-27, x.const(1.0)))
    a, b = a * factor, b * factor
    t = ((a + hypot(a, b)) * 0.5).sqrt()
    zero = t.eq(0.0)
    other = zero.select(0.0, b / (t + t))
    t, other = t * back, other * back
    left = x.as_bits() < 0
    real, imag = left.select(other, t), left.select(t, other)
    y_infinite = y.fabs().eq(float("inf"))
    x_infinite = x.fabs().eq(float("inf"))
    real = x_infinite.select(left.select(y.is_nan().select(y, 0.0), x), real)
    imag = x_infinite.select(left.select(x.fabs(), y.is_nan().select(y, 0.0)), imag)
    inf = x.const(float("inf"))
    return y_infinite.select(inf, real), y_infinite.select(inf, imag).copysign(y)


def _sinh_cosh(x: Register) -> tuple[Register, Register, Register]:
    """``sinh(x)`` and ``cosh(x)`` over a common factor, and the factor, which is not 1 only near overflow."""
    bound = 80.0 if x.kind == "float" else 700.0
    size = x.fabs()
    large = size > bound
    kept = half_exp(size - bound)
    factor = large.select(exp(x.const(bound)), x.const(1.0))
    return large.select(kept.copysign(x), sinh(x)), large.select(kept, real_cosh(x)), factor


def sinh_pair(z: Pair) -> Pair:
    """Hyperbolic sine."""
    x, y = z
    sine, cosine, factor = _sinh_cosh(x)
    real = times(times(sine, cos(y)), factor)
    imag = times(times(cosine, sin(y)), factor)
    keep = (x.eq(0.0) | ~_is_finite(x)) & ~_is_finite(y)
    return keep.select(x, real), y.eq(0.0).select(y, imag)


def cosh_pair(z: Pair) -> Pair:
    """Hyperbolic cosine."""
    x, y = z
    sine, cosine, factor = _sinh_cosh(x)
    real = times(times(cosine, cos(y)), factor)
    imag = times(times(sine, sin(y)), factor)
    directionless = ~_is_finite(y)
    real = (x.fabs().eq(float("inf")) & directionless).select(x.fabs(), real)
    imag = (x.eq(0.0) & directionless | y.eq(0.0) & x.is_nan()).select(0.0, imag)
    return real, imag


def tanh_pair(z: Pair) -> Pair:
    """Hyperbolic tangent, by Kahan's formula in ``sinh(x)`` and ``tan(y)``."""
    x, y = z
    bound = 12.0 if x.kind == "float" else 22.0
    far = x.fabs() > bound
    inside = far.select(1.0, x)
    t, s = real_tan(y), sinh(inside)
    b = t.fma(t, 1.0)
    rho = s.fma(s, 1.0).sqrt()
    d = (b * s).fma(s, 1.0)
    real, imag = b * rho * s / d, t / d
    t_infinite = t.fabs() > (1.0e18 if x.kind == "float" else 1.0e150)
    real, imag = t_infinite.select(rho / s, real), t_infinite.select(1.0 / (t * s * s), imag)
    one = tanh(x)
    tail = exp(x.fabs() * -2.0)
    directed = _is_finite(x) & _is_finite(y)
    far_imag = directed.select(4.0 * sin(y) * cos(y) * tail, x.const(0.0).copysign(y))
    real, imag = far.select(one, real), far.select(far_imag, imag)
    undefined = _is_finite(x) & ~_is_finite(y)
    real = undefined.select(x.eq(0.0).select(x, x.const(float("nan"))), real)
    imag = (undefined | x.is_nan()).select(float("nan"), imag)
    return real, y.eq(0.0).select(y, imag)


def _times_i(z: Pair) -> Pair:
    return -z[1], z[0]


def _times_minus_i(z: Pair) -> Pair:
    return z[1], -z[0]


def _turned(function: Callable[[Pair], Pair]) -> Callable[[Pair], Pair]:
    """``-i * function(i * z)``: from a hyperbolic function to the circular one, and back."""
    return lambda z: _times_minus_i(function(_times_i(z)))


def cos_pair(z: Pair) -> Pair:
    """Cosine."""
    return cosh_pair(_times_i(z))


def _roots(z: Pair) -> tuple[Pair, Pair]:
    """``sqrt(1 - z)`` and ``sqrt(1 + z)``."""
    return sqrt_pair((1.0 - z[0], -z[1])), sqrt_pair((z[0] + 1.0, z[1]))


def _difference_of_products(a: Register, b: Register, c: Register, d: Register) -> Register:
    """``a * b - c * d`` with one rounding each of the products' errors kept."""
    p, p_low = two_product(a, b)
    q, q_low = two_product(c, d)
    total, error = two_sum(p, -q)
    fine = total + (error + (p_low - q_low))
    return fine.is_nan().select(a * b - c * d, fine)


def _far(z: Pair) -> tuple[Register, Register]:
    """Whether ``|z|`` is so large that 1 does not count beside ``z**2``, and ``log(2 |z|)``."""
    far = hypot(*z) > (2.0**15 if z[0].kind == "float" else 2.0**30)
    return far, log_size(z) + 0.6931471805599453


def asin_pair(z: Pair) -> Pair:
    """Arc sine."""
    x, y = z
    minus, plus = _roots(z)
    real = atan2(x, _difference_of_products(minus[0], plus[0], minus[1], plus[1]))
    imag = asinh(_difference_of_products(minus[0], plus[1], minus[1], plus[0]))
    far, log_far = _far(z)
    real, imag = far.select(atan2(x, y.fabs()), real), far.select(log_far, imag)
    return keep_zero(x, real), imag.copysign(y)


def acos_pair(z: Pair) -> Pair:
    """Arc cosine."""
    x, y = z
    minus, plus = _roots(z)
    real = 2.0 * atan2(minus[0], plus[0])
    imag = asinh(_difference_of_products(plus[0], minus[1], plus[1], minus[0]))
    far, log_far = _far(z)
    real, imag = far.select(atan2(y.fabs(), x), real), far.select(log_far, imag)
    return x.eq(0.0).select(HALF_PI, real), imag.copysign(-y)


def acosh_pair(z: Pair) -> Pair:
    """Inverse hyperbolic cosine."""
    x, y = z
    low, high = sqrt_pair((x - 1.0, y)), sqrt_pair((x + 1.0, y))
    real = asinh(_difference_of_products(low[0], high[0], -low[1], high[1]))
    imag = 2.0 * atan2(low[1], high[0])
    far, log_far = _far(z)
    real, imag = far.select(log_far, real), far.select(atan2(y, x), imag)
    return real, x.eq(0.0).select(x.const(HALF_PI).copysign(y), imag)


def atanh_pair(z: Pair) -> Pair:
    """Inverse hyperbolic tangent."""
    x, y = z
    limit = 2.0**30 if x.kind == "float" else 2.0**250
    a, b = x.fabs(), y.fabs()
    far = a.greater_of(b) > limit
    # Far away it is 1 / z + i pi / 2 with the sign of y.
    size = hypot(a, b)
    away_real = far.select((a / size) / size, 0.0)
    away_real = size.eq(float("inf")).select(0.0, away_real)
    a_near, b_near = far.select(0.0, a), far.select(0.0, b)
    distance = 1.0 - a_near
    square = distance.fma(distance, b_near * b_near)
    # log1p(4 a / square) / 4, or next to the pole its parts, so that the square may underflow.
    close = square < (2.0**-20 if x.kind == "float" else 2.0**-40)
    from_pole = 0.25 * log(4.0 * a_near) - 0.5 * log(hypot(distance, b_near))
    real = close.select(from_pole, 0.25 * log1p(4.0 * a_near / square))
    p, p_low = two_product(distance, a_near + 1.0)
    q, q_low = two_product(b_near, b_near)
    total, error = fast_two_sum(p, -q)
    imag = 0.5 * atan2(b_near + b_near, total + (error + (p_low - q_low)))
    far, undefined = far | size.eq(float("inf")), y.is_nan() | (x.is_nan() & (b < float("inf")))
    real, imag = far.select(away_real, real), far.select(HALF_PI, imag)
    imag = undefined.select(float("nan"), imag)
    return keep_zero(x, real.copysign(x)), imag.copysign(y)


def pow_pair(z: Pair, w: Pair) -> Pair:
    """Power, in double also for floats: an error of the exponent is as large in the result as the exponent itself."""
    kind = z[0].kind
    wide = [part.to_float("double") for part in (*z, *w)]
    real, imag = _pow_of_doubles((wide[0], wide[1]), (wide[2], wide[3]))
    return real.to_float(kind), imag.to_float(kind)


def _pow_of_doubles(z: Pair, w: Pair) -> Pair:
    """``exp(w * log(z))``; 1 for an exponent of 0, and 0 for a base of 0 with an exponent to the right of 0."""
    log_real, log_imag = log_pair(z)
    c, d = w
    result = exp_pair((times(log_real, c) - log_imag * d, times(log_real, d) + log_imag * c))
    zero_base = z[0].eq(0.0) & z[1].eq(0.0)
    zero_exponent = c.eq(0.0) & d.eq(0.0)
    vanishes = zero_base & (c > 0.0)
    undefined = zero_base & ~(c > 0.0)
    real = vanishes.select(0.0, undefined.select(float("nan"), result[0]))
    imag = vanishes.select(0.0, undefined.select(float("nan"), result[1]))
    return zero_exponent.select(1.0, real), zero_exponent.select(0.0, imag)


def sign(z: Pair) -> Pair:
    """``z / |z|``, 0 for 0, NaN where a part is; an infinite part beside a finite one gives the direction."""
    size = absolute(z)
    zero, infinite = size.eq(0.0), size.eq(float("inf"))

    def part(x: Register, other: Register) -> Register:
        endless, other_endless = x.fabs().eq(float("inf")), other.fabs().eq(float("inf"))
        direction = endless.select(x.const(1.0).copysign(x), 0.0)
        ordinary = x / size
        known = infinite & (endless ^ other_endless)
        return zero.select(0.0, known.select(direction, infinite.select(float("nan"), ordinary)))

    real, imag = part(z[0], z[1]), part(z[1], z[0])
    undefined = z[0].is_nan() | z[1].is_nan()
    return undefined.select(float("nan"), real), undefined.select(float("nan"), imag)


FUNCTIONS: dict[str, Callable[..., Pair]] = {
    "exp": exp_pair,
    "expm1": expm1_pair,
    "log": log_pair,
    "log2": _scaled_log(LOG2_OF_E),
    "log10": _scaled_log(LOG10_OF_E),
    "log1p": log1p_pair,
    "sqrt": sqrt_pair,
    "sinh": sinh_pair,
    "cosh": cosh_pair,
    "tanh": tanh_pair,
    "sin": _turned(sinh_pair),
    "cos": cos_pair,
    "tan": _turned(tanh_pair),
    "asin": asin_pair,
    "acos": acos_pair,
    "atan": _turned(atanh_pair),
    "asinh": _turned(asin_pair),
    "acosh": acosh_pair,
    "atanh": atanh_pair,
    "pow": pow_pair,
    "sign": sign,
}
