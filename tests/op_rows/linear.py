"""Rows of linear algebra.

Where factors are only determined up to phases, the rows look at what is determined: products of factors.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.linalg

from tests.op_rows.record import C64, C128, F32, F64, Maker, draw, row
from weft.ir.ops import condensed, linalg, matrix_forms, matrix_functions, solve, spectral
from weft.ir.ops import matrix as m
from weft.ir.ops.contract import matmul
from weft.ir.ops.elementwise import cast, mul
from weft.ir.types import complex_dtype

REALS = (F32, F64)
COMPLEXES = (C64, C128)
DTYPES = REALS + COMPLEXES


def matrices(*shapes: tuple[int, ...], apart: float = 3) -> tuple[Maker, ...]:
    """Makers of matrices with a heavy diagonal ``apart, 2 * apart, ...``: regular, with simple eigenvalues."""

    def make(rng: np.random.Generator, dims: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
        heavy = np.zeros(dims[-2:])
        np.fill_diagonal(heavy, apart * np.arange(1, 1 + min(heavy.shape)))
        return (draw(rng, dims, dtype, -1, 1) + heavy).astype(dtype)

    return tuple(lambda rng, dtype, dims=dims: (make(rng, dims, dtype),) for dims in shapes)


SQUARE = matrices((3, 3), (2, 2, 2), (1, 1), (0, 2, 2))
OBLONG = matrices((4, 3), (2, 2, 2), (0, 3, 2))
FLAT = matrices((2, 4))


def with_right_hand_sides(makers: tuple[Maker, ...]) -> tuple[Maker, ...]:
    """Makers of matrices and of two right-hand sides for each."""

    def extend(make: Maker) -> Maker:
        def both(rng: np.random.Generator, dtype: np.dtype) -> tuple[np.ndarray, ...]:
            (a,) = make(rng, dtype)
            return a, draw(rng, (*a.shape[:-1], 2), dtype)

        return both

    return tuple(map(extend, makers))


def with_shares(makers: tuple[Maker, ...]) -> tuple[Maker, ...]:
    """Makers of matrices and of a small real number for each."""

    def extend(make: Maker) -> Maker:
        def both(rng: np.random.Generator, dtype: np.dtype) -> tuple[np.ndarray, ...]:
            (a,) = make(rng, dtype)
            return a, draw(rng, a.shape[:-2], np.empty(0, dtype).real.dtype, 0.02, 0.1)

        return both

    return tuple(map(extend, makers))


def _adjoint(x: np.ndarray) -> np.ndarray:
    return np.conj(np.swapaxes(x, -1, -2))


def _symmetric(x: np.ndarray) -> np.ndarray:
    return (x + _adjoint(x)) / 2


def _lu(x: np.ndarray) -> tuple[np.ndarray, ...]:
    packed, pivots = np.empty_like(x), np.empty((*x.shape[:-2], min(x.shape[-2:])), np.int32)
    permutation = np.empty(x.shape[:-1], np.int32)
    for i in np.ndindex(x.shape[:-2]):
        packed[i], pivots[i] = scipy.linalg.lu_factor(x[i])
        order = list(range(x.shape[-2]))
        for j, other in enumerate(pivots[i]):
            order[j], order[other] = order[other], order[j]
        permutation[i] = order
    return packed, pivots, permutation


def _cube(x: Any) -> Any:
    return mul(mul(x, x), x)


def _eigh(x: Any) -> tuple[Any, Any]:
    """Eigenvalues, and the matrix that has their cubes and the same vectors."""
    w, v = spectral.eigh(x)
    return w, matmul(m.scale_columns(v, cast(_cube(w), v.dtype)), m.adjoint(v))


def _eigh_reference(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    x = _symmetric(x)
    return np.linalg.eigvalsh(x), x @ x @ x


def _svd(x: Any) -> tuple[Any, Any]:
    """Singular values, and the matrix that has their cubes and the same vectors."""
    u, s, vh = spectral.svd(x)
    return s, matmul(m.scale_columns(u, cast(_cube(s), u.dtype)), vh)


def _eig_reference(x: np.ndarray) -> tuple[np.ndarray, ...]:
    return tuple(a.astype(complex_dtype(x.dtype)) for a in np.linalg.eig(x))


row("cholesky", linalg.cholesky, lambda x: np.linalg.cholesky(_symmetric(x)), DTYPES, SQUARE)
for lower, trans in [(True, 0), (False, 1), (True, 2)]:
    row(
        "triangular_solve",
        lambda a, b, lower=lower, trans=trans: linalg.triangular_solve(a, b, lower=lower, trans=trans),
        lambda a, b, lower=lower, trans=trans: np.linalg.solve(
            (lambda x: x, lambda x: np.swapaxes(x, -1, -2), _adjoint)[trans](
                np.tril(a) if lower else np.triu(a)
            ),
            b,
        ),
        DTYPES,
        with_right_hand_sides(SQUARE),
        f"{'lower' if lower else 'upper'}{trans}",
    )
row("lu", linalg.lu, _lu, DTYPES, (*SQUARE, *OBLONG[:1]))
row("qr", linalg.qr, lambda x: tuple(np.linalg.qr(x)), DTYPES, OBLONG)
row("solve_factored", solve.solve, np.linalg.solve, DTYPES, with_right_hand_sides(SQUARE))
row(
    "adjugate", solve.adjugate, lambda x: np.linalg.det(x)[..., None, None] * np.linalg.inv(x), DTYPES, SQUARE
)
row("det", solve.det_p.bind, np.linalg.det, DTYPES, SQUARE)
row("slogdet", solve.slogdet, lambda x: tuple(np.linalg.slogdet(x)), DTYPES, SQUARE)
row("pinv", solve.pinv, np.linalg.pinv, DTYPES, (*OBLONG, *FLAT))
row("pinv", solve.pinv, np.linalg.pinv, DTYPES, with_shares((*OBLONG, *FLAT)), "shares")
row("eigh", _eigh, _eigh_reference, DTYPES, SQUARE)
row("eigh", spectral.eigvalsh, lambda x: np.linalg.eigvalsh(_symmetric(x)), DTYPES, SQUARE, "values")
row("eig", spectral.eig, _eig_reference, DTYPES, SQUARE)
row(
    "svd",
    _svd,
    lambda x: (np.linalg.svd(x, compute_uv=False), x @ _adjoint(x) @ x),
    DTYPES,
    (*OBLONG, *FLAT),
)


def _restored(factors: Any) -> Any:
    """What was decomposed as ``(t, z)``."""
    t, z = factors
    return matmul(matmul(z, t), m.adjoint(z))


def _of_each(fun: Any) -> Any:
    """A function of stacks of matrices out of SciPy's of single ones, of the shape and dtype of the last stack."""

    def run(*stacks: np.ndarray) -> np.ndarray:
        out = np.empty_like(stacks[-1])
        for i in np.ndindex(out.shape[:-2]):
            out[i] = fun(*[x[i] for x in stacks])
        return out

    return run


