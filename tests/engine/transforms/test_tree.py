"""`weft.tree` and `weft.tree_util`: containers, order, paths, registration."""

from __future__ import annotations

import dataclasses
import sys
from collections import OrderedDict, deque, namedtuple
from typing import Any

import jax
import numpy as np
import pytest

import weft
import weft.numpy as wnp
from weft import tree, tree_util
from weft.ir.errors import ArgumentError, NestingError

Point = namedtuple("Point", "x y")


def test_leaves_come_in_order() -> None:
    nested = {"b": (1, None, [2]), "a": Point(3, OrderedDict(z=4, y=5)), "d": deque([6])}
    assert tree.leaves(nested) == [3, 4, 5, 1, 2, 6]
    leaves, treedef = tree.flatten(nested)
    assert tree.unflatten(treedef, leaves) == nested
    assert treedef == tree.structure(nested)
    assert treedef != tree.structure([1])
    assert hash(treedef) == hash(
        tree.structure({"d": deque([0]), "b": (0, None, [0]), "a": Point(0, OrderedDict(z=0, y=0))})
    )


def test_functions_of_trees() -> None:
    assert tree.map(lambda x, y: x + y, {"a": 1, "b": (2,)}, {"a": 10, "b": (20,)}) == {"a": 11, "b": (22,)}
    assert tree.map(len, {"a": [1, 2], "b": [3]}, is_leaf=lambda x: isinstance(x, list)) == {"a": 2, "b": 1}
    assert tree.reduce(lambda a, b: a + b, [1, (2, 3)]) == 6
    assert tree.reduce(lambda a, b: a + b, [1, (2, 3)], 10) == 16
    assert tree.all({"a": True, "b": [1]}) is True
    assert tree.all([1, 0]) is False
    outer, inner = tree.structure([0, 0]), tree.structure({"a": 0, "b": 0})
    assert tree.transpose(outer, inner, [{"a": 1, "b": 2}, {"a": 3, "b": 4}]) == {"a": [1, 3], "b": [2, 4]}
    assert tree.transpose(outer, None, [{"a": 1}, {"a": 3}]) == {"a": [1, 3]}
    assert [tree_util.keystr(path) for path, _ in tree.leaves_with_path({"w": [1, Point(2, 3)]})] == [
        "['w'][0]",
        "['w'][1].x",
        "['w'][1].y",
    ]
    with pytest.raises(ValueError, match=r"mismatch|Expected"):
        tree.map(lambda x, y: x, {"a": 1}, {"b": 1})


def test_jaxs_names() -> None:
    assert tree_util.tree_leaves([1, (2,)]) == [1, 2]
    assert isinstance(tree_util.tree_structure([1]), tree_util.PyTreeDef)
    assert tree_util.Partial(max, 3)(2) == 3


def test_registered_classes() -> None:
    class Box:
        def __init__(self, x: Any, label: str):
            self.x, self.label = x, label

    tree_util.register_pytree_node(Box, lambda b: ((b.x,), b.label), lambda label, xs: Box(*xs, label))
    doubled = tree.map(lambda x: 2 * x, [Box((1, 2), "k")])[0]
    assert (doubled.x, doubled.label) == ((2, 4), "k")

    @dataclasses.dataclass
    class Layer:
        w: Any
        b: Any
        kind: str = "dense"

    tree_util.register_dataclass(Layer, meta_fields=("kind",))
    layer = tree.map(lambda x: x + 1, Layer(1, [2], "conv"))
    assert layer == Layer(2, [3], "conv")
    gradient = weft.grad(lambda layer: layer.w * layer.b[0])(Layer(2.0, [3.0]))
    assert (float(gradient.w), float(gradient.b[0]), gradient.kind) == (3.0, 2.0, "dense")


def test_dataclasses_mark_static_fields() -> None:
    @tree_util.register_dataclass
    @dataclasses.dataclass
    class Layer:
        w: Any
        kind: str = dataclasses.field(default="dense", metadata={"static": True})

    layer = Layer([1, 2], "conv")
    assert tree.map(lambda x: -x, layer) == Layer([-1, -2], "conv")
    assert [tree_util.keystr(path) for path, _ in tree.leaves_with_path({"l": layer})] == [
        "['l'].w[0]",
        "['l'].w[1]",
    ]

    @dataclasses.dataclass
    class Point:
        x: Any
        y: Any

    with pytest.raises(ArgumentError, match="Point has the fields x, y, but data_fields are"):
        tree_util.register_dataclass(Point, ["x"], [])


