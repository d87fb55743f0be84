"""The multinomial distribution of counts."""

from __future__ import annotations

import math
from typing import Any

import weft.numpy as wnp
from weft.ir.errors import ShapeError
from weft.scipy.pointwise import pointwise
from weft.scipy.special import gammaln, xlogy

__all__ = ["logpmf", "pmf"]

_stats = pointwise("scipy.stats.multinomial")


@_stats
def logpmf(x: Any, n: Any, p: Any) -> Any:
    """Logarithm of the probability of counts.

    Args:
        x: counts of each outcome along the last axis; the probability is 0 where their sum is not ``n``.
        n: number of trials.
        p: probabilities of the outcomes along the last axis.
    """
    if x.ndim < 1 or p.ndim < 1 or x.shape[-1] != p.shape[-1]:
        raise ShapeError(
            f"scipy.stats.multinomial: x and p have as many outcomes along the last axis, got {x.shape} and {p.shape}."
        )
    whole = wnp.all((x >= 0) & (x == wnp.floor(x)), axis=-1)
    possible = whole & (wnp.sum(x, axis=-1) == n)
    safe = wnp.where(possible[..., None], x, 1)
    value = gammaln(n + 1) + wnp.sum(xlogy(safe, p) - gammaln(safe + 1), axis=-1)
    return wnp.where(
        possible, value, wnp.where(wnp.any(wnp.isnan(x), axis=-1), math.nan, -math.inf).astype(x.dtype)
    )


@_stats
def pmf(x: Any, n: Any, p: Any) -> Any:
    """The probability of counts; arguments as `logpmf`'s."""
    return wnp.exp(logpmf(x, n, p))
