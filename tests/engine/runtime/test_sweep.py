"""Sweeps: several steps of a stencil made in one go through memory, bit for bit what one step after the other gives."""

from __future__ import annotations

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import weft
import weft.numpy as np
from weft import lax
from weft.engine.runtime import sweep as module
from weft.engine.runtime.reach import Touch, lags
from weft.ir.loops.nest import Loop, Store, bodies
from weft.ir.loops.verify import verify_nest


def rng(*shape, dtype="f8"):
    return numpy.random.default_rng(sum(shape)).normal(size=shape).astype(dtype)


def jacobi(u):
    return u.at[1:-1, 1:-1].set(0.25 * (u[:-2, 1:-1] + u[2:, 1:-1] + u[1:-1, :-2] + u[1:-1, 2:]))


def fdtd(fields):
    ex, ey, h = fields
    ey = ey.at[1:, :].add(-0.5 * (h[1:, :] - h[:-1, :]))
    ex = ex.at[:, 1:].add(-0.5 * (h[:, 1:] - h[:, :-1]))
    h = h.at[:-1, :-1].add(-0.7 * (ex[:-1, 1:] - ex[:-1, :-1] + ey[1:, :-1] - ey[:-1, :-1]))
    return ex, ey, h


def yee(fields):
    """The same on fields of different sizes."""
    ex, ey, h = fields
    ey = ey.at[1:-1, :].add(-0.5 * (h[1:, :] - h[:-1, :]))
    ex = ex.at[:, 1:-1].add(-0.5 * (h[:, 1:] - h[:, :-1]))
    return ex, ey, h - 0.7 * (ex[:, 1:] - ex[:, :-1] + ey[1:, :] - ey[:-1, :])


def wave(fields):
    u, before = fields
    around = u[:-2, 1:-1] + u[2:, 1:-1] + u[1:-1, :-2] + u[1:-1, 2:] - 4 * u[1:-1, 1:-1]
    return u.at[1:-1, 1:-1].set(2 * u[1:-1, 1:-1] - before[1:-1, 1:-1] + 0.2 * around), u


def torus(u):
    return u + 0.1 * (np.roll(u, 1, 0) + np.roll(u, -1, 0) + np.roll(u, 1, 1) + np.roll(u, -2, 1) - 4 * u)


def upwind(u):
    """A stencil that leans to one side, two lines far."""
    return u.at[2:, :].set(u[2:, :] - 0.3 * (u[2:, :] - u[:-2, :]) + 0.01 * u[1:-1, :])


def heat(u):
    inner = u[1:-1, 1:-1, 1:-1]
    x = u[:-2, 1:-1, 1:-1] + u[2:, 1:-1, 1:-1]
    return u.at[1:-1, 1:-1, 1:-1].add(0.1 * (x + u[1:-1, 1:-1, :-2] + u[1:-1, 1:-1, 2:] - 4.0 * inner))


def line(u):
    return u.at[1:-1].set(u[1:-1] + 0.2 * (u[2:] - 2 * u[1:-1] + u[:-2]))


def pairs(y):
    """An equation of motion for many bodies, place and speed of each side by side."""
    k = np.stack([y[:, 1], (1.0 - y[:, 0] * y[:, 0]) * y[:, 1] - y[:, 0]], 1)
    half = y + 0.05 * k
    return y + 0.1 * np.stack([half[:, 1], (1.0 - half[:, 0] * half[:, 0]) * half[:, 1] - half[:, 0]], 1)


def life(u):
    """Conway's, on a torus, in bytes."""
    around = sum(np.roll(u, (i, j), (0, 1)) for i in (-1, 0, 1) for j in (-1, 0, 1)) - u
    return ((around == 3) | ((u == 1) & (around == 2))).astype("uint8")


CASES = {
    "jacobi": (jacobi, rng(150, 301)),
    "float32": (jacobi, rng(200, 300, dtype="f4")),
    "fdtd": (fdtd, (rng(150, 90), rng(150, 90) + 1, rng(150, 90) + 2)),
    "yee": (yee, (rng(150, 91), rng(151, 90), rng(150, 90))),
    "wave": (wave, (rng(150, 90), rng(150, 90) + 1)),
    "torus": (torus, rng(201, 130)),
    "upwind": (upwind, rng(180, 200)),
    "heat": (heat, rng(40, 30, 31)),
    "narrow": (upwind, rng(9000, 6)),
    "pairs": (pairs, rng(9000, 2)),
    "line": (line, rng(50_000)),
    "short line": (line, rng(16_001)),
    "life": (life, (rng(300, 301) > 0.5).astype("u1")),
}


