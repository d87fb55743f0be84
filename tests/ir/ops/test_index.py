from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.ir.ops.rule_checks import check_batch, check_derivatives, check_staged, trace
from weft.ir.errors import AxisError, DTypeError, IndexingError, ShapeError
from weft.ir.ops.index import (
    MODES,
    dynamic_index,
    dynamic_slice,
    dynamic_update_index,
    dynamic_update_slice,
    gather,
    scatter,
    take_along_axis,
    take_rows,
)
from weft.ir.types import DTYPES

rng = np.random.default_rng(0)
X = rng.normal(size=(4, 3, 5))
ROWS = np.array([[0, 3, 1], [3, 3, 2]])
COLUMNS = np.array([[4, 0, 1], [4, 4, 2]])
WILD = np.array([[0, 7, 1], [-2, 3, 2]])  # outside of an axis of 4 twice


# gather


@pytest.mark.parametrize("mode", MODES)
def test_gather_is_advanced_indexing(mode):
    x = np.arange(60).reshape(4, 3, 5)
    (out,) = check_staged(lambda x, i: gather(x, [i], (0,), mode), x, ROWS)
    np.testing.assert_array_equal(out, x[ROWS])
    (out,) = check_staged(lambda x, i, j: gather(x, [i, j], (0, 2), mode), x, ROWS, COLUMNS)
    np.testing.assert_array_equal(out, x[ROWS, :, COLUMNS])
    (out,) = check_staged(lambda x, i: gather(x, [i], (1,), mode), x, np.int32(2))
    np.testing.assert_array_equal(out, x[:, 2])


@pytest.mark.parametrize("name", sorted(DTYPES))
def test_gather_outside_as_jax(name):
    dtype = DTYPES[name]
    x = np.arange(4).astype(dtype)
    for mode, theirs in [("clip", "clip"), ("fill", "fill")]:
        (out,) = check_staged(lambda x, i, mode=mode: gather(x, [i], (0,), mode), x, WILD)
        # JAX counts negative positions from the end, so they are moved out at the other side for it.
        expected = jnp.take(x, np.where((WILD < 0) & (mode == "fill"), 99, np.maximum(WILD, 0)), mode=theirs)
        wide = [np.asarray(a).astype(np.complex128) for a in (out, expected)]
        np.testing.assert_array_equal(*wide)


def test_gather_with_a_fill_value():
    out = gather(X, [WILD], (0,), "fill", fill=-1.5)
    assert (out[0, 1] == -1.5).all() and (out[1, 0] == -1.5).all()
    np.testing.assert_array_equal(out[1, 1], X[3])
    check_derivatives(lambda x, i: gather(x, [i], (0,), "fill", -1.5), X, WILD)


def test_gather_takes_every_integer_dtype_and_huge_positions():
    x = np.arange(300)
    np.testing.assert_array_equal(gather(x, [np.array([3, 200], np.uint8)], (0,), "clip"), [3, 200])
    huge = np.array([2**64 - 1, 2], np.uint64)
    np.testing.assert_array_equal(gather(x, [huge], (0,), "clip"), [299, 2])
    np.testing.assert_array_equal(gather(x, [huge], (0,), "fill", 7), [7, 2])
    np.testing.assert_array_equal(gather(x, [5], (0,)), 5)


def test_gather_without_elements():
    none = np.zeros((2, 0), np.int64)
    assert check_staged(lambda x, i: gather(x, [i], (1,), "clip"), X, none)[0].shape == (2, 0, 4, 5)
    empty = np.zeros((0, 3))
    (out,) = check_staged(lambda x, i: gather(x, [i], (0,), "fill"), empty, np.array([0, 1]))
    assert np.isnan(out).all() and out.shape == (2, 3)
    assert gather(empty, [np.array([0])], (0,), "promise").shape == (1, 3)
    with pytest.raises(IndexingError, match="cannot clip indices to an axis without elements"):
        trace(lambda x, i: gather(x, [i], (0,), "clip"), empty, np.array([0]))


