"""Tiles: what does not wait for the step before is computed in vectors, and with the same bits."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import weft
import weft.numpy as wnp
from weft import lax
from weft.engine.runtime.tiles import TILE


def before(c: Any, x: Any) -> Any:
    """A function of the step's data, which the carry waits for."""
    gate = 1.0 / (1.0 + wnp.exp(-x))
    return gate * c + (1.0 - gate) * wnp.tanh(x), None


def after(c: Any, x: Any) -> Any:
    """A function of the carry, which the carry does not wait for."""
    c = 0.5 * c + 0.25 * x * x
    return c, wnp.log(1.0 + c * c) + x / (1.0 + c * c)


def both(c: Any, x: Any) -> Any:
    return 0.5 * c + wnp.sin(x), (c, wnp.cos(c) * wnp.sin(x), x > 0.0)


def swapped(c: Any, x: Any) -> Any:
    """The old values go out, and change places."""
    a, b = c
    return (b + wnp.exp(-x * x), 0.5 * a), (a, wnp.tanh(b))


def no_memory(c: Any, x: Any) -> Any:
    """A carry that the next step throws away."""
    return wnp.sinh(x), c


def looked_up(c: Any, x: Any) -> Any:
    """Places of elements that depend on the carry, and on the step's data."""
    table = wnp.arange(8.0)
    n, total = c
    i = wnp.floor(4.0 + x).astype(int)
    return ((n + i) % 8, total + table[n % 8] * wnp.exp(-table[i % 8])), wnp.log1p(table[n % 8])


def of_pairs(c: Any, x: Any) -> Any:
    c = wnp.stack([0.5 * c[1] + wnp.sin(x), c[0] - 0.1 * x])
    return c, wnp.exp(-c)


def summed(c: Any, x: Any) -> Any:
    """A sum over a function of the state: a chain behind another one, and vectors between them."""
    state, total, product = c
    return (0.5 * state + x, total + wnp.log(1.0 + state * state), product * 0.75 + total), None


def of_matrices(c: Any, x: Any) -> Any:
    """Products whose sums are written out."""
    turn = wnp.stack([wnp.stack([0.5, wnp.sin(x)]), wnp.stack([wnp.cos(x), -0.25])])
    c = turn @ c
    return c, wnp.sum(c / (1.0 + c * c))


PROGRAMS: list[tuple[Any, Any]] = [
    (before, 0.5),
    (after, 0.5),
    (both, 0.5),
    (swapped, (0.5, -0.25)),
    (no_memory, 0.5),
    (looked_up, (0, 0.5)),
    (of_pairs, np.array([0.5, -0.25])),
    (summed, (0.5, 0.0, 1.0)),
    (of_matrices, np.array([0.5, -0.25])),
]


def loops(step: Any, start: Any, length: int, **more: Any) -> str:
    def whole(start: Any, xs: Any) -> Any:
        return lax.scan(step, start, xs, **more)

    nests = weft.jit(whole).lower(start, np.zeros(length)).program.nests
    return "\n".join(map(str, nests))


def data(length: int, dtype: Any = np.float64) -> np.ndarray:
    return np.random.default_rng(length).normal(size=length).astype(dtype)


@pytest.mark.parametrize(("step", "start"), PROGRAMS)
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("length", [TILE, TILE + 1, 3 * TILE - 1])
def test_the_bits_are_those_of_single_steps(step: Any, start: Any, length: int, reverse: bool) -> None:
    assert "tile" in loops(step, start, length, reverse=reverse)
    xs = data(length)
    whole = weft.jit(lambda c, xs: lax.scan(step, c, xs, reverse=reverse))
    found, rows = whole(start, xs)
    pieces = []
    state = start
    few = TILE - 1  # steps that are no tile
    for first in range(0, length, few):
        part = xs[::-1][first : first + few][::-1] if reverse else xs[first : first + few]
        state, some = whole(state, part)
        pieces.append(some)
    for one, other in zip(weft.tree_util.tree_leaves(found), weft.tree_util.tree_leaves(state), strict=True):
        np.testing.assert_array_equal(one, other)
    each = [weft.tree_util.tree_leaves(piece) for piece in (pieces[::-1] if reverse else pieces)]
    for one, *others in zip(weft.tree_util.tree_leaves(rows), *each, strict=True):
        np.testing.assert_array_equal(one, np.concatenate(others))


