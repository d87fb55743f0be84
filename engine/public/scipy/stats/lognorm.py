"""The distribution of ``exp(s z)`` for normal z."""

from __future__ import annotations

import math
from typing import Any

import weft.numpy as wnp
from weft.scipy.pointwise import pointwise
from weft.scipy.stats import norm
from weft.scipy.stats.support import on_support

__all__ = ["cdf", "isf", "logcdf", "logpdf", "logsf", "pdf", "ppf", "sf"]

_stats = pointwise("scipy.stats.lognorm")


@_stats
def logpdf(x: Any, s: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """Logarithm of the density."""
    z = (x - loc) / scale
    inside = on_support(z <= 0, z, 1, lambda z: norm.logpdf(wnp.log(z), 0, s) - wnp.log(z), -math.inf)
    return inside - wnp.log(scale)


@_stats
def pdf(x: Any, s: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """The density."""
    return wnp.exp(logpdf(x, s, loc, scale))


@_stats
def cdf(x: Any, s: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """The distribution function."""
    z = (x - loc) / scale
    return on_support(z <= 0, z, 1, lambda z: norm.cdf(wnp.log(z), 0, s), 0)


@_stats
def logcdf(x: Any, s: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """Logarithm of the distribution function."""
    z = (x - loc) / scale
    return on_support(z <= 0, z, 1, lambda z: norm.logcdf(wnp.log(z), 0, s), -math.inf)


@_stats
def sf(x: Any, s: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """The survival function, ``1 - cdf``."""
    z = (x - loc) / scale
    return on_support(z <= 0, z, 1, lambda z: norm.sf(wnp.log(z), 0, s), 1)


@_stats
def logsf(x: Any, s: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """Logarithm of the survival function."""
    z = (x - loc) / scale
    return on_support(z <= 0, z, 1, lambda z: norm.logsf(wnp.log(z), 0, s), 0)


@_stats
def ppf(q: Any, s: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """The quantile: the inverse of `cdf`."""
    return loc + scale * wnp.exp(norm.ppf(q, 0, s))


@_stats
def isf(q: Any, s: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """The inverse of `sf`."""
    return loc + scale * wnp.exp(norm.isf(q, 0, s))
