"""Batching: the graph of one example becomes the graph of many, with a batch axis on every value that depends on one.

Values that do not depend on the batch keep no axis, so that work common to all examples is done once.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Hashable, Sequence
from typing import Any, NamedTuple

from weft.ir.builder import bind_all, build, read
from weft.ir.graph import Graph, Literal, Var, sub_graphs
from weft.ir.primitive import NOT_MAPPED
from weft.ir.rules import to_front
from weft.ir.source import at_source


class Axis(NamedTuple):
    """The batch axis: its length, and the name that collectives call it by."""

    size: int
    name: Hashable = None


class _Scope(threading.local):
    """The name of the axis that a thread is batching over, for rules that batch the graphs they carry."""

    def __init__(self) -> None:
        self.name: Hashable = None


_scope = _Scope()


def batch_values(
    graph: Graph, args: Sequence[Any], axes: Sequence[int | None], axis: Axis
) -> tuple[list[Any], list[int | None]]:
    """Run ``graph`` on batched values: its outputs and their batch axes."""
    outer, _scope.name = _scope.name, axis.name
    try:
        return _run(graph, args, axes, axis)
    finally:
        _scope.name = outer


def _run(
    graph: Graph, args: Sequence[Any], axes: Sequence[int | None], axis: Axis
) -> tuple[list[Any], list[int | None]]:
    env: dict[Var, Any] = dict(zip(graph.ins, args, strict=True))
    mapped: dict[Var, int | None] = dict(zip(graph.ins, axes, strict=True))

    def axis_of(atom: Any) -> int | None:
        return NOT_MAPPED if isinstance(atom, Literal) else mapped[atom]

    for eqn in graph.eqns:
        values, value_axes = [read(env, a) for a in eqn.ins], [axis_of(a) for a in eqn.ins]
        named = axis.name is not None
        own = named and eqn.prim.lower.kind == "collective" and eqn.params["axis_name"] == axis.name
        with at_source(eqn.source):
            if own:
                outs, out_axes = eqn.prim.lower.rule(eqn.prim, values, value_axes, axis.size, eqn.params)
            elif all(a is NOT_MAPPED for a in value_axes) and not (
                named and any(True for _ in sub_graphs(eqn))
            ):
                outs = bind_all(eqn.prim, values, dict(eqn.params))
                out_axes = (NOT_MAPPED,) * len(outs)
            else:
                outs, out_axes = eqn.prim.batch(eqn.prim, values, value_axes, axis.size, eqn.params)
        env.update(zip(eqn.outs, outs, strict=True))
        mapped.update(zip(eqn.outs, out_axes, strict=True))
    return [read(env, a) for a in graph.outs], [axis_of(a) for a in graph.outs]


def batch(
    graph: Graph, axes: Sequence[int | None], size: int, *, to_axis_0: bool = False
) -> tuple[Graph, tuple[int | None, ...]]:
    """The batched graph and the batch axes of its outputs.

    Args:
        graph: the program of one example.
        axes: for each input, where its batch axis is, or ``NOT_MAPPED``.
        size: the number of examples.
        to_axis_0: give every output the batch axis, in front.
    """
    return _batch(graph, tuple(axes), size, _scope.name, to_axis_0)


@functools.lru_cache(maxsize=512)
def _batch(
    graph: Graph, axes: tuple[int | None, ...], size: int, name: Hashable, to_axis_0: bool
) -> tuple[Graph, tuple[int | None, ...]]:
    axis = Axis(size, name)
    found: list[int | None] = []

    def fun(*args: Any) -> list[Any]:
        outs, out_axes = batch_values(graph, args, axes, axis)
        if to_axis_0:
            outs = [to_front(x, a, size) for x, a in zip(outs, out_axes, strict=True)]
            out_axes = [0] * len(outs)
        found.extend(out_axes)
        return outs

    types = [
        t if a is NOT_MAPPED else t.with_shape((*t.shape[:a], size, *t.shape[a:]))
        for t, a in zip(graph.in_types, axes, strict=True)
    ]
    batched = build(fun, types)
    return batched, tuple(found)
