"""The Dirichlet distribution of points of a simplex."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

import weft.numpy as wnp
from weft.ir.errors import ShapeError
from weft.scipy.pointwise import pointwise
from weft.scipy.special import gammaln, xlogy

__all__ = ["logpdf", "pdf"]

_stats = pointwise("scipy.stats.dirichlet")


@_stats
def logpdf(x: Any, alpha: Any) -> Any:
    """Logarithm of the density.

    Args:
        x: points along the last axes, with their coordinates along the first: as many as ``alpha`` has, or one less, which is
            then what makes their sum 1. The density is 0 at points that are not of the simplex.
        alpha: concentrations, one axis.
    """
    if alpha.ndim != 1 or x.ndim < 1 or x.shape[0] not in (alpha.shape[0], alpha.shape[0] - 1):
        raise ShapeError(
            f"scipy.stats.dirichlet: alpha has one axis and x as many coordinates, or one less, along its first; got shapes "
            f"{alpha.shape} and {x.shape}."
        )
    if x.shape[0] != alpha.shape[0]:
        x = wnp.concatenate([x, 1 - wnp.sum(x, axis=0, keepdims=True)])
    weights = wnp.reshape(alpha, (-1, *[1] * (x.ndim - 1)))
    # What rounding leaves of a sum that is 1.
    slack = 10 * x.shape[0] * float(np.finfo(x.dtype).eps)
    inside = wnp.all(x >= 0, axis=0) & (wnp.abs(wnp.sum(x, axis=0) - 1) <= slack)
    safe = wnp.where(inside, x, 1 / x.shape[0])
    value = wnp.sum(xlogy(weights - 1, safe), axis=0) + gammaln(wnp.sum(alpha)) - wnp.sum(gammaln(alpha))
    return wnp.where(
        inside, value, wnp.where(wnp.any(wnp.isnan(x), axis=0), math.nan, -math.inf).astype(x.dtype)
    )


@_stats
def pdf(x: Any, alpha: Any) -> Any:
    """The density; arguments as `logpdf`'s."""
    return wnp.exp(logpdf(x, alpha))
