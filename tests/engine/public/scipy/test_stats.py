"""`weft.scipy.stats`: SciPy's values on the support, at its edges and beyond; derivatives by parameters; samples."""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.scipy.stats
import numpy as np
import pytest
import scipy.stats

import weft
import weft.scipy.stats as stats
from tests.engine.public.scipy.laws import check_as_jax, check_derivatives, leaves
from weft.errors import ArgumentError, DTypeError, ShapeError

LOC, SCALE = 0.3, 1.7
P = np.array([0.15, 0.45, 0.9])
# Parameters by position; then points of the standard distribution: inside, and edges or points beyond them.
CONTINUOUS: dict[str, tuple[tuple[Any, ...], list[float], list[float]]] = {
    "beta": ((np.array([0.6, 2.0, 3.5]), np.array([1.5, 0.8, 4.0])), [0.2, 0.6, 0.95], [-0.5, 1.5, math.nan]),
    "cauchy": ((), [-3.0, 0.1, 40.0], [-math.inf, math.inf, math.nan]),
    "chi2": ((np.array([0.7, 2.0, 9.0]),), [0.1, 2.0, 30.0], [-1.0, -1e-300, math.nan]),
    "expon": ((), [0.1, 2.0, 30.0], [-1.0, math.inf, math.nan]),
    "gamma": ((np.array([0.4, 1.0, 7.0]),), [0.1, 2.0, 30.0], [-1.0, -1e-300, math.nan]),
    "gennorm": ((np.array([0.7, 2.0, 3.0]),), [-1.5, 0.2, 2.0], [-math.inf, math.inf, math.nan]),
    "gumbel_l": ((), [-20.0, 0.3, 2.0], [-800.0, 8.0, math.nan]),
    "gumbel_r": ((), [-2.0, 0.3, 20.0], [-8.0, 800.0, math.nan]),
    "laplace": ((), [-20.0, 0.3, 2.0], [-math.inf, math.inf, math.nan]),
    "logistic": ((), [-20.0, 0.3, 2.0], [-800.0, 800.0, math.nan]),
    "lognorm": ((np.array([0.4, 1.0, 2.0]),), [0.1, 2.0, 30.0], [-1.0, 1e-300, math.nan]),
    "norm": ((), [-9.0, 0.3, 4.0], [-40.0, 40.0, math.nan]),
    "pareto": ((np.array([0.4, 1.0, 7.0]),), [1.1, 2.0, 30.0], [0.5, 1e30, math.nan]),
    "t": ((np.array([0.8, 3.0, 40.0]),), [-9.0, 0.2, 3.0], [-1e9, 1e9, math.nan]),
    "truncnorm": (
        (np.array([-1.0, 2.0, -9.0]), np.array([2.0, 5.0, -3.0])),
        [0.4, 2.5, -4.0],
        [-20.0, 20.0, math.nan],
    ),
    "uniform": ((), [0.1, 0.5, 0.9], [-1.0, 2.0, math.nan]),
}
# Names, points, and parameters, of which the first are counts that have no derivative.
DISCRETE: dict[str, tuple[list[float], tuple[Any, ...], int]] = {
    "bernoulli": ([0, 1, 1, -1, 2, 0.5], (np.array([0.2, 0.2, 0.9, 0.5, 0.5, 0.5]),), 0),
    "betabinom": ([0, 3, 6, -1, 7, 2.5], (6, np.linspace(0.5, 3, 6), np.linspace(2, 0.7, 6)), 1),
    "binom": ([0, 3, 6, -1, 7, 2.5], (6, np.linspace(0.1, 0.9, 6)), 1),
    "geom": ([1, 4, 30, 0, -1, 2.5], (np.linspace(0.1, 0.9, 6),), 0),
    "nbinom": ([0, 3, 60, -1, 2, 2.5], (4, np.linspace(0.1, 0.9, 6)), 1),
    "poisson": ([0, 3, 60, -1, 2, 2.5], (np.linspace(0.3, 40.0, 6),), 0),
}
QUANTILES = ("isf", "ppf")
# What JAX is asked for where not for all: others have no scale there, or no derivative, or take long to compile.
ASKED = {"gennorm": (), "gumbel_l": ("cdf", "sf"), "gumbel_r": ("cdf", "sf"), "truncnorm": ("logpdf",)}


def _all_functions(module: Any, names: list[str]) -> Any:
    """One function that gives what all functions of a distribution give, so that one program holds them."""

    def everything(x: Any, q: Any, *parameters: Any) -> list[Any]:
        return [getattr(module, name)(q if name in QUANTILES else x, *parameters) for name in names]

    return everything


