"""NumPy's functions that write into an array, which here give a changed copy: `put`, `place`, `putmask` and kin.

The one idea: arrays are immutable, so a call that throws its result away does nothing. So, as in JAX, each wants to be told
``inplace=False``; without it the error says what to write.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from weft.engine import indexing
from weft.engine.dispatch import as_dtype, broadcast_to
from weft.engine.index import static_position
from weft.engine.promotion import is_literal
from weft.ir.builder import Value
from weft.ir.errors import ArgumentError, DTypeError, ShapeError
from weft.ir.ops import cumulative
from weft.ir.ops import elementwise as e
from weft.ir.ops import index as ix
from weft.ir.ops import shape as s
from weft.ir.types import INT64
from weft.numpy.staging import axis_index, like_numpy, to_bool, value

__all__ = ["fill_diagonal", "place", "put", "put_along_axis", "putmask"]


def _on_copy(function: Callable[..., Any]) -> Callable[..., Any]:
    """NumPy's function on a copy, which is given back; with ``inplace`` the definition says what is wrong."""

    def run(a: Any, *args: Any, inplace: bool = True, **kwargs: Any) -> Any:
        if inplace:
            raise TypeError
        out = np.array(a)
        function(out, *args, **kwargs)
        return out

    return run


def _as_copy(name: str, inplace: bool) -> None:
    if inplace:
        raise ArgumentError(
            f"{name} works in place, and arrays are immutable: write x = {name}(x, ..., inplace=False), or "
            f"x = x.at[index].set(values)."
        )


def _safe(values: Any, x: Any, name: str) -> Any:
    """Values in the dtype of ``x``, which must hold theirs; numbers of Python are taken as they are."""
    found = value(values, name)
    if not is_literal(values) and not np.can_cast(found.dtype, x.dtype, "safe"):
        raise DTypeError(
            f"{name} got values of {found.dtype}, which do not all go into an array of {x.dtype}."
        )
    return as_dtype(found, x.dtype)


def _repeated(values: Any, n: int, x: Any, name: str) -> Any:
    """The first ``n`` values, over and over again where there are less, in the dtype of ``x``."""
    values = as_dtype(value(values, name), x.dtype)
    values = s.reshape(values, (values.size,))
    if values.size == 1:
        return s.broadcast(s.reshape(values, ()), (n,), ())
    if values.size == 0 and n:
        raise ShapeError(f"{name} got no values for {n} elements.")
    times = math.ceil(n / values.size) if n else 1
    rounds = s.broadcast(values, (times, values.size), (1,))
    return s.slice_axis(s.reshape(rounds, (rounds.size,)), 0, 0, n)


@like_numpy(_on_copy(np.fill_diagonal))
def fill_diagonal(a: Any, val: Any, wrap: bool = False, *, inplace: bool = True) -> Any:
    """A copy of the array with ``val`` on its main diagonal.

    Args:
        a: a matrix, or an array with axes of one length.
        val: a number, or values that are repeated.
        wrap: go on at the first column in a matrix with more rows than columns.
        inplace: must be given as ``False``.
    """
    _as_copy("fill_diagonal", inplace)
    a = value(a, "fill_diagonal")
    if a.ndim < 2 or (a.ndim > 2 and len(set(a.shape)) > 1):
        raise ShapeError(
            f"fill_diagonal needs a matrix, or an array with axes of one length, got shape {a.shape}."
        )
    step = 1 + sum(math.prod(a.shape[d + 1 :]) for d in range(a.ndim - 1)) if a.ndim > 2 else a.shape[1] + 1
    end = a.size if wrap or a.ndim > 2 else min(a.shape[1] * a.shape[1], a.size)
    flat = s.reshape(a, (a.size,))
    values = _repeated(val, len(range(0, end, step)), a, "fill_diagonal")
    return s.reshape(indexing.write(flat, slice(0, end, step), values, "set"), a.shape)


