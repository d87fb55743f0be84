"""From nothing to the first result: a program never seen before, a known one in a new `jit`, and import."""

from __future__ import annotations

import functools
import random

from . import BACKENDS, Backend, layers, network_loss, normal

STEPS = (
    lambda np, x, y: x * y + x,
    lambda np, x, y: np.sin(x) - y,
    lambda np, x, y: np.exp(-x * x),
    lambda np, x, y: np.where(x > y, x, y),
    lambda np, x, y: np.tanh(x + y),
    lambda np, x, y: np.sqrt(1.0 + x * x),
    lambda np, x, y: x / (1.0 + y * y),
    lambda np, x, y: np.maximum(x, -y),
)


def chain(backend, steps, x, y):
    for step in steps:
        x, y = step(backend.np, x, y), x
    return x, backend.np.sum(y)


class Once:
    """Suites whose timed call does something that can be done only once with one set-up."""

    param_names = ("backend",)
    params = (BACKENDS,)
    number, repeat, rounds, warmup_time = 1, 9, 1, 0
    timeout = 120


class NewProgram(Once):
    def setup(self, backend):
        """A chain of 16 steps out of 8: each process and call draws one that no cache has seen."""
        if backend == "numpy":
            raise NotImplementedError("NumPy does not compile")
        self.backend = Backend.of(backend)
        self.x, self.y = self.backend.arrays((normal(1000), normal(1000) + 1.0))
        self.time_first_call(backend)

    def time_first_call(self, backend):
        steps = random.SystemRandom().choices(STEPS, k=16)
        program = self.backend.jit(functools.partial(chain, self.backend, steps))
        self.backend.wait(program(self.x, self.y))


class NewJit(Once):
    def setup(self, backend):
        """A network's gradient in a new `jit`: traced anew, and compiled anew unless kernels are shared."""
        if backend == "numpy":
            raise NotImplementedError("NumPy does not compile")
        self.backend = Backend.of(backend)
        self.args = self.backend.arrays((layers(8, 16, 16, 16, 4), normal(32, 8), normal(32, 4)))
        self.time_first_call(backend)

    def time_first_call(self, backend):
        gradient = self.backend.api.value_and_grad(functools.partial(network_loss, self.backend))
        self.backend.wait(self.backend.jit(gradient)(*self.args))


class Import(Once):
    """`import` in a new process, and the interpreter's own start with it."""

    repeat = 5

    def timeraw_import(self, backend):
        return f"import {backend}" if backend == "numpy" else f"import {backend}.numpy"
