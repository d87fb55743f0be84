"""Complex arithmetic on pairs of registers (real, imaginary).

The one idea: everything is built from real expressions with no branch; products are not contracted to fma, so that
``z * conj(z)`` is exactly real.
"""

from __future__ import annotations

from collections.abc import Callable

from weft.kernels.maths import complex as elementary
from weft.kernels.register import Register

Pair = tuple[Register, Register]


def add(z: Pair, w: Pair) -> Pair:
    """Sum."""
    return z[0] + w[0], z[1] + w[1]


def sub(z: Pair, w: Pair) -> Pair:
    """Difference."""
    return z[0] - w[0], z[1] - w[1]


def mul(z: Pair, w: Pair) -> Pair:
    """Product by the four-multiplication formula, as NumPy."""
    return z[0] * w[0] - z[1] * w[1], z[0] * w[1] + z[1] * w[0]


def div(z: Pair, w: Pair) -> Pair:
    """Quotient by Smith's method (doi:10.1145/368637.368661), which neither overflows nor underflows needlessly."""
    by_real = w[0].fabs() >= w[1].fabs()
    large, small = by_real.select(w[0], w[1]), by_real.select(w[1], w[0])
    first, second = by_real.select(z[0], z[1]), by_real.select(z[1], z[0])
    ratio = small / large
    scale = 1.0 / (large + small * ratio)
    real = (first + second * ratio) * scale
    imag = (second - first * ratio) * scale
    # 0 / 0 in the ratio: divide the parts by the zero, as NumPy does.
    zero = w[0].eq(0.0) & w[1].eq(0.0)
    size = w[0].fabs()
    return zero.select(z[0] / size, real), zero.select(z[1] / size, by_real.select(imag, -imag))


def integer_power(z: Pair, exponent: int) -> Pair:
    """``z ** exponent`` by squaring, unrolled; the exponent is known now and not negative."""
    result: Pair | None = None
    square = z
    while exponent:
        if exponent & 1:
            result = square if result is None else mul(result, square)
        exponent >>= 1
        if exponent:
            square = mul(square, square)
    return result if result is not None else (z[0].const(1.0), z[0].const(0.0))


COMPLEX: dict[str, Callable[..., Pair]] = {
    "add": add,
    "sub": sub,
    "mul": mul,
    "div": div,
    "fma": lambda z, w, v: add(mul(z, w), v),
    "neg": lambda z: (-z[0], -z[1]),
    "conj": lambda z: (z[0], -z[1]),
    **elementary.FUNCTIONS,
}

TO_REAL: dict[str, Callable[[Pair], Register]] = {
    "real": lambda z: z[0],
    "imag": lambda z: z[1],
    "abs": elementary.absolute,
    "angle": elementary.angle,
}
