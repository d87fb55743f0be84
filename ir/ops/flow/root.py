"""`root`: the solution of an equation by a method of the user's, with the derivative of the implicit function theorem.

The one idea: the derivative is a graph that reads the solution, not the way to it. The rule hands it this equation's own
results, so that derivatives of every order are those of the equation that the solution solves.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from weft.ir.builder import build
from weft.ir.graph import Graph
from weft.ir.interpret import evaluate
from weft.ir.ops.control import prepared
from weft.ir.ops.flow.bodies import batched, check_types, instantiated, split
from weft.ir.primitive import NOT_MAPPED, Lowering, Primitive
from weft.ir.rules import to_front
from weft.ir.types import ArrayType


def _types(
    *ins: ArrayType, method: Graph, derivative: Graph, n_params: int, n_method: int
) -> tuple[ArrayType, ...]:
    params, given, rest = split(ins, n_params, n_method)
    x = derivative.out_types
    check_types("root", "the inputs of the method", given, method.in_types)
    check_types("root", "the solution", x, method.out_types[: len(x)])
    check_types("root", "the inputs of the derivative", [*x, *params * 2, *rest], derivative.in_types)
    return method.out_types


def _reference(*args: Any, method: Graph, derivative: Graph, n_params: int, n_method: int) -> Any:
    return tuple(prepared(method)(split(args, n_params, n_method)[1]))


def _jvp(prim: Primitive, primals: Any, tangents: Any, params: Any, answer: Any) -> Any:
    outs, derivative = answer(), params["derivative"]
    values, _, rest = split(primals, params["n_params"], params["n_method"])
    dots = tangents[: len(values)]
    if all(t is None for t in dots):
        return outs, (None,) * len(outs)
    n_x = len(derivative.outs)
    types = derivative.in_types[n_x + len(values) : n_x + 2 * len(values)]
    found = evaluate(derivative, *outs[:n_x], *values, *instantiated(dots, types), *rest)
    return outs, (*found, *[None] * (len(outs) - n_x))


def _batch(prim: Primitive, args: Any, axes: Any, size: Any, params: Any) -> Any:
    on = [a is not NOT_MAPPED for a in axes]
    args = [to_front(x, a, size) if m else x for x, a, m in zip(args, axes, on, strict=True)]
    given, method, rest = split(on, params["n_params"], params["n_method"])
    n_x = len(params["derivative"].outs)
    many = batched(params["method"], method, size, (True,) * len(params["method"].outs))[0]
    mapped = [*[True] * n_x, *given, *given, *rest]
    derivative = batched(params["derivative"], mapped, size, (True,) * n_x)[0]
    outs = prim.bind(*args, **{**params, "method": many, "derivative": derivative})
    return outs, (0,) * len(outs)


def _solution(params: Any) -> Graph:
    """The graph of an equation: the method, on all operands."""
    method, derivative, n = params["method"], params["derivative"], params["n_params"]
    n_x = len(derivative.outs)
    types = [*derivative.in_types[n_x : n_x + n], *method.in_types, *derivative.in_types[n_x + 2 * n :]]
    return build(lambda *args: evaluate(method, *split(args, n, len(method.ins))[1]), types)


root_p = Primitive(
    "root",
    type_rule=_types,
    reference=_reference,
    jvp=_jvp,
    transpose=None,
    batch=_batch,
    lower=Lowering("inline", _solution),
    multiple=True,
)


def root(
    params: Sequence[Any], method: tuple[Graph, Sequence[Any]], derivative: tuple[Graph, Sequence[Any]]
) -> tuple[Any, ...]:
    """The solution of an equation that depends on ``params``, and what the method gives beside it.

    Args:
        params: what the solution is differentiated by.
        method: ``given -> (x, more)``; and what it is given.
        derivative: ``(x, params, tangents of params, rest) -> tangent of x``, linear in the tangents; and the rest.
    """
    result: tuple[Any, ...] = root_p.bind(
        *params,
        *method[1],
        *derivative[1],
        method=method[0],
        derivative=derivative[0],
        n_params=len(params),
        n_method=len(method[1]),
    )
    return result
