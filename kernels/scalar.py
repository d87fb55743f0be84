"""Values of the IR inside a kernel: a dtype and the registers that hold it, and how they move to and from memory.

The one idea: the register form of a dtype is wider than its memory form. ``bool`` is ``i1`` in registers and a byte in memory;
``float16`` and ``bfloat16`` are stored small and computed in ``float``; a complex number is a pair of floats. Only
:func:`load`, :func:`store`, :func:`constant` and :func:`cast` know that, so the ops see plain registers.

A function is written like this::

    module = Module()
    writer = Writer(module)
    x = load(writer, dtype, "%p")
    store(writer, apply(writer, "mul", [x, x], dtype), dtype, "%q")   # apply: weft.kernels.scalar_ops
    writer.do("ret void")
    writer.define("square", "define void @square(ptr %p, ptr %q)")
    compile_module(module.text()).address("square")
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import ml_dtypes
import numpy as np

from weft.ir.records import dataclass
from weft.kernels.register import Module, Register, Writer, bits_of

__all__ = [
    "BFLOAT16",
    "Module",
    "Register",
    "Scalar",
    "Writer",
    "add_incoming",
    "cast",
    "constant",
    "is_bfloat16",
    "is_complex",
    "is_float",
    "is_integer",
    "load",
    "memory_kind",
    "narrow",
    "phi",
    "register_kind",
    "round_through",
    "store",
    "widen",
]

BFLOAT16 = np.dtype(ml_dtypes.bfloat16)

_REGISTER_KINDS = {
    "bool": "i1",
    "int8": "i8",
    "int16": "i16",
    "int32": "i32",
    "int64": "i64",
    "uint8": "i8",
    "uint16": "i16",
    "uint32": "i32",
    "uint64": "i64",
    "float16": "float",
    "bfloat16": "float",
    "float32": "float",
    "float64": "double",
    "complex64": "float",
    "complex128": "double",
}


def is_bfloat16(dtype: np.dtype[Any]) -> bool:
    """Whether a dtype is ml_dtypes' bfloat16."""
    return dtype == BFLOAT16


def is_float(dtype: np.dtype[Any]) -> bool:
    """Whether a dtype is real and floating, bfloat16 included."""
    return dtype.kind == "f" or is_bfloat16(dtype)


def is_complex(dtype: np.dtype[Any]) -> bool:
    """Whether a dtype is complex."""
    return dtype.kind == "c"


def is_integer(dtype: np.dtype[Any]) -> bool:
    """Whether a dtype is a signed or unsigned integer (bool is not)."""
    return dtype.kind in "iu"


def register_kind(dtype: np.dtype[Any]) -> str:
    """The LLVM type of one register of a dtype (of a part, if complex).

    Raises:
        TypeError: kernels do not know the dtype.
    """
    kind = _REGISTER_KINDS.get(dtype.name)
    if kind is None:
        raise TypeError(f"kernels do not know dtype {dtype}. Known: {', '.join(_REGISTER_KINDS)}.")
    return kind


def memory_kind(dtype: np.dtype[Any]) -> str:
    """The LLVM type of one element in memory (of a part, if complex); ``getelementptr`` counts in these."""
    special = {"bool": "i8", "float16": "half", "bfloat16": "i16"}
    return special.get(dtype.name) or register_kind(dtype)


@dataclass(frozen=True, slots=True, eq=False)
class Scalar:
    """One value of the IR: its dtype, and one register, or two (real, imaginary) if complex."""

    dtype: np.dtype[Any]
    parts: tuple[Register, ...]

    @property
    def reg(self) -> Register:
        """The register of a value that is not complex."""
        (register,) = self.parts
        return register

    @property
    def real(self) -> Register:
        """The real part, or the value itself."""
        return self.parts[0]

    @property
    def imag(self) -> Register:
        """The imaginary part; 0 if the value is real."""
        return self.parts[1] if len(self.parts) == 2 else self.parts[0].const(0)


def constant(writer: Writer, dtype: np.dtype[Any], value: Any) -> Scalar:
    """A Python or NumPy number as a value of ``dtype``, converted as NumPy does."""
    dtype = np.dtype(dtype)
    kind = register_kind(dtype)
    if is_complex(dtype):
        number = complex(value)
        return Scalar(dtype, (writer.const(kind, number.real), writer.const(kind, number.imag)))
    if is_integer(dtype):
        return Scalar(dtype, (writer.const(kind, int(value)),))
    if dtype.kind == "b":
        return Scalar(dtype, (writer.const(kind, bool(value)),))
    with np.errstate(over="ignore"):
        number = float(np.asarray(value, np.float64).astype(dtype))
    return Scalar(dtype, (writer.const(kind, number),))


def phi(writer: Writer, dtype: np.dtype[Any], incoming: Sequence[tuple[Scalar, str]]) -> Scalar:
    """A phi node for a value, with its edges ``(value, block label)`` known so far (an accumulator has one at first)."""
    kind = register_kind(dtype)
    count = 2 if is_complex(dtype) else 1
    parts = tuple(writer.phi(kind, [(v.parts[n], label) for v, label in incoming]) for n in range(count))
    return Scalar(dtype, parts)


def add_incoming(phi_value: Scalar, value: Scalar, label: str) -> None:
    """Add an edge to a value made by :func:`phi`."""
    for node, register in zip(phi_value.parts, value.parts, strict=True):
        node.writer.add_incoming(node, register, label)


def _pointer_to_part(writer: Writer, dtype: np.dtype[Any], pointer: str, part: int) -> str:
    if part == 0:
        return pointer
    return writer.emit("ptr", f"getelementptr inbounds {memory_kind(dtype)}, ptr {pointer}, i64 {part}").ref


