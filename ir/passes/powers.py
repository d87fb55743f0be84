"""Powers: ``x**1.5``, ``x**-0.5`` and the like become a root and a product or two.

The one idea: C's power takes a logarithm and an exponential, ten times as long as a root. An exponent that is an integer and a
half, and small, needs neither. It is done on what is compiled, behind derivatives: that of ``x**1.5`` is 0 at 0, that of
``x * sqrt(x)`` would not be a number there.

Results are those of the power at zeros, infinities and negative numbers, else within two units in the last place (``x**-2.5``:
two and a half), save where ``x**2 * sqrt(x)`` leaves the range of numbers and its reciprocal would not quite.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from weft.ir.graph import Eqn, Graph
from weft.ir.match import Rewriter, rewrite
from weft.ir.ops import elementwise as e
from weft.ir.ops.transcendental import sqrt

_LARGEST = 2.5  # a larger one multiplies more often, and each product rounds


def lower_powers(graph: Graph) -> Graph:
    """Write powers of single and double precision with such exponents as products of roots; carried graphs' too.

    Keeps inputs, outputs, types and sources; values up to rounding. Needs nothing; idempotent.
    """
    return rewrite(graph, lambda: _step)


def _step(eqn: Eqn, rewriter: Rewriter) -> Sequence[Any] | None:
    if eqn.prim is not e.pow_p or eqn.outs[0].type.dtype not in (np.dtype("f4"), np.dtype("f8")):
        return None
    exponent = rewriter.uniform(eqn.ins[1])
    if exponent is None or abs(exponent) > _LARGEST or 2 * exponent % 2 != 1:
        return None
    x = rewriter.value(eqn.ins[0])
    whole = int(abs(exponent) - 0.5)
    power = sqrt(e.add(x, e.full_like(x, 0.0)))  # of -0.0, too, it is 0.0
    if whole:
        power = e.mul(e.integer_pow(e.abs_(x), whole), power)
    if exponent < 0:
        power = e.div(e.full_like(x, 1), power)
    endless = e.eq(x, e.full_like(x, -np.inf))
    return (e.select(endless, e.full_like(x, np.inf if exponent > 0 else 0.0), power),)
