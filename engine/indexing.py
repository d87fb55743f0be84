"""Indexing: ``x[index]``, ``x.at[index].set(values)`` and kin, and reading bits as another dtype.

The one idea: an index is first made into one entry per axis of the result's source (`_parse`): a slice, a static position, or an
index array. Slices and static positions become slices; index arrays become one `gather` or `scatter`. Reads and updates share
this, so that they address the same elements.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from weft.engine.array import Array, to_value, wrap, wrap_value
from weft.engine.dispatch import broadcast_shapes, broadcast_to, is_traced, to_data
from weft.ir.builder import Value, concrete
from weft.ir.errors import ConcretizationError, DTypeError, IndexingError, ShapeError
from weft.ir.ops import elementwise as e
from weft.ir.ops import index as ix
from weft.ir.ops import shape as s
from weft.ir.quiet import quietly
from weft.ir.types import BOOL, INT64, check_dtype


@dataclass
class _Index:
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
    elif isinstance(item, list | tuple):
        value = np.asarray(to_data(item))
        value = value.astype(INT64) if value.size == 0 else value
    elif (
        isinstance(item, float | complex | str)
        or not hasattr(item, "__index__")
        and not hasattr(item, "shape")
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


def _static_position(i: int, n: int, axis: int) -> int:
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


def _parse(index: Any, shape: Sequence[int], strict: bool) -> tuple[_Index, tuple[int, ...]]:
    """An index taken apart, and the shape that it is for: ``shape`` with the axes that scalar masks add.

    ``strict`` makes a static position outside of its axis an error; without it the position is left to the mode of the gather or
    scatter, as if it were traced.
    """
    entries = _entries(index, shape)
    lengths = iter(shape)
    sizes = [1 if isinstance(x, _ScalarMask) else None if x is None else next(lengths) for x in entries]
    by_array = [
        not (x is None or isinstance(x, slice) or _is_position(x) and (strict or -n <= x < n))
        for x, n in zip(entries, sizes, strict=True)
    ]
    if any(by_array):  # NumPy: beside an index array, an integer is one too
        by_array = [
            b or (x is not None and not isinstance(x, slice)) for b, x in zip(by_array, entries, strict=True)
        ]
    parsed, arrays = _Index(), []
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
            parsed.slices.append((_static_position(int(item), n, axis), 1, 1))
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


# Reading


def _read_slices(x: Any, slices: Sequence[tuple[int, int, int]]) -> Any:
    """The window of ``x`` that slices address, of their lengths."""
    start, limit, strides, turned = [], [], [], []
    for d, (first, n, step) in enumerate(slices):
        last = first + (n - 1) * step
        low, high = (first, last) if step > 0 else (last, first)
        low, high = (low, high) if n else (0, -1)
        start.append(low)
        limit.append(high + 1)
        strides.append(abs(step) if n > 1 else 1)
        if step < 0 and n > 1:
            turned.append(d)
    return s.reverse(s.slice_(x, start, limit, strides), turned)


def _positions_alone(parsed: _Index) -> bool:
    """Whether the index arrays are single positions: then a window that starts there does."""
    return bool(parsed.arrays) and parsed.array_shape == ()


def _starts(parsed: _Index, shape: Sequence[int]) -> tuple[list[Any], list[int]]:
    """Start and lengths of the window of length 1 along the axes of single positions, whole along the others."""
    for d in parsed.arrays:
        if shape[d] == 0:
            raise IndexingError(f"axis {d} has no elements to index: the shape is {tuple(shape)}.")
    starts = [parsed.arrays.get(d, np.zeros((), INT64)) for d in range(len(shape))]
    return starts, [1 if d in parsed.arrays else n for d, n in enumerate(shape)]


def _within(parsed: _Index) -> list[tuple[int, int, int]]:
    """The slices, for the window that `_starts` gives."""
    return [(0, 1, 1) if d in parsed.arrays else part for d, part in enumerate(parsed.slices)]


def read(x: Any, index: Any, mode: str | None = None, fill: Any = None) -> Any:
    """``x[index]`` on values, composed of primitives.

    Args:
        x: a value.
        index: what stands in the brackets.
        mode: "clip", "fill" or "promise": what positions outside of their axis give. ``None`` refuses those that are known and
            clips the others.
        fill: what "fill" gives.
    """
    parsed, shape = _parse(index, x.shape, strict=mode is None)
    x = s.reshape(x, shape)
    if _positions_alone(parsed) and mode in (None, "clip", "promise"):
        x = ix.dynamic_slice(x, *_starts(parsed, shape))
        return s.reshape(_read_slices(x, _within(parsed)), parsed.shape)
    x = _read_slices(x, parsed.slices)
    if parsed.arrays:
        axes = sorted(parsed.arrays)
        arrays = [parsed.arrays[d] for d in axes]
        if mode is None:
            mode = "clip" if any(isinstance(a, Value) for a in arrays) else "promise"
        x = s.transpose(ix.gather(x, arrays, axes, mode, fill), parsed.order())
    return s.reshape(x, parsed.shape)


def _plain(index: Any) -> Any:
    """An index with NumPy arrays for Arrays, slices included."""
    if isinstance(index, tuple):
        return tuple([_plain(i) for i in index])
    if isinstance(index, slice):
        return slice(*[to_data(p) for p in (index.start, index.stop, index.step)])
    return to_data(index)


def _traced_index(index: Any) -> bool:
    return any(is_traced(i) for i in index) if isinstance(index, tuple) else is_traced(index)


def get_item(x: Any, index: Any) -> Any:
    """``x[index]``.

    An `Array` is indexed by NumPy. A traced array, or a traced index, is staged: integers, slices, ``None``, ``...``, index arrays
    and constant masks; traced positions outside of an axis read the nearest element.

    Raises:
        IndexingError: a position is out of bounds, or a mask is traced.
    """
    if x.__class__ is Array and not _traced_index(index):
        try:
            return wrap(x._data[_plain(index)])
        except (IndexError, TypeError, ValueError) as error:
            explained = _explanation(x, index)
            raise (
                explained or IndexingError(f"{error} (an array of shape {x.shape}, index {index!r})")
            ) from None
    return wrap_value(read(to_value(x), index))


def _explanation(x: Array, index: Any) -> IndexingError | ShapeError | None:
    try:
        _parse(index, x.shape, strict=True)
    except (IndexingError, ShapeError) as error:
        return error
    return None


# Updates


# From this size on, a small window is written into a copy of the array; below, one fused pass over it costs less.
_LARGE = 4096


def _update_window(x: Any, slices: Sequence[tuple[int, int, int]], update: Any) -> Any:
    """``x`` with ``update`` in the window that slices address."""
    turned = [d for d, (_, n, step) in enumerate(slices) if step < 0 and n > 1]
    steps = [abs(step) if n > 1 else 1 for _, n, step in slices]
    first = [start + (n - 1) * step if d in turned else start for d, (start, n, step) in enumerate(slices)]
    if update.shape == x.shape:
        return s.reverse(update, turned)
    if update.size == 0:
        return x
    update = s.reverse(update, turned)
    if all(step == 1 for step in steps) and x.size >= _LARGE and 16 * update.size < x.size:
        return ix.dynamic_update_slice(x, update, [np.asarray(i, INT64) for i in first])
    # Otherwise a choice: both operands are index maps, which fuse with what makes and reads them.
    gaps = [step - 1 for step in steps]
    high = [
        n - i - ((m - 1) * step + 1)
        for n, i, m, step in zip(x.shape, first, update.shape, steps, strict=True)
    ]
    inside = s.pad(s.full(update.shape, True, BOOL), np.zeros((), BOOL), first, high, gaps)
    return e.select(inside, s.pad(update, np.zeros((), x.dtype), first, high, gaps), x)


_COMBINE: dict[str, Callable[[Any, Any], Any]] = {
    "set": lambda x, v: v,
    "add": e.add,
    "mul": e.mul,
    "min": e.minimum,
    "max": e.maximum,
}
_UFUNCS = {"add": np.add, "mul": np.multiply, "min": np.minimum, "max": np.maximum}


def write(x: Any, index: Any, values: Any, op: str, mode: str = "fill", unique: bool = False) -> Any:
    """``x`` with ``values`` written at ``index``, or combined with what is there by ``op``, composed of primitives.

    Args:
        x: a value.
        index: what stands in the brackets.
        values: a value of the dtype of ``x``, broadcast to the elements addressed.
        op: "set", "add", "mul", "min" or "max".
        mode: "fill" drops updates outside of ``x``, "clip" moves them to the nearest element.
        unique: the caller promises that no element is addressed twice.
    """
    masked = _write_masked(x, index, values, op)
    if masked is not None:
        return masked
    parsed, shape = _parse(index, x.shape, strict=False)
    whole, x = x.shape, s.reshape(x, shape)
    values = _as_update(values, parsed.shape, x)
    if _positions_alone(parsed):
        starts, lengths = _starts(parsed, shape)
        line = ix.dynamic_slice(x, starts, lengths)
        changed = _combined(line, _within(parsed), values, op)
        if mode == "fill":
            inside = _inside(parsed, shape)
            changed = e.select(
                broadcast_to(inside, changed.shape) if isinstance(inside, Value) else inside, changed, line
            )
        return s.reshape(ix.dynamic_update_slice(x, changed, starts), whole)
    if not parsed.arrays:
        return s.reshape(_combined(x, parsed.slices, values, op), whole)
    axes = sorted(parsed.arrays)
    order = parsed.order()
    updates = s.transpose(s.reshape(values, _kept_shape(parsed)), [order.index(d) for d in range(len(order))])
    window = _read_slices(x, parsed.slices)
    window = ix.scatter(window, updates, [parsed.arrays[d] for d in axes], axes, op, mode, unique)
    return s.reshape(_update_window(x, parsed.slices, window), whole)


def _kept_shape(parsed: _Index) -> list[int]:
    """The shape of the elements addressed, without new axes."""
    before = [parsed.slices[d][1] for d in parsed.layout[: parsed.place] if d is not None]
    after = [parsed.slices[d][1] for d in parsed.layout[parsed.place :] if d is not None]
    return [*before, *parsed.array_shape, *after]


def _inside(parsed: _Index, shape: Sequence[int]) -> Any:
    """Whether all single positions are inside of their axes."""
    inside: Any = np.asarray(True)
    for d, position in parsed.arrays.items():
        position = e.cast(position, INT64)
        this = e.and_(e.ge(position, np.asarray(0)), e.lt(position, np.asarray(shape[d])))
        inside = e.and_(inside, this)
    return inside


def _combined(x: Any, slices: Sequence[tuple[int, int, int]], values: Any, op: str) -> Any:
    """``x`` with its window combined with ``values``, which have the window's elements in order."""
    window = tuple([n for _, n, _ in slices])
    values = s.reshape(values, window)
    return _update_window(x, slices, _COMBINE[op](_read_slices(x, slices), values) if op != "set" else values)


