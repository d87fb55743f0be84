"""Callbacks are called when, how often and with what JAX calls them; effects keep their order and their number."""

from __future__ import annotations

import contextvars
from collections.abc import Callable
from types import ModuleType
from typing import Any

import jax
import jax.experimental
import jax.numpy
import numpy as np
import pytest

import weft
import weft.debug
import weft.experimental
import weft.numpy
from weft import lax
from weft.ir.errors import ArgumentError, DTypeError, GradientError, ShapeError

SCALAR = weft.ShapeDtypeStruct((), "float64")


@pytest.fixture(autouse=True)
def wide() -> Any:
    with jax.enable_x64(True):
        yield


class Calls:
    """A callback that keeps what it was called with."""

    def __init__(self) -> None:
        self.seen: list[Any] = []

    def __call__(self, *args: Any) -> None:
        self.seen.append(tuple(np.asarray(a).tolist() for a in args))


def straight(m: ModuleType, note: Calls, x: Any) -> Any:
    y = m.numpy.sin(x) * 2
    m.debug.callback(note, x)
    z = m.numpy.exp(y)
    m.debug.callback(note, x + 1)
    return z * y


def scanned(m: ModuleType, note: Calls, x: Any) -> Any:
    def body(c: Any, i: Any) -> Any:
        m.debug.callback(note, i, c)
        return c * 2, c

    return m.lax.scan(body, x, m.numpy.arange(3))[0]


def only_effects(m: ModuleType, note: Calls, x: Any) -> Any:
    m.lax.scan(lambda c, i: (m.debug.callback(note, i), (c, None))[1], None, m.numpy.arange(3))
    m.jit(lambda v: m.debug.callback(note, v * 0))(x)
    return x * 2


def fixed(m: ModuleType, note: Calls, x: Any) -> Any:
    def body(i: Any, c: Any) -> Any:
        m.debug.callback(note, 7)
        return c + x

    return m.lax.fori_loop(0, 3, body, x)


def until(m: ModuleType, note: Calls, x: Any) -> Any:
    def body(c: Any) -> Any:
        m.debug.callback(note, c)
        return c * 2

    return m.lax.while_loop(lambda c: c < 10, body, x)


def branched(m: ModuleType, note: Calls, x: Any) -> Any:
    def one(v: Any) -> Any:
        m.debug.callback(note, v)
        return v * 2

    def other(v: Any) -> Any:
        m.debug.callback(note, -v)
        return v * 3

    return m.lax.cond(x > 1.5, one, other, x)


def nested(m: ModuleType, note: Calls, x: Any) -> Any:
    def body(i: Any, c: Any) -> Any:
        def inner(d: Any) -> Any:
            m.debug.callback(note, i, d)
            return d * 1.5

        return m.lax.cond(i % 2 == 0, inner, lambda d: d + 1.0, c)

    return m.lax.fori_loop(0, 4, body, x)


PROGRAMS = [straight, scanned, only_effects, fixed, until, branched, nested]
ONE: dict[str, Callable[[ModuleType, Any], Any]] = {
    "eager": lambda m, f: f(1.0),
    "jit": lambda m, f: m.jit(f)(1.0),
    "jit of jit": lambda m, f: m.jit(m.jit(f))(1.0),
    "jvp": lambda m, f: m.jvp(f, (1.0,), (1.0,)),
    "jit of jvp": lambda m, f: m.jit(lambda x: m.jvp(f, (x,), (1.0,)))(1.0),
}
REVERSE: dict[str, Callable[[ModuleType, Any], Any]] = {
    "grad": lambda m, f: m.grad(f)(1.0),
    "jit of grad": lambda m, f: m.jit(m.value_and_grad(f))(1.0),
    "grad of jit": lambda m, f: m.grad(m.jit(f))(1.0),
}
MANY: dict[str, Callable[[ModuleType, Any], Any]] = {
    "vmap": lambda m, f: m.vmap(f)(m.numpy.array([1.0, 2.0, 3.0])),
    "jit of vmap": lambda m, f: m.jit(m.vmap(f))(m.numpy.array([1.0, 2.0, 3.0])),
}


