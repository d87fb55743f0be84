"""Linearization: split a function at a point into its value and its derivative, a linear graph.

The tangents are inputs of a builder deeper than the primals', so pushing them forward records only the linear part there;
the primal values that it reads become its captured inputs, the residuals.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any, NamedTuple

from weft.ir.builder import GraphBuilder, build, read
from weft.ir.graph import Atom, Eqn, Graph, Var
from weft.ir.passes.dce import dce
from weft.ir.passes.jvp import out_tangent, push_forward
from weft.ir.types import ArrayType


class Linearized(NamedTuple):
    """The derivative at a point.

    ``linear`` maps (tangents of active inputs..., residuals...) to the tangents of the outputs with ``out_active``.
    """

    outs: list[Any]
    linear: Graph
    residuals: list[Any]
    out_active: tuple[bool, ...]


def linearize_values(
    eqns: Sequence[Eqn], outs: Sequence[Atom], env: dict[Var, Any], active: Sequence[Var]
) -> Linearized:
    """Linearize equations at the values in ``env`` with respect to the variables ``active``."""
    builder = GraphBuilder(name="linearize")
    tangents: dict[Var, Any] = {v: builder.add_input(v.type) for v in active}
    push_forward(eqns, env, tangents)
    found = [out_tangent(a, tangents) for a in outs]
    linear, residuals = builder.finish([t for t in found if t is not None])
    return Linearized([read(env, a) for a in outs], linear, residuals, tuple(t is not None for t in found))


class LinearizedGraph(NamedTuple):
    """``primal`` maps inputs to (outputs..., residuals...); ``linear`` is as in `Linearized`."""

    primal: Graph
    linear: Graph
    out_active: tuple[bool, ...]


@functools.lru_cache(maxsize=512)
def linearize(graph: Graph, active: tuple[bool, ...]) -> LinearizedGraph:
    """Split ``graph`` into its value with residuals, and its derivative with respect to the ``active`` inputs."""
    result: list[Linearized] = []

    def fun(*args: Any) -> list[Any]:
        env = dict(zip(graph.ins, args, strict=True))
        variables = [v for v, a in zip(graph.ins, active, strict=True) if a]
        result.append(linearize_values(graph.eqns, graph.outs, env, variables))
        return [*result[0].outs, *result[0].residuals]

    types: Sequence[ArrayType] = graph.in_types
    primal = build(fun, types)
    return LinearizedGraph(dce(primal), dce(result[0].linear), result[0].out_active)
