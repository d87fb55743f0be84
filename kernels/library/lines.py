"""Rows along an axis: what routines have in common that take an array row by row.

The one idea: an array is so many rows of one length, whose elements are a stride apart. Rows are done in chunks, each
with scratch of its own, so there is no more scratch than a bounded number of rows takes.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager

from weft.ir.graph import Eqn
from weft.ir.loops.nest import Index
from weft.kernels.library.frame import Frame
from weft.kernels.schedule import Scheduled
from weft.kernels.schedule import index as ix

_BLOCKS, _SCRATCH = 64, 2**22  # chunks of rows at most, and elements of scratch that they may take together


class Rows:
    """The rows of an equation's operands along an axis, in chunks that have scratch of their own."""

    def __init__(self, eqn: Eqn, num_keys: int, axis: int) -> None:
        self.frame = Frame(eqn)
        self.build = self.frame.builder
        shape = self.frame.types[0].shape
        self.n = shape[axis]
        self.dtypes = [t.dtype for t in self.frame.types]
        self.keys = self.dtypes[:num_keys]
        after = math.prod(shape[axis + 1 :])
        self.rows = math.prod(shape) // self.n if self.n else 0
        limit = max(min(_BLOCKS, _SCRATCH // max(self.n, 1)), 1)
        self.height = max(-(-self.rows // limit), 1)
        self.blocks = -(-self.rows // self.height)
        self.length = self.build.param("length", self.n)
        self.stride: Index = 1 if after == 1 else self.build.param("stride", after)

    def begin(self, row: Index) -> Index:
        """Where a row begins."""
        slab = ix.mul(ix.div(row, self.stride), ix.mul(self.stride, self.length))
        return ix.add(slab, ix.mod(row, self.stride)) if self.stride != 1 else slab

    def place(self, begin: Index, i: Index) -> Index:
        """Where element ``i`` of a row is."""
        return ix.add(begin, ix.mul(i, self.stride))

    @contextmanager
    def each(self) -> Iterator[tuple[Index, Index]]:
        """A loop over all rows: the number of the chunk, and where the row begins."""
        build = self.build
        per_block = build.param("rows in a block", self.height)
        rows = build.param("rows", self.rows)
        with build.loop(build.param("blocks", self.blocks), "parallel") as (block, _):
            first = ix.mul(block, per_block)
            height = ix.minimum(ix.sub(rows, first), per_block)
            with build.loop(height, "sequential") as (i, _):
                yield block, self.begin(ix.add(first, i))

    def finish(self, row_time: float) -> Scheduled:
        """The nest; a row takes ``row_time`` nanoseconds."""
        return self.frame.finish(self.blocks, grain=1, work=self.rows * row_time)
