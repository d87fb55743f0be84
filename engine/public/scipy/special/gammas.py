"""The gamma and beta functions and their kin.

The one idea: the real functions are primitives of one compiled operation each; here are their names, what is composed of
them, and the complex logarithm of the gamma function.
"""

from __future__ import annotations

import math
import operator
from typing import Any

import numpy as np

import weft.numpy as wnp
from weft.engine.dispatch import is_traced
from weft.engine.transforms.custom import stop_gradient
from weft.ir.errors import ArgumentError
from weft.ir.ops import special
from weft.ir.ops import transcendental as t
from weft.ir.types import is_complex
from weft.scipy.arguments import array
from weft.scipy.pointwise import guarded, pointwise, primitive

__all__ = [
    "bernoulli", "beta", "betainc", "betaincc", "betaln", "comb", "digamma", "factorial", "gamma", "gammainc",
    "gammaincc", "gammaln", "gammasgn", "loggamma", "multigammaln", "poch", "polygamma", "psi", "rgamma", "zeta",
]  # fmt: skip

_special = pointwise("scipy.special")


@_special
def gamma(x: Any) -> Any:
    """The gamma function, ``(x - 1)!``; NaN at negative integers."""
    return primitive(special.gamma, x)


@_special
def rgamma(x: Any) -> Any:
    """``1 / gamma(x)``, which is 0 at the poles of the gamma function."""
    pole = (x <= 0) & (x == wnp.floor(x))
    return wnp.where(pole, 0, 1 / primitive(special.gamma, guarded(~pole, x, 1)))


@_special
def gammaln(x: Any) -> Any:
    """Logarithm of the absolute value of the gamma function."""
    return primitive(t.lgamma, x)


@_special
def gammasgn(x: Any) -> Any:
    """The sign of the gamma function: 1 or -1; NaN at its poles below 0."""
    whole = wnp.floor(x)
    odd = whole != 2 * wnp.floor(whole / 2)
    below = wnp.where(x == whole, math.nan, wnp.where(odd, -1.0, 1.0))
    sign = wnp.where(x < 0, below, wnp.where(x == 0, wnp.copysign(wnp.ones_like(x), x), 1.0))
    return wnp.where(wnp.isnan(x), x, sign).astype(x.dtype)


@_special
def digamma(x: Any) -> Any:
    """The derivative of `gammaln`."""
    return primitive(t.digamma, x)


psi = digamma


def polygamma(n: Any, x: Any) -> Any:
    """The derivative of order ``n`` of `digamma`.

    Args:
        n: the order, integers not below 0: a Python integer, or an array.
        x: array.
    """
    if isinstance(n, int | np.integer) and not isinstance(n, bool):
        if n < 0:
            raise ArgumentError(f"scipy.special.polygamma: the order n is not negative, got {n}.")
        return _polygamma(operator.index(n))(x)
    return _polygamma_of_arrays(n, x)


def _polygamma(n: int) -> Any:
    def polygamma(x: Any) -> Any:
        return primitive(lambda v: special.polygamma(n, v), x)

    return _special(polygamma)


@_special
def _polygamma_of_arrays(n: Any, x: Any) -> Any:
    return primitive(special.polygamma_of_orders, n, x)


def zeta(x: Any, q: Any = None) -> Any:
    """Hurwitz's zeta function, the sum of ``(k + q) ** -x`` over k from 0; Riemann's where ``q`` is not given."""
    return _zeta(x, 1.0 if q is None else q)


@_special
def _zeta(x: Any, q: Any) -> Any:
    return primitive(special.zeta, x, q)


@_special
def betaln(a: Any, b: Any) -> Any:
    """Logarithm of the absolute value of the beta function."""
    return primitive(special.betaln, a, b)


@_special
def beta(a: Any, b: Any) -> Any:
    """The beta function, ``gamma(a) gamma(b) / gamma(a + b)``."""
    sign = gammasgn(a) * gammasgn(b) * gammasgn(a + b)
    return sign * wnp.exp(primitive(special.betaln, a, b))


@_special
def betainc(a: Any, b: Any, x: Any) -> Any:
    """The regularised incomplete beta function: the integral of ``t**(a-1) (1-t)**(b-1)`` from 0 to x, over that to 1.

    Differentiable by each argument, to any order.
    """
    return primitive(special.betainc, a, b, x)


@_special
def betaincc(a: Any, b: Any, x: Any) -> Any:
    """``1 - betainc(a, b, x)``."""
    return primitive(special.betainc, b, a, 1 - x)


@_special
def gammainc(a: Any, x: Any) -> Any:
    """The regularised lower incomplete gamma function: the integral of ``t**(a-1) exp(-t) / gamma(a)`` from 0 to x.

    Differentiable by each argument, to any order.
    """
    return primitive(special.igamma, a, x)


@_special
def gammaincc(a: Any, x: Any) -> Any:
    """``1 - gammainc(a, x)``, accurate where it is small."""
    return primitive(special.igammac, a, x)


def multigammaln(a: Any, d: Any) -> Any:
    """Logarithm of the multivariate gamma function of dimension ``d``, a Python integer; ``a > (d - 1) / 2``."""
    if is_traced(d):
        raise ArgumentError(
            "scipy.special.multigammaln: the dimension d is a Python integer, got a traced array."
        )
    count = int(operator.index(d) if not hasattr(d, "item") else d.item())
    if count < 1:
        raise ArgumentError(f"scipy.special.multigammaln: the dimension d is positive, got {d}.")

    def multigammaln(a: Any) -> Any:
        total = sum(primitive(t.lgamma, a - j / 2) for j in range(count))
        return total + count * (count - 1) / 4 * math.log(math.pi)

    return _special(multigammaln)(a)


