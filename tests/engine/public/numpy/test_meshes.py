from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import weft
import weft.numpy as wnp
from tests.engine.public.numpy.checks import agree, same, sample, staged
from weft.ir.errors import ArgumentError, ConcretizationError, ShapeError

A, B, C = sample("float32", (3,)), sample("int64", (3,)), sample("float64", (2, 3))


@pytest.mark.parametrize(
    "key",
    [
        (A, 0, B),
        (A, slice(1, 4), 2.5),
        (slice(0, 1, 5j), A),
        (slice(3), A),
        (1, 2, A),
        ("0,2", A, B),
        ("1,2,0", A, B),
        ("0,2,0", A, B),
        ("1", C, C),
        (C, C),
        ("-1", C, C),
        ("0,3,1", C, C),
        ("1,3,0", C, C),
        (A, [1, 2], True),
    ],
    ids=str,
)
def test_joining_by_brackets(key: tuple) -> None:
    places = [i for i, k in enumerate(key) if isinstance(k, np.ndarray)]

    def index(arrays: Any) -> tuple:
        items = list(key)
        for i, x in zip(places, arrays, strict=True):
            items[i] = x
        return tuple(items)

    agree(lambda m: lambda *xs: m.r_[index(xs)], *[key[i] for i in places])


def test_columns() -> None:
    agree(lambda m: lambda a, b: m.c_[a, b], A, B)
    agree(lambda m: lambda a, c: m.c_[c.T, a], A, C)
    agree(lambda m: lambda c: m.c_[c, m.ones((2, 1))], C)
    agree(lambda m: lambda a: m.r_[a], A)
    with pytest.raises(ArgumentError, match="'r' in front"):
        staged(lambda a: wnp.r_["r", a], A)


def test_loops_over_elements() -> None:
    x = wnp.asarray(C)
    assert [(i, float(v)) for i, v in wnp.ndenumerate(x)] == [(i, float(v)) for i, v in np.ndenumerate(C)]
    assert list(wnp.ndindex(2, 3)) == list(np.ndindex(2, 3))
    total = weft.jit(lambda x: sum(v * i[1] for i, v in wnp.ndenumerate(x)))(C)
    np.testing.assert_allclose(total, (C * [0, 1, 2]).sum())


def test_broadcast() -> None:
    ours, theirs = wnp.broadcast(wnp.asarray(A), wnp.ones((2, 1))), np.broadcast(A, np.ones((2, 1)))
    for name in ("shape", "size", "ndim", "nd", "numiter"):
        assert getattr(ours, name) == getattr(theirs, name)
    assert [tuple(map(float, v)) for v in ours] == [tuple(map(float, v)) for v in theirs]
    with pytest.raises(
        ShapeError, match=r"broadcast got incompatible shapes for broadcasting: \(3,\), \(2,\)"
    ):
        wnp.broadcast(wnp.ones(3), wnp.ones(2))


def test_masked_positions() -> None:
    same(wnp.mask_indices(4, wnp.triu, 1), np.mask_indices(4, np.triu, 1), "mask_indices")
    got = weft.jit(lambda k: wnp.mask_indices(4, wnp.tril, k, size=7))(-1)
    same([x[:6] for x in got], np.mask_indices(4, np.tril, -1), "traced")


def test_memory() -> None:
    x = wnp.arange(4)
    assert (
        wnp.shares_memory(x, x[1:]) and wnp.may_share_memory(x, x[1:]) and not wnp.shares_memory(x, x.copy())
    )
    assert not wnp.isfortran(wnp.asarray(C).T) and x.strides == (8,) and wnp.asarray(C).strides == (24, 8)
    assert weft.jit(lambda x: wnp.asarray(wnp.shares_memory(x, x)))(1.0)


def test_copies_of_a_kind() -> None:
    for name in ("ascontiguousarray", "asfortranarray"):
        agree(name, C)
        agree(name, np.asarray(2.0))
    assert wnp.require(C, "f4", ["C"]).dtype == np.float32
    same(wnp.asarray_chkfinite(C), C, "asarray_chkfinite")
    with pytest.raises(ConcretizationError, match="asarray takes them as they are"):
        weft.jit(wnp.asarray_chkfinite)(C)
    with pytest.raises(ArgumentError, match="NaN or infinities"):
        wnp.asarray_chkfinite(np.array([1.0, np.nan]))


def test_real_if_close() -> None:
    for x in (np.array([1 + 1e-15j, 2]), np.array([1 + 1e-3j, 2]), A, B):
        same(wnp.real_if_close(wnp.asarray(x)), np.real_if_close(x), "real_if_close")
    agree("real_if_close", A)
    same(
        weft.grad(lambda x: wnp.real_if_close(x * (1 + 0j)).real.sum())(C), np.ones((2, 3)), "its derivative"
    )


def test_methods_are_numpys() -> None:
    agree(lambda m: lambda x: x.partition(1) if m is wnp else np.partition(x, 1), A)
    agree(lambda m: lambda x: x.argpartition(1) if m is wnp else np.argpartition(x, 1), A)
    agree(lambda m: lambda x: x.ptp(0) if m is wnp else np.ptp(x, 0), C)
    agree(lambda m: lambda x: m.array([0, 1, 1]).choose([x, -x]), A)
    agree(lambda m: lambda x: x.astype("f4", "C", "same_kind"), C)
    assert wnp.asarray(C).astype("f8", False).dtype == np.float64
    with pytest.raises(
        weft.errors.DTypeError, match="astype of float64 as i4 is not allowed by casting='safe'"
    ):
        weft.jit(lambda x: x.astype("i4", casting="safe"))(C)
