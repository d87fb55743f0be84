"""What stands in brackets or in a loop header: `mgrid`, `r_`, `c_`, `ndenumerate`, `ndindex`, `broadcast`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy import ndindex

import weft.numpy as wnp
from weft.engine.array import wrap_value
from weft.engine.dispatch import broadcast_shapes, from_data, is_traced, to_data
from weft.ir.errors import ArgumentError
from weft.ir.ops.shape import transpose
from weft.numpy.staging import same_dtype, value

__all__ = ["broadcast", "c_", "mgrid", "ndenumerate", "ndindex", "ogrid", "r_"]


def _plain(key: Any) -> Any:
    """A part of an index as NumPy takes it: bounds of slices may be Arrays."""
    if isinstance(key, slice):
        return slice(*[to_data(p) for p in (key.start, key.stop, key.step)])
    return to_data(key)


class _Grid:
    """``mgrid[0:3, 0:1:5j]`` and ``ogrid[...]``: coordinates written as slices."""

    def __init__(self, numpys: Any):
        self._numpys = numpys

    def __getitem__(self, key: Any) -> Any:
        keys = tuple(map(_plain, key)) if isinstance(key, tuple) else _plain(key)
        return from_data(self._numpys[keys])


mgrid = _Grid(np.mgrid)
ogrid = _Grid(np.ogrid)


class _Joined:
    """``r_[0, x, 1:5]`` and ``c_[x, y]``: arrays, numbers and ranges in brackets, joined along an axis.

    A text in front gives the axis, the least number of axes, and where the axes of smaller arrays go: ``r_["1,2,0", x, y]``.
    """

    def __init__(self, numpys: Any, axis: int, least: int, place: int):
        self._numpys, self._default = numpys, (axis, least, place)

    def __getitem__(self, key: Any) -> Any:
        keys = key if isinstance(key, tuple) else (key,)
        if not is_traced(keys):
            return from_data(self._numpys[tuple(map(_plain, keys))])
        axis, least, place = self._default
        if isinstance(keys[0], str):
            axis, least, place = self._directive(keys[0])
            keys = keys[1:]
        parts = []
        for item in keys:
            if isinstance(item, slice):
                item = _range(item)
            scalar = np.ndim(item) == 0 and not isinstance(item, list | tuple)
            parts.append((item if scalar else value(item, "r_"), scalar))
        values = same_dtype("r_", *[item for item, _ in parts], weak=True)
        grown = [
            _grown(x, least, -1 if scalar else place) for x, (_, scalar) in zip(values, parts, strict=True)
        ]
        return wnp.concatenate([wrap_value(x) for x in grown], axis)

    def _directive(self, text: str) -> tuple[int, int, int]:
        axis, least, place = self._default
        try:
            given = [int(part) for part in text.split(",")]
        except ValueError:
            raise ArgumentError(
                f"r_ got {text!r} in front: for traced arrays it is numbers, the axis, the least number of axes, and where "
                f"axes of smaller arrays go, such as '0,2,1'."
            ) from None
        axis, least, place = (*given, *(axis, least, place)[len(given) :])[:3]
        return axis, least, place


def _range(item: slice) -> Any:
    """The numbers of a slice: an imaginary step is how many there are."""
    start, stop, step = 0 if item.start is None else item.start, item.stop, item.step
    if isinstance(step, complex):
        return wnp.linspace(start, stop, int(abs(step)))
    return wnp.arange(start, stop, 1 if step is None else step)


def _grown(x: Any, least: int, place: int) -> Any:
    """``x`` with axes of length 1 up to ``least`` of them, its own beginning at ``place``."""
    own, missing = x.ndim, least - x.ndim
    if missing <= 0:
        return x
    x = value(wnp.reshape(wrap_value(x), (1,) * missing + tuple(x.shape)), "r_")
    if place == -1 or not own:
        return x
    before = place if place >= 0 else place + missing + 1
    order = list(range(missing))
    return transpose(x, [*order[:before], *range(missing, least), *order[before:]])


r_ = _Joined(np.r_, 0, 1, -1)
c_ = _Joined(np.c_, -1, 2, 0)


def ndenumerate(arr: Any) -> Iterator[tuple[tuple[int, ...], Any]]:
    """Pairs of an index and the element there, in order."""
    arr = wnp.asarray(arr)
    for index in ndindex(*arr.shape):
        yield index, arr[index]


class broadcast:
    """What broadcasting arrays gives: its ``shape``, ``size`` and ``ndim``; iterating over it gives the elements together."""

    def __init__(self, *args: Any):
        self._arrays = tuple([wnp.asarray(a) for a in args])
        self.shape = broadcast_shapes("broadcast", *[a.shape for a in self._arrays])
        self.numiter = len(args)
        self.ndim = self.nd = len(self.shape)
        self.size = int(np.prod(self.shape, dtype=int))

    @property
    def iters(self) -> tuple[Iterator[Any], ...]:
        """For each array an iterator over the elements it contributes."""
        return tuple([iter(wnp.broadcast_to(a, self.shape).ravel()) for a in self._arrays])

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        return zip(*self.iters, strict=True)
