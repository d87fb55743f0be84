"""NumPy's universal functions.

The one idea: a function is one row of a table: a NumPy ufunc and what it computes on operands that already have one shape and
the dtypes of the loop that NumPy would run. NumPy itself names that loop (`resolve_dtypes`), so promotion cannot differ.
formulas.py has the computations that take more than a line.
"""

from __future__ import annotations

import functools
import inspect
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from weft.engine.array import to_value
from weft.engine.dispatch import ArrayFunction, as_dtype, broadcast_values, is_weak
from weft.engine.promotion import common, floating, rules, settled
from weft.ir.builder import Value
from weft.ir.errors import ArgumentError, DTypeError
from weft.ir.ops import bits
from weft.ir.ops import elementwise as e
from weft.ir.ops import transcendental as t
from weft.ir.ops.references import COMPLEX, EAGER
from weft.ir.types import bfloat16, check_dtype, is_complex, is_inexact
from weft.numpy import formulas
from weft.numpy.staging import like_numpy, mark_weak, refuse, to_bool, value
from weft.numpy.ufunc_methods import Methods

# What Python's operators call: of scalars alone they are weak, as Python's own results are.
_OPERATORS = {
    "add",
    "subtract",
    "multiply",
    "divide",
    "floor_divide",
    "remainder",
    "power",
    "negative",
    "positive",
    "absolute",
}
_KINDS: dict[str, Any] = {"b": np.dtype(bool), "i": int, "u": int, "f": float, "c": complex}
_HALF = np.dtype(np.float16)


@functools.lru_cache(maxsize=4096)
def _loop(ufunc: np.ufunc, operands: tuple[Any, ...], dtype: np.dtype | None) -> tuple[np.dtype, ...]:
    """Dtypes of the loop that NumPy runs for operands of the given dtypes; Python's types stand for weak scalars."""
    if bfloat16 in operands:  # NumPy takes float16 in its place, but where both meet
        place = np.dtype(np.float32) if _HALF in operands else _HALF
        found = _loop(ufunc, tuple(place if d == bfloat16 else d for d in operands), dtype)
        return tuple(bfloat16 if d == _HALF else d for d in found)
    every = operands + (None,) * ufunc.nout
    if dtype is None:
        found = ufunc.resolve_dtypes(every)
        if any(d.kind == "O" for d in found) and int in operands:  # NumPy compares Python integers as objects
            return _loop(ufunc, tuple(np.dtype(np.int64) if d is int else d for d in operands), None)
        return found
    return ufunc.resolve_dtypes(every, signature=(None,) * ufunc.nin + (dtype,) * ufunc.nout)


def _chosen_loop(ufunc: np.ufunc, operands: tuple[Any, ...], dtype: np.dtype | None) -> tuple[np.dtype, ...]:
    """`_loop` by JAX's promotion, or with another default float."""
    strong = tuple([d for d in operands if isinstance(d, np.dtype)])
    weak = "".join([_LETTERS[d] for d in operands if not isinstance(d, np.dtype)])
    alike = ufunc is not np.ldexp
    if rules.jax and alike:
        operands = (common(strong, weak)[0],) * ufunc.nin
    found = _loop(ufunc, operands, dtype)
    if dtype is not None:
        return found
    if rules.jax and alike:
        (met,) = set(operands)
        if is_inexact(found[0]) and not is_inexact(met):
            return _loop(ufunc, (floating(met),) * ufunc.nin, None)
        if met.kind == "b" and found[0].kind == "i":  # NumPy's int8: quotients and powers of bool
            return _loop(ufunc, (np.dtype(np.int32),) * ufunc.nin, None)
        return found
    return tuple([settled(d, strong) for d in found])


_LETTERS = {int: "i", float: "f", complex: "c", np.float64: "f"}


