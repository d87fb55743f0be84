"""Matrix products as the library takes them: row-major operands, transposition flags, at most one batch axis.

Users' programs have `dot_general`; the pass products.py writes it in terms of this primitive, so that reshapes and
transpositions around it are equations that fusion sees. It comes after differentiation and batching.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from weft.ir.errors import DTypeError, InternalError, ShapeError
from weft.ir.primitive import Primitive, library
from weft.ir.types import ArrayType

# What BLAS multiplies.
GEMM_DTYPES = tuple(np.dtype(d) for d in (np.float32, np.float64, np.complex64, np.complex128))


def matrix_shapes(
    a: tuple[int, ...], b: tuple[int, ...], trans_a: bool, trans_b: bool
) -> tuple[int, int, int, int]:
    """``(batch, m, n, k)`` of a product; operands without a batch axis are shared."""
    batches = {shape[0] for shape in (a, b) if len(shape) == 3}
    m, k = a[-2:][::-1] if trans_a else a[-2:]
    k_b, n = b[-2:][::-1] if trans_b else b[-2:]
    if not (2 <= len(a) <= 3 and 2 <= len(b) <= 3) or k != k_b or len(batches) > 1:
        raise ShapeError(f"gemm of {a} and {b} with trans_a={trans_a}, trans_b={trans_b}.")
    return (batches.pop() if batches else 1), m, n, k


def _gemm_type(a: ArrayType, b: ArrayType, *, trans_a: bool, trans_b: bool) -> ArrayType:
    if a.dtype != b.dtype or a.dtype not in GEMM_DTYPES:
        raise DTypeError(
            f"gemm of {a} and {b}: the dtypes must be equal, and floating or complex of 32 bits or more."
        )
    batch, m, n, _ = matrix_shapes(a.shape, b.shape, trans_a, trans_b)
    return a.with_shape((batch, m, n) if max(a.ndim, b.ndim) == 3 else (m, n))


def _gemm_reference(a: np.ndarray, b: np.ndarray, *, trans_a: bool, trans_b: bool) -> np.ndarray:
    return np.matmul(np.swapaxes(a, -1, -2) if trans_a else a, np.swapaxes(b, -1, -2) if trans_b else b)


def _refuse(*args: Any) -> Any:
    raise InternalError("gemm was batched: it is written for dot_general after all transformations.")


gemm_p = Primitive(
    "gemm",
    type_rule=_gemm_type,
    reference=_gemm_reference,
    jvp=None,
    transpose=None,
    batch=_refuse,
    lower=library("gemm"),
)


def gemm(a: Any, b: Any, *, trans_a: bool = False, trans_b: bool = False) -> Any:
    """``a @ b`` of matrices or stacks of matrices, either operand transposed as told."""
    return gemm_p.bind(a, b, trans_a=trans_a, trans_b=trans_b)
