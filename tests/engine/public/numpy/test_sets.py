"""Arrays as sets: against NumPy, and with the length of the result given, in traced functions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import weft
import weft.numpy as wnp
from tests.engine.public.numpy.checks import agree, same, sample, staged
from weft.errors import ConcretizationError, ShapeError

V = np.array([3, 7, 0, 3, 5, 7, 7, 0])
X = sample("float32", (4, 5))


@pytest.mark.parametrize(
    "values", [V, np.array([1.0, np.nan, 1.0, np.nan]), np.array([[2, 1], [1, 2]], np.uint8)]
)
def test_unique_of_given_size(values: np.ndarray) -> None:
    want = np.unique(values, return_index=True, return_inverse=True, return_counts=True)
    n = len(want[0])
    got = staged(lambda v: wnp.unique(v, True, True, True, size=n), values)
    same(got, want, "unique")
    same(
        wnp.unique(wnp.asarray(values), size=n + 1, fill_value=0),
        np.append(want[0], [0]).astype(values.dtype),
        "filled",
    )


def test_unique_variants() -> None:
    x = wnp.asarray(V)
    same(wnp.unique_values(x), np.unique(V), "values")
    same(wnp.unique_counts(x), np.unique(V, return_counts=True), "counts")
    same(wnp.unique_inverse(x), np.unique(V, return_inverse=True), "inverse")
    same(wnp.unique_all(x)[1], np.unique(V, return_index=True)[1], "all")
    same(wnp.unique(wnp.asarray(X), axis=0), np.unique(X, axis=0), "rows")


def test_unique_needs_values() -> None:
    with pytest.raises(ConcretizationError, match="size= says it without them"):
        staged(wnp.unique, V)


def test_sets() -> None:
    agree("isin", V, np.array([0, 7, 100]))
    agree(lambda m: lambda a, b: m.isin(a, b, invert=True), V, np.array([[0.0, 7.5]]))
    agree("isin", V, np.array([], int))
    for name in ("union1d", "intersect1d", "setdiff1d", "setxor1d"):
        same(getattr(wnp, name)(wnp.asarray(V), [0, 5]), getattr(np, name)(V, [0, 5]), name)
        with pytest.raises(ConcretizationError, match=f"{name} needs the values"):
            staged(lambda v, n=name: getattr(wnp, n)(v, [0]), V)


@pytest.mark.parametrize("axis", [0, 1, -1])
@pytest.mark.parametrize("size", [1, 3, 6])
def test_unique_parts_of_given_size(axis: int, size: int) -> None:
    x = np.random.default_rng(3).integers(0, 2, (5, 2, 4))
    x = np.concatenate([x, x[:, :, :2]], 2)
    want = np.unique(x, True, True, True, axis)
    found = min(size, len(want[1]))
    got = staged(lambda v: wnp.unique(v, True, True, True, axis, size=size, fill_value=-1), x)
    cut = [np.take(want[0], range(found), axis), want[1][:found], want[3][:found]]
    same(np.take(got[0], range(found), axis), cut[0], "parts")
    assert (np.take(got[0], range(found, size), axis) == -1).all() and got[0].shape[axis] == size
    same(got[1][:found], cut[1], "positions")
    same(got[2], want[2].ravel(), "numbers")
    same(got[3], np.append(cut[2], np.zeros(size - found, int)), "counts")


PAIRS = {
    "numbers": (np.array([5, 1, 5, 2, 9]), np.array([2, 2, 7, 5])),
    "nothing in common": (np.array([1.5, 2.5]), np.array([3.5])),
    "the same": (np.array([2, 1]), np.array([1, 2, 2])),
    "one is empty": (np.array([3, 1]), np.zeros(0, int)),
    "dtypes": (np.array([1, 2], np.int8), np.array([2.0, 0.5])),
    "two axes": (np.array([[4, 4], [0, 1]]), np.array([[1], [8]])),
    "NaN": (np.array([1.0, np.nan, np.nan, 2.0]), np.array([np.nan, 2.0])),
}


@pytest.mark.parametrize("pair", PAIRS)
@pytest.mark.parametrize("name", ["union1d", "intersect1d", "setdiff1d", "setxor1d"])
def test_set_operations_of_given_size(name: str, pair: str) -> None:
    a, b = PAIRS[pair]
    want = getattr(np, name)(a, b)
    n = len(want)
    same(staged(lambda a, b: getattr(wnp, name)(a, b, size=n), a, b), want, "exact")
    same(getattr(wnp, name)(wnp.asarray(a), wnp.asarray(b), size=n), want, "eager")
    got = staged(lambda a, b: getattr(wnp, name)(a, b, size=n + 2, fill_value=77), a, b)
    same(got, np.append(want, [77, 77]).astype(want.dtype), "filled")
    if n > 1:
        same(staged(lambda a, b: getattr(wnp, name)(a, b, size=1), a, b), want[:1], "cut")
    got = staged(lambda a, b: getattr(wnp, name)(a, b, size=n + 1), a, b)
    filler = want[0] if n and name != "setdiff1d" else 0
    same(got[n:], np.array([filler], want.dtype), "filled with the first")


def test_where_common_elements_are() -> None:
    a, b = PAIRS["numbers"]
    want = np.intersect1d(a, b, return_indices=True)
    same(staged(lambda a, b: wnp.intersect1d(a, b, return_indices=True, size=2), a, b), want, "exact")
    got: Any = staged(lambda a, b: wnp.intersect1d(a, b, return_indices=True, size=3), a, b)
    same(got[1:], [np.append(want[1], 5), np.append(want[2], 4)], "filled")


def test_a_difference_in_the_order_of_the_first() -> None:
    a, b = np.array([9, 4, 1, 7]), np.array([4])
    want = np.setdiff1d(a, b, assume_unique=True)
    same(staged(lambda a, b: wnp.setdiff1d(a, b, True, size=3), a, b), want, "exact")
    same(
        staged(lambda a, b: wnp.setdiff1d(a, b, True, size=4, fill_value=-1), a, b),
        np.append(want, -1),
        "filled",
    )


def test_both_empty() -> None:
    empty = np.zeros(0)
    for name in ("intersect1d", "setdiff1d", "setxor1d"):
        got = staged(lambda a, b, n=name: getattr(wnp, n)(a, b, size=2, fill_value=3), empty, empty)
        same(got, np.array([3.0, 3.0]), name)
    with pytest.raises(ShapeError, match="nothing to choose from"):
        staged(lambda a: wnp.unique(a, size=2), empty)


def test_under_jit_nothing_goes_through_python() -> None:
    for fun in (
        lambda a: wnp.unique(a, True, True, True, size=4),
        lambda a: wnp.intersect1d(a, a[:3], return_indices=True, size=3),
        lambda a: wnp.setxor1d(a, a[:3], size=3),
    ):
        jitted = weft.jit(fun)
        same(weft.tree.leaves(jitted(V)), weft.tree.leaves(fun(wnp.asarray(V))), "jit")
        assert "python" not in jitted.lower(V).as_text("tape")
