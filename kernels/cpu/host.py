"""The CPU we run on, as LLVM sees it.

The one idea: code is made for exactly this CPU, by its name and its features. Numba's variables ``NUMBA_CPU_NAME`` and
``NUMBA_CPU_FEATURES`` give others, as they do for Numba itself.
"""

from __future__ import annotations

import functools
import os
from typing import Any

import llvmlite.binding as llvm

# LLVM's newer linker, which keeps a file's code and constants together, does not know Windows' object files.
ANYWHERE = os.name == "nt"
"""Whether code and constants may come to lie far from one another."""


@functools.cache
def initialize() -> None:
    """Make LLVM ready for this machine."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()


def cpu_name() -> str:
    """LLVM's name of the CPU."""
    return os.environ.get("NUMBA_CPU_NAME") or str(llvm.get_host_cpu_name())


@functools.cache
def cpu_features() -> str:
    """What the CPU can do, as LLVM writes it: ``+avx2,-avx512f,...``."""
    given = os.environ.get("NUMBA_CPU_FEATURES")
    if given is not None:
        return given
    try:
        return str(llvm.get_host_cpu_features().flatten())
    except RuntimeError:  # LLVM does not know them on this system: code is then made for the CPU's name alone
        return ""


def target_machine() -> Any:
    """LLVM's target machine for this CPU: a new one, since it is not to be shared between threads."""
    initialize()
    target = llvm.Target.from_triple(llvm.get_process_triple())
    where = {} if ANYWHERE else {"reloc": "pic", "codemodel": "small"}
    return target.create_target_machine(cpu=cpu_name(), features=cpu_features(), opt=2, jit=True, **where)
