"""Values at an index: every equation of a kernel as a scalar expression.

The one idea: ``at(var, index)`` writes what computes one element and gives its name. Elementwise operations
ask for their operands at the same index, index maps (index_maps.py) at another, inputs are loads. A pair
(value, index) is written once as long as it is visible, so sharing inside a kernel needs no analysis. What
the kernel's loops have computed before is noted in ``homes`` and ``finish`` (what to load it from) or simply
remembered by the builder.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from weft.ir.errors import InternalError
from weft.ir.graph import Eqn, Graph, Literal, Var
from weft.ir.loops.nest import Index, Param
from weft.ir.loops.vocabulary import DIVISIONS, LEAST_DIVISOR, MOST_DIVISOR, SCALAR_OPS
from weft.ir.passes.fusion.axes import is_reduction, reduced_axes
from weft.ir.types import BOOL, real_dtype
from weft.kernels.schedule import index_maps
from weft.kernels.schedule.bounds import Bounds
from weft.kernels.schedule.fold import Fold, fold_loops
from weft.kernels.schedule.layout import Layout
from weft.kernels.schedule.nest_builder import NestBuilder

_SHIFTS = ("shift_left", "shift_right", "shift_right_logical")


class _Value(NamedTuple):
    """A scalar as composed rules see it."""

    name: str
    dtype: np.dtype


class _ScalarOps:
    """The ``ops`` of composed rules: one method for each scalar operation of the vocabulary."""

    def __init__(self, builder: NestBuilder) -> None:
        self._builder = builder

    def constant(self, value: Any, like: _Value) -> _Value:
        """A number of the dtype of ``like``."""
        return _Value(self._builder.const(like.dtype, value), like.dtype)

    def cast(self, x: _Value, dtype: Any) -> _Value:
        """``x`` converted."""
        return _Value(self._builder.cast(x.name, np.dtype(dtype)), np.dtype(dtype))

    def bitcast(self, x: _Value, dtype: Any) -> _Value:
        """The bits of ``x`` as another dtype."""
        return _Value(self._builder.op(np.dtype(dtype), "bitcast", x.name), np.dtype(dtype))

    def complex(self, re: _Value, im: _Value) -> _Value:
        """A complex number of its parts."""
        dtype = np.dtype(np.complex128 if re.dtype.itemsize == 8 else np.complex64)
        return _Value(self._builder.op(dtype, "complex", re.name, im.name), dtype)

    def __getattr__(self, op: str) -> Callable[..., _Value]:
        if op not in SCALAR_OPS:
            raise AttributeError(f"{op} is not a scalar operation")
        rule = SCALAR_OPS[op].rule

        def apply(*args: _Value) -> _Value:
            dtype = args[1].dtype if rule == "select" else args[0].dtype
            if rule in ("compare", "test"):
                dtype = BOOL
            elif rule == "real":
                dtype = real_dtype(dtype)
            return _Value(self._builder.op(dtype, op, *[x.name for x in args]), dtype)

        return apply


def scalar_results(builder: NestBuilder, eqn: Eqn, args: Sequence[str]) -> list[str]:
    """The results of an elementwise equation for one element, from those of its operands."""
    rule = eqn.prim.lower.rule
    if rule in DIVISIONS and isinstance(eqn.ins[1], Literal) and _is_any_divisor(eqn.ins[1].value):
        rule += "_by"
    if isinstance(rule, str):
        return [builder.op(eqn.outs[0].type.dtype, rule, *args)]
    values = [_Value(name, builder.dtype(name)) for name in args]
    result = rule(_ScalarOps(builder), *values, **eqn.params)
    return [value.name for value in (result if eqn.prim.multiple else [result])]


def gains_by_knowing(eqn: Eqn, value: np.generic) -> bool:
    """Whether code is better where the second operand is known.

    Divisions of integers by a small number are multiplications and shifts; larger ones may be lengths. Shifts by a known count
    need not ask whether it is below the width, and two of them are a rotation.
    """
    rule = eqn.prim.lower.rule
    return value.dtype.kind in "iu" and (
        rule in _SHIFTS or (rule in DIVISIONS and not _is_any_divisor(value))
    )


def _is_any_divisor(value: np.generic) -> bool:
    """Whether loops divide by a number like this without knowing it."""
    return value.dtype.kind in "iu" and LEAST_DIVISOR <= int(value) <= MOST_DIVISOR


class Expressions:
    """The values of one kernel at the indices that its loops ask for."""

    def __init__(self, graph: Graph, builder: NestBuilder, layout: Layout) -> None:
        self.builder, self.layout = builder, layout
        self.defined: dict[Var, Eqn] = {var: eqn for eqn in graph.eqns for var in eqn.outs}
        self.positions = {id(eqn): n for n, eqn in enumerate(graph.eqns)}
        self.windows = index_maps.find_windows(graph, self.defined)
        self.buffers = {var: builder.buffer(var.type.dtype, "in") for var in graph.ins}
        self.homes: dict[Var, Callable[[], tuple[str, Index]]] = {}
        self.finish: dict[Var, Callable[[], str]] = {}  # reductions whose accumulators are in memory
        self.bounds = Bounds()
        self.pads: dict[
            Param, tuple[int, int]
        ] = {}  # by what is added in front: how much that is, and the size with it
        # Pads with gaps (gaps.py): by axis the index at which loops stand, and what is there of the operand; nothing in a gap.
        self.gaps: dict[int, Callable[[], tuple[dict[int, Index], dict[int, Index] | None]]] = {}
        self.asked: dict[int, dict[int, Index]] | None = (
            None  # the indices that pads are asked for, if that is noted
        )
        # By place, begin and step of a grid: where it is.
        self.stands: dict[tuple[Index, int, int], Index] = {}

    def at(self, var: Var, index: Sequence[Index]) -> str:
        """The name of the element of ``var`` at ``index`` (one index a group)."""
        builder = self.builder
        todo: list[tuple[Var, tuple[Index, ...]]] = [(var, tuple(index))]
        while todo:
            value = todo[-1]
            if builder.lookup(value) is None:
                missing = [v for v in self._operands(*value) if builder.lookup(v) is None]
                if missing:
                    todo.extend(missing)
                    continue
                self._compute(*value)
            todo.pop()
        name = builder.lookup((var, tuple(index)))
        assert name is not None
        return name

    def operand(self, eqn: Eqn, k: int, index: Sequence[Index]) -> str:
        """The name of operand ``k`` at an index of its own."""
        atom = eqn.ins[k]
        return self.literal(eqn, k, atom.value) if isinstance(atom, Literal) else self.at(atom, index)

    def literal(self, eqn: Eqn, k: Any, value: Any) -> str:
        """A scalar written in an equation; its place, not its value, says which parameter it is."""
        known = k == 1 and gains_by_knowing(eqn, value)
        return self.builder.literal(("literal", self.positions[id(eqn)], k), value, known=known)

    def home(self, var: Var) -> str | None:
        """An element that these loops computed before, loaded from where it was stored."""
        if var in self.finish:
            return self.finish[var]()
        place = self.homes.get(var)
        if place is None:
            return None
        buffer, index = place()
        return self.builder.load(var.type.dtype, buffer, index, written=buffer in self.builder.written)

    def _operands(self, var: Var, index: tuple[Index, ...]) -> list[tuple[Var, tuple[Index, ...]]]:
        """What must be known before ``var`` at ``index`` can be computed without further ado."""
        eqn = self.defined.get(var)
        if eqn is None or var in self.homes or var in self.finish:
            return []
        if eqn.prim.lower.kind == "scalar":
            return [
                (atom, tuple(self.layout.carry(eqn, k, index)))
                for k, atom in enumerate(eqn.ins)
                if isinstance(atom, Var)
            ]
        if eqn.prim.lower.kind == "index" and eqn.prim.lower.rule in index_maps.MOVES:
            atom = eqn.ins[0]
            return (
                [(atom, index_maps.MOVES[eqn.prim.lower.rule](self, eqn, index))]
                if isinstance(atom, Var)
                else []
            )
        return []

    def _compute(self, var: Var, index: tuple[Index, ...]) -> None:
        name = self.home(var)
        eqn = self.defined.get(var)
        if name is None and eqn is None:
            name = self.builder.load(var.type.dtype, self.buffers[var], self.layout.offset(var, index))
        elif name is None and eqn is not None:
            match eqn.prim.lower.kind:
                case "scalar":
                    for out, result in zip(eqn.outs, self._scalar(eqn, index), strict=True):
                        self.builder.remember((out, index), result)
                    return
                case "index":
                    name = index_maps.read(self, eqn, index)
                case _ if is_reduction(eqn):
                    name = self._reduction(eqn, index)
                case _:
                    raise InternalError(f"{eqn.prim.name} is in a kernel, but is no expression of an index.")
        assert name is not None
        self.builder.remember((var, index), name)

    def _scalar(self, eqn: Eqn, index: tuple[Index, ...]) -> Sequence[str]:
        args = [self.operand(eqn, k, self.layout.carry(eqn, k, index)) for k in range(len(eqn.ins))]
        return scalar_results(self.builder, eqn, args)

    def _reduction(self, eqn: Eqn, index: tuple[Index, ...]) -> str:
        """A reduction that is not one of the kernel's own: a loop right here."""
        operand, fold = eqn.ins[0], Fold(self.builder, eqn)
        known = self.layout.carry(eqn, 0, index)
        if not isinstance(operand, Var):
            return fold.result(fold.contribution(self.operand(eqn, 0, ())))
        groups = self.layout.groups(operand)
        loops = [n for n, group in enumerate(groups) if group[0] in reduced_axes(eqn)]
        if not loops:
            return fold.result(fold.contribution(self.at(operand, known)))
        place = list(known)

        def body(variables: list[Index]) -> list[str]:
            for n, variable in zip(loops, variables, strict=True):
                place[n] = variable
            return [fold.contribution(self.at(operand, place))]

        extents = [self.layout.size(operand, groups[n]) for n in loops]
        return fold.result(fold_loops(self.builder, extents, [fold], body)[0])
