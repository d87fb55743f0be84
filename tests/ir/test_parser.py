from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings

from tests.ir.random_graphs import C128, DTYPES, graphs
from weft.ir.builder import build
from weft.ir.errors import ParseError
from weft.ir.graph import Eqn, Graph, Literal, Var
from weft.ir.ops.elementwise import neg, neg_p
from weft.ir.params import param_key
from weft.ir.parser import parse_graph
from weft.ir.printer import print_graph
from weft.ir.types import ArrayType, bfloat16

F32 = np.dtype(np.float32)
T = ArrayType((3,), F32)
INNER = build(lambda a: [neg(a)], [T])
NEGATIVE_NAN = float(np.uint64(0xFFF8000000000001).view(np.float64))


@settings(max_examples=100)
@given(graph=graphs(dtypes=(*DTYPES, C128)))
def test_random_graphs_come_back(graph: Graph) -> None:
    text = print_graph(graph)
    again = parse_graph(text)
    assert print_graph(again) == text
    for old, new in zip(graph.eqns, again.eqns, strict=True):
        assert old.prim is new.prim
        assert [param_key(old.params[k]) for k in old.params] == [
            param_key(new.params[k]) for k in old.params
        ]
    assert again.in_types == graph.in_types
    assert again.out_types == graph.out_types
    if "nan" not in text:
        assert again == graph


@pytest.mark.parametrize(
    "value",
    [
        0,
        -7,
        2**70,
        True,
        False,
        None,
        0.0,
        -0.0,
        0.1,
        1e-320,
        math.inf,
        -math.inf,
        math.nan,
        NEGATIVE_NAN,
        1 + 2j,
        complex(-0.0, math.nan),
        "",
        'a "quoted"\n\\ line # with a mark é',
        np.dtype(bool),
        F32,
        bfloat16,
        T,
        ArrayType((), F32),
        (),
        (1,),
        (1, (2.5, ("x",)), None),
        slice(None),
        slice(0, 3, None),
        (slice(1, 2), 3),
        np.float32(0.1),
        np.int8(-1),
        np.float64(2),
        np.complex64(1j),
        np.bool_(True),
        bfloat16.type(3),
        INNER,
        (INNER, INNER),
        ((INNER, 1), "graph"),
    ],
    ids=repr,
)
def test_params_come_back(value: Any) -> None:
    a, b = Var(T), Var(T)
    graph = Graph((a,), (Eqn(neg_p, (a,), (b,), {"z": 1, "value": value}),), (b,))
    again = parse_graph(print_graph(graph))
    found = again.eqns[0].params["value"]
    assert type(found) is type(value)
    assert param_key(found) == param_key(value)
    assert print_graph(again) == print_graph(graph)


@pytest.mark.parametrize(
    "value", [np.float32(-0.0), np.float64(NEGATIVE_NAN), np.True_, np.uint8(255), np.complex128(1e-5j)]
)
def test_literals_come_back(value: np.generic) -> None:
    graph = Graph((), (), (Literal(value),))
    assert parse_graph(print_graph(graph)) == graph


def test_text_by_hand() -> None:
    graph = parse_graph("""
        # names, spaces and line breaks are free
        graph(x:f32[3], inf: f32[3], return_: f32[3]) {
          y: f32[3] = add x inf:f32[]   # a literal, not the variable
          nan: f32[3] = neg y
          f32: f32[3]
            = mul[
            ] y inf
          return nan, f32, return_,
        }
    """)
    assert print_graph(graph) == (
        "graph(a: f32[3], b: f32[3], c: f32[3]) {\n"
        "  d: f32[3] = add a inf:f32\n"
        "  e: f32[3] = neg d\n"
        "  f: f32[3] = mul d b\n"
        "  return e, f, c\n"
        "}"
    )


HEAD = "graph(a: f32[3]) {\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            HEAD + "  b: f32[3] = negg a\n  return b\n}",
            "line 2, column 15: there is no primitive negg; did you mean neg?\n"
            "    b: f32[3] = negg a\n"
            "                ^^^^",
        ),
        (
            HEAD + "  b: f32[3] = add a b\n  return b\n}",
            "line 2, column 21: b is not bound.\n    b: f32[3] = add a b\n                      ^",
        ),
        (
            HEAD + "  a: f32[3] = neg a\n}",
            "line 2, column 3: a is bound twice.\n    a: f32[3] = neg a\n    ^",
        ),
        (
            "graph(a: f31[3]) {",
            "line 1, column 10: f31 is not a dtype; did you mean f32?\n  graph(a: f31[3]) {\n           ^^^",
        ),
        (
            "graph(a: f32[x]) {",
            "line 1, column 14: expected the size of an axis, found 'x'.\n  graph(a: f32[x]) {\n"
            "               ^",
        ),
        (
            "graph() { return 300:i8 }",
            "line 1, column 18: 300 is not a value of i8.\n  graph() { return 300:i8 }\n"
            "                   ^^^",
        ),
        (
            "graph() { return 1.5:i8 }",
            "line 1, column 18: 1.5 is not a value of i8.\n  graph() { return 1.5:i8 }\n                   ^",
        ),
        (
            "graph() { return 1 }",
            "line 1, column 18: expected a variable or a literal such as 2.0:f64, ",
        ),
        (
            HEAD + "  return a\n",
            "line 2, column 11: expected '}', found the end of the text.\n    return a\n            ^",
        ),
        ("graph() { return } }", "line 1, column 20: expected the end of the text, found '}'."),
        ("", "line 1, column 1: expected 'graph', found the end of the text.\n  \n  ^"),
        (
            HEAD + "  b: f32[3] = neg[x=(1)] a\n}",
            "line 2, column 23: expected ',': a tuple of one item is written (item,), ",
        ),
        (HEAD + "  b: f32[3] = neg[x=<f>] a\n}", "line 2, column 21: a Python function has no text form."),
        (HEAD + "  b: f32[3] = neg[x=hello] a\n}", "line 2, column 21: expected a param, found 'hello'."),
    ],
)
def test_errors_show_the_place(text: str, message: str) -> None:
    with pytest.raises(ParseError) as error:
        parse_graph(text)
    assert str(error.value).startswith(message)
