"""Hypergeometric functions of real arguments: Kummer's `hyp1f1` and Gauss's `hyp2f1`.

The one idea: power series are summed by loops of a fixed number of steps, which are differentiable by the parameters too, to
any order. Where Gauss's series at 0 converges too slowly, the solution of its differential equation is carried on by its
Taylor series at one point after another, each half of the way to the singular point 1; so no case is special.

Where nothing is traced SciPy computes the values.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

import weft.numpy as wnp
from weft.engine.dispatch import is_traced
from weft.ir.ops import special
from weft.ir.ops import transcendental as t
from weft.lax import fori_loop
from weft.scipy.pointwise import guarded, pointwise, primitive

__all__ = ["hyp1f1", "hyp2f1"]

_special = pointwise("scipy.special")


def _eagerly(name: str, definition: Callable[..., Any], *args: Any) -> Any:
    """SciPy's function on values, and the definition, in double precision, on what is traced."""
    dtype = args[0].dtype
    if is_traced(list(args)):
        wide = wnp.broadcast_arrays(*[x.astype(np.float64) for x in args])
        return definition(*wide).astype(dtype)
    import scipy.special

    with np.errstate(all="ignore"):
        return wnp.asarray(getattr(scipy.special, name)(*map(np.asarray, args))).astype(dtype)


def _is_polynomial(a: Any) -> Any:
    """Whether the series ends, after ``-a`` terms."""
    return (a <= 0) & (a == wnp.floor(a))


# Kummer's function

_BORDER = 100.0
_KUMMER_TERMS, _ASYMPTOTIC_TERMS = 300, 60


@_special
def hyp1f1(a: Any, b: Any, x: Any) -> Any:
    """Kummer's confluent hypergeometric function, the sum of ``(a)_k / (b)_k x**k / k!``.

    Accurate for parameters of moderate size (up to some tens). Differentiable by each argument, to any order.

    Source: the series up to 100, and the asymptotic one beyond (DLMF 13.7.2); below 0 by Kummer's transformation.
    """
    return _eagerly("hyp1f1", _kummer, a, b, x)


def _kummer(a: Any, b: Any, x: Any) -> Any:
    # exp(x) M(b - a, b, -x), where no sum of large terms with changing signs is left
    mirrored = (x < 0) & ~_is_polynomial(a)
    first, size = wnp.where(mirrored, b - a, a), wnp.where(mirrored, -x, x)
    summed = (wnp.abs(size) <= _BORDER) | _is_polynomial(first)
    inner = guarded(summed, size, 1)

    def add_term(k: Any, carry: tuple[Any, Any]) -> tuple[Any, Any]:
        term, total = carry
        term = term * (first + k) / (b + k) * inner / (k + 1)
        return term, total + term

    one = wnp.ones_like(x)
    _, series = fori_loop(0, _KUMMER_TERMS, add_term, (one, one))
    factor = wnp.where(mirrored & summed, wnp.exp(guarded(mirrored & summed, x, 0)), 1)
    outer = guarded(~summed, size, 2 * _BORDER)

    def add_power(k: Any, carry: tuple[Any, Any]) -> tuple[Any, Any]:
        term, total = carry
        term = term * (b - first + k) * (1 - first + k) / ((k + 1) * outer)
        return term, total + term

    _, rest = fori_loop(0, _ASYMPTOTIC_TERMS, add_power, (one, one))
    # The exponential of the sum: alone, exp(x) overflows where the transformation takes it away again.
    pole = _is_polynomial(guarded(~summed, first, 1))
    safe = guarded(~summed & ~pole, first, 1)
    exponent = wnp.where(mirrored, 0, outer) + (safe - b) * wnp.log(outer) + primitive(t.lgamma, b)
    sign = _gamma_sign(b) * _gamma_sign(safe)
    far = sign * wnp.exp(exponent - primitive(t.lgamma, safe)) * rest
    return wnp.where(summed, factor * series, far)


def _gamma_sign(x: Any) -> Any:
    return wnp.where((x < 0) & (wnp.floor(x) != 2 * wnp.floor(x / 2)), -1.0, 1.0)


# Gauss's function

_TERMS, _STEPS = 80, 52


