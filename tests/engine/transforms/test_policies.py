"""`weft.checkpoint_policies`: what is kept is not computed again, what is not kept is; values stay the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import weft
import weft.numpy as wnp
from weft.ad_checkpoint import checkpoint_name

policies = weft.checkpoint_policies
X = np.random.default_rng(0).normal(size=(3, 4))
W = np.random.default_rng(1).normal(size=(4, 4))


def layer(w: Any, x: Any) -> Any:
    """One product, then a named sine, then a named exponential: the backward pass reads all but the last."""
    a = weft.jit(lambda x, w: checkpoint_name(wnp.sin(x @ w), "a"))(x, w)
    return wnp.tanh(checkpoint_name(wnp.expm1(a), "b")) * x


# How often a product, sine and exponential are computed forwards and again, in addition to once each.
AGAIN: dict[str, tuple[Any, tuple[int, int, int]]] = {
    "none": (None, (1, 1, 1)),
    "nothing": (policies.nothing_saveable, (1, 1, 1)),
    "everything": (policies.everything_saveable, (0, 0, 0)),
    "dots": (policies.dots_saveable, (0, 1, 1)),
    "checkpoint_dots": (policies.checkpoint_dots, (0, 1, 1)),
    "dots without batch": (policies.dots_with_no_batch_dims_saveable, (0, 1, 1)),
    "only b": (policies.save_only_these_names("b"), (1, 0, 0)),
    "only a": (policies.save_only_these_names("a"), (1, 0, 1)),
    "names but b": (policies.save_any_names_but_these("b"), (1, 0, 1)),
    "anything but names": (policies.save_anything_except_these_names("a", "b"), (0, 0, 0)),
    "both": (policies.save_from_both_policies(policies.dots_saveable, policies.save_only_these_names("b")), (0, 0, 0)),
    "one's own": (lambda prim, *types, **params: prim.name == "sin", (1, 0, 1)),
}  # fmt: skip


def counts(graph: Any) -> list[int]:
    text = str(graph)
    return [text.count(f" {name}") for name in ("dot_general[", "sin ", "expm1 ")]


def loss(policy: Any, kept: bool = False) -> Callable[..., Any]:
    step = layer if kept else weft.checkpoint(layer, policy=policy)
    return lambda w, x: wnp.sum(step(w, x))


def in_scan(policy: Any, kept: bool = False) -> Callable[..., Any]:
    step = layer if kept else weft.checkpoint(layer, policy=policy)
    return lambda w, x: wnp.sum(weft.lax.scan(lambda h, _: (step(w, h), None), x, None, length=5)[0])


def around_scan(policy: Any, kept: bool = False) -> Callable[..., Any]:
    def steps(w: Any, x: Any) -> Any:
        return weft.lax.scan(lambda h, _: (layer(w, h), wnp.sum(h)), x, None, length=5)

    run = steps if kept else weft.checkpoint(steps, policy=policy)
    return lambda w, x: sum(wnp.sum(y * y) for y in run(w, x))


def around_nested_scans(policy: Any, kept: bool = False) -> Callable[..., Any]:
    """A loop in a scan in a checkpoint, with a scan that nothing is differentiated through beside it."""

    def inner(w: Any, h: Any) -> Any:
        return weft.lax.fori_loop(0, 2, lambda i, h: layer(w, h) + i, h)

    def steps(w: Any, x: Any) -> Any:
        ticks = weft.lax.scan(lambda c, _: (wnp.sin(c + 1), c), 0.0, None, length=3)[1]
        return weft.lax.scan(lambda h, t: (inner(w, h) * t, wnp.sum(h)), x, ticks)

    run = steps if kept else weft.checkpoint(steps, policy=policy)
    return lambda w, x: sum(wnp.sum(y * y) for y in run(w, x))


@pytest.mark.parametrize("program", [loss, in_scan])
@pytest.mark.parametrize("name", AGAIN)
def test_what_is_kept_is_not_computed_again(name: str, program: Any) -> None:
    policy, again = AGAIN[name]
    gradient, kept = (weft.value_and_grad(program(policy, k), (0, 1)) for k in (False, True))
    lowered = weft.jit(gradient).lower(W, X).as_text("fused")
    wanted = weft.jit(kept).lower(W, X).as_text("fused")
    assert [a - b for a, b in zip(counts(lowered), counts(wanted), strict=True)] == list(again)
    for derive in (gradient, weft.jit(gradient)):
        for found, value in zip(weft.tree.leaves(derive(W, X)), weft.tree.leaves(kept(W, X)), strict=True):
            np.testing.assert_allclose(found, value, rtol=1e-12)


# The same around a whole scan, whose carries are computed again first, and then what its steps do not keep.
AGAIN_AROUND = {
    "none": (2, 2, 2),
    "nothing": (2, 2, 2),
    "everything": (0, 0, 0),
    "dots": (0, 2, 2),
    "only a": (1, 0, 2),
    "only b": (1, 0, 0),
}


@pytest.mark.parametrize("name", AGAIN_AROUND)
def test_what_steps_of_a_scan_keep_is_not_computed_again(name: str) -> None:
    policy = AGAIN[name][0]
    gradient, kept = (weft.grad(around_scan(policy, k), (0, 1)) for k in (False, True))
    texts = [weft.jit(f).lower(W, X).as_text("fused") for f in (gradient, kept)]
    again = [a - b for a, b in zip(*map(counts, texts), strict=True)]
    assert tuple(again) == AGAIN_AROUND[name]
    for program in (around_scan, around_nested_scans):
        gradient, kept = (weft.grad(program(policy, k), (0, 1)) for k in (False, True))
        for derive in (gradient, weft.jit(gradient)):
            for found, value in zip(derive(W, X), kept(W, X), strict=True):
                np.testing.assert_allclose(found, value, rtol=1e-10)


@pytest.mark.parametrize("name", ["dots", "only b", "everything"])
def test_policies_under_other_transformations(name: str) -> None:
    policy = AGAIN[name][0]
    for program in (loss, in_scan, around_scan, around_nested_scans):
        f, g = program(policy), program(None, kept=True)
        for transform, x in (
            (lambda f: weft.vmap(weft.grad(f, 1), (None, 0)), np.stack([X, 2 * X])),
            (
                lambda f: weft.jit(weft.grad(lambda *args: weft.vmap(f, (None, 0))(*args).sum())),
                np.stack([X, 2 * X]),
            ),
            (lambda f: weft.jacfwd(f, 1), X),
        ):
            np.testing.assert_allclose(transform(f)(W, x), transform(g)(W, x), rtol=1e-10)
        second = [weft.hessian(lambda s, h=h: h(W, X * s))(1.0) for h in (f, g)]
        np.testing.assert_allclose(second[0], second[1], rtol=1e-10)


def test_a_name_is_no_operation() -> None:
    assert checkpoint_name({"a": X}, "x")["a"].tolist() == X.tolist()
    f = lambda x: checkpoint_name(x * 2, "x") + 1  # noqa: E731
    assert "named" not in weft.jit(f).lower(X).as_text("fused")
    assert float(weft.grad(f)(3.0)) == 2.0
