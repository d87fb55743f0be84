"""Callbacks: operations that call a Python function while a program runs.

The one idea: three primitives, alike but for what a compiler may do with them. A `pure_callback` is its results: it may be
dropped, shared, or called again. A `debug_callback` and an `io_callback` are effects (``Lowering("callback", "effect")``): they
stay where they stand, in their order, and give a token, a bool that nobody needs to read, where they give nothing else: whoever
has its value knows that the call was made.

``fun(*arrays)`` returns a sequence of arrays of the types that ``types`` says. It compares equal to what does the same, so that
equal graphs compile once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from weft.ir.builder import state
from weft.ir.errors import ArgumentError, DTypeError, GradientError, ShapeError
from weft.ir.primitive import EFFECT, NOT_MAPPED, PURE, Primitive
from weft.ir.records import dataclass
from weft.ir.rules import to_front
from weft.ir.source import at_source
from weft.ir.types import BOOL, ArrayType

HostFunction = Callable[..., Sequence[Any]]
_TOKEN = (ArrayType((), BOOL),)
_DONE = (np.asarray(True),)

VMAP_METHODS = ("sequential", "sequential_unrolled", "expand_dims", "broadcast_all", "legacy_vectorized")
"""How `vmap` calls the function of a `pure_callback`: once for each example, or once for all."""


@contextmanager
def _outside() -> Iterator[None]:
    """As if nothing was traced: what the user's function computes is computed, and its lines are its own."""
    ambient, state.ambient = state.ambient, []
    try:
        with at_source(None):
            yield
    finally:
        state.ambient = ambient


def _call(name: str, fun: HostFunction, args: Sequence[Any], types: Sequence[ArrayType]) -> tuple[Any, ...]:
    """The results of a user's function, held against their types."""
    with _outside():
        found = [np.asarray(x) for x in fun(*args)]
    if len(found) != len(types):
        raise ArgumentError(
            f"{name}: the function returned {len(found)} arrays, result_shape_dtypes has {len(types)}."
        )
    for i, (x, t) in enumerate(zip(found, types, strict=True)):
        if x.shape != t.shape:
            raise ShapeError(
                f"{name}: result {i} of the function has shape {x.shape}, result_shape_dtypes says {t.shape}."
            )
        if x.dtype != t.dtype:
            raise DTypeError(
                f"{name}: result {i} of the function has dtype {x.dtype}, result_shape_dtypes says {t.dtype}. "
                f"Convert it with .astype, or change result_shape_dtypes."
            )
    return tuple(found)


@dataclass(frozen=True, slots=True)
class Each:
    """A function of many examples that calls a function of one for each in turn."""

    fun: Any
    mapped: tuple[bool, ...]
    size: int

    def __call__(self, *args: Any) -> list[Any]:
        """The results of all, stacked along axis 0."""
        rows = [
            self.fun(*[x[i, ...] if m else x for x, m in zip(args, self.mapped, strict=True)])
            for i in range(self.size)
        ]
        return [np.stack([np.asarray(x) for x in column]) for column in zip(*rows, strict=True)]


def _in_front(
    args: Sequence[Any], axes: Sequence[int | None], size: int
) -> tuple[list[Any], tuple[bool, ...]]:
    """Arguments with the batch axis, where they have one, as axis 0; and which have."""
    mapped = tuple([a is not NOT_MAPPED for a in axes])
    return [to_front(x, a, size) if m else x for x, a, m in zip(args, axes, mapped, strict=True)], mapped


def _many(types: Sequence[ArrayType], size: int) -> tuple[ArrayType, ...]:
    return tuple([t.with_shape((size, *t.shape)) for t in types])


def _batch_each(prim: Primitive, args: Any, axes: Any, size: int, params: Any) -> Any:
    if params.get("ordered"):
        raise ArgumentError(
            f"vmap of an ordered {prim.name}: the examples of a batch have no order. Use ordered=False."
        )
    args, mapped = _in_front(args, axes, size)
    changed = {**params, "fun": Each(params["fun"], mapped, size)}
    if not params.get("types"):
        return prim.bind(*args, **changed), (NOT_MAPPED,)
    changed["types"] = _many(params["types"], size)
    return prim.bind(*args, **changed), (0,) * len(params["types"])


def _batch_pure(prim: Primitive, args: Any, axes: Any, size: int, params: Any) -> Any:
    from weft.ir.ops.shape import reshape

    method = params["vmap_method"]
    if method is None:
        raise ArgumentError(
            "vmap of a pure_callback needs to know how to call its function. Say vmap_method: "
            "'sequential' calls it for each example; 'expand_dims' and 'broadcast_all' once for all."
        )
    if method.startswith("sequential"):
        return _batch_each(prim, args, axes, size, params)
    args, mapped = _in_front(args, axes, size)
    if method == "expand_dims":
        args = [x if m else reshape(x, (1, *x.shape)) for x, m in zip(args, mapped, strict=True)]
    elif method == "broadcast_all":
        args = [x if m else to_front(x, NOT_MAPPED, size) for x, m in zip(args, mapped, strict=True)]
    types = _many(params["types"], size)
    return prim.bind(*args, **{**params, "types": types}), (0,) * len(types)


def _without_derivative(prim: Primitive, primals: Any, tangents: Any, params: Any, answer: Any) -> Any:
    raise GradientError(
        f"{prim.name} has no derivative: what its function computes is not known. "
        f"Give the function around it a rule with weft.custom_jvp or weft.custom_vjp, or use weft.stop_gradient on its "
        f"arguments."
    )


debug_callback_p = Primitive(
    "debug_callback",
    type_rule=lambda *ins, fun, ordered: _TOKEN,
    reference=lambda *args, fun, ordered: _call("debug callback", fun, args, ()) or _DONE,
    jvp=lambda prim, primals, tangents, params, answer: (answer(), (None,)),
    transpose=None,
    batch=_batch_each,
    lower=EFFECT,
    multiple=True,
)

io_callback_p = Primitive(
    "io_callback",
    type_rule=lambda *ins, fun, types, ordered: types or _TOKEN,
    reference=lambda *args, fun, types, ordered: _call("io_callback", fun, args, types) or _DONE,
    jvp=_without_derivative,
    transpose=None,
    batch=_batch_each,
    lower=EFFECT,
    multiple=True,
)

pure_callback_p = Primitive(
    "pure_callback",
    type_rule=lambda *ins, fun, types, vmap_method: types,
    reference=lambda *args, fun, types, vmap_method: _call("pure_callback", fun, args, types),
    jvp=_without_derivative,
    transpose=None,
    batch=_batch_pure,
    lower=PURE,
    multiple=True,
)


def debug_callback(fun: HostFunction, *args: Any, ordered: bool = False) -> None:
    """Call ``fun`` for what it does; it returns nothing, an empty sequence."""
    debug_callback_p.bind(*args, fun=fun, ordered=ordered)


def io_callback(
    fun: HostFunction, types: Sequence[ArrayType], *args: Any, ordered: bool = False
) -> tuple[Any, ...]:
    """Call ``fun`` for what it does, and for its results."""
    outs = io_callback_p.bind(*args, fun=fun, types=tuple(types), ordered=ordered)
    return tuple(outs[: len(types)])


def pure_callback(
    fun: HostFunction, types: Sequence[ArrayType], *args: Any, vmap_method: str | None = None
) -> tuple[Any, ...]:
    """The results of ``fun``, which depend on nothing but its arguments."""
    if not types:
        return ()
    outs: tuple[Any, ...] = pure_callback_p.bind(*args, fun=fun, types=tuple(types), vmap_method=vmap_method)
    return outs