def test_paths() -> None:
    params = {"dense": [Point(1, 2), (3,)], "bias": 4}
    found, treedef = tree.flatten_with_path(params)
    assert treedef == tree.structure(params)
    assert found == tree_util.tree_leaves_with_path(params)
    assert found[1][0] == (tree_util.DictKey("dense"), tree_util.SequenceKey(0), tree_util.GetAttrKey("x"))
    assert [tree_util.keystr(path) for path, _ in found] == [
        "['bias']", "['dense'][0].x", "['dense'][0].y", "['dense'][1][0]"
    ]  # fmt: skip
    assert tree_util.keystr(found[1][0], simple=True, separator="/") == "dense/0/x"
    decayed = tree.map_with_path(lambda path, w, g: w - g * (path[0].key != "bias"), params, params)
    assert decayed == {"dense": [Point(0, 0), (0,)], "bias": 4}
    assert str(tree.leaves_with_path(tree_util.Partial(max, 1))[0][0]) == "[<flat index 0>][0]"


def test_partial_is_a_container() -> None:
    scaled = tree_util.Partial(lambda s, x, *, shift: s * x + shift, 3.0, shift=1.0)
    assert tree.leaves(scaled) == [3.0, 1.0]
    assert float(weft.jit(lambda f, x: f(x))(scaled, 2.0)) == 7.0
    assert float(weft.grad(lambda f: f(2.0))(scaled).args[0]) == 2.0


def test_paths_partial_and_static() -> None:
    assert tree.map_with_path(lambda path, x: (tree_util.keystr(path), x), {"a": [1]}) == {
        "a": [("['a'][0]", 1)]
    }
    found, treedef = tree.flatten_with_path((1, {"b": 2}))
    assert [x for _, x in found] == [1, 2] and treedef == tree.structure((1, {"b": 2}))
    scale = tree_util.Partial(lambda a, b: a * b, wnp.ones(2))
    assert tree.leaves(scale)[0].shape == (2,)
    np.testing.assert_array_equal(weft.jit(lambda f, b: f(b))(scale, 3.0), [3, 3])

    @tree_util.register_static
    @dataclasses.dataclass(frozen=True)
    class Mode:
        name: str

    assert tree.leaves(Mode("a")) == []
    twice = weft.jit(lambda mode, x: x * 2 if mode.name == "twice" else x)
    assert (float(twice(Mode("twice"), 3.0)), float(twice(Mode("once"), 3.0))) == (6.0, 3.0)


def test_prefixes_are_broadcast() -> None:
    whole = {"a": [1, 2], "b": (3, {"c": 4})}
    assert tree.broadcast(0, whole) == {"a": [0, 0], "b": (0, {"c": 0})}
    assert tree_util.tree_broadcast({"a": 5, "b": (6, 7)}, whole) == {"a": [5, 5], "b": (6, {"c": 7})}
    with pytest.raises(ValueError):
        tree.broadcast({"a": 5}, whole)


def test_leaves_are_folded_by_halves() -> None:
    assert tree.reduce_associative(lambda a, b: f"({a}{b})", list("abcde")) == "(((ab)(cd))e)"
    assert tree.reduce_associative(lambda a, b: a + b, {}, identity=7) == 7
    with pytest.raises(ArgumentError, match="identity="):
        tree_util.tree_reduce_associative(lambda a, b: a + b, ())


def test_structures_are_taken_apart_and_put_together() -> None:
    one, two = tree.structure(1), tree.structure([1, (2, 3)])
    assert tree_util.treedef_is_leaf(one) and not tree_util.treedef_is_leaf(two)
    assert [part.num_leaves for part in tree_util.treedef_children(two)] == [1, 2]
    assert tree_util.treedef_tuple([one, two]) == tree.structure((1, [1, (2, 3)]))
    assert tree_util.all_leaves([1, 2.0]) and not tree_util.all_leaves([1, [2]])


def test_registered_children_have_names() -> None:
    @tree_util.register_pytree_with_keys_class
    class Layer:
        def __init__(self, w: Any, b: Any, name: str):
            self.w, self.b, self.name = w, b, name

        def tree_flatten_with_keys(self) -> Any:
            return (
                (tree_util.GetAttrKey("w"), self.w),
                (tree_util.DictKey("bias"), self.b),
            ), self.name

        @classmethod
        def tree_unflatten(cls, name: str, children: Any) -> Any:
            return cls(*children, name)

    layer = Layer(np.ones(2), [3.0, 4.0], "first")
    assert [tree_util.keystr(path) for path, _ in tree.leaves_with_path({"x": layer})] == [
        "['x'].w",
        "['x']['bias'][0]",
        "['x']['bias'][1]",
    ]
    slope = weft.jit(weft.grad(lambda layer: wnp.sum(layer.w) * layer.b[0]))(layer)
    assert slope.name == "first" and slope.b == [2.0, 0.0]
    np.testing.assert_array_equal(slope.w, [3.0, 3.0])


