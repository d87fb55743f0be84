"""`weft.tree_util`: JAX's names for functions of trees, and the registration of containers."""

from functools import partial as Partial

from weft.engine.tree import TreeDef as PyTreeDef
from weft.engine.tree import all as tree_all
from weft.engine.tree import flatten as tree_flatten
from weft.engine.tree import leaves as tree_leaves
from weft.engine.tree import leaves_with_path as tree_leaves_with_path
from weft.engine.tree import map as tree_map
from weft.engine.tree import reduce as tree_reduce
from weft.engine.tree import register_dataclass, register_pytree_node, register_pytree_node_class
from weft.engine.tree import structure as tree_structure
from weft.engine.tree import transpose as tree_transpose
from weft.engine.tree import unflatten as tree_unflatten

__all__ = [
    "Partial",
    "PyTreeDef",
    "register_dataclass",
    "register_pytree_node",
    "register_pytree_node_class",
    "tree_all",
    "tree_flatten",
    "tree_leaves",
    "tree_leaves_with_path",
    "tree_map",
    "tree_reduce",
    "tree_structure",
    "tree_transpose",
    "tree_unflatten",
]
