"""Functions of the normal distribution that erf alone does not give: its quantiles, and erfc without its exponential.

The one idea: both are pieces of erf.py. ``erfc(x) exp(x**2)`` is its polynomial without the exponential, next to 0 one of
its own; a quantile is the
inverse error function of ``2p - 1`` with ``1 - (2p - 1)**2`` taken as ``4 p (1 - p)``, which is exact where p is tiny.
"""

from __future__ import annotations

import math

from weft.kernels.calls import where_any
from weft.kernels.maths.bits import polynomial, through_double, two_product
from weft.kernels.maths.erf import END, erf_inv_factor, erfc_factor
from weft.kernels.maths.exp import exp_of_sum
from weft.kernels.maths.log import log
from weft.kernels.maths.loops import chebyshev
from weft.kernels.register import Register

_INF, _NAN = float("inf"), float("nan")
# 1 / sqrt(pi) as a sum of two floats.
_INVERSE_ROOT_PI = {
    "float": (0.564189612865448, -2.9317691385699618e-08),
    "double": (0.5641895835477563, 7.66772980658294e-18),
}
# Of the asymptotic series beyond `END`.
_TERMS = {"float": 5, "double": 7}
_FAR = 36.0  # of -log(4 p (1 - p)), beyond which there are no doubles next to 1


def ndtri(p: Register) -> Register:
    """The number below which a normal variate is with probability p."""
    return through_double(_ndtri, p)


def _ndtri(p: Register) -> Register:
    usual = (p > 0.0) & (p < 1.0)
    inside = usual.select(p, 0.5)
    x, other = (inside - 0.5) * 2.0, 1.0 - inside
    w = -(log(inside) + log(other)) - 2 * math.log(2)
    w = w.greater_of(0.0)
    # Near 1/2 the logarithms cancel, but the square is small and hardly counts.
    far = w > _FAR
    factor = erf_inv_factor(far.select(_FAR, w))

    def tail() -> Register:
        root = far.select(w, 2 * _FAR).sqrt()
        return root * chebyshev("ndtri_tail", root, math.sqrt(_FAR), 27.5)

    factor = where_any(far, tail, factor)
    edge = p.eq(0.0).select(p.const(-_INF), p.eq(1.0).select(p.const(_INF), _NAN))
    return usual.select(x * factor * math.sqrt(2), edge)


def erfcx(x: Register) -> Register:
    """``exp(x**2) erfc(x)``."""
    size = x.fabs()
    near, far = (x > -1.0) & (x < 0.5), x > END[x.kind]
    usual = erfc_factor(near.select(1.0, (size > END[x.kind]).select(END[x.kind], size)))
    result = near.select(polynomial("erfcx_near", x), usual[0] + usual[1])

    def tail() -> Register:
        outside = far.select(x, 2 * END[x.kind])
        square = 1.0 / outside
        square, total = square * square, x.const(1.0)
        for k in range(_TERMS[x.kind], 1, -1):  # 1 - 1/2 v**2 (1 - 3/2 v**2 (1 - ...))
            total = (square * total).fma(0.5 - k, 1.0)
        high, low = _INVERSE_ROOT_PI[x.kind]
        return ((square * total).fma(-0.5 * high, low) + high) / outside

    def mirrored() -> Register:
        return exp_of_sum(*two_product(x, x)) * 2.0 - result

    result = where_any(far, tail, result)
    result = where_any(x <= -1.0, mirrored, result)
    return x.is_nan().select(x, result)
