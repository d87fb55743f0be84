"""Continuous distributions: each a function of uniform numbers, so derivatives by parameters flow through.

Sources: uniform numbers by random mantissa bits; the others by inverting their distribution functions
(Devroye (1986), Non-Uniform Random Variate Generation, chapter II.2).
"""

from __future__ import annotations

import math
from typing import Any

import ml_dtypes
import numpy as np

from weft.engine.dispatch import broadcast_to
from weft.ir.errors import ArgumentError, DTypeError, ShapeError
from weft.ir.ops import bits
from weft.ir.ops import elementwise as e
from weft.ir.ops import transcendental as t
from weft.ir.ops.contract import matmul
from weft.ir.ops.linalg import cholesky
from weft.ir.ops.matrix import scale_columns
from weft.ir.ops.random import threefry_bits, threefry_split
from weft.ir.ops.shape import reshape, slice_axis
from weft.ir.ops.spectral import eigh, svd
from weft.ir.types import FLOAT64, check_dtype, is_complex, is_floating, real_dtype
from weft.random.keys import drawn, float_kind, one_key, shape_for

# Definitions on values


def unit_interval(key: Any, shape: tuple[int, ...], dtype: np.dtype) -> Any:
    """Numbers from [0, 1), evenly spaced: random mantissas under the exponent of 1, less 1."""
    info = ml_dtypes.finfo(dtype)
    width = 8 if info.nmant < 8 else info.bits
    unsigned = np.dtype(f"u{info.bits // 8}")
    random = e.cast(threefry_bits(key, shape, width), unsigned)
    mantissa = bits.shift_right_logical(random, e.full_like(random, width - info.nmant))
    one = int(np.ones((), dtype).view(unsigned))
    numbers = e.bitcast(e.or_(mantissa, e.full_like(random, one)), dtype)
    return e.sub(numbers, e.full_like(numbers, 1))


def between(key: Any, low: Any, high: Any, shape: tuple[int, ...], dtype: np.dtype) -> Any:
    """Numbers from [low, high), where rounding does not reach ``high``."""
    low, high = (broadcast_to(e.cast(x, dtype), shape) if x.shape else e.cast(x, dtype) for x in (low, high))
    numbers = unit_interval(key, shape, dtype)
    return e.maximum(e.add(e.mul(numbers, e.sub(high, low)), low), low)


def _constant(x: float, dtype: np.dtype) -> np.ndarray:
    return np.asarray(x, dtype)


def standard_normal(key: Any, shape: tuple[int, ...], dtype: np.dtype) -> Any:
    """Standard normal numbers of a floating dtype."""
    low = np.nextafter(_constant(-1, dtype), _constant(0, dtype))
    uniforms = between(key, low, _constant(1, dtype), shape, dtype)
    return e.mul(t.erf_inv(uniforms), _constant(math.sqrt(2), dtype))


def two_keys(key: Any) -> tuple[Any, Any]:
    """A key split in two, as values."""
    pair = threefry_split(key, 2)
    first, second = (reshape(slice_axis(pair, 0, i, i + 1), (2,)) for i in (0, 1))
    return first, second


@drawn("shape", "dtype")
def _uniform(key: Any, minval: Any, maxval: Any, *, shape: tuple[int, ...], dtype: np.dtype) -> Any:
    return between(key, minval, maxval, shape, dtype)


@drawn("shape", "dtype")
def _normal(key: Any, *, shape: tuple[int, ...], dtype: np.dtype) -> Any:
    if not is_complex(dtype):
        return standard_normal(key, shape, dtype)
    parts = [standard_normal(k, shape, real_dtype(dtype)) for k in two_keys(key)]
    half = _constant(math.sqrt(2), real_dtype(dtype))
    return e.complex_(*[e.div(x, half) for x in parts])


