"""Transcendental and special functions where care is needed: branches, poles, third derivatives, 16 bits."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
import pytest
import scipy.special
from jax import lax

from tests.ir.ops.rule_checks import check_derivatives, trace
from tests.ir.ops.test_cumulative import directional
from weft.ir.interpret import evaluate
from weft.ir.ops import special
from weft.ir.ops import transcendental as t
from weft.ir.passes.jvp import jvp
from weft.ir.types import bfloat16

NAMES = "sqrt rsqrt cbrt exp exp2 expm1 log log1p sin cos tan asin acos atan sinh cosh tanh asinh acosh atanh erf erfc erf_inv logistic lgamma digamma".split()  # noqa: E501


@pytest.mark.parametrize("name", NAMES)
def test_third_derivative_is_jax_s(name: str) -> None:
    x = np.random.default_rng(0).uniform(0.05, 0.95, 6) + (name == "acosh")
    derivative: Any = getattr(lax, name)
    for _ in range(3):
        derivative = jax.jit(jax.grad(derivative))
    found = directional(getattr(t, name), x, [np.ones(6)] * 3)
    np.testing.assert_allclose(found, jax.jit(jax.vmap(derivative))(x), rtol=1e-9)


@pytest.mark.parametrize("name", ["sqrt", "log", "asin", "acos", "atan", "asinh", "acosh", "atanh"])
def test_complex_derivatives_are_on_the_branch(name: str) -> None:
    """In all four quadrants, inside and outside of the unit circle."""
    z = np.array([a + b * 1j for a in (-2, -0.4, 0.4, 2) for b in (-1.5, -0.3, 0.3, 1.5)])
    check_derivatives(getattr(t, name), z)


def test_hypot_at_the_origin() -> None:
    zero = np.zeros(2)
    out = evaluate(jvp(trace(t.hypot, zero, zero), (True, True)), zero, zero, zero + 1, zero + 1)
    np.testing.assert_array_equal(out, np.zeros((2, 2)))


def test_trigamma_left_of_the_pole() -> None:
    x = np.array([-0.5, -1.3, 0.7])
    reflected = (np.pi / np.sin(np.pi * x)) ** 2 - scipy.special.polygamma(1, 1 - x)
    np.testing.assert_allclose(special.polygamma(1, x), reflected, rtol=1e-12)


def test_bessel_derivatives_at_zero() -> None:
    x = np.zeros(1)
    np.testing.assert_allclose(directional(special.bessel_i0e, x, [np.ones(1)]), [0.0])
    np.testing.assert_allclose(directional(special.bessel_i1e, x, [np.ones(1)]), [0.5])


@pytest.mark.parametrize("dtype", [np.float16, bfloat16])
def test_half_precision_is_float32_rounded(dtype: Any) -> None:
    x = np.linspace(0.1, 3, 20).astype(dtype)
    for name in ("exp", "log", "tanh", "erf", "lgamma"):
        found = getattr(t, name)(x)
        assert found.dtype == x.dtype
        np.testing.assert_array_equal(found, getattr(t, name)(x.astype(np.float32)).astype(dtype))
