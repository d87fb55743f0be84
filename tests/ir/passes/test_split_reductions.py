"""Reductions of short rows and of what is around them are two, the rows last."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from weft.ir.builder import build
from weft.ir.graph import Graph
from weft.ir.interpret import evaluate
from weft.ir.ops import reduce as r
from weft.ir.passes.split_reductions import split_reductions
from weft.ir.types import ArrayType
from weft.ir.verify import verify

REDUCTIONS = {f.__name__: f for f in (r.reduce_sum, r.reduce_prod, r.reduce_max, r.reduce_min, r.reduce_or)}


def reduction(name: str, shape: Sequence[int], axes: tuple[int, ...], dtype: str) -> Graph:
    return build(lambda x: [REDUCTIONS[name](x, axes)], [ArrayType(tuple(shape), np.dtype(dtype))])


CASES = {
    "first and last": ((40, 3, 5), (0, 2), [(0,), (1,)]),
    "all but the second": ((20, 3, 2, 5), (0, 2, 3), [(0,), (1, 2)]),
    "the last lead": ((3, 17, 4, 5), (1, 3), [(1,), (2,)]),
    "two groups lead": ((4, 2, 5, 3, 6), (0, 2, 4), [(0, 2), (2,)]),
    "with axes of size 1": ((1, 20, 1, 3, 1, 5, 1), (0, 1, 4, 5, 6), [(1,), (0, 3, 4, 5)]),
    "few rows": ((15, 3, 5), (0, 2), [(0, 2)]),
    "long rows": ((300, 3, 129), (0, 2), [(0, 2)]),
    "rows longer than many": ((20, 3, 21), (0, 2), [(0, 2)]),
    "nothing kept between": ((40, 3, 5), (0, 1, 2), [(0, 1, 2)]),
    "nothing wide kept between": ((40, 1, 5), (0, 2), [(0, 2)]),
    "rows alone": ((40, 3, 5), (2,), [(2,)]),
    "columns": ((40, 3, 5), (0, 1), [(0, 1)]),
    "rows of one": ((40, 3, 1), (0, 2), [(0, 2)]),
    "nothing at all": ((40, 3, 0), (0, 2), [(0, 2)]),
}


@pytest.mark.parametrize("name", CASES)
def test_which_axes_come_first(name: str) -> None:
    shape, axes, expected = CASES[name]
    graph = reduction("reduce_sum", shape, axes, "i8")
    found = split_reductions(graph)
    verify(found)
    assert [eqn.params["axes"] for eqn in found.eqns] == expected
    assert str(split_reductions(found)) == str(found)
    x = np.random.default_rng(0).integers(-9, 9, shape)
    np.testing.assert_array_equal(evaluate(found, x)[0], np.sum(x, axes))


@pytest.mark.parametrize("dtype", ["f8", "f4", "c16", "i4"])
@pytest.mark.parametrize("name", REDUCTIONS)
def test_meaning(name: str, dtype: str) -> None:
    if (name == "reduce_or" and dtype != "i4") or (name in ("reduce_max", "reduce_min") and dtype[0] == "c"):
        pytest.skip("no such reduction")
    graph = reduction(name, (30, 4, 6), (0, 2), dtype)
    found = split_reductions(graph)
    assert len(found.eqns) == 2
    x = (np.random.default_rng(0).uniform(0.7, 1.4, (30, 4, 6)) * (3 if dtype == "i4" else 1)).astype(dtype)
    if dtype[0] == "f":
        x[3, 1, 2], x[4, 2] = np.nan, -0.0
    np.testing.assert_allclose(evaluate(found, x)[0], evaluate(graph, x)[0], rtol=1e-4)


@pytest.mark.parametrize(("name", "splits"), [("reduce_sum", False), ("reduce_max", True)])
def test_sums_of_halves_are_rounded_once(name: str, splits: bool) -> None:
    assert (len(split_reductions(reduction(name, (30, 4, 6), (0, 2), "f2")).eqns) == 2) == splits
