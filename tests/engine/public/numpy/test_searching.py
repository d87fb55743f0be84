from __future__ import annotations

import numpy as np
import pytest

import weft.numpy as wnp
from tests.engine.public.numpy.checks import agree, same, sample, staged
from weft.ir.errors import ConcretizationError, IndexingError, ShapeError

X = sample("float32", (4, 5))
V = np.array([3, 0, -2, 3, 0, 7, -2])


def test_take() -> None:
    for indices in (np.array([0, -1, 2]), np.array([[1], [3]]), np.array(2)):
        for axis in (None, 0, 1):
            agree(lambda m, a=axis: lambda v, i: m.take(v, i, axis=a), X, indices)
            agree(lambda m, a=axis, i=indices: lambda v: m.take(v, i.tolist(), axis=a), X)
    for mode in ("clip", "wrap"):
        agree(lambda m, k=mode: lambda v, i: m.take(v, i, axis=0, mode=k), X, np.array([-9, -1, 2, 11]))
    agree(lambda m: lambda v, i: v.take(i), X, np.array([1]))


def test_take_outside() -> None:
    out = np.array([0, 9])
    same(
        staged(lambda v, i: wnp.take(v, i, 0), X, out),
        np.stack([X[0], np.full(5, np.nan, np.float32)]),
        "filled",
    )
    same(staged(lambda v, i: wnp.take(v, i, 0, fill_value=-1), V, out), np.array([3, -1]), "filled")
    same(wnp.take(wnp.asarray(V), out, 0, mode="fill", fill_value=-1), np.array([3, -1]), "filled")
    same(staged(lambda v, i: wnp.take(v, i), V, out), np.array([3, np.iinfo(np.int64).min]), "filled")
    for call in (lambda: wnp.take(wnp.asarray(X), out, 0), lambda: staged(lambda v: wnp.take(v, out, 0), X)):
        with pytest.raises(IndexingError, match="index 9 is out of bounds for axis 0, which has length 4"):
            call()
    with pytest.raises(IndexingError, match="take got indices of dtype float64"):
        wnp.take(wnp.asarray(X), np.array([0.5]))


def test_take_along_axis() -> None:
    order = np.argsort(X, axis=1)
    agree(lambda m: lambda v, i: m.take_along_axis(v, i, 1), X, order)
    agree(lambda m: lambda v, i: m.take_along_axis(v, i, axis=-1), X, order[:, :2])
    agree(lambda m: lambda v, i: m.take_along_axis(v, i, 0), X, np.array([[2]]))
    agree(lambda m: lambda v, i: m.take_along_axis(v, i, None), X, np.array([7, -1]))
    with pytest.raises(ShapeError, match="take_along_axis got indices of shape"):
        staged(lambda v: wnp.take_along_axis(v, np.array([0]), 0), X)


def test_choose_compress_extract() -> None:
    options = [sample("float32", (3,)), sample("int8", (2, 3)), np.array(5)]
    agree(lambda m: lambda i, a, b, c: m.choose(i, [a, b, c], mode="clip"), np.array([0, 2, 5]), *options)
    agree(lambda m: lambda i, a, b, c: m.choose(i, [a, b, c], mode="wrap"), np.array([-1, 2, 5]), *options)
    same(wnp.choose(wnp.array([0, 1, 0]), options[:2]), np.choose([0, 1, 0], options[:2]), "choose")
    mask = np.array([True, False, True, True])
    agree(lambda m: lambda v: m.compress(mask, v, axis=0), X)
    agree(lambda m: lambda v: m.extract(X > 0, v), X)
    got = staged(lambda c, v: wnp.compress(c, v, axis=0, size=4, fill_value=-1), mask, X)
    same(got, np.vstack([X[mask], np.full((1, 5), -1, np.float32)]), "sized")
    same(wnp.compress([True, False], wnp.asarray(X), 0), X.compress([True, False], 0), "a short condition")


@pytest.mark.parametrize("name", ["nonzero", "flatnonzero", "argwhere", "where"])
def test_shapes_by_value_need_values(name: str) -> None:
    same(getattr(wnp, name)(wnp.asarray(V)), getattr(np, name)(V), name)
    with pytest.raises(ConcretizationError, match="size= says it without them"):
        staged(getattr(wnp, name), V)


def test_nonzero_of_given_size() -> None:
    m = sample("bool", (3, 4))
    rows, columns = np.nonzero(m)
    n = len(rows)
    for call in (staged, lambda fun, *a: fun(*map(wnp.asarray, a))):
        same(call(lambda v: wnp.nonzero(v, size=n), m), (rows, columns), "exact")
        same(call(lambda v: wnp.nonzero(v, size=2), m), (rows[:2], columns[:2]), "cut")
        got = call(lambda v: wnp.nonzero(v, size=n + 2, fill_value=(-1, 7)), m)
        same(got, (np.append(rows, [-1, -1]), np.append(columns, [7, 7])), "filled")
        same(call(lambda v: wnp.flatnonzero(v, size=n), m), np.flatnonzero(m), "flat")
        same(call(lambda v: wnp.argwhere(v, size=n), m), np.argwhere(m), "rows")
        same(call(lambda v: wnp.where(v, size=n), m), (rows, columns), "where")
