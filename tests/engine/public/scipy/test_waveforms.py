"""Waveforms, resampling, medians and filters in sections of `weft.scipy.signal`, against SciPy; derivatives; errors."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
import scipy.signal as ss

import weft
import weft.numpy as wnp
import weft.scipy.signal as ws
from tests.engine.public.scipy.laws import Case, check, close
from weft.errors import ArgumentError, ShapeError

rng = np.random.default_rng(13)
TIMES = np.linspace(0, 1.9, 50)
SIGNALS = rng.normal(size=(2, 60))
COMPLEX = SIGNALS + 1j * SIGNALS[::-1]
SECTIONS = ss.butter(5, 0.3, output="sos")


def same(name: str, *args: Any, tol: float = 1e-9, **options: Any) -> None:
    wanted = getattr(ss, name)(*args, **options)
    close(getattr(ws, name)(*args, **options), wanted, tol, f"{name} {options}")
    arrays = [i for i, a in enumerate(args) if isinstance(a, np.ndarray)]

    def call(*xs: Any) -> Any:
        full = list(args)
        for i, x in zip(arrays, xs, strict=True):
            full[i] = x
        return getattr(ws, name)(*full, **options)

    close(weft.jit(call)(*[args[i] for i in arrays]), wanted, tol, f"jit {name} {options}")


@pytest.mark.parametrize("method", ["linear", "quadratic", "logarithmic", "hyperbolic"])
def test_chirps(method: str) -> None:
    for vertex, (f0, f1) in itertools.product((True, False), ((1.0, 4.0), (4.0, 1.0), (2.0, 2.0))):
        close(
            ws.chirp(TIMES, f0, 1.5, f1, method, 30, vertex),
            ss.chirp(TIMES, f0, 1.5, f1, method, 30, vertex),
            1e-9,
        )
    close(
        ws.chirp(TIMES, 1.0, 1.5, 3.0, method, complex=True),
        ss.chirp(TIMES, 1.0, 1.5, 3.0, method, complex=True),
        1e-9,
    )
    ours, theirs = (lambda t, f, m=m: m.chirp(t, f, 1.5, 3.0, method) for m in (ws, ss))
    check(Case(ours, theirs, (TIMES[:5].copy(), np.array(1.2))))


def test_other_waveforms() -> None:
    t = np.linspace(-7, 20, 97)
    for width in (0, 0.3, 0.5, 1):
        close(ws.sawtooth(t, width), np.asarray(ss.sawtooth(t, width)), 1e-9)
        close(ws.square(t, width), ss.square(t, width), 0)
    assert np.isnan(ws.sawtooth(t, 2)).all()
    assert np.isnan(ws.square(t, -1)).all()
    same("gausspulse", TIMES, 5, retquad=True, retenv=True)
    for shape, idx in ((5, None), ((3, 4), "mid"), ((3, 4), 1), ((3, 4), (2, 0)), (5, 2)):
        close(ws.unit_impulse(shape, idx), ss.unit_impulse(shape, idx), 0)


@pytest.mark.parametrize("window", [None, "hann"])
def test_other_rates(window: Any) -> None:
    for n, num, x in itertools.product(
        (60, 59, 1, 2, 3), (60, 61, 30, 31, 100, 101, 1, 2), (SIGNALS, COMPLEX)
    ):
        part = x[:, :n].copy()
        close(
            ws.resample(part, num, axis=1, window=window), ss.resample(part, num, axis=1, window=window), 1e-9
        )
    same("resample", SIGNALS, 7, axis=1, window=window)
    close(ws.resample(SIGNALS[0], 7, t=np.arange(60.0)), ss.resample(SIGNALS[0], 7, t=np.arange(60.0)), 1e-9)
    spectrum = np.fft.fft(SIGNALS[0])
    close(ws.resample(spectrum, 7, domain="freq"), ss.resample(spectrum, 7, domain="freq"), 1e-9)
    check(Case(lambda x: ws.resample(x, 5), lambda x: ss.resample(x, 5), (COMPLEX[0, :8].copy(),)))


def test_medians() -> None:
    volume = SIGNALS.reshape(6, 20)
    for size in (None, 3, 5, (3, 5)):
        same("medfilt", volume, size)
    same("medfilt", (9 * volume).astype(int))
    check(Case(lambda x: ws.medfilt(x), lambda x: ss.medfilt(x), (SIGNALS[0, :9].copy(),)))


def test_filters_in_sections() -> None:
    same("sosfilt_zi", SECTIONS)
    for padtype in ("odd", "even", "constant", None):
        close(
            ws.sosfiltfilt(SECTIONS, SIGNALS, padtype=padtype),
            ss.sosfiltfilt(SECTIONS, SIGNALS, padtype=padtype),
            1e-9,
        )
    same("sosfiltfilt", SECTIONS, SIGNALS.T.copy(), axis=0, padlen=5)
    ours, theirs = (lambda s, x, m=m: m.sosfiltfilt(s, x, padlen=3) for m in (ws, ss))
    check(Case(ours, theirs, (SECTIONS[:2], SIGNALS[0, :12].copy()), slope_tol=1e-4))


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda x: ws.chirp(x, 1.0, 1.0, 2.0, "cubic"), ArgumentError, "method='cubic'"),
        (lambda x: ws.resample(x, 0), ShapeError, "num=0"),
        (lambda x: ws.resample(x, 5, domain="space"), ArgumentError, "domain='space'"),
        (lambda x: ws.medfilt(x, 4), ArgumentError, "kernel_size=4 for 2 axes"),
        (lambda x: ws.medfilt(x * 1j), ArgumentError, "medfilt takes real arrays"),
        (lambda x: ws.sosfiltfilt(x, x), ShapeError, r"sections \(n, 6\)"),
        (lambda x: ws.sosfiltfilt(SECTIONS, x[:, :5]), ShapeError, "longer than padlen"),
        (lambda x: ws.unit_impulse(3, 3), ShapeError, "outside"),
        (lambda x: ws.unit_impulse(3, (1, 1)), ArgumentError, r"idx=\(1, 1\)"),
    ],
)
def test_errors(call: Any, error: Any, says: str) -> None:
    for f in (call, weft.jit(call)):
        with pytest.raises(error, match=says):
            f(wnp.asarray(SIGNALS))
