"""The run-time's native functions as machine code, callable from Python.

The one idea: Numba compiles them once an installation; the object code goes into the store in which kernels are kept, so a
later process loads it in a millisecond and never imports Numba. Around them stand some lines of LLVM IR: entries that
Python calls as built-in functions, which release the GIL, and one with the kernels' signature.

What that costs on a machine of 2 cores: 0.9 s to compile, once; 1 ms to load; then 0.08 us a call from Python, and
4 ns a kernel instruction.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from weft.kernels.cpu.objects import CpuObjects, open_store
from weft.kernels.entry import Entry
from weft.kernels.store import NoStore

__all__ = ["Machine", "load_machine"]

_SOURCES = (
    "native/words",
    "native/pool",
    "native/product",
    "native/interpreter",
    "native/machine",
    "gemm",
    "tape",
    "threads",
)
_ENTRIES = {"interpret": 4, "work": 2}
"""The functions that Python calls, with the number of their arguments."""

_START = "start"
_KERNEL = "multiply"
_METH_FASTCALL = 0x80


class Machine(NamedTuple):
    """The native functions.

    Attributes:
        interpret: ``interpret(code, pc, slots, pool) -> pc``, see `weft.engine.runtime.native.interpreter`.
        start: ``start(code, slots, pool, objects) -> pc``: interpret, with a tuple's items in the first slots.
        work: ``work(pool, worker)``, see `weft.engine.runtime.native.pool`; it does not return.
        multiply: the address of the kernel `weft.engine.runtime.native.product.multiply`.
    """

    interpret: Callable[[int, int, int, int], int]
    start: Callable[[int, int, int, tuple[object, ...]], int]
    work: Callable[[int, int], int]
    multiply: int


@functools.cache
def load_machine() -> Machine:
    """The native functions, ready: out of the store if they are kept there, compiled if they are not."""
    digest = _digest()
    names = {function: f"weft_{digest}{i}" for i, function in enumerate([*_ENTRIES, _START, _KERNEL])}
    try:
        store = open_store()
    except (NoStore, OSError):
        store = None
    found = store.find([(name, None) for name in names.values()]) if store else {}
    code = found.get(names[_KERNEL])
    if code is None:
        form = CpuObjects()
        entry = _compile(form.target, names)
        if store is not None:
            with contextlib.suppress(OSError):
                store.add(entry)
        code = form.load(entry)
    interpret, start, work = (
        _built_in(function, code.address(names[function])) for function in ("interpret", _START, "work")
    )
    return Machine(interpret, start, work, code.address(names[_KERNEL]))


def _digest() -> str:
    """A digest of the sources that make the code, and of Python's objects; the store knows the compilers and the CPU."""
    digest = hashlib.blake2b(f"{object.__basicsize__} {tuple.__basicsize__}\0".encode(), digest_size=11)
    for name in _SOURCES:
        digest.update(Path(__file__).parents[1].joinpath(f"{name}.py").read_bytes())
    return digest.hexdigest() + "0"


def _compile(target: str, names: dict[str, str]) -> Entry:
    """Compile the functions and what stands around them, as one object file."""
    import llvmlite.binding as llvm
    from numba import types
    from numba.core.compiler_lock import global_compiler_lock
    from numba.core.registry import cpu_target

    from weft.engine.runtime.native.interpreter import interpret
    from weft.engine.runtime.native.pool import work
    from weft.engine.runtime.native.product import multiply

    # The lock is what Numba itself holds while it compiles: LLVM takes one thread at a time.
    with global_compiler_lock:
        library = cpu_target.target_context.codegen().create_library("weft.runtime")
        library.enable_object_caching()  # it keeps the object file, for who asks for it
        text = [_DECLARATIONS]
        for function in (interpret, work, multiply):
            name = function.py_func.__name__
            signature = (types.int64,) * function.py_func.__code__.co_argcount
            function.compile(signature)
            compiled = function.overloads[signature]
            library.add_linking_library(compiled.library)
            wrap = _kernel if name == _KERNEL else _entry
            native = f'@"{compiled.fndesc.llvm_func_name}"'
            text.append(wrap(f"{name}_{names[name]}", native, len(signature)))
            if function is interpret:
                text.append(_start(f"{_START}_{names[_START]}", native))
        module = llvm.parse_assembly("\n".join(text))
        module.triple, module.data_layout = llvm.get_process_triple(), library.codegen._data_layout
        library.add_llvm_module(module)
        library.finalize()
        _, _, (code, _) = library.serialize_using_object_code()
    return Entry(target, {name: f"{function}_{name}" for function, name in names.items()}, bytes(code))


