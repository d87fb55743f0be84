from __future__ import annotations

import itertools
import math

import jax
import numpy as np
import pytest

from tests.ir.ops.rule_checks import check_batch, check_derivatives, check_staged, trace
from weft.ir.errors import AxisError, DTypeError, ShapeError
from weft.ir.ops.contract import DotPlan, dot_general, dot_plan, free_axes, matmul
from weft.ir.types import DTYPES, type_of

rng = np.random.default_rng(0)

# x's shape, y's shape, dims
CASES = {
    "matrix": ((3, 4), (4, 5), (((1,), (0,)), ((), ()))),
    "transposed": ((4, 3), (5, 4), (((0,), (1,)), ((), ()))),
    "vectors": ((4,), (4,), (((0,), (0,)), ((), ()))),
    "outer": ((3,), (4,), (((), ()), ((), ()))),
    "scalars": ((), (), (((), ()), ((), ()))),
    "batch": ((2, 3, 4), (2, 4, 5), (((2,), (1,)), ((0,), (0,)))),
    "heads": ((2, 3, 6, 4), (2, 5, 6, 4), (((3,), (3,)), ((0, 2), (0, 2)))),
    "inner batch": ((3, 6, 4), (5, 6, 4), (((2,), (2,)), ((1,), (1,)))),
    "two contracted": ((3, 4, 2), (4, 2, 5), (((1, 2), (0, 1)), ((), ()))),
    "crossed": ((3, 4, 2), (2, 4, 5), (((1, 2), (1, 0)), ((), ()))),
    "crossed in y alone": ((4, 2, 3), (2, 4, 5), (((0, 1), (1, 0)), ((), ()))),
    "batch crossed": ((2, 6, 4), (6, 2, 4), (((2,), (2,)), ((1, 0), (0, 1)))),
    "contracted between": ((3, 4, 2), (5, 4, 7), (((1,), (1,)), ((), ()))),
    "elementwise": ((2, 3), (2, 3), (((), ()), ((0, 1), (0, 1)))),
    "ones": ((1, 3, 1), (1, 1, 3), (((1,), (2,)), ((0,), (1,)))),
    "nothing summed": ((3, 0), (0, 2), (((1,), (0,)), ((), ()))),
    "no rows": ((0, 3), (3, 2), (((1,), (0,)), ((), ()))),
    "no batch": ((0, 2, 3), (0, 3, 2), (((2,), (1,)), ((0,), (0,)))),
}


def operands(name, dtype=np.float64):
    x_shape, y_shape, dims = CASES[name]
    return rng.normal(size=x_shape).astype(dtype), rng.normal(size=y_shape).astype(dtype), dims


@pytest.mark.parametrize("name", CASES)
def test_dot_general_as_jax(name):
    x, y, dims = operands(name)
    (out,) = check_staged(lambda x, y: dot_general(x, y, dims), x, y)
    np.testing.assert_allclose(out, jax.lax.dot_general(x, y, dims), rtol=1e-13, atol=1e-14)


@pytest.mark.parametrize("name", CASES)
def test_dot_general_differentiates(name):
    x, y, dims = operands(name)
    check_derivatives(lambda x, y: dot_general(x, y, dims), x, y)
    check_derivatives(
        lambda x, y: dot_general(x, y, dims), x + 1j * x[::-1] if x.ndim else x * 1j, y * (1 + 2j)
    )


@pytest.mark.parametrize("name", CASES)
def test_dot_general_batches(name):
    x, y, dims = operands(name)
    check_batch(lambda x, y: dot_general(x, y, dims), x, y, tol=1e-14)


