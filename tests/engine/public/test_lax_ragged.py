"""Ragged products of `weft.lax` against JAX's: values, derivatives, batches, errors."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
import pytest
from jax import lax as jl

import weft
from weft import lax as wl
from weft.errors import ArgumentError, DTypeError, ShapeError

_rng = np.random.RandomState(1)
# Operands, group sizes, dimension numbers: a free ragged axis, a contracted one, a batch axis; one list of sizes, or many.
CASES: dict[str, tuple[Any, ...]] = {
    "rows": (_rng.randn(7, 3), _rng.randn(3, 3, 2), np.array([2, 0, 4]), ((((1,), (1,)), ((), ())), (0,), (0,))),
    "all rows": (_rng.randn(7, 3), _rng.randn(2, 3, 2), np.array([3, 4], np.int32), ((((1,), (1,)), ((), ())), (0,), (0,))),
    "rows of batches": (
        _rng.randn(2, 5, 3), _rng.randn(2, 2, 3, 4), np.array([[2, 3], [1, 2]]), ((((2,), (2,)), ((0,), (0,))), (1,), (1,))),
    "inner rows": (
        _rng.randn(3, 5, 2), _rng.randn(2, 4, 2), np.array([[2, 3], [5, 0], [1, 1]]), ((((2,), (2,)), ((), ())), (1,), (0,))),
    "terms": (_rng.randn(4, 6), _rng.randn(6, 3), np.array([2, 3]), ((((1,), (0,)), ((), ())), (1,), ())),
    "inner terms of batches": (
        _rng.randn(2, 4, 3, 5), _rng.randn(5, 2, 3, 2), np.array([2, 1, 2]), ((((2, 3), (2, 0)), ((0,), (1,))), (3,), ())),
    "examples": (_rng.randn(4, 2, 3), _rng.randn(4, 3, 2), np.array([2, 2]), ((((2,), (1,)), ((0,), (0,))), (0,), ())),
}  # fmt: skip


def _close(ours: Any, theirs: Any) -> None:
    for a, b in zip(
        jax.tree.leaves(jax.tree.map(np.asarray, ours)), map(np.asarray, jax.tree.leaves(theirs)), strict=True
    ):
        assert (a.dtype, a.shape) == (b.dtype, b.shape)
        np.testing.assert_allclose(a, b, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("name", CASES)
def test_ragged_dot_general(name: str) -> None:
    x, y, sizes, dims = CASES[name]

    def both(lib: Any, lax: Any) -> Any:
        def f(x: Any, y: Any) -> Any:
            return lax.ragged_dot_general(x, y, sizes, lax.RaggedDotDimensionNumbers(*dims))

        if "rows" not in name:  # JAX has no derivatives of the others
            return f
        slopes = lib.grad(lambda x, y: (f(x, y) ** 3).sum(), (0, 1))
        return lambda x, y: (f(x, y), slopes(x, y), lib.jvp(slopes, (x, y), (x, y))[1])

    wanted = jax.jit(both(jax, jl))(x, y)
    _close(both(weft, wl)(x, y), wanted)
    _close(weft.jit(both(weft, wl))(x, y), wanted)


@pytest.mark.parametrize("name", ["terms", "inner terms of batches", "examples"])
def test_derivatives_that_jax_has_not(name: str) -> None:
    x, y, sizes, dims = CASES[name]

    def f(x: Any, y: Any) -> Any:
        return (wl.ragged_dot_general(x, y, sizes, wl.RaggedDotDimensionNumbers(*dims)) ** 3).sum()

    along = sum((np.asarray(g) * v).sum() for g, v in zip(weft.grad(f, (0, 1))(x, y), (x, y), strict=True))
    np.testing.assert_allclose(along, 6 * float(f(x, y)), rtol=1e-11)  # f is homogeneous, of degree 3 in each


def test_ragged_dot() -> None:
    x, y, sizes, _ = CASES["rows"]
    wanted = np.concatenate([x[:2] @ y[0], x[2:6] @ y[2], np.zeros((1, 2))])
    _close(wl.ragged_dot(x, y, sizes), wanted)
    _close(weft.jit(wl.ragged_dot)(x, y, sizes), wanted)
    many = weft.vmap(wl.ragged_dot, (None, None, 0))(x, y, np.stack([sizes, sizes[::-1]]))
    _close(many, np.stack([wanted, np.asarray(wl.ragged_dot(x, y, sizes[::-1]))]))
    small = wl.ragged_dot(
        x.astype(np.float32), y.astype(np.float32), sizes, preferred_element_type=np.float64
    )
    assert small.dtype == np.float64


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"sizes": np.array([1.0])}, DTypeError, r"needs group_sizes as integers, got float64"),
        (
            {"sizes": np.ones((2, 2), int)},
            ShapeError,
            r"needs group_sizes of shape \(2,\) or \(2,\), got \(2, 2\)",
        ),
        (
            {"dims": ((((1,), (1,)), ((), ())), (0, 1), (0,))},
            ShapeError,
            r"needs one ragged axis of an array",
        ),
        (
            {"dims": ((((1,), (1,)), ((), ())), (0,), ())},
            ShapeError,
            r"needs 1 axes of rhs for the groups of axis 0 of lhs",
        ),
        ({"offset": np.array([1])}, ArgumentError, r"starts with the first group: leave out group_offset"),
    ],
)
def test_errors(change: dict[str, Any], error: type[Exception], message: str) -> None:
    x, y, sizes, dims = CASES["rows"]
    numbers = wl.RaggedDotDimensionNumbers(*change.get("dims", dims))
    with pytest.raises(error, match=message):
        wl.ragged_dot_general(x, y, change.get("sizes", sizes), numbers, group_offset=change.get("offset"))
