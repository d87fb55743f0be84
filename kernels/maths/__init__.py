"""Elementary and special functions as scalar expressions that LLVM vectorises, one definition for every target."""

from __future__ import annotations

from collections.abc import Callable

from weft.kernels.maths import (
    bessel,
    erf,
    exp,
    gamma,
    hyperbolic,
    incomplete,
    inverse_trig,
    log,
    power,
    trig,
    zeta,
)
from weft.kernels.register import Register

FUNCTIONS: dict[str, Callable[..., Register]] = {
    "sqrt": lambda x: x.sqrt(),
    "exp": exp.exp,
    "exp2": exp.exp2,
    "expm1": exp.expm1,
    "logistic": exp.logistic,
    "log": log.log,
    "log2": log.log2,
    "log10": log.log10,
    "log1p": log.log1p,
    "sin": trig.sin,
    "cos": trig.cos,
    "tan": trig.tan,
    "asin": inverse_trig.asin,
    "acos": inverse_trig.acos,
    "atan": inverse_trig.atan,
    "atan2": inverse_trig.atan2,
    "hypot": inverse_trig.hypot,
    "sinh": hyperbolic.sinh,
    "cosh": hyperbolic.cosh,
    "tanh": hyperbolic.tanh,
    "asinh": hyperbolic.asinh,
    "acosh": hyperbolic.acosh,
    "atanh": hyperbolic.atanh,
    "rsqrt": power.rsqrt,
    "cbrt": power.cbrt,
    "pow": power.pow,
    "erf": erf.erf,
    "erfc": erf.erfc,
    "erf_inv": erf.erf_inv,
    "lgamma": gamma.lgamma,
    "digamma": gamma.digamma,
    "gamma": gamma.gamma,
    "betaln": incomplete.betaln,
    "igamma": incomplete.igamma,
    "igammac": incomplete.igammac,
    "betainc": incomplete.betainc,
    "zeta": zeta.zeta,
    "bessel_i0e": bessel.i0e,
    "bessel_i1e": bessel.i1e,
}
