"""Gammas, counts, functions of normal numbers: JAX's numbers, distributions, derivatives, transformations, errors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.random as jr
import ml_dtypes
import numpy as np
import pytest
import scipy.special
import scipy.stats

import weft
import weft.random as wr
from weft.errors import ArgumentError, DTypeError, ShapeError

KEY, JAX_KEY = wr.key(42), jr.PRNGKey(42)
N = (300,)
ALPHA = np.array([0.1, 2.0, 3.0])
P = np.array([0.15, 0.2, 0.65])

# name: arguments behind the key
DRAWS: dict[str, list[tuple[Any, ...]]] = {
    "gamma": [(a, N) for a in (1e-3, 0.3, 1.0, 2.5, 40.0, 1e5)] + [(ALPHA,), (ALPHA, (4, 3)), (2.0, ())],
    "loggamma": [(a, N) for a in (1e-3, 1.0, 40.0)],
    "beta": [(0.5, 2.0, N), (ALPHA, 1e-2), (1e4, ALPHA, (5, 3))],
    "dirichlet": [(ALPHA,), (np.full((2, 3), 1e-2), (4, 2))],
    "chisquare": [(3.0, N), (0.2, N)],
    "f": [(3.0, 5.0, N), (ALPHA, ALPHA[::-1])],
    "t": [(3.0, N), (40.0, N)],
    "generalized_normal": [(1.5, N), (0.7, N)],
    "ball": [(3, 1.5, N), (2,)],
    "wald": [(2.0, N), (ALPHA,)],
    "lognormal": [(0.5, N), (ALPHA,), ()],
    "triangular": [(0.0, 1.0, 3.0, N), (-1.0, ALPHA, 4.0)],
    "maxwell": [(N,), ((2, 3),), ()],
    "double_sided_maxwell": [(1.0, 2.0, N), (ALPHA, 2.0, (4,))],
    "orthogonal": [(4,), (3, (2,))],
    "geometric": [(0.3, N), (P,), (1e-4, N), (1.0, (3,))],
    "poisson": [(m, N) for m in (0.0, 0.5, 9.9, 10.0, 80.0)] + [(np.array([0.5, 20.0]), (40, 2))],
    "binomial": [(12, 0.3, N), (12, 0.9, N), (1000, P), (1000, 0.45, N), (0, 0.5, (3,)), (9.7, 1.0, (3,))],
    "multinomial": [(100, P), (np.array([5, 1000]), np.stack([P, [0.0, 1.0, 0.0]]))],
}
CASES = [(name, args) for name, rows in DRAWS.items() for args in rows]


def same(ours: Any, theirs: Any, tolerance: float) -> None:
    """Equal dtype, shape and, up to a tolerance in units of the numbers' spread, values."""
    a, b = np.asarray(ours), np.asarray(theirs)
    assert (a.dtype, a.shape) == (b.dtype, b.shape)
    np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance if a.dtype.kind in "fc" else 0)


@pytest.mark.parametrize(("name", "args"), CASES)
def test_numbers_are_jaxs(name: str, args: tuple[Any, ...]) -> None:
    same(getattr(wr, name)(KEY, *args), getattr(jr, name)(JAX_KEY, *args), 1e-10)


@pytest.mark.parametrize(
    "name", ["gamma", "loggamma", "t", "wald", "lognormal", "triangular", "orthogonal", "binomial"]
)
def test_float32_numbers_are_jaxs(name: str) -> None:
    args = DRAWS[name][0]
    ours, theirs = (
        getattr(lib, name)(key, *args, dtype=np.float32) for lib, key in ((wr, KEY), (jr, JAX_KEY))
    )
    same(ours, theirs, 3e-5)


@pytest.mark.parametrize("dtype", ["int8", "uint16"])
def test_counts_of_other_dtypes(dtype: str) -> None:
    same(wr.poisson(KEY, 4.0, N, dtype), jr.poisson(JAX_KEY, 4.0, N, dtype), 0)
    same(wr.geometric(KEY, 0.4, N, dtype), jr.geometric(JAX_KEY, 0.4, N, dtype), 0)


