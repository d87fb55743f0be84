"""`weft.tree`: functions of nested containers of arrays."""

from weft.engine.tree import (
    all,
    broadcast,
    flatten,
    leaves,
    map,
    reduce,
    reduce_associative,
    structure,
    transpose,
    unflatten,
)
from weft.engine.tree_paths import flatten_with_path, leaves_with_path, map_with_path

__all__ = [
    "all",
    "broadcast",
    "flatten",
    "flatten_with_path",
    "leaves",
    "leaves_with_path",
    "map",
    "map_with_path",
    "reduce",
    "reduce_associative",
    "structure",
    "transpose",
    "unflatten",
]
