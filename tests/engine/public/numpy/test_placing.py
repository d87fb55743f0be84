from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import weft
import weft.numpy as wnp
from tests.engine.public.numpy.checks import BFLOAT16, agree, reference, sample, staged
from weft.ir.errors import ArgumentError, DTypeError, IndexingError, ShapeError


def check(name: str, x: np.ndarray, *args: Any, **kwargs: Any) -> None:
    """NumPy's function on a copy is ours with ``inplace=False``."""
    want = np.array(x)
    reference(lambda: getattr(np, name)(want, *args, **kwargs))
    call = lambda m: lambda *xs: getattr(wnp, name)(*xs, **kwargs, inplace=False)  # noqa: E731
    agree(call, x, *args, expected=want)


@pytest.mark.parametrize("dtype", ["bool", "int32", "float32", "float64", "complex128"])
def test_diagonals(dtype: str) -> None:
    for shape in [(3, 3), (2, 4), (5, 2), (7, 2), (3, 3, 3), (0, 2), (1, 1)]:
        x = sample(dtype, shape)
        for values in (np.asarray(2.0), np.array([1.0, 3]), sample("float64", (4,))):
            check("fill_diagonal", x, values)
            check("fill_diagonal", x, values, wrap=True)
    with pytest.raises(ShapeError, match=r"axes of one length, got shape \(2, 2, 3\)"):
        wnp.fill_diagonal(wnp.ones((2, 2, 3)), 0, inplace=False)


@pytest.mark.parametrize("dtype", ["bool", "uint8", "float32", "float64", "complex64"])
def test_put(dtype: str) -> None:
    x = sample(dtype, (3, 4))
    for places in (np.array([0, 5, -1]), np.array([[1, 2], [1, 3]]), np.asarray(4), np.array([], int)):
        for values in (np.asarray(1.5), np.array([1.0, 2]), sample("float64", (6,)), np.array([])):
            check("put", x, places, values)
    far = np.array([0, 13, -14, 100])
    check("put", x, far, np.arange(4.0), mode="wrap")
    check("put", x, far, np.arange(4.0), mode="clip")
    with pytest.raises(IndexingError, match="index 13 is out of bounds"):
        staged(lambda v: wnp.put(v, far, 0, inplace=False), x)
    dropped = weft.jit(lambda v, i: wnp.put(v, i, 1, inplace=False))(x, far)
    np.testing.assert_array_equal(dropped[1:], x[1:])


def test_masks() -> None:
    for dtype in ("int32", "float32", "complex128"):
        for shape in [(3, 4), (5,), (), (0, 2)]:
            x, mask = np.array(sample(dtype, shape)), np.array(sample("bool", shape))
            for values in ([1.0], [1.0, 2], np.arange(20, dtype="int16")):
                check("place", x, mask, values)
                check("putmask", x, mask, values)
    for call in (wnp.place, wnp.putmask):
        with pytest.raises(DTypeError, match="values of float64, which do not all go into an array of int32"):
            call(np.ones(3, "int32"), np.ones(3, bool), np.ones(3), inplace=False)
    x = np.ones(3)
    check("putmask", x, np.array([True, False, True]), np.array([]))
    with pytest.raises(ShapeError, match=r"place got a mask of shape \(2,\) for an array of shape \(3,\)"):
        staged(lambda v: wnp.place(v, np.ones(2, bool), [1.0], inplace=False), x)
    with pytest.raises(ShapeError, match="place got no values"):
        staged(lambda v: wnp.place(v, np.ones(3, bool), np.array([]), inplace=False), x)


def test_put_along_axis() -> None:
    x = sample("float64", (3, 4))
    for axis in (0, 1, -1):
        places = np.argsort(x, axis=axis)
        check("put_along_axis", x, places, np.asarray(9.0), axis)
        check("put_along_axis", x, places, x + 1, axis)
    check("put_along_axis", x, np.array([3, 1]), np.array([1.0, 2]), None)
    with pytest.raises(ShapeError, match=r"indices of shape \(2,\) for an array of shape \(3, 4\)"):
        staged(lambda v: wnp.put_along_axis(v, np.array([0, 1]), 1.0, 0, inplace=False), x)


def test_bfloat16() -> None:
    x = np.arange(4).astype(BFLOAT16)
    got = wnp.put(x, [1], 7, inplace=False)
    assert got.dtype == BFLOAT16 and got.tolist() == [0, 7, 2, 3]


@pytest.mark.parametrize("name", ["fill_diagonal", "place", "put", "put_along_axis", "putmask"])
def test_in_place_is_refused(name: str) -> None:
    x = wnp.ones((2, 2))
    args = {"fill_diagonal": (0,), "put_along_axis": (x > 0, 0.0, 1)}.get(name, (x > 0, [0.0]))
    for call in (getattr(wnp, name), getattr(np, name)):
        with pytest.raises(
            ArgumentError, match=rf"{name} works in place.*x = {name}\(x, ..., inplace=False\)"
        ):
            call(x, *args)


def test_derivatives() -> None:
    x, v = np.arange(6.0).reshape(2, 3), np.array([2.0, 3])
    slopes = weft.grad(lambda x, v: (wnp.put(x, [0, 4], v, inplace=False) ** 2).sum(), (0, 1))(x, v)
    assert slopes[0].tolist() == [[0, 2, 4], [6, 0, 10]] and slopes[1].tolist() == [4, 6]
