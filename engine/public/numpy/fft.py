"""Discrete Fourier transforms: `weft.numpy.fft`, with NumPy's names, signatures, dtypes and results.

The one idea: every function crops or pads axes to their lengths, brings them last, transforms them together, scales, and
brings them back. float32 gives complex64, as in NumPy 2.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from weft.engine.dispatch import as_dtype
from weft.engine.promotion import averaging
from weft.ir.errors import ArgumentError, AxisError, DTypeError, ShapeError
from weft.ir.ops import elementwise as e
from weft.ir.ops import fft as ops
from weft.ir.ops import shape as s
from weft.ir.types import FLOAT64, bfloat16, complex_dtype, is_complex, is_floating, real_dtype
from weft.numpy.shapes import roll
from weft.numpy.staging import axis_index, like_numpy, static_int, value

__all__ = [
    "fft",
    "fft2",
    "fftfreq",
    "fftn",
    "fftshift",
    "hfft",
    "ifft",
    "ifft2",
    "ifftn",
    "ifftshift",
    "ihfft",
    "irfft",
    "irfft2",
    "irfftn",
    "rfft",
    "rfft2",
    "rfftfreq",
    "rfftn",
]

_NORMS = (None, "backward", "ortho", "forward")
_OPPOSITE = {None: "forward", "backward": "forward", "ortho": "ortho", "forward": "backward"}


# Arguments


def _read(a: Any, name: str, *, is_real: bool = False) -> Any:
    """An array in the dtype that it is transformed in."""
    x = value(a, name)
    if x.ndim == 0:
        raise AxisError(f"{name} needs an array of at least one axis, got a scalar.")
    if is_real and is_complex(x.dtype):
        raise DTypeError(
            f"{name} takes real arrays, got {x.dtype}. Use fft for complex ones, or take the real part."
        )
    if x.dtype == bfloat16 or x.dtype == np.float16:
        x = as_dtype(x, np.dtype(np.float32))
    elif not is_floating(x.dtype) and not is_complex(x.dtype):
        x = as_dtype(x, averaging(x.dtype))
    return x if is_real else as_dtype(x, complex_dtype(x.dtype))


def _length(n: Any, name: str) -> int:
    length = static_int(n, name, "n")
    if length < 1:
        raise ShapeError(f"{name} got a length of {length}: a transform needs at least 1.")
    return length


def _axes_and_lengths(
    s_: Any, axes: Any, shape: Sequence[int], name: str, *, to_real: bool = False
) -> tuple[list[int], list[int]]:
    """The axes to transform, which may come twice, and their lengths."""
    given = None if s_ is None else [static_int(n, name, "s") for n in s_]
    if axes is None:
        count = len(shape) if given is None else len(given)
        if count > len(shape):
            raise AxisError(f"{name} got s={tuple(s_)} for an array of {len(shape)} axes.")
        found = list(range(len(shape) - count, len(shape)))
    else:
        found = [axis_index(axis, len(shape), name) for axis in axes]
    if given is None:
        lengths = [shape[axis] for axis in found]
        if to_real and found:
            lengths[-1] = (shape[found[-1]] - 1) * 2
    else:
        if len(given) != len(found):
            raise ShapeError(
                f"{name} got s={tuple(s_)} and axes={tuple(found)}: one length for each axis is needed."
            )
        lengths = [shape[axis] if n == -1 else n for n, axis in zip(given, found, strict=True)]
    return found, [_length(n, name) for n in lengths]


def _scale(norm: Any, name: str, size: int, *, inverse: bool) -> float:
    """What to multiply a transform with, of which the inverse ones are divided by ``size`` already."""
    if norm not in _NORMS:
        raise ArgumentError(f"{name} got norm={norm!r}; it is 'backward', 'ortho' or 'forward'.")
    if norm == "ortho":
        return math.sqrt(size) if inverse else 1 / math.sqrt(size)
    if norm == "forward":
        return float(size) if inverse else 1 / size
    return 1.0


# Transforms


def _resized(x: Any, axis: int, n: int) -> Any:
    """``x`` with an axis cut off or padded with zeros at its end."""
    if x.shape[axis] >= n:
        return s.slice_axis(x, axis, 0, n)
    high = [0] * x.ndim
    high[axis] = n - x.shape[axis]
    return s.pad(x, np.zeros((), x.dtype), [0] * x.ndim, high)


def _transform(x: Any, kind: str, axes: Sequence[int], lengths: Sequence[int]) -> Any:
    """Transform axes of an array; the last of them is the one that is real on one side."""
    if len(set(axes)) != len(axes):  # one after the other, from the last to the first
        *before, axis = axes
        plain = {"rfft": "fft", "irfft": "ifft"}.get(kind, kind)
        if kind == "irfft":
            x = _transform(x, plain, before, lengths[:-1])
            return _transform(x, kind, [axis], lengths[-1:])
        x = _transform(x, kind, [axis], lengths[-1:])
        return _transform(x, plain, before, lengths[:-1])
    for axis, n in zip(axes, lengths, strict=True):
        is_half = kind == "irfft" and axis == axes[-1]
        x = _resized(x, axis, n // 2 + 1 if is_half else n)
    if all(b == a + 1 for a, b in itertools.pairwise(axes)):
        return ops.fft(x, kind, lengths, x.ndim - 1 - axes[-1])
    order = [axis for axis in range(x.ndim) if axis not in axes] + list(axes)
    out = ops.fft(s.transpose(x, order), kind, lengths)
    return s.transpose(out, [order.index(axis) for axis in range(x.ndim)])


def _scaled(out: Any, factor: float) -> Any:
    return out if factor == 1.0 else e.mul(out, e.full_like(out, factor))


def _run(x: Any, kind: str, axes: Sequence[int], lengths: Sequence[int], norm: Any, name: str) -> Any:
    factor = _scale(norm, name, math.prod(lengths), inverse=kind in ("ifft", "irfft"))
    if not axes:
        return x
    return _scaled(_transform(x, kind, axes, lengths), factor)


def _one(a: Any, n: Any, axis: Any, norm: Any, kind: str, name: str) -> Any:
    """A transform along one axis."""
    x = _read(a, name, is_real=kind == "rfft")
    d = axis_index(axis, x.ndim, name)
    if n is None:
        n = (x.shape[d] - 1) * 2 if kind == "irfft" else x.shape[d]
    return _as_numpy(a, _run(x, kind, [d], [_length(n, name)], norm, name), kind)


def _as_numpy(a: Any, out: Any, kind: str) -> Any:
    """A real result of float16 is float16 again, and one of bfloat16 bfloat16."""
    given = getattr(a, "dtype", None)
    return as_dtype(out, given) if kind == "irfft" and given in (np.float16, bfloat16) else out


def _several(a: Any, s_: Any, axes: Any, norm: Any, kind: str, name: str) -> Any:
    """A transform along several axes."""
    x = _read(a, name, is_real=kind == "rfft")
    found, lengths = _axes_and_lengths(s_, axes, x.shape, name, to_real=kind == "irfft")
    if not found and kind in ("rfft", "irfft"):
        raise AxisError(f"{name} needs at least one axis.")
    out = _run(x, kind, found, lengths, norm, name)
    return out if len(found) > 1 else _as_numpy(a, out, kind)


def _last_axes(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function of NumPy that takes lengths without axes for those of the last axes, without a warning."""

    @functools.wraps(function)
    def run(a: Any, s: Any = None, axes: Any = None, norm: Any = None) -> Any:
        return function(a, s, range(-len(s), 0) if axes is None and s is not None else axes, norm)

    return run


