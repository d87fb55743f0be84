"""Sorting, and what sorted arrays give: places in them, order statistics, quantiles."""

from __future__ import annotations

from typing import Any

import numpy as np

from weft.engine.dispatch import (
    as_dtype,
    broadcast_to,
    broadcast_values,
    common_dtype,
    is_weak,
)
from weft.engine.promotion import averaging
from weft.ir.errors import ArgumentError, DTypeError, ShapeError
from weft.ir.ops import cumulative
from weft.ir.ops import elementwise as e
from weft.ir.ops import index as ix
from weft.ir.ops import shape as s
from weft.ir.ops import sort as so
from weft.ir.ops.reduce import reduce_or, reduce_sum
from weft.ir.types import FLOAT64, INT64, is_bool, is_complex, is_inexact, real_dtype
from weft.numpy import formulas
from weft.numpy.staging import (
    axis_index,
    axis_indices,
    like_numpy,
    of_scalar,
    refuse,
    same_dtype,
    silent,
    static_int,
    to_inexact,
    value,
)

__all__ = [
    "argpartition", "argsort", "digitize", "lexsort", "median", "nanmedian", "nanpercentile", "nanquantile",
    "partition", "percentile", "quantile", "searchsorted", "sort", "sort_complex",
]  # fmt: skip


def _line(a: Any, axis: Any, name: str) -> tuple[Any, int]:
    x = value(a, name)
    if axis is None or (name == "argsort" and of_scalar(axis, x.ndim)):
        return s.reshape(x, (x.size,)), 0
    return x, axis_index(axis, x.ndim, name)


def _sort_data(
    a: Any,
    axis: Any = -1,
    kind: Any = None,
    order: Any = None,
    *,
    stable: bool = True,
    descending: bool = False,
) -> Any:
    if descending or order is not None:
        raise TypeError
    return np.sort(a, axis, kind)


def _check_kind(kind: Any, name: str) -> None:
    if kind is not None and kind not in ("quicksort", "heapsort", "mergesort", "stable"):
        raise ArgumentError(
            f"{name} got kind={kind!r}: it is 'stable', or one of NumPy's others, which are as well."
        )


@like_numpy(_sort_data)
def sort(
    a: Any,
    axis: Any = -1,
    kind: Any = None,
    order: Any = None,
    *,
    stable: bool = True,
    descending: bool = False,
) -> Any:
    """The array sorted along an axis, flattened with ``axis=None``; NaN comes last, first if ``descending``."""
    refuse("sort", order=order)
    _check_kind(kind, "sort")
    x, d = _line(a, axis, "sort")
    result = so.sort(x, d)
    return s.reverse(result, (d,)) if descending else result


def _argsort_data(
    a: Any,
    axis: Any = -1,
    kind: Any = None,
    order: Any = None,
    *,
    stable: bool = True,
    descending: bool = False,
) -> Any:
    if descending or order is not None:
        raise TypeError
    return np.argsort(a, axis, kind="stable")


@like_numpy(_argsort_data)
def argsort(
    a: Any,
    axis: Any = -1,
    kind: Any = None,
    order: Any = None,
    *,
    stable: bool = True,
    descending: bool = False,
) -> Any:
    """The positions along an axis that sort the array; always stable."""
    refuse("argsort", order=order)
    x, d = _line(a, axis, "argsort")
    return so.argsort(x, d, descending=descending)


@like_numpy(np.sort_complex)
def sort_complex(a: Any) -> Any:
    """The array sorted along the last axis, as complex numbers."""
    x = value(a, "sort_complex")
    if not is_complex(x.dtype):
        x = e.cast(
            x, np.dtype(np.complex64 if x.dtype.kind in "iu" and x.dtype.itemsize <= 2 else np.complex128)
        )
    return so.sort(x, x.ndim - 1)


