"""Random bits are JAX's, to the bit, eager, staged and batched."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
import pytest

from tests.ir.ops.rule_checks import check_batch, check_staged, trace
from weft.ir.errors import ArgumentError, ShapeError
from weft.ir.ops import random

SHAPES = [(), (0,), (1,), (7,), (3, 4), (2, 0, 3), (5, 1, 3), (1000,)]


def data(key: Any) -> np.ndarray:
    return np.asarray(jax.random.key_data(key))


@pytest.mark.parametrize("value", [0, 1, -1, 42, 2**31, 2**40 + 7, -(2**35), 2**63 - 1])
def test_seed_is_jax_s(value: int) -> None:
    np.testing.assert_array_equal(random.seed(value), data(jax.random.key(value)))


@pytest.mark.parametrize("dtype", ["i1", "u1", "i2", "i4", "u4", "i8", "u8"])
@pytest.mark.parametrize("value", [5, -3])
def test_integer_arrays_seed_and_fold_in(value: int, dtype: str) -> None:
    number = np.array(value).astype(dtype)
    key = random.seed(3)
    np.testing.assert_array_equal(random.seed(number), data(jax.random.key(number)))
    expected = data(jax.random.fold_in(jax.random.key(3), number))
    np.testing.assert_array_equal(random.threefry_fold_in(key, number), expected)
    check_staged(random.seed, number)
    check_staged(random.threefry_fold_in, key, number)


@pytest.mark.parametrize("number", [0, 1, 17, 2**32 - 1])
def test_fold_in_is_jax_s(number: int) -> None:
    expected = data(jax.random.fold_in(jax.random.key(42), number))
    np.testing.assert_array_equal(random.threefry_fold_in(random.seed(42), number), expected)


@pytest.mark.parametrize("shape", [1, 2, 5, (3, 4), (0,), ()])
def test_split_is_jax_s(shape: Any) -> None:
    expected = data(jax.random.split(jax.random.key(7), shape))
    np.testing.assert_array_equal(random.threefry_split(random.seed(7), shape), expected)


@pytest.mark.parametrize("width", [8, 16, 32, 64])
@pytest.mark.parametrize("shape", SHAPES)
def test_bits_are_jax_s(shape: tuple[int, ...], width: int) -> None:
    found = random.threefry_bits(random.seed(-5), shape, width)
    expected = np.asarray(jax.random.bits(jax.random.key(-5), shape, f"uint{width}"))
    assert found.dtype == expected.dtype
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("width", [8, 64])
def test_staged_and_batched_draws_agree(width: int) -> None:
    key = random.seed(11)
    check_staged(lambda k: random.threefry_bits(k, (2, 3), width), key)
    check_staged(lambda k: random.threefry_split(k, 3), key)
    check_batch(lambda k: random.threefry_bits(k, (2, 3), width), key)
    check_batch(lambda k: random.threefry_split(k, 3), key)
    check_batch(random.threefry_fold_in, key, np.asarray(4))


def test_counters_beyond_32_bits_have_a_high_word() -> None:
    """Too large to compute: the graph tells."""
    key = random.seed(0)
    graph = trace(lambda k: random.threefry_bits(k, (1 << 16, 1 << 17)), key)
    names = [eqn.prim.name for eqn in graph.eqns]
    assert "shift_right_logical" in names
    assert "shift_right_logical" not in [
        eqn.prim.name for eqn in trace(lambda k: random.threefry_bits(k, (1 << 16, 1 << 16)), key).eqns
    ]


def test_errors_name_the_argument() -> None:
    key = random.seed(0)
    with pytest.raises(ArgumentError, match="a seed has at most 64 bits, got 18446744073709551616"):
        random.seed(2**64)
    with pytest.raises(ArgumentError, match=r"a seed is one integer, got f64\[\]"):
        random.seed(np.float64(1))
    with pytest.raises(ArgumentError, match=r"fold_in takes one integer, got i64\[2\]"):
        random.threefry_fold_in(key, np.arange(2))
    with pytest.raises(ArgumentError, match="8, 16, 32 or 64 to an element, not 12"):
        random.threefry_bits(key, (3,), 12)
    with pytest.raises(ShapeError, match=r"a random key is an array u32\[2\], got u32\[3\]"):
        random.threefry_bits(np.zeros(3, np.uint32), (3,))
