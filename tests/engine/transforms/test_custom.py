"""`custom_jvp`, `custom_vjp`, `checkpoint`, `stop_gradient`: rules are used by every transformation, and checked."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import pytest

import weft
import weft.numpy as wnp
from weft.errors import ArgumentError, GradientError, ShapeError

X = np.array([0.3, -1.2, 2.0])


# custom_jvp


def cubed() -> Any:
    """x**3 whose derivative is said to be 10 x."""

    @weft.custom_jvp
    def f(x: Any) -> Any:
        return x**3

    @f.defjvp
    def f_jvp(primals: Any, tangents: Any) -> Any:
        (x,), (t,) = primals, tangents
        return f(x), 10 * x * t

    return f


def test_the_jvp_rule_is_used_everywhere() -> None:
    f = cubed()
    total = lambda x: f(x).sum()  # noqa: E731
    np.testing.assert_allclose(f(X), X**3)
    for gradient in (
        weft.grad(total),
        weft.jit(weft.grad(total)),
        weft.vmap(weft.grad(f)),
        weft.grad(weft.jit(total)),
    ):
        np.testing.assert_allclose(gradient(X), 10 * X)
    np.testing.assert_allclose(weft.jvp(f, (X,), (np.ones(3),))[1], 10 * X)
    np.testing.assert_allclose(weft.grad(lambda x: weft.vmap(f)(x).sum())(X), 10 * X)
    np.testing.assert_allclose(
        weft.vmap(weft.grad(weft.grad(f)))(X), [10.0] * 3
    )  # the rule is differentiated
    np.testing.assert_allclose(weft.jit(f)(X), X**3)


def test_rules_that_call_their_function_give_higher_derivatives() -> None:
    @weft.custom_jvp
    def doubled_exp(x: Any) -> Any:
        return wnp.exp(x)

    @doubled_exp.defjvp
    def rule(primals: Any, tangents: Any) -> Any:
        out = doubled_exp(*primals)
        return out, 2 * out * tangents[0]  # a factor that only the rule knows

    derivative = doubled_exp
    for order in (1, 2, 3):
        derivative = weft.grad(derivative)
        np.testing.assert_allclose(float(derivative(0.5)), 2**order * np.exp(0.5), rtol=1e-12)
        np.testing.assert_allclose(float(weft.jit(derivative)(0.5)), 2**order * np.exp(0.5), rtol=1e-12)


def test_terms_of_each_argument() -> None:
    @weft.custom_jvp
    def f(x: Any, y: Any) -> Any:
        return x * y

    f.defjvps(lambda t, out, x, y: 2 * t * y, None)
    assert [float(g) for g in weft.grad(f, (0, 1))(3.0, 5.0)] == [10.0, 0.0]


def test_static_arguments_of_a_jvp_rule() -> None:
    apply = weft.custom_jvp(lambda fun, x, n=2: fun(x) * n, nondiff_argnums=(0, 2))

    @apply.defjvp
    def rule(fun: Any, n: Any, primals: Any, tangents: Any) -> Any:
        return fun(primals[0]) * n, 100.0 * n * tangents[0]

    assert float(weft.grad(lambda x: apply(wnp.sin, x))(1.0)) == 200.0
    assert float(weft.grad(lambda x: apply(wnp.sin, x, n=3))(1.0)) == 300.0


def test_rules_of_trees_and_closures() -> None:
    scale = wnp.asarray(4.0)

    @weft.custom_jvp
    def f(tree: Any) -> Any:
        return {"y": tree["a"] * scale, "z": tree["b"]}

    @f.defjvp
    def rule(primals: Any, tangents: Any) -> Any:
        return f(*primals), {"y": tangents[0]["a"] * scale * 2, "z": tangents[0]["b"]}

    gradient = weft.jit(weft.grad(lambda t: f(t)["y"] + f(t)["z"]))({"a": 1.0, "b": 2.0})
    assert {k: float(v) for k, v in gradient.items()} == {"a": 8.0, "b": 1.0}


# custom_vjp


def clipped() -> Any:
    """The identity whose cotangent is kept between -1 and 1."""

    @weft.custom_vjp
    def f(x: Any) -> Any:
        return x * 1.0

    f.defvjp(lambda x: (f(x), None), lambda residuals, ct: (wnp.clip(ct, -1, 1),))
    return f


def test_the_vjp_rule_is_used_everywhere() -> None:
    f = clipped()
    weights = np.array([0.5, -7.0, 3.0])
    total = lambda x: (f(x) * weights).sum()  # noqa: E731
    for gradient in (weft.grad(total), weft.jit(weft.grad(total)), weft.grad(weft.jit(total))):
        assert gradient(X).tolist() == [0.5, -1.0, 1.0]
    mapped = weft.vmap(weft.grad(lambda x, w: f(x) * w), (0, 0))(X, weights)
    assert mapped.tolist() == [0.5, -1.0, 1.0]
    assert f(X).tolist() == X.tolist()


def test_residuals_and_several_arguments() -> None:
    @weft.custom_vjp
    def f(x: Any, y: Any, n: Any) -> Any:
        return x * y

    f.defvjp(lambda x, y, n: (x * y, {"x": x, "y": y}), lambda r, ct: (2 * ct * r["y"], None, None))
    assert [float(g) for g in weft.grad(f, (0, 1))(3.0, 5.0, 1)] == [10.0, 0.0]
    np.testing.assert_allclose(weft.jit(weft.vmap(weft.grad(f), (0, None, None)))(X, 5.0, 1), [10.0] * 3)


def test_static_arguments_of_a_vjp_rule() -> None:
    f = weft.custom_vjp(lambda fun, x: fun(x), nondiff_argnums=0)
    f.defvjp(lambda fun, x: (fun(x), x), lambda fun, x, ct: (ct * 100 * fun(x),))
    assert float(weft.grad(lambda x: f(wnp.square, x))(3.0)) == 900.0


def test_vjp_rules_over_closures_of_outer_tracers() -> None:
    def outer(x: Any, y: Any) -> Any:
        @weft.custom_vjp
        def f(x: Any) -> Any:
            return x * y

        f.defvjp(lambda x: (x * y, None), lambda r, ct: (ct * y * 2,))
        return f(x)

    assert float(weft.jit(weft.grad(outer))(3.0, 5.0)) == 10.0
    with pytest.raises(
        GradientError, match=r"closes over a value that is being differentiated. Pass that value"
    ):
        weft.grad(outer, (0, 1))(3.0, 5.0)


# checkpoint and stop_gradient


def test_checkpoint_computes_again() -> None:
    def layer(x: Any) -> Any:
        return wnp.sin(wnp.sin(x))

    kept = weft.jit(weft.grad(lambda x: layer(x).sum()))
    again = weft.jit(weft.grad(lambda x: weft.checkpoint(layer)(x).sum()))
    np.testing.assert_allclose(again(X), kept(X), rtol=1e-14)
    np.testing.assert_allclose(weft.grad(lambda x: weft.remat(layer)(x).sum())(X), kept(X), rtol=1e-14)
    # With the value asked for too, the inner sine is needed forwards and backwards: kept, or computed twice.
    kept, again = (
        weft.jit(weft.value_and_grad(lambda x, f=f: f(x).sum())).lower(X).as_text("fused")
        for f in (layer, weft.checkpoint(layer))
    )
    assert again.count(" sin ") == kept.count(" sin ") + 1
    np.testing.assert_allclose(weft.vmap(weft.checkpoint(layer))(X), np.sin(np.sin(X)))


def test_checkpoint_of_static_arguments_and_trees() -> None:
    f = weft.checkpoint(lambda n, t, *, k: {"y": t["x"] ** n * k}, static_argnums=0)
    assert float(weft.grad(lambda x: f(3, {"x": x}, k=2.0)["y"])(2.0)) == 24.0


def test_stop_gradient() -> None:
    assert float(weft.grad(lambda x: x * weft.stop_gradient({"a": x})["a"])(3.0)) == 3.0
    assert weft.stop_gradient([X])[0].tolist() == X.tolist()


# Errors


def bad(forward: Any, backward: Any) -> Any:
    f = weft.custom_vjp(lambda x: x)
    f.defvjp(forward, backward)
    return lambda: weft.grad(lambda x: f(x).sum())(X)


def bad_jvp(rule: Any) -> Any:
    f = weft.custom_jvp(lambda x: x)
    f.defjvp(rule)
    return lambda: weft.grad(lambda x: f(x).sum())(X)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: weft.grad(lambda x: weft.custom_jvp(lambda x: x)(x).sum())(X), GradientError, r"jvp function without a rule"),
        (lambda: weft.grad(lambda x: weft.custom_vjp(lambda x: x)(x).sum())(X), GradientError, r"vjp function without a rule"),
        (bad(lambda x: (x, None), lambda r, ct: (ct, ct)), GradientError, r"must return a tuple of 1 cotangents"),
        (bad(lambda x: (x, None), lambda r, ct: (ct[:2],)), ShapeError, r"cotangent of shape \(2,\) for an argument f64\[3\]"),
        (bad(lambda x: x, lambda r, ct: (ct,)), GradientError, r"must return a pair \(out, residuals\)"),
        (bad(lambda x: ((x, x), None), lambda r, ct: (ct,)), GradientError, r"with out like the result of"),
        (bad_jvp(lambda p, t: (p[0], (t[0], t[0]))), GradientError, r"must return \(out, out_tangent\) of the structure"),
        (bad_jvp(lambda p, t: (p[0], t[0][:2])), ShapeError, r"out_tangent of shape \(2,\) where the result has \(3,\)"),
    ],
)  # fmt: skip
def test_errors(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()


def test_keyword_only_arguments_are_refused() -> None:
    @weft.custom_jvp
    def f(x: Any, *, n: int) -> Any:
        return x * n

    with pytest.raises(
        ArgumentError, match=r"f has a derivative rule of its own: it cannot have keyword-only arguments"
    ):
        f(1.0, n=2)


def test_static_arguments_by_name():
    @functools.partial(weft.custom_vjp, nondiff_argnames=("times", "shift"))
    def scale(x, times=2, shift=0.0):
        return x * times + shift

    scale.defvjp(
        lambda x, times, shift: (scale(x, times, shift), x), lambda times, shift, x, ct: (10 * times * ct,)
    )
    assert weft.grad(lambda x: scale(x, times=3))(1.0) == 30.0
    assert weft.jit(weft.grad(lambda x: scale(x, shift=1.0)))(1.0) == 20.0

    @functools.partial(weft.custom_jvp, nondiff_argnames="fun")
    def apply(x, fun):
        return fun(x)

    apply.defjvp(lambda fun, primals, tangents: (fun(*primals), 5.0 * tangents[0]))
    assert weft.grad(lambda x: apply(x, wnp.sin))(1.0) == 5.0
    with pytest.raises(ArgumentError, match=r"nondiff_argnames has 'n', but .* has the arguments x, y"):
        weft.custom_vjp(lambda x, y: x, nondiff_argnames="n")
