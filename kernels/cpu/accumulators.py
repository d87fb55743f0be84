"""What a loop does with the accumulators of the loops around it.

The one idea: one walk over the nest answers both questions the emitter has at a loop: which accumulators
need a phi (they are folded into somewhere inside), and which are looked at inside, so that their running
value must be right all the time.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from weft.ir.loops.nest import (
    Accumulate,
    Address,
    Call,
    Copy,
    If,
    Index,
    IndexOp,
    IndexValue,
    Load,
    Loop,
    Nest,
    Op,
    Place,
    Store,
    While,
    bodies,
    flat_arguments,
)
from weft.kernels.scalar import is_complex, is_float
from weft.kernels.schedule.index import names_in


def may_block(fold: str, dtype: np.dtype[Any], extent: Index, block: int) -> bool:
    """Whether an accumulator gains by partial sums: a float sum over a loop that may be long.

    An extent that is a minimum is a part of something that was cut before.
    """
    short = extent <= block if isinstance(extent, int) else isinstance(extent, IndexOp) and extent.op == "min"
    return fold == "add" and (is_float(dtype) or is_complex(dtype)) and not short


class Updates:
    """For each loop of a nest: the accumulators, its own or of loops around, that it folds into or reads."""

    def __init__(self, nest: Nest) -> None:
        self._updated: dict[int, list[str]] = {}
        self._read: dict[int, set[str]] = {}
        self._open: set[str] = set()
        self.indexing = False  # whether an index is made of an accumulator, and so of a value that changes
        self._top(nest.body)

    def updated_in(self, loop: Loop) -> list[str]:
        """The accumulators folded into, inside of ``loop``, in the order of the text."""
        return self._updated[id(loop)]

    def read_in(self, loop: Loop) -> set[str]:
        """The accumulators whose running value something inside of ``loop`` takes."""
        return self._read[id(loop)]

    def _top(self, body: tuple[Any, ...]) -> None:
        """Look at the loops of a body that folds into nothing around it."""
        for statement in body:
            if isinstance(statement, Loop):
                self._loop(statement)
            else:
                for inner in bodies(statement):
                    self._top(inner)

    def _loop(self, loop: Loop) -> None:
        own = {acc.name for acc in loop.carries}
        self._open |= own
        updated: dict[str, None] = {}
        read: set[str] = set()
        for statement in loop.body:
            match statement:
                case Op(_, _, _, args):
                    read.update(self._open.intersection(args))
                case Store(_, index, value):
                    read.update(self._open.intersection((value,)), self._index(index))
                case Load(_, _, _, index, mask):
                    read.update(self._open.intersection((mask,)), self._index(index))
                case IndexValue(_, _, index):
                    read |= self._index(index)
                case Accumulate(acc, value):
                    updated[acc] = None
                    read.update(self._open.intersection((value,)))
                case Call():
                    for arg in flat_arguments(statement):
                        if isinstance(arg, Copy):
                            read.update(self._open.intersection((arg.name,)))
                        elif not isinstance(arg, Address):
                            read |= self._index(arg.index if isinstance(arg, Place) else arg)
                case While() | If():
                    for inner in bodies(statement):
                        self._top(inner)
                    read |= self._open  # it may read any of them
                case Loop(_, extent, _, _, carries):
                    read.update(self._open.intersection(acc.init for acc in carries), self._index(extent))
                    self._loop(statement)
                    updated.update(dict.fromkeys(self._updated[id(statement)]))
                    read |= self._read[id(statement)]
        self._updated[id(loop)] = [name for name in updated if name in self._open]
        self._read[id(loop)] = read
        self._open -= own

    def _index(self, index: Index) -> set[str]:
        """The open accumulators in an index."""
        found = self._open.intersection(names_in(index))
        self.indexing = self.indexing or bool(found)
        return found
