"""What the suites share: the backends, how a program is made ready to be timed, and the data.

A program is a function `program(backend, *arrays)` that takes its array functions from `backend.np` and its
transformations from `backend.api`, so that the three backends run the same text. Compilation happens in
`setup`, and the timed call waits for its result. A suite skips what a backend cannot do by raising
NotImplementedError in `setup`, as asv wants it.
"""

from __future__ import annotations

import functools
import importlib
import itertools
import os
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy

os.environ.setdefault("JAX_ENABLE_X64", "1")
os.environ.setdefault("JAX_PLATFORMS", "cpu")

BACKENDS = ("weft", "numpy", "jax")
COMPILERS = ("weft", "jax")
# A line for scripts in processes of their own (asv's timeraw_), so that they find this package.
FIND_US = (
    f"import sys; sys.path.insert(0, {str(Path(__file__).resolve().parents[__name__.count('.') + 1])!r})"
)


@dataclass(frozen=True)
class Backend:
    """One of the compared packages; `api` has its transformations (NumPy has none), `np` its functions."""

    name: str
    api: Any
    np: Any

    @classmethod
    @functools.cache
    def of(cls, name: str) -> Backend:
        """The backend of this name; NotImplementedError where its package is not installed."""
        if name == "numpy":
            return cls(name, None, numpy)
        try:
            return cls(name, importlib.import_module(name), importlib.import_module(f"{name}.numpy"))
        except ModuleNotFoundError as error:
            if error.name != name:
                raise
            raise NotImplementedError(f"{name} is not installed") from error

    def jit(self, fun: Callable[..., Any]) -> Callable[..., Any]:
        return fun if self.api is None else self.api.jit(fun)

    def arrays(self, tree: Any) -> Any:
        """NumPy arrays in tuples, lists and dicts -> the same of the backend's arrays."""
        if isinstance(tree, dict):
            return {key: self.arrays(value) for key, value in tree.items()}
        if isinstance(tree, tuple | list):
            return type(tree)(self.arrays(value) for value in tree)
        return self.np.asarray(tree)

    def wait(self, tree: Any) -> None:
        """Return when the arrays are computed."""
        if isinstance(tree, dict):
            tree = tuple(tree.values())
        if isinstance(tree, tuple | list):
            for leaf in tree:
                self.wait(leaf)
        elif self.api is not None:
            tree.block_until_ready()

    def prepare(self, fun: Callable[..., Any], args: Any) -> Callable[[], Any]:
        """Call `fun` once, which compiles it, and return the call that is to be timed: as little around it as can be."""
        arrays = self.arrays(args)
        result = fun(*arrays)
        self.wait(result)
        if self.api is None:
            return functools.partial(fun, *arrays)
        if hasattr(result, "block_until_ready"):
            return lambda: fun(*arrays).block_until_ready()
        return lambda: self.wait(fun(*arrays))


class Programs(ABC):
    """A suite: each of its programs at each size on each backend.

    A subclass lists `programs` and `sizes`, and says by `data(program, n)` what a program is called with.
    `transforms` leaves NumPy out, which has none, `without_numpy` single programs; `jit` False runs the programs
    eagerly; `dtype` is that of the floats among the data. `by_hand` adds the backend "numba": functions in the file of
    that name, of NumPy arrays, that do the same as programs of their names. (asv passes over this class because it is
    abstract.)
    """

    programs: tuple[Callable[..., Any], ...]
    sizes: tuple[int, ...]
    transforms = False
    without_numpy: tuple[str, ...] = ()
    jit = True
    dtype = "float64"
    by_hand = False
    param_names = ("backend", "program", "n")

    def __init_subclass__(cls) -> None:
        backends = (*BACKENDS, "numba") if cls.by_hand else BACKENDS
        cls.params = (backends, tuple(program.__name__ for program in cls.programs), cls.sizes)

    @abstractmethod
    def data(self, program: str, n: int) -> tuple[Any, ...]:
        """The NumPy arrays, in trees or not, with which the program of that name is called."""

    def arguments(self, program: str, n: int) -> Any:
        """The data with floats in the suite's dtype."""
        return cast(self.data(program, n), self.dtype)

    def setup(self, backend: str, program: str, n: int) -> None:
        if backend == "numpy" and (self.transforms or program in self.without_numpy):
            raise NotImplementedError("NumPy has no such function")
        if backend == "numba":  # imported here: a process that measures another backend's memory does without
            written = vars(importlib.import_module(f"{__name__}.by_hand"))
            if program not in written:
                raise NotImplementedError(f"{program} is not written by hand")
            self.call = functools.partial(written[program], *self.arguments(program, n))
            self.call()
            return
        (program_function,) = (fun for fun in self.programs if fun.__name__ == program)
        of = Backend.of(backend)
        fun = functools.partial(program_function, of)
        self.call = of.prepare(of.jit(fun) if self.jit else fun, self.arguments(program, n))

    def time_call(self, backend: str, program: str, n: int) -> None:
        self.call()


def cast(tree: Any, dtype: str) -> Any:
    """A tree of arrays with its floats in another dtype."""
    if isinstance(tree, dict):
        return {key: cast(value, dtype) for key, value in tree.items()}
    if isinstance(tree, tuple | list):
        return type(tree)(cast(value, dtype) for value in tree)
    return tree.astype(dtype) if tree.dtype.kind == "f" else tree


def normal(*shape: int) -> numpy.ndarray:
    """Standard normal numbers in float64, the same ones for the same shape."""
    return numpy.random.default_rng(shape).normal(size=shape)


def layers(*sizes: int) -> list[dict[str, numpy.ndarray]]:
    """The weights and biases of a dense network."""
    return [{"w": normal(m, n) / m**0.5, "b": numpy.zeros(n)} for m, n in itertools.pairwise(sizes)]


def network_loss(backend: Backend, params: list[dict[str, Any]], x: Any, y: Any) -> Any:
    """Mean squared error of a dense network with tanh between its layers."""
    *hidden, last = params
    for layer in hidden:
        x = backend.np.tanh(x @ layer["w"] + layer["b"])
    return backend.np.mean((x @ last["w"] + last["b"] - y) ** 2)
