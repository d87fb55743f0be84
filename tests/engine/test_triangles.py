"""Triangles written with masks: any mask, any border, and whatever is masked out; as eager execution, which is NumPy's."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import weft
import weft.numpy as wnp
from asv_bench.benchmarks import loops
from weft import lax

BACKEND: Any = SimpleNamespace(np=wnp, api=weft)
NAMES = ("lu", "cholesky", "gram_schmidt", "durbin", "triangular_solve")
MASKS = {
    "<": lambda i, k: i < k,
    "<=": lambda i, k: i <= k,
    ">": lambda i, k: i > k,
    ">=": lambda i, k: k <= i,
    "both": lambda i, k: (i > k - 3) & (i < k + 2),
    "either": lambda i, k: (i < k - 1) | (i >= k + 2),
    "not": lambda i, k: ~(i < k),
}


def data(suite: Any, name: str, n: int) -> tuple[Any, ...]:
    return tuple(map(wnp.asarray, suite().data(name, n)))


def masked(mask: str, change: str, shift: int, x: Any, a: Any) -> Any:
    """Steps that change what a mask lets through of a vector, by rows of a matrix, by the vector reversed, and by a sum."""
    n = x.shape[0]
    i = wnp.arange(n)

    def step(k: Any, x: Any) -> Any:
        here = MASKS[mask](i, k + shift)
        if change == "reversed":
            return wnp.where(here, 0.5 * x + 0.25 * x[(k - 1 - i) % n] * a[k % n], x)
        if change == "row":
            return x - wnp.where(here, 0.25 * a[k % n] * x[k % n], 0.0)
        if change == "clamped":
            return x + wnp.where(here, 0.25 * a[k % n][wnp.clip(k - i, 0, n - 1)], 0.0)
        return x.at[k % n].set(0.1 * wnp.sum(wnp.where(here, a[k % n] * x, 0.0)))

    return lax.fori_loop(0, n + 2, step, x)


@settings(max_examples=60)
@given(
    st.sampled_from(sorted(MASKS)),
    st.sampled_from(["reversed", "row", "clamped", "sum"]),
    st.sampled_from([-100, -2, 0, 1, 100]),
    st.sampled_from([2, 19, 40]),
    st.sampled_from([0.5, np.nan, np.inf, -0.0]),
    st.integers(0, 5),
)
def test_any_mask(mask: str, change: str, shift: int, n: int, odd: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    x, a = rng.normal(size=n), rng.normal(size=(n, n))
    a.flat[rng.integers(0, n * n, 3)] = odd

    def fun(x: Any, a: Any) -> Any:
        return masked(mask, change, shift, x, a)

    np.testing.assert_allclose(weft.jit(fun)(x, a), fun(x, a), rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("shift", [0, -1, 3])
@pytest.mark.parametrize("mask", sorted(MASKS))
def test_a_border_that_is_an_argument(mask: str, shift: int) -> None:
    def fun(x: Any, k: Any) -> Any:
        i = wnp.arange(x.shape[1])
        here = MASKS[mask](i[None, :], k + shift)
        below = MASKS[mask](i[None, :], wnp.arange(x.shape[0])[:, None] + shift)
        return wnp.where(here, wnp.sin(x) * x, x), wnp.sum(wnp.where(below, wnp.exp(x), 0.0), axis=1)

    x = np.random.default_rng(0).normal(size=(30, 50))
    for k in (-(2**63) + 10, -1, 0, 20, 50, 2**63 - 10):
        for a, b in zip(weft.jit(fun)(x, k), fun(x, k), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-13)


@pytest.mark.parametrize("n", [1, 2, 17, 80])
@pytest.mark.parametrize("name", NAMES)
def test_factorisations(name: str, n: int) -> None:
    suite, program = loops.named(loops)[name]
    args = data(suite, name, n)
    found = weft.jit(lambda *args: program(BACKEND, *args))(*args)
    np.testing.assert_allclose(found, program(BACKEND, *args), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", ["cholesky", "gram_schmidt", "lu"])
def test_numbers_that_are_none_go_where_they_went(name: str) -> None:
    """A NaN in the middle spoils what comes after it, and no more; what is beside a mask may be infinite."""
    suite, program = loops.named(loops)[name]
    (good,) = data(suite, name, 80)
    for odd in (np.nan, np.inf):
        a = good.at[40, 41].set(odd).at[41, 40].set(odd)
        found = weft.jit(lambda a: program(BACKEND, a))(a)
        wanted = program(BACKEND, a)
        np.testing.assert_array_equal(np.isfinite(found), np.isfinite(wanted))
        np.testing.assert_array_equal(np.isnan(found), np.isnan(wanted))
        finite = np.isfinite(wanted)
        np.testing.assert_allclose(
            np.asarray(found)[finite], np.asarray(wanted)[finite], rtol=1e-9, atol=1e-9
        )


@pytest.mark.parametrize("name", NAMES)
def test_results_have_the_same_bits_on_any_number_of_threads(name: str) -> None:
    suite, program = loops.named(loops)[name]
    args = data(suite, name, 150)
    found = []
    before = weft.config.threads
    try:
        for threads in (1, 2, 5):
            weft.config.update(threads=threads)
            found.append(np.asarray(weft.jit(lambda *args: program(BACKEND, *args))(*args)).tobytes())
    finally:
        weft.config.update(threads=before)
    assert found[0] == found[1] == found[2]


@pytest.mark.parametrize("name", ["lu", "cholesky", "triangular_solve"])
def test_gradients(name: str) -> None:
    suite, program = loops.named(loops)[name]
    args = data(suite, name, 8)
    rng = np.random.default_rng(0)
    direction, weights = rng.normal(size=args[0].shape), rng.normal(size=args[-1].shape)

    def fun(x: Any) -> Any:
        return wnp.sum(program(BACKEND, x, *args[1:]) * weights)

    gradient = np.sum(np.asarray(weft.jit(weft.grad(fun))(args[0])) * direction)
    tangent = weft.jit(lambda x: weft.jvp(fun, (x,), (direction,))[1])(args[0])
    h = 1e-6
    slope = (fun(args[0] + h * direction) - fun(args[0] - h * direction)) / (2 * h)
    np.testing.assert_allclose([gradient, tangent], [slope, slope], rtol=1e-6)


@pytest.mark.parametrize("name", ["lu", "floyd_warshall"])
def test_a_step_that_reads_a_row_and_a_column_happens_in_place(name: str) -> None:
    suite, program = loops.named(loops)[name]
    (a,) = data(suite, name, 64)
    memory = weft.jit(lambda a: program(BACKEND, a)).lower(a).memory_analysis()
    assert memory["unshared_temp_size_in_bytes"] < a.nbytes / 4
    assert memory["copies"] == 1  # of the argument, which stays as it is


def test_numbers_of_rows_are_made_again_in_a_loop() -> None:
    def fun(x: Any) -> Any:
        i = wnp.arange(x.shape[0])
        return lax.fori_loop(0, 9, lambda k, x: wnp.where(i[None, :] > k, x * x, x), x)

    graph = weft.make_graph(fun)(np.ones((5, 5)))
    (loop,) = (eqn for eqn in graph.eqns if eqn.prim.name == "scan")
    assert loop.params["n_consts"] == 0


def test_a_mask_is_made_again_in_the_backward_pass() -> None:
    """What is kept of a step is its number, not the mask, so that the way back is a triangle too."""

    def fun(x: Any) -> Any:
        i = wnp.arange(x.shape[0])
        return wnp.sum(lax.fori_loop(0, 50, lambda k, x: x - wnp.where(i > k, 0.1 * x * x[k], 0.0), x))

    fused = weft.jit(weft.grad(fun)).lower(np.ones(50)).program.fused
    kept = [t for eqn in fused.eqns if eqn.prim.name == "scan" for t in (v.type for v in eqn.outs)]
    assert kept and all(t.dtype != bool for t in kept)
