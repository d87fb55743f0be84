"""Spectra of signals in pieces: stft and its inverse, power densities (periodogram, welch, csd ...), detrend.

The one idea: all cut a signal into overlapping pieces, multiply each with a window and transform it. They differ in what
becomes of the transforms: nothing, products of two signals, or their mean.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

import weft.numpy as wnp
from weft.ir.errors import ArgumentError, ShapeError
from weft.ir.types import is_complex
from weft.numpy.staging import axis_index, static_int
from weft.scipy.arguments import inexact, one_of
from weft.scipy.signal.windows import get_window

_SCALINGS = ("density", "spectrum")


# Trends


def detrend(
    data: Any, axis: int = -1, type: str = "linear", bp: int | Sequence[int] = 0, overwrite_data: Any = None
) -> Any:
    """A signal less the line that fits it best, or less its mean.

    Args:
        data: array, floating or complex; integers count as float64.
        axis: along which it is a signal.
        type: "linear" or "constant" ("l", "c").
        bp: where new lines begin.
        overwrite_data: accepted for compatibility.
    """
    one_of("detrend", "type", type, ("linear", "constant", "l", "c"))
    (x,) = inexact("detrend", data)
    axis = axis_index(axis, x.ndim, "detrend")
    if type[0] == "c":
        return x - wnp.mean(x, axis=axis, keepdims=True)
    n = x.shape[axis]
    ends = sorted({0, *(static_int(b, "detrend", "bp") for b in np.atleast_1d(bp)), n})
    if ends[0] < 0 or ends[-1] > n:
        raise ArgumentError(f"detrend got bp={bp!r}: lines begin within the {n} samples.")
    x = wnp.moveaxis(x, axis, -1)
    parts = []
    for first, last in itertools.pairwise(ends):
        count = last - first
        # The line is 1 and a centred ramp, which are orthogonal.
        ramp = np.arange(count) - (count - 1) / 2
        square = np.sum(ramp**2)
        part = x[..., first:last]
        level = wnp.mean(part, axis=-1, keepdims=True)
        ramp = ramp.astype(wnp.real(part).dtype)
        slope = wnp.sum(part * ramp, axis=-1, keepdims=True) / (square if square else 1)
        parts.append(part - level - slope.astype(x.dtype) * ramp)
    return wnp.moveaxis(wnp.concatenate(parts, axis=-1), -1, axis)


def _without_trend(x: Any, detrending: Any) -> Any:
    """Pieces along the last axis, as an argument ``detrend`` says."""
    if detrending is False or detrending is None:
        return x
    return detrending(x) if callable(detrending) else detrend(x, -1, detrending)


# Pieces


class _Pieces(NamedTuple):
    """How a signal is cut: the window, and lengths of pieces, overlaps and transforms."""

    window: Any
    length: int
    overlap: int
    nfft: int

    @property
    def step(self) -> int:
        """From one piece to the next."""
        return self.length - self.overlap


def _pieces(name: str, window: Any, nperseg: Any, noverlap: Any, nfft: Any, n: int) -> _Pieces:
    """Read the arguments that say how a signal of ``n`` samples is cut."""
    if isinstance(window, str | tuple | int | float):
        length = 256 if nperseg is None else static_int(nperseg, name, "nperseg")
        if length < 1:
            raise ArgumentError(f"{name} got nperseg={nperseg}: a piece has at least 1 sample.")
        length = min(length, n)
        window = get_window(window, length)
    else:
        window = wnp.asarray(window)
        length = window.shape[0] if window.ndim == 1 else 0
        if not 1 <= length <= n or nperseg not in (None, length):
            raise ShapeError(
                f"{name} got a window of shape {window.shape} for nperseg={nperseg} and a signal of {n} samples."
            )
    overlap = length // 2 if noverlap is None else static_int(noverlap, name, "noverlap")
    size = length if nfft is None else static_int(nfft, name, "nfft")
    if not 0 <= overlap < length or size < length:
        raise ArgumentError(
            f"{name} got noverlap={overlap} and nfft={size} for pieces of {length} samples: an overlap is shorter than a "
            f"piece, and a transform is not."
        )
    return _Pieces(window, length, overlap, size)


def _transformed(x: Any, cut: _Pieces, detrending: Any, onesided: bool) -> Any:
    """The transforms of the pieces along the last axis: ``(..., pieces, frequencies)``."""
    count = (x.shape[-1] - cut.overlap) // cut.step
    starts = cut.step * np.arange(count)[:, None]
    pieces = _without_trend(x[..., starts + np.arange(cut.length)], detrending)
    pieces = pieces * (cut.window if is_complex(cut.window.dtype) else cut.window.astype(wnp.real(x).dtype))
    return wnp.fft.rfft(pieces, cut.nfft) if onesided else wnp.fft.fft(pieces, cut.nfft)


def _frequencies(nfft: int, fs: Any, onesided: bool, dtype: Any) -> Any:
    found = wnp.fft.rfftfreq(nfft, 1 / fs) if onesided else wnp.fft.fftfreq(nfft, 1 / fs)
    return wnp.asarray(found).astype(dtype)


def _scale(name: str, window: Any, fs: Any, scaling: str) -> Any:
    one_of(name, "scaling", scaling, _SCALINGS)
    return 1 / (fs * wnp.sum(window * window)) if scaling == "density" else 1 / wnp.sum(window) ** 2


def _times(n: int, cut: _Pieces, fs: Any, shift: float) -> Any:
    """The middles of the pieces, in seconds."""
    count = (n - cut.overlap) // cut.step
    return wnp.asarray(cut.step * np.arange(count) + cut.length / 2) / fs - shift / fs


# Densities of power


def _densities(
    name: str,
    x: Any,
    y: Any,
    fs: Any,
    window: Any,
    nperseg: Any,
    noverlap: Any,
    nfft: Any,
    detrending: Any,
    return_onesided: bool,
    scaling: str,
    axis: int,
) -> tuple[Any, Any, Any]:
    """Frequencies, times and the spectra of all pieces ``(..., frequencies, pieces)``, the first axis where ``axis`` was."""
    x, y = (*inexact(name, x), None) if y is None else inexact(name, x, y)
    axis = axis_index(axis, x.ndim, name)
    if y is not None and axis >= y.ndim:
        raise ShapeError(f"{name} got signals of shapes {x.shape} and {y.shape}, axis={axis}.")
    x = wnp.moveaxis(x, axis, -1)
    y = None if y is None else wnp.moveaxis(y, axis, -1)
    n = x.shape[-1] if y is None else max(x.shape[-1], y.shape[-1])
    if n == 0:
        raise ShapeError(f"{name} takes signals with samples, got a length of 0.")
    if y is not None:  # the shorter is followed by zeros
        x, y = (wnp.pad(a, [(0, 0)] * (a.ndim - 1) + [(0, n - a.shape[-1])]) for a in (x, y))
    cut = _pieces(name, window, nperseg, noverlap, nfft, n)
    onesided = return_onesided and not is_complex(x.dtype)
    first = _transformed(x, cut, detrending, onesided)
    second = first if y is None else _transformed(y, cut, detrending, onesided)
    product = wnp.conj(first) * second
    real = wnp.real(product).dtype
    factor = _scale(name, cut.window, fs, scaling) * np.ones(product.shape[-1])
    if onesided:  # negative frequencies have the same share
        twice = np.full(product.shape[-1], 2.0)
        twice[0] = 1
        if cut.nfft % 2 == 0:
            twice[-1] = 1
        factor = factor * twice
    product = product * wnp.asarray(factor).astype(real)
    product = wnp.real(product) if y is None else product
    found = wnp.moveaxis(wnp.swapaxes(product, -1, -2), -2, axis)
    return _frequencies(cut.nfft, fs, onesided, real), _times(n, cut, fs, 0), found


def _median_bias(n: int) -> float:
    """By how much the median of ``n`` spectra is above their mean."""
    numbers = 2 * np.arange(1.0, (n - 1) // 2 + 1)
    return float(1 + np.sum(1 / (numbers + 1) - 1 / numbers))


def _averaged(name: str, spectra: Any, average: str) -> Any:
    one_of(name, "average", average, ("mean", "median"))
    if average == "mean":
        return wnp.mean(spectra, axis=-1)
    bias = _median_bias(spectra.shape[-1])
    if is_complex(spectra.dtype):
        real, imaginary = (wnp.median(part(spectra), axis=-1) for part in (wnp.real, wnp.imag))
        return (real + 1j * imaginary).astype(spectra.dtype) / bias
    return wnp.median(spectra, axis=-1) / bias


def csd(
    x: Any,
    y: Any,
    fs: Any = 1.0,
    window: Any = "hann",
    nperseg: int | None = None,
    noverlap: int | None = None,
    nfft: int | None = None,
    detrend: Any = "constant",
    return_onesided: bool = True,
    scaling: str = "density",
    axis: int = -1,
    average: str = "mean",
) -> tuple[Any, Any]:
    """The cross power density of two signals, by Welch's method: that of overlapping pieces, averaged.

    Args:
        x: array, floating or complex.
        y: array that broadcasts with it but for ``axis``, where the shorter is followed by zeros; ``None`` is ``x`` again.
        fs: samples in a unit of time.
        window: see `windows.get_window`; or its samples.
        nperseg: samples of a piece; 256 by default, or all there are.
        noverlap: samples that a piece shares with the next; half of it by default.
        nfft: the length that pieces are filled up to with zeros.
        detrend: "constant", "linear", ``False``, or a function of pieces along the last axis.
        return_onesided: of real signals give frequencies that are not negative, which stand for both.
        scaling: "density" in power a frequency, "spectrum" in power.
        axis: along which they are signals.
        average: "mean" or "median" of the pieces.

    Returns:
        ``(frequencies, density)``, the latter complex, with frequencies where the samples were.
    """
    given = (fs, window, nperseg, noverlap, nfft, detrend, return_onesided, scaling, axis)
    frequencies, _, spectra = _densities("csd", x, y, *given)
    return frequencies, _averaged("csd", spectra, average)


def welch(
    x: Any,
    fs: Any = 1.0,
    window: Any = "hann",
    nperseg: int | None = None,
    noverlap: int | None = None,
    nfft: int | None = None,
    detrend: Any = "constant",
    return_onesided: bool = True,
    scaling: str = "density",
    axis: int = -1,
    average: str = "mean",
) -> tuple[Any, Any]:
    """The power density of a signal, by Welch's method: ``(frequencies, density)``; the arguments are those of `csd`."""
    given = (fs, window, nperseg, noverlap, nfft, detrend, return_onesided, scaling, axis)
    frequencies, _, spectra = _densities("welch", x, None, *given)
    return frequencies, _averaged("welch", spectra, average)


