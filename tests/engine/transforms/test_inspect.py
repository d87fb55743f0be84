"""`make_graph`, `eval_shape`, `jit(...).lower`: the text of graphs, shapes without values, every stage."""

from __future__ import annotations

import re

import numpy as np
import pytest

import weft
import weft.numpy as wnp
from weft import lax
from weft.errors import ArgumentError
from weft.ir.parser import parse_graph

X = np.arange(6.0).reshape(2, 3)


def test_graphs_print_and_parse() -> None:
    graph = weft.make_graph(lambda x: wnp.sin(x) * 2)(X)
    assert str(graph).splitlines()[0] == "graph(a: f64[2,3]) {"
    assert "sin a" in str(graph)
    assert str(parse_graph(str(graph))) == str(graph)
    assert weft.make_jaxpr is weft.make_graph


def test_graphs_of_static_arguments_closures_and_shapes() -> None:
    big = np.ones((2, 3))
    graph, shapes = weft.make_graph(lambda n, x: {"y": x**n + big}, static_argnums=0, return_shape=True)(2, X)
    assert len(graph.ins) == 2  # the array closed over is the last input
    assert shapes == {"y": weft.ShapeDtypeStruct((2, 3), np.float64)}


def test_eval_shape_computes_nothing() -> None:
    huge = weft.ShapeDtypeStruct((10**6, 10**6), np.float32)
    out = weft.eval_shape(lambda x, y: {"p": x @ y, "s": (x > 0).sum()}, huge, y=huge)
    assert out["p"] == huge
    assert (out["s"].shape, out["s"].dtype, out["p"].ndim, out["p"].size) == ((), np.int64, 2, 10**12)
    assert weft.jit(lambda x: x[0]).eval_shape(X).shape == (3,)


def test_every_stage_prints() -> None:
    lowered = weft.jit(lambda x: wnp.exp(x).sum(0)).lower(weft.ShapeDtypeStruct((64, 3), np.float64))
    wanted = {
        "graph": "exp",
        "fused": "graph",
        "loops": "for",
        "llvm": "define",
        "asm": "weft_",
        "tape": "kernel",
    }
    for stage, part in wanted.items():
        assert part.lower() in lowered.as_text(stage).lower(), stage
    costs, memory = lowered.cost_analysis(), lowered.memory_analysis()
    assert costs["flops"] >= 2 * 64 * 3 - 3
    assert costs["bytes accessed"] >= 8 * 64 * 3
    assert memory["argument_size_in_bytes"] == 8 * 64 * 3
    assert memory["output_size_in_bytes"] == 24


def test_memory_analysis_lists_copies() -> None:
    def steps(x: weft.Array) -> weft.Array:
        return lax.fori_loop(0, 7, lambda i, a: wnp.sin(a @ a), x)

    x = np.ones((40, 40))
    memory = weft.jit(steps).lower(x).memory_analysis()
    first, last = memory["copied"]
    assert memory["copies"] == 2
    assert re.fullmatch(r"12800 bytes: the first carry of scan at .*test_inspect\.py:\d+", first)
    assert re.fullmatch(r"12800 bytes: the last carry of scan at .*, unless it is there", last)
    assert (
        weft.jit(lambda x: (x, x)).lower(x).memory_analysis()["copied"]
        == ["12800 bytes: a result that is an operand, or a result twice"] * 2
    )
    written = weft.jit(lambda x, i: lax.fori_loop(0, 5, lambda k, a: a.at[i + k].mul(2.0), x)).lower(x, 3)
    assert all("what " in why or "first carry" in why for why in written.memory_analysis()["copied"])
    assert written.memory_analysis()["copies"] == 1  # of the argument, which stays as it is
    assert weft.jit(lambda x: wnp.sin(x) + 1).lower(x).memory_analysis()["copied"] == []


def test_compiled_functions_run_and_check_types() -> None:
    compiled = weft.jit(lambda x: x + 1).lower(X).compile()
    assert compiled(X).tolist() == (X + 1).tolist()
    with pytest.raises(ArgumentError, match=r"was compiled for f64\[2,3\] and called with f64\[4\]"):
        compiled(np.ones(4))
    with pytest.raises(ArgumentError, match=r"as_text knows the stages graph, fused, .*; got 'zz'"):
        compiled.as_text("zz")
