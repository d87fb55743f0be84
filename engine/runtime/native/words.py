"""What native functions are written with: words in memory, atomics, calls by address.

The one idea: the interpreter, the pool of threads and the products are Python functions that Numba compiles, and
all they see are 64-bit integers, some of which are addresses. Each intrinsic here is one thing that Python has no
word for and the machine does in an instruction or a call.
"""

import functools
import os
import platform
import sys
from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

__all__ = [
    "add",
    "call_fortran",
    "call_kernel",
    "call_with_int",
    "clear_bytes",
    "get_int",
    "give_way",
    "local",
    "lock",
    "move_bytes",
    "native",
    "now",
    "pause",
    "place",
    "read",
    "read_byte",
    "read_now",
    "signal",
    "swap",
    "unlock",
    "wait",
    "write",
    "write_now",
]

# Type checkers take intrinsics for what Python calls; only native code does, with other types.
_intrinsic: Any = intrinsic
native: Any = functools.partial(
    njit, nogil=True, error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True
)
"""Compile a function of integers to a native function that only other native functions call."""

_WORD = ir.IntType(64)
_INT = ir.IntType(32)
_POINTER = ir.IntType(8).as_pointer()
_TO_WORD = _WORD.as_pointer()
_ORDER = "seq_cst"
_PAUSES: dict[str, tuple[Any, ...]] = {
    **dict.fromkeys(("x86_64", "amd64"), ("llvm.x86.sse2.pause",)),
    **dict.fromkeys(("aarch64", "arm64"), ("llvm.aarch64.hint", 1)),
}
# Windows has none of these functions: there the pool has no threads, and nothing calls them.
_POSIX = os.name == "posix"


def _address(builder: ir.IRBuilder, base: ir.Value, index: ir.Value) -> ir.Value:
    return builder.gep(builder.inttoptr(base, _TO_WORD), [index])


def _nothing(context: Any) -> ir.Value:
    return context.get_dummy_value()


@_intrinsic
def read(typing_context, address, index):
    """Read word ``index`` of the words at ``address``."""

    def emit(context, builder, signature, args):
        return builder.load(_address(builder, *args))

    return types.int64(types.int64, types.int64), emit


@_intrinsic
def write(typing_context, address, index, value):
    """Write word ``index`` of the words at ``address``."""

    def emit(context, builder, signature, args):
        builder.store(args[2], _address(builder, args[0], args[1]))
        return _nothing(context)

    return types.void(types.int64, types.int64, types.int64), emit


@_intrinsic
def read_byte(typing_context, address, index):
    """Read byte ``index`` of the bytes at ``address``, as a number from 0 to 255."""

    def emit(context, builder, signature, args):
        byte = builder.load(builder.gep(builder.inttoptr(args[0], _POINTER), [args[1]]))
        return builder.zext(byte, _WORD)

    return types.int64(types.int64, types.int64), emit


@_intrinsic
def read_now(typing_context, address, index):
    """Read a word that other threads write; all threads see such accesses in one order."""

    def emit(context, builder, signature, args):
        return builder.load_atomic(_address(builder, *args), _ORDER, 8)

    return types.int64(types.int64, types.int64), emit


@_intrinsic
def write_now(typing_context, address, index, value):
    """Write a word that other threads read; see `read_now`."""

    def emit(context, builder, signature, args):
        builder.store_atomic(args[2], _address(builder, args[0], args[1]), _ORDER, 8)
        return _nothing(context)

    return types.void(types.int64, types.int64, types.int64), emit


@_intrinsic
def add(typing_context, address, index, value):
    """Add to a word that other threads change too, and return what it was."""

    def emit(context, builder, signature, args):
        return builder.atomic_rmw("add", _address(builder, args[0], args[1]), args[2], _ORDER)

    return types.int64(types.int64, types.int64, types.int64), emit


@_intrinsic
def swap(typing_context, address, index, value):
    """Write a word that other threads change too, and return what it was."""

    def emit(context, builder, signature, args):
        return builder.atomic_rmw("xchg", _address(builder, args[0], args[1]), args[2], _ORDER)

    return types.int64(types.int64, types.int64, types.int64), emit


@_intrinsic
def local(typing_context, value):
    """Put a number on the stack and return its address, which holds until the function returns."""

    def emit(context, builder, signature, args):
        return builder.ptrtoint(cgutils.alloca_once_value(builder, args[0]), _WORD)

    return types.int64(types.int64), emit


@_intrinsic
def move_bytes(typing_context, target, source, count):
    """Copy ``count`` bytes, which may overlap."""

    def emit(context, builder, signature, args):
        target, source = (builder.inttoptr(arg, _POINTER) for arg in args[:2])
        cgutils.raw_memmove(builder, target, source, args[2], itemsize=1)
        return _nothing(context)

    return types.void(types.int64, types.int64, types.int64), emit


@_intrinsic
def clear_bytes(typing_context, target, count):
    """Set ``count`` bytes to zero."""

    def emit(context, builder, signature, args):
        cgutils.memset(builder, builder.inttoptr(args[0], _POINTER), args[1], 0)
        return _nothing(context)

    return types.void(types.int64, types.int64), emit


