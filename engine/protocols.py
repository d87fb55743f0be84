"""NumPy's protocols: what ``numpy.sin(x)`` and ``numpy.concatenate([x])`` do with arrays of Weft.

The one idea: NumPy's function is looked up by name in `weft.numpy`, and that one is called. Arrays with known values may go to
functions that Weft does not have; traced arrays may not.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from weft.engine import left_out
from weft.engine.dispatch import from_data, is_traced, to_data
from weft.engine.methods import numpy_face
from weft.ir.errors import ArgumentError

_MODULES = {"numpy": "weft.numpy", "numpy.linalg": "weft.numpy.linalg", "numpy.fft": "weft.numpy.fft"}


def _refuse_out(name: str, kwargs: Mapping[str, Any]) -> None:
    if kwargs.get("out") is not None:
        raise ArgumentError(
            f"numpy.{name} got out=, and arrays of Weft are immutable: use the result instead."
        )


def array_ufunc(ufunc: np.ufunc, method: str, inputs: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """``ufunc`` or one of its methods on arrays of Weft.

    Raises:
        ArgumentError: ``out=`` was given (``x += y`` on a NumPy array does), or a traced array has no such function.
    """
    name = ufunc.__name__
    label = name if method == "__call__" else f"{name}.{method}"
    _refuse_out(label, kwargs)
    face = numpy_face()
    if method == "__call__" and getattr(face, name, None) is not None:
        return getattr(face, name)(*inputs, **kwargs)
    if method in ("reduce", "accumulate", "reduceat", "outer") and hasattr(face, name):
        given = {k: v for k, v in kwargs.items() if v is not None or k == "axis"}
        return getattr(getattr(face, name), method)(*inputs, **given)
    if method == "at":
        raise ArgumentError(
            f"numpy.{label} works in place, and arrays are immutable: write x.at[index].add(values) or the like."
        )
    if is_traced(tuple(inputs)):
        raise ArgumentError(
            f"numpy.{label} has no counterpart for traced arrays: write it with functions of weft.numpy."
        )
    return from_data(
        getattr(ufunc, method)(*map(to_data, inputs), **{k: to_data(v) for k, v in kwargs.items()})
    )


@functools.cache
def _counterpart(module: str, name: str) -> Callable[..., Any] | None:
    """The function of Weft that has the name of a function of NumPy."""
    if module not in _MODULES:
        return None
    try:
        face = numpy_face() if module == "numpy" else importlib.import_module(_MODULES[module])
    except ModuleNotFoundError:
        return None
    found = getattr(face, name, None)
    return found if callable(found) else None


def _has_tracer(x: Any) -> bool:
    if isinstance(x, Mapping):
        return any(map(_has_tracer, x.values()))
    return is_traced(x)


def array_function(func: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """A function of NumPy on arrays of Weft.

    Raises:
        ArgumentError: ``out=`` was given, or a traced array has no such function.
    """
    name, module = func.__name__, getattr(func, "__module__", "numpy") or "numpy"
    _refuse_out(name, kwargs)
    ours = _counterpart(module, name)
    if ours is not None:
        return ours(*args, **kwargs)
    if name == "copyto":
        raise ArgumentError(f"numpy.{name} works in place: {left_out.FUNCTIONS[name]}.")
    if _has_tracer(tuple(args)) or _has_tracer(kwargs):
        way = left_out.advice(name, numpy_face().__all__) or "Write it with functions of weft.numpy."
        raise ArgumentError(
            f"{module}.{name} has no counterpart in Weft, so it cannot take traced arrays; outside of the traced function it "
            f"can take others. {way}"
        )
    result = func(*map(_data, args), **{k: _data(v) for k, v in kwargs.items()})
    return from_data(result)


def _data(x: Any) -> Any:
    return {k: _data(v) for k, v in x.items()} if isinstance(x, dict) else to_data(x)
