"""Reach: which rows of its buffers a nest touches in the iteration that makes row r, and so in what order rows may be made.

The one idea: where a nest goes from row to row, its indices say how far from row r it reads and writes. They are evaluated for
all rows at hand, so clamps, windows and ends need no theory. Rows lie on a ring, the first behind the last: a grid whose edges
meet is like any other. Two nests that touch the same row of a buffer, one of them writing, keep their order; all else may be
made in another one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from weft.ir.loops.nest import Call, If, Index, IndexOp, IndexValue, Load, Loop, Op, Param, Store, While
from weft.ir.loops.nest import bodies as nested
from weft.ir.types import BOOL, INT64
from weft.kernels.schedule import Scheduled
from weft.kernels.schedule.index import names_in

__all__ = ["Lags", "Touch", "Unclear", "conflicts", "lags", "touches"]


class Unclear(Exception):
    """Nobody knows what a nest touches, or it touches rows that are far away."""


class Touch(NamedTuple):
    """A buffer that a nest reads or writes: in row r, the rows from ``r + low`` to ``r + high``."""

    buffer: str
    store: bool
    low: int
    high: int


class _Span(NamedTuple):
    """The least and the largest value of an index, for each row."""

    low: Any
    high: Any


def touches(one: Scheduled, units: Mapping[str, int], ring: int) -> list[Touch]:
    """What a nest touches of some of its buffers.

    Args:
        one: a nest whose outermost loop goes from row to row.
        units: how many elements a row of each of these buffers has.
        ring: how many rows there are.

    Raises:
        Unclear: an index depends on data, or reaches over more than a quarter of the ring.
    """
    loop = one.nest.body[-1]
    rows = np.arange(one.extent)
    found: list[Touch] = []

    def look(body: Sequence[Any], known: dict[str, _Span], runs: Any) -> None:
        for statement in body:
            match statement:
                case IndexValue(name, dtype, index) if dtype == INT64:
                    span = _span(index, one.params, known, missing=True)
                    if span is not None:
                        known[name] = span
                case Op(name, dtype, op, args) if op in _ASKED and all(arg in known for arg in args):
                    if dtype in (BOOL, INT64):
                        known[name] = _ASKED[op](*[known[arg] for arg in args])
        used = _used(body, known, runs)
        for statement in body:
            match statement:
                case Load(name, _, buffer, index) if buffer in units:
                    touch(buffer, False, index, known, runs if used is None else used[name])
                case Store(buffer, index) if buffer in units:
                    touch(buffer, True, index, known, runs)
                case Loop(var, extent, _, inner):
                    size = _span(extent, one.params, known)
                    assert size is not None
                    last = np.maximum(size.high - 1, 0)
                    look(inner, {**known, var: _Span(np.zeros_like(last), last)}, runs & (size.high > 0))
                case While() | Call():
                    raise Unclear
                case If():
                    for inner in nested(statement):
                        look(inner, dict(known), runs)

    def touch(buffer: str, store: bool, index: Index, known: Mapping[str, _Span], where: Any) -> None:
        if not where.any():
            return
        span = _span(index, one.params, known)
        assert span is not None
        first = (np.broadcast_to(span.low, rows.shape) // units[buffer])[where]
        last = (np.broadcast_to(span.high, rows.shape) // units[buffer])[where]
        from_here = (first - rows[where] + ring // 2) % ring - ring // 2
        low, high = int(from_here.min()), int((from_here + last - first).max())
        if max(-low, high) * 4 > ring:
            raise Unclear
        found.append(Touch(buffer, store, low, high))

    known: dict[str, _Span] = {loop.var: _Span(rows, rows)}
    look(one.nest.body[:-1], known, np.ones(rows.shape, bool))
    look(loop.body, known, np.ones(rows.shape, bool))
    return found


def _used(body: Sequence[Any], known: Mapping[str, _Span], runs: Any) -> Mapping[str, Any] | None:
    """In which of the rows that are run each value of a body is used; none for a body with others in it.

    Not where a select, as is known of these rows, takes the other value: the update of a window reads nothing for the rows
    around it. Machine code may read all the same, but what it finds there changes nothing.
    """
    if not all(isinstance(one, IndexValue | Load | Op | Store) for one in body):
        return None
    used: dict[str, Any] = defaultdict(lambda: np.zeros_like(runs))

    def use(names: Iterable[str], where: Any) -> None:
        for name in names:
            used[name] = used[name] | where

    for one in reversed(body):
        match one:
            case Store(_, index, value):
                use([value, *names_in(index)], runs)
            case Op(name, _, "select", (flag, x, y)) if flag in known:
                use([flag], used[name])
                use([x], used[name] & known[flag].high)
                use([y], used[name] & np.logical_not(known[flag].low))
            case Op(name, _, _, args):
                use(args, used[name])
            case Load(name, _, _, index, mask):
                use([*names_in(index), *([mask] if mask else ())], used[name])
            case IndexValue(name, _, index):
                use(names_in(index), used[name])
    return used


def _span(
    index: Index, params: Sequence[int], known: Mapping[str, _Span], missing: bool = False
) -> _Span | None:
    """The values that an index may have; where a name in it is not known, none if something may be ``missing``."""
    match index:
        case str():
            if index in known:
                return known[index]
            if missing:
                return None
            raise Unclear
        case Param(k):
            return _Span(np.int64(params[k]), np.int64(params[k]))
        case IndexOp(op, a, b):
            x, y = _span(a, params, known, missing), _span(b, params, known, missing)
            return None if x is None or y is None else _OF_OPS[op](x, y)
    return _Span(np.int64(index), np.int64(index))


def _around(ends: Sequence[Any]) -> _Span:
    """From the least to the largest of some values, for each row."""
    ends = np.broadcast_arrays(*ends)
    return _Span(np.minimum.reduce(ends), np.maximum.reduce(ends))


def _product(x: _Span, y: _Span) -> _Span:
    return _around([a * b for a in x for b in y])


def _quotient(x: _Span, y: _Span) -> _Span:
    if np.any(y.low != y.high) or np.any(y.low < 1):
        raise Unclear
    return _Span(x.low // y.low, x.high // y.low)


def _remainder(x: _Span, y: _Span) -> _Span:
    turns = _quotient(x, y)
    same = turns.low == turns.high
    low, high = (
        np.where(same, x.low % np.maximum(y.low, 1), 0),
        np.where(same, x.high % np.maximum(y.low, 1), y.high - 1),
    )
    return _Span(low, high)


_OF_OPS: Mapping[str, Any] = {
    "+": lambda x, y: _Span(x.low + y.low, x.high + y.high),
    "-": lambda x, y: _Span(x.low - y.high, x.high - y.low),
    "*": _product,
    "//": _quotient,
    "%": _remainder,
    "min": lambda x, y: _Span(np.minimum(x.low, y.low), np.minimum(x.high, y.high)),
    "max": lambda x, y: _Span(np.maximum(x.low, y.low), np.maximum(x.high, y.high)),
}


def _asked(test: Any) -> Any:
    """A comparison: as certain as what it compares, for each row."""

    def span(x: _Span, y: _Span) -> _Span:
        return _around([test(a, b) for a in x for b in y])

    return span


def _chosen(flag: _Span, x: _Span, y: _Span) -> _Span:
    low = np.where(flag.low, x.low, np.where(flag.high, np.minimum(x.low, y.low), y.low))
    return _Span(low, np.where(flag.low, x.high, np.where(flag.high, np.maximum(x.high, y.high), y.high)))


_ASKED: Mapping[str, Any] = {
    **{name: _asked(test) for name, test in (
        ("ge", np.greater_equal), ("gt", np.greater), ("le", np.less_equal), ("lt", np.less)
    )},
    "and": lambda x, y: _Span(x.low & y.low, x.high & y.high),
    "or": lambda x, y: _Span(x.low | y.low, x.high | y.high),
    "not": lambda x: _Span(~x.high, ~x.low),
    "select": _chosen,
}  # fmt: skip


class Lags(NamedTuple):
    """In what order rows of nests are made that run one after the other, and again from the first.

    In one sweep nest k of repetition s makes row ``u - after[k] - s * every_after`` when the first nest makes row u. Where a
    sweep begins in the middle, at row a, it makes those from ``a + before[k] + s * every_before`` on.
    """

    after: tuple[int, ...]
    before: tuple[int, ...]
    every_after: int
    every_before: int

    def width(self, times: int) -> int:
        """How many rows lie between the first and the last that are made where sweeps of so many repetitions meet."""
        most = max(a + b for a, b in zip(self.after, self.before, strict=True))
        return most + (times - 1) * (self.every_after + self.every_before)


def lags(nests: Sequence[Sequence[Touch]], turned: Mapping[str, str], period: int) -> Lags:
    """The least lags by which every row is made from what it is made from row after row, and before that is written over.

    Args:
        nests: what each nest of a repetition touches.
        turned: by buffer, the one that takes its place one repetition later.
        period: the number of repetitions after which all have their own places again.
    """
    count = len(nests)
    after, before = [0] * count, [0] * count
    for later in range(count):
        for earlier in range(later):
            for low, high in conflicts(nests[earlier], nests[later]):
                after[later] = max(after[later], after[earlier] + high)
                before[later] = max(before[later], before[earlier] - low)
    every_after = every_before = 0
    repeated = list(nests)
    for distance in range(1, period + 1):
        repeated = [
            [one._replace(buffer=turned.get(one.buffer, one.buffer)) for one in nest] for nest in repeated
        ]
        for earlier, nest in enumerate(nests):
            for later, other in enumerate(repeated):
                for low, high in conflicts(nest, other):
                    behind = after[earlier] - after[later] + high
                    ahead = before[earlier] - before[later] - low
                    every_after = max(every_after, -(-behind // distance))
                    every_before = max(every_before, -(-ahead // distance))
    return Lags(tuple(after), tuple(before), every_after, every_before)


def conflicts(earlier: Iterable[Touch], later: Collection[Touch]) -> Iterable[tuple[int, int]]:
    """How far from a row of the later nest those of the earlier one are that touch the same, the least and the most."""
    for one in earlier:
        for other in later:
            if one.buffer == other.buffer and (one.store or other.store):
                yield other.low - one.high, other.high - one.low