def periodogram(
    x: Any,
    fs: Any = 1.0,
    window: Any = "boxcar",
    nfft: int | None = None,
    detrend: Any = "constant",
    return_onesided: bool = True,
    scaling: str = "density",
    axis: int = -1,
) -> tuple[Any, Any]:
    """The power density of a signal in one piece: ``(frequencies, density)``; the arguments are those of `csd`."""
    (x,) = inexact("periodogram", x)
    axis = axis_index(axis, x.ndim, "periodogram")
    n = x.shape[axis]
    if nfft is not None and nfft < n:
        n = static_int(nfft, "periodogram", "nfft")
        x = wnp.moveaxis(wnp.moveaxis(x, axis, -1)[..., :n], -1, axis)
    given = (fs, window, n, 0, nfft, detrend, return_onesided, scaling, axis)
    frequencies, _, spectra = _densities("periodogram", x, None, *given)
    return frequencies, spectra[..., 0]


def coherence(
    x: Any,
    y: Any,
    fs: Any = 1.0,
    window: Any = "hann",
    nperseg: int | None = None,
    noverlap: int | None = None,
    nfft: int | None = None,
    detrend: Any = "constant",
    axis: int = -1,
) -> tuple[Any, Any]:
    """How much two signals have in common at each frequency, from 0 to 1; the arguments are those of `csd`."""
    given = (fs, window, nperseg, noverlap, nfft, detrend)
    frequencies, of_x = welch(x, *given, axis=axis)
    _, of_y = welch(y, *given, axis=axis)
    _, both = csd(x, y, *given, axis=axis)
    return frequencies, wnp.abs(both) ** 2 / of_x / of_y


