from __future__ import annotations

import pytest

from tests.ir.passes.texts import changed
from weft.ir.errors import VerificationError
from weft.ir.graph import Graph
from weft.ir.parser import parse_graph
from weft.ir.passes.pipeline import BEFORE_FUSION, run_pipeline
from weft.ir.printer import print_graph

TEXT = """
graph(a: f32[3], b: f32[3]) {
  c: f32[3], d: f32[3] = call[graph=graph(x: f32[3], y: f32[3]) {
    u: f32[3] = full[dtype=f32, shape=(3,), value=0.5]
    v: f32[3] = add u u
    w: f32[3] = mul x v
    s: f32[3] = sin w
    t: f32[3] = sin x
    r: f32[3] = neg y
    return w, t
  }, name="f"] a b
  e: f32[3] = sin a
  f: f32[3] = add d e
  g: f32[3] = sub f c
  return g
}
"""


def test_passes_work_together() -> None:
    assert changed(run_pipeline, TEXT) == (
        "graph(a: f32[3], b: f32[3]) {\n"
        "  c: f32[3] = sin a\n"
        "  d: f32[3] = add c c\n"
        "  e: f32[3] = sub d a\n"
        "  return e\n"
        "}"
    )


def test_log_sees_each_pass_in_order() -> None:
    seen: list[tuple[str, str]] = []
    result = run_pipeline(parse_graph(TEXT), log=lambda name, graph: seen.append((name, print_graph(graph))))
    assert [name for name, _ in seen] == [name for name, _ in BEFORE_FUSION]
    assert seen[-1][1] == print_graph(result)
    assert "call" not in seen[0][1]


def test_passes_can_be_chosen() -> None:
    graph = parse_graph(TEXT)
    assert run_pipeline(graph, ()) is graph
    assert "call" in print_graph(run_pipeline(graph, BEFORE_FUSION[1:]))


def drop_first(graph: Graph) -> Graph:
    return graph.replace(eqns=graph.eqns[1:])


def test_verify_names_the_pass_that_broke_the_graph() -> None:
    passes = (*BEFORE_FUSION, ("drop", drop_first), ("never", BEFORE_FUSION[0][1]))
    with pytest.raises(VerificationError) as error:
        run_pipeline(parse_graph(TEXT), passes, verify=True)
    assert error.value.message == (
        "the result of the pass drop does not verify: the operand is a variable of another graph.\n"
        "  c: f32[3] = add ? ?\n"
        "                  ^"
    )
    run_pipeline(parse_graph(TEXT), passes)


def test_verify_looks_at_the_given_graph_first() -> None:
    with pytest.raises(VerificationError, match="the graph that was given does not verify"):
        run_pipeline(drop_first(run_pipeline(parse_graph(TEXT))), verify=True)
