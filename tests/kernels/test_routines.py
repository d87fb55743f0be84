"""Routines against the references of their primitives: the same bits, whatever the dtype, shape and axis."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
import pytest

import weft
import weft.numpy as wnp
from tests.op_rows.record import ANY, BF16, BOOL, C64, C128, F16, F32, F64, I8, I32, I64, INEXACT, U8, U64
from weft import lax
from weft.engine.runtime.program import Program, compile_graph
from weft.ir.builder import build, type_of_value
from weft.ir.interpret import evaluate
from weft.ir.loops.interpret import run_nest
from weft.ir.loops.verify import verify_nest
from weft.ir.ops import cumulative
from weft.ir.ops.index import dynamic_update_slice, scatter
from weft.ir.ops.sort import argsort, searchsorted, sort, sort_many, top_k
from weft.ir.ops.strided import update_slice
from weft.kernels.library import writing
from weft.kernels.library.sorting import LONGEST_RANKED
from weft.kernels.schedule import Scheduled

REAL = (F16, BF16, F32, F64, I8, I32, I64, U8, U64, BOOL)
SHAPES = [(0,), (1,), (7,), (3, 0, 2), (2, 3, 4), (2, 600)]
INT32 = np.dtype(np.int32)


def draw(rng: np.random.Generator, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """Few different values, so that many are equal; floats with zeros of both signs, infinities and NaN."""
    if dtype == BOOL:
        return rng.random(shape) < 0.5
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        edges = rng.choice(np.array([limits.min, limits.max], dtype), shape)
        return np.where(rng.random(shape) < 0.2, edges, rng.integers(0, 9, shape).astype(dtype))
    values = rng.choice([-2.5, -1.0, -0.0, 0.0, 0.1, 1.0, 3.0], shape)
    values = np.where(rng.random(shape) < 0.1, rng.choice([np.inf, -np.inf, np.nan], shape), values)
    if dtype.kind == "c":
        return (values + 1j * rng.choice([-1.0, 0.0, 2.0], shape)).astype(dtype)
    return np.asarray(values).astype(dtype)


def numbers(rng: np.random.Generator, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """Finite numbers whose sums round."""
    return (
        draw(rng, shape, dtype) if dtype.kind in "biu" else np.asarray(rng.normal(size=shape)).astype(dtype)
    )


def compiled(fun: Callable[..., Any], *args: np.ndarray) -> Program:
    return compile_graph(build(lambda *v: list(_as_tuple(fun(*v))), [type_of_value(a) for a in args]))


def _as_tuple(outs: Any) -> tuple[Any, ...]:
    return tuple(outs) if isinstance(outs, tuple) else (outs,)


def check(
    fun: Callable[..., Any], *args: np.ndarray, rtol: float = 0, native: bool = True, signs: bool = True
) -> Program:
    """Compare machine code with the reference: to the bit, or within ``rtol``; NaN is NaN.

    Without ``signs`` zeros may differ in theirs: NumPy has no rule which one is the larger.
    """
    args = tuple(np.array(a, order="C") for a in args)
    program = compiled(fun, *args)
    assert (not program.host_calls) == native
    before = [a.copy() for a in args]
    for got, wanted in zip(program.run(args), evaluate(program.graph, *args), strict=True):
        same(got, np.asarray(wanted), rtol, signs)
    for a, b in zip(args, before, strict=True):
        same(a, b)
    return program


def same(got: np.ndarray, wanted: np.ndarray, rtol: float = 0, signs: bool = True) -> None:
    assert got.shape == wanted.shape and got.dtype == wanted.dtype
    if got.dtype in (F16, BF16):
        got, wanted = got.astype(F32), wanted.astype(F32)
    if rtol:
        np.testing.assert_allclose(got, wanted, rtol=rtol, atol=rtol)
        return
    np.testing.assert_array_equal(got, wanted)
    if got.dtype.kind == "f" and signs:
        numbers = ~np.isnan(got)
        np.testing.assert_array_equal(np.signbit(got[numbers]), np.signbit(wanted[numbers]))


def axes_of(shape: tuple[int, ...]) -> range:
    return range(len(shape))


# Running folds


@pytest.mark.parametrize("name", ["cumsum", "cumprod", "cummax", "cummin"])
@pytest.mark.parametrize("dtype", ANY, ids=str)
def test_running_folds(name: str, dtype: np.dtype) -> None:
    extremum = name in ("cummax", "cummin")
    if (dtype == BOOL and not extremum) or (dtype.kind == "c" and extremum):
        pytest.skip("not defined for this dtype")
    rng = np.random.default_rng(0)
    fun = getattr(cumulative, name)
    for shape in SHAPES:
        x = draw(rng, shape, dtype) if extremum else numbers(rng, shape, dtype)
        for axis, reverse in product(axes_of(shape), (False, True)):
            check(lambda v, axis=axis, reverse=reverse: fun(v, axis, reverse=reverse), x, signs=not extremum)


@pytest.mark.parametrize("dtype", INEXACT, ids=str)
def test_linear_recurrence(dtype: np.dtype) -> None:
    rng = np.random.default_rng(1)
    for shape in SHAPES:
        a, b = numbers(rng, shape, dtype), numbers(rng, shape, dtype)
        for axis, reverse in product(axes_of(shape), (False, True)):
            check(
                lambda a, b, axis=axis, reverse=reverse: cumulative.linear_recurrence(
                    a, b, axis, reverse=reverse
                ),
                a,
                b,
                # NumPy may contract the products of complex numbers.
                rtol=1e-5 if dtype == C64 else 1e-13 if dtype == C128 else 0,
            )


@pytest.mark.parametrize(("dtype", "rtol"), [(F16, 2e-3), (BF16, 1e-2), (F32, 1e-6), (F64, 1e-14)])
def test_running_log_sum_exp(dtype: np.dtype, rtol: float) -> None:
    rng = np.random.default_rng(2)
    for shape, reverse in product(SHAPES, (False, True)):
        check(
            lambda v, reverse=reverse: cumulative.cumlogsumexp(v, 0, reverse=reverse),
            draw(rng, shape, dtype),
            rtol=rtol,
        )
    edges = np.array([-np.inf, -np.inf, 1.0, 800.0, 800.0, np.inf, np.inf, 1.0], dtype)
    check(lambda v: cumulative.cumlogsumexp(v, 0), edges, rtol=rtol)


def test_nan_stays_from_where_it_is() -> None:
    x = np.array([1.0, np.nan, 2.0, np.inf, 3.0])
    for name in ("cumsum", "cumprod", "cummax", "cummin", "cumlogsumexp"):
        (got,) = compiled(lambda v, name=name: getattr(cumulative, name)(v, 0), x).run([x])
        assert np.isnan(got).tolist() == [False, True, True, True, True], name


# Scatter


@pytest.mark.parametrize("op", ["set", "add", "mul", "min", "max"])
@pytest.mark.parametrize("dtype", ANY, ids=str)
def test_scatter_with_duplicates(op: str, dtype: np.dtype) -> None:
    rng = np.random.default_rng(3)
    native = not (dtype.kind == "c" and op in ("min", "max"))
    shape = (4, 3, 5)
    x = numbers(rng, shape, dtype)
    for axes, mode in product([(0,), (2,), (0, 2), (0, 1, 2)], ("clip", "fill", "promise")):
        low, high = (0, 3) if mode == "promise" else (-2, 6)
        indices = [rng.integers(low, high, (2, 4)) for _ in axes]
        rest = tuple(n for d, n in enumerate(shape) if d not in axes)
        updates = numbers(rng, (2, 4, *rest), dtype)
        check(
            lambda x, u, *i, axes=axes, mode=mode: scatter(x, u, i, axes, op, mode),
            x,
            updates,
            *indices,
            native=native,
            signs=op not in ("min", "max"),
        )


@pytest.mark.parametrize("index", [I8, INT32, I64, U8, U64], ids=str)
def test_scatter_by_integers_of_any_dtype(index: np.dtype) -> None:
    limits = np.iinfo(index)
    i = np.array([0, limits.max, 2, limits.min, 1, 3], index)
    for mode in ("clip", "fill"):
        check(lambda x, u, i, mode=mode: scatter(x, u, [i], [0], "add", mode), np.zeros(4), np.arange(6.0), i)


@pytest.mark.parametrize("points", [(), (0,), (1,), (3,)])
@pytest.mark.parametrize("shape", [(3,), (0,), (3, 0), (1, 2), (0, 2)])
def test_scatter_of_few(shape: tuple[int, ...], points: tuple[int, ...]) -> None:
    i = np.full(points, 1)
    x, updates = np.ones(shape), np.full((*points, *shape[1:]), 2.0)
    check(lambda x, u, i: scatter(x, u, [i], [0], "add", "fill"), x, updates, i)


def test_scatter_by_literals() -> None:
    check(
        lambda x: scatter(x, np.float64(2.5), [np.asarray(7), np.asarray(1)], [0, 1], "add"), np.ones((9, 4))
    )


def test_a_broken_promise_writes_nothing_outside() -> None:
    x, i = np.zeros(4), np.array([-1, 4, 2**40, -(2**40), 2])
    (got,) = compiled(lambda x, u, i: scatter(x, u, [i], [0], "set", "promise"), x, np.ones(5), i).run(
        [x, np.ones(5), i]
    )
    assert got.tolist() == [0, 0, 1, 0]


@pytest.mark.parametrize("op", ["add", "mul", "min", "max"])
@pytest.mark.parametrize("dtype", [F32, F64, I8, I64, U64, C128, BF16], ids=str)
def test_many_updates_of_few_elements(op: str, dtype: np.dtype) -> None:
    if dtype.kind == "c" and op in ("min", "max"):
        pytest.skip("not defined for this dtype")
    rng = np.random.default_rng(12)
    n = 70_003
    rtol = {F32: 1e-4, BF16: 0.05}.get(dtype, 1e-11) if dtype.kind in "fcV" and op in ("add", "mul") else 0
    for shape, axes, mode in [
        ((5,), (0,), "fill"),
        ((4, 3), (0, 1), "clip"),
        ((4, 3), (0, 1), "fill"),
        ((3, 2, 3), (1,), "fill"),
    ]:
        indices = [rng.integers(-1, 5, n) for _ in axes]
        rest = [m for d, m in enumerate(shape) if d not in axes]
        updates = numbers(rng, (n, *rest), dtype)
        if dtype.kind in "fcV":
            updates = (updates * 1e-4 + (op == "mul")).astype(dtype)
        program = check(
            lambda x, u, *i, axes=axes, mode=mode: scatter(x, u, i, axes, op, mode),
            numbers(rng, shape, dtype), updates, *indices, rtol=rtol, signs=op not in ("min", "max"),
        )  # fmt: skip
        assert any(one.then is not None for one in program.block.scheduled.values())


def test_tables_keep_the_sign_of_zeros() -> None:
    i = np.full(70_000, 1)
    check(
        lambda x, u, i: scatter(x, u, [i], [0], "add"), np.array([-0.0, -0.0, 0.0]), np.full(70_000, -0.0), i
    )


# dynamic_update_slice


@pytest.mark.parametrize("dtype", ANY, ids=str)
def test_dynamic_update_slice(dtype: np.dtype) -> None:
    rng = np.random.default_rng(4)
    shape = (3, 1, 4, 5)
    x = numbers(rng, shape, dtype)
    for sizes in [
        (1, 1, 1, 1),
        (2, 1, 3, 4),
        (3, 1, 2, 5),
        (2, 1, 4, 5),
        (3, 1, 4, 2),
        (2, 1, 1, 5),
        (3, 1, 1, 5),
        (3, 1, 4, 1),
        (1, 1, 4, 5),
        shape,
        (2, 0, 1, 1),
        (0, 1, 4, 5),
    ]:
        update = numbers(rng, sizes, dtype)
        for starts in ([0, 0, 0, 0], [1, 0, 2, 1], [-5, 9, 100, -1]):
            check(
                lambda x, u, *s: dynamic_update_slice(x, u, s),
                x,
                update,
                *(np.asarray(s, INT32) for s in starts),
            )


def test_dynamic_update_slice_at_literals() -> None:
    x, update = np.arange(12.0).reshape(3, 4), np.full((1, 2), -1.0)
    for starts in ([0, 0], [1, 2], [7, -7]):
        check(lambda x, u, starts=starts: dynamic_update_slice(x, u, starts), x, update)
    check(lambda x, u: dynamic_update_slice(x, u, []), np.array(1.0), np.array(2.0))


@pytest.mark.parametrize("dtype", ANY, ids=str)
def test_update_slice(dtype: np.dtype) -> None:
    rng = np.random.default_rng(5)
    x = numbers(rng, (9, 1, 40, 6), dtype)
    for sizes, start, strides in [
        ((3, 1, 4, 2), (2, 0, 1, 0), (3, 1, 9, 5)),
        ((9, 1, 40, 3), (0, 0, 0, 1), (1, 1, 1, 2)),
        ((4, 1, 40, 6), (1, 0, 0, 0), (2, 1, 1, 1)),
        ((9, 1, 2, 6), (0, 0, 3, 0), (1, 1, 20, 1)),
        ((1, 1, 1, 1), (8, 0, 39, 5), (2, 2, 2, 2)),
        ((0, 1, 4, 2), (2, 0, 1, 0), (3, 1, 9, 5)),
        (x.shape, (0, 0, 0, 0), (1, 1, 1, 1)),
    ]:
        update = numbers(rng, sizes, dtype)
        check(lambda x, u, b=start, s=strides: update_slice(x, u, b, s), x, update)


# Sorting


@pytest.mark.parametrize("dtype", REAL, ids=str)
def test_sort_and_argsort(dtype: np.dtype) -> None:
    rng = np.random.default_rng(5)
    for shape in [*SHAPES[:-1], (2, LONGEST_RANKED + 1, 2), (LONGEST_RANKED,)]:
        x = draw(rng, shape, dtype)
        for axis in axes_of(shape):
            check(lambda v, axis=axis: sort(v, axis), x)
            check(lambda v, axis=axis: argsort(v, axis), x)
            check(lambda v, axis=axis: argsort(v, axis, descending=True), x)


@pytest.mark.parametrize("dtype", REAL, ids=str)
def test_many_rows_side_by_side(dtype: np.dtype) -> None:
    rng = np.random.default_rng(13)
    for n in (1, 2, 7, 8, 9, 16, 17, 31, 40, 64, 65, 100, 129, 500):
        rows, columns = draw(rng, (37, n), dtype), draw(rng, (n, 19), dtype)
        check(lambda v: sort(v, 1), rows)
        check(lambda v: sort(v, 0), columns)
    check(lambda v: sort(v, 1), draw(rng, (3, 9, 2, 5), dtype))
    check(lambda v: sort(v, 1), rng.permuted(np.arange(6 * 2048).reshape(6, 2048), axis=1).astype(dtype))


@pytest.mark.parametrize("n", [5, LONGEST_RANKED, 1000])
@pytest.mark.parametrize("dtype", [F32, F64, I64, U64], ids=str)
def test_all_bits_of_keys_count(dtype: np.dtype, n: int) -> None:
    rng = np.random.default_rng(6)
    bits = rng.integers(0, 2**64, (3, n), np.uint64, endpoint=False)
    x = bits.astype(f"u{dtype.itemsize}").view(dtype)
    check(lambda v: sort(v, 1), x)
    check(lambda v: sort(v, 0), x)
    check(lambda v: argsort(v, 1), x)


@pytest.mark.parametrize("n", [0, 1, 50, 500])
def test_several_keys_and_carried_operands(n: int) -> None:
    rng = np.random.default_rng(7)
    first, second = draw(rng, (n,), F32), draw(rng, (n,), I8)
    carried = [rng.normal(size=n), rng.normal(size=n) + 1j, rng.random(n) < 0.5]
    for num_keys in (1, 2):
        check(lambda *v, num_keys=num_keys: sort_many(v, 0, num_keys), first, second, *carried)
    check(lambda *v: sort_many(v, 0, 3), first, second, draw(rng, (n,), BF16), np.arange(n))


def test_more_rows_than_chunks() -> None:
    rng = np.random.default_rng(8)
    check(lambda v: argsort(v, 1), rng.normal(size=(131, 9)))
    check(lambda v: argsort(v, 0), rng.normal(size=(200, 131)))


def test_top_k() -> None:
    x = np.array([[3.0, np.nan, 1.0, 3.0], [0.0, -0.0, -1.0, 2.0]])
    for k in (0, 1, 3):
        check(lambda v, k=k: top_k(v, k), x)


@pytest.mark.parametrize("dtype", REAL, ids=str)
def test_top_k_without_sorting(dtype: np.dtype) -> None:
    rng = np.random.default_rng(14)
    for shape, k in [((7,), 1), ((3, 70), 2), ((2, 40), 10), ((2, 3, 1000), 100), ((0, 9), 2), ((66, 8), 1)]:
        x = draw(rng, shape, dtype)
        program = check(lambda v, k=k: top_k(v, k), x)
        assert [eqn.prim.name for eqn in program.fused.eqns] == ["top_k"]
        check(lambda v, k=k: top_k(v, k, 0), np.ascontiguousarray(np.moveaxis(x, -1, 0)))
    for x in (np.arange(300), np.arange(300)[::-1].copy(), np.zeros(300)):  # all get in, the first do, ties
        check(lambda v: top_k(v, 17), x.astype(dtype))


def test_complex_keys_run_the_reference() -> None:
    x = np.array([1 + 1j, 1 - 1j, 0.5])
    check(lambda v: sort(v, 0), x, native=False)
    check(lambda t, v: searchsorted(t, v), np.sort(x), x, native=False)


# Searching


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("dtype", REAL, ids=str)
def test_searchsorted(dtype: np.dtype, side: str) -> None:
    rng = np.random.default_rng(9)
    values = draw(rng, (40,), dtype)
    for n in (0, 1, 2, 3, 7, 8, 33):
        table = np.asarray(compiled(lambda v: sort(v, 0), values[:n]).run([values[:n].copy()])[0])
        check(lambda t, v: searchsorted(t, v, side), table, values.reshape(4, 10))
        check(lambda t, v: searchsorted(t, v, side, dtype=INT32), table, values[0])


def test_searching_many_values() -> None:
    rng = np.random.default_rng(16)
    table, values = np.sort(rng.normal(size=1000)), rng.normal(size=700)
    for dtype in (I64, INT32, U64, I8):  # which cannot say where most are, but that harms nothing
        program = check(lambda t, v, dtype=dtype: searchsorted(t, v, dtype=dtype), table, values[:0])
        (got,) = compiled(lambda t, v, dtype=dtype: searchsorted(t, v, dtype=dtype), table, values).run(
            [table, values]
        )
        np.testing.assert_array_equal(got, np.searchsorted(table, values).astype(dtype))
        assert not program.host_calls


@pytest.mark.parametrize(
    "shapes", [((2, 5), (2, 3)), ((2, 3, 4), (2, 3)), ((2, 0), (2, 3)), ((0, 4), (0, 2)), ((2, 4), (2, 0))]
)
def test_searching_rows_of_their_own(shapes: tuple[tuple[int, ...], tuple[int, ...]]) -> None:
    rng = np.random.default_rng(10)
    table, values = np.sort(rng.normal(size=shapes[0]), -1), rng.normal(size=shapes[1])
    check(lambda t, v: searchsorted(t, v), table, values)


# What makes them kernels


GENERIC: dict[str, tuple[Callable[..., Any], Callable[[int, int], tuple[np.ndarray, ...]]]] = {
    "cumsum-rows": (lambda x: cumulative.cumsum(x, 1), lambda m, n: (np.ones((m, n)),)),
    "cumsum-columns": (lambda x: cumulative.cumsum(x, 0), lambda m, n: (np.ones((m, n)),)),
    "recurrence": (lambda x: cumulative.linear_recurrence(x, x, 0), lambda m, n: (np.ones((m, n)),)),
    "ranked": (lambda x: sort_many([x, x], 1), lambda m, n: (np.ones((m, n)),)),
    "by digits": (lambda x: sort_many([x, x], 1), lambda m, n: (np.ones((m, n + LONGEST_RANKED)),)),
    "top k": (lambda x: top_k(x, 1), lambda m, n: (np.ones((m, n + 3)),)),
    "side by side": (lambda x: sort(x, 1), lambda m, n: (np.ones((m + 6, n)),)),
    "scatter": (
        lambda x, u, i: scatter(x, u, [i], [0], "add"),
        lambda m, n: (np.ones((m, n + 15)), np.ones((3, n + 15)), np.array([0, 1, 0])),
    ),
    "scatter of short rows": (  # of which there are as many nests as lengths
        lambda x, u, i: scatter(x, u, [i], [0], "set"),
        lambda m, n: (np.ones((m, 2, 4)), np.ones((n, 2, 4)), np.arange(n) % (m + 1)),
    ),
    "scatter by tables": (
        lambda x, u, i: scatter(x, u, [i], [0], "add"),
        lambda m, n: (np.ones(m), np.ones(40 * n + 11 * m), np.arange(40 * n + 11 * m) % (m + 1)),
    ),
    "scatter of rows by tables": (
        lambda x, u, i: scatter(x, u, [i], [0], "max"),
        lambda m, n: (np.ones((m, 2)), np.ones((40 * n + 11 * m, 2)), np.arange(40 * n + 11 * m) % (m + 1)),
    ),
    "update": (
        lambda x, u, i: dynamic_update_slice(x, u, [i, i]),
        lambda m, n: (np.ones((m + 1, n + 1)), np.ones((m, n)), np.array(1)),
    ),
    "search": (lambda t, v: searchsorted(t, v), lambda m, n: (np.ones(m), np.ones(n))),
}


@pytest.fixture
def early_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tables for a few updates already."""
    monkeypatch.setattr(writing, "_BLOCK", 2)
    monkeypatch.setattr(writing, "_SHARE", 1)


