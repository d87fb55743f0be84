"""Functions along axes: softmax and its logarithm, logsumexp, standardisation, one-hot vectors.

The one idea: exponentials are taken of ``x - max``, with the maximum as a constant of differentiation; so nothing overflows
and derivatives are exact. Elements masked by ``where`` count nowhere.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from weft.engine.dispatch import as_dtype, broadcast_to, broadcast_values, numpy_function, promote_values
from weft.ir.errors import ArgumentError, DTypeError
from weft.ir.ops import elementwise as e
from weft.ir.ops import transcendental as t
from weft.ir.ops.reduce import reduce_max, reduce_sum
from weft.ir.ops.shape import broadcast, expand_dims, iota, reshape
from weft.ir.types import INT64, is_complex, is_inexact
from weft.numpy.formulas import constant
from weft.numpy.staging import axis_indices, static_dtype, static_int, to_bool, to_inexact, value

_INF = math.inf


def _masked(name: str, x: Any, where: Any) -> tuple[Any, Any]:
    """A floating array, and a mask of its shape or ``None``."""
    x = to_inexact(value(x, f"nn.{name}", "x"))
    if where is None:
        return x, None
    mask = to_bool(value(where, f"nn.{name}", "where"))
    x, mask = broadcast_values(f"nn.{name}", x, mask)
    return x, broadcast_to(mask, x.shape) if mask.shape != x.shape else mask


def _along(x: Any, reduced: Any, axes: tuple[int, ...]) -> Any:
    """A result of a reduction over ``axes`` of ``x``, repeated in its shape."""
    return broadcast(reduced, x.shape, tuple(i for i in range(len(x.shape)) if i not in axes))


def _largest(x: Any, axes: tuple[int, ...]) -> Any:
    """The finite maximum over axes, a constant of differentiation; 0 where there is none."""
    if math.prod(x.shape[a] for a in axes) == 0:
        kept = tuple(n for i, n in enumerate(x.shape) if i not in axes)
        return broadcast(constant(e.real(x), 0), kept, ())
    high = e.stop_gradient(reduce_max(e.real(x), axes))
    return e.select(e.is_finite(high), high, constant(high, 0))


def _unless(mask: Any, x: Any, other: float) -> Any:
    return x if mask is None else e.select(mask, x, constant(x, other))


@numpy_function(None)
def softmax(x: Any, axis: Any = -1, where: Any = None) -> Any:
    """``exp(x) / sum(exp(x))`` along an axis or axes; 0 where masked.

    Args:
        x: array; integers are computed in float64.
        axis: axis, tuple of axes, or ``None`` for all.
        where: mask that broadcasts with ``x``: what counts.
    """
    x, mask = _masked("softmax", x, where)
    axes = axis_indices(axis, len(x.shape), "nn.softmax")
    x = _unless(mask, x, -_INF)
    powers = t.exp(e.sub(x, _along(x, _largest(x, axes), axes)))
    return _unless(mask, _parts(powers, reduce_sum(powers, axes), axes), 0)


def _parts(x: Any, total: Any, axes: tuple[int, ...]) -> Any:
    """What part of their total elements are, for a total from 1 on, or NaN.

    One division a row: multiplying takes a fraction of the time of dividing, and is off by a unit in the last place. Not in
    16 bits, where a reciprocal may be subnormal.
    """
    if x.dtype.itemsize < 4 or is_complex(x.dtype):
        return e.div(x, _along(x, total, axes))
    return e.mul(x, _along(x, e.div(constant(total, 1), total), axes))


@numpy_function(None)
def log_softmax(x: Any, axis: Any = -1, where: Any = None) -> Any:
    """``log(softmax(x))`` without underflow; ``-inf`` where masked. Arguments as `softmax`'s."""
    x, mask = _masked("log_softmax", x, where)
    axes = axis_indices(axis, len(x.shape), "nn.log_softmax")
    x = _unless(mask, x, -_INF)
    shifted = e.sub(x, _along(x, _largest(x, axes), axes))
    log_sum = t.log(reduce_sum(t.exp(shifted), axes))
    return _unless(mask, e.sub(shifted, _along(x, log_sum, axes)), -_INF)


@numpy_function(None)
def logsumexp(
    a: Any,
    axis: Any = None,
    b: Any = None,
    keepdims: bool = False,
    return_sign: bool = False,
    where: Any = None,
) -> Any:
    """``log(sum(b * exp(a)))`` without overflow.

    Args:
        a: array.
        axis: axis, tuple of axes, or ``None`` for all.
        b: factors that broadcast with ``a``.
        keepdims: keep the axes with length 1.
        return_sign: give ``(log(abs(sum)), sign of the sum)``; else NaN where the sum is negative.
        where: mask that broadcasts with ``a``: what counts.
    """
    a, mask = _masked("logsumexp", a, where)
    if b is not None:
        a, b = promote_values("nn.logsumexp", a, b)
        a, b = (broadcast_to(x, np.broadcast_shapes(a.shape, b.shape)) for x in (a, b))
        mask = None if mask is None else broadcast_to(mask, a.shape)
        a = e.select(e.eq(b, constant(b, 0)), constant(a, -_INF), a)
    axes = axis_indices(axis, len(a.shape), "nn.logsumexp")
    a = _unless(mask, a, -_INF)
    high = as_dtype(_largest(a, axes), a.dtype)
    powers = t.exp(e.sub(a, _along(a, high, axes)))
    total = reduce_sum(powers if b is None else e.mul(powers, b), axes)
    if is_complex(total.dtype):
        sign, out = e.sign(total), e.add(t.log(total), high)
        if return_sign:
            out = e.cast(e.add(t.log(e.abs_(total)), e.real(high)), e.real(total).dtype)
    else:
        sign = e.sign(total)
        out = e.add(t.log(e.abs_(total) if b is not None else total), high)
        if b is not None and not return_sign:
            out = e.select(e.lt(sign, constant(sign, 0)), constant(out, math.nan), out)
    if keepdims:
        shape = tuple(1 if i in axes else n for i, n in enumerate(a.shape))
        out, sign = reshape(out, shape), reshape(sign, shape)
    return (out, sign) if return_sign else out


