"""Making arrays: from data, from shapes, from ranges.

The one idea: inside a traced function an array that is known from its shape alone is made by the compiled program (``full``,
``iota``), so it costs no memory and fuses with what reads it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from weft.engine.array import Array, native, wrap, wrap_value
from weft.engine.device import check_device
from weft.engine.dispatch import as_dtype, broadcast_to, common_dtype, is_weak, to_data, too_deep
from weft.engine.exchange import read_dlpack
from weft.engine.promotion import averaging, covering, is_literal, literal, promote, rules
from weft.ir.builder import Value, concrete
from weft.ir.errors import ArgumentError, CopyError, DTypeError, ShapeError
from weft.ir.ops import elementwise as e
from weft.ir.ops.shape import concatenate, expand_dims, iota, move_axis, reshape
from weft.ir.ops.shape import full as _full
from weft.ir.types import INT64, check_dtype, real_dtype
from weft.numpy.staging import (
    axis_index,
    like_numpy,
    new_shape,
    stacked,
    static_dtype,
    static_int,
    static_shape,
    value,
)

__all__ = [
    "arange", "array", "asanyarray", "asarray", "asarray_chkfinite", "ascontiguousarray", "asfortranarray",
    "copy", "empty", "empty_like", "eye", "from_dlpack", "frombuffer", "fromfunction",
    "full", "full_like", "geomspace", "identity", "indices", "isfortran", 
    "linspace", "logspace", "may_share_memory", "meshgrid", "ones", "ones_like", "require", "shares_memory",
    "tri", "vander", "zeros", "zeros_like",
]  # fmt: skip


# From data


def array(
    object: Any,
    dtype: Any = None,
    copy: bool = True,
    order: str | None = None,
    ndmin: int = 0,
    *,
    device: Any = None,
) -> Any:
    """An array of ``object``: a number, an array, nested lists of them, or anything that NumPy reads.

    Args:
        object: the data. They are copied, so changing a NumPy array afterwards does not change the result.
        dtype: dtype of the result; by default NumPy's for the data.
        copy: whether to copy even an `Array`, which nobody can change.
        order: memory layout, accepted for NumPy's sake.
        ndmin: the least number of axes; ones are put in front.
        device: accepted for the array API's sake.
    """
    check_device(device, "array")
    if type(object) is Array:
        data: Any = object._data
    elif isinstance(object, Value):
        data = object
    elif isinstance(object, list | tuple):
        try:
            plain = _plain(object)
        except RecursionError:
            raise too_deep() from None
        data = stacked(plain, "array", dtype)
    else:
        data = (
            np.asarray(object)
            if not isinstance(object, np.ndarray)
            else native(object, "the object of array")
        )
        data = np.array(data)
        check_dtype(data.dtype)
    if dtype is not None and object.__class__ is int:
        data = np.asarray(object, check_dtype(dtype))  # an OverflowError where it does not fit
    elif dtype is None and is_literal(object) and not rules.plain:
        data = literal(data)
    data = data if dtype is None else _converted(data, check_dtype(dtype))
    if not isinstance(data, Value):
        data = np.array(data, copy=True if copy else None, order="C")
    if data.ndim < ndmin:
        data = reshape(data, (1,) * (ndmin - data.ndim) + tuple(data.shape))
    if isinstance(data, np.ndarray) and data.dtype != check_dtype(data.dtype):
        data = data.astype(check_dtype(data.dtype))
    return wrap_value(data)


def _converted(data: Any, dtype: np.dtype) -> Any:
    return e.cast(data, dtype) if isinstance(data, Value) else np.asarray(data, dtype)


def _plain(x: Any) -> Any:
    """Nested lists with NumPy arrays for Arrays."""
    return [_plain(v) for v in x] if isinstance(x, list | tuple) else x._data if type(x) is Array else x


def asarray(
    a: Any, dtype: Any = None, order: str | None = None, *, copy: bool | None = None, device: Any = None
) -> Any:
    """An array of ``a``; an `Array` or traced array of the dtype asked for is given back as it is.

    Args:
        a: the data: a number, an array, nested lists of them, or anything that NumPy reads.
        dtype: dtype of the result; by default NumPy's for the data.
        order: memory layout, accepted for NumPy's sake.
        copy: whether to copy: always (True), never (False), or where it is needed (None).
        device: ``"cpu"`` or None.

    Raises:
        CopyError: ``copy`` is False and ``a`` is no array of Weft of that dtype.
    """
    check_device(device, "asarray")
    if isinstance(a, Array | Value) and not copy and (dtype is None or a.dtype == check_dtype(dtype)):
        return a
    if copy is False:
        raise CopyError(
            "asarray got copy=False, and the data cannot be shared: what they are made of may change, or has another dtype."
        )
    return array(a, dtype)


asanyarray = asarray


def ascontiguousarray(a: Any, dtype: Any = None) -> Any:
    """An array of ``a`` with at least one axis; all arrays are contiguous where that matters."""
    x = asarray(a, dtype)
    return x if x.ndim else x.reshape(1)


asfortranarray = ascontiguousarray


def require(a: Any, dtype: Any = None, requirements: Any = None) -> Any:
    """An array of ``a`` of a dtype; NumPy's requirements of memory (contiguous, aligned, writeable) do not arise."""
    return asarray(a, dtype)


