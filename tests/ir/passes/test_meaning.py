"""Laws of all passes on random graphs: meaning kept to the bit, result verifies and repeats to itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.ir.random_graphs import C128, DTYPES, arguments, assert_same, graphs
from weft.ir.builder import build
from weft.ir.graph import Graph
from weft.ir.interpret import evaluate
from weft.ir.ops import control
from weft.ir.ops.control import call
from weft.ir.passes.pipeline import BEFORE_FUSION, run_pipeline
from weft.ir.printer import print_graph
from weft.ir.verify import verify

PASSES = dict(BEFORE_FUSION)


@pytest.fixture(autouse=True, scope="module")
def _interpreted() -> Iterator[None]:
    """Calls are interpreted here: where the engine is loaded, it compiles them, and bits differ."""
    runner = control._runner
    control.set_runner(evaluate)
    yield
    control.set_runner(runner)


@pytest.mark.parametrize("name", PASSES)
@settings(max_examples=60)
@given(graph=graphs(dtypes=(*DTYPES, C128)), seed=st.integers(0, 9))
def test_pass_keeps_the_meaning(name: str, graph: Graph, seed: int) -> None:
    check(PASSES[name], graph, seed)


@pytest.mark.parametrize("name", PASSES)
@settings(max_examples=20)
@given(graph=graphs(max_eqns=6), seed=st.integers(0, 9))
def test_pass_keeps_the_meaning_of_calls(name: str, graph: Graph, seed: int) -> None:
    nested = build(lambda *xs: call(build(lambda *ys: call(graph, *ys), graph.in_types), *xs), graph.in_types)
    check(PASSES[name], nested, seed)


@settings(max_examples=60)
@given(graph=graphs(), seed=st.integers(0, 9))
def test_pipeline_keeps_the_meaning(graph: Graph, seed: int) -> None:
    check(lambda g: run_pipeline(g, verify=True), graph, seed, idempotent=False)


def check(run: Callable[[Graph], Graph], graph: Graph, seed: int, *, idempotent: bool = True) -> None:
    verify(graph)
    result = run(graph)
    verify(result)
    assert result.in_types == graph.in_types
    assert result.out_types == graph.out_types
    inputs = arguments(graph, seed)
    assert_same(evaluate(result, *inputs), evaluate(graph, *inputs))
    if idempotent:
        assert print_graph(run(result)) == print_graph(result)
