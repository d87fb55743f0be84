"""Extrema of floats along a loop, as extrema of integers.

The one idea: a float's bits are an integer that is ordered as the float is, once those of negative numbers are turned round;
and added to a number so that it wraps, NaN of either sign comes out on top of all others, or below them. What a maximum that
heeds NaN takes six instructions for, each waiting for the one before, is then four, of which one waits. +0.0 is above -0.0.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from weft.kernels.register import Register
from weft.kernels.scalar import Scalar, is_float

_OF_BITS: dict[int, np.dtype] = {32: np.dtype(np.int32), 64: np.dtype(np.int64)}
_INFINITY = {32: 0x7F80_0000, 64: 0x7FF0_0000_0000_0000}  # its bits; those of NaN are above


def with_keys(names: Iterable[str], folds: Mapping[str, str], values: Mapping[str, Scalar]) -> set[str]:
    """The accumulators, among some, that had better be keys."""
    return {name for name in names if folds[name] in ("max", "min") and is_float(values[name].dtype)}


def to_key(fold: str, value: Scalar) -> Scalar:
    """An integer that is ordered as floats are: NaN last where the fold is "max", first where it is "min"."""
    bits = value.reg.as_bits()
    return Scalar(_OF_BITS[bits.bits], (_turned(bits) + _shift(fold, bits.bits),))


def from_key(fold: str, key: Scalar, dtype: np.dtype) -> Scalar:
    """The float, of a dtype, whose key it is."""
    return Scalar(dtype, (_turned(key.reg - _shift(fold, key.reg.bits)).as_float(),))


def _turned(bits: Register) -> Register:
    """Negative numbers the other way round: the same again gives them back."""
    return bits ^ bits.ashr(bits.bits - 1).lshr(1)


def _shift(fold: str, bits: int) -> int:
    """What brings the first number that is not NaN to the least integer, or the first NaN above infinity."""
    sign, infinity = 1 << (bits - 1), _INFINITY[bits]
    return sign - (((1 << bits) - 1 - infinity) if fold == "max" else infinity + 1)
