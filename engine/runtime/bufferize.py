"""Bufferize: give every value of a fused graph a place in memory.

Inputs and outputs have buffers of their own; reshapes are other names of their operand's buffer, and so is what is written in
place; everything else lives in one arena, at an offset that it shares with values whose lifetimes do not overlap. A place is a
slot of the tape.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from weft.ir.graph import Eqn, Graph, Literal, Var
from weft.ir.ops.shape import reshape_p

ALIGNMENT = 64


@dataclass(frozen=True, slots=True)
class Output:
    """How one output comes about: computed into ``slot``, ``same_as`` an earlier one (perhaps reshaped), or a literal."""

    slot: int | None = None
    same_as: int | None = None


@dataclass(slots=True)
class Buffers:
    """Slots of all values.

    Slots are, in order: the inputs, the computed outputs, the arena, then temporaries.
    """

    slots: dict[Var, int] = field(default_factory=dict)
    outputs: list[Output] = field(default_factory=list)
    copies: list[tuple[int, Var]] = field(default_factory=list)
    places: list[tuple[int, int]] = field(default_factory=list)
    scratch: dict[int, list[int]] = field(default_factory=dict)
    n_bound: int = 0
    arena_slot: int = 0
    arena_bytes: int = 0
    n_slots: int = 0
    temporary_bytes: int = 0


def is_alias(eqn: Eqn) -> bool:
    """Whether the result is another name of the operand's memory."""
    return eqn.prim is reshape_p and isinstance(eqn.ins[0], Var)


class _Arena:
    """Offsets by first fit among free intervals."""

    def __init__(self) -> None:
        self.free: list[tuple[int, int]] = []
        self.end = 0

    def take(self, nbytes: int) -> tuple[int, int]:
        """An interval of at least ``nbytes``."""
        size = max(-(-nbytes // ALIGNMENT), 1) * ALIGNMENT
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


def _find_aliases(graph: Graph, copied: Mapping[int, int]) -> dict[Var, Var]:
    """The value in whose memory each of those is that have none of their own.

    A result that starts as a copy of an operand takes its memory over, and no copy is made, where that is the operand's
    last use: no input, no output, and read by nothing else, then or later.
    """
    root: dict[Var, Var] = {}
    last: dict[Var, int] = {}
    for i, eqn in enumerate(graph.eqns):
        if is_alias(eqn):
            operand = eqn.ins[0]
            assert isinstance(operand, Var)
            root[eqn.outs[0]] = root.get(operand, operand)
        for atom in eqn.ins:
            if isinstance(atom, Var):
                last[root.get(atom, atom)] = i
    kept = {root.get(a, a) for a in (*graph.ins, *graph.outs) if isinstance(a, Var)}
    taken: dict[Var, Var] = {}
    for i, k in copied.items():
        eqn = graph.eqns[i]
        bases = [root.get(a, a) for a in eqn.ins if isinstance(a, Var)]
        operand = eqn.ins[k]
        assert isinstance(operand, Var)
        base = root.get(operand, operand)
        if base not in kept and last[base] == i and bases.count(base) == 1:
            taken[eqn.outs[0]] = base
    whose = root | taken
    for var in whose:
        base = var
        while base in whose:
            base = whose[base]
        root[var] = base
    return root


def bufferize(
    graph: Graph, scratch_bytes: Sequence[Sequence[int]], copied: Mapping[int, int] | None = None
) -> Buffers:
    """Plan the memory of a fused graph.

    Args:
        graph: equations are kernels, library and host operations, and reshapes that alias.
        scratch_bytes: for each equation, the sizes of the scratch buffers that its kernel wants.
        copied: equations whose first result starts as a copy of an operand, by number, and which one it is.
    """
    plan = Buffers()
    root = _find_aliases(graph, copied or {})
    plan.slots = {var: i for i, var in enumerate(graph.ins)}
    inputs = set(graph.ins)

    first_output: dict[Var, int] = {}
    slot = len(graph.ins)
    for i, atom in enumerate(graph.outs):
        base = None if isinstance(atom, Literal) else root.get(atom, atom)
        if base is None:
            plan.outputs.append(Output())
            continue
        if base in first_output:
            plan.outputs.append(Output(same_as=first_output[base]))
            continue
        plan.outputs.append(Output(slot=slot))
        if base in inputs:
            plan.copies.append((slot, base))
        else:
            plan.slots[base] = slot
            first_output[base] = i
        slot += 1
    plan.n_bound = slot
    plan.arena_slot = slot
    slot += 1

    last_use: dict[Var, int] = {}
    for i, eqn in enumerate(graph.eqns):
        for atom in eqn.ins:
            if isinstance(atom, Var):
                last_use[root.get(atom, atom)] = i
    ends: dict[int, list[tuple[int, int]]] = {}
    arena = _Arena()
    for i, eqn in enumerate(graph.eqns):
        if not is_alias(eqn):
            for var in eqn.outs:
                if var not in plan.slots and var not in root:
                    interval = arena.take(var.type.nbytes)
                    plan.slots[var] = slot
                    plan.places.append((slot, interval[0]))
                    plan.temporary_bytes += var.type.nbytes
                    ends.setdefault(max(last_use.get(var, i), i), []).append(interval)
                    slot += 1
        scratches = [arena.take(n) for n in scratch_bytes[i]]
        plan.scratch[i] = []
        for interval in scratches:
            plan.scratch[i].append(slot)
            plan.places.append((slot, interval[0]))
            slot += 1
        for interval in [*ends.pop(i, ()), *scratches]:
            arena.give_back(*interval)
    for alias, base in root.items():
        plan.slots[alias] = plan.slots[base]
    plan.arena_bytes = arena.end
    plan.n_slots = slot
    return plan
