"""Running sums, products, extrema and log-sum-exps, and the linear recurrence that differentiates them.

The one idea: every running fold is y[i] = f(y[i-1], x[i]), so its tangent is a linear recurrence, dy[i] =
(df/dy) dy[i-1] + (df/dx) dx[i]. `linear_recurrence` is closed under differentiation and transposition, so all
are exact in any order, in linear time, and without dividing by anything.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from weft.ir.errors import AxisError, DTypeError, GradientError, ShapeError
from weft.ir.ops.elementwise import add, cast, eq, full_like, gt, is_finite, mul, select, sub
from weft.ir.ops.half import compute_dtype, widened
from weft.ir.ops.shape import pad, slice_axis
from weft.ir.ops.transcendental import exp
from weft.ir.primitive import Primitive, library
from weft.ir.rules import KINDS, instantiate, is_linear, to_front, transposed
from weft.ir.types import ArrayType, is_inexact


def shift(x: Any, axis: int, first: Any, *, reverse: bool = False) -> Any:
    """``x`` one place later along ``axis`` (``reverse``: earlier), with the scalar ``first`` coming in."""
    n = x.shape[axis]
    if n == 0:
        return x
    low, high = [0] * len(x.shape), [0] * len(x.shape)
    (high if reverse else low)[axis] = 1
    rest = slice_axis(x, axis, 1, n) if reverse else slice_axis(x, axis, 0, n - 1)
    return pad(rest, full_like(x, first), low, high)


def _check_axis(name: str, x: ArrayType, axis: int) -> None:
    if not 0 <= axis < x.ndim:
        raise AxisError(f"{name} of {x} got axis {axis}.")


# The linear recurrence


def _recurrence_type(a: ArrayType, b: ArrayType, *, axis: int, reverse: bool) -> ArrayType:
    _check_axis("linear_recurrence", b, axis)
    if a.shape != b.shape:
        raise ShapeError(f"linear_recurrence needs factors and terms of one shape, got {a} and {b}.")
    if a.dtype != b.dtype or not is_inexact(a.dtype):
        raise DTypeError(f"linear_recurrence needs factors and terms of one floating dtype, got {a} and {b}.")
    return b


def _recurrence_reference(a: np.ndarray, b: np.ndarray, *, axis: int, reverse: bool) -> np.ndarray:
    factors, terms = (np.moveaxis(widened(v), axis, 0) for v in (a, b))
    y = np.empty_like(terms)
    carry = np.zeros_like(terms, shape=terms.shape[1:])
    for i in reversed(range(len(terms))) if reverse else range(len(terms)):
        y[i] = carry = factors[i] * carry + terms[i]
    return np.ascontiguousarray(np.moveaxis(y, 0, axis)).astype(b.dtype, copy=False)


def _recurrence_jvp(prim: Primitive, primals: Any, tangents: Any, params: Any, answer: Any) -> Any:
    outs, (a, _), (da, db) = answer(), primals, tangents
    term = db
    if da is not None:
        before = shift(outs[0], params["axis"], 0, reverse=params["reverse"])
        term = mul(da, before) if db is None else add(db, mul(da, before))
    return outs, (prim.bind(a, term, **params),)


def _recurrence_transpose(prim: Primitive, cts: Any, ins: Any, params: Any) -> Any:
    # The adjoint runs the other way: z[i] = ct[i] + a[i+1] z[i+1].
    (a, b), axis, reverse = ins, params["axis"], params["reverse"]
    if is_linear(a):
        raise GradientError("linear_recurrence is not linear in its factors.")
    after = shift(a, axis, 0, reverse=not reverse)
    return [None, prim.bind(after, cts[0], axis=axis, reverse=not reverse) if is_linear(b) else None]


def _batch(prim: Primitive, args: Any, axes: Any, size: int, params: Any) -> Any:
    fronted = [to_front(x, b, size) for x, b in zip(args, axes, strict=True)]
    return (prim.bind(*fronted, axis=params["axis"] + 1, reverse=params["reverse"]),), (0,)


linear_recurrence_p = Primitive(
    "linear_recurrence",
    type_rule=_recurrence_type,
    reference=_recurrence_reference,
    jvp=_recurrence_jvp,
    transpose=_recurrence_transpose,
    batch=_batch,
    lower=library("linear_recurrence"),
)


def linear_recurrence(factors: Any, terms: Any, axis: int, *, reverse: bool = False) -> Any:
    """``y[i] = factors[i] * y[i-1] + terms[i]`` along ``axis``, from 0; ``reverse`` runs from the end."""
    return linear_recurrence_p.bind(factors, terms, axis=axis, reverse=reverse)


# The running folds


def _running(
    name: str, kind: str, accumulate: Callable[..., np.ndarray], jvp: Any, transpose: Any = None
) -> Primitive:
    """Declare a running fold: one row of a table."""

    def type_rule(x: ArrayType, *, axis: int, reverse: bool) -> ArrayType:
        _check_axis(name, x, axis)
        if not KINDS[kind](x.dtype):
            raise DTypeError(
                f"{name} does not accept dtype {x.dtype}: its argument must be {kind}. It got {x}."
            )
        return x

    def reference(x: np.ndarray, *, axis: int, reverse: bool) -> np.ndarray:
        wide = np.flip(widened(x), axis) if reverse else widened(x)
        y = accumulate(wide, axis, compute_dtype(x.dtype))
        return np.ascontiguousarray(np.flip(y, axis) if reverse else y).astype(x.dtype, copy=False)

    return Primitive(
        name,
        type_rule=type_rule,
        reference=reference,
        jvp=jvp,
        transpose=transpose,
        batch=_batch,
        lower=library(name),
    )


def _by_recurrence(slopes: Callable[..., tuple[Any, Any]], first: float) -> Any:
    """JVP rule of a fold from ``slopes(before, x, y)``: its derivatives by y[i-1], ``before``, and x[i]."""

    def jvp(prim: Primitive, primals: Any, tangents: Any, params: Any, answer: Any) -> Any:
        outs, x, t = answer(), primals[0], tangents[0]
        before = shift(outs[0], params["axis"], first, reverse=params["reverse"])
        factor, weight = slopes(before, x, outs[0])
        return outs, (linear_recurrence(factor, mul(t, weight), **params),)

    return jvp


def _choice(order: Callable[[Any, Any], Any]) -> Callable[..., tuple[Any, Any]]:
    """Slopes of max and min: 1 and 0, halves where equal. A NaN comes before the first: never chosen."""

    def slopes(before: Any, x: Any, y: Any) -> tuple[Any, Any]:
        one, half, zero = (full_like(x, v) for v in (1, 0.5, 0))
        tied = eq(before, x)
        factor = select(order(before, x), one, select(tied, half, zero))
        return factor, sub(1, factor)

    return slopes


def _softmax_slopes(before: Any, x: Any, y: Any) -> tuple[Any, Any]:
    """exp(before - y) and exp(x - y); where y is infinite, 1 for what is +inf and 0 for the rest."""
    finite = is_finite(y)
    safe = select(finite, y, full_like(y, 0))

    def slope(u: Any) -> Any:
        reached = cast(eq(u, float("inf")), u.dtype)
        return select(finite, exp(sub(u, safe)), reached)

    return slope(before), slope(x)


def _cumsum_jvp(prim: Primitive, primals: Any, tangents: Any, params: Any, answer: Any) -> Any:
    return answer(), (prim.bind(*instantiate(tangents, primals), **params),)


cumsum_p = _running(
    "cumsum",
    "number",
    lambda x, axis, dtype: np.cumsum(x, axis, dtype),
    _cumsum_jvp,
    transposed(lambda ct, x, axis, reverse: cumsum(ct, axis, reverse=not reverse)),
)
cumprod_p = _running(
    "cumprod",
    "number",
    lambda x, axis, dtype: np.cumprod(x, axis, dtype),
    _by_recurrence(lambda before, x, y: (x, before), 1),
)
cummax_p = _running(
    "cummax",
    "ordered",
    lambda x, axis, dtype: np.maximum.accumulate(x, axis),
    _by_recurrence(_choice(gt), float("nan")),
)
cummin_p = _running(
    "cummin",
    "ordered",
    lambda x, axis, dtype: np.minimum.accumulate(x, axis),
    _by_recurrence(_choice(lambda before, x: gt(x, before)), float("nan")),
)
cumlogsumexp_p = _running(
    "cumlogsumexp",
    "floating",
    lambda x, axis, dtype: np.logaddexp.accumulate(x, axis),
    _by_recurrence(_softmax_slopes, float("-inf")),
)


def cumsum(x: Any, axis: int, *, reverse: bool = False) -> Any:
    """Running sum along ``axis``; ``reverse`` runs from the end."""
    return cumsum_p.bind(x, axis=axis, reverse=reverse)


def cumprod(x: Any, axis: int, *, reverse: bool = False) -> Any:
    """Running product along ``axis``; its derivative is exact at zeros."""
    return cumprod_p.bind(x, axis=axis, reverse=reverse)


def cummax(x: Any, axis: int, *, reverse: bool = False) -> Any:
    """Running maximum along ``axis``; NaN from the first one on."""
    return cummax_p.bind(x, axis=axis, reverse=reverse)


def cummin(x: Any, axis: int, *, reverse: bool = False) -> Any:
    """Running minimum along ``axis``; NaN from the first one on."""
    return cummin_p.bind(x, axis=axis, reverse=reverse)


def cumlogsumexp(x: Any, axis: int, *, reverse: bool = False) -> Any:
    """``log(cumsum(exp(x)))`` along ``axis`` without overflow."""
    return cumlogsumexp_p.bind(x, axis=axis, reverse=reverse)
