"""Minima and roots of functions: `weft.scipy.optimize`, as `jax.scipy.optimize`, and of `scipy.optimize` what is below."""

from weft.scipy.optimize.least_squares import LeastSquaresResults, curve_fit, least_squares
from weft.scipy.optimize.line_search import LineSearchResults, line_search
from weft.scipy.optimize.minimize import OptimizeResults, minimize
from weft.scipy.optimize.roots import RootResults, bisect, newton, root

__all__ = [
    "LeastSquaresResults",
    "LineSearchResults",
    "OptimizeResults",
    "RootResults",
    "bisect",
    "curve_fit",
    "least_squares",
    "line_search",
    "minimize",
    "newton",
    "root",
]