def isfortran(a: Any) -> bool:
    """Whether columns are contiguous and rows are not: never, where it matters all arrays are row by row."""
    return False


def shares_memory(a: Any, b: Any, /, max_work: Any = None) -> bool:
    """Whether two arrays have memory in common; which says nothing about what may change, since arrays do not.

    Traced arrays have no memory yet: they share it with themselves.
    """
    if isinstance(a, Value) or isinstance(b, Value):
        return a is b
    return np.shares_memory(to_data(a), to_data(b), max_work)


def may_share_memory(a: Any, b: Any, /, max_work: Any = None) -> bool:
    """Whether two arrays may have memory in common: `shares_memory`, perhaps true where that is false."""
    if isinstance(a, Value) or isinstance(b, Value):
        return a is b
    return np.may_share_memory(to_data(a), to_data(b), max_work)


def asarray_chkfinite(a: Any, dtype: Any = None, order: str | None = None) -> Any:
    """An array of ``a``, whose values must be known.

    Raises:
        ArgumentError: an element is NaN or infinite.
    """
    x = asarray(a, dtype)
    mend = "asarray takes them as they are; weft.config.update(debug_nans=True) finds what makes a NaN."
    known = concrete(value(x, "asarray_chkfinite"), "asarray_chkfinite looks at the elements", mend)
    if not np.isfinite(known).all():
        raise ArgumentError("asarray_chkfinite got an array with NaN or infinities.")
    return x


@like_numpy(np.copy)
def copy(a: Any, order: str | None = None) -> Any:
    """The array with data of its own."""
    return value(a, "copy")


def frombuffer(buffer: Any, dtype: Any = float, count: int = -1, offset: int = 0) -> Array:
    """One-dimensional array of the bytes of a buffer, copied."""
    return wrap(np.frombuffer(buffer, check_dtype(dtype), count, offset).copy())


def from_dlpack(x: Any, /, *, device: Any = None, copy: bool | None = None) -> Array:
    """The array behind an object of another library, through DLPack.

    Args:
        x: an array with ``__dlpack__`` and ``__dlpack_device__``, in memory that the CPU reads.
        device: ``"cpu"`` or None.
        copy: False shares the memory, whose owner may then not write to it any more; True and None copy it.

    Raises:
        BufferError: the memory cannot be read as an array of Weft, or not without a copy.
    """
    check_device(device, "from_dlpack")
    if isinstance(x, Array):
        return array(x) if copy else x
    data = read_dlpack(x)
    return wrap(native(data)) if copy is False else array(data)


# From shapes


@like_numpy(
    lambda shape, dtype=None, *, device=None: np.zeros(new_shape(shape, "zeros"), static_dtype(dtype, float)),
    maker=True,
    real=np.zeros,
)
def zeros(shape: Any, dtype: Any = None, *, device: Any = None) -> Any:
    """Array of zeros, float64 by default."""
    return _full(new_shape(shape, "zeros"), 0, static_dtype(dtype, float))


@like_numpy(
    lambda shape, dtype=None, *, device=None: np.ones(new_shape(shape, "ones"), static_dtype(dtype, float)),
    maker=True,
    real=np.ones,
)
def ones(shape: Any, dtype: Any = None, *, device: Any = None) -> Any:
    """Array of ones, float64 by default."""
    return _full(new_shape(shape, "ones"), 1, static_dtype(dtype, float))


empty = zeros


def _full_data(shape: Any, fill_value: Any, dtype: Any = None, *, device: Any = None) -> Any:
    return np.full(new_shape(shape, "full"), fill_value, None if dtype is None else check_dtype(dtype))


