"""What is compared with a counter: settled where all steps agree, and not elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import weft
import weft.numpy as wnp
from weft import lax
from weft.ir.graph import Graph
from weft.ir.interpret import evaluate
from weft.ir.ops.flow import scan_p
from weft.ir.passes.counters import fold_counters
from weft.ir.passes.dce import dce
from weft.ir.verify import verify

COMPARED: dict[str, Callable[[Any, Any], Any]] = {
    "lt": np.less,
    "le": np.less_equal,
    "gt": np.greater,
    "ge": np.greater_equal,
    "eq": np.equal,
    "ne": np.not_equal,
}
TRACED: dict[str, Callable[[Any, Any], Any]] = {
    "lt": lambda a, b: a < b,
    "le": lambda a, b: a <= b,
    "gt": lambda a, b: a > b,
    "ge": lambda a, b: a >= b,
    "eq": lambda a, b: a == b,
    "ne": lambda a, b: a != b,
}


def body_of(graph: Graph) -> Graph:
    (loop,) = (eqn for eqn in graph.eqns if eqn.prim is scan_p)
    body: Graph = loop.params["body"]
    return body


@pytest.mark.parametrize("name", COMPARED)
@pytest.mark.parametrize("bound", range(-4, 5))
def test_a_comparison_is_settled_where_all_steps_agree(name: str, bound: int) -> None:
    start, length = -2, 4  # -2 -1 0 1

    def fun(x: Any) -> Any:
        return lax.fori_loop(
            start, start + length, lambda k, x: x * 2 + TRACED[name](k, bound).astype(float), x
        )

    graph = weft.make_graph(fun)(0.5)
    folded = dce(fold_counters(graph))
    verify(folded)
    assert fold_counters(folded) is folded
    answers = COMPARED[name](np.arange(start, start + length), bound)
    asks = any(eqn.prim.name in COMPARED for eqn in body_of(folded).eqns)
    assert asks == (answers.any() and not answers.all())
    assert evaluate(folded, np.float64(0.5)) == evaluate(graph, np.float64(0.5))


def test_an_index_that_is_inside_is_neither_turned_round_nor_asked() -> None:
    def asked(shift: int) -> list[str]:
        def fun(x: Any) -> Any:
            return lax.fori_loop(shift, shift + x.shape[0], lambda k, x: x.at[k].set(x[k] + 1), x)

        program = weft.jit(fun).lower(np.ones(5)).program
        return [line for line in str(program.fused).splitlines() if " select " in line]

    assert asked(0) == []
    assert asked(-1) != [] and asked(1) != []
    for shift in (-1, 0, 1):
        x = np.arange(5.0)
        stop = shift + 5
        found = weft.jit(lambda x, a=shift, b=stop: lax.fori_loop(a, b, lambda k, x: x.at[k].add(1.0), x))(x)
        wanted = x.copy()
        for number in range(shift, stop):
            if number < 5:
                wanted[number] += 1
        np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize(
    "loop",
    [
        lambda x: lax.fori_loop(0, 0, lambda k, x: x + (k < 1), x),
        lambda x: lax.scan(lambda c, _: ((c[0] + 2, c[1] + (c[0] < 3)), None), (0, x), None, length=3)[0][1],
        lambda x: lax.scan(
            lambda c, _: ((c[0] + 1, c[1] + (c[0] < 3)), None), (wnp.sum(x > 9), x), None, length=3
        )[0][1],
        lambda x: lax.scan(
            lambda c, _: ((c[0] + np.int8(1), c[1] + (c[0] < 0)), None), (np.int8(100), x), None, length=60
        )[0][1],
    ],
    ids=["no step", "by two", "begins anywhere", "wraps around"],
)
def test_what_does_not_count_stays(loop: Callable[..., Any]) -> None:
    graph = weft.make_graph(loop)(np.ones(2))
    assert fold_counters(graph) is graph
