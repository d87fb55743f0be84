"""`gather` and the scatter family of `weft.lax`: windows of an array read or written at computed places.

The one idea: dimension numbers only say how axes are named. Both kinds come down to `weft.ir.ops.index`, where some axes of
the operand are addressed by index arrays and the others are taken whole: a window that does not span its axis is addressed
by its start plus a running number. So `_places` turns dimension numbers into index arrays and an order of axes, `gather`
brings what it read into that order, and a scatter brings its updates out of it.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from weft.engine.array import wrap_value
from weft.engine.transforms.vmap import vmap
from weft.ir.errors import AxisError, DTypeError, IndexingError, ShapeError
from weft.ir.ops import elementwise as e
from weft.ir.ops import index
from weft.ir.ops import reduce as r
from weft.ir.ops import shape as s
from weft.ir.types import INT64, is_integer
from weft.lax.arguments import SCALARS, check_kind, one_axis, one_value
from weft.lax.loops import fori_loop


class GatherDimensionNumbers(NamedTuple):
    """Which axes of a `gather` are which. The last axis of the start indices holds the start of one window.

    Attributes:
        offset_dims: axes of the result along which windows extend, increasing; its other axes are those of the indices.
        collapsed_slice_dims: axes of the operand along which a window has size 1 and that the result does not have.
        start_index_map: the axis of the operand that each element of a start is for.
        operand_batching_dims: axes of the operand that go along with axes of the indices, one window each.
        start_indices_batching_dims: those axes of the indices, in the order of ``operand_batching_dims``.
    """

    offset_dims: Sequence[int]
    collapsed_slice_dims: Sequence[int]
    start_index_map: Sequence[int]
    operand_batching_dims: Sequence[int] = ()
    start_indices_batching_dims: Sequence[int] = ()


class ScatterDimensionNumbers(NamedTuple):
    """Which axes of a scatter are which: `GatherDimensionNumbers` of the gather that would read the updates.

    Attributes:
        update_window_dims: axes of the updates along which windows extend, increasing.
        inserted_window_dims: axes of the operand along which a window has size 1 and that the updates do not have.
        scatter_dims_to_operand_dims: the axis of the operand that each element of a start is for.
        operand_batching_dims: axes of the operand that go along with axes of the indices, one window each.
        scatter_indices_batching_dims: those axes of the indices, in the order of ``operand_batching_dims``.
    """

    update_window_dims: Sequence[int]
    inserted_window_dims: Sequence[int]
    scatter_dims_to_operand_dims: Sequence[int]
    operand_batching_dims: Sequence[int] = ()
    scatter_indices_batching_dims: Sequence[int] = ()


class GatherScatterMode(enum.Enum):
    """What a window means that is not wholly inside of its array.

    ``CLIP`` moves it inside. ``FILL_OR_DROP`` reads the fill value and writes nothing. With ``PROMISE_IN_BOUNDS`` the caller
    promises that there is none: broken, reads are as with ``CLIP``, and which updates are written is unspecified.
    """

    CLIP = enum.auto()
    FILL_OR_DROP = enum.auto()
    PROMISE_IN_BOUNDS = enum.auto()

    @staticmethod
    def from_any(mode: Any) -> GatherScatterMode:
        """The mode of a name: "clip", "fill", "drop" or "promise_in_bounds"; ``None`` is ``FILL_OR_DROP``."""
        if isinstance(mode, GatherScatterMode):
            return mode
        if mode in _MODES:
            return _MODES[mode]
        named = ", ".join(repr(name) for name in _MODES if name is not None)
        raise IndexingError(f"got mode={mode!r}: the modes are {named}, and those of lax.GatherScatterMode.")


_MODES = {
    None: GatherScatterMode.FILL_OR_DROP,
    "fill": GatherScatterMode.FILL_OR_DROP,
    "drop": GatherScatterMode.FILL_OR_DROP,
    "clip": GatherScatterMode.CLIP,
    "promise_in_bounds": GatherScatterMode.PROMISE_IN_BOUNDS,
}


# From dimension numbers to index arrays


def _check_axes(name: str, field: str, axes: Sequence[int], ndim: int, increasing: bool) -> None:
    """Axes that are distinct, in range and, where they must be, in order."""
    if any(not 0 <= a < ndim for a in axes):
        raise AxisError(f"lax.{name} got {field}={tuple(axes)}: each is at least 0 and less than {ndim}.")
    if len(set(axes)) != len(axes) or (increasing and list(axes) != sorted(axes)):
        order = "distinct and increasing" if increasing else "distinct"
        raise AxisError(f"lax.{name} got {field}={tuple(axes)}: they must be {order}.")


def _check(
    name: str,
    fields: Sequence[str],
    dims: GatherDimensionNumbers,
    shape: Sequence[int],
    indices: Any,
    sizes: Sequence[int],
) -> None:
    """Raise the user's error for dimension numbers that do not fit; ``fields`` are their names as the user knows them."""
    if not is_integer(indices.dtype):
        raise DTypeError(f"lax.{name} needs integer indices, got {indices.dtype}.")
    if not indices.shape or indices.shape[-1] != len(dims.start_index_map):
        raise ShapeError(
            f"lax.{name} got indices of shape {indices.shape} for {fields[2]}={tuple(dims.start_index_map)}: their last axis "
            f"has one element for each of these."
        )
    ndim, batch = len(shape), len(indices.shape) - 1
    limits = (batch + len(dims.offset_dims), ndim, ndim, ndim, batch)
    for i, (field, axes, limit) in enumerate(zip(fields, dims, limits, strict=True)):
        _check_axes(name, field, axes, limit, increasing=i in (0, 1, 3))
    alone = {*dims.collapsed_slice_dims, *dims.start_index_map} & set(dims.operand_batching_dims)
    if alone:
        raise AxisError(f"lax.{name} got axes {sorted(alone)} as {fields[3]} and as something else too.")
    along = [shape[d] for d in dims.operand_batching_dims]
    if along != [indices.shape[d] for d in dims.start_indices_batching_dims]:
        raise ShapeError(
            f"lax.{name} got {fields[3]}={tuple(dims.operand_batching_dims)} and "
            f"{fields[4]}={tuple(dims.start_indices_batching_dims)}, which must name axes of the same lengths of the operand, "
            f"{tuple(shape)}, and the indices, {indices.shape}."
        )
    if ndim != len(dims.offset_dims) + len(dims.collapsed_slice_dims) + len(dims.operand_batching_dims):
        raise ShapeError(
            f"lax.{name} of an operand of shape {tuple(shape)}: each of its axes is in {fields[1]} or {fields[3]}, or has its "
            f"axis in {fields[0]}; got {tuple(dims)}."
        )
    if len(sizes) != ndim or (
        0 not in indices.shape[:-1] and any(not 0 <= k <= n for k, n in zip(sizes, shape, strict=True))
    ):
        raise ShapeError(
            f"lax.{name} got windows of shape {tuple(sizes)}, which must fit into {tuple(shape)}."
        )
    if any(sizes[d] != 1 for d in dims.collapsed_slice_dims) or any(
        sizes[d] > 1 for d in dims.operand_batching_dims
    ):
        raise ShapeError(
            f"lax.{name} got windows of shape {tuple(sizes)}: their size along {fields[1]} and {fields[3]} is 1."
        )


