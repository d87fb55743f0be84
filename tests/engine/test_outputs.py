"""``out=`` and in-place operators: written where NumPy's arrays are, given back where nobody can tell, or else refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import weft
import weft.numpy as wnp
from weft.engine.array import Array
from weft.ir.errors import ArgumentError, DTypeError, ShapeError

X = np.arange(6.0).reshape(2, 3) + 1


class Holder:
    y: Any


def accumulate(x: Any) -> Any:
    y = np.zeros(3)
    for row in x:
        y += row
    return y


def every_operator(x: Any) -> Any:
    y = np.ones((2, 3))
    y += x
    y -= 2.0
    y *= x
    y /= x + 1
    y **= 2
    return y


def products(x: Any) -> Any:
    y = np.eye(2)
    y += x @ x.T
    y @= np.array([[1.0, 2.0], [3.0, 4.0]])
    return y


def integers(x: Any) -> Any:
    y = np.arange(6).reshape(2, 3)
    y += (x > 2.5).astype(int)
    y //= 2
    y %= 3
    y <<= 1
    y |= 1
    return y * x


def attribute(x: Any) -> Any:
    holder = Holder()
    holder.y = np.zeros(3)
    holder.y += x[0]
    return holder.y


def item(x: Any) -> Any:
    table = {"y": np.zeros(3)}
    table["y"] += x[0]
    rows = [np.zeros(3)]
    rows[0] -= x[1]
    return table["y"] * rows[0]


def narrower(x: Any) -> Any:
    y = np.ones((2, 3), np.float32)
    y += x
    return y


def smaller(x: Any) -> Any:
    y = np.zeros((4, 2, 3))
    y += x
    return y


def division(x: Any) -> Any:
    return np.divide(1.0, x, out=np.zeros_like(x), where=x > 2.5)


def division_into_numpys(x: Any) -> Any:
    return np.divide(1.0, x, out=np.full((2, 3), -1.0), where=x > 2.5)


def logarithm(x: Any) -> Any:
    return np.log(x, where=x > 2.5, out=np.zeros((2, 3)))


WORK = (
    accumulate, every_operator, products, integers, attribute, item, narrower, smaller, division, division_into_numpys,
    logarithm,
)  # fmt: skip


@pytest.mark.parametrize("function", WORK, ids=lambda f: f.__name__)
def test_nobody_can_tell(function: Any) -> None:
    want = function(X)
    for got in (function(wnp.asarray(X)), weft.jit(function)(X), weft.vmap(function)(X[None])[0]):
        assert got.dtype == want.dtype
        np.testing.assert_allclose(got, want, rtol=1e-6)
    assert isinstance(weft.jit(function)(X), Array)

    def total(x: Any) -> Any:
        return np.sum(function(x) ** 2)

    step = 1e-6 * np.sin(np.arange(6.0)).reshape(2, 3)
    slope = float(total(X + step) - total(X - step)) / 2
    if function is not narrower:
        np.testing.assert_allclose(np.sum(weft.grad(total)(X) * step), slope, rtol=1e-6)


def aliased(x: Any) -> Any:
    y = np.zeros(3)
    z = y
    y += x[0]
    return z


def viewed(x: Any) -> Any:
    y = np.zeros(3)
    z = y[:2]
    y += x[0]
    return z


def part(x: Any) -> Any:
    y = np.zeros((2, 3))
    y[0] += x[0]
    return y


def argument(x: Any) -> Any:
    def add(z: Any) -> None:
        z += x[0]

    y = np.zeros(3)
    add(y)
    return y


def explicit(x: Any) -> Any:
    y = np.zeros(3)
    np.add(y, x[0], out=y)
    return y


def explicit_attribute(x: Any) -> Any:
    holder = Holder()
    holder.y = np.zeros(3)
    np.add(holder.y, x[0], out=holder.y)
    return holder.y


def named(x: Any) -> Any:
    out = np.zeros_like(x)
    np.divide(1.0, x, out=out, where=x > 2.5)
    return out


def element_of_a_list(x: Any) -> Any:
    outs = [np.zeros(3)]
    np.add(x[0], 1.0, out=outs[0])
    return outs[0]


def row(x: Any) -> Any:
    np.add(x[0], 1.0, out=x[0])
    return x


def reduction(x: Any) -> Any:
    y = np.zeros(3)
    np.add.reduce(x, out=y)
    return y


def function(x: Any) -> Any:
    y = np.zeros(3)
    np.sum(x, axis=0, out=y)
    return y


def several(x: Any) -> Any:
    return np.divmod(x, 2.0, out=(np.zeros((2, 3)), np.zeros((2, 3))))[0]


SEEN = (
    aliased, viewed, part, argument, explicit, explicit_attribute, named, element_of_a_list, row, reduction, function, several,
)  # fmt: skip


@pytest.mark.parametrize("function", SEEN, ids=lambda f: f.__name__)
def test_what_others_would_miss_is_refused(function: Any) -> None:
    function(X.copy())  # NumPy does it
    for transform in (weft.jit, weft.vmap, lambda f: weft.grad(lambda x: np.sum(f(x)))):
        with pytest.raises(
            ArgumentError,
            match=r"got out= .*: arrays of Weft are immutable, and traced ones have no elements",
        ):
            transform(function)(X[None] if transform is weft.vmap else X)


@pytest.mark.parametrize("function", [f for f in SEEN if f not in (named, row)], ids=lambda f: f.__name__)
def test_arrays_of_numpy_are_written_to(function: Any) -> None:
    got = function(wnp.asarray(X))
    assert type(got) is np.ndarray
    np.testing.assert_array_equal(got, function(X))


def test_arrays_of_weft_are_not() -> None:
    x, y = wnp.asarray(X), wnp.zeros((2, 3))
    for call in (
        lambda: np.add(x, 1, out=y), lambda: np.sum(x, axis=0, out=y), lambda: named(x), lambda: row(x),
        lambda: np.add(X, 1, out=y), lambda: np.cumsum(x, axis=0, out=y),
    ):  # fmt: skip
        with pytest.raises(ArgumentError, match=r"numpy.\w+ got out="):
            call()
    assert not np.asarray(y).any()


def test_functions_that_write_into_numpys_arrays() -> None:
    y = np.zeros((2, 3))
    np.copyto(y, wnp.asarray(X))
    np.testing.assert_array_equal(y, X)
    np.put(y, wnp.asarray([0]), wnp.asarray([9.0]))
    np.add.at(y, (wnp.asarray([0, 0]), 1), wnp.asarray([1.0, 2.0]))
    assert y[0].tolist() == [9.0, 5.0, 3.0]
    for call in (
        lambda x: np.copyto(y, x), lambda x: np.put(y, [0], x[0, 0]), lambda x: np.add.at(y, (0, 1), x[0, 0]),
    ):  # fmt: skip
        with pytest.raises(ArgumentError, match="works in place"):
            weft.jit(call)(X)


def test_what_does_not_fit() -> None:
    def to_integers(x: Any) -> Any:
        y = np.zeros(3, int)
        y += x[0]
        return y

    def too_large(x: Any) -> Any:
        y = np.zeros(3)
        y += x
        return y

    with pytest.raises(TypeError):
        to_integers(X)
    with pytest.raises(
        DTypeError, match=r"numpy.add gives float64, which does not go into an array of int64"
    ):
        weft.jit(to_integers)(X)
    with pytest.raises(ValueError, match="broadcast"):
        too_large(X)
    with pytest.raises(
        ShapeError, match=r"numpy.add gives an array of shape \(2, 3\), which does not go into one of \(3,\)"
    ):
        weft.jit(too_large)(X)
