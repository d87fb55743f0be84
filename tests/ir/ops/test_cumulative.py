"""Running folds at their edges: ties, zeros, infinities, NaN; derivatives against JAX up to the third."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
import pytest
from jax import lax

from tests.ir.ops.rule_checks import check_derivatives, trace
from weft.ir.builder import build, type_of_value
from weft.ir.errors import AxisError, DTypeError, GradientError, ShapeError
from weft.ir.interpret import evaluate
from weft.ir.ops import cumulative as c
from weft.ir.passes.jvp import jvp
from weft.ir.passes.transpose import transpose


def directional(fun: Any, x: np.ndarray, ts: list[np.ndarray]) -> Any:
    """The derivative along each of ``ts`` in turn."""
    graph = trace(fun, x)
    for t in ts:
        both = jvp(graph, (True,) + (False,) * (len(graph.ins) - 1))
        graph = build(lambda *v, both=both: evaluate(both, *v)[1:], [*graph.in_types, type_of_value(t)])
    return evaluate(graph, x, *ts)[0]


def jax_directional(fun: Any, x: np.ndarray, ts: list[np.ndarray]) -> Any:
    for t in ts:
        fun = lambda v, fun=fun, t=t: jax.jvp(fun, (v,), (t,))[1]  # noqa: E731
    return jax.jit(fun)(x)


@pytest.mark.parametrize("order", [0, 1, 2, 3])
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("name", ["cumsum", "cumprod", "cummax", "cummin", "cumlogsumexp"])
def test_values_and_derivatives_are_jax_s(name: str, reverse: bool, order: int) -> None:
    rng = np.random.default_rng(order)
    for dims, axis in [((6,), 0), ((3, 4), 1), ((1, 2), 0)]:
        x = rng.normal(size=dims)
        if name == "cumprod":
            x.flat[:2] = 0
        ts = [rng.normal(size=dims) for _ in range(order)]
        found = directional(lambda v, axis=axis: getattr(c, name)(v, axis, reverse=reverse), x, ts)
        expected = jax_directional(lambda v, axis=axis: getattr(lax, name)(v, axis, reverse=reverse), x, ts)
        np.testing.assert_allclose(found, expected, atol=1e-12)


def test_ties_share() -> None:
    x, t = np.array([1.0, 1.0, 0.0, 2.0]), np.array([1.0, 3.0, 100.0, 7.0])
    np.testing.assert_array_equal(directional(lambda v: c.cummax(v, 0), x, [t]), [1, 2, 2, 7])
    np.testing.assert_array_equal(directional(lambda v: c.cummin(v, 0), x, [t]), [1, 2, 100, 100])


def test_nan_stays() -> None:
    x = np.array([1.0, np.nan, 3.0])
    np.testing.assert_array_equal(c.cummax(x, 0), [1, np.nan, np.nan])
    np.testing.assert_array_equal(c.cummin(x, 0, reverse=True), [np.nan, np.nan, 3])


def test_infinite_log_sums_have_finite_derivatives() -> None:
    x = np.array([-np.inf, -np.inf, 0.0, np.inf, 1.0])
    np.testing.assert_array_equal(c.cumlogsumexp(x, 0), [-np.inf, -np.inf, 0, np.inf, np.inf])
    found = directional(lambda v: c.cumlogsumexp(v, 0), x, [np.ones(5)])
    np.testing.assert_array_equal(found, [0, 0, 1, 1, 1])


def test_recurrence_derivatives_with_zero_factors() -> None:
    a, b = np.array([[0.5, 0.0, -2.0, 1.5]]), np.ones((1, 4))
    for reverse in (False, True):
        check_derivatives(lambda a, b, r=reverse: c.linear_recurrence(a, b, 1, reverse=r), a, b)


def test_errors() -> None:
    x = np.ones((2, 3))
    with pytest.raises(AxisError, match=r"cumsum of f64\[2,3\] got axis 2"):
        trace(lambda v: c.cumsum(v, 2), x)
    with pytest.raises(DTypeError, match="cumlogsumexp does not accept dtype int64"):
        trace(lambda v: c.cumlogsumexp(v, 0), np.arange(3))
    with pytest.raises(ShapeError, match="linear_recurrence needs factors and terms of one shape"):
        trace(lambda a, b: c.linear_recurrence(a, b, 0), x, x[0])
    with pytest.raises(DTypeError, match="linear_recurrence needs factors and terms of one floating dtype"):
        trace(lambda a, b: c.linear_recurrence(a, b, 0), x, x.astype(np.float32))
    with pytest.raises(GradientError, match="linear_recurrence is not linear in its factors"):
        transpose(trace(lambda a, b: c.linear_recurrence(a, b, 0), x, x), (True, False))
