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
)
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
from weft.scipy.signal.windows import get_window

__all__ = [
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
    "get_window",
    "hilbert",
    "istft",
    "lfilter",
    "lfilter_zi",
    "oaconvolve",
    "periodogram",
    "savgol_coeffs",
    "savgol_filter",
    "sosfilt",
    "spectrogram",
    "stft",
    "welch",
    "windows",
]
