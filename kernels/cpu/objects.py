"""Object code of CPU kernels, from one process to the next.

The one idea: an object file needs a linker and nothing else (`weft.kernels.cpu.linker`); so a process that finds all its
kernels on disk loads neither LLVM nor Numba. What those would be asked to say which kernels are the right ones, an earlier
process has left in a note (`noted_target`).

Measured: 0.2 ms to link a kernel, a tenth of a millisecond to read and check it.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import re
import time
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path

import llvmlite

import weft.ir
import weft.kernels
from weft.kernels.backend import Code, Kernel
from weft.kernels.calls import SHARED
from weft.kernels.cpu.backend import CpuCode, compile_code
from weft.kernels.cpu.host import cpu_features, cpu_name, initialize, model
from weft.kernels.cpu.linker import link
from weft.kernels.entry import Entry
from weft.kernels.folder import make_private, read_private, replace_private
from weft.kernels.store import NOTE, KernelStore, cache_folder, cache_limit

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

    def __init__(self, target: str | None = None) -> None:
        self.target = target or target_digest()

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
    root, limit = cache_folder(), cache_limit()
    return KernelStore(root, CpuObjects(noted_target(root) if limit else None), limit)


def target_digest() -> str:
    """A digest of all that decides what code a nest becomes: the CPU, the compilers, their settings, our emitters."""
    import llvmlite.binding as llvm

    initialize()
    digest = _digest((llvm.get_process_triple(), cpu_name(), cpu_features(), *_versions()))
    for file in _source_files():
        text = _content(file.path, file.stat().st_mtime_ns, file.stat().st_size)
        digest.update(f"\0{file.name}\0{len(text)}\0".encode() + text)
    return digest.hexdigest()


def noted_target(root: Path) -> str:
    """`target_digest`, out of a note in a folder if nothing has changed since it was written there.

    A note is for one CPU, as the system describes it, and for sources by when their files were last touched: so neither LLVM
    nor the sources need be read.
    """
    cpu = model()
    sources = [(file.path, file.stat()) for file in _source_files()]
    touched = [f"{path} {s.st_size} {s.st_mtime_ns} {s.st_ctime_ns}" for path, s in sources]
    key = _digest((cpu.hex(), *os.uname()[::4], *_versions(), *touched)).hexdigest() if cpu else ""
    path = root / f"{NOTE}{key[:16]}"
    with contextlib.suppress(OSError, ValueError):
        target, seal = read_private(path, _LARGEST_NOTE)[0].decode("ascii").split()
        if cpu and _TARGET.fullmatch(target) and seal == _seal(key, target):
            return target
    target = target_digest()
    # A file that was written just now may be written again without its time changing.
    if cpu and all(s.st_ctime + _SETTLED < time.time() for _, s in sources):
        with contextlib.suppress(OSError):
            make_private(root)
            replace_private(path, f"{target} {_seal(key, target)}".encode())
    return target


_TARGET = re.compile("[0-9a-f]{64}")
_LARGEST_NOTE = 1024
_SETTLED = 2.0


def _seal(key: str, target: str) -> str:
    """What shows that a note is whole, and for what."""
    return _digest((key, target)).hexdigest()


def _digest(parts: Sequence[str]) -> hashlib.blake2b:
    return hashlib.blake2b("\0".join(parts).encode(), digest_size=32)


def _versions() -> tuple[str, ...]:
    """The compilers and their settings."""
    return (
        llvmlite.__version__,
        _numba_version(),
        *(f"{name}={os.environ.get(name, '')}" for name in _NUMBA_SETTINGS),
    )


@functools.lru_cache(maxsize=256)
def _content(path: str, time_ns: int, size: int) -> bytes:
    """A file that was written at some time and has some size: it is read once a process."""
    return Path(path).read_bytes()


def sources_are_current() -> bool:
    """Whether the sources on disk, of which a target's digest is made, are those that run here."""
    now = time.time()
    return not any(weft.kernels.LOADED < file.stat().st_mtime <= now for file in _source_files())


def _source_files() -> Iterator[os.DirEntry[str]]:
    """The sources that make machine code of a nest: what a nest means and how it prints, and the emitters."""
    ir, kernels = (package.__path__[0] for package in (weft.ir, weft.kernels))
    alone = ((ir, "types.py"), (f"{ir}/ops", "quadrature.py"), (f"{kernels}/schedule", "index.py"))
    for folder, name in alone:
        with os.scandir(folder) as files:
            yield from [file for file in files if file.name == name]
    for folder in (f"{ir}/loops", kernels, f"{kernels}/cpu", f"{kernels}/maths"):
        with os.scandir(folder) as files:
            yield from sorted(
                [file for file in files if file.name.endswith(".py")], key=lambda file: file.name
            )


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
