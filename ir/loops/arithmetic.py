"""What an index comes to: in integers, or in anything else that has the seven operations of an index.

The one idea: who asks about an index asks in numbers of a kind of their own (spans of values, arrays of all iterations,
other indices). They say what a leaf is and what the operations do to two such numbers; the walk is the same for all.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from weft.ir.loops.nest import Index, IndexOp

Number = TypeVar("Number")

INTEGERS: Mapping[str, Callable[[Any, Any], Any]] = {
    "+": operator.add, "-": operator.sub, "*": operator.mul, "//": operator.floordiv, "%": operator.mod,
    "min": min, "max": max,
}  # fmt: skip
"""The operations of indices on integers."""


def evaluate_index(
    index: Index,
    leaf: Callable[[Index], Number],
    operations: Mapping[str, Callable[[Number, Number], Number]],
) -> Number:
    """What an index comes to.

    Args:
        index: the index.
        leaf: what an integer, a `Param` and a name are; what it raises ends the walk.
        operations: what each sign makes of two of those, as `INTEGERS` does.
    """
    if type(index) is not IndexOp:
        return leaf(index)
    a = evaluate_index(index.a, leaf, operations)
    return operations[index.op](a, evaluate_index(index.b, leaf, operations))
