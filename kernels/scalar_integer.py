"""Integer ops with NumPy's meaning, on registers: they wrap around and never trap.

The one idea: LLVM's division and shifts are undefined for some operands, so those operands are replaced by harmless ones
first and the result is chosen afterwards; everything stays free of branches. Each op takes ``(signed, *registers)``.
"""

from __future__ import annotations

from collections.abc import Callable

from weft.ir.loops.vocabulary import LEAST_DIVISOR, MOST_DIVISOR
from weft.kernels.register import Module, Register, Writer


def _safe_divisor(signed: bool, x: Register, y: Register) -> Register:
    """``y``, but 1 where the division would trap: y == 0, and the smallest integer by -1 (x / 1 is its wrapped result)."""
    bad = y.eq(0)
    if signed:
        bad = bad | (x.eq(-1 << (x.bits - 1)) & y.eq(-1))
    return bad.select(1, y)


def int_div(signed: bool, x: Register, y: Register) -> Register:
    """Quotient truncated towards zero; 0 when ``y`` is 0."""
    quotient = x.binary("sdiv" if signed else "udiv", _safe_divisor(signed, x, y))
    return y.eq(0).select(0, quotient)


def rem(signed: bool, x: Register, y: Register) -> Register:
    """Remainder with the sign of ``x``; 0 when ``y`` is 0."""
    return x.binary("srem" if signed else "urem", _safe_divisor(signed, x, y))


def mod(signed: bool, x: Register, y: Register) -> Register:
    """Remainder with the sign of ``y``; 0 when ``y`` is 0."""
    left = rem(signed, x, y)
    if not signed:
        return left
    other_sign = left.ne(0) & ((left ^ y) < 0)
    return other_sign.select(left + y, left)


def floor_div(signed: bool, x: Register, y: Register) -> Register:
    """Quotient rounded down; 0 when ``y`` is 0."""
    if not signed:
        return int_div(signed, x, y)
    divisor = _safe_divisor(signed, x, y)
    quotient = x.binary("sdiv", divisor)
    left = x - quotient * divisor
    down = left.ne(0) & ((left ^ y) < 0)
    return y.eq(0).select(0, down.select(quotient - 1, quotient))


def by_reciprocal(name: str) -> Callable[[bool, Register, Register], Register]:
    """A division whose divisor is the same for all of a loop, and within bounds: without a division in the loop.

    A quotient in double precision is one off at most, for 32 bits; for 64 the remainder it leaves is divided once more.
    Steps that wait for the result divide, which is the shorter way for one.
    """
    plain = {"floor_div": floor_div, "mod": mod, "int_div": int_div, "rem": rem}[name]
    truncates, is_quotient = name in ("int_div", "rem"), name in ("floor_div", "int_div")

    def op(signed: bool, x: Register, y: Register) -> Register:
        if x.bits < 32:
            return op(signed, x.resize("i32", signed), y.resize("i32", signed)).resize(x.kind)
        y = minimum(signed, maximum(signed, y, y.const(LEAST_DIVISOR)), y.const(MOST_DIVISOR))
        if x.writer.module.target != "cpu" or x.writer.in_steps:
            return plain(signed, x, y)
        inverse = x.writer.const("double", 1.0) / y.convert("sitofp", "double")
        q = (x.convert("sitofp" if signed else "uitofp", "double") * inverse).convert("fptosi", x.kind)
        left = x - q * y
        if x.bits > 32:
            more = (left.convert("sitofp", "double") * inverse).convert("fptosi", x.kind)
            q, left = q + more, left - more * y
        low, high = left < 0, (y - 1) < left
        q = low.select(q - 1, high.select(q + 1, q))
        left = low.select(left + y, high.select(left - y, left))
        if truncates and signed:
            up = (x < 0) & left.ne(0)
            q, left = up.select(q + 1, q), up.select(left - y, left)
        return q if is_quotient else left

    return op


def absolute(signed: bool, x: Register) -> Register:
    """Absolute value; the smallest integer stays itself."""
    return (x < 0).select(-x, x) if signed else x


def sign(signed: bool, x: Register) -> Register:
    """-1, 0 or 1."""
    positive = x.ne(0).resize(x.kind, signed=False)
    return (x < 0).select(-1, positive) if signed else positive


