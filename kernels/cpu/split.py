"""Split: a loop is cut where a comparison of its index with something fixed changes, and a part does what is left there.

The one idea: ``i < k`` is true up to an iteration that is known before the loop, and false from there on. Two loops, one after
the other, ask nothing; often there is nothing to do in one of them (`decide`), so a triangle that is written with a mask costs
what a triangle costs. In the same way an index that is taken modulo n, or clamped, is cut out of the range where that matters:
what is left is read as it lies in memory, also backwards.

Values are what they were, but for sums, which are folded in any order anyhow. Borders are clamped to the loop, so that any
number may be compared with.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from weft.ir.loops.nest import (
    Accumulate,
    Accumulator,
    Const,
    If,
    Index,
    IndexOp,
    IndexValue,
    Load,
    Loop,
    Nest,
    Op,
    Store,
    While,
    bodies,
)
from weft.ir.loops.vocabulary import MIRRORED
from weft.ir.records import dataclass, replace
from weft.ir.types import BOOL, INT64
from weft.kernels.cpu.decide import PLAIN, decided, renamed
from weft.kernels.schedule import index as ix

_MOST_STATEMENTS = 60  # of a loop that is worth writing several times
_MOST_CUTS = 3  # of one loop, by comparisons
_MOST_WRITTEN = 120  # statements of all parts of a loop
_LARGE = 2**62  # larger numbers than this are no index: what is compared is clamped, and nothing overflows
_LEAST_GAIN = 2  # operations that a part must save, besides the questions
_COSTS = {
    **dict.fromkeys("div sqrt".split(), 8),
    **dict.fromkeys("mod rem floor_div int_div mod_by rem_by floor_div_by int_div_by".split(), 25),
}
_CHEAP = frozenset("add sub mul neg abs min max and or xor not cast fma copysign".split())
_DEAR = 15  # other functions


def split(nest: Nest, chunk: tuple[str, str] | None = None) -> Nest:
    """The nest with innermost loops cut.

    Args:
        nest: what is to be cut.
        chunk: names of where a chunk begins and ends. With them, a loop that runs in chunks is cut too, into loops over the
            chunk's share of its parts; else it stays.
    """
    return _Splitter(nest, chunk).nest()


@dataclass(frozen=True, slots=True)
class _Linear:
    """``times * i + rest`` of a loop's variable i; ``exact`` if no step of it can overflow."""

    times: int
    rest: Index
    exact: bool = True


@dataclass(frozen=True, slots=True)
class _Part:
    """What a loop does from one iteration to before another; ``first`` is none for 0, ``last`` for all that are left."""

    first: Index
    last: Index
    body: tuple[Any, ...]
    rare: bool = False


