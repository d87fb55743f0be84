"""Counting: how often numbers occur, and how many elements lie in which bin.

The one idea: a count is a scatter of ones. Bins of equal width are found by arithmetic, and then moved by one where rounding
was wrong about the edges, so that they are the bins that a search among the edges finds.
"""

from __future__ import annotations

import builtins
from collections.abc import Sequence
from typing import Any

import numpy as np

from weft.engine.dispatch import as_dtype, broadcast_to, promote_values
from weft.engine.promotion import averaging
from weft.ir.builder import concrete
from weft.ir.errors import ArgumentError, ShapeError
from weft.ir.ops import elementwise as e
from weft.ir.ops import index as ix
from weft.ir.ops import shape as s
from weft.ir.ops import sort as so
from weft.ir.ops.reduce import reduce_sum
from weft.ir.types import FLOAT64, INT64
from weft.numpy.creation import linspace
from weft.numpy.reductions import max as _max
from weft.numpy.reductions import min as _min
from weft.numpy.staging import like_numpy, same_dtype, static_int, to_inexact, value

__all__ = ["bincount", "histogram", "histogram2d", "histogram_bin_edges", "histogramdd"]


def _bincount_data(x: Any, weights: Any = None, minlength: int = 0, *, length: Any = None) -> Any:
    if length is not None:
        raise TypeError
    return np.bincount(x, weights, minlength)


@like_numpy(_bincount_data)
def bincount(x: Any, weights: Any = None, minlength: int = 0, *, length: int | None = None) -> Any:
    """How often each number from 0 up occurs, or the sum of its weights.

    Args:
        x: vector of integers from 0 up.
        weights: a weight for each.
        minlength: least length of the result.
        length: length of the result; larger numbers are left out. Traced ``x`` needs it.
    """
    x = value(x, "bincount")
    if x.ndim != 1 or x.dtype.kind not in "iub":
        raise ArgumentError(f"bincount needs a vector of integers, got {x.dtype} of shape {x.shape}.")
    if length is None:
        known = concrete(
            x, "bincount needs the values, which give the shape of the result; length= says it without them"
        )
        length = max(int(np.max(known, initial=-1)) + 1, static_int(minlength, "bincount", "minlength"))
    places = e.cast(x, INT64)
    if weights is None:
        counted: Any = s.full(x.shape, 1, INT64)
    else:
        counted = as_dtype(value(weights, "bincount", "weights"), FLOAT64)
        if counted.shape != x.shape:
            raise ShapeError(f"bincount got weights of shape {counted.shape} for {x.shape[0]} elements.")
    return ix.scatter(
        s.full((static_int(length, "bincount", "length"),), 0, counted.dtype),
        counted,
        [places],
        [0],
        "add",
        "fill",
    )


@like_numpy(np.histogram_bin_edges)
def histogram_bin_edges(a: Any, bins: Any = 10, range: Any = None, weights: Any = None) -> Any:
    """The edges of the bins of `histogram`."""
    x = value(a, "histogram_bin_edges")
    if isinstance(bins, str):
        known = concrete(x, "histogram with bins by name needs the values: they give the number of bins")
        return np.histogram_bin_edges(known, bins, range, weights)
    if np.ndim(bins) == 1:
        return value(bins, "histogram_bin_edges", "bins")
    n = static_int(bins, "histogram", "bins")
    if n < 1:
        raise ArgumentError(f"histogram got bins={n}: one is needed at least.")
    if range is not None:
        low, high = range
    elif x.size == 0:
        low, high = 0.0, 1.0
    else:
        low, high = to_inexact(_min.staged(x)), to_inexact(_max.staged(x))
    like = np.empty((), averaging(x.dtype))
    low, high, _ = promote_values("histogram", low, high, like, floating=True)
    empty = e.eq(low, high)
    half = np.asarray(0.5, low.dtype)
    low, high = e.select(empty, e.sub(low, half), low), e.select(empty, e.add(high, half), high)
    return linspace.staged(low, high, n + 1)


def _number_of_bins(bins: Any) -> int | None:
    """How many bins of equal width are asked for; ``None`` where their edges are given."""
    return None if isinstance(bins, str) or np.ndim(bins) else static_int(bins, "histogram", "bins")


def _are_several(bins: Any) -> bool:
    """Whether bins are given by a sequence."""
    return isinstance(bins, list | tuple) or np.ndim(bins) > 0


def _bins_of(x: Any, edges: Any, equal: bool) -> Any:
    """The number of the bin of each element of a vector; as many as there are bins for those outside."""
    n = edges.shape[0] - 1
    table, x = same_dtype("histogram", edges, x)
    first, last = (broadcast_to(s.reshape(s.slice_axis(table, 0, i, i + 1), ()), x.shape) for i in (0, n))
    one, end = np.asarray(1, INT64), np.asarray(n - 1, INT64)
    if equal:
        scale = e.div(np.asarray(n, table.dtype), e.sub(last, first))
        bins = e.cast(e.mul(e.sub(x, first), scale), INT64)
        bins = e.minimum(e.maximum(bins, np.asarray(0, INT64)), end)
        bins = e.select(e.lt(x, ix.gather(table, [bins], [0], "clip")), e.sub(bins, one), bins)
        above = e.ge(x, ix.gather(table, [e.add(bins, one)], [0], "clip"))
        bins = e.select(e.and_(above, e.lt(bins, end)), e.add(bins, one), bins)
    else:
        bins = e.sub(so.searchsorted(table, x, "right"), one)
        bins = e.select(e.eq(x, last), end, bins)  # the last bin has both of its edges
    inside = e.and_(e.ge(x, first), e.le(x, last))
    return e.select(inside, bins, np.asarray(n, INT64))


