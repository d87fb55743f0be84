"""Tracing: run a Python function on stand-ins and keep what it does as a graph.

A `Tracer` is a `Value` with the operators and methods of an array. `trace` runs a function on tracers of given types and
gives its graph, the values it closed over, and the structure of its result.
"""

from __future__ import annotations

import functools
import inspect
import operator
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from weft.engine import tree
from weft.engine.array import to_value
from weft.engine.garbage import seldom
from weft.engine.methods import ArrayMethods
from weft.engine.tree_paths import leaves_with_path
from weft.ir.builder import GraphBuilder, Value, check_alive, concrete, tracing
from weft.ir.errors import ArgumentError
from weft.ir.graph import Graph
from weft.ir.types import ArrayType

_NUMBERS = (
    "Write x.astype(dtype) to convert, weft.numpy's function for one of math, weft.numpy.stack for elements written into an "
    "array one by one; or make the argument static (static_argnums)."
)


class Tracer(ArrayMethods, Value):
    """An array that a transformation traces: its shape and dtype are known, its value perhaps not.

    ``weak`` says that it stands for a Python scalar, which gives way to arrays in promotion.
    """

    __slots__ = ("weak",)

    def __init__(self, builder: GraphBuilder, var: Any):
        Value.__init__(self, builder, var)
        self.weak = False

    __hash__ = object.__hash__  # type: ignore[assignment]  # traced values are told apart by identity, as keys of dictionaries too
    __array_ufunc__ = ArrayMethods.__array_ufunc__
    shape = Value.shape
    dtype = Value.dtype
    ndim = Value.ndim
    size = Value.size

    @property
    def aval(self) -> ArrayType:
        """Shape and dtype."""
        return self.variable.type

    def __bool__(self) -> bool:
        return bool(
            concrete(self, "Python needs the truth value of an array (if, while, and, or, not, assert)")
        )

    def __int__(self) -> int:
        return int(concrete(self, "int() needs the value of an array", _NUMBERS))

    def __float__(self) -> float:
        return float(concrete(self, "float() needs the value of an array", _NUMBERS))

    def __complex__(self) -> complex:
        return complex(concrete(self, "complex() needs the value of an array", _NUMBERS))

    def __index__(self) -> int:
        return operator.index(concrete(self, "an index, a length or range() needs the value of an array"))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        from weft.engine.conversions import elements

        return elements(self, dtype, copy)

    def __dlpack__(self, **asked: Any) -> Any:
        return np.asarray(self).__dlpack__(**asked)

    def __dlpack_device__(self) -> tuple[Any, int]:
        return np.asarray(self).__dlpack_device__()

    def item(self, *args: Any) -> Any:
        """One element as a Python scalar."""
        return concrete(self, "item() needs the value of an array").item(*args)

    def tolist(self) -> Any:
        """The elements as nested lists of Python scalars."""
        return concrete(self, "tolist() needs the values of an array").tolist()

    def __repr__(self) -> str:
        return f"Tracer({self.variable.type}, {self.builder.name or 'trace'})"

    def __format__(self, spec: str) -> str:
        return repr(self)

    def __copy__(self) -> Tracer:
        return self

    def __deepcopy__(self, memo: Any) -> Tracer:
        return self

    def __reduce__(self) -> Any:
        check_alive(self)
        raise ArgumentError(
            f"a traced array {self.variable.type} cannot be pickled: return it from the function first."
        )


class Traced(NamedTuple):
    """A function as a graph. The graph's inputs are the arguments' leaves, then ``captured``."""

    graph: Graph
    captured: list[Any]
    out_tree: tree.TreeDef
    name: str


def function_name(fun: Callable[..., Any]) -> str:
    """What errors and graphs call a function."""
    return getattr(fun, "__name__", None) or type(fun).__name__


class Names(Sequence[str]):
    """Names for messages, made when one is asked for: most traces are never complained about."""

    def __init__(self, count: int, make: Callable[[], Sequence[str]]) -> None:
        self._count, self._make = count, make

    @functools.cached_property
    def _all(self) -> Sequence[str]:
        return self._make()

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, which: Any) -> Any:
        return self._all[which]


