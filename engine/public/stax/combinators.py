"""Networks of layers: one behind the other, side by side, around a shortcut.

The one idea: what combines layers is a layer again. Each gets a key of its own, for its parameters and for its noise, and
parameters nest as the layers do.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Sequence
from typing import Any

import weft.numpy as wnp
from weft import random
from weft.ir.errors import ArgumentError, ShapeError
from weft.stax.layers import Identity, Layer, Shape, without_parameters


def _keys(rng: Any, count: int) -> Any:
    return [None] * count if rng is None else random.split(rng, max(count, 1))


def _check_count(params: Any, layers: Sequence[Layer]) -> None:
    if len(params) != len(layers):
        raise ArgumentError(
            f"{len(layers)} layers got the parameters of {len(params)}: pass what their init returned."
        )


def serial(*layers: Layer) -> Layer:
    """Layers one behind the other; parameters are the list of theirs."""

    def init(key: Any, input_shape: Shape) -> tuple[Shape, Any]:
        params = []
        for layer in layers:
            key, own = random.split(key)
            input_shape, its = layer[0](own, input_shape)
            params.append(its)
        return input_shape, params

    def apply(params: Any, inputs: Any, *, rng: Any = None, **context: Any) -> Any:
        _check_count(params, layers)
        for layer, its, key in zip(layers, params, _keys(rng, len(layers)), strict=False):
            inputs = layer[1](its, inputs, rng=key, **context)
        return inputs

    return Layer(init, apply)


def parallel(*layers: Layer) -> Layer:
    """Layers side by side: from a list of inputs, one each, to a list of outputs. `FanOut` gives all the same."""

    def init(key: Any, input_shape: Shape) -> tuple[Shape, Any]:
        if len(input_shape) != len(layers):
            raise ShapeError(
                f"stax.parallel of {len(layers)} layers needs as many shapes; got {input_shape}. "
                f"Is FanOut({len(layers)}) missing?"
            )
        keys = _keys(key, len(layers))
        made = [layer[0](own, shape) for layer, own, shape in zip(layers, keys, input_shape, strict=False)]
        return [shape for shape, _ in made], tuple(params for _, params in made)

    def apply(params: Any, inputs: Any, *, rng: Any = None, **context: Any) -> Any:
        _check_count(params, layers)
        keys = _keys(rng, len(layers))
        return [
            layer[1](its, x, rng=key, **context)
            for layer, its, x, key in zip(layers, params, inputs, keys, strict=False)
        ]

    return Layer(init, apply)


def FanOut(num: int) -> Layer:
    """The inputs, ``num`` times."""
    return without_parameters(lambda x: [x] * num, lambda shape: [shape] * num)


FanInSum = without_parameters(lambda xs: functools.reduce(operator.add, xs), lambda shapes: shapes[0])
"""The sum of a list of inputs."""


def FanInConcat(axis: int = -1) -> Layer:
    """A list of inputs, joined along an axis."""

    def joined(shapes: Shape) -> Shape:
        at = axis % len(shapes[0])
        return (*shapes[0][:at], sum(shape[at] for shape in shapes), *shapes[0][at + 1 :])

    return without_parameters(lambda xs: wnp.concatenate(xs, axis), joined)


def residual(*layers: Layer, shortcut: Layer = Identity) -> Layer:
    """What layers make of the inputs, plus the inputs: ``serial(FanOut(2), parallel(serial(*layers), shortcut), FanInSum)``.

    Args:
        layers: as of `serial`.
        shortcut: what the inputs themselves go through, where their shape changes.

    Source: He et al. (2016), arXiv:1512.03385.
    """
    return serial(FanOut(2), parallel(serial(*layers), shortcut), FanInSum)


def shape_dependent(make_layer: Callable[[Shape], Layer]) -> Layer:
    """A layer that is made when the shape of its inputs is known: ``make_layer(input_shape)``."""
    return Layer(
        lambda key, input_shape: make_layer(input_shape)[0](key, input_shape),
        lambda params, inputs, **context: make_layer(inputs.shape)[1](params, inputs, **context),
    )