def test_gather_says_what_is_wrong():
    cases = [
        (IndexingError, "got mode 'wrap': the modes are clip, fill, promise", [ROWS], (0,), "wrap"),
        (IndexingError, "got 1 index arrays for the axes \\(0, 1\\)", [ROWS], (0, 1), "clip"),
        (AxisError, "got axes \\(2, 0\\) for f64\\[4,3,5\\]", [ROWS, ROWS], (2, 0), "clip"),
        (AxisError, "got axes \\(3,\\)", [ROWS], (3,), "clip"),
        (DTypeError, "needs integer indices, got f64\\[4,3,5\\]", [X], (0,), "clip"),
        (ShapeError, "different shapes: i64\\[2,3\\], i64\\[2\\]", [ROWS, ROWS[:, 0]], (0, 1), "clip"),
    ]
    for error, message, indices, axes, mode in cases:
        with pytest.raises(error, match=message):
            trace(lambda x, *i, axes=axes, mode=mode: gather(x, i, axes, mode), X, *indices)


@pytest.mark.parametrize("mode", ["clip", "fill"])
@pytest.mark.parametrize("indices", [ROWS, WILD])
def test_gather_differentiates(mode, indices):
    fun = lambda x, i: gather(x, [i], (0,), mode, 0.0)  # noqa: E731
    check_derivatives(fun, X, indices)
    check_derivatives(fun, X + 1j * X[::-1], indices)
    check_derivatives(lambda x, i, j: gather(x, [i, j], (0, 2), mode, 0.0), X, ROWS, COLUMNS)


@pytest.mark.parametrize("mode", ["clip", "fill"])
def test_gather_batches(mode):
    check_batch(lambda x, i: gather(x, [i], (1,), mode), X, WILD)
    check_batch(lambda x, i, j: gather(x, [i, j], (0, 2), mode), X, ROWS.astype(np.int8), COLUMNS)
    check_batch(lambda x, i: gather(x, [i], (0,), mode), X[0, 0], np.array(2))
    check_batch(lambda x, i: gather(x, [i], (0,), mode), X, np.zeros(0, np.int64))


def test_gather_batches_over_more_examples_than_the_index_dtype_counts():
    check_batch(lambda x, i: gather(x, [i], (0,)), np.arange(3.0), np.array([2, 0], np.int8), size=130)


def test_take_along_axis():
    for axis in range(3):
        order = np.argsort(X, axis)
        (out,) = check_staged(lambda x, i, axis=axis: take_along_axis(x, i, axis), X, order)
        np.testing.assert_array_equal(out, np.sort(X, axis))
    first = np.argmax(X, 1)[:, None]
    np.testing.assert_array_equal(take_along_axis(X, first, 1, "promise"), np.max(X, 1, keepdims=True))
    check_derivatives(lambda x, i: take_along_axis(x, i, 1), X, first)
    check_batch(lambda x, i: take_along_axis(x, i, 1), X, first)
    with pytest.raises(ShapeError, match="differ on other axes than 1"):
        take_along_axis(X, first[:2], 1)


def test_take_rows():
    rows = np.array([[1, 0], [2, 2], [0, 1], [1, 1]])
    np.testing.assert_array_equal(take_rows(X, rows), np.stack([x[r] for x, r in zip(X, rows, strict=True)]))
    np.testing.assert_array_equal(take_rows(X[0], rows[1]), X[0][rows[1]])
    check_batch(take_rows, X, rows)


# scatter

OPS = {"set": None, "add": np.add, "mul": np.multiply, "min": np.minimum, "max": np.maximum}


def scatter_by_loop(x, updates, indices, axes, op, mode):
    out = x.copy()
    target = np.moveaxis(out, axes, range(len(axes)))
    for place in np.ndindex(indices[0].shape):
        at = tuple(int(i[place]) for i in indices)
        sizes = target.shape[: len(axes)]
        if mode == "clip":
            at = tuple(min(max(i, 0), n - 1) for i, n in zip(at, sizes, strict=True))
        elif any(not 0 <= i < n for i, n in zip(at, sizes, strict=True)):
            continue
        target[at] = updates[place] if op == "set" else OPS[op](target[at], updates[place])
    return out


