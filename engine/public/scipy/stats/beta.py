"""The beta distribution with shapes ``a`` and ``b``."""

from __future__ import annotations

import math
from typing import Any

import weft.numpy as wnp
from weft.scipy.pointwise import pointwise
from weft.scipy.special import betainc, betaln, xlog1py, xlogy
from weft.scipy.stats.support import between, on_support

__all__ = ["cdf", "logcdf", "logpdf", "logsf", "pdf", "sf"]

_stats = pointwise("scipy.stats.beta")


@_stats
def logpdf(x: Any, a: Any, b: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """Logarithm of the density."""
    z = (x - loc) / scale
    powers = on_support((z < 0) | (z > 1), z, 0.5, lambda z: xlogy(a - 1, z) + xlog1py(b - 1, -z), -math.inf)
    return powers - betaln(a, b) - wnp.log(scale)


@_stats
def pdf(x: Any, a: Any, b: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """The density."""
    return wnp.exp(logpdf(x, a, b, loc, scale))


@_stats
def cdf(x: Any, a: Any, b: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """The distribution function."""
    return between((x - loc) / scale, 0, 1, lambda z: betainc(a, b, z))


@_stats
def logcdf(x: Any, a: Any, b: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """Logarithm of the distribution function."""
    return wnp.log(cdf(x, a, b, loc, scale))


@_stats
def sf(x: Any, a: Any, b: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """The survival function, ``1 - cdf``."""
    return between((scale - (x - loc)) / scale, 0, 1, lambda z: betainc(b, a, z))


@_stats
def logsf(x: Any, a: Any, b: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """Logarithm of the survival function."""
    return wnp.log(sf(x, a, b, loc, scale))
