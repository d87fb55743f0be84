"""``x.view(dtype)`` reads the bytes that NumPy reads, traced and not."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import weft
import weft.numpy as wnp
from weft.ir.errors import ShapeError
from weft.ir.types import BOOL, SHORT_NAMES

DTYPES = list(SHORT_NAMES)


def bits(dtype: np.dtype, shape: tuple[int, ...]) -> np.ndarray:
    """Elements of all sorts of bytes, without NaN, whose bits processors may change."""
    x = np.random.default_rng(1).integers(0, 100, (*shape[:-1], shape[-1] * dtype.itemsize), np.uint8)
    return (x.view(dtype) if dtype != BOOL else x > 50).reshape(shape)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_as_numpy(dtype: np.dtype) -> None:
    x = bits(dtype, (3, 16))
    for other in DTYPES:
        if other == BOOL and dtype != BOOL:
            continue  # bytes that are neither 0 nor 1
        want = x.view(other)
        for got in (wnp.asarray(x).view(other), weft.jit(lambda x, d=other: x.view(d))(x)):
            assert got.dtype == other and got.shape == want.shape
            assert np.asarray(got).tobytes() == want.tobytes(), (dtype, other)


def test_bool_and_single_elements() -> None:
    x = np.array([0, 1, 1, 0], np.uint8)
    for got in (wnp.asarray(x).view(bool), weft.jit(lambda x: x.view(bool))(x)):
        assert got.tolist() == [False, True, True, False]
    assert weft.jit(lambda x: x.view("u8"))(1.0).item() == np.float64(1.0).view("u8")
    for x, dtype in [(np.array(1 + 2j, "c8"), "u8"), (np.array(7, "u8"), "c8"), (np.array(1 + 2j), "c16")]:
        got = weft.jit(lambda x, d=dtype: x.view(d))(x)
        assert got.shape == () and got.item() == x.view(dtype)
    assert weft.jit(lambda x: x.view("f4"))(np.ones((2, 1), "f8")).shape == (2, 2)


def test_errors() -> None:
    for x, dtype in itertools.product([np.ones(()), np.ones((2, 3), "f4")], ["c16"]):
        for call in (lambda x, d=dtype: wnp.asarray(x).view(d), weft.jit(lambda x, d=dtype: x.view(d))):
            with pytest.raises(ShapeError, match="no whole number of elements"):
                call(x)
