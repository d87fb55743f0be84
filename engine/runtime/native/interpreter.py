"""The native half of the tape: one small function that executes instructions.

`interpret` is a loop over fixed-size instructions, whose layout and meaning stand in `weft.engine.runtime.tape`. It sees
nothing but addresses and keeps no state of its own, so any number of threads may be inside it; what threads share is
the pool (`weft.engine.runtime.native.pool`). How it becomes machine code says `weft.engine.runtime.native.machine`.
"""

from weft.engine.runtime.native.pool import run_chunks
from weft.engine.runtime.native.words import (
    add,
    call_kernel,
    call_with_int,
    clear_bytes,
    get_int,
    move_bytes,
    native,
    now,
    read,
    read_byte,
    write,
)
from weft.engine.runtime.tape import INSTRUCTION_BYTES, RETURNED, WORD_BYTES, Field, Op
from weft.engine.runtime.threads import Pool

__all__ = ["interpret"]

# Numba freezes these numbers as constants of the compiled code.
_OP, _ADDRESS, _DIMS, _ARGS, _NARGS, _GRAIN, _END, _EXTRA = map(int, Field)
_END_OF_TAPE, _BIND, _ARENA, _KERNEL, _COPY, _ZERO, _YIELD, _ONE_THREAD = (int(op) for op in list(Op)[:8])
_OWN_THREADS, _POINT, _SET, _JUMP, _UNLESS, _REPEAT, _SWITCH, _STEPS = (int(op) for op in list(Op)[8:])
_BLAS_USERS, _BLAS_NORMAL = int(Pool.BLAS_USERS), int(Pool.BLAS_NORMAL)


@native
def _read_integer(address: int, size: int, signed: int) -> int:
    """Read an integer of ``size`` bytes; a uint64 that is too large for 63 bits becomes the largest number there is."""
    value = 0
    for i in range(size):
        value |= read_byte(address, i) << (8 * i)
    if signed != 0 and size < 8 and value >> (8 * size - 1) != 0:
        value -= 1 << (8 * size)
    if signed == 0 and value < 0:
        value = 0x7FFFFFFFFFFFFFFF
    return value


# Nanoseconds after which a program goes back to Python, so that it may be interrupted, and after which it looks at the clock.
_SLICE = 50_000_000
_LOOK = 5_000_000
_FIRST_STEPS = 1024
_PART = 256  # chunks of a kernel after which the clock may be looked at
_PARTS = 32  # the bits of a place in a program that are the number of an instruction; above are its parts that are done


@native
def _run_steps(here: int, dims: int, buffers: int, slots: int, args: int, nargs: int) -> int:
    """Run steps of a loop that is one kernel, for a slice of time: whether it is done."""
    progress = read(args, nargs - 2)
    step, end = read(slots, progress), read(here, _END)
    start = last = now()
    size = _FIRST_STEPS
    while step < end:
        following = end if end - step < size else step + size
        call_kernel(read(here, _ADDRESS), dims, buffers, step, following)
        step = following
        if read(here, _GRAIN) != 0 and read_byte(read(slots, read(args, nargs - 1)), 0) == 0:
            return 1
        time = now()
        if time - last < _LOOK:
            size *= 2
        if time - start > _SLICE and step < end:
            write(slots, progress, step)
            return 0
        last = time
    return 1


