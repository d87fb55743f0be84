"""`jvp`, `linearize`, `vjp`, `linear_transpose`: values, trees, integers, reuse, errors."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import weft
import weft.numpy as wnp
from weft.errors import ArgumentError, DTypeError, GradientError, ShapeError

X = np.array([0.3, -1.2, 2.0])
V = np.array([1.0, 0.5, -2.0])


def test_jvp() -> None:
    def f(lib: Any) -> Any:
        return lambda x, y: {"a": lib.sin(x) * y, "b": x.sum()}

    ours = weft.jvp(f(wnp), (X, 2.0), (V, 0.5))
    wanted = jax.jvp(jax.jit(f(jnp)), (X, 2.0), (V, 0.5))
    for a, b in zip(weft.tree.leaves(ours), jax.tree.leaves(wanted), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)
    out, tangent, aux = weft.jvp(lambda x: (x * x, {"x": x}), (X,), (V,), has_aux=True)
    np.testing.assert_allclose(tangent, 2 * X * V)
    assert (out.tolist(), aux["x"].tolist()) == ((X * X).tolist(), X.tolist())


def test_integers_have_float0_tangents() -> None:
    out, tangent = weft.jvp(lambda n: n + 1, (np.arange(2),), (np.zeros(2, weft.float0),))
    assert out.tolist() == [1, 2]
    assert tangent.dtype == weft.float0
    assert weft.vjp(lambda n, x: n * x, np.arange(3), X)[1](V)[0].dtype == weft.float0


def test_linearize_runs_the_function_once() -> None:
    runs = []
    _, push = weft.linearize(lambda x: runs.append(1) or wnp.exp(x) * x, X)
    for v in (V, 2 * V):
        np.testing.assert_allclose(push(v), np.exp(X) * (X + 1) * v, rtol=1e-12)
    np.testing.assert_allclose(weft.jit(push)(V), push(V), rtol=1e-14)
    np.testing.assert_allclose(weft.vmap(push)(np.eye(3)).sum(0), np.exp(X) * (X + 1), rtol=1e-12)
    assert runs == [1]
    _, push, aux = weft.linearize(lambda x: (x * x, x), X, has_aux=True)
    assert (aux.tolist(), push(V).tolist()) == (X.tolist(), (2 * X * V).tolist())


def test_vjp_is_reusable_and_takes_trees() -> None:
    _, pull = weft.vjp(lambda t, y: [t["x"] * y, t["x"].sum()], {"x": X}, 3.0)
    for _ in range(2):
        by_tree, by_y = pull([V, 2.0])
        np.testing.assert_allclose(by_tree["x"], 3 * V + 2)
        np.testing.assert_allclose(by_y, (X * V).sum())
    _, pull, aux = weft.vjp(lambda x: (x.sum(), {"k": 2 * x}), X, has_aux=True)
    assert pull(2.0)[0].tolist() == [2.0] * 3
    assert aux["k"].tolist() == (2 * X).tolist()


def test_the_two_modes_agree() -> None:
    def f(x: Any) -> Any:
        return wnp.cumsum(wnp.tanh(x)) * x[::-1]

    _, push = weft.linearize(f, X)
    _, pull = weft.vjp(f, X)
    np.testing.assert_allclose((push(V) * X).sum(), (pull(X)[0] * V).sum(), rtol=1e-12)


def test_complex_vjp() -> None:
    z = X + 1j * V
    wanted = jax.vjp(jax.jit(lambda z: jnp.exp(z) * z), z)[1](z)[0]
    np.testing.assert_allclose(weft.vjp(lambda z: wnp.exp(z) * z, z)[1](z)[0], wanted, rtol=1e-12)


def test_linear_transpose() -> None:
    matrix = np.arange(6.0).reshape(2, 3)
    back = weft.linear_transpose(lambda t: {"y": matrix @ t["x"]}, {"x": weft.ShapeDtypeStruct((3,), float)})
    (tree,) = back({"y": np.array([1.0, 2.0])})
    assert tree["x"].tolist() == (matrix.T @ [1.0, 2.0]).tolist()
    assert weft.jit(weft.linear_transpose(lambda x: x[::2] * 3, X))(np.ones(2))[0].tolist() == [3.0, 0.0, 3.0]


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: weft.jvp(wnp.sin, (X,), (V, V)), ArgumentError, r"jvp: primals and tangents differ in structure"),
        (lambda: weft.jvp(wnp.sin, X, V), ArgumentError, r"jvp takes primals and tangents as tuples or lists"),
        (lambda: weft.jvp(wnp.sin, (X,), (V[:2],)), ShapeError, r"jvp: tangent 0 has shape \(2,\), its primal \(3,\)"),
        (lambda: weft.jvp(wnp.sin, (X,), (V.astype("f4"),)), DTypeError, r"tangent 0 has dtype float32, its primal float64"),
        (lambda: weft.linearize(wnp.sin, X)[1](V, V), ArgumentError, r"the linearized function takes tangents of structure"),
        (lambda: weft.vjp(wnp.sin, X)[1]((V, V)), ArgumentError, r"cotangent given to a vjp function has structure"),
        (lambda: weft.vjp(wnp.sin, X)[1](V[:2]), ShapeError, r"vjp: cotangent 0 has shape \(2,\), its result \(3,\)"),
        (lambda: weft.linear_transpose(wnp.sin, X)(V), GradientError, r"sin at .*test_differentiate\.py.* is not linear"),
        (lambda: weft.linear_transpose(lambda x: x * x, X)(V), GradientError, r"mul at .* multiplies its operands"),
        (lambda: weft.linear_transpose(lambda x: x, X)(V[:2]), ShapeError, r"cotangent 0 has shape \(2,\), its result \(3,\)"),
        (lambda: weft.linear_transpose(lambda x: x, X)((V, V)), ArgumentError, r"the cotangent has structure"),
    ],
)  # fmt: skip
def test_errors(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()


def test_what_has_no_tangent_passes_through_other_derivatives():
    def pulled(x, n):
        return weft.vjp(lambda x, n: x * n.sum(), x, n)[1](2.0)  # the cotangent of n is float0

    x, n = 3.0, np.arange(3)
    (by_x, by_n), pull_back = weft.vjp(pulled, x, n)
    assert by_x == 6.0 and by_n.dtype == weft.float0
    assert pull_back((1.0, by_n))[0] == 0.0
    _, tangent = weft.jvp(pulled, (x, n), (1.0, n))
    assert tangent[0] == 0.0 and tangent[1].dtype == weft.float0
    with pytest.raises(ArgumentError, match="has structure"):
        pull_back(1.0)
