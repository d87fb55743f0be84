"""Bessel functions of integer orders, and spherical harmonics.

The one idea: three-term recurrences, each in the direction in which it is stable.
"""

from __future__ import annotations

import math
import operator
from typing import Any

import numpy as np

import weft.numpy as wnp
from weft.engine.dispatch import is_traced
from weft.engine.transforms.custom import custom_jvp
from weft.ir.errors import ArgumentError
from weft.ir.ops import special
from weft.scipy.arguments import array
from weft.scipy.pointwise import guarded, pointwise, primitive

__all__ = ["bessel_jn", "i0", "i0e", "i1", "i1e", "sph_harm_y"]

_special = pointwise("scipy.special")


@_special
def i0e(x: Any) -> Any:
    """The modified Bessel function of order 0, times ``exp(-abs(x))``."""
    return primitive(special.bessel_i0e, x)


@_special
def i1e(x: Any) -> Any:
    """The modified Bessel function of order 1, times ``exp(-abs(x))``."""
    return primitive(special.bessel_i1e, x)


@_special
def i0(x: Any) -> Any:
    """The modified Bessel function of order 0."""
    return _i0(x)


@_special
def i1(x: Any) -> Any:
    """The modified Bessel function of order 1."""
    return _i1(x)


@custom_jvp
def _i0(x: Any) -> Any:
    return wnp.exp(wnp.abs(x)) * primitive(special.bessel_i0e, x)


@custom_jvp
def _i1(x: Any) -> Any:
    return wnp.exp(wnp.abs(x)) * primitive(special.bessel_i1e, x)


def _i1_slope(x: Any, value: Any) -> Any:
    """I0(x) - I1(x) / x; a power series near 0, where the quotient has no derivatives."""
    near = wnp.abs(x) < 0.1
    square = 0.25 * guarded(near, x, 0) ** 2
    series = wnp.zeros_like(x)
    for k in range(6, 0, -1):  # of I1(x) / x, 1/2 (1 + s/(1*2) (1 + s/(2*3) (1 + ...))) with s = x**2 / 4
        series = square / (k * (k + 1)) * (1 + series)
    quotient = wnp.where(near, 0.5 * (1 + series), value / guarded(~near, x, 1))
    return _i0(x) - quotient


_i0.defjvps(lambda g, o, x: g * _i1(x))
_i1.defjvps(lambda g, o, x: g * _i1_slope(x, o))


def bessel_jn(z: Any, *, v: int, n_iter: int = 50) -> Any:
    """Bessel functions of the first kind of orders 0 to ``v``.

    Args:
        z: real array.
        v: the highest order, a Python integer.
        n_iter: from how many orders above ``v`` the recurrence goes down: accurate for ``abs(z)`` up to about that.

    Returns:
        Array of shape ``(v + 1, *z.shape)``.

    Source: ratios of neighbours by the recurrence downwards, as a continued fraction, and the sum of even orders, which is 1.
    """
    top, steps = operator.index(v), operator.index(n_iter)
    if top < 0 or steps < 1:
        raise ArgumentError(
            f"scipy.special.bessel_jn: v is not negative and n_iter positive, got {v} and {n_iter}."
        )

    def bessel_jn(z: Any) -> Any:
        ratio = wnp.zeros_like(z)
        ratios = []
        for order in range(top + steps, 0, -1):
            ratio = z / (2 * order - z * ratio)
            ratios.append(ratio)
        ratios.reverse()  # of orders n + 1 and n, from n = 0
        total, relative = wnp.ones_like(z), wnp.ones_like(z)
        values = [relative]
        for order, ratio in enumerate(ratios, 1):
            relative = relative * ratio
            if order <= top:
                values.append(relative)
            if order % 2 == 0:
                total = total + 2 * relative
        return wnp.stack(values) / total

    return _special(bessel_jn)(z)


def sph_harm_y(
    n: Any, m: Any, theta: Any, phi: Any, diff_n: int | None = None, n_max: int | None = None
) -> Any:
    """Spherical harmonics ``Y(n, m)``, complex, with the phase of Condon and Shortley.

    Args:
        n: degrees, integers from 0 on.
        m: orders, integers from ``-n`` to ``n``; the result is 0 for others.
        theta: polar angles.
        phi: azimuths; all broadcast with each other.
        diff_n: must be ``None``: take derivatives by `weft.grad`.
        n_max: the largest degree, a Python integer; the largest of ``n`` where it is not given, which needs its values.
    """
    if diff_n is not None:
        raise ArgumentError(
            "scipy.special.sph_harm_y(diff_n=) is not there: take derivatives by weft.jvp or weft.grad."
        )
    n, m = array("scipy.special.sph_harm_y", n), array("scipy.special.sph_harm_y", m)
    if n_max is None:
        if is_traced(n):
            raise ArgumentError("scipy.special.sph_harm_y needs n_max, a Python integer, where n is traced.")
        n_max = int(np.max(np.asarray(n), initial=0))
    count = operator.index(n_max)

    @_special
    def sph_harm_y(theta: Any, phi: Any) -> Any:
        order = wnp.abs(m).astype(theta.dtype)
        degree = n.astype(theta.dtype)
        magnitude = _legendre(degree, order, theta, count)
        even = order == 2 * wnp.floor(order / 2)
        # Y(n, -m) = (-1)**m conj(Y(n, m)), where the sign of Y(n, m) holds (-1)**m too.
        signed = wnp.where((m >= 0) & ~even, -magnitude, magnitude)
        angle = m.astype(theta.dtype) * phi
        return wnp.asarray(signed * wnp.cos(angle)) + 1j * (signed * wnp.sin(angle))

    return sph_harm_y(theta, phi)


def _legendre(degree: Any, order: Any, theta: Any, count: int) -> Any:
    """Associated Legendre functions of ``cos(theta)``, normalised on the sphere, of degrees up to ``count``."""
    sine, cosine = wnp.sin(theta), wnp.cos(theta)
    unit = wnp.zeros(np.broadcast_shapes(degree.shape, order.shape, theta.shape), theta.dtype)
    current, before = unit + math.sqrt(1 / (4 * math.pi)), unit
    for k in range(1, count + 1):  # where degree and order are k
        current = wnp.where(order >= k, current * sine * math.sqrt((2 * k + 1) / (2 * k)), current)
    for k in range(1, count + 1):
        grows = (k > order) & (k <= degree)
        squares = guarded(grows, k * k - order * order, 1)
        lower = guarded(grows & (k - 1 > order), (k - 1) ** 2 - order * order, 0)
        a = wnp.sqrt((4 * k * k - 1) / squares)
        b = wnp.sqrt(lower / (4 * (k - 1) ** 2 - 1)) if k > 1 else unit
        following = a * (cosine * current - b * before)
        before = wnp.where(grows, current, before)
        current = wnp.where(grows, following, current)
    return wnp.where((order <= degree) & (degree >= 0) & (degree <= count), current, 0)
