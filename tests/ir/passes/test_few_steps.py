"""Backward passes of loops of unknown length: two loops where the steps are few, the primitive where they are not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import weft
import weft.numpy as wnp
from tests.ir.passes.texts import unchanged
from weft import lax
from weft.engine.runtime.program import compile_graph
from weft.ir.interpret import evaluate
from weft.ir.ops.flow.few_steps import FEW
from weft.ir.parser import parse_graph
from weft.ir.passes.few_steps import few_steps
from weft.ir.verify import verify

TEXT = """
graph(n: i64[], w: f64[], x: f64[{size}], s: f64[{size}]) {{
  t: f64[{size}] = fold_back[advance=graph(w: f64[], x: f64[{size}]) {{
    y: f64[{size}] = sin x
    return y
  }}, backward=graph(w: f64[], x: f64[{size}], s: f64[{size}]) {{
    c: f64[{size}] = cos x
    t: f64[{size}] = mul c s
    return t
  }}, checkpoints={checkpoints}, n_consts=1{more}] n w x s
  return t
}}
"""


def graph_of(size: int, checkpoints: int | None, more: str = "") -> Any:
    return parse_graph(TEXT.format(size=size, checkpoints=checkpoints, more=more))


@pytest.mark.parametrize("checkpoints", [None, 1, 4, 500])
def test_means_the_same_for_any_number_of_steps(checkpoints: int | None) -> None:
    graph = graph_of(3, checkpoints)
    prepared = few_steps(graph)
    verify(prepared)
    assert [eqn.prim.name for eqn in prepared.eqns][-1] == "cond"
    x, s = np.array([0.1, 1.0, 2.0]), np.array([1.0, -1.0, 0.5])
    for n in (0, 1, 3, 4, 5, FEW, FEW + 1, 100):
        args = np.asarray(n), np.asarray(1.0), x, s
        wanted, slope = x, s
        states = [wanted := np.sin(wanted) if i else x for i in range(n)]
        for state in reversed(states):
            slope = np.cos(state) * slope
        for found in (
            evaluate(prepared, *args),
            evaluate(graph, *args),
            compile_graph(graph).run(list(args)),
        ):
            np.testing.assert_allclose(found[0], slope, rtol=1e-13)


def test_no_more_states_are_kept_than_allowed() -> None:
    (*_, choice) = few_steps(graph_of(3, 5)).eqns
    long, short = choice.params["branches"]
    assert long.eqns[0].params["at_least"] == 6
    rows = {out.type.shape[0] for eqn in short.eqns for out in eqn.outs if out.type.ndim == 2}
    assert max(rows) == 5


def test_once_is_enough() -> None:
    unchanged(
        few_steps,
        TEXT.format(size=3, checkpoints=None, more="").replace("checkpoints", "at_least=64, checkpoints"),
    )


def test_large_states_are_left_alone() -> None:
    unchanged(few_steps, TEXT.format(size=100_000, checkpoints=None, more=""))


def test_a_short_loop_in_a_scan_does_not_come_back_to_python() -> None:
    def root(a: Any) -> Any:
        return lax.while_loop(lambda x: abs(x**2 - a) > 1e-10, lambda x: (x + a / x) / 2, a)

    def total(a: Any) -> Any:
        return wnp.sum(lax.scan(lambda c, x: (c, root(x)), 0.0, a)[1])

    a = np.linspace(2.0, 9.0, 8)
    slope = weft.jit(weft.grad(total))
    np.testing.assert_allclose(slope(a), 0.5 / np.sqrt(a), rtol=1e-9)
    program = slope.lower(a).program
    calls: list[int] = []
    for k, call in enumerate(program.host_calls):
        program.host_calls[k] = lambda table, call=call: (calls.append(1), call(table))[1]
    slope(a)
    assert not calls
