"""Kernels that reduce short rows, of which there are many: blocks of rows are turned, so that vectors go from row to row.

The one idea: along a row of ten elements there is not enough to do. A loop along it hardly begins, and what has one value a row
(its sum, the logarithm of that) is computed for one row at a time, where each step waits for the one before. So what is read
of a block of rows is copied into scratch with rows as columns, which a function for copies that turn rows into columns does
(`weft.kernels.cpu.squares`); there all passes are those of columns.py; and results are turned back. Rows that are shorter
still have no loop at all (rows.py).
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack

import numpy as np

from weft.ir.graph import Var
from weft.ir.loops.nest import Index
from weft.kernels.schedule import index as ix
from weft.kernels.schedule.columns import write_between, write_column_pass
from weft.kernels.schedule.costs import price
from weft.kernels.schedule.fold import Fold
from weft.kernels.schedule.loops import Loops
from weft.kernels.schedule.rows import NARROW, TILES

BLOCK = 64
"""Rows that are turned together: a few vectors of each column, and little of a cache."""
LONGEST = 128
"""Bytes of a row from which on a loop along it is as good."""
LONGEST_RESULT = 80
"""The same where a result has rows: those are written in one go, not while the next ones are computed."""
_COSTLY = 0.5  # nanoseconds of an operation that is worth turning rows for
_LINE = 64  # bytes between columns, so that not all of them want the same place in the cache
_SIZES = (4, 8)  # bytes of elements that are turned fast


def is_short(loops: Loops) -> bool:
    """Whether rows are short, many, and enough is done with each that turning them pays."""
    plan, width = loops.plan, loops.count(loops.reduced)
    if plan.in_columns or len(loops.reduced) != 1 or not loops.kept:
        return False
    if width <= NARROW or loops.count(loops.kept[-1:]) < BLOCK:
        return False
    values = [*_full_inputs(loops), *plan.full_outs, *plan.reloads]
    longest = LONGEST_RESULT if plan.full_outs else LONGEST
    if not all(_can_turn(var.type.dtype) and width * var.type.dtype.itemsize <= longest for var in values):
        return False
    rules = [eqn.prim.lower.rule for eqn in plan.graph.eqns if eqn.prim.lower.kind == "scalar"]
    return any(isinstance(rule, str) and price(rule) > _COSTLY for rule in rules)


def _can_turn(dtype: np.dtype) -> bool:
    return dtype.itemsize in _SIZES and dtype.kind != "c"


def _full_inputs(loops: Loops) -> list[Var]:
    """The operands with as many elements as the space."""
    size = loops.plan.frame.type.size
    return [var for var in loops.plan.graph.ins if var.type.size == size]


def write_turned(loops: Loops) -> None:
    """Write the loops of a kernel whose plan is one of turned rows."""
    plan, last = loops.plan, loops.kept[-1]
    rows = loops.count(loops.kept)
    with ExitStack() as stack:
        tile = loops.open_tiles(stack, loops.cuts(loops.kept, max(-(-rows // TILES), BLOCK)))
        loops.open(stack, loops.kept[:-1])
        turned = _Turned(loops, tile.number)
        _, height = loops.in_tile(last)
        blocks = ix.div(ix.add(height, BLOCK - 1), BLOCK)
        block, _ = stack.enter_context(loops.builder.loop(blocks, "sequential"))
        loops.shrink_tile(last, ix.mul(block, BLOCK), BLOCK)
        accumulators = {id(eqn): turned.room(Fold(loops.builder, eqn).dtype, 1) for eqn in plan.folds}
        for var in _full_inputs(loops):
            turned.read(var)
        for level in range(plan.last + 1):
            write_between(loops, level, accumulators, begin=True)
            write_column_pass(loops, level, accumulators, loops.column)
        turned.write()


class _Turned:
    """The scratch of a tile: a block of rows for each value on the whole space, with the rows as columns."""

    def __init__(self, loops: Loops, tile: Index) -> None:
        self.loops, self.tile = loops, tile
        (self.along,), self.last = loops.reduced, loops.kept[-1]
        plan, loops.column = loops.plan, self._row
        for var in dict.fromkeys((*plan.full_outs, *plan.reloads)):
            if var in plan.full_outs or plan.reloads[var] is None:
                loops.places[var] = self._add(var.type.dtype)
        for var, out in plan.reloads.items():
            if out is not None:
                loops.places[var] = loops.places[out]
        for var in plan.kept_reloads:
            if var in loops.outs:
                loops.places[var] = loops.place_in(loops.outs[var], loops.kept)
            else:
                loops.places[var] = self._beside(self.room(var.type.dtype, 1))

    def room(self, dtype: np.dtype, elements: int) -> str:
        """Scratch of so many elements for each row of a block."""
        return self.loops.add_scratch(dtype, self.loops.extent * elements * BLOCK)

    def _row(self) -> Index:
        """The row at which the loops stand, counting those of the blocks of all tiles."""
        loops = self.loops
        return ix.add(ix.mul(self.tile, BLOCK), ix.sub(loops.where[self.last], loops.in_tile(self.last)[0]))

    def _beside(self, buffer: str) -> Callable[[], tuple[str, Index]]:
        return lambda: (buffer, self._row())

    def _add(self, dtype: np.dtype) -> Callable[[], tuple[str, Index]]:
        """Make room for a block; says where in it the element is at which the loops stand."""
        loops, pitch = self.loops, BLOCK + _LINE // dtype.itemsize
        buffer = loops.add_scratch(dtype, loops.extent * loops.count(loops.reduced) * pitch)

        def place() -> tuple[str, Index]:
            column = ix.add(ix.mul(self.tile, loops.size(self.along)), loops.where[self.along])
            row = ix.sub(loops.where[self.last], loops.in_tile(self.last)[0])
            return buffer, ix.add(ix.mul(column, pitch), row)

        return place

    def read(self, var: Var) -> None:
        """Turn the block of an operand."""
        loops, buffer = self.loops, self.loops.ex.buffers[var]
        place = self._add(var.type.dtype)
        self._copy(var.type.dtype, lambda: (buffer, loops.offset(range(len(loops.groups)))), place)
        loops.copies[buffer] = place

    def write(self) -> None:
        """Turn the blocks of results back."""
        loops = self.loops
        for var in loops.plan.full_outs:
            out = loops.place_in(loops.outs[var], range(len(loops.groups)))
            self._copy(var.type.dtype, loops.places[var], out)

    def _copy(
        self,
        dtype: np.dtype,
        source: Callable[[], tuple[str, Index]],
        target: Callable[[], tuple[str, Index]],
    ) -> None:
        loops = self.loops
        with ExitStack() as stack:
            loops.open(stack, [self.along, self.last], vector=True)
            loops.store([(*target(), loops.builder.load(dtype, *source(), written=True))])
