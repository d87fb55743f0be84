"""How a function of `weft.numpy` is declared, and how its arguments are read.

The one idea: NumPy itself is the eager meaning of a function, and the definition written here is the meaning for traced
arrays. Where NumPy refuses a call, the definition has the last word: it knows the keywords that JAX added, and its errors
name the function and the argument, so that a call fails with the same words inside and outside of `jit`.
"""

from __future__ import annotations

import functools
import operator
import warnings
from collections.abc import Callable, Sequence
from typing import Any, ParamSpec, TypeVar

import numpy as np

from weft.engine.array import to_value
from weft.engine.dispatch import ArrayFunction, as_dtype, common_dtype, common_type, is_weak, numpy_function
from weft.engine.promotion import averaging, is_literal, literal, rules
from weft.engine.trace import Tracer
from weft.ir.builder import Value
from weft.ir.errors import ArgumentError, AxisError, ShapeError, WeftError
from weft.ir.ops import elementwise as e
from weft.ir.ops.shape import concatenate, reshape
from weft.ir.types import bfloat16, check_dtype, is_bool, is_inexact

P = ParamSpec("P")
R = TypeVar("R")
_ndarray = np.ndarray


def _has_bfloat16(x: Any) -> bool:
    kind = x.__class__
    if kind is _ndarray:
        return x.dtype is bfloat16
    return (kind is list or kind is tuple) and any(map(_has_bfloat16, x))


def like_numpy(
    reference: Callable[..., Any] | None,
    *,
    maker: bool = False,
    real: Callable[..., Any] | None = None,
    arity: int = 0,
    sequence: bool = False,
) -> Callable[[Callable[P, R]], ArrayFunction[P, R]]:
    """Decorate the staged definition of a public function: `numpy_function` with what NumPy does not know.

    bfloat16 arrays go to the definition, which computes in float32; so does what NumPy refuses. Where NumPy found an element
    wrong that is an error; a reference hands a call on to the definition by an error that says nothing (``raise TypeError``).

    Args:
        reference: the NumPy function; ``None`` runs the definition on NumPy arrays.
        maker: the function makes an array from shapes alone, so inside a traced function it is staged.
        real: what does the same on real arrays, of a maker for numbers and a dtype, and faster.
        arity: how many arrays it takes, if NumPy's is a universal function or otherwise gives one new array.
        sequence: it takes a sequence of arrays and integers behind it, and gives a new array.
    """

    def decorate(definition: Callable[P, R]) -> ArrayFunction[P, R]:
        if reference is None:
            return numpy_function(None, maker=maker)(definition)

        def eager(*args: Any, **kwargs: Any) -> Any:
            for x in args:
                if _has_bfloat16(x):
                    return definition(*args, **kwargs)
            if kwargs.get("where") is not None and isinstance(reference, np.ufunc):
                return definition(*args, **kwargs)  # refuses: NumPy would leave elements without a value
            try:
                return reference(*args, **kwargs)
            except (
                TypeError,
                ValueError,
                IndexError,
                AttributeError,
            ) as error:  # the last of loops over objects
                refused = error
            try:
                result = definition(*args, **kwargs)
            except WeftError as explained:
                raise explained from None
            except Exception as unexplained:
                raise refused if refused.args else unexplained from None
            if isinstance(refused, np.linalg.LinAlgError):
                raise refused  # what a matrix holds was wrong, which the definition says by NaN
            in_place = "read-only" in str(refused)  # leave to overwrite, which definitions do not take
            if isinstance(refused, ValueError | IndexError) and refused.args and not in_place:
                # An element was wrong, which a definition for traced arrays cannot see.
                raise ArgumentError(f"{definition.__name__}: {refused}") from None
            return result

        for own in (reference, getattr(reference, "__wrapped__", None)):
            if (getattr(own, "__module__", None) or "").startswith("weft."):
                own.__qualname__ = definition.__name__  # type: ignore[union-attr]  # for Python's errors about arguments
        fast = real if maker else real or reference
        return numpy_function(
            eager, maker=maker, fast=fast, fast_if_real=real is not None, arity=arity, sequence=sequence
        )(definition)

    return decorate


def silent(reference: Callable[..., Any]) -> Callable[..., Any]:
    """A NumPy function without the warnings that it writes in Python ("Mean of empty slice"); NaN says it too."""

    @functools.wraps(reference)
    def run(*args: Any, **kwargs: Any) -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            return reference(*args, **kwargs)

    return run


# Values


def value(x: Any, name: str, argument: str = "an argument") -> Any:
    """A value of the IR for an array-like; lists with traced arrays among them are stacked."""
    if isinstance(x, Value):
        return x
    if isinstance(x, list | tuple | range):
        return stacked(x, name)
    return to_value(x, f"{argument} of {name}")


def _items(x: Any) -> Any:
    """The leaves of nested lists."""
    if isinstance(x, list | tuple):
        for item in x:
            yield from _items(item)
    else:
        yield x


