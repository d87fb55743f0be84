"""Compiles LLVM IR text to machine code in this process: parse, optimise, emit, link.

The one idea: LLVM is asked for what loops of scalar code need, and for nothing else. Its shortest pipeline that vectorises
loops (O1 with the loop vectoriser) makes of them code as fast as that of O3, in less time: there is nothing to inline, no
control flow to thread, no recursion; what one expression computes twice, the graph's own passes have found before.

Measured on a machine of 2 cores with AVX-512: 2 ms fixed cost a module, then LLVM's time.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

import llvmlite.binding as llvm

from weft.kernels.cpu.host import target_machine
from weft.kernels.cpu.linker import link


class CompiledModule:
    """Machine code of one LLVM module.

    Attributes:
        name: the name given to :func:`compile_module`.
        object_code: the object file that was linked.
    """

    def __init__(self, name: str, text: str, object_code: bytes, addresses: dict[str, int]) -> None:
        self.name = name
        self.object_code = object_code
        self._text = text
        self._addresses = addresses

    def address(self, function_name: str) -> int:
        """Address of a function that the module defines with external linkage.

        Args:
            function_name: the LLVM name without ``@``.

        Raises:
            KeyError: the module has no such function.
        """
        if function_name not in self._addresses:
            raise KeyError(f"module {self.name} has no function named {function_name}.")
        return self._addresses[function_name]

    @cached_property
    def llvm(self) -> str:
        """The optimised LLVM IR, made again for who reads it."""
        return str(_optimized(self._text, self.name, target_machine()))

    @cached_property
    def asm(self) -> str:
        """The assembly for the host CPU, made again for who reads it."""
        machine = target_machine()
        return str(machine.emit_assembly(_optimized(self._text, self.name, machine)))


def compile_module(text: str, name: str = "weft") -> CompiledModule:
    """Compile LLVM IR text for the host CPU; safe to call from many threads (they take turns).

    Args:
        text: a whole LLVM module; the target triple and the data layout are filled in here.
        name: a name for messages.

    Returns:
        The module's machine code.

    Raises:
        RuntimeError: the text does not parse or does not verify; LLVM's message says where.
    """
    machine = target_machine()
    module = _optimized(text, name, machine)
    functions = [
        f.name for f in module.functions if not f.is_declaration and f.linkage == llvm.Linkage.external
    ]
    object_code = machine.emit_object(module)
    return CompiledModule(name, text, object_code, link(object_code, functions))


def _optimized(text: str, name: str, machine: Any) -> Any:
    """The module that ``text`` says, verified and optimised, in a context of its own."""
    module = llvm.parse_assembly(text, llvm.create_context())
    module.name = name
    module.triple = machine.triple
    module.data_layout = str(machine.target_data)
    module.verify()
    options = llvm.create_pipeline_tuning_options(speed_level=1)
    options.loop_vectorization = options.loop_interleaving = options.loop_unrolling = True
    options.slp_vectorization = False
    builder = llvm.create_pass_builder(machine, options)
    builder.getModulePassManager().run(module, builder)
    return module
