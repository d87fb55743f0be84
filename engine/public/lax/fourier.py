"""`weft.lax.fft`: Fourier transforms of the last axes."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import Any

from weft.engine.array import wrap_value
from weft.ir.errors import ArgumentError
from weft.ir.ops import elementwise as e
from weft.ir.ops import fft as ops
from weft.ir.types import complex_dtype, is_complex
from weft.lax.arguments import one_value


class FftType(Enum):
    """The kinds of transforms: complex to complex and back, real to half of a spectrum and back."""

    FFT = "fft"
    IFFT = "ifft"
    RFFT = "rfft"
    IRFFT = "irfft"


def fft(x: Any, fft_type: FftType | str, fft_lengths: Sequence[int]) -> Any:
    """Transform the last axes.

    Args:
        x: array; complex for all kinds but "RFFT", which takes real ones.
        fft_type: `FftType`, or its name: "FFT", "IFFT", "RFFT", "IRFFT".
        fft_lengths: the lengths of as many of the last axes.

    Raises:
        ArgumentError: there is no such kind.
        ShapeError, DTypeError: ``x`` does not fit to kind and lengths.
    """
    name = fft_type.value if isinstance(fft_type, FftType) else str(fft_type).lower()
    if name not in ops.KINDS:
        known = ", ".join(kind.upper() for kind in ops.KINDS)
        raise ArgumentError(f"lax.fft got fft_type={fft_type!r}; known are {known}.")
    value = one_value(x)
    if name in ("fft", "ifft") and not is_complex(value.dtype):
        value = e.cast(value, complex_dtype(value.dtype))
    return wrap_value(ops.fft(value, name, fft_lengths))
