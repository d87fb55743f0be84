"""Pooling of `weft.nn` against JAX's `reduce_window`: values, gradients, batches, errors."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax as jl

import weft
import weft.numpy as wnp
from weft import nn
from weft.errors import DTypeError, ShapeError

rng = np.random.default_rng(0)
STARTS = {"max": -np.inf, "min": np.inf, "add": 0.0}


def by_jax(op: str, x: Any, window: Any, strides: Any, padding: Any) -> Any:
    """What pooling is."""
    before = (1,) * (x.ndim - len(window) - 1)
    if not isinstance(padding, str):
        padding = (*[(0, 0)] * len(before), *padding, (0, 0))
    strides = strides or (1,) * len(window)
    return jl.reduce_window(
        x, STARTS[op], getattr(jl, op), (*before, *window, 1), (*before, *strides, 1), padding
    )


def close(ours: Any, theirs: Any) -> None:
    assert (np.asarray(ours).dtype, ours.shape) == (np.asarray(theirs).dtype, theirs.shape)
    np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-12)


CASES: list[Any] = [
    ((2, 7, 8, 3), (2, 3), (2, 1), "SAME"),
    ((2, 7, 8, 3), (2, 2), None, "VALID"),
    ((5, 6, 2), (3, 2), (2, 2), ((1, 1), (0, 2))),
    ((2, 3, 9, 4), (4,), (3,), "SAME"),
    ((2, 4, 5, 6, 2), (2, 2, 2), (2, 2, 2), "VALID"),
]


@pytest.mark.parametrize(("shape", "window", "strides", "padding"), CASES)
def test_pooling(shape: Any, window: Any, strides: Any, padding: Any) -> None:
    x = rng.standard_normal(shape)
    size = np.prod(window)
    ones = np.ones(shape)
    pools = [
        (nn.max_pool, {}, lambda x: by_jax("max", x, window, strides, padding)),
        (nn.min_pool, {}, lambda x: by_jax("min", x, window, strides, padding)),
        (nn.avg_pool, {}, lambda x: by_jax("add", x, window, strides, padding) / size),
        (
            nn.avg_pool,
            {"count_include_pad": False},
            lambda x: (
                by_jax("add", x, window, strides, padding) / by_jax("add", ones, window, strides, padding)
            ),
        ),
    ]
    for pool, options, wanted in pools:
        ours = lambda x, pool=pool, options=options: pool(x, window, strides, padding, **options)  # noqa: E731
        close(ours(x), wanted(x))
        close(weft.jit(ours)(x), wanted(x))
        slope = jax.jit(jax.grad(lambda x, wanted=wanted: jnp.sum(jnp.sin(wanted(x)))))(x)
        close(weft.jit(weft.grad(lambda x, ours=ours: wnp.sum(wnp.sin(ours(x)))))(x), slope)
        close(weft.vmap(ours)(np.stack([x, -x])), np.stack([wanted(x), wanted(-x)]))


def test_errors() -> None:
    x = np.ones((2, 4, 4, 3))
    with pytest.raises(
        ShapeError, match=r"max_pool of an array of shape .* a positive integer for each spatial axis"
    ):
        nn.max_pool(x, (2, 2), (2,))
    with pytest.raises(ShapeError, match="max_pool"):
        nn.max_pool(x, (2, 2, 2, 2))
    with pytest.raises(ShapeError, match="2 pairs"):
        nn.avg_pool(x, (2, 2), padding=[(0, 0)])
    with pytest.raises(ShapeError, match="'SAME', 'SAME_LOWER' and 'VALID'"):
        nn.min_pool(x, (2, 2), padding="FULL")
    with pytest.raises(DTypeError, match="avg_pool takes floating arrays, got int64"):
        nn.avg_pool(x.astype(int), (2, 2))
