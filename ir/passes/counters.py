"""Counters: what is compared with the number of a step is known where all steps agree.

The one idea: a carry that begins with a literal and grows by one is a number of a known range, and so is what is scanned where
that is an ``arange``; so are sums and differences of such. An index that would be turned round if it were negative is not, and
one that would be dropped beyond an axis is written.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
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


def counters(eqn: Eqn, outside: Mapping[Var, Eqn]) -> dict[Var, tuple[int, int]]:
    """What counts the steps of a `scan` by ones, as its body sees it, each with its first and its last number.

    Args:
        eqn: the loop.
        outside: what makes the values that it is given.
    """
    numbers = _scanned_numbers(eqn, outside).items()
    counted = {var: (start, start + eqn.params["length"] - 1) for var, (start, step) in numbers if step == 1}
    return _counting_carries(eqn) | counted


def _counting_carries(eqn: Eqn) -> dict[Var, tuple[int, int]]:
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


def _scanned_numbers(eqn: Eqn, outside: Mapping[Var, Eqn]) -> dict[Var, tuple[int, int]]:
    """What is scanned of evenly spaced integers: the number of the first step, and by how much it changes."""
    params = eqn.params
    first, length = params["n_consts"] + params["n_carry"], params["length"]
    found = {}
    for var, rows in zip(params["body"].ins[first:], eqn.ins[first:], strict=True):
        line = _line(rows, outside) if length and not var.type.shape and is_integer(var.type.dtype) else None
        if line is not None:
            start, step = line
            found[var] = (start + step * (length - 1), -step) if params["reverse"] else line
    return found


def _line(atom: Atom, outside: Mapping[Var, Eqn]) -> tuple[int, int] | None:
    """The first element of a vector of evenly spaced integers, and by how much they grow; none where it is no such."""
    if isinstance(atom, Literal):
        return None if np.ndim(atom.value) else (int(atom.value), 0)
    eqn = outside.get(atom)
    if eqn is None or not is_integer(atom.type.dtype):
        return None
    line: tuple[int, int] | None = None
    if eqn.prim.name == "iota" and atom.type.ndim == 1:
        line = 0, 1
    elif eqn.prim.name in ("add", "sub", "mul"):
        (a, b) = (_line(operand, outside) for operand in eqn.ins)
        if a is not None and b is not None:
            sign = -1 if eqn.prim.name == "sub" else 1
            if eqn.prim.name != "mul":
                line = a[0] + sign * b[0], a[1] + sign * b[1]
            elif a[1] == 0 or b[1] == 0:
                line = a[0] * b[0], a[0] * b[1] + a[1] * b[0]
    if line is None:
        return None
    limits, last = np.iinfo(atom.type.dtype), line[0] + line[1] * max(atom.type.size - 1, 0)
    return line if all(limits.min <= end <= limits.max for end in (line[0], last)) else None


def _ranges(eqn: Eqn, outside: Mapping[Var, Eqn]) -> dict[Var, tuple[int, int]]:
    """The integers of a `scan`'s body of which the least and the largest are known."""
    known, last = _counting_carries(eqn), eqn.params["length"] - 1
    for var, (start, step) in _scanned_numbers(eqn, outside).items():
        known[var] = min(start, start + step * last), max(start, start + step * last)
    return known


def fold_counters(graph: Graph) -> Graph:
    """Settle comparisons of counters with literals in the bodies of `scan`.

    Looks at the loops of this graph, not at those inside of them. Keeps inputs, outputs, types and sources; leaves what lost
    its readers to `dce`. Idempotent.
    """
    eqns: list[Eqn] = []
    outside = {var: eqn for eqn in graph.eqns for var in eqn.outs}
    for eqn in graph.eqns:
        if eqn.prim is scan_p and (known := _ranges(eqn, outside)):
            body = _folded(eqn.params["body"], known)
            if body is not eqn.params["body"]:
                eqn = Eqn(eqn.prim, eqn.ins, eqn.outs, {**eqn.params, "body": body}, eqn.source)
        eqns.append(eqn)
    same = all(a is b for a, b in zip(eqns, graph.eqns, strict=True))
    return graph if same else graph.replace(eqns=eqns)


def _folded(body: Graph, ranges: dict[Var, tuple[int, int]]) -> Graph:
    """A body in which comparisons of these numbers are literals, and what they choose is chosen."""
    ranges = dict(ranges)
    same: dict[Var, Atom] = {}
    eqns: list[Eqn] = []
    for old in body.eqns:
        ins = tuple([same.get(a, a) if isinstance(a, Var) else a for a in old.ins])
        eqn = old if ins == old.ins else Eqn(old.prim, ins, old.outs, old.params, old.source)
        result = None if old.outs[:1] == () or old.outs[0].type.shape else _settled(eqn, ranges)
        if result is not None:
            same[old.outs[0]] = result
        elif (ends := _computed_ends(eqn, ranges)) is not None:
            ranges[eqn.outs[0]] = ends
        eqns.append(eqn)
    if not same:
        return body
    outs = tuple([same.get(a, a) if isinstance(a, Var) else a for a in body.outs])
    return Graph(body.ins, tuple(eqns), outs)


def _computed_ends(eqn: Eqn, ranges: dict[Var, tuple[int, int]]) -> tuple[int, int] | None:
    """The least and the largest that sums, differences and products of known numbers may be; none where they may go round."""
    if eqn.prim.name not in ("add", "sub", "mul") or eqn.outs[0].type.shape:
        return None
    dtype = eqn.outs[0].type.dtype
    operands = [
        (int(a.value),) * 2 if isinstance(a, Literal) else ranges.get(a) for a in eqn.ins if is_integer(dtype)
    ]
    if not operands or None in operands:
        return None
    a, b = operands
    compute = {"add": int.__add__, "sub": int.__sub__, "mul": int.__mul__}[eqn.prim.name]
    values = [compute(x, y) for x in a for y in b]  # type: ignore[union-attr]
    limits = np.iinfo(dtype)
    inside = limits.min <= min(values) and max(values) <= limits.max
    return (min(values), max(values)) if inside else None


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
