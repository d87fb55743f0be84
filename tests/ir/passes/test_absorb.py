"""`absorb`: what goes into routines, what does not, and that programs mean what they meant."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from weft.ir.builder import build, type_of_value
from weft.ir.graph import Graph
from weft.ir.interpret import evaluate
from weft.ir.ops import elementwise as e
from weft.ir.ops import transcendental as t
from weft.ir.ops.contract import matmul
from weft.ir.ops.cumulative import cumsum
from weft.ir.ops.index import dynamic_update_slice, scatter
from weft.ir.ops.shape import full, iota, reverse, transpose
from weft.ir.ops.sort import searchsorted, sort_many
from weft.ir.passes.absorb import absorb
from weft.ir.passes.fuse import fuse
from weft.ir.passes.pipeline import BEFORE_FUSION, run_pipeline
from weft.ir.types import INT64
from weft.ir.verify import verify

X, PLACES = np.linspace(-1, 1, 6), np.array([2, -1, 0, 2, -3, 1])


def absorbed(fun: Callable[..., Any], *args: Any) -> tuple[Graph, list[str]]:
    """The graph, and the names of its equations: routines by what they are around, in brackets."""
    graph = build(lambda *v: _as_list(fun(*v)), [type_of_value(a) for a in args])
    fused = fuse(run_pipeline(graph, BEFORE_FUSION))
    result = absorb(fused)
    verify(result)
    assert absorb(result) is result
    for got, wanted in zip(evaluate(result, *args), evaluate(graph, *args), strict=True):
        np.testing.assert_array_equal(got, wanted)
    names = [
        f"[{eqn.params['kind']}]" if eqn.prim.name == "routine" else eqn.prim.name for eqn in result.eqns
    ]
    return result, names


def _as_list(outs: Any) -> list[Any]:
    return list(outs) if isinstance(outs, Sequence) else [outs]


def turned(i: Any) -> Any:
    return e.select(e.lt(i, 0), e.add(i, np.asarray(3, INT64)), i)


def add_at(x: Any, i: Any) -> Any:
    return scatter(full((3,), 0, x.dtype), x, [i], [0], "add")


TAKEN: dict[str, tuple[Callable[..., Any], list[str]]] = {
    "positions and values": (lambda x, i: add_at(e.mul(x, x), turned(i)), ["kernel", "[scatter]"]),
    "numbers of rows": (lambda x, i: sort_many([x, iota(INT64, (6,))], 0), ["[sort]"]),
    "numbers along an axis": (lambda x, i: sort_many([e.sub(full((2, 3), 1, INT64), iota(INT64, (2, 3), 1))], 1), ["[sort]"]),
    "casts": (lambda x, i: cumsum(e.cast(e.gt(x, 0), INT64), 0), ["[cumsum]"]),
    "one of two results": (lambda x, i: (cumsum(e.mul(x, x), 0), e.add(x, x)), ["[cumsum]", "kernel"]),
    "updates": (lambda x, i: dynamic_update_slice(x, full((2,), 7, x.dtype), [np.asarray(1)]), ["[dynamic_update_slice]"]),
}  # fmt: skip


@pytest.mark.parametrize("name", TAKEN)
def test_cheap_pointwise_operands_are_computed_inside(name: str) -> None:
    fun, wanted = TAKEN[name]
    assert sorted(absorbed(fun, X, PLACES)[1]) == sorted(wanted)


LEFT: dict[str, Callable[..., Any]] = {
    "nothing to take": lambda x, i: cumsum(x, 0),
    "costly": lambda x, i: cumsum(t.exp(x), 0),
    "read by others too": lambda x, i: (lambda y: (cumsum(y, 0), y))(e.mul(x, x)),
    "read twice": lambda x, i: (lambda y: sort_many([y, y], 0))(e.mul(x, x)),
    "moved": lambda x, i: cumsum(reverse(x, (0,)), 0),
    "looked at several times": lambda x, i: searchsorted(x, e.neg(x)),
    "read often": lambda x, i: searchsorted(e.add(x, x), x),
    "what a product gives": lambda x, i: cumsum(matmul(full((1, 6), 1, x.dtype), x), 0),
}


@pytest.mark.parametrize("name", LEFT)
def test_other_operands_stay_as_they_are(name: str) -> None:
    assert not any(n.startswith("[") for n in absorbed(LEFT[name], X, PLACES)[1])


def test_moved_axes_are_not_pointwise() -> None:
    x = np.arange(6.0).reshape(2, 3)
    assert "[cumsum]" not in absorbed(lambda x: cumsum(transpose(x, (1, 0)), 0), x)[1]


def test_golden(golden: Any) -> None:
    graph, _ = absorbed(TAKEN["positions and values"][0], X, PLACES)
    golden(str(graph))
