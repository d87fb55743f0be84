"""`weft.numpy.linalg` against NumPy (values, dtypes) and JAX (derivatives), eagerly, under jit and vmap; errors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import weft
import weft.numpy as wnp
from weft.errors import ArgumentError, AxisError, DTypeError, ShapeError
from weft.numpy import linalg as wl

_rng = np.random.RandomState(3)
REAL = _rng.randn(2, 4, 4)
COMPLEX = _rng.randn(2, 4, 4) + 1j * _rng.randn(2, 4, 4)
TALL, WIDE = _rng.randn(2, 5, 3), _rng.randn(2, 3, 5)
VECTOR, COLUMNS = _rng.randn(4), _rng.randn(2, 4, 3)
FLAT = _rng.randn(3, 4)
INTEGERS = np.arange(9).reshape(3, 3) ** 2 + np.eye(3, dtype=int)


def definite(x: np.ndarray) -> np.ndarray:
    """Hermitian positive definite matrices."""
    return x @ np.conj(np.swapaxes(x, -1, -2)) + 4 * np.eye(x.shape[-1])


def close(ours: Any, theirs: Any, tolerance: float = 1e-9) -> None:
    """Equal dtypes, shapes and, up to a tolerance, values of trees of arrays."""
    ours, theirs = jax.tree.leaves(jax.tree.map(np.asarray, ours)), jax.tree.leaves(theirs)
    assert len(ours) == len(theirs)
    for a, b in zip(ours, map(np.asarray, theirs), strict=True):
        assert (a.dtype, a.shape) == (b.dtype, b.shape)
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


ORDERS = (None, "fro", "nuc", np.inf, -np.inf, 1, -1, 2, -2)
VECTOR_ORDERS = (None, 0, 1, 2, 3.5, np.inf, -np.inf, -1)
CASES: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {
    **{f"norm {o} of matrices": (lambda la, x, o=o: la.norm(x, o, axis=(0, 2)), (REAL,)) for o in ORDERS},
    **{f"norm {o} of vectors": (lambda la, x, o=o: la.norm(x, o, axis=1, keepdims=True), (COMPLEX,)) for o in VECTOR_ORDERS},
    "norm of all": (lambda la, x: la.norm(x), (REAL,)),
    "norm of integers": (lambda la, x: la.norm(x, 1), (INTEGERS,)),
    "norm of float32": (lambda la, x: la.norm(x, axis=0), (REAL.astype(np.float32),)),
    "vector_norm": (lambda la, x: la.vector_norm(x, axis=(0, 2), ord=3, keepdims=True), (REAL,)),
    "vector_norm of all": (lambda la, x: la.vector_norm(x), (REAL,)),
    "matrix_norm": (lambda la, x: la.matrix_norm(x, ord="nuc", keepdims=True), (REAL,)),
    "det": (lambda la, x: la.det(x), (REAL,)),
    "det complex": (lambda la, x: la.det(x), (COMPLEX,)),
    "det of integers": (lambda la, x: la.det(x), (INTEGERS,)),
    "slogdet": (lambda la, x: la.slogdet(x), (REAL,)),
    "slogdet complex": (lambda la, x: la.slogdet(x), (COMPLEX,)),
    "inv": (lambda la, x: la.inv(x), (COMPLEX,)),
    "inv of integers": (lambda la, x: la.inv(x), (INTEGERS,)),
    "pinv": (lambda la, x: la.pinv(x), (TALL,)),
    "pinv cut": (lambda la, x: la.pinv(x, 0.5), (WIDE,)),
    "pinv rtol": (lambda la, x: la.pinv(x, rtol=0.5), (WIDE,)),
    "pinv rtol None": (lambda la, x: la.pinv(x, rtol=None), (np.outer([1.0, 2, 3], VECTOR),)),
    "pinv rtol None float32": (lambda la, x: la.pinv(x, rtol=None), (np.outer([1.0, 2, 3], VECTOR).astype(np.float32),)),
    "pinv cuts": (lambda la, x, cut: la.pinv(x, cut), (WIDE[:2], np.array([0.9, 0.1]))),
    "pinv a cut": (lambda la, x, cut: la.pinv(x, cut), (WIDE, np.float32(0.5))),
    "pinv hermitian": (lambda la, x: la.pinv(x, hermitian=True), (definite(REAL),)),
    "solve a vector": (lambda la, a, b: la.solve(a, b), (REAL[0], VECTOR)),
    "solve columns": (lambda la, a, b: la.solve(a, b), (COMPLEX, COLUMNS)),
    "solve broadcasting": (lambda la, a, b: la.solve(a, b), (REAL[0], COLUMNS)),
    "solve many with a vector": (lambda la, a, b: la.solve(a, b), (REAL, VECTOR)),
    "cholesky": (lambda la, x: la.cholesky(x), (definite(COMPLEX),)),
    "cholesky upper": (lambda la, x: la.cholesky(x, upper=True), (definite(REAL),)),
    "cholesky of a triangle": (lambda la, x: la.cholesky(x), (np.tril(definite(REAL)),)),
    "qr": (lambda la, x: la.qr(x), (TALL,)),
    "qr complete": (lambda la, x: la.qr(x, "complete"), (TALL,)),
    "qr r": (lambda la, x: la.qr(x, mode="r"), (WIDE,)),
    "svd": (lambda la, x: la.svd(x, full_matrices=False), (TALL,)),
    "svd full": (lambda la, x: la.svd(x), (WIDE,)),
    "svd values": (lambda la, x: la.svd(x, compute_uv=False), (COMPLEX,)),
    "svd hermitian": (lambda la, x: la.svd(x, compute_uv=False, hermitian=True), (definite(REAL),)),
    "svdvals": (lambda la, x: la.svdvals(x), (WIDE,)),
    "eigh": (lambda la, x: la.eigh(x), (definite(COMPLEX),)),
    "eigh of a triangle": (lambda la, x: la.eigh(x, "U"), (np.triu(definite(REAL)),)),
    "eigvalsh": (lambda la, x: la.eigvalsh(x), (REAL,)),
    "eig": (lambda la, x: la.eig(x), (COMPLEX,)),
    "eigvals": (lambda la, x: la.eigvals(x), (COMPLEX,)),
    "lstsq": (lambda la, a, b: [y for i, y in enumerate(la.lstsq(a, b)) if i != 2], (TALL[0], _rng.randn(5, 2))),
    "lstsq of a vector": (lambda la, a, b: la.lstsq(a, b)[0], (WIDE[0], _rng.randn(3))),
    "matrix_rank": (lambda la, x: la.matrix_rank(x), (np.stack([FLAT.T @ FLAT, REAL[0]]),)),
    "matrix_rank tol": (lambda la, x: la.matrix_rank(x, tol=1.0), (REAL,)),
    "matrix_rank rtol": (lambda la, x: la.matrix_rank(x, rtol=0.3), (REAL,)),
    "matrix_rank of nothing": (lambda la, x: la.matrix_rank(x), (np.ones((2, 0, 3)),)),
    "matrix_rank rtol of nothing": (lambda la, x: la.matrix_rank(x, rtol=np.array([0.1, 0.2])), (np.ones((2, 3, 0)),)),
    "matrix_rank of a vector": (lambda la, x: la.matrix_rank(x), (VECTOR,)),
    **{f"matrix_power {n}": (lambda la, x, n=n: la.matrix_power(x, n), (REAL,)) for n in (-2, 0, 1, 3, 6)},
    "matrix_power of integers": (lambda la, x: la.matrix_power(x, 3), (INTEGERS,)),
    **{f"cond {p}": (lambda la, x, p=p: la.cond(x, p), (REAL,)) for p in (None, 2, -2, "fro", 1, np.inf)},
    "multi_dot": (lambda la, *xs: la.multi_dot(xs), (VECTOR, REAL[0], FLAT.T, _rng.randn(3, 2))),
    "multi_dot of two vectors": (lambda la, *xs: la.multi_dot(xs), (VECTOR, VECTOR)),
    "tensorsolve": (lambda la, a, b: la.tensorsolve(a, b), (_rng.randn(2, 3, 6), _rng.randn(2, 3))),
    "tensorsolve axes": (lambda la, a, b: la.tensorsolve(a, b, (0,)), (_rng.randn(6, 2, 3), _rng.randn(2, 3))),
    "tensorinv": (lambda la, x: la.tensorinv(x, 1), (_rng.randn(6, 2, 3),)),
    "trace": (lambda la, x: la.trace(x, offset=1), (REAL,)),
    "diagonal": (lambda la, x: la.diagonal(x, offset=-1), (REAL,)),
    "outer": (lambda la, x, y: la.outer(x, y), (VECTOR, VECTOR[:2])),
    "cross": (lambda la, x, y: la.cross(x, y, axis=0), (FLAT, FLAT[::-1].copy())),
    "vecdot": (lambda la, x, y: la.vecdot(x, y), (COMPLEX, REAL)),
    "matmul": (lambda la, x, y: la.matmul(x, y), (REAL, COLUMNS)),
    "tensordot": (lambda la, x, y: la.tensordot(x, y, axes=1), (REAL, REAL[0])),
    "matrix_transpose": (lambda la, x: la.matrix_transpose(x), (TALL,)),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_values(name: str) -> None:
    fun, args = CASES[name]
    wanted = fun(np.linalg, *args)
    close(fun(wl, *args), wanted)
    tolerance = 1e-5 if name.endswith("float32") else 1e-8
    close(weft.jit(lambda *xs: fun(wl, *xs))(*args), wanted, tolerance)


def test_rank_of_least_squares() -> None:
    a = FLAT.T @ FLAT
    assert int(wl.lstsq(a, VECTOR)[2]) == 3
    assert int(weft.jit(wl.lstsq)(a, VECTOR)[2]) == 3


# Derivatives. Where factors are unique up to sign only, what is differentiated does not depend on the sign.

SMOOTH: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {
    "norm": (lambda la, x: la.norm(x, axis=1), (COMPLEX,)),
    "norm 3": (lambda la, x: la.norm(x, 3, axis=1), (REAL,)),
    "norm nuc": (lambda la, x: la.norm(x, "nuc", axis=(1, 2)), (TALL,)),
    "det": (lambda la, x: la.det(x), (COMPLEX,)),
    "slogdet": (lambda la, x: la.slogdet(x)[1], (COMPLEX,)),
    "inv": (lambda la, x: la.inv(x), (COMPLEX,)),
    "pinv": (lambda la, x: la.pinv(x), (TALL,)),
    "pinv cuts": (lambda la, x: la.pinv(x, np.array([0.9, 0.1])), (WIDE[:2],)),
    "solve": (lambda la, a, b: la.solve(a, b), (COMPLEX, COLUMNS.astype(complex))),
    "solve a vector": (lambda la, a, b: la.solve(a, b), (REAL[0], VECTOR)),
    "cholesky": (lambda la, x: la.cholesky(x), (definite(COMPLEX),)),
    "cholesky real": (lambda la, x: la.cholesky(x), (definite(REAL),)),
    "qr": (lambda la, x: la.qr(x), (TALL,)),
    "svdvals": (lambda la, x: la.svd(x, compute_uv=False), (COMPLEX,)),
    "svd": (lambda la, x: [abs(y) for y in la.svd(x, full_matrices=False)], (REAL,)),
    "eigvalsh": (lambda la, x: la.eigvalsh(x), (definite(COMPLEX),)),
    "eigh": (lambda la, x: [abs(y) for y in la.eigh(x)], (definite(REAL),)),
    "lstsq": (lambda la, a, b: la.lstsq(a, b)[0], (TALL[0], _rng.randn(5, 2))),
    "matrix_power": (lambda la, x: la.matrix_power(x, 3), (REAL,)),
    "cond": (lambda la, x: la.cond(x), (REAL,)),
    "multi_dot": (lambda la, *xs: la.multi_dot(xs), (FLAT, REAL[0], FLAT.T)),
    "tensorsolve": (lambda la, a, b: la.tensorsolve(a, b), (_rng.randn(2, 3, 6), _rng.randn(2, 3))),
}  # fmt: skip


def total(fun: Callable[..., Any], linalg: Any, module: Any) -> Callable[..., Any]:
    """A real number of the results of ``fun``, each element with a weight of its own."""

    def number(*args: Any) -> Any:
        out = fun(linalg, *args)
        result = 0.0
        for y in out if isinstance(out, tuple | list) else [out]:
            weights = np.cos(np.arange(y.size)).reshape(y.shape)
            result = result + (module.real(y) * weights).sum() + (module.imag(y) * weights[::-1]).sum()
        return result

    return number


@pytest.mark.parametrize("name", SMOOTH)
def test_gradients(name: str) -> None:
    fun, args = SMOOTH[name]
    positions = tuple(range(len(args)))
    wanted = jax.jit(jax.grad(total(fun, jnp.linalg, jnp), positions))(*args)
    gradient = weft.grad(total(fun, wl, weft.numpy), positions)
    close(gradient(*args), wanted, 1e-7)
    close(weft.jit(gradient)(*args), wanted, 1e-7)


def test_eigenvalues_of_a_general_matrix() -> None:
    jacobian = weft.jacfwd(lambda x: wl.eigvals(x).sum(), holomorphic=True)(COMPLEX[0])
    np.testing.assert_allclose(jacobian, np.eye(4), atol=1e-10)  # the sum is the trace
    values, vectors = weft.jit(wl.eig)(REAL[0])
    np.testing.assert_allclose(
        REAL[0] @ np.asarray(vectors), np.asarray(vectors) * np.asarray(values), atol=1e-10
    )


@pytest.mark.parametrize(
    "name", ["det", "slogdet", "inv", "cholesky", "qr", "svdvals", "eigh", "matrix_rank"]
)
def test_vmap(name: str) -> None:
    fun, (x,) = CASES[name]
    close(weft.vmap(lambda m: fun(wl, m))(x), fun(np.linalg, x), 1e-8)


def test_second_derivatives() -> None:
    hessian = weft.hessian(lambda x: wl.slogdet(x)[1])(REAL[0])
    close(hessian, jax.jit(jax.hessian(lambda x: jnp.linalg.slogdet(x)[1]))(REAL[0]), 1e-7)


def test_results_are_named() -> None:
    assert wl.eigh(np.eye(2)).eigenvalues.tolist() == [1.0, 1.0]
    assert weft.jit(wl.qr)(np.eye(2)).R.shape == (2, 2)
    assert weft.jit(wl.slogdet)(np.eye(2)).logabsdet == 0.0
    assert wl.svd(np.eye(2)).S.tolist() == [1.0, 1.0]


# Where there is no result


def test_eager_raises_and_traced_gives_nan() -> None:
    indefinite = -np.eye(2)
    with pytest.raises(wl.LinAlgError, match="not positive definite"):
        wl.cholesky(indefinite)
    assert np.isnan(np.asarray(weft.jit(wl.cholesky)(indefinite))).any()
    singular = np.ones((2, 2))
    with pytest.raises(wl.LinAlgError, match="Singular matrix"):
        wl.inv(singular)
    assert not np.isfinite(np.asarray(weft.jit(wl.inv)(singular))).all()
    assert float(weft.jit(lambda x: wl.cond(x, 1))(singular)) == np.inf
    assert np.isnan(float(weft.jit(wl.cond)(np.full((2, 2), np.nan))))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda x: wl.inv(x[:3]), ShapeError, r"linalg\.inv takes square matrices .*, got an array of shape \(3, 4\)"),
        (lambda x: wl.svd(x[0]), ShapeError, r"linalg\.svd takes matrices \(\.\.\., m, n\), got an array of shape \(4,\)"),
        (lambda x: wl.solve(x, x[:3]), ShapeError, r"linalg\.solve got shapes that do not go together: \(4, 4\) and \(3, 4\)"),
        (lambda x: wl.qr(x, "thin"), ArgumentError, r"linalg\.qr knows the modes .*, got 'thin'"),
        (lambda x: wl.eigh(x, "M"), ArgumentError, r"linalg\.eigh takes UPLO='L' or 'U', got 'M'"),
        (lambda x: wl.norm(x, "nuc", axis=0), ArgumentError, r"linalg\.norm got ord='nuc', which is not a norm of vectors"),
        (lambda x: wl.norm(x, 3, axis=(0, 1)), ArgumentError, r"linalg\.norm got ord=3, which is not a norm of matrices"),
        (lambda x: wl.norm(x, axis=2), AxisError, r"linalg\.norm got axis 2"),
        (lambda x: wl.norm(x, axis=(0, 0)), AxisError, r"linalg\.norm got axis \(0, 0\): an axis is given twice"),
        (lambda x: wl.norm(x[None], 2), ArgumentError, r"takes vectors \(one axis\) or matrices \(two\), got 3 axes"),
        (lambda x: wl.pinv(x, 0.1, rtol=0.1), ArgumentError, "rcond"),
        (lambda x: wl.lstsq(x, x[:3]), ShapeError, r"linalg\.lstsq takes \(m, n\) and \(m,\) or \(m, k\)"),
        (lambda x: wl.multi_dot([x]), ArgumentError, r"linalg\.multi_dot takes two arrays or more, got 1"),
        (lambda x: wl.outer(x, x), ShapeError, r"linalg\.outer takes vectors, got shapes \(4, 4\) and \(4, 4\)"),
        (lambda x: wl.tensorinv(x, 2), ShapeError, r"linalg\.tensorinv cannot split shape \(4, 4\) at axis 2"),
        (lambda x: wl.cross(x, x), ShapeError, r"linalg\.cross takes vectors of length 3 along axis -1"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("way", [weft.jit, lambda call: call])
def test_errors(way: Any, call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        way(call)(wnp.asarray(REAL[0]))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision(dtype: str) -> None:
    x = wnp.eye(3, dtype=dtype) * 2
    for way in (weft.jit, lambda call: call):
        assert way(wl.norm)(x).dtype == x.dtype
        with pytest.raises(DTypeError, match=r"linalg\.det does not accept .*float32"):
            way(wl.det)(x)


def test_singular_arrays_raise_and_traced_ones_do_not() -> None:
    x = wnp.zeros((2, 2))
    with pytest.raises(wl.LinAlgError, match="Singular"):
        wl.inv(x)
    assert not np.isfinite(weft.jit(wl.inv)(x)).any()
