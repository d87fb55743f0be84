"""The primitives, one file a family.

The families that a program may do without are imported when they are first named: they take a part of the time of
``import weft``. `declare_all` imports them, for who asks for primitives by their names.
"""

import importlib
from types import ModuleType
from typing import TYPE_CHECKING

from weft.ir.ops import (
    bits,
    callback,
    contract,
    control,
    convolution,
    cumulative,
    elementwise,
    flow,
    index,
    kernel,
    part,
    reduce,
    replay,
    shape,
    sort,
    special,
    strided,
    transcendental,
    window,
)

if TYPE_CHECKING:
    from weft.ir.ops import (
        collective,
        condensed,
        fft,
        integrals,
        linalg,
        matrix_forms,
        matrix_functions,
        random,
        solve,
        spectral,
    )

__all__ = [
    "bits",
    "callback",
    "collective",
    "condensed",
    "contract",
    "control",
    "convolution",
    "cumulative",
    "declare_all",
    "elementwise",
    "fft",
    "flow",
    "index",
    "integrals",
    "kernel",
    "linalg",
    "matrix_forms",
    "matrix_functions",
    "part",
    "random",
    "reduce",
    "replay",
    "shape",
    "solve",
    "sort",
    "special",
    "spectral",
    "strided",
    "transcendental",
    "window",
]

_WHEN_NAMED = frozenset(
    (
        "collective",
        "condensed",
        "fft",
        "integrals",
        "linalg",
        "matrix_forms",
        "matrix_functions",
        "random",
        "solve",
        "spectral",
    )
)


def __getattr__(name: str) -> ModuleType:
    if name in _WHEN_NAMED:
        return importlib.import_module(f"weft.ir.ops.{name}")  # which makes it an attribute
    raise AttributeError(f"module 'weft.ir.ops' has no attribute {name!r}")


def declare_all() -> None:
    """Declare every primitive there is: `weft.ir.primitive.REGISTRY` has them all then."""
    for name in _WHEN_NAMED:
        importlib.import_module(f"weft.ir.ops.{name}")
