"""Squares: copies that turn rows into columns go through memory in squares of vectors.

The one idea: eight rows of eight elements are eight loads, three rounds of exchange between vectors, and eight stores, where
LLVM, which makes vectors along one loop, gathers or scatters. A nest says so by its form: two loops around a load and a store,
one along the rows that are read and one along those that are written. What does it is a function that all kernels share.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from weft.ir.loops.nest import Index, IndexOp, Load, Loop, Store
from weft.ir.records import dataclass
from weft.ir.types import is_complex
from weft.kernels.calls import SHARED
from weft.kernels.cpu.short import factor
from weft.kernels.register import SUFFIX, Module, Register, Writer
from weft.kernels.schedule.index import names_in

TRANSPOSE = "transpose"
"""The name of the function, among those that kernels share."""
SIDE = 8  # of a square
_KINDS = {8: "double", 4: "float"}  # what elements of so many bytes are copied as


@dataclass(frozen=True, slots=True)
class Transposed:
    """A copy ``target[column, row] = source[row, column]``.

    Attributes:
        load: what is read.
        store: where that goes.
        rows: the loop that goes along the rows that are written.
        columns: the one along those that are read.
    """

    load: Load
    store: Store
    rows: Loop
    columns: Loop

    @property
    def function(self) -> str:
        """The name of what does it."""
        return f"{SHARED}{TRANSPOSE}.{SUFFIX[_KINDS[self.load.dtype.itemsize]]}"


def transposed_copy(loop: Loop) -> Transposed | None:
    """What a loop copies from rows to columns; none where it does something else."""
    match loop.body:
        case (Loop() as inner,):
            pass
        case _:
            return None
    match inner.body:
        case (Load() as load, Store() as store):
            pass
        case _:
            return None
    both = {loop.var, inner.var}
    if loop.turns or inner.turns:
        return None
    if load.mask or is_complex(load.dtype) or load.dtype.itemsize not in _KINDS or inner.carries:
        return None
    if store.value != load.name or load.buffer == store.buffer or both & set(names_in(inner.extent)):
        return None
    if not all(_is_affine(one.index, both) for one in (load, store)):
        return None
    for rows, columns in ((loop, inner), (inner, loop)):
        if factor(load.index, columns.var) == 1 and factor(store.index, rows.var) == 1:
            return Transposed(load, store, rows, columns)
    return None


def _is_affine(index: Index, variables: Collection[str]) -> bool:
    """Whether an index is a sum of multiples of variables and of what does not change with them."""
    if isinstance(index, str) or not isinstance(index, IndexOp) or not set(variables) & set(names_in(index)):
        return True
    if index.op == "*" and any(not set(variables) & set(names_in(part)) for part in (index.a, index.b)):
        return all(_is_affine(part, variables) for part in (index.a, index.b))
    return index.op in "+-" and all(_is_affine(part, variables) for part in (index.a, index.b))


def declaration(function: str) -> str:
    """What a module says that calls the function."""
    return f"declare void @{function}(ptr, i64, ptr, i64, i64, i64) nounwind willreturn"


def define_transpose(module: Module, symbol: str, kind: str) -> None:
    """Write the function: ``target[c * step + r] = source[r * pitch + c]`` for r below ``rows`` and c below ``columns``."""
    writer = Writer(module)
    zero = writer.const("i64", 0)
    rows, columns = (
        writer.intrinsic("smax", "i64", [Register(writer, "i64", f"%{name}"), zero])
        for name in ("rows", "columns")
    )
    pitch, step = Register(writer, "i64", "%pitch"), Register(writer, "i64", "%step")
    full_rows, full_columns = (size & -SIDE for size in (rows, columns))

    def at(pointer: str, offset: Register) -> str:
        return writer.emit("ptr", f"getelementptr {kind}, ptr {pointer}, i64 {offset.ref}").ref

    def several(first: str, apart: Register) -> list[str]:
        found = [first]
        while len(found) < SIDE:
            found.append(at(found[-1], apart))
        return found

    def band(r: Register) -> None:
        source, target = at("%source", r * pitch), at("%target", r)

        def square(c: Register) -> None:
            vector, align = f"<{SIDE} x {kind}>", f"align {8 if kind == 'double' else 4}"
            found = [
                writer.emit(vector, f"load {vector}, ptr {p}, {align}") for p in several(at(source, c), pitch)
            ]
            for p, column in zip(
                several(at(target, c * step), step), _transposed(writer, vector, found), strict=True
            ):
                writer.do(f"store {vector} {column.ref}, ptr {p}, {align}")

        def column(c: Register) -> None:
            first = at(target, c * step)
            for k, p in enumerate(several(at(source, c), pitch)):
                one = writer.emit(kind, f"load {kind}, ptr {p}")
                writer.do(f"store {kind} {one.ref}, ptr {at(first, writer.const('i64', k))}")

        _counted(writer, zero, full_columns, SIDE, square)
        _counted(writer, full_columns, columns, 1, column)

    def row(r: Register) -> None:
        source, target = at("%source", r * pitch), at("%target", r)

        def element(c: Register) -> None:
            one = writer.emit(kind, f"load {kind}, ptr {at(source, c)}")
            writer.do(f"store {kind} {one.ref}, ptr {at(target, c * step)}")

        _counted(writer, zero, columns, 1, element)

    _counted(writer, zero, full_rows, SIDE, band)
    _counted(writer, full_rows, rows, 1, row)
    writer.do("ret void")
    takes = "ptr noalias %source, i64 %pitch, ptr noalias %target, i64 %step, i64 %rows, i64 %columns"
    writer.define(symbol, f"define void @{symbol}({takes}) noinline nounwind willreturn")


def _counted(
    writer: Writer, start: Register, stop: Register, step: int, body: Callable[[Register], None]
) -> None:
    """A loop from ``start`` to below ``stop``."""
    before = writer.block
    head, inside, done = writer.label("head"), writer.label("body"), writer.label("done")
    writer.br(head)
    writer.place(head)
    variable = writer.phi("i64", [(start, before)])
    writer.cond_br(variable < stop, inside, done)
    writer.place(inside)
    body(variable)
    writer.add_incoming(variable, variable + step, writer.block)
    writer.br(head)
    writer.place(done)


def _transposed(writer: Writer, vector: str, rows: Sequence[Register]) -> list[Register]:
    """The columns of a square, given by its rows.

    Exchanging single elements of pairs of neighbours, then pairs of elements, and so on, leaves the square transposed.
    """
    found = list(rows)
    distance = 1
    while distance < SIDE:
        for k in range(SIDE):
            if k & distance:
                continue
            a, b = found[k], found[k + distance]
            for place, shift in ((k, 0), (k + distance, distance)):
                picks = [j + shift if not j & distance else j - distance + shift + SIDE for j in range(SIDE)]
                mask = ", ".join(f"i32 {p}" for p in picks)
                found[place] = writer.emit(
                    vector, f"shufflevector {vector} {a.ref}, {vector} {b.ref}, <{SIDE} x i32> <{mask}>"
                )
        distance *= 2
    return found
