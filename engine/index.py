"""What stands in the brackets of ``x[...]``, taken apart.

The one idea: every index is a window, index arrays on axes of that window, and a layout of the result (`Index`).
Slices and static positions make the window; reads and updates share `parse`, so that they address the same elements.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from weft.engine.array import to_value
from weft.engine.dispatch import broadcast_shapes, broadcast_to, is_traced, to_data
from weft.ir.builder import Value, concrete
from weft.ir.errors import ConcretizationError, IndexingError
from weft.ir.ops import elementwise as e
from weft.ir.records import dataclass, field
from weft.ir.types import BOOL, INT64


@dataclass
class Index:
    """An index of an array, taken apart: a window, then index arrays on axes of the window, then the result's layout."""

    slices: list[tuple[int, int, int]] = field(default_factory=list)
    """First position, length and step (not 0) of the window along each axis of x."""
    arrays: dict[int, Any] = field(default_factory=dict)
    """Index arrays by axis of x, integers broadcast to ``array_shape``; their axes are whole in the window."""
    array_shape: tuple[int, ...] = ()
    place: int = 0
    """Where in ``layout`` the axes of the index arrays come."""
    layout: list[int | None] = field(default_factory=list)
    """The other axes of the result: an axis of x, or None for a new one. Axes at static positions are not among them."""

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the elements addressed."""
        kept = [1 if d is None else self.slices[d][1] for d in self.layout]
        return (*kept[: self.place], *self.array_shape, *kept[self.place :])

    @property
    def window(self) -> tuple[int, ...]:
        """The shape of the window."""
        return tuple([n for _, n, _ in self.slices])

    def order(self) -> list[int]:
        """The permutation from (index axes, other axes in order), as `gather` gives them, to the result's order."""
        rank = len(self.array_shape)
        rest = [d for d in range(len(self.slices)) if d not in self.arrays]
        at = {d: rank + i for i, d in enumerate(rest)}
        before = [at[d] for d in self.layout[: self.place] if d is not None]
        after = [at[d] for d in self.layout[self.place :] if d is not None]
        return [*before, *range(rank), *after]


def _is_int(x: Any) -> bool:
    return isinstance(x, int | np.integer) and not isinstance(x, bool | np.bool_)


def _is_position(x: Any) -> bool:
    return _is_int(x) and not isinstance(x, _ScalarMask)


def _entries(index: Any, shape: Sequence[int]) -> list[Any]:
    """The items of an index, its ellipsis written out, index arrays as values."""
    items = []
    for item in index if isinstance(index, tuple) else (index,):
        if item is None or item is Ellipsis or isinstance(item, slice) or _is_int(item):
            items.append(item)
        else:
            items.extend(_as_arrays(item))
    used = sum(_axes_used(item) for item in items if item is not Ellipsis and item is not None)
    if used > len(shape):
        raise IndexingError(
            f"too many indices: an array of shape {tuple(shape)} has {len(shape)} axes, the index addresses {used}."
        )
    places = [i for i, item in enumerate(items) if item is Ellipsis]
    if len(places) > 1:
        raise IndexingError("an index can have one ellipsis (...) only.")
    fill = [slice(None)] * (len(shape) - used)
    if not places:
        return [*items, *fill]
    return [*items[: places[0]], *fill, *items[places[0] + 1 :]]


class _ScalarMask(int):
    """``x[True]``: a new axis of length 1 or 0, and no axis used."""


def _axes_used(item: Any) -> int:
    return 0 if isinstance(item, _ScalarMask) else 1


def _as_arrays(item: Any) -> list[Any]:
    """An index array as values, one for each axis that it addresses: a mask addresses as many as it has."""
    if isinstance(item, bool | np.bool_):
        return [_ScalarMask(item)]
    if isinstance(item, list | tuple) and is_traced(item):
        from weft.numpy.staging import stacked

        value: Any = stacked(item, "indexing")
    elif isinstance(item, list | tuple | range):
        value = np.asarray(to_data(item))
        value = value.astype(INT64) if value.size == 0 else value
    elif isinstance(item, float | complex | str) or (
        not hasattr(item, "__index__") and not hasattr(item, "shape")
    ):
        raise IndexingError(
            f"{item!r} is no index: use integers, slices, None, Ellipsis, or arrays of integers or bool."
        )
    else:
        value = to_value(item, "an index")
    if value.dtype == BOOL:
        if isinstance(value, Value):
            value = _known_mask(value)
        return [_ScalarMask(bool(value))] if value.ndim == 0 else [*_Masked.of(value)]
    if value.dtype.kind not in "iu":
        raise IndexingError(
            f"an index array has dtype {value.dtype}: indices are integers, or bool for a mask."
        )
    if value.ndim == 0 and not isinstance(value, Value):
        return [int(value)]
    return [value]