def _listed(fun: Any) -> Any:
    """A function that gives its result in a list, which is what the laws take."""
    return lambda *args: [fun(*args)]


def _compare(name: str, names: list[str], args: tuple[Any, ...]) -> None:
    module, theirs = getattr(stats, name), getattr(scipy.stats, name)
    with np.errstate(all="ignore"):
        want = [getattr(theirs, f)(args[1] if f in QUANTILES else args[0], *args[2:]) for f in names]
    everything = _all_functions(module, names)
    for how, got in (("eager", everything(*args)), ("jit", weft.jit(everything)(*args))):
        for f, ours, expected in zip(names, got, want, strict=True):
            # What SciPy has as the logarithm of 1 - cdf has no digits where that is small.
            tol = 1e-9 if f.startswith("log") else 1e-11
            np.testing.assert_allclose(ours, expected, rtol=tol, atol=1e-14, err_msg=f"{name}.{f}, {how}")


@pytest.mark.parametrize("name", CONTINUOUS)
def test_values_of_continuous_distributions(name: str) -> None:
    shapes, inside, outside = CONTINUOUS[name]
    names = list(getattr(stats, name).__all__)
    _compare(name, names, (np.array(inside) * SCALE + LOC, P, *shapes, LOC, SCALE))
    _compare(name, names, (np.array(outside), np.array([-0.1, 0.5, math.nan]), *shapes))


@pytest.mark.parametrize("name", CONTINUOUS)
def test_derivatives_of_continuous_distributions(name: str) -> None:
    """By the point and every parameter, against differences, and JAX's where it has the function."""
    shapes, inside, _ = CONTINUOUS[name]
    names = [f for f in getattr(stats, name).__all__]
    args = [np.array(inside) * SCALE + LOC, P, *shapes, np.full(3, LOC), np.full(3, SCALE)]
    check_derivatives(_all_functions(getattr(stats, name), names), args, 1e-4, 2)
    theirs = getattr(jax.scipy.stats, name, None)
    if theirs is None:
        return
    # JAX has no derivative of the incomplete beta function by its parameters.
    active = [0, len(args) - 2, len(args) - 1] if name == "beta" else range(len(args))
    known = [f for f in ASKED.get(name, names) if hasattr(theirs, f)]
    if not known:
        return
    check_as_jax(
        _only(_all_functions(getattr(stats, name), known), args, active),
        jax.jit(_all_functions(theirs, known)),
        args,
        active,
        1e-8,
    )


def _only(fun: Any, args: list[Any], active: Any) -> Any:
    """A function of some of its arguments."""

    def of_active(*given: Any) -> Any:
        full = list(args)
        for i, x in zip(active, given, strict=True):
            full[i] = x
        return fun(*full)

    return of_active


@pytest.mark.parametrize("name", DISCRETE)
def test_discrete_distributions(name: str) -> None:
    k, parameters, counts = DISCRETE[name]
    names = [f for f in getattr(stats, name).__all__ if f != "entropy"]
    points, q = np.array(k, float), np.array([0.0, 0.1, 0.5, 0.95, 1.0, math.nan])
    if "ppf" in names:
        _compare(name, ["ppf"], (points, q, *parameters))
        names.remove("ppf")
    _compare(name, names, (points, q, *parameters, 0))
    _compare(name, [f for f in names if f != "ppf"], (points + 2, q, *parameters, 2))
    active = [i for i in range(2 + counts, 2 + len(parameters))]
    args = [points[:3], q[:3], *(p if np.ndim(p) == 0 else p[:3] for p in parameters)]
    some = _only(_all_functions(getattr(stats, name), names), args, active)
    check_derivatives(some, [args[i] for i in active], 1e-4, 2)
    if name == "betabinom":  # JAX's derivative of betaln has six digits
        return
    theirs = getattr(jax.scipy.stats, name)
    known = [f for f in names if hasattr(theirs, f)]
    some = _only(_all_functions(getattr(stats, name), known), args, active)
    check_as_jax(some, jax.jit(_all_functions(theirs, known)), args, active, 1e-8)


