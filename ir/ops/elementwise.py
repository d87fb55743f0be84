"""Elementwise arithmetic, comparison, logic and conversion.

A primitive is applied to arrays of one shape and dtype; Python scalars take the dtype of the last array argument. The small
functions are what rules and `weft.lax` call.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from weft.ir import types
from weft.ir.errors import DTypeError
from weft.ir.ops import references
from weft.ir.primitive import Primitive, scalar
from weft.ir.rules import (
    common_shape,
    elementwise,
    is_linear,
    linear,
    no_tangent,
    per_input,
    pointwise,
    transposed,
)
from weft.ir.types import BOOL, ArrayType, is_complex, is_inexact, real_dtype


def to_bool(dtype: np.dtype) -> np.dtype:
    """The dtype of comparisons."""
    return BOOL


def define(
    name: str,
    kind: str,
    reference: Any,
    jvp: Any,
    transpose: Any = None,
    *,
    result: Any = None,
    lower: Any = None,
) -> Primitive:
    """Declare an elementwise primitive: one row of a table."""
    return Primitive(
        name,
        type_rule=elementwise(name, kind, result),
        reference=reference,
        jvp=jvp,
        transpose=transpose,
        batch=pointwise,
        lower=scalar(lower or name),
    )


# Linear arithmetic


def _each(*signs: int) -> Any:
    def transpose(prim: Primitive, cts: Any, ins: Any, params: Any) -> list[Any]:
        return [
            (cts[0] if sign > 0 else neg(cts[0])) if is_linear(x) else None
            for sign, x in zip(signs, ins, strict=True)
        ]

    return transpose


def _bilinear(left: Any, right: Any) -> Any:
    """Transposition of ``op(x, y)`` that is linear in each: the other operand is known."""

    def transpose(prim: Primitive, cts: Any, ins: Any, params: Any) -> list[Any]:
        x, y = ins
        return [left(cts[0], y) if is_linear(x) else None, right(cts[0], x) if is_linear(y) else None]

    return transpose


add_p = define("add", "any", np.add, per_input(lambda t, o, x, y: t, lambda t, o, x, y: t), _each(1, 1))
sub_p = define(
    "sub", "number", np.subtract, per_input(lambda t, o, x, y: t, lambda t, o, x, y: neg(t)), _each(1, -1)
)
neg_p = define("neg", "number", np.negative, linear, transposed(lambda ct, x: neg(ct)))
mul_p = define(
    "mul",
    "any",
    np.multiply,
    per_input(lambda t, o, x, y: mul(t, y), lambda t, o, x, y: mul(x, t)),
    _bilinear(lambda ct, y: mul(ct, y), lambda ct, x: mul(x, ct)),
)
div_p = define(
    "div",
    "inexact",
    np.true_divide,
    per_input(lambda t, o, x, y: div(t, y), lambda t, o, x, y: mul(t, neg(div(o, y)))),
    _bilinear(lambda ct, y: div(ct, y), None),
)


def add(x: Any, y: Any) -> Any:
    """``x + y``; logical or on bool, as NumPy's."""
    return add_p.bind(x, y)


def sub(x: Any, y: Any) -> Any:
    """``x - y``."""
    return sub_p.bind(x, y)


def neg(x: Any) -> Any:
    """``-x``."""
    return neg_p.bind(x)


def mul(x: Any, y: Any) -> Any:
    """``x * y``; logical and on bool, as NumPy's."""
    return mul_p.bind(x, y)


def div(x: Any, y: Any) -> Any:
    """``x / y`` of floating or complex arrays."""
    return div_p.bind(x, y)


# Integer-valued division and powers


