"""Branches: `cond` and `switch`.

Where the predicate is known only the branch taken is called. Where it is traced all are traced, and one runs; within a batch
whose predicates differ all run, and a select chooses.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from weft.engine import tree
from weft.engine.array import to_value, wrap_value
from weft.engine.dispatch import as_dtype, common_dtype
from weft.engine.transforms.flow import (
    Body,
    Leaves,
    describe,
    read_leaves,
    share_captured,
    structure,
    trace_body,
)
from weft.ir.builder import Value, build, type_of_value
from weft.ir.errors import ArgumentError
from weft.ir.interpret import evaluate
from weft.ir.ops import elementwise as e
from weft.ir.ops import flow
from weft.ir.types import BOOL, is_integer

_INDEX = np.dtype(np.int32)
_NOT_GIVEN = object()


def cond(
    pred: Any,
    true_fun: Callable[..., Any],
    false_fun: Callable[..., Any],
    *operands: Any,
    operand: Any = _NOT_GIVEN,
    linear: Any = None,
) -> Any:
    """Call one of two functions: ``true_fun(*operands) if pred else false_fun(*operands)``.

    Args:
        pred: a scalar; numbers count as true where they are not 0.
        true_fun: function of the operands.
        false_fun: function of the operands that returns the same structure, shapes and dtypes.
        *operands: trees of arrays.
        operand: the only operand, by JAX's older name.
        linear: accepted for compatibility.

    Raises:
        ArgumentError: ``pred`` is no scalar, or the functions return different structures, shapes or dtypes.
    """
    operands = _read_operands("cond", operands, operand)
    for fun, name in ((true_fun, "true_fun"), (false_fun, "false_fun")):
        if not callable(fun):
            raise ArgumentError(f"cond: {name} must be a function, got {fun!r}.")
    value = to_value(pred, "cond: pred")
    if value.shape != ():
        raise ArgumentError(
            f"cond: pred must be one truth value, got {type_of_value(value)}. "
            f"Choose elementwise with weft.numpy.where, or reduce with weft.numpy.any or weft.numpy.all."
        )
    if not isinstance(value, Value):
        return _taken(true_fun if value else false_fun, operands)
    if value.dtype != BOOL:
        value = e.ne(value, np.zeros((), value.dtype))
    return _staged("cond", e.cast(value, _INDEX), (false_fun, true_fun), operands)


def switch(
    index: Any, branches: Sequence[Callable[..., Any]], *operands: Any, operand: Any = _NOT_GIVEN
) -> Any:
    """Call one of several functions: ``branches[index](*operands)``, with ``index`` clamped to the branches there are.

    Args:
        index: an integer scalar.
        branches: functions of the operands that return the same structure, shapes and dtypes.
        *operands: trees of arrays.
        operand: the only operand, by JAX's older name.

    Raises:
        ArgumentError: there are no branches, ``index`` is no integer scalar, or the functions return different structures,
            shapes or dtypes.
    """
    operands = _read_operands("switch", operands, operand)
    functions = tuple(branches)
    if not functions or not all(map(callable, functions)):
        raise ArgumentError(f"switch: branches must be functions, at least one, got {branches!r}.")
    value = to_value(index, "switch: index")
    if value.shape != () or not is_integer(value.dtype):
        raise ArgumentError(f"switch: index must be one integer, got {type_of_value(value)}.")
    last = len(functions) - 1
    if not isinstance(value, Value):
        return _taken(functions[min(max(int(value), 0), last)], operands)
    if value.dtype.itemsize > _INDEX.itemsize:  # before it is made narrower
        largest = np.asarray(last, value.dtype)
        value = e.minimum(e.maximum(value, np.zeros((), value.dtype)), largest)
    if value.dtype.kind == "u":
        value = e.minimum(value, np.asarray(min(last, np.iinfo(value.dtype).max), value.dtype))
    return _staged("switch", e.cast(value, _INDEX), functions, operands)


def _read_operands(kind: str, operands: tuple[Any, ...], operand: Any) -> tuple[Any, ...]:
    if operand is _NOT_GIVEN:
        return operands
    if operands:
        raise ArgumentError(f"{kind}: give operands by position, or one as operand=, not both.")
    return (operand,)


def _taken(fun: Callable[..., Any], operands: Sequence[Any]) -> Any:
    return tree.map(lambda x: wrap_value(to_value(x, "the result of a branch")), fun(*operands))


def _staged(kind: str, index: Any, functions: Sequence[Callable[..., Any]], operands: Sequence[Any]) -> Any:
    args = read_leaves(tuple(operands), "operands")
    bodies = [trace_body(f, operands, args.types, args.weak, kind) for f in functions]
    _check_structures(kind, functions, bodies)
    bodies = _with_common_dtypes(bodies)
    _check_types(kind, functions, bodies)
    graphs, captured = share_captured(bodies)
    outs = flow.cond(index, graphs, *args.values, *captured)
    return tree.unflatten(bodies[0].out_tree, [wrap_value(x) for x in outs])


def _with_common_dtypes(bodies: Sequence[Body]) -> list[Body]:
    """Bodies whose Python scalars among the results have the dtype that the other branches give."""
    dtypes = []
    for column in zip(*[zip(b.graph.out_types, b.weak, strict=True) for b in bodies], strict=True):
        strong = [np.empty(0, t.dtype) for t, weak in column if not weak]
        dtypes.append(common_dtype(*strong, *[_scalar(t.dtype) for t, weak in column if weak]))
    return [_cast_weak(b, dtypes) for b in bodies]


def _scalar(dtype: np.dtype) -> Any:
    return np.zeros((), dtype).item()


def _cast_weak(body: Body, dtypes: Sequence[np.dtype]) -> Body:
    changes = [w and t.dtype != d for t, w, d in zip(body.graph.out_types, body.weak, dtypes, strict=True)]
    if not any(changes):
        return body

    def fun(*args: Any) -> list[Any]:
        outs = evaluate(body.graph, *args)
        return [as_dtype(x, d) if c else x for x, c, d in zip(outs, changes, dtypes, strict=True)]

    return body._replace(graph=build(fun, body.graph.in_types))


def _branch(kind: str, number: int) -> str:
    """What a branch is called: `cond`'s are listed by their predicate, False before True."""
    return ("the false branch", "the true branch")[number] if kind == "cond" else f"branch {number}"


