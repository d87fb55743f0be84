"""Which loops have a head, and that what is computed is the same wherever rows begin."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import weft
import weft.lax as lax
import weft.numpy as wnp
from weft.engine.runtime.memory import pool
from weft.kernels.cpu.emit import emit_nest


def relaxed(u: Any) -> Any:
    """In place: rows are as long as they are, so each begins somewhere else in a cache line."""
    return u.at[1:-1, 1:-1].add(0.2 * (u[:-2, 1:-1] + u[2:, 1:-1] - 2 * u[1:-1, 1:-1]))


def pushed(u: Any) -> Any:
    return u.at[:, 1:].add(-0.3 * (u[:, 1:] - u[:, :-1]))


def steps(step: Any, count: int = 20) -> Any:
    return lambda u: lax.fori_loop(0, count, lambda _, u: step(u), u)


def has_head(program: Any, u: Any) -> bool:
    nests = dict.fromkeys(weft.jit(program).lower(u).program.nests)
    return any("ptrtoint ptr" in emit_nest(nest, "f") for nest in nests)


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("length", [47, 48, 49, 95, 96, 97, 99, 100, 128, 131, 301])
@pytest.mark.parametrize("step", [relaxed, pushed], ids=["relaxed", "pushed"])
def test_rows_of_any_length(step: Any, length: int, dtype: str) -> None:
    u = np.random.default_rng(length).normal(size=(600, length)).astype(dtype)
    assert has_head(steps(step, 3), u)
    got, want = weft.jit(steps(step, 3))(u), steps(step, 3)(wnp.asarray(u))
    np.testing.assert_array_equal(got, want)


def test_memory_that_begins_anywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    program = weft.jit(steps(relaxed))
    u = np.random.default_rng(0).normal(size=(400, 203))
    want = np.asarray(steps(relaxed)(wnp.asarray(u)))
    for first in range(9):

        def take(nbytes: int, first: int = first) -> np.ndarray:
            room = np.empty(nbytes + 256, np.uint8)
            begin = -room.ctypes.data % 64 + 8 * first
            return room[begin : begin + nbytes]

        monkeypatch.setattr(pool, "take", take)
        monkeypatch.setattr(pool, "give_back", lambda block: None)
        got = program(u)
        assert got._data.ctypes.data % 64 == 8 * first % 64
        np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize(
    "program",
    [
        lambda u: u[1:] - u[:-1],  # nothing is read that was written
        steps(lambda u: wnp.sin(u) + 0.5 * u),  # functions take longer
        lambda u: steps(pushed)(u[:4, :90]),  # small steps
    ],
    ids=["apart", "functions", "small"],
)
def test_loops_without(program: Any) -> None:
    assert not has_head(program, np.ones((600, 100)))


def test_complex_numbers_have_none() -> None:
    assert has_head(steps(pushed), np.ones((600, 100)))
    assert not has_head(steps(pushed), np.ones((600, 100), complex))