def test_complex_numbers() -> None:
    for dtype in ("complex64", "complex128"):
        tolerance = 1e-5 if dtype == "complex64" else 1e-12
        same(wr.lognormal(KEY, 0.5, N, dtype), jr.lognormal(JAX_KEY, 0.5, N, dtype), tolerance)
        same(wr.orthogonal(KEY, 3, (2,), dtype), jr.orthogonal(JAX_KEY, 3, (2,), dtype), tolerance)


@pytest.mark.parametrize(("n", "m"), [(3, 5), (5, 3), (1, 1)])
def test_orthogonal_matrices(n: int, m: int) -> None:
    q = np.asarray(wr.orthogonal(KEY, n, (4,), m=m))
    same(q, jr.orthogonal(JAX_KEY, n, (4,), m=m), 1e-12)
    product = q @ q.swapaxes(1, 2) if n < m else q.swapaxes(1, 2) @ q
    np.testing.assert_allclose(product, np.broadcast_to(np.eye(min(n, m)), product.shape), atol=1e-14)


def test_arguments_out_of_range() -> None:
    n = np.array([-1, np.nan, np.inf, 10, 10, 10, np.inf])
    p = np.array([0.5, 0.5, 0.5, -0.1, np.nan, 1.2, np.nan])
    same(wr.binomial(KEY, n, p), jr.binomial(JAX_KEY, n, p), 0)
    assert np.asarray(wr.poisson(KEY, np.array([np.nan, -1.0, 0.0, np.inf]))).tolist() == [
        -1,
        -1,
        0,
        2**63 - 1,
    ]
    assert np.isnan(np.asarray(wr.gamma(KEY, np.array([np.nan, -3.0])))).all()
    assert np.asarray(wr.gamma(KEY, np.inf)) == np.inf


@pytest.mark.parametrize("mode", ["high", "highest"])
def test_gumbel_of_long_tails(mode: str) -> None:
    same(wr.gumbel(KEY, N, "float32", mode), jr.gumbel(JAX_KEY, N, "float32", mode), 1e-5)
    same(wr.gumbel(KEY, N, "float64", mode), jr.gumbel(JAX_KEY, N, "float64", mode), 1e-12)
    logits = np.linspace(0, 1, 12, dtype=np.float32).reshape(3, 4)
    same(wr.categorical(KEY, logits, mode=mode), jr.categorical(JAX_KEY, logits, mode=mode), 0)


# Distributions, on other keys


def _kolmogorov(sample: Any, cdf: Callable[..., Any]) -> None:
    assert scipy.stats.kstest(np.asarray(sample, np.float64), cdf).pvalue > 1e-3


M = (5_000,)
stats = scipy.stats


