"""Writing a part of an array: scatter, dynamic_update_slice and update_slice.

The one idea: the result starts as a copy of the operand, which the run-time makes (or not, where the operand is
not wanted any more), and the nest goes through the updates alone. Updates of a scatter are taken in order, so those
for one place add up as they would one after the other, and the last one of several stays. Where many updates meet
at few places, blocks of them are added up side by side, in tables of their own.
"""

from __future__ import annotations

import math
from contextlib import ExitStack

import numpy as np

from weft.ir.graph import Eqn
from weft.ir.loops.nest import Index
from weft.ir.records import dataclass
from weft.ir.types import BOOL, INT64, ArrayType, is_complex, is_inexact
from weft.kernels.library.frame import Frame, library_equation
from weft.kernels.schedule import Scheduled
from weft.kernels.schedule import index as ix
from weft.kernels.schedule.fold import identity
from weft.kernels.schedule.nest_builder import NestBuilder

_KNOWN_STEP = 16  # steps up to which code knows them, as it does those of slices
UINT64 = np.dtype(np.uint64)
_SHORT_ROW = 16  # elements of an update up to which code knows how many there are: a loop along it would hardly be begun


def _strides(shape: tuple[int, ...]) -> list[int]:
    return [math.prod(shape[axis + 1 :]) for axis in range(len(shape))]


class _Points:
    """The updates of a scatter: where each goes, and what it brings.

    Attributes:
        frame: the nest.
        groups: sizes and strides of the axes that are taken whole.
        row: how many elements an update has.
    """

    def __init__(self, eqn: Eqn, copied: int | None) -> None:
        self.frame = Frame(eqn, copied)
        self.build, params = self.frame.builder, self.frame.eqn.params
        self.x, updates, first, *_ = self.frame.types
        self.axes, self.op, self.mode = params["axes"], params["op"], params["mode"]
        self.number = first.size if updates.size else 0
        self.groups = _whole_groups(self.x.shape, self.axes)
        self.row = math.prod(size for size, _ in self.groups)

    def place(self, point: Index) -> tuple[Index, list[str]]:
        """Where update ``point`` begins, and the conditions under which that is inside."""
        build, strides = self.build, _strides(self.x.shape)
        at: Index = 0
        inside: list[str] = []
        for k, axis in enumerate(self.axes):
            place = self.frame.position(2 + k, point)
            size = build.param(("size", axis), self.x.shape[axis])
            if self.mode != "clip":  # a negative number is a large one without its sign
                above, unsigned = build.cast(build.index_value(size), UINT64), build.cast(place, UINT64)
                inside.append(build.op(BOOL, "lt", unsigned, above))
            stride: Index = 1 if strides[axis] == 1 else build.param(("stride", axis), strides[axis])
            inner = ix.clamp(place, ix.sub(size, 1)) if self.mode == "clip" else place
            at = ix.add(at, ix.mul(inner, stride))
        return at, inside

    def fold(self, buffer: str, at: Index, source: Index) -> None:
        """Bring element ``source`` of the updates to ``at``."""
        value = self.frame.load(1, source)
        if self.op != "set":
            old = self.build.load(self.x.dtype, buffer, at, written=True)
            value = self.build.op(self.x.dtype, self.op, old, value)
        self.build.store(buffer, at, value)

    def update(self, buffer: str, base: Index, point: Index) -> None:
        """Write update ``point`` to a buffer like the result that begins at ``base``, unless it is outside."""
        build = self.build
        at, inside = self.place(point)
        at = ix.add(base, at)
        with ExitStack() as stack:
            # An update outside is a loop that runs not even once.
            guard: Index = build.cast(self.frame.all(inside), INT64) if inside else 1
            short = self.row <= _SHORT_ROW
            if short and inside:
                stack.enter_context(build.loop(guard, "sequential"))
            source: Index = point
            for n, (size, stride_of_group) in enumerate(self.groups):
                extent: Index = size if short else build.param(("whole", n), size)
                innermost = n == len(self.groups) - 1
                bound = ix.mul(extent, guard) if n == 0 and not short else extent
                i, _ = stack.enter_context(build.loop(bound, "vector" if innermost else "sequential"))
                step: Index = 1 if stride_of_group == 1 else build.param(("step", n), stride_of_group)
                at = ix.add(at, ix.mul(i, step))
                source = ix.add(ix.mul(source, extent), i)
            self.fold(buffer, at, source)


def _scatter(eqn: Eqn) -> Scheduled | None:
    x, updates = library_equation(eqn).in_types[:2]
    op = library_equation(eqn).params["op"]
    if is_complex(x.dtype) and op in ("min", "max"):
        return None
    tables = _Tables.of(x, updates, op)
    return _in_order(eqn) if tables is None else _by_tables(eqn, tables)


