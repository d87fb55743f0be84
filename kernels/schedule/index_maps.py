"""Index maps: where the operand of a moving operation is read, for each index of its result.

The one idea: nothing moves in memory. A *move* reads its operand at another index; the others read at a
clamped index, so that no load is ever out of bounds, and select.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate
from typing import TYPE_CHECKING, Any

import numpy as np

from weft.ir.graph import Eqn, Graph, Var
from weft.ir.loops.nest import Index, IndexOp
from weft.ir.ops.index import default_fill
from weft.ir.types import BOOL, INT64
from weft.kernels.schedule import index as ix
from weft.kernels.schedule.layout import SHORT_ROW

if TYPE_CHECKING:
    from weft.kernels.schedule.expressions import Expressions

Indices = tuple[Index, ...]
SMALL_STEP = 16
"""The largest distance of elements that code knows."""


def _key(ex: Expressions, eqn: Eqn, *what: Any) -> tuple[Any, ...]:
    return (ex.positions[id(eqn)], *what)


def _fill_in(
    ex: Expressions, eqn: Eqn, k: int, index: Sequence[Index], moved: Callable[[int], Index]
) -> Indices:
    """The index of operand ``k``: carried where it does not change, ``moved(axis)`` elsewhere."""
    operand = eqn.ins[k]
    if not isinstance(operand, Var):
        return ()
    groups, known = ex.layout.groups(operand), ex.layout.carry(eqn, k, index)
    return tuple(moved(group[0]) if i is None else i for i, group in zip(known, groups, strict=True))


def _step(ex: Expressions, key: tuple[Any, ...], step: int) -> Index:
    """The distance of elements: known if it is small, as divisions by a known number are none."""
    return step if step <= SMALL_STEP else ex.builder.param(key, step)


# Moves


def _carried(ex: Expressions, eqn: Eqn, index: Indices) -> Indices:
    return tuple(ex.layout.carry(eqn, 0, index))


def _reshape(ex: Expressions, eqn: Eqn, index: Indices) -> Indices:
    return ex.layout.reshaped(eqn, index)


def _slice(ex: Expressions, eqn: Eqn, index: Indices) -> Indices:
    def moved(axis: int) -> Index:
        start, stride = eqn.params["start"][axis], eqn.params["strides"][axis]
        step = _step(ex, _key(ex, eqn, "stride", axis), stride)
        i = ex.layout.at_axis(eqn.outs[0], index, axis)
        if (i, start, stride) in ex.stands:
            return ex.stands[i, start, stride]
        if type(i) is int and isinstance(eqn.ins[0], Var) and ex.layout.knows(eqn.ins[0], axis):
            return start + i * stride
        if stride == 1:
            whole = _before_pad(ex, i, start, eqn.ins[0].type.shape[axis])
            if whole is not None:
                return whole
            near = i == 0 and math.prod(eqn.ins[0].type.shape[axis:]) <= SHORT_ROW
        else:
            near = start < stride <= SMALL_STEP
        # Where a step and its begin are known, LLVM loads what lies side by side, and picks from registers.
        first = start if near else ex.builder.param(_key(ex, eqn, "start", axis), start)
        return ix.add(ix.mul(i, step), first)

    return _fill_in(ex, eqn, 0, index, moved)


def _before_pad(ex: Expressions, index: Index, start: int, size: int) -> Index | None:
    """The index that a pad was asked for, if it puts a window back to where a slice took it from.

    There the slice is what it was taken of, and elsewhere the pad reads nothing of it. So an update of a window reads and
    writes one place.
    """
    while isinstance(index, IndexOp) and index.op in ("min", "max"):
        index = index.a
    if isinstance(index, IndexOp) and index.op == "-" and ex.pads.get(index.b) == (start, size):
        return index.a
    return None


def _reverse(ex: Expressions, eqn: Eqn, index: Indices) -> Indices:
    def moved(axis: int) -> Index:
        return ix.sub(_last(ex, eqn, 0, axis), ex.layout.at_axis(eqn.outs[0], index, axis))

    return _fill_in(ex, eqn, 0, index, moved)


MOVES: dict[str, Callable[[Expressions, Eqn, Indices], Indices]] = {
    "copy": _carried,
    "broadcast": _carried,
    "transpose": _carried,
    "reshape": _reshape,
    "slice": _slice,
    "reverse": _reverse,
}


def _last(ex: Expressions, eqn: Eqn, k: int, axis: int) -> Index:
    """The last index along an axis of an operand."""
    return ix.sub(size_of(ex, eqn, k, axis), 1)


def size_of(ex: Expressions, eqn: Eqn, k: int, axis: int) -> Index:
    """How long an axis of an operand is."""
    operand: Any = eqn.ins[k]
    return 1 if operand.type.shape[axis] == 1 else ex.layout.size(operand, (axis,))


# The rest


def read(ex: Expressions, eqn: Eqn, index: Indices) -> str:
    """The name of the element of an index map's result at ``index``."""
    rule = eqn.prim.lower.rule
    if rule in MOVES:
        return ex.operand(eqn, 0, MOVES[rule](ex, eqn, index) if isinstance(eqn.ins[0], Var) else ())
    return {
        "full": _full,
        "iota": _iota,
        "pad": _pad,
        "concatenate": _concatenate,
        "gather": _gather,
        "dynamic_slice": _dynamic_slice,
    }[rule](ex, eqn, index)


