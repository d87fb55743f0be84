"""Functions of `weft.lax` along axes: reductions, running reductions, order, products."""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from weft.engine.array import wrap_value
from weft.ir.errors import ArgumentError, DTypeError, ShapeError
from weft.ir.ops import contract, cumulative, reduce
from weft.ir.ops import elementwise as e
from weft.ir.ops import sort as sort_ops
from weft.ir.ops import transcendental as t
from weft.ir.ops.shape import full
from weft.ir.ops.window import greatest, least
from weft.ir.types import INT64, check_dtype, is_complex, is_integer
from weft.lax.arguments import check_kind, checked, one_axis, one_value, sorted_axes
from weft.lax.mapping import associative_scan

_INT32 = np.dtype(np.int32)

# Reductions and scans


def _reduction(name: str, fun: Callable[..., Any], kind: str) -> Callable[..., Any]:
    @checked
    def function(operand: Any, axes: Any = None, *, out_sharding: Any = None) -> Any:
        value = one_value(operand)
        check_kind(name, value.dtype, kind)
        return wrap_value(fun(value, sorted_axes(name, axes, len(value.shape))))

    function.__name__ = function.__qualname__ = name
    function.__doc__ = fun.__doc__
    return function


def _extremum(fun: Callable[..., Any], limit: Callable[[np.dtype], Any]) -> Callable[..., Any]:
    """A reduction to the largest or smallest element, and to the dtype's limit where there is none."""

    @functools.wraps(fun)
    def reduced(x: Any, axes: tuple[int, ...]) -> Any:
        if all(x.shape[axis] for axis in axes):
            return fun(x, axes)
        rest = [n for axis, n in enumerate(x.shape) if axis not in axes]
        return full(rest, limit(x.dtype), x.dtype)

    return reduced


reduce_sum = _reduction("reduce_sum", reduce.reduce_sum, "number")
reduce_prod = _reduction("reduce_prod", reduce.reduce_prod, "number")
reduce_max = _reduction("reduce_max", _extremum(reduce.reduce_max, least), "any")
reduce_min = _reduction("reduce_min", _extremum(reduce.reduce_min, greatest), "any")
reduce_and = _reduction("reduce_and", reduce.reduce_and, "logical")
reduce_or = _reduction("reduce_or", reduce.reduce_or, "logical")


@checked
def argmax(operand: Any, axis: int, index_dtype: Any = INT64) -> Any:
    """The position of the first maximum along an axis."""
    value = one_value(operand)
    return wrap_value(
        reduce.argmax(value, one_axis("argmax", axis, len(value.shape)), _index_dtype("argmax", index_dtype))
    )


@checked
def argmin(operand: Any, axis: int, index_dtype: Any = INT64) -> Any:
    """The position of the first minimum along an axis."""
    value = one_value(operand)
    return wrap_value(
        reduce.argmin(value, one_axis("argmin", axis, len(value.shape)), _index_dtype("argmin", index_dtype))
    )


def _index_dtype(name: str, dtype: Any) -> np.dtype:
    found = check_dtype(dtype)
    if not is_integer(found):
        raise DTypeError(f"lax.{name} gives positions, so index_dtype must be an integer dtype; got {found}.")
    return found


def _scan(name: str, fun: Callable[..., Any], kind: str) -> Callable[..., Any]:
    @checked
    def function(operand: Any, axis: int = 0, reverse: bool = False) -> Any:
        value = one_value(operand)
        check_kind(name, value.dtype, kind)
        return wrap_value(fun(value, one_axis(name, axis, len(value.shape)), reverse=reverse))

    function.__name__ = function.__qualname__ = name
    function.__doc__ = fun.__doc__
    return function


cumsum = _scan("cumsum", cumulative.cumsum, "number")
cumprod = _scan("cumprod", cumulative.cumprod, "number")
cummax = _scan("cummax", cumulative.cummax, "any")
cummin = _scan("cummin", cumulative.cummin, "any")


def _add_exponentials(x: Any, y: Any) -> Any:
    """``log(exp(x) + exp(y))`` of complex arrays, by the one with the larger real part."""
    x, y = one_value(x), one_value(y)
    first = e.ge(e.real(x), e.real(y))
    large, small = e.select(first, x, y), e.select(first, y, x)
    nothing = e.eq(large, e.full_like(large, -np.inf))  # there the difference would be NaN
    change = e.select(nothing, e.full_like(large, 0), e.sub(small, large))
    return wrap_value(e.select(nothing, large, e.add(large, t.log1p(t.exp(change)))))


def _running_log_sum(x: Any, axis: int, *, reverse: bool) -> Any:
    if is_complex(x.dtype):
        found = one_value(associative_scan(_add_exponentials, wrap_value(x), reverse, axis))
        turns = e.rint(e.div(e.imag(found), 2 * np.pi))  # to be a logarithm's principal value
        return e.complex_(e.real(found), e.sub(e.imag(found), e.mul(turns, 2 * np.pi)))
    return cumulative.cumlogsumexp(x, axis, reverse=reverse)


