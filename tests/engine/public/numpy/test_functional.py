"""Functions of functions against NumPy's, eagerly, compiled and differentiated."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import weft
import weft.numpy as wnp
from weft.errors import ArgumentError, AxisError, ShapeError

RNG = np.random.default_rng(0)
A, B, V = RNG.normal(size=(2, 3, 4)), RNG.normal(size=(3, 4)), RNG.normal(size=4)

CASES: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {
    "scalars": (lambda np_, x, y: np_.vectorize(lambda a, b: a * b + 1)(x, y), (A, B)),
    "broadcast": (lambda np_, x, y: np_.vectorize(lambda a, b: a - b)(x[..., :1], y), (A, V)),
    "no loop": (lambda np_, x: np_.vectorize(lambda a: a * 2)(x), (np.float64(3),)),
    "two results": (lambda np_, x: np_.vectorize(lambda a: (a, a * a))(x), (B,)),
    "core": (
        lambda np_, m, v: np_.vectorize(lambda m, v: m @ v, signature="(m,n),(n)->(m)")(m, v),
        (A, B[:2]),
    ),
    "core of a result": (
        lambda np_, v: np_.vectorize(lambda v: (np_.outer(v, v), np_.sum(v)), signature="(n)->(n,n),()")(v),
        (B,),
    ),
    "shared": (lambda np_, m, v: np_.vectorize(np_.dot, signature="(n),(n)->()")(m, v), (A, V)),
    "excluded": (
        lambda np_, x: np_.vectorize(lambda a, power, scale=1.0: a**power * scale, excluded=(1, "scale"))(
            x, 3, scale=2.0
        ),
        (B,),
    ),
    "along to a scalar": (lambda np_, x: np_.apply_along_axis(np_.sum, 1, x), (A,)),
    "along to a vector": (lambda np_, x: np_.apply_along_axis(lambda v: v[::-1] * 2, -1, x), (A,)),
    "along to a matrix": (
        lambda np_, x: np_.apply_along_axis(lambda v, k: np_.outer(v, v) * k, 0, x, 3.0),
        (A,),
    ),
    "along a vector": (lambda np_, x: np_.apply_along_axis(lambda v: v[1:] - v[:-1], 0, x), (V,)),
    "over": (lambda np_, x: np_.apply_over_axes(np_.sum, x, (0, -1)), (A,)),
    "over one": (lambda np_, x: np_.apply_over_axes(np_.cumsum, x, (1,)), (A,)),
}


@pytest.mark.parametrize("name", CASES)
def test_agrees_with_numpy(name: str) -> None:
    fun, args = CASES[name]
    expected = fun(np, *args)
    for found in (fun(wnp, *args), weft.jit(lambda *args: fun(wnp, *args))(*args)):
        assert isinstance(found, tuple) == isinstance(expected, tuple)
        for a, b in zip(*(x if isinstance(x, tuple) else (x,) for x in (found, expected)), strict=True):
            assert a.shape == b.shape
            np.testing.assert_allclose(a, b, rtol=1e-12)


@pytest.mark.parametrize("name", CASES)
def test_gradients_agree_with_jax(name: str) -> None:
    fun, args = CASES[name]

    def total(np_: Any) -> Callable[..., Any]:
        def summed(*args: Any) -> Any:
            out = fun(np_, *args)
            return sum(np_.sum(np_.sin(x)) for x in (out if isinstance(out, tuple) else (out,)))

        return summed

    expected = jax.jit(jax.grad(total(jnp)))(*args)
    np.testing.assert_allclose(weft.grad(total(wnp))(*args), expected, rtol=1e-10)


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: wnp.vectorize(np.sin, signature="(n->n)"), ArgumentError, "'(n->n)' is no signature"),
        (lambda: wnp.vectorize(abs, signature="(n)->(n)")(B, B), ArgumentError, "for 1 arguments, but got 2"),
        (lambda: wnp.vectorize(lambda a: wnp.stack([a, a]))(V), ShapeError, r"shape \(2,\) for scalars; pass its sig"),
        (
            lambda: wnp.vectorize(wnp.dot, signature="(n),(n)->()")(A, V[:3]),
            ShapeError,
            "argument 1 of dot has 3 for the core dimension n, which is 4 elsewhere",
        ),
        (
            lambda: wnp.vectorize(lambda v: v, signature="(n)->()")(B),
            ShapeError,
            r"has shape \(4,\), its core dimensions are \(\)",
        ),
        (lambda: wnp.vectorize(wnp.dot, signature="(n),(n)->()")(1.0, V), ShapeError, "its core dimensions"),
        (lambda: wnp.apply_along_axis(wnp.sum, 3, A), AxisError, "axis 3"),
        (lambda: wnp.apply_over_axes(lambda x, a: x[0, 0], A, 0), ShapeError, "gave an array of 1 axes for one of 3"),
    ],
)  # fmt: skip
def test_mistakes(call: Callable[[], Any], error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text.replace("(n->n)", r"\(n->n\)")):
        call()
