"""Pytrees: nested containers of arrays, flattened and rebuilt by optree.

Tuples, lists, dicts (keys sorted), named tuples, ordered dicts, deques, `Partial` and None are containers; everything else
is a leaf until it is registered. None holds no leaves, as in JAX.
"""

from __future__ import annotations

import dataclasses
import functools
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any, ParamSpec, TypeVar

import optree

from weft.engine import ending
from weft.ir.errors import ArgumentError, NestingError

NAMESPACE = "weft"
TreeDef = optree.PyTreeSpec
P = ParamSpec("P")
R = TypeVar("R")


def entering(fun: Callable[P, R]) -> Callable[P, R]:
    """A function that calls optree: not while Python ends; and a tree that is too deep for it is told in our words.

    What a leaf's function does too deeply is its own.
    """

    @functools.wraps(fun)
    def function(*args: P.args, **kwargs: P.kwargs) -> R:
        if ending.last is not None:
            ending.leave()
        try:
            return fun(*args, **kwargs)
        except RecursionError as error:
            if "flattening the tree" not in str(error):
                raise
            raise NestingError(
                f"containers of arrays contain one another more than {sys.getrecursionlimit()} times, or one contains itself "
                f"(or the function that they are given to calls itself without end). Put the arrays into one list or dict."
            ) from None

    return function


@entering
def flatten(tree: Any, is_leaf: Callable[[Any], bool] | None = None) -> tuple[list[Any], TreeDef]:
    """Leaves of a tree in order, and its structure."""
    return optree.tree_flatten(tree, is_leaf, namespace=NAMESPACE)


@entering
def unflatten(treedef: TreeDef, leaves: Iterable[Any]) -> Any:
    """A tree of the given structure; the argument order is JAX's."""
    return optree.tree_unflatten(treedef, leaves)


@entering
def leaves(tree: Any, is_leaf: Callable[[Any], bool] | None = None) -> list[Any]:
    """Leaves of a tree in order."""
    return optree.tree_leaves(tree, is_leaf, namespace=NAMESPACE)


@entering
def structure(tree: Any, is_leaf: Callable[[Any], bool] | None = None) -> TreeDef:
    """The structure of a tree."""
    return optree.tree_structure(tree, is_leaf, namespace=NAMESPACE)


@entering
def map(f: Callable[..., Any], tree: Any, *rest: Any, is_leaf: Callable[[Any], bool] | None = None) -> Any:
    """Apply ``f`` to each leaf of ``tree`` and the matching parts of ``rest``."""
    return optree.tree_map(f, tree, *rest, is_leaf=is_leaf, namespace=NAMESPACE)


@entering
def reduce(
    function: Callable[[Any, Any], Any],
    tree: Any,
    initializer: Any = ...,
    is_leaf: Callable[[Any], bool] | None = None,
) -> Any:
    """Fold the leaves of a tree from the left, beginning with ``initializer`` if that is given."""
    initial = () if initializer is ... else (initializer,)
    return optree.tree_reduce(function, tree, *initial, is_leaf=is_leaf, namespace=NAMESPACE)


@entering
def all(tree: Any, *, is_leaf: Callable[[Any], bool] | None = None) -> bool:
    """Whether every leaf is true."""
    return optree.tree_all(tree, is_leaf=is_leaf, namespace=NAMESPACE)


@entering
def transpose(outer_treedef: TreeDef, inner_treedef: TreeDef | None, pytree_to_transpose: Any) -> Any:
    """A tree of ``outer_treedef`` with trees of ``inner_treedef`` at its leaves, turned inside out."""
    parts = outer_treedef.flatten_up_to(pytree_to_transpose)
    inner = structure(parts[0]) if inner_treedef is None else inner_treedef
    columns = [inner.flatten_up_to(part) for part in parts]
    return unflatten(inner, [unflatten(outer_treedef, row) for row in zip(*columns, strict=True)])


