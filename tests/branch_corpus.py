"""More programs with branches and loops: of unknown length, branches, maps, prefixes, solves."""

from __future__ import annotations

import numpy

from tests.loop_corpus import diagonal, loop, positive

# Loops of unknown length.


@loop(positive())
def newton(ns, a):
    def step(x):
        return x - (x**3 - a) / (3 * x**2)

    return ns.lax.while_loop(lambda x: ns.np.abs(x**3 - a) > 1e-10, step, 2.0) ** 2


@loop((3,), positive(3))
def halved_until_small(ns, x, w):
    def step(c):
        return {"x": 0.5 * ns.np.cos(w) * c["x"] * ns.np.cos(x), "n": c["n"] + 1}

    out = ns.lax.while_loop(lambda c: ns.np.sum(c["x"] ** 2) > 0.03, step, {"x": x, "n": 0})
    return ns.np.sum(out["x"] * ns.np.exp(x)) * 10 + out["n"]


@loop((2,))
def while_that_never_runs(ns, x):
    return ns.np.sum(ns.lax.while_loop(lambda c: c[0] < -100, lambda c: c * 2, x) * x)


@loop((3,))
def while_of_a_scan(ns, x):
    def step(c):
        h, n = c
        return ns.lax.scan(lambda h, row: (ns.np.sin(h + row), None), h * 0.7, x)[0], n + 1

    h, n = ns.lax.while_loop(lambda c: c[1] < 3, step, (x[0], 0))
    return h * n


@loop((3,))
def scan_of_a_while(ns, x):
    def step(c, row):
        c, n = ns.lax.while_loop(
            lambda s: ns.np.sum(s[0] ** 2) > 0.1, lambda s: (s[0] * 0.6 * ns.np.cos(row), s[1] + 1), (c, 0)
        )
        return c + x, n * ns.np.sum(c**2)

    c, ys = ns.lax.scan(step, x, ns.np.array([0.2, 0.5]))
    return ns.np.sum(c) + ns.np.sum(ys)


@loop((3,))
def while_of_a_while(ns, x):
    def inner(h):
        return ns.lax.while_loop(lambda s: s[1] < 2, lambda s: (ns.np.sin(s[0] * x), s[1] + 1), (h, 0))[0]

    h, _ = ns.lax.while_loop(lambda s: s[1] < 3, lambda s: (inner(s[0]) + 0.1 * x, s[1] + 1), (x, 0))
    return ns.np.sum(h)


@loop((3,))
def while_with_unread_carries(ns, x):
    def step(s):
        i, h, trace = s
        return i + 1, ns.np.sin(h) * x, trace * 2.0 + h

    return ns.np.sum(ns.lax.while_loop(lambda s: s[0] < 4, step, (0, x, x))[1])


@loop((3,), positive(3))
def bisection(ns, a, b):
    """Roots of ``x + a*x**3 / 9 = b``: only where the interval begins depends on the arguments smoothly."""

    def step(s):
        low, high, n = s
        middle = 0.5 * (low + high)
        below = middle + middle**3 * a**2 / 9 < b
        return ns.np.where(below, middle, low), ns.np.where(below, high, middle), n + 1

    low, high, _ = ns.lax.while_loop(lambda s: s[2] < 6, step, (0.1 * ns.np.sin(a), b + 1 + a**2, 0))
    return ns.np.sum(low * high)


@loop((2,))
def mandelbrot_like(ns, c):
    def step(s):
        z, n = s
        return ns.np.stack([z[0] ** 2 - z[1] ** 2 + c[0], 2 * z[0] * z[1] + c[1]]) * 0.5, n + 1

    z, n = ns.lax.while_loop(lambda s: (ns.np.sum(s[0] ** 2) < 4) & (s[1] < 5), step, (0 * c, 0))
    return ns.np.sum(z) * 1.0 + n


# Branches.


@loop((3,), ())
def branch_on_a_value(ns, x, y):
    return ns.lax.cond(y > 0, lambda a: ns.np.sum(ns.np.sin(a) * y), lambda a: ns.np.sum(a**2), x)


@loop((3,))
def branch_on_the_input(ns, x):
    return ns.lax.cond(ns.np.sum(x) > 0, lambda a: ns.np.sum(a**3), lambda a: ns.np.sum(ns.np.cos(a)), x)


@loop((3,), lambda rng: numpy.asarray(1))
def choice_of_three(ns, x, i):
    branches = [lambda a: a, lambda a: ns.np.exp(a) * x, lambda a: a[::-1] * 2]
    return ns.np.sum(ns.lax.switch(i, branches, x) ** 2)