@pytest.mark.parametrize("name", sorted(DTYPES))
def test_dot_general_takes_every_dtype(name):
    dtype = DTYPES[name]
    x = rng.integers(0, 12, (7, 300)).astype(dtype)
    y = rng.integers(0, 12, (300, 5)).astype(dtype)
    (out,) = check_staged(matmul, x, y)
    exact = x.astype(object) @ y.astype(object)
    if dtype.kind in "iu":  # sums wrap
        expected = np.array(exact.astype(object) % 2 ** (8 * dtype.itemsize), np.uint64).astype(dtype)
    else:  # integers this small are exact in the accumulator: one rounding at the end
        expected = np.array(exact, np.complex128 if dtype.kind == "c" else np.float64).astype(dtype)
    np.testing.assert_array_equal(out, expected)


def test_dot_general_reads_views():
    x, y = rng.normal(size=(4, 6)).T[::2], rng.normal(size=(5, 4))[:, ::-1].T
    np.testing.assert_allclose(matmul(x, y), np.ascontiguousarray(x) @ np.ascontiguousarray(y), rtol=1e-13)


def test_dot_general_says_what_is_wrong():
    x, y = np.zeros((2, 3)), np.zeros((4, 5))
    cases = [
        (
            ShapeError,
            r"contracting axes of different sizes: \(3,\) of f64\[2,3\] \(axes \(1,\)\) and \(4,\)",
            (((1,), (0,)), ((), ())),
        ),
        (ShapeError, "batch axes of different sizes", (((), ()), ((0,), (0,)))),
        (ShapeError, "contracting axes of different sizes", (((0, 1), (0,)), ((), ()))),
        (AxisError, "each stands once and is in range", (((0,), (0,)), ((0,), (0,)))),
        (AxisError, "each stands once and is in range", (((2,), (0,)), ((), ()))),
    ]
    for error, message, dims in cases:
        with pytest.raises(error, match=message):
            trace(lambda x, y, dims=dims: dot_general(x, y, dims), x, y)
    with pytest.raises(DTypeError, match=r"different dtypes: f64\[2,3\], f32\[3,1\]"):
        trace(matmul, x, np.zeros((3, 1), np.float32))


# plans


