"""The normal distribution of vectors."""

from __future__ import annotations

import math
from typing import Any

import weft.numpy as wnp
from weft.ir.errors import ArgumentError, ShapeError
from weft.scipy.linalg import solve_triangular
from weft.scipy.pointwise import pointwise

__all__ = ["logpdf", "pdf"]

_stats = pointwise("scipy.stats.multivariate_normal")


def logpdf(x: Any, mean: Any, cov: Any, allow_singular: None = None) -> Any:
    """Logarithm of the density.

    Args:
        x: vectors along the last axis; numbers, where ``mean`` is one.
        mean: vectors along the last axis, or a number.
        cov: matrices over the last two axes, positive definite, or a number that multiplies the identity.
        allow_singular: must be ``None``.
    """
    if allow_singular is not None:
        raise ArgumentError(
            "scipy.stats.multivariate_normal: there is no allow_singular; the covariance is positive definite."
        )
    return _logpdf(x, mean, cov)


@_stats
def pdf(x: Any, mean: Any, cov: Any) -> Any:
    """The density; arguments as `logpdf`'s."""
    return wnp.exp(logpdf(x, mean, cov))


@_stats
def _logpdf(x: Any, mean: Any, cov: Any) -> Any:
    distance = x - mean
    if mean.ndim == 0:
        return -0.5 * (distance * distance / cov + math.log(2 * math.pi) + wnp.log(cov))
    n = mean.shape[-1]
    if cov.ndim == 0:
        square, log_det = wnp.sum(distance * distance, axis=-1) / cov, n * wnp.log(cov)
    elif cov.ndim < 2 or cov.shape[-2:] != (n, n):
        raise ShapeError(
            f"scipy.stats.multivariate_normal: for a mean of shape {mean.shape} the covariance has shape (..., {n}, {n}), "
            f"got {cov.shape}."
        )
    else:
        factor = wnp.linalg.cholesky(cov)
        if cov.ndim == 2:
            rows = wnp.reshape(distance, (-1, n))
            scaled = wnp.reshape(solve_triangular(factor, rows.T, lower=True).T, distance.shape)
        else:
            shape = wnp.broadcast_shapes(distance.shape[:-1], cov.shape[:-2])
            factors = wnp.broadcast_to(factor, (*shape, n, n))
            right = wnp.broadcast_to(distance, (*shape, n))[..., None]
            scaled = solve_triangular(factors, right, lower=True)[..., 0]
        square = wnp.sum(scaled * scaled, axis=-1)
        log_det = 2 * wnp.sum(wnp.log(wnp.diagonal(factor, axis1=-2, axis2=-1)), axis=-1)
    return -0.5 * (square + n * math.log(2 * math.pi) + log_det)
