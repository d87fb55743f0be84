"""Replay: compute a graph again of which some values were kept, as the backward pass of a checkpoint does.

The one idea: a kept value stands behind a mark (`saved`). Where it is known, neither it nor what it alone needs is computed
again, but its derivative still is that of what made it. The steps of a `scan` have marks too: what they keep is stacked as
one more result, which comes back as one more array to scan over, so that each step is replayed with its own row.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from weft.ir.builder import build
from weft.ir.graph import Eqn, Graph, Var
from weft.ir.ops.control import call, named_p, prepared, saved_p
from weft.ir.primitive import INLINE, Primitive


def marks_of(graph: Graph) -> list[Eqn]:
    """The equations of a graph that mark what is kept."""
    return [eqn for eqn in graph.eqns if eqn.prim is saved_p]


def with_stacks(graph: Graph) -> Graph:
    """``graph``, whose scans have what their steps keep as more results, stacked, with marks on these."""
    from weft.ir.ops.flow import scan_p

    eqns: list[Eqn] = []
    for eqn in graph.eqns:
        body = with_stacks(eqn.params["body"]) if eqn.prim is scan_p else None
        kept = [mark.outs[0] for mark in marks_of(body)] if body is not None else []
        if body is None or not kept:
            eqns.append(eqn)
            continue
        length = eqn.params["length"]
        stacks = [Var(v.type.with_shape((length, *v.type.shape))) for v in kept]
        params = {**eqn.params, "body": body.replace(outs=[*body.outs, *kept])}
        eqns.append(Eqn(eqn.prim, eqn.ins, (*eqn.outs, *stacks), params, eqn.source))
        eqns += [Eqn(saved_p, (v,), (Var(v.type),), {}, eqn.source) for v in stacks]
    return graph.replace(eqns=eqns)


def known_values(graph: Graph, ins: Sequence[Any], kept: Sequence[Any]) -> dict[Var, Any]:
    """What is known of a graph by its inputs and kept values: those marked, and what is the same under other names."""
    env = dict(zip(graph.ins, ins, strict=True))
    makers = {v: eqn for eqn in graph.eqns for v in eqn.outs}
    for mark, x in zip(marks_of(graph), kept, strict=True):
        maker: Eqn | None = mark
        while maker is not None and maker.prim in (saved_p, named_p) and isinstance(maker.ins[0], Var):
            env.setdefault(maker.outs[0], x)
            env.setdefault(maker.ins[0], x)
            maker = makers.get(maker.ins[0])
    return env


def replayed(eqns: Sequence[Eqn], env: dict[Var, Any]) -> list[Eqn]:
    """Equations, in which scans take what their steps kept, where that is known."""
    return [
        _replayed_scan(eqn, env) if "n_carry" in eqn.params and "body" in eqn.params else eqn for eqn in eqns
    ]


def _replayed_scan(eqn: Eqn, env: dict[Var, Any]) -> Eqn:
    from weft.ir.ops.flow import scan_p

    marks = marks_of(eqn.params["body"]) if eqn.prim is scan_p else []
    stacks = eqn.outs[len(eqn.outs) - len(marks) :]
    if not marks or not all(v in env for v in stacks):
        return eqn
    body = eqn.params["body"]
    step = body.replace(outs=body.outs[: len(body.outs) - len(marks)])
    rows = [mark.outs[0].type for mark in marks]
    again = build(lambda *args: replay(step, *args), [*body.in_types, *rows])
    params = {**eqn.params, "body": again}
    return Eqn(eqn.prim, (*eqn.ins, *stacks), eqn.outs[: len(eqn.outs) - len(marks)], params, eqn.source)


def _values(marked: Graph) -> Graph:
    """The graph from inputs and kept values to results."""
    from weft.ir.builder import read
    from weft.ir.passes.dce import dce
    from weft.ir.passes.jvp import push_forward

    n = len(marked.ins)

    def fun(*args: Any) -> list[Any]:
        env = known_values(marked, args[:n], args[n:])
        push_forward(replayed(marked.eqns, env), env, {})
        return [read(env, a) for a in marked.outs]

    types = [*marked.in_types, *(mark.outs[0].type for mark in marks_of(marked))]
    return dce(build(fun, types), effects=False)


def _replay_jvp(prim: Primitive, primals: Any, tangents: Any, params: Any, answer: Any) -> Any:
    from weft.ir.builder import read
    from weft.ir.passes.jvp import out_tangent, push_forward

    marked = params["marked"]
    n = len(marked.ins)
    env = known_values(marked, primals[:n], primals[n:])
    # Kept values are functions of the inputs, so tangents of these say all.
    found = {v: t for v, t in zip(marked.ins, tangents, strict=False) if t is not None}
    push_forward(replayed(marked.eqns, env), env, found)
    return [read(env, a) for a in marked.outs], [out_tangent(a, found) for a in marked.outs]


def _replay_batch(prim: Primitive, args: Any, axes: Any, size: Any, params: Any) -> Any:
    from weft.ir.passes.batch import batch

    graph, out_axes = batch(params["graph"], axes, size)
    return call(graph, *args, name="replay"), out_axes


replay_p = Primitive(
    "replay",
    type_rule=lambda *ins, graph, marked: graph.out_types,
    reference=lambda *args, graph, marked: prepared(graph)(args),
    jvp=_replay_jvp,
    transpose=None,
    batch=_replay_batch,
    lower=INLINE,
    multiple=True,
)


def replay(marked: Graph, *args: Any) -> tuple[Any, ...]:
    """The results of a graph by its inputs and, behind these, the values that its marks kept."""
    results: tuple[Any, ...] = replay_p.bind(*args, graph=_values(marked), marked=marked)
    return results
