from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import weft
import weft.numpy as wnp
from tests.engine.public.numpy.checks import agree, same, sample, staged
from weft.ir.errors import ArgumentError, ShapeError

X = sample("float64", (4, 6))
V = sample("float64", (7,))


def test_diff() -> None:
    for axis in (0, -1):
        for n in (0, 1, 2, 9):
            agree(lambda m, a=axis, n=n: lambda v: m.diff(v, n, axis=a), X)
    agree("diff", sample("bool", (5,)))
    agree("diff", sample("uint8", (5,)))
    agree(lambda m: lambda v: m.diff(v, prepend=0, append=9.0), sample("int8", (5,)))
    agree(lambda m: lambda v, w: m.diff(v, prepend=w), X, X[:, :2])
    agree("ediff1d", X)
    agree(lambda m: lambda v: m.ediff1d(v, to_end=[1.0, 2.0], to_begin=-9), V)


@pytest.mark.parametrize("edge_order", [1, 2])
def test_gradient(edge_order: int) -> None:
    agree(lambda m: lambda v: m.gradient(v, edge_order=edge_order), V)
    agree(lambda m: lambda v: list(m.gradient(v, 2.0, 0.5, edge_order=edge_order)), X)
    agree(
        lambda m: lambda v: m.gradient(v, 3, axis=1, edge_order=edge_order), X.astype(np.float32), rtol=1e-5
    )
    agree(
        lambda m: lambda v, x: m.gradient(v, x, edge_order=edge_order), V, np.cumsum(abs(V) + 0.1), rtol=1e-9
    )
    agree(
        lambda m: lambda v, x: m.gradient(v, x, axis=0, edge_order=edge_order),
        X,
        np.array([0.0, 1.0, 1.5, 4.0]),
        rtol=1e-9,
    )
    agree(lambda m: lambda v: m.gradient(v, edge_order=edge_order), np.array([1, 4, 9, 16]))


def test_trapezoid() -> None:
    agree("trapezoid", V)
    agree(lambda m: lambda v: m.trapezoid(v, dx=0.1, axis=0), X)
    agree(lambda m: lambda v, x: m.trapezoid(v, x), X, np.arange(6.0) ** 2)
    agree(lambda m: lambda v, x: m.trapezoid(v, x, axis=0), X, abs(X))
    agree("trapezoid", sample("int32", (4,)))


def test_polyval() -> None:
    agree("polyval", np.array([1.0, -2.0, 0.5]), X)
    agree(lambda m: lambda p: m.polyval(p, 3), np.array([1, 2, 3]))
    agree("polyval", np.zeros(0), V)


def test_interp() -> None:
    xp, fp = np.array([-2.0, 0.0, 1.0, 3.0]), np.array([1.0, 4.0, -1.0, 2.0])
    x = np.array([-5.0, -2.0, -1.0, 0.0, 0.3, 3.0, 7.0, np.nan])
    agree("interp", x, xp, fp)
    agree(lambda m: lambda *a: m.interp(*a, left=-9.0, right=9.0), x, xp, fp)
    agree(lambda m: lambda *a: m.interp(*a, period=4.0), x[:-1], xp, fp)
    agree("interp", x[:-1], xp, fp + 1j * fp[::-1])
    agree("interp", x[:-1], np.array([1.0]), np.array([5.0]))
    got = staged(lambda *a: wnp.interp(*a, left="extrapolate", right="extrapolate"), x[:-1], xp, fp)
    assert np.isclose(got[0], 1.0 - 3 * 1.5) and np.isclose(got[-1], 2.0 + 4 * 1.5)


@pytest.mark.parametrize("mode", ["full", "same", "valid"])
@pytest.mark.parametrize("sizes", [(7, 3), (3, 7), (5, 5), (6, 4), (4, 6), (1, 4), (40, 20), (20, 41)])
def test_convolve_and_correlate(sizes: tuple[int, int], mode: str) -> None:
    for dtype in ("float64", "int32", "complex128"):
        a, v = (sample(dtype, (n,)) for n in sizes)
        agree(lambda m: lambda x, y: m.convolve(x, y, mode=mode), a, v, rtol=1e-10)
        agree(lambda m: lambda x, y: m.correlate(x, y, mode=mode), a, v, rtol=1e-10)


def test_covariance() -> None:
    agree("cov", X)
    agree("cov", V)
    agree(lambda m: lambda v: m.cov(v, rowvar=False, bias=True), X)
    agree(lambda m: lambda v, w: m.cov(v, w, ddof=0), X, X[::-1].copy())
    agree(lambda m: lambda v, f: m.cov(v, fweights=f), X, np.array([1, 2, 1, 3, 1, 1]))
    agree(lambda m: lambda v, a: m.cov(v, aweights=a), X, np.array([0.5, 1.0, 1.0, 2.0, 1.0, 0.1]))
    agree(
        lambda m: lambda v, f, a: m.cov(v, fweights=f, aweights=a),
        X,
        np.array([1, 2, 1, 3, 1, 1]),
        np.arange(1.0, 7.0),
    )
    agree("cov", X + 1j * X[::-1])
    agree("corrcoef", X)
    agree(lambda m: lambda v: m.corrcoef(v, rowvar=False), X[:, :2])
    agree("corrcoef", X + 1j * X[::-1])


