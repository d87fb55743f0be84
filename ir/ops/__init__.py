"""The primitives, one file a family. Importing this package declares them all."""

from weft.ir.ops import (
    collective,
    contract,
    control,
    cumulative,
    elementwise,
    gemm,
    index,
    kernel,
    random,
    reduce,
    shape,
    sort,
    special,
    transcendental,
)

__all__ = [
    "collective",
    "contract",
    "control",
    "cumulative",
    "elementwise",
    "gemm",
    "index",
    "kernel",
    "random",
    "reduce",
    "shape",
    "sort",
    "special",
    "transcendental",
]
