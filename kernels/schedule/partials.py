"""Long reductions: each tile folds its part into scratch, and a further nest combines what the tiles left.

The one idea: for each level of the plan there are two nests, one over all tiles of the space, which stores a
partial result for each tile and kept index, and one over the kept axes, which folds those in their order and
then computes what has one value a row or column. What one nest needs of another goes through memory: results,
or scratch. Tiles follow from sizes alone and the order of folding is fixed, so the bits are the same whoever
runs the tiles; and since no partial result takes more than a tile's elements, long sums are exact.

Reductions of everything are always done so, other ones where few rows are long or columns are: what is small
has one tile, and pays for a second call some nanoseconds.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from functools import partial, reduce
from math import prod

from weft.ir.graph import Eqn
from weft.ir.loops.nest import Index
from weft.ir.types import BOOL, INT64
from weft.kernels.schedule import index as ix
from weft.kernels.schedule.columns import (
    WIDTH,
    add_accumulator,
    add_column_places,
    column_cuts,
    open_columns,
    write_between,
    write_column_pass,
)
from weft.kernels.schedule.fold import Fold, fold_loops
from weft.kernels.schedule.lanes import HEIGHT, write_lanes
from weft.kernels.schedule.loops import TILE, Cut, Loops, Tile
from weft.kernels.schedule.positions import extremum_of
from weft.kernels.schedule.rows import is_narrow, write_row_pass

FEW_ROWS, LONG_ROW = (
    16,
    32768,
)  # fewer rows than this (or of several axes) are cut if they are longer than this
LONG_COLUMN = 4 * HEIGHT


def is_long(loops: Loops) -> bool:
    """Whether a kernel's reductions are cut into parts: where there is one for all, or few for what there is to do."""
    length = loops.count(loops.reduced)
    if loops.plan.in_columns:
        enough = is_narrow(loops) and loops.count(loops.kept[:-1]) >= FEW_ROWS
        return length > LONG_COLUMN and not enough
    few = loops.count(loops.kept) < FEW_ROWS or len(loops.reduced) > 1
    return not loops.kept or (few and length > LONG_ROW)


def write_partials(loops: Loops) -> None:
    """Write the nests of a kernel whose reductions are cut into parts."""
    plan = loops.plan
    parts = _Parts(loops)
    for var, out in plan.reloads.items():
        if out is None:
            buffer = loops.add_scratch(var.type.dtype, var.type.size)
            loops.places[var] = loops.place_in(buffer, range(len(loops.groups)))
    if plan.in_columns:
        add_column_places(loops)
        totals = {id(eqn): add_accumulator(loops, eqn) for eqn in plan.folds}
        combine, write_pass = partial(_combine_columns, totals=totals), _pass_over_columns
    else:
        combine, write_pass = partial(_combine_rows), _pass_over_rows
    nests: list[Callable[..., None]] = []
    for level in range(plan.last + 1):
        if level or any(plan.level[var] == 0 for var in (*plan.kept_outs, *plan.kept_reloads)):
            nests.append(partial(combine, loops, level, parts))
        if plan.folds_at(level) or plan.stored_at(level):
            nests.append(partial(write_pass, loops, level, parts))
    for number, write in enumerate(nests):
        if number:
            loops.end_nest()
        with ExitStack() as stack:
            write(stack=stack)


class _Parts:
    """Scratch for partial results: for each part of a reduction one for every kept index."""

    def __init__(self, loops: Loops) -> None:
        self.loops = loops
        self.buffers: dict[int, str] = {}
        self.count = 1

    def add(self, eqns: list[Eqn], count: int) -> dict[int, str]:
        """Make room for the reductions of a level, each in so many parts; gives the buffers."""
        loops, self.count = self.loops, count
        for eqn in eqns:
            elements = count * loops.count(loops.kept)
            self.buffers[id(eqn)] = loops.add_scratch(Fold(loops.builder, eqn).dtype, elements)
        return self.buffers

    def count_of(self, cuts: list[Cut]) -> int:
        """How many parts reductions have if the space is cut like that."""
        return prod(self.loops.blocks(cut) for cut in cuts if cut.group in self.loops.reduced)

    def number(self, cuts: list[Cut], tile: Tile) -> Index:
        """Which part a tile is."""
        loops, number = self.loops, 0
        for cut in cuts:
            if cut.group in loops.reduced:
                blocks = loops.builder.param(("blocks", cut.group), loops.blocks(cut))
                number = ix.add(ix.mul(number, blocks), tile.along[cut.group])
        return number

    def place(self, number: Index) -> Index:
        """Where the results of a part are, at the kept index where the loops stand."""
        loops = self.loops
        return ix.add(ix.mul(number, loops.flat_size(loops.kept)), loops.offset(loops.kept))


# Rows


