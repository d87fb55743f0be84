"""Functions as machine code of their own, which all kernels call: maths, and copies that turn rows into columns.

The one idea: LLVM takes several times as long for a sine as for the loop around it, so a sine is compiled once: when the first
kernel calls it, for the vectors which that kernel calls it with; the disk cache keeps it for all processes. What a kernel
calls is written in its object file: a name that says all there is to compile.

Measured: a call of 8 lanes costs about 1 ns beside the function's own 10 to 30.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import inspect
import re
import threading
from collections.abc import Container, Sequence

from weft.kernels.calls import ALONE, SHARED
from weft.kernels.cpu.linker import link
from weft.kernels.entry import Entry
from weft.kernels.register import SUFFIX, Module, Register, Writer
from weft.kernels.store import KernelStore, NoStore

_NAME = re.compile(rf"{re.escape(SHARED)}([a-z0-9_]+)\.(f32|f64)(?:\.v(\d+))?")
_IN_CODE = re.compile(_NAME.pattern.encode())
_KINDS = {suffix: kind for kind, suffix in SUFFIX.items()}

_addresses: dict[str, int] = {}
_lock = threading.Lock()


def called_functions(object_code: bytes, own: Container[str] = ()) -> dict[str, int]:
    """The addresses of the shared functions that an object file calls, by name.

    Args:
        object_code: an object file.
        own: functions that are in it, and so need not be found.
    """
    names = {match[0].decode() for match in _IN_CODE.finditer(object_code)}
    names = {name for name in names if name not in own}
    if not names <= _addresses.keys():
        with _lock:
            _provide(sorted(names - _addresses.keys()))
    return {name: _addresses[name] for name in names}


def function_text(names: Sequence[str]) -> str:
    """The LLVM module that defines shared functions, given by their names.

    Of one function, only the form of most lanes is written out; the others call it, which is soon compiled, but takes longer
    than one lane by itself. So a form of one lane that is named as such is written out too.
    """
    from weft.kernels.cpu.squares import (
        TRANSPOSE,
        define_transpose,
    )  # who finds them on disk never looks at them
    from weft.kernels.maths import FUNCTIONS

    module = Module(loops=False)
    widest: dict[tuple[str, str], int] = {}
    parsed = [_parse(name) for name in names]
    for name, kind, lanes in parsed:
        widest[name, kind] = max(lanes, widest.get((name, kind), 1))
    for symbol, (name, kind, lanes) in zip(names, parsed, strict=True):
        if name == TRANSPOSE:
            define_transpose(module, symbol, kind)
            continue
        build = FUNCTIONS[name]
        writer = Writer(module, lanes)
        args = [Register(writer, kind, f"%x{k}") for k in range(len(inspect.signature(build).parameters))]
        wide = lanes if symbol.endswith(ALONE) else widest[name, kind]
        result = build(*args) if lanes == wide else _call_wider(_symbol(name, kind, wide), wide, args)
        writer.do(f"ret {result.type} {result.ref}")
        parameters = ", ".join(f"{a.type} {a.ref}" for a in args)
        promise = "noinline nounwind willreturn memory(none) alignstack(64)"
        writer.define(symbol, f"define {result.type} @{symbol}({parameters}) {promise}")
    return module.text()


def _parse(symbol: str) -> tuple[str, str, int]:
    """A function, the kind of its operands and the number of lanes."""
    match = _NAME.fullmatch(symbol)
    assert match is not None
    return match[1], _KINDS[match[2]], int(match[3] or 1)


def _symbol(name: str, kind: str, lanes: int) -> str:
    return f"{SHARED}{name}.{SUFFIX[kind]}{f'.v{lanes}' if lanes > 1 else ''}"


def _call_wider(symbol: str, wide: int, args: Sequence[Register]) -> Register:
    """Call a function of more lanes, with ones in those that are not asked for: 1 is no rare argument of any function."""
    operands = [a.widened(wide) for a in args]
    first = operands[0]
    called = f"call {first.type} @{symbol}({', '.join(f'{a.type} {a.ref}' for a in operands)})"
    return first.writer.emit(first.kind, called).narrowed(args[0].writer.lanes)


def entry_name(name: str) -> str:
    """The name of a shared function in the disk cache, which is of the form that kernels' names have."""
    return f"weft_{hashlib.blake2b(name.encode(), digest_size=12).hexdigest()}"


def _provide(names: Sequence[str]) -> None:
    """Find functions on disk, or compile them, all in one module."""
    store = _store()
    kept = {entry_name(name): name for name in names}
    if store is not None:
        for key, code in store.find([(key, None) for key in kept]).items():
            _addresses[kept.pop(key)] = code.address(key)
    if kept:
        from weft.kernels.cpu.assemble import assemble

        object_code, functions = assemble(function_text(list(kept.values())), "weft.maths", loops=False)
        _addresses.update(link(object_code, functions, {}))
        if store is not None:
            from weft.kernels.cpu.objects import sources_are_current

            with contextlib.suppress(OSError):
                if sources_are_current():
                    store.add(Entry(store.target, kept, object_code))


@functools.cache
def _store() -> KernelStore | None:
    from weft.kernels.cpu.objects import open_store  # which loads code that calls these functions

    try:
        return open_store()
    except (NoStore, OSError):
        return None
