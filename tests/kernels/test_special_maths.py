"""The special functions of kernels against mpmath, relative to the result, and at their edges against SciPy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mpmath as mp
import numpy as np
import pytest
import scipy.special

from tests.kernels.harness import run_op

Points = Callable[[np.random.Generator], np.ndarray]


def logarithmic(low: float, high: float, n: int = 40) -> Points:
    """Exponents of ten spread evenly."""
    return lambda rng: 10.0 ** rng.uniform(low, high, n)


def even(low: float, high: float, n: int = 40) -> Points:
    return lambda rng: rng.uniform(low, high, n)


def both_signs(points: Points) -> Points:
    return lambda rng: points(rng) * rng.choice([-1, 1], points(rng).size)


def joined(*parts: Points) -> Points:
    return lambda rng: np.concatenate([part(rng) for part in parts])


def _ndtri(p: Any) -> Any:
    """By Newton's method from the quantile that SciPy has."""
    y = mp.mpf(float(scipy.special.ndtri(float(p))))
    for _ in range(3):
        below, density = mp.erfc(-y / mp.sqrt(2)) / 2, mp.exp(-y * y / 2) / mp.sqrt(2 * mp.pi)
        y -= (below - p) / density
    return y


def _hurwitz(s: Any, q: Any) -> Any:
    total = mp.mpf(0)
    while q < 20:  # mpmath has no negative ones
        total += q**-s
        q += 1
    return total + mp.zeta(s, q)


def _betainc(a: Any, b: Any, x: Any) -> Any:
    return mp.betainc(a, b, 0, x, regularized=True)


POSITIVE = joined(logarithmic(-8, 2.5), even(0, 12))
SIGNED = both_signs(POSITIVE)
# Where to ask, the error allowed relative to the result, and mpmath's function. Next to their roots ci and zeta lose digits,
# far from the mean the incomplete functions do, as their arguments' last places matter there.
CASES: dict[str, tuple[tuple[Points, ...], float, Callable[..., Any]]] = {
    "gamma": ((joined(even(-30, 30), even(0, 171), logarithmic(-300, 2)),), 3e-15, mp.gamma),
    "bessel_i0e": ((joined(even(-30, 30), logarithmic(-10, 2.5)),), 2e-15, lambda x: mp.besseli(0, x) * mp.exp(-abs(x))),
    "bessel_i1e": ((joined(even(-30, 30), logarithmic(-10, 2.5)),), 3e-15, lambda x: mp.besseli(1, x) * mp.exp(-abs(x))),
    "ndtri": ((joined(even(0, 1), logarithmic(-300, 0)),), 2e-15, _ndtri),
    "erfcx": ((joined(even(-20, 40), logarithmic(-5, 2.5)),), 2e-15, lambda x: mp.erfc(x) * mp.exp(x * x)),
    "logit": ((joined(even(0, 1, 200), even(0.49, 0.51), logarithmic(-300, -1)),), 5e-16, lambda x: mp.log(x / (1 - x))),
    "dawsn": ((SIGNED,), 2e-15, lambda x: mp.sqrt(mp.pi) / 2 * mp.exp(-x * x) * mp.erfi(x)),
    "expi": ((SIGNED,), 2e-15, mp.ei),
    "expn": ((lambda rng: rng.integers(0, 30, 80).astype(float), POSITIVE), 3e-15, mp.expint),
    "si": ((SIGNED,), 2e-15, mp.si),
    "ci": ((POSITIVE,), 2e-13, mp.ci),
    "fresnel_sin": ((SIGNED,), 3e-15, mp.fresnels),
    "fresnel_cos": ((SIGNED,), 3e-15, mp.fresnelc),
    "spence": ((POSITIVE,), 3e-15, lambda x: mp.re(mp.polylog(2, 1 - x))),
    "betaln": ((logarithmic(-4, 4, 80), logarithmic(-4, 4, 80)), 2e-14, lambda a, b: mp.log(mp.beta(a, b))),
    "zeta": ((lambda rng: 1 + 10 ** rng.uniform(-3, 1.7, 60), logarithmic(-3, 1.3, 60)), 3e-15, _hurwitz),
    "igamma": (
        (logarithmic(-6, 2.5, 80), logarithmic(-4, 2.5, 80)),
        2e-13,
        lambda a, x: mp.gammainc(a, 0, x, regularized=True),
    ),
    "igammac": (
        (logarithmic(-6, 2.5, 80), logarithmic(-4, 2.5, 80)),
        2e-13,
        lambda a, x: mp.gammainc(a, x, mp.inf, regularized=True),
    ),
    "betainc": ((logarithmic(-3, 2.5, 60), logarithmic(-3, 2.5, 60), even(0.001, 0.999, 60)), 1e-12, _betainc),
}  # fmt: skip


# Functions with polynomials of their own for floats: the error allowed in units of the last place, the function in double,
# and the borders of the polynomials.
SHORT: dict[str, tuple[float, Callable[[np.ndarray], np.ndarray], tuple[float, ...]]] = {
    "erf": (1.3, scipy.special.erf, (1.0, 4.0)),
    "erfcx": (2, scipy.special.erfcx, (0.5, 1.0, 10.2, 9.38)),
    "logit": (1.5, scipy.special.logit, (0.5, 1.0)),
    "dawsn": (2.5, scipy.special.dawsn, (1.0, 3.0)),
    "bessel_i0e": (4, scipy.special.i0e, (3.5,)),
    "bessel_i1e": (4, scipy.special.i1e, (3.5,)),
    "cbrt": (0.51, np.cbrt, (1.0, 2.0, 4.0, 8.0)),
}


