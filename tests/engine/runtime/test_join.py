"""Loops over the same lanes, one after the other: what becomes one kernel, what must not, and that both mean what they say."""

from __future__ import annotations

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

import weft
import weft.numpy as wnp
from asv_bench.benchmarks import Backend, loops
from weft.lax import fori_loop, scan

rng = np.random.default_rng(0)


def blocks(function, *args):
    """The number of nests over blocks of lanes, and of all."""
    nests = weft.jit(function).lower(*args).program.nests
    return sum("block" in str(nest) for nest in nests), len(nests)


def check(function, *args, rtol=1e-11):
    expected = function(*args)
    found = weft.jit(function)(*args)
    for a, b in zip(weft.tree.leaves(found), weft.tree.leaves(expected), strict=True):
        assert a.dtype == b.dtype and a.shape == b.shape
        np.testing.assert_allclose(a, b, rtol=rtol, atol=rtol)


def thomas(b, d):
    """(-1, b, -1) x = d along the last axis."""
    return loops.thomas(Backend.of("weft"), b, d)


def scanned(b, d):
    """The same with rows of arrays whose last axis was moved to the front."""
    b, d = wnp.moveaxis(b, -1, 0), wnp.moveaxis(d, -1, 0)

    def forward(carry, row):
        q = 1 / (row[0] - carry[0])
        return (q, (row[1] + carry[1]) * q), (q, (row[1] + carry[1]) * q)

    zero = wnp.zeros_like(b[0])
    _, (c, y) = scan(forward, (zero, zero), (b, d))
    _, x = scan(lambda x, row: (row[1] + row[0] * x,) * 2, zero, (c, y), reverse=True)
    return wnp.moveaxis(x, 0, -1)


def system(shape, dtype):
    return (4 + rng.random(shape)).astype(dtype), rng.random(shape).astype(dtype)


@pytest.mark.parametrize("dtype", ["f8", "f4", "c16"])
@pytest.mark.parametrize(
    "shape", [(40, 25, 40), (1000, 33), (9001, 9), (2051, 21), (999, 70), (333, 500), (64, 64, 64)]
)
def test_the_tridiagonal_solve_is_one_kernel(shape, dtype):
    b, d = system(shape, dtype)
    assert blocks(thomas, b, d) == ((1, 1) if shape != (9001, 9) else (1, 4))
    rtol = 1e-4 if dtype == "f4" else 1e-11
    check(thomas, b, d, rtol=rtol)
    x = np.asarray(weft.jit(thomas)(b, d))
    residual = b * x - d
    residual[..., 1:] -= x[..., :-1]
    residual[..., :-1] -= x[..., 1:]
    assert np.max(np.abs(residual)) < (1e-5 if dtype == "f4" else 1e-13)


@pytest.mark.parametrize("shape", [(30, 40, 40), (1500, 20), (70, 300)])
def test_rows_of_moved_axes(shape):
    b, d = system(shape, "f8")
    check(scanned, b, d)
    np.testing.assert_allclose(weft.jit(scanned)(b, d), thomas(b, d), rtol=1e-12)


def test_what_somebody_else_reads_is_a_result():
    """The first loop's arrays, too, and a kernel between the loops that is read behind them."""

    def both(b, d):
        first = fori_loop(1, b.shape[-1], lambda i, c: c.at[..., i].set(b[..., i] + 0.5 * c[..., i - 1]), d)
        between = first * 2 + 1
        last = fori_loop(
            1, b.shape[-1], lambda i, c: c.at[..., i].set(between[..., i] - 0.5 * c[..., i - 1]), between
        )
        return last, first, between, wnp.sum(last), last.T

    args = system((1500, 40), "f8")
    assert blocks(both, *args)[0] == 1
    check(both, *args)
    check(lambda b, d: both(wnp.sin(b), wnp.sort(d, axis=-1)), *args)


def test_what_lies_between_keeps_its_order():
    """The second loop reads what is made of all rows of the first."""

    def chained(b, d):
        first = fori_loop(1, b.shape[-1], lambda i, c: c.at[..., i].set(b[..., i] + 0.5 * c[..., i - 1]), d)
        mean = wnp.mean(first, axis=0)
        return fori_loop(1, b.shape[-1], lambda i, c: c.at[..., i].set(mean[i] - 0.5 * c[..., i - 1]), first)

    args = system((1500, 40), "f8")
    check(chained, *args)


def test_rows_that_know_of_one_another_are_not_joined():
    def shifted(b, d):
        first = fori_loop(1, b.shape[-1], lambda i, c: c.at[..., i].set(b[..., i] + 0.5 * c[..., i - 1]), d)
        other = first[::-1]
        return fori_loop(1, b.shape[-1], lambda i, c: c.at[..., i].set(other[..., i] - c[..., i - 1]), b)

    args = system((1500, 40), "f8")
    check(shifted, *args)
    check(lambda b, d: thomas(b, d)[:, ::-1] + thomas(b[::-1], d), *args)


def test_different_lanes():
    def two(b, d):
        return thomas(b, d), thomas(b[:700, :30], d[:700, :30]), thomas(b[:, 3:], d[:, 3:])

    check(two, *system((1400, 40), "f8"))


