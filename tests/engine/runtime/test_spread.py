"""Loops over lanes: what becomes one nest over blocks of lanes, what must not, and that both mean what they say."""

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

import weft
import weft.numpy as wnp
from weft.lax import fori_loop, scan

rng = np.random.default_rng(0)


def is_spread(function, *args):
    return any("block" in str(nest) for nest in weft.jit(function).lower(*args).program.nests)


def check(function, *args, rtol=1e-12):
    expected = function(*args)
    found = weft.jit(function)(*args)
    for a, b in zip(weft.tree.leaves(found), weft.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(a, b, rtol=rtol, atol=1e-12)
        assert a.dtype == b.dtype


def lorenz(x, y, z):
    def step(s, _):
        x, y, z = s
        return (x + 0.01 * (y - x), y + 0.01 * (x * (28 - z) - y), z + 0.01 * (x * y - 2 * z)), None

    return scan(step, (x, y, z), None, length=400)[0]


def recurrence(x):
    """Along the last axis, with the state in the array."""

    def step(i, y):
        return y.at[..., i].set(x[..., i] + 0.5 * y[..., i - 1])

    return fori_loop(1, x.shape[-1], step, wnp.zeros_like(x).at[..., 0].set(x[..., 0]))


def filtered(x):
    """Along the first axis, with stacked results, backwards."""

    def step(c, row):
        y = row + 0.9 * c
        return y, (y, y > 0)

    return scan(step, wnp.zeros_like(x[0]), x, reverse=True)


def counted(x):
    """The number of the step is a result."""

    def step(c, _):
        i, x = c
        return (i + 1, x * 1.001 + i), i * 2

    return scan(step, (0, x), None, length=400)


@pytest.mark.parametrize("lanes", [64, 65, 100, 1000, 4097])
def test_lanes_run_in_blocks(lanes):
    three = tuple(rng.standard_normal((3, lanes)))
    for function, args in [
        (lorenz, three),
        (recurrence, (rng.standard_normal((lanes, 63)),)),
        (filtered, (rng.standard_normal((80, lanes)),)),
        (counted, (rng.standard_normal(lanes),)),
    ]:
        check(function, *args)
        if lanes > 4000:
            assert is_spread(function, *args)


def test_a_field_of_three_axes():
    x = rng.standard_normal((30, 40, 50))
    assert is_spread(recurrence, x)
    check(recurrence, x)


def test_small_vectors_in_lanes():
    a, x = rng.standard_normal((3, 3)), rng.standard_normal((2000, 3))

    def rotate(x):
        return scan(lambda v, _: (v + 0.01 * wnp.sum(a * v[:, None, :], -1), None), x, None, length=50)[0]

    check(rotate, x)


def neighbours(x):
    return scan(lambda c, _: (0.5 * c + 0.5 * wnp.roll(c, 1), None), x, None, length=300)[0]


def reversed_lanes(x):
    return scan(lambda c, _: (0.5 * c + 0.5 * c[::-1], None), x, None, length=300)[0]


def with_mean(x):
    return scan(lambda c, _: (c - 0.1 * wnp.mean(c), wnp.max(c)), x, None, length=300)


def one_lane(x):
    return scan(lambda c, i: (c * 0.99 + c[3], c[i % x.shape[0]]), x, wnp.arange(300))


def permuted(x):
    order = wnp.arange(x.shape[0]) * 7 % x.shape[0]
    return scan(lambda c, _: (0.9 * c[order], None), x, None, length=300)[0]


def triangle(x):
    """A carry whose elements are written where the step says, across lanes."""
    n = x.shape[0]
    return fori_loop(1, n, lambda i, y: y.at[i].set(y[i - 1] * 0.5 + x[i]), x)


@pytest.mark.parametrize("function", [neighbours, reversed_lanes, with_mean, one_lane, permuted, triangle])
@pytest.mark.parametrize("lanes", [100, 3000])
def test_lanes_that_know_of_one_another_stay_together(function, lanes):
    x = rng.standard_normal(lanes)
    check(function, x, rtol=1e-10)
    assert not is_spread(function, x)


def test_rows_that_mix():
    """A step that moves rows of a matrix, whose columns are the lanes, and one that moves columns."""
    x = rng.standard_normal((40, 1000))
    check(lambda x: scan(lambda c, _: (c[::-1] * 0.9, None), x, None, length=30)[0], x)
    check(lambda x: scan(lambda c, _: (c.T.reshape(c.shape) * 0.9, None), x, None, length=30)[0], x)
    check(lambda x: scan(lambda c, _: (wnp.cumsum(c, 0) * 0.1, None), x, None, length=30)[0], x, rtol=1e-9)


@pytest.mark.parametrize("shape", [(64, 1), (300, 7), (3000, 6), (40, 300)])
def test_sorted_rows(shape):
    """A sort is a nest whose inner extents depend on its loops."""
    x = rng.standard_normal(shape)
    check(lambda x: scan(lambda c, _: (wnp.sort(-0.9 * c, axis=-1), c.argmax(-1)), x, None, length=9), x)


def test_derivatives_and_threads():
    x = rng.standard_normal((1500, 20))
    gradient = weft.jit(weft.grad(lambda x: wnp.sum(recurrence(x) ** 3)))
    before, bits = weft.config.threads, set()
    try:
        for threads in (1, 2, 3):
            weft.config.update(threads=threads)
            bits.add(np.asarray(gradient(x)).tobytes())
    finally:
        weft.config.update(threads=before)
    assert len(bits) == 1
    direction = rng.standard_normal(x.shape)
    slope = np.sum(recurrence(x + 1e-6 * direction) ** 3 - recurrence(x - 1e-6 * direction) ** 3) / 2e-6
    np.testing.assert_allclose(np.sum(gradient(x) * direction), slope, rtol=1e-6)


def test_no_steps():
    x = rng.standard_normal(500)
    for function in (lambda x: scan(lambda c, _: (c + 1, c), x, None, length=0), counted):
        check(function, x)


@settings(max_examples=40, deadline=None)
@given(
    st.integers(60, 700),
    st.sampled_from([30, 300]),
    st.lists(
        st.sampled_from(["self", "other", "shift", "mean", "time", "index", "mask"]), min_size=1, max_size=4
    ),
)
def test_random_steps(lanes, length, terms):
    x, y = rng.standard_normal((2, lanes))

    def step(carry, t):
        a, b = carry
        new = 0.3 * a
        for term in terms:
            new = (
                new
                + {
                    "self": lambda: 0.1 * wnp.sin(a),
                    "other": lambda: 0.1 * b,
                    "shift": lambda: 0.1 * wnp.roll(b, 3),
                    "mean": lambda: 0.1 * wnp.mean(a),
                    "time": lambda: 0.01 * t,
                    "index": lambda: 0.1 * b[t % lanes],
                    "mask": lambda: wnp.where(wnp.arange(lanes) < t, 0.1 * b, 0.0),
                }[term]()
            )
        return (new, a), new[:: max(lanes // 7, 1)]

    check(lambda x, y: scan(step, (x, y), wnp.arange(length)), x, y, rtol=1e-9)
