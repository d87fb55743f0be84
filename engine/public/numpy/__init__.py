"""NumPy's functions on arrays of Weft: `weft.numpy`, usually imported as ``wnp``.

Outside of traced functions a call runs the NumPy function itself; inside of `jit`, `grad` and `vmap` it is recorded. Names,
signatures and results are those of NumPy 2; keywords that JAX added (``size=``, ``fill_value=``, ``mode=``) are taken too.
"""

from __future__ import annotations

import importlib
from typing import Any

import numpy as _np

from weft.engine.array import Array
from weft.numpy import creation, dtypes, elementwise, products, reductions, ufuncs
from weft.numpy import shape as _shape
from weft.numpy.creation import *
from weft.numpy.dtypes import *
from weft.numpy.elementwise import *
from weft.numpy.products import *
from weft.numpy.reductions import *
from weft.numpy.shape import *
from weft.numpy.ufuncs import *

ndarray = Array
_SUBMODULES = ("linalg", "fft")


def __getattr__(name: str) -> Any:
    if name in _SUBMODULES:
        return importlib.import_module(f"weft.numpy.{name}")
    raise AttributeError(f"module 'weft.numpy' has no attribute {name!r}")
