"""`jit`: static arguments, trees, retracing, what is compiled, inputs and outputs of every kind, threads, errors."""

from __future__ import annotations

import dataclasses
import threading
from collections import OrderedDict, namedtuple
from typing import Any

import numpy as np
import pytest

import weft
import weft.numpy as wnp
from weft.errors import (
    ArgumentError,
    ConcretizationError,
    ImmutableError,
    LeakedTracerError,
    ShapeError,
    StaticArgumentError,
)

X = np.arange(6.0).reshape(2, 3)
Point = namedtuple("Point", "x y")


# Arguments


def test_static_arguments_by_position_and_name() -> None:
    traces = []

    @weft.jit(static_argnames=("n", "shift"))
    def f(x: Any, n: int = 2, *, shift: float = 0.0) -> Any:
        traces.append((n, shift))
        return x**n + shift

    assert float(f(3.0)) == 9.0
    assert float(f(3.0, 3)) == 27.0
    assert float(f(3.0, n=3)) == 27.0
    assert float(f(4.0, n=3, shift=1)) == 65.0
    assert float(f(5.0, 3)) == 125.0
    assert traces == [(2, 0.0), (3, 0.0), (3, 0.0), (3, 1)]
    by_number = weft.jit(lambda n, x: [x] * n, static_argnums=-2)
    assert len(by_number(3, 1.0)) == 3
    assert len(by_number(n=2, x=1.0)) == 2


def test_equal_static_values_of_other_types_are_told_apart() -> None:
    f = weft.jit(lambda x, n: x * n, static_argnums=1)
    assert f(np.int32(2), 1).dtype == np.int32
    assert f(np.int32(2), 1.0).dtype == np.float64


def test_keywords_and_defaults() -> None:
    f = weft.jit(lambda a, b=2.0, *rest, scale, **more: (a + b + sum(rest)) * scale + more.get("extra", 0.0))
    assert float(f(1.0, scale=10.0)) == 30.0
    assert float(f(1.0, 1.0, 1.0, 1.0, scale=2.0, extra=0.5)) == 8.5


def test_trees_of_arguments_and_results() -> None:
    @dataclasses.dataclass
    class Model:
        w: Any
        name: str

    weft.tree_util.register_dataclass(Model, ["w"], ["name"])

    @weft.tree_util.register_pytree_node_class
    class Pair:
        def __init__(self, a: Any, b: Any):
            self.a, self.b = a, b

        def tree_flatten(self) -> Any:
            return (self.a, self.b), None

        @classmethod
        def tree_unflatten(cls, aux: Any, children: Any) -> Any:
            return cls(*children)

    tree = {
        "b": [1.0, None, (X,)], "a": Point(2.0, X[0]), "o": OrderedDict(z=1, y=2), "m": Model(X, "m"), "p": Pair(X, 3.0),
    }  # fmt: skip
    out = weft.jit(lambda t: weft.tree.map(lambda x: x * 2, t))(tree)
    assert list(out) == list(tree)
    assert list(out["o"]) == ["z", "y"]
    assert isinstance(out["a"], Point)
    assert out["a"].y.tolist() == [0.0, 2.0, 4.0]
    assert out["b"][1] is None
    assert (out["m"].name, out["m"].w.tolist()) == ("m", (2 * X).tolist())
    assert float(out["p"].b) == 6.0


def test_meta_fields_are_static() -> None:
    traces = []

    @dataclasses.dataclass
    class Layer:
        w: Any
        kind: str

    weft.tree_util.register_dataclass(Layer, ["w"], ["kind"])

    @weft.jit
    def f(layer: Layer) -> Any:
        traces.append(layer.kind)
        return layer.w * (2 if layer.kind == "double" else 1)

    assert [float(f(Layer(1.5, k))) for k in ("double", "single", "double")] == [3.0, 1.5, 3.0]
    assert traces == ["double", "single"]


