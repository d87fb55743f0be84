"""`part_product`: the product of a part of a matrix and a part of a vector, where the parts begin or end at a number.

The one idea: an axis is three regions, before a number k, at it and behind it. A loop that builds a matrix column by column
needs of a product what its masks leave; `weft.ir.passes.triangles` finds that out, after all transformations.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from weft.ir.errors import DTypeError, InternalError, ShapeError
from weft.ir.primitive import Primitive, library
from weft.ir.types import INT64, ArrayType

BEFORE, AT, BEHIND = 1, 2, 4
ALL = BEFORE | AT | BEHIND
"""Sets of regions are sums of these."""


def bounds(regions: int, k: int, size: int) -> tuple[int, int]:
    """Where neighbouring regions of an axis begin and end."""
    first = 0 if regions & BEFORE else k if regions & AT else k + 1
    last = size if regions & BEHIND else k + 1 if regions & AT else k
    return min(max(first, 0), size), min(max(last, 0), size)


def _types(x: ArrayType, y: ArrayType, k: ArrayType, *, axis: int, kept: int, summed: int) -> ArrayType:
    if x.ndim != 2 or y.shape != (x.shape[axis],) or k.shape:
        raise ShapeError(f"part_product along axis {axis} got incompatible arrays: {x}, {y}, {k}.")
    if x.dtype != y.dtype or k.dtype != INT64:
        raise DTypeError(f"part_product takes two arrays of one dtype and an int64, got {x}, {y}, {k}.")
    return ArrayType((x.shape[1 - axis],), x.dtype)


def _reference(x: Any, y: Any, k: Any, *, axis: int, kept: int, summed: int) -> np.ndarray:
    whole = x if axis == 1 else x.T
    out = np.zeros(len(whole), x.dtype)
    (first, last), (low, high) = bounds(kept, int(k), len(whole)), bounds(summed, int(k), len(y))
    out[first:last] = whole[first:last, low:high] @ y[low:high]
    return out


def _batch(prim: Primitive, args: Any, axes: Any, size: int, params: Any) -> Any:
    raise InternalError("a part_product was batched: it is made after all transformations.")


part_product_p = Primitive(
    "part_product",
    type_rule=_types,
    reference=_reference,
    jvp=None,
    transpose=None,
    batch=_batch,
    lower=library("part_product"),
)


def part_product(x: Any, y: Any, k: Any, *, axis: int, kept: int, summed: int) -> Any:
    """Sum ``x`` times ``y`` over the regions ``summed`` of an axis of the matrix ``x``, for the regions ``kept`` of the other.

    Args:
        x: matrix of shape ``(m, n)``.
        y: vector along ``axis`` of ``x``, of the same dtype.
        k: int64 scalar, where regions meet: any number.
        axis: the axis that is summed over.
        kept: neighbouring regions of the other axis. Elsewhere the result is 0.
        summed: neighbouring regions of the axis.

    Returns:
        Vector along the other axis.
    """
    return part_product_p.bind(x, y, k, axis=axis, kept=kept, summed=summed)
