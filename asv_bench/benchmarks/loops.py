"""Loops, written as for JAX, beside the same loops written by hand for Numba, in `by_hand`.

Steps of recurrences, stencils, solvers and factorisations by rows, simulations. What changes from step to step is the carry
of a `scan` or `fori_loop`; a triangle is a mask, as shapes do not change. The gradients of some are in `loop_gradients`.
"""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy

from . import Programs

STEPS = 100_000  # of recurrences
SWEEPS = 100  # of stencils


def scan_scalars(backend, a, b):
    def step(carry, _):
        a, b = carry
        return (a + 0.01 * backend.np.sin(b), b - 0.01 * a), None

    return backend.api.lax.scan(step, (a, b), None, length=STEPS)[0]


def scan_matrix(backend, rotation, h):
    return backend.api.lax.scan(lambda h, _: (rotation @ h, None), h, None, length=STEPS)[0]


def jacobi(backend, u):
    """Each point becomes the mean of its neighbours, all at once; the border stays."""

    def step(_, u):
        return u.at[1:-1, 1:-1].set(0.25 * (u[:-2, 1:-1] + u[2:, 1:-1] + u[1:-1, :-2] + u[1:-1, 2:]))

    return backend.api.lax.fori_loop(0, SWEEPS, step, u)


def heat(backend, u):
    """Explicit steps of the heat equation in three dimensions."""

    def step(_, u):
        x = u[:-2, 1:-1, 1:-1] + u[2:, 1:-1, 1:-1]
        y = u[1:-1, :-2, 1:-1] + u[1:-1, 2:, 1:-1]
        z = u[1:-1, 1:-1, :-2] + u[1:-1, 1:-1, 2:]
        return u.at[1:-1, 1:-1, 1:-1].add(0.1 * (x + y + z - 6.0 * u[1:-1, 1:-1, 1:-1]))

    return backend.api.lax.fori_loop(0, SWEEPS // 2, step, u)


def fdtd(backend, ex, ey, h):
    """Electric and magnetic field on Yee's staggered grid."""

    def step(fields, _):
        ex, ey, h = fields
        ey = ey.at[1:, :].add(-0.5 * (h[1:, :] - h[:-1, :]))
        ex = ex.at[:, 1:].add(-0.5 * (h[:, 1:] - h[:, :-1]))
        h = h.at[:-1, :-1].add(-0.7 * (ex[:-1, 1:] - ex[:-1, :-1] + ey[1:, :-1] - ey[:-1, :-1]))
        return (ex, ey, h), None

    return backend.api.lax.scan(step, (ex, ey, h), None, length=SWEEPS)[0]


def gauss_seidel(backend, u):
    """Sweeps of Gauss and Seidel from row to row: a row sees the new values of the one above."""
    fori_loop = backend.api.lax.fori_loop

    def row(i, u):
        return u.at[i, 1:-1].set(0.25 * (u[i - 1, 1:-1] + u[i + 1, 1:-1] + u[i, :-2] + u[i, 2:]))

    return fori_loop(0, SWEEPS // 5, lambda _, u: fori_loop(1, u.shape[0] - 1, row, u), u)


def thomas(backend, b, d):
    """Solve (-1, b, -1) x = d along the last axis: forward, and back."""
    np, fori_loop, n = backend.np, backend.api.lax.fori_loop, b.shape[-1]

    def forward(i, carry):
        c, y = carry
        q = 1.0 / (b[..., i] - c[..., i - 1])
        return c.at[..., i].set(q), y.at[..., i].set((d[..., i] + y[..., i - 1]) * q)

    def back(k, x):
        i = n - 1 - k
        return x.at[..., i].set(y[..., i] + c[..., i] * x[..., i + 1])

    c = np.zeros_like(b).at[..., 0].set(1.0 / b[..., 0])
    y = np.zeros_like(d).at[..., 0].set(d[..., 0] / b[..., 0])
    c, y = fori_loop(1, n, forward, (c, y))
    return fori_loop(1, n, back, y)


def lu(backend, a):
    """Both factors in one matrix, without pivots: a step a column."""
    np, n = backend.np, a.shape[0]
    i = np.arange(n)

    def step(k, a):
        low = np.where(i > k, a[:, k] / a[k, k], 0.0)
        a = a - np.where(i[None, :] > k, low[:, None] * a[k][None, :], 0.0)
        return a.at[:, k].set(np.where(i > k, low, a[:, k]))

    return backend.api.lax.fori_loop(0, n, step, a)


def cholesky(backend, a):
    """The lower factor, a column from those before it."""
    np, n = backend.np, a.shape[0]
    i = np.arange(n)

    def step(k, low):
        s = a[:, k] - low @ np.where(i < k, low[k], 0.0)
        return low.at[:, k].set(np.where(i >= k, s / np.sqrt(s[k]), 0.0))

    return backend.api.lax.fori_loop(0, n, step, np.zeros_like(a))


def gram_schmidt(backend, a):
    np, n = backend.np, a.shape[1]
    i = np.arange(n)

    def step(k, q):
        v = a[:, k]
        v = v - q @ np.where(i < k, q.T @ v, 0.0)
        return q.at[:, k].set(v / np.sqrt(np.sum(v * v)))

    return backend.api.lax.fori_loop(0, n, step, np.zeros_like(a))


def durbin(backend, r):
    """The Yule-Walker equations of a Toeplitz matrix."""
    np, n = backend.np, r.shape[0]
    i = np.arange(n)

    def step(k, carry):
        y, alpha, beta = carry
        beta = (1.0 - alpha * alpha) * beta
        alpha = -(r[k] + np.sum(np.where(i < k, r[(k - 1 - i) % n], 0.0) * y)) / beta
        y = np.where(i < k, y + alpha * y[(k - 1 - i) % n], y)
        return y.at[k].set(alpha), alpha, beta

    start = (np.zeros_like(r).at[0].set(-r[0]), -r[0], np.ones_like(r[0]))
    return backend.api.lax.fori_loop(1, n, step, start)[0]


def triangular_solve(backend, low, b):
    np, n = backend.np, b.shape[0]
    i = np.arange(n)

    def step(k, x):
        return x.at[k].set((b[k] - np.sum(np.where(i < k, low[k] * x, 0.0))) / low[k, k])

    return backend.api.lax.fori_loop(0, n, step, np.zeros_like(b))


def floyd_warshall(backend, d):
    """All shortest paths."""

    def step(k, d):
        return backend.np.minimum(d, d[:, k][:, None] + d[k, :][None, :])

    return backend.api.lax.fori_loop(0, d.shape[0], step, d)


def mandelbrot(backend, c):
    """Steps until a point leaves, at most 200, each point with a loop of its own."""

    def escape(c):
        def inside(state):
            return (state[1] < 200) & (abs(state[0]) < 2.0)

        return backend.api.lax.while_loop(inside, lambda s: (s[0] * s[0] + c, s[1] + 1), (c * 0, 0))[1]

    return backend.api.vmap(backend.api.vmap(escape))(c)


def nbody(backend, positions, velocities):
    """500 steps of bodies that attract one another."""
    np = backend.np

    def step(state, _):
        p, v = state
        between = p[None] - p[:, None]
        square = np.sum(between * between, -1) + 1e-2
        v = v + 1e-3 * np.sum(between / (square * np.sqrt(square))[..., None], 1)
        return (p + 1e-3 * v, v), None

    return backend.api.lax.scan(step, (positions, velocities), None, length=500)[0]


def python_loop(backend, u):
    """A thousand steps of a stencil by Python's `for`."""
    for _ in range(1_000):
        u = u.at[1:-1].set(0.25 * (u[:-2] + 2.0 * u[1:-1] + u[2:]))
    return u


def uniform(*shape: int) -> numpy.ndarray:
    """Numbers between 0 and 1, the same ones for the same shape."""
    return numpy.random.default_rng(shape).random(shape)


def positive_definite(n: int) -> numpy.ndarray:
    a = uniform(n, n)
    return a @ a.T + n * numpy.eye(n)


class Recurrences(Programs):
    programs = (scan_scalars, scan_matrix)
    sizes = (STEPS,)
    transforms = True
    by_hand = True

    def data(self, program, n):
        if program == "scan_scalars":
            return numpy.array(1.0), numpy.array(0.5)
        return numpy.linalg.qr(uniform(3, 3))[0], numpy.eye(3)


class Stencils(Programs):
    programs = (jacobi, fdtd, gauss_seidel)
    sizes = (300,)
    transforms = True
    by_hand = True

    def data(self, program, n):
        return tuple(uniform(3, n, n)) if program == "fdtd" else (uniform(n, n),)


class Fields(Programs):
    """In three dimensions."""

    programs = (heat, thomas)
    sizes = (64,)
    transforms = True
    by_hand = True

    def data(self, program, n):
        u = uniform(n, n, n)
        return (u,) if program == "heat" else (3.0 + u, u[::-1].copy())


class Factorisations(Programs):
    programs = (lu, cholesky, gram_schmidt, durbin, triangular_solve)
    sizes = (200,)
    transforms = True
    by_hand = True

    def data(self, program, n):
        if program == "durbin":
            return (0.9 ** numpy.arange(1, n + 1) * uniform(n),)
        a = positive_definite(n)
        if program == "triangular_solve":
            return numpy.tril(a), uniform(n)
        return (a,)


class Graphs(Programs):
    programs = (floyd_warshall,)
    sizes = (500,)
    transforms = True

    def data(self, program, n):
        return (uniform(n, n),)


class Planes(Programs):
    programs = (mandelbrot,)
    sizes = (200,)
    transforms = True

    def data(self, program, n):
        return (numpy.linspace(-2.0, 1.0, n)[None, :] + 1j * numpy.linspace(-1.0, 1.0, n)[:, None],)


class Bodies(Programs):
    programs = (nbody,)
    sizes = (64,)
    transforms = True

    def data(self, program, n):
        return tuple(uniform(2, n, 3))


def named(module: ModuleType) -> dict[str, tuple[type[Programs], Callable[..., Any]]]:
    """The programs of a file by their names, each with its suite."""
    suites = (cls for cls in vars(module).values() if getattr(cls, "__module__", "") == module.__name__)
    return {p.__name__: (suite, p) for suite in suites for p in getattr(suite, "programs", ())}
