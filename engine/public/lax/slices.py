"""Slices, static and at positions that may be traced, and their updates.

A negative position counts from the end, unless ``allow_negative_indices`` is false: then it is moved to 0.
"""

from __future__ import annotations

import builtins
from collections.abc import Sequence
from typing import Any

import numpy as np

from weft.engine.array import to_value, wrap_value
from weft.ir.builder import Value
from weft.ir.errors import ShapeError
from weft.ir.ops import elementwise as e
from weft.ir.ops import index
from weft.ir.ops import shape as s
from weft.ir.types import INT64
from weft.lax.arguments import checked, one_axis, one_value
from weft.lax.shapes import squeeze


@checked
def slice(
    operand: Any,
    start_indices: Sequence[int],
    limit_indices: Sequence[int],
    strides: Sequence[int] | None = None,
) -> Any:
    """A static slice."""
    return wrap_value(s.slice_(one_value(operand), start_indices, limit_indices, strides))


@checked
def slice_in_dim(
    operand: Any, start_index: int | None, limit_index: int | None, stride: int = 1, axis: int = 0
) -> Any:
    """A static slice along one axis; negative indices count from its end."""
    value = one_value(operand)
    axis = one_axis("slice_in_dim", axis, len(value.shape))
    start, limit, _ = builtins.slice(start_index, limit_index).indices(value.shape[axis])
    return wrap_value(s.slice_axis(value, axis, start, builtins.max(start, limit), stride))


@checked
def index_in_dim(operand: Any, index: int, axis: int = 0, keepdims: bool = True) -> Any:
    """One static position along an axis."""
    value = one_value(operand)
    axis = one_axis("index_in_dim", axis, len(value.shape))
    position = index + value.shape[axis] if index < 0 else index
    part = s.slice_axis(value, axis, position, position + 1)
    return wrap_value(part if keepdims else s.squeeze(part, (axis,)))


def _starts(value: Any, start_indices: Any, negative: bool | Sequence[bool]) -> list[Any]:
    """Start indices as values; negative ones count from the end where they are allowed to."""
    given = [to_value(start) for start in start_indices]
    allowed = [negative] * len(given) if isinstance(negative, bool) else list(negative)
    if not len(given) == len(allowed) == len(value.shape):
        flags = "" if isinstance(negative, bool) else f", and allow_negative_indices for {len(allowed)}"
        raise ShapeError(
            f"a slice of an array of shape {value.shape} starts at {len(value.shape)} indices; got {len(given)}{flags}."
        )
    return [
        _from_front(v, n) if v.dtype.kind == "i" and allow else v
        for v, n, allow in zip(given, value.shape, allowed, strict=True)
    ]


def _from_front(v: Any, n: int) -> Any:
    """An index that counts from the end where it is negative."""
    if not isinstance(v, Value) and v.shape == ():  # known
        return np.asarray(int(v) + n, INT64) if v < 0 else v
    if n > np.iinfo(v.dtype).max:
        v = e.cast(v, INT64)
    return e.select(e.lt(v, 0), e.add(v, n), v)


@checked
def dynamic_slice(
    operand: Any,
    start_indices: Any,
    slice_sizes: Sequence[int],
    *,
    allow_negative_indices: bool | Sequence[bool] = True,
) -> Any:
    """A slice of static size from starts that may be traced; starts are clamped so that it lies inside."""
    value = one_value(operand)
    return wrap_value(
        index.dynamic_slice(value, _starts(value, start_indices, allow_negative_indices), tuple(slice_sizes))
    )


@checked
def dynamic_update_slice(
    operand: Any, update: Any, start_indices: Any, *, allow_negative_indices: bool | Sequence[bool] = True
) -> Any:
    """``operand`` with ``update`` written from starts that may be traced (clamped)."""
    value = one_value(operand)
    return wrap_value(
        index.dynamic_update_slice(
            value,
            e.cast(one_value(update), value.dtype),
            _starts(value, start_indices, allow_negative_indices),
        )
    )


def _along(value: Any, axis: int, start: Any) -> list[Any]:
    starts: list[Any] = [np.zeros((), np.int64)] * len(value.shape)
    starts[axis] = start
    return starts


@checked
def dynamic_slice_in_dim(
    operand: Any, start_index: Any, slice_size: int, axis: int = 0, *, allow_negative_indices: bool = True
) -> Any:
    """`dynamic_slice` along one axis."""
    value = one_value(operand)
    axis = one_axis("dynamic_slice_in_dim", axis, len(value.shape))
    sizes = [slice_size if i == axis else n for i, n in enumerate(value.shape)]
    return dynamic_slice(
        operand, _along(value, axis, start_index), sizes, allow_negative_indices=allow_negative_indices
    )


@checked
def dynamic_index_in_dim(
    operand: Any, index: Any, axis: int = 0, keepdims: bool = True, *, allow_negative_indices: bool = True
) -> Any:
    """One position along an axis, which may be traced."""
    value = one_value(operand)
    axis = one_axis("dynamic_index_in_dim", axis, len(value.shape))
    part = dynamic_slice_in_dim(operand, index, 1, axis, allow_negative_indices=allow_negative_indices)
    return part if keepdims else squeeze(part, (axis,))


@checked
def dynamic_update_slice_in_dim(
    operand: Any, update: Any, start_index: Any, axis: int = 0, *, allow_negative_indices: bool = True
) -> Any:
    """`dynamic_update_slice` along one axis."""
    value = one_value(operand)
    axis = one_axis("dynamic_update_slice_in_dim", axis, len(value.shape))
    return dynamic_update_slice(
        operand, update, _along(value, axis, start_index), allow_negative_indices=allow_negative_indices
    )


@checked
def dynamic_update_index_in_dim(
    operand: Any, update: Any, index: Any, axis: int = 0, *, allow_negative_indices: bool = True
) -> Any:
    """``operand`` with one position along an axis replaced."""
    value, new = one_value(operand), one_value(update)
    axis = one_axis("dynamic_update_index_in_dim", axis, len(value.shape))
    if len(new.shape) == len(value.shape) - 1:
        new = s.expand_dims(new, (axis,))
    return dynamic_update_slice_in_dim(
        operand, wrap_value(new), index, axis, allow_negative_indices=allow_negative_indices
    )
