"""Reductions as folds: what an accumulator starts from, how it takes an element, what comes out.

The one idea: every reduction is a `Fold` with a few accumulators, one or, for the position of an extremum, two. Where they
live is the loops' affair: in registers along a row, in a buffer for columns. 16-bit floats accumulate in float32.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from weft.ir.graph import Eqn
from weft.ir.loops.nest import Index
from weft.ir.loops.vocabulary import register_dtype
from weft.ir.types import is_bool, is_complex, is_inexact
from weft.kernels.schedule.nest_builder import NestBuilder

_INDEX = np.dtype(np.int64)


class Fold:
    """One reduction."""

    def __init__(self, builder: NestBuilder, eqn: Eqn) -> None:
        self.builder = builder
        self.rule: str = eqn.prim.lower.rule
        self.position = eqn.prim.lower.kind == "argreduce"
        self.out_dtype = eqn.outs[0].type.dtype
        dtype = register_dtype(eqn.ins[0].type.dtype)
        self.dtypes = [dtype, _INDEX] if self.position else [register_dtype(self.out_dtype)]

    def start(self) -> list[str]:
        """What the accumulators are before the first element."""
        first = self.builder.const(self.dtypes[0], identity(self.rule, self.dtypes[0]))
        return [first, self.builder.const(_INDEX, 0)] if self.position else [first]

    @property
    def carries(self) -> list[tuple[np.dtype, str, str]]:
        """The accumulators as a loop carries them."""
        op = "set" if self.position else self.rule
        return [(dtype, op, init) for dtype, init in zip(self.dtypes, self.start(), strict=True)]

    def contribution(self, accs: Sequence[str], value: str, index: Index) -> list[str]:
        """What to fold into the accumulators for an element: itself, or where it wins, itself and its position."""
        value = self.builder.cast(value, self.dtypes[0])
        return self._winner(accs, value, index) if self.position else [value]

    def step(self, accs: Sequence[str], value: str, index: Index) -> list[str]:
        """The accumulators after an element."""
        value = self.builder.cast(value, self.dtypes[0])
        if self.position:
            return self._winner(accs, value, index)
        return [self.builder.op(self.dtypes[0], self.rule, accs[0], value)]

    def _winner(self, accs: Sequence[str], value: str, index: Index) -> list[str]:
        best, at = accs
        dtype, op = self.dtypes[0], self.builder.op
        wins = op(np.dtype(bool), "gt" if self.rule == "max" else "lt", value, best)
        if is_inexact(dtype):  # the first NaN wins over all
            nan = op(np.dtype(bool), "is_nan", value)
            numbers = op(np.dtype(bool), "not", op(np.dtype(bool), "is_nan", best))
            wins = op(np.dtype(bool), "or", wins, op(np.dtype(bool), "and", nan, numbers))
        place = self.builder.index_value(index)
        return [op(dtype, "select", wins, value, best), op(_INDEX, "select", wins, place, at)]

    def result(self, accs: Sequence[str]) -> str:
        """The result, of the accumulators after the last element."""
        return self.builder.cast(accs[-1], self.out_dtype)

    def single(self, value: str) -> str:
        """The result of one element."""
        return self.builder.const(self.out_dtype, 0) if self.position else self.builder.cast(value, self.out_dtype)


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
        return complex(-np.inf, -np.inf) * (1 if rule == "max" else -1) if is_complex(dtype) else -np.inf if rule == "max" else np.inf
    limits = np.iinfo(dtype)
    return limits.min if rule == "max" else limits.max


def fold_loops(
    builder: NestBuilder,
    extents: Sequence[Index],
    folds: Sequence[Fold],
    body: Callable[[list[Index], list[list[str]]], list[list[str]]],
) -> list[list[str]]:
    """Nested loops, the innermost around ``body``, each with partial results of its own.

    Args:
        builder: where the loops are written.
        extents: of the loops, outermost first.
        folds: the reductions to carry.
        body: from the loop variables and the accumulators of each fold to what is folded into these.

    Returns:
        the accumulators of each fold after the loops.
    """
    variables: list[Index] = []

    def nest(level: int) -> list[list[str]]:
        inner = level == len(extents) - 1
        carries = [carry for fold in folds for carry in fold.carries]
        with builder.loop(extents[level], "vector" if inner else "sequential", carries) as (variable, names):
            left = iter(names)
            accs = [[next(left) for _ in fold.dtypes] for fold in folds]
            variables.append(variable)
            values = body(list(variables), accs) if inner else nest(level + 1)
            variables.pop()
            for fold_accs, fold_values in zip(accs, values, strict=True):
                for acc, value in zip(fold_accs, fold_values, strict=True):
                    builder.accumulate(acc, value)
        return accs

    return nest(0)
