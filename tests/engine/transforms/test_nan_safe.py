"""NaN-safe choices: no gradient comes from a branch that is not taken, however singular it is there.

Each program is singular at the first two elements of `X`, and chooses something else there. `SAFE` is what a person
would write by hand: the operand is replaced before the singular operation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import weft
import weft.numpy as wnp
from weft import lax
from weft.errors import ArgumentError

X = np.array([-1.0, 0.0, 2.0])
W = np.array([1.0, 2.0, 3.0])


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    yield
    weft.config.nan_safe_where = True


def safely(x: Any) -> Any:
    return wnp.where(x > 0, x, 1.0)


def total(x: Any) -> Any:
    """A sum with a weight for each row."""
    return wnp.dot(W[-x.shape[0] :], x).sum()


def unit(x: Any, of: Any) -> Any:
    rows = of[:, None] * W
    return wnp.where((x > 0)[:, None], rows / wnp.sqrt(wnp.sum(rows**2 + rows, 1, keepdims=True)), 0.0)


def looped(x: Any, of: Any) -> Any:
    return lax.fori_loop(0, 3, lambda i, h: wnp.where(x > 0, wnp.sqrt(of) * h + wnp.log(of), h), x)


def unknown(x: Any, of: Any) -> Any:
    body = lambda c: (c[0] + 1, wnp.where(x > 0, wnp.sqrt(of) * c[1] + wnp.log(of), c[1]))  # noqa: E731
    return lax.while_loop(lambda c: c[0] < 3, body, (0, x))[1]


def loop_inside(x: Any, of: Any) -> Any:
    return wnp.where(x > 0, lax.fori_loop(0, 3, lambda i, h: wnp.sqrt(h) + wnp.log(of), of), 0.0)


def branch_inside(x: Any, of: Any) -> Any:
    return wnp.where(x > 0, lax.cond(x[2] > 0, wnp.sqrt, wnp.sin, of), 0.0)


# Of x and of what the singular operation is applied to: x itself, or a safe copy of it.
PROGRAMS: dict[str, Callable[[Any, Any], Any]] = {
    "root": lambda x, of: wnp.where(x > 0, wnp.sqrt(of), 0.0),
    "chain": lambda x, of: wnp.where(x > 0, wnp.sin(wnp.log(of) * 2 + 1) ** 2 / of, x),
    "power": lambda x, of: wnp.where(x > 0, of**0.5 * of**-1.5, 0.0),
    "other branch": lambda x, of: wnp.where(x <= 0, x**2, wnp.log(of)),
    "nested": lambda x, of: wnp.where(x > 0, wnp.where(x > -1, wnp.log(of), wnp.sqrt(of)), 0.0),
    "two choices": lambda x, of: (lambda s: wnp.where(x > 0, s, 0.0) + wnp.where(x > 1, 2 * s, x))(wnp.sqrt(of)),
    "sum over an axis": unit,
    "part": lambda x, of: wnp.where(x[1:] > 0, wnp.flip(wnp.flip(wnp.sqrt(of)))[1:], 0.0),
    "call inside": lambda x, of: wnp.where(x > 0, weft.jit(wnp.sqrt)(of), 0.0),
    "choice in a call": lambda x, of: weft.jit(lambda s: wnp.where(x > 0, s, 0.0))(wnp.sqrt(of)),
    "checkpoint": lambda x, of: wnp.where(x > 0, weft.checkpoint(lambda y: wnp.sin(wnp.sqrt(y)))(of), 0.0),
    "vmap": lambda x, of: weft.vmap(lambda a, b: wnp.where(a > 0, wnp.sqrt(b), 0.0))(x, of),
    "branches": lambda x, of: weft.vmap(lambda a, b: lax.cond(a > 0, wnp.sqrt, lambda b: b * 0, b))(x, of),
    "scan": lambda x, of: lax.scan(lambda c, s: (c, wnp.where(s[0] > 0, s[1], 0.0)), 0.0, (x, wnp.sqrt(of)))[1],
    "loop": looped,
    "loop of unknown length": unknown,
    "loop in a branch": loop_inside,
    "branch in a branch": branch_inside,
}  # fmt: skip

TRANSFORMS: dict[str, Callable[[Any], Any]] = {
    "grad": weft.grad,
    "jit grad": lambda f: weft.jit(weft.grad(f)),
    "grad jit": lambda f: weft.grad(weft.jit(f)),
    "forward": weft.jacfwd,
    "hessian": lambda f: weft.jit(weft.hessian(f)),
    "reverse twice": lambda f: weft.jacrev(weft.grad(f)),
    "reverse of forward": lambda f: weft.jacrev(weft.jacfwd(f)),
    "vmap grad": lambda f: lambda x: weft.vmap(weft.grad(f))(wnp.stack([x, x * 2])),
}


@pytest.mark.parametrize("transform", TRANSFORMS)
@pytest.mark.parametrize("name", PROGRAMS)
def test_only_the_branch_taken_has_a_gradient(name: str, transform: str) -> None:
    program, derive = PROGRAMS[name], TRANSFORMS[transform]
    found = derive(lambda x: total(program(x, x)))(X)
    wanted = derive(lambda x: total(program(x, safely(x))))(X)
    assert np.isfinite(np.asarray(wanted)).all()
    np.testing.assert_allclose(found, wanted, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("order", [1, 2, 3])
def test_scalars(order: int) -> None:
    """Outside of `jit` residuals of scalars are written into the graph as numbers."""
    for f in (lambda x: wnp.where(x > 0, wnp.sqrt(x), 0.0), lambda x: wnp.where(x > 0, 1 / x, x * 0)):
        for _ in range(order):
            f = weft.grad(f)
        assert float(f(0.0)) == float(weft.jit(f)(0.0)) == 0.0
        assert np.isfinite(f(2.0))


def test_it_is_switched_by_a_setting() -> None:
    f = weft.jit(weft.grad(lambda x: wnp.where(x > 0, wnp.sqrt(x), 0.0)))
    assert float(f(0.0)) == 0.0
    assert weft.config.nan_safe_where is True
    weft.config.update(nan_safe_where=False)
    assert weft.config.read("nan_safe_where") is weft.config.nan_safe_where is False
    assert np.isnan(f(0.0))  # traced anew
    weft.config.nan_safe_where = True
    assert float(f(0.0)) == 0.0
    with pytest.raises(ArgumentError, match="nan_safe_where"):
        weft.config.update(nan_safe=True)


@pytest.mark.parametrize("taken", [True, False])
def test_one_condition_for_all_elements(taken: bool) -> None:
    x = np.array([4.0, 0.0, 1.0])

    def f(x: Any, condition: Any) -> Any:
        column = wnp.sqrt(x.reshape(3, 1)) if not taken else wnp.exp(x.reshape(3, 1))
        return wnp.sum(wnp.where(condition, column.reshape(3)[None].T.reshape(3), 0.0))

    want = np.exp(x) if taken else np.zeros(3)
    for gradient in (weft.grad(f), weft.jit(weft.grad(f))):
        np.testing.assert_allclose(gradient(x, wnp.asarray(taken)), want)
    batched = weft.vmap(weft.grad(f), in_axes=(None, 0))(x, np.array([taken, taken]))
    np.testing.assert_allclose(batched, [want, want])


def test_a_nan_of_the_branch_taken_is_seen() -> None:
    """Nothing is hidden: not without a choice, and not where the singular branch is the one that is taken."""
    assert np.isnan(weft.grad(lambda x: wnp.sqrt(x) * 0.0)(0.0))
    assert np.isinf(weft.grad(lambda x: wnp.where(x >= 0, wnp.sqrt(x), 0.0))(0.0))
    assert np.isnan(weft.grad(lambda x: (lambda s: wnp.where(x > 0, s, 0.0) + s * 0)(wnp.sqrt(x)))(0.0))


def text(f: Any, *args: Any) -> str:
    return str(weft.make_graph(f)(*args))


def test_graphs_stay_as_they_are_where_no_residual_meets_a_choice() -> None:
    rng = np.random.default_rng(0)
    w, b, x = rng.normal(size=(4, 4)), rng.normal(size=4), rng.normal(size=(3, 4))
    mask = np.tril(np.ones((3, 3), bool))
    programs = [
        (lambda w, b, x: wnp.sum(wnp.tanh(x @ w + b) / x), (w, b, x)),
        (lambda w, b, x: wnp.sum((lambda h: wnp.where(h > 0, h, 0.1 * h))(x @ w + b) @ w), (w, b, x)),
        (lambda q, k: wnp.sum(weft.nn.softmax(wnp.where(mask, q @ k.T / 2.0, -1e30))), (x, x)),
    ]
    for f, args in programs:
        plain = weft.grad(f, tuple(range(len(args))))
        safe = text(plain, *args)
        weft.config.nan_safe_where = False
        assert text(plain, *args) == safe
        weft.config.nan_safe_where = True
