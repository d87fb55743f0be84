"""No maths function is less exact than its page says, and none misses the target of 2 units of the last place."""

from __future__ import annotations

import mpmath as mp
import numpy as np
import pytest

from asv_bench import accuracy
from asv_bench.accuracy import FUNCTIONS, KINDS, Function

POINTS = 100
STATED = accuracy.stated()


def label(function: Function) -> str:
    return function.label or function.name


def test_the_page_has_every_function() -> None:
    assert list(STATED) == [label(function) for function in FUNCTIONS]
    assert len(FUNCTIONS) >= 29


@pytest.mark.parametrize("name", STATED)
def test_the_target_is_met(name: str) -> None:
    assert max(STATED[name]) <= 2.0


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("function", FUNCTIONS, ids=label)
def test_no_error_is_larger_than_the_page_says(function: Function, kind: str) -> None:
    worst = accuracy.measure(function, kind, POINTS)
    assert 0 <= worst.error <= STATED[label(function)][KINDS.index(kind)], worst.at


def test_few_points_are_among_many() -> None:
    for function in FUNCTIONS:
        few, many = (set(zip(*function.draw("float64", n), strict=True)) for n in (20, 200))
        assert few <= many, label(function)


def test_points_come_near_multiples_of_half_pi() -> None:
    with mp.workdps(400):
        nearest = min(abs(mp.sin(mp.mpf(x) * 2)) for x in accuracy.near_multiples_of_half_pi("float64"))
    assert 0 < nearest < 1e-17


def test_errors_are_counted_in_last_places() -> None:
    one = np.float64(1)
    got = np.array([one, np.nextafter(one, 2), np.inf, np.inf, 5e-324, np.nan])
    want = [mp.mpf(1), mp.mpf(1), mp.mpf(2) ** 2000, mp.mpf(float(np.finfo("f8").max)), mp.mpf(0), mp.mpf(1)]
    assert accuracy.ulps(got, want).tolist() == [0, 1, 0, 1, 1, np.inf]
    assert accuracy.ulps(got[1:2], want[1:2], [mp.mpf(5)]).tolist() == [0.25]


def test_only_the_table_of_the_page_is_written(tmp_path, monkeypatch, capsys) -> None:  # type: ignore[no-untyped-def]
    page = tmp_path / "accuracy.md"
    page.write_text(f"before\n{accuracy.BEGIN}old\n{accuracy.END}after\n")
    monkeypatch.setattr(accuracy, "PAGE", page)
    monkeypatch.setattr(accuracy, "FUNCTIONS", [f for f in FUNCTIONS if f.name == "sqrt"])
    accuracy.main(["--write", "--points", "50"])
    assert (
        page.read_text().startswith(f"before\n{accuracy.BEGIN}\n| Function") and "old" not in page.read_text()
    )
    assert page.read_text().endswith(f"\n\n{accuracy.END}after\n")
    assert list(accuracy.stated()) == ["sqrt"] and accuracy.stated()["sqrt"] <= (0.5, 0.5)
    assert "| sqrt | 0.5" in capsys.readouterr().out
