"""Indexing: ``x[index]``, ``x.at[index].set(values)`` and kin.

The one idea: the window that an index takes (index.py) is read by slices, which fuse, and what its index arrays address by one
`gather` or `scatter` on the window. Updates change the window and put it back.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from weft.engine.array import Array, to_value, wrap, wrap_value
from weft.engine.dispatch import broadcast_to, is_traced, to_data
from weft.engine.index import Index, parse
from weft.ir.builder import Value
from weft.ir.errors import IndexingError, ShapeError
from weft.ir.ops import elementwise as e
from weft.ir.ops import index as ix
from weft.ir.ops import shape as s
from weft.ir.quiet import quietly
from weft.ir.types import BOOL, INT64

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


def _positions_alone(parsed: Index) -> bool:
    """Whether the index arrays are single positions: then a window that starts there does."""
    return bool(parsed.arrays) and parsed.array_shape == ()


def _starts(parsed: Index, shape: Sequence[int]) -> tuple[list[Any], list[int]]:
    """Start and lengths of the window of length 1 along the axes of single positions, whole along the others."""
    for d in parsed.arrays:
        if shape[d] == 0:
            raise IndexingError(f"axis {d} has no elements to index: the shape is {tuple(shape)}.")
    starts = [parsed.arrays.get(d, np.zeros((), INT64)) for d in range(len(shape))]
    return starts, [1 if d in parsed.arrays else n for d, n in enumerate(shape)]


def _within(parsed: Index) -> list[tuple[int, int, int]]:
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
    parsed, shape = parse(index, x.shape, strict=mode is None)
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


def plain_index(index: Any) -> Any:
    """An index with NumPy arrays for Arrays, slices included."""
    if isinstance(index, tuple):
        return tuple([plain_index(i) for i in index])
    if isinstance(index, slice):
        return slice(*[to_data(p) for p in (index.start, index.stop, index.step)])
    return to_data(index)


def _traced_index(index: Any) -> bool:
    return any(is_traced(i) for i in index) if isinstance(index, tuple) else is_traced(index)


def _may_repeat(index: Any) -> bool:
    """Whether an index may address an element twice: it has an array of positions, with an axis."""
    parts = index if isinstance(index, tuple) else (index,)
    arrays: list[Any] = [i for i in parts if isinstance(i, list | np.ndarray | Array | Value)]
    return any(np.ndim(i) and getattr(i, "dtype", None) != BOOL for i in arrays)


_SIMPLE = (int, slice)  # what NumPy takes as it is: the parts of slices become integers there


def get_item(x: Any, index: Any) -> Any:
    """``x[index]``.

    An `Array` is indexed by NumPy. A traced array, or a traced index, is staged: integers, slices, ``None``, ``...``,
    index arrays and constant masks; traced positions outside of an axis read the nearest element.

    Raises:
        IndexingError: a position is out of bounds, or a mask is traced.
    """
    if x.__class__ is Array and (index.__class__ in _SIMPLE or not _traced_index(index)):
        try:
            return wrap(x._data[index if index.__class__ in _SIMPLE else plain_index(index)])
        except (IndexError, TypeError, ValueError) as error:
            explained = _explanation(x, index)
            raise (
                explained or IndexingError(f"{error} (an array of shape {x.shape}, index {index!r})")
            ) from None
    return wrap_value(read(to_value(x), index))


def _explanation(x: Array, index: Any) -> IndexingError | ShapeError | None:
    try:
        parse(index, x.shape, strict=True)
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
    parsed, shape = parse(index, x.shape, strict=False)
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


def _kept_shape(parsed: Index) -> list[int]:
    """The shape of the elements addressed, without new axes."""
    before = [parsed.slices[d][1] for d in parsed.layout[: parsed.place] if d is not None]
    after = [parsed.slices[d][1] for d in parsed.layout[parsed.place :] if d is not None]
    return [*before, *parsed.array_shape, *after]


def _inside(parsed: Index, shape: Sequence[int]) -> Any:
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
            f"at[...] of an array of shape {x.shape} addresses elements of shape {shape}, and got values of shape "
            f"{values.shape}."
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


_MODES = {
    **dict.fromkeys((None, "drop", "fill", "fill_or_drop"), "fill"),
    "clip": "clip",
    "promise_in_bounds": "promise",
}


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

    Each method gives a changed copy and leaves the array as it is; the compiler writes in place where the old array
    is not used again. Values are broadcast to the elements addressed and cast to the dtype of the array. Elements
    addressed several times are changed several times (``set``: the last stays). Updates outside of the array are
    dropped, unless ``mode`` is "clip".
    """

    __slots__ = ("_array", "_index")

    def __init__(self, array: Any, index: Any):
        self._array = array
        self._index = index

    def _update(self, values: Any, op: str, mode: Any, unique: bool = False) -> Any:
        x, mode = self._array, _mode(mode, _MODES)
        values = _converted(values, x.dtype)
        if x.__class__ is Array and not _traced_index(self._index) and not isinstance(values, Value):
            index = plain_index(self._index)
            masked = quietly(_write_masked, x._data, index, values, op)
            return wrap_value(
                masked if masked is not None else quietly(_write_data, x._data, index, values, op, mode)
            )
        return wrap_value(write(to_value(x), self._index, values, op, mode, unique))

    def set(
        self, values: Any, *, indices_are_sorted: bool = False, unique_indices: bool = False, mode: Any = None
    ) -> Array:
        """The array with the elements replaced by ``values``."""
        return self._update(values, "set", mode, unique_indices)

    def add(
        self, values: Any, *, indices_are_sorted: bool = False, unique_indices: bool = False, mode: Any = None
    ) -> Array:
        """The array with ``values`` added to the elements."""
        return self._update(values, "add", mode, unique_indices)

    def subtract(
        self, values: Any, *, indices_are_sorted: bool = False, unique_indices: bool = False, mode: Any = None
    ) -> Array:
        """The array with ``values`` subtracted from the elements."""
        values = _converted(values, self._array.dtype)
        negative = e.neg(values) if values.dtype != BOOL else values
        return self._update(negative, "add", mode, unique_indices)

    def multiply(
        self, values: Any, *, indices_are_sorted: bool = False, unique_indices: bool = False, mode: Any = None
    ) -> Array:
        """The array with the elements multiplied by ``values``."""
        return self._update(values, "mul", mode, unique_indices)

    mul = multiply

    def min(
        self, values: Any, *, indices_are_sorted: bool = False, unique_indices: bool = False, mode: Any = None
    ) -> Array:
        """The array with the elements replaced by the smaller of them and ``values``."""
        return self._update(values, "min", mode, unique_indices)

    def max(
        self, values: Any, *, indices_are_sorted: bool = False, unique_indices: bool = False, mode: Any = None
    ) -> Array:
        """The array with the elements replaced by the larger of them and ``values``."""
        return self._update(values, "max", mode, unique_indices)

    def _factor(self, values: Any, mode: Any, unique: bool) -> Any:
        """An array of ones, with the product of ``values`` where they go."""
        import weft.numpy as wnp

        return wnp.ones_like(self._array).at[self._index].multiply(values, mode=mode, unique_indices=unique)

    def divide(
        self, values: Any, *, indices_are_sorted: bool = False, unique_indices: bool = False, mode: Any = None
    ) -> Array:
        """The array with the elements divided by ``values``."""
        return self._array / self._factor(values, mode, unique_indices)

    def power(
        self, values: Any, *, indices_are_sorted: bool = False, unique_indices: bool = False, mode: Any = None
    ) -> Array:
        """The array with the elements raised to the power of ``values``."""
        return self._array ** self._factor(values, mode, unique_indices)

    def apply(
        self,
        func: Callable[[Any], Any],
        *,
        indices_are_sorted: bool = False,
        unique_indices: bool = False,
        mode: Any = None,
    ) -> Array:
        """The array with the elements replaced by ``func`` of them, as often as an element is addressed."""
        inside = "clip" if mode is None else mode  # what is read beyond the array is dropped
        if unique_indices or not _may_repeat(self._index):
            return self.set(func(self.get(mode=inside)), mode=mode, unique_indices=unique_indices)
        import weft.lax
        import weft.numpy as wnp

        none = wrap_value(np.zeros(self._array.shape, np.int64))
        times = none.at[self._index].add(1, mode=mode)
        due = times.at[self._index].get(mode=inside)

        def once(i: Any, x: Any) -> Any:
            """All positions of one element write the same, so their order does not matter."""
            elements = x.at[self._index].get(mode=inside)
            changed = wnp.where(due > i, func(elements), elements)
            return x.at[self._index].set(changed, mode=mode)

        return weft.lax.fori_loop(0, times.max(initial=0), once, wrap_value(to_value(self._array)))

    def get(
        self,
        *,
        indices_are_sorted: bool = False,
        unique_indices: bool = False,
        mode: Any = None,
        fill_value: Any = None,
    ) -> Array:
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

        values = stacked([v._data if type(v) is Array else v for v in values], "at[...]")
    values = to_value(values, "the values of at[...]")
    return e.cast(values, dtype)
