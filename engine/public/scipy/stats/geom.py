"""The geometric distribution: trials up to the first success, which has probability ``p``."""

from __future__ import annotations

import math
from typing import Any

import weft.numpy as wnp
from weft.scipy.pointwise import pointwise
from weft.scipy.special import xlog1py
from weft.scipy.stats.support import not_whole, on_support

__all__ = ["cdf", "logcdf", "logpmf", "logsf", "pmf", "sf"]

_stats = pointwise("scipy.stats.geom")


@_stats
def logpmf(k: Any, p: Any, loc: Any = 0) -> Any:
    """Logarithm of the probability of ``k``."""
    j = k - loc
    return on_support((j < 1) | not_whole(j), j, 1, lambda j: xlog1py(j - 1, -p) + wnp.log(p), -math.inf)


@_stats
def pmf(k: Any, p: Any, loc: Any = 0) -> Any:
    """The probability of ``k``."""
    return wnp.exp(logpmf(k, p, loc))


@_stats
def cdf(k: Any, p: Any, loc: Any = 0) -> Any:
    """The distribution function."""
    j = wnp.floor(k - loc)
    return on_support(j < 1, j, 1, lambda j: -wnp.expm1(xlog1py(j, -p)), 0)


@_stats
def logcdf(k: Any, p: Any, loc: Any = 0) -> Any:
    """Logarithm of the distribution function."""
    return wnp.log(cdf(k, p, loc))


@_stats
def sf(k: Any, p: Any, loc: Any = 0) -> Any:
    """The survival function, ``1 - cdf``."""
    return wnp.exp(logsf(k, p, loc))


@_stats
def logsf(k: Any, p: Any, loc: Any = 0) -> Any:
    """Logarithm of the survival function."""
    j = wnp.floor(k - loc)
    return on_support(j < 1, j, 1, lambda j: xlog1py(j, -p), 0)
