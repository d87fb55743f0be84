"""Fusion: from a graph of single operations to a graph of kernels.

The one idea: first decide which values are stored (fusion/stored.py), then which of them are computed in the
same loops (fusion/cluster.py); the rest is bookkeeping. Each kernel gets the equations that its values take,
also those that other kernels have too: what is not stored is computed where it is read.
"""

from __future__ import annotations

from collections.abc import Sequence

from weft.ir.graph import Atom, Eqn, Graph, Literal, Var
from weft.ir.ops.kernel import kernel_p
from weft.ir.passes.fusion.cluster import Unit, cluster
from weft.ir.passes.fusion.stored import Stored, choose_stored


def fuse(graph: Graph, carry: Sequence[tuple[Var, Atom]] = ()) -> Graph:
    """Group elementwise operations, index maps and reductions into kernels.

    Needs a graph that is inlined, simplified and without dead equations. Gives one whose equations are kernels, library and
    host operations, and reshapes of stored values, which are other names of the same memory. Repeats to itself.

    Args:
        graph: a program, or the body of a loop.
        carry: of such a body, each input and the output that takes its place in the next step.
    """
    stored = choose_stored(graph, carry)
    units = cluster(graph, stored)
    outside = {atom for atom in graph.outs if isinstance(atom, Var)}
    for unit in units:
        outside.update(_reads(unit))
    eqns = [_kernel(graph, unit, stored, outside) if unit.eqn is None else unit.eqn for unit in units]
    return graph.replace(eqns=eqns)


def _reads(unit: Unit) -> list[Var]:
    """The stored values that a unit takes from others."""
    if unit.eqn is not None:
        return [atom for atom in unit.eqn.ins if isinstance(atom, Var)]
    return [var for node in unit.nodes for var in node.reads if var not in unit.places]


def _kernel(graph: Graph, unit: Unit, stored: Stored, outside: set[Var]) -> Eqn:
    """The equation of a kernel: its closure as a graph of its own, in the order of the program."""
    inner: dict[Var, Var] = {}
    ins: list[Var] = []
    eqns: list[Eqn] = []
    first = (unit.closure & -unit.closure).bit_length() - 1
    for position, digit in enumerate(bin(unit.closure >> first)[:1:-1], first):
        if digit == "0":
            continue
        eqn = graph.eqns[position]
        for atom in eqn.ins:
            if isinstance(atom, Var) and atom not in inner:
                inner[atom] = Var(atom.type)
                ins.append(atom)
        outs = tuple([Var(var.type) for var in eqn.outs])
        atoms: list[Atom] = [atom if isinstance(atom, Literal) else inner[atom] for atom in eqn.ins]
        eqns.append(Eqn(eqn.prim, tuple(atoms), outs, eqn.params, eqn.source))
        inner.update(zip(eqn.outs, outs, strict=True))
    results = tuple([node.var for node in unit.nodes if node.var in outside])
    sub_graph = Graph(tuple([inner[var] for var in ins]), tuple(eqns), tuple([inner[var] for var in results]))
    source = next((eqn.source for eqn in reversed(eqns) if eqn.source is not None), None)
    return Eqn(kernel_p, tuple(ins), results, {"graph": sub_graph, "kind": _kind(unit)}, source)


def _kind(unit: Unit) -> str:
    """How the loops of a kernel look: "map", "reduce" (to a scalar), "rows" or "columns"."""
    if not unit.reduced:
        return "map"
    if not unit.kept:
        return "reduce"
    return "rows" if unit.reduced[-1] == len(unit.space) - 1 else "columns"
