"""The pieces that all maths functions share: polynomials, error-free sums and products, exponents of floats.

The one idea: a result that must be better than one rounding is kept as an unevaluated sum ``(high, low)``. The exact
identities are Dekker's and Knuth's; products get their error from one fma.
"""

from __future__ import annotations

import itertools
import struct
from collections.abc import Callable, Sequence

from weft.kernels.calls import rarely
from weft.kernels.maths.coefficients import COEFFICIENTS
from weft.kernels.register import Register

Sum = tuple[Register, Register]

MANTISSA_BITS = {"float": 23, "double": 52}
BIAS = {"float": 127, "double": 1023}
SMALLEST_NORMAL = {"float": 2.0**-126, "double": 2.0**-1022}
ROUND_SHIFT = {"float": 1.5 * 2.0**23, "double": 1.5 * 2.0**52}


def horner(x: Register, coefficients: Sequence[float]) -> Register:
    """The polynomial with these coefficients, lowest power first."""
    total = x.const(coefficients[-1])
    for c in reversed(coefficients[:-1]):
        total = total.fma(x, c)
    return total


def polynomial(name: str, x: Register) -> Register:
    """The fitted polynomial of that name for the kind of ``x``."""
    return horner(x, COEFFICIENTS[name][x.kind])


def long_polynomial(name: str, x: Register) -> Register:
    """As :func:`polynomial`, in two chains that do not wait for each other, but for the terms of the most weight."""
    first, second, *others = COEFFICIENTS[name][x.kind]
    square = x * x
    rest = horner(square, others[1::2]).fma(x, horner(square, others[::2]))
    return rest.fma(x, x.const(second)).fma(x, x.const(first))


def paired_polynomial(name: str, x: Register, square: Register) -> Register:
    """As :func:`polynomial`, by pairs of terms: half as long a chain, for where the result is small beside what it is added to.

    ``square`` is that of ``x``.
    """
    c = COEFFICIENTS[name][x.kind]
    pairs = [x.const(c[k]) if k + 1 == len(c) else x.fma(c[k + 1], c[k]) for k in range(0, len(c), 2)]
    total = pairs[-1]
    for pair in reversed(pairs[:-1]):
        total = total.fma(square, pair)
    return total


def estrin(x: Register, coefficients: Sequence[float]) -> Register:
    """As :func:`horner`, by Estrin's scheme: as many steps one after the other as the degree has binary digits."""
    terms: list[Register | float] = list(coefficients)
    power = x
    while len(terms) > 1:
        pairs = itertools.zip_longest(terms[::2], terms[1::2])
        terms = [low if high is None else power.fma(high, low) for low, high in pairs]
        power = power * power if len(terms) > 1 else power
    (total,) = terms
    return total if isinstance(total, Register) else x.const(total)


def fast_polynomial(name: str, x: Register) -> Register:
    """As :func:`polynomial`, by Estrin's scheme, for where the result is small beside what it is added to."""
    return estrin(x, COEFFICIENTS[name][x.kind])


def polynomial_as_sum(name: str, x: Register) -> Sum:
    """As :func:`polynomial`, without the error of the last addition; the first coefficient outweighs the rest."""
    first, *others = COEFFICIENTS[name][x.kind]
    return fast_two_sum(x.const(first), x * estrin(x, others))


def two_sum(a: Register, b: Register) -> Sum:
    """``a + b`` exactly, as rounded sum and error."""
    total = a + b
    rest = total - a
    return total, (a - (total - rest)) + (b - rest)


def fast_two_sum(a: Register, b: Register) -> Sum:
    """As :func:`two_sum`, where ``|a| >= |b|`` or ``a`` is 0."""
    total = a + b
    return total, b - (total - a)


def two_product(a: Register, b: Register | float) -> Sum:
    """``a * b`` exactly, as rounded product and error."""
    product = a * b
    return product, a.fma(b, -product)


def keep_zero(x: Register, result: Register) -> Register:
    """``x`` where it is 0, so that odd functions keep its sign."""
    return x.eq(0.0).select(x, result)


def round_to_bits(x: Register) -> Sum:
    """The nearest integer as a float, and an integer register whose low bits hold it; NaN is harmless."""
    shifted = x + ROUND_SHIFT[x.kind]
    return shifted - ROUND_SHIFT[x.kind], shifted.as_bits()


def power_of_two(exponent: Register) -> Register:
    """``2.0 ** exponent`` for an integer in floating form, in the range of normal numbers."""
    _, bits = round_to_bits(exponent)
    return power_of_bits(bits, exponent.kind)


def scale(x: Register, exponent: Register) -> Register:
    """``x * 2.0 ** exponent`` for an integer in floating form, which may be out of the range of normal numbers."""
    return scale_by_bits(x, round_to_bits(exponent)[1])


def scale_by_bits(x: Register, exponent: Register) -> Register:
    """As :func:`scale`, for an integer in low bits as `round_to_bits` gives it.

    In two steps, each by half of it; NaN stays whatever the bits.
    """
    half = exponent.lshr(1)
    return x * power_of_bits(half, x.kind) * power_of_bits(exponent - half, x.kind)


def power_of_bits(exponent: Register, kind: str) -> Register:
    """``2.0 ** exponent`` for an integer in low bits; the bits above are no matter."""
    return (exponent + BIAS[kind]).shl(MANTISSA_BITS[kind]).as_float()


def split_exponent(x: Register, low: float = 0.7071067811865475) -> Sum:
    """A positive ``x`` as ``(mantissa, exponent)``, mantissa in ``[low, 2 * low)``; subnormals too. Both are floats."""
    tiny = x < SMALLEST_NORMAL[x.kind]
    mantissa, exponent = split_normal(rarely(tiny, lambda: x * 2.0**54, x), low)
    return mantissa, rarely(tiny, lambda: exponent - 54.0, exponent)


def split_normal(x: Register, low: float = 0.7071067811865475) -> Sum:
    """As :func:`split_exponent`, of normal numbers."""
    kind, width = x.kind, MANTISSA_BITS[x.kind]
    bits = x.as_bits()
    # Counting from `low` instead of 1 makes the exponent field change where the mantissa should wrap.
    shifted = bits + (_bits_of(1.0, kind) - _bits_of(low, kind))
    field = shifted.lshr(width)
    mantissa = ((shifted & ((1 << width) - 1)) + _bits_of(low, kind)).as_float()
    # A small integer to float, by putting it into the low bits of 2**width.
    magic = 2.0**width
    return mantissa, (field | _bits_of(magic, kind)).as_float() - (magic + BIAS[kind])


def _bits_of(value: float, kind: str) -> int:
    return int(
        struct.unpack(
            "<i" if kind == "float" else "<q", struct.pack("<f" if kind == "float" else "<d", value)
        )[0]
    )


def through_double(function: Callable[..., Register], *args: Register) -> Register:
    """A function computed in double whatever the operands' kind, rounded back."""
    kind = args[0].kind
    return function(*(a.to_float("double") for a in args)).to_float(kind)
