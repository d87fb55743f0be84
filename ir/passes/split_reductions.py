"""Reductions of short rows and of what is around them: the rows come last.

The one idea: a sum over the first and the last axis of three, as that of a batch of channels of small pictures, goes along
many short rows, and for each a loop begins, ends, and adds up a vector. The sum over the first axis alone is one over columns,
whose vectors are as long as all that is behind that axis; and what is left for the rows is one of many.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from weft.ir.graph import Eqn, Graph
from weft.ir.match import Rewriter
from weft.ir.ops import reduce
from weft.ir.types import ArrayType, is_floating

_LONGEST = 128  # elements of rows along which loops are as good
_FEWEST = 16  # rows of which one is left: of fewer the columns are too much to write down

_SPLIT = {
    reduce.reduce_sum_p,
    reduce.reduce_prod_p,
    reduce.reduce_max_p,
    reduce.reduce_min_p,
    reduce.reduce_and_p,
    reduce.reduce_or_p,
}
_ROUNDED = {reduce.reduce_sum_p, reduce.reduce_prod_p}


def split_reductions(graph: Graph) -> Graph:
    """Reduce the leading axes before short innermost ones, where an axis between them is kept. Idempotent.

    Sums and products of 16-bit floats, which are rounded once, stay.
    """
    if not any(eqn.prim in _SPLIT for eqn in graph.eqns):
        return graph
    return Rewriter(_step).run(graph, lambda carried: carried)


def _step(eqn: Eqn, rewriter: Rewriter) -> Sequence[Any] | None:
    if eqn.prim not in _SPLIT:
        return None
    type_, axes = eqn.ins[0].type, eqn.params["axes"]
    row = _row(type_, axes)
    first = [axis for axis in axes if axis not in row and type_.shape[axis] != 1]
    length, rows = (math.prod(type_.shape[axis] for axis in some) for some in (row, first))
    if not row or rows < _FEWEST or not 1 < length <= min(rows, _LONGEST):
        return None
    if eqn.prim in _ROUNDED and is_floating(type_.dtype) and type_.dtype.itemsize == 2:
        return None
    some = eqn.prim.bind(rewriter.value(eqn.ins[0]), axes=tuple(first))
    rest = [axis for axis in axes if axis not in first]
    return (eqn.prim.bind(some, axes=tuple(axis - sum(f < axis for f in first) for axis in rest)),)


def _row(type_: ArrayType, axes: Sequence[int]) -> list[int]:
    """The innermost axes, if all elements along them are reduced, as far as no axis between them is kept."""
    row: list[int] = []
    for axis in reversed(range(type_.ndim)):
        if axis in axes:
            row.append(axis)
        elif type_.shape[axis] != 1:
            break
    return row