@drawn("shape", "dtype")
def _truncated_normal(key: Any, lower: Any, upper: Any, *, shape: tuple[int, ...], dtype: np.dtype) -> Any:
    lower, upper = e.cast(lower, dtype), e.cast(upper, dtype)
    root = _constant(math.sqrt(2), dtype)
    first, last = (t.erf(e.div(x, e.full_like(x, root))) for x in (lower, upper))
    numbers = e.mul(t.erf_inv(between(key, first, last, shape, dtype)), root)
    # Rounding may reach an end, which a truncated number does not.
    inner = [
        bits.nextafter(e.stop_gradient(x), np.full((), to, dtype))
        for x, to in ((lower, math.inf), (upper, -math.inf))
    ]
    low, high = (broadcast_to(x, shape) if x.shape else x for x in inner)
    return e.minimum(e.maximum(numbers, low), high)


@drawn("shape", "dtype")
def _exponential(key: Any, *, shape: tuple[int, ...], dtype: np.dtype) -> Any:
    return e.neg(t.log1p(e.neg(unit_interval(key, shape, dtype))))


def _tiny(dtype: np.dtype) -> np.ndarray:
    return np.asarray(ml_dtypes.finfo(dtype).tiny, dtype)


def standard_gumbel(key: Any, shape: tuple[int, ...], dtype: np.dtype, mode: str = "low") -> Any:
    """Standard Gumbel numbers; "high" draws two numbers for one, for tails as long as the dtype is wide."""
    if mode == "low":
        return e.neg(t.log(e.neg(t.log(between(key, _tiny(dtype), _constant(1, dtype), shape, dtype)))))
    pair = unit_interval(key, (2, *shape), dtype)
    high, low = (reshape(slice_axis(pair, 0, i, i + 1), shape) for i in (0, 1))
    finer = e.add(
        e.add(high, e.mul(low, _constant(2.0 ** -ml_dtypes.finfo(dtype).nmant, dtype))), _tiny(dtype)
    )
    numbers = e.select(e.ge(high, _constant(0.5, dtype)), high, finer)
    return e.neg(t.log(e.neg(t.log1p(e.neg(numbers)))))


@drawn("shape", "dtype", "mode")
def _gumbel(key: Any, *, shape: tuple[int, ...], dtype: np.dtype, mode: str) -> Any:
    return standard_gumbel(key, shape, dtype, mode)


@drawn("shape", "dtype")
def _laplace(key: Any, *, shape: tuple[int, ...], dtype: np.dtype) -> Any:
    low = _constant(-1, dtype) + np.asarray(ml_dtypes.finfo(dtype).epsneg, dtype)
    u = between(key, low, _constant(1, dtype), shape, dtype)
    return e.mul(e.sign(u), t.log1p(e.neg(e.abs_(u))))


@drawn("shape", "dtype")
def _logistic(key: Any, *, shape: tuple[int, ...], dtype: np.dtype) -> Any:
    u = between(key, _tiny(dtype), _constant(1, dtype), shape, dtype)
    return e.sub(t.log(u), t.log1p(e.neg(u)))


@drawn("shape", "dtype")
def _cauchy(key: Any, *, shape: tuple[int, ...], dtype: np.dtype) -> Any:
    u = between(key, np.asarray(ml_dtypes.finfo(dtype).eps, dtype), _constant(1, dtype), shape, dtype)
    return t.tan(e.mul(e.sub(u, _constant(0.5, dtype)), _constant(math.pi, dtype)))


@drawn("shape", "dtype")
def _pareto(key: Any, b: Any, *, shape: tuple[int, ...], dtype: np.dtype) -> Any:
    power = broadcast_to(e.cast(b, dtype), shape)
    return t.exp(e.div(e.neg(t.log1p(e.neg(unit_interval(key, shape, dtype)))), power))


@drawn("shape", "dtype")
def _rayleigh(key: Any, scale: Any, *, shape: tuple[int, ...], dtype: np.dtype) -> Any:
    u = between(key, _tiny(dtype), _constant(1, dtype), shape, dtype)
    return e.mul(t.sqrt(e.mul(t.log(u), _constant(-2, dtype))), broadcast_to(e.cast(scale, dtype), shape))


@drawn("shape", "dtype")
def _weibull(key: Any, scale: Any, concentration: Any, *, shape: tuple[int, ...], dtype: np.dtype) -> Any:
    scale, concentration = (broadcast_to(e.cast(x, dtype), shape) for x in (scale, concentration))
    u = unit_interval(key, shape, dtype)
    exponent = e.div(e.full_like(concentration, 1), concentration)
    return e.mul(e.power(e.neg(t.log1p(e.neg(u))), exponent), scale)


