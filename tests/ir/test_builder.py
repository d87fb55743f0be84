from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest

from weft.ir.builder import (
    GraphBuilder,
    Recorder,
    Value,
    bind_all,
    build,
    concrete,
    tracing,
    type_of_value,
)
from weft.ir.errors import ConcretizationError, InternalError, LeakedTracerError
from weft.ir.graph import Literal, Source
from weft.ir.interpret import evaluate
from weft.ir.ops.control import call_p
from weft.ir.ops.elementwise import add, mul, neg, neg_p
from weft.ir.ops.shape import full, iota
from weft.ir.source import at_source, current, user_source
from weft.ir.types import ArrayType
from weft.ir.verify import verify

F32 = np.dtype(np.float32)
T = ArrayType((3,), F32)
X = np.array([1, 2, 3], F32)


def test_without_values_numpy_computes() -> None:
    result = mul(X, X)
    assert isinstance(result, np.ndarray)
    np.testing.assert_array_equal(result, [1, 4, 9])


def test_with_a_value_an_equation_is_recorded() -> None:
    builder = GraphBuilder()
    a = builder.add_input(T)
    b = add(a, 2.0)
    assert isinstance(b, Value)
    assert (b.shape, b.dtype, b.ndim, b.size, b.type) == ((3,), F32, 1, 3, T)
    graph, captured = builder.finish([b, a])
    assert captured == []
    assert str(graph) == "graph(a: f32[3]) {\n  b: f32[3] = add a 2.0:f32\n  return b, a\n}"
    np.testing.assert_array_equal(evaluate(graph, X)[0], X + 2)


def test_python_scalars_take_the_dtype_of_the_array() -> None:
    assert add(X, 1).dtype == F32
    assert add(1, np.int8(3)).dtype == np.int8


def test_rank_0_becomes_a_literal_and_arrays_are_captured_once() -> None:
    builder = GraphBuilder()
    a = builder.add_input(T)
    b = mul(add(a, X), X)
    graph, captured = builder.finish([mul(b, np.array(2, F32)), np.float32(7)])
    assert len(captured) == 1
    assert captured[0] is X
    assert len(graph.ins) == 2
    assert graph.outs[1] == Literal(np.float32(7))
    verify(graph)


def test_small_arrays_of_equal_bits_are_captured_once() -> None:
    builder = GraphBuilder()
    a = builder.add_input(T)
    zero, minus_zero, large = np.zeros(3, F32), -np.zeros(3, F32), np.zeros((500, 3), F32)
    outs = [mul(a, zero), mul(a, zero.copy()), mul(a, minus_zero), large, large.copy()]
    graph, captured = builder.finish(outs)
    assert [x.shape for x in captured] == [(3,), (3,), (500, 3), (500, 3)]
    assert captured[0] is zero and captured[1] is minus_zero
    assert graph.eqns[0].ins == graph.eqns[1].ins != graph.eqns[2].ins


def test_the_deepest_builder_records_and_captures_outer_values() -> None:
    outer, inner = GraphBuilder(), GraphBuilder()
    a, b = outer.add_input(T), inner.add_input(T)
    c = mul(a, a)  # of the outer one alone
    d = add(b, c)
    assert c.builder is outer
    assert d.builder is inner
    graph, captured = inner.finish([d])
    assert [x.variable for x in captured] == [c.variable]
    assert str(graph) == "graph(a: f32[3], b: f32[3]) {\n  c: f32[3] = add a b\n  return c\n}"
    assert [eqn.prim.name for eqn in outer.eqns] == ["mul"]


def test_variables_of_rank_0_beside_arrays_are_broadcast() -> None:
    graph = build(lambda a, s: [mul(a, s)], [T, ArrayType((), F32)])
    verify(graph)
    assert [eqn.prim.name for eqn in graph.eqns] == ["broadcast", "mul"]


def test_makers_go_to_the_ambient_builder() -> None:
    assert isinstance(iota(F32, (3,)), np.ndarray)
    builder = GraphBuilder()
    with tracing(builder):
        a = full((3,), 1.0, F32)
        with tracing(GraphBuilder()) as innermost:
            assert iota(F32, (3,)).builder is innermost
    assert a.builder is builder
    assert isinstance(iota(F32, (3,)), np.ndarray)