def _full(ex: Expressions, eqn: Eqn, index: Indices) -> str:
    dtype = eqn.outs[0].type.dtype
    return ex.literal(eqn, "value", np.asarray(eqn.params["value"]).astype(dtype)[()])


def _iota(ex: Expressions, eqn: Eqn, index: Indices) -> str:
    place = ex.builder.index_value(ex.layout.at_axis(eqn.outs[0], index, eqn.params["axis"]))
    return ex.builder.cast(place, eqn.outs[0].type.dtype)


def find_windows(graph: Graph, defined: Mapping[Var, Eqn]) -> dict[int, Eqn]:
    """The pads that a `select` takes where another pad, of its condition, says: by their ids, with that other one.

    An update of a window is ``select(pad(True, False), pad(new, 0), old)``. The two pads have one inside, about which a kernel
    is to ask once.
    """

    def pad_of(atom: Any) -> Eqn | None:
        eqn = defined.get(atom)
        return eqn if eqn is not None and eqn.prim.name == "pad" else None

    found: dict[int, Eqn] = {}
    for eqn in graph.eqns:
        if eqn.prim.name == "select":
            where, new = pad_of(eqn.ins[0]), pad_of(eqn.ins[1])
            if (
                where
                and new
                and where.params == new.params
                and where.ins[0].type.shape == new.ins[0].type.shape
            ):
                found[id(new)] = where
    return found


def _pad(ex: Expressions, eqn: Eqn, index: Indices) -> str:
    operand, out, build = eqn.ins[0], eqn.outs[0], ex.builder
    window = ex.windows.get(id(eqn), eqn)
    if operand.type.size == 0:
        return ex.operand(eqn, 1, ())
    inside: list[str] = []
    places: dict[int, Index] = {}
    grown = zip(eqn.params["low"], eqn.params["high"], eqn.params["interior"], strict=True)
    asked = {axis: ex.layout.at_axis(out, index, axis) for axis, more in enumerate(grown) if any(more)}
    if ex.asked is not None:
        ex.asked[id(eqn)] = asked
    standing, found = ex.gaps[id(eqn)]() if id(eqn) in ex.gaps else ({}, None)
    if asked and asked == standing:
        return (
            ex.operand(eqn, 1, ())
            if found is None
            else ex.operand(eqn, 0, _fill_in(ex, eqn, 0, index, found.__getitem__))
        )
    for axis, i in asked.items():
        low, interior = eqn.params["low"][axis], eqn.params["interior"][axis]
        if type(i) is int and ex.layout.knows(out, axis):
            places[axis], left = divmod(i - low, interior + 1)
            if left or not 0 <= places[axis] < operand.type.shape[axis]:
                return ex.operand(eqn, 1, ())
            continue
        first, step = grid_of(ex, window, axis)
        ex.pads[first] = low, out.type.shape[axis]
        j = ix.sub(i, first)
        if interior:
            inside += [build.compare("ge", j, 0), build.compare("eq", ix.mod(j, step), 0)]
            j = ix.div(j, step)
            known = None
        else:
            known = ex.bounds.meet_pad(_key(ex, window, axis), i, first, size_of(ex, window, 0, axis))
            if known is False:
                return ex.operand(eqn, 1, ())
            if known is None:
                inside.append(build.compare("ge", j, 0))
        if known:
            places[axis] = j
        else:
            last = _last(ex, window, 0, axis)
            inside.append(build.compare("le", j, last))
            places[axis] = ix.clamp(j, last)
    x = ex.operand(eqn, 0, _fill_in(ex, eqn, 0, index, places.__getitem__))
    if not inside:
        return x
    return build.op(out.type.dtype, "select", _all(ex, inside), x, ex.operand(eqn, 1, ()))


def grid_of(ex: Expressions, window: Eqn, axis: int) -> tuple[Index, Index]:
    """Where along an axis the elements of a pad's operand begin, and how far they are from one another."""
    low, interior = window.params["low"][axis], window.params["interior"][axis]
    first = ex.builder.param(_key(ex, window, "low", axis), low)
    return first, _step(ex, _key(ex, window, "interior", axis), interior + 1) if interior else 1


def _all(ex: Expressions, conditions: Sequence[str]) -> str:
    result = conditions[0]
    for condition in conditions[1:]:
        result = ex.builder.op(BOOL, "and", result, condition)
    return result


