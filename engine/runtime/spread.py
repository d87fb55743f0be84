"""Spread: a loop over arrays whose rows do not know of one another becomes a loop over blocks of rows, with the steps inside.

The one idea: where each element that a step reads and writes belongs to one *lane* (a row of the carry, say), lanes may run
through all steps one block after the other, and blocks side by side. A block's part of the carry then stays in the cache, or
the system of equations that a row holds, and threads meet once a loop, not once a step. That lanes are apart is proved from
the indices of the loop nest, with the sizes at hand: the lane's number times a stride, plus less than the stride.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from math import prod
from typing import Any

from weft.engine.runtime.inline import Where
from weft.engine.runtime.merge import merged, without_unread
from weft.engine.runtime.roll import Rolled, Step
from weft.engine.runtime.stage import LEAST, LONGEST, Stage, buffers_in, copied, moved, padded
from weft.ir.graph import Eqn
from weft.ir.loops.arithmetic import evaluate_index
from weft.ir.loops.nest import If, Index, IndexOp, Load, Loop, Nest, Param, Store, While
from weft.ir.loops.nest import bodies as nested
from weft.ir.ops.flow.scan import scan_p
from weft.ir.records import dataclass
from weft.kernels.schedule import Scheduled
from weft.kernels.schedule import index as ix
from weft.kernels.schedule.costs import estimate, grain_of

__all__ = ["lanes_of", "spread"]

_FEW = 32  # lanes that are not worth it
_LANES = (64, 1024)  # of a block: vectors must be full, and a cache hold them
_LEAST_STAGED = 16  # lanes of a block whose rows are put aside
_TEAM = 16  # threads that have such a place of their own
_CACHE = 2**18  # bytes that the lanes of a block may go through
_LEAST, _MOST = 20_000.0, 100_000_000.0  # nanoseconds; a kernel cannot be interrupted
_BLOCK = "block"  # the variable of the loop over blocks, or over groups of them
_PART = "part"  # of that over the blocks of a group
_UNKNOWN = (-(2**62), 2**62)

_Range = tuple[int, int]  # the least and the largest


class _Dependent(Exception):
    """Lanes know of one another, or we cannot show that they do not."""


def spread(eqn: Eqn, step: Step, lanes: int = 0) -> Scheduled | None:
    """A `scan` as one nest over blocks of lanes; none where its steps are not of many lanes, each by itself.

    Args:
        eqn: the loop.
        step: its body.
        lanes: how many there are; 0 if that is to be found out.
    """
    lanes = lanes or lanes_of(eqn, step)
    if lanes < _FEW or step.calls or step.work * eqn.params["length"] < _LEAST:
        return None
    try:
        return _Spread(eqn, step, lanes).finish()
    except _Dependent:
        return None


def lanes_of(eqn: Eqn, step: Step) -> int:
    """The fewest iterations of a loop that stands alone in a nest of a step, small ones aside; 0 without such."""
    if eqn.prim is not scan_p:
        return 0
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
        self.lane: Index = _BLOCK  # the number of the block
        self.stages: dict[str, Stage] = {}
        self.stacks: set[str] = set()  # those among them in which the lanes of a step lie side by side
        self.common: dict[int, Param] = {}
        self.lane_loops: set[str] = set()  # their variables
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
        strides = self.staged(found)
        stacks = {name: strides[name] for name in self.stacks}
        width = found.width(_LANES[0] if strides == stacks else _LEAST_STAGED, stacks)
        blocks = -(-self.lanes // width)
        group = -(-blocks // _TEAM) if strides else 1
        self.extent = -(-blocks // group)
        for k, buffer in enumerate(b.name for b in self.buffers if b.kind == "scratch"):
            if buffer in self.alone:
                self.scratch[k] *= self.extent
        several, self.all_lanes = self.param(width), self.param(self.lanes)
        self.lane = _BLOCK if group == 1 else ix.add(ix.mul(_BLOCK, self.param(group)), _PART)
        self.stages = {name: self.stage(name, stride, width) for name, stride in strides.items()}
        scratch = {buffer.name for buffer in self.buffers if buffer.kind == "scratch"}
        written = without_unread(self.narrow(steps.body, several), scratch - self.alone)
        # LLVM cannot see that an element is the lane's: a buffer that takes turns with itself says so.
        apart = [(stage.buffer,) for stage in self.stages.values()][:1] if self.only_lanes(written) else []
        inside = Loop(steps.var, steps.extent, "sequential", written, turns=tuple(apart))
        self.statements = []
        own = [(k, where) for k, where in enumerate(self.now) if where.buffer in self.alone]
        for k, where in own:
            out = self.eqn.outs[k].type
            self.copy(where, Where(self.ins[self.first + k]), out.dtype, out.size)
        self.put_aside(strides, several, back=False)
        self.statements.append(inside)
        self.put_aside(strides, several, back=True)
        for k, where in own:
            out = self.eqn.outs[k].type
            self.copy(Where(self.outs[k]), where, out.dtype, out.size)
        if group > 1:
            here = ix.minimum(
                self.param(group), ix.sub(self.param(blocks), ix.mul(_BLOCK, self.param(group)))
            )
            self.statements = [Loop(_PART, here, "sequential", tuple(self.statements))]
        self.statements = [Loop(_BLOCK, self.param(self.extent), "parallel", tuple(self.statements))]

    def only_lanes(self, body: Iterable[Any]) -> bool:
        """Whether all innermost loops are over lanes, which do not know of one another."""
        for one in body:
            inner = [statement for part in nested(one) for statement in part]
            is_innermost = isinstance(one, Loop) and not any(nested(statement) for statement in inner)
            if is_innermost and (one.var not in self.lane_loops or one.carries):
                return False
            if not self.only_lanes(inner):
                return False
        return True

    def staged(self, found: _Apart) -> dict[str, int]:
        """The buffers of which a lane's elements are put aside, and how many those are."""
        if found.nbytes({}) > LONGEST:
            return {}
        sizes = {name: self.eqn.ins[k].type.size for k, name in self.ins.items()}
        sizes |= {name: var.type.size for name, var in zip(self.outs, self.eqn.outs, strict=True)}
        scratch = [buffer.name for buffer in self.buffers if buffer.kind == "scratch"]
        sizes |= {n: size for n, size in zip(scratch, self.scratch, strict=True) if n not in self.alone}
        strides: dict[str, int] = {}
        for name, (stride, accesses) in found.rows.items():
            copies = (name in self.starting) + (name not in scratch)
            whole = sizes.get(name) == stride * self.lanes and found.flat.get(name, stride) == stride
            if whole and stride >= LEAST and 2 * accesses >= copies * stride:
                strides[name] = stride
        for names, times in found.turned:  # a loop over whole rows goes the way of what is put aside there
            if names & strides.keys():
                strides |= {n: times for n in names - found.mixed if sizes.get(n) == times * self.lanes}
        stacks = {n: length for n, length in found.stacks.items() if sizes.get(n) == length * self.lanes}
        nbytes = found.nbytes(stacks)
        if nbytes <= (LONGEST if strides else _CACHE // _LANES[0]):
            self.stacks = set(stacks)
            strides |= stacks
        for k, name in enumerate(scratch):
            if name in strides:
                self.scratch[k] = 1
        return strides

    @property
    def starting(self) -> set[str]:
        """The results that have contents when the loop begins."""
        return {self.outs[k] for k, _ in self.carried}

    def stage(self, name: str, stride: int, width: int) -> Stage:
        """Scratch for the rows of a buffer."""
        size = stride * padded(width)
        dtype = next(buffer.dtype for buffer in self.buffers if buffer.name == name)
        where = Rolled.new_scratch(self, dtype, self.extent * size)
        return Stage(where.buffer, ix.mul(_BLOCK, self.shared(size)), self.shared(padded(width)))

    def shared(self, value: int) -> Param:
        """A parameter of all stages that want this value: the less LLVM must tell apart, the sooner it is done."""
        if value not in self.common:
            self.common[value] = self.param(value)
        return self.common[value]

    def put_aside(self, strides: dict[str, int], width: Param, back: bool) -> None:
        """Put rows aside, or back what was written."""
        dtypes = {buffer.name: buffer.dtype for buffer in self.buffers}
        first = ix.mul(self.lane, width)
        count = ix.minimum(width, ix.sub(self.all_lanes, first))
        for name, stride in strides.items():
            if name in (self.outs if back else {*self.ins.values(), *self.starting}):
                rows, length = (first, count), self.shared(stride)
                self.statements.append(
                    copied(self.name, self.stages[name], name, dtypes[name], rows, length, back)
                )

    def step(self, body: Step, ins: Sequence[Where], now: Sequence[Where], rows: Sequence[Where]) -> None:
        self.now = now
        super().step(body, ins, now, rows)

    def narrow(self, body: Iterable[Any], width: Param) -> tuple[Any, ...]:
        """Statements with loops over all lanes made loops over those of the block."""
        return merged([self._narrow(statement, width) for statement in body], self.lane_loops)

    def _narrow(self, statement: Any, width: Param) -> Any:
        match statement:
            case Loop(var, extent, kind, inner, carries):
                size = _value(extent, self.params)
                if not self.of_lanes(size):
                    return Loop(var, extent, kind, self.narrow(inner, width), carries)
                times = size // self.lanes
                several = ix.mul(width, self.size(times))
                if times > 1 and any(buffer in self.stages for buffer in buffers_in(inner)):
                    return self.turned(statement, times, width)
                start = ix.mul(self.lane, several)
                if times == 1:
                    self.lane_loops.add(var)
                    extent = self.all_lanes
                here = ix.minimum(several, ix.sub(extent, start))

                def place(buffer: str, index: Index) -> Index:
                    rest = _rest(index, var, self.params)
                    return rest if buffer not in self.stacks else _over(rest, self.lanes, self.params)

                at = ix.add(start, var)
                body = tuple([moved(one, var, at, self.stages, place) for one in inner])
                if self.stages and not any(nested(one) for one in inner):  # rows are vectors now
                    kind = "vector"
                return Loop(var, here, kind, body, carries)
            case While(cond, flag, inner):
                return While(self.narrow(cond, width), flag, self.narrow(inner, width))
            case If(flag, then, other):
                return If(flag, self.narrow(then, width), self.narrow(other, width))
        return statement

    def turned(self, loop: Loop, times: int, width: Param) -> Loop:
        """A loop over whole rows as one over their elements, and in it one over lanes."""
        start, element = ix.mul(self.lane, width), self.name("i")
        self.lane_loops.add(loop.var)
        here = ix.minimum(width, ix.sub(self.all_lanes, start))
        length = self.shared(times)
        at = ix.add(ix.mul(ix.add(start, loop.var), length), element)
        body = tuple([moved(one, loop.var, at, self.stages, lambda *_: element) for one in loop.body])
        return Loop(element, length, "sequential", (Loop(loop.var, here, "vector", body),))

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
        self.rows: dict[
            str, tuple[int, int]
        ] = {}  # where a lane is a row: how long, and how often it is accessed
        self.stacks: dict[
            str, int
        ] = {}  # scratch in which the lanes of a step lie side by side: how many steps
        self.mixed: set[str] = set()  # where it is not, or loops inside go through it
        self.flat: dict[str, int] = {}  # where a loop goes through whole rows: their length
        self.turned: list[tuple[set[str], int]] = []  # such loops: what they go through, and the length

    def nbytes(self, stacks: Mapping[str, int]) -> int:
        """How many bytes a lane goes through, with all steps of some stacks."""
        sizes = {**self.read, **self.strides, **stacks}
        return sum(self.buffers[name].dtype.itemsize * stride for name, stride in sizes.items())

    def width(self, least: int, stacks: Mapping[str, int]) -> int:
        """How many lanes a block has."""
        most = min(_CACHE // max(self.nbytes(stacks), 1), _LANES[1], -(-self.lanes // 8))
        return max(most, least) // least * least

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
                    if of_lanes and size > self.lanes:
                        self.turned.append((buffers_in(inner), size // self.lanes))
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
        self.note_row(buffer, index, lane, extents)
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

    def note_row(self, buffer: str, index: Index, lane: _Lane | None, extents: dict[str, int]) -> None:
        """See whether an access is to an element of the lane's row, in a loop over nothing but lanes."""
        if lane is not None and next(reversed(extents)) == lane.var:
            if index == lane.var and lane.times > 1:
                if self.flat.setdefault(buffer, lane.times) == lane.times:
                    return
            elif lane.times == 1 and buffer not in self.mixed:
                factors = [_factor(term, lane.var, self.params) for term in _terms(index)]
                stride = sum(factor for factor in factors if factor is not None)
                rest = _rest(index, lane.var, self.params)
                step = _over(rest, self.lanes, self.params) if stride == 1 else None
                if step is not None and self.buffers[buffer].kind == "scratch" and buffer not in self.rows:
                    low, high = _range(step, self.params, extents)
                    if low >= 0 and high < 2**62 and lane.var not in ix.names_in(step):
                        self.stacks[buffer] = max(self.stacks.get(buffer, 0), high + 1)
                        return
                low, high = _range(rest, self.params, extents)
                before, count = self.rows.get(buffer, (stride, 0))
                times = prod(size for var, size in extents.items() if var != lane.var)
                apart = lane.var not in ix.names_in(rest) and buffer not in self.stacks
                if apart and 0 <= low and high < stride == before:
                    self.rows[buffer] = stride, count + times
                    return
        self.mixed.add(buffer)
        self.rows.pop(buffer, None)
        self.stacks.pop(buffer, None)


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


def _rest(index: Index, var: str, params: Sequence[int]) -> Index:
    """An index without the terms that are multiples of a variable."""
    rest: Index = 0
    for term in _terms(index):
        if _factor(term, var, params) is None:
            rest = ix.add(rest, term)
    return rest


def _over(index: Index, by: int, params: Sequence[int]) -> Any:
    """An index divided by a number; none if it is not plain that each of its terms is a multiple of that."""
    if isinstance(index, IndexOp) and index.op in ("+", "*"):
        a, b = _over(index.a, by, params), _over(index.b, by, params)
        if index.op == "+":
            return None if a is None or b is None else ix.add(a, b)
        if a is not None:
            return ix.mul(a, index.b)
        return None if b is None else ix.mul(index.a, b)
    if isinstance(index, int):
        return index // by if index % by == 0 else None
    return 1 if isinstance(index, Param) and params[index.k] == by else None


def _is_multiple(index: Index, of: int, params: Sequence[int]) -> bool:
    """Whether a term is a product with a factor that is a multiple of a number."""
    if isinstance(index, IndexOp) and index.op == "*":
        return any(_is_multiple(part, of, params) for part in (index.a, index.b))
    low, high = _range(index, params, {})
    return low == high and low % of == 0


def _range(index: Index, params: Sequence[int], extents: dict[str, int]) -> _Range:
    """The least and the largest value that an index may have."""

    def leaf(index: Index) -> _Range:
        match index:
            case int():
                return index, index
            case Param(k):
                return params[k], params[k]
        return (0, max(extents[index] - 1, 0)) if index in extents else _UNKNOWN

    return evaluate_index(index, leaf, _ON_RANGES)


def _product(x: _Range, y: _Range) -> _Range:
    ends = [a * b for a in x for b in y]
    return min(ends), max(ends)


def _quotient(x: _Range, y: _Range) -> _Range:
    (low, high), (least, most) = x, y
    if least <= 0:
        return _UNKNOWN
    return low // (most if low >= 0 else least), high // (least if high >= 0 else most)


_ON_RANGES: Mapping[str, Callable[[_Range, _Range], _Range]] = {
    "+": lambda x, y: (x[0] + y[0], x[1] + y[1]),
    "-": lambda x, y: (x[0] - y[1], x[1] - y[0]),
    "*": _product,
    "//": _quotient,
    "%": lambda x, y: (0, max(y[1] - 1, 0)),
    "min": lambda x, y: (min(x[0], y[0]), min(x[1], y[1])),
    "max": lambda x, y: (max(x[0], y[0]), max(x[1], y[1])),
}
