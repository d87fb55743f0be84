"""`jacfwd`, `jacrev`, `hessian`, `hvp` against JAX: arguments, trees, aux, complex, composition."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import weft
import weft.numpy as wnp
from weft.errors import ArgumentError, GradientError

X = np.array([0.3, -1.2, 2.0])
W = np.arange(6.0).reshape(2, 3) - 2


def same(ours: Any, theirs: Any) -> None:
    """Equal trees of arrays."""
    ours, theirs = jax.tree.leaves(jax.tree.map(np.asarray, ours)), jax.tree.leaves(theirs)
    assert [a.shape for a in ours] == [b.shape for b in theirs]
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-11, atol=1e-12)


def layer(lib: Any) -> Any:
    """Two results of a matrix and a vector."""
    return lambda w, x: {"h": lib.tanh(w @ x), "s": (w * w).sum() * x}


@pytest.mark.parametrize("name", ["jacfwd", "jacrev"])
@pytest.mark.parametrize("argnums", [0, 1, (0, 1), (1,)])
def test_jacobians(name: str, argnums: Any) -> None:
    ours, theirs = (getattr(lib, name)(layer(np_), argnums)(W, X) for lib, np_ in ((weft, wnp), (jax, jnp)))
    assert isinstance(ours["h"], tuple) == isinstance(argnums, tuple)
    same(ours, theirs)
    same(weft.jit(getattr(weft, name)(layer(wnp), argnums))(W, X), theirs)


@pytest.mark.parametrize("name", ["jacfwd", "jacrev"])
def test_trees_aux_and_scalars(name: str) -> None:
    def f(tree: Any) -> Any:
        return tree["a"] * tree["b"].sum(), tree["b"]

    tree = {"a": X, "b": W}
    full, aux = getattr(weft, name)(f, has_aux=True)(tree)
    same(full, getattr(jax, name)(lambda t: f(t)[0])(tree))
    assert aux.tolist() == W.tolist()
    assert getattr(weft, name)(lambda x: x * x)(3.0).shape == ()


@pytest.mark.parametrize("name", ["jacfwd", "jacrev"])
def test_holomorphic(name: str) -> None:
    z = X + 1j * X[::-1]
    same(getattr(weft, name)(lambda z: wnp.exp(z) * z.sum(), holomorphic=True)(z), getattr(jax, name)(lambda z: jnp.exp(z) * z.sum(), holomorphic=True)(z))  # fmt: skip  # noqa: E501


def test_hessian_and_its_products() -> None:
    def f(lib: Any) -> Any:
        return lambda x: lib.sin(x[0] * x[1]) * x[2] + (x**4).sum()

    hessian = weft.hessian(f(wnp))(X)
    same(hessian, jax.jit(jax.hessian(f(jnp)))(X))
    same(weft.hvp(f(wnp), (X,), (X,)), np.asarray(hessian) @ X)
    same(
        weft.vmap(weft.hessian(f(wnp)))(np.stack([X, 2 * X])),
        jax.jit(jax.vmap(jax.hessian(f(jnp))))(np.stack([X, 2 * X])),
    )
    trees = weft.hessian(lambda t: t["a"] ** 2 * t["b"].sum())({"a": 2.0, "b": X})
    same(trees, jax.jit(jax.hessian(lambda t: t["a"] ** 2 * t["b"].sum()))({"a": 2.0, "b": X}))


def test_errors() -> None:
    with pytest.raises(GradientError, match=r"jacfwd needs floating inputs, but .* has dtype int64"):
        weft.jacfwd(lambda x: x)(np.arange(3))
    with pytest.raises(
        ArgumentError, match=r"jacrev of <lambda> with argnums=1, but the call has 1 positional"
    ):
        weft.jacrev(lambda x: x, 1)(X)


@pytest.mark.parametrize("transform", [lambda f: f, weft.jit])
def test_integers_are_allowed_where_one_says_so(transform: Any) -> None:
    x, i = np.array([0.5, 1.0, 2.0]), np.arange(3)
    rows = transform(weft.jacrev(lambda x, i: {"a": x * i, "b": x.sum()}, (0, 1), allow_int=True))(x, i)
    np.testing.assert_array_equal(rows["a"][0], np.diag(i))
    np.testing.assert_array_equal(rows["b"][0], np.ones(3))
    assert [(rows[k][1].shape, rows[k][1].dtype) for k in "ab"] == [
        ((3, 3), jax.dtypes.float0),
        ((3,), jax.dtypes.float0),
    ]