def less(signed: bool, x: Register, y: Register) -> Register:
    """``x < y``."""
    return x.compare("olt", "slt" if signed else "ult", y)


def maximum(signed: bool, x: Register, y: Register) -> Register:
    """The larger."""
    return less(signed, y, x).select(x, y)


def minimum(signed: bool, x: Register, y: Register) -> Register:
    """The smaller."""
    return less(signed, x, y).select(x, y)


def _count_in_range(x: Register, count: Register) -> tuple[Register, Register]:
    """Whether a shift count is in ``[0, bits)``, and the count, or 0 where it is not."""
    fits = count.ult(x.bits)
    return fits, fits.select(count, 0)


def shift_left(signed: bool, x: Register, count: Register) -> Register:
    """``x << count``; 0 when the count is negative or not below the width."""
    fits, safe = _count_in_range(x, count)
    return fits.select(x.shl(safe), 0)


def shift_right_logical(signed: bool, x: Register, count: Register) -> Register:
    """``x >> count`` filling with zeros; 0 when the count is negative or not below the width."""
    fits, safe = _count_in_range(x, count)
    return fits.select(x.lshr(safe), 0)


def shift_right(signed: bool, x: Register, count: Register) -> Register:
    """``x >> count`` filling with the sign if signed; a count out of range shifts all bits out."""
    if not signed:
        return shift_right_logical(signed, x, count)
    fits, _ = _count_in_range(x, count)
    return x.ashr(fits.select(count, x.bits - 1))


def population_count(signed: bool, x: Register) -> Register:
    """Number of one bits."""
    return x.writer.intrinsic("ctpop", x.kind, [x])


def count_leading_zeros(signed: bool, x: Register) -> Register:
    """Number of zero bits above the highest one bit; the width for 0."""
    return x.writer.intrinsic("ctlz", x.kind, [x], tail=["false"])


def power(signed: bool, x: Register, y: Register) -> Register:
    """``x ** y`` by squaring, wrapping around.

    A negative exponent gives the truncated reciprocal: 1 for 1, 1 or -1 for -1, else 0.
    """
    name = f"weft.ipow.{x.kind}{'' if signed else '.unsigned'}"
    if not x.writer.module.defines(name):
        _define_power(x.writer.module, name, x.kind, signed)
    return x.writer.call(name, x.kind, [x, y], " nounwind willreturn memory(none)")


def _define_power(module: Module, name: str, kind: str, signed: bool) -> None:
    writer = Writer(module)
    x, y = Register(writer, kind, "%x"), Register(writer, kind, "%y")
    one = writer.const(kind, 1)
    negative = (y < 0) if signed else writer.const("i1", False)
    unit = x.eq(1) | x.eq(-1)
    # |x| = 1 depends on the exponent's parity only, so the loop may run on y & 1 there; else a negative exponent gives 0.
    count = negative.select(y & 1, y)
    start = (negative & ~unit).select(0, one)
    loop, done = writer.label("loop"), writer.label("done")
    writer.cond_br(count.eq(0), done, loop)
    writer.place(loop)
    result, square, left = (writer.phi(kind, [(first, "entry")]) for first in (start, x, count))
    product = (left & 1).ne(0).select(result * square, result)
    squared, rest = square * square, left.lshr(1)
    for node, following in ((result, product), (square, squared), (left, rest)):
        writer.add_incoming(node, following, loop)
    writer.cond_br(rest.eq(0), done, loop)
    writer.place(done)
    out = writer.phi(kind, [(start, "entry"), (product, loop)])
    writer.do(f"ret {kind} {out.ref}")
    writer.define(
        name, f"define internal {kind} @{name}({kind} %x, {kind} %y) nounwind willreturn memory(none)"
    )


def integer_power(x: Register, exponent: int) -> Register:
    """``x ** exponent`` for an exponent known now and not negative, unrolled; floats and integers alike."""
    result: Register | None = None
    square = x
    while exponent:
        if exponent & 1:
            result = square if result is None else result * square
        exponent >>= 1
        if exponent:
            square = square * square
    return result if result is not None else x.const(1)
