"""The memory plan: what is written in place, and what is copied because somebody still wants the old value."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from weft.engine.runtime.program import Program, compile_graph
from weft.ir.builder import build, type_of_value
from weft.ir.interpret import evaluate
from weft.ir.ops import elementwise as e
from weft.ir.ops.index import dynamic_update_slice, scatter
from weft.ir.ops.shape import full, reshape
from weft.ir.types import FLOAT64

X, PLACES = np.arange(6.0), np.array([1, 1, 4])


def program_of(fun: Callable[..., Any], *args: np.ndarray) -> Program:
    return compile_graph(build(lambda *v: list(fun(*v)), [type_of_value(a) for a in args]))


def add_at(x: Any, i: Any, value: float = 1.0) -> Any:
    return scatter(x, full(i.shape, value, FLOAT64), [i], [0], "add")


CASES: dict[str, tuple[Callable[..., Any], int]] = {
    # name: the program, and how many copies it makes
    "into a fresh array": (lambda x, i: [add_at(full((6,), 2, FLOAT64), i)], 0),
    "into an intermediate result": (lambda x, i: [add_at(e.mul(x, x), i)], 0),
    "in a chain": (lambda x, i: [add_at(add_at(e.mul(x, x), i), i, 5.0)], 0),
    "the result is read": (lambda x, i: [e.neg(add_at(e.mul(x, x), i))], 0),
    "a window": (lambda x, i: [dynamic_update_slice(e.mul(x, x), full((2,), 0, FLOAT64), [np.asarray(3)])], 0),
    "a reshaped result": (lambda x, i: [reshape(add_at(e.mul(x, x), i), (2, 3))], 0),
    "into a reshaped array": (
        lambda x, i: [scatter(reshape(e.mul(x, x), (3, 2)), full((3, 2), 1.0, FLOAT64), [i], [0], "add", "clip")], 0,
    ),
    "into an input": (lambda x, i: [add_at(x, i)], 1),
    "into a reshaped input": (
        lambda x, i: [scatter(reshape(x, (3, 2)), full((3, 2), 1.0, FLOAT64), [i], [0], "add", "clip")], 1,
    ),
    "into an output": (lambda x, i: (lambda y: [y, add_at(y, i)])(e.mul(x, x)), 1),
    "into a reshaped output": (lambda x, i: (lambda y: [reshape(y, (3, 2)), add_at(y, i)])(e.mul(x, x)), 1),
    "read later": (lambda x, i: (lambda y: [e.add(y, add_at(y, i))])(e.mul(x, x)), 1),
    "twice into one": (lambda x, i: (lambda y: [add_at(y, i), add_at(y, i, 3.0)])(e.mul(x, x)), 1),
    "its own update": (lambda x, i: (lambda y: [scatter(y, y, [e.cast(x, i.dtype)], [0], "set")])(e.mul(x, x)), 1),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_copies_are_made_only_where_the_old_value_is_wanted(name: str) -> None:
    fun, copies = CASES[name]
    program = program_of(fun, X, PLACES)
    assert program.tape.disassemble().count(" copy ") == copies
    args = [X.copy(), PLACES.copy()]
    for got, wanted in zip(program.run(args), evaluate(program.graph, X, PLACES), strict=True):
        np.testing.assert_array_equal(got, wanted)
    np.testing.assert_array_equal(args[0], X)


@pytest.mark.parametrize("wanted", [False, True])
def test_zeros_that_several_updates_begin_with_are_made_for_each(wanted: bool) -> None:
    def fun(x: Any, i: Any) -> list[Any]:
        zeros = full((600,), 0, FLOAT64)
        return [add_at(zeros, i), add_at(zeros, i, 3.0), *([zeros] if wanted else [])]

    program = program_of(fun, X, PLACES)
    text = program.tape.disassemble()
    assert text.count(" copy ") == 0
    fills = [nest for nest in program.nests if not any(b.kind == "in" for b in nest.buffers)]
    assert len(fills) == (3 if wanted else 2), text
    for got, expected in zip(program.run([X, PLACES]), evaluate(program.graph, X, PLACES), strict=True):
        np.testing.assert_array_equal(got, expected)
