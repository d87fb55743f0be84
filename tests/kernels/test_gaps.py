"""Pads with gaps: places are written by loops of their own, wherever they are, and mean what they mean."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import weft
import weft.numpy as wnp
from tests.kernels.fused import kernels
from tests.kernels.test_schedule import check, normal
from weft.ir.loops.nest import Loop, Op
from weft.ir.ops import elementwise as e
from weft.ir.ops import shape as s
from weft.kernels.schedule import schedule

PADS = {
    "both axes": ((0, 1), (0, 0), (2, 1)),
    "behind": ((0, 1), (5, 0), (2, 0)),
    "one axis, shifted": ((3, 0), (1, 0), (4, 0)),
    "gaps, and more of the other": ((1, 2), (0, 3), (0, 6)),
    "cut off": ((-1, 0), (2, -2), (2, 2)),
}


def text_of(graph: Any) -> str:
    (kernel,) = kernels(graph)
    return str(schedule(kernel).nest)


@pytest.mark.parametrize("shape", [(3, 4), (1, 9), (40, 3), (5, 1), (70, 9)])
@pytest.mark.parametrize("name", PADS)
def test_a_pad_by_itself(name: str, shape: tuple[int, int]) -> None:
    low, high, interior = PADS[name]
    check(lambda x: [e.mul(s.pad(e.neg(x), 0.5, low, high, interior), 3.0)], normal(*shape), chunks=3)


def test_gaps_wider_than_a_tile() -> None:
    check(lambda x: [s.pad(e.neg(x), 0.5, (1, 3), (0, 0), (0, 1100))], normal(2, 3), chunks=3)


def test_several_pads_of_one_kernel() -> None:
    """Elements at the places of both have both."""

    def fun(x: Any) -> list[Any]:
        a = s.pad(x, 0.5, (0, 0), (1, 1), (1, 2))
        b = s.pad(e.neg(x), 2.0, (1, 1), (0, 0), (1, 2))
        c = s.pad(e.abs_(x), 3.0, (0, 1), (1, 0), (1, 2))
        return [e.add(e.mul(a, b), c), e.neg(a)]

    check(fun, normal(6, 5), chunks=3)


def test_asked_at_other_elements_too() -> None:
    """A pad that is read in reverse is no place of the loops; the same pad as it lies is one."""

    def fun(x: Any) -> list[Any]:
        padded = s.pad(e.neg(x), 0.5, (1, 0), (0, 0), (2, 0))
        return [e.sub(padded, s.reverse(padded, (0,)))]

    check(fun, normal(5, 7))
    check(lambda x: [s.reverse(s.pad(e.neg(x), 0.5, (1, 0), (0, 0), (2, 0)), (0,))], normal(5, 7))


def test_beside_other_windows() -> None:
    def fun(x: Any) -> list[Any]:
        wide = s.pad(x, 0.5, (0, 0), (0, 0), (0, 2))
        inner = s.pad(s.slice_axis(wide, 1, 2, 9), 4.0, (0, 2), (0, wide.shape[1] - 9), (0, 0))
        return [e.add(s.concatenate([wide, wide], 0), s.concatenate([inner, wide], 0))]

    check(fun, normal(4, 5))


def test_no_element_is_divided_for() -> None:
    graph = check(lambda x: [s.pad(e.neg(x), 0.5, (0, 1), (0, 0), (2, 1))], normal(3, 30))
    (kernel,) = kernels(graph)

    def ops(body: Any) -> list[Any]:
        return [one for x in body for one in (ops(x.body) if isinstance(x, Loop) else [x])]

    assert not any(isinstance(one, Op) and one.op == "select" for one in ops(schedule(kernel).nest.body))


def test_sizes_and_steps_of_others_are_the_same_code() -> None:
    texts = {
        text_of(check(lambda x, n=n: [s.pad(e.neg(x), 0.5, (0,), (0,), (n,))], normal(n)))
        for n in (30, 41, 90)
    }
    assert len(texts) == 1


@pytest.mark.parametrize("step", [2, 3, 4, 7])
@pytest.mark.parametrize("dtype", ["f4", "f8", "i4", "c16"])
def test_updates_as_numpys(step: int, dtype: str) -> None:
    for n in (2, 9, 5003):
        x = (np.arange(n) % 13).astype(dtype)
        new = x[1::step] * 2 + 1
        expected = x.copy()
        expected[1::step] = new
        found = weft.jit(lambda a, b: a.at[1::step].set(b))(x, new)
        np.testing.assert_array_equal(np.asarray(found), expected)
        expected = x.copy()
        expected[::step] = 5
        found = weft.jit(lambda a: a.at[::step].set(5))(x)
        np.testing.assert_array_equal(np.asarray(found), expected)


def test_the_same_bits_on_any_number_of_threads() -> None:
    before = weft.config.threads
    x = normal(1200, 700)
    f = weft.jit(lambda a: wnp.sin(a).at[::3, 1::5].add(a[::3, 1::5]))
    found = []
    for threads in (1, 4):
        weft.config.update(threads=threads)
        found.append(np.asarray(f(x)).tobytes())
    weft.config.update(threads=before)
    assert found[0] == found[1]


def test_diagonals_and_their_derivatives() -> None:
    v = normal(50)
    np.testing.assert_array_equal(np.asarray(weft.jit(lambda a: wnp.diag(a, 3))(v)), np.diag(v, 3))
    m = np.random.default_rng(1).normal(size=(50, 50))
    gradient = weft.jit(weft.grad(lambda a: wnp.sum(wnp.diag(a) * m)))(v)
    np.testing.assert_allclose(np.asarray(gradient), np.diag(m))
    gradient = weft.jit(weft.grad(lambda a: wnp.sum(a[1::3] ** 2)))(v)
    expected = np.zeros(50)
    expected[1::3] = 2 * v[1::3]
    np.testing.assert_allclose(np.asarray(gradient), expected)
