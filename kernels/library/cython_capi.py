"""Addresses of C functions that Cython modules export.

The one idea: a Cython module keeps the functions that other modules may call in ``__pyx_capi__``, as capsules whose
names are the functions' C signatures. An address out of there needs no compiler and no copy of the library.

Such a module is a file that depends on little. It is loaded without the package it is in, whose import may take a hundred
times as long.
"""

from __future__ import annotations

import ctypes
import functools
import importlib
import sys
from importlib.machinery import ExtensionFileLoader, PathFinder
from importlib.util import find_spec, module_from_spec
from pathlib import Path
from types import ModuleType

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
    capsules = getattr(_load(module), "__pyx_capi__", {})
    if name not in capsules:
        raise ValueError(f"{module} exports no function {name}.")
    signature: bytes = _get_name(capsules[name])
    return int(_get_pointer(capsules[name], signature)), signature.decode()


@functools.cache
def _load(name: str) -> ModuleType:
    """A module inside a package, by its file if that works."""
    if name in sys.modules:
        return sys.modules[name]
    package, *folders, _ = name.split(".")
    spec = find_spec(package)
    if spec is not None and spec.origin is not None:
        folder = Path(spec.origin).parent.joinpath(*folders)
        own = PathFinder.find_spec(name, [str(folder)])
        if own is not None and isinstance(own.loader, ExtensionFileLoader):
            try:
                module = module_from_spec(own)
                own.loader.exec_module(module)
            except ImportError:  # it wants its package
                pass
            else:
                # Cython enters it by itself. Who imports it later shall find the package as that makes it.
                sys.modules.pop(name, None)
                return module
    return importlib.import_module(name)