@like_numpy(np.lexsort)
def lexsort(keys: Any, axis: Any = -1) -> Any:
    """The positions that sort by several keys, the last one first."""
    parts = [value(k, "lexsort") for k in keys] if isinstance(keys, list | tuple) else None
    if parts is None:
        whole = value(keys, "lexsort")
        parts = [s.squeeze(s.slice_axis(whole, 0, i, i + 1), (0,)) for i in range(whole.shape[0])]
    if not parts or any(k.shape != parts[0].shape for k in parts):
        raise ShapeError(f"lexsort needs keys of one shape, got {', '.join(str(k.shape) for k in parts)}.")
    if parts[0].ndim == 0:
        return np.zeros((), INT64)
    d = axis_index(axis, parts[0].ndim, "lexsort")
    return so.sort_many([*parts[::-1], s.iota(INT64, parts[0].shape, d)], d, len(parts))[-1]


# Sorting whole is one pass over the data, and gives what a partition promises.


def _check_rank(a: Any, kth: Any, axis: Any, name: str) -> None:
    x = value(a, name)
    n = x.size if axis is None else x.shape[axis_index(axis, x.ndim, name)]
    for k in kth if isinstance(kth, list | tuple | np.ndarray) else [kth]:
        if not -n <= static_int(k, name, "kth") < n:
            raise ArgumentError(f"{name} got kth={k} for {n} elements.")


def _check_selection(kind: str, name: str) -> None:
    if kind != "introselect":
        raise ArgumentError(f"{name} got kind={kind!r}: there is 'introselect' alone.")


@like_numpy(None)
def partition(a: Any, kth: Any, axis: Any = -1, kind: str = "introselect") -> Any:
    """The array with the element of rank ``kth`` at its place, smaller ones before it: it is sorted."""
    _check_selection(kind, "partition")
    _check_rank(a, kth, axis, "partition")
    return sort.staged(a, axis)


@like_numpy(None)
def argpartition(a: Any, kth: Any, axis: Any = -1, kind: str = "introselect") -> Any:
    """The positions of the elements of `partition`."""
    _check_selection(kind, "argpartition")
    _check_rank(a, kth, axis, "argpartition")
    return argsort.staged(a, axis)


def _searchsorted_data(a: Any, v: Any, side: Any = "left", sorter: Any = None, *, method: Any = None) -> Any:
    return np.searchsorted(a, v, side, sorter)


@like_numpy(_searchsorted_data)
def searchsorted(a: Any, v: Any, side: str = "left", sorter: Any = None, *, method: Any = None) -> Any:
    """Where to put elements ``v`` into the sorted vector ``a`` to keep it sorted."""
    table, wanted = same_dtype("searchsorted", a, v)
    if table.ndim != 1:
        raise ShapeError(f"searchsorted needs a vector, got shape {table.shape}.")
    if side not in ("left", "right"):
        raise ArgumentError(f"searchsorted got side={side!r}: it is 'left' or 'right'.")
    if sorter is not None:
        table = ix.gather(table, [value(sorter, "searchsorted", "sorter")], [0], "clip")
    return so.searchsorted(table, wanted, side)


@like_numpy(np.digitize)
def digitize(x: Any, bins: Any, right: bool = False) -> Any:
    """The number of the interval between ``bins``, which rise or fall, that each element lies in."""
    x, bins = same_dtype("digitize", x, bins)
    if is_complex(x.dtype):
        raise DTypeError("digitize got complex numbers: between them there is no order.")
    if bins.ndim != 1:
        raise ShapeError(f"digitize needs a vector of bins, got shape {bins.shape}.")
    n = bins.shape[0]
    if n == 0:
        return s.full(x.shape, 0, INT64)
    rising = so.searchsorted(bins, x, "left" if right else "right")
    falling = e.sub(
        np.asarray(n, INT64), so.searchsorted(s.reverse(bins, (0,)), x, "left" if right else "right")
    )
    first, last = (s.reshape(s.slice_axis(bins, 0, i, i + 1), ()) for i in (0, n - 1))
    return e.select(*broadcast_values("digitize", e.le(first, last), rising, falling))