@pytest.mark.parametrize("op", OPS)
@pytest.mark.parametrize("mode", ["clip", "fill"])
def test_scatter_against_a_loop(op, mode):
    u = rng.normal(size=(2, 3, 3, 5))
    for i in (ROWS, WILD, np.asfortranarray(WILD[:, ::-1])):
        (out,) = check_staged(lambda x, u, i: scatter(x, u, [i], (0,), op, mode), X, u, i)
        np.testing.assert_allclose(out, scatter_by_loop(X, u, [i], (0,), op, mode), rtol=1e-14)
    u = rng.normal(size=(2, 3, 3))
    (out,) = check_staged(lambda x, u, i, j: scatter(x, u, [i, j], (0, 2), op, mode), X, u, WILD, COLUMNS)
    np.testing.assert_allclose(out, scatter_by_loop(X, u, [WILD, COLUMNS], (0, 2), op, mode), rtol=1e-14)


@pytest.mark.parametrize("name", sorted(DTYPES))
def test_scatter_takes_every_dtype(name):
    dtype = DTYPES[name]
    x, u, i = np.arange(4).astype(dtype), np.array([3, 1, 2]).astype(dtype), np.array([0, 0, 2])
    for op in OPS:
        (out,) = check_staged(lambda x, u, i, op=op: scatter(x, u, [i], (0,), op), x, u, i)
        np.testing.assert_array_equal(out, scatter_by_loop(x, u, [i], (0,), op, "fill"))


def test_scatter_sets_the_last_of_many():
    places = np.random.default_rng(1).integers(0, 4, size=(50, 40))
    updates = np.arange(2000.0).reshape(50, 40)
    for i, u in [(places, updates), (np.asfortranarray(places), np.asfortranarray(updates))]:
        out = scatter(np.zeros(4), u, [i], (0,))
        np.testing.assert_array_equal(out, [updates[places == k].max() for k in range(4)])


def test_scatter_without_elements():
    none = np.zeros((0,), np.int64)
    for op in OPS:
        (out,) = check_staged(
            lambda x, u, i, op=op: scatter(x, u, [i], (0,), op), X, np.zeros((0, 3, 5)), none
        )
        np.testing.assert_array_equal(out, X)
        dropped = scatter(np.zeros((0, 2)), np.ones((1, 2)), [np.array([0])], (0,), op)
        assert dropped.shape == (0, 2)


def test_scatter_says_what_is_wrong():
    u = np.zeros((2, 3, 3, 5))
    cases = [
        (IndexingError, "got op 'sub': the ops are set, add, mul, min, max", u, "sub"),
        (ShapeError, "needs updates of shape \\(2, 3, 3, 5\\), got f64\\[2,3\\]", u[:, :, 0, 0], "add"),
        (DTypeError, "updates of another dtype: f32", u.astype(np.float32), "add"),
    ]
    for error, message, updates, op in cases:
        with pytest.raises(error, match=message):
            trace(lambda x, u, i, op=op: scatter(x, u, [i], (0,), op), X, updates, ROWS)


@pytest.mark.parametrize("op", OPS)
@pytest.mark.parametrize("mode", ["clip", "fill"])
def test_scatter_differentiates_with_duplicates(op, mode):
    u = rng.normal(size=(2, 3, 3))
    for i, j in [(ROWS, COLUMNS), (WILD, COLUMNS)]:
        check_derivatives(lambda x, u, i, j: scatter(x, u, [i, j], (0, 2), op, mode), X, u, i, j, tol=1e-5)
    z = u + 1j * u[::-1]
    if op in ("set", "add", "mul"):
        i, j = WILD, COLUMNS
        check_derivatives(
            lambda x, u, i, j: scatter(x, u, [i, j], (0, 2), op, mode), X * 1j, z, i, j, tol=1e-5
        )


