"""NumPy's warnings are off inside, in any thread and at any depth, and nowhere else."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import weft.debug
import weft.numpy as wnp
from weft.ir import quiet


def _warned(action: Callable[[], Any]) -> bool:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        action()
    return bool(caught)


def test_nothing_warns_inside_and_the_users_setting_is_untouched() -> None:
    zero = np.zeros(2)
    assert not _warned(lambda: quiet.run(np.log, zero))
    assert not _warned(lambda: quiet.quietly(np.log, zero))
    assert _warned(lambda: np.log(zero))


def test_what_is_run_may_come_back() -> None:
    with pytest.raises(RuntimeError):
        quiet.run(quiet.run, np.log, 1.0)
    nested = lambda: quiet.quietly(lambda: quiet.quietly(np.log, np.zeros(2)))  # noqa: E731
    assert not _warned(lambda: quiet.run(nested))
    assert not _warned(nested)
    assert not _warned(lambda: quiet.run(lambda: wnp.log(wnp.zeros(2)) * wnp.inf))


def test_a_thread_runs_while_another_is_inside() -> None:
    x, entered, done = wnp.asarray([-1.0, 0.0, 4.0]), threading.Event(), threading.Event()

    def stay() -> None:
        entered.set()
        assert done.wait(60)

    other = threading.Thread(target=quiet.run, args=(stay,))
    other.start()
    try:
        assert entered.wait(60)
        assert not _warned(lambda: wnp.sqrt(x) / x + wnp.concatenate([x, x])[:3])
        np.testing.assert_array_equal(x * x + x, [0.0, 0.0, 20.0])
        np.testing.assert_array_equal(wnp.maximum(x, 1), [1.0, 1.0, 4.0])
    finally:
        done.set()
        other.join()


def test_a_thread_that_looks_for_nans_does_so_alone() -> None:
    x, watching, done = wnp.asarray([-1.0]), threading.Event(), threading.Event()
    found: list[str] = []

    def watch() -> None:
        with weft.debug.nans():
            watching.set()
            assert done.wait(60)
            for action in (lambda: wnp.sqrt(x), lambda: x**0.5):
                with pytest.raises(FloatingPointError) as error:
                    action()
                found.append(str(error.value))

    other = threading.Thread(target=watch)
    other.start()
    assert watching.wait(60)
    assert np.isnan(wnp.sqrt(x)[0])
    assert np.isnan((x**0.5)[0])
    done.set()
    other.join()
    assert len(found) == 2
    assert quiet.run is quiet.first_come
