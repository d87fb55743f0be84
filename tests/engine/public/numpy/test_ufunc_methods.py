"""`reduce`, `accumulate`, `reduceat`, `outer` and `at` of every universal function, against NumPy's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import weft
import weft.numpy as wnp
from tests.engine.public.numpy.checks import agree, eager, reference, same, sample, staged
from weft.ir.errors import ArgumentError
from weft.numpy.ufuncs import FUNCTIONS, UFUNCS

BINARY = [u for u in UFUNCS if u.nin == 2 and u.nout == 1]
ROUGH = {"float_power", "power", "logaddexp", "logaddexp2", "hypot", "arctan2"}


def accepts(ufunc: np.ufunc, dtype: str) -> bool:
    try:
        ufunc.reduce(np.ones((3, 4), dtype))
    except TypeError:
        return False
    return True


def compare(ufunc: np.ufunc, method: str, *args: Any, **kwargs: Any) -> None:
    """NumPy's result, or its refusal, eagerly and traced."""
    ours = getattr(getattr(wnp, ufunc.__name__), method)
    theirs = getattr(ufunc, method)
    run = lambda f: lambda *xs: f(*xs, **kwargs)  # noqa: E731
    try:
        want = reference(run(theirs), *args)
    except (TypeError, ValueError, IndexError) as refused:
        for how in (eager, staged):
            with pytest.raises(Exception) as raised:
                how(run(ours), *args)
            assert isinstance(raised.value, weft.errors.WeftError), (how, raised.value, refused)
        return
    rtol = None
    if ufunc.__name__ in ROUGH:
        rtol = {"float16": 8e-3, "float64": 1e-9}.get(np.asarray(want).dtype.name, 1e-4)
    same(eager(run(ours), *args), want, f"eager {method}", rtol)
    same(staged(run(ours), *args), want, f"staged {method}", rtol)


def test_they_are_universal_functions() -> None:
    for name, function in FUNCTIONS.items():
        ufunc = getattr(np, name, None) or function.ufunc
        assert isinstance(function, wnp.ufunc), name
        assert (function.nin, function.nout, function.nargs) == (ufunc.nin, ufunc.nout, ufunc.nargs)
        assert function.identity == ufunc.identity
    assert not isinstance(wnp.sum, wnp.ufunc) and not isinstance(np.add, wnp.ufunc)


@pytest.mark.parametrize("dtype", ["bool", "int32", "uint8", "float32", "float64", "complex64"])
@pytest.mark.parametrize("ufunc", BINARY, ids=lambda u: u.__name__)
def test_folds(ufunc: np.ufunc, dtype: str) -> None:
    if not accepts(ufunc, dtype):
        pytest.skip("NumPy has no such loop")
    x = sample(dtype, (3, 4), 1, 3)
    compare(ufunc, "reduce", x)
    compare(ufunc, "accumulate", x, axis=1)
    compare(ufunc, "reduceat", x, np.array([1, 0, 2, 2]), axis=0)


@pytest.mark.parametrize("ufunc", BINARY, ids=lambda u: u.__name__)
def test_options_of_reduce(ufunc: np.ufunc) -> None:
    dtype = "float64" if accepts(ufunc, "float64") else "int64"
    x, where = sample(dtype, (2, 3, 2), 1, 3), sample("bool", (2, 3, 2))
    compare(ufunc, "reduce", x, axis=-1, keepdims=True)
    compare(ufunc, "reduce", x, axis=(0, 2))
    compare(ufunc, "reduce", x, axis=None)
    compare(ufunc, "reduce", x, axis=1, initial=2)
    compare(ufunc, "reduce", x, axis=1, initial=1, where=where)
    compare(ufunc, "reduce", x, axis=1, where=where)
    compare(ufunc, "reduce", x[:, :0], axis=1)
    compare(ufunc, "reduce", np.asarray(x[0, 0, 0]), axis=0)
    compare(ufunc, "reduce", x, axis=())