def spectrogram(
    x: Any,
    fs: Any = 1.0,
    window: Any = ("tukey", 0.25),
    nperseg: int | None = None,
    noverlap: int | None = None,
    nfft: int | None = None,
    detrend: Any = "constant",
    return_onesided: bool = True,
    scaling: str = "density",
    axis: int = -1,
    mode: str = "psd",
) -> tuple[Any, Any, Any]:
    """The power density of each piece: ``(frequencies, times, densities)``, times along the last axis.

    The arguments are those of `csd`, but for a default overlap of an eighth; ``mode`` is "psd" alone: see `stft` for complex
    values, and take `weft.numpy.abs` or `weft.numpy.angle` of those.
    """
    one_of("spectrogram", "mode", mode, ("psd",))
    (x,) = inexact("spectrogram", x)
    if noverlap is None:
        n = x.shape[axis_index(axis, x.ndim, "spectrogram")]
        if isinstance(window, str | tuple | int | float):
            noverlap = min(256 if nperseg is None else nperseg, n) // 8
        else:
            noverlap = np.shape(window)[0] // 8
    given = (fs, window, nperseg, noverlap, nfft, detrend, return_onesided, scaling, axis)
    return _densities("spectrogram", x, None, *given)


# Short-time Fourier transforms

_EXTENSIONS = {"even": "reflect", "odd": "reflect", "constant": "edge", "zeros": "constant"}