def broadcast(prefix_tree: Any, full_tree: Any, is_leaf: Callable[[Any], bool] | None = None) -> Any:
    """``prefix_tree``, which may end where ``full_tree`` goes on: each of its leaves for all leaves below it there."""
    return unflatten(structure(full_tree, is_leaf), broadcast_prefix(prefix_tree, full_tree, is_leaf))


def reduce_associative(
    operation: Callable[[Any, Any], Any],
    tree: Any,
    *,
    identity: Any = ...,
    is_leaf: Callable[[Any], bool] | None = None,
) -> Any:
    """Fold the leaves of a tree pairwise, by halves: rounding errors grow with the logarithm of their number."""
    found = leaves(tree, is_leaf)
    if not found:
        if identity is ...:
            raise ArgumentError("reduce_associative got a tree without leaves: give it identity=.")
        return identity
    while len(found) > 1:
        found = [
            operation(*found[i : i + 2]) if i + 1 < len(found) else found[i] for i in range(0, len(found), 2)
        ]
    return found[0]


@entering
def all_leaves(iterable: Iterable[Any], is_leaf: Callable[[Any], bool] | None = None) -> bool:
    """Whether nothing in ``iterable`` is a container."""
    return optree.all_leaves(iterable, is_leaf, namespace=NAMESPACE)


@entering
def treedef_children(treedef: TreeDef) -> list[TreeDef]:
    """The structures one level below."""
    return treedef.children()


def treedef_is_leaf(treedef: TreeDef) -> bool:
    """Whether it is the structure of a leaf."""
    return treedef.is_leaf()


@entering
def treedef_tuple(treedefs: Iterable[TreeDef]) -> TreeDef:
    """The structure of a tuple of trees of these structures."""
    return optree.treespec_tuple(treedefs, namespace=NAMESPACE)


@entering
def broadcast_prefix(prefix: Any, tree: Any, is_leaf: Callable[[Any], bool] | None = None) -> list[Any]:
    """The leaves of ``prefix``, each repeated for all leaves of ``tree`` below it. A prefix of None covers everything."""
    if prefix is None:
        return [None] * len(leaves(tree))
    result: list[Any] = []

    def walk(p: Any, t: Any) -> None:
        if p is None or optree.tree_is_leaf(p, is_leaf, namespace=NAMESPACE):
            result.extend([p] * len(leaves(t)))
            return
        parts, outer = optree.tree_flatten(p, lambda x: x is not p, none_is_leaf=True, namespace=NAMESPACE)
        below = outer.flatten_up_to(t)
        for part, sub in zip(parts, below, strict=True):
            walk(part, sub)

    walk(prefix, tree)
    return result


_takes: dict[type, Callable[[Any], Sequence[Any]]] = {}


def taking_apart(x: Any) -> Callable[[Any], Sequence[Any]] | None:
    """What gives ``(children, static, ...)`` of things of a class like that of ``x``: of registered classes and named tuples.

    None for leaves, and for containers that are to be taken apart by `flatten`.
    """
    kind = type(x)
    found = _takes.get(kind)
    if found is None and isinstance(x, tuple) and structure(x).kind == optree.PyTreeKind.NAMEDTUPLE:
        found = _takes[kind] = lambda x: (x, None)
    return found


def register_pytree_node(
    cls: type,
    flatten_fun: Callable[[Any], tuple[Iterable[Any], Any]],
    unflatten_fun: Callable[[Any, Any], Any],
) -> None:
    """Make a class a container: ``flatten_fun(x) -> (children, aux)``, ``unflatten_fun(aux, children) -> x``."""
    optree.register_pytree_node(cls, flatten_fun, unflatten_fun, namespace=NAMESPACE)
    _takes[cls] = flatten_fun


def register_pytree_node_class(cls: type) -> type:
    """Class decorator for classes with ``tree_flatten`` and the class method ``tree_unflatten``."""
    register_pytree_node(cls, lambda x: x.tree_flatten(), cls.tree_unflatten)  # type: ignore[attr-defined]
    return cls


