"""The Cauchy distribution wrapped around the circle, from 0 to 2 pi, with concentration ``c``."""

from __future__ import annotations

import math
from typing import Any

import weft.numpy as wnp
from weft.scipy.pointwise import guarded, pointwise

__all__ = ["logpdf", "pdf"]

_stats = pointwise("scipy.stats.wrapcauchy")


@_stats
def logpdf(x: Any, c: Any) -> Any:
    """Logarithm of the density."""
    outside = (x < 0) | (x > 2 * math.pi)
    # Of 1 + c**2 - 2 c cos(x), in terms that are not negative
    spread = (1 - c) ** 2 + 4 * c * wnp.sin(0.5 * guarded(~outside, x, 1)) ** 2
    value = wnp.log((1 - c) * (1 + c) / (2 * math.pi)) - wnp.log(spread)
    return wnp.where((c > 0) & (c < 1), wnp.where(outside, -math.inf, value), math.nan)


@_stats
def pdf(x: Any, c: Any) -> Any:
    """The density."""
    return wnp.exp(logpdf(x, c))
