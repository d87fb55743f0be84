from __future__ import annotations

import numpy as np

from tests.ir.passes.texts import changed, unchanged
from tests.work import count_calls
from weft.ir.builder import GraphBuilder, build
from weft.ir.graph import Graph, Source
from weft.ir.interpret import evaluate
from weft.ir.ops.control import call, checkpoint_p, custom_jvp_call_p, custom_linear_p
from weft.ir.ops.elementwise import add, mul, neg
from weft.ir.passes.inline import inline
from weft.ir.source import at_source
from weft.ir.types import ArrayType
from weft.ir.verify import verify

T = ArrayType((3,), np.dtype(np.float64))


def test_calls_become_their_equations() -> None:
    assert changed(
        inline,
        """
        graph(a: f64[3]) {
          b: f64[3], c: f64[3] = call[graph=graph(x: f64[3], y: f64[3]) {
            u: f64[3] = call[graph=graph(p: f64[3]) {
              q: f64[3] = neg p
              return q
            }, name="inner"] x
            v: f64[3] = mul u y
            return v, x
          }, name="outer"] a a
          d: f64[3] = add b c
          return d, c
        }
        """,
    ) == (
        "graph(a: f64[3]) {\n"
        "  b: f64[3] = neg a\n"
        "  c: f64[3] = mul b a\n"
        "  d: f64[3] = add c a\n"
        "  return d, a\n"
        "}"
    )


def test_gives_back_the_same_graph_without_calls() -> None:
    unchanged(inline, "graph(a: f64[3]) {\n b: f64[3] = neg a\n return b\n}")


def test_a_graph_used_twice_binds_new_variables() -> None:
    inner = build(lambda a: [mul(a, a)], [T])
    graph = build(lambda a: [call(inner, call(inner, a)[0])[0]], [T])
    result = inline(graph)
    verify(result)
    assert [eqn.prim.name for eqn in result.eqns] == ["mul", "mul"]


def test_literals_become_operands() -> None:
    inner = "graph(x: f64[]) {\n y: f64[] = neg x\n return y\n}"
    text = f'graph() {{\n a: f64[] = call[graph={inner}, name=""] 2.0:f64\n return a\n}}'
    assert changed(inline, text) == "graph() {\n  a: f64[] = neg 2.0:f64\n  return a\n}"


def test_inner_sources_are_kept_and_missing_ones_filled() -> None:
    builder = GraphBuilder()
    a = builder.add_input(T)
    with at_source(Source("lib.py", 1)):
        b = neg(a)
    inner, _ = builder.finish([b])
    builder = GraphBuilder()
    a = builder.add_input(T)
    with at_source(Source("user.py", 5)):
        b = call(inner, a)[0]
    graph, _ = builder.finish([b])
    assert [eqn.source for eqn in inline(graph).eqns] == [Source("lib.py", 1)]
    bare = inner.replace(eqns=[type(e)(e.prim, e.ins, e.outs, e.params) for e in inner.eqns])
    eqn = graph.eqns[0]
    graph = graph.replace(
        eqns=[type(eqn)(eqn.prim, eqn.ins, eqn.outs, {**eqn.params, "graph": bare}, eqn.source)]
    )
    assert [eqn.source for eqn in inline(graph).eqns] == [Source("user.py", 5)]


def test_all_that_is_lowered_inline() -> None:
    square = build(lambda a: [mul(a, a)], [T])
    rule = build(lambda a, t: [mul(a, a), mul(t, add(a, a))], [T, T])
    backward = build(lambda a, ct: [mul(ct, a)], [T, T])

    def fun(a):
        b = checkpoint_p.bind(a, graph=square, name="")[0]
        c = custom_jvp_call_p.bind(b, graph=square, jvp=rule, n_args=1, name="")[0]
        return custom_linear_p.bind(a, c, backward=backward, n_known=1, name="")

    graph = build(fun, [T])
    result = inline(graph)
    verify(result)
    assert [eqn.prim.name for eqn in result.eqns] == ["mul", "mul", "mul"]
    x = np.array([1.0, 2.0, 3.0])
    np.testing.assert_array_equal(evaluate(result, x)[0], x**5)
    np.testing.assert_array_equal(evaluate(result, x)[0], evaluate(graph, x)[0])


def nested(depth: int) -> Graph:
    graph = build(lambda a: [neg(a)], [T])
    for _ in range(depth):
        graph = build(lambda a, inner=graph: [neg(call(inner, a)[0])], [T])
    return graph


def test_deep_nests_take_linear_work() -> None:
    shallow, deep = nested(50), nested(100)
    assert len(inline(deep).eqns) == 101
    assert count_calls(inline, deep) < 2.2 * count_calls(inline, shallow)
