"""`weft.lax.linalg`: factorisations and forms of matrices with JAX's conventions.

`weft.numpy.linalg` and `weft.scipy.linalg` have the same under other conventions; all take leading axes, and have derivatives
where there are any. There is one way of computing each, so arguments that choose an implementation are read and change
nothing. JAX's ``qdwh`` is the algorithm of a polar decomposition: see `weft.scipy.linalg.polar`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from weft.engine.array import wrap_value
from weft.engine.transforms.vmap import vmap
from weft.ir.builder import type_of_value
from weft.ir.errors import ArgumentError, ShapeError
from weft.ir.ops import condensed, contract, matrix, matrix_forms, solve, spectral
from weft.ir.ops import elementwise as e
from weft.ir.ops import index as ix
from weft.ir.ops import linalg as factors
from weft.ir.ops import reduce as r
from weft.ir.ops import shape as s
from weft.ir.ops import transcendental as t
from weft.ir.types import INT64, is_complex
from weft.lax.arguments import one_value
from weft.lax.loops import fori_loop

__all__ = [
    "cholesky",
    "cholesky_update",
    "eig",
    "eigh",
    "hessenberg",
    "householder_product",
    "lu",
    "lu_pivots_to_permutation",
    "ormqr",
    "qr",
    "schur",
    "svd",
    "symmetric_product",
    "triangular_solve",
    "tridiagonal",
    "tridiagonal_solve",
]


def _wrapped(values: Any) -> tuple[Any, ...]:
    return tuple(map(wrap_value, values))


def _matrices(name: str, x: Any, square: bool = False) -> Any:
    """A value that is a stack of matrices of a dtype that LAPACK takes."""
    value = one_value(x)
    factors.check_matrices(f"lax.linalg.{name}", type_of_value(value), square=square)
    return value


def _stacked(name: str, one: Callable[..., Any], *operands: tuple[Any, int]) -> Any:
    """``one`` of single matrices and vectors, for stacks of them: each operand has so many axes of its own."""
    lead = {x.shape[: len(x.shape) - ndim] for x, ndim in operands}
    if len(lead) != 1 or any(len(x.shape) < ndim for x, ndim in operands):
        listed = ", ".join(str(x.shape) for x, _ in operands)
        raise ShapeError(f"lax.linalg.{name} got operands whose leading axes differ: {listed}.")
    for _ in next(iter(lead)):
        one = vmap(one)
    return one(*(wrap_value(x) for x, _ in operands))


# Cholesky


def cholesky(x: Any, *, symmetrize_input: bool = True) -> Any:
    """The lower triangular ``L`` with ``x == L @ adjoint(L)``, for positive definite matrices ``(..., n, n)``, else NaN."""
    return wrap_value(factors.cholesky(_matrices("cholesky", x, True), symmetrize_input))


def cholesky_update(r_matrix: Any, w_vector: Any) -> Any:
    """The upper triangular factor ``R'`` with ``R'.T @ R' == R.T @ R + outer(w, w)``, in O(n**2).

    Args:
        r_matrix: real upper triangular matrices ``R`` of shape ``(..., n, n)``.
        w_vector: vectors ``(..., n)``.
    """
    upper, w = _matrices("cholesky_update", r_matrix, True), one_value(w_vector)
    if is_complex(upper.dtype) or upper.dtype != w.dtype or upper.shape[:-1] != w.shape:
        raise ShapeError(
            f"lax.linalg.cholesky_update takes real matrices and a vector for each, of one dtype: got {upper.dtype} of shape "
            f"{upper.shape} and {w.dtype} of shape {w.shape}."
        )

    def step(k: Any, state: Any) -> Any:
        """A Givens rotation of row ``k`` and the vector, which makes the vector's element ``k`` zero."""
        rows, rest = map(one_value, state)
        k = one_value(k)
        row = ix.dynamic_index(rows, k)
        x, y = ix.dynamic_index(row, k), ix.dynamic_index(rest, k)
        none = e.eq(y, 0)
        length = t.sqrt(e.add(e.mul(x, x), e.mul(e.select(none, e.full_like(y, 1), y), y)))
        safe = e.select(none, e.full_like(x, 1), length)
        cos, sin = e.select(none, e.full_like(x, 1), e.div(x, safe)), e.div(y, safe)
        cos, sin = (s.broadcast(v, row.shape, ()) for v in (cos, sin))
        turned = e.add(e.mul(cos, row), e.mul(sin, rest))
        rest = e.sub(e.mul(cos, rest), e.mul(sin, row))
        return wrap_value(ix.dynamic_update_index(rows, turned, k)), wrap_value(rest)

    def one(rows: Any, rest: Any) -> Any:
        return fori_loop(0, upper.shape[-1], step, (rows, rest))[0]

    return _stacked("cholesky_update", one, (upper, 2), (w, 1))