# Quantiles

# alpha and beta of Hyndman and Fan (1996): the place of q among n elements is n q + alpha + q (1 - alpha - beta) - 1.
_CONTINUOUS = {
    "linear": (1.0, 1.0), "weibull": (0.0, 0.0), "hazen": (0.5, 0.5), "interpolated_inverted_cdf": (0.0, 1.0),
    "median_unbiased": (1 / 3, 1 / 3), "normal_unbiased": (3 / 8, 3 / 8),
}  # fmt: skip
_DISCRETE = ("lower", "higher", "midpoint", "nearest")
# The three that step: the place of q among n elements is n q - 1, or half before.
_STEPS = ("inverted_cdf", "averaged_inverted_cdf", "closest_observation")


def _quantile(
    a: Any, q: Any, axis: Any, method: str, keepdims: bool, name: str, *, scale: float, skip_nan: bool,
    weights: Any = None,
) -> Any:  # fmt: skip
    methods = (*_CONTINUOUS, *_DISCRETE, *_STEPS)
    if method not in methods:
        raise ArgumentError(f"{name} got method={method!r}: it is one of {', '.join(methods)}.")
    if weights is not None and method != "inverted_cdf":
        raise ArgumentError(
            f"{name} got weights= and method={method!r}: weights go with method='inverted_cdf' alone."
        )
    x = value(a, name)
    averages = name in ("median", "nanmedian")
    if is_complex(x.dtype) and not averages:
        raise DTypeError(f"{name} got a complex array: between complex numbers there is no order.")
    if scale == 1 and method == "linear" and value(q, name, "q").dtype.kind in "iu":
        method = "lower"  # an integer q is 0 or 1, so there is nothing to compute: NumPy keeps the dtype
    if is_bool(x.dtype) and not averages and method in _CONTINUOUS:
        raise DTypeError(f"{name} got bool and method={method!r}: there is nothing between False and True.")
    if is_weak(q):
        q = np.asarray(q, real_dtype(averaging(x.dtype)))
    q = to_inexact(value(q, name, "q"))
    if isinstance(q, np.ndarray) and q.size and not (q.min() >= 0 and q.max() <= scale):
        raise ArgumentError(f"{name} got q={q}: it lies between 0 and {scale:g}.")
    if scale != 1:
        q = e.div(q, np.asarray(scale, q.dtype))
    picks = method in ("lower", "higher", "nearest", "inverted_cdf", "closest_observation")
    dtype = x.dtype if picks else common_dtype(to_inexact(np.empty(0, x.dtype)), q)
    axes = axis_indices(axis, x.ndim, name)
    rest = [d for d in range(x.ndim) if d not in axes]
    lead = tuple(x.shape[d] for d in rest)
    n = int(np.prod([x.shape[d] for d in axes], dtype=int))
    if n == 0 and (averages or skip_nan):
        kept = _kept_shape(x.shape, axes) if keepdims else lead
        return s.full((*q.shape, *kept), np.nan, to_inexact(np.empty(0, dtype)).dtype)
    if n == 0:
        raise ShapeError(f"{name} of an array of shape {x.shape} over axis {axis}: there are no elements.")
    line = s.reshape(s.transpose(x, (*rest, *axes)), (*lead, n))
    nan = formulas.is_nan(line)
    ordered = so.sort(line, len(lead))
    shape = (*q.shape, *lead)
    q = broadcast_to(s.reshape(q, (*q.shape, *(1 for _ in lead))), shape)
    last: Any = np.asarray(n - 1, q.dtype)
    if skip_nan:
        count = e.sub(np.asarray(n, INT64), reduce_sum(e.cast(nan, INT64), (len(lead),)))
        last = broadcast_to(
            e.cast(e.maximum(e.sub(count, np.asarray(1, INT64)), np.asarray(0, INT64)), q.dtype), shape
        )
    if weights is None:
        low, high, weight = _places(q, last, method)
    else:
        w = _line_of_weights(value(weights, name, "weights"), x.shape, axes, rest, name)
        w = e.select(nan, formulas.constant(w, 0), w) if skip_nan else w
        w = ix.take_along_axis(w, so.argsort(line, len(lead)), len(lead))
        low, high, weight = _weighted_places(q, w, len(lead)), None, None
    result = e.cast(_elements(ordered, low, len(lead)), dtype)
    if weight is not None:
        above = e.cast(_elements(ordered, high, len(lead)), dtype)
        result = _between(result, above, e.cast(weight, real_dtype(dtype)))
    if is_inexact(x.dtype):
        bad = e.eq(count, np.asarray(0, INT64)) if skip_nan else reduce_or(nan, (len(lead),))
        result = e.select(broadcast_to(bad, shape), formulas.constant(result, np.nan), result)
    if keepdims:
        result = s.reshape(result, (*q.shape[: q.ndim - len(lead)], *_kept_shape(x.shape, axes)))
    return result


