"""Loop nests to LLVM IR text: a nest is ``void kernel(ptr dims, ptr buffers, i64 begin, i64 end)``.

The one idea: say what is true and leave the rest to LLVM. Buffers do not overlap (alias scopes), inputs do
not change (invariant loads), offsets do not overflow (nsw), sums may be re-associated (fast-math flags on
accumulators alone): by that LLVM vectorises plain scalar loops without checks at run time.

Long float sums are summed in blocks: each block has a partial sum of its own, so that rounding errors grow
with the number of blocks plus the length of a block (divided by the vector's lanes), not with the length of
the sum. Block borders depend on the extent only, so results are the same at each call and for each number
of threads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from weft.ir.loops.nest import (
    Accumulate,
    Call,
    Const,
    If,
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
    bodies,
)
from weft.kernels.cpu.accumulators import Updates, may_block
from weft.kernels.cpu.calls import most_words, write_call, write_copy
from weft.kernels.cpu.extrema import from_key, to_key, with_keys
from weft.kernels.cpu.heads import first_of_vectors, loops_of_sweeps
from weft.kernels.cpu.host import APART, BESIDE
from weft.kernels.cpu.index import (
    Offset,
    combine,
    constant_offset,
    divisions,
    natural_params,
    stride_params,
    strided_row,
)
from weft.kernels.cpu.lanes import Lanes, lane_loops
from weft.kernels.cpu.metadata import Metadata
from weft.kernels.cpu.neighbours import waits_for_neighbours
from weft.kernels.cpu.short import is_at_places, is_vector, reads_own
from weft.kernels.cpu.split import split
from weft.kernels.cpu.squares import transposed_copy
from weft.kernels.cpu.unswitch import unswitch
from weft.kernels.register import Module, Register, Writer
from weft.kernels.scalar import (
    Scalar,
    add_incoming,
    constant,
    is_complex,
    is_float,
    load,
    memory_kind,
    phi,
    store,
)
from weft.kernels.scalar_ops import apply
from weft.kernels.schedule.index import names_in

INT64 = np.dtype(np.int64)
# What a call says of where its share of the outermost loop begins and ends.
CHUNK = ("%begin", "%end")
# Elements of a partial sum. A block ends with adding up the lanes of its vector, which is small beside 4096.
BLOCK = 4096
# Vectors that a loop takes side by side. Of two LLVM makes narrower ones out of what is left over at a loop's end, which in
# short rows is much.
AT_ONCE = 2
_TILE = 64  # iterations of a loop that is so short that one vector goes beside no other


def emit_nest(nest: Nest, name: str) -> str:
    """The module of one kernel; see `emit_module`."""
    return emit_module([(nest, name)])


def emit_module(nests: Iterable[tuple[Nest, str]]) -> str:
    """Write kernels as one LLVM module.

    Args:
        nests: nests that verify, each with the name of its function.

    Returns:
        The module as text, for `weft.kernels.cpu.compile.compile_module`.
    """
    module = Module()
    metadata = Metadata()
    for nest, name in nests:
        _Emitter(unswitch(split(nest, CHUNK)), module, metadata).define(name)
    return f"{module.text()}{metadata.text()}"


class _Emitter:
    """Writes one nest: what each name stands for at the point where it writes."""

    def __init__(self, nest: Nest, module: Module, metadata: Metadata) -> None:
        self.nest = nest
        self.writer = Writer(module)
        self.writer.in_steps = _in_steps(nest)
        self.metadata = metadata
        self.updates = Updates(nest)
        self.lanes = lane_loops(nest)
        self.heads = loops_of_sweeps(nest)
        self.inputs = {buffer.name for buffer in nest.buffers if buffer.kind == "in"}
        self.values: dict[str, Scalar] = {}
        self.variables: dict[str, Offset] = {name: Offset(name, True) for name in CHUNK}
        # What was computed in this loop body or around it, kept if it cannot change.
        self.offsets: dict[IndexOp, Offset] = {}
        self.folds: dict[str, str] = {}
        self.keys: set[str] = set()  # accumulators that are keys in the loop that is open
        self.copies = 1  # of the body that is open, were the short loops around it written out
        self.words = ""
        self.apart: int | None = None  # the group of accesses, where buffers take turns
        self.reads_own = False  # whether it reads what it has written so far,
        self.has_own = reads_own(nest)  # or ever
        self.params: list[Offset] = []
        self.strides: dict[int, Offset] = {}
        # By buffer: its address, element type, metadata of accesses.
        self.pointers: dict[str, tuple[str, str, str]] = {}
        self.visit: dict[type, Callable[[Any], None]] = {
            Const: self.const,
            ParamValue: self.param_value,
            IndexValue: self.index_value,
            Load: self.load,
            Store: self.store,
            Op: self.op,
            Accumulate: self.accumulate,
            Call: self.call,
            Loop: self.loop,
            While: self.repeat,
            If: self.branch,
        }

    def define(self, name: str) -> None:
        self.entry()
        self.body(self.nest.body)
        self.writer.do("ret void")
        # alignstack: a vector that is put on the stack, on a border of cache lines, costs a third of a loop's speed.
        self.writer.define(
            name,
            f"define void @{name}(ptr noalias readonly %dims, "
            f"ptr noalias readonly %buffers, i64 %begin, i64 %end) nounwind alignstack(64)"
            # Steps that follow one another wait for memory: a gather asks for more of it at once.
            + ("" if self.reads_own else f" {APART}")
            + (f" {BESIDE}" if waits_for_neighbours(self.nest.body) else ""),
        )

    def entry(self) -> None:
        """Load the parameters and the addresses of the buffers."""
        natural = natural_params(self.nest)
        for k in range(self.nest.n_params):
            self.params.append(Offset(self.constant_load("i64", "%dims", k), k in natural))
        # LLVM must not see that a stride is any number: it would make vectors for the case that it is 1, and no others.
        for k in sorted(stride_params(self.nest)):
            self.strides[k] = combine(self.writer, "min", self.params[k], constant_offset(2**62))
        # What calls hand over by address.
        if words := most_words(self.nest.body):
            self.words = self.writer.emit("ptr", f"alloca [{words} x i64], align 16").ref
        written = [b.name for b in self.nest.buffers if b.kind != "in"]
        owners = {name: k for k, name in enumerate(written)}
        for group in _turns(self.nest.body):
            owners.update(dict.fromkeys(group, owners[group[0]]))
        scopes = self.metadata.buffer_scopes([owners.get(b.name) for b in self.nest.buffers])
        for k, (buffer, scope) in enumerate(zip(self.nest.buffers, scopes, strict=True)):
            kind = memory_kind(buffer.dtype)
            element = f"{{ {kind}, {kind} }}" if is_complex(buffer.dtype) else kind
            self.pointers[buffer.name] = (self.constant_load("ptr", "%buffers", k), element, scope)

    def constant_load(self, kind: str, table: str, k: int) -> str:
        """Load entry ``k`` of a table that does not change while the kernel runs."""
        at = self.writer.emit("ptr", f"getelementptr inbounds i64, ptr {table}, i64 {k}").ref
        return self.writer.emit(kind, f"load {kind}, ptr {at}, align 8{self.metadata.invariant}").ref

    def body(self, body: tuple[Any, ...]) -> None:
        visit = self.visit
        for statement in body:
            visit[type(statement)](statement)

    def const(self, statement: Const) -> None:
        self.values[statement.name] = constant(self.writer, statement.dtype, statement.value)

    def param_value(self, statement: ParamValue) -> None:
        at = self.writer.emit("ptr", f"getelementptr inbounds i64, ptr %dims, i64 {statement.k}").ref
        self.values[statement.name] = load(self.writer, statement.dtype, at, self.metadata.invariant)

    def index_value(self, statement: IndexValue) -> None:
        offset = self.offset(statement.index)
        if statement.dtype == INT64:
            self.variables[statement.name] = offset
        value = Scalar(INT64, (Register(self.writer, "i64", offset.ref),))
        self.values[statement.name] = apply(self.writer, "cast", [value], statement.dtype)

    def load(self, statement: Load) -> None:
        at, scope = self.address(statement.buffer, statement.index)
        self.reads_own = self.reads_own or statement.buffer not in self.inputs
        if statement.mask is None:
            value = load(self.writer, statement.dtype, at, scope)
        else:
            value = self.masked_load(statement.dtype, at, scope, self.values[statement.mask].reg)
        self.values[statement.name] = value

    def masked_load(self, dtype: np.dtype, at: str, scope: str, mask: Register) -> Scalar:
        """A branch around the load, of which LLVM's vectoriser makes a load with a mask."""
        writer = self.writer
        before, inside, after = writer.block, writer.label("read"), writer.label("after")
        writer.cond_br(mask, inside, after)
        writer.place(inside)
        value = load(writer, dtype, at, scope)
        end = writer.block
        writer.br(after)
        writer.place(after)
        return phi(writer, dtype, [(value, end), (constant(writer, dtype, 0), before)])

    def store(self, statement: Store) -> None:
        at, scope = self.address(statement.buffer, statement.index)
        value = self.values[statement.value]
        store(self.writer, value, value.dtype, at, scope)

    def op(self, statement: Op) -> None:
        args = [self.values[arg] for arg in statement.args]
        self.values[statement.name] = apply(
            self.writer, statement.op, args, statement.dtype, **dict(statement.params)
        )

    def accumulate(self, statement: Accumulate) -> None:
        fold, acc, value = self.folds[statement.acc], self.values[statement.acc], self.values[statement.value]
        if statement.acc in self.keys:
            value = to_key(fold, value)
        self.values[statement.acc] = _fold(self.writer, fold, acc, value)

    def call(self, statement: Call) -> None:
        write_call(self, statement)

    def address(self, buffer: str, index: Index) -> tuple[str, str]:
        """A pointer to an element, and the metadata of accesses to its buffer."""
        base, element, scope = self.pointers[buffer]
        if (parts := strided_row(index)) is not None:
            row, place = (self.offset(part) for part in parts)
            # LLVM must not see a place become negative by a row's begin: it would not load what lies between the places.
            if row.low and row.high and not row.natural and place.natural and place.low and place.high:
                begin = self.writer.emit("ptr", f"getelementptr nusw {element}, ptr {base}, i64 {row.ref}")
                at = f"getelementptr nusw nuw {element}, ptr {begin.ref}, i64 {place.ref}"
                return self.writer.emit("ptr", at).ref, scope
        at = self.offset(index).ref
        return self.writer.emit("ptr", f"getelementptr inbounds {element}, ptr {base}, i64 {at}").ref, scope

    def offset(self, index: Index) -> Offset:
        if type(index) is IndexOp:
            known = self.offsets.get(index)
            if known is None:
                a, b = (self.offset(part) for part in (index.a, index.b))
                if index.op == "*" and type(index.b) is Param:
                    b = self.strides.get(index.b.k, b)
                known = combine(self.writer, index.op, a, b)
                if not self.updates.indexing:
                    self.offsets[index] = known
            return known
        if type(index) is str:
            return self.variables.get(index) or self.value_offset(index)
        return self.params[index.k] if type(index) is Param else constant_offset(index)

    def value_offset(self, name: str) -> Offset:
        """An integer value as an index; narrow ones are bounded by their dtype, others may be anything."""
        value = self.values[name]
        unsigned, narrow = value.dtype.kind == "u", value.dtype.itemsize < 8
        register = value.reg.resize("i64", signed=not unsigned)
        if unsigned and not narrow:  # what i64 cannot hold is as far out of range as its largest value
            register = self.writer.intrinsic("umin", "i64", [register, register.const(2**63 - 1)])
        return Offset(register.ref, unsigned, low=narrow or unsigned, high=narrow)

    def loop(self, loop: Loop) -> None:
        if (dtype := self.lanes.get(id(loop))) is not None:
            Lanes(self, loop, dtype).write()
            return
        if loop is not self.nest.chunked and (copy := transposed_copy(loop)) is not None:
            write_copy(self, copy)
            return
        for acc in loop.carries:
            self.folds[acc.name] = acc.op
            self.values[acc.name] = self.values[acc.init]
        if loop is self.nest.chunked:
            start, stop = CHUNK
        else:
            start, stop = "0", self.offset(loop.extent).ref
        names = self.updates.updated_in(loop)
        plain = loop.kind == "sequential" or any(isinstance(statement, Loop) for statement in loop.body)
        at_once = 1 if _is_part(loop) and not names else AT_ONCE
        how = self.metadata.plain if plain else self.metadata.vector(at_once)
        copies = self.copies
        if isinstance(loop.extent, int):
            at_once = min(AT_ONCE, max(loop.extent // 8, 1))
            vectors = is_vector(loop, copies, reads_own=self.has_own) or is_at_places(loop, self.variables)
            how = self.metadata.vector(at_once) if vectors else self.metadata.short
            self.copies *= loop.extent
        blocked = {n for n in names if may_block(self.folds[n], self.values[n].dtype, loop.extent, BLOCK)}
        blocked -= self.updates.read_in(loop)
        if how != self.metadata.plain:
            self.divide_before(loop)
        if self.apart is not None and not plain and not names:
            how = self.metadata.apart(how, self.apart)
        in_vectors = how not in (self.metadata.plain, self.metadata.short)
        if in_vectors:
            self.keys = with_keys(set(names) - self.updates.read_in(loop), self.folds, self.values)
        keyed = {name: self.values[name].dtype for name in sorted(self.keys)}
        for name in keyed:
            self.values[name] = to_key(self.folds[name], self.values[name])
        if blocked and not plain:
            self.blocks(loop, start, stop, names, blocked, how)
        elif in_vectors and id(loop) in self.heads:
            self.with_head(loop, stop, how)
        else:
            self.counted(start, stop, 1, names, lambda var: self.iteration(loop, var), how)
        for name, dtype in keyed.items():
            self.values[name] = from_key(self.folds[name], self.values[name], dtype)
        self.keys = set()
        self.copies = copies

    def with_head(self, loop: Loop, stop: str, how: str) -> None:
        """Run ``loop`` one by one up to where its vectors lie on borders, if there is such a place, and on from there."""
        first = first_of_vectors(self, self.nest, loop, stop)
        if first is not None:
            self.counted("0", first, 1, [], lambda var: self.iteration(loop, var), self.metadata.plain)
        self.counted(first or "0", stop, 1, [], lambda var: self.iteration(loop, var), how)

    def divide_before(self, loop: Loop) -> None:
        """Compute quotients that do not change in a loop before it, where they are in indices of what a mask or an `If` guards.

        Else LLVM puts the division behind the mask, and its vectoriser then asks the mask of the first lane alone whether to
        divide, for all lanes. A loop that does not run may have zeros to divide by.
        """
        inside = {loop.var, *_bound_in(loop.body)}
        for index in _guarded(loop.body):
            for part in divisions(index):
                names = set(names_in(part))
                if part in self.offsets or names & inside:
                    continue
                if not self.updates.indexing or names <= self.variables.keys():
                    divisor = combine(self.writer, "max", self.offset(part.b), constant_offset(1))
                    self.offsets[part] = combine(self.writer, part.op, self.offset(part.a), divisor)

    def repeat(self, statement: While) -> None:
        writer = self.writer
        head, inside, done = writer.label("head"), writer.label("body"), writer.label("done")
        outside, before = self.offsets, writer.block
        self.offsets = dict(outside)
        chunked = statement is self.nest.chunked
        writer.br(head)
        writer.place(head)
        if chunked:  # so many steps at most
            step, test = (
                writer.phi("i64", [(Register(writer, "i64", "%begin"), before)]),
                writer.label("test"),
            )
            writer.cond_br(step < Register(writer, "i64", "%end"), test, done)
            writer.place(test)
        self.body(statement.cond)
        writer.cond_br(self.values[statement.flag].reg, inside, done)
        writer.place(inside)
        self.body(statement.body)
        if chunked:
            following = writer.emit("i64", f"add nsw i64 {step.ref}, 1")
            writer.add_incoming(step, following, writer.block)
        writer.br(head)
        writer.place(done)
        self.offsets = outside

    def branch(self, statement: If) -> None:
        writer, outside = self.writer, self.offsets
        then, other, done = writer.label("then"), writer.label("else"), writer.label("done")
        writer.cond_br(self.values[statement.flag].reg, then, other)
        for label, body in ((then, statement.then), (other, statement.other)):
            writer.place(label)
            self.offsets = dict(outside)
            self.body(body)
            writer.br(done)
        writer.place(done)
        self.offsets = outside

    def blocks(
        self, loop: Loop, start: str, stop: str, names: list[str], blocked: set[str], how: str
    ) -> None:
        """Run ``loop`` in blocks with partial sums of what is ``blocked``; -0.0 changes no sum."""
        writer = self.writer

        def block(first: str) -> None:
            bound = combine(writer, "+", Offset(first, True), constant_offset(BLOCK))
            last = combine(writer, "min", bound, Offset(stop, True)).ref
            sums = {name: self.values[name] for name in names if name in blocked}
            for name, total in sums.items():
                zero = tuple(part.const(-0.0) for part in total.parts)
                self.values[name] = Scalar(total.dtype, zero)
            self.counted(first, last, 1, names, lambda var: self.iteration(loop, var), how)
            for name, total in sums.items():
                self.values[name] = _fold(writer, "add", total, self.values[name])

        self.counted(start, stop, BLOCK, names, block, self.metadata.plain)

    def iteration(self, loop: Loop, var: str) -> None:
        self.variables[loop.var] = Offset(var, True)
        outside, pointers, apart = self.offsets, self.pointers, self.apart
        self.offsets = dict(outside)
        if loop.turns:
            self.turn(loop)
        self.body(loop.body)
        self.offsets, self.pointers, self.apart = outside, pointers, apart

    def turn(self, loop: Loop) -> None:
        """Let buffers stand for one another. LLVM does not see which, and is told that iterations of loops inside are apart."""
        writer, self.apart = self.writer, self.metadata.group()
        before, by = self.pointers, self.offset(loop.by)
        self.pointers = dict(before)
        for group in loop.turns:
            size = len(group)
            places = combine(writer, "%", by, constant_offset(size)).ref
            tests = [writer.emit("i1", f"icmp eq i64 {places}, {number}").ref for number in range(1, size)]
            for k, name in enumerate(group):
                at, element, scope = before[name]
                for number, test in enumerate(tests, 1):
                    other = before[group[(k + number) % size]][0]
                    at = writer.emit("ptr", f"select i1 {test}, ptr {other}, ptr {at}").ref
                self.pointers[name] = (at, element, scope)
        access = f", !llvm.access.group !{self.apart}"
        self.pointers = {
            name: (at, kind, scope + access) for name, (at, kind, scope) in self.pointers.items()
        }

    def counted(
        self,
        start: str,
        stop: str,
        step: int,
        carried: list[str],
        body: Callable[[str], None],
        how: str,
    ) -> None:
        """A loop from ``start`` to below ``stop``, with a phi for each of the ``carried`` names.

        ``body`` writes an iteration, given the loop variable, and leaves the new values in ``self.values``; ``how``
        says what LLVM shall make of the loop.
        """
        writer = self.writer
        before = writer.block
        head, inside, done = writer.label("head"), writer.label("body"), writer.label("done")
        writer.br(head)
        writer.place(head)
        variable = writer.phi("i64", [(Register(writer, "i64", start), before)])
        phis = [phi(writer, self.values[n].dtype, [(self.values[n], before)]) for n in carried]
        writer.cond_br(variable < Register(writer, "i64", stop), inside, done)
        writer.place(inside)
        self.values.update(zip(carried, phis, strict=True))
        body(variable.ref)
        following = writer.emit("i64", f"add nuw nsw i64 {variable.ref}, {step}")
        latch = writer.block
        writer.add_incoming(variable, following, latch)
        for name, node in zip(carried, phis, strict=True):
            add_incoming(node, self.values[name], latch)
            self.values[name] = node
        writer.do(f"br label %{head}{self.metadata.loop(how)}")
        writer.place(done)


def _turns(body: tuple[Any, ...]) -> Iterator[tuple[str, ...]]:
    """The groups of buffers that take turns."""
    for statement in body:
        yield from getattr(statement, "turns", ())
        for inner in bodies(statement):
            yield from _turns(inner)


def _in_steps(nest: Nest) -> bool:
    """Whether a nest is steps, which wait for one another, or no loop at all."""
    chunked = nest.chunked
    if chunked is None:
        return not any(bodies(statement) for statement in nest.body)
    return isinstance(chunked, While) or chunked.kind == "steps"


def _is_part(loop: Loop) -> bool:
    """Whether a loop is over a part of a block, whose width is a parameter, or over a tile: few full vectors, in many loops.

    It takes less than the code for two vectors at once takes to compile.
    """
    if not isinstance(loop.extent, IndexOp) or loop.extent.op != "min":
        return False
    most = loop.extent.a
    return isinstance(most, Param) or (isinstance(most, int) and most <= _TILE)


def _bound_in(body: tuple[Any, ...]) -> set[str]:
    """The names that statements bind, those inside of them too."""
    found: set[str] = set()
    for statement in body:
        found |= {getattr(statement, "name", ""), getattr(statement, "var", "")}
        found |= {acc.name for acc in getattr(statement, "carries", ())}
        found = found.union(*map(_bound_in, bodies(statement)))
    return found


def _guarded(body: tuple[Any, ...], guarded: bool = False) -> Iterator[Index]:
    """The indices of statements that a mask or an `If` may keep from running."""
    for statement in body:
        if isinstance(statement, If):
            for inner in bodies(statement):
                yield from _guarded(inner, guarded=True)
        elif guarded or getattr(statement, "mask", None) is not None:
            yield from [statement.index] if isinstance(statement, IndexValue | Load | Store) else []


def _fold(writer: Writer, fold: str, acc: Scalar, value: Scalar) -> Scalar:
    """One step of an accumulator: float sums and products in any order, all else as the scalar operation."""
    dtype = acc.dtype
    if fold == "set":
        return value
    if fold == "add" and (is_float(dtype) or is_complex(dtype)):
        pairs = zip(acc.parts, value.parts, strict=True)
        return Scalar(dtype, tuple(a.binary("fadd reassoc contract", b) for a, b in pairs))
    if fold == "mul" and is_float(dtype):
        return Scalar(dtype, (acc.reg.binary("fmul reassoc contract", value.reg),))
    return apply(writer, fold, [acc, value], dtype)
