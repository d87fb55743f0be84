"""The binomial distribution of ``n`` trials that succeed with probability ``p``."""

from __future__ import annotations

import math
from typing import Any

import weft.numpy as wnp
from weft.scipy.pointwise import guarded, pointwise
from weft.scipy.special import betainc, betaln, xlog1py, xlogy
from weft.scipy.stats.support import not_whole, on_support

__all__ = ["cdf", "logcdf", "logpmf", "pmf", "sf"]

_stats = pointwise("scipy.stats.binom")


@_stats
def logpmf(k: Any, n: Any, p: Any, loc: Any = 0) -> Any:
    """Logarithm of the probability of ``k``."""
    j = k - loc
    outside = (j < 0) | (j > n) | not_whole(j)

    def formula(j: Any) -> Any:
        ways = -wnp.log1p(n) - betaln(n - j + 1, j + 1)
        return ways + xlogy(j, p) + xlog1py(n - j, -p)

    return on_support(outside, j, 0, formula, -math.inf)


@_stats
def pmf(k: Any, n: Any, p: Any, loc: Any = 0) -> Any:
    """The probability of ``k``."""
    return wnp.exp(logpmf(k, n, p, loc))


@_stats
def cdf(k: Any, n: Any, p: Any, loc: Any = 0) -> Any:
    """The distribution function."""
    j = wnp.floor(k - loc)
    return _at_most(j, n, p)


@_stats
def logcdf(k: Any, n: Any, p: Any, loc: Any = 0) -> Any:
    """Logarithm of the distribution function."""
    return wnp.log(cdf(k, n, p, loc))


@_stats
def sf(k: Any, n: Any, p: Any, loc: Any = 0) -> Any:
    """The survival function, ``1 - cdf``."""
    return 1 - cdf(k, n, p, loc)


def _at_most(j: Any, n: Any, p: Any) -> Any:
    inside = (j >= 0) & (j < n)
    part = betainc(guarded(inside, n - j, 1), guarded(inside, j, 0) + 1, 1 - p)
    edge = wnp.where(j < 0, 0.0, wnp.where(wnp.isnan(j), math.nan, 1.0))
    return wnp.where(inside, part, edge).astype(part.dtype)
