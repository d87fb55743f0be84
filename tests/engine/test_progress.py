"""Bars advance inside compiled loops, at every size, and change no result."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import weft
import weft.numpy
from weft import lax
from weft.engine import progress
from weft.ir.errors import ArgumentError

USES: dict[str, Callable[[Any], Any]] = {
    "eager": lambda f: f,
    "jit": weft.jit,
    "grad": lambda f: weft.jit(weft.grad(lambda c, xs: weft.numpy.sum(f(c, xs)[1]), (0, 1))),
}


@pytest.fixture
def advances(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What bars are told, without tqdm."""
    monkeypatch.setitem(sys.modules, "tqdm", None)
    told: list[Any] = []

    class Bar(progress._Bar):
        def __init__(self, desc: str, total: int) -> None:
            told.append((desc, total))
            super().__init__(desc, total)

        def advance(self, done: int) -> None:
            told.append(done)
            super().advance(done)

        def close(self) -> None:
            told.append("closed")
            super().close()

    monkeypatch.setattr(progress, "_Bar", Bar)
    return told


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("n", [0, 1, 7, 100, 103, 250, 1009])
@pytest.mark.parametrize("use", USES)
def test_scan_has_the_same_results(use: str, n: int, reverse: bool, advances: list[Any]) -> None:
    xs = weft.numpy.linspace(0.0, 1.0, n)

    def f(shown: Any) -> Any:
        return lambda c, xs: lax.scan(
            lambda c, x: (c * 0.9 + x, c * x), c, xs, reverse=reverse, progress=shown
        )

    found, expected = (weft.tree.leaves(USES[use](f(shown))(1.0, xs)) for shown in ("bar", None))
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-13)
    if n:
        assert advances[0] == ("bar", n)
        assert advances[-2:] == [n, "closed"]
        steps = [x for x in advances[1:-1]]
        assert steps == sorted(steps)
        assert use == "eager" or len(steps) <= 202
        assert len(steps) >= min(n, 50)


def test_fori_loop_of_known_and_of_traced_length(advances: list[Any]) -> None:
    f = lambda n, x: lax.fori_loop(0, n, lambda i, c: c + i, x, progress=True)  # noqa: E731
    assert float(weft.jit(f, static_argnums=0)(1000, 0.0)) == 499500
    assert advances[0] == ("fori_loop", 1000) and advances[-2:] == [1000, "closed"]
    advances.clear()
    assert float(weft.jit(f)(1000, 0.0)) == 499500
    assert advances[0] == ("fori_loop", 1000) and advances[-2:] == [1000, "closed"]
    advances.clear()
    assert float(f(10, 0.0)) == 45
    assert advances == [("fori_loop", 10), *range(10), 10, "closed"]


@pytest.mark.parametrize("use", [lambda f: f, weft.jit, weft.grad, lambda f: weft.jit(weft.grad(f))])
def test_while_loop(use: Any, advances: list[Any]) -> None:
    def f(shown: Any) -> Any:
        return lambda x: lax.while_loop(lambda c: c < 1e3, lambda c: c * 1.001, x, progress=shown)

    expected = use(f(None))(1.0)
    np.testing.assert_allclose(use(f({"desc": "growth", "total": 7000}))(1.0), expected, rtol=1e-12)
    assert advances[0] == ("growth", 7000)
    assert advances[-2:] == [6912, "closed"]
    assert 50 < len(advances) < 400 or use is not weft.jit


def test_while_loop_that_does_not_run(advances: list[Any]) -> None:
    f = lambda x: lax.while_loop(lambda c: c < 0, lambda c: c + 1, x, progress="none")  # noqa: E731
    assert float(weft.jit(f)(1.0)) == float(f(weft.numpy.asarray(1.0))) == 1.0
    assert advances.count("closed") == 2


def test_batches_whose_examples_end_at_different_times(advances: list[Any]) -> None:
    f = lambda x: lax.while_loop(lambda c: c < 100, lambda c: c * 1.5, x, progress="many")  # noqa: E731
    x = weft.numpy.arange(1.0, 5.0)
    plain = weft.vmap(lambda x: lax.while_loop(lambda c: c < 100, lambda c: c * 1.5, x))
    np.testing.assert_array_equal(weft.jit(weft.vmap(f))(x), plain(x))
    assert max(n for n in advances if isinstance(n, int)) == 12


def test_bars_in_bars(advances: list[Any]) -> None:
    def inner(c: Any) -> Any:
        return lax.fori_loop(0, 3, lambda i, d: d + 1, c, progress="inner")

    assert (
        float(weft.jit(lambda x: lax.fori_loop(0, 2, lambda i, c: inner(c), x, progress="outer"))(0.0)) == 6
    )
    assert advances.count(("inner", 3)) == 2
    assert advances.count("closed") == 3


def test_what_is_written(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(sys.modules, "tqdm", None)
    weft.jit(lambda x: lax.fori_loop(0, 300, lambda i, c: c + 1, x, progress="steps"))(0.0)
    weft.jit(lambda x: lax.while_loop(lambda c: c < 5, lambda c: c + 1, x, progress="more"))(0.0)
    text = capsys.readouterr().err
    assert re.search(r"\rsteps:   0% \[\.{24}\] 0/300, 00:00", text)
    assert re.search(r"\rsteps: 100% \[#{24}\] 300/300, 00:00, \S+ steps/s *\n", text)
    assert re.search(r"\rmore: 5 steps, 00:00, \S+ steps/s *\n", text)


def test_tqdm_where_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Any] = []

    class Module:
        def __init__(self, **kwargs: Any) -> None:
            self.kwargs, self.n = kwargs, 0
            made.append(self)

        def update(self, n: int) -> None:
            self.n += n

        def close(self) -> None:
            self.closed = True

    Module.tqdm = Module  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "tqdm", Module)
    weft.jit(lambda x: lax.fori_loop(0, 300, lambda i, c: c + 1, x, progress="steps"))(0.0)
    (bar,) = made
    assert (bar.kwargs["total"], bar.kwargs["desc"], bar.n, bar.closed) == (300, "steps", 300, True)


def test_the_loop_stays_one_kernel() -> None:
    f = weft.jit(lambda x: lax.fori_loop(0, 10**6, lambda i, c: c * 0.5 + i, x, progress=True))
    tape = f.lower(0.5).program.tape.disassemble()
    assert len(re.findall(r"\bsteps\b", tape)) == 1 and len(re.findall(r"\byield\b", tape)) == 3


@pytest.mark.parametrize("shown", [3, {"name": "x"}, ["x"]])
def test_what_progress_may_be(shown: Any) -> None:
    with pytest.raises(ArgumentError, match="progress is True, a description"):
        lax.fori_loop(0, 3, lambda i, c: c, 0.0, progress=shown)
