"""Roots, exponentials, logarithms, trigonometric and hyperbolic functions, and the error and gamma functions.

The one idea: each is one scalar operation of the loop nests, of the same name, so chains of them fuse; the
few that kernels lack for complex numbers are composed of others here. Derivatives are written by these
operations again, so they are good to any order, and are holomorphic where the function is.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from weft.ir.ops import elementwise, references
from weft.ir.ops.elementwise import add, div, eq, full_like, integer_pow, mul, neg, select, sub
from weft.ir.ops.half import in_compute_dtype
from weft.ir.primitive import Primitive
from weft.ir.rules import per_input
from weft.ir.types import is_complex

_LN2, _LN10 = math.log(2), math.log(10)


def define(name: str, kind: str, reference: Callable[..., Any], *terms: Any, lower: Any = None) -> Primitive:
    """Declare a function by its reference and a derivative term an input: one row of a table."""
    return elementwise.define(name, kind, in_compute_dtype(reference), per_input(*terms), lower=lower)


def _scipy(name: str) -> Callable[..., np.ndarray]:
    """A function of scipy.special, which is imported when it is first called."""

    def reference(*args: Any) -> np.ndarray:
        import scipy.special

        result: np.ndarray = getattr(scipy.special, name)(*args)
        return result

    return reference


def _for_complex(name: str, compose: Callable[..., Any]) -> Callable[..., Any]:
    """Lowering by the scalar operation ``name`` on real operands, by ``compose(ops, x)`` on complex ones."""

    def lower(ops: Any, x: Any) -> Any:
        return compose(ops, x) if is_complex(x.dtype) else getattr(ops, name)(x)

    return lower


# Roots

sqrt_p = define("sqrt", "inexact", np.sqrt, lambda t, o, x: mul(t, div(0.5, o)))
rsqrt_p = define(
    "rsqrt",
    "inexact",
    lambda x: 1 / np.sqrt(x),
    lambda t, o, x: mul(t, mul(-0.5, div(o, x))),
    lower=_for_complex("rsqrt", lambda ops, x: ops.div(ops.constant(1, x), ops.sqrt(x))),
)
cbrt_p = define("cbrt", "floating", np.cbrt, lambda t, o, x: mul(t, mul(1 / 3, integer_pow(o, -2))))


def sqrt(x: Any) -> Any:
    """Square root; NaN of negative numbers, the principal root of complex ones."""
    return sqrt_p.bind(x)


def rsqrt(x: Any) -> Any:
    """``1 / sqrt(x)``."""
    return rsqrt_p.bind(x)


def cbrt(x: Any) -> Any:
    """The real cube root."""
    return cbrt_p.bind(x)


# Exponentials and logarithms


def _exp2_reference(x: np.ndarray) -> np.ndarray:
    result: np.ndarray = np.exp(x * _LN2) if is_complex(x.dtype) else np.exp2(x)
    return result


def _exp2_complex(ops: Any, z: Any) -> Any:
    """exp(z log 2), part by part: infinite parts are not to meet a zero of the constant."""
    a, b = ops.real(z), ops.imag(z)
    return ops.exp(ops.complex(ops.mul(a, ops.constant(_LN2, a)), ops.mul(b, ops.constant(_LN2, b))))


def _logistic_reference(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x)) if is_complex(x.dtype) else _scipy("expit")(x)


def _logistic_complex(ops: Any, x: Any) -> Any:
    one = ops.constant(1, x)
    return ops.div(one, ops.add(one, ops.exp(ops.neg(x))))


exp_p = define("exp", "inexact", np.exp, lambda t, o, x: mul(t, o))
exp2_p = define(
    "exp2",
    "inexact",
    _exp2_reference,
    lambda t, o, x: mul(t, mul(_LN2, o)),
    lower=_for_complex("exp2", _exp2_complex),
)
expm1_p = define(
    "expm1",
    "inexact",
    references.expm1,
    lambda t, o, x: mul(t, add(o, 1)),
)
log_p = define("log", "inexact", np.log, lambda t, o, x: div(t, x))
log2_p = define(
    "log2",
    "inexact",
    np.log2,
    lambda t, o, x: div(t, mul(x, _LN2)),
)
log10_p = define(
    "log10",
    "inexact",
    np.log10,
    lambda t, o, x: div(t, mul(x, _LN10)),
)
log1p_p = define("log1p", "inexact", np.log1p, lambda t, o, x: div(t, add(x, 1)))
logistic_p = define(
    "logistic",
    "inexact",
    _logistic_reference,
    lambda t, o, x: mul(t, mul(o, sub(1, o))),
    lower=_for_complex("logistic", _logistic_complex),
)


def exp(x: Any) -> Any:
    """The exponential function."""
    return exp_p.bind(x)


def exp2(x: Any) -> Any:
    """``2 ** x``."""
    return exp2_p.bind(x)


def expm1(x: Any) -> Any:
    """``exp(x) - 1``, accurate near 0."""
    return expm1_p.bind(x)


def log(x: Any) -> Any:
    """Natural logarithm."""
    return log_p.bind(x)


def log2(x: Any) -> Any:
    """Logarithm to base 2."""
    return log2_p.bind(x)


def log10(x: Any) -> Any:
    """Logarithm to base 10."""
    return log10_p.bind(x)


def log1p(x: Any) -> Any:
    """``log(1 + x)``, accurate near 0."""
    return log1p_p.bind(x)


def logistic(x: Any) -> Any:
    """``1 / (1 + exp(-x))``."""
    return logistic_p.bind(x)


# Trigonometric functions and their inverses


def _slope(x: Any) -> Any:
    """1 - x**2, without cancellation near 1."""
    return mul(sub(1, x), add(1, x))


sin_p = define("sin", "inexact", np.sin, lambda t, o, x: mul(t, cos(x)))
cos_p = define("cos", "inexact", np.cos, lambda t, o, x: neg(mul(t, sin(x))))
tan_p = define("tan", "inexact", references.tan, lambda t, o, x: mul(t, add(1, mul(o, o))))
asin_p = define("asin", "inexact", np.arcsin, lambda t, o, x: mul(t, rsqrt(_slope(x))))
acos_p = define("acos", "inexact", np.arccos, lambda t, o, x: neg(mul(t, rsqrt(_slope(x)))))
atan_p = define("atan", "inexact", np.arctan, lambda t, o, x: div(t, add(1, mul(x, x))))
atan2_p = define(
    "atan2",
    "floating",
    np.arctan2,
    lambda t, o, y, x: mul(t, div(x, add(mul(x, x), mul(y, y)))),
    lambda t, o, y, x: neg(mul(t, div(y, add(mul(x, x), mul(y, y))))),
)


def sin(x: Any) -> Any:
    """Sine."""
    return sin_p.bind(x)


def cos(x: Any) -> Any:
    """Cosine."""
    return cos_p.bind(x)


def tan(x: Any) -> Any:
    """Tangent."""
    return tan_p.bind(x)


def asin(x: Any) -> Any:
    """Inverse sine."""
    return asin_p.bind(x)


def acos(x: Any) -> Any:
    """Inverse cosine."""
    return acos_p.bind(x)


def atan(x: Any) -> Any:
    """Inverse tangent."""
    return atan_p.bind(x)


def atan2(y: Any, x: Any) -> Any:
    """The angle of the point ``(x, y)``, from -pi to pi."""
    return atan2_p.bind(y, x)


# Hyperbolic functions and their inverses


def _acosh_term(t: Any, o: Any, x: Any) -> Any:
    low, high = sub(x, 1), add(x, 1)
    if is_complex(
        x.dtype
    ):  # two roots: one of the product would be on the wrong branch for a negative real part
        return mul(t, mul(rsqrt(low), rsqrt(high)))
    return mul(t, rsqrt(mul(low, high)))


def _leg(t: Any, o: Any, x: Any) -> Any:
    """The tangent's part for one leg of a right triangle; 0 where the triangle is a point."""
    return mul(t, div(x, select(eq(o, 0), full_like(o, 1), o)))