def both(program: Any, use: Any) -> tuple[list[Any], list[Any], Any, Any]:
    ours, theirs = Calls(), Calls()
    found = use(weft, lambda x: program(weft, ours, x))
    expected = use(jax, lambda x: program(jax, theirs, x))
    jax.effects_barrier()
    return ours.seen, theirs.seen, found, expected


@pytest.mark.parametrize("use", ONE)
@pytest.mark.parametrize("program", PROGRAMS)
def test_calls_are_those_of_jax(program: Any, use: str) -> None:
    ours, theirs, found, expected = both(program, ONE[use])
    assert ours == theirs if len(theirs) < 2 else sorted(ours) == sorted(theirs)
    jax.tree.map(np.testing.assert_allclose, found, expected)


@pytest.mark.parametrize("use", REVERSE)
@pytest.mark.parametrize("program", PROGRAMS)
def test_gradients_call_once(program: Any, use: str) -> None:
    once = Calls()
    program(weft, once, 1.0)
    seen = Calls()
    found = REVERSE[use](weft, lambda x: program(weft, seen, x))
    assert seen.seen == once.seen
    if program is not until:  # which JAX cannot
        expected = REVERSE[use](jax, lambda x: program(jax, Calls(), x))
        jax.tree.map(np.testing.assert_allclose, found, expected)


@pytest.mark.parametrize("use", MANY)
@pytest.mark.parametrize("program", [straight, scanned, fixed])
def test_batches_call_for_each_example(program: Any, use: str) -> None:
    ours, theirs, found, expected = both(program, MANY[use])
    assert sorted(ours) == sorted(theirs)
    np.testing.assert_allclose(found, expected)


def test_order_within_a_batch() -> None:
    seen = Calls()
    weft.jit(weft.vmap(lambda x: straight(weft, seen, x)))(weft.numpy.array([1.0, 2.0]))
    assert seen.seen == [(1.0,), (2.0,), (2.0,), (3.0,)]


def test_effects_keep_their_order_when_what_they_read_does_not() -> None:
    seen = Calls()

    def f(x: Any) -> Any:
        y = weft.numpy.sum(weft.numpy.sin(x))
        weft.debug.callback(seen, 1, y)
        weft.debug.callback(seen, 2)
        z = weft.numpy.sum(weft.numpy.cos(x) * y)
        lax.fori_loop(0, 2, lambda i, c: (weft.debug.callback(seen, 3 + i), c)[1], 0)
        weft.debug.callback(seen, 5, z)
        weft.debug.callback(seen, 6, weft.numpy.max(x))
        return z

    weft.jit(f)(weft.numpy.arange(5.0))
    assert [call[0] for call in seen.seen] == [1, 2, 3, 4, 5, 6]


def test_equal_effects_are_not_merged() -> None:
    seen = Calls()

    def f(x: Any) -> Any:
        for _ in range(200):  # enough to be made a loop again, were it not for the effect
            weft.debug.callback(seen, x)
            x = weft.numpy.sort(x)
        return x

    weft.jit(f)(weft.numpy.arange(2.0))
    assert len(seen.seen) == 200


def test_python_branches_on_values_do_not_call_twice() -> None:
    seen = Calls()

    def f(x: Any) -> Any:
        y = straight(weft, seen, scanned(weft, seen, x))
        return y * 2 if y != 0 else y

    weft.grad(f)(1.0)
    assert len(seen.seen) == 5


def test_checkpoint_calls_once() -> None:
    seen = Calls()
    f = weft.checkpoint(lambda x: straight(weft, seen, x))
    weft.grad(f)(1.0)
    weft.jit(weft.grad(f))(1.0)
    assert len(seen.seen) == 4


