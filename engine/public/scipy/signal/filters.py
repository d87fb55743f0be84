"""Digital filters: lfilter, sosfilt, filtfilt, savgol_filter, and the analytic signal.

The one idea: a recursive filter is a scan over samples whose carry is the filter's memory ("direct form II transposed"); a
polynomial fit to every window of a signal is one convolution, with weights that shapes alone decide.
"""

from __future__ import annotations

from typing import Any

import numpy as np

import weft.numpy as wnp
from weft import lax
from weft.engine.dispatch import is_traced
from weft.engine.transforms.jit import jit
from weft.ir.errors import ArgumentError, ShapeError
from weft.ir.types import is_complex
from weft.numpy.staging import axis_index, static_int
from weft.scipy.arguments import constant, inexact, one_of, vector

_PADDINGS = {
    "odd": {"mode": "reflect", "reflect_type": "odd"},
    "even": {"mode": "reflect"},
    "constant": {"mode": "edge"},
}


# Recursive filters


def _coefficients(name: str, b: Any, a: Any) -> tuple[Any, Any]:
    """Both polynomials of one length, with ``a[0] == 1``."""
    b, a = vector(name, "b", wnp.atleast_1d(b)), vector(name, "a", wnp.atleast_1d(a))
    if not b.shape[0] or not a.shape[0]:
        raise ShapeError(f"{name} got no coefficients: b of shape {b.shape}, a of shape {a.shape}.")
    n = max(b.shape[0], a.shape[0])
    first = a[0]
    b, a = (wnp.pad(x, (0, n - x.shape[0])) / first for x in (b, a))
    return b, a


@jit  # a step is little, and there are many
def _run(b: Any, a: Any, x: Any, memory: Any) -> tuple[Any, Any]:
    """Filter along the first axis; ``memory`` is ``(taps - 1, *others)``."""

    def step(memory: Any, x: Any) -> tuple[Any, Any]:
        y = b[0] * x + memory[0]
        lead = (-1, *(1,) * x.ndim)
        moved = wnp.concatenate([memory[1:], wnp.zeros_like(memory[:1])])
        return moved + b[1:].reshape(lead) * x - a[1:].reshape(lead) * y, y

    return lax.scan(step, memory, x)


def lfilter(b: Any, a: Any, x: Any, axis: int = -1, zi: Any = None) -> Any:
    """Filter a signal: ``a[0] y[n] = b[0] x[n] + b[1] x[n-1] + ... - a[1] y[n-1] - ...``.

    Args:
        b: the numerator's coefficients, a vector.
        a: the denominator's, a vector whose first element is not 0.
        x: array, floating or complex.
        axis: along which it is a signal.
        zi: the memory to begin with: ``max(len(a), len(b)) - 1`` along ``axis``; zeros by default.

    Returns:
        The signal filtered; with ``zi`` ``(signal, memory at the end)``.
    """
    b, a, x, *given = inexact("lfilter", b, a, x, *(() if zi is None else (zi,)))
    axis = axis_index(axis, x.ndim, "lfilter")
    b, a = _coefficients("lfilter", b, a)
    x = wnp.moveaxis(x, axis, 0)
    order = b.shape[0] - 1
    if given:
        memory = given[0]
        if memory.ndim != x.ndim or memory.shape[axis] != order:
            raise ShapeError(
                f"lfilter got zi of shape {memory.shape}: along axis {axis} it has {order} elements, and as many axes as x."
            )
        memory = wnp.broadcast_to(wnp.moveaxis(memory, axis, 0), (order, *x.shape[1:]))
    else:
        memory = wnp.zeros((order, *x.shape[1:]), x.dtype)
    y, memory = (b[0] * x, memory) if order == 0 else _run(b, a, x, memory)[::-1]
    y = wnp.moveaxis(y, 0, axis)
    return (y, wnp.moveaxis(memory, 0, axis)) if given else y


def lfilter_zi(b: Any, a: Any) -> Any:
    """The memory of `lfilter` after ones for ever: where the step response has settled."""
    b, a = _coefficients("lfilter_zi", *inexact("lfilter_zi", b, a))
    n = b.shape[0] - 1
    if n == 0:
        return wnp.zeros(0, b.dtype)
    companion = wnp.eye(n, n, -1, dtype=b.dtype).at[0].set(-a[1:])
    return wnp.linalg.solve(wnp.eye(n, dtype=b.dtype) - companion.T, b[1:] - a[1:] * b[0])


def _extended(
    name: str, x: Any, axis: int, padtype: str | None, padlen: int | None, taps: int
) -> tuple[Any, int]:
    """A signal along the first axis, with more samples at both ends, and with how many."""
    one_of(name, "padtype", padtype, (None, *_PADDINGS))
    width = 0 if padtype is None else 3 * taps if padlen is None else static_int(padlen, name, "padlen")
    if x.shape[axis] <= width or width < 0:
        raise ShapeError(
            f"{name} got a signal of {x.shape[axis]} samples, which must be longer than padlen={width}."
        )
    x = wnp.moveaxis(x, axis, 0)
    around = [(width, width)] + [(0, 0)] * (x.ndim - 1)
    return (wnp.pad(x, around, **_PADDINGS[str(padtype)]) if width else x), width


