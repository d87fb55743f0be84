"""Functions of the normal distribution that erf alone does not give: its quantiles, and erfc without its exponential.

The one idea: both are pieces of erf.py. ``erfc(x) exp(x**2)`` is its polynomial without the exponential; a quantile is the
inverse error function of ``2p - 1`` with ``1 - (2p - 1)**2`` taken as ``4 p (1 - p)``, which is exact where p is tiny.
"""

from __future__ import annotations

import math

from weft.kernels.calls import where_any
from weft.kernels.maths.bits import fast_two_sum, through_double, two_product
from weft.kernels.maths.erf import END, erf_inv_factor, erfc, erfc_factor
from weft.kernels.maths.exp import exp, exp_of_sum
from weft.kernels.maths.log import log
from weft.kernels.maths.loops import chebyshev
from weft.kernels.register import Register

_INF, _NAN = float("inf"), float("nan")
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
    return through_double(_erfcx, x)


def _erfcx(x: Register) -> Register:
    size = x.fabs()
    square = two_product(x, x)
    far, near = size > END["double"], size < 0.5
    factor, factor_low = erfc_factor(near.select(1.0, far.select(1.0, size)))
    result = factor + factor_low

    def tail() -> Register:
        v = 1.0 / (far.select(size, 100.0))
        total = v.const(1.0)
        for k in range(7, 0, -1):  # 1 - 1/2 v**2 (1 - 3/2 v**2 (1 - ...))
            total = 1.0 - (k - 0.5) * (v * v) * total
        return v * total * (1 / math.sqrt(math.pi))

    result = where_any(far, tail, result)
    small = near.select(x, 0.0)
    result = near.select(exp(small * small) * erfc(small), result)
    whole = exp_of_sum(*fast_two_sum(*square)) * 2.0
    result = ((x < 0.0) & ~near).select(whole - result, result)
    result = (x < -26.7).select(_INF, result)
    result = x.eq(_INF).select(0.0, result)
    return x.is_nan().select(x, result)