@pytest.mark.parametrize(("step", "start"), PROGRAMS)
def test_they_agree_with_eager_steps(step: Any, start: Any) -> None:
    xs = data(2 * TILE + 3)
    found = weft.tree_util.tree_leaves(weft.jit(lambda c, xs: lax.scan(step, c, xs))(start, xs))
    expected = weft.tree_util.tree_leaves(lax.scan(step, start, xs))
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-14)


def test_a_sum_over_a_function_of_the_state_is_a_chain_of_its_own() -> None:
    text = loops(summed, (0.5, 0.0, 1.0), TILE)
    sections = text[text.index("tile") :].split("for ")[1:]
    kinds = ["vector" if "vector" in one.splitlines()[0] else "chain" for one in sections]
    assert kinds[-3:] == ["chain", "vector", "chain"]
    assert "log" in sections[-2] and "log" not in sections[-3] + sections[-1]


@pytest.mark.parametrize("dtype", [np.float32, np.complex128])
def test_other_dtypes(dtype: Any) -> None:
    def step(c: Any, x: Any) -> Any:
        c = (c * 0.5 + wnp.exp(x * 0.1)).astype(dtype)
        return c, wnp.sin(c) * x

    xs, start = data(TILE + 9).astype(dtype), dtype(0.5)
    found = weft.jit(lambda c, xs: lax.scan(step, c, xs))(start, xs)
    for one, other in zip(found, lax.scan(step, start, xs), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5 if dtype == np.float32 else 1e-12)


def test_gradients() -> None:
    xs = data(2 * TILE + 5)

    def loss(p: Any, xs: Any) -> Any:
        return wnp.sum(lax.scan(lambda c, x: after(c, p * x), 0.5, xs)[1])

    slope = weft.jit(weft.grad(loss))(1.25, xs)
    step = 1e-6
    assert slope == pytest.approx((loss(1.25 + step, xs) - loss(1.25 - step, xs)) / (2 * step), rel=1e-6)


def test_a_loop_in_a_loop() -> None:
    xs = data(3 * (TILE + 2)).reshape(3, -1)

    def outer(c: Any, row: Any) -> Any:
        return lax.scan(after, c, row)

    found = weft.jit(lambda c, xs: lax.scan(outer, c, xs))(0.5, xs)
    for one, other in zip(found, lax.scan(outer, 0.5, xs), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12)


def chained(c: Any, x: Any) -> Any:
    """All functions are of the carry, and the carry waits for them."""
    return wnp.tanh(c + x), c


def plain(c: Any, x: Any) -> Any:
    return 0.5 * c + x * x, c - x


def branched(c: Any, x: Any) -> Any:
    return lax.cond(x > 0, lambda c: c + wnp.exp(-x), lambda c: c * 0.5, c), None


def row_by_row(c: Any, x: Any) -> Any:
    """Vectors of what each step computes are there already."""
    return c * 0.5 + wnp.exp(-x), wnp.sin(c)


@pytest.mark.parametrize(
    ("step", "start", "length"),
    [
        (chained, 0.5, TILE),
        (plain, 0.5, TILE),
        (branched, 0.5, TILE),
        (row_by_row, np.zeros(12), TILE),
        (before, 0.5, TILE - 1),
    ],
)
def test_loops_that_stay_as_they_are(step: Any, start: Any, length: int) -> None:
    assert "tile" not in loops(step, start, length)