def run(step, length):
    def steps(fields):
        return lax.scan(lambda c, _: (step(c), None), fields, None, length=length)[0]

    return weft.jit(steps)


def by_hand(step, fields, length):
    fields = tuple(np.array(x) for x in fields) if isinstance(fields, tuple) else np.array(fields)
    for _ in range(length):
        fields = step(fields)
    return fields


def same(a, b):
    a, b = (x if isinstance(x, list | tuple) else [x] for x in (a, b))
    return all(numpy.asarray(x).tobytes() == numpy.asarray(y).tobytes() for x, y in zip(a, b, strict=True))


def loops_of(function, fields):
    """The outermost loop of each nest that is swept."""
    nests = function.lower(fields).program.nests
    for nest in nests:
        verify_nest(nest)
    chunked = [nest.chunked for nest in nests]
    return [one for one in chunked if isinstance(one, Loop) and one.var.startswith("block")]


@pytest.mark.parametrize("length", [2, 3, 8, 29])
@pytest.mark.parametrize("name", CASES)
def test_a_sweep_is_the_steps_one_after_the_other(name, length):
    step, fields = CASES[name]
    function = run(step, length)
    assert loops_of(function, fields)
    assert same(function(fields), by_hand(step, fields, length))


def test_the_elements_of_short_rows_stand_side_by_side_in_vectors():
    step, fields = CASES["pairs"]
    (block,) = loops_of(run(step, 8), fields)
    found = innermost(block)
    assert all(one.kind == "vector" for one in found)
    assert max(sum(isinstance(s, Store) for s in one.body) for one in found) == 2


def innermost(statement):
    """The loops with no loop inside."""
    inner = [one for body in bodies(statement) for s in body for one in innermost(s)]
    return inner or ([statement] if isinstance(statement, Loop) else [])


@pytest.mark.parametrize("name", ["jacobi", "fdtd", "torus", "line", "pairs"])
def test_any_number_of_threads_makes_the_same_bits(name):
    step, fields = CASES[name]
    function = run(step, 23)
    expected = by_hand(step, fields, 23)
    before = weft.config.threads
    try:
        for threads in (1, 2, 5):
            weft.config.update(threads=threads)
            for _ in range(5):
                assert same(function(fields), expected)
    finally:
        weft.config.update(threads=before)


@pytest.mark.parametrize(
    ("shape", "length", "shared"), [((96, 96), 100, True), ((96, 96), 2, False), ((150, 301), 100, True)]
)
def test_threads_share_sweeps_where_they_are_woken_for_many(shape, length, shared):
    """The first kernels of a chain as well as the later ones, inside of blocks and between them."""
    tape = run(jacobi, length).lower(rng(*shape)).program.tape
    kernels = [line for line in tape.disassemble().splitlines() if "kernel" in line]
    assert len(kernels) == (4 if length > 8 else 2)
    assert all((" by 1 " in line) == shared for line in kernels)


def test_small_rows_are_left_to_one_kernel_with_all_steps():
    for shape, swept in (((30, 30), False), ((96, 24), False), ((64, 64), True), ((8, 512), True)):
        assert bool(loops_of(run(jacobi, 10), rng(*shape))) == swept, shape


def test_blocks_go_round_the_ring_whatever_its_size():
    for rows in range(60, 76):
        u = rng(rows, 140)
        for step in (torus, jacobi):
            function = run(step, 9)
            assert loops_of(function, u)
            assert same(function(u), by_hand(step, u, 9))


@settings(max_examples=25, deadline=None)
@given(
    reach=st.tuples(*[st.integers(0, 3)] * 4),
    shape=st.tuples(st.integers(40, 130), st.integers(60, 150)),
    length=st.integers(2, 20),
    times=st.integers(1, 9),
)
def test_windows_of_any_reach(reach, shape, length, times):
    up, down, left, right = reach
    m, n = shape
    inside = (slice(up, m - down), slice(left, n - right))

    def step(fields):
        u, v = fields
        corners = u[: m - up - down, : n - left - right] + u[up + down :, left + right :]
        v = v.at[inside].add(0.25 * corners)
        return u.at[inside].add(-0.125 * v[up + down :, : n - left - right]), v

    fields = rng(*shape), rng(*shape) + 1
    previous, module._TIMES = module._TIMES, times
    try:
        assert same(run(step, length)(fields), by_hand(step, fields, length))
    finally:
        module._TIMES = previous


