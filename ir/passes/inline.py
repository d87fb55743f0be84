"""Inlining: calls become the equations of the graphs they carry.

The one idea: one walk with an environment from the variables of the graph at hand to those of the result. A
call walks its graph with an environment of its own, so each equation of the result is made once, however
deep the calls are nested.
"""

from __future__ import annotations

from collections.abc import Sequence

from weft.ir.graph import Atom, Eqn, Graph, Literal, Var
from weft.ir.params import map_graphs


def inline(graph: Graph) -> Graph:
    """Replace every equation that is lowered inline by its graph's equations, here and in carried graphs.

    These are calls, checkpoints and functions with derivative rules of their own: run it when derivatives
    and batching are done. Inner equations keep their sources. Keeps inputs, outputs and types; the graph
    itself comes back where nothing is inlined. Needs nothing; idempotent.
    """
    done: dict[int, Graph] = {}

    def visit(graph: Graph) -> Graph:
        if id(graph) not in done:
            done[id(graph)] = _inline(graph)
        return done[id(graph)]

    def _inline(graph: Graph) -> Graph:
        eqns: list[Eqn] = []
        env: dict[Var, Atom] = {}
        for eqn in graph.eqns:
            eqn = Eqn(eqn.prim, _read(env, eqn.ins), eqn.outs, eqn.params, eqn.source) if env else eqn
            if eqn.prim.lower.kind == "inline":
                env.update(zip(eqn.outs, _expand(_body(eqn), eqn.ins, eqn, eqns), strict=True))
            else:
                eqns.append(map_graphs(eqn, visit))
        same = len(eqns) == len(graph.eqns) and all(a is b for a, b in zip(eqns, graph.eqns, strict=True))
        return graph if same else Graph(graph.ins, tuple(eqns), _read(env, graph.outs))

    def _expand(body: Graph, args: Sequence[Atom], call: Eqn, eqns: list[Eqn]) -> tuple[Atom, ...]:
        """Append the equations of ``body`` applied to ``args``, with new variables, and give its outputs."""
        env: dict[Var, Atom] = dict(zip(body.ins, args, strict=True))
        for eqn in body.eqns:
            ins, source = _read(env, eqn.ins), eqn.source or call.source
            if eqn.prim.lower.kind == "inline":
                inner = Eqn(eqn.prim, ins, eqn.outs, eqn.params, source)
                env.update(zip(eqn.outs, _expand(_body(eqn), ins, inner, eqns), strict=True))
            else:
                outs = tuple([Var(v.type) for v in eqn.outs])
                env.update(zip(eqn.outs, outs, strict=True))
                eqns.append(map_graphs(Eqn(eqn.prim, ins, outs, eqn.params, source), visit))
        return _read(env, body.outs)

    return visit(graph)


def _body(eqn: Eqn) -> Graph:
    """The graph that an equation lowered inline means: given by its lowering, or carried."""
    rule = eqn.prim.lower.rule
    graph: Graph = rule(eqn.params) if rule is not None else eqn.params["graph"]
    return graph


def _read(env: dict[Var, Atom], atoms: Sequence[Atom]) -> tuple[Atom, ...]:
    return tuple([a if isinstance(a, Literal) else env.get(a, a) for a in atoms])
