"""Sorting and searching: order of special values, stability, several keys, derivatives, batches of tables."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from jax import lax

from tests.ir.ops.rule_checks import check_batch, check_derivatives, trace
from weft.ir.errors import ArgumentError, AxisError, DTypeError, ShapeError
from weft.ir.ops import sort as s
from weft.ir.ops.elementwise import mul
from weft.ir.types import bfloat16

SPECIAL = [1.0, np.nan, -np.inf, -0.0, 0.0, np.inf, np.nan, -1.0]


@pytest.mark.parametrize("dtype", [np.float16, bfloat16, np.float32, np.float64])
def test_nan_last_and_zeros_equal(dtype: Any) -> None:
    x = np.array(SPECIAL, dtype)
    expected = np.array([-np.inf, -1, -0.0, 0.0, 1, np.inf, np.nan, np.nan], dtype)
    out = s.sort(x, 0)
    assert out.dtype == x.dtype
    np.testing.assert_array_equal(out.astype(float), expected.astype(float))
    np.testing.assert_array_equal(np.signbit(out.astype(float)[2:4]), [True, False])
    np.testing.assert_array_equal(s.argsort(x, 0), [2, 7, 3, 4, 0, 5, 1, 6])
    np.testing.assert_array_equal(s.argsort(x, 0, descending=True), [1, 6, 5, 0, 3, 4, 7, 2])


def test_complex_numbers_by_real_then_imaginary_part() -> None:
    x = np.array([1 + 2j, 1 + 1j, -1 + 5j, 0])
    np.testing.assert_array_equal(s.sort(x, 0), [-1 + 5j, 0, 1 + 1j, 1 + 2j])


@pytest.mark.parametrize("num_keys", [1, 2])
def test_several_operands_are_jax_s(num_keys: int) -> None:
    rng = np.random.default_rng(0)
    operands = [
        rng.integers(0, 3, (4, 9)),
        rng.integers(0, 3, (4, 9)).astype(np.float32),
        rng.normal(size=(4, 9)),
    ]
    found = s.sort_many(operands, 1, num_keys)
    for out, expected in zip(found, lax.sort(operands, dimension=1, num_keys=num_keys), strict=True):
        assert out.dtype == expected.dtype
        np.testing.assert_array_equal(out, expected)


def test_top_k_is_jax_s() -> None:
    x = np.random.default_rng(0).integers(0, 4, (3, 8)).astype(float)
    values, positions = s.top_k(x, 3)
    expected_values, expected_positions = lax.top_k(x, 3)
    np.testing.assert_array_equal(values, expected_values)
    np.testing.assert_array_equal(positions, expected_positions)
    assert s.top_k(x, 0)[0].shape == (3, 0)


def test_derivatives_follow_the_elements() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(3, 4)), rng.normal(size=(3, 4))
    check_derivatives(lambda x, y: mul(*s.sort_many([x, y], 1)), x, y)
    check_derivatives(lambda x: s.top_k(mul(x, x), 2)[0], x)


@pytest.mark.parametrize("side", ["left", "right"])
def test_search(side: str) -> None:
    table, values = np.array([0.0, 1, 1, 2, np.nan]), np.array([[-1.0, 1, 1.5], [2, 3, np.nan]])
    found = s.searchsorted(table, values, side)
    np.testing.assert_array_equal(found, np.searchsorted(table, values, side))
    assert s.searchsorted(table, values, side, dtype=np.int32).dtype == np.int32


def test_search_in_many_tables() -> None:
    tables, values = np.sort(np.random.default_rng(0).normal(size=(3, 6)), 1), np.zeros((3, 2, 2))
    found = s.searchsorted(tables, values)
    np.testing.assert_array_equal(found, [np.searchsorted(t, v) for t, v in zip(tables, values, strict=True)])
    check_batch(lambda t, v: s.searchsorted(s.sort(t, 1), v), tables, values)


def test_errors() -> None:
    x = np.ones((2, 3))
    with pytest.raises(AxisError, match=r"sort of f64\[2,3\] got axis 2"):
        trace(lambda v: s.sort(v, 2), x)
    with pytest.raises(ShapeError, match="sort needs operands of one shape"):
        trace(lambda a, b: s.sort_many([a, b], 0), x, x[0])
    with pytest.raises(ArgumentError, match="sort of 1 operands got num_keys=2"):
        trace(lambda a: s.sort_many([a], 0, 2), x)
    with pytest.raises(ArgumentError, match="top_k got k=4 for an axis of 3 elements"):
        s.top_k(x, 4)
    with pytest.raises(ArgumentError, match='searchsorted needs side "left" or "right", got \'middle\''):
        trace(lambda a: s.searchsorted(a, a, "middle"), x[0])
    with pytest.raises(DTypeError, match="searchsorted got"):
        trace(lambda a, b: s.searchsorted(a, b), x[0], np.arange(3))
    with pytest.raises(ShapeError, match=r"searchsorted needs values of shape \(2,\) and further axes"):
        trace(lambda a, b: s.searchsorted(a, b), x, np.ones(4))
