"""Maps with gaps: a pad that puts something between elements, as an update of every other element or a diagonal matrix does.

The one idea: which elements are between, a loop over all of them would ask by a division each, and it would not be made of
vectors. So each tile of the space is written as if there were nothing but padding, and then, for each such pad, the elements at
its *places* in the tile anew, with what the pad has there. An update of every third element is a copy, and a store for every
third. What stands at the places of several pads is written several times, as the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from math import prod

from weft.ir.graph import Eqn, Graph, Var
from weft.ir.loops.nest import Index
from weft.ir.records import dataclass
from weft.kernels.schedule import index as ix
from weft.kernels.schedule import index_maps
from weft.kernels.schedule.bounds import Bounds
from weft.kernels.schedule.loops import Loops

_MOST_REWRITTEN = 0.75  # of the elements, where a question would do (measured: two pads with every other element take longer)
_VARYING = ("iota", "pad", "concatenate")  # what makes arrays of scalars whose elements differ


@dataclass(frozen=True, slots=True)
class Gaps:
    """Pads that put the same gaps into the space: their equations, and the group of the space each axis is that they change."""

    pads: tuple[Eqn, ...]
    groups: Mapping[int, int]


def find_gaps(loops: Loops, write_body: Callable[[], None]) -> list[Gaps]:
    """The pads with gaps that are asked for the element at which the loops stand.

    Args:
        loops: of a kernel that reduces nothing.
        write_body: writes the body of its loops.
    """
    ex, builder = loops.ex, loops.builder
    pads = {
        id(eqn): eqn
        for eqn in loops.plan.graph.eqns
        if eqn.prim.name == "pad" and _has_gaps(eqn) and not _in_vectors(loops.plan.graph, eqn)
    }
    if not pads:
        return []
    with builder.rehearsal(), ExitStack() as stack:
        for n in loops.wide(loops.kept):
            loops.where[n], _ = stack.enter_context(builder.loop(loops.size(n), "sequential"))
        ex.asked = {}
        write_body()
        asked, ex.asked = ex.asked, None
        standing = {index: n for n, index in loops.where.items() if type(index) is str}
    loops.where.clear()
    alike: dict[object, list[Eqn]] = {}
    places: dict[object, dict[int, int]] = {}
    for number, indices in asked.items():
        if number in pads and all(index in standing for index in indices.values()):
            groups = {axis: standing[index] for axis, index in indices.items()}
            window = pads[number].params
            key = tuple(window.items()), pads[number].ins[0].type.shape, tuple(groups.items())
            alike.setdefault(key, []).append(pads[number])
            places[key] = groups
    steps = [_steps(same[0]) for same in alike.values()]
    if sum(1 / prod(of) for of in steps) > _MOST_REWRITTEN and all(map(_are_seen_from_bits, steps)):
        return []
    return [Gaps(tuple(same), places[key]) for key, same in alike.items()]


def _steps(eqn: Eqn) -> list[int]:
    """How far the elements of a pad are from one another along each axis."""
    return [interior + 1 for interior in eqn.params["interior"]]


def _are_seen_from_bits(steps: Sequence[int]) -> bool:
    """Whether no division tells where an element is: vectors do not take long for that."""
    return all(step & (step - 1) == 0 and step <= index_maps.SMALL_STEP for step in steps)


def _has_gaps(eqn: Eqn) -> bool:
    """Whether a pad puts something between elements, and cuts nothing off."""
    low, high, interior = (eqn.params[name] for name in ("low", "high", "interior"))
    return eqn.ins[0].type.size > 0 and any(interior) and min(*low, *high) >= 0


def _in_vectors(graph: Graph, eqn: Eqn) -> bool:
    """Whether all elements of a pad can be vectors: what is not padding is the same everywhere, and where is seen from bits."""
    if not _are_seen_from_bits(_steps(eqn)):
        return False
    makers = {var: eqn for eqn in graph.eqns for var in eqn.outs}
    todo, seen = [eqn.ins[0]], set()
    while todo:
        atom = todo.pop()
        if isinstance(atom, Var) and atom not in seen:
            seen.add(atom)
            maker = makers.get(atom)
            if (maker is None and atom.type.size > 1) or (maker and maker.prim.lower.rule in _VARYING):
                return False
            todo += maker.ins if maker else ()
    return True


@contextmanager
def stand_in_gaps(loops: Loops, found: list[Gaps]) -> Iterator[None]:
    """Inside the ``with`` the element at which the loops stand is padding."""

    def standing(gaps: Gaps) -> tuple[dict[int, Index], None]:
        return {axis: loops.where[n] for axis, n in gaps.groups.items()}, None

    loops.ex.gaps = {id(eqn): partial(standing, gaps) for gaps in found for eqn in gaps.pads}
    yield
    loops.ex.gaps = {}


def write_places(loops: Loops, gaps: Gaps, write_body: Callable[[set[Var]], None]) -> None:
    """Write the loops over those places of pads with gaps that are in the tile.

    Args:
        loops: of the kernel, in whose tile all else has been written.
        gaps: the pads.
        write_body: writes those results that are given to it, at the element at which the loops stand.
    """
    ex, builder, pad = loops.ex, loops.builder, gaps.pads[0]
    ex.bounds = Bounds()
    axes = {n: axis for axis, n in gaps.groups.items()}
    kept = loops.wide(loops.kept)
    begins: dict[int, Index] = {}
    extents: dict[int, Index] = {}
    for n in kept:
        first, height = loops.in_tile(n)
        begins[n], extents[n] = first, height
        if n in axes:
            low, step = index_maps.grid_of(ex, pad, axes[n])
            before = ix.sub(ix.add(step, -1), low)  # of places up to an index, rounded up
            many = index_maps.size_of(ex, pad, 0, axes[n])
            begins[n] = _places(ix.add(first, before), step, many)
            extents[n] = ix.sub(_places(ix.add(ix.add(first, height), before), step, many), begins[n])
    places: dict[int, Index] = {}
    with ExitStack() as stack:
        for n in kept:
            kind = "vector" if n == kept[-1] else "sequential"
            variable, _ = stack.enter_context(builder.loop(extents[n], kind))
            loops.where[n] = ix.add(begins[n], variable)
            if n in axes:
                axis, place = axes[n], loops.where[n]
                low, step = index_maps.grid_of(ex, pad, axis)
                places[axis], loops.where[n] = place, ix.add(ix.mul(place, step), low)
                numbers = pad.params["low"][axis], pad.params["interior"][axis] + 1
                ex.stands[place, *numbers] = loops.where[n]
        asked = {axis: loops.where[n] for axis, n in gaps.groups.items()}
        ex.gaps = {id(eqn): lambda: (asked, places) for eqn in gaps.pads}
        write_body(_results_of(loops, gaps))
    ex.stands.clear()
    ex.gaps = {}


def _places(index: Index, step: Index, many: Index) -> Index:
    """How many places there are before an index, to which what rounds up has been added."""
    return ix.minimum(ix.div(ix.maximum(index, 0), step), many)


def _results_of(loops: Loops, gaps: Gaps) -> set[Var]:
    """The results that pads have a part in."""
    found: set[Var] = set()
    for eqn in loops.plan.graph.eqns:
        if eqn in gaps.pads or any(isinstance(atom, Var) and atom in found for atom in eqn.ins):
            found.update(eqn.outs)
    return found.intersection(loops.outs)
