"""The benchmarks measure what they say: every suite runs on Weft, and the backends agree on every program."""

from __future__ import annotations

import functools
import re
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

import weft as api
from asv_bench import compare, measure, performance
from asv_bench.benchmarks import Backend, Programs, by_hand
from asv_bench.benchmarks.compile import PROGRAMS, unrolled
from asv_bench.benchmarks.transformer import stack_data, stack_gradient
from asv_bench.benchmarks.warm import first_gradient

SUITES = list(measure.suites())
ALL = [
    pytest.param(cls(), program, id=f"{name}-{program.__name__}")
    for name, cls in {b.name: b.cls for b in SUITES if issubclass(b.cls, Programs)}.items()
    for program in cls.programs
]
# In processes of their own, or with a set-up that calls what is timed.
OTHERS = [b for b in SUITES if not issubclass(b.cls, Programs)]


BY_HAND = [case for case in ALL if case.values[0].by_hand and hasattr(by_hand, case.values[1].__name__)]


def numbers(tree: Any) -> list[np.ndarray]:
    return [np.asarray(leaf) for leaf in jax.tree.leaves(tree)]


def result(backend: Backend, suite: Programs, program: Any) -> list[np.ndarray]:
    args = backend.arrays(suite.arguments(program.__name__, min(*suite.sizes, 1_000)))
    fun = functools.partial(program, backend)
    return numbers((backend.jit(fun) if suite.jit else fun)(*args))


def assert_agree(weft: list[np.ndarray], judge: list[np.ndarray], tolerance: float = 1e-9) -> None:
    for ours, theirs in zip(weft, judge, strict=True):
        assert ours.dtype == theirs.dtype
        np.testing.assert_allclose(ours, theirs, rtol=tolerance, atol=tolerance * np.abs(theirs).max())


@pytest.mark.parametrize(("suite", "program"), ALL)
def test_backends_agree(suite: Programs, program: Any) -> None:
    tolerance = 1e-4 if suite.dtype == "float32" else 1e-9
    weft = result(Backend.of("weft"), suite, program)
    assert_agree(weft, result(Backend.of("jax"), suite, program), tolerance)
    alone = suite.transforms or program.__name__ in (*suite.without_numpy, "random_normal", "random_uniform")
    if not alone:
        assert_agree(weft, result(Backend.of("numpy"), suite, program), tolerance)


@pytest.mark.parametrize(("suite", "program"), BY_HAND)
def test_loops_by_hand_compute_the_same_and_leave_their_arguments(suite: Programs, program: Any) -> None:
    data = suite.arguments(program.__name__, suite.sizes[0])
    before = [array.copy() for array in data]
    ours = numbers(getattr(by_hand, program.__name__)(*data))
    assert_agree(result(Backend.of("weft"), suite, program), ours)
    for array, was in zip(data, before, strict=True):
        np.testing.assert_array_equal(array, was)


@pytest.mark.parametrize("name", ["six_operations", "network_gradient"])
def test_backends_agree_on_what_is_compiled(name: str) -> None:
    program, data = PROGRAMS[name]
    weft, jax = (
        numbers(b.jit(functools.partial(program, b))(*b.arrays(data())))
        for b in map(Backend.of, ("weft", "jax"))
    )
    assert_agree(weft, jax)


def test_backends_agree_on_a_transformer_block() -> None:
    weft, jax = (
        numbers(b.jit(functools.partial(stack_gradient, b))(*b.arrays(stack_data(1))))
        for b in map(Backend.of, ("weft", "jax"))
    )
    assert_agree(weft, jax)


def test_unrolled_programs_have_as_many_operations_as_they_say_and_agree() -> None:
    data = (np.linspace(-1.0, 1.0, 50), np.linspace(1.0, 2.0, 50))
    weft, jax = (
        numbers(b.jit(functools.partial(unrolled, b, 100))(*b.arrays(data)))
        for b in map(Backend.of, ("weft", "jax"))
    )
    assert_agree(weft, jax)
    graph = api.make_graph(functools.partial(unrolled, Backend.of("weft"), 1_000))(*data)
    assert 900 < len(graph.eqns) < 1_200


def test_backends_agree_on_the_first_result() -> None:
    weft, jax = (numbers(first_gradient(name)) for name in ("weft", "jax"))
    assert_agree(weft, jax)


@pytest.mark.parametrize("benchmark", OTHERS, ids=lambda b: f"{b.name}-{b.method}")
def test_suites_with_a_set_up_of_their_own_run(benchmark: measure.Benchmark) -> None:
    first = [values[0] for values in benchmark.cls.params]
    take = measure.sampler(benchmark, [min(p, 100) if isinstance(p, int) else p for p in first])
    assert take is not None and take() > 0


