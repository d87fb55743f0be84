"""Fourier, cosine and sine transforms: `weft.scipy.fft`, as `jax.scipy.fft` and `scipy.fft`.

The one idea: a cosine or sine transform is the Fourier transform of a sequence made symmetric. Where half of that says all, a
transform of half the length is taken and its elements turned (Makhoul, "A fast cosine transform in one and two dimensions",
IEEE Trans. ASSP 28, 1980). They are linear in their argument, so derivatives come by themselves.

The sine transforms are the cosine transforms of sequences that are reversed, or have every second sign changed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import weft.numpy as wnp
from weft.ir.errors import AxisError, ShapeError
from weft.ir.types import is_complex
from weft.numpy.fft import *  # noqa: F403
from weft.numpy.fft import __all__ as _of_numpy
from weft.numpy.fft import irfft, irfftn, rfft, rfftn
from weft.numpy.staging import axis_index, static_int
from weft.scipy.arguments import inexact, one_of

__all__ = [
    *_of_numpy,
    "dct",
    "dctn",
    "dst",
    "dstn",
    "hfft2",
    "hfftn",
    "idct",
    "idctn",
    "idst",
    "idstn",
    "ihfft2",
    "ihfftn",
    "next_fast_len",
]

_NORMS = (None, "backward", "ortho", "forward")
_OPPOSITE = {None: "forward", "backward": "forward", "ortho": "ortho", "forward": "backward"}
_INVERSE_TYPE = {1: 1, 2: 3, 3: 2, 4: 4}


# Cosine transforms of real arrays along the last axis, not scaled


def _turns(n: int, count: int, dtype: Any) -> np.ndarray:
    """``exp(-i pi k / 2n)`` for the first k."""
    turns: np.ndarray = np.exp(-0.5j * np.pi / n * np.arange(count))
    return turns.astype(np.complex64 if dtype == np.float32 else np.complex128)


def _dct1(x: Any) -> Any:
    return wnp.real(rfft(wnp.concatenate([x, x[..., -2:0:-1]], axis=-1)))


def _dct2(x: Any) -> Any:
    n = x.shape[-1]
    half = rfft(wnp.concatenate([x[..., ::2], x[..., 1::2][..., ::-1]], axis=-1))
    turned = 2 * half * _turns(n, n // 2 + 1, x.dtype)
    return wnp.concatenate([wnp.real(turned), -wnp.imag(turned)[..., 1 : (n + 1) // 2][..., ::-1]], axis=-1)


def _dct3(x: Any) -> Any:  # 2n times the inverse of _dct2, step by step
    n = x.shape[-1]
    zero = wnp.zeros((*x.shape[:-1], 1), x.dtype)
    back = wnp.concatenate([zero, x[..., ::-1]], axis=-1)
    half = n // 2 + 1
    spectrum = (x[..., :half] - 1j * back[..., :half]) * _turns(n, half, x.dtype).conj()
    v = irfft(spectrum, n) * n
    first = (n + 1) // 2
    pairs = wnp.stack([v[..., : n // 2], v[..., first:][..., ::-1]], axis=-1).reshape(*x.shape[:-1], -1)
    return wnp.concatenate([pairs, v[..., n // 2 : first]], axis=-1)


def _dct4(x: Any) -> Any:
    n = x.shape[-1]
    turns = _turns(n, n, x.dtype)
    shift = np.exp(-0.25j * np.pi / n).astype(turns.dtype)
    return 2 * wnp.real(wnp.fft.fft(x * turns, 2 * n)[..., :n] * (turns * shift))


def _dst1(x: Any) -> Any:
    zero = wnp.zeros((*x.shape[:-1], 1), x.dtype)
    odd = wnp.concatenate([zero, x, zero, -x[..., ::-1]], axis=-1)
    return -wnp.imag(rfft(odd))[..., 1 : x.shape[-1] + 1]


def _signs(x: Any) -> Any:
    """Every second sign changed."""
    return x * (1 - 2 * (np.arange(x.shape[-1]) % 2)).astype(x.dtype)


_COSINE = {1: _dct1, 2: _dct2, 3: _dct3, 4: _dct4}
_SINE: dict[int, Callable[[Any], Any]] = {
    1: _dst1,
    2: lambda x: _dct2(_signs(x))[..., ::-1],
    3: lambda x: _signs(_dct3(x[..., ::-1])),
    4: lambda x: _signs(_dct4(x[..., ::-1])),
}
# By how much the period of the symmetric sequence differs from twice the length.
_PERIOD = {("dct", 1): -2, ("dst", 1): 2}


# Scales, axes, lengths


def _transform(
    kind: str, x: Any, axis: int, n: int, type: int, norm: Any, orthogonalize: Any, *, inverse: bool
) -> Any:
    """One transform along an axis, of an array of floating or complex dtype."""
    x = wnp.moveaxis(x, axis, -1)
    short = n - x.shape[-1]
    x = x[..., :n] if short <= 0 else wnp.pad(x, [(0, 0)] * (x.ndim - 1) + [(0, short)])
    period = 2 * n + _PERIOD.get((kind, type), 0)
    if period <= 0:
        raise ShapeError(f"{kind} of type 1 needs a length of at least 2, got {n}.")
    whole = norm == "ortho" if orthogonalize is None else bool(orthogonalize)
    # Of an orthonormal transform the element of frequency 0 (and n) weighs less, on the side where it is.
    ends = {
        ("dct", 1): (0, n - 1),
        ("dct", 2): (0,),
        ("dct", 3): (0,),
        ("dst", 2): (n - 1,),
        ("dst", 3): (n - 1,),
    }
    marked = np.isin(np.arange(n), ends.get((kind, type), ()))
    before = np.where(marked & whole & (type in (1, 3)), math.sqrt(2), 1.0)
    divided = (norm in (None, "backward")) == inverse and norm != "ortho"
    scale = 1 / math.sqrt(period) if norm == "ortho" else 1 / period if divided else 1.0
    after = np.where(marked & whole & (type in (1, 2)), math.sqrt(0.5), 1.0) * scale

    def of_real(part: Any) -> Any:
        run = _COSINE[type] if kind == "dct" else _SINE[type]
        return run(part * before.astype(part.dtype)) * after.astype(part.dtype)

    out = wnp.asarray(of_real(wnp.real(x)))
    if is_complex(x.dtype):
        out = out + 1j * of_real(wnp.imag(x))
    return wnp.moveaxis(out, -1, axis)


def _one(
    kind: str, x: Any, type: Any, n: Any, axis: Any, norm: Any, orthogonalize: Any, *, inverse: bool = False
) -> Any:
    name = "i" * inverse + kind
    one_of(name, "norm", norm, _NORMS)
    one_of(name, "type", type, (1, 2, 3, 4))
    (a,) = inexact(name, x)
    if a.ndim == 0:
        raise AxisError(f"{name} needs an array of at least one axis, got a scalar.")
    d = axis_index(axis, a.ndim, name)
    length = a.shape[d] if n is None else static_int(n, name, "n")
    if length < 1:
        raise ShapeError(f"{name} got a length of {length}: a transform needs at least 1.")
    which = _INVERSE_TYPE[type] if inverse else type
    return _transform(kind, a, d, length, which, norm, orthogonalize, inverse=inverse)


def _several(
    kind: str, x: Any, type: Any, s: Any, axes: Any, norm: Any, orthogonalize: Any, *, inverse: bool = False
) -> Any:
    name = "i" * inverse + kind + "n"
    (a,) = inexact(name, x)
    given = [s] if isinstance(s, int) else s
    if axes is None:
        count = a.ndim if given is None else len(given)
        axes = range(a.ndim - count, a.ndim)
    found = [axis_index(d, a.ndim, name) for d in ([axes] if isinstance(axes, int) else axes)]
    lengths = [None] * len(found) if given is None else list(given)
    if len(set(found)) != len(found) or len(lengths) != len(found):
        raise ShapeError(
            f"{name} got s={s} and axes={tuple(found)}: one length for each axis, each axis once."
        )
    for d, n in zip(found, lengths, strict=True):
        a = _one(kind, a, type, n, d, norm, orthogonalize, inverse=inverse)
    return a


def dct(
    x: Any,
    type: int = 2,
    n: int | None = None,
    axis: int = -1,
    norm: str | None = None,
    *,
    orthogonalize: bool | None = None,
) -> Any:
    """The cosine transform along an axis: for type 2 ``y[k] = 2 * sum(x[j] * cos(pi * k * (2j + 1) / 2n))``.

    Args:
        x: array, real or complex; integers count as float64.
        type: 1, 2, 3 or 4.
        n: the length to which the axis is cut off or padded with zeros.
        axis: the axis.
        norm: "backward" (``None``) scales the inverse, "forward" this, "ortho" both alike.
        orthogonalize: make the transform orthogonal up to a factor, by weights of the elements of frequency 0; by default
            with ``norm="ortho"``.

    Returns:
        Array of the shape of ``x``, but for the length of the axis.

    Raises:
        ArgumentError, AxisError, ShapeError: an argument has no such value.
    """
    return _one("dct", x, type, n, axis, norm, orthogonalize)


def idct(
    x: Any,
    type: int = 2,
    n: int | None = None,
    axis: int = -1,
    norm: str | None = None,
    *,
    orthogonalize: bool | None = None,
) -> Any:
    """The inverse of `dct`, with the same arguments."""
    return _one("dct", x, type, n, axis, norm, orthogonalize, inverse=True)


def dst(
    x: Any,
    type: int = 2,
    n: int | None = None,
    axis: int = -1,
    norm: str | None = None,
    *,
    orthogonalize: bool | None = None,
) -> Any:
    """The sine transform along an axis: for type 2 ``y[k] = 2 * sum(x[j] * sin(pi * (k + 1) * (2j + 1) / 2n))``.

    The arguments are those of `dct`.
    """
    return _one("dst", x, type, n, axis, norm, orthogonalize)


def idst(
    x: Any,
    type: int = 2,
    n: int | None = None,
    axis: int = -1,
    norm: str | None = None,
    *,
    orthogonalize: bool | None = None,
) -> Any:
    """The inverse of `dst`, with the arguments of `dct`."""
    return _one("dst", x, type, n, axis, norm, orthogonalize, inverse=True)


def dctn(
    x: Any,
    type: int = 2,
    s: Sequence[int] | None = None,
    axes: Sequence[int] | None = None,
    norm: str | None = None,
    *,
    orthogonalize: bool | None = None,
) -> Any:
    """`dct` along several axes, all by default, of the lengths ``s``."""
    return _several("dct", x, type, s, axes, norm, orthogonalize)


def idctn(
    x: Any,
    type: int = 2,
    s: Sequence[int] | None = None,
    axes: Sequence[int] | None = None,
    norm: str | None = None,
    *,
    orthogonalize: bool | None = None,
) -> Any:
    """The inverse of `dctn`."""
    return _several("dct", x, type, s, axes, norm, orthogonalize, inverse=True)


def dstn(
    x: Any,
    type: int = 2,
    s: Sequence[int] | None = None,
    axes: Sequence[int] | None = None,
    norm: str | None = None,
    *,
    orthogonalize: bool | None = None,
) -> Any:
    """`dst` along several axes, all by default, of the lengths ``s``."""
    return _several("dst", x, type, s, axes, norm, orthogonalize)


def idstn(
    x: Any,
    type: int = 2,
    s: Sequence[int] | None = None,
    axes: Sequence[int] | None = None,
    norm: str | None = None,
    *,
    orthogonalize: bool | None = None,
) -> Any:
    """The inverse of `dstn`."""
    return _several("dst", x, type, s, axes, norm, orthogonalize, inverse=True)


# Fourier transforms that SciPy has and NumPy has not


def hfftn(
    x: Any, s: Sequence[int] | None = None, axes: Sequence[int] | None = None, norm: str | None = None
) -> Any:
    """The transform, real, along several axes of an array of which the half is given that says all."""
    (a,) = inexact("hfftn", x)
    return irfftn(wnp.conj(a), s, axes, _OPPOSITE[one_of("hfftn", "norm", norm, _NORMS)])


def ihfftn(
    x: Any, s: Sequence[int] | None = None, axes: Sequence[int] | None = None, norm: str | None = None
) -> Any:
    """The inverse of `hfftn`."""
    (a,) = inexact("ihfftn", x)
    return wnp.conj(rfftn(a, s, axes, _OPPOSITE[one_of("ihfftn", "norm", norm, _NORMS)]))


def hfft2(
    x: Any, s: Sequence[int] | None = None, axes: Sequence[int] = (-2, -1), norm: str | None = None
) -> Any:
    """`hfftn` of the last two axes."""
    return hfftn(x, s, axes, norm)


def ihfft2(
    x: Any, s: Sequence[int] | None = None, axes: Sequence[int] = (-2, -1), norm: str | None = None
) -> Any:
    """The inverse of `hfft2`."""
    return ihfftn(x, s, axes, norm)


def next_fast_len(target: int, real: bool = False) -> int:
    """The least length from ``target`` on that transforms fast: its prime factors are 2, 3 and 5, if not real 7 and 11 too."""
    n = static_int(target, "next_fast_len", "target")
    if n < 1:
        raise ShapeError(f"next_fast_len got target={n}: a length is at least 1.")
    while True:
        rest = n
        for prime in (2, 3, 5) if real else (2, 3, 5, 7, 11):
            while rest % prime == 0:
                rest //= prime
        if rest == 1:
            return n
        n += 1
