"""`grad` and `value_and_grad`: gradients of functions with one scalar result."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Sequence
from typing import Any, Literal, ParamSpec, TypeVar, overload

import numpy as np

from weft.engine import tree
from weft.engine.trace import Names, argument_names, float0, function_name
from weft.engine.transforms.differentiate import (
    check_output_is_scalar,
    flatten_arguments,
    linearized,
    pull_back_linearized,
    record,
    wrap_tangent,
    wrap_tree,
)
from weft.ir.errors import ArgumentError, GradientError
from weft.ir.types import is_complex, is_inexact

P = ParamSpec("P")
R = TypeVar("R")
Aux = TypeVar("Aux")


def selected_arguments(kind: str, name: str, argnums: int | Sequence[int], n: int) -> tuple[int, ...]:
    """``argnums`` as non-negative positions of ``n`` arguments."""
    positions = (argnums,) if isinstance(argnums, int) else tuple(argnums)
    for i in positions:
        if not -n <= i < n:
            raise ArgumentError(
                f"{kind} of {name} with argnums={argnums}, but the call has {n} positional arguments."
            )
    return tuple(i % n for i in positions)


def selected_names(
    fun: Callable[..., Any], positions: Sequence[int], args: Any, kwargs: Any
) -> Sequence[str]:
    """What messages call the leaves of some positional arguments."""
    names = argument_names(fun, args, kwargs)
    ends = list(itertools.accumulate([len(tree.leaves(x)) for x in args], initial=0))
    chosen = [k for i in positions for k in range(ends[i], ends[i + 1])]
    return Names(len(chosen), lambda: [names[k] for k in chosen])


def check_inputs(
    kind: str, name: str, paths: Sequence[str], values: Sequence[Any], *, holomorphic: bool, allow_int: bool
) -> None:
    """Differentiated inputs must be floating (complex with holomorphic)."""
    for k, v in enumerate(values):
        if holomorphic and not is_complex(v.dtype):
            raise GradientError(
                f"{kind} with holomorphic=True needs complex inputs, but argument {paths[k]} of {name} has dtype {v.dtype}."
            )
        if not holomorphic and is_complex(v.dtype):
            continue
        if not is_inexact(v.dtype) and not allow_int:
            raise GradientError(
                f"{kind} needs floating inputs, but argument {paths[k]} of {name} has dtype {v.dtype}. "
                f"Convert it with .astype(float), or leave it out of argnums."
            )


def value_and_grad(
    fun: Callable[P, R],
    argnums: int | Sequence[int] = 0,
    has_aux: bool = False,
    holomorphic: bool = False,
    allow_int: bool = False,
) -> Callable[P, tuple[R, Any]]:
    """A function that gives the value of ``fun`` and its gradient.

    Args:
        fun: returns a scalar of floating dtype (with ``has_aux`` a pair of that and anything).
        argnums: the position or positions of the arguments to differentiate; trees of arrays.
        has_aux: whether ``fun`` returns ``(value, aux)``.
        holomorphic: ``fun`` is a holomorphic function of complex arguments.
        allow_int: integer arguments get float0 zeros as gradients instead of an error.

    Returns:
        A function of the same arguments that returns ``(value, gradient)``, or ``((value, aux), gradient)``; the gradient has
        the structure of the argument, or is a tuple of such for several ``argnums``.

    Raises:
        GradientError: the result is not a real scalar, or an input is not floating.
    """
    name = function_name(fun)

    @functools.wraps(fun)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> tuple[R, Any]:
        positions = selected_arguments("grad", name, argnums, len(args))
        selected = tuple(args[i] for i in positions)
        names = selected_names(fun, positions, args, kwargs)
        values, in_tree, weak = flatten_arguments(selected, {}, name)
        check_inputs("grad", name, names, values, holomorphic=holomorphic, allow_int=allow_int)

        @functools.wraps(fun)
        def of_selected(*chosen: Any) -> Any:
            full: list[Any] = list(args)
            for i, x in zip(positions, chosen, strict=True):
                full[i] = x
            return fun(*full, **kwargs)  # type: ignore[arg-type] # others than P's, of the same kinds

        recorded = record(of_selected, values, in_tree, "grad", weak)
        if has_aux:
            parts = recorded.out_tree.children()
            if recorded.out_tree.type is not tuple or len(parts) != 2:
                raise GradientError(f"grad with has_aux=True needs {name} to return a pair (value, aux).")
            n_value = parts[0].num_leaves
        else:
            n_value = recorded.out_tree.num_leaves
        if n_value != 1 or (not has_aux and not recorded.out_tree.is_leaf()):
            raise GradientError(
                f"grad needs {name} to return one scalar, but it returned a tree of {n_value} arrays"
                f"{' (use has_aux=True for a pair of value and more)' if n_value > 1 else ''}."
            )
        check_output_is_scalar("grad", name, recorded.graph.out_types[0], holomorphic=holomorphic)
        active = [v for v in recorded.ins if is_inexact(v.type.dtype)]
        lin = linearized(recorded, active)
        one = np.ones((), recorded.graph.out_types[0].dtype)
        cts = [one if i == 0 else None for i in range(len(lin.outs))]
        found = iter(pull_back_linearized(lin, len(active), cts))
        grads = [next(found) if is_inexact(v.dtype) else np.zeros(v.shape, float0) for v in values]
        by_argument = tree.unflatten(tree.structure(selected), [wrap_tangent(g) for g in grads])
        value = wrap_tree(recorded.out_tree, lin.outs)
        return value, by_argument[0] if isinstance(argnums, int) else by_argument

    return wrapped


@overload
def grad(
    fun: Callable[P, tuple[Any, Aux]],
    argnums: int | Sequence[int] = 0,
    *,
    has_aux: Literal[True],
    holomorphic: bool = False,
    allow_int: bool = False,
) -> Callable[P, tuple[Any, Aux]]: ...
@overload
def grad(
    fun: Callable[P, Any],
    argnums: int | Sequence[int] = 0,
    has_aux: bool = False,
    holomorphic: bool = False,
    allow_int: bool = False,
) -> Callable[P, Any]: ...
def grad(
    fun: Callable[..., Any],
    argnums: int | Sequence[int] = 0,
    has_aux: bool = False,
    holomorphic: bool = False,
    allow_int: bool = False,
) -> Callable[..., Any]:
    """A function that gives the gradient of ``fun``; see `value_and_grad`. With ``has_aux``: ``(gradient, aux)``."""
    both = value_and_grad(fun, argnums, has_aux, holomorphic, allow_int)

    @functools.wraps(fun)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        value, gradient = both(*args, **kwargs)
        return (gradient, value[1]) if has_aux else gradient

    return wrapped
