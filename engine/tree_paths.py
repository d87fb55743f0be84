"""Paths to the leaves of trees: what to call a leaf, and functions that get the path beside the leaf.

A `Path` is a tuple of keys, one a container on the way. Its text is the Python expression that leads to the leaf, so that
messages can write ``f"params{path}"``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import optree

from weft.engine.tree import NAMESPACE, TreeDef, unflatten
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


def flatten_with_path(
    tree: Any, is_leaf: Callable[[Any], bool] | None = None
) -> tuple[list[tuple[Path, Any]], TreeDef]:
    """Leaves of a tree in order, each with its path, and the tree's structure."""
    accessors, leaves, treedef = optree.tree_flatten_with_accessor(tree, is_leaf, namespace=NAMESPACE)
    paths = [Path(map(_key, accessor)) for accessor in accessors]
    return list(zip(paths, leaves, strict=True)), treedef


def leaves_with_path(tree: Any, is_leaf: Callable[[Any], bool] | None = None) -> list[tuple[Path, Any]]:
    """Leaves of a tree in order, each with its path."""
    return flatten_with_path(tree, is_leaf)[0]


def map_with_path(
    fun: Callable[..., Any], tree: Any, *rest: Any, is_leaf: Callable[[Any], bool] | None = None
) -> Any:
    """Apply ``fun(path, leaf, ...)`` to each leaf of ``tree`` and the matching parts of ``rest``."""
    found, treedef = flatten_with_path(tree, is_leaf)
    others = [treedef.flatten_up_to(other) for other in rest]
    return unflatten(
        treedef, [fun(path, leaf, *parts) for (path, leaf), *parts in zip(found, *others, strict=True)]
    )


def keystr(path: tuple[Any, ...], *, simple: bool = False, separator: str = "") -> str:
    """The text of a path: ``['w'][0].scale``, or with ``simple`` only the names, between separators: ``w/0/scale``."""
    if not simple:
        return separator.join(map(str, path))
    return separator.join(str(next(iter(vars(key).values()))) for key in path)
