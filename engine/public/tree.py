"""`weft.tree`: functions of nested containers of arrays."""

from weft.engine.tree import (
    all,
    flatten,
    leaves,
    leaves_with_path,
    map,
    reduce,
    structure,
    transpose,
    unflatten,
)

__all__ = [
    "all",
    "flatten",
    "leaves",
    "leaves_with_path",
    "map",
    "reduce",
    "structure",
    "transpose",
    "unflatten",
]
