"""Where programs run, in JAX's words: one process and one device, the CPU; and scopes that say something to a compiler.

The one idea: what JAX programs say about devices, processes and names has one answer here, so they run unchanged.
"""

from __future__ import annotations

import contextlib
import functools
import platform
from collections.abc import Callable, Iterator
from typing import Any, ParamSpec, TypeVar

from weft.engine.array import to_value
from weft.engine.device import CPU, Device, check_device
from weft.ir.builder import evaluating, type_of_value
from weft.ir.types import ArrayType

P = ParamSpec("P")
R = TypeVar("R")


def devices(backend: str | None = None) -> list[Device]:
    """The devices there are: the CPU."""
    check_device(backend, "devices")
    return [CPU]


def local_devices(process_index: int | None = None, backend: str | None = None) -> list[Device]:
    """The devices of this process: the CPU."""
    return devices(backend)


def device_count(backend: str | None = None) -> int:
    """How many devices there are: 1. `weft.config.threads` says how many threads share the work."""
    return len(devices(backend))


def local_device_count(backend: str | None = None) -> int:
    """How many devices this process has: 1."""
    return len(devices(backend))


def process_index(backend: str | None = None) -> int:
    """The number of this process: 0."""
    check_device(backend, "process_index")
    return 0


def process_count(backend: str | None = None) -> int:
    """How many processes share an array: 1."""
    check_device(backend, "process_count")
    return 1


def default_backend() -> str:
    """What functions are compiled for: ``"cpu"``."""
    return CPU.platform


def clear_caches() -> None:
    """Forget what every jitted function has traced; machine code on disk stays."""
    from weft.engine.transforms.jit import forget

    forget()


def effects_barrier() -> None:
    """Wait for callbacks and prints: there is nothing to wait for, they are done when a call returns."""


def typeof(x: Any) -> ArrayType:
    """The type of an array, number or traced value: shape and dtype, printed as ``f64[3,4]``."""
    return type_of_value(to_value(x))


def print_environment_info(return_string: bool = False) -> str | None:
    """Print versions of what decides about results and speed, for reports; or give the text."""
    import llvmlite
    import numba
    import numpy

    import weft
    from weft.engine.runtime.threads import thread_count

    text = "\n".join(
        (
            f"weft:    {weft.__version__}, {thread_count()} threads",
            f"numpy:   {numpy.__version__}",
            f"numba:   {numba.__version__}, llvmlite {llvmlite.__version__}",
            f"python:  {platform.python_version()}",
            f"system:  {platform.platform()}",
        )
    )
    if return_string:
        return text
    print(text)
    return None


class named_scope(contextlib.ContextDecorator):
    """A name for what is computed inside: a context manager or decorator. Graphs keep source lines instead, see `debugging`."""

    def __init__(self, name: str):
        self.name = name

    def __enter__(self) -> str:
        return self.name

    def __exit__(self, *error: object) -> None:
        return None


def named_call(fun: Callable[P, R], *, name: str | None = None) -> Callable[P, R]:
    """``fun`` under a name, by which messages and graphs call it."""

    @functools.wraps(fun)
    def named(*args: P.args, **kwargs: P.kwargs) -> R:
        return fun(*args, **kwargs)

    if name is not None:
        named.__name__ = named.__qualname__ = name
    return named


@contextlib.contextmanager
def ensure_compile_time_eval() -> Iterator[None]:
    """While it is open, what depends on no traced value is computed at once, `arange` and `zeros` too, and has a value."""
    with evaluating():
        yield


@contextlib.contextmanager
def default_matmul_precision(precision: Any) -> Iterator[None]:
    """Accepted for compatibility: products are always computed in the precision of their dtype, or a higher one."""
    yield
