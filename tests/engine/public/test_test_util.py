"""`weft.test_util`: right derivatives pass, wrong ones do not."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import pytest

import weft
import weft.numpy as wnp
from weft.errors import ArgumentError
from weft.test_util import check_grads, check_jvp, check_vjp

RIGHT = {
    "tree": (lambda x, d: {"y": wnp.sin(x) * d["a"], "n": 3}, (np.arange(3.0), {"a": np.ones(3)})),
    "complex": (lambda x: x**2 * wnp.exp(1j * x), (np.array([1 + 2j, 0.3]),)),
    "complex to real": (lambda x: wnp.abs(x) ** 2, (np.array([1 + 2j, 0.3]),)),
    "float32": (lambda x: wnp.tanh(x) * x[0], (np.ones(3, np.float32),)),
    "integers": (lambda x, n: x * n, (2.0, np.arange(3))),
    "scalar": (lambda x: wnp.exp(x), (0.5,)),
}


@pytest.mark.parametrize("name", RIGHT)
def test_right_derivatives_pass(name: str) -> None:
    fun, args = RIGHT[name]
    check_grads(fun, args, order=2)


def _wrong(kind: str) -> Any:
    if kind == "fwd":
        fun = weft.custom_jvp(lambda x: x**2)
        fun.defjvp(lambda p, t: (p[0] ** 2, 3.0 * p[0] * t[0]))
        return fun
    pull = weft.custom_vjp(lambda x: x**2)
    pull.defvjp(lambda x: (x**2, x), lambda x, ct: (3.0 * x * ct,))
    return pull


@pytest.mark.parametrize("kind", ["fwd", "rev"])
def test_wrong_derivatives_do_not(kind: str) -> None:
    with pytest.raises(AssertionError, match="jvp:" if kind == "fwd" else "vjp:"):
        check_grads(_wrong(kind), (np.arange(1.0, 4.0),), 1, modes=kind)


def test_a_second_derivative_that_is_wrong() -> None:
    slope = weft.custom_jvp(lambda x: 2 * x)
    slope.defjvp(lambda p, t: (2 * p[0], 5.0 * t[0]))
    square = weft.custom_jvp(lambda x: x**2)
    square.defjvp(lambda p, t: (p[0] ** 2, slope(p[0]) * t[0]))
    check_grads(square, (1.5,), 1)
    with pytest.raises(AssertionError, match="jvp of jvp:"):
        check_grads(square, (1.5,), 2, modes="fwd")


def test_one_mode_at_a_time() -> None:
    fun, args = RIGHT["tree"]
    check_jvp(fun, functools.partial(weft.jvp, fun), args)
    check_vjp(fun, functools.partial(weft.vjp, fun), args)
    with pytest.raises(AssertionError, match="the model the value of the jvp"):
        check_jvp(wnp.sin, functools.partial(weft.jvp, wnp.cos), (0.5,), err_msg="the model")
    with pytest.raises(AssertionError, match="the value of the vjp"):
        check_vjp(wnp.sin, functools.partial(weft.vjp, wnp.cos), (0.5,))


def test_modes_have_names() -> None:
    with pytest.raises(ArgumentError, match=r'modes=\[.reverse.\]: there are "fwd" and "rev"'):
        check_grads(wnp.sin, (1.0,), 1, modes=("fwd", "reverse"))