sinh_p = define("sinh", "inexact", np.sinh, lambda t, o, x: mul(t, cosh(x)))
cosh_p = define("cosh", "inexact", np.cosh, lambda t, o, x: mul(t, sinh(x)))
tanh_p = define("tanh", "inexact", references.tanh, lambda t, o, x: mul(t, _slope(o)))
asinh_p = define("asinh", "inexact", np.arcsinh, lambda t, o, x: mul(t, rsqrt(add(mul(x, x), 1))))
acosh_p = define("acosh", "inexact", np.arccosh, _acosh_term)
atanh_p = define("atanh", "inexact", np.arctanh, lambda t, o, x: div(t, _slope(x)))
hypot_p = define(
    "hypot", "floating", np.hypot, lambda t, o, x, y: _leg(t, o, x), lambda t, o, x, y: _leg(t, o, y)
)


def sinh(x: Any) -> Any:
    """Hyperbolic sine."""
    return sinh_p.bind(x)


def cosh(x: Any) -> Any:
    """Hyperbolic cosine."""
    return cosh_p.bind(x)


def tanh(x: Any) -> Any:
    """Hyperbolic tangent."""
    return tanh_p.bind(x)


def asinh(x: Any) -> Any:
    """Inverse hyperbolic sine."""
    return asinh_p.bind(x)


