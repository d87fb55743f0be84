"""Writes LLVM IR as text: modules, functions, and SSA registers with operators.

The one idea: a :class:`Register` is a name in a growing function body, and its operators append the instruction that makes the
next name, so code generators read like the formulas they generate. Arithmetic is strict IEEE: nothing is re-associated or
contracted unless an opcode says so (``x.binary("fmul contract", y)``), which is what error-free transforms in the maths need.

Kinds are LLVM's first-class types by their LLVM names: ``i1 i8 i16 i32 i64 i128 float double ptr``. Integers have no sign here:
``/`` is for floats, comparison operators are signed (``ult`` and friends are not), shifts say which they are.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass

FLOAT_BITS = {"half": 16, "float": 32, "double": 64}
SUFFIX = {"half": "f16", "float": "f32", "double": "f64"}
# Lanes of the vector registers of CPUs with 128, 256 and 512 bits.
VECTOR_WIDTHS = {"double": (2, 4, 8), "float": (4, 8, 16)}


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
    """

    def __init__(self, target: str = "cpu") -> None:
        self.target = target
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
    """

    def __init__(self, module: Module | None = None) -> None:
        self.module = module if module is not None else Module()
        self.block = "entry"
        self._lines: list[str] = []
        self._phis: dict[str, tuple[int, str, list[str]]] = {}
        self._count = 0

    def fresh(self, stem: str = "v") -> str:
        """A name that nothing else in this function has, without ``%``."""
        self._count += 1
        return f"{stem}{self._count}"

    def declare(self, line: str) -> None:
        """Add a module-level line, once."""
        self.module.declare(line)

    def emit(self, kind: str, instruction: str) -> Register:
        """Append an instruction that makes a value of ``kind``."""
        self._count += 1
        ref = f"%v{self._count}"
        self._lines.append(f"  {ref} = {instruction}")
        return Register(self, kind, ref)

    def do(self, instruction: str) -> None:
        """Append an instruction without a value (store, call void, ret)."""
        self._lines.append(f"  {instruction}")

    def const(self, kind: str, value: float | int | bool) -> Register:
        """A constant."""
        return Register(self, kind, literal(kind, value))

    def call(self, name: str, kind: str, args: Sequence[Register], attributes: str = "") -> Register:
        """Call a function that the module defines."""
        operands = ", ".join(f"{a.kind} {a.ref}" for a in args)
        return self.emit(kind, f"call {kind} @{name}({operands}){attributes}")

    def intrinsic(self, stem: str, kind: str, args: Sequence[Register], tail: Sequence[str] = ()) -> Register:
        """Call ``@llvm.<stem>.<type>`` overloaded on its result, declaring it; ``tail`` holds literal ``i1`` operands."""
        name = f"llvm.{stem}.{SUFFIX.get(kind, kind)}"
        kinds = ", ".join([*(a.kind for a in args), *("i1" for _ in tail)])
        self.declare(f"declare {kind} @{name}({kinds})")
        operands = ", ".join([*(f"{a.kind} {a.ref}" for a in args), *(f"i1 {t}" for t in tail)])
        return self.emit(kind, f"call {kind} @{name}({operands})")

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
            kind,
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
        for ref, (at, kind, edges) in self._phis.items():
            lines[at] = f"  {ref} = phi {kind} {', '.join(edges)}"
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

    def _spell(self, other: Register | float | int) -> str:
        if isinstance(other, Register):
            return other.ref
        return literal(self.kind, other)

    def binary(self, opcode: str, other: Register | float | int) -> Register:
        """``opcode self, other`` with a result of this kind."""
        return self.writer.emit(self.kind, f"{opcode} {self.kind} {self.ref}, {self._spell(other)}")

    def compare(self, float_predicate: str, int_predicate: str, other: Register | float | int) -> Register:
        """A comparison, spelled for floats or for integers by this register's kind."""
        how = f"fcmp {float_predicate}" if self.is_float else f"icmp {int_predicate}"
        return self.writer.emit("i1", f"{how} {self.kind} {self.ref}, {self._spell(other)}")

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
            return self.writer.emit(self.kind, f"fneg {self.kind} {self.ref}")
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
        return self.writer.emit(model.kind, f"select i1 {self.ref}, {model.kind} {yes}, {model.kind} {no}")

    def convert(self, opcode: str, kind: str) -> Register:
        """A conversion instruction: ``sext``, ``zext``, ``trunc``, ``sitofp``, ``bitcast`` ..."""
        return self.writer.emit(kind, f"{opcode} {self.kind} {self.ref} to {kind}")

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


