"""Text in, text out: what the tests of single passes share."""

from __future__ import annotations

from collections.abc import Callable

from weft.ir.graph import Graph
from weft.ir.parser import parse_graph
from weft.ir.passes.dce import dce
from weft.ir.printer import print_graph
from weft.ir.verify import verify


def changed(run: Callable[[Graph], Graph], text: str) -> str:
    """The text of what a pass makes of a text; the result verifies and repeats to itself."""
    graph = parse_graph(text)
    verify(graph)
    result = run(graph)
    verify(result)
    assert print_graph(run(result)) == print_graph(result)
    return print_graph(result)


def unchanged(run: Callable[[Graph], Graph], text: str) -> None:
    """Assert that a pass gives back the graph itself."""
    graph = parse_graph(text)
    verify(graph)
    assert run(graph) is graph


def body(run: Callable[[Graph], Graph], head: str, equations: str) -> str:
    """The lines that a pass and `dce` leave of ``equations`` in a graph with the inputs ``head``."""
    text = changed(lambda g: dce(run(g)), f"graph({head}) {{\n{equations}\n}}")
    return "\n".join(line.strip() for line in text.split("\n")[1:-1])
