from __future__ import annotations

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.ir.ops.rule_checks import check_batch, check_derivatives, check_staged, noise, trace
from weft.ir.errors import DTypeError, GradientError, ShapeError
from weft.ir.interpret import evaluate
from weft.ir.ops.linalg import cholesky, lu, qr, triangular_solve
from weft.ir.passes.linearize import linearize
from weft.ir.passes.transpose import transpose

rng = np.random.default_rng(0)
KINDS = [np.float64, np.complex128]
ALL = [np.float32, np.float64, np.complex64, np.complex128]


def random(*shape, dtype=np.float64):
    return noise(rng, np.zeros(shape, dtype))


def positive(*lead, n=4, dtype=np.float64):
    a = random(*lead, n, n, dtype=dtype)
    return a @ a.conj().swapaxes(-1, -2) + n * np.eye(n, dtype=dtype)


def gradients(fun, *args):
    """Cotangents of the arguments for drawn cotangents of the differentiable outputs, and these."""
    graph = trace(fun, *args)
    flags = tuple(a.dtype.kind in "fc" for a in args)
    split = linearize(graph, flags)
    found = evaluate(split.primal, *args)
    residuals = found[len(graph.outs) :]
    outs = [o for o, on in zip(found, split.out_active, strict=False) if on]
    cts = [noise(np.random.default_rng(5), o) for o in outs]
    back = transpose(split.linear, (True,) * sum(flags) + (False,) * len(residuals))
    return evaluate(back, *residuals, *cts), cts


def compare_gradients(fun, theirs, *args, tol=1e-10):
    """Our reverse mode against JAX's; ``theirs`` gives the differentiable outputs."""
    found, cts = gradients(fun, *args)
    outs, pull = jax.vjp(jax.jit(theirs), *map(jnp.asarray, args))
    expected = pull(type(outs)(map(jnp.asarray, cts)))
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=tol, atol=tol * max(1.0, np.abs(np.asarray(b)).max(initial=0)))


def check_factors(fun, x, compose):
    """The factors have the types promised, give the matrix back, one by one and stacked."""
    outs = check_staged(fun, x)
    eps = np.finfo(x.dtype).eps
    np.testing.assert_allclose(compose(*outs), x, rtol=0, atol=100 * eps * max(1, np.abs(x).max(initial=0)))
    return outs


# cholesky


@pytest.mark.parametrize("dtype", ALL)
def test_cholesky_factors(dtype):
    for x in [
        positive(dtype=dtype),
        positive(2, 3, n=3, dtype=dtype),
        positive(n=1, dtype=dtype),
        np.zeros((2, 0, 0), dtype),
    ]:
        (lower,) = check_factors(cholesky, x, lambda c: c @ c.conj().swapaxes(-1, -2))
        np.testing.assert_array_equal(lower, np.tril(lower))


def test_cholesky_reads_the_lower_triangle_or_the_hermitian_part():
    x = positive()
    wrong = x + np.triu(random(4, 4), 1)
    np.testing.assert_allclose(cholesky(wrong, symmetrize=False), np.linalg.cholesky(x))
    np.testing.assert_allclose(cholesky(wrong), np.linalg.cholesky((wrong + wrong.T) / 2))


def test_cholesky_of_an_indefinite_matrix_is_nan_and_spoils_no_other():
    x = positive(3)
    x[1, 2, 2] = -1
    found = cholesky(x)
    np.testing.assert_allclose(found[[0, 2]], np.linalg.cholesky(x[[0, 2]]))
    np.testing.assert_array_equal(np.isnan(found[1]), np.tril(np.ones((4, 4), bool)))
    np.testing.assert_array_equal(np.isnan(jnp.linalg.cholesky(x)), np.isnan(found))


@pytest.mark.parametrize("dtype", KINDS)
@pytest.mark.parametrize("symmetrize", [True, False])
def test_cholesky_differentiates(dtype, symmetrize):
    check_derivatives(lambda x: cholesky(x, symmetrize), positive(2, n=3, dtype=dtype))


@pytest.mark.parametrize("dtype", KINDS)
def test_cholesky_gradient_as_jax(dtype):
    compare_gradients(cholesky, lambda x: (jnp.linalg.cholesky(x),), positive(dtype=dtype))


# triangular_solve

VARIANTS = list(itertools.product([False, True], [False, True], [0, 1, 2], [False, True]))


def triangle(n, lower, unit, dtype=np.float64):
    a = random(n, n, dtype=dtype) * 0.3 + 2 * np.eye(n)
    part = np.tril(a) if lower else np.triu(a)
    return a, part - np.diag(np.diag(part)) + np.eye(n) if unit else part


@pytest.mark.parametrize("left_side, lower, trans, unit", VARIANTS)
@pytest.mark.parametrize("dtype", KINDS)
def test_triangular_solve(dtype, left_side, lower, trans, unit):
    a, part = triangle(4, lower, unit, dtype)
    b = random(4, 3, dtype=dtype) if left_side else random(3, 4, dtype=dtype)
    settings = {"lower": lower, "trans": trans, "unit_diagonal": unit, "left_side": left_side}
    fun = functools.partial(triangular_solve, **settings)
    (x,) = check_staged(fun, a, b)
    op = [part, part.T, part.conj().T][trans]
    np.testing.assert_allclose(op @ x if left_side else x @ op, b, rtol=1e-12, atol=1e-12)
    check_derivatives(fun, a, b)
    theirs = lambda a, b: (  # noqa: E731
        jax.lax.linalg.triangular_solve(
            a,
            b,
            left_side=left_side,
            lower=lower,
            transpose_a=trans > 0,
            conjugate_a=trans == 2,
            unit_diagonal=unit,
        ),
    )
    compare_gradients(fun, theirs, a, b)