def stacked(x: Sequence[Any], name: str, dtype: Any = None) -> Any:
    """Nested lists as one value. As in NumPy, Python scalars in a list count with their full dtype."""
    if not any(isinstance(item, Value) for item in _items(x)):
        try:
            data = np.asarray(x, dtype)
        except ValueError as error:
            raise ArgumentError(f"{name} got nested lists that are no array: {error}") from None
        check_dtype(data.dtype)
        return literal(data) if dtype is None and not rules.plain and is_literal(x) else data
    items = [
        stacked(item, name, dtype)
        if isinstance(item, list | tuple)
        else to_value(item, f"an argument of {name}")
        for item in x
    ]
    if dtype is None:
        dtype = common_dtype(*[np.empty(0, item.dtype) for item in items])
    if any(item.shape != items[0].shape for item in items):
        shapes = ", ".join(str(item.shape) for item in items)
        raise ArgumentError(f"{name} got a list of arrays of different shapes: {shapes}.")
    return concatenate([reshape(as_dtype(item, dtype), (1, *item.shape)) for item in items], 0)


def same_dtype(name: str, *args: Any, weak: bool = False) -> list[Any]:
    """Arguments as values of their common dtype; shapes stay as they are.

    ``weak`` says that Python scalars give way to arrays. In most of NumPy's functions, other than the elementwise
    ones, they do not.
    """
    args = tuple([x if weak and is_weak(x) else value(x, name) for x in args])
    dtype = common_dtype(*args)
    return [as_dtype(to_value(x, f"an argument of {name}"), dtype) for x in args]


def to_bool(x: Any) -> Any:
    """Whether elements are not zero."""
    return x if is_bool(x.dtype) else e.ne(x, e.full_like(x, 0))


def to_inexact(x: Any) -> Any:
    """Integers and bool as the default float, others as they are: what means and interpolations compute in."""
    return x if is_inexact(x.dtype) else as_dtype(x, averaging(x.dtype))


def mark_weak(out: Any, args: Sequence[Any]) -> Any:
    """Make a traced result of Python scalars alone give way in promotion, as a Python scalar would."""
    if out.__class__ is Tracer and (common_type(args)[1] if rules.jax else all(map(is_weak, args))):
        out.weak = True
    return out


# Static arguments


def axis_index(axis: Any, ndim: int, name: str) -> int:
    """One axis counted from the front."""
    try:
        index = operator.index(axis)
    except TypeError as error:
        if isinstance(error, WeftError):
            raise
        raise ArgumentError(f"{name} got axis={axis!r}: an axis is an integer.") from None
    if not -ndim <= index < ndim:
        raise AxisError(f"{name} got axis {index}, which an array of {ndim} axes does not have.")
    return index % ndim


def axis_indices(axis: Any, ndim: int, name: str) -> tuple[int, ...]:
    """Axes counted from the front, in increasing order; ``None`` means all."""
    if axis is None:
        return tuple(range(ndim))
    if not isinstance(axis, tuple | list):
        return (axis_index(axis, ndim, name),)
    found = [axis_index(a, ndim, name) for a in axis]
    if len(set(found)) != len(found):
        raise AxisError(f"{name} got axis {tuple(axis)}: an axis is given twice.")
    return tuple(sorted(found))


def of_scalar(axis: Any, ndim: int) -> bool:
    """Whether ``axis`` is the one that NumPy lets reductions and sorts of 0-d arrays name although there is none."""
    return ndim == 0 and isinstance(axis, int | np.integer) and int(axis) in (0, -1)


def static_int(x: Any, name: str, argument: str) -> int:
    """An argument that must be a Python integer (or a concrete integer array of rank 0)."""
    try:
        return operator.index(x)
    except TypeError as error:
        if isinstance(error, WeftError):
            raise
        raise ArgumentError(f"{name} got {argument}={x!r}: it must be an integer.") from None


def static_shape(shape: Any, name: str, argument: str = "shape") -> tuple[int, ...]:
    """A shape from an integer or a sequence of them."""
    if isinstance(shape, Value) and shape.ndim == 1:
        shape = shape.__array__()  # type: ignore[attr-defined]
    if isinstance(shape, tuple | list) or (isinstance(shape, np.ndarray) and shape.ndim == 1):
        return tuple([static_int(n, name, argument) for n in shape])
    return (static_int(shape, name, argument),)


def new_shape(shape: Any, name: str) -> tuple[int, ...]:
    """The shape of an array to make: `static_shape` of lengths that are not negative."""
    lengths = static_shape(shape, name)
    if min(lengths, default=0) < 0:
        raise ShapeError(f"{name} got shape={lengths}: lengths must not be negative.")
    return lengths


def static_dtype(dtype: Any, default: Any = None) -> np.dtype:
    """A dtype argument; ``None`` gives the default, where ``float`` stands for the default float."""
    if dtype is None:
        return rules.float if default is float else check_dtype(default)
    return check_dtype(dtype)


_REFUSED = {
    "out": "arrays are immutable: use the result",
    "where": "elements where it is False would have no value: choose with weft.numpy.where(condition, x, y)",
}


def refuse(name: str, **arguments: Any) -> None:
    """Raise for arguments that were given although traced arrays have no use for them (``out`` and kin)."""
    for argument, given in arguments.items():
        if given is not None:
            raise ArgumentError(
                f"{name} got {argument}=; {_REFUSED.get(argument, 'traced arrays have no use for it')}."
            )
