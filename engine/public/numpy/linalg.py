"""Linear algebra: `weft.numpy.linalg`, with NumPy's names, signatures and results.

The one idea: on arrays NumPy itself computes, and raises `numpy.linalg.LinAlgError` where a matrix is singular or an algorithm
does not converge. Inside of traced functions nothing can be raised for a value: the result is infinite or NaN there, as JAX's.
Two results whose type depends on values in NumPy have one type there: `eig` and `eigvals` are always complex, and the
residuals of `lstsq` are always computed.

Functions of Hermitian matrices read one triangle, as NumPy's; their derivatives are those of ``(a + adjoint(a)) / 2``.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from weft.engine.dispatch import as_dtype, broadcast_shapes, broadcast_to, common_dtype
from weft.ir.errors import ArgumentError, ShapeError
from weft.ir.ops import elementwise as e
from weft.ir.ops import linalg as factor
from weft.ir.ops import matrix as m
from weft.ir.ops import solve as systems
from weft.ir.ops import spectral
from weft.ir.ops.contract import matmul as _product
from weft.ir.ops.reduce import reduce_sum
from weft.ir.ops.shape import expand_dims, reshape, slice_axis, squeeze, transpose
from weft.ir.types import INT64, ArrayType, real_dtype
from weft.numpy import products, shapes
from weft.numpy.norms import matrix_norm, norm, rank_cut, vector_norm
from weft.numpy.staging import axis_indices, like_numpy, refuse, static_int, to_inexact, value

__all__ = [
    "LinAlgError",
    "cholesky",
    "cond",
    "cross",
    "det",
    "diagonal",
    "eig",
    "eigh",
    "eigvals",
    "eigvalsh",
    "inv",
    "lstsq",
    "matmul",
    "matrix_norm",
    "matrix_power",
    "matrix_rank",
    "matrix_transpose",
    "multi_dot",
    "norm",
    "outer",
    "pinv",
    "qr",
    "slogdet",
    "solve",
    "svd",
    "svdvals",
    "tensordot",
    "tensorinv",
    "tensorsolve",
    "trace",
    "vecdot",
    "vector_norm",
]

LinAlgError = np.linalg.LinAlgError


class EigResult(NamedTuple):
    """What `eig` returns."""

    eigenvalues: Any
    eigenvectors: Any


class EighResult(NamedTuple):
    """What `eigh` returns."""

    eigenvalues: Any
    eigenvectors: Any


class QRResult(NamedTuple):
    """What `qr` returns."""

    Q: Any
    R: Any


class SlogdetResult(NamedTuple):
    """What `slogdet` returns."""

    sign: Any
    logabsdet: Any


class SVDResult(NamedTuple):
    """What `svd` returns."""

    U: Any
    S: Any
    Vh: Any


def _like(reference: Callable[..., Any], result: Callable[..., Any] | None = None) -> Any:
    """Decorate a staged definition: NumPy's function on arrays, its tuples of results being ours."""
    if result is None:
        return like_numpy(reference)

    @functools.wraps(reference)
    def eager(*args: Any, **kwargs: Any) -> Any:
        found = reference(*args, **kwargs)
        return result(*found) if hasattr(found, "_fields") else found

    return like_numpy(eager)


def _matrices(x: Any, name: str, *, square: bool = False) -> Any:
    """A stack of matrices of floating or complex dtype."""
    x = to_inexact(value(x, f"linalg.{name}"))
    if len(x.shape) < 2 or (square and x.shape[-1] != x.shape[-2]):
        kind = "square matrices (..., n, n)" if square else "matrices (..., m, n)"
        raise ShapeError(f"linalg.{name} takes {kind}, got an array of shape {x.shape}.")
    factor.check_matrices(f"linalg.{name}", ArrayType(tuple(x.shape), x.dtype))
    return x


def _hermitian(x: Any, lower: bool) -> Any:
    """The Hermitian matrices that a triangle of ``x`` says, with the derivative of ``(x + adjoint(x)) / 2``."""
    symmetric = m.hermitian_part(x)
    stopped = m.hermitian_from(e.stop_gradient(x), lower)
    return e.add(stopped, e.sub(symmetric, e.stop_gradient(symmetric)))


def _is_lower(uplo: Any, name: str) -> bool:
    if uplo not in ("L", "U", "l", "u"):
        raise ArgumentError(f"linalg.{name} takes UPLO='L' or 'U', got {uplo!r}.")
    return uplo in "Ll"


