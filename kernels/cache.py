"""Kernels that are compiled already.

The one idea: a nest is its own key. It is generic in sizes and holds nothing but what makes its machine
code, so two nests are one kernel exactly when they are equal. A call looks up all its nests first, and what
is missing, each nest once, is compiled together: the fixed cost of a module is paid once a call.

There are two layers. `KernelCache` is the one in memory. `Store` is where machine code may come from and go
to outside of the process; the cache asks it before compiling and tells it afterwards.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Sequence
from typing import Protocol

from weft.ir.loops.nest import Nest
from weft.ir.loops.printer import print_nest
from weft.kernels.backend import Code, Kernel

NamedNest = tuple[str, Nest]


class Store(Protocol):
    """Machine code kept beyond the process."""

    def find(self, named: Sequence[NamedNest]) -> dict[str, Code]:
        """The code of those kernels that are kept, by name."""

    def keep(self, named: Sequence[NamedNest], code: Code) -> None:
        """Keep the code of kernels that were just compiled."""


class _Key:
    """A nest as a dictionary key whose hash is computed once: a nest is a deep tree."""

    __slots__ = ("hash", "nest")

    def __init__(self, nest: Nest) -> None:
        self.nest = nest
        self.hash = hash(nest)

    def __hash__(self) -> int:
        return self.hash

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Key) and (self.nest is other.nest or self.nest == other.nest)


def kernel_name(nest: Nest) -> str:
    """The name of a kernel's function, made of the nest's text: the same in every process."""
    return f"weft_{hashlib.blake2b(print_nest(nest).encode(), digest_size=12).hexdigest()}"


class KernelCache:
    """The kernels of one backend in this process; safe to use from many threads.

    Args:
        compile: makes the code of named nests.
        store: a second layer, outside of the process; none when omitted.

    Attributes:
        compilations: how many times ``compile`` was called.
    """

    def __init__(self, compile: Callable[[Sequence[NamedNest]], Code], store: Store | None = None) -> None:
        self.compilations = 0
        self._compile = compile
        self._store = store
        self._kernels: dict[_Key, Kernel] = {}
        self._lock = threading.Lock()

    def get(self, nests: Sequence[Nest]) -> list[Kernel]:
        """A kernel for each nest, compiling what is missing."""
        keys = [_Key(nest) for nest in nests]
        found = [self._kernels.get(key) for key in keys]
        if None in found:
            with self._lock:  # who waited here may find that another thread has compiled it
                self._add(dict.fromkeys(key for key in keys if key not in self._kernels))
        return [kernel or self._kernels[key] for kernel, key in zip(found, keys, strict=True)]

    def _add(self, keys: dict[_Key, None]) -> None:
        """Put kernels for ``keys``, none of which is here, into the cache."""
        names = {key: kernel_name(key.nest) for key in keys}
        codes = self._store.find([(name, key.nest) for key, name in names.items()]) if self._store else {}
        missing = [(name, key.nest) for key, name in names.items() if name not in codes]
        if missing:
            code = self._compile(missing)
            self.compilations += 1
            codes |= {name: code for name, _ in missing}
            if self._store:
                self._store.keep(missing, code)
        for key, name in names.items():
            code = codes[name]
            self._kernels[key] = Kernel(key.nest, name, code.address(name), code)