@pytest.mark.parametrize("left_side", [True, False])
def test_triangular_solve_batches(left_side):
    a, b = positive(), random(4, 2) if left_side else random(2, 4)
    check_batch(lambda a, b: triangular_solve(a, b, lower=True, left_side=left_side), a, b, tol=1e-12)
    a, b = positive(2), random(2, 4, 3) if left_side else random(2, 3, 4)
    check_batch(lambda a, b: triangular_solve(a, b, lower=True, left_side=left_side), a, b, tol=1e-12)


def test_triangular_solve_with_a_zero_pivot_gives_infinities():
    x = triangular_solve(np.diag([1.0, 0.0]), np.ones((2, 1)), lower=True)
    np.testing.assert_array_equal(x, [[1], [np.inf]])


def test_triangular_solve_without_elements():
    for n, k in [(0, 0), (0, 3), (3, 0)]:
        assert triangular_solve(np.ones((2, n, n)), np.ones((2, n, k)), lower=True).shape == (2, n, k)


def test_triangular_solve_says_what_is_wrong():
    a, b = np.eye(3), np.ones((3, 2))
    for fun, error, message in [
        (
            lambda: trace(lambda a, b: triangular_solve(a, b, lower=True), a, b.T),
            ShapeError,
            "do not go together: f64",
        ),
        (
            lambda: trace(lambda a, b: triangular_solve(a, b, lower=True), a, b.astype("f")),
            DTypeError,
            "different dtypes",
        ),
        (
            lambda: trace(lambda a, b: triangular_solve(a, b, lower=True), b, b),
            ShapeError,
            "needs square matrices",
        ),
        (
            lambda: trace(lambda a, b: triangular_solve(a, b, lower=True), a, b[0]),
            ShapeError,
            "needs matrices",
        ),
        (lambda: trace(cholesky, a.astype(np.float16)), DTypeError, "does not accept f16.*float32, float64"),
        (lambda: trace(lu, a.astype(int)), DTypeError, "does not accept i64"),
    ]:
        with pytest.raises(error, match=message):
            fun()


# lu

SHAPES = [(3, 3), (4, 2), (2, 4), (1, 1), (2, 3, 3)]


@pytest.mark.parametrize("dtype", ALL)
@pytest.mark.parametrize("shape", [*SHAPES, (0, 0), (0, 3), (3, 0), (0, 2, 2)])
def test_lu_factors(dtype, shape):
    x = random(*shape, dtype=dtype)
    packed, pivots, permutation = check_staged(lu, x)
    theirs = jax.lax.linalg.lu(x)
    np.testing.assert_allclose(
        packed, theirs[0], rtol=2e-4 if packed.dtype.itemsize < 16 else 1e-12, atol=1e-6
    )
    np.testing.assert_array_equal(pivots, theirs[1])
    np.testing.assert_array_equal(permutation, theirs[2])


@pytest.mark.parametrize("dtype", KINDS)
@pytest.mark.parametrize("shape", SHAPES)
def test_lu_differentiates(dtype, shape):
    x = random(*shape, dtype=dtype)
    check_derivatives(lambda x: lu(x)[0], x, tol=1e-5)
    compare_gradients(lambda x: lu(x)[0], lambda x: (jax.lax.linalg.lu(x)[0],), x, tol=1e-8)


def test_lu_of_singular_matrices_does_not_raise():
    packed, _, permutation = lu(np.array([[[1.0, 2], [2, 4]], [[0, 0], [0, 0]]]))
    np.testing.assert_array_equal(packed[:, 1, 1], 0)
    np.testing.assert_array_equal(permutation, [[1, 0], [0, 1]])
    assert np.isnan(lu(np.full((2, 2), np.nan))[0]).any()


# qr


@pytest.mark.parametrize("dtype", ALL)
@pytest.mark.parametrize("shape", [*SHAPES, (0, 0), (3, 0), (0, 3)])
@pytest.mark.parametrize("full_matrices", [False, True])
def test_qr_factors(dtype, shape, full_matrices):
    x = random(*shape, dtype=dtype)
    q, r = check_factors(lambda x: qr(x, full_matrices), x, lambda q, r: q @ r)
    np.testing.assert_array_equal(r, np.triu(r))
    one = q.conj().swapaxes(-1, -2) @ q
    np.testing.assert_allclose(one, np.broadcast_to(np.eye(q.shape[-1]), one.shape), atol=1e-5)


@pytest.mark.parametrize("dtype", KINDS)
@pytest.mark.parametrize("shape", SHAPES)
def test_qr_differentiates(dtype, shape):
    x = random(*shape, dtype=dtype)
    check_derivatives(qr, x, tol=1e-5)
    if shape[-2] <= shape[-1]:
        check_derivatives(lambda x: qr(x, True), x, tol=1e-5)
    if shape[-2] >= shape[-1]:
        compare_gradients(qr, lambda x: tuple(jnp.linalg.qr(x)), x, tol=1e-8)


def test_qr_with_arbitrary_columns_has_no_derivative():
    with pytest.raises(GradientError, match="full_matrices=True for matrices with more rows"):
        check_derivatives(lambda x: qr(x, True), random(3, 2))


@pytest.mark.parametrize("fun", [cholesky, lu, qr])
def test_factorisations_batch(fun):
    check_batch(fun, positive(n=3), size=1)
    x = positive(2, n=3)
    (found, *_) = check_staged(fun, x) if fun is cholesky else check_staged(lambda x: fun(x)[0], x)
    one = fun(x[1])
    np.testing.assert_allclose(found[1], one if fun is cholesky else one[0], rtol=1e-14, atol=1e-14)
