"""Reductions that leave out NaN.

The one idea: NaN is replaced by what changes nothing (0 in a sum, 1 in a product, an infinity in an extremum), and
where there is nothing else the result is NaN.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from weft.engine.dispatch import broadcast_to
from weft.ir.ops import elementwise as e
from weft.ir.ops.transcendental import sqrt
from weft.ir.types import is_inexact
from weft.numpy import formulas
from weft.numpy.reductions import (
    any,
    argmax,
    argmin,
    cumprod,
    cumsum,
    largest,
    mask_of,
    mean,
    prod,
    smallest,
    sum,
    variance,
)  # fmt: skip
from weft.numpy.staging import like_numpy, refuse, silent, value

__all__ = [
    "nanargmax", "nanargmin", "nancumprod", "nancumsum", "nanmax", "nanmean", "nanmin", "nanprod", "nanstd",
    "nansum", "nanvar",
]  # fmt: skip


def _numbers(a: Any, name: str, replacement: Any) -> tuple[Any, Any]:
    """An array with NaN replaced, and where there was none."""
    a = value(a, name)
    if not is_inexact(a.dtype):
        return a, None
    nan = formulas.is_nan(a)
    return e.select(nan, formulas.constant(a, replacement), a), e.not_(nan)


@like_numpy(np.nansum)
def nansum(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    keepdims: bool = False,
    initial: Any = None,
    where: Any = None,
) -> Any:
    """`sum` with NaN taken as 0."""
    return sum.staged(_numbers(a, "nansum", 0)[0], axis, dtype, out, keepdims, initial, where)


@like_numpy(np.nanprod)
def nanprod(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    keepdims: bool = False,
    initial: Any = None,
    where: Any = None,
) -> Any:
    """`prod` with NaN taken as 1."""
    return prod.staged(_numbers(a, "nanprod", 1)[0], axis, dtype, out, keepdims, initial, where)


@like_numpy(np.nancumsum)
def nancumsum(a: Any, axis: Any = None, dtype: Any = None, out: Any = None) -> Any:
    """`cumsum` with NaN taken as 0."""
    return cumsum.staged(_numbers(a, "nancumsum", 0)[0], axis, dtype, out)


@like_numpy(np.nancumprod)
def nancumprod(a: Any, axis: Any = None, dtype: Any = None, out: Any = None) -> Any:
    """`cumprod` with NaN taken as 1."""
    return cumprod.staged(_numbers(a, "nancumprod", 1)[0], axis, dtype, out)


def _nan_extremum(
    a: Any,
    name: str,
    extremum: Any,
    worst: float,
    axis: Any,
    out: Any,
    keepdims: bool,
    initial: Any,
    where: Any,
) -> Any:
    x, valid = _numbers(a, name, worst)
    refuse(name, out=out)
    result = extremum(x, axis, keepdims, initial, where, name)
    if valid is None:
        return result
    found = any.staged(valid, axis, None, keepdims, where=where)
    if initial is not None:
        return result
    return e.select(found, result, formulas.constant(result, np.nan))


@like_numpy(silent(np.nanmax))
def nanmax(
    a: Any, axis: Any = None, out: Any = None, keepdims: bool = False, initial: Any = None, where: Any = None
) -> Any:
    """Largest element that is not NaN; NaN where there is none."""
    return _nan_extremum(a, "nanmax", largest, -np.inf, axis, out, keepdims, initial, where)


@like_numpy(silent(np.nanmin))
def nanmin(
    a: Any, axis: Any = None, out: Any = None, keepdims: bool = False, initial: Any = None, where: Any = None
) -> Any:
    """Smallest element that is not NaN; NaN where there is none."""
    return _nan_extremum(a, "nanmin", smallest, np.inf, axis, out, keepdims, initial, where)


@like_numpy(np.nanargmax)
def nanargmax(a: Any, axis: Any = None, out: Any = None, *, keepdims: bool = False) -> Any:
    """Index of the first largest element that is not NaN; where all are, NumPy raises and traced arrays give -1."""
    x, valid = _numbers(a, "nanargmax", -np.inf)
    result = argmax.staged(x, axis, out, keepdims=keepdims)
    return (
        result
        if valid is None
        else e.select(any.staged(valid, axis, None, keepdims), result, formulas.constant(result, -1))
    )


@like_numpy(np.nanargmin)
def nanargmin(a: Any, axis: Any = None, out: Any = None, *, keepdims: bool = False) -> Any:
    """Index of the first smallest element that is not NaN; where all are, NumPy raises and traced arrays give -1."""
    x, valid = _numbers(a, "nanargmin", np.inf)
    result = argmin.staged(x, axis, out, keepdims=keepdims)
    return (
        result
        if valid is None
        else e.select(any.staged(valid, axis, None, keepdims), result, formulas.constant(result, -1))
    )


def _where_valid(a: Any, name: str, where: Any) -> Any:
    """The mask of elements that are not NaN and that ``where`` takes."""
    valid = _numbers(a, name, 0)[1]
    if valid is None or where is None:
        return where if valid is None else valid
    return e.and_(valid, broadcast_to(mask_of(where, name), valid.shape))


@like_numpy(silent(np.nanmean))
def nanmean(
    a: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: bool = False, *, where: Any = None
) -> Any:
    """`mean` of the elements that are not NaN; NaN where there is none."""
    return mean.staged(
        _numbers(a, "nanmean", 0)[0], axis, dtype, out, keepdims, where=_where_valid(a, "nanmean", where)
    )


def _nan_variance(
    a: Any,
    name: str,
    axis: Any,
    dtype: Any,
    ddof: Any,
    keepdims: bool,
    where: Any,
    mean: Any,
    correction: Any,
) -> Any:
    """`variance` of the elements that are not NaN; too few of them give NaN, of integers `variance`'s infinity."""
    x, valid = _numbers(a, name, 0)
    where = _where_valid(a, name, where)
    lacking = 0.0 if valid is None else np.nan
    return variance(x, name, axis, dtype, ddof, keepdims, where, mean, correction, lacking)


@like_numpy(silent(np.nanvar))
def nanvar(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    ddof: Any = 0,
    keepdims: bool = False,
    *,
    where: Any = None,
    mean: Any = None,
    correction: Any = None,
) -> Any:
    """`var` of the elements that are not NaN."""
    refuse("nanvar", out=out)
    result, dtype = _nan_variance(a, "nanvar", axis, dtype, ddof, keepdims, where, mean, correction)
    return e.cast(result, dtype)


@like_numpy(silent(np.nanstd))
def nanstd(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    ddof: Any = 0,
    keepdims: bool = False,
    *,
    where: Any = None,
    mean: Any = None,
    correction: Any = None,
) -> Any:
    """`std` of the elements that are not NaN."""
    refuse("nanstd", out=out)
    result, dtype = _nan_variance(a, "nanstd", axis, dtype, ddof, keepdims, where, mean, correction)
    return e.cast(sqrt(result), dtype)
