"""Functions of `weft.lax` that move elements about: broadcasting, reshaping, padding, joining."""

from __future__ import annotations

import builtins
import math
from collections.abc import Sequence
from typing import Any

from weft.engine import dispatch
from weft.engine.array import to_value, wrap_value
from weft.ir.errors import ShapeError
from weft.ir.ops import elementwise as e
from weft.ir.ops import shape as s
from weft.ir.types import check_dtype
from weft.lax.arguments import one_axis, one_value, sorted_axes


def broadcast(x: Any, sizes: Sequence[int]) -> Any:
    """``x`` with new leading axes."""
    value = one_value(x)
    full_shape = (*sizes, *value.shape)
    return wrap_value(s.broadcast(value, full_shape, range(len(sizes), len(full_shape))))


def broadcast_in_dim(x: Any, shape: Sequence[int], broadcast_dimensions: Sequence[int]) -> Any:
    """``x`` with its axis ``i`` at ``broadcast_dimensions[i]`` of ``shape``; axes of length 1 are repeated."""
    value = one_value(x)
    dims = tuple(broadcast_dimensions)
    for n, d in zip(value.shape, dims, strict=True):
        if n not in (1, shape[d]):
            raise ShapeError(
                f"lax.broadcast_in_dim cannot put {value.shape} at axes {dims} of {tuple(shape)}."
            )
    keep = [i for i, (n, d) in enumerate(zip(value.shape, dims, strict=True)) if n == shape[d]]
    squeezed = s.reshape(value, [value.shape[i] for i in keep])
    return wrap_value(s.broadcast(squeezed, tuple(shape), [dims[i] for i in keep]))


def broadcast_shapes(*shapes: Sequence[int]) -> tuple[int, ...]:
    """NumPy's common shape."""
    return dispatch.broadcast_shapes("lax.broadcast_shapes", *shapes)


def reshape(x: Any, new_sizes: Sequence[int], dimensions: Sequence[int] | None = None) -> Any:
    """The elements of ``x`` in another shape, after a transposition by ``dimensions``."""
    value = one_value(x)
    if dimensions is not None:
        value = s.transpose(value, dimensions)
    return wrap_value(s.reshape(value, new_sizes))


def transpose(x: Any, permutation: Sequence[int]) -> Any:
    """``x`` with axis ``i`` of the result being axis ``permutation[i]`` of ``x``."""
    return wrap_value(s.transpose(one_value(x), tuple(permutation)))


def squeeze(x: Any, dimensions: Sequence[int]) -> Any:
    """``x`` without the given axes of length 1."""
    value = one_value(x)
    return wrap_value(s.squeeze(value, sorted_axes("squeeze", dimensions, len(value.shape))))


def expand_dims(x: Any, dimensions: Sequence[int]) -> Any:
    """``x`` with axes of length 1 at positions of the result."""
    value = one_value(x)
    return wrap_value(
        s.expand_dims(value, sorted_axes("expand_dims", dimensions, len(value.shape) + len(dimensions)))
    )


def rev(x: Any, dimensions: Sequence[int]) -> Any:
    """``x`` with the order along ``dimensions`` turned round."""
    value = one_value(x)
    return wrap_value(s.reverse(value, sorted_axes("rev", dimensions, len(value.shape))))


def collapse(x: Any, start_dimension: int, stop_dimension: int | None = None) -> Any:
    """``x`` with neighbouring axes made one."""
    value = one_value(x)
    start, stop, _ = builtins.slice(start_dimension, stop_dimension).indices(len(value.shape))
    merged = math.prod(value.shape[start:stop])
    return wrap_value(s.reshape(value, (*value.shape[:start], merged, *value.shape[stop:])))


def pad(x: Any, padding_value: Any, padding_config: Sequence[tuple[int, int, int]]) -> Any:
    """``x`` with ``padding_value`` around and between; a triple ``(low, high, interior)`` an axis; negative cuts off."""
    value = one_value(x)
    fill = e.cast(to_value(padding_value), value.dtype)
    low, high, interior = zip(*padding_config, strict=True) if len(padding_config) else ((), (), ())
    return wrap_value(s.pad(value, fill, low, high, interior))


def concatenate(operands: Sequence[Any], dimension: int) -> Any:
    """Arrays one after the other along an axis."""
    values = [one_value(x) for x in operands]
    return wrap_value(s.concatenate(values, one_axis("concatenate", dimension, len(values[0].shape))))


def iota(dtype: Any, size: int) -> Any:
    """``0 ... size - 1``."""
    return wrap_value(s.iota(check_dtype(dtype), (size,)))


def broadcasted_iota(dtype: Any, shape: Sequence[int], dimension: int) -> Any:
    """The index along ``dimension``, as an array of ``shape``."""
    return wrap_value(s.iota(check_dtype(dtype), tuple(shape), dimension))


def full(shape: Sequence[int], fill_value: Any, dtype: Any = None) -> Any:
    """An array of one value."""
    value = to_value(fill_value)
    return wrap_value(dispatch.broadcast_to(e.cast(value, check_dtype(dtype or value.dtype)), tuple(shape)))


def full_like(x: Any, fill_value: Any, dtype: Any = None, shape: Sequence[int] | None = None) -> Any:
    """An array of one value, with the shape and dtype of ``x`` unless given."""
    value = one_value(x)
    return full(value.shape if shape is None else shape, fill_value, dtype or value.dtype)
