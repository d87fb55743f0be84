"""Matrices of a known form: Toeplitz and kin from vectors, Hilbert and kin from a size.

The one idea: each element of a matrix that a vector says is one of its elements, at a place that shapes alone decide; so the
matrix is one gather. Matrices that a size says are SciPy's, which are constants to a program.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import weft.numpy as wnp
from weft.engine.dispatch import broadcast_shapes
from weft.ir.errors import ArgumentError, ShapeError
from weft.numpy.staging import static_int
from weft.scipy.arguments import array, constant, inexact, one_of, vector


def _vectors(name: str, *xs: Any) -> list[Any]:
    """Arguments as vectors ``(..., n)`` of one dtype, whatever it is."""
    found = [wnp.atleast_1d(array(name, x)) for x in xs]
    dtype = wnp.result_type(*found)
    return [x.astype(dtype) for x in found]


# From vectors


def toeplitz(c: Any, r: Any = None) -> Any:
    """Matrices ``(..., m, n)`` of constant diagonals, from first columns ``c`` ``(..., m)`` and first rows ``r`` ``(..., n)``.

    The first element of ``r`` is not read; ``r`` is the conjugate of ``c`` by default.
    """
    c, r = _vectors("toeplitz", c, wnp.conj(array("toeplitz", c)) if r is None else r)
    m, n = c.shape[-1], r.shape[-1]
    lead = broadcast_shapes("toeplitz", c.shape[:-1], r.shape[:-1])
    c, r = (wnp.broadcast_to(x, (*lead, x.shape[-1])) for x in (c, r))
    around = wnp.concatenate([wnp.flip(r[..., 1:], axis=-1), c], axis=-1)
    rows, columns = np.indices((m, n))
    return around[..., rows - columns + max(n - 1, 0)]


def hankel(c: Any, r: Any = None) -> Any:
    """A matrix of constant antidiagonals from its first column ``c`` and last row ``r``, whose first element is not read.

    ``r`` is zeros by default.
    """
    c, r = _vectors("hankel", c, wnp.zeros_like(array("hankel", c)) if r is None else r)
    for argument, x in (("c", c), ("r", r)):
        vector("hankel", argument, x)
    along = wnp.concatenate([c, r[1:]])
    rows, columns = np.indices((c.shape[0], r.shape[0]))
    return along[rows + columns]


def circulant(c: Any) -> Any:
    """Matrices ``(..., n, n)`` whose columns are ``c`` ``(..., n)``, each moved round by one more element."""
    (c,) = _vectors("circulant", c)
    rows, columns = np.indices((c.shape[-1],) * 2)
    return c[..., (rows - columns) % max(c.shape[-1], 1)]


def companion(a: Any) -> Any:
    """Matrices ``(..., n, n)`` whose characteristic polynomials have the coefficients ``a`` ``(..., n + 1)``, highest first."""
    (a,) = inexact("companion", a)
    if a.ndim < 1 or a.shape[-1] < 2:
        raise ShapeError(f"companion takes two coefficients or more, got an array of shape {a.shape}.")
    n = a.shape[-1] - 1
    first = -a[..., None, 1:] / a[..., None, :1]
    below = wnp.broadcast_to(wnp.eye(n - 1, n, dtype=a.dtype), (*a.shape[:-1], n - 1, n))
    return wnp.concatenate([first, below], axis=-2)


def fiedler(a: Any) -> Any:
    """Matrices ``(..., n, n)`` of the distances between the elements of ``a`` ``(..., n)``."""
    (a,) = _vectors("fiedler", a)
    return wnp.abs(a[..., :, None] - a[..., None, :])


def fiedler_companion(a: Any) -> Any:
    """The matrix with five diagonals whose characteristic polynomial has the coefficients ``a``, highest first."""
    (a,) = inexact("fiedler_companion", a)
    vector("fiedler_companion", "a", a)
    n = a.shape[0] - 1
    if n < 1:
        return wnp.zeros((0, 0), a.dtype)
    a = a / a[0]
    out = wnp.zeros((n, n), a.dtype).at[0, 0].set(-a[1])
    if n == 1:
        return out
    out = out.at[1, 0].set(1)
    out = out.at[np.arange(3, n, 2), np.arange(1, n - 2, 2)].set(1)
    out = out.at[np.arange(2, n, 2), np.arange(1, n - 1, 2)].set(-a[3::2])
    out = out.at[np.arange(0, n - 2, 2), np.arange(2, n, 2)].set(1)
    return out.at[np.arange(0, n - 1, 2), np.arange(1, n, 2)].set(-a[2::2])


def leslie(f: Any, s: Any) -> Any:
    """Matrices ``(..., n, n)`` with ``f`` ``(..., n)`` as first row and ``s`` ``(..., n - 1)`` below the diagonal."""
    f, s = _vectors("leslie", f, s)
    n = f.shape[-1]
    if n < 2 or s.shape[-1] != n - 1:
        raise ShapeError(
            f"leslie takes (..., n) and (..., n - 1) with n of 2 or more, got {f.shape} and {s.shape}."
        )
    lead = broadcast_shapes("leslie", f.shape[:-1], s.shape[:-1])
    below = wnp.eye(n - 1, n, dtype=f.dtype) * wnp.pad(s, [(0, 0)] * (s.ndim - 1) + [(0, 1)])[..., None, :]
    parts = [wnp.broadcast_to(x, (*lead, *x.shape[-2:])) for x in (f[..., None, :], below)]
    return wnp.concatenate(parts, axis=-2)


def convolution_matrix(a: Any, n: int, mode: str = "full") -> Any:
    """The matrix whose product with a vector of length ``n`` is ``convolve(a, vector, mode)``."""
    one_of("convolution_matrix", "mode", mode, ("full", "same", "valid"))
    (a,) = _vectors("convolution_matrix", a)
    n = static_int(n, "convolution_matrix", "n")
    if n < 1 or a.shape[-1] < 1:
        raise ShapeError(
            f"convolution_matrix got a vector of shape {a.shape} and n={n}: both lengths are at least 1."
        )
    none = wnp.zeros((*a.shape[:-1], n - 1), a.dtype)
    whole = toeplitz(wnp.concatenate([a, none], axis=-1), wnp.concatenate([a[..., :1], none], axis=-1))
    cut = min(n, a.shape[-1]) - 1
    first, last = {"full": (0, 0), "same": (cut // 2, cut - cut // 2), "valid": (cut, cut)}[mode]
    return whole[..., first : whole.shape[-2] - last, :]


def block_diag(*arrs: Any) -> Any:
    """Matrices one below the other, each to the right of those above; a vector is a row, no argument a matrix ``(1, 0)``."""
    blocks = [wnp.atleast_2d(array("block_diag", x)) for x in arrs] or [wnp.zeros((1, 0))]
    if any(x.ndim != 2 for x in blocks):
        raise ShapeError(f"block_diag takes matrices, got shapes {', '.join(str(x.shape) for x in blocks)}.")
    dtype = wnp.result_type(*blocks)
    width = sum(x.shape[1] for x in blocks)
    rows, before = [], 0
    for x in blocks:
        rows.append(wnp.pad(x.astype(dtype), [(0, 0), (before, width - before - x.shape[1])]))
        before += x.shape[1]
    return wnp.concatenate(rows, axis=0)


def diagsvd(s: Any, M: int, N: int) -> Any:
    """The ``(M, N)`` matrix with the singular values ``s``, of which there are ``min(M, N)``, on its diagonal."""
    (s,) = _vectors("diagsvd", s)
    m, n = static_int(M, "diagsvd", "M"), static_int(N, "diagsvd", "N")
    if s.shape != (min(m, n),):
        raise ShapeError(f"diagsvd got singular values of shape {s.shape} for a matrix of shape {(m, n)}.")
    return wnp.pad(wnp.diag(s), [(0, m - s.shape[0]), (0, n - s.shape[0])])


# From a size


def _of_size(name: str, n: Any, *args: Any, **options: Any) -> Any:
    """SciPy's matrix of a static size."""
    from scipy import linalg

    make: Callable[..., Any] = getattr(linalg, name)
    try:
        return constant(make(static_int(n, name, "n"), *args, **options))
    except (ValueError, IndexError) as error:
        raise ArgumentError(f"{name} got n={n}: {error}") from None


