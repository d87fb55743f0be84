"""Rows of Fourier transforms, against the sums that define them."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.op_rows.record import C64, C128, F32, F64, arrays, row
from weft.ir.ops.fft import fft


def _summed(x: np.ndarray, lengths: tuple[int, ...], sign: int) -> np.ndarray:
    """A transform of the last axes, one axis after the other, as products with matrices."""
    out = x.astype(np.complex128)
    for axis, n in zip(range(-len(lengths), 0), lengths, strict=True):
        powers = np.exp(sign * 2j * np.pi * np.outer(np.arange(n), np.arange(n)) / n)
        out = np.moveaxis(np.moveaxis(out, axis, -1) @ powers, -1, axis)
    return out


def _whole(x: np.ndarray, lengths: tuple[int, ...]) -> np.ndarray:
    """The whole spectrum of a real array by its half, of which the ends are taken to be real where they must be."""
    n = lengths[-1]
    half = np.zeros((*x.shape[: -len(lengths)], *lengths), np.complex128)
    full = np.moveaxis(_summed(np.moveaxis(x, -1, 0), lengths[:-1], 1), 0, -1)
    ends = [0, n // 2] if n % 2 == 0 else [0]
    full = full.copy()
    full[..., ends] = full[..., ends].real
    half[..., : x.shape[-1]] = full
    for k in range(x.shape[-1], n):
        half[..., k] = np.conj(full[..., n - k])
    return _summed(half, (n,), 1) / np.prod(lengths)


for _kind, _dtypes in (
    ("fft", (C64, C128)),
    ("ifft", (C64, C128)),
    ("rfft", (F32, F64)),
    ("irfft", (C64, C128)),
):
    for _lengths in ((1,), (4,), (5,), (3, 4), (2, 3)):

        def _reference(x: np.ndarray, kind: str = _kind, lengths: Any = _lengths) -> np.ndarray:
            if kind == "irfft":
                return _whole(x, lengths).real.astype(x.real.dtype)
            found = _summed(x, lengths, 1 if kind == "ifft" else -1)
            found = found / np.prod(lengths) if kind == "ifft" else found
            dtype = np.result_type(x.dtype, np.complex64)
            return (found[..., : lengths[-1] // 2 + 1] if kind == "rfft" else found).astype(dtype)

        _shape = (*_lengths[:-1], _lengths[-1] // 2 + 1) if _kind == "irfft" else _lengths
        row(
            "fft",
            lambda x, kind=_kind, lengths=_lengths: fft(x, kind, lengths),
            _reference,
            _dtypes,
            arrays(_shape, (2, *_shape), (0, *_shape)),
            f"{_kind}{len(_lengths)}-{_lengths[-1]}",
        )
        row(
            "fft",
            lambda x, kind=_kind, lengths=_lengths: fft(x, kind, lengths, 1),
            lambda x, transform=_reference: np.moveaxis(transform(np.moveaxis(x, -1, 0)), 0, -1),
            _dtypes,
            arrays((*_shape, 2), (2, *_shape, 3)),
            f"{_kind}{len(_lengths)}-{_lengths[-1]} before another axis",
        )
