"""How elementwise functions of `weft.scipy` are declared: special functions, and the densities of distributions.

The one idea: a definition is a formula in functions of `weft.numpy` on arrays of one inexact dtype. The decorator reads the
arguments (integers and bool count as the default float, Python scalars give way), computes what is stored in 16 bits in 32,
and rounds the result back, as JAX keeps such dtypes.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

import weft.numpy as wnp
from weft.engine.array import to_value, wrap_value
from weft.engine.dispatch import broadcast_values, common_dtype, is_weak
from weft.engine.promotion import rules
from weft.ir.errors import DTypeError
from weft.ir.types import is_complex, is_floating, is_inexact
from weft.scipy.arguments import array, compute_dtype


def _read(name: str, args: tuple[Any, ...], allow_complex: bool) -> tuple[list[Any], Any]:
    found = [x if is_weak(x) else array(name, x) for x in args]
    dtype = common_dtype(*found)
    if not is_inexact(dtype):
        dtype = rules.float
    if is_complex(dtype) and not allow_complex:
        kinds = ", ".join(str(wnp.asarray(x).dtype) for x in args)
        raise DTypeError(f"{name} takes real arguments, got {kinds}. Take weft.numpy.real of them first.")
    wide = compute_dtype(dtype)
    return [wnp.asarray(x).astype(wide) for x in found], dtype


def _rounded(out: Any, dtype: Any) -> Any:
    if isinstance(out, tuple):
        return tuple(_rounded(x, dtype) for x in out)
    return out.astype(dtype) if is_floating(out.dtype) else out


def pointwise(family: str, complex: bool = False) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Decorate a formula on arrays of one floating dtype as a public function of array-likes.

    Args:
        family: what errors put before the function's name.
        complex: complex arguments are taken too.
    """

    def decorate(definition: Callable[..., Any]) -> Callable[..., Any]:
        signature = inspect.signature(definition)
        count, name = len(signature.parameters), f"{family}.{definition.__name__}"

        @functools.wraps(definition)
        def function(*args: Any, **kwargs: Any) -> Any:
            if kwargs or len(args) != count:
                bound = signature.bind(*args, **kwargs)
                bound.apply_defaults()
                args = bound.args
            values, dtype = _read(name, args, complex)
            out = definition(*values)
            return out if compute_dtype(dtype) == dtype else _rounded(out, dtype)

        return function

    return decorate


def primitive(fun: Callable[..., Any], *xs: Any) -> Any:
    """A function of the IR's values that have one shape, of arrays that are brought to one."""
    return wrap_value(fun(*broadcast_values("scipy", *[to_value(x) for x in xs])))


def guarded(condition: Any, x: Any, safe: float) -> Any:
    """``x`` where a condition holds, else a constant: what a branch that is not taken there is computed of.

    So the derivatives of both branches are finite, and the one that is not taken is multiplied by a true zero.
    """
    return wnp.where(condition, x, wnp.asarray(safe, x.dtype))
