"""Nonlinear least squares: least_squares and curve_fit, by Levenberg's and Marquardt's method.

The one idea: near the minimum residuals are nearly linear, so the next step solves a linear problem, damped by as much as the
last step was wrong. As in `minimize`, derivatives are those of the minimum and not of the way to it.

Source: Nielsen, "Damping parameter in Marquardt's method", IMM-REP-1999-05, for the damping.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

import weft.numpy as wnp
from weft import lax
from weft.engine.transforms.grad import grad
from weft.engine.transforms.jacobian import jacfwd
from weft.ir.errors import ArgumentError, ShapeError
from weft.numpy.staging import static_int
from weft.scipy.arguments import array, floating, function, one_of, vector
from weft.scipy.compiled import run_compiled
from weft.scipy.linalg import cholesky, solve_triangular
from weft.scipy.optimize.minimize import hessian_solve

EXHAUSTED, FLAT, NO_GAIN, NO_STEP = 0, 1, 2, 3


class LeastSquaresResults(NamedTuple):
    """What `least_squares` returns.

    Attributes:
        x: where the sum of squares is least, a vector.
        cost: half of that sum.
        fun: the residuals there.
        jac: their derivatives there, ``(m, n)``.
        grad: the derivative of ``cost`` there.
        nfev: how often the residuals were evaluated.
        status: why it stopped: 0 too many evaluations, 1 the gradient is small, 2 a step gained little, 3 a step was short.
        success: whether the status is not 0.
    """

    x: Any
    cost: Any
    fun: Any
    jac: Any
    grad: Any
    nfev: Any
    status: Any
    success: Any


def _cost(r: Any) -> Any:
    return 0.5 * wnp.vdot(r, r)


def _search(
    residuals: Callable[[Any], Any], x0: Any, ftol: Any, xtol: Any, gtol: Any, limit: int
) -> tuple[Any, Any]:
    """The minimum, and ``(status, evaluations)``."""
    derivative = jacfwd(residuals)

    def going(state: Any) -> Any:
        return (state["status"] < 0) & (state["nfev"] < limit)

    def step(state: Any) -> Any:
        x, r, jac = state["x"], state["r"], state["jac"]
        scale = wnp.maximum(state["scale"], wnp.linalg.norm(jac, axis=0))
        weight = wnp.sqrt(state["damping"]) * wnp.where(scale == 0, 1, scale)
        # The damped linear problem is a larger one without damping.
        tall = wnp.concatenate([jac, wnp.diag(weight)])
        q, upper = wnp.linalg.qr(tall)
        move = -solve_triangular(upper, q[: r.shape[0]].T @ r)
        trial = residuals(x + move)
        cost, before = _cost(trial), _cost(r)
        expected = before - _cost(r + jac @ move)
        share = (before - cost) / wnp.where(expected > 0, expected, 1)
        better = wnp.isfinite(cost) & (cost < before)
        good = wnp.clip(1 - (2 * share - 1) ** 3, 1 / 3, 2)
        damping = wnp.where(better, state["damping"] * good, state["damping"] * state["growth"])
        following = wnp.where(better, x + move, x)
        r = wnp.where(better, trial, r)
        jac = lax.cond(better, derivative, lambda _: jac, following)
        status = wnp.where(wnp.linalg.norm(move) <= xtol * (xtol + wnp.linalg.norm(x)), NO_STEP, -1)
        small = better & (before - cost <= ftol * before) & (share > 0.25)
        status = wnp.where(small, NO_GAIN, status)
        status = wnp.where(better & (wnp.max(wnp.abs(r @ jac), initial=0) <= gtol), FLAT, status)
        return {
            "x": following,
            "r": r,
            "jac": jac,
            "scale": scale,
            "damping": damping,
            "growth": wnp.where(better, 2.0, 2 * state["growth"]).astype(x.dtype),
            "nfev": state["nfev"] + 1,
            "status": status,
        }

    r, jac = residuals(x0), derivative(x0)
    flat = wnp.max(wnp.abs(r @ jac), initial=0) <= gtol
    start = {
        "x": x0,
        "r": r,
        "jac": jac,
        "scale": wnp.zeros_like(x0),
        "damping": wnp.asarray(1e-3, dtype=x0.dtype),
        "growth": wnp.asarray(2, dtype=x0.dtype),
        "nfev": wnp.asarray(1),
        "status": wnp.where(flat, FLAT, -1),
    }
    end = lax.while_loop(going, step, start)
    return end["x"], (wnp.where(end["status"] < 0, EXHAUSTED, end["status"]), end["nfev"])


def least_squares(
    fun: Callable[..., Any],
    x0: Any,
    args: tuple[Any, ...] = (),
    *,
    method: str = "lm",
    ftol: float = 1e-8,
    xtol: float = 1e-8,
    gtol: float = 1e-8,
    max_nfev: int | None = None,
) -> LeastSquaresResults:
    """Find where the sum of the squares of a function's elements is least.

    Args:
        fun: ``fun(x, *args)`` gives an array of residuals, real; it is differentiated.
        x0: where to begin, a vector ``(n,)`` or a number, floating. The minimum does not depend on it differentiably.
        args: more arguments of ``fun``. By them, and by what ``fun`` closes over, the results have derivatives.
        method: "lm".
        ftol: stop where a step lowers the sum by no more than this share.
        xtol: stop where a step is shorter than this share of ``x``.
        gtol: stop where no element of the gradient is larger.
        max_nfev: how many evaluations, at most; by default 100 times ``n + 1``.

    Raises:
        ArgumentError, ShapeError, DTypeError: an argument has no such value.
    """
    function("least_squares", "fun", fun)
    one_of("least_squares", "method", method, ("lm",))
    if not isinstance(args, tuple):
        raise ArgumentError(f"least_squares: args must be a tuple, got {args!r}.")
    (start,) = floating("least_squares", x0)
    start = vector("least_squares", "x0", wnp.atleast_1d(start))
    n = start.shape[0]
    limit = 100 * (n + 1) if max_nfev is None else static_int(max_nfev, "least_squares", "max_nfev")

    def residuals(x: Any) -> Any:
        (r,) = floating("least_squares: fun", fun(x, *args))
        return r.reshape(-1).astype(start.dtype)

    def solve(_: Any, x: Any) -> Any:
        return run_compiled(lambda x: _search(residuals, x, ftol, xtol, gtol, limit), x)

    gradient = grad(lambda x: _cost(residuals(x)))
    x, (status, nfev) = lax.custom_root(gradient, start, solve, hessian_solve, has_aux=True)
    r, jac = residuals(x), jacfwd(residuals)(x)
    return LeastSquaresResults(x, _cost(r), r, jac, r @ jac, nfev, status, status != EXHAUSTED)


def curve_fit(
    f: Callable[..., Any],
    xdata: Any,
    ydata: Any,
    p0: Any = None,
    sigma: Any = None,
    absolute_sigma: bool = False,
    **options: Any,
) -> tuple[Any, Any]:
    """Fit a function's parameters to data.

    Args:
        f: ``f(xdata, *parameters)`` gives an array of the shape of ``ydata``; it is differentiated.
        xdata: what ``f`` takes: an array, or a tree.
        ydata: what ``f`` should give, real.
        p0: where the parameters begin, a vector; ones by default, as many as ``f`` has arguments.
        sigma: standard deviations of the data, of the shape of ``ydata``, or their covariances ``(m, m)``.
        absolute_sigma: ``sigma`` is what it says; else it says only which data count more.
        **options: those of `least_squares`.

    Returns:
        ``(parameters, covariances)``, ``(n,)`` and ``(n, n)``. Both have derivatives by the data.

    Raises:
        ArgumentError, ShapeError: the shapes do not go together, or ``f`` does not say how many parameters it has.

    Example:
        >>> import weft.numpy as np
        >>> from weft.scipy.optimize import curve_fit
        >>> x = np.linspace(0.0, 1.0, 20)
        >>> found, _ = curve_fit(lambda x, a, k: a * np.exp(-k * x), x, 2 * np.exp(-3 * x))
        >>> found.round(6).tolist()
        [2.0, 3.0]
    """
    function("curve_fit", "f", f)
    (y,) = floating("curve_fit", ydata)
    if p0 is None:
        kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
        count = sum(p.kind in kinds for p in inspect.signature(f).parameters.values()) - 1
        if count < 1:
            raise ArgumentError("curve_fit: give p0, since f does not say how many parameters it has.")
        p0 = np.ones(count)
    (p0,) = floating("curve_fit", p0)
    start = vector("curve_fit", "p0", wnp.atleast_1d(p0)).astype(y.dtype)
    spread = None if sigma is None else array("curve_fit", sigma).astype(y.dtype)
    m, n = y.size, start.shape[0]
    if spread is not None and spread.shape not in ((), y.shape, (m, m)):
        raise ShapeError(f"curve_fit got sigma of shape {spread.shape} for ydata of shape {y.shape}.")
    factor = (
        cholesky(spread, lower=True) if spread is not None and spread.shape == (m, m) != y.shape else None
    )

    def residuals(p: Any) -> Any:
        found = wnp.asarray(f(xdata, *[p[i] for i in range(n)]))
        if found.shape != y.shape:
            raise ShapeError(
                f"curve_fit: f gives an array of shape {found.shape} for ydata of shape {y.shape}."
            )
        r = (found - y).reshape(-1)
        if factor is not None:
            return solve_triangular(factor, r, lower=True)
        return r if spread is None else r / wnp.broadcast_to(spread, y.shape).reshape(-1)

    fitted = least_squares(residuals, start, **options)
    covariance = wnp.linalg.pinv(fitted.jac.T @ fitted.jac)
    if not absolute_sigma:
        covariance = covariance * (2 * fitted.cost / (m - n) if m > n else np.inf)
    return fitted.x, covariance