def _complex(fun: Any) -> Any:
    return lambda x: fun(x.astype(np.complex128)).astype(complex_dtype(x.dtype))


def _column_order(x: np.ndarray) -> np.ndarray:
    order = np.empty((*x.shape[:-2], x.shape[-1]), np.int32)
    for i in np.ndindex(x.shape[:-2]):
        order[i] = scipy.linalg.qr(x[i], pivoting=True)[2]
    return order


def _with_another(makers: tuple[Maker, ...]) -> tuple[Maker, ...]:
    """Makers of matrices and of others with as many rows."""

    def extend(make: Maker) -> Maker:
        def both(rng: np.random.Generator, dtype: np.dtype) -> tuple[np.ndarray, ...]:
            (a,) = make(rng, dtype)
            return a, draw(rng, a.shape, dtype, -1, 1)

        return both

    return tuple(map(extend, makers))


def _root_change(a: np.ndarray, e: np.ndarray) -> np.ndarray:
    root = scipy.linalg.sqrtm(a.astype(np.complex128))
    return scipy.linalg.solve_sylvester(root, root, e)


row("schur", lambda x: _restored(matrix_forms.schur(x)), lambda x: x, DTYPES, SQUARE, smooth=False)
row(
    "triangular_form",
    lambda x: _restored(matrix_forms.triangular_form(*matrix_forms.schur(x))),
    lambda x: x.astype(complex_dtype(x.dtype)),
    DTYPES,
    SQUARE,
    smooth=False,
)
row("hessenberg", lambda x: _restored(matrix_forms.hessenberg(x)), lambda x: x, DTYPES, SQUARE, smooth=False)
row("column_order", matrix_forms.column_order, _column_order, DTYPES, (*SQUARE[:2], *OBLONG[:2], *FLAT))
row(
    "sylvester",
    lambda a, c: matrix_functions.sylvester(a, a, c),
    _of_each(lambda a, c: scipy.linalg.solve_sylvester(a, a, c)),
    DTYPES,
    _with_another(SQUARE),
)
row(
    "matrix_function",
    matrix_functions.matrix_log,
    _complex(_of_each(scipy.linalg.logm)),
    DTYPES,
    SQUARE,
    variant="log",
)
row(
    "matrix_function",
    lambda x: matrix_functions.matrix_power(x, 0.5),
    _complex(_of_each(scipy.linalg.sqrtm)),
    DTYPES,
    SQUARE,
    variant="root",
)
row(
    "matrix_change",
    lambda a, e: matrix_functions.matrix_change_p.bind(a, e, function="power", exponent=0.5),
    _of_each(_root_change),
    COMPLEXES,
    _with_another(SQUARE),
)


