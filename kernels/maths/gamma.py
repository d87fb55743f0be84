"""gamma, lgamma and digamma, computed in double for every kind.

The one idea: near their positive roots a polynomial times the exact distance from the root, farther out Stirling's formula
with a polynomial in ``1 / x`` for what that leaves; the reflection formulas for negative x. All terms are kept as sums of two
floats up to one last addition, since they cancel. Where they cancel too much, around the negative roots down to -20, a rarely
called function sums the Taylor series of the nearest root. Beyond -20, where only digamma has roots that a float comes near,
its error there is a few ulp of its terms, not of the result.
"""

from __future__ import annotations

from weft.kernels.calls import call_rare
from weft.kernels.maths.bits import (
    Sum,
    fast_polynomial,
    fast_two_sum,
    polynomial_as_sum,
    through_double,
    two_product,
    two_sum,
)
from weft.kernels.maths.exp import exp_of_sum
from weft.kernels.maths.log import log1p_in_parts, log_in_parts
from weft.kernels.maths.loops import constant_array
from weft.kernels.maths.roots import ROOTS
from weft.kernels.register import Register

# Constants as sums of two floats.
PI = (3.141592653589793, 1.2246467991473532e-16)
INVERSE_PI = (0.3183098861837907, -1.9678676675182486e-17)
SIN_PI = (-1.6449340668482264, -3.040672350398476e-17)
COS_PI = (-1.5707963267948966, -6.123233995736766e-17)
STIRLING = (0.4189385332046727, 1.6728209650585413e-17)
DIGAMMA_ROOT = (1.4616321449683622, 9.549995429965697e-17)
LGAMMA_LARGEST = 2.6e305  # its lgamma is out of range
LGAMMA_SECOND_ROW = -2.69
LAST_ROOT = -20.0


def _from_integer(size: Register) -> tuple[Register, Register, Register]:
    """``(left, outer, z)``: the signed distance to the nearest integer, whether it is above 1/4; if so z is 1/2 less it."""
    left = size - size.rint()
    distance = left.fabs()
    outer = distance > 0.25
    return left, outer, outer.select(0.5 - distance, distance)


def _sin_pi(z: Register) -> Sum:
    """``sin(pi z) / pi`` for z from 0 to 1/4."""
    square, tail = _square_and_tail("sin_pi", z)
    cube, cube_low = _times((z, z.const(0.0)), _times(square, _constant(z, SIN_PI)))
    high, low = fast_two_sum(z, cube)
    return fast_two_sum(high, low + z.fma(tail, cube_low))


def _cos_pi(z: Register) -> Sum:
    """``cos(pi z) / pi`` for z from 0 to 1/4."""
    square, tail = _square_and_tail("cos_pi", z)
    second, second_low = _times(square, _constant(z, COS_PI))
    high, low = fast_two_sum(z.const(INVERSE_PI[0]), second)
    return fast_two_sum(high, low + (second_low + INVERSE_PI[1] + tail))


def _square_and_tail(name: str, z: Register) -> tuple[Sum, Register]:
    square, square_low = two_product(z, z)
    return (square, square_low), square * square * fast_polynomial(name, square)


def _constant(x: Register, value: tuple[float, float]) -> Sum:
    return x.const(value[0]), x.const(value[1])


def _pick(condition: Register, yes: Sum, no: Sum) -> Sum:
    return condition.select(yes[0], no[0]), condition.select(yes[1], no[1])


def _half(a: Sum) -> Sum:
    return a[0] * 0.5, a[1] * 0.5


def _add(a: Sum, b: Sum) -> Sum:
    total, error = two_sum(a[0], b[0])
    return total, error + (a[1] + b[1])


def _negative_where(condition: Register, a: Sum) -> Sum:
    return condition.select(-a[0], a[0]), condition.select(-a[1], a[1])


def _times(a: Sum, b: Sum) -> Sum:
    product, error = two_product(a[0], b[0])
    return product, a[0].fma(b[1], b[0].fma(a[1], error))


def _lgamma_near(size: Register, up: Register) -> Sum:
    """``lgamma(size)`` from 1 to 5/2, and where ``up``, ``lgamma(size + 1)`` from 0 to 1."""
    roots = two_product(up.select(size, size - 1.0), up.select(size - 1.0, size - 2.0))
    return _times(roots, polynomial_as_sum("lgamma_core", size - up.select(size.const(0.75), 1.75)))


