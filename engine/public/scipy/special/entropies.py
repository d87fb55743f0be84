"""Logarithms and entropies: `entr`, `rel_entr`, `kl_div`, `xlogy`, `xlog1py`, `logit`, `expit`, the transforms of Box and Cox.

The one idea: ``0 * log(0)`` is 0, the limit. Derivatives are those of the formulas where they have one, and the limits from
inside of the domain at its edge.
"""

from __future__ import annotations

import math
from typing import Any

import weft.numpy as wnp
from weft.engine.transforms.custom import custom_jvp
from weft.ir.ops import integrals
from weft.ir.ops import transcendental as t
from weft.nn.normalization import log_softmax as _log_softmax
from weft.nn.normalization import logsumexp
from weft.nn.normalization import softmax as _softmax
from weft.scipy.pointwise import guarded, pointwise, primitive

__all__ = [
    "boxcox", "boxcox1p", "entr", "expit", "kl_div", "log_softmax", "logit", "logsumexp", "rel_entr", "softmax",
    "xlog1py", "xlogy",
]  # fmt: skip

_special = pointwise("scipy.special")


@custom_jvp
def _x_times(x: Any, logarithm: Any) -> Any:
    return wnp.where(x == 0, wnp.where(wnp.isnan(logarithm), logarithm, 0), x * logarithm)


_x_times.defjvps(lambda g, o, x, logarithm: g * logarithm, lambda g, o, x, logarithm: g * x)


@_special
def xlogy(x: Any, y: Any) -> Any:
    """``x * log(y)``; 0 where ``x`` is 0 and ``y`` a number."""
    return _x_times(*wnp.broadcast_arrays(x, wnp.log(guarded(~((x == 0) & (y <= 0)), y, 1))))


@_special
def xlog1py(x: Any, y: Any) -> Any:
    """``x * log(1 + y)``, accurate for small ``y``; 0 where ``x`` is 0 and ``y`` a number."""
    return _x_times(*wnp.broadcast_arrays(x, wnp.log1p(guarded(~((x == 0) & (y <= -1)), y, 0))))


@_special
def entr(x: Any) -> Any:
    """``-x * log(x)``; 0 at 0, minus infinity below."""
    return 0 - _x_log_x(x)


@custom_jvp
def _x_log_x(x: Any) -> Any:
    inside = x * wnp.log(guarded(x > 0, x, 1))
    return wnp.where(x < 0, math.inf, wnp.where(x == 0, 0, inside))


_x_log_x.defjvps(lambda g, o, x: g * (wnp.log(x) + 1))


@_special
def rel_entr(p: Any, q: Any) -> Any:
    """``p * log(p / q)``: a term of the relative entropy of two distributions.

    0 where ``p`` is 0 and ``q`` not negative; infinite where either is negative, or ``q`` alone 0.
    """
    both = (p > 0) & (q > 0)
    p_inside, q_inside = guarded(both, p, 1), guarded(both, q, 1)
    inside = p_inside * (wnp.log(p_inside) - wnp.log(q_inside))
    # Of numbers close to each other the logarithm of the quotient: the difference would cancel.
    near = wnp.abs(p_inside - q_inside) < 0.5 * q_inside
    relative = (guarded(near, p_inside, 1) - guarded(near, q_inside, 1)) / guarded(near, q_inside, 1)
    inside = wnp.where(near, p_inside * wnp.log1p(relative), inside)
    at_edge = wnp.where((p == 0) & (q >= 0), wnp.zeros_like(inside), math.inf)
    return wnp.where(both, inside, wnp.where(wnp.isnan(p) | wnp.isnan(q), math.nan, at_edge))


@_special
def kl_div(p: Any, q: Any) -> Any:
    """``p * log(p / q) - p + q``: a term of the divergence of Kullback and Leibler, never negative."""
    return rel_entr(p, q) - p + q


@_special
def expit(x: Any) -> Any:
    """``1 / (1 + exp(-x))``."""
    return primitive(t.logistic, x)


@_special
def logit(x: Any) -> Any:
    """``log(x / (1 - x))``, the inverse of `expit`."""
    return primitive(integrals.logit, x)


def _expm1_over(z: Any) -> Any:
    """``expm1(z) / z``; a power series near 0, where the quotient has no derivatives."""
    near = wnp.abs(z) < 0.03
    series = wnp.ones_like(z)
    for n in range(8, 1, -1):  # 1 + z/2 (1 + z/3 (1 + ...))
        series = 1 + z / n * series
    apart = guarded(~near, z, 1)
    return wnp.where(near, series, wnp.expm1(apart) / apart)


@_special
def boxcox(x: Any, lmbda: Any) -> Any:
    """``(x ** lmbda - 1) / lmbda``; ``log(x)`` where ``lmbda`` is 0."""
    return _power_transform(wnp.log(x), lmbda)


@_special
def boxcox1p(x: Any, lmbda: Any) -> Any:
    """`boxcox` of ``1 + x``, accurate for small ``x``."""
    return _power_transform(wnp.log1p(x), lmbda)


def _power_transform(logarithm: Any, power: Any) -> Any:
    finite = wnp.isfinite(logarithm)
    inside = guarded(finite, logarithm, 0)
    usual = inside * _expm1_over(power * inside)
    edge = wnp.where((logarithm < 0) & (power > 0), -1 / guarded(power > 0, power, 1), logarithm)
    return wnp.where(finite, usual, edge)


def softmax(x: Any, /, *, axis: Any = None) -> Any:
    """``exp(x) / sum(exp(x))`` along an axis or axes; along all where ``axis`` is ``None``."""
    return _softmax(x, axis=axis)


def log_softmax(x: Any, /, *, axis: Any = None) -> Any:
    """``log(softmax(x))`` without underflow, with the same arguments."""
    return _log_softmax(x, axis=axis)
