"""The Cauchy distribution."""

from __future__ import annotations

import math
from typing import Any

import weft.numpy as wnp
from weft.scipy.pointwise import pointwise
from weft.scipy.stats.support import probability

__all__ = ["cdf", "isf", "logcdf", "logpdf", "logsf", "pdf", "ppf", "sf"]

_stats = pointwise("scipy.stats.cauchy")


@_stats
def logpdf(x: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """Logarithm of the density."""
    z = (x - loc) / scale
    return -math.log(math.pi) - wnp.log(scale) - wnp.log1p(z * z)


@_stats
def pdf(x: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """The density."""
    return wnp.exp(logpdf(x, loc, scale))


@_stats
def cdf(x: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """The distribution function."""
    return wnp.arctan2(wnp.ones_like(x), (loc - x) / scale) / math.pi


@_stats
def logcdf(x: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """Logarithm of the distribution function."""
    return wnp.log(cdf(x, loc, scale))


@_stats
def sf(x: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """The survival function, ``1 - cdf``."""
    return wnp.arctan2(wnp.ones_like(x), (x - loc) / scale) / math.pi


@_stats
def logsf(x: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """Logarithm of the survival function."""
    return wnp.log(sf(x, loc, scale))


@_stats
def ppf(q: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """The quantile: the inverse of `cdf`."""
    return loc + scale * probability(q, lambda p: wnp.tan(math.pi * (p - 0.5)))


@_stats
def isf(q: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """The inverse of `sf`."""
    return loc + scale * probability(q, lambda p: wnp.tan(math.pi * (0.5 - p)))
