"""Heads: a loop over a row begins with the few elements before a border of vectors, so that its vectors lie on borders.

The one idea: of vectors that lie across two cache lines each access is two. Where a sweep goes over rows of fields again and
again, out of the nearest caches, that is a tenth of its time. The elements before the first border, which is found from the
address of what the loop stores, are done one by one. Left alone are loops that call functions, which have more to do than to
load, and those of other nests, for which one more loop is not worth its compilation.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from weft.ir.loops.nest import IndexValue, Load, Loop, Nest, Op, Store, bodies
from weft.ir.types import is_complex
from weft.kernels.cpu import calls
from weft.kernels.cpu.decide import replaced
from weft.kernels.cpu.short import factor, reads_own
from weft.kernels.maths import FUNCTIONS
from weft.kernels.schedule.index import names_in

BORDER = 32
"""Bytes of a vector where loads are what a loop waits for (`weft.kernels.cpu.neighbours`)."""
_LONG = 384  # bytes of a row from which on a head pays (measured: from 3 % lost to 12 % gained for rows of 500 bytes)
_DEPTH = 3  # loops around one over a row of a sweep, at least: over blocks, rows, and steps


def loops_of_sweeps(nest: Nest) -> set[int]:
    """The loops, by `id`, that may have a head: they go along rows, within loops over blocks, rows and steps."""
    if not isinstance(nest.chunked, Loop) or nest.chunked.kind != "parallel" or not reads_own(nest):
        return set()
    whole = {buffer.name for buffer in nest.buffers if not is_complex(buffer.dtype)}
    return {id(loop) for loop in _inside(nest.body, 0) if _stores_along(loop, whole)}


def _inside(body: Iterable[Any], depth: int) -> Iterator[Loop]:
    for one in body:
        if isinstance(one, Loop) and depth >= _DEPTH:
            yield one
        for inner in bodies(one):
            yield from _inside(inner, depth + isinstance(one, Loop))


def _stores_along(loop: Loop, buffers: set[str]) -> bool:
    """Whether a loop stores elements that lie side by side into one of some buffers, and does nothing that takes long."""
    stored = [one for one in loop.body if isinstance(one, Store)]
    plain = all(
        isinstance(one, IndexValue | Load | Store) or (isinstance(one, Op) and one.op not in FUNCTIONS)
        for one in loop.body
    )
    along = bool(stored) and stored[0].buffer in buffers and factor(stored[0].index, loop.var) == 1
    return plain and along and not loop.carries and not isinstance(loop.extent, int)


def first_of_vectors(emitter: calls.Emitter, nest: Nest, loop: Loop, stop: str) -> str | None:
    """Write how many iterations of such a loop there are before what it stores first lies on a border.

    Args:
        emitter: writes the nest, and stands before the loop.
        nest: the nest.
        loop: one of `loops_of_sweeps`.
        stop: how many iterations it has.

    Returns:
        the number; none where the place depends on what the loop itself computes.
    """
    stored = next(one for one in loop.body if isinstance(one, Store))
    if not set(names_in(stored.index)) - {loop.var} <= emitter.variables.keys():
        return None
    size = next(buffer.dtype.itemsize for buffer in nest.buffers if buffer.name == stored.buffer)
    writer = emitter.writer
    at, _ = emitter.address(stored.buffer, replaced(stored.index, {loop.var: 0}))
    number = writer.emit("i64", f"ptrtoint ptr {at} to i64").ref
    up = writer.emit("i64", f"sub i64 0, {number}").ref
    left = writer.emit("i64", f"and i64 {up}, {BORDER - 1}").ref
    count = writer.emit("i64", f"lshr i64 {left}, {size.bit_length() - 1}").ref
    long = writer.emit("i1", f"icmp sge i64 {stop}, {_LONG // size}").ref
    return writer.emit("i64", f"select i1 {long}, i64 {count}, i64 0").ref
