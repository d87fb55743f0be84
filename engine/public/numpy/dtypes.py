"""Dtypes, what is known of them, and constants: NumPy's own objects but for the types that can be called, see `scalars`."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np

from weft.engine.array import Array
from weft.engine.dispatch import common_dtype
from weft.engine.promotion import promote
from weft.ir.builder import Value
from weft.ir.errors import DTypeError
from weft.ir.types import bfloat16 as _bfloat16
from weft.ir.types import check_dtype, is_inexact

from weft.numpy.scalars import (  # isort: skip
    bfloat16, bool, complex64, complex128, float16, float32, float64, int8, int16, int32, int64, uint8, uint16,
    uint32, uint64,
)  # fmt: skip

from numpy import (  # isort: skip
    False_, ScalarType, True_, character, complexfloating, dtype, e, euler_gamma, flexible, floating, generic, inexact,
    inf, intc, integer, intp, isscalar as _isscalar, little_endian, long, longlong, mintypecode, nan, newaxis, number,
    object_, pi, sctypeDict, signedinteger, typecodes, typename, uintc, uintp, ulong, ulonglong, unsignedinteger,
)  # fmt: skip

__all__ = [
    "False_", "ScalarType", "True_", "bfloat16", "bool", "bool_", "byte", "can_cast", "cdouble", "character",
    "common_type", "complex64", "complex128", "complex_", "complexfloating", "csingle", "double", "dtype", "e",
    "euler_gamma", "finfo", "flexible", "float16", "float32", "float64", "float_", "floating", "generic",
    "half", "iinfo", "inexact", "inf", "int8", "int16", "int32", "int64", "int_", "intc", "integer", "intp",
    "isdtype", "isscalar", "issubdtype", "iterable", "little_endian", "long", "longlong", "min_scalar_type",
    "mintypecode", "nan", "newaxis", "number", "object_", "pi", "promote_types", "result_type", "sctypeDict",
    "short", "signedinteger", "single", "typecodes", "typename", "ubyte", "uint", "uint8", "uint16", "uint32",
    "uint64", "uintc", "uintp", "ulong", "ulonglong", "unsignedinteger", "ushort",
]  # fmt: skip

bool_ = bool
byte, ubyte, short, ushort = int8, uint8, int16, uint16
int_, uint = int64, uint64
half, single = float16, float32
float_ = double = float64
csingle = complex64
complex_ = cdouble = complex128


def _dtype_of(x: Any) -> Any:
    """The dtype of an array; a dtype as it is."""
    return x.dtype if isinstance(x, Array | Value | np.ndarray | np.generic) else x


def iinfo(type: Any, /) -> np.iinfo:
    """Limits of an integer dtype, or of that of an array: ``bits``, ``min``, ``max`` and ``dtype``.

    Raises:
        DTypeError: the dtype is not an integer one.
    """
    dtype = check_dtype(_dtype_of(type))
    if dtype.kind not in "iu":
        raise DTypeError(f"iinfo needs an integer dtype, got {dtype}: see finfo.")
    return np.iinfo(dtype)


class finfo:
    """Limits of a floating dtype, or of that of an array, bfloat16 and the parts of complex dtypes included.

    The attributes are NumPy's (``eps``, ``max``, ``min``, ``smallest_normal``, ``tiny``, ``bits`` ...). Numbers are Python's,
    which give way to arrays in promotion; ``dtype`` is the dtype of the real numbers.

    Args:
        type: a dtype or an array.

    Raises:
        DTypeError: the dtype is neither floating nor complex.
    """

    def __init__(self, type: Any, /) -> None:
        dtype = check_dtype(_dtype_of(type))
        if not is_inexact(dtype):
            raise DTypeError(f"finfo needs a floating or complex dtype, got {dtype}: see iinfo.")
        self._limits = ml_dtypes.finfo(dtype)

    @property
    def dtype(self) -> np.dtype:
        """The dtype of the real numbers that the limits are of."""
        return np.dtype(self._limits.dtype)

    def __getattr__(self, name: str) -> Any:
        if name == "_limits":  # while it is copied or unpickled
            raise AttributeError(name)
        found = getattr(self._limits, name)
        return found if isinstance(found, int | str) else float(found)

    def __repr__(self) -> str:
        return f"finfo(dtype={self.dtype}, min={self.min}, max={self.max}, eps={self.eps})"


def result_type(*arrays_and_dtypes: Any) -> np.dtype:
    """The dtype of an operation on the arguments, by NumPy 2's promotion, or by that of ``weft.config.promotion``."""
    args: list[Any] = []
    for x in arrays_and_dtypes:
        if type(x) is Array:
            args.append(x._data)
        elif isinstance(x, Value | np.ndarray | np.generic | int | float | complex):
            args.append(x)
        else:
            args.append(np.empty(0, check_dtype(x)))
    return common_dtype(*args)


def promote_types(type1: Any, type2: Any) -> np.dtype:
    """The smallest dtype to which both can be cast safely."""
    return promote(check_dtype(type1), check_dtype(type2))


def issubdtype(arg1: Any, arg2: Any) -> Any:
    """Whether a dtype is of a kind, or the same; bfloat16 is floating."""
    if _is_bfloat16(arg1):
        return arg2 in _ABOVE_BFLOAT16 or _is_bfloat16(arg2)
    return not _is_bfloat16(arg2) and np.issubdtype(arg1, arg2)


_ABOVE_BFLOAT16 = (np.floating, np.inexact, np.number, np.generic)


def _is_bfloat16(x: Any) -> Any:
    return (
        (isinstance(x, type) and x == bfloat16)
        or (isinstance(x, str) and x == "bfloat16")
        or (isinstance(x, np.dtype) and x == _bfloat16)
    )


def isdtype(dtype: Any, kind: Any) -> Any:
    """Whether a dtype is of one of the array API's kinds; bfloat16 is "real floating"."""
    kinds = kind if isinstance(kind, tuple) else (kind,)
    if _is_bfloat16(dtype):
        return any(
            _is_bfloat16(k) or (isinstance(k, str) and k in ("real floating", "numeric")) for k in kinds
        )
    return np.isdtype(np.dtype(dtype), tuple(k for k in kinds if not _is_bfloat16(k)))


def can_cast(from_: Any, to: Any, casting: Any = "safe") -> Any:
    """Whether a cast is allowed by a rule."""
    return np.can_cast(from_.dtype if isinstance(from_, Array | Value | np.ndarray) else from_, to, casting)


def isscalar(element: Any) -> Any:
    """Whether the argument is a number, or an array without axes."""
    return _isscalar(element) or (isinstance(element, Array | Value) and element.ndim == 0)


def iterable(y: Any) -> Any:
    """Whether the argument can be iterated over."""
    return y.ndim > 0 if isinstance(y, Array | Value | np.ndarray) else np.iterable(y)


def common_type(*arrays: Any) -> Any:
    """The scalar type of floating or complex numbers that holds what the arrays do; integers count as float64.

    Raises:
        DTypeError: an array is of bool.
    """
    dtypes = []
    for x in arrays:
        dtype = x.dtype if hasattr(x, "dtype") else np.asarray(x).dtype
        if dtype.kind == "b":
            raise DTypeError("common_type takes arrays of numbers, got bool.")
        dtypes.append(dtype if is_inexact(dtype) else np.dtype(np.float64))
    return promote(*dtypes).type if dtypes else np.float16


def min_scalar_type(a: Any, /) -> np.dtype:
    """The smallest dtype that holds a number; the dtype of an array with axes, or of one whose value is not known."""
    if isinstance(a, Value):
        return a.dtype
    return np.min_scalar_type(np.asarray(a))
