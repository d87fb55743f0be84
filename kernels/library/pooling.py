"""Folds of sliding windows, and the places of their extrema.

The one idea: a row of results is folded in place, one element of the windows after the other: ``out[j] = out[j] op
x[j * stride + k]``, side by side for all j. A short axis of channels is one with the axis before it, where that has a
window at every place. What is padded is never read: along the innermost axis it is masked, along the others the loops
over a window are shortened.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from weft.ir.graph import Eqn
from weft.ir.loops.nest import Index
from weft.ir.ops.window import identity
from weft.ir.records import dataclass
from weft.ir.types import BOOL, INT64, is_bool, is_integer
from weft.kernels.schedule import Scheduled
from weft.kernels.schedule import index as ix
from weft.kernels.schedule.nest_builder import NestBuilder

_CHUNK_TIME = 30_000.0  # nanoseconds, so that handing out chunks costs little
_STEP_TIME = 0.5  # about what an element of a window takes
WIDTH = 1024  # results that are folded side by side
_SHORT = 256  # elements of an innermost axis that is joined to the one before: a loop along it would hardly be begun
_FEW = 4  # steps up to which machine code knows them


@dataclass(frozen=True, slots=True)
class Axis:
    """How windows lie along an axis; ``stride_of_x`` is the distance of neighbours in the operand."""

    n: int
    count: int
    k: int
    stride: int
    low: int
    padded: bool
    dilation: int
    stride_of_x: int

    @property
    def plain(self) -> bool:
        """Whether the windows are the elements."""
        return self.k == self.stride == 1 and not self.padded

    @property
    def may_join(self) -> bool:
        """Whether neighbouring windows begin at neighbours, so that the axis and a plain one behind it are as one axis."""
        return self.stride == 1 and not self.plain

    def joined(self, behind: int) -> Axis:
        """The same windows over this axis and one behind it that has none, taken as one axis."""
        last = self.count - 1 + (self.k - 1) * self.dilation - self.low
        shifted = self.low != 0 or last >= self.n
        n, count, low = self.n * behind, self.count * behind, self.low * behind
        return Axis(n, count, self.k, 1, low, shifted, self.dilation * behind, 1)


def _axes(eqn: Eqn) -> list[Axis]:
    """The axes of the operand, at least one; neighbours that have no windows are one."""
    shape, out, params = eqn.ins[0].type.shape, eqn.outs[0].type.shape, eqn.params
    axes: list[Axis] = []
    for d, (n, count) in enumerate(zip(shape, out, strict=True)):
        low, high = params["padding"][d]
        axis = Axis(
            n,
            count,
            params["window"][d],
            params["strides"][d],
            low,
            # Shortening the loops over outer axes costs nothing, so that they are the same with and without padding.
            bool(low or high)
            or (d < len(shape) - 1 and (params["window"][d], params["strides"][d]) != (1, 1)),
            params["dilation"][d],
            math.prod(shape[d + 1 :]),
        )
        if axis.plain and axes and axes[-1].plain:
            axes[-1] = Axis(axes[-1].n * n, axes[-1].count * n, 1, 1, 0, False, 1, axis.stride_of_x)
        else:
            axes.append(axis)
    if len(axes) > 1 and axes[-1].plain and axes[-1].n < _SHORT and axes[-2].may_join:
        axes[-2:] = [axes[-2].joined(axes[-1].n)]
    return axes


class _Windows:
    """A nest over the windows of an operand: rows of results, the elements of their windows, the results of a row."""

    def __init__(self, eqn: Eqn) -> None:
        self.build = NestBuilder()
        self.dtype = eqn.ins[0].type.dtype
        self.x = self.build.buffer(self.dtype, "in")
        self.out = self.build.buffer(eqn.outs[0].type.dtype, "out")
        *self.outer, self.lane = _axes(eqn)
        self.rows = math.prod(axis.count for axis in self.outer)
        self.pieces = -(-self.lane.count // WIDTH)
        self.scratch: list[int] = []
        terms = math.prod(axis.k for axis in (*self.outer, self.lane))
        self.time = _STEP_TIME * min(self.lane.count, WIDTH) * terms

    def number(self, name: str, d: int, value: int, *, known: int = 1) -> Index:
        """A number that is what it is for an axis: a parameter, but for 0 and what is at most ``known``."""
        return value if 0 <= value <= known else self.build.param((name, d), value)

    @contextmanager
    def each_row(self) -> Iterator[None]:
        """A loop over the rows of results, all axes but the innermost, in pieces that stay in cache."""
        build = self.build
        with build.loop(build.param("pieces", self.rows * self.pieces), "parallel") as (piece, _):
            lanes, pieces = (
                build.param("lanes", self.lane.count),
                build.param("pieces of a row", max(self.pieces, 1)),
            )
            self.begin = ix.mul(ix.mod(piece, pieces), WIDTH)
            self.width = ix.minimum(ix.sub(lanes, self.begin), WIDTH)
            rest: Index = ix.div(piece, pieces)
            self.first = ix.add(ix.mul(rest, lanes), self.begin)
            self.where: list[Index] = []
            for d in reversed(range(len(self.outer))):
                count = build.param(("count", d), max(self.outer[d].count, 1))
                self.where.insert(0, ix.mod(rest, count) if d else rest)
                rest = ix.div(rest, count)
            yield

    @contextmanager
    def each_result(self) -> Iterator[str]:
        """A loop over the results of a row, side by side; gives the number of one."""
        with self.build.loop(self.width, "vector") as (j, _):
            yield j

    @contextmanager
    def each_element(self) -> Iterator[tuple[str, str | None, Index]]:
        """Loops over the elements of the windows; gives one for each result of a row, its mask, its place in ``x``."""
        build, at = self.build, 0
        with ExitStack() as stack:
            for d, axis in enumerate(self.outer):
                step = self.number("step", d, axis.stride_of_x)
                position = self.where[d] if axis.plain else self._position(stack, d, axis)
                at = ix.add(at, ix.mul(position, step))
            d, axis = len(self.outer), self.lane
            k: Index = 0
            if axis.k != 1:
                k, _ = stack.enter_context(build.loop(build.param(("k", d), axis.k), "sequential"))
                k = ix.mul(k, self.number("dilation", d, axis.dilation))
            j = stack.enter_context(self.each_result())
            self.at_result = ix.add(self.first, j)
            lane = ix.add(self.begin, j)
            position = ix.add(ix.mul(lane, self.number("stride", d, axis.stride, known=_FEW)), k)
            mask = None
            if axis.padded:
                position = ix.sub(position, build.param(("low", d), axis.low))
                below = build.compare("lt", position, build.param(("n", d), axis.n))
                mask = build.op(BOOL, "and", build.compare("ge", position, 0), below)
            place = ix.add(at, position)
            yield build.load(self.dtype, self.x, place, mask=mask), mask, place

    def _position(self, stack: ExitStack, d: int, axis: Axis) -> Index:
        """Loop over the elements of a window along an outer axis: where the loop stands in the operand."""
        build = self.build
        start = ix.mul(self.where[d], self.number("stride", d, axis.stride))
        apart = self.number("dilation", d, axis.dilation)
        extent: Index = build.param(("k", d), axis.k)
        first: Index = 0
        if axis.padded:
            start = ix.sub(start, build.param(("low", d), axis.low))
            # How many elements of the window are before the operand, and before its end.
            up = ix.sub(apart, 1)
            first = ix.maximum(ix.div(ix.sub(up, start), apart), 0)
            last = ix.div(ix.sub(ix.add(build.param(("n", d), axis.n), up), start), apart)
            extent = ix.maximum(ix.sub(ix.minimum(extent, last), first), 0)
        i, _ = stack.enter_context(build.loop(extent, "sequential"))
        return ix.add(start, ix.mul(ix.add(i, first), apart))

    def finish(self) -> Scheduled:
        """The nest, cut into chunks of rows."""
        return Scheduled(
            self.build.finish(),
            tuple(self.build.params),
            self.rows * self.pieces,
            tuple(self.scratch),
            grain=max(int(_CHUNK_TIME / max(self.time, 1.0)), 1),
            work=self.rows * self.pieces * self.time,
        )


def _is_taken(eqn: Eqn) -> bool:
    """Whether the routines take it: something to slide over, and no gaps between elements."""
    return bool(eqn.ins[0].type.shape) and set(eqn.params["base_dilation"]) == {1}


def _fold(eqn: Eqn, op: str) -> Scheduled | None:
    if not _is_taken(eqn):
        return None
    windows = _Windows(eqn)
    build, dtype, out = windows.build, windows.dtype, windows.out
    start = build.const(dtype, identity(op, dtype))
    with windows.each_row():
        with windows.each_result() as j:
            build.store(out, ix.add(windows.first, j), start)
        with windows.each_element() as (value, mask, _):
            before = build.load(dtype, out, windows.at_result, written=True)
            value = build.op(dtype, op, before, value)
            if mask is not None:
                value = build.op(dtype, "select", mask, value, before)
            build.store(out, windows.at_result, value)
    return windows.finish()


def _place(eqn: Eqn, op: str, better: str) -> Scheduled | None:
    """The place of the first extremum of each window; the extrema so far are in scratch."""
    if not _is_taken(eqn):
        return None
    windows = _Windows(eqn)
    build, dtype, out = windows.build, windows.dtype, windows.out
    best = build.buffer(dtype, "scratch")
    windows.scratch.append(eqn.outs[0].type.size)
    start, nowhere = build.const(dtype, identity(op, dtype)), build.const(INT64, -1)
    ordered = is_integer(dtype) or is_bool(dtype)
    with windows.each_row():
        with windows.each_result() as j:
            build.store(best, ix.add(windows.first, j), start)
            build.store(out, ix.add(windows.first, j), nowhere)
        with windows.each_element() as (value, mask, place):
            at = windows.at_result
            before, found = (
                build.load(dtype, best, at, written=True),
                build.load(INT64, out, at, written=True),
            )
            wins = build.op(BOOL, better, value, before)
            if not ordered:  # a NaN wins, the first one
                is_new = build.op(BOOL, "not", build.op(BOOL, "is_nan", before))
                wins = build.op(
                    BOOL, "or", wins, build.op(BOOL, "and", build.op(BOOL, "is_nan", value), is_new)
                )
            wins = build.op(BOOL, "or", wins, build.op(BOOL, "lt", found, build.const(INT64, 0)))
            if mask is not None:
                wins = build.op(BOOL, "and", wins, mask)
            build.store(best, at, build.op(dtype, "select", wins, value, before))
            build.store(out, at, build.op(INT64, "select", wins, build.index_value(place), found))
    return windows.finish()


ROUTINES = {
    "window_sum": lambda eqn: _fold(eqn, "add"),
    "window_prod": lambda eqn: _fold(eqn, "mul"),
    "window_max": lambda eqn: _fold(eqn, "max"),
    "window_min": lambda eqn: _fold(eqn, "min"),
    "window_and": lambda eqn: _fold(eqn, "and"),
    "window_or": lambda eqn: _fold(eqn, "or"),
    "window_argmax": lambda eqn: _place(eqn, "max", "gt"),
    "window_argmin": lambda eqn: _place(eqn, "min", "lt"),
}
