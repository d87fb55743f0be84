"""Rows of elementwise operations."""

from __future__ import annotations

import numpy as np
import scipy.special

from tests.op_rows.record import (
    ANY,
    BF16,
    BOOL,
    C128,
    COMPLEX,
    F16,
    F32,
    F64,
    FEW,
    FLOATS,
    I32,
    I64,
    INEXACT,
    INTS,
    LOGICAL,
    NUMBERS,
    ORDERED,
    REAL,
    U64,
    binary,
    pointwise,
    row,
    unary,
)
from weft.ir.ops import bits, integrals, special
from weft.ir.ops import elementwise as e
from weft.ir.ops import transcendental as t

AWAY = (0.5, 2)  # from zero

binary("add", e.add, np.add, ANY)
binary("sub", e.sub, np.subtract, NUMBERS)
unary("neg", e.neg, np.negative, NUMBERS)
binary("mul", e.mul, np.multiply, ANY)
binary("div", e.div, np.divide, INEXACT, (-2, 2), AWAY)
binary("floor_div", e.floor_div, np.floor_divide, REAL, (-2, 2), AWAY)
binary("int_div", e.int_div, lambda x, y: np.trunc(x / y).astype(x.dtype), INTS, (-2, 2), AWAY)
binary("mod", e.mod, np.remainder, REAL, (-2, 2), AWAY)
binary("rem", e.rem, np.fmod, REAL, (-2, 2), AWAY)
binary("pow", e.power, np.power, NUMBERS, (0.2, 1), (0.2, 1))
for exponent in (0, 2, 5):
    unary(
        "integer_pow",
        lambda x, y=exponent: e.integer_pow_p.bind(x, y=y),
        lambda x, y=exponent: x**y,
        NUMBERS,
        -1,
        1,
        variant=str(exponent),
    )
unary("integer_pow", lambda x: e.integer_pow(x, -3), lambda x: 1 / (x * x * x), INEXACT, *AWAY, variant="-3")
unary("abs", e.abs_, np.abs, ANY)
unary("sign", e.sign, lambda x: x / np.abs(x) if x.dtype.kind == "c" else np.sign(x), NUMBERS)
binary("max", e.maximum, np.maximum, ANY)
binary("min", e.minimum, np.minimum, ANY)
for name in ("floor", "ceil", "rint", "trunc"):
    unary(name, getattr(e, name), getattr(np, name), FLOATS)
    unary(name, getattr(e, name), np.copy, INTS, variant="integers")
for name, ufunc in [("eq", np.equal), ("ne", np.not_equal)]:
    binary(name, getattr(e, name), ufunc, ANY)
for name, ufunc in [("lt", np.less), ("le", np.less_equal), ("gt", np.greater), ("ge", np.greater_equal)]:
    binary(name, getattr(e, name), ufunc, ORDERED)
for name, ufunc in [("and_", np.bitwise_and), ("or_", np.bitwise_or), ("xor", np.bitwise_xor)]:
    binary(name, getattr(e, name), ufunc, LOGICAL)
unary("not_", e.not_, np.invert, LOGICAL)
unary("is_finite", e.is_finite, np.isfinite, INEXACT)
binary("shift_left", bits.shift_left, np.left_shift, INTS, (-2, 2), (0, 1))
binary("shift_right", bits.shift_right, np.right_shift, INTS, (-2, 2), (0, 1))


