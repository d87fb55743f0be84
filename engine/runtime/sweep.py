"""Sweep: several steps of a stencil in one sweep through memory.

The one idea: row r of a step needs of the step before no more than a few rows around r. So a loop over rows may make row r of
one step, row r - 1 of the next, r - 2 of the one after, and so on, of fields that are larger than a cache: what it reads was
made a moment ago. The same lag lets the kernels of one step share a sweep. How large it must be, and that there is one, is
found from the indices of the loop nests (`weft.engine.runtime.reach`).

For threads the ring of rows is cut into blocks. First every block makes what follows from its own rows, fewer rows with each
step; then, where blocks meet, what is missing, more rows with each step. Both are the same machine code, given other bounds.
Each element is computed once, and as it was.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import lcm, prod
from typing import Any

from weft.engine.runtime.aliases import body_consts, is_alias, root_of
from weft.engine.runtime.inline import Renamed, Where
from weft.engine.runtime.overwrite import overwrite_carry
from weft.engine.runtime.reach import Lags, Touch, Unclear, conflicts, lags, touches
from weft.engine.runtime.roll import LARGEST_STEP, SMALL, Rolled, Step
from weft.ir.graph import Atom, Eqn, Var
from weft.ir.loops.nest import If, Index, IndexValue, Loop, Nest, Op
from weft.ir.ops.flow.scan import scan_p
from weft.ir.ops.kernel import kernel_p
from weft.ir.records import dataclass, replace
from weft.ir.types import BOOL, INT64
from weft.kernels.schedule import Scheduled, schedule_rows
from weft.kernels.schedule import index as ix

__all__ = ["sweep"]

_LEAST_BYTES = 2**14  # of the carry: what is smaller is done with as soon as threads have met
_LEAST_ROW = 35.0  # nanoseconds of a kernel for a row, where all steps could be one kernel instead (measured)
_LINE = 32  # elements of a line that is a row by itself
_ROW = 2048  # elements of a row of several lines
_ROWS = 2**14  # at most
_CACHE = 2**18  # bytes of the rows that a sweep goes to and fro in
_TIMES = 8  # steps of a sweep, at most
_BLOCKS = (4, 32)  # into which the ring is cut, at least where there are many steps in a sweep, and at most
_HEIGHT = 4  # of a block: how many times as high it must be, at least, as what is missing between two
_SHARED = 4_000.0  # nanoseconds of a sweep that threads share, where they are awake: several times what it costs them to meet
_MOST = 100_000_000.0  # nanoseconds of a sweep of several periods; a kernel cannot be interrupted
_FAR = 2**31  # more rows than there are


def sweep(eqn: Eqn, step: Step) -> Scheduled | None:
    """A `scan` as a chain of sweeps; none where its steps are something else than kernels that go from row to row.

    Args:
        eqn: the loop.
        step: its body.
    """
    if eqn.prim is not scan_p or step.branches or len(eqn.outs) != eqn.params["n_carry"]:
        return None
    if len(eqn.ins) != eqn.params["n_consts"] + eqn.params["n_carry"] or eqn.params["length"] < 2:
        return None
    if sum(var.type.nbytes for var in eqn.outs) < _LEAST_BYTES:
        return None
    ring = _Ring.of(step)
    if ring is None:
        return None
    rows: dict[int, Scheduled] = {}
    for i, one in enumerate(step.graph.eqns):
        if is_alias(one):
            continue
        found = schedule_rows(one, ring.lines) if one.prim is kernel_p else None
        if found is None or found.scratch:
            return None
        rows[i] = found
    if step.work < min(_LEAST_ROW * ring.rows * len(rows), LARGEST_STEP):
        return None
    overwrite_carry(eqn, step.graph, rows)
    try:
        return _Sweep(eqn, replace(step, scheduled=rows), ring).finish()
    except Unclear:
        return None


@dataclass(frozen=True, slots=True)
class _Ring:
    """The rows: how many there are, and how many lines of the fields' first axes each has."""

    rows: int
    lines: int

    @classmethod
    def of(cls, step: Step) -> _Ring | None:
        """The rows of a step; none where it has no arrays of several lines."""
        shapes = [_wide(var) for eqn in step.graph.eqns for var in eqn.outs]
        count, size = max(((shape[0], prod(shape)) for shape in shapes if shape), default=(0, 0))
        if not count:
            return None
        line = size // count
        lines = max(1 if line >= _LINE else _ROW // line, -(-count // _ROWS))
        return cls(-(-count // lines), lines)


def _wide(var: Var) -> list[int]:
    """The sizes of an array's axes, those of size 1 aside."""
    return [n for n in var.type.shape if n != 1]


@dataclass(frozen=True, slots=True)
class _Piece:
    """One nest of a sweep: what stands before its loop, the name of its row, what a row takes, how many rows there are."""

    before: tuple[Any, ...]
    row: str
    body: tuple[Any, ...]
    rows: int
    touches: tuple[Touch, ...]


class _Sweep(Rolled):
    """Writes the nest of a sweep. Steps take turns with buffers: `turned` says where a step finds what the one before left."""

    def __init__(self, eqn: Eqn, step: Step, ring: _Ring) -> None:
        self.ring, self.work = ring, step.work
        self.units: dict[str, int] = {}
        super().__init__(eqn, [step])

    def write_scan(self, body: Step) -> None:
        graph, n_consts = body.graph, body_consts(self.eqn)
        carry = graph.ins[n_consts:]
        roots = body.roots(set(carry))
        consts, now = self.places()
        for where, var in zip(now, carry, strict=True):
            self.know(where, var)
        new: list[Where] = []
        for atom, var in zip(graph.outs, carry, strict=True):
            root = root_of(roots, atom)
            if root in carry:
                new.append(now[carry.index(root)])
            elif isinstance(root, Var) and root not in graph.ins:
                new.append(self.new_scratch(var.type.dtype, var.type.size))
                self.know(new[-1], var)
            else:
                raise Unclear
        self.turned = self.turns(now, new)
        places: dict[Atom, Where] = dict(zip(graph.ins, [*consts, *now], strict=True))
        for atom, where in zip(graph.outs, new, strict=True):
            places.setdefault(root_of(roots, atom), where)
        self.pieces = self.written(body, roots, places)

    def turns(self, now: Sequence[Where], new: Sequence[Where]) -> dict[str, str]:
        """By buffer: the one that the next step finds in its place. What is free takes the places that are left."""
        kinds = {buffer.name: buffer.dtype for buffer in self.buffers if buffer.kind != "in"}
        sizes = {name: self.units.get(name) for name in kinds}
        after = {x.buffer: y.buffer for x, y in zip(now, new, strict=True)}
        left = [name for name in kinds if name not in after.values()]
        for name in kinds:
            if name not in after:
                fits = (x for x in left if (kinds[x], sizes[x]) == (kinds[name], sizes[name]))
                after[name] = next(fits, "")
                if not after[name]:
                    raise Unclear
                left.remove(after[name])
        if left:
            raise Unclear
        return after

    def know(self, where: Where, var: Var) -> None:
        """Note how many elements a row of a buffer has."""
        wide = _wide(var)
        if wide:
            self.units[where.buffer] = self.ring.lines * prod(wide[1:])

    def written(self, body: Step, roots: dict[Var, Var], places: dict[Atom, Where]) -> list[_Piece]:
        """The nests of a step."""

        def at(atom: Atom) -> Where:
            base = root_of(roots, atom)
            assert isinstance(base, Var)
            if base not in places:
                places[base] = self.new_scratch(base.type.dtype, base.type.size)
                self.know(places[base], base)
            return places[base]

        return [
            self.piece(one, [at(eqn.ins[k]) for k in one.passed(eqn)] + [at(var) for var in eqn.outs])
            for i, eqn in enumerate(body.graph.eqns)
            if (one := body.scheduled.get(i)) is not None
        ]

    def piece(self, one: Scheduled, operands: Sequence[Where]) -> _Piece:
        """A nest, as a part of the sweep."""
        renamed = Renamed(self, one, operands, SMALL)
        before, loop = renamed.body(one.nest.body[:-1]), one.nest.body[-1]
        row = f"{renamed.prefix}_{loop.var}"
        names = {buffer.name: where.buffer for buffer, where in zip(one.nest.buffers, operands, strict=True)}
        units = {name: self.units[new] for name, new in names.items() if new in self.units}
        found = {touch._replace(buffer=names[touch.buffer]) for touch in touches(one, units, self.ring.rows)}
        if one.extent > self.ring.rows or any(low or high for low, high in conflicts(found, found)):
            raise Unclear  # rows of one kernel must not know of one another
        return _Piece(before, row, renamed.body(loop.body), one.extent, tuple(sorted(found)))

    # The nest

    def finish(self) -> Scheduled:
        cycles = _cycles(self.turned)
        period, length = lcm(*map(len, cycles)), self.eqn.params["length"]
        found = lags([piece.touches for piece in self.pieces], self.turned, period)
        times = self.times(found, period)
        ring, width = self.ring.rows, found.width(times)
        blocks = min(ring // (_HEIGHT * max(width, 1)), _BLOCKS[1])
        blocks -= blocks % 4 if blocks > 4 else 0
        if not blocks:
            raise Unclear
        nest = self.nest(found, [cycle for cycle in cycles if len(cycle) > 1])
        # The last sweep is to leave the carry in the results, so the first one may have to begin on the way.
        first = length % times or times
        chain = self.sweeps(nest, found, blocks, first, -length % period)
        if length > first:
            whole = self.sweeps(nest, found, blocks, times, 0)
            chain += [replace(whole[0], times=(length - first) // times), *whole[1:]]
        if length % period:
            chain.insert(0, self.moved(nest, -length % period))
        following: Scheduled | None = None
        for one in reversed(chain):
            following = replace(one, then=following)
        assert following is not None
        return following

    def times(self, found: Lags, period: int) -> int:
        """How many steps a sweep has: as many as the cache holds rows for, in whole turns of the buffers."""
        nbytes = sum(unit * _itemsize(self, name) for name, unit in self.units.items())
        times = max(_TIMES // period, 1) * period
        while times > period and (
            nbytes * found.width(times) > _CACHE
            or found.width(times) * _HEIGHT * _BLOCKS[0] > self.ring.rows
            or self.work * times > _MOST
        ):
            times -= period
        return times

    def nest(self, found: Lags, groups: Sequence[tuple[str, ...]]) -> Nest:
        """The nest, with ``bounds`` as parameters that `sweeps` gives; the last of them is the number of blocks."""
        self.bounds = [self.param(0) for _ in range(8)]
        rows, further, height, low, high, times, turned, blocks = self.bounds
        block, at, s = self.name("block"), self.name("row"), self.name("s")
        begin = ix.div(ix.mul(ix.add(block, further), rows), blocks)
        end = ix.div(ix.mul(ix.add(ix.add(block, further), 1), rows), blocks)
        low_name, high_name = self.name("low"), self.name("high")
        before: list[Any] = [IndexValue(low_name, INT64, low), IndexValue(high_name, INT64, high)]
        inside: list[Any] = []
        for number, piece in enumerate(self.pieces):
            before += piece.before
            place = ix.sub(at, ix.add(found.after[number], ix.mul(s, found.every_after)))
            inner = ix.sub(place, ix.add(found.before[number], ix.mul(s, found.every_before)))
            tests = [(inner, "ge", low_name), (inner, "lt", high_name)]
            row = ix.add(begin, place)
            over = ix.minimum(ix.maximum(ix.sub(row, ix.sub(rows, 1)), 0), 1)
            row = ix.maximum(ix.sub(row, ix.mul(over, rows)), 0)
            if piece.rows < self.ring.rows:
                tests.append((row, "lt", self.index_name(before, self.param(piece.rows))))
            flag = self.test(inside, tests)
            inside.append(If(flag, (IndexValue(piece.row, INT64, row), *piece.body), ()))
        extent = ix.minimum(height, ix.sub(end, begin))
        by = ix.add(s, turned) if groups else 0
        steps = Loop(s, times, "sequential", tuple(inside), turns=tuple(groups), by=by)
        chunks = Loop(block, blocks, "parallel", (Loop(at, extent, "sequential", (steps,)),))
        return Nest(len(self.params), tuple(self.buffers), (*before, chunks))

    def index_name(self, statements: list[Any], index: Index) -> str:
        """An index as a value, by name."""
        name = self.name("n")
        statements.append(IndexValue(name, INT64, index))
        return name

    def test(self, statements: list[Any], tests: Sequence[tuple[Index, str, str]]) -> str:
        """Whether all comparisons of an index with a value hold, by name."""
        flag = ""
        for index, op, value in tests:
            holds = self.name("v")
            statements.append(Op(holds, BOOL, op, (self.index_name(statements, index), value)))
            if flag:
                both = self.name("v")
                statements.append(Op(both, BOOL, "and", (flag, holds)))
                holds = both
            flag = holds
        return flag

    def sweeps(self, nest: Nest, found: Lags, blocks: int, times: int, turned: int) -> list[Scheduled]:
        """The two kernels of a sweep: inside of blocks, and between them."""
        width, rows = found.width(times), self.ring.rows
        # Threads are woken once for all sweeps. What is between blocks is little, but the rows around it are in their caches.
        work = self.work * (self.eqn.params["length"] if self.work * times >= _SHARED else times)
        given = [(0, _FAR, 0, _FAR), (1, width, -_FAR, 0)]
        result = []
        for further, height, low, high in given if width else given[:1]:
            params = list(self.params)
            values = (rows, further, height, low, high, times, turned, blocks)
            for param, value in zip(self.bounds, values, strict=True):
                params[param.k] = value
            scratch = tuple(self.scratch)
            result.append(
                Scheduled(nest, tuple(params), blocks, scratch, carried=self.carried, work=work, grain=1)
            )
        return result

    def moved(self, nest: Nest, turned: int) -> Scheduled:
        """A kernel that brings the carry from where it is at first to where a sweep finds it that begins on the way."""
        goes: dict[str, str] = {}
        for where in self.outs:
            goes[where] = where
            for _ in range(turned):
                goes[where] = self.turned[goes[where]]
        goes = {source: target for source, target in goes.items() if source != target}
        self.statements = []
        while goes:
            source = next((one for one, target in goes.items() if target not in goes), None)
            if source is None:
                raise Unclear
            out = self.eqn.outs[self.outs.index(source)].type
            self.copy(Where(goes.pop(source)), Where(source), out.dtype, out.size)
        copies = Nest(len(self.params), nest.buffers, tuple(self.statements))
        return Scheduled(copies, tuple(self.params), 1, tuple(self.scratch), carried=self.carried)


def _cycles(turned: Mapping[str, str]) -> list[tuple[str, ...]]:
    """The rings in which buffers go round."""
    found: list[tuple[str, ...]] = []
    for name in turned:
        if not any(name in cycle for cycle in found):
            cycle = [name]
            while turned[cycle[-1]] != name:
                cycle.append(turned[cycle[-1]])
            found.append(tuple(cycle))
    return found


def _itemsize(nest: Rolled, name: str) -> int:
    return next(buffer.dtype.itemsize for buffer in nest.buffers if buffer.name == name)
