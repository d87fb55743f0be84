"""Kernels whose accumulators are scalars: reductions of rows or of everything, and chains of them.

The one idea: a loop over the rows, and inside one loop along the row for each level of the plan, with what is
computed once a row between them. A reduction of everything is the case of a single row.
"""

from __future__ import annotations

from contextlib import ExitStack

from weft.ir.graph import Var
from weft.ir.loops.nest import Index
from weft.kernels.schedule import index as ix
from weft.kernels.schedule.fold import Fold, fold_loops
from weft.kernels.schedule.loops import Loops

# Rows are done in at most this many blocks where a block has a scratch row of its own.
BLOCKS = 64


def write_rows(loops: Loops) -> None:
    """Write the loops of a kernel whose innermost axis is reduced."""
    with ExitStack() as stack:
        in_scratch = [var for var, out in loops.plan.reloads.items() if out is None]
        block = _open_blocks(loops, stack) if in_scratch and loops.kept else None
        loops.open(stack, [n for n in loops.kept if n not in loops.where], innermost=False)
        _add_scratch_rows(loops, in_scratch, block)
        _write_row(loops)


def _open_blocks(loops: Loops, stack: ExitStack) -> Index:
    """Split the outermost loop into a parallel one over blocks and one over the rows of a block."""
    builder, n = loops.builder, loops.kept[0]
    rows = loops.count([n])
    height = max(-(-rows // BLOCKS), 1)
    loops.extent = -(-rows // height)
    per_block = builder.param("rows in a block", height)
    block, _ = stack.enter_context(builder.loop(builder.param("blocks", loops.extent), "parallel"))
    first = ix.mul(block, per_block)
    row, _ = stack.enter_context(
        builder.loop(ix.minimum(per_block, ix.sub(loops.size(n), first)), "sequential")
    )
    loops.where[n] = ix.add(first, row)
    return block


def _add_scratch_rows(loops: Loops, values: list[Var], block: Index | None) -> None:
    """Give values that a later pass wants again a row each, one for every block."""
    width = loops.count(loops.reduced)
    for var in values:
        buffer = loops.add_scratch(var.type.dtype, width * (loops.extent if block is not None else 1))

        def place(buffer: str = buffer) -> tuple[str, Index]:
            start = 0 if block is None else ix.mul(block, _row_size(loops))
            return buffer, ix.add(start, loops.offset(loops.reduced))

        loops.places[var] = place


def _row_size(loops: Loops) -> Index:
    size: Index = 1
    for n in loops.reduced:
        size = ix.mul(size, loops.size(n))
    return size


def _write_row(loops: Loops) -> None:
    plan, ex, builder, layout = loops.plan, loops.ex, loops.builder, loops.layout
    for level in range(plan.last + 1):
        kept = [(var, ex.at(var, loops.kept_index())) for var in plan.kept_outs if plan.level[var] == level]
        loops.store([(loops.outs[var], layout.offset(var, loops.kept_index()), name) for var, name in kept])
        eqns = [eqn for eqn in plan.folds if plan.fold_level(eqn) == level]
        outs = [var for var in plan.full_outs if plan.level[var] == level]
        keeps = [var for var in plan.reloads if plan.level[var] == level and var not in outs]
        if not (eqns or outs or keeps):
            continue
        folds = [Fold(builder, eqn) for eqn in eqns]

        def body(variables: list[Index]) -> list[str]:
            loops.where.update(zip(loops.reduced, variables, strict=True))
            index = loops.full_index()
            values = [
                fold.contribution(ex.operand(eqn, 0, index))
                for fold, eqn in zip(folds, eqns, strict=True)  # noqa: B023
            ]
            stores = [(*loops.places[var](), ex.at(var, index)) for var in (*keeps, *outs)]  # noqa: B023
            loops.store(stores)
            return values

        results = fold_loops(builder, [loops.size(n) for n in loops.reduced], folds, body)
        for eqn, fold, acc in zip(eqns, folds, results, strict=True):
            builder.remember((eqn.outs[0], loops.kept_index()), fold.result(acc))
        ex.homes.update({var: loops.places[var] for var in (*keeps, *outs) if var in plan.reloads})
