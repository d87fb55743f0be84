"""How arrays share their memory with other libraries: buffers, NumPy's array interface, DLPack.

The one idea: memory that others see is read-only from then on, and NumPy's array knows how to show it. What is done here is
what NumPy does not do: bfloat16, of which it knows 16 bits and no more.

Classes written in Python have buffers from 3.12 on. For 3.11 a function made by ctypes could stand in their slot for them; but
where Python raises at its first instruction (Ctrl-C, the limit of recursion) it returns garbage as a success.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
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
    """NumPy's description of contiguous ``data``, which is read-only.

    It names a buffer rather than an address, so that who reads it holds the memory, and not only the array that it is of.

    Raises:
        AttributeError: it has no name for bfloat16.
    """
    if data.dtype == bfloat16:
        raise AttributeError("an array of bfloat16 has no __array_interface__")
    shown = memoryview(data)  # type: ignore[arg-type]  # NumPy's stubs say so from 3.12 on
    return {"version": 3, "shape": data.shape, "typestr": data.dtype.str, "data": shown}


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


@contextmanager
def _unmarked(data: np.ndarray) -> Iterator[None]:
    """``data`` without the mark that nobody changes it, which NumPy keeps from those who would not see it."""
    views = [data]
    while isinstance(views[-1].base, np.ndarray):
        views.append(views[-1].base)
    marked = [view for view in reversed(views) if not view.flags.writeable]  # a view's memory first
    try:
        for view in marked:
            try:
                view.setflags(write=True)
            except ValueError:
                raise BufferError(
                    "this memory is read-only, which DLPack says since version 1: ask for max_version=(1, 0), or for a copy."
                ) from None
        yield
    finally:
        for view in marked:
            view.setflags(write=False)


def to_dlpack(data: np.ndarray, **asked: Any) -> Any:
    """A DLPack capsule of ``data``.

    Raises:
        BufferError: the memory itself is read-only, and the consumer, who wants no copy, cannot be told.
    """
    if asked.get("copy") is False and asked.get("max_version", (0, 0)) < (1, 0):
        with _unmarked(data):
            return _to_dlpack(data, **asked)
    return _to_dlpack(data, **asked)


def _to_dlpack(data: np.ndarray, **asked: Any) -> Any:
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
