"""Reading and writing by computed positions: gather, scatter and slices that start where an array says.

The one idea: k index arrays of one shape ``I`` address k axes of ``x``; the other axes are taken whole. The
elements addressed have the shape ``I + (the other axes of x, in order)``. That is NumPy's advanced indexing
with its result axes always in front; all else (windows, one element a row) is a choice of index arrays.

Positions count from 0: the public functions turn negative ones round before. What an index outside of its
axis means is the ``mode``, one vocabulary for reads and writes:

    "clip"      the nearest element
    "fill"      reads give ``fill`` (by default NaN, for integers `default_fill`), writes are dropped
    "promise"   the caller promises that there is none; broken, what is read or written is unspecified
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from weft.ir.errors import AxisError, DTypeError, IndexingError, ShapeError
from weft.ir.ops.elementwise import add, cast, div, eq, full_like, maximum, minimum, mul, select
from weft.ir.ops.shape import broadcast, expand_dims, full, iota, move_axis, reshape, squeeze, transpose
from weft.ir.primitive import NOT_MAPPED, Addition, Primitive, index, library
from weft.ir.rules import add_all, instantiate, is_linear, linear_in_first, to_front, zeros_like
from weft.ir.types import BOOL, INT64, ArrayType, is_inexact, is_integer

MODES = ("clip", "fill", "promise")


def default_fill(dtype: np.dtype) -> Any:
    """What a read outside of an array gives in mode "fill" when nothing else is asked for."""
    if is_inexact(dtype):
        return float("nan")
    if dtype == BOOL:
        return True
    return int(np.iinfo(dtype).min if dtype.kind == "i" else np.iinfo(dtype).max)


def _rest(ndim: int, axes: Sequence[int]) -> tuple[int, ...]:
    return tuple(d for d in range(ndim) if d not in axes)


def _addressed_shape(
    name: str, x: ArrayType, indices: Sequence[ArrayType], axes: tuple[int, ...], mode: str
) -> tuple[int, ...]:
    """The shape of the elements that ``indices`` address, after checking them."""
    if mode not in MODES:
        raise IndexingError(f"{name} got mode {mode!r}: the modes are {', '.join(MODES)}.")
    if len(axes) != len(indices) or not axes:
        raise IndexingError(
            f"{name} got {len(indices)} index arrays for the axes {axes}: it needs one for each axis."
        )
    if list(axes) != sorted(set(axes)) or not 0 <= axes[0] <= axes[-1] < x.ndim:
        raise AxisError(f"{name} got axes {axes} for {x}: they are increasing and within its {x.ndim} axes.")
    if any(not is_integer(i.dtype) for i in indices):
        raise DTypeError(f"{name} needs integer indices, got {', '.join(map(str, indices))}.")
    if any(i.shape != indices[0].shape for i in indices):
        raise ShapeError(f"{name} got index arrays of different shapes: {', '.join(map(str, indices))}.")
    if mode == "clip" and indices[0].size and any(x.shape[a] == 0 for a in axes):
        raise IndexingError(f"{name} cannot clip indices to an axis without elements: {x}, axes {axes}.")
    return (*indices[0].shape, *(x.shape[d] for d in _rest(x.ndim, axes)))


def _positions(
    indices: Sequence[np.ndarray], sizes: Sequence[int], mode: str
) -> tuple[tuple[np.ndarray, ...], np.ndarray | None]:
    """Positions as int64 arrays, moved inside, and where they were inside: ``None`` for everywhere, as in mode "clip"."""
    huge = np.uint64(np.iinfo(np.int64).max)
    wide = [
        (np.minimum(i, huge) if i.dtype == np.uint64 else np.asarray(i)).astype(np.int64, copy=False)
        for i in indices
    ]
    if not any(i.size and (i.min() < 0 or i.max() >= n) for i, n in zip(wide, sizes, strict=True)):
        return tuple(wide), None
    inside = None
    if mode != "clip":
        inside = np.ones(wide[0].shape, bool)
        for i, n in zip(wide, sizes, strict=True):
            inside &= (i >= 0) & (i < n)
    return tuple(np.clip(i, 0, max(n - 1, 0)) for i, n in zip(wide, sizes, strict=True)), inside


# gather


def _gather_type(x: ArrayType, *indices: ArrayType, axes: tuple[int, ...], mode: str, fill: Any) -> ArrayType:
    return x.with_shape(_addressed_shape("gather", x, indices, axes, mode))


def _gather_reference(
    x: np.ndarray, *indices: np.ndarray, axes: tuple[int, ...], mode: str, fill: Any
) -> np.ndarray:
    rest = _rest(x.ndim, axes)
    positions, inside = _positions(indices, [x.shape[a] for a in axes], mode)
    if mode == "fill" and inside is not None and not inside.all():
        value = default_fill(x.dtype) if fill is None else fill
        out = np.full((*inside.shape, *(x.shape[d] for d in rest)), value, x.dtype)
        out[inside] = np.transpose(x, (*axes, *rest))[tuple(p[inside] for p in positions)]
        return out
    if any(x.shape[a] == 0 for a in axes):  # a broken promise, or nothing to read
        return np.zeros((*positions[0].shape, *(x.shape[d] for d in rest)), x.dtype)
    return np.asarray(np.transpose(x, (*axes, *rest))[positions])


def _gather_jvp(prim: Primitive, primals: Any, tangents: Any, params: Any, answer: Any) -> Any:
    t, *_ = tangents
    if t is None:
        return answer(), (None,)
    return answer(), (gather(t, primals[1:], params["axes"], params["mode"], fill=0),)


def _gather_transpose(prim: Primitive, cts: Any, ins: Any, params: Any) -> list[Any]:
    x, *indices = ins
    ct, axes, mode = cts[0], params["axes"], params["mode"]
    part = Addition(x.type, lambda total: scatter(total, ct, indices, axes, "add", mode))
    return [part, *[None] * len(indices)]


def _gather_batch(prim: Primitive, args: Any, axes: Any, size: int, params: Any) -> Any:
    (x, *indices), (x_axis, *index_axes) = args, axes
    along, mode, fill = params["axes"], params["mode"], params["fill"]
    if all(a is NOT_MAPPED for a in index_axes):
        # The batch axis is one more axis taken whole: it comes behind I, at its place among the others.
        out = gather(x, indices, tuple(a + (a >= x_axis) for a in along), mode, fill)
        before = sum(d < x_axis for d in _rest(len(x.shape), tuple(a + (a >= x_axis) for a in along)))
        return (out,), (len(indices[0].shape) + before,)
    indices = [to_front(i, a, size) for i, a in zip(indices, index_axes, strict=True)]
    if x_axis is not NOT_MAPPED:
        x = move_axis(x, x_axis, 0)
        indices = [iota(INT64, indices[0].shape, 0), *indices]
        along = (0, *(a + 1 for a in along))
    return (gather(x, indices, along, mode, fill),), (0,)


gather_p = Primitive(
    "gather",
    type_rule=_gather_type,
    reference=_gather_reference,
    jvp=_gather_jvp,
    transpose=_gather_transpose,
    batch=_gather_batch,
    lower=index("gather"),
)


def _as_index(i: Any) -> Any:
    """A Python integer as an array: `bind` would give it the dtype of the data."""
    return np.asarray(i, INT64) if isinstance(i, int) else i


def gather(x: Any, indices: Sequence[Any], axes: Sequence[int], mode: str = "fill", fill: Any = None) -> Any:
    """The elements of ``x`` at ``indices`` along ``axes``.

    Args:
        x: array of any dtype.
        indices: one integer array for each of ``axes``, all of one shape ``I``; positions count from 0.
        axes: increasing axes of ``x``.
        mode: "clip", "fill" or "promise": what an index outside of its axis gives.
        fill: a Python scalar for mode "fill"; ``None`` gives `default_fill`.

    Returns:
        Array of shape ``I + (other axes of x)``.

    Raises:
        IndexingError: the mode is not known, or there is nothing to clip to.
        ShapeError, DTypeError, AxisError: the indices do not go with each other or with ``x``.
    """
    fill = fill if mode == "fill" else None
    return gather_p.bind(x, *map(_as_index, indices), axes=tuple(axes), mode=mode, fill=fill)


def take_along_axis(x: Any, indices: Any, axis: int, mode: str = "fill", fill: Any = None) -> Any:
    """Elements of ``x`` by position along ``axis``, the other positions being those in ``indices`` itself.

    ``x`` and ``indices`` have the same shape but for ``axis``; the result has the shape of ``indices``.
    """
    shape = tuple(indices.shape)
    if len(shape) != len(x.shape) or any(
        m != n for d, (m, n) in enumerate(zip(shape, x.shape, strict=True)) if d != axis
    ):
        raise ShapeError(
            f"take_along_axis got shapes that differ on other axes than {axis}: {x.shape} and {shape}."
        )
    every = [indices if d == axis else iota(INT64, shape, d) for d in range(len(shape))]
    return gather(x, every, range(len(shape)), mode, fill)


def take_rows(x: Any, rows: Any) -> Any:
    """Rows of matrices ``(..., m, n)`` by position: ``rows`` is ``(..., k)`` and the result ``(..., k, n)``.

    Leading axes are examples, each with its own positions, which are promised to be inside.
    """
    lead = len(rows.shape) - 1
    every = [*(iota(INT64, rows.shape, d) for d in range(lead)), rows]
    return gather(x, every, range(lead + 1), "promise")


# scatter


def _linear_in_two(prim: Primitive, primals: Any, tangents: Any, params: Any, answer: Any) -> Any:
    """JVP rule of what is linear in an array and its updates together; the other operands are positions."""
    return answer(), (prim.bind(*instantiate(tangents[:2], primals[:2]), *primals[2:], **params),)


_UFUNCS: dict[str, np.ufunc] = {"add": np.add, "mul": np.multiply, "min": np.minimum, "max": np.maximum}
OPS = ("set", *_UFUNCS)


def _scatter_type(
    x: ArrayType,
    updates: ArrayType,
    *indices: ArrayType,
    axes: tuple[int, ...],
    op: str,
    mode: str,
    unique: bool,
) -> ArrayType:
    shape = _addressed_shape("scatter", x, indices, axes, mode)
    if op not in OPS:
        raise IndexingError(f"scatter got op {op!r}: the ops are {', '.join(OPS)}.")
    if updates.shape != shape:
        raise ShapeError(
            f"scatter into {x} along {axes} by indices {indices[0]} needs updates of shape {shape}, "
            f"got {updates}."
        )
    if updates.dtype != x.dtype:
        raise DTypeError(f"scatter into {x} got updates of another dtype: {updates}.")
    return x


def _scatter_reference(
    x: np.ndarray,
    updates: np.ndarray,
    *indices: np.ndarray,
    axes: tuple[int, ...],
    op: str,
    mode: str,
    unique: bool,
) -> np.ndarray:
    rest = _rest(x.ndim, axes)
    out = np.array(x, order="C")
    positions, inside = _positions(indices, [x.shape[a] for a in axes], mode)
    # With one index axis NumPy writes in its order, so that the last of several updates stays.
    keep = np.s_[:] if inside is None or inside.all() else inside.ravel()
    flat = tuple(p.ravel()[keep] for p in positions)
    rows = np.reshape(updates, (positions[0].size, *(x.shape[d] for d in rest)))[keep]
    target = np.transpose(out, (*axes, *rest))
    if op == "set":
        target[flat] = rows
    else:
        _UFUNCS[op].at(target, flat, rows)
    return out


def _scatter_jvp(prim: Primitive, primals: Any, tangents: Any, params: Any, answer: Any) -> Any:
    op = params["op"]
    if op in ("set", "add"):  # linear in x and updates together: the last update wins, so does its tangent
        return _linear_in_two(prim, primals, tangents, params, answer)
    x, updates, *indices = primals
    where = {"indices": indices, "axes": params["axes"], "mode": params["mode"]}
    out = answer()[0]
    if op == "mul":
        x_dot, updates_dot = tangents[:2]
        of_x = None if x_dot is None else prim.bind(x_dot, *primals[1:], **params)
        of_updates = None
        if updates_dot is not None:
            others = _product_of_others(x, updates, where, params["unique"])
            of_updates = scatter(zeros_like(x), mul(others, updates_dot), op="add", **where)
        return (out,), (add_all([of_x, of_updates]),)
    # min and max: all that reach the extremum share its tangent equally.
    x_dot, updates_dot = instantiate(tangents[:2], primals[:2])
    hit_x, hit_updates = eq(x, out), eq(updates, gather(out, **where))
    none, one = full_like(x, 0), full_like(x, 1)
    hits = scatter(select(hit_x, one, none), select(hit_updates, one, none), op="add", **where)
    total = scatter(select(hit_x, x_dot, none), select(hit_updates, updates_dot, none), op="add", **where)
    return (out,), (div(total, maximum(hits, one)),)


def _product_of_others(x: Any, updates: Any, where: dict[str, Any], unique: bool) -> Any:
    """For each update, the scattered product at its place without it; exact where updates are zero."""
    if unique:
        return gather(x, fill=0, **where)
    zero, none, one = eq(updates, full_like(updates, 0)), full_like(x, 0), full_like(x, 1)
    zeros = scatter(zeros_like(x), cast(zero, x.dtype), op="add", **where)
    product = scatter(x, select(zero, one, updates), op="mul", **where)  # without the factors 0
    zeros_here, product_here = gather(zeros, fill=0, **where), gather(product, fill=0, **where)
    without_zero = select(eq(zeros_here, one), product_here, none)
    without_other = select(eq(zeros_here, none), div(product_here, select(zero, one, updates)), none)
    return select(zero, without_zero, without_other)


def _winners(
    x_shape: Sequence[int], updates_shape: Sequence[int], indices: Sequence[Any], params: Any
) -> Any:
    """Which updates stay in a scatter of op "set": the last one for each place."""
    shape = tuple(indices[0].shape)
    number = reshape(iota(INT64, (int(np.prod(shape, dtype=np.int64)),)), shape)
    where = {"indices": indices, "axes": range(len(indices)), "mode": params["mode"]}
    last = scatter(full([x_shape[a] for a in params["axes"]], -1, INT64), number, op="set", **where)
    return broadcast(eq(gather(last, **where), number), updates_shape, range(len(shape)))


def _scatter_transpose(prim: Primitive, cts: Any, ins: Any, params: Any) -> list[Any]:
    (x, updates, *indices), ct = ins, cts[0]
    op, where = params["op"], {"indices": indices, "axes": params["axes"], "mode": params["mode"]}
    to_x, to_updates = None, None
    if is_linear(updates):  # read before it is written to, which then can happen in place
        to_updates = gather(ct, fill=0, **where)
        if op == "set" and not params["unique"] and indices[0].shape:  # one update alone wins
            won = _winners(x.shape, updates.shape, indices, params)
            to_updates = select(won, to_updates, full_like(ct, 0))
    if is_linear(x):
        if op == "set":
            to_x = scatter(ct, zeros_like(updates), op="set", unique=params["unique"], **where)
        else:  # x + ... gives ct, x * (product of the updates) gives that product times ct
            to_x = ct if op == "add" else scatter(ct, updates, op="mul", unique=params["unique"], **where)
    return [to_x, to_updates, *[None] * len(indices)]


def _scatter_batch(prim: Primitive, args: Any, axes: Any, size: int, params: Any) -> Any:
    (x, updates, *indices), (x_axis, updates_axis, *index_axes) = args, axes
    x, updates = to_front(x, x_axis, size), to_front(updates, updates_axis, size)
    along = tuple(a + 1 for a in params["axes"])
    if all(a is NOT_MAPPED for a in index_axes):
        updates = move_axis(updates, 0, len(indices[0].shape))
    else:
        indices = [to_front(i, a, size) for i, a in zip(indices, index_axes, strict=True)]
        indices = [iota(INT64, indices[0].shape, 0), *indices]
        along = (0, *along)
    return (prim.bind(x, updates, *indices, **{**params, "axes": along}),), (0,)


scatter_p = Primitive(
    "scatter",
    type_rule=_scatter_type,
    reference=_scatter_reference,
    jvp=_scatter_jvp,
    transpose=_scatter_transpose,
    batch=_scatter_batch,
    lower=library("scatter"),
)


def scatter(
    x: Any,
    updates: Any,
    indices: Sequence[Any],
    axes: Sequence[int],
    op: str = "set",
    mode: str = "fill",
    unique: bool = False,
) -> Any:
    """``x`` with ``updates`` written at ``indices`` along ``axes``, or combined with what is there.

    Args:
        x: array of any dtype.
        updates: array of the dtype of ``x`` and of the shape that `gather` would give.
        indices: one integer array for each of ``axes``, all of one shape; positions count from 0.
        axes: increasing axes of ``x``.
        op: "set" (the last of several updates for one place stays, in row-major order), "add", "mul", "min"
            or "max".
        mode: "clip", "fill" (an update outside is dropped) or "promise".
        unique: the caller promises that no place gets two updates; makes derivatives cheaper.

    Returns:
        Array of the type of ``x``.

    Raises:
        IndexingError: the op or mode is not known, or there is nothing to clip to.
        ShapeError, DTypeError, AxisError: the operands do not go with each other.
    """
    params = {"axes": tuple(axes), "op": op, "mode": mode, "unique": bool(unique)}
    return scatter_p.bind(x, updates, *map(_as_index, indices), **params)


# dynamic_slice and dynamic_update_slice


def _check_window(name: str, x: ArrayType, sizes: Sequence[int], starts: Sequence[ArrayType]) -> None:
    if len(starts) != x.ndim or len(sizes) != x.ndim:
        raise ShapeError(
            f"{name} of {x} needs {x.ndim} starts, got {len(starts)}, and as many sizes, got {tuple(sizes)}."
        )
    if any(s.shape != () or not is_integer(s.dtype) for s in starts):
        raise DTypeError(f"{name} needs integer scalars for starts, got {', '.join(map(str, starts))}.")
    if any(not 0 <= size <= n for size, n in zip(sizes, x.shape, strict=True)):
        raise ShapeError(f"{name} got a window of shape {tuple(sizes)} that does not fit into {x}.")


def _window(shape: Sequence[int], sizes: Sequence[int], starts: Sequence[Any]) -> tuple[slice, ...]:
    first = [min(max(int(s), 0), n - size) for s, n, size in zip(starts, shape, sizes, strict=True)]
    return tuple(slice(b, b + size) for b, size in zip(first, sizes, strict=True))


def clamped(start: Any, largest: int) -> Any:
    """A start as int64, moved to between 0 and ``largest``."""
    if start.dtype.itemsize < 8:  # else ``largest`` may be more than the dtype holds
        start = cast(start, INT64)
    return cast(minimum(maximum(start, full_like(start, 0)), full_like(start, largest)), INT64)


def _window_indices(
    starts: Sequence[Any], sizes: Sequence[int], shape: Sequence[int], size: int
) -> list[Any]:
    """Index arrays of shape ``(size, *sizes)``: a window per example, each of ``starts`` is ``(size,)``."""
    grid = (size, *sizes)
    return [
        add(broadcast(clamped(start, n - width), grid, (0,)), iota(INT64, grid, 1 + d))
        for d, (start, width, n) in enumerate(zip(starts, sizes, shape, strict=True))
    ]


def _dynamic_slice_type(x: ArrayType, *starts: ArrayType, sizes: tuple[int, ...]) -> ArrayType:
    _check_window("dynamic_slice", x, sizes, starts)
    return x.with_shape(sizes)


def _dynamic_slice_transpose(prim: Primitive, cts: Any, ins: Any, params: Any) -> list[Any]:
    x, *starts = ins
    ct = cts[0]

    def into(total: Any) -> Any:
        return dynamic_update_slice(total, add(dynamic_slice(total, starts, ct.shape), ct), starts)

    return [Addition(x.type, into), *[None] * len(starts)]


def _dynamic_slice_batch(prim: Primitive, args: Any, axes: Any, size: int, params: Any) -> Any:
    (x, *starts), (x_axis, *start_axes), sizes = args, axes, params["sizes"]
    if all(a is NOT_MAPPED for a in start_axes):
        starts.insert(x_axis, np.zeros((), INT64))
        return (dynamic_slice(x, starts, (*sizes[:x_axis], size, *sizes[x_axis:])),), (x_axis,)
    mapped = x_axis is not NOT_MAPPED
    x = move_axis(x, x_axis, 0) if mapped else x
    shape = x.shape[mapped:]
    # Only axes with a start per example are gathered; along the others there is one slice for all examples.
    along = [d for d, a in enumerate(start_axes) if a is not NOT_MAPPED and sizes[d] < shape[d]]
    common = [0 if a is not NOT_MAPPED else s for s, a in zip(starts, start_axes, strict=True)]
    window = [shape[d] if d in along else n for d, n in enumerate(sizes)]
    if window != list(shape):
        x = dynamic_slice(x, [0] * mapped + common, [size] * mapped + window)
    if not along:
        return (x,), (0 if mapped else NOT_MAPPED,)
    indices = _window_indices(
        [starts[d] for d in along], [sizes[d] for d in along], [shape[d] for d in along], size
    )
    if mapped:
        indices = [iota(INT64, indices[0].shape, 0), *indices]
    out = gather(x, indices, [0] * mapped + [d + mapped for d in along], "promise")
    rest = _rest(len(shape), along)
    places = [along.index(d) if d in along else len(along) + rest.index(d) for d in range(len(shape))]
    return (transpose(out, (0, *(p + 1 for p in places))),), (0,)


dynamic_slice_p = Primitive(
    "dynamic_slice",
    type_rule=_dynamic_slice_type,
    reference=lambda x, *starts, sizes: x[_window(x.shape, sizes, starts)],
    jvp=linear_in_first,
    transpose=_dynamic_slice_transpose,
    batch=_dynamic_slice_batch,
    lower=index("dynamic_slice"),
)


def dynamic_slice(x: Any, starts: Sequence[Any], sizes: Sequence[int]) -> Any:
    """A window of ``x`` of a static shape, from ``starts``.

    Args:
        x: array of any dtype.
        starts: an integer scalar for each axis. A window that would reach over an end is moved inside.
        sizes: the shape of the window.

    Returns:
        Array of shape ``sizes``.

    Raises:
        ShapeError: the window does not fit into ``x``.
        DTypeError: a start is not an integer scalar.
    """
    return dynamic_slice_p.bind(x, *map(_as_index, starts), sizes=tuple(sizes))


def _dynamic_update_slice_type(x: ArrayType, update: ArrayType, *starts: ArrayType) -> ArrayType:
    if update.dtype != x.dtype:
        raise DTypeError(f"dynamic_update_slice of {x} got an update of another dtype: {update}.")
    _check_window("dynamic_update_slice", x, update.shape, starts)
    return x


def _dynamic_update_slice_reference(x: np.ndarray, update: np.ndarray, *starts: np.ndarray) -> np.ndarray:
    out = np.array(x, order="C")
    out[_window(out.shape, np.shape(update), starts)] = update
    return out


def _dynamic_update_slice_transpose(prim: Primitive, cts: Any, ins: Any, params: Any) -> list[Any]:
    (x, update, *starts), ct = ins, cts[0]
    # Read before it is written to, which then can happen in place.
    to_update = dynamic_slice(ct, starts, update.shape) if is_linear(update) else None
    to_x = dynamic_update_slice(ct, zeros_like(update), starts) if is_linear(x) else None
    return [to_x, to_update, *[None] * len(starts)]


def _dynamic_update_slice_batch(prim: Primitive, args: Any, axes: Any, size: int, params: Any) -> Any:
    (x, update, *starts), (x_axis, update_axis, *start_axes) = args, axes
    update = to_front(update, update_axis, size)
    if all(a is NOT_MAPPED for a in start_axes):
        return (dynamic_update_slice(to_front(x, x_axis, size), update, [0, *starts]),), (0,)
    x = to_front(x, x_axis, size)
    shape, sizes = x.shape[1:], update.shape[1:]
    along = [d for d, (n, width) in enumerate(zip(shape, sizes, strict=True)) if width < n]
    if not along:
        return (update,), (0,)
    starts = [to_front(s, a, size) for s, a in zip(starts, start_axes, strict=True)]
    indices = _window_indices(
        [starts[d] for d in along], [sizes[d] for d in along], [shape[d] for d in along], size
    )
    indices = [iota(INT64, indices[0].shape, 0), *indices]
    updates = transpose(update, (0, *(d + 1 for d in along), *(d + 1 for d in _rest(len(shape), along))))
    return (scatter(x, updates, indices, [0, *(d + 1 for d in along)], "set", "promise", unique=True),), (0,)


dynamic_update_slice_p = Primitive(
    "dynamic_update_slice",
    type_rule=_dynamic_update_slice_type,
    reference=_dynamic_update_slice_reference,
    jvp=_linear_in_two,
    transpose=_dynamic_update_slice_transpose,
    batch=_dynamic_update_slice_batch,
    lower=library("dynamic_update_slice"),
)


def dynamic_update_slice(x: Any, update: Any, starts: Sequence[Any]) -> Any:
    """``x`` with ``update`` written from ``starts``; a window that would reach over an end is moved inside.

    Args:
        x: array of any dtype.
        update: array of the dtype of ``x``, on no axis larger.
        starts: an integer scalar for each axis.

    Returns:
        Array of the type of ``x``.

    Raises:
        ShapeError: ``update`` does not fit into ``x``.
        DTypeError: the dtypes differ, or a start is not an integer scalar.
    """
    return dynamic_update_slice_p.bind(x, update, *map(_as_index, starts))


def dynamic_index(x: Any, i: Any, axis: int = 0) -> Any:
    """``x`` at position ``i`` (an integer scalar, moved inside) of ``axis``, without that axis."""
    starts, sizes = [0] * len(x.shape), list(x.shape)
    starts[axis], sizes[axis] = i, 1
    return squeeze(dynamic_slice(x, starts, sizes), (axis,))


def dynamic_update_index(x: Any, update: Any, i: Any, axis: int = 0) -> Any:
    """``x`` with ``update``, which has no such axis, written at position ``i`` (moved inside) of ``axis``."""
    starts: list[Any] = [0] * len(x.shape)
    starts[axis] = i
    return dynamic_update_slice(x, expand_dims(update, (axis,)), starts)
