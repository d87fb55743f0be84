"""`weft.numpy.lib.stride_tricks`: windows that slide over an array.

The one idea: NumPy's are views by strides. Here they are a gather whose positions are a sum of two counters, so what is
computed from windows reads the array itself, and derivatives and batching are the gather's.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from weft.ir.errors import ArgumentError, ShapeError
from weft.ir.ops import elementwise as e
from weft.ir.ops import shape as s
from weft.ir.ops.index import gather
from weft.ir.types import INT64
from weft.numpy.staging import axis_index, like_numpy, static_shape, value

__all__ = ["sliding_window_view"]


@like_numpy(lambda *args, **kwargs: np.lib.stride_tricks.sliding_window_view(*args, **kwargs))
def sliding_window_view(
    x: Any, window_shape: Any, axis: Any = None, *, subok: bool = False, writeable: bool = False
) -> Any:
    """All windows of a shape: ``result[i, j, ..., :, :]`` is the window that begins at ``x[i, j, ...]``.

    Args:
        x: array.
        window_shape: lengths of the window, one for each of ``axis``.
        axis: the axes that it slides along, an axis may be there twice; all by default.
        subok: accepted for NumPy's sake.
        writeable: accepted where it is False: arrays are immutable.

    Returns:
        Array with the axes of ``x``, of length ``n - w + 1`` where a window of length ``w`` slides, and behind them those of
        the window.

    Raises:
        ShapeError: a window is longer than its axis, or negative.
    """
    name = "sliding_window_view"
    if writeable:
        raise ArgumentError(f"{name} got writeable=True: arrays are immutable.")
    x, window = value(x, name), static_shape(window_shape, name, "window_shape")
    given = range(x.ndim) if axis is None else axis if isinstance(axis, tuple | list) else (axis,)
    axes = [axis_index(d, x.ndim, name) for d in given]
    if len(axes) != len(window):
        raise ShapeError(f"{name} got window_shape={window} for {len(axes)} axes: it has a length for each.")
    for d, w in zip(axes, window, strict=True):
        n = x.shape[d] - w + 1
        if w < 0 or n < 1:
            raise ShapeError(f"{name} got a window of length {w} for axis {d}, of length {x.shape[d]}.")
        places = e.add(s.iota(INT64, (n, w), 0), s.iota(INT64, (n, w), 1))
        windows = gather(x, [places], [d], "promise")  # the two axes of the positions in front
        x = s.move_axis(s.move_axis(windows, 1, x.ndim), 0, d)
    return x
