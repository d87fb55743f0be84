"""Copies that turn rows into columns: every size and dtype, both ways, bit for bit, and nothing beyond the last element."""

from __future__ import annotations

import numpy as np
import pytest

from tests.nest_parts import M, N, buffers, call_kernel
from weft.ir.loops.interpret import run_nest
from weft.ir.loops.nest import Const, IndexOp, Load, Loop, Nest, Op, Store
from weft.ir.loops.verify import verify_nest
from weft.kernels.backend import compile_nests
from weft.kernels.cpu.squares import transposed_copy

DTYPES = ["f8", "f4", "i8", "i4", "u2", "i1", "?", "c16", "f2"]


def plus(a, b):
    return IndexOp("+", a, b)


def copy(dtype: np.dtype, back: bool, inside_out: bool) -> Nest:
    """M rows of N elements, to columns that are M apart, or ``back``; with the loop over rows inside or outside."""
    in_rows = plus(IndexOp("*", "j", N), "i")
    in_columns = plus(IndexOp("*", "i", M), "j")
    source, target = (in_columns, in_rows) if back else (in_rows, in_columns)
    body = (Load("v", dtype, "x", source), Store("out", target, "v"))
    (inner, n), (outer, m) = (("j", M), ("i", N)) if inside_out else (("i", N), ("j", M))
    loop = Loop(outer, m, "sequential", (Loop(inner, n, "sequential", body),))
    return Nest(2, buffers(("x", dtype, "in"), ("out", dtype, "out")), (loop,))


@pytest.mark.parametrize("back", [False, True])
@pytest.mark.parametrize("inside_out", [False, True])
@pytest.mark.parametrize("dtype", DTYPES)
def test_squares_are_what_the_loops_say(dtype, back, inside_out):
    dtype = np.dtype(dtype)
    nest = copy(dtype, back, inside_out)
    verify_nest(nest)
    (kernel,) = compile_nests([nest])
    (loop,) = nest.body
    assert (transposed_copy(loop) is not None) == (dtype.itemsize in (4, 8))
    assert ("transpose" in kernel.llvm()) == (dtype.itemsize in (4, 8))
    rng = np.random.default_rng(0)
    for n in (0, 1, 7, 8, 9, 31):
        for m in (0, 1, 7, 16, 19):
            x = rng.integers(0, 256, max(n * m, 1) * dtype.itemsize, np.uint8)
            x = (x & 1 if dtype.kind == "b" else x).view(dtype)
            expected = np.zeros(n * m + 5, dtype)
            found = expected.copy()
            run_nest(nest, [n, m], [x.copy(), expected])
            call_kernel(kernel.address, [n, m], [x, found])
            assert found.tobytes() == expected.tobytes()


def test_other_loops_are_no_squares():
    f8 = np.dtype("f8")
    (loop,) = copy(f8, False, False).body
    (inner,) = loop.body
    load, store = inner.body
    one = Const("one", f8, np.float64(1).tobytes())

    def of(*body, extent=M):
        return transposed_copy(Loop("j", N, "sequential", (Loop("i", extent, "sequential", body),)))

    def times(a, b):
        return IndexOp("*", a, b)

    assert of(load, store) is not None
    assert of(load, store, extent="j") is None  # a triangle
    assert of(load, Store("x", store.index, "v")) is None  # in its own memory
    assert of(load, Store("out", load.index, "v")) is None  # both side by side in i
    assert of(one, Store("out", store.index, "one")) is None
    assert of(load, Op("w", f8, "neg", ("v",)), Store("out", store.index, "w")) is None
    assert of(Load("v", f8, "x", times("i", "j")), store) is None
    assert of(Load("v", f8, "x", plus(IndexOp("%", "j", N), "i")), store) is None  # rows are not evenly apart
    assert of(Load("v", f8, "x", plus(times("j", "n"), "i")), store) is not None
