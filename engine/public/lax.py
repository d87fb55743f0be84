"""`weft.lax`: the operations that `weft.numpy` is made of, under JAX's names.

Unlike `weft.numpy`, these do not promote: arguments of an operation have one dtype (Python scalars take it) and one shape
(scalars are repeated). They work on arrays and on traced arrays alike.
"""

from __future__ import annotations

import builtins
import math
import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from weft.engine import tree
from weft.engine.array import to_value, wrap_value
from weft.engine.dispatch import broadcast_to
from weft.engine.transforms.custom import stop_gradient
from weft.engine.transforms.vmap import all_gather, axis_index, axis_size, pmax, pmean, pmin, psum
from weft.ir.builder import Value
from weft.ir.errors import AxisError, DTypeError, ShapeError
from weft.ir.ops import (
    contract,
    control,
    cumulative,
    elementwise,
    index,
    reduce,
    shape,
    special,
    transcendental,
)
from weft.ir.ops import sort as sort_ops
from weft.ir.types import INT64, check_dtype

_SCALARS = (bool, int, float, complex)


def _values(name: str, args: Sequence[Any]) -> list[Any]:
    """Arguments of an elementwise operation: arrays of one shape, scalars of their dtype."""
    arrays = [x for x in args if type(x) not in _SCALARS]
    values = [x if type(x) in _SCALARS else to_value(x, f"an argument of lax.{name}") for x in args]
    if not arrays:
        dtype = np.result_type(*[np.asarray(x).dtype for x in values])
        return [np.asarray(x, dtype) for x in values]
    shapes = {x.shape for x in values if type(x) not in _SCALARS and x.shape != ()}
    if len(shapes) > 1:
        listed = ", ".join(str(x.shape) for x in values if type(x) not in _SCALARS)
        raise ShapeError(
            f"lax.{name} got arguments of different shapes: {listed}. Use weft.numpy for broadcasting."
        )
    return values


def _elementwise(name: str, fun: Callable[..., Any]) -> Callable[..., Any]:
    def function(*args: Any) -> Any:
        values = _values(name, args)
        dtypes = {v.dtype for v in values if type(v) not in _SCALARS}
        if len(dtypes) > 1:
            raise DTypeError(
                f"lax.{name} needs arguments of one dtype, got {', '.join(str(getattr(v, 'dtype', type(v).__name__)) for v in values)}. "
                f"Convert them, or use weft.numpy, which promotes."
            )
        return wrap_value(fun(*values))

    function.__name__ = function.__qualname__ = name
    function.__doc__ = fun.__doc__
    return function


_ELEMENTWISE: dict[str, Callable[..., Any]] = {
    "add": elementwise.add, "sub": elementwise.sub, "mul": elementwise.mul, "rem": elementwise.rem,
    "max": elementwise.maximum, "min": elementwise.minimum, "pow": elementwise.power, "neg": elementwise.neg,
    "abs": elementwise.abs_, "sign": elementwise.sign, "floor": elementwise.floor, "ceil": elementwise.ceil,
    "eq": elementwise.eq, "ne": elementwise.ne, "lt": elementwise.lt, "le": elementwise.le, "gt": elementwise.gt,
    "ge": elementwise.ge, "bitwise_and": elementwise.and_, "bitwise_or": elementwise.or_, "bitwise_xor": elementwise.xor,
    "bitwise_not": elementwise.not_, "shift_left": elementwise.shift_left,
    "shift_right_arithmetic": elementwise.shift_right, "shift_right_logical": elementwise.shift_right_logical,
    "population_count": lambda x: elementwise.population_count_p.bind(x), "clz": lambda x: elementwise.clz_p.bind(x),
    "is_finite": elementwise.is_finite, "nextafter": lambda x, y: elementwise.nextafter_p.bind(x, y),
    "real": elementwise.real, "imag": elementwise.imag, "conj": elementwise.conj, "complex": elementwise.complex_,
    "sqrt": transcendental.sqrt, "rsqrt": transcendental.rsqrt, "cbrt": transcendental.cbrt, "exp": transcendental.exp,
    "exp2": transcendental.exp2, "expm1": transcendental.expm1, "log": transcendental.log,
    "log1p": transcendental.log1p, "logistic": transcendental.logistic, "sin": transcendental.sin,
    "cos": transcendental.cos, "tan": transcendental.tan, "asin": transcendental.asin, "acos": transcendental.acos,
    "atan": transcendental.atan, "atan2": transcendental.atan2, "sinh": transcendental.sinh,
    "cosh": transcendental.cosh, "tanh": transcendental.tanh, "asinh": transcendental.asinh,
    "acosh": transcendental.acosh, "atanh": transcendental.atanh, "erf": transcendental.erf,
    "erfc": transcendental.erfc, "erf_inv": transcendental.erf_inv, "lgamma": transcendental.lgamma,
    "digamma": transcendental.digamma, "igamma": special.igamma, "igammac": special.igammac,
    "betainc": special.betainc, "bessel_i0e": special.bessel_i0e, "bessel_i1e": special.bessel_i1e,
    "zeta": special.zeta, "square": lambda x: elementwise.integer_pow(x, 2),
    "reciprocal": lambda x: elementwise.integer_pow(x, -1),
    "div": lambda x, y: _divide(x, y),
}  # fmt: skip


