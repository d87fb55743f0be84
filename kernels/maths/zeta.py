"""Hurwitz's zeta function.

The one idea: ten terms of the sum, and Euler and Maclaurin's formula for the rest, whose terms are simple products. For
negative q, and an integer order, the terms on the other side of zero are sums of the same kind.
"""

from __future__ import annotations

import math
from fractions import Fraction

from weft.kernels.calls import where_any
from weft.kernels.maths.bits import through_double
from weft.kernels.maths.loops import sum_over
from weft.kernels.maths.power import pow
from weft.kernels.register import Register

_TERMS = 10
_LARGE = 2000.0  # an order from which on the first term is all


def _bernoulli_over_factorial(count: int) -> list[float]:
    """``B(2j) / (2j)!`` for j from 1 to ``count``."""
    numbers: list[Fraction] = []
    for n in range(2 * count + 1):
        numbers.append(
            Fraction(n == 0)
            - sum((math.comb(n, k) * numbers[k] / (n - k + 1) for k in range(n)), Fraction(0))
        )
    return [float(numbers[2 * j] / math.factorial(2 * j)) for j in range(1, count + 1)]


_RATIOS = _bernoulli_over_factorial(12)


def _of_positive(s: Register, q: Register) -> Register:
    """``zeta(s, q)`` for s above 1 and q above 0."""
    first = pow(q, -s)
    usual = s < _LARGE
    order = usual.select(s, 2.0)
    steps = tuple(float(k) for k in range(1, _TERMS))
    total = first + sum_over(q, "integers", (steps,), lambda k: pow(q + k, -order))
    a = q + float(_TERMS)
    inverse = 1.0 / a
    square = inverse * inverse
    term, tail = order * inverse, a.const(0.0)
    for j, ratio in enumerate(_RATIOS, 1):
        tail = tail + term * ratio
        term = term * ((order + (2.0 * j - 1)) * (order + 2.0 * j) * square)
    rest = pow(a, -order) * (a / (order - 1.0) + 0.5 + tail)
    return usual.select(total + rest, first)


def _zeta(s: Register, q: Register) -> Register:
    infinite = float("inf")
    usual = (s > 1.0) & (s < infinite) & (q > float("-inf")) & (q < infinite) & (q.rint().ne(q) | (q > 0.0))
    order, shift = usual.select(s, 2.0), usual.select(q, 1.0)
    negative = shift < 0.0
    # zeta(s, q) = zeta(s, r) + (-1)**s (zeta(s, 1 - r) - zeta(s, 1 - q)), with r the part of q behind the point
    start = negative.select(shift - shift.floor(), shift)
    result = _of_positive(order, start)

    def other_side() -> Register:
        left = _of_positive(order, negative.select(1.0 - start, 1.0))
        left = left - _of_positive(order, negative.select(1.0 - shift, 1.0))
        half = order * 0.5
        return result + half.rint().eq(half).select(left, -left)

    result = where_any(negative, other_side, result)
    result = (negative & order.rint().ne(order)).select(float("nan"), result)
    pole = s.eq(1.0) | ((s > 1.0) & (q <= 0.0) & q.floor().eq(q) & (q > float("-inf")))
    edge = pole.select(s.const(infinite), float("nan"))
    edge = ((s > 1.0) & q.eq(infinite)).select(0.0, edge)
    far = (s.eq(infinite) & (q > 0.0)).select(
        q.eq(1.0).select(q.const(1.0), (q > 1.0).select(q.const(0.0), infinite)), edge
    )
    result = usual.select(result, far)
    return (s.is_nan() | q.is_nan()).select(float("nan"), result)


def zeta(s: Register, q: Register) -> Register:
    """The sum of ``(k + q) ** -s`` over k from 0: infinite at its poles, NaN for s below 1."""
    return through_double(_zeta, s, q)
