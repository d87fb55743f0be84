"""Signals of a known form: chirp, square, sawtooth, gausspulse, unit_impulse.

The one idea: each is a formula of time, elementwise, with derivatives by time and by its parameters.
"""

from __future__ import annotations

from typing import Any

import numpy as np

import weft.numpy as wnp
from weft.ir.errors import ArgumentError, ShapeError
from weft.numpy.staging import new_shape, static_int
from weft.scipy.arguments import floating, one_of

__all__ = ["chirp", "gausspulse", "sawtooth", "square", "unit_impulse"]

_METHODS = {
    **dict.fromkeys(("linear", "lin", "li"), "linear"),
    **dict.fromkeys(("quadratic", "quad", "q"), "quadratic"),
    **dict.fromkeys(("logarithmic", "log", "lo"), "logarithmic"),
    **dict.fromkeys(("hyperbolic", "hyp"), "hyperbolic"),
}


def _phase(t: Any, f0: Any, t1: Any, f1: Any, method: str, vertex_zero: bool) -> Any:
    """How often it has turned."""
    if method == "linear":
        return f0 * t + 0.5 * (f1 - f0) / t1 * t * t
    if method == "quadratic":
        rate = (f1 - f0) / t1**2
        return f0 * t + rate * t**3 / 3 if vertex_zero else f1 * t + rate * ((t1 - t) ** 3 - t1**3) / 3
    same = f0 == f1
    if method == "logarithmic":
        ratio = f1 / f0
        rising = t1 / wnp.where(same, 1, wnp.log(ratio)) * f0 * (ratio ** (t / t1) - 1)
    else:
        pole = -f1 * t1 / wnp.where(same, 1, f0 - f1)
        rising = -pole * f0 * wnp.log(wnp.abs(1 - t / pole))
    return wnp.where(same, f0 * t, rising)


def chirp(
    t: Any,
    f0: Any,
    t1: Any,
    f1: Any,
    method: str = "linear",
    phi: Any = 0,
    vertex_zero: bool = True,
    *,
    complex: bool = False,
) -> Any:
    """A cosine whose frequency changes with time.

    Args:
        t: times.
        f0: the frequency at time 0.
        t1: another time.
        f1: the frequency then.
        method: how it changes: "linear", "quadratic", "logarithmic", "hyperbolic".
        phi: the phase at time 0, in degrees.
        vertex_zero: the parabola of "quadratic" is flat at time 0, else at ``t1``.
        complex: give ``exp(i phase)``.
    """
    one_of("chirp", "method", method, tuple(_METHODS))
    t, f0, t1, f1, phi = floating("chirp", t, f0, t1, f1, phi)
    phase = 2 * np.pi * _phase(t, f0, t1, f1, _METHODS[method], vertex_zero) + wnp.deg2rad(phi)
    return wnp.exp(1j * phase) if complex else wnp.cos(phase)


def square(t: Any, duty: Any = 0.5) -> Any:
    """1 for the share ``duty`` of each period of 2 pi, then -1; NaN where that is no share."""
    t, duty = floating("square", t, duty)
    high = wnp.where(wnp.mod(t, 2 * np.pi) < 2 * np.pi * duty, 1.0, -1.0)
    return wnp.where((duty < 0) | (duty > 1), np.nan, high).astype(t.dtype)


def sawtooth(t: Any, width: Any = 1) -> Any:
    """From -1 to 1 for the share ``width`` of each period of 2 pi, then back; NaN where that is no share."""
    t, width = floating("sawtooth", t, width)
    share = wnp.mod(t, 2 * np.pi) / (2 * np.pi)
    rising = 2 * share / wnp.where(width == 0, 1, width) - 1
    falling = 1 - 2 * (share - width) / wnp.where(width == 1, 1, 1 - width)
    found = wnp.where(share < width, rising, falling)
    return wnp.where((width < 0) | (width > 1), np.nan, found).astype(t.dtype)


def gausspulse(
    t: Any, fc: Any = 1000, bw: Any = 0.5, bwr: Any = -6, retquad: bool = False, retenv: bool = False
) -> Any:
    """A cosine under a normal density.

    Args:
        t: times.
        fc: its frequency.
        bw: the width of its spectrum, as a share of the frequency.
        bwr: where that is measured, in decibels below the top.
        retquad: give also the sine.
        retenv: give also the density.
    """
    t, fc, bw, bwr = floating("gausspulse", t, fc, bw, bwr)
    a = -((np.pi * fc * bw) ** 2) / (4 * wnp.log(10 ** (bwr / 20)))
    envelope = wnp.exp(-a * t * t)
    found = [envelope * wnp.cos(2 * np.pi * fc * t)]
    if retquad:
        found.append(envelope * wnp.sin(2 * np.pi * fc * t))
    if retenv:
        found.append(envelope)
    return found[0] if len(found) == 1 else tuple(found)


def unit_impulse(shape: Any, idx: Any = None, dtype: Any = float) -> Any:
    """Zeros but for a 1 at ``idx``: the first element by default, or with "mid" that in the middle."""
    lengths = new_shape(shape, "unit_impulse")
    if idx is None:
        place = (0,) * len(lengths)
    elif isinstance(idx, str):
        one_of("unit_impulse", "idx", idx, ("mid",))
        place = tuple(n // 2 for n in lengths)
    else:
        given = idx if isinstance(idx, tuple | list) else (idx,) * len(lengths)
        place = tuple(static_int(i, "unit_impulse", "idx") for i in given)
    if len(place) != len(lengths):
        raise ArgumentError(f"unit_impulse got idx={idx!r} for an array of shape {lengths}.")
    if any(not -n <= i < n for i, n in zip(place, lengths, strict=True)):
        raise ShapeError(f"unit_impulse got idx={idx!r}, which is outside of an array of shape {lengths}.")
    return wnp.zeros(lengths, dtype=dtype).at[place].set(1)
