"""Functions defined by integrals, and the quantiles of two distributions: derivatives are their integrands.

The one idea: as in special.py, each is one scalar operation of the loop nests. Integrands that are quotients of vanishing terms
are power series next to the point, so that derivatives of every order are right there.
"""

from __future__ import annotations

import math
from typing import Any

from weft.ir.ops.elementwise import abs_ as size
from weft.ir.ops.elementwise import add, div, eq, full_like, lt, mul, neg, select, sub
from weft.ir.ops.special import define
from weft.ir.ops.transcendental import cos, exp, log1p, sin

_HALF_PI = math.pi / 2


def _quotient(x: Any, near: float, series: Any, far: Any) -> Any:
    """``series(x)`` for x of a size below ``near``, else ``far(x)``."""
    is_near = lt(size(x), near)
    return select(
        is_near, series(select(is_near, x, full_like(x, 0))), far(select(is_near, full_like(x, 1), x))
    )


def _sine_quotient(x: Any) -> Any:
    """sin(x) / x."""

    def series(x: Any) -> Any:
        square, total = mul(x, x), full_like(x, 1)
        for n in (9, 7, 5, 3):  # 1 - x**2/(2*3) (1 - x**2/(4*5) (1 - ...))
            total = sub(1, mul(mul(square, 1 / (n * (n - 1))), total))
        return total

    return _quotient(x, 0.1, series, lambda x: div(sin(x), x))


def _log_quotient(x: Any) -> Any:
    """log(x) / (1 - x)."""

    def series(u: Any) -> Any:
        total = full_like(u, 0)
        for n in range(14, 0, -1):
            total = add((-1) ** n / n, mul(u, total))  # -1 + u/2 - u**2/3 + ...
        return total

    return _quotient(sub(x, 1), 0.03, series, lambda u: neg(div(log1p(u), u)))


def _expn_term(t: Any, o: Any, n: Any, x: Any) -> Any:
    """-E(n - 1); that of order 0 is exp(-x) / x."""
    first = eq(n, 0)
    lower = expn(select(first, full_like(n, 1), sub(n, 1)), x)
    return neg(mul(t, select(first, mul(o, add(1, div(1, x))), lower)))


def _square_angle(x: Any) -> Any:
    return mul(_HALF_PI, mul(x, x))


expi_p = define("expi", "expi", lambda t, o, x: mul(t, div(exp(x), x)))
expn_p = define("expn", "expn", None, _expn_term)
si_p = define("si", ("sici", 0), lambda t, o, x: mul(t, _sine_quotient(x)))
ci_p = define("ci", ("sici", 1), lambda t, o, x: mul(t, div(cos(x), x)))
fresnel_sin_p = define("fresnel_sin", ("fresnel", 0), lambda t, o, x: mul(t, sin(_square_angle(x))))
fresnel_cos_p = define("fresnel_cos", ("fresnel", 1), lambda t, o, x: mul(t, cos(_square_angle(x))))
spence_p = define("spence", "spence", lambda t, o, x: mul(t, _log_quotient(x)))
dawsn_p = define("dawsn", "dawsn", lambda t, o, x: mul(t, sub(1, mul(mul(2, x), o))))
erfcx_p = define("erfcx", "erfcx", lambda t, o, x: mul(t, sub(mul(mul(2, x), o), 2 / math.sqrt(math.pi))))
logit_p = define("logit", "logit", lambda t, o, x: div(t, mul(x, sub(1, x))))
ndtri_p = define(
    "ndtri", "ndtri", lambda t, o, x: mul(t, mul(math.sqrt(2 * math.pi), exp(mul(0.5, mul(o, o)))))
)


def _log_ndtr_scalar(ops: Any, x: Any) -> Any:
    """log(1 - erfc(x / sqrt(2)) / 2), and far to the left log(erfcx(-x / sqrt(2)) / 2) - x**2 / 2."""
    half, size = ops.constant(0.5, x), ops.mul(x, ops.constant(math.sqrt(0.5), x))
    far = ops.lt(x, ops.constant(-1, x))
    outside = ops.select(far, ops.neg(size), ops.constant(1, x))
    right = ops.log1p(ops.neg(ops.mul(half, ops.erfc(size))))
    left = ops.sub(ops.log(ops.mul(half, ops.erfcx(outside))), ops.mul(ops.mul(half, x), x))
    return ops.select(far, left, right)


def _hazard(x: Any) -> Any:
    """The normal density over its distribution function, which is never a quotient of zeros."""
    return div(math.sqrt(2 / math.pi), erfcx(mul(x, -math.sqrt(0.5))))


log_ndtr_p = define("log_ndtr", "log_ndtr", lambda t, o, x: mul(t, _hazard(x)), lower=_log_ndtr_scalar)


def logit(x: Any) -> Any:
    """``log(x / (1 - x))``, the inverse of the logistic function."""
    return logit_p.bind(x)


def log_ndtr(x: Any) -> Any:
    """Logarithm of the distribution function of the normal distribution."""
    return log_ndtr_p.bind(x)


def expi(x: Any) -> Any:
    """The exponential integral Ei."""
    return expi_p.bind(x)


def expn(n: Any, x: Any) -> Any:
    """The exponential integral of order ``n``, integers from 0 on, by which there is no derivative."""
    return expn_p.bind(n, x)


def si(x: Any) -> Any:
    """The sine integral."""
    return si_p.bind(x)


def ci(x: Any) -> Any:
    """The cosine integral."""
    return ci_p.bind(x)


def fresnel_sin(x: Any) -> Any:
    """The integral of ``sin(pi/2 t**2)`` from 0 to ``x``."""
    return fresnel_sin_p.bind(x)


def fresnel_cos(x: Any) -> Any:
    """The integral of ``cos(pi/2 t**2)`` from 0 to ``x``."""
    return fresnel_cos_p.bind(x)


def spence(x: Any) -> Any:
    """The integral of ``log(t) / (1 - t)`` from 1 to ``x``."""
    return spence_p.bind(x)


def dawsn(x: Any) -> Any:
    """Dawson's integral, ``exp(-x**2)`` times that of ``exp(t**2)`` from 0 to ``x``."""
    return dawsn_p.bind(x)


def erfcx(x: Any) -> Any:
    """``exp(x**2) erfc(x)``."""
    return erfcx_p.bind(x)


def ndtri(x: Any) -> Any:
    """The number below which a normal variate is with probability ``x``."""
    return ndtri_p.bind(x)
