"""Fusion: how many kernels well-known programs become, and that their meaning is kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.ir.random_graphs import C128, DTYPES, arguments, assert_same, graphs
from tests.work import count_calls
from weft.ir.builder import build
from weft.ir.errors import InternalError
from weft.ir.graph import Graph
from weft.ir.interpret import evaluate
from weft.ir.ops import elementwise as e
from weft.ir.ops import reduce as r
from weft.ir.ops import shape as s
from weft.ir.ops import transcendental as t
from weft.ir.ops.contract import matmul
from weft.ir.ops.index import dynamic_slice, dynamic_update_slice
from weft.ir.ops.kernel import kernel_p
from weft.ir.ops.sort import sort
from weft.ir.passes.dce import dce
from weft.ir.passes.fuse import fuse
from weft.ir.passes.fusion.axes import reshape_groups
from weft.ir.passes.fusion.stored import DEEPEST, HEAVIEST, LARGEST, MOST_FORKS
from weft.ir.passes.linearize import linearize
from weft.ir.passes.pipeline import run_pipeline
from weft.ir.passes.transpose import transpose
from weft.ir.types import ArrayType
from weft.ir.verify import verify

F64 = np.dtype(np.float64)


def fused(fun: Callable[..., Sequence[Any]], *shapes: tuple[int, ...]) -> Graph:
    """The fused graph of a function of f64 arrays, after checking that it verifies and means the same."""
    graph = run_pipeline(build(fun, [ArrayType(shape, F64) for shape in shapes]))
    result = fuse(graph)
    verify(result)
    args = arguments(graph)
    assert_same(evaluate(result, *args), evaluate(graph, *args))
    return result


def names(graph: Graph) -> list[str]:
    """What the equations are: kinds of kernels, and names of other primitives."""
    return [eqn.params["kind"] if eqn.prim is kernel_p else eqn.prim.name for eqn in graph.eqns]


def along_rows(y: Any, x: Any) -> Any:
    return s.broadcast(y, x.shape, range(len(x.shape) - 1))


def softmax(x: Any) -> Any:
    last = (len(x.shape) - 1,)
    powers = t.exp(e.sub(x, along_rows(r.reduce_max(x, last), x)))
    return e.div(powers, along_rows(r.reduce_sum(powers, last), x))


def log_softmax(x: Any) -> Any:
    last = (len(x.shape) - 1,)
    shifted = e.sub(x, along_rows(r.reduce_max(x, last), x))
    # Keeping the reduced axis as one of size 1, as NumPy's keepdims does.
    total = s.expand_dims(r.reduce_sum(t.exp(shifted), last), last)
    return e.sub(shifted, along_rows(s.squeeze(t.log(total), last), x))


def layer_norm(x: Any, gain: Any, bias: Any) -> Any:
    last, n = (len(x.shape) - 1,), x.shape[-1]
    centred = e.sub(x, along_rows(e.div(r.reduce_sum(x, last), float(n)), x))
    variance = e.div(r.reduce_sum(e.mul(centred, centred), last), float(n))
    scaled = e.mul(centred, along_rows(t.rsqrt(e.add(variance, 1e-5)), x))
    return e.add(e.mul(scaled, s.broadcast(gain, x.shape, last)), s.broadcast(bias, x.shape, last))


def test_softmax_is_one_kernel(golden: Callable[[str], None]) -> None:
    golden(str(fused(lambda x: [softmax(x)], (3, 5))))


@pytest.mark.parametrize("shape", [(3, 5), (2, 3, 5)])
@pytest.mark.parametrize(
    "fun",
    [
        lambda x: [softmax(x)],
        lambda x: [log_softmax(x)],
        lambda x: [layer_norm(x, s.full(x.shape[-1:], 2.0, F64), s.full(x.shape[-1:], 0.5, F64))],
        lambda x: [t.log(r.reduce_sum(t.exp(x), (len(x.shape) - 1,)))],
        lambda x: [e.sub(x, along_rows(r.reduce_max(x, (len(x.shape) - 1,)), x)), softmax(x)],
    ],
    ids=["softmax", "log_softmax", "layer_norm", "logsumexp", "two_results"],
)
def test_a_chain_along_rows_is_one_kernel(fun: Callable[..., Sequence[Any]], shape: tuple[int, ...]) -> None:
    assert names(fused(fun, shape)) == ["rows"]


def test_values_and_their_column_sums_are_one_kernel() -> None:
    def back(ct: Any, h: Any) -> list[Any]:
        d = e.mul(ct, e.sub(1.0, e.mul(h, h)))
        return [d, r.reduce_sum(d, (0,))]

    assert names(fused(back, (3, 5), (3, 5))) == ["columns"]


def test_batch_norm_is_one_kernel() -> None:
    def norm(x: Any) -> list[Any]:
        spread = lambda y: s.broadcast(y, x.shape, (1,))  # noqa: E731
        n = float(x.shape[0])
        centred = e.sub(x, spread(e.div(r.reduce_sum(x, (0,)), n)))
        variance = e.div(r.reduce_sum(e.mul(centred, centred), (0,)), n)
        return [e.mul(centred, spread(t.rsqrt(e.add(variance, 1e-5))))]

    assert names(fused(norm, (4, 5))) == ["columns"]


def test_full_reductions_take_producers_and_consumers() -> None:
    def variance(x: Any) -> list[Any]:
        mean = e.div(r.reduce_sum(x, (0, 1)), 15.0)
        d = e.sub(x, s.broadcast(mean, x.shape, ()))
        return [t.sqrt(e.div(r.reduce_sum(e.mul(d, d), (0, 1)), 15.0))]

    assert names(fused(variance, (3, 5))) == ["reduce"]


def test_updates_of_one_parameter_are_one_kernel() -> None:
    def adam(p: Any, m: Any, v: Any, g: Any) -> list[Any]:
        m = e.add(e.mul(m, 0.9), e.mul(g, 0.1))
        v = e.add(e.mul(v, 0.99), e.mul(e.mul(g, g), 0.01))
        return [e.sub(p, e.mul(e.div(m, e.add(t.sqrt(v), 1e-8)), 0.1)), m, v]

    assert names(fused(adam, *[(3, 5)] * 4)) == ["map"]


def test_siblings_over_one_space_are_one_kernel_and_chance_does_not_count() -> None:
    both = lambda x, y: [t.sin(x), e.add(x, y), t.cos(y)]  # noqa: E731
    assert names(fused(both, (4,), (4,))) == ["map"]
    # Nothing says that x and y are of one size.
    apart = lambda x, y: [t.sin(x), t.cos(y)]  # noqa: E731
    assert names(fused(apart, (4,), (4,))) == names(fused(apart, (4,), (7,))) == ["map", "map"]


def windowed(x: Any, update: Any, axis: int, first: int) -> Any:
    """``x`` with a window set, as `.at[].set` writes it."""
    low = [first if d == axis else 0 for d in range(x.ndim)]
    high = [n - m - k for n, m, k in zip(x.shape, update.shape, low, strict=True)]
    inside = s.pad(s.full(update.shape, True, np.dtype(bool)), False, low, high)
    return e.select(inside, s.pad(update, 0.0, low, high), x)


def differences(x: Any, field: Any, axis: int) -> Any:
    """``x[1:] += field[1:] - field[:-1]`` along an axis."""
    n = x.shape[axis]
    change = e.sub(s.slice_axis(field, axis, 1, n), s.slice_axis(field, axis, 0, n - 1))
    return windowed(x, e.add(s.slice_axis(x, axis, 1, n), change), axis, 1)


def test_updates_of_windows_that_lie_on_one_another_are_one_kernel() -> None:
    def both(x: Any, y: Any, field: Any) -> list[Any]:
        return [differences(x, field, 0), differences(y, field, 1)]

    assert names(fused(both, (5, 6), (5, 6), (5, 6))) == ["map"]
    # The second has a field of its own, which happens to be as large.
    apart = lambda x, y, a, b: [differences(x, a, 0), differences(y, b, 1)]  # noqa: E731
    assert names(fused(apart, *[(5, 6)] * 4)) == ["map", "map"]
    # What is written is read at other places than where it is.
    behind = lambda x, y, a: [x := differences(x, a, 0), differences(y, x, 1)]  # noqa: E731
    assert names(fused(behind, *[(5, 6)] * 3)) == ["map", "map"]


def test_a_row_that_is_read_to_be_written_is_read_where_it_is() -> None:
    def smooth(x: Any, i: Any) -> tuple[Any, Any]:
        row = dynamic_slice(x, [i, 0], (1, x.shape[1]))
        n = x.shape[1]
        mean = e.add(s.slice_axis(row, 1, 0, n - 2), s.slice_axis(row, 1, 2, n))
        return row, dynamic_update_slice(x, windowed(row, mean, 1, 1), [i, 0])

    def fun(x: Any) -> list[Any]:
        return [smooth(x, np.int64(2))[1]]

    assert names(fused(fun, (4, 6))) == ["map", "dynamic_update_slice"]

    # What reads it later must find it as it was, while the writing happens in place.
    def kept(x: Any) -> list[Any]:
        row, x = smooth(x, np.int64(2))
        return [x, t.exp(e.add(row, s.reverse(row, (1,))))]

    assert names(fused(kept, (4, 6))) == ["map", "map", "dynamic_update_slice"]


def test_a_kernel_does_not_wait_for_what_waits_for_it() -> None:
    def fun(x: Any) -> list[Any]:
        y = t.exp(x)
        return [e.add(e.mul(y, 2.0), sort(y, 0))]

    assert names(fused(fun, (5,))) == ["map", "sort", "map"]


def mlp_loss(x: Any, y: Any, *params: Any) -> Any:
    for k in range(0, len(params), 2):
        w, b = params[k : k + 2]
        x = matmul(x, w)
        x = e.add(x, s.broadcast(b, x.shape, (1,)))
        if k < len(params) - 2:
            x = t.tanh(x)
    d = e.sub(x, y)
    return e.div(r.reduce_sum(e.mul(d, d), (0, 1)), float(x.shape[0]))


def value_and_grad(graph: Graph, active: tuple[bool, ...]) -> Graph:
    """The value of a scalar graph and its gradient with respect to the active inputs."""
    split = linearize(graph, active)
    n = sum(active)
    back = transpose(split.linear, (True,) * n + (False,) * (len(split.linear.ins) - n))

    def fun(*args: Any) -> list[Any]:
        value, *residuals = evaluate(split.primal, *args)
        return [value, *evaluate(back, *residuals, np.float64(1))]

    return build(fun, graph.in_types)


def test_an_mlp_with_its_gradient_is_products_and_few_kernels() -> None:
    shapes = [(4, 3), (4, 2), (3, 5), (5,), (5, 6), (6,), (6, 2), (2,)]
    graph = build(lambda *a: [mlp_loss(*a)], [ArrayType(shape, F64) for shape in shapes])
    graph = run_pipeline(value_and_grad(graph, (False, False) + (True,) * 6), verify=True)
    result = fuse(graph)
    verify(result)
    args = [np.random.default_rng(0).normal(size=shape) for shape in shapes]
    for a, b in zip(evaluate(result, *args), evaluate(graph, *args), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-13)
    found = names(result)
    assert found.count("dot_general") == 8
    assert {eqn.prim.lower.kind for eqn in result.eqns} <= {"kernel", "library"}
    # Two activations; the loss and its derivative; the last bias (another reduction); two backward activations.
    assert len(found) - 8 == 6


def test_a_lone_reshape_of_a_stored_value_is_an_alias() -> None:
    assert names(fused(lambda x: [s.reshape(x, (15,))], (3, 5))) == ["reshape"]
    assert names(fused(lambda x: [s.reshape(t.exp(x), (15,))], (3, 5))) == ["map", "reshape"]


def test_a_reshape_of_a_plain_expression_is_free_and_of_others_an_alias() -> None:
    plain = lambda x, y: [e.mul(s.reshape(e.add(x, 1.0), (15,)), y)]  # noqa: E731
    assert names(fused(plain, (3, 5), (15,))) == ["map"]
    mixed = lambda x, b, y: [  # noqa: E731
        e.mul(s.reshape(e.add(x, s.broadcast(b, x.shape, (1,))), (15,)), y)
    ]
    assert names(fused(mixed, (3, 5), (5,), (15,))) == ["map", "map"]


def test_costly_values_read_at_several_places_are_stored_and_cheap_ones_are_not() -> None:
    def stencil(f: Callable[[Any], Any]) -> Callable[..., list[Any]]:
        def fun(x: Any) -> list[Any]:
            y = f(x)
            return [e.add(s.slice_axis(y, 0, 0, 5), s.slice_axis(y, 0, 2, 7))]

        return fun

    assert names(fused(stencil(t.exp), (7,))) == ["map", "map"]
    assert names(fused(stencil(lambda x: e.mul(x, 3.0)), (7,))) == ["map"]


def test_repeated_stencils_do_not_explode() -> None:
    def fun(x: Any) -> list[Any]:
        for _ in range(20):
            n = x.shape[0]
            x = e.sub(s.slice_axis(x, 0, 0, n - 2), e.mul(0.1, s.slice_axis(x, 0, 2, n)))
        return [x]

    result = fused(fun, (50,))
    assert 4 <= len(result.eqns) <= 10
    assert all(len(eqn.params["graph"].eqns) < 40 for eqn in result.eqns)


def test_a_hundred_operations_are_one_kernel() -> None:
    def fun(x: Any) -> list[Any]:
        for k in range(50):
            x = e.add(e.mul(x, 1.0 + k), x)
        return [x]

    assert names(fused(fun, (4,))) == ["map"]


def long_program(steps: int) -> Graph:
    def fun(x: Any, y: Any) -> list[Any]:
        outs = []
        for k in range(steps):
            x = e.add(e.mul(t.exp(x), 1.0 + k), y)
            y = e.sub(y, x)
            if k % 100 == 0:
                outs.append(r.reduce_sum(x, (k // 100 % 2,)))
        return [x, *outs]

    return build(fun, [ArrayType((3, 4), F64)] * 2)


def test_thousands_of_operations_are_kernels_of_bounded_size_by_linear_work() -> None:
    graph = long_program(1200)
    result = fuse(graph)
    assert len(result.eqns) < 100
    for eqn in result.eqns:
        inside = eqn.params["graph"].eqns
        assert len(inside) <= LARGEST
        assert sum(e.prim is t.exp_p for e in inside) <= HEAVIEST / 20
    assert count_calls(fuse, graph) < 2.5 * count_calls(fuse, long_program(600))


def test_index_maps_are_nested_to_a_bounded_depth() -> None:
    def fun(x: Any) -> list[Any]:
        for _ in range(3 * DEEPEST):
            x = s.reverse(s.slice_axis(x, 0, 1, x.shape[0]), (0,))
        return [x]

    result = fused(fun, (200,))
    assert 1 < len(result.eqns) < 10
    assert all(len(eqn.params["graph"].eqns) <= DEEPEST for eqn in result.eqns)


def test_batching_a_kernel_is_refused() -> None:
    eqn = fused(lambda x: [t.exp(x)], (3,)).eqns[0]
    with pytest.raises(InternalError, match="fusion is the last pass"):
        kernel_p.batch(kernel_p, (), (), 2, eqn.params)


@pytest.mark.parametrize(
    ("a", "b", "groups"),
    [
        ((2, 3), (6,), [((0, 1), (0,))]),
        ((4, 1, 3), (4, 3), [((0,), (0,)), ((2,), (1,))]),
        ((2, 3, 5), (6, 5), [((0, 1), (0,)), ((2,), (1,))]),
        ((6, 4), (2, 3, 4), [((0,), (0, 1)), ((1,), (2,))]),
        ((4, 6), (8, 3), [((0, 1), (0, 1))]),
        ((0, 3), (0,), [((0, 1), (0,))]),
        ((1, 1), (), []),
    ],
)
def test_reshape_groups(a: tuple[int, ...], b: tuple[int, ...], groups: Any) -> None:
    assert reshape_groups(a, b) == groups


@settings(max_examples=150)
@given(graph=graphs(dtypes=(*DTYPES, C128), max_eqns=24), seed=st.integers(0, 9))
def test_fusion_keeps_the_meaning(graph: Graph, seed: int) -> None:
    graph = dce(graph)
    result = fuse(graph)
    verify(result)
    args = arguments(graph, seed)
    assert_same(evaluate(result, *args), evaluate(graph, *args))
    assert fuse(result) == result
    alone = {"kernel", "reshape"}
    assert all(eqn.prim.name in alone for eqn in result.eqns)


def test_pairs_of_pairs_are_stored_before_they_are_many() -> None:
    """Each level of a tree reads the one before at two places: a kernel that took them all would read all leaves."""

    def tree(x: Any) -> list[Any]:
        while x.shape[0] > 1:
            pairs = s.slice_axis(x, 0, 0, x.shape[0], 2), s.slice_axis(x, 0, 1, x.shape[0], 2)
            x = e.mul(*pairs)
        return [x]

    graph = build(tree, [ArrayType((256,), np.dtype(float))])
    result = fuse(graph)
    inner = [eqn.params["graph"] for eqn in result.eqns if eqn.prim is kernel_p]
    assert 2 < len(inner) < 8
    assert all(sum(eqn.prim.name == "mul" for eqn in one.eqns) <= 1 + MOST_FORKS for one in inner)
    x = np.random.default_rng(0).uniform(0.9, 1.1, 256)
    np.testing.assert_allclose(evaluate(result, x)[0], [x.prod()])