@pytest.mark.parametrize("name", ["vonmises", "wrapcauchy"])
def test_circular_distributions(name: str) -> None:
    x, shape = np.array([0.0, 0.5, 3.0, 6.2, math.nan]), np.array([0.2, 0.9, 0.5, 0.3, 0.5])
    module, theirs = getattr(stats, name), getattr(scipy.stats, name)
    for f in ("logpdf", "pdf"):
        for how in (getattr(module, f), weft.jit(getattr(module, f))):
            np.testing.assert_allclose(how(x, shape), getattr(theirs, f)(x, shape), rtol=1e-13, atol=1e-14)
    inside = [np.array([0.5, 3.0]), shape[:2]]
    check_derivatives(_listed(module.logpdf), inside, 1e-4, 2)
    check_as_jax(_listed(module.logpdf), getattr(jax.scipy.stats, name).logpdf, inside, (0, 1), 1e-9)
    if name == "wrapcauchy":
        np.testing.assert_array_equal(module.pdf(np.array([-0.1, 7.0]), 0.5), [0, 0])
        assert math.isnan(module.pdf(1.0, 1.5))


@pytest.mark.parametrize("name", CONTINUOUS)
def test_no_nan_outside_of_the_support(name: str) -> None:
    """Densities and their slopes by everything are finite numbers (or -inf) beyond the edges."""
    shapes, _, outside = CONTINUOUS[name]
    module = getattr(stats, name)
    for x in outside[:2]:
        if not math.isfinite(x):
            continue
        args = (x, *(float(s[0]) for s in shapes), 0.0, 1.0)
        for f in ("logpdf", "pdf", "cdf"):
            value, slopes = weft.value_and_grad(getattr(module, f), tuple(range(len(args))))(*args)
            assert not math.isnan(value), (f, x)
            assert all(math.isfinite(s) for s in slopes), (f, x, slopes)


def test_entropy_of_poisson() -> None:
    mu = np.array([0.0, 0.3, 5.0, 60.0, 99.9, 100.1, 400.0, -1.0])
    want = scipy.stats.poisson.entropy(mu[:-2])
    np.testing.assert_allclose(stats.poisson.entropy(mu)[:-2], want, rtol=1e-11, atol=1e-15)
    np.testing.assert_allclose(weft.jit(stats.poisson.entropy)(mu)[:-2], want, rtol=1e-11, atol=1e-15)
    rows = np.arange(200, 600)
    direct = scipy.stats.poisson.pmf(rows, 400.0)
    np.testing.assert_allclose(stats.poisson.entropy(400.0), -np.sum(direct * np.log(direct)), rtol=1e-11)
    assert np.isnan(stats.poisson.entropy(mu)[-1])
    check_derivatives(_listed(stats.poisson.entropy), [mu[1:-1]], 1e-4, 2)


# Of vectors


def test_dirichlet() -> None:
    rng = np.random.default_rng(0)
    alpha = np.array([0.7, 2.0, 3.5])
    x = rng.dirichlet(alpha, 4).T
    want = np.array([scipy.stats.dirichlet.logpdf(v, alpha) for v in x.T])
    for fun in (stats.dirichlet.logpdf, weft.jit(stats.dirichlet.logpdf)):
        np.testing.assert_allclose(fun(x, alpha), want, rtol=1e-12)
        np.testing.assert_allclose(fun(x[:2], alpha), want, rtol=1e-12)
    np.testing.assert_allclose(stats.dirichlet.pdf(x[:, 0], alpha), np.exp(want[0]), rtol=1e-12)
    np.testing.assert_array_equal(stats.dirichlet.logpdf(np.array([0.5, 0.9, 0.1]), alpha), -np.inf)
    check_derivatives(lambda a: [stats.dirichlet.logpdf(x, a)], [alpha], 1e-4, 2)
    check_as_jax(
        lambda a: [stats.dirichlet.logpdf(x, a)],
        lambda _, a: [jax.scipy.stats.dirichlet.logpdf(x, a)],
        (x, alpha),
        (1,),
        1e-8,
    )


def test_multinomial() -> None:
    rng = np.random.default_rng(1)
    p = np.array([0.2, 0.3, 0.5])
    counts = rng.multinomial(7, p, 4)
    want = scipy.stats.multinomial.logpmf(counts, 7, p)
    for fun in (stats.multinomial.logpmf, weft.jit(stats.multinomial.logpmf)):
        np.testing.assert_allclose(fun(counts, 7, p), want, rtol=1e-12)
    np.testing.assert_allclose(stats.multinomial.pmf(counts, 7, p), np.exp(want), rtol=1e-12)
    np.testing.assert_array_equal(stats.multinomial.logpmf(np.array([1.0, 2.0, 3.0]), 7, p), -np.inf)
    np.testing.assert_array_equal(stats.multinomial.logpmf(np.array([1.5, 2.5, 3.0]), 7, p), -np.inf)
    check_derivatives(lambda q: [stats.multinomial.logpmf(counts, 7, q)], [p], 1e-4, 2)


