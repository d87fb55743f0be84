"""Sums, products, means, extrema and logic over axes, and running sums.

The one idea: `_fold` reads ``axis``, ``dtype``, ``keepdims``, ``where`` and ``initial`` once for all reductions; a
function says what it accumulates in, and with which identity elements left out by ``where`` are filled.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from weft.engine.array import to_value
from weft.engine.dispatch import as_dtype, broadcast_shapes, broadcast_to, broadcast_values, common_dtype
from weft.engine.promotion import averaging, rules
from weft.ir.errors import ArgumentError, DTypeError, ShapeError
from weft.ir.ops import cumulative
from weft.ir.ops import elementwise as e
from weft.ir.ops import reduce as r
from weft.ir.ops.shape import full, pad, reshape
from weft.ir.ops.transcendental import sqrt
from weft.ir.types import INT64, is_bool, is_complex, is_inexact, real_dtype
from weft.numpy import formulas
from weft.numpy.staging import (
    axis_index,
    axis_indices,
    like_numpy,
    of_scalar,
    refuse,
    silent,
    static_dtype,
    to_bool,
    to_inexact,
    value,
)

__all__ = [
    "all", "amax", "amin", "any", "argmax", "argmin", "average", "count_nonzero", "cumprod", "cumsum",
    "cumulative_prod", "cumulative_sum", "max", "mean", "min", "prod", "ptp", "std", "sum", "var",
]  # fmt: skip

_Op = Callable[[Any, Any], Any]


def keep(x: Any, shape: tuple[int, ...], axes: tuple[int, ...]) -> Any:
    """A reduced value with ``axes`` of the original ``shape`` back, of length 1."""
    return reshape(x, [1 if i in axes else n for i, n in enumerate(shape)])


def mask_of(where: Any, name: str) -> Any:
    """The argument ``where`` as a value; as in NumPy, numbers do not stand for truth."""
    mask = value(where, name, "where")
    if not is_bool(mask.dtype):
        raise DTypeError(f"{name} got where= of dtype {mask.dtype}: it is bool, as where=(x != 0) is.")
    return mask


def _masked(x: Any, where: Any, identity: Any, name: str) -> Any:
    """``x`` with the identity of a reduction where ``where`` is false."""
    if where is None or where is True:
        return x
    mask = mask_of(where, name)
    mask = broadcast_to(mask, broadcast_shapes(name, x.shape, mask.shape))
    return e.select(*broadcast_values(name, mask, x, formulas.constant(x, identity)))


def _fold(
    x: Any,
    name: str,
    fold: Callable[..., Any],
    combine: _Op | None,
    identity: Any,
    axis: Any,
    keepdims: bool,
    initial: Any,
    where: Any,
) -> Any:
    axes = () if of_scalar(axis, x.ndim) else axis_indices(axis, x.ndim, name)
    if initial.__class__ is int:
        np.asarray(initial, x.dtype)  # an OverflowError where it does not fit
    if where is not None and where is not True and identity is None:
        if initial is None:
            raise ArgumentError(
                f"{name} got where= without initial=: elements left out have no value of their own."
            )
        identity = initial
    x = _masked(x, where, identity, name)
    empty = identity is None and not all_positive(x.shape, axes) and 0 not in _rest(x.shape, axes)
    if empty and initial is not None:
        return full(
            [1 if i in axes else n for i, n in enumerate(x.shape)] if keepdims else _rest(x.shape, axes),
            initial,
            x.dtype,
        )
    result = fold(x, axes)
    if initial is not None and combine is not None:
        result = combine(
            *broadcast_values(name, result, as_dtype(to_value(initial, f"initial of {name}"), x.dtype))
        )
    return keep(result, x.shape, axes) if keepdims else result


def all_positive(shape: tuple[int, ...], axes: tuple[int, ...]) -> bool:
    """Whether there is something to reduce."""
    return all([shape[a] for a in axes])


def _rest(shape: tuple[int, ...], axes: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(n for i, n in enumerate(shape) if i not in axes)


def _widened(dtype: np.dtype) -> np.dtype:
    """What NumPy accumulates sums and products in: integers and bool in the platform's widest of their kind."""
    if dtype.kind in "bi":
        return INT64
    return np.dtype(np.uint64) if dtype.kind == "u" else dtype


