"""The fast way of a jitted call: what it takes, that it tells signatures apart, and that it does little."""

from __future__ import annotations

import dataclasses
import itertools
from collections import OrderedDict, namedtuple
from typing import Any

import ml_dtypes
import numpy as np
import pytest

import weft
import weft.numpy as wnp
from tests.work import count_calls
from weft.engine import tree
from weft.engine.transforms.arguments import read, reading_order
from weft.errors import ArgumentError, StaticArgumentError

Pair = namedtuple("Pair", "left right")


@dataclasses.dataclass
class Model:
    kind: Any
    w: Any
    b: Any


tree.register_dataclass(Model, data_fields=["w", "b"], meta_fields=["kind"])


class Turned(Pair):
    """A named tuple that is registered as a container of another kind."""


with pytest.warns(UserWarning, match="namedtuple"):
    tree.register_pytree_node(Turned, lambda x: ([x.right], x.left), lambda left, right: Turned(left, *right))

A, B, C = (np.arange(3.0) + k for k in (0, 10, 20))


def values_of(*args: Any) -> tuple[list[Any], list[np.ndarray]] | None:
    key: list[Any] = []
    values: list[np.ndarray] = []
    return (key, values) if read(args, key, values) else None


TAKEN: dict[str, Any] = {
    "an Array": wnp.asarray(A),
    "a NumPy array": A,
    "not contiguous": np.arange(12.0).reshape(3, 4).T,
    "scalars": [1, 2.5, True, 3j, -(2**63)],
    "NumPy scalars": [np.float32(1), np.int8(2), np.bool_(True), np.complex64(1j)],
    "containers": {"b": [A, (B, None, 2.0)], "a": {"y": C, "x": ()}},
    "named tuples": Pair({"b": A, "a": B}, Pair(C, None)),
    "objects": [Model("x", {"z": A, "y": [B]}, Pair(C, 1.0)), Turned("static", {"b": A, "a": B})],
    "static objects": weft.tree_util.Partial(max, A, key=B),
    "no axes": np.array(3.0),
    "no elements": np.zeros((0, 3)),
}


@pytest.mark.parametrize("name", TAKEN)
def test_values_in_the_order_of_the_leaves(name: str) -> None:
    x = TAKEN[name]
    weft.jit(lambda t: t)(x)  # so that the types are known
    found = values_of(x)
    assert found is not None
    _, values = found
    reorder = reading_order((x,), {})
    leaves = tree.leaves((x,))
    assert len(values) == len(leaves)
    for leaf, value in zip(leaves, values if reorder is None else reorder(values), strict=True):
        assert value.dtype == np.asarray(leaf).dtype
        assert value.flags.c_contiguous
        np.testing.assert_array_equal(value, leaf)


NOT_TAKEN: dict[str, Any] = {
    "a string": "x",
    "a large integer": 2**63,
    "bfloat16": np.ones(3, ml_dtypes.bfloat16)[0],
    "the other byte order": np.ones(3, ">f8"),
    "a subclass of dict": OrderedDict(a=A),
    "a masked array": np.ma.array(A),
    "an object": object(),
}


@pytest.mark.parametrize("name", NOT_TAKEN)
def test_what_goes_the_slow_way(name: str) -> None:
    assert values_of([A, NOT_TAKEN[name]]) is None


def test_keys_tell_signatures_apart() -> None:
    arguments = [
        (A,), (A, B), ([A, B],), ((A, B),), ([A], [B]), ([A], B), ([A, [B]],), ({"a": A},), ({"b": A},), ({"a": A, "b": B},),
        ({"b": A, "a": B},), ({"a": {"b": A}},), (None,), ([None],), ([],), ((),), ({},), (1,), (1.0,), (True,), (1j,),
        (np.float32(1),), (np.array(1.0),), (A.reshape(1, 3),), (A.astype(np.float32),), (A, None), ([A, None],), ([], A),
        ([A, [], B],), ([A, [B, []]],), (Pair(A, B),), (Turned(1, A),), (Turned(2, A),), (Turned(1, [A]),),
        (Model("x", A, B),), (Model("y", A, B),), (Model("x", [A], B),), (Model("x", B, None),),
    ]  # fmt: skip
    for args in arguments:
        weft.jit(lambda *t: t)(*args)
    keys = []
    for args in arguments:
        found = values_of(*args)
        assert found is not None, args
        keys.append(tuple(found[0]))
    for (i, one), (j, other) in itertools.combinations(enumerate(keys), 2):
        assert one != other, (arguments[i], arguments[j])


