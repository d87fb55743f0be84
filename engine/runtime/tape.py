"""The tape: a program as an array of fixed-size instructions.

One call of a jitted function is one run of a tape. Its values live in buffers whose addresses stand in an
array of *slots*, one a value, owned by the caller; instructions name slots, never buffers, so one tape serves
any number of calls and threads at once. `weft.engine.runtime.native.interpreter` executes the instructions without
the GIL; only ``YIELD`` comes back to Python, and the program counter it brings is all it takes to resume.

An instruction is eight 64-bit words (`Field`). Behind the last instruction, in the same array, stand the
pools of numbers that instructions refer to by word offset: ``dims`` and ``args``. By op:

    END                                                                 the program is done
    BIND    args = slots; extra = word of an array's data pointer       slot = slots[slot].data
    ARENA   args = slot, offset, slot, offset, ...; extra = the arena   slot = slots[arena] + offset
    KERNEL  address, dims, args, grain, end; extra = scratch            address(dims, buffers, 0, end), in chunks
    COPY    args = target, source; end = bytes                          memmove(target, source, end)
    ZERO    args = target; end = bytes                                  memset(target, 0, end)
    YIELD   extra = index of a Python callable                          return the next program counter
    ONE_THREAD   address of set_num_threads; extra = that of get_num_threads    BLAS keeps to one thread
    OWN_THREADS  address of set_num_threads                                     until here
                 args = the slot that is 1 in between
    POINT   args = slot, source, offset, slot, source, offset, ...      all at once: slot = source + offset
    SET     args = slot; end = number                                   slot = number
    JUMP    end = instruction                                           go on there
    UNLESS  args = slot; end = instruction                              go on there if the byte at slot is 0
    REPEAT  args = slot; end = instruction                              slot -= 1; go on there unless it is 0 now
    STEPS   as KERNEL, but in order; args = ..., progress, flag         until the byte at flag is 0, if grain says so
    SWITCH  args = slot, bytes, signed; dims = instructions             go on where the integer at slot says, clamped

Where a program has run for a slice of time (after a jump back, between two chunks of STEPS, or after a part of the chunks
of a KERNEL) the interpreter goes back to Python too, so that a signal can interrupt it.

A kernel is a C function ``void kernel(int64* dims, void** buffers, int64 begin, int64 end)``. Where ``grain`` is less
than ``end`` it is called for chunks of ``grain`` iterations, in any order and by any thread of the pool. Its
buffer addresses are gathered into scratch words behind the slots: the array of slots is `Tape.slot_words`
long, see `Tape.new_slots`. Products of matrices are such a kernel too: `weft.engine.runtime.gemm`.
"""

import ctypes
import functools
import math
import sys
from collections.abc import Callable, Iterable, Sequence
from enum import IntEnum
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from weft.engine.runtime.gemm import cut_product
from weft.engine.runtime.threads import pool_address
from weft.ir.errors import InternalError
from weft.kernels.library.blas import gemm_name, threads_addresses

if TYPE_CHECKING:
    from weft.engine.runtime.native.machine import Machine

__all__ = [
    "RETURNED",
    "Field",
    "Op",
    "Tape",
    "TapeBuilder",
    "load_machine",
    "read_array",
]

WORD_BYTES = 8
RETURNED = -1
"""The program counter at the end of a tape."""

Field = IntEnum("Field", "OP ADDRESS DIMS ARGS NARGS GRAIN END EXTRA", start=0)
Field.__doc__ = "The words of an instruction."

INSTRUCTION_BYTES = WORD_BYTES * len(Field)


class Op(IntEnum):
    """What an instruction does."""

    END = 0
    BIND = 1
    ARENA = 2
    KERNEL = 3
    COPY = 4
    ZERO = 5
    YIELD = 6
    ONE_THREAD = 7
    OWN_THREADS = 8
    POINT = 9
    SET = 10
    JUMP = 11
    UNLESS = 12
    REPEAT = 13
    SWITCH = 14
    STEPS = 15


class _Instruction(NamedTuple):
    op: Op
    address: int = 0
    dims: tuple[int, ...] = ()
    args: tuple[int, ...] = ()
    grain: int = 0
    end: int = 0
    extra: int = 0

    def slots(self) -> tuple[int, ...]:
        """All slots that are read or written."""
        match self.op:
            case Op.ARENA:
                return (*self.args[::2], self.extra)
            case Op.POINT:
                return (*self.args[::3], *self.args[1::3])
            case Op.SWITCH:
                return self.args[:1]
        return self.args


