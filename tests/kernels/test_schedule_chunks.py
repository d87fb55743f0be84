"""Kernels that are handed out in chunks: the same bits in whatever chunks, NumPy's values, and work that is known before."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from tests.ir.passes.test_fuse import layer_norm, softmax
from tests.kernels.compiled import compile_function, shuffled
from tests.kernels.fused import kernels
from weft.ir.builder import build
from weft.ir.graph import Graph
from weft.ir.interpret import evaluate
from weft.ir.loops.nest import Loop
from weft.ir.ops import elementwise as e
from weft.ir.ops import reduce as r
from weft.ir.ops import shape as s
from weft.ir.ops import transcendental as t
from weft.ir.passes.fuse import fuse
from weft.ir.types import ArrayType, bfloat16
from weft.kernels.backend import compile_nests
from weft.kernels.schedule import Scheduled, schedule
from weft.kernels.schedule.costs import CHUNK
from weft.kernels.schedule.lanes import HEIGHT, LANES
from weft.kernels.schedule.loops import TILE
from weft.kernels.schedule.maps import SQUARE

F64, F32, F16, I64, I8, U8, BOOL, C128 = map(np.dtype, ("f8", "f4", "f2", "i8", "i1", "u1", "?", "c16"))

Fun = Callable[..., Sequence[Any]]


def parts(fun: Fun, *shapes: tuple[int, ...], dtype: np.dtype = F64) -> list[Scheduled]:
    """The nests of a function that is one kernel."""
    (eqn,) = kernels(fuse(build(fun, [ArrayType(shape, dtype) for shape in shapes])))
    return list(schedule(eqn).chain())


def spread(y: Any, shape: tuple[int, ...], *axes: int) -> Any:
    return s.broadcast(y, shape, axes)


def _variance(x: Any) -> list[Any]:
    n = float(max(x.size, 1))
    centred = e.sub(x, spread(e.div(r.reduce_sum(x, range(x.ndim)), n), x.shape))
    return [t.sqrt(e.div(r.reduce_sum(e.mul(centred, centred), range(x.ndim)), n))]


def _mixed(x: Any) -> list[Any]:
    """Several folds at once, what follows from them, and results on the whole space."""
    axes = range(x.ndim)
    total, largest = r.reduce_sum(x, axes), r.reduce_max(x, axes)
    scaled = e.mul(t.exp(e.sub(x, spread(largest, x.shape))), 0.5)
    return [total, largest, scaled, e.div(total, r.reduce_sum(scaled, axes)), r.reduce_min(x, axes)]


def _along(fun: Fun, axis: int) -> Fun:
    return lambda x: fun(x) if axis == 1 else [s.transpose(y, (1, 0)) for y in fun(s.transpose(x, (1, 0)))]


def _norm_of_columns(x: Any) -> list[Any]:
    n = float(max(x.shape[0], 1))
    centred = e.sub(x, spread(e.div(r.reduce_sum(x, (0,)), n), x.shape, 1))
    variance = e.div(r.reduce_sum(e.mul(centred, centred), (0,)), n)
    return [e.mul(centred, spread(t.rsqrt(e.add(variance, 1e-5)), x.shape, 1)), variance]


CASES: dict[str, tuple[Fun, list[tuple[int, ...]]]] = {
    "map": (lambda x: [e.mul(t.exp(x), 0.5)], [(1,), (4097,), (100_003,)]),
    "map_of_rows": (
        lambda x: [e.add(x, s.iota(F64, x.shape, x.ndim - 1)) for _ in (0,)],
        [(1, 5), (2, 70_001), (9000, 3), (50, 4, 300)],
    ),
    "transposed": (lambda x: [t.exp(s.transpose(x, range(x.ndim)[::-1]))], [(300, 500), (2, 40_001), (40, 30, 50)]),
    "transposed_pad": (
        lambda x: [s.pad(s.transpose(x, range(x.ndim)[::-1]), 0.5, [1] * x.ndim, [2] * x.ndim)],
        [(3, 5), (130, 67)],
    ),
    "with_its_transpose": (lambda x: [e.sub(x, s.transpose(x, (1, 0)))], [(3, 3), (65, 65), (130, 130)]),
    "pad": (lambda x: [s.pad(e.mul(x, 2.0), 0.5, [1] * x.ndim, [2] * x.ndim)], [(9000,), (2, 9000), (900, 7)]),
    "sum": (lambda x: [r.reduce_sum(x, range(x.ndim))], [(0,), (1,), (4096,), (4097,), (300_007,), (3, 70_001)]),
    "variance": (_variance, [(1,), (4097,), (123_457,)]),
    "mixed": (_mixed, [(1,), (5,), (50_001,), (300, 301)]),
    "softmax": (lambda x: [softmax(x)], [(700, 65), (2, 40_001), (1, 40_001), (33, 5000)]),
    "layer_norm": (
        lambda x: [layer_norm(x, s.full(x.shape[-1:], 2.0, F64), s.full(x.shape[-1:], 0.3, F64))],
        [(700, 65), (3, 40_001)],
    ),
    "position": (lambda x: [r.argmax(x, x.ndim - 1)], [(1,), (100_003,), (2, 40_001), (500, 70)]),
    "positions": (lambda x: [r.argmax(x, x.ndim - 1), r.argmin(x, x.ndim - 1)], [(3,), (100_003,), (3, 40_001)]),
    "columns": (lambda x: [r.reduce_sum(x, (0,)), r.reduce_max(x, (0,))], [(3, 600), (70_001, 3), (1000, 700), (700, 2500)]),
    "sums_of_columns": (lambda x: [e.mul(r.reduce_sum(x, (0,)), 2.0)], [(0, 3), (3, 0), (1, 9), (5000, 3)]),
    "norm_of_columns": (_norm_of_columns, [(7, 600), (2000, 5), (70_001, 3), (600, 700)]),
    "middle": (lambda x: [r.reduce_sum(x, (1,))], [(3, 20, 7), (3, 5000, 7), (40, 1000, 30)]),
    "apart": (
        lambda x: [r.reduce_sum(e.mul(x, spread(s.iota(F64, x.shape[1:2], 0), x.shape, 1)), range(x.ndim))],
        [(20, 30, 40), (3, 2, 50_000), (70_000, 2, 3)],
    ),
    "ends": (lambda x: [r.reduce_sum(x, (0, 2))], [(3, 4, 5), (5, 3, 40_000), (60_000, 2, 3), (0, 2, 3), (3, 0, 5)]),
    "ends_of_columns": (lambda x: [r.reduce_max(x, (0, 2))], [(3, 4, 5, 6), (50, 3, 40, 20), (2, 3, 900, 5)]),
}  # fmt: skip


def sample(*shape: int) -> np.ndarray:
    return np.random.default_rng(math.prod(shape) % 1000).normal(size=shape)


def assert_same_bits(found: Sequence[np.ndarray], expected: Sequence[np.ndarray]) -> None:
    for a, b in zip(found, expected, strict=True):
        assert (a.shape, a.dtype) == (b.shape, b.dtype)
        assert a.tobytes() == b.tobytes()


def judge(graph_of: Fun, *args: np.ndarray) -> list[np.ndarray]:
    graph: Graph = build(graph_of, [ArrayType(a.shape, a.dtype) for a in args])
    return [np.asarray(x) for x in evaluate(graph, *args)]


@pytest.mark.parametrize("name", CASES)
def test_chunks_change_no_bit(name: str) -> None:
    fun, shapes = CASES[name]
    for shape in shapes:
        x = sample(*shape)
        run = compile_function(fun, x)
        whole = run(x)
        for a, b in zip(whole, judge(fun, x), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-9, err_msg=f"{name} {shape}")
        for chunks in (shuffled(0), shuffled(1, most=7), shuffled(2, most=1000)):
            assert_same_bits(run(x, chunks=chunks), whole)


DTYPES = [F64, F32, F16, bfloat16, I64, I8, U8, BOOL, C128]
FOLDS = {
    "sum": (r.reduce_sum, lambda d: True),
    "prod": (r.reduce_prod, lambda d: d != BOOL),
    "max": (r.reduce_max, lambda d: d != C128),
    "min": (r.reduce_min, lambda d: d != C128),
    "and": (r.reduce_and, lambda d: d.kind in "iub"),
    "or": (r.reduce_or, lambda d: d.kind in "iub"),
}


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("name", FOLDS)
def test_long_folds_of_all_dtypes(name: str, dtype: np.dtype) -> None:
    fold, fits = FOLDS[name]
    if not fits(dtype) or (name == "sum" and dtype == BOOL):
        return
    for shape, axes in (((9001,), (0,)), ((2, 40_001), (1,)), ((3000, 5), (0,))):
        x = sample(*shape)
        x = np.exp(0.01 * x) if name == "prod" else 3 * x
        x = (x > -9 if name == "and" else x > 9) if dtype == BOOL else x.astype(dtype)
        run = compile_function(lambda x, fold=fold, axes=axes: [fold(x, axes)], x)
        (whole,) = run(x)
        assert_same_bits(run(x, chunks=shuffled(3)), [whole])
        exact = dtype.kind in "iub" or name in ("max", "min")
        (expected,) = judge(lambda x, fold=fold, axes=axes: [fold(x, axes)], x)
        small = dtype in (F16, bfloat16)
        if exact:
            assert_same_bits([whole], [expected])
        elif not small:
            np.testing.assert_allclose(
                whole, expected, rtol=1e-3 if dtype == F32 else 1e-9, atol=1e-2 if dtype == F32 else 1e-9
            )
        else:  # accumulated in float32, rounded once
            wide = x.astype(np.float64)
            with np.errstate(over="ignore"):
                exactly = (wide.sum(axes[0]) if name == "sum" else wide.prod(axes[0])).astype(dtype)
            np.testing.assert_allclose(whole.astype(float), exactly.astype(float), rtol=1e-2)


@pytest.mark.parametrize("dtype", [F64, F32], ids=str)
def test_special_values_in_any_part(dtype: np.dtype) -> None:
    rows = compile_function(lambda x: [r.reduce_max(x, (0,)), r.reduce_sum(x, (0,))], np.zeros(20_000, dtype))
    place = compile_function(lambda x: [r.argmax(x, 0)], np.zeros(20_000, dtype))
    for at in (0, 4095, 4096, 19_999):
        for value in (np.nan, np.inf, -np.inf):
            x = np.zeros(20_000, dtype)
            x[at] = value
            largest, total = rows(x, chunks=shuffled(at))
            np.testing.assert_array_equal(largest, np.max(x))
            np.testing.assert_array_equal(total, np.sum(x))
            np.testing.assert_array_equal(place(x)[0], np.argmax(x))
    x = np.full(20_000, -np.inf, dtype)
    assert place(x)[0] == 0 and rows(x)[0] == -np.inf
    x = np.full(20_000, -0.0, dtype)
    assert np.signbit(rows(x)[0])  # the largest of negative zeros is one


@pytest.mark.parametrize("dtype", [F64, F32, F16, I8, U8, BOOL], ids=str)
def test_positions_skip_tiles_without_the_extremum(dtype: np.dtype) -> None:
    both = compile_function(lambda x: [r.argmax(x, 0), r.argmin(x, 0)], np.zeros(20_000, dtype))
    rng = np.random.default_rng(0)
    values = [rng.integers(0, 2 if dtype == BOOL else 100, 20_000).astype(dtype), np.zeros(20_000, dtype)]
    ramp = np.zeros(20_000, dtype)
    ramp[[9000, 15_000]] = 1
    values += [ramp, 1 - ramp] if dtype != BOOL else [ramp, ~ramp]
    if dtype.kind == "f":
        late = values[0].copy()
        late[[12_345, 19_000]] = np.nan
        values.append(late)
    for x in values:
        assert [int(place) for place in both(x, chunks=shuffled(1))] == [np.argmax(x), np.argmin(x)]


def test_only_positions_skip_tiles() -> None:
    """Whoever asks for more than the place, or for the place of something else, looks everywhere."""
    nowhere = np.int64(np.iinfo(np.int64).max)

    def places(x: Any) -> list[Any]:
        hit = e.eq(e.abs_(x), spread(r.reduce_max(x, (0,)), x.shape))
        return [r.reduce_min(e.select(hit, s.iota(I64, x.shape, 0), nowhere), (0,))]

    x = np.zeros(10_000)
    x[[17, 9000]] = -2.0, 2.0
    assert compile_function(places, x)(x)[0] == 17


def test_integers_overflow_as_in_numpy() -> None:
    x = np.full(100_000, 2**62 + 12345, np.int64)
    (total,) = compile_function(lambda x: [r.reduce_sum(x, (0,))], x)(x)
    assert total == np.sum(x)
    odd = np.full(10_000, 3, np.int64)
    (product,) = compile_function(lambda x: [r.reduce_prod(x, (0,))], odd)(odd)
    assert product == np.prod(odd)


@pytest.mark.parametrize("dtype", [F64, F32], ids=str)
@pytest.mark.parametrize(
    "shape, axis", [((2_000_000,), 0), ((2, 500_000), 1), ((30, 40_000), 1), ((400_000, 3), 0)]
)
def test_long_sums_are_accurate(shape: tuple[int, ...], axis: int, dtype: np.dtype) -> None:
    x = np.random.default_rng(0).uniform(1, 2, shape).astype(dtype)
    (found,) = compile_function(lambda x: [r.reduce_sum(x, (axis,))], x)(x)
    exact = np.array(
        [math.fsum(row) for row in np.moveaxis(x, axis, -1).reshape(-1, shape[axis]).astype(float)]
    )
    error = np.max(np.abs(found.ravel().astype(float) - exact) / exact) / np.finfo(dtype).eps
    assert error < 40  # a running sum of float32 is off by thousands


# What is handed out


def _sizes(part: Scheduled) -> list[int]:
    return [min(part.grain, part.extent - at) for at in range(0, part.extent, part.grain)]


@pytest.mark.parametrize(
    "shape", [(4_000_000,), (1, 4_000_000), (2, 2_000_000), (2000, 2000), (400_000, 10), (20, 200_000)]
)
@pytest.mark.parametrize("name", ["map_of_rows", "sum", "softmax", "columns"])
def test_large_work_is_cut_into_many_chunks(name: str, shape: tuple[int, ...]) -> None:
    if name in ("softmax", "columns") and len(shape) == 1:
        return
    works = parts(CASES[name][0], shape)
    for part in works:
        assert sum(_sizes(part)) == part.extent
        if part.work > 64 * CHUNK:
            assert len(_sizes(part)) >= 16
    assert works[0].work > 10 * CHUNK


@pytest.mark.parametrize("name", CASES)
def test_small_work_is_one_chunk(name: str) -> None:
    shape = (5,) * len(CASES[name][1][-1])
    for part in parts(CASES[name][0], shape):
        assert len(_sizes(part)) == 1 and part.work < CHUNK


def test_short_reductions_of_rows_and_columns_are_one_nest() -> None:
    for axis in (0, 1):
        assert len(parts(lambda x, axis=axis: [r.reduce_sum(x, (axis,))], (500, 300))) == 1
    assert len(parts(lambda x: [softmax(x)], (100, 100_000))) == 1
    assert len(parts(lambda x: [r.reduce_sum(x, (0,))], (10,))) == 2


def test_rows_of_few_columns_are_folded_side_by_side() -> None:
    fold, _ = parts(CASES["columns"][0], (100_000, 3))
    (tiles,) = [statement for statement in fold.nest.body if isinstance(statement, Loop)]
    start, rows = [statement for statement in tiles.body if isinstance(statement, Loop)]
    (lanes,) = [statement for statement in rows.body if isinstance(statement, Loop)]
    assert start.kind == lanes.kind == "vector" and rows.kind == "sequential"
    assert fold.extent == -(-100_000 // (HEIGHT * min(LANES // 3, math.isqrt(100_000))))
    # What depends on the column alone would take a division for each element.
    weighted = lambda x: [r.reduce_sum(e.mul(x, s.iota(F64, x.shape, 1)), (0,))]  # noqa: E731
    assert parts(weighted, (100_000, 3))[0].extent == -(-100_000 // HEIGHT)


def test_what_has_one_value_a_column_is_repeated_for_rows_side_by_side() -> None:
    def fun(x: Any, b: Any) -> list[Any]:
        return [r.reduce_sum(e.mul(e.sub(x, spread(b, x.shape, 1)), x), (0,))]

    for shape in ((5000, 3), (5000, 70), (700, 3000)):
        x, b = sample(*shape), sample(shape[1])
        run = compile_function(fun, x, b)
        (whole,) = run(x, b)
        np.testing.assert_allclose(whole, np.sum((x - b) * x, 0), atol=1e-9)
        assert_same_bits(run(x, b, chunks=shuffled(0, most=2)), [whole])
    repeat, *_ = parts(fun, (5000, 3), (3,))
    assert repeat.nest.chunked is None and repeat.work < 10_000
    levels = [part.nest.chunked is not None for part in parts(_norm_of_columns, (5000, 3))]
    assert levels == [True, True, False, True, True, False, True]


def test_kernels_have_three_forms_at_most() -> None:
    lengths = (9, 100, 512, 513, 5000, 32_768, 32_769, 100_000)
    rows, columns = (lambda x: [softmax(x)]), (lambda x: [r.reduce_sum(x, (0,))])
    for fun, count in ((rows, 3), (columns, 2), (_norm_of_columns, 2)):  # rows may be short, or few and long
        shapes = [(a, b) for a in lengths for b in lengths if a * b < 10**6]
        forms = {tuple(part.nest for part in parts(fun, shape)) for shape in shapes}
        assert len(forms) == count


def test_more_work_is_known_to_be_more() -> None:
    work = lambda fun, *shape: sum(part.work for part in parts(fun, shape))  # noqa: E731
    cheap, costly = (lambda x: [e.add(x, 1.0)]), (lambda x: [e.mul(t.sin(x), t.exp(x))])
    assert work(cheap, 100) < work(cheap, 10_000) < work(costly, 10_000)
    for fun in (cheap, costly):
        assert 9 < work(fun, 10**5) / work(fun, 10**4) < 30
    halves = sum(part.work for part in parts(costly, (10**5,), dtype=F32))
    assert 0.4 < halves / work(costly, 10**5) < 0.7


def test_operands_that_lie_crosswise_are_read_in_squares() -> None:
    across = lambda x: [e.add(s.transpose(x, (1, 0)), 1.0)]  # noqa: E731
    (part,) = parts(across, (1000, 500))
    assert part.extent == -(-1000 // SQUARE) * -(-500 // SQUARE)
    (part,) = parts(lambda x: [e.add(x, s.iota(F64, x.shape, 1))], (1000, 500))
    assert part.extent == 1000 // (TILE // 500)


def test_strided_loads_become_vectors() -> None:
    graph = fuse(build(lambda x: [t.exp(s.transpose(x, (1, 0)))], [ArrayType((300, 500), F64)]))
    (eqn,) = kernels(graph)
    (kernel,) = compile_nests([schedule(eqn).nest])
    text = kernel.llvm()
    assert "vector.body:" in text
    assert "ident.check" not in text  # that would be vectors for a stride of 1, and scalars for every other


def test_a_tile_is_no_loop_of_its_own_where_there_is_one_line() -> None:
    (part,) = parts(lambda x: [e.add(x, 1.0)], (1000, 1000))
    (loop,) = [statement for statement in part.nest.body if isinstance(statement, Loop)]
    assert not any(isinstance(statement, Loop) for statement in loop.body)
    assert part.extent == 10**6