@like_numpy(_full_data, maker=True, real=np.full)
def full(shape: Any, fill_value: Any, dtype: Any = None, *, device: Any = None) -> Any:
    """Array of ``shape`` filled with ``fill_value``, which is broadcast, in its dtype by default."""
    shape = new_shape(shape, "full")
    if fill_value.__class__ is int and dtype is not None:
        fill_value = np.asarray(fill_value, check_dtype(dtype))  # an OverflowError where it does not fit
    fill = value(fill_value, "full", "fill_value")
    dtype = static_dtype(dtype, fill.dtype)
    if fill.shape == () and not isinstance(fill, Value):
        return _full(shape, np.asarray(fill).astype(dtype).astype(object).item(), dtype)
    return broadcast_to(as_dtype(fill, dtype), shape)


def _like(x: Any, name: str, dtype: Any, shape: Any) -> tuple[tuple[int, ...], np.dtype]:
    x = value(x, name)
    return x.shape if shape is None else new_shape(shape, name), static_dtype(dtype, x.dtype)


@like_numpy(None)
def zeros_like(a: Any, dtype: Any = None, shape: Any = None, *, device: Any = None) -> Any:
    """Zeros of the shape and dtype of ``a``."""
    shape, dtype = _like(a, "zeros_like", dtype, shape)
    return _full(shape, 0, dtype)


@like_numpy(None)
def ones_like(a: Any, dtype: Any = None, shape: Any = None, *, device: Any = None) -> Any:
    """Ones of the shape and dtype of ``a``."""
    shape, dtype = _like(a, "ones_like", dtype, shape)
    return _full(shape, 1, dtype)


empty_like = zeros_like


@like_numpy(None)
def full_like(a: Any, fill_value: Any, dtype: Any = None, shape: Any = None, *, device: Any = None) -> Any:
    """Array of the shape and dtype of ``a``, filled with ``fill_value``."""
    shape, dtype = _like(a, "full_like", dtype, shape)
    return full.staged(shape, fill_value, dtype)


def _diagonal_mask(n: int, m: int, k: int) -> Any:
    """Column minus row, against ``k``."""
    rows, columns = iota(INT64, (n, m), 0), iota(INT64, (n, m), 1)
    return e.sub(columns, rows), np.asarray(min(max(k, -n), m), INT64)  # beyond these it is no diagonal's


def _eye_data(N: Any, M: Any = None, k: Any = 0, dtype: Any = None, *, device: Any = None) -> Any:
    return np.eye(N, M, k, static_dtype(dtype, float))


@like_numpy(_eye_data, maker=True)
def eye(N: Any, M: Any = None, k: Any = 0, dtype: Any = None, *, device: Any = None) -> Any:
    """Matrix of ``N`` rows and ``M`` (by default ``N``) columns with ones on diagonal ``k``."""
    n = static_int(N, "eye", "N")
    m = n if M is None else static_int(M, "eye", "M")
    return e.cast(e.eq(*_diagonal_mask(n, m, static_int(k, "eye", "k"))), static_dtype(dtype, float))


def identity(n: int, dtype: Any = None) -> Any:
    """The identity matrix of ``n`` rows."""
    return eye(n, dtype=dtype)


@like_numpy(lambda N, M=None, k=0, dtype=None: np.tri(N, M, k, static_dtype(dtype, float)), maker=True)
def tri(N: Any, M: Any = None, k: Any = 0, dtype: Any = None) -> Any:
    """Matrix with ones on and below diagonal ``k``, zeros above."""
    n = static_int(N, "tri", "N")
    m = n if M is None else static_int(M, "tri", "M")
    return e.cast(e.le(*_diagonal_mask(n, m, static_int(k, "tri", "k"))), static_dtype(dtype, float))


@like_numpy(np.vander)
def vander(x: Any, N: Any = None, increasing: bool = False) -> Any:
    """Powers of the elements of ``x`` as rows of a matrix, the highest first."""
    x = value(x, "vander")
    if x.ndim != 1:
        raise ShapeError(f"vander needs an array of one axis, got shape {x.shape}.")
    n = x.shape[0] if N is None else static_int(N, "vander", "N")
    x = e.cast(x, common_dtype(x, np.empty(0, int)))
    powers = [
        reshape(e.integer_pow(x, p) if p else _full(x.shape, 1, x.dtype), (x.shape[0], 1)) for p in range(n)
    ]
    if not powers:
        return _full((x.shape[0], 0), 0, x.dtype)
    return concatenate(powers if increasing else powers[::-1], 1)


