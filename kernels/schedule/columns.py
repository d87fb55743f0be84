"""Kernels whose accumulators are vectors: reductions over leading or middle axes, and chains of them.

The one idea: the innermost axis is kept, so it stays the innermost loop, in blocks that fit into the cache:
for each block, for each level of the plan, first a loop along the block for what has one value a column
(finish the reductions of the level before, start those of this one), then the pass over the reduced axes with
a vector loop along the block inside, for several rows at once where little is done with each element: accumulators are
then read and written once for all of them, and short rows end less often. Accumulators live in the result where
it has their dtype, else in scratch. Where the columns are long, partials.py cuts them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import ExitStack
from typing import Any

from weft.ir.graph import Eqn
from weft.ir.loops.nest import Index, Load, Op, Store
from weft.ir.types import is_floating
from weft.kernels.schedule import index as ix
from weft.kernels.schedule.fold import Fold
from weft.kernels.schedule.loops import TILE, Cut, Loops

WIDTH = 1024  # columns in a block
TOGETHER = 4  # rows that a light pass folds in one go
_MOST_STATEMENTS = 12  # of a light pass, for each element
_SIMPLE = frozenset("add sub mul neg abs and or xor not cast select".split())
# Neither extrema of floats, which heed NaN, nor comparisons: several of those side by side are slower than memory.


def column_cuts(loops: Loops, height: int) -> list[Cut]:
    """Cut the kept axes: the innermost into blocks, the others so that a tile of rows so high is no larger than need be."""
    *outer, last = loops.kept
    width = min(max(loops.count([last]), 1), WIDTH)
    return [*loops.cuts(outer, max(TILE // (max(height, 1) * width), 1)), Cut(last, WIDTH)]


def open_columns(loops: Loops, stack: ExitStack) -> None:
    """Open the loop along a block of columns."""
    loops.open(stack, loops.kept[-1:], vector=True)


def write_columns(loops: Loops) -> None:
    """Write the loops of a kernel that reduces axes, of which the last one is not the innermost."""
    accumulators = {id(eqn): add_accumulator(loops, eqn) for eqn in loops.plan.folds}
    add_column_places(loops)
    with ExitStack() as stack:
        loops.open_tiles(stack, column_cuts(loops, loops.count(loops.reduced)))
        loops.open(stack, loops.kept[:-1])
        for level in range(loops.plan.last + 1):
            write_between(loops, level, accumulators, begin=True)
            write_column_pass(loops, level, accumulators, loops.column)


def add_accumulator(loops: Loops, eqn: Eqn) -> str:
    """A buffer with one accumulator a column."""
    dtype, out = Fold(loops.builder, eqn).dtype, eqn.outs[0]
    if out in loops.outs and dtype == out.type.dtype:
        return loops.outs[out]
    return loops.add_scratch(dtype, loops.count(loops.kept))


def add_column_places(loops: Loops) -> None:
    """Say where values on the kept axes are that the passes load."""
    for var in loops.plan.kept_reloads:
        buffer = loops.outs.get(var) or loops.add_scratch(var.type.dtype, var.type.size)
        loops.places[var] = loops.place_in(buffer, loops.kept)


def write_between(loops: Loops, level: int, accumulators: dict[int, str], *, begin: bool) -> None:
    """What has one value a column, before the pass of a level: results, values that passes load, and fresh accumulators."""
    plan, ex = loops.plan, loops.ex
    for eqn in plan.folds_at(level - 1):
        ex.finish[eqn.outs[0]] = finished(loops, eqn, accumulators[id(eqn)])
    done = {
        eqn.outs[0] for eqn in plan.folds if accumulators[id(eqn)] == loops.outs.get(eqn.outs[0])
    }  # accumulated right in the result
    stored = [var for var in plan.kept_outs if plan.level[var] == level and var not in done]
    keeps = [var for var in plan.kept_reloads if plan.level[var] == level and var not in plan.kept_outs]
    begun = plan.folds_at(level) if begin else []
    if begun or stored or keeps:
        with ExitStack() as stack:
            open_columns(loops, stack)
            index, column = loops.kept_index(), loops.column()
            stores = [(loops.outs[var], loops.layout.offset(var, index), ex.at(var, index)) for var in stored]
            stores += [(*loops.places[var](), ex.at(var, index)) for var in keeps]
            stores += [(accumulators[id(eqn)], column, Fold(loops.builder, eqn).start()) for eqn in begun]
            loops.store(stores)
    ex.homes.update({var: loops.places[var] for var in plan.kept_reloads if plan.level[var] == level})


def finished(loops: Loops, eqn: Eqn, buffer: str) -> Callable[[], str]:
    """How to get the result of a reduction whose accumulators are in a buffer, one a column or row."""
    fold, builder = Fold(loops.builder, eqn), loops.builder

    def load() -> str:
        written = buffer in builder.written
        return fold.result(builder.load(fold.dtype, buffer, loops.column(), written=written))

    return load


def write_column_pass(
    loops: Loops, level: int, accumulators: dict[int, str], column: Callable[[], Index]
) -> None:
    """Write the pass of a level over the rows of a tile; accumulators are at ``column()`` in their buffers."""
    plan, ex = loops.plan, loops.ex
    stored = plan.stored_at(level)
    if not (plan.folds_at(level) or stored):
        return
    *outer, last = loops.reduced
    together = TOGETHER if not stored and _is_light(loops, level) else 1
    with ExitStack() as stack:
        loops.open(stack, outer)
        first, height = loops.in_tile(last)
        turns, left = ix.div(height, together), ix.mod(height, together)
        parts = [(first, turns, together)]
        if together > 1:
            parts.append((ix.add(first, ix.mul(turns, together)), left, 1))
        for begin, extent, many in parts:
            with loops.builder.loop(extent, "sequential") as (turn, _), ExitStack() as along:
                row = ix.add(begin, ix.mul(turn, many))
                open_columns(loops, along)
                write_step(loops, level, accumulators, column(), loops.stand_along(last, row, many))
    ex.homes.update({var: loops.places[var] for var in stored if var in plan.reloads})


def write_step(
    loops: Loops, level: int, accumulators: dict[int, str], place: Index, rows: Iterable[None] = (None,)
) -> None:
    """What a pass does with one element of each row, one after the other; their accumulators are at ``place``."""
    plan, ex, builder = loops.plan, loops.ex, loops.builder
    eqns = plan.folds_at(level)
    totals: dict[int, str] = {}
    stores: list[tuple[str, Index, str]] = []
    for _ in rows:
        index = loops.full_index()
        loops.read_copies()
        for eqn in eqns:
            buffer, fold = accumulators[id(eqn)], Fold(builder, eqn)
            total = totals.get(id(eqn)) or builder.load(fold.dtype, buffer, place, written=True)
            totals[id(eqn)] = fold.step(total, ex.operand(eqn, 0, index))
        stores += [(*loops.places[var](), ex.at(var, index)) for var in plan.stored_at(level)]
    loops.store([(accumulators[number], place, total) for number, total in totals.items()] + stores)


def _is_light(loops: Loops, level: int) -> bool:
    """Whether a pass does so little with an element that most of its time goes into accumulators and the ends of loops.

    What is asked of the column itself is not: loops are cut where the answer changes, and every row would have its own cuts.
    """
    builder = loops.builder
    with builder.rehearsal(), builder.loop(1, "sequential") as (row, _):
        loops.where.update(dict.fromkeys(loops.reduced, row))
        with builder.loop(1, "vector") as (column, _):
            loops.where[loops.kept[-1]] = column
            write_step(loops, level, {id(eqn): "" for eqn in loops.plan.folds_at(level)}, column)
            body = builder.innermost()
    return len(body) <= _MOST_STATEMENTS and all(map(_is_simple, body))


def _is_simple(statement: Any) -> bool:
    match statement:
        case Load(_, _, _, _, None) | Store():
            return True
        case Op(_, dtype, op):
            return op in _SIMPLE or (op in ("max", "min") and not is_floating(dtype))
    return False
