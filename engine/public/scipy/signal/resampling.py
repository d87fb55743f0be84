"""Signals at other rates, and medians: resample, medfilt.

The one idea: a periodic signal at another rate has the same spectrum, cut off or followed by zeros.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import weft.numpy as wnp
from weft.ir.errors import ArgumentError, ShapeError
from weft.ir.types import is_complex
from weft.numpy.staging import axis_index, static_int
from weft.scipy.arguments import array, floating, inexact, one_of
from weft.scipy.signal.windows import get_window

__all__ = ["medfilt", "resample"]


def resample(x: Any, num: int, t: Any = None, axis: int = 0, window: Any = None, domain: str = "time") -> Any:
    """A signal as ``num`` samples of one period, by Fourier transforms.

    Args:
        x: array, floating or complex, one period along ``axis``.
        num: how many samples to give.
        t: times of the samples, as far apart as each other: give also those of the result.
        axis: along which it is a signal.
        window: by which frequencies are weighted: a name, or samples; see `windows.get_window`.
        domain: "time"; "freq" where ``x`` is the transform of a signal.

    Returns:
        The signal, or ``(signal, times)``.
    """
    one_of("resample", "domain", domain, ("time", "freq"))
    (x,) = inexact("resample", x)
    axis, count = axis_index(axis, x.ndim, "resample"), static_int(num, "resample", "num")
    x = wnp.moveaxis(x, axis, -1)
    n = x.shape[-1]
    if count < 1 or n < 1:
        raise ShapeError(f"resample got {n} samples and num={count}: both are at least 1.")
    real = domain == "time" and not is_complex(x.dtype)
    spectrum = x if domain == "freq" else wnp.fft.fft(x)
    if window is not None:
        weights = wnp.fft.fftshift(get_window(window, n))
        if real:  # the same for both signs of a frequency
            weights = (weights + wnp.roll(wnp.flip(weights), 1)) / 2
        spectrum = spectrum * weights.astype(wnp.real(spectrum).dtype)
    least = min(n, count)
    low, high = (least + 1) // 2, (least - 1) // 2  # frequencies from 0 on, and negative ones
    parts = [spectrum[..., :low]]
    if least % 2 == 0:  # the middle one stands for both signs
        middle = spectrum[..., least // 2 : least // 2 + 1]
        if count < n:
            parts.append(middle + spectrum[..., n - least // 2 : n - least // 2 + 1])
        elif count > n:
            parts += [middle / 2]
        else:
            parts.append(middle)
    rest = count - low - high - (least % 2 == 0) - (least % 2 == 0 and count > n)
    parts.append(wnp.zeros((*x.shape[:-1], rest), spectrum.dtype))
    if least % 2 == 0 and count > n:
        parts.append(middle / 2)
    parts.append(spectrum[..., n - high :])
    found = wnp.fft.ifft(wnp.concatenate(parts, axis=-1)) * (count / n)
    found = wnp.moveaxis(wnp.real(found) if real else found, -1, axis)
    if t is None:
        return found
    (times,) = floating("resample", t)
    return found, wnp.arange(count) * (times[1] - times[0]) * n / count + times[0]


def medfilt(volume: Any, kernel_size: int | Sequence[int] | None = None) -> Any:
    """Medians of the elements around each element, with zeros outside.

    Args:
        volume: array, real.
        kernel_size: odd lengths of the window, for all axes or for each; 3 by default.
    """
    x = array("medfilt", volume)
    if is_complex(x.dtype):
        raise ArgumentError(f"medfilt takes real arrays, got {x.dtype}.")
    given = (
        [3 if kernel_size is None else kernel_size] * x.ndim
        if not isinstance(kernel_size, Sequence)
        else kernel_size
    )
    sizes = [static_int(n, "medfilt", "kernel_size") for n in given]
    if len(sizes) != x.ndim or any(n < 1 or n % 2 == 0 for n in sizes):
        raise ArgumentError(
            f"medfilt got kernel_size={kernel_size!r} for {x.ndim} axes: an odd length for each is needed."
        )
    wide = wnp.pad(x, [(n // 2, n // 2) for n in sizes])
    moved = [
        wide[tuple(slice(i, i + m) for i, m in zip(start, x.shape, strict=True))]
        for start in itertools.product(*map(range, sizes))
    ]
    stack = wnp.sort(wnp.stack(moved), axis=0)  # an odd number, so the median is one of them
    return stack[len(moved) // 2]