# Factorisations


@_like(np.linalg.cholesky)
def cholesky(a: Any, /, *, upper: bool = False) -> Any:
    """The lower triangular ``L`` with ``L @ adjoint(L) == a``, or with ``upper`` its adjoint.

    Args:
        a: Hermitian positive definite matrices ``(..., n, n)``, of which the lower (upper) triangle is read.
        upper: give, and read, the upper triangle.

    Raises:
        LinAlgError: a matrix is not positive definite (traced: its result is NaN).
    """
    lower = factor.cholesky(_hermitian(_matrices(a, "cholesky", square=True), not upper), symmetrize=False)
    return m.adjoint(lower) if upper else lower


@_like(np.linalg.qr, QRResult)
def qr(a: Any, mode: str = "reduced") -> Any:
    """Orthonormal ``Q`` and upper triangular ``R`` with ``Q @ R == a``.

    Args:
        a: matrices ``(..., m, n)``.
        mode: "reduced" gives ``min(m, n)`` columns of ``Q``, "complete" gives m, "r" gives ``R`` alone.
    """
    if mode not in ("reduced", "complete", "r"):
        raise ArgumentError(
            f"linalg.qr knows the modes 'reduced', 'complete' and 'r' for traced arrays, got {mode!r}."
        )
    q, r = factor.qr(_matrices(a, "qr"), full_matrices=mode == "complete")
    return r if mode == "r" else QRResult(q, r)


@_like(np.linalg.svd, SVDResult)
def svd(a: Any, full_matrices: bool = True, compute_uv: bool = True, hermitian: bool = False) -> Any:
    """Singular values ``S``, descending, with ``U @ diag(S) @ Vh == a``.

    Args:
        a: matrices ``(..., m, n)``.
        full_matrices: ``U`` and ``Vh`` are square; such have no derivative where m and n differ.
        compute_uv: else singular values alone.
        hermitian: the lower triangle of ``a`` says all.
    """
    a = _matrices(a, "svd", square=hermitian)
    a = _hermitian(a, True) if hermitian else a
    return SVDResult(*spectral.svd(a, full_matrices)) if compute_uv else spectral.singular_values(a)


@_like(np.linalg.svdvals)
def svdvals(x: Any, /) -> Any:
    """Singular values of matrices ``(..., m, n)``, descending."""
    return spectral.singular_values(_matrices(x, "svdvals"))


@_like(np.linalg.eigh, EighResult)
def eigh(a: Any, UPLO: str = "L") -> Any:
    """Eigenvalues, ascending, and orthonormal eigenvectors of Hermitian matrices ``(..., n, n)``.

    Args:
        a: matrices, of which one triangle is read.
        UPLO: which: "L" or "U".
    """
    lower = _is_lower(UPLO, "eigh")
    a = _hermitian(_matrices(a, "eigh", square=True), lower)
    return EighResult(*spectral.eigh(a, lower, symmetrize=False))


@_like(np.linalg.eigvalsh)
def eigvalsh(a: Any, UPLO: str = "L") -> Any:
    """Eigenvalues of Hermitian matrices, ascending; see `eigh`."""
    a = _hermitian(_matrices(a, "eigvalsh", square=True), _is_lower(UPLO, "eigvalsh"))
    return spectral.eigvalsh(a, symmetrize=False)


@_like(np.linalg.eig, EigResult)
def eig(a: Any) -> Any:
    """Eigenvalues and eigenvectors of square matrices ``(..., n, n)``; complex, but eagerly real where all are."""
    return EigResult(*spectral.eig(_matrices(a, "eig", square=True)))


@_like(np.linalg.eigvals)
def eigvals(a: Any) -> Any:
    """Eigenvalues of square matrices ``(..., n, n)``; complex, but eagerly real where all are."""
    return spectral.eigvals(_matrices(a, "eigvals", square=True))


# Systems of equations


def _together(name: str, *args: Any) -> list[Any]:
    """Arguments as floating values of one dtype."""
    values = [value(x, f"linalg.{name}") for x in args]
    dtype = common_dtype(*values)
    return [to_inexact(as_dtype(x, dtype)) for x in values]


