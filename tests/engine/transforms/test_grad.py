"""`grad` and `value_and_grad` against JAX: arguments, trees, aux, complex numbers, Python control flow, errors."""

from __future__ import annotations

from collections import namedtuple
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import weft
import weft.numpy as wnp
from weft.errors import ArgumentError, GradientError

X = np.array([0.3, -1.2, 2.0])
Pair = namedtuple("Pair", "a b")


def test_argnums_and_keywords() -> None:
    def f(x: Any, y: Any, *, scale: float = 2.0) -> Any:
        return (x * x * y).sum() * scale

    assert weft.grad(f)(X, 3.0).tolist() == (12 * X).tolist()
    assert weft.grad(f)(X, 3.0, scale=1.0).tolist() == (6 * X).tolist()
    np.testing.assert_allclose(weft.grad(f, -1)(X, 3.0), 2 * (X * X).sum())
    both = weft.grad(f, (1, 0))(X, 3.0)
    assert isinstance(both, tuple)
    assert both[1].tolist() == (12 * X).tolist()
    assert isinstance(weft.grad(f, (0,))(X, 3.0), tuple)


def test_trees_keep_their_structure() -> None:
    tree = {"b": Pair(X, None), "a": [2.0, np.float32(3.0)]}
    gradient = weft.grad(lambda t: (t["b"].a * t["a"][0]).sum() * t["a"][1])(tree)
    assert isinstance(gradient["b"], Pair)
    assert gradient["b"].b is None
    assert gradient["b"].a.tolist() == [6.0] * 3
    assert gradient["a"][1].dtype == np.float32


def test_value_and_aux() -> None:
    def f(x: Any) -> Any:
        return (x * x).sum(), {"twice": 2 * x, "count": 3}

    (value, aux), gradient = weft.value_and_grad(f, has_aux=True)(X)
    np.testing.assert_allclose(value, (X * X).sum())
    assert aux["twice"].tolist() == (2 * X).tolist()
    gradient_only, aux = weft.grad(f, has_aux=True)(X)
    assert gradient.tolist() == gradient_only.tolist() == (2 * X).tolist()
    (value, aux), gradient = weft.jit(weft.value_and_grad(f, has_aux=True))(X)
    assert int(aux["count"]) == 3


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_dtypes(dtype: str) -> None:
    x = X.astype(dtype)
    value, gradient = weft.value_and_grad(lambda x: (x * 2.0).sum())(x)
    assert (value.dtype, gradient.dtype) == (x.dtype, x.dtype)


def test_real_functions_of_complex_numbers() -> None:
    z = X + 1j * X[::-1]

    def f(lib: Any) -> Any:
        return lambda z: (lib.abs(z) ** 2 * lib.real(z)).sum() + lib.imag(lib.exp(z) * lib.conj(z)).sum()

    wanted = jax.jit(jax.grad(f(jnp)))(z)
    np.testing.assert_allclose(weft.grad(f(wnp))(z), wanted, rtol=1e-12)
    np.testing.assert_allclose(weft.jit(weft.grad(f(wnp)))(z), wanted, rtol=1e-12)


def test_holomorphic() -> None:
    z = X + 1j * X[::-1]
    ours = weft.grad(lambda z: (wnp.sin(z) * z).sum(), holomorphic=True)(z)
    np.testing.assert_allclose(ours, np.cos(z) * z + np.sin(z), rtol=1e-12)


def test_integers_beside_floats() -> None:
    gradient = weft.grad(lambda t: (t["x"] * t["n"]).sum(), allow_int=True)({"x": X, "n": np.arange(3)})
    assert gradient["x"].tolist() == [0.0, 1.0, 2.0]
    assert weft.grad(lambda x, n: (x * n).sum())(X, np.arange(3)).tolist() == [0.0, 1.0, 2.0]


def test_python_branches_and_loops_on_values() -> None:
    def f(x: Any) -> Any:
        while x < 100:
            x = x * x if x > 2 else x * 3
        return x

    assert float(weft.grad(f)(1.5)) == 3 * 4 * (1.5 * 3) ** 3
    seen = []
    weft.grad(lambda x: seen.append((float(x), np.asarray(x).shape)) or x * x)(3.0)
    assert seen == [(3.0, ())]


