"""The primitives, one file a family. Importing this package declares them all."""

from weft.ir.ops import (
    collective,
    contract,
    control,
    cumulative,
    elementwise,
    index,
    kernel,
    linalg,
    random,
    reduce,
    shape,
    solve,
    sort,
    special,
    spectral,
    transcendental,
)

__all__ = [
    "collective",
    "contract",
    "control",
    "cumulative",
    "elementwise",
    "index",
    "kernel",
    "linalg",
    "random",
    "reduce",
    "shape",
    "solve",
    "sort",
    "special",
    "spectral",
    "transcendental",
]