def _half_lgamma_far(size: Register, logarithm: Sum) -> Sum:
    """``lgamma(size) / 2`` from 5/2 on, by Stirling."""
    inverse, half = 1.0 / size, size.fma(0.5, -0.25)
    product, error = two_product(half, logarithm[0] - 1.0)
    tail = inverse * fast_polynomial("lgamma_tail", inverse)
    high, low = two_sum(product, size.const(STIRLING[0] * 0.5))
    return high, low + (error + half.fma(logarithm[1], tail.fma(0.5, STIRLING[1] * 0.5)))


def _log_of_sum(a: Sum) -> Sum:
    top, rest = log_in_parts(a[0])
    return top, rest + a[1] / a[0]


def _half_lgamma(x: Register) -> tuple[Sum, Register]:
    """Half of ``lgamma(x)``, and whether x is a pole; in halves, since the largest results come from sums that are larger."""
    size, negative = x.fabs(), x < 0.0
    up, near = size < 1.0, size < 2.5
    one, zero = x.const(1.0), x.const(0.0)
    _, outer, z = _from_integer(size)
    sine = _pick(outer, _cos_pi(z), _sin_pi(z))
    # gamma(x) gamma(-x) = 1 / reflection; below 1 the size goes into gamma(1 - x).
    reflection = _times(sine, (up.select(one, size), zero))
    inner = near & negative
    logarithm = _log_of_sum(_pick(inner, reflection, (size, zero)))
    # lgamma(size): the core, less the logarithm below 1
    core = _pick(near, _half(_lgamma_near(size, up)), _half_lgamma_far(size, logarithm))
    other = _pick(near, logarithm, _log_of_sum(reflection))
    other = _half(_pick(up | negative, other, (zero, zero)))
    total = _add(_negative_where(negative, core), (-other[0], -other[1]))
    return total, (negative & sine[0].eq(0.0)) | size.eq(0.0)


def _lgamma(x: Register, roots: bool) -> Register:
    total, pole = _half_lgamma(x)
    result = (total[0] + total[1]) * 2.0
    if roots:
        # The terms grow with size, and with them the result from which on their errors do not count.
        smallest = (x < -5.0).select(x.const(1.0), 0.15)
        rare = (x < -2.0) & (x > LAST_ROOT) & (result.fabs() < smallest)
        result = call_rare(x, rare, "lgamma", _lgamma_by_root, result)
    infinite = pole | (x.fabs() > LGAMMA_LARGEST)
    return x.is_nan().select(x, infinite.select(float("inf"), result))


def lgamma_of_one_plus(x: Register) -> Sum:
    """``lgamma(1 + x)`` as a sum for x from 0 to 5/2, accurate near 0."""
    up = x < 1.0
    logarithm = _log_of_sum((up.select(x.const(1.0), x), x.const(0.0)))
    return _add(_lgamma_near(x, up), logarithm)


def stirling_tail(x: Register) -> Register:
    """What ``lgamma(x)`` is above ``(x - 1/2) log(x) - x + log(2 pi) / 2``, for x from 5/2 on."""
    inverse = 1.0 / x
    return inverse * fast_polynomial("lgamma_tail", inverse)


def gamma(x: Register) -> Register:
    """The gamma function; NaN at negative integers, infinite at 0 with its sign."""
    return through_double(_gamma, x)


def _gamma(x: Register) -> Register:
    total, pole = _half_lgamma(x)
    high, low = fast_two_sum(total[0] * 2.0, total[1] * 2.0)
    size = exp_of_sum(high, low)
    half = x.floor() * 0.5
    odd = half.floor().ne(half)
    result = ((x < 0.0) & odd).select(-size, size)
    infinite = x.const(float("inf"))
    result = (x > 172.0).select(infinite, result)
    # Below, all floats but the integers give a zero.
    result = (x < -190.0).select((odd & (x > -(2.0**52))).select(x.const(-0.0), 0.0), result)
    result = (x.fabs() < 2.0**-100).select(1.0 / x, result)
    result = (pole & (x < 0.0)).select(float("nan"), result)
    result = x.eq(float("-inf")).select(float("nan"), result)
    return x.is_nan().select(x, result)


def lgamma(x: Register) -> Register:
    """Logarithm of the absolute value of the gamma function; infinite at its poles."""
    return _lgamma(x.to_float("double"), x.kind == "double").to_float(x.kind)


def _lgamma_by_root(x: Register) -> Register:
    """``lgamma(x)`` near one of its negative roots, one in each half between integers, from -2 on; -2.6 is near both."""
    row = (x * -2.0).convert("fptosi", "i64") - 4
    row = row + (x < LGAMMA_SECOND_ROW).resize("i64", signed=False)
    (root, root_low), factor, series = _around(x, "lgamma", row)
    distance = two_sum(x - root, -root_low)
    top, rest = log1p_in_parts(*_times(distance, factor))
    total = _add(_times(distance, series), (-top, -rest))
    return total[0] + total[1]


