"""Arrays as sets: unique and kin, unions, intersections, differences.

The one idea: in sorted order equal elements are neighbours, so what belongs to a result is told by an element's neighbours. How
much that is nobody knows while a function is traced: there ``size=`` gives the length of the result.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from weft.engine.dispatch import as_dtype, broadcast_to, broadcast_values
from weft.ir.builder import concrete
from weft.ir.errors import ArgumentError, ShapeError
from weft.ir.ops import elementwise as e
from weft.ir.ops import index as ix
from weft.ir.ops import shape as s
from weft.ir.ops import sort as so
from weft.ir.ops.cumulative import cummax, cumsum
from weft.ir.types import INT64, is_inexact
from weft.numpy.searching import NEEDS_VALUES, places_where, refused
from weft.numpy.staging import axis_index, like_numpy, same_dtype, static_int, value

__all__ = [
    "intersect1d", "isin", "setdiff1d", "setxor1d", "union1d", "unique", "unique_all", "unique_counts",
    "unique_inverse", "unique_values",
]  # fmt: skip

BOOL, INT8 = np.dtype(bool), np.dtype(np.int8)


def _neighbours(x: Any) -> tuple[Any, Any]:
    """A vector without its last element, and without its first."""
    n = x.shape[0]
    return s.slice_axis(x, 0, 0, n - 1), s.slice_axis(x, 0, 1, n)


def _is_new(keys: Sequence[Any], equal_nan: bool) -> Any:
    """Where an element of sorted vectors differs from the one before it; the first one does."""
    new: Any = None
    for key in keys:
        before, after = _neighbours(key)
        differs = e.ne(after, before)
        if equal_nan and is_inexact(key.dtype):
            differs = e.and_(differs, e.not_(e.and_(e.ne(after, after), e.ne(before, before))))
        new = differs if new is None else e.or_(new, differs)
    return s.concatenate([s.full((1,), True, BOOL), new], 0)


def _filled(name: str, x: Any, missing: Any, fill_value: Any) -> Any:
    """``x`` with ``fill_value`` where it is ``missing``."""
    fill = as_dtype(value(fill_value, name, "fill_value"), x.dtype)
    return e.select(*broadcast_values(name, missing, fill, x))


# Different elements


def _unique_data(
    ar: Any, return_index: Any = False, return_inverse: Any = False, return_counts: Any = False, axis: Any = None, *,
    equal_nan: bool = True, size: Any = None, fill_value: Any = None, sorted: bool = True,
) -> Any:  # fmt: skip
    if size is not None:
        raise TypeError
    return np.unique(ar, return_index, return_inverse, return_counts, axis, equal_nan=equal_nan)


@like_numpy(_unique_data)
def unique(
    ar: Any, return_index: bool = False, return_inverse: bool = False, return_counts: bool = False, axis: Any = None, *,
    equal_nan: bool = True, size: int | None = None, fill_value: Any = None, sorted: bool = True,
) -> Any:  # fmt: skip
    """The different elements in order.

    Args:
        ar: array, flattened unless ``axis`` is given.
        return_index: give the position of the first of each too.
        return_inverse: give the number of each element among the results too.
        return_counts: give how often each occurs too.
        axis: compare parts along this axis.
        equal_nan: all NaN are one element.
        size: length of the result; traced arrays need it.
        fill_value: what fills up, the smallest element by default.
        sorted: accepted for NumPy's sake.
    """
    x = value(ar, "unique")
    if size is None:
        x = concrete(x, f"unique {NEEDS_VALUES}")
        return _unique_data(x, return_index, return_inverse, return_counts, axis, equal_nan=equal_nan)
    size = static_int(size, "unique", "size")
    if axis is None:
        keys, n, rest, d = [s.reshape(x, (x.size,))], x.size, (), 0
    else:
        d = axis_index(axis, x.ndim, "unique")
        front = s.move_axis(x, d, 0)
        n, rest = front.shape[0], front.shape[1:]
        columns = s.reshape(front, (n, int(np.prod(rest, dtype=int))))
        keys = [s.reshape(s.slice_axis(columns, 1, i, i + 1), (n,)) for i in range(columns.shape[1])]
    if n == 0 or not keys:
        raise ShapeError(
            f"unique got size={size} for an array of shape {x.shape}: there is nothing to choose from."
        )
    *ordered, order = so.sort_many([*keys, s.iota(INT64, (n,))], 0, len(keys))
    first = _is_new(ordered, equal_nan)
    bounds = places_where(first, size + 1, n)
    places = s.slice_axis(bounds, 0, 0, size)
    missing = e.eq(places, np.asarray(n))
    chosen = e.select(missing, np.asarray(0, INT64), places)
    parts = [s.reshape(ix.gather(key, [chosen], [0], "promise"), (size, 1)) for key in ordered]
    result = s.reshape(s.concatenate(parts, 1), (size, *rest))
    if fill_value is not None:
        spread = broadcast_to(s.reshape(missing, (size, *(1 for _ in rest))), result.shape)
        result = _filled("unique", result, spread, fill_value)
    results = [s.move_axis(result, 0, d)]
    if return_index:
        results.append(ix.gather(order, [chosen], [0], "promise"))
    if return_inverse:
        number = e.sub(cumsum(e.cast(first, INT64), 0), np.asarray(1, INT64))
        inverse = ix.scatter(s.full((n,), 0, INT64), number, [order], [0], "set", "promise", True)
        results.append(s.reshape(inverse, x.shape) if axis is None else inverse)
    if return_counts:
        results.append(e.sub(s.slice_axis(bounds, 0, 1, size + 1), places))
    return tuple(results) if len(results) > 1 else results[0]


def unique_values(x: Any, /, *, size: int | None = None, fill_value: Any = None) -> Any:
    """The different elements; each NaN counts as one."""
    return unique(x, equal_nan=False, size=size, fill_value=fill_value)


class UniqueCountsResult(NamedTuple):
    """What `unique_counts` gives."""

    values: Any
    counts: Any


class UniqueInverseResult(NamedTuple):
    """What `unique_inverse` gives."""

    values: Any
    inverse_indices: Any


class UniqueAllResult(NamedTuple):
    """What `unique_all` gives."""

    values: Any
    indices: Any
    inverse_indices: Any
    counts: Any


def unique_counts(x: Any, /, *, size: int | None = None, fill_value: Any = None) -> UniqueCountsResult:
    """The different elements and how often each occurs."""
    found = unique(x, return_counts=True, equal_nan=False, size=size, fill_value=fill_value)
    return UniqueCountsResult(*found)


def unique_inverse(x: Any, /, *, size: int | None = None, fill_value: Any = None) -> UniqueInverseResult:
    """The different elements, and the number of each element among them."""
    found = unique(x, return_inverse=True, equal_nan=False, size=size, fill_value=fill_value)
    return UniqueInverseResult(*found)


def unique_all(x: Any, /, *, size: int | None = None, fill_value: Any = None) -> UniqueAllResult:
    """The different elements, positions, numbers and counts."""
    found = unique(x, True, True, True, equal_nan=False, size=size, fill_value=fill_value)
    return UniqueAllResult(*found)


# Sets of elements


@like_numpy(
    lambda element, test_elements, assume_unique=False, invert=False, *, kind=None, method="auto": np.isin(
        element, test_elements, assume_unique, invert, kind=kind
    )
)
def isin(
    element: Any,
    test_elements: Any,
    assume_unique: bool = False,
    invert: bool = False,
    *,
    kind: str | None = None,
    method: str = "auto",
) -> Any:
    """Whether each element is among ``test_elements``; ``kind`` and ``method``, NumPy's and JAX's ways, change nothing."""
    if kind not in (None, "sort", "table"):
        raise ArgumentError(f"isin got kind={kind!r}: it is 'sort' or 'table'.")
    x, others = same_dtype("isin", element, test_elements)
    others = s.reshape(others, (others.size,))
    if others.size == 0:
        found = s.full(x.shape, False, np.dtype(bool))
    else:
        table = so.sort(others, 0)
        places = e.minimum(so.searchsorted(table, x), np.asarray(others.size - 1, INT64))
        found = e.eq(ix.gather(table, [places], [0], "promise"), x)
    return e.not_(found) if invert else found


class _Sides:
    """The elements of two arrays in one sorted vector, where equal ones of the first come before those of the second."""

    def __init__(self, name: str, ar1: Any, ar2: Any, size: Any, fill_value: Any) -> None:
        self.name, self.size, self.fill = name, static_int(size, name, "size"), fill_value
        x, y = same_dtype(name, ar1, ar2)
        self.x, self.y = s.reshape(x, (x.size,)), s.reshape(y, (y.size,))
        self.n = x.size + y.size
        if not self.n:
            return
        sides = s.concatenate([s.full((x.size,), 0, INT8), s.full((y.size,), 1, INT8)], 0)
        together = s.concatenate([self.x, self.y], 0)
        self.ordered, side, self.order = so.sort_many([together, sides, s.iota(INT64, (self.n,))], 0, 2)
        self.second = e.eq(side, np.asarray(1, INT8))
        self.first = e.not_(self.second)
        # A run is of equal elements; NaN equals NaN of its own side alone, so that it occurs once but is in no intersection.
        yes = s.full((1,), True, BOOL)
        other_nan = _is_new([self.ordered], False)
        other_side = _is_new([side], False)
        self.starts = e.and_(other_nan, e.or_(_is_new([self.ordered], True), other_side))
        self.ends = s.concatenate([s.slice_axis(self.starts, 0, 1, self.n), yes], 0)

    def places(self, mark: Any) -> tuple[Any, Any]:
        """The first places where ``mark`` holds, and which of them there are not."""
        places = places_where(mark, self.size, self.n)
        missing = e.eq(places, np.asarray(self.n))
        return e.select(missing, np.asarray(0, INT64), places), missing

    def take(self, mark: Any) -> Any:
        """The marked elements, filled up with the first of them unless there is something else to fill with."""
        places, missing = self.places(mark)
        found = ix.gather(self.ordered, [places], [0], "promise")
        if self.fill is not None or not self.size:
            return found if self.fill is None else _filled(self.name, found, missing, self.fill)
        nothing = s.slice_axis(missing, 0, 0, 1)
        first = e.select(nothing, e.full_like(s.slice_axis(found, 0, 0, 1), 0), s.slice_axis(found, 0, 0, 1))
        return e.select(missing, broadcast_to(first, found.shape), found)

    def nothing(self) -> Any:
        """The result where both arrays are empty."""
        fill = np.asarray(0 if self.fill is None else self.fill)
        return s.full((self.size,), as_dtype(fill, self.x.dtype)[()], self.x.dtype)


def _known(name: str, *arrays: Any) -> list[Any]:
    return [concrete(value(x, name), f"{name} {NEEDS_VALUES}") for x in arrays]


def _eager(reference: Any) -> Any:
    """A set operation of NumPy's, which knows no ``size``."""

    def run(ar1: Any, ar2: Any, *args: Any, size: Any = None, fill_value: Any = None, **kwargs: Any) -> Any:
        return reference(ar1, ar2, *args, **kwargs) if size is None else refused()

    return run


