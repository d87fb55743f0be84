from __future__ import annotations

import numpy as np
import pytest

import weft.numpy as wnp
from tests.engine.public.numpy.checks import agree, same, sample, staged
from weft.ir.errors import ArgumentError, ShapeError

X = sample("float64", (5, 6))
N = np.where(sample("bool", (5, 6)), X, np.nan)
N[2] = np.nan


@pytest.mark.parametrize("dtype", ["bool", "int8", "uint8", "float16", "float32", "float64", "complex64"])
def test_sort(dtype: str) -> None:
    x = sample(dtype, (4, 5))
    for axis in (-1, 0, None):
        agree(lambda m, a=axis: lambda v: m.sort(v, axis=a), x)
        agree(lambda m, a=axis: lambda v: m.argsort(v, axis=a, kind="stable"), x)
    agree(lambda m: lambda v: wnp.sort(v, descending=True), x, expected=np.sort(x)[:, ::-1])
    agree("sort_complex", x)


def test_nan_comes_last() -> None:
    agree("sort", np.array([1.0, np.nan, -np.inf, 0.0, np.inf]))
    agree(lambda m: lambda v: v.argsort(), np.array([3.0, 1.0, 2.0]))


def test_lexsort_and_partition() -> None:
    a, b = np.array([1, 0, 1, 0]), np.array([3.0, 2.0, 1.0, 2.0])
    agree(lambda m: lambda x, y: m.lexsort((x, y)), a, b)
    agree("lexsort", np.array([[1, 0, 1], [2, 2, 1]]))
    got = staged(lambda v: wnp.partition(v, 3), X)
    same(got[:, 3], np.partition(X, 3)[:, 3], "partition")
    same(staged(lambda v: wnp.take_along_axis(v, wnp.argpartition(v, 3), -1), X), got, "argpartition")


@pytest.mark.parametrize("side", ["left", "right"])
def test_searchsorted(side: str) -> None:
    table = np.array([1, 2, 2, 5])
    agree(lambda m: lambda t, v: m.searchsorted(t, v, side=side), table, np.array([[0, 2], [3, 9]]))
    agree(lambda m: lambda t: m.searchsorted(t, 2.5, side), table)
    agree(
        lambda m: lambda t, v, o: m.searchsorted(t, v, side, o),
        table[::-1].copy(),
        np.array([2]),
        np.array([3, 2, 1, 0]),
    )
    with pytest.raises(ArgumentError, match="searchsorted got side='up'"):
        staged(lambda t: wnp.searchsorted(t, 1, "up"), table)


@pytest.mark.parametrize("right", [False, True])
def test_digitize(right: bool) -> None:
    for bins in (np.array([0.0, 1.0, 2.0]), np.array([2.0, 1.0, 0.0])):
        agree(
            lambda m: lambda v, b: m.digitize(v, b, right=right), np.array([-1.0, 0.0, 0.5, 2.0, 9.0]), bins
        )


@pytest.mark.parametrize("axis", [None, 0, -1, (0, 1)])
@pytest.mark.parametrize(
    "method",
    [
        "linear",
        "lower",
        "higher",
        "midpoint",
        "nearest",
        "hazen",
        "weibull",
        "median_unbiased",
        "normal_unbiased",
    ],
)
def test_quantile(method: str, axis) -> None:
    for q in (0.3, [0.0, 0.25, 1.0]):
        agree(lambda m, q=q: lambda v: m.quantile(v, q, axis=axis, method=method), X)
        agree(lambda m, q=q: lambda v: m.quantile(v, q, axis=axis, method=method, keepdims=True), X)
    agree(lambda m: lambda v, q: m.percentile(v, q, axis=axis, method=method), X, np.array([[10.0], [75.0]]))


@pytest.mark.parametrize("dtype", ["int8", "float16", "float32"])
def test_quantile_dtypes(dtype: str) -> None:
    agree(lambda m: lambda v: m.quantile(v, 0.3, axis=0), sample(dtype, (5, 3)), rtol=1e-2)
    agree(lambda m: lambda v: m.median(v, axis=1), sample(dtype, (5, 4)))


def test_median_and_nan() -> None:
    for axis in (None, 0, 1):
        agree(lambda m, a=axis: lambda v: m.median(v, axis=a), X)
        agree(lambda m, a=axis: lambda v: m.median(v, axis=a, keepdims=True), N)
        agree(lambda m, a=axis: lambda v: m.nanmedian(v, axis=a), N)
        agree(lambda m, a=axis: lambda v: m.nanquantile(v, [0.1, 0.6], axis=a), N)
        agree(lambda m, a=axis: lambda v: m.nanpercentile(v, 30, axis=a, keepdims=True), N)
    agree(lambda m: lambda v: m.median(v), sample("bool", (5,)).astype(int))


def test_errors() -> None:
    with pytest.raises(ArgumentError, match=r"quantile got q=1.5: it lies between 0 and 1"):
        staged(lambda v: wnp.quantile(v, 1.5), X)
    with pytest.raises(ArgumentError, match="quantile got method='best'"):
        staged(lambda v: wnp.quantile(v, 0.5, method="best"), X)
    with pytest.raises(ShapeError, match="searchsorted needs a vector"):
        staged(lambda v: wnp.searchsorted(v, 1.0), X)
