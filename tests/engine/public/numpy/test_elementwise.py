from __future__ import annotations

import numpy as np
import pytest

import weft
import weft.numpy as wnp
from tests.engine.public.numpy.checks import BFLOAT16, DTYPES, agree, sample, staged
from weft.ir.errors import ArgumentError, ShapeError

SPECIAL = np.array([0.0, -0.0, 1.5, -2.5, np.inf, -np.inf, np.nan])
F32 = np.float32


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    "name",
    ["real", "imag", "angle", "isreal", "iscomplex", "nan_to_num", "sinc", "round", "isposinf", "i0"],
)
def test_one_argument(name: str, dtype: str) -> None:
    x = sample(dtype, (2, 3))
    try:
        getattr(np, name)(x)
    except TypeError:
        pytest.skip("NumPy has none")
    if name == "i0" and dtype not in ("float32", "float64"):
        pytest.skip("NumPy computes all in float64")
    agree(name, x)


@pytest.mark.parametrize("name", ["nan_to_num", "isposinf", "isneginf", "angle", "sinc", "round"])
def test_special_values(name: str) -> None:
    agree(name, SPECIAL)
    agree(name, SPECIAL.astype(F32))


@pytest.mark.parametrize("dtype", DTYPES)
def test_fix_is_trunc(dtype: str) -> None:
    if np.dtype(dtype).kind == "c":
        pytest.skip("NumPy has none")
    for x in (sample(dtype, (2, 3)), SPECIAL[:4].astype(dtype)):
        agree(lambda m: np.trunc if m is np else m.fix, x)


def test_nan_to_num_keywords() -> None:
    agree(lambda m: lambda v: m.nan_to_num(v, nan=1.0, posinf=2.0, neginf=-3.0), SPECIAL)
    z = SPECIAL.astype(complex)
    z.imag = SPECIAL[::-1]
    agree("nan_to_num", z)


@pytest.mark.parametrize("decimals", [0, 1, 2, -1])
@pytest.mark.parametrize("dtype", ["float32", "float64", "int32", "complex128"])
def test_round(dtype: str, decimals: int) -> None:
    agree(lambda m: lambda v: m.round(v, decimals), sample(dtype, (20,), -99, 99))


def test_sinc_near_zero() -> None:
    agree("sinc", np.array([0.0, 1e-9, 1e-4, 0.005, 0.0063, 0.0064, 1.0, 2.5]))


def test_where() -> None:
    c, x, y = sample("bool", (2, 1)), sample("float32", (3,)), sample("int8", (2, 3))
    agree("where", c, x, y)
    agree(lambda m: lambda c, x: m.where(c, x, 0), c, x)
    agree(lambda m: lambda c, x: m.where(c, 1.5, x), sample("int32", (3,)), x)
    agree(lambda m: lambda c: m.where(c, 1, 2.5), c)
    with pytest.raises(ArgumentError, match="where takes one argument or three"):
        staged(lambda c: wnp.where(c, 1), c)
    with pytest.raises(ShapeError, match=r"where got incompatible shapes"):
        wnp.where(wnp.ones(2), wnp.ones(3), 0.0)


@pytest.mark.parametrize("limits", [(-1, 2), (None, 1), (0, None), (0.5, 1.5), (None, None)])
@pytest.mark.parametrize("dtype", ["int8", "float32", "float64"])
def test_clip(dtype: str, limits: tuple) -> None:
    agree(lambda m: lambda v: m.clip(v, *limits), sample(dtype, (8,)))


def test_clip_spellings() -> None:
    x = sample("float64", (5,))
    agree(lambda m: lambda v: m.clip(v, min=-1.0, max=1.0), x)
    agree(lambda m: lambda v: m.clip(v, a_min=-1.0, a_max=1.0), x)
    agree(lambda m: lambda v: m.clip(v, -1, 300), np.array([3, 200], np.uint8))
    agree(lambda m: lambda v, lo, hi: m.clip(v, lo, hi), x, sample("float64", (4, 1), -2, 0), np.array(0.5))
    assert wnp.asarray(x).clip(0, 1).shape == (5,)


def test_select_and_piecewise() -> None:
    x = sample("float64", (6,))
    agree(lambda m: lambda v: m.select([v < -1, v > 1], [v * 2, v + 10], -5.0), x)
    agree(lambda m: lambda v: m.piecewise(v, [v < 0, v >= 2], [lambda t: -t, 7.0, lambda t: t * t]), x)
    agree(lambda m: lambda v: m.piecewise(v, [v < 0], [-1.0]), x)


def test_unwrap() -> None:
    x = np.cumsum(sample("float64", (3, 12), -3, 3), axis=1) % (2 * np.pi)
    agree("unwrap", x)
    agree(lambda m: lambda v: m.unwrap(v, axis=0), x)
    agree(lambda m: lambda v: m.unwrap(v, period=4), np.array([0, 1, 2, -1, 0, 3, 2]))


def test_astype() -> None:
    for source in ("float64", "complex64", "bool", "int8"):
        for target in ("int32", "float32", "bool", "complex128", BFLOAT16):
            x = sample(source, (4,), 0, 4)
            with np.errstate(all="ignore"):
                want = (
                    x.real if source == "complex64" and target not in ("bool", "complex128") else x
                ).astype(target)
            agree(lambda m, t=target: lambda v: v.astype(t), x, expected=want)


def test_kinds() -> None:
    assert wnp.iscomplexobj(wnp.ones(2, complex)) and not wnp.isrealobj(wnp.ones(2, complex))
    staged(lambda v: [None for _ in [0] if not wnp.iscomplexobj(v)] and v, np.ones(2))
    assert bool(wnp.iscomplexobj(1j))


@pytest.mark.parametrize("dtype", ["i1", "i2", "i4", "i8", "u1", "u4", "u8"])
@pytest.mark.parametrize("name", ["gcd", "lcm"])
def test_common_divisors(name: str, dtype: str) -> None:
    """Also of the least integer, whose absolute value is none, and where a multiple is too large."""
    limits, rng = np.iinfo(dtype), np.random.default_rng(0)
    ends = np.array([0, 1, 6, limits.max, limits.min], dtype)
    x, y = (rng.integers(limits.min, limits.max, 300, dtype, endpoint=True) for _ in range(2))
    x, y = np.concatenate([x, np.repeat(ends, 5)]), np.concatenate([y, np.tile(ends, 5)])
    function, expected = getattr(wnp, name), getattr(np, name)
    for a, b in ((x, y), (x[:100].reshape(20, 5), y[:5]), (x, x.dtype.type(6)), (x[:0], y[:0]), (x[0], y[1])):
        found = np.asarray(weft.jit(function)(a, b))
        assert found.dtype == np.dtype(dtype)
        np.testing.assert_array_equal(found, expected(a, b))
    np.testing.assert_array_equal(np.asarray(weft.jit(weft.vmap(function))(x, y)), expected(x, y))
