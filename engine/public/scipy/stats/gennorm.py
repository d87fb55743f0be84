"""The generalised normal distribution, with density proportional to ``exp(-abs(x) ** beta)``."""

from __future__ import annotations

from typing import Any

import weft.numpy as wnp
from weft.scipy.pointwise import guarded, pointwise
from weft.scipy.special import gammaincc, gammaln

__all__ = ["cdf", "logcdf", "logpdf", "logsf", "pdf", "sf"]

_stats = pointwise("scipy.stats.gennorm")


@_stats
def logpdf(x: Any, beta: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """Logarithm of the density."""
    z = (x - loc) / scale
    return wnp.log(0.5 * beta) - gammaln(1 / beta) - _size(z, beta) - wnp.log(scale)


@_stats
def pdf(x: Any, beta: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """The density."""
    return wnp.exp(logpdf(x, beta, loc, scale))


@_stats
def cdf(x: Any, beta: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """The distribution function."""
    return _below((x - loc) / scale, beta)


@_stats
def logcdf(x: Any, beta: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """Logarithm of the distribution function."""
    return wnp.log(cdf(x, beta, loc, scale))


@_stats
def sf(x: Any, beta: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """The survival function, ``1 - cdf``."""
    return _below((loc - x) / scale, beta)


@_stats
def logsf(x: Any, beta: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """Logarithm of the survival function."""
    return wnp.log(sf(x, beta, loc, scale))


def _size(z: Any, beta: Any) -> Any:
    """``abs(z) ** beta``, with derivative 0 at 0."""
    away = z != 0
    return wnp.where(away, wnp.abs(guarded(away, z, 1)) ** beta, 0)


def _below(z: Any, beta: Any) -> Any:
    tail = 0.5 * gammaincc(1 / beta, _size(z, beta))
    return wnp.where(z > 0, 1 - tail, tail)
