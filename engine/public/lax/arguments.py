"""How functions of `weft.lax` read their arguments: values of one dtype and shape, axes counted from the front."""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Sequence
from typing import Any, ParamSpec, TypeVar

import numpy as np

from weft.engine.array import to_value
from weft.ir.builder import state
from weft.ir.errors import ArgumentError, AxisError, DTypeError, ShapeError, UserError
from weft.ir.rules import KINDS

P = ParamSpec("P")
R = TypeVar("R")

SCALARS = (bool, int, float, complex)

_RANKS = {"b": 0, "i": 1, "u": 1, "f": 2, "V": 2, "c": 3}  # of kinds of dtypes; that of bfloat16 is "V"


def same_values(name: str, args: Sequence[Any]) -> list[Any]:
    """Arguments of an elementwise operation: arrays of one shape, scalars of their dtype."""
    for x in args:
        if type(x) is int and not -(2**63) <= x < 2**64:
            raise ArgumentError(f"lax.{name} got the integer {x}, which does not fit into 64 bits.")
    arrays = [x for x in args if type(x) not in SCALARS]
    values = [x if type(x) in SCALARS else to_value(x, f"an argument of lax.{name}") for x in args]
    if not arrays:
        dtype = np.result_type(*[np.asarray(x).dtype for x in values])
        return [np.asarray(x, dtype) for x in values]
    shapes = {x.shape for x in values if type(x) not in SCALARS and x.shape != ()}
    if len(shapes) > 1:
        listed = ", ".join(str(x.shape) for x in values if type(x) not in SCALARS)
        raise ShapeError(
            f"lax.{name} got arguments of different shapes: {listed}. Use weft.numpy for broadcasting."
        )
    if len(arrays) != len(values):
        rank = max(_RANKS[v.dtype.kind] for v in values if type(v) not in SCALARS)
        for x in values:
            if type(x) in SCALARS and _RANKS[np.asarray(x).dtype.kind] > rank:
                raise DTypeError(
                    f"lax.{name} got the number {x!r} beside an array that cannot hold it. Convert one of them, or use "
                    f"weft.numpy, which promotes."
                )
    return values


def checked(fun: Callable[P, R]) -> Callable[P, R]:
    """A function whose operations check their operands' types where they run at once, as they do where they are traced.

    NumPy takes more than the primitives' type rules, or says in its own words why it does not.
    """

    @functools.wraps(fun)
    def function(*args: P.args, **kwargs: P.kwargs) -> R:
        before, state.checks = state.checks, True
        try:
            return fun(*args, **kwargs)
        finally:
            state.checks = before

    return function


def check_kind(name: str, dtype: np.dtype, kind: str) -> None:
    """Raise the user's error unless a dtype is of a kind of `weft.ir.rules.KINDS`.

    NumPy would take others, and compiled programs would not: so both refuse them, in the same words.
    """
    if not KINDS[kind](dtype):
        raise DTypeError(f"lax.{name} does not accept dtype {dtype}: its arguments must be {kind}.")


def one_value(x: Any) -> Any:
    """A value of the IR for an array-like."""
    return to_value(x, "an argument of a lax function")


def whole_number(name: str, what: str, n: Any, least: int) -> int:
    """``n``, which says ``what`` of the function ``name``, as an integer of at least ``least``."""
    try:
        number = operator.index(n)
    except UserError:  # a traced one says what is to be done
        raise
    except TypeError:
        number = least - 1
    if number < least:
        raise ArgumentError(f"{name}: {what}, an integer of at least {least}, got {n!r}.")
    return number


def one_axis(name: str, axis: int, ndim: int) -> int:
    """An axis counted from the front."""
    try:
        axis = operator.index(axis)
    except TypeError:
        raise ArgumentError(f"lax.{name} takes an axis, which is an integer, got {axis!r}.") from None
    if not -ndim <= axis < ndim:
        raise AxisError(f"lax.{name} got axis {axis} for an array of {ndim} axes.")
    return axis % ndim


def sorted_axes(name: str, axes: Any, ndim: int) -> tuple[int, ...]:
    """Axes counted from the front, in increasing order; ``None`` means all."""
    if axes is None:
        return tuple(range(ndim))
    try:
        given = tuple(axes)
    except TypeError:
        given = (axes,)
    found = sorted(one_axis(name, a, ndim) for a in given)
    if len(set(found)) != len(found):
        raise AxisError(f"lax.{name} got an axis twice: {given}.")
    return tuple(found)


def sizes(name: str, shape: Sequence[int]) -> tuple[int, ...]:
    """A shape as integers that are not negative."""
    try:
        found = tuple(map(operator.index, shape))
    except TypeError:
        raise ArgumentError(
            f"lax.{name} takes a shape, which is a tuple of integers, got {shape!r}."
        ) from None
    if any(n < 0 for n in found):
        raise ShapeError(f"lax.{name} got the shape {found}: lengths are at least 0.")
    return found
