"""Lanes: short loops in the steps of a recurrence whose iterations are the lanes of vectors, written so and not left to LLVM.

The one idea: the rows of a small matrix that goes from step to step stay in registers, a row a register, where every loop that
stores into the matrix stores rows; a product is then a few multiplications of rows by numbers. LLVM makes vectors of loops that
it does not write out, and so only of what goes through memory. Lanes are apart, so each has the bits it has by itself; long
sums are made in two or four parts, by their length and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from weft.ir.loops.nest import (
    Accumulate,
    Const,
    Index,
    IndexOp,
    Load,
    Loop,
    Nest,
    Op,
    ParamValue,
    Store,
    bodies,
)
from weft.ir.records import dataclass
from weft.kernels.calls import VECTOR_WIDTHS
from weft.kernels.cpu.index import Offset, combine, constant_offset
from weft.kernels.cpu.metadata import Metadata
from weft.kernels.cpu.short import factor, is_vector
from weft.kernels.register import Register, Writer
from weft.kernels.scalar import Scalar, memory_kind
from weft.kernels.scalar_ops import SHARED_FUNCTIONS, apply

FEWEST, MOST = 3, 32
"""Iterations of a loop that may become lanes."""
LONG = 8
"""Terms of a sum that is summed in parts: a chain of so many additions is longer than adding up the parts takes."""
_FEW = 16
"""Iterations of a loop with calls for which lanes are better than what LLVM makes of it."""
_WORTH = 64  # multiplications from which on it is worth it to read single numbers of what is stored in rows

_WRITTEN_OUT = 16  # vectors of a matrix that LLVM may keep in registers from step to step

_PLAIN = ("add", "sub", "mul", "div", "neg", "abs", "sqrt", "max", "min")
_FULL = {np.dtype(np.float64): 8, np.dtype(np.float32): 16}  # lanes of the longest vectors that there are


class Emitter(Protocol):
    """What writes the nest around."""

    writer: Writer
    metadata: Metadata
    values: dict[str, Scalar]
    variables: dict[str, Offset]
    offsets: dict[IndexOp, Offset]

    def body(self, body: tuple[Any, ...]) -> None:
        """Write statements."""

    def address(self, buffer: str, index: Index) -> tuple[str, str]:
        """A pointer to an element, and the metadata of accesses to it."""


# Which loops


def lane_loops(nest: Nest) -> dict[int, np.dtype]:
    """The loops of a nest that become lanes, by `id`, with the dtype of all in them.

    Those are small products in steps, extrema over rows, and functions of a few values, and what goes along with them.
    """
    steps = nest.chunked
    if not isinstance(steps, Loop) or steps.kind != "steps":
        return {}
    body = steps.body
    dtypes = {buffer.name: buffer.dtype for buffer in nest.buffers}
    chosen = {id(loop): loop for loop in _loops(body) if _fits(loop, dtypes)}
    if not any(_is_core(loop) for loop in chosen.values()):
        return {}
    inputs = {buffer.name for buffer in nest.buffers if buffer.kind == "in"}
    accesses = [one for one in _accesses(body) if one.buffer not in inputs]
    while dropped := _strangers(accesses, chosen):
        for number in dropped:
            del chosen[number]
    if not any(_is_core(loop) for loop in chosen.values()):
        return {}
    return {number: dtypes[_stored(loop)] for number, loop in chosen.items()}


@dataclass(frozen=True, slots=True)
class _Access:
    """A load or store, in the innermost loop that moves it from place to place by one, or in none."""

    buffer: str
    index: Index
    is_store: bool
    loop: Loop | None
    inside: tuple[Loop, ...]  # all loops around


def _loops(body: Sequence[Any]) -> Iterator[Loop]:
    for statement in body:
        if isinstance(statement, Loop):
            yield statement
        for inner in bodies(statement):
            yield from _loops(inner)


def _accesses(body: Sequence[Any], around: tuple[Loop, ...] = ()) -> Iterator[_Access]:
    for statement in body:
        if isinstance(statement, Load | Store):
            along = [loop for loop in around if factor(statement.index, loop.var) == 1]
            is_store = isinstance(statement, Store)
            yield _Access(statement.buffer, statement.index, is_store, along[-1] if along else None, around)
        inside = (*around, statement) if isinstance(statement, Loop) else around
        for inner in bodies(statement):
            yield from _accesses(inner, inside)


def _strangers(accesses: Sequence[_Access], chosen: dict[int, Loop]) -> set[int]:
    """Loops among the chosen that read rows which something else writes, or in other rows.

    A vector cannot be loaded before what was stored into it piece by piece is in the cache; the other way round is no matter.
    """
    rows: dict[str, set[int]] = {}  # by buffer: how long rows are
    users: dict[str, set[int]] = {}
    odd: set[str] = set()
    written: set[str] = set()
    numbers: set[tuple[str, int]] = set()  # buffers, and what reads single numbers of them
    worth = 0 if any(_calls(loop) for loop in chosen.values()) else _WORTH
    for one in accesses:
        by = next((id(loop) for loop in one.inside if id(loop) in chosen), None)
        if by is not None and one.loop is chosen[by]:
            extent = chosen[by].extent
            assert isinstance(extent, int)
            rows.setdefault(one.buffer, set()).add(extent)
            if one.is_store:
                written.add(one.buffer)
            else:
                users.setdefault(one.buffer, set()).add(by)
            if not _is_multiple(one.index, one.loop.var, extent):
                odd.add(one.buffer)
        elif one.is_store:
            if not _stores_vectors(one):
                odd.add(one.buffer)
        elif by is not None and 0 < _work(chosen[by]) < worth:
            numbers.add((one.buffer, by))
    mixed = {buffer for buffer, lengths in rows.items() if len(lengths) > 1}
    late = {by for buffer, by in numbers if buffer in written}
    return late.union(*(users.get(buffer, set()) for buffer in odd | mixed))


def _stores_vectors(access: _Access) -> bool:
    """Whether LLVM stores full vectors here, which are as good."""
    loop = access.loop
    return loop is not None and isinstance(loop.extent, int) and loop.extent % 8 == 0 and is_vector(loop, 1)


def _is_core(loop: Loop) -> bool:
    """Whether a loop is a product, a step of an extremum, or calls functions for a few: what the others go along with."""
    assert isinstance(loop.extent, int)
    return (loop.extent <= _FEW and _calls(loop)) or any(
        isinstance(one, Loop) or (isinstance(one, Op) and one.op in ("max", "min")) for one in loop.body
    )


def _calls(loop: Loop) -> bool:
    """Whether a loop calls functions, so that its operands are in vectors anyway."""
    return any(isinstance(one, Op) and one.op in SHARED_FUNCTIONS for one in loop.body)


def _work(loop: Loop) -> int:
    """The terms of all sums of a product."""
    assert isinstance(loop.extent, int)
    return loop.extent * sum(one.extent for one in loop.body if isinstance(one, Loop))  # type: ignore[misc]


def _is_multiple(index: Index, var: str, length: int) -> bool:
    """Whether rows of a length, along a variable, begin at multiples of it."""
    if isinstance(index, IndexOp) and index.op == "+":
        return _is_multiple(index.a, var, length) and _is_multiple(index.b, var, length)
    if isinstance(index, IndexOp) and index.op == "*":
        return any(isinstance(part, int) and part % length == 0 for part in (index.a, index.b))
    return index == var or (isinstance(index, int) and index % length == 0)


def _fits(loop: Loop, buffers: Mapping[str, np.dtype]) -> bool:
    """Whether a loop can be lanes: floats of one kind, side by side or the same for all, and no lane reads another's."""
    n = loop.extent
    if not isinstance(n, int) or not (2 if _calls(loop) else FEWEST) <= n <= MOST or loop.carries:
        return False
    dtypes = {one.dtype for one in _inside(loop) if isinstance(one, Load | Op | Const | ParamValue)}
    dtypes |= {buffers[one.buffer] for one in loop.body if isinstance(one, Store)}
    if len(dtypes) != 1 or not dtypes <= _FULL.keys():
        return False
    (dtype,) = dtypes
    stored = {one.buffer: one.index for one in loop.body if isinstance(one, Store)}
    stores = sum(isinstance(one, Store) for one in loop.body)
    if stores != len(stored) or not stored:
        return False
    for one in _inside(loop):
        match one:
            case Load(_, _, buffer, index, mask):
                if mask is not None or factor(index, loop.var) not in (0, 1):
                    return False
                if stored.get(buffer, index) != index:
                    return False
            case Store(_, index, _):
                if factor(index, loop.var) != 1:
                    return False
            case Op(op=op):
                if op not in _PLAIN and op not in SHARED_FUNCTIONS:
                    return False
            case Loop(_, extent, _, body, carries):
                plain = all(isinstance(s, Load | Op | Const | Accumulate) for s in body)
                if not isinstance(extent, int) or not 1 <= extent <= MOST or not plain:
                    return False
                if any(acc.op != "add" or acc.dtype != dtype for acc in carries):
                    return False
            case Accumulate() | Const() | ParamValue():
                pass
            case _:
                return False
    return True