def register_pytree_with_keys(
    cls: type,
    flatten_with_keys: Callable[[Any], tuple[Iterable[tuple[Any, Any]], Any]],
    unflatten_func: Callable[[Any, Any], Any],
    flatten_func: Callable[[Any], tuple[Iterable[Any], Any]] | None = None,
) -> None:
    """Make a class a container whose children have names in paths.

    Args:
        cls: the class.
        flatten_with_keys: ``flatten_with_keys(x) -> (((key, child), ...), aux)``, with keys such as `tree_util.GetAttrKey`.
        unflatten_func: ``unflatten_func(aux, children) -> x``.
        flatten_func: accepted for compatibility: the same without keys.
    """

    def flatten_fun(x: Any) -> tuple[list[Any], Any, list[Any]]:
        pairs, aux = flatten_with_keys(x)
        keys, children = [], []
        for key, child in pairs:
            keys.append(key)
            children.append(child)
        return children, aux, keys

    optree.register_pytree_node(cls, flatten_fun, unflatten_func, namespace=NAMESPACE)
    _takes[cls] = flatten_fun


def register_pytree_with_keys_class(cls: type) -> type:
    """Class decorator for classes with ``tree_flatten_with_keys`` and the class method ``tree_unflatten``."""
    register_pytree_with_keys(cls, lambda x: x.tree_flatten_with_keys(), cls.tree_unflatten)  # type: ignore[attr-defined]
    return cls


def register_dataclass(
    cls: type,
    data_fields: Sequence[str] | None = None,
    meta_fields: Sequence[str] | None = None,
    drop_fields: Sequence[str] = (),
) -> type:
    """Make a dataclass a container of its ``data_fields``; ``meta_fields`` are static and must be hashable.

    Unless they are given, the static fields are those of ``dataclasses.field(metadata={"static": True})``, and all others
    hold data.
    """
    fields = {}
    if dataclasses.is_dataclass(cls):
        fields = {f.name: f.metadata.get("static", False) for f in dataclasses.fields(cls) if f.init}
    if meta_fields is None:
        meta_fields = [
            n for n, static in fields.items() if static and n not in (*(data_fields or ()), *drop_fields)
        ]
    if data_fields is None:
        data_fields = [n for n in fields if n not in (*meta_fields, *drop_fields)]
    if fields and {*data_fields, *meta_fields} != {*fields} - {*drop_fields}:
        raise ArgumentError(
            f"register_dataclass: {cls.__name__} has the fields {', '.join(fields)}, but data_fields are "
            f"{list(data_fields)} and meta_fields are {list(meta_fields)}: each field is in one of them."
        )

    def flatten_fun(x: Any) -> tuple[tuple[Any, ...], tuple[Any, ...], Sequence[str]]:
        data, meta = tuple(getattr(x, n) for n in data_fields), tuple(getattr(x, n) for n in meta_fields)
        return data, meta, data_fields

    def unflatten_fun(meta: Any, data: Iterable[Any]) -> Any:
        return cls(**dict(zip(data_fields, data, strict=True)), **dict(zip(meta_fields, meta, strict=True)))

    optree.register_pytree_node(
        cls, flatten_fun, unflatten_fun, path_entry_type=optree.GetAttrEntry, namespace=NAMESPACE
    )
    _takes[cls] = flatten_fun
    return cls


class Partial(functools.partial):  # type: ignore[type-arg]
    """`functools.partial` as a container: its arguments are leaves, its function is static."""


register_pytree_node(
    Partial, lambda p: ((p.args, p.keywords), p.func), lambda fun, x: Partial(fun, *x[0], **x[1])
)


def register_static(cls: type) -> type:
    """Make a class a container without leaves: its objects are part of the structure, and must be hashable."""
    register_pytree_node(cls, lambda x: ((), x), lambda x, _: x)
    return cls
