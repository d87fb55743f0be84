"""Layers give what jax's give of the same keys, bit for bit first parameters included; those jax does not have, by formulas."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import numpy as np
import pytest
from jax.example_libraries import stax as jax_stax

import weft
import weft.numpy as wnp
from weft import optim, random, stax, tree
from weft.errors import ArgumentError, ShapeError

IMAGES, ROWS = (2, 7, 8, 3), (4, 5)
CASES: dict[str, tuple[Any, tuple[int, ...]]] = {
    "Dense": (lambda s: s.Dense(3), ROWS),
    "Dense of images": (lambda s: s.Dense(3, b_init=s.randn(1.0)), IMAGES),
    "Conv": (lambda s: s.Conv(4, (3, 2)), IMAGES),
    "Conv, strides": (lambda s: s.Conv(4, (3, 3), strides=(2, 1), padding="SAME"), IMAGES),
    "GeneralConv": (
        lambda s: s.GeneralConv(("NCHW", "OIHW", "NHWC"), 4, (3, 2), padding="SAME"),
        (2, 3, 7, 8),
    ),
    "ConvTranspose": (lambda s: s.ConvTranspose(4, (3, 2), strides=(2, 2), padding="SAME"), IMAGES),
    "Conv1DTranspose": (lambda s: s.Conv1DTranspose(4, (3,), strides=(2,)), (2, 7, 3)),
    "BatchNorm": (lambda s: s.BatchNorm(), IMAGES),
    "BatchNorm, no offset": (lambda s: s.BatchNorm(axis=0, center=False), ROWS),
    "BatchNorm, no factor": (lambda s: s.BatchNorm(axis=0, scale=False), ROWS),
    "BatchNorm, neither": (lambda s: s.BatchNorm(axis=(0,), center=False, scale=False, epsilon=0.1), ROWS),
    "MaxPool": (lambda s: s.MaxPool((2, 3), strides=(2, 1)), IMAGES),
    "MaxPool, padded": (lambda s: s.MaxPool((3, 3), padding="SAME"), IMAGES),
    "SumPool": (lambda s: s.SumPool((2, 2), strides=(2, 2)), IMAGES),
    "AvgPool": (lambda s: s.AvgPool((3, 3), strides=(2, 2), padding="SAME"), IMAGES),
    "AvgPool, features first": (lambda s: s.AvgPool((2, 2), spec="NCHW"), (2, 3, 7, 8)),
    "Flatten": (lambda s: s.Flatten, IMAGES),
    "Identity": (lambda s: s.Identity, ROWS),
    "FanOut, parallel, FanInSum": (
        lambda s: s.serial(
            s.FanOut(2), s.parallel(s.Dense(3), s.serial(s.Dense(4), s.Tanh, s.Dense(3))), s.FanInSum
        ),
        ROWS,
    ),
    "FanInConcat": (
        lambda s: s.serial(s.FanOut(2), s.parallel(s.Dense(3), s.Identity), s.FanInConcat(1)),
        ROWS,
    ),
    "shape_dependent": (lambda s: s.shape_dependent(lambda shape: s.Dense(shape[-1])), ROWS),
    "elementwise": (lambda s: s.elementwise(lambda x, by: x * by, by=3.0), ROWS),
    "serial": (
        lambda s: s.serial(
            s.Conv(4, (3, 3), padding="SAME"), s.BatchNorm(), s.Relu, s.Flatten, s.Dense(5), s.LogSoftmax
        ),
        IMAGES,
    ),
    **{
        name: (lambda s, name=name: getattr(s, name), ROWS)
        for name in "Elu Exp Gelu LeakyRelu LogSoftmax Relu Selu Sigmoid Softmax Softplus Tanh".split()
    },
}


def inputs(shape: tuple[int, ...]) -> np.ndarray:
    return np.random.default_rng(0).normal(size=shape)


def close(found: Any, expected: Any, rtol: float = 1e-11) -> None:
    assert tree.structure(found) == tree.structure(tree.map(np.asarray, expected))
    for x, y in zip(tree.leaves(found), tree.leaves(expected), strict=True):
        np.testing.assert_allclose(np.asarray(x), np.asarray(y), rtol=rtol, atol=1e-11)


@pytest.mark.parametrize("name", CASES)
def test_layers_are_jax_s(name: str) -> None:
    make, shape = CASES[name]
    (init, apply), (jax_init, jax_apply) = make(stax), make(jax_stax)
    out_shape, params = init(random.key(1), shape)
    jax_shape, jax_params = jax_init(jax.random.key(1), shape)
    assert out_shape == tuple(jax_shape)
    leaves = tree.leaves(params)
    assert len(leaves) == len(jax.tree.leaves(jax_params))
    for x, y in zip(leaves, jax.tree.leaves(jax_params), strict=True):
        assert x.dtype == y.dtype
        np.testing.assert_allclose(np.asarray(x), np.asarray(y), rtol=1e-12, atol=1e-15)

    # Parameters that are not zeros and ones, so that each counts; and its derivatives.
    params = tree.map(lambda p: np.asarray(p) + 0.1 * inputs(p.shape), params)
    jax_params = jax.tree.unflatten(jax.tree.structure(jax_params), tree.leaves(params))
    x = inputs(shape)
    expected = jax.jit(jax_apply)(jax_params, x)
    close(apply(params, x), expected)
    found = weft.jit(apply)(params, x)
    close(found, expected)
    assert found.shape == out_shape
    assert init(random.key(1), (-1, *shape[1:]))[0] == (-1, *out_shape[1:])

    slopes = weft.jit(weft.grad(lambda p, x: wnp.sum(wnp.sin(apply(p, x))), argnums=(0, 1)))(params, x)
    jax_slopes = jax.jit(
        jax.grad(lambda p, x: jax.numpy.sum(jax.numpy.sin(jax_apply(p, x))), argnums=(0, 1))
    )(jax_params, x)
    for g, h in zip(tree.leaves(slopes), jax.tree.leaves(jax_slopes), strict=True):
        np.testing.assert_allclose(np.asarray(g), np.asarray(h), rtol=1e-9, atol=1e-10)


def test_networks_are_pairs_and_batch_axes_may_be_anywhere() -> None:
    init, apply = stax.GeneralConv(("CNH", "HIO", "HNC"), 4, (3,))
    shape, params = init(random.key(0), (2, -1, 9))
    assert shape == (7, -1, 4)
    assert apply(params, inputs((2, 5, 9))).shape == (7, 5, 4)
    init, _ = stax.MaxPool((2,), spec="CNH")
    assert init(random.key(0), (2, -1, 9))[0] == (2, -1, 8)


def test_dropout_is_jax_s() -> None:
    make, shape = (
        (lambda s: s.serial(s.Dense(8), s.Dropout(0.7), s.FanOut(2), s.parallel(s.Dropout(0.5), s.Identity))),
        ROWS,
    )
    _, params = make(stax)[0](random.key(0), shape)
    found = make(stax)[1](params, inputs(shape), rng=random.key(3))
    expected = make(jax_stax)[1](tree.map(np.asarray, params), inputs(shape), rng=jax.random.key(3))
    close(found, expected)
    assert 0.1 < (np.asarray(found[0]) == 0).mean() < 0.9
    _, apply = stax.Dropout(0.7, mode="test")
    close(apply((), inputs(shape)), inputs(shape))
    with pytest.raises(ArgumentError, match=r"needs a key: call apply\(params, inputs, rng=key\)"):
        stax.Dropout(0.7)[1]((), inputs(shape))


def test_layer_norm() -> None:
    init, apply = stax.LayerNorm()
    _, params = init(random.key(0), ROWS)
    x = inputs(ROWS)
    expected = (x - x.mean(1, keepdims=True)) / np.sqrt(x.var(1, keepdims=True) + 1e-5)
    close(apply(params, x), expected)
    close(apply((2.0 * params[1], 3.0 * params[1]), x), 3 * expected + 2)
    for center, scale in ((True, False), (False, True), (False, False)):
        init, apply = stax.LayerNorm(0.1, center, scale)
        _, params = init(random.key(0), ROWS)
        assert len(tree.leaves(params)) == center + scale
        close(apply(params, x), (x - x.mean(1, keepdims=True)) / np.sqrt(x.var(1, keepdims=True) + 0.1))


def test_embedding_and_positions() -> None:
    init, apply = stax.serial(stax.Embedding(10, 4), stax.Positions())
    shape, (table, places) = init(random.key(0), (-1, 6))
    assert (shape, table.shape, places.shape) == ((-1, 6, 4), (10, 4), (6, 4))
    letters = np.array([[1, 9, 0], [3, 3, 3]])
    close(apply([table, places], letters), np.asarray(table)[letters] + np.asarray(places)[:3])
    slope = weft.grad(lambda t: wnp.sum(apply([t, places], letters)))(table)
    np.testing.assert_array_equal(slope[:, 0], np.bincount(letters.ravel(), minlength=10))
    with pytest.raises(ShapeError, match="made for 6 places, and got 7"):
        apply([table, places], np.zeros((1, 7), int))


def attention(x: np.ndarray, mixed: np.ndarray, out: np.ndarray, heads: int, causal: bool) -> np.ndarray:
    """One example and one head at a time, as the paper has it."""
    dim = x.shape[1]
    size = dim // heads
    parts = x @ mixed
    found = []
    for h in range(heads):
        q, k, v = (parts[:, i * dim + h * size : i * dim + (h + 1) * size] for i in range(3))
        scores = q @ k.T / np.sqrt(size)
        if causal:
            scores[np.triu_indices(len(x), 1)] = -np.inf
        weights = np.exp(scores - scores.max(1, keepdims=True))
        found.append(weights / weights.sum(1, keepdims=True) @ v)
    return np.concatenate(found, 1) @ out


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("heads", [1, 3])
def test_attention(heads: int, causal: bool) -> None:
    init, apply = stax.MultiHeadAttention(heads, causal)
    shape, (mixed, out) = init(random.key(0), (-1, 5, 6))
    assert (shape, mixed.shape, out.shape) == ((-1, 5, 6), (6, 18), (6, 6))
    x = inputs((2, 5, 6))
    expected = np.stack([attention(one, np.asarray(mixed), np.asarray(out), heads, causal) for one in x])
    for run in (apply, weft.jit(apply), partial(weft.vmap(apply, in_axes=(None, 0)))):
        close(run((mixed, out), x), expected)
    # What comes later does not matter where attention is causal, and does where it is not.
    slope = weft.grad(lambda x: wnp.sum(apply((mixed, out), x)[:, 2]))(x)
    assert (np.asarray(slope[:, 3:]) == 0).all() == causal
    with pytest.raises(ShapeError, match="of 4 heads got 6 features"):
        stax.MultiHeadAttention(4)[0](random.key(0), (-1, 5, 6))


def test_residual() -> None:
    init, apply = stax.residual(stax.Dense(3), stax.Tanh, shortcut=stax.Dense(3, b_init=stax.randn(1.0)))
    shape, params = init(random.key(0), ROWS)
    assert shape == (4, 3)
    ((inner, _), (weights, offset)) = params[1]
    x = inputs(ROWS)
    expected = (
        np.tanh(x @ np.asarray(inner[0]) + np.asarray(inner[1]))
        + x @ np.asarray(weights)
        + np.asarray(offset)
    )
    close(apply(params, x), expected)
    _, apply = stax.residual(stax.Relu)
    close(apply([(), ([()], ()), ()], x), np.maximum(x, 0) + x)


def test_errors_say_what_to_do() -> None:
    with pytest.raises(
        ShapeError, match=r"parallel of 2 layers needs as many shapes; got \(4, 5, 6\). Is FanOut\(2\)"
    ):
        stax.parallel(stax.Relu, stax.Relu)[0](random.key(0), (4, 5, 6))
    with pytest.raises(ArgumentError, match="2 layers got the parameters of 1"):
        stax.serial(stax.Relu, stax.Relu)[1]([()], inputs(ROWS))


def test_a_network_learns_under_jit() -> None:
    init, apply = stax.serial(
        stax.Dense(16), stax.LayerNorm(), stax.Gelu, stax.Dropout(0.9), stax.Dense(2), stax.LogSoftmax
    )
    _, params = init(random.key(0), (-1, 2))
    x = inputs((200, 2))
    labels = (x[:, 0] * x[:, 1] > 0).astype(int)
    optimizer = optim.adam(0.02)

    def loss(params: Any, key: Any) -> Any:
        scores = apply(params, x, rng=key)
        return -wnp.mean(scores[wnp.arange(200), labels])

    @weft.jit
    def run(params: Any, key: Any) -> Any:
        def step(carry: Any, key: Any) -> Any:
            return optimizer.step(*carry, weft.grad(loss)(carry[0], key)), None

        return weft.lax.scan(step, (params, optimizer.init(params)), random.split(key, 200))[0][0]

    params = run(params, random.key(1))
    _, test = stax.serial(
        stax.Dense(16), stax.LayerNorm(), stax.Gelu, stax.Identity, stax.Dense(2), stax.Identity
    )
    assert (np.asarray(test(params, x)).argmax(1) == labels).mean() > 0.95
