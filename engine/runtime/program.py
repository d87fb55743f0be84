"""From a graph to a program that runs: passes, schedules, machine code, memory, tape.

`compile_graph` is the whole way in one place; a `Program` keeps what each stage gave, so that it can be printed.
"""

from __future__ import annotations

import ctypes
import functools
import struct
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from weft.engine import config
from weft.engine.runtime.bufferize import Buffers, bufferize, is_alias
from weft.engine.runtime.memory import LARGE, pool
from weft.engine.runtime.tape import RETURNED, WORD_BYTES, Tape, TapeBuilder, load_machine, read_array
from weft.engine.runtime.threads import pool_address, start_workers
from weft.ir.errors import InternalError
from weft.ir.graph import Eqn, Graph, Literal, Var
from weft.ir.loops.nest import Nest
from weft.ir.ops.contract import dot_general_p, dot_plan
from weft.ir.ops.kernel import kernel_p
from weft.ir.passes.absorb import absorb
from weft.ir.passes.fuse import fuse
from weft.ir.passes.pipeline import BEFORE_FUSION, run_pipeline
from weft.ir.quiet import quietly
from weft.ir.types import ArrayType
from weft.kernels.backend import Kernel, compile_nests
from weft.kernels.library.routines import schedule_routine
from weft.kernels.schedule import Scheduled, schedule