def test_nesting() -> None:
    def f(x: Any) -> Any:
        return wnp.sin(x) * x**3

    third = weft.grad(weft.grad(weft.grad(f)))
    wanted = jax.jit(jax.grad(jax.grad(jax.grad(lambda x: jnp.sin(x) * x**3))))(0.7)
    for g in (third, weft.jit(third), weft.grad(weft.jit(weft.grad(weft.jit(weft.grad(f)))))):
        np.testing.assert_allclose(float(g(0.7)), wanted, rtol=1e-12)
    per_example = weft.vmap(weft.grad(f))(X)
    np.testing.assert_allclose(
        per_example, jax.jit(jax.vmap(jax.grad(lambda x: jnp.sin(x) * x**3)))(X), rtol=1e-12
    )


def test_perturbations_are_not_confused() -> None:
    # d/dx [x * d/dy (x + y)] at y = 1 is 1; a system that mixes the two gives 2.
    assert float(weft.grad(lambda x: x * weft.grad(lambda y: x + y)(1.0))(1.0)) == 1.0
    outer = weft.grad(lambda x: weft.grad(lambda y: x * x * y * y)(x))(2.0)
    assert float(outer) == 6 * 2.0**2


def test_no_dependence_gives_zeros() -> None:
    assert weft.grad(lambda x: 1.0)(X).tolist() == [0.0] * 3
    assert weft.grad(lambda x, y: y.sum())(X, X).tolist() == [0.0] * 3
    assert weft.grad(lambda x: wnp.floor(x).sum())(X).tolist() == [0.0] * 3
    assert weft.grad(lambda x: x.sum())(np.zeros((0, 2))).shape == (0, 2)


def test_shared_values_add_up() -> None:
    def f(x: Any) -> Any:
        y = x * 2
        return (y + y * y + x).sum()

    assert weft.grad(f)(X).tolist() == pytest.approx((2 + 8 * X + 1).tolist())


@pytest.mark.parametrize(
    ("call", "error", "parts"),
    [
        (lambda: weft.grad(lambda x: x * 2)(X), GradientError, ("one scalar as its result", "returned f64[3]", "weft.jacrev")),
        (lambda: weft.grad(lambda x: x * 1.0)(3), GradientError, ("needs floating inputs", "argument x", ".astype(float)")),
        (lambda: weft.grad(lambda x: (x > 0).sum())(X), GradientError, ("needs a real floating result", "returned i64[]")),
        (lambda: weft.grad(lambda x: (x.sum(), x))(X), GradientError, ("a tree of 2 arrays", "has_aux=True")),
        (lambda: weft.grad(lambda x: (x * 1j).sum())(X), GradientError, ("returned c128[]", "holomorphic=True")),
        (lambda: weft.grad(lambda x: x.sum(), holomorphic=True)(X), GradientError, ("needs complex inputs", "float64")),
        (lambda: weft.grad(lambda x: x.sum(), 2)(X), ArgumentError, ("argnums=2", "1 positional arguments")),
        (lambda: weft.grad(lambda x: x.sum(), has_aux=True)(X), GradientError, ("has_aux=True", "return a pair")),
        (lambda: weft.grad(lambda x: x)("s"), ArgumentError, ("is 's' of type builtins.str",)),
    ],
)  # fmt: skip
def test_errors(call: Any, error: type[Exception], parts: tuple[str, ...]) -> None:
    with pytest.raises(error) as caught:
        call()
    for part in (*parts, "test_grad.py:"):
        assert part in str(caught.value)


@pytest.mark.parametrize("wrap", [lambda f: f, weft.jit, lambda f: weft.jit(weft.jit(f))])
def test_gradients_of_integers_are_float0(wrap):
    given = {"a": 3.0, "n": np.arange(2)}
    found = wrap(weft.grad(lambda d: d["a"] ** 2 * d["n"].sum(), allow_int=True))(given)
    assert found["a"] == 6.0
    assert found["n"].dtype == weft.float0 and found["n"].shape == (2,)


def test_gradients_of_integers_in_a_batch_are_float0():
    fun = weft.vmap(weft.grad(lambda x, n: x**2 * n.sum(), argnums=(0, 1), allow_int=True), (0, 1), (0, -1))
    by_x, by_n = fun(np.ones(2), np.ones((3, 2), int))
    np.testing.assert_array_equal(by_x, [6.0, 6.0])
    assert by_n.dtype == weft.float0 and by_n.shape == (2, 3)