def test_a_value_of_a_step_that_another_kernel_reads_at_other_places_has_a_row_of_its_own():
    def step(u):
        slope = np.exp(u) * np.sin(u) + np.cos(u) * np.tanh(u)
        return u.at[1:-1].add(1e-3 * (slope[2:] - slope[:-2]))

    u = rng(120, 130)
    function = run(step, 12)
    assert loops_of(function, u)
    assert np.allclose(function(u), by_hand(step, u, 12), rtol=1e-13, atol=1e-13)


def test_loops_in_loops_gradients_and_donated_arguments():
    u = rng(120, 130)

    def twice(u):
        return lax.fori_loop(0, 3, lambda _, u: 2.0 * run(jacobi, 5)(u), u)

    expected = u
    for _ in range(3):
        expected = 2.0 * by_hand(jacobi, expected, 5)
    assert same(weft.jit(twice)(u), expected)

    def loss(u):
        return np.sum(run(jacobi, 6)(u) ** 2)

    direction = rng(120, 131)[:, 1:]
    slope = np.sum(weft.jit(weft.grad(loss))(u) * direction)
    assert np.allclose(slope, (loss(u + 1e-6 * direction) - loss(u - 1e-6 * direction)) / 2e-6, rtol=1e-6)

    given = np.array(u)
    expected = by_hand(jacobi, u, 7)
    assert same(
        weft.jit(lambda u: lax.fori_loop(0, 7, lambda _, u: jacobi(u), u), donate_argnums=0)(given), expected
    )


def transposed(u):
    return 0.5 * (u + u.T)


def gathered(u):
    return u[numpy.random.default_rng(0).permutation(len(u))] * 0.5


def normalized(u):
    return u / (1 + np.sum(np.abs(u)))


def reversed_rows(u):
    return 0.5 * u[::-1] + 0.1 * u


@pytest.mark.parametrize("step", [transposed, gathered, normalized, reversed_rows])
def test_what_reaches_far_is_done_step_by_step(step):
    u = rng(120, 120)
    function = run(step, 5)
    assert not loops_of(function, u)
    assert np.allclose(function(u), by_hand(step, u, 5), rtol=1e-13)


def test_steps_with_inputs_and_results_of_their_own_are_no_sweep():
    u, sources = rng(120, 120), rng(6, 120)

    def step(u, source):
        u = jacobi(u).at[5].add(source)
        return u, u[60]

    function = weft.jit(lambda u, s: lax.scan(step, u, s))
    found, rows = function(u, sources)
    expected = np.array(u)
    for source, row in zip(sources, rows, strict=True):
        expected, other = step(expected, source)
        assert same(row, other)
    assert same(found, expected)


def by_halves(u):
    """What a row becomes is known of it: those of the upper half look down, the others up."""
    upper = np.arange(len(u))[:, None] < len(u) // 2
    return np.where(upper, 0.5 * np.roll(u, -3, 0), 0.25 * np.roll(u, 1, 0)) + u


def by_sign(u):
    """Here it is not known."""
    return np.where(u > 0, 0.5 * np.roll(u, -3, 0), 0.25 * np.roll(u, 1, 0)) + u


def far_below(u):
    """The last rows, whose neighbours are at the other end, stay."""
    inside = np.arange(len(u))[:, None] < len(u) - 2
    return np.where(inside, 0.25 * (u + np.roll(u, -2, 0)), u)


@pytest.mark.parametrize(
    ("step", "after", "before"),
    [(jacobi, 1, 1), (upwind, 2, 2), (by_halves, 3, 3), (by_sign, 3, 3), (far_below, 2, 2)],
)
def test_rows_wait_for_what_they_use(step, after, before, monkeypatch):
    found = []
    monkeypatch.setattr(module, "lags", lambda *args: found.append(lags(*args)) or found[-1])
    u = rng(150, 110)
    function = run(step, 11)
    assert loops_of(function, u)
    assert {(one.every_after, one.every_before) for one in found} == {(after, before)}
    assert same(function(u), by_hand(step, u, 11))


def test_lags():
    """A nest that reads one row ahead waits for it; a second buffer, by turns, is written over when it was read."""
    nest = [Touch("a", False, -1, 1), Touch("b", True, 0, 0)]
    found = lags([nest], {"a": "b", "b": "a"}, 2)
    assert found == ((0,), (0,), 1, 1)
    assert found.width(4) == 6
    electric = [Touch("h", False, -1, 0), Touch("e", False, 0, 0), Touch("e", True, 0, 0)]
    magnetic = [Touch("e", False, 0, 1), Touch("h", False, 0, 0), Touch("h", True, 0, 0)]
    assert lags([electric, magnetic], {}, 1) == ((0, 1), (0, 0), 1, 1)
