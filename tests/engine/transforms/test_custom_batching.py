"""`custom_vmap`: the rule is what `vmap` runs, and the function is what all else sees; compared with JAX's."""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import Any

import jax
import numpy as np
import pytest

import weft
import weft.numpy as wnp
from weft.errors import ArgumentError, ShapeError


@pytest.fixture(autouse=True)
def _wide():
    with jax.enable_x64(True):
        yield


def _marked(m: ModuleType) -> tuple[Any, list[Any]]:
    """A function whose rule gives cosines where the function gives sines."""
    calls: list[Any] = []

    @importlib.import_module(f"{m.__name__}.custom_batching").custom_vmap
    def f(x: Any, d: Any) -> Any:
        return {"s": m.numpy.sin(x) * d["a"], "n": d["a"]}

    @f.def_vmap
    def rule(size: int, in_batched: Any, x: Any, d: Any) -> Any:
        calls.append((size, in_batched[0], in_batched[1]["a"]))
        return {"s": m.numpy.cos(x) * d["a"], "n": d["a"]}, {"s": True, "n": in_batched[1]["a"]}

    return f, calls


def _cases(m: ModuleType) -> Any:
    f, calls = _marked(m)
    x, two = m.numpy.arange(3.0), {"a": 2.0}
    inner = m.vmap(f, (0, None))
    found = [
        f(1.0, two),
        m.jit(f)(1.0, two),
        inner(x, two),
        m.jit(m.vmap(f))(x, {"a": x}),
        m.vmap(f, (None, 0))(1.0, {"a": x}),
        m.vmap(f, (1, None))(m.numpy.ones((2, 3)), two),
        m.vmap(m.jit(lambda y: f(y, two)["s"]))(x),
        m.grad(lambda x: inner(x, two)["s"].sum())(x),
        m.lax.scan(lambda c, _: (inner(c, two)["s"], None), x, None, length=2)[0],
    ]
    return found, calls


def test_the_rule_is_what_vmap_runs() -> None:
    (found, calls), (wanted, their_calls) = _cases(weft), _cases(jax)
    for ours, theirs in zip(found, wanted, strict=True):
        for a, b in zip(weft.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-12)
            assert np.shape(a) == np.shape(b)
    assert set(calls) >= set(their_calls)


def test_derivatives_are_those_of_the_function() -> None:
    f, _ = _marked(weft)
    slope = weft.grad(lambda x: f(x, {"a": 2.0})["s"])
    np.testing.assert_allclose(slope(1.0), 2 * np.cos(1.0))
    np.testing.assert_allclose(weft.jit(weft.grad(slope))(1.0), -2 * np.sin(1.0))
    np.testing.assert_allclose(weft.vmap(slope)(np.arange(3.0)), 2 * np.cos(np.arange(3.0)))


def test_mistakes_in_rules_are_named() -> None:
    custom = weft.custom_batching.custom_vmap

    def with_rule(rule: Any) -> Any:
        fun = custom(lambda x: wnp.sin(x))
        fun.def_vmap(rule)
        return weft.vmap(fun)

    x = np.arange(3.0)
    with pytest.raises(ArgumentError, match="without a rule"):
        weft.vmap(custom(lambda x: x))(x)
    with pytest.raises(ArgumentError, match="must return a pair"):
        with_rule(lambda n, b, x: x)(x)
    with pytest.raises(ArgumentError, match="they must be equal"):
        with_rule(lambda n, b, x: ((x, x), True))(x)
    with pytest.raises(ArgumentError, match="does not match out"):
        with_rule(lambda n, b, x: (x, (True, True)))(x)
    with pytest.raises(ShapeError, match=r"is f64\[2\], but the function gives f64\[\] and the batch has 3"):
        with_rule(lambda n, b, x: (x[:2], True))(x)
    with pytest.raises(ArgumentError, match="closes over a value that is being mapped"):

        def outer(y: Any) -> Any:
            fun = custom(lambda x: x * y)
            fun.def_vmap(lambda n, b, x: (x, True))
            return fun(2.0 * y)

        weft.vmap(outer)(x)
