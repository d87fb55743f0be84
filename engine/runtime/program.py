"""From a graph to a program that runs: passes, schedules, machine code, memory, tape.

`compile_graph` is the whole way in one place; a `Program` keeps what each stage gave, so that it can be printed.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from weft.engine.garbage import seldom
from weft.engine.runtime import threads
from weft.engine.runtime.assemble import assemble
from weft.engine.runtime.blocks import LOOPS, Block, compile_block
from weft.engine.runtime.bufferize import Buffers, bufferize
from weft.engine.runtime.memory import APART_FROM, LARGE, pool
from weft.engine.runtime.tape import RETURNED, Tape, load_machine
from weft.engine.runtime.threads import start_workers
from weft.ir.graph import Graph, Literal
from weft.ir.loops.nest import Nest
from weft.ir.records import dataclass
from weft.ir.types import ArrayType
from weft.kernels.backend import Kernel


@dataclass(slots=True, eq=False)
class Program:
    """A compiled graph for given shapes. ``run`` takes NumPy arrays of exactly its input types.

    ``overwritten`` are the numbers of the inputs that come back as outputs, perhaps written over.
    """

    graph: Graph
    block: Block
    buffers: Buffers
    tape: Tape
    host_calls: list[Callable[[Any], None]]
    out_types: tuple[ArrayType, ...]
    constants: dict[int, np.ndarray]
    overwritten: tuple[int, ...]
    _new: tuple[tuple[Callable[..., np.ndarray], tuple[int, ...], np.dtype], ...]
    _arena_bytes: int
    _start: Callable[[int, int, int, tuple[object, ...]], int]
    _idle: list[tuple[np.ndarray, int]]

    @property
    def fused(self) -> Graph:
        """The graph of kernels, library calls, branches and loops."""
        return self.block.graph

    @property
    def nests(self) -> tuple[Nest, ...]:
        """The loop nests, in the order they stand: equal for equal machine code."""
        return tuple(self.block.nests())

    @property
    def kernels(self) -> tuple[Kernel, ...]:
        """The machine code of the loop nests."""
        return tuple(self.block.all_kernels())

    def run(self, values: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Run on C-contiguous arrays of the input types: the outputs, in order."""
        new = []
        for allocate, shape, dtype in self._new:  # a comprehension would be a call
            new.append(allocate(shape, dtype))
        try:
            table = self._idle.pop()
        except IndexError:
            slots = self.tape.new_slots()
            table = (slots, slots.ctypes.data)
        if self._arena_bytes:
            arena = pool.take(self._arena_bytes)
            bound = (*values, *new, arena)
        else:
            arena = None
            bound = (*values, *new)
        try:
            pc = self._start(self.tape.code_address, table[1], threads.state.address, bound)
            if pc != RETURNED:
                self.tape.resume(pc, table[0], self.host_calls)
        except BaseException:
            self.tape.release(table[1])
            raise
        finally:
            self._idle.append(table)
            if arena is not None:
                pool.give_back(arena)
        return new if len(new) == len(self.out_types) else self._outputs(new, values)

    def _outputs(self, new: list[np.ndarray], values: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Outputs where some are constants, other names of one another, or in the memory of inputs."""
        fresh = iter(new)
        outs: list[np.ndarray] = []
        for i, place in enumerate(self.buffers.outputs):
            if i in self.constants:
                outs.append(self.constants[i])
            elif place.same_as is not None:
                outs.append(outs[place.same_as].reshape(self.out_types[i].shape))
            elif place.given is not None:
                given, shape = values[place.given], self.out_types[i].shape
                outs.append(given if given.shape == shape else given.reshape(shape))
            else:
                outs.append(next(fresh))
        return outs


_compile_lock = threading.RLock()


@functools.lru_cache(maxsize=4096)
def compile_graph(graph: Graph, donated: tuple[int, ...] = ()) -> Program:
    """Compile a graph: optimise, fuse, schedule, emit, plan memory, write the tape.

    Args:
        graph: the program.
        donated: the numbers of the inputs in whose memory outputs may be; `Program.overwritten` says which are.
    """
    with _compile_lock, seldom:
        block = compile_block(graph, donated)
        buffers = bufferize(block, donated)
        tape, host_calls = assemble(block, buffers)
    if tape.is_parallel:
        start_workers()
    fused = block.graph
    least = APART_FROM if any(eqn.prim in LOOPS for eqn in fused.eqns) else LARGE
    new = tuple(
        (pool.empty if t.nbytes >= least else np.empty, t.shape, t.dtype)
        for t, place in zip(fused.out_types, buffers.outputs, strict=True)
        if place.slot is not None
    )
    return Program(
        graph=graph,
        block=block,
        buffers=buffers,
        tape=tape,
        host_calls=host_calls,
        out_types=fused.out_types,
        constants={i: np.asarray(a.value) for i, a in enumerate(fused.outs) if isinstance(a, Literal)},
        overwritten=tuple(place.given for place in buffers.outputs if place.given is not None),
        _new=new,
        _arena_bytes=buffers.arena_bytes,
        _start=load_machine().start,
        _idle=[],
    )
