from __future__ import annotations

import itertools

import jax
import numpy as np
import pytest

from tests.ir.ops.rule_checks import check_batch, check_derivatives, check_staged, trace
from weft.ir.errors import AxisError, DTypeError, ShapeError
from weft.ir.ops.shape import (
    broadcast,
    concatenate,
    expand_dims,
    full,
    iota,
    move_axis,
    pad,
    reshape,
    reverse,
    slice_,
    slice_axis,
    squeeze,
    transpose,
)

X = np.random.default_rng(0).normal(size=(2, 3, 4))
EMPTY = np.zeros((2, 0, 3))


def check(fun, x, expected):
    """``fun(x)`` is ``expected``, eager and staged, and is a linear map with a batching rule."""
    (out,) = check_staged(fun, x)
    np.testing.assert_array_equal(out, expected)
    check_derivatives(fun, x, order=1)
    check_derivatives(fun, x * (1 + 2j), order=1)


def test_broadcast():
    check(lambda x: broadcast(x, (5, 2, 3, 4), (1, 2, 3)), X, np.broadcast_to(X, (5, 2, 3, 4)))
    check(
        lambda x: broadcast(x, (2, 6, 3, 4, 5), (0, 2, 3)),
        X,
        np.broadcast_to(X[:, None, :, :, None], (2, 6, 3, 4, 5)),
    )
    check(lambda x: broadcast(x, (2, 3), ()), np.float64(7), np.full((2, 3), 7.0))
    check(lambda x: broadcast(x, (2, 0, 3, 0), (0, 1, 2)), EMPTY, np.zeros((2, 0, 3, 0)))
    check(lambda x: broadcast(x, (0, 2, 3, 4), (1, 2, 3)), X, np.zeros((0, 2, 3, 4)))
    for shape, dims in [
        ((3, 4), (0,)),
        ((2, 4, 3), (0, 2, 1)),
        ((5, 3, 4, 1), (0, 1, 2)),
        ((2, 3, 4, 5), (0, 0, 1)),
    ]:
        with pytest.raises(ShapeError, match="broadcast cannot place the axes of f64"):
            trace(lambda x, s=shape, d=dims: broadcast(x, s, d), X)


def test_reshape():
    for shape in [(24,), (4, 3, 2), (2, 12), (1, 2, 3, 1, 4)]:
        check(lambda x, s=shape: reshape(x, s), X, X.reshape(shape))
    check(lambda x: reshape(x, (0, 7)), EMPTY, np.zeros((0, 7)))
    check(lambda x: reshape(x, ()), np.ones((1, 1)), np.ones(()))
    with pytest.raises(ShapeError, match=r"cannot reshape f64\[2,3,4\] with 24 elements to \(5, 5\) with 25"):
        trace(lambda x: reshape(x, (5, 5)), X)
    assert expand_dims(X, (0, 4)).shape == (1, 2, 3, 4, 1)
    assert squeeze(expand_dims(X, (1, 3)), (1, 3)).shape == X.shape


@pytest.mark.parametrize("ndim", [2, 3, 4])
def test_transpose_every_permutation(ndim):
    x = np.arange(float(np.prod(range(2, 2 + ndim)))).reshape(range(2, 2 + ndim))
    for perm in itertools.permutations(range(ndim)):
        fun = lambda x, p=perm: transpose(x, p)  # noqa: E731
        check(fun, x, np.transpose(x, perm))
        if ndim < 4:
            check_batch(fun, x)
    for a, b in itertools.product(range(ndim), repeat=2):
        np.testing.assert_array_equal(move_axis(x, a, b), np.moveaxis(x, a, b))


def test_transpose_says_what_is_wrong():
    for perm in [(0, 1), (0, 0, 1), (1, 2, 3)]:
        with pytest.raises(AxisError, match="needs a permutation of its 3 axes"):
            trace(lambda x, p=perm: transpose(x, p), X)


def test_slice():
    check(lambda x: slice_(x, (0, 1, 1), (2, 3, 4), (1, 1, 2)), X, X[:, 1:3, 1:4:2])
    check(lambda x: slice_(x, (1, 1, 0), (1, 3, 4)), X, X[1:1, 1:])
    check(lambda x: slice_(x, (0, 0, 0), (2, 3, 4), (5, 2, 3)), X, X[::5, ::2, ::3])
    check(lambda x: slice_(x, (1, 0, 0), (2, 0, 2)), EMPTY, EMPTY[1:, :, :2])
    check(lambda x: slice_axis(x, 2, 1, 4, 3), X, X[:, :, 1:4:3])
    check(lambda x: slice_(x, (), ()), np.float64(3), 3.0)
    for start, limit, strides in [
        ((0, 0, 0), (3, 3, 4), (1, 1, 1)),
        ((0, 2, 0), (2, 1, 4), (1, 1, 1)),
        ((0, 0, 0), (2, 3, 4), (1, 0, 1)),
    ]:
        with pytest.raises(ShapeError, match="goes outside"):
            trace(lambda x, a=start, b=limit, s=strides: slice_(x, a, b, s), X)
    with pytest.raises(ShapeError, match="needs 3 starts"):
        trace(lambda x: slice_(x, (1,), (2,)), X)