_DECLARATIONS = """
declare i64 @PyLong_AsLongLong(ptr)
declare ptr @PyLong_FromLongLong(i64)
declare ptr @PyEval_SaveThread()
declare void @PyEval_RestoreThread(ptr)
declare ptr @memmove(ptr, ptr, i64)
"""


def _native_call(function: str, arguments: list[str]) -> str:
    """A call by Numba's convention: a place for the result, one for an exception (there is none), the arguments."""
    passed = ", ".join(f"i64 {argument}" for argument in arguments)
    return f"call i32 {function}(ptr %result, ptr %exception, {passed})"


def _declaration(function: str, count: int) -> str:
    return f"declare i32 {function}({', '.join(['ptr'] * 2 + ['i64'] * count)})"


def _entry(name: str, function: str, count: int) -> str:
    """A function that Python calls with an array of objects, all integers; others run Python meanwhile."""
    lines = [f"define ptr @{name}(ptr %self, ptr %args, i64 %count) {{", *_numbers(count)]
    lines += _released(function, [f"%number{k}" for k in range(count)])
    return "\n".join([*lines, "}", _declaration(function, count)])


def _start(name: str, interpret: str) -> str:
    """The same of ``(code, slots, pool, objects)``: the addresses of a tuple's items go into the slots before."""
    lines = [
        f"define ptr @{name}(ptr %self, ptr %args, i64 %count) {{",
        *_numbers(3),
        "  %at3 = getelementptr inbounds ptr, ptr %args, i64 3",
        "  %objects = load ptr, ptr %at3",
        f"  %length.at = getelementptr inbounds i8, ptr %objects, i64 {object.__basicsize__}",
        "  %length = load i64, ptr %length.at",
        f"  %items = getelementptr inbounds i8, ptr %objects, i64 {tuple.__basicsize__}",
        "  %bytes = shl i64 %length, 3",
        "  %slots = inttoptr i64 %number1 to ptr",
        "  %copied = call ptr @memmove(ptr %slots, ptr %items, i64 %bytes)",
        *_released(interpret, ["%number0", "0", "%number1", "%number2"]),
        "}",
    ]
    return "\n".join(lines)


def _numbers(count: int) -> list[str]:
    """The first arguments as integers, and places for what a call by Numba's convention gives."""
    lines = ["  %result = alloca i64", "  %exception = alloca ptr"]
    for k in range(count):
        lines += [
            f"  %at{k} = getelementptr inbounds ptr, ptr %args, i64 {k}",
            f"  %object{k} = load ptr, ptr %at{k}",
            f"  %number{k} = call i64 @PyLong_AsLongLong(ptr %object{k})",
        ]
    return lines


def _released(function: str, arguments: list[str]) -> list[str]:
    """Call a function without the GIL, and return what it gives."""
    return [
        "  %state = call ptr @PyEval_SaveThread()",
        f"  %status = {_native_call(function, arguments)}",
        "  call void @PyEval_RestoreThread(ptr %state)",
        "  %value = load i64, ptr %result",
        "  %returned = call ptr @PyLong_FromLongLong(i64 %value)",
        "  ret ptr %returned",
    ]


def _kernel(name: str, function: str, count: int) -> str:
    """A function with the signature of a kernel."""
    return f"""define void @{name}(ptr %dims, ptr %buffers, i64 %begin, i64 %end) {{
  %result = alloca ptr
  %exception = alloca ptr
  %d = ptrtoint ptr %dims to i64
  %b = ptrtoint ptr %buffers to i64
  %status = {_native_call(function, ["%d", "%b", "%begin", "%end"])}
  ret void
}}
{_declaration(function, count)}"""


class _MethodDef(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_char_p),
        ("function", ctypes.c_void_p),
        ("flags", ctypes.c_int),
        ("doc", ctypes.c_char_p),
    )


def _built_in(name: str, address: int) -> Any:
    """A built-in function whose C function is at ``address``."""
    definition = _MethodDef(name.encode(), address, _METH_FASTCALL, None)
    # Python keeps its address, for as long as a worker has the function, which is longer than modules last when Python ends.
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(definition))
    make = ctypes.pythonapi.PyCFunction_NewEx
    make.restype, make.argtypes = ctypes.py_object, (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p)
    return make(ctypes.addressof(definition), None, None)
