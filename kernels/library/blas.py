"""Addresses of routines of BLAS and LAPACK: those of the library that SciPy brings along.

SciPy's wheels carry a tuned OpenBLAS as a file beside the package. It is loaded as any shared library is, without a word to
SciPy, whose import takes longer than a program's own. Where there is no such file, SciPy exports each routine as a C function
pointer (the capsules of ``scipy.linalg.cython_blas``). Native code can call either without the GIL and without any Python
object on the way: that is all this module is for.

Every argument of these routines is a pointer (the Fortran convention) and matrices are column-major.
"""

from __future__ import annotations

import ctypes
import functools
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from weft.ir.errors import DTypeError
from weft.kernels.library.cython_capi import cython_function

if TYPE_CHECKING:
    import numpy.typing as npt

__all__ = [
    "GEMM_DTYPES",
    "blas_address",
    "gemm_address",
    "gemm_name",
    "library_address",
    "set_thread_counts",
    "threads_addresses",
]

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
        ValueError: there is no routine of that name.
    """
    return library_address(name) or cython_function("scipy.linalg.cython_blas", name)[0]


def library_address(name: str) -> int:
    """Return the address of a routine of BLAS or LAPACK in SciPy's OpenBLAS, or 0 where that is not found."""
    found = _openblas("scipy")
    if found is not None:
        for symbol in (f"scipy_{name}_", f"{name}_"):
            function = getattr(found.library, symbol, None)
            if function is not None:
                return _address(function)
    return 0


def _address(function: Any) -> int:
    return ctypes.cast(function, ctypes.c_void_p).value or 0


# The wheels of these carry an OpenBLAS of their own beside the package, with functions named after one of these patterns.
_PACKAGES = ("scipy", "numpy")
_NAMES = ("scipy_openblas_{}_num_threads", "scipy_openblas_{}_num_threads64_", "openblas_{}_num_threads")


class _OpenBlas(NamedTuple):
    """A library, and two of its functions: ``void put(int)`` and ``int get()`` its number of threads."""

    library: ctypes.CDLL
    put: Any
    get: Any


@functools.cache
def _openblas(package: str) -> _OpenBlas | None:
    """The OpenBLAS of a package; none where it has another BLAS, or one that is not found."""
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        return None
    home = Path(spec.origin).parent.parent
    folders = (f"{package}.libs", f"{package}/.dylibs")
    for path in (file for folder in folders for file in sorted((home / folder).glob("*openblas*"))):
        try:
            library = ctypes.CDLL(str(path))
        except OSError:
            continue
        for name in _NAMES:
            put, get = (getattr(library, name.format(verb), None) for verb in ("set", "get"))
            if put is not None and get is not None:
                return _OpenBlas(library, put, get)
    return None


@functools.cache
def threads_addresses() -> tuple[int, int]:
    """Return the addresses of ``void set_num_threads(int)`` and ``int get_num_threads()`` of SciPy's BLAS.

    Both are 0 where it has none that we know.
    """
    found = _openblas("scipy")
    return (0, 0) if found is None else (_address(found.put), _address(found.get))


def set_thread_counts(number: int) -> None:
    """Let the BLAS of SciPy and that of NumPy use ``number`` threads, where they can be told."""
    for package in _PACKAGES:
        found = _openblas(package)
        if found is not None:
            found.put(number)