def test_a_hundred_arguments_and_deep_nesting() -> None:
    assert float(weft.jit(lambda *xs: sum(xs))(*range(100))) == 4950
    deep: Any = 1.0
    for _ in range(50):
        deep = [deep]
    out = weft.jit(lambda t: weft.tree.map(lambda x: x + 1, t))(deep)
    assert float(weft.tree.leaves(out)[0]) == 2.0
    nested = lambda x: x + 1  # noqa: E731
    for _ in range(20):
        nested = weft.jit(nested)
    assert float(nested(1.0)) == 2.0


def test_methods() -> None:
    class Scale:
        def __init__(self, by: float):
            self.by = by

        @weft.jit(static_argnums=0)
        def __call__(self, x: Any) -> Any:
            return x * self.by

    assert float(Scale(3.0)(2.0)) == 6.0


# Tracing and compiling


def test_the_second_call_does_not_run_python() -> None:
    traces = []

    @weft.jit
    def f(x: Any) -> Any:
        traces.append(x.shape)
        return x + 1

    a = wnp.asarray(X)
    for _ in range(3):
        f(a), f(X), f(X + 1)
    assert traces == [(2, 3)]
    f(X[:1]), f(X.astype(np.float32)), f(X[:1])
    assert traces == [(2, 3), (1, 3), (2, 3)]
    f.clear_cache()
    f(a)
    assert len(traces) == 4


def test_new_shapes_compile_nothing() -> None:
    f = weft.jit(lambda x, y: wnp.sin(x) @ y + x.sum())
    for n in range(20, 40):
        out = f(np.ones((n, n + 1)), np.ones((n + 1, n)))
        np.testing.assert_allclose(out, np.sin(1) * (n + 1) + n * (n + 1), rtol=1e-12)
    assert f.compiles == 1