_WITH_SCRATCH = (Op.KERNEL, Op.POINT, Op.STEPS)
_HELD = -1  # the slot, behind all others, that says whether a run keeps BLAS to one thread


class TapeBuilder:
    """Collects instructions in the order they run; `finish` lays them out as a `Tape`.

    Slots are small integers. Each method up to `call_python` appends one instruction. What is asked for
    wrongly raises `InternalError` here: the interpreter checks nothing.
    """

    def __init__(self) -> None:
        """Start an empty program."""
        self._instructions: list[_Instruction] = []
        self._notes: dict[int, str] = {}
        self._texts: dict[int, str] = {}  # instructions that print better than as numbers

    def bind(self, slots: Iterable[int]) -> None:
        """Replace ``id(array)`` in each of ``slots`` by the address of the array's data.

        The caller keeps the NumPy arrays alive, and has checked that they are C-contiguous and of the right
        type.
        """
        self._append(_Instruction(Op.BIND, args=tuple(slots), extra=_array_data_word()))

    def arena(self, arena_slot: int, places: Iterable[tuple[int, int]]) -> None:
        """Let slots point into the buffer at ``arena_slot``: ``places`` are pairs (slot, offset in bytes)."""
        args = tuple(number for place in places for number in place)
        self._append(_Instruction(Op.ARENA, args=args, extra=arena_slot))

    def kernel(
        self, address: int, dims: Sequence[int], args: Sequence[int], end: int, grain: int | None = None
    ) -> None:
        """Call the kernel at ``address`` on the buffers of the slots ``args``, for ``range(end)``.

        With a ``grain``, threads take so many iterations at a time; without, one takes all.
        """
        if not address:
            raise InternalError("a kernel needs an address, got 0.")
        self._append(
            _Instruction(Op.KERNEL, address, tuple(dims), tuple(args), end if grain is None else grain, end)
        )

    def gemm(
        self,
        dtype: npt.DTypeLike,
        a: int,
        b: int,
        c: int,
        m: int,
        n: int,
        k: int,
        trans_a: int = 0,
        trans_b: int = 0,
        batch: int = 1,
        strides: tuple[int, int, int] | None = None,
        rows: tuple[int, int] | None = None,
    ) -> None:
        """Multiply row-major matrices, ``c[m, n] = op(a)[m, k] @ op(b)[k, n]``, ``batch`` times.

        ``a`` and ``b`` are the slots of the operands, ``c`` that of the result: what it held is overwritten, not read. All
        else is as for `weft.engine.runtime.gemm.cut_product`.
        """
        pieces = cut_product(dtype, m, n, k, trans_a, trans_b, batch, strides, rows)
        self.kernel(load_machine().multiply, pieces.words, (a, b, c), pieces.number, pieces.grain)
        marks = ("", "'", "*")
        of_a, of_b = f"%{a}{marks[trans_a]}", f"%{b}{marks[trans_b]}"
        batches = f" {batch=} strides={list(strides or ())}" if batch != 1 else ""
        self._texts[len(self._instructions) - 1] = (
            f"%{c} = {gemm_name(dtype)}({of_a}, {of_b}) {m=} {n=} {k=}{batches}"
        )

    def copy(self, dst: int, src: int, nbytes: int) -> None:
        """Copy ``nbytes`` bytes from slot ``src`` to slot ``dst``; the two may overlap."""
        self._append(_Instruction(Op.COPY, args=(dst, src), end=_checked_size(nbytes)))

    def zero(self, dst: int, nbytes: int) -> None:
        """Set ``nbytes`` bytes of slot ``dst`` to zero."""
        self._append(_Instruction(Op.ZERO, args=(dst,), end=_checked_size(nbytes)))

    def call_python(self, index: int) -> None:
        """Leave native code and let `Tape.run` call its ``python_calls[index]`` with the slots."""
        self._append(_Instruction(Op.YIELD, extra=index))

    def one_thread(self) -> None:
        """Keep BLAS to one thread from here to `own_threads`, where it can be told."""
        put, get = threads_addresses()
        if put:
            self._append(_Instruction(Op.ONE_THREAD, put, args=(_HELD,), extra=get))

    def own_threads(self) -> None:
        """Let BLAS use its own threads again."""
        put, _ = threads_addresses()
        if put:
            self._append(_Instruction(Op.OWN_THREADS, put, args=(_HELD,)))

    def steps(
        self,
        address: int,
        dims: Sequence[int],
        args: Sequence[int],
        end: int,
        progress: int,
        flag: int | None = None,
    ) -> None:
        """Call a kernel for ``range(end)`` in order, in chunks that take a moment.

        Args:
            address: where it is.
            dims: its parameters.
            args: slots of its buffers.
            end: how many steps there are, at most.
            progress: a slot for the number of the next step.
            flag: the slot of a boolean that is false when no step is to follow.
        """
        self.set(progress, 0)
        slots = (*args, progress, progress if flag is None else flag)
        self._append(_Instruction(Op.STEPS, address, tuple(dims), slots, int(flag is not None), end))

    def point(self, moves: Iterable[tuple[int, int, int]]) -> None:
        """Let slots point elsewhere: each of ``moves``, (slot, source, offset), as if all were done at once."""
        args = tuple(number for move in moves for number in move)
        if args:
            self._append(_Instruction(Op.POINT, args=args))

    def set(self, slot: int, number: int) -> None:
        """Write a number, or a constant address, into a slot."""
        self._append(_Instruction(Op.SET, args=(slot,), end=number))

    @property
    def here(self) -> int:
        """The number of the instruction that comes next."""
        return len(self._instructions)

    def jump(self, target: int = 0) -> int:
        """Go on at an instruction; returns this instruction's own number, for `land`."""
        self._append(_Instruction(Op.JUMP, end=target))
        return self.here - 1

    def unless(self, slot: int, target: int = 0) -> int:
        """Go on at an instruction if the boolean in ``slot`` is false; returns this instruction's own number."""
        self._append(_Instruction(Op.UNLESS, args=(slot,), end=target))
        return self.here - 1

    def repeat(self, slot: int, target: int) -> None:
        """Count down the number in ``slot``, and go on at an instruction as long as it is not 0."""
        self._append(_Instruction(Op.REPEAT, args=(slot,), end=target))

    def switch(self, slot: int, dtype: npt.DTypeLike) -> int:
        """Go on at one of several instructions, as the integer in ``slot`` says; they are given to `land` in order."""
        dtype = np.dtype(dtype)
        self._append(_Instruction(Op.SWITCH, args=(slot, dtype.itemsize, dtype.kind == "i")))
        return self.here - 1

    def land(self, number: int) -> None:
        """Let the jump that is instruction ``number`` come here; a switch, if its index is the next one."""
        one = self._instructions[number]
        if one.op is Op.SWITCH:
            self._instructions[number] = one._replace(dims=(*one.dims, self.here), end=len(one.dims))
        else:
            self._instructions[number] = one._replace(end=self.here)

    def note(self, text: str) -> None:
        """Comment on the instruction added last, for `Tape.disassemble`."""
        if not self._instructions:
            raise InternalError("a note needs an instruction to stand behind.")
        self._notes[len(self._instructions) - 1] = text

    def finish(self, n_slots: int) -> "Tape":
        """Lay out the instructions for programs of ``n_slots`` values.

        Raises:
            InternalError: an instruction names a slot outside ``range(n_slots)``.
        """
        program = [*self._instructions, _Instruction(Op.END)]
        release = None
        held = next((one for one in program if one.op is Op.OWN_THREADS), None)
        if held is not None:  # behind the end stands what undoes the state of a run that is broken off
            release = len(program)
            program += [held, _Instruction(Op.END)]
            program = [one._replace(args=(n_slots,)) if one.args == (_HELD,) else one for one in program]
            n_slots += 1
        for pc, instruction in enumerate(program):
            for slot in instruction.slots():
                if not 0 <= slot < n_slots:
                    raise InternalError(
                        f"instruction {pc} ({instruction.op.name}) names slot {slot} of {n_slots}."
                    )
        pool: dict[tuple[int, ...], int] = {}
        next_word = len(program) * len(Field)
        for numbers in (numbers for one in program for numbers in (one.dims, one.args)):
            if numbers and numbers not in pool:
                pool[numbers] = next_word
                next_word += len(numbers)
        code = np.empty(next_word, np.int64)
        for pc, one in enumerate(program):
            extra = n_slots if one.op in _WITH_SCRATCH else one.extra  # which is behind the slots
            code[pc * len(Field) : (pc + 1) * len(Field)] = (
                *(one.op, one.address, pool.get(one.dims, 0), pool.get(one.args, 0)),
                *(len(one.args), one.grain, one.end, extra),
            )
        for numbers, word in pool.items():
            code[word : word + len(numbers)] = numbers
        scratch = max((len(one.args) for one in program if one.op in _WITH_SCRATCH), default=0)
        return Tape(
            code, program[:release], n_slots, n_slots + scratch, dict(self._notes), dict(self._texts), release
        )

    def _append(self, instruction: _Instruction) -> None:
        self._instructions.append(instruction)