def _divide(x: Any, y: Any) -> Any:
    """Quotient: of integers rounded towards zero."""
    dtype = next(v.dtype for v in (x, y) if type(v) not in _SCALARS)
    return elementwise.int_div(x, y) if dtype.kind in "iu" else elementwise.div(x, y)


for _name, _fun in _ELEMENTWISE.items():
    globals()[_name] = _elementwise(_name, _fun)


def _unary(x: Any) -> Any:
    return to_value(x, "an argument of a lax function")


def integer_pow(x: Any, y: int) -> Any:
    """``x ** y`` for a Python integer ``y``."""
    return wrap_value(elementwise.integer_pow(_unary(x), operator.index(y)))


def round(x: Any, rounding_method: int = 0) -> Any:
    """Nearest integer: 0 rounds halves away from zero, 1 to even."""
    value = _unary(x)
    if rounding_method == 1:
        return wrap_value(elementwise.rint(value))
    up = elementwise.floor(elementwise.add(elementwise.abs_(value), 0.5))
    return wrap_value(elementwise.copysign(up, value))


def clamp(min: Any, x: Any, max: Any) -> Any:
    """``x`` kept between ``min`` and ``max``, which are scalars or of its shape."""
    value = _unary(x)
    low, high = (v if type(v) in _SCALARS else to_value(v) for v in (min, max))
    return wrap_value(elementwise.minimum(elementwise.maximum(value, low), high))


def select(pred: Any, on_true: Any, on_false: Any) -> Any:
    """``on_true`` where ``pred``, else ``on_false``."""
    return wrap_value(elementwise.select(_unary(pred), *_values("select", (on_true, on_false))))


def select_n(which: Any, *cases: Any) -> Any:
    """The case that ``which`` numbers, element by element; a bool ``which`` chooses between two."""
    chosen = _unary(which)
    values = _values("select_n", cases)
    if chosen.dtype == bool:
        return wrap_value(values[0] if len(values) == 1 else elementwise.select(chosen, values[1], values[0]))
    result = values[-1]
    for i in range(len(values) - 2, -1, -1):
        result = elementwise.select(elementwise.le(chosen, i), values[i], result)
    return wrap_value(result)


def convert_element_type(x: Any, new_dtype: Any) -> Any:
    """``x`` as another dtype."""
    return wrap_value(elementwise.cast(_unary(x), check_dtype(new_dtype)))


def bitcast_convert_type(x: Any, new_dtype: Any) -> Any:
    """The bits of ``x`` read as another dtype of the same width."""
    return wrap_value(elementwise.bitcast(_unary(x), check_dtype(new_dtype)))


# Shape


def broadcast(x: Any, sizes: Sequence[int]) -> Any:
    """``x`` with new leading axes."""
    value = _unary(x)
    full_shape = (*sizes, *value.shape)
    return wrap_value(shape.broadcast(value, full_shape, range(len(sizes), len(full_shape))))


