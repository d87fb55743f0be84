"""Links object files into this process.

The one idea: who finds all kernels on disk should not have to load LLVM. Files of the simple form that kernels have on Linux
are linked in `weft.kernels.cpu.elf`; what is not of that form, and all files elsewhere, by LLVM.

LLVM's linker (ORC with JITLink) takes an object file as it is, puts all of it into one piece of memory, gives
it a name space of its own, and raises an error where a symbol is missing. Since a file's code and constants lie together, code
may reach them by short relative addresses (the small code model), which makes it shorter and quicker to compile than code that
must expect its constants anywhere.

Measured: 0.2 ms to link a kernel with either; 20 ms to load LLVM.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
from collections.abc import Iterable, Mapping
from typing import Any

from weft.kernels.cpu import elf
from weft.kernels.cpu.host import ANYWHERE, initialize

_numbers = itertools.count()


def link(object_code: bytes, symbols: Iterable[str], known: Mapping[str, int]) -> dict[str, int]:
    """Link an object file, for as long as the process lives.

    Args:
        object_code: a relocatable object file.
        symbols: functions that it defines.
        known: addresses of functions that it may call, beside those of this process.

    Returns:
        The address of each symbol.

    Raises:
        RuntimeError: LLVM does not take the file, or a symbol is not there.
    """
    symbols = tuple(symbols)
    if elf.runs_here():
        with contextlib.suppress(elf.NotSimple):
            return elf.link(object_code, symbols, known)
    return link_by_llvm(object_code, symbols, known)


def link_by_llvm(object_code: bytes, symbols: Iterable[str], known: Mapping[str, int]) -> dict[str, int]:
    """`link`, whatever the file is like."""
    import llvmlite.binding as llvm

    builder = llvm.JITLibraryBuilder().add_object_img(object_code).add_current_process()
    for symbol, address in known.items():
        builder.import_symbol(symbol, address)
    for symbol in symbols:
        builder.export_symbol(symbol)
    library = builder.link(_linker(), f"weft{next(_numbers)}")
    library.detach()  # it lives as long as the linker
    return {symbol: int(library[symbol]) for symbol in symbols}


@functools.cache
def _linker() -> Any:
    """The linker of this process; at its end llvmlite leaves it, and so all code, in place."""
    import llvmlite.binding as llvm

    initialize()
    return llvm.create_lljit_compiler(use_jit_link=not ANYWHERE)
