"""How functions of `weft.lax` read their arguments: values of one dtype and shape, axes counted from the front."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from weft.engine.array import to_value
from weft.ir.errors import AxisError, DTypeError, ShapeError
from weft.ir.rules import KINDS

SCALARS = (bool, int, float, complex)

_RANKS = {"b": 0, "i": 1, "u": 1, "f": 2, "V": 2, "c": 3}  # of kinds of dtypes; that of bfloat16 is "V"


def same_values(name: str, args: Sequence[Any]) -> list[Any]:
    """Arguments of an elementwise operation: arrays of one shape, scalars of their dtype."""
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


def check_kind(name: str, dtype: np.dtype, kind: str) -> None:
    """Raise the user's error unless a dtype is of a kind of `weft.ir.rules.KINDS`.

    NumPy would take others, and compiled programs would not: so both refuse them, in the same words.
    """
    if not KINDS[kind](dtype):
        raise DTypeError(f"lax.{name} does not accept dtype {dtype}: its arguments must be {kind}.")


def one_value(x: Any) -> Any:
    """A value of the IR for an array-like."""
    return to_value(x, "an argument of a lax function")


def one_axis(name: str, axis: int, ndim: int) -> int:
    """An axis counted from the front."""
    if not -ndim <= axis < ndim:
        raise AxisError(f"lax.{name} got axis {axis} for an array of {ndim} axes.")
    return axis % ndim


def sorted_axes(name: str, axes: Any, ndim: int) -> tuple[int, ...]:
    """Axes counted from the front, in increasing order; ``None`` means all."""
    given = (axes,) if isinstance(axes, int) else range(ndim) if axes is None else axes
    return tuple(sorted(one_axis(name, a, ndim) for a in given))