def test_what_is_raised_reaches_the_caller() -> None:
    class Stop(Exception):
        pass

    stop = Stop("here")

    def check(i: Any) -> None:
        if i == 3:
            raise stop

    f = weft.jit(lambda x: lax.fori_loop(0, 10, lambda i, c: (weft.debug.callback(check, i), c @ c)[1], x))
    for _ in range(2):
        with pytest.raises(Stop) as caught:
            f(weft.numpy.eye(3))
        assert caught.value is stop


def test_arguments_are_kept_as_they_were() -> None:
    kept: list[Any] = []
    f = weft.jit(
        lambda x: lax.fori_loop(0, 4, lambda i, c: (weft.debug.callback(kept.append, c), c + 1)[1], x)
    )
    f(weft.numpy.zeros(2))
    assert [np.asarray(x).tolist() for x in kept] == [[0.0, 0.0], [1.0, 1.0], [2.0, 2.0], [3.0, 3.0]]
    assert all(isinstance(x, weft.Array) for x in kept)


def test_callbacks_compute_though_something_is_traced() -> None:
    found: list[Any] = []

    def note(x: Any) -> None:
        found.append(float(weft.numpy.sum(weft.numpy.zeros(3) + x) + weft.jit(weft.numpy.sin)(x)))

    def f(x: Any) -> Any:
        weft.debug.callback(note, x)
        y = x * 2
        return y if y > 0 else -y

    weft.grad(f)(2.0)
    weft.jit(f.__wrapped__ if hasattr(f, "__wrapped__") else lambda x: (weft.debug.callback(note, x), x)[1])(
        2.0
    )
    np.testing.assert_allclose(found, [6 + np.sin(2.0)] * 2)


def test_callbacks_run_in_the_context_of_the_caller() -> None:
    name = contextvars.ContextVar[str]("name", default="none")
    seen: list[str] = []
    f = lambda x: (weft.debug.callback(lambda _: seen.append(name.get()), x), x * 2)[1]  # noqa: E731
    name.set("mine")
    f(1.0)
    weft.jit(f)(1.0)
    weft.grad(lambda x: scanned(weft, lambda *_: seen.append(name.get()), x))(1.0)  # type: ignore[arg-type]
    assert seen == ["mine"] * 5


def test_trees_and_what_is_no_array() -> None:
    seen: list[Any] = []
    f = weft.jit(
        lambda x: weft.debug.callback(lambda *a, **k: seen.append((a, k)), {"a": [x, None]}, "word", key=x)
    )
    f(2.0)
    (((tree, word), named),) = seen
    assert (float(tree["a"][0]), tree["a"][1], word, float(named["key"])) == (2.0, None, "word", 2.0)


# Results


@pytest.mark.parametrize(
    "method", ["sequential", "sequential_unrolled", "expand_dims", "broadcast_all", "legacy_vectorized"]
)
@pytest.mark.parametrize("inside", [False, True])
def test_pure_callback_in_batches(method: str, inside: bool) -> None:
    shapes: dict[str, list[Any]] = {"weft": [], "jax": []}

    def f(m: ModuleType, x: Any, y: Any) -> Any:
        def host(a: Any, b: Any) -> Any:
            shapes[m.__name__].append((a.shape, b.shape))
            return np.asarray(a) + np.sum(np.asarray(b), -1)

        return m.pure_callback(host, jax.ShapeDtypeStruct((), np.float64), x, y, vmap_method=method) * 2

    results = []
    for m in (weft, jax):
        g = m.vmap(lambda x, y, m=m: f(m, x, y), in_axes=(0, None))
        g = m.jit(g) if inside else g
        results.append(g(m.numpy.arange(3.0), m.numpy.ones(2)))
    np.testing.assert_allclose(*results)
    assert shapes["weft"] == shapes["jax"]


