from __future__ import annotations

import numpy as np
import pytest

import weft.numpy as wnp
from tests.engine.public.numpy.checks import BFLOAT16, DTYPES, agree, sample, staged
from weft.ir.errors import ArgumentError, AxisError, ShapeError

FOLDS = ["sum", "prod", "max", "min", "all", "any", "mean", "var", "std", "count_nonzero", "ptp"]
NAN_FOLDS = ["nansum", "nanprod", "nanmax", "nanmin", "nanmean", "nanvar", "nanstd"]
AXES = [None, 0, -1, 1, (0, 2), (-1, 0), (), (0, 1, 2)]
LOOSE = {"float16": 2e-2, "float32": 1e-4, "complex64": 1e-4, "float64": 1e-10, "complex128": 1e-10}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", FOLDS)
def test_folds(name: str, dtype: str) -> None:
    x = sample(dtype, (2, 3, 4), -2, 2)
    try:
        getattr(np, name)(x)
    except TypeError:
        with pytest.raises(TypeError):
            staged(getattr(wnp, name), x)
        return
    for axis in AXES:
        for keepdims in (False, True):
            agree(
                lambda m, a=axis, k=keepdims: lambda v: getattr(m, name)(v, axis=a, keepdims=k),
                x,
                rtol=LOOSE.get(dtype),
            )


@pytest.mark.parametrize("name", ["sum", "prod", "max", "min", "all", "any", "mean"])
def test_no_axes_and_no_elements(name: str) -> None:
    agree(name, np.array(3.0))
    agree(lambda m: lambda v: getattr(m, name)(v, axis=1), np.zeros((0, 3)))
    if name not in ("max", "min"):
        agree(name, np.zeros((0, 3)))
        agree(lambda m: lambda v: getattr(m, name)(v, axis=0), np.zeros((0, 3)))
    else:
        with pytest.raises(ShapeError, match="no elements have no largest or smallest"):
            staged(getattr(wnp, name), np.zeros((0, 3)))
        agree(lambda m: lambda v: getattr(m, name)(v, initial=5.0), np.zeros((0, 3)))


@pytest.mark.parametrize("name", ["sum", "prod", "max", "min", "mean", "var", "std", "any", "all"])
def test_where(name: str) -> None:
    x, mask = sample("float64", (3, 4)), np.array([[True, False, True, True]])
    more = {"initial": -1.0 if name == "max" else 9.0} if name in ("max", "min") else {}
    agree(lambda m: lambda v, w: getattr(m, name)(v, axis=1, where=w, **more), x, mask)
    agree(lambda m: lambda v, w: getattr(m, name)(v, where=w, **more), x, sample("bool", (3, 4)))


def test_initial_and_dtype() -> None:
    x = sample("int8", (3, 4))
    agree(lambda m: lambda v: m.sum(v, axis=0, initial=10), x)
    agree(lambda m: lambda v: m.prod(v, initial=2, dtype=np.float32), x)
    agree(lambda m: lambda v: m.sum(v, dtype=np.int16, keepdims=True), x)
    agree(lambda m: lambda v: m.mean(v, dtype=np.float32), x)
    agree(lambda m: lambda v: m.max(v, axis=1, initial=2), x)
    agree(lambda m: lambda v: m.var(v, axis=0, dtype=np.float32), x, rtol=1e-5)


@pytest.mark.parametrize("name", ["var", "std"])
def test_degrees_of_freedom(name: str) -> None:
    x = sample("float64", (5, 3))
    agree(lambda m: lambda v: getattr(m, name)(v, axis=0, ddof=1), x)
    agree(lambda m: lambda v: getattr(m, name)(v, axis=0, correction=1), x)
    agree(lambda m: lambda v: getattr(m, name)(v, axis=0, mean=m.mean(v, axis=0, keepdims=True)), x)
    agree(lambda m: lambda v: getattr(m, name)(v, ddof=20), x)
    with pytest.raises(ArgumentError, match="got both ddof and correction"):
        staged(lambda v: getattr(wnp, name)(v, ddof=1, correction=1), x)