def _digamma_by_root(x: Register) -> Register:
    """``digamma(x)`` near one of its negative roots, which lie one between integers."""
    (root, root_low), _, series = _around(x, "digamma", (-x).convert("fptosi", "i64"))
    product = _times(two_sum(x - root, -root_low), series)
    return product[0] + product[1]


def _around(x: Register, name: str, row: Register) -> tuple[Sum, Sum, Sum]:
    """A row of the table of roots: root and factor, and the series summed at the distance from the root."""
    writer = x.writer
    rows = ROOTS[name]
    starts = [sum(len(r) for r in rows[:n]) for n in range(len(rows) + 1)]
    table = constant_array(writer, f"weft.roots.{name}", "double", [number for r in rows for number in r])
    borders = constant_array(writer, f"weft.roots.{name}.starts", "i64", starts)

    def element(array: str, kind: str, index: Register) -> Register:
        at = writer.emit("ptr", f"getelementptr {kind}, ptr {array}, i64 {index.ref}")
        return writer.emit(kind, f"load {kind}, ptr {at.ref}, align 8")

    start, last = element(borders, "i64", row), element(borders, "i64", row + 1) - 1
    root, root_low, factor, factor_low, center = (element(table, "double", start + n) for n in range(5))
    distance = (x - center) - center.eq(root).select(root_low, 0.0)
    highest, next_to_last, before = element(table, "double", last), last - 1, writer.block
    loop, done = writer.label("loop"), writer.label("done")
    writer.br(loop)
    writer.place(loop)  # Horner's scheme; the last addition stays a sum
    index = writer.phi("i64", [(next_to_last, before)])
    total = writer.phi("double", [(highest, before)])
    following = total.fma(distance, element(table, "double", index))
    next_index = index - 1
    writer.add_incoming(index, next_index, loop)
    writer.add_incoming(total, following, loop)
    writer.cond_br(next_index > start + 5, loop, done)
    writer.place(done)
    series = fast_two_sum(element(table, "double", start + 5), following * distance)
    return (root, root_low), (factor, factor_low), series


def _digamma(x: Register, roots: bool) -> Register:
    size, negative = x.fabs(), x < 0.0
    up, near = size < 1.0, size < 2.0
    inverse = 1.0 / size
    inverse_low = (-inverse).fma(size, 1.0) * inverse
    # digamma(size), or where `up` digamma(size + 1), as far as it is no multiple of 1 / size
    root = up.select(x.const(DIGAMMA_ROOT[0] - 1.0), DIGAMMA_ROOT[0])
    distance, distance_low = two_sum(size, -root)
    middle = up.select(x.const(0.5), 1.5)
    core = _times(
        (distance, distance_low - DIGAMMA_ROOT[1]), polynomial_as_sum("digamma_core", size - middle)
    )
    top, rest = log_in_parts(size)
    core = _pick(near, core, (top, rest - inverse * inverse * fast_polynomial("digamma_tail", inverse)))
    # digamma(-size) = digamma(size) + 1 / size + pi / tan(pi size)
    far_share, one, zero = x.const(-0.5), x.const(1.0), x.const(0.0)
    share = near.select(up.select(x.const(-1.0), zero), far_share)
    share = negative.select(share + one, share)
    total = _add(core, (inverse * share, inverse_low * share))
    left, outer, z = _from_integer(size)
    sine, cosine = _sin_pi(z), _cos_pi(z)
    above, below = _pick(outer, sine, cosine), _pick(outer, cosine, sine)
    below_inverse = 1.0 / below[0]
    quotient = above[0] * below_inverse
    left_over = ((-quotient).fma(below[0], above[0]) + (above[1] - quotient * below[1])) * below_inverse
    cotangent = _times((quotient, left_over), _constant(x, PI))
    cotangent = _pick(negative, _negative_where(left < 0.0, cotangent), (zero, zero))
    total = _add(total, cotangent)
    result = total[0] + total[1]
    if roots:
        rare = negative & (x > LAST_ROOT) & (result.fabs() < 0.0625)
        result = call_rare(x, rare, "digamma", _digamma_by_root, result)
    result = (size < 2.0**-1000).select(-1.0 / x, result)
    result = x.eq(float("inf")).select(x, result)
    pole = (x < 0.0) & left.eq(0.0)
    result = (pole | x.eq(float("-inf"))).select(float("nan"), result)
    return x.is_nan().select(x, result)


def digamma(x: Register) -> Register:
    """Derivative of lgamma; NaN at negative integers, infinite at 0."""
    return _digamma(x.to_float("double"), x.kind == "double").to_float(x.kind)