def _call(builder: ir.IRBuilder, address: ir.Value, result: ir.Type, args: list[ir.Value]) -> ir.Value:
    shape = ir.FunctionType(result, [arg.type for arg in args])
    return builder.call(builder.inttoptr(address, shape.as_pointer()), args)


@_intrinsic
def call_kernel(typing_context, function, dims, buffers, begin, end):
    """Call ``void function(int64* dims, void** buffers, int64 begin, int64 end)``."""

    def emit(context, builder, signature, args):
        dims, buffers = builder.inttoptr(args[1], _POINTER), builder.inttoptr(args[2], _POINTER)
        _call(builder, args[0], ir.VoidType(), [dims, buffers, args[3], args[4]])
        return _nothing(context)

    return types.void(*[types.int64] * 5), emit


@_intrinsic
def call_fortran(typing_context, function, pointers):
    """Call ``void function(void* ...)``, all of ``pointers`` (a tuple of addresses) being its arguments."""

    def emit(context, builder, signature, args):
        addresses = [builder.inttoptr(a, _POINTER) for a in cgutils.unpack_tuple(builder, args[1])]
        _call(builder, args[0], ir.VoidType(), addresses)
        return _nothing(context)

    return types.void(types.int64, pointers), emit


@_intrinsic
def call_with_int(typing_context, function, number):
    """Call ``void function(int number)``."""

    def emit(context, builder, signature, args):
        _call(builder, args[0], ir.VoidType(), [builder.trunc(args[1], _INT)])
        return _nothing(context)

    return types.void(types.int64, types.int64), emit


@_intrinsic
def get_int(typing_context, function):
    """Call ``int function(void)``."""

    def emit(context, builder, signature, args):
        return builder.sext(_call(builder, args[0], _INT, []), _WORD)

    return types.int64(types.int64), emit


@_intrinsic
def place(typing_context, function, thread, size, cores):
    """Call ``int function(int thread, size_t size, void* cores)``, which is sched_setaffinity."""

    def emit(context, builder, signature, args):
        thread, cores = builder.trunc(args[1], _INT), builder.inttoptr(args[3], _POINTER)
        _call(builder, args[0], _INT, [thread, args[2], cores])
        return _nothing(context)

    return types.void(*[types.int64] * 4), emit


@_intrinsic
def pause(typing_context):
    """Wait for a moment, in which a core that other threads share is theirs."""

    def emit(context, builder, signature, args):
        name, *numbers = _PAUSES.get(platform.machine().lower(), ("",))
        if name:
            shape = ir.FunctionType(ir.VoidType(), [_INT] * len(numbers))
            function = cgutils.get_or_insert_function(builder.module, shape, name)
            builder.call(function, [_INT(number) for number in numbers])
        return _nothing(context)

    return types.void(), emit


@_intrinsic
def now(typing_context):
    """Nanoseconds of a clock that only goes forward; 0 where there is none."""

    def emit(context, builder, signature, args):
        if not _POSIX:
            return _WORD(0)
        clock = 6 if sys.platform == "darwin" else 1  # CLOCK_MONOTONIC
        time = cgutils.alloca_once(builder, ir.ArrayType(_WORD, 2))
        shape = ir.FunctionType(_INT, [_INT, time.type])
        function = cgutils.get_or_insert_function(builder.module, shape, "clock_gettime")
        builder.call(function, [_INT(clock), time])
        seconds, rest = (builder.load(cgutils.gep_inbounds(builder, time, 0, k)) for k in (0, 1))
        return builder.add(builder.mul(seconds, _WORD(1_000_000_000)), rest)

    return types.int64(), emit


def _system_call(name: str, n_pointers: int, doc: str) -> Any:
    """An intrinsic that calls ``int name(void* ...)`` of the C library and drops what it returns."""

    def emit(context, builder, signature, args):
        if _POSIX:
            shape = ir.FunctionType(_INT, [_POINTER] * n_pointers)
            function = cgutils.get_or_insert_function(builder.module, shape, name)
            builder.call(function, [builder.inttoptr(arg, _POINTER) for arg in args])
        return _nothing(context)

    signature = types.void(*[types.int64] * n_pointers)
    shapes: dict[int, Callable[..., Any]] = {
        0: lambda typing_context: (signature, emit),
        1: lambda typing_context, a: (signature, emit),
        2: lambda typing_context, a, b: (signature, emit),
    }
    typed = shapes[n_pointers]
    typed.__name__, typed.__doc__ = name, doc
    return _intrinsic(typed)


give_way = _system_call("sched_yield", 0, "Let another thread run, if one waits for this core.")
lock = _system_call("pthread_mutex_lock", 1, "Take a mutex.")
unlock = _system_call("pthread_mutex_unlock", 1, "Give a mutex back.")
wait = _system_call(
    "pthread_cond_wait", 2, "Sleep until a condition is signalled; the mutex is free meanwhile."
)
signal = _system_call("pthread_cond_signal", 1, "Wake one of those who sleep on a condition.")