def _density(counts: Any, edges: Sequence[Any]) -> Any:
    """Counts divided by their total and by the sizes of their bins."""
    counts, *edges = same_dtype("histogram", to_inexact(counts), *edges)
    counts = e.div(counts, broadcast_to(reduce_sum(counts, range(counts.ndim)), counts.shape))
    for d, table in enumerate(edges):
        n = table.shape[0] - 1
        widths = e.sub(s.slice_axis(table, 0, 1, n + 1), s.slice_axis(table, 0, 0, n))
        counts = e.div(counts, s.broadcast(widths, counts.shape, (d,)))
    return counts


@like_numpy(np.histogram)
def histogram(a: Any, bins: Any = 10, range: Any = None, density: Any = None, weights: Any = None) -> Any:
    """How many elements lie in each of ``bins`` of equal width (or given by their edges), and the edges.

    The last bin has both of its edges. ``weights`` are summed in place of counting; ``density`` divides by the total
    and the widths.
    """
    x = value(a, "histogram")
    flat = s.reshape(x, (x.size,))
    edges = histogram_bin_edges.staged(flat, bins, range, None)
    counted: Any = s.full(flat.shape, 1, INT64)
    if weights is not None:
        counted = value(weights, "histogram", "weights")
        if counted.size != flat.size:
            raise ShapeError(
                f"histogram got weights of shape {counted.shape} for an array of shape {x.shape}."
            )
        counted = s.reshape(counted, flat.shape)
    places = _bins_of(flat, edges, _number_of_bins(bins) is not None)
    counts = ix.scatter(
        s.full((edges.shape[0] - 1,), 0, counted.dtype), counted, [places], [0], "add", "fill"
    )
    return (_density(counts, [edges]) if density else counts), edges


@like_numpy(np.histogramdd)
def histogramdd(
    sample: Any, bins: Any = 10, range: Any = None, density: Any = None, weights: Any = None
) -> tuple[Any, list[Any]]:
    """How many points lie in each box, and the edges along each axis.

    Args:
        sample: a row for each point, or a list of vectors: the coordinates of all points along one axis.
        bins: a number of bins, or for each axis a number of bins or their edges.
        range: for each axis the outermost edges, or ``None`` for the smallest and largest coordinate.
        density: divide by the total and the sizes of the boxes.
        weights: what to sum in place of counting.
    """
    if isinstance(sample, list | tuple):
        columns = same_dtype("histogramdd", *sample)
    else:
        x = value(sample, "histogramdd", "sample")
        if x.ndim != 2:
            raise ShapeError(f"histogramdd got a sample of shape {x.shape}: it needs a row for each point.")
        columns = [s.reshape(s.slice_axis(x, 1, d, d + 1), (x.shape[0],)) for d in builtins.range(x.shape[1])]
    if any(c.ndim != 1 or c.shape != columns[0].shape for c in columns):
        raise ShapeError(f"histogramdd got coordinates of shapes {', '.join(str(c.shape) for c in columns)}.")
    of_axis = list(bins) if _are_several(bins) else [bins] * len(columns)
    ranges = [None] * len(columns) if range is None else list(range)
    if len(of_axis) != len(columns) or len(ranges) != len(columns):
        raise ArgumentError(
            f"histogramdd got {len(of_axis)} bins and {len(ranges)} ranges for points of {len(columns)} coordinates."
        )
    edges = [histogram_bin_edges.staged(c, b, r) for c, b, r in zip(columns, of_axis, ranges, strict=True)]
    places = [
        _bins_of(c, table, _number_of_bins(b) is not None)
        for c, table, b in zip(columns, edges, of_axis, strict=True)
    ]
    counted: Any = s.full(columns[0].shape, 1, FLOAT64)
    if weights is not None:
        counted = as_dtype(value(weights, "histogramdd", "weights"), FLOAT64)
        if counted.shape != columns[0].shape:
            raise ShapeError(
                f"histogramdd got weights of shape {counted.shape} for {columns[0].size} points."
            )
    empty = s.full([table.shape[0] - 1 for table in edges], 0, FLOAT64)
    counts = ix.scatter(empty, counted, places, builtins.range(len(edges)), "add", "fill")
    return (_density(counts, edges) if density else counts), edges


@like_numpy(np.histogram2d)
def histogram2d(
    x: Any, y: Any, bins: Any = 10, range: Any = None, density: Any = None, weights: Any = None
) -> tuple[Any, Any, Any]:
    """How many points ``(x, y)`` lie in each rectangle, and the edges along both axes; see `histogramdd`.

    ``bins`` is one number of bins or one vector of edges for both axes, or a pair.
    """
    pair = [bins, bins] if _are_several(bins) and len(bins) != 2 else bins
    counts, (x_edges, y_edges) = histogramdd.staged([x, y], pair, range, density, weights)
    return counts, x_edges, y_edges