def broadcast_in_dim(x: Any, shape: Sequence[int], broadcast_dimensions: Sequence[int]) -> Any:
    """``x`` with its axis ``i`` at ``broadcast_dimensions[i]`` of ``shape``; axes of length 1 are repeated."""
    from weft.ir.ops import shape as ops

    value = _unary(x)
    dims = tuple(broadcast_dimensions)
    for n, d in zip(value.shape, dims, strict=True):
        if n not in (1, shape[d]):
            raise ShapeError(
                f"lax.broadcast_in_dim cannot put {value.shape} at axes {dims} of {tuple(shape)}."
            )
    keep = [i for i, (n, d) in enumerate(zip(value.shape, dims, strict=True)) if n == shape[d]]
    squeezed = ops.reshape(value, [value.shape[i] for i in keep])
    return wrap_value(ops.broadcast(squeezed, tuple(shape), [dims[i] for i in keep]))


def broadcast_shapes(*shapes: Sequence[int]) -> tuple[int, ...]:
    """NumPy's common shape."""
    from weft.engine import dispatch

    return dispatch.broadcast_shapes("lax.broadcast_shapes", *shapes)


def reshape(x: Any, new_sizes: Sequence[int], dimensions: Sequence[int] | None = None) -> Any:
    """The elements of ``x`` in another shape, after a transposition by ``dimensions``."""
    value = _unary(x)
    if dimensions is not None:
        value = shape.transpose(value, dimensions)
    return wrap_value(shape.reshape(value, new_sizes))


def transpose(x: Any, permutation: Sequence[int]) -> Any:
    """``x`` with axis ``i`` of the result being axis ``permutation[i]`` of ``x``."""
    return wrap_value(shape.transpose(_unary(x), tuple(permutation)))


def _axis(name: str, axis: int, ndim: int) -> int:
    if not -ndim <= axis < ndim:
        raise AxisError(f"lax.{name} got axis {axis} for an array of {ndim} axes.")
    return axis % ndim


def _axes(name: str, axes: Any, ndim: int) -> tuple[int, ...]:
    given = (axes,) if isinstance(axes, int) else range(ndim) if axes is None else axes
    return tuple(sorted(_axis(name, a, ndim) for a in given))


def squeeze(x: Any, dimensions: Sequence[int]) -> Any:
    """``x`` without the given axes of length 1."""
    value = _unary(x)
    return wrap_value(shape.squeeze(value, _axes("squeeze", dimensions, len(value.shape))))


def expand_dims(x: Any, dimensions: Sequence[int]) -> Any:
    """``x`` with axes of length 1 at positions of the result."""
    value = _unary(x)
    return wrap_value(
        shape.expand_dims(value, _axes("expand_dims", dimensions, len(value.shape) + len(dimensions)))
    )


def rev(x: Any, dimensions: Sequence[int]) -> Any:
    """``x`` with the order along ``dimensions`` turned round."""
    value = _unary(x)
    return wrap_value(shape.reverse(value, _axes("rev", dimensions, len(value.shape))))


def collapse(x: Any, start_dimension: int, stop_dimension: int | None = None) -> Any:
    """``x`` with neighbouring axes made one."""
    value = _unary(x)
    start, stop, _ = builtins.slice(start_dimension, stop_dimension).indices(len(value.shape))
    merged = math.prod(value.shape[start:stop])
    return wrap_value(shape.reshape(value, (*value.shape[:start], merged, *value.shape[stop:])))


def pad(x: Any, padding_value: Any, padding_config: Sequence[tuple[int, int, int]]) -> Any:
    """``x`` with ``padding_value`` around and between; a triple ``(low, high, interior)`` an axis; negative cuts off."""
    value = _unary(x)
    fill = elementwise.cast(to_value(padding_value), value.dtype)
    low, high, interior = zip(*padding_config, strict=True) if len(padding_config) else ((), (), ())
    return wrap_value(shape.pad(value, fill, low, high, interior))


