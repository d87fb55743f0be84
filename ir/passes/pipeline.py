"""The passes that prepare a graph for fusion, in their order.

The one idea: a pipeline is a tuple of (name, pass), read from the top. In debug mode each pass's result is
verified, so that the pass that broke a graph is named, not the one that fell over it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from weft.ir.errors import VerificationError
from weft.ir.graph import Graph
from weft.ir.passes.condense import condense
from weft.ir.passes.corners import add_corners
from weft.ir.passes.counters import fold_counters
from weft.ir.passes.cse import cse
from weft.ir.passes.dce import dce
from weft.ir.passes.few_steps import few_steps
from weft.ir.passes.fold import fold
from weft.ir.passes.hoist import hoist
from weft.ir.passes.inline import inline
from weft.ir.passes.powers import lower_powers
from weft.ir.passes.products import lower_products
from weft.ir.passes.reread import reread
from weft.ir.passes.reroll import reroll
from weft.ir.passes.simplify import simplify
from weft.ir.passes.split_reductions import split_reductions
from weft.ir.passes.strides import update_in_strides
from weft.ir.passes.strip_barriers import strip_barriers
from weft.ir.passes.triangles import trim_products
from weft.ir.passes.turn import turn_matrices
from weft.ir.passes.windows import lower_windows
from weft.ir.verify import verify as verify_graph

Pass = Callable[[Graph], Graph]

BEFORE_FUSION: tuple[tuple[str, Pass], ...] = (
    ("inline", inline),
    ("reroll", reroll),
    ("fold", fold),
    ("lower_powers", lower_powers),
    ("cse", cse),
    ("fold_counters", fold_counters),
    ("simplify", simplify),
    ("condense", condense),
    ("hoist", hoist),
    ("dce", dce),
    ("few_steps", few_steps),
    ("trim_products", trim_products),
    ("lower_windows", lower_windows),
    ("lower_products", lower_products),
    ("split_reductions", split_reductions),
    ("simplify", simplify),
    ("update_in_strides", update_in_strides),
    ("reread", reread),
    ("add_corners", add_corners),
    ("turn_matrices", turn_matrices),
    ("strip_barriers", strip_barriers),
    ("dce", dce),
)


def run_pipeline(
    graph: Graph,
    passes: Sequence[tuple[str, Pass]] = BEFORE_FUSION,
    *,
    verify: bool = False,
    log: Callable[[str, Graph], None] | None = None,
) -> Graph:
    """Run passes one after the other.

    Args:
        graph: what to start from.
        passes: names and passes, in order.
        verify: verify the graph before the first pass and after each.
        log: called with each pass's name and result.

    Raises:
        VerificationError: with ``verify``, naming the pass whose result breaks a rule.
    """
    if verify:
        _verify_after("the graph that was given", graph)
    for name, run in passes:
        graph = run(graph)
        if verify:
            _verify_after(f"the result of the pass {name}", graph)
        if log is not None:
            log(name, graph)
    return graph


def _verify_after(what: str, graph: Graph) -> None:
    try:
        verify_graph(graph)
    except VerificationError as error:
        raise VerificationError(f"{what} does not verify: {error.message}") from error
