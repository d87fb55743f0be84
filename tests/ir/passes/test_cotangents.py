"""Cotangents of slices: one concatenation where they tile an array, padded and added where they do not."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from weft.ir.builder import build
from weft.ir.graph import Graph
from weft.ir.interpret import evaluate
from weft.ir.ops import elementwise as e
from weft.ir.ops.index import dynamic_slice
from weft.ir.ops.shape import slice_
from weft.ir.passes.transpose import transpose
from weft.ir.types import ArrayType
from weft.ir.verify import verify

Box = tuple[tuple[int, int], tuple[int, int]]
TYPE = ArrayType((4, 3), np.dtype(float))


def slices(boxes: list[Box], others: int = 0, elements: int = 0) -> Graph:
    """A graph that reads boxes of its input, all of it (times 1, 2 ...), and elements of the first row."""

    def fun(x: object) -> list[object]:
        read = [slice_(x, (a, c), (b, d)) for (a, b), (c, d) in boxes]
        read += [e.mul(x, np.asarray(k + 1.0)) for k in range(others)]
        return read + [dynamic_slice(x, [np.asarray(0), np.asarray(k)], (1, 1)) for k in range(elements)]

    return build(fun, [TYPE])


def names(graph: Graph) -> list[str]:
    return [eqn.prim.name for eqn in graph.eqns]


@pytest.mark.parametrize(
    ("boxes", "others", "expected"),
    [
        ([((0, 1), (0, 3)), ((1, 4), (0, 3))], 0, ["concatenate"]),
        ([((0, 4), (2, 3)), ((0, 4), (0, 1)), ((0, 4), (1, 2))], 0, ["concatenate"]),
        ([((0, 2), (0, 3)), ((2, 4), (0, 3)), ((0, 2), (0, 3))], 0, ["add", "concatenate"]),
        ([((0, 2), (0, 3)), ((2, 4), (0, 3))], 1, ["mul", "concatenate", "add"]),
        ([((0, 2), (0, 3))], 0, ["pad"]),
        ([((0, 3), (0, 3)), ((1, 4), (0, 3))], 0, ["pad", "pad", "add"]),  # they overlap
        ([((0, 1), (0, 3)), ((2, 4), (0, 3))], 0, ["pad", "pad", "add"]),  # a row is missing
        ([((0, 2), (0, 3)), ((2, 4), (0, 2))], 0, ["pad", "pad", "add"]),  # a corner is missing
    ],
)
def test_boxes_that_tile_are_concatenated(boxes: list[Box], others: int, expected: list[str]) -> None:
    assert names(transpose(slices(boxes, others), (True,))) == expected


def ranges(n: int) -> st.SearchStrategy[tuple[int, int]]:
    return st.tuples(st.integers(0, n), st.integers(0, n)).map(lambda ends: (min(ends), max(ends)))


BOXES = st.lists(
    st.tuples(st.sampled_from([(0, 4), (0, 1), (1, 4)]) | ranges(4), ranges(3) | st.just((0, 3)))
)


@given(BOXES, st.integers(0, 2), st.integers(0, 2))
def test_it_is_the_transpose(boxes: list[Box], others: int, elements: int) -> None:
    graph = slices(boxes, others, elements)
    turned = transpose(graph, (True,))
    verify(turned)
    rng = np.random.default_rng(0)
    x = rng.integers(-9, 9, TYPE.shape).astype(float)
    cts = [rng.integers(-9, 9, t.shape).astype(float) for t in graph.out_types]
    (found,) = evaluate(turned, *cts)
    dots = [np.sum(out * ct) for out, ct in zip(evaluate(graph, x), cts, strict=True)]
    assert np.sum(np.asarray(found) * x) == sum(dots)
