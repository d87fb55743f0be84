"""Loops over the matrices of a stack: what the routines of linear algebra have in common.

The one idea: a `View` says where element (i, j) of a matrix is, so a transposed matrix is another view of the same
memory, and what is written for one side, or one triangle, serves the others. A row-major matrix is its transpose to
LAPACK, which counts columns first; where a transpose will do, nothing moves.

A stack goes in chunks. Each has scratch of its own, so chunks may run side by side.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np

from weft.ir.graph import Eqn
from weft.ir.loops.nest import Index, Place
from weft.ir.records import dataclass, replace
from weft.ir.types import BOOL, INT64, is_complex, real_dtype
from weft.kernels.schedule import Scheduled
from weft.kernels.schedule import index as ix
from weft.kernels.schedule.nest_builder import NestBuilder

INT32 = np.dtype(np.int32)
_CHUNKS = 32  # at most
_SCRATCH = 2**22  # elements of the largest matrix that all chunks may take together
_CHUNK_TIME = 20_000.0  # nanoseconds, so that handing out chunks costs little
PANEL = 64  # columns
_TILE = 16  # rows and columns that are transposed in one go


@dataclass(frozen=True, slots=True)
class View:
    """A matrix in a buffer: element (i, j) is at ``base + i*down + j*across``."""

    buffer: str
    dtype: np.dtype
    base: Index
    down: Index
    across: Index

    def at(self, i: Index, j: Index) -> Index:
        """Where an element is."""
        return ix.add(self.base, ix.add(ix.mul(i, self.down), ix.mul(j, self.across)))

    @property
    def place(self) -> Place:
        """The whole, as an argument of a call."""
        return Place(self.buffer, self.base)

    @property
    def transposed(self) -> View:
        """Rows as columns."""
        return replace(self, down=self.across, across=self.down)

    def from_the_end(self, rows: Index | None, columns: Index | None) -> View:
        """The last row (of so many), or the last column, first; ``None`` leaves that order as it is."""
        base, down, across = self.base, self.down, self.across
        if rows is not None:
            base, down = ix.add(base, ix.mul(ix.sub(rows, 1), down)), ix.sub(0, down)
        if columns is not None:
            base, across = ix.add(base, ix.mul(ix.sub(columns, 1), across)), ix.sub(0, across)
        return View(self.buffer, self.dtype, base, down, across)

    @property
    def by_columns(self) -> bool:
        """Whether neighbours in memory are neighbours in a column."""
        return self.down in (1, -1)


class Stack:
    """A nest for an equation of matrices ``(..., m, n)``: the same for each of them.

    Args:
        eqn: the equation, whose operands and results have the same leading axes.
        cost: about how many nanoseconds one matrix takes.
        copied: the operand that the first result starts as a copy of; it has no buffer of its own.
        matrix: the operand that has a matrix at each place of the stack.
        columns: how many of something each matrix has that can be computed side by side, such as right-hand sides: where they
            are many, they go in panels.

    Attributes:
        build: writes the statements.
        item: the number of the matrix, inside of `each`.
        width: the number of columns in this panel; 1 is known as such.
    """

    def __init__(
        self, eqn: Eqn, cost: float, copied: int | None = None, columns: int = 1, matrix: int = 0
    ) -> None:
        self.eqn, self.build, self.copied = eqn, NestBuilder(), copied
        self.ins = [
            self.build.buffer(a.type.dtype, "in") if k != copied else "" for k, a in enumerate(eqn.ins)
        ]
        self.outs = [self.build.buffer(var.type.dtype, "out") for var in eqn.outs]
        lead = eqn.ins[matrix].type.shape[:-2]
        self.columns, self.panels = columns, max(-(-columns // PANEL), 1)
        self.count = math.prod(lead) * self.panels
        self.work = math.prod(lead) * cost
        largest = max(math.prod(a.type.shape[len(lead) :]) for a in (*eqn.ins, *eqn.outs))
        most = min(_CHUNKS, max(_SCRATCH // max(largest, 1), 1), max(int(self.work / _CHUNK_TIME), 1))
        self.height = max(-(-self.count // most), 1)
        self.chunks = -(-self.count // self.height)
        self.item: Index = 0
        self.width: Index = 1
        self._first: Index = 0
        self._chunk: Index = 0
        self._scratch: list[int] = []

    def size(self, name: str, value: int) -> Index:
        """A number that depends on the shape: a parameter, and the same one for the same name."""
        return self.build.param(name, value)

    @contextmanager
    def each(self) -> Iterator[None]:
        """A loop over all matrices."""
        height, count = self.size("height", self.height), self.size("count", self.count)
        with self.build.loop(self.size("chunks", self.chunks), "parallel") as (self._chunk, _):
            first = ix.mul(self._chunk, height)
            with self.build.loop(ix.minimum(ix.sub(count, first), height), "sequential") as (i, _):
                self.item = ix.add(first, i)
                if self.columns != 1:
                    self.width = self.size("columns", self.columns)
                if self.panels > 1:
                    panels, number = self.size("panels", self.panels), self.item
                    self.item, self._first = ix.div(number, panels), ix.mul(ix.mod(number, panels), PANEL)
                    self.width = ix.minimum(ix.sub(self.width, self._first), PANEL)
                yield

    @property
    def all_columns(self) -> Index:
        """The number of columns in all panels."""
        return 1 if self.columns == 1 else self.size("columns", self.columns)

    def panel(self, view: View) -> View:
        """The columns of a matrix that this panel has."""
        return replace(view, base=ix.add(view.base, ix.mul(self._first, view.across)))

    def operand(self, k: int, rows: Index, columns: Index) -> View:
        """Operand ``k`` of this matrix, row-major."""
        return self._row_major(self.ins[k], self.eqn.ins[k].type.dtype, rows, columns)

    def result(self, k: int, rows: Index, columns: Index) -> View:
        """Result ``k`` for this matrix, row-major."""
        return self._row_major(self.outs[k], self.eqn.outs[k].type.dtype, rows, columns)

    def _row_major(self, buffer: str, dtype: np.dtype, rows: Index, columns: Index) -> View:
        return View(buffer, dtype, ix.mul(self.item, ix.mul(rows, columns)), columns, 1)

    def workspace(self, name: str, dtype: np.dtype, length: int) -> tuple[Place, Index]:
        """Memory for a routine to work in, and its length."""
        view = self.scratch(name, dtype, max(length, 1))
        return view.place, view.across

    def scratch(self, name: str, dtype: np.dtype, rows: int, columns: int = 1) -> View:
        """Memory for this chunk, seen as a matrix by columns."""
        down = self.size(f"rows of {name}", rows)
        size = ix.mul(down, self.size(f"columns of {name}", columns)) if columns != 1 else down
        self._scratch.append(rows * columns * self.chunks)
        return View(self.build.buffer(dtype, "scratch"), dtype, ix.mul(self._chunk, size), 1, down)

    def finish(self) -> Scheduled:
        """The nest."""
        return Scheduled(
            self.build.finish(),
            tuple(self.build.params),
            self.chunks,
            tuple(self._scratch),
            self.copied,
            grain=1,
            work=self.work,
            calls=True,
        )

    # Elements

    def load(self, view: View, i: Index, j: Index = 0) -> str:
        """Element (i, j), here and now."""
        return self.build.load(view.dtype, view.buffer, view.at(i, j), written=True)

    def store(self, view: View, i: Index, j: Index, value: str) -> None:
        """Set element (i, j)."""
        self.build.store(view.buffer, view.at(i, j), value)

    def conj(self, x: str) -> str:
        """The conjugate; a real number itself."""
        dtype = self.build.dtype(x)
        return self.build.op(dtype, "conj", x) if is_complex(dtype) else x

    def real(self, x: str) -> str:
        """The real part."""
        dtype = self.build.dtype(x)
        return self.build.op(real_dtype(dtype), "real", x) if is_complex(dtype) else x

    def size_of(self, x: str) -> str:
        """``|re| + |im|``, by which LAPACK compares pivots."""
        dtype = self.build.dtype(x)
        if not is_complex(dtype):
            return self.build.op(dtype, "abs", x)
        parts = [self.build.op(real_dtype(dtype), part, x) for part in ("real", "imag")]
        return self.build.op(
            real_dtype(dtype), "add", *(self.build.op(real_dtype(dtype), "abs", part) for part in parts)
        )

    def times(self, condition: str) -> str:
        """1 where a bool is true, else 0: the extent of a loop around what is to be done only then."""
        return self.build.cast(condition, INT64)

    def unless_zero(self, number: str) -> str:
        """1 where an integer is not 0, else 0."""
        zero = self.build.const(self.build.dtype(number), 0)
        return self.times(self.build.op(BOOL, "ne", number, zero))

    def if_so(self, condition: str, write: Callable[[], str]) -> Index:
        """Call a routine only where a bool is true; gives 1 where it was not called or failed, else 0."""
        build = self.build
        start = [(INT32, "set", build.const(INT32, 1))]
        with build.loop(self.times(condition), "sequential", start) as (_, (info,)):
            build.accumulate(info, write())
        return self.unless_zero(info)

    # Whole matrices

    def is_finite(self, view: View, rows: Index, columns: Index) -> str:
        """Whether all elements are, of a matrix without gaps, as a bool."""
        build = self.build
        flat = replace(view, down=1)
        true = build.const(BOOL, True)
        with build.loop(ix.mul(rows, columns), "vector", [(BOOL, "and", true)]) as (i, (finite,)):
            build.accumulate(finite, build.op(BOOL, "is_finite", self.load(flat, i)))
        return finite

    def fill(self, view: View, rows: Index, columns: Index, value: float = 0) -> None:
        """Set all elements."""
        const = self.build.const(view.dtype, value)
        if view.by_columns:
            view, rows, columns = view.transposed, columns, rows
        with self.build.loop(rows, "sequential") as (i, _), self.build.loop(columns, "vector") as (j, _):
            self.store(view, i, j, const)

    def scale_rows(self, view: View, factors: View, rows: Index, columns: Index) -> None:
        """Multiply row i of a matrix by columns with ``factors[i]``, which are real."""
        build = self.build
        with build.loop(columns, "sequential") as (j, _), build.loop(rows, "vector") as (i, _):
            factor = build.cast(self.load(factors, i), view.dtype)
            self.store(view, i, j, build.op(view.dtype, "mul", self.load(view, i, j), factor))

    def copy(self, target: View, source: View, rows: Index, columns: Index) -> None:
        """Copy all elements; in tiles where one matrix is by rows and the other by columns."""
        if target.by_columns:
            target, source, rows, columns = target.transposed, source.transposed, columns, rows
        build = self.build
        if not source.by_columns:
            with build.loop(rows, "sequential") as (i, _), build.loop(columns, "vector") as (j, _):
                self.store(target, i, j, self.load(source, i, j))
            return
        tiles = [ix.div(ix.add(extent, _TILE - 1), _TILE) for extent in (rows, columns)]
        with build.loop(tiles[0], "sequential") as (a, _), build.loop(tiles[1], "sequential") as (b, _):
            top, left = ix.mul(a, _TILE), ix.mul(b, _TILE)
            height, width = (
                ix.minimum(ix.sub(extent, first), _TILE) for extent, first in ((rows, top), (columns, left))
            )
            with build.loop(height, "sequential") as (i, _), build.loop(width, "vector") as (j, _):
                i, j = ix.add(top, i), ix.add(left, j)
                self.store(target, i, j, self.load(source, i, j))
