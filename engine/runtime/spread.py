"""Spread: a loop over arrays whose rows do not know of one another becomes a loop over blocks of rows, with the steps inside.

The one idea: where each element that a step reads and writes belongs to one *lane* (a row of the carry, say), lanes may run
through all steps one block after the other, and blocks side by side. A block's part of the carry then stays in the cache, or
the system of equations that a row holds, and threads meet once a loop, not once a step. That lanes are apart is proved from
the indices of the loop nest, with the sizes at hand: the lane's number times a stride, plus less than the stride.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from weft.engine.runtime.inline import Where
from weft.engine.runtime.roll import Rolled, Step
from weft.ir.graph import Eqn
from weft.ir.loops.nest import If, Index, IndexOp, IndexValue, Load, Loop, Nest, Param, Store, While
from weft.ir.loops.nest import bodies as nested
from weft.ir.ops.flow.scan import scan_p
from weft.ir.records import dataclass, replace
from weft.kernels.schedule import Scheduled
from weft.kernels.schedule import index as ix
from weft.kernels.schedule.costs import estimate, grain_of

__all__ = ["spread"]

_FEW = 32  # lanes that are not worth it
_LANES = (64, 1024)  # of a block: vectors must be full, and a cache hold them
_CACHE = 2**17  # bytes that the lanes of a block may go through
_LEAST, _MOST = 50_000.0, 100_000_000.0  # nanoseconds; a kernel cannot be interrupted
_BLOCK = "block"  # the variable of the loop over blocks
_UNKNOWN = (-(2**62), 2**62)


class _Dependent(Exception):
    """Lanes know of one another, or we cannot show that they do not."""


def spread(eqn: Eqn, step: Step) -> Scheduled | None:
    """A `scan` as one nest over blocks of lanes; none where its steps are not of many lanes, each by itself."""
    lanes = _lanes(step) if eqn.prim is scan_p else 0
    if lanes < _FEW or step.work * eqn.params["length"] < _LEAST:
        return None
    try:
        return _Spread(eqn, step, lanes).finish()
    except _Dependent:
        return None


def _lanes(step: Step) -> int:
    """The fewest iterations of a loop that stands alone in a nest of a step, small ones aside; 0 without such."""
    found = [
        size
        for one in step.scheduled.values()
        for nest in one.chain()
        for statement in nest.nest.body
        if isinstance(statement, Loop) and (size := _value(statement.extent, nest.params)) >= _FEW
    ]
    return min(found, default=0)


def _value(index: Index, params: Sequence[int]) -> int:
    """An extent's value; 0 if it depends on more than sizes."""
    low, high = _range(index, params, {})
    return low if low == high else 0