def concatenate(operands: Sequence[Any], dimension: int) -> Any:
    """Arrays one after the other along an axis."""
    values = [_unary(x) for x in operands]
    return wrap_value(shape.concatenate(values, _axis("concatenate", dimension, len(values[0].shape))))


def iota(dtype: Any, size: int) -> Any:
    """``0 ... size - 1``."""
    return wrap_value(shape.iota(check_dtype(dtype), (size,)))


def broadcasted_iota(dtype: Any, shape: Sequence[int], dimension: int) -> Any:
    """The index along ``dimension``, as an array of ``shape``."""
    from weft.ir.ops import shape as ops

    return wrap_value(ops.iota(check_dtype(dtype), tuple(shape), dimension))


def full(shape: Sequence[int], fill_value: Any, dtype: Any = None) -> Any:
    """An array of one value."""
    value = to_value(fill_value)
    return wrap_value(broadcast_to(elementwise.cast(value, check_dtype(dtype or value.dtype)), tuple(shape)))


def full_like(x: Any, fill_value: Any, dtype: Any = None, shape: Sequence[int] | None = None) -> Any:
    """An array of one value, with the shape and dtype of ``x`` unless given."""
    value = _unary(x)
    return full(value.shape if shape is None else shape, fill_value, dtype or value.dtype)


# Slices


def slice(
    x: Any, start_indices: Sequence[int], limit_indices: Sequence[int], strides: Sequence[int] | None = None
) -> Any:
    """A static slice."""
    return wrap_value(shape.slice_(_unary(x), start_indices, limit_indices, strides))


def slice_in_dim(
    x: Any, start_index: int | None, limit_index: int | None, stride: int = 1, axis: int = 0
) -> Any:
    """A static slice along one axis; negative indices count from its end."""
    value = _unary(x)
    axis = _axis("slice_in_dim", axis, len(value.shape))
    start, limit, _ = builtins.slice(start_index, limit_index).indices(value.shape[axis])
    return wrap_value(shape.slice_axis(value, axis, start, builtins.max(start, limit), stride))


def index_in_dim(x: Any, index: int, axis: int = 0, keepdims: bool = True) -> Any:
    """One static position along an axis."""
    value = _unary(x)
    axis = _axis("index_in_dim", axis, len(value.shape))
    position = index + value.shape[axis] if index < 0 else index
    part = shape.slice_axis(value, axis, position, position + 1)
    return wrap_value(part if keepdims else shape.squeeze(part, (axis,)))


def _starts(value: Any, start_indices: Any) -> list[Any]:
    """Start indices as values; negative ones count from the end."""
    given = (
        list(start_indices)
        if not isinstance(start_indices, Value)
        else [start_indices[i] for i in range(start_indices.shape[0])]
    )
    starts = []
    for start, n in zip(given, value.shape, strict=True):
        v = to_value(start)
        starts.append(
            elementwise.select(elementwise.lt(v, 0), elementwise.add(v, n), v) if v.dtype.kind == "i" else v
        )
    return starts


def dynamic_slice(x: Any, start_indices: Any, slice_sizes: Sequence[int]) -> Any:
    """A slice of static size from starts that may be traced; starts are clamped so that it lies inside."""
    value = _unary(x)
    return wrap_value(index.dynamic_slice(value, _starts(value, start_indices), tuple(slice_sizes)))


def dynamic_update_slice(x: Any, update: Any, start_indices: Any) -> Any:
    """``x`` with ``update`` written from starts that may be traced (clamped)."""
    value = _unary(x)
    return wrap_value(
        index.dynamic_update_slice(
            value, elementwise.cast(_unary(update), value.dtype), _starts(value, start_indices)
        )
    )


def _along(value: Any, axis: int, start: Any) -> list[Any]:
    starts: list[Any] = [np.zeros((), np.int64)] * len(value.shape)
    starts[axis] = start
    return starts


