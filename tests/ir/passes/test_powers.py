"""Powers of an integer and a half: the values of C's power, at what is special and elsewhere, and its derivatives."""

from __future__ import annotations

import numpy as np
import pytest

import weft
import weft.numpy as wnp
from weft.ir.builder import build
from weft.ir.graph import Graph
from weft.ir.interpret import evaluate
from weft.ir.ops import elementwise as e
from weft.ir.passes.powers import lower_powers
from weft.ir.types import ArrayType

EXPONENTS = [-2.5, -1.5, -0.5, 0.5, 1.5, 2.5]
SPECIAL = [0.0, -0.0, 1.0, -1.0, -2.5, np.inf, -np.inf, np.nan, 4.0, 1e-30, 1e30, 5e-324, 1e-310]


def power(exponent: float, dtype: object, n: int) -> Graph:
    """``x ** exponent`` of a vector."""
    type_ = ArrayType((n,), np.dtype(dtype))
    return build(lambda x: [e.power(x, e.full_like(x, exponent))], [type_])


def named(graph: Graph) -> set[str]:
    return {eqn.prim.name for eqn in graph.eqns}


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("exponent", EXPONENTS)
def test_values_are_those_of_the_power(exponent: float, dtype: str) -> None:
    rng = np.random.default_rng(3)
    with np.errstate(all="ignore"):
        x = np.concatenate([SPECIAL, np.exp(rng.uniform(-30, 30, 2000))]).astype(dtype)
        graph = power(exponent, dtype, x.size)
        lowered = lower_powers(graph)
        (got,) = evaluate(lowered, x)
        exact = np.power(x.astype(np.longdouble), np.longdouble(exponent))
        want = exact.astype(dtype)
    assert "pow" not in named(lowered)
    np.testing.assert_array_equal(np.isnan(got), np.isnan(want))
    np.testing.assert_array_equal(np.isinf(got), np.isinf(want))
    small = np.abs(want) < np.finfo(dtype).tiny  # what is out of range on the way gives 0
    usual = np.isfinite(want) & ~small
    apart = np.abs(got[usual] - exact[usual]) / np.spacing(np.abs(want[usual]))
    assert apart.max() <= (2 if exponent > -2 else 2.5)
    np.testing.assert_allclose(got[small], want[small], atol=np.finfo(dtype).tiny)
    np.testing.assert_array_equal(np.signbit(got[want == 0]), False)


@pytest.mark.parametrize("exponent", [0.25, 3.5, 1 / 3, 2.0, np.inf, np.nan, -0.75])
def test_other_exponents_stay(exponent: float) -> None:
    assert "pow" in named(lower_powers(power(exponent, "f8", 3)))


@pytest.mark.parametrize("dtype", ["f2", "c16"])
def test_other_dtypes_stay(dtype: str) -> None:
    assert "pow" in named(lower_powers(power(1.5, dtype, 3)))


def test_exponents_that_are_not_known_stay() -> None:
    type_ = ArrayType((3,), np.dtype("f8"))
    assert "pow" in named(lower_powers(build(lambda x, y: [e.power(x, y)], [type_, type_])))


def test_it_is_idempotent_and_goes_into_loops() -> None:
    def steps(x: wnp.ndarray) -> wnp.ndarray:
        return weft.lax.fori_loop(0, 3, lambda _, x: x**1.5 + 1, x)

    graph = lower_powers(weft.make_graph(steps, return_shape=False)(wnp.ones(2)))
    assert lower_powers(graph) is graph
    assert "pow" not in str(graph)
    np.testing.assert_allclose(weft.jit(steps)(wnp.ones(2)), steps(wnp.ones(2)), rtol=1e-14)


@pytest.mark.parametrize("exponent", EXPONENTS)
def test_derivatives_are_those_of_the_power(exponent: float) -> None:
    x = np.array([0.5, 2.0, 3.7])
    first = weft.jit(weft.vmap(weft.grad(lambda x: x**exponent)))(x)
    np.testing.assert_allclose(first, exponent * x ** (exponent - 1), rtol=1e-14)
    second = weft.jit(weft.vmap(weft.grad(weft.grad(lambda x: x**exponent))))(x)
    np.testing.assert_allclose(second, exponent * (exponent - 1) * x ** (exponent - 2), rtol=1e-14)


def test_the_derivative_at_zero_is_a_number() -> None:
    assert weft.jit(weft.grad(lambda x: x**1.5))(0.0) == 0.0
    assert weft.jit(weft.grad(lambda x: x**2.5))(0.0) == 0.0
