from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from weft.ir.errors import InternalError
from weft.ir.graph import Eqn, Graph, Source, Var
from weft.ir.match import Apply, Rules, constant, op, rewrite, scalar, variables
from weft.ir.ops import elementwise as e
from weft.ir.parser import parse_graph
from weft.ir.passes.dce import dce
from weft.ir.printer import print_graph
from weft.ir.verify import verify

x, y, p = variables("x y p")


def body(text: str, *rules: tuple[Apply, Any]) -> str:
    """The equations that are left of ``text`` after ``rules``."""
    graph = parse_graph(f"graph(a: f64[3], b: f64[3]) {{\n{text}\n}}")
    table = Rules(rules)
    result = dce(rewrite(graph, lambda: table.step))
    verify(result)
    return "\n".join(line.strip() for line in print_graph(result).split("\n")[1:-1])


def test_variable_binds_any_operand() -> None:
    rule = (op.sub(x, y), lambda x, y: e.add(y, x))
    assert body("c: f64[3] = sub a b\nreturn c", rule) == "c: f64[3] = add b a\nreturn c"
    assert body("c: f64[3] = sub a 1.0:f64\nreturn c", rule) == "c: f64[3] = add 1.0:f64 a\nreturn c"


def test_rules_without_end_are_an_error() -> None:
    with pytest.raises(InternalError, match="rewrites of sub lead to rewrites without end"):
        body("c: f64[3] = sub a b\nreturn c", (op.sub(x, y), lambda x, y: e.sub(y, x)))


def test_repeated_variable_must_be_the_same() -> None:
    rule = (op.sub(x, x), lambda x: e.neg(x))
    assert body("c: f64[3] = sub a a\nreturn c", rule) == "c: f64[3] = neg a\nreturn c"
    assert body("c: f64[3] = sub a b\nreturn c", rule) == "c: f64[3] = sub a b\nreturn c"
    assert body(
        "c: f64[3] = select True:bool 1.0:f64 a\nreturn c", (op.select(x, y, y), lambda y: y)
    ).startswith("c: f64[3] = select")


def test_nested_pattern_looks_at_what_made_an_operand() -> None:
    rule = (op.add(x, op.mul(x, y)), lambda x, y: e.sub(x, y))
    assert body("c: f64[3] = mul a b\nd: f64[3] = add a c\nreturn d", rule) == "c: f64[3] = sub a b\nreturn c"
    assert body("c: f64[3] = mul a b\nd: f64[3] = add c a\nreturn d", rule) == "c: f64[3] = sub a b\nreturn c"
    assert "add" in body("c: f64[3] = sub a b\nd: f64[3] = add a c\nreturn d", rule)


def test_only_commutative_primitives_match_both_ways() -> None:
    rule = lambda pattern: (pattern, lambda x: x)  # noqa: E731
    assert body("c: f64[3] = add 7.0:f64 a\nreturn c", rule(op.add(x, constant(7)))) == "return a"
    assert "sub" in body("c: f64[3] = sub 7.0:f64 a\nreturn c", rule(op.sub(x, constant(7))))


def test_constants_compare_to_the_bit_and_by_kind() -> None:
    plus, minus = (op.add(x, constant(0.0)), lambda x: x), (op.add(x, constant(-0.0)), lambda x: x)
    assert body("c: f64[3] = add a 0.0:f64\nreturn c", plus) == "return a"
    assert "add" in body("c: f64[3] = add a 0.0:f64\nreturn c", minus)
    assert body("c: f64[3] = add a -0.0:f64\nreturn c", minus) == "return a"
    assert "add" in body(
        "c: f64[3] = add a 0.0:f64\nreturn c", (op.add(x, constant(0, "integer")), lambda x: x)
    )


@pytest.mark.parametrize(
    "made",
    [
        "c: f64[3] = full[dtype=f64, shape=(3,), value=2]",
        "c: f64[3] = broadcast[dims=(), shape=(3,)] 2.0:f64",
    ],
)
def test_constants_may_be_repeated_in_an_array(made: str) -> None:
    rule = (op.mul(x, scalar("k")), lambda x, k: e.add(x, k))
    assert body(f"{made}\nd: f64[3] = mul a c\nreturn d", rule) == "c: f64[3] = add a 2.0:f64\nreturn c"


def test_params() -> None:
    text = "c: i64[] = cast[dtype=i64] 1.5:f64\nreturn c"
    assert body(text, (op.cast(x, dtype=np.dtype("i8")), lambda: np.int64(5))) == "return 5:i64"
    assert "cast" in body(text, (op.cast(x, dtype=np.dtype("i4")), lambda: np.int64(5)))
    assert body(text, (op.cast(x, dtype=p), lambda p: np.zeros((), p)[()])) == "return 0:i64"
    assert "cast" in body(text, (op.cast(x, shape=p), lambda p: np.int64(5)))