@_special
def hyp2f1(a: Any, b: Any, c: Any, x: Any) -> Any:
    """Gauss's hypergeometric function, the sum of ``(a)_k (b)_k / (c)_k x**k / k!``, for x up to 1.

    Infinite beyond 1, where it is complex, unless ``a`` or ``b`` is an integer from -80 to 0: then it is a polynomial. Accurate
    for parameters of moderate size (up to some tens). Differentiable by each argument, to any order.

    Source: the series up to 1/2, and Taylor steps beyond; below 0 by Pfaff's transformation; at 1 by Gauss's formula.
    """
    return _eagerly("hyp2f1", _gauss, a, b, c, x)


def _gauss(a: Any, b: Any, c: Any, x: Any) -> Any:
    polynomial = _is_polynomial(a) | _is_polynomial(b)
    mirrored = (x < 0) & ~polynomial
    inside = mirrored | (x < 1)
    below = guarded(mirrored, x, -1)
    at = wnp.where(mirrored, below / (below - 1), guarded((x >= 0) & inside, x, 0.25))
    other = wnp.where(mirrored, c - b, b)
    value = _continued(a, other, c, at)
    value = wnp.where(mirrored, wnp.exp(-a * wnp.log1p(-below)), 1) * value
    whole = _series(a, b, c, guarded(polynomial, x, 0.25))[0]
    excess = c - a - b
    at_one = (x == 1) & (excess > 0) & ~polynomial
    parts = [guarded(at_one, part, 1) for part in (c, excess, c - a, c - b)]
    top, rest, first, second = (primitive(special.gamma, part) for part in parts)
    edge = wnp.where(at_one, top * rest / (first * second), wnp.where(wnp.isnan(x), math.nan, math.inf))
    return wnp.where(polynomial, whole, wnp.where(inside, value, edge))


def _series(a: Any, b: Any, c: Any, x: Any) -> tuple[Any, Any]:
    """The power series at 0, and its derivative."""

    def add_term(k: Any, carry: tuple[Any, Any, Any]) -> tuple[Any, Any, Any]:
        factor, total, slope = carry  # factor: the coefficient and x**k
        up = factor * (a + k) * (b + k) / ((c + k) * (k + 1))
        return up * x, total + up * x, slope + up * (k + 1)

    one = wnp.ones_like(x)
    _, total, slope = fori_loop(0, _TERMS, add_term, (one, one, wnp.zeros_like(x)))
    return total, slope


def _continued(a: Any, b: Any, c: Any, x: Any) -> Any:
    """The function for x from 0 to 1: its series up to 1/2, and on from there by steps."""
    start = wnp.minimum(x, 0.5)
    value, slope = _series(a, b, c, start)

    def step(_: Any, carry: tuple[Any, Any, Any]) -> tuple[Any, Any, Any]:
        at, value, slope = carry
        target = wnp.minimum(x, 0.5 * (at + 1))
        new_value, new_slope = _taylor(a, b, c, guarded(target > at, at, 0.5), target - at, value, slope)
        moved = target > at
        return target, wnp.where(moved, new_value, value), wnp.where(moved, new_slope, slope)

    return fori_loop(0, _STEPS, step, (start, value, slope))[1]


def _taylor(a: Any, b: Any, c: Any, at: Any, h: Any, value: Any, slope: Any) -> tuple[Any, Any]:
    """The solution of ``x (1-x) f'' + (c - (a+b+1) x) f' - a b f = 0`` and its derivative, ``h`` on from ``at``."""
    p0, p1, q0 = at * (1 - at), 1 - 2 * at, c - (a + b + 1) * at

    def add_term(k: Any, carry: tuple[Any, Any, Any, Any]) -> tuple[Any, Any, Any, Any]:
        before, last, total, change = carry  # coefficients k and k + 1, with h**k and h**(k+1)
        right = (k + a) * (k + b) * before * h - (k + 1) * (p1 * k + q0) * last
        following = right * h / (p0 * ((k + 1) * (k + 2)))
        return last, following, total + following, change + (k + 2) * following

    first = slope * h
    _, _, total, change = fori_loop(0, _TERMS, add_term, (value, first, value + first, first))
    return total, change / wnp.where(h == 0, 1, h)
