"""`weft.tree_util`: JAX's names for functions of trees, and the registration of containers."""

from weft.engine.tree import (
    Partial,
    all_leaves,
    register_dataclass,
    register_pytree_node,
    register_pytree_node_class,
    register_pytree_with_keys,
    register_pytree_with_keys_class,
    register_static,
    treedef_children,
    treedef_is_leaf,
    treedef_tuple,
)
from weft.engine.tree import TreeDef as PyTreeDef
from weft.engine.tree import all as tree_all
from weft.engine.tree import broadcast as tree_broadcast
from weft.engine.tree import flatten as tree_flatten
from weft.engine.tree import leaves as tree_leaves
from weft.engine.tree import map as tree_map
from weft.engine.tree import reduce as tree_reduce
from weft.engine.tree import reduce_associative as tree_reduce_associative
from weft.engine.tree import structure as tree_structure
from weft.engine.tree import transpose as tree_transpose
from weft.engine.tree import unflatten as tree_unflatten
from weft.engine.tree_paths import DictKey, FlattenedIndexKey, GetAttrKey, SequenceKey, keystr
from weft.engine.tree_paths import flatten_with_path as tree_flatten_with_path
from weft.engine.tree_paths import leaves_with_path as tree_leaves_with_path
from weft.engine.tree_paths import map_with_path as tree_map_with_path

__all__ = [
    "DictKey",
    "FlattenedIndexKey",
    "GetAttrKey",
    "Partial",
    "PyTreeDef",
    "SequenceKey",
    "all_leaves",
    "keystr",
    "register_dataclass",
    "register_pytree_node",
    "register_pytree_node_class",
    "register_pytree_with_keys",
    "register_pytree_with_keys_class",
    "register_static",
    "tree_all",
    "tree_broadcast",
    "tree_flatten",
    "tree_flatten_with_path",
    "tree_leaves",
    "tree_leaves_with_path",
    "tree_map",
    "tree_map_with_path",
    "tree_reduce",
    "tree_reduce_associative",
    "tree_structure",
    "tree_transpose",
    "tree_unflatten",
    "treedef_children",
    "treedef_is_leaf",
    "treedef_tuple",
]