class _Places(NamedTuple):
    """How an operand is addressed, and how what is addressed lies in the result."""

    arrays: list[Any]  # an index array for each of the axes
    axes: list[int]
    mode: str  # of weft.ir.ops.index
    shape: tuple[int, ...]  # of what is addressed, with all axes of length 1 that the result has
    order: list[int]  # axis i of the result is axis order[i] of that
    whole: bool  # no axis is addressed: the operand gets an axis of length 1 in front, and that is


def _places(
    dims: GatherDimensionNumbers,
    shape: Sequence[int],
    indices: Any,
    sizes: Sequence[int],
    mode: GatherScatterMode,
) -> _Places:
    batch = tuple(indices.shape[:-1])
    starts = {
        d: s.reshape(s.slice_axis(indices, len(batch), j, j + 1), batch)
        for j, d in enumerate(dims.start_index_map)
    }
    kept = [
        d
        for d in range(len(shape))
        if d not in dims.collapsed_slice_dims and d not in dims.operand_batching_dims
    ]
    rest = [d for d in kept if sizes[d] == shape[d]]
    addressed = [d for d in range(len(shape)) if d not in rest]
    windows = [d for d in addressed if d in kept and sizes[d] != 1]
    grid = (*batch, *(sizes[d] for d in windows))
    arrays = []
    for d in addressed:
        if d in dims.operand_batching_dims:
            along = dims.start_indices_batching_dims[list(dims.operand_batching_dims).index(d)]
            arrays.append(s.iota(INT64, grid, along))
            continue
        position = None
        if d in starts:
            start = starts[d]
            clamp = mode is GatherScatterMode.CLIP
            start = index.clamped(start, max(shape[d] - sizes[d], 0)) if clamp else e.cast(start, INT64)
            position = s.broadcast(start, grid, range(len(batch)))
        if d in windows:
            run = s.iota(INT64, grid, len(batch) + windows.index(d))
            position = run if position is None else e.add(position, run)
        arrays.append(s.full(grid, 0, INT64) if position is None else position)
    if not addressed:
        arrays = [s.full(grid, 0, INT64)]
    if mode is GatherScatterMode.FILL_OR_DROP:
        # A window counts as a whole: where it is not wholly inside, none of its elements is.
        inside = None
        for d, start in starts.items():
            if d in windows or d in rest:
                here = e.and_(e.ge(start, 0), e.le(start, shape[d] - sizes[d]))
                inside = here if inside is None else e.and_(inside, here)
        if inside is not None:
            everywhere = s.broadcast(inside, grid, range(len(batch)))
            arrays[0] = e.select(everywhere, arrays[0], e.full_like(arrays[0], -1))
    single = [d for d in addressed if d in kept and d not in windows]
    lying = [*windows, *rest, *single]  # behind the axes of the indices
    result = iter(range(len(batch)))
    order = [
        len(batch) + lying.index(kept[list(dims.offset_dims).index(i)])
        if i in dims.offset_dims
        else next(result)
        for i in range(len(batch) + len(kept))
    ]
    return _Places(
        arrays,
        addressed or [0],
        "fill" if mode is GatherScatterMode.FILL_OR_DROP else "promise",
        (*batch, *(sizes[d] for d in lying)),
        order,
        not addressed,
    )