def load(writer: Writer, dtype: np.dtype[Any], pointer: str, metadata: str = "") -> Scalar:
    """Read one element.

    Args:
        writer: the function being written.
        dtype: the element's dtype.
        pointer: a ``ptr`` with its sigil, such as ``%p3``; must be aligned to the item (a complex number: to its part).
        metadata: text put after the load, such as ``, !alias.scope !2``.
    """
    kind = memory_kind(dtype)
    parts = []
    for part in range(2 if is_complex(dtype) else 1):
        at = _pointer_to_part(writer, dtype, pointer, part)
        raw = writer.emit(kind, f"load {kind}, ptr {at}, align {max(bits_of(kind) // 8, 1)}{metadata}")
        parts.append(widen(raw, dtype))
    return Scalar(dtype, tuple(parts))


def store(writer: Writer, value: Scalar, dtype: np.dtype[Any], pointer: str, metadata: str = "") -> None:
    """Write one element as ``dtype``; a value of another dtype is cast first. Arguments as for :func:`load`."""
    value = cast(writer, value, dtype)
    kind = memory_kind(dtype)
    for part, register in enumerate(value.parts):
        at = _pointer_to_part(writer, dtype, pointer, part)
        small = narrow(register, dtype)
        writer.do(f"store {kind} {small.ref}, ptr {at}, align {max(bits_of(kind) // 8, 1)}{metadata}")


def widen(raw: Register, dtype: np.dtype[Any]) -> Register:
    """The memory form to the register form."""
    if dtype.kind == "b":
        return raw.ne(0)
    if is_bfloat16(dtype):
        return raw.resize("i32", signed=False).shl(16).as_float()
    return raw.to_float(register_kind(dtype)) if dtype == np.float16 else raw


def narrow(register: Register, dtype: np.dtype[Any]) -> Register:
    """The register form to the memory form."""
    if dtype.kind == "b":
        return register.resize("i8", signed=False)
    if is_bfloat16(dtype):
        # Round to nearest even on the bits; a NaN must not lose its payload's last bit to become an infinity.
        bits = register.as_bits()
        rounded = bits + (bits.lshr(16) & 1) + 0x7FFF
        return register.is_nan().select(bits | 0x400000, rounded).lshr(16).resize("i16")
    return register.to_float("half") if dtype == np.float16 else register


def round_through(register: Register, dtype: np.dtype[Any]) -> Register:
    """A ``float`` register rounded to a value that ``dtype`` (float16, bfloat16 or float32) can hold."""
    if dtype == np.float16 or is_bfloat16(dtype):
        return widen(narrow(register, dtype), dtype)
    return register


def _double_to_float_odd(x: Register) -> Register:
    """A double as a float rounded to odd, so that rounding once more, to a smaller float, is as if rounded once."""
    near = x.to_float("float")
    back = near.to_float("double")
    bits = near.as_bits()
    toward_zero = (back.fabs() > x.fabs()).select(bits - 1, bits)
    odd = (toward_zero | 1).as_float()
    return (back.eq(x) | x.is_nan()).select(near, odd)


def cast(writer: Writer, value: Scalar, dtype: np.dtype[Any]) -> Scalar:
    """Convert to any dtype, as ``numpy.astype`` does where that is defined.

    Floats go to integers by truncation; what is out of range saturates, NaN gives 0. Anything to bool is ``!= 0``;
    complex to real drops the imaginary part. A float to float16 or bfloat16 is rounded once, to nearest even.
    """
    dtype = np.dtype(dtype)
    if value.dtype == dtype:
        return value
    if dtype.kind == "b":
        truth = [part if part.kind == "i1" else part.ne(0) for part in value.parts]
        return Scalar(dtype, (truth[0] if len(truth) == 1 else truth[0] | truth[1],))
    if is_complex(dtype):
        real = _cast_real(value.real, value.dtype, dtype)
        imag = _cast_real(value.imag, value.dtype, dtype) if len(value.parts) == 2 else real.const(0)
        return Scalar(dtype, (real, imag))
    return Scalar(dtype, (_cast_real(value.real, value.dtype, dtype),))


def _cast_real(x: Register, source: np.dtype[Any], target: np.dtype[Any]) -> Register:
    kind = register_kind(target)
    if is_integer(target):
        if not x.is_float:
            return x.resize(kind, signed=source.kind == "i")
        return _saturated(x, kind, signed=target.kind == "i")
    small = target == np.float16 or is_bfloat16(target)
    if x.is_float:
        if small and x.kind == "double":
            return round_through(_double_to_float_odd(x), target)
        return round_through(x.to_float(kind), target)
    opcode = "sitofp" if source.kind == "i" else "uitofp"
    if small and x.bits > 16:
        return round_through(_double_to_float_odd(x.convert(opcode, "double")), target)
    return round_through(x.convert(opcode, kind), target)


def _saturated(x: Register, kind: str, *, signed: bool) -> Register:
    """A float as an integer: truncated, the nearest integer there is where it is out of range, 0 of NaN.

    These are plain conversions and selects, of which LLVM makes vectors; of ``llvm.fptosi.sat`` it makes none. What a
    conversion gives for numbers that are out of range is undefined, and never selected.
    """
    bits = bits_of(kind)
    many = 2.0 ** (bits - signed)
    if bits < 32:
        whole = x.convert("fptosi", "i32").resize(kind)
    else:
        whole = x.convert("fptosi" if signed else "fptoui", kind)
    high = (1 << (bits - signed)) - 1
    low = -high - 1 if signed else 0
    bounded = (x >= many).select(high, whole)
    if signed:
        return x.is_nan().select(0, (x < -many).select(low, bounded))
    return (x > 0.0).select(bounded, 0)
