"""Functions of the normal distribution and the error function's kin."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

import weft.numpy as wnp
from weft.engine.transforms.custom import custom_jvp
from weft.ir.ops import integrals
from weft.ir.ops import transcendental as t
from weft.ir.types import is_complex
from weft.scipy.pointwise import guarded, pointwise, primitive

__all__ = [
    "dawsn", "erf", "erfc", "erfcx", "erfinv", "log_ndtr", "ndtr", "ndtri", "owens_t", "wofz",
]  # fmt: skip

_special = pointwise("scipy.special")
_SQRT_HALF, _SQRT_PI = math.sqrt(0.5), math.sqrt(math.pi)


@_special
def erf(x: Any) -> Any:
    """The error function."""
    return primitive(t.erf, x)


@_special
def erfc(x: Any) -> Any:
    """``1 - erf(x)``, accurate where it is small."""
    return primitive(t.erfc, x)


@_special
def erfinv(x: Any) -> Any:
    """The inverse of `erf`."""
    return primitive(t.erf_inv, x)


@_special
def erfcx(x: Any) -> Any:
    """``exp(x**2) * erfc(x)``, which neither overflows nor underflows for large ``x``."""
    return primitive(integrals.erfcx, x)


@_special
def dawsn(x: Any) -> Any:
    """Dawson's integral, ``exp(-x**2)`` times that of ``exp(t**2)`` from 0 to x."""
    return primitive(integrals.dawsn, x)


@_special
def ndtr(x: Any) -> Any:
    """The distribution function of the normal distribution."""
    return 0.5 * primitive(t.erfc, -_SQRT_HALF * x)


@_special
def ndtri(p: Any) -> Any:
    """The inverse of `ndtr`: the number below which a normal variate is with probability ``p``."""
    return primitive(integrals.ndtri, p)


def log_ndtr(x: Any, series_order: int = 3) -> Any:
    """Logarithm of `ndtr`, accurate far out on both sides.

    Args:
        x: array.
        series_order: taken for JAX's sake; the result is accurate without a series.
    """
    return _log_ndtr(x)


@_special
def _log_ndtr(x: Any) -> Any:
    return primitive(integrals.log_ndtr, x)


# Owen's function

_OWEN_NODES, _OWEN_WEIGHTS = np.polynomial.legendre.leggauss(48)


@_special
def owens_t(h: Any, a: Any) -> Any:
    """Owen's T function: the probability of ``X > h`` and ``0 < Y < a X`` for two normal variates.

    Source: its integral over ``[0, a]`` for ``|a| <= 1``, by Gauss's rule; else Owen's formula for ``1 / a``.
    """
    return _owens_t(*wnp.broadcast_arrays(h, a))


@custom_jvp
def _owens_t(h: Any, a: Any) -> Any:
    h, size = wnp.abs(h), wnp.abs(a)
    steep = size > 1
    slope = wnp.where(steep, 1 / guarded(steep, size, 2), size)
    height = wnp.where(steep, guarded(steep & wnp.isfinite(size), size, 1) * h, h)
    inside = _owen_integral(height, slope)
    upper, lower = 0.5 * primitive(t.erfc, _SQRT_HALF * h), 0.5 * primitive(t.erfc, _SQRT_HALF * height)
    folded = 0.5 * (upper + lower) - upper * lower - inside
    infinite = 0.5 * upper
    result = wnp.where(steep, wnp.where(wnp.isinf(size), infinite, folded), inside)
    return wnp.where(wnp.isnan(h) | wnp.isnan(a), math.nan, wnp.copysign(result, a))


def _owen_integral(h: Any, a: Any) -> Any:
    """The integral of ``exp(-h**2 (1 + x**2) / 2) / (1 + x**2)`` from 0 to a, over 2 pi."""
    # Beyond 9 standard deviations nothing is left of the integrand.
    end = wnp.minimum(a, 9 / wnp.maximum(h, 1e-3))[..., None]
    nodes = wnp.asarray(0.5 * (_OWEN_NODES + 1), h.dtype)
    weights = wnp.asarray(0.5 * _OWEN_WEIGHTS, h.dtype)
    square = 1 + (end * nodes) ** 2
    exponent = -0.5 * wnp.minimum(h, 1e3)[..., None] ** 2 * square
    return wnp.sum(weights * wnp.exp(exponent) / square, axis=-1) * end[..., 0] / (2 * math.pi)


_owens_t.defjvps(
    lambda g, o, h, a: (
        g
        * -wnp.exp(-0.5 * h * h)
        * primitive(t.erf, guarded(h != 0, a, 0) * h * _SQRT_HALF)
        / (2 * math.sqrt(2 * math.pi))
    ),
    lambda g, o, h, a: g * wnp.exp(-0.5 * h * h * (1 + a * a)) / (2 * math.pi * (1 + a * a)),
)


# Faddeeva's function


def _weideman(count: int) -> tuple[float, list[float]]:
    """The scale and the coefficients of the rational expansion with ``count`` terms, highest power first."""
    scale = math.sqrt(count / math.sqrt(2))
    angles = np.arange(-2 * count + 1, 2 * count) * np.pi / (2 * count)
    t = scale * np.tan(angles / 2)
    values = np.concatenate([[0.0], np.exp(-t * t) * (scale * scale + t * t)])
    coefficients = np.real(np.fft.fft(np.fft.fftshift(values))) / (4 * count)
    return scale, coefficients[1 : count + 1][::-1].tolist()


_SCALE, _COEFFICIENTS = _weideman(44)
_complex_special = pointwise("scipy.special", complex=True)


@_complex_special
def wofz(z: Any) -> Any:
    """Faddeeva's function ``exp(-z**2) erfc(-1j z)``, of real and complex arguments; complex.

    Source: J. A. C. Weideman, "Computation of the complex error function", SIAM J. Numer. Anal. 31 (1994), with 44 terms, for
    the upper half plane; the lower one by ``2 exp(-z**2) - wofz(-z)``. Along the real axis the parts are `erfcx`'s kin.
    """
    return _wofz(z if is_complex(z.dtype) else wnp.astype(z, np.result_type(z.dtype, np.complex64)))


@custom_jvp
def _wofz(z: Any) -> Any:
    lower = wnp.imag(z) < 0
    upper = wnp.where(lower, -z, z)
    # Where z is large the expansion loses digits, and Laplace's continued fraction has them all.
    far = wnp.abs(upper) > 12
    near = wnp.where(far, wnp.asarray(1j, z.dtype), upper)
    below = _SCALE - 1j * near
    ratio = (_SCALE + 1j * near) / below
    series = wnp.zeros_like(ratio)
    for c in _COEFFICIENTS:
        series = series * ratio + c
    result = 2 * series / (below * below) + 1 / _SQRT_PI / below
    large = wnp.where(far, upper, wnp.asarray(20j, z.dtype))
    fraction = large
    for k in range(12, 0, -1):
        fraction = large - k / 2 / fraction
    result = wnp.where(far, 1j / _SQRT_PI / fraction, result)
    square = wnp.where(lower, z, wnp.asarray(0, z.dtype))
    return wnp.where(lower, 2 * wnp.exp(-(square * square)) - result, result)


_wofz.defjvps(lambda g, o, z: g * (2j / _SQRT_PI - 2 * z * o))