@_like(np.linalg.solve)
def solve(a: Any, b: Any) -> Any:
    """The solution of ``a @ x == b``.

    Args:
        a: square matrices ``(..., n, n)``.
        b: one vector ``(n,)``, or matrices of columns ``(..., n, k)``.

    Raises:
        LinAlgError: a matrix is singular (traced: the solution is infinite or NaN).
    """
    a, b = _together("solve", a, b)
    a = _matrices(a, "solve", square=True)
    vector = len(b.shape) == 1
    columns = expand_dims(b, (1,)) if vector else b
    if not len(b.shape) or columns.shape[-2] != a.shape[-1]:
        raise ShapeError(f"linalg.solve got shapes that do not go together: {a.shape} and {b.shape}.")
    lead = broadcast_shapes("linalg.solve", a.shape[:-2], columns.shape[:-2])
    a, columns = (broadcast_to(x, (*lead, *x.shape[-2:])) for x in (a, columns))
    x = systems.solve(a, columns)
    return squeeze(x, (len(x.shape) - 1,)) if vector else x


@_like(np.linalg.inv)
def inv(a: Any) -> Any:
    """The inverse of square matrices ``(..., n, n)``."""
    return systems.inv(_matrices(a, "inv", square=True))


_UNSAID: Any = np._NoValue  # NumPy's own, which its functions take too


@_like(np.linalg.pinv)
def pinv(a: Any, rcond: Any = None, hermitian: bool = False, *, rtol: Any = _UNSAID) -> Any:
    """The Moore-Penrose pseudo-inverse of matrices ``(..., m, n)``.

    Args:
        a: matrices.
        rcond: singular values up to ``rcond`` times the largest count as zero; 1e-15 by default, as NumPy's. One number, or
            an array with one a matrix.
        hermitian: the lower triangle of ``a`` says all.
        rtol: another name of ``rcond``; ``None`` is the array API standard's default, the machine's epsilon times
            ``max(m, n)``.

    Raises:
        ArgumentError: ``rcond`` and ``rtol`` are given.
    """
    a = _matrices(a, "pinv", square=hermitian)
    if rcond is not None and rtol is not _UNSAID:
        raise ArgumentError("linalg.pinv got rcond and rtol, which are two names of one thing: give one.")
    given = rcond if rcond is not None else 1e-15 if rtol is _UNSAID else rtol
    if given is None:
        given = max(a.shape[-2:]) * float(np.finfo(a.dtype).eps)
    matrices = _hermitian(a, True) if hermitian else a
    if isinstance(given, float | int):
        return systems.pinv(matrices, float(given))
    share = as_dtype(value(given, "linalg.pinv", "rcond"), real_dtype(a.dtype))
    return systems.pinv(matrices, broadcast_to(share, a.shape[:-2]))


@_like(np.linalg.lstsq)
def lstsq(a: Any, b: Any, rcond: Any = None) -> Any:
    """The shortest ``x`` with the least ``norm(a @ x - b)``.

    Args:
        a: matrix ``(m, n)``.
        b: vector ``(m,)`` or columns ``(m, k)``.
        rcond: singular values up to ``rcond`` times the largest count as zero; by default the machine's epsilon times
            ``max(m, n)``.

    Returns:
        ``(x, residuals, rank, s)``: squared distances, the rank of ``a`` and its singular values. Eagerly, as NumPy's,
        residuals are empty where they are zero in theory.
    """
    a, b = _together("lstsq", a, b)
    a = _matrices(a, "lstsq")
    vector = len(b.shape) == 1
    columns = expand_dims(b, (1,)) if vector else b
    if len(a.shape) != 2 or len(columns.shape) != 2 or a.shape[0] != columns.shape[0]:
        raise ShapeError(f"linalg.lstsq takes (m, n) and (m,) or (m, k), got shapes {a.shape} and {b.shape}.")
    x, residuals, rank, s = systems.lstsq(a, columns, None if rcond is None or rcond < 0 else float(rcond))
    return squeeze(x, (1,)) if vector else x, residuals, e.cast(rank, np.dtype(np.int32)), s


