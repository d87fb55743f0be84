"""The `kernel` primitive, a piece of a program that becomes one loop nest, and `routine`, one that has loops of its own.

The one idea: fusion only groups. A kernel carries the equations it was made of as a graph, so it means what
that graph means, prints, and can be evaluated; how its loops run is decided later, by the schedule. A routine
carries a library operation, and before it what computes its operands an element at a time.
"""

from __future__ import annotations

from typing import Any

from weft.ir.errors import InternalError, ShapeError
from weft.ir.graph import Graph
from weft.ir.interpret import evaluate
from weft.ir.primitive import Lowering, Primitive
from weft.ir.types import ArrayType


def _define(name: str) -> Primitive:
    def types(*ins: ArrayType, graph: Graph, kind: str) -> tuple[ArrayType, ...]:
        if graph.in_types != ins:
            raise ShapeError(
                f"{name} of a graph of {', '.join(map(str, graph.in_types))} got {', '.join(map(str, ins))}."
            )
        return graph.out_types

    def batch(prim: Primitive, args: Any, axes: Any, size: int, params: Any) -> Any:
        raise InternalError(
            f"a {name} was batched: fusion is the last pass over a graph, transformations come before it."
        )

    return Primitive(
        name,
        type_rule=types,
        reference=lambda *args, graph, kind: evaluate(graph, *args),
        jvp=None,
        transpose=None,
        batch=batch,
        lower=Lowering(name),
        multiple=True,
    )


kernel_p = _define("kernel")
routine_p = _define("routine")
