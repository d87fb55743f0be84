"""Floating remainders, exact for all finite operands.

The one idea: for a quotient below 2**50, ``x - trunc(x / y) * y`` is exact in one fma once a quotient that rounding pushed over
the next integer is taken back. Larger quotients are rare: they go through a loop that takes off multiples of ``y * 2**k``.
"""

from __future__ import annotations

from weft.kernels.calls import call_rare
from weft.kernels.register import Register

_LIMIT = {"float": 2.0**21, "double": 2.0**50}
_STEP = {"float": 2.0**20, "double": 2.0**48}


def _step(x: Register, y: Register) -> Register:
    """``fmod`` of two non-negative numbers whose quotient is below the limit."""
    quotient = (x / y).trunc()
    left = (-quotient).fma(y, x)
    left = (left < 0.0).select(left + y, left)
    return (left >= y).select(left - y, left)


def fmod(x: Register, y: Register) -> Register:
    """C's ``fmod``: the remainder with the sign of ``x``. NaN when ``y`` is 0 or ``x`` infinite."""
    a, b = x.fabs(), y.fabs()
    infinite = b.eq(float("inf"))
    usual = infinite.select(a, _step(a, b))
    large = (a / b >= _LIMIT[x.kind]) & (b > 0.0) & (a < float("inf"))
    result = call_rare(a, large, "fmod", _fmod_by_steps, usual, [b])
    bad = a.eq(float("inf")) | b.eq(0.0) | y.is_nan()
    return bad.select(float("nan"), result.copysign(x))


def _fmod_by_steps(x: Register, y: Register) -> Register:
    """``fmod`` of positive finite numbers, ``x >= y``, by taking off multiples of ``y`` times powers of two."""
    writer, kind, start = x.writer, x.kind, x.writer.block
    outer, grow, shrink, done = (writer.label(stem) for stem in ("outer", "grow", "shrink", "done"))
    writer.br(outer)
    writer.place(outer)  # left: what remains; find a multiple of y that is not too far below it
    left = writer.phi(kind, [(x, start)])
    writer.br(grow)
    writer.place(grow)
    multiple = writer.phi(kind, [(y, outer)])
    next_multiple = multiple * _STEP[kind]
    writer.add_incoming(multiple, next_multiple, grow)
    writer.cond_br(next_multiple <= left, grow, shrink)
    writer.place(shrink)
    rest = _step(left, multiple)
    writer.add_incoming(left, rest, shrink)
    writer.cond_br(rest < y, done, outer)
    writer.place(done)
    return rest


def remainder(x: Register, y: Register) -> Register:
    """NumPy's ``remainder``: the sign of ``y``."""
    left = fmod(x, y)
    nonzero, other_sign = left.ne(0.0), (left < 0.0) ^ (y < 0.0)
    return nonzero.select(
        other_sign.select(left + y, left), left.is_nan().select(left, left.const(0.0).copysign(y))
    )


def floor_divide(x: Register, y: Register) -> Register:
    """NumPy's ``floor_divide``: the quotient that goes with :func:`remainder`, as an integer in floating form."""
    left = fmod(x, y)
    quotient = (x - left) / y
    borrow = left.ne(0.0) & ((left < 0.0) ^ (y < 0.0))
    quotient = borrow.select(quotient - 1.0, quotient)
    whole = quotient.floor()
    whole = (quotient - whole > 0.5).select(whole + 1.0, whole)
    plain = x / y
    whole = quotient.ne(0.0).select(whole, plain.const(0.0).copysign(plain))
    return y.eq(0.0).select(plain, whole)
