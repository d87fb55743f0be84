"""Callbacks as users write them: functions of trees, called while a program runs.

The one idea: a `HostCall` is the user's function and the structure of its arguments, as a function of arrays: what the
primitives of `weft.ir.ops.callback` carry. Leaves that are no arrays (a string, a file) are a part of the structure. Two of
them are equal when they call the same function on the same structure, so that tracing a function twice gives equal graphs.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from weft.engine import tree
from weft.engine.array import to_value, unwrap, wrap, wrap_value
from weft.engine.trace import function_name
from weft.ir.builder import Value
from weft.ir.errors import ArgumentError
from weft.ir.ops import callback as ops
from weft.ir.types import ArrayType, check_dtype

_NOTHING = object()


class HostCall:
    """A function of arrays that calls ``fun(*args, **kwargs)``."""

    __slots__ = ("_key", "_result", "_static", "_tree", "_wrap", "fun")

    def __init__(
        self, fun: Callable[..., Any], call_tree: Any, static: tuple[Any, ...], result: Any, wrap: Any
    ) -> None:
        """Take a function apart from its arrays.

        Args:
            fun: the user's function.
            call_tree: the structure of ``(args, kwargs)``.
            static: for each leaf what it is, or ``_NOTHING`` where an array goes.
            result: the structure of what the function returns; ``None`` where that is not looked at.
            wrap: what makes an argument of a NumPy array.
        """
        self.fun, self._tree, self._static, self._result, self._wrap = fun, call_tree, static, result, wrap
        self._key = (fun, call_tree, static, result, wrap)
        try:
            hash(self._key)
        except TypeError:  # a function or a leaf without a hash is itself alone
            self._key = (id(self),)  # type: ignore[assignment]

    def __call__(self, *arrays: np.ndarray) -> list[Any]:
        """Call the function; its results as a list of arrays."""
        given = iter(arrays)
        leaves = [self._wrap(next(given)) if x is _NOTHING else x for x in self._static]
        args, kwargs = tree.unflatten(self._tree, leaves)
        out = self.fun(*args, **kwargs)
        if self._result is None:
            return []
        found, structure = tree.flatten(out)
        if structure != self._result:
            raise ArgumentError(
                f"{function_name(self.fun)} returned the structure {structure}, result_shape_dtypes has {self._result}."
            )
        return [unwrap(x) for x in found]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, HostCall) and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)

    def __getattr__(self, name: str) -> Any:
        if name == "__qualname__":  # what the text of a graph calls it
            return getattr(self.fun, "__qualname__", type(self.fun).__qualname__)
        raise AttributeError(name)


def _host_call(
    kind: str,
    fun: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    result: Any,
    wrapped: Any = wrap,
) -> tuple[HostCall, list[Any]]:
    """A call of ``fun``, and the arrays among its arguments."""
    if not callable(fun):
        raise ArgumentError(f"{kind} takes a function, got {fun!r}.")
    leaves, call_tree = tree.flatten((args, kwargs))
    static: list[Any] = []
    arrays: list[Any] = []
    for x in leaves:
        try:
            value = x if isinstance(x, Value) else to_value(x)
        except (ArgumentError, TypeError):
            static.append(x)
        else:
            static.append(_NOTHING)
            arrays.append(value)
    return HostCall(fun, call_tree, tuple(static), result, wrapped), arrays


def _result_types(kind: str, result_shape_dtypes: Any) -> tuple[list[ArrayType], Any]:
    leaves, structure = tree.flatten(result_shape_dtypes)
    types = []
    for x in leaves:
        if not (hasattr(x, "shape") and hasattr(x, "dtype")):
            raise ArgumentError(
                f"{kind}: result_shape_dtypes says what the function returns by a tree of arrays or of "
                f"weft.ShapeDtypeStruct(shape, dtype), got {x!r} in it."
            )
        types.append(ArrayType(tuple(x.shape), check_dtype(x.dtype)))
    return types, structure


def callback(
    callback: Callable[..., Any] | None = None,
    *args: Any,
    ordered: bool = False,
    partitioned: bool = False,
    **kwargs: Any,
) -> Callable[..., None] | None:
    """Call a Python function when the program gets here, for what it does: to log, to plot, to stop in a debugger.

    Works in jitted functions, in loops and branches (of branches only the one taken calls), under `vmap` (called for each
    example in turn) and under derivatives (called once, with the values, not with tangents). Calls are made in the order in
    which they are written. What the function raises reaches the caller.

    Args:
        callback: called with ``args`` and ``kwargs``, with concrete arrays; what it returns is not looked at. Without it, what
            is returned takes it and its arguments, of any names: ``callback(ordered=True)(f, x)``.
        *args: trees of arrays; leaves that are no arrays are passed as they are.
        ordered: the order matters: an error under `vmap`, whose examples have none. Other calls keep their order anyway.
        partitioned: for programs written for JAX, without effect: arrays are in one piece.
        **kwargs: as ``args``.
    """
    if callback is None and not args and not kwargs:
        return functools.partial(debug_callback, ordered, wrap)
    debug_callback(ordered, wrap, callback, *args, **kwargs)
    return None


def debug_callback(ordered: bool, wrap: Any, fun: Any, /, *args: Any, **kwargs: Any) -> None:
    """`callback` with all its options, where ``wrap`` makes an argument of a NumPy array."""
    call, arrays = _host_call("debug.callback", fun, args, kwargs, None, wrap)
    ops.debug_callback(call, *arrays, ordered=bool(ordered))


def pure_callback(
    callback: Callable[..., Any],
    result_shape_dtypes: Any,
    *args: Any,
    vmap_method: str | None = None,
    **kwargs: Any,
) -> Any:
    """The result of a Python function without side effects, called when the program runs.

    It may be called more than once, or not at all where its result is not needed. It has no derivative: give the function that
    calls it a rule with `custom_jvp` or `custom_vjp`.

    Args:
        callback: called with concrete arrays; it may call NumPy, SciPy or jitted functions.
        result_shape_dtypes: a tree of arrays or `ShapeDtypeStruct`: the structure, shapes and dtypes that it returns.
        *args: trees of arrays; leaves that are no arrays are passed as they are.
        vmap_method: how `vmap` calls it: ``"sequential"``, once for each example; ``"expand_dims"``, once for all, with a
            leading axis of length 1 on arguments that all examples share; ``"broadcast_all"``, with these repeated;
            ``"legacy_vectorized"``, with these as they are. ``None`` makes `vmap` an error.
        **kwargs: as ``args``.

    Raises:
        ArgumentError: the function returns another structure, or ``vmap_method`` is unknown.
        ShapeError: it returns another shape.
        DTypeError: it returns another dtype.
        GradientError: it is differentiated.
    """
    if vmap_method is not None and vmap_method not in ops.VMAP_METHODS:
        raise ArgumentError(
            f"pure_callback: vmap_method is one of {', '.join(ops.VMAP_METHODS)} or None, got {vmap_method!r}."
        )
    types, structure = _result_types("pure_callback", result_shape_dtypes)
    call, arrays = _host_call("pure_callback", callback, args, kwargs, structure)
    outs = ops.pure_callback(call, types, *arrays, vmap_method=vmap_method)
    return tree.unflatten(structure, [wrap_value(x) for x in outs])


def io_callback(
    callback: Callable[..., Any], result_shape_dtypes: Any, *args: Any, ordered: bool = False, **kwargs: Any
) -> Any:
    """The result of a Python function with side effects: called exactly when the program gets here, each time.

    Args:
        callback: called with concrete arrays.
        result_shape_dtypes: a tree of arrays or `ShapeDtypeStruct` that says what it returns; ``None`` for nothing.
        *args: trees of arrays; leaves that are no arrays are passed as they are.
        ordered: the order matters: an error under `vmap`, which otherwise calls it for each example in turn. Other calls keep
            their order anyway.
        **kwargs: as ``args``.

    Raises:
        ArgumentError: the function returns another structure.
        ShapeError: it returns another shape.
        DTypeError: it returns another dtype.
        GradientError: it is differentiated.
    """
    types, structure = _result_types("io_callback", result_shape_dtypes)
    call, arrays = _host_call("io_callback", callback, args, kwargs, structure)
    outs = ops.io_callback(call, types, *arrays, ordered=bool(ordered))
    return tree.unflatten(structure, [wrap_value(x) for x in outs])
