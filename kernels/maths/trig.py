"""sin, cos and tan, for every argument.

The one idea: ``x = k * pi/2 + r`` with ``|r| <= pi/4``, r as a sum of two floats. Up to a limit, pi/2 in three parts and fma
do (Cody and Waite); beyond it ``x * 2/pi`` is taken modulo 4 in integers, against the bits of 2/pi that matter (Payne and
Hanek), in a rarely called function of its own, so the usual loop stays a short vector loop.
"""

from __future__ import annotations

from collections.abc import Callable

from weft.kernels.calls import call_rare
from weft.kernels.maths.bits import (
    MANTISSA_BITS,
    Sum,
    fast_two_sum,
    paired_polynomial,
    round_to_bits,
    two_product,
)
from weft.kernels.register import Register

Kernel = Callable[[Register, Register, Register], Register]  # (low bits of k, r, low part of r) -> result

TWO_OVER_PI = 0.6366197723675814
HALF_PI = {
    "float": (1.5707963705062866, -4.371138828673793e-08, -1.7151245100058819e-15),
    "double": (1.5707963267948966, 6.123233995736766e-17, -1.4973849048591698e-33),
}
LIMIT = {"float": 1.0e6, "double": 1.0e9}
TINY = {"float": 2.0**-13, "double": 2.0**-27}