def _weak_kind(x: Any) -> Any:
    """What stands for a Python scalar in `_loop`; bool is nobody's subordinate."""
    if isinstance(x, Value):
        return _KINDS[x.dtype.kind]
    return _KINDS["b"] if isinstance(x, bool) else type(x)


def loop_values(
    ufunc: np.ufunc, args: tuple[Any, ...], dtype: Any = None
) -> tuple[list[Any], tuple[np.dtype, ...]]:
    """Operands as values of one shape and of the dtypes of NumPy's loop, and the dtypes of its results."""
    name = ufunc.__name__
    if len(args) != ufunc.nin:
        raise ArgumentError(f"{name} takes {ufunc.nin} arrays, got {len(args)}.")
    args = tuple([x if is_weak(x) else value(x, name) for x in args])
    kinds = tuple([_weak_kind(x) if is_weak(x) else x.dtype for x in args])
    try:
        find = _loop if rules.plain else _chosen_loop
        loop = find(ufunc, kinds, None if dtype is None else check_dtype(dtype))
    except TypeError as error:
        listed = ", ".join(k.__name__ if isinstance(k, type) else str(k) for k in kinds)
        raise DTypeError(f"{name} does not accept arguments of dtypes {listed}: {error}") from None
    values = []
    for x, d in zip(args, loop, strict=False):
        if isinstance(x, int) and d.kind in "iu":
            values.append(np.asarray(x, d))  # an OverflowError where it does not fit
        else:
            values.append(as_dtype(to_value(x), d))
    return broadcast_values(name, *values), loop[ufunc.nin :]


@functools.cache
def _signature(nin: int) -> inspect.Signature:
    """What `inspect.signature` and `help` say of a function of ``nin`` arrays."""
    names = ["x"] if nin == 1 else [f"x{i + 1}" for i in range(nin)]
    arrays = [inspect.Parameter(name, inspect.Parameter.POSITIONAL_ONLY) for name in names]
    options = ("dtype", "out", "where")
    return inspect.Signature(
        arrays + [inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None) for name in options]
    )


def define(
    ufunc: np.ufunc, compute: Callable[..., Any], special: Callable[..., Any] | None = None
) -> ArrayFunction[..., Any]:
    """A public function from a row.

    Args:
        ufunc: NumPy's function.
        compute: the computation on operands of NumPy's loop.
        special: what looks at the arguments as they came first; it may give NotImplemented.
    """
    name = ufunc.__name__
    weak = name in _OPERATORS

    def definition(
        *args: Any, dtype: Any = None, out: Any = None, where: Any = None, casting: str = "same_kind"
    ) -> Any:
        refuse(name, out=out, where=where)
        if casting != "same_kind":
            raise ArgumentError(
                f"{name} got casting={casting!r}: 'same_kind' is taken. Convert with astype before."
            )
        result: Any = NotImplemented
        if special is not None and dtype is None:
            result = special(*args)
        if result is NotImplemented:
            values, dtypes = loop_values(ufunc, args, dtype)
            result = compute(*values)
            result = tuple(map(as_dtype, result, dtypes)) if ufunc.nout > 1 else as_dtype(result, dtypes[0])
        return mark_weak(result, args) if weak or rules.jax else result

    definition.__name__ = definition.__qualname__ = name
    definition.__doc__ = f"NumPy's ``{name}``, elementwise on broadcast arguments.\n\nSee `numpy.{name}`."
    arity = ufunc.nin if ufunc.nout == 1 else 0
    real = ufunc if ufunc in COMPLEX else None
    function = like_numpy(EAGER.get(ufunc, ufunc), real=real, arity=arity)(definition)
    function.ufunc = ufunc  # type: ignore[attr-defined]
    function.__signature__ = _signature(ufunc.nin)  # type: ignore[attr-defined]
    Methods(name, definition, ufunc.nin, ufunc.nout, ufunc.identity, ufunc).attach(function)
    return function


# Arguments that say more than their dtype


