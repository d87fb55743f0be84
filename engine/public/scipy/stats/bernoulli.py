"""The Bernoulli distribution: 1 with probability ``p``, else 0."""

from __future__ import annotations

import math
from typing import Any

import weft.numpy as wnp
from weft.scipy.pointwise import pointwise

__all__ = ["cdf", "logpmf", "pmf", "ppf"]

_stats = pointwise("scipy.stats.bernoulli")


@_stats
def logpmf(k: Any, p: Any, loc: Any = 0) -> Any:
    """Logarithm of the probability of ``k``."""
    j = k - loc
    hits = wnp.where(j == 1, wnp.log(p), wnp.log1p(-p))
    value = wnp.where((j == 0) | (j == 1) | wnp.isnan(j), hits, -math.inf)
    return wnp.where(wnp.isnan(j) | ~((p >= 0) & (p <= 1)), math.nan, value)


@_stats
def pmf(k: Any, p: Any, loc: Any = 0) -> Any:
    """The probability of ``k``."""
    return wnp.exp(logpmf(k, p, loc))


@_stats
def cdf(k: Any, p: Any, loc: Any = 0) -> Any:
    """The distribution function."""
    j = k - loc
    value = wnp.where(j < 0, 0 * p, wnp.where(j < 1, 1 - p, 1 + 0 * p))
    return wnp.where(wnp.isnan(j) | ~((p >= 0) & (p <= 1)), math.nan, value)


@_stats
def ppf(q: Any, p: Any) -> Any:
    """The smallest number up to which the probability is at least ``q``."""
    value = wnp.where(q == 0, -1.0, wnp.where(q <= 1 - p, 0.0, 1.0))
    bad = ~((q >= 0) & (q <= 1) & (p >= 0) & (p <= 1))
    return wnp.where(bad, math.nan, value).astype(q.dtype)
