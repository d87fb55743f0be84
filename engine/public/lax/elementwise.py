"""Elementwise functions of `weft.lax`: primitives under JAX's names, and what is made of a few of them.

``accuracy`` is read, and changes nothing: see options.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from inspect import Parameter, Signature
from typing import Any

import numpy as np

from weft.engine import tree
from weft.engine.array import to_value, wrap_value
from weft.ir.builder import Value
from weft.ir.errors import ArgumentError, DTypeError, ShapeError
from weft.ir.ops import bits, control, special
from weft.ir.ops import elementwise as e
from weft.ir.ops import shape as s
from weft.ir.ops import transcendental as t
from weft.ir.ops.gamma_slope import gamma_slope, igamma_slope
from weft.ir.types import BOOL, check_dtype, is_complex, is_inexact
from weft.lax.arguments import SCALARS, check_kind, checked, one_value, same_values


def _elementwise(
    name: str, fun: Callable[..., Any], kind: str, names: Sequence[str] = ()
) -> Callable[..., Any]:
    """A public function of arguments of one dtype, which is of a ``kind`` of `weft.ir.rules.KINDS`.

    Its arguments are called ``names``, or as those of ``fun``.
    """
    checked: set[np.dtype] = set()
    names = names or fun.__code__.co_varnames[: fun.__code__.co_argcount]
    either = Parameter.POSITIONAL_OR_KEYWORD
    accuracy = Parameter("accuracy", Parameter.KEYWORD_ONLY, default=None)
    signature = Signature([*[Parameter(n, either) for n in names], accuracy])

    def function(*args: Any, **kwargs: Any) -> Any:
        if kwargs or len(args) != len(names):
            try:
                args = signature.bind(*args, **kwargs).args
            except TypeError as error:
                raise ArgumentError(f"lax.{name}({', '.join(names)}): {error}.") from None
        if kind in ("floating", "inexact") and all(type(x) in (bool, int) for x in args):
            args = tuple(map(float, args))
        values = same_values(name, args)
        dtypes = _one_dtype(name, values)
        if not dtypes <= checked:
            (dtype,) = dtypes
            check_kind(name, dtype, kind)
            checked.add(dtype)
        return wrap_value(fun(*values))

    function.__name__ = function.__qualname__ = name
    function.__doc__ = fun.__doc__
    function.__signature__ = signature  # type: ignore[attr-defined]
    return function


def _one_dtype(name: str, values: Sequence[Any]) -> set[np.dtype]:
    """The dtype of all arrays among the arguments of ``name``; raises `DTypeError` where there are several."""
    dtypes = {v.dtype for v in values if type(v) not in SCALARS}
    if len(dtypes) > 1:
        listed = ", ".join(str(getattr(v, "dtype", type(v).__name__)) for v in values)
        raise DTypeError(
            f"lax.{name} needs arguments of one dtype, got {listed}. Convert them, or use weft.numpy, which promotes."
        )
    return dtypes


def _divide(x: Any, y: Any) -> Any:
    """Quotient: of integers rounded towards zero."""
    dtype = next(v.dtype for v in (x, y) if type(v) not in SCALARS)
    return e.int_div(x, y) if dtype.kind in "iu" else e.div(x, y)


def _conjugate(x: Any) -> Any:
    """The complex conjugate, which is complex for real arguments too."""
    return e.conj(x if is_complex(x.dtype) else e.complex_(x, e.full_like(x, 0)))


def _angle_of(x: Any, y: Any) -> Any:
    """The angle of the point ``(y, x)``; for complex arguments ``-i log((y + i x) / sqrt(x**2 + y**2))``."""
    dtype = next(v.dtype for v in (x, y) if type(v) not in SCALARS)
    if not is_complex(dtype):
        return t.atan2(x, y)
    length = t.sqrt(e.add(e.integer_pow(y, 2), e.integer_pow(x, 2)))
    return e.mul(-1j, t.log(e.div(e.add(y, e.mul(1j, x)), length)))


add = _elementwise("add", e.add, "any")
sub = _elementwise("sub", e.sub, "number")
rem = _elementwise("rem", e.rem, "real")
max = _elementwise("max", e.maximum, "any")
min = _elementwise("min", e.minimum, "any")
pow = _elementwise("pow", e.power, "number")
neg = _elementwise("neg", e.neg, "number")
abs = _elementwise("abs", e.abs_, "number")
sign = _elementwise("sign", e.sign, "number")
floor = _elementwise("floor", e.floor, "floating")
ceil = _elementwise("ceil", e.ceil, "floating")
eq = _elementwise("eq", e.eq, "any")
ne = _elementwise("ne", e.ne, "any")
lt = _elementwise("lt", e.lt, "ordered")
le = _elementwise("le", e.le, "ordered")
gt = _elementwise("gt", e.gt, "ordered")
ge = _elementwise("ge", e.ge, "ordered")
bitwise_and = _elementwise("bitwise_and", e.and_, "logical")
bitwise_or = _elementwise("bitwise_or", e.or_, "logical")
bitwise_xor = _elementwise("bitwise_xor", e.xor, "logical")
bitwise_not = _elementwise("bitwise_not", e.not_, "logical")
shift_left = _elementwise("shift_left", bits.shift_left, "integer")
shift_right_arithmetic = _elementwise("shift_right_arithmetic", bits.shift_right, "integer")
shift_right_logical = _elementwise("shift_right_logical", bits.shift_right_logical, "integer")
population_count = _elementwise("population_count", bits.population_count, "integer")
clz = _elementwise("clz", bits.clz, "integer")
is_finite = _elementwise("is_finite", e.is_finite, "inexact")
nextafter = _elementwise("nextafter", bits.nextafter, "floating", ("x1", "x2"))
real = _elementwise("real", e.real, "any")
imag = _elementwise("imag", e.imag, "any")
conj = _elementwise("conj", _conjugate, "inexact")
complex = _elementwise("complex", e.complex_, "floating", ("x", "y"))
sqrt = _elementwise("sqrt", t.sqrt, "inexact")
rsqrt = _elementwise("rsqrt", t.rsqrt, "inexact")
cbrt = _elementwise("cbrt", t.cbrt, "floating")
exp = _elementwise("exp", t.exp, "inexact")
exp2 = _elementwise("exp2", t.exp2, "inexact")
expm1 = _elementwise("expm1", t.expm1, "inexact")
log = _elementwise("log", t.log, "inexact")
log1p = _elementwise("log1p", t.log1p, "inexact")
logistic = _elementwise("logistic", t.logistic, "inexact")
sin = _elementwise("sin", t.sin, "inexact")
cos = _elementwise("cos", t.cos, "inexact")
tan = _elementwise("tan", t.tan, "inexact")
asin = _elementwise("asin", t.asin, "inexact")
acos = _elementwise("acos", t.acos, "inexact")
atan = _elementwise("atan", t.atan, "inexact")
atan2 = _elementwise("atan2", _angle_of, "inexact")
sinh = _elementwise("sinh", t.sinh, "inexact")
cosh = _elementwise("cosh", t.cosh, "inexact")
tanh = _elementwise("tanh", t.tanh, "inexact")
asinh = _elementwise("asinh", t.asinh, "inexact")
acosh = _elementwise("acosh", t.acosh, "inexact")
atanh = _elementwise("atanh", t.atanh, "inexact")
erf = _elementwise("erf", t.erf, "floating")
erfc = _elementwise("erfc", t.erfc, "floating")
erf_inv = _elementwise("erf_inv", t.erf_inv, "floating")
lgamma = _elementwise("lgamma", t.lgamma, "floating")
digamma = _elementwise("digamma", t.digamma, "floating")
igamma = _elementwise("igamma", special.igamma, "floating")
igammac = _elementwise("igammac", special.igammac, "floating")
betainc = _elementwise("betainc", special.betainc, "floating")
bessel_i0e = _elementwise("bessel_i0e", special.bessel_i0e, "floating")
bessel_i1e = _elementwise("bessel_i1e", special.bessel_i1e, "floating")
zeta = _elementwise("zeta", special.zeta, "floating")
mulhi = _elementwise("mulhi", bits.mulhi, "integer")
random_gamma_grad = _elementwise("random_gamma_grad", gamma_slope, "floating")
igamma_grad_a = _elementwise("igamma_grad_a", igamma_slope, "floating")
square = _elementwise("square", lambda x: e.integer_pow(x, 2), "number")
reciprocal = _elementwise("reciprocal", lambda x: e.integer_pow(x, -1), "inexact")
div = _elementwise("div", _divide, "number")
_product = _elementwise("mul", e.mul, "any")


def mul(x: Any, y: Any, *, out_dtype: Any = None, accuracy: Any = None) -> Any:
    """The product of two arrays of one dtype, computed in ``out_dtype`` if that is given."""
    if out_dtype is not None:
        _one_dtype("mul", values := same_values("mul", (x, y)))
        x, y = (convert_element_type(v, out_dtype) for v in values)
    return _product(x, y)


def integer_pow(x: Any, y: int) -> Any:
    """``x ** y`` for a Python integer ``y``."""
    value = one_value(x)
    check_kind("integer_pow", value.dtype, "number")
    if int(y) != y:
        raise ArgumentError(
            f"lax.integer_pow takes a Python integer as exponent, got {y!r}: use lax.pow for others."
        )
    return wrap_value(e.integer_pow(value, int(y)))


def round(x: Any, rounding_method: int = 0) -> Any:
    """Nearest integer: 0 rounds halves away from zero, 1 to even."""
    value = one_value(x)
    check_kind("round", value.dtype, "floating")
    if rounding_method not in (0, 1):
        raise ArgumentError(f"lax.round got rounding_method={rounding_method!r}: see lax.RoundingMethod.")
    if rounding_method == 1:
        return wrap_value(e.rint(value))
    whole = e.trunc(value)  # exact, and so is what it leaves; adding 0.5 would round
    away = e.add(whole, bits.copysign(e.full_like(value, 1), value))
    halves = e.ge(e.abs_(e.sub(value, whole)), e.full_like(value, 0.5))
    return wrap_value(e.select(halves, away, whole))


@checked
def clamp(min: Any, x: Any, max: Any) -> Any:
    """``x`` kept between ``min`` and ``max``, which are scalars or of its shape. At both its derivative is 0."""
    value = one_value(x)
    low, high = (v if type(v) in SCALARS else to_value(v) for v in (min, max))
    kept = e.minimum(e.maximum(e.stop_gradient(value), low), high)
    if isinstance(value, Value) and is_inexact(value.dtype):  # it may be differentiated
        kept = e.select(e.and_(e.gt(value, low), e.lt(value, high)), value, kept)
    return wrap_value(kept)


@checked
def select(pred: Any, on_true: Any, on_false: Any) -> Any:
    """``on_true`` where ``pred``, else ``on_false``."""
    return wrap_value(e.select(one_value(pred), *same_values("select", (on_true, on_false))))


@checked
def select_n(which: Any, *cases: Any) -> Any:
    """The case that ``which`` numbers, element by element; a bool ``which`` chooses between two."""
    chosen = one_value(which)
    if not cases or (chosen.dtype == bool and len(cases) > 2):
        raise ArgumentError(
            f"lax.select_n of {chosen.dtype} got {len(cases)} cases: at least one; of bool, two at most."
        )
    check_kind("select_n", chosen.dtype, "logical")
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
    value = one_value(operand)
    check_kind("reduce_precision", value.dtype, "floating")
    return wrap_value(bits.reduce_precision(value, exponent_bits, mantissa_bits))


@checked
def polygamma(m: Any, x: Any) -> Any:
    """The derivative of order ``m`` of digamma at ``x``: a whole number, or an array of such numbers in the dtype of ``x``."""
    if type(m) in (int, float) and m == int(m):
        if m < 0:
            raise ArgumentError(f"lax.polygamma needs an order of at least 0, got {m}.")
        return wrap_value(special.polygamma(int(m), one_value(x)))
    return wrap_value(special.polygamma_of_orders(*same_values("polygamma", (m, x))))