def test_twenty_shapes_are_compiled_once() -> None:
    (benchmark,) = (b for b in SUITES if b.name == "trace.Compiles")
    for program in benchmark.cls.params[0]:
        take = measure.sampler(benchmark, (program,))
        assert take is not None and take() == 1


def test_a_suite_leaves_out_what_a_backend_cannot_do() -> None:
    by_name = {b.name: b for b in SUITES}
    assert measure.sampler(by_name["trace.NewShape"], ("numpy", "network")) is None
    assert measure.sampler(by_name["network.Network"], ("numpy", "gradient", 64)) is None


def test_samples_are_taken_until_the_ratios_are_stable() -> None:
    calls = {"weft": 0, "jax": 0}

    def take(name: str, values: list[float]) -> float:
        calls[name] += 1
        return values[min(calls[name], len(values)) - 1]

    slow_start = [9.0, 1.0, 6.0, 3.0, *[2.0] * 40]
    samplers = {"weft": lambda: take("weft", slow_start), "jax": lambda: take("jax", [4.0])}
    found = measure.compare(samplers, least=3, most=40, limit=60.0)
    assert calls["weft"] == calls["jax"] == found.rounds
    assert 8 <= found.rounds < 15 and found.ratio("jax") == 0.5 and found.ratio("numpy") is None
    assert found.medians == {"weft": 2.0, "jax": 4.0}


def test_the_table_has_a_row_for_each_case(capsys: pytest.CaptureFixture[str]) -> None:
    compare.main(["dispatch.Jitted", "--backends", "weft", "numpy", "--rounds", "1"])
    printed = capsys.readouterr().out
    assert "six_operations 10" in printed and "small_network 1000" in printed and "s │" in printed


def test_every_row_with_a_target_has_a_benchmark() -> None:
    labels = [row.label for row in performance.ROWS]
    assert len(set(labels)) == len(labels)
    for row in performance.ROWS:
        cls = row.benchmark().cls
        for value, values in zip(row.params, cls.params[1:], strict=True):
            assert value in values, row.label


def test_a_row_says_whether_its_target_is_met() -> None:
    row = performance.Row("a row", "dispatch.Jitted", ("six_operations", 10), 0.5, of_numpy=2.0)
    medians = {"weft": 1e-6, "numpy": 1e-6, "jax": 4e-6}
    found = measure.Comparison(medians, {"jax": 0.25, "numpy": 1.0}, 3)
    assert performance.line(row, found) == "| a row | 1 µs | 1 µs |  | 4 µs | 0.25 | 0.5, 2 of NumPy | met |"
    for to_jax, to_numpy in ((0.6, 1.0), (0.25, 2.5)):
        missed = measure.Comparison(medians, {"jax": to_jax, "numpy": to_numpy}, 3)
        assert performance.line(row, missed).endswith("| **missed** |")


def test_a_gradient_is_compared_with_its_forward_pass() -> None:
    row = next(row for row in performance.ROWS if row.of_forward)
    for ratio, word in ((5.0, "met"), (7.0, "**missed**")):
        found = measure.Comparison({"weft": 1e-6, "jax": 1e-5}, {"jax": 0.1, "forward": ratio}, 3)
        assert performance.line(row, found).endswith(f"| 0.2, 6 of forward ({ratio:.2g}) | {word} |")
    found = performance.measure(next(row for row in performance.ROWS if "RK4" in row.label), 0.01)
    assert found.ratio("forward") > 1


def test_only_the_table_of_the_page_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "performance.md"
    page.write_text(f"before\n{performance.BEGIN}old\n{performance.END}after\n")
    monkeypatch.setattr(performance, "PAGE", page)
    monkeypatch.setattr(performance, "ROWS", performance.ROWS[:1])
    performance.main(["--write", "--limit", "0.01"])
    text = page.read_text()
    assert text.startswith("before\n") and text.endswith(f"{performance.END}after\n") and "old" not in text
    assert text.count("six operations, 10 elements") == 1 and "row" in capsys.readouterr().out


def test_the_page_has_a_line_for_each_row() -> None:
    text = performance.PAGE.read_text(encoding="utf-8")
    table = text.split(performance.BEGIN)[1].split(performance.END)[0]
    assert re.findall(r"^\| (.*?) \|", table, re.MULTILINE)[1:-1] == [row.label for row in performance.ROWS]


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (2.0, "seconds", "2 s"),
        (0.0123, "seconds", "12.3 ms"),
        (4.56e-6, "seconds", "4.56 µs"),
        (7.8e-8, "seconds", "78 ns"),
        (3.21e8, "bytes", "321 MB"),
        (None, "seconds", ""),
    ],
)
def test_quantities_are_spelled_with_a_unit(value: float | None, unit: str, text: str) -> None:
    assert compare.spelled(value, unit) == text
