"""Binary search in rows that are sorted.

The one idea: the interval halves the same number of times whatever is sought, and the choice of the half is a
select, so there is no branch to mispredict and searches overlap in the processor.
"""

from __future__ import annotations

import math

from weft.ir.graph import Eqn
from weft.ir.types import BOOL, INT64, is_complex, is_inexact
from weft.kernels.library.frame import Frame
from weft.kernels.schedule import Scheduled
from weft.kernels.schedule import index as ix
from weft.kernels.schedule.nest_builder import NestBuilder

_CHUNK = 4096  # values that one thread looks up at a time
_HALVING_TIME = 1.0  # nanoseconds


def _search(eqn: Eqn) -> Scheduled | None:
    frame = Frame(eqn)
    build, (table, values), side = frame.builder, frame.types, frame.eqn.params["side"]
    if is_complex(table.dtype):
        return None
    n, rows = table.shape[-1], math.prod(table.shape[:-1])
    length = build.param("length", n)
    with build.loop(build.param("values", values.size), "parallel") as (k, _):
        row = ix.div(k, build.param("in a row", values.size // rows)) if rows > 1 and values.size else 0
        begin = ix.mul(row, length)
        wanted = frame.load(1, k)
        zero = build.const(INT64, 0)
        carries = [(INT64, "set", zero), (INT64, "set", build.index_value(length))]
        # In ``left`` elements from ``low`` on is the first that does not come before; halve until one is left.
        with build.loop(build.param("halvings", max(n - 1, 0).bit_length()), "sequential", carries) as (
            _,
            (low, left),
        ):
            half = build.index_value(ix.div(left, 2))
            element = frame.load(0, ix.sub(ix.add(begin, ix.add(low, half)), 1))
            passed = _is_before(build, element, wanted, side)
            middle = build.op(INT64, "add", low, half)
            rest = build.op(INT64, "sub", left, half)
            build.accumulate(low, build.op(INT64, "select", passed, middle, low))
            build.accumulate(left, rest)
        with build.loop(build.param("last", min(n, 1)), "sequential", [(INT64, "set", low)]) as (_, (place,)):
            element = frame.load(0, ix.add(begin, low))
            passed = _is_before(build, element, wanted, side)
            build.accumulate(place, build.op(INT64, "add", low, build.cast(passed, INT64)))
        build.store(frame.outs[0], k, build.cast(place, frame.eqn.outs[0].type.dtype))
    return frame.finish(values.size, grain=_CHUNK, work=values.size * max(n, 1).bit_length() * _HALVING_TIME)


def _is_before(build: NestBuilder, element: str, wanted: str, side: str) -> str:
    """Whether an element stays before what is inserted on the given side; NaN is after all numbers."""
    first, second = (element, wanted) if side == "left" else (wanted, element)
    less = build.op(BOOL, "lt", first, second)
    if is_inexact(build.dtype(element)):
        is_number = build.op(BOOL, "not", build.op(BOOL, "is_nan", first))
        less = build.op(BOOL, "or", less, build.op(BOOL, "and", is_number, build.op(BOOL, "is_nan", second)))
    return less if side == "left" else build.op(BOOL, "not", less)


ROUTINES = {"searchsorted": _search}
