"""The Laplace distribution."""

from __future__ import annotations

from typing import Any

import weft.numpy as wnp
from weft.scipy.pointwise import guarded, pointwise
from weft.scipy.stats.support import probability

__all__ = ["cdf", "isf", "logcdf", "logpdf", "logsf", "pdf", "ppf", "sf"]

_stats = pointwise("scipy.stats.laplace")


@_stats
def logpdf(x: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """Logarithm of the density."""
    return -wnp.abs((x - loc) / scale) - wnp.log(2 * scale)


@_stats
def pdf(x: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """The density."""
    return wnp.exp(logpdf(x, loc, scale))


@_stats
def cdf(x: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """The distribution function."""
    return _below((x - loc) / scale)


@_stats
def logcdf(x: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """Logarithm of the distribution function."""
    return wnp.log(cdf(x, loc, scale))


@_stats
def sf(x: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """The survival function, ``1 - cdf``."""
    return _below((loc - x) / scale)


@_stats
def logsf(x: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """Logarithm of the survival function."""
    return wnp.log(sf(x, loc, scale))


@_stats
def ppf(q: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """The quantile: the inverse of `cdf`."""
    return loc + scale * probability(q, _quantile)


@_stats
def isf(q: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """The inverse of `sf`."""
    return loc - scale * probability(q, _quantile)


def _below(z: Any) -> Any:
    tail = 0.5 * wnp.exp(-wnp.abs(z))
    return wnp.where(z > 0, 1 - tail, tail)


def _quantile(p: Any) -> Any:
    below = p < 0.5
    return wnp.where(below, wnp.log(2 * guarded(below, p, 0.25)), -wnp.log(2 - 2 * guarded(~below, p, 0.75)))
