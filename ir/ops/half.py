"""How 16-bit floats are computed: widened to float32, with one rounding at the end.

The one idea: float16 and bfloat16 are storage formats. References follow what kernels do, so that the two
agree to the bit where float32 is exact.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np

from weft.ir.types import bfloat16

_HALVES = (np.dtype(np.float16), bfloat16)
_FLOAT32 = np.dtype(np.float32)


def compute_dtype(dtype: np.dtype) -> np.dtype:
    """The dtype in which arrays of ``dtype`` are computed: float32 for the 16-bit floats, else itself."""
    return _FLOAT32 if dtype in _HALVES else dtype


def widened(x: np.ndarray) -> np.ndarray:
    """``x`` in the dtype it is computed in."""
    return x.astype(compute_dtype(x.dtype), copy=False)


def in_compute_dtype(fun: Callable[..., np.ndarray]) -> Callable[..., np.ndarray]:
    """A function of arrays of one dtype, run on them `widened`, its result rounded to their dtype."""

    @functools.wraps(fun)
    def run(*args: np.ndarray, **params: object) -> np.ndarray:
        dtype = args[0].dtype
        if dtype.itemsize != 2:  # every eager operation comes here: nothing to do, at once
            return fun(*args, **params)
        return fun(*map(widened, args), **params).astype(dtype, copy=False)

    return run