@loop((3,), lambda rng: numpy.asarray(9))
def choice_beyond_the_last(ns, x, i):
    return ns.np.sum(ns.lax.switch(i, [ns.np.sin, ns.np.cos], x))


@loop((3,))
def branches_that_capture(ns, x):
    y, z = ns.np.sin(x), ns.np.cos(x)
    return ns.np.sum(ns.lax.cond(x[0] > 0, lambda: y * x, lambda: z * z))


@loop((3,))
def branch_of_constants(ns, x):
    kept, scale = ns.lax.cond(x[0] > x[1], lambda a: (a, 2.0), lambda a: (ns.np.zeros(3), 0.5), x)
    return ns.np.sum(kept**2) + scale * ns.np.sum(x**3)


@loop((3,))
def nested_branches(ns, x):
    def inner(a):
        return ns.lax.cond(a[1] > 0, lambda v: v * 2, lambda v: ns.np.sin(v), a)

    return ns.np.sum(ns.lax.cond(x[0] > 0, inner, lambda a: inner(a) * a, x))


@loop((3,), (4,))
def scan_of_a_branch(ns, x, rows):
    def step(c, row):
        c = ns.lax.cond(row > 0, lambda a: ns.np.sin(a * x), lambda a: a * row, c)
        return c, ns.np.sum(c)

    c, ys = ns.lax.scan(step, x, rows)
    return ns.np.sum(c) + ns.np.sum(ys**2)


@loop((3,))
def branch_of_a_scan(ns, x):
    def run(a):
        return ns.lax.scan(lambda c, row: (c * ns.np.cos(row), None), a[0], a)[0]

    return ns.lax.cond(x[0] > x[1], run, lambda a: ns.np.sum(a**2), x)


@loop((3,))
def while_of_a_branch(ns, x):
    def step(s):
        h, n = s
        return ns.lax.cond(n % 2 == 0, lambda a: ns.np.sin(a) * x, lambda a: a * 0.5, h), n + 1

    return ns.np.sum(ns.lax.while_loop(lambda s: s[1] < 5, step, (x, 0))[0] ** 2)


@loop((3,))
def safe_square_root(ns, x):
    return ns.np.sum(
        ns.lax.map(lambda v: ns.lax.cond(v > 0, lambda a: ns.np.sqrt(a + 1), lambda a: a**2, v), x)
    )


# Maps, prefixes, folds, solves.


@loop((5, 2))
def mapped(ns, x):
    return ns.np.sum(ns.lax.map(lambda row: ns.np.sin(row) * row[::-1], x) ** 2)


@loop((5, 2))
def mapped_in_batches(ns, x):
    return ns.np.sum(ns.lax.map(lambda row: ns.np.sum(row) * ns.np.cos(row), x, batch_size=2))


@loop((7,))
def prefix_products(ns, x):
    return ns.np.sum(ns.lax.associative_scan(ns.np.multiply, x) * ns.np.arange(7.0))


@loop((6,), (6,))
def linear_recurrence(ns, a, b):
    def combine(left, right):
        return left[0] * right[0], left[1] * right[0] + right[1]

    return ns.np.sum(ns.lax.associative_scan(combine, (a, b))[1] ** 2)


@loop((4, 5))
def suffix_sums(ns, x):
    return ns.np.sum(ns.lax.associative_scan(ns.np.add, ns.np.sin(x), reverse=True, axis=1) ** 2)


@loop((5, 2, 2))
def matrix_products(ns, x):
    return ns.np.sum(ns.lax.associative_scan(ns.np.matmul, x))


@loop((6,))
def running_sums(ns, x):
    return ns.np.sum(ns.lax.cumsum(x) * ns.lax.cumlogsumexp(x, reverse=True)) + ns.np.sum(ns.lax.cumprod(x))


@loop(positive(2))
def root_by_newton(ns, a):
    def solve(f, x):
        return ns.lax.fori_loop(0, 20, lambda _, x: x - f(x) / (3 * x**2), x)

    root = ns.lax.custom_root(
        lambda x: x**3 - a, 1.5 * ns.np.ones(2), solve, lambda g, y: y / g(ns.np.ones(2))
    )
    return ns.np.sum(root * a)


@loop(diagonal(3), (3,))
def linear_solve_by_iteration(ns, a, b):
    def richardson(matvec, b):
        return ns.lax.fori_loop(0, 60, lambda _, x: x + 0.3 * (b - matvec(x)), b)

    x = ns.lax.custom_linear_solve(lambda v: a @ v, b, richardson, richardson)
    return ns.np.sum(ns.np.sin(x))
