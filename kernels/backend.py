"""What a backend is, and which there are.

The one idea: a backend turns loop nests into kernels, and above it nobody knows how. All kernels have one
signature, so the run-time needs an address and nothing else::

    void kernel(int64_t *dims, void **buffers, int64_t begin, int64_t end)

``dims`` are the nest's parameters, ``buffers`` its buffers' addresses in their order, and ``begin <= i <
end`` the iterations of its chunked loop (ignored when it has none).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Protocol

from weft.ir.loops.nest import Nest
from weft.ir.records import dataclass


class Code(Protocol):
    """Compiled code of some kernels, which stays in memory as long as this object lives."""

    def address(self, name: str) -> int:
        """Where the function ``name`` is."""

    def llvm_of(self, kernel: Kernel) -> str:
        """The optimised LLVM IR of a kernel that is in this code."""

    def asm_of(self, kernel: Kernel) -> str:
        """The assembly of a kernel that is in this code."""


@dataclass(frozen=True, slots=True, eq=False)
class Kernel:
    """A compiled loop nest. It keeps its machine code alive.

    Attributes:
        nest: what it was compiled from.
        name: the name of its function, the same for equal nests in every process.
        address: where to call it.
        code: the machine code it is a part of.
    """

    nest: Nest
    name: str
    address: int
    code: Code

    def llvm(self) -> str:
        """The optimised LLVM IR, for reading."""
        return self.code.llvm_of(self)

    def asm(self) -> str:
        """The assembly, for reading."""
        return self.code.asm_of(self)


class Backend(Protocol):
    """A target of compilation: a name, and the way from nests to kernels."""

    name: str

    @property
    def compilations(self) -> int:
        """How many modules were compiled so far in this process; what caches spare does not count."""

    def compile_nests(self, nests: Sequence[Nest]) -> list[Kernel]:
        """A kernel for each nest. What is not cached is compiled in one go; equal nests give one kernel."""


_factories: dict[str, Callable[[], Backend]] = {}
_backends: dict[str, Backend] = {}
_lock = threading.Lock()


def register_backend(name: str, factory: Callable[[], Backend]) -> None:
    """Make a backend known; ``factory`` makes it when it is first asked for."""
    with _lock:
        _factories[name] = factory
        _backends.pop(name, None)


def backend_names() -> tuple[str, ...]:
    """The names of the backends that are registered."""
    return tuple(_factories)


def get_backend(name: str = "cpu") -> Backend:
    """The backend of that name.

    Raises:
        KeyError: none is registered under it.
    """
    backend = _backends.get(name)
    if backend is None:
        with _lock:
            if name not in _factories:
                raise KeyError(f"no backend is named {name}. Known: {', '.join(_factories)}.")
            backend = _backends.setdefault(name, _factories[name]())
    return backend


def compile_nests(nests: Sequence[Nest], backend: str = "cpu") -> list[Kernel]:
    """Compile loop nests, or find them compiled; see `Backend.compile_nests`."""
    return get_backend(backend).compile_nests(nests)


def _cpu() -> Backend:
    # Not with this module: LLVM takes long to load.
    from weft.kernels.cpu.backend import CpuBackend
    from weft.kernels.cpu.objects import open_store
    from weft.kernels.store import NoStore

    try:
        return CpuBackend(open_store())
    except (NoStore, OSError):  # code that cannot be kept is as good
        return CpuBackend()


register_backend("cpu", _cpu)
