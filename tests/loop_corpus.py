"""Programs with branches and loops, as people write them: the same text for JAX and for Weft.

A program is `fun(ns, *args)` (corpus.py says what `ns` is) and is differentiated by its first argument. All are small, so that
second derivatives are cheap, and none has a kink at its arguments.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Any

import numpy

from tests.corpus import Program

LOOPS: list[Program] = []


def loop(
    *shapes: tuple[int, ...] | Callable[[numpy.random.Generator], Any], smooth: bool = True
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """List a program with one scalar result; arguments are normal numbers of ``shapes``, or what a maker draws."""

    def add(fun: Callable[..., Any]) -> Callable[..., Any]:
        rng = numpy.random.default_rng(zlib.crc32(fun.__name__.encode()))
        args = tuple(s(rng) if callable(s) else rng.normal(size=s) for s in shapes)
        LOOPS.append(Program(fun.__name__, fun, args, smooth, True))
        return fun

    return add


def positive(*shape: int) -> Callable[[numpy.random.Generator], Any]:
    """A maker of numbers between 0.5 and 1.5."""
    return lambda rng: rng.uniform(0.5, 1.5, shape)


def diagonal(n: int) -> Callable[[numpy.random.Generator], Any]:
    """A maker of matrices that need no pivots."""
    return lambda rng: rng.normal(size=(n, n)) * 0.3 + 3 * numpy.eye(n)


# Recurrences: scan over rows.


@loop((), (6,))
def running_filter(ns, a, signal):
    def step(y, x):
        y = a * y + (1 - a) * x
        return y, y

    return ns.np.sum(ns.lax.scan(step, 0.0, signal)[1] ** 2)


@loop((3, 3), (5, 3))
def rnn(ns, w, xs):
    def step(h, x):
        h = ns.np.tanh(w @ h + x)
        return h, h

    h, hs = ns.lax.scan(step, ns.np.zeros(3), xs)
    return ns.np.sum(hs) + h @ h


@loop((8, 5), (4, 3))
def lstm(ns, w, xs):
    def step(carry, x):
        h, c = carry
        i, f, g, o = ns.np.split(w @ ns.np.concatenate([h, x]), 4)
        c = ns.nn.sigmoid(f) * c + ns.nn.sigmoid(i) * ns.np.tanh(g)
        h = ns.nn.sigmoid(o) * ns.np.tanh(c)
        return (h, c), h

    (h, c), hs = ns.lax.scan(step, (ns.np.zeros(2), ns.np.zeros(2)), xs)
    return ns.np.sum(hs) + ns.np.sum(h * c)


@loop((3,), (4, 3))
def reversed_scan(ns, w, xs):
    carry, ys = ns.lax.scan(lambda c, x: (ns.np.sin(c * w) + x, c * x), ns.np.ones(3), xs, reverse=True)
    return ns.np.sum(carry) + ns.np.sum(ys * ns.np.arange(4.0)[:, None])


@loop((3,))
def scan_without_rows(ns, x):
    def step(c, _):
        return ns.np.cos(c) * x, None

    return ns.np.sum(ns.lax.scan(step, x, None, length=4)[0])


@loop((2,))
def scan_of_no_steps(ns, x):
    c, ys = ns.lax.scan(lambda c, row: (c * row, c), x, ns.np.zeros((0, 2)))
    return ns.np.sum(c * x) + ns.np.sum(ys)


@loop(lambda rng: {"a": rng.normal(size=2), "b": [rng.normal(size=()), None]}, (3, 2))
def scan_of_trees(ns, params, xs):
    def step(state, row):
        pos, n = state["pos"], state["n"]
        pos = ns.np.sin(pos * params["a"]) + row["x"] * params["b"][0]
        return {"pos": pos, "n": n + 1}, {"energy": ns.np.sum(pos**2), "nothing": None, "n": n}

    last, ys = ns.lax.scan(step, {"pos": ns.np.ones(2), "n": 0}, {"x": xs, "none": None})
    return ns.np.sum(last["pos"]) * last["n"] + ns.np.sum(ys["energy"] * ys["n"])


@loop((4,))
def carry_of_python_scalars(ns, x):
    total, (product, count) = (
        ns.lax.scan(lambda c, row: ((c[0] + row, c[1] * ns.np.cos(row)), None), (0, 1.0), x)[0],
        (1.0, 2),
    )
    return total[0] * total[1] + product * count


@loop((3,), (5, 3))
def constant_carry(ns, w, xs):
    """A carry that the body hands on unchanged, one that it does not read, and one that it sets to a constant."""

    def step(c, x):
        weights, unread, fixed, h = c
        h = ns.np.tanh(weights * h + x)
        return (weights, unread + 1.0, ns.np.ones(()), h), fixed * h

    (_, unread, _, h), ys = ns.lax.scan(step, (w, ns.np.zeros(3), ns.np.zeros(()), w), xs)
    return ns.np.sum(h) + ns.np.sum(ys) + ns.np.sum(unread)


@loop((3,), (4, 3))
def swapped_carries(ns, x, rows):
    def step(c, row):
        a, b = c
        return (b, ns.np.sin(a) + row * b), a

    (a, b), ys = ns.lax.scan(step, (x, 2 * x), rows)
    return ns.np.sum(a * b) + ns.np.sum(ys**2)


@loop((3,))
def leapfrog(ns, u):
    def step(c, _):
        now, before = c
        wave = ns.np.roll(now, 1) + ns.np.roll(now, -1) - 2 * now
        return (2 * now - before + 0.1 * wave * now, now), None

    now, before = ns.lax.scan(step, (u, u * 0.9), None, length=5)[0]
    return ns.np.sum(now * before)


@loop((2, 2))
def matrix_powers(ns, a):
    powers = ns.lax.scan(lambda c, _: (c @ a * 0.5, c), ns.np.eye(2), None, length=4)[1]
    return ns.np.sum(powers * ns.np.arange(1.0, 5)[:, None, None])


@loop((3, 3), (2, 3, 3))
def scan_of_a_solve(ns, a, bs):
    def step(c, b):
        c = ns.np.linalg.solve(3 * ns.np.eye(3) + 0.1 * c @ a, b)
        return c, ns.np.trace(c)

    c, traces = ns.lax.scan(step, a, bs)
    return ns.np.sum(c) + ns.np.sum(traces**2)


@loop((4,), lambda rng: rng.integers(0, 4, 6))
def scan_that_gathers(ns, table, indices):
    def step(c, i):
        c = ns.np.tanh(c + table[i])
        return c, c * table[(i + 1) % 4]

    c, ys = ns.lax.scan(step, 0.0, indices)
    return c + ns.np.sum(ys)


@loop((5,), lambda rng: rng.integers(0, 5, 7))
def scan_that_scatters(ns, x, indices):
    def step(c, i):
        return c.at[i].add(ns.np.sin(c[(i + 2) % 5])), None

    return ns.np.sum(ns.lax.scan(step, x, indices)[0] ** 2)


@loop((4,), (7, 2))
def ring_buffer(ns, w, xs):
    def step(c, row):
        buffer, i = c
        buffer = ns.lax.dynamic_update_index_in_dim(buffer, row, i % 4, 0)
        return (buffer, i + 1), ns.np.tanh(w @ buffer)

    (buffer, _), ys = ns.lax.scan(step, (ns.np.zeros((4, 2)), 0), xs)
    return ns.np.sum(ys) + ns.np.sum(buffer**2)


@loop((3,))
def nested_scans(ns, x):
    def outer(c, row):
        inner, ys = ns.lax.scan(lambda h, _: (ns.np.sin(h + row * x), h), c, None, length=3)
        return inner, ns.np.sum(ys)

    c, ys = ns.lax.scan(outer, x, ns.np.array([0.3, 1.0]))
    return ns.np.sum(c) + ns.np.sum(ys)


@loop((3,))
def scan_of_a_checkpoint(ns, x):
    step = api(ns).checkpoint(lambda c, row: (ns.np.sin(c * x) + row, ns.np.sum(c**2)))
    c, ys = ns.lax.scan(step, x, ns.np.linspace(0.0, 1.0, 4))
    return ns.np.sum(c) + ns.np.sum(ys)


@loop((3,))
def checkpoint_of_a_scan(ns, x):
    run = api(ns).checkpoint(
        lambda c: ns.lax.scan(lambda h, _: (ns.np.tanh(h * x), None), c, None, length=4)[0]
    )
    return ns.np.sum(run(run(x)))


@loop((3,))
def scan_of_a_jit(ns, x):
    inner = api(ns).jit(lambda c, row: ns.np.exp(-c * row) + x)
    return ns.np.sum(ns.lax.scan(lambda c, row: (inner(c, row), None), x, ns.np.ones((3, 3)))[0])


@loop((2,), (3, 2))
def scan_of_a_vmap(ns, x, rows):
    def step(c, row):
        return api(ns).vmap(lambda a: ns.np.sin(a * row))(ns.np.stack([c, 2 * c])).sum(0), None

    return ns.np.sum(ns.lax.scan(step, x, rows)[0] * x)


@loop((3,))
def scan_of_a_gradient(ns, x):
    """Gradient descent, differentiated."""
    slope = api(ns).grad(lambda p: ns.np.sum((p - x) ** 4) + ns.np.sum(p**2))
    return ns.np.sum(ns.lax.scan(lambda p, _: (p - 0.02 * slope(p), None), ns.np.zeros(3), None, length=4)[0])


@loop((3,))
def scan_of_a_tangent(ns, x):
    def step(c, _):
        out, dot = api(ns).jvp(lambda v: ns.np.sin(v * x), (c,), (ns.np.ones(3),))
        return out + 0.1 * dot, None

    return ns.np.sum(ns.lax.scan(step, x, None, length=3)[0])


@loop((4,))
def stopped_carry(ns, x):
    def step(c, row):
        fixed = api(ns).lax.stop_gradient(c)
        return ns.np.sin(c) * fixed + row, c

    c, ys = ns.lax.scan(step, 0.5, x)
    return c + ns.np.sum(ys)


# Loops over integers.


@loop((4,))
def fori(ns, x):
    return ns.np.sum(ns.lax.fori_loop(0, 4, lambda i, c: ns.np.sin(c * x) + 0.1 * i, x))


@loop((3,))
def fori_of_no_steps(ns, x):
    return ns.np.sum(ns.lax.fori_loop(3, 1, lambda i, c: c * 0, x) * x)


@loop((3,), lambda rng: numpy.asarray(4))
def fori_to_an_array(ns, x, n):
    return ns.np.sum(ns.lax.fori_loop(0, n, lambda i, c: ns.np.cos(c + x) * (i + 1.0), x))


@loop((3,), lambda rng: numpy.asarray(2), lambda rng: numpy.asarray(6))
def fori_between_arrays(ns, x, start, stop):
    def step(i, c):
        return {"h": ns.np.tanh(c["h"] * x), "sum": c["sum"] + i * c["h"][0]}

    out = ns.lax.fori_loop(start, stop, step, {"h": x, "sum": 0.0})
    return out["sum"] + ns.np.sum(out["h"])


@loop((5,))
def prefix_sums_by_updates(ns, x):
    return ns.np.sum(ns.lax.fori_loop(1, 5, lambda i, c: c.at[i].add(ns.np.sin(c[i - 1])), x) ** 2)


@loop((5,))
def fibonacci_by_slices(ns, x):
    def step(i, c):
        two = ns.lax.dynamic_slice(c, (i,), (2,))
        return ns.lax.dynamic_update_slice(c, ns.np.sum(two * x[:2], keepdims=True), (i + 2,))

    return ns.np.sum(ns.lax.fori_loop(0, 3, step, x))


@loop((5, 5))
def jacobi(ns, u):
    def sweep(_, u):
        inside = 0.25 * (u[:-2, 1:-1] + u[2:, 1:-1] + u[1:-1, :-2] + u[1:-1, 2:])
        return u.at[1:-1, 1:-1].set(inside)

    return ns.np.sum(ns.lax.fori_loop(0, 3, sweep, u) ** 2)


@loop((5, 4))
def gauss_seidel_by_rows(ns, u):
    def row(i, u):
        return u.at[i].set(0.3 * (u[i - 1] + u[i + 1]) + 0.4 * u[i])

    def sweep(_, u):
        return ns.lax.fori_loop(1, 4, row, u)

    return ns.np.sum(ns.lax.fori_loop(0, 2, sweep, u) ** 2)


@loop(positive(4), positive(4))
def thomas(ns, d, off):
    """A tridiagonal system by elimination and substitution, columns written one by one."""
    n, low = 4, 0.2 * off

    def forward(i, c):
        p, q = c
        w = 1 / (3.0 + d[i] - low[i] * p[i - 1])
        return p.at[i].set(low[i] * w), q.at[i].set((d[i] - low[i] * q[i - 1]) * w)

    p, q = ns.np.zeros(n).at[0].set(low[0] / 3.0), ns.np.zeros(n).at[0].set(d[0] / 3.0)
    p, q = ns.lax.fori_loop(1, n, forward, (p, q))
    x = ns.lax.fori_loop(1, n, lambda k, x: x.at[n - 1 - k].add(-p[n - 1 - k] * x[n - k]), q)
    return ns.np.sum(x**2)


@loop(diagonal(4))
def lu_by_rows(ns, a):
    def column(k, a):
        below = ns.np.arange(4) > k
        factor = ns.np.where(below, a[:, k] / a[k, k], 0.0)
        rest = ns.np.where(ns.np.arange(4) >= k, a[k], 0.0)
        return (a - factor[:, None] * rest[None, :]).at[:, k].add(factor)

    return ns.np.sum(ns.lax.fori_loop(0, 3, column, a) ** 2)


@loop(diagonal(3))
def cholesky_by_columns(ns, a):
    a = a @ a.T

    def column(j, low):
        s = a[:, j] - low @ low[j]
        return low.at[:, j].set(ns.np.where(ns.np.arange(3) >= j, s / ns.np.sqrt(s[j]), 0.0))

    return ns.np.sum(ns.lax.fori_loop(0, 3, column, ns.np.zeros((3, 3))))


@loop((3, 3))
def gram_schmidt(ns, a):
    def column(j, q):
        before = ns.np.where(ns.np.arange(3) < j, 1.0, 0.0)
        v = a[:, j] - q @ (before * (q.T @ a[:, j]))
        return q.at[:, j].set(v / ns.np.sqrt(v @ v))

    return ns.np.sum(ns.lax.fori_loop(0, 3, column, ns.np.zeros((3, 3))) * ns.np.arange(9.0).reshape(3, 3))


@loop(positive(4, 4), smooth=False)
def floyd_warshall(ns, d):
    def through(k, d):
        return ns.np.minimum(d, d[:, k : k + 1] + d[k : k + 1]) if isinstance(k, int) else _through(ns, d, k)

    return ns.np.sum(ns.lax.fori_loop(0, 4, through, d) ** 2)


def _through(ns, d, k):
    column = ns.lax.dynamic_slice_in_dim(d, k, 1, 1)
    return ns.np.minimum(d, column + ns.lax.dynamic_slice_in_dim(d, k, 1, 0))


@loop((4, 2))
def n_body(ns, x):
    def step(_, c):
        x, v = c
        apart = x[:, None] - x[None]
        force = -ns.np.sum(apart / (ns.np.sum(apart**2, -1, keepdims=True) + 0.5), 1)
        v = v + 0.1 * force
        return x + 0.1 * v, v

    x, v = ns.lax.fori_loop(0, 3, step, (x, ns.np.zeros((4, 2))))
    return ns.np.sum(x * v)


@loop((3,))
def runge_kutta(ns, p):
    def f(y):
        return ns.np.stack([p[0] * (y[1] - y[0]), y[0] * (p[1] - y[2]) - y[1], y[0] * y[1] - p[2] * y[2]])

    def step(y, _):
        k1 = f(y)
        k2 = f(y + 0.01 * k1)
        k3 = f(y + 0.01 * k2)
        k4 = f(y + 0.02 * k3)
        y = y + 0.02 / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
        return y, y[0]

    y, xs = ns.lax.scan(step, ns.np.array([1.0, 0.5, 0.2]), None, length=4)
    return ns.np.sum(y) + ns.np.sum(xs**2)


def api(ns: Any) -> Any:
    """The package itself: `jax` or `weft`."""
    import importlib

    return importlib.import_module(ns.lax.__name__.partition(".")[0])
