"""The `kernel` primitive: a piece of a program that becomes one loop nest.

The one idea: fusion only groups. A kernel carries the equations it was made of as a graph, so it means what
that graph means, prints, and can be evaluated; how its loops run is decided later, by the schedule.
"""

from __future__ import annotations

from typing import Any

from weft.ir.errors import InternalError, ShapeError
from weft.ir.graph import Graph
from weft.ir.interpret import evaluate
from weft.ir.primitive import Lowering, Primitive
from weft.ir.types import ArrayType


def _kernel_types(*ins: ArrayType, graph: Graph, kind: str) -> tuple[ArrayType, ...]:
    if graph.in_types != ins:
        raise ShapeError(
            f"kernel of a graph of {', '.join(map(str, graph.in_types))} got {', '.join(map(str, ins))}."
        )
    return graph.out_types


def _kernel_batch(prim: Primitive, args: Any, axes: Any, size: int, params: Any) -> Any:
    raise InternalError(
        "a kernel was batched: fusion is the last pass over a graph, transformations come before it."
    )


kernel_p = Primitive(
    "kernel",
    type_rule=_kernel_types,
    reference=lambda *args, graph, kind: evaluate(graph, *args),
    jvp=None,
    transpose=None,
    batch=_kernel_batch,
    lower=Lowering("kernel"),
    multiple=True,
)
