"""Random graphs over one space: reductions, what is computed of them, and their way back to all elements.

The graphs of tests/ir/random_graphs.py are rich in operations; these are rich in what makes kernels of several passes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from weft.ir.builder import GraphBuilder, tracing
from weft.ir.graph import Graph
from weft.ir.ops import elementwise as e
from weft.ir.ops import reduce as r
from weft.ir.ops import shape as s
from weft.ir.ops import transcendental as t
from weft.ir.ops.index import dynamic_slice, gather
from weft.ir.passes.dce import dce
from weft.ir.types import ArrayType

F64 = np.dtype(np.float64)


@st.composite
def row_chains(draw: st.DrawFn) -> Graph:
    """A graph of one or two f64 inputs of one shape, with reductions over two choices of axes."""
    builder = GraphBuilder()
    shape = tuple(draw(st.lists(st.sampled_from((1, 2, 3, 3, 4, 0)), min_size=1, max_size=4)))
    rank = len(shape)
    every = [builder.add_input(ArrayType(shape, F64)) for _ in range(draw(st.integers(1, 2)))]
    choices = [tuple(i for i in range(rank) if draw(st.booleans())) for _ in range(2)]
    reduced: dict[tuple[int, ...], list[Any]] = {axes: [] for axes in choices}
    with tracing(builder):
        for _ in range(draw(st.integers(2, 16))):
            x, axes = draw(st.sampled_from(every)), draw(st.sampled_from(choices))
            kept = [i for i in range(rank) if i not in axes]
            step = draw(
                st.sampled_from(
                    ("unary", "binary", "binary", "reduce", "reduce", "of", "back", "back", "move")
                )
            )
            if step == "unary":
                every.append(
                    t.tanh(x) if draw(st.booleans()) else e.mul(x, draw(st.sampled_from((0.5, 0.3))))
                )
            elif step == "binary":
                operation = draw(st.sampled_from((e.add, e.sub, e.maximum)))
                every.append(operation(x, draw(st.sampled_from(every))))
            elif step == "reduce" and axes:
                choose = (r.reduce_sum, r.reduce_sum, r.reduce_max) if x.size else (r.reduce_sum,)
                reduced[axes].append(draw(st.sampled_from(choose))(x, axes))
            elif step == "of" and reduced[axes]:
                y, z = (draw(st.sampled_from(reduced[axes])) for _ in range(2))
                operation = draw(st.sampled_from((e.add, e.mul, lambda y, z: t.tanh(y))))
                reduced[axes].append(operation(y, z))
            elif step == "back" and reduced[axes]:
                y = draw(st.sampled_from(reduced[axes]))
                if draw(st.booleans()):  # by way of axes of size 1
                    ones = t.tanh(s.reshape(y, [1 if i in axes else n for i, n in enumerate(shape)]))
                    y = s.reshape(ones, [shape[i] for i in kept])
                every.append(s.broadcast(y, shape, kept))
            elif step == "move":
                moved = _move(draw, x, axes)
                (every if moved.shape == shape else reduced[axes]).append(moved)
        pool = every + [y for values in reduced.values() for y in values]
        outs = draw(st.lists(st.sampled_from(pool), min_size=1, max_size=4))
        return dce(builder.finish([*outs, pool[-1], every[-1]])[0])


def _move(draw: st.DrawFn, x: Any, axes: tuple[int, ...]) -> Any:
    """Another view of ``x`` of the same shape, or the positions of its largest elements."""
    shape = x.shape
    kind = draw(st.sampled_from(("reverse", "flat", "window", "gather", "argmax")))
    if kind == "argmax" and len(axes) == 1 and x.size:
        return e.cast(r.argmax(x, axes[0]), F64)
    if kind == "gather" and x.size:
        axis = draw(st.integers(0, len(shape) - 1))
        places: list[Any] = [s.iota(np.int64, shape, d) for d in range(len(shape))]
        places[axis] = e.sub(e.mul(places[axis], draw(st.integers(1, 2))), draw(st.integers(0, 1)))
        found = gather(x, places, tuple(range(len(shape))), draw(st.sampled_from(("clip", "fill"))))
        return e.select(e.is_finite(found), found, x)
    if kind == "window":
        starts = [np.asarray(draw(st.integers(-1, 3)))] + [np.asarray(0)] * (len(shape) - 1)
        return dynamic_slice(s.concatenate([x, x], 0), starts, shape)
    return s.reverse(x, axes) if kind == "reverse" else s.reshape(s.reshape(x, (x.size,)), shape)
