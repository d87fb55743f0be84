"""NumPy's functions on arrays of Weft: `weft.numpy`, usually imported as ``wnp``.

Outside of traced functions a call runs the NumPy function itself; inside of `jit`, `grad` and `vmap` it is recorded. Names,
signatures and results are those of NumPy 2; keywords that JAX added (``size=``, ``fill_value=``, ``mode=``) are taken too.
"""

from __future__ import annotations

import importlib
import importlib.util
from typing import Any

from weft.engine.array import Array
from weft.numpy import (
    creation,
    dtypes,
    elementwise,
    joining,
    nans,
    numerics,
    products,
    reductions,
    searching,
    shapes,
    sorting,
    ufuncs,
)
from weft.numpy.creation import *  # noqa: F403
from weft.numpy.dtypes import *  # noqa: F403
from weft.numpy.elementwise import *  # noqa: F403
from weft.numpy.joining import *  # noqa: F403
from weft.numpy.nans import *  # noqa: F403
from weft.numpy.numerics import *  # noqa: F403
from weft.numpy.products import *  # noqa: F403
from weft.numpy.reductions import *  # noqa: F403
from weft.numpy.searching import *  # noqa: F403
from weft.numpy.shapes import *  # noqa: F403
from weft.numpy.sorting import *  # noqa: F403
from weft.numpy.ufuncs import *  # noqa: F403

ndarray = Array
_SUBMODULES = ("linalg", "fft")
_PARTS = (
    creation,
    dtypes,
    elementwise,
    joining,
    nans,
    numerics,
    products,
    reductions,
    searching,
    shapes,
    sorting,
    ufuncs,
)
__all__ = sorted({"ndarray", *_SUBMODULES}.union(*[part.__all__ for part in _PARTS]))


def __getattr__(name: str) -> Any:
    module = f"weft.numpy.{name}"
    if name in _SUBMODULES and importlib.util.find_spec(module) is not None:
        return importlib.import_module(module)
    raise AttributeError(f"module 'weft.numpy' has no attribute {name!r}")
