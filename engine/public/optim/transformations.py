"""What an optimizer is: a pair of functions on trees, and the parts that optimizers are chained of.

The one idea: an optimizer turns gradients into *updates*, which are added to parameters. It is two pure functions, ``init`` and
``update``, and what it remembers is a tree of arrays beside the parameters. So it needs no machinery: it runs under `jit`
(with ``donate_argnums``, in place), in `lax.scan` and under `vmap`, and a checkpoint is the tree, pickled. Since what goes in
and what comes out have the form of the parameters, optimizers compose: `chain` makes one of several, of which each works on
what the one before it made. The protocol is that of Optax; the triples of ``jax.example_libraries.optimizers`` keep
parameters inside of their state, where neither clipping nor decay can be added from outside.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import weft.numpy as wnp
from weft.engine import tree
from weft.ir.errors import ArgumentError, DTypeError, ShapeError
from weft.ir.types import is_complex, is_inexact, real_dtype

Tree: TypeAlias = Any
"""A nest of containers with arrays in it."""
Schedule: TypeAlias = Callable[[Any], Any]
"""From the number of steps that were taken, an integer array, to a size of step."""


class Optimizer(NamedTuple):
    """Two pure functions on trees; what `sgd`, `adam` and `chain` return.

    Attributes:
        init: ``init(params) -> state``.
        update: ``update(grads, state, params, **context) -> (updates, state)``; updates are to be *added* to parameters.
            ``context`` is what some optimizers need beside gradients: `lbfgs` asks for ``value`` and ``fun``.
    """

    init: Callable[[Tree], Tree]
    update: Callable[..., tuple[Tree, Tree]]

    def step(self, params: Tree, state: Tree, grads: Tree, **context: Any) -> tuple[Tree, Tree]:
        """One step: ``update`` and `apply_updates`.

        Args:
            params: tree of floating arrays.
            state: what ``init(params)`` or the step before returned.
            grads: the gradient at ``params``, a tree of the same structure and shapes.
            context: passed on to ``update``.

        Returns:
            ``(params, state)`` after the step.

        Raises:
            ArgumentError: the structures of ``params`` and ``grads`` differ.
            ShapeError: shapes of their leaves differ.
        """
        _check_alike(params, grads, "grads")
        updates, state = self.update(grads, state, params, **context)
        return apply_updates(params, updates), state


def check_numbers(name: str, expected: str = "a number", **given: Any) -> None:
    """Raise where what a function was given is no number, which may be an array without axes, traced or not.

    Raises:
        ShapeError: it is an array with axes.
        ArgumentError: it is anything else.
    """
    for argument, x in given.items():
        if isinstance(x, int | float | complex):
            continue
        if not hasattr(x, "dtype") or not hasattr(x, "shape"):
            raise ArgumentError(f"{name} got {argument}={x!r}: it must be {expected}.")
        if tuple(x.shape) != ():
            raise ShapeError(f"{name} got {argument} of shape {tuple(x.shape)}: it must be {expected}.")


def _check_alike(params: Tree, other: Tree, name: str) -> None:
    """Raise unless two trees have one structure and their leaves the same shapes."""
    leaves, structure = tree.flatten(params)
    others, found = tree.flatten(other)
    if structure != found:
        raise ArgumentError(
            f"params and {name} have different structures: {structure} and {found}. "
            "Pass what weft.grad returns for these params."
        )
    for i, (p, x) in enumerate(zip(leaves, others, strict=True)):
        if wnp.shape(p) != wnp.shape(x):
            raise ShapeError(
                f"leaf {i} of params has shape {wnp.shape(p)}, that of {name} {wnp.shape(x)}: they must be equal."
            )


def apply_updates(params: Tree, updates: Tree) -> Tree:
    """Add updates to parameters, whose dtypes stay.

    Raises:
        ArgumentError: the structures differ.
        ShapeError: shapes of leaves differ.
    """
    _check_alike(params, updates, "updates")
    return tree.map(lambda p, u: like(wnp.add(p, u), p), params, updates)


# Leaves


def like(x: Any, leaf: Any) -> Any:
    """``x`` in the dtype of a leaf: sizes of steps are float64, and would make float32 parameters float64."""
    dtype = wnp.result_type(leaf)
    return x if getattr(x, "dtype", None) == dtype else wnp.asarray(x, dtype)


def zeros(params: Tree, *, real: bool = False) -> Tree:
    """Zeros beside each parameter; ``real`` ones where squares of absolute values are kept.

    Raises:
        DTypeError: a parameter is not floating.
    """

    def leaf(p: Any) -> Any:
        dtype = wnp.result_type(p)
        if not is_inexact(dtype):
            raise DTypeError(
                f"an optimizer got a parameter of dtype {dtype}: parameters are floating. Make it .astype(float), or keep it "
                "out of the tree of parameters."
            )
        return wnp.zeros(wnp.shape(p), real_dtype(dtype) if real and is_complex(dtype) else dtype)

    return tree.map(leaf, params)


def squared(g: Any) -> Any:
    """Squares of absolute values, real."""
    return wnp.real(g * wnp.conj(g)) if is_complex(wnp.result_type(g)) else g * g


def moving(rate: float, averages: Tree, values: Tree) -> Tree:
    """Moving averages: of the old one ``rate`` is kept, the rest is new."""
    return tree.map(lambda a, x: rate * a + (1 - rate) * x, averages, values)


def counter() -> Any:
    """No steps yet."""
    return wnp.zeros((), int)


def needed(params: Tree, name: str) -> Tree:
    """Parameters, which ``update`` may be called without."""
    if params is None:
        raise ArgumentError(f"{name} needs the parameters: call update(grads, state, params).")
    return params


# Parts


def chain(*parts: Optimizer) -> Optimizer:
    """One optimizer of several: each gets the updates that the one before it made.

    ``chain(clip_by_global_norm(1.0), adam(1e-3))`` clips gradients before Adam sees them. The state is the tuple of theirs.
    """

    def init(params: Tree) -> Tree:
        return tuple(part.init(params) for part in parts)

    def update(grads: Tree, state: Tree, params: Tree = None, **context: Any) -> tuple[Tree, Tree]:
        if len(state) != len(parts):
            raise ArgumentError(
                f"a chain of {len(parts)} got a state of {len(state)} parts: is it that of another optimizer?"
            )
        states = []
        for part, own in zip(parts, state, strict=True):
            grads, own = part.update(grads, own, params, **context)
            states.append(own)
        return grads, tuple(states)

    return Optimizer(init, update)


def stateless(fun: Callable[[Tree, Tree], Tree]) -> Optimizer:
    """An optimizer that remembers nothing, of a function from updates and parameters to updates."""

    def update(grads: Tree, state: Tree, params: Tree = None, **context: Any) -> tuple[Tree, Tree]:
        return fun(grads, params), state

    return Optimizer(lambda params: (), update)


def scale(factor: Any) -> Optimizer:
    """Multiply updates by a number."""
    check_numbers("scale", factor=factor)
    return stateless(lambda grads, params: tree.map(lambda g: g * like(factor, g), grads))


class Steps(NamedTuple):
    """How many steps there were."""

    count: Any


def scale_by_step_size(step_size: float | Schedule) -> Optimizer:
    """Multiply updates by ``-step_size``: the last part of most chains, where an ascent becomes a descent.

    Args:
        step_size: a number, possibly traced; or a schedule, which is given the number of steps before this one.
    """
    if not callable(step_size):
        check_numbers("an optimizer", "a number or a function of the number of steps", step_size=step_size)
        return scale(-step_size)

    def update(grads: Tree, state: Tree, params: Tree = None, **context: Any) -> tuple[Tree, Tree]:
        factor = -step_size(state.count)
        return tree.map(lambda g: g * like(factor, g), grads), Steps(state.count + 1)

    return Optimizer(lambda params: Steps(counter()), update)


def add_decayed_weights(rate: float, mask: Tree = None) -> Optimizer:
    """Add ``rate`` times the parameters to updates: the gradient of ``rate / 2 * l2_norm(params)**2``.

    In front of an optimizer this is a penalty in the loss; behind a scaling, as in `adamw`, it is decay apart from gradients.

    Args:
        rate: how much of a parameter is added.
        mask: which parameters decay: a tree of bools, which may stop at a container to speak for all in it, or a function
            that makes one of the parameters. ``None``: all do.
    """
    check_numbers("weight decay", rate=rate)

    def decay(grads: Tree, params: Tree) -> Tree:
        params = needed(params, "weight decay")
        if mask is None:
            return tree.map(lambda g, p: g + rate * p, grads, params)
        chosen = tree.broadcast_prefix(mask(params) if callable(mask) else mask, params)
        structure = tree.structure(params)
        pairs = zip(tree.leaves(grads), tree.leaves(params), chosen, strict=True)
        return tree.unflatten(structure, [g + rate * p if is_on else g for g, p, is_on in pairs])

    return stateless(decay)


# Norms and clipping


def l2_norm(tree_: Tree) -> Any:
    """The length of a tree of arrays as one vector: the root of the sum of squares of absolute values of all elements."""
    return wnp.sqrt(sum(wnp.sum(squared(x)) for x in tree.leaves(tree_)))


def clip_grads(grads: Tree, max_norm: Any) -> Tree:
    """Gradients, scaled down to the length ``max_norm`` if they are longer all together (Pascanu et al., 2013).

    Source: "On the difficulty of training recurrent neural networks", arXiv:1211.5063, section 3.2.
    """
    check_numbers("clip_grads", max_norm=max_norm)
    norm = l2_norm(grads)
    factor = wnp.where(norm < max_norm, 1.0, max_norm / norm)
    return tree.map(lambda g: g * like(factor, g), grads)


def clip_by_global_norm(max_norm: Any) -> Optimizer:
    """`clip_grads` as a part of a chain."""
    check_numbers("clip_by_global_norm", max_norm=max_norm)
    return stateless(lambda grads, params: clip_grads(grads, max_norm))


def clip_by_value(bound: Any) -> Optimizer:
    """Each element of updates is kept between ``-bound`` and ``bound``."""
    check_numbers("clip_by_value", bound=bound)
    return stateless(lambda grads, params: tree.map(lambda g: wnp.clip(g, -bound, bound), grads))


def scale_by_trust_ratio() -> Optimizer:
    """Make the update of each leaf as long as its parameters: the layer-wise part of `lamb`.

    A leaf whose parameters or whose update are zero keeps its update.
    """

    def leaf(u: Any, p: Any) -> Any:
        weight, length = l2_norm(p), l2_norm(u)
        ratio = wnp.where((weight > 0) & (length > 0), weight / wnp.where(length > 0, length, 1), 1)
        return u * like(ratio, u)

    return stateless(lambda grads, params: tree.map(leaf, grads, needed(params, "the trust ratio")))
