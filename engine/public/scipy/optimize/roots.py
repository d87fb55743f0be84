"""Roots of functions: bisect, newton, and root for systems.

The one idea: the derivatives of a root are those of the equation that it solves (`weft.lax.custom_root`), by whatever the
function depends on.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

import weft.numpy as wnp
from weft import lax
from weft.engine.transforms.differentiate import jvp
from weft.engine.transforms.jacobian import jacfwd
from weft.engine.transforms.vmap import vmap
from weft.ir.errors import ArgumentError
from weft.numpy.staging import static_int
from weft.scipy.arguments import floating, function, inexact, one_of

_MAXITER = 50


class RootResults(NamedTuple):
    """What `root` returns.

    Attributes:
        x: the root, of the shape of ``x0``.
        success: whether the iteration converged.
        fun: the function there.
        nit: how many iterations were done.
        nfev: how often the function was evaluated.
    """

    x: Any
    success: Any
    fun: Any
    nit: Any
    nfev: Any


def _function(name: str, f: Any, args: Any) -> Callable[[Any], Any]:
    function(name, "f", f)
    return lambda x: f(x, *(args if isinstance(args, tuple) else (args,)))


def _by_slope(g: Callable[[Any], Any], y: Any) -> Any:
    """Solve an elementwise linear equation."""
    return y / g(wnp.ones_like(y))


def bisect(
    f: Callable[..., Any],
    a: Any,
    b: Any,
    args: Any = (),
    xtol: float = 2e-12,
    rtol: float = 8.881784197001252e-16,
    maxiter: int = 100,
) -> Any:
    """A root of an elementwise function between ``a`` and ``b``, by halving the interval.

    Args:
        f: ``f(x, *args)``, elementwise.
        a: one end of the intervals, floating.
        b: the other end, where ``f`` has the other sign.
        args: more arguments of ``f``, by which the root has derivatives.
        xtol: stop where the half interval is no longer than ``xtol + rtol * abs(root)``.
        rtol: see ``xtol``.
        maxiter: stop after so many halvings.

    Returns:
        Array of the shape that the ends broadcast to; NaN where ``f`` has the same sign at both.
    """
    equation = _function("bisect", f, args)
    a, b = wnp.broadcast_arrays(*floating("bisect", a, b))
    limit = static_int(maxiter, "bisect", "maxiter")

    def solve(f: Callable[[Any], Any], a: Any) -> Any:
        left = f(a)
        opposite = wnp.sign(left) * wnp.sign(f(b)) <= 0

        def going(state: Any) -> Any:
            low, half, k = state
            return wnp.any(wnp.abs(half) > xtol + rtol * wnp.abs(low)) & (k < limit)

        def step(state: Any) -> Any:
            low, half, k = state
            half = half / 2
            middle = low + half
            return wnp.where(wnp.sign(f(middle)) * wnp.sign(left) >= 0, middle, low), half, k + 1

        low, half, _ = lax.while_loop(going, step, (a, b - a, 0))
        found = wnp.where(left == 0, a, low + half / 2)
        return wnp.where(opposite, found, np.nan).astype(a.dtype)

    return lax.custom_root(equation, a, solve, _by_slope)


def newton(
    func: Callable[..., Any],
    x0: Any,
    fprime: Callable[..., Any] | None = None,
    args: Any = (),
    tol: float = 1.48e-8,
    maxiter: int = _MAXITER,
    rtol: float = 0.0,
) -> Any:
    """A root of an elementwise function near ``x0``, by Newton's method.

    Args:
        func: ``func(x, *args)``, elementwise.
        x0: where to begin, floating or complex, an array of any shape.
        fprime: its derivative; found by differentiation where not given.
        args: more arguments, by which the root has derivatives.
        tol: stop where a step is no longer than ``tol + rtol * abs(x)``.
        maxiter: stop after so many steps; NaN where they are not enough.
        rtol: see ``tol``.
    """
    equation = _function("newton", func, args)
    slope = None if fprime is None else _function("newton", fprime, args)
    (x0,) = inexact("newton", x0)
    limit = static_int(maxiter, "newton", "maxiter")

    def solve(f: Callable[[Any], Any], x0: Any) -> Any:
        def going(state: Any) -> Any:
            _, moving, k = state
            return wnp.any(moving) & (k < limit)

        def step(state: Any) -> Any:
            x, moving, k = state
            value, change = (f(x), slope(x)) if slope is not None else jvp(f, (x,), (wnp.ones_like(x),))
            move = wnp.where(moving & (value != 0), value / change, 0)
            return x - move, moving & (wnp.abs(move) > tol + rtol * wnp.abs(x)), k + 1

        x, moving, _ = lax.while_loop(going, step, (x0, wnp.ones(x0.shape, bool), 0))
        return wnp.where(moving, np.nan, x).astype(x0.dtype)

    return lax.custom_root(equation, x0, solve, _by_slope)


def root(
    fun: Callable[..., Any],
    x0: Any,
    args: Any = (),
    method: str = "newton",
    tol: float | None = None,
    maxiter: int = 200,
) -> RootResults:
    """A root of a system of equations near ``x0``, by Newton's method with shorter steps where one does not help.

    Args:
        fun: ``fun(x, *args)`` gives an array of the shape of ``x``; it is differentiated.
        x0: where to begin, floating, an array of any shape.
        args: more arguments, by which the root has derivatives.
        method: "newton" ("hybr" is accepted for compatibility and is the same).
        tol: stop where no element of ``fun`` is larger; the square root of the dtype's epsilon times 1e-3 by default.
        maxiter: stop after so many steps.
    """
    equation = _function("root", fun, args)
    one_of("root", "method", method, ("newton", "hybr"))
    (x0,) = floating("root", x0)
    bound = 1e-3 * float(np.sqrt(np.finfo(x0.dtype).eps)) if tol is None else tol
    limit = static_int(maxiter, "root", "maxiter")
    shape = x0.shape

    def on_vector(v: Any) -> Any:
        value = wnp.asarray(equation(v.reshape(shape)))
        if value.shape != shape:
            raise ArgumentError(f"root: fun must return the shape {shape} of x0, but returned {value.shape}.")
        return value.reshape(-1)

    def solve(f: Callable[[Any], Any], x0: Any) -> Any:
        def going(state: Any) -> Any:
            _, value, size, k, _ = state
            return (wnp.max(wnp.abs(value), initial=0) > bound) & (k < limit) & (size > 0)

        def step(state: Any) -> Any:
            x, value, _, k, evaluations = state
            move = wnp.linalg.pinv(jacfwd(f)(x)) @ value
            length = wnp.vdot(value, value)

            def too_long(trial: Any) -> Any:
                size, following, _ = trial
                enough = wnp.vdot(following, following) <= (1 - 1e-4 * size) * length
                return ~enough & (size > 0)

            def shorter(trial: Any) -> Any:
                size, _, tries = trial
                size = wnp.where(size > 1e-10, size / 2, 0)
                return size, f(x - size * move), tries + 1

            one = wnp.ones((), x.dtype)
            size, value, tries = lax.while_loop(too_long, shorter, (one, f(x - move), wnp.asarray(1)))
            return x - size * move, value, size, k + 1, evaluations + tries

        first = f(x0)
        start = (x0, first, wnp.ones((), x0.dtype), wnp.asarray(0), wnp.asarray(1))
        x, value, _, k, evaluations = lax.while_loop(going, step, start)
        return x, (wnp.max(wnp.abs(value), initial=0) <= bound, k, evaluations)

    def tangent_solve(g: Callable[[Any], Any], y: Any) -> Any:
        return wnp.linalg.solve(vmap(g)(wnp.eye(y.shape[0], dtype=y.dtype)).T, y)

    x, (success, nit, nfev) = lax.custom_root(on_vector, x0.reshape(-1), solve, tangent_solve, has_aux=True)
    return RootResults(x.reshape(shape), success, on_vector(x).reshape(shape), nit, nfev)
