"""What routines have in common: a nest begun for an equation, with its operands and results as flat buffers.

The one idea: a routine is written like a schedule, statement by statement with a `NestBuilder`; only its
operands come straight from an equation. One that is a scalar literal has no buffer, and one that the equation
brings the computation of (`weft.ir.passes.absorb`) is computed at the flat index where it is asked for.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from weft.ir.errors import InternalError
from weft.ir.graph import Eqn, Graph, Literal, Var
from weft.ir.loops.nest import Index
from weft.ir.ops.kernel import routine_p
from weft.ir.types import INT64, ArrayType
from weft.kernels.schedule import Scheduled
from weft.kernels.schedule import index as ix
from weft.kernels.schedule.expressions import gains_by_knowing, scalar_results
from weft.kernels.schedule.nest_builder import NestBuilder

_LARGEST = np.iinfo(np.int64).max


def _as_graph(eqn: Eqn) -> Graph:
    """The equation behind what computes its operands; every operand of a bare one is an input of its own."""
    if eqn.prim is routine_p:
        graph: Graph = eqn.params["graph"]
        return graph
    atoms = tuple([a if isinstance(a, Literal) else Var(a.type) for a in eqn.ins])
    ins = tuple([a for a in atoms if isinstance(a, Var)])
    return Graph(ins, (Eqn(eqn.prim, atoms, eqn.outs, eqn.params, eqn.source),), eqn.outs)


def library_equation(eqn: Eqn) -> Eqn:
    """The equation itself, or the one that a `routine` is around."""
    inner: Eqn = eqn.params["graph"].eqns[-1] if eqn.prim is routine_p else eqn
    return inner


class Frame:
    """A nest for an equation.

    Args:
        eqn: a library equation, or a `routine` around one.
        copied: the operand that the result starts as a copy of; it has no buffer of its own.

    Attributes:
        eqn: the library equation.
        builder: writes the statements.
        types: the types of the operands.
        outs: the buffers of the results.
    """

    def __init__(self, eqn: Eqn, copied: int | None = None) -> None:
        graph = _as_graph(eqn)
        self.eqn = graph.eqns[-1]
        self.builder = NestBuilder()
        self.types: list[ArrayType] = [atom.type for atom in self.eqn.ins]
        source = None if copied is None else self.eqn.ins[copied]
        self._buffers = {v: self.builder.buffer(v.type.dtype, "in") for v in graph.ins if v is not source}
        self._makers = {var: one for one in graph.eqns[:-1] for var in one.outs}
        self._numbers = {id(one): n for n, one in enumerate(graph.eqns)}
        self.outs = [self.builder.buffer(var.type.dtype, "out") for var in self.eqn.outs]
        self._copied = graph.ins.index(source) if isinstance(source, Var) else None
        self._scratch: list[int] = []

    def load(self, k: int, index: Index) -> str:
        """Operand ``k`` at a flat index."""
        return self._operand(self.eqn, k, index)

    def buffer(self, k: int) -> str:
        """The buffer of operand ``k``, one that is neither computed here nor a literal."""
        atom = self.eqn.ins[k]
        assert isinstance(atom, Var)
        return self._buffers[atom]

    def _operand(self, eqn: Eqn, k: int, index: Index) -> str:
        atom = eqn.ins[k]
        if isinstance(atom, Literal):
            key = ("operand", k) if eqn is self.eqn else ("literal", self._numbers[id(eqn)], k)
            return self.builder.literal(key, atom.value, known=k == 1 and gains_by_knowing(eqn, atom.value))
        return self._element(atom, index if atom.type.shape else 0)

    def _element(self, var: Var, index: Index) -> str:
        """A value at a flat index: loaded, or computed here."""
        if var in self._buffers:
            return self.builder.load(var.type.dtype, self._buffers[var], index)
        known = self.builder.lookup((var, index))
        if known is not None:
            return known
        eqn = self._makers[var]
        if eqn.prim.lower.kind == "scalar":
            args = [self._operand(eqn, k, index) for k in range(len(eqn.ins))]
            results = scalar_results(self.builder, eqn, args)
        else:
            results = [self._moved(eqn, index)]
        for out, name in zip(eqn.outs, results, strict=True):
            self.builder.remember((out, index), name)
        return results[eqn.outs.index(var)]

    def _moved(self, eqn: Eqn, index: Index) -> str:
        """An index map that is pointwise in the flat index."""
        builder, number = self.builder, self._numbers[id(eqn)]
        match eqn.prim.lower.rule:
            case "reshape" | "copy":
                return self._operand(eqn, 0, index)
            case "broadcast":
                return self._operand(eqn, 0, 0)
            case "full":
                dtype = eqn.outs[0].type.dtype
                return builder.literal(("full", number), np.full(1, eqn.params["value"], dtype)[0])
            case "iota":
                shape, axis = eqn.outs[0].type.shape, eqn.params["axis"]
                if len(shape) > 1:
                    behind = math.prod(shape[axis + 1 :])
                    index = ix.div(index, builder.param(("behind", number), max(behind, 1)))
                    index = ix.mod(index, builder.param(("along", number), max(shape[axis], 1)))
                return builder.cast(builder.index_value(index), eqn.outs[0].type.dtype)
        raise InternalError(f"{eqn.prim.name} is an operand of a routine, but is not pointwise.")

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

    def finish(
        self, extent: int, grain: int = 0, work: float = 0.0, then: Scheduled | None = None
    ) -> Scheduled:
        """The nest, of which the chunked loop (if any) has ``extent`` iterations; see `Scheduled` for the rest."""
        return Scheduled(
            self.builder.finish(),
            tuple(self.builder.params),
            extent,
            tuple(self._scratch),
            self._copied,
            grain,
            work,
            then,
        )
