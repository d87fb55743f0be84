"""`weft.scipy.sparse`: iterative solvers, in `linalg`. Sparse matrices are functions that multiply with them."""

from weft.scipy.sparse import linalg

__all__ = ["linalg"]
