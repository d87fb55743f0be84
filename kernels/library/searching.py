"""Binary search in rows that are sorted.

The one idea: the interval halves the same number of times whatever is sought, and the choice of the half is a
select, so many values are looked up side by side. Meanwhile their places are in the result.
"""

from __future__ import annotations

import math

from weft.ir.graph import Eqn
from weft.ir.loops.nest import Index
from weft.ir.types import BOOL, INT64, is_complex, is_inexact
from weft.kernels.library.frame import Frame
from weft.kernels.schedule import Scheduled
from weft.kernels.schedule import index as ix
from weft.kernels.schedule.nest_builder import NestBuilder

_BLOCK = 256  # values that are looked up side by side
_CHUNK = 4096  # values that one thread looks up at a time
_HALVING_TIME = 1.0  # nanoseconds


def _search(eqn: Eqn) -> Scheduled | None:
    frame = Frame(eqn)
    build, (table, values), side = frame.builder, frame.types, frame.eqn.params["side"]
    if is_complex(table.dtype):
        return None
    out, dtype = frame.outs[0], frame.eqn.outs[0].type.dtype
    n, rows = table.shape[-1], math.prod(table.shape[:-1])
    length, number = build.param("length", n), build.param("values", values.size)
    in_row = build.param("in a row", values.size // rows) if rows > 1 and values.size else None
    blocks = -(-values.size // _BLOCK)
    # Where places are noted meanwhile: any place must fit.
    notes, kind = (out, dtype) if dtype.itemsize == 8 else (frame.scratch(INT64, values.size), INT64)

    def passed(k: Index, low: str, last: Index) -> str:
        """Whether the element ``last`` places behind ``low`` stays before value ``k``."""
        begin = ix.mul(ix.div(k, in_row), length) if in_row is not None else 0
        element = frame.load(0, ix.add(begin, ix.add(low, last)))
        return _is_before(build, element, frame.load(1, k), side)

    def place(k: Index) -> str:
        return build.cast(build.load(kind, notes, k, written=True), INT64)

    with build.loop(build.param("blocks", blocks), "parallel") as (block, _):
        first = ix.mul(block, _BLOCK)
        width = ix.minimum(ix.sub(number, first), _BLOCK)
        with build.loop(width, "vector") as (i, _):
            build.store(notes, ix.add(first, i), build.const(kind, 0))
        # In ``left`` elements from the place noted on is the first that does not come before; halve until one is left.
        halvings = build.param("halvings", max(n - 1, 0).bit_length())
        with build.loop(halvings, "sequential", [(INT64, "set", build.index_value(length))]) as (_, (left,)):
            half = build.index_value(ix.div(left, 2))
            with build.loop(width, "vector") as (i, _):
                k = ix.add(first, i)
                low = place(k)
                middle = build.op(INT64, "add", low, half)
                low = build.op(INT64, "select", passed(k, low, ix.sub(half, 1)), middle, low)
                build.store(notes, k, build.cast(low, kind))
            build.accumulate(left, build.op(INT64, "sub", left, half))
        some = build.param("last", min(n, 1))
        with build.loop(ix.mul(width, some), "vector") as (i, _):
            k = ix.add(first, i)
            low = place(k)
            after = build.op(INT64, "add", low, build.cast(passed(k, low, 0), INT64))
            build.store(out, k, build.cast(after, dtype))
        with build.loop(ix.mul(width, ix.sub(1, some)), "vector") as (i, _):
            build.store(out, ix.add(first, i), build.const(dtype, 0))
    work = values.size * max(n, 1).bit_length() * _HALVING_TIME
    return frame.finish(blocks, grain=max(_CHUNK // _BLOCK, 1), work=work)


def _is_before(build: NestBuilder, element: str, wanted: str, side: str) -> str:
    """Whether an element stays before what is inserted on the given side; NaN is after all numbers."""
    first, second = (element, wanted) if side == "left" else (wanted, element)
    less = build.op(BOOL, "lt", first, second)
    if is_inexact(build.dtype(element)):
        is_number = build.op(BOOL, "not", build.op(BOOL, "is_nan", first))
        less = build.op(BOOL, "or", less, build.op(BOOL, "and", is_number, build.op(BOOL, "is_nan", second)))
    return less if side == "left" else build.op(BOOL, "not", less)


ROUTINES = {"searchsorted": _search}