def run_plan(plan: DotPlan, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """What a GEMM routine does with a plan: reads by start, row distance and flag alone."""

    def matrices(array, copy, trans, ld, stride, rows, columns):
        flat = (array if copy is None else array.transpose(copy)).ravel()
        lines, length = (columns, rows) if trans else (rows, columns)
        assert ld >= max(length, 1)  # as BLAS demands
        for i in range(plan.batch):
            stored = np.array([[flat[i * stride + r * ld + c] for c in range(length)] for r in range(lines)])
            stored = stored.reshape(lines, length)
            yield stored.T if trans else stored

    a = matrices(x, plan.copy_a, plan.trans_a, plan.ld_a, plan.stride_a, plan.m, plan.k)
    b = matrices(y, plan.copy_b, plan.trans_b, plan.ld_b, plan.stride_b, plan.k, plan.n)
    return np.array([p @ q for p, q in zip(a, b, strict=True)]).reshape(plan.batch, plan.m, plan.n)


def check_plan(x, y, dims):
    plan = dot_plan(type_of(x), type_of(y), dims)
    expected = np.asarray(jax.lax.dot_general(x, y, dims))
    np.testing.assert_allclose(run_plan(plan, x, y).reshape(expected.shape), expected, rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("name", CASES)
def test_plans_compute_the_contraction(name):
    check_plan(*operands(name))


def test_plans_of_all_layouts():
    for sizes in [(2, 3, 4, 5), (2, 1, 3, 1), (1, 3, 1, 2), (2, 3, 1, 1)]:
        b, m, n, k = sizes
        for p, q in itertools.product(itertools.permutations("bmk"), itertools.permutations("bkn")):
            size = {"b": b, "m": m, "n": n, "k": k}
            x, y = rng.normal(size=[size[c] for c in p]), rng.normal(size=[size[c] for c in q])
            dims = (((p.index("k"),), (q.index("k"),)), ((p.index("b"),), (q.index("b"),)))
            check_plan(x, y, dims)


@pytest.mark.parametrize(
    "x, y, dims, copies, flags",
    [
        ((3, 4), (4, 5), (((1,), (0,)), ((), ())), (None, None), (False, False)),
        ((4, 3), (5, 4), (((0,), (1,)), ((), ())), (None, None), (True, True)),
        ((2, 3, 7, 4), (2, 3, 4, 5), (((3,), (2,)), ((0, 1), (0, 1))), (None, None), (False, False)),
        ((2, 4, 7), (2, 5, 4), (((1,), (2,)), ((0,), (0,))), (None, None), (True, True)),
        # [rows, batch, contracted]: rows lie further apart, nothing is copied
        ((3, 6, 4), (5, 6, 4), (((2,), (2,)), ((1,), (1,))), (None, None), (False, True)),
        # contracted pairs may stand in either order
        ((3, 4, 2), (4, 2, 5), (((2, 1), (1, 0)), ((), ())), (None, None), (False, False)),
        # axes of size 1 are nowhere in the way
        ((4, 1, 3), (4, 5), (((0,), (0,)), ((), ())), (None, None), (True, False)),
        # the batch axis innermost: elements of a row are not neighbours
        ((3, 4, 2), (2, 4, 5), (((1,), (1,)), ((2,), (0,))), ((2, 0, 1), None), (False, False)),
        # two batch axes with rows between them are no one axis
        ((2, 3, 6, 4), (2, 6, 4, 5), (((3,), (2,)), ((0, 2), (0, 1))), ((0, 2, 1, 3), None), (False, False)),
    ],
)
def test_plans_copy_only_what_has_no_strides(x, y, dims, copies, flags):
    plan = dot_plan(type_of(np.zeros(x)), type_of(np.zeros(y)), dims)
    assert (plan.copy_a, plan.copy_b) == copies
    assert (plan.trans_a, plan.trans_b) == flags
    assert plan.batch * plan.m * plan.k == math.prod(x) and plan.batch * plan.k * plan.n == math.prod(y)


def test_a_plan_in_full():
    plan = dot_plan(type_of(np.zeros((7, 2, 3))), type_of(np.zeros((2, 3, 5))), (((2,), (1,)), ((1,), (0,))))
    assert plan == DotPlan(
        batch=2, m=7, n=5, k=3, trans_a=False, trans_b=False, copy_a=None, copy_b=None,
        ld_a=6, ld_b=5, stride_a=3, stride_b=15,
    )  # fmt: skip
    assert free_axes(3, (2,), (1,)) == (0,)


# matmul

MATMULS = [
    ((3, 4), (4, 5)), ((4,), (4, 5)), ((3, 4), (4,)), ((4,), (4,)), ((2, 3, 4), (4, 5)), ((3, 4), (2, 4, 5)),
    ((2, 3, 4), (2, 4, 5)), ((6, 2, 3, 4), (2, 4, 5)), ((2, 1, 3, 4), (1, 6, 4, 5)), ((4,), (2, 4, 5)),
    ((2, 3, 4), (4,)), ((1, 3, 4), (1, 4, 5)), ((2, 6, 3, 4), (1, 4, 5)),
    ((0, 3, 4), (4, 5)), ((2, 3, 0), (0, 5)),
]  # fmt: skip


@pytest.mark.parametrize("x, y", MATMULS)
def test_matmul_as_numpy(x, y):
    x, y = rng.normal(size=x), rng.normal(size=y)
    (out,) = check_staged(matmul, x, y)
    np.testing.assert_allclose(out, x @ y, rtol=1e-13, atol=1e-14)
    check_derivatives(matmul, x, y, order=1)


def test_matmul_says_what_is_wrong():
    with pytest.raises(ShapeError, match="matmul got a scalar"):
        matmul(np.zeros(()), np.zeros(3))
    with pytest.raises(ShapeError, match="cannot broadcast the leading axes"):
        matmul(np.zeros((2, 3, 4)), np.zeros((5, 4, 3)))
    with pytest.raises(ShapeError, match="contracting axes of different sizes"):
        trace(matmul, np.zeros((3, 4)), np.zeros((3, 4)))
