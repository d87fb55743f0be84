"""Shapes: other views of the same elements, axes in other orders, broadcasting, diagonals.

The one idea: none of these computes. Each is a chain of index maps (reshape, transpose, broadcast, slice, reverse), which the
compiler folds into whatever reads the result.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from weft.engine import dispatch
from weft.ir.builder import concrete
from weft.ir.errors import ArgumentError, AxisError, DTypeError, ShapeError
from weft.ir.ops import elementwise as e
from weft.ir.ops import shape as s
from weft.ir.types import INT64
from weft.numpy.reductions import sum as _sum
from weft.numpy.staging import (
    axis_index,
    axis_indices,
    like_numpy,
    of_scalar,
    refuse,
    static_dtype,
    static_int,
    static_shape,
    value,
)

__all__ = [
    "atleast_1d",
    "atleast_2d",
    "atleast_3d",
    "broadcast_arrays",
    "broadcast_shapes",
    "broadcast_to",
    "diag",
    "diag_indices",
    "diag_indices_from",
    "diagflat",
    "diagonal",
    "expand_dims",
    "flip",
    "fliplr",
    "flipud",
    "index_exp",
    "ix_",
    "mask_indices",
    "matrix_transpose",
    "moveaxis",
    "ndim",
    "permute_dims",
    "ravel",
    "ravel_multi_index",
    "reshape",
    "resize",
    "roll",
    "rollaxis",
    "rot90",
    "s_",
    "shape",
    "size",
    "squeeze",
    "swapaxes",
    "trace",
    "transpose",
    "tril",
    "tril_indices",
    "tril_indices_from",
    "triu",
    "triu_indices",
    "triu_indices_from",
    "unravel_index",
]  # fmt: skip


def shape(a: Any) -> tuple[int, ...]:
    """Length of each axis."""
    return tuple(a.shape) if hasattr(a, "shape") else np.shape(a)


def ndim(a: Any) -> int:
    """Number of axes."""
    return len(shape(a))


def size(a: Any, axis: Any = None) -> int:
    """Number of elements, or the length of an axis."""
    lengths = shape(a)
    return math.prod([lengths[d] for d in axis_indices(axis, len(lengths), "size")])


# Reshaping


def _reshaped(x: Any, shape: Any, name: str) -> tuple[int, ...]:
    """A shape with its -1 filled in."""
    lengths = static_shape(shape, name)
    known = math.prod([n for n in lengths if n != -1])
    unknown = lengths.count(-1)
    if unknown == 1 and known and x.size % known == 0:
        lengths = tuple([x.size // known if n == -1 else n for n in lengths])
    if unknown > 1 or min(lengths, default=0) < 0 or math.prod(lengths) != x.size:
        raise ShapeError(
            f"{name} cannot turn an array of shape {x.shape} ({x.size} elements) into shape {static_shape(shape, name)}."
        )
    return lengths


_ORDERS = ("C", "F", "A", "K")  # rows go first in memory, so "A" and "K" are "C"


def _reshape_data(a: Any, shape: Any, order: str = "C", *, copy: Any = None) -> Any:
    if order not in _ORDERS:
        raise TypeError  # the definition says what it may be
    return np.reshape(a, shape, "F" if order == "F" else "C")


@like_numpy(_reshape_data)
def reshape(a: Any, shape: Any, order: str = "C", *, copy: Any = None) -> Any:
    """The elements in another shape of the same size.

    Args:
        a: array.
        shape: an integer or a tuple of them; one may be -1, which is then computed.
        order: "C" reads and writes with the last axis fastest, "F" with the first.
        copy: accepted for NumPy's sake.
    """
    a = value(a, "reshape")
    lengths = _reshaped(a, shape, "reshape")
    if order not in _ORDERS:
        raise ArgumentError(f"reshape got order={order!r}: it is 'C' or 'F'.")
    if order != "F":
        return s.reshape(a, lengths)
    reverse = tuple(range(a.ndim))[::-1]
    return s.transpose(s.reshape(s.transpose(a, reverse), lengths[::-1]), tuple(range(len(lengths)))[::-1])


@like_numpy(lambda a, order="C": _reshape_data(a, -1, order))
def ravel(a: Any, order: str = "C") -> Any:
    """The elements in one dimension."""
    a = value(a, "ravel")
    return reshape.staged(a, (a.size,), order)


@like_numpy(np.resize)
def resize(a: Any, new_shape: Any) -> Any:
    """The elements, repeated as often as needed, in another shape of any size."""
    flat = ravel.staged(a)
    lengths = static_shape(new_shape, "resize", "new_shape")
    if min(lengths, default=0) < 0:
        raise ShapeError(f"resize got new_shape={lengths}: lengths must not be negative.")
    total = math.prod(lengths)
    if flat.size == 0 or total == 0:
        return s.full(lengths, 0, flat.dtype)
    return s.reshape(s.slice_(s.concatenate([flat] * -(-total // flat.size), 0), (0,), (total,)), lengths)


@like_numpy(np.expand_dims)
def expand_dims(a: Any, axis: Any) -> Any:
    """The array with axes of length 1 put in at positions of the result."""
    a = value(a, "expand_dims")
    count = len(axis) if isinstance(axis, tuple | list) else 1
    return s.expand_dims(a, axis_indices(axis, a.ndim + count, "expand_dims"))


@like_numpy(np.squeeze)
def squeeze(a: Any, axis: Any = None) -> Any:
    """The array without axes of length 1: all of them, or those named."""
    a = value(a, "squeeze")
    if axis is None:
        return s.squeeze(a, [i for i, n in enumerate(a.shape) if n == 1])
    axes = () if of_scalar(axis, a.ndim) else axis_indices(axis, a.ndim, "squeeze")
    if any(a.shape[d] != 1 for d in axes):
        raise ShapeError(
            f"squeeze got axis {axis} of an array of shape {a.shape}: only axes of length 1 can go."
        )
    return s.squeeze(a, axes)


def _at_least(n: int, name: str) -> Any:
    def grown(x: Any) -> Any:
        x = value(x, name)
        if x.ndim >= n:
            return x
        if n == 3 and x.ndim:  # NumPy puts the new axes of atleast_3d around
            return s.reshape(x, (1, *x.shape, 1) if x.ndim == 1 else (*x.shape, 1))
        return s.reshape(x, (1,) * (n - x.ndim) + tuple(x.shape))

    def definition(*arys: Any) -> Any:
        results = tuple(map(grown, arys))
        return results[0] if len(results) == 1 else results

    definition.__name__ = definition.__qualname__ = name
    definition.__doc__ = f"Arrays with axes of length 1 added until there are {n}."
    return like_numpy(getattr(np, name))(definition)


atleast_1d, atleast_2d, atleast_3d = (_at_least(n, f"atleast_{n}d") for n in (1, 2, 3))


# Orders of axes


@like_numpy(np.transpose)
def transpose(a: Any, axes: Any = None) -> Any:
    """The array with its axes permuted; in reverse order by default."""
    a = value(a, "transpose")
    if axes is None:
        return s.transpose(a, tuple(range(a.ndim))[::-1])
    perm = [axis_index(d, a.ndim, "transpose") for d in static_shape(axes, "transpose", "axes")]
    if sorted(perm) != list(range(a.ndim)):
        raise AxisError(
            f"transpose got axes {tuple(axes)} for an array of {a.ndim} axes: each must be named once."
        )
    return s.transpose(a, perm)


permute_dims = transpose


@like_numpy(getattr(np, "matrix_transpose", lambda x: np.swapaxes(x, -1, -2)))
def matrix_transpose(x: Any, /) -> Any:
    """The array with its last two axes exchanged."""
    x = value(x, "matrix_transpose")
    if x.ndim < 2:
        raise ShapeError(f"matrix_transpose needs two axes at least, got shape {x.shape}.")
    return swapaxes.staged(x, -1, -2)


@like_numpy(np.moveaxis)
def moveaxis(a: Any, source: Any, destination: Any) -> Any:
    """The array with axes moved to other positions; the others keep their order."""
    a = value(a, "moveaxis")
    sources = [
        axis_index(d, a.ndim, "moveaxis") for d in (source if isinstance(source, tuple | list) else (source,))
    ]
    places = [
        axis_index(d, a.ndim, "moveaxis")
        for d in (destination if isinstance(destination, tuple | list) else (destination,))
    ]
    if len(sources) != len(places) or len(set(sources)) != len(sources) or len(set(places)) != len(places):
        raise AxisError(
            f"moveaxis got source {source} and destination {destination}: they must be as many, each axis once."
        )
    perm = [d for d in range(a.ndim) if d not in sources]
    for place, d in sorted(zip(places, sources, strict=True)):
        perm.insert(place, d)
    return s.transpose(a, perm)


@like_numpy(np.rollaxis)
def rollaxis(a: Any, axis: int, start: int = 0) -> Any:
    """The array with an axis moved to before position ``start``."""
    a = value(a, "rollaxis")
    d = axis_index(axis, a.ndim, "rollaxis")
    start = start + a.ndim if start < 0 else start
    if not 0 <= start <= a.ndim:
        raise AxisError(f"rollaxis got start {start} for an array of {a.ndim} axes.")
    return s.move_axis(a, d, start - (d < start))


@like_numpy(np.swapaxes)
def swapaxes(a: Any, axis1: int, axis2: int) -> Any:
    """The array with two axes exchanged."""
    a = value(a, "swapaxes")
    i, j = axis_index(axis1, a.ndim, "swapaxes"), axis_index(axis2, a.ndim, "swapaxes")
    perm = list(range(a.ndim))
    perm[i], perm[j] = j, i
    return s.transpose(a, perm)


@like_numpy(np.flip)
def flip(m: Any, axis: Any = None) -> Any:
    """The array with the order of elements turned round along axes (all by default)."""
    m = value(m, "flip")
    return s.reverse(m, axis_indices(axis, m.ndim, "flip"))


@like_numpy(np.flipud)
def flipud(m: Any) -> Any:
    """`flip` along the first axis."""
    return flip.staged(m, 0)


@like_numpy(np.fliplr)
def fliplr(m: Any) -> Any:
    """`flip` along the second axis."""
    return flip.staged(m, 1)


@like_numpy(np.rot90)
def rot90(m: Any, k: int = 1, axes: tuple[int, int] = (0, 1)) -> Any:
    """The array turned by ``k`` right angles in the plane of two axes."""
    m = value(m, "rot90")
    i, j = (axis_index(d, m.ndim, "rot90") for d in axes)
    if i == j:
        raise AxisError(f"rot90 got axes {tuple(axes)}: they must differ.")
    k = static_int(k, "rot90", "k") % 4
    if k in (0, 2):
        return s.reverse(m, sorted((i, j))) if k else m
    if k == 1:
        return swapaxes.staged(s.reverse(m, (j,)), i, j)
    return s.reverse(swapaxes.staged(m, i, j), (j,))


@like_numpy(np.roll)
def roll(a: Any, shift: Any, axis: Any = None) -> Any:
    """The array with elements shifted along axes; those that leave at the end come in at the start."""
    a = value(a, "roll")
    if axis is None:
        return s.reshape(roll.staged(s.reshape(a, (a.size,)), shift, 0), a.shape)
    if getattr(shift, "ndim", 0) == 1:
        shift = [s.reshape(s.slice_axis(shift, 0, i, i + 1), ()) for i in range(shift.shape[0])]
    shifts = list(shift) if isinstance(shift, tuple | list) else [shift]
    axes = [axis_index(d, a.ndim, "roll") for d in (axis if isinstance(axis, tuple | list) else (axis,))]
    if len(shifts) != len(axes) and 1 not in (len(shifts), len(axes)):
        raise ArgumentError(f"roll got {len(shifts)} shifts for {len(axes)} axes.")
    n = len(shifts) if len(axes) == 1 else len(axes)
    for step, d in zip(
        shifts * n if len(shifts) == 1 else shifts, axes * n if len(axes) == 1 else axes, strict=True
    ):
        a = _rolled(a, step, d)
    return a


def _rolled(a: Any, step: Any, axis: int) -> Any:
    n = a.shape[axis]
    if n == 0:
        return a
    if dispatch.is_traced(step):  # a window of the array put twice in a row
        from weft.ir.ops.index import dynamic_slice

        start = e.mod(e.neg(e.cast(step, INT64)), np.asarray(n, INT64))
        starts = [start if d == axis else np.asarray(0, INT64) for d in range(a.ndim)]
        return dynamic_slice(s.concatenate([a, a], axis), starts, a.shape)
    first = -static_int(step, "roll", "shift") % n
    if not first:
        return a
    return s.concatenate([s.slice_axis(a, axis, first, n), s.slice_axis(a, axis, 0, first)], axis)


# Broadcasting


def broadcast_shapes(*shapes: Any) -> tuple[int, ...]:
    """The common shape of several."""
    return dispatch.broadcast_shapes(
        "broadcast_shapes", *[static_shape(x, "broadcast_shapes") for x in shapes]
    )


@like_numpy(lambda array, shape: np.broadcast_to(array, shape))
def broadcast_to(array: Any, shape: Any) -> Any:
    """The array repeated along axes of length 1 and new leading axes."""
    x, lengths = value(array, "broadcast_to"), static_shape(shape, "broadcast_to")
    offset = len(lengths) - x.ndim
    if offset < 0 or any(n not in (1, m) for n, m in zip(x.shape, lengths[offset:], strict=True)):
        raise ShapeError(f"broadcast_to cannot repeat an array of shape {x.shape} to shape {lengths}.")
    return dispatch.broadcast_to(x, lengths)


@like_numpy(lambda *args: list(np.broadcast_arrays(*args)))
def broadcast_arrays(*args: Any) -> Any:
    """Arrays brought to their common shape."""
    arrays = [value(x, "broadcast_arrays") for x in args]
    common = dispatch.broadcast_shapes("broadcast_arrays", *[x.shape for x in arrays])
    return [dispatch.broadcast_to(x, common) for x in arrays]


# Triangles and diagonals


def _triangle(m: Any, k: Any, name: str, lower: bool) -> Any:
    m = value(m, name)
    if m.ndim < 2:
        m = dispatch.broadcast_to(m, (m.size, m.size)) if m.ndim else m
    if m.ndim < 2:
        raise ShapeError(f"{name} needs a vector or matrices, got shape {m.shape}.")
    place = e.sub(s.iota(INT64, m.shape, m.ndim - 1), s.iota(INT64, m.shape, m.ndim - 2))
    limit = dispatch.as_dtype(value(k, name, "k"), INT64)
    zero = e.full_like(m, 0)
    if lower:
        return e.select(e.le(place, limit), m, zero)
    return e.select(e.lt(place, limit), zero, m)


@like_numpy(np.tril)
def tril(m: Any, k: Any = 0) -> Any:
    """Matrices with zeros above diagonal ``k``."""
    return _triangle(m, k, "tril", lower=True)


@like_numpy(np.triu)
def triu(m: Any, k: Any = 0) -> Any:
    """Matrices with zeros below diagonal ``k``."""
    return _triangle(m, k, "triu", lower=False)


@like_numpy(lambda a, offset=0, axis1=0, axis2=1: np.diagonal(a, offset, axis1, axis2))
def diagonal(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """The diagonals of the matrices in two axes, as a last axis."""
    a, offset = value(a, "diagonal"), static_int(offset, "diagonal", "offset")
    if a.ndim < 2:
        raise ShapeError(f"diagonal needs two axes at least, got shape {a.shape}.")
    i, j = axis_index(axis1, a.ndim, "diagonal"), axis_index(axis2, a.ndim, "diagonal")
    if i == j:
        raise AxisError(f"diagonal got axis1 and axis2 both {axis1}: they must differ.")
    x = s.transpose(a, [d for d in range(a.ndim) if d not in (i, j)] + [i, j])
    *lead, rows, columns = x.shape
    first, left = max(-offset, 0), max(offset, 0)
    n = max(min(rows - first, columns - left), 0)
    # A matrix whose rows are one longer, read as one row: its diagonal lies at equal distances, columns + 1 apart.
    keep = len(lead)
    flat = s.reshape(x, (*lead, rows * columns))
    start = first * columns + left
    if n == 0:
        return s.slice_axis(flat, keep, 0, 0)
    return s.slice_axis(flat, keep, start, start + (n - 1) * (columns + 1) + 1, columns + 1)


@like_numpy(np.diag)
def diag(v: Any, k: int = 0) -> Any:
    """A matrix with the vector ``v`` on diagonal ``k``, or that diagonal of the matrix ``v``."""
    v, k = value(v, "diag"), static_int(k, "diag", "k")
    if v.ndim == 2:
        return diagonal.staged(v, k)
    if v.ndim != 1:
        raise ShapeError(f"diag needs a vector or a matrix, got shape {v.shape}.")
    n, total = v.size, v.size + abs(k)
    if total == 0:
        return s.full((0, 0), 0, v.dtype)
    start = -k * total if k < 0 else k
    covered = max(n - 1, 0) * (total + 1) + min(n, 1)
    flat = s.pad(v, e.full_like(v, 0), (start,), (total * total - start - covered,), (total,))
    return s.reshape(flat, (total, total))


@like_numpy(np.diagflat)
def diagflat(v: Any, k: int = 0) -> Any:
    """A matrix with the flattened ``v`` on diagonal ``k``."""
    return diag.staged(ravel.staged(v), k)


@like_numpy(np.trace)
def trace(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1, dtype: Any = None, out: Any = None) -> Any:
    """Sum of a diagonal."""
    refuse("trace", out=out)
    return _sum.staged(
        diagonal.staged(a, offset, axis1, axis2), -1, None if dtype is None else static_dtype(dtype)
    )


# Static indices

s_, index_exp = np.s_, np.index_exp


def _static_indices(reference: Any) -> Any:
    """A function of sizes alone that gives index arrays: constants."""
    return like_numpy(reference)(reference)


diag_indices = _static_indices(np.diag_indices)
tril_indices = _static_indices(np.tril_indices)
triu_indices = _static_indices(np.triu_indices)


def _indices_from(name: str) -> Any:
    """The positions of `diag_indices` and kin for the shape of an array."""
    reference = getattr(np, name)

    def definition(arr: Any, *k: Any) -> Any:
        return reference(np.empty(np.shape(arr), bool), *k)

    definition.__name__ = definition.__qualname__ = name
    definition.__doc__ = f"NumPy's ``{name}``: constants, whatever the array holds. See `numpy.{name}`."
    return like_numpy(None)(definition)


diag_indices_from = _indices_from("diag_indices_from")
tril_indices_from = _indices_from("tril_indices_from")
triu_indices_from = _indices_from("triu_indices_from")


def mask_indices(n: Any, mask_func: Any, k: Any = 0, *, size: int | None = None) -> Any:
    """Row and column of the elements of a matrix of ``n`` rows and columns that ``mask_func(ones, k)`` leaves.

    Args:
        n: number of rows and of columns.
        mask_func: a function such as `triu`.
        k: its second argument.
        size: how many there are, where a traced ``k`` leaves that open; the rest are zeros.
    """
    from weft.numpy.creation import ones
    from weft.numpy.searching import nonzero

    masked = mask_func(ones((static_int(n, "mask_indices", "n"),) * 2, int), k)
    return nonzero(masked != 0, size=size)


@like_numpy(lambda *args: np.ix_(*args))
def ix_(*args: Any) -> Any:
    """Vectors as an open mesh: ``x[ix_([0, 2], [1, 3])]`` takes rows and columns. Masks must be known."""
    vectors = [value(v, "ix_") for v in args]
    if any(v.ndim != 1 for v in vectors):
        raise ShapeError(f"ix_ needs vectors, got shapes {', '.join(str(v.shape) for v in vectors)}.")
    plain = [
        np.nonzero(concrete(v, "ix_ needs the values of a mask"))[0] if v.dtype == bool else v
        for v in vectors
    ]
    return tuple(
        [s.reshape(v, [v.size if i == d else 1 for i in range(len(plain))]) for d, v in enumerate(plain)]
    )


def _integers(x: Any, name: str) -> Any:
    x = value(x, name)
    if x.dtype.kind not in "biu" and x.size:
        raise DTypeError(f"{name} takes positions, which are integers; got {x.dtype}.")
    return e.cast(x, INT64)


@like_numpy(np.unravel_index)
def unravel_index(indices: Any, shape: Any, order: str = "C") -> Any:
    """Positions on each axis of elements of a flattened array."""
    flat, lengths = _integers(indices, "unravel_index"), static_shape(shape, "unravel_index")
    if order not in ("C", "F"):
        raise ArgumentError(f"unravel_index got order={order!r}: it is 'C' or 'F'.")
    out = []
    for n in lengths if order == "F" else reversed(lengths):
        out.append(e.mod(flat, e.full_like(flat, n)))
        flat = e.floor_div(flat, e.full_like(flat, n))
    return tuple(out if order == "F" else out[::-1])


@like_numpy(np.ravel_multi_index)
def ravel_multi_index(multi_index: Any, dims: Any, mode: str = "raise", order: str = "C") -> Any:
    """Position in the flattened array of elements given by their position on each axis."""
    lengths = static_shape(dims, "ravel_multi_index", "dims")
    indices = [_integers(i, "ravel_multi_index") for i in multi_index]
    if mode == "raise" or len(indices) != len(lengths):
        raise ArgumentError(
            f"ravel_multi_index got {len(indices)} index arrays for {len(lengths)} axes and mode={mode!r}: traced indices need "
            f"one an axis, and mode 'clip' or 'wrap', as they cannot raise."
        )
    pairs = list(zip(indices, lengths, strict=True))
    flat: Any = np.zeros((), np.int64)
    for i, n in pairs if order == "C" else reversed(pairs):
        inside = (
            e.mod(i, e.full_like(i, n))
            if mode == "wrap"
            else e.minimum(e.maximum(i, e.full_like(i, 0)), e.full_like(i, n - 1))
        )
        flat = e.add(
            *dispatch.broadcast_values("ravel_multi_index", e.mul(flat, np.asarray(n, INT64)), inside)
        )
    return flat