@pytest.mark.parametrize(
    ("draw", "law"),
    [
        *[(lambda k, d, a=a: wr.gamma(k, a, M, d), stats.gamma(a)) for a in (0.05, 0.7, 1.0, 3.0, 1e3)],
        *[(lambda k, d, a=a: np.exp(wr.loggamma(k, a, M, d)), stats.gamma(a)) for a in (0.4, 5.0)],
        *[(lambda k, d, a=a, b=b: wr.beta(k, a, b, M, d), stats.beta(a, b)) for a, b in ((0.5, 0.5), (2, 30), (200, 1))],
        *[(lambda k, d, v=v: wr.chisquare(k, v, M, d), stats.chi2(v)) for v in (0.5, 1, 9)],
        *[(lambda k, d, v=v: wr.t(k, v, M, d), stats.t(v)) for v in (0.7, 3, 100)],
        (lambda k, d: wr.f(k, 3.0, 7.0, M, d), stats.f(3, 7)),
        *[(lambda k, d, p=p: wr.generalized_normal(k, p, M, d), stats.gennorm(p)) for p in (0.8, 1.0, 4.0)],
        (lambda k, d: wr.dirichlet(k, ALPHA, M, d)[:, 1], stats.beta(2, 3.1)),
        (lambda k, d: wr.wald(k, 2.0, M, d), stats.invgauss(2.0)),
        (lambda k, d: wr.wald(k, 0.1, M, d), stats.invgauss(0.1)),
        (lambda k, d: wr.lognormal(k, 0.5, M, d), stats.lognorm(0.5)),
        (lambda k, d: wr.maxwell(k, M, d), stats.maxwell),
        (lambda k, d: wr.triangular(k, -1.0, 0.0, 3.0, M, d), stats.triang(0.25, -1, 4)),
        (lambda k, d: abs((wr.double_sided_maxwell(k, 1.0, 2.0, M, d) - 1) / 2), stats.maxwell),
        (lambda k, d: wr.weibull_min(k, 2.0, 0.5, M, d), stats.weibull_min(0.5, scale=2)),
        (lambda k, d: wr.pareto(k, 3.0, M, d), stats.pareto(3)),
        (lambda k, d: (abs(wr.ball(k, 3, 2.0, M, d)) ** 2).sum(-1) ** 1.5, stats.uniform),  # the volume within
        (lambda k, d: wr.orthogonal(k, 3, M, d)[:, 0, 1], stats.uniform(-1, 2)),  # Archimedes
    ],
)  # fmt: skip
def test_distribution_functions(draw: Any, law: Any) -> None:
    for seed, dtype in ((1, np.float64), (2, np.float32)):
        _kolmogorov(draw(wr.key(seed), dtype), law.cdf)


@pytest.mark.parametrize("dtype", ["float16", ml_dtypes.bfloat16])
def test_half_precisions_are_rounded_floats(dtype: Any) -> None:
    for ours, wide in (
        (wr.gamma(KEY, 2.0, N, dtype), wr.gamma(KEY, np.float32(2), N, "float32")),
        (wr.loggamma(KEY, 0.1, N, dtype), wr.loggamma(KEY, np.float32(0.1), N, "float32")),
    ):
        assert np.asarray(ours).dtype == dtype
        assert np.asarray(ours).tolist() == np.asarray(wide).astype(dtype).tolist()


def _chi_square(sample: Any, pmf: Callable[..., Any]) -> None:
    """Counts of the values that are expected five times, and of the others together."""
    sample = np.asarray(sample)
    values = np.arange(sample.min() - 1, sample.max() + 2)
    expected = len(sample) * pmf(values)
    often = expected > 5
    observed = np.array([(sample == v).sum() for v in values[often]])
    rest = len(sample) - expected[often].sum(), len(sample) - observed.sum()
    statistic = ((observed - expected[often]) ** 2 / expected[often]).sum() + (rest[1] - rest[0]) ** 2 / max(
        rest[0], 1
    )
    assert scipy.stats.chi2.sf(statistic, often.sum()) > 1e-3


@pytest.mark.parametrize("lam", [0.01, 1.0, 9.0, 10.0, 33.0, 400.0])
def test_poisson(lam: float) -> None:
    _chi_square(wr.poisson(wr.key(8), lam, (20_000,)), stats.poisson(lam).pmf)


@pytest.mark.parametrize("lam", [1e5, 1e9, 1e12])
def test_poisson_of_large_rates_is_nearly_normal(lam: float) -> None:
    _kolmogorov((np.asarray(wr.poisson(wr.key(9), lam, (20_000,))) - lam) / np.sqrt(lam), stats.norm.cdf)


@pytest.mark.parametrize(
    ("n", "p"), [(1, 0.5), (20, 0.1), (20, 0.97), (100, 0.1), (100, 0.5), (500, 0.8), (10**6, 2e-6)]
)
def test_binomial(n: int, p: float) -> None:
    _chi_square(wr.binomial(wr.key(10), n, p, (20_000,)), stats.binom(n, p).pmf)
    _chi_square(wr.binomial(wr.key(11), n, np.float32(p), (20_000,), np.float32), stats.binom(n, p).pmf)


