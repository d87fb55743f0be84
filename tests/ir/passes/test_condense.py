"""Condense: linear loops of derivatives over few numbers become products with matrices; all other loops stay."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.ir.passes.texts import changed, unchanged
from weft.ir.builder import build
from weft.ir.graph import Graph
from weft.ir.interpret import evaluate
from weft.ir.ops import elementwise as e
from weft.ir.ops.contract import dot_general
from weft.ir.ops.flow.scan import scan, scan_p
from weft.ir.ops.reduce import reduce_sum
from weft.ir.ops.shape import broadcast, concatenate, pad, reshape, reverse, slice_
from weft.ir.passes.condense import MOST, condense
from weft.ir.types import ArrayType
from weft.ir.verify import verify

LENGTH = 70
F64 = np.dtype("f8")

CHAIN = (
    """
    graph(a: f64, c: f64, x: f64[70], s: f64) {
      d: f64, t: f64, y: f64[70] = scan[body=graph(a: f64, c: f64, s: f64, x: f64) {
        d: f64 = mul c x
        e: f64 = mul d a
        f: f64 = mul e x
        g: f64 = add s f
        return f, g, e
      }, length=70, MARKn_carry=2, n_consts=1, reverse=True] a c s x
      return d, t, y
    }""".replace("f64,", "f64[],")
    .replace("f64)", "f64[])")
    .replace("f64 =", "f64[] =")
)


def test_the_chain_is_one_product() -> None:
    text = changed(condense, CHAIN.replace("MARK", "linear=True, "))
    assert text.split("{\n", 2)[2].split("  }, ")[0] == (
        "    e: f64[] = mul b d\n"
        "    f: f64[] = mul e a\n"
        "    g: f64[] = mul f d\n"  # what the sum adds up stays as it was
        "    h: f64[] = add c g\n"
        "    i: f64[] = mul d a\n"
        "    j: f64[] = mul i d\n"
        "    k: f64[] = mul j b\n"
        "    return k, h, f\n"
    )


def test_loops_that_are_not_a_derivative_s_keep_every_bit() -> None:
    unchanged(condense, CHAIN.replace("MARK", ""))


def loop(
    step: Callable[..., Any], shape: tuple[int, ...] = (), dtype: Any = F64, length: int = LENGTH
) -> Graph:
    """A marked loop over ``step(carry, x)``, which gives the next carry."""
    types = [ArrayType(shape, np.dtype(dtype)), ArrayType((length, *shape), np.dtype(dtype))]
    body = build(lambda c, x: [step(c, x)], [types[0], types[0]])
    return build(lambda c, xs: list(scan(body, [], [c], [xs], length=length, linear=True)), types)


def is_condensed(graph: Graph) -> bool:
    """Whether the pass changes a graph; what it makes verifies, and means about the same."""
    found = condense(graph)
    verify(found)
    generator = np.random.default_rng(3)
    values = [generator.normal(size=t.shape).astype(t.dtype) for t in graph.in_types]
    for one, other in zip(evaluate(found, *values), evaluate(graph, *values), strict=True):
        tolerance = 1e-3 if one.dtype == np.float32 else 1e-9
        np.testing.assert_allclose(one, other, rtol=tolerance, atol=tolerance * np.max(np.abs(other)))
    return found is not graph


def long(c: Any, x: Any) -> Any:
    for factor in (0.5, 1.5, -0.75, 1.25):
        c = e.mul(e.mul(c, x), np.asarray(factor, c.dtype))
    return c


def test_what_it_is_done_for() -> None:
    assert is_condensed(loop(long))
    assert is_condensed(loop(long, (2,)))
    assert is_condensed(loop(long, (2, 2)))
    assert is_condensed(loop(long, dtype=np.float32))


@pytest.mark.parametrize(
    "graph",
    [
        loop(lambda c, x: long(e.mul(c, c), x)),
        loop(lambda c, x: e.mul(e.abs_(long(c, x)), np.asarray(0.5))),
        loop(lambda c, x: e.div(x, e.add(long(c, x), np.asarray(9.0)))),
        loop(lambda c, x: e.select(e.lt(c, x), long(c, x), c)),
        loop(lambda c, x: e.maximum(long(c, x), c)),
        loop(lambda c, x: e.mul(c, x)),
        loop(lambda c, x: e.add(c, e.mul(x, x))),
        loop(long, (MOST + 1,)),
        loop(long, dtype=np.complex128),
        loop(long, dtype=np.float16),
    ],
    ids="square absolute quotient mask extremum short sum large complex half".split(),
)
def test_what_it_is_not_done_for(graph: Graph) -> None:
    found = condense(graph)
    assert found is graph


def test_a_mask_chooses_coefficients() -> None:
    """An infinite coefficient behind a mask does no harm, though infinity times zero would."""

    def step(c: Any, x: Any) -> Any:
        bad = e.div(c, x)
        chosen = e.select(e.eq(x, np.asarray(0.0)), e.mul(c, np.asarray(0.5)), bad)
        return e.mul(e.mul(e.mul(chosen, np.asarray(0.5)), np.asarray(1.5)), np.asarray(0.75))

    graph = loop(step)
    found = condense(graph)
    assert found is not graph
    xs = np.where(np.arange(LENGTH) % 3 == 0, 0.0, 1.25)
    (one,), (other,) = evaluate(found, np.asarray(2.0), xs), evaluate(graph, np.asarray(2.0), xs)
    assert np.isfinite(one)
    np.testing.assert_allclose(one, other, rtol=1e-12)


def test_numbers_that_are_not_finite_stay_so() -> None:
    found = condense(loop(long))
    for bad in (np.nan, np.inf):
        xs = np.ones(LENGTH)
        xs[7] = bad
        (last,) = evaluate(found, np.asarray(2.0), xs)
        assert not np.isfinite(last)


def test_a_loop_in_a_loop() -> None:
    inner = loop(long)
    c, xs = inner.in_types
    body = build(lambda xs, c: evaluate(inner, c, xs), [xs, c])
    outer = build(lambda c, xs: list(scan(body, [xs], [c], [], length=3)), [c, xs])
    found = condense(outer)
    (around,) = (eqn for eqn in found.eqns if eqn.prim is scan_p)
    (eqn,) = (eqn for eqn in around.params["body"].eqns if eqn.prim is scan_p)
    assert eqn.params["linear"]
    assert is_condensed(outer)


# Random steps

UNARY: list[Callable[..., Any]] = [
    e.neg,
    lambda v: reverse(v, (0,)),
    lambda v: broadcast(reduce_sum(v, (0,)), (2,), ()),
    lambda v: pad(slice_(v, (1,), (2,), (1,)), np.asarray(0.0), (1,), (0,), (0,)),
    lambda v: concatenate([slice_(v, (1,), (2,), (1,)), slice_(v, (0,), (1,), (1,))], 0),
]
WITH_DATA: list[Callable[..., Any]] = [
    e.mul,
    lambda v, x: e.mul(x, v),
    e.add,
    e.sub,
    lambda v, x: e.sub(x, v),
    lambda v, x: e.div(v, e.add(e.mul(x, x), np.asarray(1.0))),
    lambda v, x: e.select(e.lt(x, np.asarray(0.0)), v, e.mul(v, x)),
    lambda v, x: dot_general(reshape(concatenate([x, e.neg(x)], 0), (2, 2)), v, (((1,), (0,)), ((), ()))),
]
BINARY: list[Callable[..., Any]] = [e.add, e.sub]


@st.composite
def steps(draw: st.DrawFn) -> Callable[..., list[Any]]:
    """Steps that are linear in two carries of two numbers and a sum, and give a result."""
    kinds = st.tuples(st.sampled_from("udb"), st.integers(0, 99), st.integers(0, 99), st.integers(0, 99))
    plan = draw(st.lists(kinds, min_size=8, max_size=24))

    def step(a: Any, b: Any, total: Any, x: Any) -> list[Any]:
        values = [a, b]
        for kind, which, i, j in plan:
            v = values[-1 - i % min(len(values), 3)]
            if kind == "u":
                new = UNARY[which % len(UNARY)](v)
            elif kind == "d":
                new = WITH_DATA[which % len(WITH_DATA)](v, x)
            else:
                new = BINARY[which % len(BINARY)](v, values[j % len(values)])
            values.append(e.mul(new, np.asarray(0.4)))
        return [values[-1], values[-2], e.add(total, e.mul(values[len(values) // 2], x)), values[-3]]

    return step


@settings(max_examples=60, deadline=None)
@given(step=steps(), seed=st.integers(0, 9))
def test_random_linear_steps(step: Callable[..., list[Any]], seed: int) -> None:
    pair, rows = ArrayType((2,), F64), ArrayType((LENGTH, 2), F64)
    body = build(step, [pair] * 4)
    graph = build(
        lambda a, b, s, xs: list(scan(body, [], [a, b, s], [xs], length=LENGTH, linear=True)),
        [pair] * 3 + [rows],
    )
    found = condense(graph)
    verify(found)
    assert condense(found) is found
    generator = np.random.default_rng(seed)
    values = [generator.normal(size=2) for _ in range(4)]
    bodies = [eqn.params["body"] for one in (found, graph) for eqn in one.eqns if eqn.prim is scan_p]
    for one, other in zip(*[evaluate(body, *values) for body in bodies], strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-9 * (1 + np.max(np.abs(other))))