def _kept_shape(shape: tuple[int, ...], axes: tuple[int, ...]) -> tuple[int, ...]:
    """A shape with ``axes`` of length 1."""
    return tuple(1 if d in axes else n for d, n in enumerate(shape))


def _places(q: Any, last: Any, method: str) -> tuple[Any, Any, Any]:
    """Positions below and above the quantile ``q`` of ``last + 1`` sorted elements, and how far it is between them."""
    one = np.asarray(1, q.dtype)
    if method in _STEPS:
        place = e.sub(
            e.mul(e.add(last, one), q), np.asarray(1.5 if method == "closest_observation" else 1, q.dtype)
        )
    elif method in _CONTINUOUS and method != "linear":
        alpha, beta = _CONTINUOUS[method]
        n = e.add(last, one)
        place = e.sub(
            e.add(
                e.mul(n, q),
                e.add(e.mul(q, np.asarray(1 - alpha - beta, q.dtype)), np.asarray(alpha, q.dtype)),
            ),
            one,
        )
        place = e.minimum(e.maximum(place, formulas.constant(place, 0)), last)
    else:
        place = e.mul(last, q)
    below = e.floor(place)
    if method == "lower":
        return e.cast(below, INT64), None, None
    if method == "higher":
        return e.cast(e.ceil(place), INT64), None, None
    if method == "nearest":
        return e.cast(e.rint(place), INT64), None, None
    above = e.minimum(e.add(below, one), last)
    weight = e.sub(place, below)
    if method in _STEPS:
        zero = formulas.constant(place, 0)
        exact = e.eq(weight, zero)
        if method == "averaged_inverted_cdf":
            weight = e.select(exact, formulas.constant(weight, 0.5), formulas.constant(weight, 1))
            return e.cast(e.maximum(below, zero), INT64), e.cast(above, INT64), weight
        if method == "closest_observation":  # of two that are as near, the even one, counted from 1
            exact = e.and_(exact, e.eq(e.rem(below, np.asarray(2, q.dtype)), one))
        return e.cast(e.maximum(e.select(exact, below, above), zero), INT64), None, None
    if method == "midpoint":
        weight = e.select(
            e.eq(weight, formulas.constant(weight, 0)),
            formulas.constant(weight, 0),
            formulas.constant(weight, 0.5),
        )
    return e.cast(below, INT64), e.cast(above, INT64), weight


def _line_of_weights(
    w: Any, shape: tuple[int, ...], axes: tuple[int, ...], rest: list[int], name: str
) -> Any:
    """Weights of an array, or of its one reduced axis, laid out as its elements are."""
    if w.shape != shape:
        if w.shape != tuple(shape[d] for d in axes):
            raise ShapeError(
                f"{name} got weights of shape {w.shape} for an array of shape {shape} and axes {axes}: they have the shape of "
                "the array, or that of the axes."
            )
        w = broadcast_to(s.reshape(w, [n if d in axes else 1 for d, n in enumerate(shape)]), shape)
    lead = tuple(shape[d] for d in rest)
    return as_dtype(
        s.reshape(s.transpose(w, (*rest, *axes)), (*lead, int(np.prod([shape[d] for d in axes])))), FLOAT64
    )


