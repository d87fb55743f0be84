"""Steps that read lines of their carry and write others: rows that change places, factors, eliminations; as eager execution."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import weft
import weft.numpy as wnp
from weft import lax

N = 30


def swapped_rows(x: Any, j: Any) -> Any:
    def step(k: Any, x: Any) -> Any:
        one, other = x[k], x[j[k]]
        return x.at[k].set(other).at[j[k]].set(one)

    return lax.fori_loop(0, len(j), step, x)


def swapped_columns(x: Any, j: Any) -> Any:
    def step(k: Any, x: Any) -> Any:
        one, other = x[..., k], x[..., j[k]]
        return x.at[..., k].set(0.5 * other).at[..., j[k]].set(one - other)

    return lax.fori_loop(0, len(j), step, x)


def handed_on(x: Any, j: Any) -> Any:
    """What is read after it was written is new."""

    def step(carry: Any, k: Any) -> Any:
        x, s = carry
        one = x[k]
        x = x.at[k].set(x[k + 1] + s).at[k + 1].set(0.5 * one)
        return (x, 0.25 * x[k] + 0.5 * x[j[k]]), one

    (x, s), rows = lax.scan(step, (x, x[0]), wnp.arange(len(j) - 1))
    return x, s, rows


def eliminated(x: Any, j: Any) -> Any:
    """Written and then changed all over, by lines from before it was written."""
    i = wnp.arange(len(j))

    def step(k: Any, x: Any) -> Any:
        low = wnp.where(i > k, 0.1 * x[:, k] / (x[k, k] + 9.0), 0.0)
        x = x.at[:, k].set(wnp.where(i > k, low, x[:, k]))
        return x - wnp.outer(low, wnp.where(i > k, x[j[k]], 0.0))

    return lax.fori_loop(0, len(j), step, x)


def with_pivots(x: Any, j: Any) -> Any:
    i = wnp.arange(len(j))

    def step(k: Any, carry: Any) -> Any:
        x, order = carry
        m = wnp.argmax(wnp.where(i >= k, abs(x[:, k]), -1.0))
        x = x.at[k].set(x[m]).at[m].set(x[k])
        order = order.at[k].set(order[m]).at[m].set(order[k])
        low = wnp.where(i > k, x[:, k] / x[k, k], 0.0)
        x = x - wnp.outer(low, wnp.where(i > k, x[k], 0.0))
        return x.at[:, k].set(wnp.where(i > k, low, x[:, k])), order

    return lax.fori_loop(0, len(j), step, (x + 9.0 * wnp.eye(len(j))[j], i))


def vector_solved(x: Any, j: Any) -> Any:
    """A vector whose elements all take one of its own."""
    i = wnp.arange(len(j))

    def step(k: Any, y: Any) -> Any:
        return wnp.where(i > k, y - 0.1 * x[:, k] * y[k], wnp.where(i == k, y[k] / 3.0, y))

    return lax.fori_loop(0, len(j), step, x[0])


PLAIN: dict[str, Callable[[Any, Any], Any]] = {
    f.__name__: f for f in (swapped_rows, swapped_columns, eliminated, with_pivots, vector_solved)
}


def places(kind: str, n: int = N) -> np.ndarray:
    rng = np.random.default_rng(1)
    return {"any": rng.integers(0, n, n), "same": np.arange(n), "from the end": rng.integers(-n, n, n)}[kind]


def compare(fun: Callable[..., Any], *args: Any) -> None:
    wanted = weft.tree.leaves(fun(*args))
    for found, want in zip(weft.tree.leaves(weft.jit(fun)(*args)), wanted, strict=True):
        assert found.dtype == want.dtype
        np.testing.assert_allclose(found, want, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("kind", ["any", "same", "from the end"])
@pytest.mark.parametrize("name", [*PLAIN, "handed_on"])
def test_lines_that_change_places(name: str, kind: str) -> None:
    fun = PLAIN.get(name, handed_on)
    x, j = wnp.asarray(np.random.default_rng(0).normal(size=(N, N))), wnp.asarray(places(kind))
    compare(fun, x, j)
    if name in ("swapped_columns", "swapped_rows", "handed_on"):
        compare(fun, x[3], j)
        compare(fun, x.reshape(N, 5, 6) if name != "swapped_columns" else x.reshape(5, 6, N), j)


@pytest.mark.parametrize("name", sorted({*PLAIN, "handed_on"} - {"swapped_columns"}))
def test_no_step_copies_the_whole(name: str) -> None:
    """Rows that are apart, as when columns change places, are put aside block by block instead."""
    fun = PLAIN.get(name, handed_on)
    x, j = np.ones((150, 150)), places("any", 150)
    compiled = weft.jit(lambda x, j: fun(x, j)).lower(x, j)
    temporary = compiled.memory_analysis()["unshared_temp_size_in_bytes"]
    assert temporary < (x.nbytes / 8 if name != "vector_solved" else x[0].nbytes / 2)
    copies = [line for line in str(compiled.program.tape.disassemble()).splitlines() if " copy " in line]
    assert not [line for line in copies if f"{x.nbytes} bytes" in line and "dynamic_update_slice" in line]


def test_a_step_that_needs_all_of_the_old_copies_it() -> None:
    """A product, a sum over windows, and two lines at once are of what was there before."""

    def step(k: Any, x: Any) -> Any:
        y = x.at[k].set(x[k] @ x)
        y = y.at[:, k].add(0.01 * wnp.sum(x, axis=0))
        return 0.5 * y + 0.1 * wnp.roll(x, 1, axis=0) + 0.01 * lax.dynamic_slice(x, (k, 0), (2, N))[1]

    x = wnp.asarray(np.random.default_rng(0).normal(size=(N, N)) / N)
    compare(lambda x: lax.fori_loop(0, 9, step, x), x)


@pytest.mark.parametrize("dtype", ["i4", "f4", "c16", "?"])
def test_lines_of_any_dtype(dtype: str) -> None:
    x = wnp.asarray((np.random.default_rng(0).normal(size=(N, N)) > 0).astype(dtype))
    compare(swapped_rows, x, wnp.asarray(places("any")))


def test_gradients_through_changed_places() -> None:
    x, j = wnp.asarray(np.random.default_rng(0).normal(size=(N, N))), wnp.asarray(places("any"))
    direction = np.random.default_rng(2).normal(size=(N, N))
    weights = np.random.default_rng(3).normal(size=(N, N))
    for fun in (swapped_rows, swapped_columns, eliminated):

        def total(x: Any, fun: Callable[[Any, Any], Any] = fun) -> Any:
            return wnp.sum(weights * wnp.sin(fun(x, j)))

        gradient = np.sum(np.asarray(weft.jit(weft.grad(total))(x)) * direction)
        slope = (total(x + 1e-6 * direction) - total(x - 1e-6 * direction)) / 2e-6
        np.testing.assert_allclose(gradient, slope, rtol=1e-6)
