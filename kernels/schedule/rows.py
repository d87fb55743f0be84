"""Kernels whose accumulators are scalars: reductions of rows, and chains of them.

The one idea: a loop over the rows, and inside one loop along the row for each level of the plan, with what is
computed once a row between them. A row stays in the cache from one pass to the next. Where there are too few
rows to hand out, partials.py cuts them.
"""

from __future__ import annotations

from contextlib import ExitStack

from weft.ir.graph import Eqn, Var
from weft.ir.loops.nest import Index
from weft.kernels.schedule import index as ix
from weft.kernels.schedule.fold import Fold, fold_loops
from weft.kernels.schedule.loops import TILE, Cut, Loops

# Rows are done in about this many tiles where a tile has a scratch row of its own.
TILES = 64


def write_rows(loops: Loops) -> None:
    """Write the loops of a kernel whose innermost axis is reduced."""
    in_scratch = [var for var, out in loops.plan.reloads.items() if out is None]
    rows, width = loops.count(loops.kept), max(loops.count(loops.reduced), 1)
    with ExitStack() as stack:
        if in_scratch:
            cuts = loops.cuts(loops.kept, max(-(-rows // TILES), 1))
        elif len(loops.kept) == 1:
            cuts = [Cut(loops.kept[0], 1)]
        else:
            cuts = loops.cuts(loops.kept, max(TILE // width, 1))
        tile = loops.open_tiles(stack, cuts)
        loops.open(stack, loops.kept)
        _add_scratch_rows(loops, in_scratch, tile.number)
        for level in range(loops.plan.last + 1):
            kept = [var for var in loops.plan.kept_outs if loops.plan.level[var] == level]
            values = [(var, loops.ex.at(var, loops.kept_index())) for var in kept]
            loops.store(
                [
                    (loops.outs[var], loops.layout.offset(var, loops.kept_index()), name)
                    for var, name in values
                ]
            )
            for eqn, fold, total in write_row_pass(loops, level):
                loops.builder.remember((eqn.outs[0], loops.kept_index()), fold.result(total))


def _add_scratch_rows(loops: Loops, values: list[Var], tile: Index) -> None:
    """Give values that a later pass wants again a row each, one for every tile."""
    for var in values:
        buffer = loops.add_scratch(var.type.dtype, loops.count(loops.reduced) * loops.extent)

        def place(buffer: str = buffer) -> tuple[str, Index]:
            return buffer, ix.add(ix.mul(tile, loops.flat_size(loops.reduced)), loops.offset(loops.reduced))

        loops.places[var] = place


def write_row_pass(loops: Loops, level: int) -> list[tuple[Eqn, Fold, str]]:
    """Write a pass along a row, or along what a tile has of it; gives the reductions with what they have folded."""
    plan, ex, builder = loops.plan, loops.ex, loops.builder
    eqns, stored = plan.folds_at(level), plan.stored_at(level)
    if not (eqns or stored):
        return []
    folds = [Fold(builder, eqn) for eqn in eqns]

    def body(variables: list[Index]) -> list[str]:
        for n, variable in zip(loops.reduced, variables, strict=True):
            loops.where[n] = ix.add(loops.in_tile(n)[0], variable)
        index = loops.full_index()
        values = [fold.contribution(ex.operand(eqn, 0, index)) for fold, eqn in zip(folds, eqns, strict=True)]
        loops.store([(*loops.places[var](), ex.at(var, index)) for var in stored])
        return values

    totals = fold_loops(builder, [loops.in_tile(n)[1] for n in loops.reduced], folds, body)
    ex.homes.update({var: loops.places[var] for var in stored if var in plan.reloads})
    return list(zip(eqns, folds, totals, strict=True))