def call_rare(
    x: Register,
    is_rare: Register,
    name: str,
    build: Callable[..., Register],
    usual: Register,
    others: Sequence[Register] = (),
) -> Register:
    """``is_rare ? build(x, *others) : usual``, where ``build`` is slow code kept out of the loop that LLVM still vectorises.

    ``build`` is compiled once a module as a function of its own. Vector variants of it, which LLVM's vectoriser finds by an
    attribute of the call, return at once if no lane is rare, and else go lane by lane. The lanes that are not rare
    get an ``x`` of 0, which is how the variants know them: so ``x`` must not be 0 where it is rare.
    All operands have the kind of ``x``; ``build`` may use basic blocks.
    """
    writer, kind = x.writer, x.kind
    function = f"weft.rare.{name}.{SUFFIX[kind]}"
    if not writer.module.defines(function):
        _define_rare(writer.module, function, kind, build, len(others))
    masked = is_rare.select(x, 0.0)
    attributes = " nounwind willreturn memory(none)"
    if writer.module.target == "cpu":
        shape = "v" * (1 + len(others))
        variants = ",".join(f"_ZGV_LLVM_N{n}{shape}_{function}({function}.v{n})" for n in VECTOR_WIDTHS[kind])
        attributes += f' "vector-function-abi-variant"="{variants}"'
    slow = writer.call(function, kind, [masked, *others], attributes)
    return is_rare.select(slow, usual)


# optnone: nobody waits for rare code to run, but everybody would for LLVM to optimise it.
_RARE_PROMISE = "noinline optnone nounwind willreturn memory(none)"


def _define_rare(
    module: Module, function: str, kind: str, build: Callable[..., Register], others: int
) -> None:
    """The scalar function, and on the CPU its vector variants."""
    module.define(function, "")  # so that a build which asks for itself does not start again
    writer = Writer(module)
    args = [Register(writer, kind, f"%x{n}") for n in range(1 + others)]
    work, done = writer.label("work"), writer.label("done")
    writer.cond_br(args[0].ne(0.0), work, done)
    writer.place(work)
    result = build(*args)
    end = writer.block
    writer.br(done)
    writer.place(done)
    out = writer.phi(kind, [(args[0], "entry"), (result, end)])
    writer.do(f"ret {kind} {out.ref}")
    parameters = ", ".join(f"{kind} {a.ref}" for a in args)
    writer.define(function, f"define internal {kind} @{function}({parameters}) {_RARE_PROMISE}")
    if module.target == "cpu":
        for n in VECTOR_WIDTHS[kind]:
            module.keep(f"{function}.v{n}")
            module.define(f"{function}.v{n}", _vector_variant(function, kind, len(args), n))


def _vector_variant(function: str, kind: str, count: int, width: int) -> str:
    """A function of vectors that calls the scalar one lane by lane, if any lane of the first operand is not 0."""
    vector = f"<{width} x {kind}>"
    parameters = ", ".join(f"{vector} %x{n}" for n in range(count))
    extracts = "\n".join(f"  %s{n} = extractelement {vector} %x{n}, i64 %i" for n in range(count))
    scalars = ", ".join(f"{kind} %s{n}" for n in range(count))
    return f"""define internal {vector} @{function}.v{width}({parameters}) {_RARE_PROMISE} {{
entry:
  %rare = fcmp une {vector} %x0, zeroinitializer
  %mask = bitcast <{width} x i1> %rare to i{width}
  %none = icmp eq i{width} %mask, 0
  br i1 %none, label %done, label %lane
lane:
  %i = phi i64 [ 0, %entry ], [ %next, %lane ]
  %y = phi {vector} [ %x0, %entry ], [ %z, %lane ]
{extracts}
  %t = call {kind} @{function}({scalars})
  %z = insertelement {vector} %y, {kind} %t, i64 %i
  %next = add nuw nsw i64 %i, 1
  %last = icmp eq i64 %next, {width}
  br i1 %last, label %done, label %lane
done:
  %out = phi {vector} [ %x0, %entry ], [ %z, %lane ]
  ret {vector} %out
}}"""
