"""`weft.scipy.signal` against SciPy (values of every option), differences and JAX (derivatives); errors."""

from __future__ import annotations

import itertools
import warnings
from typing import Any

import jax.scipy.signal as js
import numpy as np
import pytest
import scipy.signal as ss

import weft
import weft.numpy as wnp
import weft.scipy.signal as ws
from tests.engine.public.scipy.laws import Case, check, close
from weft.errors import ArgumentError, AxisError, ShapeError

rng = np.random.default_rng(6)
X, Y = rng.normal(size=12), rng.normal(size=5)
IMAGE, PATCH = rng.normal(size=(6, 7)), rng.normal(size=(3, 2))
WHOLE = rng.integers(0, 9, (5, 4)), rng.integers(0, 9, (2, 3))
SIGNALS = rng.normal(size=(2, 600))
COMPLEX = SIGNALS + 1j * SIGNALS[::-1]
MODES = ["full", "same", "valid"]
PAIRS = [
    (X, Y),
    (Y, X),
    (X + 1j * X[::-1], Y - 1j * Y[::-1]),
    (IMAGE, PATCH),
    (PATCH, IMAGE),
    WHOLE,
    (X.astype("f4"), Y.astype("f4")),
    (X.astype("f4"), WHOLE[0][0]),
]


