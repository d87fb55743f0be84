"""The modified Bessel functions of orders 0 and 1, scaled by ``exp(-|x|)``, in double for every kind.

The one idea: a Chebyshev series up to 8, and beyond it one in ``1 / x`` for what is left beside ``1 / sqrt(x)``, as in
Clenshaw's tables (National Physical Laboratory, Mathematical Tables 5, 1962).
"""

from __future__ import annotations

from weft.kernels.maths.bits import keep_zero, through_double
from weft.kernels.maths.loops import chebyshev
from weft.kernels.register import Register

_BORDER = 8.0


def _scaled(x: Register, order: int) -> Register:
    size = x.fabs()
    near = size <= _BORDER
    inside = near.select(size, 1.0)
    inner = chebyshev(f"i{order}e_near", inside, 0.0, _BORDER)
    outside = near.select(_BORDER, size)
    outer = chebyshev(f"i{order}e_far", 1.0 / outside, 0.0, 1 / _BORDER) / outside.sqrt()
    if order:
        inner = inner * size
        return keep_zero(x, near.select(inner, outer).copysign(x))
    return near.select(inner, outer)


def i0e(x: Register) -> Register:
    """``exp(-|x|) I0(x)``."""
    return through_double(lambda v: v.is_nan().select(v, _scaled(v, 0)), x)


def i1e(x: Register) -> Register:
    """``exp(-|x|) I1(x)``."""
    return through_double(lambda v: v.is_nan().select(v, _scaled(v, 1)), x)
