"""Functions of `weft.lax` that move elements about: broadcasting, reshaping, padding, joining, and what says shapes and dtypes.

There is one device, so a ``sharding`` is read and changes nothing.
"""

from __future__ import annotations

import builtins
import itertools
import math
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from weft.engine import dispatch
from weft.engine.array import to_value, wrap_value
from weft.ir.errors import AxisError, ShapeError
from weft.ir.ops import elementwise as e
from weft.ir.ops import shape as s
from weft.ir.types import check_dtype
from weft.lax.arguments import checked, one_axis, one_value, sorted_axes
from weft.lax.arguments import sizes as lengths


@checked
def broadcast(operand: Any, sizes: Sequence[int], *, out_sharding: Any = None) -> Any:
    """``operand`` with new leading axes."""
    value = one_value(operand)
    full_shape = (*lengths("broadcast", sizes), *value.shape)
    return wrap_value(s.broadcast(value, full_shape, range(len(sizes), len(full_shape))))


@checked
def broadcast_in_dim(
    operand: Any, shape: Sequence[int], broadcast_dimensions: Sequence[int], *, out_sharding: Any = None
) -> Any:
    """``operand`` with its axis ``i`` at ``broadcast_dimensions[i]`` of ``shape``; axes of length 1 are repeated."""
    value = one_value(operand)
    dims = tuple(broadcast_dimensions)
    if (
        len(dims) != len(value.shape)
        or list(dims) != sorted(set(dims))
        or not all(0 <= d < len(shape) for d in dims)
    ):
        raise ShapeError(
            f"lax.broadcast_in_dim needs an axis of {tuple(shape)} for each axis of {value.shape}, increasing; got {dims}."
        )
    for n, d in zip(value.shape, dims, strict=True):
        if n not in (1, shape[d]):
            raise ShapeError(
                f"lax.broadcast_in_dim cannot put {value.shape} at axes {dims} of {tuple(shape)}."
            )
    keep = [i for i, (n, d) in enumerate(zip(value.shape, dims, strict=True)) if n == shape[d]]
    squeezed = s.reshape(value, [value.shape[i] for i in keep])
    return wrap_value(s.broadcast(squeezed, tuple(shape), [dims[i] for i in keep]))


@checked
def broadcast_like(arr: Any, like_arr: Any) -> Any:
    """``arr`` in the shape of another array, by NumPy's broadcasting."""
    return wrap_value(dispatch.broadcast_to(one_value(arr), tuple(one_value(like_arr).shape)))


@checked
def broadcast_to_rank(x: Any, rank: int) -> Any:
    """``x`` with as many leading axes of length 1 as give it ``rank`` axes."""
    value = one_value(x)
    if len(value.shape) > rank:
        raise ShapeError(
            f"lax.broadcast_to_rank cannot give an array of shape {value.shape} {rank} axes: it has more."
        )
    return wrap_value(s.reshape(value, (*(1,) * (rank - len(value.shape)), *value.shape)))


def broadcast_shapes(*shapes: Sequence[int]) -> tuple[int, ...]:
    """NumPy's common shape."""
    return dispatch.broadcast_shapes("lax.broadcast_shapes", *shapes)


@checked
def reshape(
    operand: Any,
    new_sizes: Sequence[int],
    dimensions: Sequence[int] | None = None,
    *,
    out_sharding: Any = None,
) -> Any:
    """The elements of ``operand`` in another shape, after a transposition by ``dimensions``."""
    value = one_value(operand)
    if dimensions is not None:
        value = s.transpose(value, dimensions)
    return wrap_value(s.reshape(value, new_sizes))


@checked
def transpose(operand: Any, permutation: Sequence[int]) -> Any:
    """``operand`` with axis ``i`` of the result being axis ``permutation[i]`` of ``operand``."""
    return wrap_value(s.transpose(one_value(operand), tuple(permutation)))


@checked
def squeeze(array: Any, dimensions: Sequence[int]) -> Any:
    """``array`` without the given axes of length 1."""
    value = one_value(array)
    return wrap_value(s.squeeze(value, sorted_axes("squeeze", dimensions, len(value.shape))))


@checked
def expand_dims(array: Any, dimensions: Sequence[int]) -> Any:
    """``array`` with axes of length 1 at positions of the result."""
    value = one_value(array)
    return wrap_value(
        s.expand_dims(value, sorted_axes("expand_dims", dimensions, len(value.shape) + len(dimensions)))
    )


@checked
def rev(operand: Any, dimensions: Sequence[int]) -> Any:
    """``operand`` with the order along ``dimensions`` turned round."""
    value = one_value(operand)
    return wrap_value(s.reverse(value, sorted_axes("rev", dimensions, len(value.shape))))


@checked
def collapse(operand: Any, start_dimension: int, stop_dimension: int | None = None) -> Any:
    """``operand`` with neighbouring axes made one."""
    value = one_value(operand)
    start, stop, _ = builtins.slice(start_dimension, stop_dimension).indices(len(value.shape))
    if start > stop:
        raise AxisError(
            f"lax.collapse got axes {start_dimension} to {stop_dimension} of {value.shape}: none of them in order."
        )
    merged = math.prod(value.shape[start:stop])
    return wrap_value(s.reshape(value, (*value.shape[:start], merged, *value.shape[stop:])))


