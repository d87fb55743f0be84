"""Schedules: the loop nests of kernels do what the graphs mean, are generic in their sizes, and have the right shape."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.ir.passes.test_fuse import layer_norm, log_softmax, softmax
from tests.ir.random_graphs import C128, DTYPES, arguments, graphs
from tests.kernels.fused import kernels, nests, run_fused
from tests.kernels.row_chains import row_chains
from weft.ir.builder import build
from weft.ir.errors import InternalError
from weft.ir.graph import Graph
from weft.ir.interpret import evaluate
from weft.ir.loops.nest import Const, IndexValue, Load, Loop, Nest, Op, ParamValue, Store
from weft.ir.ops import elementwise as e
from weft.ir.ops import reduce as r
from weft.ir.ops import shape as s
from weft.ir.ops import transcendental as t
from weft.ir.ops.control import optimization_barrier
from weft.ir.ops.index import dynamic_slice, gather
from weft.ir.passes.dce import dce
from weft.ir.passes.fuse import fuse
from weft.ir.types import ArrayType, bfloat16
from weft.kernels.schedule import schedule

F64, F32, F16, I64, U64, BOOL, C128_ = map(np.dtype, ("f8", "f4", "f2", "i8", "u8", "?", "c16"))
TOLERANCE = {F32: 1e-6, F16: 2e-3, bfloat16: 2e-2}


def assert_close(found: Sequence[Any], expected: Sequence[Any]) -> None:
    """Equal types, and values but for how sums are associated."""
    for a, b in zip(found, expected, strict=True):
        a, b = np.asarray(a), np.asarray(b)
        assert (a.shape, a.dtype) == (b.shape, b.dtype)
        tolerance = TOLERANCE.get(a.dtype, 1e-10)
        wide = np.float64 if a.dtype in (F16, bfloat16) else a.dtype
        with np.errstate(all="ignore"):
            np.testing.assert_allclose(a.astype(wide), b.astype(wide), rtol=tolerance, atol=1e-12)


def check(fun: Callable[..., Sequence[Any]], *args: np.ndarray, chunks: int = 2) -> Graph:
    """Hold the nests of a function against its meaning; gives the fused graph."""
    graph = build(fun, [ArrayType(a.shape, a.dtype) for a in args])
    result = fuse(graph)
    assert kernels(result)
    assert_close(run_fused(result, *args, chunks=chunks), evaluate(graph, *args))
    return result


def normal(*shape: int) -> np.ndarray:
    return np.random.default_rng(len(shape)).normal(size=shape)


# Index maps

MOVES: dict[str, Callable[[Any], Any]] = {
    "broadcast_rows": lambda x: s.broadcast(x, (*x.shape, 3), range(x.ndim)),
    "broadcast_columns": lambda x: s.broadcast(x, (3, *x.shape), range(1, 1 + x.ndim)),
    "expand": lambda x: s.broadcast(s.expand_dims(x, (0,)), (1, 2, *x.shape), (0, *range(2, 2 + x.ndim))),
    "transpose": lambda x: s.transpose(x, range(x.ndim)[::-1]),
    "flatten": lambda x: s.reshape(x, (x.size,)),
    "split": lambda x: s.reshape(s.concatenate([x, x], 0), (x.shape[0], 2, *x.shape[1:])),
    "slice": lambda x: s.slice_(x, [n // 3 for n in x.shape], [n - n // 4 for n in x.shape]),
    "steps": lambda x: s.slice_(x, [n // 3 for n in x.shape], x.shape, [2] * x.ndim),
    "reverse": lambda x: s.reverse(x, range(x.ndim)),
    "pad": lambda x: s.pad(x, 0.5, [1] * x.ndim, [2] * x.ndim),
    "pad_before": lambda x: s.pad(x, 0.5, [3] + [0] * (x.ndim - 1), [0] * x.ndim),
    "pad_between": lambda x: s.pad(x, 0.5, [1] * x.ndim, [0] * x.ndim, [2] * x.ndim),
    "pads": lambda x: e.sub(
        s.pad(x, 0.0, [1] * x.ndim, [0] * x.ndim), s.pad(x, 2.0, [0] * x.ndim, [1] * x.ndim)
    ),
    "pad_and_cut": lambda x: s.pad(x, 0.5, [2] * x.ndim, [-1 if n else 0 for n in x.shape]),
    "concatenate": lambda x: s.concatenate([x, e.mul(x, 2.0), x], x.ndim - 1),
    "concatenate_rows": lambda x: s.concatenate([x, e.mul(x, 2.0)], 0),
    "concatenate_pads": lambda x: s.concatenate([s.pad(x, 0.5, [0] * x.ndim, [1] * x.ndim)] * 2, x.ndim - 1),
    "iota": lambda x: e.add(x, s.iota(F64, x.shape, x.ndim - 1)),
    "full": lambda x: e.add(x, s.full(x.shape, 0.3, F64)),
    "copy": optimization_barrier,
    "window": lambda x: dynamic_slice(
        x, [np.int64(1)] + [np.int64(-4)] * (x.ndim - 1), [n - n // 3 for n in x.shape]
    ),
    "window_past_the_end": lambda x: dynamic_slice(x, [np.uint64(2**63)] * x.ndim, [n // 2 for n in x.shape]),
}


@pytest.mark.parametrize("shape", [(1,), (5,), (0,), (3, 5), (1, 4), (4, 1), (0, 3), (2, 1, 7), (2, 3, 4)])
@pytest.mark.parametrize("name", MOVES)
def test_index_maps(name: str, shape: tuple[int, ...]) -> None:
    check(lambda x: [e.add(MOVES[name](e.mul(x, 3.0)), 1.0)], normal(*shape), chunks=3)


@pytest.mark.parametrize("first", MOVES)
def test_index_maps_compose(first: str) -> None:
    for second in MOVES:
        check(lambda x, second=second: [e.mul(MOVES[second](e.sub(MOVES[first](x), 0.5)), 3.0)], normal(3, 4))


@pytest.mark.parametrize("shape", [(1, 1), (2, 1), (1, 5), (4, 2), (3, 4), (5, 9), (3, 4100)])
@pytest.mark.parametrize("border", [(1, 1), (0, 2), (1, 0)])
def test_windows_are_written(shape: tuple[int, int], border: tuple[int, int]) -> None:
    check(lambda x: [smoothed(x, border)], normal(*shape), chunks=3)


def test_the_border_of_a_window_is_copied_and_its_inside_asks_for_the_row_alone() -> None:
    (kernel,) = kernels(check(lambda x: [smoothed(x, (1, 1))], normal(5, 9)))
    before, inside, behind = innermost(schedule(kernel).nest.body)
    assert [type(one) for one in before.body] == [type(one) for one in behind.body] == [Load, Store]
    assert not any(isinstance(one, IndexValue) for one in inside.body)
    assert len({one.args[0] for one in selects(inside)}) == 1


def innermost(body: Sequence[Any]) -> list[Loop]:
    """The loops without loops in them."""
    loops = (one for one in body if isinstance(one, Loop))
    return [inner for one in loops for inner in innermost(one.body) or [one]]


def selects(loop: Loop) -> list[Op]:
    return [one for one in loop.body if isinstance(one, Op) and one.op == "select"]


def rolled(x: Any, shift: int, axis: int) -> Any:
    n = x.shape[axis]
    cut = -shift % n
    return s.concatenate([s.slice_axis(x, axis, cut, n), s.slice_axis(x, axis, 0, cut)], axis)


@pytest.mark.parametrize("shape", [(3, 4), (5, 9), (4, 4100), (2, 2), (3, 3)])
def test_neighbours_round_the_edge_are_read_without_asking(shape: tuple[int, int]) -> None:
    def neighbours(x: Any) -> list[Any]:
        total = e.mul(x, -4.0)
        for axis in (0, 1):
            for shift in (1, -1):
                total = e.add(total, rolled(e.neg(x), shift, axis))
        return [total]

    (kernel,) = kernels(check(neighbours, normal(*shape), chunks=3))
    for zone in innermost(schedule(kernel).nest.body):
        assert not selects(zone)
        assert sum(isinstance(one, Load) for one in zone.body) <= 5


def test_windows_that_overlap_are_settled_zone_by_zone() -> None:
    def fun(x: Any) -> list[Any]:
        near, far = (s.pad(e.mul(x, k + 2.0), 0.5, (0, k), (0, 4 - k)) for k in (0, 3))
        return [e.sub(e.sub(near, far), s.concatenate([x, s.slice_axis(x, 1, 0, 4)], 1))]

    for width in (5, 9, 4100):
        (kernel,) = kernels(check(fun, normal(3, width), chunks=3))
        zones = innermost(schedule(kernel).nest.body)
        assert len(zones) > 2 and not any(map(selects, zones))


def smoothed(x: Any, border: tuple[int, int]) -> Any:
    """``x`` with the mean of neighbours in all but a border of so many elements before and behind."""
    low, high = border
    n = [max(size - low - high, 0) for size in x.shape]
    before = s.slice_(x, [0, 0], n)
    behind = s.slice_(x, [size - m for size, m in zip(x.shape, n, strict=True)], x.shape)
    low, high = [low] * 2, [size - m - low for size, m in zip(x.shape, n, strict=True)]
    inside = s.pad(s.full(n, True, BOOL), False, low, high)
    return e.select(inside, s.pad(e.mul(e.add(before, behind), 0.5), 0.0, low, high), x)


def test_a_small_distance_of_elements_is_known() -> None:
    (kernel,) = kernels(
        check(lambda x: [s.reverse(s.pad(e.neg(x), 0.5, (0, 1), (0, 0), (2, 1)), (0, 1))], normal(3, 4))
    )
    text = str(schedule(kernel).nest)
    assert all(division in text for division in ("//2", "%2", "//3", "%3"))


def test_slices_know_their_steps() -> None:
    """And so what lies between: LLVM then loads it all, and picks."""
    parts = build(
        lambda x: [e.add(s.slice_axis(x, 1, 1, 40, 3), s.slice_axis(x, 1, 2, 40, 3))],
        [ArrayType((9, 40), F64)],
    )
    (nest,) = nests(parts)
    assert "*3 + 1)]" in str(nest) and "*3 + 2)]" in str(nest)
    (far,) = nests(build(lambda x: [s.slice_axis(x, 0, 5, 900, 30)], [ArrayType((900,), F64)]))
    assert far == nests(build(lambda x: [s.slice_axis(x, 0, 6, 800, 20)], [ArrayType((800,), F64)]))[0]


@pytest.mark.parametrize("width", [2, 3, 4, 5, 9])
def test_elements_of_short_rows(width: int) -> None:
    """Of columns of a few the distance is known; of more it is a number given at the call."""

    def fun(x: Any) -> list[Any]:
        first, last = (s.reshape(s.slice_axis(x, 1, k, k + 1), (x.shape[0],)) for k in (0, width - 1))
        return [e.sub(e.mul(last, 2.0), first)]

    (kernel,) = kernels(check(fun, normal(11, width)))
    assert (f"i0*{width} + {width - 1}]" in str(schedule(kernel).nest)) == (width <= 8)
    lengths = {tuple(nests(build(fun, [ArrayType((length, width), F64)]))) for length in (11, 90, 700)}
    assert len(lengths) == 1


@pytest.mark.parametrize("width", [1, 3, 4, 8, 12, 20])
@pytest.mark.parametrize("mode", ["fill", "clip"])
def test_rows_at_places(width: int, mode: str) -> None:
    places = np.random.default_rng(4).integers(-3, 50, 40)
    check(lambda x, i: [e.neg(gather(x, [i], (0,), mode))], normal(45, width), places)
    check(lambda x, i: [gather(x, [i], (1,), mode)], normal(45, width), places)


def test_long_lines_are_cut_into_blocks() -> None:
    def fun(x: Any, y: Any) -> list[Any]:
        z = s.concatenate([x, y, x], 0)
        return [e.sub(s.pad(z, 0.0, (1,), (0,)), s.pad(z, 0.0, (0,), (1,)))]

    check(fun, normal(4100), normal(3), chunks=3)


@pytest.mark.parametrize("mode", ["clip", "fill", "promise"])
@pytest.mark.parametrize("dtype", [np.int64, np.uint64, np.int8])
def test_gather(mode: str, dtype: type) -> None:
    x, rng = normal(4, 1, 5), np.random.default_rng(0)
    inside = mode == "promise"
    i = rng.integers(0, 4 if inside else 9, (2, 3)).astype(dtype)
    j = rng.integers(0, 1 if inside else 3, (2, 3)).astype(dtype)
    check(lambda x, i: [gather(x, [i], (0,), mode)], x, i)
    check(lambda x, i: [gather(x, [i], (2,), mode)], x, i)
    check(lambda x, i, j: [e.mul(gather(x, [i, j], (0, 1), mode), 2.0)], x, i, j)
    if not inside:
        far = np.array([np.iinfo(dtype).max, np.iinfo(dtype).min], dtype)
        check(lambda x, i: [gather(x, [i], (0,), mode)], x, far)


@pytest.mark.parametrize(
    "dtype", [F64, F32, F16, bfloat16, np.dtype(np.int16), np.dtype(np.uint8), BOOL, C128_]
)
def test_gather_fills_by_dtype(dtype: np.dtype) -> None:
    check(lambda x, i: [gather(x, [i], (0,), "fill")], np.ones(3, dtype), np.array([0, 3, -1]))


def test_gather_of_nothing_fills() -> None:
    check(lambda x, i: [gather(x, [i], (0,), "fill")], np.zeros((0, 2)), np.array([0, 3]))


# Reductions

REDUCTIONS = {
    F64: (r.reduce_sum_p, r.reduce_prod_p, r.reduce_max_p, r.reduce_min_p),
    F32: (r.reduce_sum_p, r.reduce_max_p),
    F16: (r.reduce_sum_p, r.reduce_prod_p, r.reduce_min_p),
    bfloat16: (r.reduce_sum_p, r.reduce_max_p),
    I64: (r.reduce_sum_p, r.reduce_prod_p, r.reduce_max_p, r.reduce_min_p, r.reduce_and_p, r.reduce_or_p),
    np.dtype(np.uint8): (r.reduce_sum_p, r.reduce_max_p, r.reduce_min_p, r.reduce_and_p),
    BOOL: (r.reduce_and_p, r.reduce_or_p, r.reduce_max_p, r.reduce_min_p),
    C128_: (r.reduce_sum_p, r.reduce_prod_p),
}


@pytest.mark.parametrize("axes", [(0,), (1,), (2,), (0, 1), (0, 2), (1, 2), (0, 1, 2)])
@pytest.mark.parametrize("dtype", REDUCTIONS)
def test_reductions(dtype: np.dtype, axes: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    for shape in [(2, 3, 4), (3, 1, 5), (1, 1, 1)]:
        x = (rng.normal(size=shape) * 3).astype(dtype)
        for prim in REDUCTIONS[dtype]:
            check(lambda x, prim=prim: [prim.bind(x, axes=axes)], x)


@pytest.mark.parametrize("axes", [(0,), (1,), (0, 1)])
@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (0, 0)])
def test_reductions_of_nothing_give_the_identity(shape: tuple[int, int], axes: tuple[int, ...]) -> None:
    check(lambda x: [r.reduce_sum(x, axes), r.reduce_prod(x, axes)], np.zeros(shape))
    check(lambda x: [r.reduce_and(x, axes)], np.zeros(shape, bool))


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_positions_of_extrema(axis: int) -> None:
    x = np.array([[2.0, np.nan, 7.0, 7.0], [7.0, 1.0, np.nan, -np.inf]])
    x = np.stack([x, np.full_like(x, -np.inf), -x])
    for values in (x, x.astype(np.float32), np.nan_to_num(x, neginf=-9, posinf=9).astype(np.int8), x > 1):
        check(lambda x: [r.argmax(x, axis), r.argmin(x, axis, np.int32)], values)


def test_small_floats_are_summed_in_f32() -> None:
    x = np.full((3, 4096), 0.1, np.float16)
    for axes, value in (((1,), x), ((0,), x.T.copy())):
        found = run_fused(
            fuse(build(lambda x, axes=axes: [r.reduce_sum(x, axes)], [ArrayType(value.shape, F16)])), value
        )
        np.testing.assert_allclose(found[0].astype(float), 409.5, rtol=1e-3)


# Chains along rows and columns


def columns(fun: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """A function of rows as one of columns."""
    return lambda x: s.transpose(fun(s.transpose(x, (1, 0))), (1, 0))


def _norm_of_columns(x: Any) -> Any:
    spread = lambda y: s.broadcast(y, x.shape, (1,))  # noqa: E731
    n = float(x.shape[0])
    centred = e.sub(x, spread(e.div(r.reduce_sum(x, (0,)), n)))
    variance = e.div(r.reduce_sum(e.mul(centred, centred), (0,)), n)
    return e.mul(centred, spread(t.rsqrt(e.add(variance, 1e-5))))


def _softmax_of_columns(x: Any) -> Any:
    spread = lambda y: s.broadcast(y, x.shape, (1,))  # noqa: E731
    powers = t.exp(e.sub(x, spread(r.reduce_max(x, (0,)))))
    return e.div(powers, spread(r.reduce_sum(powers, (0,))))


def _concentration(x: Any) -> Any:
    """The sum of squares of a softmax: its powers are wanted by two passes and are no result."""
    spread = lambda y: s.broadcast(y, x.shape, (0,))  # noqa: E731
    powers = t.exp(e.sub(x, spread(r.reduce_max(x, (1,)))))
    share = e.div(powers, spread(r.reduce_sum(powers, (1,))))
    return r.reduce_sum(e.mul(share, share), (1,))


CHAINS: dict[str, tuple[Callable[[Any], Any], int]] = {
    "softmax": (softmax, 1),
    "log_softmax": (log_softmax, 1),
    "layer_norm": (
        lambda x: layer_norm(x, s.full(x.shape[-1:], 2.0, F64), s.full(x.shape[-1:], 0.3, F64)),
        1,
    ),
    "concentration": (_concentration, 1),
    "norm_of_columns": (_norm_of_columns, 1),
    "softmax_of_columns": (_softmax_of_columns, 1),
    "transposed_softmax": (columns(softmax), 2),
}


@pytest.mark.parametrize("shape", [(3, 5), (1, 4), (4, 1), (70, 3), (2, 530), (1, 1), (0, 3)])
@pytest.mark.parametrize("name", CHAINS)
def test_chains(name: str, shape: tuple[int, int]) -> None:
    fun, count = CHAINS[name]
    if name in ("softmax_of_columns", "transposed_softmax"):
        shape = (max(shape[0], 1), shape[1])  # nothing has no largest
    fused = check(lambda x: [fun(x)], normal(*shape), chunks=3)
    if min(shape) > 1:
        assert len(kernels(fused)) == count


def test_scratch_rows_are_one_a_block() -> None:
    eqn = kernels(fuse(build(lambda x: [_concentration(x)], [ArrayType((1000, 40), F64)])))[0]
    scheduled = schedule(eqn)
    assert scheduled.extent == 63 and scheduled.scratch == (63 * 40,)


# The shape of nests


def loops(nest: Nest) -> list[Loop]:
    """All loops of a nest, in the order of the text."""
    found: list[Loop] = []

    def visit(body: tuple[Any, ...]) -> None:
        for statement in body:
            if isinstance(statement, Loop):
                found.append(statement)
                visit(statement.body)

    visit(nest.body)
    return found


def test_elementwise_work_on_any_rank_is_one_loop() -> None:
    fun = lambda x, y: [e.add(t.exp(x), y), e.mul(x, y)]  # noqa: E731
    for shape in ((60,), (6, 10), (3, 4, 5), (3, 1, 20)):
        (nest,) = nests(build(fun, [ArrayType(shape, F64)] * 2))
        assert len(loops(nest)) == 1 and nest.n_params == 1
    (flat,) = nests(build(lambda x: [e.add(s.reshape(x, (60,)), 1.0)], [ArrayType((3, 4, 5), F64)]))
    assert len(loops(flat)) == 1


def test_leading_axes_are_one_loop_where_the_last_is_apart() -> None:
    bias = lambda x, b: [e.add(x, s.broadcast(b, x.shape, (2,)))]  # noqa: E731
    (nest,) = nests(build(bias, [ArrayType((3, 4, 5), F64), ArrayType((5,), F64)]))
    assert [loop.kind for loop in loops(nest)] == ["parallel", "sequential", "vector"]
    (nest,) = nests(build(lambda x: [softmax(x)], [ArrayType((3, 4, 5), F64)]))
    assert [loop.kind for loop in loops(nest)] == ["parallel", "vector", "vector", "vector"]


GENERIC: dict[str, Callable[[Any], Sequence[Any]]] = {
    **{name: (lambda x, fun=fun: [fun(x)]) for name, (fun, _) in CHAINS.items()},
    **{
        name: (lambda x, fun=fun: [t.exp(fun(e.mul(x, 0.3)))])
        for name, fun in MOVES.items()
        if name not in ("slice", "steps", "window", "window_past_the_end", "split", "broadcast_rows")
    },
    "slices": lambda x: [e.sub(s.slice_axis(x, 0, 1, x.shape[0]), s.slice_axis(x, 0, 0, x.shape[0] - 1))],
    "window": lambda x: [dynamic_slice(x, [np.int64(1), np.int64(2)], (x.shape[0] - 1, x.shape[1] - 1))],
    "reductions": lambda x: [r.reduce_sum(x, (0,)), r.reduce_max(t.exp(x), (1,)), r.reduce_sum(x, (0, 1))],
    "square": lambda x: [e.add(r.reduce_sum(x, (0,)), 1.0), r.reduce_sum(x, (1,))],
    "positions": lambda x: [r.argmax(x, 1), r.argmin(x, 0)],
}


@pytest.mark.parametrize("name", GENERIC)
def test_one_nest_serves_all_shapes(name: str) -> None:
    shapes = [(a, b) for a in (37, 40, 45, 512) for b in (38, 41, 48, 1000)]  # short ones are known to nests
    found = {tuple(nests(build(GENERIC[name], [ArrayType(shape, F64)]))) for shape in shapes}
    assert len(found) == 1


@pytest.mark.parametrize("width", [2, 3, 8])
@pytest.mark.parametrize("name", ["softmax", "layer_norm", "concentration", "norm_of_columns", "positions"])
def test_one_nest_serves_all_lengths_of_a_narrow_axis(name: str, width: int) -> None:
    shapes = [(length, width) for length in (16, 17, 100, 512)]
    found = {tuple(nests(build(GENERIC[name], [ArrayType(shape, F64)]))) for shape in shapes}
    assert len(found) == 1


SHORT: dict[str, Callable[[Any], Sequence[Any]]] = {
    "outer product": lambda x: [
        e.mul(
            s.broadcast(x, (*x.shape, 3), (0, 1)),
            s.broadcast(s.slice_axis(x, 1, 0, 3), (*x.shape, 3), (0, 2)),
        )
    ],
    "joined": lambda x: [s.concatenate([s.slice_axis(x, 1, 1, 3), e.mul(x, x)], 1)],
    "padded": lambda x: [e.neg(s.pad(x, x.dtype.type(1), (0, 1), (0, 2), (0, 1)))],
    "backwards": lambda x: [e.mul(s.reverse(x, (1,)), x)],
    "across": lambda x: [e.neg(s.transpose(x, (1, 0)))],
    "functions": lambda x: [t.exp(e.sub(x, s.reverse(x, (1,))))],
    "joined after a function": lambda x: [s.concatenate([t.exp(x), x], 1)],
}


@pytest.mark.parametrize("width", [3, 5, 6, 8, 12, 15])
@pytest.mark.parametrize("name", SHORT)
@pytest.mark.parametrize("dtype", [F64, np.float32, np.uint8], ids=str)
def test_short_rows_are_written_out_or_full_vectors(name: str, width: int, dtype: Any) -> None:
    dtype = np.dtype(dtype)
    if dtype.kind == "u" and "function" in name:
        return
    rows = np.arange(21 * width).reshape(21, width) % 7
    check(SHORT[name], rows.astype(dtype))
    found = {tuple(nests(build(SHORT[name], [ArrayType((n, width), dtype)]))) for n in (21, 100, 1777)}
    assert len(found) == 1


def _forces(x: Any) -> list[Any]:
    """What pulls at points, each by all others: narrow reduced, and then narrow kept."""
    shape = (x.shape[0], *x.shape)
    apart = e.sub(s.broadcast(x, shape, (1, 2)), s.broadcast(x, shape, (0, 2)))
    square = e.add(r.reduce_sum(e.mul(apart, apart), (2,)), 0.1)
    return [r.reduce_sum(e.div(apart, s.broadcast(e.mul(square, t.sqrt(square)), shape, (0, 1))), (1,))]


NARROW: dict[str, tuple[Callable[[Any], Sequence[Any]], tuple[int, ...]]] = {
    "forces": (_forces, (18, 3)),
    "rows": (lambda x: [r.reduce_sum(x, (2,)), r.reduce_max(e.mul(x, x), (2,))], (5, 7, 3)),
    "rows and more": (lambda x: [r.reduce_sum(x, (0, 2))], (19, 17, 4)),
    "columns": (lambda x: [r.reduce_min(x, (1,)), t.exp(r.reduce_sum(x, (1,)))], (3, 21, 2)),
    "columns, long": (lambda x: [r.reduce_sum(x, (1,))], (17, 600, 2)),
    "columns, short": (lambda x: [r.reduce_max(x, (1,)), softmax(e.mul(x, 0.5))], (19, 5, 3)),
    "columns, short, of positions": (lambda x: [r.argmax(x, 1)], (37, 2, 4)),
    "every second": (lambda x: [e.mul(s.slice_axis(x, 0, 1, x.shape[0], 2), 2.0)], (41,)),
    "a column less another": (lambda x: [e.sub(s.slice_axis(x, 1, 2, 3), s.slice_axis(x, 1, 0, 1))], (41, 3)),
    "columns of what was split": (
        lambda x: [e.neg(s.slice_axis(s.reshape(x, (x.shape[0] // 3, 3)), 1, 1, 2))],
        (42,),
    ),
    "columns of all": (lambda x: [r.reduce_sum(t.exp(x), (0,))], (40, 8)),
    "channels": (lambda x: [_norm_of_columns(x), e.mul(x, 2.0)], (33, 3)),
    "logical": (lambda x: [r.reduce_or(e.gt(x, 1.0), (1,)), r.reduce_and(e.gt(x, -2.0), (1,))], (30, 3)),
    "two axes as one": (lambda x: [r.reduce_sum(x, (0,))], (40, 2, 3)),
    "bias": (
        lambda x: [e.maximum(e.add(x, s.broadcast(first_row(x), x.shape, (1,))), 0.0), e.neg(x)],
        (5000, 3),
    ),
    "scales": (lambda x: [t.exp(e.mul(x, s.broadcast(first_column(x), x.shape, (0,))))], (33, 5)),
    "turned": (lambda x: [e.mul(s.transpose(x, (1, 0)), 2.0)], (4, 5000)),
    "blocks": (lambda x: [e.mul(x, s.broadcast(r.reduce_sum(x, (2,)), x.shape, (0, 1)))], (7, 19, 2)),
}


def first_row(x: Any) -> Any:
    """The first row of a matrix."""
    return s.reshape(s.slice_axis(x, 0, 0, 1), (x.shape[1],))


def first_column(x: Any) -> Any:
    """The first column of a matrix."""
    return s.reshape(s.slice_axis(x, 1, 0, 1), (x.shape[0],))


@pytest.mark.parametrize("dtype", [F64, F32, F16], ids=str)
@pytest.mark.parametrize("name", NARROW)
def test_narrow_axes_have_no_loops(name: str, dtype: np.dtype) -> None:
    fun, shape = NARROW[name]
    args = normal(*shape).astype(dtype)
    graph = build(fun, [ArrayType(shape, dtype)])
    assert not any(loop.extent in range(2, 9) for nest in nests(graph) for loop in loops(nest))
    check(fun, args, chunks=3)


def test_programs_that_differ_in_a_literal_share_their_code() -> None:
    scaled = lambda c: nests(build(lambda x: [e.mul(x, c)], [ArrayType((3,), F64)]))[0]  # noqa: E731
    assert scaled(0.3) == scaled(0.7)
    assert any(isinstance(statement, ParamValue) for statement in scaled(0.3).body)
    assert scaled(0.5) == scaled(0.3)  # it may be one over a length
    assert scaled(-1.0) != scaled(0.3)
    assert any(isinstance(statement, Const) for statement in scaled(-1.0).body)
    twice = lambda a, b: nests(build(lambda x: [e.add(e.mul(x, a), b)], [ArrayType((3,), F64)]))[0]  # noqa: E731
    assert twice(0.3, 0.3) == twice(0.3, 0.7)


@pytest.mark.parametrize(
    "value", [0.3, np.float32(0.3), np.complex128(0.3 + 2j), np.int8(77), np.uint64(2**64 - 1)]
)
def test_literals_of_every_size_arrive(value: Any) -> None:
    dtype = np.asarray(value).dtype
    check(lambda x: [e.add(x, np.asarray(value))], np.ones(3, dtype))


def test_nests_print(golden: Callable[[str], None]) -> None:
    texts = []
    for fun, shape in (
        (lambda x: [softmax(x)], (3, 5)),
        (lambda x: [_norm_of_columns(x)], (3, 5)),
        (lambda x: [s.pad(e.mul(x, 0.3), 0.0, (1, 1), (1, 1))], (3, 5)),
    ):
        texts += [str(nest) for nest in nests(build(fun, [ArrayType(shape, F64)]))]
    golden("\n".join(texts))


def test_results_that_need_other_loops_are_refused() -> None:
    graph = build(
        lambda x: [t.exp(x), r.reduce_sum(x, (0,)), s.slice_axis(x, 0, 0, 2)], [ArrayType((5, 7), F64)]
    )
    with pytest.raises(InternalError, match=r"has a result f64\[2,7\]"):
        schedule(graph)


def test_inputs_literals_and_repeated_results_are_stored_too() -> None:
    graph = build(lambda x: [x, *[t.exp(x)] * 2], [ArrayType((3,), F64)])
    nest = schedule(graph).nest
    assert [b.kind for b in nest.buffers] == ["in", "out", "out", "out"]


@pytest.mark.parametrize("shape", [(2, 19, 4), (2, 1, 40), (3, 64, 7), (40, 2, 0), (0, 64, 2)])
def test_short_rows_of_nothing(shape: tuple[int, ...]) -> None:
    def none_of_them(x: object) -> list:
        turned = s.transpose(e.abs_(x), (2, 1, 0))
        return [e.abs_(s.slice_axis(turned, 1, 0, 0))]

    check(none_of_them, np.ones(shape))


# Random programs


@settings(max_examples=120)
@given(graph=graphs(dtypes=(*DTYPES, C128)), seed=st.integers(0, 9), chunks=st.integers(1, 3))
def test_random_graphs(graph: Graph, seed: int, chunks: int) -> None:
    graph = dce(graph)
    args = arguments(graph, seed)
    assert_close(run_fused(fuse(graph), *args, chunks=chunks), evaluate(graph, *args))


@settings(max_examples=150)
@given(graph=row_chains(), seed=st.integers(0, 9), chunks=st.integers(1, 3))
def test_random_chains(graph: Graph, seed: int, chunks: int) -> None:
    rng = np.random.default_rng(seed)
    args = [rng.normal(size=type.shape) for type in graph.in_types]
    assert_close(run_fused(fuse(graph), *args, chunks=chunks), evaluate(graph, *args))


def test_no_elements_between_many_rows_and_short_ones() -> None:
    check(lambda x: [e.neg(s.concatenate([x, x], 1))], np.ones((20, 0, 3)))
