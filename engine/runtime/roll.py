"""Roll: a loop whose steps are small becomes one kernel, with the loop inside.

The one idea: the loop nests of the body are put one behind the other into a loop of one nest. What the body computes lives
in scratch of the nest, the carry in the buffers of the results; sizes up to `SMALL` become constants, so that LLVM unrolls
what runs over them and keeps it in registers. A step then costs what it computes: no instruction of the tape, no call.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from weft.engine.runtime.aliases import body_consts, carry_operands, find_roots, is_alias, root_of
from weft.ir.graph import Atom, Eqn, Graph, Literal, Var
from weft.ir.loops.nest import (
    Accumulate,
    Accumulator,
    Buffer,
    Call,
    Const,
    Index,
    IndexOp,
    IndexValue,
    Load,
    Loop,
    Nest,
    Op,
    Param,
    ParamValue,
    Store,
    While,
)
from weft.ir.loops.nest import bodies as nested
from weft.ir.ops.contract import dot_general_p
from weft.ir.records import dataclass, replace
from weft.kernels.library.small_products import multiply_small
from weft.kernels.schedule import Scheduled
from weft.kernels.schedule import index as ix
from weft.kernels.schedule.costs import estimate

SMALL = 16
"""Sizes up to this one are constants of the machine code."""

_LARGEST_STEP = (
    5_000.0  # nanoseconds: what takes longer is work enough for instructions, and perhaps for threads
)
_FOREVER = 2**62  # more steps than there will be
_LONGEST_STEP = 1500  # statements of a body, beyond which LLVM takes long

Bodies = Sequence[tuple[Graph, Mapping[int, Scheduled]]]


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a value begins."""

    buffer: str
    offset: Index = 0


def roll(eqn: Eqn, bodies: Bodies) -> Scheduled | None:
    """A `scan` or `while_loop` as one loop nest; none where its steps are not small, or are not loop nests.

    Args:
        eqn: the loop.
        bodies: the fused graph of its body, and that of the condition of a `while_loop`, each with the schedules of its
            equations.
    """
    whole = [(graph, _with_products(graph, scheduled)) for graph, scheduled in bodies]
    return _Rolled(eqn, whole).finish() if all(_is_small(*body) for body in whole) else None


def _with_products(graph: Graph, scheduled: Mapping[int, Scheduled]) -> Mapping[int, Scheduled]:
    """The schedules of a body, with those of products of small matrices, which are BLAS's where they stand alone."""
    products = {i: multiply_small(eqn) for i, eqn in enumerate(graph.eqns) if eqn.prim is dot_general_p}
    return {**scheduled, **{i: one for i, one in products.items() if one is not None}}


def _is_small(graph: Graph, scheduled: Mapping[int, Scheduled]) -> bool:
    work = 0.0
    statements = 0
    if any(atom.type.size == 0 for eqn in graph.eqns for atom in (*eqn.ins, *eqn.outs)):
        return False
    for i, eqn in enumerate(graph.eqns):
        if is_alias(eqn):
            continue
        if i not in scheduled:
            return False
        for step in _steps(scheduled[i]):
            if any(isinstance(one, Call) for one in _walk(step.nest.body)):
                return False
            statements += sum(1 for _ in _walk(step.nest.body))
            work += estimate(step.nest, step.params, 0)
    return work <= _LARGEST_STEP and statements <= _LONGEST_STEP


def _steps(one: Scheduled | None) -> Iterable[Scheduled]:
    while one is not None:
        yield one
        one = one.then


def _walk(body: Iterable[Any]) -> Iterable[Any]:
    for statement in body:
        yield statement
        for inner in nested(statement):
            yield from _walk(inner)


