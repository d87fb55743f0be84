"""The normal distribution cut to ``a`` and ``b``, which count from ``loc`` in units of ``scale``."""

from __future__ import annotations

import math
from typing import Any

import weft.numpy as wnp
from weft.scipy.pointwise import guarded, pointwise
from weft.scipy.special import log_ndtr, ndtr
from weft.scipy.stats import norm
from weft.scipy.stats.support import log1mexp, on_support

__all__ = ["cdf", "logcdf", "logpdf", "logsf", "pdf", "sf"]

_stats = pointwise("scipy.stats.truncnorm")


@_stats
def logpdf(x: Any, a: Any, b: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """Logarithm of the density."""
    z = (x - loc) / scale
    inside = on_support((z < a) | (z > b), z, 0, lambda z: norm.logpdf(z), -math.inf)
    return inside - _log_mass(a, b) - wnp.log(scale)


@_stats
def pdf(x: Any, a: Any, b: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """The density."""
    return wnp.exp(logpdf(x, a, b, loc, scale))


@_stats
def logcdf(x: Any, a: Any, b: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """Logarithm of the distribution function."""
    z = (x - loc) / scale
    return _log_part(z <= a, z >= b, lambda c: _log_mass(a, c), z, a, b)


@_stats
def cdf(x: Any, a: Any, b: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """The distribution function."""
    return wnp.exp(logcdf(x, a, b, loc, scale))


@_stats
def logsf(x: Any, a: Any, b: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """Logarithm of the survival function."""
    z = (x - loc) / scale
    return _log_part(z >= b, z <= a, lambda c: _log_mass(c, b), z, a, b)


@_stats
def sf(x: Any, a: Any, b: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """The survival function, ``1 - cdf``."""
    return wnp.exp(logsf(x, a, b, loc, scale))


def _log_part(none: Any, all_: Any, log_mass: Any, z: Any, a: Any, b: Any) -> Any:
    """Logarithm of a part of the mass between the cuts."""
    inner = wnp.where(none | all_, _middle(a, b), z)
    part = log_mass(inner) - _log_mass(a, b)
    part = wnp.where(none, -math.inf, wnp.where(all_, 0, part))
    return wnp.where(wnp.isnan(z) | ~(a < b), math.nan, part)


def _middle(a: Any, b: Any) -> Any:
    """A point between two, which may be infinite."""
    low, high = wnp.clip(a, -1e3, 1e3), wnp.clip(b, -1e3, 1e3)
    return 0.5 * (low + high)


def _log_mass(a: Any, b: Any) -> Any:
    """Logarithm of the normal probability from a to b: of the tail's difference on one side of 0, of 1 less two tails else."""
    right, left = a > 0, b <= 0
    # Mirrored to the left where both are on the right.
    low = wnp.where(right, -b, a)
    high = wnp.where(right, -a, b)
    one_sided = right | left
    far_high, far_low = log_ndtr(guarded(one_sided, high, -1)), log_ndtr(guarded(one_sided, low, -2))
    tail = far_high + log1mexp(far_high - far_low)
    central = wnp.log1p(-ndtr(guarded(~one_sided, a, -1)) - ndtr(-guarded(~one_sided, b, 1)))
    return wnp.where(one_sided, tail, central)
