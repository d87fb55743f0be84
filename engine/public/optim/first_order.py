"""Optimizers that know a gradient at each step: gradient descent and its kin with momentum, adaptive sizes or both.

The one idea: each is a chain of parts, written as its paper has it, that ends with `scale_by_step_size`. Under `jit` a chain is
one pass over memory: the gradient, what is remembered and the parameters of a leaf are read once and written once.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import weft.numpy as wnp
from weft.engine import tree
from weft.optim.transformations import (
    Optimizer,
    Schedule,
    Tree,
    add_decayed_weights,
    chain,
    check_numbers,
    counter,
    like,
    moving,
    scale_by_step_size,
    scale_by_trust_ratio,
    squared,
    zeros,
)

# Parts


class Trace(NamedTuple):
    """A sum of updates, of which older ones count less."""

    velocity: Tree


def trace(mass: float, nesterov: bool = False) -> Optimizer:
    """Updates become velocities ``v = mass * v + u``; with ``nesterov`` one looks ahead, to ``mass * v + u`` once more."""
    check_numbers("trace", mass=mass)

    def update(grads: Tree, state: Trace, params: Tree = None, **context: Any) -> tuple[Tree, Trace]:
        velocity = tree.map(lambda v, g: mass * v + g, state.velocity, grads)
        if nesterov:
            return tree.map(lambda v, g: mass * v + g, velocity, grads), Trace(velocity)
        return velocity, Trace(velocity)

    return Optimizer(lambda params: Trace(zeros(params)), update)


class Moments(NamedTuple):
    """Moving averages of gradients and of their squares, and the number of steps."""

    count: Any
    mean: Tree
    square: Tree


def scale_by_adam(b1: float = 0.9, b2: float = 0.999, eps: float = 1e-8) -> Optimizer:
    """Adam's direction: the mean of gradients over the root of the mean of their squares, without the bias of the start."""
    check_numbers("Adam", b1=b1, b2=b2, eps=eps)

    def update(grads: Tree, state: Moments, params: Tree = None, **context: Any) -> tuple[Tree, Moments]:
        count = state.count + 1
        mean = moving(b1, state.mean, grads)
        square = moving(b2, state.square, tree.map(squared, grads))
        mean_factor, square_factor = 1 / (1 - b1**count), 1 / (1 - b2**count)

        def direction(m: Any, s: Any) -> Any:
            return m * like(mean_factor, s) / (wnp.sqrt(s * like(square_factor, s)) + eps)

        return tree.map(direction, mean, square), Moments(count, mean, square)

    return Optimizer(lambda params: Moments(counter(), zeros(params), zeros(params, real=True)), update)


class Squares(NamedTuple):
    """Sums or moving averages of squared gradients."""

    square: Tree


def scale_by_rms(gamma: float = 0.9, eps: float = 1e-8) -> Optimizer:
    """Divide by the root of a moving average of squares."""
    check_numbers("rmsprop", gamma=gamma, eps=eps)

    def update(grads: Tree, state: Squares, params: Tree = None, **context: Any) -> tuple[Tree, Squares]:
        square = moving(gamma, state.square, tree.map(squared, grads))
        return tree.map(lambda g, s: g / wnp.sqrt(s + eps), grads, square), Squares(square)

    return Optimizer(lambda params: Squares(zeros(params, real=True)), update)


def scale_by_rss() -> Optimizer:
    """Divide by the root of the sum of all squares so far; what was always zero stays so."""

    def leaf(g: Any, s: Any) -> Any:
        return wnp.where(s > 0, g / wnp.sqrt(wnp.where(s > 0, s, 1)), 0)

    def update(grads: Tree, state: Squares, params: Tree = None, **context: Any) -> tuple[Tree, Squares]:
        square = tree.map(lambda s, g: s + squared(g), state.square, grads)
        return tree.map(leaf, grads, square), Squares(square)

    return Optimizer(lambda params: Squares(zeros(params, real=True)), update)


# Optimizers


def sgd(step_size: float | Schedule) -> Optimizer:
    """Gradient descent: ``params - step_size * grads``.

    Args:
        step_size: a number, or a schedule: a function of the number of steps that were taken.
    """
    return scale_by_step_size(step_size)


def momentum(step_size: float | Schedule, mass: float = 0.9) -> Optimizer:
    """Gradient descent along a velocity ``v = mass * v + grads``.

    Args:
        step_size: a number or a schedule.
        mass: how much of its velocity is kept from step to step.

    Source: Polyak (1964), doi:10.1016/0041-5553(64)90137-5; in this form Sutskever et al. (2013).
    """
    return chain(trace(mass), scale_by_step_size(step_size))


