"""What the distributions share: where a density is zero, and probabilities of both sides.

The one idea: outside of a distribution's support its formula is evaluated at a point inside, and the result replaced; so
derivatives there are zeros, not NaN.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import weft.numpy as wnp
from weft.scipy.pointwise import guarded


def on_support(outside: Any, x: Any, inner: float, formula: Callable[[Any], Any], otherwise: float) -> Any:
    """``formula(x)``, and ``otherwise`` where ``outside`` holds; ``inner`` is a point of the support."""
    value = formula(guarded(~outside, x, inner))
    return wnp.where(outside, wnp.asarray(otherwise, value.dtype), value)


def between(z: Any, low: float, high: float, formula: Callable[[Any], Any]) -> Any:
    """A distribution function that is 0 up to ``low`` and 1 from ``high`` on, by its formula in between."""
    below, above = z <= low, z >= high
    inner = low + 1.0 if math.isinf(high) else (low + high) / 2
    value = formula(guarded(~(below | above), z, inner))
    return wnp.where(below, wnp.asarray(0, value.dtype), wnp.where(above, wnp.asarray(1, value.dtype), value))


def probability(q: Any, formula: Callable[[Any], Any]) -> Any:
    """A quantile by its formula; NaN where ``q`` is no probability."""
    return on_support((q < 0) | (q > 1), q, 0.5, formula, math.nan)


def log1mexp(x: Any) -> Any:
    """``log(1 - exp(-x))`` for x not below 0."""
    near = x < math.log(2)
    small, large = guarded(near, x, 0.5), guarded(~near, x, 1)
    return wnp.where(near, wnp.log(-wnp.expm1(-small)), wnp.log1p(-wnp.exp(-large)))


def not_whole(k: Any) -> Any:
    """Where a number of things is no integer."""
    return (k != wnp.floor(k)) & ~wnp.isnan(k)