def _pass_over_rows(loops: Loops, level: int, parts: _Parts, stack: ExitStack) -> None:
    *outer, last = loops.reduced
    width = min(max(loops.count([last]), 1), TILE)
    cuts = [Cut(n, 1) for n in loops.kept] + loops.cuts(outer, TILE // width) + [Cut(last, TILE)]
    cuts.sort()
    tile = loops.open_tiles(stack, cuts)
    parts.add(loops.plan.folds_at(level), parts.count_of(cuts))
    place = parts.place(parts.number(cuts, tile))
    wanted = _is_wanted(loops, level, parts, place)
    if wanted is not None:
        loops.shorten_tile(last, ix.mul(wanted, TILE))
    totals = zip(loops.plan.folds_at(level), write_row_pass(loops, level), strict=True)
    loops.store([(parts.buffers[id(eqn)], place, total) for eqn, (_, total) in totals])


def _is_wanted(loops: Loops, level: int, parts: _Parts, place: Index) -> str | None:
    """Where a pass only finds positions of extrema: 1 if the tile has one of those, else 0, and it is skipped."""
    plan, builder, ex = loops.plan, loops.builder, loops.ex
    bests = [extremum_of(ex.defined, eqn) for eqn in plan.folds_at(level)]
    if not bests or plan.stored_at(level):
        return None
    wanted: list[str] = []
    for best in bests:
        source = None if best is None else ex.defined[best]
        if best is None or source not in plan.folds_at(level - 1):
            return None
        fold = Fold(builder, source)
        part = builder.load(fold.dtype, parts.buffers[id(source)], place)
        value = builder.cast(ex.at(best, loops.kept_index()), fold.dtype)
        wanted += [builder.op(BOOL, "eq", part, value), builder.op(BOOL, "ne", part, part)]
    return builder.cast(reduce(partial(builder.op, BOOL, "or"), wanted), INT64)


def _combine_rows(loops: Loops, level: int, parts: _Parts, stack: ExitStack) -> None:
    plan, builder, ex = loops.plan, loops.builder, loops.ex
    loops.open_tiles(stack, loops.cuts(loops.kept, TILE))
    loops.open(stack, loops.kept)
    eqns = plan.folds_at(level - 1)
    folds = [Fold(builder, eqn) for eqn in eqns]

    def body(variables: list[Index]) -> list[str]:
        place = parts.place(variables[0])
        return [
            builder.load(fold.dtype, parts.buffers[id(eqn)], place)
            for fold, eqn in zip(folds, eqns, strict=True)
        ]

    stores, places = [], {}
    is_wanted = level < plan.last or bool(plan.stored_at(level))
    if eqns:
        totals = fold_loops(builder, [builder.param("parts", parts.count)], folds, body, vector=False)
        for eqn, fold, total in zip(eqns, folds, totals, strict=True):
            var, result = eqn.outs[0], fold.result(total)
            builder.remember((var, loops.kept_index()), result)
            buffer = loops.outs.get(var)
            if buffer is None and is_wanted:
                buffer = loops.add_scratch(var.type.dtype, var.type.size)
                stores.append((buffer, loops.offset(loops.kept), result))
            if buffer is not None:
                places[var] = loops.place_in(buffer, loops.kept)
    index = loops.kept_index()
    for var in plan.kept_outs:
        if plan.level[var] == level:
            stores.append((loops.outs[var], loops.layout.offset(var, index), ex.at(var, index)))
    loops.store(stores)
    ex.homes.update(places)


# Columns


def _pass_over_columns(loops: Loops, level: int, parts: _Parts, stack: ExitStack) -> None:
    if write_lanes(loops, level, parts.add):
        return
    *outer, last = loops.kept
    single = len(loops.reduced) == 1
    rows = [Cut(loops.reduced[0], HEIGHT)] if single else loops.cuts(loops.reduced, HEIGHT)
    cuts = sorted([*(Cut(n, 1) for n in outer), Cut(last, WIDTH), *rows])
    tile = loops.open_tiles(stack, cuts)
    eqns = loops.plan.folds_at(level)
    parts.add(eqns, parts.count_of(cuts))
    number = parts.number(cuts, tile)
    if eqns:
        with ExitStack() as along:
            open_columns(loops, along)
            place = parts.place(number)
            loops.store([(parts.buffers[id(eqn)], place, Fold(loops.builder, eqn).start()) for eqn in eqns])
    write_column_pass(loops, level, parts.buffers, lambda: parts.place(number))


def _combine_columns(
    loops: Loops, level: int, parts: _Parts, stack: ExitStack, totals: dict[int, str]
) -> None:
    builder, eqns = loops.builder, loops.plan.folds_at(level - 1)
    loops.open_tiles(stack, column_cuts(loops, parts.count))
    loops.open(stack, loops.kept[:-1])
    if eqns:
        folds = [Fold(builder, eqn) for eqn in eqns]
        with ExitStack() as along:
            open_columns(loops, along)
            column = loops.offset(loops.kept)
            loops.store(
                [(totals[id(eqn)], column, fold.start()) for eqn, fold in zip(eqns, folds, strict=True)]
            )
        with ExitStack() as along:
            many = builder.param("parts", parts.count)
            part, _ = along.enter_context(builder.loop(many, "sequential"))
            open_columns(loops, along)
            column = loops.offset(loops.kept)
            stores = []
            for eqn, fold in zip(eqns, folds, strict=True):
                total = builder.load(fold.dtype, totals[id(eqn)], column, written=True)
                value = builder.load(fold.dtype, parts.buffers[id(eqn)], parts.place(part))
                stores.append((totals[id(eqn)], column, fold.step(total, value)))
            loops.store(stores)
    write_between(loops, level, totals, begin=False)
