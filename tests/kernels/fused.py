"""Runs fused graphs kernel by kernel through the interpreter of loop nests: the law that schedules are held to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from weft.ir.builder import bind_all, read
from weft.ir.graph import Eqn, Graph, Var
from weft.ir.loops.interpret import run_nest
from weft.ir.loops.nest import Nest
from weft.ir.loops.verify import verify_nest
from weft.ir.ops.kernel import kernel_p
from weft.ir.passes.fuse import fuse
from weft.kernels.schedule import Scheduled, schedule


def kernels(graph: Graph) -> list[Eqn]:
    """The kernels of a fused graph."""
    return [eqn for eqn in graph.eqns if eqn.prim is kernel_p]


def nests(graph: Graph) -> list[Nest]:
    """The loop nests that an unfused graph becomes."""
    return [part.nest for eqn in kernels(fuse(graph)) for part in schedule(eqn).chain()]


def run_fused(graph: Graph, *args: Any, chunks: int = 1) -> list[Any]:
    """Apply a fused graph, its kernels by `run_nest` in so many chunks, later chunks first."""
    env: dict[Var, Any] = dict(zip(graph.ins, args, strict=True))
    for eqn in graph.eqns:
        operands = [read(env, atom) for atom in eqn.ins]
        if eqn.prim is kernel_p:
            env.update(zip(eqn.outs, run_kernel(eqn, operands, chunks), strict=True))
        else:
            env.update(zip(eqn.outs, bind_all(eqn.prim, operands, eqn.params), strict=True))
    return [read(env, atom) for atom in graph.outs]


def run_kernel(eqn: Eqn, operands: Sequence[np.ndarray], chunks: int) -> Iterator[np.ndarray]:
    """The results of one kernel; outputs and scratch hold rubbish before."""
    scheduled = schedule(eqn)
    nest = scheduled.nest
    sizes = [*(var.type.size for var in eqn.outs), *scheduled.scratch]
    written = nest.buffers[len(operands) :]
    assert [b.kind for b in written] == ["out"] * len(eqn.outs) + ["scratch"] * len(scheduled.scratch)
    fresh = [np.full(n, 99).astype(b.dtype) for n, b in zip(sizes, written, strict=True)]
    buffers = [np.ravel(x) for x in operands] + fresh
    for part in scheduled.chain():
        verify_nest(part.nest)
        assert part.nest.buffers == nest.buffers and part.scratch == scheduled.scratch
        for begin, end in reversed(borders(part, chunks)):
            run_nest(part.nest, part.params, buffers, begin, end)
    return (x.reshape(var.type.shape) for x, var in zip(fresh, eqn.outs, strict=False))


def borders(scheduled: Scheduled, chunks: int) -> list[tuple[int, int]]:
    """Where the parallel loop is cut."""
    if scheduled.nest.chunked is None:
        return [(0, 1)]
    step = max(-(-scheduled.extent // chunks), 1)
    return [(at, min(at + step, scheduled.extent)) for at in range(0, scheduled.extent, step)]
