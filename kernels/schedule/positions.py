"""Positions of extrema, written as reductions that are vectors' work.

The one idea: the first place where ``x`` is its maximum is the least index where it equals it. A maximum and
a minimum of integers are both folds without branches; a fold that carries the best and its place is neither
vectorised nor any simpler.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from weft.ir.builder import build, read
from weft.ir.graph import Eqn, Graph, Literal, Var
from weft.ir.interpret import run_eqns
from weft.ir.loops.vocabulary import register_dtype
from weft.ir.ops.elementwise import cast, eq, eq_p, ne, ne_p, or_, or_p, select, select_p
from weft.ir.ops.reduce import reduce_max, reduce_max_p, reduce_min, reduce_min_p
from weft.ir.ops.shape import broadcast, broadcast_p, iota
from weft.ir.source import at_source
from weft.ir.types import INT64, is_inexact

_COUNTERS = tuple(np.dtype(f"i{size}") for size in (1, 2, 4, 8))


def position_dtype(dtype: np.dtype, length: int) -> np.dtype:
    """The integers that count positions: as wide as elements are, so that vectors of both have one length, if they suffice."""
    size = register_dtype(dtype).itemsize
    return next((d for d in _COUNTERS if d.itemsize >= size and length <= np.iinfo(d).max), INT64)


def _nowhere(dtype: np.dtype) -> np.generic:
    """What stands for no position."""
    nowhere: np.generic = dtype.type(np.iinfo(dtype).max)
    return nowhere


def expand_positions(graph: Graph) -> Graph:
    """Replace argmax and argmin; idempotent; a graph without them comes back itself."""
    if all(eqn.prim.lower.kind != "argreduce" for eqn in graph.eqns):
        return graph

    def fun(*args: Any) -> list[Any]:
        env: dict[Var, Any] = dict(zip(graph.ins, args, strict=True))
        for eqn in graph.eqns:
            if eqn.prim.lower.kind == "argreduce":
                with at_source(eqn.source):
                    env[eqn.outs[0]] = _position(eqn, read(env, eqn.ins[0]))
            else:
                run_eqns([eqn], env)
        return [read(env, atom) for atom in graph.outs]

    return build(fun, graph.in_types)


def _position(eqn: Eqn, x: Any) -> Any:
    axis = eqn.params["axis"]
    best = (reduce_max if eqn.prim.lower.rule == "max" else reduce_min)(x, (axis,))
    hit = eq(x, broadcast(best, x.shape, [d for d in range(len(x.shape)) if d != axis]))
    if is_inexact(x.dtype):
        hit = or_(hit, ne(x, x))  # the maximum is NaN where there is one: the first NaN wins
    counter = position_dtype(x.dtype, x.shape[axis])
    places = select(hit, iota(counter, x.shape, axis), _nowhere(counter))
    return cast(reduce_min(places, (axis,)), eqn.params["dtype"])


def extremum_of(defined: Mapping[Var, Eqn], eqn: Eqn) -> Var | None:
    """The extremum whose first position ``eqn`` finds, if that is what it does.

    What has another extremum, and no NaN, has nothing to say about the position.
    """

    def made_by(prim: Any, atom: Any) -> Eqn | None:
        found = None if isinstance(atom, Literal) else defined.get(atom)
        return found if found is not None and found.prim is prim else None

    chosen = made_by(select_p, eqn.ins[0]) if eqn.prim is reduce_min_p else None
    if chosen is None or not isinstance(chosen.ins[2], Literal):
        return None
    if chosen.ins[2].value.dtype not in _COUNTERS or chosen.ins[2].value != _nowhere(
        chosen.ins[2].value.dtype
    ):
        return None
    hit: Any = chosen.ins[0]
    either = made_by(or_p, hit)
    if either is not None:
        nan = made_by(ne_p, either.ins[1])
        hit = either.ins[0] if nan is not None and nan.ins[0] is nan.ins[1] else None
    equal = made_by(eq_p, hit) if hit is not None else None
    if equal is None or (either is not None and nan is not None and nan.ins[0] is not equal.ins[0]):
        return None
    spread = made_by(broadcast_p, equal.ins[1])
    best = spread.ins[0] if spread is not None else equal.ins[1]
    fold = made_by(reduce_max_p, best) or made_by(reduce_min_p, best)
    return best if fold is not None and fold.ins[0] is equal.ins[0] and isinstance(best, Var) else None
