"""Passes over columns that are few: several rows side by side are as one long row.

The one idea: where all that a pass reads and writes lies flat in memory, a row and a column are but names for
one index. So rows are taken by the group, each place in a group has an accumulator of its own (a *lane*), and
the innermost loop is long and without gaps however few the columns are. That the rows of a group have parts of
their own is no matter for who combines the parts: there are as many more of them. What has one value a column
is repeated first, for each row of a group.
"""

from __future__ import annotations

from collections.abc import Callable
from math import ceil, isqrt

from weft.ir.graph import Eqn
from weft.ir.loops.nest import Index
from weft.kernels.schedule import index as ix
from weft.kernels.schedule.columns import write_step
from weft.kernels.schedule.fold import Fold
from weft.kernels.schedule.loops import Loops

HEIGHT = 128  # rows, or groups of rows, that one tile folds
LANES = 2048  # of a tile: memory pages are met in their order, and a cache holds the accumulators


def write_lanes(loops: Loops, level: int, add_parts: Callable[[list[Eqn], int], dict[int, str]]) -> bool:
    """Write a pass of a level in lanes, if all lies flat.

    Args:
        loops: of a kernel that reduces columns.
        level: the pass.
        add_parts: makes scratch for reductions and a number of parts, and gives the buffers.

    Returns:
        whether that could be done.
    """
    if loops.kept != [1] or loops.reduced != [0]:
        return False
    columns = _read_by_column(loops, level)
    if columns is None:
        return False
    rows, width = loops.count([0]), loops.count([1])
    together = max(min(LANES // max(width, 1), isqrt(rows)), 1)  # no more than there are to combine later
    copies = _repeat(loops, columns, together) if columns else {}
    groups = max(ceil(rows / together), 1)
    blocks = ceil(groups / HEIGHT)
    eqns = loops.plan.folds_at(level)
    buffers = add_parts(eqns, blocks * together)
    _write_pass(loops, level, buffers, copies, (width * together, groups, blocks))
    return True


def _stand_at(loops: Loops, flat: Index) -> Index:
    """Stand at an element, given by its flat index; gives the column."""
    width = loops.size(1)
    loops.where.update({0: ix.div(flat, width), 1: ix.mod(flat, width)})
    return loops.where[1]


def _read_by_column(loops: Loops, level: int) -> list[str] | None:
    """The buffers that a pass reads at the column; ``None`` if something else does not lie flat."""
    builder = loops.builder
    with builder.rehearsal(), builder.loop(1, "vector") as (lane, _):
        column = _stand_at(loops, lane)
        write_step(loops, level, {id(eqn): "" for eqn in loops.plan.folds_at(level)}, lane)
        accesses = builder.accesses()
    if any(ix.divides(index) and (buffer is None or index != column) for buffer, index in accesses):
        return None
    found = dict.fromkeys(buffer for buffer, index in accesses if buffer is not None and index == column)
    return list(found)


def _repeat(loops: Loops, buffers: list[str], together: int) -> dict[str, str]:
    """Write a nest that repeats what has one value a column; gives the copies."""
    builder, width = loops.builder, loops.size(1)
    dtypes = {buffer.name: buffer.dtype for buffer in builder.buffers}
    copies = {name: loops.add_scratch(dtypes[name], loops.count([1]) * together) for name in buffers}
    with builder.loop(builder.param("together", together), "sequential") as (n, _):
        with builder.loop(width, "vector") as (column, _):
            for name, copy in copies.items():
                value = builder.load(dtypes[name], name, column)
                builder.store(copy, ix.add(ix.mul(n, width), column), value)
    loops.end_nest()
    return copies


def _write_pass(
    loops: Loops, level: int, buffers: dict[int, str], copies: dict[str, str], sizes: tuple[int, int, int]
) -> None:
    builder, eqns = loops.builder, loops.plan.folds_at(level)
    in_all, groups, blocks = sizes
    across = max(ceil(in_all / LANES), 1)
    loops.extent = blocks * ceil(in_all / LANES)
    beside, lanes = builder.param("beside", across), builder.param("lanes", in_all)
    with builder.loop(builder.param("tiles", loops.extent), "parallel") as (tile, _):
        block, first = ix.div(tile, beside), ix.mul(ix.mod(tile, beside), LANES)
        width = ix.minimum(LANES, ix.sub(lanes, first))
        if eqns:
            with builder.loop(width, "vector") as (lane, _):
                place = ix.add(ix.mul(block, lanes), ix.add(first, lane))
                loops.store([(buffers[id(eqn)], place, Fold(builder, eqn).start()) for eqn in eqns])
        begin = ix.mul(block, HEIGHT)
        height = ix.minimum(HEIGHT, ix.sub(builder.param("groups", groups), begin))
        with builder.loop(height, "sequential") as (n, _):
            start = ix.add(ix.mul(ix.add(begin, n), lanes), first)
            left = ix.sub(loops.flat_size([0, 1]), start)
            with builder.loop(ix.minimum(width, left), "vector") as (lane, _):
                column, place = _stand_at(loops, ix.add(start, lane)), ix.add(first, lane)
                builder.elsewhere = {(name, column): (copy, place) for name, copy in copies.items()}
                write_step(loops, level, buffers, ix.add(ix.mul(block, lanes), place))
