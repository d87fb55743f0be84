"""Addresses of the C functions that NumPy's ufuncs run.

The one idea: what a ufunc computes, it computes with a C function for its types, of the signature ``void (char **args,
npy_intp const *dims, npy_intp const *steps, void *data)``. That and where a ufunc keeps it are public (``ufuncobject.h``), so
that anyone can write ufuncs. Such functions run without the GIL, from many threads at once, and so native code may call them.

A ufunc says to Python too what stands beside the functions. Only where all of that is found in its memory is anything in
there followed, so that a NumPy that arranges it otherwise is one without such functions.
"""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np


class _Fields(ctypes.Structure):
    """The first members of a ufunc, behind the header that all objects have."""

    _fields_ = (
        *((name, ctypes.c_int) for name in ("nin", "nout", "nargs", "identity")),
        ("functions", ctypes.POINTER(ctypes.c_void_p)),
        ("data", ctypes.POINTER(ctypes.c_void_p)),
        *((name, ctypes.c_int) for name in ("ntypes", "reserved")),
        ("name", ctypes.c_void_p),
        ("types", ctypes.c_void_p),
    )


def ufunc_loop(ufunc: Any, types: str) -> tuple[int, int] | None:
    """Find the C function of a ufunc for its types.

    Args:
        ufunc: a ufunc, also a generalised one.
        types: one of ``ufunc.types``, such as ``"Dd->D"``.

    Returns:
        The addresses of the function and of the data that it is to be given, 0 if none; ``None`` where they are not found.
    """
    if types not in ufunc.types or object.__basicsize__ + ctypes.sizeof(_Fields) > type(ufunc).__basicsize__:
        return None
    fields = _Fields.from_address(id(ufunc) + object.__basicsize__)
    if any(getattr(fields, name) != getattr(ufunc, name) for name in ("nin", "nout", "nargs", "ntypes")):
        return None
    if not (fields.functions and fields.name and fields.types):
        return None
    numbers = bytes(np.dtype(letter).num for line in ufunc.types for letter in line.replace("->", ""))
    name = ufunc.__name__.encode()
    if ctypes.string_at(fields.types, len(numbers)) != numbers:
        return None
    if ctypes.string_at(fields.name, len(name) + 1) != name + b"\0":
        return None
    k = ufunc.types.index(types)
    return fields.functions[k] or 0, (fields.data[k] or 0) if fields.data else 0
