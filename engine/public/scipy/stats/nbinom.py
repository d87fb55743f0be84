"""The negative binomial distribution: failures before ``n`` successes, each with probability ``p``."""

from __future__ import annotations

import math
from typing import Any

import weft.numpy as wnp
from weft.scipy.pointwise import pointwise
from weft.scipy.special import betainc, betaln, xlog1py, xlogy
from weft.scipy.stats.support import not_whole, on_support

__all__ = ["cdf", "logcdf", "logpmf", "logsf", "pmf", "sf"]

_stats = pointwise("scipy.stats.nbinom")


@_stats
def logpmf(k: Any, n: Any, p: Any, loc: Any = 0) -> Any:
    """Logarithm of the probability of ``k``."""
    j = k - loc

    def formula(j: Any) -> Any:
        # gamma(j + n) / (gamma(n) gamma(j + 1)), where j and n may be large
        ways = -wnp.log(j + n) - betaln(n, j + 1)
        return ways + xlogy(n, p) + xlog1py(j, -p)

    return on_support((j < 0) | not_whole(j), j, 0, formula, -math.inf)


@_stats
def pmf(k: Any, n: Any, p: Any, loc: Any = 0) -> Any:
    """The probability of ``k``."""
    return wnp.exp(logpmf(k, n, p, loc))


@_stats
def cdf(k: Any, n: Any, p: Any, loc: Any = 0) -> Any:
    """The distribution function."""
    j = wnp.floor(k - loc)
    return on_support(j < 0, j, 0, lambda j: betainc(n, j + 1, p), 0)


@_stats
def logcdf(k: Any, n: Any, p: Any, loc: Any = 0) -> Any:
    """Logarithm of the distribution function."""
    return wnp.log(cdf(k, n, p, loc))


@_stats
def sf(k: Any, n: Any, p: Any, loc: Any = 0) -> Any:
    """The survival function, ``1 - cdf``."""
    j = wnp.floor(k - loc)
    return on_support(j < 0, j, 0, lambda j: betainc(j + 1, n, 1 - p), 1)


@_stats
def logsf(k: Any, n: Any, p: Any, loc: Any = 0) -> Any:
    """Logarithm of the survival function."""
    return wnp.log(sf(k, n, p, loc))