@like_numpy(np.fft.fft)
def fft(a: Any, n: int | None = None, axis: int = -1, norm: str | None = None) -> Any:
    """The transform along an axis, cut off or padded with zeros to the length ``n``."""
    return _one(a, n, axis, norm, "fft", "fft")


@like_numpy(np.fft.ifft)
def ifft(a: Any, n: int | None = None, axis: int = -1, norm: str | None = None) -> Any:
    """The inverse of `fft`."""
    return _one(a, n, axis, norm, "ifft", "ifft")


@like_numpy(np.fft.rfft)
def rfft(a: Any, n: int | None = None, axis: int = -1, norm: str | None = None) -> Any:
    """The half of a real array's transform that says all, ``n // 2 + 1`` elements."""
    return _one(a, n, axis, norm, "rfft", "rfft")


@like_numpy(np.fft.irfft)
def irfft(a: Any, n: int | None = None, axis: int = -1, norm: str | None = None) -> Any:
    """The inverse of `rfft`: ``n`` real elements, by default an even number of them."""
    return _one(a, n, axis, norm, "irfft", "irfft")


@like_numpy(np.fft.hfft)
def hfft(a: Any, n: int | None = None, axis: int = -1, norm: str | None = None) -> Any:
    """The transform, real, of an array of which the half is given that says all."""
    _scale(norm, "hfft", 1, inverse=False)
    return _as_numpy(a, _one(e.conj(_read(a, "hfft")), n, axis, _OPPOSITE[norm], "irfft", "hfft"), "irfft")


@like_numpy(np.fft.ihfft)
def ihfft(a: Any, n: int | None = None, axis: int = -1, norm: str | None = None) -> Any:
    """The inverse of `hfft`."""
    _scale(norm, "ihfft", 1, inverse=False)
    return e.conj(_one(a, n, axis, _OPPOSITE[norm], "rfft", "ihfft"))


@like_numpy(_last_axes(np.fft.fftn))
def fftn(
    a: Any, s: Sequence[int] | None = None, axes: Sequence[int] | None = None, norm: str | None = None
) -> Any:
    """The transform along several axes, all by default; ``s`` are their lengths."""
    return _several(a, s, axes, norm, "fft", "fftn")