_running_log_sum.__doc__ = cumulative.cumlogsumexp.__doc__
cumlogsumexp = _scan("cumlogsumexp", _running_log_sum, "inexact")


# Order


@checked
def sort(operand: Any, dimension: int = -1, is_stable: bool = True, num_keys: int = 1) -> Any:
    """Sort one array, or several by the first ``num_keys`` of them, along an axis."""
    several = isinstance(operand, tuple | list)
    if several and not 1 <= num_keys <= len(operand):
        raise ArgumentError(
            f"lax.sort of {len(operand)} arrays got num_keys={num_keys}: at least one sorts, at most all."
        )
    values = [one_value(x) for x in (operand if several else (operand,))]
    axis = one_axis("sort", dimension, len(values[0].shape))
    outs = sort_ops.sort_many(values, axis, num_keys)
    return tuple(map(wrap_value, outs)) if several else wrap_value(outs[0])


@checked
def sort_key_val(keys: Any, values: Any, dimension: int = -1, is_stable: bool = True) -> Any:
    """``keys`` in order, and ``values`` in the order of their keys."""
    return sort((keys, values), dimension, is_stable, 1)


@checked
def top_k(operand: Any, k: int, *, axis: int = -1) -> Any:
    """The ``k`` largest along an axis, in falling order, and their positions as int32."""
    value = one_value(operand)
    check_kind("top_k", value.dtype, "ordered")
    place = one_axis("top_k", axis, len(value.shape))
    return tuple(map(wrap_value, sort_ops.top_k(value, operator.index(k), place, dtype=_INT32)))


def approx_max_k(
    operand: Any,
    k: int,
    reduction_dimension: int = -1,
    recall_target: float = 0.95,
    reduction_input_size_override: int = -1,
    aggregate_to_topk: bool = True,
) -> Any:
    """The ``k`` largest along an axis, and their positions: `top_k`, which misses none. What follows ``axis`` is not needed."""
    return top_k(operand, k, axis=reduction_dimension)


@checked
def approx_min_k(
    operand: Any,
    k: int,
    reduction_dimension: int = -1,
    recall_target: float = 0.95,
    reduction_input_size_override: int = -1,
    aggregate_to_topk: bool = True,
) -> Any:
    """The ``k`` smallest along an axis, in rising order, and their positions; see `approx_max_k`."""
    value = one_value(operand)
    check_kind("approx_min_k", value.dtype, "floating")
    place = one_axis("approx_min_k", reduction_dimension, len(value.shape))
    values, positions = sort_ops.top_k(e.neg(value), operator.index(k), place, dtype=_INT32)
    return wrap_value(e.neg(values)), wrap_value(positions)


# Products


@checked
def dot_general(
    lhs: Any,
    rhs: Any,
    dimension_numbers: Any,
    precision: Any = None,
    preferred_element_type: Any = None,
    *,
    out_sharding: Any = None,
) -> Any:
    """Sum of products over contracting axes, for each of the batch axes.

    Args:
        lhs: array.
        rhs: array of the same dtype.
        dimension_numbers: ``((lhs contracting, rhs contracting), (lhs batch, rhs batch))``.
        precision: accepted for compatibility.
        preferred_element_type: dtype of the result, in which it is computed.
        out_sharding: accepted for compatibility.

    Returns:
        Array of shape batch + free axes of ``lhs`` + free axes of ``rhs``.
    """
    x, y = one_value(lhs), one_value(rhs)
    if preferred_element_type is not None:
        x, y = (e.cast(v, check_dtype(preferred_element_type)) for v in (x, y))
    (lc, rc), (lb, rb) = dimension_numbers
    return wrap_value(contract.dot_general(x, y, ((tuple(lc), tuple(rc)), (tuple(lb), tuple(rb)))))


@checked
def dot(
    lhs: Any,
    rhs: Any,
    *,
    dimension_numbers: Any = None,
    precision: Any = None,
    preferred_element_type: Any = None,
    out_sharding: Any = None,
) -> Any:
    """Product of vectors and matrices; `dot_general` where ``dimension_numbers`` are given."""
    x, y = one_value(lhs), one_value(rhs)
    if dimension_numbers is None:
        if not (1 <= len(x.shape) <= 2 and 1 <= len(y.shape) <= 2):
            raise ShapeError(
                f"lax.dot takes vectors and matrices, got shapes {x.shape} and {y.shape}. Else give dimension_numbers."
            )
        dimension_numbers = (((len(x.shape) - 1,), (0,)), ((), ()))
    return dot_general(lhs, rhs, dimension_numbers, precision, preferred_element_type)


@checked
def batch_matmul(lhs: Any, rhs: Any, precision: Any = None) -> Any:
    """Products of stacks of matrices with equal leading axes."""
    n = len(one_value(lhs).shape)
    return dot_general(
        lhs, rhs, (((n - 1,), (n - 2,)), (tuple(range(n - 2)), tuple(range(n - 2)))), precision
    )