def _as_update(values: Any, shape: tuple[int, ...], x: Any) -> Any:
    """Values broadcast to the shape of the elements addressed; leading axes of length 1 too many are dropped."""
    extra = len(values.shape) - len(shape)
    if extra > 0 and all(n == 1 for n in values.shape[:extra]):
        values = s.reshape(values, values.shape[extra:])
    try:
        common = np.broadcast_shapes(values.shape, shape)
    except ValueError:
        common = None
    if common != shape:
        raise ShapeError(
            f"at[...] of an array of shape {x.shape} addresses elements of shape {shape}, and got values of shape {values.shape}."
        )
    return broadcast_to(values, shape)


def _write_masked(x: Any, index: Any, values: Any, op: str) -> Any:
    """An update by one mask as a choice, where the values say what to put at each place; ``None`` where they do not."""
    mask = index[0] if isinstance(index, tuple) and len(index) == 1 else index
    if getattr(mask, "dtype", None) != BOOL or not mask.shape:
        return None
    mask = to_value(mask)
    lead = len(mask.shape)
    if tuple(mask.shape) != tuple(x.shape[:lead]):
        return None
    for_all = values.shape == x.shape or len(values.shape) <= len(x.shape) - lead
    if not for_all or (not isinstance(mask, Value) and values.shape != x.shape):
        return None
    broad = s.broadcast(mask, x.shape, range(lead))
    values = _as_update(values, tuple(x.shape), x)
    return e.select(broad, _COMBINE[op](x, values), x)


