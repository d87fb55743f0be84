"""Types: what is known of a value without its data.

An `ArrayType` is a shape and a dtype, spelled ``f32[3,4]``. Dtypes are NumPy's own (with `ml_dtypes` for bfloat16), and
`promote` is NumPy 2's promotion, extended to bfloat16.
"""

from __future__ import annotations

import functools
import math

import ml_dtypes
import numpy as np

from weft.ir.errors import DTypeError
from weft.ir.records import dataclass

bfloat16: np.dtype = np.dtype(ml_dtypes.bfloat16)

SHORT_NAMES: dict[np.dtype, str] = {
    np.dtype(name): short
    for name, short in [
        ("bool", "bool"),
        ("int8", "i8"), ("int16", "i16"), ("int32", "i32"), ("int64", "i64"),
        ("uint8", "u8"), ("uint16", "u16"), ("uint32", "u32"), ("uint64", "u64"),
        ("float16", "f16"), ("float32", "f32"), ("float64", "f64"),
        ("complex64", "c64"), ("complex128", "c128"),
    ]
} | {bfloat16: "bf16"}  # fmt: skip
DTYPES: dict[str, np.dtype] = {short: dtype for dtype, short in SHORT_NAMES.items()}

BOOL = np.dtype(bool)
INT64 = np.dtype(np.int64)
FLOAT64 = np.dtype(np.float64)

_REAL_PARTS: dict[np.dtype, np.dtype] = {
    np.dtype(np.complex64): np.dtype(np.float32),
    np.dtype(np.complex128): FLOAT64,
}


def is_bool(dtype: np.dtype) -> bool:
    """Whether ``dtype`` is bool."""
    return dtype.kind == "b"


def is_integer(dtype: np.dtype) -> bool:
    """Whether ``dtype`` is a signed or unsigned integer."""
    return dtype.kind in "iu"


def is_floating(dtype: np.dtype) -> bool:
    """Whether ``dtype`` is real floating, bfloat16 included."""
    return dtype.kind == "f" or dtype == bfloat16


def is_complex(dtype: np.dtype) -> bool:
    """Whether ``dtype`` is complex."""
    return dtype.kind == "c"


def is_inexact(dtype: np.dtype) -> bool:
    """Whether ``dtype`` is floating or complex, so that derivatives exist."""
    return dtype.kind in "fc" or dtype == bfloat16


def real_dtype(dtype: np.dtype) -> np.dtype:
    """The dtype of the real part: f32 for c64, f64 for c128, others unchanged."""
    return _REAL_PARTS.get(dtype, dtype)


def complex_dtype(dtype: np.dtype) -> np.dtype:
    """The complex dtype whose parts hold ``dtype``: c64 for 16- and 32-bit floats, else c128."""
    if is_complex(dtype):
        return dtype
    return np.dtype(np.complex64 if is_floating(dtype) and dtype.itemsize <= 4 else np.complex128)


def check_dtype(dtype: object) -> np.dtype:
    """Turn ``dtype`` into a supported NumPy dtype or raise `DTypeError`."""
    try:
        result: np.dtype = np.dtype(dtype)  # type: ignore[call-overload]
    except TypeError as error:
        raise DTypeError(f"{dtype!r} is not a dtype.") from error
    result = result.newbyteorder("=") if result.byteorder == ">" else result
    if result not in SHORT_NAMES:
        accepted = ", ".join(str(d) for d in SHORT_NAMES)
        raise DTypeError(f"Weft has no arrays of dtype {result}. Accepted dtypes are {accepted}.")
    return result


@functools.lru_cache(maxsize=4096)
def promote(*dtypes: np.dtype) -> np.dtype:
    """The common dtype of ``dtypes`` by NumPy 2's promotion.

    bfloat16 with float16 gives float32; with integers its width decides, as float16's does.
    """
    if bfloat16 not in dtypes or all(d == bfloat16 for d in dtypes):
        return np.result_type(*dtypes)
    others = [d for d in dtypes if d != bfloat16]
    if all(is_bool(d) for d in others):
        return bfloat16
    stand_in = np.dtype(np.float32) if np.dtype(np.float16) in others else np.dtype(np.float16)
    result = np.result_type(stand_in, *others)
    return bfloat16 if result == np.float16 else result


@dataclass(frozen=True, slots=True)
class ArrayType:
    """The type of an array value: its shape and dtype."""

    shape: tuple[int, ...]
    dtype: np.dtype

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """Bytes that an array of this type takes."""
        return self.size * self.dtype.itemsize

    def with_shape(self, shape: tuple[int, ...]) -> ArrayType:
        """The same dtype with another shape."""
        return ArrayType(tuple(shape), self.dtype)

    def with_dtype(self, dtype: np.dtype) -> ArrayType:
        """The same shape with another dtype."""
        return ArrayType(self.shape, dtype)

    def __str__(self) -> str:
        return f"{SHORT_NAMES[self.dtype]}[{','.join(map(str, self.shape))}]"

    __repr__ = __str__


def type_of(x: object) -> ArrayType:
    """The type of a NumPy array, NumPy scalar or Python scalar."""
    if isinstance(x, np.ndarray | np.generic):
        return ArrayType(x.shape, x.dtype)
    array = np.asarray(x)
    return ArrayType(array.shape, array.dtype)