@like_numpy(np.sum)
def sum(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    keepdims: bool = False,
    initial: Any = None,
    where: Any = None,
) -> Any:
    """Sum over ``axis`` (all by default).

    Args:
        a: array; integers smaller than 64 bits and bool are summed in 64 bits.
        axis: an axis, a tuple of axes, or ``None`` for all.
        dtype: dtype to sum in.
        out: not supported, arrays are immutable.
        keepdims: keep reduced axes with length 1.
        initial: what the sum starts from.
        where: which elements to take.
    """
    refuse("sum", out=out)
    a = value(a, "sum")
    a = as_dtype(a, static_dtype(dtype, _widened(a.dtype)))
    if is_bool(a.dtype):
        return any.staged(a, axis, None, keepdims, where=where)
    return _fold(a, "sum", r.reduce_sum, e.add, 0, axis, keepdims, initial, where)


@like_numpy(np.prod)
def prod(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    keepdims: bool = False,
    initial: Any = None,
    where: Any = None,
) -> Any:
    """Product over ``axis`` (all by default); the arguments are those of `sum`."""
    refuse("prod", out=out)
    a = value(a, "prod")
    a = as_dtype(a, static_dtype(dtype, _widened(a.dtype)))
    if is_bool(a.dtype):
        return all.staged(a, axis, None, keepdims, where=where)
    return _fold(a, "prod", r.reduce_prod, e.mul, 1, axis, keepdims, initial, where)


def largest(x: Any, axis: Any, keepdims: bool, initial: Any, where: Any, name: str) -> Any:
    """`max` of a value, in the name of the function that was called."""
    return _fold(x, name, r.reduce_max, e.maximum, None, axis, keepdims, initial, where)


def smallest(x: Any, axis: Any, keepdims: bool, initial: Any, where: Any, name: str) -> Any:
    """`min` of a value, in the name of the function that was called."""
    return _fold(x, name, r.reduce_min, e.minimum, None, axis, keepdims, initial, where)


@like_numpy(np.max)
def max(
    a: Any, axis: Any = None, out: Any = None, keepdims: bool = False, initial: Any = None, where: Any = None
) -> Any:
    """Largest element over ``axis`` (all by default), NaN if there is one."""
    refuse("max", out=out)
    return largest(value(a, "max"), axis, keepdims, initial, where, "max")


@like_numpy(np.min)
def min(
    a: Any, axis: Any = None, out: Any = None, keepdims: bool = False, initial: Any = None, where: Any = None
) -> Any:
    """Smallest element over ``axis`` (all by default), NaN if there is one."""
    refuse("min", out=out)
    return smallest(value(a, "min"), axis, keepdims, initial, where, "min")


amax, amin = max, min


@like_numpy(np.all)
def all(a: Any, axis: Any = None, out: Any = None, keepdims: bool = False, *, where: Any = None) -> Any:
    """Whether no element over ``axis`` is zero."""
    refuse("all", out=out)
    return _fold(to_bool(value(a, "all")), "all", r.reduce_and, None, True, axis, keepdims, None, where)


@like_numpy(np.any)
def any(a: Any, axis: Any = None, out: Any = None, keepdims: bool = False, *, where: Any = None) -> Any:
    """Whether some element over ``axis`` is not zero."""
    refuse("any", out=out)
    return _fold(to_bool(value(a, "any")), "any", r.reduce_or, None, False, axis, keepdims, None, where)


@like_numpy(np.count_nonzero)
def count_nonzero(a: Any, axis: Any = None, *, keepdims: bool = False) -> Any:
    """Number of elements over ``axis`` that are not zero."""
    taken = e.cast(to_bool(value(a, "count_nonzero")), INT64)
    return _fold(taken, "count_nonzero", r.reduce_sum, None, 0, axis, keepdims, None, None)


@like_numpy(np.ptp)
def ptp(a: Any, axis: Any = None, out: Any = None, keepdims: bool = False) -> Any:
    """Largest minus smallest element over ``axis``."""
    refuse("ptp", out=out)
    a = value(a, "ptp")
    return e.sub(*[f(a, axis, keepdims, None, None, "ptp") for f in (largest, smallest)])


