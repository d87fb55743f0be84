"""What a function closes over, made explicit: `closure_convert`, and `custom_gradient` by it.

The one idea: a function traced on example arguments says itself which values of outer traces it uses; they become arguments.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from weft.engine import tree
from weft.engine.array import to_value, wrap_value
from weft.engine.trace import Traced, function_name, trace
from weft.engine.transforms.custom import custom_vjp
from weft.ir.builder import Value, type_of_value
from weft.ir.errors import GradientError
from weft.ir.interpret import evaluate


def _traced(fun: Callable[..., Any], args: tuple[Any, ...], kind: str) -> Traced:
    leaves, in_tree = tree.flatten((args, {}))
    return trace(fun, [type_of_value(to_value(x)) for x in leaves], in_tree, kind=kind)


def closure_convert(fun: Callable[..., Any], *example_args: Any) -> tuple[Callable[..., Any], list[Any]]:
    """Make what a function closes over its arguments, for functions that know the derivative of their arguments only.

    Args:
        fun: function of trees of arrays, traced once.
        example_args: arguments of the structure, shapes and dtypes that it will be called with.

    Returns:
        ``(converted, consts)``: ``converted(*args, *consts)`` is ``fun(*args)``. ``consts`` are the values of enclosing
        transformations (`grad`, `jit`, `vmap`) that ``fun`` uses; arrays that nothing traces stay where they are.
    """
    traced = _traced(fun, example_args, "closure_convert")
    in_tree, n_args = tree.structure(example_args), len(example_args)
    hoisted = [isinstance(x, Value) for x in traced.captured]
    consts = [wrap_value(x) for x, out in zip(traced.captured, hoisted, strict=True) if out]
    name = function_name(fun)

    def converted(*args_consts: Any) -> Any:
        leaves, given = tree.flatten(tuple(args_consts[:n_args]))
        if given != in_tree:
            raise GradientError(f"{name} was converted for arguments of structure {in_tree}, got {given}.")
        moved = iter(args_consts[n_args:])
        captured = [
            to_value(next(moved)) if out else x for x, out in zip(traced.captured, hoisted, strict=True)
        ]
        outs = evaluate(traced.graph, *map(to_value, leaves), *captured)
        return tree.unflatten(traced.out_tree, [wrap_value(x) for x in outs])

    return converted, consts


def custom_gradient(fun: Callable[..., Any]) -> Callable[..., Any]:
    """A function that returns its value and its own reverse-mode rule.

    Args:
        fun: ``fun(*args)`` gives ``(out, rule)``. ``rule(ct)`` gives the cotangents of ``args``, a tuple unless there is one
            argument; it may use whatever ``fun`` has computed.

    Returns:
        The function ``*args -> out``. See `weft.custom_vjp` for a rule that is a function of its own.

    Example::

        @weft.custom_gradient
        def clipped(x):
            return x, lambda ct: wnp.clip(ct, -1, 1)
    """
    name = function_name(fun)

    def forward(*args: Any) -> tuple[Any, Any]:
        out, rule = fun(*args)
        converted, consts = closure_convert(rule, out)
        return out, tree.Partial(lambda consts, ct: converted(ct, *consts), consts)

    def backward(rule: Callable[[Any], Any], ct: Any) -> Any:
        found = rule(ct)
        return found if isinstance(found, tuple | list) else (found,)

    @custom_vjp
    def wrapped(*args: Any) -> Any:
        return fun(*args)[0]

    wrapped.__name__ = name
    wrapped.__doc__ = fun.__doc__
    wrapped.defvjp(forward, backward)
    return wrapped
