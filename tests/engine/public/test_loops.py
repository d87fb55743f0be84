"""`scan`, `while_loop`, `fori_loop`, `map`, `cond`, `switch` and kin: what they call, take, give and refuse."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import pytest

import weft
import weft.numpy as wnp
from weft import lax
from weft.engine.runtime.program import compile_graph
from weft.errors import ArgumentError, ConcretizationError, GradientError, ShapeError, UserError

X = np.array([0.5, -1.0, 2.0])


def same(found: Any, expected: Any) -> None:
    """Equal leaves, dtypes included."""
    ours, theirs = jax.tree.leaves(jax.tree.map(np.asarray, found)), jax.tree.leaves(expected)
    assert len(ours) == len(theirs)
    for a, b in zip(ours, map(np.asarray, theirs), strict=True):
        assert (a.shape, a.dtype) == (b.shape, b.dtype)
        np.testing.assert_allclose(a, b, rtol=1e-12)


# Nothing traced: Python loops


def test_eager_loops_call_the_functions_on_arrays_and_compile_nothing() -> None:
    before = compile_graph.cache_info().misses
    seen: list[Any] = []

    def body(c: Any, x: Any) -> Any:
        assert isinstance(c, weft.Array) and isinstance(x, weft.Array)
        seen.append(float(x))
        if c > 0.4:  # Python may look at values
            return c + x, c
        return c - x, c

    last, ys = lax.scan(body, wnp.asarray(0.5), X)
    assert seen == list(X)
    same((last, ys), (np.float64(-2.0), np.array([0.5, 1.0, 0.0])))
    seen.clear()
    lax.scan(body, wnp.asarray(0.5), X, reverse=True)
    assert seen == list(X[::-1])
    count = []
    lax.fori_loop(2, 5, lambda i, c: count.append(int(i)) or c * 2, wnp.ones(2))
    lax.while_loop(lambda c: c < 3, lambda c: c + 1, wnp.asarray(0))
    lax.cond(True, lambda v: v, lambda v: 1 / 0, 1.0)
    lax.switch(5, [lambda: 1 / 0, lambda: 2])
    assert count == [2, 3, 4]
    assert compile_graph.cache_info().misses == before


def test_a_user_array_that_changes_later_does_not_change_results() -> None:
    x = np.zeros(3)
    carry, ys = lax.scan(lambda c, row: (c, c), x, None, length=2)
    x[:] = 7
    same((carry, ys), (np.zeros(3), np.zeros((2, 3))))


# Scalars of Python


@pytest.mark.parametrize("jit", [False, True])
@pytest.mark.parametrize(
    ("init", "xs", "dtype"),
    [
        (0, np.arange(3.0), "f8"),
        (0.0, np.arange(3, dtype="f4"), "f4"),
        (0, np.arange(3, dtype="f4"), "f4"),
        (0, np.arange(3, dtype="i4"), "i4"),
        (1j, np.arange(3, dtype="f4"), "c8"),
        (np.float64(0), np.arange(3, dtype="f4"), "f8"),
        (False, np.arange(3), "i8"),
    ],
)
def test_scalars_in_a_carry_take_the_dtype_that_the_body_gives(
    init: Any, xs: Any, dtype: str, jit: bool
) -> None:
    def run(xs: Any) -> Any:
        return lax.scan(lambda c, x: (c + x, c), init, xs)

    last, ys = (weft.jit(run) if jit else run)(xs)
    assert last.dtype == ys.dtype == dtype
    same(last, (init + np.sum(xs)).astype(dtype))
    loop = lambda xs: lax.fori_loop(0, 3, lambda i, c: c + xs[i], init)  # noqa: E731
    assert (weft.jit(loop) if jit else loop)(wnp.asarray(xs)).dtype == dtype
    loop = lambda xs: lax.while_loop(lambda c: c[1] < 3, lambda c: (c[0] + xs[c[1]], c[1] + 1), (init, 0))[0]  # noqa: E731
    assert (weft.jit(loop) if jit else loop)(wnp.asarray(xs)).dtype == dtype


@pytest.mark.parametrize("jit", [False, True])
def test_scalars_that_a_body_returns_take_the_dtype_of_the_carry(jit: bool) -> None:
    def run(x: Any) -> Any:
        reset = lax.scan(lambda c, row: (0.0, c), x[0], x)
        branch = lax.cond(x[0] > 0, lambda: 1, lambda: x[1])
        return reset, branch

    (last, ys), branch = (weft.jit(run) if jit else run)(X.astype("f4"))
    assert (last.dtype, ys.dtype) == ("f4", "f4")
    assert not jit or branch.dtype == "f4"


@pytest.mark.parametrize("jit", [False, True])
def test_no_steps(jit: bool) -> None:
    def run(x: Any) -> Any:
        return (
            lax.scan(lambda c, row: (c + row, {"y": row[:1], "n": 1}), x, np.zeros((0, 3))),
            lax.fori_loop(5, 2, lambda i, c: c + 1, x),
            lax.fori_loop(0, 0, lambda i, c: c + 1.5, 1),
            lax.while_loop(lambda c: c[0] > 9, lambda c: c + 1, x),
            lax.map(lambda row: row * 2, np.zeros((0, 2))),
        )

    scanned, fori, promoted, looped, mapped = (weft.jit(run) if jit else run)(X)
    same(scanned, (X, {"n": np.zeros(0, int), "y": np.zeros((0, 1))}))
    same((fori, looped, mapped), (X, X, np.zeros((0, 2))))
    same(promoted, np.float64(1))


# Trees


@weft.tree_util.register_dataclass
@dataclasses.dataclass
class Particle:
    position: Any
    speed: Any
    name: str = dataclasses.field(default="p", metadata={"static": True})


@pytest.mark.parametrize("transform", [lambda f: f, weft.jit, lambda f: weft.jit(weft.jit(f))])
def test_dataclasses_and_none(transform: Callable[..., Any]) -> None:
    def run(x: Any) -> Any:
        def step(p: Particle, _: Any) -> Any:
            return Particle(p.position + p.speed, p.speed * 0.5, p.name), (None, [p.position])

        return lax.scan(step, Particle(x, x), {"nothing": None}, length=2)

    last, (nothing, [positions]) = transform(run)(X)
    assert nothing is None and last.name == "p"
    same((last.position, last.speed, positions), (X * 2.5, X * 0.25, np.stack([X, 2 * X])))


# Derivatives that JAX does not have


def newton(a: Any, checkpoints: int | None = None) -> Any:
    def step(s: Any) -> Any:
        x, n = s
        return x - 0.3 * (x**3 - a) / (3 * x**2), n + 1

    return lax.while_loop(lambda s: abs(s[0] ** 3 - a) > 1e-9, step, (a + 1.0, 0), checkpoints=checkpoints)


@pytest.mark.parametrize("checkpoints", [None, 1, 2, 3, 7, 100])
@pytest.mark.parametrize("transform", [lambda f: f, weft.jit])
def test_gradients_through_loops_of_unknown_length(transform: Any, checkpoints: int | None) -> None:
    """The gradient is that of the root; and there are many steps, so that runs of machine code are used."""
    grad = transform(weft.grad(lambda a: newton(a, checkpoints)[0]))
    for a in (0.7, 5.0):
        steps = int(newton(a)[1])
        assert steps > 40
        np.testing.assert_allclose(grad(a), a ** (-2 / 3) / 3, rtol=1e-7)
    many = weft.vmap(grad)(np.array([0.7, 5.0, 30.0]))
    np.testing.assert_allclose(many, np.array([0.7, 5.0, 30.0]) ** (-2 / 3) / 3, rtol=1e-7)


def test_all_ways_to_go_back_give_the_same_bits() -> None:
    def run(x: Any, n: Any, k: int | None) -> Any:
        return wnp.sum(
            lax.while_loop(
                lambda s: s[1] < n, lambda s: (wnp.sin(s[0] * x), s[1] + 1), (x, 0), checkpoints=k
            )[0]
        )

    for n in (0, 1, 2, 31, 200):
        grads = [np.asarray(weft.grad(run)(X, n, k)) for k in (None, 1, 2, 5, 64)]
        for g in grads[1:]:
            np.testing.assert_array_equal(g, grads[0])


def test_what_is_held_is_bounded() -> None:
    """With k checkpoints no more than k carries are held at a time, and there are no more repetitions than it takes."""
    import sys

    from weft.ir.builder import build
    from weft.ir.ops import elementwise as e
    from weft.ir.types import INT64, ArrayType

    segments = sys.modules["weft.ir.ops.flow.fold_back"]._segments
    step = build(lambda x: [e.add(x, np.int64(1))], [ArrayType((), INT64)])
    for n in (0, 1, 2, 5, 33, 70, 200):
        for keep in (None, 1, 2, 3, 5, 10, 100):
            visited: list[int] = []
            for (first,), length in segments(step, [], [np.int64(0)], n, keep):
                assert keep is None or length <= keep
                visited.extend(range(int(first) + length - 1, int(first) - 1, -1))
            assert visited == list(range(n - 1, -1, -1))


def test_reverse_mode_of_traced_bounds() -> None:
    f = lambda x, n: lax.fori_loop(0, n, lambda i, c: c * x + i, 1.0)  # noqa: E731
    g = jax.jit(jax.jacfwd(lambda x, n: jax.lax.fori_loop(0, n, lambda i, c: c * x + i, 1.0)))
    for n in (0, 1, 5, 100):
        np.testing.assert_allclose(weft.jit(weft.grad(f))(0.9, n), g(0.9, n), rtol=1e-12)
        np.testing.assert_allclose(
            weft.grad(weft.grad(f))(0.9, n), jax.jit(jax.jacfwd(g))(0.9, n), rtol=1e-11
        )


def test_residuals_are_what_the_backward_pass_reads() -> None:
    """The weights are not stacked, nor are rows that are there already."""

    def f(w: Any, xs: Any) -> Any:
        return wnp.sum(lax.scan(lambda c, x: (wnp.sin(w @ c) * x, None), wnp.ones(3), xs)[0])

    graph = weft.make_graph(lambda w, xs: weft.grad(f, (0, 1))(w, xs))(np.eye(3), np.ones((5, 3)))
    forward, backward = [eqn for eqn in graph.eqns if eqn.prim.name == "scan"]
    stacked = [v for v in forward.outs if v.type.shape[:1] == (5,)]
    assert all(v.type.shape == (5, 3) for v in stacked) and len(stacked) <= 3
    assert graph.ins[0] in backward.ins and graph.ins[1] in backward.ins


def test_gradients_of_matrices_are_one_product() -> None:
    """The backward pass carries no matrix that every step adds to: it stacks rows, and multiplies them behind the loop."""
    rng = np.random.default_rng(0)
    n, m = 17, 18  # small matrices stay in the loop
    w, v, xs = rng.normal(size=(n, n)) / n, rng.normal(size=(n, m)) / m, rng.normal(size=(6, m))

    def f(np_: Any, lx: Any) -> Callable[..., Any]:
        def run(w: Any, v: Any, xs: Any) -> Any:
            h, ys = lx.scan(lambda h, x: (np_.tanh(w @ h + v @ x), h @ w.T), np_.zeros(n), xs)
            return np_.sum(h) + np_.sum(np_.sin(ys))

        return run

    graph = weft.make_graph(weft.grad(f(wnp, lax), (0, 1)))(w, v, xs)
    backward = [eqn for eqn in graph.eqns if eqn.prim.name == "scan"][-1]
    assert all(t.shape not in ((n, n), (n, m)) for t in backward.out_types)
    assert sum(eqn.prim.name == "dot_general" for eqn in graph.eqns) == 3
    for transform in (lambda g: g, weft.jit):
        found = transform(weft.grad(f(wnp, lax), (0, 1)))(w, v, xs)
        for a, b in zip(found, jax.jit(jax.grad(f(jax.numpy, jax.lax), (0, 1)))(w, v, xs), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-10)


def test_linear_loops_are_transposed() -> None:
    w = np.arange(9.0).reshape(3, 3) / 5

    def linear(x: Any) -> Any:
        c, ys = lax.scan(lambda c, row: (w @ c + row, 2 * c), x, wnp.stack([x, 3 * x]))
        return c + wnp.sum(ys, 0)

    (found,) = weft.linear_transpose(linear, X)(X)
    matrix = np.stack([np.asarray(linear(v)) for v in np.eye(3)], 1)
    np.testing.assert_allclose(found, matrix.T @ X)
    (found,) = weft.linear_transpose(
        lambda x: lax.while_loop(lambda s: s[1] < 3, lambda s: (w @ s[0], s[1] + 1), (x, 0))[0], X
    )(X)
    np.testing.assert_allclose(found, np.linalg.matrix_power(w.T, 3) @ X)


def test_transpose_of_a_jitted_tangent() -> None:
    """Primals and tangents in one loop: the transpose takes it apart."""

    def tangent(t: Any) -> Any:
        f = lambda x: lax.scan(lambda c, r: (wnp.sin(c * x) + r, c), x, wnp.ones((2, 3)))  # noqa: E731
        g = lambda x: lax.while_loop(lambda s: s[1] < 3, lambda s: (wnp.sin(s[0]) * x, s[1] + 1), (x, 0))[0]  # noqa: E731
        push = weft.jit(lambda x, t: weft.jvp(lambda v: (f(v), g(v)), (x,), (t,))[1])
        (a, b), c = push(X, t)
        return a + wnp.sum(b, 0) + c

    (found,) = weft.linear_transpose(tangent, X)(np.ones(3))
    matrix = np.stack([np.asarray(tangent(v)) for v in np.eye(3)], 1)
    np.testing.assert_allclose(found, matrix.T @ np.ones(3), rtol=1e-12)


# Batches


def test_a_batched_while_runs_until_all_are_done() -> None:
    n = np.array([0, 3, 7])
    run = weft.vmap(lambda n: lax.while_loop(lambda s: s[0] < n, lambda s: (s[0] + 1, s[1] * 2), (0, 1.0)))
    same(run(n), (n, 2.0**n))
    same(weft.jit(run)(n), (n, 2.0**n))


def test_batches_of_nobody() -> None:
    empty = np.zeros((0,))
    f = lambda x: lax.while_loop(lambda c: c < 3, lambda c: c + 1, x)  # noqa: E731
    assert weft.vmap(f)(empty).shape == (0,)
    assert weft.vmap(weft.grad(f))(empty).shape == (0,)


def test_collectives_inside_loops() -> None:
    def f(lx: Any) -> Any:
        return lambda x: lx.scan(lambda c, _: (c - lx.pmean(c, "i"), lx.psum(c, "i")), x, None, length=2)

    ours = weft.vmap(f(lax), axis_name="i")(X)
    theirs = jax.jit(jax.vmap(f(jax.lax), axis_name="i"))(X)
    for a, b in zip(jax.tree.leaves(jax.tree.map(np.asarray, ours)), jax.tree.leaves(theirs), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-12)


# map, associative_scan, reduce


@pytest.mark.parametrize("size", [None, 1, 2, 3, 7, 20])
def test_map_in_batches(size: int | None) -> None:
    x = np.arange(14.0).reshape(7, 2)
    f = lambda r: {"s": r.sum(), "r": r * 2}  # noqa: E731
    expected = {"r": x * 2, "s": x.sum(1)}
    same(lax.map(f, x, batch_size=size), expected)
    same(weft.jit(lambda x: lax.map(f, x, batch_size=size))(x), expected)


@pytest.mark.parametrize("n", [0, 1, 2, 3, 8, 13])
@pytest.mark.parametrize("reverse", [False, True])
def test_prefixes(n: int, reverse: bool) -> None:
    x = np.random.default_rng(n).normal(size=(2, n, 2))
    turned = x[:, ::-1] if reverse else x
    expected = np.cumsum(turned, 1)
    expected = expected[:, ::-1] if reverse else expected
    np.testing.assert_allclose(
        lax.associative_scan(wnp.add, x, reverse=reverse, axis=1), expected, atol=1e-12
    )
    seen: list[Any] = []
    if n > 1:  # not commutative: what stands on the left comes first
        lax.associative_scan(lambda a, b: seen.append((a, b)) or b, np.arange(n), reverse=reverse)
        assert all(np.all((a > b) if reverse else (a < b)) for a, b in seen)


def test_reduce_by_any_function() -> None:
    x = np.random.default_rng(0).normal(size=(4, 3, 5))
    place = np.broadcast_to(np.arange(5), x.shape)
    larger = lambda a, b: (wnp.maximum(a[0], b[0]), wnp.where(a[0] >= b[0], a[1], b[1]))  # noqa: E731
    run = lambda x, i: lax.reduce((x, i), (-np.inf, 0), larger, (2,))  # noqa: E731
    same(run(x, place), (x.max(2), x.argmax(2)))
    same(weft.jit(run)(x, place), (x.max(2), x.argmax(2)))
    for op, ufunc, start in (
        (lax.add, np.add, 0.0),
        (lax.max, np.maximum, -np.inf),
        (lax.mul, np.multiply, 1.0),
    ):
        same(lax.reduce(x, start, op, (0, 2)), ufunc.reduce(x, (0, 2)))
        assert "reduce_" in str(
            weft.make_graph(lambda x, op=op, start=start: lax.reduce(x, start, op, (0, 2)))(x)
        )
    same(lax.reduce(np.zeros((0, 2)), 3.0, lambda a, b: a * b + 0.0, (0,)), np.full(2, 3.0))


# Mistakes. The text names the function, the leaf, both types and the mend; the last line is the user's.


def grow(c: Any, _: Any) -> Any:
    return {"v": wnp.concatenate([c["v"], c["v"]])}, None


def narrow(c: Any, _: Any) -> Any:
    return (c[0].astype("f4"), c[1]), None


def rename(c: Any, _: Any) -> Any:
    return {"w": c["v"]}, None


def alone(c: Any, _: Any) -> Any:
    return c


MISTAKES: dict[str, tuple[Callable[[Any], Any], type[UserError], str]] = {
    "carry of another shape": (
        lambda x: lax.scan(grow, {"v": x}, None, length=2),
        ArgumentError,
        "scan: grow (test_loops.py:LINE) must return its carry with the shapes and dtypes that it came in with.\n"
        "  carry['v'] came in as f64[3] and was returned as f64[6].\n"
        "Begin with an array of the shape that the body returns, or keep the shape in the body.",
    ),
    "carry of another dtype": (
        lambda x: lax.scan(narrow, (x, x), None, length=2),
        ArgumentError,
        "scan: narrow (test_loops.py:LINE) must return its carry with the shapes and dtypes that it came in with.\n"
        "  carry[0] came in as f64[3] and was returned as f32[3].\n"
        "Convert what the body returns with .astype('float64'), or begin with carry[0] of dtype float32.",
    ),
    "carry of another structure": (
        lambda x: lax.scan(rename, {"v": x}, None, length=2),
        ArgumentError,
        "scan: rename (test_loops.py:LINE) must return its carry in the structure that it came in with.\n"
        "  came in:  {'v': *}\n  returned: {'w': *}",
    ),
    "no pair": (
        lambda x: lax.scan(alone, x, None, length=2),
        ArgumentError,
        "scan: alone (test_loops.py:LINE) must return a pair (carry, y), but returned *.",
    ),
    "no length": (
        lambda x: lax.scan(grow, {"v": x}),
        ArgumentError,
        "scan: xs has no arrays that say how many steps there are; pass length.",
    ),
    "two lengths": (
        lambda x: lax.scan(grow, {"v": x}, {"a": x, "b": wnp.ones((2, 3))}, length=3),
        ShapeError,
        "scan: all must have the same length, but length=3; xs['b'] f64[2,3] has 2 rows.",
    ),
    "rows of a scalar": (
        lambda x: lax.scan(grow, {"v": x}, (x, 1.0)),
        ShapeError,
        "scan: xs[1] is a scalar f64[], it has no rows to scan over.",
    ),
    "condition of an array": (
        lambda x: lax.while_loop(lambda c: c > 0, lambda c: c, x),
        ArgumentError,
        "while_loop: <lambda> (test_loops.py:LINE) must return one bool, but returned bool[3]. "
        "Compare (x > 0), or reduce with weft.numpy.any or weft.numpy.all.",
    ),
    "condition of a number": (
        lambda x: lax.while_loop(lambda c: c[0], lambda c: c, x),
        ArgumentError,
        "while_loop: <lambda> (test_loops.py:LINE) must return one bool, but returned f64[]. "
        "Compare (x > 0), or reduce with weft.numpy.any or weft.numpy.all.",
    ),
    "body of a while": (
        lambda x: lax.while_loop(lambda c: c[0] < 9, lambda c: c[:2], x),
        ArgumentError,
        "while_loop: <lambda> (test_loops.py:LINE) must return its carry with the shapes and dtypes that it came in with.\n"
        "  carry came in as f64[3] and was returned as f64[2].\n"
        "Begin with an array of the shape that the body returns, or keep the shape in the body.",
    ),
    "bounds of a float": (
        lambda x: lax.fori_loop(0, 2.5, lambda i, c: c, x),
        ArgumentError,
        "fori_loop: upper must be one integer, got f64[].",
    ),
    "no checkpoints": (
        lambda x: lax.while_loop(lambda c: c[0] < 0, lambda c: c, x, checkpoints=0),
        ArgumentError,
        "while_loop: checkpoints is the number of carries to keep, an integer of at least 1, got 0.",
    ),
    "predicate of an array": (
        lambda x: lax.cond(x > 0, lambda: 1, lambda: 2),
        ArgumentError,
        "cond: pred must be one truth value, got bool[3]. "
        "Choose elementwise with weft.numpy.where, or reduce with weft.numpy.any or weft.numpy.all.",
    ),
    "index of a float": (
        lambda x: lax.switch(x[0], [lambda: 1]),
        ArgumentError,
        "switch: index must be one integer, got f64[].",
    ),
    "batches of nothing": (
        lambda x: lax.map(lambda v: v, x, batch_size=0),
        ArgumentError,
        "map: batch_size is the number of rows, an integer of at least 1, got 0.",
    ),
}


@pytest.mark.parametrize("jit", [False, True])
@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes(name: str, jit: bool) -> None:
    run, kind, text = MISTAKES[name]
    with pytest.raises(kind) as caught:
        (weft.jit(run) if jit else run)(wnp.asarray(X))
    assert re.sub(r"\.py:\d+", ".py:LINE", caught.value.message) == text
    assert str(caught.value).splitlines()[-2].startswith(f"At {__file__}:")


def test_branches_that_differ() -> None:
    def first(x: Any) -> Any:
        return {"a": x, "n": 1}

    def second(x: Any) -> Any:
        return {"a": x[:2], "n": 1.5}

    with pytest.raises(ArgumentError) as caught:
        weft.jit(lambda x: lax.cond(x[0] > 0, second, first, x))(X)
    assert re.sub(r"\.py:\d+", ".py:LINE", caught.value.message) == (
        "cond: all branches must return the same shapes and dtypes, but first (test_loops.py:LINE) and "
        "second (test_loops.py:LINE) do not.\n"
        "  result['a'] is f64[3] in the false branch and f64[2] in the true branch.\n"
        "Convert with .astype, or give results the same shape."
    )
    with pytest.raises(
        ArgumentError, match=r"structure\.\n  branch 0, .*, returned \*\n  branch 2, .*, returned \(\*, \*\)"
    ):
        weft.jit(lambda x: lax.switch(x, [lambda: 1, lambda: 2, lambda: (1, 2)]))(0)


def test_values_inside_staged_bodies_are_not_known() -> None:
    with pytest.raises(ConcretizationError, match=r"traced by scan\(body\)"):

        def body(c: Any, x: Any) -> Any:
            return (c if c > 0 else -c), None

        weft.jit(lambda x: lax.scan(body, 1.0, x))(X)


def test_rows_of_different_types_cannot_be_stacked() -> None:
    with pytest.raises(ShapeError, match=r"returned a y of f64\[0\], and of f64\[1\] at step 1"):
        lax.scan(lambda c, x: (c + 1, wnp.zeros(int(c))), 0, X)


def test_a_solve_without_its_transpose_has_no_gradient() -> None:
    def f(b: Any) -> Any:
        return wnp.sum(lax.custom_linear_solve(lambda x: 2 * x, b, lambda mv, b: b / 2))

    np.testing.assert_allclose(weft.jvp(f, (X,), (X,))[1], X.sum() / 2)
    with pytest.raises(GradientError, match="has no transpose_solve, so it has no gradient in reverse mode"):
        weft.grad(f)(X)


def test_solves_with_more_than_a_solution() -> None:
    solve = lambda mv, b: (b / 2, {"steps": 3})  # noqa: E731
    f = lambda b: lax.custom_linear_solve(lambda x: 2 * x, b, solve, symmetric=True, has_aux=True)  # noqa: E731
    same(weft.jit(f)(X), (X / 2, {"steps": np.int64(3)}))
    np.testing.assert_allclose(weft.grad(lambda b: wnp.sum(f(b)[0]))(X), np.full(3, 0.5))

    def root(a: Any) -> Any:
        find = lambda g, x: (wnp.sqrt(a), {"found": True})  # noqa: E731
        return lax.custom_root(lambda x: x * x - a, 1.0, find, lambda g, y: y / g(1.0), has_aux=True)

    value, aux = weft.jit(root)(4.0)
    assert float(value) == 2.0 and bool(aux["found"])
    np.testing.assert_allclose(weft.grad(lambda a: root(a)[0])(4.0), 0.25)


def thomas(np_: Any, lx: Any) -> Callable[..., Any]:
    """A tridiagonal system, solved by writing one element a step."""

    def solve(d: Any, low: Any) -> Any:
        n = d.shape[0]

        def forward(i: Any, c: Any) -> Any:
            p, q = c
            w = 1 / (3.0 + d[i] - low[i] * p[i - 1])
            return p.at[i].set(low[i] * w), q.at[i].set((d[i] - low[i] * q[i - 1]) * w)

        start = np_.zeros(n).at[0].set(low[0] / 3.0), np_.zeros(n).at[0].set(d[0] / 3.0)
        p, q = lx.fori_loop(1, n, forward, start)
        x = lx.fori_loop(1, n, lambda k, x: x.at[n - 1 - k].add(-p[n - 1 - k] * x[n - k]), q)
        return np_.sum(x**2)

    return solve


def test_steps_of_a_gradient_touch_what_the_steps_of_the_loop_touch() -> None:
    """One element a step, forwards and backwards: no step copies or clears an array."""
    d, low = np.linspace(0.5, 1.5, 40), np.linspace(0.1, 0.3, 40)
    grad = weft.jit(weft.grad(thomas(wnp, lax), (0, 1)))
    expected = jax.jit(jax.grad(thomas(jax.numpy, jax.lax), (0, 1)))(d, low)
    for found, theirs in zip(grad(d, low), expected, strict=True):
        np.testing.assert_allclose(found, theirs, rtol=1e-10, atol=1e-13)
    text = grad.lower(d, low).as_text("loops")
    assert text.count(" steps {") == 4
    assert not re.search(r"^ {4,}for \w+ in p", text, re.MULTILINE)


@pytest.mark.parametrize("checkpoints", [None, 5])
@pytest.mark.parametrize("n", [0, 1, 2, 8, 9, 31, 63, 64, 65, 97])
def test_gradient_of_a_while_loop_of_any_length_is_that_of_a_scan(n: int, checkpoints: int | None) -> None:
    """Steps that are left over beside long stretches are kept in buffers of eight rows, or of as many as there may be."""
    x, a = np.linspace(0.5, 1.0, 3), np.array(0.7)

    def step(x: Any, a: Any) -> Any:
        return wnp.sin(a * x) + 0.5 * x[::-1]

    def unknown(x: Any, a: Any) -> Any:
        def body(state: Any) -> Any:
            return state[0] + 1, step(state[1], a)

        return wnp.sum(
            lax.while_loop(lambda s: s[0] < n, body, (wnp.asarray(0), x), checkpoints=checkpoints)[1] ** 2
        )

    def known(x: Any, a: Any) -> Any:
        return wnp.sum(lax.scan(lambda x, _: (step(x, a), None), x, None, length=n)[0] ** 2)

    wanted = weft.grad(known, (0, 1))(x, a)
    for found in (weft.grad(unknown, (0, 1))(x, a), weft.jit(weft.grad(unknown, (0, 1)))(x, a)):
        for one, other in zip(found, wanted, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-300)
