"""Sums over tables inside maths functions: a quadrature's terms, in a loop, and Chebyshev series, written out."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from weft.kernels.maths.series import SERIES
from weft.kernels.register import Register, Writer, literal


def constant_array(writer: Writer, name: str, kind: str, numbers: Sequence[float]) -> str:
    """A constant array of the module, by its name with ``@``."""
    elements = ", ".join(f"{kind} {literal(kind, number)}" for number in numbers)
    writer.declare(
        f"@{name} = private unnamed_addr constant [{len(numbers)} x {kind}] [{elements}], align 16"
    )
    return f"@{name}"


def sum_over(
    like: Register, name: str, columns: Sequence[Sequence[float]], term: Callable[..., Register]
) -> Register:
    """The sum of ``term(*row)`` over the rows of a table, given by its columns of doubles.

    Args:
        like: a register of the kind ``double``.
        name: of the table in the module.
        columns: of one length.
        term: a row's part of the sum; it may use blocks.
    """
    writer, kind = like.writer, like.kind
    tables = [constant_array(writer, f"weft.{name}.{k}", kind, column) for k, column in enumerate(columns)]
    index, following = f"%{writer.fresh('i')}", f"%{writer.fresh('n')}"
    before, loop, latch, done = writer.block, *(writer.label(stem) for stem in ("loop", "latch", "done"))
    writer.br(loop)
    writer.place(loop)
    writer.do(f"{index} = phi i64 [ 0, %{before} ], [ {following}, %{latch} ]")
    total = writer.phi(kind, [(like.const(0.0), before)])
    next_total = total + term(*(_element(writer, table, kind, index) for table in tables))
    writer.br(latch)
    writer.place(latch)
    writer.add_incoming(total, next_total, latch)
    writer.do(f"{following} = add nuw nsw i64 {index}, 1")
    last = f"%{writer.fresh('e')}"
    writer.do(f"{last} = icmp eq i64 {following}, {len(columns[0])}")
    writer.do(f"br i1 {last}, label %{done}, label %{loop}")
    writer.place(done)
    return next_total


def _element(writer: Writer, table: str, kind: str, index: str) -> Register:
    """An element of a table, in every lane."""
    at, number = f"%{writer.fresh('a')}", f"%{writer.fresh('s')}"
    writer.do(f"{at} = getelementptr inbounds {kind}, ptr {table}, i64 {index}")
    writer.do(f"{number} = load {kind}, ptr {at}, align 8")
    if writer.lanes == 1:
        return Register(writer, kind, number)
    vector = writer.type(kind)
    first = writer.emit(kind, f"insertelement {vector} poison, {kind} {number}, i64 0")
    return writer.emit(
        kind, f"shufflevector {vector} {first.ref}, {vector} poison, <{writer.lanes} x i32> zeroinitializer"
    )


def chebyshev(name: str, x: Register, low: float, high: float) -> Register:
    """The series of the table of that name, which is one for x from ``low`` to ``high``, by Clenshaw's recurrence."""
    first, *others = SERIES[name]
    t = (x - (low + high) / 2) * (2 / (high - low))
    after, total = t.const(0.0), t.const(0.0)
    twice = t + t
    for weight in reversed(others):
        after, total = total, twice.fma(total, weight - after)
    return t.fma(total, first - after)