# gather


def gather(
    operand: Any,
    start_indices: Any,
    dimension_numbers: GatherDimensionNumbers,
    slice_sizes: Sequence[int],
    *,
    unique_indices: bool = False,
    indices_are_sorted: bool = False,
    mode: str | GatherScatterMode | None = None,
    fill_value: Any = None,
) -> Any:
    """Windows of an array, from computed starts.

    Args:
        operand: array of any dtype.
        start_indices: integer array ``(..., k)``: the starts of windows along ``k`` axes of the operand, counted from 0.
        dimension_numbers: which axes are which.
        slice_sizes: the size of a window along each axis of the operand.
        unique_indices: accepted for JAX's sake, as is ``indices_are_sorted``.
        indices_are_sorted: see there.
        mode: what windows are that are not wholly inside: see `GatherScatterMode`; ``None`` promises that there is none.
        fill_value: what mode "fill" reads outside: by default NaN, the smallest signed or largest unsigned integer, ``True``.

    Returns:
        Array of the operand's dtype, with the leading axes of ``start_indices``, and at ``offset_dims`` the windows' axes.

    Raises:
        ShapeError, AxisError, DTypeError: the dimension numbers do not fit to the operands.
        IndexingError: the mode is not known.
    """
    x, indices = one_value(operand), one_value(start_indices)
    dims, sizes = GatherDimensionNumbers(*map(tuple, dimension_numbers)), tuple(map(int, slice_sizes))
    how = GatherScatterMode.CLIP if mode is None else GatherScatterMode.from_any(mode)
    if how is GatherScatterMode.PROMISE_IN_BOUNDS:
        how = GatherScatterMode.CLIP
    _check("gather", GatherDimensionNumbers._fields, dims, x.shape, indices, sizes)
    places = _places(dims, x.shape, indices, sizes, how)
    x = s.expand_dims(x, (0,)) if places.whole else x
    found = index.gather(x, places.arrays, places.axes, places.mode, fill_value)
    return wrap_value(s.transpose(s.reshape(found, places.shape), places.order))


