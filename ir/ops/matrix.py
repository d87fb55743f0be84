"""Parts of matrices: triangles, diagonals, adjoints, scaled rows, for stacks of matrices ``(..., m, n)``.

The one idea: nothing here is a primitive. Each is a composition of elementwise operations and index maps,
which fuse into whatever reads or makes the matrix.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from weft.ir.ops.elementwise import add, cast, complex_, conj, eq, full_like, ge, le, mul, real, select
from weft.ir.ops.reduce import reduce_sum
from weft.ir.ops.shape import broadcast, full, iota, pad, reshape, slice_axis, transpose
from weft.ir.types import INT64, is_complex


def matrix_transpose(x: Any) -> Any:
    """The last two axes exchanged."""
    n = len(x.shape)
    return transpose(x, (*range(n - 2), n - 1, n - 2))


def adjoint(x: Any) -> Any:
    """The conjugate transpose."""
    return conj(matrix_transpose(x))


def _rows_and_columns(x: Any) -> tuple[Any, Any]:
    n = len(x.shape)
    return iota(INT64, x.shape, n - 2), iota(INT64, x.shape, n - 1)


def tril(x: Any, k: int = 0) -> Any:
    """``x`` with zeros above diagonal ``k``."""
    rows, columns = _rows_and_columns(x)
    return select(ge(add(rows, k), columns), x, full_like(x, 0))


def triu(x: Any, k: int = 0) -> Any:
    """``x`` with zeros below diagonal ``k``."""
    rows, columns = _rows_and_columns(x)
    return select(le(add(rows, k), columns), x, full_like(x, 0))


def on_diagonal(x: Any) -> Any:
    """Which elements of ``x`` are on the diagonal, as bool."""
    return eq(*_rows_and_columns(x))


def diagonal(x: Any) -> Any:
    """The main diagonal of ``(..., m, n)``, of shape ``(..., min(m, n))``."""
    *lead, m, n = x.shape
    k = min(m, n)
    return slice_axis(reshape(x, (*lead, m * n)), len(lead), 0, (k - 1) * (n + 1) + 1 if k else 0, n + 1)


def diagonal_matrix(v: Any) -> Any:
    """Square matrices ``(..., n, n)`` with ``v`` of shape ``(..., n)`` on the diagonal."""
    *lead, n = v.shape
    none = [0] * (len(lead) + 1)
    return reshape(pad(v, np.zeros((), v.dtype), none, none, [*none[1:], n]), (*lead, n, n))


def trace(x: Any) -> Any:
    """The sum of the main diagonal."""
    return reduce_sum(diagonal(x), (len(x.shape) - 2,))


def eye_like(x: Any) -> Any:
    """The identity in the shape and dtype of ``x``."""
    return cast(on_diagonal(x), x.dtype)


def identity(lead: tuple[int, ...], n: int, dtype: Any) -> Any:
    """A stack ``(*lead, n, n)`` of identities."""
    return eye_like(full((*lead, n, n), 0, dtype))


def scale_rows(x: Any, v: Any) -> Any:
    """``diag(v) @ x``: row i times ``v[..., i]``."""
    n = len(x.shape)
    return mul(x, broadcast(v, x.shape, tuple(range(n - 1))))


def scale_columns(x: Any, v: Any) -> Any:
    """``x @ diag(v)``: column j times ``v[..., j]``."""
    n = len(x.shape)
    return mul(x, broadcast(v, x.shape, (*range(n - 2), n - 1)))


def hermitian_part(x: Any) -> Any:
    """``(x + adjoint(x)) / 2``."""
    return mul(add(x, adjoint(x)), full_like(x, 0.5))


def hermitian_from(x: Any, lower: bool) -> Any:
    """The Hermitian matrices that have the lower (or upper) triangle of ``x``; the diagonal's real part."""
    half = tril(x, -1) if lower else triu(x, 1)
    middle = x
    if is_complex(x.dtype):
        re = real(x)
        middle = complex_(re, full_like(re, 0))
    return select(on_diagonal(x), middle, add(half, adjoint(half)))