def same(name: str, *args: Any, tol: float = 1e-9, traced: bool = False, **options: Any) -> None:
    """A function gives SciPy's result, of its dtype."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        wanted = getattr(ss, name)(*args, **options)
    close(getattr(ws, name)(*args, **options), wanted, tol, f"{name} {options}")
    if traced:
        found = weft.jit(lambda *xs: getattr(ws, name)(*xs, **options))(*args)
        close(found, wanted, tol, f"jit {name} {options}")


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", ["convolve", "correlate"])
def test_convolutions(name: str, mode: str) -> None:
    for (a, b), method in itertools.product(PAIRS, ("auto", "direct", "fft")):
        tol = 1e-5 if np.result_type(a, b).itemsize < 8 or a.dtype == "f4" else 1e-9
        same(name, a, b, mode=mode, method=method, tol=tol, traced=method == "auto")
    assert ws.convolve(True, 3) == 3


@pytest.mark.parametrize("boundary", ["fill", "wrap", "symm"])
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", ["convolve2d", "correlate2d"])
def test_convolutions_of_matrices(name: str, mode: str, boundary: str) -> None:
    pairs = [(IMAGE, PATCH), (PATCH, IMAGE), (IMAGE + 1j * IMAGE[::-1], PATCH * 1j + 1), WHOLE]
    for a, b in pairs:
        for value in (0, 2) if boundary == "fill" else (0,):
            same(name, a, b, mode=mode, boundary=boundary, fillvalue=value)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", ["fftconvolve", "oaconvolve"])
def test_convolutions_by_transforms(name: str, mode: str) -> None:
    long = rng.normal(size=(3, 999))
    for a, b in PAIRS[:5]:
        same(name, a, b, mode=mode)
    for a, b in ((IMAGE, PATCH[:1]), (long, PATCH), (PATCH, long), (long + 1j, PATCH)):
        same(name, a, b, mode=mode, axes=1)
    same(name, IMAGE, PATCH, mode=mode, axes=(0, 1), traced=True)
    close(
        weft.jit(lambda a, b: getattr(ws, name)(a, b, axes=1))(long, PATCH),
        ss.fftconvolve(long, PATCH, axes=1),
        1e-9,
    )


def test_lags_and_methods() -> None:
    for mode, (m, n) in itertools.product(MODES, ((5, 3), (3, 5), (4, 4))):
        same("correlation_lags", m, n, mode=mode)
    assert ws.choose_conv_method(np.ones(10**5), np.ones(10**4)) == "fft"
    assert ws.choose_conv_method(np.ones(10**5), np.ones(3)) == "direct"
    assert ws.choose_conv_method(np.ones(10**5, int), np.ones(10**4, int)) == "direct"


PLAIN = "boxcar triang parzen bohman blackman nuttall blackmanharris flattop bartlett hann hamming barthann cosine".split()
PLAIN += ["lanczos", "tukey", "exponential"]
WITH_PARAMETERS = [
    ("kaiser", 8.6),
    ("gaussian", 2.0),
    ("general_gaussian", 1.5, 2.0),
    ("general_hamming", 0.7),
    ("general_cosine", [0.5, 0.3, 0.2]),
    *[("tukey", alpha) for alpha in (0.0, 0.3, 1.0, 1.5)],
]


@pytest.mark.parametrize("sym", [True, False])
@pytest.mark.parametrize("n", [0, 1, 2, 3, 7, 8])
def test_windows(n: int, sym: bool) -> None:
    for name, *parameters in [*[(name,) for name in PLAIN], *WITH_PARAMETERS]:
        wanted = getattr(ss.windows, name)(n, *parameters, sym=sym)
        close(getattr(ws.windows, name)(n, *parameters, sym=sym), wanted, 1e-9, name)


def test_windows_by_name() -> None:
    for window in (
        "hann",
        "box",
        ("kaiser", 4.0),
        4.0,
        ("gaussian", 3),
        "tukey",
        ("exponential", None, 2.0),
        "hamming_symmetric",
    ):
        for bins in (True, False):
            same("get_window", window, 9, bins)
    close(ws.get_window(np.arange(3.0), 3), np.arange(3.0), 0)
    check(Case(lambda b: ws.windows.kaiser(7, b), lambda b: ss.windows.kaiser(7, b), (np.array(3.0),)))
    check(Case(lambda b: ws.windows.gaussian(7, b), lambda b: ss.windows.gaussian(7, b), (np.array(3.0),)))
    with pytest.raises(ArgumentError, match="knows no window 'hat'"):
        ws.get_window("hat", 3)
    with pytest.raises(ArgumentError, match="'kaiser' wants parameters"):
        ws.get_window("kaiser", 3)
    with pytest.raises(ShapeError, match=r"shape \(3,\) for a window of length 4"):
        ws.get_window(np.ones(3), 4)


DENSITIES: list[dict[str, Any]] = [
    {},
    {"nperseg": 100},
    {"nperseg": 64, "noverlap": 10, "nfft": 80},
    {"window": "boxcar", "detrend": "linear", "scaling": "spectrum", "nperseg": 63},
    {"average": "median", "nperseg": 100},
    {"return_onesided": False, "nperseg": 50},
    {"window": np.hanning(40)},
]


@pytest.mark.parametrize("options", DENSITIES, ids=str)
def test_densities(options: dict[str, Any]) -> None:
    for x in (SIGNALS, COMPLEX):
        same("welch", x, 10.0, **options)
        same("csd", x, SIGNALS[::-1].copy(), 10.0, **options)
    same("welch", SIGNALS.T.copy(), 10.0, axis=0, traced=True, **options)


def test_densities_of_other_kinds() -> None:
    same("csd", SIGNALS, SIGNALS[:, :300], nperseg=100)
    same("coherence", SIGNALS, SIGNALS**2, nperseg=100)
    for options in (
        {},
        {"nfft": 700},
        {"nfft": 500},
        {"window": "hann", "detrend": False, "scaling": "spectrum"},
    ):
        same("periodogram", SIGNALS, 3.0, **options)
    for options in ({}, {"nperseg": 100}, {"window": "hann", "nperseg": 60, "noverlap": 30}):
        same("spectrogram", SIGNALS, 3.0, **options)
    assert ws.welch(SIGNALS.astype("f4"))[1].dtype == np.float32


TRANSFORMS: list[dict[str, Any]] = [
    {},
    {"nperseg": 100},
    {"nperseg": 101},
    {"nperseg": 64, "noverlap": 48, "nfft": 80},
    *[{"boundary": b, "nperseg": 64} for b in ("even", "odd", "constant")],
    {"boundary": None, "padded": False, "nperseg": 64},
    {"scaling": "psd", "nperseg": 64},
    {"detrend": "linear", "nperseg": 64},
    {"nperseg": 50, "return_onesided": False},
]


@pytest.mark.parametrize("options", TRANSFORMS, ids=str)
def test_short_time_transforms(options: dict[str, Any]) -> None:
    for x in (SIGNALS, COMPLEX):
        same("stft", x, 10.0, **options)
        back = {k: v for k, v in options.items() if k in ("nperseg", "noverlap", "nfft", "scaling")}
        back["input_onesided"] = options.get("return_onesided", True) and x is SIGNALS
        back["boundary"] = options.get("boundary", "zeros") is not None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            z = ss.stft(x, 10.0, **options)[2]
            wanted = ss.istft(z, 10.0, **back)[1]
        close(ws.istft(z, 10.0, **back)[1], wanted, 1e-9)
        same("istft", z[0], 10.0, traced=True, **back)


def test_axes_of_short_time_transforms() -> None:
    z = ws.stft(rng.normal(size=(2, 3, 300)), nperseg=50)[2]
    for time, frequency in ((-1, -2), (-2, -1), (0, 1), (1, 0), (3, 0), (0, 3), (2, 0)):
        moved = np.moveaxis(np.asarray(z), (-1, -2), (time, frequency))
        options = {"time_axis": time, "freq_axis": frequency, "nperseg": 50}
        close(ws.istft(moved, **options)[1], ss.istft(moved, **options)[1], 1e-9)


FILTER = ss.butter(3, 0.3)
SECTIONS = ss.butter(5, 0.3, output="sos")


def test_filters() -> None:
    b, a = FILTER
    for args in ((b, a), (2 * b, 3 * a), (b[:2], [2.0]), ([2.0], [1.0, 0.5]), ([2.0], [4.0])):
        same("lfilter", *args, COMPLEX)
        same("lfilter", *args, SIGNALS.T.copy(), axis=0)
    same("lfilter", b, a, SIGNALS, zi=rng.normal(size=(2, 3)))
    same("lfilter_zi", b, a)
    same("sosfilt", SECTIONS, SIGNALS, traced=True)
    same("sosfilt", SECTIONS, SIGNALS, zi=rng.normal(size=(3, 2, 2)))
    for padtype in ("odd", "even", "constant", None):
        same("filtfilt", b, a, SIGNALS, padtype=padtype)
        same("filtfilt", b, a, SIGNALS.T.copy(), axis=0, padtype=padtype, padlen=5)
    for n in (None, 7, 8, 700):
        same("hilbert", SIGNALS, n)


@pytest.mark.parametrize("mode", ["interp", "mirror", "nearest", "wrap", "constant"])
def test_fitted_polynomials(mode: str) -> None:
    for (n, order), deriv in itertools.product(((5, 0), (5, 2), (5, 3), (6, 3), (1, 0)), (0, 1)):
        same("savgol_coeffs", n, order, deriv, 0.5)
        same("savgol_filter", SIGNALS[:, :20], n, order, deriv, 0.5, mode=mode, cval=1.0)
    same("savgol_coeffs", 5, 2, pos=1, use="dot")
    same("savgol_filter", COMPLEX[:, :20].T.real.copy(), 5, 2, axis=0, mode=mode)
    traced = weft.jit(lambda x: ws.savgol_filter(x, 5, 2, mode=mode))(SIGNALS)
    close(traced, ss.savgol_filter(SIGNALS, 5, 2, mode=mode), 1e-9)


@pytest.mark.parametrize("type", ["linear", "constant"])
def test_trends(type: str) -> None:
    for bp in (0, [0, 5], [3, 100, 400]):
        same("detrend", COMPLEX, type=type, bp=bp)
        same("detrend", SIGNALS.T.copy(), axis=0, type=type, bp=bp, traced=True)


def both(call: Any, *args: np.ndarray, with_jax: bool = True, **facts: Any) -> Case:
    ours, theirs = (lambda *xs: call(ws, *xs)), (lambda *xs: call(ss, *xs))
    return Case(ours, theirs, args, jax=(lambda *xs: call(js, *xs)) if with_jax else None, **facts)


SHORT, OTHER = rng.normal(size=20), rng.normal(size=20)
LAWS = {
    "convolve": both(lambda m, a, b: m.convolve(a, b, mode="same"), X, Y),
    "convolve complex": both(lambda m, a, b: m.convolve(a, b), X + 1j * X[::-1], Y - 1j * Y),
    "correlate": both(lambda m, a, b: m.correlate(a, b, mode="valid"), X, Y),
    "correlate complex": both(
        lambda m, a, b: m.correlate(a, b), X + 1j * X[::-1], Y - 1j * Y, with_jax=False
    ),
    "convolve2d": both(lambda m, a, b: m.convolve2d(a, b), IMAGE, PATCH),
    "correlate2d wrap": both(
        lambda m, a, b: m.correlate2d(a, b, boundary="wrap"), IMAGE, PATCH, with_jax=False
    ),
    "fftconvolve": both(lambda m, a, b: m.fftconvolve(a, b, mode="same"), IMAGE, PATCH),
    "oaconvolve": both(lambda m, a, b: m.oaconvolve(a, b), np.tile(X, 4), Y, with_jax=False),
    "detrend": both(lambda m, a: m.detrend(a), SHORT),
    "welch": both(lambda m, a: m.welch(a, nperseg=8), SHORT),
    "csd": both(lambda m, a, b: m.csd(a, b, nperseg=8), SHORT, OTHER),
    "stft": both(lambda m, a: m.stft(a, nperseg=8), SHORT),
    "istft": both(lambda m, a, b: m.istft(a + 1j * b, nperseg=8), SHORT.reshape(5, 4), OTHER.reshape(5, 4)),
    "periodogram": both(lambda m, a: m.periodogram(a), SHORT, with_jax=False),
    "coherence": both(lambda m, a, b: m.coherence(a, b, nperseg=8), SHORT, OTHER, with_jax=False),
    "lfilter": both(lambda m, b, a, x: m.lfilter(b, a, x), *FILTER, SHORT, with_jax=False),
    "sosfilt": both(lambda m, s, x: m.sosfilt(s, x), SECTIONS[:2], SHORT, with_jax=False),
    "filtfilt": both(lambda m, x: m.filtfilt([0.5, 0.2], [1, -0.3], x), SHORT + 0j, with_jax=False),
    "savgol_filter": both(lambda m, x: m.savgol_filter(x, 5, 2), SHORT, with_jax=False),
    "hilbert": both(lambda m, x: m.hilbert(x), SHORT, with_jax=False),
}


@pytest.mark.parametrize("name", LAWS)
def test_laws(name: str) -> None:
    check(LAWS[name])


def test_jax_has_nothing_that_is_missing_here() -> None:
    assert {n for n in dir(js) if not n.startswith("_")} <= set(ws.__all__)


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda x: ws.convolve(x, x[None]), ShapeError, "convolve takes two arrays of as many axes"),
        (lambda x: ws.convolve(x, x[:0]), ShapeError, "with elements"),
        (lambda x: ws.convolve(x, x, mode="half"), ArgumentError, "mode='half'; it is one of"),
        (lambda x: ws.correlate(x, x, method="slow"), ArgumentError, "method='slow'"),
        (lambda x: ws.convolve2d(x, x), ShapeError, "two arrays of 2 axes"),
        (
            lambda x: ws.convolve(x.reshape(2, 10), x.reshape(10, 2), mode="valid"),
            ShapeError,
            "at least as long",
        ),
        (lambda x: ws.fftconvolve(x, x, axes=1), AxisError, "fftconvolve got axis 1"),
        (lambda x: ws.fftconvolve(x.reshape(4, 5), x.reshape(2, 10), axes=1), ShapeError, "do not broadcast"),
        (lambda x: ws.welch(x, nperseg=0), ArgumentError, "nperseg=0"),
        (lambda x: ws.welch(x, nperseg=8, noverlap=8), ArgumentError, "noverlap=8"),
        (lambda x: ws.stft(x, boundary="glass"), ArgumentError, "boundary='glass'"),
        (lambda x: ws.istft(x), ShapeError, "two axes or more"),
        (lambda x: ws.detrend(x, type="cubic"), ArgumentError, "type='cubic'"),
        (lambda x: ws.detrend(x, bp=30), ArgumentError, "within the 20 samples"),
        (lambda x: ws.lfilter([1.0], [1.0, 0.5], x, zi=x[:2]), ShapeError, "it has 1 elements"),
        (lambda x: ws.filtfilt([1.0], [1.0, 0.5], x[:4]), ShapeError, "longer than padlen=6"),
        (lambda x: ws.sosfilt(x[None], x), ShapeError, r"sections \(n, 6\)"),
        (lambda x: ws.savgol_filter(x, 3, 3), ArgumentError, "less than window_length"),
        (lambda x: ws.savgol_filter(x, 21, 3), ShapeError, "20 samples for windows of 21"),
        (lambda x: ws.hilbert(x * 1j), ArgumentError, "real signals"),
    ],
)
def test_errors(call: Any, error: Any, says: str) -> None:
    for f in (call, weft.jit(call)):
        with pytest.raises(error, match=says):
            f(wnp.asarray(SHORT))
