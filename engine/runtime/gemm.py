"""How a product of matrices is cut into pieces and written down for the native kernel that runs BLAS.

The one idea: a piece is a panel of rows or of columns of one result, as large as pays for handing it to another thread.
Its borders depend on the sizes, and of large products on how many cores the machine has, but not on how many threads work: so
a product has the same bits on any number of threads.
"""

from __future__ import annotations

import os
from enum import IntEnum
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from weft.ir.errors import InternalError
from weft.kernels.library.blas import gemm_address

__all__ = ["GemmWord", "Pieces", "cut_product"]

# Multiply-adds of what one thread takes at a time (15 us, about). Products of less than twice as many are one piece. With
# 2**20 the gradient of a network of 4 x 128 on 64 examples takes 0.59 ms, with this 0.47.
CHUNK = 2**19
# Rows (or columns) of a panel: BLAS packs the other operand once a panel, which costs 5 % more than once for all at 128
# of 1024 rows, 2 % at 256, and 10 % at 64. Four panels are shared evenly by two threads and by four.
_STEP, _MOST, _PANELS = 64, 256, 4
# Multiply-adds from which on a product is cut into a panel for each core: 1024 x 1024 on two cores takes 2.5 % less in f64
# than in panels of 256, and 6 % less in f32. OpenBLAS sums in other orders where borders lie elsewhere, in Haswell's f32 even
# at multiples of 192, so panels cannot be put together as there are threads.
_LARGE, _CORES = 2**27, os.cpu_count() or 1
_TRANSPOSES = {0: "N", 1: "T", 2: "C"}
_LARGEST_BLAS_INTEGER = 2**31 - 1


class GemmWord(IntEnum):
    """The words of a product's dims.

    BLAS is handed pointers to these very words: they are little-endian, so the first bytes of a word are the
    letter or the 32-bit integer it expects (and all eight are the integer that a 64-bit BLAS expects).
    Strides and steps are in bytes.
    """

    FUNCTION = 0  # xGEMM's address
    M = 1
    N = 2
    K = 3
    TRANS_A = 4
    TRANS_B = 5
    LDA = 6
    LDB = 7
    LDC = 8
    PANELS = 9  # pieces of one result
    PANEL_ROWS = 10  # M where columns are split
    PANEL_COLUMNS = 11  # N where rows are split
    STEP_A = 12  # from one panel to the next
    STEP_B = 13
    STEP_C = 14
    STRIDE_A = 15  # from one matrix of the batch to the next
    STRIDE_B = 16
    STRIDE_C = 17
    ITEM_BYTES = 18
    ALPHA = 19  # two words: a complex128 is the largest scalar
    BETA = 21  # two words


class Pieces(NamedTuple):
    """A batch of products for `weft.engine.runtime.native.product.multiply`.

    Attributes:
        words: its `GemmWord` words.
        number: how many pieces there are.
        grain: how many a thread takes at a time.
    """

    words: tuple[int, ...]
    number: int
    grain: int


def cut_product(
    dtype: npt.DTypeLike,
    m: int,
    n: int,
    k: int,
    trans_a: int = 0,
    trans_b: int = 0,
    batch: int = 1,
    strides: tuple[int, int, int] | None = None,
    rows: tuple[int, int] | None = None,
) -> Pieces:
    """Cut row-major products, ``c[m, n] = op(a)[m, k] @ op(b)[k, n]``, ``batch`` times, into pieces.

    Args:
        dtype: one of `weft.kernels.library.blas.GEMM_DTYPES`, of all three matrices.
        m: rows of the result.
        n: columns of the result.
        k: the extent that is summed over; 0 gives zeros.
        trans_a: 0 for ``a`` as stored (``(m, k)``), 1 for the transpose of what is stored, 2 for its conjugate transpose.
        trans_b: the same for ``b``, which is stored as ``(k, n)``, or ``(n, k)`` if it is transposed.
        batch: number of products.
        strides: elements from one matrix to the next for a, b and c; 0 shares an operand among all
            products. ``None`` means that matrices follow one another.
        rows: elements from one row of what is stored to the next, for a and b; ``None`` means that rows follow
            one another.

    Raises:
        DTypeError: BLAS has no routine for ``dtype``.
        InternalError: an extent, a transpose or a stride that BLAS cannot take.
    """
    dtype = np.dtype(dtype)
    address, size = gemm_address(dtype), dtype.itemsize
    if min(m, n, k, batch) < 0 or max(m, n, k) > _LARGEST_BLAS_INTEGER:
        raise InternalError(f"gemm needs extents from 0 to 2**31 - 1, got {m=} {n=} {k=} {batch=}.")
    if {trans_a, trans_b} - _TRANSPOSES.keys():
        raise InternalError(f"gemm knows the transposes 0, 1 and 2, got {trans_a=} {trans_b=}.")
    stride_a, stride_b, stride_c = (m * k, k * n, m * n) if strides is None else strides
    if batch > 1 and abs(stride_c) < m * n:
        raise InternalError(f"gemm results would overlap: {stride_c} elements apart, {m * n} long.")
    row_a, row_b = (m if trans_a else k, k if trans_b else n) if rows is None else rows
    ld_a, ld_b, ld_c = max(1, row_a), max(1, row_b), max(1, n)
    length, panel = max(m, n), _panel(max(m, n), m * n * k)
    panels = -(-length // panel) if panel else 1
    by_rows = m >= n
    scalars = np.zeros((2, 16 // size), dtype)
    scalars[0, 0] = 1  # alpha; beta stays 0
    words = (
        *(address, m, n, k, ord(_TRANSPOSES[trans_a]), ord(_TRANSPOSES[trans_b]), ld_a, ld_b, ld_c, panels),
        *((panel, n) if by_rows else (m, panel)),
        size * panel * (by_rows and (1 if trans_a else ld_a)),
        size * panel * (not by_rows and (ld_b if trans_b else 1)),
        size * panel * (ld_c if by_rows else 1),
        *(size * stride for stride in (stride_a, stride_b, stride_c)),
        size,
        *scalars.reshape(-1).view(np.int64).tolist(),
    )
    count = batch * panels
    return Pieces(words, count, min(count, max(1, CHUNK * panels // max(1, m * n * k))))


def _panel(length: int, work: int) -> int:
    """How long the panels are of a product of so many multiply-adds."""
    if work < 2 * CHUNK:
        return length
    if work >= _LARGE * _CORES:
        return -(-length // (8 * _CORES)) * 8
    return min(length, _MOST, -(-length // (_STEP * _PANELS)) * _STEP)
