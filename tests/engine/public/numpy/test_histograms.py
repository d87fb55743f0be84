"""Counts and histograms: against NumPy, and natively under `jit`."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import weft
import weft.numpy as wnp
from tests.engine.public.numpy.checks import agree, same, sample, staged
from weft.errors import ArgumentError, ConcretizationError, ShapeError

V = sample("float64", (200,))
POINTS = sample("float64", (60, 3))


def test_bincount() -> None:
    x, weights = np.array([0, 3, 1, 3]), np.array([0.5, -1.0, 2.0, 0.25])
    same(wnp.bincount(wnp.asarray(x)), np.bincount(x), "eager")
    same(wnp.bincount(wnp.asarray(x), minlength=6), np.bincount(x, minlength=6), "eager")
    same(staged(lambda v: wnp.bincount(v, length=5), x), np.bincount(x, minlength=5), "staged")
    same(
        staged(lambda v, w: wnp.bincount(v, w, length=3), x, weights), np.bincount(x, weights)[:3], "weights"
    )
    with pytest.raises(ConcretizationError, match="length= says it without them"):
        staged(wnp.bincount, x)


BINS: dict[str, dict[str, Any]] = {
    "ten": {},
    "a range": {"bins": 7, "range": (-2, 2)},
    "one bin": {"bins": 1},
    "edges": {"bins": np.array([-3.0, 0.0, 0.5, 4.0])},
    "edges and density": {"bins": np.array([-3.0, 0.0, 0.5, 4.0]), "density": True},
    "density": {"bins": 6, "density": True},
}


@pytest.mark.parametrize("name", BINS)
@pytest.mark.parametrize("dtype", ["float64", "float32", "int64", "uint8"])
def test_histogram(name: str, dtype: str) -> None:
    x = sample(dtype, (200,))
    agree(lambda m: lambda x: m.histogram(x, **BINS[name]), x)
    agree(lambda m: lambda x, w: m.histogram(x, **BINS[name], weights=w), x, np.abs(V))


def test_edges_belong_to_the_bin_above_them() -> None:
    for n in (3, 7, 10, 49, 1000):
        edges = np.linspace(0.1, 0.7, n + 1)
        around = np.concatenate(
            [edges, np.nextafter(edges, -1), np.nextafter(edges, 1), [np.nan, np.inf, -np.inf]]
        )
        agree(lambda m, n=n: lambda x: m.histogram(x, bins=n, range=(0.1, 0.7)), around)
        agree(lambda m, edges=edges: lambda x: m.histogram(x, bins=edges), around)


def test_narrow_and_empty() -> None:
    agree(lambda m: lambda x: m.histogram(x, bins=4), np.array([1, 5, 5, 2, 9]))
    agree(lambda m: lambda x: m.histogram(x, bins=3), np.ones(4))
    agree(lambda m: lambda x: m.histogram(x, bins=3), np.zeros(0))
    agree(lambda m: lambda x: m.histogram_bin_edges(x, bins=4), V)
    same(wnp.histogram(wnp.asarray(V), bins="auto"), np.histogram(V, bins="auto"), "auto")


@pytest.mark.parametrize(
    "bins", [4, [3, 4, 5], [np.array([-2.0, 0.0, 1.0]), 4, np.array([-1.0, 3.0])]], ids=str
)
def test_histogram_of_points(bins: Any) -> None:
    agree(lambda m: lambda x: m.histogramdd(x, bins), POINTS)
    agree(lambda m: lambda x: m.histogramdd(x, bins, density=True), POINTS)
    agree(lambda m: lambda x, w: m.histogramdd(x, bins, weights=w), POINTS, np.abs(POINTS[:, 0]))
    agree(lambda m: lambda x, y, z: m.histogramdd([x, y, z], bins), *POINTS.T.copy())


def test_histogram_of_pairs() -> None:
    x, y = POINTS[:, 0].copy(), POINTS[:, 1].copy()
    edges = np.array([-2.0, -0.5, 0.5, 2.0])
    for bins in (5, [3, 6], edges, [edges, 4]):
        agree(lambda m, bins=bins: lambda x, y: m.histogram2d(x, y, bins), x, y)
    agree(lambda m: lambda x, y: m.histogram2d(x, y, 4, range=[[-1, 1], [-2, 2]], density=True), x, y)


def test_under_jit_nothing_goes_through_python() -> None:
    for fun in (
        lambda x: wnp.histogram(x, 16)[0],
        lambda x: wnp.histogram2d(x, x * x, 8)[0],
        lambda x: wnp.bincount(wnp.abs(x).astype(int), length=8),
    ):
        jitted = weft.jit(fun)
        np.testing.assert_array_equal(np.asarray(jitted(V)), np.asarray(fun(wnp.asarray(V))))
        assert "python" not in jitted.lower(V).as_text("tape")


def test_errors() -> None:
    with pytest.raises(ArgumentError, match="bins=0"):
        staged(lambda x: wnp.histogram(x, 0), V)
    with pytest.raises(ShapeError, match="weights"):
        staged(lambda x: wnp.histogram(x, 3, weights=np.ones(3)), V)
    with pytest.raises(ShapeError, match="a row for each point"):
        staged(lambda x: wnp.histogramdd(x, 3), V)
    with pytest.raises(ArgumentError, match="2 bins and 3 ranges for points of 3"):
        staged(lambda x: wnp.histogramdd(x, [3, 4]), POINTS)
    with pytest.raises(ConcretizationError, match="bins by name"):
        staged(lambda x: wnp.histogram(x, "auto"), V)
