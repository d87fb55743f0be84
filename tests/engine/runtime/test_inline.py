"""A nest as a part of another: loops that run once are what stands in them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import weft
import weft.numpy as wnp
from tests.nest_parts import F64, buffers, const
from weft.engine.runtime.inline import Renamed, Where
from weft.ir.loops.interpret import run_nest
from weft.ir.loops.nest import (
    Accumulate,
    Accumulator,
    Index,
    IndexOp,
    Load,
    Loop,
    Nest,
    Op,
    Param,
    Store,
)
from weft.ir.loops.verify import verify_nest
from weft.kernels.schedule import Scheduled

BUFFERS = buffers(("x", F64, "in"), ("y", F64, "out"))


class Writer:
    """Sizes are constants."""

    def __init__(self) -> None:
        self.params: list[int] = []
        self.count = 0

    def name(self, stem: str) -> str:
        self.count += 1
        return f"{stem}{self.count}"

    def size(self, value: int, largest: int) -> Index:
        return value


def nested(op: str, start: float, times: int) -> Nest:
    """Folds the rows of x, some elements more than once, in tiles of rows within tiles of columns."""
    at = IndexOp("+", IndexOp("*", "i", Param(1)), "j")
    folds = [Accumulate("s", "v") for _ in range(times)] + [Op("w", F64, "neg", ("v",)), Accumulate("s", "w")]
    inner = Loop(
        "j",
        IndexOp("min", 4, IndexOp("-", Param(1), IndexOp("*", "tile", 4))),
        "vector",
        (Load("v", F64, "x", at), *folds),
        (Accumulator("s", F64, op, "start"),),
    )
    tiles = Loop("tile", Param(2), "sequential", (inner, Store("y", "i", "s")))
    rows = Loop("i", Param(0), "parallel", (tiles,))
    return Nest(3, BUFFERS, (const("start", F64, start), rows))


@pytest.mark.parametrize(
    ("op", "start"),
    [("add", -0.0), ("add", 2.0), ("max", -np.inf), ("max", 0.25), ("min", np.inf), ("set", 5.0)],
)
@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (3, 1), (1, 3), (2, 4)])
def test_it_does_what_the_nest_did(op: str, start: float, times: int, rows: int, columns: int) -> None:
    nest = nested(op, start, times)
    params = (rows, columns, 1)
    places = [Where("x"), Where("y", 1)]
    inlined = Renamed(Writer(), Scheduled(nest, params, rows, ()), places, 16).body(nest.body)
    whole = Nest(0, BUFFERS, (Loop("t", 1, "steps", inlined),))
    verify_nest(whole)
    text = str(whole)
    assert "in 1 " not in text.replace("for t in 1 ", "")
    x = np.random.default_rng(0).normal(size=rows * columns)
    expected, found = np.zeros(rows + 1), np.zeros(rows + 1)
    run_nest(nest, params, [x, expected[1:]])
    run_nest(whole, [], [x, found])
    np.testing.assert_array_equal(found, expected)


def test_sums_of_nothing_in_a_step() -> None:
    """Tiles of nothing are one tile, and its number an integer."""
    x = np.linspace(0.1, 1.0, 8).reshape(1, 2, 4)

    def step(c: Any, _: Any) -> tuple[Any, Any]:
        s, y = c
        return (s + wnp.sum(wnp.sin(y[:, :, :0])) + wnp.sum(wnp.sin(y) * y), y.at[0].set(0.5)), None

    (s, _), _ = weft.jit(lambda x: weft.lax.scan(step, (0.0, x), None, length=3))(x)
    np.testing.assert_allclose(s, np.sum(np.sin(x) * x) + 8 * np.sin(0.5))
