"""The Pareto distribution with shape ``b``."""

from __future__ import annotations

import math
from typing import Any

import weft.numpy as wnp
from weft.scipy.pointwise import pointwise
from weft.scipy.stats.support import between, log1mexp, on_support, probability

__all__ = ["cdf", "isf", "logcdf", "logpdf", "logsf", "pdf", "ppf", "sf"]

_stats = pointwise("scipy.stats.pareto")


@_stats
def logpdf(x: Any, b: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """Logarithm of the density."""
    z = (x - loc) / scale
    return on_support(z < 1, z, 2, lambda z: -(b + 1) * wnp.log(z), -math.inf) + wnp.log(b) - wnp.log(scale)


@_stats
def pdf(x: Any, b: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """The density."""
    return wnp.exp(logpdf(x, b, loc, scale))


@_stats
def cdf(x: Any, b: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """The distribution function."""
    return between((x - loc) / scale, 1, math.inf, lambda z: -wnp.expm1(-b * wnp.log(z)))


@_stats
def logcdf(x: Any, b: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """Logarithm of the distribution function."""
    z = (x - loc) / scale
    return on_support(z <= 1, z, 2, lambda z: log1mexp(b * wnp.log(z)), -math.inf)


@_stats
def sf(x: Any, b: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """The survival function, ``1 - cdf``."""
    return wnp.exp(logsf(x, b, loc, scale))


@_stats
def logsf(x: Any, b: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """Logarithm of the survival function."""
    z = (x - loc) / scale
    return on_support(z < 1, z, 2, lambda z: -b * wnp.log(z), 0)


@_stats
def ppf(q: Any, b: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """The quantile: the inverse of `cdf`."""
    return loc + scale * probability(q, lambda p: wnp.exp(-wnp.log1p(-p) / b))


@_stats
def isf(q: Any, b: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """The inverse of `sf`."""
    return loc + scale * probability(q, lambda p: wnp.exp(-wnp.log(p) / b))