def dynamic_slice_in_dim(x: Any, start_index: Any, slice_size: int, axis: int = 0) -> Any:
    """`dynamic_slice` along one axis."""
    value = _unary(x)
    axis = _axis("dynamic_slice_in_dim", axis, len(value.shape))
    sizes = [slice_size if i == axis else n for i, n in enumerate(value.shape)]
    return dynamic_slice(x, _along(value, axis, start_index), sizes)


def dynamic_index_in_dim(x: Any, index: Any, axis: int = 0, keepdims: bool = True) -> Any:
    """One position along an axis, which may be traced."""
    value = _unary(x)
    axis = _axis("dynamic_index_in_dim", axis, len(value.shape))
    part = dynamic_slice_in_dim(x, index, 1, axis)
    return part if keepdims else squeeze(part, (axis,))


def dynamic_update_slice_in_dim(x: Any, update: Any, start_index: Any, axis: int = 0) -> Any:
    """`dynamic_update_slice` along one axis."""
    value = _unary(x)
    axis = _axis("dynamic_update_slice_in_dim", axis, len(value.shape))
    return dynamic_update_slice(x, update, _along(value, axis, start_index))


def dynamic_update_index_in_dim(x: Any, update: Any, index: Any, axis: int = 0) -> Any:
    """``x`` with one position along an axis replaced."""
    value, new = _unary(x), _unary(update)
    axis = _axis("dynamic_update_index_in_dim", axis, len(value.shape))
    if len(new.shape) == len(value.shape) - 1:
        new = shape.expand_dims(new, (axis,))
    return dynamic_update_slice_in_dim(x, wrap_value(new), index, axis)


# Reductions and scans


def _reduction(name: str, fun: Callable[..., Any]) -> Callable[..., Any]:
    def function(x: Any, axes: Any = None) -> Any:
        value = _unary(x)
        return wrap_value(fun(value, _axes(name, axes, len(value.shape))))

    function.__name__ = function.__qualname__ = name
    function.__doc__ = fun.__doc__
    return function


reduce_sum = _reduction("reduce_sum", reduce.reduce_sum)
reduce_prod = _reduction("reduce_prod", reduce.reduce_prod)
reduce_max = _reduction("reduce_max", reduce.reduce_max)
reduce_min = _reduction("reduce_min", reduce.reduce_min)
reduce_and = _reduction("reduce_and", reduce.reduce_and)
reduce_or = _reduction("reduce_or", reduce.reduce_or)


def argmax(x: Any, axis: int, index_dtype: Any = INT64) -> Any:
    """The position of the first maximum along an axis."""
    value = _unary(x)
    return wrap_value(reduce.argmax(value, _axis("argmax", axis, len(value.shape)), np.dtype(index_dtype)))


def argmin(x: Any, axis: int, index_dtype: Any = INT64) -> Any:
    """The position of the first minimum along an axis."""
    value = _unary(x)
    return wrap_value(reduce.argmin(value, _axis("argmin", axis, len(value.shape)), np.dtype(index_dtype)))


def _scan(name: str, fun: Callable[..., Any]) -> Callable[..., Any]:
    def function(x: Any, axis: int = 0, reverse: bool = False) -> Any:
        value = _unary(x)
        return wrap_value(fun(value, _axis(name, axis, len(value.shape)), reverse=reverse))

    function.__name__ = function.__qualname__ = name
    function.__doc__ = fun.__doc__
    return function


cumsum = _scan("cumsum", cumulative.cumsum)
cumprod = _scan("cumprod", cumulative.cumprod)
cummax = _scan("cummax", cumulative.cummax)
cummin = _scan("cummin", cumulative.cummin)
cumlogsumexp = _scan("cumlogsumexp", cumulative.cumlogsumexp)


# Order


def sort(operand: Any, dimension: int = -1, is_stable: bool = True, num_keys: int = 1) -> Any:
    """Sort one array, or several by the first ``num_keys`` of them, along an axis."""
    several = isinstance(operand, tuple | list)
    values = [_unary(x) for x in (operand if several else (operand,))]
    axis = _axis("sort", dimension, len(values[0].shape))
    outs = sort_ops.sort_many(values, axis, num_keys)
    return tuple(map(wrap_value, outs)) if several else wrap_value(outs[0])


