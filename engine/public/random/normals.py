"""Normal numbers and what is made of them: truncated, log-normal, Maxwell's, Wald's; normal vectors and orthogonal matrices.

Source: normal numbers invert their distribution function, by the inverse of the error function.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

import weft.numpy as wnp
from weft.engine.dispatch import broadcast_to
from weft.ir.errors import ArgumentError, ShapeError
from weft.ir.ops import bits
from weft.ir.ops import elementwise as e
from weft.ir.ops import transcendental as t
from weft.ir.ops.contract import matmul
from weft.ir.ops.linalg import cholesky
from weft.ir.ops.matrix import scale_columns
from weft.ir.ops.random import threefry_children
from weft.ir.ops.shape import reshape
from weft.ir.ops.spectral import eigh, svd
from weft.ir.types import is_complex, real_dtype
from weft.numpy.staging import new_shape, static_int
from weft.random.continuous import between, constant, stretched, two_keys, uniform, unit_numbers
from weft.random.discrete import rademacher
from weft.random.keys import (
    drawn,
    float_kind,
    inexact_kind,
    one_key,
    parameter_shape,
    shape_for,
    split,
    staged,
)

# Definitions on values


def standard_normal(key: Any, shape: tuple[int, ...], dtype: np.dtype) -> Any:
    """Standard normal numbers of a floating dtype."""
    return normal_numbers(threefry_children(key, shape), dtype)


def normal_numbers(words: tuple[Any, Any], dtype: np.dtype) -> Any:
    """Standard normal numbers of the words of the cipher."""
    low = np.nextafter(constant(-1, dtype), constant(0, dtype))
    uniforms = stretched(unit_numbers(words, dtype), low, constant(1, dtype))
    return e.mul(t.erf_inv(uniforms), constant(math.sqrt(2), dtype))


@drawn("shape", "dtype")
def _normal(key: Any, *, shape: tuple[int, ...], dtype: np.dtype) -> Any:
    if not is_complex(dtype):
        return standard_normal(key, shape, dtype)
    parts = [standard_normal(k, shape, real_dtype(dtype)) for k in two_keys(key)]
    half = constant(math.sqrt(2), real_dtype(dtype))
    return e.complex_(*[e.div(x, half) for x in parts])


@drawn("shape", "dtype")
def _truncated_normal(key: Any, lower: Any, upper: Any, *, shape: tuple[int, ...], dtype: np.dtype) -> Any:
    lower, upper = e.cast(lower, dtype), e.cast(upper, dtype)
    root = constant(math.sqrt(2), dtype)
    first, last = (t.erf(e.div(x, e.full_like(x, root))) for x in (lower, upper))
    numbers = e.mul(t.erf_inv(between(key, first, last, shape, dtype)), root)
    # Rounding may reach an end, which a truncated number does not.
    inner = [
        bits.nextafter(e.stop_gradient(x), np.full((), to, dtype))
        for x, to in ((lower, math.inf), (upper, -math.inf))
    ]
    low, high = (broadcast_to(x, shape) if x.shape else x for x in inner)
    return e.minimum(e.maximum(numbers, low), high)


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


def normal(key: Any, shape: Any = (), dtype: Any = None) -> Any:
    """Standard normal numbers, of a floating dtype or complex with variance 1/2 in each part."""
    dtype = inexact_kind(dtype, "normal")
    return _normal(one_key(key, "normal"), shape=shape_for(shape, "normal"), dtype=dtype)


def truncated_normal(key: Any, lower: Any, upper: Any, shape: Any = None, dtype: Any = None) -> Any:
    """Standard normal numbers on the condition that they are between ``lower`` and ``upper``, both excluded."""
    shape = shape_for(shape, "truncated_normal", lower, upper)
    dtype = float_kind(dtype, "truncated_normal")
    return _truncated_normal(one_key(key, "truncated_normal"), lower, upper, shape=shape, dtype=dtype)


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
    means, covs = (parameter_shape(x, "multivariate_normal") for x in (mean, cov))
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


# Functions of normal numbers


@staged("shape", "dtype")
def _lognormal(key: Any, sigma: Any, *, shape: tuple[int, ...], dtype: np.dtype) -> Any:
    return wnp.exp(normal(key, shape, dtype) * wnp.asarray(sigma, dtype))


def lognormal(key: Any, sigma: Any = 1.0, shape: Any = None, dtype: Any = None) -> Any:
    """Exponentials of normal numbers of mean 0 and standard deviation ``sigma``, of a floating or complex dtype."""
    dtype = inexact_kind(dtype, "lognormal")
    shape = shape_for(shape, "lognormal", np.broadcast_to(0, np.shape(sigma)) if is_complex(dtype) else sigma)
    return _lognormal(one_key(key, "lognormal"), sigma, shape=shape, dtype=dtype)


@staged("shape", "dtype")
def _maxwell(key: Any, *, shape: tuple[int, ...], dtype: np.dtype) -> Any:
    return wnp.linalg.norm(normal(key, (*shape, 3), dtype), axis=-1)


def maxwell(key: Any, shape: Any = (), dtype: Any = None) -> Any:
    """Lengths of normal vectors of three dimensions: density ``sqrt(2 / pi) x**2 exp(-x**2 / 2)``, from 0 on."""
    shape, dtype = shape_for(shape, "maxwell"), float_kind(dtype, "maxwell")
    return _maxwell(one_key(key, "maxwell"), shape=shape, dtype=dtype)


@staged("shape", "dtype")
def _double_sided_maxwell(key: Any, loc: Any, scale: Any, *, shape: tuple[int, ...], dtype: np.dtype) -> Any:
    lengths, signs = split(key)
    numbers = rademacher(signs, shape, dtype) * maxwell(lengths, shape, dtype)
    return numbers * wnp.asarray(scale, dtype) + wnp.asarray(loc, dtype)


def double_sided_maxwell(key: Any, loc: Any, scale: Any, shape: Any = (), dtype: Any = None) -> Any:
    """Maxwell's numbers with random signs, times ``scale``, plus ``loc``: density in proportion to ``z**2 exp(-z**2 / 2)``.

    Args:
        key: a key.
        loc: location.
        scale: scale.
        shape: how many of them for each location and scale: leading axes of the result, before those of the parameters.
        dtype: floating; float64 by default.
    """
    shape = (
        *new_shape(shape, "random.double_sided_maxwell"),
        *shape_for(None, "double_sided_maxwell", loc, scale),
    )
    dtype = float_kind(dtype, "double_sided_maxwell")
    return _double_sided_maxwell(one_key(key, "double_sided_maxwell"), loc, scale, shape=shape, dtype=dtype)


@staged("shape", "dtype")
def _wald(key: Any, mean: Any, *, shape: tuple[int, ...], dtype: np.dtype) -> Any:
    # Michael, Schucany & Haas (1976): a chi-square number is the image of two numbers, one of which is taken.
    first, second = split(key)
    mean = wnp.broadcast_to(wnp.asarray(mean, dtype), shape)
    y = normal(first, shape, dtype) ** 2
    x = mean + mean**2 * y / 2 - mean / 2 * wnp.sqrt(4 * mean * y + mean**2 * y**2)
    return wnp.where(uniform(second, shape, dtype) <= mean / (mean + x), x, mean**2 / x)


def wald(key: Any, mean: Any, shape: Any = None, dtype: Any = None) -> Any:
    """Inverse Gaussian numbers of ``mean`` and scale 1: when Brownian motion with drift ``1 / mean`` first comes to 1.

    Source: Michael, Schucany & Haas (1976), doi:10.1080/00031305.1976.10479147.
    """
    shape, dtype = shape_for(shape, "wald", mean), float_kind(dtype, "wald")
    return _wald(one_key(key, "wald"), mean, shape=shape, dtype=dtype)


@staged("shape", "dtype", "n", "m")
def _orthogonal(key: Any, *, shape: tuple[int, ...], dtype: np.dtype, n: int, m: int) -> Any:
    q, r = wnp.linalg.qr(normal(key, (*shape, max(n, m), min(n, m)), dtype))
    q = q * wnp.sign(wnp.diagonal(r, axis1=-2, axis2=-1))[..., None, :]
    return wnp.matrix_transpose(q) if n < m else q


def orthogonal(key: Any, n: int, shape: Any = (), dtype: Any = None, m: int | None = None) -> Any:
    """Uniformly distributed matrices with orthonormal columns, or rows where there are fewer; unitary for complex dtypes.

    Args:
        key: a key.
        n: number of rows.
        shape: shape of the batch of matrices.
        dtype: floating or complex; float64 by default.
        m: number of columns; ``n`` by default.

    Source: Mezzadri (2007), How to generate random matrices from the classical compact groups, arXiv:math-ph/0609050.
    """
    n = static_int(n, "random.orthogonal", "n")
    m = n if m is None else static_int(m, "random.orthogonal", "m")
    new_shape((n, m), "random.orthogonal")
    shape, dtype = shape_for(shape, "orthogonal"), inexact_kind(dtype, "orthogonal")
    return _orthogonal(one_key(key, "orthogonal"), shape=shape, dtype=dtype, n=n, m=m)
