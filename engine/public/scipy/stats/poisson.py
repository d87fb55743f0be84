"""The Poisson distribution with mean ``mu``."""

from __future__ import annotations

import math
from typing import Any

import weft.numpy as wnp
from weft.scipy.pointwise import guarded, pointwise
from weft.scipy.special import gammainc, gammaincc, gammaln, xlogy
from weft.scipy.stats.support import not_whole, on_support

__all__ = ["cdf", "entropy", "logcdf", "logpmf", "logsf", "pmf", "sf"]

_stats = pointwise("scipy.stats.poisson")


@_stats
def logpmf(k: Any, mu: Any, loc: Any = 0) -> Any:
    """Logarithm of the probability of ``k``."""
    j = k - loc
    return on_support((j < 0) | not_whole(j), j, 0, lambda j: xlogy(j, mu) - gammaln(j + 1) - mu, -math.inf)


@_stats
def pmf(k: Any, mu: Any, loc: Any = 0) -> Any:
    """The probability of ``k``."""
    return wnp.exp(logpmf(k, mu, loc))


@_stats
def cdf(k: Any, mu: Any, loc: Any = 0) -> Any:
    """The distribution function."""
    j = wnp.floor(k - loc)
    return on_support(j < 0, j, 0, lambda j: gammaincc(j + 1, mu), 0)


@_stats
def logcdf(k: Any, mu: Any, loc: Any = 0) -> Any:
    """Logarithm of the distribution function."""
    return wnp.log(cdf(k, mu, loc))


@_stats
def sf(k: Any, mu: Any, loc: Any = 0) -> Any:
    """The survival function, ``1 - cdf``."""
    j = wnp.floor(k - loc)
    return on_support(j < 0, j, 0, lambda j: gammainc(j + 1, mu), 1)


@_stats
def logsf(k: Any, mu: Any, loc: Any = 0) -> Any:
    """Logarithm of the survival function."""
    return wnp.log(sf(k, mu, loc))


_LARGE, _TERMS = 100.0, 260


@_stats
def entropy(mu: Any, loc: Any = 0) -> Any:
    """The entropy; NaN where ``mu`` is negative.

    Source: the sum over the support where ``mu`` is below 100, and the asymptotic series (Evans and Boersma, "The entropy of a
    Poisson distribution", SIAM Review 30, 1988) from there on.
    """
    near = (mu > 0) & (mu < _LARGE)
    mean = guarded(near, mu, 1)[..., None]
    counts = wnp.arange(_TERMS, dtype=mu.dtype)
    logs = counts * wnp.log(mean) - mean - gammaln(counts + 1)
    direct = -wnp.sum(wnp.exp(logs) * logs, axis=-1)
    inverse = 1 / guarded(mu >= _LARGE, mu, _LARGE)
    series = inverse * (
        1 / 12 + inverse * (1 / 24 + inverse * (19 / 360 + inverse * (9 / 80 + inverse * (863 / 2520))))
    )
    far = 0.5 * (1 + math.log(2 * math.pi) - wnp.log(inverse)) - series
    value = wnp.where(near, direct, wnp.where(mu == 0, 0 * loc, far))
    return wnp.where((mu >= 0) & ~wnp.isnan(loc), value, math.nan)