# Eigenvalues


def eig(
    x: Any,
    *,
    compute_left_eigenvectors: bool = True,
    compute_right_eigenvectors: bool = True,
    enable_eigvec_derivs: bool = True,
    implementation: Any = None,
    use_magma: Any = None,
) -> list[Any]:
    """Eigenvalues of square matrices, left eigenvectors if they are wanted, and right ones if these are.

    Args:
        x: matrices ``(..., n, n)``.
        compute_left_eigenvectors: vectors ``v`` with ``adjoint(v) @ x == w * adjoint(v)``, as columns. They are the inverse of
            the right ones, scaled, so a matrix that cannot be diagonalised has none (NaN or very large errors).
        compute_right_eigenvectors: vectors ``v`` with ``x @ v == w * v``, as columns.
        enable_eigvec_derivs: eigenvectors always have derivatives here.
        implementation: accepted for compatibility, as is ``use_magma``.
        use_magma: see there.

    Returns:
        A list of one to three complex arrays. Vectors have length 1, and their largest component is real.
    """
    value = _matrices("eig", x, True)
    if not (compute_left_eigenvectors or compute_right_eigenvectors):
        return [wrap_value(spectral.eigvals(value))]
    w, right = spectral.eig(value)
    found = [w]
    if compute_left_eigenvectors:
        found.append(_unit_columns(matrix.adjoint(solve.inv(right))))
    if compute_right_eigenvectors:
        found.append(right)
    return list(_wrapped(found))


def _unit_columns(v: Any) -> Any:
    """Columns scaled to length 1, with a largest component that is real, as LAPACK has eigenvectors."""
    rows = len(v.shape) - 2
    size = e.abs_(v)
    largest = s.expand_dims(r.argmax(size, rows, INT64), (rows,))
    turn = e.conj(ix.take_along_axis(v, largest, rows, "promise"))
    length = t.sqrt(r.reduce_sum(e.mul(size, size), (rows,)))
    phase = e.div(turn, e.cast(e.abs_(turn), v.dtype))
    return matrix.scale_columns(v, e.div(s.squeeze(phase, (rows,)), e.cast(length, v.dtype)))


def eigh(
    x: Any,
    *,
    lower: bool = True,
    symmetrize_input: bool = True,
    sort_eigenvalues: bool = True,
    subset_by_index: tuple[int, int] | None = None,
    implementation: Any = None,
) -> tuple[Any, Any]:
    """Eigenvectors (as columns) and rising eigenvalues of Hermitian matrices ``(..., n, n)``, in this order.

    Args:
        x: matrices.
        lower: which triangle is read, where ``x`` is not made Hermitian first.
        symmetrize_input: take ``(x + adjoint(x)) / 2``.
        sort_eigenvalues: they are always sorted.
        subset_by_index: give those from the first to before the second index alone.
        implementation: accepted for compatibility.
    """
    w, v = spectral.eigh(_matrices("eigh", x, True), lower, symmetrize_input)
    if subset_by_index is not None:
        w, v = (_between("eigh", y, subset_by_index) for y in (w, v))
    return wrap_value(v), wrap_value(w)


def _between(name: str, x: Any, ends: tuple[int, int]) -> Any:
    """A range along the last axis."""
    first, last = (int(i) for i in ends)
    if not 0 <= first < last <= x.shape[-1]:
        raise ArgumentError(f"lax.linalg.{name} got subset_by_index={ends} for {x.shape[-1]} values.")
    return s.slice_axis(x, len(x.shape) - 1, first, last)