def test_reverse():
    for axes in [(), (0,), (2,), (0, 1, 2)]:
        check(lambda x, a=axes: reverse(x, a), X, np.flip(X, axes))
    check(lambda x: reverse(x, (1,)), EMPTY, EMPTY)
    with pytest.raises(AxisError, match=r"reverse got axes \(3,\)"):
        trace(lambda x: reverse(x, (3,)), X)


PADS = [
    ((1, 0, 2), (0, 3, 1), (0, 0, 0)),
    ((0, 0, 0), (0, 0, 0), (2, 1, 3)),
    ((-1, 0, 1), (0, -2, -1), (0, 0, 0)),
    ((-1, 2, -2), (1, -1, -2), (1, 2, 1)),
    ((-2, 0, 0), (0, -3, 0), (0, 0, 0)),
    ((0, 0, 0), (0, 0, 0), (0, 0, 0)),
]


@pytest.mark.parametrize("low, high, interior", PADS)
@pytest.mark.parametrize("x", [X, EMPTY + 0, X[:1, :1]], ids=["full", "empty", "ones"])
def test_pad_as_jax(x, low, high, interior):
    value = np.float64(-1.5)
    sizes = [n + b + e + max(n - 1, 0) * i for n, b, e, i in zip(x.shape, low, high, interior, strict=True)]
    if min(sizes) < 0:
        pytest.skip("cuts off more than there is")
    fun = lambda x, v: pad(x, v, low, high, interior)  # noqa: E731
    (out,) = check_staged(fun, x, value)
    expected = jax.lax.pad(x, value, list(zip(low, high, interior, strict=True)))
    np.testing.assert_array_equal(out, expected)
    check_derivatives(fun, x, value)
    check_derivatives(fun, x * 1j, value * (2 + 1j), order=1)
    check_batch(fun, x, value)


def test_pad_says_what_is_wrong():
    with pytest.raises(DTypeError, match=r"needs a scalar of the same dtype, got i64\[\]"):
        trace(lambda x: pad(x, np.int64(0), (1, 1, 1), (0, 0, 0)), X)


def test_concatenate():
    y = X[:, :1] + 1
    for axis, other in [(1, y), (0, X[:1]), (2, X[:, :, :0])]:
        fun = lambda x, y, a=axis: concatenate([x, y, x], a)  # noqa: E731
        (out,) = check_staged(fun, X, other)
        np.testing.assert_array_equal(out, np.concatenate([X, other, X], axis))
        check_derivatives(fun, X, other)
        check_batch(fun, X, other)
    for error, message, axis, other in [
        (ShapeError, "shapes that differ on other axes", 0, y),
        (ShapeError, "shapes that differ on other axes", 0, y[0]),
        (DTypeError, "different dtypes", 1, y.astype(np.float32)),
        (AxisError, "got axis 3", 3, X),
    ]:
        with pytest.raises(error, match=message):
            trace(lambda x, y, a=axis: concatenate([x, y], a), X, other)


def test_makers():
    for dtype in (np.int8, np.float16, np.complex64):
        np.testing.assert_array_equal(
            iota(dtype, (2, 3, 4), 1), np.broadcast_to(np.arange(3).reshape(3, 1), (2, 3, 4))
        )
        assert iota(dtype, (0,)).dtype == full((), 1, dtype).dtype == dtype
    np.testing.assert_array_equal(full((2, 0, 1), 3, np.int32), np.zeros((2, 0, 1), np.int32))


@pytest.mark.parametrize(
    "fun",
    [
        lambda x: broadcast(x, (5, 2, 3, 6, 4), (1, 2, 4)),
        lambda x: reshape(x, (4, 6)),
        lambda x: slice_(x, (0, 1, 1), (2, 3, 4), (1, 1, 2)),
        lambda x: reverse(x, (0, 2)),
    ],
)
def test_movements_batch(fun):
    for size in (1, 3):
        check_batch(fun, X, size=size)
