"""LAPACK and BLAS as loop nests call them: names, addresses, sizes of workspaces.

The one idea: a routine is a parameter of the nest, so machine code that is kept knows no address of this process. How much
workspace a routine wants, it is asked when the nest is scheduled, for the sizes at hand; the answer is a parameter too.

The routines are SciPy's (`scipy.linalg.cython_lapack`), which has the numbers of type ``int`` that `weft.ir.loops.nest.Call`
hands over; where they are of another, or missing, `NoRoutine` is raised, and the equation runs its reference.
"""

from __future__ import annotations

import ctypes
import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from weft.ir.graph import Eqn
from weft.kernels.library.blas import library_address
from weft.kernels.library.cython_capi import cython_function
from weft.kernels.schedule import Scheduled
from weft.kernels.schedule.nest_builder import NestBuilder

LETTERS = {np.dtype(name): letter for name, letter in zip(("f4", "f8", "c8", "c16"), "sdcz", strict=True)}
_COMPLEX_NAMES = {"orgqr": "ungqr", "orghr": "unghr", "syevd": "heevd"}
_MODULES = {"trsm": "blas", "trsv": "blas", "gemm": "blas"}


# Elements of a matrix: LAPACK wants workspaces of several times as many, and computes how many in 32 bits.
_LARGEST = np.iinfo(np.int32).max // 8


def cost_of(multiplications: float, *, small: bool = False, steps: int = 1) -> float:
    """About how many nanoseconds LAPACK takes in so many ``steps``, or the plain loops for a ``small`` matrix."""
    return 20 + 0.6 * multiplications if small else 200 * steps + 0.15 * multiplications


class NoRoutine(Exception):
    """LAPACK's routine of this name cannot be called."""


def routine_name(stem: str, dtype: np.dtype) -> str:
    """The name of a routine for a dtype: ``("syevd", complex64)`` is ``cheevd``."""
    return LETTERS[dtype] + (_COMPLEX_NAMES.get(stem, stem) if dtype.kind == "c" else stem)


@functools.cache
def routine_address(stem: str, dtype: np.dtype) -> int:
    """Where a routine is.

    Raises:
        NoRoutine: SciPy has none, or one that takes other integers.
    """
    name = routine_name(stem, dtype)
    if address := library_address(name):
        return address
    try:
        address, signature = cython_function(f"scipy.linalg.cython_{_MODULES.get(stem, 'lapack')}", name)
    except (ImportError, ValueError) as error:
        raise NoRoutine(stem) from error
    if "int *" not in signature:
        raise NoRoutine(stem)
    return address


def call(build: NestBuilder, stem: str, dtype: np.dtype, *args: Any) -> str:
    """Write a call of a LAPACK routine; gives its ``info``. A routine of BLAS has none."""
    info = stem not in _MODULES
    return build.call(routine_name(stem, dtype), routine_address(stem, dtype), *args, info=info)


@functools.lru_cache(maxsize=1024)
def workspaces(stem: str, dtype: np.dtype, *args: Any) -> tuple[int, ...]:
    """Ask a routine for the sizes of its workspaces.

    Args:
        stem: the routine, with its dtype.
        dtype: see there.
        args: its arguments but ``info``: letters, integers (-1 for the length of a workspace), and dtypes for arrays.

    Returns:
        What it left in the first element of each of the arrays: for a workspace the best length.
    """
    words = [
        np.array([ord(a)])
        if isinstance(a, str)
        else np.zeros(2, a)
        if isinstance(a, np.dtype)
        else np.array([a])
        for a in args
    ]
    words.append(np.zeros(1, np.int64))
    function = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * len(words))(routine_address(stem, dtype))
    function(*(word.ctypes.data for word in words))
    # A float32 does not hold every length: one more in its last place is enough.
    return tuple(
        int(w[0].real * (1 + 2.0**-22)) for a, w in zip(args, words, strict=False) if isinstance(a, np.dtype)
    )


def routine(write: Callable[[Eqn], Scheduled | None]) -> Callable[[Eqn], Scheduled | None]:
    """A routine of `weft.kernels.library.routines` that needs LAPACK: none where LAPACK is not, or cannot count so far."""

    @functools.wraps(write)
    def wrapped(eqn: Eqn) -> Scheduled | None:
        lead = eqn.ins[0].type.ndim - 2
        sizes = [math.prod(a.type.shape[lead:]) for a in (*eqn.ins, *eqn.outs)]
        if max(sizes) > _LARGEST:
            return None
        try:
            return write(eqn)
        except NoRoutine:
            return None

    return wrapped
