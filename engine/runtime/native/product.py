"""Products of matrices as a kernel: BLAS by address, in pieces whose borders depend on sizes alone.

The one idea: a batch of products is a range of *pieces*, each a panel of rows or of columns of one result, so the pool runs
it like any kernel. BLAS itself runs on one thread: its own threads would compete with the pool's, and which
sums it splits among how many would show in the last bits.
"""

from weft.engine.runtime.gemm import GemmWord
from weft.engine.runtime.native.words import call_fortran, clear_bytes, local, native, read

__all__ = ["multiply"]

_FUNCTION, _M, _N, _K, _TRANS_A, _TRANS_B, _LDA, _LDB, _LDC = (int(word) for word in list(GemmWord)[:9])
_PANELS, _PANEL_ROWS, _PANEL_COLUMNS, _STEP_A, _STEP_B, _STEP_C = (int(word) for word in list(GemmWord)[9:15])
_STRIDE_A, _STRIDE_B, _STRIDE_C, _ITEM_BYTES, _ALPHA, _BETA = (int(word) for word in list(GemmWord)[15:])
_WORD_BYTES = 8


@native
def multiply(words: int, buffers: int, begin: int, end: int) -> None:
    """Compute pieces ``begin`` to ``end`` of a batch of row-major products, each C[m, n] = op(A) op(B).

    Args:
        words: address of the `GemmWord` words.
        buffers: addresses of A, B and C.
        begin: the first piece; pieces of one result follow one another.
        end: the piece behind the last one.
    """
    panels = read(words, _PANELS)
    for piece in range(begin, end):
        item, panel = piece // panels, piece % panels
        a = read(buffers, 0) + item * read(words, _STRIDE_A) + panel * read(words, _STEP_A)
        b = read(buffers, 1) + item * read(words, _STRIDE_B) + panel * read(words, _STEP_B)
        c = read(buffers, 2) + item * read(words, _STRIDE_C) + panel * read(words, _STEP_C)
        _multiply_panel(words, panel, a, b, c)


@native
def _multiply_panel(words: int, panel: int, a: int, b: int, c: int) -> None:
    """One call of BLAS. A function of its own: each has its own stack for the panel's sizes."""
    rows, columns = read(words, _PANEL_ROWS), read(words, _PANEL_COLUMNS)
    if rows < read(words, _M):
        rows = min(rows, read(words, _M) - panel * rows)
    elif columns < read(words, _N):
        columns = min(columns, read(words, _N) - panel * columns)
    if read(words, _K) == 0:
        for row in range(rows):
            at = c + row * read(words, _LDC) * read(words, _ITEM_BYTES)
            clear_bytes(at, columns * read(words, _ITEM_BYTES))
    elif rows > 0 and columns > 0:
        # A row-major matrix is its transpose to BLAS: C' = op(B)' op(A)' needs B first, and no copy.
        call_fortran(
            read(words, _FUNCTION),
            (
                words + _WORD_BYTES * _TRANS_B,
                words + _WORD_BYTES * _TRANS_A,
                local(columns),
                local(rows),
                words + _WORD_BYTES * _K,
                words + _WORD_BYTES * _ALPHA,
                b,
                words + _WORD_BYTES * _LDB,
                a,
                words + _WORD_BYTES * _LDA,
                words + _WORD_BYTES * _BETA,
                c,
                words + _WORD_BYTES * _LDC,
            ),
        )
