"""Fourier transforms by SciPy, written to where a program wants them.

The one idea: one long transform is slow, since it goes through memory many times; ``n = p * q`` elements are also a matrix,
whose columns are transformed, scaled by powers of the root of unity, and whose rows are transformed then. Those are many
short transforms, which stay in cache, run side by side in vector registers, and on several threads.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

_LONG = 2**16  # elements of a single transform from which it is split
_BLOCK = 2**16  # elements of rows that are transformed in one go, so that they stay in cache
_THREADED = 2**14  # elements from which threads pay


def transform(
    ins: Sequence[np.ndarray], outs: Sequence[np.ndarray], params: Mapping[str, Any], threads: int
) -> None:
    """Run an ``fft`` equation from arrays to arrays, on up to ``threads`` threads."""
    (x,), (out,) = ins, outs
    if not out.size:
        return
    from scipy import fft as scipy_fft

    kind, lengths = params["kind"], params["lengths"]
    workers = threads if out.size >= _THREADED else 1
    if len(lengths) == 1:
        n = lengths[0]
        split = _split(n) if n >= _LONG and kind in ("fft", "ifft") else None
        if split is not None:
            for row, target in zip(x.reshape(-1, n), out.reshape(-1, n), strict=True):
                _long(row, target, split, kind == "ifft", workers)
            return
        np.copyto(out, getattr(scipy_fft, kind)(x, n, workers=workers))
        return
    axes = tuple(range(-len(lengths), 0))
    np.copyto(out, getattr(scipy_fft, f"{kind}n")(x, lengths, axes, workers=workers))


@functools.lru_cache(maxsize=256)
def _split(n: int) -> tuple[int, int] | None:
    """Factors of ``n`` of about equal size; ``None`` where there are none."""
    for p in range(math.isqrt(n), math.isqrt(n) // 16, -1):
        if n % p == 0:
            return p, n // p
    return None


@functools.lru_cache(maxsize=2)
def _roots(p: int, q: int, dtype: np.dtype) -> np.ndarray:
    """``exp(-2j * pi * a * b / (p * q))`` for a < p, b < q: exact products, so as accurate as a sine is."""
    angle = np.outer(np.arange(p), np.arange(q)) * (-2 * np.pi / (p * q))
    found = np.empty(angle.shape, dtype)
    np.cos(angle, out=found.real, casting="same_kind")
    np.sin(angle, out=found.imag, casting="same_kind")
    return found


def _long(x: np.ndarray, out: np.ndarray, split: tuple[int, int], inverse: bool, workers: int) -> None:
    """One long transform: element ``c + p * d`` of the result from rows ``c``, columns ``d`` of the transformed matrix."""
    from scipy import fft as scipy_fft

    p, q = split
    run = scipy_fft.ifft if inverse else scipy_fft.fft
    columns = run(x.reshape(p, q), axis=0, workers=workers)
    roots, target = _roots(p, q, out.dtype), out.reshape(q, p)
    height = max(_BLOCK // q, 1)
    for first in range(0, p, height):
        rows = slice(first, first + height)
        block = columns[rows]
        block *= np.conj(roots[rows]) if inverse else roots[rows]
        target[:, rows] = run(block, axis=1, overwrite_x=True, workers=workers).T