def test_multivariate_normal() -> None:
    rng = np.random.default_rng(2)
    a = rng.normal(size=(3, 3))
    cov, mean, x = a @ a.T + np.eye(3), rng.normal(size=3), rng.normal(size=(4, 2, 3))
    theirs = scipy.stats.multivariate_normal
    for fun in (stats.multivariate_normal.logpdf, weft.jit(stats.multivariate_normal.logpdf)):
        np.testing.assert_allclose(fun(x, mean, cov), theirs.logpdf(x, mean, cov), rtol=1e-12)
        np.testing.assert_allclose(fun(x, mean, 2.0), theirs.logpdf(x, mean, 2.0 * np.eye(3)), rtol=1e-12)
        np.testing.assert_allclose(
            fun(x, 0.5, 2.0), scipy.stats.norm.logpdf(x, 0.5, math.sqrt(2)), rtol=1e-12
        )
    np.testing.assert_allclose(
        stats.multivariate_normal.pdf(x, mean, cov), theirs.pdf(x, mean, cov), rtol=1e-12
    )
    many = stats.multivariate_normal.logpdf(x, mean, np.stack([cov, 2 * cov]))
    for k in range(2):
        np.testing.assert_allclose(many[:, k], theirs.logpdf(x[:, k], mean, (k + 1) * cov), rtol=1e-12)

    def symmetric(x: Any, m: Any, c: Any) -> Any:
        return stats.multivariate_normal.logpdf(x, m, 0.5 * (c + c.T))

    check_derivatives(_listed(symmetric), [x, mean, cov], 1e-4, 2)


# Of samples

SAMPLES = [
    np.array([[3, 1, 3, 2], [1, 1, 0, 2], [3, 2, 0, 2]]),
    np.array([[0.5, -1.0, 0.5], [2.0, 0.5, 2.0]]),
]


@pytest.mark.parametrize("axis", [0, 1, None])
@pytest.mark.parametrize("a", SAMPLES, ids=["integers", "floats"])
def test_mode_ranks_and_sem(a: np.ndarray, axis: int | None) -> None:
    for keep in (False, True):
        want = scipy.stats.mode(a, axis=axis, keepdims=keep)
        for got in (
            stats.mode(a, axis=axis, keepdims=keep),
            weft.jit(lambda x, k=keep: stats.mode(x, axis=axis, keepdims=k))(a),
        ):
            for ours, theirs in zip(leaves(got), want, strict=True):
                np.testing.assert_array_equal(ours, theirs)
    for method in ("average", "min", "max", "dense", "ordinal"):
        ranks = scipy.stats.rankdata(a, method, axis=axis)
        got = stats.rankdata(a, method, axis=axis)
        assert got.dtype == np.float64
        np.testing.assert_array_equal(got, ranks)
        np.testing.assert_array_equal(weft.jit(lambda x, m=method: stats.rankdata(x, m, axis=axis))(a), ranks)
    np.testing.assert_allclose(stats.sem(a, axis=axis), scipy.stats.sem(a, axis=axis), rtol=1e-14)
    np.testing.assert_allclose(
        weft.jit(lambda x: stats.sem(x, axis=axis))(a), scipy.stats.sem(a, axis=axis), rtol=1e-14
    )


def test_samples_with_nan_and_without_elements() -> None:
    x = np.array([[1.0, math.nan, 2.0, 1.0], [4.0, 4.0, 2.0, 1.0]])
    found = stats.mode(x, axis=1)
    np.testing.assert_array_equal(found.mode, [math.nan, 4.0])
    np.testing.assert_array_equal(found.count, [1, 2])
    np.testing.assert_array_equal(stats.rankdata(x, axis=1), scipy.stats.rankdata(x, axis=1))
    np.testing.assert_allclose(
        stats.sem(x, axis=1, nan_policy="omit"), scipy.stats.sem(x, axis=1, nan_policy="omit"), rtol=1e-14
    )
    empty = stats.mode(np.zeros((0, 2)))
    assert np.isnan(empty.mode).all() and not np.any(empty.count)
    assert stats.rankdata(np.zeros(0)).shape == (0,)


