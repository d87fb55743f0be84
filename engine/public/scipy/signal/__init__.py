"""Signals: `weft.scipy.signal`, as `jax.scipy.signal`, and of `scipy.signal` what is below."""

from weft.scipy.signal import windows
from weft.scipy.signal.convolution import (
    choose_conv_method,
    convolve,
    convolve2d,
    correlate,
    correlate2d,
    correlation_lags,
    fftconvolve,
    oaconvolve,
)
from weft.scipy.signal.filters import (
    filtfilt,
    hilbert,
    lfilter,
    lfilter_zi,
    savgol_coeffs,
    savgol_filter,
    sosfilt,
    sosfilt_zi,
    sosfiltfilt,
)
from weft.scipy.signal.resampling import medfilt, resample
from weft.scipy.signal.spectral import (
    coherence,
    csd,
    detrend,
    istft,
    periodogram,
    spectrogram,
    stft,
    welch,
)
from weft.scipy.signal.waveforms import chirp, gausspulse, sawtooth, square, unit_impulse
from weft.scipy.signal.windows import get_window

__all__ = [
    "chirp",
    "choose_conv_method",
    "coherence",
    "convolve",
    "convolve2d",
    "correlate",
    "correlate2d",
    "correlation_lags",
    "csd",
    "detrend",
    "fftconvolve",
    "filtfilt",
    "gausspulse",
    "get_window",
    "hilbert",
    "istft",
    "lfilter",
    "lfilter_zi",
    "medfilt",
    "oaconvolve",
    "periodogram",
    "resample",
    "savgol_coeffs",
    "savgol_filter",
    "sawtooth",
    "sosfilt",
    "sosfilt_zi",
    "sosfiltfilt",
    "spectrogram",
    "square",
    "stft",
    "unit_impulse",
    "welch",
    "windows",
]
