"""`closure_convert` and `custom_gradient`, compared with JAX's."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import jax
import numpy as np
import pytest

import weft
from weft.errors import GradientError


@pytest.fixture(autouse=True)
def _wide():
    with jax.enable_x64(True):
        yield


def _fixed_point_slope(m: ModuleType, wrap: Any) -> Any:
    """The gradient through a custom_vjp function that is given a closure over what is differentiated."""

    def apply(fun: Any, x: Any) -> Any:
        converted, consts = m.closure_convert(fun, x)
        return inner(converted, x, *consts)

    def inner(converted: Any, x: Any, *consts: Any) -> Any:
        run = m.custom_vjp(lambda x, *c: converted(x, *c))

        def backward(kept: Any, ct: Any) -> Any:
            _, pull_back = m.vjp(lambda x, *c: converted(x, *c), *kept)
            return tuple(3 * g for g in pull_back(ct))  # three times the derivative, so as to be recognised

        run.defvjp(lambda x, *c: (converted(x, *c), (x, *c)), backward)
        return run(x, *consts)

    def loss(a: Any) -> Any:
        return apply(lambda x: m.numpy.sin(x * a["w"]) + m.numpy.ones(2) * a["b"], 2.0).sum()

    return wrap(m)(m.grad(loss))({"w": m.numpy.arange(2.0), "b": 0.5})


@pytest.mark.parametrize("wrap", [lambda m: lambda f: f, lambda m: m.jit], ids=["eager", "jit"])
def test_closed_over_values_become_arguments(wrap: Any) -> None:
    found, wanted = _fixed_point_slope(weft, wrap), _fixed_point_slope(jax, wrap)
    for name in ("w", "b"):
        np.testing.assert_allclose(found[name], wanted[name])


def test_what_nothing_traces_stays_where_it_is() -> None:
    shift = weft.numpy.ones(2)
    converted, consts = weft.closure_convert(lambda x: x + shift, 1.0)
    assert consts == []
    np.testing.assert_array_equal(converted(2.0), [3.0, 3.0])
    with pytest.raises(GradientError, match="was converted for arguments of structure"):
        converted((1.0, 2.0))


def _clipped(m: ModuleType) -> Any:
    @m.custom_gradient
    def clipped(x: Any, y: Any) -> Any:
        s = m.numpy.sin(x)  # used by the rule, which is made when the function is called
        return s * y["k"], lambda ct: (m.numpy.clip(ct * s, -0.5, 0.5), {"k": m.numpy.sum(ct) * 7})

    return clipped


def test_a_function_that_returns_its_rule() -> None:
    def cases(m: ModuleType) -> list[Any]:
        f = _clipped(m)
        x, y = m.numpy.linspace(0.0, 2.0, 4), {"k": 2.0}
        total = lambda x, y: m.numpy.sum(f(x, y) ** 2)  # noqa: E731
        one = m.custom_gradient(lambda x: (x**2, lambda ct: 5.0 * ct))
        return [
            f(x, y),
            m.grad(lambda x: f(x, y).sum())(x),
            m.jit(m.grad(total))(x, y),
            m.vmap(m.grad(f), (0, None))(x, y),
            m.grad(one)(3.0),
            m.jit(m.grad(lambda x: one(one(x))))(3.0),
            m.grad(m.grad(lambda x: f(x, y)))(0.1),
        ]

    for found, wanted in zip(cases(weft), cases(jax), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-12)