@like_numpy(_last_axes(np.fft.ifftn))
def ifftn(
    a: Any, s: Sequence[int] | None = None, axes: Sequence[int] | None = None, norm: str | None = None
) -> Any:
    """The inverse of `fftn`."""
    return _several(a, s, axes, norm, "ifft", "ifftn")


@like_numpy(_last_axes(np.fft.rfftn))
def rfftn(
    a: Any, s: Sequence[int] | None = None, axes: Sequence[int] | None = None, norm: str | None = None
) -> Any:
    """The transform of a real array along several axes; of the last of them the half that says all."""
    return _several(a, s, axes, norm, "rfft", "rfftn")


@like_numpy(_last_axes(np.fft.irfftn))
def irfftn(
    a: Any, s: Sequence[int] | None = None, axes: Sequence[int] | None = None, norm: str | None = None
) -> Any:
    """The inverse of `rfftn`."""
    return _several(a, s, axes, norm, "irfft", "irfftn")


@like_numpy(np.fft.fft2)
def fft2(
    a: Any, s: Sequence[int] | None = None, axes: Sequence[int] = (-2, -1), norm: str | None = None
) -> Any:
    """`fftn` of the last two axes."""
    return _several(a, s, axes, norm, "fft", "fft2")


@like_numpy(np.fft.ifft2)
def ifft2(
    a: Any, s: Sequence[int] | None = None, axes: Sequence[int] = (-2, -1), norm: str | None = None
) -> Any:
    """The inverse of `fft2`."""
    return _several(a, s, axes, norm, "ifft", "ifft2")


@like_numpy(np.fft.rfft2)
def rfft2(
    a: Any, s: Sequence[int] | None = None, axes: Sequence[int] = (-2, -1), norm: str | None = None
) -> Any:
    """`rfftn` of the last two axes."""
    return _several(a, s, axes, norm, "rfft", "rfft2")


@like_numpy(np.fft.irfft2)
def irfft2(
    a: Any, s: Sequence[int] | None = None, axes: Sequence[int] = (-2, -1), norm: str | None = None
) -> Any:
    """The inverse of `rfft2`."""
    return _several(a, s, axes, norm, "irfft", "irfft2")


# Frequencies


def _over_width(numbers: np.ndarray, n: int, d: Any) -> Any:
    """Whole numbers of periods as frequencies."""
    width = value(d, "fftfreq", "d")
    if width.shape != ():
        raise ShapeError(f"fftfreq needs a scalar as d, got an array of shape {width.shape}.")
    dtype = real_dtype(width.dtype) if is_floating(width.dtype) else FLOAT64
    total = e.mul(as_dtype(width, dtype), np.asarray(n, dtype))
    return e.div(numbers.astype(dtype), s.broadcast(total, numbers.shape, ()))


def _in_dtype(x: Any, dtype: Any) -> Any:
    return x if dtype is None else as_dtype(x, np.dtype(dtype))


def _numpys(reference: Callable[..., Any]) -> Callable[..., Any]:
    """NumPy's function with the keywords of the array API standard."""
    return lambda n, d=1.0, *, dtype=None, device=None: _in_dtype(reference(n, d), dtype)


@like_numpy(_numpys(np.fft.fftfreq), maker=True)
def fftfreq(n: int, d: Any = 1.0, *, dtype: Any = None, device: Any = None) -> Any:
    """The frequencies of `fft`'s elements for samples ``d`` apart: first those not negative, then the negative ones."""
    count = _length(n, "fftfreq")
    numbers = np.concatenate([np.arange((count + 1) // 2), np.arange(-(count // 2), 0)])
    return _in_dtype(_over_width(numbers, count, d), dtype)


@like_numpy(_numpys(np.fft.rfftfreq), maker=True)
def rfftfreq(n: int, d: Any = 1.0, *, dtype: Any = None, device: Any = None) -> Any:
    """The frequencies of `rfft`'s elements for samples ``d`` apart."""
    count = _length(n, "rfftfreq")
    return _in_dtype(_over_width(np.arange(count // 2 + 1), count, d), dtype)


def _shifted(x: Any, axes: Any, name: str, *, back: bool) -> Any:
    a = value(x, name)
    given = range(a.ndim) if axes is None else axes if isinstance(axes, tuple | list) else (axes,)
    found = [axis_index(axis, a.ndim, name) for axis in given]
    shifts = tuple(-(a.shape[axis] // 2) if back else a.shape[axis] // 2 for axis in found)
    return roll.staged(a, shifts, tuple(found)) if found else a


@like_numpy(np.fft.fftshift)
def fftshift(x: Any, axes: int | Sequence[int] | None = None) -> Any:
    """Move the frequency 0 into the middle of axes, all by default."""
    return _shifted(x, axes, "fftshift", back=False)


@like_numpy(np.fft.ifftshift)
def ifftshift(x: Any, axes: int | Sequence[int] | None = None) -> Any:
    """The inverse of `fftshift`."""
    return _shifted(x, axes, "ifftshift", back=True)
