"""least_squares and curve_fit: against SciPy, with derivatives by the data; what does not converge; errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.optimize as so

import weft
import weft.numpy as wnp
from tests.engine.public.scipy.laws import Case, check, close
from weft.errors import ArgumentError, DTypeError, ShapeError
from weft.scipy.optimize import curve_fit, least_squares

rng = np.random.default_rng(11)
X = np.linspace(0, 2, 30)
Y = 2.5 * np.exp(-1.3 * X) + 0.5 + 0.05 * rng.normal(size=30)
SIGMA = rng.uniform(0.05, 0.2, 30)


def decay(x: Any, a: Any, k: Any, c: Any) -> Any:
    return a * wnp.exp(-k * x) + c


def decay_of_numpy(x: Any, a: Any, k: Any, c: Any) -> Any:
    return a * np.exp(-k * x) + c


PROBLEMS = {
    "rosenbrock": (lambda x: wnp.stack([10 * (x[1] - x[0] ** 2), 1 - x[0]]), np.array([-1.2, 1.0])),
    "linear": (lambda x: np.arange(6.0).reshape(3, 2) @ x - np.array([1.0, 0, 2]), np.zeros(2)),
    "powell": (
        lambda x: wnp.stack(
            [x[0] + 10 * x[1], 5**0.5 * (x[2] - x[3]), (x[1] - 2 * x[2]) ** 2, 10**0.5 * (x[0] - x[3]) ** 2]
        ),
        np.array([3.0, -1, 0, 1]),
    ),
    "rank deficient": (lambda x: wnp.stack([x[0] + x[1] - 1, 2 * (x[0] + x[1] - 1)]), np.zeros(2)),
}


@pytest.mark.parametrize("name", PROBLEMS)
def test_minima(name: str) -> None:
    fun, x0 = PROBLEMS[name]
    wanted = so.least_squares(lambda x: np.asarray(fun(wnp.asarray(x))), x0)
    for f in (least_squares, weft.jit(least_squares, static_argnums=0)):
        found = f(fun, x0)
        assert found.success
        assert found.status in (1, 2, 3)
        assert float(found.cost) <= wanted.cost + 1e-10
        assert np.max(np.abs(found.grad)) < 1e-5
        assert found.nfev < 4 * wanted.nfev + 20
        close(found.fun, fun(found.x), 1e-12)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"sigma": SIGMA},
        {"sigma": SIGMA, "absolute_sigma": True},
        {"sigma": np.diag(SIGMA) + 0.02, "p0": [1.0, 2, 0]},
    ],
    ids=["plain", "sigma", "absolute", "covariances"],
)
def test_fits(options: dict[str, Any]) -> None:
    wanted = so.curve_fit(decay_of_numpy, X, Y, **options)
    close(curve_fit(decay, X, Y, **options), wanted, 1e-5)
    close(weft.jit(lambda x, y: curve_fit(decay, x, y, **options))(X, Y), wanted, 1e-5)


def test_derivatives_by_the_data() -> None:
    """A linear fit has known ones; the laws ask for both modes and two orders."""

    def fit(x: Any, y: Any) -> Any:
        return curve_fit(lambda x, a, b: a * x + b, x, y, xtol=1e-14, ftol=1e-14, gtol=1e-12)

    def known(x: Any, y: Any) -> Any:
        a = np.stack([x, np.ones_like(x)], axis=1)
        p = np.linalg.lstsq(a, y)[0]
        return p, np.linalg.inv(a.T @ a) * np.sum((a @ p - y) ** 2) / (len(x) - 2)

    check(Case(fit, known, (X[:6].copy(), Y[:6].copy()), tol=1e-7, slope_tol=1e-4))
    y0 = Y[:8]
    slope = weft.jacobian(
        lambda y: curve_fit(decay, X[:8], y, np.array([2.0, 1, 0]), xtol=1e-13, ftol=1e-15)[0]
    )(y0)
    h = 1e-4
    for i in (0, 3, 7):
        ahead, behind = (
            curve_fit(decay, X[:8], y0 + s * h * np.eye(8)[i], np.array([2.0, 1, 0]))[0] for s in (1, -1)
        )
        close(slope[:, i], (np.asarray(ahead) - np.asarray(behind)) / (2 * h), 1e-3)


def test_many_fits_at_once() -> None:
    data = np.stack([Y, 1.1 * Y, Y[::-1]])
    start = np.array([2.0, 1, 0])
    found = weft.jit(weft.vmap(lambda y: curve_fit(decay, X, y, start)[0]))(data[:2])
    close(found, np.stack([np.asarray(curve_fit(decay, X, y, start)[0]) for y in data[:2]]), 1e-6)


def test_what_is_not_found_says_so() -> None:
    found = least_squares(PROBLEMS["rosenbrock"][0], np.array([-1.2, 1.0]), max_nfev=3)
    assert (found.status, found.success, found.nfev) == (0, False, 3)
    assert least_squares(lambda x: x, np.zeros(2)).status == 1
    assert least_squares(lambda x: x - 1, np.float32(3)).x.dtype == np.float32


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda y: least_squares(None, y), ArgumentError, "fun must be a function"),
        (lambda y: least_squares(lambda x: x, y[None]), ShapeError, "x0 has one axis"),
        (lambda y: least_squares(lambda x: x, y * 1j), DTypeError, "takes real arrays"),
        (lambda y: least_squares(lambda x: x, y, method="trf"), ArgumentError, "method='trf'"),
        (lambda y: curve_fit(lambda *p: p[1], X, y), ArgumentError, "give p0"),
        (lambda y: curve_fit(decay, X, y[:3]), ShapeError, r"f gives an array of shape \(30,\)"),
        (lambda y: curve_fit(decay, X, y, sigma=y[:3]), ShapeError, r"sigma of shape \(3,\)"),
    ],
)
def test_errors(call: Any, error: Any, says: str) -> None:
    for f in (call, weft.jit(call)):
        with pytest.raises(error, match=says):
            f(wnp.asarray(Y))
