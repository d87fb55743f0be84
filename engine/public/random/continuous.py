"""Continuous distributions: each a function of uniform numbers, so derivatives by parameters flow through.

Sources: uniform numbers by random mantissa bits; the others by inverting their distribution functions
(Devroye (1986), Non-Uniform Random Variate Generation, chapter II.2).
"""

from __future__ import annotations

import math
from typing import Any

import ml_dtypes
import numpy as np

import weft.numpy as wnp
from weft.engine.dispatch import broadcast_to
from weft.ir.errors import ArgumentError
from weft.ir.ops import bits
from weft.ir.ops import elementwise as e
from weft.ir.ops import transcendental as t
from weft.ir.ops.random import bits_of_words, threefry_bits, threefry_children, threefry_split
from weft.ir.ops.shape import reshape, slice_axis
from weft.random.keys import drawn, float_kind, one_key, shape_for, staged

# Definitions on values


def unit_interval(key: Any, shape: tuple[int, ...], dtype: np.dtype) -> Any:
    """Numbers from [0, 1), evenly spaced."""
    return unit_numbers(threefry_children(key, shape), dtype)


def unit_numbers(words: tuple[Any, Any], dtype: np.dtype) -> Any:
    """Numbers from [0, 1) of the words of the cipher: random mantissas under the exponent of 1, less 1."""
    info = ml_dtypes.finfo(dtype)
    width = 8 if info.nmant < 8 else info.bits
    unsigned = np.dtype(f"u{info.bits // 8}")
    random = e.cast(bits_of_words(*words, width), unsigned)
    mantissa = bits.shift_right_logical(random, e.full_like(random, width - info.nmant))
    one = int(np.ones((), dtype).view(unsigned))
    numbers = e.bitcast(e.or_(mantissa, e.full_like(random, one)), dtype)
    return e.sub(numbers, e.full_like(numbers, 1))


def between(key: Any, low: Any, high: Any, shape: tuple[int, ...], dtype: np.dtype) -> Any:
    """Numbers from [low, high), where rounding does not reach ``high``."""
    low, high = (broadcast_to(e.cast(x, dtype), shape) if x.shape else e.cast(x, dtype) for x in (low, high))
    return stretched(unit_interval(key, shape, dtype), low, high)


def stretched(numbers: Any, low: Any, high: Any) -> Any:
    """Numbers from [0, 1) moved to [low, high)."""
    return e.maximum(e.add(e.mul(numbers, e.sub(high, low)), low), low)


def constant(x: float, dtype: np.dtype) -> np.ndarray:
    """A number as an array of rank 0, which takes no part in promotion."""
    return np.asarray(x, dtype)


def two_keys(key: Any) -> tuple[Any, Any]:
    """A key split in two, as values."""
    return _two(threefry_split(key, 2))


@drawn("shape", "dtype")
def _uniform(key: Any, minval: Any, maxval: Any, *, shape: tuple[int, ...], dtype: np.dtype) -> Any:
    return between(key, minval, maxval, shape, dtype)


@drawn("shape", "dtype")
def _exponential(key: Any, *, shape: tuple[int, ...], dtype: np.dtype) -> Any:
    return e.neg(t.log1p(e.neg(unit_interval(key, shape, dtype))))


def _tiny(dtype: np.dtype) -> np.ndarray:
    return np.asarray(ml_dtypes.finfo(dtype).tiny, dtype)


def gumbel_mode(mode: str | None, name: str) -> str:
    """A mode of `standard_gumbel`, of which the first is the default."""
    if mode not in (None, "low", "high", "highest"):
        raise ArgumentError(f"random.{name} knows the modes 'low', 'high' and 'highest', got mode={mode!r}.")
    return mode or "low"


def standard_gumbel(key: Any, shape: tuple[int, ...], dtype: np.dtype, mode: str = "low") -> Any:
    """Standard Gumbel numbers; "high" and "highest" draw two numbers for one, for tails as long as the dtype is wide."""
    if mode == "low":
        return e.neg(t.log(e.neg(t.log(between(key, _tiny(dtype), constant(1, dtype), shape, dtype)))))
    if mode == "highest" and dtype == np.float32:
        return _gumbel_of_64_bits(key, shape)
    high, low = _two(unit_interval(key, (2, *shape), dtype))
    finer = e.add(
        e.add(high, e.mul(low, constant(2.0 ** -ml_dtypes.finfo(dtype).nmant, dtype))), _tiny(dtype)
    )
    numbers = e.select(e.ge(high, constant(0.5, dtype)), high, finer)
    return e.neg(t.log(e.neg(t.log1p(e.neg(numbers)))))


