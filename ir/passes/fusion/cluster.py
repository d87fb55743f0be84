"""Which stored values are computed by one kernel.

The one idea: a kernel runs over one space of axes, some of which it may reduce. A value joins a kernel when
it lives in that space (on all axes, or on those that are kept) and reads what the kernel itself computes at
the same index only; then it is one more statement of the same loops. Spaces are classes of axes (axes.py), so
equal means equal by construction.

Kernels, library and host operations are *units*, nodes of an acyclic graph. Joining would close a cycle when
another operand of the value depends on the kernel. Each unit has the set of all units it depends on, as a bit
set; joining widens the sets of the units behind the kernel only by what is new, so in practice the whole is
linear.
"""

from __future__ import annotations

import heapq

from weft.ir.graph import Eqn, Graph, Var
from weft.ir.passes.dce import Effects
from weft.ir.passes.fusion.axes import (
    MOVED,
    UNIT,
    AxisClasses,
    Origins,
    carried,
    is_reduction,
    reduced_axes,
    wide_axes,
)
from weft.ir.passes.fusion.stored import Stored
from weft.ir.records import dataclass, field

Lying = tuple[tuple[int, int, int], ...]  # where a value lies, see `Origins`
Place = tuple[int, ...]  # the axes of a space on which a value lives, in the order of its own axes
_SIBLINGS = 8  # kernels over one space that are tried when none of the producers fits


@dataclass(slots=True, eq=False)
class Node:
    """A stored value to be computed: its space, the axes of it that are reduced, and what it reads, where.

    A read is the place in the node's space of a stored value, or ``None`` when it is read at another index.
    """

    var: Var
    position: int
    space: tuple[int, ...]
    reduced: Place
    closure: int
    reads: dict[Var, set[Place | None]]
    lying: Lying | None = None

    @property
    def kept(self) -> Place:
        """The axes of the space which the value has."""
        return tuple(axis for axis in range(len(self.space)) if axis not in self.reduced)


@dataclass(slots=True, eq=False)
class Unit:
    """What runs as a whole: one equation that is not fused, or a kernel of several nodes."""

    number: int
    position: int
    before: int = 0  # the units it depends on, a bit set over numbers
    after: set[int] = field(default_factory=set)  # the units that read its results
    eqn: Eqn | None = None
    nodes: list[Node] = field(default_factory=list)
    space: tuple[int, ...] = ()
    reduced: Place = ()
    places: dict[Var, Place] = field(default_factory=dict)
    closure: int = 0
    lying: Lying | None = None

    @property
    def bit(self) -> int:
        """Its place in sets of units."""
        return 1 << self.number

    @property
    def kept(self) -> Place:
        """The axes of the kernel's space that are not reduced."""
        return tuple(axis for axis in range(len(self.space)) if axis not in self.reduced)


def cluster(graph: Graph, stored: Stored) -> list[Unit]:
    """Group the computation of all stored values into units, in an order in which they can run."""
    return _Clusters(graph, stored).run()


