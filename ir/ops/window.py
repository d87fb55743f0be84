"""Folds of sliding windows: sum, product, extrema and logic of each window, and where its extrema are.

The one idea: a window is folded one axis after the other, since every fold here may be taken in any order. The extrema
have their derivatives from the *place* of the extremal element: what a window passes on is a gather, and backward a
scatter, with the rules that those have.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from weft.ir.errors import DTypeError, ShapeError
from weft.ir.ops.elementwise import add, lt, mul, select, sub
from weft.ir.ops.half import in_compute_dtype
from weft.ir.ops.index import gather
from weft.ir.ops.shape import full, iota, reshape, slice_axis
from weft.ir.ops.windows import dilated, spread_and_padded, window_count, windows_of
from weft.ir.primitive import Primitive, library
from weft.ir.rules import KINDS, no_tangent, to_front, transposed
from weft.ir.types import INT64, ArrayType, bfloat16, is_bool, is_complex, is_inexact, is_integer

Combine = Callable[[tuple[Any, ...], tuple[Any, ...]], tuple[Any, ...]]
"""Folds two tuples of arrays of one shape, element by element."""


def fold_windows(
    combine: Combine,
    xs: Sequence[Any],
    window: Sequence[int],
    strides: Sequence[int],
    dilation: Sequence[int],
) -> tuple[Any, ...]:
    """Fold the windows of arrays of one shape with any associative operation, in about ``log2`` of its size steps an axis.

    Elements come in row-major order: ``combine(earlier, later)``. Windows are not empty.
    """
    parts = tuple(xs)
    for axis in reversed(range(len(window))):
        parts = fold_axis(combine, parts, axis, window[axis], strides[axis], dilation[axis])
    return parts


def fold_axis(
    combine: Combine, xs: tuple[Any, ...], axis: int, k: int, stride: int, dilation: int
) -> tuple[Any, ...]:
    """Windows of ``k`` from those of powers of two: a window of ``m + n`` is one of ``m``, then one of ``n``, ``m`` later."""
    count = window_count(xs[0].shape[axis], k, stride, (0, 0), 1, dilation)

    def windows(parts: tuple[Any, ...], start: int, n: int, step: int) -> tuple[Any, ...]:
        first, limit = (start, start + (n - 1) * step + 1) if n else (0, 0)
        return tuple(slice_axis(p, axis, first, limit, step) for p in parts)

    found: tuple[Any, ...] | None = None  # windows of the ``covered`` first elements, at their strides
    covered, size, doubled = 0, 1, xs
    while True:
        if k & size:
            later = windows(doubled, covered * dilation, count, stride)
            found = later if found is None else combine(found, later)
            covered += size
        if covered == k:
            assert found is not None
            return found
        n = max(doubled[0].shape[axis] - size * dilation, 0)
        doubled = combine(windows(doubled, 0, n, 1), windows(doubled, size * dilation, n, 1))
        size *= 2
        if size in _STORED:
            doubled = tuple(map(_stored, doubled))


# Windows that are kept: an element of larger ones would be computed from as many elements as they have.
_STORED = frozenset(4**n for n in range(1, 32))


def _stored(x: Any) -> Any:
    """``x``, to be computed once and kept: as a fold of windows of one element, which no kernel takes apart."""
    op = "or" if is_bool(x.dtype) else "add"
    return reduce_window(op, x, (1,) * len(x.shape))


# The table of folds


def least(dtype: np.dtype) -> Any:
    """What is below everything, and so the maximum of nothing."""
    if is_bool(dtype):
        return False
    return np.iinfo(dtype).min if is_integer(dtype) else float("-inf")


def greatest(dtype: np.dtype) -> Any:
    """What is above everything."""
    if is_bool(dtype):
        return True
    return np.iinfo(dtype).max if is_integer(dtype) else float("inf")


def _all_ones(dtype: np.dtype) -> Any:
    return True if is_bool(dtype) else dtype.type(0) if is_inexact(dtype) else np.bitwise_not(dtype.type(0))


IDENTITIES: dict[str, Callable[[np.dtype], Any]] = {
    "add": lambda dtype: 0,
    "mul": lambda dtype: 1,
    "max": least,
    "min": greatest,
    "and": _all_ones,
    "or": lambda dtype: 0,
}
"""What a fold by a scalar operation makes of nothing, for a dtype."""


def identity(op: str, dtype: np.dtype) -> np.ndarray:
    """The identity of a fold, as a scalar array."""
    return np.asarray(IDENTITIES[op](dtype)).astype(dtype)


def _check_window(name: str, x: ArrayType, params: Any) -> tuple[int, ...]:
    """The shape of the result."""
    for key, values in params.items():
        if len(values) != x.ndim:
            raise ShapeError(f"{name} of {x} needs {key} with an item for each axis; got {values}.")
        bound = 0 if key == "window" else 1
        if key != "padding" and any(v < bound for v in values):
            raise ShapeError(f"{name} of {x} needs {key} of at least {bound}; got {values}.")
    axes = zip(
        x.shape,
        params["window"],
        params["strides"],
        params["padding"],
        params["base_dilation"],
        params["dilation"],
        strict=True,
    )
    return tuple(window_count(*axis) for axis in axes)


def _window_type(name: str, kind: str) -> Callable[..., ArrayType]:
    def type_rule(x: ArrayType, **params: Any) -> ArrayType:
        if not KINDS[kind](x.dtype):
            raise DTypeError(
                f"{name} does not accept dtype {x.dtype}: its argument must be {kind}. It got {x}."
            )
        return x.with_shape(_check_window(name, x, params))

    return type_rule


def _window_reference(op: str, ufunc: np.ufunc) -> Callable[..., np.ndarray]:
    @in_compute_dtype
    def reference(
        x: np.ndarray, *, window: Any, strides: Any, padding: Any, base_dilation: Any, dilation: Any
    ) -> Any:
        start = identity(op, x.dtype)
        part = spread_and_padded(x, start, padding, base_dilation)
        for axis in reversed(range(x.ndim)):
            if window[axis] == strides[axis] == 1:
                continue
            ones, along = [1] * x.ndim, (window[axis], strides[axis], dilation[axis])
            view = windows_of(part, *([*ones[:axis], v, *ones[axis + 1 :]] for v in along))
            part = np.full(view.shape[: x.ndim], start)
            for k in range(window[axis]):
                part = ufunc(part, view.take(k, x.ndim + axis).reshape(part.shape))
        return part

    return reference


def _window_batch(prim: Primitive, args: Any, axes: Any, size: int, params: Any) -> Any:
    return (prim.bind(to_front(args[0], axes[0], size), **_of_batch(params)),), (0,)


def _of_batch(params: Any) -> dict[str, Any]:
    """Params with a leading axis that windows do not cover."""
    return {key: ((0, 0) if key == "padding" else 1, *values) for key, values in params.items()}


def _define(name: str, kind: str, ufunc: np.ufunc, op: str, jvp: Any, transpose: Any = None) -> Primitive:
    """Declare a fold of windows: one row of a table."""
    return Primitive(
        name,
        type_rule=_window_type(name, kind),
        reference=_window_reference(op, ufunc),
        jvp=jvp,
        transpose=transpose,
        batch=_window_batch,
        lower=library(name),
    )


# Derivatives


def _sum_jvp(prim: Primitive, primals: Any, tangents: Any, params: Any, answer: Any) -> Any:
    return answer(), (prim.bind(tangents[0], **params),)


def _sum_transpose(ct: Any, x: ArrayType, **params: Any) -> Any:
    """Each element gets the sum over the windows it is in: windows of the cotangent, spread by the strides."""
    if 0 in ct.shape or 0 in x.shape or 0 in params["window"]:
        return full(x.shape, 0, x.dtype)
    padding = []
    axes = zip(
        x.shape,
        ct.shape,
        params["window"],
        params["strides"],
        params["padding"],
        params["base_dilation"],
        params["dilation"],
        strict=True,
    )
    for n, count, k, stride, (low, _), spread, apart in axes:
        before = dilated(k, apart) - 1 - low
        padding.append((before, dilated(n, spread) - 1 + dilated(k, apart) - dilated(count, stride) - before))
    return window_sum_p.bind(
        ct,
        window=params["window"],
        strides=params["base_dilation"],
        padding=tuple(padding),
        base_dilation=params["strides"],
        dilation=params["dilation"],
    )


def _prod_jvp(prim: Primitive, primals: Any, tangents: Any, params: Any, answer: Any) -> Any:
    """Pairs (product, tangent) are folded by the product rule: without division, so zeros are exact."""
    outs, padding, spread = answer(), params["padding"], params["base_dilation"]
    if 0 in params["window"]:
        return outs, (None,)
    dtype = primals[0].dtype
    p = spread_and_padded(primals[0], identity("mul", dtype), padding, spread)
    t = spread_and_padded(tangents[0], identity("add", dtype), padding, spread)

    def times(a: tuple[Any, ...], b: tuple[Any, ...]) -> tuple[Any, ...]:
        return mul(a[0], b[0]), add(mul(a[1], b[0]), mul(a[0], b[1]))

    _, tangent = fold_windows(times, (p, t), params["window"], params["strides"], params["dilation"])
    return outs, (tangent,)


def _extremum_jvp(arg: Callable[[], Primitive]) -> Callable[..., Any]:
    def jvp(prim: Primitive, primals: Any, tangents: Any, params: Any, answer: Any) -> Any:
        """The tangent of the first extremal element; of none (a window of padding alone), zero."""
        places = arg().bind(primals[0], **params)
        return answer(), (pick(tangents[0], places),)

    return jvp


def pick(x: Any, places: Any) -> Any:
    """The elements of ``x`` at flat positions; 0 where a position is negative."""
    return gather(reshape(x, (int(np.prod(x.shape, dtype=np.int64)),)), [places], (0,), "fill", 0)


window_sum_p = _define("window_sum", "number", np.add, "add", _sum_jvp, transposed(_sum_transpose))
window_prod_p = _define("window_prod", "number", np.multiply, "mul", _prod_jvp)
window_max_p = _define("window_max", "ordered", np.maximum, "max", _extremum_jvp(lambda: window_argmax_p))
window_min_p = _define("window_min", "ordered", np.minimum, "min", _extremum_jvp(lambda: window_argmin_p))
window_and_p = _define("window_and", "logical", np.bitwise_and, "and", no_tangent)
window_or_p = _define("window_or", "logical", np.bitwise_or, "or", no_tangent)

WINDOW_FOLDS: dict[str, Primitive] = {
    "add": window_sum_p,
    "mul": window_prod_p,
    "max": window_max_p,
    "min": window_min_p,
    "and": window_and_p,
    "or": window_or_p,
}
"""The primitives by the scalar operation they fold with."""


# Places of extrema


def _arg_type(name: str) -> Callable[..., ArrayType]:
    def type_rule(x: ArrayType, **params: Any) -> ArrayType:
        if is_complex(x.dtype):
            raise DTypeError(
                f"{name} does not accept dtype {x.dtype}: complex numbers have no order. It got {x}."
            )
        return ArrayType(_check_window(name, x, params), INT64)

    return type_rule


def _arg_reference(op: str, arg: Callable[..., np.ndarray]) -> Callable[..., np.ndarray]:
    def reference(
        x: np.ndarray, *, window: Any, strides: Any, padding: Any, base_dilation: Any, dilation: Any
    ) -> Any:
        own = np.arange(x.size).reshape(x.shape)
        places = windows_of(
            spread_and_padded(own, np.asarray(-1), padding, base_dilation), window, strides, dilation
        )
        wide = x.astype(np.float32) if x.dtype == bfloat16 else x
        start = identity(op, wide.dtype)
        values = windows_of(spread_and_padded(wide, start, padding, base_dilation), window, strides, dilation)
        shape = places.shape[: x.ndim]
        size = int(np.prod(window))
        if not size:
            return np.full(shape, -1)
        places = places.reshape(*shape, size)
        # What is padding comes last, so that it is never the first of equals.
        order = np.argsort(places < 0, axis=-1, kind="stable")
        places = np.take_along_axis(places, order, -1)
        values = np.take_along_axis(values.reshape(*shape, size), order, -1)
        return np.take_along_axis(places, arg(values, axis=-1)[..., None], -1)[..., 0]

    return reference


def _arg_batch(prim: Primitive, args: Any, axes: Any, size: int, params: Any) -> Any:
    x = to_front(args[0], axes[0], size)
    places = prim.bind(x, **_of_batch(params))
    before = mul(iota(INT64, places.shape, 0), int(np.prod(x.shape[1:], dtype=np.int64)))
    return (select(lt(places, 0), places, sub(places, before)),), (0,)


def _define_arg(name: str, op: str, arg: Callable[..., np.ndarray]) -> Primitive:
    return Primitive(
        name,
        type_rule=_arg_type(name),
        reference=_arg_reference(op, arg),
        jvp=no_tangent,
        transpose=None,
        batch=_arg_batch,
        lower=library(name),
    )


window_argmax_p: Primitive = _define_arg("window_argmax", "max", np.argmax)
window_argmin_p: Primitive = _define_arg("window_argmin", "min", np.argmin)


# Functions


def window_params(
    ndim: int,
    window: Sequence[int],
    strides: Sequence[int] | None = None,
    padding: Sequence[tuple[int, int]] | None = None,
    base_dilation: Sequence[int] | None = None,
    dilation: Sequence[int] | None = None,
) -> dict[str, Any]:
    """The params of these primitives, with ones and no padding where nothing is given."""

    def integers(values: Sequence[int] | None) -> tuple[int, ...]:
        return (1,) * ndim if values is None else tuple(map(int, values))

    pairs = ((0, 0),) * ndim if padding is None else tuple((int(low), int(high)) for low, high in padding)
    return {
        "window": integers(window),
        "strides": integers(strides),
        "padding": pairs,
        "base_dilation": integers(base_dilation),
        "dilation": integers(dilation),
    }


def reduce_window(op: str, x: Any, window: Sequence[int], **options: Any) -> Any:
    """Fold the elements of each window.

    Args:
        op: "add", "mul", "max", "min", "and" or "or".
        x: array. 16-bit floats are summed in float32.
        window: the sizes of a window on all axes.
        **options: ``strides``, ``padding`` (pairs), ``base_dilation`` and ``dilation``, with an item for each axis; see
            `windows.py`. What is padded, and what is between elements, is the identity of the fold.

    Returns:
        Array of the dtype of ``x``, with an element for each window.

    Raises:
        ShapeError, DTypeError: the options do not fit to ``x``.
    """
    return WINDOW_FOLDS[op].bind(x, **window_params(len(x.shape), window, **options))


def window_argmax(x: Any, window: Sequence[int], **options: Any) -> Any:
    """The flat position in ``x`` of the first maximum of each window; -1 where a window has no element of ``x``."""
    return window_argmax_p.bind(x, **window_params(len(x.shape), window, **options))


def window_argmin(x: Any, window: Sequence[int], **options: Any) -> Any:
    """The flat position in ``x`` of the first minimum of each window; -1 where a window has no element of ``x``."""
    return window_argmin_p.bind(x, **window_params(len(x.shape), window, **options))