float0 = np.dtype([("float0", np.void, 0)])
"""The dtype of tangents and cotangents of integers and bools: there is nothing to say about them."""


def argument_names(fun: Callable[..., Any], args: Any, kwargs: Any) -> Sequence[str]:
    """What messages call each leaf of the arguments: ``x``, ``params['w']``."""
    leaves, structure = tree.flatten((args, kwargs))
    count = len(leaves)
    # The leaves themselves are not kept.
    return Names(count, lambda: _argument_names(fun, *tree.unflatten(structure, range(count))))


def _argument_names(fun: Callable[..., Any], args: Any, kwargs: Any) -> list[str]:
    """The same for arguments whose leaves are numbered."""
    try:
        bound = inspect.signature(fun).bind_partial(*args, **kwargs).arguments
    except (TypeError, ValueError):
        bound = {f"argument {i}": x for i, x in enumerate(args)} | kwargs
    found = {leaf: f"{name}{path}" for name, value in bound.items() for path, leaf in leaves_with_path(value)}
    return [found[i] for i in sorted(found)]


class _NoTangent:
    """What stands for a float0 array in the structure of a traced result: its shape, and no leaf."""

    def __init__(self, shape: tuple[int, ...]):
        self.shape = shape


tree.register_pytree_node(_NoTangent, lambda x: ((), x.shape), lambda shape, _: np.zeros(shape, float0))


def is_float0(x: Any) -> bool:
    """Whether ``x`` is a float0 array, which is NumPy's."""
    return isinstance(x, np.ndarray) and x.dtype == float0


def flat_outputs(out: Any, name: str) -> tuple[list[Any], tree.TreeDef]:
    """Values and structure of what a traced function returned. Its float0 arrays hold nothing: they are structure."""
    leaves, out_tree = tree.flatten(out)
    if any(map(is_float0, leaves)):
        leaves, out_tree = tree.flatten(tree.map(lambda x: _NoTangent(x.shape) if is_float0(x) else x, out))
    try:
        return [to_value(x) for x in leaves], out_tree
    except ArgumentError:
        raise ArgumentError(
            f"{name} returned {out!r}: a traced function returns arrays, numbers and trees of them."
        ) from None


def run_on(
    builder: GraphBuilder, fun: Callable[..., Any], leaves: Sequence[Any], in_tree: tree.TreeDef
) -> Any:
    """Call ``fun`` on a tree of tracers, with ``builder`` as the innermost trace; ``in_tree`` is of ``(args, kwargs)``."""
    from weft.engine.conversions import passing_traced

    args, kwargs = tree.unflatten(in_tree, leaves)
    with seldom, passing_traced, tracing(builder):
        return fun(*args, **kwargs)


def trace(
    fun: Callable[..., Any],
    types: Sequence[ArrayType],
    in_tree: tree.TreeDef,
    *,
    kind: str,
    weak: Sequence[bool] | None = None,
    argument_names: Sequence[str] | None = None,
) -> Traced:
    """Trace ``fun(*args, **kwargs)`` on arguments of which only types are known.

    Args:
        fun: the function.
        types: a type for each leaf of the arguments.
        in_tree: the structure of ``(args, kwargs)``.
        kind: the transformation, for messages: "jit", "vmap".
        weak: which leaves are Python scalars.
        argument_names: what messages call each leaf.
    """
    name = function_name(fun)
    builder = GraphBuilder(value_class=Tracer, name=f"{kind}({name})")
    builder.argument_names = argument_names
    leaves: list[Any] = [builder.add_input(t) for t in types]
    for leaf, is_weak in zip(leaves, weak or (), strict=False):
        leaf.weak = is_weak
    try:
        out = run_on(builder, fun, leaves, in_tree)
        outs, out_tree = flat_outputs(out, name)
        graph, captured = builder.finish(outs)
    finally:
        builder.closed = True
    return Traced(graph, captured, out_tree, name)
