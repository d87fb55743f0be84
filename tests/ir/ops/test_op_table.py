"""The laws of primitives, each held against every row of the table of operations."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pytest

from tests.ir.ops.rule_checks import check_batch, check_derivatives, check_staged, trace
from tests.op_table import COLLECTIVES, TABLE, TOLERANCE, OpRecord
from weft.ir.builder import build
from weft.ir.errors import ArgumentError, GradientError, InternalError
from weft.ir.graph import Graph
from weft.ir.interpret import evaluate
from weft.ir.ops import declare_all
from weft.ir.ops.half import widened
from weft.ir.parser import parse_graph
from weft.ir.passes.batch import Axis, batch, batch_values
from weft.ir.passes.jvp import jvp
from weft.ir.passes.transpose import transpose
from weft.ir.primitive import REGISTRY, scalar
from weft.ir.printer import print_graph
from weft.ir.rules import to_front
from weft.ir.types import ArrayType, is_inexact
from weft.ir.verify import verify

declare_all()
F64, C128 = np.dtype(np.float64), np.dtype(np.complex128)


def cases(rows: list[OpRecord], dtypes: tuple[np.dtype, ...] | None = None) -> Any:
    """Run a test for each row and each of its dtypes (of those in ``dtypes``)."""
    return pytest.mark.parametrize(
        ("record", "dtype"),
        [
            pytest.param(record, dtype, id=f"{record.id}-{dtype}")
            for record in rows
            for dtype in record.dtypes
            if dtypes is None or dtype in dtypes
        ],
    )


def assert_close(found: Any, expected: Any) -> None:
    """Equal within the tolerance of the dtype of ``found``; exactly, where that is not inexact."""
    found, expected = np.asarray(found), np.asarray(expected)
    assert found.shape == expected.shape
    if not is_inexact(found.dtype):
        assert found.dtype == expected.dtype
        np.testing.assert_array_equal(found, expected)
        return
    assert widened(found).dtype == widened(expected).dtype
    found_, expected_ = widened(found), widened(expected)
    scale = np.max(np.abs(expected_), initial=1)
    np.testing.assert_allclose(found_, expected_, rtol=0, atol=TOLERANCE[found.dtype] * scale)


def test_every_primitive_has_a_row() -> None:
    rows = {record.name for record in TABLE} | {record.name for record in COLLECTIVES}
    # Callbacks call functions of the user's, which have no text form: test_callback.py.
    assert rows == {name for name, prim in REGISTRY.items() if prim.lower.kind != "callback"}


@cases(TABLE)
def test_meaning_and_types(record: OpRecord, dtype: np.dtype) -> None:
    """The value is what NumPy says, the type what the type rule says; the graph uses the primitive."""
    for operands in record.operands(dtype):
        found = check_staged(record.fun, *operands)
        expected = record.reference(*map(widened, operands))
        expected = expected if isinstance(expected, tuple) else (expected,)
        for out, reference in zip(found, expected, strict=True):
            assert_close(out, reference)
        graph = trace(record.fun, *operands)
        assert record.name in {eqn.prim.name for eqn in graph.eqns}


@cases(TABLE)
def test_text_round_trip(record: OpRecord, dtype: np.dtype) -> None:
    for operands in record.operands(dtype):
        graph = trace(record.fun, *operands)
        text = print_graph(graph)
        if any(inspect.isfunction(param) for eqn in graph.eqns for param in eqn.params.values()):
            assert "=<" in text  # the user's code is named, and the text is for reading only
            continue
        assert parse_graph(text) == graph


class _References:
    """The scalar operations that composed lowerings are written in, each by its primitive's reference."""

    def __getattr__(self, name: str) -> Any:
        return next((p for p in REGISTRY.values() if p.lower == scalar(name)), REGISTRY.get(name)).reference

    @staticmethod
    def constant(value: Any, like: np.ndarray) -> np.ndarray:
        return np.full(like.shape, value, like.dtype)

    @staticmethod
    def bitcast(x: np.ndarray, dtype: Any) -> np.ndarray:
        return x.view(dtype)


