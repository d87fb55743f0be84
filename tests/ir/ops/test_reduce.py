"""Reductions at their edges: no elements, ties, zeros, NaN, narrow dtypes."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.ir.ops.rule_checks import check_derivatives, trace
from weft.ir.errors import AxisError, DTypeError, ShapeError
from weft.ir.interpret import evaluate
from weft.ir.ops import reduce as r
from weft.ir.ops.elementwise import mul
from weft.ir.passes.jvp import jvp
from weft.ir.types import bfloat16


def tangent(fun: Any, x: np.ndarray, t: np.ndarray) -> Any:
    return evaluate(jvp(trace(fun, x), (True,)), x, t)[1]


def test_no_axes_is_the_array_itself() -> None:
    x = np.arange(3.0)
    assert r.reduce_sum(x, ()) is x


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.int64])
def test_logic_over_nothing(dtype: Any) -> None:
    nothing = np.zeros((0, 2), dtype)
    np.testing.assert_array_equal(r.reduce_and(nothing, (0,)), np.invert(np.zeros(2, dtype)))
    np.testing.assert_array_equal(r.reduce_or(nothing, (0,)), np.zeros(2, dtype))


@pytest.mark.parametrize("name", ["reduce_max", "reduce_min", "argmax", "argmin"])
def test_extremum_of_nothing(name: str) -> None:
    def fun(x: Any) -> Any:
        return getattr(r, name)(x, 1 if name.startswith("arg") else (1,))

    for run in (fun, lambda x: trace(fun, x)):
        with pytest.raises(ShapeError, match=rf"{name} of f64\[3,0\] over axes \(1,\): no elements have"):
            run(np.zeros((3, 0)))
    assert fun(np.zeros((0, 3))).shape == (0,)


def test_small_integers_keep_their_dtype() -> None:
    assert r.reduce_sum(np.full(3, 100, np.int8), (0,)) == np.int8(44)


@pytest.mark.parametrize("dtype", [np.float16, bfloat16])
def test_half_precision_sums_in_float32(dtype: Any) -> None:
    """A running sum in 16 bits would stop growing."""
    assert float(r.reduce_sum(np.ones(5000, dtype), (0,))) == float(np.asarray(5000, dtype))


def test_first_extremum_and_first_nan() -> None:
    x = np.array([1.0, 3, 3, 0, 0])
    assert (r.argmax(x, 0), r.argmin(x, 0)) == (1, 3)
    y = np.array([1.0, np.nan, 3, np.nan])
    assert (r.argmax(y, 0), r.argmin(y, 0)) == (1, 1)
    assert np.isnan(r.reduce_max(y, (0,)))


@pytest.mark.parametrize("name", ["max", "min", "prod"])
@pytest.mark.parametrize("axes", [(0,), (0, 2), (0, 1, 2)])
def test_derivatives_at_ties_and_zeros_are_jax_s(name: str, axes: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    x = rng.integers(-1, 2, (3, 5, 2)).astype(float)
    t = rng.normal(size=x.shape)
    found = tangent(lambda v: getattr(r, "reduce_" + name)(v, axes), x, t)
    expected = jax.jvp(jax.jit(lambda v: getattr(jnp, name)(v, axis=axes)), (x,), (t,))[1]
    np.testing.assert_allclose(found, expected, atol=1e-14)


@pytest.mark.parametrize("n", [0, 1, 2, 5, 8])
def test_product_with_zeros_to_second_order(n: int) -> None:
    x = np.random.default_rng(1).normal(size=(n, 2))
    x[: n // 2, 0] = 0
    check_derivatives(lambda v: mul(r.reduce_prod(v, (0,)), 3.0), x)


def test_the_graph_of_a_product_s_derivative_is_the_same_at_all_lengths() -> None:
    def names(n: int) -> list[str]:
        graph = jvp(trace(lambda v: r.reduce_prod(v, (0,)), np.ones(n)), (True,))
        return [eqn.prim.name for eqn in graph.eqns]

    assert names(2) == names(5) == names(64) and "div" not in names(5)


def test_errors() -> None:
    x = np.ones((2, 3))
    with pytest.raises(
        AxisError, match=r"reduce_sum of f64\[2,3\] needs distinct axes of 2 .* It got \(2,\)"
    ):
        trace(lambda v: r.reduce_sum(v, (2,)), x)
    with pytest.raises(AxisError, match=r"It got \(1, 1\)"):
        trace(lambda v: r.reduce_max(v, (1, 1)), x)
    with pytest.raises(
        DTypeError, match="reduce_and does not accept dtype float64: its argument must be logical"
    ):
        trace(lambda v: r.reduce_and(v, (0,)), x)
    with pytest.raises(DTypeError, match="argmax does not accept dtype complex128"):
        trace(lambda v: r.argmax(v, 0), x + 0j)