def acosh(x: Any) -> Any:
    """Inverse hyperbolic cosine; NaN below 1."""
    return acosh_p.bind(x)


def atanh(x: Any) -> Any:
    """Inverse hyperbolic tangent."""
    return atanh_p.bind(x)


def hypot(x: Any, y: Any) -> Any:
    """``sqrt(x**2 + y**2)`` without overflow; its derivative at the origin is taken as 0."""
    return hypot_p.bind(x, y)


# Error and gamma functions


def _bell(x: Any, scale: float) -> Any:
    """``scale * exp(-x**2)``."""
    return mul(scale, exp(neg(mul(x, x))))


def _digamma_term(t: Any, o: Any, x: Any) -> Any:
    from weft.ir.ops.special import polygamma

    return mul(t, polygamma(1, x))


erf_p = define("erf", "floating", _scipy("erf"), lambda t, o, x: mul(t, _bell(x, 2 / math.sqrt(math.pi))))
erfc_p = define("erfc", "floating", _scipy("erfc"), lambda t, o, x: mul(t, _bell(x, -2 / math.sqrt(math.pi))))
erf_inv_p = define(
    "erf_inv",
    "floating",
    _scipy("erfinv"),
    lambda t, o, x: mul(t, mul(math.sqrt(math.pi) / 2, exp(mul(o, o)))),
)


def _lgamma(x: np.ndarray) -> np.ndarray:
    """The logarithm of the gamma function's magnitude; at -inf it is inf, as in C and Python."""
    found = _scipy("gammaln")(x)
    return np.where(np.isneginf(found), np.abs(found), found)[()]


lgamma_p = define("lgamma", "floating", _lgamma, lambda t, o, x: mul(t, digamma(x)))
digamma_p = define("digamma", "floating", _scipy("psi"), _digamma_term)


def erf(x: Any) -> Any:
    """Error function."""
    return erf_p.bind(x)


def erfc(x: Any) -> Any:
    """``1 - erf(x)``, accurate for large ``x``."""
    return erfc_p.bind(x)


def erf_inv(x: Any) -> Any:
    """Inverse of the error function."""
    return erf_inv_p.bind(x)


def lgamma(x: Any) -> Any:
    """Logarithm of the absolute value of the gamma function."""
    return lgamma_p.bind(x)


def digamma(x: Any) -> Any:
    """Derivative of `lgamma`."""
    return digamma_p.bind(x)
