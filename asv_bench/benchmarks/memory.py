"""Peak memory of a process of its own that makes its data and calls a jitted function three times, all of it counted."""

from __future__ import annotations

from typing import ClassVar

from . import BACKENDS, COMPILERS, Programs, elementwise, loop_gradients, loops, network


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


class PeakOfLoops:
    named: ClassVar = {**loops.named(loops), **loops.named(loop_gradients)}
    params = (COMPILERS, tuple(named))
    param_names = ("backend", "program")

    def peakmem_loop(self, backend, program):
        suite, _ = self.named[program]
        three_calls(suite(), backend, program, suite.sizes[0])
