"""Windows that slide over an array: NumPy's values, from either module, and derivatives."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import weft
import weft.numpy as wnp
from tests.engine.public.numpy.checks import agree, staged
from weft.ir.errors import ArgumentError, AxisError, ShapeError

X = np.random.default_rng(5).normal(size=(5, 6, 3))
numpys = np.lib.stride_tricks.sliding_window_view


@pytest.mark.parametrize(
    ("window", "axis"),
    [
        ((2, 3, 1), None),
        (3, 0),
        (3, -2),
        ((2, 2), (0, 0)),
        ((2, 3), (1, 0)),
        ((5,), (0,)),
        (1, 2),
        ((0,), (0,)),
    ],
)
def test_windows(window: Any, axis: Any) -> None:
    agree(lambda m: lambda x: m.lib.stride_tricks.sliding_window_view(x, window, axis), X)
    want = numpys(X, window, axis)
    got = weft.jit(lambda x: numpys(x, window, axis=axis))(X)  # NumPy's function itself, on a traced array
    assert got.shape == want.shape and np.array_equal(got, want)


def test_what_is_computed_from_windows() -> None:
    x = np.arange(5.0)
    assert np.array_equal(weft.grad(lambda x: (numpys(x, 3) ** 2).sum())(x), [0, 4, 12, 12, 8])
    assert np.array_equal(weft.vmap(lambda x: numpys(x, 2).sum(-1))(np.ones((2, 4))), np.full((2, 3), 2.0))
    means = weft.jit(lambda x: numpys(x, 4).mean(-1))
    for n in (9, 40):
        x = np.random.default_rng(n).normal(size=n)
        np.testing.assert_allclose(means(x), numpys(x, 4).mean(-1), rtol=1e-12)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((9, 0), ShapeError, "window of length 9 for axis 0, of length 5"),
        ((-1, 0), ShapeError, "window of length -1"),
        (((2, 2), 0), ShapeError, "a length for each"),
        ((2,), ShapeError, "a length for each"),
        ((2, 5), AxisError, "axis 5"),
    ],
)
def test_errors(arguments: tuple[Any, ...], error: type[Exception], message: str) -> None:
    for call in (staged, lambda f, x: f(wnp.asarray(x))):
        with pytest.raises(error, match=message):
            call(lambda x: wnp.lib.stride_tricks.sliding_window_view(x, *arguments), X)


def test_windows_are_not_written_to() -> None:
    with pytest.raises(ArgumentError, match="immutable"):
        staged(lambda x: numpys(x, 2, axis=0, writeable=True), X)
