from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.ir.ops.rule_checks import check_batch, check_derivatives, check_staged, trace
from tests.ir.ops.test_linalg import ALL, KINDS, SHAPES, compare_gradients, positive, random
from weft.ir.errors import GradientError, ShapeError
from weft.ir.ops.contract import matmul
from weft.ir.ops.elementwise import abs_, cast, mul, real
from weft.ir.ops.matrix import adjoint, scale_columns
from weft.ir.ops.reduce import reduce_sum
from weft.ir.ops.spectral import eig, eigh, eigvals, singular_values, svd


def tolerance(dtype):
    return 100 * np.finfo(dtype).eps


# eigh


@pytest.mark.parametrize("dtype", ALL)
def test_eigh(dtype):
    for x in [
        positive(dtype=dtype),
        positive(2, 3, n=3, dtype=dtype),
        positive(n=1, dtype=dtype),
        np.zeros((2, 0, 0), dtype),
    ]:
        w, v = check_staged(eigh, x)
        np.testing.assert_allclose(x @ v, v * w[..., None, :], rtol=0, atol=10 * tolerance(dtype))
        np.testing.assert_allclose(w, np.linalg.eigvalsh(x), rtol=1e-4)


def test_eigh_reads_one_triangle():
    x = positive()
    wrong = x + np.triu(random(4, 4), 1)
    np.testing.assert_allclose(eigh(wrong, lower=True, symmetrize=False)[0], np.linalg.eigvalsh(x))
    np.testing.assert_allclose(eigh(wrong.T, lower=False, symmetrize=False)[0], np.linalg.eigvalsh(x))


@pytest.mark.parametrize("dtype", KINDS)
@pytest.mark.parametrize("lower, symmetrize", [(True, True), (True, False), (False, False)])
def test_eigh_differentiates(dtype, lower, symmetrize):
    x = positive(2, n=3, dtype=dtype)
    check_derivatives(lambda x: eigh(x, lower, symmetrize)[0], x, tol=1e-5)

    def without_phase(x):
        w, v = eigh(x, lower, symmetrize)
        return abs_(v), matmul(scale_columns(v, cast(mul(w, w), v.dtype)), matmul(adjoint(v), x))

    check_derivatives(without_phase, x, tol=1e-5)


@pytest.mark.parametrize("dtype", KINDS)
def test_eigh_gradient_as_jax(dtype):
    compare_gradients(eigh, lambda x: tuple(jnp.linalg.eigh(x)), positive(dtype=dtype), tol=1e-9)


def test_eigh_of_equal_eigenvalues_has_finite_derivatives():
    check_derivatives(lambda x: reduce_sum(eigh(x)[0], (0,)), 2 * np.eye(3), order=1)


# eig


@pytest.mark.parametrize("dtype", ALL)
def test_eig(dtype):
    for x in [random(4, 4, dtype=dtype), random(2, 3, 3, dtype=dtype), np.zeros((2, 0, 0), dtype)]:
        w, v = check_staged(eig, x)
        assert w.dtype == v.dtype == np.result_type(dtype, np.complex64)
        np.testing.assert_allclose(x @ v, v * w[..., None, :], rtol=0, atol=10 * tolerance(dtype))
        np.testing.assert_allclose(np.sort_complex(eigvals(x)), np.sort_complex(w), rtol=1e-4)


def up_to_sign(x):
    w, v = eig(x)
    return w, mul(v, v)


@pytest.mark.parametrize("dtype", KINDS)
def test_eig_differentiates(dtype):
    x = random(4, 4, dtype=dtype)
    check_derivatives(eigvals, x, tol=1e-4)
    check_derivatives(up_to_sign, x, tol=1e-4)  # LAPACK chooses a sign by rounding errors
    check_derivatives(eig, np.array([[1.0, 2], [0.5, 3]], dtype), tol=1e-5)  # real eigenvalues
    theirs = functools.partial(jax.lax.linalg.eig, compute_left_eigenvectors=False, enable_eigvec_derivs=True)
    compare_gradients(eigvals, lambda x: (jnp.linalg.eigvals(x),), x, tol=1e-9)
    compare_gradients(eig, theirs, x, tol=1e-9)


# svd


@pytest.mark.parametrize("dtype", ALL)
@pytest.mark.parametrize("shape", [*SHAPES, (0, 0), (3, 0), (0, 3)])
@pytest.mark.parametrize("full_matrices", [False, True])
def test_svd(dtype, shape, full_matrices):
    x = random(*shape, dtype=dtype)
    u, s, vh = check_staged(lambda x: svd(x, full_matrices), x)
    k = s.shape[-1]
    np.testing.assert_allclose(
        (u[..., :k] * s[..., None, :]) @ vh[..., :k, :], x, rtol=0, atol=tolerance(dtype)
    )
    np.testing.assert_allclose(singular_values(x), s, rtol=1e-4)


@pytest.mark.parametrize("dtype", KINDS)
@pytest.mark.parametrize("shape", SHAPES)
def test_svd_differentiates(dtype, shape):
    x = random(*shape, dtype=dtype)
    check_derivatives(singular_values, x, tol=1e-4)

    def without_phase(x):
        u, s, vh = svd(x)
        return abs_(u), abs_(vh), matmul(scale_columns(u, cast(mul(s, mul(s, s)), u.dtype)), vh)

    check_derivatives(without_phase, x, tol=1e-4)
    compare_gradients(svd, lambda x: tuple(jnp.linalg.svd(x, full_matrices=False)), x, tol=1e-8)
    if shape[-1] == shape[-2]:
        compare_gradients(lambda x: svd(x, True), lambda x: tuple(jnp.linalg.svd(x)), x, tol=1e-8)


def test_svd_with_arbitrary_vectors_has_no_derivative():
    with pytest.raises(GradientError, match="matrices that are not square"):
        check_derivatives(lambda x: svd(x, True), random(3, 2))


def test_equal_or_zero_singular_values_have_finite_derivatives():
    # The nuclear norm at the identity, and a rank of one: JAX's convention leaves out what would divide by 0.
    for x in [np.eye(3), np.outer([1.0, 2, 3], [1.0, 1, 1])]:
        compare_gradients(singular_values, lambda x: (jnp.linalg.svd(x, compute_uv=False),), x, tol=1e-8)


# all


@pytest.mark.parametrize("fun", [eigh, eig, eigvals, svd, singular_values])
def test_what_cannot_be_decomposed_is_nan_and_spoils_no_other(fun):
    x = np.stack([positive(n=3), np.full((3, 3), np.nan), positive(n=3)])
    for out, alone in zip(check_staged(fun, x), check_staged(fun, x[2]), strict=True):
        assert np.isnan(out[1]).all()
        np.testing.assert_allclose(out[2], alone, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("fun", [eigh, eig, svd, singular_values])
def test_decompositions_batch(fun):
    def without_phase(x):
        outs = fun(x)
        return [abs_(o) for o in outs] if isinstance(outs, tuple | list) else real(outs)

    check_batch(without_phase, positive(n=3), size=1, tol=1e-10)
    check_batch(without_phase, random(2, 3, 3) + np.diag([1.0, 5, 9]), size=1, tol=1e-10)


def test_decompositions_say_what_is_wrong():
    with pytest.raises(ShapeError, match=r"eigh needs square matrices \(..., m, n\), got f64\[2,3\]"):
        trace(lambda x: eigh(x, symmetrize=False), random(2, 3))
    with pytest.raises(ShapeError, match=r"svd needs matrices \(..., m, n\), got f64\[3\]"):
        trace(svd, random(3))
