"""Functions with a batching rule of their own: `custom_vmap`.

The one idea: a call is one equation that carries the function's graph, for every other transformation, and the rule, which
`vmap` traces instead of batching the graph.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, Generic, ParamSpec, TypeVar

from weft.engine import tree
from weft.engine.array import to_value, wrap_value
from weft.engine.trace import function_name, trace
from weft.engine.transforms.custom import is_weak, resolve
from weft.ir.builder import Value, type_of_value
from weft.ir.errors import ArgumentError, ShapeError
from weft.ir.graph import Graph
from weft.ir.interpret import evaluate
from weft.ir.ops import control
from weft.ir.primitive import NOT_MAPPED

P = ParamSpec("P")
R = TypeVar("R")


class custom_vmap(Generic[P, R]):
    """Say how a function is batched.

    ``@f.def_vmap`` takes ``rule(axis_size, in_batched, *args) -> (out, out_batched)``: ``in_batched`` has True for each leaf
    of ``args`` that has a batch axis, which is its first one, and ``out_batched`` is a tree of bools like ``out``, or one bool
    for all of it. Derivatives are those of the function, also in a batch: under ``vmap(grad(f))`` the rule is not used.

    Example::

        @weft.custom_batching.custom_vmap
        def solve(a, b):
            return wnp.linalg.solve(a, b)

        @solve.def_vmap
        def solve_batch(axis_size, in_batched, a, b):
            a_batched, b_batched = in_batched
            if b_batched and not a_batched:  # one factorisation for all right sides
                return wnp.linalg.solve(a, b.T).T, True
            return weft.vmap(wnp.linalg.solve, (0 if a_batched else None, 0 if b_batched else None))(a, b), True
    """

    __name__: str

    def __init__(self, fun: Callable[P, R]):
        self.fun: Callable[..., Any] = fun
        self.rule: Callable[..., Any] | None = None
        functools.update_wrapper(self, fun)

    def def_vmap(self, rule: Callable[..., Any]) -> Callable[..., Any]:
        """Set the rule; works as a decorator."""
        self.rule = rule
        return rule

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        return self if instance is None else functools.partial(self, instance)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Apply the function; where arguments are traced, with its rule."""
        arguments = resolve(self.fun, args, kwargs)
        leaves, in_tree = tree.flatten((tuple(arguments), {}))
        name = function_name(self.fun)
        values = [to_value(x, f"an argument of {name}") for x in leaves]
        if not any(isinstance(x, Value) for x in values):
            return self.fun(*arguments)
        if self.rule is None:
            raise ArgumentError(
                f"{name} is a custom_vmap function without a rule: give it one with {name}.def_vmap."
            )
        traced = trace(
            self.fun,
            [type_of_value(x) for x in values],
            in_tree,
            kind="custom_vmap",
            weak=[is_weak(x) for x in leaves],
        )
        outs = control.custom_vmap_call_p.bind(
            *values,
            *traced.captured,
            graph=traced.graph,
            rule=functools.partial(_apply, self.rule, name, in_tree, traced.out_tree, traced.graph),
            n_args=len(values),
            name=name,
        )
        return tree.unflatten(traced.out_tree, [wrap_value(x) for x in outs])


def _apply(
    rule: Callable[..., Any],
    name: str,
    in_tree: tree.TreeDef,
    out_tree: tree.TreeDef,
    graph: Graph,
    size: int,
    mapped: Sequence[bool],
    values: Sequence[Any],
) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """Results of a function's rule on values of which some have a batch in front, and where the results have it."""
    in_batched = list(tree.unflatten(in_tree, mapped)[0])
    batched: list[bool] = []

    def ruled(*args: Any) -> Any:
        found = rule(size, in_batched, *args)
        if not isinstance(found, tuple | list) or len(found) != 2:
            raise ArgumentError(
                f"the vmap rule of {name} must return a pair (out, out_batched), got {found!r}."
            )
        out, out_batched = found
        if tree.structure(out) != out_tree:
            raise ArgumentError(
                f"the vmap rule of {name} returned {tree.structure(out)}, the function {out_tree}: they must be equal."
            )
        try:
            batched.extend(map(bool, tree.broadcast_prefix(out_batched, out)))
        except ValueError as error:
            raise ArgumentError(
                f"out_batched of the vmap rule of {name} does not match out: {error}"
            ) from None
        return out

    traced = trace(ruled, [type_of_value(x) for x in values], in_tree, kind="custom_vmap")
    for i, (found, wanted, own) in enumerate(
        zip(traced.graph.out_types, graph.out_types, batched, strict=True)
    ):
        shape = (size, *wanted.shape) if own else wanted.shape
        if found.shape != shape or found.dtype != wanted.dtype:
            raise ShapeError(
                f"result {i} of the vmap rule of {name} is {found}, but the function gives {wanted}"
                f"{f' and the batch has {size}, which comes first' if own else ''}."
            )
    outs = evaluate(traced.graph, *values, *traced.captured)
    return tuple(outs), tuple(0 if own else NOT_MAPPED for own in batched)
