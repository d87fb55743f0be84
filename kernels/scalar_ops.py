"""The vocabulary of scalar ops: one name, one meaning, for each family of dtypes.

The one idea: :func:`apply` looks the op's name up in the table of its operands' family (integer, float, complex); an entry is
a function from registers to a register. float16 and bfloat16 are floats, computed in ``float`` and rounded after each op.
Nothing is contracted to fma: a value that is computed twice, or computed here and loaded there, has the same bits, as comparing
it with its own maximum takes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from weft.ir.loops.vocabulary import DIVISIONS
from weft.kernels import scalar_complex, scalar_integer
from weft.kernels.calls import call_shared
from weft.kernels.maths import FUNCTIONS
from weft.kernels.maths.remainder import floor_divide, fmod, remainder
from weft.kernels.register import Register, Writer
from weft.kernels.scalar import (
    Scalar,
    cast,
    is_complex,
    is_float,
    memory_kind,
    narrow,
    register_kind,
    round_through,
    widen,
)

Expression = Callable[..., Register]


def _maximum(x: Register, y: Register) -> Register:
    """The larger; NaN if either is (in loops of the CPU by LLVM's own op, which it knows how to reduce with).

    In vectors so that what waits for ``x``, in a row of such steps, is one comparison.
    """
    if x.writer.lanes > 1:
        return y.is_nan().select(y + y, (y > x).select(y, x))
    if x.writer.module.target == "cpu":
        return x.writer.intrinsic("maximum", x.kind, [x, y])
    return x.is_nan().select(x, x.compare("ogt", "", y).select(x, y))


def _minimum(x: Register, y: Register) -> Register:
    """The smaller; NaN if either is."""
    if x.writer.lanes > 1:
        return y.is_nan().select(y + y, (y < x).select(y, x))
    if x.writer.module.target == "cpu":
        return x.writer.intrinsic("minimum", x.kind, [x, y])
    return x.is_nan().select(x, x.compare("olt", "", y).select(x, y))


def _sign(x: Register) -> Register:
    """-1, 0 or 1; NaN stays, 0 is positive, as NumPy has it."""
    return x.is_nan().select(x, x.eq(0.0).select(0.0, x.const(1.0).copysign(x)))


# Functions so short that a call takes longer.
_SHORT = ("sqrt", "rsqrt", "exp", "exp2")
SHARED_FUNCTIONS = frozenset(FUNCTIONS) - frozenset(_SHORT)
"""Functions that kernels call, of which there are versions for vectors."""


def _shared(name: str, build: Expression) -> Expression:
    return build if name in _SHORT else lambda *args: call_shared(name, build, args)


FLOAT: dict[str, Expression] = {
    "add": lambda x, y: x + y,
    "sub": lambda x, y: x - y,
    "mul": lambda x, y: x * y,
    "div": lambda x, y: x / y,
    "floor_div": floor_divide,
    "mod": remainder,
    "rem": fmod,
    "fma": lambda x, y, z: x.fma(y, z),
    "neg": lambda x: -x,
    "abs": lambda x: x.fabs(),
    "sign": _sign,
    "max": _maximum,
    "min": _minimum,
    "floor": lambda x: x.floor(),
    "ceil": lambda x: x.ceil(),
    "rint": lambda x: x.rint(),
    "trunc": lambda x: x.trunc(),
    "copysign": lambda x, y: x.copysign(y),
    "conj": lambda x: x,
    "real": lambda x: x,
    "imag": lambda x: x.const(0.0),
    "angle": lambda x: x.is_nan().select(x, (x.as_bits() < 0).select(np.pi, x.const(0.0))),
    **{name: _shared(name, build) for name, build in FUNCTIONS.items()},
}

INTEGER: dict[str, Expression] = {
    "add": lambda signed, x, y: x + y,
    "sub": lambda signed, x, y: x - y,
    "mul": lambda signed, x, y: x * y,
    "fma": lambda signed, x, y, z: x * y + z,
    "int_div": scalar_integer.int_div,
    "div": scalar_integer.int_div,
    "floor_div": scalar_integer.floor_div,
    "mod": scalar_integer.mod,
    "rem": scalar_integer.rem,
    **{f"{name}_by": scalar_integer.by_reciprocal(name) for name in DIVISIONS},
    "pow": scalar_integer.power,
    "neg": lambda signed, x: -x,
    "abs": scalar_integer.absolute,
    "sign": scalar_integer.sign,
    "max": scalar_integer.maximum,
    "min": scalar_integer.minimum,
    "and": lambda signed, x, y: x & y,
    "or": lambda signed, x, y: x | y,
    "xor": lambda signed, x, y: x ^ y,
    "not": lambda signed, x: ~x,
    "shift_left": scalar_integer.shift_left,
    "shift_right": scalar_integer.shift_right,
    "shift_right_logical": scalar_integer.shift_right_logical,
    "population_count": scalar_integer.population_count,
    "clz": scalar_integer.count_leading_zeros,
    **dict.fromkeys(("floor", "ceil", "rint", "trunc", "conj", "real"), lambda signed, x: x),
    "imag": lambda signed, x: x.const(0),
}

BOOL: dict[str, Expression] = {
    "add": lambda signed, x, y: x | y,
    "mul": lambda signed, x, y: x & y,
    "max": lambda signed, x, y: x | y,
    "min": lambda signed, x, y: x & y,
    "abs": lambda signed, x: x,
    **{name: INTEGER[name] for name in ("and", "or", "xor", "not", "floor", "ceil", "rint", "trunc")},
}

# name: (float predicate, signed, unsigned)
COMPARISONS = {
    "eq": ("oeq", "eq", "eq"),
    "ne": ("une", "ne", "ne"),
    "lt": ("olt", "slt", "ult"),
    "le": ("ole", "sle", "ule"),
    "gt": ("ogt", "sgt", "ugt"),
    "ge": ("oge", "sge", "uge"),
}


def _compare(name: str, x: Scalar, y: Scalar) -> Register:
    float_predicate, signed, unsigned = COMPARISONS[name]
    predicate = signed if x.dtype.kind == "i" else unsigned
    parts = [a.compare(float_predicate, predicate, b) for a, b in zip(x.parts, y.parts, strict=True)]
    if len(parts) == 1:
        return parts[0]
    if name in ("eq", "ne"):
        return parts[0] & parts[1] if name == "eq" else parts[0] | parts[1]
    # NumPy orders complex numbers by real part, then imaginary part.
    strict = float_predicate[:2] + "t"
    return x.real.compare(strict, "", y.real) | (x.real.eq(y.real) & parts[1])


def _classify(name: str, x: Register) -> Register:
    """is_nan, is_inf, is_finite and sign_bit of one register; an integer is finite."""
    if name == "sign_bit":
        return (x.as_bits() < 0) if x.is_float else (x < 0)
    if not x.is_float:
        return x.writer.const("i1", name == "is_finite")
    if name == "is_nan":
        return x.is_nan()
    return x.fabs().eq(float("inf")) if name == "is_inf" else x.fabs() < float("inf")


def _classify_all(name: str, x: Scalar) -> Register:
    if name == "sign_bit" and x.dtype.kind in "ub":
        return x.reg.writer.const("i1", False)
    parts = [_classify(name, part) for part in x.parts]
    if len(parts) == 1:
        return parts[0]
    return parts[0] & parts[1] if name == "is_finite" else parts[0] | parts[1]


def _next_after(x: Scalar, y: Scalar) -> Register:
    """The neighbour of ``x`` towards ``y`` among the values of the dtype, by stepping the integer that its bits are."""
    a = narrow(x.reg, x.dtype)
    bits = a if a.kind == "i16" else a.as_bits()
    width = bits.bits
    magnitude_mask = (1 << (width - 1)) - 1
    away = (y.reg > x.reg) ^ (bits < 0)
    stepped = away.select(bits + 1, bits - 1)
    smallest = (y.reg < x.reg).select(bits.const(~magnitude_mask | 1), bits.const(1))
    stepped = (bits & magnitude_mask).eq(0).select(smallest, stepped)
    raw = stepped.bitcast(memory_kind(x.dtype))
    moved = widen(raw, x.dtype)
    # Equal operands give y, so that 0 towards -0 is -0; NaN in either gives NaN.
    result = x.reg.eq(y.reg).select(y.reg, moved)
    return y.reg.is_nan().select(y.reg, x.reg.is_nan().select(x.reg, result))


def _bitcast(x: Scalar, dtype: np.dtype[Any]) -> Scalar:
    raw = narrow(x.reg, x.dtype).bitcast(memory_kind(dtype))
    return Scalar(dtype, (widen(raw, dtype),))


def _check_bits(name: str, x: Scalar, dtype: np.dtype[Any]) -> None:
    if x.dtype.itemsize != dtype.itemsize or is_complex(x.dtype) or is_complex(dtype):
        raise TypeError(f"{name} needs real dtypes of equal size, got {x.dtype} and {dtype}.")


def apply(writer: Writer, name: str, args: list[Scalar], dtype: np.dtype[Any], **params: Any) -> Scalar:
    """Append one scalar op to a function; what is stored small is rounded.

    Args:
        writer: the function being written.
        name: the op's name; :func:`names` lists them.
        args: the operands. Arithmetic casts them to ``dtype`` first if they differ; comparisons, ``cast``,
            ``bitcast``, and ``abs``, ``real``, ``imag`` and ``angle`` of a complex number take them as they are.
        dtype: the dtype of the result.
        **params: ``exponent`` (an int, not negative) of ``integer_pow``; nothing else has one.

    Returns:
        The result, with ``dtype``.

    Raises:
        TypeError: the op is not defined for the operands' dtypes.
    """
    dtype = np.dtype(dtype)
    if name == "cast":
        return cast(writer, args[0], dtype)
    if name == "bitcast":
        _check_bits(name, args[0], dtype)
        return _bitcast(args[0], dtype)
    if name == "select":
        return _select(writer, args, dtype)
    if name in COMPARISONS:
        return Scalar(np.dtype(bool), (_compare(name, *args),))
    if name in _CLASSES:
        return Scalar(np.dtype(bool), (_classify_all(name, args[0]),))
    if name == "complex":
        kind = register_kind(dtype)
        return Scalar(dtype, tuple(cast(writer, a, _part_dtype(dtype)).reg.to_float(kind) for a in args))
    if is_complex(args[0].dtype) and name in scalar_complex.TO_REAL:
        part = scalar_complex.TO_REAL[name]((args[0].real, args[0].imag))
        return Scalar(dtype, (part.to_float(register_kind(dtype)),))
    args = [cast(writer, a, dtype) for a in args]
    if name == "nextafter":
        return Scalar(dtype, (_next_after(*args),))
    if name == "integer_pow":
        power = _integer_pow(writer, args[0], dtype, params["exponent"])
        return Scalar(dtype, tuple(round_through(part, dtype) for part in power.parts))
    if is_complex(dtype):
        return Scalar(dtype, _lookup(scalar_complex.COMPLEX, name, dtype)(*(a.parts for a in args)))
    registers = [a.reg for a in args]
    if is_float(dtype):
        result = _lookup(FLOAT, name, dtype)(*registers)
        return Scalar(dtype, (round_through(result, dtype),))
    table = BOOL if dtype.kind == "b" else INTEGER
    return Scalar(dtype, (_lookup(table, name, dtype)(dtype.kind == "i", *registers),))


_CLASSES = ("is_finite", "is_nan", "is_inf", "sign_bit")


def names() -> frozenset[str]:
    """The names that :func:`apply` knows."""
    single = {"cast", "bitcast", "select", "complex", "nextafter", "integer_pow"}
    tables = (FLOAT, INTEGER, BOOL, COMPARISONS, scalar_complex.COMPLEX, scalar_complex.TO_REAL)
    return frozenset(single.union(_CLASSES, *tables))


def _part_dtype(dtype: np.dtype[Any]) -> np.dtype[Any]:
    return np.dtype(np.float32 if dtype == np.complex64 else np.float64)


def _lookup(table: dict[str, Any], name: str, dtype: np.dtype[Any]) -> Callable[..., Any]:
    entry = table.get(name)
    if entry is None:
        raise TypeError(f"scalar op {name} is not defined for dtype {dtype}.")
    return entry  # type: ignore[no-any-return]


def _select(writer: Writer, args: list[Scalar], dtype: np.dtype[Any]) -> Scalar:
    cond = cast(writer, args[0], np.dtype(bool)).reg
    yes, no = (cast(writer, a, dtype) for a in args[1:])
    return Scalar(dtype, tuple(cond.select(a, b) for a, b in zip(yes.parts, no.parts, strict=True)))


def _integer_pow(writer: Writer, x: Scalar, dtype: np.dtype[Any], exponent: int) -> Scalar:
    if exponent < 0:
        raise TypeError(f"integer_pow needs an exponent that is not negative, got {exponent}.")
    if is_complex(dtype):
        return Scalar(dtype, scalar_complex.integer_power((x.real, x.imag), exponent))
    return Scalar(dtype, (scalar_integer.integer_power(x.reg, exponent),))
