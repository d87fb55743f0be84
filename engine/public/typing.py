"""`weft.typing`: names for annotations.

def predict(params: Tree, x: ArrayLike) -> Array: ...
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, SupportsIndex, TypeAlias

import numpy.typing

from weft.engine.array import Array

__all__ = ["Array", "ArrayLike", "DTypeLike", "Shape", "Tree"]

ArrayLike: TypeAlias = Array | numpy.typing.ArrayLike | Sequence[Any]
"""What functions take for an array: arrays of Weft, NumPy and others, traced ones, numbers, and nested lists of these."""
DTypeLike: TypeAlias = numpy.typing.DTypeLike
"""What is taken for a dtype: ``float``, ``"float32"``, ``numpy.float32``, ``numpy.dtype("f4")``."""
Shape: TypeAlias = SupportsIndex | Sequence[SupportsIndex]
"""Lengths of axes; an integer is the length of one."""
Tree: TypeAlias = Any
"""A nest of containers (tuples, lists, dicts and what is registered) with arrays in it."""
