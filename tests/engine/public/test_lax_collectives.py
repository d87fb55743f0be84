"""Collectives of `weft.lax` against JAX's, under vmap, jit and derivatives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import pytest
from jax import lax as jl

import weft
from weft import lax as wl
from weft.errors import ArgumentError, AxisError, ShapeError

_rng = np.random.RandomState(5)
X = _rng.randn(3, 4)
CUBE = _rng.randn(3, 6, 3)  # three examples of shape (6, 3)


def close(ours: Any, theirs: Any) -> None:
    ours, theirs = jax.tree.leaves(jax.tree.map(np.asarray, ours)), jax.tree.leaves(theirs)
    for a, b in zip(ours, map(np.asarray, theirs), strict=True):
        assert (a.dtype, a.shape) == (b.dtype, b.shape)
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12)


CASES: dict[str, Callable[..., Any]] = {
    "psum": lambda lax, x: lax.psum(x, "i"),
    "psum of a constant": lambda lax, x: x * lax.psum(1, "i"),
    "psum of a tree": lambda lax, x: lax.psum({"a": x, "b": 2 * x}, "i"),
    "pmean": lambda lax, x: lax.pmean(x, "i"),
    "axis_index": lambda lax, x: (x * lax.axis_index("i"), lax.axis_index("i")),
    "axis_size": lambda lax, x: x * lax.axis_size("i"),
    "all_gather": lambda lax, x: lax.all_gather(x, "i", axis=1) * x[:, None],
    "all_gather at the end": lambda lax, x: lax.all_gather(x, "i", axis=-1) * x[0, 0],
    "all_gather tiled": lambda lax, x: lax.all_gather(x, "i", axis=1, tiled=True) * x[:, :1],
    "all_to_all": lambda lax, x: lax.all_to_all(x, "i", 1, 0),
    "all_to_all of a tree": lambda lax, x: lax.all_to_all((x, 2 * x), "i", 1, 1),
    "all_to_all tiled": lambda lax, x: lax.all_to_all(x, "i", 0, 1, tiled=True),
    "all_to_all tiled back": lambda lax, x: lax.all_to_all(x, "i", 1, 0, tiled=True),
    "all_to_all tiled in place": lambda lax, x: lax.all_to_all(x, "i", 0, 0, tiled=True),
    "pswapaxes": lambda lax, x: lax.pswapaxes(x, "i", 1),
    "psum_scatter": lambda lax, x: lax.psum_scatter(x, "i", scatter_dimension=1),
    "psum_scatter tiled": lambda lax, x: lax.psum_scatter(x, "i", tiled=True),
    "ppermute": lambda lax, x: lax.ppermute(x, "i", [(0, 1), (1, 2), (2, 0)]),
    "pshuffle": lambda lax, x: lax.pshuffle(x, "i", [2, 0, 1]),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_values_and_derivatives(name: str) -> None:
    fun = CASES[name]

    def both(lib: Any, lax: Any) -> Any:
        mapped = lib.vmap(lambda x: fun(lax, x), axis_name="i")

        def squares(x: Any) -> Any:
            return sum((leaf * leaf).sum() for leaf in jax.tree.leaves(mapped(x)))

        slope = lib.grad(squares)
        return lambda x: (mapped(x), slope(x), lib.jvp(slope, (x,), (x * x,))[1])

    wanted = jax.jit(both(jax, jl))(CUBE)
    close(both(weft, wl)(CUBE), wanted)
    close(weft.jit(both(weft, wl))(CUBE), wanted)


@pytest.mark.parametrize(
    "name", ["all_to_all", "all_to_all tiled", "psum_scatter tiled", "ppermute", "pshuffle", "all_gather"]
)
def test_beside_another_axis(name: str) -> None:
    """Batched over another axis, outside and inside of the named one."""
    x = _rng.randn(2, *CUBE.shape)

    def outside(lib: Any, lax: Any) -> Any:
        return lib.vmap(lib.vmap(lambda x: CASES[name](lax, x), axis_name="i"))(x)

    def inside(lib: Any, lax: Any) -> Any:
        one = lib.vmap(lambda x: CASES[name](lax, x), in_axes=-1, out_axes=-1)
        return lib.vmap(one, axis_name="i")(np.moveaxis(x, 0, -1))

    close(outside(weft, wl), outside(jax, jl))
    close(inside(weft, wl), inside(jax, jl))


def test_over_two_axes() -> None:
    def nested(lib: Any, lax: Any) -> Callable[..., Any]:
        def one(x: Any) -> Any:
            return x * lax.psum(x * x, ("i", "j"))

        return lib.vmap(lib.vmap(one, axis_name="j"), axis_name="i")

    close(nested(weft, wl)(X), nested(jax, jl)(X))
    ours = weft.grad(lambda x: (nested(weft, wl)(x) * X**2).sum())(X)
    close(ours, jax.jit(jax.grad(lambda x: (nested(jax, jl)(x) * X**2).sum()))(X))
    gathered = weft.vmap(weft.vmap(lambda x: wl.all_gather(x, ("j", "i")), axis_name="j"), axis_name="i")(X)
    close(gathered, np.broadcast_to(X.T.ravel(), (3, 4, 12)))
    positions = weft.vmap(weft.vmap(lambda x: wl.axis_index(("i", "j")), axis_name="j"), axis_name="i")(X)
    np.testing.assert_array_equal(np.asarray(positions), np.arange(12).reshape(3, 4))
    means = weft.vmap(weft.vmap(lambda x: wl.pmean(x, ("j", "i")), axis_name="j"), axis_name="i")(X)
    close(means, np.full(X.shape, X.mean()))
    sizes = weft.vmap(weft.vmap(lambda x: x * wl.axis_size(("i", "j")), axis_name="j"), axis_name="i")(X)
    close(sizes, 12 * X)


@pytest.mark.parametrize("name", ["pmax", "pmin"])
def test_extrema(name: str) -> None:
    def both(lib: Any, lax: Any) -> Any:
        return lib.vmap(lambda x: x - getattr(lax, name)(x, "i"), axis_name="i")

    close(both(weft, wl)(X), both(jax, jl)(X))
    chosen = X == getattr(X, name[1:])(0)
    slope = weft.grad(lambda x: weft.vmap(lambda x: getattr(wl, name)(x, "i"), axis_name="i")(x).sum())(X)
    close(slope, 3.0 * chosen)


def test_permutation_of_some() -> None:
    def mapped(x: Any) -> Any:
        return weft.vmap(lambda x: x + wl.ppermute(x * x, "i", [(2, 0), (0, 2)]), axis_name="i")(x)

    close(mapped(X), X + np.stack([X[2] ** 2, 0 * X[1], X[0] ** 2]))
    close(weft.grad(lambda x: mapped(x).sum())(X), 1 + np.stack([2 * X[0], 0 * X[1], 2 * X[2]]))
    same = weft.vmap(lambda x: x + wl.ppermute(X[0], "i", [(0, 1)]), axis_name="i")(X)
    close(same, X + np.stack([0 * X[0], X[0], 0 * X[0]]))


def test_what_is_no_example_belongs_to_each() -> None:
    def mapped(fun: Callable[[Any], Any]) -> Any:
        return weft.vmap(lambda x: x + fun(CUBE[0, :3]), axis_name="i")(0 * X[:, :3])

    close(mapped(lambda c: wl.all_gather(c[0], "i")), np.broadcast_to(CUBE[0, 0], (3, 3, 3)))
    close(mapped(lambda c: wl.pswapaxes(c, "i", 0)), np.stack([np.stack([row] * 3) for row in CUBE[0, :3]]))
    close(mapped(lambda c: wl.psum_scatter(c, "i")), 3 * CUBE[0, :3])


def test_scattered_sums_beside_another_axis() -> None:
    x = _rng.randn(2, 3, 3)
    one = weft.vmap(lambda x: wl.psum_scatter(x, "i"), axis_name="i")
    close(weft.vmap(one)(x), x.sum(1))
    close(weft.vmap(lambda x: wl.psum_scatter(x, "i"), 1, axis_name="i")(x.sum(0)), x.sum(0).sum(1))


def test_one_example_for_all() -> None:
    mapped = weft.vmap(lambda x: wl.pbroadcast(x, "i", 1), axis_name="i")
    close(mapped(X), np.stack([X[1]] * 3))
    close(weft.grad(lambda x: (mapped(x) * X).sum())(X), np.stack([0 * X[0], X.sum(0), 0 * X[0]]))


def _mapped(fun: Callable[[Any], Any]) -> Any:
    return weft.vmap(fun, axis_name="i")(CUBE)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: wl.psum(X, "k"), ArgumentError, r"axis name 'k' is not bound by an enclosing vmap \(bound: none\)"),
        (lambda: _mapped(lambda x: wl.psum(x, "i", axis_index_groups=[[0, 1]])), ArgumentError, r"psum got axis_index_groups"),
        (lambda: _mapped(lambda x: wl.all_to_all(x, "i", 0, 0)), ShapeError, r"over 'i' needs 3 elements along axis 0"),
        (lambda: _mapped(lambda x: wl.all_to_all(x[:4], "i", 0, 0, tiled=True)), ShapeError, r"needs a multiple of 3 elements"),
        (lambda: _mapped(lambda x: wl.all_to_all(x, ("i", "j"), 1, 1)), ArgumentError, r"goes along one axis, got 2 names"),
        (lambda: _mapped(lambda x: wl.psum_scatter(x, "i", scatter_dimension=4)), AxisError, r"psum_scatter got axis 4"),
        (lambda: _mapped(lambda x: wl.ppermute(x, "i", [(0, 1), (0, 2)])), ArgumentError, r"perm=\[\(0, 1\), \(0, 2\)\] for 3"),
        (lambda: _mapped(lambda x: wl.ppermute(x, "i", [(0, 3)])), ArgumentError, r"lax\.ppermute got perm"),
        (lambda: _mapped(lambda x: wl.pshuffle(x, "i", [0, 1])), ArgumentError, r"no permutation of 3 examples"),
        (lambda: _mapped(lambda x: wl.pbroadcast(x, "i", 3)), ArgumentError, r"got source 3 for 3 examples"),
    ],
)  # fmt: skip
def test_errors(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()


@pytest.mark.parametrize("wrap", [lambda f: f, weft.jit])
def test_gradients_inside_of_the_mapped_function(wrap):
    # The cotangent, one, is the same for all examples: its sum over the axis is the axis's length.
    def slope(x):
        return weft.grad(lambda y: wl.psum(y**2, "i"))(x), weft.grad(lambda y: wl.pmean(y**2, "i"))(x)

    of_sum, of_mean = wrap(weft.vmap(slope, axis_name="i"))(np.arange(3.0))
    np.testing.assert_allclose(of_sum, 6 * np.arange(3.0))
    np.testing.assert_allclose(of_mean, 2 * np.arange(3.0))
