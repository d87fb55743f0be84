"""What a call with a new shape costs: JAX traces and compiles, Weft traces and finds its kernels generic."""

from __future__ import annotations

import functools
import itertools

from . import COMPILERS, Backend, layers, network_loss, normal


class NewShape:
    """A jitted function called with one more row each time, up to asv's few repeats."""

    param_names = ("backend", "program")
    params = (COMPILERS, ("elementwise", "network"))
    number, repeat, rounds, warmup_time = 1, 15, 1, 0
    timeout = 120
    most = 20_000  # rows

    def setup(self, backend, program):
        self.backend = Backend.of(backend)
        self.rows = itertools.cycle(range(100, self.most))
        if program == "network":
            self.fun = self.backend.jit(functools.partial(network_loss, self.backend))
            self.params_ = (self.backend.arrays(layers(8, 16, 16, 4)),)
            self.data = normal(self.most, 8), normal(self.most, 4)
        else:
            self.params_, self.data = (), (normal(self.most),)
            self.fun = self.backend.jit(lambda x: self.backend.np.tanh(x) * x + self.backend.np.exp(-x * x))
        self.time_new_shape(backend, program)

    def time_new_shape(self, backend, program):
        n = next(self.rows)
        self.backend.wait(self.fun(*self.params_, *[data[:n] for data in self.data]))


class Compiles:
    """How many times Weft compiled for twenty shapes: once."""

    param_names = ("program",)
    params = (("elementwise", "network"),)
    unit = "compiles"

    def track_compiles_of_twenty_shapes(self, program):
        suite = NewShape()
        suite.setup("weft", program)
        for _ in range(19):
            suite.time_new_shape("weft", program)
        return suite.fun.compiles