@cases([r for r in TABLE if callable(REGISTRY[r.name].lower.rule)])
def test_composed_lowering(record: OpRecord, dtype: np.dtype) -> None:
    """A lowering that composes scalar operations means what the reference means."""
    prim = REGISTRY[record.name]
    if prim.lower.kind != "scalar" or widened(np.empty((), dtype)).dtype != dtype:
        assert prim.lower.kind in ("scalar", "inline")  # 16-bit floats are composed in float32
        return
    for operands in record.operands(dtype):
        eqn = next(e for e in trace(record.fun, *operands).eqns if e.prim is prim)
        if len(eqn.ins) != len(operands):
            continue
        found = prim.lower.rule(_References(), *operands, **eqn.params)
        expected = prim.reference(*operands, **eqn.params)
        for out, reference in zip(*((v if prim.multiple else (v,)) for v in (found, expected)), strict=True):
            assert_close(out, reference)


@cases([r for r in TABLE if r.batches])
def test_batch_is_a_loop(record: OpRecord, dtype: np.dtype) -> None:
    for operands in record.operands(dtype):
        check_batch(record.fun, *operands, tol=TOLERANCE.get(dtype, 0))


@cases([r for r in TABLE if r.batches])
def test_batch_of_none_and_of_one(record: OpRecord, dtype: np.dtype) -> None:
    """Batches of size 0 and 1 have the shapes they should have."""
    operands = record.operands(dtype)[-1]
    graph = trace(record.fun, *operands)
    for size in (0, 1):
        batched, _ = batch(graph, (0,) * len(operands), size, to_axis_0=True)
        verify(batched)
        outs = evaluate(
            batched, *(np.stack([x] * size) if size else np.empty((0, *x.shape), x.dtype) for x in operands)
        )
        for out, type in zip(outs, graph.out_types, strict=True):
            assert (out.shape, out.dtype) == ((size, *type.shape), type.dtype)


@cases([r for r in TABLE if r.smooth], (F64, C128))
def test_derivatives(record: OpRecord, dtype: np.dtype) -> None:
    """Forward mode is a limit of differences, reverse mode its transpose, and so again for the derivative."""
    for operands in record.operands(dtype):
        if not any(is_inexact(t.dtype) for t in trace(record.fun, *operands).out_types):
            continue
        active = [i for i, x in enumerate(operands) if is_inexact(x.dtype) and i not in record.constant]
        check_derivatives(record.fun, *operands, active=active)


@pytest.mark.parametrize("name", ["nextafter", "bitcast", "stop_gradient"])
def test_derivatives_taken_as_zero(name: str) -> None:
    """What is not smooth has the tangent zero, in spite of its differences."""
    record = next(r for r in TABLE if r.name == name)
    operands = record.operands(F64)[-1]
    graph = trace(record.fun, *operands)
    *_, tangent = evaluate(jvp(graph, (True,) * len(operands)), *operands, *operands)
    assert tangent.dtype == graph.out_types[0].dtype
    assert not np.any(tangent)


# Rules that do not exist say so


def _alone(record: OpRecord) -> Graph | None:
    """The row's primitive alone, as a graph; ``None`` where no row has it with inexact operands."""
    dtype = next((d for d in record.dtypes if is_inexact(d)), None)
    if dtype is None:
        return None
    graph = trace(record.fun, *record.operands(dtype)[-1])
    eqn = next(eqn for eqn in graph.eqns if eqn.prim.name == record.name)
    if not any(is_inexact(t.dtype) for t in eqn.in_types):
        return None

    def fun(*args: Any) -> Any:
        out = eqn.prim.bind(*args, **eqn.params)
        return out if eqn.prim.multiple else (out,)

    return build(fun, eqn.in_types)


def _mask(graph: Graph) -> tuple[bool, ...]:
    return tuple(is_inexact(t.dtype) for t in graph.in_types)


FIRST = list({record.name: record for record in reversed(TABLE)}.values())


