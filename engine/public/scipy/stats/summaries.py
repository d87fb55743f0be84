"""Statistics of samples: `mode`, `rankdata`, `sem`.

The one idea: in a sorted sample, the places where a value begins and ends say how often it is there, and its ranks.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import weft
import weft.numpy as wnp
from weft.ir.errors import ArgumentError
from weft.ir.types import FLOAT64, is_inexact
from weft.numpy.staging import axis_index
from weft.scipy.arguments import array, inexact, one_of

__all__ = ["ModeResult", "mode", "rankdata", "sem"]


class ModeResult(NamedTuple):
    """What `mode` gives: the most frequent values, and how often each is there."""

    mode: Any
    count: Any


def _propagate(name: str, nan_policy: str) -> None:
    if nan_policy != "propagate":
        raise ArgumentError(
            f'{name}: nan_policy is "propagate", got {nan_policy!r}. NaN are found by weft.numpy.isnan.'
        )


def _along(function: Callable[[Any], Any], x: Any, axis: int) -> Any:
    """A function of one axis, over all others: results in a tuple, with the batch flat in front."""
    last = wnp.moveaxis(x, axis, -1)
    return weft.vmap(function)(wnp.reshape(last, (-1, last.shape[-1])))


def _one_axis(name: str, x: Any, axis: int | None) -> tuple[Any, int]:
    return (wnp.ravel(x), 0) if axis is None else (x, axis_index(axis, x.ndim, name))


def mode(a: Any, axis: int | None = 0, nan_policy: str = "propagate", keepdims: bool = False) -> ModeResult:
    """The most frequent value along an axis, the smallest where there are several; NaN where there is a NaN.

    Args:
        a: array.
        axis: the axis; ``None`` for all elements.
        nan_policy: must be ``"propagate"``.
        keepdims: keep the axis with length 1.

    Returns:
        Values and counts. Of no elements: NaN and 0.
    """
    _propagate("scipy.stats.mode", nan_policy)
    whole = wnp.atleast_1d(array("scipy.stats.mode", a))
    x, at = _one_axis("scipy.stats.mode", whole, axis)
    kept = tuple(n for i, n in enumerate(x.shape) if i != at)
    if x.shape[at] == 0:
        dtype = x.dtype if is_inexact(x.dtype) else FLOAT64
        found = ModeResult(wnp.full(kept, math.nan, dtype), wnp.zeros(kept, int))
    else:
        values, counts = _along(_most_frequent, x, at)
        found = ModeResult(wnp.reshape(values, kept), wnp.reshape(counts, kept))
    if keepdims:
        shape = tuple(1 if axis is None or i == at else n for i, n in enumerate(whole.shape))
        return ModeResult(*(wnp.reshape(v, shape) for v in found))
    return found


def _most_frequent(x: Any) -> tuple[Any, Any]:
    ordered = wnp.sort(x)
    counts = wnp.searchsorted(ordered, ordered, side="right") - wnp.searchsorted(ordered, ordered)
    if is_inexact(x.dtype):  # NaN come last, and are not equal to each other
        nans = wnp.isnan(ordered)
        counts = wnp.where(wnp.any(nans), wnp.where(nans, wnp.sum(nans), 0), counts)
    place = wnp.argmax(counts)
    return ordered[place], counts[place]


def rankdata(
    a: Any, method: str = "average", *, axis: int | None = None, nan_policy: str = "propagate"
) -> Any:
    """The ranks of values, from 1; NaN along an axis that has a NaN.

    Args:
        a: array.
        method: what equal values get: the ``"average"``, ``"min"`` or ``"max"`` of their ranks, the same with no rank left out
            (``"dense"``), or the ranks in their order (``"ordinal"``).
        axis: the axis; ``None`` ranks all elements, and gives one axis.
        nan_policy: must be ``"propagate"``.

    Returns:
        Array of float64.
    """
    _propagate("scipy.stats.rankdata", nan_policy)
    one_of("scipy.stats.rankdata", "method", method, ("average", "min", "max", "dense", "ordinal"))
    x, at = _one_axis("scipy.stats.rankdata", array("scipy.stats.rankdata", a), axis)
    if x.size == 0:
        return wnp.zeros(x.shape, FLOAT64)
    ranks = _along(lambda row: _ranks(row, method), x, at)
    last = wnp.moveaxis(x, at, -1)
    return wnp.moveaxis(wnp.reshape(ranks, last.shape), -1, at)


def _ranks(x: Any, method: str) -> Any:
    if method == "ordinal":
        ranks = wnp.argsort(wnp.argsort(x, stable=True), stable=True) + 1
    else:
        ordered = wnp.sort(x)
        first, last = wnp.searchsorted(ordered, x), wnp.searchsorted(ordered, x, side="right")
        if method == "dense":
            begins = wnp.concatenate([wnp.ones(1, bool), ordered[1:] != ordered[:-1]])
            ranks = wnp.cumsum(begins)[first]
        else:
            ranks = {"min": first + 1, "max": last, "average": 0.5 * (first + 1 + last)}[method]
    ranks = ranks.astype(FLOAT64)
    return wnp.where(wnp.any(wnp.isnan(x)), math.nan, ranks) if is_inexact(x.dtype) else ranks


def sem(
    a: Any, axis: int | None = 0, ddof: int = 1, nan_policy: str = "propagate", *, keepdims: bool = False
) -> Any:
    """The standard error of the mean: the standard deviation over the root of the number of elements.

    Args:
        a: array; integers are computed in float64.
        axis: the axis; ``None`` for all elements.
        ddof: what the number of elements is less in the variance.
        nan_policy: ``"propagate"``, or ``"omit"``, which leaves out NaN.
        keepdims: keep the axis with length 1.
    """
    one_of("scipy.stats.sem", "nan_policy", nan_policy, ("propagate", "omit"))
    (x,) = inexact("scipy.stats.sem", a)
    if nan_policy == "omit":
        count = wnp.sum(~wnp.isnan(x), axis=axis, keepdims=keepdims)
        return wnp.nanstd(x, axis=axis, ddof=ddof, keepdims=keepdims) / wnp.sqrt(count.astype(x.dtype))
    size = x.size if axis is None else x.shape[axis_index(axis, x.ndim, "scipy.stats.sem")]
    return wnp.std(x, axis=axis, ddof=ddof, keepdims=keepdims) / math.sqrt(size)