@like_numpy(_eager(np.union1d))
def union1d(ar1: Any, ar2: Any, *, size: int | None = None, fill_value: Any = None) -> Any:
    """The different elements of two arrays in order.

    Args:
        ar1: array.
        ar2: array.
        size: length of the result; traced arrays need it.
        fill_value: what fills up, the smallest element by default.
    """
    if size is None:
        return np.union1d(*_known("union1d", ar1, ar2))
    x, y = same_dtype("union1d", ar1, ar2)
    both = s.concatenate([s.reshape(x, (x.size,)), s.reshape(y, (y.size,))], 0)
    return unique.staged(both, size=size, fill_value=fill_value)


@like_numpy(_eager(np.intersect1d))
def intersect1d(
    ar1: Any, ar2: Any, assume_unique: bool = False, return_indices: bool = False, *,
    size: int | None = None, fill_value: Any = None,
) -> Any:  # fmt: skip
    """The different elements that two arrays have in common, in order.

    Args:
        ar1: array.
        ar2: array.
        assume_unique: the caller promises that no array has an element twice.
        return_indices: give the positions of their first occurrences in both flattened arrays too; where there is nothing
            to give, the size of the array.
        size: length of the results; traced arrays need it.
        fill_value: what fills up, the smallest element of the result by default.
    """
    if size is None:
        a, b = _known("intersect1d", ar1, ar2)
        reference: Any = np.intersect1d
        return reference(a, b, assume_unique, return_indices)
    sides = _Sides("intersect1d", ar1, ar2, size, fill_value)
    if not sides.n:
        nowhere = s.full((sides.size,), 0, INT64)
        return (sides.nothing(), nowhere, nowhere) if return_indices else sides.nothing()
    before = s.concatenate([s.full((1,), False, BOOL), _neighbours(sides.first)[0]], 0)
    mark = e.and_(e.and_(e.not_(sides.starts), sides.second), before)
    result = sides.take(mark)
    if not return_indices:
        return result
    places, missing = sides.places(mark)
    begin = cummax(e.select(sides.starts, s.iota(INT64, (sides.n,)), np.asarray(0, INT64)), 0)
    in_first = ix.gather(sides.order, [ix.gather(begin, [places], [0], "promise")], [0], "promise")
    in_second = e.sub(ix.gather(sides.order, [places], [0], "promise"), np.asarray(sides.x.size, INT64))
    return (
        result,
        e.select(missing, np.asarray(sides.x.size, INT64), in_first),
        e.select(missing, np.asarray(sides.y.size, INT64), in_second),
    )


