"""Ordinary differential equations: odeint, as `jax.experimental.ode`.

The one idea: steps are as long as a tolerance allows, whatever the times asked for; the solution there is that of the
polynomial of the step in which they are. How long the steps are has no derivative: the solution does not depend on that.

Source: Dormand & Prince, "A family of embedded Runge-Kutta formulae", J. Comp. Appl. Math. 6 (1980); Shampine, "Some practical
Runge-Kutta formulas", Math. Comp. 46 (1986), for the middle of a step; Hairer, Norsett & Wanner, "Solving ordinary differential
equations I", II.4, for the length of steps.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import weft.numpy as wnp
from weft import lax
from weft.engine import tree
from weft.engine.transforms.custom import stop_gradient
from weft.engine.transforms.vmap import vmap
from weft.flatten_util import ravel_pytree
from weft.ir.errors import ArgumentError, ShapeError
from weft.scipy.arguments import array, compute_dtype, floating
from weft.scipy.compiled import run_compiled

__all__ = ["odeint"]

_NODES = (1 / 5, 3 / 10, 4 / 5, 8 / 9, 1.0, 1.0)
_STAGES = (
    (1 / 5,),
    (3 / 40, 9 / 40),
    (44 / 45, -56 / 15, 32 / 9),
    (19372 / 6561, -25360 / 2187, 64448 / 6561, -212 / 729),
    (9017 / 3168, -355 / 33, 46732 / 5247, 49 / 176, -5103 / 18656),
    (35 / 384, 0.0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84),
)
_ERROR = (
    71 / 57600, 0.0, -71 / 16695, 71 / 1920, -17253 / 339200, 22 / 525, -1 / 40,
)  # fmt: skip
_MIDDLE = (
    6025192743 / 30085553152 / 2, 0.0, 51252292925 / 65400821598 / 2, -2691868925 / 45128329728 / 2,
    187940372067 / 1594534317056 / 2, -1776094331 / 19743644256 / 2, 11237099 / 235043384 / 2,
)  # fmt: skip

Field = Callable[[Any, Any], Any]


def _sum(weights: tuple[float, ...], slopes: list[Any]) -> Any:
    return sum(w * k for w, k in zip(weights, slopes, strict=True) if w)


def _step(f: Field, y: Any, slope: Any, t: Any, dt: Any) -> tuple[Any, Any, Any, Any]:
    """One step: the end, its slope, an estimate of the error, and the polynomial between as coefficients, highest first."""
    slopes = [slope]
    for node, weights in zip(_NODES, _STAGES, strict=True):
        end = y + dt * _sum(weights, slopes)
        slopes.append(f(end, t + node * dt))
    last = slopes[-1]
    middle = y + dt * _sum(_MIDDLE, slopes)
    first_rise, last_rise = dt * slope, dt * last
    polynomial = wnp.stack(
        [
            -2 * first_rise + 2 * last_rise - 8 * y - 8 * end + 16 * middle,
            5 * first_rise - 3 * last_rise + 18 * y + 14 * end - 32 * middle,
            -4 * first_rise + last_rise - 11 * y - 5 * end + 16 * middle,
            first_rise,
            y,
        ]
    )
    return end, last, dt * _sum(_ERROR, slopes), polynomial


def _size(x: Any, scale: Any) -> Any:
    """The root of the mean square of a vector, each element in its scale."""
    return wnp.sqrt(wnp.mean(wnp.abs(x / scale) ** 2))


def _first_length(f: Field, y: Any, slope: Any, t: Any, rtol: Any, atol: Any) -> Any:
    scale = atol + wnp.abs(y) * rtol
    d0, d1 = _size(y, scale), _size(slope, scale)
    tiny = (d0 < 1e-5) | (d1 < 1e-5)
    h0 = wnp.where(tiny, 1e-6, 0.01 * d0 / wnp.where(tiny, 1, d1))
    d2 = _size(f(y + h0 * slope, t + h0) - slope, scale) / h0
    largest = wnp.maximum(d1, d2)
    flat = largest <= 1e-15
    h1 = wnp.where(flat, wnp.maximum(1e-6, h0 * 1e-3), (0.01 / wnp.where(flat, 1, largest)) ** (1 / 5))
    return wnp.minimum(100 * h0, h1)


def _next_length(dt: Any, ratio: Any) -> Any:
    """Longer or shorter by what the error, of which 1 is allowed, says: at most 10 times, at least a fifth of it."""
    known = wnp.isfinite(ratio)
    wanted = 0.9 * wnp.where(known & (ratio > 0), ratio, 1) ** (-1 / 5)
    factor = wnp.where(ratio == 0, 10.0, wnp.where(known, wnp.clip(wanted, 0.2, 10.0), 0.2))
    return dt * wnp.where((ratio < 1) & known, wnp.maximum(factor, 1.0), factor)


def odeint(
    func: Callable[..., Any],
    y0: Any,
    t: Any,
    *args: Any,
    rtol: Any = 1.4e-8,
    atol: Any = 1.4e-8,
    mxstep: Any = np.inf,
    hmax: Any = np.inf,
) -> Any:
    """The solution of ``dy/dt = func(y, t, *args)`` at given times, with steps as long as a tolerance allows.

    Args:
        func: function of a tree like ``y0``, a time and ``args``, gives a tree like ``y0``.
        y0: the solution at ``t[0]``: a tree of arrays, floating or complex.
        t: times ``(n,)``, rising or falling.
        *args: trees of arrays, by which the solution has derivatives, as by ``y0``, ``t`` and what ``func`` closes over.
        rtol: the error of a step that is allowed, relative to the solution.
        atol: what is allowed beside that.
        mxstep: how many steps are taken from one time to the next, at most; NaN where that is not enough.
        hmax: how long a step is, at most.

    Returns:
        A tree like ``y0`` of arrays ``(n, ...)``.

    Raises:
        ArgumentError, ShapeError: ``func`` does not give what it is given, or ``t`` is no vector.

    Example:
        >>> import weft.numpy as np
        >>> from weft.experimental.ode import odeint
        >>> y = odeint(lambda y, t, k: -k * y, np.array(1.0), np.array([0.0, 1.0, 2.0]), 0.5)
        >>> [round(v, 6) for v in y.tolist()]
        [1.0, 0.606531, 0.367879]
    """
    y0 = tree.map(lambda x: array("odeint", x).astype(compute_dtype(array("odeint", x).dtype)), y0)
    start, unravel = ravel_pytree(y0)
    (t,) = floating("odeint", t)
    if t.ndim != 1 or t.shape[0] < 1:
        raise ShapeError(f"odeint: t has one axis with elements, got an array of shape {t.shape}.")
    forward = wnp.where(t[-1] >= t[0], 1, -1).astype(t.dtype)

    def field(y: Any, s: Any) -> Any:
        found = func(unravel(y), forward * s, *args)
        if tree.structure(found) != tree.structure(y0) or [np.shape(x) for x in tree.leaves(found)] != [
            x.shape for x in tree.leaves(y0)
        ]:
            raise ArgumentError(f"odeint: func must return a tree like y0, {y0!r}, but returned {found!r}.")
        return forward.astype(start.dtype) * ravel_pytree(found)[0].astype(start.dtype)

    times = forward * t
    slope = field(start, times[0])
    y, rise, s = map(stop_gradient, (start, slope, times[0]))
    length = wnp.minimum(_first_length(field, y, rise, s, rtol, atol), hmax).astype(t.dtype)

    def to_time(state: Any, target: Any) -> tuple[Any, Any]:
        def going(state: Any) -> Any:
            count, _, _, s, dt, _, _ = state
            return (s < target) & (count < mxstep) & (dt > 0)

        def advance(state: Any) -> Any:
            count, y, slope, s, dt, before, polynomial = state
            end, last, error, between = _step(field, y, slope, s, dt)
            scale = atol + rtol * wnp.maximum(wnp.abs(y), wnp.abs(end))
            ratio = _size(stop_gradient(error), stop_gradient(scale))
            taken = ratio <= 1
            length = wnp.minimum(_next_length(dt, ratio), hmax).astype(dt.dtype)
            length = wnp.where(s + length == s, 0, length)  # it cannot become any shorter
            y, slope, s, before, polynomial = (
                wnp.where(taken, new, old)
                for new, old in ((end, y), (last, slope), (s + dt, s), (s, before), (between, polynomial))
            )
            return count + 1, y, slope, s, stop_gradient(length), before, polynomial

        _, y, slope, s, dt, before, polynomial = lax.while_loop(going, advance, (wnp.asarray(0), *state))
        arrived = s >= target
        width = wnp.where(s == before, 1, s - before)
        share = ((target - before) / width).astype(start.dtype)
        a, b, c, d, e = (polynomial[i] for i in range(5))
        found = (((a * share + b) * share + c) * share + d) * share + e
        return (y, slope, s, dt, before, polynomial), wnp.where(arrived, found, np.nan).astype(start.dtype)

    nothing = wnp.zeros((5, *start.shape), start.dtype).at[4].set(start)
    state = (start, slope, times[0], length, times[0], nothing)
    found = run_compiled(lambda state, times: lax.scan(to_time, state, times)[1], state, times[1:])
    return vmap(unravel)(wnp.concatenate([start[None], found]))
