"""Elementwise operations on the bits of integers and floats."""

from __future__ import annotations

from typing import Any

import numpy as np

from weft.ir.ops.elementwise import define, full_like, ge, mul, select, to_bool
from weft.ir.rules import no_tangent, per_input


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