@drawn("shape", "dtype", "method")
def _multivariate_normal(
    key: Any, mean: Any, cov: Any, *, shape: tuple[int, ...], dtype: np.dtype, method: str
) -> Any:
    mean, cov = (e.cast(x, dtype) for x in (mean, cov))
    if method == "cholesky":
        factor = cholesky(cov)
    elif method == "eigh":
        w, v = eigh(cov)
        factor = scale_columns(v, t.sqrt(w))
    else:
        u, s, _ = svd(cov, full_matrices=False)
        factor = scale_columns(u, t.sqrt(s))
    n = mean.shape[-1]
    numbers = standard_normal(key, (*shape, n), dtype)
    column = matmul(broadcast_to(factor, (*shape, n, n)), reshape(numbers, (*shape, n, 1)))
    return e.add(broadcast_to(mean, (*shape, n)), reshape(column, (*shape, n)))


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


def normal(key: Any, shape: Any = (), dtype: Any = None) -> Any:
    """Standard normal numbers, of a floating dtype or complex with variance 1/2 in each part."""
    dtype = FLOAT64 if dtype is None else check_dtype(dtype)
    if not is_floating(dtype) and not is_complex(dtype):
        raise DTypeError(f"random.normal draws floating or complex numbers, got dtype={dtype}.")
    return _normal(one_key(key, "normal"), shape=shape_for(shape, "normal"), dtype=dtype)


def truncated_normal(key: Any, lower: Any, upper: Any, shape: Any = None, dtype: Any = None) -> Any:
    """Standard normal numbers on the condition that they are between ``lower`` and ``upper``, both excluded."""
    shape = shape_for(shape, "truncated_normal", lower, upper)
    dtype = float_kind(dtype, "truncated_normal")
    return _truncated_normal(one_key(key, "truncated_normal"), lower, upper, shape=shape, dtype=dtype)


def _plain(name: str, draw: Any, key: Any, shape: Any, dtype: Any, **static: Any) -> Any:
    return draw(one_key(key, name), shape=shape_for(shape, name), dtype=float_kind(dtype, name), **static)


def exponential(key: Any, shape: Any = (), dtype: Any = None) -> Any:
    """Exponential numbers of mean 1."""
    return _plain("exponential", _exponential, key, shape, dtype)


def gumbel(key: Any, shape: Any = (), dtype: Any = None, mode: str | None = None) -> Any:
    """Standard Gumbel numbers: ``-log(-log(u))``; ``mode="high"`` for longer tails."""
    if mode not in (None, "low", "high"):
        raise ArgumentError(f"random.gumbel knows the modes 'low' and 'high', got mode={mode!r}.")
    return _plain("gumbel", _gumbel, key, shape, dtype, mode=mode or "low")


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


def multivariate_normal(
    key: Any, mean: Any, cov: Any, shape: Any = None, dtype: Any = None, method: str = "cholesky"
) -> Any:
    """Normal vectors.

    Args:
        key: a key.
        mean: mean vectors ``(..., n)``.
        cov: covariance matrices ``(..., n, n)``.
        shape: shape of the result without its last axis, to which the leading axes of ``mean`` and ``cov`` broadcast.
        dtype: floating; float64 by default.
        method: how ``cov`` is factored: "cholesky", or for singular matrices "eigh" or "svd".
    """
    means, covs = np.shape(mean), np.shape(cov)
    if not means or covs[-2:] != (means[-1], means[-1]):
        raise ShapeError(
            f"random.multivariate_normal takes mean (..., n) and cov (..., n, n), got shapes {means} and {covs}."
        )
    if method not in ("cholesky", "eigh", "svd"):
        raise ArgumentError(
            f"random.multivariate_normal knows the methods 'cholesky', 'eigh' and 'svd', got method={method!r}."
        )
    lead = (np.broadcast_to(0, means[:-1]), np.broadcast_to(0, covs[:-2]))
    shape = shape_for(shape, "multivariate_normal", *lead)
    dtype = float_kind(dtype, "multivariate_normal")
    return _multivariate_normal(
        one_key(key, "multivariate_normal"), mean, cov, shape=shape, dtype=dtype, method=method
    )
