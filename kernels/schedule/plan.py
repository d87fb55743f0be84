"""The plan of a kernel: its space, what each pass over the reduced axes computes, what is kept for a later one.

The one idea: the *level* of a value is the number of reductions that must have ended before it can be
computed. The kernel makes one pass over the reduced axes for each level: it folds the reductions and stores
the results whose operands have that level. A costly value that a later pass wants again is kept in memory: in
the result it is stored to anyway, in a result which is written only later, or (rows) in a scratch row.
"""

from __future__ import annotations

from weft.ir.errors import InternalError
from weft.ir.graph import Eqn, Graph, Var
from weft.ir.passes.fusion.axes import MOVED, UNIT, carried, is_reduction, reduced_axes, wide_axes
from weft.ir.passes.fusion.stored import COSTLY, Costs
from weft.ir.records import dataclass, field

Place = tuple[int | None, ...]
_CHEAP_TO_LOAD = 2  # operations above which loading a stored result is cheaper


@dataclass(slots=True)
class Plan:
    """What `make_plan` decides. Places and axes count the axes of the frame whose size is not 1."""

    graph: Graph
    frame: Var
    turned: bool = False  # whether rows are turned, so that accumulators are vectors there too
    reduced: tuple[int, ...] = ()
    kept: tuple[int, ...] = ()
    folds: list[Eqn] = field(default_factory=list)
    level: dict[Var, int] = field(default_factory=dict)
    full_outs: list[Var] = field(default_factory=list)
    kept_outs: list[Var] = field(default_factory=list)
    reloads: dict[Var, Var | None] = field(
        default_factory=dict
    )  # kept for later: in the buffer of a result, or in scratch
    kept_reloads: list[Var] = field(
        default_factory=list
    )  # columns: values on the kept axes which the passes load
    crossed: set[int] = field(
        default_factory=set
    )  # axes along which an operand lies in memory while another is the innermost

    @property
    def last(self) -> int:
        """The level of the last pass."""
        results = [self.level[var] for var in (*self.full_outs, *self.kept_outs)]
        return max([*results, *(self.fold_level(eqn) for eqn in self.folds)], default=0)

    @property
    def in_columns(self) -> bool:
        """Whether the innermost axis is kept, so that accumulators are vectors."""
        return bool(self.reduced) and bool(self.kept) and self.kept[-1] > self.reduced[-1]

    def fold_level(self, eqn: Eqn) -> int:
        """The pass in which a reduction is folded."""
        operand = eqn.ins[0]
        return self.level[operand] if isinstance(operand, Var) else 0

    def folds_at(self, level: int) -> list[Eqn]:
        """The reductions that are folded in a pass."""
        return [eqn for eqn in self.folds if self.fold_level(eqn) == level]

    def stored_at(self, level: int) -> list[Var]:
        """The values on the whole space that a pass stores: what is kept for a later one, and results."""
        outs = [var for var in self.full_outs if self.level[var] == level]
        return [var for var in self.reloads if self.level[var] == level and var not in outs] + outs

    def placed(self) -> list[tuple[Var, tuple[int, ...]]]:
        """All values whose place in the space is given, with it."""
        every = tuple(range(len(self.reduced) + len(self.kept)))
        full = [(var, every) for var in self.full_outs]
        full += [(eqn.ins[0], every) for eqn in self.folds if isinstance(eqn.ins[0], Var)]
        kept = [(var, self.kept) for var in self.kept_outs]
        return full + kept + [(eqn.outs[0], self.kept) for eqn in self.folds]


def make_plan(graph: Graph, *, turned: bool = False) -> Plan:
    """Plan the loops of a kernel's graph, all whose results live on one space or on its kept axes; `turned`: see `Plan`."""
    folds = [eqn for eqn in graph.eqns if is_reduction(eqn) and _wide_reduced(eqn)]
    rank = max([len(wide_axes(eqn.ins[0].type.shape)) for eqn in folds], default=0)
    folds = [eqn for eqn in folds if len(wide_axes(eqn.ins[0].type.shape)) == rank]
    results = [out for out in graph.outs if isinstance(out, Var)]
    if folds:
        frame = folds[-1].ins[0]
        assert isinstance(frame, Var)
        reduced = _wide_reduced(folds[-1])
        folds = [
            eqn
            for eqn in folds
            if _wide_reduced(eqn) == reduced and _same_sizes(eqn.ins[0].type.shape, frame.type.shape)
        ]
    else:
        frame, reduced = results[0], ()
    space = wide_axes(frame.type.shape)
    kept = tuple(axis for axis in range(len(space)) if axis not in reduced)
    plan = Plan(graph, frame, turned, reduced, kept, folds)
    _set_levels(plan)
    sizes = [frame.type.shape[axis] for axis in space]
    for var in dict.fromkeys(results):
        own = [var.type.shape[axis] for axis in wide_axes(var.type.shape)]
        if reduced and own == [sizes[axis] for axis in kept]:
            plan.kept_outs.append(var)
        elif own == sizes:
            (plan.full_outs if reduced else plan.kept_outs).append(var)
        else:
            raise InternalError(
                f"a kernel over {sizes} that reduces {reduced} has a result {var.type}: fuse makes no such kernel."
            )
    _find_reloads(plan)
    return plan


