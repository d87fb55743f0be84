from __future__ import annotations

from typing import Any

import hypothesis.extra.numpy as hnp
import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

import weft
import weft.numpy as wnp
from tests.engine.public.numpy.checks import BFLOAT16, eager, same, staged
from weft.ir.errors import ImmutableError, IndexingError, ShapeError

X = np.arange(2.0 * 3 * 4 * 5).reshape(2, 3, 4, 5)
I = np.array  # noqa: E741
ALL = slice(None)

INDICES: list[Any] = [
    0, -1, (0, 1), (0, 1, 2, 3), (ALL, 2), slice(1, None), (Ellipsis, 0), (Ellipsis,), (), (0, Ellipsis, -1), None, (None, 0),
    (0, None, slice(None, None, -1)), (slice(None, None, 2), slice(None, None, -2)), (0, 1, 2, slice(None, None, -3)),
    (ALL, slice(5, 0, -2)), slice(3, 1), (None, None, Ellipsis, None), np.int64(1), I(1),
    (I(1), ALL, I(2)), True, False, (True, 0),
    I([0, 1]), [0, 1, 1], [], I([], int), (I([0, 1]), I([1, 2])), (I([0, 1]), ALL, I([1, 2])), (0, ALL, I([1, 2])),
    (ALL, 0, I([1, 2])), (I([[0], [1]]), I([0, 2])), (ALL, I([[0, 1], [2, 0]]), slice(1, 3)),
    (slice(1), I([0, 1]), None, I([1, 1])),
    (0, Ellipsis, I([0, 0]), -1), (I([-1, 0]), Ellipsis, I([[1], [2]])),
    (None, I([0]), None, I([1]), None), I([0, 1], np.uint8),
    (Ellipsis, I([4, 0, 4])), (ALL, [0, 2], slice(None, None, -1), [1, 3]), (I([[0, 1]]), 1, I([[2], [3]]), slice(0, 0)),
    (ALL, ALL, I([3]), ALL), (slice(None, None, -1), I([2, 0])), (1, I([1]), 2, I([4])),
    (None, slice(0, 1), 0, None, I([[1, 2]])),
    X > 50, (X[:, 0, 0, 0] > 0,), (ALL, X[0, :, 0, 0] > 3), (X[:, :, 0, 0] > 20, ALL, I([0])),
    I([True, False]), (0, I([False, True, True])),
    np.zeros((2, 3), bool), (I([1]), I([True, False, False]), 0), (Ellipsis, np.ones(5, bool)),
]  # fmt: skip
UPDATES = {
    "set": None,
    "add": np.add,
    "multiply": np.multiply,
    "min": np.minimum,
    "max": np.maximum,
    "subtract": np.subtract,
}


def label(index: Any) -> str:
    return str(index).replace("\n", "")[:60]


def updated(x: np.ndarray, index: Any, values: Any, op: str) -> np.ndarray:
    out = x.copy()
    if op == "set":
        out[index] = values
    else:
        UPDATES[op].at(out, index, values)
    return out


def dynamic(index: Any) -> tuple[list[np.ndarray], Any]:
    """The integer positions of an index as arrays to trace, and what rebuilds the index from them."""
    items = index if isinstance(index, tuple) else (index,)
    places = [
        i
        for i, x in enumerate(items)
        if type(x) is int or (isinstance(x, np.ndarray) and x.dtype.kind in "iu")
    ]

    def rebuild(arrays: Any) -> tuple:
        full = list(items)
        for i, a in zip(places, arrays, strict=True):
            full[i] = a
        return tuple(full)

    return [np.asarray(items[i]) for i in places], rebuild


@pytest.mark.parametrize("index", INDICES, ids=label)
def test_reads(index: Any) -> None:
    want = X[index]
    same(eager(lambda x: x[index], X), want, "eager")
    same(staged(lambda x: x[index], X), want, "static")
    arrays, rebuild = dynamic(index)
    if arrays:
        same(staged(lambda x, *a: x[rebuild(a)], X, *arrays), want, "traced index")
        same(staged(lambda *a: wnp.asarray(X)[rebuild(a)], *arrays), want, "traced index of an Array")
        same(eager(lambda x, *a: x[rebuild(a)], X, *arrays), want, "Arrays in the index")


@pytest.mark.parametrize("op", sorted(UPDATES))
@pytest.mark.parametrize("index", INDICES, ids=label)
def test_updates(index: Any, op: str) -> None:
    values = np.cos(np.arange(X[index].size)).reshape(X[index].shape)
    want = updated(X, index, values, op)
    call = lambda x, v, *a: getattr(x.at[rebuild(a) if a else index], op)(v)  # noqa: E731
    arrays, rebuild = dynamic(index)
    same(eager(call, X, values), want, "eager")
    same(staged(call, X, values), want, "static")
    if arrays:
        same(staged(call, X, values, *arrays), want, "traced index")


