"""Laws that hold for every program: compiling, transforming and optimising keep its meaning.

``HYPOTHESIS_PROFILE=thorough`` (an environment variable) looks at many more programs than the default.
"""

from __future__ import annotations

import os
import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

import weft
import weft.numpy as wnp
from tests.engine.random_programs import FLOATS, Program, array, assert_close, programs
from tests.ir.random_graphs import assert_same
from weft.engine import tree
from weft.engine.trace import Traced, trace
from weft.ir.graph import Graph
from weft.ir.interpret import evaluate
from weft.ir.parser import parse_graph
from weft.ir.passes.fuse import fuse
from weft.ir.passes.pipeline import BEFORE_FUSION
from weft.ir.printer import print_graph
from weft.ir.types import ArrayType
from weft.ir.verify import verify

THOROUGH = os.environ.get("HYPOTHESIS_PROFILE") == "thorough"


def examples(n: int) -> Any:
    """How many programs a law is tried on."""
    return settings(
        max_examples=40 * n if THOROUGH else n,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
    )


def arrays(program: Program) -> list[Any]:
    return [wnp.asarray(x) for x in program.args]


def traced(program: Program) -> Traced:
    _, in_tree = tree.flatten((program.args, {}))
    return trace(program, [ArrayType(x.shape, x.dtype) for x in program.args], in_tree, kind="make_graph")


@examples(60)
@given(program=programs())
def test_jit_keeps_the_meaning(program: Program) -> None:
    args = arrays(program)
    assert_close(weft.jit(program)(*args), program, *args)


@examples(50)
@given(program=programs())
def test_donation_changes_nothing(program: Program) -> None:
    """What the memory of all arguments may be written over with is right, and what others see of it stays."""
    wanted = [wnp.asarray(x) for x in weft.jit(program)(*arrays(program))]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # most arguments find no result of their type
        donating = weft.jit(program, donate_argnums=tuple(range(len(program.args))))
        args = arrays(program)
        for _ in range(2):
            given_up = [wnp.array(np.asarray(x)) for x in args]
            seen = [np.asarray(x) for x in given_up[::2]]
            assert_close(donating(*given_up), program, *args)
            for x, old in zip(seen, args[::2], strict=True):
                assert x.tobytes() == np.asarray(old).tobytes()
            seen.clear()
            found = donating(*[wnp.array(np.asarray(x)) for x in args])
            assert_close(found, program, *args)
            assert [x.shape for x in found] == [x.shape for x in wanted]


@examples(25)
@given(program=programs(), lengths=st.permutations([2, 3, 4, 7, 1, 19]), seed=st.integers(0, 9))
def test_jit_serves_other_shapes(program: Program, lengths: list[int], seed: int) -> None:
    """Lengths are exchanged for others, equal ones for equal ones; 1 stays 1."""
    jitted = weft.jit(program)
    jitted(*arrays(program))
    others = dict(zip((2, 3, 5, 17, 0), lengths, strict=False))
    args = [
        wnp.asarray(array(x.dtype, [others.get(n, n) for n in x.shape], seed, special=False))
        for x in program.args
    ]
    try:
        program(*args)
    except (ValueError, IndexError, TypeError):
        assume(False)
    assert_close(jitted(*args), program, *args)


@examples(40)
@given(program=programs())
def test_passes_keep_the_meaning(program: Program) -> None:
    """To the bit, when interpreted; only products may sum in another order."""
    graph, captured, _, _ = traced(program)
    values = [*program.args, *map(np.asarray, captured)]
    verify(graph)
    wanted = evaluate(graph, *values)
    assert_close(wanted, program, *arrays(program))
    for name, run in (*BEFORE_FUSION, ("fuse", fuse)):
        graph = run(graph)
        verify(graph)
        found = evaluate(graph, *values)
        if name == "lower_products":
            assert_close(found, program, *arrays(program))
            wanted = found
        else:
            assert_same(found, wanted)


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_values_computed_twice_have_the_same_bits(dtype: np.dtype) -> None:
    """Kernels compute a value again where that is cheaper than keeping it, also one that is compared with itself."""

    def fun(x: Any, y: Any, z: Any) -> Any:
        p = x * y
        q = p + z
        places = [
            wnp.argmax(v, axis=axis) for v in (q, p * z + q, wnp.exp(x) * y - z) for axis in (-1, 0, None)
        ]
        hits = [(v == v.max(axis=-1, keepdims=True)).any(axis=-1) for v in (q, q * q - p)]
        return p, *places, *hits

    args = [wnp.asarray(array(dtype, (3, 100), seed, special=False)) for seed in range(3)]
    for found, wanted in zip(weft.jit(fun)(*args)[1:], fun(*args)[1:], strict=True):
        np.testing.assert_array_equal(np.asarray(found), np.asarray(wanted))


@examples(30)
@given(program=programs())
def test_graphs_are_text(program: Program) -> None:
    graph = traced(program).graph
    for one in (graph, fused(graph)):
        again = parse_graph(print_graph(one))
        verify(again)
        assert print_graph(again) == print_graph(one)
        assert again == one


def fused(graph: Graph) -> Graph:
    for _, run in BEFORE_FUSION:
        graph = run(graph)
    return fuse(graph)