@like_numpy(_eager(np.setdiff1d))
def setdiff1d(
    ar1: Any, ar2: Any, assume_unique: bool = False, *, size: int | None = None, fill_value: Any = None
) -> Any:
    """The different elements of ``ar1`` that ``ar2`` does not have, in order.

    Args:
        ar1: array.
        ar2: array.
        assume_unique: the caller promises that no array has an element twice; the result keeps the order of ``ar1``.
        size: length of the result; traced arrays need it.
        fill_value: what fills up, 0 by default.
    """
    if size is None:
        a, b = _known("setdiff1d", ar1, ar2)
        return np.setdiff1d(a, b, assume_unique)
    sides = _Sides("setdiff1d", ar1, ar2, size, 0 if fill_value is None else fill_value)
    if not sides.x.size:
        return sides.nothing()
    kind = value(ar1, "setdiff1d", "ar1").dtype  # which has all of its own elements
    if not assume_unique:
        return as_dtype(sides.take(e.and_(sides.ends, sides.first)), kind)
    places = places_where(isin.staged(sides.x, sides.y, invert=True), sides.size, sides.x.size)
    missing = e.eq(places, np.asarray(sides.x.size))
    found = ix.gather(sides.x, [places], [0], "clip")
    return as_dtype(_filled("setdiff1d", found, missing, sides.fill), kind)


@like_numpy(_eager(np.setxor1d))
def setxor1d(
    ar1: Any, ar2: Any, assume_unique: bool = False, *, size: int | None = None, fill_value: Any = None
) -> Any:
    """The different elements that one of two arrays has and the other has not, in order.

    Args:
        ar1: array.
        ar2: array.
        assume_unique: the caller promises that no array has an element twice.
        size: length of the result; traced arrays need it.
        fill_value: what fills up, the smallest element of the result by default.
    """
    if size is None:
        a, b = _known("setxor1d", ar1, ar2)
        return np.setxor1d(a, b, assume_unique)
    sides = _Sides("setxor1d", ar1, ar2, size, fill_value)
    if not sides.n:
        return sides.nothing()
    return sides.take(e.or_(e.and_(sides.ends, sides.first), e.and_(sides.starts, sides.second)))
