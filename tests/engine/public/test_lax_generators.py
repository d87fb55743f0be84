"""`lax.rng_bit_generator` gives the bits of XLA's generators."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
import pytest
from jax import lax as jl

import weft
from weft import lax as wl
from weft.errors import ArgumentError, DTypeError

KEY = np.array([1, 2, 3, 4], np.uint32)
LAST = np.array([7, 2**32 - 1, 2**32 - 2, 2**32 - 1], np.uint32)  # the counter overflows
SHAPES = ((), (1,), (5,), (4, 2), (2, 3), (3, 3), (3, 5, 3), (0,), (3, 0))
ALGORITHMS = ("RNG_DEFAULT", "RNG_THREE_FRY", "RNG_PHILOX")


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "uint32", "uint64"])
def test_bits(algorithm: str, dtype: str) -> None:
    def draw(lax: Any, key: Any) -> Any:
        return [
            lax.rng_bit_generator(key, shape, dtype, algorithm=getattr(lax.RandomAlgorithm, algorithm))
            for shape in SHAPES
        ]

    for key in (KEY.view(np.uint64), LAST):
        wanted = jax.jit(lambda key: draw(jl, key))(key)
        for found in (draw(wl, key), weft.jit(lambda key: draw(wl, key))(key) if key is LAST else wanted):
            for ours, theirs in zip(
                jax.tree.leaves(jax.tree.map(np.asarray, found)), jax.tree.leaves(wanted), strict=True
            ):
                assert ours.dtype == theirs.dtype
                np.testing.assert_array_equal(ours, theirs)


def test_mapped_over_keys() -> None:
    keys = np.stack([KEY, LAST])
    found = weft.vmap(lambda key: wl.rng_bit_generator(key, (3,)))(keys)
    for i, key in enumerate(keys):
        for a, b in zip(found, wl.rng_bit_generator(key, (3,)), strict=True):
            np.testing.assert_array_equal(np.asarray(a)[i], np.asarray(b))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: wl.rng_bit_generator(KEY[:2], (3,)),
            DTypeError,
            r"four uint32 or two uint64, got uint32 of shape \(2,\)",
        ),
        (
            lambda: wl.rng_bit_generator(KEY, (3,), np.int32),
            DTypeError,
            r"uint8, uint16, uint32 or uint64, not int32",
        ),
        (lambda: wl.rng_bit_generator(KEY, (3,), algorithm=7), ArgumentError, r"knows no algorithm 7"),
    ],
)
def test_errors(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()
