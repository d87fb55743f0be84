"""The modified Bessel functions of orders 0 and 1, scaled by ``exp(-|x|)``.

The one idea: a Chebyshev series up to 8, and beyond it one in ``1 / x`` for what is left beside ``1 / sqrt(x)``, as in
Clenshaw's tables (National Physical Laboratory, Mathematical Tables 5, 1962).
"""

from __future__ import annotations

from weft.kernels.maths.bits import polynomial
from weft.kernels.maths.exp import exp
from weft.kernels.maths.loops import chebyshev
from weft.kernels.register import Register

_BORDER = {"float": 3.5, "double": 8.0}


def _scaled(x: Register, order: int) -> Register:
    in_double = x.kind == "double"
    border = _BORDER[x.kind]
    size = x.fabs()
    near = size <= border
    inside, outside = near.select(size, 1.0), near.select(border, size)  # NaN is outside
    inverse = 1.0 / outside
    if in_double:
        inner = chebyshev(f"i{order}e_near", inside, 0.0, border)
        outer = chebyshev(f"i{order}e_far", inverse, 0.0, 1 / border)
    else:
        inner = exp(-inside) * polynomial(f"i{order}_near", inside * inside)
        outer = polynomial(f"i{order}_far", inverse - 0.125)
    outer = outer / outside.sqrt()
    return near.select(inner * x, outer.copysign(x)) if order else near.select(inner, outer)


def i0e(x: Register) -> Register:
    """``exp(-|x|) I0(x)``."""
    return _scaled(x, 0)


def i1e(x: Register) -> Register:
    """``exp(-|x|) I1(x)``."""
    return _scaled(x, 1)
