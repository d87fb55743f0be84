"""Contractions of views as matrix products: what windows see is copied out, a tile at a time, and multiplied by BLAS.

The one idea: the elements of ``x`` that make some results are a matrix, one row for each place of a window, one column for
each term of its sums. A tile of it is small enough to stay in cache between the copy and the product, so memory
sees ``x`` and the result alone. A tile is some rows and all columns; or, where sums are long and results are few (the
gradient of the windows), all rows and some columns, whose products are added up.

Tiles follow from sizes alone. Each chunk of tiles has a matrix of its own and, where it adds up, a result of its own; so
chunks may run side by side, and results are the same bits however they do.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from itertools import pairwise

from weft.ir.graph import Eqn
from weft.ir.loops.nest import Copy, Index, Letter, Place
from weft.ir.records import dataclass, replace
from weft.kernels.library.lapack import call
from weft.kernels.library.strided import Axis, Contraction, size_of
from weft.kernels.schedule import Scheduled
from weft.kernels.schedule import index as ix
from weft.kernels.schedule.nest_builder import NestBuilder

_TILE = 2**20  # bytes of a tile
# Multiplications up to which OpenBLAS takes matrices as they lie, and rows that a tile should have for that to pay.
_SMALL_PRODUCT, _FEW_ROWS = 10**6, 48
_CHUNKS = 64  # at most
_CHUNK_TIME = 150_000.0  # nanoseconds
_COPY = 0.3  # nanoseconds to copy an element
_MULTIPLICATION = {
    4: 0.02,
    8: 0.04,
    16: 0.16,
}  # nanoseconds, by the size of an element
_WIDTH = 512  # elements of results that are added up in one go
_LARGEST = 2**31 - 1


@dataclass(frozen=True, slots=True)
class _Product:
    """How a contraction is a product: ``out[outer, run, feature] += patches[outer, run, summed] * w[outer, summed, feature]``.

    Attributes:
        outer: axes that are looped over, each with a product of its own.
        run: axes that make one row after the other.
        feature: the columns of the product.
        summed: the terms.
        by_rows: the result has its features as neighbours; else its rows.
        w_rows: in ``w`` the terms are rows; else the features are.
        w_step: elements from one row of ``w`` to the next.
    """

    outer: tuple[Axis, ...]
    run: tuple[Axis, ...]
    feature: Axis
    summed: tuple[Axis, ...]
    by_rows: bool
    w_rows: bool
    w_step: int


_ONE = Axis("one", 1, 0, 0, 1)


def _as_product(c: Contraction) -> _Product | None:
    """Which axes are which; ``None`` where ``w`` is no matrix as it lies."""
    feature = next((a for a in c.kept if a.w and not a.x), Axis("feature", 1, 0, 1, 1))
    last = max((n for n, axis in enumerate(c.kept) if axis.w), default=-1)
    behind = c.kept[last + 1 :]
    if behind and last >= 0:
        outer, run, by_rows = tuple(a for a in c.kept[: last + 1] if a is not feature), behind, False
    else:
        outer = tuple(a for a in c.kept if a.w and a is not feature)
        run, by_rows = tuple(a for a in c.kept if not a.w), True
    summed = c.summed or (_ONE,)
    step = summed[-1].w
    if any(a.w != b.count * b.w for a, b in pairwise(summed)):
        return None
    terms = c.terms
    if feature.count == 1 or (feature.w == 1 and (step >= feature.count or terms == 1)):
        w_rows, w_step = True, max(step, feature.count) if terms > 1 else feature.count
    elif step == 1 or terms == 1:
        w_rows, w_step = False, feature.w
    else:
        return None
    return _Product(outer, run or (_ONE,), feature, summed, by_rows, w_rows, w_step)


def schedule_patches(eqn: Eqn, contraction: Contraction) -> Scheduled | None:
    """The nest of a contraction whose products are many; ``None`` where BLAS cannot have ``w`` as it lies."""
    product = _as_product(contraction)
    if product is None:
        return None
    rows, terms = size_of(product.run), size_of(product.summed)
    if max(rows, terms, product.feature.count, product.w_step, eqn.outs[0].type.size) > _LARGEST:
        return None
    tile = max(_TILE // eqn.outs[0].type.dtype.itemsize, 1)
    if terms >= 4 * rows and rows * terms > tile:
        return _Patches(eqn, product, tile).by_columns()
    return _Patches(eqn, product, tile).by_rows()


class _Patches:
    """Writes the nest of one product."""

    def __init__(self, eqn: Eqn, product: _Product, tile: int) -> None:
        self.eqn, self.product, self.tile = eqn, product, tile
        self.dtype = eqn.outs[0].type.dtype
        self._begin()
        self.terms_count = size_of(product.summed)
        self.rows_count = size_of(product.run)
        self.work = (
            size_of(product.outer)
            * self.rows_count
            * self.terms_count
            * (_COPY + _MULTIPLICATION.get(self.dtype.itemsize, 0.1) * product.feature.count)
        )

    def _begin(self) -> None:
        """The buffers; of the second nest too."""
        self.build = NestBuilder()
        self.x, self.w = (self.build.buffer(self.dtype, "in") for _ in range(2))
        self.out = self.build.buffer(self.dtype, "out")
        self.patches = self.build.buffer(self.dtype, "scratch")

    def number(self, name: str, n: int, value: int) -> Index:
        """A number of an axis: a parameter, but for 0 and 1."""
        return value if value in (0, 1) else self.build.param((name, n), value)

    def size(self, name: str, value: int) -> Index:
        """A number that depends on the shape."""
        return self.build.param(name, value)

    def decode(self, name: str, axes: Sequence[Axis], flat: Index) -> list[Index]:
        """The indices along axes from a flat one."""
        where: list[Index] = []
        for n in reversed(range(len(axes))):
            count = self.size(f"count of {name}{n}", max(axes[n].count, 1))
            where.insert(0, ix.mod(flat, count) if n else flat)
            flat = ix.div(flat, count)
        return where

    def offset(self, name: str, array: str, axes: Sequence[Axis], where: Sequence[Index]) -> Index:
        """How far indices along axes go in an array."""
        at: Index = 0
        for n, (axis, i) in enumerate(zip(axes, where, strict=True)):
            at = ix.add(at, ix.mul(i, self.number(f"{array} of {name}", n, getattr(axis, array))))
        return at

    # Tiles of rows

    def by_rows(self) -> Scheduled:
        """A tile is some of the rows, with all columns."""
        product, build = self.product, self.build
        *lines, inner = product.run
        if not lines:
            lines, inner = [inner], _ONE
        n_lines, width, terms = size_of(lines), inner.count, self.terms_count
        most = self.tile // max(terms, 1)
        small = _SMALL_PRODUCT // max(terms * product.feature.count, 1)
        height = min(max((small if _FEW_ROWS <= small < most else most) // max(width, 1), 1), max(n_lines, 1))
        per_outer = -(-n_lines // height)
        total = size_of(product.outer) * per_outer
        per_chunk = self._per_chunk(total)
        chunks = -(-total // per_chunk)
        tile = height * width * terms
        with build.loop(self.size("chunks", chunks if product.feature.count else 0), "parallel") as (
            chunk,
            _,
        ):
            first = ix.mul(chunk, self.size("tiles of a chunk", per_chunk))
            count = ix.minimum(
                ix.sub(self.size("tiles", total), first), self.size("tiles of a chunk", per_chunk)
            )
            with build.loop(count, "sequential") as (step, _):
                number, blocks = ix.add(first, step), self.size("blocks", max(per_outer, 1))
                where = self.decode("outer", product.outer, ix.div(number, blocks) if product.outer else 0)
                line = ix.mul(
                    ix.mod(number, blocks) if product.outer else number, self.size("height", height)
                )
                here = ix.minimum(ix.sub(self.size("lines", n_lines), line), self.size("height", height))
                begin = ix.mul(chunk, self.size("tile", tile))
                width_ = self.size("width", width)
                in_columns = self._fill(
                    begin,
                    self.offset("outer", "x", product.outer, where),
                    (tuple(lines), line, here),
                    inner,
                    product.summed,
                    self.size("height", height),
                )
                at = ix.add(
                    self.offset("outer", "out", product.outer, where),
                    ix.mul(ix.mul(line, width_), self.number("out of run", 0, product.run[-1].out)),
                )
                w_at = self.offset("outer", "w", product.outer, where)
                rows, terms_ = ix.mul(here, width_), self.size("terms", terms)
                step_of_rows = ix.mul(self.size("height", height), width_) if in_columns else terms_
                zero = build.const(self.dtype, 0)
                self._multiply((begin, in_columns, step_of_rows), w_at, (self.out, at), (rows, terms_), zero)
        return self._finish(chunks if product.feature.count else 0, (chunks * tile,))

    def _per_chunk(self, total: int) -> int:
        """How many tiles a chunk has."""
        chunks = min(_CHUNKS, max(int(self.work / _CHUNK_TIME), 1), max(total, 1))
        return max(-(-total // chunks), 1)

    def _fill(
        self,
        begin: Index,
        at: Index,
        lines: tuple[tuple[Axis, ...], Index, Index],
        inner: Axis,
        summed: tuple[Axis, ...],
        height: Index,
    ) -> bool:
        """Copy a tile out of ``x``; whether its columns are neighbours in memory: they are what is so in ``x``.

        ``lines`` are their axes, the first line, and how many there are.
        """
        axes, first, count = lines
        build = self.build
        flat_inner = axes[0] if len(axes) == 1 and inner is _ONE else inner
        in_columns = flat_inner.x == 1
        width = self.size("width", inner.count)
        terms = self.size("terms", size_of(summed))
        with ExitStack() as stack:

            def loop(extent: Index, kind: str = "sequential") -> Index:
                variable, _ = stack.enter_context(build.loop(extent, kind))
                return variable

            def over_terms(last: str) -> tuple[Index, Index]:
                flat: Index = 0
                where: list[Index] = []
                for n, axis in enumerate(summed):
                    extent = self.size(f"terms{n}", axis.count)
                    where.append(loop(extent, last if n == len(summed) - 1 else "sequential"))
                    flat = ix.add(ix.mul(flat, extent), where[-1]) if n else where[-1]
                return flat, self.offset("terms", "x", summed, where)

            if in_columns and inner is _ONE:
                term, of_term = over_terms("sequential")
                line = loop(count, "vector")
                place = ix.add(ix.mul(term, height), line)
                source = ix.add(of_term, ix.mul(ix.add(first, line), self.number("x of lines", 0, axes[0].x)))
            else:
                line = loop(count)
                of_line = self.offset("lines", "x", axes, self.decode("lines", axes, ix.add(first, line)))
                if in_columns:
                    term, of_term = over_terms("sequential")
                    column = loop(width, "vector")
                    place = ix.add(ix.mul(ix.add(ix.mul(term, height), line), width), column)
                else:
                    column = 0 if inner is _ONE else loop(width)
                    term, of_term = over_terms("vector")
                    place = ix.add(ix.mul(ix.add(ix.mul(line, width), column), terms), term)
                of_column = ix.mul(column, self.number("x of inner", 0, inner.x))
                source = ix.add(ix.add(of_line, of_column), of_term)
            value = build.load(self.dtype, self.x, ix.add(at, source))
            build.store(self.patches, ix.add(begin, place), value)
        return in_columns

    def _multiply(
        self,
        tile: tuple[Index, bool, Index],
        w_at: Index,
        target: tuple[str, Index],
        sizes: tuple[Index, Index],
        beta: str,
    ) -> None:
        """Multiply a tile (where it begins, whether it is in columns, its step) into a result; BLAS counts columns first."""
        product, build = self.product, self.build
        begin, in_columns, step = tile
        rows, terms = sizes
        columns = self.size("columns", product.feature.count)
        w = (
            Letter("N" if product.w_rows else "T"),
            Place(self.w, w_at),
            self.size("step of w", product.w_step),
        )
        p = (Letter("T" if in_columns else "N"), Place(self.patches, begin), step)
        one = Copy(build.const(self.dtype, 1))
        if product.by_rows:
            sides, m, n, between = (w, p), columns, rows, self.size("step of rows", self._step_of_rows)
        else:
            turned = {"N": "T", "T": "N"}
            p, w = ((Letter(turned[side[0].letter]), *side[1:]) for side in (p, w))
            sides, m, n, between = (
                (p, w),
                rows,
                columns,
                self.size("step of features", self._step_of_features),
            )
        (letter_a, a, step_a), (letter_b, b, step_b) = sides
        factors = (a, step_a, b, step_b)
        args = (letter_a, letter_b, m, n, terms, one, *factors, Copy(beta), Place(*target), between)
        call(build, "gemm", self.dtype, *args)

    @property
    def _step_of_rows(self) -> int:
        return max(self.product.run[-1].out, self.product.feature.count)

    @property
    def _step_of_features(self) -> int:
        return max(self.product.feature.out, self.rows_count)

    # Tiles of columns

    def by_columns(self) -> Scheduled:
        """A tile is some of the terms, with all rows; each chunk adds its products up, then chunks are added."""
        product, build = self.product, self.build
        stepped, rest = self._stepped()
        n_steps, others = size_of(stepped), size_of(rest)
        depth = min(max(self._depth() // others, 1), n_steps)
        total = -(-n_steps // depth)
        per_chunk = self._per_chunk(total)
        chunks = -(-total // per_chunk)
        tile, size = depth * others * self.rows_count, self.eqn.outs[0].type.size
        sums = build.buffer(self.dtype, "scratch")
        # The axis that is innermost is one along which neighbours in ``x`` are neighbours, the longer of two such.
        last, row = product.summed[-1], product.run[-1]
        in_columns = not rest or last.x != 1 or (row.x == 1 and row.count >= last.count)
        rows, most = self.size("rows", self.rows_count), self.size("terms of a tile", depth * others)
        sides = ((rest, rows if in_columns else 1), (product.run, 1 if in_columns else most))
        with build.loop(self.size("chunks", chunks if size else 0), "parallel") as (chunk, _):
            first = ix.mul(chunk, self.size("tiles of a chunk", per_chunk))
            count = ix.minimum(
                ix.sub(self.size("tiles", total), first), self.size("tiles of a chunk", per_chunk)
            )
            outer = self.size("outer", size_of(product.outer))
            with build.loop(outer, "sequential") as (item, _), build.loop(count, "sequential") as (step, _):
                where = self.decode("outer", product.outer, item if product.outer else 0)
                start = ix.mul(ix.add(first, step), self.size("depth", depth))
                here = ix.minimum(ix.sub(self.size("steps", n_steps), start), self.size("depth", depth))
                begin = ix.mul(chunk, self.size("tile", tile))
                at = self.offset("outer", "x", product.outer, where)
                with build.loop(here, "sequential") as (i, _):
                    term = ix.mul(i, self.size("others", others))
                    places = self.decode("steps", stepped, ix.add(start, i))
                    at_step = ix.add(at, self.offset("steps", "x", stepped, places))
                    block = ix.add(begin, ix.mul(term, rows) if in_columns else term)
                    self._fill_block(block, at_step, sides if in_columns else sides[::-1])
                w_at = ix.add(
                    self.offset("outer", "w", product.outer, where),
                    ix.mul(start, self.number("w of steps", 0, stepped[-1].w)),
                )
                is_first = build.compare("eq", step, 0)
                beta = build.op(
                    self.dtype, "select", is_first, build.const(self.dtype, 0), build.const(self.dtype, 1)
                )
                target = ix.add(
                    ix.mul(chunk, self.size("size", size)), self.offset("outer", "out", product.outer, where)
                )
                terms = ix.mul(here, self.size("others", others))
                matrix = (begin, in_columns, rows if in_columns else most)
                self._multiply(matrix, w_at, (sums, target), (rows, terms), beta)
        scratch = (chunks * tile, chunks * size)
        found = self._finish(chunks if size else 0, scratch)
        return replace(found, then=self._added_up(chunks, size, scratch))

    def _depth(self) -> int:
        """How many terms a tile has."""
        most = self.tile // self.rows_count
        small = _SMALL_PRODUCT // (self.rows_count * self.product.feature.count)
        return small if _FEW_ROWS <= small < most else most

    def _stepped(self) -> tuple[tuple[Axis, ...], tuple[Axis, ...]]:
        """The axes of the terms along which tiles lie one after the other, and those that a tile has whole."""
        summed = self.product.summed
        for n in range(1, len(summed)):
            if size_of(summed[n:]) <= self._depth():
                return summed[:n], summed[n:]
        return summed, ()

    def _fill_block(self, begin: Index, at: Index, sides: Sequence[tuple[Sequence[Axis], Index]]) -> None:
        """Copy the elements of one step; ``sides`` are axes, and how far a step along them together goes in the tile."""
        build = self.build
        count = sum(len(axes) for axes, _ in sides)
        with ExitStack() as stack:
            n = 0
            for axes, distance in sides:
                flat: Index = 0
                for axis in axes:
                    extent = self.size(f"block{n}", axis.count)
                    n += 1
                    i, _ = stack.enter_context(build.loop(extent, "vector" if n == count else "sequential"))
                    at = ix.add(at, ix.mul(i, self.number("x of block", n, axis.x)))
                    flat = i if axis is axes[0] else ix.add(ix.mul(flat, extent), i)
                begin = ix.add(begin, ix.mul(flat, distance))
            build.store(self.patches, begin, build.load(self.dtype, self.x, at))

    def _added_up(self, chunks: int, size: int, scratch: tuple[int, ...]) -> Scheduled:
        """A second nest, over the same buffers: the sum of the chunks' results, in their order."""
        self._begin()
        build = self.build
        sums = build.buffer(self.dtype, "scratch")
        blocks = -(-size // _WIDTH)
        with build.loop(self.size("blocks", blocks), "parallel") as (block, _):
            first = ix.mul(block, _WIDTH)
            width = ix.minimum(ix.sub(self.size("size", size), first), _WIDTH)
            with build.loop(width, "vector") as (j, _):
                build.store(self.out, ix.add(first, j), build.const(self.dtype, 0))
            with build.loop(self.size("chunks", chunks), "sequential") as (chunk, _):
                at = ix.add(ix.mul(chunk, self.size("size", size)), first)
                with build.loop(width, "vector") as (j, _):
                    place = ix.add(first, j)
                    before = build.load(self.dtype, self.out, place, written=True)
                    part = build.load(self.dtype, sums, ix.add(at, j))
                    build.store(self.out, place, build.op(self.dtype, "add", before, part))
        return Scheduled(
            build.finish(), tuple(build.params), blocks, scratch, grain=16, work=0.3 * size * chunks
        )

    def _finish(self, extent: int, scratch: tuple[int, ...]) -> Scheduled:
        build = self.build
        return Scheduled(
            build.finish(), tuple(build.params), extent, scratch, grain=1, work=self.work, calls=True
        )
