"""Long and deep programs: no recursion gives up, work grows with the number of operations, equal parts are compiled once."""

from __future__ import annotations

import functools
import random
from collections.abc import Callable
from typing import Any

import numpy
import pytest

import weft
import weft.numpy as np
from tests.work import count_calls
from weft.ir.passes.fuse import fuse
from weft.ir.passes.pipeline import run_pipeline
from weft.kernels.backend import get_backend
from weft.kernels.cpu.emit import emit_module
from weft.kernels.schedule import schedule


def unrolled(n: int, seed: int = 0) -> Callable[[Any], Any]:
    """About ``n`` operations on a matrix, elementwise and reductions, no two alike."""

    def program(x: Any) -> Any:
        draw = random.Random(seed + n)
        values = [x, x * 0.5, x + 2.0]
        for _ in range(n // 2):
            a, b = (values[-1 - draw.randrange(min(6, len(values)))] for _ in range(2))
            c = draw.uniform(0.5, 1.5)
            step = draw.randrange(6)
            if step == 0:
                values.append(np.tanh(a * c))
            elif step == 1:
                values.append(a - np.mean(b * c, axis=-1, keepdims=True))
            elif step == 2:
                values.append(np.maximum(a, b * c))
            else:
                values.append(a * c + b)
        return functools.reduce(lambda a, b: a + b, values[-6:])

    return program


def chain(n: int) -> Callable[[Any], Any]:
    def program(x: Any) -> Any:
        for k in range(n):
            x = x * (1.0 + k * 1e-6) - 0.5
        return x

    return program


def nested(depth: int) -> Callable[[Any], Any]:
    """Jitted functions, each of which calls the next."""
    fun: Callable[[Any], Any] = np.sin
    for _ in range(depth):
        fun = weft.jit(lambda x, inner=fun: inner(x) * 1.25)
    return fun


def test_many_jits_one_in_another() -> None:
    factor, x = 1.25**80, numpy.linspace(0.0, 1.0, 5)
    numpy.testing.assert_allclose(nested(80)(x), factor * numpy.sin(x), rtol=1e-12)
    numpy.testing.assert_allclose(weft.grad(nested(80))(0.5), factor * numpy.cos(0.5), rtol=1e-12)
    slopes = weft.vmap(weft.jit(weft.grad(nested(80))))(x)
    numpy.testing.assert_allclose(slopes, factor * numpy.cos(x), rtol=1e-12)


def test_nested_jits_are_told_apart_without_looking_inside() -> None:
    def work(depth: int) -> int:
        return count_calls(weft.grad(nested(depth)), 0.5)

    work(8)
    assert work(48) < 5 * work(24)


def test_ten_thousand_operations_in_a_row() -> None:
    x = numpy.linspace(0.0, 1.0, 3)
    expected = x
    for k in range(5000):
        expected = expected * (1.0 + k * 1e-6) - 0.5
    numpy.testing.assert_array_equal(weft.jit(chain(5000))(x), expected)


@pytest.mark.parametrize("jit", [weft.jit, lambda f: f], ids=["jit", "eager"])
def test_the_gradient_of_a_long_chain(jit: Any) -> None:
    slope = jit(weft.grad(lambda x: np.sum(chain(1500)(x))))(numpy.ones(2))
    numpy.testing.assert_allclose(slope, numpy.prod(1.0 + numpy.arange(1500) * 1e-6) * numpy.ones(2))


@pytest.mark.parametrize(
    "step",
    [
        lambda x: np.flip(x[1:]),
        lambda x: np.concatenate([x[1:], x[:1]]),
        lambda x: np.reshape(np.reshape(x, (2, -1)).T, (-1,)),
    ],
    ids=["slices", "concatenations", "transposes"],
)
def test_long_chains_of_index_maps(step: Callable[[Any], Any]) -> None:
    def program(x: Any) -> Any:
        for _ in range(200):
            x = step(x)
        return x

    x = numpy.random.default_rng(0).random(300)
    numpy.testing.assert_array_equal(weft.jit(program)(x), program(x))


def compile_to_text(fun: Callable[[Any], Any], x: Any) -> int:
    """All of Python's way from a function to LLVM IR; how many lines that has."""
    fused = fuse(run_pipeline(weft.make_graph(fun)(x)))
    kernels = [schedule(eqn) for eqn in fused.eqns if "graph" in eqn.params]
    assert len(kernels) == len(fused.eqns)
    return len(emit_module((one.nest, f"kernel{i}") for i, one in enumerate(kernels)).splitlines())


def test_work_and_code_are_linear_in_the_operations() -> None:
    x = numpy.ones((4, 5))
    compile_to_text(unrolled(600, seed=1), x)  # caches of types and promotions are filled
    short = count_calls(compile_to_text, unrolled(600), x)
    long = count_calls(compile_to_text, unrolled(2400), x)
    assert 3 * short < long < 5 * short
    assert compile_to_text(unrolled(2400, seed=2), x) < 5 * compile_to_text(unrolled(600, seed=2), x)


def layers(count: int, width: int) -> tuple[Any, tuple[Any, Any]]:
    """The gradient of a loss, and arguments for it."""
    rng = numpy.random.default_rng(0)
    weights = [rng.normal(size=(width, width)) for _ in range(count)]

    def loss(weights: Any, x: Any) -> Any:
        for w in weights:
            h = np.tanh(x @ w)
            x = h / np.sqrt(np.mean(h * h, axis=-1, keepdims=True) + 1e-5)
        return np.sum(x * x)

    return weft.value_and_grad(loss), (weights, rng.normal(size=(3, width)))


def test_layers_are_compiled_once_and_a_program_is_one_module() -> None:
    before = get_backend().compilations
    gradient, args = layers(4, 8)
    few = weft.jit(gradient)
    few(*args)
    assert get_backend().compilations <= before + 1
    deep, args = layers(12, 8)
    many = weft.jit(deep)
    many(*args)
    nests = many.lower(*args).program.nests
    assert len(nests) > 2 * len(set(nests))
    assert set(nests) == set(few.lower(*layers(4, 8)[1]).program.nests)
    # The same layers, and then another shape: nothing new.
    assert get_backend().compilations <= before + 1
    many(*layers(12, 11)[1])
    assert get_backend().compilations <= before + 1
