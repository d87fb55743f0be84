"""Bufferize: give every value of a program a place in memory.

Inputs and outputs have buffers of their own; reshapes are other names of their operand's buffer; everything else lives in
one arena, at an offset that it shares with values whose lifetimes do not overlap. A place is a slot of the tape. The
bodies of branches and loops are planned like programs, inside the lifetime of the equation that they belong to;
`weft.engine.runtime.carries` says where the carry of a loop lives.

A result that starts as a copy of an operand (a scatter, an update of a window) takes the operand's memory over where nobody
wants the old value any more: then nothing is copied.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

import numpy as np

from weft.engine.runtime.aliases import find_roots, is_alias, root_of
from weft.engine.runtime.blocks import Block
from weft.engine.runtime.memory import ALIGNMENT, APART, APART_FROM, PAGE
from weft.ir.graph import Atom, Literal, Var
from weft.ir.records import dataclass, field


@dataclass(frozen=True, slots=True)
class Output:
    """How one output comes about.

    It is computed into ``slot``, ``same_as`` an earlier one (perhaps reshaped), in the memory of the ``given`` input, or a
    literal.
    """

    slot: int | None = None
    same_as: int | None = None
    given: int | None = None


@dataclass(frozen=True, slots=True)
class Copy:
    """``nbytes`` bytes from the buffer of slot ``source`` to that of slot ``target``."""

    target: int
    source: int
    nbytes: int


@dataclass(slots=True)
class Plan:
    """The memory of one block.

    Attributes:
        slots: where each value is.
        scratch: slots of the scratch buffers of each equation's kernel.
        progress: slots that count the steps of kernels that are loops.
        copies: what is copied when the equations are done: results that are inputs, or one another.
        inner: the plans of the bodies of each branch.
        loops: the plan of each loop.
    """

    slots: dict[Var, int] = field(default_factory=dict)
    scratch: dict[int, list[int]] = field(default_factory=dict)
    progress: dict[int, int] = field(default_factory=dict)
    copies: list[Copy] = field(default_factory=list)
    inner: dict[int, tuple[Plan, ...]] = field(default_factory=dict)
    loops: dict[int, Loop] = field(default_factory=dict)


@dataclass(slots=True)
class Loop:
    """The memory of a `scan` or a `while_loop`.

    Attributes:
        body: the plan of a step.
        cond: the plan of the condition; none where the number of steps is known.
        flag: the slot of the condition's result; of the counter where the number of steps is known.
        start: where slots point before the first step: (slot, source, offset).
        copies: what is copied before the first step, after that.
        step: where slots point after each step, all at once.
        finish: what is copied after the last step, unless it is there already.
    """

    body: Plan
    cond: Plan | None
    flag: int
    start: list[tuple[int, int, int]] = field(default_factory=list)
    copies: list[Copy] = field(default_factory=list)
    step: list[tuple[int, int, int]] = field(default_factory=list)
    finish: list[Copy] = field(default_factory=list)


@dataclass(slots=True)
class Buffers:
    """The memory of a program.

    Slots are, in order: the inputs, the computed outputs, the arena, then what the arena holds and what points elsewhere.
    """

    plan: Plan
    outputs: list[Output] = field(default_factory=list)
    places: list[tuple[int, int]] = field(default_factory=list)
    constants: list[tuple[int, np.ndarray]] = field(default_factory=list)
    n_bound: int = 0
    arena_slot: int = 0
    arena_bytes: int = 0
    n_slots: int = 0
    temporary_bytes: int = 0


class _Arena:
    """Offsets by first fit among free intervals."""

    def __init__(self) -> None:
        self.free: list[tuple[int, int]] = []
        self.end = 0

    def take(self, nbytes: int) -> tuple[int, int]:
        """An interval of at least ``nbytes``."""
        size = max(-(-nbytes // ALIGNMENT), 1) * ALIGNMENT
        if size >= APART_FROM:
            size += (APART - size) % PAGE
        for i, (start, length) in enumerate(self.free):
            if length >= size:
                self.free[i : i + 1] = [(start + size, length - size)] if length > size else []
                return start, size
        start = self.end
        if self.free and sum(self.free[-1]) == self.end:  # grow the last interval
            start = self.free.pop()[0]
        self.end = start + size
        return start, size

    def give_back(self, start: int, size: int) -> None:
        """Return an interval and merge it with its neighbours."""
        self.free.append((start, size))
        self.free.sort()
        merged: list[tuple[int, int]] = []
        for begin, length in self.free:
            if merged and sum(merged[-1]) == begin:
                merged[-1] = (merged[-1][0], merged[-1][1] + length)
            else:
                merged.append((begin, length))
        self.free = merged


class Planner:
    """Plans the blocks of one program: hands out slots and places in the arena."""

    def __init__(self, n_slots: int) -> None:
        self.n_slots = n_slots
        self.arena = _Arena()
        self.places: list[tuple[int, int]] = []
        self.constants: list[tuple[int, np.ndarray]] = []
        self.temporary_bytes = 0

    def slot(self) -> int:
        """A new slot."""
        self.n_slots += 1
        return self.n_slots - 1

    def buffer(self, nbytes: int) -> tuple[int, tuple[int, int]]:
        """A slot with a place in the arena, and the place, to be given back."""
        interval = self.arena.take(nbytes)
        slot = self.slot()
        self.places.append((slot, interval[0]))
        self.temporary_bytes += nbytes
        return slot, interval

    def constant(self, literal: Literal) -> int:
        """A slot that points to a literal's value."""
        slot = self.slot()
        self.constants.append((slot, np.ascontiguousarray(literal.value, literal.type.dtype)))
        return slot

    def block(
        self,
        block: Block,
        ins: Sequence[int],
        outs: Iterable[tuple[Atom, int]],
        roots: dict[Var, Var],
    ) -> Plan:
        """Plan a block.

        Args:
            block: what to plan.
            ins: the slots of the inputs.
            outs: results, each with the slot of the buffer that it is to be in.
            roots: what `find_roots` says.
        """
        from weft.engine.runtime.carries import plan_loop

        graph = block.graph
        plan = Plan(dict(zip(graph.ins, ins, strict=True)))
        for atom, target in outs:
            if isinstance(atom, Literal):
                plan.copies.append(Copy(target, self.constant(atom), atom.type.nbytes))
                continue
            source = plan.slots.setdefault(roots.get(atom, atom), target)
            if source != target:
                plan.copies.append(Copy(target, source, atom.type.nbytes))
        last: dict[Var, int] = {}
        for i, eqn in enumerate(graph.eqns):
            for atom in eqn.ins:
                if isinstance(atom, Var):
                    last[roots.get(atom, atom)] = i

        def slots_of(atoms: Iterable[Atom]) -> list[int]:
            return [plan.slots[root_of(roots, atom)] for atom in atoms]  # type: ignore[index]

        ends: dict[int, list[tuple[int, int]]] = {}
        for i, eqn in enumerate(graph.eqns):
            if is_alias(eqn):
                continue
            for var in eqn.outs:
                base = roots.get(var, var)
                if base not in plan.slots:
                    plan.slots[base], interval = self.buffer(var.type.nbytes)
                    ends.setdefault(max(last.get(base, i), i), []).append(interval)
            scratch = [self.buffer(nbytes) for nbytes in _scratch_bytes(block, i)]
            plan.scratch[i] = [slot for slot, _ in scratch]
            if i in block.scheduled and block.scheduled[i].counts:
                plan.progress[i] = self.slot()
            if i in block.inner:
                operands, results = slots_of(eqn.ins), slots_of(eqn.outs)
                if eqn.prim.name == "cond":
                    plan.inner[i] = tuple(
                        self.block(
                            body,
                            operands[1:],
                            list(zip(body.graph.outs, results, strict=True)),
                            roots_of(body),
                        )
                        for body in block.inner[i]
                    )
                else:
                    plan.loops[i] = plan_loop(self, eqn, block.inner[i], operands, results)
            for interval in [*ends.pop(i, ()), *(place for _, place in scratch)]:
                self.arena.give_back(*interval)
        for var, base in roots.items():
            plan.slots[var] = plan.slots[base]
        return plan


