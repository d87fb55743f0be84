"""What `weft.numpy` says of itself by the array API standard: its version, what it can do, its device and its dtypes."""

from __future__ import annotations

from typing import Any

import numpy as np

from weft.engine.device import CPU, check_device
from weft.engine.methods import API_VERSIONS
from weft.numpy.creation import asarray, zeros
from weft.numpy.dtypes import isdtype

__all__ = ["Info", "__array_api_version__", "__array_namespace_info__"]

__array_api_version__ = API_VERSIONS[-1]

_NAMES = (
    "bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float32", "float64",
    "complex64", "complex128",
)  # fmt: skip


class Info:
    """What `__array_namespace_info__` gives."""

    def capabilities(self) -> dict[str, Any]:
        """Which optional parts of the standard there are; ``max dimensions`` is NumPy's."""
        return {"boolean indexing": True, "data-dependent shapes": True, "max dimensions": 64}

    def default_device(self) -> str:
        """The device of new arrays."""
        return CPU

    def devices(self) -> list[str]:
        """All devices."""
        return [CPU]

    def default_dtypes(self, *, device: Any = None) -> dict[str, np.dtype]:
        """The dtypes of arrays that are made without one, by kind."""
        check_device(device, "default_dtypes")
        return {
            "real floating": zeros(()).dtype,
            "complex floating": asarray(0j).dtype,
            "integral": asarray(0).dtype,
            "indexing": np.dtype(np.intp),
        }

    def dtypes(self, *, device: Any = None, kind: str | tuple[str, ...] | None = None) -> dict[str, np.dtype]:
        """The standard's dtypes by name.

        Args:
            device: ``"cpu"`` or None.
            kind: only those of a kind ("bool", "signed integer", "unsigned integer", "integral", "real floating",
                "complex floating", "numeric"), or of one of several.
        """
        check_device(device, "dtypes")
        return {name: np.dtype(name) for name in _NAMES if kind is None or isdtype(np.dtype(name), kind)}


def __array_namespace_info__() -> Info:
    """What there is, by the array API standard: ``capabilities``, ``dtypes``, ``devices`` and the defaults."""
    return Info()
