"""Roll: a loop whose steps are small becomes one kernel, with the loop inside.

The one idea: the loop nests of the body are put one behind the other into a loop of one nest. What the body computes lives
in scratch of the nest, the carry in the buffers of the results; sizes up to `SMALL` become constants, so that LLVM unrolls
what runs over them and keeps it in registers. A step then costs what it computes, and no instruction of the tape. Routines of
libraries are called from within.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from weft.engine.runtime.aliases import body_consts, carry_operands, find_roots, is_alias, root_of
from weft.engine.runtime.inline import Renamed, Where
from weft.engine.runtime.tiles import in_tiles
from weft.ir.graph import Atom, Eqn, Graph, Literal, Var
from weft.ir.loops.nest import (
    Buffer,
    Call,
    Const,
    If,
    Index,
    Load,
    Loop,
    Nest,
    Op,
    Param,
    Store,
    While,
)
from weft.ir.loops.nest import bodies as nested
from weft.ir.ops.contract import dot_general_p
from weft.ir.ops.flow.branch import cond_p
from weft.ir.records import dataclass
from weft.ir.types import ArrayType
from weft.kernels.library.small_products import LONGEST, multiply_small
from weft.kernels.schedule import Scheduled
from weft.kernels.schedule import index as ix
from weft.kernels.schedule.costs import estimate

SMALL = 16
"""Sizes up to this one are constants of the machine code."""

LARGEST_STEP = (
    5_000.0  # nanoseconds: what takes longer is work enough for instructions, and perhaps for threads
)
_MOVE = 0.008  # nanoseconds to copy a byte of a carry; on the tape its address is changed (measured)
_INSTRUCTIONS = 10.0  # nanoseconds of a step on the tape,
_KERNEL, _PRODUCT = 12.0, 150.0  # of a kernel there, and of a small product, which then is BLAS's
_FOREVER = 2**62  # more steps than there will be
_LONGEST_STEP = 1500  # statements of a body, beyond which LLVM takes long


class Body(Protocol):
    """What a block says of a body.

    Attributes:
        graph: the fused graph.
        scheduled: the schedules of its equations.
        inner: the bodies of the branches and loops that have no schedule.
    """

    graph: Graph
    scheduled: dict[int, Scheduled]
    inner: dict[int, tuple[Any, ...]]


def steps_of(bodies: Sequence[Body]) -> list[Step] | None:
    """Bodies of a loop that are all loop nests and branches, and not too long; none if one is not."""
    steps = [step for body in bodies if (step := Step.of(body)) is not None]
    long = any(step.statements > _LONGEST_STEP for step in steps)
    return None if long or len(steps) < len(bodies) else steps


def roll(eqn: Eqn, bodies: Sequence[Step]) -> Scheduled | None:
    """A `scan` or `while_loop` as one loop nest; none where its steps are not small.

    Args:
        eqn: the loop.
        bodies: its body, and the condition of a `while_loop`.
    """
    if any(one.work > LARGEST_STEP for one in bodies):
        return None
    rolled = Rolled(eqn, bodies)
    if rolled.bytes_moved * _MOVE > _INSTRUCTIONS + sum(map(_on_tape, bodies)):
        return None
    if eqn.prim.name == "scan" and not rolled.calls:
        in_tiles(rolled)
    return rolled.finish()


def _on_tape(step: Step) -> float:
    """What it takes to have the kernels of a step called one by one, in nanoseconds."""
    nests = sum(len(list(one.chain())) for one in step.scheduled.values())
    products = sum(eqn.prim is dot_general_p for eqn in step.graph.eqns)
    branches = sum(max(map(_on_tape, ways)) for ways in step.branches.values())
    return nests * _KERNEL + products * _PRODUCT + branches


@dataclass(frozen=True, slots=True)
class Step:
    """A body all of which is loop nests and branches.

    Attributes:
        graph: what it computes.
        scheduled: its nests, and those of products of small matrices, which are BLAS's where they stand alone.
        branches: the branches of each `cond`.
        work: about how long it takes, in nanoseconds.
        statements: how many statements it has.
        calls: whether it calls routines.
    """

    graph: Graph
    scheduled: Mapping[int, Scheduled]
    branches: Mapping[int, tuple[Step, ...]]
    work: float
    statements: int
    calls: bool

    @classmethod
    def of(cls, body: Body) -> Step | None:
        """The step of a body; none where something in it is neither a nest nor a branch."""
        graph = body.graph
        if any(atom.type.size == 0 for eqn in graph.eqns for atom in (*eqn.ins, *eqn.outs)):
            return None
        scheduled, branches = dict(body.scheduled), {}
        work, statements, calls = 0.0, 0, False
        for i, eqn in enumerate(graph.eqns):
            if is_alias(eqn):
                continue
            if eqn.prim is dot_general_p and (product := multiply_small(eqn)) is not None:
                scheduled[i] = product
            if i in scheduled:
                for step in scheduled[i].chain():
                    inside = list(_walk(step.nest.body))
                    if step.times > 1 or any(isinstance(one, Loop) and one.turns for one in inside):
                        return None
                    statements += len(inside)
                    calling = any(isinstance(one, Call) for one in inside)
                    work += step.work if calling else estimate(step.nest, step.params, 0)
                    calls = calls or calling
                continue
            found = [cls.of(inner) for inner in body.inner.get(i, ())] if eqn.prim is cond_p else []
            ways = tuple([way for way in found if way is not None])
            if not ways or len(ways) < len(found):
                return None
            branches[i] = ways
            work += max(way.work for way in ways)
            statements += sum(way.statements for way in ways)
            calls = calls or any(way.calls for way in ways)
        return cls(graph, scheduled, branches, work, statements, calls)

    def roots(self, owned: Collection[Var]) -> dict[Var, Var]:
        """What `find_roots` says of the graph."""
        copied = {i: list(one.starts) for i, one in self.scheduled.items()}
        copied |= {i: self.starts(i) for i in self.branches}
        return find_roots(self.graph, copied, owned)

    def starts(self, number: int) -> list[tuple[int, int]]:
        """Pairs of a result of a `cond` and the operand that each of its branches changes into it where it is."""
        pairs: list[tuple[int, int]] = []
        ways = self.branches[number]
        changed = [(way, way.roots(set(way.graph.ins))) for way in ways]
        for out in range(len(ways[0].graph.outs)):
            bases = {
                way.graph.ins.index(base)
                if (base := root_of(roots, way.graph.outs[out])) in way.graph.ins
                else -1
                for way, roots in changed
            }
            if len(bases) == 1 and (k := bases.pop() + 1) and all(k != other for _, other in pairs):
                pairs.append((out, k))
        return pairs


def _walk(body: Iterable[Any]) -> Iterable[Any]:
    for statement in body:
        yield statement
        for inner in nested(statement):
            yield from _walk(inner)


class Rolled:
    """Writes the nest: parameters, buffers, and statements of the body that is open."""

    def __init__(self, eqn: Eqn, bodies: Sequence[Step]) -> None:
        self.eqn = eqn
        self.calls = any(one.calls for one in bodies)
        self.params: list[int] = []
        self.buffers: list[Buffer] = []
        self.scratch: list[int] = []
        self.statements: list[Any] = []
        self.count = 0
        self.bytes_moved = 0  # bytes of the carry that each step copies
        self.length: int = eqn.params.get("length", _FOREVER)  # of the outermost loop
        self.first, self.n_carry = carry_operands(eqn)
        self.carried = tuple([(k, self.first + k) for k in range(self.n_carry) if self.is_carried(k)])
        gone = {k for _, k in self.carried}
        self.ins = {k: self.buffer(a.type.dtype, "in") for k, a in enumerate(eqn.ins) if k not in gone}
        self.outs = [self.buffer(v.type.dtype, "out") for v in eqn.outs]
        # Scratch stands behind all other buffers, and how much there is shows as the body is written.
        if eqn.prim.name == "scan":
            self.write_scan(bodies[0])
        else:
            self.write_while(*bodies)

    def finish(self) -> Scheduled:
        """The nest, and what to call it with."""
        nest = Nest(len(self.params), tuple(self.buffers), tuple(self.statements))
        scratch = tuple(self.scratch)
        return Scheduled(
            nest, tuple(self.params), self.length, scratch, carried=self.carried, calls=self.calls
        )

    # The pieces of a nest

    def is_carried(self, k: int) -> bool:
        """Whether number ``k`` of the carry lives in the result's buffer, which then starts as a copy of the operand."""
        return True

    def buffer(self, dtype: np.dtype, kind: str) -> str:
        """A new buffer."""
        name = f"b{len(self.buffers)}"
        self.buffers.append(Buffer(name, dtype, kind))
        return name

    def new_scratch(self, dtype: np.dtype, elements: int) -> Where:
        """New scratch for so many elements."""
        self.scratch.append(max(elements, 1))
        return Where(self.buffer(dtype, "scratch"))

    def size(self, value: int, largest: int = SMALL) -> Index:
        """A size as an index: a constant if it is small."""
        return value if 0 <= value <= largest else self.param(value)

    def param(self, value: int) -> Param:
        """A new parameter."""
        self.params.append(value)
        return Param(len(self.params) - 1)

    def name(self, stem: str) -> str:
        """A new name."""
        self.count += 1
        return f"{stem}{self.count}"

    def copy_rows(self, target: Where, source: Where, type_: ArrayType) -> None:
        """Copy a small array in a loop over its rows, which may be in registers."""
        length = type_.shape[-1] if type_.ndim > 1 else 0
        if not 1 < length < type_.size or length > SMALL or type_.size > SMALL**2:
            self.copy(target, source, type_.dtype, type_.size)
            return
        outside, self.statements = self.statements, []
        row = self.name("i")
        begin = ix.mul(row, length)
        self.copy(
            Where(target.buffer, ix.add(target.offset, begin)),
            Where(source.buffer, ix.add(source.offset, begin)),
            type_.dtype,
            length,
        )
        body, self.statements = tuple(self.statements), outside
        self.statements.append(Loop(row, self.size(type_.size // length), "sequential", body))

    def copy(self, target: Where, source: Where, dtype: np.dtype, elements: int) -> None:
        """Copy elements in a loop."""
        value = self.name("v")
        if elements == 1:
            self.statements += [
                Load(value, dtype, source.buffer, source.offset),
                Store(target.buffer, target.offset, value),
            ]
        elif elements:
            i = self.name("i")
            body = (
                Load(value, dtype, source.buffer, ix.add(source.offset, i)),
                Store(target.buffer, ix.add(target.offset, i), value),
            )
            self.statements.append(Loop(i, self.size(elements), "vector", body))

    def fill(self, target: Where, literal: Literal) -> None:
        """Write a literal."""
        value = np.ascontiguousarray(literal.value, literal.type.dtype)
        for i, element in enumerate(value.reshape(-1)):
            name = self.name("c")
            self.statements += [
                Const(name, value.dtype, element.tobytes()),
                Store(target.buffer, ix.add(target.offset, i), name),
            ]

    def put(self, target: Where, atom: Atom, source: Where | None) -> None:
        """Let ``target`` hold a value that is a literal or lies elsewhere."""
        if isinstance(atom, Literal):
            self.fill(target, atom)
        elif source is not None and source != target:
            self.copy(target, source, atom.type.dtype, atom.type.size)

    # Loops

    def places(self) -> tuple[list[Where], list[Where]]:
        """Where the constants and the carry are."""
        n_consts = body_consts(self.eqn)
        consts = [Where(self.ins[k]) for k in range(self.first - n_consts, self.first)]
        return consts, [Where(self.outs[k]) for k in range(self.n_carry)]

    def write_scan(self, body: Step) -> None:
        """The nest of a `scan`."""
        graph = body.graph
        consts, now = self.places()
        length, t = self.eqn.params["length"], self.name("t")
        steps = self.param(length)
        at: Index = ix.sub(ix.sub(steps, 1), t) if self.eqn.params["reverse"] else t
        at = 0 if length == 1 else at

        def row(buffer: str, atom: Atom) -> Where:
            return Where(buffer, ix.mul(at, self.size(atom.type.size)))

        xs = [
            row(self.ins[self.first + self.n_carry + k], var)
            for k, var in enumerate(graph.ins[len(consts) + self.n_carry :])
        ]
        ys = [
            row(buffer, atom)
            for buffer, atom in zip(self.outs[self.n_carry :], graph.outs[self.n_carry :], strict=True)
        ]
        outside, self.statements = self.statements, []
        self.step(body, [*consts, *now, *xs], now, ys)
        written, self.statements = self.statements, outside
        self.statements.append(Loop(t, steps, "steps", tuple(written)))

    def write_while(self, body: Step, test: Step) -> None:
        """The nest of a `while_loop`."""
        flag = self.new_scratch(np.dtype(bool), 1)  # the first of all: the tape looks at it
        consts, now = self.places()
        of_test = [Where(self.ins[k]) for k in range(self.eqn.params["n_cond"])]
        outside, self.statements = self.statements, []
        self.block(test, [*of_test, *now], [(test.graph.outs[0], flag)], set())
        go_on = self.name("v")
        self.statements.append(Load(go_on, np.dtype(bool), flag.buffer, 0))
        cond, self.statements = self.statements, []
        self.step(body, [*consts, *now], now, [])
        written, self.statements = self.statements, outside
        self.statements.append(While(tuple(cond), go_on, tuple(written)))

    def step(
        self,
        body: Step,
        ins: Sequence[Where],
        now: Sequence[Where],
        rows: Sequence[Where],
    ) -> None:
        """One step: the body, then the new carry takes the old one's place."""
        n_consts, graph = body_consts(self.eqn), body.graph
        carry = graph.ins[n_consts : n_consts + self.n_carry]
        roots = body.roots(set(carry))
        new: list[tuple[Atom, Where]] = []
        moves: list[tuple[Where, Where, Var]] = []
        for k, atom in enumerate(graph.outs[: self.n_carry]):
            if root_of(roots, atom) is not carry[k]:
                place = self.new_scratch(atom.type.dtype, atom.type.size)
                new.append((atom, place))
                moves.append((now[k], place, carry[k]))
                self.bytes_moved += atom.type.nbytes
        self.block(body, ins, [*new, *zip(graph.outs[self.n_carry :], rows, strict=True)], set(carry))
        for target, source, var in moves:
            self.copy_rows(target, source, var.type)

    def block(
        self,
        step: Step,
        ins: Sequence[Where],
        outs: Iterable[tuple[Atom, Where]],
        owned: set[Var],
    ) -> None:
        """The nests of a graph, and copies of what of its results exists already."""
        roots = step.roots(owned)
        places = dict(zip(step.graph.ins, ins, strict=True))
        later: list[tuple[Where, Atom]] = []
        for atom, target in outs:
            if isinstance(atom, Literal) or places.setdefault(roots.get(atom, atom), target) != target:
                later.append((target, atom))

        def at(var: Var) -> Where:
            base = roots.get(var, var)
            if base not in places:
                places[base] = self.new_scratch(base.type.dtype, base.type.size)
            return places[base]

        for i, eqn in enumerate(step.graph.eqns):
            if is_alias(eqn):
                continue
            one = step.scheduled.get(i)
            starts = step.starts(i) if one is None else one.starts
            for out, k in starts:
                source = eqn.ins[k]
                self.put(at(eqn.outs[out]), source, at(source) if isinstance(source, Var) else None)
            results = [at(var) for var in eqn.outs]
            if one is None:
                operands = [at(a) for a in eqn.ins if isinstance(a, Var)]
                for out, k in starts:
                    operands[k] = results[out]
                self.branches(eqn, step.branches[i], operands, results, starts)
                continue
            operands = [at(eqn.ins[k]) for k in one.passed(eqn)]  # type: ignore[arg-type]
            operands += results
            operands += [self.new_scratch(dtype, elements) for dtype, elements in one.scratch_buffers]
            largest = LONGEST if eqn.prim is dot_general_p else SMALL
            for nest in one.chain():
                self.statements += Renamed(self, nest, operands, largest).body(nest.nest.body)
        for target, atom in later:
            self.put(target, atom, at(atom) if isinstance(atom, Var) else None)

    def branches(
        self,
        eqn: Eqn,
        ways: Sequence[Step],
        operands: Sequence[Where],
        results: Sequence[Where],
        starts: Sequence[tuple[int, int]],
    ) -> None:
        """A `cond`; its index is the first of the operands."""

        def write(number: int) -> None:
            graph = ways[number].graph
            owned = {graph.ins[k - 1] for _, k in starts}
            self.block(ways[number], operands[1:], zip(graph.outs, results, strict=True), owned)

        self.choose(operands[0], eqn.ins[0].type.dtype, 0, len(ways), write)

    def choose(
        self, index: Where, dtype: np.dtype, low: int, high: int, write: Callable[[int], None]
    ) -> None:
        """Of the branches from ``low`` to below ``high`` write the one that the index names: each test leaves half."""
        half = (low + high + 1) // 2
        if high - low == 1:
            write(low)
            return
        if half > np.iinfo(dtype).max:
            self.choose(index, dtype, low, half, write)
            return
        value, bound, flag = self.name("v"), self.name("c"), self.name("v")
        self.statements += [
            Load(value, dtype, index.buffer, index.offset),
            Const(bound, dtype, np.asarray(half, dtype).tobytes()),
            Op(flag, np.dtype(bool), "ge", (value, bound)),
        ]
        around, sides = self.statements, []
        for bounds in ((half, high), (low, half)):
            self.statements = []
            self.choose(index, dtype, *bounds, write)
            sides.append(tuple(self.statements))
        self.statements = [*around, If(flag, sides[0], sides[1])]
