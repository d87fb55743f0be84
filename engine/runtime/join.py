"""Join: loops over the same lanes become one nest over blocks of lanes, with the kernels that make their arrays.

The one idea: two loops over the same rows, one after the other, are the body of a loop that runs once, and `spread` takes that:
a block goes through the first loop, and through the second, before the next block begins. What nobody else reads of what they
hand over never leaves the cache.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from weft.engine.runtime.aliases import is_alias
from weft.engine.runtime.roll import Rolled, Step
from weft.engine.runtime.spread import lanes_of, spread
from weft.ir.graph import Atom, Eqn, Graph, Var
from weft.ir.loops.nest import Call, Loop
from weft.ir.loops.nest import bodies as nested
from weft.ir.ops.flow import scan_p
from weft.ir.ops.shape import reshape_p
from weft.ir.records import dataclass, field
from weft.kernels.schedule import Scheduled
from weft.kernels.schedule import index as ix

__all__ = ["Joined", "join"]

_MOST = 600  # statements of a nest, beyond which LLVM takes longer than it takes for several


@dataclass(frozen=True, slots=True)
class Joined:
    """One equation of a joined graph, with its schedule, and its number before; -1 if it is new."""

    eqn: Eqn
    scheduled: Scheduled | None
    number: int


def join(graph: Graph, scheduled: Mapping[int, Scheduled], steps: Mapping[int, Step]) -> list[Joined]:
    """The equations of a graph, with loops over the same lanes joined.

    Args:
        graph: a fused graph.
        scheduled: the schedules of its equations.
        steps: the bodies of those of its loops that are spread.
    """
    found = [Joined(eqn, scheduled.get(i), i) for i, eqn in enumerate(graph.eqns)]
    tried: set[int] = set()
    while True:
        graph = graph.replace(eqns=[one.eqn for one in found])
        at = {one.number: k for k, one in enumerate(found) if one.number in steps}
        left = [number for number in at if number not in tried]
        if not left:
            return found
        tried.add(left[0])
        here = {at[number]: steps[number] for number in left}
        group = _Group(graph, {k: one.scheduled for k, one in enumerate(found) if one.scheduled}, here)
        for members in group.tries(at[left[0]]):
            if (new := group.joined(members)) is not None:
                found = _placed(found, members, group.later(members), new)
                break


def _placed(
    found: Sequence[Joined], members: set[int], later: set[int], new: Sequence[Joined]
) -> list[Joined]:
    """The equations with new ones in the place of members: behind all others up to the last, but for those that read them."""
    numbers = range(max(members) + 1)
    before = [found[k] for k in numbers if k not in members and k not in later]
    after = [found[k] for k in numbers if k in later]
    return [*before, *new, *after, *found[max(members) + 1 :]]


class _Group:
    """Finds what can be joined, by the numbers of equations, and joins it.

    Args:
        graph: the graph.
        scheduled: the schedules of its equations.
        steps: the bodies of loops that are spread.
    """

    def __init__(self, graph: Graph, scheduled: Mapping[int, Scheduled], steps: Mapping[int, Step]) -> None:
        self.graph, self.scheduled, self.steps = graph, scheduled, steps
        self.lanes = 0
        self.maker = {var: i for i, eqn in enumerate(graph.eqns) for var in eqn.outs}
        self.readers: dict[Atom, set[int]] = {}
        for i, eqn in enumerate(graph.eqns):
            for atom in eqn.ins:
                if isinstance(atom, Var):
                    self.readers.setdefault(atom, set()).add(i)
        for atom in graph.outs:
            if isinstance(atom, Var):
                self.readers.setdefault(atom, set()).add(len(graph.eqns))

    def tries(self, first: int) -> Iterator[set[int]]:
        """What can be joined with a loop, the most first: what makes their arrays, or reads them, may not show its lanes."""
        with_makers = self.members(first, makers=True)
        if followed := self.followed(with_makers):
            yield followed
        if with_makers:
            yield with_makers
        alone = self.members(first, makers=False)
        if alone and alone != with_makers:
            yield alone

    def members(self, first: int, makers: bool) -> set[int]:
        """A loop, and all that can be joined with it, with what makes their arrays if that is wanted; empty if nothing can."""
        lanes = {k: lanes_of(self.graph.eqns[k], step) for k, step in self.steps.items()}
        self.lanes = lanes[first]
        members = self.around({first}, makers)
        for other in sorted(lanes):
            if other != first and lanes[other] == self.lanes:
                members = self.around({*members, other}, makers) or members
        return members if len(members) > 1 else set()

    def around(self, loops: set[int], makers: bool) -> set[int]:
        """Loops with what lies between them, and makes their arrays for nobody else; empty where that cannot be one."""
        members, later = set(loops), self.later(loops)
        for i in range(max(loops), -1, -1):
            readers = set[int]().union(*[self.readers.get(var, set()) for var in self.graph.eqns[i].outs])
            wanted = (makers and readers <= members) or (i in later and readers & members)
            if i not in members and readers and wanted and self.is_plain(i):
                members.add(i)
        apart = self.later(members)
        ins = {atom for i in members for atom in self.graph.eqns[i].ins if isinstance(atom, Var)}
        return set() if any(self.maker.get(atom) in apart for atom in ins) else members

    def followed(self, members: set[int]) -> set[int]:
        """Members, and kernels with a loop over the lanes that read what they make; empty if there are none of those."""
        found = set(members)
        for i in range(max(members, default=-1) + 1, len(self.graph.eqns)):
            made = {var for k in found for var in self.graph.eqns[k].outs}
            ins = {atom for atom in self.graph.eqns[i].ins if isinstance(atom, Var)}
            if not ins.isdisjoint(made) and self.is_plain(i) and self.has_lanes(i):
                apart = self.later({*found, i})
                if not any(self.maker.get(atom) in apart for atom in ins):
                    found.add(i)
        return found if len(found) > len(members) else set()

    def has_lanes(self, number: int) -> bool:
        """Whether the loops of an equation's nest are over the lanes."""
        one = self.scheduled.get(number)
        return one is not None and all(
            ix.value(statement.extent, one.params) == self.lanes
            for statement in one.nest.body
            if isinstance(statement, Loop)
        )

    def later(self, members: set[int]) -> set[int]:
        """All others that read what members make, or what is made of that."""
        made = {var for i in members for var in self.graph.eqns[i].outs}
        found: set[int] = set()
        for i in range(min(members), len(self.graph.eqns)):
            eqn = self.graph.eqns[i]
            if i not in members and not made.isdisjoint(a for a in eqn.ins if isinstance(a, Var)):
                found.add(i)
                made.update(eqn.outs)
        return found

    def is_plain(self, number: int) -> bool:
        """Whether an equation is a nest over the lanes, or makes a number."""
        eqn, one = self.graph.eqns[number], self.scheduled.get(number)
        if eqn.prim is scan_p:
            return False
        sizes = [var.type.size for var in eqn.outs]
        if not all(size == 1 or (size >= self.lanes and size % self.lanes == 0) for size in sizes):
            return False
        if is_alias(eqn):
            return True
        return one is not None and one.then is None and not one.overwritten and not _calls(one.nest.body)

    def joined(self, members: set[int]) -> list[Joined] | None:
        """The members as a `scan` of one step, and names of its results; none if that does not pay or lanes are not apart."""
        graph, order = self.graph, sorted(members)
        eqns = [graph.eqns[i] for i in order]
        if sum(not is_alias(eqn) and eqn.outs[-1].type.size >= self.lanes for eqn in eqns) < 2:
            return None
        made = {var for eqn in eqns for var in eqn.outs}
        ins = list(dict.fromkeys(a for e in eqns for a in e.ins if isinstance(a, Var) and a not in made))
        outs = [var for eqn in eqns for var in eqn.outs if not self.readers.get(var, set()) <= members]
        if not outs:
            return None
        new = {var: Var(var.type) for var in (*ins, *(var for eqn in eqns for var in eqn.outs))}

        def renamed(atom: Any) -> Any:
            return new.get(atom, atom) if isinstance(atom, Var) else atom

        inner = [
            Eqn(e.prim, tuple(map(renamed, e.ins)), tuple([new[v] for v in e.outs]), e.params, e.source)
            for e in eqns
        ]
        schedules = {
            k: Rolled(inner[k], [self.steps[i]]).finish() if i in self.steps else self.scheduled[i]
            for k, i in enumerate(order)
            if i in self.scheduled
        }
        body = Graph(tuple([new[var] for var in ins]), tuple(inner), tuple([new[var] for var in outs]))
        step = Step.of(_Body(body, schedules))
        if step is None or step.statements > _MOST:
            return None
        rows = [Var(var.type.with_shape((1, *var.type.shape))) for var in outs]
        params = {"body": body, "length": 1, "n_carry": 0, "n_consts": len(ins), "reverse": False}
        source = next(graph.eqns[i].source for i in order if i in self.steps)
        loop = Eqn(scan_p, tuple(ins), tuple(rows), params, source)
        one = spread(loop, step, self.lanes)
        if one is None:
            return None
        names = [
            Joined(Eqn(reshape_p, (row,), (var,), {"shape": var.type.shape}, source), None, -1)
            for row, var in zip(rows, outs, strict=True)
        ]
        return [Joined(loop, one, -1), *names]


@dataclass(slots=True)
class _Body:
    """What `Step` asks of a body."""

    graph: Graph
    scheduled: dict[int, Scheduled]
    inner: dict[int, tuple[Any, ...]] = field(default_factory=dict)


def _calls(body: Sequence[Any]) -> bool:
    """Whether statements call a library."""
    return any(isinstance(one, Call) or any(map(_calls, nested(one))) for one in body)
