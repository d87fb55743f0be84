"""The memory of a loop: where its carry lives from step to step.

The one idea: pointers move, values do not. A carry is in one of four ways:

- *in place*: the body changes it where it is, or not at all. It lives in the result's buffer from the first step on.
- *computed*: the body writes a new value. It has two buffers, which change places after each step.
- *moved*: the body hands on what another carry was (``u, u_before = step(u), u``). It takes over that pointer.
- *copied*: what the body gives back exists elsewhere as well (a constant, a value given back twice). It is copied into a
  buffer of its own, and is then like a computed one.

Rows of ``xs`` and of the stacked results are pointers too, which advance by a row after each step.
"""

from __future__ import annotations

from collections.abc import Sequence

from weft.engine.runtime.aliases import body_consts, carry_operands, root_of
from weft.engine.runtime.blocks import Block
from weft.engine.runtime.bufferize import Copy, Loop, Planner, roots_of
from weft.ir.graph import Atom, Eqn


def in_place(eqn: Eqn, bodies: Sequence[Block]) -> list[tuple[int, int]]:
    """Pairs (result, operand) of a loop whose result may take the operand's memory over."""
    if eqn.prim.name == "cond":
        return []
    first, n_carry = carry_operands(eqn)
    body = bodies[0]
    n_consts = body_consts(eqn)
    ins = body.graph.ins[n_consts : n_consts + n_carry]
    roots = roots_of(body, set(ins))
    return [(k, first + k) for k in range(n_carry) if root_of(roots, body.graph.outs[k]) is ins[k]]


def plan_loop(
    planner: Planner, eqn: Eqn, bodies: Sequence[Block], operands: Sequence[int], results: Sequence[int]
) -> Loop:
    """Plan a `scan` or a `while_loop`.

    Args:
        planner: hands out slots and places.
        eqn: the loop's equation.
        bodies: its body, and the condition of a `while_loop`.
        operands: the slots of its operands.
        results: the slots of its results.
    """
    first, n_carry = carry_operands(eqn)
    n_consts, body = body_consts(eqn), bodies[0]
    graph = body.graph
    ins = graph.ins[n_consts : n_consts + n_carry]
    roots = roots_of(body, set(ins))
    outs = [root_of(roots, atom) for atom in graph.outs[:n_carry]]
    start: list[tuple[int, int, int]] = []
    step: list[tuple[int, int, int]] = []
    copies: list[Copy] = []
    finish: list[Copy] = []
    borrowed: list[tuple[int, int]] = []

    # Who takes over whose pointer: each carry has one pointer, so the first who asks gets it.
    moved: dict[int, int] = {}
    for k, out in enumerate(outs):
        if out is not ins[k] and out in ins:
            j = ins.index(out)
            if outs[j] is not ins[j] and j not in moved.values():
                moved[k] = j

    now: list[int] = []  # the slots of the carry as a step finds it
    new: list[int] = []  # and as it leaves it
    pairs: list[tuple[int, int]] = []
    length = eqn.params.get("length")
    for k in range(n_carry):
        nbytes, initial, result = ins[k].type.nbytes, operands[first + k], results[k]
        if outs[k] is ins[k]:
            now.append(result)
            new.append(result)
            if initial != result:
                copies.append(Copy(result, initial, nbytes))
            continue
        here = planner.slot()
        now.append(here)
        if k in moved:
            buffer, place = planner.buffer(nbytes)
            borrowed.append(place)
            start.append((here, buffer, 0))
            new.append(here)
        else:
            other, place = planner.buffer(nbytes)
            borrowed.append(place)
            second = result
            if (
                k in moved.values()
            ):  # its buffers will be others': none of them may be where a result is to be
                second, place = planner.buffer(nbytes)
                borrowed.append(place)
            there = planner.slot()
            # An even number of steps ends in the buffer in which it began.
            even = length is not None and length % 2 == 0
            start += [(here, second if even else other, 0), (there, other if even else second, 0)]
            new.append(there)
            pairs.append((k, there))
        copies.append(Copy(here, initial, nbytes))
        finish.append(Copy(result, here, nbytes))
    free = [now[j] for j in range(n_carry) if outs[j] is not ins[j] and j not in moved.values()]
    for k, there in pairs:
        own = now[k] if now[k] in free else None
        old = (
            own if own is not None else next(slot for slot in free if slot not in {now[j] for j, _ in pairs})
        )
        free.remove(old)
        step += [(now[k], there, 0), (there, old, 0)]
    step += [(now[k], now[j], 0) for k, j in moved.items()]

    wanted: list[tuple[Atom, int]] = list(zip(graph.outs[:n_carry], new, strict=True))
    wanted = [pair for k, pair in enumerate(wanted) if k not in moved]
    body_ins = [*operands[first - n_consts : first], *now]
    cond = None
    if length is None:
        flag, place = planner.buffer(1)
        borrowed.append(place)
        test = bodies[1]
        cond_ins = [*operands[: eqn.params["n_cond"]], *now]
        cond = planner.block(test, cond_ins, [(test.graph.outs[0], flag)], roots_of(test))
    else:
        flag = planner.slot()
        rows = zip(graph.ins[n_consts + n_carry :], operands[first + n_carry :], strict=True)
        body_ins += [_row_slot(planner, eqn, var, source, start, step) for var, source in rows]
        for atom, target in zip(graph.outs[n_carry:], results[n_carry:], strict=True):
            wanted.append((atom, _row_slot(planner, eqn, atom, target, start, step)))
    plan = planner.block(body, body_ins, wanted, roots)
    for place in borrowed:
        planner.arena.give_back(*place)
    return Loop(plan, cond, flag, start, copies, step, finish)


def _row_slot(
    planner: Planner,
    eqn: Eqn,
    row: Atom,
    whole: int,
    start: list[tuple[int, int, int]],
    step: list[tuple[int, int, int]],
) -> int:
    """A slot that points to one row of the array in slot ``whole`` after the other."""
    slot, nbytes, length = planner.slot(), row.type.nbytes, eqn.params["length"]
    reverse = eqn.params["reverse"]
    start.append((slot, whole, (length - 1) * nbytes if reverse and length else 0))
    step.append((slot, slot, -nbytes if reverse else nbytes))
    return slot