@pytest.mark.usefixtures("early_tables")
@pytest.mark.parametrize("name", GENERIC)
def test_one_nest_serves_all_shapes(name: str) -> None:
    fun, make = GENERIC[name]
    sizes = [(2, 40), (3, 64)] if "tables" in name else product((2, 5, 16, 40), (2, 3, 17, 64))
    nests = {compiled(fun, *make(m, n)).nests for m, n in sizes}
    assert len(nests) == 1


def test_both_directions_are_one_nest() -> None:
    x = np.ones((3, 4))
    nests = {compiled(lambda v, r=r: cumulative.cumsum(v, 1, reverse=r), x).nests for r in (False, True)}
    assert len(nests) == 1


@pytest.mark.usefixtures("early_tables")
@pytest.mark.parametrize("name", GENERIC)
def test_nests_mean_the_same_in_plain_python(name: str) -> None:
    """The oracle, which checks bounds; chunks one after the other, in the other order."""
    fun, make = GENERIC[name]
    rng = np.random.default_rng(11)
    args = [np.sort(rng.normal(size=a.shape), -1) if a.dtype == F64 else a for a in make(3, 5)]
    program = compiled(fun, *args)
    (number,) = [i for i, eqn in enumerate(program.fused.eqns) if eqn.prim.lower.kind == "library"]
    one, eqn = program.block.scheduled[number], program.fused.eqns[number]
    known = dict(zip(program.fused.ins, args, strict=True))
    values = [known[atom] for atom in eqn.ins]
    wanted = eqn.prim.reference(*values, **eqn.params)
    outs = [np.zeros(var.type.size, var.type.dtype) for var in eqn.outs]
    if one.copied is not None:
        outs[0][:] = values[one.copied].ravel()
    ins = [np.ravel(v) for k, v in enumerate(values) if k != one.copied]
    dtypes = [b.dtype for b in one.nest.buffers if b.kind == "scratch"]
    scratch = [np.zeros(size, dtype) for size, dtype in zip(one.scratch, dtypes, strict=True)]
    step: Scheduled | None = one
    while step is not None:
        verify_nest(step.nest)
        for begin in reversed(range(step.extent)):
            run_nest(step.nest, step.params, [*ins, *outs, *scratch], begin, begin + 1)
        step = step.then
    for got, want in zip(outs, wanted if eqn.prim.multiple else (wanted,), strict=True):
        same(got.reshape(want.shape), want, rtol=1e-12 if "tables" in name else 0)


