"""Windows: how much the samples of a piece of a signal count, most in the middle.

The one idea: a window is a formula of its sample's number, symmetric; a periodic one is one sample longer, without the last.
Parameters may be traced, so windows have derivatives by them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import weft.numpy as wnp
from weft.ir.errors import ArgumentError, ShapeError
from weft.numpy.staging import static_int
from weft.scipy.arguments import array, constant, scalar, vector

__all__ = [
    "barthann",
    "bartlett",
    "blackman",
    "blackmanharris",
    "bohman",
    "boxcar",
    "cosine",
    "exponential",
    "flattop",
    "gaussian",
    "general_cosine",
    "general_gaussian",
    "general_hamming",
    "get_window",
    "hamming",
    "hann",
    "kaiser",
    "lanczos",
    "nuttall",
    "parzen",
    "triang",
    "tukey",
]


def _window(M: Any, sym: bool, formula: Callable[[np.ndarray, int], Any]) -> Any:
    """The values of ``formula(numbers from 0, length)``, for a periodic window those of one more without the last."""
    count = static_int(M, "a window", "M")
    if count < 0:
        raise ShapeError(f"a window got a length of {count}: it must not be negative.")
    if count <= 1:
        return wnp.ones(count)
    n = count if sym else count + 1
    return constant(formula(np.arange(n), n)[:count])


def boxcar(M: int, sym: bool = True) -> Any:
    """Ones."""
    return _window(M, sym, lambda i, n: np.ones(n))


def triang(M: int, sym: bool = True) -> Any:
    """A triangle that would be 0 one sample, or half of one, outside."""

    def formula(i: np.ndarray, n: int) -> Any:
        half = np.arange(1, (n + 1) // 2 + 1)
        rising = (2 * half - 1.0) / n if n % 2 == 0 else 2 * half / (n + 1.0)
        return np.concatenate([rising, rising[::-1] if n % 2 == 0 else rising[-2::-1]])

    return _window(M, sym, formula)


def bartlett(M: int, sym: bool = True) -> Any:
    """A triangle that is 0 at both ends."""
    return _window(M, sym, lambda i, n: 1 - np.abs(2.0 * i / (n - 1) - 1))


def parzen(M: int, sym: bool = True) -> Any:
    """A triangle convolved with itself: cubic pieces."""

    def formula(i: np.ndarray, n: int) -> Any:
        x = np.abs(i - (n - 1) / 2)
        far, near = 2 * (1 - x / (n / 2)) ** 3, 1 - 6 * (x / (n / 2)) ** 2 + 6 * (x / (n / 2)) ** 3
        return np.where(x > (n - 1) / 4, far, near)

    return _window(M, sym, formula)


def bohman(M: int, sym: bool = True) -> Any:
    """Half a period of a cosine convolved with itself."""

    def formula(i: np.ndarray, n: int) -> Any:
        x = np.abs(2.0 * i / (n - 1) - 1)
        values = (1 - x) * np.cos(np.pi * x) + np.sin(np.pi * x) / np.pi
        values[[0, -1]] = 0
        return values

    return _window(M, sym, formula)


def general_cosine(M: int, a: Sequence[Any], sym: bool = True) -> Any:
    """``sum((-1)**k * a[k] * cos(2 pi k i / (n - 1)))``."""
    weights = vector("general_cosine", "a", array("general_cosine", a))
    signs = (-1.0) ** np.arange(weights.shape[0])

    def formula(i: np.ndarray, n: int) -> Any:
        waves = np.cos(2 * np.pi * np.outer(i / (n - 1), np.arange(len(signs)))) * signs
        return constant(waves) @ weights

    return _window(M, sym, formula)


def general_hamming(M: int, alpha: Any, sym: bool = True) -> Any:
    """``alpha - (1 - alpha) * cos(2 pi i / (n - 1))``."""
    alpha = scalar("general_hamming", "alpha", alpha)
    return _window(M, sym, lambda i, n: alpha - (1 - alpha) * np.cos(2 * np.pi * i / (n - 1)))


def hann(M: int, sym: bool = True) -> Any:
    """A period of a cosine, from 0 to 1 to 0."""
    return general_hamming(M, 0.5, sym)


def hamming(M: int, sym: bool = True) -> Any:
    """A period of a cosine, from 0.08 to 1 to 0.08."""
    return general_hamming(M, 0.54, sym)


def blackman(M: int, sym: bool = True) -> Any:
    """Three cosines."""
    return general_cosine(M, [0.42, 0.50, 0.08], sym)


def nuttall(M: int, sym: bool = True) -> Any:
    """Four cosines, Nuttall's weights."""
    return general_cosine(M, [0.3635819, 0.4891775, 0.1365995, 0.0106411], sym)


def blackmanharris(M: int, sym: bool = True) -> Any:
    """Four cosines, Harris's weights."""
    return general_cosine(M, [0.35875, 0.48829, 0.14128, 0.01168], sym)


def flattop(M: int, sym: bool = True) -> Any:
    """Five cosines, for heights of peaks."""
    return general_cosine(M, [0.21557895, 0.41663158, 0.277263158, 0.083578947, 0.006947368], sym)


def barthann(M: int, sym: bool = True) -> Any:
    """Between `bartlett` and `hann`."""

    def formula(i: np.ndarray, n: int) -> Any:
        x = np.abs(i / (n - 1) - 0.5)
        return 0.62 - 0.48 * x + 0.38 * np.cos(2 * np.pi * x)

    return _window(M, sym, formula)


def cosine(M: int, sym: bool = True) -> Any:
    """Half a period of a sine, of the middles of samples."""
    return _window(M, sym, lambda i, n: np.sin(np.pi / n * (i + 0.5)))


