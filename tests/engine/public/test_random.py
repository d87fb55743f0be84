"""`weft.random` against JAX's numbers, under transformations, against distribution functions, and its errors."""

from __future__ import annotations

from typing import Any

import jax
import jax.random as jr
import ml_dtypes
import numpy as np
import pytest
import scipy.stats

import weft
import weft.numpy as wnp
import weft.random as wr
from weft.errors import ArgumentError, DTypeError, ShapeError

BF16 = ml_dtypes.bfloat16
FLOATS = ("float16", "float32", "float64", BF16)
SHAPES = ((), (40, 7))
KEY = wr.key(42)
JAX_KEY = jr.PRNGKey(42)


def same(ours: Any, theirs: Any, tolerance: float = 0.0) -> None:
    """Equal dtype, shape and, up to a tolerance, values."""
    a, b = np.asarray(ours), np.asarray(theirs)
    assert (a.dtype, a.shape) == (b.dtype, b.shape)
    if tolerance:
        np.testing.assert_allclose(a.astype(np.float64), b.astype(np.float64), rtol=tolerance, atol=tolerance)
    else:
        np.testing.assert_array_equal(a, b)


# Keys and bits


@pytest.mark.parametrize("seed", [0, 42, -3, 2**40 + 5, np.int32(-7), np.uint8(9)])
def test_keys_are_jaxs(seed: Any) -> None:
    same(wr.key(seed), jr.PRNGKey(seed))
    same(weft.jit(wr.key)(np.asarray(seed)), jr.PRNGKey(seed))


@pytest.mark.parametrize("num", [2, 5, 0, (3, 4)])
def test_split(num: Any) -> None:
    same(wr.split(KEY, num), jr.split(JAX_KEY, num))
    first, second = wr.split(KEY)
    same(second, jr.split(JAX_KEY)[1])
    assert first.tolist() != second.tolist()


@pytest.mark.parametrize("data", [0, 7, 2**32 - 1, np.int32(11)])
def test_fold_in(data: Any) -> None:
    same(wr.fold_in(KEY, data), jr.fold_in(JAX_KEY, data))


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "uint32", "uint64", None])
def test_bits(dtype: Any) -> None:
    for shape in SHAPES:
        same(wr.bits(KEY, shape, dtype), jr.bits(JAX_KEY, shape, dtype))


def test_key_data_and_back() -> None:
    same(wr.wrap_key_data(wr.key_data(KEY)), JAX_KEY)


# Distributions


@pytest.mark.parametrize("dtype", FLOATS)
def test_uniform_bit_for_bit(dtype: Any) -> None:
    for shape in SHAPES:
        same(wr.uniform(KEY, shape, dtype), jr.uniform(JAX_KEY, shape, dtype))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_uniform_between_bounds(dtype: Any) -> None:
    low, high = np.array([-2, 0, 5], dtype), np.array([3, 1e-3, 7], dtype)
    # JAX's compiler does not round the product before the sum; Weft rounds each operation.
    ulps = 8 * float(np.finfo(dtype).eps)
    same(wr.uniform(KEY, (5, 3), dtype, low, high), jr.uniform(JAX_KEY, (5, 3), dtype, low, high), ulps)
    same(wr.uniform(KEY, (5, 3), dtype, -2, 3), jr.uniform(JAX_KEY, (5, 3), dtype, -2, 3), ulps)


# Half precisions differ from JAX's by the rounding of the functions that they are computed by.
TOLERANCES = {"float16": 4e-3, BF16: 3e-2, "float32": 5e-6, "float64": 1e-13}


@pytest.mark.parametrize("dtype", FLOATS)
def test_normal(dtype: Any) -> None:
    for shape in SHAPES:
        same(wr.normal(KEY, shape, dtype), jr.normal(JAX_KEY, shape, dtype), TOLERANCES[dtype])


@pytest.mark.parametrize("dtype", ["complex64", "complex128"])
def test_complex_normal(dtype: Any) -> None:
    ours, theirs = np.asarray(wr.normal(KEY, (50,), dtype)), np.asarray(jr.normal(JAX_KEY, (50,), dtype))
    assert ours.dtype == theirs.dtype
    np.testing.assert_allclose(ours, theirs, rtol=2e-6)


