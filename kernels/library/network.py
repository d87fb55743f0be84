"""Many rows of one operand sorted side by side, by a network of comparisons.

The one idea: which elements a sorting network compares does not depend on what they are, so a vector of rows goes
through the same minima and maxima, with no branch and no place to compute. The network is Batcher's bitonic one in
the form that turns the second half of what it merges round, in which whatever is larger goes up: rows may have any
length. What is within eight neighbouring elements happens in registers.

Source: Batcher (1968), "Sorting networks and their applications", doi:10.1145/1468075.1468121.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from weft.ir.loops.nest import Index
from weft.ir.types import BOOL, INT64, is_inexact
from weft.kernels.library.keys import key_dtype, key_of, value_of
from weft.kernels.library.lines import Rows
from weft.kernels.schedule import Scheduled
from weft.kernels.schedule import index as ix

_LANES = 16  # rows side by side
_FEWEST = 6  # rows for which that is worth it
_LONGEST = 2048  # elements of a row, so that the rows stay in the cache
_AT_ONCE = 8  # elements of a row that are in registers
_STEP_TIME = 0.15  # nanoseconds a comparison of a row takes

# A network for eight elements with the fewest comparisons, and the last three steps of a merge.
_SORT_8 = (
    *((0, 2), (1, 3), (4, 6), (5, 7), (0, 4), (1, 5), (2, 6), (3, 7), (0, 1), (2, 3), (4, 5), (6, 7)),
    *((2, 4), (3, 5), (1, 4), (3, 6), (1, 2), (3, 4), (5, 6)),
)
_MERGE_8 = tuple((i, i + k) for k in (4, 2, 1) for i in range(_AT_ONCE) if not i & k)


def suits_network(rows: Rows) -> bool:
    """Whether rows are best sorted side by side."""
    return len(rows.dtypes) == 1 and rows.rows >= _FEWEST and rows.n <= _LONGEST


def by_network(rows: Rows) -> Scheduled:
    """Sort rows of keys, and turn the keys back to values."""
    build = rows.build
    groups = -(-rows.height // _LANES)  # of a block
    padded = -(-rows.n // _AT_ONCE) * _AT_ONCE
    blocks = -(-rows.rows // (groups * _LANES))
    network = _Network(rows, padded, blocks)
    height = ix.mul(build.param("groups in a block", groups), _LANES)
    levels = max(padded - 1, 0).bit_length() - 3
    number = build.param("rows", rows.rows)
    with build.loop(build.param("blocks", blocks), "parallel") as (block, _):
        network.base = ix.mul(block, ix.mul(network.padded, _LANES))
        first = ix.mul(block, height)
        count = ix.minimum(ix.sub(number, first), height)
        with build.loop(ix.div(ix.add(count, _LANES - 1), _LANES), "sequential") as (group, _):
            start = ix.add(first, ix.mul(group, _LANES))
            width = ix.minimum(ix.sub(number, start), _LANES)
            network.take(start, width)
            negative_zeros = network.sort_eights()
            eight = build.const(INT64, _AT_ONCE)
            with build.loop(build.param("levels", levels), "sequential", [(INT64, "set", eight)]) as (
                level,
                (half,),
            ):
                network.merge(level, half)
                build.accumulate(half, build.op(INT64, "add", half, half))
            network.give(start, width)
            if negative_zeros is not None:
                with build.loop(build.cast(negative_zeros, INT64), "sequential"):
                    network.restore_zeros(start, width)
    steps = padded * (levels + 3) * (levels + 4) / 4
    return rows.frame.finish(blocks, grain=1, work=rows.rows * (steps * _STEP_TIME + padded))


class _Network:
    """A vector of rows: element ``i`` of row ``lane`` is at ``base + i * _LANES + lane``.

    There are three buffers: values, keys, and keys half merged. What compares keys that are some distance apart goes
    from one buffer to another, so that nothing could overlap.
    """

    def __init__(self, rows: Rows, padded: int, blocks: int) -> None:
        self.rows, self.build, self.dtype = rows, rows.build, rows.dtypes[0]
        self.kind = key_dtype(self.dtype)
        room = blocks * padded * _LANES
        self.values = rows.frame.scratch(self.dtype, room)
        self.keys, self.merged = (rows.frame.scratch(self.kind, room) for _ in range(2))
        self.eights = self.build.param("eights", padded // _AT_ONCE)
        self.padded = ix.mul(self.eights, _AT_ONCE)
        self.base: Index = 0

    def at(self, i: Index, lane: Index) -> Index:
        return ix.add(self.base, ix.add(ix.mul(i, _LANES), lane))

    def key(self, buffer: str, at: Index) -> str:
        return self.build.load(self.kind, buffer, at, written=True)

    def take(self, start: Index, width: Index) -> None:
        """Copy rows in, filled up with what comes last."""
        rows, build = self.rows, self.build
        with build.loop(width, "sequential") as (lane, _):
            begin = rows.begin(ix.add(start, lane))

            def move(i: Index, begin: Index = begin, lane: Index = lane) -> None:
                build.store(self.values, self.at(i, lane), rows.frame.load(0, rows.place(begin, i)))

            self._each(rows.length, move)
        last = value_of(build, build.const(self.kind, np.iinfo(self.kind).max), self.dtype)
        missing = ix.mul(ix.sub(self.padded, rows.length), _LANES)
        with build.loop(missing, "vector") as (e, _):
            build.store(self.values, ix.add(self.at(rows.length, 0), e), last)

    def give(self, start: Index, width: Index) -> None:
        """Copy sorted rows out."""
        rows, build = self.rows, self.build
        with build.loop(ix.mul(self.padded, _LANES), "vector") as (e, _):
            at = ix.add(self.base, e)
            build.store(self.values, at, value_of(build, self.key(self.keys, at), self.dtype))
        with build.loop(width, "sequential") as (lane, _):
            begin = rows.begin(ix.add(start, lane))

            def move(i: Index, begin: Index = begin, lane: Index = lane) -> None:
                value = build.load(self.dtype, self.values, self.at(i, lane), written=True)
                build.store(rows.frame.outs[0], rows.place(begin, i), value)

            self._each(rows.length, move)

    def _each(self, length: Index, move: Callable[[Index], None]) -> None:
        """Move elements of a row one by one: they lie too far apart for vectors, so the loop is unrolled here."""
        with self.build.loop(ix.div(length, _AT_ONCE), "sequential") as (eight, _):
            for k in range(_AT_ONCE):
                move(ix.add(ix.mul(eight, _AT_ONCE), k))
        rest = ix.mod(length, _AT_ONCE)
        with self.build.loop(rest, "sequential") as (i, _):
            move(ix.add(ix.sub(length, rest), i))

    def sort_eights(self) -> str | None:
        """Turn values into keys, and sort each eight; gives whether a zero was negative, which keys do not know."""
        build = self.build
        no = build.const(BOOL, False)
        carries = [(BOOL, "or", no)] if is_inexact(self.dtype) else []
        with build.loop(self.eights, "sequential", carries) as (eight, found):
            with build.loop(_LANES, "vector", carries) as (lane, seen):
                at = [self.at(ix.add(ix.mul(eight, _AT_ONCE), i), lane) for i in range(_AT_ONCE)]
                values = [build.load(self.dtype, self.values, place, written=True) for place in at]
                for flag in seen:
                    for value in values:
                        zero = build.op(BOOL, "eq", value, build.const(self.dtype, 0.0))
                        sign = build.op(BOOL, "sign_bit", value)
                        build.accumulate(flag, build.op(BOOL, "and", zero, sign))
                keys = self._compared([key_of(build, value) for value in values], _SORT_8)
                for place, key in zip(at, keys, strict=True):
                    build.store(self.keys, place, key)
            for flag, one in zip(found, seen, strict=True):
                build.accumulate(flag, one)
        return found[0] if found else None

    def _compared(self, keys: list[str], pairs: tuple[tuple[int, int], ...]) -> list[str]:
        for i, j in pairs:
            x, y = keys[i], keys[j]
            keys[i], keys[j] = (self.build.op(self.kind, op, x, y) for op in ("min", "max"))
        return keys

    def merge(self, level: Index, half: Index) -> None:
        """Merge sorted runs of ``half`` elements, which is eight times two to the ``level``, in pairs."""
        build = self.build
        self._pairs(half, self._turned)
        with build.loop(level, "sequential", [(INT64, "set", half)]) as (_, (twice,)):
            step = build.op(INT64, "shift_right", twice, build.const(INT64, 1))
            self._pairs(step, self._straight)
            build.accumulate(twice, step)
        with build.loop(self.eights, "sequential") as (eight, _), build.loop(_LANES, "vector") as (lane, _):
            at = [self.at(ix.add(ix.mul(eight, _AT_ONCE), i), lane) for i in range(_AT_ONCE)]
            keys = self._compared([self.key(self.merged, place) for place in at], _MERGE_8)
            for place, key in zip(at, keys, strict=True):
                build.store(self.keys, place, key)

    def _pairs(self, half: Index, compare: Callable[[Index, Index, Index], None]) -> None:
        """Compare the halves of blocks; the last block may end anywhere."""
        whole = ix.add(half, half)
        blocks = ix.div(ix.add(self.padded, ix.sub(whole, 1)), whole)
        with self.build.loop(blocks, "sequential") as (block, _):
            middle = ix.add(ix.mul(block, whole), half)
            count = ix.maximum(ix.minimum(half, ix.sub(self.padded, middle)), 0)
            compare(middle, half, count)

    def _turned(self, middle: Index, half: Index, count: Index) -> None:
        """Compare from the middle outwards, eight keys at a time; low ones that have no partner are copied."""
        build = self.build
        with build.loop(ix.div(count, _AT_ONCE), "sequential") as (eight, _):
            out = ix.mul(eight, _AT_ONCE)
            lows = [ix.sub(ix.sub(middle, i + 1), out) for i in range(_AT_ONCE)]
            highs = [ix.add(ix.add(middle, i), out) for i in range(_AT_ONCE)]
            for op, targets in (("min", lows), ("max", highs)):
                with build.loop(_LANES, "vector") as (lane, _):
                    xs, ys = ([self.key(self.keys, self.at(i, lane)) for i in side] for side in (lows, highs))
                    for target, x, y in zip(targets, xs, ys, strict=True):
                        build.store(self.merged, self.at(target, lane), build.op(self.kind, op, x, y))
        first = ix.sub(middle, half)
        alone = ix.sub(ix.minimum(ix.sub(middle, count), self.padded), first)
        with build.loop(ix.mul(alone, _LANES), "vector") as (e, _):
            at = ix.add(self.at(first, 0), e)
            build.store(self.merged, at, self.key(self.keys, at))

    def _straight(self, middle: Index, half: Index, count: Index) -> None:
        """Compare each key with the one half a block on."""
        build = self.build
        with build.loop(ix.mul(count, _LANES), "vector") as (e, _):
            low, high = ix.add(self.at(ix.sub(middle, half), 0), e), ix.add(self.at(middle, 0), e)
            x, y = self.key(self.merged, low), self.key(self.merged, high)
            build.store(self.merged, low, build.op(self.kind, "min", x, y))
            build.store(self.merged, high, build.op(self.kind, "max", x, y))

    def restore_zeros(self, start: Index, width: Index) -> None:
        """Write zeros again, in the order in which they came: keys have lost their signs."""
        rows, build = self.rows, self.build
        out = rows.frame.outs[0]
        nothing, zero = build.const(INT64, 0), build.const(self.dtype, 0.0)
        with build.loop(width, "sequential") as (lane, _):
            begin = rows.begin(ix.add(start, lane))
            with build.loop(rows.length, "vector", [(INT64, "add", nothing)]) as (i, (before,)):
                value = rows.frame.load(0, rows.place(begin, i))
                build.accumulate(before, build.cast(build.op(BOOL, "lt", value, zero), INT64))
            with build.loop(rows.length, "sequential", [(INT64, "set", before)]) as (i, (place,)):
                value = rows.frame.load(0, rows.place(begin, i))
                found = build.cast(build.op(BOOL, "eq", value, zero), INT64)
                with build.loop(found, "sequential"):
                    build.store(out, rows.place(begin, place), value)
                build.accumulate(place, build.op(INT64, "add", place, found))