# Means


def _of_some(reference: Callable[..., Any]) -> Callable[..., Any]:
    """NumPy's mean or variance; `silent`, which costs time, where it may be one of no elements."""
    quiet = silent(reference)

    @functools.wraps(reference)
    def run(a: Any, *args: Any, **kwargs: Any) -> Any:
        doubtful = len(args) > 3 or not kwargs.keys() <= {"axis", "keepdims", "dtype"} or np.size(a) == 0
        return (quiet if doubtful else reference)(a, *args, **kwargs)

    return run


def _count(x: Any, axes: tuple[int, ...], where: Any, name: str) -> Any:
    """How many elements are averaged: a number, or an array where ``where`` decides (axes kept)."""
    if where is None or where is True:
        return math.prod([x.shape[a] for a in axes])
    mask = broadcast_to(mask_of(where, name), x.shape)
    return e.cast(keep(r.reduce_sum(e.cast(mask, INT64), axes), x.shape, axes), real_dtype(x.dtype))


def _divided(x: Any, count: Any) -> Any:
    if isinstance(count, int | float):
        return e.div(x, formulas.constant(x, count))
    return e.div(x, broadcast_to(as_dtype(count, x.dtype), x.shape))


def _wide_half(x: Any) -> Any:
    """16-bit floats as float32: what NumPy averages them in."""
    return e.cast(x, np.dtype(np.float32)) if x.dtype.itemsize == 2 and is_inexact(x.dtype) else x


def _mean(x: Any, axes: tuple[int, ...], where: Any, name: str) -> Any:
    """The mean with reduced axes kept."""
    total = keep(r.reduce_sum(_masked(x, where, 0, name), axes), x.shape, axes)
    return _divided(total, _count(x, axes, where, name))


def _squeezed(x: Any, axes: tuple[int, ...], keepdims: bool) -> Any:
    return x if keepdims else reshape(x, _rest(x.shape, axes))


@like_numpy(_of_some(np.mean))
def mean(
    a: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: bool = False, *, where: Any = None
) -> Any:
    """Arithmetic mean over ``axis`` (all by default); integers are averaged in float64."""
    refuse("mean", out=out)
    a = value(a, "mean")
    dtype = static_dtype(dtype, to_inexact(np.empty(0, a.dtype)).dtype)
    axes = axis_indices(axis, a.ndim, "mean")
    if is_bool(dtype):
        result = any.staged(a, axis, None, True, where=where)
    elif dtype.kind in "iu":
        total = sum.staged(a, axis, dtype, keepdims=True, where=where)
        result = e.cast(_divided(e.cast(total, np.dtype(float)), _count(a, axes, where, "mean")), dtype)
    else:
        result = e.cast(_mean(_wide_half(as_dtype(a, dtype)), axes, where, "mean"), dtype)
    return _squeezed(result, axes, keepdims)


def variance(
    a: Any,
    name: str,
    axis: Any,
    dtype: Any,
    ddof: Any,
    keepdims: bool,
    where: Any,
    mean: Any = None,
    correction: Any = None,
    lacking: float = 0.0,
) -> Any:
    """The variance, and the dtype that NumPy gives it in; ``lacking`` divides where ``ddof`` leaves no elements."""
    if correction is not None:
        if ddof != 0:
            raise ArgumentError(f"{name} got both ddof and correction, which mean the same.")
        ddof = correction
    a = value(a, name)
    given, dtype = dtype, static_dtype(dtype, to_inexact(np.empty(0, a.dtype)).dtype)
    if not is_inexact(dtype):
        raise DTypeError(
            f"{name} got dtype={dtype}: deviations are computed in floats. Cast the result with astype."
        )
    x = _wide_half(as_dtype(a, dtype))
    axes = axis_indices(axis, x.ndim, name)
    center = _mean(x, axes, where, name) if mean is None else as_dtype(value(mean, name, "mean"), x.dtype)
    deviation = e.sub(x, broadcast_to(center, x.shape))
    if is_complex(x.dtype):
        squares = e.add(*[e.mul(part(deviation), part(deviation)) for part in (e.real, e.imag)])
    else:
        squares = e.mul(deviation, deviation)
    total = keep(r.reduce_sum(_masked(squares, where, 0, name), axes), x.shape, axes)
    count = _count(x, axes, where, name)
    if isinstance(count, int):
        freedom: Any = float(count - ddof) if count > ddof else lacking
    else:
        freedom = e.sub(count, formulas.constant(count, ddof))
        freedom = e.select(
            e.gt(freedom, formulas.constant(freedom, 0)), freedom, formulas.constant(freedom, lacking)
        )
    return _squeezed(_divided(total, freedom), axes, keepdims), real_dtype(dtype) if given is None else dtype


