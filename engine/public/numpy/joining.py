"""Joining, splitting and repeating arrays.

The one idea: all is concatenation and slices with static bounds, which the compiler folds into what reads the result.
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from weft.engine.dispatch import as_dtype, broadcast_to, is_traced
from weft.ir.builder import Value, concrete
from weft.ir.errors import ArgumentError, DTypeError, IndexingError, ShapeError
from weft.ir.ops import elementwise as e
from weft.ir.ops import shape as s
from weft.ir.ops.index import gather
from weft.ir.types import INT64, bfloat16, check_dtype
from weft.numpy.staging import axis_index, like_numpy, refuse, same_dtype, static_int, value

__all__ = [
    "append", "array_split", "block", "column_stack", "concat", "concatenate", "delete", "dsplit", "dstack",
    "hsplit", "hstack", "insert", "repeat", "row_stack", "split", "stack", "tile", "trim_zeros",
    "unstack", "vsplit", "vstack",
]  # fmt: skip


# Joining


def _sequence(arrays: Any, name: str) -> list[Any]:
    """The arrays of a sequence, as values."""
    if isinstance(arrays, Value | np.ndarray):
        arrays = value(arrays, name)
        if arrays.ndim == 0:
            raise ArgumentError(f"{name} needs a sequence of arrays, got one array without axes.")
        n = arrays.shape[0]
        return [s.reshape(s.slice_axis(arrays, 0, i, i + 1), arrays.shape[1:]) for i in range(n)]
    found = [value(x, name) for x in arrays]
    if not found:
        raise ArgumentError(f"{name} got no arrays.")
    return found


def _concatenated(
    arrays: list[Any], axis: int, name: str, dtype: Any = None, casting: str = "same_kind"
) -> Any:
    if dtype is None:
        arrays = same_dtype(name, *arrays)
    else:
        dtype = check_dtype(dtype)
        for x in arrays:
            source, target = [np.float32 if d == bfloat16 else d for d in (x.dtype, dtype)]
            if not np.can_cast(source, target, casting):  # type: ignore[arg-type]
                raise DTypeError(
                    f"{name} got {x.dtype} and dtype={dtype}: say casting='unsafe', or use astype."
                )
        arrays = [as_dtype(x, dtype) for x in arrays]
    first = arrays[0].shape
    for x in arrays:
        if len(x.shape) != len(first) or any(
            m != n for d, (m, n) in enumerate(zip(x.shape, first, strict=True)) if d != axis
        ):
            shapes = ", ".join(str(tuple(y.shape)) for y in arrays)
            raise ShapeError(f"{name} got shapes {shapes}: they must agree on all axes but {axis}.")
    return s.concatenate(arrays, axis)


def _concatenate_data(
    arrays: Any, axis: Any = 0, out: Any = None, *, dtype: Any = None, casting: Any = "same_kind"
) -> Any:
    return np.concatenate(arrays, axis, out, dtype=dtype, casting=casting)


@like_numpy(_concatenate_data, sequence=True)
def concatenate(
    arrays: Any, axis: Any = 0, out: Any = None, *, dtype: Any = None, casting: str = "same_kind"
) -> Any:
    """Arrays one after the other along an axis that they have; flattened with ``axis=None``."""
    refuse("concatenate", out=out)
    arrays = _sequence(arrays, "concatenate")
    if axis is None:
        arrays, axis = [s.reshape(x, (x.size,)) for x in arrays], 0
    if arrays[0].ndim == 0:
        raise ShapeError("concatenate got arrays without axes; stack joins such.")
    d = axis_index(axis, arrays[0].ndim, "concatenate")
    return _concatenated(arrays, d, "concatenate", dtype, casting)


concat = concatenate


def _stack_data(
    arrays: Any, axis: int = 0, out: Any = None, *, dtype: Any = None, casting: Any = "same_kind"
) -> Any:
    return np.stack(arrays, axis, out, dtype=dtype, casting=casting)


@like_numpy(_stack_data, sequence=True)
def stack(
    arrays: Any, axis: int = 0, out: Any = None, *, dtype: Any = None, casting: str = "same_kind"
) -> Any:
    """Arrays of one shape along a new axis."""
    refuse("stack", out=out)
    arrays = _sequence(arrays, "stack")
    if any(x.shape != arrays[0].shape for x in arrays):
        raise ShapeError(
            f"stack got shapes {', '.join(str(tuple(x.shape)) for x in arrays)}: they must be the same."
        )
    d = axis_index(axis, arrays[0].ndim + 1, "stack")
    return _concatenated([s.expand_dims(x, (d,)) for x in arrays], d, "stack", dtype, casting)


def _grown(x: Any, n: int) -> Any:
    return s.reshape(x, (1,) * (n - x.ndim) + tuple(x.shape)) if x.ndim < n else x


@like_numpy(np.vstack, sequence=True)
def vstack(tup: Any, *, dtype: Any = None, casting: str = "same_kind") -> Any:
    """Arrays below each other, vectors as rows."""
    return _concatenated([_grown(x, 2) for x in _sequence(tup, "vstack")], 0, "vstack", dtype, casting)


row_stack = vstack


@like_numpy(np.hstack, sequence=True)
def hstack(tup: Any, *, dtype: Any = None, casting: str = "same_kind") -> Any:
    """Arrays beside each other: along the second axis, vectors along their only one."""
    arrays = [_grown(x, 1) for x in _sequence(tup, "hstack")]
    return _concatenated(arrays, 0 if arrays[0].ndim == 1 else 1, "hstack", dtype, casting)


@like_numpy(np.dstack, sequence=True)
def dstack(tup: Any, *, dtype: Any = None) -> Any:
    """Arrays along the third axis."""
    arrays = [_grown(x, 2) for x in _sequence(tup, "dstack")]
    arrays = [s.reshape(x, (*x.shape, 1)) if x.ndim == 2 else x for x in arrays]
    return _concatenated(arrays, 2, "dstack", dtype)


@like_numpy(np.column_stack, sequence=True)
def column_stack(tup: Any) -> Any:
    """Vectors as columns of a matrix, beside matrices."""
    arrays = [s.reshape(x, (x.size, 1)) if x.ndim < 2 else x for x in _sequence(tup, "column_stack")]
    return _concatenated(arrays, 1, "column_stack")


@like_numpy(np.block)
def block(arrays: Any) -> Any:
    """An array of nested lists of blocks: the innermost lists are joined along the last axis."""

    def depth(x: Any) -> int:
        return 1 + max(map(depth, x)) if isinstance(x, list) else 0

    def rank(x: Any) -> int:
        return max(map(rank, x)) if isinstance(x, list) else value(x, "block").ndim

    n = max(depth(arrays), rank(arrays))

    def joined(x: Any, axis: int) -> Any:
        if not isinstance(x, list):
            return _grown(value(x, "block"), n)
        return _concatenated([joined(part, axis + 1) for part in x], axis, "block")

    return joined(arrays, n - depth(arrays))


@like_numpy(np.append)
def append(arr: Any, values: Any, axis: Any = None) -> Any:
    """``values`` after ``arr`` along an axis, both flattened by default."""
    return concatenate.staged([value(arr, "append"), value(values, "append")], axis)


# Splitting


def _pieces(ary: Any, indices_or_sections: Any, axis: Any, name: str, equal: bool) -> list[Any]:
    x = value(ary, name)
    d = axis_index(axis, x.ndim, name)
    n = x.shape[d]
    if isinstance(indices_or_sections, tuple | list) or getattr(indices_or_sections, "ndim", 0) == 1:
        cuts = [static_int(i, name, "an index") for i in indices_or_sections]
        bounds = [0, *[i + n if i < 0 else i for i in cuts], n]
    else:
        count = static_int(indices_or_sections, name, "indices_or_sections")
        if count <= 0 or (equal and n % count):
            raise ArgumentError(f"{name} cannot cut axis {d} of length {n} into {count} equal parts.")
        sizes = [n // count + (i < n % count) for i in range(count)]
        bounds = [0, *[int(b) for b in np.cumsum(sizes)]]
    parts = []
    for low, high in itertools.pairwise(bounds):
        low, high = min(max(low, 0), n), min(max(high, 0), n)
        parts.append(s.slice_axis(x, d, low, max(low, high)))
    return parts


@like_numpy(np.split)
def split(ary: Any, indices_or_sections: Any, axis: int = 0) -> Any:
    """Parts of an array along an axis: so many equal ones, or cut at the given positions."""
    return _pieces(ary, indices_or_sections, axis, "split", equal=True)


@like_numpy(np.array_split)
def array_split(ary: Any, indices_or_sections: Any, axis: int = 0) -> Any:
    """`split` into parts that may differ by one in length."""
    return _pieces(ary, indices_or_sections, axis, "array_split", equal=False)


@like_numpy(np.hsplit)
def hsplit(ary: Any, indices_or_sections: Any) -> Any:
    """`split` along the second axis, of vectors along their only one."""
    return _pieces(ary, indices_or_sections, 0 if np.ndim(ary) == 1 else 1, "hsplit", equal=True)


@like_numpy(np.vsplit)
def vsplit(ary: Any, indices_or_sections: Any) -> Any:
    """`split` along the first axis."""
    return _pieces(ary, indices_or_sections, 0, "vsplit", equal=True)


@like_numpy(np.dsplit)
def dsplit(ary: Any, indices_or_sections: Any) -> Any:
    """`split` along the third axis."""
    return _pieces(ary, indices_or_sections, 2, "dsplit", equal=True)


@like_numpy(lambda x, /, *, axis=0: tuple(np.moveaxis(x, axis, 0)))
def unstack(x: Any, /, *, axis: int = 0) -> Any:
    """The parts of an array along an axis, without it."""
    x = value(x, "unstack")
    d = axis_index(axis, x.ndim, "unstack")
    return tuple([s.squeeze(s.slice_axis(x, d, i, i + 1), (d,)) for i in range(x.shape[d])])


# Repeating


@like_numpy(np.tile)
def tile(A: Any, reps: Any) -> Any:
    """The array laid side by side so many times along each axis."""
    x = value(A, "tile")
    counts = [
        static_int(r, "tile", "reps")
        for r in (reps if isinstance(reps, tuple | list) or np.ndim(reps) else (reps,))
    ]
    n = max(len(counts), x.ndim)
    counts, x = [1] * (n - len(counts)) + counts, _grown(x, n)
    pairs = tuple(m for pair in zip(counts, x.shape, strict=True) for m in pair)
    return s.reshape(
        s.broadcast(x, pairs, range(1, 2 * n, 2)), [r * m for r, m in zip(counts, x.shape, strict=True)]
    )


def _repeat_data(a: Any, repeats: Any, axis: Any = None, *, total_repeat_length: Any = None) -> Any:
    if total_repeat_length is not None:
        raise TypeError
    if isinstance(repeats, np.ndarray) and repeats.dtype == np.uint64:  # which NumPy does not take
        repeats = repeats.astype(np.int64)
    return np.repeat(a, repeats, axis)


@like_numpy(_repeat_data)
def repeat(a: Any, repeats: Any, axis: Any = None, *, total_repeat_length: int | None = None) -> Any:
    """Each element ``repeats`` times along an axis, of the flattened array by default.

    Args:
        a: array.
        repeats: a number, or one for each position. If it is traced, ``total_repeat_length`` gives the length of the result.
        axis: the axis.
        total_repeat_length: length of the result; what is missing repeats the last element.
    """
    x = value(a, "repeat")
    if axis is None:
        x, axis = s.reshape(x, (x.size,)), 0
    d = axis_index(axis, x.ndim, "repeat")
    n = x.shape[d]
    if is_traced(repeats) and total_repeat_length is None:
        repeats = concrete(
            repeats, "repeat needs the repeats, unless total_repeat_length says how long the result is"
        )
    if not is_traced(repeats):
        counts = np.broadcast_to(np.asarray(repeats), (n,)) if np.size(repeats) == 1 else np.asarray(repeats)
        if counts.shape != (n,) or (counts < 0).any():
            raise ArgumentError(f"repeat got repeats {repeats!r} for axis {d} of length {n}.")
        if (
            total_repeat_length is None and n and (counts == counts[0]).all()
        ):  # a broadcast: each element a block
            shape = (*x.shape[: d + 1], int(counts[0]), *x.shape[d + 1 :])
            block = s.broadcast(x, shape, [i for i in range(x.ndim + 1) if i != d + 1])
            return s.reshape(block, (*x.shape[:d], n * int(counts[0]), *x.shape[d + 1 :]))
        source: Any = np.repeat(np.arange(n), counts)
        if total_repeat_length is not None:
            source = source[:total_repeat_length]
            source = np.concatenate([source, np.full(total_repeat_length - source.size, n - 1)])
    else:
        from weft.ir.ops.cumulative import cumsum
        from weft.ir.ops.sort import searchsorted

        ends = cumsum(broadcast_to(e.cast(value(repeats, "repeat"), INT64), (n,)), 0)
        places = s.iota(INT64, (static_int(total_repeat_length, "repeat", "total_repeat_length"),))
        source = e.minimum(searchsorted(ends, places, side="right"), np.asarray(n - 1, INT64))
    return s.move_axis(gather(x, [source], [d], "promise"), 0, d)


# Parts taken out and put in


def _static_places(obj: Any, n: int, name: str) -> Any:
    """Positions along an axis from an integer, a slice, a list or a mask, none traced."""
    if isinstance(obj, slice):
        return np.arange(n)[obj]
    places = np.asarray(
        concrete(obj, f"{name} needs to know the positions: they give the shape of the result")
    )
    if places.dtype == bool:
        return np.nonzero(places)[0]
    if places.size and places.dtype.kind not in "iu":
        raise IndexingError(f"{name} got positions of dtype {places.dtype}: they are integers.")
    places = places.astype(np.int64)
    if places.size and not (-n <= places.min() and places.max() < n + (name == "insert")):
        raise IndexingError(f"{name} got position {obj!r}, out of bounds for an axis of length {n}.")
    return np.where(places < 0, places + n, places)


@like_numpy(lambda arr, obj, axis=None, *, assume_unique_indices=False: np.delete(arr, obj, axis))
def delete(arr: Any, obj: Any, axis: Any = None, *, assume_unique_indices: bool = False) -> Any:
    """The array without the positions ``obj`` along an axis, of the flattened array by default."""
    x = value(arr, "delete")
    if axis is None:
        x, axis = s.reshape(x, (x.size,)), 0
    d = axis_index(axis, x.ndim, "delete")
    keep = np.ones(x.shape[d], bool)
    keep[_static_places(obj, x.shape[d], "delete")] = False
    return s.move_axis(gather(x, [np.nonzero(keep)[0]], [d], "promise"), 0, d)


@like_numpy(np.insert)
def insert(arr: Any, obj: Any, values: Any, axis: Any = None) -> Any:
    """The array with ``values`` put in before the positions ``obj`` along an axis, of the flattened array by default."""
    x, new = value(arr, "insert"), value(values, "insert")
    if axis is None:
        x, axis = s.reshape(x, (x.size,)), 0
    d = axis_index(axis, x.ndim, "insert")
    n, new = x.shape[d], as_dtype(new, x.dtype)
    places = _static_places(obj, n, "insert")
    if places.ndim == 0:
        # NumPy: at one position, the first axis of the values is the axis that they are put in along.
        new = _grown(new, x.ndim)
        new = s.move_axis(new, 0, d) if new.ndim == x.ndim and np.ndim(values) else new
        count = new.shape[d]
        places = np.full(count, int(places))
    elif places.size == 1:
        new = _grown(new, x.ndim)
        places = np.full(new.shape[d], places[0])
    new = broadcast_to(_grown(new, x.ndim), [places.size if i == d else m for i, m in enumerate(x.shape)])
    # Stable order of (position, old before new is false): new elements come before the old one at their position.
    keys = np.concatenate([places * 2, np.arange(n) * 2 + 1])
    both = s.concatenate([new, x], d)
    return s.move_axis(gather(both, [np.argsort(keys, kind="stable")], [d], "promise"), 0, d)


@like_numpy(np.trim_zeros)
def trim_zeros(filt: Any, trim: Any = "fb") -> Any:
    """A vector without the zeros at its ends; its values must be known."""
    return np.trim_zeros(
        concrete(value(filt, "trim_zeros"), "trim_zeros needs the values: they give the shape of the result"),
        trim,
    )