def hadamard(n: int, dtype: Any = int) -> Any:
    """The orthogonal matrix ``(n, n)`` of 1 and -1, for a power ``n`` of 2."""
    return _of_size("hadamard", n, dtype)


def hilbert(n: int) -> Any:
    """The matrix of ``1 / (i + j + 1)``."""
    return _of_size("hilbert", n)


def invhilbert(n: int) -> Any:
    """The inverse of `hilbert`, exact where float64 is."""
    return _of_size("invhilbert", n)


def pascal(n: int, kind: str = "symmetric") -> Any:
    """The matrix of binomial coefficients: "symmetric", or its triangular factor "lower" or "upper".

    It is uint64, and float64 from ``n`` of 35 on, where those overflow.
    """
    one_of("pascal", "kind", kind, ("symmetric", "lower", "upper"))
    return _of_size("pascal", n, kind, exact=static_int(n, "pascal", "n") < 35)


def invpascal(n: int, kind: str = "symmetric") -> Any:
    """The inverse of `pascal`: int64, and float64 from ``n`` of 35 on."""
    one_of("invpascal", "kind", kind, ("symmetric", "lower", "upper"))
    return _of_size("invpascal", n, kind, exact=static_int(n, "invpascal", "n") < 35)


def helmert(n: int, full: bool = False) -> Any:
    """The orthogonal matrix that takes each element's distance from the mean of those before it; without its constant row."""
    return _of_size("helmert", n, full)


def dft(n: int, scale: str | None = None, *, dtype: Any = None) -> Any:
    """The matrix of the discrete Fourier transform, scaled by "sqrtn" (unitary), "n", or not; of a complex dtype."""
    one_of("dft", "scale", scale, (None, "sqrtn", "n"))
    found = _of_size("dft", n, scale)
    return found if dtype is None else found.astype(dtype)
