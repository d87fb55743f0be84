"""Convolutions without padding: which form their loops have, and the direct form.

The one idea: matrix products (patches.py) are for convolutions with many products for each element that is read. What is left
are depthwise and small ones, and integers: a row of results is summed side by side, in registers where there are few terms, or
in place, one product at a time.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack

import numpy as np

from weft.ir.graph import Eqn
from weft.ir.loops.nest import Index
from weft.ir.ops.convolution import conv_sizes, has_products
from weft.kernels.library.lapack import LETTERS, NoRoutine
from weft.kernels.library.patches import schedule_patches
from weft.kernels.library.pooling import WIDTH
from weft.kernels.library.strided import Axis, Contraction, contraction, size_of
from weft.kernels.schedule import Scheduled
from weft.kernels.schedule import index as ix
from weft.kernels.schedule.nest_builder import NestBuilder

_CHUNK_TIME = 30_000.0  # nanoseconds
_PRODUCT = 0.6  # nanoseconds for a product of the direct form
_IN_REGISTERS = 0.15  # and one of a sum that is written out
_WRITTEN_OUT = 32  # terms of a sum that stays in a register


def _convolution(eqn: Eqn) -> Scheduled | None:
    if any(low or high for low, high in eqn.params["padding"]) or set(eqn.params["lhs_dilation"]) - {1}:
        return None
    found = contraction(eqn)
    sizes = conv_sizes(eqn.ins[0].type, eqn.ins[1].type, eqn.params)
    if eqn.outs[0].type.dtype in LETTERS and has_products(sizes) and found.terms and size_of(found.kept):
        try:
            scheduled = schedule_patches(eqn, found)
        except NoRoutine:
            scheduled = None
        if scheduled is not None:
            return scheduled
    return _direct(eqn, found)


def _direct(eqn: Eqn, found: Contraction) -> Scheduled:
    *outer, lane = found.kept or (Axis("one", 1, 0, 0, 1),)
    build, dtype = NestBuilder(), eqn.outs[0].type.dtype
    x, w = (build.buffer(dtype, "in") for _ in range(2))
    out = build.buffer(dtype, "out")
    pieces = -(-lane.count // WIDTH)
    rows = size_of(outer) * pieces

    def number(name: str, n: int, value: int) -> Index:
        return value if value in (0, 1) else build.param((name, n), value)

    with build.loop(build.param("pieces", rows), "parallel") as (piece, _):
        lanes, of_row = build.param("lanes", lane.count), build.param("pieces of a row", max(pieces, 1))
        begin = ix.mul(ix.mod(piece, of_row), WIDTH)
        width = ix.minimum(ix.sub(lanes, begin), WIDTH)
        rest: Index = ix.div(piece, of_row)
        first = ix.add(ix.mul(rest, lanes), begin)
        at_x = ix.mul(begin, number("x of lane", 0, lane.x))
        at_w = ix.mul(begin, number("w of lane", 0, lane.w))
        for n in reversed(range(len(outer))):
            count = build.param(("count", n), max(outer[n].count, 1))
            i = ix.mod(rest, count) if n else rest
            rest = ix.div(rest, count)
            at_x = ix.add(at_x, ix.mul(i, number("x", n, outer[n].x)))
            at_w = ix.add(at_w, ix.mul(i, number("w", n, outer[n].w)))

        def product(j: Index, terms: Sequence[Index]) -> str:
            """One term of the sum that is lane ``j``."""
            place_x, place_w = at_x, at_w
            for n, (k, axis) in enumerate(zip(terms, found.summed, strict=True)):
                place_x = ix.add(place_x, ix.mul(k, number("x of terms", n, axis.x)))
                place_w = ix.add(place_w, ix.mul(k, number("w of terms", n, axis.w)))
            left = build.load(dtype, x, ix.add(place_x, ix.mul(j, number("x of lane", 0, lane.x))))
            right = build.load(dtype, w, ix.add(place_w, ix.mul(j, number("w of lane", 0, lane.w))))
            return build.op(dtype, "mul", left, right)

        if 0 < found.terms <= _WRITTEN_OUT:
            with build.loop(width, "vector") as (j, _):
                total = build.const(dtype, 0)
                for tap in np.ndindex(*(axis.count for axis in found.summed)):
                    total = build.op(dtype, "add", total, product(j, tap))
                build.store(out, ix.add(first, j), total)
        else:
            with build.loop(width, "vector") as (j, _):
                build.store(out, ix.add(first, j), build.const(dtype, 0))
            with ExitStack() as stack:
                terms = [
                    stack.enter_context(build.loop(build.param(("terms", n), axis.count), "sequential"))[0]
                    for n, axis in enumerate(found.summed)
                ]
                j, _ = stack.enter_context(build.loop(width, "vector"))
                place, term = ix.add(first, j), product(j, terms)
                before = build.load(dtype, out, place, written=True)
                build.store(out, place, build.op(dtype, "add", before, term))
    each = _IN_REGISTERS if found.terms <= _WRITTEN_OUT else _PRODUCT
    time = each * min(lane.count, WIDTH) * max(found.terms, 1)
    return Scheduled(
        build.finish(),
        tuple(build.params),
        rows,
        (),
        grain=max(int(_CHUNK_TIME / max(time, 1.0)), 1),
        work=rows * time,
    )


ROUTINES = {"conv": _convolution}
