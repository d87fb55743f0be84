"""The Gumbel distribution of largest values."""

from __future__ import annotations

from typing import Any

import weft.numpy as wnp
from weft.scipy.pointwise import pointwise
from weft.scipy.stats.support import log1mexp, probability

__all__ = ["cdf", "isf", "logcdf", "logpdf", "logsf", "pdf", "ppf", "sf"]

_stats = pointwise("scipy.stats.gumbel_r")


@_stats
def logpdf(x: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """Logarithm of the density."""
    z = (x - loc) / scale
    return -z - wnp.exp(-z) - wnp.log(scale)


@_stats
def pdf(x: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """The density."""
    return wnp.exp(logpdf(x, loc, scale))


@_stats
def cdf(x: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """The distribution function."""
    z = (x - loc) / scale
    return wnp.exp(-wnp.exp(-z))


@_stats
def logcdf(x: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """Logarithm of the distribution function."""
    z = (x - loc) / scale
    return -wnp.exp(-z)


@_stats
def sf(x: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """The survival function, ``1 - cdf``."""
    z = (x - loc) / scale
    return -wnp.expm1(-wnp.exp(-z))


@_stats
def logsf(x: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """Logarithm of the survival function."""
    z = (x - loc) / scale
    return log1mexp(wnp.exp(-z))


@_stats
def ppf(q: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """The quantile: the inverse of `cdf`."""
    return loc + scale * probability(q, lambda p: -wnp.log(-wnp.log(p)))


@_stats
def isf(q: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """The inverse of `sf`."""
    return loc + scale * probability(q, lambda p: -wnp.log(-wnp.log1p(-p)))