@pytest.mark.parametrize("op", OPS)
def test_scatter_differentiates_when_places_are_unique(op):
    x, u, i = rng.normal(size=(5, 2)), rng.normal(size=(3, 2)), np.array([4, 0, 1])
    u[1, 1] = 0
    for unique in (False, True):
        check_derivatives(lambda x, u, i, q=unique: scatter(x, u, [i], (0,), op, unique=q), x, u, i)


def test_scatter_mul_differentiates_by_updates_that_are_zero():
    x, i = np.array([2.0, 3.0, 5.0]), np.array([0, 0, 1, 1, 1, 2])
    u = np.array([0.0, 7.0, 0.0, 0.0, 2.0, 4.0])  # one zero for place 0, two for place 1, none for place 2
    check_derivatives(lambda x, u, i: scatter(x, u, [i], (0,), "mul"), x, u, i, order=1)


@pytest.mark.parametrize("op", ["min", "max"])
def test_scatter_extremum_shares_ties_as_jax(op):
    x, u, i = np.array([1.0, 2.0, 0.0]), np.array([1.0, 1.0, 5.0, -5.0, 0.0]), np.array([0, 0, 1, 1, 2])
    dx, du = np.array([1.0, 10.0, 100.0]), np.array([2.0, 3.0, 4.0, 5.0, 6.0])
    from weft.ir.interpret import evaluate
    from weft.ir.passes.jvp import jvp

    graph = jvp(trace(lambda x, u, i: scatter(x, u, [i], (0,), op), x, u, i), (True, True, False))
    found = evaluate(graph, x, u, i, dx, du)[1]
    _, expected = jax.jvp(
        jax.jit(lambda x, u: getattr(x.at[i], op)(u)), (jnp.asarray(x), jnp.asarray(u)), (dx, du)
    )
    np.testing.assert_allclose(found, expected, rtol=1e-15)


@pytest.mark.parametrize("op", OPS)
def test_scatter_batches(op):
    tol = 1e-15
    check_batch(
        lambda x, u, i: scatter(x, u, [i], (1,), op, "fill"), X, np.ones((2, 3, 4, 5)) * 2, WILD, tol=tol
    )
    u = rng.normal(size=(2, 3, 3))
    check_batch(
        lambda x, u, i, j: scatter(x, u, [i, j], (0, 2), op, "clip"), X, u, WILD, COLUMNS, size=2, tol=tol
    )


# windows


@pytest.mark.parametrize("starts", [(0, 0, 0), (1, 1, 2), (9, -4, 3)])
def test_dynamic_slice_as_jax(starts):
    inside = [
        max(s, 0) for s in starts
    ]  # JAX counts negative starts from the end: the public function's work
    (out,) = check_staged(lambda x, *s: dynamic_slice(x, s, (2, 3, 1)), X, *map(np.int32, starts))
    np.testing.assert_array_equal(out, jax.lax.dynamic_slice(X, inside, (2, 3, 1)))
    update = rng.normal(size=(2, 3, 1))
    (out,) = check_staged(lambda x, u, *s: dynamic_update_slice(x, u, s), X, update, *map(np.int32, starts))
    np.testing.assert_array_equal(out, jax.lax.dynamic_update_slice(X, update, inside))


def test_dynamic_slice_without_elements():
    assert dynamic_slice(X, [7, 7, 7], (0, 3, 5)).shape == (0, 3, 5)
    np.testing.assert_array_equal(dynamic_update_slice(X, np.zeros((4, 0, 5)), [1, 1, 1]), X)
    assert dynamic_slice(np.zeros((0, 2)), [0, 1], (0, 1)).shape == (0, 1)


def test_windows_do_not_change_their_operand():
    x = np.zeros(3)
    dynamic_update_slice(x, np.ones(1), [0])
    scatter(x, np.ones(1), [np.array([1])], (0,))
    np.testing.assert_array_equal(x, 0)


