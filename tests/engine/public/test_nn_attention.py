"""`weft.nn.dot_product_attention` against jax.nn's and a plain formula: shapes, masks, dtypes, derivatives, errors."""

from __future__ import annotations

from typing import Any

import jax
import jax.nn as jn
import ml_dtypes
import numpy as np
import pytest

import weft
import weft.nn as wn
from weft.errors import ArgumentError, DTypeError, ShapeError

RNG = np.random.default_rng(0)
B, T, S, N, K, H = 2, 5, 7, 4, 2, 3


def normal(*shape: int, dtype: Any = np.float32) -> np.ndarray:
    """Normal numbers."""
    return RNG.normal(size=shape).astype(dtype)


Q, KEYS, V = normal(B, T, N, H), normal(B, S, K, H), normal(B, S, K, H)
MASK = RNG.random((B, N, T, S)) < 0.6
LENGTHS = {
    "query_seq_lengths": np.array([5, 2], np.int32),
    "key_value_seq_lengths": np.array([3, 7], np.int32),
}
OPTIONS: dict[str, dict[str, Any]] = {
    "plain": {},
    "scale": {"scale": 0.3},
    "bias": {"bias": normal(B, N, T, S)},
    "bias of one head": {"bias": normal(1, 1, T, S)},
    "mask": {"mask": MASK},
    "mask of one batch": {"mask": MASK[:1, :1]},
    "nothing taken": {"mask": np.zeros((1, 1, T, S), bool)},
    "causal": {"is_causal": True},
    "lengths": LENGTHS,
    "length of keys": {"key_value_seq_lengths": LENGTHS["key_value_seq_lengths"]},
    "window": {"local_window_size": 1},
    "uneven window": {"local_window_size": (2, 0)},
    "all": {
        "bias": normal(1, N, 1, S),
        "mask": MASK,
        "is_causal": True,
        "local_window_size": (3, 1),
        **LENGTHS,
    },
}


def same(ours: Any, theirs: Any, tolerance: float) -> None:
    """Equal dtype, shape and, up to a tolerance, values."""
    a, b = np.asarray(ours), np.asarray(theirs)
    assert (a.dtype, a.shape) == (b.dtype, b.shape)
    np.testing.assert_allclose(a.astype(np.float64), b.astype(np.float64), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("name", OPTIONS)
def test_options(name: str) -> None:
    options = OPTIONS[name]
    expected = jn.dot_product_attention(Q, KEYS, V, **options, return_residual=True)
    for run in (lambda f: f, weft.jit):
        ours = run(lambda *a, o=options: wn.dot_product_attention(*a, **o, return_residual=True))(Q, KEYS, V)
        for x, y in zip(ours, expected, strict=True):
            same(x, y, 2e-6)
    same(wn.dot_product_attention(Q, KEYS, V, **options), expected[0], 2e-6)


@pytest.mark.parametrize("name", ["plain", "bias", "causal", "window", "all"])
def test_derivatives(name: str) -> None:
    options, weight = OPTIONS[name], normal(B, T, N, H)

    def loss(nn: Any, *args: Any) -> Any:
        return (weight * nn.dot_product_attention(*args, **options) ** 2).sum()

    expected = jax.jit(jax.grad(lambda *a: loss(jn, *a), (0, 1, 2)))(Q, KEYS, V)
    for run in (lambda f: f, weft.jit):
        for x, y in zip(
            run(weft.grad(lambda *a: loss(wn, *a), (0, 1, 2)))(Q, KEYS, V), expected, strict=True
        ):
            same(x, y, 3e-5)


@pytest.mark.parametrize("heads", [1, 2, 4])
def test_groups_and_ranks(heads: int) -> None:
    key, value = normal(S, heads, H), normal(S, heads, H)
    same(wn.dot_product_attention(Q[0], key, value), jn.dot_product_attention(Q[0], key, value), 2e-6)
    ours = wn.dot_product_attention(Q[0], key, value, mask=MASK[0], return_residual=True)
    theirs = jn.dot_product_attention(Q[0], key, value, mask=MASK[0], return_residual=True)
    for x, y in zip(ours, theirs, strict=True):
        same(x, y, 2e-6)


def test_float64_keeps_its_digits() -> None:
    q, k, v = (normal(3, 4, 2, 5, dtype=np.float64) for _ in range(3))
    logits = np.einsum("btnh,bsnh->bnts", q, k) / np.sqrt(5)
    weights = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    same(wn.dot_product_attention(q, k, v), np.einsum("bnts,bsnh->btnh", weights, v), 1e-14)


@pytest.mark.parametrize("dtype", ["float16", ml_dtypes.bfloat16])
def test_half_precisions(dtype: Any) -> None:
    args = [x.astype(dtype) for x in (Q, KEYS, V)]
    wide = jn.dot_product_attention(*[x.astype(np.float32) for x in args], is_causal=True)
    ours = wn.dot_product_attention(*args, is_causal=True)
    assert np.asarray(ours).dtype == dtype
    np.testing.assert_allclose(
        np.asarray(ours).astype(np.float32), wide, atol=2e-2 if dtype != "float16" else 2e-3
    )


def test_vmap_and_second_derivatives() -> None:
    def attend(q: Any) -> Any:
        return wn.dot_product_attention(q, KEYS[0], V[0], is_causal=True)

    same(weft.vmap(attend)(Q), np.stack([np.asarray(attend(q)) for q in Q]), 1e-6)
    v = normal(T, N, H)
    ours = weft.jvp(weft.grad(lambda q: (attend(q) ** 2).sum()), (Q[0],), (v,))[1]
    theirs = jax.jvp(
        jax.jit(jax.grad(lambda q: (jn.dot_product_attention(q, KEYS[0], V[0], is_causal=True) ** 2).sum())),
        (Q[0],),
        (v,),
    )[1]
    same(ours, theirs, 3e-5)


def test_the_residual_is_a_constant() -> None:
    slope = weft.grad(lambda q: wn.dot_product_attention(q, KEYS, V, return_residual=True)[1].sum())(Q)
    assert not np.asarray(slope).any()


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: wn.dot_product_attention(Q, KEYS, V[:, :3]), ShapeError, r"key \(2, 7, 2, 3\), value \(2, 3, 2, 3\)"),
        (lambda: wn.dot_product_attention(Q[:1], KEYS, V), ShapeError, r"equal batches and lengths of heads"),
        (lambda: wn.dot_product_attention(Q[:, :, :3], KEYS, V), ShapeError, r"heads of queries that is a multiple"),
        (lambda: wn.dot_product_attention(Q[0, 0, 0], KEYS, V), ShapeError, r"equal batches|takes a query"),
        (lambda: wn.dot_product_attention(Q.astype(np.float64), KEYS, V), DTypeError, r"one floating dtype; got float64"),
        (lambda: wn.dot_product_attention(Q, KEYS, V, mask=np.ones((1, 1, T, S))), DTypeError, r"boolean mask, got .*float64"),
        (lambda: wn.dot_product_attention(Q, KEYS, V, normal(B, N, T, 3)), ShapeError, r"bias of shape \(2, 4, 5, 3\)"),
        (lambda: wn.dot_product_attention(Q, KEYS, V, query_seq_lengths=[1]), ShapeError, r"integers of shape \(2,\)"),
        (lambda: wn.dot_product_attention(Q, KEYS, V, local_window_size=(1, 2, 3)), ArgumentError, r"an integer or two"),
        (lambda: wn.dot_product_attention(Q, KEYS, V, implementation="mps"), ArgumentError, r"'xla' and 'cudnn', got 'mps'"),
    ],
)  # fmt: skip
def test_errors(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()