class _Splitter:
    """Cuts the loops of one nest."""

    def __init__(self, nest: Nest, chunk: tuple[str, str] | None) -> None:
        self.whole, self.chunk = nest, chunk
        self.consts: dict[str, Const] = {}
        self.accs: dict[str, Accumulator] = {}
        self.variables: set[str] = set()
        self.count = 0
        self._collect(nest.body)

    def _collect(self, body: Iterable[Any]) -> None:
        for statement in body:
            if isinstance(statement, Const):
                self.consts[statement.name] = statement
            elif isinstance(statement, Loop):
                self.variables.add(statement.var)
                self.accs.update((acc.name, acc) for acc in statement.carries)
            for inner in bodies(statement):
                self._collect(inner)

    def nest(self) -> Nest:
        """The nest, itself where no loop is cut."""
        body = self._body(self.whole.body)
        return self.whole if body == self.whole.body else replace(self.whole, body=body)

    def _body(self, body: Sequence[Any]) -> tuple[Any, ...]:
        found: list[Any] = []
        for statement in body:
            match statement:
                case Loop() if any(bodies(s) for s in statement.body):
                    inner = self._body(statement.body)
                    found.append(statement if inner == statement.body else replace(statement, body=inner))
                case Loop() if statement is not self.whole.chunked:
                    found += self._loop(statement)
                case Loop() if self.chunk is not None and statement.kind == "parallel":
                    found += self._loop(statement, *self.chunk)
                case If(flag, then, other):
                    found.append(If(flag, self._body(then), self._body(other)))
                case While(cond, flag, inner):
                    found.append(While(self._body(cond), flag, self._body(inner)))
                case _:
                    found.append(statement)
        return tuple(found)

    # One loop

    def _loop(self, loop: Loop, first: Index = None, last: Index = None) -> list[Any]:
        """The loops that do what an innermost loop does, from one iteration to before another if that is not all."""
        plain = len(loop.body) <= _MOST_STATEMENTS and all(isinstance(s, PLAIN) for s in loop.body)
        if not plain or isinstance(loop.extent, int):
            return [loop]
        parts = self._parts(loop, first, last)
        if len(parts) == 1 and parts[0].body == loop.body:
            return [loop]
        own = {acc.name for acc in loop.carries}
        parts = [part for part in parts if any(isinstance(s, Store | Accumulate) for s in part.body)]
        if not parts and own:
            parts = [_Part(0, 0, ())]  # the accumulators are what they began as
        return self._written(loop, parts)

    def _parts(self, loop: Loop, first: Index, last: Index) -> list[_Part]:
        """The parts of a loop: as many cuts as do not make the code much longer, which takes its time to compile."""
        whole = _Part(first, last, loop.body)
        for cuts in range(_MOST_CUTS, -1, -1):
            self.borders: list[IndexValue] = []
            parts = self._by_conditions(loop, whole, cuts)
            parts = [one for part in parts for one in self._by_places(loop, part)]
            if sum(len(part.body) for part in parts) <= _MOST_WRITTEN:
                return parts
        self.borders = []
        return [whole]

    def _written(self, loop: Loop, parts: Sequence[_Part]) -> list[Any]:
        """The borders, and loops over the parts, each of which goes on with the accumulators of the one before."""
        found: list[Any] = list(self.borders)
        before = {acc.name: acc.init for acc in loop.carries}
        for number, part in enumerate(parts):
            last = number == len(parts) - 1
            bound = [s.name for s in part.body if hasattr(s, "name")]  # in order: the same text everywhere
            now = {acc: acc if last else self._fresh(acc) for acc in before}
            names = {**now, **{name: self._fresh(name) for name in bound}}
            var = self._fresh(loop.var)
            first, end = part.first or 0, loop.extent if part.last is None else part.last
            at = var if part.first is None else IndexOp("+", first, var)
            extent = _within(end if part.first is None else IndexOp("-", end, first), loop.extent)
            carries = tuple([replace(acc, name=now[acc.name], init=before[acc.name]) for acc in loop.carries])
            kind = "sequential" if part.rare else "vector" if loop.kind == "parallel" else loop.kind
            body = renamed(part.body, names, {loop.var: at})
            found.append(Loop(var, extent, kind, body, carries))
            before = now
        return found

    def _fresh(self, name: str) -> str:
        self.count += 1
        return f"{name}_part{self.count}"

    # Conditions

    def _by_conditions(self, loop: Loop, part: _Part, cuts: int) -> list[_Part]:
        """A part of a loop cut by the comparisons that its selects ask."""
        if not cuts:
            return [part]
        scope = _Scope(loop.var, part.body, self.consts, self.variables)
        for cut in dict.fromkeys(scope.cuts()):
            below, above = (
                decided(part.body, scope.known(cut, side), self.consts, self.accs) for side in (True, False)
            )
            if _cost(part.body) - min(_cost(below), _cost(above)) < _LEAST_GAIN:
                continue
            border = self._border(cut, part, loop.extent)
            return [
                *self._by_conditions(loop, _Part(part.first, border, below), cuts - 1),
                *self._by_conditions(loop, _Part(border, part.last, above), cuts - 1),
            ]
        return [part]

    def _border(self, cut: Index, part: _Part, extent: Index) -> Index:
        """An iteration, moved into a part, by name."""
        last = extent if part.last is None else part.last
        name = self._fresh("border")
        self.borders.append(IndexValue(name, INT64, ix.minimum(ix.maximum(cut, part.first or 0), last)))
        return name

    # Places

    def _by_places(self, loop: Loop, part: _Part) -> list[_Part]:
        """A part of a loop in three; in the second, places are within their range: no clamp and no division is needed."""
        body, lows, highs = part.body, [], []
        while (found := _Scope(loop.var, body, self.consts, self.variables).wrapped()) is not None:
            inside, body = found
            body = decided(body, {}, self.consts, self.accs)
            lows.append(inside[0])
            highs.append(inside[1])
        if not lows:
            return [part]
        low, high = lows[0], highs[0]
        for one, other in zip(lows[1:], highs[1:], strict=True):
            low = low if one == low else ix.maximum(low, one)
            high = high if other == high else ix.minimum(high, other)
        first = self._border(low, part, loop.extent)
        last = self._border(high, _Part(first, part.last, ()), loop.extent)
        return [
            _Part(part.first, first, part.body, rare=True),
            _Part(first, last, body),
            _Part(last, part.last, part.body, rare=True),
        ]