def svd(
    x: Any,
    *,
    full_matrices: bool = True,
    compute_uv: bool = True,
    subset_by_index: tuple[int, int] | None = None,
    algorithm: Any = None,
) -> Any:
    """Singular values, falling, and vectors: ``x == u @ diag(s) @ vh``.

    Args:
        x: matrices ``(..., m, n)``.
        full_matrices: ``u`` and ``vh`` are square.
        compute_uv: give ``(u, s, vh)``, else ``s``.
        subset_by_index: give those from the first to before the second index alone; not with ``full_matrices``.
        algorithm: accepted for compatibility.
    """
    value = _matrices("svd", x)
    if subset_by_index is not None and compute_uv and full_matrices:
        raise ArgumentError("lax.linalg.svd has no full matrices of a subset: give full_matrices=False.")
    if not compute_uv:
        found = spectral.singular_values(value)
        return wrap_value(found if subset_by_index is None else _between("svd", found, subset_by_index))
    u, sizes, vh = spectral.svd(value, full_matrices)
    if subset_by_index is not None:
        u, sizes = (_between("svd", y, subset_by_index) for y in (u, sizes))
        turned = matrix.matrix_transpose(vh)
        vh = matrix.matrix_transpose(_between("svd", turned, subset_by_index))
    return _wrapped((u, sizes, vh))


def schur(
    x: Any,
    *,
    compute_schur_vectors: bool = True,
    sort_eig_vals: bool = False,
    select_callable: Callable[..., Any] | None = None,
) -> Any:
    """The Schur form ``T`` of square matrices, and unitary ``Q`` with ``x == Q @ T @ adjoint(Q)``; it has no derivative.

    Args:
        x: matrices ``(..., n, n)``. The form of real ones is real, with blocks of two rows for complex eigenvalues.
        compute_schur_vectors: give ``(T, Q)``, else ``(T,)``.
        sort_eig_vals: not to be had, as in JAX on the CPU.
        select_callable: of sorting.
    """
    if sort_eig_vals or select_callable is not None:
        raise ArgumentError(
            "lax.linalg.schur does not sort eigenvalues: leave out sort_eig_vals and select_callable."
        )
    form, vectors = matrix_forms.schur(_matrices("schur", x, True))
    return _wrapped((form, vectors) if compute_schur_vectors else (form,))


# Orthogonal factors


def qr(
    x: Any, *, pivoting: bool = False, full_matrices: bool = True, use_magma: Any = None
) -> tuple[Any, ...]:
    """``(q, r)`` with ``x == q @ r``, orthonormal columns in ``q``, and upper triangular ``r``.

    Args:
        x: matrices ``(..., m, n)``.
        pivoting: give ``(q, r, p)`` with ``x[..., p] == q @ r``, where ``p`` makes the diagonal of ``r`` fall.
        full_matrices: ``q`` has m columns, else ``min(m, n)``.
        use_magma: accepted for compatibility.
    """
    value = _matrices("qr", x)
    if not pivoting:
        return _wrapped(factors.qr(value, full_matrices))
    order = matrix_forms.column_order(value)
    every = s.broadcast(order, value.shape, (*range(len(value.shape) - 2), len(value.shape) - 1))
    value = ix.take_along_axis(value, every, len(value.shape) - 1, "promise")
    return _wrapped((*factors.qr(value, full_matrices), order))


def hessenberg(a: Any) -> tuple[Any, Any]:
    """The Hessenberg form of square matrices, packed with its reflections as LAPACK has it: ``(packed, taus)``."""
    return _wrapped(condensed.packed_hessenberg(_matrices("hessenberg", a, True)))  # type: ignore[return-value]


def tridiagonal(a: Any, *, lower: bool = True) -> tuple[Any, Any, Any, Any]:
    """The tridiagonal form of Hermitian matrices as LAPACK has it: ``(packed, d, e, taus)``.

    ``d`` is its diagonal and ``e`` the one beside it; `householder_product` makes a matrix of the reflections in ``packed``.
    """
    return _wrapped(condensed.tridiagonal(_matrices("tridiagonal", a, True), lower))  # type: ignore[return-value]


def _reflected(a: Any, taus: Any, x: Any, order: Any, adjoint: bool) -> Any:
    """Reflections ``I - tau v adjoint(v)`` applied to the columns of ``x`` in turn; ``order`` says which is step i's."""
    m, dtype = a.shape[-2], a.dtype
    rows = s.iota(INT64, (m,))

    def step(i: Any, x: Any) -> Any:
        k, x = order(one_value(i)), one_value(x)
        v = ix.dynamic_index(a, k, axis=1)
        v = e.select(
            e.gt(rows, k), v, e.cast(e.eq(rows, k), dtype)
        )  # LAPACK does not store the 1, and what is above is 0
        tau = ix.dynamic_index(taus, k)
        along = contract.dot_general(e.conj(v), x, (((0,), (0,)), ((), ())))
        scaled = e.mul(v, s.broadcast(e.conj(tau) if adjoint else tau, v.shape, ()))
        change = e.mul(s.broadcast(scaled, x.shape, (0,)), s.broadcast(along, x.shape, (1,)))
        return wrap_value(e.sub(x, change))

    return fori_loop(0, taus.shape[-1], step, x)