@checked
def pad(operand: Any, padding_value: Any, padding_config: Sequence[tuple[int, int, int]]) -> Any:
    """``operand`` with ``padding_value`` around and between; a triple ``(low, high, interior)`` an axis; negative cuts off."""
    value = one_value(operand)
    fill = e.cast(to_value(padding_value), value.dtype)
    if fill.shape != ():
        raise ShapeError(f"lax.pad needs a scalar as padding_value, got an array of shape {fill.shape}.")
    if len(padding_config) != len(value.shape) or any(len(one) != 3 or one[2] < 0 for one in padding_config):
        raise ShapeError(
            f"lax.pad of an array of shape {value.shape} needs (low, high, interior) for each axis, the last at least 0; "
            f"got {padding_config!r}."
        )
    low, high, interior = zip(*padding_config, strict=True) if len(padding_config) else ((), (), ())
    return wrap_value(s.pad(value, fill, low, high, interior))


@checked
def concatenate(operands: Sequence[Any], dimension: int) -> Any:
    """Arrays one after the other along an axis."""
    values = [one_value(x) for x in operands]
    if not values:
        raise ShapeError("lax.concatenate needs at least one array.")
    return wrap_value(s.concatenate(values, one_axis("concatenate", dimension, len(values[0].shape))))


@checked
def stack(operands: Sequence[Any], axis: int = 0) -> Any:
    """Arrays of one shape along a new axis."""
    values = [one_value(x) for x in operands]
    if len({v.shape for v in values}) != 1:
        listed = ", ".join(str(v.shape) for v in values) or "none"
        raise ShapeError(f"lax.stack needs arrays of one shape, at least one of them; got shapes {listed}.")
    place = one_axis("stack", axis, len(values[0].shape) + 1)
    return wrap_value(s.concatenate([s.expand_dims(v, (place,)) for v in values], place))


@checked
def unstack(x: Any, axis: int = 0) -> tuple[Any, ...]:
    """The parts of ``x`` along an axis, without it: the opposite of `stack`."""
    value = one_value(x)
    place = one_axis("unstack", axis, len(value.shape))
    parts = (s.slice_axis(value, place, i, i + 1) for i in range(value.shape[place]))
    return tuple(wrap_value(s.squeeze(part, (place,))) for part in parts)


@checked
def split(operand: Any, sizes: Sequence[int], axis: int = 0) -> list[Any]:
    """Parts of an array along an axis, of the given sizes, which sum to its length."""
    value = one_value(operand)
    place = one_axis("split", axis, len(value.shape))
    if any(n < 0 for n in sizes) or sum(sizes) != value.shape[place]:
        raise ShapeError(
            f"lax.split got sizes {tuple(sizes)} for axis {axis} of shape {value.shape}: they sum to its length."
        )
    ends = list(itertools.accumulate(sizes))
    return [wrap_value(s.slice_axis(value, place, end - n, end)) for n, end in zip(sizes, ends, strict=True)]


@checked
def tile(operand: Any, reps: Sequence[int]) -> Any:
    """``operand`` repeated ``reps[i]`` times along its axis ``i``."""
    value = one_value(operand)
    times = tuple(map(operator.index, reps))
    if len(times) != len(value.shape) or any(n < 0 for n in times):
        raise ShapeError(f"lax.tile needs a count for each axis of shape {value.shape}, got {tuple(reps)}.")
    apart = s.broadcast(
        value, [n for pair in zip(times, value.shape, strict=True) for n in pair], range(1, 2 * len(times), 2)
    )
    return wrap_value(s.reshape(apart, [m * n for m, n in zip(times, value.shape, strict=True)]))


def shape_as_value(shape: Sequence[int]) -> Any:
    """A shape as an array of int32."""
    return wrap_value(np.array(tuple(map(operator.index, shape)), np.int32))


def dtype(x: Any) -> np.dtype:
    """The dtype of an array or a number, or that a name or a type stands for."""
    if isinstance(x, str | type | np.dtype):
        return check_dtype(x)
    return np.dtype(one_value(x).dtype)


def empty(shape: Sequence[int], dtype: Any, *, out_sharding: Any = None) -> Any:
    """An array of zeros, as JAX makes it where any values would do."""
    return full(shape, 0, dtype)


@checked
def iota(dtype: Any, size: int) -> Any:
    """``0 ... size - 1``."""
    return wrap_value(s.iota(check_dtype(dtype), lengths("iota", (size,))))


@checked
def broadcasted_iota(dtype: Any, shape: Sequence[int], dimension: int, *, out_sharding: Any = None) -> Any:
    """The index along ``dimension``, as an array of ``shape``."""
    return wrap_value(
        s.iota(
            check_dtype(dtype),
            lengths("broadcasted_iota", shape),
            one_axis("broadcasted_iota", dimension, len(shape)),
        )
    )


@checked
def full(shape: Sequence[int], fill_value: Any, dtype: Any = None, *, sharding: Any = None) -> Any:
    """An array of one value."""
    value = to_value(fill_value)
    return wrap_value(
        dispatch.broadcast_to(e.cast(value, check_dtype(dtype or value.dtype)), lengths("full", shape))
    )


def full_like(
    x: Any, fill_value: Any, dtype: Any = None, shape: Sequence[int] | None = None, sharding: Any = None
) -> Any:
    """An array of one value, with the shape and dtype of ``x`` unless given."""
    value = one_value(x)
    return full(value.shape if shape is None else shape, fill_value, dtype or value.dtype)
