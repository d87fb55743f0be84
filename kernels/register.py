"""Writes LLVM IR as text: modules, functions, and SSA registers with operators.

The one idea: a :class:`Register` is a name in a growing function body, and its operators append the instruction that makes the
next name, so code generators read like the formulas they generate. Arithmetic is strict IEEE: nothing is re-associated or
contracted unless an opcode says so (``x.binary("fmul contract", y)``), which is what error-free transforms in the maths need.

Kinds are LLVM's first-class types by their LLVM names: ``i1 i8 i16 i32 i64 i128 float double ptr``. Integers have no sign here:
``/`` is for floats, comparison operators are signed (``ult`` and friends are not), shifts say which they are.
"""

from __future__ import annotations

import copy
import itertools
import math
import struct
from collections.abc import Sequence

from weft.ir.records import dataclass

FLOAT_BITS = {"half": 16, "float": 32, "double": 64}
SUFFIX = {"half": "f16", "float": "f32", "double": "f64"}


def bits_of(kind: str) -> int:
    """Width in bits of an integer or floating kind."""
    return FLOAT_BITS[kind] if kind in FLOAT_BITS else int(kind[1:])


def literal(kind: str, value: float | int | bool) -> str:
    """A constant as LLVM spells it: floats exactly, in hexadecimal; integers wrapped to the kind's width."""
    if kind in FLOAT_BITS:
        number = float(value)
        if kind == "float" and math.isfinite(number):
            try:
                number = struct.unpack("<f", struct.pack("<f", number))[0]
            except OverflowError:
                number = math.copysign(math.inf, number)
        if math.isnan(number):
            return "0x7FF8000000000000"
        return f"0x{struct.unpack('<Q', struct.pack('<d', number))[0]:016X}"
    if kind == "i1":
        return "true" if value else "false"
    width = bits_of(kind)
    wrapped = int(value) & ((1 << width) - 1)
    return str(wrapped - (1 << width) if wrapped >> (width - 1) else wrapped)


class Module:
    """What the functions of one LLVM module share: declarations, constants, and the functions' own text.

    Args:
        target: ``"cpu"`` or ``"cuda"``; some ops have one spelling for each.
        loops: whether there are any, of which LLVM may make vectors.
    """

    def __init__(self, target: str = "cpu", *, loops: bool = True) -> None:
        self.target = target
        self.loops = loops and target == "cpu"
        self._declarations: dict[str, None] = {}
        self._definitions: dict[str, str] = {}
        self._kept: dict[str, None] = {}

    def declare(self, line: str) -> None:
        """Add a module-level line (``declare ...`` or a constant), once."""
        self._declarations[line] = None

    def define(self, name: str, text: str) -> None:
        """Add the text of a function, by its name without ``@``."""
        self._definitions[name] = text

    def defines(self, name: str) -> bool:
        """Whether a function of that name is defined (or being written)."""
        return name in self._definitions

    def keep(self, name: str) -> None:
        """Keep a function that only the loop vectoriser will call from being dropped before it."""
        self._kept[name] = None

    def text(self) -> str:
        """The whole module."""
        kept = []
        if self._kept:
            refs = ", ".join(f"ptr @{name}" for name in self._kept)
            kept.append(
                f"@llvm.compiler.used = appending global [{len(self._kept)} x ptr] [{refs}], "
                'section "llvm.metadata"'
            )
        return "\n".join([*self._declarations, *kept, *self._definitions.values()]) + "\n"