@pytest.mark.parametrize("name", ["exponential", "gumbel", "laplace", "logistic", "cauchy"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_by_inversion(name: str, dtype: str) -> None:
    tolerance = 5e-6 if dtype == "float32" else 1e-12
    for shape in SHAPES:
        same(getattr(wr, name)(KEY, shape, dtype), getattr(jr, name)(JAX_KEY, shape, dtype), tolerance)


def test_gumbel_of_long_tails() -> None:
    same(wr.gumbel(KEY, (40,), "float64", "high"), jr.gumbel(JAX_KEY, (40,), "float64", "high"), 1e-12)


def test_distributions_with_parameters() -> None:
    b = np.array([2.0, 3.0])
    same(wr.truncated_normal(KEY, -1, b, (4, 2)), jr.truncated_normal(JAX_KEY, -1, b, (4, 2)), 1e-13)
    same(wr.pareto(KEY, b, (4, 2)), jr.pareto(JAX_KEY, b, (4, 2)), 1e-13)
    same(wr.rayleigh(KEY, b), jr.rayleigh(JAX_KEY, b), 1e-13)
    same(wr.weibull_min(KEY, 2.0, 3.0, (4,)), jr.weibull_min(JAX_KEY, 2.0, 3.0, (4,)), 1e-13)


@pytest.mark.parametrize("method", ["cholesky", "eigh", "svd"])
def test_multivariate_normal(method: str) -> None:
    mean, cov = np.array([1.0, 2.0]), np.array([[2.0, 0.3], [0.3, 1.0]])
    theirs = jr.multivariate_normal(JAX_KEY, mean, cov, (5,), method=method)
    same(wr.multivariate_normal(KEY, mean, cov, (5,), method=method), theirs, 1e-12)


@pytest.mark.parametrize("dtype", ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"])
def test_randint(dtype: str) -> None:
    info = np.iinfo(dtype)
    least, most = int(info.min), min(int(info.max), 2**63 - 1)
    for low, high in [
        (0, 10),
        (3, 3),
        (5, 2),
        (0, most),
        (least, most),
        (least, min(most + 1, 2**63 - 1)),
        (0, 100),
    ]:
        same(wr.randint(KEY, (6, 5), low, high, dtype), jr.randint(JAX_KEY, (6, 5), low, high, dtype))


@pytest.mark.parametrize(("dtype", "bits"), [(np.uint32, 32), (np.int64, 63), (np.uint64, 63)])
def test_randint_by_spans_of_any_size(dtype: Any, bits: int) -> None:
    rng = np.random.default_rng(0)
    spans = [2**k + d for k in range(1, bits) for d in (-1, 0, 1)] + [
        int(rng.integers(1, 2**k)) for k in range(2, bits)
    ]
    ours = weft.jit(lambda key, span: wr.randint(key, (300,), 0, span, dtype))
    theirs = jax.jit(lambda key, span: jr.randint(key, (300,), 0, span, dtype))
    for span in spans:
        same(ours(KEY, dtype(span)), theirs(JAX_KEY, dtype(span)))


def test_randint_of_arrays_of_bounds() -> None:
    low, high = np.array([0, 5, 9]), np.array([10, 20, 300])
    same(wr.randint(KEY, (6, 3), low, high), jr.randint(JAX_KEY, (6, 3), low, high))


@pytest.mark.parametrize("mode", ["low", "high"])
@pytest.mark.parametrize("p", [0.5, np.float32(0.3), np.array([0.1, 0.9])])
def test_bernoulli(p: Any, mode: str) -> None:
    same(wr.bernoulli(KEY, p, (50, 2), mode), jr.bernoulli(JAX_KEY, p, (50, 2), mode))
    same(wr.bernoulli(KEY, p), jr.bernoulli(JAX_KEY, p))


def test_rademacher() -> None:
    same(wr.rademacher(KEY, (30,)), jr.rademacher(JAX_KEY, (30,)))
    same(wr.rademacher(KEY, (30,), np.float32), jr.rademacher(JAX_KEY, (30,), np.float32))


MATRIX = np.arange(24.0).reshape(4, 6)


@pytest.mark.parametrize("independent", [False, True])
@pytest.mark.parametrize("axis", [0, 1, -1])
def test_permutation_of_an_array(axis: int, independent: bool) -> None:
    same(wr.permutation(KEY, MATRIX, axis, independent), jr.permutation(JAX_KEY, MATRIX, axis, independent))


@pytest.mark.parametrize("n", [0, 1, 10, 5000])
def test_permutation_of_a_range(n: int) -> None:
    same(wr.permutation(KEY, n), jr.permutation(JAX_KEY, n))


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("replace", [False, True])
@pytest.mark.parametrize("shape", [(), (3,), (2, 2)])
def test_choice(shape: Any, replace: bool, weighted: bool) -> None:
    for a, axis in [(10, 0), (np.arange(10) * 2, 0), (MATRIX, 0), (MATRIX, 1)]:
        p = (
            np.linspace(0.1, 1, 10 if axis == 0 and a is not MATRIX else MATRIX.shape[axis])
            if weighted
            else None
        )
        same(wr.choice(KEY, a, shape, replace, p, axis), jr.choice(JAX_KEY, a, shape, replace, p, axis))


def test_choice_of_none() -> None:
    same(wr.choice(KEY, MATRIX, (0,), axis=1), np.zeros((4, 0)))


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_categorical(axis: int) -> None:
    logits = np.random.randn(4, 6)
    rest = (6,) if axis == 0 else (4,)
    same(wr.categorical(KEY, logits, axis), jr.categorical(JAX_KEY, logits, axis))
    same(wr.categorical(KEY, logits, axis, (9, *rest)), jr.categorical(JAX_KEY, logits, axis, (9, *rest)))
    different = jr.categorical(JAX_KEY, logits, axis, (3, *rest), replace=False)
    same(wr.categorical(KEY, logits, axis, (3, *rest), replace=False), np.asarray(different).astype(np.int64))


# Transformations


DRAWS = {
    "split": lambda r, k: r.split(k, 3),
    "fold_in": lambda r, k: r.fold_in(k, 5),
    "bits": lambda r, k: r.bits(k, (4,), "uint32"),
    "uniform": lambda r, k: r.uniform(k, (4,), minval=-1.0),
    "normal": lambda r, k: r.normal(k, (4,)),
    "randint": lambda r, k: r.randint(k, (4,), 0, 9),
    "bernoulli": lambda r, k: r.bernoulli(k, 0.3, (4,)),
    "permutation": lambda r, k: r.permutation(k, 7),
    "choice": lambda r, k: r.choice(k, 9, (3,), False),
    "categorical": lambda r, k: r.categorical(k, np.zeros(5), shape=(4,)),
}


@pytest.mark.parametrize("name", DRAWS)
def test_draws_under_jit_and_vmap(name: str) -> None:
    draw = DRAWS[name]
    tolerance = 1e-13 if name in ("normal", "uniform") else 0.0
    same(weft.jit(lambda k: draw(wr, k))(KEY), draw(jr, JAX_KEY), tolerance)
    keys = jr.split(JAX_KEY, 3)
    theirs = jax.jit(jax.vmap(lambda k: draw(jr, k)))(keys)
    same(weft.vmap(lambda k: draw(wr, k))(np.asarray(keys)), theirs, tolerance)
    same(weft.jit(weft.vmap(lambda k: draw(wr, k)))(np.asarray(keys)), theirs, tolerance)
    with weft.disable_jit():
        same(draw(wr, KEY), draw(jr, JAX_KEY), tolerance)


def test_a_key_made_inside_a_traced_function_is_recorded() -> None:
    def noise(x: Any) -> Any:
        return x + wr.normal(wr.key(1), (1000,))

    graph = weft.make_graph(noise)(1.0)
    assert all(atom.type.size < 1000 for eqn in graph.eqns for atom in eqn.ins if hasattr(atom, "value"))
    assert len(graph.ins) == 1  # nothing was captured
    same(weft.jit(noise)(1.0), 1.0 + jr.normal(jr.PRNGKey(1), (1000,)), 1e-12)


def test_derivatives_by_parameters() -> None:
    def total(lib: Any, random: Any, key: Any) -> Any:
        def fun(low: Any, high: Any, scale: Any) -> Any:
            return (
                random.uniform(key, (5,), minval=low, maxval=high) * scale + random.normal(key, (5,)) * scale
            ).sum()

        return lib.grad(fun, (0, 1, 2))(0.5, 2.0, 3.0)

    for ours, theirs in zip(total(weft, wr, KEY), total(jax, jr, JAX_KEY), strict=True):
        same(ours, theirs, 1e-12)
    ours = weft.grad(lambda b: wr.pareto(KEY, b, (4,)).sum())(2.0)
    same(ours, jax.jit(jax.grad(lambda b: jr.pareto(JAX_KEY, b, (4,)).sum()))(2.0), 1e-12)


def test_a_new_shape_compiles_nothing() -> None:
    drawn = weft.jit(lambda k, n: wr.normal(k, (n, n + 1)), static_argnums=1)
    for n in range(20, 40):
        drawn(KEY, n)
    assert drawn.compiles == 1


@pytest.mark.parametrize("name", ["bits", "uniform", "normal", "gumbel", "exponential"])
def test_no_numbers(name: str) -> None:
    assert np.asarray(getattr(wr, name)(KEY, (0, 3))).shape == (0, 3)


# Statistics, on other keys than above


@pytest.mark.parametrize(
    ("draw", "distribution"),
    [
        (lambda k, n: wr.uniform(k, n, minval=-1.0, maxval=3.0), scipy.stats.uniform(-1, 4)),
        (lambda k, n: wr.normal(k, n), scipy.stats.norm),
        (lambda k, n: wr.truncated_normal(k, -1, 2, n), scipy.stats.truncnorm(-1, 2)),
        (lambda k, n: wr.exponential(k, n), scipy.stats.expon),
        (lambda k, n: wr.gumbel(k, n), scipy.stats.gumbel_r),
        (lambda k, n: wr.laplace(k, n), scipy.stats.laplace),
        (lambda k, n: wr.logistic(k, n), scipy.stats.logistic),
        (lambda k, n: wr.cauchy(k, n), scipy.stats.cauchy),
        (lambda k, n: wr.rayleigh(k, 2.0, n), scipy.stats.rayleigh(scale=2)),
    ],
)
def test_distribution_functions(draw: Any, distribution: Any) -> None:
    sample = np.asarray(draw(wr.key(7), (20_000,)))
    assert scipy.stats.kstest(sample, distribution.cdf).pvalue > 1e-3


def test_categories_come_in_proportion() -> None:
    p = np.array([0.1, 0.2, 0.7])
    for drawn in (
        wr.categorical(wr.key(3), np.log(p), shape=(30_000,)),
        wr.choice(wr.key(4), 3, (30_000,), p=p),
    ):
        counts = np.bincount(np.asarray(drawn), minlength=3)
        assert scipy.stats.chisquare(counts, 30_000 * p).pvalue > 1e-3


def test_randint_is_even() -> None:
    counts = np.bincount(np.asarray(wr.randint(wr.key(5), (30_000,), 0, 7)), minlength=7)
    assert scipy.stats.chisquare(counts).pvalue > 1e-3


def test_truncated_numbers_stay_inside() -> None:
    sample = np.asarray(wr.truncated_normal(wr.key(1), 1.0, 1.0 + 1e-6, (1000,), np.float32))
    assert (sample > 1.0).all()
    assert (sample < np.float32(1.0 + 1e-6)).all()


# Errors


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: wr.normal(np.zeros(2)), ShapeError, r"random\.normal takes a key, an array u32\[2\], got f64\[2\]"),
        (lambda: wr.normal(wr.split(KEY, 3)), ShapeError, r"takes one key, an array u32\[2\], got \(3,\) keys. Use weft.vmap"),
        (lambda: wr.normal(KEY, 3, int), DTypeError, r"random\.normal draws floating or complex numbers, got dtype=int64"),
        (lambda: wr.uniform(KEY, 3, int), DTypeError, r"random\.uniform draws floating numbers, got dtype=int64"),
        (lambda: wr.bits(KEY, 3, "int32"), DTypeError, r"random\.bits draws unsigned integers, got dtype=int32"),
        (lambda: wr.randint(KEY, 3, 0, 1, float), DTypeError, r"random\.randint draws integers, got dtype=float64"),
        (lambda: wr.bernoulli(KEY, 1), DTypeError, r"takes a floating probability, got p of dtype int64"),
        (lambda: wr.bernoulli(KEY, 0.5, (), "mid"), ArgumentError, r"modes 'low' and 'high', got mode='mid'"),
        (lambda: wr.uniform(KEY, (4,), minval=np.zeros(3)), ShapeError, r"shapes \(3,\), \(\), which do not .* shape=\(4,\)"),
        (lambda: wr.key(1.5), ArgumentError, r"random\.key takes one integer as its seed, got f64\[\]"),
        (lambda: wr.key(2**64), ArgumentError, r"a seed has at most 64 bits"),
        (lambda: wr.key(0, impl="rbg"), ArgumentError, r"generator 'threefry2x32', got impl='rbg'"),
        (lambda: wr.fold_in(KEY, 1.5), ArgumentError, r"random\.fold_in takes one integer, got f64\[\]"),
        (lambda: wr.choice(KEY, 3, (4,), False), ShapeError, r"without replacement cannot draw 4 of 3"),
        (lambda: wr.choice(KEY, 0, (4,)), ShapeError, r"cannot draw shape=\(4,\) from nothing"),
        (lambda: wr.choice(KEY, 3, (4,), p=np.ones(2)), ShapeError, r"a weight for each of 3 elements, got p of shape \(2,\)"),
        (lambda: wr.permutation(KEY, 1.5), DTypeError, r"the range of an integer, got a scalar float64"),
        (lambda: wr.categorical(KEY, np.zeros(3, int)), DTypeError, r"takes floating logits, got dtype int64"),
        (lambda: wr.multivariate_normal(KEY, np.zeros(2), np.eye(3)), ShapeError, r"got shapes \(2,\) and \(3, 3\)"),
    ],
)  # fmt: skip
def test_errors(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()


def test_draws_are_arrays_of_weft() -> None:
    assert isinstance(wr.normal(KEY, (3,)), weft.Array)
    assert isinstance(wr.permutation(KEY, wnp.arange(4)), weft.Array)
