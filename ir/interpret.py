"""Run a graph, equation by equation.

On NumPy arrays this is the meaning of the graph and the judge of everything compiled from it. On `Value`s it replays the
graph into the one under construction, so it is also how graphs are inlined.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from weft.ir.builder import bind_all, read
from weft.ir.graph import Graph, Var
from weft.ir.source import current


def evaluate(graph: Graph, *args: Any) -> list[Any]:
    """Apply ``graph`` to values (NumPy arrays or `Value`s), one for each of its inputs."""
    env: dict[Var, Any] = dict(zip(graph.ins, args, strict=True))
    run_eqns(graph.eqns, env)
    return [read(env, atom) for atom in graph.outs]


def run_eqns(eqns: Sequence[Any], env: dict[Var, Any]) -> None:
    """Run equations in order, reading from and writing to ``env``; equations keep the user's lines."""
    previous = current.source
    try:
        for eqn in eqns:
            current.source = eqn.source or previous
            outs = bind_all(eqn.prim, [read(env, a) for a in eqn.ins], eqn.params)
            env.update(zip(eqn.outs, outs, strict=True))
    finally:
        current.source = previous