def _extended(x: Any, boundary: str | None, width: int) -> Any:
    """A signal along the last axis with ``width`` more samples on both sides."""
    if boundary is None or width == 0:
        return x
    around = [(0, 0)] * (x.ndim - 1) + [(width, width)]
    if boundary == "odd":
        return wnp.pad(x, around, mode="reflect", reflect_type="odd")
    return wnp.pad(x, around, mode=_EXTENSIONS[boundary])


def stft(
    x: Any,
    fs: Any = 1.0,
    window: Any = "hann",
    nperseg: int = 256,
    noverlap: int | None = None,
    nfft: int | None = None,
    detrend: Any = False,
    return_onesided: bool = True,
    boundary: str | None = "zeros",
    padded: bool = True,
    axis: int = -1,
    scaling: str = "spectrum",
) -> tuple[Any, Any, Any]:
    """The Fourier transforms of overlapping pieces of a signal.

    Args:
        x: array, floating or complex.
        fs: samples in a unit of time.
        window: see `csd`.
        nperseg: see `csd`.
        noverlap: see `csd`.
        nfft: see `csd`.
        detrend: see `csd`.
        return_onesided: see `csd`.
        boundary: what half a piece on both sides is filled with, so that the first piece is around the first sample: "zeros",
            "constant", "even", "odd"; ``None`` adds nothing.
        padded: add zeros at the end, so that pieces take all samples.
        axis: along which it is a signal.
        scaling: "spectrum", or "psd" for what has a power density for its square.

    Returns:
        ``(frequencies, times, transforms)``: frequencies where the samples were, times along the last axis.
    """
    one_of("stft", "boundary", boundary, (None, *_EXTENSIONS))
    one_of("stft", "scaling", scaling, ("spectrum", "psd"))
    (x,) = inexact("stft", x)
    axis = axis_index(axis, x.ndim, "stft")
    x = wnp.moveaxis(x, axis, -1)
    if x.shape[-1] == 0:
        raise ShapeError("stft takes signals with samples, got a length of 0.")
    cut = _pieces("stft", window, nperseg, noverlap, nfft, x.shape[-1])
    shift = cut.length // 2 if boundary is not None else 0
    x = _extended(x, boundary, shift)
    if padded:
        more = -(x.shape[-1] - cut.length) % cut.step
        x = wnp.pad(x, [(0, 0)] * (x.ndim - 1) + [(0, more)])
    onesided = return_onesided and not is_complex(x.dtype)
    factor = wnp.sqrt(_scale("stft", cut.window, fs, "spectrum" if scaling == "spectrum" else "density"))
    found = _transformed(x, cut, detrend, onesided)
    found = found * factor.astype(wnp.real(found).dtype)
    frequencies = _frequencies(cut.nfft, fs, onesided, wnp.real(found).dtype)
    times = _times(x.shape[-1], cut, fs, cut.length / 2 if boundary is not None else 0)
    return frequencies, times, wnp.moveaxis(wnp.swapaxes(found, -1, -2), -2, axis)


