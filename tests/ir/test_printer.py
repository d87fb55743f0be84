from __future__ import annotations

import math

import numpy as np
import pytest

from weft.ir.builder import build
from weft.ir.errors import InternalError
from weft.ir.graph import Eqn, Graph, Literal, Source, Var
from weft.ir.ops.control import call
from weft.ir.ops.elementwise import add, mul, neg, neg_p
from weft.ir.ops.reduce import reduce_sum
from weft.ir.printer import eqn_text, names_of, print_graph, print_scalar, read_scalar
from weft.ir.types import DTYPES, ArrayType, bfloat16

F32 = np.dtype(np.float32)
T = ArrayType((3, 4), F32)


def test_canonical_text() -> None:
    graph = build(lambda a, b: [reduce_sum(mul(a, b), (1,)), add(a, 2.0)], [T, T])
    assert str(graph) == print_graph(graph)
    assert print_graph(graph) == (
        "graph(a: f32[3,4], b: f32[3,4]) {\n"
        "  c: f32[3,4] = mul a b\n"
        "  d: f32[3] = reduce_sum[axes=(1,)] c\n"
        "  e: f32[3,4] = add a 2.0:f32\n"
        "  return d, e\n"
        "}"
    )


def test_carried_graphs_are_indented_and_name_their_variables_anew() -> None:
    inner = build(lambda a: [neg(a), a], [T])
    graph = build(lambda a, b: call(inner, b, name="f"), [T, T])
    assert print_graph(graph) == (
        "graph(a: f32[3,4], b: f32[3,4]) {\n"
        "  c: f32[3,4], d: f32[3,4] = call[graph=graph(a: f32[3,4]) {\n"
        "    b: f32[3,4] = neg a\n"
        "    return b, a\n"
        '  }, name="f"] b\n'
        "  return c, d\n"
        "}"
    )


def test_a_tuple_of_graphs_has_one_after_the_other() -> None:
    inner = build(lambda a: [neg(a)], [T])
    a = Var(T)
    graph = Graph((a,), (Eqn(neg_p, (a,), (Var(T),), {"branches": (inner, inner)}),), (a,))
    assert print_graph(graph) == (
        "graph(a: f32[3,4]) {\n"
        "  b: f32[3,4] = neg[branches=(\n"
        "    graph(a: f32[3,4]) {\n"
        "      b: f32[3,4] = neg a\n"
        "      return b\n"
        "    },\n"
        "    graph(a: f32[3,4]) {\n"
        "      b: f32[3,4] = neg a\n"
        "      return b\n"
        "    },\n"
        "  )] a\n"
        "  return a\n"
        "}"
    )


def test_empty_graph() -> None:
    assert print_graph(Graph((), (), ())) == "graph() {\n  return\n}"


def test_sources_are_comments_on_request() -> None:
    a, b = Var(T), Var(T)
    graph = Graph((a,), (Eqn(neg_p, (a,), (b,), {}, Source("model.py", 7)),), (b,))
    assert "  b: f32[3,4] = neg a  # model.py:7\n" in print_graph(graph, sources=True)
    assert "#" not in print_graph(graph)


def test_names_follow_the_order_of_binding() -> None:
    ins = tuple(Var(T) for _ in range(26 + 26 * 26 + 2))
    names = list(names_of(Graph(ins, (), ())).values())
    assert names[:2] == ["a", "b"]
    assert names[25:28] == ["z", "aa", "ab"]
    assert names[-3:] == ["zz", "aaa", "aab"]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (np.float64(0.1), "0.1"),
        (np.float32(0.1), "0.1"),
        (np.float16(1 / 3), "0.3333"),
        (np.float64(-0.0), "-0.0"),
        (np.float64(1e300), "1e+300"),
        (np.float32(np.inf), "inf"),
        (np.float64(-np.inf), "-inf"),
        (np.float64(np.nan), "nan"),
        (np.uint64(0xFFF8000000000000).view(np.float64), "0xfff8000000000000"),
        (np.uint32(0x7FC00001).view(np.float32), "0x7fc00001"),
        (np.complex64(complex(1.5, -0.0)), "(1.5,-0.0)"),
        (np.complex128(complex(math.nan, math.inf)), "(nan,inf)"),
        (np.bool_(True), "True"),
        (np.int8(-128), "-128"),
        (np.uint64(2**64 - 1), "18446744073709551615"),
        (bfloat16.type(1.5), "1.5"),
    ],
)
def test_scalars(value: np.generic, text: str) -> None:
    assert print_scalar(value) == text
    assert read_scalar(text, value.dtype).tobytes() == value.tobytes()


@pytest.mark.parametrize("short", sorted(set(DTYPES) - {"bool"}))
def test_all_bits_come_back(short: str) -> None:
    dtype = DTYPES[short]
    if dtype.itemsize <= 2:
        values = np.arange(2 ** (8 * dtype.itemsize)).astype(f"u{dtype.itemsize}").view(dtype)
    else:
        values = np.frombuffer(np.random.default_rng(0).bytes(dtype.itemsize * 2000), dtype)
    for value in values:
        assert read_scalar(print_scalar(value), dtype).tobytes() == value.tobytes()


def test_caret_underlines_a_piece() -> None:
    graph = build(lambda a: [reduce_sum(a, (1,))], [T])
    text = eqn_text(graph.eqns[0], names_of(graph))
    assert str(text) == "b: f32[3] = reduce_sum[axes=(1,)] a"
    assert text.caret("outs") == "^^^^^^^^^"
    assert text.caret("prim") == "            ^^^^^^^^^^"
    assert text.caret("params") == "                       ^^^^^^^^^"
    assert text.caret("ins") == "                                  ^"


def test_unknown_param_is_an_internal_error() -> None:
    a = Var(T)
    graph = Graph((a,), (Eqn(neg_p, (a,), (Var(T),), {"x": [1]}),), (a,))
    with pytest.raises(InternalError, match=r"a param of type list has no text form: \[1\]\."):
        print_graph(graph)


def test_function_prints_by_name() -> None:
    a = Var(T)
    graph = Graph((a,), (Eqn(neg_p, (a,), (Var(T),), {"function": math.sqrt}),), (a,))
    assert "neg[function=<sqrt>] a" in print_graph(graph)


def test_literal_outputs() -> None:
    assert "return 1.0:f64, True:bool" in str(Graph((), (), (Literal(1.0), Literal(True))))
