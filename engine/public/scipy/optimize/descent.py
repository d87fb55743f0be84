"""Minimisation by quasi-Newton methods, BFGS and L-BFGS: iterations on one vector.

The one idea: both go along ``-H @ gradient``, by a step of `line_search`, where ``H`` stands for the inverse of the Hessian.
They differ in how they keep it: BFGS as a matrix, L-BFGS as the last steps and the gradient's changes along them. So there is
one loop, and a method is a `Memory`.

Source: Nocedal & Wright, "Numerical Optimization", 2nd ed., algorithms 6.1, 7.4 and 7.5.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import weft.numpy as wnp
from weft import lax
from weft.engine.transforms.grad import value_and_grad
from weft.scipy.optimize.line_search import line_search

CONVERGED, EXHAUSTED, STUCK, NOT_FINITE = 0, 1, 2, 3


class Limits(NamedTuple):
    """When to stop."""

    gtol: Any
    ftol: Any
    norm: Any
    maxiter: int
    line_search_maxiter: int


class Memory(NamedTuple):
    """A way to keep the inverse Hessian: its start, ``H @ g``, and what it is after a step and a gradient's change."""

    start: Callable[[Any], Any]
    times: Callable[[Any, Any], Any]
    after: Callable[[Any, Any, Any], Any]


def minimize_vector(fun: Callable[[Any], Any], x0: Any, memory: Memory, limits: Limits) -> dict[str, Any]:
    """Go down from a vector. Gives x, fun, jac, memory, status and counts."""
    value_and_slope = value_and_grad(fun)

    def length(g: Any) -> Any:
        return wnp.linalg.norm(g, limits.norm)

    def going(state: Any) -> Any:
        return (state["status"] < 0) & (state["nit"] < limits.maxiter)

    def step(state: Any) -> Any:
        x, f, g, kept = state["x"], state["fun"], state["jac"], state["memory"]
        direction = -memory.times(kept, g)
        falls = wnp.vdot(direction, g) < 0  # but for rounding it does
        direction = wnp.where(falls, direction, -g)
        first = wnp.where(state["nit"] == 0, wnp.minimum(1, 1 / wnp.linalg.norm(g)), 1)
        found = line_search(
            fun, x, direction, f, None, g, maxiter=limits.line_search_maxiter, first_step=first
        )
        s = found.a_k * direction
        y = found.g_k - g
        curved = wnp.vdot(s, y) > 0  # else the Hessian would not be positive there
        kept = lax.cond(curved, lambda k: memory.after(k, s, y), lambda k: k, kept)
        gained = f - found.f_k
        small = gained <= limits.ftol * wnp.maximum(wnp.maximum(wnp.abs(f), wnp.abs(found.f_k)), 1)
        flat = length(found.g_k) <= limits.gtol
        stuck = found.failed & (found.a_k == 0)
        status = wnp.where(stuck, STUCK, -1)
        status = wnp.where(~stuck & small & (limits.ftol > 0), CONVERGED, status)
        status = wnp.where(flat, CONVERGED, status)
        return {
            "x": x + s,
            "fun": found.f_k,
            "jac": found.g_k,
            "memory": kept,
            "status": status,
            "nit": state["nit"] + 1,
            "nfev": state["nfev"] + found.nfev,
        }

    f, g = value_and_slope(x0)
    f = wnp.asarray(f).astype(x0.dtype)
    flat = length(g) <= limits.gtol
    usable = wnp.isfinite(f) & wnp.all(wnp.isfinite(g))
    start = {
        "x": x0,
        "fun": f,
        "jac": g,
        "memory": memory.start(x0),
        "status": wnp.where(usable, wnp.where(flat, CONVERGED, -1), NOT_FINITE),
        "nit": wnp.asarray(0),
        "nfev": wnp.asarray(1),
    }
    end = lax.while_loop(going, step, start)
    return {**end, "status": wnp.where(end["status"] < 0, EXHAUSTED, end["status"])}


# Memories


def _updated(h: Any, s: Any, y: Any) -> Any:
    # H <- (1 - s y'/y's) H (1 - y s'/y's) + s s'/y's, multiplied out.
    inner = wnp.vdot(s, y)
    hy = h @ y
    cross = wnp.outer(s, hy)
    return h - (cross + cross.T) / inner + wnp.outer(s, s) * ((inner + wnp.vdot(y, hy)) / inner**2)


WHOLE = Memory(
    start=lambda x: wnp.eye(x.shape[0], dtype=x.dtype),
    times=lambda h, g: h @ g,
    after=_updated,
)
"""The matrix: BFGS."""


def last_steps(count: int) -> Memory:
    """The last ``count`` steps ``s`` and changes ``y``, newest last: L-BFGS."""

    def start(x: Any) -> Any:
        none = wnp.zeros((count, x.shape[0]), x.dtype)
        return {"s": none, "y": none, "rho": wnp.zeros(count, x.dtype), "scale": wnp.ones((), x.dtype)}

    def times(kept: Any, g: Any) -> Any:
        steps, changes, rho = kept["s"], kept["y"], kept["rho"]  # where nothing is kept yet, rho is 0

        def back(i: Any, state: Any) -> Any:
            q, alphas = state
            j = count - 1 - i
            alpha = rho[j] * wnp.vdot(steps[j], q)
            return q - alpha * changes[j], alphas.at[j].set(alpha)

        def forth(j: Any, q: Any) -> Any:
            return q + steps[j] * (alphas[j] - rho[j] * wnp.vdot(changes[j], q))

        q, alphas = lax.fori_loop(0, count, back, (g, wnp.zeros(count, g.dtype)))
        return lax.fori_loop(0, count, forth, q * kept["scale"])

    def after(kept: Any, s: Any, y: Any) -> Any:
        inner = wnp.vdot(s, y)
        return {
            "s": wnp.concatenate([kept["s"][1:], s[None]]),
            "y": wnp.concatenate([kept["y"][1:], y[None]]),
            "rho": wnp.concatenate([kept["rho"][1:], 1 / inner[None]]),
            "scale": inner / wnp.vdot(y, y),
        }

    return Memory(start, times, after)
