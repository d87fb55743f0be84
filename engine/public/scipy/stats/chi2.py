"""The chi-squared distribution with ``df`` degrees of freedom: a gamma distribution."""

from __future__ import annotations

from typing import Any

from weft.scipy.pointwise import pointwise
from weft.scipy.stats import gamma

__all__ = ["cdf", "logcdf", "logpdf", "logsf", "pdf", "sf"]

_stats = pointwise("scipy.stats.chi2")


@_stats
def logpdf(x: Any, df: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """Logarithm of the density."""
    return gamma.logpdf(x, df / 2, loc, 2 * scale)


@_stats
def pdf(x: Any, df: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """The density."""
    return gamma.pdf(x, df / 2, loc, 2 * scale)


@_stats
def cdf(x: Any, df: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """The distribution function."""
    return gamma.cdf(x, df / 2, loc, 2 * scale)


@_stats
def logcdf(x: Any, df: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """Logarithm of the distribution function."""
    return gamma.logcdf(x, df / 2, loc, 2 * scale)


@_stats
def sf(x: Any, df: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """The survival function, ``1 - cdf``."""
    return gamma.sf(x, df / 2, loc, 2 * scale)


@_stats
def logsf(x: Any, df: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """Logarithm of the survival function."""
    return gamma.logsf(x, df / 2, loc, 2 * scale)
