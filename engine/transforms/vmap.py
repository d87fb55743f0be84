"""`vmap`: a function of one example becomes a function of many; and which axes have a name in it."""

from __future__ import annotations

import functools
import math
import threading
from collections.abc import Callable, Hashable, Sequence
from typing import Any, ParamSpec, TypeVar

import numpy as np

from weft.engine import tree
from weft.engine.array import to_value, wrap_value
from weft.engine.trace import Tracer, argument_names, float0, function_name, is_float0, trace
from weft.ir.builder import Value, type_of_value
from weft.ir.errors import ArgumentError, AxisError, ShapeError
from weft.ir.ops.shape import move_axis
from weft.ir.passes.batch import Axis, batch_values
from weft.ir.primitive import NOT_MAPPED
from weft.ir.rules import to_front


class _Axes(threading.local):
    """The named axes in scope, innermost last."""

    def __init__(self) -> None:
        self.sizes: list[tuple[Hashable, int]] = []


_axes = _Axes()


def _axis_size(
    name: str, values: list[Any], axes: list[int | None], paths: Sequence[str], given: int | None
) -> tuple[int, list[int | None]]:
    """The batch size and the axes as non-negative numbers."""
    sizes: dict[int, str] = {}
    normalized: list[int | None] = []
    for v, axis, path in zip(values, axes, paths, strict=True):
        if axis is None:
            normalized.append(NOT_MAPPED)
            continue
        if not isinstance(axis, int):
            raise ArgumentError(
                f"vmap of {name}: in_axes has {axis!r} for argument {path}: an axis is an integer or None."
            )
        ndim = len(v.shape)
        if not -ndim <= axis < ndim:
            raise AxisError(f"vmap of {name}: in_axes has {axis} for argument {path} of shape {v.shape}.")
        normalized.append(axis % ndim)
        sizes.setdefault(
            v.shape[axis % ndim],
            f"argument {path} of shape {v.shape} has {v.shape[axis % ndim]} along axis {axis}",
        )
    if given is not None:
        sizes.setdefault(given, f"axis_size={given}")
    if len(sizes) > 1:
        raise ShapeError(
            f"vmap of {name} got arguments of different batch sizes: {'; '.join(sizes.values())}."
        )
    if not sizes:
        raise ArgumentError(
            f"vmap of {name} needs an argument with a batch axis, or axis_size: in_axes maps none of its arrays."
        )
    return next(iter(sizes)), normalized


P = ParamSpec("P")
R = TypeVar("R")


def vmap(
    fun: Callable[P, R],
    in_axes: Any = 0,
    out_axes: Any = 0,
    axis_name: Hashable = None,
    axis_size: int | None = None,
) -> Callable[P, R]:
    """A function that applies ``fun`` to every example of a batch at once.

    Args:
        fun: function of one example.
        in_axes: for each positional argument the batch axis: an integer, ``None`` for an argument that all examples share, or
            a tree of these that is a prefix of the arguments. Keyword arguments are mapped over axis 0.
        out_axes: where the results get the batch axis: an integer or a prefix tree; ``None`` for what does not depend on it.
        axis_name: the name by which `psum` and kin call the axis.
        axis_size: the number of examples, needed where ``in_axes`` maps nothing.

    Raises:
        ShapeError: batch sizes differ.
        AxisError: an axis is out of range.
        ArgumentError: the trees do not match, or nothing is mapped.
    """
    name = function_name(fun)
    if isinstance(in_axes, list):
        in_axes = tuple(in_axes)

    @functools.wraps(fun)
    def batched(*args: P.args, **kwargs: P.kwargs) -> Any:
        leaves, in_tree = tree.flatten((args, kwargs))
        names = argument_names(fun, args, kwargs)
        values = [
            x if isinstance(x, Value) else to_value(x, f"argument {names[k]} of vmap({name})")
            for k, x in enumerate(leaves)
        ]
        if isinstance(in_axes, tuple) and len(in_axes) != len(args):
            raise ArgumentError(
                f"vmap of {name}: in_axes has {len(in_axes)} entries for {len(args)} positional arguments."
            )
        try:
            axes = tree.broadcast_prefix(in_axes, args) + [0] * len(tree.leaves(kwargs))
        except ValueError as error:
            raise ArgumentError(
                f"vmap of {name}: in_axes={in_axes} does not match the arguments: {error}"
            ) from None
        size, axes = _axis_size(name, values, axes, names, axis_size)
        types = [type_of_value(v) for v in values]
        types = [
            t if a is None else t.with_shape((*t.shape[:a], *t.shape[a + 1 :]))
            for t, a in zip(types, axes, strict=True)
        ]
        weak = [type(x) in (bool, int, float, complex) or (isinstance(x, Tracer) and x.weak) for x in leaves]
        _axes.sizes.append((axis_name, size))
        try:
            traced = trace(fun, types, in_tree, kind="vmap", weak=weak, argument_names=names)
        finally:
            _axes.sizes.pop()
        axis = Axis(size, axis_name)
        outs, found_axes = batch_values(
            traced.graph, [*values, *traced.captured], [*axes, *[NOT_MAPPED] * len(traced.captured)], axis
        )
        shown, out_tree = tree.flatten(tree.unflatten(traced.out_tree, outs))  # with float0 arrays as leaves
        try:
            wanted = tree.broadcast_prefix(out_axes, tree.unflatten(out_tree, shown))
        except ValueError as error:
            raise ArgumentError(
                f"vmap of {name}: out_axes={out_axes} does not match the result: {error}"
            ) from None
        found = iter(found_axes)
        results = [
            np.zeros((size, *x.shape), float0)
            if is_float0(x)
            else wrap_value(_place(name, x, next(found), w, size))
            for x, w in zip(shown, wanted, strict=True)
        ]
        return tree.unflatten(out_tree, results)

    return batched


def _place(name: str, x: Any, axis: int | None, wanted: int | None, size: int) -> Any:
    """Move the batch axis of a result to where ``out_axes`` wants it."""
    if wanted is None:
        if axis is not NOT_MAPPED:
            raise ArgumentError(f"vmap of {name}: out_axes is None for a result that depends on the batch.")
        return x
    ndim = len(x.shape) + (axis is NOT_MAPPED)
    if not -ndim <= wanted < ndim:
        raise AxisError(f"vmap of {name}: out_axes has {wanted} for a result with {ndim} axes.")
    if axis is NOT_MAPPED:
        x, axis = to_front(x, NOT_MAPPED, size), 0
    return move_axis(x, axis, wanted % ndim)


# Axes in scope


def axis_size(axis_name: Any) -> int:
    """The length of a named axis in scope; the product of the lengths of several."""
    if isinstance(axis_name, tuple | list):
        return math.prod(axis_size(name) for name in axis_name)
    for name, size in reversed(_axes.sizes):
        if name == axis_name and name is not None:
            return size
    in_scope = ", ".join(repr(n) for n, _ in _axes.sizes if n is not None) or "none"
    raise ArgumentError(f"the axis name {axis_name!r} is not bound by an enclosing vmap (bound: {in_scope}).")
