"""``x[index] = value`` where ``weft.config.item_assignment`` is on: NumPy's result, and nobody else sees it."""

from __future__ import annotations

import copy
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import weft
import weft.numpy as wnp
from weft.errors import ImmutableError, IndexingError, ShapeError


@pytest.fixture(autouse=True)
def switch() -> Iterator[None]:
    weft.config.update(item_assignment=True)
    yield
    weft.config.update(item_assignment=False)


CASES: dict[str, tuple[Any, Any]] = {
    "an element": ((1, 2), 7.0),
    "a row": (0, [1.0, 2.0, 3.0]),
    "slices": ((slice(None), slice(0, 3, 2)), np.array([[5.0, 6.0]])),
    "a step backwards": (slice(None, None, -1), np.arange(6.0).reshape(2, 3)),
    "an ellipsis": ((..., 0), -1.0),
    "everything": ((), 3.0),
    "a mask": (np.arange(6).reshape(2, 3) > 2, 0.5),
    "a mask of one axis": (np.array([True, False]), np.arange(3.0)),
    "positions": (np.array([1, 1, 0]), np.arange(9.0).reshape(3, 3)),
    "nothing": (slice(0, 0), 1.0),
}


@pytest.mark.parametrize("dtype", [np.float32, np.int8, np.complex128, bool])
@pytest.mark.parametrize("case", CASES)
def test_as_numpy(case: str, dtype: Any) -> None:
    index, value = CASES[case]
    data = (np.arange(6).reshape(2, 3) % 3).astype(dtype)
    x = wnp.asarray(data)
    x[index] = value if not isinstance(value, np.ndarray) else wnp.asarray(value)
    data[index] = value
    assert x.dtype == dtype
    np.testing.assert_array_equal(np.asarray(x), data)
    np.testing.assert_array_equal(weft.jit(lambda v: v)(x), data)


def test_index_and_value_are_arrays() -> None:
    x = wnp.zeros(4)
    x[wnp.asarray([0, 2])] = wnp.asarray([1.0, 2.0])
    x[x == 0] = wnp.asarray(-1)
    np.testing.assert_array_equal(x, [1, -1, 2, -1])
    scalar = wnp.asarray(1.0)
    scalar[...] = 4
    assert float(scalar) == 4


def test_what_was_made_of_the_array_stays() -> None:
    x = wnp.arange(6.0)
    view, turned, same, other = x[:3], x.reshape(2, 3), wnp.asarray(x, copy=True), copy.copy(x)
    seen, shared = np.asarray(x), np.from_dlpack(x)
    alias = x
    x[0] = 9
    for old in (view[0], turned[0, 0], same[0], other[0], seen[0], shared[0]):
        assert float(old) == 0
    assert float(alias[0]) == 9
    copied = np.arange(3.0)
    x = wnp.asarray(copied)
    x[0] = 5
    assert copied[0] == 0


def test_a_loop_of_assignments_is_in_place() -> None:
    x = wnp.zeros(1000)
    x[0] = 1
    where = x._data.ctypes.data
    for i in range(1, 1000):
        x[i] = i
    assert x._data.ctypes.data == where
    np.testing.assert_array_equal(x, [1, *range(1, 1000)])
    keep = x.T
    x[0] = 2
    assert float(keep[0]) == 1


def test_a_compiled_result_and_donated_memory() -> None:
    step = weft.jit(lambda v: v + 1, donate_argnums=0)
    x = weft.jit(lambda: wnp.zeros(5000))()
    x[1] = 4
    y = step(x)
    y[0] = 7
    np.testing.assert_array_equal(y[:3], [7, 5, 1])
    with pytest.raises(weft.errors.DeletedError):
        x[0] = 1


def test_errors() -> None:
    x = wnp.zeros((2, 3))
    with pytest.raises(IndexingError, match=r"index 5 is out of bounds.*an array of shape \(2, 3\), index 5"):
        x[5] = 1
    with pytest.raises(ShapeError, match=r"assignment to x\[0\] of an array of shape \(2, 3\)"):
        x[0] = [1.0, 2.0]
    np.testing.assert_array_equal(x, np.zeros((2, 3)))
    with pytest.raises(ImmutableError, match=r"got a traced one.*x = x.at\[index\].set\(value\)"):
        weft.jit(lambda v: x.__setitem__(0, v))(1.0)
    with pytest.raises(ImmutableError, match=r"Tracer of \(3,\) is immutable"):
        weft.jit(lambda v: v.__setitem__(0, 1))(wnp.zeros(3))


def test_the_setting() -> None:
    assert weft.config.read("item_assignment") is True
    weft.config.update(item_assignment=False)
    x = wnp.zeros(3)
    with pytest.raises(ImmutableError, match=r"x = x.at\[index\].set\(value\)"):
        x[0] = 1
    assert copy.copy(x) is x


def test_the_environment() -> None:
    code = "import weft.numpy as np; x = np.zeros(2); x[0] = 1; print(x)"
    run = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "WEFT_ITEM_ASSIGNMENT": "1"},
        capture_output=True,
        text=True,
    )
    assert run.stdout == "[1. 0.]\n", run.stderr
