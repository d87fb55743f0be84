"""Special functions of the gamma family, and modified Bessel functions: those that SciPy defines and kernels compute.

The one idea: each is one scalar operation of the loop nests, as in transcendental.py. Derivatives are written by these
operations again where they have a closed form, and by the integrals of gamma_slope.py and quadrature.py where they have none.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from weft.ir.ops.elementwise import (
    add,
    and_,
    div,
    eq,
    floor,
    full_like,
    ge,
    mod,
    mul,
    neg,
    select,
    sign,
    stop_gradient,
    sub,
)
from weft.ir.ops.gamma_slope import igamma_slope
from weft.ir.ops.half import in_compute_dtype
from weft.ir.ops.quadrature import incomplete_beta_slopes, zeta_slope
from weft.ir.ops.transcendental import digamma, exp, lgamma, log, log1p
from weft.ir.primitive import Primitive, scalar
from weft.ir.rules import elementwise, per_input, pointwise


def define(name: str, scipy_name: str | tuple[str, int], *terms: Any, lower: Any = None) -> Primitive:
    """Declare a function by its name in scipy.special and a derivative term an input: one row of a table.

    The name may be a pair with the number of one of several results.
    """
    function, number = scipy_name if isinstance(scipy_name, tuple) else (scipy_name, None)

    def reference(*args: np.ndarray, **params: Any) -> np.ndarray:
        import scipy.special

        # In double precision: some of these have no other, some lose digits in others.
        wide = [np.asarray(a, np.float64) for a in args]
        found = getattr(scipy.special, function)(*params.values(), *wide)
        result: np.ndarray = found if number is None else found[number]
        return np.asarray(result).astype(args[0].dtype)[()]

    return Primitive(
        name,
        type_rule=elementwise(name, "floating"),
        reference=in_compute_dtype(reference),
        jvp=per_input(*terms),
        transpose=None,
        batch=pointwise,
        lower=scalar(lower or name),
    )


# Polygamma and zeta


def _polygamma_scalar(ops: Any, x: Any, *, n: int) -> Any:
    """(-1)**(n + 1) n! zeta(n + 1, x)."""
    if n == 0:
        return ops.digamma(x)
    size = math.factorial(n) if n <= 170 else math.inf
    factor = ops.constant(float(size if n % 2 else -size), x)
    return ops.mul(factor, ops.zeta(ops.constant(n + 1, x), x))


polygamma_p = define(
    "polygamma", "polygamma", lambda t, o, x, n: mul(t, polygamma(n + 1, x)), lower=_polygamma_scalar
)
zeta_p = define(
    "zeta",
    "zeta",
    lambda t, o, x, q: mul(t, zeta_slope(x, q)),
    lambda t, o, x, q: neg(mul(t, mul(x, zeta(add(x, 1), q)))),
)


def polygamma(n: int, x: Any) -> Any:
    """The derivative of order ``n`` (a Python integer) of the digamma function."""
    return polygamma_p.bind(x, n=int(n))


def polygamma_of_orders(n: Any, x: Any) -> Any:
    """`polygamma` of an array of orders, by which there is no derivative; NaN where one is no integer from 0 on."""
    n = stop_gradient(n)
    above = add(n, 1)
    size = mul(gamma(above), zeta(above, x))
    even = eq(mod(n, full_like(n, 2)), 0)
    value = select(eq(n, 0), digamma(x), select(even, neg(size), size))
    return select(and_(ge(n, 0), eq(n, floor(n))), value, full_like(x, math.nan))


def zeta(x: Any, q: Any) -> Any:
    """Hurwitz's zeta function, the sum of ``(k + q) ** -x`` over k from 0."""
    return zeta_p.bind(x, q)


# Gamma and beta functions, complete and incomplete


def _gamma_density(a: Any, x: Any) -> Any:
    """x**(a-1) exp(-x) / gamma(a)."""
    power = sub(a, 1)
    return exp(sub(sub(mul(power, log(_unless_both_zero(power, x))), x), lgamma(a)))


def _beta_density(a: Any, b: Any, x: Any) -> Any:
    """x**(a-1) (1-x)**(b-1) / beta(a, b)."""
    first, second = sub(a, 1), sub(b, 1)
    left = mul(first, log(_unless_both_zero(first, x)))
    at_end = and_(eq(second, 0), eq(x, 1))
    right = mul(second, log1p(neg(select(at_end, full_like(x, 0), x))))
    return exp(sub(add(left, right), betaln(a, b)))


def _unless_both_zero(power: Any, x: Any) -> Any:
    """``x``, or 1 where it is 0 and raised to the power 0."""
    return select(and_(eq(power, 0), eq(x, 0)), full_like(x, 1), x)


gamma_p = define("gamma", "gamma", lambda t, o, x: mul(t, mul(o, digamma(x))))
betaln_p = define(
    "betaln",
    "betaln",
    lambda t, o, a, b: mul(t, sub(digamma(a), digamma(add(a, b)))),
    lambda t, o, a, b: mul(t, sub(digamma(b), digamma(add(a, b)))),
)
igamma_p = define(
    "igamma",
    "gammainc",
    lambda t, o, a, x: mul(t, igamma_slope(a, x)),
    lambda t, o, a, x: mul(t, _gamma_density(a, x)),
)
igammac_p = define(
    "igammac",
    "gammaincc",
    lambda t, o, a, x: neg(mul(t, igamma_slope(a, x))),
    lambda t, o, a, x: neg(mul(t, _gamma_density(a, x))),
)
betainc_p = define(
    "betainc",
    "betainc",
    lambda t, o, a, b, x: mul(t, incomplete_beta_slopes(betainc, a, b, x)[0]),
    lambda t, o, a, b, x: mul(t, incomplete_beta_slopes(betainc, a, b, x)[1]),
    lambda t, o, a, b, x: mul(t, _beta_density(a, b, x)),
)


def gamma(x: Any) -> Any:
    """The gamma function."""
    return gamma_p.bind(x)


def betaln(a: Any, b: Any) -> Any:
    """Logarithm of the absolute value of the beta function."""
    return betaln_p.bind(a, b)


def igamma(a: Any, x: Any) -> Any:
    """The regularised lower incomplete gamma function."""
    return igamma_p.bind(a, x)


def igammac(a: Any, x: Any) -> Any:
    """``1 - igamma(a, x)``, accurate where it is small."""
    return igammac_p.bind(a, x)


def betainc(a: Any, b: Any, x: Any) -> Any:
    """The regularised incomplete beta function."""
    return betainc_p.bind(a, b, x)


# Bessel functions, scaled by exp(-|x|)


def _bessel_i1e_term(t: Any, o: Any, x: Any) -> Any:
    """i0e(x) - (sign(x) + 1/x) i1e(x), which is 1/2 at 0."""
    at_zero = eq(x, 0)
    safe = select(at_zero, full_like(x, 1), x)
    slope = sub(bessel_i0e(safe), mul(add(sign(safe), div(1, safe)), bessel_i1e(safe)))
    return mul(t, select(at_zero, full_like(x, 0.5), slope))


bessel_i0e_p = define("bessel_i0e", "i0e", lambda t, o, x: mul(t, sub(bessel_i1e(x), mul(sign(x), o))))
bessel_i1e_p = define("bessel_i1e", "i1e", _bessel_i1e_term)


def bessel_i0e(x: Any) -> Any:
    """``exp(-abs(x))`` times the modified Bessel function of order 0."""
    return bessel_i0e_p.bind(x)


def bessel_i1e(x: Any) -> Any:
    """``exp(-abs(x))`` times the modified Bessel function of order 1."""
    return bessel_i1e_p.bind(x)