@_like(np.linalg.tensorsolve)
def tensorsolve(a: Any, b: Any, axes: Any = None) -> Any:
    """``x`` with ``tensordot(a, x, x.ndim) == b``; ``axes`` of ``a`` are moved to its end first."""
    a, b = _together("tensorsolve", a, b)
    if axes is not None:
        behind = axis_indices(tuple(axes), len(a.shape), "linalg.tensorsolve")
        a = transpose(a, [*(i for i in range(len(a.shape)) if i not in behind), *behind])
    shape = a.shape[len(b.shape) :]
    n = math.prod(b.shape)
    if a.shape[: len(b.shape)] != b.shape or math.prod(shape) != n:
        raise ShapeError(f"linalg.tensorsolve got shapes that do not go together: {a.shape} and {b.shape}.")
    x = systems.solve(reshape(a, (n, n)), reshape(b, (n, 1)))
    return reshape(x, shape)


@_like(np.linalg.tensorinv)
def tensorinv(a: Any, ind: int = 2) -> Any:
    """The inverse of ``a`` as a map of tensors: its first ``ind`` axes against the others."""
    a = to_inexact(value(a, "linalg.tensorinv"))
    ind = static_int(ind, "linalg.tensorinv", "ind")
    rows, columns = a.shape[:ind], a.shape[ind:]
    n = math.prod(rows)
    if ind < 1 or math.prod(columns) != n:
        raise ShapeError(f"linalg.tensorinv cannot split shape {a.shape} at axis {ind} into a square matrix.")
    return reshape(systems.inv(reshape(a, (n, n))), (*columns, *rows))


# Numbers of matrices


@_like(np.linalg.det)
def det(a: Any) -> Any:
    """The determinant of square matrices ``(..., n, n)``."""
    return systems.det(_matrices(a, "det", square=True))


@_like(np.linalg.slogdet, SlogdetResult)
def slogdet(a: Any) -> Any:
    """Sign and logarithm of the absolute value of the determinant: 0 and ``-inf`` where singular."""
    return SlogdetResult(*systems.slogdet(_matrices(a, "slogdet", square=True)))


@_like(np.linalg.matrix_rank)
def matrix_rank(A: Any, tol: Any = None, hermitian: bool = False, *, rtol: Any = None) -> Any:
    """How many singular values are above ``tol``, or above ``rtol`` times the largest.

    Args:
        A: matrices ``(..., m, n)``; of a vector, whether it is not zero.
        tol: threshold; by default ``rtol`` applies.
        hermitian: the lower triangle of ``A`` says all.
        rtol: the machine's epsilon times ``max(m, n)`` by default.
    """
    A = value(A, "linalg.matrix_rank")
    if len(A.shape) < 2:
        nonzero = e.cast(e.ne(A, e.full_like(A, 0)), INT64)
        return e.cast(e.gt(reduce_sum(nonzero, tuple(range(len(A.shape)))), 0), INT64)
    A = _matrices(A, "matrix_rank", square=hermitian)
    s = spectral.singular_values(_hermitian(A, True) if hermitian else A)
    above = e.gt(s, broadcast_to(rank_cut(s, A, tol, rtol), s.shape))
    return reduce_sum(e.cast(above, INT64), (len(s.shape) - 1,))


@_like(np.linalg.cond)
def cond(x: Any, p: Any = None) -> Any:
    """The condition number ``norm(x, p) * norm(inv(x), p)``; infinite where singular.

    Args:
        x: matrices ``(..., m, n)``, square but for ``p`` of ``None``, 2 and -2, which take singular values.
        p: order of the norm, see `norm`; ``None`` is 2.
    """
    x = _matrices(x, "cond", square=p not in (None, 2, -2))
    if p in (None, 2, -2):
        s = spectral.singular_values(x)
        n = len(s.shape) - 1
        first, last = (slice_axis(s, n, i, i + 1) for i in (0, s.shape[-1] - 1))
        ratio = squeeze(e.div(last, first) if p == -2 else e.div(first, last), (n,))
    else:
        ratio = e.mul(norm.staged(x, p, (-2, -1)), norm.staged(systems.inv(x), p, (-2, -1)))
    given_nan = e.cast(e.ne(x, x), INT64)
    known = e.eq(reduce_sum(given_nan, (len(x.shape) - 2, len(x.shape) - 1)), 0)
    lost = e.and_(e.ne(ratio, ratio), known)
    return e.select(lost, e.full_like(ratio, math.inf), ratio)


# Products and parts