def test_threads_change_no_bit() -> None:
    rng = np.random.default_rng(15)
    many, rows = rng.normal(size=300_000), rng.normal(size=(2000, 64))
    places = rng.integers(0, 500, many.size)
    functions = {
        "tables": (lambda t, x, i: scatter(t, x, [i], [0], "add"), many[:500].copy(), many, places),
        "network": (lambda x: sort(x, 1), rows),
        "ranks": (lambda x: argsort(x, 1), rows[:, :20].copy()),
        "digits": (lambda x: argsort(x, 1), rng.normal(size=(40, 3000))),
        "columns": (lambda x: cumulative.cumsum(x, 0), rows),
        "rows": (lambda x: cumulative.cumsum(x, 1), rng.normal(size=(400, 1000))),
        "search": (lambda t, x: searchsorted(t, x), np.sort(many[:1000]), many),
        "top k": (lambda x: top_k(x, 5), rng.normal(size=(300, 1000))),
    }
    before = weft.config.read("threads")
    try:
        for name, (fun, *args) in functions.items():
            program = compiled(fun, *args)
            results = []
            for threads in (1, 2, 5):
                weft.config.update(threads=threads)
                results.append([out.tobytes() for out in program.run(args)])
            assert results[0] == results[1] == results[2], name
    finally:
        weft.config.update(threads=before)


def test_the_public_functions_make_no_host_call() -> None:
    x, i = wnp.asarray(np.arange(12.0).reshape(3, 4)), wnp.asarray(np.array([0, 2, 0]))
    functions = {
        "cumsum": lambda x, i: wnp.cumsum(x, 1),
        "sort": lambda x, i: wnp.sort(x, 0),
        "argsort": lambda x, i: wnp.argsort(x, -1),
        "at add": lambda x, i: x.at[i].add(1.0),
        "update": lambda x, i: lax.dynamic_update_slice(x, x[:1, :2], (i[0], i[1])),
        "searchsorted": lambda x, i: wnp.searchsorted(x[0], x[1]),
        "gradient": lambda x, i: weft.grad(lambda v: (v[i] ** 2).sum())(x),
    }
    for name, fun in functions.items():
        got = weft.jit(fun)(x, i)
        np.testing.assert_array_equal(np.asarray(got), np.asarray(fun(x, i)), err_msg=name)