def test_a_param_twice_must_be_the_same() -> None:
    rule = (op.cast(op.cast(x, dtype=p), dtype=p), lambda x, p: e.cast(x, p))
    text = "c: f32[3] = cast[dtype=f32] a\nd: {0}[3] = cast[dtype={0}] c\nreturn d"
    assert body(text.format("f32"), rule).count("cast") == 1
    assert body(text.format("f64"), rule).count("cast") == 2


def test_none_declines_and_the_next_rule_is_tried() -> None:
    rules = [(op.neg(x), lambda x: None), (op.neg(x), lambda x: e.abs_(x))]
    assert body("c: f64[3] = neg a\nreturn c", *rules) == "c: f64[3] = abs a\nreturn c"


def test_a_replacement_of_another_type_is_declined() -> None:
    assert "neg" in body("c: f64[3] = neg a\nreturn c", (op.neg(x), lambda x: e.lt(x, 0.0)))
    assert "neg" in body("c: f64[3] = neg a\nreturn c", (op.neg(x), lambda: np.float32(1)))


def test_a_scalar_in_place_of_an_array_is_repeated() -> None:
    text = body("c: f64[3] = neg a\nreturn c", (op.neg(x), lambda: np.float64(1)))
    assert text == "c: f64[3] = full[dtype=f64, shape=(3,), value=1.0]\nreturn c"


def test_what_a_rule_records_is_rewritten_too() -> None:
    rules = [(op.neg(x), lambda x: e.sub(0.0, x)), (op.sub(constant(0.0), x), lambda x: e.mul(x, -1.0))]
    assert body("c: f64[3] = neg a\nreturn c", *rules) == "c: f64[3] = mul a -1.0:f64\nreturn c"


def test_out_is_the_type_of_the_result() -> None:
    assert (
        body("c: f64[3] = neg a\nreturn c", (op.neg(x), lambda out: np.float64(len(out.shape)))).count(
            "value=1.0"
        )
        == 1
    )


def test_rules_add_up_and_earlier_come_first() -> None:
    first = Rules([(op.neg(x), lambda x: e.abs_(x))])
    second = Rules([(op.neg(x), lambda x: x), (op.abs(x), lambda x: x)])
    graph = parse_graph("graph(a: f64[3]) {\n  b: f64[3] = neg a\n  c: f64[3] = abs a\n  return b, c\n}")
    assert str(rewrite(graph, lambda: (first + second).step)).count("=") == 0
    assert "abs a" in str(rewrite(graph, lambda: first.step))


def test_sources_of_the_replaced_equation_are_kept() -> None:
    graph = parse_graph("graph(a: f64[3]) {\n  b: f64[3] = neg a\n  return b\n}")
    old = graph.eqns[0]
    source = Source("model.py", 3)
    graph = graph.replace(eqns=(Eqn(old.prim, old.ins, old.outs, old.params, source),))
    result = rewrite(graph, lambda: Rules([(op.neg(x), lambda x: e.sub(e.abs_(x), x))]).step)
    assert [eqn.source for eqn in result.eqns] == [source, source]


def test_an_array_cannot_be_written_into_a_graph() -> None:
    with pytest.raises(InternalError, match=r"a rewrite wrote the array \(3,\) of float64 into a graph"):
        body("c: f64[3] = neg a\nreturn c", (op.neg(x), lambda: np.zeros(3)))


def test_nothing_replaced_gives_the_same_graph() -> None:
    inner = "graph(a: f64[3]) {\n b: f64[3] = abs a\n return b\n}"
    graph = parse_graph(f'graph(a: f64[3]) {{\n  b: f64[3] = call[graph={inner}, name=""] a\n  return b\n}}')
    assert rewrite(graph, lambda: Rules([(op.neg(x), lambda x: x)]).step) is graph


def test_carried_graphs_are_rewritten_and_shared_ones_once() -> None:
    inner = parse_graph("graph(a: f64[3]) {\n b: f64[3] = neg a\n return b\n}")
    identity = "graph(a: f64[3]) { return a }"
    outer = parse_graph(
        f'graph(a: f64[3]) {{\n  b: f64[3] = call[graph={identity}, name=""] a\n  return b\n}}'
    )
    eqn = outer.eqns[0]
    params = {"graph": inner, "name": ""}
    eqn = Eqn(eqn.prim, eqn.ins, eqn.outs, params)
    again = Eqn(eqn.prim, eqn.outs, (Var(eqn.out_types[0]),), params)
    graph = Graph(outer.ins, (eqn, again), again.outs)
    result = rewrite(graph, lambda: Rules([(op.neg(x), lambda x: e.abs_(x))]).step)
    verify(result)
    assert result.eqns[0].params["graph"] is result.eqns[1].params["graph"]
    assert str(result.eqns[0].params["graph"]) == "graph(a: f64[3]) {\n  b: f64[3] = abs a\n  return b\n}"
