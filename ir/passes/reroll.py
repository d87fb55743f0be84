"""Reroll: a Python loop that was written out by tracing becomes a loop again.

The one idea: the traces of two steps are the same equations, one period apart, on operands that are one period apart too or
the same. So a period p is a shift of the list of equations under which a long run of it matches itself. The run becomes a
`scan` over its body, whose carry is what a step reads of steps before it; the first step that matches and the last stay
as they are, so the carry has where to begin, and all that is read later is there. Compile time then does not
grow with the number of steps.

Chains of elementwise operations stay written out: they become one kernel, which is better than a loop of many.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from weft.ir.graph import Atom, Eqn, Graph, Literal, Var
from weft.ir.ops.flow import scan_p
from weft.ir.params import params_key
from weft.ir.passes.dce import Effects

_FEWEST_STEPS = 8
_FEWEST_EQUATIONS = 128
_CANDIDATES = 6  # periods that are tried
_LONGEST_PERIOD = 4096
_LONGEST_MEMORY = 8  # steps before that a step may read
_ROUNDS = 8  # loops behind one another, and around one another

Made = dict[Var, tuple[int, int]]
"""For each result: the number of its equation, and which of its results it is."""


class _Run(NamedTuple):
    """A run of ``steps`` steps of ``period`` equations, from number ``start`` on."""

    start: int
    period: int
    steps: int

    @property
    def equations(self) -> int:
        """How many equations go."""
        return (self.steps - 1) * self.period


def reroll(graph: Graph) -> Graph:
    """Find loops that tracing wrote out, and make `scan` equations of them. Needs nothing; keeps types and sources."""
    for _ in range(_ROUNDS):
        if len(graph.eqns) < _FEWEST_EQUATIONS:
            return graph
        rolled = _reroll_longest(graph)
        if rolled is None:
            return graph
        graph = rolled
    return graph


def _reroll_longest(graph: Graph) -> Graph | None:
    eqns = graph.eqns
    kinds = _kinds(eqns)
    made: Made = {var: (i, k) for i, eqn in enumerate(eqns) for k, var in enumerate(eqn.outs)}
    best: _Run | None = None
    for period in _periods(kinds):
        for run in _runs(eqns, kinds, made, period):
            if (best is None or run.equations > best.equations) and _pays(eqns, run):
                best = run
    return None if best is None else _rolled(graph, made, best)


def _kinds(eqns: Sequence[Eqn]) -> list[int]:
    """A number for each equation: the same for the same primitive, params and types."""
    numbers: dict[object, int] = {}
    effects = Effects()
    kinds = []
    for i, eqn in enumerate(eqns):
        if effects.of(eqn):  # each is one of its kind
            kinds.append(-1 - i)
            continue
        ins = tuple([a if isinstance(a, Literal) else a.type for a in eqn.ins])
        key = (eqn.prim, params_key(eqn.params) if eqn.params else (), ins, eqn.out_types)
        kinds.append(numbers.setdefault(key, len(numbers)))
    return kinds


def _periods(kinds: Sequence[int]) -> list[int]:
    """Likely periods, shortest first: how far apart neighbours of one kind are, by how much of the list they span."""
    last: dict[int, int] = {}
    apart: Counter[int] = Counter()
    for i, kind in enumerate(kinds):
        if kind in last:
            apart[i - last[kind]] += i - last[kind]
        last[kind] = i
    likely = [period for period, _ in apart.most_common(_CANDIDATES)]
    return sorted(period for period in likely if period <= _LONGEST_PERIOD)


def _runs(eqns: Sequence[Eqn], kinds: Sequence[int], made: Made, period: int) -> list[_Run]:
    """The runs that match themselves a period later."""
    runs = []
    start: int | None = None
    for i in range(len(eqns) - period + 1):
        if i < len(eqns) - period and kinds[i] == kinds[i + period] and _same(eqns, made, i, period):
            start = i if start is None else start
            continue
        if start is not None:
            steps = (i - start) // period  # but for the last, which stays
            if steps >= _FEWEST_STEPS and steps * period >= _FEWEST_EQUATIONS:
                runs.append(_Run(start, period, steps))
            start = None
    return runs


def _same(eqns: Sequence[Eqn], made: Made, i: int, period: int) -> bool:
    """Whether the operands of equation ``i`` and of that a period later are the same, or a period apart."""
    for a, b in zip(eqns[i].ins, eqns[i + period].ins, strict=True):
        if a is b or isinstance(a, Literal):
            continue
        before, after = made.get(a), made.get(b)  # type: ignore[arg-type]
        if before is None or after is None or after != (before[0] + period, before[1]):
            return False
    return True


def _pays(eqns: Sequence[Eqn], run: _Run) -> bool:
    """Whether a step is more than elementwise operations."""
    step = eqns[run.start : run.start + run.period]
    return any(eqn.prim.lower.kind not in ("scalar", "inline") and not _is_repeated(eqn) for eqn in step)


def _is_repeated(eqn: Eqn) -> bool:
    """Whether this gives an element of its operand, or one value, everywhere."""
    return eqn.prim.lower.kind == "index" and eqn.prim.lower.rule in (
        "broadcast",
        "full",
        "iota",
        "reshape",
        "copy",
    )


def _rolled(graph: Graph, made: Made, run: _Run) -> Graph | None:
    """The graph with a run as one `scan`; none where values of its middle are read from outside."""
    eqns, (start, period, steps) = graph.eqns, run
    stop = start + steps * period
    carries: dict[tuple[int, int, int], Var] = {}  # (equation in the step, result, how many steps before)
    consts: dict[Var, Var] = {}
    inner: dict[Var, Var] = {}

    def place(var: Var) -> tuple[int, int, int]:
        """Where in a step a value is made, and how many steps before the first that is rolled."""
        at, k = made[var]
        before = -((at - start) // period)
        return at - start + before * period, k, before

    def operand(i: int, number: int) -> Atom | None:
        a, b = eqns[i].ins[number], eqns[i + period].ins[number]
        if isinstance(a, Literal):
            return a
        if a in inner:
            return inner[a] if a is not b else None  # None: all steps read what the first made
        if a is b:
            return consts.setdefault(a, Var(a.type))
        offset, k, before = place(a)
        if before > _LONGEST_MEMORY or start + offset - before * period < 0:
            return None
        for lag in range(1, before + 1):
            carries.setdefault((offset, k, lag), Var(a.type))
        return carries[offset, k, before]

    body: list[Eqn] = []
    for i in range(start, start + period):
        eqn = eqns[i]
        found = [operand(i, number) for number in range(len(eqn.ins))]
        ins = tuple([atom for atom in found if atom is not None])
        if len(ins) < len(found):
            return None
        outs = tuple([Var(var.type) for var in eqn.outs])
        inner.update(zip(eqn.outs, outs, strict=True))
        body.append(Eqn(eqn.prim, ins, outs, eqn.params, eqn.source))

    def result(offset: int, k: int, step: int) -> Var:
        """What equation ``offset`` of a step gives; steps count from the first that is rolled."""
        return eqns[start + offset + step * period].outs[k]

    initial = [result(offset, k, -lag) for offset, k, lag in carries]
    new = [
        inner[result(offset, k, 0)] if lag == 1 else carries[offset, k, lag - 1] for offset, k, lag in carries
    ]
    finals = {result(offset, k, steps - lag): Var(var.type) for (offset, k, lag), var in carries.items()}
    read = {a for eqn in eqns[stop:] for a in eqn.ins if isinstance(a, Var)} | {*graph.outs}
    gone = {var for eqn in eqns[start:stop] for var in eqn.outs}
    if not carries or any(var in gone and var not in finals for var in read):
        return None
    loop = Graph((*consts.values(), *carries.values()), tuple(body), tuple(new))
    params = {
        "body": reroll(loop),
        "n_consts": len(consts),
        "n_carry": len(carries),
        "length": steps,
        "reverse": False,
    }
    scan = Eqn(scan_p, (*consts, *initial), tuple(finals.values()), params, eqns[start].source)

    def later(atom: Atom) -> Atom:
        return finals.get(atom, atom) if isinstance(atom, Var) else atom

    rest = [
        Eqn(eqn.prim, tuple([later(a) for a in eqn.ins]), eqn.outs, eqn.params, eqn.source)
        for eqn in eqns[stop:]
    ]
    return graph.replace(eqns=[*eqns[:start], scan, *rest], outs=[later(atom) for atom in graph.outs])
