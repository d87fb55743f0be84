"""Reroll: what tracing wrote out becomes a loop where that is one, with the same results."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from weft.ir.builder import build
from weft.ir.graph import Graph
from weft.ir.interpret import evaluate
from weft.ir.ops import elementwise as e
from weft.ir.ops.contract import dot_general
from weft.ir.ops.reduce import reduce_sum
from weft.ir.ops.shape import broadcast, concatenate, slice_
from weft.ir.passes.reroll import reroll
from weft.ir.types import FLOAT64, ArrayType
from weft.ir.verify import verify

V, M = ArrayType((6,), FLOAT64), ArrayType((6, 6), FLOAT64)
RNG = np.random.default_rng(0)


def turn(x: Any) -> Any:
    """The elements of a vector, one place on."""
    return concatenate([slice_(x, (1,), (6,)), slice_(x, (0,), (1,))], 0)


def share(x: Any) -> Any:
    return e.div(x, broadcast(reduce_sum(x, (0,)), (6,), ()))


def scans(graph: Graph) -> list[Any]:
    return [eqn for eqn in graph.eqns if eqn.prim.name == "scan"]


def rolled(fun: Callable[..., Any], *types: ArrayType) -> Graph:
    """Reroll ``fun``'s graph, and compare what it computes."""
    graph = build(lambda *v: list(fun(*v)), types)
    again = reroll(graph)
    verify(again)
    args = [RNG.uniform(0.5, 1.5, t.shape) for t in types]
    for got, wanted in zip(evaluate(again, *args), evaluate(graph, *args), strict=True):
        np.testing.assert_array_equal(got, wanted)
    return again


def one_carry(x: Any, k: Any, n: int) -> list[Any]:
    for _ in range(n):
        x = share(e.add(e.mul(turn(x), k), x))
    return [x]


def lagged(x: Any, k: Any, n: int) -> list[Any]:
    a = b = c = x
    for _ in range(n):
        a, b, c = share(e.add(turn(a), e.mul(c, k))), a, b
    return [a, b, c]


def made_before(x: Any, k: Any, n: int) -> list[Any]:
    factor = e.mul(k, k)
    for _ in range(n):
        x = share(e.add(e.mul(turn(x), factor), k))
    return [e.add(x, factor)]


@pytest.mark.parametrize("fun", [one_carry, lagged, made_before])
@pytest.mark.parametrize("n", [3, 40, 41, 100])
def test_loops_are_found(fun: Callable[..., Any], n: int) -> None:
    graph = rolled(lambda x, k: fun(x, k, n), V, V)
    assert len(scans(graph)) == (n > 3)
    if n > 3:
        assert len(graph.eqns) < 40


def test_what_is_left_does_not_grow() -> None:
    lengths = {len(rolled(lambda x, k, n=n: one_carry(x, k, n), V, V).eqns) for n in (50, 100, 400)}
    assert len(lengths) == 1


def test_two_loops_behind_one_another_and_loops_in_loops() -> None:
    def two(x: Any, k: Any) -> list[Any]:
        (x,) = one_carry(x, k, 40)
        for _ in range(60):
            x = e.sub(share(turn(x)), k)
        return [x]

    def nested(x: Any, k: Any) -> list[Any]:
        for _ in range(20):
            x = e.add(x, k)
            for _ in range(12):
                x = share(e.mul(turn(x), k))
        return [x]

    assert len(scans(rolled(two, V, V))) == 2
    graph = rolled(nested, V, V)
    assert len(graph.eqns) < 300


def test_products_are_loops() -> None:
    def power(a: Any, x: Any) -> list[Any]:
        for _ in range(150):
            x = dot_general(a, x, (((1,), (0,)), ((), ())))
        return [x]

    assert len(scans(rolled(power, M, V))) == 1


def test_what_is_no_loop_stays() -> None:
    def all_kept(x: Any, k: Any) -> list[Any]:  # each step is read from outside
        kept = []
        for _ in range(60):
            x = share(e.mul(turn(x), k))
            kept.append(x)
        return kept

    def first_kept(x: Any, k: Any) -> list[Any]:  # all steps read what the first one made
        first = None
        for _ in range(60):
            y = share(e.mul(turn(x), k))
            first = y if first is None else first
            x = e.add(y, first)
        return [x]

    def different(x: Any, k: Any) -> list[Any]:
        for i in range(60):
            x = share(e.mul(turn(x), np.float64(i + 1.0)[()] * np.ones(())))
        return [x]

    def elementwise(x: Any, k: Any) -> list[Any]:
        for _ in range(200):
            x = e.add(e.mul(x, k), k)
        return [x]

    for fun in (all_kept, elementwise):
        assert not scans(rolled(fun, V, V))
    rolled(first_kept, V, V)
    rolled(different, V, V)