def _stored(loop: Loop) -> str:
    """A buffer that a loop stores into."""
    return next(one.buffer for one in loop.body if isinstance(one, Store))


def _inside(loop: Loop) -> Iterator[Any]:
    """The statements of a loop, and of the sums in it."""
    for one in loop.body:
        yield one
        if isinstance(one, Loop):
            yield from one.body


def _pieces(n: int, dtype: np.dtype) -> list[int]:
    """The widths of the vectors that ``n`` lanes are."""
    full = _FULL[dtype]
    return [full] * (n // full) + ([n % full] if n % full else [])


# Writing them


class Lanes:
    """Writes one loop: each value that differs between iterations is a list of registers, one a vector."""

    def __init__(self, emitter: Emitter, loop: Loop, dtype: np.dtype) -> None:
        assert isinstance(loop.extent, int)
        self.emitter, self.loop, self.dtype = emitter, loop, dtype
        self.widths = _pieces(loop.extent, self.dtype)
        self.writers = [emitter.writer.of_lanes(width) for width in self.widths]
        self.firsts = [sum(self.widths[:k]) for k in range(len(self.widths))]
        self.vectors: dict[str, list[Register]] = {}
        self.parts: dict[str, list[list[Register]]] = {}  # of the sums that are being written

    def write(self) -> None:
        """Append the loop."""
        outside = self.emitter.offsets
        self._body(self.loop.body)
        self.emitter.offsets = outside

    def _body(self, body: Sequence[Any]) -> None:
        for statement in body:
            match statement:
                case Load(name, _, buffer, index) if factor(index, self.loop.var) == 1:
                    self.vectors[name] = [
                        writer.emit(memory_kind(self.dtype), f"load {kind}, ptr {at}, align {align}{scope}")
                        for writer, kind, align, at, scope in self._places(buffer, index)
                    ]
                case Store(buffer, index, value):
                    parts = self._vector(value)
                    places = self._places(buffer, index)
                    for part, (writer, kind, align, at, scope) in zip(parts, places, strict=True):
                        writer.do(f"store {kind} {part.ref}, ptr {at}, align {align}{scope}")
                case Op(name, dtype, op, args, params) if any(arg in self.vectors for arg in args):
                    operands = zip(*map(self._vector, args), strict=True)
                    self.vectors[name] = [self._applied(op, dtype, parts, dict(params)) for parts in operands]
                case Loop():
                    self._sums(statement)
                case _:
                    self.emitter.body((statement,))

    def _places(self, buffer: str, index: Index) -> Iterator[tuple[Writer, str, int, str, str]]:
        """Of each vector: its writer, type and alignment, its address, and the metadata of accesses."""
        emitter = self.emitter
        known = emitter.offsets
        for first, writer in zip(self.firsts, self.writers, strict=True):
            emitter.variables[self.loop.var] = constant_offset(first)
            emitter.offsets = dict(known)
            at, scope = emitter.address(buffer, index)
            yield writer, writer.type(memory_kind(self.dtype)), self.dtype.itemsize, at, scope
        emitter.offsets = known

    def _applied(
        self, op: str, dtype: np.dtype, parts: Sequence[Register], params: Mapping[str, Any]
    ) -> Register:
        """One operation on vectors; of a function for longer vectors only, with ones in the lanes behind."""
        lanes = parts[0].writer.lanes
        wide = _called_width(lanes, dtype) if lanes > 1 and op in SHARED_FUNCTIONS else lanes
        if wide > lanes:
            parts = [part.widened(wide) for part in parts]
        operands = [Scalar(dtype, (part,)) for part in parts]
        result = apply(parts[0].writer, op, operands, dtype, **params).reg
        return result.narrowed(lanes) if wide > lanes else result

    def _vector(self, name: str) -> list[Register]:
        """A value in all lanes."""
        found = self.vectors.get(name)
        if found is None:
            value = self.emitter.values[name].reg
            found = self.vectors[name] = [writer.splat(value) for writer in self.writers]
        return found

    def _sums(self, loop: Loop) -> None:
        """Sums, in parts if they are long; written out where the vectors that are added up may all be in registers."""
        n, emitter = loop.extent, self.emitter
        assert isinstance(n, int)
        chains = 1 if n < LONG else max(4 // len(self.widths), 1)
        zero = [writer.const(memory_kind(self.dtype), -0.0) for writer in self.writers]  # changes no sum
        self.parts = {acc.name: [zero] * chains for acc in loop.carries}
        whole = n - n % chains if n * len(self.widths) > _WRITTEN_OUT else 0
        if whole:
            self._repeat(loop, whole, chains)
        for k in range(whole, n):
            self._term(loop, constant_offset(k), k % chains)
        for acc in loop.carries:
            sums = self.parts[acc.name]
            while len(sums) > 1:
                sums = [_added(*pair) for pair in zip(sums[::2], sums[1::2], strict=True)]
            begin = [writer.splat(emitter.values[acc.init].reg) for writer in self.writers]
            self.vectors[acc.name] = _added(begin, sums[0])

    def _repeat(self, loop: Loop, stop: int, chains: int) -> None:
        """The terms of sums below ``stop`` in a loop, one of each part in an iteration."""
        emitter, writer = self.emitter, self.emitter.writer
        before, head, done = writer.block, writer.label("head"), writer.label("done")
        writer.br(head)
        writer.place(head)
        variable = writer.phi("i64", [(Register(writer, "i64", "0"), before)])
        phis = {
            name: [[one.writer.phi(one.kind, [(one, before)]) for one in part] for part in parts]
            for name, parts in self.parts.items()
        }
        self.parts = {name: list(parts) for name, parts in phis.items()}
        at = Offset(variable.ref, True)
        for chain in range(chains):
            self._term(loop, combine(writer, "+", at, constant_offset(chain)), chain)
        following = writer.emit("i64", f"add nuw nsw i64 {variable.ref}, {chains}")
        writer.add_incoming(variable, following, head)
        for name, parts in phis.items():
            for part, new in zip(parts, self.parts[name], strict=True):
                for node, value in zip(part, new, strict=True):
                    writer.add_incoming(node, value, head)
        again = writer.emit("i1", f"icmp ult i64 {following.ref}, {stop}")
        how = emitter.metadata.loop(emitter.metadata.plain)
        writer.do(f"br i1 {again.ref}, label %{head}, label %{done}{how}")
        writer.place(done)

    def _term(self, loop: Loop, at: Offset, chain: int) -> None:
        """One term of each sum, added to one of its parts."""
        emitter, known = self.emitter, self.emitter.offsets
        emitter.variables[loop.var] = at
        emitter.offsets = dict(known)
        for statement in loop.body:
            if isinstance(statement, Accumulate):
                parts = self.parts[statement.acc] = list(self.parts[statement.acc])
                parts[chain] = _added(parts[chain], self._vector(statement.value))
            else:
                self._body((statement,))
                # A name stands for another value in each iteration.
                if getattr(statement, "name", "") in emitter.values:
                    self.vectors.pop(statement.name, None)
        emitter.offsets = known


def _called_width(lanes: int, dtype: np.dtype) -> int:
    """The lanes of the shortest vectors for which there are functions, and which hold so many."""
    return next(width for width in VECTOR_WIDTHS[memory_kind(dtype)] if width >= lanes)


def _added(a: Sequence[Register], b: Sequence[Register]) -> list[Register]:
    return [x + y for x, y in zip(a, b, strict=True)]
