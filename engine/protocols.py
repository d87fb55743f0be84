"""NumPy's protocols: what ``numpy.sin(x)`` and ``numpy.concatenate([x])`` do with arrays of Weft.

The one idea: NumPy's function is looked up by name in `weft.numpy`, and that one is called. Arrays with known values may go to
functions that Weft does not have; traced arrays may not.
"""

from __future__ import annotations

import functools
import importlib
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from weft.engine import left_out
from weft.engine.array import Array
from weft.engine.dispatch import from_data, is_traced, to_data
from weft.engine.methods import numpy_face
from weft.engine.outputs import instead_of_writing, nobody_sees, refuse_out
from weft.ir.errors import ArgumentError
from weft.ir.quiet import quietly

_MODULES = {
    "numpy": "weft.numpy",
    "numpy.linalg": "weft.numpy.linalg",
    "numpy.fft": "weft.numpy.fft",
    "numpy.lib.stride_tricks": "weft.numpy.lib.stride_tricks",
}
_IN_PLACE = frozenset(("copyto", "fill_diagonal", "place", "put", "put_along_axis", "putmask"))


def array_ufunc(ufunc: np.ufunc, method: str, inputs: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """``ufunc`` or one of its methods on arrays of Weft.

    Raises:
        ArgumentError: a result was to be written to an array (``out=``) that others see, or a traced array has no such
            function.
    """
    ours = _universal(ufunc)
    if ours is not None and method == "__call__" and not kwargs:
        return ours(*inputs)
    name = ufunc.__name__
    label = f"numpy.{name}" if method == "__call__" else f"numpy.{name}.{method}"
    traced = has_tracer(inputs) or has_tracer(kwargs)
    if any(x is not None for x in kwargs.get("out") or ()):
        if not traced and not any(isinstance(x, Array) for x in kwargs["out"]):
            return _numpys(getattr(ufunc, method), inputs, kwargs)  # into arrays of NumPy's
        if method != "__call__" or len(kwargs["out"]) != 1 or not nobody_sees(inputs, kwargs):
            refuse_out(label)
        call = functools.partial(array_ufunc, ufunc, method)
        rest = {k: v for k, v in kwargs.items() if k not in ("out", "where", "casting")}
        return instead_of_writing(
            lambda *xs: call(xs, rest), label, inputs, kwargs["out"][0], kwargs.get("where"),
            kwargs.get("casting", "same_kind"),
        )  # fmt: skip
    if method == "at" and not (isinstance(inputs[0], np.ndarray) and not traced):
        raise ArgumentError(
            f"{label} works in place, and arrays are immutable: write x = weft.numpy.{name}.at(x, indices, values, "
            f"inplace=False), or x = x.at[indices].add(values) or the like."
        )
    if ours is not None and method != "at":
        return (ours if method == "__call__" else getattr(ours, method))(*inputs, **_meant(kwargs))
    if traced:
        raise ArgumentError(
            f"{_where_from(ufunc)}{'' if method == '__call__' else f'.{method}'} has no counterpart for traced arrays: write "
            f"it with functions of weft.numpy, or call it by weft.pure_callback."
        )
    return _numpys(getattr(ufunc, method), inputs, kwargs)


def _meant(kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """The keywords of a universal function without defaults, layouts and subclasses: arrays of Weft have one of each."""
    rest = {k: v for k, v in kwargs.items() if k not in ("order", "subok") and (v is not None or k == "axis")}
    if rest.get("where") is True:
        del rest["where"]
    if "dtype" not in rest or rest.get("casting") == "same_kind":
        rest.pop("casting", None)  # of what the arguments are cast to, which the dtype of the result says
    return rest


def _numpys(function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """A function of NumPy's on the data of arrays; what it writes to, it gives back as it is."""
    kwargs = {k: v if k == "out" else _data(v) for k, v in kwargs.items()}
    result = quietly(function, *map(_data, args), **kwargs)
    return from_data(result) if kwargs.get("out") is None else result


@functools.cache
def _universal(ufunc: np.ufunc) -> Any:
    """The counterpart of a universal function of NumPy's or of SciPy's; others with the name of one mean something else."""
    name = ufunc.__name__
    if getattr(np, name, None) is ufunc:
        return getattr(numpy_face(), name, None)
    if _is_special(ufunc):
        return getattr(importlib.import_module("weft.scipy.special"), name, None)
    return None


def _is_special(ufunc: np.ufunc) -> bool:
    """Whether a universal function is one of ``scipy.special``, which are not all there under its array API mode."""
    modules = ("scipy.special", "scipy.special._ufuncs")
    return any(getattr(sys.modules.get(m), ufunc.__name__, None) is ufunc for m in modules)


def _where_from(ufunc: np.ufunc) -> str:
    """What messages call a universal function."""
    if getattr(np, ufunc.__name__, None) is ufunc:
        return f"numpy.{ufunc.__name__}"
    return (
        f"scipy.special.{ufunc.__name__}"
        if _is_special(ufunc)
        else f"the universal function {ufunc.__name__}"
    )


@functools.cache
def _counterpart(func: Callable[..., Any]) -> Callable[..., Any] | None:
    """The function of Weft that has the name of a function of NumPy."""
    module = _MODULES.get(_module_of(func))
    if module is None:
        return None
    found = getattr(importlib.import_module(module), func.__name__, None)
    return found if callable(found) else None


def _module_of(func: Callable[..., Any]) -> str:
    return getattr(func, "__module__", None) or "numpy"


def has_tracer(x: Any) -> bool:
    """Whether an argument, or an item of it, is a traced array."""
    return any(map(has_tracer, x.values())) if isinstance(x, Mapping) else is_traced(x)


def array_function(func: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """A function of NumPy on arrays of Weft.

    Raises:
        ArgumentError: a result was to be written to an array of Weft or from a traced one, or a traced array has no such
            function.
    """
    ours, name = _counterpart(func), func.__name__
    if ours is not None and "out" not in kwargs and name not in _IN_PLACE:
        return ours(*args, **kwargs)
    module, traced = _module_of(func), has_tracer(tuple(args)) or has_tracer(kwargs)
    written = args[0] if name in _IN_PLACE and args else kwargs.get("out")
    if isinstance(written, np.ndarray) and not traced:
        return _numpys(func, args, kwargs)
    if kwargs.get("out") is not None:
        refuse_out(f"{module}.{name}")
    if ours is not None:
        return ours(*args, **kwargs)
    if name == "copyto":
        raise ArgumentError(f"numpy.{name} works in place: {left_out.FUNCTIONS[name]}.")
    if traced:
        way = left_out.advice(name, numpy_face().__all__) or "Write it with functions of weft.numpy."
        raise ArgumentError(
            f"{module}.{name} has no counterpart in Weft, so it cannot take traced arrays; outside of the traced function it "
            f"can take others. {way}"
        )
    return _numpys(func, args, kwargs)


def _data(x: Any) -> Any:
    return {k: _data(v) for k, v in x.items()} if isinstance(x, dict) else to_data(x)
