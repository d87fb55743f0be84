"""The slope of gamma variates by their shape parameter, against 60 digits, from tiny parameters to large ones."""

from __future__ import annotations

from typing import Any

import mpmath
import numpy as np
import pytest
import scipy.stats

from tests.ir.ops.rule_checks import check_batch, check_derivatives, check_staged
from weft.ir.ops.gamma_slope import gamma_slope, log_gamma_slope

QUANTILES = (1e-12, 1e-3, 0.3, 0.5, 0.6, 0.9, 1 - 1e-10)


def exact(a: float, x: float) -> float:
    """``d log x / da`` by the definition."""
    with mpmath.workdps(60):
        a, x = mpmath.mpf(a), mpmath.mpf(x)
        by_a = mpmath.diff(lambda b: mpmath.gammainc(b, 0, x, regularized=True), a)
        log_density = (a - 1) * mpmath.log(x) - x - mpmath.loggamma(a)
        return float(-by_a / mpmath.exp(log_density) / x)


@pytest.mark.parametrize("a", [1e-2, 0.3, 1.0, 1.7, 3.0, 8.0, 90.0, 1e3])
def test_slope(a: float) -> None:
    for x in scipy.stats.gamma.ppf(QUANTILES, a):
        if x > 1e-300:
            got = log_gamma_slope(np.float64(a), np.float64(np.log(x)))
            assert got == pytest.approx(exact(a, x), rel=5e-13)
            assert gamma_slope(np.float64(a), np.float64(x)) == pytest.approx(x * exact(a, x), rel=5e-13)


def test_variates_too_small_for_their_dtype() -> None:
    # P = x**a / gamma(a + 1) there, so log x = (log P + lgamma(a + 1)) / a.
    a, log_x = np.float64(1e-4), np.float64(-5e4)
    expected = -(log_x - scipy.special.digamma(1 + a)) / a
    assert log_gamma_slope(a, log_x) == pytest.approx(expected, rel=1e-13)


@pytest.mark.parametrize("z", [-4.0, -1.0, 0.0, 2.0, 5.0])
def test_large_parameters_are_nearly_normal(z: float) -> None:
    # The expansion of Cornish and Fisher: x = a + z sqrt(a) + (z**2 - 1)/3 + (z**3 - 7 z)/(36 sqrt(a)) - ...
    a = np.float64(1e10)
    x = a + z * np.sqrt(a) + (z * z - 1) / 3 + (z**3 - 7 * z) / (36 * np.sqrt(a))
    expected = 1 + z / (2 * np.sqrt(a)) - (z**3 - 7 * z) / (72 * a**1.5)
    assert gamma_slope(a, x) == pytest.approx(expected, rel=1e-9)


def test_float32_is_computed_in_float64() -> None:
    got = gamma_slope(np.float32(1e6), np.float32(1.001e6))
    assert got.dtype == np.float32
    assert got == pytest.approx(exact(1e6, 1.001e6) * 1.001e6, rel=1e-6)


def test_nothing_moves_at_zero() -> None:
    assert gamma_slope(np.float64(0.5), np.float64(0.0)) == 0


@pytest.mark.parametrize("fun", [gamma_slope, log_gamma_slope])
def test_transformations(fun: Any) -> None:
    a = np.array([0.2, 1.0, 2.5, 30.0])
    x = np.array([0.1, 2.0, 6.0, 25.0])
    args = (a, x if fun is gamma_slope else np.log(x))
    check_staged(fun, *args)
    check_batch(fun, *args)
    check_derivatives(fun, *args)
