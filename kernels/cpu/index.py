"""Index arithmetic of loop nests as i64 instructions.

The one idea: an offset knows what is sure of it. Sums and products of parameters and loop variables never
overflow, since they address memory, so they carry nsw (and nuw where no operand is negative), by which
LLVM's loop passes understand them. A value loaded from memory may be anything until min and max have
bounded it, so its arithmetic just wraps.
"""

from __future__ import annotations

from weft.ir.loops.nest import Index, IndexOp, Loop, Nest, Param, bodies
from weft.ir.records import dataclass
from weft.kernels.register import Writer


@dataclass(frozen=True, slots=True)
class Offset:
    """An i64: its spelling, and whether it is surely not negative, bounded below, bounded above."""

    ref: str
    natural: bool
    low: bool = True
    high: bool = True


def constant_offset(value: int) -> Offset:
    """A literal."""
    return Offset(str(value), value >= 0)


def natural_params(nest: Nest) -> set[int]:
    """The parameters that are surely not negative: extents of loops, and divisors."""
    found = {part.b.k for part in _operations(nest) if part.op in ("//", "%") and isinstance(part.b, Param)}

    def walk(body: tuple[object, ...]) -> None:
        for statement in body:
            if isinstance(statement, Loop) and isinstance(statement.extent, Param):
                found.add(statement.extent.k)
            for inner in bodies(statement):
                walk(inner)

    walk(nest.body)
    return found


def stride_params(nest: Nest) -> set[int]:
    """The parameters that indices are multiples of."""
    return {part.b.k for part in _operations(nest) if part.op == "*" and isinstance(part.b, Param)}


def _operations(nest: Nest) -> list[IndexOp]:
    """The operations that the indices of loads, stores and values are made of."""
    found: list[IndexOp] = []

    def look(index: Index) -> None:
        if isinstance(index, IndexOp):
            found.append(index)
            look(index.a)
            look(index.b)

    def walk(body: tuple[object, ...]) -> None:
        for statement in body:
            look(getattr(statement, "index", None))
            for inner in bodies(statement):
                walk(inner)

    walk(nest.body)
    return found


def strided_row(index: Index) -> tuple[Index, Index] | None:
    """Where a row begins, and a place in it that goes up by a known number; ``None`` where an index is not of this form."""
    if not isinstance(index, IndexOp) or index.op != "+":
        return None
    steps = index.b
    if isinstance(steps, IndexOp) and steps.op == "+" and type(steps.b) is int:
        steps = steps.a
    known = isinstance(steps, IndexOp) and steps.op == "*" and type(steps.b) is int
    return (index.a, index.b) if known else None


def divisions(index: Index) -> list[IndexOp]:
    """The quotients and remainders that an index is made of, inner ones first."""
    if not isinstance(index, IndexOp):
        return []
    return [*divisions(index.a), *divisions(index.b), *([index] if index.op in ("//", "%") else [])]


def combine(writer: Writer, op: str, a: Offset, b: Offset) -> Offset:
    """Append ``a op b``, simplified where a literal allows it; op is one of ``+ - * // % min max``."""
    return _COMBINE[op](writer, a, b)


def _flags(a: Offset, b: Offset, op: str) -> str:
    if not (a.low and a.high and b.low and b.high):
        return op
    return f"{op} nuw nsw" if a.natural and b.natural and op != "sub" else f"{op} nsw"


def _arithmetic(writer: Writer, op: str, a: Offset, b: Offset, natural: bool) -> Offset:
    ref = writer.emit("i64", f"{_flags(a, b, op)} i64 {a.ref}, {b.ref}").ref
    return Offset(ref, natural, a.low and b.low, a.high and b.high)


def _add(writer: Writer, a: Offset, b: Offset) -> Offset:
    if a.ref == "0" or b.ref == "0":
        return b if a.ref == "0" else a
    return _arithmetic(writer, "add", a, b, a.natural and b.natural)


def _sub(writer: Writer, a: Offset, b: Offset) -> Offset:
    if b.ref == "0":
        return a
    ref = writer.emit("i64", f"{_flags(a, b, 'sub')} i64 {a.ref}, {b.ref}").ref
    return Offset(ref, False, a.low and b.high, a.high and b.low)


def _mul(writer: Writer, a: Offset, b: Offset) -> Offset:
    if a.ref == "1" or b.ref == "1":
        return b if a.ref == "1" else a
    if a.ref == "0" or b.ref == "0":
        return constant_offset(0)
    bounded = a.low and a.high and b.low and b.high
    ref = writer.emit("i64", f"{_flags(a, b, 'mul')} i64 {a.ref}, {b.ref}").ref
    return Offset(ref, a.natural and b.natural, bounded, bounded)


def _floor_div(writer: Writer, a: Offset, b: Offset) -> Offset:
    if b.ref == "1":
        return a
    if a.natural:
        ref = writer.emit("i64", f"udiv i64 {a.ref}, {b.ref}").ref
    elif (shift := _log2(b)) is not None:
        ref = writer.emit("i64", f"ashr i64 {a.ref}, {shift}").ref
    else:
        quotient = writer.emit("i64", f"sdiv i64 {a.ref}, {b.ref}").ref
        down = writer.emit("i64", f"sext i1 {_remainder(writer, a, b)[1]} to i64").ref
        ref = writer.emit("i64", f"add i64 {quotient}, {down}").ref
    return Offset(ref, a.natural, a.low, a.high)


def _mod(writer: Writer, a: Offset, b: Offset) -> Offset:
    if b.ref == "1":
        return constant_offset(0)
    if a.natural:
        ref = writer.emit("i64", f"urem i64 {a.ref}, {b.ref}").ref
    elif _log2(b) is not None:
        ref = writer.emit("i64", f"and i64 {a.ref}, {int(b.ref) - 1}").ref
    else:
        left, negative = _remainder(writer, a, b)
        lifted = writer.emit("i64", f"add i64 {left}, {b.ref}").ref
        ref = writer.emit("i64", f"select i1 {negative}, i64 {lifted}, i64 {left}").ref
    return Offset(ref, True)


def _remainder(writer: Writer, a: Offset, b: Offset) -> tuple[str, str]:
    """The remainder of the division that truncates, and whether it is negative, where flooring differs."""
    left = writer.emit("i64", f"srem i64 {a.ref}, {b.ref}").ref
    return left, writer.emit("i1", f"icmp slt i64 {left}, 0").ref


def _log2(b: Offset) -> int | None:
    """The exponent, if ``b`` is a literal power of two."""
    if b.ref.startswith("%"):
        return None
    value = int(b.ref)
    return value.bit_length() - 1 if value > 0 and value & (value - 1) == 0 else None


def _call(writer: Writer, name: str, a: Offset, b: Offset) -> str:
    writer.declare(f"declare i64 @llvm.{name}.i64(i64, i64)")
    return writer.emit("i64", f"call i64 @llvm.{name}.i64(i64 {a.ref}, i64 {b.ref})").ref


def _min(writer: Writer, a: Offset, b: Offset) -> Offset:
    return Offset(_call(writer, "smin", a, b), a.natural and b.natural, a.low and b.low, a.high or b.high)


def _max(writer: Writer, a: Offset, b: Offset) -> Offset:
    return Offset(_call(writer, "smax", a, b), a.natural or b.natural, a.low or b.low, a.high and b.high)


_COMBINE = {"+": _add, "-": _sub, "*": _mul, "//": _floor_div, "%": _mod, "min": _min, "max": _max}