@examples(30)
@given(program=programs(max_lines=5), seed=st.integers(0, 9), data=st.data())
def test_vmap_is_a_loop(program: Program, seed: int, data: st.DataObject) -> None:
    size = 3
    batched = [data.draw(st.sampled_from((None, *range(x.ndim + 1)))) for x in program.args]
    assume(any(axis is not None for axis in batched))
    rows = [[array(x.dtype, x.shape, seed + i, False) for i in range(size)] for x in program.args]
    stacked = [
        wnp.asarray(r[0] if axis is None else np.stack(r, axis))
        for r, axis in zip(rows, batched, strict=True)
    ]
    found = weft.jit(weft.vmap(program, in_axes=tuple(batched)))(*stacked)
    for i in range(size):
        args = [wnp.asarray(r[0] if axis is None else r[i]) for r, axis in zip(rows, batched, strict=True)]
        assert_close([x[i] for x in found], program, *args)


def total(program: Program) -> Any:
    """A scalar that depends on every output."""

    def loss(*args: Any) -> Any:
        return sum(wnp.sum(wnp.sin(out + i)) for i, out in enumerate(program(*args)))

    return loss


def directions(program: Program, seed: int) -> tuple[Any, ...]:
    rng = np.random.default_rng(seed)
    return tuple(wnp.asarray(rng.normal(size=x.shape)) for x in program.args)


def inner(xs: Any, ys: Any) -> float:
    return float(sum(np.vdot(np.asarray(x), np.asarray(y)) for x, y in zip(xs, ys, strict=True)))


def near(found: Any, wanted: Any, tolerance: float = 1e-9) -> None:
    found, wanted = [np.asarray(x) for x in tree.leaves(found)], [np.asarray(x) for x in tree.leaves(wanted)]
    scale = max([1.0, *[float(np.abs(x).max()) for x in wanted if x.size]])
    for a, b in zip(found, wanted, strict=True):
        assert (a.shape, a.dtype) == (b.shape, b.dtype)
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance * scale)


@examples(40)
@given(program=programs(smooth=True), seed=st.integers(0, 9))
def test_the_modes_of_differentiation_agree(program: Program, seed: int) -> None:
    args, ts = tuple(arrays(program)), directions(program, seed)
    out, out_ts = weft.jvp(program, args, ts)
    rng = np.random.default_rng(seed + 1)
    cts = tuple(wnp.asarray(rng.normal(size=x.shape)) for x in out)
    again, pull = weft.vjp(program, *args)
    near(again, out)
    forward, backward = inner(cts, out_ts), inner(pull(cts), ts)
    magnitude = sum(inner([abs(c)], [abs(t)]) for c, t in zip(cts, out_ts, strict=True))
    np.testing.assert_allclose(backward, forward, rtol=1e-9, atol=1e-9 * max(1.0, magnitude))
    near(weft.jit(lambda *xs: weft.jvp(program, xs, ts))(*args), (out, out_ts))


@examples(30)
@given(program=programs(smooth=True, max_lines=5), seed=st.integers(0, 9))
def test_derivatives_are_limits_of_differences(program: Program, seed: int) -> None:
    args, ts = tuple(arrays(program)), directions(program, seed)
    loss, h = total(program), 1e-4
    _, slope = weft.jvp(loss, args, ts)

    def at(t: float) -> float:
        return float(loss(*[x + t * d for x, d in zip(args, ts, strict=True)]))

    # Two steps of Richardson's: the error of the differences is of sixth order.
    coarse, fine = ((at(s * h) - at(-s * h)) / (2 * s * h) for s in (2, 1))
    rough = abs(fine - coarse)
    np.testing.assert_allclose(float(slope), (4 * fine - coarse) / 3, rtol=1e-5, atol=1e-5 + 10 * rough)


@examples(30)
@given(program=programs(smooth=True), seed=st.integers(0, 9))
def test_gradients_compile_and_rematerialise(program: Program, seed: int) -> None:
    args = arrays(program)
    every = tuple(range(len(args)))
    wanted = weft.grad(total(program), every)(*args)
    near(weft.jit(weft.grad(total(program), every))(*args), wanted)
    near(weft.grad(weft.jit(total(program)), every)(*args), wanted)
    near(weft.jit(weft.grad(weft.checkpoint(total(program)), every))(*args), wanted)
    near(weft.grad(total(lambda *xs: weft.checkpoint(program)(*xs)), every)(*args), wanted)


@examples(20)
@given(program=programs(smooth=True, max_lines=5), seed=st.integers(0, 9))
def test_derivatives_nest(program: Program, seed: int) -> None:
    """The product of the Hessian with a vector, forward over reverse and reverse over reverse, at once and compiled."""
    args, ts = tuple(arrays(program)), directions(program, seed)
    gradient = weft.grad(total(program), tuple(range(len(args))))
    _, wanted = weft.jvp(gradient, args, ts)

    def slope(*xs: Any) -> Any:
        return sum(wnp.vdot(g, t) for g, t in zip(gradient(*xs), ts, strict=True))

    near(weft.grad(slope, tuple(range(len(args))))(*args), wanted, 1e-8)
    near(weft.jit(lambda *xs: weft.jvp(gradient, xs, ts)[1])(*args), wanted, 1e-8)


@examples(15)
@given(program=programs(smooth=True, max_lines=5), seed=st.integers(0, 9))
def test_gradients_map(program: Program, seed: int) -> None:
    """vmap of grad is a loop of grad."""
    rows = [directions(program, seed + i) for i in range(3)]
    stacked = [wnp.stack(xs) for xs in zip(*rows, strict=True)]
    gradient = weft.grad(total(program), tuple(range(len(program.args))))
    found = weft.jit(weft.vmap(gradient))(*stacked)
    for i, row in enumerate(rows):
        near([g[i] for g in found], gradient(*row))
