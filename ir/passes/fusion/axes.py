"""Axes: which axis of an operand is which axis of the result, and which axes of a program are thereby the same.

The one idea: two axes are the same because an equation says so, never because their sizes happen to be equal.
So a program fuses the same way, and its kernels are the same code, at all its shapes. Axes of size 1 are the
exception that broadcasting makes: they are no axes at all, and are left out of every space.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence

from weft.ir.graph import Eqn, Literal, Var
from weft.ir.types import is_complex

UNIT = -1  # an axis of size 1: its index is 0
MOVED = None  # the index changes on the way, or the result has no such axis

# Index maps that fusion and schedules know; others run as they are.
INDEX_MAPS = frozenset(
    "copy broadcast reshape transpose slice reverse pad concatenate iota full gather dynamic_slice".split()
)


def is_map(eqn: Eqn) -> bool:
    """Whether every element of the results is an expression of elements of the operands."""
    lower = eqn.prim.lower
    if lower.kind == "scalar":
        return not _orders_complex(eqn)
    return lower.kind == "index" and lower.rule in INDEX_MAPS


def is_reduction(eqn: Eqn) -> bool:
    """Whether the equation folds axes."""
    return eqn.prim.lower.kind in ("reduce", "argreduce") and not _orders_complex(eqn)


def _orders_complex(eqn: Eqn) -> bool:
    """Whether the equation asks which complex number is larger: by real, then imaginary part, as NumPy has it and no loop."""
    return eqn.prim.lower.rule in ("max", "min") and is_complex(eqn.ins[0].type.dtype)


def reduced_axes(eqn: Eqn) -> tuple[int, ...]:
    """The axes that a reduction folds."""
    return (eqn.params["axis"],) if eqn.prim.lower.kind == "argreduce" else tuple(sorted(eqn.params["axes"]))


def kept_axes(eqn: Eqn) -> tuple[int, ...]:
    """The axes of a reduction's operand that its result has."""
    reduced = reduced_axes(eqn)
    return tuple(axis for axis in range(eqn.ins[0].type.ndim) if axis not in reduced)


@functools.lru_cache(maxsize=4096)
def wide_axes(shape: tuple[int, ...]) -> tuple[int, ...]:
    """The axes whose size is not 1."""
    return tuple([axis for axis, n in enumerate(shape) if n != 1])


def carried(eqn: Eqn, k: int) -> tuple[int | None, ...]:
    """For each axis of operand ``k``: the axis of the result whose index it takes unchanged, or `UNIT` or `MOVED`."""
    shape = eqn.ins[k].type.shape
    if not shape:
        return ()
    if eqn.prim.lower.kind == "scalar":
        return _unmoved(shape)
    axes = _carried(eqn, k, shape)
    return tuple([UNIT if n == 1 else axis for n, axis in zip(shape, axes, strict=True)])


@functools.lru_cache(maxsize=4096)
def _unmoved(shape: tuple[int, ...]) -> tuple[int | None, ...]:
    """What is carried where axes stay what they are."""
    return tuple([UNIT if n == 1 else axis for axis, n in enumerate(shape)])


def _carried(eqn: Eqn, k: int, shape: tuple[int, ...]) -> Sequence[int | None]:
    lower, params = eqn.prim.lower, eqn.params
    every = range(len(shape))
    if is_reduction(eqn):
        kept = kept_axes(eqn)
        return [kept.index(axis) if axis in kept else MOVED for axis in every]
    match lower.rule:
        case "copy":
            return every
        case "broadcast":
            dims: tuple[int, ...] = params["dims"]
            return dims
        case "transpose":
            return [params["perm"].index(axis) for axis in every]
        case "reshape":
            axes: list[int | None] = [MOVED] * len(shape)
            for ins, outs in reshape_groups(shape, params["shape"]):
                if len(ins) == len(outs) == 1:
                    axes[ins[0]] = outs[0]
            return axes
        case "slice":
            bounds = zip(params["start"], params["limit"], params["strides"], shape, strict=True)
            return [axis if bound[:3] == (0, bound[3], 1) else MOVED for axis, bound in enumerate(bounds)]
        case "reverse":
            return [MOVED if axis in params["axes"] else axis for axis in every]
        case "pad":
            grown = zip(params["low"], params["high"], params["interior"], strict=True)
            return [MOVED if any(g) else axis for axis, g in enumerate(grown)]
        case "concatenate":
            return [MOVED if axis == params["axis"] else axis for axis in every]
        case "dynamic_slice":
            return [
                axis if size == n else MOVED
                for axis, (size, n) in enumerate(zip(params["sizes"], shape, strict=True))
            ]
        case "gather":
            if k > 0:
                return every
            rest = [axis for axis in every if axis not in params["axes"]]
            first = eqn.out_types[0].ndim - len(rest)
            return [first + rest.index(axis) if axis in rest else MOVED for axis in every]
    return [MOVED] * len(shape)


def reshape_groups(a: tuple[int, ...], b: tuple[int, ...]) -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
    """The finest split of a reshape from ``a`` to ``b``: axes of ``a`` and axes of ``b`` that hold the same elements."""
    left, right = wide_axes(a), wide_axes(b)
    if [a[i] for i in left] == [b[i] for i in right]:
        return [((i,), (j,)) for i, j in zip(left, right, strict=True)]
    if 0 in a:
        return [(left, right)]
    groups = []
    i = j = 0
    while i < len(left):
        m, n, first = a[left[i]], b[right[j]], (i, j)
        while m != n:
            if m < n:
                i += 1
                m *= a[left[i]]
            else:
                j += 1
                n *= b[right[j]]
        i, j = i + 1, j + 1
        groups.append((left[first[0] : i], right[first[1] : j]))
    return groups


