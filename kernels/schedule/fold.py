"""Reductions as folds: what an accumulator starts from, how it takes an element, what comes out.

The one idea: where the accumulator lives is the loops' affair: in a register along a row, in a buffer for
columns. 16-bit floats accumulate in float32.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from weft.ir.graph import Eqn
from weft.ir.loops.nest import Index
from weft.ir.loops.vocabulary import register_dtype
from weft.ir.types import is_bool, is_inexact
from weft.kernels.schedule.nest_builder import NestBuilder


class Fold:
    """One reduction."""

    def __init__(self, builder: NestBuilder, eqn: Eqn) -> None:
        self.builder = builder
        self.rule: str = eqn.prim.lower.rule
        self.out_dtype = eqn.outs[0].type.dtype
        self.dtype = register_dtype(self.out_dtype)

    def start(self) -> str:
        """What the accumulator is before the first element."""
        return self.builder.const(self.dtype, identity(self.rule, self.dtype))

    def contribution(self, value: str) -> str:
        """An element as it is folded in."""
        return self.builder.cast(value, self.dtype)

    def step(self, acc: str, value: str) -> str:
        """The accumulator after an element."""
        return self.builder.op(self.dtype, self.rule, acc, self.contribution(value))

    def result(self, acc: str) -> str:
        """The result, of the accumulator after the last element."""
        return self.builder.cast(acc, self.out_dtype)


def identity(rule: str, dtype: np.dtype) -> object:
    """The number that a fold leaves as it is."""
    if rule in ("add", "or"):
        return 0
    if rule == "mul":
        return 1
    if rule == "and":
        return True if is_bool(dtype) else np.array(-1).astype(dtype)
    if is_bool(dtype):
        return rule == "min"
    if is_inexact(dtype):
        return -np.inf if rule == "max" else np.inf
    limits = np.iinfo(dtype)
    return limits.min if rule == "max" else limits.max


def fold_loops(
    builder: NestBuilder,
    extents: Sequence[Index],
    folds: Sequence[Fold],
    body: Callable[[list[Index]], Sequence[str]],
    *,
    vector: bool = True,
) -> list[str]:
    """Nested loops, the innermost around ``body``, each with partial results of its own.

    Args:
        builder: where the loops are written.
        extents: of the loops, outermost first.
        folds: the reductions to carry.
        body: from the loop variables to what each fold takes.
        vector: whether the innermost loop is worth vectors.

    Returns:
        the accumulator of each fold after the loops.
    """
    variables: list[Index] = []

    def nest(level: int) -> list[str]:
        inner = level == len(extents) - 1
        carries = [(fold.dtype, fold.rule, fold.start()) for fold in folds]
        with builder.loop(extents[level], "vector" if inner and vector else "sequential", carries) as (
            variable,
            accs,
        ):
            variables.append(variable)
            values = body(list(variables)) if inner else nest(level + 1)
            variables.pop()
            for acc, value in zip(accs, values, strict=True):
                builder.accumulate(acc, value)
        return accs

    return nest(0)