def _check_structures(kind: str, functions: Sequence[Callable[..., Any]], bodies: Sequence[Body]) -> None:
    for k, body in enumerate(bodies):
        if body.out_tree != bodies[0].out_tree:
            listed = "\n".join(
                f"  {_branch(kind, i)}, {describe(functions[i])}, returned {structure(bodies[i].out_tree)}"
                for i in (0, k)
            )
            raise ArgumentError(f"{kind}: all branches must return the same structure.\n{listed}")


def _check_types(kind: str, functions: Sequence[Callable[..., Any]], bodies: Sequence[Body]) -> None:
    names = Leaves([], bodies[0].out_tree, [], [])
    paths = read_leaves(names.rebuilt([np.zeros(())] * bodies[0].out_tree.num_leaves), "result").names
    for k, (fun, body) in enumerate(zip(functions, bodies, strict=True)):
        pairs = list(zip(paths, bodies[0].graph.out_types, body.graph.out_types, strict=True))
        wrong = [(path, a, b) for path, a, b in pairs if a != b]
        if wrong:
            one, other = _branch(kind, 0), _branch(kind, k)
            listed = "\n".join(f"  {path} is {a} in {one} and {b} in {other}." for path, a, b in wrong)
            raise ArgumentError(
                f"{kind}: all branches must return the same shapes and dtypes, but {describe(functions[0])} and "
                f"{describe(fun)} do not.\n{listed}\nConvert with .astype, or give results the same shape."
            )
