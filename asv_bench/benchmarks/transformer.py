"""A stack of transformer blocks: layer norm, causal attention with four heads, a feed-forward layer with gelu."""

from __future__ import annotations

import functools
from typing import Any

import numpy

from . import Backend, normal

WIDTH, HEADS, LENGTH, BATCH = 64, 4, 32, 2


def layer_norm(backend: Backend, x: Any, scale: Any, shift: Any) -> Any:
    np = backend.np
    centred = x - np.mean(x, axis=-1, keepdims=True)
    return centred / np.sqrt(np.mean(centred**2, axis=-1, keepdims=True) + 1e-5) * scale + shift


def attention(backend: Backend, block: dict[str, Any], x: Any) -> Any:
    np = backend.np
    batch, length, width = x.shape
    split = lambda a: a.reshape(batch, length, HEADS, width // HEADS).transpose(0, 2, 1, 3)  # noqa: E731
    q, k, v = (split(x @ block[name]) for name in ("query", "key", "value"))
    scores = q @ k.transpose(0, 1, 3, 2) / (width // HEADS) ** 0.5
    scores = np.where(numpy.tril(numpy.ones((length, length), bool)), scores, -1e9)
    weights = np.exp(scores - np.max(scores, axis=-1, keepdims=True))
    weights = weights / np.sum(weights, axis=-1, keepdims=True)
    return (weights @ v).transpose(0, 2, 1, 3).reshape(batch, length, width) @ block["out"]


def stack_loss(backend: Backend, blocks: list[dict[str, Any]], x: Any) -> Any:
    """The mean square of what comes out of the stack, unrolled in Python."""
    for block in blocks:
        x = x + attention(backend, block, layer_norm(backend, x, block["scale1"], block["shift1"]))
        hidden = backend.api.nn.gelu(layer_norm(backend, x, block["scale2"], block["shift2"]) @ block["up"])
        x = x + hidden @ block["down"]
    return backend.np.mean(x * x)


def stack_gradient(backend: Backend, blocks: list[dict[str, Any]], x: Any) -> Any:
    return backend.api.value_and_grad(functools.partial(stack_loss, backend))(blocks, x)


def stack_data(blocks: int) -> tuple[list[dict[str, numpy.ndarray]], numpy.ndarray]:
    """Parameters of so many blocks, and an input."""
    square = (WIDTH, WIDTH)
    shapes = {name: square for name in ("query", "key", "value", "out")}
    shapes |= {"up": (WIDTH, 4 * WIDTH), "down": (4 * WIDTH, WIDTH)}
    parameters = [
        {name: normal(*shape) * (k + 1.0) / (k + 2.0) / shape[0] ** 0.5 for name, shape in shapes.items()}
        | {name: numpy.ones(WIDTH) for name in ("scale1", "scale2")}
        | {name: numpy.zeros(WIDTH) for name in ("shift1", "shift2")}
        for k in range(blocks)
    ]
    return parameters, normal(BATCH, LENGTH, WIDTH)
