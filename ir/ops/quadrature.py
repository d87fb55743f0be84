"""Derivatives of the incomplete beta function and of zeta by their parameters, as sums of primitives.

The one idea: the trapezoidal rule in ``u = scale * exp(t - exp(-t))`` is exact to the last digits for the integral that the
first is made of (`weft.kernels.maths.incomplete`, whose kernels use the same nodes). A derivative by a parameter has no
closed form, but it is the same sum with one factor more in each term; so it can be differentiated again, as often as wanted.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from weft.ir.ops.elementwise import (
    add,
    and_,
    div,
    full_like,
    gt,
    lt,
    maximum,
    mul,
    neg,
    not_,
    or_,
    select,
    stop_gradient,
    sub,
)
from weft.ir.ops.reduce import reduce_sum
from weft.ir.ops.shape import broadcast, iota
from weft.ir.ops.transcendental import digamma, exp, expm1, log, log1p, sqrt

_STEP = 1 / 8
_FIRST, _LAST = -30, 32
_TIMES = [k * _STEP for k in range(_FIRST, _LAST + 1)]
NODES = tuple(math.exp(t - math.exp(-t)) for t in _TIMES)
"""Where the rule evaluates a function on the half line that falls off over a length of about 1."""
WEIGHTS = tuple(_STEP * (1 + math.exp(-t)) * node for t, node in zip(_TIMES, NODES, strict=True))
"""How much each of `NODES` counts."""


def _integrals(
    scale: Any, parameters: tuple[Any, ...], terms: Callable[..., tuple[Any, ...]]
) -> tuple[Any, ...]:
    """Integrals from 0 to infinity of functions ``terms(u, *parameters)`` that fall off over ``scale``."""
    scale = stop_gradient(scale)  # the integral does not depend on it
    shape = max((x.shape for x in (scale, *parameters)), key=len)
    axis, grid = len(shape), (*shape, len(NODES))

    def over_grid(x: Any) -> Any:
        return broadcast(x, grid, range(len(x.shape)))

    # The rule's nodes are made here, since graphs hold no arrays.
    t = mul(add(iota(scale.dtype, grid, axis), _FIRST), _STEP)
    decay = exp(neg(t))
    node = exp(sub(t, decay))
    weight = mul(mul(add(decay, 1), _STEP), node)
    u = mul(over_grid(scale), node)
    return tuple(
        mul(scale, reduce_sum(mul(weight, term), (axis,))) for term in terms(u, *map(over_grid, parameters))
    )


def _where(condition: Any, x: Any, other: float) -> Any:
    return select(condition, x, full_like(x, other))


def incomplete_beta_slopes(betainc: Any, a: Any, b: Any, x: Any) -> tuple[Any, Any]:
    """The derivatives of the incomplete beta function ``betainc(a, b, x)`` by ``a`` and by ``b``."""
    inside = and_(gt(x, 0), lt(x, 1))
    x = _where(inside, x, 0.5)
    y = sub(1, x)
    # On the side where the function is no small difference from 1, as in the kernel.
    small_a, small_b = lt(a, 1), lt(b, 1)
    by_mean = gt(mul(x, add(add(a, b), 2)), add(a, 1))
    both = select(lt(b, a), gt(x, 0.9), gt(x, 0.1))
    one = select(small_a, or_(by_mean, gt(x, 0.01)), and_(by_mean, or_(not_(small_b), gt(x, 0.99))))
    swapped = select(and_(small_a, small_b), both, one)
    p, q = select(swapped, b, a), select(swapped, a, b)
    s, t = select(swapped, y, x), select(swapped, x, y)
    by_p, by_q = _beta_slopes(betainc, p, q, s, t)
    by_a = select(swapped, neg(by_q), by_p)
    by_b = select(swapped, neg(by_p), by_q)
    return _where(inside, by_a, 0), _where(inside, by_b, 0)


def _beta_slopes(betainc: Any, p: Any, q: Any, s: Any, t: Any) -> tuple[Any, Any]:
    """The derivatives by p and q for s up to about the mean, with t = 1 - s.

    I(p, q, s) = s**p t**(q-1) / (p beta(p, q)) R, where R is p times the integral of
    exp(-p u) (1 + s/t (1 - exp(-u)))**(q-1), or for p below 1 this by parts.
    """
    slow = lt(p, 1)
    odds, total = div(s, t), add(p, q)
    decay, power = select(slow, add(p, 1), p), select(slow, sub(q, 2), sub(q, 1))
    growth = mul(maximum(power, full_like(power, 0)), odds)
    slope = sub(decay, growth)
    slope = maximum(slope, full_like(slope, 0))
    scale = div(1, add(slope, sqrt(add(mul(growth, add(odds, 1)), 0.001))))

    def terms(u: Any, decay: Any, power: Any, odds: Any) -> tuple[Any, ...]:
        size = log1p(neg(mul(odds, expm1(neg(u)))))
        density = exp(sub(mul(power, size), mul(decay, u)))
        return density, neg(mul(u, density)), mul(size, density)

    whole, by_p, by_q = _integrals(scale, (decay, power, odds), terms)
    weight = mul(sub(q, 1), odds)
    rest = select(slow, add(1, mul(weight, whole)), mul(p, whole))
    rest_by_p = select(slow, mul(weight, by_p), add(whole, mul(p, by_p)))
    rest_by_q = select(slow, add(mul(odds, whole), mul(weight, by_q)), mul(p, by_q))
    value, common = betainc(p, q, s), digamma(total)
    log_slope_p = add(add(sub(log(s), digamma(add(p, 1))), common), div(rest_by_p, rest))
    log_slope_q = add(add(sub(log(t), digamma(q)), common), div(rest_by_q, rest))
    return mul(value, log_slope_p), mul(value, log_slope_q)


# Zeta

_TERMS = 10
_RATIOS = (
    1 / 12, -1 / 720, 1 / 30240, -1 / 1209600, 1 / 47900160, -691 / 1307674368000, 1 / 74724249600,
    -3617 / 10670622842880000, 43867 / 5109094217170944000, -174611 / 802857662698291200000,
)  # fmt: skip
"""Of Bernoulli numbers and factorials, ``B(2j) / (2j)!``."""


def zeta_slope(s: Any, q: Any) -> Any:
    """The derivative of ``zeta(s, q)`` by ``s``, for q above 0: term by term of Euler and Maclaurin's formula."""
    total = full_like(s, 0)
    for k in range(_TERMS):
        size = log(add(q, k) if k else q)
        total = sub(total, mul(size, exp(neg(mul(s, size)))))
    a = add(q, _TERMS)
    size, inverse, above = log(a), div(1, a), sub(s, 1)
    # The terms of the rest over a**-s, and their derivatives: a product's is itself times a sum of inverses.
    rest, slope = add(div(a, above), 0.5), neg(div(a, mul(above, above)))
    term, inverses = mul(s, inverse), div(1, s)
    for j, ratio in enumerate(_RATIOS, 1):
        rest = add(rest, mul(term, ratio))
        slope = add(slope, mul(mul(term, inverses), ratio))
        for factor in (add(s, 2 * j - 1), add(s, 2 * j)):
            term = mul(term, mul(factor, inverse))
            inverses = add(inverses, div(1, factor))
    return add(total, mul(exp(neg(mul(s, size))), sub(slope, mul(size, rest))))