def test_comparison_within_tolerances() -> None:
    a, b = np.array([1.0, 2.0, np.inf, np.nan, -np.inf]), np.array([1.0 + 1e-9, 2.1, np.inf, np.nan, np.inf])
    agree("isclose", a, b)
    agree(lambda m: lambda x, y: m.isclose(x, y, rtol=0.1, atol=0.5, equal_nan=True), a, b)
    agree("isclose", np.array([1, 2]), np.array([1, 3]))
    agree(lambda m: lambda x: m.isclose(x, 1.0), np.array([1.0, 1.0 + 1e-7], np.float32))
    agree("allclose", a, b)
    agree("allclose", X, X + 1e-12)
    agree("array_equal", X, X)
    agree("array_equal", X, X[:2])
    agree(lambda m: lambda x, y: m.array_equal(x, y, equal_nan=True), a[:4], a[:4])
    agree("array_equiv", X[:1], np.vstack([X[0], X[0]]))
    agree("array_equiv", X, V)


@pytest.mark.parametrize(
    ("error", "message", "call"),
    [
        (
            ShapeError,
            "gradient of axis 0 of length 1 with edge_order=1: 2 elements are needed",
            lambda v: wnp.gradient(v[:1]),
        ),
        (ArgumentError, "gradient got 2 spacings for 1 axes", lambda v: wnp.gradient(v, 1.0, 2.0)),
        (ShapeError, "convolve needs two vectors that are not empty", lambda v: wnp.convolve(v, v[:0])),
        (ArgumentError, "convolve got mode='half'", lambda v: wnp.convolve(v, v, "half")),
        (ShapeError, "cov got variables with different numbers of observations", lambda v: wnp.cov(v, v[:2])),
        (
            ShapeError,
            r"interp got abscissas of shape \(7,\) and ordinates of shape \(3,\)",
            lambda v: wnp.interp(v, v, v[:3]),
        ),
    ],
)
def test_errors_are_the_same_eagerly_and_staged(error, message, call) -> None:
    with pytest.raises(error, match=message):
        staged(call, V)
    with pytest.raises(error, match=message):
        call(wnp.asarray(V))


def test_second_derivative_of_logaddexp_at_a_tie() -> None:
    from weft.engine import tree
    from weft.engine.trace import trace
    from weft.ir.interpret import evaluate
    from weft.ir.passes.jvp import jvp
    from weft.ir.types import ArrayType

    _, in_tree = tree.flatten(((0,), {}))
    graph = trace(
        lambda x: wnp.logaddexp(0.0, x), [ArrayType((), np.dtype(float))], in_tree, kind="jit"
    ).graph
    once = jvp(graph, (True,))
    one, zero = np.array(1.0), np.array(0.0)
    same(evaluate(once, zero, one)[1], np.array(0.5), "first")
    twice = jvp(once, (True, False))
    same(evaluate(twice, zero, one, one)[-1], np.array(0.25), "second")


@pytest.mark.parametrize("mode", ["full", "same", "valid"])
@pytest.mark.parametrize(("n", "m"), [(5, 3), (4, 6), (3000, 70), (40, 2500)])
def test_convolution_of_vectors(mode: str, n: int, m: int) -> None:
    rng = np.random.default_rng(n)
    real = rng.standard_normal(n), rng.standard_normal(m)
    whole = tuple((4 * x).astype(np.int32) for x in real)
    cases = [real, whole, tuple(x > 1 for x in real), (real[0] + 1j, real[1] * 1j)]
    for a, v in cases:
        for name in ("convolve", "correlate"):
            wanted = getattr(np, name)(a, v, mode)
            found = weft.jit(lambda a, v, name=name: getattr(wnp, name)(a, v, mode))(a, v)
            assert found.dtype == wanted.dtype
            np.testing.assert_allclose(found, wanted, atol=1e-10)
    ours = weft.jit(weft.grad(lambda a, v: wnp.sum(wnp.sin(wnp.convolve(a, v, mode))), (0, 1)))
    theirs = jax.jit(jax.grad(lambda a, v: jnp.sum(jnp.sin(jnp.convolve(a, v, mode))), (0, 1)))
    for slope, by_jax in zip(ours(*real), theirs(*real), strict=True):
        np.testing.assert_allclose(slope, by_jax, atol=1e-9)
