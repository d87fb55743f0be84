"""Paths to the leaves of trees: what to call a leaf, and functions that get the path beside the leaf.

A `Path` is a tuple of keys, one a container on the way. Its text is the Python expression that leads to the leaf, so that
messages can write ``f"params{path}"``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import optree

from weft.engine.tree import NAMESPACE, TreeDef, entering, flatten, unflatten
from weft.ir.records import dataclass


@dataclass(frozen=True)
class DictKey:
    """The key of a dict."""

    key: Any

    def __str__(self) -> str:
        return f"[{self.key!r}]"


@dataclass(frozen=True)
class SequenceKey:
    """The position in a tuple, list or deque."""

    idx: int

    def __str__(self) -> str:
        return f"[{self.idx}]"


@dataclass(frozen=True)
class GetAttrKey:
    """The attribute of a named tuple or dataclass."""

    name: str

    def __str__(self) -> str:
        return f".{self.name}"


@dataclass(frozen=True)
class FlattenedIndexKey:
    """The position among the children of another registered container."""

    key: int

    def __str__(self) -> str:
        return f"[<flat index {self.key}>]"


class Path(tuple[Any, ...]):
    """The keys that lead from a tree to a leaf, the outermost first."""

    __slots__ = ()

    def __str__(self) -> str:
        return "".join(map(str, self))


def _key(entry: Any) -> Any:
    if isinstance(entry, optree.MappingEntry):
        return DictKey(entry.entry)
    if isinstance(entry, optree.NamedTupleEntry):
        return GetAttrKey(entry.field)
    if isinstance(entry, optree.SequenceEntry):
        return SequenceKey(entry.entry)
    if isinstance(entry, optree.GetAttrEntry):
        return GetAttrKey(entry.entry)
    return (
        FlattenedIndexKey(entry.entry) if isinstance(entry.entry, int) else entry.entry
    )  # a key of its class's own


@entering
def flatten_with_path(
    tree: Any, is_leaf: Callable[..., bool] | None = None, is_leaf_takes_path: bool = False
) -> tuple[list[tuple[Path, Any]], TreeDef]:
    """Leaves of a tree in order, each with its path, and the tree's structure.

    Args:
        tree: the tree.
        is_leaf: says of a part of the tree that it is a leaf, though it may be a container.
        is_leaf_takes_path: it is called as ``is_leaf(path, part)``, not ``is_leaf(part)``.
    """
    if is_leaf is not None and is_leaf_takes_path:
        found, treedef = flatten(_marked(tree, Path(), is_leaf))
        return [(leaf.path, leaf.value) for leaf in found], treedef
    accessors, leaves, treedef = optree.tree_flatten_with_accessor(tree, is_leaf, namespace=NAMESPACE)
    paths = [Path(map(_key, accessor)) for accessor in accessors]
    return list(zip(paths, leaves, strict=True)), treedef


@dataclass(frozen=True)
class _Leaf:
    """What stands at a leaf's place in a tree: no container, whatever the leaf is."""

    path: Path
    value: Any


def _marked(tree: Any, path: Path, is_leaf: Callable[[Path, Any], bool]) -> Any:
    """``tree`` with a `_Leaf` at each leaf; optree tells ``is_leaf`` no path, so this goes down level by level."""
    if is_leaf(path, tree):
        return _Leaf(path, tree)
    accessors, parts, treedef = optree.tree_flatten_with_accessor(
        tree, lambda part: part is not tree, namespace=NAMESPACE
    )
    if treedef.is_leaf():
        return _Leaf(path, tree)
    below = [
        _marked(part, Path((*path, *map(_key, accessor))), is_leaf)
        for accessor, part in zip(accessors, parts, strict=True)
    ]
    return unflatten(treedef, below)


def leaves_with_path(
    tree: Any, is_leaf: Callable[..., bool] | None = None, is_leaf_takes_path: bool = False
) -> list[tuple[Path, Any]]:
    """Leaves of a tree in order, each with its path; see `flatten_with_path`."""
    return flatten_with_path(tree, is_leaf, is_leaf_takes_path)[0]


@entering
def map_with_path(
    f: Callable[..., Any],
    tree: Any,
    *rest: Any,
    is_leaf: Callable[..., bool] | None = None,
    is_leaf_takes_path: bool = False,
) -> Any:
    """Apply ``f(path, leaf, ...)`` to each leaf of ``tree`` and the matching parts of ``rest``; see `flatten_with_path`."""
    found, treedef = flatten_with_path(tree, is_leaf, is_leaf_takes_path)
    others = [treedef.flatten_up_to(other) for other in rest]
    return unflatten(
        treedef, [f(path, leaf, *parts) for (path, leaf), *parts in zip(found, *others, strict=True)]
    )


def keystr(keys: tuple[Any, ...], *, simple: bool = False, separator: str = "") -> str:
    """The text of a path: ``['w'][0].scale``, or with ``simple`` only the names, between separators: ``w/0/scale``."""
    if not simple:
        return separator.join(map(str, keys))
    return separator.join(str(next(iter(vars(key).values()))) for key in keys)
