"""Params: the static metadata of an equation, and what makes two of them the same.

The one idea: Python's ``==`` is too coarse for a compiler. ``0.0 == -0.0``, ``1 == True == 1.0`` and ``nan
!= nan``, yet programs that differ in the first two compute different things, and programs that agree in the
last are one. `param_key` gives a hashable key that is equal exactly when the params mean the same, to the
bit.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from weft.ir.errors import InternalError
from weft.ir.graph import WITHOUT_GRAPHS, Eqn, Graph
from weft.ir.types import ArrayType

_PLAIN = (str, np.dtype, ArrayType, Graph)


def param_key(value: Any) -> Any:
    """A hashable key of one param: equal keys are the same param, to the bit and in kind.

    Raises:
        InternalError: the value is of a kind that no param may have.
    """
    kind = type(value)
    if kind is int or value is None or isinstance(value, _PLAIN):
        return value
    if kind is bool:
        return (bool, value)
    if kind is tuple:
        return (tuple, *map(param_key, value))
    if isinstance(value, np.generic):
        return (value.dtype, value.tobytes())
    if kind is float:
        return (float, struct.pack("d", value))
    if kind is complex:
        return (complex, struct.pack("dd", value.real, value.imag))
    if kind is slice:
        return (slice, param_key(value.start), param_key(value.stop), param_key(value.step))
    if isinstance(value, tuple):
        return (kind, *map(param_key, value))
    if callable(value) and kind.__hash__ is not None:
        return (callable, value)
    raise InternalError(
        f"a param is {value!r}, of type {kind.__name__}. Params are int, float, complex, str, bool, None, "
        f"dtypes, types, graphs, functions, slices and tuples of these; arrays are operands."
    )


def params_key(params: Mapping[str, Any]) -> Any:
    """A hashable key of all params of an equation."""
    return tuple([(name, param_key(params[name])) for name in sorted(params)])


def map_graphs(eqn: Eqn, change: Callable[[Graph], Graph]) -> Eqn:
    """``eqn`` with ``change(graph)`` for each graph among its params; itself where nothing changes."""
    if eqn.prim.lower.kind in WITHOUT_GRAPHS:
        return eqn
    changed: dict[str, Any] = {}
    for name, value in eqn.params.items():
        if isinstance(value, Graph | tuple) and (new := _map_graph(value, change)) is not value:
            changed[name] = new
    return Eqn(eqn.prim, eqn.ins, eqn.outs, {**eqn.params, **changed}, eqn.source) if changed else eqn


def _map_graph(value: Any, change: Callable[[Graph], Graph]) -> Any:
    if isinstance(value, Graph):
        return change(value)
    if type(value) is tuple:
        items = tuple([_map_graph(item, change) for item in value])
        return items if any(a is not b for a, b in zip(items, value, strict=True)) else value
    return value