@numpy_function(None)
def logmeanexp(x: Any, axis: Any = None, where: Any = None, keepdims: bool = False) -> Any:
    """``log(mean(exp(x)))`` without overflow; arguments as `logsumexp`'s."""
    total = logsumexp.staged(x, axis, None, keepdims, False, where)
    x, mask = _masked("logmeanexp", x, where)
    axes = axis_indices(axis, len(x.shape), "nn.logmeanexp")
    count = _count(x, mask, axes)
    if keepdims:
        count = reshape(count, total.shape) if count.shape else count
    return e.sub(
        total, t.log(count) if count.shape == total.shape else constant(total, math.log(float(count)))
    )


def _count(x: Any, mask: Any, axes: tuple[int, ...]) -> Any:
    """How many elements count in each sum over axes, as a number of the dtype of ``x``."""
    if mask is None:
        return np.asarray(math.prod(x.shape[a] for a in axes), x.dtype)
    return reduce_sum(e.cast(mask, x.dtype), axes)


@numpy_function(None)
def standardize(
    x: Any,
    axis: Any = -1,
    mean: Any = None,
    variance: Any = None,
    epsilon: float = 1e-5,
    where: Any = None,
    *,
    algorithm: str = "fast",
) -> Any:
    """``(x - mean) / sqrt(variance + epsilon)``.

    Args:
        x: array.
        axis: axis, tuple of axes, or ``None`` for all, over which mean and variance are taken.
        mean: given mean, which broadcasts with ``x``; else computed.
        variance: given variance; else computed.
        epsilon: added to the variance.
        where: mask that broadcasts with ``x``: what counts in mean and variance.
        algorithm: with "fast" and a given mean the variance is the mean square less the square of the mean, or 0; else it
            is the mean square of what is apart from the mean, which loses no digits.
    """
    if algorithm not in ("fast", "stable"):
        raise ArgumentError(f"nn.standardize knows the algorithms 'fast' and 'stable', got {algorithm!r}.")
    x, mask = _masked("standardize", x, where)
    axes = axis_indices(axis, len(x.shape), "nn.standardize")
    count = _count(x, mask, axes)

    def average(y: Any) -> Any:
        total = reduce_sum(_unless(mask, y, 0), axes)
        return e.div(total, broadcast_to(count, total.shape))

    def scale(spread: Any) -> Any:
        return t.rsqrt(e.add(spread, constant(spread, epsilon)))

    centre = (
        _along(x, average(x), axes)
        if mean is None
        else broadcast_to(as_dtype(value(mean, "nn.standardize"), x.dtype), x.shape)
    )
    apart = e.sub(x, centre)
    # A scale is found where the spread is, and repeated afterwards.
    if variance is not None:
        scales = broadcast_to(scale(as_dtype(value(variance, "nn.standardize"), x.dtype)), x.shape)
    elif mean is None or algorithm == "stable":
        scales = _along(x, scale(average(e.mul(apart, apart))), axes)
    else:
        spread = e.sub(_along(x, average(e.mul(x, x)), axes), e.mul(centre, centre))
        scales = scale(e.maximum(spread, constant(spread, 0)))
    return e.mul(apart, scales)


@numpy_function(None)
def one_hot(x: Any, num_classes: int, *, dtype: Any = None, axis: int = -1) -> Any:
    """Vectors with 1 at the position that ``x`` says, and 0 elsewhere (everywhere, for a position out of range).

    Args:
        x: positions, integers.
        num_classes: length of the vectors.
        dtype: of the result; float64 by default.
        axis: where the vectors' axis is put.
    """
    x = value(x, "nn.one_hot", "x")
    dtype = static_dtype(dtype, np.float64)
    n = static_int(num_classes, "nn.one_hot", "num_classes")
    if is_complex(x.dtype):
        raise DTypeError(f"nn.one_hot takes positions, got dtype {x.dtype}.")
    ndim = len(x.shape) + 1
    axis = axis_indices(axis, ndim, "nn.one_hot")[0]
    shape = (*x.shape[:axis], n, *x.shape[axis:])
    at = broadcast_to(expand_dims(x, (axis,)), shape)
    classes = iota(x.dtype if is_inexact(x.dtype) else INT64, shape, axis)
    return e.cast(e.eq(as_dtype(at, classes.dtype), classes), dtype)
