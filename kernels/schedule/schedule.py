"""Scheduling: a kernel of a fused graph becomes a loop nest.

The one idea: three questions. What is one loop (layout.py)? What is computed in which pass over the reduced
axes (plan.py)? Are there no accumulators (maps.py), are they scalars (rows.py) or vectors (columns.py; of short
rows, once they are turned: turned.py), and are reductions cut into parts (partials.py)? The values themselves
are written by expressions.py. But for sizes that are 0 or 1, only the last answers ask how large something is:
nests serve all shapes, or all that are short and all that are long.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence

import numpy as np

from weft.ir.graph import Eqn, Graph, Literal, Var
from weft.ir.loops.nest import Nest, While
from weft.ir.records import dataclass, replace
from weft.kernels.schedule.columns import write_columns
from weft.kernels.schedule.costs import estimate, grain_of
from weft.kernels.schedule.expressions import Expressions
from weft.kernels.schedule.layout import Layout
from weft.kernels.schedule.literals import Places, marked_params, without_literals
from weft.kernels.schedule.loops import Loops
from weft.kernels.schedule.maps import write_map
from weft.kernels.schedule.nest_builder import NestBuilder, words_of
from weft.kernels.schedule.partials import is_long, write_partials
from weft.kernels.schedule.plan import Plan, make_plan
from weft.kernels.schedule.positions import expand_positions
from weft.kernels.schedule.rows import is_low, is_narrow, write_rows
from weft.kernels.schedule.turned import is_short, write_turned


@dataclass(frozen=True, slots=True)
class Scheduled:
    """A loop nest and what to call it with.

    Attributes:
        nest: the loops. Its buffers are the kernel's inputs, its outputs, then scratch.
        params: the values of the nest's parameters for the shapes at hand.
        extent: iterations of the outermost parallel loop, to be split into chunks; 1 when there is none.
        scratch: the number of elements of each scratch buffer.
        copied: the operand that the first output is to start as a copy of; it is then no buffer of the nest.
        carried: pairs of an output and the operand that it is to start as a copy of, as in ``copied``.
        overwritten: operands that are found in the memory of outputs, and are no buffers either (in_place.py).
        grain: iterations of that loop in a chunk, at least 1; 0 stands for all of them. Like all that is here
            it follows from sizes alone, never from the number of threads, and chunks may run in any order.
        work: about how long the nest takes on one thread, in nanoseconds; 0.0 where nobody knows.
        calls: whether the nest calls BLAS or LAPACK.
        then: a kernel over the same buffers, to be run when all chunks of this one have ended.
        times: how often this kernel and all that come after it are run, one after the other.
    """

    nest: Nest
    params: tuple[int, ...]
    extent: int
    scratch: tuple[int, ...]
    copied: int | None = None
    grain: int = 0
    work: float = 0.0
    then: Scheduled | None = None
    calls: bool = False
    carried: tuple[tuple[int, int], ...] = ()
    overwritten: tuple[int, ...] = ()
    times: int = 1

    def __post_init__(self) -> None:
        """Settle the grain."""
        if self.grain < 1:
            object.__setattr__(self, "grain", max(self.extent, 1))

    @property
    def starts(self) -> tuple[tuple[int, int], ...]:
        """Pairs of an output and the operand that it starts as a copy of."""
        return self.carried if self.copied is None else ((0, self.copied), *self.carried)

    def chain(self) -> Iterator[Scheduled]:
        """This nest and those that run after it, in the order they run."""
        one: Scheduled | None = self
        while one is not None:
            yield one
            one = one.then

    def passed(self, eqn: Eqn) -> list[int]:
        """The numbers of the operands that are buffers of the nest; literals stand in it."""
        gone = {*(k for _, k in self.starts), *self.overwritten}
        return [k for k, atom in enumerate(eqn.ins) if isinstance(atom, Var) and k not in gone]

    @property
    def scratch_buffers(self) -> list[tuple[np.dtype, int]]:
        """The dtype of each scratch buffer, and how many elements it has."""
        dtypes = [buffer.dtype for buffer in self.nest.buffers if buffer.kind == "scratch"]
        return list(zip(dtypes, self.scratch, strict=True))

    @property
    def in_steps(self) -> bool:
        """Whether the chunks of the nest are steps, to be run in order."""
        chunked = self.nest.chunked
        return isinstance(chunked, While) or (chunked is not None and chunked.kind == "steps")

    @property
    def counts(self) -> bool:
        """Whether there is something to be counted while it runs."""
        return self.in_steps or any(step.times > 1 for step in self.chain())


def schedule(kernel: Eqn | Graph) -> Scheduled:
    """Write the loops of a `kernel` equation, or of the graph in one: once for graphs that are equal but for literals."""
    return _written_once(kernel.params["graph"] if isinstance(kernel, Eqn) else kernel)


def schedule_rows(kernel: Eqn, rows: int) -> Scheduled | None:
    """Write the loops of a `kernel` equation from row to row: the outermost one counts slices of the first axis.

    Args:
        kernel: the equation.
        rows: how many lines of that axis a slice has.

    Returns:
        None where the kernel reduces something, or is no loop at all.
    """
    graph = kernel.params["graph"]
    if make_plan(_with_own_results(expand_positions(graph))).reduced:
        return None
    one = _written_once(graph, rows)
    return one if one.then is None and one.nest.chunked is one.nest.body[-1] else None


def _written_once(graph: Graph, rows: int = 0) -> Scheduled:
    """The loops of a graph, written unless those of one that differs in literals alone are there."""
    graph, literals = without_literals(graph)
    scheduled, places = _schedule(graph, rows)
    return _with_literals(scheduled, places, literals) if literals else scheduled


def _with_literals(scheduled: Scheduled, places: Places, literals: Sequence[np.generic]) -> Scheduled:
    """The same loops, whose parameters are these literals."""
    params, words = list(scheduled.params), [words_of(value) for value in literals]
    for k, (number, word) in places[0]:
        params[k] = words[number][word]
    then = scheduled.then
    then = None if then is None else _with_literals(then, places[1:], literals)
    return replace(scheduled, params=tuple(params), then=then)


@functools.lru_cache(maxsize=1024)
def _schedule(marked: Graph, rows: int) -> tuple[Scheduled, Places]:
    """The loops of a graph, and which of their parameters are the words of which marked literals."""
    expanded = expand_positions(marked)  # where anything is, nothing was marked
    graph = _with_own_results(expanded)  # which adds equations behind those that are there
    loops = _begin(graph, make_plan(graph))
    plan = loops.plan
    if not plan.reduced:
        write_map(loops, rows and rows * loops.lines())
    elif is_long(loops):
        write_partials(loops)
    elif is_narrow(loops):
        loops.set_narrow()
        write_rows(loops)
    elif is_low(loops):
        loops.set_low()
        write_rows(loops)
    elif plan.in_columns:
        write_columns(loops)
    elif is_short(loops):
        loops = _begin(graph, make_plan(graph, turned=True))
        write_turned(loops)
    else:
        write_rows(loops)
    builder, outs = loops.builder, loops.outs
    nbytes = sum(var.type.nbytes for var in (*graph.ins, *outs))
    following: Scheduled | None = None
    for (nest, params), extent in reversed(list(zip(builder.nests(), loops.all_extents, strict=True))):
        work = estimate(nest, params, nbytes)
        grain = grain_of(extent, work)
        following = Scheduled(
            nest, params, extent, tuple(loops.scratch), grain=grain, work=work, then=following
        )
    assert following is not None
    return following, [marked_params(marked, names) for names in builder.names] if expanded is marked else []


def _begin(graph: Graph, plan: Plan) -> Loops:
    """The loops of a kernel before anything is written."""
    builder = NestBuilder()
    layout = Layout(graph, builder, plan.frame, plan.placed())
    expressions = Expressions(graph, builder, layout)
    outs = {var: builder.buffer(var.type.dtype, "out") for var in graph.outs if isinstance(var, Var)}
    return Loops(plan, builder, layout, expressions, outs)


def _with_own_results(graph: Graph) -> Graph:
    """The graph with each result computed by an equation and given once, as a buffer holds one value."""
    from weft.ir.ops.control import optimization_barrier_p

    computed = {var for eqn in graph.eqns for var in eqn.outs}
    eqns, outs = list(graph.eqns), []
    for atom in graph.outs:
        if isinstance(atom, Literal) or atom not in computed or atom in outs:
            var = Var(atom.type)
            eqns.append(Eqn(optimization_barrier_p, (atom,), (var,), {}))
            atom = var
        outs.append(atom)
    return graph if eqns == list(graph.eqns) else graph.replace(eqns=eqns, outs=outs)