def _write_data(x: np.ndarray, index: Any, values: np.ndarray, op: str, mode: str) -> np.ndarray:
    """`write` in NumPy, where that agrees: all positions are inside."""
    out = np.array(x)
    try:
        if op == "set":
            out[index] = values
        else:
            _UFUNCS[op].at(out, index, values)
    except (IndexError, ValueError, TypeError):
        return write(x, index, values, op, mode)
    return out


_MODES = {None: "fill", "drop": "fill", "fill": "fill", "clip": "clip", "promise_in_bounds": "promise"}


def _mode(mode: Any, allowed: dict[Any, Any]) -> Any:
    name = mode if mode is None or isinstance(mode, str) else getattr(mode, "name", str(mode)).lower()
    if name not in allowed:
        listed = ", ".join(repr(m) for m in allowed if m is not None)
        raise IndexingError(f"at[...] got mode={mode!r}: the modes are {listed}.")
    return allowed[name]


class At:
    """``x.at``: index it to address elements, then call a method of `AtIndex` for a changed copy."""

    __slots__ = ("_array",)

    def __init__(self, array: Any):
        self._array = array

    def __getitem__(self, index: Any) -> AtIndex:
        return AtIndex(self._array, index)

    def __repr__(self) -> str:
        return f"At({self._array!r})"