@_like(np.linalg.matrix_power)
def matrix_power(a: Any, n: int) -> Any:
    """Square matrices ``(..., k, k)`` to an integer power, by squaring; of the inverse for negative ``n``."""
    n = static_int(n, "linalg.matrix_power", "n")
    a = value(a, "linalg.matrix_power")
    if len(a.shape) < 2 or a.shape[-1] != a.shape[-2]:
        raise ShapeError(
            f"linalg.matrix_power takes square matrices (..., n, n), got an array of shape {a.shape}."
        )
    if n < 0:
        a, n = systems.inv(to_inexact(a)), -n
    if n == 0:
        return m.eye_like(a)
    result = None
    while True:
        if n % 2:
            result = a if result is None else _product(result, a)
        n //= 2
        if not n:
            return result
        a = _product(a, a)


@_like(np.linalg.multi_dot)
def multi_dot(arrays: Sequence[Any], *, out: Any = None) -> Any:
    """The product of matrices (the first and the last may be vectors), in the order that takes least work."""
    refuse("linalg.multi_dot", out=out)
    values = [value(x, "linalg.multi_dot") for x in arrays]
    if len(values) < 2:
        raise ArgumentError(f"linalg.multi_dot takes two arrays or more, got {len(values)}.")
    if any(len(x.shape) != 2 for x in values[1:-1]) or any(len(x.shape) not in (1, 2) for x in values):
        raise ShapeError(
            f"linalg.multi_dot takes matrices, got shapes {', '.join(str(x.shape) for x in values)}."
        )
    terms: list[Any] = []
    for i, x in enumerate(values):
        axes = [i, i + 1] if len(x.shape) == 2 else [i + 1] if i == 0 else [i]
        terms += [x, axes]
    first = [0] if len(values[0].shape) == 2 else []
    last = [len(values)] if len(values[-1].shape) == 2 else []
    return products.einsum.staged(*terms, [*first, *last], optimize="auto")


@_like(np.linalg.outer)
def outer(x1: Any, x2: Any, /) -> Any:
    """The products of all pairs of elements of two vectors."""
    x1, x2 = (value(x, "linalg.outer") for x in (x1, x2))
    if len(x1.shape) != 1 or len(x2.shape) != 1:
        raise ShapeError(f"linalg.outer takes vectors, got shapes {x1.shape} and {x2.shape}.")
    return products.outer.staged(x1, x2)


@_like(np.linalg.cross)
def cross(x1: Any, x2: Any, /, *, axis: int = -1) -> Any:
    """Vector products of vectors of length 3 along an axis."""
    x1, x2 = (value(x, "linalg.cross") for x in (x1, x2))
    if x1.shape[axis] != 3 or x2.shape[axis] != 3:
        raise ShapeError(
            f"linalg.cross takes vectors of length 3 along axis {axis}, got shapes {x1.shape} and {x2.shape}."
        )
    return products.cross.staged(x1, x2, axis=axis)


@_like(np.linalg.vecdot)
def vecdot(x1: Any, x2: Any, /, *, axis: int = -1) -> Any:
    """Sums of products of vectors along an axis, the first conjugated."""
    return products.vecdot.staged(x1, x2, axis=axis)


@_like(np.linalg.matmul)
def matmul(x1: Any, x2: Any, /) -> Any:
    """Matrix products."""
    return products.matmul.staged(x1, x2)


@_like(np.linalg.tensordot)
def tensordot(x1: Any, x2: Any, /, *, axes: Any = 2) -> Any:
    """Sums of products over axes of each; see `weft.numpy.tensordot`."""
    return products.tensordot.staged(x1, x2, axes)


@_like(np.linalg.matrix_transpose)
def matrix_transpose(x: Any, /) -> Any:
    """The last two axes exchanged."""
    x = value(x, "linalg.matrix_transpose")
    if len(x.shape) < 2:
        raise ShapeError(
            f"linalg.matrix_transpose takes matrices (..., m, n), got an array of shape {x.shape}."
        )
    return m.matrix_transpose(x)


@_like(np.linalg.diagonal)
def diagonal(x: Any, /, *, offset: int = 0) -> Any:
    """The diagonals of matrices ``(..., m, n)``, along a last axis."""
    return shapes.diagonal.staged(x, offset, -2, -1)


@_like(np.linalg.trace)
def trace(x: Any, /, *, offset: int = 0, dtype: Any = None) -> Any:
    """The sums of the diagonals of matrices ``(..., m, n)``."""
    return shapes.trace.staged(x, offset, -2, -1, dtype)
