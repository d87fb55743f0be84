"""Blocks: a graph on its way to the tape, fused, scheduled and compiled, with the bodies of its branches and loops.

The one idea: a body goes the way of a whole program (passes, fusion, schedules), and all kernels of a program, wherever they
stand, are compiled in one go.
"""

from __future__ import annotations

from collections.abc import Iterator

from weft.engine import config
from weft.engine.runtime.aliases import body_consts, carry_operands
from weft.engine.runtime.join import join
from weft.engine.runtime.overwrite import overwrite_carry
from weft.engine.runtime.roll import Step, roll, steps_of
from weft.engine.runtime.spread import spread
from weft.engine.runtime.sweep import sweep
from weft.ir.graph import Atom, Eqn, Graph, Literal, Var, sub_graphs
from weft.ir.loops.nest import Nest
from weft.ir.ops.control import optimization_barrier_p
from weft.ir.ops.flow import cond_p, scan_p, while_loop_p
from weft.ir.ops.kernel import kernel_p, routine_p
from weft.ir.params import map_graphs
from weft.ir.passes.absorb import absorb
from weft.ir.passes.fuse import fuse
from weft.ir.passes.pipeline import BEFORE_FUSION, run_pipeline
from weft.ir.records import dataclass, field
from weft.kernels.backend import Kernel, compile_nests
from weft.kernels.library.routines import schedule_routine
from weft.kernels.schedule import Scheduled, schedule

LOOPS = (scan_p, while_loop_p)
FLOW = (cond_p, *LOOPS)
"""The operations whose bodies run inside the tape, or inside a kernel."""


@dataclass(slots=True)
class Block:
    """A fused graph and what runs its equations, by their numbers.

    Attributes:
        graph: the fused graph; bodies in it are fused too.
        scheduled: loop nests of kernels and routines.
        kernels: their machine code, for each of the nests of one equation.
        inner: the bodies of branches and loops, in the order of their params' names.
        given: results that take over the memory of an input, and which.
    """

    graph: Graph
    scheduled: dict[int, Scheduled] = field(default_factory=dict)
    kernels: dict[int, tuple[Kernel, ...]] = field(default_factory=dict)
    inner: dict[int, tuple[Block, ...]] = field(default_factory=dict)
    given: dict[Var, Var] = field(default_factory=dict)

    def walk(self) -> Iterator[Block]:
        """This block and all inside it, in the order they stand."""
        yield self
        for number in sorted(self.inner):
            for block in self.inner[number]:
                yield from block.walk()

    def nests(self) -> Iterator[Nest]:
        """All loop nests."""
        for block in self.walk():
            for number in sorted(block.scheduled):
                yield from (step.nest for step in block.scheduled[number].chain())

    def all_kernels(self) -> Iterator[Kernel]:
        """All kernels."""
        for block in self.walk():
            for number in sorted(block.kernels):
                yield from block.kernels[number]


def compile_block(graph: Graph, donated: tuple[int, ...] = ()) -> Block:
    """Optimise, fuse, schedule and compile a graph with all its bodies; ``donated`` inputs may be written over."""
    block = _lower(graph)
    if donated:
        from weft.engine.runtime.donated import give_memory

        give_memory(block, donated)
    config.log("fused", block.graph)
    nests = list(block.nests())
    for nest in nests:
        config.log("loops", nest)
    compiled = compile_nests(nests) if nests else []
    following = iter(compiled)
    for one in block.walk():
        one.kernels = {
            i: tuple(next(following) for _ in one.scheduled[i].chain()) for i in sorted(one.scheduled)
        }
    for kernel in compiled:
        config.log("llvm", kernel.llvm)
        config.log("asm", kernel.asm)
    return block


