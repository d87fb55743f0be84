"""Keys: unsigned integers whose order is that of `sort`: NaN last, -0.0 equal to 0.0.

The one idea: comparing integers takes one instruction, knows no exceptions and has no branches. Only zeros and NaN
have fewer keys than bits, so but for them a key can be turned back.
"""

from __future__ import annotations

import numpy as np

from weft.ir.types import BOOL, is_bool, is_inexact
from weft.kernels.schedule.nest_builder import NestBuilder


def key_dtype(dtype: np.dtype) -> np.dtype:
    """The dtype of the keys of ``dtype``."""
    return np.dtype(f"u{dtype.itemsize}")


def key_of(build: NestBuilder, x: str) -> str:
    """The unsigned integer whose order is that of ``x``."""
    dtype = build.dtype(x)
    if is_bool(dtype) or dtype.kind == "u":
        return build.cast(x, key_dtype(dtype))
    unsigned, signed = key_dtype(dtype), np.dtype(f"i{dtype.itemsize}")
    width = 8 * dtype.itemsize
    top = build.const(unsigned, 1 << (width - 1))
    if not is_inexact(dtype):
        return build.op(unsigned, "xor", build.op(unsigned, "bitcast", x), top)
    positive_zero = build.op(dtype, "add", x, build.const(dtype, 0.0))
    bits = build.op(signed, "bitcast", positive_zero)
    # The bits of negative numbers are all turned, of others the sign alone.
    sign = build.op(signed, "shift_right", bits, build.const(signed, width - 1))
    turned = build.op(unsigned, "or", build.op(unsigned, "bitcast", sign), top)
    key = build.op(unsigned, "xor", build.op(unsigned, "bitcast", bits), turned)
    last = build.const(unsigned, (1 << width) - 1)
    return build.op(unsigned, "select", build.op(BOOL, "is_nan", x), last, key)


def value_of(build: NestBuilder, key: str, dtype: np.dtype) -> str:
    """The value of a key, where zeros come out positive and every NaN as the same one."""
    if is_bool(dtype) or dtype.kind == "u":
        return build.cast(key, dtype)
    unsigned, signed = key_dtype(dtype), np.dtype(f"i{dtype.itemsize}")
    width = 8 * dtype.itemsize
    top = build.const(unsigned, 1 << (width - 1))
    if not is_inexact(dtype):
        return build.op(dtype, "bitcast", build.op(unsigned, "xor", key, top))
    # The other way round: keys of negative numbers have no bit at the top.
    sign = build.op(signed, "shift_right", build.op(signed, "bitcast", key), build.const(signed, width - 1))
    turned = build.op(unsigned, "or", build.op(unsigned, "not", build.op(unsigned, "bitcast", sign)), top)
    return build.op(dtype, "bitcast", build.op(unsigned, "xor", key, turned))