class AxisClasses:
    """Classes of axes which equations make the same: a union-find over the axes of all variables."""

    def __init__(self, variables: Iterable[Var], eqns: Iterable[Eqn]):
        """Number all axes of ``variables`` and the results of ``eqns``, and unite those that ``eqns`` carry."""
        self.first: dict[Var, int] = {}
        self.parent: list[int] = []
        for var in variables:
            self._add(var)
        for eqn in eqns:
            for var in eqn.outs:
                self._add(var)
            if not (is_map(eqn) or is_reduction(eqn)):
                continue
            for k, atom in enumerate(eqn.ins):
                if isinstance(atom, Literal):
                    continue
                for axis, to in enumerate(carried(eqn, k)):
                    if to is not MOVED and to != UNIT:
                        for out in eqn.outs:
                            self.unite(self.first[atom] + axis, self.first[out] + to)

    def _add(self, var: Var) -> None:
        self.first[var] = len(self.parent)
        self.parent.extend(range(len(self.parent), len(self.parent) + var.type.ndim))

    def _find(self, i: int) -> int:
        parent = self.parent
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    def unite(self, i: int, j: int) -> None:
        """Make two numbered axes the same; the one numbered first names the class."""
        i, j = self._find(i), self._find(j)
        self.parent[max(i, j)] = min(i, j)

    def unite_axes(self, a: Var, i: int, b: Var, j: int) -> None:
        """Make axis ``i`` of ``a`` and axis ``j`` of ``b`` the same."""
        self.unite(self.first[a] + i, self.first[b] + j)

    def of(self, var: Var, axis: int) -> int:
        """The class of an axis."""
        return self._find(self.first[var] + axis)

    def space(self, var: Var) -> tuple[int, ...]:
        """The classes of all axes of ``var`` but those of size 1."""
        return tuple([self.of(var, axis) for axis in wide_axes(var.type.shape)])


class Origins:
    """Where axes lie beside one another: a union-find over the axes of all variables, with distances.

    A slice begins further on and a pad further back, and what is computed of two slices lies where both do. So an update of
    ``x[1:]`` by a neighbour's difference lies where ``x`` and the neighbour do, though no equation carries the axis from one to
    the other. Where equations disagree (differences of neighbours), the first one has its way.
    """

    def __init__(self, variables: Iterable[Var], eqns: Iterable[Eqn]):
        """Number all axes of ``variables`` and the results of ``eqns``, and say where those of ``eqns`` lie."""
        self._first: dict[Var, int] = {}
        self._parent: list[int] = []
        self._shift: list[int] = []  # from the parent
        for var in variables:
            self._add(var)
        for eqn in eqns:
            for var in eqn.outs:
                self._add(var)
            if not is_map(eqn):
                continue
            for k, atom in enumerate(eqn.ins):
                if not isinstance(atom, Literal):
                    for axis, (to, shift) in enumerate(_shifted(eqn, k)):
                        if to is not MOVED and to != UNIT:
                            for out in eqn.outs:
                                self._unite(self._first[atom] + axis, self._first[out] + to, shift)

    def of(self, var: Var) -> tuple[tuple[int, int, int], ...]:
        """The place of a variable, equal for those that lie on one another: what each axis begins at, and its size."""
        axes = wide_axes(var.type.shape)
        return tuple([(*self._find(self._first[var] + axis), var.type.shape[axis]) for axis in axes])

    def _add(self, var: Var) -> None:
        self._first[var] = len(self._parent)
        self._parent.extend(range(len(self._parent), len(self._parent) + var.type.ndim))
        self._shift.extend([0] * var.type.ndim)

    def _find(self, i: int) -> tuple[int, int]:
        """The representative of a numbered axis, and how far behind it the axis begins."""
        parent, shift = self._parent, self._shift
        total = 0
        while parent[i] != i:
            shift[i] += shift[parent[i]]  # of a representative it is 0
            parent[i] = parent[parent[i]]
            total += shift[i]
            i = parent[i]
        return i, total

    def _unite(self, i: int, j: int, shift: int) -> None:
        """Let axis ``j`` begin ``shift`` behind axis ``i``, unless it is known where it begins."""
        (a, of_i), (b, of_j) = self._find(i), self._find(j)
        if a != b:
            self._parent[b] = a
            self._shift[b] = of_i + shift - of_j


def _shifted(eqn: Eqn, k: int) -> list[tuple[int | None, int]]:
    """For each axis of operand ``k``: the axis of the result that it becomes, and how far behind it that one begins."""
    params, carries = eqn.params, carried(eqn, k)
    match eqn.prim.lower.rule if eqn.prim.lower.kind == "index" else None:
        case "slice":
            moves = zip(params["strides"], params["start"], strict=True)
            return [(axis if stride == 1 else MOVED, start) for axis, (stride, start) in enumerate(moves)]
        case "pad" if k == 0:
            moves = zip(params["interior"], params["low"], strict=True)
            return [(MOVED if inside else axis, -low) for axis, (inside, low) in enumerate(moves)]
    return [(axis, 0) for axis in carries]