class Writer:
    """Appends the instructions of one function body.

    Args:
        module: where declarations go; a new one when omitted.
        lanes: how many values a register holds. With more than one, kinds are those of the lanes, and there are no branches
            but those that all lanes take (see `weft.kernels.calls.where_any`), since lanes cannot part.

    Attributes:
        in_steps: whether what is written is steps, each of which waits for the one before.
    """

    def __init__(self, module: Module | None = None, lanes: int = 1) -> None:
        self.module = module if module is not None else Module()
        self.lanes = lanes
        self.in_steps = False
        self.block = "entry"
        self._lines: list[str] = []
        self._phis: dict[str, tuple[int, str, list[str]]] = {}
        self._count = itertools.count(1)

    def of_lanes(self, lanes: int) -> Writer:
        """This writer for vectors of so many lanes: what either writes stands in the same body. It must not branch."""
        writer = copy.copy(self)
        writer.lanes = lanes
        return writer

    def splat(self, scalar: Register) -> Register:
        """A register of a writer without lanes, in all lanes of this one."""
        if self.lanes == 1:
            return scalar
        vector, kind = self.type(scalar.kind), scalar.kind
        first = self.emit(kind, f"insertelement {vector} poison, {kind} {scalar.ref}, i64 0")
        mask = f"<{self.lanes} x i32> zeroinitializer"
        return self.emit(kind, f"shufflevector {vector} {first.ref}, {vector} poison, {mask}")

    def fresh(self, stem: str = "v") -> str:
        """A name that nothing else in this function has, without ``%``."""
        return f"{stem}{next(self._count)}"

    def declare(self, line: str) -> None:
        """Add a module-level line, once."""
        self.module.declare(line)

    def type(self, kind: str) -> str:
        """LLVM's type of a register of ``kind``."""
        return kind if self.lanes == 1 else f"<{self.lanes} x {kind}>"

    def literal(self, kind: str, value: float | int | bool) -> str:
        """A constant register of ``kind``, as LLVM spells it."""
        spelled = literal(kind, value)
        return spelled if self.lanes == 1 else f"splat ({kind} {spelled})"

    def emit(self, kind: str, instruction: str) -> Register:
        """Append an instruction that makes a value of ``kind``."""
        ref = f"%v{next(self._count)}"
        self._lines.append(f"  {ref} = {instruction}")
        return Register(self, kind, ref)

    def do(self, instruction: str) -> None:
        """Append an instruction without a value (store, call void, ret)."""
        self._lines.append(f"  {instruction}")

    def const(self, kind: str, value: float | int | bool) -> Register:
        """A constant."""
        return Register(self, kind, self.literal(kind, value))

    def call(self, name: str, kind: str, args: Sequence[Register], attributes: str = "") -> Register:
        """Call a function that the module defines."""
        operands = ", ".join(f"{a.type} {a.ref}" for a in args)
        return self.emit(kind, f"call {self.type(kind)} @{name}({operands}){attributes}")

    def intrinsic(self, stem: str, kind: str, args: Sequence[Register], tail: Sequence[str] = ()) -> Register:
        """Call ``@llvm.<stem>.<type>`` overloaded on its result, declaring it; ``tail`` holds literal ``i1`` operands."""
        width = f"v{self.lanes}" if self.lanes > 1 else ""
        name, type = f"llvm.{stem}.{width}{SUFFIX.get(kind, kind)}", self.type(kind)
        kinds = ", ".join([*(a.type for a in args), *("i1" for _ in tail)])
        self.declare(f"declare {type} @{name}({kinds})")
        operands = ", ".join([*(f"{a.type} {a.ref}" for a in args), *(f"i1 {t}" for t in tail)])
        return self.emit(kind, f"call {type} @{name}({operands})")

    # Basic blocks.

    def label(self, stem: str = "b") -> str:
        """A fresh name for a basic block."""
        return self.fresh(stem)

    def place(self, label: str) -> None:
        """Start the basic block ``label``; the one before must have ended in a branch."""
        self._lines.append(f"{label}:")
        self.block = label

    def br(self, label: str) -> None:
        """Jump."""
        self.do(f"br label %{label}")

    def cond_br(self, cond: Register, if_true: str, if_false: str) -> None:
        """Jump by a condition."""
        self.do(f"br i1 {cond.ref}, label %{if_true}, label %{if_false}")

    def phi(self, kind: str, incoming: Sequence[tuple[Register, str]] = ()) -> Register:
        """A phi node; edges may be added later with :meth:`add_incoming`, as loops need."""
        ref = f"%{self.fresh('p')}"
        self._phis[ref] = (
            len(self._lines),
            self.type(kind),
            [f"[ {value.ref}, %{label} ]" for value, label in incoming],
        )
        self._lines.append("")
        return Register(self, kind, ref)

    def add_incoming(self, phi: Register, value: Register, label: str) -> None:
        """Add an edge to a phi node of this writer."""
        self._phis[phi.ref][2].append(f"[ {value.ref}, %{label} ]")

    def body(self) -> str:
        """The instructions so far, without the function's header."""
        lines = list(self._lines)
        for ref, (at, type, edges) in self._phis.items():
            lines[at] = f"  {ref} = phi {type} {', '.join(edges)}"
        return "\n".join(lines)

    def define(self, name: str, header: str) -> None:
        """Put this body into the module as a function: ``header`` is all before the brace, e.g. ``define void @f(i64 %n)``."""
        self.module.define(name, f"{header} {{\nentry:\n{self.body()}\n}}")


