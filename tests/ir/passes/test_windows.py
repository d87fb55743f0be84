"""lower_windows: what convolutions and folds of windows become, and that it means the same."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest

from weft.ir.builder import build
from weft.ir.graph import Graph
from weft.ir.interpret import evaluate
from weft.ir.ops.convolution import conv
from weft.ir.ops.window import reduce_window
from weft.ir.passes.windows import lower_windows
from weft.ir.types import ArrayType
from weft.ir.verify import verify

rng = np.random.default_rng(2)
NCW = ((0, 1, 2),) * 3
NHWC = ((0, 3, 1, 2), (3, 2, 0, 1), (0, 3, 1, 2))


def lowered(fun: Any, *args: np.ndarray) -> tuple[Graph, Counter[str]]:
    """The graph after the pass, which must compute what it did, and how often it has which primitive."""
    graph = build(lambda *xs: [fun(*xs)], [ArrayType(x.shape, x.dtype) for x in args])
    after = lower_windows(graph)
    verify(after)
    for found, wanted in zip(evaluate(after, *args), evaluate(graph, *args), strict=True):
        assert found.dtype == wanted.dtype
        tolerance = 2e-3 if wanted.dtype.itemsize == 2 else 1e-11
        np.testing.assert_allclose(found, wanted, rtol=tolerance, atol=tolerance)
    return after, Counter(eqn.prim.name for eqn in after.eqns)


def draw(*shape: int) -> np.ndarray:
    return rng.standard_normal(shape)


def test_a_graph_without_windows_is_kept() -> None:
    graph = build(lambda x: [x], [ArrayType((3,), np.dtype(float))])
    assert lower_windows(graph) is graph


def test_padding_is_an_operation_of_its_own() -> None:
    after, found = lowered(lambda x, w: conv(x, w, (1,), ((1, 2),), NCW), draw(1, 2, 5), draw(3, 2, 3))
    assert found == {"pad": 1, "conv": 1}
    assert after.eqns[-1].params["padding"] == ((0, 0),)


def test_windows_of_one_element_are_products() -> None:
    _, found = lowered(
        lambda x, w: conv(x, w, (2, 1), ((0, 0), (0, 0)), NHWC), draw(2, 5, 4, 3), draw(1, 1, 3, 6)
    )
    assert found["dot_general"] == 1
    assert not found["conv"]


def test_windows_are_matrices() -> None:
    dims = ((0, 1, 2), (2, 0, 1), (0, 1, 2))  # rhs has axes (input, window, output)
    _, found = lowered(lambda x, w: conv(x, w, (1,), ((0, 0),), dims), draw(8, 8, 40), draw(8, 3, 16))
    assert found == {"conv": 1}
    dims = ((0, 1, 2), (1, 2, 0), (0, 1, 2))  # here (window, output, input)
    _, found = lowered(lambda x, w: conv(x, w, (1,), ((0, 0),), dims), draw(8, 8, 40), draw(3, 16, 8))
    assert found == {"transpose": 1, "conv": 1}


@pytest.mark.parametrize("groups", [1, 2])
def test_spread_operands_make_a_convolution_for_each_residue(groups: int) -> None:
    def transposed(x: Any, w: Any) -> Any:
        return conv(x, w, (1, 1), ((1, 0), (2, 1)), NHWC, lhs_dilation=(2, 3), feature_groups=groups)

    after, found = lowered(transposed, draw(1, 4, 3, 4), draw(3, 4, 4 // groups, 2))
    assert found["conv"] + found["dot_general"] == 6
    assert all(set(e.params["lhs_dilation"]) == {1} for e in after.eqns if e.prim.name == "conv")


def test_strides_that_share_a_factor_fill_the_gaps() -> None:
    def both(x: Any, w: Any) -> Any:
        return conv(x, w, (2,), ((0, 0),), NCW, lhs_dilation=(2,), rhs_dilation=(2,))

    _, found = lowered(both, draw(1, 2, 5), draw(3, 2, 3))
    assert found == {"pad": 1, "conv": 1}


def test_halves_are_summed_in_float32() -> None:
    x = draw(1, 2, 9).astype(np.float16)
    _, found = lowered(lambda x: conv(x, x, (1,), ((0, 0),), NCW), x)
    assert found == {"cast": 2, "conv": 1}
    _, found = lowered(lambda x: reduce_window("add", x, (1, 1, 3)), x)
    assert found == {"cast": 2, "window_sum": 1}
    _, found = lowered(lambda x: reduce_window("max", x, (1, 1, 3)), x)
    assert found == {"window_max": 1}


@pytest.mark.parametrize("op", ["add", "mul", "max", "min"])
def test_large_windows_are_folded_axis_by_axis(op: str) -> None:
    _, found = lowered(lambda x: reduce_window(op, x, (12, 9), strides=(2, 1)), draw(20, 20))
    assert sum(n for name, n in found.items() if name.startswith("window")) == 2
    for k, pieces in ((100, 2), (107, 3)):
        _, found = lowered(
            lambda x, k=k: reduce_window(op, x, (k,), strides=(3,), padding=((5, 0),)), draw(150)
        )
        assert sum(n for name, n in found.items() if name.startswith("window")) == pieces


def test_gaps_between_elements_are_filled() -> None:
    _, found = lowered(lambda x: reduce_window("max", x, (3,), base_dilation=(2,)), draw(6))
    assert found == {"pad": 1, "window_max": 1}


def test_the_pass_repeats_to_itself() -> None:
    def fun(x: Any, w: Any) -> Any:
        return reduce_window(
            "max", conv(x, w, (1,), ((1, 1),), NCW), (1, 1, 2), padding=((0, 0), (0, 0), (1, 0))
        )

    after, _ = lowered(fun, draw(2, 4, 30), draw(8, 4, 3))
    assert str(lower_windows(after)) == str(after)


BOXES: dict[str, tuple[tuple[int, ...], dict[str, Any]]] = {
    "pooling": ((1, 2, 2, 1), {"strides": (1, 2, 2, 1)}),
    "not of one size": ((1, 3, 2, 1), {"strides": (1, 3, 2, 1)}),
    "all of an axis": ((1, 7, 1, 1), {"strides": (1, 7, 1, 1)}),
    "long": ((1, 1, 40, 1), {"strides": (1, 1, 40, 1)}),
}


@pytest.mark.parametrize("op", ["add", "mul", "max", "min", "and", "or"])
@pytest.mark.parametrize("name", BOXES)
def test_windows_beside_one_another_are_boxes(name: str, op: str) -> None:
    window, options = BOXES[name]
    x = rng.integers(0, 2, (2, 7, 41, 3)).astype(bool) if op in ("and", "or") else draw(2, 7, 41, 3)
    kind = {"add": "sum", "mul": "prod"}.get(op, op)
    _, found = lowered(lambda x: reduce_window(op, x, window, **options), x)
    assert found - Counter(slice=2) == {"reshape": 1, f"reduce_{kind}": 1}


@pytest.mark.parametrize("op", ["add", "max"])
@pytest.mark.parametrize("behind", [0, 3])
def test_windows_as_wide_as_elements_are_apart_repeat_them(op: str, behind: int) -> None:
    options = {"padding": ((0, 0), (1, 1), (2, 2 + behind)), "base_dilation": (1, 2, 3)}
    _, found = lowered(lambda x: reduce_window(op, x, (1, 2, 3), **options), draw(2, 4, 5))
    assert not any("window" in name or "reduce" in name for name in found)


@pytest.mark.parametrize(
    "options",
    [
        {"strides": (1, 1)},
        {"strides": (2, 3)},
        {"strides": (2, 2), "padding": ((0, 0), (1, 0))},
        {"strides": (2, 2), "dilation": (1, 2)},
        {"base_dilation": (2, 2), "padding": ((1, 0), (1, 1))},
        {"base_dilation": (2, 2), "padding": ((0, 1), (1, 1))},
        {"base_dilation": (2, 2), "padding": ((1, 1), (1, 1)), "strides": (1, 2)},
    ],
)
def test_other_windows_stay_windows(options: dict[str, Any]) -> None:
    _, found = lowered(lambda x: reduce_window("add", x, (2, 2), **options), draw(7, 9))
    assert found["window_sum"] == 1