def roots_of(block: Block, owned: Collection[Var] = ()) -> dict[Var, Var]:
    """What `find_roots` says of a block whose ``owned`` inputs may be overwritten."""
    from weft.engine.runtime.carries import in_place

    copied = {i: list(one.starts) for i, one in block.scheduled.items()}
    copied |= {i: in_place(block.graph.eqns[i], bodies) for i, bodies in block.inner.items()}
    return find_roots(block.graph, copied, owned)


def bufferize(block: Block, donated: Sequence[int] = ()) -> Buffers:
    """Plan the memory of a program, some of whose inputs may be overwritten."""
    graph = block.graph
    owned = {graph.ins[k]: k for k in donated}
    roots = roots_of(block, owned)
    roots = {var: block.given.get(base, base) for var, base in roots.items()} | block.given
    outputs: list[Output] = []
    first: dict[Var, int] = {}
    outs: list[tuple[Atom, int]] = []
    slot = len(graph.ins)
    for i, atom in enumerate(graph.outs):
        base = None if isinstance(atom, Literal) else roots.get(atom, atom)
        if base is None:
            outputs.append(Output())
        elif base in first:
            outputs.append(Output(same_as=first[base]))
        elif base in owned:
            outputs.append(Output(given=owned[base]))
            first[base] = i
        else:
            outputs.append(Output(slot=slot))
            outs.append((atom, slot))
            if base not in graph.ins:
                first[base] = i
            slot += 1
    planner = Planner(slot + 1)
    plan = planner.block(block, range(len(graph.ins)), outs, roots)
    return Buffers(
        plan=plan,
        outputs=outputs,
        places=planner.places,
        constants=planner.constants,
        n_bound=slot,
        arena_slot=slot,
        arena_bytes=planner.arena.end,
        n_slots=planner.n_slots,
        temporary_bytes=planner.temporary_bytes,
    )


def _scratch_bytes(block: Block, number: int) -> list[int]:
    """Sizes of the scratch buffers of an equation's kernel."""
    one = block.scheduled.get(number)
    return [] if one is None else [elements * dtype.itemsize for dtype, elements in one.scratch_buffers]
