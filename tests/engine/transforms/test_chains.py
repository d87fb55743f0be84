"""Gradients of loops over few numbers: coefficients and tiles give what single steps and JAX give, and the same bits always."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import pytest

import weft
import weft.numpy as wnp
from weft.engine.runtime.tiles import TILE

LENGTH = 2 * TILE + 5  # eager gradients of so few steps go step by step
XS = np.random.default_rng(5).normal(size=LENGTH) * 0.3


def runge(np_: Any, lax: Any, f: Callable[..., Any]) -> Callable[..., Any]:
    """The loss of a trajectory of an ODE by Runge and Kutta's method."""
    h = 0.02

    def loss(p: Any, y: Any) -> Any:
        def step(y: Any, x: Any) -> Any:
            k1 = f(np_, y, p)
            k2 = f(np_, y + h / 2 * k1, p)
            k3 = f(np_, y + h / 2 * k2, p)
            k4 = f(np_, y + h * k3, p) + x
            y = y + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
            return y, y

        last, path = lax.scan(step, y, XS.astype(y.dtype))
        return np_.sum(last) + np_.mean(path**2)

    return loss


def van_der_pol(np_: Any, lax: Any) -> Any:
    return runge(np_, lax, lambda n, y, p: n.stack([y[1], p * (1 - y[0] ** 2) * y[1] - y[0]]))


def linear(np_: Any, lax: Any) -> Any:
    return runge(np_, lax, lambda n, y, p: n.stack([y[1], -p * y[0]]))


def tuples(np_: Any, lax: Any) -> Any:
    """A symplectic step on single numbers."""

    def loss(p: Any, y: Any) -> Any:
        def step(state: Any, x: Any) -> Any:
            q, v = state
            v = v - 0.05 * p * np_.sin(q) + x
            q = q + 0.1 * v
            v = v - 0.05 * p * np_.sin(q)
            return (q, v), q * v

        (q, v), path = lax.scan(step, (y[0], y[1]), XS.astype(y.dtype))
        return q + v + np_.sum(path)

    return loss


def masked(np_: Any, lax: Any) -> Any:
    """Steps that are sometimes left out, where they would divide by zero."""

    def loss(p: Any, y: Any) -> Any:
        def step(y: Any, x: Any) -> Any:
            good = x > 0
            safe = np_.where(good, x, 1.0)
            new = y * (p / (1.0 + safe)) * safe * (1.0 - p * safe) * 1.5 + y[::-1] * 0.1
            return np_.where(good, new, y * 0.9), None

        return np_.sum(lax.scan(step, y, XS.astype(y.dtype))[0])

    return loss


def gated(np_: Any, lax: Any) -> Any:
    """A recurrent cell of two units."""

    def loss(p: Any, y: Any) -> Any:
        w = np_.stack([np_.stack([p, -0.5 * p]), np_.stack([0.25 + 0 * p, p * p])])

        def step(h: Any, x: Any) -> Any:
            z = 1 / (1 + np_.exp(-(w @ h + x)))
            h = (1 - z) * h + z * np_.tanh(w.T @ (z * h) + x)
            return h, h

        return np_.sum(lax.scan(step, y, XS.astype(y.dtype))[1] ** 2)

    return loss


PROGRAMS = [van_der_pol, linear, tuples, masked, gated]
FEW = [van_der_pol, tuples, masked]
P, Y = np.asarray(0.75), np.array([0.5, -0.25])


def compare(found: Any, expected: Any, tolerance: float = 1e-10) -> None:
    for one, other in zip(weft.tree_util.tree_leaves(found), jax.tree.leaves(expected), strict=True):
        scale = tolerance * max(float(np.max(np.abs(other))), 1e-3)
        np.testing.assert_allclose(np.asarray(one), np.asarray(other), rtol=tolerance, atol=scale)


def of_jax(program: Callable[..., Any]) -> Any:
    return program(jax.numpy, jax.lax)


@pytest.fixture(autouse=True)
def _doubles() -> Any:
    with jax.enable_x64(True):
        yield