# Condensed forms: reflections keep the trace. That the rest is LAPACK's is tested with lax.linalg.

row(
    "packed_hessenberg",
    lambda x: m.trace(condensed.packed_hessenberg(x)[0]),
    lambda x: np.trace(x, axis1=-2, axis2=-1),
    DTYPES,
    SQUARE,
    smooth=False,
)
row(
    "tridiagonal",
    lambda x: m.trace(condensed.tridiagonal(m.hermitian_part(x))[0]),
    lambda x: np.trace(_symmetric(x), axis1=-2, axis2=-1),
    DTYPES,
    SQUARE,
    smooth=False,
)


def _tridiagonal_systems(*shapes: tuple[int, ...]) -> tuple[Maker, ...]:
    """Makers of three diagonals, of which the middle one is heavy, and of right-hand sides."""

    def make(rng: np.random.Generator, dims: tuple[int, ...], dtype: np.dtype) -> tuple[np.ndarray, ...]:
        lower, middle, upper = (draw(rng, dims[:-1], dtype, -1, 1) for _ in range(3))
        return lower, (middle + 3).astype(dtype), upper, draw(rng, dims, dtype)

    return tuple(lambda rng, dtype, dims=dims: make(rng, dims, dtype) for dims in shapes)


def _dense_tridiagonal_solve(
    lower: np.ndarray, middle: np.ndarray, upper: np.ndarray, b: np.ndarray
) -> np.ndarray:
    n = b.shape[-2]
    rows, columns = np.indices((n, n))
    a = np.where(columns == rows, middle[..., :, None], 0)
    a = a + np.where(columns == rows - 1, lower[..., :, None], 0)
    return np.linalg.solve(a + np.where(columns == rows + 1, upper[..., :, None], 0), b)


row(
    "tridiagonal_solve",
    condensed.tridiagonal_solve,
    _dense_tridiagonal_solve,
    DTYPES,
    _tridiagonal_systems((4, 2), (2, 3, 1), (1, 1), (0, 2, 2)),
)
