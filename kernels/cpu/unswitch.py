"""Unswitch: what does not change in an innermost loop is asked once before it.

The one idea: a loop whose selects have conditions that are known before it is written twice, once for where all of those
hold: there it computes and reads nothing but what it stores. That is most of what the update of a window does. LLVM would
put branches into the loop instead, or compute both sides. Values are what they were, bit for bit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from weft.ir.loops.nest import If, Index, IndexOp, IndexValue, Load, Loop, Nest, Op, Store, While, bodies
from weft.ir.records import replace
from weft.ir.types import BOOL
from weft.kernels.cpu.index import names_in

_MOST_STATEMENTS = 100  # of a loop that is worth writing twice
_SPLIT = (IndexValue, Load, Op, Store)


def unswitch(nest: Nest) -> Nest:
    """The nest with innermost loops split, those apart that run in chunks or fold."""
    changed = [
        replace(s, body=_inside(s.body)) if s is nest.chunked and isinstance(s, Loop) else s
        for s in nest.body
    ]
    return nest if tuple(changed) == nest.body else replace(nest, body=tuple(changed))


def _inside(body: Sequence[Any]) -> tuple[Any, ...]:
    """A list of statements with the loops in it split."""
    found: list[Any] = []
    for statement in body:
        match statement:
            case Loop(carries=()) if any(bodies(s) for s in statement.body):
                found.append(replace(statement, body=_inside(statement.body)))
            case Loop(carries=()):
                found += _split(statement)
            case If(flag, then, other):
                found.append(If(flag, _inside(then), _inside(other)))
            case While(cond, flag, inside):
                found.append(While(cond, flag, _inside(inside)))
            case _:
                found.append(statement)
    return tuple(found)


def _split(loop: Loop) -> list[Any]:
    if len(loop.body) > _MOST_STATEMENTS or not all(isinstance(s, _SPLIT) for s in loop.body):
        return [loop]
    own = {loop.var, *(getattr(s, "name", "") for s in loop.body)}
    asked = [s.args[0] for s in loop.body if isinstance(s, Op) and s.op == "select" and s.args[0] not in own]
    conditions = list(dict.fromkeys(asked))
    if not conditions:
        return [loop]
    flag, *rest = conditions
    before: list[Any] = []
    for number, condition in enumerate(rest):
        name = f"{loop.var}_{number}"
        before.append(Op(name, BOOL, "and", (flag, condition)))
        flag = name
    fails = loop if rest else replace(loop, body=_decided(loop.body, {flag: 2}, {}))
    # Names are bound once in a nest.
    names = {name: f"{name}_holds" for name in own if name}
    body = _decided(loop.body, dict.fromkeys(conditions, 1), names)
    return [*before, If(flag, (replace(loop, var=names[loop.var], body=body),), (fails,))]


def _decided(body: Sequence[Any], choices: Mapping[str, int], names: Mapping[str, str]) -> tuple[Any, ...]:
    """The statements where it is known which operand a select takes, without those that nothing needs.

    Args:
        body: of a loop.
        choices: for each condition the number of that operand.
        names: what to call things instead.
    """
    same = dict(names)
    changed: list[Any] = []
    for statement in body:
        match statement:
            case Op(name, _, "select", args) if args[0] in choices:
                chosen = args[choices[args[0]]]
                same[name] = same.get(chosen, chosen)
            case Op(name, dtype, op, args, params):
                args = tuple([same.get(arg, arg) for arg in args])
                changed.append(Op(same.get(name, name), dtype, op, args, params))
            case Load(name, dtype, buffer, index, mask):
                mask = None if mask is None else same.get(mask, mask)
                changed.append(Load(same.get(name, name), dtype, buffer, _renamed(index, same), mask))
            case Store(buffer, index, value):
                changed.append(Store(buffer, _renamed(index, same), same.get(value, value)))
            case IndexValue(name, dtype, index):
                changed.append(IndexValue(same.get(name, name), dtype, _renamed(index, same)))
    needed: set[str] = set()
    kept: list[Any] = []
    for statement in reversed(changed):
        if isinstance(statement, Store) or statement.name in needed:
            kept.append(statement)
            needed.update(_reads(statement))
    return tuple(reversed(kept))


def _renamed(index: Index, same: Mapping[str, str]) -> Index:
    if isinstance(index, IndexOp):
        return IndexOp(index.op, _renamed(index.a, same), _renamed(index.b, same))
    return same.get(index, index) if isinstance(index, str) else index


def _reads(statement: Any) -> list[str]:
    """The names that a statement reads."""
    match statement:
        case Op(_, _, _, args):
            return list(args)
        case Load(_, _, _, index, mask):
            return [*names_in(index), *([] if mask is None else [mask])]
        case Store(_, index, value):
            return [*names_in(index), value]
    return names_in(statement.index)
