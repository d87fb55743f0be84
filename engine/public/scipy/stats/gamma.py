"""The gamma distribution with shape ``a``."""

from __future__ import annotations

import math
from typing import Any

import weft.numpy as wnp
from weft.scipy.pointwise import pointwise
from weft.scipy.special import gammainc, gammaincc, gammaln, xlogy
from weft.scipy.stats.support import between, on_support

__all__ = ["cdf", "logcdf", "logpdf", "logsf", "pdf", "sf"]

_stats = pointwise("scipy.stats.gamma")


@_stats
def logpdf(x: Any, a: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """Logarithm of the density."""
    z = (x - loc) / scale
    return on_support(z < 0, z, 1, lambda z: xlogy(a - 1, z) - z, -math.inf) - gammaln(a) - wnp.log(scale)


@_stats
def pdf(x: Any, a: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """The density."""
    return wnp.exp(logpdf(x, a, loc, scale))


@_stats
def cdf(x: Any, a: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """The distribution function."""
    return between((x - loc) / scale, 0, math.inf, lambda z: gammainc(a, z))


@_stats
def logcdf(x: Any, a: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """Logarithm of the distribution function."""
    return wnp.log(cdf(x, a, loc, scale))


@_stats
def sf(x: Any, a: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """The survival function, ``1 - cdf``."""
    return 1 - between((x - loc) / scale, 0, math.inf, lambda z: 1 - gammaincc(a, z))


@_stats
def logsf(x: Any, a: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """Logarithm of the survival function."""
    return wnp.log(sf(x, a, loc, scale))
