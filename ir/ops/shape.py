"""Primitives that move elements and compute nothing: broadcast, reshape, transpose, slice, pad, concatenate, and the makers.

All are index maps: a schedule folds them into the loads of whatever reads them, so none costs memory traffic of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from weft.ir import rules
from weft.ir.errors import AxisError, DTypeError, ShapeError
from weft.ir.primitive import NOT_MAPPED, Boxed, Primitive, index
from weft.ir.rules import is_linear, linear, no_tangent, transposed
from weft.ir.types import ArrayType

# broadcast: new axes


def _broadcast_type(x: ArrayType, *, shape: tuple[int, ...], dims: tuple[int, ...]) -> ArrayType:
    if (
        len(dims) != x.ndim
        or list(dims) != sorted(set(dims))
        or any(shape[d] != n for d, n in zip(dims, x.shape, strict=True))
    ):
        raise ShapeError(f"broadcast cannot place the axes of {x} at {dims} of the shape {shape}.")
    return x.with_shape(shape)


def _broadcast_reference(x: np.ndarray, *, shape: tuple[int, ...], dims: tuple[int, ...]) -> np.ndarray:
    expanded = np.reshape(x, tuple(shape[d] if d in dims else 1 for d in range(len(shape))))
    return np.broadcast_to(expanded, shape)


def _broadcast_transpose(ct: Any, x: ArrayType, *, shape: tuple[int, ...], dims: tuple[int, ...]) -> Any:
    from weft.ir.ops.reduce import reduce_sum

    return reduce_sum(ct, tuple(d for d in range(len(shape)) if d not in dims))


def _broadcast_batch(prim: Primitive, args: Any, axes: Any, size: int, params: Any) -> Any:
    x = move_axis(args[0], axes[0], 0)
    shape, dims = params["shape"], params["dims"]
    return (broadcast(x, (size, *shape), (0, *(d + 1 for d in dims))),), (0,)


broadcast_p = Primitive(
    "broadcast",
    type_rule=_broadcast_type,
    reference=_broadcast_reference,
    jvp=linear,
    transpose=transposed(_broadcast_transpose),
    batch=_broadcast_batch,
    lower=index("broadcast"),
)


def broadcast(x: Any, shape: Sequence[int], dims: Sequence[int]) -> Any:
    """``x`` with new axes: axis ``i`` of ``x`` becomes axis ``dims[i]`` of ``shape``, increasing; the others repeat it."""
    shape = tuple(shape)
    return x if shape == x.shape else broadcast_p.bind(x, shape=shape, dims=tuple(dims))


# reshape


def _reshape_type(x: ArrayType, *, shape: tuple[int, ...]) -> ArrayType:
    result = x.with_shape(shape)
    if result.size != x.size:
        raise ShapeError(f"cannot reshape {x} with {x.size} elements to {shape} with {result.size} elements.")
    return result


def _reshape_batch(prim: Primitive, args: Any, axes: Any, size: int, params: Any) -> Any:
    return (reshape(move_axis(args[0], axes[0], 0), (size, *params["shape"])),), (0,)


reshape_p = Primitive(
    "reshape",
    type_rule=_reshape_type,
    reference=lambda x, *, shape: np.reshape(x, shape),
    jvp=linear,
    transpose=transposed(lambda ct, x, *, shape: reshape(ct, x.shape)),
    batch=_reshape_batch,
    lower=index("reshape"),
)


def reshape(x: Any, shape: Sequence[int]) -> Any:
    """The elements of ``x`` in row-major order in another shape of the same size."""
    shape = tuple(shape)
    return x if shape == x.shape else reshape_p.bind(x, shape=shape)


def expand_dims(x: Any, axes: Sequence[int]) -> Any:
    """``x`` with axes of size 1 inserted, at positions of the result."""
    shape = list(x.shape)
    for axis in sorted(axes):
        shape.insert(axis, 1)
    return reshape(x, shape)


def squeeze(x: Any, axes: Sequence[int]) -> Any:
    """``x`` without the given axes, all of size 1."""
    return reshape(x, [n for i, n in enumerate(x.shape) if i not in axes])


# transpose


def _transpose_type(x: ArrayType, *, perm: tuple[int, ...]) -> ArrayType:
    if sorted(perm) != list(range(x.ndim)):
        raise AxisError(f"transpose of {x} needs a permutation of its {x.ndim} axes, got {perm}.")
    return x.with_shape(tuple(x.shape[p] for p in perm))


def _transpose_batch(prim: Primitive, args: Any, axes: Any, size: int, params: Any) -> Any:
    axis = axes[0]
    perm = tuple(p + (p >= axis) for p in params["perm"])
    return (transpose(args[0], (axis, *perm)),), (0,)


transpose_p = Primitive(
    "transpose",
    type_rule=_transpose_type,
    reference=lambda x, *, perm: np.transpose(x, perm),
    jvp=linear,
    transpose=transposed(lambda ct, x, *, perm: transpose(ct, tuple(int(i) for i in np.argsort(perm)))),
    batch=_transpose_batch,
    lower=index("transpose"),
)


def transpose(x: Any, perm: Sequence[int]) -> Any:
    """``x`` with axis ``i`` of the result being axis ``perm[i]`` of ``x``."""
    perm = tuple(perm)
    return x if perm == tuple(range(len(x.shape))) else transpose_p.bind(x, perm=perm)


def move_axis(x: Any, source: int, destination: int) -> Any:
    """``x`` with one axis moved; both positions are non-negative."""
    if source == destination:
        return x
    perm = [i for i in range(len(x.shape)) if i != source]
    perm.insert(destination, source)
    return transpose(x, perm)


# slice


def _slice_type(
    x: ArrayType, *, start: tuple[int, ...], limit: tuple[int, ...], strides: tuple[int, ...]
) -> ArrayType:
    if not len(start) == len(limit) == len(strides) == x.ndim:
        raise ShapeError(
            f"slice of {x} needs {x.ndim} starts, limits and strides, got {start}, {limit}, {strides}."
        )
    for b, e, s, n in zip(start, limit, strides, x.shape, strict=True):
        if not (0 <= b <= e <= n and s > 0):
            raise ShapeError(f"slice {start} to {limit} by {strides} goes outside of {x}.")
    return x.with_shape(tuple(-(-(e - b) // s) for b, e, s in zip(start, limit, strides, strict=True)))


def _slice_reference(
    x: np.ndarray, *, start: tuple[int, ...], limit: tuple[int, ...], strides: tuple[int, ...]
) -> np.ndarray:
    return x[tuple(map(slice, start, limit, strides))]


def limit_of(start: Sequence[int], shape: Sequence[int], strides: Sequence[int]) -> tuple[int, ...]:
    """Where so many elements end along each axis that are ``strides`` apart: behind the last one."""
    steps = zip(start, shape, strides, strict=True)
    return tuple([first + (n - 1) * step + 1 if n else first for first, n, step in steps])


def _slice_transpose(
    ct: Any, x: ArrayType, *, start: tuple[int, ...], limit: tuple[int, ...], strides: tuple[int, ...]
) -> Any:
    if all(s == 1 for s in strides):
        return Boxed(x, start, limit, ct)
    interior = tuple(s - 1 for s in strides)
    covered = limit_of(start, ct.shape, strides)
    high = tuple(n - c for n, c in zip(x.shape, covered, strict=True))
    return pad(ct, np.zeros((), x.dtype), start, high, interior)


def _slice_batch(prim: Primitive, args: Any, axes: Any, size: int, params: Any) -> Any:
    axis = axes[0]

    def insert(t: tuple[int, ...], v: int) -> tuple[int, ...]:
        return (*t[:axis], v, *t[axis:])

    out = slice_(
        args[0], insert(params["start"], 0), insert(params["limit"], size), insert(params["strides"], 1)
    )
    return (out,), (axis,)


slice_p = Primitive(
    "slice",
    type_rule=_slice_type,
    reference=_slice_reference,
    jvp=linear,
    transpose=transposed(_slice_transpose),
    batch=_slice_batch,
    lower=index("slice"),
)


def slice_(x: Any, start: Sequence[int], limit: Sequence[int], strides: Sequence[int] | None = None) -> Any:
    """``x[start:limit:strides]`` on every axis, with bounds inside the array and positive strides."""
    strides = (1,) * len(start) if strides is None else tuple(strides)
    if not any(start) and tuple(limit) == x.shape and all(s == 1 for s in strides):
        return x
    return slice_p.bind(x, start=tuple(start), limit=tuple(limit), strides=strides)


def slice_axis(x: Any, axis: int, start: int, limit: int, stride: int = 1) -> Any:
    """A slice along one axis."""
    starts, limits, strides = [0] * len(x.shape), list(x.shape), [1] * len(x.shape)
    starts[axis], limits[axis], strides[axis] = start, limit, stride
    return slice_(x, starts, limits, strides)


# reverse


def _reverse_type(x: ArrayType, *, axes: tuple[int, ...]) -> ArrayType:
    if any(not 0 <= a < x.ndim for a in axes):
        raise AxisError(f"reverse got axes {axes} for {x}.")
    return x


def _reverse_batch(prim: Primitive, args: Any, axes: Any, size: int, params: Any) -> Any:
    b = axes[0]
    return (reverse(args[0], tuple(a + (a >= b) for a in params["axes"])),), (b,)


reverse_p = Primitive(
    "reverse",
    type_rule=_reverse_type,
    reference=lambda x, *, axes: np.flip(x, axes),
    jvp=linear,
    transpose=transposed(lambda ct, x, *, axes: reverse(ct, axes)),
    batch=_reverse_batch,
    lower=index("reverse"),
)


def reverse(x: Any, axes: Sequence[int]) -> Any:
    """``x`` with the order of elements turned round along ``axes``."""
    return reverse_p.bind(x, axes=tuple(axes)) if len(axes) else x


# pad


def _padded(n: int, low: int, high: int, interior: int) -> int:
    return low + n + max(n - 1, 0) * interior + high


def _pad_type(
    x: ArrayType, value: ArrayType, *, low: tuple[int, ...], high: tuple[int, ...], interior: tuple[int, ...]
) -> ArrayType:
    if value.shape != () or value.dtype != x.dtype:
        raise DTypeError(f"pad of {x} needs a scalar of the same dtype, got {value}.")
    if not len(low) == len(high) == len(interior) == x.ndim or min((*low, *high, *interior), default=0) < 0:
        raise ShapeError(f"pad of {x} got low={low}, high={high}, interior={interior}.")
    return x.with_shape(tuple(map(_padded, x.shape, low, high, interior)))


def _pad_reference(
    x: np.ndarray,
    value: np.ndarray,
    *,
    low: tuple[int, ...],
    high: tuple[int, ...],
    interior: tuple[int, ...],
) -> np.ndarray:
    out = np.full(tuple(map(_padded, x.shape, low, high, interior)), value, x.dtype)
    if x.size:
        out[
            tuple(
                slice(b, b + (n - 1) * (i + 1) + 1, i + 1)
                for b, n, i in zip(low, x.shape, interior, strict=True)
            )
        ] = x
    return out


def _pad_jvp(prim: Primitive, primals: Any, tangents: Any, params: Any, answer: Any) -> Any:
    return answer(), (prim.bind(*rules.instantiate(tangents, primals), **params),)


def _pad_transpose(prim: Primitive, cts: Any, ins: Any, params: Any) -> Any:
    from weft.ir.ops.elementwise import sub
    from weft.ir.ops.reduce import reduce_sum

    ct, (x, value) = cts[0], ins
    every = tuple(range(len(ct.shape)))
    steps = tuple(i + 1 for i in params["interior"])
    inner = slice_(ct, params["low"], limit_of(params["low"], x.shape, steps), steps)
    to_x = inner if is_linear(x) else None
    to_value = sub(reduce_sum(ct, every), reduce_sum(inner, every)) if is_linear(value) else None
    return [to_x, to_value]


def _pad_batch(prim: Primitive, args: Any, axes: Any, size: int, params: Any) -> Any:
    x, value = args
    if axes[1] is NOT_MAPPED:
        x = rules.to_front(x, axes[0], size)
        return (prim.bind(x, value, **{k: (0, *v) for k, v in params.items()}),), (0,)
    # A value per example: pad with a mark of which elements are new, and choose.
    from weft.ir.ops.elementwise import select

    x = rules.to_front(x, axes[0], size)
    grown = {k: (0, *v) for k, v in params.items()}
    padded = prim.bind(x, np.zeros((), x.dtype), **grown)
    inside = prim.bind(full(x.shape, True, np.dtype(bool)), np.zeros((), bool), **grown)
    return (select(inside, padded, broadcast(value, padded.shape, (0,))),), (0,)


pad_p = Primitive(
    "pad",
    type_rule=_pad_type,
    reference=_pad_reference,
    jvp=_pad_jvp,
    transpose=_pad_transpose,
    batch=_pad_batch,
    lower=index("pad"),
)


def pad(
    x: Any, value: Any, low: Sequence[int], high: Sequence[int], interior: Sequence[int] | None = None
) -> Any:
    """``x`` with ``value`` before, after and between its elements on every axis; negative ``low`` and ``high`` cut off."""
    interior = (0,) * len(low) if interior is None else tuple(interior)
    if not any((*low, *high, *interior)):
        return x
    result = x
    if any((*(max(b, 0) for b in low), *(max(e, 0) for e in high), *interior)):
        result = pad_p.bind(
            x,
            value,
            low=tuple(max(b, 0) for b in low),
            high=tuple(max(e, 0) for e in high),
            interior=interior,
        )
    cut = [(max(-b, 0), n - max(-e, 0)) for b, e, n in zip(low, high, result.shape, strict=True)]
    return slice_(result, [c[0] for c in cut], [max(c) for c in cut])


# concatenate


def _concatenate_type(*ins: ArrayType, axis: int) -> ArrayType:
    first = ins[0]
    if not 0 <= axis < first.ndim:
        raise AxisError(f"concatenate got axis {axis} for arrays of {first.ndim} axes.")

    def rest(t: ArrayType) -> tuple[int, ...]:
        return (*t.shape[:axis], *t.shape[axis + 1 :])

    if any(t.ndim != first.ndim or rest(t) != rest(first) for t in ins):
        raise ShapeError(
            f"concatenate along axis {axis} got shapes that differ on other axes: {', '.join(map(str, ins))}."
        )
    if any(t.dtype != first.dtype for t in ins):
        raise DTypeError(f"concatenate got arguments of different dtypes: {', '.join(map(str, ins))}.")
    return first.with_shape((*first.shape[:axis], sum(t.shape[axis] for t in ins), *first.shape[axis + 1 :]))


def _concatenate_transpose(prim: Primitive, cts: Any, ins: Any, params: Any) -> Any:
    axis, out, position = params["axis"], [], 0
    for x in ins:
        n = x.shape[axis]
        out.append(slice_axis(cts[0], axis, position, position + n) if is_linear(x) else None)
        position += n
    return out


def _concatenate_batch(prim: Primitive, args: Any, axes: Any, size: int, params: Any) -> Any:
    fronted = [rules.to_front(a, axis, size) for a, axis in zip(args, axes, strict=True)]
    return (concatenate(fronted, params["axis"] + 1),), (0,)


concatenate_p = Primitive(
    "concatenate",
    type_rule=_concatenate_type,
    reference=lambda *xs, axis: np.concatenate(xs, axis),
    jvp=linear,
    transpose=_concatenate_transpose,
    batch=_concatenate_batch,
    lower=index("concatenate"),
)


def concatenate(xs: Sequence[Any], axis: int) -> Any:
    """Arrays of one dtype, one after the other along ``axis``."""
    return xs[0] if len(xs) == 1 else concatenate_p.bind(*xs, axis=axis)


# makers


def _unbatched(prim: Primitive, args: Any, axes: Any, size: int, params: Any) -> Any:
    return (prim.bind(*args, **params),), (NOT_MAPPED,)


def _iota_reference(*, dtype: np.dtype, shape: tuple[int, ...], axis: int) -> np.ndarray:
    line = np.arange(shape[axis]).astype(dtype)
    return np.broadcast_to(line.reshape([-1 if i == axis else 1 for i in range(len(shape))]), shape)


iota_p = Primitive(
    "iota",
    type_rule=lambda *, dtype, shape, axis: ArrayType(shape, dtype),
    reference=_iota_reference,
    jvp=no_tangent,
    transpose=None,
    batch=_unbatched,
    lower=index("iota"),
)


def iota(dtype: Any, shape: Sequence[int], axis: int = 0) -> Any:
    """The index along ``axis``, as an array of ``shape``."""
    return iota_p.bind(dtype=np.dtype(dtype), shape=tuple(shape), axis=axis)


full_p = Primitive(
    "full",
    type_rule=lambda *, dtype, shape, value: ArrayType(shape, dtype),
    reference=lambda *, dtype, shape, value: np.full(shape, value, dtype),
    jvp=no_tangent,
    transpose=None,
    batch=_unbatched,
    lower=index("full"),
)


def full(shape: Sequence[int], value: bool | int | float | complex, dtype: Any) -> Any:
    """An array of one Python scalar."""
    return full_p.bind(dtype=np.dtype(dtype), shape=tuple(shape), value=value)
