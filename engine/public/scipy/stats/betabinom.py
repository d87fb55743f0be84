"""The binomial distribution of ``n`` trials whose probability has a beta distribution."""

from __future__ import annotations

import math
from typing import Any

import weft.numpy as wnp
from weft.scipy.pointwise import pointwise
from weft.scipy.special import betaln
from weft.scipy.stats.support import not_whole, on_support

__all__ = ["logpmf", "pmf"]

_stats = pointwise("scipy.stats.betabinom")


@_stats
def logpmf(k: Any, n: Any, a: Any, b: Any, loc: Any = 0) -> Any:
    """Logarithm of the probability of ``k``."""
    j = k - loc
    outside = (j < 0) | (j > n) | not_whole(j)

    def formula(j: Any) -> Any:
        ways = -wnp.log1p(n) - betaln(n - j + 1, j + 1)
        return ways + betaln(j + a, n - j + b) - betaln(a, b)

    return on_support(outside, j, 0, formula, -math.inf)


@_stats
def pmf(k: Any, n: Any, a: Any, b: Any, loc: Any = 0) -> Any:
    """The probability of ``k``."""
    return wnp.exp(logpmf(k, n, a, b, loc))