@pytest.mark.parametrize("p", [1e-3, 0.2, 0.95])
def test_geometric(p: float) -> None:
    sample = wr.geometric(wr.key(12), p, (20_000,))
    if p < 0.01:
        _kolmogorov(np.asarray(sample) * p, stats.expon.cdf)
    else:
        _chi_square(sample, stats.geom(p).pmf)


def test_multinomial() -> None:
    counts = np.asarray(wr.multinomial(wr.key(13), 30, P, shape=(20_000, 3)))
    assert (counts.sum(-1) == 30).all()
    for i in range(3):
        _chi_square(counts[:, i], stats.binom(30, P[i]).pmf)


# Derivatives: along quantiles


def _losses(random: Any, key: Any) -> dict[str, Callable[..., Any]]:
    return {
        "gamma": lambda a: random.gamma(key, a, N).sum(),
        "loggamma": lambda a: random.loggamma(key, a, N).sum(),
        "beta": lambda a: random.beta(key, a, 2 * a, N).sum(),
        "dirichlet": lambda a: (random.dirichlet(key, a * ALPHA, N) ** 2).sum(),
        "chisquare": lambda a: random.chisquare(key, a, N).sum(),
        "f": lambda a: random.f(key, a, 5 * a, N).sum(),
        "t": lambda a: (random.t(key, 2 + a, N) ** 2).sum(),
        "generalized_normal": lambda a: (random.generalized_normal(key, 1 + a, N) ** 2).sum(),
        "wald": lambda a: random.wald(key, a, N).sum(),
        "lognormal": lambda a: random.lognormal(key, a, N).sum(),
        "triangular": lambda a: random.triangular(key, 0.0, a, 5 * a, N).sum(),
        "double_sided_maxwell": lambda a: (random.double_sided_maxwell(key, a, 2 * a, N) ** 2).sum(),
        "weibull_min": lambda a: random.weibull_min(key, a, 1 + a, N).sum(),
        "pareto": lambda a: random.pareto(key, 2 + a, N).sum(),
    }


@pytest.mark.parametrize("name", _losses(wr, KEY))
def test_derivatives_are_jaxs(name: str) -> None:
    ours, theirs = _losses(wr, KEY)[name], _losses(jr, JAX_KEY)[name]
    for a in (0.3, 1.7):
        expected = jax.jit(jax.grad(theirs))(a)
        same(weft.grad(ours)(a), expected, 1e-8)
        same(weft.jit(weft.grad(ours))(a), expected, 1e-8)
        same(weft.jvp(ours, (a,), (1.0,))[1], expected, 1e-8)


def test_second_derivatives_along_the_quantile() -> None:
    keys, a, h = np.asarray(wr.split(KEY, 40)), 1.3, 1e-3

    def one(key: Any, a: Any) -> Any:
        return wr.gamma(key, a)

    def logarithm(key: Any, a: Any) -> Any:
        return wr.loggamma(key, a)

    x = np.asarray(weft.vmap(one, (0, None))(keys, a))
    q = scipy.special.gammainc(a, x)
    low, high = (scipy.special.gammaincinv(b, q) for b in (a - h, a + h))
    for draw, expected in (
        (one, (high - 2 * x + low) / h**2),
        (logarithm, (np.log(high) - 2 * np.log(x) + np.log(low)) / h**2),
    ):
        for second in (weft.grad(weft.grad(draw, 1), 1), weft.jacfwd(weft.grad(draw, 1), 1)):
            got = np.asarray(weft.jit(weft.vmap(second, (0, None)))(keys, a))
            np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-5)


def test_what_is_drawn_by_counting_has_no_derivative() -> None:
    assert weft.grad(lambda lam: wr.poisson(KEY, lam, N).astype(float).sum())(3.0) == 0


# Transformations


TRANSFORMED: dict[str, Callable[[Any, Any], Any]] = {
    "gamma": lambda r, k: r.gamma(k, ALPHA),
    "dirichlet": lambda r, k: r.dirichlet(k, ALPHA),
    "ball": lambda r, k: r.ball(k, 3),
    "wald": lambda r, k: r.wald(k, 1.0, (4,)),
    "orthogonal": lambda r, k: r.orthogonal(k, 2),
    "poisson": lambda r, k: r.poisson(k, np.array([0.5, 30.0])),
    "binomial": lambda r, k: r.binomial(k, np.array([5.0, 300.0]), 0.4),
    "multinomial": lambda r, k: r.multinomial(k, 50.0, P),
    "geometric": lambda r, k: r.geometric(k, P),
}


