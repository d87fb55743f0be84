"""Scalar types, as `float32`: NumPy's dtypes by name, which may also be called, as in ``np.int32(x)``, with traced arrays.

The one idea: NumPy's own types make NumPy's scalars, so code under `jit` could not call them. The types here stand for the same
dtype wherever one is asked for, and are equal to NumPy's; called with an array they cast it, else they make NumPy's scalar.
"""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np

from weft.engine.array import Array
from weft.ir.builder import Value
from weft.numpy.creation import asarray

__all__ = [
    "bfloat16", "bool", "complex64", "complex128", "float16", "float32", "float64", "int8", "int16", "int32",
    "int64", "uint8", "uint16", "uint32", "uint64",
]  # fmt: skip


class _ScalarType(type):
    """The type of the types: each has a `dtype`, by which NumPy knows what is meant."""

    dtype: np.dtype

    def __call__(cls, x: Any = 0, *args: Any) -> Any:
        """``x`` cast to this dtype: an array where it is an array or a list, else NumPy's scalar."""
        if isinstance(x, Array | Value | np.ndarray | list | tuple):
            return asarray(x, cls.dtype)
        return cls.dtype.type(x, *args)

    def __instancecheck__(cls, instance: Any) -> Any:
        return isinstance(instance, cls.dtype.type)

    def __subclasscheck__(cls, subclass: type) -> Any:
        return subclass == cls or issubclass(subclass, cls.dtype.type)

    def __eq__(cls, other: object) -> Any:
        return cls is other or cls.dtype.type is other or (isinstance(other, np.dtype) and cls.dtype == other)

    def __hash__(cls) -> int:
        return hash(cls.dtype.type)


def _scalar_type(name: str, of: Any) -> Any:
    doc = f"The dtype `numpy.dtype('{name}')`; called with a number or an array, that number or array of it."
    return _ScalarType(name, (), {"dtype": np.dtype(of), "__doc__": doc, "__module__": "weft.numpy"})


bool = _scalar_type("bool", np.bool)
int8, int16 = _scalar_type("int8", np.int8), _scalar_type("int16", np.int16)
int32, int64 = _scalar_type("int32", np.int32), _scalar_type("int64", np.int64)
uint8, uint16 = _scalar_type("uint8", np.uint8), _scalar_type("uint16", np.uint16)
uint32, uint64 = _scalar_type("uint32", np.uint32), _scalar_type("uint64", np.uint64)
bfloat16, float16 = _scalar_type("bfloat16", ml_dtypes.bfloat16), _scalar_type("float16", np.float16)
float32, float64 = _scalar_type("float32", np.float32), _scalar_type("float64", np.float64)
complex64, complex128 = _scalar_type("complex64", np.complex64), _scalar_type("complex128", np.complex128)
