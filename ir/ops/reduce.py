"""Reductions: sum, product, extrema and logic over axes, and the positions of extrema.

The one idea: a reduction removes the axes named in ``axes`` and keeps the dtype; what NumPy widens (small
integers, bool) is cast before. float16 and bfloat16 are summed in float32 and rounded once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from weft.ir.errors import AxisError, DTypeError, ShapeError
from weft.ir.ops import elementwise
from weft.ir.ops.cumulative import cumprod, shift
from weft.ir.ops.half import in_compute_dtype, widened
from weft.ir.ops.shape import broadcast, reshape, transpose
from weft.ir.primitive import Lowering, Primitive, reduce
from weft.ir.rules import KINDS, no_tangent, transposed
from weft.ir.types import INT64, ArrayType, type_of

Axes = tuple[int, ...]


def kept_axes(ndim: int, axes: Sequence[int]) -> Axes:
    """The axes that a reduction over ``axes`` leaves, in order."""
    return tuple(i for i in range(ndim) if i not in axes)


def _check_axes(name: str, x: ArrayType, axes: Axes) -> None:
    if list(axes) != sorted(set(axes)) or any(not 0 <= a < x.ndim for a in axes):
        raise AxisError(f"{name} of {x} needs distinct axes of {x.ndim} in increasing order. It got {axes}.")


def _check_kind(name: str, x: ArrayType, kind: str) -> None:
    if not KINDS[kind](x.dtype):
        raise DTypeError(f"{name} does not accept dtype {x.dtype}: its argument must be {kind}. It got {x}.")


def _check_filled(name: str, x: ArrayType, axes: Axes) -> None:
    """Extrema have no identity: something must be reduced (an empty result needs nothing)."""
    if x.size == 0 and any(x.shape[a] == 0 for a in axes):
        raise ShapeError(f"{name} of {x} over axes {axes}: no elements have no largest or smallest.")


def _reduced_type(name: str, kind: str, *, filled: bool) -> Callable[..., ArrayType]:
    def type_rule(x: ArrayType, *, axes: Axes) -> ArrayType:
        _check_axes(name, x, axes)
        _check_kind(name, x, kind)
        if filled:
            _check_filled(name, x, axes)
        return x.with_shape(tuple(x.shape[i] for i in kept_axes(x.ndim, axes)))

    return type_rule


def _reduced_reference(name: str, ufunc: np.ufunc, *, filled: bool) -> Callable[..., np.ndarray]:
    @in_compute_dtype
    def reference(x: np.ndarray, *, axes: Axes) -> np.ndarray:
        if not axes:  # not 0 + x, which loses the sign of -0.0
            return x
        if filled and x.size == 0:
            _check_filled(name, type_of(x), axes)
        result: np.ndarray = ufunc.reduce(x, axes, x.dtype)
        return result

    return reference


def _reduced_batch(prim: Primitive, args: Any, axes: Any, size: int, params: Any) -> Any:
    b = axes[0]
    shifted = tuple(a + (a >= b) for a in params["axes"])
    return (prim.bind(args[0], axes=shifted),), (b - sum(a < b for a in shifted),)


def define(
    name: str, kind: str, ufunc: np.ufunc, fold: str, jvp: Any, transpose: Any = None, *, filled: bool = False
) -> Primitive:
    """Declare a reduction: one row of a table. ``filled`` ones need at least one element to reduce."""
    return Primitive(
        name,
        type_rule=_reduced_type(name, kind, filled=filled),
        reference=_reduced_reference(name, ufunc, filled=filled),
        jvp=jvp,
        transpose=transpose,
        batch=_reduced_batch,
        lower=reduce(fold),
    )


# Derivatives


def _spread(y: Any, shape: tuple[int, ...], axes: Axes) -> Any:
    """A reduced value at every element that it came from."""
    return broadcast(y, shape, kept_axes(len(shape), axes))


def _sum_jvp(prim: Primitive, primals: Any, tangents: Any, params: Any, answer: Any) -> Any:
    return answer(), (prim.bind(tangents[0], **params),)


def _extremum_jvp(prim: Primitive, primals: Any, tangents: Any, params: Any, answer: Any) -> Any:
    """The tangents at the extremal elements; elements that tie share equally."""
    outs, x, t, axes = answer(), primals[0], tangents[0], params["axes"]
    chosen = elementwise.eq(x, _spread(outs[0], x.shape, axes))
    count = reduce_sum(elementwise.cast(chosen, x.dtype), axes)
    total = reduce_sum(elementwise.select(chosen, t, elementwise.full_like(t, 0)), axes)
    return outs, (elementwise.div(total, count),)


def _prod_jvp(prim: Primitive, primals: Any, tangents: Any, params: Any, answer: Any) -> Any:
    """Each tangent times the product of the other elements, those before times those after: no division, exact at zeros."""
    outs, axes, (x,), (t,) = answer(), params["axes"], primals, tangents
    axis = axes[0]
    if len(axes) > 1:
        axis, x, t = 0, _flat_axes_first(x, axes), _flat_axes_first(t, axes)
    before = shift(cumprod(x, axis), axis, 1)
    after = shift(cumprod(x, axis, reverse=True), axis, 1, reverse=True)
    return outs, (reduce_sum(elementwise.mul(t, elementwise.mul(before, after)), (axis,)),)


def _flat_axes_first(x: Any, axes: Axes) -> Any:
    """``x`` with ``axes`` made one leading axis."""
    kept = kept_axes(len(x.shape), axes)
    size = int(np.prod([x.shape[a] for a in axes]))
    return reshape(transpose(x, (*axes, *kept)), (size, *(x.shape[i] for i in kept)))


# The table

reduce_sum_p = define(
    "reduce_sum",
    "number",
    np.add,
    "add",
    _sum_jvp,
    transposed(lambda ct, x, axes: _spread(ct, x.shape, axes)),
)
reduce_prod_p = define("reduce_prod", "number", np.multiply, "mul", _prod_jvp)
reduce_max_p = define("reduce_max", "any", np.maximum, "max", _extremum_jvp, filled=True)
reduce_min_p = define("reduce_min", "any", np.minimum, "min", _extremum_jvp, filled=True)
reduce_and_p = define("reduce_and", "logical", np.bitwise_and, "and", no_tangent)
reduce_or_p = define("reduce_or", "logical", np.bitwise_or, "or", no_tangent)


def _apply(prim: Primitive, x: Any, axes: Sequence[int]) -> Any:
    return prim.bind(x, axes=tuple(sorted(axes))) if len(axes) else x


def reduce_sum(x: Any, axes: Sequence[int]) -> Any:
    """The sum over ``axes``, which are removed; 0 of no elements."""
    return _apply(reduce_sum_p, x, axes)


def reduce_prod(x: Any, axes: Sequence[int]) -> Any:
    """The product over ``axes``; 1 of no elements."""
    return _apply(reduce_prod_p, x, axes)


def reduce_max(x: Any, axes: Sequence[int]) -> Any:
    """The largest element over ``axes``; NaN if there is one. Ties share the derivative equally."""
    return _apply(reduce_max_p, x, axes)


def reduce_min(x: Any, axes: Sequence[int]) -> Any:
    """The smallest element over ``axes``; NaN if there is one. Ties share the derivative equally."""
    return _apply(reduce_min_p, x, axes)


def reduce_and(x: Any, axes: Sequence[int]) -> Any:
    """Bitwise (bool: logical) and over ``axes``; all ones of no elements."""
    return _apply(reduce_and_p, x, axes)


def reduce_or(x: Any, axes: Sequence[int]) -> Any:
    """Bitwise (bool: logical) or over ``axes``; zero of no elements."""
    return _apply(reduce_or_p, x, axes)


# Positions of extrema


def _position_type(name: str) -> Callable[..., ArrayType]:
    def type_rule(x: ArrayType, *, axis: int, dtype: np.dtype) -> ArrayType:
        _check_axes(name, x, (axis,))
        _check_kind(name, x, "ordered")
        _check_kind(f"{name}, for its result,", x.with_dtype(dtype), "integer")
        _check_filled(name, x, (axis,))
        return ArrayType(x.shape[:axis] + x.shape[axis + 1 :], dtype)

    return type_rule


def _position_reference(name: str, find: Callable[..., Any]) -> Callable[..., np.ndarray]:
    def reference(x: np.ndarray, *, axis: int, dtype: np.dtype) -> np.ndarray:
        _check_filled(name, type_of(x), (axis,))
        position: np.ndarray = find(widened(x), axis=axis)
        return position.astype(dtype)

    return reference


def _position_batch(prim: Primitive, args: Any, axes: Any, size: int, params: Any) -> Any:
    b, axis = axes[0], params["axis"]
    axis += axis >= b
    return (prim.bind(args[0], axis=axis, dtype=params["dtype"]),), (b - (axis < b),)


def _define_position(name: str, find: Callable[..., Any], fold: str) -> Primitive:
    return Primitive(
        name,
        type_rule=_position_type(name),
        reference=_position_reference(name, find),
        jvp=no_tangent,
        transpose=None,
        batch=_position_batch,
        lower=Lowering("argreduce", fold),
    )


argmax_p = _define_position("argmax", np.argmax, "max")
argmin_p = _define_position("argmin", np.argmin, "min")


def argmax(x: Any, axis: int, dtype: Any = INT64) -> Any:
    """The index along ``axis`` of the first largest element, or of the first NaN."""
    return argmax_p.bind(x, axis=axis, dtype=np.dtype(dtype))


def argmin(x: Any, axis: int, dtype: Any = INT64) -> Any:
    """The index along ``axis`` of the first smallest element, or of the first NaN."""
    return argmin_p.bind(x, axis=axis, dtype=np.dtype(dtype))
