"""`update_slice`: an array with every n-th element of a part of it replaced, such as the red points of a chequerboard.

The one idea: `slice` the other way round. What lies between the elements that are written is not looked at, so a loop over
the new elements is all there is to do, in place where the old array is not wanted any more.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from weft.ir.errors import DTypeError, ShapeError
from weft.ir.ops.shape import limit_of, slice_
from weft.ir.primitive import Primitive, library
from weft.ir.rules import instantiate, is_linear, to_front, zeros_like
from weft.ir.types import ArrayType


def _type(x: ArrayType, update: ArrayType, *, start: tuple[int, ...], strides: tuple[int, ...]) -> ArrayType:
    if update.dtype != x.dtype:
        raise DTypeError(f"update_slice of {x} got an update of another dtype: {update}.")
    fits = x.ndim == update.ndim == len(start) == len(strides) and all(
        0 <= first <= last <= n and step > 0
        for first, last, n, step in zip(
            start, limit_of(start, update.shape, strides), x.shape, strides, strict=True
        )
    )
    if not fits:
        raise ShapeError(f"update_slice cannot write {update} into {x} from {start} in steps of {strides}.")
    return x


def _reference(
    x: np.ndarray, update: np.ndarray, *, start: Sequence[int], strides: Sequence[int]
) -> np.ndarray:
    out = np.array(x, order="C")
    limit = limit_of(start, np.shape(update), strides)
    out[tuple(map(slice, start, limit, strides))] = update
    return out


def _jvp(prim: Primitive, primals: Any, tangents: Any, params: Any, answer: Any) -> Any:
    return answer(), (prim.bind(*instantiate(tangents, primals), **params),)


def _transpose(prim: Primitive, cts: Any, ins: Any, params: Any) -> list[Any]:
    (x, update), ct = ins, cts[0]
    start, strides = params["start"], params["strides"]
    # Read before it is written to, which then can happen in place.
    to_update = (
        slice_(ct, start, limit_of(start, update.shape, strides), strides) if is_linear(update) else None
    )
    return [update_slice(ct, zeros_like(update), start, strides) if is_linear(x) else None, to_update]


def _batch(prim: Primitive, args: Any, axes: Any, size: int, params: Any) -> Any:
    x, update = (to_front(a, axis, size) for a, axis in zip(args, axes, strict=True))
    return (update_slice(x, update, (0, *params["start"]), (1, *params["strides"])),), (0,)


update_slice_p = Primitive(
    "update_slice",
    type_rule=_type,
    reference=_reference,
    jvp=_jvp,
    transpose=_transpose,
    batch=_batch,
    lower=library("update_slice"),
)


def update_slice(x: Any, update: Any, start: Sequence[int], strides: Sequence[int]) -> Any:
    """``x`` with ``update`` written at ``start``, ``start + strides`` and so on along every axis.

    Args:
        x: array of any dtype.
        update: array of the dtype of ``x``, with as many axes.
        start: where its first element goes, on each axis.
        strides: the positive steps between its elements, on each axis. All of them must be inside of ``x``.

    Returns:
        Array of the type of ``x``.

    Raises:
        ShapeError: ``update`` does not fit into ``x``.
        DTypeError: the dtypes differ.
    """
    return update_slice_p.bind(x, update, start=tuple(start), strides=tuple(strides))
