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

from weft.engine.dispatch import from_data, is_traced, to_data
from weft.engine.methods import numpy_face
from weft.ir.errors import ArgumentError

# Methods of universal functions that are functions of their own: (ufunc, method) -> weft.numpy's.
_METHODS = {
    ("add", "reduce"): "sum", ("multiply", "reduce"): "prod", ("maximum", "reduce"): "max", ("minimum", "reduce"): "min",
    ("logical_and", "reduce"): "all", ("logical_or", "reduce"): "any", ("add", "accumulate"): "cumsum",
    ("multiply", "accumulate"): "cumprod",
}  # fmt: skip
_IN_PLACE = frozenset(("copyto", "place", "put", "putmask"))
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
    if method == "outer" and len(inputs) == 2 and hasattr(face, name):
        x, y = (face.asarray(v) for v in inputs)
        return getattr(face, name)(x.reshape(x.shape + (1,) * y.ndim), y, **kwargs)
    if method in ("reduce", "accumulate") and (name, method) in _METHODS:
        axis = inputs[1] if len(inputs) > 1 else kwargs.get("axis", 0)
        rest = {
            k: v
            for k, v in kwargs.items()
            if k not in ("axis", "out") and v is not None and k in ("dtype", "keepdims", "initial", "where")
        }
        return getattr(face, _METHODS[name, method])(inputs[0], axis=axis, **rest)
    if is_traced(tuple(inputs)):
        raise ArgumentError(
            f"numpy.{label} has no counterpart for traced arrays: write it with functions of weft.numpy."
        )
    if method == "at":
        raise ArgumentError(
            f"numpy.{label} works in place, and arrays are immutable: write x.at[index].add(values) or the like."
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
    if name in _IN_PLACE:
        raise ArgumentError(
            f"numpy.{name} works in place, and arrays of Weft are immutable: write x = x.at[index].set(values), or "
            f"x = weft.numpy.where(mask, values, x)."
        )
    if _has_tracer(tuple(args)) or _has_tracer(kwargs):
        raise ArgumentError(
            f"{module}.{name} has no counterpart in Weft, so it cannot take traced arrays. Write it with "
            f"functions of weft.numpy, or call it outside of the traced function."
        )
    result = func(*map(_data, args), **{k: _data(v) for k, v in kwargs.items()})
    return from_data(result)


def _data(x: Any) -> Any:
    return {k: _data(v) for k, v in x.items()} if isinstance(x, dict) else to_data(x)
