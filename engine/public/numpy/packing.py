"""Bits in bytes: `packbits` and `unpackbits`."""

from __future__ import annotations

from typing import Any

import numpy as np

from weft.ir.errors import ArgumentError, DTypeError
from weft.ir.ops import bits
from weft.ir.ops import elementwise as e
from weft.ir.ops import shape as s
from weft.ir.ops.reduce import reduce_sum
from weft.numpy.staging import axis_index, like_numpy, static_int, to_bool, value

__all__ = ["packbits", "unpackbits"]

UINT8 = np.dtype(np.uint8)


def _lines(x: Any, axis: Any, name: str, bitorder: str) -> tuple[Any, int]:
    """The array (flattened without an axis) and the axis of the bits."""
    if bitorder not in ("big", "little"):
        raise ArgumentError(f"{name} got bitorder={bitorder!r}: it is 'big' or 'little'.")
    if axis is None:
        x, axis = s.reshape(x, (x.size,)), 0
    return x, axis_index(axis, x.ndim, name)


def _shifts(shape: tuple[int, ...], axis: int, bitorder: str) -> Any:
    """How far each of the eight bits along an axis stands from the lowest."""
    places = s.iota(UINT8, shape, axis)
    return places if bitorder == "little" else e.sub(np.asarray(7, UINT8), places)


@like_numpy(np.packbits)
def packbits(a: Any, axis: Any = None, bitorder: str = "big") -> Any:
    """Eight elements along ``axis`` (of the flattened array by default), zero or not, as the bits of one uint8.

    Args:
        a: bool or integers; the last byte is filled with zeros.
        axis: the axis that becomes shorter.
        bitorder: "big": the first element is the highest bit; "little": the lowest.
    """
    x = value(a, "packbits")
    if x.dtype.kind not in "biu":
        raise DTypeError(f"packbits takes bool or integers, got {x.dtype}.")
    x, d = _lines(to_bool(x), axis, "packbits", bitorder)
    rest = -x.shape[d] % 8
    x = s.pad(x, np.zeros((), bool), [0] * x.ndim, [rest if i == d else 0 for i in range(x.ndim)])
    eights = (*x.shape[:d], x.shape[d] // 8, 8, *x.shape[d + 1 :])
    x = e.cast(s.reshape(x, eights), UINT8)
    return reduce_sum(bits.shift_left(x, _shifts(eights, d + 1, bitorder)), (d + 1,))


def _unpack_data(a: Any, axis: Any = None, count: Any = None, bitorder: Any = "big") -> Any:
    if not np.size(a):
        raise TypeError  # NumPy fills up with whatever is in memory
    return np.unpackbits(a, axis, count, bitorder)


@like_numpy(_unpack_data)
def unpackbits(a: Any, axis: Any = None, count: Any = None, bitorder: str = "big") -> Any:
    """The bits of uint8 along ``axis`` (of the flattened array by default) as elements 0 and 1.

    Args:
        a: uint8.
        axis: the axis that becomes eight times as long.
        count: how many bits to keep: the rest of them is cut off, or filled with zeros; negative, how many to cut off.
        bitorder: "big": the highest bit comes first; "little": the lowest.
    """
    x = value(a, "unpackbits")
    if x.dtype != UINT8:
        raise DTypeError(f"unpackbits takes uint8, got {x.dtype}.")
    x, d = _lines(x, axis, "unpackbits", bitorder)
    eights = (*x.shape[: d + 1], 8, *x.shape[d + 1 :])
    spread = s.broadcast(x, eights, [i for i in range(len(eights)) if i != d + 1])
    found = e.and_(bits.shift_right(spread, _shifts(eights, d + 1, bitorder)), np.asarray(1, UINT8))
    n = 8 * x.shape[d]
    found = s.reshape(found, (*x.shape[:d], n, *x.shape[d + 1 :]))
    if count is None:
        return found
    wanted = static_int(count, "unpackbits", "count")
    wanted = wanted if wanted >= 0 else n + wanted
    if wanted < 0:
        raise ArgumentError(f"unpackbits got count={count} for {n} bits.")
    high = [max(wanted - n, 0) if i == d else 0 for i in range(found.ndim)]
    found = s.slice_axis(found, d, 0, min(wanted, n))
    return s.pad(found, np.zeros((), UINT8), [0] * found.ndim, high)
