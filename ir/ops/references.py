"""NumPy's functions with the special cases of the array API standard, where NumPy has others or leaves them to a C library.

Of real arrays each is NumPy's own, but `power`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np


def power(x: Any, y: Any, dtype: Any = None) -> Any:
    """C's ``pow`` of the exponent 0.5, for which NumPy takes the square root where it is the same for a whole loop.

    The two differ at -inf, whose power is inf, and at -0.0, whose power is 0.0.
    """
    kind = y.__class__
    if kind is int or (kind is float and y != 0.5):
        return np.power(x, y) if dtype is None else np.power(x, y, dtype=dtype)
    result = np.power(x, y) if dtype is None else np.power(x, y, dtype=dtype)
    if result.dtype.kind != "f":
        return result
    if kind is np.ndarray and y.size > 1 and y.shape == result.shape and 0 not in y.strides:
        return result  # no loop of NumPy has one exponent
    everywhere = kind is float
    half: Any = True if everywhere else np.equal(y, 0.5)
    if everywhere or half.any():
        result = result + 0 if everywhere else np.where(half, result + 0, result)
        endless = np.equal(x, -math.inf)
        if endless.any():
            result = np.where(half & endless, result.dtype.type(math.inf), result)
    return result


def sign(x: Any, dtype: Any = None) -> Any:
    """Of complex numbers: 0 for zeros of any sign, and NaN in both parts where one is."""
    result = np.sign(x, dtype=dtype)
    if result.dtype.kind != "c":
        return result
    kind = result.dtype.type
    return np.where(np.isnan(x), kind(complex(math.nan, math.nan)), np.where(np.equal(x, 0), kind(0), result))


def expm1(x: Any, dtype: Any = None) -> Any:
    """Of complex numbers: ``exp(x) - 1`` where they or the result are infinite, and a real part of 0 is positive."""
    result = np.expm1(x, dtype=dtype)
    if result.dtype.kind != "c":
        return result
    result = np.where(np.isfinite(x) & np.isfinite(result), result, np.exp(x) - 1)
    result.real += 0.0
    return result


def _directed(function: np.ufunc, part: str, endless: str) -> Callable[..., Any]:
    """``function``; of complex numbers, a part that is 0 has the operand's sign where the other part is infinite."""

    def directed(x: Any, dtype: Any = None) -> Any:
        result = function(x, dtype=dtype)
        if result.dtype.kind != "c":
            return result
        result, x = np.array(result), np.asarray(x)
        np.copysign(0, getattr(x, part), out=getattr(result, part), where=np.isinf(getattr(x, endless)))
        return result

    return directed


tanh = _directed(np.tanh, "imag", "real")
tan = _directed(np.tan, "real", "imag")

COMPLEX: dict[np.ufunc, Callable[..., Any]] = {np.sign: sign, np.expm1: expm1, np.tanh: tanh, np.tan: tan}
"""What stands in for NumPy's functions of complex arrays."""

EAGER: dict[np.ufunc, Callable[..., Any]] = {np.power: power, **COMPLEX}
"""What stands in for NumPy's functions."""