@dataclass(frozen=True, slots=True, eq=False)
class Register:
    """One SSA value: a kind and its spelling (``%v7`` or a literal), with operators that append instructions."""

    writer: Writer
    kind: str
    ref: str

    @property
    def type(self) -> str:
        """LLVM's type."""
        return self.writer.type(self.kind)

    @property
    def is_float(self) -> bool:
        """Whether the kind is a floating one."""
        return self.kind in FLOAT_BITS

    @property
    def bits(self) -> int:
        """Width of the kind in bits."""
        return bits_of(self.kind)

    def const(self, value: float | int | bool) -> Register:
        """A constant of this register's kind."""
        return self.writer.const(self.kind, value)

    def widened(self, lanes: int) -> Register:
        """This register as a vector of more lanes, with ones in those behind."""
        writer, own = self.writer.of_lanes(lanes), self.writer.lanes
        if own == 1:
            ones = f"{writer.type(self.kind)} {writer.literal(self.kind, 1.0)}"
            return writer.emit(self.kind, f"insertelement {ones}, {self.type} {self.ref}, i64 0")
        mask = ", ".join(f"i32 {min(k, own)}" for k in range(lanes))
        both = f"{self.type} {self.ref}, {self.type} {self._spell(1.0)}"
        return writer.emit(self.kind, f"shufflevector {both}, <{lanes} x i32> <{mask}>")

    def narrowed(self, lanes: int) -> Register:
        """The first lanes of this register."""
        writer = self.writer.of_lanes(lanes)
        if lanes == 1:
            return writer.emit(self.kind, f"extractelement {self.type} {self.ref}, i64 0")
        mask = ", ".join(f"i32 {k}" for k in range(lanes))
        both = f"{self.type} {self.ref}, {self.type} poison"
        return writer.emit(self.kind, f"shufflevector {both}, <{lanes} x i32> <{mask}>")

    def _spell(self, other: Register | float | int) -> str:
        if isinstance(other, Register):
            return other.ref
        return self.writer.literal(self.kind, other)

    def binary(self, opcode: str, other: Register | float | int) -> Register:
        """``opcode self, other`` with a result of this kind."""
        return self.writer.emit(self.kind, f"{opcode} {self.type} {self.ref}, {self._spell(other)}")

    def compare(self, float_predicate: str, int_predicate: str, other: Register | float | int) -> Register:
        """A comparison, spelled for floats or for integers by this register's kind."""
        how = f"fcmp {float_predicate}" if self.is_float else f"icmp {int_predicate}"
        return self.writer.emit("i1", f"{how} {self.type} {self.ref}, {self._spell(other)}")

    def __add__(self, other: Register | float | int) -> Register:
        return self.binary("fadd" if self.is_float else "add", other)

    def __sub__(self, other: Register | float | int) -> Register:
        return self.binary("fsub" if self.is_float else "sub", other)

    def __mul__(self, other: Register | float | int) -> Register:
        return self.binary("fmul" if self.is_float else "mul", other)

    __radd__ = __add__
    __rmul__ = __mul__

    def __rsub__(self, other: float | int) -> Register:
        return self.const(other) - self

    def __truediv__(self, other: Register | float | int) -> Register:
        return self.binary("fdiv", other)

    def __rtruediv__(self, other: float | int) -> Register:
        return self.const(other) / self

    def __neg__(self) -> Register:
        if self.is_float:
            return self.writer.emit(self.kind, f"fneg {self.type} {self.ref}")
        return self.const(0) - self

    def __and__(self, other: Register | int) -> Register:
        return self.binary("and", other)

    def __or__(self, other: Register | int) -> Register:
        return self.binary("or", other)

    def __xor__(self, other: Register | int) -> Register:
        return self.binary("xor", other)

    def __invert__(self) -> Register:
        return self.binary("xor", 1 if self.kind == "i1" else -1)

    def shl(self, count: Register | int) -> Register:
        """Shift left; the count must be below the width."""
        return self.binary("shl", count)

    def lshr(self, count: Register | int) -> Register:
        """Shift right, filling with zeros."""
        return self.binary("lshr", count)

    def ashr(self, count: Register | int) -> Register:
        """Shift right, filling with the sign."""
        return self.binary("ashr", count)

    def __lt__(self, other: Register | float | int) -> Register:
        return self.compare("olt", "slt", other)

    def __le__(self, other: Register | float | int) -> Register:
        return self.compare("ole", "sle", other)

    def __gt__(self, other: Register | float | int) -> Register:
        return self.compare("ogt", "sgt", other)

    def __ge__(self, other: Register | float | int) -> Register:
        return self.compare("oge", "sge", other)

    def eq(self, other: Register | float | int) -> Register:
        """Equal; false for NaN."""
        return self.compare("oeq", "eq", other)

    def ne(self, other: Register | float | int) -> Register:
        """Not equal; true for NaN."""
        return self.compare("une", "ne", other)

    def ult(self, other: Register | int) -> Register:
        """Unsigned less; for floats: less or unordered."""
        return self.compare("ult", "ult", other)

    def is_nan(self) -> Register:
        """True for NaN."""
        return self.compare("uno", "", self)

    def select(self, if_true: Register | float | int, if_false: Register | float | int) -> Register:
        """Choose by this ``i1``; at least one side is a register and gives the kind."""
        model = if_true if isinstance(if_true, Register) else if_false
        assert isinstance(model, Register)
        yes, no = model._spell(if_true), model._spell(if_false)
        return self.writer.emit(
            model.kind, f"select {self.type} {self.ref}, {model.type} {yes}, {model.type} {no}"
        )

    def convert(self, opcode: str, kind: str) -> Register:
        """A conversion instruction: ``sext``, ``zext``, ``trunc``, ``sitofp``, ``bitcast`` ..."""
        return self.writer.emit(kind, f"{opcode} {self.type} {self.ref} to {self.writer.type(kind)}")

    def bitcast(self, kind: str) -> Register:
        """The same bits as another kind."""
        return self if kind == self.kind else self.convert("bitcast", kind)

    def as_bits(self) -> Register:
        """A float's bits as an integer."""
        return self.bitcast(f"i{self.bits}")

    def as_float(self) -> Register:
        """An integer's bits as the float of that width."""
        return self.bitcast({32: "float", 64: "double"}[self.bits])

    def resize(self, kind: str, signed: bool = True) -> Register:
        """An integer widened or narrowed to another integer kind."""
        if bits_of(kind) == self.bits:
            return self
        if bits_of(kind) < self.bits:
            return self.convert("trunc", kind)
        return self.convert("sext" if signed else "zext", kind)

    def to_float(self, kind: str) -> Register:
        """A float as another floating kind, rounded to nearest."""
        if kind == self.kind:
            return self
        return self.convert("fpext" if bits_of(kind) > self.bits else "fptrunc", kind)

    def fma(self, factor: Register | float, addend: Register | float) -> Register:
        """``self * factor + addend``, rounded once."""
        lift = [x if isinstance(x, Register) else self.const(x) for x in (factor, addend)]
        return self.writer.intrinsic("fma", self.kind, [self, *lift])

    def _unary(self, stem: str) -> Register:
        return self.writer.intrinsic(stem, self.kind, [self])

    def fabs(self) -> Register:
        """Absolute value of a float."""
        return self._unary("fabs")

    def sqrt(self) -> Register:
        """Square root, correctly rounded."""
        return self._unary("sqrt")

    def floor(self) -> Register:
        """Largest integer not above."""
        return self._unary("floor")

    def ceil(self) -> Register:
        """Smallest integer not below."""
        return self._unary("ceil")

    def trunc(self) -> Register:
        """The integer part."""
        return self._unary("trunc")

    def rint(self) -> Register:
        """The nearest integer, ties to even."""
        return self._unary("rint")

    def copysign(self, sign: Register) -> Register:
        """This magnitude with another float's sign."""
        return self.writer.intrinsic("copysign", self.kind, [self, sign])

    def greater_of(self, other: Register | float) -> Register:
        """``self > other ? self : other``: NaN in ``self`` gives ``other``."""
        return (self > other).select(self, other)

    def lesser_of(self, other: Register | float) -> Register:
        """``self < other ? self : other``: NaN in ``self`` gives ``other``."""
        return (self < other).select(self, other)