@pytest.mark.parametrize(
    "record", [r for r in FIRST if REGISTRY[r.name].transpose is None], ids=lambda r: r.id
)
def test_no_transpose_is_an_error(record: OpRecord) -> None:
    graph = _alone(record)
    if graph is None:
        assert REGISTRY[record.name].jvp is not None, "no inexact operands: nothing to transpose"
        return
    with pytest.raises(
        GradientError, match=f"^{record.name} at .* is not linear, so it cannot be transposed"
    ):
        transpose(graph, _mask(graph))


@pytest.mark.parametrize("record", [r for r in FIRST if REGISTRY[r.name].jvp is None], ids=lambda r: r.id)
def test_no_derivative_is_an_error(record: OpRecord) -> None:
    graph = _alone(record)
    assert graph is not None
    with pytest.raises(GradientError, match=f"^{record.name} at .* has no derivative"):
        jvp(graph, _mask(graph))


@pytest.mark.parametrize("record", [r for r in TABLE if not r.batches], ids=lambda r: r.id)
def test_no_batching_is_an_error(record: OpRecord) -> None:
    graph = _alone(record)
    assert graph is not None
    with pytest.raises(InternalError, match=record.name):
        batch(graph, (0,) * len(graph.ins), 2)


@pytest.mark.parametrize("record", [r for r in TABLE if r.constant], ids=lambda r: r.id)
def test_derivative_by_a_constant(record: OpRecord) -> None:
    """Operands that are not differentiated have tangent zero or an error, never a wrong number."""
    operands = record.operands(F64)[-1]
    graph = trace(record.fun, *operands)
    for i in record.constant:
        flags = tuple(j == i for j in range(len(operands)))
        if REGISTRY[record.name].lower.kind in ("host", "library") and record.name != "sort":
            with pytest.raises(GradientError, match=f"{record.name} has no derivative by its argument"):
                jvp(graph, flags)


# Collectives, over the axis that they name and beside another one


def _one_example(record: OpRecord, x: np.ndarray) -> Graph:
    return build(lambda v: [record.fun(v, len(x))], [ArrayType(x.shape[1:], x.dtype)])


def _over_its_axis(graph: Graph, axis: int, size: int) -> Graph:
    """The graph batched over the axis "i"."""
    (type,) = graph.in_types

    def fun(v: Any) -> list[Any]:
        (out,), (out_axis,) = batch_values(graph, [v], [axis], Axis(size, "i"))
        return [to_front(out, out_axis, size)]

    return build(fun, [type.with_shape((*type.shape[:axis], size, *type.shape[axis:]))])


@cases(COLLECTIVES)
def test_collective_over_its_axis(record: OpRecord, dtype: np.dtype) -> None:
    for (x,) in record.operands(dtype):
        graph = _one_example(record, x)
        verify(graph)
        assert record.name in {eqn.prim.name for eqn in graph.eqns}
        assert parse_graph(print_graph(graph)) == graph
        batched = _over_its_axis(graph, 0, len(x))
        verify(batched)
        assert_close(evaluate(batched, x)[0], record.reference(x))
        if is_inexact(dtype):
            check_derivatives(lambda v, batched=batched: evaluate(batched, v)[0], x)


@cases(COLLECTIVES, (F64,))
def test_collective_beside_another_axis(record: OpRecord, dtype: np.dtype) -> None:
    """Batching over another axis first, then over its own, is a loop over the other."""
    for (x,) in record.operands(dtype):
        stacked = np.stack([x, 2 * x])
        inner, _ = batch(_one_example(record, x), (0,), 2, to_axis_0=True)
        both = _over_its_axis(inner, 1, len(x))
        verify(both)
        expected = np.stack([record.reference(y) for y in stacked], 1)
        assert_close(evaluate(both, stacked)[0], expected)


@pytest.mark.parametrize("record", COLLECTIVES, ids=lambda r: r.id)
def test_collective_outside_its_axis(record: OpRecord) -> None:
    (x,) = record.operands(F64)[0]
    with pytest.raises(ArgumentError, match="the axis name 'i' is not bound"):
        evaluate(_one_example(record, x), x[0])
