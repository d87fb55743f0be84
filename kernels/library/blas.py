"""Addresses of BLAS routines, taken out of SciPy.

SciPy ships a tuned BLAS and exports each routine as a C function pointer (the capsules of
``scipy.linalg.cython_blas``). Native code can call such a pointer without the GIL and without any Python
object on the way: that is all this module is for. SciPy is imported when the first address is asked for.

Every argument of these routines is a pointer (the Fortran convention) and matrices are column-major.
"""

import ctypes
import functools
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from weft.ir.errors import DTypeError
from weft.kernels.library.cython_capi import cython_function

__all__ = ["GEMM_DTYPES", "blas_address", "gemm_address", "gemm_name", "set_threads_address", "thread_count"]

GEMM_DTYPES: tuple[np.dtype[Any], ...] = tuple(
    np.dtype(name) for name in ("float32", "float64", "complex64", "complex128")
)
"""The dtypes BLAS multiplies, in the order of its type letters s, d, c, z."""

_LETTERS = dict(zip(GEMM_DTYPES, "sdcz", strict=True))


def gemm_name(dtype: npt.DTypeLike) -> str:
    """Name the BLAS routine that multiplies matrices of ``dtype``.

    Args:
        dtype: one of `GEMM_DTYPES`, in native byte order.

    Returns:
        The routine's name, such as ``"dgemm"``.

    Raises:
        DTypeError: BLAS has no routine for ``dtype``.
    """
    dtype = np.dtype(dtype)
    letter = _LETTERS.get(dtype)
    if letter is None:
        accepted = ", ".join(known.name for known in GEMM_DTYPES)
        raise DTypeError(f"gemm does not accept dtype {dtype}. Accepted dtypes are {accepted}.")
    return letter + "gemm"


def gemm_address(dtype: npt.DTypeLike) -> int:
    """Return the address of the BLAS routine that multiplies matrices of ``dtype``.

    Args:
        dtype: one of `GEMM_DTYPES`.

    Returns:
        The address of a C function of the shape of Fortran's ``xGEMM``; it holds for the life of the process.

    Raises:
        DTypeError: BLAS has no routine for ``dtype``.
    """
    return blas_address(gemm_name(dtype))


@functools.cache
def blas_address(name: str) -> int:
    """Return the address of the BLAS routine ``name``, such as ``"dgemm"``.

    Raises:
        ValueError: SciPy exports no routine of that name.
    """
    return cython_function("scipy.linalg.cython_blas", name)[0]


# SciPy's wheels carry an OpenBLAS of their own beside the package, under this prefix.
_LIBRARIES = ("scipy.libs", "scipy/.dylibs")
_PREFIXES = ("scipy_openblas", "openblas")


@functools.cache
def _openblas() -> tuple[ctypes.CDLL, str] | None:
    """The BLAS that SciPy has loaded, if it can be told how many threads to use, and the prefix of its names."""
    import scipy.linalg

    home = Path(scipy.__file__).parent.parent
    for path in (file for folder in _LIBRARIES for file in sorted((home / folder).glob("*openblas*"))):
        try:
            library = ctypes.CDLL(str(path))
        except OSError:
            continue
        for prefix in _PREFIXES:
            if hasattr(library, f"{prefix}_set_num_threads") and hasattr(
                library, f"{prefix}_get_num_threads"
            ):
                return library, prefix
    return None


@functools.cache
def set_threads_address() -> int:
    """Return the address of ``void set_num_threads(int)`` of SciPy's BLAS, or 0 where it has none that we know."""
    found = _openblas()
    if found is None:
        return 0
    function = getattr(found[0], f"{found[1]}_set_num_threads")
    return ctypes.cast(function, ctypes.c_void_p).value or 0


def thread_count() -> int:
    """Return how many threads SciPy's BLAS uses now; 1 where it does not say."""
    found = _openblas()
    return 1 if found is None else int(getattr(found[0], f"{found[1]}_get_num_threads")())
