"""Special functions that SciPy computes on the host: gamma's kin, incomplete integrals, Bessel functions.

The one idea: these are elementwise like the others, so they batch and differentiate alike, but no kernel
holds them. An input by which there is no derivative says so by an error; none is silently zero.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from weft.ir.errors import GradientError
from weft.ir.ops.elementwise import add, div, eq, full_like, mul, neg, select, sign, sub
from weft.ir.ops.half import in_compute_dtype
from weft.ir.ops.transcendental import exp, lgamma, log, log1p
from weft.ir.primitive import HOST, Primitive
from weft.ir.rules import elementwise, per_input, pointwise


def _define(name: str, scipy_name: str, *terms: Any) -> Primitive:
    """Declare a function by its name in scipy.special and a derivative term an input: one row of a table."""

    def reference(*args: np.ndarray, **params: Any) -> np.ndarray:
        import scipy.special

        # In double precision: some of these have no other, some lose digits in others.
        wide = [np.asarray(a, np.float64) for a in args]
        result: np.ndarray = getattr(scipy.special, scipy_name)(*params.values(), *wide)
        return np.asarray(result).astype(args[0].dtype)[()]

    return Primitive(
        name,
        type_rule=elementwise(name, "floating"),
        reference=in_compute_dtype(reference),
        jvp=per_input(*terms),
        transpose=None,
        batch=pointwise,
        lower=HOST,
    )


def _undefined(function: str, argument: str) -> Callable[..., Any]:
    """The term of an input by which a function cannot be differentiated here."""

    def term(t: Any, o: Any, *primals: Any, **params: Any) -> Any:
        raise GradientError(
            f"{function} has no derivative by its argument {argument}. A constant goes through stop_gradient."
        )

    return term


# Polygamma and zeta

polygamma_p = _define("polygamma", "polygamma", lambda t, o, x, n: mul(t, polygamma(n + 1, x)))
zeta_p = _define(
    "zeta", "zeta", _undefined("zeta", "x"), lambda t, o, x, q: neg(mul(t, mul(x, zeta(add(x, 1), q))))
)


def polygamma(n: int, x: Any) -> Any:
    """The derivative of order ``n`` (a Python integer) of the digamma function."""
    return polygamma_p.bind(x, n=int(n))


def zeta(x: Any, q: Any) -> Any:
    """Hurwitz's zeta function, the sum of ``(k + q) ** -x`` over k from 0."""
    return zeta_p.bind(x, q)


# Incomplete gamma and beta functions


def _gamma_density(a: Any, x: Any) -> Any:
    """x**(a-1) exp(-x) / gamma(a)."""
    return exp(sub(sub(mul(sub(a, 1), log(x)), x), lgamma(a)))


def _beta_density(a: Any, b: Any, x: Any) -> Any:
    """x**(a-1) (1-x)**(b-1) / beta(a, b)."""
    log_beta = sub(add(lgamma(a), lgamma(b)), lgamma(add(a, b)))
    return exp(sub(add(mul(sub(a, 1), log(x)), mul(sub(b, 1), log1p(neg(x)))), log_beta))


igamma_p = _define(
    "igamma", "gammainc", _undefined("igamma", "a"), lambda t, o, a, x: mul(t, _gamma_density(a, x))
)
igammac_p = _define(
    "igammac", "gammaincc", _undefined("igammac", "a"), lambda t, o, a, x: neg(mul(t, _gamma_density(a, x)))
)
betainc_p = _define(
    "betainc",
    "betainc",
    _undefined("betainc", "a"),
    _undefined("betainc", "b"),
    lambda t, o, a, b, x: mul(t, _beta_density(a, b, x)),
)


def igamma(a: Any, x: Any) -> Any:
    """The regularised lower incomplete gamma function, differentiable by ``x``."""
    return igamma_p.bind(a, x)


def igammac(a: Any, x: Any) -> Any:
    """``1 - igamma(a, x)``, accurate where it is small."""
    return igammac_p.bind(a, x)


def betainc(a: Any, b: Any, x: Any) -> Any:
    """The regularised incomplete beta function, differentiable by ``x``."""
    return betainc_p.bind(a, b, x)


# Bessel functions, scaled by exp(-|x|)


def _bessel_i1e_term(t: Any, o: Any, x: Any) -> Any:
    """i0e(x) - (sign(x) + 1/x) i1e(x), which is 1/2 at 0."""
    at_zero = eq(x, 0)
    safe = select(at_zero, full_like(x, 1), x)
    slope = sub(bessel_i0e(safe), mul(add(sign(safe), div(1, safe)), bessel_i1e(safe)))
    return mul(t, select(at_zero, full_like(x, 0.5), slope))


bessel_i0e_p = _define("bessel_i0e", "i0e", lambda t, o, x: mul(t, sub(bessel_i1e(x), mul(sign(x), o))))
bessel_i1e_p = _define("bessel_i1e", "i1e", _bessel_i1e_term)


def bessel_i0e(x: Any) -> Any:
    """``exp(-abs(x))`` times the modified Bessel function of order 0."""
    return bessel_i0e_p.bind(x)


def bessel_i1e(x: Any) -> Any:
    """``exp(-abs(x))`` times the modified Bessel function of order 1."""
    return bessel_i1e_p.bind(x)
