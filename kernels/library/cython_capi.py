"""Addresses of C functions that Cython modules export.

The one idea: a Cython module keeps the functions that other modules may call in ``__pyx_capi__``, as capsules whose
names are the functions' C signatures. An address out of there needs no compiler and no copy of the library.
"""

from __future__ import annotations

import ctypes
import functools
import importlib

_get_name = ctypes.pythonapi.PyCapsule_GetName
_get_name.restype, _get_name.argtypes = ctypes.c_char_p, [ctypes.py_object]
_get_pointer = ctypes.pythonapi.PyCapsule_GetPointer
_get_pointer.restype, _get_pointer.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]


@functools.cache
def cython_function(module: str, name: str) -> tuple[int, str]:
    """Find a C function.

    Args:
        module: the Cython module that exports it; imported when it is not yet.
        name: its name there.

    Returns:
        Its address, which holds for the life of the process, and its signature: ``"void (int *, double *)"``.

    Raises:
        ValueError: the module exports no such function.
    """
    capsules = getattr(importlib.import_module(module), "__pyx_capi__", {})
    if name not in capsules:
        raise ValueError(f"{module} exports no function {name}.")
    signature: bytes = _get_name(capsules[name])
    return int(_get_pointer(capsules[name], signature)), signature.decode()
