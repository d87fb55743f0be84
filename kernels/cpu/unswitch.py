"""Unswitch: what does not change in an innermost loop is asked once before it.

The one idea: a loop whose selects have conditions that are known before it is written twice, once for where all of those
hold: there it computes and reads nothing but what it stores. That is most of what the update of a window does. LLVM would
put branches into the loop instead, or compute both sides. Values are what they were, bit for bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from weft.ir.loops.nest import If, IndexValue, Load, Loop, Nest, Op, Store, While, bodies
from weft.ir.records import replace
from weft.ir.types import BOOL
from weft.kernels.cpu.decide import decided, renamed

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
    """The loop in two, unless it is short."""
    if (
        loop.kind == "sequential"
        or len(loop.body) > _MOST_STATEMENTS
        or not all(isinstance(s, _SPLIT) for s in loop.body)
    ):
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
    fails = loop if rest else replace(loop, body=decided(loop.body, {flag: False}, {}))
    # Names are bound once in a nest.
    names = {name: f"{name}_holds" for name in own if name}
    body = renamed(
        decided(loop.body, dict.fromkeys(conditions, True), {}), names, {loop.var: names[loop.var]}
    )
    return [*before, If(flag, (replace(loop, var=names[loop.var], body=body),), (fails,))]
