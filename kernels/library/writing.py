"""Writing at computed places: scatter and dynamic_update_slice.

The one idea: the result starts as a copy of the operand, which the run-time makes, and the nest goes through
the updates alone. Updates of a scatter are taken in order, so those for one place add up as they would one
after the other, and the last one of several stays.
"""

from __future__ import annotations

import math
from contextlib import ExitStack

from weft.ir.graph import Eqn
from weft.ir.loops.nest import Index
from weft.ir.types import INT64, is_complex
from weft.kernels.library.frame import Frame, library_equation
from weft.kernels.schedule import Scheduled
from weft.kernels.schedule import index as ix


def _strides(shape: tuple[int, ...]) -> list[int]:
    return [math.prod(shape[axis + 1 :]) for axis in range(len(shape))]


def _scatter(eqn: Eqn) -> Scheduled | None:
    frame = Frame(eqn, copied=0)
    build, out, params = frame.builder, frame.outs[0], frame.eqn.params
    x, updates, first, *_ = frame.types
    axes, op, mode = params["axes"], params["op"], params["mode"]
    if is_complex(x.dtype) and op in ("min", "max"):
        return None
    strides = _strides(x.shape)
    groups = _whole_groups(x.shape, axes)
    points = build.param("points", first.size if updates.size else 0)
    with ExitStack() as stack:
        point, _ = stack.enter_context(build.loop(points, "sequential"))
        at: Index = 0
        inside: list[str] = []
        for k, axis in enumerate(axes):
            place = frame.position(2 + k, point)
            last = ix.sub(build.param(("size", axis), x.shape[axis]), 1)
            if mode != "clip":
                inside += [build.compare("ge", place, 0), build.compare("le", place, last)]
            stride: Index = 1 if strides[axis] == 1 else build.param(("stride", axis), strides[axis])
            at = ix.add(at, ix.mul(ix.clamp(place, last) if mode == "clip" else place, stride))
        # An update outside is a loop that runs not even once.
        guard: Index = build.cast(frame.all(inside), INT64) if inside else 1
        if not groups and inside:
            stack.enter_context(build.loop(guard, "sequential"))
        source: Index = point
        for n, (size, stride_of_group) in enumerate(groups):
            extent = build.param(("whole", n), size)
            innermost = n == len(groups) - 1
            bound = ix.mul(extent, guard) if n == 0 else extent
            i, _ = stack.enter_context(build.loop(bound, "vector" if innermost else "sequential"))
            step: Index = 1 if stride_of_group == 1 else build.param(("step", n), stride_of_group)
            at = ix.add(at, ix.mul(i, step))
            source = ix.add(ix.mul(source, extent), i)
        value = frame.load(1, source)
        if op != "set":
            value = build.op(x.dtype, op, build.load(x.dtype, out, at, written=True), value)
        build.store(out, at, value)
    return frame.finish(1)


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
    # A window that spans an axis is one piece with the axis before it.
    sizes: list[list[int]] = []
    for axis, (n, width) in enumerate(zip(x.shape, update.shape, strict=True)):
        if width != n:
            largest = build.param(("largest start", axis), n - width)
            stride: Index = 1 if strides[axis] == 1 else build.param(("stride", axis), strides[axis])
            at = ix.add(at, ix.mul(ix.clamp(frame.position(2 + axis, 0), largest), stride))
        if n == 1:
            continue
        if sizes and width == n:
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
    return frame.finish(extent)


ROUTINES = {"scatter": _scatter, "dynamic_update_slice": _update_slice}
