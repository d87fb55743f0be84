"""Columns of few elements: those stand side by side, accumulators are registers, and positions are as wide as elements."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import weft
import weft.numpy as wnp
from tests.kernels.fused import kernels
from tests.kernels.test_schedule import check, normal
from weft.ir.ops import elementwise as e
from weft.ir.ops import reduce as r
from weft.ir.ops import shape as s
from weft.kernels.schedule import schedule
from weft.kernels.schedule.positions import position_dtype


def centred(x: Any, axis: int) -> list[Any]:
    """Results on all of the space and on its kept axes, in several passes."""
    other = [d for d in range(len(x.shape)) if d != axis]
    best = r.reduce_max(x, (axis,))
    off = e.sub(x, s.broadcast(best, x.shape, other))
    total = r.reduce_sum(e.mul(off, off), (axis,))
    return [e.mul(off, s.broadcast(total, x.shape, other)), total, best]


FUNCTIONS: dict[str, Callable[[Any, int], list[Any]]] = {
    "sum": lambda x, axis: [r.reduce_sum(x, (axis,))],
    "several": lambda x, axis: [r.reduce_sum(x, (axis,)), e.neg(r.reduce_prod(x, (axis,)))],
    "in passes": centred,
}


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize(
    ("shape", "axis", "low"),
    [
        ((3, 40), 0, True),
        ((4, 5, 16), 1, True),
        ((2, 3, 2, 70), 2, True),
        ((8, 20), 0, True),
        ((9, 20), 0, False),
        ((4, 5, 15), 1, False),
        ((4, 5, 1), 1, False),
    ],
)
def test_low_columns(name: str, shape: tuple[int, ...], axis: int, low: bool) -> None:
    graph = check(lambda x: FUNCTIONS[name](x, axis), normal(*shape), chunks=3)
    if name == "sum" and shape[-1] > 1:
        (kernel,) = kernels(graph)
        assert (
            "carry" not in str(schedule(kernel).nest) and str(schedule(kernel).nest).count("for ") <= 3
        ) == low


def test_extrema_of_floats_take_more_registers() -> None:
    for height, low in ((6, True), (7, False)):
        (kernel,) = kernels(check(lambda x: [r.reduce_max(x, (0,))], normal(height, 50)))
        assert (str(schedule(kernel).nest).count("for ") == 1) == low


@pytest.mark.parametrize("dtype", ["?", "i1", "u2", "f2", "i4", "f4", "u8", "f8"])
@pytest.mark.parametrize(
    ("shape", "axis"),
    [
        ((4, 5, 40), 1),
        ((3, 300), 0),
        ((6, 127), 1),
        ((6, 128), 1),
        ((2, 40000), 1),
        ((7, 33), None),
        ((200, 30), 0),
    ],
)
def test_positions_are_as_wide_as_elements(shape: tuple[int, ...], axis: int | None, dtype: str) -> None:
    rng = np.random.default_rng(0)
    x = rng.integers(0, 2 if dtype == "?" else 50, shape).astype(dtype)
    flat = x.copy()
    flat.reshape(-1)[:] = 0  # all are the same: the first counts
    last = flat.copy()
    last[..., -1] = 1
    samples = [x, flat, last]
    if dtype in ("f2", "f4", "f8"):
        samples.append(np.where(rng.random(shape) < 0.1, np.nan, x).astype(dtype))
    for y in samples:
        for name in ("argmax", "argmin"):
            found = np.asarray(weft.jit(lambda y, name=name: getattr(wnp, name)(y, axis=axis))(y))
            expected = getattr(np, name)(y, axis=axis)
            assert found.dtype == np.int64
            np.testing.assert_array_equal(found, expected)


def test_counters_suffice() -> None:
    one, four, eight = np.dtype("?"), np.dtype("f4"), np.dtype("f8")
    lengths = [127, 128, 32767, 32768, 2**31 - 1, 2**31]
    assert [position_dtype(one, n).itemsize for n in lengths] == [1, 2, 2, 4, 4, 8]
    assert [position_dtype(four, n).itemsize for n in lengths] == [4, 4, 4, 4, 4, 8]
    assert position_dtype(eight, 3).itemsize == 8 and position_dtype(np.dtype("f2"), 3).itemsize == 4
