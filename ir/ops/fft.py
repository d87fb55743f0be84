"""Discrete Fourier transforms of the last axes, or those before: complex to complex, real to half of a spectrum, and back.

The one idea: transforms are linear, and each transpose is a transform again. Forward ones are plain sums; inverse ones
divide by the number of elements. Of a real array's spectrum only the half is kept that says all: ``n // 2 + 1`` elements of
the last axis.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from weft.ir.errors import DTypeError, ShapeError
from weft.ir.ops.elementwise import and_, conj, full_like, gt, lt, mul, select
from weft.ir.ops.shape import iota
from weft.ir.primitive import Primitive, library
from weft.ir.rules import linear, to_front, transposed
from weft.ir.types import INT64, ArrayType, complex_dtype, real_dtype

KINDS = ("fft", "ifft", "rfft", "irfft")
_TAKEN = {
    "fft": ("complex64", "complex128"),
    "ifft": ("complex64", "complex128"),
    "rfft": ("float32", "float64"),
    "irfft": ("complex64", "complex128"),
}


def _fft_type(x: ArrayType, *, kind: str, lengths: tuple[int, ...], behind: int = 0) -> ArrayType:
    if kind not in KINDS:
        raise ShapeError(f"fft knows the kinds {', '.join(KINDS)}; got {kind!r}.")
    end = x.ndim - behind
    if not lengths or len(lengths) > end or behind < 0:
        raise ShapeError(f"{kind} of {x} needs lengths for one to {end} of its last axes; got {lengths}.")
    if min(lengths) < 1:
        raise ShapeError(f"{kind} of {x} needs lengths of at least 1; got {lengths}.")
    if x.dtype.name not in _TAKEN[kind]:
        raise DTypeError(f"{kind} takes {' or '.join(_TAKEN[kind])}; got {x}.")
    half = (*lengths[:-1], lengths[-1] // 2 + 1)
    taken = half if kind == "irfft" else lengths
    lead, found = x.shape[: end - len(lengths)], x.shape[end - len(lengths) : end]
    if found != taken:
        raise ShapeError(f"{kind} of lengths {lengths} needs {taken} for the last axes; got {x}.")
    dtype = real_dtype(x.dtype) if kind == "irfft" else complex_dtype(x.dtype)
    return ArrayType((*lead, *(half if kind == "rfft" else lengths), *x.shape[end:]), dtype)


def _fft_reference(x: np.ndarray, *, kind: str, lengths: tuple[int, ...], behind: int = 0) -> np.ndarray:
    out = _fft_type(ArrayType(x.shape, x.dtype), kind=kind, lengths=lengths, behind=behind)
    if out.size == 0:
        return np.empty(out.shape, out.dtype)
    found: np.ndarray = getattr(np.fft, f"{kind}n")(x, lengths, transformed_axes(lengths, behind))
    return found.astype(out.dtype, copy=False)


def transformed_axes(lengths: Sequence[int], behind: int) -> tuple[int, ...]:
    """The axes, counted from the end, as NumPy takes them."""
    return tuple(range(-len(lengths) - behind, -behind))


def _fft_transpose(ct: Any, x: ArrayType, *, kind: str, lengths: tuple[int, ...], behind: int = 0) -> Any:
    if kind in ("fft", "ifft"):  # their matrices are symmetric
        return fft(ct, kind, lengths, behind)
    size = math.prod(lengths)
    if kind == "rfft":  # the real part of a whole transform, that is, of the inverse one of conjugates
        half = _weighted(conj(ct), lengths[-1], 0.5 * size, float(size), behind)
        return fft(half, "irfft", lengths, behind)
    return _weighted(conj(fft(ct, "rfft", lengths, behind)), lengths[-1], 2 / size, 1 / size, behind)


def _weighted(half: Any, n: int, two: float, one: float, behind: int) -> Any:
    """Half of a spectrum of ``n``, times ``two`` where an element stands for two of the whole, times ``one`` elsewhere.

    All do but the first, and the middle one of an even number.
    """
    places = iota(INT64, half.shape, len(half.shape) - 1 - behind)
    twice = and_(gt(places, 0), lt(places, (n + 1) // 2))
    return mul(half, select(twice, full_like(half, two), full_like(half, one)))


def _fft_batch(prim: Primitive, args: Any, axes: Any, size: int, params: Any) -> Any:
    return (prim.bind(to_front(args[0], axes[0], size), **params),), (0,)


fft_p = Primitive(
    "fft",
    type_rule=_fft_type,
    reference=_fft_reference,
    jvp=linear,
    transpose=transposed(_fft_transpose),
    batch=_fft_batch,
    lower=library("fft"),
)


def fft(x: Any, kind: str, lengths: Sequence[int], behind: int = 0) -> Any:
    """Transform the last axes.

    Args:
        x: complex array; for "rfft" a real one.
        kind: "fft", "ifft", "rfft" (real in, half of the spectrum out) or "irfft" (back).
        lengths: of the axes, as they are in the larger of operand and result.
        behind: how many axes stand behind those that are transformed.

    Returns:
        Array of the shape of ``x``, but for the last axis that "rfft" and "irfft" transform.

    Raises:
        ShapeError, DTypeError: ``x`` does not fit to kind and lengths.
    """
    more = {"behind": behind} if behind else {}
    return fft_p.bind(x, kind=kind, lengths=tuple(int(n) for n in lengths), **more)