def _table_of_two_over_pi(words: int) -> list[int]:
    """The binary digits of 2/pi behind the point, in words of 64 bits; pi by Machin's formula in integers."""
    precision = 64 * words + 64
    one = 1 << precision

    def arctan_of_inverse(n: int) -> int:
        power, total, k = one // n, 0, 0
        while power:
            total += (-1) ** k * (power // (2 * k + 1))
            power //= n * n
            k += 1
        return total

    pi = 16 * arctan_of_inverse(5) - 4 * arctan_of_inverse(239)
    digits = (2 * one * one // pi) >> 64
    return [(digits >> (64 * (words - 1 - k))) & ((1 << 64) - 1) for k in range(words)]


def _reduce_usual(x: Register) -> tuple[Register, Register, Register]:
    """``(k bits, r, low)`` for ``|x|`` up to the limit."""
    p1, p2, p3 = HALF_PI[x.kind]
    k, bits = round_to_bits(x * TWO_OVER_PI)
    first = (-k).fma(p1, x)  # exact: a multiple of ulp(p1) / 2 below 1
    product, product_low = two_product(k, p2)
    r = first - product
    low = ((first - r) - product) - k.fma(p3, product_low)
    return bits, r, low


def _reduce_large(x: Register) -> tuple[Register, Register, Register]:
    """``(k bits, r, low)`` for a large finite double; scalar code with wide integers."""
    writer = x.writer
    words = _table_of_two_over_pi(21)
    table = ", ".join(f"i64 {w - (1 << 64) if w >> 63 else w}" for w in [0, 0, *words])
    writer.declare(
        f"@weft.two_over_pi = private unnamed_addr constant [{len(words) + 2} x i64] [{table}], align 16"
    )
    bits = x.as_bits() & ((1 << 63) - 1)
    mantissa = (bits & ((1 << 52) - 1)) | (1 << 52)
    # x = mantissa * 2**e. In mantissa * 2**e * 2/pi only bits of weight below 4 matter: those of 2/pi from
    # position e - 2 - 64 on. The table starts with two zero words, which shifts positions by 128.
    start = bits.lshr(52) - (1075 + 2 - 128)
    start = (start < 0).select(0, start)
    word, shift = start.lshr(6), start & 63

    def digits(n: int) -> Register:
        at = writer.emit("ptr", f"getelementptr i64, ptr @weft.two_over_pi, i64 {(word + n).ref}")
        return writer.emit("i64", f"load i64, ptr {at.ref}, align 8")

    w = [digits(n) for n in range(4)]
    fill = shift.eq(0)

    def shifted(n: int) -> Register:
        rest = fill.select(0, w[n + 1].lshr(fill.select(0, 64 - shift)))
        return (w[n].shl(shift) | rest).resize("i128", signed=False)

    # The fraction of x * 2/pi / 4 as 128 bits: mantissa times three words, modulo 2**192, its lowest word dropped.
    m = mantissa.resize("i128", signed=False)
    low_product = (m * shifted(2)).lshr(64)
    middle = m * shifted(1) + low_product
    fraction = (m * shifted(0)).shl(64) + middle
    quarter = (fraction.lshr(125) + 1).lshr(1)  # nearest multiple of pi/2
    rest = fraction - quarter.shl(126)  # signed, in units of 2**-126 quarters
    negative = rest < 0
    size = negative.select(-rest, rest)
    zeros = writer.intrinsic("ctlz", "i128", [size], tail=["true"])
    normal = size.shl(zeros)
    high = normal.lshr(75).resize("i64").convert("uitofp", "double")
    low = (normal.lshr(22).resize("i64") & ((1 << 53) - 1)).convert("uitofp", "double")
    # high * 2**75 + low * 2**22, times 2**-(zeros + 126)
    exponent = (1023 - 126 + 75) - zeros.resize("i64")
    unit = exponent.shl(52).as_float()
    high, low = high * unit, low * 2.0**-53 * unit
    r, error = two_product(high, HALF_PI["double"][0])
    error = high.fma(HALF_PI["double"][1], low.fma(HALF_PI["double"][0], error))
    r, error = fast_two_sum(r, error)
    k = quarter.resize("i64")
    flip = (x < 0.0) ^ negative
    k = (x < 0.0).select(-k, k)
    return k, flip.select(-r, r), flip.select(-error, error)


def _for_every_argument(name: str, kernel: Kernel, x: Register) -> Register:
    """Apply a kernel behind the reduction that fits the argument; of infinity and NaN the usual one makes NaN."""
    usual = kernel(*_reduce_usual(x))
    size = x.fabs()
    rare = (size > LIMIT[x.kind]) & (size < float("inf"))

    def slow(y: Register) -> Register:
        return kernel(*_reduce_large(y.to_float("double"))).to_float(y.kind)

    return call_rare(x, rare, name, slow, usual)


def _sin_of_reduced(r: Register, low: Register) -> Sum:
    """``sin(r + low)`` as a sum whose first part is r."""
    z = r * r
    return r, (z * r).fma(paired_polynomial("sin", z, z * z), low * z.fma(-0.5, 1.0))


def _cos_of_reduced(r: Register, low: Register) -> Sum:
    """``cos(r + low)`` as a sum whose first part is ``1 - r**2 / 2``."""
    z = r * r
    half = z * 0.5
    first = 1.0 - half
    rest = (1.0 - first) - half
    square = z * z
    return first, square.fma(paired_polynomial("cos", z, square), rest - r * low)


def _sin_quadrant(k: Register, r: Register, low: Register) -> Register:
    """``sin(k * pi/2 + r + low)``."""
    sine, sine_low = _sin_of_reduced(r, low)
    cosine, cosine_low = _cos_of_reduced(r, low)
    value = (k & 1).ne(0).select(cosine + cosine_low, sine + sine_low)
    sign = (k & 2).shl(MANTISSA_BITS[r.kind] + (7 if r.kind == "float" else 10))
    return (value.as_bits() ^ sign).as_float()


def _tan_quadrant(k: Register, r: Register, low: Register) -> Register:
    """``tan(k * pi/2 + r + low)``: the quotient with one correction."""
    s, s_low = fast_two_sum(*_sin_of_reduced(r, low))
    c, c_low = fast_two_sum(*_cos_of_reduced(r, low))
    swap = (k & 1).ne(0)
    top, top_low = swap.select(-c, s), swap.select(-c_low, s_low)
    bottom, bottom_low = swap.select(s, c), swap.select(s_low, c_low)
    inverse = 1.0 / bottom
    quotient = top * inverse
    rest = (-quotient).fma(bottom, top) + (top_low - quotient * bottom_low)
    return quotient + rest * inverse


def sin(x: Register) -> Register:
    """Sine."""
    result = _for_every_argument("sin", _sin_quadrant, x)
    return (x.fabs() < TINY[x.kind]).select(x, result)


def cos(x: Register) -> Register:
    """Cosine."""
    return _for_every_argument("cos", lambda k, r, low: _sin_quadrant(k + 1, r, low), x)


def tan(x: Register) -> Register:
    """Tangent."""
    result = _for_every_argument("tan", _tan_quadrant, x)
    return (x.fabs() < TINY[x.kind]).select(x, result)
