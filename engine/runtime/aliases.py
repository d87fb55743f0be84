"""Which values share memory, and which operands of a loop are its carry.

A result that starts as a copy of an operand (a scatter, an update of a window) takes the operand's memory over where nobody
wants the old value any more: then nothing is copied.
"""

from __future__ import annotations

from collections.abc import Collection

from weft.ir.graph import Atom, Eqn, Graph, Var
from weft.ir.ops.shape import reshape_p


def is_alias(eqn: Eqn) -> bool:
    """Whether the result is another name of the operand's memory."""
    return eqn.prim is reshape_p and isinstance(eqn.ins[0], Var)


def find_roots(
    graph: Graph, copied: dict[int, list[tuple[int, int]]], owned: Collection[Var]
) -> dict[Var, Var]:
    """The value in whose memory each of those is that have none of their own.

    A result that starts as a copy of an operand takes its memory over, and no copy is made, where that is the operand's
    last use: no output, read by nothing else, then or later, and no input but an ``owned`` one.

    Args:
        graph: a fused graph.
        copied: for each equation with such results, their numbers and the operands' numbers.
        owned: inputs whose memory nobody wants.
    """
    root: dict[Var, Var] = {}
    last: dict[Var, int] = {}
    for i, eqn in enumerate(graph.eqns):
        if is_alias(eqn):
            operand = eqn.ins[0]
            assert isinstance(operand, Var)
            root[eqn.outs[0]] = root.get(operand, operand)
        for atom in eqn.ins:
            if isinstance(atom, Var):
                last[root.get(atom, atom)] = i
    wanted = {root.get(a, a) for a in graph.outs if isinstance(a, Var)}
    wanted.update(var for var in graph.ins if var not in owned)
    taken: dict[Var, Var] = {}
    for i, pairs in copied.items():
        eqn = graph.eqns[i]
        bases = [root.get(a, a) for a in eqn.ins if isinstance(a, Var)]
        for out, k in pairs:
            operand = eqn.ins[k]
            if isinstance(operand, Var):
                base = root.get(operand, operand)
                if base not in wanted and last[base] == i and bases.count(base) == 1:
                    taken[eqn.outs[out]] = base
    whose = root | taken
    for var in whose:
        base = var
        while base in whose:
            base = whose[base]
        root[var] = base
    return root


def carry_operands(eqn: Eqn) -> tuple[int, int]:
    """The number of the first operand that is the carry, and how many there are."""
    params = eqn.params
    if eqn.prim.name == "scan":
        return params["n_consts"], params["n_carry"]
    first = params["n_cond"] + params["n_body"]
    return first, len(eqn.ins) - first


def body_consts(eqn: Eqn) -> int:
    """How many constants the body takes; they stand before the carry."""
    return int(eqn.params["n_consts" if eqn.prim.name == "scan" else "n_body"])


def root_of(roots: dict[Var, Var], atom: Atom) -> Atom:
    """The value in whose memory ``atom`` is."""
    return roots.get(atom, atom) if isinstance(atom, Var) else atom