# Ranges


def _bounds(start: Any, stop: Any) -> tuple[Any, Any]:
    """What `arange` goes from and to: one number given alone is where it ends."""
    if start is None and stop is None:
        raise ArgumentError("arange needs the number to end before, as in arange(5).")
    return (0, start) if stop is None else (0, stop) if start is None else (start, stop)


def _arange_data(
    start: Any = None, stop: Any = None, step: Any = None, dtype: Any = None, *, device: Any = None
) -> Any:
    dtype = None if dtype is None else check_dtype(dtype)
    start, stop = _bounds(start, stop)
    return np.arange(start, stop, 1 if step is None else step, dtype=dtype)


@like_numpy(_arange_data, maker=True, real=np.arange)
def arange(
    start: Any = None, stop: Any = None, step: Any = None, dtype: Any = None, *, device: Any = None
) -> Any:
    """Numbers from ``start`` (0) to before ``stop`` by ``step`` (1). The bounds must be known: they give the shape."""
    bounds = [_known(x, "arange") for x in (*_bounds(start, stop), step)]
    first, last, step = bounds[0], bounds[1], 1 if step is None else bounds[2]
    dtype = static_dtype(
        dtype,
        common_dtype(first, last, step),
    )
    n = max(0, math.ceil((last - first) / step))
    if dtype.kind not in "iuf":
        return np.arange(first, last, step, dtype=dtype)
    # NumPy's own way: the first two numbers are computed, the rest follows by their difference.
    base, second = np.asarray(first).astype(dtype), np.asarray(first + step).astype(dtype)
    line = iota(dtype, (n,))
    delta = second - base
    line = line if delta == 1 else e.mul(line, delta)
    return line if base == 0 and not np.signbit(np.float64(base)) else e.add(line, base)


def _known(x: Any, name: str) -> Any:
    """A number that gives a shape."""
    if isinstance(x, Value):
        x = concrete(x, f"{name} needs its arguments, which give the shape of the result")
    return x.item() if hasattr(x, "item") else x


def _linspace_data(
    start: Any,
    stop: Any,
    num: int = 50,
    endpoint: bool = True,
    retstep: Any = False,
    dtype: Any = None,
    axis: int = 0,
    *,
    device: Any = None,
) -> Any:
    return np.linspace(
        start, stop, num, endpoint, retstep, None if dtype is None else check_dtype(dtype), axis
    )


def _line_dtype(start: Any, stop: Any, dtype: Any) -> np.dtype:
    """What a line between two ends is computed in: of Python scalars, a wider ``dtype`` that was asked for."""
    compute = averaging(common_dtype(start, stop, 1.0))
    if dtype is None or not (is_weak(start) and is_weak(stop)):
        return compute
    return promote(compute, real_dtype(check_dtype(dtype)))


@like_numpy(_linspace_data, maker=True)
def linspace(
    start: Any,
    stop: Any,
    num: int = 50,
    endpoint: bool = True,
    retstep: bool = False,
    dtype: Any = None,
    axis: int = 0,
    *,
    device: Any = None,
) -> Any:
    """``num`` numbers at equal distances from ``start`` to ``stop``.

    Args:
        start: first number; arrays give a line for each element.
        stop: last number, left out if ``endpoint`` is false.
        num: how many.
        endpoint: whether ``stop`` is the last number.
        retstep: give the distance too.
        dtype: dtype of the result, by default floating.
        axis: the axis of the result along which the lines run.
        device: accepted for the array API's sake.
    """
    num = static_int(num, "linspace", "num")
    if num < 0:
        raise ArgumentError(f"linspace got num={num}: it must not be negative.")
    compute = _line_dtype(start, stop, dtype)
    start, stop = (as_dtype(x if is_weak(x) else value(x, "linspace"), compute) for x in (start, stop))
    shape = np.broadcast_shapes(start.shape, stop.shape)
    start, stop = broadcast_to(start, shape), broadcast_to(stop, shape)
    divisions = num - 1 if endpoint else num
    delta = e.sub(stop, start)
    step = e.div(delta, np.asarray(divisions, compute)) if divisions > 0 else e.mul(delta, float("nan"))
    whole = (num, *shape)
    grid = iota(compute, whole, 0)
    if divisions > 0:
        line = e.add(e.mul(grid, broadcast_to(step, whole)), broadcast_to(start, whole))
    else:
        line = broadcast_to(start, whole)
    if endpoint and num > 1:  # the last number is exact
        last = e.eq(iota(INT64, whole, 0), np.asarray(num - 1, INT64))
        line = e.select(last, broadcast_to(stop, whole), line)
    out_dtype = static_dtype(dtype, compute)
    if out_dtype.kind in "iu":
        line = e.floor(line)
    line = e.cast(line, out_dtype)
    line = move_axis(line, 0, axis_index(axis, line.ndim, "linspace"))
    return (line, step) if retstep else line