class _Spread(Rolled):
    """Writes the nest: what is no lane's, such as the number of the step, each block has for itself."""

    def __init__(self, eqn: Eqn, step: Step, lanes: int) -> None:
        self.lanes = lanes
        self.alone: set[str] = set()  # scratch of which each block has its own
        super().__init__(eqn, [step])

    def is_carried(self, k: int) -> bool:
        return self.of_lanes(self.eqn.outs[k].type.size)

    def of_lanes(self, elements: int) -> bool:
        """Whether so many elements are some of each lane's."""
        return _of_lanes(elements, self.lanes)

    def new_scratch(self, dtype: Any, elements: int) -> Where:
        where = super().new_scratch(dtype, elements)
        if self.of_lanes(elements):
            return where
        self.alone.add(where.buffer)
        return Where(where.buffer, ix.mul(_BLOCK, self.size(max(elements, 1))))

    def places(self) -> tuple[list[Where], list[Where]]:
        consts, now = super().places()
        for k in range(self.n_carry):
            if not self.is_carried(k):
                out = self.eqn.outs[k].type
                now[k] = self.new_scratch(out.dtype, out.size)
        return consts, now

    def write_scan(self, body: Step) -> None:
        super().write_scan(body)
        (steps,) = self.statements
        found = _Apart(self.lanes, self.params, self.buffers, self.alone)
        found.body(steps.body, None, {steps.var: self.eqn.params["length"]})
        width = found.width()
        self.extent = -(-self.lanes // width)
        for k, buffer in enumerate(b.name for b in self.buffers if b.kind == "scratch"):
            if buffer in self.alone:
                self.scratch[k] *= self.extent
        several = self.param(width)
        inside = Loop(steps.var, steps.extent, "sequential", self.narrow(steps.body, several))
        self.statements = []
        own = [(k, where) for k, where in enumerate(self.now) if where.buffer in self.alone]
        for k, where in own:
            out = self.eqn.outs[k].type
            self.copy(where, Where(self.ins[self.first + k]), out.dtype, out.size)
        self.statements.append(inside)
        for k, where in own:
            out = self.eqn.outs[k].type
            self.copy(Where(self.outs[k]), where, out.dtype, out.size)
        self.statements = [Loop(_BLOCK, self.param(self.extent), "parallel", tuple(self.statements))]

    def step(self, body: Step, ins: Sequence[Where], now: Sequence[Where], rows: Sequence[Where]) -> None:
        self.now = now
        super().step(body, ins, now, rows)

    def narrow(self, body: Iterable[Any], width: Param) -> tuple[Any, ...]:
        """Statements with loops over all lanes made loops over those of the block."""
        return tuple([self._narrow(statement, width) for statement in body])

    def _narrow(self, statement: Any, width: Param) -> Any:
        match statement:
            case Loop(var, extent, kind, inner, carries):
                size = _value(extent, self.params)
                if not self.of_lanes(size):
                    return Loop(var, extent, kind, self.narrow(inner, width), carries)
                several = ix.mul(width, self.size(size // self.lanes))
                start = ix.mul(_BLOCK, several)
                here = ix.minimum(several, ix.sub(extent, start))
                moved = tuple([_moved(one, var, ix.add(start, var)) for one in inner])
                return Loop(var, here, kind, moved, carries)
            case While(cond, flag, inner):
                return While(self.narrow(cond, width), flag, self.narrow(inner, width))
            case If(flag, then, other):
                return If(flag, self.narrow(then, width), self.narrow(other, width))
        return statement

    def finish(self) -> Scheduled:
        nest = Nest(len(self.params), tuple(self.buffers), tuple(self.statements))
        nbytes = sum(atom.type.nbytes for atom in (*self.eqn.ins, *self.eqn.outs))
        work = estimate(nest, self.params, nbytes)
        if work > _MOST:
            raise _Dependent
        return Scheduled(
            nest,
            tuple(self.params),
            self.extent,
            tuple(self.scratch),
            carried=self.carried,
            work=work,
            grain=grain_of(self.extent, work),
        )


def _of_lanes(size: int, lanes: int) -> bool:
    """Whether so many elements, or iterations, are some of each lane's."""
    return size >= lanes and size % lanes == 0


def _moved(statement: Any, var: str, index: Index) -> Any:
    """A statement with another index in the place of a loop variable."""

    def new(old: Index) -> Index:
        if old == var:
            return index
        if isinstance(old, IndexOp):
            a, b = new(old.a), new(old.b)
            return old if a is old.a and b is old.b else IndexOp(old.op, a, b)
        return old

    match statement:
        case Load(name, dtype, buffer, at, mask):
            return Load(name, dtype, buffer, new(at), mask)
        case Store(buffer, at, value):
            return Store(buffer, new(at), value)
        case IndexValue(name, dtype, at):
            return IndexValue(name, dtype, new(at))
        case Loop():
            inner = tuple([_moved(one, var, index) for one in statement.body])
            return replace(statement, extent=new(statement.extent), body=inner)
        case While(cond, flag, body):
            parts = [tuple([_moved(one, var, index) for one in part]) for part in (cond, body)]
            return While(parts[0], flag, parts[1])
        case If(flag, then, other):
            parts = [tuple([_moved(one, var, index) for one in part]) for part in (then, other)]
            return If(flag, parts[0], parts[1])
    return statement


@dataclass(frozen=True, slots=True)
class _Lane:
    """A loop over lanes: its variable, and how many of its iterations are a lane's."""

    var: str
    times: int


class _Apart:
    """Shows that no lane touches what another one writes, or raises `_Dependent`.

    Args:
        lanes: how many there are.
        params: values of the nest's parameters.
        buffers: its buffers.
        alone: those of which each block has its own.
    """

    def __init__(self, lanes: int, params: Sequence[int], buffers: Sequence[Any], alone: set[str]) -> None:
        self.lanes, self.params, self.alone = lanes, params, alone
        self.buffers = {buffer.name: buffer for buffer in buffers}
        self.strides: dict[str, int] = {}  # elements of each lane, of buffers that are written
        self.read: dict[str, int] = {}  # the same of inputs

    def width(self) -> int:
        """How many lanes a block has."""
        sizes = {**self.read, **self.strides}
        nbytes = sum(self.buffers[name].dtype.itemsize * stride for name, stride in sizes.items())
        least, most = _LANES
        width = max(min(_CACHE // max(nbytes, 1), most, -(-self.lanes // 8)), least)
        return width // least * least

    def body(self, body: Iterable[Any], lane: _Lane | None, extents: dict[str, int]) -> None:
        """Look at statements, inside of loops with these extents (0 where it is not known)."""
        for one in body:
            match one:
                case Load(_, _, buffer, index) | Store(buffer, index, _):
                    self.access(buffer, index, lane, extents, isinstance(one, Store))
                case Loop(var, extent, _, inner, carries):
                    size = max(_range(extent, self.params, extents)[1], 0)
                    of_lanes = lane is None and _of_lanes(_value(extent, self.params), self.lanes)
                    if of_lanes and carries:
                        raise _Dependent
                    here = _Lane(var, size // self.lanes) if of_lanes else lane
                    self.body(inner, here, {**extents, var: size})
                case _:
                    for inner in nested(one):
                        self.body(inner, lane, extents)

    def access(
        self, buffer: str, index: Index, lane: _Lane | None, extents: dict[str, int], store: bool
    ) -> None:
        """See that an element is the lane's, where anybody writes to the buffer."""
        if buffer in self.alone:
            if store and lane is not None:
                raise _Dependent
            return
        constant = self.buffers[buffer].kind == "in"
        if lane is None:
            # All blocks write the same there, and nobody reads it.
            if not constant and not (store and self.strides.setdefault(buffer, 0) == 0):
                raise _Dependent
            return
        terms = _terms(index)
        factors = [_factor(term, lane.var, self.params) for term in terms]
        stride = sum(factor for factor in factors if factor is not None)
        rest = [term for term, factor in zip(terms, factors, strict=True) if factor is None]
        if constant:
            self.read[buffer] = max(self.read.get(buffer, 0), abs(stride) * lane.times)
            return
        if stride < 1 or any(lane.var in ix.names_in(term) for term in rest):
            raise _Dependent
        row = stride * lane.times * self.lanes
        inside = [term for term in rest if not _is_multiple(term, row, self.params)]
        low, high = (
            map(sum, zip(*[_range(term, self.params, extents) for term in inside], strict=True))
            if inside
            else (0, 0)
        )
        if (
            low < 0
            or high >= stride
            or self.strides.setdefault(buffer, stride * lane.times) != stride * lane.times
        ):
            raise _Dependent


def _terms(index: Index) -> list[Index]:
    """What an index is the sum of."""
    if isinstance(index, IndexOp) and index.op == "+":
        return _terms(index.a) + _terms(index.b)
    return [index]


def _factor(index: Index, var: str, params: Sequence[int]) -> int | None:
    """By what a term multiplies a variable; none if it does something else."""
    if index == var:
        return 1
    if isinstance(index, IndexOp) and index.op == "*":
        for a, b in ((index.a, index.b), (index.b, index.a)):
            by, (low, high) = _factor(a, var, params), _range(b, params, {})
            if by is not None and low == high:
                return by * low
    return None


def _is_multiple(index: Index, of: int, params: Sequence[int]) -> bool:
    """Whether a term is a product with a factor that is a multiple of a number."""
    if isinstance(index, IndexOp) and index.op == "*":
        return any(_is_multiple(part, of, params) for part in (index.a, index.b))
    low, high = _range(index, params, {})
    return low == high and low % of == 0


def _range(index: Index, params: Sequence[int], extents: dict[str, int]) -> tuple[int, int]:
    """The least and the largest value that an index may have."""
    match index:
        case int():
            return index, index
        case Param(k):
            return params[k], params[k]
        case str():
            return (0, max(extents[index] - 1, 0)) if index in extents else _UNKNOWN
        case IndexOp(op, a, b):
            (low, high), (least, most) = _range(a, params, extents), _range(b, params, extents)
            return _OF_OPS[op](low, high, least, most)
    return _UNKNOWN


def _product(low: int, high: int, least: int, most: int) -> tuple[int, int]:
    ends = [low * least, low * most, high * least, high * most]
    return min(ends), max(ends)


def _quotient(low: int, high: int, least: int, most: int) -> tuple[int, int]:
    return (
        (low // most if low >= 0 else low // max(least, 1), high // max(least, 1)) if least > 0 else _UNKNOWN
    )


_OF_OPS = {
    "+": lambda low, high, least, most: (low + least, high + most),
    "-": lambda low, high, least, most: (low - most, high - least),
    "*": _product,
    "//": _quotient,
    "%": lambda low, high, least, most: (0, max(most - 1, 0)),
    "min": lambda low, high, least, most: (min(low, least), min(high, most)),
    "max": lambda low, high, least, most: (max(low, least), max(high, most)),
}
