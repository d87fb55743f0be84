"""Graphs that differ in their numbers alone share their loops, and each computes with its own numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tests.kernels.fused import kernels
from tests.kernels.test_schedule import check
from weft.ir.builder import build
from weft.ir.ops import elementwise as e
from weft.ir.ops import reduce as r
from weft.ir.ops import shape as s
from weft.ir.passes.fuse import fuse
from weft.ir.types import ArrayType
from weft.kernels.schedule import schedule
from weft.kernels.schedule.literals import without_literals

# Some are those that mark literals, in another order.
NUMBERS = ((2.75, -3.25, 0.125), (1.5, 0.5, 2.5), (2.5, 2.5, 0.5), (1e30, 1e-30, 7.0), (0.3, 0.5, 1.0))
SMALL = (np.float16, np.int64)
Program = Callable[..., Any]

PROGRAMS: dict[str, Program] = {
    "operations": lambda x, a, b, c: [e.sub(e.mul(x, a), e.mul(b, e.add(x, c)))],
    "one twice": lambda x, a, b, c: [e.mul(e.add(x, a), a), e.mul(x, b)],
    "a border": lambda x, a, b, c: [e.mul(s.pad(x, a, (1,), (2,)), b)],
    "repeated": lambda x, a, b, c: [
        e.add(x, s.full(x.shape, a, x.dtype)),
        e.mul(s.full(x.shape, b, x.dtype), c),
    ],
    "a product": lambda x, a, b, c: [e.mul(r.reduce_prod(e.mul(x, a), (0,)), b), e.add(x, c)],
    "a result": lambda x, a, b, c: [e.mul(x, b), x.dtype.type(a)],
}


@pytest.mark.parametrize("name", PROGRAMS)
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16, np.complex128, np.int64])
def test_each_program_has_its_own_numbers(name: str, dtype: type) -> None:
    x = np.random.default_rng(0).uniform(1, 2, 5).astype(dtype)
    for numbers in NUMBERS:
        given = [np.clip(n, 0.125, 9.0).astype(dtype) if dtype in SMALL else dtype(n) for n in numbers]
        with np.errstate(all="ignore"):
            check(lambda x, given=given: PROGRAMS[name](x, *given), x)


def test_so_has_each_part_of_one_that_is_cut() -> None:
    x = np.random.default_rng(0).normal(size=9000)
    for a, b, c in NUMBERS[:2]:
        check(lambda x, a=a, b=b, c=c: [e.add(e.mul(r.reduce_max(e.mul(x, a), (0,)), b), c)], x)


@pytest.mark.parametrize("name", ["operations", "a border", "a product"])
def test_loops_are_written_once(name: str) -> None:
    def scheduled(numbers: tuple[float, ...]) -> list[Any]:
        graph = build(
            lambda x: PROGRAMS[name](x, *map(np.float64, numbers)),
            [ArrayType((50_000,), np.dtype(np.float64))],
        )
        return [part for eqn in kernels(fuse(graph)) for part in schedule(eqn).chain()]

    ones, others = scheduled((2.75, -3.25, 0.125)), scheduled((7.5, 3.5, 0.3))
    assert all(a.nest is b.nest and a.grain == b.grain for a, b in zip(ones, others, strict=True))
    assert [a.params for a in ones] != [b.params for b in others]


def test_what_code_gains_by_knowing_stays() -> None:
    """Zeros, ones and what is no number are constants; loops with them are others."""
    for number in (0.0, -0.0, 1.0, -1.0, np.inf, -np.inf, np.nan):
        graph = build(lambda x, n=number: [e.mul(x, np.float64(n))], [ArrayType((4,), np.dtype(np.float64))])
        assert without_literals(graph) == (graph, [])


def test_numbers_of_positions_stay() -> None:
    """A search for the first extremum is traced anew, which must not compute with marks."""
    x = np.random.default_rng(0).normal(size=(6, 7))
    for number in (2.25, -2.25):
        check(lambda x, n=number: [r.argmax(e.mul(x, np.float64(n)), 1, np.dtype(np.int64))], x)


@pytest.mark.parametrize("name", ["int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"])
def test_one_loop_divides_by_all_lengths(name: str) -> None:
    """Around multiples, and at the ends of the range."""
    dtype, rng = np.dtype(name), np.random.default_rng(4)
    least, most = int(np.iinfo(dtype).min), int(np.iinfo(dtype).max)
    nests = set()
    for n in (17, 18, 31, 64, 100, 127, 1000, 16384, 32767, 10007, 2**20 + 7, 2**30 - 1):
        if n > most:
            continue
        by = dtype.type(n)
        multiples = rng.integers(least // n + 1, most // n, 200, dtype=dtype, endpoint=True) * by
        ends = np.array([least, least + 1, 0, 1, n - 1, n, most - 1, most], dtype)
        others = rng.integers(least, most, 200, dtype=dtype, endpoint=True)
        x = np.concatenate([multiples, multiples - dtype.type(1), multiples + dtype.type(1), ends, others])

        def divided(x: Any, by: Any = by) -> list[Any]:
            return [e.floor_div(x, by), e.mod(x, by), e.rem(x, by), e.int_div(x, by)]

        check(divided, x)
        graph = fuse(build(divided, [ArrayType(x.shape, dtype)]))
        nests.add(tuple(part.nest for eqn in kernels(graph) for part in schedule(eqn).chain()))
    assert len(nests) == 1


def test_what_is_divided_by_few_or_very_many_is_written_for_it() -> None:
    def nest(n: int) -> Any:
        graph = build(lambda x: [e.mod(x, np.int64(n))], [ArrayType((1000,), np.dtype(np.int64))])
        return next(schedule(kernels(fuse(graph))[0]).chain()).nest

    assert nest(17) == nest(2**30 - 1)
    assert len({nest(n) for n in (3, 16, 17, 2**30, 2**31)}) == 5