def _wide_reduced(eqn: Eqn) -> tuple[int, ...]:
    """The reduced axes of a reduction, counting the axes whose size is not 1."""
    axes = reduced_axes(eqn)
    return tuple(j for j, axis in enumerate(wide_axes(eqn.ins[0].type.shape)) if axis in axes)


def _same_sizes(a: tuple[int, ...], b: tuple[int, ...]) -> bool:
    return [n for n in a if n != 1] == [n for n in b if n != 1]


def _set_levels(plan: Plan) -> None:
    plan.level.update(dict.fromkeys(plan.graph.ins, 0))
    own = set(map(id, plan.folds))
    for eqn in plan.graph.eqns:
        level = max([plan.level[atom] for atom in eqn.ins if isinstance(atom, Var)], default=0)
        plan.level.update(dict.fromkeys(eqn.outs, level + (id(eqn) in own)))


def _find_reloads(plan: Plan) -> None:
    """Walk from the results back; note in which passes a value is wanted, and where."""
    every: Place = tuple(range(len(plan.reduced) + len(plan.kept)))
    wanted: dict[Var, set[int]] = {}
    places: dict[Var, set[Place]] = {}
    roots = [(var, plan.level[var]) for var in (plan.full_outs if plan.reduced else plan.kept_outs)]
    roots += [(eqn.ins[0], plan.fold_level(eqn)) for eqn in plan.folds if isinstance(eqn.ins[0], Var)]
    for var, level in roots:
        wanted.setdefault(var, set()).add(level)
        places.setdefault(var, set()).add(_at_every(var))
    own = set(map(id, plan.folds))
    costs, closure = _closures(plan, own)
    free = list(plan.full_outs)
    for eqn in reversed(plan.graph.eqns):
        if id(eqn) in own:
            continue
        for var in eqn.outs:
            if var not in wanted:
                continue
            place = next(iter(places[var])) if len(places[var]) == 1 else None
            cost = costs.of(closure[var])
            wide = None if place is None else tuple([p for p in place if p != UNIT])
            if len(wanted[var]) > 1 and wide == every and plan.level[var] == min(wanted[var]):
                if _keep(plan, var, max(wanted[var]), cost, free):
                    wanted[var] = {min(wanted[var])}
            if (plan.in_columns or plan.turned) and wide == plan.kept and cost > _CHEAP_TO_LOAD:
                plan.kept_reloads.append(var)
                continue
            for k, atom in enumerate(eqn.ins):
                if isinstance(atom, Var):
                    wanted.setdefault(atom, set()).update(wanted[var])
                    to = carried(eqn, k)
                    places.setdefault(atom, set()).update(
                        tuple([MOVED if t is MOVED else UNIT if t == UNIT else at[t] for t in to])
                        for at in places[var]
                    )

    for var in plan.graph.ins:
        for at in places.get(var, ()):
            along = [p for p in at if p != UNIT]
            if along and along[-1] is not MOVED and every[-1] in along[:-1]:
                plan.crossed.add(along[-1])


def _at_every(var: Var) -> Place:
    """The place of a value on all axes of the space, an entry for each of its own axes."""
    place: list[int | None] = [UNIT] * var.type.ndim
    for j, axis in enumerate(wide_axes(var.type.shape)):
        place[axis] = j
    return tuple(place)


def _keep(plan: Plan, var: Var, last: int, cost: int, free: list[Var]) -> bool:
    """Find a place in memory for a value that passes up to ``last`` want again, if that pays."""
    if var in plan.full_outs:
        if cost > _CHEAP_TO_LOAD:
            plan.reloads[var] = var
        return cost > _CHEAP_TO_LOAD
    if cost <= COSTLY:
        return False
    for out in free:
        if out.type.dtype == var.type.dtype and plan.level[out] >= last:
            free.remove(out)
            plan.reloads[var] = out
            return True
    if plan.in_columns:
        return False
    plan.reloads[var] = None
    return True


def _closures(plan: Plan, own: set[int]) -> tuple[Costs, dict[Var, int]]:
    """The equations that each value takes, folds excepted, as bit sets."""
    closure: dict[Var, int] = dict.fromkeys(plan.graph.ins, 0)
    for position, eqn in enumerate(plan.graph.eqns):
        bits = 0
        if id(eqn) not in own:
            bits = 1 << position
            for atom in eqn.ins:
                if isinstance(atom, Var):
                    bits |= closure[atom]
        closure.update(dict.fromkeys(eqn.outs, bits))
    return Costs(plan.graph.eqns), closure