@like_numpy(np.logspace)
def logspace(
    start: Any,
    stop: Any,
    num: int = 50,
    endpoint: bool = True,
    base: Any = 10.0,
    dtype: Any = None,
    axis: int = 0,
) -> Any:
    """``base`` to the power of ``num`` exponents at equal distances from ``start`` to ``stop``."""
    from weft.numpy.ufuncs import FUNCTIONS

    exponents = linspace.staged(start, stop, num, endpoint, dtype=_line_dtype(start, stop, dtype), axis=axis)
    result = FUNCTIONS["power"].staged(base if is_weak(base) else value(base, "logspace"), exponents)
    return result if dtype is None else e.cast(result, check_dtype(dtype))


@like_numpy(np.geomspace)
def geomspace(
    start: Any, stop: Any, num: int = 50, endpoint: bool = True, dtype: Any = None, axis: int = 0
) -> Any:
    """``num`` numbers with equal ratios from ``start`` to ``stop``, of one sign."""
    from weft.ir.ops.transcendental import exp, log

    start, stop = (x if is_weak(x) else value(x, "geomspace") for x in (start, stop))
    common = common_dtype(start, stop)
    if common.kind == "b":
        raise DTypeError("geomspace takes numbers, got bool.")
    wide = promote(covering(common), _line_dtype(start, stop, dtype))
    start, stop = as_dtype(start, wide), as_dtype(stop, wide)
    shape = np.broadcast_shapes(start.shape, stop.shape)
    start, stop = broadcast_to(start, shape), broadcast_to(stop, shape)
    ratio = log(e.div(stop, start))
    steps = linspace.staged(np.zeros((), start.dtype), ratio, num, endpoint)
    line = e.mul(broadcast_to(start, steps.shape), exp(steps))
    line = move_axis(line, 0, axis_index(axis, line.ndim, "geomspace"))
    return line if dtype is None else e.cast(line, check_dtype(dtype))


# Grids


@like_numpy(lambda *xi, **options: list(np.meshgrid(*xi, **options)))
def meshgrid(*xi: Any, copy: bool = True, sparse: bool = False, indexing: str = "xy") -> Any:
    """A list with one array of coordinates an axis, from vectors; ``indexing`` "xy" exchanges the first two axes."""
    if indexing not in ("xy", "ij"):
        raise ArgumentError(f"meshgrid got indexing={indexing!r}: it is 'xy' or 'ij'.")
    vectors = [value(x, "meshgrid") for x in xi]
    places = list(range(len(vectors)))
    if indexing == "xy":
        places[:2] = places[1::-1] if len(vectors) > 1 else places[:2]
    whole = [0] * len(vectors)
    for place, v in zip(places, vectors, strict=True):
        whole[place] = v.size
    grids = []
    for place, v in zip(places, vectors, strict=True):
        line = reshape(v, [v.size if i == place else 1 for i in range(len(vectors))])
        grids.append(line if sparse else broadcast_to(line, whole))
    return grids


@like_numpy(
    lambda dimensions, dtype=int, sparse=False: np.indices(tuple(dimensions), check_dtype(dtype), sparse),
    maker=True,
)
def indices(dimensions: Any, dtype: Any = int, sparse: bool = False) -> Any:
    """The index along each axis of a grid: one array with the axes in front, or a tuple of thin ones."""
    shape = new_shape(dimensions, "indices")
    dtype = check_dtype(dtype)
    if sparse:
        return tuple(
            [
                reshape(iota(dtype, (n,)), [n if i == d else 1 for i in range(len(shape))])
                for d, n in enumerate(shape)
            ]
        )
    if not shape:
        return _full((0,), 0, dtype)
    return concatenate([expand_dims(iota(dtype, shape, d), (0,)) for d in range(len(shape))], 0)


def fromfunction(function: Callable[..., Any], shape: Any, *, dtype: Any = float, **kwargs: Any) -> Any:
    """``function`` of the index along each axis."""
    grid = indices(static_shape(shape, "fromfunction"), dtype=dtype)
    return function(*[grid[d] for d in range(grid.shape[0])], **kwargs)