@pytest.mark.parametrize("name", NAN_FOLDS)
def test_nan(name: str) -> None:
    x = np.array([[1.0, np.nan, 3.0], [np.nan, np.nan, np.nan], [4.0, 5.0, -np.inf]])
    for axis in (None, 0, 1):
        agree(lambda m, a=axis: lambda v: getattr(m, name)(v, axis=a), x)
        agree(lambda m, a=axis: lambda v: getattr(m, name)(v, axis=a, keepdims=True), x.astype(np.float32))
    agree(name, sample("int32", (3,)))
    agree(name, np.array([np.inf, -np.inf, 1.0]) if name not in ("nanvar", "nanstd") else np.ones(3))


@pytest.mark.parametrize("name", ["argmax", "argmin"])
def test_positions(name: str) -> None:
    for dtype in ("bool", "int8", "float32", "float64"):
        for axis in (None, 0, -1):
            x = sample(dtype, (3, 4))
            agree(lambda m, a=axis: lambda v: getattr(m, name)(v, axis=a), x)
            agree(lambda m, a=axis: lambda v: getattr(m, name)(v, axis=a, keepdims=True), x)
    agree(name, np.array([1.0, np.nan, 2.0]))
    agree(
        lambda m: lambda v: getattr(m, "nan" + name)(v, axis=0),
        np.array([[1.0, np.nan], [np.nan, 2.0], [3.0, 5.0]]),
    )


@pytest.mark.parametrize("name", ["cumsum", "cumprod", "nancumsum", "nancumprod"])
def test_running(name: str) -> None:
    for dtype in ("bool", "int8", "uint8", "float32", "complex128"):
        for axis in (None, 0, 1):
            agree(lambda m, a=axis: lambda v: getattr(m, name)(v, axis=a), sample(dtype, (3, 4)), rtol=1e-4)
    agree(lambda m: lambda v: getattr(m, name)(v, dtype=np.float32), sample("int8", (3,)))
    agree(name, np.array([1.0, np.nan, 2.0]))


def test_cumulative() -> None:
    for name in ("cumulative_sum", "cumulative_prod"):
        agree(name, sample("float64", (4,)))
        agree(
            lambda m, n=name: lambda v: getattr(m, n)(v, axis=1, include_initial=True), sample("int8", (2, 3))
        )


def test_average() -> None:
    x = sample("float64", (3, 4))
    agree("average", x)
    agree(lambda m: lambda v, w: m.average(v, axis=1, weights=w), x, sample("float64", (4,), 1, 2))
    agree(
        lambda m: lambda v, w: list(m.average(v, weights=w, returned=True)),
        x,
        sample("float64", (3, 4), 1, 2),
    )
    agree(lambda m: lambda v: list(m.average(v, axis=0, returned=True)), x)
    with pytest.raises(
        ShapeError, match=r"average got weights of shape \(3,\) for an array of shape \(3, 4\) and axis 1"
    ):
        staged(lambda v, w: wnp.average(v, 1, w), x, np.ones(3))


@pytest.mark.parametrize("name", ["sum", "mean", "max", "var"])
def test_bfloat16(name: str) -> None:
    x = sample("float32", (64,), 0, 4).astype(BFLOAT16)
    agree(name, x, expected=getattr(np, name)(x.astype(np.float32)).astype(BFLOAT16))


def test_float16_means_do_not_overflow() -> None:
    agree("mean", np.full((3000,), 100, np.float16))


def test_errors() -> None:
    for call in (lambda f, x: f(x), staged):
        x = wnp.ones((2, 3)) if call is not staged else np.ones((2, 3))
        with pytest.raises(AxisError, match="sum got axis 2, which an array of 2 axes does not have"):
            call(lambda v: wnp.sum(v, axis=2), x)
        with pytest.raises(AxisError, match=r"sum got axis \(0, -2\): an axis is given twice"):
            call(lambda v: wnp.sum(v, axis=(0, -2)), x)
        with pytest.raises(ArgumentError, match="sum got axis='x': an axis is an integer"):
            call(lambda v: wnp.sum(v, axis="x"), x)
    with pytest.raises(ArgumentError, match="mean got out="):
        staged(lambda v: wnp.mean(v, out=v), np.ones(2))
    with pytest.raises(ArgumentError, match="max got where= without initial="):
        staged(lambda v: wnp.max(v, where=v > 0), np.ones(2))


def test_methods() -> None:
    agree(
        lambda m: lambda v: (v.sum(), v.mean(axis=0), v.std(), v.argmax(1), v.any(), v.cumsum(0)),
        sample("float64", (3, 4)),
    )