def test_pure_callback_needs_a_method_in_batches() -> None:
    f = weft.vmap(lambda x: weft.pure_callback(np.sin, SCALAR, x))
    with pytest.raises(ArgumentError, match="vmap_method"):
        f(weft.numpy.zeros(2))
    with pytest.raises(ArgumentError, match="vmap_method is one of"):
        weft.pure_callback(np.sin, SCALAR, 1.0, vmap_method="often")


def test_pure_callback_is_not_called_for_nothing() -> None:
    seen = Calls()

    def host(x: Any) -> Any:
        seen(x)
        return np.asarray(x)

    weft.jit(lambda x: (weft.pure_callback(host, SCALAR, x), x)[1])(1.0)
    assert seen.seen == []
    weft.jit(lambda x: lax.fori_loop(0, 0, lambda i, c: c + weft.pure_callback(host, SCALAR, x), x))(1.0)
    assert seen.seen == []


def test_pure_callback_with_a_rule_is_differentiated() -> None:
    @weft.custom_jvp
    def sine(x: Any) -> Any:
        return weft.pure_callback(lambda a: np.sin(np.asarray(a)), x, x, vmap_method="broadcast_all")

    sine.defjvp(lambda p, t: (sine(p[0]), weft.numpy.cos(p[0]) * t[0]))
    x = weft.numpy.linspace(0.0, 1.0, 4)
    np.testing.assert_allclose(weft.jit(weft.vmap(weft.grad(sine)))(x), np.cos(x))


@pytest.mark.parametrize("call", [weft.pure_callback, weft.io_callback])
def test_derivatives_say_what_to_do(call: Any) -> None:
    with pytest.raises(GradientError, match="custom_jvp"):
        weft.grad(lambda x: call(np.sin, SCALAR, x))(1.0)
    assert float(
        weft.grad(lambda x: x * call(lambda a: np.sin(np.asarray(a)), SCALAR, lax.stop_gradient(x)))(1.0)
    ) == np.sin(1.0)


@pytest.mark.parametrize(
    ("host", "error", "match"),
    [
        (lambda x: np.zeros(2), ShapeError, r"shape \(2,\), result_shape_dtypes says \(\)"),
        (lambda x: np.float32(0), DTypeError, "dtype float32"),
        (lambda x: (x, x), ArgumentError, "structure"),
        (lambda x: None, ArgumentError, "structure"),
    ],
)
@pytest.mark.parametrize("call", [weft.pure_callback, weft.io_callback])
def test_results_are_held_against_what_was_promised(call: Any, host: Any, error: Any, match: str) -> None:
    for use in (lambda f: f, weft.jit):
        with pytest.raises(error, match=match):
            use(lambda x: call(host, SCALAR, x))(1.0)


def test_what_is_promised_are_types() -> None:
    with pytest.raises(ArgumentError, match="ShapeDtypeStruct"):
        weft.pure_callback(np.sin, 3, 1.0)
    with pytest.raises(ArgumentError, match="function"):
        weft.debug.callback(3)


def test_io_callback_is_called_each_time() -> None:
    count = [0]

    def host(x: Any) -> Any:
        count[0] += 1
        return {"n": np.asarray(count[0]), "x": np.asarray(x) * 2}

    types = {"n": weft.ShapeDtypeStruct((), "int64"), "x": SCALAR}

    def f(x: Any) -> Any:
        a = weft.io_callback(host, types, x)
        b = weft.experimental.io_callback(host, types, x)
        weft.io_callback(host, types, x)
        return a["n"] * 10 + b["n"], b["x"]

    n, x = weft.jit(f)(3.0)
    assert (int(n), float(x), count) == (12, 6.0, [3])
    loop = weft.jit(lambda x: lax.fori_loop(0, 5, lambda i, c: c + weft.io_callback(host, types, c)["x"], x))
    assert float(loop(1.0)) == 3.0**5
    assert count == [8]
    batch = weft.vmap(lambda x: weft.io_callback(host, types, x))(weft.numpy.arange(3.0))
    assert (batch["n"].tolist(), batch["x"].tolist()) == ([9, 10, 11], [0.0, 2.0, 4.0])