@pytest.mark.parametrize("name", TRANSFORMED)
def test_draws_under_jit_and_vmap(name: str) -> None:
    draw = TRANSFORMED[name]
    one, keys = draw(jr, JAX_KEY), jr.split(JAX_KEY, 3)
    many = np.stack([np.asarray(draw(jr, k)) for k in keys])
    same(weft.jit(lambda k: draw(wr, k))(KEY), one, 1e-12)
    same(weft.vmap(lambda k: draw(wr, k))(np.asarray(keys)), many, 1e-12)
    same(weft.jit(weft.vmap(lambda k: draw(wr, k)))(np.asarray(keys)), many, 1e-12)
    with weft.disable_jit():
        same(draw(wr, KEY), one, 1e-12)


def test_vmap_over_parameters_keeps_the_key() -> None:
    a = np.array([0.4, 3.0])
    each = np.stack([np.asarray(jr.gamma(JAX_KEY, x, (5,))) for x in a])
    same(weft.vmap(lambda x: wr.gamma(KEY, x, (5,)))(a), each, 1e-12)
    slopes = np.stack(
        [np.asarray(jax.jit(jax.grad(lambda x: jr.gamma(JAX_KEY, x, (5,)).sum()))(x)) for x in a]
    )
    same(weft.vmap(weft.grad(lambda x: wr.gamma(KEY, x, (5,)).sum()))(a), slopes, 1e-9)


def test_gammas_within_a_loop() -> None:
    def total(lax: Any, random: Any, keys: Any, a: Any) -> Any:
        return lax.scan(lambda c, k: (c + random.gamma(k, a), c), 0.0, keys)[0]

    keys = jr.split(JAX_KEY, 5)
    expected = jax.jit(jax.value_and_grad(lambda a: total(jax.lax, jr, keys, a)))(0.6)
    ours = weft.jit(weft.value_and_grad(lambda a: total(weft.lax, wr, np.asarray(keys), a)))(0.6)
    for x, y in zip(ours, expected, strict=True):
        same(x, y, 1e-10)


@pytest.mark.parametrize("name", ["gamma", "poisson", "dirichlet", "geometric"])
def test_a_new_shape_compiles_nothing(name: str) -> None:
    parameter = {"dirichlet": ALPHA, "geometric": 0.3}.get(name, 3.0)
    drawn = weft.jit(lambda k, n: getattr(wr, name)(k, parameter, (n,)), static_argnums=1)
    for n in (40, 41, 57):
        drawn(KEY, n)
    assert drawn.compiles == 1


@pytest.mark.parametrize("name", ["gamma", "poisson", "geometric", "t"])
def test_no_numbers(name: str) -> None:
    assert np.asarray(getattr(wr, name)(KEY, 0.5, (0, 3))).shape == (0, 3)


def test_lists_are_arrays() -> None:
    same(wr.gamma(KEY, [0.1, 2.0, 3.0]), wr.gamma(KEY, ALPHA), 0)
    same(wr.dirichlet(KEY, [0.1, 2.0, 3.0]), wr.dirichlet(KEY, ALPHA), 0)
    same(wr.multinomial(KEY, 5, [0.15, 0.2, 0.65]), wr.multinomial(KEY, 5, P), 0)
    same(
        wr.uniform(KEY, (2,), minval=[0.0, 5.0], maxval=[1, 6]),
        wr.uniform(KEY, (2,), None, np.array([0, 5]), np.array([1, 6])),
        0,
    )


# Keys


