"""Reductions of columns: passes that do little with an element take several rows at once, with the values they would have."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tests.kernels.compiled import compile_function
from tests.kernels.fused import nests, run_fused
from weft.ir.builder import build
from weft.ir.interpret import evaluate
from weft.ir.loops.nest import Load, Loop, Nest
from weft.ir.ops import elementwise as e
from weft.ir.ops import reduce as r
from weft.ir.ops import shape as s
from weft.ir.ops import transcendental as t
from weft.ir.passes.fuse import fuse
from weft.ir.types import ArrayType
from weft.kernels.schedule.columns import TOGETHER


def _graph(fun: Callable[..., Any], x: np.ndarray) -> Any:
    return build(lambda x: [fun(x)], [ArrayType(x.shape, x.dtype)])


def _computed(fun: Callable[..., Any], x: np.ndarray) -> np.ndarray:
    """What the function computes as machine code."""
    return compile_function(lambda x: [fun(x)], x)(x)[0]


def _most_loads(nest: Nest, buffer: str = "b0") -> int:
    """The loads of a buffer in the loop that has the most of them."""

    def loops(body: tuple[Any, ...]) -> list[int]:
        here = sum(isinstance(one, Load) and one.buffer == buffer for one in body)
        return [here, *(n for one in body if isinstance(one, Loop) for n in loops(one.body))]

    return max(loops(nest.body))


def _spread(x: Any) -> Any:
    mean = e.div(
        r.reduce_sum(x, (1,)), s.broadcast(np.array(x.shape[1], x.dtype), (x.shape[0], x.shape[2]), ())
    )
    apart = e.sub(x, s.broadcast(mean, x.shape, (0, 2)))
    return r.reduce_sum(e.mul(apart, apart), (1,))


LIGHT = {
    "sum": (lambda x: r.reduce_sum(x, (1,)), "f4"),
    "prod": (lambda x: r.reduce_prod(x, (1,)), "f8"),
    "largest integer": (lambda x: r.reduce_max(x, (1,)), "i4"),
    "any": (lambda x: r.reduce_or(x, (1,)), "?"),
    "16-bit sum": (lambda x: r.reduce_sum(x, (1,)), "f2"),
    "two passes": (_spread, "f8"),
}
HEAVY = {
    "any number": (lambda x: r.reduce_or(e.ne(x, s.broadcast(np.array(0.0), x.shape, ())), (1,)), "f8"),
    "largest float": (lambda x: r.reduce_max(x, (1,)), "f4"),
    "exponentials": (lambda x: r.reduce_sum(t.exp(x), (1,)), "f4"),
}


def _numbers(height: int, dtype: str) -> np.ndarray:
    return np.random.default_rng(height).normal(size=(3, height, 21), scale=2).astype(dtype)


@pytest.mark.parametrize("height", [2, TOGETHER - 1, TOGETHER, TOGETHER + 1, 3 * TOGETHER - 1, 50])
@pytest.mark.parametrize("name", [*LIGHT, *HEAVY])
def test_columns_of_any_height(name: str, height: int) -> None:
    fun, dtype = (LIGHT | HEAVY)[name]
    x = _numbers(height, dtype)
    graph = _graph(fun, x)
    (expected,) = evaluate(graph, x)
    for found in (run_fused(fuse(graph), x)[0], _computed(fun, x)):
        np.testing.assert_allclose(found, expected, rtol=2e-3 if dtype == "f2" else 1e-5, atol=1e-5)


@pytest.mark.parametrize("name", LIGHT)
def test_light_passes_take_several_rows_at_once(name: str) -> None:
    fun, dtype = LIGHT[name]
    assert any(_most_loads(nest) == TOGETHER for nest in nests(_graph(fun, _numbers(9, dtype))))


@pytest.mark.parametrize("name", HEAVY)
def test_other_passes_take_rows_one_by_one(name: str) -> None:
    fun, dtype = HEAVY[name]
    assert all(_most_loads(nest) == 1 for nest in nests(_graph(fun, _numbers(9, dtype))))


def test_rows_that_are_counted_from_their_index_are_apart() -> None:
    """A triangle is cut where its mask changes, which is another place in every row."""

    def lower(x: Any) -> Any:
        below = e.le(s.iota(np.dtype("i8"), x.shape, 2), s.iota(np.dtype("i8"), x.shape, 1))
        return r.reduce_sum(e.select(below, x, s.broadcast(np.array(0.0), x.shape, ())), (1,))

    x = _numbers(9, "f8")
    graph = _graph(lower, x)
    assert all(_most_loads(nest) == 1 for nest in nests(graph))
    np.testing.assert_allclose(_computed(lower, x), np.tril(x).sum(1))


def test_nan_and_infinity_come_through() -> None:
    x = _numbers(11, "f8")
    x[0, 5, 3], x[1, 10, 4] = np.nan, np.inf
    np.testing.assert_allclose(_computed(LIGHT["sum"][0], x), x.sum(1))
