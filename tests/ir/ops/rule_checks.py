"""What an operation of any family must satisfy: its graph's derivatives and batches, checked against NumPy.

Functions under test take values and give one value or a tuple; arrays they need are arguments, not captured.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from weft.ir.builder import build, type_of_value
from weft.ir.graph import Graph
from weft.ir.interpret import evaluate
from weft.ir.passes.batch import batch
from weft.ir.passes.jvp import jvp
from weft.ir.passes.linearize import linearize
from weft.ir.passes.transpose import transpose
from weft.ir.verify import verify


def trace(fun: Callable[..., Any], *args: Any) -> Graph:
    """The graph of ``fun`` at the types of ``args``, verified."""

    def listed(*values: Any) -> list[Any]:
        out = fun(*values)
        return list(out) if isinstance(out, tuple | list) else [out]

    graph = build(listed, [type_of_value(a) for a in args])
    verify(graph)
    return graph


def noise(rng: np.random.Generator, like: np.ndarray) -> np.ndarray:
    """Normal numbers of the shape and dtype of ``like``."""
    real = rng.normal(size=like.shape)
    return (real + 1j * rng.normal(size=like.shape) if like.dtype.kind == "c" else real).astype(like.dtype)


def check_staged(fun: Callable[..., Any], *args: Any) -> list[np.ndarray]:
    """The graph has the types of the eager results, and gives the same; returns them."""
    graph = trace(fun, *args)
    eager = fun(*args)
    eager = list(eager) if isinstance(eager, tuple | list) else [eager]
    for out, again, type_ in zip(eager, evaluate(graph, *args), graph.out_types, strict=True):
        assert type_of_value(out) == type_of_value(again) == type_
        assert np.asarray(out).tobytes() == np.asarray(again).tobytes()
    return eager


def _pairing(cts: Sequence[Any], values: Sequence[Any]) -> float:
    return sum(float(np.real(np.sum(c * v))) for c, v in zip(cts, values, strict=True))


def check_derivatives(
    fun: Callable[..., Any],
    *args: Any,
    active: Sequence[int] | None = None,
    order: int = 2,
    tol: float = 1e-6,
    step: float = 1e-5,
) -> None:
    """Forward mode against central differences, reverse mode against forward, and again on the derivative.

    Args:
        fun: the function.
        *args: arrays in double precision (and integers).
        active: which arguments to differentiate by; all inexact ones where not given.
        order: how often to differentiate.
        tol: relative error allowed.
        step: of the differences.
    """
    args = tuple(np.asarray(a) for a in args)
    if active is None:
        active = [i for i, a in enumerate(args) if a.dtype.kind in "fc"]
    graph = trace(fun, *args)
    verify(graph)
    flags = tuple(i in active for i in range(len(args)))
    rng = np.random.default_rng(order)
    tangents = [noise(rng, args[i]) for i in active]

    def moved(h: float) -> list[Any]:
        shifted = list(args)
        for i, t in zip(active, tangents, strict=True):
            shifted[i] = args[i] + h * t
        return evaluate(graph, *shifted)

    forward = jvp(graph, flags)
    verify(forward)
    outs = evaluate(forward, *args, *tangents)
    values, found = outs[: len(graph.outs)], outs[len(graph.outs) :]
    for value, tangent, above, below in zip(values, found, moved(step), moved(-step), strict=True):
        if value.dtype.kind not in "fc":
            continue
        difference = (above - below) / (2 * step)
        scale = max(1.0, float(np.max(np.abs(difference), initial=0)))
        np.testing.assert_allclose(tangent, difference, rtol=0, atol=tol * scale)

    split = linearize(graph, flags)
    residuals = evaluate(split.primal, *args)[len(graph.outs) :]
    linear = evaluate(split.linear, *tangents, *residuals)
    smooth = [t for t, on in zip(found, split.out_active, strict=True) if on]
    for a, b in zip(linear, smooth, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-9 * max(1.0, float(np.max(np.abs(b), initial=0))))
    back = transpose(split.linear, (True,) * len(active) + (False,) * len(residuals))
    verify(back)
    cts = [noise(rng, t) for t in smooth]
    pulled = evaluate(back, *residuals, *cts)
    scale = max(1.0, sum(float(np.sum(np.abs(c * t))) for c, t in zip(cts, smooth, strict=True)))
    assert abs(_pairing(cts, smooth) - _pairing(pulled, tangents)) < 1e-9 * scale

    if order > 1:

        def derivative(*both: Any) -> list[Any]:
            found = evaluate(forward, *both)[len(graph.outs) :]
            return [t for t, on in zip(found, split.out_active, strict=True) if on]

        again = [*active, *range(len(args), len(args) + len(active))]
        check_derivatives(
            derivative, *args, *tangents, active=again, order=order - 1, tol=10 * tol, step=step
        )


def check_batch(fun: Callable[..., Any], *args: Any, size: int = 3, tol: float = 0.0) -> None:
    """The batched graph equals a loop over examples, for every choice of mapped arguments.

    Args:
        fun: the function.
        *args: arguments of one example; others are drawn by shuffling their elements.
        size: the number of examples.
        tol: relative error allowed; 0 asks for the same bits.
    """
    args = tuple(np.asarray(a) for a in args)
    graph = trace(fun, *args)
    rng = np.random.default_rng(3)
    for case, mapped in enumerate(itertools.product([False, True], repeat=len(args))):
        if not any(mapped):
            continue
        axes = [
            (case + i) % (a.ndim + 1) if m else None
            for i, (a, m) in enumerate(zip(args, mapped, strict=True))
        ]
        examples = [
            [
                rng.permutation(a.ravel()).reshape(a.shape) if m and a.ndim else a
                for a, m in zip(args, mapped, strict=True)
            ]
            for _ in range(size)
        ]
        compare_batch(graph, examples, axes, tol)


def compare_batch(
    graph: Graph, examples: list[list[np.ndarray]], axes: Sequence[int | None], tol: float
) -> None:
    """The graph batched along ``axes`` on ``examples`` stacked equals the graph on each of them."""
    stacked = [
        examples[0][i] if axis is None else np.stack([e[i] for e in examples], axis)
        for i, axis in enumerate(axes)
    ]
    batched, out_axes = batch(graph, axes, len(examples))
    verify(batched)
    outs = evaluate(batched, *stacked)
    for i, (out, axis) in enumerate(zip(outs, out_axes, strict=True)):
        assert type_of_value(out) == batched.outs[i].type
        for j, example in enumerate(examples):
            expected = evaluate(graph, *example)[i]
            got = out if axis is None else np.take(out, j, axis)
            if tol:
                scale = max(1.0, float(np.max(np.abs(expected), initial=0)))
                np.testing.assert_allclose(got, expected, rtol=0, atol=tol * scale)
            else:
                np.testing.assert_array_equal(got, expected)
