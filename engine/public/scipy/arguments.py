"""How functions of `weft.scipy` read their arguments: arrays of one dtype that they compute in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import weft.numpy as wnp
from weft.engine.dispatch import common_dtype, is_weak
from weft.engine.promotion import rules, settled
from weft.ir.errors import ArgumentError, DTypeError, ShapeError, WeftError
from weft.ir.types import bfloat16, check_dtype, is_complex, is_inexact

_HALVES = (np.dtype(np.float16), bfloat16)


def compute_dtype(dtype: np.dtype) -> np.dtype:
    """The floating or complex dtype that SciPy's functions compute a dtype in: of 32 bits or more."""
    if dtype in _HALVES:
        return np.dtype(np.float32)
    return dtype if is_inexact(dtype) else rules.float


def inexact(name: str, *xs: Any) -> list[Any]:
    """Array-likes as arrays of one floating or complex dtype.

    Integers and bool count as the default float, 16-bit floats as float32, and Python scalars take the dtype of the others.

    Raises:
        ArgumentError: one of ``xs`` is no array-like; ``name`` is what the error calls the function.
    """
    found = [x if is_weak(x) else array(name, x) for x in xs]
    dtype = compute_dtype(common_dtype(*found))
    return [wnp.asarray(x).astype(dtype) for x in found]


def floating(name: str, *xs: Any) -> list[Any]:
    """`inexact` of arguments that must be real."""
    found = inexact(name, *xs)
    if is_complex(found[0].dtype):
        raise DTypeError(f"{name} takes real arrays, got {', '.join(str(wnp.asarray(x).dtype) for x in xs)}.")
    return found


def array(name: str, x: Any) -> Any:
    """An array-like as an array."""
    try:
        found = wnp.asarray(x)
    except (TypeError, ValueError) as error:
        raise ArgumentError(f"{name} takes arrays, got {x!r}: {error}") from None
    check_dtype(found.dtype)
    return found


def constant(x: Any) -> Any:
    """An array of numbers that come from no array of the user's: in the default float, where they are float64."""
    return wnp.asarray(x, dtype=settled(x.dtype, ()))


def one_of(name: str, argument: str, given: Any, known: Sequence[Any]) -> Any:
    """``given`` where it is among the values that an argument may have."""
    if not any(given is k or (type(given) is type(k) and given == k) for k in known):
        raise ArgumentError(f"{name} got {argument}={given!r}; it is one of {', '.join(map(repr, known))}.")
    return given


def function(name: str, argument: str, f: Any) -> Callable[..., Any]:
    """``f``, which must be a function."""
    if not callable(f):
        raise ArgumentError(f"{name}: {argument} must be a function, got {f!r}.")
    return f


def static_float(name: str, argument: str, x: Any) -> float:
    """A number that is known before a program runs."""
    try:
        return float(x)
    except (TypeError, ValueError) as error:
        if isinstance(error, WeftError):
            raise
        raise ArgumentError(f"{name} got {argument}={x!r}: it must be a number.") from None


def scalar(name: str, argument: str, x: Any) -> Any:
    """``x`` as an array of rank 0, or the Python scalar that it is."""
    found = x if is_weak(x) else array(name, x)
    if not is_weak(x) and found.ndim:
        raise ShapeError(f"{name}: {argument} is a number, got an array of shape {found.shape}.")
    return found


def pair(name: str, argument: str, x: Any, of: str) -> Any:
    """``x``, which must be the two results of a function ``of``."""
    if not isinstance(x, tuple | list) or len(x) != 2:
        raise ArgumentError(f"{name}: {argument} is the pair that {of} gives, got {x!r}.")
    return x


def vector(name: str, argument: str, x: Any) -> Any:
    """``x``, which must have one axis."""
    if x.ndim != 1:
        raise ShapeError(f"{name}: {argument} has one axis, got an array of shape {x.shape}.")
    return x
