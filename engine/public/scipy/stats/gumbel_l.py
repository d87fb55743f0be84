"""The Gumbel distribution of smallest values: the mirror image of that of largest values."""

from __future__ import annotations

from typing import Any

from weft.scipy.pointwise import pointwise
from weft.scipy.stats import gumbel_r

__all__ = ["cdf", "isf", "logcdf", "logpdf", "logsf", "pdf", "ppf", "sf"]

_stats = pointwise("scipy.stats.gumbel_l")


@_stats
def logpdf(x: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """Logarithm of the density."""
    return gumbel_r.logpdf(-x, -loc, scale)


@_stats
def pdf(x: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """The density."""
    return gumbel_r.pdf(-x, -loc, scale)


@_stats
def cdf(x: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """The distribution function."""
    return gumbel_r.sf(-x, -loc, scale)


@_stats
def logcdf(x: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """Logarithm of the distribution function."""
    return gumbel_r.logsf(-x, -loc, scale)


@_stats
def sf(x: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """The survival function, ``1 - cdf``."""
    return gumbel_r.cdf(-x, -loc, scale)


@_stats
def logsf(x: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """Logarithm of the survival function."""
    return gumbel_r.logcdf(-x, -loc, scale)


@_stats
def ppf(q: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """The quantile: the inverse of `cdf`."""
    return -gumbel_r.isf(q, -loc, scale)


@_stats
def isf(q: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """The inverse of `sf`."""
    return -gumbel_r.ppf(q, -loc, scale)
