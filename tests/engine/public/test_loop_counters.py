"""What `fori_loop` counts with, against JAX: the dtype of the number of a step, and what it gives way to."""

from __future__ import annotations

import collections
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import weft
from weft import lax
from weft.errors import ArgumentError

Pair = collections.namedtuple("Pair", "carry y")
SMALL = np.array([1.0, 2.0, 3.0], np.float32)


def agree(fun: Callable[..., Any], *args: Any) -> None:
    """Eager and jitted results of ``fun(namespace, *args)`` are JAX's, dtypes too."""
    wanted = [np.asarray(x) for x in jax.tree.leaves(jax.jit(lambda *xs: fun(jax, *xs))(*args))]
    for run in (lambda *xs: fun(weft, *xs), weft.jit(lambda *xs: fun(weft, *xs))):
        found = [np.asarray(x) for x in jax.tree.leaves(run(*map(weft.numpy.asarray, args)))]
        assert [x.dtype for x in found] == [x.dtype for x in wanted]
        for ours, theirs in zip(found, wanted, strict=True):
            np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize(
    "start", [np.int8(3), np.int32(3), np.float32(3), np.float64(3), np.complex64(3), SMALL]
)
@pytest.mark.parametrize("bounds", [(0, 5), (-2, np.int32(3)), (np.int64(2), np.int64(5)), (4, 4)])
def test_a_counter_of_known_bounds_gives_way(start: Any, bounds: tuple[Any, Any]) -> None:
    agree(lambda ns, c: ns.lax.fori_loop(*bounds, lambda i, c: c * 2 + i, c), start)
    agree(lambda ns, c: ns.lax.fori_loop(*bounds, lambda i, c: (c[0] + (i + 1) * 3, i), (c, 0)), start)


@pytest.mark.parametrize("dtype", ["int8", "int16", "int32", "int64"])
def test_a_counter_to_a_traced_bound_has_its_dtype(dtype: str) -> None:
    def count(ns: Any, n: Any, c: Any) -> Any:
        return ns.lax.fori_loop(0, n, lambda i, c: (c[0] + i, i), (c, ns.numpy.zeros((), dtype)))

    for c in (np.zeros((), dtype), np.zeros(2, np.int64)):
        wanted = jax.jit(lambda n, c: count(jax, n, c))(jnp.asarray(5, dtype), c)
        found = weft.jit(lambda n, c: count(weft, n, c))(weft.numpy.asarray(5, dtype), c)
        assert [x.dtype for x in found] == [x.dtype for x in wanted]
        np.testing.assert_array_equal(found[0], wanted[0])


def test_a_python_integer_as_traced_bound_gives_way() -> None:
    add = weft.jit(lambda n, c: lax.fori_loop(0, n, lambda i, c: c + i, c))
    assert (add(4, np.int32(0)), add(4, np.int32(0)).dtype) == (6, np.int32)
    slope = weft.jit(weft.grad(lambda c, n: lax.fori_loop(0, n, lambda i, c: c * i, c).sum()))
    assert slope(SMALL, 3).dtype == np.float32


def test_a_counter_is_a_carry_of_any_integer_dtype() -> None:
    def last(c: Any) -> Any:
        return lax.fori_loop(0, 5, lambda i, c: (i, c[1] + i), (c, c))

    for run in (last, weft.jit(last)):
        found = run(weft.numpy.zeros((), np.int32))
        assert [(int(x), x.dtype) for x in found] == [(4, np.int32), (10, np.int32)]


def test_bounds_beyond_a_dtype_are_counted_in_int64() -> None:
    for lower, upper, steps in ((-5, np.uint8(2), 7), (np.uint8(250), np.uint8(255), 5)):
        count = weft.jit(lambda upper, lower=lower: lax.fori_loop(lower, upper, lambda i, c: c + 1, 0))
        assert lax.fori_loop(lower, upper, lambda i, c: c + 1, 0) == count(weft.numpy.asarray(upper)) == steps


def test_an_eager_loop_converts_only_what_a_counter_has_promoted() -> None:
    strong = weft.numpy.ones(3)
    with pytest.raises(ArgumentError, match="came in as f32"):
        lax.fori_loop(0, 3, lambda i, c: c + i + strong, SMALL)
    with pytest.raises(ArgumentError, match="came in as i32"):
        lax.fori_loop(0, 3, lambda i, c: c + i * 0.5, np.int32(0))


@pytest.mark.parametrize("number", [2.5, "2", -1])
@pytest.mark.parametrize(
    ("message", "call"),
    [
        (
            "scan: length is the number of steps",
            lambda n: lax.scan(lambda c, _: (c, None), 0, None, length=n),
        ),
        ("scan: unroll is the number of", lambda n: lax.scan(lambda c, x: (c, x), 0, SMALL, unroll=n)),
        ("map: batch_size is the number of", lambda n: lax.map(lambda x: x, SMALL, batch_size=n)),
        ("fori_loop: checkpoints is", lambda n: lax.fori_loop(0, 2, lambda i, c: c, 0, checkpoints=n)),
        (
            "while_loop: checkpoints is",
            lambda n: lax.while_loop(lambda c: c < 2, lambda c: c + 1, 0, checkpoints=n),
        ),
    ],
)
def test_numbers_of_steps_rows_and_carries_are_integers(
    message: str, call: Callable[..., Any], number: Any
) -> None:
    with pytest.raises(ArgumentError, match=rf"{message}.*, an integer of at least [01], got {number!r}"):
        call(number)


@pytest.mark.parametrize("make", [Pair, lambda c, y: [c, y]])
def test_a_step_of_a_scan_returns_any_pair(make: Callable[..., Any]) -> None:
    agree(lambda ns, x: ns.lax.scan(lambda c, t: make(c + t, c * t), x[0], x), np.array([0.5, -1.0, 2.0]))