def test_remainders_by_a_length_compile_nothing() -> None:
    f = weft.jit(lambda x: x[(wnp.arange(x.shape[0]) + 1) % x.shape[0]] + wnp.arange(x.size) // len(x))
    for n in range(20, 70, 7):
        x = np.linspace(0, 1, n)
        np.testing.assert_array_equal(f(x), np.roll(x, -1))
    assert f.compiles == 1


def test_values_of_scalars_compile_nothing() -> None:
    f = weft.jit(lambda x, s: x * s)
    assert [f(X[0], s).tolist()[1] for s in (1.5, -2.0, 1e300)] == [1.5, -2.0, 1e300]
    assert f.compiles == 1


def test_scalars_give_way_to_arrays() -> None:
    f = weft.jit(lambda x, s: x * s)
    assert f(np.float32([1]), 2.0).dtype == np.float32
    assert f(np.float32([1]), np.float64(2)).dtype == np.float64
    assert f(np.int8([1]), 2).dtype == np.int8
    assert f(np.int8([1]), 2.0).dtype == np.float64
    assert f(True, 2).dtype == np.int64


def test_integers_beyond_int64_are_unsigned() -> None:
    f = weft.jit(lambda x: x + 1)
    assert int(f(1)) == 2
    assert int(f(2**63)) == 2**63 + 1
    assert int(f(3)) == 4


def test_threads_share_a_function() -> None:
    f = weft.jit(lambda x: (wnp.exp(-x * x) * x).sum())
    wanted = {n: (np.exp(-(np.linspace(0, 1, n) ** 2)) * np.linspace(0, 1, n)).sum() for n in range(30, 38)}
    wrong = []

    def work(n: int) -> None:
        x = np.linspace(0, 1, n)
        for _ in range(20):
            if not np.isclose(float(f(x)), wanted[n], rtol=1e-12):
                wrong.append(n)

    threads = [threading.Thread(target=work, args=(n,)) for n in wanted]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert wrong == []


def test_jit_inside_jit_and_closures() -> None:
    inner = weft.jit(lambda x, y: x * y)

    @weft.jit
    def outer(x: Any) -> Any:
        by_closure = weft.jit(lambda y: y + x)
        return by_closure(inner(x, 3.0))

    assert float(outer(2.0)) == 8.0
    big = np.arange(1000.0)
    captures = weft.jit(lambda i: big[10] + big.sum() + wnp.asarray(big)[i])
    assert float(captures(5)) == 10 + big.sum() + 5


def test_disable_jit_runs_python() -> None:
    seen = []
    f = weft.jit(lambda x: seen.append(float(x)) or x * 2)
    with weft.disable_jit():
        assert float(f(wnp.asarray(4.0))) == 8.0
    assert seen == [4.0]


# Inputs and outputs


@pytest.mark.parametrize(
    "x",
    [X.T, X[:, ::-1], X[:, ::2], X[::-1], np.broadcast_to(1.0, (4, 3)), np.asfortranarray(X), X.astype(">f8").astype("<f8")],
    ids=["transposed", "reversed", "strided", "rows reversed", "broadcast", "fortran", "swapped"],
)  # fmt: skip
def test_arrays_that_are_not_contiguous(x: np.ndarray) -> None:
    before = x.copy()
    np.testing.assert_array_equal(np.asarray(weft.jit(lambda x: x * 2 + 1)(x)), x * 2 + 1)
    np.testing.assert_array_equal(np.asarray(weft.jit(lambda x: x)(x)), x)
    np.testing.assert_array_equal(x, before)


def test_read_only_and_unaligned_arrays() -> None:
    x = X.copy()
    x.flags.writeable = False
    assert weft.jit(lambda x: x + 1)(x).tolist() == (X + 1).tolist()
    unaligned = np.frombuffer(b"\0" + X.tobytes(), np.uint8)[1:].view(np.float64).reshape(X.shape)
    assert weft.jit(lambda x: x + 1)(unaligned).tolist() == (X + 1).tolist()


def test_inputs_are_never_modified() -> None:
    x = X.copy()
    f = weft.jit(lambda x: (x.at[0].set(7.0), wnp.sort(x, axis=0), x.at[1, 1].add(1.0) * 2))
    out = f(x)
    np.testing.assert_array_equal(x, X)
    assert out[0].tolist() == [[7.0] * 3, [3.0, 4.0, 5.0]]
    a = wnp.asarray(X)
    f(a)
    np.testing.assert_array_equal(np.asarray(a), X)


def test_results_that_are_inputs_duplicates_and_constants() -> None:
    x = X.copy()
    same, twice, again, constant, literal, scalar = weft.jit(
        lambda x: (x, x * 2, x * 2, wnp.ones(2), 3, 2.5)
    )(x)
    np.testing.assert_array_equal(np.asarray(same), X)
    np.testing.assert_array_equal(np.asarray(twice), np.asarray(again))
    assert constant.tolist() == [1.0, 1.0]
    assert (literal.dtype, int(literal), float(scalar)) == (np.int64, 3, 2.5)
    x[:] = -1  # the result does not follow its argument
    np.testing.assert_array_equal(np.asarray(same), X)


def test_a_returned_captured_array_is_not_aliased() -> None:
    data = np.arange(3.0)
    out = weft.jit(lambda x: data)(1.0)
    data[:] = 9
    assert out.tolist() == [0.0, 1.0, 2.0]


def test_zero_sizes_and_no_axes() -> None:
    f = weft.jit(lambda x: (x + 1, x.sum(0), wnp.concatenate([x, x])))
    added, total, joined = f(np.zeros((0, 3)))
    assert (added.shape, total.tolist(), joined.shape) == ((0, 3), [0.0] * 3, (0, 3))
    assert weft.jit(lambda: 1.5)().shape == ()
    assert weft.jit(lambda: None)() is None
    assert weft.jit(lambda x: ())(1.0) == ()
    assert weft.jit(lambda x, unused: x)(1.0, np.zeros((0,))).shape == ()


def test_repr_and_wrapping() -> None:
    @weft.jit
    def documented(x: Any) -> Any:
        """Twice."""
        return 2 * x

    assert repr(documented) == "<jitted documented>"
    assert (documented.__name__, documented.__doc__) == ("documented", "Twice.")


# Errors. Each names the line of the user; here that is this file.


def fails(call: Any, error: type[Exception], *parts: str) -> None:
    """``call`` raises ``error`` with a message that has all ``parts`` and the name of this file."""
    with pytest.raises(error) as caught:
        call()
    text = str(caught.value)
    for part in (*parts, "test_jit.py:"):
        assert part in text, text


def test_values_of_traced_arrays() -> None:
    def branch(x: Any) -> Any:
        return x if x.sum() > 0 else -x

    fails(
        lambda: weft.jit(branch)(X), ConcretizationError,
        "Python needs the truth value of an array", "bool[] is traced by jit(branch)", "It is the result of gt at",
        "weft.numpy.where or weft.lax.select", "static_argnums",
    )  # fmt: skip
    fails(
        lambda: weft.jit(lambda n: range(n))(3),
        ConcretizationError,
        "range() needs the value",
        "It is the argument n.",
    )
    fails(
        lambda: weft.jit(lambda d: float(d["a"]))({"a": 1.0}),
        ConcretizationError,
        "float()",
        "It is the argument d['a'].",
    )
    fails(
        lambda: weft.jit(lambda x: np.linalg.inv(x.tolist()))(X),
        ConcretizationError,
        "tolist() needs the values",
    )
    fails(lambda: weft.jit(lambda x: x.item())(1.0), ConcretizationError, "item() needs the value")


def test_shapes_that_do_not_go_together() -> None:
    fails(
        lambda: weft.jit(lambda a, b: a + b)(X, X[:, :2]),
        ShapeError,
        "add got incompatible shapes",
        "(2, 3), (2, 2)",
    )
    fails(
        lambda: weft.jit(lambda a, b: a @ b)(X, X),
        ShapeError,
        "matmul got incompatible shapes (2, 3) and (2, 3)",
    )


def test_arguments_that_are_no_arrays() -> None:
    fails(
        lambda: weft.jit(lambda a, b: a)(1.0, {"k": "s"}), ArgumentError,
        "argument b['k'] of <lambda> is 's' of type builtins.str", "static_argnums, static_argnames",
    )  # fmt: skip
    fails(
        lambda: weft.jit(lambda x: "no")(1.0),
        ArgumentError,
        "<lambda> returned 'no'",
        "returns arrays, numbers and trees",
    )
    fails(lambda: weft.jit(lambda x: x)(2**70), ArgumentError, "does not fit into 64 bits")


def test_static_arguments_that_cannot_be() -> None:
    f = weft.jit(lambda a, n: a, static_argnums=1)
    fails(
        lambda: f(1.0, [1]),
        StaticArgumentError,
        "static argument 1 of <lambda> is not hashable: [1] of type list",
        "tuple",
    )
    g = weft.jit(lambda a, n: a, static_argnames="n")
    fails(lambda: g(1.0, n={}), StaticArgumentError, "static argument 'n' of <lambda> is not hashable")
    fails(
        lambda: weft.jit(lambda a: a, static_argnums=3),
        ArgumentError,
        "static_argnums of <lambda> has 3",
        "takes 1 positional",
    )
    fails(
        lambda: weft.jit(lambda a: a, static_argnames="q"),
        ArgumentError,
        "has 'q', which is not an argument of <lambda>",
    )
    fails(lambda: weft.jit(3), ArgumentError, "jit takes a function, got 3 of type int")


def test_leaked_tracers() -> None:
    kept = []

    def leaking(x: Any) -> Any:
        kept.append(x * 2)
        return x

    weft.jit(leaking)(X)
    parts = (
        "A traced value f64[2,3], made at",
        "outlived the transformation of jit(leaking)",
        "Return it from the function",
    )
    fails(lambda: kept[0] + 1, LeakedTracerError, *parts)
    fails(lambda: weft.jit(lambda y: y + kept[0])(X), LeakedTracerError, *parts)
    fails(lambda: float(kept[0]), LeakedTracerError, *parts)


def test_assignment() -> None:
    def assign(x: Any) -> None:
        x[0] = 1.0

    fails(lambda: weft.jit(assign)(X), ImmutableError, "of (2, 3) is immutable", "x = x.at[index].set(value)")


def test_errors_of_python_pass_through() -> None:
    with pytest.raises(ZeroDivisionError):
        weft.jit(lambda x: 1 // 0)(1.0)
    assert float(weft.jit(lambda x: x + 1)(1.0)) == 2.0  # and leave no trace open
    with pytest.raises(TypeError, match=r"missing a required argument|missing 1 required"):
        weft.jit(lambda x, y: x)(1.0)
