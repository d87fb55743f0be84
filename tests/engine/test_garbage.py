"""Python's collector comes seldom while something is traced and compiled, and as it did before at all other times."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator

import pytest

import weft
import weft.numpy as np
from weft.engine.garbage import seldom


@pytest.fixture(autouse=True)
def usual() -> Iterator[tuple[int, int, int]]:
    before = gc.get_threshold()
    gc.set_threshold(701, 11, 12)
    yield gc.get_threshold()
    gc.set_threshold(*before)


def test_while_tracing_and_never_after(usual: tuple[int, int, int]) -> None:
    seen: list[tuple[int, ...]] = []

    @weft.jit
    def inner(x: weft.Array) -> weft.Array:
        seen.append(gc.get_threshold())
        return x * 2

    @weft.jit
    def outer(x: weft.Array) -> weft.Array:
        y = inner(x)
        seen.append(gc.get_threshold())
        return y + 1

    outer(np.ones(3))
    assert all(first > 10_000 and rest == [11, 12] for first, *rest in seen)
    assert len(seen) == 2
    assert gc.get_threshold() == usual


def test_after_an_error_too(usual: tuple[int, int, int]) -> None:
    with pytest.raises(ZeroDivisionError):
        weft.jit(lambda x: x / (1 // 0))(1.0)
    assert gc.get_threshold() == usual


def test_what_a_program_chooses_stays() -> None:
    def choose(x: weft.Array) -> weft.Array:
        gc.set_threshold(5000, 5, 5)
        return x

    weft.jit(choose)(1.0)
    assert gc.get_threshold() == (5000, 5, 5)
    for chosen in ((0, 11, 12), (10**6, 11, 12)):  # never, and more seldom than ours
        gc.set_threshold(*chosen)
        with seldom:
            assert gc.get_threshold() == chosen
        assert gc.get_threshold() == chosen


def test_threads_leave_in_any_order(usual: tuple[int, int, int]) -> None:
    entered, leave = threading.Event(), threading.Event()

    def stay() -> None:
        with seldom:
            entered.set()
            assert leave.wait(60)

    other = threading.Thread(target=stay)
    with seldom:
        other.start()
        assert entered.wait(60)
    assert gc.get_threshold() != usual  # the other one is still inside
    leave.set()
    other.join()
    assert gc.get_threshold() == usual
