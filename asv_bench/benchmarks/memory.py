"""Peak memory of a process of its own that makes its data and calls a jitted function three times, all of it counted."""

from __future__ import annotations

from . import BACKENDS, COMPILERS, Programs, elementwise, network


def three_calls(suite: Programs, backend: str, program: str, n: int) -> None:
    """Set a suite up, which calls its program, and call it twice more."""
    suite.setup(backend, program, n)
    suite.call()
    suite.call()


class PeakOfNetwork:
    params = (COMPILERS,)
    param_names = ("backend",)

    def peakmem_adam_step(self, backend):
        three_calls(network.Network(), backend, "adam_step", 64)


class PeakOfElementwise:
    """Two arrays of 80 MB in, one out."""

    params = (BACKENDS,)
    param_names = ("backend",)

    def peakmem_six_operations(self, backend):
        three_calls(elementwise.SixOperations(), backend, "six_operations", 10_000_000)
