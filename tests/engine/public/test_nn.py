"""`weft.nn` against `jax.nn`: values, gradients at ordinary and special points, under jit and vmap; initializers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.nn
import jax.random as jr
import jax.scipy.special
import numpy as np
import pytest

import weft
import weft.nn as wn
import weft.random as wr
from weft.errors import ArgumentError, AxisError, DTypeError, ShapeError

# Ordinary numbers, and those where formulas meet or could overflow.
X = np.array([-800.0, -20.0, -6.0, -3.0, -1.0, -0.3, 0.0, 1e-9, 0.4, 1.0, 3.0, 6.0, 20.0, 800.0])


def close(ours: Any, theirs: Any, tolerance: float = 1e-12) -> None:
    """Equal structure, dtypes, shapes and, up to a tolerance, values."""
    ours, theirs = jax.tree.leaves(jax.tree.map(np.asarray, ours)), jax.tree.leaves(theirs)
    assert len(ours) == len(theirs)
    for a, b in zip(ours, map(np.asarray, theirs), strict=True):
        assert (a.dtype, a.shape) == (b.dtype, b.shape)
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


ACTIVATIONS: dict[str, Callable[[Any, Any], Any]] = {
    "relu": lambda n, x: n.relu(x),
    "relu6": lambda n, x: n.relu6(x),
    "gelu": lambda n, x: n.gelu(x),
    "gelu exact": lambda n, x: n.gelu(x, approximate=False),
    "silu": lambda n, x: n.silu(x),
    "swish": lambda n, x: n.swish(x),
    "softplus": lambda n, x: n.softplus(x),
    "sigmoid": lambda n, x: n.sigmoid(x),
    "hard_sigmoid": lambda n, x: n.hard_sigmoid(x),
    "hard_tanh": lambda n, x: n.hard_tanh(x),
    "hard_silu": lambda n, x: n.hard_silu(x),
    "log_sigmoid": lambda n, x: n.log_sigmoid(x),
    "leaky_relu": lambda n, x: n.leaky_relu(x, 0.1),
    "elu": lambda n, x: n.elu(x, 0.7),
    "celu": lambda n, x: n.celu(x, 0.7),
    "selu": lambda n, x: n.selu(x),
    "mish": lambda n, x: n.mish(x),
    "soft_sign": lambda n, x: n.soft_sign(x),
    "tanh": lambda n, x: n.tanh(x),
    "squareplus": lambda n, x: n.squareplus(x),
    "sparse_plus": lambda n, x: n.sparse_plus(x),
    "sparse_sigmoid": lambda n, x: n.sparse_sigmoid(x),
    "identity": lambda n, x: n.identity(x),
}


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_and_their_gradients(name: str) -> None:
    fun = ACTIVATIONS[name]
    wanted = jax.jit(lambda x: (fun(jax.nn, x), jax.grad(lambda y: fun(jax.nn, y).sum())(x)))(X)
    gradient = weft.grad(lambda x: fun(wn, x).sum())
    close((fun(wn, X), gradient(X)), wanted, 1e-11)
    close(weft.jit(lambda x: (fun(wn, x), gradient(x)))(X), wanted, 1e-11)
    single = np.asarray(fun(wn, X.astype(np.float32)))
    assert single.dtype == np.float32
    np.testing.assert_allclose(single, wanted[0], rtol=2e-5, atol=2e-6)
    close(weft.vmap(lambda x: fun(wn, x))(X), wanted[0], 1e-11)


def test_log1mexp() -> None:
    x = np.array([1e-12, 0.1, np.log(2), 1.0, 40.0])
    close(wn.log1mexp(x), np.log(-np.expm1(-x)), 1e-9)
    np.testing.assert_allclose(weft.grad(lambda x: wn.log1mexp(x).sum())(x), 1 / np.expm1(x), rtol=1e-12)


def test_gradients_at_kinks() -> None:
    assert float(weft.grad(wn.relu)(0.0)) == 0.0
    assert float(weft.grad(wn.hard_tanh)(1.0)) == 1.0
    assert float(weft.grad(wn.leaky_relu)(0.0)) == 1.0


def test_activations_of_integers_and_scalars() -> None:
    assert np.asarray(wn.relu(np.array([-1, 2]))).dtype == np.int64
    assert np.asarray(wn.sigmoid(np.array([-1, 2]))).dtype == np.float64
    assert weft.jit(lambda s, x: wn.silu(s) * x)(0.5, np.float32(1)).dtype == np.float32


def test_slopes_may_be_traced() -> None:
    ours = weft.grad(lambda a: wn.elu(X[1:6], a).sum() + wn.leaky_relu(X[1:6], a).sum())(0.3)
    close(
        ours,
        jax.jit(jax.grad(lambda a: jax.nn.elu(X[1:6], a).sum() + jax.nn.leaky_relu(X[1:6], a).sum()))(0.3),
    )


# Functions along axes

Y = np.random.RandomState(0).randn(3, 4, 5)
MASK = np.random.RandomState(1).rand(3, 4, 5) > 0.3
MASK[0, 0] = False

ALONG: dict[str, Callable[[Any, Any], Any]] = {
    "softmax": lambda n, x: n.softmax(x),
    "softmax of axes": lambda n, x: n.softmax(x, axis=(0, 2)),
    "softmax of all": lambda n, x: n.softmax(x, axis=None),
    "log_softmax": lambda n, x: n.log_softmax(x, axis=1),
    "logsumexp": lambda n, x: n.logsumexp(x),
    "logsumexp of an axis": lambda n, x: n.logsumexp(x, axis=1, keepdims=True),
    "logsumexp with factors": lambda n, x: n.logsumexp(x, axis=-1, b=np.arange(5.0)),
    "logsumexp with sign": lambda n, x: n.logsumexp(x, axis=1, b=np.arange(4.0)[:, None] - 1.5, return_sign=True),
    "logmeanexp": lambda n, x: n.logmeanexp(x, axis=1),
    "standardize": lambda n, x: n.standardize(x),
    "standardize given": lambda n, x: n.standardize(x, axis=(0, 1), mean=x.mean((0, 1)), variance=x.var((0, 1)), epsilon=0.1),
    "standardize about": lambda n, x: n.standardize(x, mean=0.1),
    "glu": lambda n, x: n.glu(x, axis=1),
    "softmax masked": lambda n, x: n.softmax(x, axis=(1, 2), where=MASK),
    "standardize masked": lambda n, x: n.standardize(x, axis=(1, 2), where=MASK),
}  # fmt: skip


@pytest.mark.parametrize("name", ALONG)
def test_along_axes(name: str) -> None:
    fun = ALONG[name]

    def both(lib: Any, module: Any) -> Any:
        def total(x: Any) -> Any:
            out = fun(module, x)
            out = out[0] if isinstance(out, tuple) else out
            return (out * out).sum()

        return lambda x: (fun(module, x), lib.grad(total)(x))

    module = jax.nn
    if name.startswith("logmeanexp") and not hasattr(jax.nn, "logmeanexp"):
        pytest.skip("this JAX has no logmeanexp")
    wanted = jax.jit(both(jax, module))(Y)
    close(both(weft, wn)(weft.device_put(Y)), wanted, 1e-10)
    close(weft.jit(both(weft, wn))(Y), wanted, 1e-10)


def test_masked_logarithms() -> None:
    ours, theirs = wn.log_softmax(Y, where=MASK), jax.nn.log_softmax(Y, where=MASK)
    np.testing.assert_allclose(np.asarray(ours)[1:], np.asarray(theirs)[1:], rtol=1e-12)
    assert np.asarray(ours)[0, 0].tolist() == [-np.inf] * 5
    with np.errstate(divide="ignore", invalid="ignore"):
        wanted = np.log(np.where(MASK, np.exp(Y), 0).sum(-1))
        mean = wanted - np.log(MASK.sum(-1))
    np.testing.assert_allclose(wn.logsumexp(Y, axis=-1, where=MASK), wanted, rtol=1e-12)
    np.testing.assert_allclose(
        wn.logmeanexp(Y[1:], -1, MASK[1:], keepdims=True), mean[1:, :, None], rtol=1e-12
    )


@pytest.mark.parametrize(("dtype", "units"), [(np.float64, 1), (np.float32, 1), (np.float16, 0)])
def test_softmax_is_the_quotient_within_a_unit(dtype: Any, units: int) -> None:
    x = np.random.RandomState(2).randn(50, 37).astype(dtype) * dtype(4)

    def both(x: Any) -> Any:
        powers = weft.numpy.exp(x - x.max(axis=1, keepdims=True))
        return wn.softmax(x), powers / powers.sum(axis=1, keepdims=True)

    ours, quotient = weft.jit(both)(x)
    np.testing.assert_array_max_ulp(np.asarray(ours), np.asarray(quotient), maxulp=units)


def test_softmax_does_not_overflow() -> None:
    x = np.array([1e4, 1e4 - 1, -np.inf])
    np.testing.assert_allclose(
        wn.softmax(x), [1 / (1 + np.exp(-1)), np.exp(-1) / (1 + np.exp(-1)), 0], rtol=1e-12
    )
    assert float(wn.logsumexp(np.array([-np.inf, -np.inf]))) == -np.inf
    assert float(wn.logsumexp(np.array([np.inf, 1.0]))) == np.inf
    assert float(wn.logsumexp(np.zeros(0))) == -np.inf
    assert np.asarray(wn.softmax(np.zeros((2, 0)))).shape == (2, 0)


def test_logsumexp_of_complex_numbers() -> None:
    z = Y[0] + 1j * Y[1]
    np.testing.assert_allclose(wn.logsumexp(z, axis=1), np.log(np.exp(z).sum(1)), rtol=1e-12)
    np.testing.assert_allclose(
        weft.jit(lambda z: wn.logsumexp(z, axis=1))(z), np.log(np.exp(z).sum(1)), rtol=1e-12
    )


def test_a_negative_sum_has_no_logarithm() -> None:
    assert np.isnan(float(wn.logsumexp(np.zeros(2), b=np.array([-2.0, 1.0]))))


@pytest.mark.parametrize("axis", [-1, 0, 1])
def test_one_hot(axis: int) -> None:
    x = np.array([[0, 2, -1], [3, 1, 9]])
    close(wn.one_hot(x, 4, axis=axis), jax.nn.one_hot(x, 4, axis=axis))
    close(
        weft.jit(lambda x: wn.one_hot(x, 4, axis=axis, dtype=np.int32))(x),
        jax.nn.one_hot(x, 4, axis=axis, dtype=np.int32),
    )


# Initializers

KEY, JAX_KEY = wr.key(11), jr.PRNGKey(11)
SCHEMES = [
    *[
        (name, ())
        for name in ("glorot_uniform", "glorot_normal", "xavier_uniform", "xavier_normal", "lecun_uniform")
    ],
    *[
        (name, ())
        for name in ("lecun_normal", "he_uniform", "he_normal", "kaiming_uniform", "kaiming_normal")
    ],
    *[(name, ()) for name in ("uniform", "normal", "truncated_normal", "orthogonal")],
    ("variance_scaling", (3.0, "fan_out", "normal")),
    ("variance_scaling", (3.0, "fan_geo_avg", "uniform")),
    ("constant", (2.5,)),
]


@pytest.mark.parametrize(("name", "args"), SCHEMES)
def test_initializers(name: str, args: Any) -> None:
    ours, theirs = (getattr(lib.initializers, name)(*args) for lib in (wn, jax.nn))
    theirs = jax.jit(theirs, static_argnums=(1, 2))
    close(ours(KEY, (4, 6)), theirs(JAX_KEY, (4, 6)), 1e-12)
    close(ours(KEY, (3, 2, 6, 4), np.float32), theirs(JAX_KEY, (3, 2, 6, 4), np.float32), 3e-5)
    close(weft.jit(lambda k: ours(k, (4, 6)))(KEY), theirs(JAX_KEY, (4, 6)), 1e-12)


@pytest.mark.parametrize("distribution", ["normal", "uniform", "truncated_normal"])
def test_complex_variance_scaling(distribution: str) -> None:
    ours, theirs = (
        lib.initializers.variance_scaling(1.0, "fan_in", distribution, dtype=np.complex128)
        for lib in (wn, jax.nn)
    )
    close(ours(KEY, (4, 6)), theirs(JAX_KEY, (4, 6)), 1e-12)


@pytest.mark.parametrize("shape", [(4, 6), (6, 4), (3, 4, 6), (0, 3)])
def test_complex_orthogonal(shape: tuple[int, ...]) -> None:
    ours, theirs = (lib.initializers.orthogonal(dtype=np.complex128) for lib in (wn, jax.nn))
    close(ours(KEY, shape), theirs(JAX_KEY, shape), 1e-12)


def test_zeros_and_ones() -> None:
    close(wn.initializers.zeros(KEY, (2,), np.float32), np.zeros(2, np.float32))
    close(wn.initializers.ones(KEY, (2,)), np.ones(2))


def test_delta_orthogonal() -> None:
    weights = np.asarray(wn.initializers.delta_orthogonal()(KEY, (3, 4, 2, 5)))
    np.testing.assert_allclose(weights[1, 1] @ weights[1, 1].T, np.eye(2), atol=1e-12)
    assert np.count_nonzero(weights.any(axis=(2, 3))) == 1
    close(weights, jax.nn.initializers.delta_orthogonal()(JAX_KEY, (3, 4, 2, 5)), 1e-12)


# Dtypes and algorithms


@pytest.mark.parametrize("name", ["identity", "hard_tanh", "relu", "hard_sigmoid", "selu", "softplus"])
@pytest.mark.parametrize("dtype", ["int32", "float32", "float64"])
def test_dtypes_of_activations(name: str, dtype: str) -> None:
    x = np.array([-4, -1, 0, 1, 3], dtype)
    ours, theirs = getattr(wn, name)(x), getattr(jax.nn, name)(x)
    kept = name in ("identity", "hard_tanh", "relu") or x.dtype.kind == "f"
    assert ours.dtype == (theirs.dtype if kept else np.float64)
    np.testing.assert_allclose(ours, np.asarray(theirs), rtol=1e-6)


@pytest.mark.parametrize("algorithm", ["fast", "stable"])
def test_algorithms_of_standardize(algorithm: str) -> None:
    close(wn.standardize(Y, algorithm=algorithm), jax.nn.standardize(Y, algorithm=algorithm))
    about = {"mean": Y.mean(-1, keepdims=True) + 0.1, "algorithm": algorithm}
    close(wn.standardize(Y, **about), jax.nn.standardize(Y, **about))
    assert np.isfinite(wn.standardize(Y, mean=100.0, algorithm=algorithm)).all()


# Errors


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: wn.relu("a"), ArgumentError, r"x of nn\.relu is 'a' of type builtins\.str"),
        (lambda: wn.softmax(Y, axis=3), AxisError, r"nn\.softmax got axis 3"),
        (lambda: wn.glu(Y), ShapeError, r"nn\.glu halves axis 2 of shape \(3, 4, 5\): its length must be even"),
        (lambda: wn.standardize(Y, algorithm="slow"), ArgumentError, r"'fast' and 'stable', got 'slow'"),
        (lambda: wn.one_hot(1j * Y, 3), DTypeError, r"nn\.one_hot takes positions, got dtype complex128"),
        (lambda: wn.one_hot(Y, 2.5), ArgumentError, r"nn\.one_hot got num_classes=2\.5: it must be an integer"),
        (lambda: wn.initializers.he_normal()(KEY, (3,)), ShapeError, r"two axes at least, got shape \(3,\)"),
        (lambda: wn.initializers.variance_scaling(1.0, "fan", "normal"), ArgumentError, r"modes fan_in, .*; got 'fan'"),
        (lambda: wn.initializers.variance_scaling(1.0, "fan_in", "n"), ArgumentError, r"distributions .*; got 'n'"),
        (lambda: wn.initializers.orthogonal()(KEY, (3,)), ShapeError, r"two axes at least, got shape \(3,\)"),
        (lambda: wn.initializers.delta_orthogonal()(KEY, (3, 4)), ShapeError, r"1 to 3 axes of window"),
    ],
)  # fmt: skip
def test_errors(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()
