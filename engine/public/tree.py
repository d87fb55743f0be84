"""`weft.tree`: functions of nested containers of arrays."""

from weft.engine.tree import (
    all,
    flatten,
    leaves,
    map,
    reduce,
    structure,
    transpose,
    unflatten,
)
from weft.engine.tree_paths import flatten_with_path, leaves_with_path, map_with_path

__all__ = [
    "all",
    "flatten",
    "flatten_with_path",
    "leaves",
    "leaves_with_path",
    "map",
    "map_with_path",
    "reduce",
    "structure",
    "transpose",
    "unflatten",
]
