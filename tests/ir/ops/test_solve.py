from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest

from tests.ir.ops.rule_checks import check_batch, check_derivatives, check_staged, compare_batch, trace
from tests.ir.ops.test_linalg import ALL, KINDS, compare_gradients, positive, random
from weft.ir.errors import DTypeError, ShapeError
from weft.ir.ops.linalg import lu
from weft.ir.ops.solve import (
    adjugate,
    det,
    inv,
    lstsq,
    pinv,
    slogdet,
    solve,
    solve_factored,
    solve_factored_p,
)
from weft.ir.passes.batch import batch
from weft.ir.passes.linearize import linearize


def regular(*lead, n=3, dtype=np.float64):
    return random(*lead, n, n, dtype=dtype) + 3 * np.eye(n, dtype=dtype)


@pytest.mark.parametrize("dtype", ALL)
def test_solve(dtype):
    for lead, n, k in [((), 4, 2), ((2, 3), 3, 1), ((), 1, 1), ((2,), 0, 2), ((2,), 3, 0)]:
        a, b = regular(*lead, n=n, dtype=dtype), random(*lead, n, k, dtype=dtype)
        (x,) = check_staged(solve, a, b)
        np.testing.assert_allclose(a @ x, b, rtol=0, atol=1000 * np.finfo(dtype).eps)
        (x,) = check_staged(inv, a)
        np.testing.assert_allclose(
            a @ x, np.broadcast_to(np.eye(n), a.shape), atol=1000 * np.finfo(dtype).eps
        )


@pytest.mark.parametrize("dtype", KINDS)
def test_solve_differentiates(dtype):
    a, b = regular(dtype=dtype), random(3, 2, dtype=dtype)
    check_derivatives(solve, a, b)
    check_derivatives(inv, a)
    compare_gradients(solve, lambda a, b: (jnp.linalg.solve(a, b),), a, b)
    compare_gradients(inv, lambda a: (jnp.linalg.inv(a),), a)
    a, b = regular(2, dtype=dtype), random(2, 3, 2, dtype=dtype)
    check_derivatives(solve, a, b, order=1)


def test_solve_factors_once():
    graph = trace(solve, regular(), random(3, 2))
    assert [e.prim.name for e in graph.eqns].count("lu") == 1
    split = linearize(graph, (True, True))
    names = [e.prim.name for e in (*split.primal.eqns, *split.linear.eqns)]
    assert names.count("lu") == 1


@pytest.mark.parametrize("dtype", KINDS)
@pytest.mark.parametrize("trans", [0, 1, 2])
def test_solve_factored_by_the_transpose(dtype, trans):
    a, b = regular(dtype=dtype), random(3, 2, dtype=dtype)
    packed, _, permutation = lu(a)
    x = solve_factored(a, packed, permutation, b, trans)
    np.testing.assert_allclose([a, a.T, a.conj().T][trans] @ x, b, rtol=1e-12, atol=1e-12)

    def fun(a, b):
        packed, _, permutation = lu(a)
        return solve_factored(a, packed, permutation, b, trans)

    check_derivatives(fun, a, b)


def test_solve_batches():
    for lead in [(), (2,)]:
        examples = [[regular(*lead), random(*lead, 3, 2)] for _ in range(3)]
        graph = trace(solve, *examples[0])
        for axes in [(0, None), (None, 1), (None, 0), (2, 1), (1, len(lead) + 2)]:
            mixed = [
                [
                    new if axis is not None else old
                    for new, old, axis in zip(e, examples[0], axes, strict=True)
                ]
                for e in examples
            ]
            compare_batch(graph, mixed, axes, 1e-12)


def test_right_hand_sides_mapped_alone_make_one_system():
    graph, _ = batch(trace(solve, regular(), random(3, 2)), (None, 0), 5)
    (last,) = [e for e in graph.eqns if e.prim is solve_factored_p]
    assert [t.shape for t in last.in_types] == [(3, 3), (3, 3), (3,), (3, 10)]


def test_singular_systems_do_not_raise():
    for a in [np.zeros((2, 2)), np.array([[1.0, 2], [2, 4]])]:
        assert not np.isfinite(solve(a, np.ones((2, 1)))).all()
        assert not np.isfinite(inv(a)).all()
        assert det(a) == 0
        sign, size = slogdet(a)
        assert sign == 0 and size == -np.inf
    assert np.isnan(pinv(np.full((3, 2), np.nan))).all()


def test_solve_says_what_is_wrong():
    a, b = regular(), random(3, 2)
    with pytest.raises(
        ShapeError, match=r"solve got shapes that do not go together: f64\[3,3\] and f64\[2,3\]"
    ):
        trace(solve, a, b.T)
    with pytest.raises(DTypeError, match="different dtypes"):
        trace(solve, a, b.astype(np.float32))
    with pytest.raises(ShapeError, match="det needs square matrices"):
        trace(det, b)


# determinants


@pytest.mark.parametrize("dtype", ALL)
def test_det(dtype):
    for a in [
        random(3, 3, dtype=dtype),
        random(2, 4, 4, dtype=dtype),
        random(1, 1, dtype=dtype),
        np.zeros((2, 0, 0), dtype),
    ]:
        (d,) = check_staged(det, a)
        np.testing.assert_allclose(d, np.linalg.det(a), rtol=1e-4)
        (adj,) = check_staged(adjugate, a)
        expected = np.broadcast_to(d[..., None, None] * np.eye(a.shape[-1]), a.shape)
        np.testing.assert_allclose(a @ adj, expected, rtol=0, atol=2000 * np.finfo(dtype).eps)
        sign, size = check_staged(slogdet, a)
        np.testing.assert_allclose(sign * np.exp(size), d, rtol=1e-4)


