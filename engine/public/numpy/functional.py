"""Functions of functions: `vectorize`, `apply_along_axis`, `apply_over_axes`.

The one idea: NumPy calls the function once an element or row; here it runs once on stand-ins for one, and `vmap` makes that the
work of all. So the function must be one that `vmap` takes: made of functions of this package, without branches on values.
"""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from weft.engine.array import wrap_value
from weft.engine.dispatch import as_dtype, broadcast_shapes, broadcast_to
from weft.engine.trace import function_name
from weft.engine.transforms.vmap import vmap
from weft.ir.errors import ArgumentError, ShapeError
from weft.ir.ops.shape import expand_dims, move_axis, reshape, transpose
from weft.ir.types import check_dtype
from weft.numpy.staging import axis_index, value

__all__ = ["apply_along_axis", "apply_over_axes", "vectorize"]

_NAME = r"\w+"
_DIMS = rf"\((?:{_NAME}(?:,{_NAME})*)?\)"
_SIGNATURE = re.compile(rf"({_DIMS}(?:,{_DIMS})*)?->({_DIMS}(?:,{_DIMS})*)")


def _parse(signature: str) -> tuple[list[tuple[str, ...]], list[tuple[str, ...]]]:
    """The core dimensions of arguments and results, from ``"(m,n),(n)->(m)"``."""
    found = _SIGNATURE.fullmatch(signature.replace(" ", ""))
    if found is None:
        raise ArgumentError(f"vectorize: {signature!r} is no signature; one looks like '(m,n),(n)->(m)'.")
    sides = [re.findall(_DIMS, side or "") for side in found.groups()]
    ins, outs = ([tuple(re.findall(_NAME, dims)) for dims in side] for side in sides)
    return ins, outs


def vectorize(
    pyfunc: Callable[..., Any] | None = None,
    otypes: str | Sequence[Any] | None = None,
    doc: str | None = None,
    excluded: Iterable[int | str] | None = None,
    cache: bool = False,
    signature: str | None = None,
) -> Callable[..., Any]:
    """A function of scalars (with ``signature``: of small arrays) made to broadcast like a function of NumPy.

    Args:
        pyfunc: what to apply to each element; it must be one that `weft.vmap` takes. Without it, a decorator is given.
        otypes: the dtypes of the results, as a string of NumPy's characters or a list; by default what ``pyfunc`` gives.
        doc: the documentation; by default that of ``pyfunc``.
        excluded: positions and names of arguments that are passed on as they are.
        cache: accepted for NumPy's sake: ``pyfunc`` runs once anyway.
        signature: the last axes that ``pyfunc`` takes and gives, such as ``"(m,n),(n)->(m)"``; without it there are none.

    Returns:
        A function of the same arguments. Keyword arguments are passed on as they are.

    Raises:
        ArgumentError: the signature is none, or the number of arguments or results is another.
        ShapeError: core dimensions are missing or differ, or the other axes do not broadcast.
    """
    if pyfunc is None:
        options = {"otypes": otypes, "doc": doc, "excluded": excluded, "cache": cache, "signature": signature}
        return lambda f: vectorize(f, **options)  # type: ignore[arg-type]
    dtypes = None if otypes is None else [check_dtype(np.dtype(t)) for t in otypes]
    left_out = set(excluded or ())
    name = function_name(pyfunc)
    parsed = None if signature is None else _parse(signature)

    @functools.wraps(pyfunc)
    def vectorized(*args: Any, **kwargs: Any) -> Any:
        places = [i for i in range(len(args)) if i not in left_out]
        ins, outs = ([()] * len(places), None) if parsed is None else parsed
        if len(ins) != len(places):
            raise ArgumentError(
                f"vectorize: {name} has the signature {signature!r}, for {len(ins)} arguments, but got {len(places)}."
            )
        values = [value(args[i], name, f"argument {i}") for i in places]
        sizes: dict[str, int] = {}
        for i, x, dims in zip(places, values, ins, strict=True):
            _read_sizes(f"argument {i} of {name}", x.shape, dims, sizes)
        loops = [x.shape[: len(x.shape) - len(dims)] for x, dims in zip(values, ins, strict=True)]
        shape = broadcast_shapes(name, *loops)

        def one(*parts: Any) -> Any:
            full = list(args)
            for i, part in zip(places, parts, strict=True):
                full[i] = part
            result = pyfunc(*full, **kwargs)
            return _as_types(name, _checked(name, result, outs, sizes), dtypes)

        if not any(loops):
            return one(*map(wrap_value, values))
        flat = [
            reshape(broadcast_to(x, (*shape, *core)), (math.prod(shape), *core)) if loop else x
            for x, loop in zip(values, loops, strict=True)
            for core in [x.shape[len(loop) :]]
        ]
        results = vmap(
            one, in_axes=tuple([0 if loop else None for loop in loops]), axis_size=math.prod(shape)
        )(*map(wrap_value, flat))

        def unflattened(y: Any) -> Any:
            y = value(y, name)
            return wrap_value(reshape(y, (*shape, *y.shape[1:])))

        return tuple(map(unflattened, results)) if isinstance(results, tuple) else unflattened(results)

    if doc is not None:
        vectorized.__doc__ = doc
    return vectorized