def _reflections(name: str, a: Any, taus: Any) -> tuple[Any, Any]:
    a, taus = _matrices(name, a), one_value(taus)
    *lead, m, n = a.shape
    if taus.dtype != a.dtype or list(taus.shape[:-1]) != lead or taus.shape[-1] > min(m, n):
        raise ShapeError(
            f"lax.linalg.{name} got {taus.dtype} factors of shape {taus.shape} for {a.dtype} of shape {a.shape}: one for "
            f"each reflection, at most {min(m, n)} a matrix."
        )
    return a, taus


def householder_product(a: Any, taus: Any) -> Any:
    """The product of the reflections whose vectors are the columns of ``a``, below its diagonal.

    Args:
        a: matrices ``(..., m, n)`` with m >= n.
        taus: the factors of the reflections, ``(..., k)`` with k <= n.

    Returns:
        The first n columns of ``H_0 @ ... @ H_(k-1)``: orthonormal columns, of the type of ``a``.
    """
    value, scales = _reflections("householder_product", a, taus)
    m, n = value.shape[-2:]
    if m < n:
        raise ShapeError(
            f"lax.linalg.householder_product needs at least as many rows as columns, got shape {value.shape}."
        )

    def one(a: Any, taus: Any) -> Any:
        a, taus = one_value(a), one_value(taus)
        eye = e.cast(e.eq(s.iota(INT64, (m, n), 0), s.iota(INT64, (m, n), 1)), a.dtype)
        return _reflected(a, taus, wrap_value(eye), lambda i: e.sub(taus.shape[-1] - 1, i), False)

    return _stacked("householder_product", one, (value, 2), (scales, 1))


def ormqr(a: Any, taus: Any, c: Any, *, left: bool = True, transpose: bool = False) -> Any:
    """``Q @ c`` for the square ``Q`` that is the product of all reflections, without making it.

    Args:
        a: matrices ``(..., m, n)`` of reflections; see `householder_product`.
        taus: their factors ``(..., k)``.
        c: matrices ``(..., m, p)``, or ``(..., p, m)`` with ``left=False``.
        left: ``Q`` stands on the left of ``c``, else on its right.
        transpose: take the adjoint of ``Q``.
    """
    value, scales = _reflections("ormqr", a, taus)
    other = _matrices("ormqr", c)
    if other.dtype != value.dtype or other.shape[-2 if left else -1] != value.shape[-2]:
        raise ShapeError(
            f"lax.linalg.ormqr cannot multiply {other.dtype} of shape {other.shape} on the {'left' if left else 'right'} by "
            f"{value.dtype} of {value.shape[-2]} rows."
        )

    def one(a: Any, taus: Any, c: Any) -> Any:
        a, taus = one_value(a), one_value(taus)
        count = taus.shape[-1]
        # c @ Q is the adjoint of adjoint(Q) @ adjoint(c), and adjoint(Q) takes the reflections from the first to the last.
        turned = transpose == left
        order = (lambda i: i) if turned else (lambda i: e.sub(count - 1, i))
        x = c if left else wrap_value(matrix.adjoint(one_value(c)))
        x = _reflected(a, taus, x, order, turned)
        return x if left else wrap_value(matrix.adjoint(one_value(x)))

    return _stacked("ormqr", one, (value, 2), (scales, 1), (other, 2))


# LU


def lu(x: Any) -> tuple[Any, Any, Any]:
    """``(packed, pivots, permutation)`` of Gaussian elimination: ``x[permutation] == L @ U``, which ``packed`` has both.

    Args:
        x: matrices ``(..., m, n)``.
    """
    return _wrapped(factors.lu(_matrices("lu", x)))  # type: ignore[return-value]