@dataclass(slots=True, eq=False)
class Program:
    """A compiled graph for given shapes. ``run`` takes NumPy arrays of exactly its input types."""

    graph: Graph
    fused: Graph
    scheduled: dict[int, Scheduled]
    kernels: dict[int, tuple[Kernel, ...]]
    buffers: Buffers
    tape: Tape
    host_calls: list[Callable[[Any], None]]
    out_types: tuple[ArrayType, ...]
    constants: dict[int, np.ndarray]
    _new: tuple[tuple[Callable[..., np.ndarray], tuple[int, ...], np.dtype], ...]
    _arena_bytes: int
    _pack: Callable[..., None] | None
    _idle: list[tuple[np.ndarray, memoryview, int]]

    @property
    def nests(self) -> tuple[Nest, ...]:
        """The loop nests, in the order they run: equal for equal machine code."""
        return tuple(one.nest for i in sorted(self.scheduled) for one in steps(self.scheduled[i]))

    def run(self, values: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Run on C-contiguous arrays of the input types: the outputs, in order."""
        new = [allocate(shape, dtype) for allocate, shape, dtype in self._new]
        try:
            table = self._idle.pop()
        except IndexError:
            slots = self.tape.new_slots()
            view = memoryview(slots)  # type: ignore[arg-type]  # NumPy's stubs say so from 3.12 on
            table = (slots, view.cast("B"), slots.ctypes.data)
        if self._arena_bytes:
            arena = pool.take(self._arena_bytes)
            bound = (*values, *new, arena)
        else:
            arena = None
            bound = (*values, *new)
        if self._pack is None:
            ctypes.memmove(table[2], id(bound) + _ITEMS, WORD_BYTES * len(bound))
        else:
            self._pack(table[1], 0, *map(id, bound))
        if self.host_calls:
            self.tape.run(table[0], self.host_calls)
        elif _interpret()(self.tape.code_address, 0, table[2], pool_address()) != RETURNED:
            raise InternalError("a tape without host calls yielded.")
        self._idle.append(table)
        if arena is not None:
            pool.give_back(arena)
        return new if len(new) == len(self.out_types) else self._outputs(new)

    def _outputs(self, new: list[np.ndarray]) -> list[np.ndarray]:
        """Outputs where some are constants or other names of one another."""
        fresh = iter(new)
        outs: list[np.ndarray] = []
        for i, place in enumerate(self.buffers.outputs):
            if i in self.constants:
                outs.append(self.constants[i])
            elif place.same_as is not None:
                outs.append(outs[place.same_as].reshape(self.out_types[i].shape))
            else:
                outs.append(next(fresh))
        return outs


_ITEMS = tuple.__basicsize__  # where in a tuple the addresses of its items stand
_FEW = 8
"""Addresses up to which packing them one by one is faster than a call of ``memmove`` (measured)."""


def _packer(number: int) -> Callable[..., None] | None:
    """What writes ``number`` addresses to a table of slots one by one; ``None`` where they are better copied."""
    return None if number > _FEW and _tuples_are_addresses() else struct.Struct(f"={number}q").pack_into


@functools.cache
def _tuples_are_addresses() -> bool:
    """Whether tuples hold the addresses of their items where we look for them."""
    items = (np.empty(0), np.empty(0))
    found = (ctypes.c_int64 * 2).from_address(id(items) + _ITEMS)
    return list(found) == [id(x) for x in items]


@functools.cache
def _interpret() -> Any:
    return load_machine().interpret


_compile_lock = threading.RLock()


@functools.lru_cache(maxsize=4096)
def compile_graph(graph: Graph) -> Program:
    """Compile a graph: optimise, fuse, schedule, emit, plan memory, write the tape."""
    with _compile_lock:
        optimized = run_pipeline(graph, BEFORE_FUSION, verify=config.settings.debug, log=config.log_pass)
        fused = absorb(fuse(optimized))
        if config.settings.debug:
            from weft.ir.verify import verify

            verify(fused)
        config.log("fused", fused)
        found = [_schedule(eqn) for eqn in fused.eqns]
        scheduled = {i: one for i, one in enumerate(found) if one is not None}
        nests = [one.nest for first in scheduled.values() for one in steps(first)]
        for nest in nests:
            config.log("loops", nest)
        compiled = compile_nests(nests) if nests else []
        following = iter(compiled)
        kernels = {i: tuple(next(following) for _ in steps(first)) for i, first in scheduled.items()}
        for kernel in compiled:
            config.log("llvm", kernel.llvm)
            config.log("asm", kernel.asm)
        copied = {i: one.copied for i, one in scheduled.items() if one.copied is not None}
        buffers = bufferize(fused, [_scratch_bytes(scheduled.get(i)) for i in range(len(fused.eqns))], copied)
        return _assemble(graph, fused, scheduled, kernels, buffers)


def _schedule(eqn: Eqn) -> Scheduled | None:
    """The loops of a kernel, or of an operation that a routine computes."""
    return schedule(eqn) if eqn.prim is kernel_p else schedule_routine(eqn)


def steps(one: Scheduled | None) -> Iterator[Scheduled]:
    """The nests of an operation, in the order they run."""
    while one is not None:
        yield one
        one = one.then


# Nanoseconds of work below which a kernel runs on one thread: about what it takes to wake another one up.
THREADED_WORK = 50_000.0
# And above which one call of LAPACK gains by BLAS's own threads, which wait for each other often.
OWN_THREADS = 30_000_000.0


def _grain(one: Scheduled) -> int | None:
    """The iterations that a thread takes at a time; none where one thread takes all."""
    return one.grain if one.work >= THREADED_WORK else None


def _scratch_bytes(kernel: Scheduled | None) -> list[int]:
    """Sizes of a kernel's scratch buffers."""
    if kernel is None:
        return []
    dtypes = [b.dtype for b in kernel.nest.buffers if b.kind == "scratch"]
    return [elements * dtype.itemsize for elements, dtype in zip(kernel.scratch, dtypes, strict=True)]


def _assemble(
    graph: Graph,
    fused: Graph,
    scheduled: dict[int, Scheduled],
    kernels: dict[int, tuple[Kernel, ...]],
    buffers: Buffers,
) -> Program:
    """Write the tape."""
    builder = TapeBuilder()
    n_bound = buffers.n_bound
    bound = n_bound + bool(buffers.places)
    builder.bind(range(bound))
    if buffers.places:
        builder.arena(buffers.arena_slot, buffers.places)
    host_calls: list[Callable[[Any], None]] = []
    slots = buffers.slots
    threads = _BlasThreads(builder)
    for i, eqn in enumerate(fused.eqns):
        if is_alias(eqn):
            continue
        if i in scheduled:
            one = scheduled[i]
            if one.copied is not None:
                source, target = eqn.ins[one.copied], eqn.outs[0]
                if slots[source] != slots[target]:  # type: ignore[index]
                    builder.copy(slots[target], slots[source], target.type.nbytes)  # type: ignore[index]
            # Literals stand in the loop nest.
            ins = [slots[a] for k, a in enumerate(eqn.ins) if k != one.copied and isinstance(a, Var)]
            operands = ins + [slots[v] for v in eqn.outs] + buffers.scratch[i]
            for step, kernel in zip(steps(one), kernels[i], strict=True):
                if step.calls:
                    threads.keep_to_one() if step.extent > 1 or step.work < OWN_THREADS else threads.finish()
                builder.kernel(kernel.address, step.params, operands, step.extent, _grain(step))
                builder.note(kernel.name)
        elif eqn.prim is dot_general_p:
            _gemm(builder, eqn, slots, threads)
        else:
            threads.finish()
            builder.call_python(len(host_calls))
            builder.note(eqn.prim.name)
            host_calls.append(_host_call(eqn, slots))
    threads.finish()
    for slot, var in buffers.copies:
        builder.copy(slot, slots[var], var.type.nbytes)
    tape = builder.finish(buffers.n_slots)
    if tape.is_parallel:
        start_workers()
    constants = {i: np.asarray(a.value) for i, a in enumerate(fused.outs) if isinstance(a, Literal)}
    new = tuple(
        (pool.empty if t.nbytes >= LARGE else np.empty, t.shape, t.dtype)
        for t, place in zip(fused.out_types, buffers.outputs, strict=True)
        if place.slot is not None
    )
    return Program(
        graph=graph,
        fused=fused,
        scheduled=scheduled,
        kernels=kernels,
        buffers=buffers,
        tape=tape,
        host_calls=host_calls,
        out_types=fused.out_types,
        constants=constants,
        _new=new,
        _arena_bytes=buffers.arena_bytes,
        _pack=_packer(bound),
        _idle=[],
    )


class _BlasThreads:
    """Whether BLAS is kept to one thread as a tape runs: products are cut into pieces for the pool's threads instead."""

    def __init__(self, builder: TapeBuilder):
        self.builder = builder
        self.one = False

    def keep_to_one(self) -> None:
        """Run what follows with BLAS on one thread."""
        if not self.one:
            self.builder.one_thread()
        self.one = True

    def finish(self) -> None:
        """Let BLAS have its own number of threads again."""
        if self.one:
            self.builder.own_threads()
        self.one = False


def _gemm(builder: TapeBuilder, eqn: Eqn, slots: dict[Var, int], threads: _BlasThreads) -> None:
    (a, b), (c,) = eqn.ins, eqn.outs
    plan = dot_plan(a.type, b.type, eqn.params["dims"])
    if plan.copy_a is not None or plan.copy_b is not None or isinstance(a, Literal) or isinstance(b, Literal):
        raise InternalError(f"dot_general of {a.type} and {b.type} came to the tape unprepared.")
    threads.keep_to_one()
    builder.gemm(
        c.type.dtype,
        slots[a],
        slots[b],
        slots[c],
        plan.m,
        plan.n,
        plan.k,
        int(plan.trans_a),
        int(plan.trans_b),
        plan.batch,
        (plan.stride_a, plan.stride_b, plan.m * plan.n),
        (plan.ld_a, plan.ld_b),
    )


def _host_call(eqn: Eqn, slots: dict[Var, int]) -> Callable[[Any], None]:
    """What Python does at a YIELD: the NumPy reference, from slots to slots."""
    ins = [(None, a.value) if isinstance(a, Literal) else (slots[a], a.type) for a in eqn.ins]
    outs = [(slots[v], v.type) for v in eqn.outs]
    prim, params = eqn.prim, dict(eqn.params)

    def call(table: np.ndarray) -> None:
        args = [x if slot is None else read_array(int(table[slot]), x.shape, x.dtype) for slot, x in ins]
        result = quietly(prim.reference, *args, **params)
        for (slot, t), value in zip(outs, result if prim.multiple else (result,), strict=True):
            np.copyto(read_array(int(table[slot]), t.shape, t.dtype), value)

    return call
