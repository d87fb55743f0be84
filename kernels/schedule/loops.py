"""What the loops of all kernels share: where they stand in the space, and the loops over the kept axes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack

import numpy as np

from weft.ir.graph import Var
from weft.ir.loops.nest import Index
from weft.kernels.schedule import index as ix
from weft.kernels.schedule.expressions import Expressions
from weft.kernels.schedule.layout import Group, Layout
from weft.kernels.schedule.nest_builder import NestBuilder
from weft.kernels.schedule.plan import Plan


class Loops:
    """The state of the loops being written: the plan, its groups of axes, and the index along each."""

    def __init__(
        self, plan: Plan, builder: NestBuilder, layout: Layout, ex: Expressions, outs: dict[Var, str]
    ) -> None:
        self.plan, self.builder, self.layout, self.ex, self.outs = plan, builder, layout, ex, outs
        self.groups: tuple[Group, ...] = layout.groups(plan.frame)
        wide = [axis for group in self.groups for axis in group]
        reduced_axes = [wide[j] for j in plan.reduced]
        self.reduced = [n for n, group in enumerate(self.groups) if group[0] in reduced_axes]
        self.kept = [n for n in range(len(self.groups)) if n not in self.reduced]
        self.where: dict[int, Index] = {}
        self.places: dict[
            Var, Callable[[], tuple[str, Index]]
        ] = {}  # where values on the whole space are stored
        for var in plan.full_outs:
            self.places[var] = self._place_in(outs[var])
        for var, out in plan.reloads.items():
            if out is not None:
                self.places[var] = self._place_in(outs[out])
        self.scratch: list[int] = []
        self.extent = 1  # of the parallel loop

    def _place_in(self, buffer: str) -> Callable[[], tuple[str, Index]]:
        return lambda: (buffer, self.layout.offset(self.plan.frame, self.full_index()))

    def size(self, n: int) -> Index:
        """The size of a group of the space."""
        return self.layout.size(self.plan.frame, self.groups[n])

    def count(self, groups: Sequence[int]) -> int:
        """How many elements a part of the space has."""
        total = 1
        for n in groups:
            for axis in self.groups[n]:
                total *= self.plan.frame.type.shape[axis]
        return total

    def full_index(self) -> tuple[Index, ...]:
        """Where the loops stand."""
        return tuple(self.where[n] for n in range(len(self.groups)))

    def kept_index(self) -> tuple[Index, ...]:
        """Where the loops over the kept axes stand."""
        return tuple(self.where[n] for n in self.kept)

    def offset(self, groups: Sequence[int]) -> Index:
        """The flat index over a part of the space."""
        flat: Index = 0
        for n in groups:
            flat = ix.add(ix.mul(flat, self.size(n)), self.where[n])
        return flat

    def open(self, stack: ExitStack, groups: Sequence[int], *, innermost: bool) -> None:
        """Open loops over kept groups; the first of the kernel is parallel, the last may be the innermost."""
        for n in groups:
            first = not self.where
            if first:
                self.extent = self.count([n])
            kind = "parallel" if first else "vector" if innermost and n == groups[-1] else "sequential"
            variable, _ = stack.enter_context(self.builder.loop(self.size(n), kind))
            self.where[n] = variable

    def store(self, values: Sequence[tuple[str, Index, str]]) -> None:
        """Store values that have all been computed: a buffer may hold what one of them was computed from."""
        for buffer, index, value in values:
            self.builder.store(buffer, index, value)

    def add_scratch(self, dtype: np.dtype, elements: int) -> str:
        """A scratch buffer."""
        self.scratch.append(elements)
        return self.builder.buffer(dtype, "scratch")
