"""Elements by position and by condition: take, nonzero and kin.

The one idea: how many elements fulfil a condition is not known while a function is traced. Such functions take ``size=`` there,
the length of the result; without it the values must be known (as they are in `grad` without `jit`).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from weft.engine import indexing
from weft.engine.dispatch import as_dtype, broadcast_shapes, broadcast_to, broadcast_values
from weft.ir.builder import Value, concrete
from weft.ir.errors import ArgumentError, IndexingError, ShapeError
from weft.ir.ops import elementwise as e
from weft.ir.ops import shape as s
from weft.ir.ops import sort as so
from weft.ir.ops.cumulative import cumsum
from weft.ir.types import INT64
from weft.numpy.shapes import unravel_index
from weft.numpy.staging import axis_index, like_numpy, refuse, same_dtype, static_int, to_bool, value

__all__ = [
    "argwhere", "choose", "compress", "extract", "flatnonzero", "nonzero", "take", "take_along_axis",
]  # fmt: skip

NEEDS_VALUES = "needs the values, which give the shape of the result; size= says it without them"


# By position


def _positions(indices: Any, name: str) -> Any:
    indices = value(indices, name, "indices")
    if isinstance(indices, np.ndarray) and indices.size == 0:
        indices = indices.astype(INT64)
    if indices.dtype.kind == "b" and name != "take_along_axis":  # as NumPy: positions 0 and 1
        return as_dtype(indices, INT64)
    if indices.dtype.kind not in "iu":
        raise IndexingError(f"{name} got indices of dtype {indices.dtype}: they are integers.")
    return indices


def _bounded(indices: Any, n: int, mode: str) -> Any:
    """Positions moved inside, by clipping or counting round."""
    wide = as_dtype(indices, INT64)
    if mode == "wrap":
        return e.mod(wide, np.asarray(n, INT64))
    return e.minimum(e.maximum(wide, np.asarray(0, INT64)), np.asarray(n - 1, INT64))


def _take_data(
    a: Any, indices: Any, axis: Any = None, out: Any = None, mode: Any = None, fill_value: Any = None, *,
    unique_indices: bool = False, indices_are_sorted: bool = False,
) -> Any:  # fmt: skip
    if fill_value is not None or mode not in (None, "raise", "clip", "wrap"):
        raise TypeError
    indices = np.asarray(indices)
    return np.take(a, indices.astype(INT64) if indices.size == 0 else indices, axis, out, mode or "raise")


@like_numpy(_take_data)
def take(
    a: Any, indices: Any, axis: Any = None, out: Any = None, mode: Any = None, fill_value: Any = None, *,
    unique_indices: bool = False, indices_are_sorted: bool = False,
) -> Any:  # fmt: skip
    """Elements at positions along an axis, of the flattened array by default.

    Args:
        a: array.
        indices: integer positions; negative ones count from the end (but in mode "clip").
        axis: the axis.
        out: not supported, arrays are immutable.
        mode: positions outside of the axis: "fill" gives ``fill_value``, "clip" the nearest element, "wrap" counts round. By
            default known positions must be inside, and traced ones are filled.
        fill_value: by default NaN, the smallest signed or largest unsigned integer.
        unique_indices: accepted for JAX's sake.
        indices_are_sorted: accepted for JAX's sake.
    """
    refuse("take", out=out)
    x, indices = value(a, "take"), _positions(indices, "take")
    if axis is None:
        x, axis = s.reshape(x, (x.size,)), 0
    d = axis_index(axis, x.ndim, "take")
    how: str | None = (
        "fill" if isinstance(indices, Value) or mode in ("fill", "drop") or fill_value is not None else None
    )
    if mode in ("clip", "wrap"):
        indices, how = _bounded(indices, x.shape[d], mode), "promise"
    elif mode not in (None, "raise", "fill", "drop", "promise_in_bounds"):
        raise ArgumentError(
            f"take got mode={mode!r}: the modes are 'fill', 'clip', 'wrap' and 'promise_in_bounds'."
        )
    return indexing.read(x, (slice(None),) * d + (indices,), how, fill_value)


@like_numpy(
    lambda arr, indices, axis=-1, mode=None, fill_value=None: (
        np.take_along_axis(arr, indices, axis) if mode is None else refused()
    )
)
def take_along_axis(arr: Any, indices: Any, axis: Any = -1, mode: Any = None, fill_value: Any = None) -> Any:
    """For each position of ``indices``, the element of ``arr`` there along the axis; other axes are broadcast."""
    x, indices = value(arr, "take_along_axis"), _positions(indices, "take_along_axis")
    if axis is None:
        x, axis = s.reshape(x, (x.size,)), 0
    d = axis_index(axis, x.ndim, "take_along_axis")
    if indices.ndim != x.ndim:
        raise ShapeError(
            f"take_along_axis got indices of shape {indices.shape} for an array of shape {x.shape}: as many axes are needed."
        )
    x, indices = _along(x, indices, d, "take_along_axis")
    every = [indices if i == d else s.iota(INT64, indices.shape, i) for i in range(x.ndim)]
    how = {"clip": "clip", "fill": "fill", "drop": "fill", "promise_in_bounds": "promise", None: None}.get(
        mode, ""
    )
    if how == "":
        raise ArgumentError(
            f"take_along_axis got mode={mode!r}: the modes are 'fill', 'clip' and 'promise_in_bounds'."
        )
    how = "fill" if how is None and isinstance(indices, Value) else how
    return indexing.read(x, tuple(every), how, fill_value)


def refused() -> Any:
    raise TypeError


def _along(x: Any, indices: Any, d: int, name: str) -> tuple[Any, Any]:
    """Both arrays broadcast to each other on all axes but one."""
    lead = broadcast_shapes(
        name, *[[1 if i == d else n for i, n in enumerate(y.shape)] for y in (x, indices)]
    )
    return tuple(
        [broadcast_to(y, [y.shape[d] if i == d else n for i, n in enumerate(lead)]) for y in (x, indices)]
    )  # type: ignore[return-value]


@like_numpy(np.choose)
def choose(a: Any, choices: Any, out: Any = None, mode: str = "raise") -> Any:
    """For each element of ``a``, that of the choice with its number."""
    refuse("choose", out=out)
    a, options = _positions(a, "choose"), same_dtype("choose", *choices)
    n = len(options)
    if mode == "raise":
        known = np.asarray(concrete(a, "choose needs the values of a, or mode 'clip' or 'wrap'"))
        if known.size and not 0 <= known.min() <= known.max() < n:
            raise IndexingError(f"choose got a number outside of its {n} choices.")
    a = _bounded(a, n, "wrap" if mode == "wrap" else "clip")
    a, *options = broadcast_values("choose", a, *options)
    result = options[-1]
    for i in reversed(range(n - 1)):
        result = e.select(e.eq(a, np.asarray(i, INT64)), options[i], result)
    return result


def _compress_data(
    condition: Any, a: Any, axis: Any = None, *, size: Any = None, fill_value: Any = 0, out: Any = None
) -> Any:
    if size is not None:
        raise TypeError
    if (
        np.shape(a)
        and not isinstance(condition, list | tuple | np.ndarray)
        and axis is None
        and np.ndim(condition) == 0
    ):
        raise TypeError
    return np.compress(condition, a, axis, out)


@like_numpy(_compress_data)
def compress(
    condition: Any, a: Any, axis: Any = None, *, size: int | None = None, fill_value: Any = 0, out: Any = None
) -> Any:
    """The parts of an array along an axis where ``condition`` holds, of the flattened array by default."""
    refuse("compress", out=out)
    condition, x = to_bool(value(condition, "compress")), value(a, "compress")
    if condition.ndim != 1:
        raise ShapeError(f"compress got a condition of shape {condition.shape}: it needs one axis.")
    if axis is None:
        x, axis = s.reshape(x, (x.size,)), 0
    d = axis_index(axis, x.ndim, "compress")
    (places,) = nonzero.staged(condition, size=size, fill_value=x.shape[d])
    if isinstance(places, np.ndarray) and size is None:
        return take.staged(x, places, d)
    return take.staged(x, places, d, mode="fill", fill_value=fill_value)


@like_numpy(
    lambda condition, arr, *, size=None, fill_value=0: (
        np.extract(condition, arr) if size is None else refused()
    )
)
def extract(condition: Any, arr: Any, *, size: int | None = None, fill_value: Any = 0) -> Any:
    """The elements where ``condition`` holds, in one axis."""
    condition, x = value(condition, "extract"), value(arr, "extract")
    return compress.staged(
        s.reshape(condition, (condition.size,)), s.reshape(x, (x.size,)), 0, size=size, fill_value=fill_value
    )


# By condition


def places_where(condition: Any, size: Any, fill: Any) -> Any:
    """The first ``size`` places of a vector where a condition holds, filled up."""
    size, n = static_int(size, "nonzero", "size"), condition.shape[0]
    if n == 0:
        return s.full((size,), fill, INT64)
    counts = cumsum(e.cast(condition, INT64), 0)
    places = so.searchsorted(counts, e.add(s.iota(INT64, (size,)), np.asarray(1, INT64)))
    return e.select(e.lt(places, np.asarray(n)), places, np.asarray(fill, INT64))


def _nonzero_data(a: Any, *, size: Any = None, fill_value: Any = None) -> Any:
    return np.nonzero(a) if size is None else refused()


@like_numpy(_nonzero_data)
def nonzero(a: Any, *, size: int | None = None, fill_value: Any = None) -> Any:
    """Positions of the elements that are not zero, one array an axis.

    Args:
        a: array with one axis at least.
        size: length of the results: more positions are cut off, missing ones filled. Traced arrays need it.
        fill_value: what fills up, a number or one for each axis; 0 by default.
    """
    x = value(a, "nonzero")
    if x.ndim == 0:
        raise ShapeError("nonzero got an array without axes; use atleast_1d.")
    if size is None:
        return np.nonzero(concrete(x, f"nonzero {NEEDS_VALUES}"))
    flat = to_bool(s.reshape(x, (x.size,)))
    fills = fill_value if isinstance(fill_value, tuple | list) else [fill_value] * x.ndim
    if len(fills) != x.ndim:
        raise ArgumentError(f"nonzero got {len(fills)} fill values for {x.ndim} axes.")
    places = places_where(flat, size, x.size)
    missing = e.eq(places, np.asarray(x.size))
    positions = unravel_index.staged(places, x.shape)
    return tuple(
        [
            e.select(missing, np.asarray(0 if f is None else f, INT64), p)
            for p, f in zip(positions, fills, strict=True)
        ]
    )


@like_numpy(lambda a, *, size=None, fill_value=None: np.flatnonzero(a) if size is None else refused())
def flatnonzero(a: Any, *, size: int | None = None, fill_value: Any = None) -> Any:
    """Positions in the flattened array of the elements that are not zero."""
    x = value(a, "flatnonzero")
    return nonzero.staged(s.reshape(x, (x.size,)), size=size, fill_value=fill_value)[0]


@like_numpy(lambda a, *, size=None, fill_value=None: np.argwhere(a) if size is None else refused())
def argwhere(a: Any, *, size: int | None = None, fill_value: Any = None) -> Any:
    """Positions of the elements that are not zero, as rows."""
    x = value(a, "argwhere")
    if size is None:
        return np.argwhere(concrete(x, f"argwhere {NEEDS_VALUES}"))
    columns = nonzero.staged(x, size=size, fill_value=fill_value)
    return s.concatenate([s.reshape(c, (c.shape[0], 1)) for c in columns], 1)