def _within(extent: Index, whole: Index) -> Index:
    """The extent of a part: of a loop that was short, which a minimum says, it is short too."""
    short = isinstance(whole, IndexOp) and whole.op == "min"
    if not short or (isinstance(extent, IndexOp) and extent.op == "min"):
        return extent
    return IndexOp("min", extent, whole)


def _cost(body: Iterable[Any]) -> int:
    """About how many operations statements are, questions and answers aside."""
    total = 0
    for statement in body:
        if isinstance(statement, Op):
            asks = statement.dtype == BOOL or statement.op == "select"
            total += 0 if asks else _COSTS.get(statement.op, 1 if statement.op in _CHEAP else _DEAR)
        elif isinstance(statement, Accumulate | Load | Store):
            total += 1
    return total


class _Scope:
    """What the values of a loop's body are, in terms of its variable."""

    def __init__(
        self, var: str, body: Sequence[Any], consts: Mapping[str, Const], variables: Collection[str]
    ) -> None:
        self.var, self.body, self.consts, self.variables = var, body, {**consts}, variables
        self.makers = {s.name: s for s in body if not isinstance(s, Store | Accumulate)}
        self.consts.update((s.name, s) for s in body if isinstance(s, Const))
        self.changing = {s.acc for s in body if isinstance(s, Accumulate)}

    def value(self, name: str) -> _Linear | None:
        """An int64 value; none where it is something else."""
        if name in self.changing:
            return None
        const = self.consts.get(name)
        if const is not None:
            small = const.dtype == INT64 and abs(int(const.value)) < 2**31
            return _Linear(0, int(const.value)) if small else None
        match self.makers.get(name):
            case None:
                return _Linear(0, name, exact=name in self.variables)
            case IndexValue(_, dtype, index) if dtype == INT64:
                return self.index(index)
            case Op(_, dtype, "add" | "sub" as op, (a, b)) if dtype == INT64:
                x, y = self.value(a), self.value(b)
                return None if x is None or y is None else _combined("+" if op == "add" else "-", x, y)
        return None

    def index(self, index: Index) -> _Linear | None:
        """An index."""
        match index:
            case str():
                return _Linear(1, 0) if index == self.var else self.value(index)
            case IndexOp(op, a, b):
                x, y = self.index(a), self.index(b)
                if x is None or y is None:
                    return None
                if op in "+-":
                    return _combined(op, x, y)
                if x.times or y.times:
                    return None
                return _Linear(0, IndexOp(op, x.rest, y.rest), x.exact and y.exact)
        return _Linear(0, index)

    # Comparisons

    def cuts(self) -> list[Index]:
        """Where the comparisons that selects and masks depend on change."""
        asked = [s.args[0] for s in self.body if isinstance(s, Op) and s.op == "select"]
        asked += [s.mask for s in self.body if isinstance(s, Load) and s.mask is not None]
        found: list[Index] = []
        while asked:
            match self.makers.get(asked.pop(0)):
                case Op(_, _, "and" | "or" | "not", args):
                    asked += args
                case Op() as op if (border := self.border(op)) is not None:
                    found.append(border[0])
        return found

    def known(self, cut: Index, below: bool) -> dict[str, bool]:
        """The comparisons that are settled before an iteration, or from it on."""
        borders = ((s.name, self.border(s)) for s in self.body if isinstance(s, Op))
        return {
            name: border[1] == below for name, border in borders if border is not None and border[0] == cut
        }

    def border(self, op: Op) -> tuple[Index, bool] | None:
        """The iteration at which a comparison changes, and whether it is true before it."""
        if op.op not in ("lt", "le", "gt", "ge"):
            return None
        x, y = (self.value(arg) for arg in op.args)
        if x is None or y is None or {x.times, y.times} != {0, 1}:
            return None
        name = op.op
        if y.times:
            x, y, name = y, x, MIRRORED[name]
        if not x.exact:
            return None
        if not y.exact:
            if not isinstance(y.rest, str):
                return None
            y = _bounded(y)
        cut = ix.sub(y.rest, x.rest)
        return ix.add(cut, 1) if name in ("le", "gt") else cut, name in ("lt", "le")

    # Places

    def wrapped(self) -> tuple[tuple[Index, Index], tuple[Any, ...]] | None:
        """From which iteration to before which a place is in its range, and the body there; none where no place is wrapped."""
        for statement in self.body:
            match statement:
                case Op(name, dtype, "mod" | "rem" | "mod_by" | "rem_by", (x, n)) if dtype == INT64:
                    size = self.value(n)
                    inside = None if size is None else self._inside(self.value(x), size)
                    if inside is not None:
                        return inside, self._not_wrapped(name, x)
                case Load(_, _, _, index) | Store(_, index) | IndexValue(_, _, index):
                    for part in _clamped(index):
                        last = self.index(part.a.b)
                        inside = None if last is None else self._inside(self.index(part.a.a), last, 1)
                        if inside is not None:
                            return inside, self._with_place(part)
        return None

    def _inside(self, place: _Linear | None, size: _Linear, more: int = 0) -> tuple[Index, Index] | None:
        """The iterations in which a place is from 0 to before a size; none where it is not one that moves with the loop."""
        if place is None or abs(place.times) != 1 or size.times or self.var in ix.names_in(place.rest):
            return None
        start = _bounded(place).rest
        end = size.rest if size.exact else IndexOp("max", IndexOp("min", size.rest, _LARGE // 2), 0)
        end = _plus(end, more)
        if place.times > 0:
            return ix.sub(0, start), ix.sub(end, start)
        return ix.add(ix.sub(start, end), 1), ix.add(start, 1)

    def _not_wrapped(self, name: str, place: str) -> tuple[Any, ...]:
        """The body where a place is in its range: it is itself, and not negative."""
        known = {}
        for s in self.body:
            match s:
                case Op(test, _, "lt" | "ge" as op, (x, zero)) if x in (name, place) and self._is_zero(zero):
                    known[test] = op == "ge"
        return decided(self.body, known, self.consts, same={name: place})

    def _is_zero(self, name: str) -> bool:
        const = self.consts.get(name)
        return const is not None and not np.any(const.value)

    def _with_place(self, clamped: IndexOp) -> tuple[Any, ...]:
        """The body with a place that is not clamped."""
        linear = self.index(clamped.a.a)
        assert linear is not None
        op = "+" if linear.times > 0 else "-"
        place = self.var if linear.rest == 0 and op == "+" else IndexOp(op, linear.rest, self.var)

        def new(index: Index) -> Index:
            if index == clamped:
                return place
            return IndexOp(index.op, new(index.a), new(index.b)) if isinstance(index, IndexOp) else index

        return tuple([replace(s, index=new(s.index)) if hasattr(s, "index") else s for s in self.body])


def _combined(op: str, x: _Linear, y: _Linear) -> _Linear:
    times = x.times + y.times if op == "+" else x.times - y.times
    rest = ix.add(x.rest, y.rest) if op == "+" else ix.sub(x.rest, y.rest)
    return _Linear(times, rest, x.exact and y.exact)


def _plus(index: Index, number: int) -> Index:
    """The sum, where ``last + 1`` is what ``size - 1`` was made from."""
    if isinstance(index, IndexOp) and index.op == "-" and isinstance(index.b, int):
        return ix.sub(index.a, index.b - number)
    return ix.add(index, number)


def _bounded(x: _Linear) -> _Linear:
    """A value that may be any number, clamped so far out that no comparison with an index changes."""
    if x.exact:
        return x
    return _Linear(x.times, IndexOp("max", IndexOp("min", x.rest, _LARGE), -_LARGE))


def _clamped(index: Index) -> list[Any]:
    """The parts ``max(min(place, last), 0)`` of an index."""
    if not isinstance(index, IndexOp):
        return []
    if index.op == "max" and index.b == 0 and isinstance(index.a, IndexOp) and index.a.op == "min":
        return [index]
    return [*_clamped(index.a), *_clamped(index.b)]
