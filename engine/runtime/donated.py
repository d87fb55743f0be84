"""Which results take over the memory of donated inputs.

The one idea: an input that nobody wants any more is as good a place for a result as new memory, if it is not read after the
result begins to be written. That holds when its last reader comes before the result's maker; or when they are one kernel,
which `weft.kernels.schedule.in_place` can turn into one that writes over its operand.
"""

from __future__ import annotations

from weft.engine.runtime.blocks import Block
from weft.engine.runtime.bufferize import roots_of
from weft.engine.runtime.overwrite import write_over
from weft.ir.graph import Var
from weft.ir.records import replace


def give_memory(block: Block, donated: tuple[int, ...]) -> None:
    """Decide for results of a scheduled block, and rewrite the kernels that write over their operands."""
    graph = block.graph
    owned = [graph.ins[k] for k in donated]
    roots = roots_of(block, owned)
    last: dict[Var, int] = {}
    for i, eqn in enumerate(graph.eqns):
        for atom in eqn.ins:
            if isinstance(atom, Var):
                last[roots.get(atom, atom)] = i
    makers = {var: i for i, eqn in enumerate(graph.eqns) for var in eqn.outs}
    results = list(dict.fromkeys(roots.get(a, a) for a in graph.outs if isinstance(a, Var)))
    taken = set(results)  # inputs that are results, or were written in place to become one, have their memory
    for source in owned:
        if source in taken:
            continue
        for result in results:
            fits = (result.type.dtype, result.type.size) == (source.type.dtype, source.type.size)
            if result not in makers or result in block.given or not fits:
                continue
            before, maker = last.get(source, -1), makers[result]
            if before < maker or (before == maker and _write_over(block, maker, roots, source, result)):
                block.given[result] = source
                break


def _write_over(block: Block, number: int, roots: dict[Var, Var], source: Var, result: Var) -> bool:
    """Let the kernel of an equation write a result over an operand, if it can."""
    found = write_over(block.graph, block.scheduled, number, roots, source, result)
    if found is None:
        return False
    written, operand = found
    block.scheduled[number] = replace(written, overwritten=(*written.overwritten, operand))
    return True