def _power(x: Any, y: Any) -> Any:
    """Powers of static exponents by multiplications and roots."""
    if isinstance(y, bool) or not isinstance(y, int | float) or is_weak(x) or not isinstance(x, Value):
        return NotImplemented
    (base, exponent), (dtype,) = loop_values(np.power, (x, y))
    if dtype.kind in "iub":
        if y < 0:
            raise ArgumentError(
                f"power got integers of {x.dtype} and the exponent {y}: integers have no negative integer powers."
            )
        return e.integer_pow(base, int(y))
    if math.isfinite(y) and y == int(y) and abs(y) <= 16:
        return e.integer_pow(base, int(y))
    if y != 0.5:
        return e.power(base, exponent)
    if is_complex(dtype):
        return t.sqrt(base)
    # C's power gives inf for -inf, and 0 for -0.0.
    endless = e.eq(base, e.full_like(base, -math.inf))
    return e.select(endless, e.full_like(base, math.inf), t.sqrt(e.add(base, 0.0)))


def _compare(ufunc: np.ufunc) -> Callable[[Any, Any], Any]:
    """Comparisons with Python integers that the dtype does not hold: the answer is the same for all elements."""

    def special(x: Any, y: Any) -> Any:
        for this, other in ((x, y), (y, x)):
            if type(this) is int and isinstance(other, Value) and other.dtype.kind in "iu":
                info = np.iinfo(other.dtype)
                if not info.min <= this <= info.max:
                    always = ufunc(this, 0) if this is x else ufunc(0, this)
                    return e.eq(other, other) if always else e.ne(other, other)
        return NotImplemented

    return special


def _mixed(op: Callable[[Any, Any], Any], ufunc: np.ufunc) -> Callable[[Any, Any], Any]:
    """Comparison of any two dtypes that NumPy's loops compare.

    No integer dtype holds both int64 and uint64: negative numbers are below all unsigned ones. Complex numbers are in
    the order of their real parts, then of their imaginary ones.
    """

    def compute(x: Any, y: Any) -> Any:
        if is_complex(x.dtype) and op not in (e.eq, e.ne):
            strict = e.lt if op in (e.lt, e.le) else e.gt
            tied = e.eq(e.real(x), e.real(y))
            return e.or_(strict(e.real(x), e.real(y)), e.and_(tied, op(e.imag(x), e.imag(y))))
        if x.dtype == y.dtype:
            return op(x, y)
        signed, answer = (x, ufunc(-1, 0)) if x.dtype.kind == "i" else (y, ufunc(0, -1))
        negative = e.lt(signed, e.full_like(signed, 0))
        both = op(as_dtype(x, np.dtype(np.uint64)), as_dtype(y, np.dtype(np.uint64)))
        return e.or_(negative, both) if answer else e.and_(e.not_(negative), both)

    return compute


