"""How arrays share their memory with other libraries: buffers, NumPy's array interface, DLPack.

The one idea: memory that others see is read-only from then on, and NumPy's array knows how to show it. What is done here is
what NumPy does not do: bfloat16, of which it knows 16 bits and no more, and the buffer protocol on Python 3.11, where
a class that is written in Python has no ``__buffer__``.
"""

from __future__ import annotations

import ctypes
import sys
from typing import Any

import numpy as np

from weft.ir.types import SHORT_NAMES, bfloat16

_FORMAT = 0x0004  # PyBUF_FORMAT: the consumer wants to know what the elements are

# DLPack's numbers of kinds of elements, and where the number stands in its structures, by the name of their capsules.
_UNSIGNED, _BFLOAT = 1, 4
_CODE_AT = {b"dltensor": 20, b"dltensor_versioned": 52}


def exporter(data: np.ndarray, flags: int) -> np.ndarray:
    """The NumPy array whose buffer shows ``data``, which is read-only.

    Raises:
        BufferError: the buffer protocol has no name for bfloat16. Those who ask for bytes alone get them.
    """
    if data.dtype != bfloat16:
        return data
    if flags & _FORMAT:
        raise BufferError(
            "bfloat16 has no format code: view the array as uint16, or take numpy.asarray of it."
        )
    return data.view(np.uint16)


def array_interface(data: np.ndarray) -> dict[str, Any]:
    """NumPy's description of ``data``, which is read-only.

    Raises:
        AttributeError: it has no name for bfloat16.
    """
    if data.dtype == bfloat16:
        raise AttributeError("an array of bfloat16 has no __array_interface__")
    return data.__array_interface__


# Buffers on Python 3.11


def install_buffers(kind: type, data_of: Any) -> None:
    """Give a class without ``__buffer__`` the buffer protocol, by the slot that C classes have it in.

    It is done where the layout of classes is known: CPython 3.11 of 64 bits, which changes no more.

    Args:
        kind: the class.
        data_of: gives the read-only NumPy array of an instance.
    """
    if sys.implementation.name != "cpython" or sys.version_info[:2] != (3, 11):
        return
    word = ctypes.sizeof(ctypes.c_void_p)
    # A class opens with a count, a class, a length, its name and the size of its instances; see Include/cpython/object.h.
    name, size = (
        ctypes.c_char_p.from_address(id(kind) + 3 * word),
        ctypes.c_ssize_t.from_address(id(kind) + 4 * word),
    )
    if word != 8 or object.__basicsize__ != 2 * word:
        return
    if size.value != kind.__basicsize__ or name.value != kind.__name__.encode():
        return
    get_buffer = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.py_object, ctypes.c_void_p, ctypes.c_int)(
        ("PyObject_GetBuffer", ctypes.pythonapi)
    )

    def show(x: Any, view: int, flags: int) -> int:
        try:
            return get_buffer(exporter(data_of(x), flags), view, flags)
        except Exception:  # C has no way to take it; -1 says that there is no buffer
            return -1

    slot = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.py_object, ctypes.c_void_p, ctypes.c_int)(show)
    procedures = ctypes.c_void_p.from_address(id(kind) + 20 * word).value
    if procedures:
        ctypes.c_void_p.from_address(procedures).value = ctypes.cast(slot, ctypes.c_void_p).value
        _kept.append(slot)  # the class holds its address, no reference


_kept: list[Any] = []


# DLPack


class _Capsule:
    """A DLPack capsule as an object that NumPy takes."""

    def __init__(self, capsule: Any, device: tuple[Any, int]) -> None:
        self._capsule, self._device = capsule, device

    def __dlpack__(self, **kwargs: Any) -> Any:
        return self._capsule

    def __dlpack_device__(self) -> tuple[Any, int]:
        return self._device


def _elements(capsule: Any) -> Any:
    """What a capsule says of its elements, to be read and written: the number of their kind, and their bits."""
    name = ctypes.PYFUNCTYPE(ctypes.c_char_p, ctypes.py_object)(("PyCapsule_GetName", ctypes.pythonapi))(
        capsule
    )
    pointer = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.py_object, ctypes.c_char_p)(
        ("PyCapsule_GetPointer", ctypes.pythonapi)
    )(capsule, name)
    return (ctypes.c_uint8 * 2).from_address(pointer + _CODE_AT[name])


def to_dlpack(data: np.ndarray, **asked: Any) -> Any:
    """A DLPack capsule of ``data``."""
    if data.dtype != bfloat16:
        return data.__dlpack__(**asked)
    capsule = data.view(np.uint16).__dlpack__(**asked)
    _elements(capsule)[0] = _BFLOAT
    return capsule


def read_dlpack(x: Any) -> np.ndarray:
    """The memory of an object with ``__dlpack__`` as a NumPy array.

    Raises:
        BufferError: it is not where the CPU reads it, or its elements are of no dtype of Weft.
    """
    device = x.__dlpack_device__()
    if device[0] not in (1, 3, 11, 13):  # the CPU's own memory, and what GPUs share with it
        raise BufferError(
            f"from_dlpack got an array in memory that the CPU does not read: device {tuple(device)}."
        )
    try:
        capsule = x.__dlpack__(max_version=(1, 0))
    except TypeError:  # the producer is older than versions
        capsule = x.__dlpack__()
    elements = _elements(capsule)
    is_bfloat16 = tuple(elements) == (_BFLOAT, 16)
    if is_bfloat16:
        elements[0] = _UNSIGNED
    data = np.from_dlpack(_Capsule(capsule, (1, 0)))
    data = data.view(bfloat16) if is_bfloat16 else data
    if data.dtype not in SHORT_NAMES:
        raise BufferError(f"from_dlpack got elements of {data.dtype}, which no array of Weft has.")
    return data