class AtIndex:
    """Elements of an array, addressed by ``x.at[index]``.

    Each method gives a changed copy and leaves the array as it is; the compiler writes in place where the old array is not used
    again. Values are broadcast to the elements addressed and cast to the dtype of the array. Elements addressed several times are
    changed several times (``set``: the last stays). Updates outside of the array are dropped, unless ``mode`` is "clip".
    """

    __slots__ = ("_array", "_index")

    def __init__(self, array: Any, index: Any):
        self._array = array
        self._index = index

    def _update(self, values: Any, op: str, mode: Any, unique: bool = False) -> Any:
        x, mode = self._array, _mode(mode, _MODES)
        values = _converted(values, x.dtype)
        if x.__class__ is Array and not _traced_index(self._index) and not isinstance(values, Value):
            index = _plain(self._index)
            masked = quietly(_write_masked, x._data, index, values, op)
            return wrap(
                masked if masked is not None else quietly(_write_data, x._data, index, values, op, mode)
            )
        return wrap_value(write(to_value(x), self._index, values, op, mode, unique))

    def set(
        self, values: Any, *, indices_are_sorted: bool = False, unique_indices: bool = False, mode: Any = None
    ) -> Any:
        """The array with the elements replaced by ``values``."""
        return self._update(values, "set", mode, unique_indices)

    def add(
        self, values: Any, *, indices_are_sorted: bool = False, unique_indices: bool = False, mode: Any = None
    ) -> Any:
        """The array with ``values`` added to the elements."""
        return self._update(values, "add", mode, unique_indices)

    def subtract(
        self, values: Any, *, indices_are_sorted: bool = False, unique_indices: bool = False, mode: Any = None
    ) -> Any:
        """The array with ``values`` subtracted from the elements."""
        values = _converted(values, self._array.dtype)
        negative = e.neg(values) if values.dtype != BOOL else values
        return self._update(negative, "add", mode, unique_indices)

    def multiply(
        self, values: Any, *, indices_are_sorted: bool = False, unique_indices: bool = False, mode: Any = None
    ) -> Any:
        """The array with the elements multiplied by ``values``."""
        return self._update(values, "mul", mode, unique_indices)

    mul = multiply

    def min(
        self, values: Any, *, indices_are_sorted: bool = False, unique_indices: bool = False, mode: Any = None
    ) -> Any:
        """The array with the elements replaced by the smaller of them and ``values``."""
        return self._update(values, "min", mode, unique_indices)

    def max(
        self, values: Any, *, indices_are_sorted: bool = False, unique_indices: bool = False, mode: Any = None
    ) -> Any:
        """The array with the elements replaced by the larger of them and ``values``."""
        return self._update(values, "max", mode, unique_indices)

    def _factor(self, values: Any, mode: Any, unique: bool) -> Any:
        """An array of ones, with the product of ``values`` where they go."""
        import weft.numpy as wnp

        return wnp.ones_like(self._array).at[self._index].multiply(values, mode=mode, unique_indices=unique)

    def divide(
        self, values: Any, *, indices_are_sorted: bool = False, unique_indices: bool = False, mode: Any = None
    ) -> Any:
        """The array with the elements divided by ``values``."""
        return self._array / self._factor(values, mode, unique_indices)

    def power(
        self, values: Any, *, indices_are_sorted: bool = False, unique_indices: bool = False, mode: Any = None
    ) -> Any:
        """The array with the elements raised to the power of ``values``."""
        return self._array ** self._factor(values, mode, unique_indices)

    def apply(
        self,
        func: Callable[[Any], Any],
        *,
        indices_are_sorted: bool = False,
        unique_indices: bool = False,
        mode: Any = None,
    ) -> Any:
        """The array with the elements replaced by ``func`` of them."""
        return self.set(func(self.get(mode=mode)), mode=mode, unique_indices=unique_indices)

    def get(
        self,
        *,
        indices_are_sorted: bool = False,
        unique_indices: bool = False,
        mode: Any = None,
        fill_value: Any = None,
    ) -> Any:
        """The elements.

        Args:
            indices_are_sorted: accepted for JAX's sake.
            unique_indices: accepted for JAX's sake.
            mode: what positions outside of the array give: "clip" the nearest element, "fill" the ``fill_value``.
            fill_value: by default NaN, the smallest signed or the largest unsigned integer.
        """
        if mode is None and fill_value is not None:
            mode = "fill"
        how = _mode(mode, {**_MODES, None: None})
        if how is None:
            return get_item(self._array, self._index)
        return wrap_value(
            read(to_value(self._array), self._index, how, None if fill_value is None else fill_value)
        )


def _converted(values: Any, dtype: np.dtype) -> Any:
    """Values of an update as the dtype of the array."""
    if isinstance(values, list | tuple):
        from weft.numpy.staging import stacked

        values = stacked([v._data if isinstance(v, Array) else v for v in values], "at[...]")
    values = to_value(values, "the values of at[...]")
    return e.cast(values, dtype)


# Bits


def view(x: Any, dtype: Any = None) -> Any:
    """The bits of ``x`` read as another dtype of the same width; ``None`` gives ``x``."""
    if dtype is None:
        return x
    dtype = check_dtype(dtype)
    if dtype.itemsize != x.dtype.itemsize:
        raise DTypeError(f"view of {x.dtype} as {dtype}: the widths differ.")
    if x.__class__ is Array:
        return wrap(np.ascontiguousarray(x._data).view(dtype).reshape(x.shape))
    if x.dtype == BOOL or dtype == BOOL:
        return wrap_value(
            e.ne(view(x, np.uint8), np.asarray(0, np.uint8)) if dtype == BOOL else e.cast(to_value(x), dtype)
        )
    return wrap_value(to_value(x) if x.dtype == dtype else e.bitcast(to_value(x), dtype))
