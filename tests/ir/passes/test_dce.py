from __future__ import annotations

import numpy as np

from tests.ir.passes.texts import changed, unchanged
from weft.ir.builder import build
from weft.ir.graph import Eqn, Graph, Source, Var
from weft.ir.interpret import evaluate
from weft.ir.ops.control import call
from weft.ir.ops.elementwise import add, mul, neg, neg_p
from weft.ir.passes.dce import Effects, dce
from weft.ir.primitive import REGISTRY, Lowering, Primitive
from weft.ir.types import ArrayType
from weft.ir.verify import verify

T = ArrayType((3,), np.dtype(np.float32))


def test_drops_what_no_output_needs() -> None:
    assert changed(
        dce,
        """
        graph(a: f32[3], b: f32[3]) {
          c: f32[3] = neg a
          d: f32[3] = add c b
          e: f32[3] = mul b b
          return e
        }
        """,
    ) == (
        "graph(a: f32[3], b: f32[3]) {\n"
        "  c: f32[3] = mul b b\n"
        "  return c\n"
        "}"
    )  # fmt: skip


def test_gives_back_the_same_graph_where_all_is_needed() -> None:
    unchanged(dce, "graph(a: f32[3]) {\n b: f32[3] = neg a\n c: f32[3] = neg b\n return c, a\n}")


def test_cuts_calls_to_the_results_and_operands_that_are_needed() -> None:
    assert changed(
        dce,
        """
        graph(a: f32[3], b: f32[3]) {
          c: f32[3] = neg b
          d: f32[3], e: f32[3] = call[graph=graph(a: f32[3], b: f32[3]) {
            c: f32[3] = neg a
            d: f32[3] = mul a b
            return c, d
          }, name="f"] a c
          return d
        }
        """,
    ) == (
        "graph(a: f32[3], b: f32[3]) {\n"
        "  c: f32[3] = call[graph=graph(a: f32[3]) {\n"
        "    b: f32[3] = neg a\n"
        "    return b\n"
        '  }, name="f"] a\n'
        "  return c\n"
        "}"
    )


def test_a_graph_called_twice_is_cut_for_each_use() -> None:
    inner = build(lambda a, b: [add(a, b), neg(a), mul(b, b)], [T, T])

    def fun(a, b):
        return [call(inner, a, b)[0], call(inner, a, b)[1], call(inner, a, b)[0]]

    graph = build(fun, [T, T])
    result = dce(graph)
    verify(result)
    assert [len(eqn.params["graph"].eqns) for eqn in result.eqns] == [1, 1, 1]
    assert [len(eqn.ins) for eqn in result.eqns] == [2, 1, 2]
    assert result.eqns[0].params["graph"].eqns == result.eqns[2].params["graph"].eqns
    x, y = np.arange(3, dtype=np.float32), np.ones(3, np.float32)
    for found, expected in zip(evaluate(result, x, y), evaluate(graph, x, y), strict=True):
        np.testing.assert_array_equal(found, expected)


def test_keeps_equations_with_an_effect() -> None:
    log = Primitive(
        "log_for_test",
        type_rule=lambda x: (),
        reference=lambda x: (),
        jvp=None,
        transpose=None,
        batch=lambda *args: ((), ()),
        lower=Lowering("host"),
        multiple=True,
    )
    try:
        a, b, c = Var(T), Var(T), Var(T)
        effect = Graph((a,), (Eqn(neg_p, (a,), (b,), {}), Eqn(log, (b,), (), {})), (b,))
        assert dce(effect) is effect
        assert Effects().of(effect.eqns[1])
        assert not Effects().of(effect.eqns[0])
        outer = build(lambda x: [(call(effect, x), x)[1]], [T])
        assert Effects().of(outer.eqns[0])
        result = dce(outer)
        verify(result)
        assert [len(e.params["graph"].eqns) for e in result.eqns] == [2]
        assert [len(e.outs) for e in result.eqns] == [1]  # whose value tells that it has run
        assert dce(outer.replace(outs=(c,), ins=(c,), eqns=())).eqns == ()
    finally:
        del REGISTRY["log_for_test"]


def test_keeps_sources() -> None:
    graph = build(lambda a: [call(build(lambda b: [neg(b), b], [T]), a)[0]], [T])
    source = Source("model.py", 9)
    eqn = graph.eqns[0]
    graph = graph.replace(eqns=[Eqn(eqn.prim, eqn.ins, eqn.outs, eqn.params, source)])
    assert dce(graph).eqns[0].source == source
