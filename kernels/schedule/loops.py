"""What the loops of all kernels share: where they stand in the space, and how the space is cut into tiles.

The one idea: the outermost loop counts *tiles*, boxes of the space of about as much work each, so that there is
enough to hand out whatever the sizes are: few long rows, many short ones, or one line. Which axes are cut is a
matter of structure, how high the tiles are one of parameters, so a nest serves all shapes. Tiles follow from
sizes alone, so results do not depend on who runs which.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from math import ceil, prod
from typing import NamedTuple

import numpy as np

from weft.ir.graph import Var
from weft.ir.loops.nest import Index
from weft.kernels.schedule import index as ix
from weft.kernels.schedule.expressions import Expressions
from weft.kernels.schedule.layout import Group, Layout
from weft.kernels.schedule.nest_builder import NestBuilder
from weft.kernels.schedule.plan import Plan

TILE = 4096  # elements of a tile, where nothing speaks against it; none is higher along one axis


class Cut(NamedTuple):
    """A group of the space that is cut into tiles: their height, and whether that is a constant of the nest."""

    group: int
    height: int
    fixed: bool = True


class Tile(NamedTuple):
    """A tile: its number, and its number along each of the groups that are cut."""

    number: Index
    along: dict[int, Index]


def tile_heights(sizes: Sequence[int], elements: int) -> list[int]:
    """The heights of tiles of at most so many elements: as much as can be of the inner axes, then of the outer."""
    heights = []
    for size in reversed(sizes):
        heights.append(max(min(size, elements), 1))
        elements //= heights[-1]
    return heights[::-1]


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
        # Where the tile begins along a group that is cut, and how much of it the tile has.
        self._in_tile: dict[int, tuple[Index, Index]] = {}
        # Where values on the whole space are stored.
        self.places: dict[Var, Callable[[], tuple[str, Index]]] = {}
        for var in plan.full_outs:
            self.places[var] = self._full_place_in(outs[var])
        for var, out in plan.reloads.items():
            if out is not None:
                self.places[var] = self._full_place_in(outs[out])
        # The innermost groups, if they have no loops: their elements stand side by side.
        self.narrow: list[int] = []
        # Where the accumulator of the column is at which the loops stand, if accumulators are vectors.
        self.column: Callable[[], Index] = lambda: self.offset(self.kept)
        # Copies of operands, by their buffers: where in them the element is at which the loops stand.
        self.copies: dict[str, Callable[[], tuple[str, Index]]] = {}
        self.scratch: list[int] = []
        self.extent = 1  # of the parallel loop
        self._ended: list[int] = []  # those of the nests that were written before

    def _full_place_in(self, buffer: str) -> Callable[[], tuple[str, Index]]:
        return lambda: (buffer, self.layout.offset(self.plan.frame, self.full_index()))

    def place_in(self, buffer: str, groups: Sequence[int]) -> Callable[[], tuple[str, Index]]:
        """Says where in a buffer over a part of the space the element is at which the loops stand."""
        return lambda: (buffer, self.offset(groups))

    def end_nest(self) -> None:
        """Go on with a further nest, to be run after the one written so far."""
        self.builder.end_nest()
        self.ex.pads.clear()
        self._ended.append(self.extent)
        self.extent = 1
        self.where.clear()
        self._in_tile.clear()

    @property
    def all_extents(self) -> list[int]:
        """The extent of the parallel loop of each nest."""
        return [*self._ended, self.extent]

    def wide_axes(self, n: int) -> set[int]:
        """The axes of a group, counting those whose size is not 1, as plans do."""
        first = sum(map(len, self.groups[:n]))
        return set(range(first, first + len(self.groups[n])))

    def size(self, n: int) -> Index:
        """The size of a group of the space."""
        return self.layout.size(self.plan.frame, self.groups[n])

    def count(self, groups: Sequence[int]) -> int:
        """How many elements a part of the space has."""
        return prod(self.plan.frame.type.shape[axis] for n in groups for axis in self.groups[n])

    def set_narrow(self, many: int = 1) -> None:
        """Let the elements along the innermost groups stand side by side in the nest, which then knows how many they are."""
        self.narrow = list(range(len(self.groups) - many, len(self.groups)))
        for n in self.narrow:
            self.know(n)

    def set_low(self) -> None:
        """Let the elements along the reduced groups stand side by side in the nest."""
        self.narrow = list(self.reduced)
        for n in self.narrow:
            self.know(n)

    def know(self, n: int) -> None:
        """Let the nest know how many elements there are along a group."""
        self.layout.know(self.plan.frame, self.groups[n])

    def wide(self, groups: Sequence[int]) -> list[int]:
        """Those of some groups that have loops."""
        return [n for n in groups if n not in self.narrow]

    def across(self) -> Iterator[None]:
        """Stand at each element along the narrow groups; once, where there are none."""
        for place in np.ndindex(*[self.count([n]) for n in self.narrow]):
            self.where.update(zip(self.narrow, place, strict=True))
            yield

    def stand_along(self, n: int, first: Index, many: int) -> Iterator[None]:
        """Stand at one index along a group after the other."""
        for k in range(many):
            self.where[n] = ix.add(first, k)
            yield

    def lines(self) -> int:
        """How many elements of the outermost group are one of its first axis."""
        return (
            self.count(self.kept[:1]) // self.plan.frame.type.shape[self.groups[self.kept[0]][0]]
            if self.kept
            else 0
        )

    def flat_size(self, groups: Sequence[int]) -> Index:
        """How many elements a part of the space has, as the nest sees it."""
        size: Index = 1
        for n in groups:
            size = ix.mul(size, self.size(n))
        return size

    def full_index(self) -> tuple[Index, ...]:
        """Where the loops stand."""
        return tuple(self.where[n] for n in range(len(self.groups)))

    def read_copies(self) -> None:
        """From now on load the elements at which the loops stand from copies."""
        flat = self.offset(range(len(self.groups))) if self.copies else 0
        self.builder.elsewhere.update({(name, flat): place() for name, place in self.copies.items()})

    def kept_index(self) -> tuple[Index, ...]:
        """Where the loops over the kept axes stand."""
        return tuple(self.where[n] for n in self.kept)

    def offset(self, groups: Sequence[int]) -> Index:
        """The flat index over a part of the space."""
        flat: Index = 0
        for n in groups:
            flat = ix.add(ix.mul(flat, self.size(n)), self.where[n])
        return flat

    # Loops

    def cuts(self, groups: Sequence[int], elements: int) -> list[Cut]:
        """Cut groups so that a tile has about so many of their elements."""
        heights = tile_heights([self.count([n]) for n in groups], elements)
        return [Cut(n, height, fixed=False) for n, height in zip(groups, heights, strict=True)]

    def blocks(self, cut: Cut) -> int:
        """How many tiles there are along a group; a sum of nothing has one too."""
        return max(ceil(self.count([cut.group]) / cut.height), int(cut.group in self.reduced))

    def open_tiles(self, stack: ExitStack, cuts: Sequence[Cut]) -> Tile:
        """Open the parallel loop over all tiles. What is not cut is whole in every tile."""
        builder = self.builder
        if not cuts:
            return Tile(0, {})
        blocks = [self.blocks(cut) for cut in cuts]
        self.extent = prod(blocks)
        plain = len(cuts) == 1 and cuts[0].fixed and cuts[0].height == 1
        count = self.size(cuts[0].group) if plain else builder.param("tiles", self.extent)
        number, _ = stack.enter_context(builder.loop(count, "parallel"))
        along: dict[int, Index] = {}
        rest: Index = number
        for cut, many in zip(cuts[:0:-1], blocks[:0:-1], strict=True):
            divisor = builder.param(("blocks", cut.group), max(many, 1))
            along[cut.group] = ix.mod(rest, divisor)
            rest = ix.div(rest, divisor)
        along[cuts[0].group] = rest
        for n, height, fixed in cuts:
            step = height if fixed else builder.param(("height", n), height)
            first = ix.mul(along[n], step)
            if step == 1:
                self._in_tile[n], self.where[n] = (first, 1), first
            else:
                self._in_tile[n] = first, ix.minimum(step, ix.sub(self.size(n), first))
        return Tile(number, along)

    def in_tile(self, n: int) -> tuple[Index, Index]:
        """Where the tile begins along a group, and how much of it the tile has."""
        return self._in_tile[n] if n in self._in_tile else (0, self.size(n))

    def shorten_tile(self, n: int, height: Index) -> None:
        """Let the tile have no more of a group than that."""
        first, full = self.in_tile(n)
        self._in_tile[n] = first, ix.minimum(height, full)

    def shrink_tile(self, n: int, start: Index, most: int) -> None:
        """Let the tile be what it has of a group from ``start`` on, at most so much."""
        first, full = self.in_tile(n)
        self._in_tile[n] = ix.add(first, start), ix.minimum(most, ix.sub(full, start))

    def open(self, stack: ExitStack, groups: Sequence[int], *, vector: bool = False) -> None:
        """Open loops along groups of a tile; the innermost is one for vectors if said so."""
        for n in groups:
            first, height = self.in_tile(n)
            if height != 1:
                kind = "vector" if vector and n == groups[-1] else "sequential"
                variable, _ = stack.enter_context(self.builder.loop(height, kind))
                self.where[n] = ix.add(first, variable)

    # Memory

    def store(self, values: Sequence[tuple[str, Index, str]]) -> None:
        """Store values that have all been computed: a buffer may hold what one of them was computed from."""
        for buffer, index, value in values:
            self.builder.store(buffer, index, value)

    def add_scratch(self, dtype: np.dtype, elements: int) -> str:
        """A scratch buffer."""
        self.scratch.append(elements)
        return self.builder.buffer(dtype, "scratch")
