"""The von Mises distribution on the circle, with concentration ``kappa``."""

from __future__ import annotations

import math
from typing import Any

import weft.numpy as wnp
from weft.scipy.pointwise import pointwise
from weft.scipy.special import i0e

__all__ = ["logpdf", "pdf"]

_stats = pointwise("scipy.stats.vonmises")


@_stats
def logpdf(x: Any, kappa: Any) -> Any:
    """Logarithm of the density."""
    return kappa * (wnp.cos(x) - 1) - wnp.log(2 * math.pi * i0e(kappa))


@_stats
def pdf(x: Any, kappa: Any) -> Any:
    """The density."""
    return wnp.exp(logpdf(x, kappa))
