"""`weft.scipy` under another default float: it is that of what comes from integers, or from no array at all."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import weft
import weft.scipy.fft as wf
import weft.scipy.linalg as wl
import weft.scipy.ndimage as wn
import weft.scipy.signal as ws
from weft.scipy.integrate import simpson
from weft.scipy.interpolate import interpn
from weft.scipy.optimize import minimize
from weft.scipy.sparse.linalg import cg

WHOLE = np.arange(16).reshape(4, 4) + 20 * np.eye(4, dtype=int)
CALLS = {
    "inv": lambda x: wl.inv(x),
    "expm": lambda x: wl.expm(x // 100),
    "solve_sylvester": lambda x: wl.solve_sylvester(x, x, x),
    "dct": lambda x: wf.dct(x),
    "welch": lambda x: ws.welch(x)[1],
    "lfilter": lambda x: ws.lfilter([1, 2], [3, 1], x),
    "savgol_filter": lambda x: ws.savgol_filter(x, 3, 1),
    "simpson": lambda x: simpson(x),
    "interpn": lambda x: interpn((np.arange(4), np.arange(4)), x, np.ones((3, 2), int)),
    "cg": lambda x: cg(x @ x.T, x[0])[0],
    "minimize": lambda x: minimize(lambda v: ((v - 1) ** 2).sum(), x[0]).x,
    "hann": lambda x: ws.windows.hann(5),
    "kaiser": lambda x: ws.get_window(("kaiser", 3.0), 5),
    "flattop": lambda x: ws.windows.flattop(5),
    "hilbert": lambda x: wl.hilbert(4),
    "savgol_coeffs": lambda x: ws.savgol_coeffs(5, 2),
}


@pytest.fixture(params=["float32", "float64"])
def default(request: Any) -> Iterator[str]:
    weft.config.update(default_float=request.param)
    yield request.param
    weft.config.update(default_float="float64")


@pytest.mark.parametrize("name", CALLS)
def test_the_default_float(name: str, default: str) -> None:
    assert CALLS[name](WHOLE).dtype == default
    assert weft.jit(CALLS[name])(WHOLE).dtype == default
    assert wn.uniform_filter(WHOLE.astype("f8")).dtype == np.float64
