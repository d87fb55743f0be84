"""Kernels whose accumulators are scalars: reductions of rows, and chains of them.

The one idea: a loop over the rows, and inside one loop along the row for each level of the plan, with what is
computed once a row between them. A row stays in the cache from one pass to the next. Where there are too few
rows to hand out, partials.py cuts them.

An innermost axis may be so *narrow* (the coordinates of points, the channels of a picture) that a loop along it would
do little but begin and end. Its elements stand side by side in the nest instead. If it is reduced, there is no loop
along the row at all, and the rows are the vectors; if it is kept, there are several scalar accumulators, and what its
elements share is computed once. The same goes for the axis of columns that are *low*: the innermost axis makes vectors then.
"""

from __future__ import annotations

from contextlib import ExitStack
from functools import reduce

from weft.ir.graph import Var
from weft.ir.loops.nest import Index
from weft.ir.types import is_floating
from weft.kernels.schedule import index as ix
from weft.kernels.schedule.fold import Fold, fold_loops
from weft.kernels.schedule.loops import TILE, Cut, Loops

# Rows are done in about this many tiles where a tile has a scratch row of its own.
TILES = 64
NARROW = 8  # the most elements along an axis without a loop
_EXTREMA = 6  # the same of floats, which take more registers
_WIDE = 64  # columns from which on loops that end early do not matter
_MOST_STATEMENTS = 400


def is_narrow(loops: Loops) -> bool:
    """Whether the innermost axis is narrow beside what is reduced, or what else is kept."""
    plan, rest = loops.plan, len(loops.groups) - 1
    width = loops.count([rest])
    if not 1 < width <= NARROW or not rest or len(plan.graph.eqns) * width > _MOST_STATEMENTS:
        return False
    many = [loops.reduced, loops.kept[:-1]] if plan.in_columns else [loops.kept]
    return max(map(loops.count, many)) >= 2 * NARROW


def is_low(loops: Loops) -> bool:
    """Whether columns have so few elements that they stand side by side, and accumulators are registers."""
    plan = loops.plan
    if not plan.in_columns or len(loops.reduced) != 1:
        return False
    height, width = loops.count(loops.reduced), loops.count(loops.kept[-1:])
    widest = max(eqn.ins[0].type.dtype.itemsize for eqn in plan.folds)
    wider = any(
        var.type.dtype.itemsize > widest for var in plan.kept_outs
    )  # vectors would be as few as those are long
    if not 2 * NARROW <= width or (wider and width >= _WIDE):
        return False
    extrema = any(
        eqn.prim.lower.rule in ("max", "min") and is_floating(eqn.outs[0].type.dtype) for eqn in plan.folds
    )
    return (
        1 < height <= (_EXTREMA if extrema else NARROW) and len(plan.graph.eqns) * height <= _MOST_STATEMENTS
    )


def _keeps_narrow(loops: Loops) -> bool:
    """Whether an axis without a loop is kept, so that there are accumulators for each of its elements."""
    return any(n in loops.kept for n in loops.narrow)


def write_rows(loops: Loops) -> None:
    """Write the loops of a kernel whose innermost axis is reduced, or narrow, or whose columns are low."""
    plan, builder = loops.plan, loops.builder
    kept, along = loops.wide(loops.kept), loops.wide(loops.reduced)
    in_scratch = [var for var, out in plan.reloads.items() if out is None and along]
    rows, width = loops.count(kept), max(loops.count(loops.reduced), 1)
    with ExitStack() as stack:
        if in_scratch:
            cuts = loops.cuts(kept, max(-(-rows // TILES), 1))
        elif len(kept) == 1:
            cuts = [Cut(kept[0], 1)]
        else:
            cuts = loops.cuts(kept, max(TILE // width, 1))
        tile = loops.open_tiles(stack, cuts)
        loops.open(stack, kept, vector=not along)
        _add_scratch_rows(loops, in_scratch, tile.number)
        for level in range(plan.last + 1):
            stores = [
                (
                    loops.outs[var],
                    loops.layout.offset(var, loops.kept_index()),
                    loops.ex.at(var, loops.kept_index()),
                )
                for _ in (loops.across() if _keeps_narrow(loops) else [None])
                for var in plan.kept_outs
                if plan.level[var] == level
            ]
            loops.store(stores)
            totals = iter(write_row_pass(loops, level))
            for _ in loops.across() if _keeps_narrow(loops) else [None]:
                for eqn in plan.folds_at(level):
                    fold, total = next(totals)
                    builder.remember((eqn.outs[0], loops.kept_index()), fold.result(total))


def _add_scratch_rows(loops: Loops, values: list[Var], tile: Index) -> None:
    """Give values that a later pass wants again a row each, one for every tile."""
    for var in values:
        buffer = loops.add_scratch(var.type.dtype, loops.count(loops.reduced) * loops.extent)

        def place(buffer: str = buffer) -> tuple[str, Index]:
            return buffer, ix.add(ix.mul(tile, loops.flat_size(loops.reduced)), loops.offset(loops.reduced))

        loops.places[var] = place


def write_row_pass(loops: Loops, level: int) -> list[tuple[Fold, str]]:
    """Write a pass along a row, or along what a tile has of it.

    Returns:
        The reductions in their order with what they have folded; where a narrow axis is kept, so for each of its elements.
    """
    plan, ex, builder = loops.plan, loops.ex, loops.builder
    eqns, stored, along = plan.folds_at(level), plan.stored_at(level), loops.wide(loops.reduced)
    if not along:  # what a later pass wants again is at hand
        stored = [var for var in stored if var in plan.full_outs]
    if not (eqns or stored):
        return []
    times = loops.count(loops.narrow)
    folds = [Fold(builder, eqn) for _ in range(times if _keeps_narrow(loops) else 1) for eqn in eqns]

    def body(variables: list[Index]) -> list[str]:
        for n, variable in zip(along, variables, strict=True):
            loops.where[n] = ix.add(loops.in_tile(n)[0], variable)
        values: list[list[str]] = []
        stores = []
        for _ in loops.across():
            index = loops.full_index()
            values.append([Fold(builder, eqn).contribution(ex.operand(eqn, 0, index)) for eqn in eqns])
            stores += [(*loops.places[var](), ex.at(var, index)) for var in stored]
        if not _keeps_narrow(loops):  # the elements of a narrow axis are folded right here
            values = [[reduce(fold.step, some) for fold, *some in zip(folds, *values, strict=True)]]
        loops.store(stores)
        return [value for some in values for value in some]

    if not along:
        found = [fold.step(fold.start(), value) for fold, value in zip(folds, body([]), strict=True)]
        return list(zip(folds, found, strict=True))
    totals = fold_loops(builder, [loops.in_tile(n)[1] for n in along], folds, body)
    ex.homes.update({var: loops.places[var] for var in stored if var in plan.reloads})
    return list(zip(folds, totals, strict=True))
