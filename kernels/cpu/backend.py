"""The CPU backend: verify, emit, compile, and cache.

The one idea: a nest is checked once, when it is compiled, since machine code checks nothing. The emitter and
Numba are loaded when there is something to compile.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from weft.ir.errors import InternalError
from weft.ir.loops.nest import Nest
from weft.ir.loops.printer import print_nest
from weft.ir.loops.verify import verify_nest
from weft.kernels.backend import Kernel
from weft.kernels.cache import KernelCache, NamedNest, Store

if TYPE_CHECKING:
    from weft.kernels.cpu.compile import CompiledModule


class CpuCode:
    """One compiled module, seen as the kernels in it."""

    def __init__(self, module: CompiledModule) -> None:
        self.module = module

    def address(self, name: str) -> int:
        """Where the function ``name`` is."""
        return self.module.address(name)

    def llvm_of(self, kernel: Kernel) -> str:
        """The optimised LLVM IR of one function."""
        return _part(rf"^define [^\n]*@{kernel.name}\(.*?^}}", self.module.llvm)

    def asm_of(self, kernel: Kernel) -> str:
        """The assembly of one function."""
        return _part(rf"^_?{kernel.name}:.*?(?=^[.\w]*func_end)", self.module.asm)


def _part(pattern: str, text: str) -> str:
    """The part of ``text`` that matches, or all of it where an object file's format has other landmarks."""
    found = re.search(pattern, text, re.DOTALL | re.MULTILINE)
    return found.group(0) if found else text


class CpuBackend:
    """Compiles loop nests for the CPU that it runs on.

    Args:
        store: where machine code is kept between processes; nowhere when omitted.
    """

    name = "cpu"

    def __init__(self, store: Store | None = None) -> None:
        self._cache = KernelCache(compile_code, store)

    @property
    def compilations(self) -> int:
        """How many modules were compiled so far."""
        return self._cache.compilations

    def compile_nests(self, nests: Sequence[Nest]) -> list[Kernel]:
        """A kernel for each nest; all that are not cached become one module."""
        return self._cache.get(nests)


def compile_code(named: Sequence[NamedNest]) -> CpuCode:
    """Compile nests, each to a function of its name, as one module."""
    from weft.kernels.cpu.compile import compile_module
    from weft.kernels.cpu.emit import emit_module

    for _, nest in named:
        verify_nest(nest)
    text = emit_module((nest, name) for name, nest in named)
    try:
        return CpuCode(compile_module(text))
    except RuntimeError as error:
        nests = "\n".join(print_nest(nest) for _, nest in named)
        raise InternalError(f"LLVM did not accept what was emitted for\n{nests}") from error