def filtfilt(
    b: Any, a: Any, x: Any, axis: int = -1, padtype: str | None = "odd", padlen: int | None = None
) -> Any:
    """Filter a signal forwards and then backwards, so that nothing is delayed.

    Args:
        b: see `lfilter`.
        a: see `lfilter`.
        x: see `lfilter`.
        axis: see `lfilter`.
        padtype: with what the signal is extended at both ends: its turned ("odd") or mirrored ("even") samples, its last ones
            ("constant"), or nothing.
        padlen: by how many samples; three times the number of coefficients by default.
    """
    b, a, x = inexact("filtfilt", b, a, x)
    axis = axis_index(axis, x.ndim, "filtfilt")
    x, width = _extended("filtfilt", x, axis, padtype, padlen, max(b.size, a.size))
    settled = lfilter_zi(b, a).astype(x.dtype).reshape(-1, *(1,) * (x.ndim - 1))
    for _ in range(2):
        x, _ = lfilter(b, a, x, axis=0, zi=settled * x[:1])
        x = wnp.flip(x, axis=0)
    return wnp.moveaxis(x[width : x.shape[0] - width], 0, axis)


def _sections(name: str, sos: Any) -> Any:
    if sos.ndim != 2 or sos.shape[1] != 6:
        raise ShapeError(f"{name} takes sections (n, 6), got an array of shape {sos.shape}.")
    return sos


def sosfilt(sos: Any, x: Any, axis: int = -1, zi: Any = None) -> Any:
    """Filter a signal by sections of second order, one after the other.

    Args:
        sos: the sections ``(n, 6)``: three coefficients ``b`` and three ``a`` each.
        x: array, floating or complex.
        axis: along which it is a signal.
        zi: the memories to begin with: ``(n, ...)`` with 2 along ``axis`` of the rest; zeros by default.

    Returns:
        The signal filtered; with ``zi`` ``(signal, memories at the end)``.
    """
    sos, x, *given = inexact("sosfilt", sos, x, *(() if zi is None else (zi,)))
    sos = _sections("sosfilt", sos)
    axis = axis_index(axis, x.ndim, "sosfilt")
    memories = []
    for i in range(sos.shape[0]):
        shape = tuple(2 if d == axis else n for d, n in enumerate(x.shape))
        memory = given[0][i] if given else wnp.zeros(shape, x.dtype)
        x, memory = lfilter(sos[i, :3], sos[i, 3:], x, axis, memory)
        memories.append(memory)
    return (x, wnp.stack(memories)) if given else x


def sosfilt_zi(sos: Any) -> Any:
    """The memories of `sosfilt` after ones for ever: ``(n, 2)``."""
    sos = _sections("sosfilt_zi", *inexact("sosfilt_zi", sos))
    memories: list[Any] = []
    scale: Any = 1
    for i in range(sos.shape[0]):
        b, a = sos[i, :3], sos[i, 3:]
        memories.append(scale * lfilter_zi(b, a))
        scale = scale * wnp.sum(b) / wnp.sum(a)
    return wnp.stack(memories) if memories else wnp.zeros((0, 2), sos.dtype)


def sosfiltfilt(
    sos: Any, x: Any, axis: int = -1, padtype: str | None = "odd", padlen: int | None = None
) -> Any:
    """`filtfilt` by sections of second order; ``padlen`` is by default three times their number, twice, and 1."""
    sos, x = inexact("sosfiltfilt", sos, x)
    sos = _sections("sosfiltfilt", sos)
    axis = axis_index(axis, x.ndim, "sosfiltfilt")
    taps = 2 * sos.shape[0] + 1
    if padlen is None and not is_traced(sos):  # coefficients that are 0 have no memory
        zeros = np.asarray(sos)[:, [2, 5]] == 0
        taps -= int(np.min(np.sum(zeros, axis=0)))
    x, width = _extended("sosfiltfilt", x, axis, padtype, padlen, taps)
    settled = sosfilt_zi(sos).astype(x.dtype)
    settled = settled.reshape(*settled.shape, *(1,) * (x.ndim - 1))
    for _ in range(2):
        x, _ = sosfilt(sos, x, axis=0, zi=settled * x[:1])
        x = wnp.flip(x, axis=0)
    return wnp.moveaxis(x[width : x.shape[0] - width], 0, axis)


# Polynomials fitted to windows


def savgol_coeffs(
    window_length: int,
    polyorder: int,
    deriv: int = 0,
    delta: float = 1.0,
    pos: int | None = None,
    use: str = "conv",
) -> Any:
    """The weights of samples that give the value, or a derivative, of the polynomial that fits them best.

    Args:
        window_length: how many samples.
        polyorder: the order of the polynomial, less than that.
        deriv: which derivative.
        delta: the distance of samples.
        pos: at which of them; in the middle by default.
        use: "conv" for weights to convolve with, "dot" for weights to multiply with.
    """
    one_of("savgol_coeffs", "use", use, ("conv", "dot"))
    return constant(
        _fit("savgol_coeffs", window_length, polyorder, deriv, delta, pos)[:: -1 if use == "conv" else 1]
    )