def _shift_right_logical(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    shifted = [(int(v) % 256**x.itemsize) >> int(n) for v, n in zip(x.ravel(), y.ravel(), strict=True)]
    return np.array(shifted, f"u{x.itemsize}").astype(x.dtype).reshape(x.shape)


binary("shift_right_logical", bits.shift_right_logical, _shift_right_logical, INTS, (-2, 2), (0, 1))


def _bits(x: np.ndarray) -> list[str]:
    width = 8 * x.dtype.itemsize
    return [format(int(v) % 2**width, f"0{width}b") for v in np.ravel(x)]


def _ones(x: np.ndarray) -> np.ndarray:
    return np.array([b.count("1") for b in _bits(x)], x.dtype).reshape(x.shape)


def _leading_zeros(x: np.ndarray) -> np.ndarray:
    return np.array([len(b) - len(b.lstrip("0")) for b in _bits(x)], x.dtype).reshape(x.shape)


unary("population_count", bits.population_count_p.bind, _ones, INTS)
unary("clz", bits.clz_p.bind, _leading_zeros, INTS)


def _to_forty_bits(x: np.ndarray) -> np.ndarray:
    if x.dtype != F64:
        return x.copy()  # they have no more
    split = x * (2**12 + 1)  # Veltkamp's
    return split - (split - x)


unary("reduce_precision", lambda x: bits.reduce_precision(x, 11, 40), _to_forty_bits, FLOATS)
unary("sign_bit", bits.sign_bit_p.bind, np.signbit, FLOATS)
binary("copysign", bits.copysign, np.copysign, FLOATS)
binary("nextafter", bits.nextafter_p.bind, np.nextafter, (F32, F64), smooth=False)
row(
    "select",
    lambda x, y, z: (
        e.select(e.eq(x, x), y, z) if x.dtype == BOOL else e.select(e.gt(e.real(x), e.real(y)), y, z)
    ),
    lambda x, y, z: y if x.dtype == BOOL else np.where(np.real(x) > np.real(y), y, z),
    FEW,
    pointwise(3, (-2, 2)),
)
unary("cast", lambda x: e.cast_p.bind(x, dtype=C128), lambda x: x.astype(C128), ANY, variant="c128")
unary("cast", lambda x: e.cast_p.bind(x, dtype=F64), lambda x: np.real(x).astype(F64), ANY, variant="f64")
unary(
    "cast", lambda x: e.cast_p.bind(x, dtype=I32), lambda x: np.real(x).astype(I32), ANY, -1, 1, variant="i32"
)
unary(
    "cast",
    lambda x: e.cast_p.bind(x, dtype=BF16),
    lambda x: np.real(x).astype(BF16),
    ANY,
    smooth=False,
    variant="bf16",
)
unary("bitcast", lambda x: e.bitcast(x, I64), lambda x: x.view(I64), (F64, U64), smooth=False, variant="i64")
unary(
    "bitcast",
    lambda x: e.bitcast(x, BF16),
    lambda x: x.astype(F16).view(BF16),
    (F16,),
    smooth=False,
    variant="bf16",
)
unary("real", e.real_p.bind, np.real, COMPLEX)
unary("imag", e.imag_p.bind, np.imag, COMPLEX)
unary("conj", e.conj_p.bind, np.conj, COMPLEX)
binary("complex", e.complex_, lambda x, y: x + 1j * y, (F32, F64))
unary("stop_gradient", e.stop_gradient_p.bind, np.copy, ANY, smooth=False)

# Transcendental

UNIT = (-0.9, 0.9)

unary("sqrt", t.sqrt, np.sqrt, INEXACT, *AWAY)
unary("rsqrt", t.rsqrt, lambda x: 1 / np.sqrt(x), INEXACT, *AWAY)
unary("cbrt", t.cbrt, np.cbrt, FLOATS, *AWAY)
unary("exp", t.exp, np.exp, INEXACT)
unary("exp2", t.exp2, lambda x: 2**x, INEXACT)
unary("expm1", t.expm1, np.expm1, INEXACT)
unary("log", t.log, np.log, INEXACT, *AWAY)
unary("log2", t.log2, np.log2, INEXACT, *AWAY)
unary("log10", t.log10, np.log10, INEXACT, *AWAY)
unary("log1p", t.log1p, np.log1p, INEXACT, *AWAY)
unary("logistic", t.logistic, lambda x: 1 / (1 + np.exp(-x)), INEXACT)
unary("sin", t.sin, np.sin, INEXACT)
unary("cos", t.cos, np.cos, INEXACT)
unary("tan", t.tan, np.tan, INEXACT, -1, 1)
unary("asin", t.asin, np.arcsin, INEXACT, *UNIT)
unary("acos", t.acos, np.arccos, INEXACT, *UNIT)
unary("atan", t.atan, np.arctan, INEXACT, *UNIT)
binary("atan2", t.atan2, np.arctan2, FLOATS, (-2, 2), AWAY)
unary("sinh", t.sinh, np.sinh, INEXACT)
unary("cosh", t.cosh, np.cosh, INEXACT)
unary("tanh", t.tanh, np.tanh, INEXACT, -1, 1)
unary("asinh", t.asinh, np.arcsinh, INEXACT, *UNIT)
unary("acosh", t.acosh, np.arccosh, INEXACT, 1.5, 3)
unary("atanh", t.atanh, np.arctanh, INEXACT, *UNIT)
binary("hypot", t.hypot, np.hypot, FLOATS)
unary("erf", t.erf, scipy.special.erf, FLOATS)
unary("erfc", t.erfc, scipy.special.erfc, FLOATS)
unary("erf_inv", t.erf_inv, scipy.special.erfinv, FLOATS, *UNIT)
unary("lgamma", t.lgamma, lambda x: np.log(np.abs(scipy.special.gamma(x))), FLOATS, *AWAY)
unary("digamma", t.digamma, scipy.special.digamma, FLOATS, *AWAY)

# Special functions of scipy.special

for n in (1, 3):
    unary(
        "polygamma",
        lambda x, n=n: special.polygamma(n, x),
        lambda x, n=n: scipy.special.polygamma(n, x).astype(x.dtype),
        FLOATS,
        *AWAY,
        variant=str(n),
    )
binary("zeta", special.zeta, scipy.special.zeta, FLOATS, (2, 4), AWAY)
binary("igamma", special.igamma, scipy.special.gammainc, FLOATS, AWAY)
binary("igammac", special.igammac, scipy.special.gammaincc, FLOATS, AWAY)
unary("gamma", special.gamma, scipy.special.gamma, FLOATS, *AWAY)
binary("betaln", special.betaln, scipy.special.betaln, FLOATS, AWAY)
row(
    "betainc",
    special.betainc,
    scipy.special.betainc,
    FLOATS,
    pointwise(3, AWAY, AWAY, (0.1, 0.9)),
)
unary("bessel_i0e", special.bessel_i0e, scipy.special.i0e, FLOATS)
unary("bessel_i1e", special.bessel_i1e, scipy.special.i1e, FLOATS)
for name, function in [("expi", "expi"), ("spence", "spence"), ("erfcx", "erfcx")]:
    unary(name, getattr(integrals, name), getattr(scipy.special, function), FLOATS, *AWAY)
unary("dawsn", integrals.dawsn, scipy.special.dawsn, FLOATS)
unary("log_ndtr", integrals.log_ndtr, scipy.special.log_ndtr, FLOATS)
unary("logit", integrals.logit, scipy.special.logit, FLOATS, 0.1, 0.9)
unary("ndtri", integrals.ndtri, scipy.special.ndtri, FLOATS, 0.1, 0.9)
unary("si", integrals.si, lambda x: scipy.special.sici(x)[0], FLOATS)
unary("ci", integrals.ci, lambda x: scipy.special.sici(x)[1], FLOATS, *AWAY)
unary("fresnel_sin", integrals.fresnel_sin, lambda x: scipy.special.fresnel(x)[0], FLOATS)
unary("fresnel_cos", integrals.fresnel_cos, lambda x: scipy.special.fresnel(x)[1], FLOATS)
row(
    "expn",
    lambda n, x: integrals.expn(t.exp(e.mul(n, 0)), x),  # of order 1
    lambda n, x: scipy.special.exp1(x),
    FLOATS,
    pointwise(2, AWAY),
    constant=(0,),
)
