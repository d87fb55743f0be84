"""`weft.flatten_util`: a tree of arrays as one vector, and back."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from weft.engine import tree
from weft.engine.array import to_value, wrap_value
from weft.engine.dispatch import common_dtype
from weft.ir.errors import DTypeError, ShapeError
from weft.ir.ops.elementwise import cast, real
from weft.ir.ops.shape import concatenate, reshape, slice_axis
from weft.ir.types import FLOAT64, is_complex

__all__ = ["ravel_pytree"]


def ravel_pytree(pytree: Any) -> tuple[Any, Callable[[Any], Any]]:
    """All elements of a tree of arrays in one vector.

    Args:
        pytree: tree of arrays and numbers.

    Returns:
        ``(vector, unravel)``: the vector has the dtype to which those of the leaves promote; ``unravel(vector)`` gives a tree
        of the same structure, shapes and dtypes. It takes vectors of this length and dtype only.
    """
    leaves, treedef = tree.flatten(pytree)
    values = [to_value(x, "a leaf of ravel_pytree") for x in leaves]
    shapes = [tuple(v.shape) for v in values]
    dtypes = [v.dtype for v in values]
    dtype = common_dtype(*[np.empty(0, d) for d in dtypes]) if values else FLOAT64
    sizes = [math.prod(shape) for shape in shapes]
    total = sum(sizes)
    flat = [cast(reshape(v, (n,)), dtype) for v, n in zip(values, sizes, strict=True)]
    vector = concatenate(flat, 0) if flat else np.zeros(0, dtype)

    def unravel(vector: Any) -> Any:
        """The tree of the elements of a vector."""
        value = to_value(vector, "the vector given to unravel")
        if value.shape != (total,):
            raise ShapeError(
                f"unravel takes a vector of shape ({total},), got an array of shape {value.shape}."
            )
        if value.dtype != dtype:
            raise DTypeError(f"unravel takes a vector of {dtype}, as ravel_pytree gave, got {value.dtype}.")
        found, start = [], 0
        for n, shape, kind in zip(sizes, shapes, dtypes, strict=True):
            part = reshape(slice_axis(value, 0, start, start + n), shape)
            if is_complex(part.dtype) and not is_complex(kind):
                part = real(part)
            found.append(wrap_value(cast(part, kind)))
            start += n
        return tree.unflatten(treedef, found)

    return wrap_value(vector), unravel
