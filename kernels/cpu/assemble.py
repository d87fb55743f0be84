"""LLVM IR text to an object file for this CPU: parse, optimise, generate code.

The one idea: LLVM is asked for what loops of scalar code need, and for nothing else. Its shortest pipeline that vectorises
loops (O1 with the loop vectoriser) makes of them code as fast as that of O3, in less time: there is nothing to inline, no
control flow to thread, no recursion; what one expression computes twice, the graph's own passes have found before.
"""

from __future__ import annotations

from typing import Any

import llvmlite.binding as llvm

from weft.kernels.cpu.host import target_machine


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
    return machine.emit_object(module), functions


def optimized_text(text: str, name: str) -> str:
    """The optimised LLVM IR of a module."""
    return str(_optimized(text, name, target_machine()))


def assembly(text: str, name: str) -> str:
    """The assembly of a module."""
    machine = target_machine()
    return str(machine.emit_assembly(_optimized(text, name, machine)))


def _parsed(text: str, name: str, machine: Any) -> Any:
    """The module that ``text`` says, verified, in a context of its own."""
    module = llvm.parse_assembly(text, llvm.create_context())
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