class _Rolled:
    """Writes the nest: parameters, buffers, and statements of the body that is open."""

    def __init__(self, eqn: Eqn, bodies: Bodies) -> None:
        self.eqn = eqn
        self.params: list[int] = []
        self.buffers: list[Buffer] = []
        self.scratch: list[int] = []
        self.statements: list[Any] = []
        self.count = 0
        self.first, self.n_carry = carry_operands(eqn)
        self.carried = tuple([(k, self.first + k) for k in range(self.n_carry)])
        gone = {k for _, k in self.carried}
        self.ins = {k: self.buffer(a.type.dtype, "in") for k, a in enumerate(eqn.ins) if k not in gone}
        self.outs = [self.buffer(v.type.dtype, "out") for v in eqn.outs]
        # Scratch stands behind all other buffers, and how much there is shows as the body is written.
        if eqn.prim.name == "scan":
            self.write_scan(*bodies[0])
        else:
            self.write_while(bodies)

    def finish(self) -> Scheduled:
        nest = Nest(len(self.params), tuple(self.buffers), tuple(self.statements))
        length = self.eqn.params.get("length", _FOREVER)
        return Scheduled(nest, tuple(self.params), length, tuple(self.scratch), carried=self.carried)

    # The pieces of a nest

    def buffer(self, dtype: np.dtype, kind: str) -> str:
        name = f"b{len(self.buffers)}"
        self.buffers.append(Buffer(name, dtype, kind))
        return name

    def new_scratch(self, dtype: np.dtype, elements: int) -> _Place:
        self.scratch.append(max(elements, 1))
        return _Place(self.buffer(dtype, "scratch"))

    def size(self, value: int) -> Index:
        """A size as an index: a constant if it is small."""
        return value if 0 <= value <= SMALL else self.param(value)

    def param(self, value: int) -> Param:
        self.params.append(value)
        return Param(len(self.params) - 1)

    def name(self, stem: str) -> str:
        self.count += 1
        return f"{stem}{self.count}"

    def copy(self, target: _Place, source: _Place, dtype: np.dtype, elements: int) -> None:
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

    def fill(self, target: _Place, literal: Literal) -> None:
        """Write a literal."""
        value = np.ascontiguousarray(literal.value, literal.type.dtype)
        for i, element in enumerate(value.reshape(-1)):
            name = self.name("c")
            self.statements += [
                Const(name, value.dtype, element.tobytes()),
                Store(target.buffer, ix.add(target.offset, i), name),
            ]

    def put(self, target: _Place, atom: Atom, source: _Place | None) -> None:
        """Let ``target`` hold a value that is a literal or lies elsewhere."""
        if isinstance(atom, Literal):
            self.fill(target, atom)
        elif source is not None and source != target:
            self.copy(target, source, atom.type.dtype, atom.type.size)

    # Loops

    def places(self) -> tuple[list[_Place], list[_Place]]:
        """Where the constants and the carry are."""
        n_consts = body_consts(self.eqn)
        consts = [_Place(self.ins[k]) for k in range(self.first - n_consts, self.first)]
        return consts, [_Place(self.outs[k]) for k in range(self.n_carry)]

    def write_scan(self, graph: Graph, scheduled: Mapping[int, Scheduled]) -> None:
        consts, now = self.places()
        length, t = self.eqn.params["length"], self.name("t")
        steps = self.param(length)
        at: Index = ix.sub(ix.sub(steps, 1), t) if self.eqn.params["reverse"] else t

        def row(buffer: str, atom: Atom) -> _Place:
            return _Place(buffer, ix.mul(at, self.size(atom.type.size)))

        xs = [
            row(self.ins[self.first + self.n_carry + k], var)
            for k, var in enumerate(graph.ins[len(consts) + self.n_carry :])
        ]
        ys = [
            row(buffer, atom)
            for buffer, atom in zip(self.outs[self.n_carry :], graph.outs[self.n_carry :], strict=True)
        ]
        outside, self.statements = self.statements, []
        self.step(graph, scheduled, [*consts, *now, *xs], now, ys)
        body, self.statements = self.statements, outside
        self.statements.append(Loop(t, steps, "steps", tuple(body)))

    def write_while(self, bodies: Bodies) -> None:
        (graph, scheduled), (test, tests) = bodies
        flag = self.new_scratch(np.dtype(bool), 1)  # the first of all: the tape looks at it
        consts, now = self.places()
        of_test = [_Place(self.ins[k]) for k in range(self.eqn.params["n_cond"])]
        outside, self.statements = self.statements, []
        self.block(test, tests, [*of_test, *now], [(test.outs[0], flag)], set())
        go_on = self.name("v")
        self.statements.append(Load(go_on, np.dtype(bool), flag.buffer, 0))
        cond, self.statements = self.statements, []
        self.step(graph, scheduled, [*consts, *now], now, [])
        body, self.statements = self.statements, outside
        self.statements.append(While(tuple(cond), go_on, tuple(body)))

    def step(
        self,
        graph: Graph,
        scheduled: Mapping[int, Scheduled],
        ins: Sequence[_Place],
        now: Sequence[_Place],
        rows: Sequence[_Place],
    ) -> None:
        """One step: the body, then the new carry takes the old one's place."""
        n_consts = body_consts(self.eqn)
        carry = graph.ins[n_consts : n_consts + self.n_carry]
        roots = find_roots(graph, _copied(scheduled), set(carry))
        new: list[tuple[Atom, _Place]] = []
        moves: list[tuple[_Place, _Place, Var]] = []
        for k, atom in enumerate(graph.outs[: self.n_carry]):
            if root_of(roots, atom) is not carry[k]:
                place = self.new_scratch(atom.type.dtype, atom.type.size)
                new.append((atom, place))
                moves.append((now[k], place, carry[k]))
        self.block(
            graph, scheduled, ins, [*new, *zip(graph.outs[self.n_carry :], rows, strict=True)], set(carry)
        )
        for target, source, var in moves:
            self.copy(target, source, var.type.dtype, var.type.size)

    def block(
        self,
        graph: Graph,
        scheduled: Mapping[int, Scheduled],
        ins: Sequence[_Place],
        outs: Iterable[tuple[Atom, _Place]],
        owned: set[Var],
    ) -> None:
        """The nests of a graph, and copies of what of its results exists already."""
        roots = find_roots(graph, _copied(scheduled), owned)
        places = dict(zip(graph.ins, ins, strict=True))
        later: list[tuple[_Place, Atom]] = []
        for atom, target in outs:
            if isinstance(atom, Literal) or places.setdefault(roots.get(atom, atom), target) != target:
                later.append((target, atom))

        def at(var: Var) -> _Place:
            base = roots.get(var, var)
            if base not in places:
                places[base] = self.new_scratch(base.type.dtype, base.type.size)
            return places[base]

        for i, eqn in enumerate(graph.eqns):
            if is_alias(eqn):
                continue
            one = scheduled[i]
            for out, k in one.starts:
                source = eqn.ins[k]
                self.put(at(eqn.outs[out]), source, at(source) if isinstance(source, Var) else None)
            gone = {*(k for _, k in one.starts), *one.overwritten}
            operands = [at(a) for k, a in enumerate(eqn.ins) if k not in gone and isinstance(a, Var)]
            operands += [at(var) for var in eqn.outs]
            kinds = [b.dtype for b in one.nest.buffers if b.kind == "scratch"]
            operands += [self.new_scratch(d, n) for d, n in zip(kinds, one.scratch, strict=True)]
            for step in _steps(one):
                self.statements += _Renamed(self, step, operands).body(step.nest.body)
        for target, atom in later:
            self.put(target, atom, at(atom) if isinstance(atom, Var) else None)