@pytest.mark.parametrize("dtype", KINDS)
def test_det_differentiates(dtype):
    for n in (1, 2, 3, 4):
        a = regular(n=n, dtype=dtype)
        check_derivatives(det, a, order=3 if n == 2 else 2)
        check_derivatives(slogdet, a)
        check_derivatives(adjugate, a, order=1)
    a = regular(2, n=4, dtype=dtype)
    compare_gradients(det, lambda a: (jnp.linalg.det(a),), a)
    compare_gradients(lambda a: slogdet(a)[1], lambda a: (jnp.linalg.slogdet(a)[1],), a)
    if dtype == np.complex128:
        compare_gradients(slogdet, lambda a: tuple(jnp.linalg.slogdet(a)), a)


@pytest.mark.parametrize("dtype", KINDS)
@pytest.mark.parametrize("rank", [0, 1, 2, 3])
def test_det_of_a_singular_matrix_has_its_derivative(dtype, rank):
    a = random(4, rank, dtype=dtype) @ random(rank, 4, dtype=dtype)
    check_derivatives(det, a, order=1)
    b = np.zeros((3, 3), dtype)
    b[0, 1], b[1, 2] = 2, 3  # its zero pivot is not the last one
    check_derivatives(det, b, order=1)
    np.testing.assert_allclose(adjugate(b), [[0, 0, 6], [0, 0, 0], [0, 0, 0]], atol=1e-14)


def test_adjugate_of_badly_scaled_matrices():
    a = np.diag([1e-9, 1.0, 1e9])
    np.testing.assert_allclose(np.diag(adjugate(a)), [1e9, 1, 1e-9], rtol=1e-12)
    assert np.isnan(adjugate(np.full((2, 2), np.nan))).all()


# least squares

TALL, WIDE = (4, 2), (2, 4)


@pytest.mark.parametrize("dtype", ALL)
@pytest.mark.parametrize("shape", [TALL, WIDE, (3, 3), (2, 4, 3), (0, 3), (3, 0)])
def test_pinv(dtype, shape):
    a = random(*shape, dtype=dtype)
    (p,) = check_staged(pinv, a)
    np.testing.assert_allclose(a @ p @ a, a, atol=1e-4)
    np.testing.assert_allclose(p, np.linalg.pinv(a), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("dtype", KINDS)
@pytest.mark.parametrize("shape", [TALL, WIDE, (3, 3)])
def test_pinv_differentiates(dtype, shape):
    a = random(*shape, dtype=dtype)
    check_derivatives(pinv, a, tol=1e-5)
    compare_gradients(pinv, lambda a: (jnp.linalg.pinv(a),), a, tol=1e-8)
    check_derivatives(pinv, np.eye(*shape, dtype=dtype))  # equal singular values


@pytest.mark.parametrize("dtype", KINDS)
@pytest.mark.parametrize("shape", [TALL, WIDE, (3, 3)])
def test_lstsq(dtype, shape):
    a, b = random(*shape, dtype=dtype), random(shape[0], 2, dtype=dtype)
    x, residuals, rank, s = check_staged(lstsq, a, b)
    expected = np.linalg.lstsq(a, b)
    np.testing.assert_allclose(x, expected[0], rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(residuals, np.sum(np.abs(a @ x - b) ** 2, 0), rtol=1e-10)
    assert rank == expected[2] == min(shape)
    np.testing.assert_allclose(s, expected[3], rtol=1e-12)
    check_derivatives(lambda a, b: lstsq(a, b)[0], a, b, tol=1e-5)
    compare_gradients(lambda a, b: lstsq(a, b)[0], lambda a, b: (jnp.linalg.lstsq(a, b)[0],), a, b, tol=1e-8)


def test_lstsq_of_low_rank():
    a = np.outer([1.0, 2, 3, 4], [1.0, 1, 2])
    b = random(4, 2)
    x, _, rank, _ = lstsq(a, b)
    assert rank == 1
    np.testing.assert_allclose(x, np.linalg.lstsq(a, b)[0], rtol=1e-10, atol=1e-12)
    assert lstsq(a, b, rtol=2.0)[2] == 0
    np.testing.assert_array_equal(lstsq(a, b, rtol=2.0)[0], 0)
    x, _, rank, s = lstsq(np.zeros((3, 0)), np.ones((3, 2)))
    assert x.shape == (0, 2) and rank == 0 and s.shape == (0,)


@pytest.mark.parametrize("fun", [det, adjugate, slogdet, pinv, inv])
def test_functions_of_matrices_batch(fun):
    check_batch(fun, positive(n=3), size=1, tol=1e-12)
    check_batch(fun, regular(2), size=1, tol=1e-12)
    stacked = regular(5)
    outs = check_staged(fun, stacked)
    for i, a in enumerate(stacked):
        for whole, part in zip(outs, check_staged(fun, a), strict=True):
            np.testing.assert_allclose(whole[i], part, rtol=1e-12, atol=1e-13)
