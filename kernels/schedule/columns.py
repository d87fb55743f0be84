"""Kernels whose accumulators are vectors: reductions over leading or middle axes, and chains of them.

The one idea: the innermost axis is kept, so it stays the innermost loop, in blocks that fit into the cache:
for each block, for each level of the plan, first a loop along the block for what has one value a column
(finish the reductions of the level before, start those of this one), then the pass over the reduced axes with
a vector loop along the block inside. Accumulators live in the result where it has their dtype, else in
scratch. Where the columns are long, partials.py cuts them.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack

from weft.ir.graph import Eqn
from weft.ir.loops.nest import Index
from weft.kernels.schedule.fold import Fold
from weft.kernels.schedule.loops import TILE, Cut, Loops

WIDTH = 1024  # columns in a block


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
            write_column_pass(loops, level, accumulators, lambda: loops.offset(loops.kept))


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
            index, column = loops.kept_index(), loops.offset(loops.kept)
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
        return fold.result(builder.load(fold.dtype, buffer, loops.offset(loops.kept), written=written))

    return load


def write_column_pass(
    loops: Loops, level: int, accumulators: dict[int, str], column: Callable[[], Index]
) -> None:
    """Write the pass of a level over the rows of a tile; accumulators are at ``column()`` in their buffers."""
    plan, ex = loops.plan, loops.ex
    stored = plan.stored_at(level)
    if not (plan.folds_at(level) or stored):
        return
    with ExitStack() as stack:
        loops.open(stack, loops.reduced)
        open_columns(loops, stack)
        write_step(loops, level, accumulators, column())
    ex.homes.update({var: loops.places[var] for var in stored if var in plan.reloads})


def write_step(loops: Loops, level: int, accumulators: dict[int, str], place: Index) -> None:
    """What a pass does with one element, whose accumulators are at ``place``."""
    plan, ex, builder, index = loops.plan, loops.ex, loops.builder, loops.full_index()
    stores: list[tuple[str, Index, str]] = []
    for eqn in plan.folds_at(level):
        buffer, fold = accumulators[id(eqn)], Fold(builder, eqn)
        total = builder.load(fold.dtype, buffer, place, written=True)
        stores.append((buffer, place, fold.step(total, ex.operand(eqn, 0, index))))
    loops.store(stores + [(*loops.places[var](), ex.at(var, index)) for var in plan.stored_at(level)])
