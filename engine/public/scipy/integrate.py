"""Integrals of samples: `weft.scipy.integrate`: trapezoid as `jax.scipy.integrate`, cumulative_trapezoid and simpson as SciPy.

The one idea: an integral of samples is a sum with weights, which depend on the distances of the samples alone.
"""

from __future__ import annotations

from typing import Any

import weft.numpy as wnp
from weft.ir.errors import ShapeError
from weft.numpy import trapezoid
from weft.numpy.staging import axis_index
from weft.scipy.arguments import inexact

__all__ = ["cumulative_trapezoid", "simpson", "trapezoid"]


def _samples(name: str, y: Any, x: Any, axis: Any) -> tuple[Any, Any, int]:
    """Samples along the last axis, their places likewise (or ``None``), and which axis that was."""
    (y, x) = inexact(name, y, x) if x is not None else (*inexact(name, y), None)
    d = axis_index(axis, y.ndim, name)
    if y.shape[d] == 0:
        raise ShapeError(f"{name} takes samples, got an array of shape {y.shape}.")
    if x is not None:
        if x.ndim not in (1, y.ndim) or x.shape[0 if x.ndim == 1 else d] != y.shape[d]:
            raise ShapeError(
                f"{name} got samples of shape {y.shape} at places of shape {x.shape}, along axis {d}: one place a sample is "
                f"needed."
            )
        x = x if x.ndim == 1 else wnp.moveaxis(x, d, -1)
    return wnp.moveaxis(y, d, -1), x, d


def cumulative_trapezoid(y: Any, x: Any = None, dx: Any = 1.0, axis: int = -1, initial: Any = None) -> Any:
    """Integrals of a piecewise linear function from its first sample to each other one.

    Args:
        y: samples, floating or complex.
        x: their places, a vector or an array of the shape of ``y``.
        dx: their distance, where ``x`` is not given.
        axis: along which they are samples.
        initial: put that, 0, before the first.

    Returns:
        Array of the shape of ``y``, one shorter along ``axis`` unless ``initial`` is given.
    """
    y, x, axis = _samples("cumulative_trapezoid", y, x, axis)
    width = dx if x is None else wnp.diff(x)
    found = wnp.cumsum(width * (y[..., 1:] + y[..., :-1]) / 2, axis=-1)
    if initial is not None:
        first = wnp.broadcast_to(wnp.asarray(initial).astype(found.dtype), (*found.shape[:-1], 1))
        found = wnp.concatenate([first, found], axis=-1)
    return wnp.moveaxis(found, -1, axis)


def _whole_parabolas(y: Any, x: Any, dx: Any) -> Any:
    """Simpson's rule for an odd number of samples."""
    first, middle, last = y[..., :-2:2], y[..., 1:-1:2], y[..., 2::2]
    if x is None:
        return wnp.sum(first + 4 * middle + last, axis=-1) * (dx / 3)
    widths = wnp.diff(x)
    left, right = widths[..., ::2], widths[..., 1::2]
    both, ratio = left + right, _quotient(left, right)
    weighted = (
        first * (2 - _quotient(1, ratio)) + middle * _quotient(both**2, left * right) + last * (2 - ratio)
    )
    return wnp.sum(both / 6 * weighted, axis=-1)


def _quotient(a: Any, b: Any) -> Any:
    """``a / b``, and 0 where ``b`` is 0: samples at one place count nothing."""
    zero = b == 0
    return wnp.where(zero, 0, a / wnp.where(zero, 1, b))


def simpson(y: Any, x: Any = None, *, dx: Any = 1.0, axis: int = -1) -> Any:
    """The integral of samples by parabolas through three neighbours each.

    Where their number is even, the last interval has the parabola through the last three (Cartwright, "Simpson's rule
    cumulative integration with MS Excel and irregularly-spaced data", J. Math. Sci. Math. Educ. 12, 2017).

    Args:
        y: samples, floating or complex.
        x: their places, a vector or an array of the shape of ``y``.
        dx: their distance, where ``x`` is not given.
        axis: along which they are samples.
    """
    y, x, _ = _samples("simpson", y, x, axis)
    n = y.shape[-1]
    if n == 1:
        return wnp.zeros(y.shape[:-1], y.dtype)
    if n == 2:
        return trapezoid(y, x, dx, axis=-1)
    if n % 2 == 1:
        return _whole_parabolas(y, x, dx)
    before = wnp.asarray(dx) if x is None else x[..., -2] - x[..., -3]
    last = wnp.asarray(dx) if x is None else x[..., -1] - x[..., -2]
    weights = (
        _quotient(2 * last**2 + 3 * before * last, 6 * (before + last)),
        _quotient(last**2 + 3 * before * last, 6 * before),
        -_quotient(last**3, 6 * before * (before + last)),
    )
    rest = sum(w * y[..., -1 - i] for i, w in enumerate(weights))
    return _whole_parabolas(y[..., :-1], None if x is None else x[..., :-1], dx) + rest