def _gumbel_of_64_bits(key: Any, shape: tuple[int, ...]) -> Any:
    """Of a uniform number in 64 bits, what it is from the nearer of 0 and 1 is a float32 with all its digits."""
    high, low = (e.cast(x, np.dtype(np.uint64)) for x in _two(threefry_bits(key, (2, *shape), 32)))
    word = e.or_(bits.shift_left(high, e.full_like(high, 32)), low)
    near_one = e.ge(word, e.full_like(word, 1 << 63))
    word = e.select(near_one, e.sub(e.full_like(word, 0), word), word)
    # The digits behind the 24 of a float32 are cut off, not rounded.
    zeros = e.minimum(bits.clz(word), e.full_like(word, 40))
    beyond = e.sub(e.full_like(word, 40), zeros)
    word = bits.shift_left(bits.shift_right_logical(word, beyond), beyond)
    x = e.mul(e.cast(word, np.dtype(np.float32)), constant(2.0**-64, np.dtype(np.float32)))
    x = e.maximum(x, e.full_like(x, 2.0**-65))
    return e.neg(t.log(e.neg(e.select(near_one, t.log(x), t.log1p(e.neg(x))))))


def _two(pair: Any) -> tuple[Any, Any]:
    """The two rows of an array."""
    first, second = (reshape(slice_axis(pair, 0, i, i + 1), pair.shape[1:]) for i in (0, 1))
    return first, second


@drawn("shape", "dtype", "mode")
def _gumbel(key: Any, *, shape: tuple[int, ...], dtype: np.dtype, mode: str) -> Any:
    return standard_gumbel(key, shape, dtype, mode)


@drawn("shape", "dtype")
def _laplace(key: Any, *, shape: tuple[int, ...], dtype: np.dtype) -> Any:
    low = constant(-1, dtype) + np.asarray(ml_dtypes.finfo(dtype).epsneg, dtype)
    u = between(key, low, constant(1, dtype), shape, dtype)
    return e.mul(e.sign(u), t.log1p(e.neg(e.abs_(u))))


@drawn("shape", "dtype")
def _logistic(key: Any, *, shape: tuple[int, ...], dtype: np.dtype) -> Any:
    u = between(key, _tiny(dtype), constant(1, dtype), shape, dtype)
    return e.sub(t.log(u), t.log1p(e.neg(u)))


@drawn("shape", "dtype")
def _cauchy(key: Any, *, shape: tuple[int, ...], dtype: np.dtype) -> Any:
    u = between(key, np.asarray(ml_dtypes.finfo(dtype).eps, dtype), constant(1, dtype), shape, dtype)
    return t.tan(e.mul(e.sub(u, constant(0.5, dtype)), constant(math.pi, dtype)))


@drawn("shape", "dtype")
def _pareto(key: Any, b: Any, *, shape: tuple[int, ...], dtype: np.dtype) -> Any:
    power = broadcast_to(e.cast(b, dtype), shape)
    return t.exp(e.div(e.neg(t.log1p(e.neg(unit_interval(key, shape, dtype)))), power))


@drawn("shape", "dtype")
def _rayleigh(key: Any, scale: Any, *, shape: tuple[int, ...], dtype: np.dtype) -> Any:
    u = between(key, _tiny(dtype), constant(1, dtype), shape, dtype)
    return e.mul(t.sqrt(e.mul(t.log(u), constant(-2, dtype))), broadcast_to(e.cast(scale, dtype), shape))


@drawn("shape", "dtype")
def _weibull(key: Any, scale: Any, concentration: Any, *, shape: tuple[int, ...], dtype: np.dtype) -> Any:
    scale, concentration = (broadcast_to(e.cast(x, dtype), shape) for x in (scale, concentration))
    u = unit_interval(key, shape, dtype)
    exponent = e.div(e.full_like(concentration, 1), concentration)
    return e.mul(e.power(e.neg(t.log1p(e.neg(u))), exponent), scale)


