"""``x.view(dtype)``: the bytes of an array read as another dtype.

The one idea: rows are bytes in order, so elements of a narrower dtype are parts of an element, and of a wider one several
neighbours together. Complex numbers are pairs of reals, and bool is a byte.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from weft.engine.array import Array, to_value, wrap, wrap_value
from weft.ir.errors import ShapeError
from weft.ir.ops import elementwise as e
from weft.ir.ops import shape as s
from weft.ir.types import BOOL, check_dtype, is_complex, real_dtype

UINT8 = np.dtype(np.uint8)


def view(x: Any, dtype: Any = None) -> Any:
    """The bytes of ``x`` read as another dtype, whose width changes the length of the last axis; ``None`` gives ``x``.

    Raises:
        ShapeError: the widths differ, and there is no last axis, or it does not hold whole elements.
    """
    if dtype is None:
        return x
    dtype = check_dtype(dtype)
    old, new = x.dtype.itemsize, dtype.itemsize
    if old != new and (not x.ndim or x.shape[-1] * old % new):
        raise ShapeError(
            f"view of {x.dtype} {x.shape} as {dtype}: the bytes of the last axis are no whole number of elements."
        )
    if x.__class__ is Array:
        return wrap(np.ascontiguousarray(x._data).reshape(x.shape).view(dtype))
    shape = (*x.shape[:-1], x.shape[-1] * old // new) if x.ndim else ()
    return wrap_value(s.reshape(_read(to_value(x), dtype), shape))


def _read(x: Any, dtype: np.dtype) -> Any:
    if x.dtype == dtype:
        return x
    if is_complex(x.dtype):
        return _read(_joined([e.real(x), e.imag(x)]), dtype)
    if x.dtype == BOOL:
        return _read(e.cast(x, UINT8), dtype)
    if dtype == BOOL:
        whole = _read(x, UINT8)
        return e.ne(whole, e.full_like(whole, 0))
    if is_complex(dtype):
        parts = _read(s.reshape(x, x.shape or (1,)), real_dtype(dtype))
        parts, last = _cut(parts, 2), parts.ndim
        return e.complex_(*[s.squeeze(s.slice_axis(parts, last, i, i + 1), (last,)) for i in range(2)])
    if x.dtype.itemsize == dtype.itemsize:
        return e.bitcast(x, dtype)
    from weft.lax import bitcast_convert_type

    if x.dtype.itemsize < dtype.itemsize:
        x = _cut(x, dtype.itemsize // x.dtype.itemsize)
        return to_value(bitcast_convert_type(wrap_value(x), dtype))
    parts = to_value(bitcast_convert_type(wrap_value(x), dtype))
    return s.reshape(parts, (*x.shape[:-1], x.shape[-1] * parts.shape[-1]))


def _joined(parts: list[Any]) -> Any:
    """Arrays element by element, one after the other along the last axis."""
    n, last = len(parts), parts[0].ndim
    stacked = s.concatenate([s.expand_dims(part, (last,)) for part in parts], last)
    shape = parts[0].shape
    return s.reshape(
        stacked, (*shape[:-1], shape[-1] * n) if shape else (n,)
    )  # a single one too becomes a row


def _cut(x: Any, n: int) -> Any:
    """The last axis as groups of ``n``."""
    return s.reshape(x, (*x.shape[:-1], x.shape[-1] // n, n))