@pytest.mark.parametrize("options", [{}, {"bw_method": "silverman"}, {"bw_method": 0.4}, {"weights": 1}])
def test_kernel_density(options: dict[str, Any]) -> None:
    rng = np.random.default_rng(3)
    data, points = rng.normal(size=(2, 20)), rng.normal(size=(2, 5))
    if "weights" in options:
        options = {"weights": rng.uniform(0.5, 1, 20)}
    ours, theirs = stats.gaussian_kde(data, **options), scipy.stats.gaussian_kde(data, **options)
    np.testing.assert_allclose(ours.covariance, theirs.covariance, rtol=1e-12)
    np.testing.assert_allclose(ours.inv_cov, theirs.inv_cov, rtol=1e-10)
    for got in (ours.pdf(points), ours(points), weft.jit(lambda e, p: e.evaluate(p))(ours, points)):
        np.testing.assert_allclose(got, theirs(points), rtol=1e-11)
    np.testing.assert_allclose(ours.logpdf(points), theirs.logpdf(points), rtol=1e-11)
    mean, cov = np.array([0.2, -0.3]), np.array([[1.0, 0.2], [0.2, 2.0]])
    np.testing.assert_allclose(
        ours.integrate_gaussian(mean, cov), theirs.integrate_gaussian(mean, cov), rtol=1e-11
    )
    np.testing.assert_allclose(ours.integrate_kde(ours), theirs.integrate_kde(theirs), rtol=1e-11)


def test_kernel_density_of_numbers() -> None:
    rng = np.random.default_rng(4)
    data, points = rng.normal(size=15), np.linspace(-2.0, 2.0, 4)
    ours, theirs = stats.gaussian_kde(data), scipy.stats.gaussian_kde(data)
    assert (ours.d, ours.n) == (1, 15)
    np.testing.assert_allclose(ours.integrate_box_1d(-1, 0.5), theirs.integrate_box_1d(-1, 0.5), rtol=1e-12)
    check_derivatives(lambda d, p: [stats.gaussian_kde(d).logpdf(p)], [data, points], 1e-4, 2)
    wide = stats.gaussian_kde(data, bw_method=lambda estimate: 2 * estimate.neff**-0.2)
    np.testing.assert_allclose(wide.covariance, 4 * ours.covariance, rtol=1e-12)
    drawn = np.asarray(ours.resample(weft.random.key(0), (4000,)))[0]
    assert drawn.shape == (4000,)
    assert (
        scipy.stats.kstest(drawn, lambda x: np.array([theirs.integrate_box_1d(-np.inf, v) for v in x])).pvalue
        > 1e-4
    )


def test_names_of_jax_are_there() -> None:
    for name in dir(jax.scipy.stats):
        if name.startswith("_"):
            continue
        ours, theirs = getattr(stats, name), getattr(jax.scipy.stats, name)
        for function in dir(theirs) if type(theirs) is type(jax) else ():
            assert function.startswith("_") or function in ours.__all__, f"{name}.{function}"


def test_16_bits_and_single_precision() -> None:
    x = np.array([0.5, 2.0], np.float32)
    assert stats.norm.logpdf(x).dtype == np.float32
    assert stats.gamma.cdf(x.astype(np.float16), 2.0).dtype == np.float16
    assert stats.poisson.pmf(3, 2).dtype == np.float64
    third = np.full(3, 1 / 3, np.float32)
    assert stats.dirichlet.logpdf(third, 2 * third).dtype == np.float32
    assert stats.multinomial.pmf(3 * third, np.float32(3), third).dtype == np.float32


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: stats.norm.pdf(1j), DTypeError, "scipy.stats.norm.pdf takes real arguments"),
        (lambda: stats.dirichlet.pdf(np.ones(3), np.ones(5)), ShapeError, r"got shapes \(5,\) and \(3,\)"),
        (lambda: stats.multinomial.pmf(np.ones(3), 3, np.ones(4)), ShapeError, r"\(3,\) and \(4,\)"),
        (
            lambda: stats.multivariate_normal.pdf(np.ones(3), np.ones(3), np.ones((2, 2))),
            ShapeError,
            r"shape \(\.\.\., 3, 3\), got \(2, 2\)",
        ),
        (
            lambda: stats.multivariate_normal.logpdf(1.0, 0.0, 1.0, allow_singular=True),
            ArgumentError,
            "allow_singular",
        ),
        (lambda: stats.mode(np.ones(3), nan_policy="omit"), ArgumentError, "nan_policy"),
        (lambda: stats.rankdata(np.ones(3), "best"), ArgumentError, "'average', 'min'"),
        (lambda: stats.gaussian_kde(np.ones(1)), ShapeError, "two elements or more"),
        (lambda: stats.gaussian_kde(np.ones(3), weights=np.ones(2)), ShapeError, "for 3 points"),
        (lambda: stats.gaussian_kde(np.arange(3.0), bw_method="wide"), ArgumentError, "bw_method"),
        (lambda: stats.gaussian_kde(np.arange(3.0)).pdf(np.ones((2, 2))), ShapeError, "1 coordinates"),
    ],
)
def test_errors(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()
