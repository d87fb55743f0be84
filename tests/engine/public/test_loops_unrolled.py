"""``unroll=`` of `scan` and `fori_loop`: fewer turns, the same results."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import weft
from weft import lax
from weft import numpy as wnp
from weft.errors import ArgumentError

W = np.cos(np.arange(9.0)).reshape(3, 3)


def _step(carry: Any, x: Any) -> Any:
    h, n = carry["h"], carry["n"]
    h = wnp.tanh(W @ h + x["a"]) * x["b"]
    return {"h": h, "n": n + 1}, (h, {"sum": h.sum() + n})


def _run(rows: int, **options: Any) -> Any:
    def f(h: Any, a: Any, b: Any) -> Any:
        return lax.scan(_step, {"h": h, "n": 0}, {"a": a, "b": b}, **options)

    data = np.sin(np.arange(rows * 4.0)).reshape(rows, 4)
    return f, (np.array([0.1, 0.2, 0.3]), data[:, :3], data[:, 3])


def _same(ours: Any, others: Any) -> None:
    for x, y in zip(weft.tree.leaves(ours), weft.tree.leaves(others), strict=True):
        assert (x.dtype, x.shape) == (y.dtype, y.shape)
        np.testing.assert_allclose(np.asarray(x), np.asarray(y), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("rows", [0, 1, 2, 7])
def test_results(rows: int, reverse: bool) -> None:
    f, args = _run(rows, reverse=reverse)
    wanted = weft.jit(f)(*args)
    for unroll in (False, 2, 3, 7, 99, True):
        g, _ = _run(rows, reverse=reverse, unroll=unroll)
        _same(weft.jit(g)(*args), wanted)
        _same(g(*args), f(*args))


@pytest.mark.parametrize("unroll", [2, 3, True])
def test_derivatives_and_batches(unroll: int | bool) -> None:
    def slopes(**options: Any) -> Any:
        f, args = _run(7, reverse=True, **options)

        def total(*xs: Any) -> Any:
            carry, (hs, others) = f(*xs)
            return (carry["h"] ** 2).sum() + (hs * others["sum"][:, None]).sum()

        g = weft.grad(total, (0, 1, 2))
        many = [np.stack([x, 2 * x]) for x in args]
        return g(*args), weft.jvp(g, args, args)[1], weft.jit(weft.vmap(g))(*many)

    _same(slopes(unroll=unroll), slopes())


def test_the_divided_backward_pass_of_jax_changes_nothing() -> None:
    def slope(divided: bool) -> Any:
        def total(x: Any) -> Any:
            return lax.scan(lambda c, y: (wnp.sin(c) * y, c), x, x[:3], None, False, 2, divided)[1].sum()

        return weft.grad(total)(np.array([0.3, 0.5, 0.7]))

    _same(slope(True), slope(False))


def _loops(fun: Any, *args: Any) -> list[int]:
    """How many turns the loops of a traced function take."""
    return [eqn.params["length"] for eqn in weft.make_graph(fun)(*args).eqns if eqn.prim.name == "scan"]


def test_turns() -> None:
    assert [_loops(*_both) for _both in ((_run(7, unroll=u)[0], *_run(7)[1]) for u in (1, 2, 3, 4, True))] == [
        [7], [3], [2], [], []
    ]  # fmt: skip


def test_fori_loop() -> None:
    def run(x: Any, **options: Any) -> Any:
        return lax.fori_loop(2, 9, lambda i, x: wnp.sin(x) + i, x, **options)

    x = np.arange(3.0)
    assert _loops(lambda x: run(x, unroll=3), x) == [2]
    assert _loops(lambda x: run(x, unroll=True), x) == []
    for unroll in (None, False, 2, 3, True):
        _same(weft.jit(lambda x, u=unroll: run(x, unroll=u))(x), weft.jit(run)(x))
        _same(run(x, unroll=unroll), run(x))
    traced = weft.jit(lambda n, x: lax.fori_loop(0, n, lambda i, x: 2 * x, x, unroll=4))
    np.testing.assert_array_equal(np.asarray(traced(5, x)), 32 * x)


def test_with_a_bar(capsys: pytest.CaptureFixture[str]) -> None:
    f, args = _run(7)
    g, _ = _run(7, unroll=3, progress="steps")
    _same(weft.jit(g)(*args), weft.jit(f)(*args))
    assert "steps" in capsys.readouterr().err


@pytest.mark.parametrize("unroll", [0, -1])
def test_errors(unroll: int) -> None:
    f, args = _run(3, unroll=unroll)
    with pytest.raises(
        ArgumentError,
        match=rf"scan: unroll is the number of steps in a row, an integer of at least 1, got {unroll}",
    ):
        f(*args)
    with pytest.raises(ArgumentError, match="fori_loop: unroll is the number"):
        lax.fori_loop(0, 3, lambda i, x: x, 1.0, unroll=unroll)
