"""What ``out=`` means where arrays do not change: ``y += x`` and ``numpy.divide(a, b, out=numpy.zeros_like(a), where=b != 0)``.

The one idea: a result that was to be written into an array may be given back instead where nobody can tell the difference:
where the array is known to the call alone, or to a name that is about to be given the result. How many references those are
is measured once, on arrays of NumPy's. All else is refused.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from weft.engine.array import Array
from weft.engine.methods import numpy_face
from weft.engine.runtime.memory import Lease
from weft.ir.builder import Value
from weft.ir.errors import ArgumentError, DTypeError, ShapeError


def refuse_out(name: str) -> None:
    """Say that an array cannot be written to."""
    raise ArgumentError(
        f"{name} got out= (or stands in y += x, which is the same): arrays of Weft are immutable, and traced ones have no "
        f"elements yet that could be written to a NumPy array that others see. Use the result: y = y + x, or "
        f"y = weft.numpy.asarray(y).at[index].add(x), and weft.numpy.where for where=."
    )


def _references(kwargs: Mapping[str, Any]) -> int:
    return sys.getrefcount(kwargs["out"][0])


class _Probe:
    """Counts the references to what NumPy's functions are to write to."""

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        return _references(kwargs)


def _of_a_name() -> int:
    y: Any = np.empty(1)
    y += _Probe()  # type: ignore[misc]
    return y


_OF_A_NAME, _OF_A_TEMPORARY = _of_a_name(), np.add(_Probe(), 1, out=np.empty(1))  # type: ignore[call-overload]


def nobody_sees(inputs: Sequence[Any], kwargs: Mapping[str, Any]) -> bool:
    """Whether a result can be given back instead of being written to ``kwargs["out"]``, a tuple of one."""
    in_place = any(x is kwargs["out"][0] for x in inputs)
    if _references(kwargs) > (_OF_A_NAME if in_place else _OF_A_TEMPORARY):
        return False
    return _has_own_memory(kwargs["out"][0])


def _holders_of_base(x: np.ndarray) -> int:
    return sys.getrefcount(x.base)


_OF_A_VIEW = _holders_of_base(np.arange(6).reshape(2, 3))


def _has_own_memory(x: Any) -> bool:
    """Whether an array is not a part of another one that somebody holds."""
    if isinstance(x, Value):
        maker = x.builder.makers.get(x.variable)  # of zeros, ones
        return maker is not None and maker.prim.lower.rule != "reshape"
    data = x._data if x.__class__ is Array else x
    if not isinstance(data, np.ndarray):
        return False
    return data.base is None or data.base.__class__ is Lease or _holders_of_base(data) == _OF_A_VIEW


def instead_of_writing(
    call: Callable[..., Any], name: str, inputs: Sequence[Any], out: Any, where: Any, casting: Any
) -> Any:
    """What ``out`` would hold after ``call`` has written its result to it, where ``where`` is true.

    Raises:
        DTypeError: NumPy would not write elements of the result's dtype to ``out``.
        ShapeError: the result is larger than ``out``.
    """
    face = numpy_face()
    result = call(*inputs)
    if not np.can_cast(result.dtype, out.dtype, casting):
        raise DTypeError(
            f"{name} gives {result.dtype}, which does not go into an array of {out.dtype} (casting={casting!r})."
        )
    mask = True if where is None else face.asarray(where)
    if np.broadcast_shapes(result.shape, np.shape(mask), out.shape) != out.shape:
        raise ShapeError(
            f"{name} gives an array of shape {result.shape}, which does not go into one of {out.shape}."
        )
    result = result.astype(out.dtype)
    return face.broadcast_to(result, out.shape) if mask is True else face.where(mask, result, out)
