"""Pooling of images, features last: the mean, maximum or minimum of sliding windows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from weft.engine.array import wrap_value
from weft.ir.errors import DTypeError, ShapeError
from weft.ir.ops import elementwise as e
from weft.ir.ops import shape as s
from weft.ir.ops.window import reduce_window
from weft.ir.ops.windows import padding_for
from weft.ir.types import is_inexact
from weft.numpy.staging import value

Padding = str | Sequence[tuple[int, int]]


def _options(
    name: str,
    shape: Sequence[int],
    window_shape: Sequence[int],
    strides: Sequence[int] | None,
    padding: Padding,
) -> tuple[tuple[int, ...], dict[str, Any]]:
    """The window over all axes, and the options of `reduce_window`."""
    window = tuple(int(k) for k in window_shape)
    rank = len(window)
    steps = (1,) * rank if strides is None else tuple(int(step) for step in strides)
    before = len(shape) - rank - 1
    if before < 0 or len(steps) != rank or min((*window, *steps), default=1) < 1:
        raise ShapeError(
            f"nn.{name} of an array of shape {tuple(shape)} (batch ..., spatial ..., features) got window_shape={window} and "
            f"strides={steps}: a positive integer for each spatial axis."
        )
    if isinstance(padding, str):
        pairs = padding_for(padding, shape[before:-1], window, steps)
    else:
        pairs = [(int(low), int(high)) for low, high in padding]
    if len(pairs) != rank:
        raise ShapeError(f"nn.{name} needs padding as a string or {rank} pairs (low, high); got {padding!r}.")
    around = [(0, 0)] * before
    return (
        (*[1] * before, *window, 1),
        {"strides": (*[1] * before, *steps, 1), "padding": (*around, *pairs, (0, 0))},
    )


def max_pool(
    inputs: Any, window_shape: Sequence[int], strides: Sequence[int] | None = None, padding: Padding = "VALID"
) -> Any:
    """The maximum of each window.

    Args:
        inputs: array of axes (batch ..., spatial ..., features).
        window_shape: the sizes of a window on the spatial axes.
        strides: steps from window to window; ones by default.
        padding: "SAME", "SAME_LOWER", "VALID", or a pair (low, high) for each spatial axis.
    """
    x = value(inputs, "nn.max_pool", "inputs")
    window, options = _options("max_pool", x.shape, window_shape, strides, padding)
    return wrap_value(reduce_window("max", x, window, **options))


def min_pool(
    inputs: Any, window_shape: Sequence[int], strides: Sequence[int] | None = None, padding: Padding = "VALID"
) -> Any:
    """The minimum of each window; arguments are those of `max_pool`."""
    x = value(inputs, "nn.min_pool", "inputs")
    window, options = _options("min_pool", x.shape, window_shape, strides, padding)
    return wrap_value(reduce_window("min", x, window, **options))


def avg_pool(
    inputs: Any,
    window_shape: Sequence[int],
    strides: Sequence[int] | None = None,
    padding: Padding = "VALID",
    count_include_pad: bool = True,
) -> Any:
    """The mean of each window.

    Args:
        inputs: floating array of axes (batch ..., spatial ..., features).
        window_shape: the sizes of a window on the spatial axes.
        strides: steps from window to window; ones by default.
        padding: "SAME", "SAME_LOWER", "VALID", or a pair (low, high) for each spatial axis.
        count_include_pad: what is padded counts as zeros; else the mean is that of the elements there are.
    """
    x = value(inputs, "nn.avg_pool", "inputs")
    if not is_inexact(x.dtype):
        raise DTypeError(f"nn.avg_pool takes floating arrays, got {x.dtype}: cast it first.")
    window, options = _options("avg_pool", x.shape, window_shape, strides, padding)
    total = reduce_window("add", x, window, **options)
    if count_include_pad:
        return wrap_value(e.div(total, e.full_like(total, math.prod(window))))
    # How many elements a window has does not depend on batch and features.
    inner = [n if k else 1 for n, k in zip(x.shape, _spatial(x.shape, window_shape), strict=True)]
    counts = reduce_window("add", np.ones(inner, x.dtype), window, **options)
    kept = [d for d, k in enumerate(_spatial(x.shape, window_shape)) if k]
    counts = s.broadcast(s.reshape(counts, [counts.shape[d] for d in kept]), total.shape, kept)
    return wrap_value(e.div(total, counts))


def _spatial(shape: Sequence[int], window_shape: Sequence[int]) -> list[bool]:
    """Which axes are spatial."""
    before = len(shape) - len(window_shape) - 1
    return [before <= d < len(shape) - 1 for d in range(len(shape))]
