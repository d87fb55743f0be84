from __future__ import annotations

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest

from tests.ir.ops.rule_checks import check_batch, check_derivatives, check_staged, trace
from weft.ir.errors import DTypeError, ShapeError
from weft.ir.interpret import evaluate
from weft.ir.ops import bits
from weft.ir.ops import elementwise as e
from weft.ir.passes.jvp import jvp
from weft.ir.types import DTYPES

rng = np.random.default_rng(0)
X, Y = rng.normal(size=(2, 3)), rng.normal(size=(2, 3)) + 3
Z, W = X + 1j * Y, Y - 2j * X


def tangent(fun, primals, tangents):
    """Forward mode's tangent of a function of one result."""
    graph = trace(fun, *primals)
    return evaluate(jvp(graph, (True,) * len(primals)), *primals, *tangents)[1]


def compare_tangent(fun, theirs, primals, tangents):
    """Forward mode against JAX's."""
    _, expected = jax.jvp(
        jax.jit(theirs), tuple(map(jnp.asarray, primals)), tuple(map(jnp.asarray, tangents))
    )
    np.testing.assert_allclose(tangent(fun, primals, tangents), expected, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("fun", [e.add, e.sub, e.mul, e.div, e.power], ids=lambda f: f.__name__)
def test_arithmetic_differentiates(fun):
    check_derivatives(fun, Y, X)
    check_derivatives(fun, W, Z, tol=1e-5)
    check_derivatives(fun, np.zeros((0, 2)) + 1, np.zeros((0, 2)))
    check_batch(fun, Y, X)


@pytest.mark.parametrize("fun", [e.maximum, e.minimum, e.mod, e.rem, bits.copysign], ids=lambda f: f.__name__)
def test_ordered_arithmetic_differentiates(fun):
    check_derivatives(fun, X, Y)
    check_derivatives(fun, -X * 9, Y)
    check_batch(fun, X, Y)


def test_operands_of_one_shape_and_dtype():
    for fun in (e.add, e.maximum, e.eq):
        with pytest.raises(ShapeError, match=r"got arguments of different shapes: f64\[2,3\], f64\[3\]"):
            trace(fun, X, X[0])
        with pytest.raises(DTypeError, match=r"got arguments of different dtypes: f64\[2,3\], f32\[2,3\]"):
            trace(fun, X, X.astype(np.float32))
    with pytest.raises(
        DTypeError, match="lt does not accept dtype complex128: its arguments must be ordered"
    ):
        trace(e.lt, Z, Z)
    with pytest.raises(DTypeError, match="sub does not accept dtype bool"):
        trace(e.sub, X > 0, X > 0)


# powers


def test_power_at_zero_as_jax():
    x, y = np.array([0.0, 0, 0, 0, 2, -2, -2]), np.array([0.0, 1, 2, 3.5, 0, 3, 2])
    one = np.ones(7)
    _, expected = jax.jvp(jax.jit(lambda x: jax.lax.pow(x, y)), (jnp.asarray(x),), (one,))
    _, found = evaluate(jvp(trace(e.power, x, y), (True, False)), x, y, one)
    assert found[0] == 0  # x**0 is constant; JAX gives NaN at 0
    np.testing.assert_allclose(found[1:], expected[1:], rtol=1e-14)
    out = tangent(e.power, (x[:5], y[:5]), (one[:5], one[:5]))
    assert np.isfinite(out).all()
    check_derivatives(lambda x: e.power(x, 2.0), np.zeros(2), order=2)


@pytest.mark.parametrize("y", [-3, -1, 0, 1, 2, 7])
def test_integer_pow(y):
    fun = lambda x: e.integer_pow(x, y)  # noqa: E731
    for x in (Y, W):
        np.testing.assert_allclose(check_staged(fun, x)[0], x**y, rtol=1e-13)
        check_derivatives(fun, x, tol=1e-5)
    if y >= 0:
        check_derivatives(fun, np.zeros(2))
        np.testing.assert_array_equal(fun(np.array([3, -2], np.int8)), np.array([3, -2], np.int8) ** y)


# integers

INTEGERS = sorted(name for name, dtype in DTYPES.items() if dtype.kind in "iu")


@pytest.mark.parametrize("name", INTEGERS)
def test_integer_division(name):
    dtype = DTYPES[name]
    low = int(np.iinfo(dtype).min)
    pairs = [(a, b) for a in (7, -7, 0, low, low + 1, 120) for b in (3, -3, 2, 0, -1, 1)]
    pairs = [(a, b) for a, b in pairs if min(a, b) >= low and (a, b) != (low, -1)]
    x, y = (np.array(side, dtype) for side in zip(*pairs, strict=True))
    (floor,), (quotient,) = check_staged(e.floor_div, x, y), check_staged(e.int_div, x, y)
    (mod,), (rem,) = check_staged(e.mod, x, y), check_staged(e.rem, x, y)
    for i, (a, b) in enumerate(pairs):
        if b == 0:
            assert floor[i] == 0 and quotient[i] == 0
            continue
        towards_zero = abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)
        assert (floor[i], quotient[i]) == (a // b, towards_zero)
        assert (mod[i], rem[i]) == (a % b, a - towards_zero * b)


@pytest.mark.parametrize("name", INTEGERS)
def test_bits(name):
    dtype = DTYPES[name]
    info = np.iinfo(dtype)
    x = np.array([0, 1, 2, 5, info.max, info.min, info.max // 3], dtype)
    mask = 2**info.bits - 1
    for got, value in zip(check_staged(bits.clz_p.bind, x)[0], x, strict=True):
        assert got == info.bits - (int(value) & mask).bit_length()
    for got, value in zip(check_staged(bits.population_count_p.bind, x)[0], x, strict=True):
        assert got == (int(value) & mask).bit_count()
    three = np.full_like(x, 3)
    for got, value in zip(check_staged(bits.shift_right_logical, x, three)[0], x, strict=True):
        assert int(got) & mask == (int(value) & mask) >> 3
    np.testing.assert_array_equal(bits.shift_left(x, three), x << 3)
    np.testing.assert_array_equal(bits.shift_right(x, three), x >> 3)
    np.testing.assert_array_equal(e.xor(x, e.not_(x)), np.full_like(x, mask if dtype.kind == "u" else -1))


# magnitude and order


def test_ties_of_max_and_min_share_the_tangent():
    x, y = np.array([1.0, 2.0, 3.0]), np.array([1.0, 3.0, 2.0])
    dx, dy = np.array([10.0, 20, 30]), np.array([2.0, 4, 6])
    compare_tangent(e.maximum, jax.lax.max, (x, y), (dx, dy))
    compare_tangent(e.minimum, jax.lax.min, (x, y), (dx, dy))
    assert tangent(e.maximum, (x, y), (dx, dy))[0] == 6


def test_max_and_min_keep_nan():
    x, y = np.array([np.nan, 1.0, np.nan]), np.array([1.0, np.nan, np.nan])
    assert np.isnan(e.maximum(x, y)).all() and np.isnan(e.minimum(x, y)).all()


def test_complex_magnitude_differentiates():
    check_derivatives(e.abs_, Z)
    check_derivatives(e.sign, Z)
    check_derivatives(lambda z: e.mul(e.sign(z), e.cast(e.abs_(z), z.dtype)), Z)
    zero = np.zeros(2, complex)
    np.testing.assert_array_equal(e.sign(zero), 0)
    compare_tangent(e.abs_, jax.lax.abs, (zero,), (zero + 1,))


def test_signs():
    x = np.array([-2.0, -0.0, 0.0, 3.0, np.nan, -np.inf])
    np.testing.assert_array_equal(check_staged(e.sign, x)[0], np.sign(x))
    np.testing.assert_array_equal(check_staged(bits.sign_bit_p.bind, x)[0], np.signbit(x))
    np.testing.assert_array_equal(check_staged(e.is_finite, x)[0], np.isfinite(x))
    check_derivatives(e.abs_, X)
    assert (np.abs(tangent(e.abs_, (x[1:3],), (np.ones(2),))) <= 1).all()  # a subgradient


# choice and conversion


def test_select():
    c = X > 0
    for x, y in [(X, Y), (Z, W)]:
        np.testing.assert_array_equal(check_staged(e.select, c, x, y)[0], np.where(c, x, y))
        check_derivatives(e.select, c, x, y)
        check_derivatives(lambda c, x: e.select(c, x, 0.0), c, x)
    check_batch(e.select, c, X, Y)
    check_batch(e.select, np.bool_(True), X, Y)
    with pytest.raises(DTypeError, match="select needs a bool condition"):
        trace(e.select, X, X, X)
    with pytest.raises(DTypeError, match="branches of different dtypes"):
        trace(e.select, c, X, Z)


@pytest.mark.parametrize("name", sorted(DTYPES))
def test_cast(name):
    source = np.array([0, 1, 2, 3]).astype(DTYPES[name])
    for dtype in DTYPES.values():
        (out,) = check_staged(lambda x, d=dtype: e.cast(x, d), source)
        wide = np.dtype(np.complex128)
        expected = (source != 0) if dtype.kind == "b" else np.arange(4) if name != "bool" else [0, 1, 1, 1]
        np.testing.assert_array_equal(out.astype(wide), np.asarray(expected, wide))


def test_cast_differentiates():
    check_derivatives(lambda x: e.cast(x, np.complex128), X)
    check_derivatives(lambda z: e.cast(z, np.float64), Z)
    check_derivatives(lambda x: e.mul(x, e.cast(e.cast(x, np.int64), x.dtype)), X * 10 + 0.01)


def test_bitcast():
    x = np.array([1.0, -0.0, np.inf])
    np.testing.assert_array_equal(check_staged(lambda x: e.bitcast(x, np.int64), x)[0], x.view(np.int64))
    half = np.array([1.0, 2.0], ml_dtypes.bfloat16)
    np.testing.assert_array_equal(e.bitcast(half, np.uint16), half.view(np.uint16))
    with pytest.raises(DTypeError, match="the widths differ"):
        trace(lambda x: e.bitcast(x, np.int32), x)


def test_complex_parts_differentiate():
    for fun in (e.real, e.imag, e.conj):
        check_derivatives(fun, Z)
        check_batch(fun, Z)
    check_derivatives(e.complex_, X, Y)
    check_derivatives(lambda z: e.complex_(e.imag(z), e.neg(e.real(z))), Z)
    np.testing.assert_array_equal(check_staged(e.complex_, X, Y)[0], X + 1j * Y)
    np.testing.assert_array_equal(e.imag(X), 0)
    special = e.complex_(np.array([np.inf, 0.0, np.nan]), np.array([np.inf, -0.0, 1.0]))
    np.testing.assert_array_equal(special.real, [np.inf, 0, np.nan])
    np.testing.assert_array_equal(special.imag, [np.inf, -0.0, 1])
    assert np.signbit(special.imag[1])


def test_stop_gradient():
    np.testing.assert_array_equal(tangent(lambda x: e.mul(x, e.stop_gradient(x)), (X,), (Y,)), X * Y)


def test_roundings_have_no_tangent():
    for fun in (e.floor, e.ceil, e.rint, e.trunc):
        np.testing.assert_array_equal(tangent(fun, (X,), (Y,)), 0)
        (out,) = check_staged(fun, np.array([-1.5, -0.5, 0.5, 1.5, 2.5]))
        np.testing.assert_array_equal(out, getattr(np, fun.__name__)([-1.5, -0.5, 0.5, 1.5, 2.5]))
