"""Reading and writing files, and making arrays of text and iterators: NumPy's functions, in NumPy's formats.

The one idea: what NumPy reads becomes an Array, and what it writes is the data of one. bfloat16, which its formats do not
know, is stored as two plain bytes and found again by that.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from weft.engine.array import Array, wrap
from weft.engine.dispatch import from_data, to_data
from weft.ir.types import bfloat16, check_dtype

__all__ = [
    "fromfile", "fromiter", "fromstring", "genfromtxt", "load", "loadtxt", "save", "savetxt", "savez",
    "savez_compressed",
]  # fmt: skip


def _reader(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def read(*args: Any, **kwargs: Any) -> Any:
        return from_data(function(*args, **kwargs))

    return read


def _writer(function: Callable[..., Any]) -> Callable[..., None]:
    @functools.wraps(function)
    def write(*args: Any, **kwargs: Any) -> None:
        function(*map(to_data, args), **{k: to_data(v) for k, v in kwargs.items()})

    return write


genfromtxt, loadtxt = _reader(np.genfromtxt), _reader(np.loadtxt)
save, savez, savez_compressed = _writer(np.save), _writer(np.savez), _writer(np.savez_compressed)
savetxt = _writer(np.savetxt)


def load(file: Any, *args: Any, **kwargs: Any) -> Any:
    """An array from a file that `save` wrote; NumPy's dictionary of arrays from one that `savez` wrote.

    See `numpy.load`, which has the arguments.
    """
    found = np.load(file, *args, **kwargs)
    if not isinstance(found, np.ndarray):
        return found
    if found.dtype.kind == "V" and found.dtype.itemsize == 2 and found.dtype.names is None:
        found = found.view(bfloat16)
    return from_data(np.array(found))


def fromfile(file: Any, dtype: Any = float, count: int = -1, sep: str = "", offset: int = 0) -> Array:
    """One-dimensional array of the bytes of a file, or of the numbers in a text file between ``sep``."""
    return wrap(np.fromfile(file, check_dtype(dtype), count, sep, offset))


def fromiter(iter: Any, dtype: Any, count: int = -1) -> Array:
    """One-dimensional array of the numbers that an iterator gives."""
    return wrap(np.fromiter(iter, check_dtype(dtype), count))


def fromstring(string: str, dtype: Any = float, count: int = -1, *, sep: str) -> Array:
    """One-dimensional array of the numbers in a text, between ``sep``."""
    return wrap(np.fromstring(string, check_dtype(dtype), count, sep=sep))
