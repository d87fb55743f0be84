"""Counters: what is compared with the number of a step is known where all steps agree.

The one idea: a carry that begins with a literal and grows by one is a number of a known range. An index that would be turned
round if it were negative is not, and one that would be dropped beyond an axis is written.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from weft.ir.graph import Atom, Eqn, Graph, Literal, Var
from weft.ir.ops.flow import scan_p
from weft.ir.types import is_integer

_COMPARED: dict[str, Callable[[Any, Any], Any]] = {
    "lt": np.less,
    "le": np.less_equal,
    "gt": np.greater,
    "ge": np.greater_equal,
    "eq": np.equal,
    "ne": np.not_equal,
}


def counters(eqn: Eqn) -> dict[Var, tuple[int, int]]:
    """The carries of a `scan` that count, as its body sees them, each with its first and its last number."""
    body: Graph = eqn.params["body"]
    n_consts, n_carry, length = (eqn.params[name] for name in ("n_consts", "n_carry", "length"))
    makers = {var: one for one in body.eqns for var in one.outs}
    found = {}
    for var, start, new in zip(body.ins[n_consts:], eqn.ins[n_consts:], body.outs[:n_carry], strict=False):
        step = makers.get(new) if isinstance(new, Var) else None
        if not length or step is None or not isinstance(start, Literal) or not is_integer(var.type.dtype):
            continue
        grows = step.prim.name == "add" and step.ins[0] is var and isinstance(step.ins[1], Literal)
        if var.type.shape or not grows or int(step.ins[1].value) != 1:  # type: ignore[union-attr]
            continue
        first, last = int(start.value), int(start.value) + length - 1
        if last < np.iinfo(var.type.dtype).max:
            found[var] = first, last
    return found


def fold_counters(graph: Graph) -> Graph:
    """Settle comparisons of counters with literals in the bodies of `scan`.

    Looks at the loops of this graph, not at those inside of them. Keeps inputs, outputs, types and sources; leaves what lost
    its readers to `dce`. Idempotent.
    """
    eqns: list[Eqn] = []
    for eqn in graph.eqns:
        if eqn.prim is scan_p and (known := counters(eqn)):
            body = _folded(eqn.params["body"], known)
            if body is not eqn.params["body"]:
                eqn = Eqn(eqn.prim, eqn.ins, eqn.outs, {**eqn.params, "body": body}, eqn.source)
        eqns.append(eqn)
    same = all(a is b for a, b in zip(eqns, graph.eqns, strict=True))
    return graph if same else graph.replace(eqns=eqns)


def _folded(body: Graph, ranges: dict[Var, tuple[int, int]]) -> Graph:
    """A body in which comparisons of these numbers are literals, and what they choose is chosen."""
    same: dict[Var, Atom] = {}
    eqns: list[Eqn] = []
    for old in body.eqns:
        ins = tuple([same.get(a, a) if isinstance(a, Var) else a for a in old.ins])
        eqn = old if ins == old.ins else Eqn(old.prim, ins, old.outs, old.params, old.source)
        result = None if old.outs[:1] == () or old.outs[0].type.shape else _settled(eqn, ranges)
        if result is not None:
            same[old.outs[0]] = result
        eqns.append(eqn)
    if not same:
        return body
    outs = tuple([same.get(a, a) if isinstance(a, Var) else a for a in body.outs])
    return Graph(body.ins, tuple(eqns), outs)


def _settled(eqn: Eqn, ranges: dict[Var, tuple[int, int]]) -> Atom | None:
    """What a scalar equation gives, where that is known: a bool, or one of its operands."""
    name = eqn.prim.name
    number = eqn.ins[0] if eqn.ins else None
    if name in _COMPARED and isinstance(number, Var) and number in ranges and isinstance(eqn.ins[1], Literal):
        first, last = (bool(_COMPARED[name](k, eqn.ins[1].value)) for k in ranges[number])
        monotone = name not in ("eq", "ne") or not _within(eqn.ins[1], ranges[number])
        return Literal(np.bool_(first)) if first == last and monotone else None
    if name == "select" and isinstance(eqn.ins[0], Literal):
        return eqn.ins[1] if eqn.ins[0].value else eqn.ins[2]
    if name == "and_" and all(a.type.dtype == bool for a in eqn.ins):  # True & x -> x
        for one, other in (eqn.ins, eqn.ins[::-1]):
            if isinstance(one, Literal) and one.value:
                return other
    return None


def _within(literal: Literal, ends: tuple[int, int]) -> bool:
    return bool(ends[0] <= literal.value <= ends[1])
