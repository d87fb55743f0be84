"""Running folds along an axis: sums, products, extrema, log-sum-exps, and the linear recurrence.

The one idea: y[i] = step(y[i-1], x[i]...) goes through the axis in order, so results are NumPy's to the bit.
An array is seen as (before, n, after) around its axis. When the axis is innermost the running value is an
accumulator; else it is a row of values in scratch, done side by side in blocks of columns. Backwards is
another start and a negative step: the same code.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from weft.ir.graph import Eqn
from weft.ir.loops.nest import Index
from weft.ir.loops.vocabulary import register_dtype
from weft.ir.types import BOOL, is_inexact
from weft.kernels.library.frame import Frame
from weft.kernels.schedule import Scheduled
from weft.kernels.schedule import index as ix
from weft.kernels.schedule.nest_builder import NestBuilder

Step = Callable[[NestBuilder, np.dtype, str, Sequence[str]], str]
WIDTH = 512  # columns in a block
_CHUNK = 2**15  # elements that one thread takes at a time
_STEP_TIME = 1.0  # nanoseconds


class _Running:
    """Writes the nest of one running fold; 16-bit floats run as float32 and are rounded when stored."""

    def __init__(self, eqn: Eqn, step: Step, from_zero: bool, order: str | None) -> None:
        self.frame, self.step, self.from_zero, self.order = Frame(eqn), step, from_zero, order
        self.build = self.frame.builder
        eqn = self.frame.eqn
        self.dtype = eqn.outs[0].type.dtype
        self.wide = register_dtype(self.dtype)
        shape, axis = eqn.outs[0].type.shape, eqn.params["axis"]
        n, after = shape[axis], math.prod(shape[axis + 1 :])
        self.before, self.after, self.empty = math.prod(shape[:axis]), after, not math.prod(shape)
        reverse = eqn.params["reverse"]
        self.first = self.build.param("first", (n - 1) * after if reverse else 0)
        self.step_size = self.build.param("step", -after if reverse else after)
        self.slab = self.build.param("slab", n * after)
        # What begins with the first element has one step less.
        self.steps = self.build.param("steps", n if from_zero else max(n - 1, 0))

    def operands(self, at: Index) -> list[str]:
        return [self.build.cast(self.frame.load(k, at), self.wide) for k in range(len(self.frame.types))]

    def store(self, at: Index, value: str) -> None:
        self.build.store(self.frame.outs[0], at, self.build.cast(value, self.dtype))

    def start(self, at: Index) -> str:
        """The running value before the first step."""
        if self.from_zero:
            return self.build.const(self.wide, 0)
        (value,) = self.operands(at)
        self.store(at, value)
        return value

    def at_step(self, base: Index, i: Index) -> Index:
        first = base if self.from_zero else ix.add(base, self.step_size)
        return ix.add(first, ix.mul(i, self.step_size))

    def along_rows(self) -> Scheduled:
        extent = 0 if self.empty else self.before
        with self.build.loop(self.build.param("rows", extent), "parallel") as (row, _):
            base = ix.add(ix.mul(row, self.slab), self.first)
            start = self.start(base)
            if self.order is not None and is_inexact(self.wide):
                self._extrema(base, start, self.order)
            else:
                with self.build.loop(self.steps, "sequential", [(self.wide, "set", start)]) as (i, (before,)):
                    at = self.at_step(base, i)
                    value = self.step(self.build, self.wide, before, self.operands(at))
                    self.store(at, value)
                    self.build.accumulate(before, value)
        n = self.frame.types[0].size // max(extent, 1)
        return self.frame.finish(extent, grain=max(_CHUNK // max(n, 1), 1), work=_STEP_TIME * n * extent)

    def _extrema(self, base: Index, start: str, order: str) -> None:
        """A running maximum or minimum whose steps wait for one comparison: whether there was NaN is noted beside it."""
        build = self.build
        nan = build.const(self.wide, np.nan)
        carries = [(self.wide, "set", start), (BOOL, "or", build.op(BOOL, "is_nan", start))]
        with build.loop(self.steps, "sequential", carries) as (i, (before, nans)):
            at = self.at_step(base, i)
            (x,) = self.operands(at)
            value = build.op(self.wide, "select", build.op(BOOL, order, x, before), x, before)
            seen = build.op(BOOL, "or", nans, build.op(BOOL, "is_nan", x))
            self.store(at, build.op(self.wide, "select", seen, nan, value))
            build.accumulate(before, value)
            build.accumulate(nans, seen)

    def along_columns(self) -> Scheduled:
        build = self.build
        state = self.frame.scratch(self.wide, self.before * self.after)
        blocks = -(-self.after // WIDTH)
        extent = 0 if self.empty else self.before * blocks
        columns, per_slab = (
            build.param("columns", self.after),
            build.param("blocks in a slab", max(blocks, 1)),
        )
        with build.loop(build.param("blocks", extent), "parallel") as (block, _):
            slab, first = ix.div(block, per_slab), ix.mul(ix.mod(block, per_slab), WIDTH)
            width = ix.minimum(ix.sub(columns, first), WIDTH)
            base = ix.add(ix.add(ix.mul(slab, self.slab), first), self.first)
            row = ix.add(ix.mul(slab, columns), first)
            with build.loop(width, "vector") as (j, _):
                build.store(state, ix.add(row, j), self.start(ix.add(base, j)))
            with build.loop(self.steps, "sequential") as (i, _), build.loop(width, "vector") as (j, _):
                at, place = ix.add(self.at_step(base, i), j), ix.add(row, j)
                before = build.load(self.wide, state, place, written=True)
                value = self.step(build, self.wide, before, self.operands(at))
                build.store(state, place, value)
                self.store(at, value)
        n = self.frame.types[0].size // max(extent, 1)
        return self.frame.finish(extent, grain=max(_CHUNK // max(n, 1), 1), work=_STEP_TIME * n * extent / 4)


def _routine(step: Step, *, from_zero: bool = False, order: str | None = None) -> Callable[[Eqn], Scheduled]:
    def routine(eqn: Eqn) -> Scheduled:
        running = _Running(eqn, step, from_zero, order)
        return running.along_rows() if running.after == 1 else running.along_columns()

    return routine


def _fold(op: str, order: str | None = None) -> Callable[[Eqn], Scheduled]:
    return _routine(lambda build, dtype, y, xs: build.op(dtype, op, y, *xs), order=order)


def _log_add_exp(build: NestBuilder, dtype: np.dtype, y: str, xs: Sequence[str]) -> str:
    """log(exp(y) + exp(x)) from the larger; equal infinities have no difference."""
    (x,) = xs
    distance = build.op(dtype, "abs", build.op(dtype, "sub", y, x))
    tail = build.op(dtype, "log1p", build.op(dtype, "exp", build.op(dtype, "neg", distance)))
    apart = build.op(dtype, "add", build.op(dtype, "max", y, x), tail)
    twice = build.op(dtype, "add", y, build.const(dtype, math.log(2)))
    return build.op(dtype, "select", build.op(np.dtype(bool), "eq", y, x), twice, apart)


def _affine(build: NestBuilder, dtype: np.dtype, y: str, xs: Sequence[str]) -> str:
    factor, term = xs
    return build.op(dtype, "add", build.op(dtype, "mul", factor, y), term)


ROUTINES = {
    "cumsum": _fold("add"),
    "cumprod": _fold("mul"),
    "cummax": _fold("max", "gt"),
    "cummin": _fold("min", "lt"),
    "cumlogsumexp": _routine(_log_add_exp),
    "linear_recurrence": _routine(_affine, from_zero=True),
}
