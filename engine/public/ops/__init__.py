"""Sums, products and extrema of segments: `jax.ops`.

The one idea: a segment reduction is a scatter into an array that holds the neutral element of the fold, so it
has the derivatives, the batching and the kernel of `weft.ir.ops.index.scatter`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from weft.engine.array import to_value, wrap_value
from weft.ir.builder import concrete
from weft.ir.errors import ArgumentError, DTypeError, IndexingError, ShapeError
from weft.ir.ops import elementwise as e
from weft.ir.ops import index as ix
from weft.ir.ops import reduce as r
from weft.ir.ops import shape as s
from weft.ir.types import BOOL, INT64, is_bool, is_complex, is_inexact
from weft.numpy.staging import static_int

__all__ = ["segment_max", "segment_min", "segment_prod", "segment_sum"]

_MODES: dict[str | None, str] = {
    **dict.fromkeys((None, "fill", "drop", "fill_or_drop"), "fill"),
    "clip": "clip",
    "promise_in_bounds": "promise",
}
_COMBINE = {"add": r.reduce_sum, "mul": r.reduce_prod, "min": r.reduce_min, "max": r.reduce_max}


def _neutral(op: str, dtype: np.dtype) -> Any:
    """What an empty segment gives."""
    if op in ("add", "mul"):
        return dtype.type(op == "mul")
    if is_bool(dtype):
        return np.bool_(op == "min")
    if is_inexact(dtype):
        return dtype.type(np.inf if op == "min" else -np.inf)
    limits = np.iinfo(dtype)
    return dtype.type(limits.max if op == "min" else limits.min)


def _number_of_segments(name: str, ids: Any, num_segments: Any) -> int:
    if num_segments is not None:
        number = static_int(num_segments, name, "num_segments")
        if number < 0:
            raise ArgumentError(f"{name} got num_segments={number}: it must not be negative.")
        return number
    known = concrete(ids, f"{name} needs the values of segment_ids, or num_segments= without them")
    return int(np.max(known, initial=-1)) + 1


def _segments(
    name: str,
    op: str,
    data: Any,
    segment_ids: Any,
    num_segments: Any,
    unique: bool,
    bucket_size: Any,
    mode: Any,
) -> Any:
    x, ids = to_value(data, f"data of {name}"), to_value(segment_ids, f"segment_ids of {name}")
    if ids.dtype.kind not in "iu":
        raise DTypeError(f"{name} needs integer segment_ids, got dtype {ids.dtype}.")
    if len(ids.shape) != 1 or tuple(x.shape[:1]) != tuple(ids.shape):
        raise ShapeError(
            f"{name} got data of shape {tuple(x.shape)} and segment_ids of shape {tuple(ids.shape)}: "
            "it needs a vector with an id for each element of the leading axis of data."
        )
    how = mode if mode is None or isinstance(mode, str) else str(getattr(mode, "name", mode)).lower()
    if how not in _MODES:
        raise IndexingError(
            f"{name} got mode={mode!r}: the modes are 'fill', 'drop', 'clip' and 'promise_in_bounds'."
        )
    if is_complex(x.dtype) and op in ("min", "max"):
        raise DTypeError(f"{name} got complex data, which have no order.")
    number = _number_of_segments(name, ids, num_segments)
    if number == 0 and _MODES[how] == "clip":
        how = "fill"  # there is nothing to clip to
    shape: tuple[int, ...] = (number, *x.shape[1:])
    indices, axes = [ids], [0]
    if bucket_size is not None:
        size = static_int(bucket_size, name, "bucket_size")
        if size < 1:
            raise ArgumentError(f"{name} got bucket_size={size}: a bucket has one element at least.")
        shape = (-(-ids.shape[0] // size), *shape)
        bucket = e.floor_div(s.iota(INT64, ids.shape), np.asarray(size, INT64))
        indices, axes = [bucket, ids], [0, 1]
    # Sums and products of bools are what "or" and "and" make of them.
    op = {"add": "max", "mul": "min"}.get(op, op) if x.dtype == BOOL else op
    start = s.full(shape, _neutral(op, x.dtype), x.dtype)
    out = ix.scatter(start, x, indices, axes, op, _MODES[how], unique)
    if bucket_size is not None:
        out = _COMBINE[op](out, (0,)) if shape[0] else s.full(shape[1:], _neutral(op, x.dtype), x.dtype)
    return wrap_value(out)


def segment_sum(
    data: Any,
    segment_ids: Any,
    num_segments: int | None = None,
    indices_are_sorted: bool = False,
    unique_indices: bool = False,
    bucket_size: int | None = None,
    mode: Any = None,
) -> Any:
    """The sum of the data of each segment.

    Args:
        data: array; its leading axis is cut into segments.
        segment_ids: vector of integers: the segment of each element along that axis, in any order.
        num_segments: how many segments there are; by default as many as the largest id asks for, which needs the values of
            ``segment_ids``, so traced ones need it.
        indices_are_sorted: accepted for JAX's sake: sorted ids need no other way.
        unique_indices: the caller promises that no id occurs twice, which makes derivatives cheaper.
        bucket_size: sum buckets of so many elements first, then the sums: smaller rounding errors, more memory.
        mode: what becomes of ids outside of ``[0, num_segments)``: left out ("fill", "drop", the default), moved inside
            ("clip"), or promised not to be there ("promise_in_bounds").

    Returns:
        Array of shape ``(num_segments, *data.shape[1:])``; an empty segment gives 0.
    """
    return _segments("segment_sum", "add", data, segment_ids, num_segments, unique_indices, bucket_size, mode)


def segment_prod(
    data: Any,
    segment_ids: Any,
    num_segments: int | None = None,
    indices_are_sorted: bool = False,
    unique_indices: bool = False,
    bucket_size: int | None = None,
    mode: Any = None,
) -> Any:
    """The product of the data of each segment; 1 where it is empty. The arguments are those of `segment_sum`."""
    return _segments(
        "segment_prod", "mul", data, segment_ids, num_segments, unique_indices, bucket_size, mode
    )


def segment_max(
    data: Any,
    segment_ids: Any,
    num_segments: int | None = None,
    indices_are_sorted: bool = False,
    unique_indices: bool = False,
    bucket_size: int | None = None,
    mode: Any = None,
) -> Any:
    """The largest of the data of each segment; the dtype's least value where it is empty. Arguments as of `segment_sum`."""
    return _segments("segment_max", "max", data, segment_ids, num_segments, unique_indices, bucket_size, mode)


def segment_min(
    data: Any,
    segment_ids: Any,
    num_segments: int | None = None,
    indices_are_sorted: bool = False,
    unique_indices: bool = False,
    bucket_size: int | None = None,
    mode: Any = None,
) -> Any:
    """The least of the data of each segment; the dtype's largest value where it is empty. Arguments as of `segment_sum`."""
    return _segments("segment_min", "min", data, segment_ids, num_segments, unique_indices, bucket_size, mode)
