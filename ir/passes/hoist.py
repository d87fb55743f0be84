"""Hoisting: what is the same at every step of a loop is computed before it.

The one idea: what depends on a loop's constants alone is constant. A carry that the body hands on unchanged is a constant too,
and a constant that is a literal is written into the body. What is only moved, or is cheap and larger than what it is made from,
is left where it is: reading it from memory would cost more than making it again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from weft.ir.builder import calls_back
from weft.ir.graph import Atom, Eqn, Graph, Literal, Var, sub_graphs
from weft.ir.ops.flow.bodies import CHEAP, pick, split
from weft.ir.params import map_graphs
from weft.ir.passes.dce import Effects
from weft.ir.records import dataclass, field


def hoist(graph: Graph) -> Graph:
    """Move what does not change out of the bodies of `scan` and `while_loop`, here and in carried graphs.

    A nested loop of unknown length stays: if the outer one did not run, it might never end. So does what has an effect. Keeps
    inputs, outputs, types and sources; leaves what lost its readers to `dce`. Needs an inlined graph; idempotent.
    """
    done: dict[int, Graph] = {}
    effects = Effects()

    def visit(graph: Graph) -> Graph:
        if id(graph) not in done:
            done[id(graph)] = _hoist(graph)
        return done[id(graph)]

    def _hoist(graph: Graph) -> Graph:
        eqns: list[Eqn] = []
        same: dict[Var, Atom] = {}
        for old in graph.eqns:
            eqn = map_graphs(old, visit) if old.params else old
            if same and any(isinstance(a, Var) and a in same for a in eqn.ins):
                eqn = Eqn(eqn.prim, _read(same, eqn.ins), eqn.outs, eqn.params, eqn.source)
            if eqn.prim.name in ("scan", "while_loop"):
                moved = _Loop(eqn, effects).moved()
                eqns.extend(moved.before)
                eqn = moved.eqn
                same.update(moved.same)
            eqns.append(eqn)
        kept = len(eqns) == len(graph.eqns) and all(a is b for a, b in zip(eqns, graph.eqns, strict=True))
        return graph if kept else Graph(graph.ins, tuple(eqns), _read(same, graph.outs))

    return visit(graph)


def _read(same: Mapping[Var, Atom], atoms: Iterable[Atom]) -> tuple[Atom, ...]:
    return tuple([same.get(a, a) if isinstance(a, Var) else a for a in atoms])


@dataclass
class _Moved:
    """A loop without what does not change: equations before it, the loop, and results that are operands."""

    eqn: Eqn
    before: list[Eqn] = field(default_factory=list)
    same: dict[Var, Atom] = field(default_factory=dict)


class _Loop:
    """One loop taken apart: its graphs, and which operands are constants of the body."""

    def __init__(self, eqn: Eqn, effects: Effects):
        self.eqn, self.effects = eqn, effects
        self.is_scan = eqn.prim.name == "scan"
        self.body: Graph = eqn.params["body"]
        self.cond: Graph | None = eqn.params.get("cond")
        self.n_cond = 0 if self.is_scan else eqn.params["n_cond"]
        self.n_consts = eqn.params["n_consts" if self.is_scan else "n_body"]
        self.n_carry = eqn.params["n_carry"] if self.is_scan else len(eqn.outs)

    def moved(self) -> _Moved:
        """The loop and what stands before it."""
        asked, consts, carry, xs = split(self.eqn.ins, self.n_cond, self.n_consts, self.n_carry)
        const_vars, carry_vars, x_vars = split(self.body.ins, self.n_consts, self.n_carry)
        fixed = [a is b for a, b in zip(carry_vars, self.body.outs, strict=False)]
        values: dict[Var, Atom] = dict(zip(const_vars, consts, strict=True))
        values.update(zip(pick(carry_vars, fixed), pick(carry, fixed), strict=True))
        body, before, new = self._without_invariants(values)
        changed = body is not self.body or any(fixed) or any(isinstance(v, Literal) for v in values.values())
        if not changed:
            return _Moved(self.eqn)
        literals = {var: atom for var, atom in values.items() if isinstance(atom, Literal)}
        consts_now = {var: atom for var, atom in (values | new).items() if not isinstance(atom, Literal)}
        varies = [not f for f in fixed]
        body = _substitute(body, literals)
        outs = [*pick(body.outs, varies), *body.outs[self.n_carry :]]
        body = Graph((*consts_now, *pick(carry_vars, varies), *x_vars), body.eqns, tuple(outs))
        params: dict[str, Any] = {**self.eqn.params, "body": body}
        if self.is_scan:
            params |= {"n_consts": len(consts_now), "n_carry": sum(varies)}
        else:
            assert self.cond is not None
            asked_vars, cond_carry = split(self.cond.ins, self.n_cond)
            known: dict[Var, Atom] = dict(zip(asked_vars, asked, strict=True))
            known.update(zip(pick(cond_carry, fixed), pick(carry, fixed), strict=True))
            named = {v: a for v, a in known.items() if not isinstance(a, Literal)}
            cond = _substitute(self.cond, {v: a for v, a in known.items() if isinstance(a, Literal)})
            params["cond"] = cond.replace(ins=(*named, *pick(cond_carry, varies)))
            params |= {"n_cond": len(named), "n_body": len(consts_now)}
            asked = list(named.values())
        ins = (*asked, *consts_now.values(), *pick(carry, varies), *xs)
        keep = [*varies, *[True] * (len(self.eqn.outs) - self.n_carry)]
        eqn = Eqn(self.eqn.prim, ins, tuple(pick(self.eqn.outs, keep)), params, self.eqn.source)
        results = self.eqn.outs[: self.n_carry]
        return _Moved(eqn, before, dict(zip(pick(results, fixed), pick(carry, fixed), strict=True)))

    def _without_invariants(self, values: dict[Var, Atom]) -> tuple[Graph, list[Eqn], dict[Var, Atom]]:
        """The body without equations of constants, these equations on the operands, and the new constants by variable.

        Args:
            values: the operand that each constant of the body stands for.
        """
        size = {var: var.type.size for var in values}  # of what a value is made from
        constant: dict[Var, Eqn] = {}
        chosen: list[Eqn] = []
        for eqn in self.body.eqns:
            if not all(isinstance(a, Literal) or a in size for a in eqn.ins) or not self._may_move(eqn):
                continue
            made_from = max((size[a] for a in eqn.ins if isinstance(a, Var)), default=0)
            constant.update((v, eqn) for v in eqn.outs)
            only_moves = eqn.prim.lower.kind == "index"
            size.update((v, made_from if only_moves else v.type.size) for v in eqn.outs)
            if only_moves or not eqn.ins:
                continue
            cheap = eqn.prim.lower.kind == "scalar" and eqn.prim.name in CHEAP
            if cheap and any(v.type.size > max(made_from, 1) for v in eqn.outs):
                size.update((v, made_from) for v in eqn.outs)
            else:
                chosen.append(eqn)
        if not chosen:
            return self.body, [], {}
        needed = {v for eqn in chosen for v in eqn.outs}
        moving: list[Eqn] = []
        for eqn in reversed(self.body.eqns):
            if not needed.isdisjoint(eqn.outs) and eqn.outs[0] in constant:
                moving.append(eqn)
                needed.update(a for a in eqn.ins if isinstance(a, Var) and a in constant)
        outside: dict[Var, Atom] = dict(values)
        before: list[Eqn] = []
        for eqn in reversed(moving):
            outs = tuple([Var(v.type) for v in eqn.outs])
            before.append(Eqn(eqn.prim, _read(outside, eqn.ins), outs, eqn.params, eqn.source))
            outside.update(zip(eqn.outs, outs, strict=True))
        gone = {id(eqn) for eqn in chosen}
        rest = tuple([eqn for eqn in self.body.eqns if id(eqn) not in gone])
        read = {a for eqn in rest for a in eqn.ins if isinstance(a, Var)}
        read.update(a for a in self.body.outs if isinstance(a, Var))
        new = {v: outside[v] for eqn in chosen for v in eqn.outs if v in read}
        return self.body.replace(eqns=rest), before, new

    def _may_move(self, eqn: Eqn) -> bool:
        if eqn.prim.name == "optimization_barrier" or calls_back(eqn.prim, eqn.params):
            return False  # the user's function might raise, though the loop does not run
        return not self.effects.of(eqn) and not _may_not_end(eqn)


def _may_not_end(eqn: Eqn) -> bool:
    """Whether an equation is or carries a loop of unknown length."""
    if eqn.prim.name == "while_loop":
        return True
    return bool(eqn.params) and any(_may_not_end(e) for _, graph in sub_graphs(eqn) for e in graph.eqns)


def _substitute(graph: Graph, literals: Mapping[Var, Atom]) -> Graph:
    """``graph`` with literals for some of its inputs, which stay."""
    if not literals:
        return graph
    eqns: Sequence[Eqn] = [
        Eqn(e.prim, _read(literals, e.ins), e.outs, e.params, e.source)
        if any(isinstance(a, Var) and a in literals for a in e.ins)
        else e
        for e in graph.eqns
    ]
    return Graph(graph.ins, tuple(eqns), _read(literals, graph.outs))
