"""Merge: loops over the same lanes that stand one behind the other become one loop.

The one idea: lanes do not know of one another, so what a lane does in two loops it may do in one. What the first one leaves in
memory for the second stays in a register then, and what nobody else reads is not written.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any

from weft.ir.loops.nest import (
    Const,
    If,
    Index,
    IndexValue,
    Load,
    Loop,
    Op,
    ParamValue,
    Store,
    While,
)
from weft.ir.loops.nest import bodies as nested
from weft.ir.records import replace
from weft.kernels.cpu.decide import renamed

__all__ = ["merged", "without_unread"]

_PLAIN = (Const, IndexValue, Load, Op, ParamValue)
_MOST = 60  # statements of a loop: more values than registers are no gain


def merged(body: Iterable[Any], lanes: Collection[str]) -> tuple[Any, ...]:
    """Statements, with loops over lanes merged between which nothing is written.

    Args:
        body: the statements.
        lanes: variables of loops over lanes, in which no lane touches what another one writes.
    """
    found: list[Any] = []
    last = -1
    for one in body:
        if not (isinstance(one, Loop) and one.var in lanes and _is_simple(one)):
            found.append(one)
            continue
        between = found[last + 1 :]
        if last >= 0 and _fit(found[last], one) and all(isinstance(s, _PLAIN) for s in between):
            before = found[last]
            inside = (*before.body, *renamed(one.body, {}, {one.var: before.var}))
            found[last:] = [*between, replace(before, body=_forwarded(inside))]
        else:
            found.append(one)
        last = len(found) - 1
    return tuple(found)


def _is_simple(loop: Loop) -> bool:
    return not loop.carries and all(isinstance(one, (*_PLAIN, Store)) for one in loop.body)


def _fit(one: Loop, other: Loop) -> bool:
    """Whether two loops run alike, and are not too long together."""
    alike = (one.extent, one.kind) == (other.extent, other.kind)
    return alike and len(one.body) + len(other.body) <= _MOST


def _forwarded(body: Iterable[Any]) -> tuple[Any, ...]:
    """Statements that use what was written, where they would read it again."""
    stored: dict[tuple[str, Index], str] = {}
    same: dict[str, str] = {}
    found: list[Any] = []
    for old in body:
        (statement,) = renamed((old,), same, {})
        match statement:
            case Load(name, dtype, buffer, index, None) if (buffer, index) in stored and dtype.itemsize > 2:
                same[name] = stored[buffer, index]
                continue
            case Store(buffer, index, value):
                stored = {place: held for place, held in stored.items() if place[0] != buffer}
                stored[buffer, index] = value
        found.append(statement)
    return tuple(found)


def without_unread(body: Sequence[Any], buffers: Collection[str]) -> tuple[Any, ...]:
    """Statements without stores to those of the buffers that nothing reads."""
    read = _read_in(body)
    return _without(body, {name for name in buffers if name not in read})


def _read_in(body: Iterable[Any]) -> set[str]:
    found = {one.buffer for one in body if isinstance(one, Load)}
    return found.union(*[_read_in(inner) for one in body for inner in nested(one)])


def _without(body: Iterable[Any], unread: set[str]) -> tuple[Any, ...]:
    found: list[Any] = []
    for one in body:
        match one:
            case Store(buffer) if buffer in unread:
                continue
            case Loop():
                one = replace(one, body=_without(one.body, unread))
            case While(cond, flag, inner):
                one = While(_without(cond, unread), flag, _without(inner, unread))
            case If(flag, then, other):
                one = If(flag, _without(then, unread), _without(other, unread))
        found.append(one)
    return tuple(found)