def _on_bool(op: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *xs: op(*map(to_bool, xs))


def _same(x: Any) -> Any:
    return x


def _rounded(op: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda x: x if x.dtype.kind in "iub" else op(x)


_COMPARISONS: dict[np.ufunc, Callable[..., Any]] = {
    np.equal: e.eq,
    np.not_equal: e.ne,
    np.less: e.lt,
    np.less_equal: e.le,
    np.greater: e.gt,
    np.greater_equal: e.ge,
}

# The table: NumPy's function -> what it computes on the operands of its loop.
UFUNCS: dict[np.ufunc, Callable[..., Any]] = {
    # Arithmetic
    np.add: e.add, np.subtract: e.sub, np.multiply: e.mul, np.divide: e.div, np.floor_divide: e.floor_div,
    np.remainder: e.mod, np.fmod: e.rem, np.divmod: lambda x, y: (e.floor_div(x, y), e.mod(x, y)), np.power: e.power,
    np.float_power: e.power, np.negative: e.neg, np.positive: _same, np.absolute: e.abs_, np.fabs: e.abs_, np.sign: e.sign,
    np.square: lambda x: e.mul(x, x), np.reciprocal: formulas.reciprocal, np.conjugate: e.conj,
    np.heaviside: formulas.heaviside, np.gcd: formulas.gcd, np.lcm: formulas.lcm,
    np.maximum: e.maximum, np.minimum: e.minimum, np.fmax: formulas.fmax, np.fmin: formulas.fmin,
    # Rounding
    np.floor: _rounded(e.floor), np.ceil: _rounded(e.ceil), np.trunc: _rounded(e.trunc),
    np.rint: formulas.rint, np.modf: formulas.modf,
    # Roots, exponentials, logarithms
    np.sqrt: t.sqrt, np.cbrt: t.cbrt, np.exp: t.exp, np.exp2: t.exp2, np.expm1: t.expm1, np.log: t.log, np.log2: t.log2,
    np.log10: t.log10, np.log1p: t.log1p, np.logaddexp: formulas.logaddexp, np.logaddexp2: formulas.logaddexp2,
    # Trigonometric and hyperbolic
    np.sin: t.sin, np.cos: t.cos, np.tan: t.tan, np.arcsin: t.asin, np.arccos: t.acos, np.arctan: t.atan, np.arctan2: t.atan2,
    np.hypot: t.hypot, np.sinh: t.sinh, np.cosh: t.cosh, np.tanh: t.tanh, np.arcsinh: t.asinh, np.arccosh: t.acosh,
    np.arctanh: t.atanh, np.degrees: lambda x: e.mul(x, 180 / math.pi), np.radians: lambda x: e.mul(x, math.pi / 180),
    np.rad2deg: lambda x: e.mul(x, 180 / math.pi), np.deg2rad: lambda x: e.mul(x, math.pi / 180),
    # Logic and bits
    np.logical_and: _on_bool(e.and_), np.logical_or: _on_bool(e.or_), np.logical_xor: _on_bool(e.xor),
    np.logical_not: _on_bool(e.not_), np.bitwise_and: e.and_, np.bitwise_or: e.or_, np.bitwise_xor: e.xor, np.invert: e.not_,
    np.left_shift: bits.shift_left, np.right_shift: bits.shift_right, np.bitwise_count: formulas.bitwise_count,
    # Floating-point classes and parts
    np.isnan: lambda x: e.ne(x, x), np.isinf: formulas.is_infinite, np.isfinite: formulas.is_finite,
    np.signbit: bits.sign_bit, np.copysign: bits.copysign, np.nextafter: bits.nextafter,
    np.spacing: formulas.spacing, np.ldexp: formulas.ldexp, np.frexp: formulas.frexp,
    **{ufunc: _mixed(op, ufunc) for ufunc, op in _COMPARISONS.items()},
}  # fmt: skip
_SPECIAL: dict[np.ufunc, Callable[..., Any]] = {np.power: _power} | {
    ufunc: _compare(ufunc) for ufunc in _COMPARISONS
}

FUNCTIONS: dict[str, ArrayFunction[..., Any]] = {
    u.__name__: define(u, compute, _SPECIAL.get(u)) for u, compute in UFUNCS.items()
}

# Further names of the same functions: NumPy's own and those of the array API standard.
ALIASES = {
    "abs": "absolute", "conj": "conjugate", "true_divide": "divide", "mod": "remainder", "pow": "power", "acos": "arccos",
    "acosh": "arccosh", "asin": "arcsin", "asinh": "arcsinh", "atan": "arctan", "atan2": "arctan2", "atanh": "arctanh",
    "bitwise_not": "invert", "bitwise_invert": "invert", "bitwise_left_shift": "left_shift",
    "bitwise_right_shift": "right_shift",
}  # fmt: skip
FUNCTIONS |= {alias: FUNCTIONS[name] for alias, name in ALIASES.items()}

globals().update(FUNCTIONS)
__all__ = sorted(FUNCTIONS)
