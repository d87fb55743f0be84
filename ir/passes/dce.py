"""Dead code elimination: drop what no output needs.

The one idea: one walk backwards. When an equation is met, everything that reads its results has been seen,
so it is known which of them are needed. A call is cut down to the needed results of its graph, and to the
operands that these need, before the walk goes on to what makes the operands.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from weft.ir.graph import Eqn, Graph, Var, sub_graphs
from weft.ir.params import map_graphs
from weft.ir.passes import cut
from weft.ir.primitive import EFFECT

_T = TypeVar("_T")

# Structured primitives that mean their params["graph"] and nothing more: it may lose inputs and outputs.
_CALLS = frozenset({"call", "checkpoint"})


def dce(graph: Graph, *, effects: bool = True) -> Graph:
    """Drop equations whose results are not needed, here and in carried graphs, and unneeded results of calls.

    Keeps inputs, outputs and sources, and the graph object itself where nothing is dropped. An equation that has
    an effect stays, with one result at least. Needs nothing; idempotent.

    Args:
        graph: any graph.
        effects: false drops effects too: for what computes again a part of what is computed elsewhere.
    """
    return _Walk(effects).graph(graph, (True,) * len(graph.outs))


def cut_results(eqn: Eqn, wanted: Sequence[bool]) -> Eqn:
    """``eqn`` with its wanted results alone, and the operands that these need; without effects."""
    return _Walk(effects=False).eqn(eqn, set(_pick(eqn.outs, wanted)))


class _Walk:
    """One run of the pass. Equations may share a graph: each is cut once for each set of needed results."""

    def __init__(self, effects: bool) -> None:
        self.cut: dict[tuple[int, tuple[bool, ...]], Graph] = {}
        self.effects = Effects() if effects else None

    def graph(self, graph: Graph, wanted: tuple[bool, ...]) -> Graph:
        """``graph`` with the ``wanted`` outputs alone and what they need; inputs stay."""
        outs = tuple([atom for atom, want in zip(graph.outs, wanted, strict=True) if want])
        needed = {atom for atom in outs if isinstance(atom, Var)}
        kept: list[Eqn] = []
        for eqn in reversed(graph.eqns):
            if needed.isdisjoint(eqn.outs):
                if self.effects is None or not self.effects.of(eqn):
                    continue
                needed.update(eqn.outs[:1])  # whose value tells that it has run
            eqn = self.eqn(eqn, needed)
            needed.update(a for a in eqn.ins if isinstance(a, Var))
            kept.append(eqn)
        kept.reverse()
        same = len(kept) == len(graph.eqns) and all(a is b for a, b in zip(kept, graph.eqns, strict=True))
        return graph if same and all(wanted) else graph.replace(eqns=kept, outs=outs)

    def eqn(self, eqn: Eqn, needed: set[Var]) -> Eqn:
        """A needed equation, its carried graphs cut."""
        if not eqn.params:
            return eqn
        if eqn.prim.name in cut.RULES:
            return cut.cut(eqn, [v in needed for v in eqn.outs], self.shared)
        if eqn.prim.name not in _CALLS:
            return map_graphs(eqn, lambda g: self.shared(g, (True,) * len(g.outs)))
        inner = self.shared(eqn.params["graph"], tuple([v in needed for v in eqn.outs]))
        read = {a for a in inner.outs if isinstance(a, Var)}
        read.update(a for e in inner.eqns for a in e.ins if isinstance(a, Var))
        used = [v in read for v in inner.ins]
        if inner is eqn.params["graph"] and all(used):
            return eqn
        if not all(used):
            inner = inner.replace(ins=_pick(inner.ins, used))
        outs = tuple([v for v in eqn.outs if v in needed])
        return Eqn(eqn.prim, _pick(eqn.ins, used), outs, {**eqn.params, "graph": inner}, eqn.source)

    def shared(self, graph: Graph, wanted: tuple[bool, ...]) -> Graph:
        key = (id(graph), wanted)
        if key not in self.cut:
            self.cut[key] = self.graph(graph, wanted)
        return self.cut[key]


class Effects:
    """Tells which equations do something beside giving results. Remembers the graphs it has looked into."""

    def __init__(self) -> None:
        self.known: dict[int, bool] = {}

    def of(self, eqn: Eqn) -> bool:
        """Whether ``eqn`` has an effect: it says so, gives no results, or carries an equation that has."""
        if eqn.prim.lower == EFFECT or not eqn.outs:
            return True
        return bool(eqn.params) and any(self.inside(graph) for _, graph in sub_graphs(eqn))

    def inside(self, graph: Graph) -> bool:
        """Whether an equation of ``graph`` has an effect."""
        if id(graph) not in self.known:
            self.known[id(graph)] = any(map(self.of, graph.eqns))
        return self.known[id(graph)]


def has_effects(eqn: Eqn) -> bool:
    """`Effects.of` for one equation."""
    return Effects().of(eqn)


def _pick(items: Sequence[_T], keep: Sequence[bool]) -> tuple[_T, ...]:
    return tuple([x for x, k in zip(items, keep, strict=True) if k])