def test_the_order_of_dicts_and_keywords_makes_no_difference() -> None:
    traces = []

    @weft.jit
    def f(t: Any, **more: Any) -> Any:
        traces.append(1)
        return t["a"] - 2 * t["b"]["y"] + 4 * t["b"]["x"] - 8 * more["u"] + 16 * more["v"]

    values = dict(zip("ayxuv", (np.full(3, 1.0 + k) for k in range(5)), strict=True))
    wanted = values["a"] - 2 * values["y"] + 4 * values["x"] - 8 * values["u"] + 16 * values["v"]
    for _ in range(2):
        for outer, inner, names in itertools.product(["ab", "ba"], ["xy", "yx"], ["uv", "vu"]):
            parts = {"a": values["a"], "b": {k: values[k] for k in inner}}
            got = f({k: parts[k] for k in outer}, **{k: values[k] for k in names})
            np.testing.assert_array_equal(got, wanted)
    assert len(traces) == 1


def test_static_arguments_on_the_second_call() -> None:
    f = weft.jit(lambda x, n, *, k=1: (x * n + k, n), static_argnames=("n", "k"))
    for n, k in [(1, 1), (1.0, 1), (True, 1), (2, 1), (2, 1.5)] * 2:
        got, same = f(np.int32(3), n, k=k)
        assert float(got) == 3 * n + k
        assert got.dtype == weft.jit(lambda x, n=n, k=k: x * n + k)(np.int32(3)).dtype
        assert float(same) == n
    for _ in range(2):
        with pytest.raises(StaticArgumentError, match="is not hashable"):
            f(A, [1])


def test_errors_do_not_mention_the_fast_way() -> None:
    f = weft.jit(lambda t: t)
    for _ in range(2):
        with pytest.raises(ArgumentError, match=r"argument t\['b'\] of <lambda> is 'x'") as caught:
            f({"a": A, "b": "x"})
        assert caught.value.__context__ is None
        with pytest.raises(ArgumentError, match="does not fit into 64 bits"):
            f(2**70)


def test_arrays_that_become_contiguous() -> None:
    f = weft.jit(lambda t: [x * 2 for x in t])
    x = wnp.asarray(np.arange(6.0).reshape(2, 3)).T
    for _ in range(2):
        np.testing.assert_array_equal(f([x, x[::-1]])[1], np.arange(6.0).reshape(2, 3).T[::-1] * 2)


def test_a_call_does_little_python() -> None:
    leaves = {f"k{i}": wnp.asarray(A + i) for i in range(50)}
    total = weft.jit(lambda t: sum(x.sum() for x in t.values()))
    double = weft.jit(lambda t: {k: x * 2 for k, x in t.items()})
    add = weft.jit(lambda x, y: x + y)
    x = leaves["k0"]
    calls = [
        lambda: total(leaves),
        lambda: double(leaves),
        lambda: add(x, x),
        lambda: add(A, 2.0),
        lambda: add(x=x, y=B),
    ]
    for call in calls:
        call()
        assert count_calls(call) <= 16  # however many leaves there are


def test_objects_keep_what_is_static_in_them() -> None:
    traces = []

    @weft.jit
    def f(model: Model, pair: Pair) -> Any:
        traces.append(model.kind)
        return Model(model.kind, model.w * 2 if model.kind == "double" else model.w, pair.right)

    for kind in ("double", "plain", "double"):
        for w in (A, B):
            result = f(Model(kind, {"w": w}["w"], None), Pair(w, C))
            assert result.kind == kind
            np.testing.assert_array_equal(result.w, w * 2 if kind == "double" else w)
            np.testing.assert_array_equal(result.b, C)
    assert traces == ["double", "plain"]


def test_what_is_static_must_be_hashable_by_either_way() -> None:
    f = weft.jit(lambda model: model.w)
    for _ in range(2):
        with pytest.raises(TypeError, match="unhashable"):
            f(Model([1], A, B))