@pytest.mark.parametrize("name", CASES)
def test_errors_relative_to_the_result(name: str) -> None:
    """In double precision; in single precision the result is that rounded, but for functions that are `SHORT`."""
    points, allowed, exact = CASES[name]
    rng = np.random.default_rng(3)
    args = [draw(rng) for draw in points]
    with mp.workdps(40):
        want = np.array([float(exact(*[mp.mpf(float(v)) for v in row])) for row in zip(*args, strict=True)])
    counts = np.isfinite(want) & (np.abs(want) > 1e-290)
    assert counts.sum() > 0.5 * counts.size
    got = run_op(name, *args, out="float64")
    error = np.abs(got - want)[counts] / np.abs(want[counts])
    worst = int(np.argmax(error))
    at = [float(a[counts][worst]) for a in args]
    assert error[worst] <= allowed, f"{name}{at} is off by {error[worst]:.3g}"
    single = [a.astype(np.float32) for a in args]
    with np.errstate(over="ignore"):
        rounded = run_op(name, *(a.astype(np.float64) for a in single), out="float64").astype(np.float32)
    if name in SHORT:
        assert np.all(ulps(run_op(name, *single, out="float32"), rounded.astype(float)) <= SHORT[name][0])
    else:
        np.testing.assert_array_equal(run_op(name, *single, out="float32"), rounded)


def ulps(got: np.ndarray, want: np.ndarray) -> np.ndarray:
    """Errors of floats in units of the last place of the result in double; 0 where both are not finite, and the same."""
    near = want.astype(np.float32)
    unit = np.spacing(
        np.minimum(np.maximum(np.abs(near), np.float32(2.0**-126)), np.float32(2.0**127))
    ).astype(float)
    alike = (got == near) | (np.isnan(got) & np.isnan(near))
    with np.errstate(invalid="ignore"):
        return np.where(alike & ~np.isfinite(near), 0.0, np.abs(got.astype(float) - want) / unit)


@pytest.mark.parametrize("name", SHORT)
def test_floats_over_the_whole_range(name: str) -> None:
    """All exponents, and closely where the function turns; zeros have their signs."""
    allowed, exact, borders = SHORT[name]
    rng = np.random.default_rng(5)
    x = rng.integers(0, 2**32, 40000, dtype=np.uint64).astype(np.uint32).view(np.float32)
    x = np.concatenate([x, *(rng.uniform(-b, b, 40000).astype(np.float32) for b in (1, 4, 12, 100))])
    edges = np.array([*borders, 0.0, np.inf, np.nan, 1e-45, 1e-38, 3.4e38], np.float32)
    edges = np.concatenate(
        [edges, np.nextafter(edges, np.float32(0)), np.nextafter(edges, np.float32(np.inf))]
    )
    x = np.concatenate([x, edges, -edges])
    with np.errstate(all="ignore"):
        want = exact(x.astype(float))
        got = run_op(name, x, out="float32")
        error = ulps(got, want)
        zero = np.isfinite(x) & (got == 0) & (want.astype(np.float32) == 0)
    worst = int(np.argmax(error))
    assert error[worst] <= allowed, (x[worst], got[worst], want[worst])
    assert np.array_equal(np.signbit(got[zero]), np.signbit(x[zero]))


def test_zeta_at_negative_points_and_edges() -> None:
    s = np.array([2.0, 3.0, 2.0, 5.0, 2.5, 1.0, 2.0, 2.0, np.inf, 0.5, np.nan, 1e4, 3000.0])
    q = np.array([-0.5, -7.3, -40.25, -0.999, -0.5, 2.0, -3.0, 0.0, 3.0, 2.0, 1.0, 1.0, 1.0])
    with mp.workdps(40):
        left = [
            float(_hurwitz(mp.mpf(a), mp.mpf(b))) for a, b in zip(s[:4].tolist(), q[:4].tolist(), strict=True)
        ]
    got = run_op("zeta", s, q, out="float64")
    np.testing.assert_allclose(got[:4], left, rtol=1e-14)
    np.testing.assert_array_equal(got[4:], [np.nan, np.inf, np.inf, np.inf, 0, np.nan, np.nan, 1, 1])


def test_edges_of_incomplete_functions() -> None:
    a = np.array([0.0, 0.0, 1.0, 1.0, np.inf, np.inf, -1.0, 2.0, np.nan, 2.0, 1e-300, 1e300])
    x = np.array([0.0, 1.0, 0.0, np.inf, 1.0, np.inf, 1.0, -1.0, 1.0, np.nan, 1.0, 1.0])
    for op, theirs in (("igamma", scipy.special.gammainc), ("igammac", scipy.special.gammaincc)):
        np.testing.assert_allclose(run_op(op, a, x, out="float64"), theirs(a, x), rtol=1e-13, atol=1e-299)
    grid = [0.0, 1e-3, 1.0, 3.0, np.inf, -1.0, np.nan]
    a, b, x = (v.ravel() for v in np.meshgrid(grid, grid, [0.0, 0.3, 1.0, -0.1, 1.1, np.nan], indexing="ij"))
    want = scipy.special.betainc(a, b, x)
    got = run_op("betainc", a, b, x, out="float64")
    # SciPy has no result where both are 0, or infinite, and says NaN for a of 0 at 0.
    known = np.isfinite(want) | np.isnan(a) | np.isnan(b) | np.isnan(x)
    np.testing.assert_allclose(got[known], want[known], rtol=1e-13)


def test_series_are_those_of_the_script() -> None:
    """One series fitted anew is the one in the table."""
    from weft.kernels.maths.fit_series import chebyshev
    from weft.kernels.maths.series import SERIES

    with mp.workdps(60):
        found = chebyshev(lambda x: mp.exp(-x) * mp.besseli(1, x) / x if x else mp.mpf(0.5), 0, 8, 2.0**-56)
    assert tuple(float(c) for c in found) == SERIES["i1e_near"]
