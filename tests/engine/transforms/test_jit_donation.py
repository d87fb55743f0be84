"""Donation: results take over memory, and only where nobody sees it; what was given up says so."""

from __future__ import annotations

import gc
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import weft
import weft.numpy as wnp
from weft.engine.runtime.memory import LARGE
from weft.errors import ArgumentError, DeletedError

N = 7


@pytest.fixture(autouse=True)
def _warnings_are_errors() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def fresh(seed: int = 0, shape: tuple[int, ...] = (N, N)) -> Any:
    return wnp.asarray(np.random.default_rng(seed).normal(size=shape))


def address(x: Any) -> int:
    return x._data.ctypes.data


# name: the function of a donated and a plain array, and whether a result is in the donated memory
# (None where others decide).
PROGRAMS: dict[str, tuple[Callable[..., Any], bool | None]] = {
    "elementwise": (lambda x, y: x * 2.0 + y, True),
    "used twice": (lambda x, y: x * x + x, True),
    "with a row": (lambda x, y: x - y[0], True),
    "one of the results": (lambda x, y: (x + y, wnp.sum(x)), True),
    "both results": (lambda x, y: (x + y, x - y), True),
    "the argument": (lambda x, y: x, True),
    "the argument and more": (lambda x, y: (x, x + y), True),
    "the argument twice": (lambda x, y: (x, x, y * 2), True),
    "not used": (lambda x, y: y * 3.0, True),
    "read before": (lambda x, y: wnp.sum(x) * y @ y, True),
    "normalised by its sum": (lambda x, y: x / wnp.sum(x), True),
    "reshaped": (lambda x, y: (x.reshape(-1) * 2).reshape(N, N), True),
    "turned round": (lambda x, y: x[::-1] + y, False),
    "turned round and not": (lambda x, y: x[::-1] + x, False),
    "transposed": (lambda x, y: x.T + 1.0, False),
    "a product": (lambda x, y: x @ y, False),
    "rows": (lambda x, y: x - x.max(axis=1, keepdims=True), False),
    "neighbours": (lambda x, y: wnp.roll(x, 1) + x, None),
    "sorted": (lambda x, y: wnp.sort(x, axis=0), None),
    "updated": (lambda x, y: x.at[wnp.array([1, 3])].add(y[:2]), None),
    "a loop": (lambda x, y: weft.lax.fori_loop(0, 3, lambda i, v: v @ y + i, x), None),
    "a choice": (lambda x, y: weft.lax.cond(y[0, 0] > 0, lambda v: v + 1, lambda v: v[::-1], x), None),
    "cumulated": (lambda x, y: wnp.cumsum(x, axis=0), None),
}  # fmt: skip


@pytest.mark.parametrize("name", PROGRAMS)
def test_results_are_those_without_donation(name: str) -> None:
    fun, reuses = PROGRAMS[name]
    wanted = weft.jit(fun)(fresh(), fresh(1))
    donating = weft.jit(fun, donate_argnums=0)
    for _ in range(3):
        x, y = fresh(), fresh(1)
        place = address(x)
        got = donating(x, y)
        weft.tree.map(np.testing.assert_array_equal, got, wanted)
        np.testing.assert_array_equal(y, fresh(1))
        assert x.is_deleted()
        if reuses is not None:
            assert any(address(r) == place for r in weft.tree.leaves(got)) == reuses