def _in_order(eqn: Eqn) -> Scheduled:
    points = _Points(eqn, copied=0)
    build = points.build
    with build.loop(build.param("points", points.number), "sequential") as (point, _):
        points.update(points.frame.outs[0], 0, point)
    return points.frame.finish(1)


# Many updates of few elements

_BLOCKS = 16  # blocks at most
_BLOCK = 2**14  # elements of a block at least
_SHARE = 16  # elements of updates to one of a table at least
_LANES = 4  # tables of a block: an update need not wait for the one before it, if they meet
_WIDTH = 512  # elements of tables that are added up side by side
_UPDATE_TIME, _ADD_TIME = 0.8, 0.2  # nanoseconds


@dataclass(frozen=True, slots=True)
class _Tables:
    """How many updates are folded into tables of their own, which are then folded in turn. Sizes alone decide."""

    blocks: int
    lanes: int
    room: int

    @classmethod
    def of(cls, x: ArrayType, updates: ArrayType, op: str) -> _Tables | None:
        """The tables for so many updates; ``None`` where going through the updates in order is less work."""
        if op == "set":
            return None
        lanes = _LANES if updates.ndim == 1 else 1
        room = x.size + 1  # one more for what is outside
        blocks = min(updates.size // (_SHARE * lanes * room), updates.size // _BLOCK, _BLOCKS)
        return cls(blocks, lanes, room) if blocks > 1 else None


def _by_tables(eqn: Eqn, tables: _Tables) -> Scheduled:
    """Fold blocks of updates into tables of neutral elements, then the tables into the result, in fixed order."""
    points = _Points(eqn, copied=None)
    frame, build, dtype = points.frame, points.build, points.x.dtype
    scratch = frame.scratch(dtype, tables.blocks * tables.lanes * tables.room)
    # -0.0 is what changes no sum, not even one that is -0.0.
    signed = points.op == "add" and is_inexact(dtype)
    neutral = build.const(dtype, -dtype.type(0) if signed else identity(points.op, dtype))
    height = -(-points.number // tables.blocks)
    size, per_block = build.param("size", tables.room - 1), build.param("points in a block", height)
    room = ix.add(size, 1)
    of_block = ix.mul(room, tables.lanes)
    with build.loop(build.param("blocks", tables.blocks), "parallel") as (block, _):
        base, first = ix.mul(block, of_block), ix.mul(block, per_block)
        number = build.param("points", points.number)
        count = ix.maximum(ix.minimum(ix.sub(number, first), per_block), 0)
        with build.loop(of_block, "vector") as (i, _):
            build.store(scratch, ix.add(base, i), neutral)
        with build.loop(ix.div(count, tables.lanes), "sequential") as (i, _):
            for lane in range(tables.lanes):
                table = ix.add(base, ix.mul(room, lane))
                _update_table(
                    points, scratch, table, ix.add(ix.add(first, ix.mul(i, tables.lanes)), lane), size
                )
        rest = ix.mod(count, tables.lanes)
        with build.loop(rest, "sequential") as (i, _):
            _update_table(points, scratch, base, ix.sub(ix.add(first, ix.add(i, count)), rest), size)
    work = points.number * max(math.prod(n for n, _ in points.groups) / 4, 1) * _UPDATE_TIME
    return frame.finish(tables.blocks, grain=1, work=work, then=_add_tables(eqn, tables))


def _update_table(points: _Points, scratch: str, table: Index, point: Index, size: Index) -> None:
    if points.groups:
        points.update(scratch, table, point)
        return
    at, inside = points.place(point)
    if inside:
        # What is outside goes behind the table: no branch.
        build = points.build
        at = build.op(
            INT64, "select", points.frame.all(inside), build.index_value(at), build.index_value(size)
        )
    points.fold(scratch, ix.add(table, at), point)


def _add_tables(eqn: Eqn, tables: _Tables) -> Scheduled:
    points = _Points(eqn, copied=None)
    frame, build, dtype = points.frame, points.build, points.x.dtype
    scratch, out = frame.scratch(dtype, tables.blocks * tables.lanes * tables.room), frame.outs[0]
    size = build.param("size", tables.room - 1)
    blocks = -(-(tables.room - 1) // _WIDTH)
    with build.loop(build.param("column blocks", blocks), "parallel") as (block, _):
        first = ix.mul(block, _WIDTH)
        width = ix.minimum(ix.sub(size, first), _WIDTH)
        with build.loop(width, "vector") as (j, _):
            build.store(out, ix.add(first, j), frame.load(0, ix.add(first, j)))
        with build.loop(build.param("tables", tables.blocks * tables.lanes), "sequential") as (t, _):
            table = ix.add(ix.mul(t, ix.add(size, 1)), first)
            with build.loop(width, "vector") as (j, _):
                old = build.load(dtype, out, ix.add(first, j), written=True)
                new = build.load(dtype, scratch, ix.add(table, j), written=True)
                build.store(out, ix.add(first, j), build.op(dtype, points.op, old, new))
    return frame.finish(blocks, work=tables.blocks * tables.lanes * tables.room * _ADD_TIME)


def _whole_groups(shape: tuple[int, ...], axes: tuple[int, ...]) -> list[tuple[int, int]]:
    """Sizes and strides of the axes taken whole, neighbours joined."""
    groups: list[tuple[int, int]] = []
    strides = _strides(shape)
    for axis, n in enumerate(shape):
        if axis in axes or n == 1:
            continue
        if groups and groups[-1][1] == n * strides[axis]:
            groups[-1] = (groups[-1][0] * n, strides[axis])
        else:
            groups.append((n, strides[axis]))
    return groups


def _update_slice(eqn: Eqn) -> Scheduled:
    x, update = library_equation(eqn).in_types[:2]
    frame = Frame(eqn, copied=None if update.shape == x.shape else 0)
    build = frame.builder
    strides = _strides(x.shape)
    at: Index = 0
    # An axis of one element is no loop; one that the window spans is one piece with the axis before it.
    sizes: list[list[int]] = []
    for axis, (n, width) in enumerate(zip(x.shape, update.shape, strict=True)):
        if width != n:
            largest = build.param(("largest start", axis), n - width)
            stride: Index = 1 if strides[axis] == 1 else build.param(("stride", axis), strides[axis])
            at = ix.add(at, ix.mul(ix.clamp(frame.position(2 + axis, 0), largest), stride))
        if width == 1:
            continue
        if sizes and width == n and sizes[-1][1] == n * strides[axis]:
            sizes[-1] = [sizes[-1][0] * width, strides[axis]]
        else:
            sizes.append([width, strides[axis]])
    sizes = sizes or [[1, 1]]
    extent = sizes[0][0] if update.size else 0
    source: Index = 0
    with ExitStack() as stack:
        for k, (width, step) in enumerate(sizes):
            count = build.param(("width", k), extent if k == 0 else width)
            kind = "parallel" if k == 0 else "vector" if k == len(sizes) - 1 else "sequential"
            i, _ = stack.enter_context(build.loop(count, kind))
            at = ix.add(at, ix.mul(i, 1 if step == 1 else build.param(("step", k), step)))
            source = ix.add(ix.mul(source, count), i)
        build.store(frame.outs[0], at, frame.load(1, source))
    row = update.size // max(extent, 1)
    return frame.finish(extent, grain=max(_BLOCK // max(row, 1), 1), work=update.size * _ADD_TIME)


def _update_strided(eqn: Eqn) -> Scheduled:
    (x, update), params = library_equation(eqn).in_types, library_equation(eqn).params
    frame = Frame(eqn, copied=0)
    build = frame.builder
    at: Index = 0
    # Steps between the elements along an axis: of the axis, and of the array.
    sizes: list[tuple[int, int, int]] = []
    for axis, stride in enumerate(_strides(x.shape)):
        first, step, width = params["start"][axis], params["strides"][axis], update.shape[axis]
        at = ix.add(
            at, _scaled(build.param(("first", axis), first) if first else 0, stride, ("stride", axis), build)
        )
        if width == 1:
            continue
        if (
            sizes and sizes[-1][1] * sizes[-1][2] == width * step * stride
        ):  # one piece with the axis before it
            sizes[-1] = (sizes[-1][0] * width, step, stride)
        else:
            sizes.append((width, step, stride))
    sizes = sizes or [(1, 1, 1)]
    extent = sizes[0][0] if update.size else 0
    source: Index = 0
    with ExitStack() as stack:
        for k, (width, step, stride) in enumerate(sizes):
            count = build.param(("width", k), extent if k == 0 else width)
            kind = "parallel" if k == 0 else "vector" if k == len(sizes) - 1 else "sequential"
            i, _ = stack.enter_context(build.loop(count, kind))
            known: Index = step if step <= _KNOWN_STEP else build.param(("step", k), step)
            at = ix.add(at, _scaled(ix.mul(i, known), stride, ("apart", k), build))
            source = ix.add(ix.mul(source, count), i)
        build.store(frame.outs[0], at, frame.load(1, source))
    row = update.size // max(extent, 1)
    return frame.finish(extent, grain=max(_BLOCK // max(row, 1), 1), work=update.size * _ADD_TIME)


def _scaled(index: Index, stride: int, key: tuple[str, int], build: NestBuilder) -> Index:
    return index if stride == 1 or index == 0 else ix.mul(index, build.param(key, stride))


ROUTINES = {"scatter": _scatter, "dynamic_update_slice": _update_slice, "update_slice": _update_strided}