def nesterov(step_size: float | Schedule, mass: float = 0.9) -> Optimizer:
    """`momentum` that uses the velocity it will have: ``params - step_size * (mass * v + grads)``.

    Args:
        step_size: a number or a schedule.
        mass: how much of its velocity is kept from step to step.

    Source: Nesterov (1983); in this form Bengio et al. (2012), arXiv:1212.0901, section 3.5.
    """
    return chain(trace(mass, nesterov=True), scale_by_step_size(step_size))


def adagrad(step_size: float | Schedule, momentum: float = 0.0) -> Optimizer:
    """Gradient descent with a size of step of its own for each element, which becomes smaller by what was done so far.

    Args:
        step_size: a number or a schedule.
        momentum: how much is kept of a moving average of updates. None in the paper; jax's default is 0.9.

    Source: Duchi, Hazan & Singer (2011), https://jmlr.org/papers/v12/duchi11a.html, section 1.1.
    """
    check_numbers("adagrad", momentum=momentum)
    if momentum == 0.0:
        return chain(scale_by_rss(), scale_by_step_size(step_size))

    def update(grads: Tree, state: Trace, params: Tree = None, **context: Any) -> tuple[Tree, Trace]:
        velocity = moving(momentum, state.velocity, grads)
        return velocity, Trace(velocity)

    average = Optimizer(lambda params: Trace(zeros(params)), update)
    return chain(scale_by_rss(), average, scale_by_step_size(step_size))


def rmsprop(
    step_size: float | Schedule, gamma: float = 0.9, eps: float = 1e-8, momentum: float = 0.0
) -> Optimizer:
    """Gradient descent with gradients divided by a moving root mean square of each element.

    Args:
        step_size: a number or a schedule.
        gamma: how much of the average of squares is kept from step to step.
        eps: is added to that average.
        momentum: how much of a velocity is kept, as jax's ``rmsprop_momentum`` has it.

    Source: Tieleman & Hinton (2012), Coursera, lecture 6.5; with momentum Graves (2013), arXiv:1308.0850, equations 38 to 45.
    """
    check_numbers("rmsprop", momentum=momentum)
    steps = chain(scale_by_rms(gamma, eps), scale_by_step_size(step_size))
    return chain(steps, trace(momentum)) if momentum else steps


def adam(step_size: float | Schedule, b1: float = 0.9, b2: float = 0.999, eps: float = 1e-8) -> Optimizer:
    """Gradient descent with moving averages of gradients and of their squares.

    Args:
        step_size: a number or a schedule.
        b1: how much of the average of gradients is kept from step to step.
        b2: the same for squares.
        eps: is added to the root of the average of squares.

    Source: Kingma & Ba (2015), arXiv:1412.6980, algorithm 1.
    """
    return chain(scale_by_adam(b1, b2, eps), scale_by_step_size(step_size))


def adamw(
    step_size: float | Schedule,
    b1: float = 0.9,
    b2: float = 0.999,
    eps: float = 1e-8,
    weight_decay: float = 1e-2,
    mask: Tree = None,
) -> Optimizer:
    """`adam` with weights that decay by ``step_size * weight_decay`` a step, whatever their gradients are.

    Args:
        step_size: a number or a schedule.
        b1: as in `adam`.
        b2: as in `adam`.
        eps: as in `adam`.
        weight_decay: what decays at a step, in units of ``step_size``.
        mask: which parameters decay; see `add_decayed_weights`.

    Source: Loshchilov & Hutter (2019), arXiv:1711.05101, algorithm 2.
    """
    return chain(
        scale_by_adam(b1, b2, eps), add_decayed_weights(weight_decay, mask), scale_by_step_size(step_size)
    )


def lamb(
    step_size: float | Schedule,
    b1: float = 0.9,
    b2: float = 0.999,
    eps: float = 1e-6,
    weight_decay: float = 1e-2,
    mask: Tree = None,
) -> Optimizer:
    """`adamw` with updates as long as the parameters of their leaf, for large batches.

    Args:
        step_size: a number or a schedule.
        b1: as in `adam`.
        b2: as in `adam`.
        eps: as in `adam`.
        weight_decay: as in `adamw`.
        mask: which parameters decay; see `add_decayed_weights`.

    Source: You et al. (2020), arXiv:1904.00962, algorithm 2, where lengths are not bounded.
    """
    return chain(
        scale_by_adam(b1, b2, eps),
        add_decayed_weights(weight_decay, mask),
        scale_by_trust_ratio(),
        scale_by_step_size(step_size),
    )
