"""`weft.ops` against JAX: values, derivatives, batching; and the errors it gives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import weft
from weft import ops
from weft.errors import ArgumentError, ConcretizationError, DTypeError, IndexingError, ShapeError

jax = pytest.importorskip("jax")
jax.config.update("jax_enable_x64", True)

NAMES = ("segment_sum", "segment_prod", "segment_max", "segment_min")
IDS = np.array([2, 0, 2, -1, 5, 1, 2, 0])


def pair(name: str, **kwargs: Any) -> tuple[Callable[..., Any], Callable[..., Any]]:
    return (
        lambda x, i: getattr(ops, name)(x, i, **kwargs),
        lambda x, i: getattr(jax.ops, name)(x, i, **kwargs),
    )


def data(dtype: Any, *shape: int) -> np.ndarray:
    return (np.random.default_rng(0).normal(size=shape) * 3).astype(dtype)


def same(got: Any, wanted: Any, rtol: float = 1e-12) -> None:
    got, wanted = np.asarray(got), np.asarray(wanted)
    assert got.dtype == wanted.dtype
    np.testing.assert_allclose(got, wanted, rtol=rtol, atol=rtol)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("dtype", "shape"),
    [
        (np.float64, (8,)),
        (np.float64, (8, 2, 2)),
        (np.float32, (8, 3)),
        (np.uint8, (8,)),
        (np.int64, (8, 3)),
        (np.float16, (8,)),
    ],
)
def test_values(name: str, dtype: Any, shape: tuple[int, ...]) -> None:
    x = data(dtype, *shape)
    rtol = {np.float16: 2e-3, np.float32: 1e-6}.get(dtype, 1e-12)
    for kwargs in (
        {"num_segments": 6},
        {"num_segments": 3},
        {"num_segments": 4, "mode": "clip"},
        {"num_segments": 0},
        {},
    ):
        ours, theirs = pair(name, **kwargs)
        wanted = theirs(jax.numpy.asarray(x), IDS)
        same(ours(x, IDS), wanted, rtol)
        if kwargs:
            same(weft.jit(ours)(x, IDS), wanted, rtol)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("bucket_size", [1, 3, 8, 100])
def test_buckets(name: str, bucket_size: int) -> None:
    x = data(np.float64, 8, 2)
    ours, theirs = pair(name, num_segments=4, bucket_size=bucket_size)
    wanted = theirs(jax.numpy.asarray(x), IDS)
    same(ours(x, IDS), wanted)
    same(weft.jit(ours)(x, IDS), wanted)


@pytest.mark.parametrize("name", NAMES)
def test_bools(name: str) -> None:
    x = np.array([True, False, True, True, False, True, True, False])
    got = np.asarray(getattr(ops, name)(x, IDS, 4))
    groups = [x[k == IDS] for k in range(4)]
    fold = {"segment_sum": np.any, "segment_max": np.any, "segment_prod": np.all, "segment_min": np.all}[name]
    np.testing.assert_array_equal(got, [fold(g) for g in groups])
    np.testing.assert_array_equal(np.asarray(getattr(ops, name)(x, IDS, 4, bucket_size=3)), got)


@pytest.mark.parametrize("name", NAMES)
def test_nothing_at_all(name: str) -> None:
    x, ids = np.zeros((0, 2)), np.zeros(0, np.int64)
    for kwargs in ({"num_segments": 3}, {"num_segments": 3, "bucket_size": 2}, {}):
        ours, _ = pair(name, **kwargs)
        got = np.asarray(ours(x, ids))
        assert got.shape == (kwargs.get("num_segments", 0), 2)
        neutral = {"segment_sum": 0, "segment_prod": 1, "segment_max": -np.inf, "segment_min": np.inf}[name]
        assert (got == neutral).all()


def one_by_one(name: str, x: Any, n: int) -> Any:
    """Each segment as a reduction of its own, in JAX: it has no derivative of products by segment."""
    fold = getattr(jax.numpy, name.removeprefix("segment_"))
    return jax.numpy.stack([fold(x[k == IDS], axis=0) for k in range(n)])


@pytest.mark.parametrize("name", NAMES)
def test_derivatives(name: str) -> None:
    x, weights, tangent = (
        data(np.float64, 8, 2),
        np.arange(1.0, 7.0).reshape(3, 2),
        data(np.float64, 8, 2)[::-1].copy(),
    )
    x[3], x[0, 1] = x[1], 0.0  # what is left out may be anything, and products may be 0
    ours, _ = pair(name, num_segments=3)
    same(
        weft.jit(weft.grad(lambda x: (ours(x, IDS) * weights).sum()))(x),
        jax.jit(jax.grad(lambda x: (one_by_one(name, x, 3) * weights).sum()))(x),
    )
    same(
        weft.jvp(lambda x: ours(x, IDS), (x,), (tangent,))[1],
        jax.jvp(jax.jit(lambda x: one_by_one(name, x, 3)), (x,), (tangent,))[1],
    )


@pytest.mark.parametrize("name", NAMES)
def test_batches(name: str) -> None:
    x = data(np.float64, 5, 8)
    ids = np.random.default_rng(1).integers(-1, 5, (5, 8))
    ours, theirs = pair(name, num_segments=4)
    same(weft.vmap(ours)(x, ids), jax.jit(jax.vmap(theirs))(x, ids))
    same(weft.vmap(ours, (0, None))(x, IDS), jax.jit(jax.vmap(theirs, (0, None)))(x, IDS))
    same(weft.vmap(ours, (None, 0))(x[0], ids), jax.jit(jax.vmap(theirs, (None, 0)))(x[0], ids))


def test_errors() -> None:
    x = np.ones(8)
    with pytest.raises(DTypeError, match="integer segment_ids"):
        ops.segment_sum(x, np.ones(8), 3)
    with pytest.raises(ShapeError, match=r"segment_ids of shape \(3,\)"):
        ops.segment_sum(x, np.array([0, 1, 2]), 3)
    with pytest.raises(ArgumentError, match="num_segments=-1"):
        ops.segment_sum(x, IDS, -1)
    with pytest.raises(ArgumentError, match="bucket_size=0"):
        ops.segment_sum(x, IDS, 3, bucket_size=0)
    with pytest.raises(IndexingError, match="mode='round'"):
        ops.segment_sum(x, IDS, 3, mode="round")
    with pytest.raises(DTypeError, match="no order"):
        ops.segment_max(x + 1j, IDS, 3)
    with pytest.raises(ConcretizationError, match="num_segments="):
        weft.jit(ops.segment_sum)(x, IDS)
