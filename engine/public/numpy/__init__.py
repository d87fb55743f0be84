"""NumPy's functions on arrays of Weft: `weft.numpy`, usually imported as ``wnp``.

Outside of traced functions a call runs the NumPy function itself; inside of `jit`, `grad` and `vmap` it is recorded. Names,
signatures and results are those of NumPy 2; keywords that JAX added (``size=``, ``fill_value=``, ``mode=``) are taken too.
"""

from __future__ import annotations

from weft.engine.array import Array
from weft.numpy import (
    creation,
    dtypes,
    elementwise,
    joining,
    linalg,  # noqa: F401
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
__all__ = sorted({"linalg", "ndarray"}.union(*[part.__all__ for part in _PARTS]))