class _Masked(np.ndarray):
    """Positions of a mask along one axis; ``length`` is the mask's, which must be the axis's."""

    length: int

    @classmethod
    def of(cls, mask: np.ndarray) -> list[_Masked]:
        """The positions of a mask, an array for each of its axes."""
        found = []
        for positions, n in zip(np.nonzero(mask), mask.shape, strict=True):
            part = positions.view(cls)
            part.length = n
            found.append(part)
        return found


def _known_mask(mask: Value) -> np.ndarray:
    try:
        return concrete(mask)
    except ConcretizationError:
        raise IndexingError(
            f"a mask {mask.type} is traced: how many elements it takes is not known, so the result has no shape. Choose with "
            f"weft.numpy.where(mask, x, other), update with x.at[mask].set(scalar), or index outside of the traced function."
        ) from None


def static_position(i: int, n: int, axis: int) -> int:
    """A position counted from the front; raises `IndexingError` where it is outside of its axis."""
    if not -n <= i < n:
        raise IndexingError(f"index {i} is out of bounds for axis {axis}, which has length {n}.")
    return i + n if i < 0 else i


def _checked(array: Any, n: int, axis: int, strict: bool) -> Any:
    """An index array with negative positions counted from the end."""
    if isinstance(array, _Masked):
        if array.length != n:
            raise IndexingError(f"a mask has length {array.length} along axis {axis}, which has length {n}.")
        return np.asarray(array)
    if isinstance(array, Value):
        if array.dtype.kind == "u":
            return array
        array = e.cast(array, INT64)
        return e.select(e.lt(array, np.asarray(0)), e.add(array, np.asarray(n)), array)
    array = np.asarray(array)
    wide = array.astype(INT64)
    if strict and array.size and not (-n <= wide.min() and wide.max() < n):
        bad = wide[(wide < -n) | (wide >= n)].flat[0]
        raise IndexingError(f"index {bad} is out of bounds for axis {axis}, which has length {n}.")
    return np.where(wide < 0, wide + n, wide)


def parse(index: Any, shape: Sequence[int], strict: bool) -> tuple[Index, tuple[int, ...]]:
    """An index taken apart, and the shape that it is for: ``shape`` with the axes that scalar masks add.

    ``strict`` makes a static position outside of its axis an error; without it the position is left to the mode of
    the gather or scatter, as if it were traced.
    """
    entries = _entries(index, shape)
    lengths = iter(shape)
    sizes: list[Any] = [
        1 if isinstance(x, _ScalarMask) else None if x is None else next(lengths) for x in entries
    ]
    by_array = [
        not (x is None or isinstance(x, slice) or (_is_position(x) and (strict or -n <= x < n)))
        for x, n in zip(entries, sizes, strict=True)
    ]
    if any(by_array):  # NumPy: beside an index array, an integer is one too
        by_array = [
            b or (x is not None and not isinstance(x, slice)) for b, x in zip(by_array, entries, strict=True)
        ]
    parsed = Index()
    arrays: list[tuple[int, Any]] = []
    for item, n, is_array in zip(entries, sizes, by_array, strict=True):
        if item is None:
            parsed.layout.append(None)
            continue
        axis = len(parsed.slices)
        if is_array:
            if not arrays:
                parsed.place = len(parsed.layout)
            arrays.append(
                (
                    axis,
                    np.zeros(int(item), INT64)
                    if isinstance(item, _ScalarMask)
                    else _checked(item, n, axis, strict),
                )
            )
            parsed.slices.append((0, n, 1))
        elif isinstance(item, slice):
            parsed.layout.append(axis)
            parsed.slices.append(_slice(item, n))
        else:
            parsed.slices.append((static_position(int(item), n, axis), 1, 1))
    used = [i for i, b in enumerate(by_array) if b]
    if used and used != list(range(used[0], used[-1] + 1)):
        parsed.place = 0  # separated index arrays: their axes come first
    parsed.array_shape = broadcast_shapes("indexing", *[a.shape for _, a in arrays])
    parsed.arrays = {d: broadcast_to(a, parsed.array_shape) for d, a in arrays}
    return parsed, tuple([n for n in sizes if n is not None])


def _slice(item: slice, n: int) -> tuple[int, int, int]:
    """Start, length and step of a slice of an axis."""
    parts = [
        None if p is None else int(p.__index__()) for p in map(to_data, (item.start, item.stop, item.step))
    ]
    try:
        start, stop, step = slice(*parts).indices(n)
    except ValueError:
        raise IndexingError("a slice has step 0.") from None
    return start, len(range(start, stop, step)), step