def sort_key_val(keys: Any, values: Any, dimension: int = -1, is_stable: bool = True) -> Any:
    """``keys`` in order, and ``values`` in the order of their keys."""
    return sort((keys, values), dimension, is_stable, 1)


def top_k(x: Any, k: int) -> Any:
    """The ``k`` largest along the last axis, and their positions."""
    return tuple(map(wrap_value, sort_ops.top_k(_unary(x), k)))


# Products


def dot_general(
    lhs: Any, rhs: Any, dimension_numbers: Any, precision: Any = None, preferred_element_type: Any = None
) -> Any:
    """Sum of products over contracting axes, for each of the batch axes.

    Args:
        lhs: array.
        rhs: array of the same dtype.
        dimension_numbers: ``((lhs contracting, rhs contracting), (lhs batch, rhs batch))``.
        precision: accepted for compatibility.
        preferred_element_type: dtype of the result.

    Returns:
        Array of shape batch + free axes of ``lhs`` + free axes of ``rhs``.
    """
    x, y = _unary(lhs), _unary(rhs)
    if preferred_element_type is not None:
        x, y = (elementwise.cast(v, check_dtype(preferred_element_type)) for v in (x, y))
    (lc, rc), (lb, rb) = dimension_numbers
    return wrap_value(contract.dot_general(x, y, ((tuple(lc), tuple(rc)), (tuple(lb), tuple(rb)))))


def dot(lhs: Any, rhs: Any, precision: Any = None, preferred_element_type: Any = None) -> Any:
    """Vector, matrix-vector or matrix product of arrays of one or two axes."""
    x, y = _unary(lhs), _unary(rhs)
    if not (1 <= len(x.shape) <= 2 and 1 <= len(y.shape) <= 2):
        raise ShapeError(f"lax.dot takes vectors and matrices, got shapes {x.shape} and {y.shape}.")
    return dot_general(lhs, rhs, (((len(x.shape) - 1,), (0,)), ((), ())), precision, preferred_element_type)


def batch_matmul(lhs: Any, rhs: Any, precision: Any = None) -> Any:
    """Products of stacks of matrices with equal leading axes."""
    n = len(_unary(lhs).shape)
    return dot_general(
        lhs, rhs, (((n - 1,), (n - 2,)), (tuple(range(n - 2)), tuple(range(n - 2)))), precision
    )


# Identity with a meaning; these and the collectives are the engine's own

__all__ = [
    "all_gather", "argmax", "argmin", "axis_index", "axis_size", "batch_matmul", "bitcast_convert_type", "broadcast",
    "broadcast_in_dim", "broadcast_shapes", "broadcasted_iota", "clamp", "collapse", "concatenate",
    "convert_element_type", "cummax", "cummin", "cumlogsumexp", "cumprod", "cumsum", "dot", "dot_general",
    "dynamic_index_in_dim", "dynamic_slice", "dynamic_slice_in_dim", "dynamic_update_index_in_dim",
    "dynamic_update_slice", "dynamic_update_slice_in_dim", "expand_dims", "full", "full_like", "index_in_dim",
    "integer_pow", "iota", "optimization_barrier", "pad", "pmax", "pmean", "pmin", "polygamma", "psum", "reduce_and",
    "reduce_max", "reduce_min", "reduce_or", "reduce_prod", "reduce_sum", "reshape", "rev", "round", "select",
    "select_n", "slice", "slice_in_dim", "sort", "sort_key_val", "squeeze", "stop_gradient", "top_k", "transpose",
    *_ELEMENTWISE,
]  # fmt: skip


def optimization_barrier(x: Any) -> Any:
    """``x``, a tree of arrays, kept apart from equal values."""
    return tree.map(lambda leaf: wrap_value(control.optimization_barrier(to_value(leaf))), x)


def polygamma(n: Any, x: Any) -> Any:
    """The ``n``-th derivative of digamma; ``n`` a Python integer."""
    return wrap_value(special.polygamma(operator.index(n), _unary(x)))
