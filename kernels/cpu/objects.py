"""Object code of CPU kernels, from one process to the next.

The one idea: an object file needs a linker and nothing else (`weft.kernels.cpu.linker`); so a process that finds all its
kernels on disk runs no pass of LLVM, and needs nothing of Numba for them.

Measured: 0.2 ms to link a kernel, a tenth of a millisecond to read and check it.
"""

from __future__ import annotations

import functools
import hashlib
import os
import time
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import llvmlite
import llvmlite.binding as llvm

import weft.ir
import weft.kernels
from weft.kernels.backend import Code, Kernel
from weft.kernels.calls import SHARED
from weft.kernels.cpu.backend import CpuCode, compile_code
from weft.kernels.cpu.host import cpu_features, cpu_name, initialize
from weft.kernels.cpu.linker import link
from weft.kernels.entry import Entry
from weft.kernels.store import KernelStore, cache_folder, cache_limit

# What of Numba's settings changes the code that comes out.
_NUMBA_SETTINGS = (
    "NUMBA_CPU_NAME",
    "NUMBA_CPU_FEATURES",
    "NUMBA_DISABLE_INTEL_SVML",
    "NUMBA_ENABLE_AVX",
    "NUMBA_LOOP_VECTORIZE",
    "NUMBA_OPT",
    "NUMBA_SLP_VECTORIZE",
)


class LoadedCode:
    """Kernels out of an object file. Only their machine code is there: to be read, they are compiled again."""

    def __init__(self, addresses: dict[str, int]) -> None:
        self._addresses = addresses
        self._readable: dict[str, CpuCode] = {}

    def address(self, name: str) -> int:
        """Where the function ``name`` is."""
        return self._addresses[name]

    def llvm_of(self, kernel: Kernel) -> str:
        """The optimised LLVM IR of one function."""
        return self._compiled(kernel).llvm_of(kernel)

    def asm_of(self, kernel: Kernel) -> str:
        """The assembly of one function."""
        return self._compiled(kernel).asm_of(kernel)

    def _compiled(self, kernel: Kernel) -> CpuCode:
        if kernel.name not in self._readable:
            self._readable[kernel.name] = compile_code([(kernel.name, kernel.nest)])
        return self._readable[kernel.name]


class CpuObjects:
    """The `weft.kernels.store.ObjectFormat` of this CPU."""

    kind = "cpu"

    def __init__(self) -> None:
        self.target = target_digest()

    def save(self, names: Sequence[str], code: Code) -> Entry | None:
        """The object code of a module, unless the sources that run here are no longer those on disk."""
        if not isinstance(code, CpuCode) or not sources_are_current():
            return None
        module = code.module
        return Entry(self.target, {name: name for name in names}, module.object_code)

    def load(self, entry: Entry) -> LoadedCode:
        """Link an object file; raises ``RuntimeError`` if LLVM does not take it."""
        symbols = entry.symbols.values()
        known: dict[str, int] = {}
        if SHARED.encode() in entry.code:
            # Imported here, since not every warm start calls one.
            from weft.kernels.cpu.functions import called_functions

            known = called_functions(entry.code, symbols)
        addresses = link(entry.code, symbols, known)
        return LoadedCode({name: addresses[symbol] for name, symbol in entry.symbols.items()})


def open_store() -> KernelStore:
    """The store that the environment asks for.

    Raises:
        NoStore: there is none, and why.
    """
    return KernelStore(cache_folder(), CpuObjects(), cache_limit())


def target_digest() -> str:
    """A digest of all that decides what code a nest becomes: the CPU, the compilers, their settings, our emitters."""
    initialize()
    parts = (
        llvm.get_process_triple(),
        cpu_name(),
        cpu_features(),
        llvmlite.__version__,
        _numba_version(),
        *(f"{name}={os.environ.get(name, '')}" for name in _NUMBA_SETTINGS),
    )
    return _digest(
        parts, tuple((path, status.st_mtime_ns, status.st_size) for path, status in _source_files())
    )


@functools.lru_cache(maxsize=8)
def _digest(parts: tuple[str, ...], sources: tuple[tuple[Path, int, int], ...]) -> str:
    """The digest for files that were written at some time and have some size: they are read once a process."""
    digest = hashlib.blake2b("\0".join(parts).encode(), digest_size=32)
    for path, _, _ in sources:
        text = path.read_bytes()
        digest.update(f"\0{path.name}\0{len(text)}\0".encode() + text)
    return digest.hexdigest()


def sources_are_current() -> bool:
    """Whether the sources on disk, of which a target's digest is made, are those that run here."""
    now = time.time()
    return not any(weft.kernels.LOADED < status.st_mtime <= now for _, status in _source_files())


def _source_files() -> list[tuple[Path, os.stat_result]]:
    """The sources that make machine code of a nest: what a nest means and how it prints, and the emitters."""
    ir, kernels = (Path(package.__path__[0]) for package in (weft.ir, weft.kernels))
    folders = (ir / "loops", kernels, kernels / "cpu", kernels / "maths")
    paths = [ir / "types.py", *(path for folder in folders for path in sorted(folder.glob("*.py")))]
    return [(path, path.stat()) for path in paths]


@functools.cache
def _numba_version() -> str:
    """What says the version of Numba, without importing it: that takes longer than to load a program's kernels."""
    spec = find_spec("numba")
    if spec is not None and spec.origin is not None:
        file = Path(spec.origin).with_name("_version.py")
        if file.is_file():
            return file.read_text(encoding="utf-8")
    from importlib.metadata import version

    return version("numba")