# The functions


def uniform(key: Any, shape: Any = (), dtype: Any = None, minval: Any = 0.0, maxval: Any = 1.0) -> Any:
    """Uniform numbers from [minval, maxval).

    Args:
        key: a key.
        shape: shape of the result, to which ``minval`` and ``maxval`` broadcast.
        dtype: floating; float64 by default.
        minval: least number.
        maxval: the number below which all are.
    """
    shape = shape_for(shape, "uniform", minval, maxval)
    return _uniform(one_key(key, "uniform"), minval, maxval, shape=shape, dtype=float_kind(dtype, "uniform"))


def _plain(name: str, draw: Any, key: Any, shape: Any, dtype: Any, **static: Any) -> Any:
    return draw(one_key(key, name), shape=shape_for(shape, name), dtype=float_kind(dtype, name), **static)


def exponential(key: Any, shape: Any = (), dtype: Any = None) -> Any:
    """Exponential numbers of mean 1."""
    return _plain("exponential", _exponential, key, shape, dtype)


def gumbel(key: Any, shape: Any = (), dtype: Any = None, mode: str | None = None) -> Any:
    """Standard Gumbel numbers: ``-log(-log(u))``; ``mode="high"`` or, for float32, ``"highest"`` for longer tails."""
    return _plain("gumbel", _gumbel, key, shape, dtype, mode=gumbel_mode(mode, "gumbel"))


def laplace(key: Any, shape: Any = (), dtype: Any = None) -> Any:
    """Laplace numbers of location 0 and scale 1."""
    return _plain("laplace", _laplace, key, shape, dtype)


def logistic(key: Any, shape: Any = (), dtype: Any = None) -> Any:
    """Logistic numbers of location 0 and scale 1."""
    return _plain("logistic", _logistic, key, shape, dtype)


def cauchy(key: Any, shape: Any = (), dtype: Any = None) -> Any:
    """Cauchy numbers of location 0 and scale 1."""
    return _plain("cauchy", _cauchy, key, shape, dtype)


def pareto(key: Any, b: Any, shape: Any = None, dtype: Any = None) -> Any:
    """Pareto numbers, from 1 on, with density ``b / x ** (b + 1)``."""
    shape = shape_for(shape, "pareto", b)
    return _pareto(one_key(key, "pareto"), b, shape=shape, dtype=float_kind(dtype, "pareto"))


def rayleigh(key: Any, scale: Any, shape: Any = None, dtype: Any = None) -> Any:
    """Rayleigh numbers: lengths of normal vectors in the plane, times ``scale``."""
    shape = shape_for(shape, "rayleigh", scale)
    return _rayleigh(one_key(key, "rayleigh"), scale, shape=shape, dtype=float_kind(dtype, "rayleigh"))


def weibull_min(key: Any, scale: Any, concentration: Any, shape: Any = None, dtype: Any = None) -> Any:
    """Weibull numbers: powers ``1 / concentration`` of exponential numbers, times ``scale``."""
    shape = shape_for(shape, "weibull_min", scale, concentration)
    dtype = float_kind(dtype, "weibull_min")
    return _weibull(one_key(key, "weibull_min"), scale, concentration, shape=shape, dtype=dtype)


@staged("shape", "dtype")
def _triangular(
    key: Any, left: Any, mode: Any, right: Any, *, shape: tuple[int, ...], dtype: np.dtype
) -> Any:
    left, mode, right = (wnp.broadcast_to(wnp.asarray(x, dtype), shape) for x in (left, mode, right))
    u = uniform(key, shape, dtype)
    rising = left + wnp.sqrt(u * (right - left) * (mode - left))
    falling = right - wnp.sqrt((1 - u) * (right - left) * (right - mode))
    return wnp.where(u < (mode - left) / (right - left), rising, falling)


def triangular(key: Any, left: Any, mode: Any, right: Any, shape: Any = None, dtype: Any = None) -> Any:
    """Numbers from ``left`` to ``right`` whose density rises in a line up to ``mode``, and falls in one behind it."""
    shape = shape_for(shape, "triangular", left, mode, right)
    dtype = float_kind(dtype, "triangular")
    return _triangular(one_key(key, "triangular"), left, mode, right, shape=shape, dtype=dtype)
