"""What routines have in common: a nest begun for an equation, with its operands and results as flat buffers.

The one idea: a routine is written like a schedule, statement by statement with a `NestBuilder`; only its
operands come straight from an equation, where a scalar may be a literal and so has no buffer.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from weft.ir.graph import Eqn, Literal
from weft.ir.loops.nest import Index
from weft.ir.types import INT64, ArrayType
from weft.kernels.schedule import Scheduled
from weft.kernels.schedule.nest_builder import NestBuilder

_LARGEST = np.iinfo(np.int64).max


class Frame:
    """A nest for an equation.

    Args:
        eqn: the equation.
        copied: the operand that the result starts as a copy of; it has no buffer of its own.

    Attributes:
        builder: writes the statements.
        types: the types of the operands.
        outs: the buffers of the results.
    """

    def __init__(self, eqn: Eqn, copied: int | None = None) -> None:
        self.eqn = eqn
        self.builder = NestBuilder()
        self.types: list[ArrayType] = [atom.type for atom in eqn.ins]
        self._ins = [
            None if isinstance(atom, Literal) or k == copied else self.builder.buffer(atom.type.dtype, "in")
            for k, atom in enumerate(eqn.ins)
        ]
        self.outs = [self.builder.buffer(var.type.dtype, "out") for var in eqn.outs]
        self._copied = copied
        self._scratch: list[int] = []

    def load(self, k: int, index: Index) -> str:
        """Operand ``k`` at a flat index."""
        atom, buffer = self.eqn.ins[k], self._ins[k]
        if isinstance(atom, Literal):
            return self.builder.literal(("operand", k), atom.value)
        assert buffer is not None
        return self.builder.load(atom.type.dtype, buffer, index)

    def position(self, k: int, index: Index) -> str:
        """An integer of operand ``k`` as int64; what uint64 has above is as good as the largest."""
        name = self.load(k, index)
        if self.builder.dtype(name) == np.uint64:
            dtype = np.dtype(np.uint64)
            name = self.builder.op(dtype, "min", name, self.builder.const(dtype, _LARGEST))
        return self.builder.cast(name, INT64)

    def scratch(self, dtype: np.dtype, size: int) -> str:
        """A buffer of ``size`` elements for the time of the call."""
        self._scratch.append(size)
        return self.builder.buffer(dtype, "scratch")

    def all(self, conditions: Sequence[str]) -> str:
        """The conjunction of at least one bool."""
        result = conditions[0]
        for condition in conditions[1:]:
            result = self.builder.op(np.dtype(bool), "and", result, condition)
        return result

    def finish(self, extent: int) -> Scheduled:
        """The nest, of which the chunked loop (if any) has ``extent`` iterations."""
        return Scheduled(
            self.builder.finish(), tuple(self.builder.params), extent, tuple(self._scratch), self._copied
        )
