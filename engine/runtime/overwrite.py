"""Overwrite: kernels of a loop's body that write the new carry over the old one.

The one idea: what a kernel reads of the carry for the last time, an element at a time, it may as well write there: see
`weft.kernels.schedule.in_place`. Then a step needs no second buffer, and goes through less memory.
"""

from __future__ import annotations

from weft.engine.runtime.aliases import body_consts, carry_operands, find_roots, root_of
from weft.ir.graph import Atom, Eqn, Graph, Var
from weft.ir.ops.kernel import kernel_p
from weft.ir.records import replace
from weft.kernels.schedule import Scheduled
from weft.kernels.schedule.in_place import in_place

Schedules = dict[int, Scheduled]


def write_over(
    graph: Graph, scheduled: Schedules, number: int, roots: dict[Var, Var], source: Var, result: Var
) -> tuple[Scheduled, int] | None:
    """The kernel of an equation, writing a result over an operand, and the operand's number; none if it cannot.

    Args:
        graph: a fused graph.
        scheduled: the schedules of its equations.
        number: the kernel's.
        roots: what `find_roots` says.
        source: the value that is overwritten.
        result: one of the kernel's.
    """
    one, eqn = scheduled.get(number), graph.eqns[number]
    operands = [k for k, a in enumerate(eqn.ins) if isinstance(a, Var) and roots.get(a, a) == source]
    if one is None or eqn.prim is not kernel_p or len(operands) != 1:
        return None
    ins = one.passed(eqn)
    kinds = [b.kind for b in one.nest.buffers]
    if operands[0] not in ins or kinds.count("in") != len(ins) or kinds.count("out") != len(eqn.outs):
        return None
    written = in_place(one, ins.index(operands[0]), eqn.outs.index(result), result.type.size)
    return None if written is None else (written, operands[0])


def overwrite_carry(eqn: Eqn, graph: Graph, scheduled: Schedules) -> None:
    """Let kernels of a loop's body write over the carry where they can.

    Args:
        eqn: the loop.
        graph: its body, fused.
        scheduled: the schedules of the body; changed.
    """
    _, n_carry = carry_operands(eqn)
    n_consts = body_consts(eqn)
    carry = graph.ins[n_consts : n_consts + n_carry]
    roots = find_roots(graph, {i: list(one.starts) for i, one in scheduled.items()}, set(carry))
    makers = {var: i for i, one in enumerate(graph.eqns) for var in one.outs}
    last = {
        root_of(roots, atom): i
        for i, one in enumerate(graph.eqns)
        for atom in one.ins
        if isinstance(atom, Var)
    }
    wanted: list[Atom] = [root_of(roots, atom) for atom in graph.outs]
    for old, atom in zip(carry, graph.outs[:n_carry], strict=True):
        new = root_of(roots, atom)
        if not isinstance(new, Var) or new not in makers or old in wanted or wanted.count(new) > 1:
            continue
        number = makers[new]
        if last.get(old) == number and (found := write_over(graph, scheduled, number, roots, old, new)):
            one, operand = found
            pair = (graph.eqns[number].outs.index(new), operand)
            scheduled[number] = replace(one, carried=(*one.carried, pair))
