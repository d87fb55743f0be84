"""What type checkers know of the public functions: each line is checked by `make types`, and runs as a test."""

from __future__ import annotations

from typing import Any, assert_type

import weft
import weft.numpy as wnp
from weft import optim, random, stax
from weft.typing import Array, ArrayLike


def line(slope: float, x: ArrayLike, /, at: float = 0.0) -> Array:
    """A function with a signature to keep."""
    return wnp.multiply(slope, x) + at


def pair(x: Array) -> tuple[Array, dict[str, Array]]:
    """A value, and something beside it."""
    return wnp.sum(x), {"largest": wnp.max(x)}


def check_transformations(x: Array) -> None:
    """Functions keep their signatures."""
    assert_type(weft.jit(line)(2.0, x, at=1.0), Array)
    assert_type(weft.jit(static_argnames="at")(line)(2.0, x), Array)
    assert_type(weft.jit(pair)(x), tuple[Array, dict[str, Array]])
    assert_type(weft.vmap(pair)(x), tuple[Array, dict[str, Array]])
    assert_type(weft.checkpoint(pair)(x), tuple[Array, dict[str, Array]])
    assert_type(weft.value_and_grad(line)(2.0, 3.0)[0], Array)
    assert_type(weft.grad(pair, has_aux=True)(x)[1], dict[str, Array])
    assert_type(weft.jvp(wnp.sin, (x,), (x,)), tuple[Array, Array])
    assert_type(weft.vjp(pair, x, has_aux=True)[2], dict[str, Array])
    assert_type(weft.custom_jvp(pair)(x), tuple[Array, dict[str, Array]])


def check_statistics(x: Array) -> None:
    """Distributions and searches have the types of arrays and of their results."""
    from weft.scipy import optimize, stats

    assert_type(stats.norm.logpdf(x, loc=1.0), Array)
    assert_type(stats.rankdata(x), Array)
    assert_type(optimize.minimize(lambda p: wnp.sum(p**2), x[0], method="BFGS"), optimize.OptimizeResults)


def check_functions(x: Array) -> None:
    """Results have their types."""
    assert_type(wnp.sum(x, axis=(0, 1)), Array)
    assert_type(wnp.zeros((2, 3), "float32"), Array)
    assert_type(wnp.add(1, [1.0, 2.0]), Array)
    assert_type(wnp.add.reduce(x), Array)
    assert_type(wnp.where(x > 0, x, 0.0), Array)
    assert_type(wnp.where(x > 0), tuple[Array, ...])
    assert_type(wnp.unique(x), Array)
    assert_type(wnp.unique(x, return_counts=True), tuple[Array, Array])
    assert_type(wnp.linspace(0, 1, 5), Array)
    assert_type(wnp.linspace(0, 1, retstep=True), tuple[Array, Array])
    assert_type(wnp.intersect1d(x, x, return_indices=True), tuple[Array, Array, Array])
    assert_type(wnp.average(x, returned=True), tuple[Array, Array])
    assert_type(wnp.split(x, 2), list[Array])
    assert_type(wnp.shape(x), tuple[int, ...])
    assert_type(wnp.fft.rfft(x), Array)
    assert_type(wnp.linalg.solve(x, x), Array)
    assert_type(weft.lax.top_k(x, 1), tuple[Array, Array])
    assert_type(weft.nn.relu(x), Array)
    assert_type(weft.scipy.special.gammaln(x), Array)
    assert_type(weft.scipy.linalg.expm(x), Array)
    assert_type(random.normal(random.key(0), (3,)), Array)


def check_arrays(x: Array) -> None:
    """Operators and methods give arrays."""
    assert_type(2 * x + x, Array)
    assert_type(x @ x, Array)
    assert_type(-x, Array)
    assert_type(x < 1, Array)
    assert_type(x[0], Array)
    assert_type(x.T, Array)
    assert_type(x.astype("float32"), Array)
    assert_type(x.reshape(2, -1), Array)
    assert_type(x.sum(axis=0), Array)
    assert_type(x.at[0].set(1.0), Array)
    assert_type(x.shape, tuple[int, ...])
    assert_type(float(x[0, 0]), float)


def check_training(x: Array) -> None:
    """Layers and optimizers."""
    assert_type(stax.Dense(3), stax.Layer)
    assert_type(optim.adam(1e-3), optim.Optimizer)
    params: Any = stax.Dense(3).init(random.key(0), (-1, 2))[1]
    assert_type(optim.adam(optim.cosine_decay(0.1, 10)).init(params), Any)
