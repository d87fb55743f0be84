"""Derivatives of solvers and functions of matrices inside vmap inside jit: each example as it is alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import weft
import weft.numpy as wnp
import weft.scipy.linalg as wl
from tests.engine.public.scipy.laws import close
from weft.experimental.ode import odeint
from weft.scipy.optimize import bisect, curve_fit, minimize
from weft.scipy.sparse.linalg import cg, gmres

rng = np.random.default_rng(12)
# Of very different sizes, so that iterations take different numbers of steps.
A = rng.normal(size=(3, 4, 4)) * np.array([0.1, 3.0, 20.0])[:, None, None]
P = A @ np.swapaxes(A, -1, -2) + np.eye(4)
B = rng.normal(size=(3, 4))
TIMES = np.array([0.0, 1.0, 2.0])


def exp_sum(a: Any) -> Any:
    return wl.expm(a / 5).sum()


def lowest(a: Any) -> Any:
    return minimize(lambda x, a: ((x - a) ** 2).sum() + (x**4).sum(), np.zeros(4), (a,), tol=1e-9)


def fitted(y: Any) -> Any:
    return curve_fit(lambda x, a, c: a * x + c * x**2, np.arange(4.0), y)[0].sum()


CASES = {
    "gradient of expm": (weft.grad(exp_sum), A),
    "curvature of expm": (lambda a: weft.jvp(weft.grad(exp_sum), (a,), (a,))[1], A),
    "jacobian of a minimum": (weft.jacobian(lambda a: lowest(a).x), B),
    "hessian of a minimum": (weft.hessian(lambda a: lowest(a).fun), B),
    "gradient of odeint": (
        weft.grad(lambda k: (odeint(lambda y, t, k: -k * y, np.ones(4), TIMES, k) ** 2).sum()),
        np.abs(B),
    ),
    "gradient of cg": (weft.grad(lambda p, b: (cg(p, b, tol=1e-12)[0] ** 2).sum(), (0, 1)), P, B),
    "hessian of cg": (weft.hessian(lambda b: (cg(P[0], b, tol=1e-12)[0] ** 3).sum()), B),
    "gradient of gmres": (
        weft.grad(lambda p, b: (gmres(p, b, tol=1e-12, solve_method="incremental")[0] ** 2).sum(), (0, 1)),
        P,
        B,
    ),
    "gradient of sqrtm": (weft.grad(lambda p: wl.sqrtm(p).real.sum()), P),
    "jacobian of logm": (weft.jacfwd(lambda p: wl.logm(p).real), P),
    "gradient of funm": (weft.grad(lambda a: wl.funm(a / 5, wnp.exp).real.sum()), A),
    "gradient of polar": (weft.grad(lambda p: wl.polar(p)[0].sum()), A),
    "gradient of lu_solve": (
        weft.grad(lambda p, b: (wl.lu_solve(wl.lu_factor(p), b) ** 2).sum(), (0, 1)),
        P,
        B,
    ),
    "gradient of bisect": (weft.grad(lambda a: bisect(lambda x: x**3 - a.sum(), 0.0, 10.0)), np.abs(B)),
    "gradient of curve_fit": (weft.grad(fitted), B),
}


@pytest.mark.parametrize("name", CASES)
def test_each_example_is_as_alone(name: str) -> None:
    fun, *args = CASES[name]
    together = weft.jit(weft.vmap(fun))(*args)
    alone = [weft.tree.leaves(fun(*[a[i] for a in args])) for i in range(3)]
    for found, parts in zip(weft.tree.leaves(together), zip(*alone, strict=True), strict=True):
        close(found, np.stack([np.asarray(p) for p in parts]), 1e-9)
