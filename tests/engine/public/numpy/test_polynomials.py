from __future__ import annotations

import jax
import numpy as np
import pytest

import weft
import weft.numpy as wnp
from tests.engine.public.numpy.checks import agree, eager, sample, staged
from weft.ir.errors import ArgumentError, ConcretizationError, ShapeError

DTYPES = ["int32", "uint8", "float32", "float64", "complex128"]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["polyadd", "polysub", "polymul"])
def test_arithmetic(name: str, dtype: str) -> None:
    one, two = sample(dtype, (4,), 1, 5), sample("float32" if dtype == "float64" else dtype, (6,), 1, 5)
    one[0] = two[0] = 1
    agree(name, one, two)
    agree(name, two, one)
    agree(name, one, np.asarray(one[0]))


@pytest.mark.parametrize("dtype", ["int32", "float32", "float64", "complex128"])
def test_division(dtype: str) -> None:
    u, v = sample(dtype, (7,), 1, 5), sample(dtype, (3,), 1, 5)
    v[0] = 2
    _, rest = np.polydiv(u, v)
    agree(lambda m: lambda a, b: m.polydiv(a, b)[0], u, v, rtol=1e-4)
    traced = staged(wnp.polydiv, u, v)
    assert traced[1].shape == (7,) and traced[1].dtype == rest.dtype
    np.testing.assert_allclose(traced[1][-len(rest) :], rest, rtol=1e-3, atol=1e-4)
    agree("polydiv", v, u)  # nothing to divide


@pytest.mark.parametrize("dtype", DTYPES)
def test_calculus(dtype: str) -> None:
    p = sample(dtype, (5,), 1, 5)
    for m in (0, 1, 2, 7):
        agree("polyder", p, m=m)
    for m in (0, 1, 3):
        agree("polyint", p, m=m)
    agree(lambda np: lambda p: np.polyint(p, 2, [1.5, 2]), p)
    agree(lambda np: lambda p: np.polyint(p, 2, 3), p)


def ordered(x: np.ndarray) -> np.ndarray:
    return np.asarray(x)[np.lexsort((np.imag(x).round(6), np.real(x).round(6)))]


@pytest.mark.parametrize(
    "p", [[1.0, -6, 11, -6], [2.0, 0, 3], [0.0, 0, 1, 2, 0, 0], [3, 1], [4.0], [1, 2j, -3]]
)
def test_roots(p: list) -> None:
    want = np.roots(p)
    p = np.asarray(p)
    np.testing.assert_allclose(eager(wnp.roots, p), want, rtol=1e-10)
    if p[0] != 0:
        got = staged(lambda p: wnp.roots(p, strip_zeros=False), p)
        assert got.shape == (len(p) - 1,)
        np.testing.assert_allclose(ordered(got), ordered(want), rtol=1e-10, atol=1e-12)
    with pytest.raises(ConcretizationError, match="strip_zeros=False"):
        weft.jit(wnp.roots)(p)


def test_from_roots() -> None:
    agree("poly", np.array([1.0, 2.5, -3]))
    agree("poly", np.array([2, 3]))
    agree("poly", np.array([1j, 2]))
    agree("poly", np.array([1.0, 2], "float32"))
    matrix = sample("float64", (4, 4))
    np.testing.assert_allclose(eager(wnp.poly, matrix), np.poly(matrix), rtol=1e-9)
    np.testing.assert_allclose(staged(wnp.poly, matrix), np.poly(matrix), rtol=1e-9, atol=1e-9)
    with pytest.raises(ShapeError, match="poly takes a vector"):
        wnp.poly(wnp.ones((2, 3)))


@pytest.mark.parametrize("columns", [(), (3,)])
def test_fit(columns: tuple) -> None:
    x, w = sample("float64", (20,)), sample("float64", (20,), 1, 2)
    y = sample("float64", (20, *columns))
    agree("polyfit", x, y, deg=3, rtol=1e-8)
    agree("polyfit", x, y, deg=2, w=w, rtol=1e-8)
    agree("polyfit", x, y, deg=2, cov=True, rtol=1e-8)
    agree("polyfit", x, y, deg=2, cov="unscaled", rtol=1e-8)
    agree(lambda m: lambda x, y: m.polyfit(x, y, 2, full=True)[:4], x, y, rtol=1e-8)


def test_derivatives_are_those_of_jax() -> None:
    x, y, p = sample("float64", (9,)), sample("float64", (9,)), sample("float64", (4,), 1, 3)
    for ours, theirs, args in [
        (lambda x, y: wnp.polyfit(x, y, 2).sum(), lambda x, y: jax.numpy.polyfit(x, y, 2).sum(), (x, y)),
        (lambda p, q: wnp.polydiv(p, q)[0].sum(), lambda p, q: jax.numpy.polydiv(p, q)[0].sum(), (y, p)),
        (lambda z, q: (wnp.poly(z) ** 2).sum(), lambda z, q: (jax.numpy.poly(z) ** 2).sum(), (p, p)),
    ]:
        with jax.enable_x64():
            want = jax.jit(jax.grad(theirs, (0, 1)))(*args)
        for got, w in zip(weft.grad(ours, (0, 1))(*args), want, strict=True):
            np.testing.assert_allclose(got, w, rtol=1e-7, atol=1e-9)


def test_errors() -> None:
    x = wnp.ones(4)
    with pytest.raises(ArgumentError, match="deg=-1: a degree is not negative"):
        weft.jit(lambda x: wnp.polyfit(x, x, -1))(x)
    with pytest.raises(ShapeError, match=r"got \(4,\) and \(3,\)"):
        wnp.polyfit(x, x[:3], 1)
    with pytest.raises(ArgumentError, match="order of a derivative"):
        weft.jit(lambda x: wnp.polyder(x, -1))(x)
    with pytest.raises(ShapeError, match="polyint got 2 constants for m=3"):
        weft.jit(lambda x: wnp.polyint(x, 3, [1, 2]))(x)
