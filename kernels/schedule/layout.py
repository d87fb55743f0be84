"""Which axes of a kernel are one loop.

The one idea: two neighbouring axes make a *joint*; an equation links the joints of its operands and result
where it carries both axes side by side, and breaks those whose axes it treats apart. What is not broken is
collapsed: all neighbouring axes with a sound joint are one *group*, with one index. This is decided by the
equations alone, never by sizes.

Index tuples have one index a group. Axes of size 1 belong to no group.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from weft.ir.graph import Eqn, Graph, Var
from weft.ir.loops.nest import Index
from weft.ir.passes.fusion.axes import (
    MOVED,
    UNIT,
    AxisClasses,
    carried,
    is_reduction,
    reshape_groups,
    wide_axes,
)
from weft.kernels.schedule import index as ix
from weft.kernels.schedule.nest_builder import NestBuilder

Group = tuple[int, ...]
SHORT_ROW = 8
"""The most elements of rows (of colours, of coordinates) of which code knows how many they are: each length is another nest."""


class Layout:
    """The groups of all variables of a kernel, their sizes and strides."""

    def __init__(
        self, graph: Graph, builder: NestBuilder, frame: Var, values: Sequence[tuple[Var, tuple[int, ...]]]
    ) -> None:
        """Decide the groups.

        Args:
            graph: the kernel's graph.
            builder: takes the parameters that sizes and strides are.
            frame: a variable whose axes are the kernel's space.
            values: variables computed by the kernel's loops, and the axes of the space they live on (counting those of the
                frame that are not 1).
        """
        self.builder = builder
        self.classes = AxisClasses(graph.ins, graph.eqns)
        self._first: dict[Var, int] = {}
        self._parent: list[int] = []
        self._broken: set[int] = set()
        for var in (*graph.ins, *(var for eqn in graph.eqns for var in eqn.outs)):
            self._first[var] = len(self._parent)
            self._parent.extend(
                range(len(self._parent), len(self._parent) + max(len(wide_axes(var.type.shape)) - 1, 0))
            )
        for eqn in graph.eqns:
            self._link(eqn)
        for var, place in values:
            self._align(frame, var, place)
        self._groups: dict[Var, tuple[Group, ...]] = {}
        self._known: set[tuple[object, ...]] = set()

    # Groups

    def groups(self, var: Var) -> tuple[Group, ...]:
        """The groups of axes of a variable, in order."""
        found = self._groups.get(var)
        if found is None:
            runs: list[list[int]] = []
            for j, axis in enumerate(wide_axes(var.type.shape)):
                if j and self._find(self._first[var] + j - 1) not in self._broken:
                    runs[-1].append(axis)
                else:
                    runs.append([axis])
            found = self._groups[var] = tuple(map(tuple, runs))
        return found

    def at_axis(self, var: Var, index: Sequence[Index], axis: int) -> Index:
        """The index along an axis that is a group of its own, or of size 1."""
        return next((i for i, group in zip(index, self.groups(var), strict=True) if axis in group), 0)

    def size(self, var: Var, axes: Sequence[int]) -> Index:
        """The product of the sizes of some axes, as a parameter, unless it is known."""
        if not axes:
            return 1
        key, value = self._size_key(var, axes), math.prod([var.type.shape[axis] for axis in axes])
        return value if key in self._known else self.builder.param(key, value)

    def know(self, var: Var, axes: Sequence[int]) -> None:
        """Let the product of the sizes of some axes be a constant of the nest."""
        self._known.add(self._size_key(var, axes))

    def know_short(self, var: Var, most: int) -> None:
        """Let the nest know how long the innermost axes of a variable are that have no more elements than that together."""
        rest: Group = ()
        for group in reversed(self.groups(var)):
            rest = (*group, *rest)
            if math.prod([var.type.shape[axis] for axis in rest]) > most:
                return
            self.know(var, group)
            self.know(var, rest)

    def knows(self, var: Var, axis: int) -> bool:
        """Whether the size of an axis is a constant of the nest."""
        return self._size_key(var, (axis,)) in self._known

    def _size_key(self, var: Var, axes: Sequence[int]) -> tuple[object, ...]:
        return ("size", *(self.classes.of(var, axis) for axis in axes))

    def offset(self, var: Var, index: Sequence[Index]) -> Index:
        """The place of an element in the contiguous buffer of ``var``."""
        groups, total = self.groups(var), 0
        for n, (i, _) in enumerate(zip(index, groups, strict=True)):
            rest = [axis for group in groups[n + 1 :] for axis in group]
            size = math.prod([var.type.shape[axis] for axis in rest])
            near = size <= SHORT_ROW and all(type(later) is int for later in index[n + 1 :])
            total = ix.add(total, ix.mul(i, size if near else self.size(var, rest)))
        return total

    def carry(self, eqn: Eqn, k: int, index: Sequence[Index]) -> list[Index | None]:
        """The index, a group each, of operand ``k`` where the result is read at ``index``; ``None`` for groups that move."""
        operand, out = eqn.ins[k], eqn.outs[0]
        if not isinstance(operand, Var):
            return []
        to = carried(eqn, k)
        places = [to[group[0]] for group in self.groups(operand)]
        return [None if p is MOVED else self.at_axis(out, index, p) for p in places]

    def reshaped(self, eqn: Eqn, index: Sequence[Index]) -> tuple[Index, ...]:
        """The index of the operand of a reshape: within each run of axes that hold the same elements, by the flat index."""
        operand, out = eqn.ins[0], eqn.outs[0]
        assert isinstance(operand, Var)
        result: list[Index] = []
        for ins, outs in self._reshape_runs(operand, out):
            source = [
                (group, i) for group, i in zip(self.groups(out), index, strict=True) if group[0] in outs
            ]
            target = [group for group in self.groups(operand) if group[0] in ins]
            if len(source) == len(target) == 1:
                result.append(source[0][1])
                continue
            flat: Index = 0
            for group, i in source:
                flat = ix.add(ix.mul(flat, self.size(out, group)), i)
            split: list[Index] = []
            for group in reversed(target[1:]):
                split.append(ix.mod(flat, self.size(operand, group)))
                flat = ix.div(flat, self.size(operand, group))
            result.extend([flat, *reversed(split)] if target else [])
        return tuple(result)

    def _reshape_runs(self, operand: Var, out: Var) -> list[tuple[list[int], list[int]]]:
        """Groups of `reshape_groups`, joined where a group of axes goes over the border."""
        runs: list[tuple[list[int], list[int]]] = []
        wide = wide_axes(operand.type.shape)
        for ins, outs in reshape_groups(operand.type.shape, out.type.shape):
            joint = self._find(self._first[operand] + wide.index(ins[0]) - 1) if runs and ins else None
            if joint is not None and joint not in self._broken:
                runs[-1][0].extend(ins)
                runs[-1][1].extend(outs)
            else:
                runs.append((list(ins), list(outs)))
        return runs

    # Joints

    def _find(self, i: int) -> int:
        parent = self._parent
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    def _unite(self, i: int, j: int) -> None:
        i, j = self._find(i), self._find(j)
        if i != j:
            self._parent[i] = j
            if i in self._broken:
                self._broken.add(j)

    def _break(self, i: int) -> None:
        self._broken.add(self._find(i))

    def _link(self, eqn: Eqn) -> None:
        first = self._first[eqn.outs[0]]
        joints = max(len(wide_axes(eqn.outs[0].type.shape)) - 1, 0)
        for other in eqn.outs[1:]:
            for j in range(joints):
                self._unite(first + j, self._first[other] + j)
        if eqn.prim.lower.kind == "index" and eqn.prim.lower.rule == "iota":
            self._split_off(eqn.outs[0], eqn.params["axis"])
        for k, atom in enumerate(eqn.ins):
            if isinstance(atom, Var):
                self._link_operand(eqn, k, atom, eqn.outs[0])

    def _split_off(self, var: Var, axis: int) -> None:
        """Make an axis a group of its own."""
        wide = wide_axes(var.type.shape)
        if axis in wide:
            at = wide.index(axis)
            for j in (at - 1, at):
                if 0 <= j < len(wide) - 1:
                    self._break(self._first[var] + j)

    def _link_operand(self, eqn: Eqn, k: int, x: Var, y: Var) -> None:
        rule = eqn.prim.lower.rule if eqn.prim.lower.kind == "index" else None
        if rule == "reshape":
            self._link_reshape(x, y)
            return
        inner, outer = wide_axes(x.type.shape), wide_axes(y.type.shape)
        if not inner and rule not in ("pad", "concatenate"):
            return
        if rule == "pad" and k == 1:
            return
        position = {axis: j for j, axis in enumerate(outer)}
        axes = carried(eqn, k)
        to = [None if p is MOVED or p == UNIT else position[p] for p in [axes[a] for a in inner]]
        for j, (p, q) in enumerate(pairwise(to)):
            if p is None and q is None and is_reduction(eqn):
                continue  # both are folded
            if p is not None and q == p + 1:
                self._unite(self._first[x] + j, self._first[y] + p)
            else:
                self._break(self._first[x] + j)
        source = {p: j for j, p in enumerate(to) if p is not None}
        for j in range(len(outer) - 1):
            p, q = source.get(j), source.get(j + 1)
            if p is None and q is None and rule in ("broadcast", "gather"):
                continue  # the operand knows neither axis
            if p is None or q != p + 1:
                self._break(self._first[y] + j)

    def _link_reshape(self, x: Var, y: Var) -> None:
        inner, outer = wide_axes(x.type.shape), wide_axes(y.type.shape)
        for ins, outs in reshape_groups(x.type.shape, y.type.shape)[1:]:
            self._unite(self._first[x] + inner.index(ins[0]) - 1, self._first[y] + outer.index(outs[0]) - 1)

    def _align(self, frame: Var, var: Var, place: Sequence[int]) -> None:
        """Say that ``var`` lives on the axes ``place`` of the space."""
        axes, wide = wide_axes(frame.type.shape), wide_axes(var.type.shape)
        for own, axis in zip(wide, place, strict=True):
            self.classes.unite_axes(frame, axes[axis], var, own)
        for j, (a, b) in enumerate(pairwise(place)):
            if b == a + 1:
                self._unite(self._first[frame] + a, self._first[var] + j)
            else:
                self._break(self._first[var] + j)