@settings(max_examples=60)
@given(st.data())
def test_random_indices(data: Any) -> None:
    shape = data.draw(hnp.array_shapes(min_dims=1, max_dims=4, max_side=5))
    index = data.draw(hnp.basic_indices(shape, allow_newaxis=True, allow_ellipsis=True))
    x = np.arange(np.prod(shape), dtype=float).reshape(shape)
    same(staged(lambda v: v[index], x), x[index], f"{shape} {index}")
    same(staged(lambda v: v.at[index].add(1), x), updated(x, index, 1, "add"), f"{shape} {index}")
    arrays = data.draw(
        hnp.integer_array_indices(shape, result_shape=hnp.array_shapes(max_dims=2, max_side=3))
    )
    same(staged(lambda v, *a: v[a], x, *arrays), x[arrays], f"{shape} {arrays}")
    same(staged(lambda v, *a: v.at[a].add(1), x, *arrays), updated(x, arrays, 1, "add"), f"{shape} {arrays}")


def test_duplicates() -> None:
    x, i = np.zeros(4), np.array([1, 1, 3])
    v = np.array([1.0, 2.0, 5.0])
    for call in (eager, staged):
        same(call(lambda x, i, v: x.at[i].add(v), x, i, v), np.array([0.0, 3, 0, 5]), "add")
        same(call(lambda x, i, v: x.at[i].set(v), x, i, v), np.array([0.0, 2, 0, 5]), "set: the last stays")
        same(call(lambda x, i, v: (x + 2).at[i].multiply(v), x, i, v), np.array([2.0, 4, 2, 10]), "multiply")
        same(call(lambda x, i, v: (x + 2).at[i].divide(v), x, i, v), np.array([2.0, 1, 2, 0.4]), "divide")
        same(call(lambda x, i, v: (x + 2).at[i].power(v), x, i, v), np.array([2.0, 4, 2, 32]), "power")
        same(
            call(lambda x, i: (x + 2).at[i].apply(lambda t: t * t), x, i), np.array([2.0, 16, 2, 4]), "apply"
        )
        same(call(lambda x, i: x.at[i].max(7), x, i), np.array([0.0, 7, 0, 7]), "max")


@pytest.mark.parametrize("mode", [None, "clip", "drop"])
def test_apply_is_done_as_often_as_an_element_is_addressed(mode: str | None) -> None:
    """As by `numpy.ufunc.at`, and by JAX; what is outside is dropped, or moved inside; both modes of derivatives."""
    x, i = np.array([0.3, 0.5, 0.7]), np.array([[1, 1], [9, 0]])
    times = np.array([1, 2, 1 if mode == "clip" else 0])

    def fun(x: Any, i: Any) -> Any:
        return x.at[i].apply(wnp.sin, mode=mode)

    wanted = [np.sin(x), np.sin(np.sin(x)), x]
    wanted = np.where(times == 1, wanted[0], np.where(times == 2, wanted[1], wanted[2]))
    slope = np.where(times == 1, np.cos(x), np.where(times == 2, np.cos(np.sin(x)) * np.cos(x), 1.0))
    for call in (eager, staged):
        same(call(fun, x, i), wanted, "apply")
        same(call(weft.grad(lambda x, i: wnp.sum(fun(x, i))), x, i), slope, "its gradient")
        same(call(lambda x, i: weft.jvp(lambda x: fun(x, i), (x,), (x,))[1], x, i), slope * x, "its tangent")
        same(call(lambda x: x.at[np.array([], int)].apply(wnp.sin, mode=mode), x), x, "nothing")


def test_updates_never_change_the_array() -> None:
    x = wnp.zeros(3)
    x.at[0].set(1)
    x.at[wnp.array([0, 1])].add(1)
    same(x, np.zeros(3), "unchanged")
    with pytest.raises(ImmutableError, match=r"x = x.at\[index\].set\(value\)"):
        x[0] = 1


def test_positions_outside() -> None:
    x, outside = np.arange(3), np.array([1, 5, -7])
    same(staged(lambda v, i: v[i], x, outside), np.array([1, 2, 0]), "reads take the nearest")
    same(staged(lambda v, i: v[i], x, np.array(9)), np.array(2), "reads take the nearest")
    for call in (eager, staged):
        same(call(lambda v, i: v.at[i].set(9), x, outside), np.array([0, 9, 2]), "updates are dropped")
        same(
            call(lambda v, i: v.at[i].set(9, mode="clip"), x, outside), np.array([9, 9, 9]), "or moved inside"
        )
        same(call(lambda v, i: v.at[i].set(9), x, np.array(3)), x, "dropped")
        same(call(lambda v: v.at[3].set(9), x), x, "dropped")
        same(call(lambda v: v.at[-4].add(9), x), x, "dropped")
        same(
            call(lambda v, i: v.at[i].get(mode="fill", fill_value=-1), x, outside),
            np.array([1, -1, -1]),
            "filled",
        )
        same(call(lambda v, i: v.at[i].get(mode="clip"), x, outside), np.array([1, 2, 0]), "clipped")
        same(call(lambda v: v.at[7].get(mode="fill"), x.astype(float)), np.array(np.nan), "filled")
        same(call(lambda v: v.at[1:].get(), x), x[1:], "get")


