"""Addresses of BLAS routines, taken out of SciPy.

SciPy ships a tuned BLAS and exports each routine as a C function pointer (the capsules of
``scipy.linalg.cython_blas``). Native code can call such a pointer without the GIL and without any Python
object on the way: that is all this module is for. SciPy is imported when the first address is asked for.

Every argument of these routines is a pointer (the Fortran convention) and matrices are column-major.
"""

import functools
from typing import Any

import numpy as np
import numpy.typing as npt

from weft.ir.errors import DTypeError

__all__ = ["GEMM_DTYPES", "blas_address", "gemm_address", "gemm_name"]

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
    from numba.extending import get_cython_function_address

    return int(get_cython_function_address("scipy.linalg.cython_blas", name))