@pytest.mark.parametrize("n", [0, 1, 5, 1000, LARGE // 8 + 1])
def test_a_chain_stays_in_one_place(n: int) -> None:
    step = weft.jit(lambda x, k: x * 0.5 + k, donate_argnums=0)
    x = wnp.arange(float(n))
    plain, place = np.arange(float(n)), address(x)
    for k in range(5):
        old, x = x, step(x, float(k))
        plain = plain * 0.5 + k
        assert old.is_deleted()
        assert address(x) == place or n == 0
    np.testing.assert_array_equal(x, plain)


def test_three_states_in_one_kernel() -> None:
    @weft.jit(donate_argnames=("p", "m", "v"))
    def adam(p: Any, g: Any, m: Any, v: Any) -> Any:
        m = weft.tree.map(lambda m, g: 0.9 * m + 0.1 * g, m, g)
        v = weft.tree.map(lambda v, g: 0.99 * v + 0.01 * g * g, v, g)
        return weft.tree.map(lambda p, m, v: p - 0.1 * m / (wnp.sqrt(v) + 1e-8), p, m, v), m, v

    tree = {"w": fresh(0), "b": fresh(1, (N,))}
    states = [weft.tree.map(lambda x: x * x + i, tree) for i in range(3)]  # noqa: B023
    plain = [weft.tree.map(np.array, s) for s in states]
    places = {address(x) for x in weft.tree.leaves(states)}
    grads = weft.tree.map(lambda x: x * 0.1, tree)
    got = adam(states[0], grads, *states[1:])
    wanted = weft.jit(adam.__wrapped__)(plain[0], grads, *plain[1:])
    weft.tree.map(np.testing.assert_array_equal, got, wanted)
    assert {address(x) for x in weft.tree.leaves(got)} == places
    assert all(x.is_deleted() for x in weft.tree.leaves(states))
    assert not any(x.is_deleted() for x in weft.tree.leaves(grads))


SEEN: dict[str, Callable[[Any], Any]] = {
    "as a NumPy array": np.asarray,
    "as a part of it": lambda x: np.asarray(x)[1:],
    "as a memoryview": lambda x: memoryview(np.asarray(x)),
    "by DLPack": np.from_dlpack,
    "by an Array": lambda x: x[1:],
    "by a traced function": lambda x: weft.jit(lambda k: x + k).lower(1.0),
}


@pytest.mark.parametrize("name", SEEN)
def test_memory_that_others_see_is_left_alone(name: str) -> None:
    step = weft.jit(lambda x: x * 2.0, donate_argnums=0)
    x = fresh()
    seen = SEEN[name](x)
    for _ in range(2):
        got = step(x)
        np.testing.assert_array_equal(got, fresh() * 2.0)
        np.testing.assert_array_equal(x, fresh())
        assert not x.is_deleted()
    del seen, got
    gc.collect()
    if name != "by a traced function":
        step(x)
        assert x.is_deleted()


def test_memory_that_is_not_ours_is_not_written(tmp_path: Any) -> None:
    path = tmp_path / "x.npy"
    np.save(path, np.arange(6.0))
    step = weft.jit(lambda x: x + 1.0, donate_argnums=0)
    mapped = np.load(path, mmap_mode="r")
    for source in (np.arange(6.0), mapped, np.frombuffer(np.arange(6.0).tobytes())):
        kept = np.array(source)
        np.testing.assert_array_equal(step(source), kept + 1)
        np.testing.assert_array_equal(source, kept)
        x = wnp.asarray(source)
        np.testing.assert_array_equal(step(x), kept + 1)
        np.testing.assert_array_equal(source, kept)
    del mapped, source
    np.testing.assert_array_equal(np.load(path), np.arange(6.0))


def test_one_array_as_two_arguments() -> None:
    both = weft.jit(lambda x, y: (x + 1.0, x - y), donate_argnums=(0, 1))
    x = fresh()
    a, b = both(x, x)
    np.testing.assert_array_equal(a, fresh() + 1.0)
    np.testing.assert_array_equal(b, np.zeros((N, N)))
    assert not x.is_deleted()


def test_keywords_statics_and_order() -> None:
    @weft.jit(static_argnames="n", donate_argnames="state")
    def f(n: int, data: Any, *, state: Any) -> Any:
        return weft.tree.map(lambda s: s * n + data, state)

    for names in ("zya", "ayz"):
        state = {name: fresh(i, (3,)) for i, name in enumerate(names)}
        plain = weft.tree.map(np.array, state)
        data = fresh(9, (3,))
        for _ in range(2):
            given = weft.tree.map(lambda s: s + 0.0, state)
            got = f(2, data, state=given)
            for name in names:
                np.testing.assert_array_equal(got[name], plain[name] * 2 + np.asarray(data))
                assert given[name].is_deleted()
        assert not data.is_deleted()


def test_scalars_and_numbers() -> None:
    f = weft.jit(lambda x: x + 1, donate_argnums=0)
    assert float(f(2.0)) == 3.0
    x = wnp.asarray(4)
    assert int(f(x)) == 5
    assert x.is_deleted()


def test_other_transformations_keep_what_is_donated() -> None:
    f = weft.jit(lambda x: wnp.sin(x) * x, donate_argnums=0)
    x = fresh()
    plain = wnp.sin(x) * x
    np.testing.assert_allclose(weft.vmap(f)(x), plain)
    np.testing.assert_allclose(weft.jit(lambda y: f(y))(x), plain)
    np.testing.assert_allclose(weft.grad(lambda y: f(y).sum())(x), wnp.cos(x) * x + wnp.sin(x))
    np.testing.assert_allclose(weft.jvp(f, (x,), (x,))[0], plain)
    with weft.disable_jit():
        np.testing.assert_allclose(f(x), plain)
    assert not x.is_deleted()
    outer = weft.jit(lambda y: f(y) + y, donate_argnums=0)
    np.testing.assert_allclose(outer(x), plain + fresh())
    assert x.is_deleted()


def test_what_finds_no_result_is_kept_and_said() -> None:
    f = weft.jit(lambda state, y: (wnp.sum(state["a"]), y * 2.0), donate_argnums=(0, 1))
    x = fresh()
    with pytest.warns(
        UserWarning, match=r"<lambda> find no result of their shape and dtype.*: state\['a'\] f64\[7,7\]\."
    ):
        f({"a": x}, y := fresh(1, (3,)))
    assert not x.is_deleted()
    assert y.is_deleted()


USES: dict[str, Callable[[Any], Any]] = {
    "arithmetic": lambda x: x + 1,
    "the other operand": lambda x: wnp.ones(3) * x,
    "a function": wnp.sin,
    "NumPy's function": np.sin,
    "NumPy": np.asarray,
    "an index": lambda x: x[0],
    "a number": lambda x: float(x[0]),
    "jit": lambda x: weft.jit(lambda y: y)(x),
    "a captured array": lambda x: weft.jit(lambda y: y + x)(1.0),
    "grad": lambda x: weft.grad(lambda y: y.sum())(x),
    "an update": lambda x: x.at[0].set(1.0),
    "a list": lambda x: x.tolist(),
    "DLPack": np.from_dlpack,
    "device_get": weft.device_get,
}


@pytest.mark.parametrize("name", USES)
def test_a_deleted_array_says_so(name: str) -> None:
    x = wnp.ones(3)
    x.delete()
    x.delete()
    with pytest.raises(
        DeletedError, match=r"this array f64\[3\] was deleted: .*Use what that function returned"
    ):
        USES[name](x)
    assert isinstance(x, weft.Array)
    assert (x.is_deleted(), x.shape, x.dtype, x.ndim, x.size) == (True, (3,), np.float64, 1, 3)
    assert repr(x) == "<deleted array f64[3]>"
    assert not wnp.ones(3).is_deleted()


def test_arguments_that_cannot_be_donated() -> None:
    def f(x: Any, y: Any) -> Any:
        return x + y

    with pytest.raises(ArgumentError, match=r"donate_argnums of f has 5, but f takes 2 positional arguments"):
        weft.jit(f, donate_argnums=5)
    with pytest.raises(ArgumentError, match=r"donate_argnames of f has 'z', which is not an argument of f"):
        weft.jit(f, donate_argnames="z")
    with pytest.raises(ArgumentError, match=r"arguments of f are both static and donated: x\."):
        weft.jit(f, donate_argnums=0, static_argnames="x")