def lanczos(M: int, *, sym: bool = True) -> Any:
    """The middle of a sinc."""
    return _window(M, sym, lambda i, n: np.sinc(2.0 * i / (n - 1) - 1))


def tukey(M: int, alpha: Any = 0.5, sym: bool = True) -> Any:
    """Ones, whose ends, a share ``alpha`` of all, are those of `hann`."""
    alpha = scalar("tukey", "alpha", alpha)

    def formula(i: np.ndarray, n: int) -> Any:
        share = wnp.maximum(wnp.asarray(alpha, dtype=float), 1e-300)
        x = np.minimum(i, n - 1 - i) / (n - 1)  # from the nearer end
        width = wnp.minimum(share, 1.0)
        rising = 0.5 * (1 + wnp.cos(np.pi * (wnp.minimum(2 * x / width, 1) - 1)))
        return wnp.where((2 * x >= width) | (wnp.asarray(alpha) <= 0), 1.0, rising)

    return _window(M, sym, formula)


def exponential(M: int, center: Any = None, tau: Any = 1.0, sym: bool = True) -> Any:
    """``exp(-abs(i - center) / tau)``, by default around the middle."""
    if sym and center is not None:
        raise ArgumentError(
            "exponential: a symmetric window is around its middle; give center with sym=False."
        )
    tau = scalar("exponential", "tau", tau)
    center = None if center is None else scalar("exponential", "center", center)

    def formula(i: np.ndarray, n: int) -> Any:
        return wnp.exp(-wnp.abs(i - ((n - 1) / 2 if center is None else center)) / tau)

    return _window(M, sym, formula)


def gaussian(M: int, std: Any, sym: bool = True) -> Any:
    """``exp(-x**2 / (2 * std**2))`` of the distance ``x`` from the middle."""
    std = scalar("gaussian", "std", std)
    return _window(M, sym, lambda i, n: wnp.exp(-((i - (n - 1) / 2) ** 2) / (2 * std * std)))


def general_gaussian(M: int, p: Any, sig: Any, sym: bool = True) -> Any:
    """``exp(-abs(x / sig)**(2 p) / 2)`` of the distance ``x`` from the middle."""
    p, sig = scalar("general_gaussian", "p", p), scalar("general_gaussian", "sig", sig)
    return _window(M, sym, lambda i, n: wnp.exp(-0.5 * wnp.abs((i - (n - 1) / 2) / sig) ** (2 * p)))


def kaiser(M: int, beta: Any, sym: bool = True) -> Any:
    """``i0(beta * sqrt(1 - x**2)) / i0(beta)`` with ``x`` from -1 to 1."""
    beta = scalar("kaiser", "beta", beta)

    def formula(i: np.ndarray, n: int) -> Any:
        return wnp.i0(beta * np.sqrt(np.maximum(1 - (2.0 * i / (n - 1) - 1) ** 2, 0))) / wnp.i0(beta)

    return _window(M, sym, formula)


_BY_NAME: dict[str, Callable[..., Any]] = {
    **{name: globals()[name] for name in __all__ if name not in ("get_window", "general_cosine")},
    "general_cosine": general_cosine,
    "box": boxcar,
    "ones": boxcar,
    "rect": boxcar,
    "rectangular": boxcar,
    "tri": triang,
    "triangle": triang,
    "bart": bartlett,
    "brt": bartlett,
    "black": blackman,
    "blk": blackman,
    "bkh": blackmanharris,
    "blackharr": blackmanharris,
    "flat": flattop,
    "flt": flattop,
    "hamm": hamming,
    "ham": hamming,
    "han": hann,
    "nutt": nuttall,
    "nut": nuttall,
    "par": parzen,
    "parz": parzen,
    "bman": bohman,
    "bmn": bohman,
    "brthan": barthann,
    "bth": barthann,
    "halfcosine": cosine,
    "sinc": lanczos,
    "tuk": tukey,
    "poisson": exponential,
    "gauss": gaussian,
    "gss": gaussian,
    "ksr": kaiser,
    "general gaussian": general_gaussian,
    "general_gauss": general_gaussian,
    "ggs": general_gaussian,
}
_NEED_PARAMETERS = (kaiser, gaussian, general_gaussian, general_hamming, general_cosine)


def get_window(window: Any, Nx: int, fftbins: bool = True) -> Any:
    """A window by its name.

    Args:
        window: a name; a tuple of a name and parameters, such as ``("gaussian", 7)``; a number, the ``beta`` of `kaiser`; or
            samples. A name may end in "_periodic" or "_symmetric".
        Nx: its length.
        fftbins: make it periodic, for `fft`; else symmetric.

    Raises:
        ArgumentError: no window has that name, or it wants parameters.
    """
    if isinstance(window, str | tuple):
        name, *parameters = (window,) if isinstance(window, str) else window
        for ending, periodic in (("_periodic", True), ("_symmetric", False)):
            if isinstance(name, str) and name.endswith(ending):
                name, fftbins = name[: -len(ending)], periodic
        make = _BY_NAME.get(name) if isinstance(name, str) else None
        if make is None:
            raise ArgumentError(
                f"get_window knows no window {name!r}; known are {', '.join(sorted(_BY_NAME))}."
            )
        if make in _NEED_PARAMETERS and not parameters:
            raise ArgumentError(f"get_window: {name!r} wants parameters: give a tuple ({name!r}, ...).")
        return make(Nx, *parameters, sym=not fftbins)
    if isinstance(window, int | float):
        return kaiser(Nx, float(window), not fftbins)
    samples = wnp.asarray(window)
    if samples.shape != (static_int(Nx, "get_window", "Nx"),):
        raise ShapeError(f"get_window got samples of shape {samples.shape} for a window of length {Nx}.")
    return samples
