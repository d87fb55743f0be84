"""Runs kernels as machine code, chunk by chunk: what a pool of threads does, one after the other and in any order."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tests.kernels.fused import kernels
from weft.ir.builder import build
from weft.ir.graph import Eqn
from weft.ir.loops.verify import verify_nest
from weft.ir.passes.fuse import fuse
from weft.ir.types import ArrayType
from weft.kernels.backend import compile_nests
from weft.kernels.schedule import Scheduled, schedule

_SIGNATURE = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)

# From the number of iterations and the grain to the chunks, in the order they run.
Chunks = Callable[[int, int], Sequence[tuple[int, int]]]


def at_once(extent: int, grain: int) -> list[tuple[int, int]]:
    """Everything in one call."""
    return [(0, extent)]


def shuffled(seed: int, most: int | None = None) -> Chunks:
    """The kernel's chunks, or such of at most ``most`` iterations, in a random order."""

    def chunks(extent: int, grain: int) -> list[tuple[int, int]]:
        step = grain if most is None else min(grain, most)
        found = [(at, min(at + step, extent)) for at in range(0, extent, step)]
        np.random.default_rng(seed).shuffle(found)
        return found

    return chunks


def compiled(eqn: Eqn) -> Callable[..., list[np.ndarray]]:
    """A kernel of a fused graph as a function of its operands' arrays and of the chunks to run it in."""
    parts: list[Scheduled] = list(schedule(eqn).chain())
    for part in parts:
        verify_nest(part.nest)
        assert part.grain >= 1 and part.work >= 0 and part.scratch == parts[0].scratch
    code = compile_nests([part.nest for part in parts])

    def run(*operands: np.ndarray, chunks: Chunks = at_once) -> list[np.ndarray]:
        outs = [np.full(var.type.shape, 77).astype(var.type.dtype) for var in eqn.outs]
        kinds = [b.dtype for b in parts[0].nest.buffers if b.kind == "scratch"]
        scratch = [np.full(n, 88).astype(dtype) for n, dtype in zip(parts[0].scratch, kinds, strict=True)]
        arrays = [*map(np.ascontiguousarray, operands), *outs, *scratch]
        table = (ctypes.c_void_p * max(len(arrays), 1))(*(array.ctypes.data for array in arrays))
        for part, kernel in zip(parts, code, strict=True):
            dims = (ctypes.c_int64 * max(len(part.params), 1))(*part.params)
            spans = chunks(part.extent, part.grain) if part.nest.chunked else [(0, 1)]
            for begin, end in spans:
                _SIGNATURE(kernel.address)(dims, table, begin, end)
        return outs

    return run


def compile_function(fun: Callable[..., Sequence[Any]], *args: np.ndarray) -> Callable[..., list[np.ndarray]]:
    """A function that is one kernel."""
    graph = fuse(build(fun, [ArrayType(a.shape, a.dtype) for a in args]))
    (eqn,) = kernels(graph)
    assert set(eqn.ins) == set(graph.ins) and set(eqn.outs) == set(graph.outs), graph
    run, order = compiled(eqn), [eqn.outs.index(atom) for atom in graph.outs]

    def ordered(*operands: np.ndarray, chunks: Chunks = at_once) -> list[np.ndarray]:
        outs = run(*(operands[graph.ins.index(var)] for var in eqn.ins), chunks=chunks)
        return [outs[k] for k in order]

    return ordered