def test_values_are_cast_and_broadcast() -> None:
    x = np.zeros((3, 4), np.int8)
    for call in (eager, staged):
        same(call(lambda v: v.at[1].set(2.9), x), updated(x, 1, 2, "set"), "cast")
        same(
            call(lambda v, w: v.at[:, 1:3].set(w), x, np.array([[1], [2], [3]])),
            updated(x, np.s_[:, 1:3], I([[1], [2], [3]]), "set"),
            "broadcast",
        )
        same(call(lambda v: v.at[0].set([1, 2, 3, 4]), x), updated(x, 0, [1, 2, 3, 4], "set"), "a list")
        same(
            call(lambda v: v.at[0, 0].set(wnp.ones((1, 1))), x),
            updated(x, (0, 0), 1, "set"),
            "axes of length 1",
        )
    with pytest.raises(
        ShapeError,
        match=r"at\[...\] of an array of shape \(3, 4\) addresses elements of shape \(4,\), and got values of shape \(3,\)",
    ):
        staged(lambda v: v.at[0].set(np.ones(3)), x)
    with pytest.raises(ShapeError, match=r"got values of shape \(3,\)"):
        wnp.asarray(x).at[0].set(np.ones(3))


def test_masks() -> None:
    x = np.arange(6.0).reshape(2, 3)
    for call in (eager, staged):
        same(call(lambda v: v.at[v > 2].set(0), x), np.where(x > 2, 0, x), "a number")
        same(call(lambda v: v.at[v > 2].add(v * 10), x), np.where(x > 2, x * 11, x), "values for all places")
        same(
            call(lambda v: v.at[v[:, 0] > 1].multiply(np.array([1.0, 2, 3])), x),
            np.array([[0.0, 1, 2], [3, 8, 15]]),
            "values for a row",
        )
    with pytest.raises(
        IndexingError, match=r"a mask bool\[2,3\] is traced.*weft.numpy.where\(mask, x, other\)"
    ):
        staged(lambda v: v[v > 2], x)
    with pytest.raises(IndexingError, match="a mask has length 3 along axis 0, which has length 2"):
        staged(lambda v: v[np.array([True, False, True])], x)


def test_large_arrays_are_updated_in_a_window() -> None:
    x = np.arange(10000.0).reshape(100, 100)
    for index in (np.s_[3:5, 7:9], np.s_[3:5, 9:6:-1], np.s_[::2, 1], 5):
        same(staged(lambda v, i=index: v.at[i].set(-1), x), updated(x, index, -1, "set"), str(index))


@pytest.mark.parametrize(
    ("message", "index"),
    [
        (r"index 2 is out of bounds for axis 0, which has length 2", 2),
        (r"index -4 is out of bounds for axis 1, which has length 3", (0, -4)),
        (r"index 7 is out of bounds for axis 1, which has length 3", (ALL, I([0, 7]))),
        (
            r"too many indices: an array of shape \(2, 3, 4, 5\) has 4 axes, the index addresses 5",
            (0, 0, 0, 0, 0),
        ),
        (r"one ellipsis", (Ellipsis, Ellipsis)),
        (r"a slice has step 0", slice(None, None, 0)),
        (r"1.5 is no index", 1.5),
        (r"an index array has dtype float64", I([0.5])),
        (r"a mask has length 4 along axis 0, which has length 2", np.zeros(4, bool)),
    ],
)
def test_errors_are_the_same_eagerly_and_staged(message: str, index: Any) -> None:
    for call in (eager, staged):
        with pytest.raises(IndexingError, match=message):
            call(lambda x: x[index], X)


def test_more_errors() -> None:
    with pytest.raises(IndexingError, match=r"at.* got mode='wrap': the modes are"):
        wnp.ones(3).at[0].set(1, mode="wrap")
    with pytest.raises(IndexingError, match="axis 0 has no elements to index"):
        staged(lambda v, i: v[i], np.zeros((0, 2)), np.array(0))


def test_view() -> None:
    x = np.array([1.0, -2.5], np.float32)
    for call in (eager, staged):
        same(call(lambda v: v.view(np.int32), x), x.view(np.int32), "bits")
        same(call(lambda v: v.view(), x), x, "itself")
        same(call(lambda v: v.view(np.uint8), np.array([True, False])), np.array([1, 0], np.uint8), "bool")
        same(call(lambda v: v.view(bool), np.array([1, 0], np.uint8)), np.array([True, False]), "bool")
        same(
            call(lambda v: v.view(np.uint16), x.astype(BFLOAT16)),
            x.astype(BFLOAT16).view(np.uint16),
            "bfloat16",
        )


def test_iteration() -> None:
    same(staged(lambda v: [row * 2 for row in v], X[0, 0]), [row * 2 for row in X[0, 0]], "rows")
    assert [float(v) for v in wnp.arange(3.0)] == [0, 1, 2]
