"""`weft.config.promotion` and `weft.config.default_float`: JAX's lattice with weak types, held against JAX itself."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import weft
import weft.numpy as wnp
from weft import config
from weft.engine import promotion
from weft.ir.errors import ArgumentError
from weft.ir.types import SHORT_NAMES

DTYPES = list(SHORT_NAMES)
NAMES = [d.name for d in DTYPES]
SCALARS: list[Any] = [2, 2.5, 1j]
F32, F64 = np.dtype(np.float32), np.dtype(np.float64)


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    yield
    config.update(promotion="numpy", default_float=np.float64)


@pytest.fixture
def as_jax() -> None:
    config.promotion = "jax"


def ours(x: Any) -> np.ndarray:
    return np.asarray(x)


def every_way(fun: Callable[..., Any], *args: Any) -> list[np.dtype]:
    """The dtype of a result eagerly, compiled, and under vmap."""
    arrays = [a if isinstance(a, int | float | complex) else wnp.asarray(a) for a in args]
    shapes = weft.eval_shape(fun, *arrays)
    return [fun(*arrays).dtype, shapes.dtype]


def test_all_pairs_of_dtypes_and_kinds(as_jax: None) -> None:
    for a, b in itertools.product(DTYPES, DTYPES):
        assert wnp.promote_types(a, b) == jnp.promote_types(a, b), (a, b)
        assert wnp.result_type(a, b) == jnp.result_type(a, b), (a, b)
        assert wnp.result_type(wnp.ones(2, a), wnp.ones(2, b), 1.0) == jnp.result_type(a, b, 1.0), (a, b)
    for a, s in itertools.product(DTYPES, SCALARS):
        assert wnp.result_type(a, s) == jnp.result_type(a, s), (a, s)
        theirs = jnp.zeros((), a) + s
        assert promotion.common((a,), np.asarray(s).dtype.kind) == (theirs.dtype, theirs.weak_type), (a, s)


BINARY = [
    "add", "multiply", "true_divide", "floor_divide", "maximum", "power", "equal", "less", "hypot", "logaddexp", "arctan2",
    "bitwise_and", "logical_or", "left_shift",
]  # fmt: skip


@pytest.mark.parametrize("name", BINARY)
def test_functions_of_two(as_jax: None, name: str) -> None:
    for a, b in itertools.product(DTYPES, DTYPES):
        x, y = np.ones(2, a), np.ones(2, b)
        try:
            want = jax.eval_shape(getattr(jnp, name), x, y).dtype
            getattr(np, name)(x.astype(_stand_in(a)), y.astype(_stand_in(b)))
        except (TypeError, ValueError):
            continue  # one of them refuses
        assert every_way(getattr(wnp, name), x, y) == [want, want], (a, b)


def _stand_in(dtype: np.dtype) -> np.dtype:
    return F32 if dtype.kind == "V" else dtype


@pytest.mark.parametrize("name", ["add", "multiply", "true_divide", "maximum", "equal", "power", "arctan2"])
def test_functions_with_a_number(as_jax: None, name: str) -> None:
    for a, s in itertools.product(DTYPES, SCALARS):
        if (name, a.kind) == ("power", "b"):
            continue  # int32 in JAX, int64 in its own tables
        try:
            want = jax.eval_shape(lambda x, s=s: getattr(jnp, name)(x, s), np.ones(2, a)).dtype
            getattr(np, name)(np.ones(2, _stand_in(a)), s)
        except (TypeError, ValueError):
            continue
        got = every_way(lambda x, s=s: getattr(wnp, name)(x, s), np.ones(2, a))
        assert got == [want, want], (a, s)


UNARY = [
    "sin", "sqrt", "exp", "negative", "absolute", "square", "sign", "isnan", "imag", "real", "floor", "mean", "var", "sum",
    "prod", "max", "cumsum", "median", "sort", "argmax", "zeros_like", "transpose", "sinc", "cov", "trapezoid", "diff",
]  # fmt: skip


@pytest.mark.parametrize("name", UNARY)
def test_functions_of_one(as_jax: None, name: str) -> None:
    for a in DTYPES:
        x = np.ones((2, 2), a)
        try:
            want = jax.eval_shape(getattr(jnp, name), x).dtype
        except (TypeError, ValueError):
            continue
        try:
            got = every_way(getattr(wnp, name), x)
        except TypeError:
            assert a.kind in "bc", (
                name,
                a,
            )  # what NumPy refuses: the sign of bool, the floor of complex numbers
            continue
        assert got == [want, want], a


JOINING: list[Callable[..., Any]] = [
    lambda m: lambda x, y: m.concatenate([x, y]),
    lambda m: lambda x, y: m.where(x > 0, x, y),
    lambda m: m.dot,
]


def test_joining_and_choosing(as_jax: None) -> None:
    for a, b in itertools.product(DTYPES, DTYPES):
        x, y = np.ones(2, a), np.ones(2, b)
        for fun in JOINING:
            want = jax.eval_shape(fun(jnp), x, y).dtype
            assert every_way(fun(wnp), x, y) == [want, want], (a, b)


def test_results_of_numbers_alone_are_weak_in_traces(as_jax: None) -> None:
    x = np.ones(2, np.float32)
    for fun in (
        lambda m: lambda x, s: x * m.sin(s),
        lambda m: lambda x, s: x + s * 2,
        lambda m: lambda x, s: m.sqrt(m.exp(s)) - x,
        lambda m: lambda x, s: x * (m.asarray([1, 2]) * s),
    ):
        want = jax.eval_shape(fun(jnp), x, 2.0).dtype
        assert weft.eval_shape(fun(wnp), x, 2.0).dtype == want == F32


def test_values_are_right(as_jax: None) -> None:
    x, y = np.array([1, 2, 3]), np.array([0.5, 1.5, 2.5], np.float32)
    assert ours(wnp.asarray(x) + wnp.asarray(y)).tolist() == [1.5, 3.5, 5.5]
    assert (wnp.asarray(x) * wnp.asarray(y)).dtype == F32
    assert ours(weft.jit(lambda x, y: x / y)(x, y)).tolist() == pytest.approx([2, 4 / 3, 1.2])
    assert ours(weft.grad(lambda y: (wnp.sin(y) * x).sum())(y)).tolist() == pytest.approx(list(np.cos(y) * x))
    assert ours(wnp.unique(wnp.asarray([3, 1, 3]))).tolist() == [1, 3]
    assert ours(wnp.nonzero(wnp.asarray([0, 2]))[0]).tolist() == [1]
    assert ours(wnp.linalg.solve(wnp.eye(2) * 2, wnp.ones(2))).tolist() == [0.5, 0.5]


def test_a_change_forgets_what_was_traced() -> None:
    f = weft.jit(lambda x, y: x * y)
    x, y = np.ones(2, np.int64), np.ones(2, np.float32)
    assert f(x, y).dtype == F64
    config.promotion = "jax"
    assert (config.promotion, f(x, y).dtype) == ("jax", F32)
    config.promotion = "numpy"
    assert f(x, y).dtype == F64 and (wnp.asarray(x) * wnp.asarray(y)).dtype == F64
    g = weft.jit(lambda s: wnp.sin(s))
    assert g(1.0).dtype == F64
    config.default_float = "float32"
    assert g(1.0).dtype == F32 and config.default_float == F32


MAKERS: dict[str, Callable[[], Any]] = {
    "a number": lambda: wnp.asarray(1.5),
    "nested lists": lambda: wnp.array([[1.5], [2]]),
    "zeros": lambda: wnp.zeros(2),
    "ones": lambda: wnp.ones(2),
    "empty": lambda: wnp.empty(2),
    "full": lambda: wnp.full(2, 0.5),
    "eye": lambda: wnp.eye(2),
    "tri": lambda: wnp.tri(2),
    "identity": lambda: wnp.identity(2),
    "linspace": lambda: wnp.linspace(0, 1, 3),
    "linspace of arrays": lambda: wnp.linspace(wnp.asarray([1, 2]), 3, 3),
    "geomspace": lambda: wnp.geomspace(1, 4, 3),
    "logspace": lambda: wnp.logspace(0, 1, 3),
    "arange": lambda: wnp.arange(0.0, 1.0, 0.25),
    "sin of integers": lambda: wnp.sin(wnp.asarray([1, 2])),
    "division": lambda: wnp.asarray([1, 2]) / 2,
    "a float beside integers": lambda: wnp.asarray([1, 2]) + 0.5,
    "mean": lambda: wnp.mean(wnp.asarray([1, 2])),
    "var": lambda: wnp.var(wnp.asarray([1, 2])),
    "median": lambda: wnp.median(wnp.asarray([1, 2])),
    "average": lambda: wnp.average(wnp.asarray([1, 2])),
    "cov": lambda: wnp.cov(wnp.asarray([1, 2, 4])),
    "interp": lambda: wnp.interp(1.5, wnp.asarray([1, 2]), wnp.asarray([3, 4])),
    "sinc": lambda: wnp.sinc(wnp.asarray([1, 2])),
    "hanning": lambda: wnp.hanning(4),
    "real parts of a transform": lambda: wnp.fft.fft(wnp.asarray([1, 2])).real,
    "solve": lambda: wnp.linalg.solve(wnp.asarray([[2, 0], [0, 1]]), wnp.asarray([1, 2])),
    "uniform": lambda: weft.random.uniform(weft.random.key(0)),
    "normal": lambda: weft.random.normal(weft.random.key(0), (2,)),
    "an initializer": lambda: weft.nn.initializers.normal()(weft.random.key(0), (2,)),
}


@pytest.mark.parametrize("rules", ["numpy", "jax"])
@pytest.mark.parametrize("what", MAKERS)
def test_the_default_float(what: str, rules: str) -> None:
    config.update(promotion=rules)
    wide = ours(MAKERS[what]())
    assert wide.dtype == F64
    config.default_float = np.float32
    narrow = ours(MAKERS[what]())
    assert narrow.dtype == F32 and ours(weft.jit(MAKERS[what])()).dtype == F32
    if (
        "form" not in what and "norm" not in what and "initial" not in what
    ):  # random numbers depend on their width
        np.testing.assert_allclose(narrow, wide, rtol=1e-5, atol=1e-6)


def test_dtypes_that_were_given_stay() -> None:
    config.default_float = "float32"
    x = np.ones(2)
    assert wnp.asarray(x).dtype == F64 and (wnp.asarray(x) + 1.5).dtype == F64
    assert weft.jit(lambda x: wnp.sin(x) * 2.0)(x).dtype == F64
    assert wnp.zeros(2, np.float64).dtype == F64 and wnp.asarray([1.5], dtype="float64").dtype == F64
    assert (wnp.ones(2, np.int8) + 1.5).dtype == F32 and wnp.asarray(1 + 2j).dtype == np.complex64
    assert weft.grad(lambda s: wnp.sin(s))(1.0).dtype == F32


@pytest.mark.parametrize("rules", ["numpy", "jax"])
@pytest.mark.parametrize("name", ["linspace", "logspace", "geomspace"])
def test_lines_of_a_dtype_that_was_asked_for_are_computed_in_it(name: str, rules: str) -> None:
    config.update(promotion=rules, default_float="float32")
    start, stop = 1 / 3, 8 / 3
    for dtype in (np.float64, np.complex128):
        wanted = getattr(np, name)(start, stop, 5, dtype=dtype)
        for way in (lambda call: call, weft.jit):
            found = ours(way(lambda dtype=dtype: getattr(wnp, name)(start, stop, 5, dtype=dtype))())
            assert found.dtype == dtype
            np.testing.assert_allclose(found, wanted, rtol=1e-14)
    if rules == "numpy":  # where integers and floats of 32 bits meet in 64
        assert wnp.linspace(2**24 + 1, 0, 3, dtype=np.int64).tolist() == [2**24 + 1, 2**23, 0]


def test_errors() -> None:
    with pytest.raises(ArgumentError, match="promotion is 'numpy' or 'jax', got 'torch'"):
        config.promotion = "torch"
    with pytest.raises(ArgumentError, match="default_float is float32 or float64, got float16"):
        config.update(default_float="float16")
    assert config.read("promotion") == "numpy" and config.read("default_float") == F64