@_special
def poch(z: Any, m: Any) -> Any:
    """Pochhammer's symbol ``gamma(z + m) / gamma(z)``, the rising factorial; 1 where ``m`` is 0."""
    sign = gammasgn(z) * gammasgn(z + m)
    ratio = sign * wnp.exp(primitive(t.lgamma, z + m) - primitive(t.lgamma, z))
    return wnp.where(m == 0, 1.0, ratio).astype(ratio.dtype)


def factorial(n: Any, exact: bool = False) -> Any:
    """``n!`` as a floating number, ``gamma(n + 1)``; 0 where ``n`` is negative.

    Args:
        n: array of integers or floating numbers.
        exact: must be false: integers of more than 64 bits are no arrays.
    """
    if exact:
        raise ArgumentError(
            "scipy.special.factorial(exact=True) gives integers of any size: use math.factorial."
        )
    return _factorial(n)


@_special
def _factorial(n: Any) -> Any:
    return wnp.where(n < 0, 0.0, primitive(special.gamma, guarded(~(n < 0), n, 0) + 1)).astype(n.dtype)


def comb(N: Any, k: Any, *, repetition: bool = False) -> Any:
    """How many ways there are to choose ``k`` of ``N`` things, as a floating number.

    Args:
        N: how many there are.
        k: how many are chosen; the result is 0 where it is negative, or more than ``N`` without repetition.
        repetition: each may be chosen more than once.
    """
    return _comb(N + k - 1, k) if repetition else _comb(N, k)


@_special
def _comb(n: Any, k: Any) -> Any:
    possible = (k >= 0) & (n >= 0) & (k <= n)
    n, k = guarded(possible, n, 1), guarded(possible, k, 0)
    ways = wnp.exp(-wnp.log1p(n) - primitive(special.betaln, 1 + n - k, 1 + k))
    whole = (n == wnp.floor(n)) & (k == wnp.floor(k)) & (ways < 0.1 / float(wnp.finfo(ways.dtype).eps))
    ways = ways + stop_gradient(wnp.where(whole, wnp.rint(ways) - ways, 0))
    return wnp.where(possible, ways, 0.0).astype(ways.dtype)


def bernoulli(n: int) -> Any:
    """The Bernoulli numbers of order 0 to ``n`` (at least 2, as SciPy has it), as float64."""
    if operator.index(n) < 0:
        raise ArgumentError(f"scipy.special.bernoulli: n is not negative, got {n}.")
    from scipy.special import bernoulli as numbers

    return array("scipy.special.bernoulli", numbers(operator.index(n)))


_complex_special = pointwise("scipy.special", complex=True)


@_complex_special
def loggamma(x: Any) -> Any:
    """The logarithm of the gamma function: its principal branch, analytic but on the negative axis.

    Args:
        x: real array, for which the result is NaN below 0, or a complex one.

    Source: Stirling's series, ten steps up; the reflection formula where the real part is negative.
    """
    if not is_complex(x.dtype):
        return wnp.where(x < 0, math.nan, primitive(t.lgamma, guarded(~(x < 0), x, 1)))
    return _loggamma(x)


_SHIFT = 10
# B(2k) / (2k (2k - 1)) for k from 1
_STIRLING = (
    1 / 12, -1 / 360, 1 / 1260, -1 / 1680, 1 / 1188, -691 / 360360, 1 / 156, -3617 / 122400, 43867 / 244188,
)  # fmt: skip


def _loggamma(z: Any) -> Any:
    mirrored = wnp.real(z) < 0
    right = wnp.where(mirrored, 1 - z, z)
    far = wnp.abs(right) > 1e3
    near = wnp.where(far, wnp.ones_like(right), right)
    # The sum of logarithms has no cut where a logarithm of the product would.
    steps = wnp.log(near)
    for k in range(1, _SHIFT):
        steps = steps + wnp.log(near + k)
    shifted = wnp.where(far, right, near + _SHIFT)
    inverse = 1 / shifted
    square = inverse * inverse
    series = wnp.zeros_like(square)
    for c in reversed(_STIRLING):
        series = series * square + c
    stirling = (shifted - 0.5) * wnp.log(shifted) - shifted + 0.5 * math.log(2 * math.pi) + series * inverse
    value = stirling - wnp.where(far, wnp.zeros_like(steps), steps)
    return wnp.where(mirrored, math.log(math.pi) - _log_sin_pi(z) - value, value)


def _log_sin_pi(z: Any) -> Any:
    """``log(sin(pi z))``, analytic in the upper and in the lower half plane, for a real part below 0."""
    below = wnp.signbit(wnp.imag(z))
    upper = wnp.where(below, wnp.conj(z), z)
    whole = wnp.rint(wnp.real(upper))
    # sin(pi z) = i/2 exp(-i pi z) (1 - exp(2 i pi z))
    wave = wnp.log(-wnp.expm1(2j * math.pi * (upper - whole)))
    value = wave + 1j * math.pi * (0.5 - upper) - math.log(2)
    return wnp.where(below, wnp.conj(value), value)
