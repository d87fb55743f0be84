"""The benchmarks measure what they say: every suite runs on Weft, and the backends agree on every program."""

from __future__ import annotations

import functools
from typing import Any

import jax
import numpy as np
import pytest

from asv_bench import compare
from asv_bench.benchmarks import Backend, Programs

SUITES = {name: (cls, method) for name, cls, method in compare.suites()}
SMALL = [
    pytest.param(cls(), program, id=f"{name}-{program.__name__}")
    for name, (cls, _) in SUITES.items()
    if issubclass(cls, Programs)
    for program in cls.programs
]


def result(backend: Backend, suite: Programs, program: Any) -> list[np.ndarray]:
    args = backend.arrays(suite.data(program.__name__, min(suite.sizes)))
    fun = functools.partial(program, backend)
    return [np.asarray(leaf) for leaf in jax.tree.leaves((backend.jit(fun) if suite.jit else fun)(*args))]


@pytest.mark.parametrize(("suite", "program"), SMALL)
def test_backends_agree(suite: Programs, program: Any) -> None:
    weft = result(Backend.of("weft"), suite, program)
    judge = result(Backend.of("jax" if suite.transforms else "numpy"), suite, program)
    for ours, theirs in zip(weft, judge, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-9 * np.abs(theirs).max())


@pytest.mark.parametrize("name", [name for name, (cls, _) in SUITES.items() if not issubclass(cls, Programs)])
def test_suites_with_a_set_up_of_their_own_run(name: str) -> None:
    cls, method = SUITES[name]
    call = compare.timed_call(cls, method, ("weft", *(values[0] for values in cls.params[1:])))
    assert call is not None and compare.seconds(call, 1) > 0


def test_a_suite_leaves_out_what_a_backend_cannot_do() -> None:
    cls, method = SUITES["trace.NewShape"]
    assert compare.timed_call(cls, method, ("numpy", "network")) is None


def test_the_table_has_a_row_for_each_case(capsys: pytest.CaptureFixture[str]) -> None:
    compare.main(["dispatch.Jitted", "--backends", "weft", "numpy", "--repeat", "1"])
    printed = capsys.readouterr().out
    assert "six_operations 10" in printed and "small_network 10" in printed
    assert printed.count("x") >= 2 and "s │" in printed


@pytest.mark.parametrize(
    ("duration", "text"),
    [(2.0, "2 s"), (0.0123, "12.3 ms"), (4.56e-6, "4.56 µs"), (7.8e-8, "78 ns")],
)
def test_durations_are_spelled_with_a_unit(duration: float, text: str) -> None:
    assert compare.spelled(duration) == text