class _Renamed:
    """The statements of one nest as a part of another: its names, parameters and buffers are those of the other."""

    def __init__(self, rolled: _Rolled, one: Scheduled, operands: Sequence[_Place]) -> None:
        self.rolled = rolled
        self.values = one.params
        self.places = dict(zip((b.name for b in one.nest.buffers), operands, strict=True))
        self.prefix = rolled.name("k")
        self.params: dict[int, Index] = {}
        self.scalars: dict[int, int] = {}

    def body(self, body: Iterable[Any]) -> tuple[Any, ...]:
        return tuple([self.statement(statement) for statement in body])

    def name(self, name: str) -> str:
        return f"{self.prefix}_{name}"

    def index(self, index: Index) -> Index:
        match index:
            case str():
                return self.name(index)
            case Param(k):
                if k not in self.params:
                    self.params[k] = self.rolled.size(self.values[k])
                return self.params[k]
            case IndexOp(op, a, b):
                return _ARITHMETIC[op](self.index(a), self.index(b))
        return index

    def access(self, buffer: str, index: Index) -> tuple[str, Index]:
        place = self.places[buffer]
        return place.buffer, ix.add(self.index(index), place.offset)

    def statement(self, statement: Any) -> Any:
        match statement:
            case Const(name):
                return replace(statement, name=self.name(name))
            case ParamValue(name, dtype, k):
                words = 2 if dtype == np.complex128 else 1
                if k not in self.scalars:
                    self.scalars[k] = len(self.rolled.params)
                    self.rolled.params.extend(self.values[k : k + words])
                return ParamValue(self.name(name), dtype, self.scalars[k])
            case IndexValue(name, dtype, index):
                return IndexValue(self.name(name), dtype, self.index(index))
            case Load(name, dtype, buffer, index, mask):
                place = self.access(buffer, index)
                return Load(self.name(name), dtype, *place, None if mask is None else self.name(mask))
            case Store(buffer, index, value):
                return Store(*self.access(buffer, index), self.name(value))
            case Op(name, dtype, op, args, params):
                return Op(self.name(name), dtype, op, tuple(map(self.name, args)), params)
            case Accumulate(acc, value):
                return Accumulate(self.name(acc), self.name(value))
            case While(cond, flag, body):
                return While(self.body(cond), self.name(flag), self.body(body))
            case Loop(var, extent, kind, body, carries):
                accs = tuple(
                    [Accumulator(self.name(a.name), a.dtype, a.op, self.name(a.init)) for a in carries]
                )
                kind = "sequential" if kind in ("parallel", "steps") else kind
                return Loop(self.name(var), self.index(extent), kind, self.body(body), accs)
        raise TypeError(f"{type(statement).__name__} cannot be put into a loop")


_ARITHMETIC = {
    "+": ix.add,
    "-": ix.sub,
    "*": ix.mul,
    "//": ix.div,
    "%": ix.mod,
    "min": ix.minimum,
    "max": ix.maximum,
}


def _copied(scheduled: Mapping[int, Scheduled]) -> dict[int, list[tuple[int, int]]]:
    return {i: list(one.starts) for i, one in scheduled.items()}
