"""Sizes of steps that change while one trains: functions of the number of steps that were taken.

The one idea: a schedule is a plain function of an integer, written with `weft.numpy`, so it runs on a number (to plot it) and
inside a compiled step alike. Names and meanings are those of ``jax.example_libraries.optimizers``, and cosines beside them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import weft.numpy as wnp
from weft.ir.errors import ArgumentError, ShapeError
from weft.optim.transformations import Schedule, check_numbers


def _check(name: str, decay_steps: Any, **numbers: Any) -> None:
    """Raise where an argument is no number, or where there is no time to decay in."""
    check_numbers(name, decay_steps=decay_steps, **numbers)
    if isinstance(decay_steps, int | float) and decay_steps <= 0:
        raise ArgumentError(f"{name} got decay_steps={decay_steps}: it must be positive.")


def constant(step_size: Any) -> Schedule:
    """The same size always."""
    check_numbers("constant", step_size=step_size)
    return lambda i: step_size


def exponential_decay(step_size: Any, decay_steps: Any, decay_rate: Any) -> Schedule:
    """``step_size * decay_rate ** (i / decay_steps)``."""
    _check("exponential_decay", decay_steps, step_size=step_size, decay_rate=decay_rate)
    return lambda i: step_size * decay_rate ** (i / decay_steps)


def inverse_time_decay(
    step_size: Any, decay_steps: Any, decay_rate: Any, staircase: bool = False
) -> Schedule:
    """``step_size / (1 + decay_rate * i / decay_steps)``; ``staircase`` rounds ``i / decay_steps`` down."""
    _check("inverse_time_decay", decay_steps, step_size=step_size, decay_rate=decay_rate)
    if staircase:
        return lambda i: step_size / (1 + decay_rate * wnp.floor(i / decay_steps))
    return lambda i: step_size / (1 + decay_rate * i / decay_steps)


def polynomial_decay(step_size: Any, decay_steps: Any, final_step_size: Any, power: Any = 1.0) -> Schedule:
    """From ``step_size`` to ``final_step_size``, which stays: a power of the part of ``decay_steps`` that is left."""
    _check("polynomial_decay", decay_steps, step_size=step_size, final_step_size=final_step_size, power=power)

    def schedule(i: Any) -> Any:
        left = 1 - wnp.minimum(i, decay_steps) / decay_steps
        return left**power * (step_size - final_step_size) + final_step_size

    return schedule


def cosine_decay(step_size: Any, decay_steps: Any, final_step_size: Any = 0.0) -> Schedule:
    """Half a cosine from ``step_size`` to ``final_step_size``, which stays.

    Source: Loshchilov & Hutter (2017), "SGDR", arXiv:1608.03983, equation 5.
    """
    _check("cosine_decay", decay_steps, step_size=step_size, final_step_size=final_step_size)

    def schedule(i: Any) -> Any:
        done = wnp.minimum(i, decay_steps) / decay_steps
        return final_step_size + 0.5 * (step_size - final_step_size) * (1 + wnp.cos(wnp.pi * done))

    return schedule


def warmup_cosine_decay(
    step_size: Any,
    warmup_steps: Any,
    decay_steps: Any,
    final_step_size: Any = 0.0,
    first_step_size: Any = 0.0,
) -> Schedule:
    """A straight line from ``first_step_size`` up to ``step_size``, then `cosine_decay`.

    Args:
        step_size: the largest size.
        warmup_steps: after how many steps it is reached.
        decay_steps: after how many ``final_step_size`` is, counted from the first.
        final_step_size: what stays.
        first_step_size: size of the first step.

    Source: Goyal et al. (2017), arXiv:1706.02677, section 2.2, for the line.
    """
    check_numbers(
        "warmup_cosine_decay",
        step_size=step_size,
        warmup_steps=warmup_steps,
        decay_steps=decay_steps,
        first_step_size=first_step_size,
    )
    if isinstance(warmup_steps, int | float) and warmup_steps < 0:
        raise ArgumentError(f"warmup_cosine_decay got warmup_steps={warmup_steps}: it must not be negative.")
    _check("warmup_cosine_decay behind its warmup_steps", decay_steps - warmup_steps)
    behind = cosine_decay(step_size, decay_steps - warmup_steps, final_step_size)

    def schedule(i: Any) -> Any:
        line = first_step_size + (step_size - first_step_size) * (i / wnp.maximum(warmup_steps, 1))
        return wnp.where(i < warmup_steps, line, behind(wnp.maximum(i - warmup_steps, 0)))

    return schedule


def piecewise_constant(boundaries: Sequence[Any], values: Sequence[Any]) -> Schedule:
    """``values[k]`` after ``boundaries[k - 1]`` up to ``boundaries[k]`` steps, this included.

    Raises:
        ShapeError: there is not one value more than there are boundaries.
    """
    at, sizes = wnp.asarray(boundaries), wnp.asarray(values)
    if at.ndim != 1 or sizes.shape != (at.size + 1,):
        raise ShapeError(
            f"piecewise_constant needs a list of boundaries and one value more than there are of them; got shapes "
            f"{at.shape} and {sizes.shape}."
        )
    return lambda i: sizes[wnp.sum(i > at)]


def make_schedule(scalar_or_schedule: Any) -> Schedule:
    """A schedule as it is, a number as a `constant` one.

    Raises:
        ShapeError: it is an array with axes.
        ArgumentError: it is anything else.
    """
    if callable(scalar_or_schedule):
        return scalar_or_schedule
    expected = "a number or a function of the number of steps"
    check_numbers("make_schedule", expected, scalar_or_schedule=scalar_or_schedule)
    return constant(scalar_or_schedule)