class _Clusters:
    def __init__(self, graph: Graph, stored: Stored):
        self.graph, self.stored = graph, stored
        self.classes = AxisClasses(graph.ins, graph.eqns)
        self.units: list[Unit] = []
        self.home: dict[Var, Unit] = {}
        self.over: dict[tuple[int, ...], list[Unit]] = {}
        # Updates of windows of arrays that lie on one another are work for one kernel, too.
        windows = any(eqn.prim.name == "pad" for eqn in graph.eqns)
        self.origins = Origins(graph.ins, graph.eqns) if windows else None
        self.beside: dict[Lying, list[Unit]] = {}
        self.defined = {var: eqn for eqn in graph.eqns for var in eqn.outs}
        self.effects = Effects()
        self.last_effect: Unit | None = None

    def run(self) -> list[Unit]:
        for position, eqn in enumerate(self.graph.eqns):
            if not any(var in self.stored.closure for var in eqn.outs):
                self.add_unit(
                    Unit(len(self.units), position, eqn=eqn), [a for a in eqn.ins if isinstance(a, Var)]
                )
                continue
            for var in eqn.outs:
                if var in self.stored.values:
                    self.place(self.make_node(var, position, eqn))
        return _in_order(self.units)

    def add_unit(self, unit: Unit, reads: list[Var]) -> None:
        self.units.append(unit)
        sources = [self.home.get(var) for var in reads]
        if unit.eqn is not None:
            self.home.update(dict.fromkeys(unit.eqn.outs, unit))
            if self.effects.of(unit.eqn):
                sources.append(self.last_effect)
                self.last_effect = unit
        self.connect(unit, sources)

    def connect(self, unit: Unit, sources: list[Unit | None]) -> None:
        """Note that ``unit`` comes after other units."""
        new = 0
        for source in sources:
            if source is not None and source is not unit:
                source.after.add(unit.number)
                new |= source.before | source.bit
        reached = [unit]
        while reached:
            behind = reached.pop()
            if new & ~behind.before:
                behind.before |= new
                reached.extend([self.units[number] for number in behind.after])

    # Nodes

    def make_node(self, var: Var, position: int, eqn: Eqn) -> Node:
        """The node of a stored value: walk its closure from the frame, the value whose axes are the space."""
        frame = eqn.ins[0] if is_reduction(eqn) else var
        wide = wide_axes(frame.type.shape)
        number = [UNIT] * frame.type.ndim
        for i, axis in enumerate(wide):
            number[axis] = i
        folded = reduced_axes(eqn) if is_reduction(eqn) else ()
        reduced = tuple([number[axis] for axis in folded if number[axis] != UNIT])
        space = tuple([self.classes.of(frame, axis) for axis in wide]) if isinstance(frame, Var) else ()
        node = Node(var, position, space, reduced, self.stored.closure[var], {})
        if self.origins is not None and not reduced:
            node.lying = self.origins.of(var)
        seen: set[tuple[Var, tuple[int | None, ...]]] = set()
        todo: list[tuple[Var, tuple[int | None, ...]]] = []
        if not is_reduction(eqn):
            todo = self.operands(eqn, tuple(number))
        elif isinstance(frame, Var):
            todo.append((frame, tuple(number)))
        while todo:
            read, access = todo.pop()
            if read in self.stored.values:
                known = [a for a in access if a is not MOVED and a != UNIT]
                place = None if MOVED in access else tuple(known)
                node.reads.setdefault(read, set()).add(place)
            elif (read, access) not in seen:
                seen.add((read, access))
                todo.extend(self.operands(self.defined[read], access))
        return node

    def operands(self, eqn: Eqn, access: tuple[int | None, ...]) -> list[tuple[Var, tuple[int | None, ...]]]:
        """The variables that an equation reads when its result is read at ``access``."""
        found = []
        for k, atom in enumerate(eqn.ins):
            if isinstance(atom, Var):
                to = carried(eqn, k)
                found.append((atom, tuple([a if a is MOVED or a == UNIT else access[a] for a in to])))
        return found

    # Placing

    def place(self, node: Node) -> None:
        """Put a node into a kernel that computes what it reads, or one over the same space, or a new one."""
        producers = {}
        for var in node.reads:
            unit = self.home.get(var)
            if unit is not None and unit.eqn is None:
                producers[unit.number] = unit
        candidates = [producers[number] for number in sorted(producers, reverse=True)]
        candidates += self.over.get(node.space, [])[: -_SIBLINGS - 1 : -1]
        if node.lying is not None:
            candidates += self.beside.get(node.lying, [])[: -_SIBLINGS - 1 : -1]
        for unit in candidates:
            if self.join(unit, node):
                return
        unit = Unit(len(self.units), node.position)
        self.add_unit(unit, [])
        unit.space = node.space
        if node.lying is not None:
            unit.lying = node.lying
            self.beside.setdefault(node.lying, []).append(unit)
        self.over.setdefault(unit.space, []).append(unit)
        self.add_node(unit, node, tuple(range(len(node.space))))

    def join(self, unit: Unit, node: Node) -> bool:
        """Add a node to a kernel if it fits: same loops, reads at the same index, no cycle, not too large."""
        if self.stored.is_full(unit.closure | node.closure) or not self.is_acyclic(unit, node):
            return False
        every = tuple(range(len(node.space)))
        if node.space == unit.space and (not node.reduced or unit.reduced in ((), node.reduced)):
            return self.join_at(unit, node, every)
        if node.lying is not None and node.lying == unit.lying and not unit.reduced:
            return self.join_at(unit, node, every)
        kept = tuple(unit.space[axis] for axis in unit.kept)
        reads_unit = any(var in unit.places for var in node.reads)
        if unit.reduced and not node.reduced and node.space == kept and reads_unit:
            return self.join_at(unit, node, unit.kept)
        if (
            node.reduced
            and not unit.reduced
            and unit.space == tuple(node.space[a] for a in node.kept)
            and reads_unit
        ):
            return self.lift(unit, node)
        return False

    def join_at(self, unit: Unit, node: Node, place: Place) -> bool:
        for var, reads in node.reads.items():
            at = unit.places.get(var)
            if at is not None and any(
                read is None or tuple([place[a] for a in read]) != at for read in reads
            ):
                return False
        self.add_node(unit, node, place)
        return True

    def lift(self, unit: Unit, node: Node) -> bool:
        """Turn a kernel over the kept axes of a reduction into one over the reduction's space."""
        kept = node.kept
        for var, reads in node.reads.items():
            at = unit.places.get(var)
            if at is not None and any(read is None or read != tuple([kept[a] for a in at]) for read in reads):
                return False
        self.over[unit.space].remove(unit)
        unit.space = node.space
        self.over.setdefault(unit.space, []).append(unit)
        unit.places = {var: tuple([kept[a] for a in at]) for var, at in unit.places.items()}
        self.add_node(unit, node, tuple(range(len(node.space))))
        return True

    def add_node(self, unit: Unit, node: Node, place: Place) -> None:
        unit.nodes.append(node)
        unit.closure |= node.closure
        if node.reduced:
            unit.reduced = node.reduced
            unit.places[node.var] = node.kept
        else:
            unit.places[node.var] = place
        self.home[node.var] = unit
        self.connect(unit, [self.home.get(var) for var in node.reads])

    def is_acyclic(self, unit: Unit, node: Node) -> bool:
        for var in node.reads:
            source = self.home.get(var)
            if source is not None and source is not unit and source.before & unit.bit:
                return False
        return True


def _in_order(units: list[Unit]) -> list[Unit]:
    """Units after all they depend on, otherwise in the order of the program."""
    waiting = {unit.number: 0 for unit in units}
    for unit in units:
        for number in unit.after:
            waiting[number] += 1
    ready = [(unit.position, unit.number) for unit in units if not waiting[unit.number]]
    heapq.heapify(ready)
    order = []
    while ready:
        unit = units[heapq.heappop(ready)[1]]
        order.append(unit)
        for number in unit.after:
            waiting[number] -= 1
            if not waiting[number]:
                heapq.heappush(ready, (units[number].position, number))
    return order