def index_take(src: Any, idxs: Sequence[Any], axes: Sequence[int]) -> Any:
    """Elements of ``src`` at positions along ``axes``, which may be negative: an integer vector for each of these."""
    x = one_value(src)
    given = [one_value(i) for i in idxs]
    for i in given:
        check_kind("index_take", i.dtype, "integer")
    axes = [one_axis("index_take", a, len(x.shape)) for a in axes]
    positions = [e.cast(i, INT64) for i in given]
    order = sorted(range(len(axes)), key=lambda k: axes[k])
    inside = [e.mod(positions[k], e.full_like(positions[k], x.shape[axes[k]])) for k in order]
    return wrap_value(index.gather(x, inside, [axes[k] for k in order], "clip"))


# scatter


def _scatter(
    name: str,
    op: str,
    operand: Any,
    scatter_indices: Any,
    updates: Any,
    dimension_numbers: ScatterDimensionNumbers,
    mode: Any,
    unique: bool,
) -> Any:
    """`weft.ir.ops.index.scatter` by dimension numbers."""
    x, indices = one_value(operand), one_value(scatter_indices)
    new = e.full_like(x, updates) if type(updates) in SCALARS else one_value(updates)
    dims = GatherDimensionNumbers(*map(tuple, dimension_numbers))
    fields = ScatterDimensionNumbers._fields
    # The size of windows is that of the updates.
    inside = iter([new.shape[d] for d in dims.offset_dims if 0 <= d < len(new.shape)])
    alone = {*dims.collapsed_slice_dims, *dims.operand_batching_dims}
    sizes = tuple(1 if d in alone else next(inside, 1) for d in range(len(x.shape)))
    _check(name, fields, dims, x.shape, indices, sizes)
    places = _places(dims, x.shape, indices, sizes, GatherScatterMode.from_any(mode))
    wanted = tuple(places.shape[i] for i in places.order)
    if new.shape != wanted:
        raise ShapeError(
            f"lax.{name} into {x.shape} by indices of shape {indices.shape} needs updates of shape {wanted}, got {new.shape}."
        )
    if new.dtype != x.dtype:
        raise DTypeError(
            f"lax.{name} needs updates of the operand's dtype, {x.dtype}; got {new.dtype}. Convert them."
        )
    back = sorted(range(len(places.order)), key=places.order.__getitem__)
    target = s.expand_dims(x, (0,)) if places.whole else x
    addressed = (*places.arrays[0].shape, *(n for d, n in enumerate(target.shape) if d not in places.axes))
    flat = s.reshape(s.transpose(new, back), addressed)
    if op == "sub":
        op, flat = "add", e.neg(flat)
    out = index.scatter(target, flat, places.arrays, places.axes, op, places.mode, unique)
    return wrap_value(s.reshape(out, x.shape))