@pytest.mark.parametrize("ufunc", BINARY, ids=lambda u: u.__name__)
def test_outer_and_at(ufunc: np.ufunc) -> None:
    if ufunc is np.ldexp:
        pytest.skip("its arguments differ in dtype, so that it changes none in place")
    dtype = "float64" if accepts(ufunc, "float64") else "int64"
    x, y = sample(dtype, (2, 3), 1, 3), sample(dtype, (4,), 1, 3)
    compare(ufunc, "outer", x, y)
    indices = np.array([1, 0, 1, 1])

    def ours(x: Any, y: Any) -> Any:
        return getattr(wnp, ufunc.__name__).at(x, (indices, 2), y, inplace=False)

    def theirs(x: Any, y: Any) -> Any:
        out = x.copy()
        ufunc.at(out, (indices, 2), y)
        return out

    want = reference(theirs, x, y)
    same(eager(ours, x, y), want, "eager at")
    same(staged(ours, x, y), want, "staged at", 1e-9)


def test_at_of_one_argument() -> None:
    agree(lambda m: lambda x: at_negative(m, x), np.arange(4.0))


def at_negative(module: Any, x: Any) -> Any:
    if module is np:
        x = x.copy()
        np.negative.at(x, [0, 2, 2])
        return x
    return wnp.negative.at(x, [0, 2, 2], inplace=False)


def test_reduceat_with_traced_indices() -> None:
    x, indices = sample("float64", (9, 2)), np.array([0, 4, 1, 7])
    same(staged(wnp.add.reduceat, x, indices), np.add.reduceat(x, indices), "traced indices")
    same(staged(wnp.maximum.reduceat, x, indices), np.maximum.reduceat(x, indices), "traced indices")


def test_under_transformations() -> None:
    x = sample("float64", (3, 4), 1, 2)
    slopes = weft.jit(weft.grad(lambda x: wnp.multiply.reduce(x, axis=None)))(x)
    np.testing.assert_allclose(slopes, x.prod() / x)
    slopes = weft.grad(lambda x: wnp.divide.reduce(x)[0])(x)
    np.testing.assert_allclose(slopes[1, 0], -x[0, 0] / x[1, 0] ** 2 / x[2, 0])
    np.testing.assert_allclose(weft.vmap(wnp.subtract.accumulate)(x), np.subtract.accumulate(x, axis=1))


def test_numpys_methods_take_these_arrays() -> None:
    x = sample("float64", (3, 4), 1, 2)
    for ufunc in (np.add, np.logaddexp, np.subtract):
        same(staged(ufunc.reduce, x), ufunc.reduce(x), "reduce")
        same(staged(lambda x, u=ufunc: u.accumulate(x, axis=1), x), ufunc.accumulate(x, axis=1), "accumulate")
        same(staged(lambda x, u=ufunc: u.outer(x, x), x), ufunc.outer(x, x), "outer")


def test_functions_of_ones_own() -> None:
    f = wnp.frompyfunc(lambda x, y: x * y + 1, 2, 1, identity=0)
    assert isinstance(f, wnp.ufunc) and (f.nin, f.nout, f.identity) == (2, 1, 0)
    x, y = wnp.arange(6.0).reshape(2, 3), wnp.arange(3.0)
    np.testing.assert_allclose(f(x, y), np.asarray(x) * np.asarray(y) + 1)
    np.testing.assert_allclose(weft.jit(f.outer)(y, y), np.outer(y, y) + 1)
    np.testing.assert_allclose(
        f.reduce(x, axis=1), (np.asarray(x)[:, 0] * np.asarray(x)[:, 1] + 1) * np.asarray(x)[:, 2] + 1
    )
    np.testing.assert_allclose(f.accumulate(y), [0, 1, 3])
    two = wnp.frompyfunc(lambda x: (x, x + 1), 1, 2)
    np.testing.assert_allclose(two(y)[1], [1, 2, 3])


def test_errors() -> None:
    x = wnp.ones(3)
    with pytest.raises(ArgumentError, match=r"add.at works in place.*inplace=False"):
        wnp.add.at(x, [0], 1)
    with pytest.raises(ArgumentError, match=r"sin.reduce is for functions of two arguments"):
        weft.jit(wnp.sin.reduce)(x)
    with pytest.raises(ArgumentError, match=r"out="):
        wnp.add.accumulate(x, out=x)
    with pytest.raises(ArgumentError, match=r"is to give 2 results"):
        wnp.frompyfunc(lambda x: x, 1, 2)(x)
