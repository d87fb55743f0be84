"""Sorting, and searching in what is sorted.

The one idea: `sort` carries several operands along by one permutation, so argsort is a sort that carries the
positions, and the derivative is the same permutation of the tangents. The order is total: NaN comes last,
-0.0 equals 0.0, complex numbers go by real, then imaginary part; equal elements stay in their order.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from weft.ir.errors import ArgumentError, AxisError, DTypeError, ShapeError
from weft.ir.ops.elementwise import cast
from weft.ir.ops.half import widened
from weft.ir.ops.shape import iota, move_axis, reverse, slice_axis
from weft.ir.primitive import NOT_MAPPED, Primitive, library
from weft.ir.rules import no_tangent, to_front
from weft.ir.types import INT64, ArrayType, is_integer


def _sort_type(*operands: ArrayType, axis: int, num_keys: int) -> tuple[ArrayType, ...]:
    if len({x.shape for x in operands}) != 1:
        raise ShapeError(f"sort needs operands of one shape, got {', '.join(map(str, operands))}.")
    if not 0 <= axis < operands[0].ndim:
        raise AxisError(f"sort of {operands[0]} got axis {axis}.")
    if not 1 <= num_keys <= len(operands):
        raise ArgumentError(f"sort of {len(operands)} operands got num_keys={num_keys}.")
    return operands


def _sort_reference(*operands: np.ndarray, axis: int, num_keys: int) -> tuple[np.ndarray, ...]:
    if len(operands) == 1:
        # Equal elements are alike but for zeros of two signs: without these NumPy's fastest way is stable enough.
        x = operands[0]
        wide = widened(x)
        mixed = wide.dtype.kind in "fc" and bool(np.any((wide == 0) & np.signbit(wide.real)))
        kind: Literal["stable"] | None = "stable" if mixed or wide.dtype.kind == "c" else None
        return (np.sort(wide, axis, kind=kind).astype(x.dtype, copy=False),)
    keys = [widened(x) for x in operands[:num_keys]]
    if num_keys == 1:
        order = np.argsort(keys[0], axis, kind="stable")
    else:
        order = np.lexsort(keys[::-1], axis)
    return tuple(np.take_along_axis(x, order, axis) for x in operands)


def _sort_jvp(prim: Primitive, primals: Any, tangents: Any, params: Any, answer: Any) -> Any:
    """Sort once, carrying the positions, and take the tangents from there."""
    from weft.ir.ops.index import take_along_axis

    axis = params["axis"]
    *outs, order = prim.bind(*primals, iota(INT64, primals[0].shape, axis), **params)
    return tuple(outs), tuple(
        None if t is None else take_along_axis(t, order, axis, "promise") for t in tangents
    )


def _sort_batch(prim: Primitive, args: Any, axes: Any, size: int, params: Any) -> Any:
    fronted = [to_front(x, b, size) for x, b in zip(args, axes, strict=True)]
    outs = prim.bind(*fronted, axis=params["axis"] + 1, num_keys=params["num_keys"])
    return outs, (0,) * len(outs)


sort_p = Primitive(
    "sort",
    type_rule=_sort_type,
    reference=_sort_reference,
    jvp=_sort_jvp,
    transpose=None,
    batch=_sort_batch,
    lower=library("sort"),
    multiple=True,
)


def sort_many(operands: Sequence[Any], axis: int, num_keys: int = 1) -> tuple[Any, ...]:
    """Operands of one shape, sorted together along ``axis`` by the first ``num_keys`` of them."""
    outs: tuple[Any, ...] = sort_p.bind(*operands, axis=axis, num_keys=num_keys)
    return outs


def sort(x: Any, axis: int) -> Any:
    """``x`` sorted along ``axis``."""
    return sort_many([x], axis)[0]


def _sort_with_positions(x: Any, axis: int, dtype: Any, descending: bool) -> tuple[Any, Any]:
    """``x`` sorted, and where each element was; equal elements keep their order in both directions."""
    positions = iota(dtype, x.shape, axis)
    if not descending:
        values, order = sort_many([x, positions], axis)
        return values, order
    # Turned round before as well as after, so that equal elements keep their order.
    values, order = sort_many([reverse(x, (axis,)), reverse(positions, (axis,))], axis)
    return reverse(values, (axis,)), reverse(order, (axis,))


def argsort(x: Any, axis: int, *, descending: bool = False, dtype: Any = INT64) -> Any:
    """The positions along ``axis`` that sort ``x``; stable. NaN comes last, first in descending order."""
    return _sort_with_positions(x, axis, dtype, descending)[1]


# The largest


def _top_k_type(x: ArrayType, *, k: int) -> tuple[ArrayType, ArrayType]:
    if not x.ndim or not 0 < k <= x.shape[-1]:
        raise ArgumentError(f"top_k got k={k} for the last axis of {x}.")
    out = x.with_shape((*x.shape[:-1], k))
    return out, out.with_dtype(INT64)


def _top_k_reference(x: np.ndarray, *, k: int) -> tuple[np.ndarray, np.ndarray]:
    # Turned round, so that of equal elements the first ones are behind, where the largest are.
    order = np.argsort(np.flip(widened(x), -1), -1, kind="stable")
    order = x.shape[-1] - 1 - np.flip(order[..., x.shape[-1] - k :], -1)
    return np.take_along_axis(x, order, -1), order.astype(INT64, copy=False)


def _top_k_jvp(prim: Primitive, primals: Any, tangents: Any, params: Any, answer: Any) -> Any:
    from weft.ir.ops.index import take_along_axis

    values, order = answer()
    (t,) = tangents
    return (values, order), (take_along_axis(t, order, len(t.shape) - 1, "promise"), None)


def _top_k_batch(prim: Primitive, args: Any, axes: Any, size: int, params: Any) -> Any:
    return prim.bind(to_front(args[0], axes[0], size), **params), (0, 0)


top_k_p = Primitive(
    "top_k",
    type_rule=_top_k_type,
    reference=_top_k_reference,
    jvp=_top_k_jvp,
    transpose=None,
    batch=_top_k_batch,
    lower=library("top_k"),
    multiple=True,
)

_MOST, _SHARE = (
    256,
    4,
)  # the largest k, and the least number of elements for each, that are not found by sorting


def top_k(x: Any, k: int, axis: int = -1, *, dtype: Any = INT64) -> tuple[Any, Any]:
    """The ``k`` largest elements along ``axis``, largest first, and where they were; NaN comes first."""
    axis %= len(x.shape)
    n = x.shape[axis]
    if not 0 <= k <= n:
        raise ArgumentError(f"top_k got k={k} for an axis of {n} elements.")
    if 0 < k <= _MOST and k * _SHARE <= n:
        last = len(x.shape) - 1
        found = top_k_p.bind(move_axis(x, axis, last), k=k)
        values, order = (move_axis(one, last, axis) for one in found)
        return values, cast(order, np.dtype(dtype))
    values, order = _sort_with_positions(x, axis, dtype, True)
    return slice_axis(values, axis, 0, k), slice_axis(order, axis, 0, k)


# Searching


def _search_type(table: ArrayType, values: ArrayType, *, side: str, dtype: np.dtype) -> ArrayType:
    if side not in ("left", "right"):
        raise ArgumentError(f'searchsorted needs side "left" or "right", got {side!r}.')
    if table.dtype != values.dtype or not is_integer(dtype):
        raise DTypeError(
            f"searchsorted got {table} and {values} of different dtypes, or a result dtype {dtype}."
        )
    leading = table.shape[:-1]
    if not table.shape or values.shape[: len(leading)] != leading:
        raise ShapeError(
            f"searchsorted needs values of shape {leading} and further axes for {table}, got {values}."
        )
    return values.with_dtype(dtype)


def _search_reference(table: np.ndarray, values: np.ndarray, *, side: Any, dtype: np.dtype) -> np.ndarray:
    wide, wanted = widened(table), widened(values)
    out = np.empty(values.shape, dtype)
    for i in np.ndindex(table.shape[:-1]):
        out[i] = np.searchsorted(wide[i], wanted[i], side)
    return out


def _search_batch(prim: Primitive, args: Any, axes: Any, size: int, params: Any) -> Any:
    (table, values), (table_axis, values_axis) = args, axes
    if table_axis is NOT_MAPPED and len(table.shape) == 1:
        return (prim.bind(table, values, **params),), (values_axis,)
    out = prim.bind(to_front(table, table_axis, size), to_front(values, values_axis, size), **params)
    return (out,), (0,)


searchsorted_p = Primitive(
    "searchsorted",
    type_rule=_search_type,
    reference=_search_reference,
    jvp=no_tangent,
    transpose=None,
    batch=_search_batch,
    lower=library("searchsorted"),
)


def searchsorted(table: Any, values: Any, side: str = "left", *, dtype: Any = INT64) -> Any:
    """Where to insert ``values`` into the last axis of ``table``, which is sorted, to keep it so.

    Leading axes of ``table`` are leading axes of ``values`` too: each row has its own. "left" gives the
    first place that will do, "right" the last. NaN is after all numbers.
    """
    return searchsorted_p.bind(table, values, side=side, dtype=np.dtype(dtype))
