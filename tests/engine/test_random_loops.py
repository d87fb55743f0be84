"""Random programs of nested branches and loops with updates in place: eager, compiled and JAX agree, in both modes.

A program is a list of statements on a state (a vector ``x``, a scalar ``s``, a counter ``i``) and a vector of weights ``w``;
statements that hold statements nest. All keep the state bounded.
"""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import weft
import weft.numpy

N = 4
Program = list[Any]


def _statements(depth: int) -> st.SearchStrategy[Program]:
    small = st.integers(0, 3)
    plain = [
        st.tuples(st.just("wave")),
        st.tuples(st.just("turn"), small),
        st.tuples(st.just("set"), small),
        st.tuples(st.just("add"), small),
        st.tuples(st.just("slice"), small),
        st.tuples(st.just("sum")),
        st.tuples(st.just("swap")),
    ]
    if depth:
        inner = _statements(depth - 1)
        plain += [
            st.tuples(st.just("scan"), small, st.booleans(), inner),
            st.tuples(st.just("fori"), small, inner),
            st.tuples(st.just("fori to i"), small, inner),
            st.tuples(st.just("while"), small, inner),
            st.tuples(st.just("cond"), inner, inner),
            st.tuples(st.just("switch"), inner, inner, inner),
        ]
    return st.lists(st.one_of(plain), min_size=1, max_size=3)


PROGRAMS = _statements(2)


def run(np_: Any, lax: Any, program: Program, state: Any, w: Any) -> Any:
    """The state after the statements."""
    for statement in program:
        state = _step(np_, lax, statement, state, w)
    return state


def _step(np_: Any, lax: Any, statement: Any, state: Any, w: Any) -> Any:
    x, s, i = state["x"], state["s"], state["i"]
    inner = functools.partial(run, np_, lax)
    match statement:
        case ["wave"]:
            return {**state, "x": np_.sin(x * w + s)}
        case ["turn", k]:
            return {**state, "x": np_.concatenate([x[k:], x[:k]]) * 0.9}
        case ["set", k]:
            return {**state, "x": x.at[(i + k) % N].set(np_.cos(s))}
        case ["add", k]:
            return {**state, "x": np_.tanh(x.at[k:].add(0.5 * x[: N - k]))}
        case ["slice", k]:
            part = lax.dynamic_slice(x, ((i + k) % 3,), (2,))
            return {**state, "x": lax.dynamic_update_slice(x, part[::-1] * 0.8, (k,))}
        case ["sum"]:
            return {**state, "s": np_.sin(0.5 * s + np_.sum(x * w)), "i": i + 1}
        case ["swap"]:
            return {**state, "x": x * 0.5 + s * 0.1, "s": x[i % N]}
        case ["scan", n, reverse, body]:

            def step(c: Any, row: Any) -> Any:
                c = inner(body, {**c, "s": c["s"] * 0.5 + row}, w)
                return c, c["x"] * row

            xs = np_.linspace(0.1, 0.7, n)
            state, ys = lax.scan(step, state, xs, reverse=reverse)
            return {**state, "x": np_.tanh(state["x"] + np_.sum(ys, 0))}
        case ["fori", n, body]:
            return lax.fori_loop(0, n, lambda j, c: inner(body, {**c, "s": c["s"] * 0.9 + 0.1 * j}, w), state)
        case ["fori to i", n, body]:
            return lax.fori_loop(0, i % 2 + n, lambda j, c: inner(body, c, w), state)
        case ["while", n, body]:
            more = lambda c: (c[1] < n) & (np_.sum(c[0]["x"] ** 2) < 50.0)  # noqa: E731
            return lax.while_loop(more, lambda c: (inner(body, c[0], w), c[1] + 1), (state, 0))[0]
        case ["cond", yes, no]:
            return lax.cond(s > 0.21, lambda c: inner(yes, c, w), lambda c: inner(no, c, w), state)
        case ["switch", *bodies]:
            return lax.switch(i % 4, [lambda c, b=b: inner(b, c, w) for b in bodies], state)
    raise AssertionError(statement)


def function(np_: Any, lax: Any, program: Program) -> Any:
    """The program as a function of the vector and the weights."""

    def fun(x: Any, w: Any) -> Any:
        x, w = np_.asarray(x), np_.asarray(w)
        state = run(np_, lax, program, {"x": x, "s": np_.sum(x) * 0.3, "i": 1}, w)
        return np_.sum(state["x"] * np_.arange(1.0, N + 1)) + state["s"] * (state["i"] + 1)

    return fun


X, W = np.array([0.3, -0.8, 1.1, 0.4]), np.array([0.7, 1.3, -0.9, 0.2])
XS = np.stack([X, -X, X[::-1] * 0.5])


def close(found: Any, expected: Any) -> None:
    for a, b in zip(jax.tree.leaves(jax.tree.map(np.asarray, found)), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(a, np.asarray(b), rtol=1e-9, atol=1e-9)


@settings(max_examples=40, deadline=None)
@given(PROGRAMS)
def test_all_ways_to_run_agree(program: Program) -> None:
    """Eager is a Python loop: it is the judge of what is traced, compiled, batched and differentiated."""
    f = function(weft.numpy, weft.lax, program)
    value = f(X, W)
    close(weft.jit(f)(X, W), value)
    both = weft.jit(weft.value_and_grad(f, (0, 1)))(X, W)
    out, tangent = weft.jvp(f, (X, W), (W, X))
    close(both[0], value)
    close(out, value)
    close(tangent, np.sum(both[1][0] * W) + np.sum(both[1][1] * X))
    close(weft.grad(f, (0, 1))(X, W), [np.asarray(g) for g in both[1]])
    many = weft.jit(weft.vmap(weft.value_and_grad(f), (0, None)))(XS, W)
    each = [weft.value_and_grad(f)(x, W) for x in XS]
    close(many, [np.stack([np.asarray(v) for v, _ in each]), np.stack([np.asarray(g) for _, g in each])])


@settings(max_examples=10, deadline=None)
@given(PROGRAMS)
def test_jax_agrees(program: Program) -> None:
    ours, theirs = function(weft.numpy, weft.lax, program), function(jnp, jax.lax, program)
    jacobian = jax.jit(jax.jacfwd(theirs, (0, 1)))
    close(ours(X, W), theirs(X, W))
    close(weft.jit(weft.grad(ours, (0, 1)))(X, W), jax.jit(jacobian)(X, W))


@pytest.mark.parametrize("k", [None, 1, 3])
def test_second_derivatives(k: int | None) -> None:
    """Forward over reverse and reverse over reverse through nested loops of unknown length."""

    def f(x: Any) -> Any:
        def inner(s: Any) -> Any:
            step = lambda c: (weft.numpy.sin(c[0] * x), c[1] + 1)  # noqa: E731
            return weft.lax.while_loop(lambda c: c[1] < 3, step, (s, 0), checkpoints=k)[0]

        out = weft.lax.while_loop(
            lambda c: c[1] < 2, lambda c: (inner(c[0]) + x, c[1] + 1), (x, 0), checkpoints=k
        )
        return weft.numpy.sum(out[0])

    def g(x: Any) -> Any:
        out = x
        for _ in range(2):
            for _ in range(3):
                out = jnp.sin(out * x)
            out = out + x
        return jnp.sum(out)

    expected = jax.jit(jax.hessian(g))(X)
    close(weft.hessian(f)(X), expected)
    close(weft.jit(weft.jacrev(weft.jacrev(f)))(X), expected)
