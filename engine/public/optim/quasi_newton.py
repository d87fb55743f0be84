"""`lbfgs`: Newton's direction guessed from the last few gradients, with a search along it.

The one idea: the inverse of the Hessian matrix is never there. Its product with a gradient is two scans over the last pairs of
steps and changes of gradients; a pair that is not there yet has weight 0, and so is no special case.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import weft.numpy as wnp
from weft.engine import tree
from weft.flatten_util import ravel_pytree
from weft.ir.errors import ArgumentError
from weft.lax import scan, while_loop
from weft.optim.transformations import (
    Optimizer,
    Schedule,
    Tree,
    check_numbers,
    counter,
    l2_norm,
    like,
    needed,
    zeros,
)


class Memory(NamedTuple):
    """The last pairs, oldest first, and where the last step started.

    Attributes:
        count: how many steps there were.
        steps: changes of parameters, a row each.
        changes: the changes of gradients there.
        weights: ``1 / (step @ change)``, 0 for rows that hold nothing yet.
        params: parameters at the last step, as a vector.
        grads: the gradient there.
    """

    count: Any
    steps: Any
    changes: Any
    weights: Any
    params: Any
    grads: Any


def _remembered(state: Memory, params: Any, grads: Any) -> Memory:
    """The state with the pair that the last step has shown, if that has positive curvature.

    Only then is the guess positive definite. The condition is the cautious one of Li & Fukushima (2001),
    doi:10.1137/S1052623499354242, which makes the method converge where functions are not convex too.
    """
    step, change = params - state.params, grads - state.grads
    curvature = wnp.vdot(step, change)
    is_kept = (state.count > 0) & (curvature > 1e-6 * l2_norm(state.grads) * wnp.vdot(step, step))
    weight = 1 / wnp.where(is_kept, curvature, 1)

    def pushed(rows: Any, row: Any) -> Any:
        return wnp.where(is_kept, wnp.concatenate([rows[1:], row[None]]), rows)

    return Memory(
        state.count + 1,
        pushed(state.steps, step),
        pushed(state.changes, change),
        pushed(state.weights, weight),
        params,
        grads,
    )


def _direction(state: Memory) -> Any:
    """Minus the guessed inverse Hessian times the gradient (Nocedal & Wright, algorithm 7.4)."""

    def newest_first(q: Any, pair: Any) -> Any:
        step, change, weight = pair
        a = weight * wnp.vdot(step, q)
        return q - a * change, a

    def oldest_first(r: Any, pair: Any) -> Any:
        step, change, weight, a = pair
        return r + (a - weight * wnp.vdot(change, r)) * step, None

    pairs = (state.steps, state.changes, state.weights)
    q, a = scan(newest_first, state.grads, pairs, reverse=True)
    # The size of the guess is that of the newest pair (equation 7.20); a first step has length 1 at most.
    change, weight = state.changes[-1], state.weights[-1]
    size = wnp.where(
        weight > 0,
        1 / (wnp.where(weight > 0, weight, 1) * wnp.where(weight > 0, wnp.vdot(change, change), 1)),
        1 / wnp.maximum(l2_norm(state.grads), 1),
    )
    r, _ = scan(oldest_first, size * q, (*pairs, a))
    return -r


def _search(fun: Any, unravel: Any, params: Any, value: Any, slope: Any, direction: Any, tries: int) -> Any:
    """The first of the factors 1, 1/2, 1/4 ... by which the direction goes down enough (Nocedal & Wright, algorithm 3.1).

    0 where none of ``tries`` does, so that nothing gets worse.
    """

    def is_too_far(carry: Any) -> Any:
        factor, i = carry
        there = fun(unravel(params + factor * direction))
        # NaN, which a function may be far out, is too far as well.
        return (i < tries) & ~(there <= value + 1e-4 * factor * slope)

    def half(carry: Any) -> Any:
        factor, i = carry
        return factor / 2, i + 1

    factor, i = while_loop(is_too_far, half, (wnp.ones((), params.dtype), counter()))
    return wnp.where(i < tries, factor, 0)


def lbfgs(step_size: float | Schedule | None = None, memory: int = 10, max_backtracks: int = 30) -> Optimizer:
    """The limited-memory method of Broyden, Fletcher, Goldfarb and Shanno, for functions without noise.

    With a search along its direction, the default, ``step`` and ``update`` ask for the function and its value:
    ``params, state = optimizer.step(params, state, grads, value=value, fun=loss)``. Parameters are real.

    Args:
        step_size: ``None`` searches, from 1 downwards by halves. A number or a schedule is the factor of the direction instead.
        memory: how many pairs of steps and changes of the gradient are remembered; each is twice as large as the parameters.
        max_backtracks: how many times a step is halved before parameters are left where they are.

    Raises:
        ArgumentError: ``memory`` is not a positive integer, or another argument no number; or, when called, ``value`` or
            ``fun`` is missing.

    Source: Liu & Nocedal (1989), doi:10.1007/BF01589116; Nocedal & Wright, "Numerical Optimization" (2006), chapters 3 and 7.
    """
    for argument, count in (("memory", memory), ("max_backtracks", max_backtracks)):
        if isinstance(count, bool) or not hasattr(count, "__index__"):
            raise ArgumentError(f"lbfgs got {argument}={count!r}: it must be an integer.")
    if step_size is not None and not callable(step_size):
        expected = "None, a number or a function of the number of steps"
        check_numbers("lbfgs", expected, step_size=step_size)
    if memory < 1:
        raise ArgumentError(f"lbfgs got memory={memory}: it remembers one pair at least.")

    def init(params: Tree) -> Memory:
        vector, _ = ravel_pytree(zeros(params))
        if vector.dtype.kind == "c":
            raise ArgumentError("lbfgs takes real parameters: pass real and imaginary parts as leaves.")
        rows = wnp.zeros((memory, vector.size), vector.dtype)
        return Memory(counter(), rows, rows, wnp.zeros(memory, vector.dtype), vector, vector)

    def update(
        grads: Tree, state: Memory, params: Tree = None, *, value: Any = None, fun: Any = None, **context: Any
    ) -> tuple[Tree, Memory]:
        at, unravel = ravel_pytree(needed(params, "lbfgs"))
        slopes, _ = ravel_pytree(grads)
        count = state.count
        state = _remembered(state, at, like(slopes, at))
        direction = _direction(state)
        if step_size is None:
            if value is None or fun is None:
                raise ArgumentError(
                    "lbfgs searches along its direction, for which it needs the function and its value: "
                    "step(params, state, grads, value=value, fun=fun). Or give it a step_size."
                )
            slope = wnp.vdot(state.grads, direction)
            factor = _search(fun, unravel, at, value, slope, direction, max_backtracks)
        else:
            factor = step_size(count) if callable(step_size) else step_size
        updates = unravel(direction * like(factor, direction))
        return tree.map(like, updates, params), state

    return Optimizer(init, update)
