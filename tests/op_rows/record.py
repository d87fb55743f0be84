"""What a row of the table of operations is, how its operands are drawn, and how rows are entered."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from weft.ir import types

Operands = tuple[np.ndarray, ...]
Maker = Callable[[np.random.Generator, np.dtype], Operands]

F16, F32, F64, C64, C128 = map(np.dtype, ("f2", "f4", "f8", "c8", "c16"))
I8, I32, I64, U8, U32, U64, BOOL = map(np.dtype, ("i1", "i4", "i8", "u1", "u4", "u8", "?"))
BF16 = types.bfloat16

FLOATS = (F16, BF16, F32, F64)
COMPLEX = (C64, C128)
INEXACT = FLOATS + COMPLEX
INTS = (I8, I64, U8, U64)
REAL = FLOATS + INTS
NUMBERS = INEXACT + INTS
ORDERED = (*REAL, BOOL)
ANY = (*NUMBERS, BOOL)
LOGICAL = (*INTS, BOOL)
FEW = (F32, F64, C128, I64, BOOL)  # for what treats all dtypes alike

# Relative errors (of the largest element) allowed between a result and what it should be.
TOLERANCE = {F16: 2e-3, BF16: 1.6e-2, F32: 2e-6, F64: 1e-12, C64: 2e-6, C128: 1e-12}


@dataclass(frozen=True)
class OpRecord:
    """One row: ``fun(*operands)`` uses the primitive ``name`` and means ``reference(*operands)``.

    ``makers`` draw operands for a dtype. ``smooth`` says that derivatives exist there, ``constant`` which
    operands are not differentiated, ``batches`` that there is a batching rule. References see 16-bit floats
    as float32.
    """

    name: str
    fun: Callable[..., Any]
    reference: Callable[..., Any]
    dtypes: tuple[np.dtype, ...]
    makers: tuple[Maker, ...]
    smooth: bool = True
    constant: tuple[int, ...] = ()
    batches: bool = True
    variant: str = ""

    @property
    def id(self) -> str:
        return f"{self.name}-{self.variant}" if self.variant else self.name

    def operands(self, dtype: np.dtype) -> list[Operands]:
        """Operands of every maker, the same at each call."""
        return [make(np.random.default_rng(i), dtype) for i, make in enumerate(self.makers)]


def draw(
    rng: np.random.Generator, dims: Sequence[int], dtype: np.dtype, low: float = -2, high: float = 2
) -> np.ndarray:
    """Numbers between ``low`` and ``high`` (integers: four times as far out; complex: both parts)."""
    if types.is_bool(dtype):
        return rng.random(dims) < 0.5
    if types.is_integer(dtype):
        least = 0 if dtype.kind == "u" else int(4 * low)
        return rng.integers(max(least, int(4 * low)), int(4 * high), size=dims).astype(dtype)
    if types.is_complex(dtype):
        return (rng.uniform(low, high, dims) + 1j * rng.uniform(low, high, dims)).astype(dtype)
    return np.asarray(rng.uniform(low, high, dims)).astype(dtype)


SHAPES = ((), (0,), (1,), (5,), (2, 3))


def pointwise(
    n: int, *ranges: tuple[float, float], shapes: Sequence[tuple[int, ...]] = SHAPES
) -> tuple[Maker, ...]:
    """Makers of ``n`` operands of one shape, drawn from ``ranges`` (the last one repeats)."""
    bounds = [ranges[min(i, len(ranges) - 1)] for i in range(n)]
    return tuple(
        lambda rng, dtype, dims=dims: tuple(draw(rng, dims, dtype, *bound) for bound in bounds)
        for dims in shapes
    )


def arrays(*shapes: tuple[int, ...]) -> tuple[Maker, ...]:
    """Makers of one operand, of each shape."""
    return pointwise(1, (-2, 2), shapes=shapes)


TABLE: list[OpRecord] = []


def row(
    name: str, fun: Any, reference: Any, dtypes: Any, makers: Any, variant: str = "", **facts: Any
) -> None:
    """Enter a row."""
    TABLE.append(OpRecord(name, fun, reference, tuple(dtypes), tuple(makers), variant=variant, **facts))


def unary(
    name: str, fun: Any, reference: Any, dtypes: Any, low: float = -2, high: float = 2, **facts: Any
) -> None:
    """Enter an elementwise function of one operand."""
    row(name, fun, reference, dtypes, pointwise(1, (low, high)), **facts)


def binary(
    name: str, fun: Any, reference: Any, dtypes: Any, *ranges: tuple[float, float], **facts: Any
) -> None:
    """Enter an elementwise function of two operands."""
    row(name, fun, reference, dtypes, pointwise(2, *(ranges or ((-2, 2),))), **facts)
