"""Which loops in the steps of a recurrence become lanes, and that they do what they did."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.nest_parts import buffers, call_kernel, const
from weft.ir.loops.interpret import run_nest
from weft.ir.loops.nest import Accumulate, Accumulator, IndexOp, Load, Loop, Nest, Op, Store
from weft.ir.loops.verify import verify_nest
from weft.kernels.backend import compile_nests
from weft.kernels.cpu.emit import emit_nest
from weft.kernels.cpu.lanes import lane_loops

F32, F64 = np.dtype(np.float32), np.dtype(np.float64)


def row(i: Any, n: int, j: Any) -> Any:
    return IndexOp("+", IndexOp("*", i, n), j)


def product(m: int, n: int, k: int, dtype: np.dtype = F64) -> Loop:
    """``y = a @ x``: the innermost loop is over the terms of a sum."""
    terms = (
        Load("u", dtype, "a", row("i", k, "t")),
        Load("v", dtype, "x", row("t", n, "j")),
        Op("w", dtype, "mul", ("u", "v")),
        Accumulate("s", "w"),
    )
    total = Loop("t", k, "sequential", terms, (Accumulator("s", dtype, "add", "start"),))
    columns = Loop("j", n, "vector", (total, Store("y", row("i", n, "j"), "s")))
    return Loop("i", m, "sequential", (columns,))


def back(m: int, n: int, dtype: np.dtype = F64, op: str = "neg") -> Loop:
    """``x = op(y)``, row by row."""
    body = (
        Load("b", dtype, "y", row("p", n, "q")),
        Op("c", dtype, op, ("b",)),
        Store("x", row("p", n, "q"), "c"),
    )
    return Loop("p", m, "sequential", (Loop("q", n, "vector", body),))


def best(n: int, dtype: np.dtype, op: str) -> tuple[Any, ...]:
    """The extrema of the columns of ``a``, each row with an element of ``x`` added, into ``y``."""
    clear = Loop("r", n, "vector", (Store("y", "r", "start"),))
    inside = (
        Load("v", dtype, "a", row("i", n, "j")),
        Op("w", dtype, "add", ("u", "v")),
        Load("f", dtype, "y", "j"),
        Op("g", dtype, op, ("f", "w")),
        Store("y", "j", "g"),
    )
    rows = (Load("u", dtype, "x", "i"), Loop("j", n, "vector", inside))
    return clear, Loop("i", n, "sequential", rows)


def steps(*body: Any, dtype: np.dtype = F64, start: float = -0.0, length: int = 3) -> Nest:
    kinds = (("a", dtype, "in"), ("x", dtype, "out"), ("y", dtype, "out"))
    nest = Nest(0, buffers(*kinds), (const("start", dtype, start), Loop("step", length, "steps", body)))
    verify_nest(nest)
    return nest


def check(nest: Nest, n: int, dtype: np.dtype, *, nans: bool = False, exact: bool = False) -> None:
    """The machine code does what the interpreter does."""
    random = np.random.default_rng(0)
    a, x = (random.normal(size=n).astype(dtype) / np.sqrt(n).astype(dtype) for _ in range(2))
    if nans:
        a[::7] = np.nan
    (kernel,) = compile_nests([nest])
    found = []
    for run in (
        lambda arrays: run_nest(nest, [], arrays),
        lambda arrays: call_kernel(kernel.address, [], arrays, end=3),
    ):
        found.append([a, x.copy(), np.zeros(n, dtype)])
        run(found[-1])
    for one, other in zip(*found, strict=True):
        if exact:
            np.testing.assert_array_equal(one, other)
        else:
            np.testing.assert_allclose(one, other, rtol=1e-4 if dtype == F32 else 1e-12, atol=1e-6)


@pytest.mark.parametrize("dtype", [F64, F32])
@pytest.mark.parametrize("n", [3, 4, 5, 7, 8, 9, 12, 16, 17, 31, 32])
def test_products_are_rows_by_numbers(n: int, dtype: np.dtype) -> None:
    nest = steps(product(4, n, 4, dtype), back(4, n, dtype), dtype=dtype)
    assert len(lane_loops(nest)) == 2
    widest = min(n, 64 // dtype.itemsize)
    assert f"fmul <{widest} x {'double' if dtype == F64 else 'float'}>" in emit_nest(nest, "kernel")
    check(nest, 4 * max(n, 4), dtype, exact=True)


@pytest.mark.parametrize("dtype", [F64, F32])
@pytest.mark.parametrize("n", [8, 13, 16, 24, 27, 32])
def test_long_sums_are_made_in_parts(n: int, dtype: np.dtype) -> None:
    nest = steps(product(n, n, n, dtype), back(n, n, dtype), dtype=dtype)
    assert lane_loops(nest)
    check(nest, n * n, dtype)


@pytest.mark.parametrize("n", [3, 4, 8, 9, 14, 16])
def test_functions_go_along(n: int) -> None:
    nest = steps(product(n, n, n), back(n, n, op="tanh"))
    assert len(lane_loops(nest)) == 2
    assert "@weft.maths.tanh.f64.v" in emit_nest(nest, "kernel")
    check(nest, n * n, F64)


def function_of_few(n: int, dtype: np.dtype = F64) -> Loop:
    """``x = tanh(x) - a``."""
    body = (
        Load("b", dtype, "x", "q"),
        Load("u", dtype, "a", "q"),
        Op("c", dtype, "tanh", ("b",)),
        Op("d", dtype, "sub", ("c", "u")),
        Store("x", "q", "d"),
    )
    return Loop("q", n, "vector", body)


@pytest.mark.parametrize("dtype", [F64, F32])
@pytest.mark.parametrize("n", [2, 3, 4, 5, 7, 8, 9, 11, 12, 16])
def test_functions_of_a_few_values(n: int, dtype: np.dtype) -> None:
    """Of vectors that are not full too, and of one lane that is left."""
    nest = steps(function_of_few(n, dtype), dtype=dtype)
    assert len(lane_loops(nest)) == 1
    text = emit_nest(nest, "kernel")
    full = 64 // dtype.itemsize
    for width in {min(n, full), n % full} - {0, 1}:
        called = next(w for w in (2, 4, 8, 16) if w >= width and (w > 2 or dtype == F64))
        assert f"call <{called} x {'double' if dtype == F64 else 'float'}> @weft.maths.tanh." in text
    check(nest, n, dtype)


@pytest.mark.parametrize(("n", "dtype"), [(24, F64), (32, F32)])
def test_functions_of_so_many_values_stay_loops(n: int, dtype: np.dtype) -> None:
    nest = steps(function_of_few(n, dtype), dtype=dtype)
    assert not lane_loops(nest)
    check(nest, n, dtype)


@pytest.mark.parametrize("nans", [False, True])
@pytest.mark.parametrize("op", ["max", "min"])
@pytest.mark.parametrize("dtype", [F64, F32])
@pytest.mark.parametrize("n", [3, 8, 11])
def test_extrema_of_rows(n: int, dtype: np.dtype, op: str, nans: bool) -> None:
    start = -np.inf if op == "max" else np.inf
    nest = steps(*best(n, dtype, op), back(1, n, dtype), dtype=dtype, start=start)
    assert len(lane_loops(nest)) == 3
    check(nest, n * n, dtype, nans=nans, exact=True)


@pytest.mark.parametrize("k", [0, 1, 2])
def test_what_is_nan_stays_nan_wherever_it_stands(k: int) -> None:
    nest = steps(*best(3, F64, "max"), start=-np.inf, length=1)
    (kernel,) = compile_nests([nest])
    arrays = [np.zeros(9), np.zeros(3), np.zeros(3)]
    arrays[0][3 * k] = np.nan
    call_kernel(kernel.address, [], arrays, end=1)
    np.testing.assert_array_equal(arrays[2], [np.nan, 0.0, 0.0])


def scalar_store() -> tuple[Any, ...]:
    """Something writes into what is read in rows."""
    return product(3, 3, 3), back(3, 3), Store("x", 4, "start")


def function_beside_a_number() -> tuple[Any, ...]:
    """Something else stores into the row that the function is of."""
    return function_of_few(4), Store("x", 1, "start")


def other_rows() -> tuple[Any, ...]:
    """Rows of one loop are not those of another."""
    return product(4, 3, 4), back(3, 4)


def shifted_rows() -> tuple[Any, ...]:
    body = (Load("b", F64, "y", IndexOp("+", "q", 1)), Store("x", "q", "b"))
    return product(3, 3, 3), Loop("q", 3, "vector", body)


def neighbours() -> tuple[Any, ...]:
    """An iteration reads what the one before it wrote."""
    body = (
        Load("b", F64, "y", IndexOp("+", "q", 2)),
        Load("c", F64, "y", IndexOp("+", "q", 3)),
        Op("d", F64, "max", ("b", "c")),
        Store("y", IndexOp("+", "q", 3), "d"),
    )
    return (Loop("q", 3, "sequential", body),)


def no_product() -> tuple[Any, ...]:
    return (back(3, 3),)


def numbers_of_a_row() -> tuple[Any, ...]:
    """A product with a vector that is stored in one piece, too small to wait for it."""
    terms = (
        Load("u", F64, "a", row("t", 3, "j")),
        Load("v", F64, "x", "t"),
        Op("w", F64, "mul", ("u", "v")),
        Accumulate("s", "w"),
    )
    total = Loop("t", 3, "sequential", terms, (Accumulator("s", F64, "add", "start"),))
    return Loop("j", 3, "sequential", (total, Store("y", "j", "s"))), back(1, 3)


@pytest.mark.parametrize(
    "body",
    [
        scalar_store,
        function_beside_a_number,
        other_rows,
        shifted_rows,
        neighbours,
        no_product,
        numbers_of_a_row,
    ],
)
def test_loops_that_stay_as_they_are(body: Any) -> None:
    nest = steps(*body())
    assert not lane_loops(nest)
    check(nest, 16, F64, exact=True)


def test_only_in_steps() -> None:
    body = (const("start", F64, -0.0), product(3, 3, 3))
    nest = Nest(0, buffers(("a", F64, "in"), ("x", F64, "in"), ("y", F64, "out")), body)
    assert not lane_loops(nest)
