"""Absorb: what computes an operand of a library routine an element at a time goes into the routine's own loops.

The one idea: a routine that takes each element of an operand once may as well compute it there. So positions are
turned round, values scaled, and rows numbered on the way, where each would be an array written and read.
"""

from __future__ import annotations

from collections import Counter

from weft.ir.graph import Atom, Eqn, Graph, Literal, Var
from weft.ir.ops.kernel import kernel_p, routine_p
from weft.ir.passes.dce import dce
from weft.ir.passes.fusion.axes import wide_axes
from weft.ir.passes.fusion.stored import COSTLY, Costs

# The routines that read elements once, and which operands they read so.
_FROM_FIRST = frozenset("sort top_k cumsum cumprod cummax cummin cumlogsumexp linear_recurrence".split())
_FROM_SECOND = frozenset("scatter dynamic_update_slice update_slice".split())


def absorb(graph: Graph) -> Graph:
    """Move cheap pointwise producers of operands into routines. Needs a fused graph; keeps it where there are none."""
    if not any(_first_absorbed(eqn) is not None for eqn in graph.eqns):
        return graph
    reads = Counter(atom for eqn in graph.eqns for atom in eqn.ins)
    reads.update(graph.outs)
    makers = {var: eqn for eqn in graph.eqns if eqn.prim is kernel_p for var in eqn.outs}
    gone: set[Var] = set()
    eqns: list[Eqn] = []
    for eqn in graph.eqns:
        first = _first_absorbed(eqn)
        parts: dict[Var, Graph] = {}
        for atom in eqn.ins[first:] if first is not None else ():
            if isinstance(atom, Var) and atom in makers and reads[atom] == 1:
                part = _part(makers[atom], atom)
                if part is not None:
                    parts[atom] = part
        gone.update(parts)
        eqns.append(_routine(eqn, parts, makers) if parts else eqn)
    if not gone:
        return graph
    cut = [_without(eqn, gone) if gone.intersection(eqn.outs) else eqn for eqn in eqns]
    return graph.replace(eqns=[eqn for eqn in cut if eqn is not None])


def _first_absorbed(eqn: Eqn) -> int | None:
    """The number of the first operand that is taken an element at a time, with all that follow; ``None`` for none."""
    if eqn.prim.lower.kind != "library":
        return None
    rule = eqn.prim.lower.rule
    return 0 if rule in _FROM_FIRST else 1 if rule in _FROM_SECOND else None


def _part(kernel: Eqn, var: Var) -> Graph | None:
    """What of a kernel computes one of its results, if that is cheap, and pointwise in the flat index."""
    whole: Graph = kernel.params["graph"]
    part = dce(whole.replace(outs=[whole.outs[kernel.outs.index(var)]]))
    (out,) = part.outs
    if not isinstance(out, Var) or out in part.ins:
        return None
    cheap = Costs(part.eqns).of((1 << len(part.eqns)) - 1) <= COSTLY
    return part if cheap and all(_is_pointwise(eqn) for eqn in part.eqns) else None


def _is_pointwise(eqn: Eqn) -> bool:
    """Whether the result at a flat index takes its operands there, or scalars, alone."""
    lower = eqn.prim.lower
    if lower.kind == "index":
        if lower.rule == "broadcast":
            return not wide_axes(eqn.ins[0].type.shape)
        return lower.rule in ("full", "iota", "reshape", "copy")
    return lower.kind == "scalar"


def _routine(eqn: Eqn, parts: dict[Var, Graph], makers: dict[Var, Eqn]) -> Eqn:
    """A routine with the computation of some of its operands."""
    ins: list[Atom] = []
    inner: list[Var] = []
    eqns: list[Eqn] = []

    def take(atom: Atom) -> Atom:
        if isinstance(atom, Literal):
            return atom
        ins.append(atom)
        inner.append(Var(atom.type))
        return inner[-1]

    operands: list[Atom] = []
    for atom in eqn.ins:
        part = parts.get(atom) if isinstance(atom, Var) else None
        if part is None or not isinstance(atom, Var):
            operands.append(take(atom))
            continue
        outer = dict(zip(makers[atom].params["graph"].ins, makers[atom].ins, strict=True))
        known: dict[Var, Atom] = {}
        for one in part.eqns:
            for a in one.ins:
                if isinstance(a, Var) and a not in known:
                    known[a] = take(outer[a])
            outs = tuple([Var(v.type) for v in one.outs])
            atoms = tuple([a if isinstance(a, Literal) else known[a] for a in one.ins])
            eqns.append(Eqn(one.prim, atoms, outs, one.params, one.source))
            known.update(zip(one.outs, outs, strict=True))
        (out,) = part.outs
        assert isinstance(out, Var)
        operands.append(known[out])
    results = tuple([Var(v.type) for v in eqn.outs])
    eqns.append(Eqn(eqn.prim, tuple(operands), results, eqn.params, eqn.source))
    graph = Graph(tuple(inner), tuple(eqns), results)
    return Eqn(routine_p, tuple(ins), eqn.outs, {"graph": graph, "kind": eqn.prim.name}, eqn.source)


def _without(kernel: Eqn, gone: set[Var]) -> Eqn | None:
    """A kernel without some of its results, and without what only they took; ``None`` where none is left."""
    kept = [k for k, var in enumerate(kernel.outs) if var not in gone]
    if not kept:
        return None
    whole: Graph = kernel.params["graph"]
    graph = dce(whole.replace(outs=[whole.outs[k] for k in kept]))
    read = {atom for eqn in graph.eqns for atom in eqn.ins} | set(graph.outs)
    used = [k for k, var in enumerate(graph.ins) if var in read]
    graph = graph.replace(ins=[graph.ins[k] for k in used])
    ins = tuple([kernel.ins[k] for k in used])
    return Eqn(
        kernel.prim,
        ins,
        tuple([kernel.outs[k] for k in kept]),
        {**kernel.params, "graph": graph},
        kernel.source,
    )
