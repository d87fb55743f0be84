"""Minima, steps of line searches and roots: found, counted, differentiated, batched; errors."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.optimize as so
from jax.scipy.optimize import minimize as jax_minimize

import weft
import weft.numpy as wnp
from tests.engine.public.scipy.laws import Case, check, close
from weft.errors import ArgumentError, DTypeError
from weft.scipy.optimize import bisect, line_search, minimize, newton, root

METHODS = ["BFGS", "L-BFGS"]


def rosenbrock(x: Any) -> Any:
    return (100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum()


def himmelblau(x: Any) -> Any:
    return (x[0] ** 2 + x[1] - 11) ** 2 + (x[0] + x[1] ** 2 - 7) ** 2


def matyas(x: Any) -> Any:
    return 0.26 * (x[0] ** 2 + x[1] ** 2) - 0.48 * x[0] * x[1]


def steep(x: Any) -> Any:
    return (x**2 * 10.0 ** np.arange(x.shape[0])).sum() + (x**4).sum()


PROBLEMS = {
    "rosenbrock": (rosenbrock, np.zeros(5)),
    "himmelblau": (himmelblau, np.ones(2)),
    "matyas": (matyas, np.full(2, 3.0)),
    "steep": (steep, np.ones(6)),
}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", PROBLEMS)
def test_minima(name: str, method: str) -> None:
    fun, x0 = PROBLEMS[name]
    wanted = so.minimize(fun, x0, method="BFGS", tol=1e-8)
    for f in (minimize, weft.jit(minimize, static_argnames=("fun", "method", "tol"))):
        found = f(fun=fun, x0=x0, method=method, tol=1e-12)
        assert found.success, found
        assert found.status == 0
        close(found.x, wanted.x, 1e-4)
        close(found.fun, fun(np.asarray(found.x)), 1e-12)
        assert np.max(np.abs(found.jac)) < 1e-4
        assert 0 < found.nit < found.nfev < 150
    # As many evaluations as the peers take, more or less.
    assert found.nfev < 3 * wanted.njev + 10


def test_as_jax() -> None:
    found = minimize(himmelblau, np.ones(2), method="BFGS")
    wanted = jax_minimize(himmelblau, jnp.ones(2), method="BFGS")
    close(found.x, wanted.x, 1e-5)
    inverse = np.linalg.inv(jax.jit(jax.hessian(himmelblau))(wanted.x))
    close(minimize(himmelblau, np.ones(2), tol=1e-9).hess_inv, inverse, 0.1)


@pytest.mark.parametrize("method", METHODS)
def test_derivatives_are_of_the_minimum(method: str) -> None:
    """For a quadratic function they are known; for others differences say."""
    rng = np.random.default_rng(0)
    g = rng.normal(size=(3, 3))
    a, b = g @ g.T + np.eye(3), rng.normal(size=3)

    def place(a: Any, b: Any) -> Any:
        quadratic = lambda x: 0.5 * x @ (a + a.T) @ x / 2 - b @ x  # noqa: E731
        found = minimize(quadratic, np.zeros(3), method=method, tol=1e-12, options={"maxiter": 100})
        return found.x, found.fun

    def known(a: Any, b: Any) -> Any:
        x = np.linalg.solve((a + a.T) / 2, b)
        return x, np.asarray(-0.5 * b @ x)

    check(Case(place, known, (a, b), tol=1e-6, slope_tol=1e-4))


def test_trees_and_arguments() -> None:
    def fun(p: Any, target: Any, weight: Any) -> Any:
        return weight * wnp.sum((p["w"] - target) ** 2) + (p["b"] - 1) ** 2

    target = np.arange(6.0).reshape(2, 3)
    found = minimize(fun, {"w": np.zeros((2, 3)), "b": 0}, (target, 3.0))
    close(found.x["w"], target, 1e-5)
    close(found.x["b"], 1.0, 1e-5)
    assert found.jac["w"].shape == (2, 3)
    assert minimize(lambda x: (x - 1) ** 2, np.float32(4)).x.dtype == np.float32


def test_functions_that_branch_on_values() -> None:
    """They cannot be compiled, and need not be."""

    def fun(x: Any) -> Any:
        return ((x - 2) ** 2).sum() if x[0] > 1 else ((x - 1) ** 2).sum() + 1

    close(minimize(fun, np.zeros(2) + 1.5).x, np.full(2, 2.0), 1e-6)


def test_many_minima_at_once() -> None:
    starts = np.array([[1.0, 1], [-3, 3], [-3, -3], [4, -2]])
    for method in METHODS:
        find = lambda x, m=method: minimize(himmelblau, x, method=m, tol=1e-12).x  # noqa: E731
        found = weft.jit(weft.vmap(find))(starts)
        close(found, np.stack([np.asarray(find(x)) for x in starts]), 1e-6)


def test_what_is_not_found_says_so() -> None:
    found = minimize(rosenbrock, np.zeros(4), options={"maxiter": 3})
    assert (found.success, found.status, found.nit) == (False, 1, 3)
    found = minimize(lambda x: wnp.sum(wnp.log(x)), -np.ones(2))
    assert (found.success, found.status) == (False, 3)
    found = minimize(lambda x: wnp.sum(wnp.abs(x - 0.3) * wnp.where(x > 0.3, 2, 1)), np.zeros(1))  # a kink
    assert (found.success, found.status) == (False, 2)
    close(found.x, np.array([0.3]), 1e-3)
    found = minimize(lambda x: wnp.sum(x**2), np.zeros(3))
    assert (found.success, found.nit) == (True, 0)


@pytest.mark.parametrize("first", [1e-4, 0.1, 1.0, 30.0])
def test_steps_meet_the_wolfe_conditions(first: float) -> None:
    for fun, x0 in PROBLEMS.values():
        g = np.asarray(jax.jit(jax.grad(fun))(x0))
        for p in (-g, -g / np.linalg.norm(g)):
            found = line_search(fun, x0, p, first_step=first, maxiter=40)
            a, slope = float(found.a_k), float(g @ p)
            assert not found.failed
            assert found.f_k <= fun(x0) + 1e-4 * a * slope
            assert abs(float(found.g_k @ p)) <= 0.9 * abs(slope)
            close(found.f_k, fun(x0 + a * p), 1e-12)
            assert found.nfev == found.nit + 1
    failed = line_search(lambda x: -x.sum(), np.zeros(2), np.ones(2), maxiter=5)  # falls for ever
    assert failed.failed
    assert failed.status == 1


ROOTS = {
    "bisect": (lambda a: bisect(lambda x, a: x**3 - a, 0.0, wnp.full(3, 5.0), (a,)), lambda a: np.cbrt(a)),
    "newton": (lambda a: newton(lambda x, a: x**3 - a, wnp.ones(3), args=(a,)), lambda a: np.cbrt(a)),
    "newton fprime": (
        lambda a: newton(lambda x: x**3 - a, wnp.ones(3), fprime=lambda x: 3 * x**2),
        lambda a: np.cbrt(a),
    ),
    "root": (lambda a: root(lambda x: x**3 - a, wnp.ones(3)).x, lambda a: np.cbrt(a)),
}


@pytest.mark.parametrize("name", ROOTS)
def test_roots(name: str) -> None:
    ours, theirs = ROOTS[name]
    check(Case(ours, theirs, (np.array([1.5, 8.0, 27.0]),), tol=1e-8))


def test_roots_of_complex_functions() -> None:
    found = newton(lambda z: z**2 + 1, 0.5 + 0.5j)
    close(found, 1j, 1e-10)


def test_systems() -> None:
    def fun(x: Any) -> Any:
        return wnp.stack([x[0] * wnp.cos(x[1]) - 4, x[1] * x[0] - x[1] - 5])

    found = root(fun, np.ones(2))
    close(found.x, so.root(lambda x: np.asarray(fun(x)), np.ones(2)).x, 1e-8)
    assert found.success
    assert found.nit < found.nfev
    assert not root(lambda x: x**2 + 1, np.ones(1)).success
    slope = weft.jacobian(lambda a: root(lambda x, a: fun(x) - a, np.ones(2), (a,)).x)(np.zeros(2))
    close(slope, np.linalg.inv(weft.jacobian(fun)(found.x)), 1e-6)


def test_intervals_without_a_root() -> None:
    assert np.isnan(bisect(lambda x: x**2 + 1, -1.0, 1.0))
    assert np.isnan(newton(lambda x: x**2 + 1, 0.3, maxiter=20))
    assert bisect(lambda x: x, 0.0, 1.0) == 0
    close(bisect(lambda x: x - 1, 0.0, 1.0), 1.0, 1e-11)


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda x: minimize(rosenbrock, x, method="Nelder-Mead"), ArgumentError, "method='Nelder-Mead'; it is one of"),
        (lambda x: minimize(rosenbrock, x, options={"eps": 1}), ArgumentError, "has the options gtol.*, not eps"),
        (lambda x: minimize(rosenbrock, x, args=1), ArgumentError, "args must be a tuple"),
        (lambda x: minimize(lambda x: x, x), ArgumentError, "must return a scalar"),
        (lambda x: minimize(None, x), ArgumentError, "fun must be a function"),
        (lambda x: minimize(rosenbrock, x * 1j), DTypeError, "minimize takes real arrays"),
        (lambda x: root(lambda x: x[:1], x), ArgumentError, "fun must return the shape"),
        (lambda x: bisect(1, x, x), ArgumentError, "bisect: f must be a function"),
    ],
)  # fmt: skip
def test_errors(call: Any, error: Any, says: str) -> None:
    for f in (call, weft.jit(call)):
        with pytest.raises(error, match=says):
            f(wnp.ones(3))
