"""Interpolation on grids: `weft.scipy.interpolate`: RegularGridInterpolator as `jax.scipy.interpolate`, and interpn.

The one idea: along each axis a place is between two points of the grid, at a share of their distance; the value is the mean of
the corners of that cell, weighted by products of shares.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

import weft.numpy as wnp
from weft.engine.dispatch import is_traced
from weft.engine.transforms.custom import stop_gradient
from weft.ir.errors import ArgumentError, ShapeError
from weft.scipy.arguments import array, floating, inexact, one_of, vector

__all__ = ["RegularGridInterpolator", "interpn"]

_METHODS = ("linear", "nearest")


class RegularGridInterpolator:
    """Values on a grid, as a function of places between its points.

    Args:
        points: for each axis the places of the grid along it, a vector of two or more, strictly rising (falling too where it
            is not traced).
        values: array whose first axes are those of the grid, floating or complex; integers count as float64.
        method: "linear" or "nearest".
        bounds_error: only ``False``: no value can be known while a function is traced.
        fill_value: the value outside of the grid; ``None`` extrapolates.

    Raises:
        ShapeError, ArgumentError: the grid does not go with the values, or does not rise.

    Example:
        >>> import weft.numpy as np
        >>> from weft.scipy.interpolate import RegularGridInterpolator
        >>> f = RegularGridInterpolator((np.arange(3.0), np.arange(2.0)), np.array([[0.0, 1], [2, 3], [4, 5]]))
        >>> f(np.array([[0.5, 0.5], [1.0, 2.0]])).tolist()
        [1.5, nan]
    """

    def __init__(
        self,
        points: Sequence[Any],
        values: Any,
        method: str = "linear",
        bounds_error: bool = False,
        fill_value: Any = np.nan,
    ):
        self.method = one_of("RegularGridInterpolator", "method", method, _METHODS)
        if bounds_error:
            raise ArgumentError(
                "RegularGridInterpolator: bounds_error must be False; what is outside is fill_value."
            )
        (found,) = inexact("RegularGridInterpolator", values)
        if not isinstance(points, list | tuple):
            raise ArgumentError(
                f"RegularGridInterpolator takes a tuple of vectors as points, got {points!r}."
            )
        if len(points) > found.ndim:
            raise ShapeError(
                f"RegularGridInterpolator got {len(points)} vectors of points for values of shape {found.shape}."
            )
        grid = []
        for d, given in enumerate(points):
            (p,) = floating(
                "RegularGridInterpolator",
                vector("RegularGridInterpolator", f"points[{d}]", array("points", given)),
            )
            if p.shape[0] != found.shape[d] or p.shape[0] < 2:
                raise ShapeError(
                    f"RegularGridInterpolator got {p.shape[0]} points for axis {d} of values of shape {found.shape}: as many "
                    f"are needed, at least 2."
                )
            if not is_traced(p):
                steps = np.diff(np.asarray(p))
                if np.all(steps < 0):
                    p, found = wnp.flip(p), wnp.flip(found, axis=d)
                elif not np.all(steps > 0):
                    raise ArgumentError(f"RegularGridInterpolator: points[{d}] must rise, or fall, strictly.")
            grid.append(p)
        self.grid, self.values = tuple(grid), found
        self.fill_value = fill_value if fill_value is None else wnp.asarray(fill_value).astype(found.dtype)

    def __call__(self, xi: Any, method: str | None = None) -> Any:
        """Values at places.

        Args:
            xi: places ``(..., d)`` for a grid of ``d`` axes, or a tuple of ``d`` arrays that broadcast.
            method: another method than that of the interpolator.

        Returns:
            Array of the shape ``(...)`` followed by those axes of the values that are none of the grid.
        """
        method = one_of(
            "RegularGridInterpolator", "method", self.method if method is None else method, _METHODS
        )
        n = len(self.grid)
        if isinstance(xi, tuple):
            columns = list(wnp.broadcast_arrays(*floating("RegularGridInterpolator", *xi)))
        else:
            (places,) = floating("RegularGridInterpolator", xi)
            if places.ndim == 1 and n == 1:
                places = places[:, None]
            columns = [places[..., d] for d in range(places.shape[-1])] if places.ndim else []
        if len(columns) != n:
            raise ShapeError(
                f"RegularGridInterpolator got places of {len(columns)} coordinates for a grid of {n} axes."
            )
        lows, shares, outside = [], [], wnp.zeros(columns[0].shape, bool)
        for x, p in zip(columns, self.grid, strict=True):
            low = wnp.clip(wnp.searchsorted(stop_gradient(p), stop_gradient(x)) - 1, 0, p.shape[0] - 2)
            lows.append(low)
            shares.append((x - p[low]) / (p[low + 1] - p[low]))
            outside = outside | (x < p[0]) | (x > p[-1])
        rest = (1,) * (self.values.ndim - n)
        if method == "nearest":
            nearest = tuple(wnp.where(s <= 0.5, low, low + 1) for low, s in zip(lows, shares, strict=True))
            found = self.values[nearest]
        else:
            found = wnp.zeros((), self.values.dtype)
            for corner in itertools.product((0, 1), repeat=n):
                weight = wnp.ones(())
                for upper, share in zip(corner, shares, strict=True):
                    weight = weight * (share if upper else 1 - share)
                part = self.values[tuple(low + upper for upper, low in zip(corner, lows, strict=True))]
                found = found + part * weight.reshape(*weight.shape, *rest).astype(self.values.dtype)
        if self.fill_value is None:
            return found
        nowhere = wnp.isnan(sum(columns[1:], columns[0]))
        out = wnp.where(outside.reshape(*outside.shape, *rest), self.fill_value, found)
        return wnp.where(nowhere.reshape(*nowhere.shape, *rest), wnp.asarray(np.nan, dtype=out.dtype), out)


def interpn(
    points: Sequence[Any],
    values: Any,
    xi: Any,
    method: str = "linear",
    bounds_error: bool = False,
    fill_value: Any = np.nan,
) -> Any:
    """`RegularGridInterpolator` of a grid, at the places ``xi``."""
    return RegularGridInterpolator(points, values, method, bounds_error, fill_value)(xi)
