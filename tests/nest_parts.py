"""What loop nests of tests are written with: dtypes, indices, buffers, and what a case of them is."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import ml_dtypes
import numpy as np

from weft.ir.loops.nest import (
    Buffer,
    Const,
    Index,
    IndexOp,
    Nest,
    Param,
)

BOOL, I8, I32, I64, U8, U64 = (np.dtype(d) for d in ("?", "i1", "i4", "i8", "u1", "u8"))
F16, F32, F64, C64, C128 = (np.dtype(d) for d in ("f2", "f4", "f8", "c8", "c16"))
BF16 = np.dtype(ml_dtypes.bfloat16)
N, M = Param(0), Param(1)


def add(a: Index, b: Index) -> IndexOp:
    return IndexOp("+", a, b)


def sub(a: Index, b: Index) -> IndexOp:
    return IndexOp("-", a, b)


def mul(a: Index, b: Index) -> IndexOp:
    return IndexOp("*", a, b)


def clamp(index: Index, size: Index) -> IndexOp:
    return IndexOp("max", IndexOp("min", index, sub(size, 1)), 0)


def const(name: str, dtype: np.dtype, value: Any) -> Const:
    return Const(name, dtype, np.asarray(value, dtype).tobytes())


def buffers(*specs: tuple[str, np.dtype, str]) -> tuple[Buffer, ...]:
    return tuple(Buffer(*spec) for spec in specs)


def call_kernel(
    address: int, params: Sequence[int], arrays: Sequence[np.ndarray], begin: int = 0, end: int | None = None
) -> None:
    """Call a kernel through ctypes; ``end`` is the first parameter when omitted."""
    function = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)(
        address
    )
    dims = np.array([*params, 0], np.int64)
    pointers = np.array([*(a.ctypes.data for a in arrays), 0], np.int64)
    function(dims.ctypes.data, pointers.ctypes.data, begin, params[0] if end is None else end)


@dataclass(frozen=True)
class Case:
    """A nest, its parameters and buffer sizes for sizes (n, m), and what its first output should be."""

    name: str
    nest: Nest
    params: Callable[[int, int], Sequence[int]]
    sizes: Callable[[int, int], Sequence[int]]
    expected: Callable[..., np.ndarray]

    def arrays(self, n: int, m: int, seed: int = 0) -> list[np.ndarray]:
        """Random inputs, and outputs full of a number that no kernel leaves by chance."""
        rng = np.random.default_rng(seed)
        return [
            random_array(rng, size, b.dtype) if b.kind == "in" else np.full(size, 77).astype(b.dtype)
            for b, size in zip(self.nest.buffers, self.sizes(n, m), strict=True)
        ]


def random_array(rng: np.random.Generator, size: int, dtype: np.dtype) -> np.ndarray:
    """Small values of any dtype: integers from -9 (or 0) to 9, floats around 1."""
    if dtype.kind == "b":
        return rng.random(size) < 0.5
    if dtype.kind in "iu":
        return rng.integers(0 if dtype.kind == "u" else -9, 10, size).astype(dtype)
    values = rng.normal(size=size) + 1
    return (values + 1j * rng.normal(size=size)).astype(dtype) if dtype.kind == "c" else values.astype(dtype)
