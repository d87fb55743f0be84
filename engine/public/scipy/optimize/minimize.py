"""`minimize`: the least value of a function, and where it is, with the derivatives of that place.

The one idea: a minimum is a root of the gradient. So its derivatives by what the function depends on are those of the implicit
function theorem, with the Hessian at the minimum, whatever path the iteration took; they are exact where it converged.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

import weft.numpy as wnp
from weft import lax
from weft.engine import tree
from weft.engine.transforms.grad import grad
from weft.engine.transforms.vmap import vmap
from weft.flatten_util import ravel_pytree
from weft.ir.errors import ArgumentError
from weft.numpy.staging import static_int
from weft.scipy.arguments import floating, function, one_of
from weft.scipy.compiled import run_compiled
from weft.scipy.optimize.descent import CONVERGED, WHOLE, Limits, last_steps, minimize_vector

_METHODS = ("BFGS", "L-BFGS", "L-BFGS-B", "l-bfgs-experimental-do-not-rely-on-this")


class OptimizeResults(NamedTuple):
    """What `minimize` returns.

    Attributes:
        x: the place of the minimum, of the structure and shape of ``x0``.
        success: whether the iteration converged.
        status: 0 converged, 1 too many iterations, 2 no step lowers the function any more, 3 NaN or infinity at ``x0``.
        fun: the function there.
        jac: its gradient there, like ``x``.
        hess_inv: an estimate of the inverse of its Hessian ``(n, n)``; ``None`` of L-BFGS, which does not keep it.
        nfev: how often the function was evaluated.
        njev: how often its gradient was.
        nit: how many iterations were done.
    """

    x: Any
    success: Any
    status: Any
    fun: Any
    jac: Any
    hess_inv: Any
    nfev: Any
    njev: Any
    nit: Any


_OPTIONS: dict[str, dict[str, Any]] = {
    "BFGS": {"gtol": 1e-5, "norm": np.inf, "maxiter": None, "line_search_maxiter": 20},
    "L-BFGS": {
        "gtol": 1e-5,
        "ftol": 2.220446049250313e-09,
        "norm": np.inf,
        "maxiter": None,
        "maxcor": 10,
        "maxls": 20,
    },
}


def _read_options(method: str, tol: Any, given: Mapping[str, Any] | None) -> dict[str, Any]:
    known = _OPTIONS[method]
    options: dict[str, Any] = {
        **known,
        **({} if tol is None else {k: tol for k in ("gtol", "ftol") if k in known}),
        **(given or {}),
    }
    unknown = sorted(set(options) - set(known))
    if unknown:
        raise ArgumentError(
            f"minimize: {method} has the options {', '.join(known)}, not {', '.join(unknown)}."
        )
    return options


def hessian_solve(hessian_times: Callable[[Any], Any], right: Any) -> Any:
    """Solve with the matrix of a linear function of vectors."""
    matrix = vmap(hessian_times)(wnp.eye(right.shape[0], dtype=right.dtype))
    return wnp.linalg.solve(matrix.T, right)


def minimize(
    fun: Callable[..., Any],
    x0: Any,
    args: tuple[Any, ...] = (),
    *,
    method: str = "BFGS",
    tol: float | None = None,
    options: Mapping[str, Any] | None = None,
) -> OptimizeResults:
    """Find a local minimum of a smooth function.

    Args:
        fun: ``fun(x, *args)`` gives a real scalar; it is differentiated.
        x0: where to begin: a vector, or a tree of arrays of any shapes, floating. The minimum does not depend on it
            differentiably.
        args: more arguments of ``fun``. By them, and by what ``fun`` closes over, ``x`` and ``fun`` have derivatives.
        method: "BFGS", or for many unknowns "L-BFGS" ("L-BFGS-B" without bounds, and JAX's name, are the same).
        tol: sets ``gtol``, and ``ftol`` of L-BFGS.
        options: ``gtol``: stop where the gradient is no longer than that; ``norm``: in which norm; ``maxiter``: by default 200
            times the number of unknowns. BFGS: ``line_search_maxiter``. L-BFGS: ``ftol``: stop where a step gains no more
            than that, relative to the function; ``maxcor``: how many steps are kept; ``maxls``: steps tried in a direction.

    Raises:
        ArgumentError, DTypeError: a method or an option is not known, or ``x0`` is not floating.

    Example:
        >>> import weft.numpy as np
        >>> from weft.scipy.optimize import minimize
        >>> result = minimize(lambda x, a: np.sum((x - a) ** 4 + x**2), np.zeros(2), (1.0,))
        >>> result.success.item(), [round(v, 3) for v in result.x.tolist()]
        (True, [0.41, 0.41])
    """
    function("minimize", "fun", fun)
    one_of("minimize", "method", method, _METHODS)
    if not isinstance(args, tuple):
        raise ArgumentError(f"minimize: args must be a tuple, got {args!r}.")
    kind = "BFGS" if method == "BFGS" else "L-BFGS"
    chosen = _read_options(kind, tol, options)
    start, restore = ravel_pytree(tree.map(lambda leaf: floating("minimize", leaf)[0], x0))
    n = start.shape[0]
    maxiter = (
        200 * max(n, 1) if chosen["maxiter"] is None else static_int(chosen["maxiter"], "minimize", "maxiter")
    )
    tries = chosen["line_search_maxiter" if kind == "BFGS" else "maxls"]
    limits = Limits(chosen["gtol"], chosen.get("ftol", 0.0), chosen["norm"], maxiter, tries)
    memory = WHOLE if kind == "BFGS" else last_steps(static_int(chosen["maxcor"], "minimize", "maxcor"))

    def on_vector(v: Any) -> Any:
        value = wnp.asarray(fun(restore(v), *args))
        if value.shape != ():
            raise ArgumentError(
                f"minimize: fun must return a scalar, but returned an array of shape {value.shape}."
            )
        return value

    def solve(_: Any, v: Any) -> Any:
        end = run_compiled(lambda v: minimize_vector(on_vector, v, memory, limits), v)
        return end.pop("x"), end

    x, end = lax.custom_root(grad(on_vector), start, solve, hessian_solve, has_aux=True)
    # What else depends on the minimum is computed from it, so that it has derivatives too.
    return OptimizeResults(
        x=restore(x),
        success=end["status"] == CONVERGED,
        status=end["status"],
        fun=on_vector(x),
        jac=restore(end["jac"]),
        hess_inv=end["memory"] if kind == "BFGS" else None,
        nfev=end["nfev"],
        njev=end["nfev"],
        nit=end["nit"],
    )
