"""Computations of elementwise functions that take more than one primitive.

The one idea: operands have one shape and dtype, as primitives want them, and each formula is written so that its
derivatives are right as well: where two branches meet, both are smooth there or the chosen one is.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np

from weft.ir.builder import build
from weft.ir.graph import Graph
from weft.ir.ops import bits
from weft.ir.ops import elementwise as e
from weft.ir.ops import shape as s
from weft.ir.ops import transcendental as t
from weft.ir.ops.flow import while_loop
from weft.ir.passes.batch import Axis, batch_values
from weft.ir.primitive import NOT_MAPPED
from weft.ir.types import ArrayType, is_complex, is_inexact

_INT64 = np.dtype(np.int64)
_FLOAT32 = np.dtype(np.float32)


def constant(x: Any, value: Any) -> Any:
    """A scalar of the dtype of ``x``."""
    return e.full_like(x, value)


def zeros(x: Any) -> Any:
    """Where ``x`` is zero."""
    return e.eq(x, constant(x, 0))


def is_nan(x: Any) -> Any:
    """Where ``x`` is not a number; nowhere for integers."""
    return e.ne(x, x)


def is_finite(x: Any) -> Any:
    """Where ``x`` is neither infinite nor NaN."""
    return e.is_finite(x) if is_inexact(x.dtype) else e.eq(x, x)


def is_infinite(x: Any) -> Any:
    """Where ``x`` is infinite, in either part if it is complex."""
    if is_complex(x.dtype):
        return e.or_(is_infinite(e.real(x)), is_infinite(e.imag(x)))
    return e.eq(e.abs_(x), constant(x, math.inf)) if is_inexact(x.dtype) else e.ne(x, x)


def rint(x: Any) -> Any:
    """Nearest integer, halves to even; of both parts if ``x`` is complex."""
    return e.complex_(e.rint(e.real(x)), e.rint(e.imag(x))) if is_complex(x.dtype) else e.rint(x)


def reciprocal(x: Any) -> Any:
    """``1 / x``, truncated for integers."""
    return e.div(constant(x, 1), x) if is_inexact(x.dtype) else e.int_div(constant(x, 1), x)


def heaviside(x: Any, middle: Any) -> Any:
    """0 below zero, 1 above, ``middle`` at zero."""
    sides = e.select(e.lt(x, constant(x, 0)), constant(x, 0), constant(x, 1))
    return e.select(is_nan(x), x, e.select(zeros(x), middle, sides))


def fmax(x: Any, y: Any) -> Any:
    """The larger; the other one where one is NaN."""
    return e.select(is_nan(y), x, e.select(is_nan(x), y, e.maximum(x, y)))


def fmin(x: Any, y: Any) -> Any:
    """The smaller; the other one where one is NaN."""
    return e.select(is_nan(y), x, e.select(is_nan(x), y, e.minimum(x, y)))


def logaddexp(x: Any, y: Any) -> Any:
    """log(exp(x) + exp(y)) = m + log1p(expm1(high - m) + exp(low - m)) with m = high taken as a constant.

    The first term is 0 in value but not in derivative, so derivatives are exact to any order, at ties too.
    """
    order = e.ge(x, y)
    high, low = e.select(order, x, y), e.select(order, y, x)
    m = e.stop_gradient(e.select(e.is_finite(high), high, constant(high, 0)))
    return e.add(m, t.log1p(e.add(t.expm1(e.sub(high, m)), t.exp(e.sub(low, m)))))


def logaddexp2(x: Any, y: Any) -> Any:
    """log2(2**x + 2**y)."""
    ln2 = math.log(2)
    return e.div(logaddexp(e.mul(x, ln2), e.mul(y, ln2)), constant(x, ln2))


def sinc(x: Any) -> Any:
    """sin(pi x) / (pi x); a power series near 0, where the quotient has no derivatives."""
    z = e.mul(x, math.pi)
    near = e.lt(e.abs_(z), e.full_like(e.abs_(z), 0.02))
    w = e.mul(z, z)
    series = constant(w, 1.0)
    for n in (7, 5, 3):  # 1 - w/(2*3) (1 - w/(4*5) (1 - w/(6*7)))
        series = e.sub(1, e.mul(e.div(w, constant(w, n * (n - 1))), series))
    safe = e.select(near, constant(z, 1), z)
    return e.select(near, series, e.div(t.sin(safe), safe))


# Integers


def gcd(x: Any, y: Any) -> Any:
    """Greatest common divisor by Euclid's algorithm: each pair takes as many steps as it needs."""
    return e.cast(_unsigned_gcd(_size(x), _size(y)), x.dtype)


def _size(x: Any) -> Any:
    """The absolute value of an integer, unsigned, as that of the least integer is."""
    return x if x.dtype.kind == "u" else e.cast(e.abs_(x), np.dtype(f"u{x.dtype.itemsize}"))