@pytest.mark.parametrize("program", PROGRAMS)
def test_gradients(program: Any) -> None:
    slopes = weft.value_and_grad(program(wnp, weft.lax), argnums=(0, 1))
    found = weft.jit(slopes)(P, Y)
    compare(found, slopes(P, Y))
    compare(found, jax.value_and_grad(of_jax(program), argnums=(0, 1))(P, Y))


@pytest.mark.parametrize("program", FEW)
def test_second_derivatives(program: Any) -> None:
    def curves(api: Any, loss: Any) -> Any:
        return api.grad(lambda p, y: api.grad(loss)(p, y), argnums=(0, 1))

    def forward(api: Any, loss: Any) -> Any:
        return lambda p, y: api.jvp(api.grad(loss), (p, y), (1.0 + 0 * p, 0.5 + 0 * y))

    for order in (curves, forward):
        found = weft.jit(order(weft, program(wnp, weft.lax)))(P, Y)
        compare(found, order(jax, of_jax(program))(P, Y), 1e-8)


@pytest.mark.parametrize("program", FEW)
def test_linear_forward_mode_and_its_transpose(program: Any) -> None:
    def both(api: Any, loss: Any) -> Any:
        def run(p: Any, y: Any) -> Any:
            value, push = api.linearize(loss, p, y)
            return value, push(1.0 + 0 * p, 0.5 + 0 * y), api.jacfwd(loss, argnums=1)(p, y)

        return run

    compare(weft.jit(both(weft, program(wnp, weft.lax)))(P, Y), both(jax, of_jax(program))(P, Y))


@pytest.mark.parametrize("program", FEW)
@pytest.mark.parametrize("many", [2, 40])
def test_examples_beside_one_another(program: Any, many: int) -> None:
    ps = np.linspace(0.5, 0.9, many)
    found = weft.jit(weft.vmap(weft.grad(program(wnp, weft.lax)), in_axes=(0, None)))(ps, Y)
    compare(found, jax.vmap(jax.grad(of_jax(program)), in_axes=(0, None))(ps, Y))


@pytest.mark.parametrize("program", PROGRAMS)
def test_the_bits_are_the_same_on_any_number_of_threads(program: Any) -> None:
    before, results = weft.config.threads, []
    slopes = weft.jit(weft.vmap(weft.grad(program(wnp, weft.lax), argnums=(0, 1)), in_axes=(None, 0)))
    try:
        for threads in (1, 2):
            weft.config.update(threads=threads)
            results.append([np.asarray(x).tobytes() for x in slopes(P, np.stack([Y, 2 * Y]))])
    finally:
        weft.config.update(threads=before)
    assert results[0] == results[1]


def test_single_precision() -> None:
    loss = van_der_pol(wnp, weft.lax)
    found = weft.jit(weft.grad(loss))(np.float32(0.75), Y.astype(np.float32))
    np.testing.assert_allclose(found, weft.grad(loss)(P, Y), rtol=1e-3)


def test_a_compensated_sum_keeps_its_compensation() -> None:
    """What the user's own loop does is linear in its carry, too, and its rounding is what it is for."""

    def step(carry: Any, x: Any) -> Any:
        total, lost = carry
        y = x - lost
        new = total + y
        return (new, (new - total) - y), None

    xs = np.tile([1.0, 1e-16, 1e-16, 1e-16], LENGTH)
    found, _ = weft.jit(lambda xs: weft.lax.scan(step, (0.0, 0.0), xs)[0])(xs)
    expected = (0.0, 0.0)
    for x in xs:
        expected = step(expected, x)[0]
    assert float(found) == expected[0] > LENGTH
    slopes = weft.jit(weft.grad(lambda xs: weft.lax.scan(step, (0.0, 0.0), xs)[0][0]))(xs)
    np.testing.assert_array_equal(slopes, np.ones_like(xs))


def test_a_chain_of_products_is_left() -> None:
    """The backward loop of Runge and Kutta's method: what waits for the step before is a product with a matrix."""
    program = weft.jit(weft.grad(van_der_pol(wnp, weft.lax), argnums=(0, 1))).lower(P, Y).program
    nest = next(str(n) for n in program.nests if "tile" in str(n))
    (first,) = [part for part in nest.split("for ")[1:] if "vector" not in part.splitlines()[0]][1:2]
    assert first.count(" mul ") == 4
