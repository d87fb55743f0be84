"""Assemble: from a compiled block and its memory plan to a tape.

The one idea: each equation is an instruction or a few. Branches become jumps, and loops jump back; what a loop's pointers do
before, between and after its steps is in its plan.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from weft.engine.runtime.aliases import is_alias
from weft.engine.runtime.blocks import Block
from weft.engine.runtime.bufferize import Buffers, Copy, Loop, Plan
from weft.engine.runtime.tape import Tape, TapeBuilder, read_array
from weft.engine.runtime.threads import thread_count
from weft.ir.builder import run_reference
from weft.ir.errors import InternalError
from weft.ir.graph import Eqn, Literal, Var
from weft.ir.loops.nest import While
from weft.ir.ops.contract import dot_general_p, dot_plan
from weft.ir.quiet import quietly
from weft.kernels.library.routines import host_routine
from weft.kernels.schedule import Scheduled

HostCall = Callable[[Any], None]

# Nanoseconds of work below which a kernel runs on one thread: about what it takes to wake another one up.
THREADED_WORK = 50_000.0
# And above which one call of LAPACK gains by BLAS's own threads, which wait for each other often.
OWN_THREADS = 30_000_000.0


def assemble(block: Block, buffers: Buffers) -> tuple[Tape, list[HostCall]]:
    """Write the tape of a program, and what it calls in Python."""
    assembler = _Assembler()
    builder = assembler.builder
    builder.bind(range(buffers.n_bound + bool(buffers.places)))
    if buffers.places:
        builder.arena(buffers.arena_slot, buffers.places)
    for slot, value in buffers.constants:
        builder.set(slot, value.ctypes.data)
    assembler.block(block, buffers.plan)
    assembler.own_threads()
    return builder.finish(buffers.n_slots), assembler.host_calls


class _Assembler:
    """Writes blocks one after the other into one tape."""

    def __init__(self) -> None:
        self.builder = TapeBuilder()
        self.host_calls: list[HostCall] = []
        self.one_thread = False  # whether BLAS is kept to one thread at this point of the tape

    def block(self, block: Block, plan: Plan) -> None:
        """Write the equations of a block, and the copies after them."""
        for i, eqn in enumerate(block.graph.eqns):
            if is_alias(eqn):
                continue
            if i in block.scheduled:
                self.kernels(block, plan, i, eqn)
            elif i in plan.loops:
                self.loop(block.inner[i], plan.loops[i], eqn)
            elif i in plan.inner:
                self.branches(block.inner[i], plan.inner[i], plan, eqn)
            elif eqn.prim is dot_general_p:
                self.product(eqn, plan.slots)
            else:
                self.own_threads()
                self.builder.call_python(len(self.host_calls))
                self.builder.note(eqn.prim.name)
                self.host_calls.append(_host_call(eqn, plan.slots))
        for copy in plan.copies:
            self.copy(copy, "a result that is an operand, or a result twice")

    def copy(self, copy: Copy, why: str) -> None:
        self.builder.copy(copy.target, copy.source, copy.nbytes)
        self.builder.note(why)

    def kernels(self, block: Block, plan: Plan, number: int, eqn: Eqn) -> None:
        """The nests of a kernel or routine."""
        one, slots = block.scheduled[number], plan.slots
        for out, k in one.starts:
            source, target = eqn.ins[k], eqn.outs[out]
            if slots[source] != slots[target]:  # type: ignore[index]
                self.builder.copy(slots[target], slots[source], target.type.nbytes)  # type: ignore[index]
                self.builder.note(f"what {_named(eqn)} changes is read later")
        ins = [slots[eqn.ins[k]] for k in one.passed(eqn)]  # type: ignore[index]
        operands = ins + [slots[v] for v in eqn.outs] + plan.scratch[number]
        if one.in_steps:
            (kernel,) = block.kernels[number]
            if one.calls:
                self.keep_to_one_thread()
            flag = plan.scratch[number][0] if isinstance(one.nest.chunked, While) else None
            self.builder.steps(kernel.address, one.params, operands, one.extent, plan.progress[number], flag)
            self.builder.note(kernel.name)
            return
        again = None
        for step, kernel in zip(one.chain(), block.kernels[number], strict=True):
            if step.times > 1:
                self.builder.set(plan.progress[number], step.times)
                again = self.builder.here
            if step.calls:
                if step.extent > 1 or step.work < OWN_THREADS:
                    self.keep_to_one_thread()
                else:
                    self.own_threads()
            self.builder.kernel(kernel.address, step.params, operands, step.extent, _grain(step))
            self.builder.note(kernel.name)
        if again is not None:
            self.builder.repeat(plan.progress[number], again)

    def product(self, eqn: Eqn, slots: dict[Var, int]) -> None:
        """A product of matrices."""
        (a, b), (c,) = eqn.ins, eqn.outs
        plan = dot_plan(a.type, b.type, eqn.params["dims"])
        prepared = plan.copy_a is None and plan.copy_b is None
        if not prepared or isinstance(a, Literal) or isinstance(b, Literal):
            raise InternalError(f"dot_general of {a.type} and {b.type} came to the tape unprepared.")
        self.keep_to_one_thread()
        self.builder.gemm(
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

    def loop(self, bodies: tuple[Block, ...], loop: Loop, eqn: Eqn) -> None:
        """A `scan` or a `while_loop`."""
        builder, start = self.builder, self.enter(bodies)
        builder.point(loop.start)
        for copy in loop.copies:
            self.copy(copy, f"the first carry of {_named(eqn)}")
        if loop.cond is not None:
            top = builder.here
            self.block(bodies[1], loop.cond)
            self.settle(start)
            leave = builder.unless(loop.flag)
            builder.note(eqn.prim.name)
            self.block(bodies[0], loop.body)
            builder.point(loop.step)
            self.settle(start)
            builder.jump(top)
            builder.land(leave)
        elif eqn.params["length"]:
            builder.set(loop.flag, eqn.params["length"])
            builder.note(eqn.prim.name)
            top = builder.here
            self.block(bodies[0], loop.body)
            builder.point(loop.step)
            self.settle(start)
            builder.repeat(loop.flag, top)
        for copy in loop.finish:
            self.copy(copy, f"the last carry of {_named(eqn)}, unless it is there")

    def branches(self, bodies: tuple[Block, ...], plans: tuple[Plan, ...], plan: Plan, eqn: Eqn) -> None:
        """A `cond`."""
        builder, start = self.builder, self.enter(bodies)
        index = eqn.ins[0]
        assert isinstance(index, Var)
        chosen = builder.switch(plan.slots[index], index.type.dtype)
        builder.note(eqn.prim.name)
        ends = []
        for body, inner in zip(bodies, plans, strict=True):
            builder.land(chosen)
            self.block(body, inner)
            self.settle(start)
            if inner is not plans[-1]:
                ends.append(builder.jump())
        for end in ends:
            builder.land(end)

    # BLAS is kept to one thread from the first product to what wants its threads: products are cut into pieces for the
    # pool's threads instead. Where paths meet, all must agree whether it is.

    def keep_to_one_thread(self) -> None:
        """Run what follows with BLAS on one thread."""
        if not self.one_thread:
            self.builder.one_thread()
        self.one_thread = True

    def own_threads(self) -> None:
        """Let BLAS have its own number of threads again."""
        if self.one_thread:
            self.builder.own_threads()
        self.one_thread = False

    def enter(self, bodies: tuple[Block, ...]) -> bool:
        """Begin a branch or a loop: whether BLAS is kept to one thread wherever one of its paths begins or ends."""
        blocks = [block for body in bodies for block in body.walk()]
        if any(eqn.prim is dot_general_p for block in blocks for eqn in block.graph.eqns) or any(
            step.calls for block in blocks for one in block.scheduled.values() for step in one.chain()
        ):
            self.keep_to_one_thread()
        return self.one_thread

    def settle(self, one_thread: bool) -> None:
        """End a path as `enter` said."""
        if one_thread:
            self.keep_to_one_thread()
        else:
            self.own_threads()


def _named(eqn: Eqn) -> str:
    """An equation by its primitive and the user's line."""
    return eqn.prim.name if eqn.source is None else f"{eqn.prim.name} at {eqn.source}"


def _grain(one: Scheduled) -> int | None:
    """The iterations that a thread takes at a time; none where one thread takes all."""
    return one.grain if one.work >= THREADED_WORK else None


def _host_call(eqn: Eqn, slots: dict[Var, int]) -> HostCall:
    """What Python does at a YIELD, from slots to slots: a routine of the library, or the NumPy reference."""
    ins = [(None, a.value) if isinstance(a, Literal) else (slots[a], a.type) for a in eqn.ins]
    outs = [(slots[v], v.type) for v in eqn.outs]
    prim, params = eqn.prim, dict(eqn.params)
    routine = host_routine(prim)

    def call(table: np.ndarray) -> None:
        args = [x if slot is None else read_array(int(table[slot]), x.shape, x.dtype) for slot, x in ins]
        results = [read_array(int(table[slot]), t.shape, t.dtype) for slot, t in outs]
        if routine is not None:
            quietly(routine, args, results, params, thread_count())
            return
        if prim.lower.kind == "callback":  # whose function may keep what it is given
            args = [np.array(x) for x in args]
        found = run_reference(prim, args, params)
        for result, value in zip(results, found if prim.multiple else (found,), strict=True):
            np.copyto(result, value)

    return call