class Tape:
    """A finished program: read-only, and safe to run from many threads at once.

    Attributes:
        code: the words of all instructions and pools, ``int64``, read-only.
        code_address: where they stand in memory.
        n_slots: number of values.
        slot_words: length of the array of slots: the values, then scratch.

    On a hot path, keep ``start = load_machine().start`` and call
    ``start(tape.code_address, slots_address, pool_address(), arrays)``: a tape without ``YIELD`` has run when that returns.
    `run` is the same with checks and calls back to Python.
    """

    __slots__ = (
        *("_notes", "_program", "_release", "_texts", "_yields"),
        *("code", "code_address", "n_slots", "slot_words"),
    )

    def __init__(
        self,
        code: npt.NDArray[np.int64],
        program: Sequence[_Instruction],
        n_slots: int,
        slot_words: int,
        notes: dict[int, str],
        texts: dict[int, str],
        release: int | None,
    ) -> None:
        """Take over what `TapeBuilder.finish` laid out."""
        code.flags.writeable = False
        self.code = code
        self.code_address: int = code.ctypes.data
        self.n_slots = n_slots
        self.slot_words = slot_words
        self._program = program
        self._notes = notes
        self._texts = texts
        self._release = release
        # From the program counter that a YIELD returns to the index of what it calls.
        self._yields = {pc + 1: one.extra for pc, one in enumerate(program) if one.op is Op.YIELD}

    @property
    def is_parallel(self) -> bool:
        """Whether a kernel is run in chunks."""
        return any(one.op is Op.KERNEL and one.grain < one.end for one in self._program)

    @property
    def copies(self) -> list[tuple[int, str]]:
        """What instructions copy: how many bytes, and why."""
        return [
            (one.end, self._notes.get(pc, "")) for pc, one in enumerate(self._program) if one.op is Op.COPY
        ]

    def new_slots(self) -> npt.NDArray[np.int64]:
        """Return a fresh array for one call at a time: all slots null, scratch words included."""
        return np.zeros(self.slot_words, np.int64)

    def run(
        self,
        slots: npt.NDArray[np.int64] | int,
        python_calls: Sequence[Callable[[Any], object]] = (),
        objects: tuple[object, ...] = (),
    ) -> None:
        """Run the program.

        Args:
            slots: `slot_words` 64-bit words, filled as the tape's ``BIND`` and ``ARENA`` expect; or their
                address. A run overwrites them, so fill them again for the next.
            python_calls: what `TapeBuilder.call_python` refers to. Each is called with ``slots`` as given
                here. What it raises ends the run and is raised on.
            objects: what the first slots are to refer to: arrays, as ``BIND`` expects them.

        Raises:
            InternalError: ``slots`` is an array that the program cannot run on.
        """
        machine, pool = load_machine(), pool_address()
        if isinstance(slots, np.ndarray):
            if slots.dtype != np.int64 or not slots.flags.carray or slots.size < self.slot_words:
                raise InternalError(
                    f"a tape needs {self.slot_words} writeable int64 slots, got {slots.dtype} {slots.shape}."
                )
            address = slots.ctypes.data
        else:
            address = slots
        try:
            pc = machine.start(self.code_address, address, pool, objects)
            if pc != RETURNED:
                self.resume(pc, slots, python_calls)
        except BaseException:
            self.release(address)
            raise

    def resume(
        self, pc: int, slots: npt.NDArray[np.int64] | int, python_calls: Sequence[Callable[[Any], object]]
    ) -> None:
        """Go on where a run came back to Python, to its end; arguments are those of `run`."""
        interpret, pool = load_machine().interpret, pool_address()
        address = slots.ctypes.data if isinstance(slots, np.ndarray) else slots
        while pc != RETURNED:
            called = self._yields.get(pc)
            if called is not None:  # else a slice of time is over: Python looks for signals, and on it goes
                python_calls[called](slots)
            pc = interpret(self.code_address, pc, address, pool)

    def release(self, address: int) -> None:
        """Give back what a run has taken that ends before its time."""
        taken = address + WORD_BYTES * (self.n_slots - 1)
        if self._release is not None and ctypes.c_int64.from_address(taken).value:
            load_machine().interpret(self.code_address, self._release, address, pool_address())

    def disassemble(self) -> str:
        """Return the program as text, one line an instruction; ``%3`` is slot 3."""
        lines = []
        for pc, instruction in enumerate(self._program):
            text = self._texts.get(pc) or _operands(instruction)
            line = f"{pc:4}  {instruction.op.name.lower():<6}  {text}"
            note = self._notes.get(pc)
            lines.append(f"{line}  ; {note}" if note else line.rstrip())
        return "\n".join(lines)

    def __len__(self) -> int:
        """Count the instructions."""
        return len(self._program)

    def __repr__(self) -> str:
        """Say the size; `disassemble` says the rest."""
        return f"Tape({len(self)} instructions, {self.n_slots} slots)"