def _lower(graph: Graph, loop: Eqn | None = None) -> Block:
    """The block of a graph, not compiled; ``loop`` has it as its body."""
    optimized = run_pipeline(graph, BEFORE_FUSION, verify=config.settings.debug, log=config.log_pass)
    carry: list[tuple[Var, Atom]] = []
    if loop is not None:
        n_consts, n_carry = body_consts(loop), carry_operands(loop)[1]
        carry = list(zip(optimized.ins[n_consts : n_consts + n_carry], optimized.outs, strict=False))
    fused = absorb(fuse(optimized, carry))
    if config.settings.debug:
        from weft.ir.verify import verify

        verify(fused)
    fused = _with_own_memory(_without_literal_operands(fused))
    block = Block(fused)
    eqns, spreads = list(fused.eqns), {}
    for i, eqn in enumerate(eqns):
        if eqn.prim in FLOW:
            bodies = {
                id(body): _lower(body, eqn if eqn.prim in LOOPS and name == "body" else None)
                for name, body in sub_graphs(eqn)
            }
            inner = tuple(bodies[id(body)] for _, body in sub_graphs(eqn))
            eqns[i] = map_graphs(eqn, lambda body: bodies[id(body)].graph)  # noqa: B023
            rolled: Scheduled | None = None
            if eqn.prim in LOOPS:
                overwrite_carry(eqn, inner[0].graph, inner[0].scheduled)
                steps = steps_of(inner)
                if steps and (rolled := spread(eqn, steps[0])) is not None:
                    spreads[i] = steps[0]
                elif steps:
                    rolled = sweep(eqn, steps[0]) or roll(eqn, steps)
            if rolled is not None:
                block.scheduled[i] = rolled
            else:
                block.inner[i] = inner
        elif (one := _schedule(eqn)) is not None:
            block.scheduled[i] = one
    if any(eqn.prim in FLOW for eqn in eqns):
        block.graph = fused.replace(eqns=eqns)
    return _with_joined_loops(block, spreads) if spreads else block


def _with_joined_loops(block: Block, spreads: dict[int, Step]) -> Block:
    """The block with loops over the same rows as one, where there are such among those given by their steps."""
    found = join(block.graph, block.scheduled, spreads)
    joined = Block(block.graph.replace(eqns=[one.eqn for one in found]))
    joined.scheduled = {i: one.scheduled for i, one in enumerate(found) if one.scheduled is not None}
    joined.inner = {i: block.inner[one.number] for i, one in enumerate(found) if one.number in block.inner}
    return joined


def _without_literal_operands(graph: Graph) -> Graph:
    """The graph with kernels that make the literals which branches and loops take."""
    if not any(eqn.prim in FLOW and any(isinstance(a, Literal) for a in eqn.ins) for eqn in graph.eqns):
        return graph
    eqns: list[Eqn] = []
    for eqn in graph.eqns:
        if eqn.prim in FLOW:
            made = {a: Var(a.type) for a in eqn.ins if isinstance(a, Literal)}
            for literal, var in made.items():
                inner = Var(literal.type)
                body = Graph((), (Eqn(optimization_barrier_p, (literal,), (inner,), {}),), (inner,))
                eqns.append(Eqn(kernel_p, (), (var,), {"graph": body, "kind": "map"}, eqn.source))
            ins = tuple([made[a] if isinstance(a, Literal) else a for a in eqn.ins])
            eqn = Eqn(eqn.prim, ins, eqn.outs, eqn.params, eqn.source)
        eqns.append(eqn)
    return graph.replace(eqns=eqns)


_UPDATES = ("scatter", "dynamic_update_slice", "update_slice")  # which change their first operand
_WORTH = 4096  # bytes from which filling memory is sooner done than copying it


def _with_own_memory(graph: Graph) -> Graph:
    """The graph with kernels of their own for the zeros, say, that loops and updates begin with: else they are copied."""
    makers = {e.outs[0]: e for e in graph.eqns if e.prim is kernel_p and not e.ins and len(e.outs) == 1}
    makers = {v: e for v, e in makers.items() if v.type.nbytes >= _WORTH}
    if not makers:
        return graph
    eqns: list[Eqn] = []
    for eqn in graph.eqns:
        ins: list[Atom] = list(eqn.ins)
        for k in _written_over(eqn):
            operand = ins[k]
            if isinstance(operand, Var) and (maker := makers.get(operand)) is not None:
                ins[k] = own = Var(operand.type)
                eqns.append(Eqn(kernel_p, (), (own,), maker.params, maker.source))
        same = all(x is y for x, y in zip(ins, eqn.ins, strict=True))
        eqns.append(eqn if same else Eqn(eqn.prim, tuple(ins), eqn.outs, eqn.params, eqn.source))
    read = {a for eqn in eqns for a in eqn.ins} | set(graph.outs)
    return graph.replace(
        eqns=[eqn for eqn in eqns if makers.keys().isdisjoint(eqn.outs) or eqn.outs[0] in read]
    )


def _written_over(eqn: Eqn) -> range:
    """The numbers of the operands in whose place results are."""
    if eqn.prim in LOOPS:
        first, count = carry_operands(eqn)
        return range(first, first + count)
    return range((eqn.params["kind"] if eqn.prim is routine_p else eqn.prim.name) in _UPDATES)


def _schedule(eqn: Eqn) -> Scheduled | None:
    """The loops of a kernel, or of an operation that a routine computes."""
    return schedule(eqn) if eqn.prim is kernel_p else schedule_routine(eqn)