@like_numpy(_on_copy(lambda a, ind, v, mode=None: np.put(a, ind, v, mode or "raise")))
def put(a: Any, ind: Any, v: Any, mode: Any = None, *, inplace: bool = True) -> Any:
    """A copy of the array with values at positions of the flattened array.

    Args:
        a: array.
        ind: positions; negative ones count from the end.
        v: values, repeated as often as needed; of a position that comes up twice the last one stays.
        mode: what happens to positions outside of the array: "raise", of which traced ones are dropped instead; "wrap":
            they count on from the other end; "clip": the nearest element is taken.
        inplace: must be given as ``False``.
    """
    _as_copy("put", inplace)
    if mode not in (None, "raise", "wrap", "clip"):
        raise ArgumentError(f"put got mode={mode!r}: it is 'raise', 'wrap' or 'clip'.")
    x, places = value(a, "put"), value(ind, "put", "ind")
    if places.dtype.kind not in "iu" and places.size:
        raise ArgumentError(f"put got positions of dtype {places.dtype}: they are integers.")
    if mode in (None, "raise") and not isinstance(places, Value):
        for i in places.flat:
            static_position(int(i), x.size, 0)
    places = e.cast(s.reshape(places, (places.size,)), INT64)
    if not places.size or not np.size(v):
        return x
    values = _repeated(v, places.size, x, "put")
    if mode == "wrap":
        places = e.mod(places, e.full_like(places, x.size))
    elif mode == "clip":
        places = e.minimum(e.maximum(places, e.full_like(places, 0)), e.full_like(places, x.size - 1))
    return s.reshape(indexing.write(s.reshape(x, (x.size,)), (places,), values, "set"), x.shape)


def _mask(mask: Any, x: Any, name: str) -> Any:
    mask = to_bool(value(mask, name, "mask"))
    if mask.size != x.size:
        raise ShapeError(f"{name} got a mask of shape {mask.shape} for an array of shape {x.shape}.")
    return s.reshape(mask, x.shape)


@like_numpy(_on_copy(np.place))
def place(arr: Any, mask: Any, vals: Any, *, inplace: bool = True) -> Any:
    """A copy of the array with ``vals`` at the elements where ``mask`` holds, one after the other, repeated as needed."""
    _as_copy("place", inplace)
    x = value(arr, "place")
    mask, values = _mask(mask, x, "place"), _safe(vals, x, "place")
    if not x.size:
        return x
    if not values.size:
        raise ShapeError(f"place got no values for an array of shape {x.shape}.")
    values = s.reshape(values, (values.size,))
    count = cumulative.cumsum(e.cast(s.reshape(mask, (x.size,)), INT64), 0)
    which = e.mod(e.sub(count, np.asarray(1, INT64)), np.asarray(values.size, INT64))
    chosen = ix.gather(values, [which], [0], "promise", None)
    return e.select(mask, s.reshape(chosen, x.shape), x)


@like_numpy(_on_copy(np.putmask))
def putmask(a: Any, mask: Any, values: Any, *, inplace: bool = True) -> Any:
    """A copy of the array with ``values``, repeated to its size, where ``mask`` holds."""
    _as_copy("putmask", inplace)
    x = value(a, "putmask")
    mask = _mask(mask, x, "putmask")
    if not np.size(values):
        return x
    values = _safe(values, x, "putmask")
    return e.select(mask, s.reshape(_repeated(values, x.size, x, "putmask"), x.shape), x)


@like_numpy(
    _on_copy(
        lambda arr, indices, values, axis=-1, *, mode=None: np.put_along_axis(arr, indices, values, axis)
    )
)
def put_along_axis(
    arr: Any, indices: Any, values: Any, axis: Any = -1, inplace: bool = True, *, mode: Any = None
) -> Any:
    """A copy of the array with ``values`` put at positions along an axis: the inverse of `take_along_axis`.

    Args:
        arr: array.
        indices: positions along the axis, an array of as many axes.
        values: what to put there, broadcast to ``indices``.
        axis: the axis; ``None`` flattens the array.
        inplace: must be given as ``False``.
        mode: "clip" takes the nearest element for traced positions outside of the axis; by default they are dropped.
    """
    _as_copy("put_along_axis", inplace)
    x, indices = value(arr, "put_along_axis"), value(indices, "put_along_axis", "indices")
    if indices.dtype.kind not in "iu":
        raise ArgumentError(f"put_along_axis got positions of dtype {indices.dtype}: they are integers.")
    shape = x.shape
    if axis is None:
        x, axis = s.reshape(x, (x.size,)), 0
    d = axis_index(axis, x.ndim, "put_along_axis")
    if indices.ndim != x.ndim:
        raise ShapeError(
            f"put_along_axis got indices of shape {indices.shape} for an array of shape {x.shape}."
        )
    lead = [indices.shape[d] if i == d else n for i, n in enumerate(x.shape)]
    indices = broadcast_to(indices, lead)
    every = [indices if i == d else s.iota(INT64, tuple(lead), i) for i in range(x.ndim)]
    values = as_dtype(value(values, "put_along_axis"), x.dtype)
    how = "clip" if mode == "clip" else "fill"
    return s.reshape(indexing.write(x, tuple(every), values, "set", how), shape)
