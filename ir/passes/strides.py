"""Strides: a step that replaces every n-th element of a carry writes those, and nothing else.

The one idea: `x.at[::2].set(y)` is a choice between ``x`` and ``y`` with gaps, which fuses with what makes and reads it. In a
loop the array of the step before is there to be written to: as an `update_slice` the step costs what it writes, and one that
reads the neighbours of what it writes (the points of a chequerboard) is not computed anew for each of its readers. The array is
a carry, what such an update made of it, or one that a number fills, but for what such an update wrote.
"""

from __future__ import annotations

from collections.abc import Mapping

from weft.ir.graph import Atom, Eqn, Graph, Literal, Var
from weft.ir.ops.flow import scan_p, while_loop_p
from weft.ir.ops.shape import full_p, pad_p
from weft.ir.ops.strided import update_slice_p

_SHORT = 8  # elements of an axis of which code knows which ones a step takes


def update_in_strides(graph: Graph) -> Graph:
    """Make choices between a carry and a pad with gaps updates, in the bodies of loops.

    Leaves the pads, which may have other readers, to `dce`. Idempotent.
    """
    eqns = [_in_loop(eqn) if eqn.prim in (scan_p, while_loop_p) else eqn for eqn in graph.eqns]
    same = all(a is b for a, b in zip(eqns, graph.eqns, strict=True))
    return graph if same else graph.replace(eqns=eqns)


def _in_loop(eqn: Eqn) -> Eqn:
    """A loop with a body in which updates write what they change."""
    body: Graph = eqn.params["body"]
    n_consts = eqn.params["n_consts" if eqn.prim is scan_p else "n_body"]
    n_carry = eqn.params["n_carry"] if eqn.prim is scan_p else len(body.ins) - n_consts
    carried: set[Atom] = set(body.ins[n_consts : n_consts + n_carry])
    makers = {var: one for one in body.eqns for var in one.outs}
    eqns: list[Eqn] = []
    for one in body.eqns:
        found = _update(one, carried, makers) if one.prim.name == "select" else None
        if found is not None or one.prim is update_slice_p:
            carried.update(one.outs)
        eqns += found or [one]
    if len(eqns) == len(body.eqns) and all(a is b for a, b in zip(eqns, body.eqns, strict=True)):
        return eqn
    return Eqn(eqn.prim, eqn.ins, eqn.outs, {**eqn.params, "body": body.replace(eqns=eqns)}, eqn.source)


def _update(eqn: Eqn, carried: set[Atom], makers: Mapping[Var, Eqn]) -> list[Eqn] | None:
    """The equations that write what a choice puts into the array that it is made of; none where it is none of those."""
    pad, old = _chosen(eqn, makers)
    if pad is None or not isinstance(old, Var):
        return None
    if old in carried or (old in makers and makers[old].prim is full_p):
        return [Eqn(update_slice_p, (old, pad.ins[0]), eqn.outs, _places(pad), eqn.source)]
    before, value = _chosen(makers[old], makers) if old in makers else (None, old)
    if before is None or not isinstance(value, Literal):
        return None
    empty, first = Var(old.type), Var(old.type)
    params = {"dtype": old.type.dtype, "shape": old.type.shape, "value": value.value.item()}
    return [
        Eqn(full_p, (), (empty,), params, eqn.source),
        Eqn(update_slice_p, (empty, before.ins[0]), (first,), _places(before), eqn.source),
        Eqn(update_slice_p, (first, pad.ins[0]), eqn.outs, _places(pad), eqn.source),
    ]


def _chosen(eqn: Eqn, makers: Mapping[Var, Eqn]) -> tuple[Eqn, Atom] | tuple[None, None]:
    """The pad ``p`` and the array of ``select (pad True) p array``, and of a pad by itself: what is between its elements."""
    if eqn.prim.name != "select":
        pad = _pad(eqn.outs[0], makers)
        return (None, None) if pad is None else (pad, pad.ins[1])
    mask, new, old = eqn.ins
    where, pad = _pad(mask, makers), _pad(new, makers)
    if where is None or pad is None or where.params != pad.params:
        return None, None
    everywhere, elsewhere = where.ins
    filled = makers.get(everywhere) if isinstance(everywhere, Var) else None
    if filled is None or filled.prim is not full_p or not filled.params["value"]:
        return None, None
    if (
        not isinstance(elsewhere, Literal)
        or elsewhere.value
        or everywhere.type.shape != pad.ins[0].type.shape
    ):
        return None, None
    return pad, old


def _pad(atom: Atom, makers: Mapping[Var, Eqn]) -> Eqn | None:
    """The pad that puts gaps into an axis which is not short, and cuts nothing off, if that made a value."""
    pad = makers.get(atom) if isinstance(atom, Var) else None
    if pad is None or pad.prim is not pad_p or min(*pad.params["low"], *pad.params["high"]) < 0:
        return None
    gaps = zip(pad.params["interior"], atom.type.shape, strict=True)
    return pad if any(gap and n > _SHORT for gap, n in gaps) else None


def _places(pad: Eqn) -> dict[str, tuple[int, ...]]:
    """Where an update writes what a pad has."""
    return {"start": pad.params["low"], "strides": tuple([gap + 1 for gap in pad.params["interior"]])}
