"""Elementwise operations on the bits of integers and floats."""

from __future__ import annotations

from typing import Any

import numpy as np
from ml_dtypes import finfo

from weft.ir.errors import ArgumentError, DTypeError
from weft.ir.ops.elementwise import add, and_, cast, define, full_like, ge, mul, select, to_bool
from weft.ir.rules import linear, no_tangent, per_input, transposed
from weft.ir.types import INT64, is_integer


def _shift_right_logical_reference(x: np.ndarray, y: np.ndarray) -> Any:
    unsigned = np.dtype(x.dtype.str.replace("i", "u"))
    return np.right_shift(x.astype(unsigned), y.astype(unsigned)).astype(x.dtype)


def _clz_reference(x: np.ndarray) -> Any:
    bits = x.dtype.itemsize * 8
    rest = np.asarray(x).astype(np.dtype(x.dtype.str.replace("i", "u"))).astype(np.uint64)
    count = np.zeros(x.shape, np.int64)
    for step in (32, 16, 8, 4, 2, 1):
        big = rest >> np.uint64(step) != 0
        rest = np.where(big, rest >> np.uint64(step), rest)
        count = count + np.where(big, step, 0)
    return (bits - count - (rest != 0)).astype(x.dtype)


shift_left_p = define("shift_left", "integer", np.left_shift, no_tangent)
shift_right_p = define("shift_right", "integer", np.right_shift, no_tangent)
shift_right_logical_p = define("shift_right_logical", "integer", _shift_right_logical_reference, no_tangent)
population_count_p = define(
    "population_count",
    "integer",
    lambda x: np.bitwise_count(x.astype(np.dtype(x.dtype.str.replace("i", "u")))).astype(x.dtype),
    no_tangent,
)
clz_p = define("clz", "integer", _clz_reference, no_tangent)
sign_bit_p = define("sign_bit", "floating", np.signbit, no_tangent, result=to_bool)


def _slope_of_abs(x: Any) -> Any:
    return select(ge(x, 0), full_like(x, 1), full_like(x, -1))


copysign_p = define(
    "copysign",
    "floating",
    np.copysign,
    per_input(lambda t, o, x, y: mul(t, mul(_slope_of_abs(x), copysign(full_like(o, 1), y))), None),
)
nextafter_p = define("nextafter", "floating", np.nextafter, no_tangent)


def _limits(dtype: np.dtype) -> Any:
    """What NumPy's ``finfo`` says, of bfloat16 too."""
    return finfo(dtype)  # type: ignore[no-untyped-call]


def _reduce_precision_reference(x: np.ndarray, *, exponent_bits: int, mantissa_bits: int) -> np.ndarray:
    wide = np.asarray(x, np.float64)
    with np.errstate(all="ignore"):
        # In units of the last bit that stays; subnormal numbers have the exponent of the smallest normal one.
        exponent = np.maximum(np.frexp(wide)[1] - 1, _limits(x.dtype).minexp)
        unit = exponent - min(mantissa_bits, _limits(x.dtype).nmant)
        out = np.ldexp(np.rint(np.ldexp(wide, -unit)), unit)
        out = np.where(np.isfinite(wide), out, wide)
        if exponent_bits < _limits(x.dtype).nexp:
            bias = 2 ** (exponent_bits - 1) - 1
            out = np.where(np.abs(out) < 2.0 ** (1 - bias), np.copysign(0.0, wide), out)
            out = np.where(np.abs(out) >= 2.0 ** (bias + 1), np.copysign(np.inf, wide), out)
    return out.astype(x.dtype)


