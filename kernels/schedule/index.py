"""Arithmetic on the indices of loop nests, folding what is known.

The one idea: an index built here is never longer than it needs to be, so that equal accesses are equal
objects (values are shared by index) and LLVM sees contiguous ones as such. Loop variables and sizes are never
negative.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from weft.ir.loops.arithmetic import INTEGERS, evaluate_index
from weft.ir.loops.nest import Index, IndexOp, Param


def add(a: Index, b: Index) -> Index:
    """``a + b``."""
    if type(a) is int and type(b) is int:
        return a + b
    if type(a) is int:
        a, b = b, a
    if type(b) is int and b == 0:
        return a
    # (k // n) * n + k % n -> k
    if isinstance(b, IndexOp) and b.op == "%" and a == IndexOp("*", IndexOp("//", b.a, b.b), b.b):
        return b.a
    return IndexOp("+", a, b)


def divides(index: Index) -> bool:
    """Whether a quotient or remainder is left in an index."""
    return isinstance(index, IndexOp) and (index.op in ("//", "%") or divides(index.a) or divides(index.b))


def sub(a: Index, b: Index) -> Index:
    """``a - b``."""
    if type(a) is int and type(b) is int:
        return a - b
    if isinstance(a, IndexOp) and a.op == "+" and a.a == b:  # (a + b) - a -> b
        return a.b
    return a if type(b) is int and b == 0 else IndexOp("-", a, b)


def mul(a: Index, b: Index) -> Index:
    """``a * b``."""
    if type(a) is int and type(b) is int:
        return a * b
    if type(a) is int:
        a, b = b, a
    if type(b) is int and b in (0, 1):
        return a if b else 0
    return IndexOp("*", a, b)


def div(a: Index, b: Index) -> Index:
    """``a // b`` for positive ``b``."""
    if type(b) is int and b == 1:
        return a
    return a // b if type(a) is int and type(b) is int else IndexOp("//", a, b)


def mod(a: Index, b: Index) -> Index:
    """``a % b`` for positive ``b``."""
    return a % b if type(a) is int and type(b) is int else IndexOp("%", a, b)


def minimum(a: Index, b: Index) -> Index:
    """The smaller."""
    return min(a, b) if type(a) is int and type(b) is int else IndexOp("min", a, b)


def maximum(a: Index, b: Index) -> Index:
    """The larger."""
    return max(a, b) if type(a) is int and type(b) is int else IndexOp("max", a, b)


def clamp(a: Index, last: Index) -> Index:
    """``a`` moved into ``0 .. last``."""
    return maximum(minimum(a, last), 0)


def names_in(index: Index) -> list[str]:
    """The loop variables and values that an index is made of."""
    if isinstance(index, str):
        return [index]
    return names_in(index.a) + names_in(index.b) if isinstance(index, IndexOp) else []


def value(index: Index, params: Sequence[int]) -> int | None:
    """What an index is for given parameters; ``None`` if it depends on more."""
    if names_in(index):
        return None
    return evaluate_index(index, lambda leaf: params[leaf.k] if isinstance(leaf, Param) else leaf, INTEGERS)


OPERATIONS: Mapping[str, Callable[[Index, Index], Index]] = {
    "+": add, "-": sub, "*": mul, "//": div, "%": mod, "min": minimum, "max": maximum,
}  # fmt: skip
"""The operations of indices on indices, for `evaluate_index`."""
