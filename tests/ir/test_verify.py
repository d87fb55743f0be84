from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings

from tests.ir.random_graphs import graphs
from weft.ir.builder import build
from weft.ir.errors import VerificationError
from weft.ir.graph import Eqn, Graph, Literal, Source, Var
from weft.ir.ops.elementwise import add_p, neg, neg_p
from weft.ir.ops.reduce import reduce_sum_p
from weft.ir.parser import parse_graph
from weft.ir.types import ArrayType
from weft.ir.verify import verify

F32 = np.dtype(np.float32)
T = ArrayType((3,), F32)
SCALAR = ArrayType((), F32)
CALL = parse_graph("""graph(a: f32[3]) {
  b: f32[3] = call[graph=graph(a: f32[3]) { return a }, name=""] a
  return b
}""")


@settings(max_examples=30)
@given(graph=graphs())
def test_what_builders_make_verifies(graph: Graph) -> None:
    verify(graph)


def test_literals_may_stand_beside_arrays() -> None:
    verify(parse_graph("graph(a: f32[3]) {\n  b: f32[3] = add a 2.0:f32\n  return b, 1:i64\n}"))


@pytest.mark.parametrize(
    ("line", "why", "caret"),
    [
        (
            "c: f32[3] = add a b",
            "an operand of f32[] beside one of shape (3,): broadcast it first",
            "                  ^",
        ),
        ("c: f32[4] = add a a", "add gives f32[3] here, not f32[4]", "^^^^^^^^^"),
        ("c: f64[3] = neg a", "neg gives f32[3] here, not f64[3]", "^^^^^^^^^"),
        (
            "c: f32[3] = add a 1.0:f64",
            "add got arguments of different dtypes: f32[3], f64[].",
            "            ^^^",
        ),
        ("c: f32[3], d: f32[3] = neg a", "neg gives 1 results, not 2", "                       ^^^"),
        (
            "c: f32[] = reduce_sum[axes=(1,)] a",
            "reduce_sum of f32[3] needs distinct axes",
            "           ^^^^^^^^^^",
        ),
        (
            "c: f32[] = reduce_sum[axis=0] a",
            "reduce_sum does not take these operands and params:",
            "           ^^^^^^^^^^",
        ),
    ],
)
def test_wrong_types(line: str, why: str, caret: str) -> None:
    graph = parse_graph(f"graph(a: f32[3], b: f32[]) {{\n  {line}\n  return c\n}}")
    with pytest.raises(VerificationError) as error:
        verify(graph)
    first, shown, mark = error.value.message.split("\n")
    assert first.startswith(why)
    assert shown == "  " + line
    assert mark == "  " + caret


def fail(graph: Graph) -> str:
    with pytest.raises(VerificationError) as error:
        verify(graph)
    return error.value.message


def equation(prim: Any, ins: Any, outs: Any, source: Source | None = None, **params: Any) -> Eqn:
    return Eqn(prim, tuple(ins), tuple(outs), params, source)


def test_bound_twice() -> None:
    a, b = Var(T), Var(T)
    eqn = equation(neg_p, [a], [b], Source("model.py", 12))
    assert fail(Graph((a,), (eqn, eqn), (b,))) == (
        "b is bound twice.\n  b: f32[3] = neg a\n  ^^^^^^^^^\n  from model.py:12"
    )
    assert fail(Graph((a, a), (), (a,))) == "input 1 of the graph, a: f32[3], is bound twice."
    assert fail(Graph((a,), (equation(neg_p, [a], [a]),), (a,))).startswith("a is bound twice.")


def test_used_before_bound() -> None:
    a, b, c = Var(T), Var(T), Var(T)
    graph = Graph((a,), (equation(neg_p, [c], [b]), equation(neg_p, [b], [c])), (b,))
    assert fail(graph) == "c is used before it is bound.\n  b: f32[3] = neg c\n                  ^"


def test_variable_of_another_graph() -> None:
    a, b = Var(T), Var(T)
    assert fail(Graph((a,), (equation(add_p, [a, Var(T)], [b]),), (b,))) == (
        "the operand is a variable of another graph.\n  b: f32[3] = add a ?\n                    ^"
    )
    assert fail(Graph((a,), (), (b,))) == "output 0 of the graph is not bound: a variable of another graph."


def test_params() -> None:
    a, b = Var(T), Var(T)
    message = fail(Graph((a,), (equation(neg_p, [a], [b], axes=[0]),), (b,)))
    assert message.startswith("a param is [0], of type list. Params are int, float")
    assert message.endswith("\n  b: f32[3] = neg a\n              ^^^")


def test_malformed_types() -> None:
    assert "has dtype datetime64[s], which no array may have" in fail(
        Graph((Var(ArrayType((), np.dtype("M8[s]"))),), (), ())
    )
    assert "has shape (-1,), which is not of sizes" in fail(Graph((Var(ArrayType((-1,), F32)),), (), ()))


def test_carried_graphs() -> None:
    x, y = Var(T), Var(T)
    broken = Graph((x,), (equation(neg_p, [Var(T)], [y]),), (y,))
    eqn = CALL.eqns[0]
    graph = CALL.replace(eqns=(Eqn(eqn.prim, eqn.ins, eqn.outs, {"graph": broken, "name": ""}),))
    assert fail(graph) == (
        "the graph in graph does not verify.\n"
        '  b: f32[3] = call[graph=graph(...), name=""] a\n'
        "                   ^^^^^^^^^^^^^^^^\n"
        "In that graph: the operand is a variable of another graph.\n"
        "  b: f32[3] = neg ?\n"
        "                  ^"
    )


def test_literal_where_an_array_must_be() -> None:
    b = Var(SCALAR)
    assert "needs distinct axes" in fail(
        Graph((), (equation(reduce_sum_p, [Literal(np.float32(1))], [b], axes=(0,)),), (b,))
    )


def test_a_shared_graph_is_verified_once() -> None:
    graph = build(lambda a: [neg(a)], [T])
    prim = CALL.eqns[0].prim
    for _ in range(40):  # 2**40 visits, were it not so
        a, b, c = Var(T), Var(T), Var(T)
        params = {"name": "", "graph": graph}
        graph = Graph((a,), (equation(prim, [a], [b], **params), equation(prim, [b], [c], **params)), (c,))
    verify(graph)