def test_rows_of_a_flat_array_end_before_it_does():
    """A row of the last lane would reach beyond the array."""
    n, s = 3000, 40
    x = rng.random((n - 1) * s + 3)

    def strided(x):
        return scan(lambda c, _: (0.5 * c + x[::s], None), wnp.zeros(n), None, length=60)[0]

    check(strided, x)


@pytest.mark.parametrize("solve", [thomas, scanned])
@pytest.mark.parametrize("shape", [(1200, 30), (40, 40, 20), (700, 700)])
def test_gradients_by_what_the_steps_left(shape, solve):
    """What each step leaves for the way back is put aside as rows are, where that is small enough."""
    b, d = system(shape, "f8")
    gradient = weft.grad(lambda b, d: wnp.sum(solve(b, d) ** 3), argnums=(0, 1))
    check(gradient, b, d, rtol=1e-9)
    if solve is thomas and shape[-1] < 100:
        assert blocks(gradient, b, d) == (1, 2)
    function, before, bits = weft.jit(gradient), weft.config.threads, set()
    try:
        for threads in (1, 3):
            weft.config.update(threads=threads)
            bits.add(b"".join(np.asarray(g).tobytes() for g in function(b, d)))
    finally:
        weft.config.update(threads=before)
    assert len(bits) == 1


def test_what_only_reads_lanes_is_there_too():
    """Columns of results, and what is made of them; sums over lanes are not."""

    def ends(b, d):
        x = thomas(b, d)
        return x[..., 0] * wnp.exp(x[..., -1]) + d[..., 3]

    args = system((1500, 40), "f8")
    assert blocks(ends, *args) == (1, 1)
    check(ends, *args)
    check(lambda b, d: (ends(b, d), ends(b, d) - wnp.mean(ends(b, d)), thomas(b, d).sum(0)), *args)
    check(lambda b, d: ends(b, d)[::-1] + wnp.cumsum(thomas(b, d)[:, 0]), *args)


@pytest.mark.parametrize("shape", [(1200, 30), (40, 40, 20)])
def test_derivatives(shape):
    b, d = system(shape, "f8")

    def loss(b, d):
        return wnp.sum(thomas(b, d) ** 3)

    check(weft.grad(loss, argnums=(0, 1)), b, d, rtol=1e-9)
    u, v = rng.standard_normal((2, *shape))
    check(lambda b, d: weft.jvp(loss, (b, d), (u, v)), b, d, rtol=1e-9)
    gradient = weft.jit(weft.grad(loss, argnums=(0, 1)))
    slope = (loss(b + 1e-6 * u, d + 1e-6 * v) - loss(b - 1e-6 * u, d - 1e-6 * v)) / 2e-6
    np.testing.assert_allclose(
        sum(np.sum(g * t) for g, t in zip(gradient(b, d), (u, v), strict=True)), slope, rtol=1e-6
    )
    check(lambda b, d: weft.jvp(weft.grad(loss), (b, d), (u, v)), b, d, rtol=1e-8)


def test_the_same_bits_on_any_number_of_threads():
    args = system((3001, 37), "f8")
    function, before, bits = weft.jit(thomas), weft.config.threads, set()
    try:
        for threads in (1, 2, 3, 5):
            weft.config.update(threads=threads)
            bits.add(np.asarray(function(*args)).tobytes())
    finally:
        weft.config.update(threads=before)
    assert len(bits) == 1


def test_inside_of_a_loop():
    """Steps in time, each with a solve along the last axis and one along the first."""

    def implicit(u):
        b = wnp.full_like(u, 4.0)

        def step(u, _):
            u = thomas(b, u)
            return thomas(b.T, u.T).T, wnp.sum(u)

        return scan(step, u, None, length=5)

    check(implicit, rng.random((300, 280)))


@settings(max_examples=25, deadline=None)
@given(
    st.integers(300, 900),
    st.sampled_from([9, 20, 33]),
    st.lists(
        st.sampled_from(["down", "up", "map", "sum", "flip", "roll", "keep", "ends"]), min_size=2, max_size=5
    ),
)
def test_random_chains(lanes, n, parts):
    x = rng.random((lanes, n))

    def chain(x):
        kept = [x]
        for part in parts:
            y = kept[-1]
            if part == "down":
                y = fori_loop(1, n, lambda i, c, y=y: c.at[:, i].set(y[:, i] + 0.5 * c[:, i - 1]), y)
            elif part == "up":
                y = fori_loop(
                    1,
                    n,
                    lambda i, c, y=y: c.at[:, n - 1 - i].set(0.3 * c[:, n - i] - y[:, n - 1 - i]),
                    kept[0],
                )
            elif part == "map":
                y = y * 0.5 + kept[0]
            elif part == "sum":
                y = y + wnp.sum(y) / y.size
            elif part == "ends":
                kept.insert(0, kept[0] + 0.5 * (y[:, :1] - y[:, -1:]))
            elif part == "flip":
                y = y[:, ::-1] * 0.5
            elif part == "roll":
                y = wnp.roll(y, 1, axis=0)
            kept.append(y)
        return kept[1:] if "keep" in parts else kept[-1]

    check(chain, x)
