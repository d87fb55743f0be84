"""Updates of every n-th element: what NumPy writes to a slice, with derivatives and batches."""

from __future__ import annotations

import numpy as np
import pytest

from tests.ir.ops.rule_checks import check_batch, check_derivatives, check_staged, trace
from weft.ir.errors import DTypeError, ShapeError
from weft.ir.ops.strided import update_slice

rng = np.random.default_rng(3)
X = rng.normal(size=(7, 4, 9))
PLACES = [
    ((2, 3, 3), (1, 0, 2), (3, 1, 2)),
    ((1, 1, 1), (6, 3, 8), (1, 2, 5)),
    ((7, 4, 2), (0, 0, 1), (1, 1, 7)),
    ((0, 4, 2), (7, 0, 0), (2, 1, 1)),
]


def written(
    x: np.ndarray, update: np.ndarray, start: tuple[int, ...], strides: tuple[int, ...]
) -> np.ndarray:
    out = x.copy()
    for place in np.ndindex(update.shape):
        out[tuple(b + i * step for b, i, step in zip(start, place, strides, strict=True))] = update[place]
    return out


@pytest.mark.parametrize(("shape", "start", "strides"), PLACES)
def test_elements_are_written_where_they_go(shape, start, strides):
    update = rng.normal(size=shape)
    (out,) = check_staged(lambda x, u: update_slice(x, u, start, strides), X, update)
    np.testing.assert_array_equal(out, written(X, update, start, strides))


@pytest.mark.parametrize(("shape", "start", "strides"), PLACES)
def test_updates_differentiate_and_batch(shape, start, strides):
    update = rng.normal(size=shape)
    check_derivatives(lambda x, u: update_slice(x, u, start, strides), X, update)
    check_derivatives(lambda x, u: update_slice(x, u, start, strides), X * 1j, update - 2j * update)
    check_batch(lambda x, u: update_slice(x, u, start, strides), X, update)


def test_what_does_not_fit_is_refused():
    with pytest.raises(
        ShapeError, match=r"cannot write f64\[2\] into f64\[3\] from \(0,\) in steps of \(3,\)"
    ):
        trace(lambda x, u: update_slice(x, u, (0,), (3,)), np.ones(3), np.ones(2))
    with pytest.raises(ShapeError, match="cannot write"):
        trace(lambda x, u: update_slice(x, u, (0,), (0,)), np.ones(3), np.ones(2))
    with pytest.raises(ShapeError, match="cannot write"):
        trace(lambda x, u: update_slice(x, u, (-1,), (1,)), np.ones(3), np.ones(2))
    with pytest.raises(ShapeError, match="cannot write"):
        trace(lambda x, u: update_slice(x, u, (0, 0), (1, 1)), np.ones((3, 3)), np.ones(2))
    with pytest.raises(DTypeError, match="another dtype"):
        trace(lambda x, u: update_slice(x, u, (0,), (1,)), np.ones(3), np.ones(2, "f4"))
