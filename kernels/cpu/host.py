"""The CPU we run on, as LLVM sees it.

The one idea: code is made for exactly this CPU, by its name and its features. Numba's variables ``NUMBA_CPU_NAME`` and
``NUMBA_CPU_FEATURES`` give others, as they do for Numba itself. LLVM is loaded when it is asked for something.
"""

from __future__ import annotations

import functools
import os
import threading
from typing import Any

# LLVM's newer linker, which keeps a file's code and constants together, does not know Windows' object files.
ANYWHERE = os.name == "nt"
"""Whether code and constants may come to lie far from one another."""


_MODEL = frozenset((b"vendor_id", b"cpu family", b"model", b"model name", b"stepping", b"flags"))


def model() -> bytes:
    """What tells this CPU and what it can do from others, without LLVM; nothing where the system does not say."""
    try:
        with open("/proc/cpuinfo", "rb", buffering=0) as file:
            first = file.read(16384).partition(b"\n\n")[0]
    except OSError:
        return b""
    lines = [line for line in first.split(b"\n") if line.partition(b"\t")[0].rstrip() in _MODEL]
    return b"\n".join(lines) if len(lines) == len(_MODEL) else b""


@functools.cache
def initialize() -> None:
    """Make LLVM ready for this machine."""
    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()


def cpu_name() -> str:
    """LLVM's name of the CPU."""
    given = os.environ.get("NUMBA_CPU_NAME")
    if given:
        return given
    import llvmlite.binding as llvm

    return str(llvm.get_host_cpu_name())


@functools.cache
def cpu_features() -> str:
    """What the CPU can do, as LLVM writes it: ``+avx2,-avx512f,...``."""
    given = os.environ.get("NUMBA_CPU_FEATURES")
    if given is not None:
        return given
    import llvmlite.binding as llvm

    try:
        return str(llvm.get_host_cpu_features().flatten())
    except RuntimeError:  # LLVM does not know them on this system: code is then made for the CPU's name alone
        return ""


APART = '"weft-apart"'
"""Marks functions that had better load, one by one, what does not lie side by side, where the CPU gathers slowly."""


BESIDE = '"weft-beside"'
"""Marks functions that read neighbours, which lie across cache lines: with the widest vectors each time."""


def with_tuning(text: str) -> str:
    """LLVM IR in which functions that are marked as `APART` or `BESIDE` say so in LLVM's words, if that concerns this CPU.

    AMD's Zen takes for a gather longer than for its loads one by one: a transposition two to four times as long. The fourth
    one makes two halves of a vector of 64 bytes anyhow, and of 32 bytes every second only lies across lines.
    """
    name = cpu_name()
    if APART in text and name.startswith("znver"):
        text = text.replace(APART, f'"target-features"="{cpu_features()},+prefer-no-gather"')
    return text.replace(BESIDE, '"prefer-vector-width"="256"') if name == "znver4" else text


class _OfThread(threading.local):
    """The target machines of a thread, by the CPU's name and features."""

    def __init__(self) -> None:
        self.machines: dict[tuple[str, str], Any] = {}


_of_thread = _OfThread()


def target_machine() -> Any:
    """LLVM's target machine for this CPU: one a thread, since it is not to be shared, kept for what it has worked out."""
    import llvmlite.binding as llvm

    key, machines = (cpu_name(), cpu_features()), _of_thread.machines
    if key not in machines:
        initialize()
        target = llvm.Target.from_triple(llvm.get_process_triple())
        where = {} if ANYWHERE else {"reloc": "pic", "codemodel": "small"}
        machines[key] = target.create_target_machine(cpu=key[0], features=key[1], opt=2, jit=True, **where)
    return machines[key]