def test_dynamic_slice_says_what_is_wrong():
    with pytest.raises(ShapeError, match="needs 3 starts, got 2"):
        trace(lambda x, s: dynamic_slice(x, [s, s], (1, 1)), X, np.int64(0))
    with pytest.raises(
        ShapeError, match="window of shape \\(5, 1, 1\\) that does not fit into f64\\[4,3,5\\]"
    ):
        trace(lambda x, s: dynamic_slice(x, [s] * 3, (5, 1, 1)), X, np.int64(0))
    with pytest.raises(DTypeError, match="needs integer scalars for starts"):
        trace(lambda x, s: dynamic_slice(x, [s] * 3, (1, 1, 1)), X, np.float64(0))
    with pytest.raises(DTypeError, match="an update of another dtype"):
        trace(lambda x, u, s: dynamic_update_slice(x, u, [s] * 3), X, np.zeros((1, 1, 1), int), np.int64(0))


@pytest.mark.parametrize("start", [1, 99])
def test_windows_differentiate(start):
    s, u = np.int64(start), rng.normal(size=(2, 3, 1))
    for x, v in [(X, u), (X * 1j, u - 2j * u)]:
        check_derivatives(lambda x, s: dynamic_slice(x, [s, s, s], (2, 3, 1)), x, s)
        check_derivatives(lambda x, v, s: dynamic_update_slice(x, v, [s, s, s]), x, v, s)


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int64, np.uint64])
def test_windows_batch(dtype):
    a, b = np.array(1, dtype), np.array(0, dtype)
    check_batch(lambda x, a, b: dynamic_slice(x, [a, b, b], (2, 3, 4)), X, a, b)
    check_batch(lambda x, a: dynamic_slice(x, [a, a, a], (4, 3, 5)), X, a)
    u = rng.normal(size=(2, 3, 4))
    check_batch(lambda x, u, a, b: dynamic_update_slice(x, u, [a, b, b]), X, u, a, b)
    check_batch(lambda x, u, a: dynamic_update_slice(x, u, [a, a, a]), X, X + 1, a)


def test_windows_batch_with_a_start_per_example():
    from tests.ir.ops.rule_checks import compare_batch

    starts = [(0, 2), (1, 0), (7, -3), (2, 1)]
    examples = [[X + i, np.int64(s), np.int16(t)] for i, (s, t) in enumerate(starts)]
    graph = trace(lambda x, s, t: dynamic_slice(x, [s, 0, t], (1, 3, 2)), *examples[0])
    for axes in [(None, 0, 0), (2, 0, None), (1, None, 0), (0, 0, 0)]:
        same = [
            [e if a is not None else f for e, f, a in zip(ex, examples[0], axes, strict=True)]
            for ex in examples
        ]
        compare_batch(graph, same, axes, 0.0)
    examples = [
        [X + i, np.full((1, 3, 2), -1.0 - i), np.int64(s), np.int16(t)] for i, (s, t) in enumerate(starts)
    ]
    graph = trace(lambda x, u, s, t: dynamic_update_slice(x, u, [s, 0, t]), *examples[0])
    for axes in [(None, None, 0, 0), (2, 1, 0, None), (1, None, None, 0), (None, 3, 0, 0)]:
        same = [
            [e if a is not None else f for e, f, a in zip(ex, examples[0], axes, strict=True)]
            for ex in examples
        ]
        compare_batch(graph, same, axes, 0.0)


def test_dynamic_index():
    np.testing.assert_array_equal(dynamic_index(X, np.int64(2)), X[2])
    np.testing.assert_array_equal(dynamic_index(X, 1, axis=1), X[:, 1])
    np.testing.assert_array_equal(dynamic_update_index(X, X[:, 0], 1, axis=1)[:, 1], X[:, 0])
    check_derivatives(lambda x, i: dynamic_index(x, i, axis=1), X, np.int64(1))
    check_batch(lambda x, i: dynamic_index(x, i, axis=1), X, np.int64(1))
