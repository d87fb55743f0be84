"""Loops inside maths functions: sums over the rows of a table, steps until every lane is done; and Chebyshev series.

The one idea: lanes cannot part, so a loop runs as long as any lane needs it, and a lane that is done keeps what it has:
its result does not depend on its neighbours.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from weft.kernels.calls import any_lane
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


def repeat(
    active: Register,
    state: Sequence[Register],
    step: Callable[..., tuple[Sequence[Register], Register]],
) -> list[Register]:
    """Take steps in the lanes where ``active`` holds, until it holds nowhere.

    Args:
        active: where to begin at all.
        state: what a step changes.
        step: of the state gives the next one, and where to go on; it must come to an end in every lane. It uses no blocks.
    """
    writer = active.writer
    before, loop, done = writer.block, writer.label("loop"), writer.label("done")
    writer.cond_br(any_lane(active), loop, done)
    writer.place(loop)
    at_work = writer.phi("i1", [(active, before)])
    current = [writer.phi(x.kind, [(x, before)]) for x in state]
    stepped, more = step(*current)
    kept = [at_work.select(new, old) for new, old in zip(stepped, current, strict=True)]
    more = at_work & more
    writer.add_incoming(at_work, more, loop)
    for phi, new in zip(current, kept, strict=True):
        writer.add_incoming(phi, new, loop)
    writer.cond_br(any_lane(more), loop, done)
    writer.place(done)
    return [writer.phi(x.kind, [(x, before), (new, loop)]) for x, new in zip(state, kept, strict=True)]


def chebyshev(name: str, x: Register, low: float, high: float) -> Register:
    """The series of the table of that name, which is one for x from ``low`` to ``high``, by Clenshaw's recurrence."""
    first, *others = SERIES[name]
    t = (x - (low + high) / 2) * (2 / (high - low))
    after, total = t.const(0.0), t.const(0.0)
    twice = t + t
    for weight in reversed(others):
        after, total = total, twice.fma(total, weight - after)
    return t.fma(total, first - after)
