"""The exponential distribution."""

from __future__ import annotations

import math
from typing import Any

import weft.numpy as wnp
from weft.scipy.pointwise import pointwise
from weft.scipy.stats.support import between, log1mexp, on_support, probability

__all__ = ["cdf", "isf", "logcdf", "logpdf", "logsf", "pdf", "ppf", "sf"]

_stats = pointwise("scipy.stats.expon")


@_stats
def logpdf(x: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """Logarithm of the density."""
    z = (x - loc) / scale
    return on_support(z < 0, z, 1, lambda z: -z, -math.inf) - wnp.log(scale)


@_stats
def pdf(x: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """The density."""
    return wnp.exp(logpdf(x, loc, scale))


@_stats
def cdf(x: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """The distribution function."""
    return between((x - loc) / scale, 0, math.inf, lambda z: -wnp.expm1(-z))


@_stats
def logcdf(x: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """Logarithm of the distribution function."""
    z = (x - loc) / scale
    return on_support(z <= 0, z, 1, log1mexp, -math.inf)


@_stats
def sf(x: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """The survival function, ``1 - cdf``."""
    return wnp.exp(logsf(x, loc, scale))


@_stats
def logsf(x: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """Logarithm of the survival function."""
    z = (x - loc) / scale
    return on_support(z < 0, z, 1, lambda z: -z, 0)


@_stats
def ppf(q: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """The quantile: the inverse of `cdf`."""
    return loc + scale * probability(q, lambda p: -wnp.log1p(-p))


@_stats
def isf(q: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """The inverse of `sf`."""
    return loc + scale * probability(q, lambda p: -wnp.log(p))
