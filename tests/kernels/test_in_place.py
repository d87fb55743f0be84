"""Kernels that write over an operand: which may, and that they compute the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import weft
import weft.numpy as wnp
from weft.ir.loops.interpret import run_nest
from weft.ir.loops.nest import Buffer, IndexOp, Load, Loop, Nest, Param, Store
from weft.ir.loops.verify import verify_nest
from weft.kernels.schedule import Scheduled
from weft.kernels.schedule.in_place import in_place

X, Y, ROW = np.arange(12.0).reshape(3, 4), np.linspace(-1, 1, 12).reshape(3, 4), np.arange(4.0)

F64 = np.dtype(np.float64)


def kernel_of(fun: Callable[..., Any], *args: np.ndarray) -> tuple[Scheduled, list[int]]:
    """The one kernel of a function, and which argument each input buffer is."""
    block = weft.jit(fun).lower(*args).program.block
    (one,) = block.scheduled.values()
    (eqn,) = block.graph.eqns
    return one, [block.graph.ins.index(atom) for atom in eqn.ins]


# name: the function, its arguments, and which of them its result may be written over.
KERNELS: dict[str, tuple[Callable[..., Any], tuple[np.ndarray, ...], set[int]]] = {
    "two of a size": (lambda x, y: x * 2.0 + y, (X, Y), {0, 1}),
    "a row": (lambda x, r: x - r, (X, ROW), {0}),
    "a row and a column": (lambda r, c: r + c, (ROW, X[:, :1].copy()), set()),
    "turned round": (lambda x: x[::-1] * 2.0, (X,), set()),
    "both ways": (lambda x: x[::-1] + x, (X,), set()),
    "transposed": (lambda x, y: x.T + y, (X.T.copy(), Y), {1}),
    "by its sum": (lambda x: x / wnp.sum(x), (ROW,), {0}),
    "another dtype": (lambda x: x.astype(np.float32) + np.float32(1), (X,), set()),
    "chosen": (lambda x, y: wnp.where(x > 5, x, y), (X, Y), {0, 1}),
    "set": (lambda x: x.at[1].set(5.0), (ROW,), {0}),
    "set in places": (lambda x, y: x.at[::2, ::3].set(y[:2, :2]), (X, Y), {0}),
    "places multiplied": (lambda x: x.at[::2, ::3].multiply(5.0), (X,), {0}),
    "places of the old": (lambda x: (x + 1.0).at[::2, ::3].add(x[::2, ::3]), (X,), set()),
    "places of another": (lambda x, y: (x + y).at[::2, ::3].set(y[::2, ::3]), (X, Y), set()),
    "two kinds of places": (lambda x, r: x.at[::3].add(r[0]).at[:, ::3].add(r[1]), (X, ROW), set()),
    "joined": (lambda x, y: wnp.concatenate([x[:2], y[:1]]) * x, (X, Y), set()),
    "long, by its sum": (lambda x: x / wnp.sum(x), (np.arange(20000.0),), {0}),
    "one element": (lambda x: x + 1.0, (np.array(3.0),), {0}),
}


@pytest.mark.parametrize("name", KERNELS)
def test_which_operands_may_be_overwritten(name: str) -> None:
    fun, args, allowed = KERNELS[name]
    one, order = kernel_of(fun, *args)
    assert [b.kind for b in one.nest.buffers].count("in") == len(args)
    wanted = np.asarray(weft.jit(fun)(*args))
    size = wanted.size
    found = {order[k]: in_place(one, k, 0, size) for k in range(len(args))}
    assert {k for k, changed in found.items() if changed is not None} == allowed
    for k in allowed:
        changed = found[k]
        assert changed is not None
        out = args[k].copy()
        buffers = [*(args[i].reshape(-1) for i in order if i != k), out.reshape(-1)]
        scratch = [b.dtype for b in changed.nest.buffers if b.kind == "scratch"]
        buffers += [np.empty(n, dtype) for n, dtype in zip(changed.scratch, scratch, strict=True)]
        for step in changed.chain():
            verify_nest(step.nest)
            assert len(step.nest.buffers) == len(one.nest.buffers) - 1
            run_nest(step.nest, step.params, buffers)
        np.testing.assert_allclose(out, wanted)


def matrix(width: int, row: int) -> Scheduled:
    """3 rows of ``width`` elements, ``row`` apart, are copied."""
    index = IndexOp("+", IndexOp("*", "i0", Param(1)), "i1")
    body = (Load("v0", F64, "b0", index), Store("b1", index, "v0"))
    loops = Loop("i0", 3, "parallel", (Loop("i1", Param(0), "vector", body),))
    nest = Nest(2, (Buffer("b0", F64, "in"), Buffer("b1", F64, "out")), (loops,))
    verify_nest(nest)
    return Scheduled(nest, (width, row), 3, ())


def test_each_element_must_be_written_once() -> None:
    assert in_place(matrix(4, 4), 0, 0, 12) is not None
    assert in_place(matrix(4, 3), 0, 0, 10) is None
    assert in_place(matrix(4, 0), 0, 0, 4) is None
    assert in_place(matrix(1, 1), 0, 0, 3) is not None


@pytest.mark.parametrize(
    "shape", [(1, 1), (3, 5000), (5000, 3), (100, 100), (4096, 2), (2, 4097), (70, 70, 3)]
)
def test_tiles_are_counted(shape: tuple[int, ...]) -> None:
    row = np.arange(float(shape[-1]))
    one, order = kernel_of(lambda x, r: x - r, np.zeros(shape), row)
    assert in_place(one, order.index(0), 0, int(np.prod(shape))) is not None
    assert in_place(one, order.index(0), 0, int(np.prod(shape)) + 1) is None