_DOCUMENTATION = """{what}

    Args:
        operand: array to write into; it is left as it is, and a changed copy given back.
        scatter_indices: integer array ``(..., k)``: the starts of windows along ``k`` axes of the operand, counted from 0.
        updates: array of the operand's dtype: a window for each start.
        dimension_numbers: which axes are which; see `ScatterDimensionNumbers`.
        indices_are_sorted: accepted for JAX's sake.
        unique_indices: promises that no element gets two updates, which makes derivatives cheaper.
        mode: what becomes of windows that are not wholly inside; see `GatherScatterMode`. ``None`` drops them.

    Returns:
        Array of the operand's shape and dtype.

    Raises:
        ShapeError, AxisError, DTypeError: the operands do not fit to each other.
        IndexingError: the mode is not known.
    """


def _family(name: str, op: str, what: str) -> Callable[..., Any]:
    def function(
        operand: Any,
        scatter_indices: Any,
        updates: Any,
        dimension_numbers: ScatterDimensionNumbers,
        *,
        indices_are_sorted: bool = False,
        unique_indices: bool = False,
        mode: str | GatherScatterMode | None = None,
    ) -> Any:
        return _scatter(name, op, operand, scatter_indices, updates, dimension_numbers, mode, unique_indices)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = _DOCUMENTATION.format(what=what)
    return function


scatter = _family(
    "scatter", "set", "Windows of an array replaced; of several updates of one element the last stays."
)
scatter_add = _family("scatter_add", "add", "Updates added to windows of an array.")
scatter_sub = _family("scatter_sub", "sub", "Updates subtracted from windows of an array.")
scatter_mul = _family("scatter_mul", "mul", "Windows of an array multiplied by updates.")
scatter_min = _family(
    "scatter_min", "min", "The smaller of updates and the windows of an array that they go to."
)
scatter_max = _family(
    "scatter_max", "max", "The larger of updates and the windows of an array that they go to."
)


def scatter_apply(
    operand: Any,
    scatter_indices: Any,
    func: Callable[[Any], Any],
    dimension_numbers: ScatterDimensionNumbers,
    *,
    update_shape: Sequence[int] = (),
    indices_are_sorted: bool = False,
    unique_indices: bool = False,
    mode: str | GatherScatterMode | None = None,
) -> Any:
    """Windows of an array replaced by a function of their elements, which is applied as often as an element is addressed.

    Args:
        operand: array.
        scatter_indices: the starts of windows, as for `scatter`.
        func: function of a scalar.
        dimension_numbers: which axes are which.
        update_shape: the shape that updates would have.
        indices_are_sorted: accepted for JAX's sake.
        unique_indices: promises that no element is addressed twice.
        mode: as for `scatter`.

    Returns:
        Array of the operand's shape and dtype.
    """
    x = one_value(operand)
    ones = wrap_value(s.full(tuple(update_shape), 1, INT64))
    counts = one_value(
        scatter_add(
            wrap_value(s.full(x.shape, 0, INT64)), scatter_indices, ones, dimension_numbers, mode=mode
        )
    )
    size = math.prod(x.shape)
    if not size:
        return wrap_value(x)

    def apply(i: Any, flat: Any) -> Any:
        new = one_value(vmap(func)(flat))
        if new.shape != (size,) or new.dtype != x.dtype:
            raise ShapeError(
                f"lax.scatter_apply: func must give a scalar of dtype {x.dtype} for a scalar, got {new.dtype}{new.shape[1:]}."
            )
        due = e.gt(s.reshape(counts, (size,)), one_value(i))
        return wrap_value(e.select(due, new, one_value(flat)))

    most = 1 if unique_indices else wrap_value(r.reduce_max(counts, tuple(range(len(x.shape)))))
    return wrap_value(
        s.reshape(one_value(fori_loop(0, most, apply, wrap_value(s.reshape(x, (size,))))), x.shape)
    )