def _unsigned_gcd(x: Any, y: Any) -> Any:
    shape = x.shape or y.shape  # one may be a scalar
    size = math.prod(shape)
    pairs = [s.reshape(z, (size,)) if z.shape else z for z in (x, y)]
    axes = [0 if z.shape else NOT_MAPPED for z in (x, y)]
    (found,), _ = batch_values(_divide_out(x.dtype), pairs, axes, Axis(size))
    return s.reshape(found, shape)


@functools.cache
def _divide_out(dtype: np.dtype) -> Graph:
    """Of two integers the last of Euclid's remainders that is not zero."""
    types = [ArrayType((), dtype)] * 2
    unfinished = build(lambda x, y: [e.ne(y, constant(y, 0))], types)
    step = build(lambda x, y: [y, e.rem(x, y)], types)
    return build(lambda x, y: [while_loop(unfinished, step, (), (), (x, y))[0]], types)


def lcm(x: Any, y: Any) -> Any:
    """Least common multiple; 0 where either is 0."""
    dtype = x.dtype
    x, y = _size(x), _size(y)
    divisor = _unsigned_gcd(x, y)
    quotient = e.floor_div(x, e.select(zeros(divisor), constant(x, 1), divisor))
    return e.cast(e.mul(quotient, y), dtype)


def bitwise_count(x: Any) -> Any:
    """Number of ones in the binary digits of the absolute value."""
    if x.dtype.kind == "b":
        return e.cast(x, np.dtype(np.uint8))
    return bits.population_count(x if x.dtype.kind == "u" else e.abs_(x))


# Parts of floating-point numbers


def modf(x: Any) -> tuple[Any, Any]:
    """Fraction and integer part, both with the sign of ``x``."""
    whole = e.trunc(x)
    fraction = e.select(bits.sign_bit(x), e.neg(e.sub(whole, x)), e.sub(x, whole))  # a zero has the sign of x
    return e.select(is_infinite(x), bits.copysign(constant(x, 0), x), fraction), whole


def spacing(x: Any) -> Any:
    """Distance to the next number away from zero, with the sign of ``x``; of float16, as in NumPy, to the next larger."""
    half = x.dtype == np.float16
    size = x if half else e.abs_(x)
    above = bits.nextafter(size, constant(x, math.inf))
    below = bits.nextafter(size, constant(x, 0))
    gap = e.select(e.is_finite(above), e.sub(above, size), e.sub(size, below))
    gap = e.select(is_infinite(x), constant(x, math.nan), gap)
    return gap if half else bits.copysign(gap, x)


def _layout(dtype: np.dtype) -> tuple[np.dtype, int, int]:
    """Integer dtype of the same width, number of mantissa bits, exponent bias."""
    info = np.finfo(dtype)
    return np.dtype(f"i{dtype.itemsize}"), info.nmant, 1 - int(info.minexp)


def _two_to(k: Any, dtype: np.dtype) -> Any:
    """``2.0 ** k`` by bits, for an integer ``k`` within the normal exponents."""
    integers, mantissa_bits, bias = _layout(dtype)
    k = e.cast(k, integers)
    return e.bitcast(bits.shift_left(e.add(k, constant(k, bias)), constant(k, mantissa_bits)), dtype)


def _scaled(x: Any, k: Any) -> Any:
    """``x * 2 ** k``, in quarters so that no factor overflows."""
    most = 4 * ((1 << (8 if x.dtype == _FLOAT32 else 11)) // 4) + 60
    k = e.minimum(e.maximum(k, constant(k, -most)), constant(k, most))
    quarter = bits.shift_right(k, constant(k, 2))
    rest = e.sub(k, e.mul(quarter, constant(k, 3)))
    for part in (quarter, quarter, quarter, rest):
        x = e.mul(x, _two_to(part, x.dtype))
    return x


def ldexp(x: Any, k: Any) -> Any:
    """``x * 2 ** k``."""
    if x.dtype.itemsize == 2:
        return e.cast(ldexp(e.cast(x, _FLOAT32), k), x.dtype)
    return _scaled(x, e.cast(k, _INT64))


def frexp(x: Any) -> tuple[Any, Any]:
    """Mantissa from 0.5 to 1 and exponent; ``x`` itself and 0 for zeros, infinities and NaN."""
    if x.dtype.itemsize == 2:
        mantissa, exponent = frexp(e.cast(x, _FLOAT32))
        return e.cast(mantissa, x.dtype), exponent
    integers, mantissa_bits, bias = _layout(x.dtype)
    ordinary = e.and_(e.is_finite(x), e.not_(zeros(x)))
    lift = mantissa_bits + 2
    small = e.lt(e.abs_(x), constant(x, float(np.finfo(x.dtype).tiny)))
    lifted = e.select(small, e.mul(x, 2.0**lift), x)
    pattern = e.bitcast(e.stop_gradient(lifted), integers)
    field = e.and_(
        bits.shift_right(pattern, constant(pattern, mantissa_bits)), constant(pattern, 2 * bias + 1)
    )
    exponent = e.sub(field, e.select(small, constant(field, bias - 1 + lift), constant(field, bias - 1)))
    exponent = e.select(ordinary, exponent, constant(exponent, 0))
    return _scaled(x, e.neg(e.cast(exponent, _INT64))), exponent