def _concatenate(ex: Expressions, eqn: Eqn, index: Indices) -> str:
    axis, out, build = eqn.params["axis"], eqn.outs[0], ex.builder
    i = ex.layout.at_axis(out, index, axis)
    filled = [k for k, atom in enumerate(eqn.ins) if atom.type.size]
    if not filled:  # nothing is ever read
        return build.const(out.type.dtype, 0)
    begins = [0, *accumulate(eqn.ins[k].type.shape[axis] for k in filled[:-1])]

    def at_place(n: int, place: Index) -> Indices:
        return _fill_in(ex, eqn, filled[n], index, lambda _: place)

    def read_operand(n: int, place: Index) -> str:
        return ex.operand(eqn, filled[n], at_place(n, place))

    if type(i) is int and ex.layout.knows(out, axis):
        n = bisect_right(begins, i) - 1
        return read_operand(n, i - begins[n])
    starts: list[Index] = [0]
    starts += [build.param(_key(ex, eqn, "begin", k), begins[n]) for n, k in enumerate(filled) if n]
    known = ex.bounds.meet_join(_key(ex, eqn), i, starts[1:])
    if known is not None:
        return read_operand(known, ix.sub(i, starts[known]))
    places: list[Index] = []
    for n, start in enumerate(starts):
        place = ix.maximum(ix.sub(i, start), 0) if n else i
        places.append(ix.minimum(place, _last(ex, eqn, filled[n], axis)) if n < len(starts) - 1 else place)
    reached = [build.compare("ge", i, start) for start in starts[1:]]
    sources = [_source(ex, eqn.ins[k], at_place(n, places[n])) for n, k in enumerate(filled)]
    var = sources[0][0]
    if isinstance(var, Var) and all(other is var for other, _ in sources):
        return ex.at(
            var, tuple(_chosen(ex, reached, parts) for parts in zip(*(at for _, at in sources), strict=True))
        )
    result = read_operand(0, places[0])
    for n, condition in enumerate(reached, 1):
        result = build.op(out.type.dtype, "select", condition, read_operand(n, places[n]), result)
    return result


def _source(ex: Expressions, atom: Any, index: Indices) -> tuple[Any, Indices]:
    """What an element is before it is moved, and where."""
    while isinstance(atom, Var) and atom not in ex.homes and atom not in ex.finish:
        eqn = ex.defined.get(atom)
        if eqn is None or eqn.prim.lower.kind != "index" or eqn.prim.lower.rule not in MOVES:
            break
        if isinstance(eqn.ins[0], Var):
            index = MOVES[eqn.prim.lower.rule](ex, eqn, index)
        atom = eqn.ins[0]
    return atom, index


def _chosen(ex: Expressions, reached: Sequence[str], places: Sequence[Index]) -> Index:
    """The last of several places that is reached: what is put together of one array is read by one load."""
    first, *others = places
    if all(place == first for place in others):
        return first
    chosen = ex.builder.index_value(first)
    for condition, place in zip(reached, others, strict=True):
        chosen = ex.builder.op(INT64, "select", condition, ex.builder.index_value(place), chosen)
    return chosen


def _as_position(ex: Expressions, name: str) -> str:
    """An integer value as int64; what uint64 has above is as good as the largest."""
    if ex.builder.dtype(name) == np.uint64:
        name = ex.builder.op(
            np.dtype(np.uint64), "min", name, ex.builder.const(np.dtype(np.uint64), np.iinfo(np.int64).max)
        )
    return ex.builder.cast(name, INT64)


def _gather(ex: Expressions, eqn: Eqn, index: Indices) -> str:
    x, out, build = eqn.ins[0], eqn.outs[0], ex.builder
    mode, fill = eqn.params["mode"], eqn.params["fill"]
    dtype = out.type.dtype
    filling = mode == "fill"
    value = build.const(dtype, default_fill(dtype) if fill is None else fill) if filling else None
    if x.type.size == 0:
        return value or build.const(dtype, 0)
    inside: list[str] = []
    places: dict[int, Index] = {}
    for k, axis in enumerate(eqn.params["axes"], start=1):
        position = _as_position(ex, ex.operand(eqn, k, tuple(ex.layout.carry(eqn, k, index))))
        last = _last(ex, eqn, 0, axis)
        if filling:
            inside += [build.compare("ge", position, 0), build.compare("le", position, last)]
        places[axis] = ix.clamp(position, last)
    name = ex.operand(eqn, 0, _fill_in(ex, eqn, 0, index, places.__getitem__))
    return build.op(dtype, "select", _all(ex, inside), name, value) if value else name


def _dynamic_slice(ex: Expressions, eqn: Eqn, index: Indices) -> str:
    def moved(axis: int) -> Index:
        size = eqn.params["sizes"][axis]
        start = _as_position(ex, ex.operand(eqn, 1 + axis, ()))
        width: Index = 1 if size == 1 else ex.layout.size(eqn.outs[0], (axis,))
        first = ix.clamp(start, ix.sub(size_of(ex, eqn, 0, axis), width))
        return ix.add(first, ex.layout.at_axis(eqn.outs[0], index, axis))

    return ex.operand(eqn, 0, _fill_in(ex, eqn, 0, index, moved))
