"""Random bits from counters: the Threefry-2x32 block cipher, and keys that are split and folded.

The one idea: there is no state. A key and a position give bits, always the same, so draws are reproducible,
elementwise (they fuse), and agree between one call, many, and `vmap`. Keys are uint32 arrays of shape (2,).
Every function gives the bits that JAX gives with ``jax_threefry_partitionable``.

Source: Salmon, Moraes, Dror & Shaw (2011), "Parallel random numbers: as easy as 1, 2, 3",
doi:10.1145/2063384.2063405.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from weft.ir.builder import type_of_value
from weft.ir.errors import ArgumentError, DTypeError, ShapeError
from weft.ir.ops.bits import shift_left, shift_right_logical
from weft.ir.ops.elementwise import cast, or_, xor
from weft.ir.ops.shape import broadcast, concatenate, iota, reshape, slice_axis
from weft.ir.primitive import Primitive, scalar
from weft.ir.rules import common_shape, no_tangent, pointwise
from weft.ir.types import ArrayType, is_integer

UINT32 = np.dtype(np.uint32)
UINT64 = np.dtype(np.uint64)

# The block cipher

_ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))
_PARITY = 0x1BD11BDA


class _NumPyOps:
    """The scalar operations that the cipher is written in, on NumPy arrays."""

    add = staticmethod(np.add)
    xor = staticmethod(np.bitwise_xor)
    shift_left = staticmethod(np.left_shift)
    shift_right_logical = staticmethod(np.right_shift)

    @staticmethod
    def constant(value: int, like: np.ndarray) -> Any:
        return like.dtype.type(value)


def _cipher(ops: Any, k0: Any, k1: Any, x0: Any, x1: Any) -> tuple[Any, Any]:
    """Twenty rounds in five groups; a word of the key goes in before each group and after the last."""
    constant = ops.constant
    keys = (k0, k1, ops.xor(ops.xor(k0, k1), constant(_PARITY, k0)))

    def rotate(x: Any, r: int) -> Any:
        # The two parts have no bit in common, so exclusive or joins them.
        return ops.xor(ops.shift_left(x, constant(r, x)), ops.shift_right_logical(x, constant(32 - r, x)))

    x0, x1 = ops.add(x0, keys[0]), ops.add(x1, keys[1])
    for group in range(5):
        for r in _ROTATIONS[group % 2]:
            x0 = ops.add(x0, x1)
            x1 = ops.xor(rotate(x1, r), x0)
        x0 = ops.add(x0, keys[(group + 1) % 3])
        x1 = ops.add(ops.add(x1, keys[(group + 2) % 3]), constant(group + 1, x1))
    return x0, x1


def _cipher_type(*ins: ArrayType) -> tuple[ArrayType, ArrayType]:
    if any(x.dtype != UINT32 for x in ins):
        raise DTypeError(f"threefry2x32 needs two words of key and two of counter, all uint32, got {ins}.")
    out = ArrayType(common_shape("threefry2x32", ins), UINT32)
    return out, out


threefry2x32_p = Primitive(
    "threefry2x32",
    type_rule=_cipher_type,
    reference=lambda k0, k1, x0, x1: _cipher(_NumPyOps, k0, k1, x0, x1),
    jvp=no_tangent,
    transpose=None,
    batch=pointwise,
    lower=scalar(_cipher),
    multiple=True,
)


def threefry2x32(k0: Any, k1: Any, x0: Any, x1: Any) -> tuple[Any, Any]:
    """Encipher the counters ``x0, x1`` with the key ``k0, k1``, elementwise: two uint32 words a counter."""
    outs: tuple[Any, Any] = threefry2x32_p.bind(k0, k1, x0, x1)
    return outs


# Keys


def seed(value: Any) -> Any:
    """The key of an integer of up to 64 bits: a Python integer, or an integer array of rank 0."""
    if isinstance(value, int):
        if not -(1 << 63) <= value < 1 << 64:
            raise ArgumentError(f"a seed has at most 64 bits, got {value}.")
        return np.array([value >> 32 & 0xFFFFFFFF, value & 0xFFFFFFFF], UINT32)
    type = type_of_value(value)
    if type.shape != () or not is_integer(type.dtype):
        raise ArgumentError(f"a seed is one integer, got {type}.")
    low = cast(value, UINT32)
    # Shifting by the width or more gives 0: seeds of 32 bits and less have no high word.
    high = cast(shift_right_logical(value, 32), UINT32) if type.dtype.itemsize == 8 else np.uint32(0)
    return _pack([high, low])


def threefry_split(key: Any, shape: int | Sequence[int] = 2) -> Any:
    """New independent keys: an array of ``shape`` and a last axis of 2."""
    shape = (shape,) if isinstance(shape, int) else tuple(shape)
    return _pack(threefry_children(key, shape))


def threefry_children(key: Any, shape: Sequence[int]) -> tuple[Any, Any]:
    """The keys of `threefry_split` as two arrays of words."""
    return threefry2x32(*_words(key), *_counters(tuple(shape)))


def threefry_fold_in(key: Any, data: Any) -> Any:
    """A new key from a key and an integer scalar."""
    if isinstance(data, int):
        data = np.asarray(data & 0xFFFFFFFF, UINT32)
    type = type_of_value(data)
    if type.shape != () or not is_integer(type.dtype):
        raise ArgumentError(f"fold_in takes one integer, got {type}.")
    return _pack(threefry2x32(*_words(key), np.uint32(0), cast(data, UINT32)))


def threefry_bits(key: Any, shape: Sequence[int], width: int = 32) -> Any:
    """Uniform random bits: unsigned integers of ``width`` 8, 16, 32 or 64 in an array of ``shape``."""
    if width not in (8, 16, 32, 64):
        raise ArgumentError(f"random bits come 8, 16, 32 or 64 to an element, not {width}.")
    return bits_of_words(*threefry_children(key, shape), width)


def bits_of_words(high: Any, low: Any, width: int) -> Any:
    """Unsigned integers of ``width`` bits from the two words that the cipher gives for a counter."""
    if width == 64:
        return or_(shift_left(cast(high, UINT64), 32), cast(low, UINT64))
    return cast(xor(high, low), np.dtype(f"u{width // 8}"))


def _words(key: Any) -> tuple[Any, Any]:
    """The two words of a key, as scalars."""
    type = type_of_value(key)
    if type != ArrayType((2,), UINT32):
        raise ShapeError(f"a random key is an array u32[2], got {type}. Make one by seed or split.")
    first, second = (reshape(slice_axis(key, 0, i, i + 1), ()) for i in (0, 1))
    return first, second


def _pack(words: Sequence[Any]) -> Any:
    """Words side by side along a new last axis."""
    shape = next((w.shape for w in words if w.shape), ())
    full_words = [w if w.shape == shape else broadcast(w, shape, ()) for w in words]
    return concatenate([reshape(w, (*shape, 1)) for w in full_words], len(shape))


def _counters(shape: tuple[int, ...]) -> tuple[Any, Any]:
    """The row-major positions in an array of ``shape``, as high and low words."""
    size = math.prod(shape)
    if size <= 1 << 32:
        return np.uint32(0), reshape(iota(UINT32, (size,)), shape)
    position = reshape(iota(UINT64, (size,)), shape)
    return cast(shift_right_logical(position, 32), UINT32), cast(position, UINT32)
