"""LLVM IR text to an object file for this CPU: parse, optimise, generate code.

The one idea: LLVM is asked for what loops of scalar code need, and for nothing else. Its shortest pipeline that vectorises
loops (O1 with the loop vectoriser) makes of them code as fast as that of O3, in less time: there is nothing to inline, no
control flow to thread, no recursion; what one expression computes twice, the graph's own passes have found before.

Nor is it asked for loop strength reduction, which on x86-64 took a third of all of LLVM's time and made no program faster:
an address there may be a base, an index times a size and an offset, so few need a register of their own.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import Any

import llvmlite.binding as llvm

from weft.kernels.cpu.host import target_machine, with_tuning


def assemble(text: str, name: str = "weft", *, loops: bool = True) -> tuple[bytes, list[str]]:
    """The object file of a module, and the functions in it that others may call.

    Args:
        text: a whole LLVM module; the target triple and the data layout are filled in here.
        name: a name for messages.
        loops: whether there are any. Straight code takes no passes: instruction selection sees a basic block as a whole.

    Raises:
        RuntimeError: the text does not parse or does not verify; LLVM's message says where.
    """
    machine = target_machine()
    module = _optimized(text, name, machine) if loops else _parsed(text, name, machine)
    functions = [
        f.name for f in module.functions if not f.is_declaration and f.linkage == llvm.Linkage.external
    ]
    with _without_strength_reduction(machine.triple):
        code: bytes = machine.emit_object(module)
    return code, functions


def optimized_text(text: str, name: str) -> str:
    """The optimised LLVM IR of a module."""
    return str(_optimized(text, name, target_machine()))


def assembly(text: str, name: str) -> str:
    """The assembly of a module."""
    machine = target_machine()
    module = _optimized(text, name, machine)
    with _without_strength_reduction(machine.triple):
        return str(machine.emit_assembly(module))


# LLVM ends the process over an option that it does not know, and allows one to be set again from version 15 on.
_KNOW_THE_OPTION = range(15, 23)
_options = threading.Lock()


@contextlib.contextmanager
def _without_strength_reduction(triple: str) -> Iterator[None]:
    """Code is generated without that pass; elsewhere in this process, for Numba's functions, with it.

    The option is one of the process, so it is set for as long as this takes. Code that others generate meanwhile is
    as right without the pass.
    """
    known = llvm.llvm_version_info[0] in _KNOW_THE_OPTION
    if not known or not triple.startswith("x86_64"):
        yield
        return
    with _options:
        llvm.set_option("weft", "-disable-lsr=true")
        try:
            yield
        finally:
            llvm.set_option("weft", "-disable-lsr=false")


def _parsed(text: str, name: str, machine: Any) -> Any:
    """The module that ``text`` says, verified, in a context of its own."""
    module = llvm.parse_assembly(with_tuning(text), llvm.create_context())
    module.name = name
    module.triple = machine.triple
    module.data_layout = str(machine.target_data)
    module.verify()
    return module


def _optimized(text: str, name: str, machine: Any) -> Any:
    """The same, with loops vectorised."""
    module = _parsed(text, name, machine)
    options = llvm.create_pipeline_tuning_options(speed_level=1)
    options.loop_vectorization = options.loop_interleaving = options.loop_unrolling = True
    options.slp_vectorization = False
    builder = llvm.create_pass_builder(machine, options)
    builder.getModulePassManager().run(module, builder)
    return module
