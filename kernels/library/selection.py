"""The few largest elements of rows, and where they are.

The one idea: the best so far are kept in order, and an element must beat the last of them to get in. Soon hardly any
does, so elements are looked at in blocks, of which only the largest is compared.
"""

from __future__ import annotations

from weft.ir.graph import Eqn
from weft.ir.loops.nest import Index
from weft.ir.types import BOOL, INT64, is_complex
from weft.kernels.library.frame import library_equation
from weft.kernels.library.keys import key_dtype, key_of
from weft.kernels.library.lines import Rows
from weft.kernels.schedule import Scheduled
from weft.kernels.schedule import index as ix

_BLOCK = 64  # elements
_TIME = 0.5  # nanoseconds an element takes that does not get in


def select_largest(eqn: Eqn) -> Scheduled | None:
    """The loops of `top_k`."""
    x = library_equation(eqn).ins[0].type
    if is_complex(x.dtype):
        return None
    rows = Rows(eqn, 1, x.ndim - 1)
    best = _Best(rows, library_equation(eqn).params["k"])
    build = rows.build
    behind = ix.sub(rows.length, best.k)
    blocks = ix.div(ix.add(behind, _BLOCK - 1), _BLOCK)
    with rows.each() as (block, begin):
        best.base, best.cache = ix.mul(block, best.k), ix.mul(block, _BLOCK)
        with build.loop(best.k, "sequential") as (i, _):
            best.insert(key_of(build, rows.frame.load(0, rows.place(begin, i))), i, i)
        with build.loop(blocks, "sequential") as (number, _):
            first = ix.add(best.k, ix.mul(number, _BLOCK))
            best.offer(begin, first, ix.minimum(ix.sub(rows.length, first), _BLOCK))
        best.give(begin)
    return rows.finish(_TIME * rows.n)


class _Best:
    """The ``k`` best of a row: keys, largest first, and positions; of equal keys the first comes first."""

    def __init__(self, rows: Rows, k: int) -> None:
        self.rows, self.build = rows, rows.build
        self.kind = key_dtype(rows.dtypes[0])
        self.keys = rows.frame.scratch(self.kind, k * rows.blocks)
        self.positions = rows.frame.scratch(INT64, k * rows.blocks)
        self.block = rows.frame.scratch(self.kind, _BLOCK * rows.blocks)
        self.k = self.build.param("k", k)
        self.base: Index = 0
        self.cache: Index = 0

    def key(self, i: Index) -> str:
        return self.build.load(self.kind, self.keys, ix.add(self.base, i), written=True)

    def insert(self, key: str, position: Index, filled: Index) -> None:
        """Put a key in its place among those that there are; the last of ``k`` goes."""
        build = self.build
        with build.loop(filled, "vector", [(INT64, "add", build.const(INT64, 0))]) as (i, (place,)):
            build.accumulate(place, build.cast(build.op(BOOL, "ge", self.key(i), key), INT64))
        last = ix.minimum(filled, ix.sub(self.k, 1))
        with build.loop(ix.sub(last, place), "sequential") as (i, _):
            target = ix.sub(last, i)
            at = ix.add(self.base, ix.sub(target, 1))
            build.store(self.keys, ix.add(self.base, target), self.key(ix.sub(target, 1)))
            moved = build.load(INT64, self.positions, at, written=True)
            build.store(self.positions, ix.add(self.base, target), moved)
        build.store(self.keys, ix.add(self.base, place), key)
        build.store(self.positions, ix.add(self.base, place), build.index_value(position))

    def offer(self, begin: Index, first: Index, width: Index) -> None:
        """Insert what is better than the last of a block of the row."""
        rows, build = self.rows, self.build
        lowest = build.const(self.kind, 0)
        with build.loop(width, "vector", [(self.kind, "max", lowest)]) as (i, (largest,)):
            key = key_of(build, rows.frame.load(0, rows.place(begin, ix.add(first, i))))
            build.store(self.block, ix.add(self.cache, i), key)
            build.accumulate(largest, key)
        last = ix.sub(self.k, 1)
        better = build.cast(build.op(BOOL, "gt", largest, self.key(last)), INT64)
        with build.loop(ix.mul(width, better), "sequential") as (i, _):
            key = build.load(self.kind, self.block, ix.add(self.cache, i), written=True)
            better = build.cast(build.op(BOOL, "gt", key, self.key(last)), INT64)
            with build.loop(better, "sequential"):
                self.insert(key, ix.add(first, i), self.k)

    def give(self, begin: Index) -> None:
        """Write the elements and their positions."""
        rows, build = self.rows, self.build
        values, positions = rows.frame.outs
        start = ix.mul(ix.div(begin, rows.length), self.k)
        with build.loop(self.k, "sequential") as (i, _):
            place = build.load(INT64, self.positions, ix.add(self.base, i), written=True)
            build.store(values, ix.add(start, i), rows.frame.load(0, rows.place(begin, place)))
            build.store(positions, ix.add(start, i), place)