def test_several_results() -> None:
    graph = build(lambda a: [neg(a), a], [T])
    outs = call_p.bind(X, graph=graph, name="")
    assert isinstance(outs, tuple)
    np.testing.assert_array_equal(outs[0], -X)
    assert len(bind_all(neg_p, [X], {})) == 1


def test_build_refuses_arrays_from_outside() -> None:
    with pytest.raises(InternalError, match=r"captured \['f32\[3\]'\]"):
        build(lambda a: [add(a, X)], [T])


def test_equations_know_the_users_line() -> None:
    builder = GraphBuilder()
    a = builder.add_input(T)
    neg(a)
    source = builder.eqns[0].source
    assert source is not None
    assert source.file == __file__
    assert source.function == "test_equations_know_the_users_line"


def test_at_source_sets_and_restores() -> None:
    source = Source("model.py", 4)
    with at_source(source):
        assert user_source() == source
        with at_source(None):
            assert user_source() != source
    assert current.source is None


def test_a_recorder_knows_the_values_of_what_it_records() -> None:
    recorder = Recorder(name="grad")
    a = recorder.add_known(X)
    b = mul(a, X)
    c = add(b, 1.0)
    assert recorder.position == 0
    np.testing.assert_array_equal(concrete(c), X * X + 1)
    assert recorder.position == 2
    np.testing.assert_array_equal(concrete(b), X * X)
    graph, captured = recorder.finish([c])
    verify(graph)
    assert captured[0] is X


def test_recorders_nest() -> None:
    outer, inner = Recorder(), Recorder()
    a = outer.add_known(X)
    b = inner.add_known(mul(a, a))
    np.testing.assert_array_equal(concrete(add(b, a)), X * X + X)
    assert [eqn.prim.name for eqn in outer.eqns] == ["mul", "add"]


def test_a_recorder_in_a_traced_function_has_no_numbers() -> None:
    outer, inner = GraphBuilder(name="jit"), Recorder()
    b = inner.add_known(outer.add_input(T))
    with pytest.raises(ConcretizationError, match="traced by jit: only its shape and dtype are known"):
        concrete(neg(b))


def test_concretization_says_where_the_value_is_from() -> None:
    builder = GraphBuilder(name="jit of loss")
    builder.argument_names = ["x"]
    a = builder.add_input(T)
    with pytest.raises(ConcretizationError) as error:
        concrete(a, "an if needs True or False")
    assert str(error.value).startswith("an if needs True or False, but f32[3] is traced by jit of loss:")
    assert "It is the argument x." in str(error.value)
    with pytest.raises(ConcretizationError, match=r"It is the result of neg at .*test_builder\.py:\d+\."):
        concrete(neg(a))
    assert concrete(X) is X


def test_leaked_values_are_refused_by_name() -> None:
    builder = GraphBuilder(name="jit")
    b = neg(builder.add_input(T))
    builder.finish([b])
    for use in (lambda: neg(b), lambda: concrete(b), lambda: add(b, GraphBuilder().add_input(T))):
        with pytest.raises(
            LeakedTracerError, match=r"f32\[3\], made at .*, outlived the transformation of jit"
        ):
            use()


def test_type_of_value() -> None:
    assert type_of_value(X) == type_of_value(GraphBuilder().add_input(T)) == T
    assert type_of_value(1.0) == ArrayType((), np.dtype(float))


def test_threads_trace_by_themselves() -> None:
    found: dict[int, Any] = {}

    def work(k: int) -> None:
        with tracing(GraphBuilder()) as builder, at_source(Source("t.py", k)):
            for _ in range(200):
                full((3,), float(k), F32)
            found[k] = builder.eqns

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for k, eqns in found.items():
        assert len(eqns) == 200
        assert all(eqn.source == Source("t.py", k) and eqn.params["value"] == k for eqn in eqns)
    assert len(found) == 4


def test_custom_value_class() -> None:
    class Traced(Value):
        """A value of a tracer."""

    builder = GraphBuilder(value_class=Traced)
    assert type(neg(builder.add_input(T))) is Traced