@like_numpy(_of_some(np.var))
def var(
    a: Any, axis: Any = None, dtype: Any = None, out: Any = None, ddof: Any = 0, keepdims: bool = False, *,
    where: Any = None, mean: Any = None, correction: Any = None,
) -> Any:  # fmt: skip
    """Variance over ``axis``: the mean of squared deviations, divided by ``n - ddof``.

    Args:
        a: array; integers are computed in float64.
        axis: an axis, a tuple of axes, or ``None`` for all.
        dtype: dtype to compute in.
        out: not supported, arrays are immutable.
        ddof: what is subtracted from the number of elements.
        keepdims: keep reduced axes with length 1.
        where: which elements to take.
        mean: the mean if it is known, with reduced axes kept.
        correction: the array API's name of ``ddof``.
    """
    refuse("var", out=out)
    result, dtype = variance(a, "var", axis, dtype, ddof, keepdims, where, mean, correction)
    return e.cast(result, dtype)


@like_numpy(_of_some(np.std))
def std(
    a: Any, axis: Any = None, dtype: Any = None, out: Any = None, ddof: Any = 0, keepdims: bool = False, *,
    where: Any = None, mean: Any = None, correction: Any = None,
) -> Any:  # fmt: skip
    """Standard deviation over ``axis``, the root of `var`."""
    refuse("std", out=out)
    result, dtype = variance(a, "std", axis, dtype, ddof, keepdims, where, mean, correction)
    return e.cast(sqrt(result), dtype)


@like_numpy(np.average)
def average(
    a: Any, axis: Any = None, weights: Any = None, returned: bool = False, *, keepdims: bool = False
) -> Any:
    """Mean over ``axis`` with ``weights``, of the shape of ``a`` or of the axis; ``returned`` gives their sum too."""
    a = value(a, "average")
    axes = axis_indices(axis, a.ndim, "average")
    if weights is None:
        result = mean.staged(a, axis, keepdims=keepdims)
        count = full(result.shape, int(np.prod([a.shape[d] for d in axes], dtype=int)), result.dtype)
        return (result, count) if returned else result
    w = value(weights, "average", "weights")
    dtype = common_dtype(a, w)
    dtype = averaging(dtype)
    a, w = as_dtype(a, dtype), as_dtype(w, dtype)
    if w.shape != a.shape:
        if axis is None or w.shape != tuple(a.shape[d] for d in axes):
            raise ShapeError(
                f"average got weights of shape {w.shape} for an array of shape {a.shape} and axis {axis}."
            )
        w = broadcast_to(reshape(w, [n if d in axes else 1 for d, n in enumerate(a.shape)]), a.shape)
    scale = sum.staged(w, axis, keepdims=keepdims)
    result = e.div(sum.staged(e.mul(a, w), axis, keepdims=keepdims), scale)
    return (result, scale) if returned else result


# Positions


def _position(a: Any, axis: Any, keepdims: bool, name: str, find: Callable[..., Any]) -> Any:
    x = a
    if is_complex(x.dtype):
        find = functools.partial(_complex_position, find=find)
    if axis is None or of_scalar(axis, x.ndim):
        result = find(reshape(x, (x.size,)), 0)
        return reshape(result, (1,) * x.ndim) if keepdims else result
    d = axis_index(axis, x.ndim, name)
    result = find(x, d)
    return keep(result, x.shape, (d,)) if keepdims else result


