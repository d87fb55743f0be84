"""Kernels that reduce nothing: a loop over every group of axes, in tiles unless it is a single line.

The one idea: the innermost loop shall read without bounds. Where pads or concatenations change that axis,
the loop is cut into *zones* in each of which it is known what is inside and what is not. If that were too many,
there are the operands of one concatenation, or the inside of all pads, and only the borders are left to clamped
loads and selects, which do not become vector loads. Borders are expressions of the parameters, so nothing
depends on sizes but the order of cuts that come from different windows.

Innermost axes that are *short* (the coordinates of points, an outer product of them) have no loop: their elements stand side
by side in the body of the loop around them, where it is known what each of them is read from; or they are a loop of vectors
whose length the nest knows. Loops that do little but begin and end are several times as slow.

What there is to decide is found by a rehearsal: the body is written once and thrown away, while index_maps.py
notes the bounds that it meets.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from contextlib import ExitStack
from itertools import pairwise

from weft.ir.graph import Var
from weft.ir.loops.nest import Index, Op
from weft.kernels.schedule import index as ix
from weft.kernels.schedule.bounds import Bounds
from weft.kernels.schedule.costs import price
from weft.kernels.schedule.gaps import find_gaps, stand_in_gaps, write_places
from weft.kernels.schedule.layout import SHORT_ROW
from weft.kernels.schedule.loops import TILE, Cut, Loops

_MIXED = 8  # the most elements that lie side by side in each iteration of a loop of vectors,
_MOST_BYTES = 40  # and how many bytes they are, where mixing them is the most that there is to do
_MOST_WRITTEN = 36  # the most elements along several short axes that are written out
_VECTOR = 64  # bytes of a full vector
_FULL = 4  # of as many elements, or a multiple, a loop is made of vectors alone
_FUNCTION = 0.5  # what an operation costs that had better be done in full vectors,
_DEAR = 0.1  # and one that is to be done in vectors
SQUARE = 64  # height and width of a tile that is read across
_MOST_ZONES = 16
_NARROW = 8  # elements of a zone of which no vectors are made: the code would be longer, and hardly used
_REWRITTEN = (
    1024  # elements of a tile some of which are written twice: they had better be in the nearest cache
)
_MOST_STATEMENTS = 400  # of all zones together, before what is known makes them shorter


def write_map(loops: Loops, height: int = 0) -> None:
    """Write the loops of a kernel without reductions.

    Args:
        loops: what is known of them.
        height: of the tiles, slices of so much of the outermost group of axes; 0 for boxes of about as many elements.
    """
    rules = {eqn.prim.lower.rule for eqn in loops.plan.graph.eqns if eqn.prim.lower.kind == "index"}
    zones = bool(rules & {"pad", "concatenate"})
    short, mixed = _count_short(loops, zones, height)
    if short:
        loops.set_narrow(short)
    # Also for columns of short rows: what lies between them is read, and thrown away.
    if short or "slice" in rules:
        for var in (*loops.plan.graph.ins, *(var for eqn in loops.plan.graph.eqns for var in eqn.outs)):
            loops.layout.know_short(var, _MOST_WRITTEN if short else SHORT_ROW)
    gaps = find_gaps(loops, lambda: _write_body(loops)) if "pad" in rules else []
    with ExitStack() as stack:
        if not loops.kept:
            _write_body(loops)
            return
        *outer, last = loops.wide(loops.kept)
        if not (outer or short or zones or height):
            loops.open_tiles(stack, [Cut(last, 1)])
            _write_body(loops)
            return
        most = _REWRITTEN if gaps else TILE
        cuts = [Cut(loops.kept[0], height, fixed=height == 1)] if height else _cuts(loops, outer, last, most)
        loops.open_tiles(stack, cuts)
        kind = "vector" if mixed or not short else "sequential"
        begin, whole = loops.in_tile(last)
        end = (
            ix.add(begin, whole)
            if height or cuts[-1].group != last or not cuts[-1].fixed
            else ix.minimum(ix.add(begin, cuts[-1].height), loops.size(last))
        )
        with stand_in_gaps(loops, gaps), ExitStack() as tile:
            loops.open(tile, outer)
            if zones:
                _write_zone(loops, begin, end, Bounds(), kind)
            else:
                loops.open(tile, [last], vector=kind == "vector")
                _write_body(loops)
        for some in gaps:
            write_places(loops, some, lambda outs: _write_body(loops, outs))


def _count_short(loops: Loops, zones: bool, height: int) -> tuple[int, bool]:
    """How many of the innermost loops would do little but begin and end, within one that goes on for long.

    Args:
        loops: what is known of them.
        zones: whether bounds cut the innermost one.
        height: of slices of the outermost one; 0 if that goes on for as long as there are elements.

    Returns:
        how many, 0 also where the innermost one is short, but fills vectors; and whether the one around them is of vectors.
    """
    plan, kept = loops.plan, loops.kept
    last = loops.count(kept[-1:])
    if len(kept) == 1 or not 1 < last <= SHORT_ROW:
        return 0, False
    size = max(var.type.dtype.itemsize for var in (*plan.graph.ins, *plan.kept_outs))
    dearest, found = _dearest(loops), (0, False)
    if not zones and last % _MIXED == 0 and (dearest < _FUNCTION or last * size >= _VECTOR):
        return found
    for many in range(1, len(kept)):
        width = loops.count(kept[-many:])
        mixed = width <= _MIXED and (dearest > _DEAR or width * size <= _MOST_BYTES)
        written = dearest <= _DEAR and width <= _MOST_WRITTEN
        if not width or not (mixed or written) or width * len(plan.graph.eqns) > _MOST_STATEMENTS:
            break
        around = loops.count(kept[-many - 1 : -many])
        if (min(around, height) if height and many == len(kept) - 1 else around) >= 2 * _MIXED:
            found = many, mixed
    fills = not zones and last % _FULL == 0
    return (0, False) if fills and not found[1] else found


def _dearest(loops: Loops) -> float:
    """The price of the dearest operation of the body."""
    builder = loops.builder
    with builder.rehearsal(), builder.loop(1, "vector") as (variable, _):
        loops.where.update(dict.fromkeys(loops.kept, variable))
        _write_body(loops)
        return max((price(one.op) for one in builder.innermost() if isinstance(one, Op)), default=0.0)


def _cuts(loops: Loops, outer: list[int], last: int, most: int) -> list[Cut]:
    """How to cut the space: in lines, or in squares where an operand lies crosswise, for its lines to stay in the cache."""
    if loops.narrow:
        return loops.cuts([*outer, last], most // loops.count(loops.narrow))
    crossed = [n for n in outer if loops.wide_axes(n) & loops.plan.crossed]
    if crossed:
        return [Cut(n, SQUARE if n == crossed[-1] else 1) for n in outer] + [Cut(last, SQUARE)]
    width = min(max(loops.count([last]), 1), most)
    if width <= SHORT_ROW and width % _FULL == 0 and outer:
        loops.know(last)
        return loops.cuts(outer, most // width)
    return [*loops.cuts(outer, most // width), Cut(last, most)]


def _write_body(loops: Loops, wanted: Container[Var] | None = None) -> None:
    """Write the results (all, unless some are wanted) at the element at which the loops stand."""
    values = []
    for _ in loops.across():
        index = loops.kept_index()
        values += [
            (loops.outs[var], loops.layout.offset(var, index), loops.ex.at(var, index))
            for var in loops.plan.kept_outs
            if wanted is None or var in wanted
        ]
    loops.store(values)


def _write_zone(loops: Loops, begin: Index, end: Index, known: Bounds, kind: str = "vector") -> None:
    """Write the innermost loop from ``begin`` to ``end``, cut where bounds that are not ``known`` ask for it."""
    found, statements = _rehearse(loops, begin, end, known)
    cuts = found.cuts(loops.builder.params, loops.count(loops.wide(loops.kept)[-1:]))
    if cuts and (len(cuts) + 1) * statements <= _MOST_STATEMENTS:
        _write_zones(loops, begin, end, known, found, cuts)
        return
    if found.joins and not known.operands and len(found.joins[0].starts) < _MOST_ZONES:
        join = found.joins[0]
        borders = [begin, *(_between(start, begin, end) for start in join.starts), end]
        for k, (low, high) in enumerate(pairwise(borders)):
            _write_zone(loops, low, high, known.choose(join.key, k), kind)
        return
    if not found.pads:
        _write_loop(loops, begin, end, known, kind)
        return
    low, high = begin, end
    for pad in found.pads:
        low, high = ix.maximum(low, pad.low), ix.minimum(high, pad.high)
    low = ix.minimum(low, end)
    high = ix.maximum(high, low)
    outside = known.leave(found.pads[0].key) if len(found.pads) == 1 else known
    _write_borders(loops, (begin, low), (high, end), outside)
    _write_loop(loops, low, high, known.enter([pad.key for pad in found.pads]), kind)


def _write_zones(
    loops: Loops, begin: Index, end: Index, known: Bounds, found: Bounds, cuts: Sequence[tuple[int, Index]]
) -> None:
    """Write a loop for each zone between cuts; in each all that was met is settled."""
    places = [begin, *(_between(index, begin, end) for _, index in cuts), end]
    values = [0, *(value for value, _ in cuts), loops.count(loops.wide(loops.kept)[-1:])]
    for (first, last), (low, high) in zip(pairwise(values), pairwise(places), strict=True):
        facts = known.between(found, loops.builder.params, first)
        _write_zone(loops, low, high, facts, "sequential" if last - first < _NARROW else "vector")


def _between(index: Index, begin: Index, end: Index) -> Index:
    return ix.minimum(ix.maximum(index, begin), end)


def _rehearse(loops: Loops, begin: Index, end: Index, known: Bounds) -> tuple[Bounds, int]:
    """The bounds that the body meets between ``begin`` and ``end``, and how many statements it has."""
    with loops.builder.rehearsal():
        return _write_loop(loops, begin, end, known)


def _write_loop(
    loops: Loops, begin: Index, end: Index, known: Bounds, kind: str = "vector"
) -> tuple[Bounds, int]:
    with loops.builder.loop(ix.sub(end, begin), kind) as (variable, _):
        return _write_at(loops, ix.add(begin, variable), known), loops.builder.length


def _write_borders(
    loops: Loops, left: tuple[Index, Index], right: tuple[Index, Index], known: Bounds
) -> None:
    """Both borders, by one body: side 0 is from ``left[0]`` to ``left[1]``, side 1 likewise."""
    width, other = ix.sub(left[1], left[0]), ix.sub(right[1], right[0])
    with loops.builder.loop(2, "sequential") as (side, _):
        extent = ix.add(width, ix.mul(side, ix.sub(other, width)))
        begin = ix.add(left[0], ix.mul(side, ix.sub(right[0], left[0])))
        with loops.builder.loop(extent, "vector") as (variable, _):
            _write_at(loops, ix.add(begin, variable), known)


def _write_at(loops: Loops, index: Index, known: Bounds) -> Bounds:
    loops.where[loops.wide(loops.kept)[-1]] = index
    loops.ex.bounds = known.along(index)
    _write_body(loops)
    return loops.ex.bounds
