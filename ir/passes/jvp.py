"""Forward-mode differentiation: push tangents through the equations of a graph.

`push_forward` works on values, so it runs eagerly, stages, and differentiates again alike. Tangents may belong to a deeper
builder than primals: then what depends on primals alone is computed or recorded with the primals, and only the linear part
goes to the tangents' graph. That is all that linearization is (linearize.py).
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

from weft.ir.builder import bind_all, build, read
from weft.ir.errors import GradientError
from weft.ir.graph import Eqn, Graph, Literal, Var
from weft.ir.params import map_graphs
from weft.ir.passes.dce import dce, has_effects
from weft.ir.rules import zeros_like
from weft.ir.source import at_source


def push_forward(eqns: Sequence[Eqn], env: dict[Var, Any], tangents: dict[Var, Any]) -> None:
    """Compute values and tangents of every result of ``eqns``.

    Args:
        eqns: equations in order.
        env: values of variables; results that are there already are not computed again.
        tangents: tangents of variables; a variable that is missing has tangent zero.
    """
    for eqn in eqns:
        primals = [read(env, a) for a in eqn.ins]
        if eqn.outs and eqn.outs[0] in env and has_effects(eqn):  # it has had its effects
            eqn = map_graphs(eqn, functools.partial(dce, effects=False))
        in_tangents: list[Any] = [None if isinstance(a, Literal) else tangents.get(a) for a in eqn.ins]

        def answer(eqn: Eqn = eqn, primals: list[Any] = primals) -> tuple[Any, ...]:
            if eqn.outs and eqn.outs[0] in env:
                return tuple(env[v] for v in eqn.outs)
            return bind_all(eqn.prim, primals, dict(eqn.params))

        out_tangents: tuple[Any, ...]
        with at_source(eqn.source):
            if all(t is None for t in in_tangents):
                outs, out_tangents = answer(), ()
            elif eqn.prim.jvp is None:
                raise GradientError(f"{eqn.prim.name} at {eqn.source} has no derivative.")
            else:
                outs, out_tangents = eqn.prim.jvp(eqn.prim, primals, in_tangents, eqn.params, answer)
        env.update(zip(eqn.outs, outs, strict=True))
        tangents.update((v, t) for v, t in zip(eqn.outs, out_tangents, strict=False) if t is not None)


def out_tangent(atom: Any, tangents: dict[Var, Any]) -> Any:
    """The tangent of a graph's output, ``None`` for zero."""
    return None if isinstance(atom, Literal) else tangents.get(atom)


@functools.lru_cache(maxsize=512)
def jvp(graph: Graph, active: tuple[bool, ...]) -> Graph:
    """The graph ``(primals..., tangents of active inputs...) -> (outs..., tangents of all outs...)``.

    Args:
        graph: any verified graph.
        active: for each input, whether it has a tangent.

    Zero tangents of floating outputs are written out; integer outputs get a tangent of zeros of their own dtype, so that
    outputs come in pairs.
    """

    def fun(*args: Any) -> list[Any]:
        env = dict(zip(graph.ins, args, strict=False))
        tangents = dict(
            zip((v for v, a in zip(graph.ins, active, strict=True) if a), args[len(graph.ins) :], strict=True)
        )
        push_forward(graph.eqns, env, tangents)
        outs = [read(env, a) for a in graph.outs]
        found = [out_tangent(a, tangents) for a in graph.outs]
        return [*outs, *(zeros_like(o) if t is None else t for o, t in zip(outs, found, strict=True))]

    return build(fun, [*graph.in_types, *(t for t, a in zip(graph.in_types, active, strict=True) if a)])
