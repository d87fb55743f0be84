"""The native half of the tape: one small function that executes instructions.

`interpret` is a loop over fixed-size instructions, whose layout and meaning stand in
`weft.engine.runtime.tape`. It sees nothing but addresses, keeps no state of its own and releases the GIL, so
any number of threads may be inside it. It is compiled once an installation: Numba keeps the machine code
beside this file, or in its folder of the user's cache where this file's folder cannot be written.

What that costs, on a 2-core machine with Numba 0.68, after ``import numba`` itself: 0.6 s to compile, 23 ms
to load the kept code; then 0.11 us a call from Python, and 4 ns a kernel instruction.

A kept file can be damaged, or made by another version of the instruction set. Hence a handshake: `interpret`,
called with a negative program counter, answers with the instruction set it was compiled for. On any other
answer and on any error of the cache `compile_interpreter` compiles anew; a cache that cannot be written is
done without.
"""

import contextlib
import functools
import zlib
from typing import Any

from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.core.compiler_lock import global_compiler_lock
from numba.extending import intrinsic

from weft.engine.runtime.tape import (
    INSTRUCTION_BYTES,
    RETURNED,
    WORD_BYTES,
    Field,
    GemmWord,
    Interpreter,
    Op,
)

__all__ = ["compile_interpreter", "interpret"]

# Numba freezes these numbers as constants of the compiled code.
_OP, _ADDRESS, _DIMS, _ARGS, _NARGS, _BEGIN, _END, _EXTRA = (int(field) for field in Field)
_BIND, _ARENA, _KERNEL, _GEMM, _COPY, _ZERO, _YIELD, _BLAS_THREADS = (
    int(op) for op in (Op.BIND, Op.ARENA, Op.KERNEL, Op.GEMM, Op.COPY, Op.ZERO, Op.YIELD, Op.BLAS_THREADS)
)
_M, _N, _K, _TRANS_A, _TRANS_B, _BATCH, _STRIDE_A, _STRIDE_B, _STRIDE_C, _LDA, _LDB, _LDC, _C_BYTES = (
    int(word) for word in list(GemmWord)[: GemmWord.ALPHA]
)
_ALPHA, _BETA = int(GemmWord.ALPHA), int(GemmWord.BETA)
_SIGNATURE = types.int64(types.int64, types.int64, types.int64)
_INSTRUCTION_SET = zlib.crc32(repr((list(Op), list(Field), list(GemmWord))).encode())

# Type checkers take these for what Python calls; only native code does, with other types.
_intrinsic: Any = intrinsic
_native: Any = functools.partial(njit, nogil=True, error_model="numpy")

_POINTER = ir.IntType(8).as_pointer()
_POINTER_TO_WORDS = ir.IntType(64).as_pointer()


def _word_at(builder: ir.IRBuilder, address: ir.Value, index: ir.Value) -> ir.Value:
    return builder.gep(builder.inttoptr(address, _POINTER_TO_WORDS), [index])


@_intrinsic
def _read(typing_context, address, index):
    """Read word ``index`` of the words at ``address``."""

    def emit(context, builder, signature, args):
        return builder.load(_word_at(builder, *args))

    return types.int64(types.int64, types.int64), emit


@_intrinsic
def _write(typing_context, address, index, value):
    """Write word ``index`` of the words at ``address``."""

    def emit(context, builder, signature, args):
        builder.store(args[2], _word_at(builder, args[0], args[1]))
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, types.int64), emit


@_intrinsic
def _move_bytes(typing_context, target, source, count):
    """Copy ``count`` bytes, which may overlap."""

    def emit(context, builder, signature, args):
        target, source = (builder.inttoptr(arg, _POINTER) for arg in args[:2])
        cgutils.raw_memmove(builder, target, source, args[2], itemsize=1)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, types.int64), emit


@_intrinsic
def _clear_bytes(typing_context, target, count):
    """Set ``count`` bytes to zero."""

    def emit(context, builder, signature, args):
        cgutils.memset(builder, builder.inttoptr(args[0], _POINTER), args[1], 0)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64), emit


@_intrinsic
def _call_kernel(typing_context, function, dims, buffers, begin, end):
    """Call ``void function(int64* dims, void** buffers, int64 begin, int64 end)``."""

    def emit(context, builder, signature, args):
        word = ir.IntType(64)
        shape = ir.FunctionType(ir.VoidType(), [_POINTER_TO_WORDS, _POINTER.as_pointer(), word, word])
        function = builder.inttoptr(args[0], shape.as_pointer())
        dims = builder.inttoptr(args[1], _POINTER_TO_WORDS)
        buffers = builder.inttoptr(args[2], _POINTER.as_pointer())
        builder.call(function, [dims, buffers, args[3], args[4]])
        return context.get_dummy_value()

    return types.void(*[types.int64] * 5), emit


@_intrinsic
def _call_gemm(typing_context, function, pointers):
    """Call ``void function(void* ...)``, all of ``pointers`` (a tuple of addresses) being its arguments."""

    def emit(context, builder, signature, args):
        addresses = cgutils.unpack_tuple(builder, args[1])
        shape = ir.FunctionType(ir.VoidType(), [_POINTER] * len(addresses))
        function = builder.inttoptr(args[0], shape.as_pointer())
        builder.call(function, [builder.inttoptr(address, _POINTER) for address in addresses])
        return context.get_dummy_value()

    return types.void(types.int64, pointers), emit


