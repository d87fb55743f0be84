"""From a Python function to its first result: each time in a process that has compiled something else before.

Caches on disk are off. `first_call` makes the function and its data, and compiles and runs another one, so that what is
timed is tracing, passes and code generation, but no import and nothing that is made once a process.
"""

from __future__ import annotations

import functools
import random
from collections.abc import Callable
from typing import Any, ClassVar

from . import COMPILERS, FIND_US, Backend, layers, loop_gradients, loops, network_loss, normal
from .dispatch import six_operations
from .network import gradient, network_data
from .transformer import stack_data, stack_gradient

PROGRAMS: dict[str, tuple[Callable[..., Any], Callable[[], tuple[Any, ...]]]] = {
    "six_operations": (six_operations, lambda: (normal(1000), normal(1000) + 1.0)),
    "network_gradient": (gradient, lambda: network_data(64)),
    "transformer_gradient": (stack_gradient, lambda: stack_data(12)),
}
LOOPS = {
    name: (program, functools.partial(suite().arguments, name, suite.sizes[0]))
    for name, (suite, program) in {**loops.named(loops), **loops.named(loop_gradients)}.items()
}
LOOPS["python_loop"] = (loops.python_loop, lambda: (normal(1000),))


def unrolled(backend: Backend, count: int, x: Any, y: Any) -> Any:
    """`count` steps on two rows of numbers, elementwise ones and now and then a reduction, no two of them alike."""
    np, draw = backend.np, random.Random(count)
    steps: tuple[tuple[int, Callable[[Any, Any, float], Any]], ...] = (  # with the operations in each
        (2, lambda x, y, c: x * c + y),
        (2, lambda x, y, c: np.sin(x + c)),
        (2, lambda x, y, c: np.where(x > c - 1.0, x, y)),
        (3, lambda x, y, c: x / (y * y + c)),
        (3, lambda x, y, c: np.tanh(c * x) - y),
        (3, lambda x, y, c: np.maximum(x - c, -y)),
        (3, lambda x, y, c: np.sqrt(x * x + c)),
        (4, lambda x, y, c: x - c * np.mean(x)),
    )
    weights = [20] * 7 + [7]
    while count > 0:
        ((operations, step),) = draw.choices(steps, weights)
        x, y = step(x, y, draw.uniform(0.5, 1.5)), x
        count -= operations
    return x, np.sum(y)


def first_call(backend_name: str, program: str | int) -> Callable[[], None]:
    """The call to be timed: the first one of a program, by name or by a number of unrolled operations."""
    backend = Backend.of(backend_name)
    backend.prepare(backend.jit(lambda x: backend.np.sum(backend.np.cos(x) * 3.0)), (normal(7),))
    if isinstance(program, int):
        fun: Callable[..., Any] = functools.partial(unrolled, backend, program)
        data = (normal(1000), normal(1000) + 1.0)
    else:
        make, arguments = {**PROGRAMS, **LOOPS}[program]
        fun, data = functools.partial(make, backend), arguments()
    jitted, arrays = backend.jit(fun), backend.arrays(data)
    return lambda: backend.wait(jitted(*arrays))


class Cold:
    param_names = ("backend", "program")
    params = (COMPILERS, tuple(PROGRAMS))
    env: ClassVar = {"WEFT_CACHE": "0"}
    number, repeat, rounds, warmup_time = 1, 5, 1, 0
    timeout = 300

    def timeraw_first_call(self, backend, program):
        return (
            "call()",
            f"{FIND_US}; from {__name__} import first_call; call = first_call({backend!r}, {program!r})",
        )


class Loops(Cold):
    params = (COMPILERS, tuple(LOOPS))


class Unrolled(Cold):
    """Programs of a thousand and of five thousand operations."""

    param_names = ("backend", "operations")
    params = (COMPILERS, (1_000, 5_000))


class NewJit:
    """A network's gradient in a new `jit`: traced anew, and compiled anew unless kernels are shared."""

    param_names = ("backend",)
    params = (COMPILERS,)
    number, repeat, rounds, warmup_time = 1, 9, 1, 0
    timeout = 120

    def setup(self, backend):
        self.backend = Backend.of(backend)
        self.args = self.backend.arrays((layers(8, 16, 16, 16, 4), normal(32, 8), normal(32, 4)))
        self.time_first_call(backend)

    def time_first_call(self, backend):
        gradient_of = self.backend.api.value_and_grad(functools.partial(network_loss, self.backend))
        self.backend.wait(self.backend.jit(gradient_of)(*self.args))