def _as_types(name: str, result: Any, dtypes: Sequence[np.dtype] | None) -> Any:
    """Results as the dtypes that ``otypes`` says."""
    if dtypes is None:
        return result
    several = isinstance(result, tuple)
    results = result if several else (result,)
    if len(results) != len(dtypes):
        raise ArgumentError(f"vectorize: otypes says {len(dtypes)} results, but {name} gives {len(results)}.")
    cast = tuple([wrap_value(as_dtype(value(y, name), t)) for y, t in zip(results, dtypes, strict=True)])
    return cast if several else cast[0]


def _read_sizes(what: str, shape: Sequence[int], dims: Sequence[str], sizes: dict[str, int]) -> None:
    """Note the sizes of the core dimensions ``dims``, the last of ``shape``; all of one name are equal."""
    if len(shape) < len(dims):
        raise ShapeError(f"vectorize: {what} has shape {tuple(shape)}, but its core dimensions are {dims}.")
    for dim, n in zip(dims, shape[len(shape) - len(dims) :], strict=True):
        if sizes.setdefault(dim, n) != n:
            raise ShapeError(
                f"vectorize: {what} has {n} for the core dimension {dim}, which is {sizes[dim]} elsewhere."
            )


def _checked(name: str, result: Any, outs: Sequence[tuple[str, ...]] | None, sizes: dict[str, int]) -> Any:
    """What a function returned, held against its signature."""
    several = isinstance(result, tuple | list)
    if outs is None:
        for y in result if several else [result]:
            if value(y, name).shape:
                raise ShapeError(
                    f"vectorize: {name} returned an array of shape {value(y, name).shape} for scalars; pass its signature."
                )
        return tuple(result) if several else result
    found = list(result) if several else [result]
    if len(found) != len(outs):
        raise ArgumentError(f"vectorize: {name} returned {len(found)} arrays, its signature has {len(outs)}.")
    known = dict(sizes)
    for i, (y, dims) in enumerate(zip(found, outs, strict=True)):
        shape = value(y, name).shape
        if len(shape) != len(dims):
            raise ShapeError(
                f"vectorize: result {i} of {name} has shape {shape}, its core dimensions are {dims}."
            )
        _read_sizes(f"result {i} of {name}", shape, dims, known)
    return tuple(found) if several else found[0]


def apply_along_axis(func1d: Callable[..., Any], axis: int, arr: Any, *args: Any, **kwargs: Any) -> Any:
    """Apply a function of vectors to all vectors along an axis.

    Args:
        func1d: function of a vector, and of ``args`` and ``kwargs``; it must be one that `weft.vmap` takes.
        axis: where the vectors lie.
        arr: array.
        *args: passed on.
        **kwargs: passed on.

    Returns:
        The results; their axes stand where ``axis`` was.
    """
    x = value(arr, "apply_along_axis", "arr")
    ndim = len(x.shape)
    axis = axis_index(axis, ndim, "apply_along_axis")
    rows = move_axis(x, axis, ndim - 1)
    others = rows.shape[:-1]
    flat = reshape(rows, (math.prod(others), x.shape[axis]))
    many = vmap(lambda row: func1d(row, *args, **kwargs))(wrap_value(flat))
    y = value(many, "apply_along_axis")
    y = reshape(y, (*others, *y.shape[1:]))
    n_own = len(y.shape) - len(others)
    order = [*range(axis), *range(len(others), len(others) + n_own), *range(axis, len(others))]
    return wrap_value(transpose(y, order))


def apply_over_axes(func: Callable[[Any, int], Any], a: Any, axes: int | Sequence[int]) -> Any:
    """Apply ``func(a, axis)`` to one axis after the other; axes that it removes stay with length 1."""
    x = value(a, "apply_over_axes", "a")
    ndim = len(x.shape)
    for axis in [axes] if isinstance(axes, int) else axes:
        axis = axis_index(axis, ndim, "apply_over_axes")
        y = value(func(wrap_value(x), axis), "apply_over_axes")
        if len(y.shape) == ndim - 1:
            y = expand_dims(y, (axis,))
        if len(y.shape) != ndim:
            raise ShapeError(
                f"apply_over_axes: {function_name(func)} gave an array of {len(y.shape)} axes for one of {ndim}: "
                f"it must keep all, or remove the one that it is given."
            )
        x = y
    return wrap_value(x)
