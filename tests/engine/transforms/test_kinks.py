"""Derivatives where a function has none: at kinks and steps they are jax's, in both modes, but for a few that are listed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import weft
import weft.numpy as wnp

jax = pytest.importorskip("jax")
jax.config.update("jax_enable_x64", True)

X = np.array([-2.0, -1.0, -0.5, -0.0, 0.0, 0.5, 1.0, 1.0, 1.5, 2.0])

# Functions of x by a library, which has numpy, lax and nn.
SAME: dict[str, Callable[[Any, Any], Any]] = {
    "abs": lambda m, x: m.numpy.abs(x),
    "abs of complex": lambda m, x: m.numpy.abs(x + 0j),
    "fabs": lambda m, x: m.numpy.fabs(x),
    "sign": lambda m, x: m.numpy.sign(x) * x,
    "round": lambda m, x: m.numpy.round(x) * x,
    "floor, ceil, trunc": lambda m, x: m.numpy.floor(x) + x * m.numpy.ceil(x) - m.numpy.trunc(x),
    "maximum": lambda m, x: m.numpy.maximum(x, 0.0),
    "maximum of itself": lambda m, x: m.numpy.maximum(x, x),
    "minimum": lambda m, x: m.numpy.minimum(x, x[::-1]),
    "clip": lambda m, x: m.numpy.clip(x, -1.0, 1.0),
    "clamp": lambda m, x: m.lax.clamp(-1.0, x, 1.0),
    "max": lambda m, x: m.numpy.max(m.numpy.minimum(x, 1.0)) * x,
    "min of abs": lambda m, x: m.numpy.min(m.numpy.abs(x)) * x,
    "sort": lambda m, x: m.numpy.sort(m.numpy.abs(x)),
    "median": lambda m, x: m.numpy.median(x) * x,
    "top_k": lambda m, x: m.lax.top_k(x, 5)[0],
    "cummax": lambda m, x: m.lax.cummax(x),
    "relu": lambda m, x: m.nn.relu(x),
    "relu6": lambda m, x: m.nn.relu6(6 * x),
    "leaky_relu": lambda m, x: m.nn.leaky_relu(x),
    "elu": lambda m, x: m.nn.elu(x),
    "hard_tanh": lambda m, x: m.nn.hard_tanh(x),
    "mod": lambda m, x: x % 1.0,
    "copysign": lambda m, x: m.numpy.copysign(x, -1.0),
    "modf": lambda m, x: m.numpy.modf(x)[0],
    "norm 1": lambda m, x: m.numpy.linalg.norm(x, 1) * x,
    "abs of differences": lambda m, x: m.numpy.abs(m.numpy.diff(x)),
}


def derivatives(m: Any, f: Callable[[Any, Any], Any]) -> list[np.ndarray]:
    """The weighted gradient, and the tangent in the direction of ones."""
    weights = np.arange(1.0, 11.0)
    total = lambda x: (lambda y: m.numpy.sum(y * weights[: y.shape[0]]))(f(m, x))  # noqa: E731
    tangent = m.jvp(lambda x: f(m, x), (X,), (np.ones_like(X),))[1]
    return [np.asarray(m.grad(total)(X)), np.asarray(tangent)]


@pytest.mark.parametrize("name", SAME)
def test_kinks_are_as_in_jax(name: str) -> None:
    for found, wanted in zip(derivatives(weft, SAME[name]), derivatives(jax, SAME[name]), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-12)


OTHERS: dict[str, tuple[Callable[[Any, Any], Any], float, float]] = {
    "fmax shares, like maximum": (lambda m, x: m.numpy.fmax(x, 0.0), 0.0, 0.5),
    "a hypotenuse of 0 has slope 0": (lambda m, x: m.numpy.hypot(x, 0.0), 0.0, 0.0),
    "the power 0 is constant": (lambda m, x: x**0.0, 0.0, 0.0),
    "a function that is constant beyond a point is so at it": (
        lambda m, x: m.numpy.interp(x, np.array([0.0, 1.0]), np.array([0.0, 2.0])),
        1.0,
        0.0,
    ),
}


@pytest.mark.parametrize("name", OTHERS)
def test_kinks_that_are_not_as_in_jax(name: str) -> None:
    f, at, slope = OTHERS[name]
    assert float(weft.grad(lambda x: f(weft, x))(at)) == slope
    assert float(weft.jvp(lambda x: f(weft, x), (at,), (1.0,))[1]) == slope


@pytest.mark.parametrize(("low", "high"), [(-1.0, 1.0), (1.0, -1.0), (np.nan, 1.0), (-1.0, np.nan)])
def test_a_clamp_has_the_value_of_jax_traced_or_not(low: float, high: float) -> None:
    x = np.array([*X, np.nan, np.inf, -np.inf])
    wanted = np.asarray(jax.lax.clamp(low, x, high))
    np.testing.assert_array_equal(weft.lax.clamp(low, x, high), wanted)
    np.testing.assert_array_equal(weft.jit(lambda x: weft.lax.clamp(low, x, high))(x), wanted)
    assert weft.jit(lambda n: weft.lax.clamp(0, n, 3))(wnp.arange(-2, 6)).tolist() == [0, 0, 0, 1, 2, 3, 3, 3]
