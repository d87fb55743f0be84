"""`vmap` against JAX: axes of arguments and results, trees, nesting, named axes, errors. Collectives: see test_lax.py."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import weft
import weft.numpy as wnp
from weft import lax
from weft.errors import ArgumentError, AxisError, ConcretizationError, ShapeError

X, Y = np.arange(12.0).reshape(3, 4), np.arange(24.0).reshape(2, 3, 4)


def same(ours: Any, theirs: Any) -> None:
    """Equal trees of arrays."""
    ours, theirs = (jax.tree.leaves(jax.tree.map(np.asarray, t)) for t in (ours, theirs))
    assert [(a.shape, a.dtype) for a in ours] == [(b.shape, b.dtype) for b in theirs]
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)


@pytest.mark.parametrize("in_axes", [0, 1, -1, (0, None), (None, 1), (1, -3), [1, 1]])
@pytest.mark.parametrize("out_axes", [0, 1, -1])
def test_axes(in_axes: Any, out_axes: int) -> None:
    def f(np_: Any) -> Any:
        return lambda x, y: (
            np_.tensordot(x, y, ((x.ndim - 1,), (y.ndim - 1,))) if x.shape[-1] == y.shape[-1] else x.sum() * y
        )

    y = np.arange(27.0).reshape(3, 3, 3)
    x = y - 13
    same(weft.vmap(f(wnp), in_axes, out_axes)(x, y), jax.jit(jax.vmap(f(jnp), in_axes, out_axes))(x, y))
    same(
        weft.jit(weft.vmap(f(wnp), in_axes, out_axes))(x, y),
        jax.jit(jax.vmap(f(jnp), in_axes, out_axes))(x, y),
    )


def test_trees_of_axes() -> None:
    def f(tree: Any, z: Any) -> Any:
        return {"s": tree["a"] + tree["b"][0] * z, "t": (tree["b"][1], z)}

    tree = {"a": X, "b": (X.T, 2.0)}
    in_axes = ({"a": 0, "b": (1, None)}, None)
    out_axes = {"s": 1, "t": (None, None)}
    ours = weft.vmap(f, in_axes, out_axes)(tree, 5.0)
    same(ours, jax.jit(jax.vmap(f, in_axes, out_axes))(tree, 5.0))
    same(
        weft.vmap(f, (0, None))({"a": X, "b": (X, X)}, 1.0),
        jax.jit(jax.vmap(f, (0, None)))({"a": X, "b": (X, X)}, 1.0),
    )


def test_keywords_are_mapped_over_axis_0() -> None:
    same(weft.vmap(lambda x, *, y: x + y)(X, y=X), 2 * X)


def test_results_that_do_not_depend_on_the_batch() -> None:
    constant, _ = weft.vmap(lambda x: (wnp.ones(2), x))(X)
    assert constant.shape == (3, 2)
    assert weft.vmap(lambda x: (7.0, x), out_axes=(None, 0))(X)[0].shape == ()


def test_axis_size_alone() -> None:
    same(
        weft.vmap(lambda x: x + lax.axis_index("i"), None, axis_name="i", axis_size=3)(1),
        np.arange(1, 4, dtype=np.int32),
    )


def test_nesting_and_closures() -> None:
    outer = weft.vmap(lambda x: weft.vmap(lambda y: (x * y).sum())(X))(X)
    same(outer, X @ X.T)
    three = weft.vmap(weft.vmap(weft.vmap(lambda x: x * 2)))(Y)
    same(three, 2 * Y)
    same(
        weft.vmap(weft.grad(lambda x, w: (x * w).sum() ** 2, 1), (0, None))(X, X[0]),
        2 * (X @ X[0])[:, None] * X,
    )
    same(
        weft.grad(lambda w: weft.vmap(lambda x: (x * w).sum() ** 2)(X).sum())(X[0]),
        (2 * (X @ X[0])[:, None] * X).sum(0),
    )


def test_scalars_stay_weak() -> None:
    assert weft.vmap(lambda x, s: x * s, (0, None))(X.astype(np.float32), 2.0).dtype == np.float32


def test_empty_batches() -> None:
    assert weft.vmap(lambda x: x.sum())(np.zeros((0, 4))).shape == (0,)
    assert weft.vmap(lambda x: x @ x)(np.zeros((0, 4, 4))).shape == (0, 4, 4)


def test_axis_names_shadow() -> None:
    inner = weft.vmap(lambda x: lax.psum(x, "i"), axis_name="i")
    same(
        weft.vmap(inner, axis_name="i")(X),
        jax.jit(jax.vmap(jax.vmap(lambda x: jax.lax.psum(x, "i"), axis_name="i"), axis_name="i"))(X),
    )


@pytest.mark.parametrize(
    ("call", "error", "parts"),
    [
        (lambda: weft.vmap(lambda x: x, 2)(X), AxisError, ("in_axes has 2 for argument x of shape (3, 4)",)),
        (lambda: weft.vmap(lambda x: x, "a")(X), ArgumentError, ("in_axes has 'a' for argument x: an axis is an integer",)),
        (lambda: weft.vmap(lambda x: x, (0, 1))(X), ArgumentError, ("in_axes has 2 entries for 1 positional arguments",)),
        (lambda: weft.vmap(lambda x, y: x)(X, X.T), ShapeError, ("different batch sizes", "x of shape (3, 4) has 3")),
        (lambda: weft.vmap(lambda x: x, axis_size=5)(X), ShapeError, ("different batch sizes", "axis_size=5")),
        (lambda: weft.vmap(lambda x: x, None)(X), ArgumentError, ("needs an argument with a batch axis, or axis_size",)),
        (lambda: weft.vmap(lambda x: x, out_axes=None)(X), ArgumentError, ("out_axes is None for a result that depends",)),
        (lambda: weft.vmap(lambda x: x, out_axes=2)(X), AxisError, ("out_axes has 2 for a result with 2 axes",)),
        (lambda: weft.vmap(lambda x: x, out_axes=(0, 1))(X), ArgumentError, ("out_axes=(0, 1) does not match the result",)),
        (lambda: weft.vmap(lambda d: d["a"], ({"b": 0},))({"a": X}), ArgumentError, ("does not match the arguments",)),
        (lambda: weft.vmap(lambda x: x if x > 0 else -x)(X[0]), ConcretizationError, ("by vmap(<lambda>)", "numpy.where")),
        (lambda: weft.vmap(lambda x: lax.psum(x, "j"), axis_name="i")(X), ArgumentError, ("'j' is not bound", "(bound: 'i')")),
        (lambda: weft.vmap(lambda x: x)("s"), ArgumentError, ("is 's' of type builtins.str",)),
    ],
)  # fmt: skip
def test_errors(call: Any, error: type[Exception], parts: tuple[str, ...]) -> None:
    with pytest.raises(error) as caught:
        call()
    for part in (*parts, "test_vmap.py:"):
        assert part in str(caught.value)