def lu_pivots_to_permutation(pivots: Any, permutation_size: int) -> Any:
    """The order of rows after exchanging row ``i`` with row ``pivots[..., i]``, for each i in turn: int32 ``(..., size)``."""
    value = one_value(pivots)
    if value.dtype.kind not in "iu" or not value.shape or value.shape[-1] > permutation_size:
        raise ShapeError(
            f"lax.linalg.lu_pivots_to_permutation needs at most {permutation_size} integers, got {value.dtype} {value.shape}."
        )
    value = e.cast(value, INT64)

    def one(pivots: Any) -> Any:
        pivots = one_value(pivots)

        def exchange(i: Any, rows: Any) -> Any:
            i, rows = one_value(i), one_value(rows)
            other = ix.dynamic_index(pivots, i)
            here, there = ix.dynamic_index(rows, i), ix.dynamic_index(rows, other)
            return wrap_value(ix.dynamic_update_index(ix.dynamic_update_index(rows, there, i), here, other))

        return fori_loop(
            0, pivots.shape[0], exchange, wrap_value(s.iota(np.dtype(np.int32), (permutation_size,)))
        )

    return _stacked("lu_pivots_to_permutation", one, (value, 1))


# Products and systems


def symmetric_product(
    a_matrix: Any, c_matrix: Any, *, alpha: float = 1.0, beta: float = 0.0, symmetrize_output: bool = False
) -> Any:
    """``alpha * a @ a.T + beta * c``.

    Args:
        a_matrix: matrices ``(..., m, n)``.
        c_matrix: symmetric matrices ``(..., m, m)``.
        alpha: factor of the product.
        beta: factor of ``c``.
        symmetrize_output: put the lower triangle in the place of the upper one.
    """
    a, c = _matrices("symmetric_product", a_matrix), one_value(c_matrix)
    if c.shape != (*a.shape[:-1], a.shape[-2]):
        raise ShapeError(
            f"lax.linalg.symmetric_product got shapes {a.shape} and {c.shape}, not (..., m, n), (..., m, m)."
        )
    product = contract.matmul(a, matrix.matrix_transpose(a))
    out = e.add(e.mul(product, e.full_like(product, alpha)), e.mul(c, e.full_like(c, beta)))
    if symmetrize_output:
        out = e.add(matrix.tril(out), matrix.matrix_transpose(matrix.tril(out, -1)))
    return wrap_value(out)


def triangular_solve(
    a: Any,
    b: Any,
    *,
    left_side: bool = False,
    lower: bool = False,
    transpose_a: bool = False,
    conjugate_a: bool = False,
    unit_diagonal: bool = False,
) -> Any:
    """Solve ``op(a) @ x == b``, or ``x @ op(a) == b``, for triangular ``a``.

    Args:
        a: matrices ``(..., n, n)``.
        b: ``(..., n, k)`` with ``left_side``, else ``(..., k, n)``; a vector ``(n,)`` goes with a single matrix.
        left_side: ``a`` stands on the left of ``x``.
        lower: which triangle of ``a`` is read.
        transpose_a: ``op`` transposes.
        conjugate_a: ``op`` conjugates.
        unit_diagonal: the diagonal is taken as ones.
    """
    left, right = _matrices("triangular_solve", a, True), one_value(b)
    conjugate = conjugate_a and is_complex(left.dtype)
    vector = len(right.shape) == 1 and len(left.shape) == 2
    if vector:
        right = s.expand_dims(right, (1 if left_side else 0,))
    if (
        right.dtype != left.dtype
        or right.shape[:-2] != left.shape[:-2]
        or right.shape[-2:][not left_side] != left.shape[-1]
    ):
        raise ShapeError(
            f"lax.linalg.triangular_solve of {left.dtype} {left.shape} cannot take the right-hand sides "
            f"{right.dtype} {right.shape} with left_side={left_side}."
        )
    if conjugate and not transpose_a:
        left = e.conj(left)
    trans = 2 if conjugate and transpose_a else int(transpose_a)
    out = factors.triangular_solve(
        left, right, lower=lower, trans=trans, unit_diagonal=unit_diagonal, left_side=left_side
    )
    return wrap_value(s.squeeze(out, (1 if left_side else 0,)) if vector else out)


def tridiagonal_solve(dl: Any, d: Any, du: Any, b: Any, *, perturb_singular: bool = False) -> Any:
    """Solve systems with tridiagonal matrices by elimination with pivoting.

    Args:
        dl: ``(..., n)``: left of the diagonal, row by row; the first element is not read.
        d: the diagonal, ``(..., n)``.
        du: ``(..., n)``: right of the diagonal, row by row; the last element is not read.
        b: right-hand sides ``(..., n, k)``.
        perturb_singular: not to be had, as in JAX on the CPU: a singular matrix gives NaN.
    """
    if perturb_singular:
        raise ArgumentError(
            "lax.linalg.tridiagonal_solve does not perturb matrices: leave out perturb_singular."
        )
    return wrap_value(condensed.tridiagonal_solve(*map(one_value, (dl, d, du, b))))
