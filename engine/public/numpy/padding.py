"""Padding: elements before and after along each axis, of one value or of what the array has at its edges.

The one idea: a padded axis is a few slices of the array, some turned round, put together again; only where that takes many
pieces are elements gathered one by one.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from weft.engine.dispatch import ArrayFunction, as_dtype, broadcast_to, is_traced
from weft.ir.builder import Value
from weft.ir.errors import ArgumentError, ShapeError
from weft.ir.ops import elementwise as e
from weft.ir.ops import shape as s
from weft.ir.ops.index import gather
from weft.numpy import formulas
from weft.numpy.reductions import max as _max
from weft.numpy.reductions import mean as _mean
from weft.numpy.reductions import min as _min
from weft.numpy.staging import axis_index, like_numpy, value

__all__ = ["pad"]


def _widths(pad_width: Any, ndim: int) -> list[tuple[int, int]]:
    if isinstance(pad_width, dict):
        pairs: list[Any] = [(0, 0)] * ndim
        for axis, width in pad_width.items():
            pairs[axis_index(axis, ndim, "pad")] = (
                width if isinstance(width, tuple | list) else (width, width)
            )
        pad_width = pairs
    try:
        widths = np.broadcast_to(np.asarray(pad_width), (ndim, 2))
    except ValueError:
        raise ShapeError(
            f"pad got pad_width={pad_width!r} for an array of {ndim} axes: it is a number, a pair, or a pair an axis."
        ) from None
    if widths.dtype.kind not in "iu" or (widths < 0).any():
        raise ArgumentError(f"pad got pad_width={pad_width!r}: widths are integers from 0 up.")
    return [(int(low), int(high)) for low, high in widths]


def _side_values(given: Any, ndim: int, argument: str) -> list[tuple[Any, Any]]:
    """A value before and after for each axis, from a number, a pair, or a pair an axis."""
    if isinstance(given, Value):
        given = broadcast_to(given, (ndim, 2))
        one = lambda d, i: s.reshape(s.slice_(given, (d, i), (d + 1, i + 1)), ())  # noqa: E731
        return [(one(d, 0), one(d, 1)) for d in range(ndim)]
    if is_traced(given):
        pairs = given if isinstance(given, tuple | list) else (given, given)
        if not any(isinstance(p, tuple | list) for p in pairs):
            pairs = [tuple(pairs) if len(pairs) == 2 else (pairs[0], pairs[0])] * ndim
        return [tuple(p) for p in (list(pairs) * ndim if len(pairs) == 1 else pairs)]
    try:
        return [(low, high) for low, high in np.broadcast_to(np.asarray(given), (ndim, 2))]
    except ValueError:
        raise ShapeError(
            f"pad got {argument}={given!r}: it is a number, a pair, or a pair an axis."
        ) from None


def _mirror(n: int, low: int, high: int, period: int, mode: str) -> np.ndarray:
    """Positions of the elements of a padded axis of length n."""
    i = np.arange(-low, n + high)
    if mode == "edge":
        return np.clip(i, 0, n - 1)
    if mode == "wrap":
        return i % n
    if n == 1:
        return np.zeros_like(i)
    i = i % period
    return np.where(i < n, i, (period - i) if mode == "reflect" else (period - 1 - i))


def _statistic(mode: str) -> ArrayFunction[..., Any]:
    from weft.numpy.sorting import median  # which is made of parts that this file joins

    found: dict[str, ArrayFunction[..., Any]] = {
        "maximum": _max,
        "minimum": _min,
        "mean": _mean,
        "median": median,
    }
    return found[mode]


_STATISTICS = ("maximum", "minimum", "mean", "median")
_MOST_PIECES = 6  # that a padded axis is put together of; elements of more are gathered


_PAD_OPTIONS = {
    "constant": "constant_values", "linear_ramp": "end_values", "reflect": "reflect_type", "symmetric": "reflect_type",
    "edge": "", "wrap": "", "empty": "", **dict.fromkeys(_STATISTICS, "stat_length"),
}  # fmt: skip


@like_numpy(np.pad)
def pad(array: Any, pad_width: Any, mode: Any = "constant", **kwargs: Any) -> Any:
    """The array with elements added before and after along each axis.

    Args:
        array: array.
        pad_width: how many: a number, a pair (before, after), a pair an axis, or a dict from axes.
        mode: "constant" (``constant_values``), "edge", "reflect" and "symmetric" (``reflect_type``), "wrap", "linear_ramp"
            (``end_values``), "maximum", "minimum", "mean" and "median" (``stat_length``), "empty", or a function (eagerly).
        kwargs: what the mode takes.
    """
    x = value(array, "pad")
    for option in kwargs:
        if isinstance(mode, str) and option != _PAD_OPTIONS.get(mode, option):
            raise ArgumentError(f"pad got {option}=, which mode {mode!r} has no use for.")
    widths = _widths(pad_width, x.ndim)
    low, high = [w[0] for w in widths], [w[1] for w in widths]
    if mode in ("constant", "empty"):
        sides = _side_values(kwargs.get("constant_values", 0), x.ndim, "constant_values")
        fills = [f for pair in sides for f in pair]
        if (
            not any(isinstance(f, Value) for f in fills)
            and len({np.asarray(f).tobytes() for f in fills}) <= 1
        ):
            fill = as_dtype(np.asarray(fills[0] if fills else 0), x.dtype)
            return s.pad(x, fill, low, high)
        for d, (before, after) in enumerate(sides):
            x = _joined(x, d, _filled(x, d, low[d], before), _filled(x, d, high[d], after))
        return x
    known = ("edge", "reflect", "symmetric", "wrap", "linear_ramp", *_STATISTICS)
    if mode not in known:
        raise ArgumentError(
            f"pad got mode={mode!r}: traced arrays are padded by 'constant', 'empty', {', '.join(map(repr, known))}."
        )
    for d in range(x.ndim):
        if not (low[d] or high[d]):
            continue
        n = x.shape[d]
        if n == 0:
            raise ShapeError(f"pad cannot extend axis {d} of length 0 by mode {mode!r}.")
        if mode == "linear_ramp":
            before, after = _side_values(kwargs.get("end_values", 0), x.ndim, "end_values")[d]
            x = _joined(
                x, d, _ramp(x, d, low[d], before, first=True), _ramp(x, d, high[d], after, first=False)
            )
        elif mode in _STATISTICS:
            length = kwargs.get("stat_length")
            lengths = (None, None) if length is None else _side_values(length, x.ndim, "stat_length")[d]
            parts = []
            for width, k, front in ((low[d], lengths[0], True), (high[d], lengths[1], False)):
                k = n if k is None else min(int(k), n)
                part = s.slice_axis(x, d, 0, k) if front else s.slice_axis(x, d, n - k, n)
                found = _statistic(mode).staged(part, d, keepdims=True)
                if x.dtype.kind in "iu" and mode in ("mean", "median"):
                    found = e.rint(found)
                parts.append(
                    broadcast_to(
                        e.cast(found, x.dtype), [width if i == d else m for i, m in enumerate(x.shape)]
                    )
                )
            x = _joined(x, d, *parts)
        elif mode in ("reflect", "symmetric") and kwargs.get("reflect_type", "even") == "odd":
            x = _odd_reflection(x, d, low[d], high[d], mode)
        else:
            period = 2 * (n - 1) if mode == "reflect" else 2 * n
            places = _mirror(n, low[d], high[d], max(period, 1), mode)
            before, after = (_slices_at(x, d, side) for side in (places[: low[d]], places[low[d] + n :]))
            if len(before) + len(after) <= _MOST_PIECES:
                x = s.concatenate([*before, x, *after], d)
            else:
                x = s.move_axis(gather(x, [places], [d], "promise"), 0, d)
    return x


def _slices_at(x: Any, d: int, places: np.ndarray) -> list[Any]:
    """Elements of an axis as slices where their places go up or down, one again and again where they stay.

    If that takes too many pieces, there are only some of them.
    """
    found: list[Any] = []
    steps = np.diff(places)
    begin = 0
    while begin < places.size and len(found) <= _MOST_PIECES:
        end = begin + 1
        step = steps[begin] if end < places.size and abs(steps[begin]) <= 1 else 1
        while end < places.size and steps[end - 1] == step:
            end += 1
        first, last = sorted((int(places[begin]), int(places[end - 1])))
        piece = s.slice_axis(x, d, first, last + 1)
        if step == 0:
            piece = broadcast_to(piece, [end - begin if i == d else m for i, m in enumerate(x.shape)])
        found.append(s.reverse(piece, (d,)) if step < 0 else piece)
        begin = end
    return found


def _joined(x: Any, d: int, before: Any, after: Any) -> Any:
    return s.concatenate([part for part in (before, x, after) if part.shape[d]] or [x], d)


def _filled(x: Any, d: int, width: int, fill: Any) -> Any:
    return broadcast_to(
        as_dtype(value(fill, "pad"), x.dtype), [width if i == d else n for i, n in enumerate(x.shape)]
    )


def _ramp(x: Any, d: int, width: int, end: Any, first: bool) -> Any:
    """Numbers at equal distances from ``end`` to the edge, which is left out."""
    from weft.numpy.creation import linspace

    n = x.shape[d]
    edge = s.squeeze(s.slice_axis(x, d, 0, 1) if first else s.slice_axis(x, d, n - 1, n), (d,))
    line = linspace.staged(
        as_dtype(value(end, "pad"), x.dtype), edge, width, endpoint=False, dtype=x.dtype, axis=d
    )
    return line if first else s.reverse(line, (d,))


def _odd_reflection(x: Any, d: int, low: int, high: int, mode: str) -> Any:
    """Reflection through the edge points: the mirrored elements are taken from twice the edge."""
    while low or high:
        n = x.shape[d]
        most = n - 1 if mode == "reflect" else n
        if most == 0:
            return s.move_axis(gather(x, [np.zeros(n + low + high, np.int64)], [d], "promise"), 0, d)
        a, b = min(low, most), min(high, most)
        skip = int(mode == "reflect")
        first, last = s.slice_axis(x, d, 0, 1), s.slice_axis(x, d, n - 1, n)
        before = s.reverse(s.slice_axis(x, d, skip, skip + a), (d,))
        after = s.reverse(s.slice_axis(x, d, n - skip - b, n - skip), (d,))
        x = _joined(x, d, _through(first, before), _through(last, after))
        low, high = low - a, high - b
    return x


def _through(edge: Any, part: Any) -> Any:
    """``part`` reflected through the value at the edge."""
    return e.sub(broadcast_to(e.mul(edge, formulas.constant(edge, 2)), part.shape), part)
