"""A second process: what import costs, and from import to the first result when all was compiled before."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from typing import Any

from . import BACKENDS, COMPILERS, FIND_US, Backend
from .network import gradient, network_data


def keep_bytecode() -> None:
    """Let new processes find Weft's modules compiled, as an installed package's are, whatever this one was told."""
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


def first_gradient(backend_name: str) -> Any:
    """The value and gradient of the network in `network`, jitted."""
    backend = Backend.of(backend_name)
    params, x, y = backend.arrays(network_data(64))
    result = backend.jit(lambda params, x, y: gradient(backend, params, x, y))(params, x, y)
    backend.wait(result)
    return result


class FromImport:
    """The first result of a network's gradient, with caches on disk that an earlier process has filled.

    JAX's persistent cache is told to keep everything.
    """

    param_names = ("backend",)
    params = (COMPILERS,)
    number, repeat, rounds, warmup_time = 1, 5, 1, 0
    timeout = 120

    def setup(self, backend):
        keep_bytecode()
        self.folder = tempfile.TemporaryDirectory(prefix="benchmark-cache-")
        self.code = (
            f"{FIND_US}; import os; os.environ.update(WEFT_CACHE_DIR={self.folder.name!r}, "
            f"JAX_COMPILATION_CACHE_DIR={self.folder.name!r}, JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS='0', "
            f"JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES='-1'); "
            f"from {__name__} import first_gradient; first_gradient({backend!r})"
        )
        subprocess.run([sys.executable, "-c", self.code], check=True)

    def teardown(self, backend):
        self.folder.cleanup()

    def timeraw_first_result(self, backend):
        return self.code


class Import:
    """`import` in a new process."""

    param_names = ("backend",)
    params = (BACKENDS,)
    number, repeat, rounds, warmup_time = 1, 5, 1, 0

    def setup(self, backend):
        keep_bytecode()
        subprocess.run([sys.executable, "-c", self.timeraw_import(backend)], check=True)

    def timeraw_import(self, backend):
        return f"import {backend}" if backend == "numpy" else f"import {backend}.numpy"