def _fit(name: str, window_length: Any, polyorder: Any, deriv: Any, delta: Any, pos: Any) -> np.ndarray:
    n, order, which = (
        static_int(x, name, w)
        for x, w in ((window_length, "window_length"), (polyorder, "polyorder"), (deriv, "deriv"))
    )
    if not 0 <= order < n or which < 0:
        raise ArgumentError(
            f"{name} got window_length={n}, polyorder={order}, deriv={which}: polyorder is less than window_length."
        )
    place = (n // 2 if n % 2 else n / 2 - 0.5) if pos is None else static_int(pos, name, "pos")
    if not 0 <= place < n:
        raise ArgumentError(f"{name} got pos={pos} for a window of {n} samples.")
    if which > order:
        return np.zeros(n)
    x = np.arange(n) - place
    powers = np.vander(x, order + 1, increasing=True)
    factor = float(np.prod(np.arange(1, which + 1))) / float(delta) ** which
    weights: np.ndarray = np.linalg.pinv(powers)[which] * factor
    return weights


_EDGES = {"mirror": "reflect", "nearest": "edge", "wrap": "wrap", "constant": "constant"}


def savgol_filter(
    x: Any,
    window_length: int,
    polyorder: int,
    deriv: int = 0,
    delta: float = 1.0,
    axis: int = -1,
    mode: str = "interp",
    cval: float = 0.0,
) -> Any:
    """Smooth a signal by the polynomials that fit windows of it best (Savitzky and Golay).

    Args:
        x: array, floating or complex.
        window_length: how many samples a window has.
        polyorder: the order of the polynomials, less than that.
        deriv: give this derivative.
        delta: the distance of samples.
        axis: along which it is a signal.
        mode: what happens within half a window of the ends: "interp" takes the polynomials of the first and the last window;
            else the signal is extended: "mirror", "nearest", "wrap" or "constant" (``cval``).
        cval: see ``mode``.
    """
    one_of("savgol_filter", "mode", mode, ("interp", *_EDGES))
    (x,) = inexact("savgol_filter", x)
    axis = axis_index(axis, x.ndim, "savgol_filter")
    x = wnp.moveaxis(x, axis, -1)
    weights = _fit("savgol_filter", window_length, polyorder, deriv, delta, None)
    length, half = len(weights), len(weights) // 2
    if mode == "interp" and length > x.shape[-1]:
        raise ShapeError(
            f"savgol_filter with mode='interp' got {x.shape[-1]} samples for windows of {length}."
        )
    before = (length - 1) // 2
    around = [(0, 0)] * (x.ndim - 1) + [(before, half)]
    options = {"constant_values": cval} if mode == "constant" else {}
    wide = x if mode == "interp" else wnp.pad(x, around, mode=_EDGES[mode], **options)
    kernel = weights.astype(wnp.real(x).dtype)
    count = wide.shape[-1] - length + 1
    windows = wide[..., np.arange(count)[:, None] + np.arange(length)]
    found = windows @ kernel.astype(x.dtype)
    if mode == "interp":
        ends = []
        for part, first in ((x[..., :length], 0), (x[..., x.shape[-1] - length :], length - half)):
            rows = [_fit("savgol_filter", length, polyorder, deriv, delta, first + i) for i in range(half)]
            table = np.array(rows).reshape(half, length).astype(kernel.dtype)
            ends.append(part @ table.T.astype(x.dtype))
        inner = found[..., half - before : half - before + x.shape[-1] - 2 * half]
        found = wnp.concatenate([ends[0], inner, ends[1]], axis=-1)
    return wnp.moveaxis(found, -1, axis)


# The analytic signal


def hilbert(x: Any, N: int | None = None, axis: int = -1) -> Any:
    """The analytic signal: its real part is ``x``, and it has no negative frequencies.

    Args:
        x: array, real.
        N: the length to which it is cut off or padded with zeros.
        axis: along which it is a signal.
    """
    (x,) = inexact("hilbert", x)
    if is_complex(x.dtype):
        raise ArgumentError(f"hilbert takes real signals, got {x.dtype}.")
    axis = axis_index(axis, x.ndim, "hilbert")
    n = x.shape[axis] if N is None else static_int(N, "hilbert", "N")
    if n < 1:
        raise ShapeError(f"hilbert got a length of {n}: it is at least 1.")
    weights = np.zeros(n)
    weights[0] = 1
    weights[1 : (n + 1) // 2] = 2
    if n % 2 == 0:
        weights[n // 2] = 1
    spectrum = wnp.moveaxis(wnp.fft.fft(x, n, axis), axis, -1) * weights.astype(x.dtype)
    return wnp.moveaxis(wnp.fft.ifft(spectrum), -1, axis)
