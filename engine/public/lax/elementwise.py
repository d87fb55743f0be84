"""Elementwise functions of `weft.lax`: primitives under JAX's names, and what is made of a few of them.

``accuracy`` is read, and changes nothing: see options.py.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from weft.engine import tree
from weft.engine.array import to_value, wrap_value
from weft.ir.builder import Value
from weft.ir.errors import DTypeError, ShapeError
from weft.ir.ops import bits, control, special
from weft.ir.ops import elementwise as e
from weft.ir.ops import shape as s
from weft.ir.ops import transcendental as t
from weft.ir.ops.gamma_slope import gamma_slope, igamma_slope
from weft.ir.types import BOOL, check_dtype, is_inexact
from weft.lax.arguments import SCALARS, one_value, same_values


def _elementwise(name: str, fun: Callable[..., Any]) -> Callable[..., Any]:
    def function(*args: Any, accuracy: Any = None) -> Any:
        values = same_values(name, args)
        dtypes = {v.dtype for v in values if type(v) not in SCALARS}
        if len(dtypes) > 1:
            listed = ", ".join(str(getattr(v, "dtype", type(v).__name__)) for v in values)
            raise DTypeError(
                f"lax.{name} needs arguments of one dtype, got {listed}. Convert them, or use weft.numpy, which promotes."
            )
        return wrap_value(fun(*values))

    function.__name__ = function.__qualname__ = name
    function.__doc__ = fun.__doc__
    return function


def _divide(x: Any, y: Any) -> Any:
    """Quotient: of integers rounded towards zero."""
    dtype = next(v.dtype for v in (x, y) if type(v) not in SCALARS)
    return e.int_div(x, y) if dtype.kind in "iu" else e.div(x, y)


add = _elementwise("add", e.add)
sub = _elementwise("sub", e.sub)
mul = _elementwise("mul", e.mul)
rem = _elementwise("rem", e.rem)
max = _elementwise("max", e.maximum)
min = _elementwise("min", e.minimum)
pow = _elementwise("pow", e.power)
neg = _elementwise("neg", e.neg)
abs = _elementwise("abs", e.abs_)
sign = _elementwise("sign", e.sign)
floor = _elementwise("floor", e.floor)
ceil = _elementwise("ceil", e.ceil)
eq = _elementwise("eq", e.eq)
ne = _elementwise("ne", e.ne)
lt = _elementwise("lt", e.lt)
le = _elementwise("le", e.le)
gt = _elementwise("gt", e.gt)
ge = _elementwise("ge", e.ge)
bitwise_and = _elementwise("bitwise_and", e.and_)
bitwise_or = _elementwise("bitwise_or", e.or_)
bitwise_xor = _elementwise("bitwise_xor", e.xor)
bitwise_not = _elementwise("bitwise_not", e.not_)
shift_left = _elementwise("shift_left", bits.shift_left)
shift_right_arithmetic = _elementwise("shift_right_arithmetic", bits.shift_right)
shift_right_logical = _elementwise("shift_right_logical", bits.shift_right_logical)
population_count = _elementwise("population_count", bits.population_count)
clz = _elementwise("clz", bits.clz)
is_finite = _elementwise("is_finite", e.is_finite)
nextafter = _elementwise("nextafter", bits.nextafter)
real = _elementwise("real", e.real)
imag = _elementwise("imag", e.imag)
conj = _elementwise("conj", e.conj)
complex = _elementwise("complex", e.complex_)
sqrt = _elementwise("sqrt", t.sqrt)
rsqrt = _elementwise("rsqrt", t.rsqrt)
cbrt = _elementwise("cbrt", t.cbrt)
exp = _elementwise("exp", t.exp)
exp2 = _elementwise("exp2", t.exp2)
expm1 = _elementwise("expm1", t.expm1)
log = _elementwise("log", t.log)
log1p = _elementwise("log1p", t.log1p)
logistic = _elementwise("logistic", t.logistic)
sin = _elementwise("sin", t.sin)
cos = _elementwise("cos", t.cos)
tan = _elementwise("tan", t.tan)
asin = _elementwise("asin", t.asin)
acos = _elementwise("acos", t.acos)
atan = _elementwise("atan", t.atan)
atan2 = _elementwise("atan2", t.atan2)
sinh = _elementwise("sinh", t.sinh)
cosh = _elementwise("cosh", t.cosh)
tanh = _elementwise("tanh", t.tanh)
asinh = _elementwise("asinh", t.asinh)
acosh = _elementwise("acosh", t.acosh)
atanh = _elementwise("atanh", t.atanh)
erf = _elementwise("erf", t.erf)
erfc = _elementwise("erfc", t.erfc)
erf_inv = _elementwise("erf_inv", t.erf_inv)
lgamma = _elementwise("lgamma", t.lgamma)
digamma = _elementwise("digamma", t.digamma)
igamma = _elementwise("igamma", special.igamma)
igammac = _elementwise("igammac", special.igammac)
betainc = _elementwise("betainc", special.betainc)
bessel_i0e = _elementwise("bessel_i0e", special.bessel_i0e)
bessel_i1e = _elementwise("bessel_i1e", special.bessel_i1e)
zeta = _elementwise("zeta", special.zeta)
mulhi = _elementwise("mulhi", bits.mulhi)
random_gamma_grad = _elementwise("random_gamma_grad", gamma_slope)
igamma_grad_a = _elementwise("igamma_grad_a", igamma_slope)
square = _elementwise("square", lambda x: e.integer_pow(x, 2))
reciprocal = _elementwise("reciprocal", lambda x: e.integer_pow(x, -1))
div = _elementwise("div", _divide)


def integer_pow(x: Any, y: int) -> Any:
    """``x ** y`` for a Python integer ``y``."""
    return wrap_value(e.integer_pow(one_value(x), operator.index(y)))


def round(x: Any, rounding_method: int = 0) -> Any:
    """Nearest integer: 0 rounds halves away from zero, 1 to even."""
    value = one_value(x)
    if rounding_method == 1:
        return wrap_value(e.rint(value))
    whole = e.trunc(value)  # exact, and so is what it leaves; adding 0.5 would round
    away = e.add(whole, bits.copysign(e.full_like(value, 1), value))
    halves = e.ge(e.abs_(e.sub(value, whole)), e.full_like(value, 0.5))
    return wrap_value(e.select(halves, away, whole))


def clamp(min: Any, x: Any, max: Any) -> Any:
    """``x`` kept between ``min`` and ``max``, which are scalars or of its shape. At both its derivative is 0."""
    value = one_value(x)
    low, high = (v if type(v) in SCALARS else to_value(v) for v in (min, max))
    kept = e.minimum(e.maximum(e.stop_gradient(value), low), high)
    if isinstance(value, Value) and is_inexact(value.dtype):  # it may be differentiated
        kept = e.select(e.and_(e.gt(value, low), e.lt(value, high)), value, kept)
    return wrap_value(kept)


def select(pred: Any, on_true: Any, on_false: Any) -> Any:
    """``on_true`` where ``pred``, else ``on_false``."""
    return wrap_value(e.select(one_value(pred), *same_values("select", (on_true, on_false))))


def select_n(which: Any, *cases: Any) -> Any:
    """The case that ``which`` numbers, element by element; a bool ``which`` chooses between two."""
    chosen = one_value(which)
    values = same_values("select_n", cases)
    if chosen.dtype == bool:
        return wrap_value(values[0] if len(values) == 1 else e.select(chosen, values[1], values[0]))
    result = values[-1]
    for i in range(len(values) - 2, -1, -1):
        result = e.select(e.le(chosen, i), values[i], result)
    return wrap_value(result)


def convert_element_type(operand: Any, new_dtype: Any) -> Any:
    """``operand`` as another dtype."""
    return wrap_value(e.cast(one_value(operand), check_dtype(new_dtype)))


def bitcast_convert_type(operand: Any, new_dtype: Any) -> Any:
    """The bits of ``operand`` read as another dtype.

    A dtype of fewer bits adds a last axis, of the parts of each element, the lowest bits first; one of more bits takes the last
    axis away, which must be as long as there are parts.
    """
    value, dtype = one_value(operand), check_dtype(new_dtype)
    old, new = value.dtype.itemsize, dtype.itemsize
    if old == new:
        return wrap_value(e.bitcast(value, dtype))
    if BOOL in (value.dtype, dtype) or "c" in (value.dtype.kind, dtype.kind):
        raise DTypeError(
            f"lax.bitcast_convert_type cannot read {value.dtype} as {dtype}: of different widths, both are integers or real."
        )
    narrow, wide = (np.dtype(f"u{n}") for n in sorted((old, new)))
    count, width, last = wide.itemsize // narrow.itemsize, 8 * narrow.itemsize, len(value.shape)
    if new < old:
        whole = e.bitcast(value, wide)
        cut = [
            e.cast(bits.shift_right_logical(whole, width * k) if k else whole, narrow) for k in range(count)
        ]
        return wrap_value(e.bitcast(s.concatenate([s.expand_dims(c, (last,)) for c in cut], last), dtype))
    if not last or value.shape[-1] != count:
        raise ShapeError(
            f"lax.bitcast_convert_type of {value.dtype} {value.shape} to {dtype} needs a last axis of length {count}."
        )
    parts = e.cast(e.bitcast(value, narrow), wide)
    total = None
    for k in range(count):
        part = s.squeeze(s.slice_axis(parts, last - 1, k, k + 1), (last - 1,))
        part = bits.shift_left(part, width * k) if k else part
        total = part if total is None else e.or_(total, part)
    return wrap_value(e.bitcast(total, dtype))


def optimization_barrier(operand: Any) -> Any:
    """``operand``, a tree of arrays, kept apart from equal values."""
    return tree.map(lambda leaf: wrap_value(control.optimization_barrier(to_value(leaf))), operand)


def reduce_precision(operand: Any, exponent_bits: int, mantissa_bits: int) -> Any:
    """Floats rounded to those with so many bits of exponent and mantissa, in their own dtype.

    Too large ones become infinite, too small ones 0 (there are no subnormal numbers). ``exponent_bits`` is at least 1.
    """
    return wrap_value(bits.reduce_precision(one_value(operand), exponent_bits, mantissa_bits))


def polygamma(m: Any, x: Any) -> Any:
    """The derivative of order ``m`` of digamma at ``x``: a whole number, or an array of such numbers in the dtype of ``x``."""
    if type(m) in (int, float) and m == int(m):
        return wrap_value(special.polygamma(int(m), one_value(x)))
    orders, value = same_values("polygamma", (m, x))
    next_order = e.add(orders, 1)
    size = e.mul(t.exp(t.lgamma(next_order)), special.zeta(next_order, value))
    odd = e.eq(e.mod(orders, e.full_like(orders, 2)), 1)
    return wrap_value(e.select(e.eq(orders, 0), t.digamma(value), e.select(odd, size, e.neg(size))))
