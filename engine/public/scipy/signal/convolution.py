"""Convolutions and correlations of arrays of any number of axes, directly or by Fourier transforms.

The one idea: all are the whole convolution, of which a mode takes a window. A correlation is the convolution with the second
array turned round and conjugated; a boundary other than zeros is put around the first array before.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

import weft.numpy as wnp
from weft import lax
from weft.ir.errors import ShapeError
from weft.ir.types import is_complex, is_floating, is_inexact
from weft.numpy.staging import axis_indices, static_int
from weft.scipy.arguments import array, inexact, one_of
from weft.scipy.fft import next_fast_len

MODES = ("full", "same", "valid")
_BOUNDARIES = {"fill": "constant", "wrap": "wrap", "symm": "symmetric"}


def _pair(name: str, in1: Any, in2: Any, ndim: int | None = None) -> tuple[Any, Any]:
    """Two arrays of one dtype and as many axes; bool counts as int64."""
    a, b = array(name, in1), array(name, in2)
    if a.ndim != b.ndim or (ndim is not None and a.ndim != ndim):
        count = "as many axes" if ndim is None else f"{ndim} axes"
        raise ShapeError(f"{name} takes two arrays of {count}, got shapes {a.shape} and {b.shape}.")
    if min((*a.shape, *b.shape), default=1) == 0:
        raise ShapeError(f"{name} takes arrays with elements, got shapes {a.shape} and {b.shape}.")
    dtype = wnp.result_type(a, b)
    dtype = np.dtype(np.int64) if dtype.kind == "b" else dtype
    return a.astype(dtype), b.astype(dtype)


def _window(
    name: str,
    full: Any,
    mode: str,
    first: Sequence[int],
    second: Sequence[int],
    axes: Sequence[int],
    later: bool = False,
) -> Any:
    """The part of a whole convolution along axes that a mode gives, for the lengths of the arrays along those.

    Of two middles "same" takes the first, or the ``later`` one.
    """
    index: list[Any] = [slice(None)] * full.ndim
    if mode == "valid" and not (
        all(m >= n for m, n in zip(first, second, strict=True))
        or all(m <= n for m, n in zip(first, second, strict=True))
    ):
        raise ShapeError(
            f"{name} with mode='valid' needs one array at least as long as the other along every axis, got lengths "
            f"{tuple(first)} and {tuple(second)}."
        )
    for axis, m, n in zip(axes, first, second, strict=True):
        length = {"full": m + n - 1, "same": m, "valid": max(m, n) - min(m, n) + 1}[mode]
        start = (m + n - 1 - length + (later and mode == "same")) // 2
        index[axis] = slice(start, start + length)
    return full[tuple(index)]


def _direct(a: Any, b: Any) -> Any:
    """The whole convolution, sum by sum."""
    if a.ndim == 0:
        return a * b
    if a.ndim == 1:
        return wnp.convolve(a, b)
    if b.size > a.size:
        a, b = b, a
    padding = [(n - 1, n - 1) for n in b.shape]
    return lax.conv_general_dilated(a[None, None], wnp.flip(b)[None, None], (1,) * a.ndim, padding)[0, 0]


def _by_fft(a: Any, b: Any, axes: Sequence[int]) -> Any:
    """The whole convolution along axes; others broadcast."""
    if not axes:
        return a * b
    lengths = [a.shape[d] + b.shape[d] - 1 for d in axes]
    complex_result = is_complex(a.dtype)
    fast = [next_fast_len(n, not complex_result) for n in lengths]
    if complex_result:
        found = wnp.fft.ifftn(wnp.fft.fftn(a, fast, axes) * wnp.fft.fftn(b, fast, axes), fast, axes)
    else:
        found = wnp.fft.irfftn(wnp.fft.rfftn(a, fast, axes) * wnp.fft.rfftn(b, fast, axes), fast, axes)
    index: list[Any] = [slice(None)] * found.ndim
    for d, n in zip(axes, lengths, strict=True):
        index[d] = slice(0, n)
    return found[tuple(index)]


def choose_conv_method(in1: Any, in2: Any, mode: str = "full") -> str:
    """How `convolve` computes by itself: "direct" or "fft", whichever does less for arrays of these shapes and dtypes."""
    a, b = _pair("choose_conv_method", in1, in2)
    if not is_inexact(a.dtype):
        return "direct"
    sums = float(math.prod(a.shape)) * math.prod(b.shape)
    n = math.prod(m + k - 1 for m, k in zip(a.shape, b.shape, strict=True))
    return "fft" if sums > 40 * n * math.log2(max(n, 2)) else "direct"


def _convolved(name: str, a: Any, b: Any, mode: str, method: str) -> Any:
    one_of(name, "mode", mode, MODES)
    one_of(name, "method", method, ("auto", "direct", "fft"))
    chosen = choose_conv_method(a, b) if method == "auto" else method
    axes = range(a.ndim)
    if chosen == "direct":
        full = _direct(a, b)
    else:
        first, second = inexact(name, a, b)
        full = _by_fft(first, second, axes)
        if not is_inexact(a.dtype):
            full = wnp.rint(full).astype(a.dtype)
        elif is_floating(a.dtype):
            full = full.astype(a.dtype)
    return _window(name, full, mode, a.shape, b.shape, axes)


def convolve(in1: Any, in2: Any, mode: str = "full", method: str = "auto", precision: Any = None) -> Any:
    """The convolution of two arrays: ``y[k] = sum(in1[k - j] * in2[j])``, along all axes.

    Args:
        in1: array.
        in2: array of as many axes.
        mode: "full" is where they overlap at all, "same" of the shape of ``in1``, in the middle, "valid" where one lies wholly
            in the other.
        method: "direct", "fft", or "auto" for what is faster for these shapes; integers are summed exactly.
        precision: accepted for compatibility.

    Raises:
        ShapeError: the shapes do not go together.
    """
    return _convolved("convolve", *_pair("convolve", in1, in2), mode, method)


def correlate(in1: Any, in2: Any, mode: str = "full", method: str = "auto", precision: Any = None) -> Any:
    """The correlation of two arrays: ``y[k] = sum(in1[k + j] * conj(in2[j]))``, from ``k = 1 - len(in2)`` on.

    The arguments are those of `convolve`.
    """
    a, b = _pair("correlate", in1, in2)
    return _convolved("correlate", a, wnp.conj(wnp.flip(b)), mode, method)


def correlation_lags(in1_len: int, in2_len: int, mode: str = "full") -> Any:
    """The ``k`` of the elements of `correlate` of vectors of these lengths."""
    one_of("correlation_lags", "mode", mode, MODES)
    m, n = (static_int(x, "correlation_lags", w) for x, w in ((in1_len, "in1_len"), (in2_len, "in2_len")))
    if min(m, n) < 1:
        raise ShapeError(f"correlation_lags got lengths {m} and {n}: they are at least 1.")
    return _window("correlation_lags", wnp.asarray(np.arange(1 - n, m)), mode, [m], [n], [0])


def _convolved_2d(
    name: str, a: Any, b: Any, mode: str, boundary: str, fillvalue: Any, later: bool = False
) -> Any:
    one_of(name, "mode", mode, MODES)
    one_of(name, "boundary", boundary, tuple(_BOUNDARIES))
    if mode == "valid" or (boundary == "fill" and isinstance(fillvalue, int | float) and fillvalue == 0):
        return _window(name, _direct(a, b), mode, a.shape, b.shape, (0, 1), later)
    around = [(n - 1, n - 1) for n in b.shape]
    if boundary == "fill":
        value = wnp.asarray(fillvalue).astype(a.dtype)
        inside = wnp.pad(wnp.ones(a.shape, bool), around)
        wide = wnp.where(inside, wnp.pad(a, around), value)
    else:
        wide = wnp.pad(a, around, mode=_BOUNDARIES[boundary])
    full = _window(name, _direct(wide, b), "valid", wide.shape, b.shape, (0, 1))
    return _window(name, full, mode, a.shape, b.shape, (0, 1), later)


def convolve2d(
    in1: Any, in2: Any, mode: str = "full", boundary: str = "fill", fillvalue: Any = 0, precision: Any = None
) -> Any:
    """The convolution of two matrices.

    Args:
        in1: matrix.
        in2: matrix.
        mode: see `convolve`.
        boundary: what is around ``in1``: "fill" is ``fillvalue``, "wrap" the matrix again, "symm" its mirror image.
        fillvalue: see ``boundary``.
        precision: accepted for compatibility.
    """
    a, b = _pair("convolve2d", in1, in2, 2)
    return _convolved_2d("convolve2d", a, b, mode, boundary, fillvalue)


def correlate2d(
    in1: Any, in2: Any, mode: str = "full", boundary: str = "fill", fillvalue: Any = 0, precision: Any = None
) -> Any:
    """The correlation of two matrices; the arguments are those of `convolve2d`."""
    a, b = _pair("correlate2d", in1, in2, 2)
    return _convolved_2d("correlate2d", a, wnp.conj(wnp.flip(b)), mode, boundary, fillvalue, later=True)


# By Fourier transforms along some axes


def _along_axes(name: str, in1: Any, in2: Any, mode: str, axes: Any) -> tuple[Any, Any, list[int]]:
    """Two floating arrays of as many axes, and along which to convolve; along the others they broadcast."""
    one_of(name, "mode", mode, MODES)
    a, b = inexact(name, in1, in2)
    if a.ndim != b.ndim:
        raise ShapeError(f"{name} takes two arrays of as many axes, got shapes {a.shape} and {b.shape}.")
    found = list(axis_indices(axes, a.ndim, name))
    others = [d for d in range(a.ndim) if d not in found]
    if any(a.shape[d] != b.shape[d] and 1 not in (a.shape[d], b.shape[d]) for d in others):
        raise ShapeError(
            f"{name} got shapes that do not broadcast along other axes: {a.shape} and {b.shape}."
        )
    if min((*a.shape, *b.shape), default=1) == 0:
        raise ShapeError(f"{name} takes arrays with elements, got shapes {a.shape} and {b.shape}.")
    return a, b, found


def fftconvolve(in1: Any, in2: Any, mode: str = "full", axes: int | Sequence[int] | None = None) -> Any:
    """The convolution of two arrays along axes, all by default, by Fourier transforms.

    Args:
        in1: array; integers count as float64.
        in2: array of as many axes, which broadcast where they are not convolved along.
        mode: see `convolve`.
        axes: along which to convolve.
    """
    a, b, found = _along_axes("fftconvolve", in1, in2, mode, axes)
    full = _by_fft(a, b, found)
    return _window("fftconvolve", full, mode, [a.shape[d] for d in found], [b.shape[d] for d in found], found)


def oaconvolve(in1: Any, in2: Any, mode: str = "full", axes: int | Sequence[int] | None = None) -> Any:
    """`fftconvolve`, in pieces of the longer array where the other is much shorter (the overlap-add method)."""
    a, b, found = _along_axes("oaconvolve", in1, in2, mode, axes)
    lengths = [a.shape[d] for d in found], [b.shape[d] for d in found]
    full = _in_pieces(a, b, found[0]) if len(found) == 1 else _by_fft(a, b, found)
    return _window("oaconvolve", full, mode, *lengths, found)


def _in_pieces(a: Any, b: Any, axis: int) -> Any:
    if a.shape[axis] < b.shape[axis]:
        a, b = b, a
    n, m = a.shape[axis], b.shape[axis]
    if n < 8 * m:
        return _by_fft(a, b, [axis])
    a, b = wnp.moveaxis(a, axis, -1), wnp.moveaxis(b, axis, -1)
    piece = next_fast_len(8 * m, real=True) - m + 1
    count = -(-n // piece)
    cut = wnp.pad(a, [(0, 0)] * (a.ndim - 1) + [(0, count * piece - n)]).reshape(*a.shape[:-1], count, piece)
    parts = _by_fft(cut, b[..., None, :], [cut.ndim - 1])  # each m - 1 longer, into the next
    lead = parts.shape[:-2]
    none = [(0, 0)] * len(lead)
    heads = wnp.pad(parts[..., :piece], [*none, (0, 1), (0, 0)]).reshape(*lead, -1)
    tails = wnp.pad(parts[..., piece:], [*none, (1, 0), (0, piece - m + 1)]).reshape(*lead, -1)
    return wnp.moveaxis((heads + tails)[..., : n + m - 1], -1, axis)