def test_what_keys_say_of_themselves() -> None:
    keys = wr.split(KEY, 3)
    assert wr.key_impl(keys) == "threefry2x32" == wr.key_impl(KEY)
    assert wr.key_dtype() == wr.key_dtype("threefry2x32") == np.uint32 == KEY.dtype
    for again in (wr.clone(keys), wr.key_data(keys), wr.wrap_key_data(keys, dtype="threefry2x32")):
        same(again, keys, 0)
    same(wr.wrap_key_data(keys, dtype=wr.key_dtype()), keys, 0)
    same(wr.key(42, dtype=wr.key_dtype()), KEY, 0)
    same(wr.key(42, dtype="threefry2x32"), KEY, 0)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: wr.gamma(KEY, ALPHA, (4,)), ShapeError, r"random\.gamma got parameters of shapes \(3,\), .* shape=\(4,\)"),
        (lambda: wr.gamma(KEY, 1.0, (4,), int), DTypeError, r"random\.gamma draws floating numbers, got dtype=int64"),
        (lambda: wr.gamma(np.zeros(2), 1.0), ShapeError, r"random\.gamma takes a key, an array u32\[2\], got f64\[2\]"),
        (lambda: wr.beta(KEY, ALPHA, np.ones(2)), ShapeError, r"random\.beta got parameters of shapes \(3,\), \(2,\)"),
        (lambda: wr.dirichlet(KEY, 1.0), ShapeError, r"parameters alpha of shape \(\.\.\., n\) with n > 0, got shape \(\)"),
        (lambda: wr.ball(KEY, -1), ShapeError, r"random\.ball got shape=\(-1,\): lengths must not be negative"),
        (lambda: wr.ball(KEY, 2, ALPHA), ShapeError, r"random\.ball takes one norm, got p of shape \(3,\)"),
        (lambda: wr.orthogonal(KEY, 1.5), ArgumentError, r"random\.orthogonal got n=1\.5: it must be an integer"),
        (lambda: wr.gamma(KEY, 1j), DTypeError, r"random\.gamma takes real parameters, got one of dtype complex128"),
        (lambda: wr.uniform(KEY, (2,), minval=1j), DTypeError, r"random\.uniform takes real parameters"),
        (lambda: wr.gamma(KEY, "a"), ArgumentError, r"a parameter of random\.gamma is 'a' of type builtins\.str"),
        (lambda: wr.poisson(KEY, None), ArgumentError, r"a parameter of random\.poisson is None"),
        (lambda: wr.poisson(KEY, 1.0, dtype=float), DTypeError, r"random\.poisson draws integers, got dtype=float64"),
        (lambda: wr.binomial(KEY, 1, 0.5, dtype=int), DTypeError, r"random\.binomial draws floating numbers"),
        (lambda: wr.multinomial(KEY, 1, 0.5), ShapeError, r"takes probabilities \(\.\.\., k\) for shape .*, got \(\)"),
        (lambda: wr.multinomial(KEY, np.ones(4), P), ShapeError, r"random\.multinomial got parameters of shapes \(4,\)"),
        (lambda: wr.maxwell(KEY, dtype=complex), DTypeError, r"random\.maxwell draws floating numbers, got dtype=complex128"),
        (lambda: wr.gumbel(KEY, mode="top"), ArgumentError, r"modes 'low', 'high' and 'highest', got mode='top'"),
        (lambda: wr.choice(KEY, 3, mode="top"), ArgumentError, r"random\.choice knows the modes 'low'"),
        (lambda: wr.categorical(KEY, ALPHA, mode="top"), ArgumentError, r"random\.categorical knows the modes 'low'"),
        (lambda: wr.key_impl(np.zeros(3)), ShapeError, r"random\.key_impl takes the words of keys, u32\[\.\.\., 2\]"),
        (lambda: wr.key_dtype("rbg"), ArgumentError, r"generator 'threefry2x32', got impl='rbg'"),
        (lambda: wr.key(0, dtype=np.float32), ArgumentError, r"generator 'threefry2x32', got impl=<class 'numpy.float32'>"),
        (lambda: wr.wrap_key_data(KEY, impl="fry", dtype="fry"), ArgumentError, r"takes impl or dtype, not both"),
    ],
)  # fmt: skip
def test_errors(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()
