"""odeint: known solutions, those of SciPy and JAX, derivatives by everything, stiff and impossible fields."""

from __future__ import annotations

from typing import Any

import jax.experimental.ode
import numpy as np
import pytest
import scipy.integrate

import weft
import weft.numpy as wnp
from tests.engine.public.scipy.laws import Case, check, close
from weft.errors import ArgumentError, DTypeError, ShapeError
from weft.experimental.ode import odeint

TIMES = np.array([0.0, 0.5, 0.6, 2.0])


def pendulum(y: Any, t: Any, length: Any) -> Any:
    return wnp.stack([y[1], -wnp.sin(y[0]) / length + 0.1 * wnp.sin(3 * t)])


def test_known_solutions() -> None:
    for f in (odeint, weft.jit(odeint, static_argnums=0)):
        close(f(lambda y, t, k: -k * y, np.array(1.0), TIMES, 0.7), np.exp(-0.7 * TIMES), 1e-7)
        close(f(lambda y, t: 1j * y, np.array(1.0 + 0j), TIMES), np.exp(1j * TIMES), 1e-7)
        falling = TIMES[::-1].copy()
        close(f(lambda y, t: y, np.array(1.0), falling), np.exp(falling - 2), 1e-7)


def test_as_scipy_and_jax() -> None:
    y0 = np.array([1.0, 0.3])
    wanted = scipy.integrate.solve_ivp(
        lambda t, y: np.array([y[1], -np.sin(y[0]) / 0.8 + 0.1 * np.sin(3 * t)]),
        (0, 2),
        y0,
        t_eval=TIMES,
        rtol=1e-11,
        atol=1e-11,
    ).y.T
    close(odeint(pendulum, y0, TIMES, 0.8), wanted, 1e-6)
    field = lambda y, t: jax.numpy.stack([y[1], -(y[0] ** 3) + t])  # noqa: E731
    ours = odeint(lambda y, t: wnp.stack([y[1], -(y[0] ** 3) + t]), y0, TIMES)
    close(ours, jax.experimental.ode.odeint(field, y0, TIMES), 1e-6)


def test_derivatives_by_everything() -> None:
    """By the start, parameters, and times; the laws ask for two orders and both modes."""

    def logistic(y: Any, k: Any, t: Any) -> Any:
        return odeint(lambda y, t, k: k * y * (1 - y), y, t, k, rtol=1e-11, atol=1e-11)

    def known(y: Any, k: Any, t: Any) -> Any:
        grown = y * np.exp(k * (t[:, None] - t[0]))
        return grown / (1 - y + grown)

    args = (np.array([0.2, 0.7]), np.array(1.3), np.array([0.3, 0.9, 1.5]))
    check(Case(logistic, known, args, tol=1e-7, slope_tol=1e-4))


def test_trees_and_gradients_as_jax() -> None:
    y0 = {"x": np.array([1.0, 0.2]), "v": np.array(0.1)}
    ours = odeint(lambda y, t, k: {"x": -k * y["x"], "v": y["x"].sum() * t}, y0, TIMES, 0.7)
    theirs = jax.experimental.ode.odeint(
        lambda y, t, k: {"x": -k * y["x"], "v": y["x"].sum() * t}, y0, TIMES, 0.7
    )
    close(ours, theirs, 1e-6)

    def loss(odeint: Any, np_: Any) -> Any:
        return lambda y, k: (odeint(lambda y, t, k: -k * np_.sin(y) + t, y, TIMES, k) ** 2).sum()

    args = np.array([1.0, 0.4]), 0.7
    wanted = jax.jit(jax.grad(loss(jax.experimental.ode.odeint, jax.numpy), (0, 1)))(*args)
    for f in (weft.grad, lambda *a: weft.jit(weft.grad(*a))):
        close(f(loss(odeint, wnp), (0, 1))(*args), wanted, 1e-5, dtypes=False)


def test_tolerances_and_bounds() -> None:
    decay = lambda y, t: -y  # noqa: E731
    rough = odeint(decay, np.array(1.0), TIMES, rtol=1e-3, atol=1e-3)
    fine = odeint(decay, np.array(1.0), TIMES, rtol=1e-12, atol=1e-12)
    errors = [float(np.max(np.abs(np.asarray(y) - np.exp(-TIMES)))) for y in (rough, fine)]
    assert 1e-7 < errors[0] < 1e-2
    assert errors[1] < 1e-11
    close(odeint(decay, np.array(1.0), TIMES, hmax=0.01), np.exp(-TIMES), 1e-9)
    few = np.asarray(odeint(decay, np.array(1.0), TIMES, mxstep=1))
    assert few[0] == 1
    assert np.isnan(few[-1])
    assert odeint(decay, np.float32(1), TIMES.astype("f4")).dtype == np.float32
    close(odeint(lambda y, t: 0 * y, np.ones(2), TIMES), np.ones((4, 2)), 1e-12)
    close(odeint(decay, np.ones(2), TIMES[:1]), np.ones((1, 2)), 0)
    close(odeint(decay, np.array(1.0), np.array([0.0, 0, 1, 1])), np.exp([0, 0, -1, -1]), 1e-7)


def test_stiff_fields_and_those_that_blow_up() -> None:
    close(odeint(lambda y, t: -500 * (y - wnp.cos(t)), np.array(0.0), TIMES)[1:], np.cos(TIMES[1:]), 5e-3)
    blown = np.asarray(odeint(lambda y, t: y**2, np.array(1.0), TIMES, mxstep=1000))  # 1 / (1 - t)
    close(blown[:3], 1 / (1 - TIMES[:3]), 1e-6)
    assert np.isnan(blown[3])


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda y: odeint(lambda y, t: y[:1], y, TIMES), ArgumentError, "func must return a tree like y0"),
        (lambda y: odeint(lambda y, t: y, y, 1.0), ShapeError, "t has one axis"),
        (lambda y: odeint(lambda y, t: y, y, TIMES * 1j), DTypeError, "odeint takes real arrays"),
    ],
)
def test_errors(call: Any, error: Any, says: str) -> None:
    for f in (call, weft.jit(call)):
        with pytest.raises(error, match=says):
            f(wnp.ones(2))