def test_io_callback_without_results() -> None:
    seen: list[float] = []
    f = weft.jit(lambda x: weft.io_callback(lambda a: seen.append(float(a)), None, x))
    assert f(2.0) is None
    assert seen == [2.0]


def test_ordered_calls_have_no_batches() -> None:
    for call in (
        lambda x: weft.debug.callback(print, x, ordered=True),
        lambda x: weft.io_callback(print, None, x, ordered=True),
    ):
        with pytest.raises(ArgumentError, match="ordered"):
            weft.vmap(call)(weft.numpy.zeros(2))


def test_equal_programs_are_compiled_once() -> None:
    def f(x: Any) -> Any:
        weft.debug.print("{x}", x=x)
        return x

    assert weft.make_graph(f)(1.0) == weft.make_graph(f)(1.0)
    text = str(weft.make_graph(lambda x: weft.debug.callback(test_io_callback_without_results, x))(1.0))
    assert "debug_callback[fun=<test_io_callback_without_results>" in text


# print


@pytest.mark.parametrize("use", [lambda f: f, weft.jit])
def test_print(use: Any, capsys: pytest.CaptureFixture[str]) -> None:
    def f(x: Any) -> Any:
        weft.debug.print("{} {y:.2f} {{}} {z}", x, y=x[0], z={"k": x[0]})
        weft.debug.print("no values")

    use(f)(weft.numpy.array([0.125, 2.0]))
    expected = f"{np.array([0.125, 2.0])} 0.12 {{}} { ({'k': np.float64(0.125)}) }\nno values\n"
    assert capsys.readouterr().out == expected


@pytest.mark.parametrize("use", [lambda f: f, weft.jit])
def test_options_of_a_call_of_their_own_leave_all_names_to_values(
    use: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    seen: list[Any] = []

    def f(x: Any) -> None:
        weft.debug.print(ordered=True, partitioned=False)("{ordered} {fmt}", ordered=x, fmt=2 * x)
        weft.debug.callback(ordered=True)(
            lambda callback, fun: seen.append(float(callback + fun)), callback=x, fun=x
        )

    use(f)(1.5)
    assert capsys.readouterr().out == "1.5 3.0\n"
    assert seen == [3.0]
    with pytest.raises(ArgumentError, match="ordered"):
        weft.vmap(f)(weft.numpy.zeros(2))


def test_a_format_that_is_not_checked(capsys: pytest.CaptureFixture[str]) -> None:
    weft.jit(lambda x: weft.debug.print("{} {k}", x, x, k=x, unused=x, skip_format_check=True))(1.5)
    assert capsys.readouterr().out == "1.5 1.5\n"
    with pytest.raises(IndexError):
        weft.jit(lambda x: weft.debug.print("{} {}", x, skip_format_check=True))(1.5)


def test_print_follows_printoptions(capsys: pytest.CaptureFixture[str]) -> None:
    with np.printoptions(precision=2):
        weft.jit(lambda x: weft.debug.print("{}", x))(weft.numpy.array([1 / 3]))
        weft.debug.print("{}", weft.numpy.array([1 / 3]))
    assert capsys.readouterr().out == "[0.33]\n[0.33]\n"


@pytest.mark.parametrize(
    ("fmt", "args", "kwargs", "match"),
    [
        ("{} {}", (1,), {}, "1 values"),
        ("{x}", (), {"y": 1}, "names y"),
        ("{", (), {}, "format"),
        ("{}", (1, 2), {}, "does not use argument 1"),
        ("{}", (1,), {"y": 1}, r"does not use y.\nAt .*test_callbacks.py"),
        (3, (), {}, "format string"),
    ],
)
def test_print_checks_its_format(fmt: Any, args: Any, kwargs: Any, match: str) -> None:
    with pytest.raises(ArgumentError, match=match):
        weft.debug.print(fmt, *args, **kwargs)