@pytest.mark.parametrize(
    ("stop", "wanted"),
    [
        (lambda path, part: False, "['a'][0][0] ['a'][0][1] ['a'][1].x ['a'][1].y[0] ['a'][1].y[1] ['b']"),
        (lambda path, part: len(path) == 2, "['a'][0] ['a'][1] ['b']"),
        (
            lambda path, part: len(path) == 3 and part == (1, 2),
            "['a'][0][0] ['a'][0][1] ['a'][1].x ['a'][1].y ['b']",
        ),
        (lambda path, part: True, ""),
    ],
)
def test_what_a_leaf_is_may_depend_on_its_path(stop: Any, wanted: str) -> None:
    same = (1, 2)  # one object at several places
    nested = {"a": [same, Point(3, same)], "b": 4}
    found, treedef = tree.flatten_with_path(nested, stop, is_leaf_takes_path=True)
    assert " ".join(str(path) for path, _ in found) == wanted
    assert tree.unflatten(treedef, [leaf for _, leaf in found]) == nested
    theirs = jax.tree.leaves_with_path(nested, stop, is_leaf_takes_path=True)
    ours = tree.leaves_with_path(nested, stop, is_leaf_takes_path=True)
    assert [leaf for _, leaf in ours] == [leaf for _, leaf in theirs]
    assert [len(path) for path, _ in ours] == [len(path) for path, _ in theirs]
    seen = []
    tree.map_with_path(lambda p, *xs: seen.append(xs), nested, nested, is_leaf=stop, is_leaf_takes_path=True)
    assert seen == [(leaf, leaf) for _, leaf in ours]


def test_functions_of_trees_take_the_names_of_jax() -> None:
    pairs = {"a": (1, 2), "b": (3, 4)}
    outer, inner = tree.structure({"a": 0, "b": 0}), tree.structure((0, 0))
    turned = tree.transpose(outer_treedef=outer, inner_treedef=inner, pytree_to_transpose=pairs)
    assert turned == ({"a": 1, "b": 3}, {"a": 2, "b": 4})
    assert tree.broadcast(prefix_tree={"a": 0, "b": 1}, full_tree=pairs) == {"a": (0, 0), "b": (1, 1)}
    assert tree.map(f=lambda x: -x, tree=pairs) == {"a": (-1, -2), "b": (-3, -4)}
    assert tree.reduce(function=lambda a, b: a - b, tree=pairs, initializer=0) == -10


def _deep(n: int, leaf: Any = 1.0) -> Any:
    for _ in range(n):
        leaf = [leaf]
    return leaf


def _endless() -> Any:
    itself: list[Any] = []
    itself.append(itself)
    return itself


@pytest.mark.parametrize("make", [lambda: _deep(200_000), _endless])
@pytest.mark.parametrize(
    "call",
    [
        tree.flatten, tree.leaves, tree.structure, tree.leaves_with_path, lambda t: tree.map(np.sin, t), weft.jit(lambda t: t),
        weft.grad(lambda t: t), weft.vmap(lambda t: t), lambda t: weft.jit(lambda: t)(),
    ],
)  # fmt: skip
def test_a_tree_without_an_end_is_told(make: Any, call: Any) -> None:
    with pytest.raises(
        NestingError, match=r"contain one another more than \d+ times, or one contains itself"
    ):
        call(make())


@pytest.mark.parametrize("call", [wnp.asarray, wnp.array, wnp.sum, wnp.stack, lambda x: wnp.add(x, 1)])
def test_lists_without_an_end_are_told(call: Any) -> None:
    for lists in (_deep(200_000), _endless()):
        with pytest.raises(NestingError, match="these are deeper, or one contains itself"):
            call(lists)


def test_a_recursion_error_of_a_leafs_function_is_its_own() -> None:
    def endless(x: Any) -> Any:
        return endless(x)

    with pytest.raises(RecursionError):
        tree.map(endless, [1])
    weft.jit(lambda t: t)(_deep(sys.getrecursionlimit() // 2))