def istft(
    Zxx: Any,
    fs: Any = 1.0,
    window: Any = "hann",
    nperseg: int | None = None,
    noverlap: int | None = None,
    nfft: int | None = None,
    input_onesided: bool = True,
    boundary: bool = True,
    time_axis: int = -1,
    freq_axis: int = -2,
    scaling: str = "spectrum",
) -> tuple[Any, Any]:
    """The signal that `stft` had the transforms of: the one whose pieces are nearest to them.

    Args:
        Zxx: transforms.
        fs: samples in a unit of time.
        window: that of `stft`.
        nperseg: that of `stft`; by default what the number of frequencies says.
        noverlap: that of `stft`.
        nfft: that of `stft`.
        input_onesided: there are frequencies that are not negative only, of a real signal.
        boundary: half a piece on both sides is cut off, which `stft` added.
        time_axis: the axis of pieces.
        freq_axis: the axis of frequencies.
        scaling: that of `stft`.

    Returns:
        ``(times, signal)``, samples where the pieces were.

    Raises:
        ShapeError, ArgumentError: the lengths do not go together.
    """
    one_of("istft", "scaling", scaling, ("spectrum", "psd"))
    (z,) = inexact("istft", Zxx)
    if z.ndim < 2:
        raise ShapeError(f"istft takes transforms of two axes or more, got an array of shape {z.shape}.")
    times, frequencies = axis_index(time_axis, z.ndim, "istft"), axis_index(freq_axis, z.ndim, "istft")
    if times == frequencies:
        raise ArgumentError("istft: time_axis and freq_axis must differ.")
    z = wnp.moveaxis(z, (times, frequencies), (-2, -1))
    count, bins = z.shape[-2:]
    default = 2 * (bins - 1) if input_onesided else bins
    length = default if nperseg is None else static_int(nperseg, "istft", "nperseg")
    size = (default + 1 if input_onesided and length == default + 1 else default) if nfft is None else nfft
    if length < 1 or size < length:
        raise ArgumentError(
            f"istft got nperseg={length} and nfft={size}: a transform is no shorter than a piece."
        )
    samples = (
        get_window(window, length) if isinstance(window, str | tuple | int | float) else wnp.asarray(window)
    )
    if samples.shape != (length,):
        raise ShapeError(f"istft got a window of shape {samples.shape} for pieces of {length} samples.")
    overlap = length // 2 if noverlap is None else static_int(noverlap, "istft", "noverlap")
    if not 0 <= overlap < length:
        raise ArgumentError(f"istft got noverlap={overlap} for pieces of {length} samples.")
    pieces = wnp.fft.irfft(z, size) if input_onesided else wnp.fft.ifft(z, size)
    pieces = pieces[..., :length]
    real = wnp.real(pieces).dtype
    step = length - overlap
    total = length + (count - 1) * step
    where = step * np.arange(count)[:, None] + np.arange(length)
    samples = samples.astype(real)
    height = wnp.sum(samples) if scaling == "spectrum" else wnp.sqrt(fs * wnp.sum(samples**2))
    signal = wnp.zeros((*pieces.shape[:-2], total), pieces.dtype)
    signal = signal.at[..., where].add(pieces * samples * height.astype(real))
    weight = wnp.zeros(total, real).at[where].add(wnp.broadcast_to(samples**2, where.shape))
    if boundary:
        cut = slice(length // 2, total - length // 2)
        signal, weight = signal[..., cut], weight[cut]
    signal = signal / wnp.where(weight > 1e-10, weight, 1)
    time = wnp.arange(signal.shape[-1]) / fs
    if times != z.ndim - 1:
        signal = wnp.moveaxis(signal, -1, times - (frequencies < times))
    return time, signal