@_intrinsic
def _call_with_int(typing_context, function, number):
    """Call ``void function(int number)``."""

    def emit(context, builder, signature, args):
        shape = ir.FunctionType(ir.VoidType(), [ir.IntType(32)])
        function = builder.inttoptr(args[0], shape.as_pointer())
        builder.call(function, [builder.trunc(args[1], ir.IntType(32))])
        return context.get_dummy_value()

    return types.void(types.int64, types.int64), emit


@_native(no_cpython_wrapper=True, no_cfunc_wrapper=True)
def _gemm(function, words, a, b, c):
    """Multiply a batch of row-major matrices: each C[m, n] = op(A) op(B)."""
    if _read(words, _M) == 0 or _read(words, _N) == 0:
        return
    for _ in range(_read(words, _BATCH)):
        if _read(words, _K) == 0:
            _clear_bytes(c, _read(words, _C_BYTES))
        else:
            # A row-major matrix is its transpose to BLAS: C' = op(B)' op(A)' needs B first, and no copy.
            _call_gemm(
                function,
                (
                    words + WORD_BYTES * _TRANS_B,
                    words + WORD_BYTES * _TRANS_A,
                    words + WORD_BYTES * _N,
                    words + WORD_BYTES * _M,
                    words + WORD_BYTES * _K,
                    words + WORD_BYTES * _ALPHA,
                    b,
                    words + WORD_BYTES * _LDB,
                    a,
                    words + WORD_BYTES * _LDA,
                    words + WORD_BYTES * _BETA,
                    c,
                    words + WORD_BYTES * _LDC,
                ),
            )
        a += _read(words, _STRIDE_A)
        b += _read(words, _STRIDE_B)
        c += _read(words, _STRIDE_C)


def interpret(code: int, pc: int, slots: int) -> int:
    """Execute instructions from ``pc`` on, until the end or the next yield to Python.

    Args:
        code: address of the tape's words.
        pc: number of the instruction to start with; negative to ask for the instruction set.
        slots: address of the call's slots, scratch words included.

    Returns:
        The number of the instruction to resume with after a yield, or ``RETURNED`` at the end of the tape.
    """
    if pc < 0:
        return _INSTRUCTION_SET
    while True:
        here = code + INSTRUCTION_BYTES * pc
        pc += 1
        op = _read(here, _OP)
        args = code + WORD_BYTES * _read(here, _ARGS)
        nargs = _read(here, _NARGS)
        if op == _KERNEL:
            buffers = slots + WORD_BYTES * _read(here, _EXTRA)
            for i in range(nargs):
                _write(buffers, i, _read(slots, _read(args, i)))
            dims = code + WORD_BYTES * _read(here, _DIMS)
            _call_kernel(_read(here, _ADDRESS), dims, buffers, _read(here, _BEGIN), _read(here, _END))
        elif op == _GEMM:
            a, b, c = (
                _read(slots, _read(args, 0)),
                _read(slots, _read(args, 1)),
                _read(slots, _read(args, 2)),
            )
            _gemm(_read(here, _ADDRESS), code + WORD_BYTES * _read(here, _DIMS), a, b, c)
        elif op == _COPY:
            target, source = _read(slots, _read(args, 0)), _read(slots, _read(args, 1))
            _move_bytes(target, source, _read(here, _END))
        elif op == _ZERO:
            _clear_bytes(_read(slots, _read(args, 0)), _read(here, _END))
        elif op == _ARENA:
            base = _read(slots, _read(here, _EXTRA))
            for i in range(0, nargs, 2):
                _write(slots, _read(args, i), base + _read(args, i + 1))
        elif op == _BIND:
            data_word = _read(here, _EXTRA)
            for i in range(nargs):
                slot = _read(args, i)
                _write(slots, slot, _read(_read(slots, slot), data_word))
        elif op == _BLAS_THREADS:
            _call_with_int(_read(here, _ADDRESS), _read(here, _EXTRA))
        elif op == _YIELD:
            return pc
        else:
            return RETURNED


def compile_interpreter() -> Interpreter:
    """Return `interpret` as machine code: out of the cache where that works, compiled where it does not.

    Returns:
        A function of three Python integers, ready: its first call compiles nothing. It is the C entry, which
        spares the look at the argument types that a call of a Numba function starts with.
    """
    # The cache is an optimisation: trouble with it costs time, never the program.
    for way in (_load, _load_or_compile, _compile_and_keep):
        # The lock is what Numba itself holds while it compiles: LLVM takes one thread at a time.
        with contextlib.suppress(Exception), global_compiler_lock:
            entry: Interpreter = way(_native(cache=True)(interpret)).entry_point
            if entry(0, -1, 0) == _INSTRUCTION_SET:
                return entry
    compiled: Interpreter = _load_or_compile(_native()(interpret)).entry_point
    return compiled


def _load(dispatcher: Any) -> Any:
    """Load kept code by the shortest way; Numba's own first imports what a compilation could need (0.2 s)."""
    compiled = dispatcher._cache._load_overload(_SIGNATURE, dispatcher.targetctx)
    if compiled is None:
        raise LookupError("no code is kept")
    return compiled


def _load_or_compile(dispatcher: Any) -> Any:
    dispatcher.compile(_SIGNATURE)
    return dispatcher.overloads[_SIGNATURE.args]


def _compile_and_keep(dispatcher: Any) -> Any:
    dispatcher._cache.flush()
    return _load_or_compile(dispatcher)