def _weighted_places(q: Any, w: Any, lead: int) -> Any:
    """Where the running share of sorted weights first reaches ``q``; elements without weight at the front are none."""
    n = w.shape[lead]
    share = cumulative.cumsum(w, lead)
    total = s.slice_axis(share, lead, n - 1, n)
    share = e.cast(e.div(share, broadcast_to(total, share.shape)), q.dtype)
    share = e.select(e.le(share, formulas.constant(share, 0)), formulas.constant(share, -1), share)
    own = q.shape[: q.ndim - lead]
    spread = (*own, *share.shape)
    before = e.lt(broadcast_to(share, spread), broadcast_to(s.reshape(q, (*q.shape, 1)), spread))
    count = reduce_sum(e.cast(before, INT64), (len(spread) - 1,))
    return e.minimum(count, np.asarray(n - 1, INT64))


def _elements(ordered: Any, places: Any, lead: int) -> Any:
    """Elements of sorted rows; ``places`` has axes of its own, then one for each axis of rows."""
    own = places.ndim - lead
    every = [s.iota(INT64, places.shape, own + i) for i in range(lead)]
    return ix.gather(ordered, [*every, places], range(lead + 1), "clip")


def _between(low: Any, high: Any, weight: Any) -> Any:
    """``low + (high - low) weight``, computed from the nearer end as NumPy does."""
    step = e.sub(high, low)
    rest = e.cast(e.sub(formulas.constant(weight, 1), weight), step.dtype)
    near_high = e.sub(high, e.mul(step, rest))
    near_low = e.add(low, e.mul(step, e.cast(weight, step.dtype)))
    value = e.select(e.ge(weight, formulas.constant(weight, 0.5)), near_high, near_low)
    return e.select(e.eq(low, high), low, value)


def _quantile_function(reference: Any, scale: float, skip_nan: bool) -> Any:
    name = reference.__name__

    def definition(
        a: Any, q: Any, axis: Any = None, out: Any = None, overwrite_input: bool = False, method: str = "linear",
        keepdims: bool = False, *, weights: Any = None,
    ) -> Any:  # fmt: skip
        refuse(name, out=out)
        return _quantile(a, q, axis, method, keepdims, name, scale=scale, skip_nan=skip_nan, weights=weights)

    definition.__name__ = definition.__qualname__ = name
    what = "percentile, from 0 to 100," if scale == 100 else "quantile, from 0 to 1,"
    definition.__doc__ = (
        f"The {what} of elements over an axis{', NaN left out' if skip_nan else ''}. See `numpy.{name}`."
    )
    return like_numpy(silent(reference))(definition)


quantile = _quantile_function(np.quantile, 1, False)
percentile = _quantile_function(np.percentile, 100, False)
nanquantile = _quantile_function(np.nanquantile, 1, True)
nanpercentile = _quantile_function(np.nanpercentile, 100, True)


@like_numpy(silent(np.median))
def median(
    a: Any, axis: Any = None, out: Any = None, overwrite_input: bool = False, keepdims: bool = False
) -> Any:
    """The middle element over an axis, or the mean of the two in the middle; NaN where there is one."""
    refuse("median", out=out)
    return _quantile(a, 0.5, axis, "linear", keepdims, "median", scale=1, skip_nan=False)


@like_numpy(silent(np.nanmedian))
def nanmedian(
    a: Any, axis: Any = None, out: Any = None, overwrite_input: bool = False, keepdims: bool = False
) -> Any:
    """`median` of the elements that are not NaN."""
    refuse("nanmedian", out=out)
    return _quantile(a, 0.5, axis, "linear", keepdims, "nanmedian", scale=1, skip_nan=True)
