"""Which loops of known length become vectors, and that they do what they did."""

from __future__ import annotations

import numpy as np
import pytest

from tests.nest_parts import F64, buffers, call_kernel, const
from weft.ir.loops.interpret import run_nest
from weft.ir.loops.nest import Accumulate, Accumulator, IndexOp, Load, Loop, Nest, Op, Store
from weft.ir.loops.verify import verify_nest
from weft.kernels.backend import compile_nests
from weft.kernels.cpu.short import is_at_places, is_vector


def elementwise(extent: int, op: str, stride: int = 1) -> Loop:
    at = IndexOp("*", "j", stride) if stride > 1 else "j"
    body = (Load("a", F64, "x", at), Op("b", F64, op, ("a",)), Store("y", "j", "b"))
    return Loop("j", extent, "vector", body)


def folded(extent: int, fold: str) -> Loop:
    """The extremum or sum of each row of a square."""
    at = IndexOp("+", IndexOp("*", "i", extent), "k")
    body = (Load("c", F64, "x", at), Op("d", F64, "neg", ("c",)), Accumulate("s", "d"))
    return Loop("k", extent, "sequential", body, (Accumulator("s", F64, fold, "start"),))


@pytest.mark.parametrize(
    ("loop", "copies", "expected"),
    [
        (elementwise(4, "tanh"), 1, True),
        (elementwise(3, "tanh"), 1, False),
        (elementwise(16, "neg"), 1, False),
        (elementwise(16, "neg"), 16, True),
        (elementwise(15, "neg"), 16, False),  # vectors would not be full
        (elementwise(16, "neg", stride=2), 16, False),  # nor read what lies side by side
        (folded(8, "max"), 1, True),
        (folded(8, "max"), 8, False),
        (folded(8, "add"), 1, False),
        (folded(16, "add"), 16, True),
        (Loop("i", 8, "sequential", (elementwise(8, "tanh"),)), 1, False),
    ],
)
def test_which_become_vectors(loop: Loop, copies: int, expected: bool) -> None:
    assert is_vector(loop, copies) is expected


def row(extent: int, place: str, *, stride: int = 1, fold: bool = False) -> Loop:
    """A row of a table is brought to the place ``i``, or added up."""
    at = IndexOp("*", "j", stride) if stride > 1 else "j"
    read = Load("a", F64, "x", IndexOp("+", IndexOp("*", place, extent), at))
    if fold:
        return Loop(
            "j", extent, "vector", (read, Accumulate("s", "a")), (Accumulator("s", F64, "add", "start"),)
        )
    return Loop("j", extent, "vector", (read, Store("y", IndexOp("+", IndexOp("*", "i", extent), "j"), "a")))


@pytest.mark.parametrize(
    ("loop", "expected"),
    [
        (row(4, "v"), True),
        (row(16, "v"), True),
        (row(6, "v"), False),  # vectors would not be full
        (row(8, "i"), False),  # may be kept in registers
        (row(8, "v", stride=2), False),  # does not lie side by side
        (row(8, "v", fold=True), False),
    ],
)
def test_rows_at_places_that_are_read_become_vectors(loop: Loop, expected: bool) -> None:
    assert is_at_places(loop, {"i"}) is expected


@pytest.mark.parametrize("extent", [1, 3, 4, 5, 8, 13, 16])
@pytest.mark.parametrize("fold", ["add", "max", "min"])
def test_they_do_what_they_did(extent: int, fold: str) -> None:
    rows = Loop("i", extent, "sequential", (folded(extent, fold), Store("z", "i", "s")))
    step = Loop("t", 1, "steps", (elementwise(extent, "tanh"), rows))
    start = const("start", F64, {"add": -0.0, "max": -np.inf, "min": np.inf}[fold])
    nest = Nest(0, buffers(("x", F64, "in"), ("y", F64, "out"), ("z", F64, "out")), (start, step))
    verify_nest(nest)
    x = np.random.default_rng(0).normal(size=extent * extent)
    x[:: extent + 3] = np.nan
    (kernel,) = compile_nests([nest])
    found = []
    for run in (
        lambda arrays: run_nest(nest, [], arrays),
        lambda arrays: call_kernel(kernel.address, [], arrays, end=1),
    ):
        found.append([x, np.zeros(extent), np.zeros(extent)])
        run(found[-1])
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-13)
