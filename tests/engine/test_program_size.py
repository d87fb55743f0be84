"""What is compiled grows in step with the program: twice the operations, about twice the equations, kernels and loops.

Counts, not times: a pass that is quadratic in what it makes shows here on any machine.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import weft
import weft.numpy as wnp
from weft.engine.trace import trace
from weft.engine.tree import flatten
from weft.ir.graph import Graph, sub_graphs
from weft.ir.loops.printer import print_nest
from weft.ir.ops.kernel import kernel_p
from weft.ir.passes.fuse import fuse
from weft.ir.passes.pipeline import run_pipeline
from weft.ir.types import ArrayType
from weft.kernels.schedule import schedule


def elementwise(n: int) -> Callable[..., Any]:
    """``n`` different operations, each on two of the last twenty values."""

    def fun(x: Any, y: Any) -> Any:
        rng = random.Random(0)
        values = [x, y]
        for i in range(n):
            a, b = values[-1], rng.choice(values[-20:])
            values.append((a + b) * (0.5 + 1e-3 * i) if rng.random() < 0.5 else wnp.maximum(a, -b) + i)
        return values[-1], values[-3]

    return fun


def normalised(n: int) -> Callable[..., Any]:
    """The same with the mean of each row taken off every tenth time."""

    def fun(x: Any, y: Any) -> Any:
        for i in range(n):
            x = wnp.sqrt(x * x + y) * (0.5 + 1e-3 * i)
            if i % 10 == 0:
                x, y = x - x.mean(axis=-1, keepdims=True), x
        return x

    return fun


def stencils(n: int) -> Callable[..., Any]:
    """Steps on the inside of a line, each with a number of its own; what is outside stays, or is masked."""

    def fun(x: Any, y: Any) -> Any:
        for i in range(n):
            new = x[:, 1:-1] + (0.1 + 1e-3 * i * i) * (x[:, 2:] - x[:, :-2])
            x = x.at[:, 1:-1].set(wnp.where(y[:, 1:-1] > 0, new, 0.0) if i % 2 else new)
        return x

    return fun


def gradient(n: int) -> Callable[..., Any]:
    return weft.grad(lambda x, y: normalised(n)(x, y).sum(), (0, 1))


def sizes(fun: Callable[..., Any]) -> dict[str, int]:
    """Equations traced, equations in kernels, kernels, and lines of loop nests."""
    args = (np.ones((4, 8)), np.ones((4, 8)))
    _, in_tree = flatten((args, {}))
    graph = trace(fun, [ArrayType(x.shape, x.dtype) for x in args], in_tree, kind="jit").graph
    fused = fuse(run_pipeline(graph))
    kernels = [eqn for eqn in fused.eqns if eqn.prim is kernel_p]
    inner: list[Graph] = [sub for eqn in kernels for _, sub in sub_graphs(eqn)]
    return {
        "equations": len(graph.eqns),
        "fused": sum(len(g.eqns) for g in inner),
        "kernels": len(kernels),
        "lines": sum(print_nest(schedule(eqn).nest).count("\n") for eqn in kernels),
    }


@pytest.mark.parametrize("family", [elementwise, normalised, stencils, gradient])
def test_programs_grow_linearly(family: Callable[[int], Callable[..., Any]]) -> None:
    small, large = sizes(family(150)), sizes(family(600))
    for what, count in small.items():
        assert large[what] <= 4.6 * count + 4, (what, count, large[what])


def test_long_elementwise_programs_are_few_kernels() -> None:
    found = sizes(elementwise(1000))
    assert found["kernels"] <= found["equations"] / 150, found


def test_a_layer_is_compiled_once() -> None:
    """The same computation many times over, with other lengths and weights, needs the loops of one."""

    def network(x: Any, *weights: Any) -> Any:
        for w in weights:
            x = wnp.tanh(x @ w) + 0.5
        return x

    few = weft.jit(network).lower(np.ones((3, 17)), *[np.ones((17, 17))] * 4).program
    many = weft.jit(network).lower(np.ones((5, 29)), *[np.ones((29, 29))] * 40).program
    assert set(many.nests) == set(few.nests)
