"""The first NaN is blamed on the operation that made it, with its types and its line; what was given a NaN is not blamed."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import weft
import weft.debug
import weft.numpy
from weft import lax

JIT: dict[str, Callable[[Any], Any]] = {
    "eager": lambda f: f,
    "jit": weft.jit,
    "jit of jit": lambda f: weft.jit(weft.jit(f)),
    "vmap": lambda f: lambda *a: weft.vmap(f, axis_size=2, in_axes=None)(*a),
}


@pytest.fixture(autouse=True)
def off_afterwards() -> Iterator[None]:
    yield
    weft.debug.nans(False)
    weft.debug.infs(False)


def logs(x: Any) -> Any:
    y = x * 2
    return weft.numpy.sin(weft.numpy.log(y) + 1)


def loops(x: Any) -> Any:
    return lax.fori_loop(0, 100, lambda i, c: weft.numpy.sqrt(c - 0.3), x)


def rows(x: Any) -> Any:
    xs = weft.numpy.linspace(0.0, 2.0, 9)
    return lax.scan(lambda c, v: (c, weft.numpy.arccos(v)), x, xs, reverse=True)[1]


def until(x: Any) -> Any:
    return lax.while_loop(lambda c: c[0] < 9, lambda c: (c[0] + 1, weft.numpy.log(c[1])), (0, x))[1]


def branches(x: Any) -> Any:
    return lax.cond(x > 0, lambda v: weft.numpy.log(-v), lambda v: v, x)


PROGRAMS = [
    (logs, -1.0, "log"),
    (loops, 0.5, "sqrt"),
    (rows, 1.0, "a(rc)?cos"),
    (until, 2.0, "log"),
    (branches, 1.0, "log"),
]


@pytest.mark.parametrize("use", JIT)
@pytest.mark.parametrize(("program", "x", "name"), PROGRAMS)
def test_the_first_nan_is_found(program: Any, x: float, name: str, use: str) -> None:
    f = JIT[use](program)
    assert np.isnan(np.asarray(f(x))).any()
    line = program.__code__.co_firstlineno + (2 if program in (logs, rows) else 1)
    with weft.debug.nans(), pytest.raises(FloatingPointError) as caught:
        f(x)
    message = str(caught.value)
    assert re.match(
        rf"{name} made the first NaN, out of operands without one: {name}\(f64\[.*\) -> ", message
    )
    assert f"{__file__}:{line}," in message
    assert np.isnan(np.asarray(f(x))).any()


def test_the_step_is_named() -> None:
    with weft.debug.nans(), pytest.raises(FloatingPointError, match="in step 8 of 9"):
        weft.jit(rows)(1.0)
    with weft.debug.nans(), pytest.raises(FloatingPointError, match="in step 2"):
        weft.jit(until)(2.0)


@pytest.mark.parametrize("use", JIT)
@pytest.mark.parametrize("program", [logs, loops, until])
def test_what_is_given_a_nan_is_not_blamed(program: Any, use: str) -> None:
    with weft.debug.nans():
        assert np.isnan(np.asarray(JIT[use](program)(np.nan))).all()


def test_constants_that_are_nan_are_not_blamed() -> None:
    f = lambda x: weft.numpy.where(x > 0, x, np.nan) + weft.numpy.full((2,), np.nan)  # noqa: E731
    with weft.debug.nans():
        assert np.isnan(np.asarray(f(weft.numpy.ones(2)))).all()
        assert np.isnan(np.asarray(weft.jit(f)(weft.numpy.ones(2)))).all()


@pytest.mark.parametrize(
    "use", [weft.grad, lambda f: weft.jit(weft.grad(f)), lambda f: weft.grad(weft.jit(f))]
)
def test_gradients(use: Any) -> None:
    with weft.debug.nans(), pytest.raises(FloatingPointError, match="NaN"):
        use(lambda x: weft.numpy.sqrt(x * x))(0.0)


@pytest.mark.parametrize("use", [lambda f: f, weft.jit])
def test_infinities(use: Any) -> None:
    f = use(lambda x: weft.numpy.exp(x * 1000) - 1)
    with weft.debug.nans():
        assert np.isinf(float(f(1.0)))
    with weft.debug.infs(), pytest.raises(FloatingPointError, match="exp made the first infinity"):
        f(1.0)


def test_operators() -> None:
    zero = weft.numpy.zeros(2)
    weft.debug.nans(True)
    with pytest.raises(FloatingPointError, match=r"div|divide"):
        zero / zero
    with pytest.raises(FloatingPointError, match="NaN"):
        (zero + np.inf) - np.inf
    weft.debug.nans(False)
    assert np.isnan(np.asarray(zero / zero)).all()


def test_settings() -> None:
    f = weft.jit(logs)
    for name in ("debug_nans", "jax_debug_nans"):
        weft.config.update(name, True)
        assert weft.config.read(name)
        with pytest.raises(FloatingPointError):
            f(-1.0)
        weft.config.update(**{name: False})
        assert np.isnan(float(f(-1.0)))


def test_donated_arguments_and_effects() -> None:
    seen: list[float] = []

    def f(x: Any) -> Any:
        weft.debug.callback(lambda v: seen.append(float(v[0])), x)
        return weft.numpy.log(x)

    with weft.debug.nans():
        g = weft.jit(f, donate_argnums=0)
        x = weft.numpy.ones(3)
        assert np.asarray(g(x)).tolist() == [0.0] * 3
        with pytest.raises(FloatingPointError, match="log made"):
            g(-x)
    assert seen == [1.0, -1.0]