def _reduce_precision_scalar(ops: Any, x: Any, *, exponent_bits: int, mantissa_bits: int) -> Any:
    """On the bits: add half a unit of the last bit that stays, less one where that bit is 0, and cut the rest off."""
    info = _limits(x.dtype)
    unsigned = np.dtype(f"u{x.dtype.itemsize}")
    raw = ops.bitcast(x, unsigned)

    def number(value: int) -> Any:
        return ops.constant(value & ((1 << info.bits) - 1), raw)

    bit_and, bit_or = getattr(ops, "and"), getattr(ops, "or")
    cut = info.nmant - mantissa_bits
    kept = raw
    if cut > 0:
        last = bit_and(ops.shift_right_logical(raw, number(cut)), number(1))
        kept = ops.add(raw, ops.add(last, number((1 << (cut - 1)) - 1)))
        kept = bit_and(kept, number(-(1 << cut)))
    sign = bit_and(raw, number(1 << (info.bits - 1)))
    infinite = number(((1 << info.nexp) - 1) << info.nmant)
    if exponent_bits < info.nexp:
        own, bias = (1 << (info.nexp - 1)) - 1, (1 << (exponent_bits - 1)) - 1
        size = bit_and(kept, number((1 << (info.bits - 1)) - 1))
        small = ops.lt(size, number((own + 1 - bias) << info.nmant))
        large = ops.ge(size, number((own + bias + 1) << info.nmant))
        kept = ops.select(small, sign, ops.select(large, bit_or(sign, infinite), kept))
    return ops.bitcast(ops.select(ops.ne(x, x), raw, kept), x.dtype)


reduce_precision_p = define(
    "reduce_precision",
    "floating",
    _reduce_precision_reference,
    linear,
    transposed(lambda ct, x, **bits: reduce_precision(ct, **bits)),
    lower=_reduce_precision_scalar,
)


def reduce_precision(x: Any, exponent_bits: int, mantissa_bits: int) -> Any:
    """Floats rounded to those with so many bits of exponent and mantissa: halves to even, no subnormal numbers."""
    if exponent_bits < 1 or mantissa_bits < 0:
        raise ArgumentError(
            f"reduce_precision needs at least 1 bit of exponent and 0 of mantissa, got {exponent_bits} and {mantissa_bits}."
        )
    return reduce_precision_p.bind(x, exponent_bits=int(exponent_bits), mantissa_bits=int(mantissa_bits))


def mulhi(x: Any, y: Any) -> Any:
    """The upper half of the product of integers, which has twice their bits."""
    dtype = (y if isinstance(x, int) else x).dtype
    if not is_integer(dtype):
        raise DTypeError(f"mulhi takes integers, got {dtype}.")
    x, y = (np.asarray(v, dtype) if isinstance(v, int) else v for v in (x, y))
    bits = 8 * dtype.itemsize
    if bits < 64:
        return cast(shift_right(mul(cast(x, INT64), cast(y, INT64)), bits), dtype)
    # Source: Warren (2013), "Hacker's Delight", section 8-2: by halves, of which the upper ones have the sign.
    mask = full_like(x, 0xFFFFFFFF)
    x0, y0, x1, y1 = and_(x, mask), and_(y, mask), shift_right(x, 32), shift_right(y, 32)
    crossed = add(mul(x1, y0), shift_right_logical(mul(x0, y0), 32))
    rest = add(mul(x0, y1), and_(crossed, mask))
    return add(add(mul(x1, y1), shift_right(crossed, 32)), shift_right(rest, 32))


def shift_left(x: Any, y: Any) -> Any:
    """``x << y``."""
    return shift_left_p.bind(x, y)


def shift_right(x: Any, y: Any) -> Any:
    """``x >> y``, keeping the sign of signed integers."""
    return shift_right_p.bind(x, y)


def shift_right_logical(x: Any, y: Any) -> Any:
    """``x >> y`` with zeros coming in."""
    return shift_right_logical_p.bind(x, y)


def copysign(x: Any, y: Any) -> Any:
    """The size of ``x`` with the sign of ``y``."""
    return copysign_p.bind(x, y)


def population_count(x: Any) -> Any:
    """The number of bits set."""
    return population_count_p.bind(x)


def clz(x: Any) -> Any:
    """The number of zero bits above the highest bit set."""
    return clz_p.bind(x)


def sign_bit(x: Any) -> Any:
    """Whether the sign bit is set, that of -0.0 and NaN too."""
    return sign_bit_p.bind(x)


def nextafter(x: Any, y: Any) -> Any:
    """The next float after ``x`` towards ``y``."""
    return nextafter_p.bind(x, y)
