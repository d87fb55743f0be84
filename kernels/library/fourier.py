"""Fourier transforms by SciPy and NumPy in Python: long lines, and all where `weft.kernels.library.transforms` finds no loops.

The one idea: one long transform is slow, since it goes through memory many times. But ``n = p * q`` elements are also a
matrix, whose columns are transformed, scaled by powers of the root of unity, and whose rows are transformed then. Those
are many short transforms, which stay in cache, run side by side in vector registers, and on several threads; all of them
take place in the memory of the result.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from weft.ir.ops.fft import transformed_axes

LONG = 2**16  # elements of a single transform from which it is split
_BLOCK = 2**16  # elements that are transformed in one go, so that they stay in cache
LARGE = 2**14  # elements from which SciPy pays: it is loaded then, and may use threads


def transform(
    ins: Sequence[np.ndarray], outs: Sequence[np.ndarray], params: Mapping[str, Any], threads: int
) -> None:
    """Run an ``fft`` equation from arrays to arrays, on up to ``threads`` threads."""
    (x,), (out,) = ins, outs
    kind, lengths, behind = params["kind"], params["lengths"], params.get("behind", 0)
    if not out.size:
        return
    several = len(lengths) > 1
    axes: Any = transformed_axes(lengths, behind) if several else -1 - behind
    name = f"{kind}n" if several else kind
    is_single = math.prod(lengths) == max(x.size, out.size)
    is_real = kind in ("rfft", "irfft")
    if out.size < LARGE or (is_real and (is_single or threads == 1)):
        getattr(np.fft, name)(x, lengths if several else lengths[0], axes, None, out)
        return
    from scipy import fft as scipy_fft

    run = functools.partial(getattr(scipy_fft, name), workers=threads)
    if is_real:
        np.copyto(out, run(x, lengths if several else lengths[0], axes))
        return
    split = None if several or behind or lengths[0] < LONG else _split(lengths[0])
    if split is None:
        np.copyto(out, x)
        _in_place(run, out, axes)
        return
    for row, target in zip(x.reshape(-1, lengths[0]), out.reshape(-1, lengths[0]), strict=True):
        _long(run, row, target, split, 1 if kind == "ifft" else -1)


def _in_place(run: Callable[..., np.ndarray], x: np.ndarray, axes: Any) -> None:
    """Transform an array where it lies."""
    found = run(x, None, axes, overwrite_x=True)
    if not np.may_share_memory(found, x):
        np.copyto(x, found)


@functools.lru_cache(maxsize=256)
def _split(n: int) -> tuple[int, int] | None:
    """Factors of ``n`` of about equal size; ``None`` where there are none."""
    for p in range(math.isqrt(n), math.isqrt(n) // 16, -1):
        if n % p == 0:
            return p, n // p
    return None


def _roots(rows: np.ndarray, p: int, n: int, sign: int, dtype: np.dtype) -> np.ndarray:
    """``exp(sign * 2j * pi * a * b / n)`` for a in ``rows``, b < p."""
    angle = np.outer(rows, np.arange(p)) * (sign * 2 * np.pi / n)
    found = np.empty(angle.shape, dtype)
    np.cos(angle, out=found.real, casting="same_kind")
    np.sin(angle, out=found.imag, casting="same_kind")
    return found


@functools.lru_cache(maxsize=4)
def _first_roots(height: int, p: int, n: int, sign: int, dtype: np.dtype) -> np.ndarray:
    return _roots(np.arange(height), p, n, sign, dtype)


def _long(
    run: Callable[..., np.ndarray], x: np.ndarray, out: np.ndarray, split: tuple[int, int], sign: int
) -> None:
    """One long transform: element ``b + q * a`` of ``x`` is in column b, ``c + p * d`` of the result in row d, column c."""
    p, q = split
    columns, rows = x.reshape(p, q).T, out.reshape(q, p)
    height = min(max(_BLOCK // p, 1), q)
    roots = _first_roots(height, p, p * q, sign, out.dtype)
    for first in range(0, q, height):
        block = rows[first : first + height]
        np.copyto(block, columns[first : first + height])
        _in_place(run, block, -1)
        block *= roots[: len(block)]
        if first:
            block *= _roots(np.array([first]), p, p * q, sign, out.dtype)
    _in_place(run, rows, 0)
