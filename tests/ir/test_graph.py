from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings

from tests.ir.random_graphs import graphs
from weft.ir.builder import build
from weft.ir.graph import Eqn, Graph, Literal, Source, Var, sub_graphs
from weft.ir.ops import shape
from weft.ir.ops.control import call, call_p
from weft.ir.ops.elementwise import add, mul, neg, sub
from weft.ir.ops.reduce import reduce_sum
from weft.ir.parser import parse_graph
from weft.ir.printer import print_graph
from weft.ir.types import ArrayType

F32 = np.dtype(np.float32)
T = ArrayType((3,), F32)


def test_source_prints_as_file_and_line() -> None:
    assert str(Source("model.py", 3, "loss")) == "model.py:3"


def test_variables_compare_by_identity() -> None:
    assert Var(T) != Var(T)
    assert repr(Var(T)) == "Var(f32[3])"


@pytest.mark.parametrize(
    ("a", "b", "same"),
    [
        (Literal(1.0), Literal(1.0), True),
        (Literal(1.0), Literal(np.float32(1)), False),
        (Literal(1), Literal(1.0), False),
        (Literal(True), Literal(1), False),
        (Literal(0.0), Literal(-0.0), False),
        (Literal(np.nan), Literal(np.nan), True),
        (Literal(2, F32), Literal(np.float32(2)), True),
    ],
)
def test_literals_compare_to_the_bit(a: Literal, b: Literal, same: bool) -> None:
    assert (a == b) is same
    assert (hash(a) == hash(b)) is same
    assert a != a.value


def test_literal_types() -> None:
    assert Literal(1).type == ArrayType((), np.dtype(np.int64))
    assert repr(Literal(True)) == "Literal(np.True_)"


def fun(a: Any, b: Any) -> list[Any]:
    c = mul(a, b)
    return [reduce_sum(add(c, 2.0), (0,)), c]


def test_two_traces_of_one_function_are_equal() -> None:
    assert build(fun, [T, T]) == build(fun, [T, T])
    assert hash(build(fun, [T, T])) == hash(build(fun, [T, T]))
    assert len({build(fun, [T, T]), build(fun, [T, T])}) == 1


@pytest.mark.parametrize(
    "other",
    [
        build(lambda a, b: fun(b, a), [T, T]),
        build(lambda a, b: fun(a, b)[:1], [T, T]),
        build(lambda a, b: fun(a, b)[::-1], [T, T]),
        build(lambda a, b: [reduce_sum(add(mul(a, b), 3.0), (0,)), mul(a, b)], [T, T]),
        build(lambda a, b: [reduce_sum(sub(mul(a, b), 2.0), (0,)), mul(a, b)], [T, T]),
        build(fun, [ArrayType((4,), F32)] * 2),
        build(lambda a, b, c: fun(a, b), [T, T, T]),
    ],
    ids=range(7),
)
def test_different_programs_are_different(other: Graph) -> None:
    assert build(fun, [T, T]) != other


def test_sources_do_not_count() -> None:
    graph = build(fun, [T, T])
    moved = [Eqn(e.prim, e.ins, e.outs, e.params, Source("elsewhere.py", 1)) for e in graph.eqns]
    assert graph.replace(eqns=moved) == graph


def test_carried_graphs_count() -> None:
    def outer(inner: Any) -> Graph:
        return build(lambda a: call(build(inner, [T]), a), [T])

    assert outer(lambda a: [neg(a)]) == outer(lambda a: [neg(a)])
    assert outer(lambda a: [neg(a)]) != outer(lambda a: [mul(a, a)])


def test_a_graph_equals_nothing_else() -> None:
    assert build(fun, [T, T]) != "graph"


@settings(max_examples=30)
@given(graph=graphs())
def test_equal_graphs_print_equal_text(graph: Graph) -> None:
    again = parse_graph(print_graph(graph))
    assert print_graph(again) == print_graph(graph)
    assert hash(again) == hash(graph)


def test_types_of_eqns_and_graphs() -> None:
    graph = build(fun, [T, T])
    assert graph.in_types == (T, T)
    assert graph.out_types == (ArrayType((), F32), T)
    assert graph.eqns[1].in_types == (T, ArrayType((), F32))
    assert graph.eqns[2].out_types == (ArrayType((), F32),)


def test_replace_makes_tuples_and_leaves_the_rest() -> None:
    graph = build(fun, [T, T])
    cut = graph.replace(eqns=list(graph.eqns[:1]), outs=[graph.eqns[0].outs[0]])
    assert cut.ins is graph.ins
    assert isinstance(cut.eqns, tuple)
    assert cut == build(lambda a, b: [mul(a, b)], [T, T])


def test_sub_graphs_by_name() -> None:
    first, second = build(lambda a: [neg(a)], [T]), build(lambda a: [a], [T])
    a = Var(T)
    eqn = Eqn(call_p, (a,), (Var(T),), {"z": first, "branches": (second, first, 3), "n": 1})
    assert list(sub_graphs(eqn)) == [("branches.0", second), ("branches.1", first), ("z", first)]


def test_str_is_the_text_form() -> None:
    graph = build(fun, [T, T])
    assert str(graph) == print_graph(graph)


def test_graphs_that_read_elsewhere_are_told_apart_by_their_hashes() -> None:
    """Else a search among the kernels of a long program compares each with all others."""

    def reads(start: int) -> Graph:
        return build(lambda x: [shape.slice_(x, [start], [start + 5])], [ArrayType((200,), T.dtype)])

    assert len({hash(reads(start)) for start in range(100)}) == 100
    assert hash(reads(7)) == hash(reads(7))
