"""Loops whose small steps call routines of libraries are one kernel, too: calls with all kinds of arguments."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import weft
import weft.lax as lax
import weft.numpy as wnp

A = np.random.default_rng(5).normal(size=(20, 20)) + 8 * np.eye(20)
V = np.arange(20.0)
LARGE = np.random.default_rng(6).normal(size=(90, 90)) + 20 * np.eye(90)


def cholesky(a: Any) -> Any:
    """A column from those before it: a product of a part, whose borders the step says."""
    i = wnp.arange(len(a))

    def step(k: Any, low: Any) -> Any:
        s = a[:, k] - low @ wnp.where(i < k, low[k], 0.0)
        return low.at[:, k].set(wnp.where(i >= k, s / wnp.sqrt(s[k]), 0.0))

    return lax.fori_loop(0, len(a), step, wnp.zeros_like(a))


def solved(a: Any, v: Any) -> Any:
    """LAPACK, which says how it went."""
    return lax.scan(lambda v, k: (wnp.linalg.solve(a + k * wnp.eye(20), v) + v, v.sum()), v, wnp.arange(9.0))


def transformed(v: Any) -> Any:
    """Lines of complex numbers, whose strides and lengths are handed over as words."""
    return lax.fori_loop(0, 7, lambda i, v: wnp.fft.irfft(wnp.fft.rfft(v) * (1 + 0.1 * i), 20) + 1, v)


def until_small(a: Any, v: Any) -> Any:
    """Of an unknown number of steps, some of which call."""

    def step(v: Any) -> Any:
        way = lambda v: wnp.linalg.solve(a, v)  # noqa: E731
        return lax.cond(v.sum() > 100, way, lambda v: v * 0.7, v)

    return lax.while_loop(lambda v: wnp.abs(v).max() > 1e-3, step, v)


def of_stacks(a: Any) -> Any:
    """Determinants of several matrices in each step."""
    stack = wnp.stack([a, a * 2, a - 3])
    return lax.fori_loop(0, 5, lambda i, s: s + wnp.linalg.slogdet(stack + s[:, None, None])[1], wnp.zeros(3))


PROGRAMS = [
    (cholesky, (LARGE @ LARGE.T,)),
    (solved, (A, V)),
    (transformed, (V,)),
    (until_small, (A, V)),
    (of_stacks, (A,)),
]


@pytest.mark.parametrize(("program", "args"), PROGRAMS, ids=lambda x: getattr(x, "__name__", ""))
def test_steps_that_call_are_one_kernel(program: Callable[..., Any], args: tuple[Any, ...]) -> None:
    compiled = weft.jit(program)
    for _ in range(2):
        pairs = zip(weft.tree.leaves(compiled(*args)), weft.tree.leaves(program(*args)), strict=True)
        for got, want in pairs:
            np.testing.assert_allclose(got, want, rtol=1e-11, atol=1e-11)
    tape = compiled.lower(*args).as_text("tape")
    assert "steps " in tape
    assert "repeat" not in tape
    assert "call " in compiled.lower(*args).as_text("loops")


def test_blas_is_kept_to_one_thread_around_such_a_loop_only() -> None:
    words = [
        line.split()[1] for line in weft.jit(cholesky).lower(LARGE @ LARGE.T).as_text("tape").splitlines()
    ]
    calls = [w for w in words if w in ("one_thread", "steps", "own_threads")]
    assert calls == ["one_thread", "steps", "own_threads"]


def test_a_singular_matrix_on_the_way_gives_what_it_gives_alone() -> None:
    def steps(a: Any) -> Any:
        return lax.scan(lambda a, _: (a * 0, wnp.linalg.inv(a)), a, None, length=3)[1]

    got = np.asarray(weft.jit(steps)(A))
    np.testing.assert_allclose(got[0], np.linalg.inv(A), rtol=1e-10)
    assert not np.isfinite(got[1:]).any()


def test_large_steps_stay_on_the_tape() -> None:
    def steps(a: Any) -> Any:
        return lax.fori_loop(0, 5, lambda i, x: wnp.linalg.solve(a + i, x), a)

    assert "repeat" in weft.jit(steps).lower(np.eye(300)).as_text("tape")
