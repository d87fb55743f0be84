"""The logistic distribution."""

from __future__ import annotations

from typing import Any

import weft.numpy as wnp
from weft.scipy.pointwise import pointwise
from weft.scipy.special import expit, logit

__all__ = ["cdf", "isf", "logcdf", "logpdf", "logsf", "pdf", "ppf", "sf"]

_stats = pointwise("scipy.stats.logistic")


@_stats
def logpdf(x: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """Logarithm of the density."""
    half = 0.5 * (x - loc) / scale
    return -2 * wnp.logaddexp(half, -half) - wnp.log(scale)


@_stats
def pdf(x: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """The density."""
    return wnp.exp(logpdf(x, loc, scale))


@_stats
def cdf(x: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """The distribution function."""
    return expit((x - loc) / scale)


@_stats
def logcdf(x: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """Logarithm of the distribution function."""
    z = (x - loc) / scale
    return -wnp.logaddexp(wnp.zeros_like(z), -z)


@_stats
def sf(x: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """The survival function, ``1 - cdf``."""
    return expit((loc - x) / scale)


@_stats
def logsf(x: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """Logarithm of the survival function."""
    z = (x - loc) / scale
    return -wnp.logaddexp(wnp.zeros_like(z), z)


@_stats
def ppf(q: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """The quantile: the inverse of `cdf`."""
    return loc + scale * logit(q)


@_stats
def isf(q: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """The inverse of `sf`."""
    return loc - scale * logit(q)