@functools.cache
def load_machine() -> "Machine":
    """The native functions; the first call loads them, or compiles them with Numba."""
    from weft.engine.runtime.native import machine

    return machine.load_machine()


def read_array(address: int, shape: tuple[int, ...], dtype: npt.DTypeLike) -> npt.NDArray[Any]:
    """Return a writeable NumPy view of the buffer at ``address``, for what falls back to Python.

    The view does not own the buffer: it must not outlive the run.
    """
    dtype = np.dtype(dtype)
    nbytes = dtype.itemsize * math.prod(shape)
    if nbytes == 0:
        return np.empty(shape, dtype)
    buffer: Any = (ctypes.c_char * nbytes).from_address(address)
    return np.ndarray(shape, dtype, buffer)


def _operands(instruction: _Instruction) -> str:
    """Print all but the name of an instruction."""
    op, address, dims, args, grain, end, extra = instruction
    slots = [f"%{slot}" for slot in args]
    match op:
        case Op.BIND:
            return " ".join(slots)
        case Op.ARENA:
            places = zip(slots[::2], args[1::2], strict=True)
            return ", ".join(f"{slot} = %{extra} + {offset}" for slot, offset in places)
        case Op.STEPS:
            until = f" until not {slots[-1]}" if grain else ""
            return f"{address:#x}({', '.join(slots[:-2])}) dims={list(dims)} from {slots[-2]} to {end}{until}"
        case Op.KERNEL:
            chunks = f" by {grain}" if grain < end else ""
            return f"{address:#x}({', '.join(slots)}) dims={list(dims)} range={end}{chunks}"
        case Op.COPY:
            return f"{slots[0]} = {slots[1]}, {end} bytes"
        case Op.ZERO:
            return f"{slots[0]} = 0, {end} bytes"
        case Op.YIELD:
            return f"call {extra}"
        case Op.POINT:
            moves = zip(slots[::3], slots[1::3], args[2::3], strict=True)
            return ", ".join(f"{slot} = {source} + {offset}" for slot, source, offset in moves)
        case Op.SET:
            return f"{slots[0]} = {end}"
        case Op.JUMP | Op.UNLESS | Op.REPEAT:
            return " ".join([*slots, f"to {end}"])
        case Op.SWITCH:
            return f"{slots[0]} to {', '.join(map(str, dims))}"
        case _:
            return ""


def _checked_size(nbytes: int) -> int:
    if nbytes < 0:
        raise InternalError(f"a number of bytes cannot be negative, got {nbytes}.")
    return nbytes


def _array_data_word() -> int:
    """Return which word of a NumPy array object is its data pointer: the first behind the object header."""
    return object.__basicsize__ // WORD_BYTES


def _check_memory_layout() -> None:
    """Verify on a real array what native code takes for granted about this Python and this machine."""
    array = np.arange(3)
    found = ctypes.c_int64.from_address(id(array) + _array_data_word() * WORD_BYTES).value
    pair = (array, object)
    length = ctypes.c_int64.from_address(id(pair) + object.__basicsize__).value
    items = list((ctypes.c_int64 * 2).from_address(id(pair) + tuple.__basicsize__))
    plain_tuples = length == 2 and items == [id(x) for x in pair]
    if found != array.ctypes.data or not plain_tuples or sys.byteorder != "little":
        raise ImportError(
            "Weft needs CPython on a little-endian 64-bit machine, NumPy arrays whose data pointer is "
            f"right behind the object header of {object.__basicsize__} bytes, and tuples that end with their items."
        )


_check_memory_layout()
