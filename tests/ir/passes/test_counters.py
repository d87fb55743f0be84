"""What is compared with a counter: settled where all steps agree, and not elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import weft
import weft.numpy as wnp
from weft import lax
from weft.ir.graph import Graph
from weft.ir.interpret import evaluate
from weft.ir.ops.flow import scan_p
from weft.ir.passes.counters import fold_counters
from weft.ir.passes.dce import dce
from weft.ir.passes.pipeline import run_pipeline
from weft.ir.verify import verify

COMPARED: dict[str, Callable[[Any, Any], Any]] = {
    "lt": np.less,
    "le": np.less_equal,
    "gt": np.greater,
    "ge": np.greater_equal,
    "eq": np.equal,
    "ne": np.not_equal,
}
TRACED: dict[str, Callable[[Any, Any], Any]] = {
    "lt": lambda a, b: a < b,
    "le": lambda a, b: a <= b,
    "gt": lambda a, b: a > b,
    "ge": lambda a, b: a >= b,
    "eq": lambda a, b: a == b,
    "ne": lambda a, b: a != b,
}


def body_of(graph: Graph) -> Graph:
    (loop,) = (eqn for eqn in graph.eqns if eqn.prim is scan_p)
    body: Graph = loop.params["body"]
    return body


@pytest.mark.parametrize("name", COMPARED)
@pytest.mark.parametrize("bound", range(-4, 5))
def test_a_comparison_is_settled_where_all_steps_agree(name: str, bound: int) -> None:
    start, length = -2, 4  # -2 -1 0 1

    def fun(x: Any) -> Any:
        return lax.fori_loop(
            start, start + length, lambda k, x: x * 2 + TRACED[name](k, bound).astype(float), x
        )

    graph = weft.make_graph(fun)(0.5)
    folded = dce(fold_counters(graph))
    verify(folded)
    assert fold_counters(folded) is folded
    answers = COMPARED[name](np.arange(start, start + length), bound)
    asks = any(eqn.prim.name in COMPARED for eqn in body_of(folded).eqns)
    assert asks == (answers.any() and not answers.all())
    assert evaluate(folded, np.float64(0.5)) == evaluate(graph, np.float64(0.5))


NUMBERS: dict[str, tuple[Callable[[], Any], np.ndarray]] = {
    "from 0": (lambda: wnp.arange(4), np.arange(4)),
    "from below": (lambda: wnp.arange(-2, 2), np.arange(-2, 2)),
    "down": (lambda: wnp.arange(1, -3, -1), np.arange(1, -3, -1)),
    "by two": (lambda: 2 * wnp.arange(3) - 3, 2 * np.arange(3) - 3),
    "of 32 bits": (lambda: wnp.arange(3, dtype="int32") - np.int32(1), np.arange(3, dtype="int32") - 1),
    "of 8 bits": (
        lambda: wnp.arange(60, dtype="int8") + np.int8(100),
        np.arange(60, dtype="int8") + np.int8(100),
    ),
}


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("name", COMPARED)
@pytest.mark.parametrize("kind", NUMBERS)
def test_scanned_numbers_are_known(kind: str, name: str, reverse: bool) -> None:
    make, numbers = NUMBERS[kind]
    for bound in range(-4, 5):

        def fun(x: Any, bound: int = bound) -> Any:
            step = lambda x, k: (x * 2 + TRACED[name](k, bound).astype(float), None)  # noqa: E731
            return lax.scan(step, x, make(), reverse=reverse)[0]

        graph = weft.make_graph(fun)(0.5)
        folded = dce(fold_counters(graph))
        verify(folded)
        assert dce(fold_counters(folded)) is folded
        answers = COMPARED[name](numbers, bound)
        asks = any(eqn.prim.name in COMPARED for eqn in body_of(folded).eqns)
        same = answers.all() or not answers.any()
        # Numbers that go round are not followed, nor is which of those between the ends is left out.
        assert asks == (not same or kind == "of 8 bits") or (kind == "by two" and name in ("eq", "ne"))
        assert evaluate(folded, np.float64(0.5)) == evaluate(graph, np.float64(0.5))


def test_an_index_that_is_scanned_is_not_asked_either() -> None:
    def fun(x: Any) -> Any:
        return lax.scan(lambda x, k: (x.at[k].add(x[k - 1]), x[k]), x, wnp.arange(1, x.shape[0]))

    x = np.arange(5.0)
    program = weft.jit(fun).lower(x).program
    assert " select " not in str(program.fused)
    for found, wanted in zip(weft.jit(fun)(x), fun(x), strict=True):
        np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize(
    ("place", "asked"),
    [
        (lambda k, n: n - 1 - k, False),
        (lambda k, n: 2 * k, False),
        (lambda k, n: 2 * k - n, False),  # all from the end
        (lambda k, n: 3 * k, True),
        (lambda k, n: k - 1, True),
        (lambda k, n: (k - 3) * -1, True),
        (lambda k, n: k * 2**62, True),  # which goes round
    ],
)
def test_what_is_computed_of_numbers_is_known(place: Callable[..., Any], asked: bool) -> None:
    def fun(x: Any) -> Any:
        n = x.shape[0]
        return lax.fori_loop(0, n // 2, lambda k, x: x.at[place(k, n)].add(wnp.sum(x)), x)

    x = np.arange(10.0)
    graph = weft.make_graph(fun)(x)
    folded = run_pipeline(graph, verify=True)
    assert any(eqn.prim.name == "select" for eqn in body_of(folded).eqns) == asked
    np.testing.assert_array_equal(evaluate(folded, x)[0], evaluate(graph, x)[0])


def test_an_index_that_is_inside_is_neither_turned_round_nor_asked() -> None:
    def asked(shift: int) -> list[str]:
        def fun(x: Any) -> Any:
            return lax.fori_loop(shift, shift + x.shape[0], lambda k, x: x.at[k].set(x[k] + 1), x)

        program = weft.jit(fun).lower(np.ones(5)).program
        return [line for line in str(program.fused).splitlines() if " select " in line]

    assert asked(0) == []
    assert asked(-1) != [] and asked(1) != []
    for shift in (-1, 0, 1):
        x = np.arange(5.0)
        stop = shift + 5
        found = weft.jit(lambda x, a=shift, b=stop: lax.fori_loop(a, b, lambda k, x: x.at[k].add(1.0), x))(x)
        wanted = x.copy()
        for number in range(shift, stop):
            if number < 5:
                wanted[number] += 1
        np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize(
    "loop",
    [
        lambda x: lax.fori_loop(0, 0, lambda k, x: x + (k < 1), x),
        lambda x: lax.scan(lambda c, _: ((c[0] + 2, c[1] + (c[0] < 3)), None), (0, x), None, length=3)[0][1],
        lambda x: lax.scan(
            lambda c, _: ((c[0] + 1, c[1] + (c[0] < 3)), None), (wnp.sum(x > 9), x), None, length=3
        )[0][1],
        lambda x: lax.scan(
            lambda c, _: ((c[0] + np.int8(1), c[1] + (c[0] < 0)), None), (np.int8(100), x), None, length=60
        )[0][1],
    ],
    ids=["no step", "by two", "begins anywhere", "wraps around"],
)
def test_what_does_not_count_stays(loop: Callable[..., Any]) -> None:
    graph = weft.make_graph(loop)(np.ones(2))
    assert fold_counters(graph) is graph