def _complex_position(x: Any, d: int, find: Callable[..., Any]) -> Any:
    """The first extreme complex number: the first NaN, or the extreme imaginary part among the extreme real ones."""
    largest = find is r.argmax
    fold = r.reduce_max if largest else r.reduce_min
    re, im = e.real(x), e.imag(x)
    spread = lambda part: broadcast_to(keep(fold(part, (d,)), x.shape, (d,)), x.shape)  # noqa: E731
    leads = e.eq(re, spread(re))
    rest = e.select(leads, im, formulas.constant(im, -np.inf if largest else np.inf))
    first = r.argmax(e.and_(leads, e.eq(im, spread(rest))), d)
    missing = e.or_(e.ne(re, re), e.ne(im, im))
    return e.select(r.reduce_or(missing, (d,)), r.argmax(missing, d), first)


@like_numpy(np.argmax)
def argmax(a: Any, axis: Any = None, out: Any = None, *, keepdims: bool = False) -> Any:
    """Index of the first largest element along ``axis``, or in the flattened array."""
    refuse("argmax", out=out)
    return _position(value(a, "argmax"), axis, keepdims, "argmax", r.argmax)


@like_numpy(np.argmin)
def argmin(a: Any, axis: Any = None, out: Any = None, *, keepdims: bool = False) -> Any:
    """Index of the first smallest element along ``axis``, or in the flattened array."""
    refuse("argmin", out=out)
    return _position(value(a, "argmin"), axis, keepdims, "argmin", r.argmin)


# Running sums and products


def _running(a: Any, axis: Any, dtype: Any, name: str, run: Callable[..., Any]) -> Any:
    a = value(a, name)
    if axis is None or of_scalar(axis, a.ndim):
        a, axis = reshape(a, (a.size,)), 0
    dtype = static_dtype(dtype, a.dtype if rules.jax and not is_bool(a.dtype) else _widened(a.dtype))
    d = axis_index(axis, a.ndim, name)
    if is_bool(dtype):  # is there one so far, are they all so far
        return to_bool(run(e.cast(to_bool(a), INT64), d))
    return run(as_dtype(a, dtype), d)


@like_numpy(np.cumsum)
def cumsum(a: Any, axis: Any = None, dtype: Any = None, out: Any = None) -> Any:
    """Running sum along ``axis``, or of the flattened array."""
    refuse("cumsum", out=out)
    return _running(a, axis, dtype, "cumsum", cumulative.cumsum)


@like_numpy(np.cumprod)
def cumprod(a: Any, axis: Any = None, dtype: Any = None, out: Any = None) -> Any:
    """Running product along ``axis``, or of the flattened array."""
    refuse("cumprod", out=out)
    return _running(a, axis, dtype, "cumprod", cumulative.cumprod)


def _cumulative(
    x: Any, axis: Any, dtype: Any, include_initial: bool, name: str, run: Callable[..., Any], first: int
) -> Any:
    x = value(x, name)
    x = reshape(x, (1,)) if x.ndim == 0 else x
    if axis is None:
        if x.ndim != 1:
            raise ArgumentError(f"{name} needs an axis for an array of shape {x.shape}.")
        axis = 0
    result = _running(x, axis, dtype, name, run)
    if not include_initial:
        return result
    low = [int(d == axis_index(axis, x.ndim, name)) for d in range(x.ndim)]
    return pad(result, formulas.constant(result, first), low, [0] * x.ndim)


@like_numpy(getattr(np, "cumulative_sum", None))
def cumulative_sum(
    x: Any, /, *, axis: Any = None, dtype: Any = None, out: Any = None, include_initial: bool = False
) -> Any:
    """Running sum along ``axis``, from 0 if ``include_initial``."""
    refuse("cumulative_sum", out=out)
    return _cumulative(x, axis, dtype, include_initial, "cumulative_sum", cumulative.cumsum, 0)


@like_numpy(getattr(np, "cumulative_prod", None))
def cumulative_prod(
    x: Any, /, *, axis: Any = None, dtype: Any = None, out: Any = None, include_initial: bool = False
) -> Any:
    """Running product along ``axis``, from 1 if ``include_initial``."""
    refuse("cumulative_prod", out=out)
    return _cumulative(x, axis, dtype, include_initial, "cumulative_prod", cumulative.cumprod, 1)
