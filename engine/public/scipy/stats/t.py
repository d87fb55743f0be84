"""Student's t distribution with ``df`` degrees of freedom."""

from __future__ import annotations

from typing import Any

import weft.numpy as wnp
from weft.scipy.pointwise import guarded, pointwise
from weft.scipy.special import betainc, betaln

__all__ = ["cdf", "logcdf", "logpdf", "logsf", "pdf", "sf"]

_stats = pointwise("scipy.stats.t")


@_stats
def logpdf(x: Any, df: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """Logarithm of the density."""
    z = (x - loc) / scale
    return -betaln(0.5, df / 2) - 0.5 * wnp.log(df) - 0.5 * (df + 1) * wnp.log1p(z * z / df) - wnp.log(scale)


@_stats
def pdf(x: Any, df: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """The density."""
    return wnp.exp(logpdf(x, df, loc, scale))


@_stats
def cdf(x: Any, df: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """The distribution function."""
    return _below((x - loc) / scale, df)


@_stats
def logcdf(x: Any, df: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """Logarithm of the distribution function."""
    return wnp.log(cdf(x, df, loc, scale))


@_stats
def sf(x: Any, df: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """The survival function, ``1 - cdf``."""
    return _below((loc - x) / scale, df)


@_stats
def logsf(x: Any, df: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """Logarithm of the survival function."""
    return wnp.log(sf(x, df, loc, scale))


def _below(z: Any, df: Any) -> Any:
    """The probability below ``z``: half an incomplete beta function, on the side that keeps its digits."""
    square = z * z
    center = square < df
    near = 0.5 * betainc(0.5, 0.5 * df, square / (df + square))
    tail = 0.5 * betainc(0.5 * df, 0.5, df / (df + guarded(~center, square, 1)))
    far = wnp.where(z > 0, 1 - tail, tail)
    return wnp.where(center, 0.5 + wnp.sign(z) * near, far)
