"""Stable sorting of rows, other operands carried along: by rank where rows are short, else by digits.

The one idea: no comparison decides a branch. Short rows compare all pairs of keys: an element's place is the number
of smaller ones, and of equal ones before it, counted side by side. Long rows go through as many passes as keys have
bytes (least significant radix sort, last key first); a pass in which all have the same byte moves nothing. Many rows
of one operand go through a sorting network, see network.py.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from weft.ir.graph import Eqn
from weft.ir.loops.nest import Index
from weft.ir.types import BOOL, INT64, is_complex
from weft.kernels.library.frame import library_equation
from weft.kernels.library.keys import key_dtype, key_of
from weft.kernels.library.lines import Rows
from weft.kernels.library.network import by_network, suits_network
from weft.kernels.library.selection import select_largest
from weft.kernels.schedule import Scheduled
from weft.kernels.schedule import index as ix
from weft.kernels.schedule.nest_builder import NestBuilder

LONGEST_RANKED = 224  # elements of a row (a byte holds a rank): more pairs are more work than all digits
_AT_ONCE = 8  # elements that are compared with all others in one go
_DIGITS = 256
_PAIR_TIME, _DIGIT_TIME = 0.08, 2.0  # nanoseconds


def _sort(eqn: Eqn) -> Scheduled | None:
    params = library_equation(eqn).params
    rows = Rows(eqn, params["num_keys"], params["axis"])
    if any(map(is_complex, rows.keys)):
        return None
    if suits_network(rows):
        return by_network(rows)
    if rows.n <= LONGEST_RANKED:
        _by_rank(rows)
        return rows.finish(_PAIR_TIME * rows.n**2)
    _by_digits(rows)
    return rows.finish(_DIGIT_TIME * rows.n * sum(key.itemsize for key in rows.keys))


def _by_rank(rows: Rows) -> None:
    """Count for each element those before it, several at a time; keys are filled up with one that is the last."""
    build, frame = rows.build, rows.frame
    dtypes = [key_dtype(dtype) for dtype in rows.keys]
    groups = -(-rows.n // _AT_ONCE)
    room = groups * _AT_ONCE * rows.blocks
    buffers = [frame.scratch(dtype, room) for dtype in dtypes]
    counter = dtypes[0]  # ranks are small enough for a byte, so that counting is as wide as comparing
    ranks, seen = frame.scratch(counter, room), frame.scratch(INT64, room)
    count = build.param("groups", groups)
    padded = ix.mul(count, _AT_ONCE)
    with rows.each() as (block, begin):
        base = ix.mul(block, padded)
        with build.loop(rows.length, "vector") as (i, _):
            keys = [key_of(build, frame.load(k, rows.place(begin, i))) for k in range(len(dtypes))]
            for buffer, key in zip(buffers, keys, strict=True):
                build.store(buffer, ix.add(base, i), key)
        with build.loop(ix.sub(padded, rows.length), "vector") as (i, _):
            for buffer, dtype in zip(buffers, dtypes, strict=True):
                last = build.const(dtype, np.iinfo(dtype).max)
                build.store(buffer, ix.add(ix.add(base, rows.length), i), last)
        with build.loop(padded, "vector") as (i, _):
            build.store(ranks, ix.add(base, i), build.const(counter, 0))
            build.store(seen, ix.add(base, i), build.const(INT64, 0))
        with build.loop(count, "sequential") as (group, _):
            first = ix.add(base, ix.mul(group, _AT_ONCE))
            others = [_load_all(build, dtypes, buffers, ix.add(first, c)) for c in range(_AT_ONCE)]
            with build.loop(padded, "vector") as (i, _):
                own = _load_all(build, dtypes, buffers, ix.add(base, i))
                rank = build.load(counter, ranks, ix.add(base, i), written=True)
                for other in others:
                    before = build.cast(_less(build, other, own), counter)
                    rank = build.op(counter, "add", rank, before)
                build.store(ranks, ix.add(base, i), rank)
        with build.loop(rows.length, "sequential") as (i, _):
            rank = build.cast(build.load(counter, ranks, ix.add(base, i), written=True), INT64)
            # Equal elements have one rank: they follow it in the order in which they come.
            at = ix.add(base, rank)
            before = build.load(INT64, seen, at, written=True)
            build.store(seen, at, build.op(INT64, "add", before, build.const(INT64, 1)))
            values = [frame.load(k, rows.place(begin, i)) for k in range(len(rows.dtypes))]
            for out, value in zip(frame.outs, values, strict=True):
                build.store(out, rows.place(begin, ix.add(rank, before)), value)


def _less(build: NestBuilder, xs: Sequence[str], ys: Sequence[str]) -> str:
    """Whether the keys ``xs`` come before ``ys``: the first that differs decides."""
    *earlier, (x, y) = zip(xs, ys, strict=True)
    less = build.op(BOOL, "lt", x, y)
    for x, y in reversed(earlier):
        same = build.op(BOOL, "and", build.op(BOOL, "eq", x, y), less)
        less = build.op(BOOL, "or", build.op(BOOL, "lt", x, y), same)
    return less


def _load_all(
    build: NestBuilder, dtypes: Sequence[np.dtype], buffers: Sequence[str], index: Index
) -> list[str]:
    return [build.load(d, b, index, written=True) for d, b in zip(dtypes, buffers, strict=True)]


def _by_digits(rows: Rows) -> None:
    build, frame = rows.build, rows.frame
    # Each operand has two rows, from one of which a pass moves it to the other.
    buffers = [frame.scratch(dtype, 2 * rows.n * rows.blocks) for dtype in rows.dtypes]
    passes = [dtype.itemsize for dtype in rows.keys]
    counts = frame.scratch(INT64, sum(passes) * _DIGITS * rows.blocks)
    with rows.each() as (block, begin):
        base = ix.mul(block, ix.mul(2, rows.length))
        tables = ix.mul(block, sum(passes) * _DIGITS)
        with build.loop(sum(passes) * _DIGITS, "vector") as (i, _):
            build.store(counts, ix.add(tables, i), build.const(INT64, 0))
        with build.loop(rows.length, "vector") as (i, _):
            values = [frame.load(k, rows.place(begin, i)) for k in range(len(buffers))]
            for buffer, value in zip(buffers, values, strict=True):
                build.store(buffer, ix.add(base, i), value)
        starts = [ix.add(tables, sum(passes[:k]) * _DIGITS) for k in range(len(passes))]
        half = build.const(INT64, 0)
        for k in reversed(range(len(passes))):
            _count_digits(rows, k, buffers[k], base, counts, starts[k])
            half = _move_bykey_of(rows, k, buffers, base, counts, starts[k], half)
        with build.loop(rows.length, "sequential") as (i, _):
            source = ix.add(ix.add(base, ix.mul(half, rows.length)), i)
            values = _load_all(build, rows.dtypes, buffers, source)
            for out, value in zip(frame.outs, values, strict=True):
                build.store(out, rows.place(begin, i), value)


def _digit(build: NestBuilder, key: str, shift: str) -> str:
    dtype = build.dtype(key)
    shifted = build.op(dtype, "shift_right_logical", key, shift)
    return build.cast(build.op(dtype, "and", shifted, build.const(dtype, _DIGITS - 1)), INT64)


def _count_digits(rows: Rows, k: int, buffer: str, base: Index, counts: str, start: Index) -> None:
    """How often each digit is at each place of the key: all tables at once, in any order of the elements."""
    build = rows.build
    with build.loop(rows.length, "sequential") as (i, _):
        key = key_of(build, build.load(rows.dtypes[k], buffer, ix.add(base, i), written=True))
        for digit in range(rows.keys[k].itemsize):
            shift = build.const(build.dtype(key), 8 * digit)
            at = ix.add(ix.add(start, digit * _DIGITS), _digit(build, key, shift))
            count = build.load(INT64, counts, at, written=True)
            build.store(counts, at, build.op(INT64, "add", count, build.const(INT64, 1)))


def _move_bykey_of(
    rows: Rows, k: int, buffers: Sequence[str], base: Index, counts: str, start: Index, half: str
) -> str:
    """Sort by one key, from the lowest digit to the highest; gives the half in which the rows are now."""
    build, length = rows.build, rows.length
    one, zero = build.const(INT64, 1), build.const(INT64, 0)
    unsigned = key_dtype(rows.dtypes[k])
    with build.loop(rows.keys[k].itemsize, "sequential", [(INT64, "set", half)]) as (digit, (now,)):
        shift = build.cast(build.index_value(ix.mul(digit, 8)), unsigned)
        table = ix.add(start, ix.mul(digit, _DIGITS))
        source = ix.add(base, ix.mul(now, length))
        target = ix.add(base, ix.mul(ix.sub(1, now), length))

        def digit_at(i: Index) -> Index:
            key = key_of(build, build.load(rows.dtypes[k], buffers[k], ix.add(source, i), written=True))
            return ix.add(table, _digit(build, key, shift))

        of_first = build.load(INT64, counts, digit_at(0), written=True)
        same = build.op(BOOL, "eq", of_first, build.index_value(length))
        wanted = build.op(INT64, "select", same, zero, one)
        with build.loop(ix.mul(wanted, _DIGITS), "sequential", [(INT64, "set", zero)]) as (i, (place,)):
            count = build.load(INT64, counts, ix.add(table, i), written=True)
            build.store(counts, ix.add(table, i), place)
            build.accumulate(place, build.op(INT64, "add", place, count))
        with build.loop(ix.mul(wanted, length), "sequential") as (i, _):
            counter = digit_at(i)
            to = build.load(INT64, counts, counter, written=True)
            build.store(counts, counter, build.op(INT64, "add", to, one))
            values = _load_all(build, rows.dtypes, buffers, ix.add(source, i))
            for buffer, value in zip(buffers, values, strict=True):
                build.store(buffer, ix.add(target, to), value)
        build.accumulate(now, build.op(INT64, "xor", now, wanted))
    return now


ROUTINES = {"sort": _sort, "top_k": select_largest}
