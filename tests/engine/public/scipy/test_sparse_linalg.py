"""Iterative solvers: solutions, derivatives, trees, preconditioners, what does not converge."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
import pytest

import weft
import weft.numpy as wnp
from tests.engine.public.scipy.laws import Case, check, close
from weft.errors import ArgumentError, ShapeError
from weft.scipy.sparse.linalg import bicgstab, cg, gmres

rng = np.random.default_rng(4)
N = 6
G = rng.normal(size=(N, N))
DEFINITE = G @ G.T + N * np.eye(N)
HERMITIAN = DEFINITE + 1j * (G - G.T)
REGULAR = G + 2 * N * np.diag(np.linspace(1, 2, N))
COMPLEX = REGULAR + 1j * rng.normal(size=(N, N))
B, B_COMPLEX = rng.normal(size=N), rng.normal(size=N) + 1j * rng.normal(size=N)
FINE = {"tol": 1e-13}
SOLVERS = {
    "cg": (cg, DEFINITE, HERMITIAN, {}),
    "bicgstab": (bicgstab, REGULAR, COMPLEX, {}),
    "gmres": (gmres, REGULAR, COMPLEX, {}),
    "gmres restarted": (gmres, REGULAR, COMPLEX, {"restart": 3}),
    "gmres incremental": (gmres, REGULAR, COMPLEX, {"solve_method": "incremental"}),
    "gmres incremental restarted": (gmres, REGULAR, COMPLEX, {"solve_method": "incremental", "restart": 3}),
}


def solution(name: str, how: str = "matrix") -> Any:
    solver, _, _, options = SOLVERS[name]

    def run(a: Any, b: Any) -> Any:
        if name == "cg":
            a = (a + a.conj().T) / 2
        given = a if how == "matrix" else lambda x: a @ x
        return solver(given, b, **FINE, **options)[0]

    return run


def wanted(name: str) -> Any:
    return lambda a, b: np.linalg.solve((a + a.conj().T) / 2 if name == "cg" else a, b)


@pytest.mark.parametrize("kind", ["real", "complex"])
@pytest.mark.parametrize("name", SOLVERS)
def test_laws(name: str, kind: str) -> None:
    matrix, b = (SOLVERS[name][1], B) if kind == "real" else (SOLVERS[name][2], B_COMPLEX)
    check(Case(solution(name), wanted(name), (matrix, b), tol=1e-8))
    check(Case(solution(name, "function"), wanted(name), (matrix, b), tol=1e-8, batch=False, order=1))


@pytest.mark.parametrize("name", SOLVERS)
def test_trees_guesses_and_preconditioners(name: str) -> None:
    solver, matrix, _, options = SOLVERS[name]
    tree = {"a": B[:4].reshape(2, 2), "b": B[4:]}

    def product(x: Any) -> Any:
        y = matrix @ wnp.concatenate([x["a"].ravel(), x["b"]])
        return {"a": y[:4].reshape(2, 2), "b": y[4:]}

    def jacobi(x: Any) -> Any:
        d = np.diag(matrix)
        return {"a": x["a"] / d[:4].reshape(2, 2), "b": x["b"] / d[4:]}

    x = np.linalg.solve(matrix, B)
    expected = {"a": x[:4].reshape(2, 2), "b": x[4:]}
    for call in (
        lambda b: solver(product, b, **FINE, **options),
        lambda b: solver(product, b, M=jacobi, **FINE, **options),
        lambda b: solver(product, b, expected, M=jacobi, tol=1e-10, **options),
    ):
        for f in (call, weft.jit(call)):
            found, info = f(tree)
            close(found, expected, 1e-8)
            assert info == 0
    inverse = np.linalg.inv(matrix)
    found, info = solver(matrix, B, M=inverse, maxiter=2, tol=1e-10, **options)
    close(found, x, 1e-8)
    slope = weft.grad(lambda b: wnp.sum(solver(matrix, b, M=inverse, tol=1e-12, **options)[0] ** 2))(B)
    close(slope, np.linalg.solve(matrix.T, 2 * x), 1e-8)


@pytest.mark.parametrize("name", SOLVERS)
def test_the_first_iterations(name: str) -> None:
    """What does not converge says how long it tried; the exact solution of a zero right-hand side is zero."""
    solver, matrix, _, options = SOLVERS[name]
    _, info = solver(
        matrix, B, tol=1e-15, maxiter=1, **{**options, **({"restart": 2} if "gmres" in name else {})}
    )
    assert info == 1
    assert info.dtype == np.int32
    x, info = solver(matrix, np.zeros(N), **options)
    assert info == 0
    assert not np.any(x)
    x, info = weft.jit(lambda b: solver(wnp.eye(N), b, **options))(B)
    close(x, B, 1e-12)


def test_as_jax() -> None:
    for ours, theirs, matrix in (
        (cg, jax.scipy.sparse.linalg.cg, DEFINITE),
        (bicgstab, jax.scipy.sparse.linalg.bicgstab, REGULAR),
    ):
        for maxiter in (1, 2, 3):
            close(ours(matrix, B, maxiter=maxiter)[0], theirs(matrix, B, maxiter=maxiter)[0], 1e-9)
    for method in ("batched", "incremental"):
        options = {"restart": 2, "maxiter": 2, "solve_method": method}
        close(gmres(REGULAR, B, **options)[0], jax.scipy.sparse.linalg.gmres(REGULAR, B, **options)[0], 1e-6)


def test_dtypes() -> None:
    assert cg(DEFINITE.astype("f4"), B.astype("f4"))[0].dtype == np.float32
    assert gmres(np.eye(3, dtype=int), np.arange(3))[0].dtype == np.float64
    assert gmres(COMPLEX, B)[0].dtype == np.complex128
    close(gmres(COMPLEX, B, **FINE)[0], np.linalg.solve(COMPLEX, B), 1e-9)


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda b: cg(DEFINITE[:3], b), ShapeError, "cg: A is a square matrix or a function"),
        (lambda b: cg(lambda x: x[:3], b), ArgumentError, "A must give what it is given"),
        (lambda b: cg(DEFINITE, b, b[:2]), ArgumentError, "x0 must have the structure and shapes"),
        (lambda b: gmres(REGULAR, b, restart=0), ArgumentError, "restart=0"),
        (lambda b: gmres(REGULAR, b, solve_method="qr"), ArgumentError, "solve_method='qr'"),
        (lambda b: bicgstab(REGULAR, "b"), ArgumentError, "bicgstab"),
    ],
)
def test_errors(call: Any, error: Any, says: str) -> None:
    for f in (call, weft.jit(call)):
        with pytest.raises(error, match=says):
            f(wnp.asarray(B))