def _int_div_reference(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    safe = np.where(y == 0, np.ones_like(y), y)
    quotient = np.floor_divide(x, safe)
    inexact = (quotient * safe != x) & ((x < 0) != (safe < 0))
    return np.where(y == 0, np.zeros_like(y), quotient + inexact.astype(quotient.dtype))


floor_div_p = define("floor_div", "real", np.floor_divide, no_tangent)
int_div_p = define("int_div", "integer", _int_div_reference, no_tangent)
mod_p = define(
    "mod",
    "real",
    np.remainder,
    per_input(lambda t, o, x, y: t, lambda t, o, x, y: mul(t, neg(floor_div(x, y)))),
)
rem_p = define(
    "rem", "real", np.fmod, per_input(lambda t, o, x, y: t, lambda t, o, x, y: mul(t, neg(trunc(div(x, y)))))
)


def floor_div(x: Any, y: Any) -> Any:
    """The floor of ``x / y``; 0 where an integer is divided by 0."""
    return floor_div_p.bind(x, y)


def int_div(x: Any, y: Any) -> Any:
    """Integer quotient rounded towards zero."""
    return int_div_p.bind(x, y)


def mod(x: Any, y: Any) -> Any:
    """Remainder with the sign of ``y``."""
    return mod_p.bind(x, y)


def rem(x: Any, y: Any) -> Any:
    """Remainder with the sign of ``x``."""
    return rem_p.bind(x, y)


def _pow_base(t: Any, o: Any, x: Any, y: Any) -> Any:
    exponent = select(eq(y, 0), full_like(y, 1), sub(y, 1))
    return mul(t, select(eq(y, 0), full_like(o, 0), mul(y, power(x, exponent))))


def _pow_exponent(t: Any, o: Any, x: Any, y: Any) -> Any:
    from weft.ir.ops.transcendental import log

    return mul(t, mul(log(select(eq(x, 0), full_like(x, 1), x)), o))


pow_p = define("pow", "number", references.power, per_input(_pow_base, _pow_exponent))


def power(x: Any, y: Any) -> Any:
    """``x ** y`` of one dtype."""
    return pow_p.bind(x, y)


def _integer_pow_reference(x: np.ndarray, *, y: int) -> Any:
    return (
        np.power(x, np.asarray(y).astype(x.dtype))
        if y >= 0
        else 1 / np.power(x, np.asarray(-y).astype(x.dtype))
    )


def _integer_pow_scalar(ops: Any, x: Any, *, y: int) -> Any:
    if y == 0:
        return ops.constant(1, x)
    result, base, n = None, x, abs(y)
    while n:
        if n & 1:
            result = base if result is None else ops.mul(result, base)
        n >>= 1
        if n:
            base = ops.mul(base, base)
    return result if y > 0 else ops.div(ops.constant(1, x), result)


integer_pow_p = define(
    "integer_pow", "number", _integer_pow_reference,
    per_input(lambda t, o, x, y: mul(t, full_like(x, 0) if y == 0 else mul(integer_pow(x, y - 1), y))),
    lower=_integer_pow_scalar,
)  # fmt: skip


def integer_pow(x: Any, y: int) -> Any:
    """``x ** y`` for a Python integer ``y``, by multiplications."""
    return x if y == 1 else integer_pow_p.bind(x, y=int(y))


# Magnitude and order


def _abs_term(t: Any, o: Any, x: Any) -> Any:
    if is_complex(x.dtype):
        return real(mul(t, conj(sign(x))))
    return mul(t, select(ge(x, 0), full_like(x, 1), full_like(x, -1)))


def _sign_jvp(prim: Primitive, primals: Any, tangents: Any, params: Any, answer: Any) -> Any:
    outs = answer()
    x, t = primals[0], tangents[0]
    if not is_complex(x.dtype):
        return outs, (None,)
    along = cast(real(mul(t, conj(outs[0]))), x.dtype)
    return outs, (div(sub(t, mul(outs[0], along)), cast(abs_(x), x.dtype)),)


def _share(t: Any, o: Any, x: Any, y: Any) -> Any:
    """The tangent's part for ``x`` in max and min: halves where both are equal."""
    half = select(eq(y, o), full_like(o, 0.5), full_like(o, 1))
    return mul(t, select(eq(x, o), half, full_like(o, 0)))


abs_p = define("abs", "any", np.abs, per_input(_abs_term), result=real_dtype)
sign_p = define("sign", "number", references.sign, _sign_jvp)
max_p = define("max", "any", np.maximum, per_input(_share, lambda t, o, x, y: _share(t, o, y, x)))
min_p = define("min", "any", np.minimum, per_input(_share, lambda t, o, x, y: _share(t, o, y, x)))


def abs_(x: Any) -> Any:
    """Absolute value; real for complex ``x``. The derivative at a real 0 is taken as 1, at a complex one as 0."""
    return abs_p.bind(x)


def sign(x: Any) -> Any:
    """-1, 0 or 1; ``x / abs(x)`` for complex ``x``."""
    return sign_p.bind(x)


def maximum(x: Any, y: Any) -> Any:
    """The larger; NaN where either is NaN."""
    return max_p.bind(x, y)


def minimum(x: Any, y: Any) -> Any:
    """The smaller; NaN where either is NaN."""
    return min_p.bind(x, y)


floor_p = define("floor", "real", np.floor, no_tangent)
ceil_p = define("ceil", "real", np.ceil, no_tangent)
rint_p = define("rint", "real", lambda x: x if types.is_integer(x.dtype) else np.rint(x), no_tangent)
trunc_p = define("trunc", "real", np.trunc, no_tangent)


def floor(x: Any) -> Any:
    """Largest integer not above."""
    return floor_p.bind(x)


def ceil(x: Any) -> Any:
    """Smallest integer not below."""
    return ceil_p.bind(x)


def rint(x: Any) -> Any:
    """Nearest integer, halves to even."""
    return rint_p.bind(x)


def trunc(x: Any) -> Any:
    """Nearest integer towards zero."""
    return trunc_p.bind(x)


# Comparison and logic

eq_p = define("eq", "any", np.equal, no_tangent, result=to_bool)
ne_p = define("ne", "any", np.not_equal, no_tangent, result=to_bool)
lt_p = define("lt", "ordered", np.less, no_tangent, result=to_bool)
le_p = define("le", "ordered", np.less_equal, no_tangent, result=to_bool)
gt_p = define("gt", "ordered", np.greater, no_tangent, result=to_bool)
ge_p = define("ge", "ordered", np.greater_equal, no_tangent, result=to_bool)
and_p = define("and_", "logical", np.bitwise_and, no_tangent, lower="and")
or_p = define("or_", "logical", np.bitwise_or, no_tangent, lower="or")
xor_p = define("xor", "logical", np.bitwise_xor, no_tangent)
not_p = define("not_", "logical", np.bitwise_not, no_tangent, lower="not")
is_finite_p = define("is_finite", "inexact", np.isfinite, no_tangent, result=to_bool)


def eq(x: Any, y: Any) -> Any:
    """``x == y``."""
    return eq_p.bind(x, y)


def ne(x: Any, y: Any) -> Any:
    """``x != y``."""
    return ne_p.bind(x, y)


def lt(x: Any, y: Any) -> Any:
    """``x < y``."""
    return lt_p.bind(x, y)


def le(x: Any, y: Any) -> Any:
    """``x <= y``."""
    return le_p.bind(x, y)


def gt(x: Any, y: Any) -> Any:
    """``x > y``."""
    return gt_p.bind(x, y)


def ge(x: Any, y: Any) -> Any:
    """``x >= y``."""
    return ge_p.bind(x, y)


def and_(x: Any, y: Any) -> Any:
    """Bitwise (bool: logical) and."""
    return and_p.bind(x, y)


def or_(x: Any, y: Any) -> Any:
    """Bitwise (bool: logical) or."""
    return or_p.bind(x, y)


def xor(x: Any, y: Any) -> Any:
    """Bitwise (bool: logical) exclusive or."""
    return xor_p.bind(x, y)


def not_(x: Any) -> Any:
    """Bitwise (bool: logical) not."""
    return not_p.bind(x)


def is_finite(x: Any) -> Any:
    """Whether neither infinite nor NaN."""
    return is_finite_p.bind(x)


# Choice


def _select_type(c: ArrayType, x: ArrayType, y: ArrayType) -> ArrayType:
    if c.dtype != BOOL:
        raise DTypeError(f"select needs a bool condition, got {c}.")
    if x.dtype != y.dtype:
        raise DTypeError(f"select got branches of different dtypes: {x} and {y}.")
    return ArrayType(common_shape("select", (c, x, y)), x.dtype)


def _select_transpose(prim: Primitive, cts: Any, ins: Any, params: Any) -> list[Any]:
    c, x, y = ins
    ct = cts[0]
    zero = full_like(ct, 0)
    return [
        None,
        select(c, ct, zero) if is_linear(x) else None,
        select(c, zero, ct) if is_linear(y) else None,
    ]


def _select_jvp(prim: Primitive, primals: Any, tangents: Any, params: Any, answer: Any) -> Any:
    from weft.ir.rules import zeros_like

    outs = answer()
    c, t, u = primals[0], tangents[1], tangents[2]
    if t is None and u is None:
        return outs, (None,)
    zero = zeros_like(outs[0])
    return outs, (select(c, zero if t is None else t, zero if u is None else u),)


select_p = Primitive(
    "select",
    type_rule=_select_type,
    reference=np.where,
    jvp=_select_jvp,
    transpose=_select_transpose,
    batch=pointwise,
    lower=scalar("select"),
)


def select(condition: Any, x: Any, y: Any) -> Any:
    """``x`` where ``condition``, else ``y``."""
    return select_p.bind(condition, x, y)


# Conversion


def _cast_reference(x: np.ndarray, *, dtype: np.dtype) -> np.ndarray:
    if is_complex(x.dtype) and not is_complex(dtype) and dtype != BOOL:
        x = x.real
    return x.astype(dtype)


def _cast_jvp(prim: Primitive, primals: Any, tangents: Any, params: Any, answer: Any) -> Any:
    return answer(), (cast(tangents[0], params["dtype"]) if is_inexact(params["dtype"]) else None,)


cast_p = Primitive(
    "cast",
    type_rule=lambda x, *, dtype: x.with_dtype(dtype),
    reference=_cast_reference,
    jvp=_cast_jvp,
    transpose=transposed(lambda ct, x, *, dtype: cast(ct, x.dtype)),
    batch=pointwise,
    lower=scalar("cast"),
)


def cast(x: Any, dtype: Any) -> Any:
    """``x`` as another dtype; a complex ``x`` loses its imaginary part."""
    return x if x.dtype == dtype else cast_p.bind(x, dtype=np.dtype(dtype))


def _bitcast_type(x: ArrayType, *, dtype: np.dtype) -> ArrayType:
    if x.dtype.itemsize != dtype.itemsize or x.dtype == BOOL or dtype == BOOL:
        raise DTypeError(f"bitcast of {x} to {dtype}: the widths differ.")
    return x.with_dtype(dtype)


bitcast_p = Primitive(
    "bitcast",
    type_rule=_bitcast_type,
    reference=lambda x, *, dtype: np.asarray(x).view(dtype),
    jvp=no_tangent,
    transpose=None,
    batch=pointwise,
    lower=scalar("bitcast"),
)


def bitcast(x: Any, dtype: Any) -> Any:
    """The same bits read as another dtype of the same width."""
    return bitcast_p.bind(x, dtype=np.dtype(dtype))


# Complex parts

real_p = define(
    "real",
    "complex",
    lambda x: np.real(x).copy(),
    linear,
    transposed(lambda ct, x: complex_(ct, full_like(ct, 0))),
    result=real_dtype,
)
imag_p = define(
    "imag",
    "complex",
    lambda x: np.imag(x).copy(),
    linear,
    transposed(lambda ct, x: complex_(full_like(ct, 0), neg(ct))),
    result=real_dtype,
)
conj_p = define("conj", "complex", np.conj, linear, transposed(lambda ct, x: conj(ct)))


def _complex_reference(re: np.ndarray, im: np.ndarray) -> np.ndarray:
    # Not re + 1j * im: that is NaN where im is infinite.
    out = np.empty(np.broadcast_shapes(np.shape(re), np.shape(im)), types.complex_dtype(re.dtype))
    out.real, out.imag = re, im
    return out


def _complex_transpose(prim: Primitive, cts: Any, ins: Any, params: Any) -> list[Any]:
    return [real(cts[0]) if is_linear(ins[0]) else None, neg(imag(cts[0])) if is_linear(ins[1]) else None]


complex_p = define(
    "complex",
    "floating",
    _complex_reference,
    linear,
    _complex_transpose,
    result=types.complex_dtype,
)


def real(x: Any) -> Any:
    """Real part; ``x`` itself where it is real."""
    return real_p.bind(x) if is_complex(x.dtype) else x


def imag(x: Any) -> Any:
    """Imaginary part; zeros where ``x`` is real."""
    from weft.ir.ops.shape import full

    return imag_p.bind(x) if is_complex(x.dtype) else full(x.shape, 0, x.dtype)


def conj(x: Any) -> Any:
    """Complex conjugate; ``x`` itself where it is real."""
    return conj_p.bind(x) if is_complex(x.dtype) else x


def complex_(re: Any, im: Any) -> Any:
    """A complex array of its parts."""
    return complex_p.bind(re, im)


# Identity with a meaning

stop_gradient_p = define("stop_gradient", "any", lambda x: x, no_tangent, lower=lambda ops, x: x)


def stop_gradient(x: Any) -> Any:
    """``x``, taken as a constant by differentiation."""
    return stop_gradient_p.bind(x) if is_inexact(x.dtype) else x


def full_like(x: Any, value: bool | int | float | complex | np.ndarray) -> Any:
    """A scalar of the dtype of ``x``: elementwise operations repeat it."""
    return np.asarray(value, x.dtype)[()]
