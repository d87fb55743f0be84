"""`weft.lax.linalg` against `jax.lax.linalg`: values, under jit and vmap, derivatives, errors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import pytest
from jax.lax import linalg as jla

import weft
from weft import lax as wl
from weft.errors import ArgumentError, ShapeError, WeftError

wla = wl.linalg
_rng = np.random.RandomState(8)
A = _rng.randn(2, 4, 4)
C = A + 1j * _rng.randn(2, 4, 4)
TALL, WIDE = _rng.randn(2, 5, 3), _rng.randn(2, 3, 5)
SYMMETRIC = A + A.swapaxes(-1, -2)
HERMITIAN = C + C.conj().swapaxes(-1, -2)
POSITIVE = A @ A.swapaxes(-1, -2) + np.eye(4)
POSITIVE_C = C @ C.conj().swapaxes(-1, -2) + np.eye(4)
RHS, ROWS = _rng.randn(2, 4, 3), _rng.randn(2, 3, 4)
VECTOR = _rng.randn(2, 4)
DIAGONALS = tuple(_rng.randn(3, 2, 4))
UPPER = np.linalg.cholesky(POSITIVE).swapaxes(-1, -2)
_TAUS = jla.hessenberg(A)[1]
_QR = np.linalg.qr(TALL, "raw")
REFLECTIONS, TAUS = np.swapaxes(_QR[0], -1, -2), _QR[1]
_QR_C = np.linalg.qr(TALL + 1j * TALL[::-1], "raw")


def close(ours: Any, theirs: Any, tolerance: float = 1e-9) -> None:
    ours, theirs = jax.tree.leaves(jax.tree.map(np.asarray, ours)), jax.tree.leaves(theirs)
    assert len(ours) == len(theirs)
    for a, b in zip(ours, map(np.asarray, theirs), strict=True):
        assert (a.dtype, a.shape) == (b.dtype, b.shape)
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


# Functions of operands; the second entry says whether JAX has derivatives.
CASES: dict[str, tuple[Callable[..., Any], tuple[Any, ...], bool]] = {
    "cholesky": (lambda la, x: la.cholesky(x), (POSITIVE,), True),
    "cholesky of complex": (lambda la, x: la.cholesky(x), (POSITIVE_C,), True),
    "cholesky of a triangle": (lambda la, x: la.cholesky(x, symmetrize_input=False), (np.tril(POSITIVE),), False),
    "cholesky_update": (lambda la, r, w: la.cholesky_update(r, w), (UPPER, VECTOR), False),
    "eigenvalues": (lambda la, x: la.eig(x, compute_left_eigenvectors=False, enable_eigvec_derivs=True)[0], (A,), True),
    "eig": (lambda la, x: [abs(y) for y in la.eig(x)], (A,), False),
    "right eigenvectors": (lambda la, x: la.eig(x, compute_left_eigenvectors=False), (C,), False),
    "left eigenvectors": (lambda la, x: la.eig(x, compute_right_eigenvectors=False), (C,), False),
    "eigh": (lambda la, x: la.eigh(x)[1], (SYMMETRIC,), True),
    "eigenvectors of eigh": (lambda la, x: abs(la.eigh(x)[0]), (SYMMETRIC,), True),
    "eigh of complex": (lambda la, x: [abs(y) for y in la.eigh(x, symmetrize_input=False, lower=False)], (HERMITIAN,), False),
    "hessenberg": (lambda la, x: la.hessenberg(x), (A,), False),
    "hessenberg of complex": (lambda la, x: la.hessenberg(x), (C,), False),
    "householder_product": (lambda la, a, t: la.householder_product(a, t), (REFLECTIONS, TAUS), False),
    "householder_product of complex": (
        lambda la, a, t: la.householder_product(a, t), (np.swapaxes(_QR_C[0], -1, -2), _QR_C[1]), False),
    "ormqr": (lambda la, a, t, c: la.ormqr(a, t, c), (REFLECTIONS, TAUS, TALL), False),
    "ormqr transposed": (lambda la, a, t, c: la.ormqr(a, t, c, transpose=True), (REFLECTIONS, TAUS, TALL), False),
    "ormqr on the right": (lambda la, a, t, c: la.ormqr(a, t, c, left=False), (REFLECTIONS, TAUS, WIDE), False),
    "ormqr of complex": (
        lambda la, a, t, c: la.ormqr(a, t, c, left=False, transpose=True),
        (np.swapaxes(_QR_C[0], -1, -2), _QR_C[1], WIDE + 0j), False),
    "lu": (lambda la, x: la.lu(x), (A,), False),
    "packed lu": (lambda la, x: la.lu(x)[0], (WIDE,), True),
    "qr": (lambda la, x: la.qr(x, full_matrices=False), (TALL,), True),
    "full qr": (lambda la, x: la.qr(x), (A,), True),
    "pivoted qr": (lambda la, x: la.qr(x, pivoting=True, full_matrices=False), (TALL,), False),
    "pivoted qr of wide ones": (lambda la, x: la.qr(x, pivoting=True)[1], (WIDE,), False),
    "schur": (lambda la, x: la.schur(x), (A,), False),
    "schur form": (lambda la, x: la.schur(x, compute_schur_vectors=False), (C,), False),
    "svd": (lambda la, x: [abs(y) for y in la.svd(x, full_matrices=False)], (TALL,), True),
    "full svd": (lambda la, x: la.svd(x)[1], (WIDE,), False),
    "singular values": (lambda la, x: la.svd(x, compute_uv=False), (C,), True),
    "symmetric_product": (
        lambda la, a, c: la.symmetric_product(a, c, alpha=2.0, beta=0.5, symmetrize_output=True), (ROWS, A[:, :3, :3]), False),
    "triangular_solve": (lambda la, a, b: la.triangular_solve(a, b), (A, ROWS), True),
    "triangular_solve of vectors": (
        lambda la, a, b: la.triangular_solve(a, b, left_side=True, lower=True), (A[0], VECTOR[0]), True),
    **{
        f"triangular_solve {options}": (
            lambda la, a, b, o=options: la.triangular_solve(
                a, b, left_side=True, transpose_a="t" in o, conjugate_a="c" in o, unit_diagonal="u" in o, lower="l" in o
            ),
            (C, RHS + 1j), True)
        for options in ("c", "t", "tc", "lu", "ltcu")
    },
    "tridiagonal": (lambda la, x: la.tridiagonal(x), (SYMMETRIC,), False),
    "tridiagonal of complex": (lambda la, x: la.tridiagonal(x, lower=False), (HERMITIAN,), False),
    "tridiagonal_solve": (lambda la, *xs: la.tridiagonal_solve(*xs), (*DIAGONALS, RHS), True),
}  # fmt: skip


def _weighted(f: Callable[..., Any]) -> Callable[..., Any]:
    """A real number that depends on all results."""

    def total(*xs: Any) -> Any:
        outs = [y for y in jax.tree.leaves(f(*xs)) if np.issubdtype(y.dtype, np.inexact)]
        return sum((abs(y * (1 + np.arange(y.size).reshape(y.shape)) + 0.1) ** 2).sum() for y in outs)

    return total


@pytest.mark.parametrize("name", CASES)
def test_values(name: str) -> None:
    fun, args, _ = CASES[name]
    one = jax.jit(lambda *xs: fun(jla, *xs))
    wanted = one(*args) if "update" not in name else np.stack([one(r, w) for r, w in zip(*args, strict=True)])
    close(fun(wla, *args), wanted)
    close(weft.jit(lambda *xs: fun(wla, *xs))(*args), wanted)
    if all(x.ndim > 1 for x in args) and "vectors" not in name:
        close(weft.vmap(lambda *xs: fun(wla, *xs))(*args), wanted)
        for k in range(len(args)) if len(args) > 1 else ():  # one operand mapped
            axes = [0 if i == k else None for i in range(len(args))]
            parts = [x if i == k else x[0] for i, x in enumerate(args)]
            each = [fun(wla, *(x[j] if i == k else x for i, x in enumerate(parts))) for j in range(2)]
            close(
                weft.vmap(lambda *xs: fun(wla, *xs), tuple(axes))(*parts),
                np.stack(list(map(np.asarray, each))),
            )


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case[2]])
def test_derivatives(name: str) -> None:
    fun, args, _ = CASES[name]
    ways = tuple(0.1 * np.cos(x) for x in args)

    def both(lib: Any, la: Any) -> Any:
        f = _weighted(lambda *xs: fun(la, *xs))
        slope = lib.grad(f, tuple(range(len(args))))
        return lambda *xs: (slope(*xs), lib.jvp(slope, xs, ways)[1])

    close(both(weft, wla)(*args), jax.jit(both(jax, jla))(*args), 1e-7)


@pytest.mark.parametrize("name", ["cholesky_update", "householder_product", "ormqr", "symmetric_product"])
def test_derivatives_that_jax_has_not(name: str) -> None:
    fun, args, _ = CASES[name]
    f = _weighted(lambda *xs: fun(wla, *xs))
    slopes = weft.grad(f, tuple(range(len(args))))(*args)
    for k, slope in enumerate(slopes):
        way, h = _rng.randn(*args[k].shape), 1e-6
        if name == "cholesky_update" and k == 0:
            way = np.triu(way)
        ends = [float(f(*(x + s * way if i == k else x for i, x in enumerate(args)))) for s in (h, -h)]
        np.testing.assert_allclose((np.asarray(slope) * way).sum(), (ends[0] - ends[1]) / (2 * h), rtol=1e-6)


def test_factors_are_factors() -> None:
    w, left, right = map(np.asarray, wla.eig(C))
    np.testing.assert_allclose(
        left.conj().swapaxes(-1, -2) @ C, w[..., None] * left.conj().swapaxes(-1, -2), atol=1e-10
    )
    np.testing.assert_allclose(C @ right, w[:, None] * right, atol=1e-10)
    packed, _, _, taus = wla.tridiagonal(SYMMETRIC)
    q = np.asarray(wla.householder_product(packed[:, 1:, :-1], taus))
    t = q.swapaxes(-1, -2) @ SYMMETRIC[:, 1:, 1:] @ q
    np.testing.assert_allclose(t, np.triu(np.tril(t, 1), -1), atol=1e-10)
    updated = np.asarray(wla.cholesky_update(UPPER, VECTOR))
    np.testing.assert_allclose(updated, np.triu(updated), atol=1e-12)
    wanted = POSITIVE + VECTOR[:, :, None] * VECTOR[:, None, :]
    np.testing.assert_allclose(updated.swapaxes(-1, -2) @ updated, wanted, atol=1e-10)


def test_subsets() -> None:
    v, w = wla.eigh(SYMMETRIC)
    close(wla.eigh(SYMMETRIC, subset_by_index=(1, 3)), (v[..., 1:3], w[..., 1:3]))
    u, s, vh = wla.svd(TALL, full_matrices=False)
    close(wla.svd(TALL, full_matrices=False, subset_by_index=(0, 2)), (u[..., :2], s[..., :2], vh[:, :2]))
    close(wla.svd(TALL, compute_uv=False, subset_by_index=(1, 2)), s[..., 1:2])


def test_pivots_to_permutation() -> None:
    pivots = np.array([[3, 2, 2], [0, 4, 3]], np.int32)
    close(wla.lu_pivots_to_permutation(pivots, 5), jla.lu_pivots_to_permutation(pivots, 5))
    close(
        weft.jit(lambda p: wla.lu_pivots_to_permutation(p, 5))(pivots),
        jla.lu_pivots_to_permutation(pivots, 5),
    )
    close(
        weft.vmap(lambda p: wla.lu_pivots_to_permutation(p, 5))(pivots),
        jla.lu_pivots_to_permutation(pivots, 5),
    )


def test_singular_and_empty_systems() -> None:
    zeros = np.zeros((2, 2))
    assert np.isnan(np.asarray(wla.tridiagonal_solve(zeros[0], zeros[0], zeros[0], zeros))).all()
    assert wla.tridiagonal_solve(*np.ones((3, 0)), np.ones((0, 2))).shape == (0, 2)
    assert [x.shape for x in wla.tridiagonal(np.ones((1, 1)))] == [(1, 1), (1,), (0,), (0,)]
    assert [x.shape for x in wla.hessenberg(np.ones((0, 2, 2)))] == [(0, 2, 2), (0, 1)]


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: wla.cholesky_update(A, VECTOR[0]), ShapeError, r"real matrices and a vector for each"),
        (lambda: wla.eigh(SYMMETRIC, subset_by_index=(3, 9)), ArgumentError, r"eigh got subset_by_index=\(3, 9\) for 4 values"),
        (lambda: wla.svd(A, subset_by_index=(0, 1)), ArgumentError, r"no full matrices of a subset"),
        (lambda: wla.schur(A, sort_eig_vals=True), ArgumentError, r"schur does not sort eigenvalues"),
        (lambda: wla.householder_product(WIDE, TAUS), ShapeError, r"at least as many rows as columns"),
        (lambda: wla.householder_product(TALL, np.ones((2, 4))), ShapeError, r"at most 3 a matrix"),
        (lambda: wla.ormqr(REFLECTIONS, TAUS, A), ShapeError, r"cannot multiply float64 of shape \(2, 4, 4\) on the left"),
        (lambda: wla.lu_pivots_to_permutation(np.array([1, 2]), 1), ShapeError, r"at most 1 integers"),
        (lambda: wla.symmetric_product(A, RHS), ShapeError, r"symmetric_product got shapes \(2, 4, 4\) and \(2, 4, 3\)"),
        (lambda: wla.tridiagonal_solve(*DIAGONALS, VECTOR), ShapeError, r"needs three diagonals of shape \(2,\)"),
        (lambda: wla.tridiagonal_solve(*DIAGONALS, RHS, perturb_singular=True), ArgumentError, r"does not perturb"),
        (lambda: weft.grad(lambda x: wla.hessenberg(x)[0].sum())(A), WeftError, r"packed_hessenberg"),
    ],
)  # fmt: skip
def test_errors(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()


def test_what_is_no_matrix_is_refused() -> None:
    others = {
        **dict.fromkeys(["cholesky_update", "householder_product"], (np.ones(2),)),
        **dict.fromkeys(["triangular_solve", "symmetric_product"], (np.ones((2, 2)),)),
        "ormqr": (np.ones(2), np.ones((2, 2))),
        "tridiagonal_solve": (np.ones(2), np.ones(2), np.ones((2, 2))),
    }
    for name in set(wla.__all__) - {"lu_pivots_to_permutation"}:
        for bad in (np.arange(4), np.ones((2, 2), int), np.ones(3)):
            with pytest.raises(WeftError):
                getattr(wla, name)(bad, *others.get(name, ()))
