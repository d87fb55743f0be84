"""Discrete distributions, and draws from arrays: permutations and choices."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from weft.engine.array import to_value, wrap, wrap_value
from weft.engine.dispatch import broadcast_to
from weft.ir.builder import type_of_value
from weft.ir.errors import ArgumentError, DTypeError, ShapeError
from weft.ir.ops import elementwise as e
from weft.ir.ops import transcendental as t
from weft.ir.ops.bits import shift_right_logical
from weft.ir.ops.cumulative import cumsum
from weft.ir.ops.index import gather
from weft.ir.ops.random import threefry_bits
from weft.ir.ops.reduce import argmax
from weft.ir.ops.shape import iota, move_axis, reshape, slice_axis
from weft.ir.ops.sort import searchsorted, sort_many, top_k
from weft.ir.types import FLOAT64, INT64, is_floating
from weft.numpy.staging import axis_index, static_int, static_shape
from weft.random.continuous import gumbel_mode, standard_gumbel, two_keys, unit_interval
from weft.random.keys import drawn, integer_kind, one_key, shape_for

INT32, UINT64 = np.dtype(np.int32), np.dtype(np.uint64)


# Integers and events


def _clipped(x: Any, dtype: np.dtype) -> Any:
    """Integers as another integer dtype; its limits for what is beyond them."""
    here, there = np.iinfo(x.dtype), np.iinfo(dtype)
    low, high = max(int(here.min), int(there.min)), min(int(here.max), int(there.max))
    return e.cast(e.minimum(e.maximum(x, np.asarray(low, x.dtype)), np.asarray(high, x.dtype)), dtype)


def integers_between(key: Any, low: Any, high: Any, shape: tuple[int, ...], dtype: np.dtype) -> Any:
    """Integers from [low, high): two words of bits modulo the span, so that no value is visibly more likely."""
    low, high = (x if x.dtype.kind in "iu" else e.cast(x, INT64) for x in (low, high))
    largest = np.asarray(min(int(np.iinfo(dtype).max), int(np.iinfo(high.dtype).max)), high.dtype)
    beyond = e.gt(high, largest)  # such as 256 for uint8: the span takes one more than ``high`` clipped gives
    low, high = (_clipped(x, dtype) for x in (low, high))
    low, high, beyond = (broadcast_to(x, shape) if x.shape else x for x in (low, high, beyond))
    bits = 8 * dtype.itemsize
    unsigned = np.dtype(f"u{dtype.itemsize}")
    one = np.ones((), unsigned)
    some = e.gt(high, low)
    span = e.cast(e.sub(high, low), unsigned)
    span = e.select(some, span, e.full_like(span, 1))
    span = e.select(e.and_(beyond, some), e.add(span, one), span)
    upper, lower = (threefry_bits(k, shape, bits) for k in two_keys(key))
    # 2 ** bits modulo span, through its square root, which fits. A span of 0 is all 2 ** bits values.
    whole = e.eq(span, e.full_like(span, 0))
    span = e.select(whole, e.full_like(span, 1), span)
    factor = e.rem(e.full_like(span, 1 << bits // 2), span)
    factor = e.rem(e.mul(factor, factor), span)
    modulo = _remainder_by(span, shape)
    whole, factor, low = (broadcast_to(x, shape) for x in (whole, factor, low))
    offset = modulo(e.add(e.mul(modulo(upper), factor), modulo(lower)))
    offset = e.select(whole, lower, offset)
    return e.add(low, e.cast(offset, dtype))


def _remainder_by(span: Any, shape: tuple[int, ...]) -> Callable[[Any], Any]:
    """The remainders of unsigned integers by positive ones; by one number without a division for each.

    The inverse rounded down times ``x`` is the quotient or one less, so the rest is the remainder or a span more.
    """
    if span.shape == shape and shape:
        return lambda x: e.rem(x, span)
    inverse = e.floor_div(e.full_like(span, int(np.iinfo(span.dtype).max)), span)
    inverse, span = broadcast_to(inverse, shape), broadcast_to(span, shape)

    def modulo(x: Any) -> Any:
        rest = e.sub(x, e.mul(_high_product(x, inverse), span))
        return e.minimum(rest, e.sub(rest, span))  # what is less than 0 is large without a sign

    return modulo


def _high_product(x: Any, y: Any) -> Any:
    """The upper half of the product of unsigned integers of 32 or 64 bits."""
    if x.dtype.itemsize == 4:
        return e.cast(_upper(e.mul(e.cast(x, UINT64), e.cast(y, UINT64))), x.dtype)
    (x1, x0), (y1, y0) = ((_upper(v), _lower(v)) for v in (x, y))
    middle = e.add(e.mul(x1, y0), _upper(e.mul(x0, y0)))
    rest = e.add(e.mul(x0, y1), _lower(middle))
    return e.add(e.add(e.mul(x1, y1), _upper(middle)), _upper(rest))


def _upper(x: Any) -> Any:
    return shift_right_logical(x, e.full_like(x, 32))


def _lower(x: Any) -> Any:
    return e.and_(x, e.full_like(x, (1 << 32) - 1))


@drawn("shape", "dtype")
def _randint(key: Any, low: Any, high: Any, *, shape: tuple[int, ...], dtype: np.dtype) -> Any:
    if dtype.itemsize >= 4:
        return integers_between(key, low, high, shape, dtype)
    info = np.iinfo(dtype)
    low, high = e.cast(low, INT32), e.cast(high, INT32)
    low, high = (e.maximum(x, np.asarray(info.min, INT32)) for x in (low, high))
    low, high = (e.minimum(x, np.asarray(int(info.max) + i, INT32)) for i, x in enumerate((low, high)))
    return e.cast(integers_between(key, low, high, shape, INT32), dtype)


def randint(key: Any, shape: Any, minval: Any, maxval: Any, dtype: Any = None) -> Any:
    """Integers from [minval, maxval).

    Args:
        key: a key.
        shape: shape of the result, to which ``minval`` and ``maxval`` broadcast.
        minval: least integer.
        maxval: the integer below which all are; where it is not above ``minval``, the result is ``minval``.
        dtype: integer; int64 by default.
    """
    shape = shape_for(shape, "randint", minval, maxval)
    dtype = integer_kind(dtype, "randint")
    return _randint(one_key(key, "randint"), minval, maxval, shape=shape, dtype=dtype)


@drawn("shape", "mode")
def _bernoulli(key: Any, p: Any, *, shape: tuple[int, ...], mode: str) -> Any:
    p = broadcast_to(p, shape) if p.shape else p
    if mode == "low":
        return e.lt(unit_interval(key, shape, p.dtype), p)
    pair = unit_interval(key, (2, *shape), p.dtype)
    first, second = (reshape(slice_axis(pair, 0, i, i + 1), shape) for i in (0, 1))
    step = np.asarray(2.0 ** -np.finfo(p.dtype).nmant, p.dtype)
    return e.lt(e.mul(second, step), e.sub(p, first))


def bernoulli(key: Any, p: Any = 0.5, shape: Any = None, mode: str = "low") -> Any:
    """True with probability ``p``, which is floating and broadcasts to ``shape``; ``mode="high"`` for tiny ``p``."""
    dtype = type_of_value(to_value(p, "p of random.bernoulli")).dtype
    if not is_floating(dtype):
        raise DTypeError(f"random.bernoulli takes a floating probability, got p of dtype {dtype}.")
    if mode not in ("low", "high"):
        raise ArgumentError(f"random.bernoulli knows the modes 'low' and 'high', got mode={mode!r}.")
    return _bernoulli(one_key(key, "bernoulli"), p, shape=shape_for(shape, "bernoulli", p), mode=mode)


def rademacher(key: Any, shape: Any = (), dtype: Any = None) -> Any:
    """-1 or 1, each with probability 1/2, as integers (int64 by default) or of another dtype."""
    dtype = INT64 if dtype is None else np.dtype(dtype)
    heads = bernoulli(key, 0.5, shape_for(shape, "rademacher"))
    return wrap_value(e.select(to_value(heads), np.asarray(1, dtype), np.asarray(-1, dtype)))


# Permutations and choices


@drawn("axis")
def _shuffle(key: Any, x: Any, *, axis: int) -> Any:
    # Sorting by random words once may meet equal ones: as many rounds as make that unlikely.
    rounds = math.ceil(3 * math.log(max(1, math.prod(x.shape))) / math.log(2**32 - 1))
    for _ in range(rounds):
        key, sub_key = two_keys(key)
        _, x = sort_many((threefry_bits(sub_key, x.shape, 32), x), axis, 1)
    return x


@drawn("size")
def _shuffled_range(key: Any, *, size: int) -> Any:
    return to_value(_shuffle(key, iota(INT64, (size,)), axis=0))


def _taken(x: Any, positions: Any, axis: int) -> Any:
    """``x`` at ``positions``, which are in range, along ``axis``; their axes stand in its place."""
    value, where = to_value(x), to_value(positions)
    if not len(where.shape):
        return wrap_value(gather(value, [where], (axis,), mode="promise"))
    found = gather(value, [reshape(where, (math.prod(where.shape),))], (axis,), mode="promise")
    found = move_axis(found, 0, axis)
    return wrap_value(reshape(found, (*value.shape[:axis], *where.shape, *value.shape[axis + 1 :])))


def _population(x: Any, name: str) -> Any:
    """An array to draw from, or the integer whose range is drawn from."""
    value = to_value(x, f"an argument of random.{name}")
    if len(value.shape):
        return wrap_value(value)
    if value.dtype.kind not in "iu":
        raise DTypeError(
            f"random.{name} draws from an array or the range of an integer, got a scalar {value.dtype}."
        )
    return static_int(x, f"random.{name}", "the population")


def permutation(key: Any, x: Any, axis: int = 0, independent: bool = False) -> Any:
    """A random order of an array along an axis, or of ``range(x)`` for an integer ``x``.

    Args:
        key: a key.
        x: array or integer.
        axis: the axis to reorder.
        independent: each row along the axis gets an order of its own; else all the same one.
    """
    key, x = one_key(key, "permutation"), _population(x, "permutation")
    if isinstance(x, int):
        axis_index(axis, 1, "random.permutation")
        return _shuffled_range(key, size=x)
    axis = axis_index(axis, len(x.shape), "random.permutation")
    if independent or len(x.shape) == 1:
        return _shuffle(key, x, axis=axis)
    return _taken(x, _shuffled_range(key, size=x.shape[axis]), axis)


@drawn("shape")
def _by_weight(key: Any, p: Any, *, shape: tuple[int, ...]) -> Any:
    """Positions in proportion to weights: where uniform numbers fall among their running sums."""
    sums = cumsum(p, 0)
    total = reshape(slice_axis(sums, 0, p.shape[0] - 1, p.shape[0]), ())
    u = unit_interval(key, shape, p.dtype)
    drawn_sums = e.mul(e.sub(e.full_like(u, 1), u), broadcast_to(total, shape))
    return searchsorted(sums, drawn_sums)


@drawn("count", "mode")
def _first_by_weight(key: Any, p: Any, *, count: int, mode: str) -> Any:
    """Different positions in proportion to weights: the largest of their logarithms with Gumbel noise."""
    return top_k(e.add(standard_gumbel(key, p.shape, p.dtype, mode), t.log(p)), count)[1]


def choice(
    key: Any,
    a: Any,
    shape: Any = (),
    replace: bool = True,
    p: Any = None,
    axis: int = 0,
    mode: str | None = None,
) -> Any:
    """Random elements of an array along an axis, or of ``range(a)`` for an integer ``a``.

    Args:
        key: a key.
        a: array or integer.
        shape: how many, as a shape, which takes the place of the axis.
        replace: whether an element may be drawn again.
        p: weights of the elements; ``None`` for equal ones. They need not sum to 1.
        axis: the axis to draw along.
        mode: of the Gumbel numbers for weights without replacement, see `gumbel`.
    """
    key, a, mode = one_key(key, "choice"), _population(a, "choice"), gumbel_mode(mode, "choice")
    shape = static_shape(shape, "random.choice")
    whole = isinstance(a, int)
    axis = 0 if whole else axis_index(axis, len(a.shape), "random.choice")
    n, count = a if whole else a.shape[axis], math.prod(shape)
    if count == 0:
        empty = shape if whole else (*a.shape[:axis], *shape, *a.shape[axis + 1 :])
        return wrap(np.zeros(empty, INT64 if whole else a.dtype))
    if n <= 0:
        raise ShapeError(f"random.choice cannot draw shape={shape} from nothing.")
    if not replace and count > n:
        raise ShapeError(f"random.choice without replacement cannot draw {count} of {n} elements.")
    if p is None:
        if not replace:
            drawn_all = permutation(key, a, axis)
            first = wrap_value(slice_axis(to_value(drawn_all), axis, 0, count))
            full = shape if whole else (*a.shape[:axis], *shape, *a.shape[axis + 1 :])
            return wrap_value(reshape(to_value(first), full))
        positions = randint(key, shape, 0, n)
    else:
        weights = to_value(p, "p of random.choice")
        if weights.shape != (n,):
            raise ShapeError(
                f"random.choice takes a weight for each of {n} elements, got p of shape {weights.shape}."
            )
        weights = wrap_value(weights if is_floating(weights.dtype) else e.cast(weights, FLOAT64))
        if replace:
            positions = _by_weight(key, weights, shape=shape)
        else:
            flat = _first_by_weight(key, weights, count=count, mode=mode)
            positions = wrap_value(reshape(to_value(flat), shape))
    return positions if whole else _taken(a, positions, axis)


@drawn("shape", "axis", "mode")
def _categorical(key: Any, logits: Any, *, shape: tuple[int, ...], axis: int, mode: str) -> Any:
    n_batch = len(logits.shape) - 1
    lead = shape[: len(shape) - n_batch]
    behind = list(shape[len(shape) - n_batch :])
    behind.insert(axis, logits.shape[axis])
    full = (*lead, *behind)
    noise = standard_gumbel(key, full, logits.dtype, mode)
    return argmax(e.add(noise, broadcast_to(logits, full)), axis + len(lead))


@drawn("count", "axis", "mode")
def _different_categories(key: Any, logits: Any, *, count: int, axis: int, mode: str) -> Any:
    noisy = e.add(logits, standard_gumbel(key, logits.shape, logits.dtype, mode))
    n = len(logits.shape)
    return move_axis(top_k(move_axis(noisy, axis, n - 1), count)[1], n - 1, 0)


def categorical(
    key: Any, logits: Any, axis: int = -1, shape: Any = None, replace: bool = True, mode: str | None = None
) -> Any:
    """Categories in proportion to ``exp(logits)``.

    Args:
        key: a key.
        logits: logarithms of weights, floating, categories along ``axis``.
        axis: the axis of categories, which the result does not have.
        shape: shape of the result; it ends with the shape of ``logits`` without its axis, or one that broadcasts to that.
        replace: without replacement the leading axes of ``shape`` count different categories.
        mode: of the Gumbel numbers, see `gumbel`.
    """
    key, mode = one_key(key, "categorical"), gumbel_mode(mode, "categorical")
    value = to_value(logits, "logits of random.categorical")
    if not is_floating(value.dtype):
        raise DTypeError(f"random.categorical takes floating logits, got dtype {value.dtype}.")
    axis = axis_index(axis, len(value.shape), "random.categorical")
    rest = (*value.shape[:axis], *value.shape[axis + 1 :])
    shape = shape_for(shape, "categorical", np.broadcast_to(0, rest))
    if replace:
        return _categorical(key, wrap_value(value), shape=shape, axis=axis, mode=mode)
    lead = shape[: len(shape) - len(rest)]
    count = math.prod(lead)
    if count > value.shape[axis]:
        raise ShapeError(
            f"random.categorical without replacement cannot draw {count} of {value.shape[axis]} categories."
        )
    found = _different_categories(key, wrap_value(value), count=count, axis=axis, mode=mode)
    return wrap_value(reshape(to_value(found), shape))
