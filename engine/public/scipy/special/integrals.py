"""Exponential, sine, cosine and Fresnel integrals and the dilogarithm."""

from __future__ import annotations

import math
from typing import Any

import weft.numpy as wnp
from weft.ir.ops import integrals
from weft.scipy.pointwise import guarded, pointwise, primitive

__all__ = ["exp1", "expi", "expn", "fresnel", "sici", "spence"]

_special = pointwise("scipy.special")


@_special
def expi(x: Any) -> Any:
    """The exponential integral Ei: that of ``exp(t) / t`` from minus infinity to x."""
    return primitive(integrals.expi, x)


@_special
def exp1(x: Any) -> Any:
    """The exponential integral E1: that of ``exp(-t) / t`` from x on; NaN where x is negative."""
    return primitive(integrals.expn, wnp.ones_like(x), x)


@_special
def expn(n: Any, x: Any) -> Any:
    """The exponential integral of order ``n``: that of ``exp(-x t) / t**n`` from 1 on.

    Args:
        n: integers from 0 on, by which there is no derivative; the result is NaN for other numbers.
        x: numbers not below 0.
    """
    whole = n == wnp.floor(n)
    return wnp.where(whole, primitive(integrals.expn, guarded(whole, n, 1), x), math.nan)


@_special
def sici(x: Any) -> Any:
    """The sine integral of ``sin(t) / t`` from 0 to x, and the cosine integral, of ``-cos(t) / t`` from x on."""
    return primitive(integrals.si, x), primitive(integrals.ci, x)


@_special
def fresnel(x: Any) -> Any:
    """The integrals of ``sin(pi/2 t**2)`` and ``cos(pi/2 t**2)`` from 0 to x."""
    return primitive(integrals.fresnel_sin, x), primitive(integrals.fresnel_cos, x)


@_special
def spence(x: Any) -> Any:
    """The dilogarithm of ``1 - x``: the integral of ``log(t) / (1 - t)`` from 1 to x; NaN where x is negative."""
    return primitive(integrals.spence, x)
