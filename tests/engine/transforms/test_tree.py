"""`weft.tree` and `weft.tree_util`: containers, order, paths, registration."""

from __future__ import annotations

import dataclasses
from collections import OrderedDict, deque, namedtuple
from typing import Any

import pytest

import weft
from weft import tree, tree_util

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
    assert [path for path, _ in tree.leaves_with_path({"w": [1, Point(2, 3)]})] == [
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