@native
def interpret(code: int, pc: int, slots: int, pool: int) -> int:
    """Execute instructions from ``pc`` on, until the end or the next yield to Python.

    Args:
        code: address of the tape's words.
        pc: number of the instruction to start with, and above `_PARTS` bits how many parts of it are done.
        slots: address of the call's slots, scratch words included.
        pool: address of the threads' pool.

    Returns:
        Where to resume after a yield, or after a slice of time; ``RETURNED`` at the end of the tape.
    """
    turns, look, start, last = 0, 1, 0, 0
    done = pc >> _PARTS
    pc &= (1 << _PARTS) - 1
    while True:
        here = code + INSTRUCTION_BYTES * pc
        pc += 1
        op = read(here, _OP)
        args = code + WORD_BYTES * read(here, _ARGS)
        nargs = read(here, _NARGS)
        if op == _KERNEL:
            buffers = slots + WORD_BYTES * read(here, _EXTRA)
            for i in range(nargs):
                write(buffers, i, read(slots, read(args, i)))
            dims = code + WORD_BYTES * read(here, _DIMS)
            grain, end = read(here, _GRAIN), read(here, _END)
            if grain < end:
                begin = _PART * grain * done
                stop = min(begin + _PART * grain, end)
                run_chunks(pool, read(here, _ADDRESS), dims, buffers, begin, stop, grain)
                if stop < end:  # the same instruction again, behind a look at the clock
                    pc, done, turns = pc - 1, done + 1, look
                else:
                    done, turns = 0, turns + 1
            else:
                call_kernel(read(here, _ADDRESS), dims, buffers, 0, end)
        elif op == _REPEAT:
            left = read(slots, read(args, 0)) - 1
            write(slots, read(args, 0), left)
            if left > 0:
                pc = read(here, _END)
                turns += 1
        elif op == _POINT:
            scratch = slots + WORD_BYTES * read(here, _EXTRA)
            for i in range(0, nargs, 3):
                write(scratch, i, read(slots, read(args, i + 1)) + read(args, i + 2))
            for i in range(0, nargs, 3):
                write(slots, read(args, i), read(scratch, i))
        elif op == _JUMP:
            turns += read(here, _END) < pc
            pc = read(here, _END)
        elif op == _STEPS:
            buffers = slots + WORD_BYTES * read(here, _EXTRA)
            for i in range(nargs - 2):
                write(buffers, i, read(slots, read(args, i)))
            if _run_steps(here, code + WORD_BYTES * read(here, _DIMS), buffers, slots, args, nargs) == 0:
                return pc - 1
        elif op == _UNLESS:
            if read_byte(read(slots, read(args, 0)), 0) == 0:
                pc = read(here, _END)
        elif op == _COPY:
            target, source = read(slots, read(args, 0)), read(slots, read(args, 1))
            if target != source:
                move_bytes(target, source, read(here, _END))
        elif op == _SET:
            write(slots, read(args, 0), read(here, _END))
        elif op == _SWITCH:
            index = _read_integer(read(slots, read(args, 0)), read(args, 1), read(args, 2))
            last = read(here, _END)
            pc = read(code + WORD_BYTES * read(here, _DIMS), max(0, min(index, last)))
        elif op == _ZERO:
            clear_bytes(read(slots, read(args, 0)), read(here, _END))
        elif op == _ARENA:
            base = read(slots, read(here, _EXTRA))
            for i in range(0, nargs, 2):
                write(slots, read(args, i), base + read(args, i + 1))
        elif op == _BIND:
            data_word = read(here, _EXTRA)
            for i in range(nargs):
                slot = read(args, i)
                write(slots, slot, read(read(slots, slot), data_word))
        elif op == _ONE_THREAD:
            write(slots, read(args, 0), 1)
            if add(pool, _BLAS_USERS, 1) == 0:
                write(pool, _BLAS_NORMAL, get_int(read(here, _EXTRA)))
                call_with_int(read(here, _ADDRESS), 1)
        elif op == _OWN_THREADS:
            write(slots, read(args, 0), 0)
            if add(pool, _BLAS_USERS, -1) == 1:
                call_with_int(read(here, _ADDRESS), read(pool, _BLAS_NORMAL))
        elif op == _YIELD:
            return pc
        else:
            return RETURNED
        if turns >= look:
            # The clock is looked at after twice as many turns, as long as they take no time.
            time = now()
            if last == 0:
                start = last = time
            elif time - last < _LOOK:
                look *= 2
            last = time
            turns = 0
            if time - start > _SLICE:
                return pc | done << _PARTS
