"""How far to go in a direction: a step that meets the strong Wolfe conditions.

The one idea: one loop with one trial a turn. ``low`` is the best step so far; ``high`` is a step beyond which it is worse,
infinite while none is known. Until then steps double; from then on the next is the minimum of the cubic through both ends, kept
away from them. Source: Nocedal & Wright, "Numerical Optimization", 2nd ed., algorithms 3.5 and 3.6 in one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

import weft.numpy as wnp
from weft import lax
from weft.engine.transforms.grad import value_and_grad
from weft.ir.errors import ShapeError
from weft.numpy.staging import static_int
from weft.scipy.arguments import floating, function

SUCCESS, EXHAUSTED = 0, 1


class LineSearchResults(NamedTuple):
    """What `line_search` returns.

    Attributes:
        failed: no step was found that meets the conditions.
        nit: how many steps were tried.
        nfev: how often the function was evaluated.
        ngev: how often its gradient was.
        k: ``nit``, by JAX's name.
        a_k: the step; where ``failed``, the best one tried, or 0.
        f_k: the function there.
        g_k: its gradient there.
        status: 0, or 1 where ``failed``.
    """

    failed: Any
    nit: Any
    nfev: Any
    ngev: Any
    k: Any
    a_k: Any
    f_k: Any
    g_k: Any
    status: Any


def line_search(
    f: Callable[[Any], Any],
    xk: Any,
    pk: Any,
    old_fval: Any = None,
    old_old_fval: Any = None,
    gfk: Any = None,
    c1: float = 1e-4,
    c2: float = 0.9,
    maxiter: int = 20,
    first_step: Any = 1.0,
) -> LineSearchResults:
    """A step ``a`` along ``pk`` with ``f(xk + a * pk)`` enough lower and enough flatter than ``f(xk)``.

    Args:
        f: function of a vector ``(n,)`` that gives a scalar.
        xk: where to begin, a vector.
        pk: a direction in which ``f`` falls.
        old_fval: ``f(xk)`` where it is known.
        old_old_fval: accepted for compatibility.
        gfk: the gradient at ``xk`` where it is known.
        c1: how much lower: ``f(xk + a * pk) <= f(xk) + c1 * a * slope``.
        c2: how much flatter: the slope is at the most ``c2`` times that at 0.
        maxiter: how many steps are tried.
        first_step: the first of them.

    Raises:
        DTypeError: the vectors are complex.
    """
    function("line_search", "f", f)
    x, p = floating("line_search", xk, pk)
    if x.ndim != 1 or x.shape != p.shape:
        raise ShapeError(f"line_search takes two vectors of one length, got shapes {x.shape} and {p.shape}.")
    dtype = x.dtype
    value_and_slope = value_and_grad(f)
    known = old_fval is not None and gfk is not None
    f0, g0 = (old_fval, gfk) if known else value_and_slope(x)
    f0, g0 = wnp.asarray(f0).astype(dtype), wnp.asarray(g0).astype(dtype)
    slope0 = wnp.vdot(g0, p)
    limit = static_int(maxiter, "line_search", "maxiter")

    def going(state: Any) -> Any:
        return ~state["done"] & (state["k"] < limit)

    def step(state: Any) -> Any:
        a, low, high = state["a"], state["low"], state["high"]
        value, gradient = value_and_slope(x + a * p)
        value = value.astype(dtype)
        slope = wnp.vdot(gradient, p)
        finite = wnp.isfinite(value) & wnp.isfinite(slope)
        worse = ~finite | (value > f0 + c1 * a * slope0) | ((low > 0) & (value >= state["low_value"]))
        done = ~worse & (wnp.abs(slope) <= -c2 * slope0)
        turns = ~worse & (slope * (high - low) >= 0)  # the minimum is between low and this step
        better = ~worse
        here = {"": a, "_value": value, "_slope": slope}
        following = {"done": done, "k": state["k"] + 1}
        for name, one in here.items():
            following["low" + name] = wnp.where(better, one, state["low" + name])
            kept = wnp.where(turns, state["low" + name], state["high" + name])
            following["high" + name] = wnp.where(worse, one, kept)
        following["gradient"] = wnp.where(better, gradient, state["gradient"])
        following["a"] = _next_step(following)
        return following

    zero = wnp.zeros((), dtype)
    start = {
        "a": wnp.asarray(first_step).astype(dtype),
        "done": wnp.asarray(False),
        "k": wnp.asarray(0),
        "low": zero,
        "low_value": f0,
        "low_slope": slope0,
        "high": zero + np.asarray(np.inf, dtype),
        "high_value": zero,
        "high_slope": zero,
        "gradient": g0,
    }
    end = lax.while_loop(going, step, start)
    failed = ~end["done"]
    k = end["k"]
    count = k + (0 if known else 1)
    status = wnp.where(failed, EXHAUSTED, SUCCESS)
    return LineSearchResults(
        failed, k, count, count, k, end["low"], end["low_value"], end["gradient"], status
    )


def _next_step(ends: dict[str, Any]) -> Any:
    """The minimum of the cubic that has the values and slopes of both ends, no nearer to them than a tenth."""
    low, high = ends["low"], ends["high"]
    known = wnp.isfinite(high)
    width = wnp.where(known, high - low, 1)
    rise = (ends["high_value"] - ends["low_value"]) / width
    # As a function of t from 0 (low) to 1 (high), over the width: its slope is s + 2 b t + 3 c t^2.
    s, end_slope = ends["low_slope"], ends["high_slope"]
    b = 3 * rise - 2 * s - end_slope
    c = s + end_slope - 2 * rise
    root = b * b - 3 * c * s
    # The root with a positive second derivative, in the form that does not cancel for small c.
    t = -s / (b + wnp.sqrt(wnp.maximum(root, 0)))
    usable = (root >= 0) & wnp.isfinite(t) & (t > 0) & (t < 1)
    t = wnp.where(usable, wnp.clip(t, 0.1, 0.9), 0.5)
    return wnp.where(known, low + t * width, 2 * low)
